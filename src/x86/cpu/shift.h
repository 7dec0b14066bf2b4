/*
 * Shifts and rotations as templates.
 */
#ifndef ANYKVM_X86_CPU_SHIFT_H
#define ANYKVM_X86_CPU_SHIFT_H

#include "x86/cpu/operand.h"

struct shifted {
	uint64_t value; /* low `size` bytes */
	uint32_t carry; /* 0 or 1 */
};

/* `value` is sign-extended; `count` is not 0 and below 32 (64). */
TEMPLATE struct shifted shift_left_right(enum shift_op op, unsigned int size, int64_t value, unsigned int count)
{
	unsigned int bits = 8 * size;
	uint64_t zero_extended = (uint64_t)value & size_mask(size);

	switch (op) {
	case SHIFT_SHL:
		/* Short operands may lose all their bits, the last one long before the end. */
		return (struct shifted){ zero_extended << count, count <= bits ? (uint32_t)(zero_extended >> (bits - count) & 1) : 0 };
	case SHIFT_SHR:
		return (struct shifted){ zero_extended >> count, (uint32_t)(zero_extended >> (count - 1) & 1) };
	default:
		return (struct shifted){ (uint64_t)(value >> count), (uint32_t)(value >> (count - 1) & 1) };
	}
}

/* Rotation of `bits` bits (not more than 64) by less than that. */
TEMPLATE uint64_t rotate_left(uint64_t value, unsigned int bits, unsigned int count)
{
	return count == 0 ? value : value << count | value >> (bits - count);
}

TEMPLATE struct shifted rotate(enum shift_op op, unsigned int size, int64_t value, unsigned int count)
{
	unsigned int bits = 8 * size;
	uint64_t zero_extended = (uint64_t)value & size_mask(size), result;

	if (op == SHIFT_ROL) {
		result = rotate_left(zero_extended, bits, count % bits);
		return (struct shifted){ result, (uint32_t)(result & 1) };
	}
	result = rotate_left(zero_extended, bits, (bits - count % bits) % bits);
	return (struct shifted){ result, (uint32_t)(result >> (bits - 1) & 1) };
}

/* Through CF: of one bit more than the operand has. */
TEMPLATE struct shifted rotate_carry(enum shift_op op, unsigned int size, int64_t value, unsigned int count, uint32_t carry)
{
	unsigned int bits = 8 * size;
	unsigned __int128 wide = (unsigned __int128)carry << bits | ((uint64_t)value & size_mask(size)), mask = ((unsigned __int128)1 << (bits + 1)) - 1;

	count %= bits + 1;
	if (op == SHIFT_RCR)
		count = (bits + 1 - count) % (bits + 1);
	wide = (wide << count | wide >> (bits + 1 - count)) & mask;
	return (struct shifted){ (uint64_t)wide, (uint32_t)(wide >> bits) & 1 };
}

/* OF of a shift or rotation: to the left CF against the top bit, to the right the two top bits. */
TEMPLATE uint32_t shift_overflow(enum shift_op op, unsigned int size, struct shifted result)
{
	unsigned int top = 8 * size - 1;

	if (op == SHIFT_SHL || op == SHIFT_ROL || op == SHIFT_RCL)
		return ((uint32_t)(result.value >> top) ^ result.carry) & 1;
	return (uint32_t)(result.value >> top ^ result.value >> (top - 1)) & 1;
}

TEMPLATE void shift_flags(struct x86_vcpu *cpu, enum shift_op op, unsigned int size, struct shifted result)
{
	uint32_t overflow = shift_overflow(op, size, result);

	if (op < SHIFT_SHL) {
		flags_carry_overflow_set(cpu, result.carry, overflow);
		return;
	}
	flags_apart_set(cpu, size, sign_extend(result.value, size), result.carry * FLAG_CF | overflow * FLAG_OF);
}

TEMPLATE enum step shift(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum shift_op op, unsigned int size, bool by_cl, bool memory)
{
	unsigned int count = (by_cl ? (unsigned int)cpu->gpr[RCX] : (unsigned int)insn->imm) & (size == 8 ? 63 : 31);
	struct shifted result;
	struct modify modify = { 0 };
	int64_t value;
	enum step step = STEP_NEXT;

	if (memory)
		step = modify_begin(cpu, insn, path, size, &modify, &value);
	else
		value = gpr_get(cpu, insn->reg, size);
	if (step != STEP_NEXT)
		return step;
	if (unlikely(count == 0))
		result = (struct shifted){ (uint64_t)value, 0 };
	else if (op >= SHIFT_SHL)
		result = shift_left_right(op, size, value, count);
	else if (op >= SHIFT_RCL)
		result = rotate_carry(op, size, value, count, flags_carry(cpu));
	else
		result = rotate(op, size, value, count);
	if (memory)
		step = modify_end(cpu, insn, path, size, &modify, result.value);
	else
		gpr_set(cpu, insn->reg, size, result.value);
	if (step == STEP_NEXT && likely(count != 0))
		shift_flags(cpu, op, size, result);
	return step;
}

insn_fn shift_slow;
extern insn_fn *const shift_handlers[SHIFT_OPS][9][3]; /* by an immediate, by CL, memory */

#endif
