/*
 * The program's eventfds: kept under a descriptor of our own, so that they live on when the program closes its own.
 */
#ifndef ANYKVM_CORE_EVENT_FD_H
#define ANYKVM_CORE_EVENT_FD_H

#include <stdbool.h>
#include <stdint.h>

struct event_fd {
	int fd;      /* ours */
	uint64_t id; /* the same for all descriptors of one eventfd */
};

/* Which eventfd the program's descriptor is, without keeping it: 0, -EBADF, or -EINVAL when it is none. `field` of the argument names it. */
int event_fd_identify(const char *field, int fd, uint64_t *id);

/* Keeps the eventfd of the program's descriptor: 0 or -errno as above, or -EMFILE. */
int event_fd_open(struct event_fd *event, const char *field, int fd);
void event_fd_close(struct event_fd *event);

/* Adds one to its count, without ever waiting: a count that is full stays full. */
void event_fd_signal(const struct event_fd *event);

/* Takes its count; false when it was zero. Never waits. */
bool event_fd_take(const struct event_fd *event);

#endif
