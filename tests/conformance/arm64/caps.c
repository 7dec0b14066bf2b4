/*
 * Capabilities, and the target that KVM prefers.
 */
#include "probe.h"

void sec_caps(void)
{
	printf("# A. capabilities\n");
	struct vm v = newvm();
#define C(x)                                                                                                                                         \
	IOC(v.fd, KVM_CHECK_EXTENSION, x);                                                                                                           \
	out("cap." #x, 0)
	C(KVM_CAP_ONE_REG);
	C(KVM_CAP_ARM_SVE);
	C(KVM_CAP_ARM_PTRAUTH_ADDRESS);
	C(KVM_CAP_ARM_PTRAUTH_GENERIC);
	C(KVM_CAP_ARM_PMU_V3);
	C(KVM_CAP_ARM_EL1_32BIT);
	C(KVM_CAP_ARM_PSCI);
	C(KVM_CAP_ARM_PSCI_0_2);
	C(KVM_CAP_ARM_MTE);
	C(KVM_CAP_ARM_VM_IPA_SIZE);
	C(KVM_CAP_COUNTER_OFFSET);
	C(KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES);
	C(KVM_CAP_IMMEDIATE_EXIT);
	C(KVM_CAP_MP_STATE);
	C(KVM_CAP_VCPU_EVENTS);
	C(KVM_CAP_READONLY_MEM);
	C(KVM_CAP_VCPU_ATTRIBUTES);
	C(KVM_CAP_ENABLE_CAP_VM);
	C(KVM_CAP_ENABLE_CAP);
	C(KVM_CAP_GUEST_DEBUG_HW_BPS);
	C(KVM_CAP_GUEST_DEBUG_HW_WPS);
	struct kvm_vcpu_init pi;
	memset(&pi, 0xff, sizeof pi);
	IOC(v.fd, KVM_ARM_PREFERRED_TARGET, &pi);
	out("preferred_target", N("target=%u features=%x,%x,%x,%x,%x,%x,%x", pi.target, pi.features[0], pi.features[1], pi.features[2],
				  pi.features[3], pi.features[4], pi.features[5], pi.features[6]));
	if (!g_rc)
		ptarget = pi.target;
	IOC(v.fd, KVM_ARM_PREFERRED_TARGET, (void *)8);
	out("preferred_target.efault", 0);
	delvm(&v);
}
