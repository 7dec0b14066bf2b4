/*
 * Addition, subtraction and logic as values and flags, for all forms of the instructions, LOCKed ones included.
 */
#ifndef ANYKVM_X86_CPU_ALU_H
#define ANYKVM_X86_CPU_ALU_H

#include "x86/cpu/operand.h"

/* CF, OF and AF of an addition or subtraction with a carry in, from the vector of carries (borrows) out of each bit. */
TEMPLATE uint32_t alu_carry_flags(uint64_t carries, unsigned int size)
{
	unsigned int top = 8 * size - 1;

	return (carries >> top & 1) * FLAG_CF | ((carries >> top ^ carries >> (top - 1)) & 1) * FLAG_OF | (carries & 8) * (FLAG_AF / 8);
}

/* CF before the instruction, for those that need it; read it before anything is stored. */
TEMPLATE uint32_t alu_carry_in(const struct x86_vcpu *cpu, enum alu_op op)
{
	return op == ALU_ADC || op == ALU_SBB ? flags_carry(cpu) : 0;
}

TEMPLATE uint64_t alu_result(enum alu_op op, int64_t left, int64_t right, uint32_t carry)
{
	uint64_t a = (uint64_t)left, b = (uint64_t)right;

	switch (op) {
	case ALU_ADD: case ALU_ADC: return a + b + carry;
	case ALU_SUB: case ALU_CMP: case ALU_SBB: return a - b - carry;
	case ALU_OR: return a | b;
	case ALU_XOR: return a ^ b;
	default: return a & b;
	}
}

TEMPLATE void alu_flags(struct x86_vcpu *cpu, enum alu_op op, unsigned int size, int64_t left, int64_t right, uint64_t result)
{
	uint64_t a = (uint64_t)left, b = (uint64_t)right;

	switch (op) {
	case ALU_ADD: flags_lazy(cpu, CC_ADD, size, left, right); break;
	case ALU_SUB: case ALU_CMP: flags_lazy(cpu, CC_SUB, size, left, right); break;
	case ALU_ADC: flags_apart_set(cpu, size, sign_extend(result, size), alu_carry_flags((a & b) | ((a | b) & ~result), size)); break;
	case ALU_SBB: flags_apart_set(cpu, size, sign_extend(result, size), alu_carry_flags((~a & b) | (~(a ^ b) & result), size)); break;
	default: flags_lazy(cpu, CC_SUB, size, (int64_t)result, 0); break;
	}
}

TEMPLATE uint64_t alu_unary_result(enum alu_unary op, int64_t value)
{
	switch (op) {
	case ALU_INC: return (uint64_t)value + 1;
	case ALU_DEC: return (uint64_t)value - 1;
	case ALU_NEG: return -(uint64_t)value;
	default: return ~(uint64_t)value;
	}
}

TEMPLATE void alu_unary_flags(struct x86_vcpu *cpu, enum alu_unary op, unsigned int size, int64_t value)
{
	switch (op) {
	case ALU_INC:
	case ALU_DEC:
		if (!flags_are(cpu, CC_SUB_C, CC_INC)) /* else CF stands there already */
			cpu->cc_carry = flags_carry(cpu);
		flags_lazy(cpu, op == ALU_INC ? CC_INC : CC_SUB_C, size, value, op == ALU_INC ? -1 : 1);
		break;
	case ALU_NEG: flags_lazy(cpu, CC_SUB, size, 0, value); break;
	default: break;
	}
}

/* ---- The instructions on registers and memory. ---- */

TEMPLATE bool alu_writes(enum alu_op op)
{
	return op != ALU_CMP && op != ALU_TEST;
}

TEMPLATE enum step alu_to_register(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum alu_op op, unsigned int size, enum form form)
{
	int64_t left, right;
	uint32_t carry = alu_carry_in(cpu, op);
	enum step step = STEP_NEXT;
	uint64_t result;

	if (form == FORM_RM)
		step = load(cpu, insn, path, size, &right);
	else
		right = form == FORM_RI ? (int64_t)insn->imm : gpr_get(cpu, insn->rm, size);
	if (step != STEP_NEXT)
		return step;
	left = gpr_get(cpu, insn->reg, size);
	result = alu_result(op, left, right, carry);
	if (alu_writes(op))
		gpr_set(cpu, insn->reg, size, result);
	alu_flags(cpu, op, size, left, right, result);
	return STEP_NEXT;
}

TEMPLATE enum step alu_to_memory(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum alu_op op, unsigned int size, enum form form)
{
	int64_t left, right = form == FORM_MI ? (int64_t)insn->imm : gpr_get(cpu, insn->reg, size);
	uint32_t carry = alu_carry_in(cpu, op);
	struct modify modify = { 0 };
	enum step step;
	uint64_t result;

	step = alu_writes(op) ? modify_begin(cpu, insn, path, size, &modify, &left) : load(cpu, insn, path, size, &left);
	if (step != STEP_NEXT)
		return step;
	result = alu_result(op, left, right, carry);
	if (alu_writes(op))
		step = modify_end(cpu, insn, path, size, &modify, result);
	if (step == STEP_NEXT)
		alu_flags(cpu, op, size, left, right, result);
	return step;
}

TEMPLATE enum step alu(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum alu_op op, unsigned int size, enum form form)
{
	if (form == FORM_MR || form == FORM_MI)
		return alu_to_memory(cpu, insn, path, op, size, form);
	return alu_to_register(cpu, insn, path, op, size, form);
}

TEMPLATE enum step alu_unary_register(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum alu_unary op, unsigned int size)
{
	int64_t value = gpr_get(cpu, insn->reg, size);

	(void)path;
	gpr_set(cpu, insn->reg, size, alu_unary_result(op, value));
	alu_unary_flags(cpu, op, size, value);
	return STEP_NEXT;
}

/* Everything the fast handlers leave over, and those by operation, size and form (unary: register, memory, LOCKed). */
insn_fn alu_slow, alu_unary_slow;
extern insn_fn *const alu_handlers[ALU_OPS][9][FORM_COUNT];
extern insn_fn *const alu_unary_handlers[ALU_UNARIES][9][3];

#endif
