/*
 * A vCPU of an x86-64 guest and the modes it begins in; see x86_vm.h.
 */
#include "x86_vm.h"

#include <stdlib.h>
#include <string.h>

enum { CR0_PE = 1, CR0_NE = 1 << 5, CR4_PAE = 1 << 5, EFER_LME = 1 << 8, EFER_LMA = 1 << 10 };
#define CR0_PG 0x80000000u

static void vcpu_offer_cpuid(struct bench_vm *vm)
{
	enum { ROOM = 256 };
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + ROOM * sizeof(cpuid->entries[0]));

	if (!cpuid)
		bench_fail("calloc");
	cpuid->nent = ROOM;
	bench_ioctl(vm->system_fd, KVM_GET_SUPPORTED_CPUID, "KVM_GET_SUPPORTED_CPUID", cpuid);
	bench_ioctl(vm->vcpu_fd, KVM_SET_CPUID2, "KVM_SET_CPUID2", cpuid);
	free(cpuid);
}

void x86_vm_create(struct bench_vm *vm, size_t memory_size)
{
	bench_vm_create(vm, 0, memory_size);
	vcpu_offer_cpuid(vm);
}

static struct kvm_segment segment_flat(uint16_t selector, int code, int long_mode)
{
	return (struct kvm_segment){
		.selector = selector,
		.limit = 0xffffffff,
		.type = code ? 11 : 3,
		.present = 1,
		.s = 1,
		.g = 1,
		.db = !long_mode,
		.l = long_mode,
	};
}

static void segments_set_flat(struct kvm_sregs *sregs, int long_mode)
{
	struct kvm_segment data = segment_flat(0x10, 0, 0);

	sregs->cs = segment_flat(0x08, 1, long_mode);
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
}

static void registers_set_entry(struct bench_vm *vm, uint64_t entry)
{
	struct kvm_regs regs = { .rip = entry, .rflags = 2, .rsp = 0x8000 };

	bench_ioctl(vm->vcpu_fd, KVM_SET_REGS, "KVM_SET_REGS", &regs);
}

void x86_vm_enter_protected(struct bench_vm *vm, uint64_t entry)
{
	struct kvm_sregs sregs;

	bench_ioctl(vm->vcpu_fd, KVM_GET_SREGS, "KVM_GET_SREGS", &sregs);
	segments_set_flat(&sregs, 0);
	sregs.cr0 |= CR0_PE;
	bench_ioctl(vm->vcpu_fd, KVM_SET_SREGS, "KVM_SET_SREGS", &sregs);
	registers_set_entry(vm, entry);
}

void x86_vm_enter_long(struct bench_vm *vm, uint64_t entry)
{
	uint64_t pml4 = 0x2003, pdpt = 0x3003, *pd = (uint64_t *)(vm->memory + 0x3000);
	struct kvm_sregs sregs;

	memcpy(vm->memory + 0x1000, &pml4, sizeof(pml4));
	memcpy(vm->memory + 0x2000, &pdpt, sizeof(pdpt));
	for (uint64_t i = 0; i < 512; i++)
		pd[i] = i << 21 | 0x83;
	bench_ioctl(vm->vcpu_fd, KVM_GET_SREGS, "KVM_GET_SREGS", &sregs);
	segments_set_flat(&sregs, 1);
	sregs.cr3 = 0x1000;
	sregs.cr4 |= CR4_PAE;
	sregs.cr0 |= CR0_PE | CR0_NE | CR0_PG;
	sregs.efer |= EFER_LME | EFER_LMA;
	bench_ioctl(vm->vcpu_fd, KVM_SET_SREGS, "KVM_SET_SREGS", &sregs);
	registers_set_entry(vm, entry);
}
