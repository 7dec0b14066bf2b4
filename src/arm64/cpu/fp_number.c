/*
 * Between a format's bits and numbers taken apart (FPUnpack, FPRound), and NaN propagation (FPProcessNaN): DDI 0487, shared pseudocode,
 * J1.3. What is computed with numbers is not known here.
 */
#include "arm64/cpu/fp_number.h"

static struct fp_number unpack(struct fp_env *env, unsigned int size, uint64_t a, bool flush, bool alternative)
{
	unsigned int width = fp_fraction_bits(size);
	unsigned int exponent_max = 2 * (unsigned int)fp_bias(size) + 1;
	unsigned int exponent = (unsigned int)(a >> width) & exponent_max;
	uint64_t fraction = a << (64 - width); /* from bit 63 on, without the leading one */
	struct fp_number number = { .sign = a >> (size - 1) & 1 };

	if (exponent == 0) {
		if (fraction == 0)
			return number;
		if (flush) {
			if (size != 16)
				env->flags |= FPSR_IDC;
			return number;
		}
		number.kind = FP_FINITE;
		number.exponent = -fp_bias(size) - __builtin_clzll(fraction);
		number.fraction = fraction << __builtin_clzll(fraction);
	} else if (exponent == exponent_max && !alternative) {
		number.kind = fraction == 0 ? FP_INFINITY : fraction >> 63 ? FP_QNAN : FP_SNAN;
	} else {
		number.kind = FP_FINITE;
		number.exponent = (int)exponent - fp_bias(size);
		number.fraction = UINT64_C(1) << 63 | fraction >> 1;
	}
	return number;
}

struct fp_number fp_unpack(struct fp_env *env, unsigned int size, uint64_t a)
{
	return unpack(env, size, a, fp_flushes(env, size), false);
}

struct fp_number fp_unpack_convert(struct fp_env *env, unsigned int size, uint64_t a)
{
	return unpack(env, size, a, size != 16 && fp_flushes(env, size), size == 16 && env->fpcr & FPCR_AHP);
}

bool fp_rounds_up(bool sign, bool odd, uint64_t rest, enum fp_rounding rounding)
{
	const uint64_t half = UINT64_C(1) << 63;

	switch (rounding) {
	case FP_TIEEVEN: return rest > half || (rest == half && odd);
	case FP_POSINF: return rest && !sign;
	case FP_NEGINF: return rest && sign;
	case FP_ZERO: return false;
	case FP_TIEAWAY: return rest >= half;
	case FP_ODD: return rest && !odd;
	}
	return false;
}

static uint64_t overflow(struct fp_env *env, unsigned int size, bool sign, enum fp_rounding rounding)
{
	bool to_infinity = rounding == FP_TIEEVEN || rounding == FP_TIEAWAY || rounding == (sign ? FP_NEGINF : FP_POSINF);

	env->flags |= FPSR_OFC | FPSR_IXC;
	return to_infinity ? fp_infinity(size, sign) : fp_max_normal(size, sign);
}

static uint64_t pack(struct fp_env *env, unsigned int size, bool sign, int exponent, uint64_t fraction, enum fp_rounding rounding, bool flush,
		     bool alternative)
{
	unsigned int width = fp_fraction_bits(size);
	int below = 1 - fp_bias(size) - exponent; /* how far it is below the least normal number: tininess is detected before rounding */
	uint64_t result, rest;

	if (below > 0) {
		if (flush) {
			env->flags |= FPSR_UFC;
			return fp_zero(size, sign);
		}
		fraction = shift_right_sticky(fraction, (unsigned int)below);
	}
	result = fraction >> (63 - width);
	rest = fraction << (width + 1);
	result += fp_rounds_up(sign, result & 1, rest, rounding);
	/* The leading one of a normal number adds one to the exponent field, as does a carry out of the fraction. */
	if (below < 0)
		result += (uint64_t)-below << width;
	if (alternative && result >> width > 31) {
		env->flags |= FPSR_IOC;
		return fp_sign_bit(size, sign) | 0x7fff;
	}
	if (!alternative && result >= fp_infinity(size, false))
		return overflow(env, size, sign, rounding);
	if (rest)
		env->flags |= below > 0 ? FPSR_UFC | FPSR_IXC : FPSR_IXC;
	return fp_sign_bit(size, sign) | result;
}

uint64_t fp_round(struct fp_env *env, unsigned int size, bool sign, int exponent, uint64_t fraction, enum fp_rounding rounding)
{
	return pack(env, size, sign, exponent, fraction, rounding, fp_flushes(env, size), false);
}

uint64_t fp_round_convert(struct fp_env *env, unsigned int size, bool sign, int exponent, uint64_t fraction, enum fp_rounding rounding)
{
	return pack(env, size, sign, exponent, fraction, rounding, size != 16 && fp_flushes(env, size), size == 16 && env->fpcr & FPCR_AHP);
}

uint64_t fp_round128(struct fp_env *env, unsigned int size, bool sign, int exponent, uint128 fraction, enum fp_rounding rounding)
{
	uint64_t high = (uint64_t)(fraction >> 64);
	unsigned int shift = high ? (unsigned int)__builtin_clzll(high) : 64 + (unsigned int)__builtin_clzll((uint64_t)fraction);

	return fp_round(env, size, sign, exponent - (int)shift, fold128(fraction << shift), rounding);
}

uint64_t fp_process_nan(struct fp_env *env, unsigned int size, enum fp_kind kind, uint64_t a)
{
	if (kind == FP_SNAN)
		env->flags |= FPSR_IOC;
	if (env->fpcr & FPCR_DN)
		return fp_default_nan(size);
	return a | fp_quiet_bit(size);
}

uint64_t fp_process_nans(struct fp_env *env, unsigned int size, enum fp_kind kind_a, uint64_t a, enum fp_kind kind_b, uint64_t b)
{
	if (kind_a == FP_SNAN || (kind_b != FP_SNAN && kind_a == FP_QNAN))
		return fp_process_nan(env, size, kind_a, a);
	return fp_process_nan(env, size, kind_b, b);
}
