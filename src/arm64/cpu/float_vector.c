/*
 * Advanced SIMD floating point: two operands and more, element by element (also by element, pairwise, and as scalars), products of halves into singles, and
 * complex numbers.
 */
#include "arm64/cpu/fp_host.h"
#include "arm64/cpu/vector.h"

typedef uint64_t float_op(struct fp_env *env, unsigned int size, uint64_t d, uint64_t a, uint64_t b);

/* By element: size is 00, 10 or 11; three same: bit 21 is 0 for halves, else bit 22 is sz. */
static unsigned int float_esize(uint32_t word)
{
	if (is_indexed(word))
		return bit(word, 23) ? bit(word, 22) ? 64 : 32 : 16;
	return !bit(word, 21) ? 16 : bit(word, 22) ? 64 : 32;
}

TEMPLATE void float_elements(struct arm64_vcpu *cpu, uint32_t word, float_op *op)
{
	unsigned int esize = float_esize(word);
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word)), m = v_operand_m(cpu, word, esize);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < v_elements(word, esize); i++)
		element_set(&d, esize, i,
			    op(&env, esize, element_get(&d, esize, i), element_get(&n, esize, i), element_get(&m, esize, i)));
	fp_end(cpu, &env);
	v_result(cpu, word, esize, d);
}

/* All elements on the host's unit; false: nothing was done. */
TEMPLATE bool host_elements(struct arm64_vcpu *cpu, uint32_t word, enum host_operation operation, unsigned int esize)
{
	union v128 d = { .d = { 0, 0 } }, n = v_get(cpu, rn(word)), m = v_operand_m(cpu, word, esize);
	const struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < v_elements(word, esize); i++) {
		uint64_t result;

		if (unlikely(!host_compute(&env, operation, esize, element_get(&n, esize, i), element_get(&m, esize, i), &result)))
			return false;
		element_set(&d, esize, i, result);
	}
	v_result(cpu, word, esize, d);
	return true;
}

TEMPLATE bool float_host(struct arm64_vcpu *cpu, uint32_t word, enum host_operation operation)
{
	switch (float_esize(word)) {
	case 32: return host_elements(cpu, word, operation, 32);
	case 64: return host_elements(cpu, word, operation, 64);
	default: return false;
	}
}

TEMPLATE void float_add(struct arm64_vcpu *cpu, uint32_t word, float_op *op)
{
	if (!float_host(cpu, word, HOST_ADD))
		float_elements(cpu, word, op);
}

TEMPLATE void float_subtract(struct arm64_vcpu *cpu, uint32_t word, float_op *op)
{
	if (!float_host(cpu, word, HOST_SUB))
		float_elements(cpu, word, op);
}

TEMPLATE void float_multiply(struct arm64_vcpu *cpu, uint32_t word, float_op *op)
{
	if (!float_host(cpu, word, HOST_MUL))
		float_elements(cpu, word, op);
}

/* The pairs of n and then of m. */
TEMPLATE void float_pairwise(struct arm64_vcpu *cpu, uint32_t word, float_op *op)
{
	unsigned int esize = float_esize(word), half = v_elements(word, esize) / 2;
	union v128 d = { .d = { 0, 0 } }, operands[2] = { v_get(cpu, rn(word)), v_get(cpu, rm(word)) };
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < 2 * half; i++) {
		const union v128 *from = &operands[i >= half];
		unsigned int pair = 2 * (i % half);

		element_set(&d, esize, i, op(&env, esize, 0, element_get(from, esize, pair), element_get(from, esize, pair + 1)));
	}
	fp_end(cpu, &env);
	v_result(cpu, word, esize, d);
}

/* The one pair of a scalar instruction: U is 0 for halves, else bit 22 is sz. */
TEMPLATE void float_pair(struct arm64_vcpu *cpu, uint32_t word, float_op *op)
{
	unsigned int esize = !bit(word, 29) ? 16 : bit(word, 22) ? 64 : 32;
	union v128 n = v_get(cpu, rn(word));
	struct fp_env env = fp_begin(cpu);

	v_set_scalar(cpu, rd(word), op(&env, esize, 0, element_get(&n, esize, 0), element_get(&n, esize, 1)));
	fp_end(cpu, &env);
}

/* Name, how it goes through the elements, and an element. */
#define FLOAT_OPS(X) \
	X(fmaxnm, float_elements, fp_maxnm(env, size, a, b)) \
	X(fminnm, float_elements, fp_minnm(env, size, a, b)) \
	X(fmaxnmp, float_pairwise, fp_maxnm(env, size, a, b)) \
	X(fminnmp, float_pairwise, fp_minnm(env, size, a, b)) \
	X(fmla, float_elements, fp_muladd(env, size, d, a, b)) \
	X(fmls, float_elements, fp_muladd(env, size, d, fp_neg(size, a), b)) \
	X(fadd, float_add, fp_add(env, size, a, b)) \
	X(fsub, float_subtract, fp_sub(env, size, a, b)) \
	X(faddp, float_pairwise, fp_add(env, size, a, b)) \
	X(fabd, float_elements, fp_abs(size, fp_sub(env, size, a, b))) \
	X(fmul, float_multiply, fp_mul(env, size, a, b)) \
	X(fmulx, float_elements, fp_mulx(env, size, a, b)) \
	X(fcmeq, float_elements, -(uint64_t)fp_equal(env, size, a, b)) \
	X(fcmge, float_elements, -(uint64_t)fp_greater_equal(env, size, a, b)) \
	X(fcmgt, float_elements, -(uint64_t)fp_greater(env, size, a, b)) \
	X(facge, float_elements, -(uint64_t)fp_greater_equal(env, size, fp_abs(size, a), fp_abs(size, b))) \
	X(facgt, float_elements, -(uint64_t)fp_greater(env, size, fp_abs(size, a), fp_abs(size, b))) \
	X(fmax, float_elements, fp_max(env, size, a, b)) \
	X(fmin, float_elements, fp_min(env, size, a, b)) \
	X(fmaxp, float_pairwise, fp_max(env, size, a, b)) \
	X(fminp, float_pairwise, fp_min(env, size, a, b)) \
	X(frecps, float_elements, fp_recip_step(env, size, a, b)) \
	X(frsqrts, float_elements, fp_rsqrt_step(env, size, a, b)) \
	X(fdiv, float_elements, fp_div(env, size, a, b)) \
	X(fmaxnmp_pair, float_pair, fp_maxnm(env, size, a, b)) \
	X(fminnmp_pair, float_pair, fp_minnm(env, size, a, b)) \
	X(faddp_pair, float_pair, fp_add(env, size, a, b)) \
	X(fmaxp_pair, float_pair, fp_max(env, size, a, b)) \
	X(fminp_pair, float_pair, fp_min(env, size, a, b))

#define FLOAT_HANDLER(name, elements, expression) \
	static uint64_t op_##name(struct fp_env *env, unsigned int size, uint64_t d, uint64_t a, uint64_t b) \
	{ \
		(void)d; \
		return expression; \
	} \
	static void name##_vector(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		elements(cpu, insn->word, op_##name); \
		a64_next(cpu, insn); \
	}
FLOAT_OPS(FLOAT_HANDLER)

/* Keys have three bits of opcode: its upper two are ones, or not there where the elements are halves. */
const struct vector_row float_three_same_rows[] = {
	{ OPCODE_11(0), VECTOR_FLOAT, 0, fmaxnm_vector },
	{ OPCODE_11(0) | A, VECTOR_FLOAT, 0, fminnm_vector },
	{ OPCODE_11(0) | U, VECTOR_FLOAT, 0, fmaxnmp_vector },
	{ OPCODE_11(0) | U | A, VECTOR_FLOAT, 0, fminnmp_vector },
	{ OPCODE_11(1), VECTOR_FLOAT, 0, fmla_vector },
	{ OPCODE_11(1) | A, VECTOR_FLOAT, 0, fmls_vector },
	{ OPCODE_11(2), VECTOR_FLOAT, 0, fadd_vector },
	{ OPCODE_11(2) | A, VECTOR_FLOAT, 0, fsub_vector },
	{ OPCODE_11(2) | U, VECTOR_FLOAT, 0, faddp_vector },
	{ OPCODE_11(2) | U | A, VECTOR_FLOAT, SCALAR_SIZES, fabd_vector },
	{ OPCODE_11(3), VECTOR_FLOAT, SCALAR_SIZES, fmulx_vector },
	{ OPCODE_11(3) | U, VECTOR_FLOAT, 0, fmul_vector },
	{ OPCODE_11(4), VECTOR_FLOAT, SCALAR_SIZES, fcmeq_vector },
	{ OPCODE_11(4) | U, VECTOR_FLOAT, SCALAR_SIZES, fcmge_vector },
	{ OPCODE_11(4) | U | A, VECTOR_FLOAT, SCALAR_SIZES, fcmgt_vector },
	{ OPCODE_11(5) | U, VECTOR_FLOAT, SCALAR_SIZES, facge_vector },
	{ OPCODE_11(5) | U | A, VECTOR_FLOAT, SCALAR_SIZES, facgt_vector },
	{ OPCODE_11(6), VECTOR_FLOAT, 0, fmax_vector },
	{ OPCODE_11(6) | A, VECTOR_FLOAT, 0, fmin_vector },
	{ OPCODE_11(6) | U, VECTOR_FLOAT, 0, fmaxp_vector },
	{ OPCODE_11(6) | U | A, VECTOR_FLOAT, 0, fminp_vector },
	{ OPCODE_11(7), VECTOR_FLOAT, SCALAR_SIZES, frecps_vector },
	{ OPCODE_11(7) | A, VECTOR_FLOAT, SCALAR_SIZES, frsqrts_vector },
	{ OPCODE_11(7) | U, VECTOR_FLOAT, 0, fdiv_vector },
	{ .run = NULL }
};

/* Scalars: U is 0 for halves, whose bit 22 is 0. */
enum { PAIR_HALF = SCALAR_B | SCALAR_S };

const struct vector_row float_pairwise_rows[] = {
	{ OPCODE_12(0x0c), 0, PAIR_HALF, fmaxnmp_pair_vector },
	{ OPCODE_12(0x0c) | A, 0, PAIR_HALF, fminnmp_pair_vector },
	{ OPCODE_12(0x0c) | U, 0, SCALAR_SIZES, fmaxnmp_pair_vector },
	{ OPCODE_12(0x0c) | U | A, 0, SCALAR_SIZES, fminnmp_pair_vector },
	{ OPCODE_12(0x0d), 0, PAIR_HALF, faddp_pair_vector },
	{ OPCODE_12(0x0d) | U, 0, SCALAR_SIZES, faddp_pair_vector },
	{ OPCODE_12(0x0f), 0, PAIR_HALF, fmaxp_pair_vector },
	{ OPCODE_12(0x0f) | A, 0, PAIR_HALF, fminp_pair_vector },
	{ OPCODE_12(0x0f) | U, 0, SCALAR_SIZES, fmaxp_pair_vector },
	{ OPCODE_12(0x0f) | U | A, 0, SCALAR_SIZES, fminp_pair_vector },
	{ .run = NULL }
};

/* ---- FMLAL, FMLSL, FMLAL2, FMLSL2: halves of the lower (or, with U, the upper) part, by bit 23 or, by element, bit 14 negated. ---- */

STEP void half_product_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	bool negate = is_indexed(word) ? bit(word, 14) : bit(word, 23);
	unsigned int count = v_elements(word, 32), first = bit(word, 29) ? count : 0;
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word)), m = v_operand_m(cpu, word, 16);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < count; i++)
		d.s[i] = fp_muladd_half(&env, d.s[i], (uint16_t)(n.h[first + i] ^ (negate ? 0x8000 : 0)), m.h[first + i]);
	fp_end(cpu, &env);
	v_set(cpu, rd(word), d, v_bytes(word));
}

static void half_product(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	half_product_step(cpu, insn);
	a64_next(cpu, insn);
}

const struct vector_row float_half_product_rows[] = {
	{ OPCODE_11(5), VECTOR_SINGLE, 0, half_product },
	{ OPCODE_11(5) | A, VECTOR_SINGLE, 0, half_product },
	{ OPCODE_11(1) | U, VECTOR_SINGLE, 0, half_product },
	{ OPCODE_11(1) | U | A, VECTOR_SINGLE, 0, half_product },
	{ .run = NULL }
};

/* ---- Complex numbers: pairs of a real and an imaginary element. ---- */

/* FCADD: b is rotated by 90 or 270 degrees. */
STEP void fcadd_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int esize = v_esize(word);
	bool by_270 = bit(word, 12);
	union v128 d = { .d = { 0, 0 } }, n = v_get(cpu, rn(word)), m = v_get(cpu, rm(word));
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < v_elements(word, esize); i += 2) {
		uint64_t real = element_get(&m, esize, i + 1), imaginary = element_get(&m, esize, i);

		if (by_270)
			imaginary = fp_neg(esize, imaginary);
		else
			real = fp_neg(esize, real);
		element_set(&d, esize, i, fp_add(&env, esize, element_get(&n, esize, i), real));
		element_set(&d, esize, i + 1, fp_add(&env, esize, element_get(&n, esize, i + 1), imaginary));
	}
	fp_end(cpu, &env);
	v_set(cpu, rd(word), d, v_bytes(word));
}

static void fcadd(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	fcadd_step(cpu, insn);
	a64_next(cpu, insn);
}

/* FCMLA: the real or (odd rotations) the imaginary part of a times b, rotated by 0, 90, 180 or 270 degrees, is added. */
STEP void fcmla_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int esize = v_esize(word), rotation = is_indexed(word) ? bits(word, 14, 13) : bits(word, 12, 11);
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word));
	union v128 m = is_indexed(word) ? v_operand_m(cpu, word, 2 * esize) : v_get(cpu, rm(word));
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < v_elements(word, esize); i += 2) {
		uint64_t a = element_get(&n, esize, i + (rotation & 1));
		uint64_t real = element_get(&m, esize, i + (rotation & 1)), imaginary = element_get(&m, esize, i + !(rotation & 1));

		if (rotation == 1 || rotation == 2)
			real = fp_neg(esize, real);
		if (rotation >= 2)
			imaginary = fp_neg(esize, imaginary);
		element_set(&d, esize, i, fp_muladd(&env, esize, element_get(&d, esize, i), a, real));
		element_set(&d, esize, i + 1, fp_muladd(&env, esize, element_get(&d, esize, i + 1), a, imaginary));
	}
	fp_end(cpu, &env);
	v_set(cpu, rd(word), d, v_bytes(word));
}

static void fcmla(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	fcmla_step(cpu, insn);
	a64_next(cpu, insn);
}

const struct vector_row float_complex_rows[] = {
	{ OPCODE_11(0x8) | U, VECTOR_HSD, 0, fcmla },
	{ OPCODE_11(0x9) | U, VECTOR_HSD, 0, fcmla },
	{ OPCODE_11(0xa) | U, VECTOR_HSD, 0, fcmla },
	{ OPCODE_11(0xb) | U, VECTOR_HSD, 0, fcmla },
	{ OPCODE_11(0xc) | U, VECTOR_HSD, 0, fcadd },
	{ OPCODE_11(0xe) | U, VECTOR_HSD, 0, fcadd },
	{ .run = NULL }
};

/* ---- By element. ---- */

/* Doublewords have no L. */
static bool element_valid(uint32_t word)
{
	return bits(word, 23, 21) != 7;
}

/* Pairs of halves are indexed by H:L, of which 64 bits have two; pairs of singles by H, and there are two of them in 128 bits only. */
static bool complex_element_valid(uint32_t word)
{
	return v_esize(word) == 16 ? bit(word, 30) || !bit(word, 11) : bit(word, 30) && !bit(word, 21);
}

enum { VECTOR_FLOAT_ELEMENT = VECTOR_B | VECTOR_S | VECTOR_2D, SCALAR_FLOAT_ELEMENT = SCALAR_B | SCALAR_S | SCALAR_D };

const struct vector_row float_element_rows[] = {
	{ OPCODE_12(0x1), VECTOR_FLOAT_ELEMENT, SCALAR_FLOAT_ELEMENT, fmla_vector, element_valid },
	{ OPCODE_12(0x5), VECTOR_FLOAT_ELEMENT, SCALAR_FLOAT_ELEMENT, fmls_vector, element_valid },
	{ OPCODE_12(0x9), VECTOR_FLOAT_ELEMENT, SCALAR_FLOAT_ELEMENT, fmul_vector, element_valid },
	{ OPCODE_12(0x9) | U, VECTOR_FLOAT_ELEMENT, SCALAR_FLOAT_ELEMENT, fmulx_vector, element_valid },
	{ OPCODE_12(0x0), VECTOR_S, 0, half_product },
	{ OPCODE_12(0x4), VECTOR_S, 0, half_product },
	{ OPCODE_12(0x8) | U, VECTOR_S, 0, half_product },
	{ OPCODE_12(0xc) | U, VECTOR_S, 0, half_product },
	{ OPCODE_12(0x1) | U, VECTOR_HS, 0, fcmla, complex_element_valid },
	{ OPCODE_12(0x3) | U, VECTOR_HS, 0, fcmla, complex_element_valid },
	{ OPCODE_12(0x5) | U, VECTOR_HS, 0, fcmla, complex_element_valid },
	{ OPCODE_12(0x7) | U, VECTOR_HS, 0, fcmla, complex_element_valid },
	{ .run = NULL }
};
