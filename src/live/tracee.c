/*
 * Holding a process, and making system calls in it.
 */
#include "live/tracee.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/why.h"
#include "live/frame.h"

/* How long a thread may take to stop: longer, and it sleeps where nothing wakes it. */
#define STOP_SECONDS 3
/* Room for the arguments of one call: KVM's largest structures. */
#define ARGUMENTS_ROOM (64u << 10)
#define RED_ZONE 128

/* ---- Memory. ---- */

int tracee_read(const struct tracee *tracee, uint64_t address, void *bytes, size_t size)
{
	struct iovec here = { bytes, size }, there = { (void *)address, size };

	return process_vm_readv(tracee->pid, &here, 1, &there, 1, 0) == (ssize_t)size ? 0 : errno ? -errno : -EFAULT;
}

int tracee_write(const struct tracee *tracee, uint64_t address, const void *bytes, size_t size)
{
	struct iovec here = { (void *)bytes, size }, there = { (void *)address, size };

	return process_vm_writev(tracee->pid, &here, 1, &there, 1, 0) == (ssize_t)size ? 0 : errno ? -errno : -EFAULT;
}

/* ---- Instructions to borrow. ---- */

static uint64_t bytes_find(const uint8_t *in, size_t size, uint64_t address, const char *what, size_t length)
{
	const uint8_t *found = memmem(in, size, what, length);

	return found ? address + (uint64_t)(found - in) : 0;
}

/* In one piece of code. */
static void code_search(struct tracee *tracee, uint64_t begin, uint64_t end)
{
	static const char syscall_ret[] = "\x0f\x05\xc3", restorers[][10] = { "\x48\xc7\xc0\x0f\0\0\0\x0f\x05", "\xb8\x0f\0\0\0\x0f\x05" };
	static const size_t lengths[] = { 9, 7 };
	enum { PIECE = 1 << 20 };
	uint8_t *piece = malloc(PIECE);

	for (uint64_t at = begin; piece && at < end && !(tracee->syscall_ret && tracee->restorer); at += PIECE - 16) {
		size_t size = end - at < PIECE ? (size_t)(end - at) : PIECE;

		if (tracee_read(tracee, at, piece, size))
			break;
		if (!tracee->syscall_ret)
			tracee->syscall_ret = bytes_find(piece, size, at, syscall_ret, 3);
		for (size_t i = 0; i < 2 && !tracee->restorer; i++)
			tracee->restorer = bytes_find(piece, size, at, restorers[i], lengths[i]);
	}
	free(piece);
}

static int code_find(struct tracee *tracee)
{
	char path[64], line[512], rights[8];
	unsigned long begin, end;
	FILE *maps;

	if (tracee->syscall_ret)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/maps", tracee->pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof line, maps) && !(tracee->syscall_ret && tracee->restorer))
		if (sscanf(line, "%lx-%lx %7s", &begin, &end, rights) == 3 && rights[0] == 'r' && rights[2] == 'x' && !strstr(line, "[vsyscall]"))
			code_search(tracee, begin, end);
	if (maps)
		fclose(maps);
	if (tracee->syscall_ret && tracee->restorer)
		return 0;
	tracee->syscall_ret = 0;
	return why(-ENOTSUP, "process %d: its code has no system call to borrow", tracee->pid);
}

/* ---- Stopping and letting go. ---- */

double tracee_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* As /proc shows it: 'D' sleeps where no signal wakes it, 'Z' and 'X' have ended; 0: there is none. */
static char thread_state(pid_t tid)
{
	char path[64], line[512], *rest = NULL;
	FILE *from;

	snprintf(path, sizeof path, "/proc/%d/stat", tid);
	from = fopen(path, "re");
	if (from && fgets(line, sizeof line, from))
		rest = strrchr(line, ')');
	if (from)
		fclose(from);
	return rest && rest[1] == ' ' ? rest[2] : 0;
}

static bool thread_ended(pid_t tid)
{
	char state = thread_state(tid);

	return !state || state == 'Z' || state == 'X';
}

/* The thread's next stop, however long that takes: its status, or -ESRCH: it has ended. */
static int stop_wait(pid_t tid)
{
	int status;
	pid_t result;

	do {
		result = waitpid(tid, &status, __WALL);
	} while (result < 0 && errno == EINTR);
	return result == tid && WIFSTOPPED(status) ? status : -ESRCH;
}

/* The same for a thread that has just been interrupted, with an end for those that cannot be: -EBUSY. */
static int first_stop_wait(pid_t tid)
{
	double until = tracee_seconds() + STOP_SECONDS;
	int status;

	while (thread_state(tid) == 'D') {
		pid_t result = waitpid(tid, &status, __WALL | WNOHANG);

		if (result)
			return result == tid && WIFSTOPPED(status) ? status : -ESRCH;
		if (tracee_seconds() > until)
			return -EBUSY;
		usleep(1000);
	}
	return stop_wait(tid);
}

/*
 * Seized and interrupted: 0, -ESRCH when it has ended, or -errno with a reason. A signal that is being delivered is delivered first.
 */
static int thread_stop(pid_t tid)
{
	int status, result;

	if (ptrace(PTRACE_SEIZE, tid, NULL, (void *)PTRACE_O_TRACESYSGOOD)) {
		int error = errno;

		if (error == ESRCH || thread_ended(tid))
			return -ESRCH;
		return why(-error, "process or thread %d: %s", tid, error == EPERM ? "not permitted: it is another user's, it is traced already, or kernel.yama.ptrace_scope forbids it"
			   : strerror(error));
	}
	result = ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) ? -errno : 0;
	while (!result) {
		status = first_stop_wait(tid);
		if (status == -ESRCH)
			return -ESRCH;
		if (status < 0) {
			ptrace(PTRACE_DETACH, tid, NULL, NULL);
			return why(-EBUSY, "thread %d does not stop: it sleeps where no signal wakes it", tid);
		}
		if (status >> 16 == PTRACE_EVENT_STOP)
			return 0;
		/* Any other stop has taken the interrupt with it. */
		ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
		result = ptrace(PTRACE_CONT, tid, NULL, (void *)(long)WSTOPSIG(status)) ? -errno : 0;
	}
	return result == -ESRCH ? -ESRCH : why(result, "thread %d: %s", tid, strerror(-result));
}

static bool thread_known(const struct tracee *tracee, pid_t tid)
{
	for (size_t i = 0; i < tracee->count; i++)
		if (tracee->threads[i].tid == tid)
			return true;
	return false;
}

/*
 * Some of a process' threads are the kernel's own, made for io_uring or KVM: they run no code of the program, and hold nothing up. The flags of
 * /proc/PID/stat say so: PF_IO_WORKER, PF_USER_WORKER.
 */
static bool kernel_worker(const struct tracee *tracee, pid_t tid)
{
	char path[64], line[512], *rest = NULL;
	unsigned long flags = 0;
	FILE *from;

	snprintf(path, sizeof path, "/proc/%d/task/%d/stat", tracee->pid, tid);
	from = fopen(path, "re");
	if (from && fgets(line, sizeof line, from))
		rest = strrchr(line, ')'); /* names may have anything in them */
	if (!rest || sscanf(rest, ") %*c %*d %*d %*d %*d %*d %lu", &flags) != 1)
		flags = 0;
	if (from)
		fclose(from);
	return flags & (0x10 | 0x4000);
}

static int thread_add(struct tracee *tracee, pid_t tid)
{
	struct tracee_thread *grown;
	int error;

	if (tracee->count == TRACEE_THREADS_MOST)
		return why(-EOVERFLOW, "process %d has more than %d threads", tracee->pid, TRACEE_THREADS_MOST);
	grown = realloc(tracee->threads, (tracee->count + 1) * sizeof *grown);
	if (!grown)
		return -ENOMEM;
	tracee->threads = grown;
	error = thread_stop(tid);
	if (error)
		return error == -ESRCH && tid != tracee->pid ? 0 : error == -ESRCH ? why(-ESRCH, "there is no process %d", tid) : error;
	memset(&grown[tracee->count], 0, sizeof *grown);
	grown[tracee->count].tid = tid;
	if (ptrace(PTRACE_GETREGS, tid, NULL, &grown[tracee->count].regs)) {
		error = -errno;
		ptrace(PTRACE_DETACH, tid, NULL, NULL);
		return error;
	}
	tracee->count++;
	/* Code segment 0x33 is the 64-bit one of Linux. */
	return grown[tracee->count - 1].regs.cs == 0x33 ? 0 : why(-ENOTSUP, "process %d is a 32-bit program", tracee->pid);
}

int tracee_hold_more(struct tracee *tracee)
{
	char path[64];
	int error = 0;

	snprintf(path, sizeof path, "/proc/%d/task", tracee->pid);
	for (bool any = true; any && !error;) {
		DIR *folder = opendir(path);
		struct dirent *entry;

		if (!folder)
			return why(-ESRCH, "there is no process %d", tracee->pid);
		any = false;
		while (!error && (entry = readdir(folder))) {
			pid_t tid = (pid_t)atoi(entry->d_name);
			size_t before = tracee->count;

			if (tid <= 0 || thread_known(tracee, tid) || kernel_worker(tracee, tid))
				continue;
			error = thread_add(tracee, tid);
			any |= tracee->count > before;
		}
		closedir(folder);
	}
	return error;
}

int tracee_hold(struct tracee *tracee)
{
	int error = tracee_hold_more(tracee);

	tracee->holds++;
	if (!error)
		error = code_find(tracee);
	if (error)
		tracee_release(tracee);
	return error;
}

/* ---- Calls. ---- */

/* PTRACE_O_SUSPEND_SECCOMP, which older headers lack. */
#define SUSPEND_SECCOMP (1 << 21)

static bool filtered(const struct tracee *tracee, pid_t tid)
{
	char path[64], line[256];
	int mode = 0;
	FILE *from;

	snprintf(path, sizeof path, "/proc/%d/task/%d/status", tracee->pid, tid);
	from = fopen(path, "re");
	while (from && fgets(line, sizeof line, from) && sscanf(line, "Seccomp: %d", &mode) != 1)
		;
	if (from)
		fclose(from);
	return mode;
}

/* A filter of system calls could kill the program for a call of ours: it sleeps while the thread is held, or nothing is done. */
static int filter_suspend(const struct tracee *tracee, pid_t tid)
{
	if (!filtered(tracee, tid) || !ptrace(PTRACE_SETOPTIONS, tid, NULL, (void *)(long)(PTRACE_O_TRACESYSGOOD | SUSPEND_SECCOMP)))
		return 0;
	return why(-EPERM, "thread %d: a filter (seccomp) might kill it for our calls, and suspending that needs CAP_SYS_ADMIN", tid);
}

/*
 * From here on the thread returns through the frame by itself. Below the red zone: the FPU's area, the frame, room for arguments.
 */
static int thread_enter(struct tracee *tracee, struct tracee_thread *thread)
{
	static const uint64_t all = ~0ULL;
	static uint8_t area[1 << 15] __attribute__((aligned(64)));
	struct user_regs_struct regs = thread->regs;
	size_t fp_size = frame_fp_read(thread->tid, area, sizeof area);
	uint64_t fp = (regs.rsp - RED_ZONE - fp_size) & ~63ULL, frame_at = ((fp - sizeof(struct frame)) & ~15ULL) - 8;
	struct frame frame;
	int error = filter_suspend(tracee, thread->tid);

	if (error)
		return error;
	thread->scratch = (frame_at - ARGUMENTS_ROOM) & ~15ULL;
	thread->scratch_size = regs.rsp - RED_ZONE - thread->scratch;
	thread->arguments = frame_at - thread->scratch;
	free(thread->scratch_before);
	thread->scratch_before = malloc(thread->scratch_size);
	if (!fp_size || !thread->scratch_before)
		return fp_size ? -ENOMEM : why(-EIO, "thread %d: its FPU cannot be read", thread->tid);
	if (tracee_read(tracee, thread->scratch, thread->scratch_before, thread->scratch_size))
		return why(-ENOMEM, "thread %d: its stack has no room for %zu bytes", thread->tid, thread->scratch_size);
	if (ptrace(PTRACE_GETSIGMASK, thread->tid, (void *)sizeof thread->mask, &thread->mask))
		return -errno;
	frame_make(&frame, tracee->restorer, &thread->regs, thread->mask, fp);
	error = tracee_write(tracee, fp, area, fp_size);
	if (!error)
		error = tracee_write(tracee, frame_at, &frame, sizeof frame);
	if (error)
		return why(error, "thread %d: its stack cannot be written", thread->tid);
	regs.rip = tracee->syscall_ret + 2; /* the "ret" */
	regs.rsp = thread->frame = frame_at;
	regs.orig_rax = ~0ULL;
	if (ptrace(PTRACE_SETREGS, thread->tid, NULL, &regs))
		return -errno;
	thread->entered = true;
	ptrace(PTRACE_SETSIGMASK, thread->tid, (void *)sizeof all, &all);
	return 0;
}

/* Back to how it was stopped. */
static void thread_leave(struct tracee *tracee, struct tracee_thread *thread)
{
	if (thread->entered) {
		ptrace(PTRACE_SETSIGMASK, thread->tid, (void *)sizeof thread->mask, &thread->mask);
		ptrace(PTRACE_SETREGS, thread->tid, NULL, &thread->regs);
		tracee_write(tracee, thread->scratch, thread->scratch_before, thread->scratch_size);
	}
	free(thread->scratch_before);
	thread->scratch_before = NULL;
	thread->entered = false;
}

void tracee_release(struct tracee *tracee)
{
	for (size_t i = 0; i < tracee->count; i++) {
		thread_leave(tracee, &tracee->threads[i]);
		ptrace(PTRACE_DETACH, tracee->threads[i].tid, NULL, NULL);
	}
	tracee->count = 0;
}

void tracee_free(struct tracee *tracee)
{
	tracee_release(tracee);
	free(tracee->threads);
	tracee->threads = NULL;
}

/* On to where a system call begins or ends. (A single step would do with one stop, but its SIGTRAP can undo the target's handler.) */
static int syscall_stop(pid_t tid)
{
	int status;

	do {
		if (ptrace(PTRACE_SYSCALL, tid, NULL, NULL))
			return -errno;
		status = stop_wait(tid);
	} while (status >= 0 && WSTOPSIG(status) != (SIGTRAP | 0x80));
	return status;
}

/* One system call: its result, or *trouble. */
static long thread_syscall(struct tracee *tracee, struct tracee_thread *thread, long number, uint64_t a, uint64_t b, uint64_t c, int *trouble)
{
	struct user_regs_struct regs = thread->regs;
	int status;

	regs.rip = tracee->syscall_ret;
	regs.rsp = thread->frame;
	regs.orig_rax = ~0ULL;
	regs.rax = (unsigned long)number;
	regs.rdi = a, regs.rsi = b, regs.rdx = c;
	if (ptrace(PTRACE_SETREGS, thread->tid, NULL, &regs)) {
		*trouble = why(-errno, "thread %d: %s", thread->tid, strerror(errno));
		return 0;
	}
	status = syscall_stop(thread->tid);
	if (status >= 0)
		status = syscall_stop(thread->tid);
	if (status < 0 || ptrace(PTRACE_GETREGS, thread->tid, NULL, &regs)) {
		*trouble = why(status < 0 ? status : -errno, "thread %d has ended", thread->tid);
		return 0;
	}
	if (regs.rip != tracee->syscall_ret + 2) {
		*trouble = why(-EINTR, "thread %d did not make the call: stop %#x at %#llx", thread->tid, status, (unsigned long long)regs.rip);
		return 0;
	}
	return (long)regs.rax;
}

long tracee_ioctl(struct tracee *tracee, struct tracee_thread *thread, int fd, unsigned int request, void *argument, size_t size, void *inner, size_t inner_size,
		  size_t inner_at, int *trouble)
{
	uint64_t at = thread->scratch, inner_address, value;
	size_t padded = (size + 15) & ~(size_t)15;
	long result;

	*trouble = 0;
	if (!thread->entered) {
		*trouble = thread_enter(tracee, thread);
		if (*trouble)
			return 0;
		at = thread->scratch;
	}
	if (padded + inner_size > ARGUMENTS_ROOM) {
		*trouble = -E2BIG;
		return 0;
	}
	value = size ? at : (uint64_t)argument;
	inner_address = at + padded;
	if (inner)
		memcpy((uint8_t *)argument + inner_at, &inner_address, sizeof inner_address);
	if ((size && tracee_write(tracee, at, argument, size)) || (inner && tracee_write(tracee, inner_address, inner, inner_size))) {
		*trouble = why(-EFAULT, "thread %d: its stack cannot be written", thread->tid);
		return 0;
	}
	result = thread_syscall(tracee, thread, SYS_ioctl, (uint64_t)fd, request, value, trouble);
	if (!*trouble && ((size && tracee_read(tracee, at, argument, size)) || (inner && tracee_read(tracee, inner_address, inner, inner_size))))
		*trouble = -EFAULT;
	return result;
}
