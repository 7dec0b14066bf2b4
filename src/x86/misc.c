/*
 * Ioctls of one rule each.
 */
#include <errno.h>

#include "core/why.h"
#include "x86/ioctl.h"

/* Accepted and without effect where TPR accesses never exit, as on every KVM whose APIC is in the kernel. */
int tpr_access_reporting(struct x86_vcpu *cpu, struct kvm_tpr_access_ctl *ctl)
{
	(void)cpu;
	if (ctl->flags)
		return why(-EINVAL, "flags: 0x%x must be 0", ctl->flags);
	return 0;
}

int vcpu_enable_cap(struct x86_vcpu *cpu, const struct kvm_enable_cap *cap)
{
	if (cap->flags)
		return why(-EINVAL, "flags: 0x%x must be 0", cap->flags);
	if (cap->cap == KVM_CAP_ENFORCE_PV_FEATURE_CPUID) {
		cpu->pv_enforced = cap->args[0];
		return 0;
	}
	return why(-EINVAL, "cap: %u cannot be enabled on a vCPU", cap->cap);
}
