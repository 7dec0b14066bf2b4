/*
 * Request words: a bit set by anyone stops the interpreter at its next block, and wakes a vCPU that sleeps in HLT.
 */
#include "core/kick.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The kick word of the KVM_RUN that this thread is in. Read by signal handlers. */
static _Thread_local struct kick *_Atomic current __attribute__((tls_model("initial-exec")));

void kick_set(struct kick *kick, uint32_t bits)
{
	int error = errno; /* signal handlers come here */

	atomic_fetch_or(&kick->request, bits);
	if (atomic_load(&kick->sleeping))
		syscall(SYS_futex, &kick->request, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
	errno = error;
}

void kick_wait(struct kick *kick, uint64_t deadline_ns)
{
	struct timespec deadline = { .tv_sec = (time_t)(deadline_ns / 1000000000), .tv_nsec = (long)(deadline_ns % 1000000000) };

	atomic_store(&kick->sleeping, 1);
	/* The word is compared by the kernel: a kick between here and the sleep is seen. FUTEX_WAIT_BITSET takes an absolute time. */
	if (!atomic_load(&kick->request))
		syscall(SYS_futex, &kick->request, FUTEX_WAIT_BITSET_PRIVATE, 0, deadline_ns == UINT64_MAX ? NULL : &deadline, NULL,
			FUTEX_BITSET_MATCH_ANY);
	atomic_store(&kick->sleeping, 0);
}

/* What the program blocks while its mask is replaced; whether the thread is in a call; what was put back in it. */
static _Thread_local const sigset_t *_Atomic blocked_outside __attribute__((tls_model("initial-exec")));
static _Thread_local _Atomic bool in_call __attribute__((tls_model("initial-exec")));
static _Thread_local _Atomic uint64_t held __attribute__((tls_model("initial-exec"))); /* bit n - 1: signal n */

void kick_thread_enter(struct kick *kick)
{
	atomic_store_explicit(&current, kick, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	/* One that came since the call began, while it waited for the vCPU, say. */
	if (__builtin_expect(atomic_load_explicit(&held, memory_order_relaxed) != 0, 0))
		kick_set(kick, REQUEST_SIGNAL);
}

void kick_thread_leave(struct kick *kick)
{
	(void)kick;
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&current, NULL, memory_order_relaxed);
}

void kick_thread_blocked(const sigset_t *blocked)
{
	atomic_store_explicit(&blocked_outside, blocked, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

void kick_call_enter(void)
{
	atomic_store_explicit(&in_call, true, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

/* Past libc, which does not unblock its own signals for others. */
static void signals_let_in(uint64_t signals)
{
	syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &signals, NULL, sizeof signals);
}

/*
 * What was put back is taken over before handlers can run again, and let in when they can: one that runs in between and makes calls
 * of its own must not let it in, for the end of a handler brings the signal mask of its beginning back.
 */
void kick_call_leave(void)
{
	uint64_t signals;

	do {
		signals = atomic_load_explicit(&held, memory_order_relaxed) ? atomic_exchange_explicit(&held, 0, memory_order_relaxed) : 0;
		atomic_signal_fence(memory_order_seq_cst);
		atomic_store_explicit(&in_call, false, memory_order_relaxed);
		atomic_signal_fence(memory_order_seq_cst);
		if (__builtin_expect(signals != 0, 0))
			signals_let_in(signals);
		/* One that came between the two steps above. */
	} while (__builtin_expect(atomic_load_explicit(&held, memory_order_relaxed) != 0, 0));
}

bool kick_signal_hold(int signal)
{
	const sigset_t *outside = atomic_load_explicit(&blocked_outside, memory_order_relaxed);
	struct kick *kick = atomic_load_explicit(&current, memory_order_relaxed);

	if (!atomic_load_explicit(&in_call, memory_order_relaxed))
		return false;
	if (kick)
		kick_set(kick, REQUEST_SIGNAL);
	if (!outside || sigismember(outside, signal) != 1)
		atomic_fetch_or_explicit(&held, UINT64_C(1) << (signal - 1), memory_order_relaxed);
	return true;
}
