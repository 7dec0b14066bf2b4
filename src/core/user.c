/*
 * Copies to and from the program's memory, and the SIGSEGV and SIGBUS handlers that make them safe. No system call on the way.
 */
#include "core/user.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

static _Thread_local struct fault_guard *innermost __attribute__((tls_model("initial-exec")));
static struct sigaction previous[2]; /* the program's, for faults that are not ours: SIGSEGV, SIGBUS */

/* ---- Handlers. ---- */

struct sigaction *fault_previous(int signal)
{
	return &previous[signal == SIGBUS];
}

/* A fault that no guard covers: as if we were not there. */
static void fault_pass_on(int signal, siginfo_t *info, void *context)
{
	const struct sigaction *action = fault_previous(signal);
	struct sigaction fall_back = { .sa_handler = SIG_DFL };

	if (action->sa_flags & SA_SIGINFO) {
		action->sa_sigaction(signal, info, context);
	} else if (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN) {
		action->sa_handler(signal);
	} else {
		/* Executed again, the instruction kills the program with the right signal. */
		fault_action_set(signal, &fall_back);
		if (info->si_code <= 0) /* sent by kill(): nothing is executed again */
			raise(signal);
	}
}

/*
 * A signal handler starts with a fresh floating-point unit, and siglongjmp() leaves it so. Who set up the guard may be in the middle
 * of something with rounding modes and accumulated exceptions: it gets its own control words back. (arm64 keeps them.)
 */
static void control_words_restore(const void *context)
{
#ifdef __x86_64__
	const struct _libc_fpstate *state = ((const ucontext_t *)context)->uc_mcontext.fpregs;

	if (!state)
		return;
	asm volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(state->mxcsr), "m"(state->cwd));
#else
	(void)context;
#endif
}

static void fault_handle(int signal, siginfo_t *info, void *context)
{
	uint64_t address = (uint64_t)info->si_addr;

	for (struct fault_guard *guard = innermost; guard && info->si_code > 0; guard = guard->outer) {
		if (guard->covers && !guard->covers(guard->context, address))
			continue;
		guard->address = address;
		innermost = guard->outer;
		control_words_restore(context);
		if (guard->interrupted)
			guard->interrupted(guard->context, context);
		siglongjmp(guard->resume, 1);
	}
	fault_pass_on(signal, info, context);
}

static int action_default(int signal, const struct sigaction *action, struct sigaction *old)
{
	return sigaction(signal, action, old);
}

/* The shim replaces it with libc's own, which it stands in front of. */
int (*fault_action)(int, const struct sigaction *, struct sigaction *) = action_default;

void fault_action_set(int signal, const struct sigaction *action)
{
	fault_action(signal, action, NULL);
}

static void handlers_install(void)
{
	struct sigaction action = { .sa_sigaction = fault_handle, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK };

	sigemptyset(&action.sa_mask);
	fault_action(SIGSEGV, &action, &previous[0]);
	fault_action(SIGBUS, &action, &previous[1]);
}

void fault_handlers_install(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, handlers_install);
}

void fault_handlers_renew(void)
{
	struct sigaction now;

	fault_handlers_install();
	fault_action(SIGSEGV, NULL, &now);
	if (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != fault_handle)
		handlers_install();
}

void fault_guard_push(struct fault_guard *guard)
{
	guard->outer = innermost;
	__atomic_store_n(&innermost, guard, __ATOMIC_RELEASE); /* before any access that it guards */
}

void fault_guard_pop(struct fault_guard *guard)
{
	__atomic_store_n(&innermost, guard->outer, __ATOMIC_RELEASE);
}

/* ---- Copies. ---- */

/* Of its own, so that what it works on is in registers when it faults. */
static __attribute__((noinline)) USER_COPIES void copy(uint8_t *to, const uint8_t *from, size_t size)
{
	user_copy(to, from, size);
}

static int copy_guarded(uint8_t *to, const uint8_t *from, size_t size)
{
	struct fault_guard guard = { .covers = NULL };

	fault_handlers_install();
	if (sigsetjmp(guard.resume, 0))
		return -EFAULT;
	fault_guard_push(&guard);
	copy(to, from, size);
	fault_guard_pop(&guard);
	return 0;
}

int user_read(void *to, uint64_t from, size_t size)
{
	return user_range_ok(from, size) ? copy_guarded(to, (const uint8_t *)from, size) : -EFAULT;
}

int user_write(uint64_t to, const void *from, size_t size)
{
	return user_range_ok(to, size) ? copy_guarded((uint8_t *)to, from, size) : -EFAULT;
}

USER_COPIES int user_or(uint64_t to, uint8_t bits, uint8_t *before)
{
	struct fault_guard guard = { .covers = NULL };

	if (!user_range_ok(to, 1))
		return -EFAULT;
	fault_handlers_install();
	if (sigsetjmp(guard.resume, 0))
		return -EFAULT;
	fault_guard_push(&guard);
	*before = __atomic_fetch_or((uint8_t *)to, bits, __ATOMIC_SEQ_CST);
	fault_guard_pop(&guard);
	return 0;
}

int user_probe_write(uint64_t to, size_t size)
{
	struct fault_guard guard = { .covers = NULL };

	if (!size || !user_range_ok(to, size))
		return size ? -EFAULT : 0;
	fault_handlers_install();
	if (sigsetjmp(guard.resume, 0))
		return -EFAULT;
	fault_guard_push(&guard);
	/* OR with nothing: a write that changes nothing, whoever writes beside us. */
	__atomic_fetch_or((uint8_t *)to, 0, __ATOMIC_RELAXED);
	__atomic_fetch_or((uint8_t *)(to + size - 1), 0, __ATOMIC_RELAXED);
	fault_guard_pop(&guard);
	return 0;
}
