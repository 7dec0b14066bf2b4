/*
 * Functions of a held process, run on a thread of its; and a thread that goes on alone while the others stand still.
 *
 * A borrowed thread is called as by a signal: it returns through a frame, so that when the tracer is killed it finishes by itself and is as it was.
 */
#ifndef ANYKVM_LIVE_BORROW_H
#define ANYKVM_LIVE_BORROW_H

#include "live/tracee.h"

/* Runs `function` on the thread, on a stack that ends at `top`. 0; -ESRCH: it has ended; -EBUSY: it does not return yet, and has been let go. */
int borrow_call(struct tracee *tracee, struct tracee_thread *thread, uint64_t function, uint64_t top);

/*
 * The thread goes on until it is behind a FUTEX_WAKE of the word at `park` (it is `parked` then), or for so many seconds. 0; -ESRCH: it has ended;
 * -EBUSY: it does not stop any more, and has been let go. `thread` is good no longer: there may be more threads.
 */
int borrow_go(struct tracee *tracee, struct tracee_thread *thread, uint64_t park, double seconds);

#endif
