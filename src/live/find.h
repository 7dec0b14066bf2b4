/*
 * Which processes have KVM descriptors: /proc.
 */
#ifndef ANYKVM_LIVE_FIND_H
#define ANYKVM_LIVE_FIND_H

#include <stddef.h>
#include <sys/types.h>

enum { FIND_VCPUS_MOST = 4096 };

/* Those of one KVM. */
struct live_fds {
	int vm;     /* its VM descriptor; -1: none */
	size_t vms;
	int *vcpus; /* its vCPU descriptors in ascending order */
	size_t count;
};

struct live_found {
	struct live_fds kernel, soft;
};

/* 0, -ESRCH (no such process), -EACCES, with a reason. */
int live_find(pid_t pid, struct live_found *found);
/* Also after a failure. */
void live_found_free(struct live_found *found);

/* Calls `tell` for each process id of this machine. */
void live_processes(void (*tell)(void *context, pid_t pid), void *context);

#endif
