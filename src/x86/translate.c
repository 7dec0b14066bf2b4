/*
 * KVM_TRANSLATE: api.rst, 4.15. As KVM does, all that is mapped is said to be writable and nothing to be the user's.
 */
#include "x86/cpu/mem.h"
#include "x86/ioctl.h"

int translate(struct x86_vcpu *cpu, struct kvm_translation *translation)
{
	uint64_t gpa;

	vcpu_guest_enter(&cpu->vcpu);
	translation->valid = mmu_translate_nofault(cpu, translation->linear_address, &gpa);
	vcpu_guest_leave(&cpu->vcpu);
	translation->physical_address = translation->valid ? gpa : UINT64_MAX;
	translation->writeable = 1;
	translation->usermode = 0;
	return 0;
}
