/*
 * Floating-point conversions: between the formats, to integral values, to and from integers and fixed-point numbers (DDI 0487, shared
 * pseudocode: FPConvert, FPRoundInt, FPRoundIntN, FPToFixed, FPToFixedJS, FixedToFP).
 */
#include "arm64/cpu/fp_host.h"
#include "arm64/cpu/fp_number.h"

/* FPConvertNaN: the fraction's high bits stay. */
static uint64_t convert_nan(unsigned int from, unsigned int to, bool sign, uint64_t a)
{
	uint64_t fraction = a << (64 - fp_fraction_bits(from));

	return fp_sign_bit(to, sign) | fp_default_nan(to) | fraction >> (64 - fp_fraction_bits(to));
}

uint64_t fp_convert(struct fp_env *env, unsigned int from, unsigned int to, uint64_t a, enum fp_rounding rounding)
{
	struct fp_number n = fp_unpack_convert(env, from, a);
	bool alternative = to == 16 && env->fpcr & FPCR_AHP;

	switch (n.kind) {
	case FP_ZERO_NUMBER:
		return fp_zero(to, n.sign);
	case FP_FINITE:
		return fp_round_convert(env, to, n.sign, n.exponent, n.fraction, rounding);
	case FP_INFINITY:
		if (!alternative)
			return fp_infinity(to, n.sign);
		env->flags |= FPSR_IOC;
		return fp_sign_bit(to, n.sign) | 0x7fff;
	case FP_QNAN:
	case FP_SNAN:
		break;
	}
	if (n.kind == FP_SNAN || alternative)
		env->flags |= FPSR_IOC;
	if (alternative)
		return fp_zero(to, n.sign);
	return env->fpcr & FPCR_DN ? fp_default_nan(to) : convert_nan(from, to, n.sign, a);
}

/* FPConvertBF: the exponents are those of a single, whose last 16 bits are rounded away. */
uint16_t fp_to_bfloat(struct fp_env *env, uint32_t a)
{
	struct fp_number n = fp_unpack_convert(env, 32, a);
	uint32_t sign = a >> 16 & 0x8000, result = a >> 16 & 0x7fff;
	uint64_t rest = (uint64_t)a << 48;
	enum fp_rounding rounding = fp_rounding(env);

	if (n.kind == FP_ZERO_NUMBER)
		return (uint16_t)sign;
	if (n.kind == FP_SNAN)
		env->flags |= FPSR_IOC;
	if (fp_is_nan(n.kind))
		return (uint16_t)(env->fpcr & FPCR_DN ? 0x7fc0 : sign | result | 0x40);
	if (n.kind == FP_FINITE && rest)
		env->flags |= result < 0x80 ? FPSR_UFC | FPSR_IXC : FPSR_IXC;
	result += fp_rounds_up(n.sign, result & 1, rest, rounding);
	if (n.kind == FP_FINITE && result == 0x7f80)
		env->flags |= FPSR_OFC; /* which only rounding away from zero does: to infinity */
	return (uint16_t)(sign | result);
}

/*
 * The magnitude of a finite number times 2^scale, rounded to an integer; all ones when it is 2^64 or more. *inexact: it was not one.
 */
static uint128 round_to_integer(const struct fp_number *n, int scale, enum fp_rounding rounding, bool *inexact)
{
	int exponent = n->exponent + scale;
	uint128 fixed; /* 64 bits before the point and 64 behind it */
	uint64_t rest;

	*inexact = false;
	if (exponent > 63)
		return ~(uint128)0;
	fixed = shift_right_sticky128((uint128)n->fraction << 64, (unsigned int)(63 - exponent));
	rest = (uint64_t)fixed;
	fixed >>= 64;
	*inexact = rest != 0;
	return fixed + fp_rounds_up(n->sign, (uint64_t)fixed & 1, rest, rounding);
}

/* An integer that is known to fit the format. */
static uint64_t from_integer(struct fp_env *env, unsigned int size, bool sign, uint64_t magnitude)
{
	return magnitude ? fp_round128(env, size, sign, 127, magnitude, FP_TIEEVEN) : fp_zero(size, sign);
}

uint64_t fp_round_int(struct fp_env *env, unsigned int size, uint64_t a, enum fp_rounding rounding, bool exact)
{
	struct fp_number n = fp_unpack(env, size, a);
	uint128 magnitude;
	bool inexact;

	if (fp_is_nan(n.kind))
		return fp_process_nan(env, size, n.kind, a);
	if (n.kind == FP_ZERO_NUMBER)
		return fp_zero(size, n.sign);
	if (n.kind == FP_INFINITY || n.exponent >= (int)fp_fraction_bits(size))
		return a;
	magnitude = round_to_integer(&n, 0, rounding, &inexact);
	if (inexact && exact)
		env->flags |= FPSR_IXC;
	return from_integer(env, size, n.sign, (uint64_t)magnitude);
}

uint64_t fp_round_int_n(struct fp_env *env, unsigned int size, uint64_t a, enum fp_rounding rounding, unsigned int width)
{
	struct fp_number n = fp_unpack(env, size, a);
	uint128 magnitude = 0, limit = (uint128)1 << (width - 1);
	bool inexact = false;

	if (n.kind == FP_FINITE)
		magnitude = round_to_integer(&n, 0, rounding, &inexact);
	else if (n.kind != FP_ZERO_NUMBER)
		magnitude = ~(uint128)0;
	if (magnitude > limit - !n.sign) {
		env->flags |= FPSR_IOC;
		return from_integer(env, size, true, (uint64_t)limit);
	}
	if (inexact)
		env->flags |= FPSR_IXC;
	return from_integer(env, size, n.sign, (uint64_t)magnitude);
}

uint64_t fp_to_fixed(struct fp_env *env, unsigned int size, uint64_t a, unsigned int width, unsigned int fraction, bool is_unsigned,
		     enum fp_rounding rounding)
{
	struct fp_number n;
	uint128 magnitude, limit;
	bool inexact = false;
	uint64_t value;

	if (rounding == FP_ZERO && fraction == 0 && !is_unsigned && host_to_integer(env, size, a, width, &value))
		return value & (UINT64_MAX >> (64 - width));
	n = fp_unpack(env, size, a);
	if (fp_is_nan(n.kind)) {
		env->flags |= FPSR_IOC;
		return 0;
	}
	if (n.kind == FP_ZERO_NUMBER)
		return 0;
	magnitude = n.kind == FP_INFINITY ? ~(uint128)0 : round_to_integer(&n, (int)fraction, rounding, &inexact);
	if (is_unsigned)
		limit = n.sign ? 0 : ((uint128)1 << width) - 1;
	else
		limit = ((uint128)1 << (width - 1)) - !n.sign;
	if (magnitude > limit) {
		env->flags |= FPSR_IOC;
		magnitude = limit;
	} else if (inexact) {
		env->flags |= FPSR_IXC;
	}
	value = n.sign ? -(uint64_t)magnitude : (uint64_t)magnitude;
	return value & (UINT64_MAX >> (64 - width));
}

uint64_t fp_from_fixed(struct fp_env *env, unsigned int size, uint64_t value, unsigned int width, unsigned int fraction, bool is_unsigned,
		       enum fp_rounding rounding)
{
	int64_t number = is_unsigned ? (int64_t)(value << (64 - width) >> (64 - width)) : (int64_t)(value << (64 - width)) >> (64 - width);
	const uint64_t exact = UINT64_C(1) << (size == 64 ? 53 : 24);
	bool sign = !is_unsigned && number < 0;

	/* On the host: exact, whatever the rounding, or rounded as the host does. What is then divided by a power of two stays normal. */
	if ((!is_unsigned || number >= 0) && size != 16 && ((uint64_t)number + exact <= 2 * exact || host_ready(env, size))) {
		if (size == 64)
			return host_double_bits((double)number * host_power_double(fraction));
		return host_single_bits((float)number * host_power_single(fraction));
	}
	if (number == 0)
		return 0;
	return fp_round128(env, size, sign, 127 - (int)fraction, sign ? -(uint64_t)number : (uint64_t)number, rounding);
}

uint32_t fp_to_int32_javascript(struct fp_env *env, uint64_t a, bool *zero)
{
	struct fp_number n = fp_unpack(env, 64, a);
	uint64_t magnitude = 0; /* modulo 2^64 */
	bool inexact = false, too_large = false;

	*zero = false;
	if (fp_is_nan(n.kind) || n.kind == FP_INFINITY) {
		env->flags |= FPSR_IOC;
		return 0;
	}
	if (n.kind == FP_ZERO_NUMBER) {
		*zero = !n.sign && a == 0; /* not when it was flushed */
		return 0;
	}
	if (n.exponent > 63) {
		magnitude = n.exponent < 127 ? n.fraction << (n.exponent - 63) : 0;
		too_large = true;
	} else {
		magnitude = (uint64_t)round_to_integer(&n, 0, FP_ZERO, &inexact);
		too_large = magnitude > UINT64_C(0x80000000) - !n.sign;
	}
	if (too_large)
		env->flags |= FPSR_IOC;
	else if (inexact)
		env->flags |= FPSR_IXC;
	*zero = !too_large && !inexact;
	return (uint32_t)(n.sign ? -magnitude : magnitude);
}
