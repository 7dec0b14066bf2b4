/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM with one vCPU or more on this machine's /dev/kvm, made as plainly as can be. For the programs beside it.
 */
#ifndef VM_H
#define VM_H

#include <anykvm/kvm.h>
#include <stddef.h>
#include <stdint.h>

enum { REGS_MOST = 1024, VALUE_SIZE = 256 };

struct vm {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	size_t run_size;
	uint8_t *memory; /* VM_MEMORY_SIZE bytes at guest physical VM_MEMORY_AT; it begins with code that loops for ever */
};

#define VM_MEMORY_SIZE 0x10000
#if defined(__aarch64__)
#define VM_MEMORY_AT 0x80000000ull
#else
#define VM_MEMORY_AT 0x8000ull
#endif

/* An array as KVM_GET_MANY_REGS takes it. */
struct many {
	uint64_t n;
	struct kvm_one_reg reg[REGS_MOST];
};

/* What a vCPU has, by arm64's features; elsewhere there is but VM_PLAIN. */
enum vm_kind { VM_PLAIN, VM_SVE, VM_ALL };

/* Ends the program with a message when something fails. */
int must(int result, const char *what);

/* VM with one vCPU of that kind; -1 when this KVM has no such vCPUs. */
int vm_make(struct vm *vm, enum vm_kind kind);
/* A VM and a vCPU that nothing has been done to. */
void vm_make_raw(struct vm *vm);
/* KVM_ARM_VCPU_INIT and KVM_ARM_VCPU_FINALIZE, or KVM_SET_CPUID2: 0, -1. */
int vm_vcpu_init(struct vm *vm, int vcpu, enum vm_kind kind);
/* The same in two steps. `finalize` false: only the first. */
int vm_vcpu_begin(struct vm *vm, int vcpu, enum vm_kind kind, int finalize);
void vm_free(struct vm *vm);

/* All registers of KVM_GET_REG_LIST, into `many`, with their values at values[i]. */
void vm_regs_list(int vcpu, struct many *many, uint8_t values[REGS_MOST][VALUE_SIZE]);

/* A general register, by number: 0 ... 9 have no other task. */
uint64_t vm_general(unsigned int number);
/* One that says where the next instruction is. */
uint64_t vm_pc(void);
/* An id that no vCPU has. */
uint64_t vm_no_reg(void);

static inline uint32_t reg_size(uint64_t id)
{
	return 1u << ((id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT);
}

#endif
