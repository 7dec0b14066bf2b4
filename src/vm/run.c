/*
 * KVM_RUN: what it takes of the thread that calls it, and what other threads ask of the vCPU meanwhile. Must never know what a guest does.
 */
#include <errno.h>

#include "core/user.h"
#include "core/visit.h"
#include "core/why.h"
#include "vm/vm.h"

_Thread_local struct vcpu *vcpu_running;

/* KVM_SET_SIGNAL_MASK: the mask for the time of the run. */
static void signal_mask_enter(const struct vcpu *vcpu, sigset_t *blocked)
{
	sigset_t mask;

	if (!vcpu->signal_mask_set)
		return;
	sigemptyset(&mask);
	for (int signal = 1; signal <= 64; signal++)
		if (vcpu->signal_mask >> (signal - 1) & 1)
			sigaddset(&mask, signal);
	pthread_sigmask(SIG_BLOCK, NULL, blocked);
	kick_thread_blocked(blocked);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static void signal_mask_leave(const struct vcpu *vcpu, const sigset_t *blocked)
{
	if (!vcpu->signal_mask_set)
		return;
	pthread_sigmask(SIG_SETMASK, blocked, NULL);
	kick_thread_blocked(NULL);
}

long vcpu_run(void *self, unsigned long arg)
{
	struct vcpu *vcpu = self, *interrupted = vcpu_running;
	sigset_t blocked;
	long result;

	if (arg)
		return why(-EINVAL, "argument: %#lx must be 0", arg);
	vcpu_running = vcpu;
	atomic_store_explicit(&vcpu->runner, (uint64_t)pthread_self(), memory_order_relaxed);
	fault_handlers_install();
	kick_thread_enter(&vcpu->kick);
	signal_mask_enter(vcpu, &blocked);
	result = vcpu_ops(vcpu)->run(vcpu);
	signal_mask_leave(vcpu, &blocked);
	kick_thread_leave(&vcpu->kick);
	atomic_fetch_and(&vcpu->kick.request, ~(uint32_t)REQUEST_SIGNAL);
	atomic_store_explicit(&vcpu->runner, 0, memory_order_relaxed);
	vcpu_running = interrupted;
	return result;
}

bool vcpu_requests_handle(struct vcpu *vcpu)
{
	uint32_t request = atomic_load(&vcpu->kick.request);

	if (request & REQUEST_SIGNAL)
		return false;
	atomic_fetch_and(&vcpu->kick.request, ~request);
	if (__builtin_expect(request & REQUEST_VISIT, 0))
		visit_park(&vcpu->kick);
	return true;
}
