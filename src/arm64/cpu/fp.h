/*
 * Floating-point arithmetic exactly as FPCR and FPSR have it (A1.5, and the shared pseudocode library's FP functions): rounding, flush to zero,
 * default NaN, NaN propagation, cumulative exception flags. Values are the bits of a half (16), single (32) or double (64); `size` is
 * the width in bits. Scalar FP, Advanced SIMD and SVE all compute with these. Exceptions are never trapped: FPCR's enable bits are RES0.
 */
#ifndef ANYKVM_ARM64_CPU_FP_H
#define ANYKVM_ARM64_CPU_FP_H

#include "arm64/vcpu.h"

#define FPCR_FIZ (1u << 0)
#define FPCR_FZ16 (1u << 19)
#define FPCR_RMODE_SHIFT 22
#define FPCR_FZ (1u << 24)
#define FPCR_DN (1u << 25)
#define FPCR_AHP (1u << 26)
#define FPSR_IOC (1u << 0)
#define FPSR_DZC (1u << 1)
#define FPSR_OFC (1u << 2)
#define FPSR_UFC (1u << 3)
#define FPSR_IXC (1u << 4)
#define FPSR_IDC (1u << 7)
#define FPSR_QC (1u << 27)

/* FPRounding, as FPCR.RMode encodes the first four. */
enum fp_rounding { FP_TIEEVEN, FP_POSINF, FP_NEGINF, FP_ZERO, FP_TIEAWAY, FP_ODD };

/* What a computation works under: FPCR and where its flags go. Advanced SIMD and SVE use the same FPCR on A64. */
struct fp_env {
	uint32_t fpcr;
	uint32_t flags; /* FPSR_*: only ever set */
};

static inline struct fp_env fp_begin(const struct arm64_vcpu *cpu)
{
	return (struct fp_env){ .fpcr = cpu->fpcr, .flags = cpu->fpsr };
}

static inline void fp_end(struct arm64_vcpu *cpu, const struct fp_env *env)
{
	cpu->fpsr = env->flags;
}

static inline enum fp_rounding fp_rounding(const struct fp_env *env)
{
	return (enum fp_rounding)(env->fpcr >> FPCR_RMODE_SHIFT & 3);
}

uint64_t fp_add(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);
uint64_t fp_sub(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);
uint64_t fp_mul(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);
uint64_t fp_mulx(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);
uint64_t fp_div(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);
uint64_t fp_sqrt(struct fp_env *env, unsigned int size, uint64_t a);
/* addend + a * b, rounded once. */
uint64_t fp_muladd(struct fp_env *env, unsigned int size, uint64_t addend, uint64_t a, uint64_t b);
uint64_t fp_max(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);
uint64_t fp_min(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);
uint64_t fp_maxnm(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);
uint64_t fp_minnm(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);
/* FRECPE, FRSQRTE, FRECPX, FRECPS, FRSQRTS. */
uint64_t fp_recip_estimate(struct fp_env *env, unsigned int size, uint64_t a);
uint64_t fp_rsqrt_estimate(struct fp_env *env, unsigned int size, uint64_t a);
uint64_t fp_recpx(struct fp_env *env, unsigned int size, uint64_t a);
uint64_t fp_recip_step(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);
uint64_t fp_rsqrt_step(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);

/* URECPE and URSQRTE. */
uint32_t fp_recip_estimate_integer(uint32_t a);
uint32_t fp_rsqrt_estimate_integer(uint32_t a);

/* FMLAL: a single plus the product of two halves, rounded once. */
uint32_t fp_muladd_half(struct fp_env *env, uint32_t addend, uint16_t a, uint16_t b);

/* BFloat16: the upper half of a single. Of a single, as FPCR rounds; and a sum of two products (BFDotAdd), which knows no FPCR. */
uint16_t fp_to_bfloat(struct fp_env *env, uint32_t a);
uint32_t fp_bfloat_dot(uint32_t addend, uint32_t a, uint32_t b);

/* NZCV, as FCMP sets them, in bits 3:0. */
unsigned int fp_compare(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b, bool signal_all_nans);
bool fp_equal(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);
bool fp_greater_equal(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);
bool fp_greater(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);

/* FRINT: to an integral value; `exact`: inexactness is flagged. FRINT32/64: `width` 32 or 64. */
uint64_t fp_round_int(struct fp_env *env, unsigned int size, uint64_t a, enum fp_rounding rounding, bool exact);
uint64_t fp_round_int_n(struct fp_env *env, unsigned int size, uint64_t a, enum fp_rounding rounding, unsigned int width);
/* Those instructions: name, and an element. */
#define FP_ROUND_INT_OPS(X) \
	X(frintn, fp_round_int(env, size, a, FP_TIEEVEN, false)) \
	X(frintp, fp_round_int(env, size, a, FP_POSINF, false)) \
	X(frintm, fp_round_int(env, size, a, FP_NEGINF, false)) \
	X(frintz, fp_round_int(env, size, a, FP_ZERO, false)) \
	X(frinta, fp_round_int(env, size, a, FP_TIEAWAY, false)) \
	X(frintx, fp_round_int(env, size, a, fp_rounding(env), true)) \
	X(frinti, fp_round_int(env, size, a, fp_rounding(env), false)) \
	X(frint32z, fp_round_int_n(env, size, a, FP_ZERO, 32)) \
	X(frint32x, fp_round_int_n(env, size, a, fp_rounding(env), 32)) \
	X(frint64z, fp_round_int_n(env, size, a, FP_ZERO, 64)) \
	X(frint64x, fp_round_int_n(env, size, a, fp_rounding(env), 64))
/* Between the formats. FP_ODD for FCVTXN. */
uint64_t fp_convert(struct fp_env *env, unsigned int from, unsigned int to, uint64_t a, enum fp_rounding rounding);
/* To an integer of `width` bits (16, 32 or 64) with `fraction` fraction bits, saturated; and back. */
uint64_t fp_to_fixed(struct fp_env *env, unsigned int size, uint64_t a, unsigned int width, unsigned int fraction, bool is_unsigned, enum fp_rounding rounding);
uint64_t fp_from_fixed(struct fp_env *env, unsigned int size, uint64_t value, unsigned int width, unsigned int fraction, bool is_unsigned, enum fp_rounding rounding);
/* FJCVTZS; *zero is the Z flag it sets. */
uint32_t fp_to_int32_javascript(struct fp_env *env, uint64_t a, bool *zero);

/* Sign bit only: no exceptions, NaNs too. */
static inline uint64_t fp_neg(unsigned int size, uint64_t a)
{
	return a ^ UINT64_C(1) << (size - 1);
}

static inline uint64_t fp_abs(unsigned int size, uint64_t a)
{
	return a & ~(UINT64_C(1) << (size - 1));
}

/* VFPExpandImm (the 8-bit immediate of FMOV). */
uint64_t fp_expand_immediate(unsigned int size, unsigned int imm8);

#endif
