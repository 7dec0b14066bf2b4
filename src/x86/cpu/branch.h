/*
 * Jcc as a template.
 */
#ifndef ANYKVM_X86_CPU_BRANCH_H
#define ANYKVM_X86_CPU_BRANCH_H

#include "x86/cpu/block.h"
#include "x86/cpu/operand.h"

/* What the fast handlers leave over; a branch that is not taken. */
insn_fn jump_slow, jump_conditional_slow, jump_past;
extern insn_fn *const jump_conditional_handlers[16][2]; /* by condition and whether the code is 64-bit */

TEMPLATE void jump_conditional(struct x86_vcpu *cpu, const struct insn *insn, unsigned int condition, bool is_64)
{
	int holds = flags_condition_fast(cpu, condition);

	if (unlikely(holds < 0))
		jump_conditional_slow(cpu, insn);
	else if (is_64 && holds)
		block_go(cpu, &insn[1].imm, insn->imm);
	else if (is_64)
		block_go(cpu, (const uint64_t *)&insn[1].disp, (uint64_t)insn->disp);
	else if (holds)
		jump_slow(cpu, insn);
	else
		jump_past(cpu, insn);
}

#endif
