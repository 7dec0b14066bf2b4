/*
 * A vCPU of an arm64 guest; see arm64_vm.h.
 */
#include "arm64_vm.h"

void arm64_vm_create(struct bench_vm *vm, uint64_t memory_at, size_t memory_size, uint32_t features)
{
	struct kvm_vcpu_init init = { 0 };
	int sve = KVM_ARM_VCPU_SVE;

	bench_vm_create(vm, memory_at, memory_size);
	bench_ioctl(vm->vm_fd, KVM_ARM_PREFERRED_TARGET, "KVM_ARM_PREFERRED_TARGET", &init);
	init.features[0] = features;
	bench_ioctl(vm->vcpu_fd, KVM_ARM_VCPU_INIT, "KVM_ARM_VCPU_INIT", &init);
	if (features >> KVM_ARM_VCPU_SVE & 1)
		bench_ioctl(vm->vcpu_fd, KVM_ARM_VCPU_FINALIZE, "KVM_ARM_VCPU_FINALIZE", &sve);
}

void arm64_vm_enter(struct bench_vm *vm, uint64_t entry)
{
	struct kvm_one_reg pc = { KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(regs.pc), (uintptr_t)&entry };

	bench_ioctl(vm->vcpu_fd, KVM_SET_ONE_REG, "KVM_SET_ONE_REG of PC", &pc);
}
