/*
 * A process held still, and system calls made in it: ptrace(2). Knows nothing of KVM.
 *
 * One thread of ours, the tracer, makes all ptrace calls of a tracee (Linux ties them to a thread); everything below is called on it.
 *
 * Whatever becomes of the tracer, the target goes on as it was: before a held thread's registers are changed, a signal frame with the original
 * ones is put below its stack, and every later state of the thread returns through that frame. The kernel lets the threads of a tracer that was killed go on, and
 * each comes back by itself.
 */
#ifndef ANYKVM_LIVE_TRACEE_H
#define ANYKVM_LIVE_TRACEE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

enum { TRACEE_THREADS_MOST = 4096 };

struct tracee_thread {
	pid_t tid; /* 0: it is gone */
	struct user_regs_struct regs; /* as it was stopped */
	/* While system calls are made on it. */
	bool entered;
	uint64_t mask;
	uint64_t scratch; /* the lowest address in use, arguments begin there */
	size_t scratch_size, arguments;
	uint8_t *scratch_before;
	uint64_t frame;
	/* It stands where it was asked to (borrow.h). */
	bool parked;
};

struct tracee {
	pid_t pid;
	struct tracee_thread *threads;
	size_t count;
	unsigned int holds; /* how often all were stopped */
	/* "syscall; ret", and the C library's return from signal handlers, in the target. */
	uint64_t syscall_ret, restorer;
};

/* Its memory: 0 or -errno. */
int tracee_read(const struct tracee *tracee, uint64_t address, void *bytes, size_t size);
int tracee_write(const struct tracee *tracee, uint64_t address, const void *bytes, size_t size);

/* Stops all threads. 0 or -errno, with a reason; nothing is held then. */
int tracee_hold(struct tracee *tracee);
/* Those that have come since, until nobody is left who could make any. */
int tracee_hold_more(struct tracee *tracee);
/* Lets them all go, as they were. */
void tracee_release(struct tracee *tracee);

/*
 * An ioctl on a thread: `size` bytes at `argument` go to it and come back (0: it is a number). `inner`: bytes that the argument points to, whose
 * address belongs at `inner_at` in it; NULL: none. The result is the call's, or -errno of ours in *trouble.
 */
long tracee_ioctl(struct tracee *tracee, struct tracee_thread *thread, int fd, unsigned int request, void *argument, size_t size, void *inner, size_t inner_size,
		  size_t inner_at, int *trouble);

void tracee_free(struct tracee *tracee);

/* CLOCK_MONOTONIC. */
double tracee_seconds(void);

#endif
