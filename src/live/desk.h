/*
 * The software KVM of another process: its desk (core/visit.h), and one ioctl after the other made there, on threads of its own. Knows no ioctl.
 *
 * The process is held. Between the calls of one hold the threads in KVM_RUN that were asked stay parked, outside the guest; KVM_RUN does not end.
 */
#ifndef ANYKVM_LIVE_DESK_H
#define ANYKVM_LIVE_DESK_H

#include "core/visit.h"
#include "live/tracee.h"

struct desk {
	uint64_t at, room, serve; /* there */
};

/* Finds the desk of the library that made the descriptor. 0; -ENOENT: there is none of this version. */
int desk_find(struct tracee *tracee, int fd, struct desk *desk);

/* Where an argument's bytes will be. */
static inline uint64_t desk_argument(const struct desk *desk)
{
	return desk->room;
}

/*
 * Makes the call that `visit` describes, with `size` bytes of argument that go there and come back. `tid`: the thread that was asked last for that
 * descriptor. 0, and the result stands in `visit`; or -errno of ours.
 */
int desk_call(struct tracee *tracee, const struct desk *desk, pid_t *tid, struct visit *visit, void *argument, size_t size);

#endif
