/*
 * VMs of x86-64 guests: bench.h's, and how they begin.
 */
#ifndef X86_VM_H
#define X86_VM_H

#include "bench.h"

/* /dev/kvm, a VM with memory_size bytes at 0, and vCPU 0 with all of the supported CPUID. */
void x86_vm_create(struct bench_vm *vm, size_t memory_size);

/* Flat 32-bit protected mode without paging, as a multiboot loader leaves it, at address entry. */
void x86_vm_enter_protected(struct bench_vm *vm, uint64_t entry);

/* 64-bit mode; the page tables are put at 0x1000-0x3fff and map the first 1 GiB on itself. */
void x86_vm_enter_long(struct bench_vm *vm, uint64_t entry);

#endif
