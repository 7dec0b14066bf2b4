/*
 * A Xen guest's hypercalls: from the instruction (cpu/hypercall.c) and from KVM_RUN.
 */
#ifndef ANYKVM_X86_XEN_HYPERCALL_H
#define ANYKVM_X86_XEN_HYPERCALL_H

#include "x86/xen/xen.h"

static inline bool xen_hypercalls_intercepted(const struct x86_vm *vm)
{
	return xen_enabled(vm) && atomic_load_explicit(&((struct x86_vm *)vm)->xen.flags, memory_order_relaxed) & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL;
}

/* What became of one. */
enum xen_outcome { XEN_DONE, XEN_SLEEPS /* done, and the vCPU sleeps until what it polls for has come */, XEN_EXIT };

/* The instruction at RIP. `*result` is RAX's when it is done; for XEN_EXIT kvm_run describes it. */
enum xen_outcome xen_hypercall(struct x86_vcpu *cpu, uint64_t *result);

/* Whether SCHEDOP_poll is over, and when it will be at the latest (monotonic; UINT64_MAX: never). */
bool xen_poll_over(struct x86_vcpu *cpu);
uint64_t xen_poll_deadline(const struct x86_vcpu *cpu);
void xen_poll_end(struct x86_vcpu *cpu);

#endif
