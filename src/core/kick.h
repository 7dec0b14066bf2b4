/*
 * Getting a thread out of a long call: which thread is in KVM_RUN, how a signal reaches it, how it sleeps and is woken.
 * A kick is a bit in the vCPU's request word; sleeping is a futex on that same word, so no kick is ever missed.
 */
#ifndef ANYKVM_CORE_KICK_H
#define ANYKVM_CORE_KICK_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Bits of a request word. The interpreter looks at the word once a block and leaves its loop when any is set. */
enum {
	REQUEST_SIGNAL = 1 << 0, /* a signal handler ran on the vCPU's thread, or a signal is pending for it: KVM_RUN ends with EINTR */
	REQUEST_MEMORY = 1 << 1, /* memory slots changed: drop cached translations */
	REQUEST_EVENT = 1 << 2,  /* an interrupt, NMI, INIT or SIPI may have become deliverable */
	REQUEST_EXIT = 1 << 3,   /* leave to the outer loop only */
	REQUEST_VISIT = 1 << 4,  /* park for a visitor between two stays in the guest (core/visit.h) */
};

struct kick {
	_Atomic uint32_t request;
	_Atomic uint32_t sleeping;
};

/* Any thread, also a signal handler: sets the bits and wakes the sleeper. */
void kick_set(struct kick *kick, uint32_t bits);

/* Sleeps until a request bit is set, a signal interrupts, or `deadline_ns` of CLOCK_MONOTONIC passes (UINT64_MAX: none). */
void kick_wait(struct kick *kick, uint64_t deadline_ns);

/*
 * Says that this thread is inside KVM_RUN with that kick word (NULL: no longer). A signal handler that the program installed
 * and that comes meanwhile sets REQUEST_SIGNAL.
 */
void kick_thread_enter(struct kick *kick);
void kick_thread_leave(struct kick *kick);

/*
 * A call of ours is the kernel's to the program: its signal handlers run behind it, never in its middle, where they would find locks
 * held. A signal that comes meanwhile is put back (kick_signal_hold) and let in at the end. Calls do not nest.
 */
void kick_call_enter(void);
void kick_call_leave(void);

/* In a handler: whether this thread is in a call. If so the signal must be made pending again; it is noted and ends KVM_RUN. */
bool kick_signal_hold(int signal);

/* KVM_SET_SIGNAL_MASK: what the program blocks outside this run (NULL: the mask is not replaced). Such a signal stays pending behind it. */
void kick_thread_blocked(const sigset_t *blocked);

#endif
