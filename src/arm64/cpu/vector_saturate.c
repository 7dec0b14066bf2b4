/*
 * Advanced SIMD: saturating arithmetic that does not change the element's size: additions, shifts by a register, doubling multiplications
 * (also by element), absolute values.
 */
#include "arm64/cpu/saturate.h"

typedef uint64_t saturating_op(uint64_t d, uint64_t a, uint64_t b, unsigned int esize, bool *saturated);

TEMPLATE void saturating_elements(struct arm64_vcpu *cpu, uint32_t word, saturating_op *op, unsigned int esize)
{
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word)), m = v_operand_m(cpu, word, esize);
	bool saturated = false;

	for (unsigned int i = 0; i < v_elements(word, esize); i++)
		element_set(&d, esize, i, op(element_get(&d, esize, i), element_get(&n, esize, i), element_get(&m, esize, i), esize, &saturated));
	saturate_remember(cpu, saturated);
	v_result(cpu, word, esize, d);
}

TEMPLATE void saturating(struct arm64_vcpu *cpu, uint32_t word, saturating_op *op)
{
	switch (bits(word, 23, 22)) {
	case 0: saturating_elements(cpu, word, op, 8); break;
	case 1: saturating_elements(cpu, word, op, 16); break;
	case 2: saturating_elements(cpu, word, op, 32); break;
	default: saturating_elements(cpu, word, op, 64); break;
	}
}

/* By a signed count in b's lowest byte. */
TEMPLATE wide shift_wide(wide a, uint64_t b, unsigned int esize, bool round)
{
	int shift = (int8_t)b;

	return shift >= 0 ? shift_left_wide(a, (unsigned int)shift, esize) : shift_right_wide(a, (unsigned int)-shift, round);
}

/* Name, how it saturates, and the exact value; sa, sb and sd are a, b and d with their sign. */
#define SATURATING_OPS(X) \
	X(sqadd, signed, (wide)sa + sb) \
	X(uqadd, unsigned, (wide)a + b) \
	X(sqsub, signed, (wide)sa - sb) \
	X(uqsub, unsigned, (wide)a - b) \
	X(sqshl, signed, shift_wide(sa, b, esize, false)) \
	X(uqshl, unsigned, shift_wide(a, b, esize, false)) \
	X(sqrshl, signed, shift_wide(sa, b, esize, true)) \
	X(uqrshl, unsigned, shift_wide(a, b, esize, true)) \
	X(sqdmulh, signed, 2 * (wide)sa * sb >> esize) \
	X(sqrdmulh, signed, (2 * (wide)sa * sb + ((wide)1 << (esize - 1))) >> esize) \
	X(sqrdmlah, signed, ((wide)sd * ((wide)1 << esize) + 2 * (wide)sa * sb + ((wide)1 << (esize - 1))) >> esize) \
	X(sqrdmlsh, signed, ((wide)sd * ((wide)1 << esize) - 2 * (wide)sa * sb + ((wide)1 << (esize - 1))) >> esize) \
	X(suqadd, signed, (wide)sd + a) \
	X(usqadd, unsigned, (wide)d + sa) \
	X(sqabs, signed, sa < 0 ? -(wide)sa : sa) \
	X(sqneg, signed, -(wide)sa)

#define SATURATING_HANDLER(name, how, value) \
	TEMPLATE uint64_t op_##name(uint64_t d, uint64_t a, uint64_t b, unsigned int esize, bool *saturated) \
	{ \
		int64_t sa = sign_extend(a, esize), sb = sign_extend(b, esize), sd = sign_extend(d, esize); \
\
		(void)sa, (void)sb, (void)sd; \
		return saturate_##how(value, esize, saturated); \
	} \
	static void name(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		saturating(cpu, insn->word, op_##name); \
		a64_next(cpu, insn); \
	}
SATURATING_OPS(SATURATING_HANDLER)

const struct vector_row vector_saturate_rows[] = {
	{ OPCODE_11(0x01), VECTOR_BHSD, SCALAR_SIZES, sqadd },
	{ OPCODE_11(0x01) | U, VECTOR_BHSD, SCALAR_SIZES, uqadd },
	{ OPCODE_11(0x05), VECTOR_BHSD, SCALAR_SIZES, sqsub },
	{ OPCODE_11(0x05) | U, VECTOR_BHSD, SCALAR_SIZES, uqsub },
	{ OPCODE_11(0x09), VECTOR_BHSD, SCALAR_SIZES, sqshl },
	{ OPCODE_11(0x09) | U, VECTOR_BHSD, SCALAR_SIZES, uqshl },
	{ OPCODE_11(0x0b), VECTOR_BHSD, SCALAR_SIZES, sqrshl },
	{ OPCODE_11(0x0b) | U, VECTOR_BHSD, SCALAR_SIZES, uqrshl },
	{ OPCODE_11(0x16), VECTOR_HS, SCALAR_HS, sqdmulh },
	{ OPCODE_11(0x16) | U, VECTOR_HS, SCALAR_HS, sqrdmulh },
	{ .run = NULL }
};

const struct vector_row vector_saturate_misc_rows[] = {
	{ OPCODE_12(0x03), VECTOR_BHSD, SCALAR_SIZES, suqadd },
	{ OPCODE_12(0x03) | U, VECTOR_BHSD, SCALAR_SIZES, usqadd },
	{ OPCODE_12(0x07), VECTOR_BHSD, SCALAR_SIZES, sqabs },
	{ OPCODE_12(0x07) | U, VECTOR_BHSD, SCALAR_SIZES, sqneg },
	{ .run = NULL }
};

const struct vector_row vector_saturate_element_rows[] = {
	{ OPCODE_12(0xc), VECTOR_HS, SCALAR_HS, sqdmulh },
	{ OPCODE_12(0xd), VECTOR_HS, SCALAR_HS, sqrdmulh },
	{ OPCODE_12(0xd) | U, VECTOR_HS, SCALAR_HS, sqrdmlah },
	{ OPCODE_12(0xf) | U, VECTOR_HS, SCALAR_HS, sqrdmlsh },
	{ .run = NULL }
};

/* "Three same extra". */
const struct vector_row vector_saturate_extra_rows[] = {
	{ OPCODE_11(0x0) | U, VECTOR_HS, SCALAR_HS, sqrdmlah },
	{ OPCODE_11(0x1) | U, VECTOR_HS, SCALAR_HS, sqrdmlsh },
	{ .run = NULL }
};
