/*
 * IMUL of two factors as a template.
 */
#ifndef ANYKVM_X86_CPU_MULDIV_H
#define ANYKVM_X86_CPU_MULDIV_H

#include "x86/cpu/operand.h"

/* The source is a register or memory; the other factor the destination or an immediate. */
enum factors { REGISTER_BY_REGISTER, REGISTER_BY_MEMORY, REGISTER_BY_IMMEDIATE, MEMORY_BY_IMMEDIATE, FACTORS_COUNT };

TEMPLATE enum step multiply(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size, enum factors factors)
{
	enum step step = STEP_NEXT;
	int64_t left, right, product;
	bool overflow;

	if (factors == REGISTER_BY_MEMORY || factors == MEMORY_BY_IMMEDIATE)
		step = load(cpu, insn, path, size, &right);
	else
		right = gpr_get(cpu, insn->rm, size);
	if (step != STEP_NEXT)
		return step;
	left = factors == REGISTER_BY_IMMEDIATE || factors == MEMORY_BY_IMMEDIATE ? (int64_t)insn->imm : gpr_get(cpu, insn->reg, size);
	overflow = __builtin_mul_overflow(left, right, &product);
	if (size < 8)
		overflow = product != sign_extend((uint64_t)product, size);
	gpr_set(cpu, insn->reg, size, (uint64_t)product);
	flags_apart_set(cpu, size, sign_extend((uint64_t)product, size), overflow * (FLAG_CF | FLAG_OF));
	return STEP_NEXT;
}

insn_fn multiply_slow;
extern insn_fn *const multiply_handlers[9][FACTORS_COUNT];

#endif
