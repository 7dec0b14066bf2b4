/*
 * What the interpreter offers to the rest: run until something stops it. See block.c for blocks, mmu.c for memory.
 */
#ifndef ANYKVM_X86_CPU_EXEC_H
#define ANYKVM_X86_CPU_EXEC_H

#include "x86/vcpu.h"

/* Runs blocks from cpu->rip until cpu->stop or a request bit is set. The caller has entered the guest (vcpu_guest_enter)
 * and set up a fault guard: see run.c. */
void cpu_execute(struct x86_vcpu *cpu);

/* Executes exactly one instruction on the slow paths: single-step, watchpoints, MMIO, code that changes itself. */
void cpu_step(struct x86_vcpu *cpu);

/* Allocates what only a running vCPU needs. 0, -ENOMEM, or -EOPNOTSUPP where the host cannot run guests. */
int cpu_prepare(struct x86_vcpu *cpu);
void cpu_discard(struct x86_vcpu *cpu);

/* Drops cached translations (all of them, or those of one linear page). */
void tlb_flush(struct x86_vcpu *cpu);
void tlb_flush_page(struct x86_vcpu *cpu, uint64_t linear);

/* A memory access of the current instruction hit a hole in the program's memory (SIGSEGV or SIGBUS): called after the fault
 * guard's longjmp; makes the instruction be executed again on the slow paths, which answer as KVM does. */
void cpu_host_fault(struct x86_vcpu *cpu);

/* Makes an exception pending, merging with one that is being delivered as SDM Vol. 3A, 6.15 says (#DF, triple fault) is event.c's business. */
void exception_raise(struct x86_vcpu *cpu, enum vector vector, bool has_error_code, uint32_t error_code);
void page_fault_raise(struct x86_vcpu *cpu, uint64_t linear, uint32_t error_code);

/* Code outside memory slots: KVM_EXIT_INTERNAL_ERROR, as KVM's emulator cannot fetch it either (run.c). */
void fetch_outside_raise(struct x86_vcpu *cpu, uint64_t gpa);

/* Excludes other vCPUs' split LOCKed accesses until the instruction is over (mmu.c). */
void split_lock(struct x86_vcpu *cpu);
void split_unlock(struct x86_vcpu *cpu);

/* Guest FPU state on the host's unit: around the guest's execution (fpu.c). */
void fpu_enter(struct x86_vcpu *cpu);
void fpu_leave(struct x86_vcpu *cpu);

#endif
