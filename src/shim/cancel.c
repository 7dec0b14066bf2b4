/*
 * pthread_cancel(): the kernel's KVM_RUN ends with a signal, and its locks with it; ours must not lose the thread in its middle. The C library
 * cancels by a signal of its own, number 32, whose handler we stand in front of like all others: in a call the signal is put back, and
 * comes again at the call's end.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/kick.h"
#include "shim/shim.h"

#define SIGNAL_CANCEL 32

/* The kernel's struct sigaction: libc's own functions do not speak of this signal. */
struct kernel_action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static void (*_Atomic handler_behind)(int, siginfo_t *, void *);

static void cancel_handle(int signal, siginfo_t *info, void *context)
{
	if (kick_signal_hold(signal))
		signal_put_back(signal, info, context);
	else
		atomic_load(&handler_behind)(signal, info, context);
}

static void *sleeper(void *unused)
{
	for (;;)
		pause();
	return unused;
}

/* libc installs its handler when a thread is cancelled for the first time: so that has to be one of ours. */
static void cancel_stand_in_front(void)
{
	int (*cancel)(pthread_t) = REAL(int (*)(pthread_t), "pthread_cancel");
	struct kernel_action action;
	pthread_t thread;

	if (pthread_create(&thread, NULL, sleeper, NULL))
		return;
	cancel(thread);
	pthread_join(thread, NULL);
	if (syscall(SYS_rt_sigaction, SIGNAL_CANCEL, NULL, &action, sizeof action.mask) || !action.handler)
		return;
	handler_behind = action.handler;
	action.handler = cancel_handle;
	syscall(SYS_rt_sigaction, SIGNAL_CANCEL, &action, NULL, sizeof action.mask);
}

PUBLIC int pthread_cancel(pthread_t thread)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, cancel_stand_in_front);
	return REAL(int (*)(pthread_t), "pthread_cancel")(thread);
}
