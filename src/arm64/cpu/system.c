/*
 * Exception-generating and system instructions (C4.1.93): SVC, HVC, SMC, BRK, HLT, ERET, hints, barriers, PSTATE's fields by immediate. MRS and MSR
 * are system_registers.c's, SYS is maintenance.c's.
 */
#include <sched.h>

#include "arm64/cpu/block.h"
#include "arm64/cpu/flags.h"
#include "arm64/cpu/pac.h"
#include "arm64/cpu/private.h"
#include "arm64/cpu/system.h"

#define MDSCR_SS_MDE (UINT64_C(1) << 0 | UINT64_C(1) << 15)
#define DISR_A (UINT64_C(1) << 31)

bool a64_attention(const struct arm64_vcpu *cpu)
{
	return a64_interrupt_pending(cpu) || cpu->pstate & PSTATE_IL || cpu->sys[SYS_MDSCR_EL1] & MDSCR_SS_MDE;
}

void a64_system_trap(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;

	a64_exception(cpu, insn, syndrome(EC_SYSTEM, bits(word, 20, 19) << 20 | bits(word, 7, 5) << 17 | bits(word, 18, 16) << 14 |
								 bits(word, 15, 12) << 10 | bits(word, 4, 0) << 5 | bits(word, 11, 8) << 1 | bit(word, 21)));
}

/* ---- Exceptions. ---- */

static void svc(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_exception(cpu, insn, syndrome(EC_SVC, bits(insn->word, 20, 5)));
	cpu->pc += 4;
}

static void hvc(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->exception.syndrome = syndrome(EC_HVC, bits(insn->word, 20, 5));
	a64_done(cpu, insn, ARM64_STOP_CALL);
}

static void smc(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->exception.syndrome = syndrome(EC_SMC, bits(insn->word, 20, 5));
	a64_done(cpu, insn, ARM64_STOP_CALL);
	cpu->pc -= 4;
}

static void brk64(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t esr = syndrome(EC_BRK, bits(insn->word, 20, 5));

	a64_exception(cpu, insn, esr);
	if (cpu->guest_debug.control & KVM_GUESTDBG_ENABLE && cpu->guest_debug.control & KVM_GUESTDBG_USE_SW_BP)
		a64_debug_exit(cpu, esr, 0);
}

static a64_fn *decode_exception(struct a64_decode *decode, struct a64_insn *insn)
{
	bool el1 = decode->mode & A64_MODE_EL1;

	decode->ends = true;
	if (bits(insn->word, 4, 2))
		return NULL;
	switch (bits(insn->word, 23, 21) << 2 | bits(insn->word, 1, 0)) {
	case 1: return svc;
	case 2: return el1 ? hvc : NULL;
	case 3: return el1 ? smc : NULL;
	case 4: return brk64;
	default: return NULL; /* HLT: halting debug is not there */
	}
}

/* ---- ERET. `shift`: 0, or 2 and 3 for keys A and B. ---- */

static void eret(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t pc = cpu->elr_el1;

	if (insn->shift)
		pc = pac_toggle(cpu, pc, cpu->x[insn->n], insn->shift == 3 ? PAC_IB : PAC_IA);
	a64_exception_return(cpu, pc, cpu->spsr[KVM_SPSR_EL1]);
	if (unlikely(a64_attention(cpu)))
		cpu->stop = ARM64_STOP_EVENT;
	else
		a64_block_go_anywhere(cpu);
}

static a64_fn *decode_eret(struct a64_decode *decode, struct a64_insn *insn)
{
	unsigned int variant = bits(insn->word, 15, 10);

	decode->ends = true;
	if (!(decode->mode & A64_MODE_EL1) || bits(insn->word, 9, 5) != 31 || bits(insn->word, 4, 0) != (variant ? 31 : 0))
		return NULL;
	if (variant != 0 && (variant >> 1 != 1 || !(decode->mode & A64_MODE_PAC)))
		return NULL;
	insn->shift = (uint8_t)variant;
	insn->n = reg_sp(decode, 31);
	return eret;
}

/* ---- Hints. ---- */

static void nop(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_next(cpu, insn);
}

/* WFI and WFE at EL0 when SCTLR_EL1 traps them: ESR_EL1.TI says which. */
static bool wait_trapped(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t allowed, unsigned int ti)
{
	if (cpu->el || cpu->sys[SYS_SCTLR_EL1] & allowed)
		return false;
	a64_exception(cpu, insn, syndrome(EC_WFX, UINT64_C(0x1e) << 20 | ti));
	return true;
}

static void wfi(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	/* It is trapped if it would wait. */
	if (a64_interrupt_pending(cpu))
		a64_done(cpu, insn, ARM64_STOP_EVENT);
	else if (!wait_trapped(cpu, insn, SCTLR_NTWI, 0))
		a64_done(cpu, insn, ARM64_STOP_WAIT);
}

/* The event may be there at any time: no more than a chance for the others. */
static void wfe(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	if (wait_trapped(cpu, insn, SCTLR_NTWE, 1))
		return;
	if (atomic_load_explicit(&cpu->vcpu.vm->vcpu_count, memory_order_relaxed) > 1)
		sched_yield();
	a64_done(cpu, insn, ARM64_STOP_NONE);
}

/* D1.4.5: an SError that is masked is deferred to DISR_EL1; others have been taken. */
static void esb(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	if (cpu->serror.pending && cpu->pstate & PSTATE_A) {
		cpu->serror.pending = false;
		cpu->sys[SYS_DISR_EL1] = DISR_A | cpu->serror.esr;
	}
	a64_next(cpu, insn);
}

static a64_fn *decode_hint(struct a64_decode *decode, struct a64_insn *insn)
{
	a64_fn *handler = decode_pac_hint(decode, insn);

	if (handler)
		return handler;
	switch (bits(insn->word, 11, 5)) {
	case 2:
		decode->ends = true;
		return wfe;
	case 3:
		decode->ends = true;
		return wfi;
	case 16:
		return esb;
	default:
		return nop;
	}
}

/* ---- Barriers. ---- */

static void dmb(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	atomic_thread_fence(memory_order_seq_cst);
	a64_next(cpu, insn);
}

/* Waits for the TLBI of others too; if something is asked of this vCPU meanwhile (they may wait for it) it is executed again. */
static void dsb(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned int spins = 0; unlikely(!a64_tlb_shootdown_done(cpu)); spins++) {
		if (atomic_load_explicit(&cpu->vcpu.kick.request, memory_order_relaxed)) {
			cpu->pc = a64_pc(cpu, insn);
			return;
		}
		if (spins > 100)
			sched_yield();
	}
	a64_next(cpu, insn);
}

static void clrex(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->monitor.open = false;
	a64_next(cpu, insn);
}

static a64_fn *decode_barrier(struct a64_decode *decode, struct a64_insn *insn)
{
	switch (bits(insn->word, 7, 5)) {
	case 1: return bits(insn->word, 9, 8) == 2 ? dsb : NULL; /* DSB nXS */
	case 2: return clrex;
	case 4: return dsb;
	case 5: return dmb;
	case 6:
		decode->ends = true; /* what follows is compared with memory again */
		return nop;
	case 7: return bits(insn->word, 11, 8) == 0 ? nop : NULL; /* SB */
	default: return NULL;
	}
}

/* ---- MSR (immediate), and the flags' conversions. `imm` is CRm. ---- */

static void done_changed(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_state_changed(cpu);
	a64_done(cpu, insn, a64_attention(cpu) ? ARM64_STOP_EVENT : ARM64_STOP_NONE);
}

static void daif_set(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	if (!cpu->el && !(cpu->sys[SYS_SCTLR_EL1] & SCTLR_UMA)) {
		a64_system_trap(cpu, insn);
		return;
	}
	cpu->pstate |= insn->imm << 6;
	a64_next(cpu, insn);
}

static void daif_clear(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	if (!cpu->el && !(cpu->sys[SYS_SCTLR_EL1] & SCTLR_UMA)) {
		a64_system_trap(cpu, insn);
		return;
	}
	cpu->pstate &= ~(insn->imm << 6);
	if (unlikely(a64_attention(cpu)))
		a64_done(cpu, insn, ARM64_STOP_EVENT);
	else
		a64_next(cpu, insn);
}

/* A field of one bit: its place is `shift`. */
static void field_set(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t mask = UINT64_C(1) << insn->shift;

	cpu->pstate = insn->imm & 1 ? cpu->pstate | mask : cpu->pstate & ~mask;
	done_changed(cpu, insn);
}

static void cfinv(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->flag_c ^= 1;
	a64_next(cpu, insn);
}

static void axflag(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int old = flags_get(cpu), z = old >> 2 & 1, c = old >> 1 & 1, v = old & 1;

	flags_set(cpu, (z | v) << 2 | (c & ~v) << 1);
	a64_next(cpu, insn);
}

static void xaflag(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int old = flags_get(cpu), z = old >> 2 & 1, c = old >> 1 & 1, not_c = c ^ 1, not_z = z ^ 1;

	flags_set(cpu, (not_c & not_z) << 3 | (z & c) << 2 | (c | z) << 1 | (not_c & z));
	a64_next(cpu, insn);
}

static a64_fn *decode_field(struct a64_decode *decode, struct a64_insn *insn, unsigned int shift, bool needs_el1)
{
	if (needs_el1 && !(decode->mode & A64_MODE_EL1))
		return NULL;
	decode->ends = true;
	insn->shift = (uint8_t)shift;
	return field_set;
}

static a64_fn *decode_pstate(struct a64_decode *decode, struct a64_insn *insn)
{
	insn->imm = bits(insn->word, 11, 8);
	switch (bits(insn->word, 18, 16) << 3 | bits(insn->word, 7, 5)) {
	case 0: return insn->imm ? NULL : cfinv;
	case 1: return insn->imm ? NULL : xaflag;
	case 2: return insn->imm ? NULL : axflag;
	case 3: return decode_field(decode, insn, 23, true);         /* UAO */
	case 4: return decode_field(decode, insn, 22, true);         /* PAN */
	case 5: return decode_field(decode, insn, 0, true);          /* SPSel */
	case 3 << 3 | 1: return decode_field(decode, insn, 12, false); /* SSBS */
	case 3 << 3 | 2: return decode_field(decode, insn, 24, false); /* DIT */
	case 3 << 3 | 6: return daif_set;
	case 3 << 3 | 7: return daif_clear;
	default: return NULL;
	}
}

/* ---- Which of them. ---- */

static a64_fn *decode_op0_zero(struct a64_decode *decode, struct a64_insn *insn)
{
	if (bit(insn->word, 21) || bits(insn->word, 4, 0) != 31)
		return NULL;
	switch (bits(insn->word, 15, 12)) {
	case 2: return bits(insn->word, 18, 16) == 3 ? decode_hint(decode, insn) : NULL;
	case 3: return bits(insn->word, 18, 16) == 3 ? decode_barrier(decode, insn) : NULL;
	case 4: return decode_pstate(decode, insn);
	default: return NULL;
	}
}

a64_fn *decode_system(struct a64_decode *decode, struct a64_insn *insn)
{
	if (bit(insn->word, 25))
		return decode_eret(decode, insn);
	if (!bit(insn->word, 24))
		return decode_exception(decode, insn);
	if (bits(insn->word, 23, 22))
		return NULL;
	switch (bits(insn->word, 20, 19)) {
	case 0: return decode_op0_zero(decode, insn);
	case 1: return decode_maintenance(decode, insn);
	default: return decode_system_register(decode, insn);
	}
}
