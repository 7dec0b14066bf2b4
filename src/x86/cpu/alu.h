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

#endif
