// SPDX-License-Identifier: GPL-2.0-only
/*
 * See vm.h.
 */
#define _GNU_SOURCE
#include "vm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

int must(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(2);
	}
	return result;
}

/* ---- What differs. ---- */

#if defined(__aarch64__)

static const uint32_t loop[] = { 0x14000000 }; /* b . */

uint64_t vm_general(unsigned int number)
{
	return KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | (KVM_REG_ARM_CORE_REG(regs.regs[0]) + 2 * number);
}

uint64_t vm_pc(void)
{
	return KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(regs.pc);
}

uint64_t vm_no_reg(void)
{
	return KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | 0xfff0;
}

static void feature_add(const struct vm *vm, struct kvm_vcpu_init *init, int capability, unsigned int feature)
{
	if (ioctl(vm->vm, KVM_CHECK_EXTENSION, capability) > 0)
		init->features[0] |= 1u << feature;
}

int vm_vcpu_begin(struct vm *vm, int vcpu, enum vm_kind kind, int finalize)
{
	struct kvm_vcpu_init init = { 0 };
	int sve = KVM_ARM_VCPU_SVE;

	must(ioctl(vm->vm, KVM_ARM_PREFERRED_TARGET, &init), "KVM_ARM_PREFERRED_TARGET");
	feature_add(vm, &init, KVM_CAP_ARM_PSCI_0_2, KVM_ARM_VCPU_PSCI_0_2);
	if (kind != VM_PLAIN)
		feature_add(vm, &init, KVM_CAP_ARM_SVE, KVM_ARM_VCPU_SVE);
	if (kind == VM_SVE && !(init.features[0] >> KVM_ARM_VCPU_SVE & 1))
		return -1;
	if (kind == VM_ALL) {
		feature_add(vm, &init, KVM_CAP_ARM_PMU_V3, KVM_ARM_VCPU_PMU_V3);
		feature_add(vm, &init, KVM_CAP_ARM_PTRAUTH_ADDRESS, KVM_ARM_VCPU_PTRAUTH_ADDRESS);
		feature_add(vm, &init, KVM_CAP_ARM_PTRAUTH_GENERIC, KVM_ARM_VCPU_PTRAUTH_GENERIC);
	}
	if (ioctl(vcpu, KVM_ARM_VCPU_INIT, &init))
		return -1;
	if (finalize && init.features[0] >> KVM_ARM_VCPU_SVE & 1)
		return ioctl(vcpu, KVM_ARM_VCPU_FINALIZE, &sve);
	return 0;
}

static void vcpu_start_at(int vcpu)
{
	uint64_t at = VM_MEMORY_AT;
	struct kvm_one_reg reg = { vm_pc(), (uintptr_t)&at };

	must(ioctl(vcpu, KVM_SET_ONE_REG, &reg), "pc");
}

#elif defined(__x86_64__)

static const uint8_t loop[] = { 0xeb, 0xfe }; /* jmp . */

uint64_t vm_general(unsigned int number)
{
	return ANYKVM_X86_REG(ANYKVM_X86_TYPE_GENERAL, KVM_REG_SIZE_U64, number);
}

uint64_t vm_pc(void)
{
	return vm_general(16);
}

uint64_t vm_no_reg(void)
{
	return vm_general(99);
}

int vm_vcpu_begin(struct vm *vm, int vcpu, enum vm_kind kind, int finalize)
{
	struct {
		struct kvm_cpuid2 header;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid = { .header.nent = 256 };

	(void)finalize;
	if (kind != VM_PLAIN)
		return -1;
	must(ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
	return ioctl(vcpu, KVM_SET_CPUID2, &cpuid);
}

static void vcpu_start_at(int vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = VM_MEMORY_AT, .rflags = 2 };

	must(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	must(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

#endif

/* ---- What does not. ---- */

void vm_make_raw(struct vm *vm)
{
	vm->kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	vm->vm = must(ioctl(vm->kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	vm->vcpu = must(ioctl(vm->vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	vm->run_size = (size_t)must(ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	vm->memory = mmap(NULL, VM_MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (vm->run == MAP_FAILED || vm->memory == MAP_FAILED)
		must(-1, "mmap");
}

int vm_vcpu_init(struct vm *vm, int vcpu, enum vm_kind kind)
{
	return vm_vcpu_begin(vm, vcpu, kind, 1);
}

int vm_make(struct vm *vm, enum vm_kind kind)
{
	struct kvm_userspace_memory_region slot = { .guest_phys_addr = VM_MEMORY_AT, .memory_size = VM_MEMORY_SIZE };

	vm_make_raw(vm);
	if (vm_vcpu_init(vm, vm->vcpu, kind)) {
		vm_free(vm);
		return -1;
	}
	memcpy(vm->memory, loop, sizeof loop);
	slot.userspace_addr = (uintptr_t)vm->memory;
	must(ioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
	vcpu_start_at(vm->vcpu);
	return 0;
}

void vm_free(struct vm *vm)
{
	munmap(vm->run, vm->run_size);
	munmap(vm->memory, VM_MEMORY_SIZE);
	close(vm->vcpu);
	close(vm->vm);
	close(vm->kvm);
}

void vm_regs_list(int vcpu, struct many *many, uint8_t values[REGS_MOST][VALUE_SIZE])
{
	static struct {
		uint64_t n, id[REGS_MOST];
	} list;

	list.n = REGS_MOST;
	must(ioctl(vcpu, KVM_GET_REG_LIST, &list), "KVM_GET_REG_LIST");
	many->n = list.n;
	for (uint64_t i = 0; i < list.n; i++)
		many->reg[i] = (struct kvm_one_reg){ list.id[i], (uintptr_t)values[i] };
}
