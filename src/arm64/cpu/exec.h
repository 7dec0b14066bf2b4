/*
 * What the interpreter offers to the rest: run until something stops it, take an exception, drop translations. See block.c for blocks,
 * mmu.c for memory, exception.c for exceptions, debug.c for breakpoints.
 */
#ifndef ANYKVM_ARM64_CPU_EXEC_H
#define ANYKVM_ARM64_CPU_EXEC_H

#include "arm64/vcpu.h"

/* Allocates what only a running vCPU needs. 0 or -ENOMEM. */
int a64_cpu_prepare(struct arm64_vcpu *cpu);
void a64_cpu_discard(struct arm64_vcpu *cpu);

/* Runs blocks from cpu->pc until cpu->stop or a request bit is set, or `deadline` (CLOCK_MONOTONIC; UINT64_MAX: none) has passed. The
 * caller has entered the guest (vcpu_guest_enter) and set up a fault guard: see run.c. */
void a64_cpu_execute(struct arm64_vcpu *cpu, uint64_t deadline);

/* Executes exactly one instruction on the slow paths: single-step, watchpoints, code that changes itself. */
void a64_cpu_step(struct arm64_vcpu *cpu);

/* Makes what is derived from the registers (mode, el, mmu_index, tlb, vl) true again: after PSTATE, a system register or `features` changed,
 * and before the first run. Does not drop translations. */
void a64_state_changed(struct arm64_vcpu *cpu);

/* The same for registers that anybody may have written, while the vCPU was not running. */
void a64_registers_changed(struct arm64_vcpu *cpu);

/* Drops cached translations: after a change of TTBR, TCR, SCTLR, MAIR or of the memory slots. */
void a64_tlb_flush(struct arm64_vcpu *cpu);
/* The same on every vCPU (TLBI ...IS). Others have done it when a64_tlb_shootdown_done() says so; it never waits. */
void a64_tlb_shootdown(struct arm64_vcpu *cpu);
bool a64_tlb_shootdown_done(struct arm64_vcpu *cpu);

/* A memory access of the current instruction hit a hole in the program's memory (SIGSEGV or SIGBUS): called after the fault guard's
 * longjmp; has the instruction executed again on the slow paths, which answer as KVM does. */
void a64_host_fault(struct arm64_vcpu *cpu);

/* Page walk without side effects, at the current privilege: false when not mapped. */
bool a64_translate_nofault(struct arm64_vcpu *cpu, uint64_t address, uint64_t *ipa);

/* ---- Exceptions (exception.c). ---- */

#define ESR_EC_SHIFT 26
#define ESR_IL (UINT64_C(1) << 25)
#define ESR_ISV (UINT64_C(1) << 24)
#define ESR_ISS UINT64_C(0x1ffffff)
enum {
	EC_UNKNOWN = 0x00,
	EC_WFX = 0x01,
	EC_FP = 0x07,
	EC_PAC_FAIL = 0x1c,
	EC_ILLEGAL_STATE = 0x0e,
	EC_SVC = 0x15,
	EC_HVC = 0x16,
	EC_SMC = 0x17,
	EC_SYSTEM = 0x18,
	EC_SVE = 0x19,
	EC_FETCH_LOWER = 0x20,
	EC_FETCH_SAME = 0x21,
	EC_PC_ALIGNMENT = 0x22,
	EC_DATA_LOWER = 0x24,
	EC_DATA_SAME = 0x25,
	EC_SP_ALIGNMENT = 0x26,
	EC_SERROR = 0x2f,
	EC_BREAKPOINT_LOWER = 0x30, /* _SAME is one more, as of the next two */
	EC_STEP_LOWER = 0x32,
	EC_WATCHPOINT_LOWER = 0x34,
	EC_BRK = 0x3c,
};

static inline uint64_t syndrome(unsigned int ec, uint64_t iss)
{
	return (uint64_t)ec << ESR_EC_SHIFT | ESR_IL | iss;
}

/* Records a synchronous exception at cpu->pc (which is exact): it is taken by whoever handles ARM64_STOP_EXCEPTION. */
void a64_exception_raise(struct arm64_vcpu *cpu, uint64_t esr, bool has_far, uint64_t far);
/* Takes the recorded synchronous exception to EL1. */
void a64_exception_take(struct arm64_vcpu *cpu);
/* Takes one interrupt or SError that is pending and not masked; false: there is none. */
bool a64_interrupt_take(struct arm64_vcpu *cpu);
/* Whether WFI ends: something is pending, masked or not. */
bool a64_interrupt_pending(const struct arm64_vcpu *cpu);
/* ERET to SPSR_EL1 and ELR_EL1. */
void a64_exception_return(struct arm64_vcpu *cpu, uint64_t pc, uint64_t spsr);

/* ---- Debug (debug.c, D2): the guest's breakpoints, watchpoints and software step, and the debugger's (KVM_SET_GUEST_DEBUG). ---- */

/* Looks at MDSCR_EL1, the OS lock, DBG[BW]CR, PSTATE and guest_debug: before anything below, and when any of them has changed. False: none is in
 * force. Else instructions are to be executed one by one (a64_cpu_step), with a64_debug_before() and a64_debug_after() around each. */
bool a64_debug_choose(struct arm64_vcpu *cpu);
/* The guest is entered as if by ERET: PSTATE.SS stays only where software step is in force. */
void a64_debug_enter(struct arm64_vcpu *cpu);
/* False: the instruction at cpu->pc must not be executed; an exit or an exception is recorded in cpu->stop. */
bool a64_debug_before(struct arm64_vcpu *cpu);
/* Once the instruction is over, or an exception was taken in its place. */
void a64_debug_after(struct arm64_vcpu *cpu);
/* An access in careful mode: false when a watchpoint hit was recorded, and the access must not be made. */
bool a64_watchpoint_check(struct arm64_vcpu *cpu, uint64_t address, unsigned int size, bool write);
/* Whether software step debug exceptions are enabled at that exception level (D2.11). */
bool a64_debug_enabled(const struct arm64_vcpu *cpu, unsigned int el, bool masked);
/* The debugger steps (KVM_GUESTDBG_SINGLESTEP). */
bool a64_debug_steps(const struct arm64_vcpu *cpu);
/* KVM_EXIT_DEBUG. */
void a64_debug_exit(struct arm64_vcpu *cpu, uint64_t esr, uint64_t far);

/* ---- System registers, from the ioctls' side. ---- */

/* Counters of cycles brought up to now; nothing outside the guest. */
void a64_cycles_update(struct arm64_vcpu *cpu);

#endif
