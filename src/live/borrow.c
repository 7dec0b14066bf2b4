/*
 * Borrowing a thread: ptrace(2), as tracee.c, but for calls that take time.
 */
#include "live/borrow.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "core/why.h"
#include "live/frame.h"

/* How long a function may take, and a thread to stop. */
#define CALL_SECONDS 2.0
#define STOP_SECONDS 2.0
#define SYSCALL_STOP (SIGTRAP | 0x80)

/* ---- Stops. ---- */

/*
 * The next stop of a thread that runs: its status, -ESRCH, or -ETIMEDOUT. Nothing but signals would end a wait with a time, so it is looked for
 * again and again, in short sleeps: on a busy machine who sleeps is let in sooner than who yields.
 */
static int stop_await(pid_t tid, double until)
{
	struct timespec pause = { .tv_nsec = 2000 };

	for (;;) {
		int status;
		pid_t result = waitpid(tid, &status, __WALL | WNOHANG);

		if (result == tid && WIFSTOPPED(status))
			return status;
		if (result)
			return -ESRCH;
		if (tracee_seconds() > until)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < 50000)
			pause.tv_nsec += pause.tv_nsec / 4;
	}
}

/* What the thread goes on with: a signal that was on its way to it is not kept from it. */
static long stop_signal(int status)
{
	return status >> 16 || WSTOPSIG(status) == SYSCALL_STOP ? 0 : WSTOPSIG(status);
}

static int thread_gone(struct tracee_thread *thread)
{
	thread->tid = 0;
	return -ESRCH;
}

/* One that runs and does not come back: it goes its way. */
static int thread_let_go(struct tracee_thread *thread)
{
	pid_t tid = thread->tid;
	int status;

	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	status = stop_await(tid, tracee_seconds() + STOP_SECONDS);
	if (status >= 0)
		ptrace(PTRACE_DETACH, tid, NULL, (void *)stop_signal(status));
	thread->tid = 0;
	return why(-EBUSY, "thread %d: it waits for another one, or does not stop", tid);
}

/* ---- Calls. ---- */

struct borrowed {
	struct user_regs_struct returning; /* as it is about to return */
	uint8_t fp[1 << 15] __attribute__((aligned(64)));
	size_t fp_size;
	uint64_t frame; /* its stack pointer when the function begins */
};

static int fp_set(pid_t tid, void *area, size_t size)
{
	struct iovec vector = { area, size };

	return ptrace(PTRACE_SETREGSET, tid, (void *)NT_X86_XSTATE, &vector) ? -errno : 0;
}

/* As a function expects it (System V ABI, AMD64, 3.2.1): x87 empty, nothing masked in, rounding to nearest. */
static int fp_begin(pid_t tid, const struct borrowed *borrowed)
{
	const uint32_t mxcsr = 0x1f80;
	uint8_t area[sizeof borrowed->fp] __attribute__((aligned(64)));

	memcpy(area, borrowed->fp, borrowed->fp_size);
	memcpy(area + 24, &mxcsr, sizeof mxcsr);
	memset(area + 512, 0, 64); /* the header: all components as they are at first */
	return fp_set(tid, area, borrowed->fp_size - 4);
}

/* The frame stands before the thread's registers change, and those before anything that the frame puts back. */
static int call_enter(struct tracee *tracee, struct tracee_thread *thread, uint64_t function, uint64_t top, struct borrowed *borrowed)
{
	const uint64_t blocked = ~(1ULL << (SIGSEGV - 1) | 1ULL << (SIGBUS - 1));
	struct user_regs_struct regs = thread->regs;
	struct frame frame;
	uint64_t fp;
	int error;

	borrowed->fp_size = frame_fp_read(thread->tid, borrowed->fp, sizeof borrowed->fp);
	if (!borrowed->fp_size || ptrace(PTRACE_GETSIGMASK, thread->tid, (void *)sizeof thread->mask, &thread->mask))
		return why(-EIO, "thread %d: its FPU or signal mask cannot be read", thread->tid);
	fp = (top - borrowed->fp_size) & ~63ULL;
	borrowed->frame = ((fp - sizeof frame) & ~15ULL) - 8;
	frame_make(&frame, tracee->restorer, &thread->regs, thread->mask, fp);
	error = tracee_write(tracee, fp, borrowed->fp, borrowed->fp_size);
	if (!error)
		error = tracee_write(tracee, borrowed->frame, &frame, sizeof frame);
	if (error)
		return why(error, "process %d: its desk cannot be written", tracee->pid);
	regs.rip = function;
	regs.rsp = borrowed->frame;
	regs.eflags = 0x202;
	regs.orig_rax = ~0ULL;
	if (ptrace(PTRACE_SETREGS, thread->tid, NULL, &regs))
		return thread_gone(thread);
	error = fp_begin(thread->tid, borrowed);
	ptrace(PTRACE_SETSIGMASK, thread->tid, (void *)sizeof blocked, &blocked);
	return error;
}

/* On until it is about to return through the frame. */
static int call_await(struct tracee_thread *thread, struct borrowed *borrowed)
{
	double until = tracee_seconds() + CALL_SECONDS;
	struct user_regs_struct *regs = &borrowed->returning;
	long signal = 0;

	for (;;) {
		int status;

		if (ptrace(PTRACE_SYSCALL, thread->tid, NULL, (void *)signal))
			return thread_gone(thread);
		status = stop_await(thread->tid, until);
		if (status == -ETIMEDOUT)
			return thread_let_go(thread);
		if (status < 0)
			return thread_gone(thread);
		signal = stop_signal(status);
		if (WSTOPSIG(status) != SYSCALL_STOP)
			continue;
		if (ptrace(PTRACE_GETREGS, thread->tid, NULL, regs))
			return thread_gone(thread);
		if (regs->orig_rax == SYS_rt_sigreturn && regs->rsp == borrowed->frame + 8)
			return 0;
	}
}

/*
 * It does not return: a system call that was interrupted would have to fail. Until its registers are the old ones it stands before that return, in
 * case nobody comes to put them back.
 */
static int call_leave(struct tracee *tracee, struct tracee_thread *thread, const struct borrowed *borrowed)
{
	struct user_regs_struct regs = borrowed->returning, before = frame_regs_resumed(thread->regs);
	int status;

	regs.rip = tracee->restorer;
	regs.orig_rax = ~0ULL;
	if (ptrace(PTRACE_SETREGS, thread->tid, NULL, &regs))
		return thread_gone(thread);
	do {
		if (ptrace(PTRACE_SYSCALL, thread->tid, NULL, NULL))
			return thread_gone(thread);
		status = stop_await(thread->tid, tracee_seconds() + STOP_SECONDS);
		if (status < 0)
			return status == -ETIMEDOUT ? thread_let_go(thread) : thread_gone(thread);
	} while (WSTOPSIG(status) != SYSCALL_STOP);
	fp_set(thread->tid, (void *)borrowed->fp, borrowed->fp_size - 4);
	ptrace(PTRACE_SETSIGMASK, thread->tid, (void *)sizeof thread->mask, &thread->mask);
	return ptrace(PTRACE_SETREGS, thread->tid, NULL, &before) ? thread_gone(thread) : 0;
}

int borrow_call(struct tracee *tracee, struct tracee_thread *thread, uint64_t function, uint64_t top)
{
	struct borrowed borrowed;
	int error = call_enter(tracee, thread, function, top, &borrowed);

	if (!error)
		error = call_await(thread, &borrowed);
	return error ? error : call_leave(tracee, thread, &borrowed);
}

/* ---- Going on alone. ---- */

/* At the end of that very call. */
static bool parks(struct tracee_thread *thread, uint64_t park)
{
	struct user_regs_struct regs;

	return !ptrace(PTRACE_GETREGS, thread->tid, NULL, &regs) && regs.orig_rax == SYS_futex && regs.rdi == park && (long)regs.rax != -ENOSYS;
}

static int go_until(struct tracee_thread *thread, uint64_t park, double seconds)
{
	double until = tracee_seconds() + seconds;
	bool interrupted = false, stopped = true;
	long signal = 0;

	for (;;) {
		int status;

		if (stopped && ptrace(PTRACE_SYSCALL, thread->tid, NULL, (void *)signal))
			return thread_gone(thread);
		status = stop_await(thread->tid, until);
		stopped = status >= 0;
		if (status == -ETIMEDOUT && interrupted)
			return thread_let_go(thread);
		if (status == -ETIMEDOUT) {
			interrupted = true;
			until = tracee_seconds() + STOP_SECONDS;
		}
		if (interrupted && status >> 16 != PTRACE_EVENT_STOP) /* again, when another stop came first: that took it */
			ptrace(PTRACE_INTERRUPT, thread->tid, NULL, NULL);
		if (status == -ETIMEDOUT)
			continue;
		if (status < 0)
			return thread_gone(thread);
		if (interrupted && status >> 16 == PTRACE_EVENT_STOP)
			return 0;
		thread->parked = WSTOPSIG(status) == SYSCALL_STOP && parks(thread, park);
		if (thread->parked)
			return 0;
		signal = stop_signal(status);
	}
}

int borrow_go(struct tracee *tracee, struct tracee_thread *thread, uint64_t park, double seconds)
{
	int error;

	thread->parked = false;
	error = go_until(thread, park, seconds);
	if (!error && ptrace(PTRACE_GETREGS, thread->tid, NULL, &thread->regs))
		error = thread_gone(thread);
	return error ? error : tracee_hold_more(tracee);
}
