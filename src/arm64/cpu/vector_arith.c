/*
 * Advanced SIMD: integer arithmetic element by element that neither saturates nor changes the element's size: three same, the same by
 * element, bitwise operations, and pairwise ones.
 */
#include "arm64/cpu/lanes.h"
#include "arm64/cpu/vector.h"

/* An element's new value, by the old one of the destination (d) and the operands', all zero-extended. */
typedef uint64_t element_op(uint64_t d, uint64_t a, uint64_t b, unsigned int esize);

TEMPLATE void arith_elements(struct arm64_vcpu *cpu, uint32_t word, element_op *op, unsigned int esize)
{
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word)), m = v_operand_m(cpu, word, esize);

	for (unsigned int i = 0; i < 128 / esize; i++)
		element_set(&d, esize, i, op(element_get(&d, esize, i), element_get(&n, esize, i), element_get(&m, esize, i), esize));
	v_result(cpu, word, esize, d);
}

TEMPLATE void arith(struct arm64_vcpu *cpu, uint32_t word, element_op *op)
{
	switch (bits(word, 23, 22)) {
	case 0: arith_elements(cpu, word, op, 8); break;
	case 1: arith_elements(cpu, word, op, 16); break;
	case 2: arith_elements(cpu, word, op, 32); break;
	default: arith_elements(cpu, word, op, 64); break;
	}
}

/* The elements of n and then of m, pair by pair. */
TEMPLATE void pairwise_elements(struct arm64_vcpu *cpu, uint32_t word, element_op *op, unsigned int esize, unsigned int bytes)
{
	union v128 d = { .d = { 0, 0 } }, n = v_get(cpu, rn(word)), m = v_get(cpu, rm(word));
	unsigned int half = bytes * 4 / esize;

	for (unsigned int i = 0; i < half; i++)
		element_set(&d, esize, i, op(0, element_get(&n, esize, 2 * i), element_get(&n, esize, 2 * i + 1), esize));
	for (unsigned int i = 0; i < half; i++)
		element_set(&d, esize, half + i, op(0, element_get(&m, esize, 2 * i), element_get(&m, esize, 2 * i + 1), esize));
	v_set(cpu, rd(word), d, bytes);
}

TEMPLATE void pairwise(struct arm64_vcpu *cpu, uint32_t word, element_op *op)
{
	switch (bits(word, 23, 22) << 1 | bit(word, 30)) {
	case 0: pairwise_elements(cpu, word, op, 8, 8); break;
	case 1: pairwise_elements(cpu, word, op, 8, 16); break;
	case 2: pairwise_elements(cpu, word, op, 16, 8); break;
	case 3: pairwise_elements(cpu, word, op, 16, 16); break;
	case 4: pairwise_elements(cpu, word, op, 32, 8); break;
	case 5: pairwise_elements(cpu, word, op, 32, 16); break;
	default: pairwise_elements(cpu, word, op, 64, 16); break;
	}
}

static uint64_t shift_signed(int64_t a, int shift)
{
	if (shift >= 0)
		return shift > 63 ? 0 : (uint64_t)a << shift;
	return (uint64_t)(a >> (shift < -63 ? 63 : -shift));
}

static uint64_t shift_unsigned(uint64_t a, int shift)
{
	if (shift >= 0)
		return shift > 63 ? 0 : a << shift;
	return shift < -63 ? 0 : a >> -shift;
}

/* Rounded: half of the last place is added before the shift to the right. */
static uint64_t shift_signed_rounded(int64_t a, int shift)
{
	if (shift >= 0)
		return shift_signed(a, shift);
	return shift < -63 ? 0 : (uint64_t)((a >> -shift) + (a >> (-shift - 1) & 1));
}

static uint64_t shift_unsigned_rounded(uint64_t a, int shift)
{
	if (shift >= 0 || shift < -64)
		return shift_unsigned(a, shift);
	return shift == -64 ? a >> 63 : (a >> -shift) + (a >> (-shift - 1) & 1);
}

TEMPLATE uint64_t polynomial_multiply8(uint64_t a, uint64_t b)
{
	uint64_t product = 0;

	for (unsigned int i = 0; i < 8; i++)
		product ^= b >> i & 1 ? a << i : 0;
	return product;
}

/* Name, how it goes through the elements, and an element; sa and sb are a and b with their sign. */
#define ARITH_OPS(X) \
	X(shadd, arith, (sa + sb) >> 1) \
	X(uhadd, arith, (a + b) >> 1) \
	X(srhadd, arith, (sa + sb + 1) >> 1) \
	X(urhadd, arith, (a + b + 1) >> 1) \
	X(shsub, arith, (sa - sb) >> 1) \
	X(uhsub, arith, (a - b) >> 1) \
	X(sshl, arith, shift_signed(sa, (int8_t)b)) \
	X(ushl, arith, shift_unsigned(a, (int8_t)b)) \
	X(srshl, arith, shift_signed_rounded(sa, (int8_t)b)) \
	X(urshl, arith, shift_unsigned_rounded(a, (int8_t)b)) \
	X(sabd, arith, sa > sb ? a - b : b - a) \
	X(uabd, arith, a > b ? a - b : b - a) \
	X(saba, arith, d + (sa > sb ? a - b : b - a)) \
	X(uaba, arith, d + (a > b ? a - b : b - a)) \
	X(pmul, arith, polynomial_multiply8(a, b)) \
	X(smaxp, pairwise, sa > sb ? a : b) \
	X(umaxp, pairwise, a > b ? a : b) \
	X(sminp, pairwise, sa < sb ? a : b) \
	X(uminp, pairwise, a < b ? a : b) \
	X(addp, pairwise, a + b)

#define ARITH_HANDLER(name, elements, expression) \
	TEMPLATE uint64_t op_##name(uint64_t d, uint64_t a, uint64_t b, unsigned int esize) \
	{ \
		int64_t sa = sign_extend(a, esize), sb = sign_extend(b, esize); \
\
		(void)d, (void)sa, (void)sb; \
		return (uint64_t)(expression); \
	} \
	static void name(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		elements(cpu, insn->word, op_##name); \
		a64_next(cpu, insn); \
	}
ARITH_OPS(ARITH_HANDLER)

/* The frequent ones, all elements at once: a, b and d are lanes, sa and sb the same signed. */
#define BLEND(mask, x, y) ((y) ^ (((x) ^ (y)) & (__typeof__(x))(mask)))
#define LANES_OPS(X) \
	X(cmgt, sa > sb) \
	X(cmhi, a > b) \
	X(cmge, sa >= sb) \
	X(cmhs, a >= b) \
	X(cmtst, (a & b) != 0) \
	X(cmeq, a == b) \
	X(smax, BLEND(sa > sb, a, b)) \
	X(umax, BLEND(a > b, a, b)) \
	X(smin, BLEND(sa < sb, a, b)) \
	X(umin, BLEND(a < b, a, b)) \
	X(add, a + b) \
	X(sub, a - b) \
	X(mla, d + a * b) \
	X(mls, d - a * b) \
	X(mul, a * b)

#define LANES_CASE(n, expression) { \
		union v128 m = v_operand_m(cpu, word, 8 * n); \
		lanes_##n a = (lanes_##n)from.whole, b = (lanes_##n)m.whole, d = (lanes_##n)result.whole; \
		signed_##n sa = (signed_##n)a, sb = (signed_##n)b; \
\
		(void)d, (void)sa, (void)sb; \
		result.whole = (__typeof__(result.whole))(expression); \
		v_result(cpu, word, 8 * n, result); \
		break; \
	}
#define LANES_HANDLER(name, expression) \
	static void name(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		uint32_t word = insn->word; \
		union v128 from = v_get(cpu, rn(word)), result = v_get(cpu, rd(word)); \
\
		switch (bits(word, 23, 22)) { \
		case 0: LANES_CASE(1, expression) \
		case 1: LANES_CASE(2, expression) \
		case 2: LANES_CASE(4, expression) \
		default: LANES_CASE(8, expression) \
		} \
		a64_next(cpu, insn); \
	}
LANES_OPS(LANES_HANDLER)

const struct vector_row vector_three_same_rows[] = {
	{ OPCODE_11(0x00), VECTOR_BHS, 0, shadd },
	{ OPCODE_11(0x00) | U, VECTOR_BHS, 0, uhadd },
	{ OPCODE_11(0x02), VECTOR_BHS, 0, srhadd },
	{ OPCODE_11(0x02) | U, VECTOR_BHS, 0, urhadd },
	{ OPCODE_11(0x04), VECTOR_BHS, 0, shsub },
	{ OPCODE_11(0x04) | U, VECTOR_BHS, 0, uhsub },
	{ OPCODE_11(0x06), VECTOR_BHSD, SCALAR_D, cmgt },
	{ OPCODE_11(0x06) | U, VECTOR_BHSD, SCALAR_D, cmhi },
	{ OPCODE_11(0x07), VECTOR_BHSD, SCALAR_D, cmge },
	{ OPCODE_11(0x07) | U, VECTOR_BHSD, SCALAR_D, cmhs },
	{ OPCODE_11(0x08), VECTOR_BHSD, SCALAR_D, sshl },
	{ OPCODE_11(0x08) | U, VECTOR_BHSD, SCALAR_D, ushl },
	{ OPCODE_11(0x0a), VECTOR_BHSD, SCALAR_D, srshl },
	{ OPCODE_11(0x0a) | U, VECTOR_BHSD, SCALAR_D, urshl },
	{ OPCODE_11(0x0c), VECTOR_BHS, 0, smax },
	{ OPCODE_11(0x0c) | U, VECTOR_BHS, 0, umax },
	{ OPCODE_11(0x0d), VECTOR_BHS, 0, smin },
	{ OPCODE_11(0x0d) | U, VECTOR_BHS, 0, umin },
	{ OPCODE_11(0x0e), VECTOR_BHS, 0, sabd },
	{ OPCODE_11(0x0e) | U, VECTOR_BHS, 0, uabd },
	{ OPCODE_11(0x0f), VECTOR_BHS, 0, saba },
	{ OPCODE_11(0x0f) | U, VECTOR_BHS, 0, uaba },
	{ OPCODE_11(0x10), VECTOR_BHSD, SCALAR_D, add },
	{ OPCODE_11(0x10) | U, VECTOR_BHSD, SCALAR_D, sub },
	{ OPCODE_11(0x11), VECTOR_BHSD, SCALAR_D, cmtst },
	{ OPCODE_11(0x11) | U, VECTOR_BHSD, SCALAR_D, cmeq },
	{ OPCODE_11(0x12), VECTOR_BHS, 0, mla },
	{ OPCODE_11(0x12) | U, VECTOR_BHS, 0, mls },
	{ OPCODE_11(0x13), VECTOR_BHS, 0, mul },
	{ OPCODE_11(0x13) | U, VECTOR_B, 0, pmul },
	{ OPCODE_11(0x14), VECTOR_BHS, 0, smaxp },
	{ OPCODE_11(0x14) | U, VECTOR_BHS, 0, umaxp },
	{ OPCODE_11(0x15), VECTOR_BHS, 0, sminp },
	{ OPCODE_11(0x15) | U, VECTOR_BHS, 0, uminp },
	{ OPCODE_11(0x17), VECTOR_BHSD, 0, addp },
	{ .run = NULL }
};

const struct vector_row vector_element_rows[] = {
	{ OPCODE_12(0x0) | U, VECTOR_HS, 0, mla },
	{ OPCODE_12(0x4) | U, VECTOR_HS, 0, mls },
	{ OPCODE_12(0x8), VECTOR_HS, 0, mul },
	{ .run = NULL }
};

/* ADDP (scalar): of a pair of doublewords. */
static void addp_scalar(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 n = v_get(cpu, rn(insn->word));

	v_set_scalar(cpu, rd(insn->word), n.d[0] + n.d[1]);
	a64_next(cpu, insn);
}

const struct vector_row vector_pairwise_rows[] = {
	{ OPCODE_12(0x1b), 0, SCALAR_D, addp_scalar },
	{ .run = NULL }
};

/* ---- Bitwise. ---- */

/* Name, and 64 bits of the result. */
#define LOGICAL_OPS(X) \
	X(and, n & m) \
	X(bic, n & ~m) \
	X(orr, n | m) \
	X(orn, n | ~m) \
	X(eor, n ^ m) \
	X(bsl, m ^ ((m ^ n) & d)) \
	X(bit, d ^ ((d ^ n) & m)) \
	X(bif, d ^ ((d ^ n) & ~m))

#define LOGICAL_HANDLER(name, expression) \
	static void name##_vector(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		union v128 result = v_get(cpu, rd(insn->word)), vn = v_get(cpu, rn(insn->word)), vm = v_get(cpu, rm(insn->word)); \
\
		for (unsigned int i = 0; i < 2; i++) { \
			uint64_t d = result.d[i], n = vn.d[i], m = vm.d[i]; \
\
			(void)d; \
			result.d[i] = expression; \
		} \
		v_set(cpu, rd(insn->word), result, v_bytes(insn->word)); \
		a64_next(cpu, insn); \
	}
LOGICAL_OPS(LOGICAL_HANDLER)

const struct vector_row vector_logical_rows[] = {
	{ SIZE(0), VECTOR_SIZES, 0, and_vector },
	{ SIZE(1), VECTOR_SIZES, 0, bic_vector },
	{ SIZE(2), VECTOR_SIZES, 0, orr_vector },
	{ SIZE(3), VECTOR_SIZES, 0, orn_vector },
	{ SIZE(0) | U, VECTOR_SIZES, 0, eor_vector },
	{ SIZE(1) | U, VECTOR_SIZES, 0, bsl_vector },
	{ SIZE(2) | U, VECTOR_SIZES, 0, bit_vector },
	{ SIZE(3) | U, VECTOR_SIZES, 0, bif_vector },
	{ .run = NULL }
};
