/*
 * Signal handlers that a program installs: ours runs first, so that a signal ends KVM_RUN with EINTR as it does in the kernel. SIGSEGV
 * and SIGBUS stay ours (core/user.h), and the program's are called for faults that are not.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/kick.h"
#include "core/user.h"
#include "shim/shim.h"

#define SIGNALS 65

/* A handler may run while it is being replaced: two places a signal, and which of them counts. */
static struct {
	struct sigaction action[2];
	_Atomic unsigned int current;
} handlers[SIGNALS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool faults_ours;

typedef int sigaction_fn(int, const struct sigaction *, struct sigaction *);

int signal_action_real(int signal, const struct sigaction *action, struct sigaction *old)
{
	if (action && (signal == SIGSEGV || signal == SIGBUS))
		atomic_store(&faults_ours, true);
	return REAL(sigaction_fn *, "sigaction")(signal, action, old);
}

/* fork() in the middle of a change must leave the child a lock that it can take. */
static void lock_take(void)
{
	pthread_mutex_lock(&lock);
}

static void lock_release(void)
{
	pthread_mutex_unlock(&lock);
}

void signals_init(void)
{
	fault_action = signal_action_real;
	pthread_atfork(lock_take, lock_release, lock_release);
}

void signal_put_back(int signal, siginfo_t *info, void *context)
{
	unsigned long *blocked = ((ucontext_t *)context)->uc_sigmask.__val; /* sigaddset() does not speak of libc's own signals */
	int error = errno;

	blocked[0] |= 1ul << (signal - 1);
	syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), signal, info);
	errno = error;
}

static void handler_run(int signal, siginfo_t *info, void *context)
{
	const struct sigaction *action = &handlers[signal].action[atomic_load(&handlers[signal].current) & 1];

	/* One that an instruction of ours raised cannot wait: nothing would have changed when it comes again. */
	if (!(info->si_code > 0 && info->si_code != SI_KERNEL && (signal == SIGFPE || signal == SIGILL || signal == SIGTRAP)) && kick_signal_hold(signal)) {
		signal_put_back(signal, info, context);
		return;
	}
	if (action->sa_flags & SA_SIGINFO)
		action->sa_sigaction(signal, info, context);
	else
		action->sa_handler(signal);
}

static bool action_is_ours(const struct sigaction *action)
{
	return action->sa_flags & SA_SIGINFO && action->sa_sigaction == handler_run;
}

static bool action_has_handler(const struct sigaction *action)
{
	return action->sa_flags & SA_SIGINFO || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

/* Under the lock: the action with ours in front. */
static int handler_install(int signal, const struct sigaction *action, struct sigaction *old)
{
	unsigned int current = atomic_load(&handlers[signal].current);
	struct sigaction wrapped = *action, before, previous = handlers[signal].action[current & 1];
	int result;

	if (action_has_handler(action)) {
		handlers[signal].action[(current + 1) & 1] = *action;
		wrapped.sa_flags |= SA_SIGINFO;
		wrapped.sa_sigaction = handler_run;
		atomic_store(&handlers[signal].current, current + 1);
	}
	result = REAL(sigaction_fn *, "sigaction")(signal, &wrapped, &before);
	if (result) {
		atomic_store(&handlers[signal].current, current);
		return result;
	}
	if (old)
		*old = action_is_ours(&before) ? previous : before;
	return 0;
}

/* SIGSEGV and SIGBUS while our handler is installed: the program's action is only remembered. */
static int fault_action_exchange(int signal, const struct sigaction *action, struct sigaction *old)
{
	struct sigaction *previous = fault_previous(signal), before = *previous;

	if (action)
		*previous = *action;
	if (old)
		*old = before;
	return 0;
}

static int action_exchange(int signal, const struct sigaction *action, struct sigaction *old)
{
	int result;

	if (signal < 1 || signal >= SIGNALS)
		return REAL(sigaction_fn *, "sigaction")(signal, action, old);
	pthread_mutex_lock(&lock);
	if ((signal == SIGSEGV || signal == SIGBUS) && atomic_load(&faults_ours)) {
		result = fault_action_exchange(signal, action, old);
	} else if (signal == SIGSEGV || signal == SIGBUS) {
		result = REAL(sigaction_fn *, "sigaction")(signal, action, old);
	} else if (action) {
		struct sigaction copy = *action; /* `old` may be the same object */

		result = handler_install(signal, &copy, old);
	} else {
		result = REAL(sigaction_fn *, "sigaction")(signal, NULL, old);
		if (!result && old && action_is_ours(old))
			*old = handlers[signal].action[atomic_load(&handlers[signal].current) & 1];
	}
	pthread_mutex_unlock(&lock);
	return result;
}

PUBLIC int sigaction(int signal, const struct sigaction *action, struct sigaction *old)
{
	return action_exchange(signal, action, old);
}

static sighandler_t handler_exchange(int signal, sighandler_t handler, int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags }, old;

	sigemptyset(&action.sa_mask);
	if (!(flags & SA_NODEFER) && signal > 0 && signal < SIGNALS)
		sigaddset(&action.sa_mask, signal);
	if (action_exchange(signal, &action, &old))
		return SIG_ERR;
	return old.sa_handler;
}

/* BSD's meaning, glibc's default. */
PUBLIC sighandler_t signal(int signal, sighandler_t handler)
{
	return handler_exchange(signal, handler, SA_RESTART);
}

PUBLIC sighandler_t bsd_signal(int signal, sighandler_t handler);
PUBLIC sighandler_t bsd_signal(int signal, sighandler_t handler)
{
	return handler_exchange(signal, handler, SA_RESTART);
}

/* System V's: what signal() is with _XOPEN_SOURCE. */
PUBLIC sighandler_t __sysv_signal(int signal, sighandler_t handler);
PUBLIC sighandler_t __sysv_signal(int signal, sighandler_t handler)
{
	return handler_exchange(signal, handler, (int)(SA_RESETHAND | SA_NODEFER));
}

PUBLIC sighandler_t sysv_signal(int signal, sighandler_t handler)
{
	return handler_exchange(signal, handler, (int)(SA_RESETHAND | SA_NODEFER));
}
