/*
 * Advanced SIMD: shifts by an immediate that do not change the element's size. immh:immb is the element size plus the count to the left, or twice the
 * size minus the count to the right.
 */
#include "arm64/cpu/lanes.h"
#include "arm64/cpu/saturate.h"

typedef uint64_t shift_op(uint64_t d, uint64_t a, unsigned int amount, unsigned int esize, bool *saturated);

TEMPLATE void shift_elements(struct arm64_vcpu *cpu, uint32_t word, shift_op *op, unsigned int esize)
{
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word));
	unsigned int amount = bits(word, 22, 16);
	bool saturated = false;

	for (unsigned int i = 0; i < v_elements(word, esize); i++)
		element_set(&d, esize, i, op(element_get(&d, esize, i), element_get(&n, esize, i), amount, esize, &saturated));
	saturate_remember(cpu, saturated);
	v_result(cpu, word, esize, d);
}

TEMPLATE void shift_immediate(struct arm64_vcpu *cpu, uint32_t word, shift_op *op)
{
	switch (31 - __builtin_clz(bits(word, 22, 19))) {
	case 0: shift_elements(cpu, word, op, 8); break;
	case 1: shift_elements(cpu, word, op, 16); break;
	case 2: shift_elements(cpu, word, op, 32); break;
	default: shift_elements(cpu, word, op, 64); break;
	}
}

/* All bits below 2^count. */
TEMPLATE uint64_t low_bits(unsigned int count)
{
	return count > 63 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

/* 1 ... 64 to the right. */
TEMPLATE uint64_t right_signed(int64_t a, unsigned int count)
{
	return (uint64_t)(a >> (count > 63 ? 63 : count));
}

TEMPLATE uint64_t right_unsigned(uint64_t a, unsigned int count)
{
	return count > 63 ? 0 : a >> count;
}

/* Name, and an element; sa is a with its sign, `left` and `right` are the count. */
#define SHIFT_OPS(X) \
	X(ssra, d + right_signed(sa, right)) \
	X(usra, d + right_unsigned(a, right)) \
	X(srshr, (uint64_t)shift_right_wide(sa, right, true)) \
	X(urshr, (uint64_t)shift_right_wide(a, right, true)) \
	X(srsra, d + (uint64_t)shift_right_wide(sa, right, true)) \
	X(ursra, d + (uint64_t)shift_right_wide(a, right, true)) \
	X(sri, (d & ~low_bits(esize - right)) | right_unsigned(a, right)) \
	X(sli, (d & low_bits(left)) | a << left) \
	X(sqshlu, saturate_unsigned(shift_left_wide(sa, left, esize), esize, saturated)) \
	X(sqshl_immediate, saturate_signed(shift_left_wide(sa, left, esize), esize, saturated)) \
	X(uqshl_immediate, saturate_unsigned(shift_left_wide(a, left, esize), esize, saturated))

#define SHIFT_HANDLER(name, expression) \
	TEMPLATE uint64_t op_##name(uint64_t d, uint64_t a, unsigned int amount, unsigned int esize, bool *saturated) \
	{ \
		int64_t sa = sign_extend(a, esize); \
		unsigned int left = amount - esize, right = 2 * esize - amount; \
\
		(void)d, (void)sa, (void)left, (void)right, (void)saturated; \
		return expression; \
	} \
	static void name(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		shift_immediate(cpu, insn->word, op_##name); \
		a64_next(cpu, insn); \
	}
SHIFT_OPS(SHIFT_HANDLER)

/* The frequent ones, all elements at once; to the right by as many bits as an element has, at most. */
#define SHIFT_CASE(n, lanes, expression) { \
		unsigned int left = amount - 8 * n, right = 16 * n - amount; \
		lanes a = (lanes)value.whole; \
\
		(void)left, (void)right; \
		value.whole = (__typeof__(value.whole))(expression); \
		v_result(cpu, insn->word, 8 * n, value); \
		break; \
	}
#define LANES_HANDLER(name, kind, expression) \
	static void name(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		union v128 value = v_get(cpu, rn(insn->word)); \
		unsigned int amount = bits(insn->word, 22, 16); \
\
		switch (31 - __builtin_clz(bits(insn->word, 22, 19))) { \
		case 0: SHIFT_CASE(1, kind##_1, expression) \
		case 1: SHIFT_CASE(2, kind##_2, expression) \
		case 2: SHIFT_CASE(4, kind##_4, expression) \
		default: SHIFT_CASE(8, kind##_8, expression) \
		} \
		a64_next(cpu, insn); \
	}
LANES_HANDLER(sshr, signed, a >> (right - 1) >> 1)
LANES_HANDLER(ushr, lanes, a >> (right - 1) >> 1)
LANES_HANDLER(shl, lanes, a << left)

const struct vector_row vector_shift_rows[] = {
	{ OPCODE_11(0x00), VECTOR_BHSD, SCALAR_D, sshr },
	{ OPCODE_11(0x00) | U, VECTOR_BHSD, SCALAR_D, ushr },
	{ OPCODE_11(0x02), VECTOR_BHSD, SCALAR_D, ssra },
	{ OPCODE_11(0x02) | U, VECTOR_BHSD, SCALAR_D, usra },
	{ OPCODE_11(0x04), VECTOR_BHSD, SCALAR_D, srshr },
	{ OPCODE_11(0x04) | U, VECTOR_BHSD, SCALAR_D, urshr },
	{ OPCODE_11(0x06), VECTOR_BHSD, SCALAR_D, srsra },
	{ OPCODE_11(0x06) | U, VECTOR_BHSD, SCALAR_D, ursra },
	{ OPCODE_11(0x08) | U, VECTOR_BHSD, SCALAR_D, sri },
	{ OPCODE_11(0x0a), VECTOR_BHSD, SCALAR_D, shl },
	{ OPCODE_11(0x0a) | U, VECTOR_BHSD, SCALAR_D, sli },
	{ OPCODE_11(0x0c) | U, VECTOR_BHSD, SCALAR_SIZES, sqshlu },
	{ OPCODE_11(0x0e), VECTOR_BHSD, SCALAR_SIZES, sqshl_immediate },
	{ OPCODE_11(0x0e) | U, VECTOR_BHSD, SCALAR_SIZES, uqshl_immediate },
	{ .run = NULL }
};
