/*
 * Scalar floating point (C4.1.95, from "Conversion between floating-point and fixed-point" on): moves, arithmetic, comparisons, selection, and
 * conversions to and from general registers. Decoding leaves the format's width in insn->size.
 */
#include "arm64/cpu/flags.h"
#include "arm64/cpu/vector.h"

static uint64_t scalar_get(const struct arm64_vcpu *cpu, unsigned int reg, unsigned int size)
{
	return size == 64 ? cpu->z[reg].d[0] : size == 32 ? cpu->z[reg].s[0] : cpu->z[reg].h[0];
}

/* ---- One source: the table is by opcode. ---- */

typedef uint64_t scalar_unary_op(struct fp_env *env, unsigned int size, uint64_t a);

TEMPLATE void scalar_unary(struct arm64_vcpu *cpu, const struct a64_insn *insn, scalar_unary_op *op)
{
	struct fp_env env = fp_begin(cpu);
	uint64_t result = op(&env, insn->size, scalar_get(cpu, rn(insn->word), insn->size));

	fp_end(cpu, &env);
	v_set_scalar(cpu, rd(insn->word), result);
}

/* These three raise nothing. */
static void fmov_scalar(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	v_set_scalar(cpu, rd(insn->word), scalar_get(cpu, rn(insn->word), insn->size));
	a64_next(cpu, insn);
}

static void fabs_scalar(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	v_set_scalar(cpu, rd(insn->word), fp_abs(insn->size, scalar_get(cpu, rn(insn->word), insn->size)));
	a64_next(cpu, insn);
}

static void fneg_scalar(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	v_set_scalar(cpu, rd(insn->word), fp_neg(insn->size, scalar_get(cpu, rn(insn->word), insn->size)));
	a64_next(cpu, insn);
}

#define SCALAR_UNARY_OPS(X) \
	X(fsqrt, fp_sqrt(env, size, a)) \
	X(fcvt_single, fp_convert(env, size, 32, a, fp_rounding(env))) \
	X(fcvt_double, fp_convert(env, size, 64, a, fp_rounding(env))) \
	X(fcvt_half, fp_convert(env, size, 16, a, fp_rounding(env))) \
	FP_ROUND_INT_OPS(X)

#define SCALAR_UNARY_HANDLER(name, expression) \
	TEMPLATE uint64_t op_##name(struct fp_env *env, unsigned int size, uint64_t a) \
	{ \
		(void)env, (void)size; \
		return expression; \
	} \
	STEP void name##_step(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		scalar_unary(cpu, insn, op_##name); \
	} \
	static void name##_scalar(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		name##_step(cpu, insn); \
		a64_next(cpu, insn); \
	}
SCALAR_UNARY_OPS(SCALAR_UNARY_HANDLER)

static a64_fn *const one_source[64] = {
	fmov_scalar, fabs_scalar, fneg_scalar, fsqrt_scalar, fcvt_single_scalar, fcvt_double_scalar, NULL, fcvt_half_scalar,
	frintn_scalar, frintp_scalar, frintm_scalar, frintz_scalar, frinta_scalar, NULL, frintx_scalar, frinti_scalar,
	frint32z_scalar, frint32x_scalar, frint64z_scalar, frint64x_scalar,
};

static a64_fn *decode_one_source(struct a64_insn *insn)
{
	unsigned int opcode = bits(insn->word, 20, 15);

	if (opcode == 6)
		return insn->size == 64 ? float_bfcvt : NULL; /* the format's place says BFloat16 */
	if (opcode >= 4 && opcode < 8 && (opcode & 3) == bits(insn->word, 23, 22))
		return NULL; /* from a format to itself */
	if (opcode >= 16 && insn->size == 16)
		return NULL;
	return one_source[opcode];
}

/* ---- Two sources. ---- */

typedef uint64_t scalar_binary_op(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);

STEP void scalar_binary(struct arm64_vcpu *cpu, const struct a64_insn *insn, scalar_binary_op *op)
{
	unsigned int size = insn->size;
	struct fp_env env = fp_begin(cpu);
	uint64_t result = op(&env, size, scalar_get(cpu, rn(insn->word), size), scalar_get(cpu, rm(insn->word), size));

	fp_end(cpu, &env);
	v_set_scalar(cpu, rd(insn->word), result);
}

static uint64_t multiply_negate(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return fp_neg(size, fp_mul(env, size, a, b));
}

#define SCALAR_BINARY_OPS(X) \
	X(fmul, fp_mul) \
	X(fdiv, fp_div) \
	X(fadd, fp_add) \
	X(fsub, fp_sub) \
	X(fmax, fp_max) \
	X(fmin, fp_min) \
	X(fmaxnm, fp_maxnm) \
	X(fminnm, fp_minnm) \
	X(fnmul, multiply_negate)

#define SCALAR_BINARY_HANDLER(name, op) \
	static void name##_scalar(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		scalar_binary(cpu, insn, op); \
		a64_next(cpu, insn); \
	}
SCALAR_BINARY_OPS(SCALAR_BINARY_HANDLER)

static a64_fn *const two_sources[16] = {
	fmul_scalar, fdiv_scalar, fadd_scalar, fsub_scalar, fmax_scalar, fmin_scalar, fmaxnm_scalar, fminnm_scalar, fnmul_scalar,
};

/* ---- Three sources: FMADD, FMSUB, FNMADD, FNMSUB. ---- */

STEP void multiply_add_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int size = insn->size;
	uint64_t a = scalar_get(cpu, rn(word), size), b = scalar_get(cpu, rm(word), size), addend = scalar_get(cpu, bits(word, 14, 10), size);
	bool negated = bit(word, 21), subtracted = bit(word, 15); /* o1, o0 */
	struct fp_env env = fp_begin(cpu);
	uint64_t result = fp_muladd(&env, size, negated ? fp_neg(size, addend) : addend, negated != subtracted ? fp_neg(size, a) : a, b);

	fp_end(cpu, &env);
	v_set_scalar(cpu, rd(word), result);
}

static void multiply_add(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	multiply_add_step(cpu, insn);
	a64_next(cpu, insn);
}

/* ---- Flags. ---- */

STEP void compare_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int size = insn->size;
	struct fp_env env = fp_begin(cpu);

	flags_set(cpu, fp_compare(&env, size, scalar_get(cpu, rn(word), size), bit(word, 3) ? 0 : scalar_get(cpu, rm(word), size), bit(word, 4)));
	fp_end(cpu, &env);
}

static void compare(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	compare_step(cpu, insn);
	a64_next(cpu, insn);
}

STEP void conditional_compare_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int size = insn->size, nzcv = bits(word, 3, 0);
	struct fp_env env = fp_begin(cpu);

	if (flags_condition(cpu, bits(word, 15, 12)))
		nzcv = fp_compare(&env, size, scalar_get(cpu, rn(word), size), scalar_get(cpu, rm(word), size), bit(word, 4));
	fp_end(cpu, &env);
	flags_set(cpu, nzcv);
}

static void conditional_compare(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	conditional_compare_step(cpu, insn);
	a64_next(cpu, insn);
}

static void conditional_select(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;

	v_set_scalar(cpu, rd(word), scalar_get(cpu, flags_condition(cpu, bits(word, 15, 12)) ? rn(word) : rm(word), insn->size));
	a64_next(cpu, insn);
}

static void move_immediate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	v_set_scalar(cpu, rd(insn->word), insn->imm);
	a64_next(cpu, insn);
}

/* ---- General registers: insn->d is the one that is written, insn->shift the fraction bits, insn->m the rounding mode. ---- */

static unsigned int general_width(uint32_t word)
{
	return bit(word, 31) ? 64 : 32;
}

STEP void to_general_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	struct fp_env env = fp_begin(cpu);

	cpu->x[insn->d] = fp_to_fixed(&env, insn->size, scalar_get(cpu, rn(word), insn->size), general_width(word), insn->shift, bit(word, 16),
				      (enum fp_rounding)insn->m);
	fp_end(cpu, &env);
}

static void to_general(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	to_general_step(cpu, insn);
	a64_next(cpu, insn);
}

STEP void from_general_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	struct fp_env env = fp_begin(cpu);

	v_set_scalar(cpu, rd(word),
		     fp_from_fixed(&env, insn->size, cpu->x[rn(word)], general_width(word), insn->shift, bit(word, 16), fp_rounding(&env)));
	fp_end(cpu, &env);
}

static void from_general(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	from_general_step(cpu, insn);
	a64_next(cpu, insn);
}

static void move_to_general(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->x[insn->d] = scalar_get(cpu, rn(insn->word), insn->size);
	a64_next(cpu, insn);
}

static void move_from_general(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	v_set_scalar(cpu, rd(insn->word), cpu->x[rn(insn->word)] & (UINT64_MAX >> (64 - insn->size)));
	a64_next(cpu, insn);
}

static void move_high_to_general(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->x[insn->d] = cpu->z[rn(insn->word)].d[1];
	a64_next(cpu, insn);
}

static void move_high_from_general(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 d = v_get(cpu, rd(insn->word));

	d.d[1] = cpu->x[rn(insn->word)];
	v_set(cpu, rd(insn->word), d, 16);
	a64_next(cpu, insn);
}

STEP void fjcvtzs_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	struct fp_env env = fp_begin(cpu);
	bool zero;

	cpu->x[insn->d] = fp_to_int32_javascript(&env, cpu->z[rn(insn->word)].d[0], &zero);
	fp_end(cpu, &env);
	flags_set(cpu, zero ? 4 : 0);
}

static void fjcvtzs(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	fjcvtzs_step(cpu, insn);
	a64_next(cpu, insn);
}

/* FMOV, whose formats are the general register's; halves move to and from both. */
static a64_fn *decode_move_general(struct a64_insn *insn)
{
	uint32_t word = insn->word;
	bool from = bit(word, 16);

	switch (bits(word, 20, 19)) {
	case 0:
		if (insn->size == 0 || (insn->size != 16 && insn->size != general_width(word)))
			return NULL;
		return from ? move_from_general : move_to_general;
	case 1:
		if (bits(word, 23, 22) != 2 || !bit(word, 31))
			return NULL;
		return from ? move_high_from_general : move_high_to_general;
	case 3:
		return !from && insn->size == 64 && !bit(word, 31) ? fjcvtzs : NULL;
	default:
		return NULL;
	}
}

static a64_fn *decode_integer(struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int opcode = bits(word, 18, 16), rmode = bits(word, 20, 19);

	insn->d = rd(word) == X_ZERO ? X_SINK : (uint8_t)rd(word);
	insn->shift = 0;
	if (opcode >= 6)
		return decode_move_general(insn);
	if (insn->size == 0 || (opcode >= 2 && rmode != 0))
		return NULL;
	if (opcode == 2 || opcode == 3)
		return from_general;
	insn->m = opcode >= 4 ? FP_TIEAWAY : (uint8_t)rmode;
	return to_general;
}

static a64_fn *decode_fixed(struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int scale = bits(word, 15, 10);

	if (insn->size == 0 || (!bit(word, 31) && scale < 32))
		return NULL;
	insn->d = rd(word) == X_ZERO ? X_SINK : (uint8_t)rd(word);
	insn->shift = (uint8_t)(64 - scale);
	insn->m = FP_ZERO;
	switch (bits(word, 20, 17)) { /* rmode, and opcode without its sign bit */
	case 0x1: return from_general;
	case 0xc: return to_general;
	default: return NULL;
	}
}

/* What has bit 21 set and does not touch general registers. */
static a64_fn *decode_float_registers(struct a64_insn *insn)
{
	uint32_t word = insn->word;

	if (insn->size == 0)
		return NULL;
	switch (bits(word, 11, 10)) {
	case 1: return conditional_compare;
	case 2: return two_sources[bits(word, 15, 12)];
	case 3: return conditional_select;
	default: break;
	}
	if (bit(word, 12)) {
		insn->imm = fp_expand_immediate(insn->size, bits(word, 20, 13));
		return bits(word, 9, 5) == 0 ? move_immediate : NULL;
	}
	if (bit(word, 13))
		return bits(word, 15, 14) == 0 && bits(word, 2, 0) == 0 ? compare : NULL;
	return bit(word, 14) ? decode_one_source(insn) : NULL;
}

static a64_fn *decode_class(struct a64_insn *insn)
{
	static const uint8_t sizes[] = { 32, 64, 0, 16 };
	uint32_t word = insn->word;

	insn->size = sizes[bits(word, 23, 22)];
	if ((word & 0xff000000) == 0x1f000000)
		return insn->size ? multiply_add : NULL;
	if ((word & 0x7f000000) != 0x1e000000)
		return NULL;
	if (!bit(word, 21))
		return decode_fixed(insn);
	if (bits(word, 15, 10) == 0)
		return decode_integer(insn);
	return bit(word, 31) ? NULL : decode_float_registers(insn);
}

a64_fn *decode_float_scalar(struct a64_insn *insn)
{
	return float_fast(insn, decode_class(insn));
}
