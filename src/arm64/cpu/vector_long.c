/*
 * Advanced SIMD: integer operations whose elements change size. Long ones take half of each source's elements (by Q the lower or the upper half) or,
 * by element, one of them in all places; wide ones have a first operand of the result's size; narrow ones write half of the destination.
 */
#include "arm64/cpu/saturate.h"

typedef uint64_t long_op(uint64_t d, uint64_t a, uint64_t b, unsigned int esize, bool *saturated);

/* The first element of the half that Q selects; a scalar's is the only one. */
static unsigned int first_element(uint32_t word, unsigned int esize)
{
	return bit(word, 30) && !is_scalar(word) ? 64 / esize : 0;
}

TEMPLATE void long_elements(struct arm64_vcpu *cpu, uint32_t word, long_op *op, bool wide_n, unsigned int esize)
{
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word)), m = v_operand_m(cpu, word, esize);
	unsigned int first = first_element(word, esize), count = is_scalar(word) ? 1 : 64 / esize;
	bool saturated = false;

	for (unsigned int i = 0; i < count; i++) {
		uint64_t a = wide_n ? element_get(&n, 2 * esize, i) : element_get(&n, esize, first + i);
		/* By element the operand is in all places; a scalar's is the lowest. */
		uint64_t b = element_get(&m, esize, first + i);

		element_set(&d, 2 * esize, i, op(element_get(&d, 2 * esize, i), a, b, esize, &saturated));
	}
	saturate_remember(cpu, saturated);
	if (is_scalar(word))
		v_set_scalar(cpu, rd(word), element_get(&d, 2 * esize, 0));
	else
		v_set(cpu, rd(word), d, 16);
}

TEMPLATE void long_instruction(struct arm64_vcpu *cpu, uint32_t word, long_op *op, bool wide_n)
{
	switch (bits(word, 23, 22)) {
	case 0: long_elements(cpu, word, op, wide_n, 8); break;
	case 1: long_elements(cpu, word, op, wide_n, 16); break;
	default: long_elements(cpu, word, op, wide_n, 32); break;
	}
}

/* SQDMULL's product. */
TEMPLATE int64_t double_product(int64_t a, int64_t b, unsigned int esize, bool *saturated)
{
	return sign_extend(saturate_signed(2 * (wide)a * b, 2 * esize, saturated), 2 * esize);
}

TEMPLATE uint64_t double_product_add(uint64_t d, int64_t product, unsigned int esize, bool *saturated)
{
	return saturate_signed((wide)sign_extend(d, 2 * esize) + product, 2 * esize, saturated);
}

/* Name, whether the first operand is wide, and an element; sa and sb are a and b with their sign. */
#define LONG_OPS(X) \
	X(saddl, false, sa + sb) \
	X(uaddl, false, a + b) \
	X(saddw, true, a + (uint64_t)sb) \
	X(uaddw, true, a + b) \
	X(ssubl, false, sa - sb) \
	X(usubl, false, a - b) \
	X(ssubw, true, a - (uint64_t)sb) \
	X(usubw, true, a - b) \
	X(sabal, false, d + (uint64_t)(sa > sb ? sa - sb : sb - sa)) \
	X(uabal, false, d + (a > b ? a - b : b - a)) \
	X(sabdl, false, sa > sb ? sa - sb : sb - sa) \
	X(uabdl, false, a > b ? a - b : b - a) \
	X(smlal, false, d + (uint64_t)(sa * sb)) \
	X(umlal, false, d + a * b) \
	X(smlsl, false, d - (uint64_t)(sa * sb)) \
	X(umlsl, false, d - a * b) \
	X(smull, false, sa * sb) \
	X(umull, false, a * b) \
	X(sqdmull, false, double_product(sa, sb, esize, saturated)) \
	X(sqdmlal, false, double_product_add(d, double_product(sa, sb, esize, saturated), esize, saturated)) \
	X(sqdmlsl, false, double_product_add(d, -double_product(sa, sb, esize, saturated), esize, saturated))

#define LONG_HANDLER(name, wide_n, expression) \
	TEMPLATE uint64_t op_##name(uint64_t d, uint64_t a, uint64_t b, unsigned int esize, bool *saturated) \
	{ \
		int64_t sa = sign_extend(a, esize), sb = sign_extend(b, esize); \
\
		(void)d, (void)sa, (void)sb, (void)saturated; \
		return (uint64_t)(expression); \
	} \
	static void name(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		long_instruction(cpu, insn->word, op_##name, wide_n); \
		a64_next(cpu, insn); \
	}
LONG_OPS(LONG_HANDLER)

/* PMULL of bytes; of doublewords. */
static union v128 polynomial_multiply64(uint64_t a, uint64_t b)
{
	union v128 product = { .d = { 0, 0 } };

	for (unsigned int i = 0; i < 64; i++) {
		uint64_t mask = -(b >> i & 1);

		product.d[0] ^= a << i & mask;
		product.d[1] ^= (i ? a >> (64 - i) : 0) & mask;
	}
	return product;
}

static void pmull(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int first = first_element(word, v_esize(word));
	union v128 d, n = v_get(cpu, rn(word)), m = v_get(cpu, rm(word));

	if (v_esize(word) == 64)
		d = polynomial_multiply64(n.d[first], m.d[first]);
	else
		for (unsigned int i = 0; i < 8; i++)
			d.h[i] = (uint16_t)polynomial_multiply64(n.b[first + i], m.b[first + i]).d[0];
	v_set(cpu, rd(word), d, 16);
	a64_next(cpu, insn);
}

/* ---- Narrow. ---- */

/* Q: the upper half of the destination is written and the lower one stays. */
static void narrow_result(struct arm64_vcpu *cpu, uint32_t word, unsigned int esize, union v128 value)
{
	union v128 d = v_get(cpu, rd(word));

	if (is_scalar(word)) {
		v_set_scalar(cpu, rd(word), element_get(&value, esize, 0));
	} else if (bit(word, 30)) {
		d.d[1] = value.d[0];
		v_set(cpu, rd(word), d, 16);
	} else {
		v_set(cpu, rd(word), value, 8);
	}
}

/* ADDHN, SUBHN, RADDHN, RSUBHN: the high halves of the elements of a sum or difference; U: rounded. */
static void high_narrow(struct arm64_vcpu *cpu, uint32_t word, bool subtract)
{
	unsigned int esize = v_esize(word);
	union v128 value = { .d = { 0, 0 } }, n = v_get(cpu, rn(word)), m = v_get(cpu, rm(word));
	uint64_t round = (uint64_t)bit(word, 29) << (esize - 1);

	for (unsigned int i = 0; i < 64 / esize; i++) {
		uint64_t a = element_get(&n, 2 * esize, i), b = element_get(&m, 2 * esize, i);

		element_set(&value, esize, i, ((subtract ? a - b : a + b) + round) >> esize);
	}
	narrow_result(cpu, word, esize, value);
}

static void addhn(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	high_narrow(cpu, insn->word, false);
	a64_next(cpu, insn);
}

static void subhn(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	high_narrow(cpu, insn->word, true);
	a64_next(cpu, insn);
}

/* An element of twice the size shifted right, and saturated from and to what `how` says. */
enum narrowing { NARROW_TRUNCATE, NARROW_SIGNED, NARROW_UNSIGNED, NARROW_SIGNED_TO_UNSIGNED };

TEMPLATE void narrow_elements(struct arm64_vcpu *cpu, uint32_t word, unsigned int esize, unsigned int shift, bool round, enum narrowing how)
{
	union v128 value = { .d = { 0, 0 } }, n = v_get(cpu, rn(word));
	unsigned int count = is_scalar(word) ? 1 : 64 / esize;
	bool saturated = false;

	for (unsigned int i = 0; i < count; i++) {
		uint64_t a = element_get(&n, 2 * esize, i);
		wide exact;
		uint64_t result;

		if (how == NARROW_TRUNCATE) {
			result = (a >> shift) + (round ? a >> (shift - 1) & 1 : 0);
		} else {
			exact = how == NARROW_UNSIGNED ? (wide)a : (wide)sign_extend(a, 2 * esize);
			exact = shift_right_wide(exact, shift, round);
			result = how == NARROW_SIGNED ? saturate_signed(exact, esize, &saturated) : saturate_unsigned(exact, esize, &saturated);
		}
		element_set(&value, esize, i, result);
	}
	saturate_remember(cpu, saturated);
	narrow_result(cpu, word, esize, value);
}

TEMPLATE void narrow(struct arm64_vcpu *cpu, uint32_t word, unsigned int esize, unsigned int shift, bool round, enum narrowing how)
{
	switch (esize) {
	case 8: narrow_elements(cpu, word, 8, shift, round, how); break;
	case 16: narrow_elements(cpu, word, 16, shift, round, how); break;
	default: narrow_elements(cpu, word, 32, shift, round, how); break;
	}
}

/* Name, and how: without a shift, with one, and with one that rounds. */
#define NARROW_OPS(X) \
	X(xtn, shrn, rshrn, NARROW_TRUNCATE) \
	X(sqxtn, sqshrn, sqrshrn, NARROW_SIGNED) \
	X(uqxtn, uqshrn, uqrshrn, NARROW_UNSIGNED) \
	X(sqxtun, sqshrun, sqrshrun, NARROW_SIGNED_TO_UNSIGNED)

/* Of immh:immb: the element size, and what it lacks of twice that. */
static unsigned int narrow_shift_esize(uint32_t word)
{
	return 8u << (31 - __builtin_clz(bits(word, 22, 19)));
}

static unsigned int narrow_shift(uint32_t word)
{
	return 2 * narrow_shift_esize(word) - bits(word, 22, 16);
}

#define NARROW_HANDLERS(extract, shift, shift_round, how) \
	static void extract(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		narrow(cpu, insn->word, v_esize(insn->word), 0, false, how); \
		a64_next(cpu, insn); \
	} \
	static void shift(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		narrow(cpu, insn->word, narrow_shift_esize(insn->word), narrow_shift(insn->word), false, how); \
		a64_next(cpu, insn); \
	} \
	static void shift_round(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		narrow(cpu, insn->word, narrow_shift_esize(insn->word), narrow_shift(insn->word), true, how); \
		a64_next(cpu, insn); \
	}
NARROW_OPS(NARROW_HANDLERS)

/* SSHLL, USHLL and SHLL: widened, and shifted left. */
static void shift_left_long(struct arm64_vcpu *cpu, uint32_t word, unsigned int esize, unsigned int shift, bool is_unsigned)
{
	union v128 d, n = v_get(cpu, rn(word));
	unsigned int first = first_element(word, esize);

	for (unsigned int i = 0; i < 64 / esize; i++) {
		uint64_t a = element_get(&n, esize, first + i);

		element_set(&d, 2 * esize, i, (is_unsigned ? a : (uint64_t)sign_extend(a, esize)) << shift);
	}
	v_set(cpu, rd(word), d, 16);
}

static void shll(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	shift_left_long(cpu, insn->word, v_esize(insn->word), v_esize(insn->word), true);
	a64_next(cpu, insn);
}

static void sshll(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int esize = narrow_shift_esize(insn->word);

	shift_left_long(cpu, insn->word, esize, bits(insn->word, 22, 16) - esize, bit(insn->word, 29));
	a64_next(cpu, insn);
}

const struct vector_row vector_long_rows[] = {
	{ OPCODE_12(0x0), VECTOR_BHS, 0, saddl },
	{ OPCODE_12(0x0) | U, VECTOR_BHS, 0, uaddl },
	{ OPCODE_12(0x1), VECTOR_BHS, 0, saddw },
	{ OPCODE_12(0x1) | U, VECTOR_BHS, 0, uaddw },
	{ OPCODE_12(0x2), VECTOR_BHS, 0, ssubl },
	{ OPCODE_12(0x2) | U, VECTOR_BHS, 0, usubl },
	{ OPCODE_12(0x3), VECTOR_BHS, 0, ssubw },
	{ OPCODE_12(0x3) | U, VECTOR_BHS, 0, usubw },
	{ OPCODE_12(0x4), VECTOR_BHS, 0, addhn },
	{ OPCODE_12(0x4) | U, VECTOR_BHS, 0, addhn },
	{ OPCODE_12(0x5), VECTOR_BHS, 0, sabal },
	{ OPCODE_12(0x5) | U, VECTOR_BHS, 0, uabal },
	{ OPCODE_12(0x6), VECTOR_BHS, 0, subhn },
	{ OPCODE_12(0x6) | U, VECTOR_BHS, 0, subhn },
	{ OPCODE_12(0x7), VECTOR_BHS, 0, sabdl },
	{ OPCODE_12(0x7) | U, VECTOR_BHS, 0, uabdl },
	{ OPCODE_12(0x8), VECTOR_BHS, 0, smlal },
	{ OPCODE_12(0x8) | U, VECTOR_BHS, 0, umlal },
	{ OPCODE_12(0x9), VECTOR_HS, SCALAR_HS, sqdmlal },
	{ OPCODE_12(0xa), VECTOR_BHS, 0, smlsl },
	{ OPCODE_12(0xa) | U, VECTOR_BHS, 0, umlsl },
	{ OPCODE_12(0xb), VECTOR_HS, SCALAR_HS, sqdmlsl },
	{ OPCODE_12(0xc), VECTOR_BHS, 0, smull },
	{ OPCODE_12(0xc) | U, VECTOR_BHS, 0, umull },
	{ OPCODE_12(0xd), VECTOR_HS, SCALAR_HS, sqdmull },
	{ OPCODE_12(0xe), VECTOR_B | VECTOR_1D | VECTOR_2D, 0, pmull },
	{ .run = NULL }
};

const struct vector_row vector_long_element_rows[] = {
	{ OPCODE_12(0x2), VECTOR_HS, 0, smlal },
	{ OPCODE_12(0x2) | U, VECTOR_HS, 0, umlal },
	{ OPCODE_12(0x3), VECTOR_HS, SCALAR_HS, sqdmlal },
	{ OPCODE_12(0x6), VECTOR_HS, 0, smlsl },
	{ OPCODE_12(0x6) | U, VECTOR_HS, 0, umlsl },
	{ OPCODE_12(0x7), VECTOR_HS, SCALAR_HS, sqdmlsl },
	{ OPCODE_12(0xa), VECTOR_HS, 0, smull },
	{ OPCODE_12(0xa) | U, VECTOR_HS, 0, umull },
	{ OPCODE_12(0xb), VECTOR_HS, SCALAR_HS, sqdmull },
	{ .run = NULL }
};

/* Two-register miscellaneous. */
const struct vector_row vector_narrow_rows[] = {
	{ OPCODE_12(0x12), VECTOR_BHS, 0, xtn },
	{ OPCODE_12(0x12) | U, VECTOR_BHS, SCALAR_BHS, sqxtun },
	{ OPCODE_12(0x13) | U, VECTOR_BHS, 0, shll },
	{ OPCODE_12(0x14), VECTOR_BHS, SCALAR_BHS, sqxtn },
	{ OPCODE_12(0x14) | U, VECTOR_BHS, SCALAR_BHS, uqxtn },
	{ .run = NULL }
};

/* Shift by immediate. */
const struct vector_row vector_shift_narrow_rows[] = {
	{ OPCODE_11(0x10), VECTOR_BHS, 0, shrn },
	{ OPCODE_11(0x10) | U, VECTOR_BHS, SCALAR_BHS, sqshrun },
	{ OPCODE_11(0x11), VECTOR_BHS, 0, rshrn },
	{ OPCODE_11(0x11) | U, VECTOR_BHS, SCALAR_BHS, sqrshrun },
	{ OPCODE_11(0x12), VECTOR_BHS, SCALAR_BHS, sqshrn },
	{ OPCODE_11(0x12) | U, VECTOR_BHS, SCALAR_BHS, uqshrn },
	{ OPCODE_11(0x13), VECTOR_BHS, SCALAR_BHS, sqrshrn },
	{ OPCODE_11(0x13) | U, VECTOR_BHS, SCALAR_BHS, uqrshrn },
	{ OPCODE_11(0x14), VECTOR_BHS, 0, sshll },
	{ OPCODE_11(0x14) | U, VECTOR_BHS, 0, sshll },
	{ .run = NULL }
};

/* ---- Dot products of four bytes in each word; products of matrices of eight bytes a row (FEAT_I8MM). ---- */

static inline __attribute__((always_inline)) uint32_t byte_product(uint8_t n, bool n_unsigned, uint8_t m, bool m_unsigned)
{
	return (uint32_t)((n_unsigned ? n : (int8_t)n) * (m_unsigned ? m : (int8_t)m));
}

static inline __attribute__((always_inline)) void dot_product(struct arm64_vcpu *cpu, const struct a64_insn *insn, bool n_unsigned, bool m_unsigned)
{
	uint32_t word = insn->word;
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word)), m = v_operand_m(cpu, word, 32);

	for (unsigned int i = 0; i < 16; i++)
		d.s[i / 4] += byte_product(n.b[i], n_unsigned, m.b[i], m_unsigned);
	v_set(cpu, rd(word), d, v_bytes(word));
	a64_next(cpu, insn);
}

/* Rows of Vn by rows of Vm: 2 x 2 sums. */
static inline __attribute__((always_inline)) void matrix_product(struct arm64_vcpu *cpu, const struct a64_insn *insn, bool n_unsigned, bool m_unsigned)
{
	uint32_t word = insn->word;
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word)), m = v_get(cpu, rm(word));

	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int k = 0; k < 8; k++)
			d.s[i] += byte_product(n.b[i / 2 * 8 + k], n_unsigned, m.b[i % 2 * 8 + k], m_unsigned);
	v_set(cpu, rd(word), d, 16);
	a64_next(cpu, insn);
}

#define PRODUCT(name, kind, n_unsigned, m_unsigned)                                    \
	static void name(struct arm64_vcpu *cpu, const struct a64_insn *insn)          \
	{                                                                              \
		kind(cpu, insn, n_unsigned, m_unsigned);                               \
	}
PRODUCT(sdot, dot_product, false, false)
PRODUCT(udot, dot_product, true, true)
PRODUCT(usdot, dot_product, true, false)
PRODUCT(sudot, dot_product, false, true)
PRODUCT(smmla, matrix_product, false, false)
PRODUCT(ummla, matrix_product, true, true)
PRODUCT(usmmla, matrix_product, true, false)

static bool is_whole(uint32_t word)
{
	return bit(word, 30);
}

const struct vector_row vector_dot_rows[] = {
	{ OPCODE_11(0x2), VECTOR_S, 0, sdot },
	{ OPCODE_11(0x2) | U, VECTOR_S, 0, udot },
	{ OPCODE_11(0x3), VECTOR_S, 0, usdot },
	{ OPCODE_11(0x4), VECTOR_S, 0, smmla, is_whole },
	{ OPCODE_11(0x4) | U, VECTOR_S, 0, ummla, is_whole },
	{ OPCODE_11(0x5), VECTOR_S, 0, usmmla, is_whole },
	{ .run = NULL }
};

const struct vector_row vector_dot_element_rows[] = {
	{ OPCODE_12(0xe), VECTOR_S, 0, sdot },
	{ OPCODE_12(0xe) | U, VECTOR_S, 0, udot },
	{ OPCODE_12(0xf), VECTOR_S, 0, usdot },
	{ OPCODE_12(0xf), VECTOR_B, 0, sudot },
	{ .run = NULL }
};
