/*
 * The reciprocal and square root estimates, whose every bit the architecture gives (DDI 0487, shared pseudocode: RecipEstimate,
 * RecipSqrtEstimate, FPRecipEstimate, FPRSqrtEstimate, FPRecpX).
 */
#include "arm64/cpu/fp_number.h"

/* 256 / (a / 512), rounded, for 256 <= a < 512: 256 ... 511. */
static uint32_t recip_estimate(uint32_t a)
{
	return ((UINT32_C(1) << 19) / (2 * a + 1) + 1) / 2;
}

/* 256 / sqrt(a / 512), rounded, for 128 <= a < 512: 256 ... 511. */
static uint32_t rsqrt_estimate(uint32_t a)
{
	uint32_t b = 512;

	a = a < 256 ? 2 * a + 1 : 2 * (a | 1);
	while (a * (b + 1) * (b + 1) < UINT32_C(1) << 28)
		b++;
	return (b + 1) / 2;
}

uint32_t fp_recip_estimate_integer(uint32_t a)
{
	return a >> 31 ? recip_estimate(a >> 23) << 23 : UINT32_MAX;
}

uint32_t fp_rsqrt_estimate_integer(uint32_t a)
{
	return a >> 30 ? rsqrt_estimate(a >> 23) << 23 : UINT32_MAX;
}

/* A number whose reciprocal is too large: infinity or the largest number, by the rounding mode. */
static uint64_t recip_overflow(struct fp_env *env, unsigned int size, bool sign)
{
	return fp_round(env, size, sign, fp_bias(size) + 1, UINT64_C(1) << 63, fp_rounding(env));
}

uint64_t fp_recip_estimate(struct fp_env *env, unsigned int size, uint64_t a)
{
	struct fp_number n = fp_unpack(env, size, a);
	unsigned int width = fp_fraction_bits(size);
	int exponent;
	uint64_t fraction;

	if (fp_is_nan(n.kind))
		return fp_process_nan(env, size, n.kind, a);
	if (n.kind == FP_INFINITY)
		return fp_zero(size, n.sign);
	if (n.kind == FP_ZERO_NUMBER) {
		env->flags |= FPSR_DZC;
		return fp_infinity(size, n.sign);
	}
	if (n.exponent < -fp_bias(size) - 1)
		return recip_overflow(env, size, n.sign);
	if (fp_flushes(env, size) && n.exponent >= fp_bias(size) - 1) {
		env->flags |= FPSR_UFC;
		return fp_zero(size, n.sign);
	}
	/* Biased; -1 and 0 are subnormal results, whose leading one is in the fraction. */
	exponent = fp_bias(size) - 1 - n.exponent;
	fraction = (uint64_t)(recip_estimate((uint32_t)(n.fraction >> 55)) & 0xff) << (width - 8);
	if (exponent <= 0)
		fraction = (fraction | UINT64_C(1) << width) >> (1 - exponent);
	return fp_sign_bit(size, n.sign) | (exponent > 0 ? (uint64_t)exponent << width : 0) | fraction;
}

uint64_t fp_rsqrt_estimate(struct fp_env *env, unsigned int size, uint64_t a)
{
	struct fp_number n = fp_unpack(env, size, a);
	unsigned int width = fp_fraction_bits(size);
	uint32_t scaled;
	int exponent;

	if (fp_is_nan(n.kind))
		return fp_process_nan(env, size, n.kind, a);
	if (n.kind == FP_ZERO_NUMBER) {
		env->flags |= FPSR_DZC;
		return fp_infinity(size, n.sign);
	}
	if (n.sign)
		return fp_invalid(env, size);
	if (n.kind == FP_INFINITY)
		return fp_zero(size, false);
	/* Of an even power of two the fraction is taken as 0.25 ... 0.5, of an odd one as 0.5 ... 1. */
	scaled = n.exponent & 1 ? (uint32_t)(n.fraction >> 55) : (uint32_t)(n.fraction >> 56);
	exponent = (2 * fp_bias(size) - 1 - n.exponent) / 2;
	return (uint64_t)exponent << width | (uint64_t)(rsqrt_estimate(scaled) & 0xff) << (width - 8);
}

uint64_t fp_recpx(struct fp_env *env, unsigned int size, uint64_t a)
{
	struct fp_number n = fp_unpack(env, size, a);
	uint64_t exponents = fp_infinity(size, false);

	if (fp_is_nan(n.kind))
		return fp_process_nan(env, size, n.kind, a);
	/* Of zeros and subnormal numbers the largest exponent but one. */
	if ((a & exponents) == 0)
		return fp_sign_bit(size, n.sign) | (exponents - (UINT64_C(1) << fp_fraction_bits(size)));
	return fp_sign_bit(size, n.sign) | (~a & exponents);
}
