/*
 * The LD_PRELOAD face: functions of libc that a KVM program calls, in front of the real ones. Everything that is not ours goes
 * straight on.
 */
#ifndef ANYKVM_SHIM_SHIM_H
#define ANYKVM_SHIM_SHIM_H

#include <signal.h>
#include <stdbool.h>

#define PUBLIC __attribute__((visibility("default")))

/* The function behind ours of that name, looked up once. `type` is a function pointer's. */
#define REAL(type, name)                                                                                \
	({                                                                                              \
		static __typeof__(type) real_;                                                                      \
		if (__builtin_expect(!__atomic_load_n(&real_, __ATOMIC_RELAXED), 0))                    \
			__atomic_store_n(&real_, (__typeof__(type))shim_real(name), __ATOMIC_RELAXED);              \
		__atomic_load_n(&real_, __ATOMIC_RELAXED);                                              \
	})

void *shim_real(const char *name);

/* What open() of `path` gives when the path is one of ours (files.c): a descriptor, or -errno; SHIM_NOT_OURS for all others. */
#define SHIM_NOT_OURS (-100000)
int shim_open(const char *path, int flags);
/* The same without opening: 0, -errno or SHIM_NOT_OURS. */
int shim_access(const char *path);

/* Our own library's path, for programs that are started from here (exec.c). */
void exec_init(void);

/* --trace (trace.c). */
void trace_init(void);

/* libc's sigaction(), behind ours (signals.c). */
int signal_action_real(int signal, const struct sigaction *action, struct sigaction *old);
void signals_init(void);
/* In a handler: the signal becomes pending again, and stays blocked from here on: the call's end lets it in, unless the program itself blocks it. */
void signal_put_back(int signal, siginfo_t *info, void *context);

#endif
