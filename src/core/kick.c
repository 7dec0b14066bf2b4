/*
 * Request words: a bit set by anyone stops the interpreter at its next block, and wakes a vCPU that sleeps in HLT.
 */
#include "core/kick.h"

#include <errno.h>
#include <linux/futex.h>
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

void kick_thread_enter(struct kick *kick)
{
	atomic_store_explicit(&current, kick, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

void kick_thread_leave(struct kick *kick)
{
	(void)kick;
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&current, NULL, memory_order_relaxed);
}

void kick_thread_signalled(void)
{
	struct kick *kick = atomic_load_explicit(&current, memory_order_relaxed);

	if (kick)
		kick_set(kick, REQUEST_SIGNAL);
}
