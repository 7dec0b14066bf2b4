/*
 * MOV, MOVZX, MOVSX and LEA as templates.
 */
#ifndef ANYKVM_X86_CPU_MOVE_H
#define ANYKVM_X86_CPU_MOVE_H

#include "x86/cpu/operand.h"

TEMPLATE enum step move(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size, enum form form)
{
	int64_t value;
	enum step step;

	switch (form) {
	case FORM_RR:
		gpr_set(cpu, insn->reg, size, (uint64_t)gpr_get(cpu, insn->rm, size));
		return STEP_NEXT;
	case FORM_RI:
		gpr_set(cpu, insn->reg, size, insn->imm);
		return STEP_NEXT;
	case FORM_RM:
		step = load(cpu, insn, path, size, &value);
		if (step == STEP_NEXT)
			gpr_set(cpu, insn->reg, size, (uint64_t)value);
		return step;
	case FORM_MR:
		return store(cpu, insn, path, size, (uint64_t)gpr_get(cpu, insn->reg, size));
	default:
		return store(cpu, insn, path, size, insn->imm);
	}
}

TEMPLATE enum step move_extend(struct x86_vcpu *cpu, const struct insn *insn, enum path path, bool is_signed, unsigned int from, unsigned int to, bool memory)
{
	enum step step = STEP_NEXT;
	int64_t value;

	if (memory)
		step = load(cpu, insn, path, from, &value);
	else
		value = gpr_get(cpu, insn->rm, from);
	if (step == STEP_NEXT)
		gpr_set(cpu, insn->reg, to, is_signed ? (uint64_t)value : (uint64_t)value & size_mask(from));
	return step;
}

TEMPLATE enum step lea(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size, unsigned int address_size)
{
	(void)path;
	gpr_set(cpu, insn->reg, size, insn_effective(cpu, insn) & size_mask(address_size));
	return STEP_NEXT;
}

/* Without an index, as most are. */
TEMPLATE enum step lea_simple(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size)
{
	(void)path;
	gpr_set(cpu, insn->reg, size, cpu->gpr[insn->base] + (uint64_t)insn->disp);
	return STEP_NEXT;
}

insn_fn move_slow, move_extend_slow, lea_4, lea_8, lea_simple_4, lea_simple_8;
extern insn_fn *const move_handlers[9][FORM_COUNT];
extern insn_fn *const move_extend_handlers[5][9][2][2]; /* by source and destination size, signedness, memory */

#endif
