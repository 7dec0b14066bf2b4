/*
 * Advanced SIMD floating point with one operand: rounding, roots, estimates, comparisons with zero, conversions, and the maximum and minimum
 * across all elements.
 */
#include "arm64/cpu/vector.h"

typedef uint64_t float_unary_op(struct fp_env *env, unsigned int size, uint64_t a);

/* Bit 19 is set where the elements are halves, else bit 22 is sz. */
static unsigned int float_misc_esize(uint32_t word)
{
	return bit(word, 19) ? 16 : bit(word, 22) ? 64 : 32;
}

TEMPLATE void float_unary(struct arm64_vcpu *cpu, uint32_t word, float_unary_op *op)
{
	unsigned int esize = float_misc_esize(word);
	union v128 d = { .d = { 0, 0 } }, n = v_get(cpu, rn(word));
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < v_elements(word, esize); i++)
		element_set(&d, esize, i, op(&env, esize, element_get(&n, esize, i)));
	fp_end(cpu, &env);
	v_result(cpu, word, esize, d);
}

/* Name, and an element. */
#define FLOAT_UNARY_OPS(X) \
	FP_ROUND_INT_OPS(X) \
	X(fcvtns, fp_to_fixed(env, size, a, size, 0, false, FP_TIEEVEN)) \
	X(fcvtnu, fp_to_fixed(env, size, a, size, 0, true, FP_TIEEVEN)) \
	X(fcvtps, fp_to_fixed(env, size, a, size, 0, false, FP_POSINF)) \
	X(fcvtpu, fp_to_fixed(env, size, a, size, 0, true, FP_POSINF)) \
	X(fcvtms, fp_to_fixed(env, size, a, size, 0, false, FP_NEGINF)) \
	X(fcvtmu, fp_to_fixed(env, size, a, size, 0, true, FP_NEGINF)) \
	X(fcvtzs, fp_to_fixed(env, size, a, size, 0, false, FP_ZERO)) \
	X(fcvtzu, fp_to_fixed(env, size, a, size, 0, true, FP_ZERO)) \
	X(fcvtas, fp_to_fixed(env, size, a, size, 0, false, FP_TIEAWAY)) \
	X(fcvtau, fp_to_fixed(env, size, a, size, 0, true, FP_TIEAWAY)) \
	X(scvtf, fp_from_fixed(env, size, a, size, 0, false, fp_rounding(env))) \
	X(ucvtf, fp_from_fixed(env, size, a, size, 0, true, fp_rounding(env))) \
	X(frecpe, fp_recip_estimate(env, size, a)) \
	X(frsqrte, fp_rsqrt_estimate(env, size, a)) \
	X(frecpx, fp_recpx(env, size, a)) \
	X(fsqrt, fp_sqrt(env, size, a)) \
	X(fcmgt_zero, -(uint64_t)fp_greater(env, size, a, 0)) \
	X(fcmge_zero, -(uint64_t)fp_greater_equal(env, size, a, 0)) \
	X(fcmeq_zero, -(uint64_t)fp_equal(env, size, a, 0)) \
	X(fcmle_zero, -(uint64_t)fp_greater_equal(env, size, 0, a)) \
	X(fcmlt_zero, -(uint64_t)fp_greater(env, size, 0, a)) \
	X(fabs, fp_abs(size, a)) \
	X(fneg, fp_neg(size, a))

#define FLOAT_UNARY_HANDLER(name, expression) \
	static uint64_t op_##name(struct fp_env *env, unsigned int size, uint64_t a) \
	{ \
		(void)env; \
		return expression; \
	} \
	STEP void name##_step(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		float_unary(cpu, insn->word, op_##name); \
	} \
	static void name##_vector(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		name##_step(cpu, insn); \
		a64_next(cpu, insn); \
	}
FLOAT_UNARY_OPS(FLOAT_UNARY_HANDLER)

const struct vector_row float_misc_rows[] = {
	{ OPCODE_12(0x0c) | A, VECTOR_FLOAT, SCALAR_SIZES, fcmgt_zero_vector },
	{ OPCODE_12(0x0c) | U | A, VECTOR_FLOAT, SCALAR_SIZES, fcmge_zero_vector },
	{ OPCODE_12(0x0d) | A, VECTOR_FLOAT, SCALAR_SIZES, fcmeq_zero_vector },
	{ OPCODE_12(0x0d) | U | A, VECTOR_FLOAT, SCALAR_SIZES, fcmle_zero_vector },
	{ OPCODE_12(0x0e) | A, VECTOR_FLOAT, SCALAR_SIZES, fcmlt_zero_vector },
	{ OPCODE_12(0x0f) | A, VECTOR_FLOAT, 0, fabs_vector },
	{ OPCODE_12(0x0f) | U | A, VECTOR_FLOAT, 0, fneg_vector },
	{ OPCODE_12(0x18), VECTOR_FLOAT, 0, frintn_vector },
	{ OPCODE_12(0x18) | A, VECTOR_FLOAT, 0, frintp_vector },
	{ OPCODE_12(0x18) | U, VECTOR_FLOAT, 0, frinta_vector },
	{ OPCODE_12(0x19), VECTOR_FLOAT, 0, frintm_vector },
	{ OPCODE_12(0x19) | A, VECTOR_FLOAT, 0, frintz_vector },
	{ OPCODE_12(0x19) | U, VECTOR_FLOAT, 0, frintx_vector },
	{ OPCODE_12(0x19) | U | A, VECTOR_FLOAT, 0, frinti_vector },
	{ OPCODE_12(0x1a), VECTOR_FLOAT, SCALAR_SIZES, fcvtns_vector },
	{ OPCODE_12(0x1a) | A, VECTOR_FLOAT, SCALAR_SIZES, fcvtps_vector },
	{ OPCODE_12(0x1a) | U, VECTOR_FLOAT, SCALAR_SIZES, fcvtnu_vector },
	{ OPCODE_12(0x1a) | U | A, VECTOR_FLOAT, SCALAR_SIZES, fcvtpu_vector },
	{ OPCODE_12(0x1b), VECTOR_FLOAT, SCALAR_SIZES, fcvtms_vector },
	{ OPCODE_12(0x1b) | A, VECTOR_FLOAT, SCALAR_SIZES, fcvtzs_vector },
	{ OPCODE_12(0x1b) | U, VECTOR_FLOAT, SCALAR_SIZES, fcvtmu_vector },
	{ OPCODE_12(0x1b) | U | A, VECTOR_FLOAT, SCALAR_SIZES, fcvtzu_vector },
	{ OPCODE_12(0x1c), VECTOR_FLOAT, SCALAR_SIZES, fcvtas_vector },
	{ OPCODE_12(0x1c) | U, VECTOR_FLOAT, SCALAR_SIZES, fcvtau_vector },
	{ OPCODE_12(0x1d), VECTOR_FLOAT, SCALAR_SIZES, scvtf_vector },
	{ OPCODE_12(0x1d) | U, VECTOR_FLOAT, SCALAR_SIZES, ucvtf_vector },
	{ OPCODE_12(0x1d) | A, VECTOR_FLOAT, SCALAR_SIZES, frecpe_vector },
	{ OPCODE_12(0x1d) | U | A, VECTOR_FLOAT, SCALAR_SIZES, frsqrte_vector },
	{ OPCODE_12(0x1f) | A, 0, SCALAR_SIZES, frecpx_vector },
	{ OPCODE_12(0x1f) | U | A, VECTOR_FLOAT, 0, fsqrt_vector },
	{ .run = NULL }
};

/* ---- What has no form for halves. ---- */

/* URECPE, URSQRTE. */
static void integer_estimate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 n = v_get(cpu, rn(insn->word));

	for (unsigned int i = 0; i < 4; i++)
		n.s[i] = bit(insn->word, 29) ? fp_rsqrt_estimate_integer(n.s[i]) : fp_recip_estimate_integer(n.s[i]);
	v_set(cpu, rd(insn->word), n, v_bytes(insn->word));
	a64_next(cpu, insn);
}

/* FCVTL: halves to singles, or singles to doubles; Q: those of the upper part. */
STEP void fcvtl_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int esize = bit(word, 22) ? 32 : 16, count = 64 / esize, first = bit(word, 30) ? count : 0;
	union v128 d = { .d = { 0, 0 } }, n = v_get(cpu, rn(word));
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < count; i++)
		element_set(&d, 2 * esize, i, fp_convert(&env, esize, 2 * esize, element_get(&n, esize, first + i), fp_rounding(&env)));
	fp_end(cpu, &env);
	v_set(cpu, rd(word), d, 16);
}

static void fcvtl(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	fcvtl_step(cpu, insn);
	a64_next(cpu, insn);
}

/* FCVTN, FCVTXN: the way back, into the lower or (Q) the upper part. */
STEP void convert_narrow(struct arm64_vcpu *cpu, uint32_t word, bool odd)
{
	unsigned int esize = bit(word, 22) ? 32 : 16, count = is_scalar(word) ? 1 : 64 / esize;
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word)), value = { .d = { 0, 0 } };
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < count; i++)
		element_set(&value, esize, i,
			    fp_convert(&env, 2 * esize, esize, element_get(&n, 2 * esize, i), odd ? FP_ODD : fp_rounding(&env)));
	fp_end(cpu, &env);
	if (is_scalar(word) || !bit(word, 30)) {
		v_set(cpu, rd(word), value, 8);
	} else {
		d.d[1] = value.d[0];
		v_set(cpu, rd(word), d, 16);
	}
}

static void fcvtn(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	convert_narrow(cpu, insn->word, false);
	a64_next(cpu, insn);
}

static void fcvtxn(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	convert_narrow(cpu, insn->word, true);
	a64_next(cpu, insn);
}

const struct vector_row float_misc_no_half_rows[] = {
	{ OPCODE_12(0x16), VECTOR_SIZES, 0, fcvtn },
	{ OPCODE_12(0x16) | U, VECTOR_DOUBLE, SCALAR_H, fcvtxn },
	{ OPCODE_12(0x17), VECTOR_SIZES, 0, fcvtl },
	{ OPCODE_12(0x1c) | A, VECTOR_SINGLE, 0, integer_estimate },
	{ OPCODE_12(0x1c) | U | A, VECTOR_SINGLE, 0, integer_estimate },
	{ OPCODE_12(0x1e), VECTOR_FLOAT, 0, frint32z_vector },
	{ OPCODE_12(0x1e) | U, VECTOR_FLOAT, 0, frint32x_vector },
	{ OPCODE_12(0x1f), VECTOR_FLOAT, 0, frint64z_vector },
	{ OPCODE_12(0x1f) | U, VECTOR_FLOAT, 0, frint64x_vector },
	{ .run = NULL }
};

/* ---- Across all elements: halves first, whose order tells which NaN stays. ---- */

typedef uint64_t float_reduce_op(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);

static uint64_t float_reduce(struct fp_env *env, unsigned int size, const union v128 *n, unsigned int first, unsigned int count, float_reduce_op *op)
{
	if (count == 1)
		return element_get(n, size, first);
	return op(env, size, float_reduce(env, size, n, first, count / 2, op), float_reduce(env, size, n, first + count / 2, count / 2, op));
}

/* U: singles; else halves. */
STEP void float_across(struct arm64_vcpu *cpu, uint32_t word, float_reduce_op *op)
{
	unsigned int esize = bit(word, 29) ? 32 : 16;
	union v128 n = v_get(cpu, rn(word));
	struct fp_env env = fp_begin(cpu);

	v_set_scalar(cpu, rd(word), float_reduce(&env, esize, &n, 0, v_elements(word, esize), op));
	fp_end(cpu, &env);
}

static void fmaxnmv(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	float_across(cpu, insn->word, bit(insn->word, 23) ? fp_minnm : fp_maxnm);
	a64_next(cpu, insn);
}

static void fmaxv(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	float_across(cpu, insn->word, bit(insn->word, 23) ? fp_min : fp_max);
	a64_next(cpu, insn);
}

enum { VECTOR_ACROSS_SINGLE = 0x22 }; /* 128 bits */

const struct vector_row float_across_rows[] = {
	{ OPCODE_12(0x0c), VECTOR_SINGLE, 0, fmaxnmv },
	{ OPCODE_12(0x0c) | A, VECTOR_SINGLE, 0, fmaxnmv },
	{ OPCODE_12(0x0c) | U, VECTOR_ACROSS_SINGLE, 0, fmaxnmv },
	{ OPCODE_12(0x0c) | U | A, VECTOR_ACROSS_SINGLE, 0, fmaxnmv },
	{ OPCODE_12(0x0f), VECTOR_SINGLE, 0, fmaxv },
	{ OPCODE_12(0x0f) | A, VECTOR_SINGLE, 0, fmaxv },
	{ OPCODE_12(0x0f) | U, VECTOR_ACROSS_SINGLE, 0, fmaxv },
	{ OPCODE_12(0x0f) | U | A, VECTOR_ACROSS_SINGLE, 0, fmaxv },
	{ .run = NULL }
};

/* ---- Fixed point: immh:immb is twice the element size minus the fraction bits; U: unsigned. ---- */

STEP void fixed_point(struct arm64_vcpu *cpu, uint32_t word, bool to_fixed)
{
	unsigned int esize = 8u << (31 - __builtin_clz(bits(word, 22, 19))), fraction = 2 * esize - bits(word, 22, 16);
	union v128 d = { .d = { 0, 0 } }, n = v_get(cpu, rn(word));
	bool is_unsigned = bit(word, 29);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < v_elements(word, esize); i++) {
		uint64_t a = element_get(&n, esize, i);

		element_set(&d, esize, i,
			    to_fixed ? fp_to_fixed(&env, esize, a, esize, fraction, is_unsigned, FP_ZERO) :
				       fp_from_fixed(&env, esize, a, esize, fraction, is_unsigned, fp_rounding(&env)));
	}
	fp_end(cpu, &env);
	v_result(cpu, word, esize, d);
}

static void from_fixed(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	fixed_point(cpu, insn->word, false);
	a64_next(cpu, insn);
}

static void to_fixed(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	fixed_point(cpu, insn->word, true);
	a64_next(cpu, insn);
}

const struct vector_row float_shift_rows[] = {
	{ OPCODE_11(0x1c), VECTOR_HSD, SCALAR_HSD, from_fixed },
	{ OPCODE_11(0x1c) | U, VECTOR_HSD, SCALAR_HSD, from_fixed },
	{ OPCODE_11(0x1f), VECTOR_HSD, SCALAR_HSD, to_fixed },
	{ OPCODE_11(0x1f) | U, VECTOR_HSD, SCALAR_HSD, to_fixed },
	{ .run = NULL }
};
