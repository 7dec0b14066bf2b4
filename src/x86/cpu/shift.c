/*
 * SHL, SHR, SAR, ROL, ROR, RCL, RCR, SHLD, SHRD. The count is taken modulo 32 (64 for 64-bit operands) first; a count of 0
 * changes no flag. OF is defined for counts of 1 only: it follows the same formula for all of them, as on processors.
 */
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

/* `extra` is the operation, 8 added for memory; a count in CL is marked by GPR_ZERO + 1 in rm. */
#define COUNT_IN_CL (GPR_ZERO + 1)
HANDLER_SLOW(shift_slow, shift, insn->extra & 7, insn->size, insn->rm == COUNT_IN_CL, insn->extra & 8)

#define FOR_SIZES(X, op) X(op, 1) X(op, 2) X(op, 4) X(op, 8)
#define FOR_ALL(X)                                                                                                    \
	FOR_SIZES(X, ROL) FOR_SIZES(X, ROR) FOR_SIZES(X, RCL) FOR_SIZES(X, RCR) FOR_SIZES(X, SHL) FOR_SIZES(X, SHR)   \
	FOR_SIZES(X, SAR)
#define DEFINE(op, size)                                                                             \
	HANDLER(shift_##op##_##size##_immediate, shift_slow, shift, SHIFT_##op, size, false, false)  \
	HANDLER(shift_##op##_##size##_cl, shift_slow, shift, SHIFT_##op, size, true, false)          \
	HANDLER(shift_##op##_##size##_memory, shift_slow, shift, SHIFT_##op, size, insn->rm == COUNT_IN_CL, true)
#define ENTRY(op, size)                                                                              \
	[SHIFT_##op][size] = { shift_##op##_##size##_immediate, shift_##op##_##size##_cl, shift_##op##_##size##_memory },

FOR_ALL(DEFINE)
static insn_fn *const shift_handlers[SHIFT_OPS][9][3] = { FOR_ALL(ENTRY) };

bool shift_decode(struct decoder *d, struct insn *insn, unsigned int op)
{
	bool memory = decode_single(d, insn), by_cl = decode_is_register(d, 1);

	if (by_cl)
		insn->rm = COUNT_IN_CL;
	else
		insn->imm = d->op[1].imm.value.u;
	insn->extra = op | (memory ? 8 : 0);
	insn->run = shift_handlers[op][insn->size][memory ? 2 : by_cl];
	return true;
}

/* ---- SHLD, SHRD. A count beyond a 16-bit operand (undefined) goes on with the source again, as on AMD's processors. ---- */

TEMPLATE struct shifted shift_double_value(bool left, unsigned int size, uint64_t value, uint64_t source, unsigned int count)
{
	unsigned int bits = 8 * size, last = count - 1;
	unsigned __int128 wide;

	value &= size_mask(size);
	source &= size_mask(size);
	if (size == 2 && count > bits) {
		value = source;
		count -= bits;
		last = count - 1;
	}
	if (left) {
		wide = (unsigned __int128)value << bits | source;
		wide <<= count;
		return (struct shifted){ (uint64_t)(wide >> bits) & size_mask(size), (uint32_t)(value >> (bits - count) & 1) };
	}
	wide = (unsigned __int128)source << bits | value;
	return (struct shifted){ (uint64_t)(wide >> count) & size_mask(size), (uint32_t)(value >> last & 1) };
}

TEMPLATE enum step shift_double(struct x86_vcpu *cpu, const struct insn *insn, enum path path, bool left, unsigned int size, bool by_cl, bool memory)
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
	if (count == 0)
		result = (struct shifted){ (uint64_t)value, 0 };
	else
		result = shift_double_value(left, size, (uint64_t)value, (uint64_t)gpr_get(cpu, insn->rm, size), count);
	if (memory)
		step = modify_end(cpu, insn, path, size, &modify, result.value);
	else
		gpr_set(cpu, insn->reg, size, result.value);
	if (step == STEP_NEXT && count != 0)
		shift_flags(cpu, left ? SHIFT_SHL : SHIFT_SHR, size, result);
	return step;
}

/* `extra`: bit 0 left, bit 1 memory, bit 2 count in CL. */
HANDLER_SLOW(shift_double_slow, shift_double, insn->extra & 1, insn->size, insn->extra & 4, insn->extra & 2)

#define DEFINE_DOUBLE(size)                                                                                                          \
	HANDLER(shift_double_left_##size, shift_double_slow, shift_double, true, size, insn->extra & 4, false)                       \
	HANDLER(shift_double_right_##size, shift_double_slow, shift_double, false, size, insn->extra & 4, false)
DEFINE_DOUBLE(4)
DEFINE_DOUBLE(8)

bool shift_double_decode(struct decoder *d, struct insn *insn, unsigned int left)
{
	bool memory = decode_single(d, insn), by_cl = decode_is_register(d, 2);

	insn->rm = decode_gpr(d->op[1].reg.value);
	if (!by_cl)
		insn->imm = d->op[2].imm.value.u;
	insn->extra = left | (memory ? 2 : 0) | (by_cl ? 4 : 0);
	if (memory || insn->size == 2)
		insn->run = shift_double_slow;
	else if (insn->size == 4)
		insn->run = left ? shift_double_left_4 : shift_double_right_4;
	else
		insn->run = left ? shift_double_left_8 : shift_double_right_8;
	return true;
}
