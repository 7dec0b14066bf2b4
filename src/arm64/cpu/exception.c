/*
 * Taking exceptions to EL1 and returning from them (D1.3, D1.4), interrupts, and what changes with PSTATE and the system registers that
 * decoding and translation depend on.
 */
#include "arm64/cpu/block.h"
#include "arm64/cpu/exec.h"
#include "arm64/cpu/monitors.h"

#define MDSCR_SS (UINT64_C(1) << 0)
#define SCTLR_DSSBS (UINT64_C(1) << 44)

enum { VECTOR_SYNC = 0, VECTOR_IRQ = 0x80, VECTOR_FIQ = 0x100, VECTOR_SERROR = 0x180 };
enum { LINE_IRQ = 1, LINE_FIQ = 2 };

/* Bits of SPSR_EL1 that PSTATE has. */
#define PSTATE_BITS (PSTATE_NZCV | PSTATE_DIT | PSTATE_UAO | PSTATE_PAN | PSTATE_SS | PSTATE_IL | PSTATE_SSBS | PSTATE_DAIF | PSTATE_EL | \
		     PSTATE_SP)

/* ---- What is derived. ---- */

/* CPACR_EL1's two-bit fields: 0 and 2 trap both levels, 1 traps EL0. */
static bool trapped(const struct arm64_vcpu *cpu, unsigned int shift)
{
	unsigned int field = cpu->sys[SYS_CPACR_EL1] >> shift & 3;

	return field == 3 ? false : field == 1 ? cpu->el == 0 : true;
}

/* Bytes of a vector: the longest that the vCPU has within ZCR_EL1.LEN. */
static uint16_t vector_length(const struct arm64_vcpu *cpu)
{
	unsigned int wanted = (cpu->sys[SYS_ZCR_EL1] & 15) + 1, longest = cpu->vl_max / 16;

	if (wanted > longest)
		wanted = longest;
	while (wanted > 1 && !(cpu->vls[0] >> (wanted - 1) & 1))
		wanted--;
	return (uint16_t)(16 * (wanted ? wanted : 1));
}

void a64_state_changed(struct arm64_vcpu *cpu)
{
	uint64_t sctlr = cpu->sys[SYS_SCTLR_EL1];

	cpu->el = (cpu->pstate & PSTATE_EL) != 0;
	cpu->mode = (cpu->el ? A64_MODE_EL1 : 0) | (sp_register(cpu->pstate) == X_SP_EL1 ? A64_MODE_SP_EL1 : 0) | (trapped(cpu, 20) ? A64_MODE_FP_TRAP : 0) |
		    (sctlr & SCTLR_A || !(sctlr & SCTLR_M) ? A64_MODE_ALIGN : 0) | (sctlr & (cpu->el ? SCTLR_SA : SCTLR_SA0) ? A64_MODE_SP_ALIGN : 0) |
		    (arm64_has(cpu, KVM_ARM_VCPU_PTRAUTH_ADDRESS) ? A64_MODE_PAC : 0);
	cpu->vl = 16;
	if (arm64_has(cpu, KVM_ARM_VCPU_SVE)) {
		cpu->mode |= A64_MODE_SVE | (trapped(cpu, 16) ? A64_MODE_SVE_TRAP : 0);
		cpu->vl = vector_length(cpu);
	}
	cpu->mmu_index = !cpu->el ? ARM64_MMU_EL0 : cpu->pstate & PSTATE_PAN ? ARM64_MMU_EL1_PAN : ARM64_MMU_EL1;
	cpu->tlb = cpu->careful ? &cpu->tlb_empty : &cpu->tlbs[cpu->mmu_index];
}

/* ---- Taking. ---- */

void a64_exception_raise(struct arm64_vcpu *cpu, uint64_t esr, bool has_far, uint64_t far)
{
	cpu->exception.syndrome = esr;
	cpu->exception.has_far = has_far;
	cpu->exception.far = far;
	cpu->stop = ARM64_STOP_EXCEPTION;
}

static void enter(struct arm64_vcpu *cpu, unsigned int vector)
{
	uint64_t pstate = pstate_get(cpu), sctlr = cpu->sys[SYS_SCTLR_EL1], kept = PSTATE_NZCV | PSTATE_PAN | PSTATE_DIT;

	a64_monitors_level(cpu);
	if (!cpu->el)
		vector += 0x400;
	else if (pstate & PSTATE_SP)
		vector += 0x200;
	cpu->spsr[KVM_SPSR_EL1] = pstate;
	cpu->elr_el1 = cpu->pc;
	pstate = (pstate & kept) | PSTATE_DAIF | PSTATE_EL1H;
	if (!(sctlr & SCTLR_SPAN))
		pstate |= PSTATE_PAN;
	if (sctlr & SCTLR_DSSBS)
		pstate |= PSTATE_SSBS;
	pstate_set(cpu, pstate);
	cpu->pc = (cpu->sys[SYS_VBAR_EL1] & ~UINT64_C(0x7ff)) + vector;
	a64_state_changed(cpu);
}

void a64_exception_take(struct arm64_vcpu *cpu)
{
	cpu->sys[SYS_ESR_EL1] = cpu->exception.syndrome;
	if (cpu->exception.has_far)
		cpu->sys[SYS_FAR_EL1] = cpu->exception.far;
	enter(cpu, VECTOR_SYNC);
}

bool a64_interrupt_pending(const struct arm64_vcpu *cpu)
{
	return atomic_load_explicit(&((struct arm64_vcpu *)cpu)->irq_lines, memory_order_relaxed) || cpu->serror.pending;
}

bool a64_interrupt_take(struct arm64_vcpu *cpu)
{
	uint32_t lines = atomic_load(&cpu->irq_lines);

	if (cpu->serror.pending && !(cpu->pstate & PSTATE_A)) {
		cpu->serror.pending = false;
		cpu->sys[SYS_ESR_EL1] = syndrome(EC_SERROR, cpu->serror.esr);
		enter(cpu, VECTOR_SERROR);
		return true;
	}
	if (lines & LINE_FIQ && !(cpu->pstate & PSTATE_F)) {
		enter(cpu, VECTOR_FIQ);
		return true;
	}
	if (lines & LINE_IRQ && !(cpu->pstate & PSTATE_I)) {
		enter(cpu, VECTOR_IRQ);
		return true;
	}
	return false;
}

/* ---- Returning. ---- */

/* D1.4.4: SPSR names no state of this machine that EL1 may return to. */
static bool illegal(uint64_t spsr)
{
	unsigned int mode = spsr & PSTATE_MODE;

	return mode != PSTATE_EL0T && mode != PSTATE_EL1T && mode != PSTATE_EL1H;
}

void a64_exception_return(struct arm64_vcpu *cpu, uint64_t pc, uint64_t spsr)
{
	uint64_t pstate = spsr & PSTATE_BITS, old = cpu->pstate;
	bool was_enabled = a64_debug_enabled(cpu, 1, old & PSTATE_D);

	if (illegal(spsr))
		pstate = (pstate & ~(PSTATE_EL | PSTATE_SP)) | (old & (PSTATE_EL | PSTATE_SP)) | PSTATE_IL;
	/* D2.11.4: a step begins with the return to what is stepped. */
	if (!(cpu->sys[SYS_MDSCR_EL1] & MDSCR_SS) || was_enabled || !a64_debug_enabled(cpu, (pstate & PSTATE_EL) != 0, pstate & PSTATE_D))
		pstate &= ~PSTATE_SS;
	a64_monitors_level(cpu);
	pstate_set(cpu, pstate);
	cpu->pc = pc;
	cpu->monitor.open = false;
	a64_state_changed(cpu);
}
