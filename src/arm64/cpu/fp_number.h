/*
 * Floating-point numbers taken apart, for fp*.c alone: what a format's bits mean, rounding back into them, and NaNs.
 */
#ifndef ANYKVM_ARM64_CPU_FP_NUMBER_H
#define ANYKVM_ARM64_CPU_FP_NUMBER_H

#include "arm64/cpu/fp.h"
#include "arm64/cpu/insn.h"

typedef unsigned __int128 uint128;

enum fp_kind { FP_ZERO_NUMBER, FP_FINITE, FP_INFINITY, FP_QNAN, FP_SNAN };

/* A finite number is fraction * 2^(exponent - 63), bit 63 of the fraction set. */
struct fp_number {
	enum fp_kind kind;
	bool sign;
	int exponent;
	uint64_t fraction;
};

/* Bits of the fraction field; and the exponent's bias, which is also the largest exponent. */
static inline unsigned int fp_fraction_bits(unsigned int size)
{
	return size == 16 ? 10 : size == 32 ? 23 : 52;
}

static inline int fp_bias(unsigned int size)
{
	return size == 16 ? 15 : size == 32 ? 127 : 1023;
}

static inline uint64_t fp_sign_bit(unsigned int size, bool sign)
{
	return (uint64_t)sign << (size - 1);
}

static inline uint64_t fp_zero(unsigned int size, bool sign)
{
	return fp_sign_bit(size, sign);
}

static inline uint64_t fp_infinity(unsigned int size, bool sign)
{
	return fp_sign_bit(size, sign) | (uint64_t)(2 * fp_bias(size) + 1) << fp_fraction_bits(size);
}

/* The largest finite number. */
static inline uint64_t fp_max_normal(unsigned int size, bool sign)
{
	return fp_infinity(size, sign) - 1;
}

static inline uint64_t fp_quiet_bit(unsigned int size)
{
	return UINT64_C(1) << (fp_fraction_bits(size) - 1);
}

static inline uint64_t fp_default_nan(unsigned int size)
{
	return fp_infinity(size, false) | fp_quiet_bit(size);
}

/* Whether subnormal numbers of that format are zeros: FPCR.FZ, or FZ16. */
static inline bool fp_flushes(const struct fp_env *env, unsigned int size)
{
	return env->fpcr & (size == 16 ? FPCR_FZ16 : FPCR_FZ);
}

static inline bool fp_is_nan(enum fp_kind kind)
{
	return kind >= FP_QNAN;
}

/* A shift to the right whose lost bits leave a one in bit 0. */
static inline uint64_t shift_right_sticky(uint64_t value, unsigned int shift)
{
	if (shift > 63)
		return value != 0;
	return value >> shift | !!(value & ((UINT64_C(1) << shift) - 1));
}

static inline uint128 shift_right_sticky128(uint128 value, unsigned int shift)
{
	if (shift > 127)
		return value != 0;
	return value >> shift | !!(value & (((uint128)1 << shift) - 1));
}

static inline uint64_t fold128(uint128 value)
{
	return (uint64_t)(value >> 64) | !!(uint64_t)value;
}

/* FPUnpack: subnormal numbers may be flushed, with IDC unless they are halves. */
struct fp_number fp_unpack(struct fp_env *env, unsigned int size, uint64_t a);
/* FPUnpackCV: halves are never flushed, and may be in the alternative format. */
struct fp_number fp_unpack_convert(struct fp_env *env, unsigned int size, uint64_t a);

/* FPRound of a finite, nonzero number whose fraction's bit 0 stands for all below it. */
uint64_t fp_round(struct fp_env *env, unsigned int size, bool sign, int exponent, uint64_t fraction, enum fp_rounding rounding);
/* FPRoundCV. */
uint64_t fp_round_convert(struct fp_env *env, unsigned int size, bool sign, int exponent, uint64_t fraction, enum fp_rounding rounding);
/* The same of a fraction that is not normalised: its value is fraction * 2^(exponent - 127). Not 0. */
uint64_t fp_round128(struct fp_env *env, unsigned int size, bool sign, int exponent, uint128 fraction, enum fp_rounding rounding);
/* Whether a number of that sign is to be rounded away from zero. `rest`: the bits below the last place, as a part of 2^64. */
bool fp_rounds_up(bool sign, bool odd, uint64_t rest, enum fp_rounding rounding);

static inline uint64_t fp_invalid(struct fp_env *env, unsigned int size)
{
	env->flags |= FPSR_IOC;
	return fp_default_nan(size);
}

/* FPProcessNaN. */
uint64_t fp_process_nan(struct fp_env *env, unsigned int size, enum fp_kind kind, uint64_t a);
/* FPProcessNaNs, when one of the kinds is a NaN. */
uint64_t fp_process_nans(struct fp_env *env, unsigned int size, enum fp_kind kind_a, uint64_t a, enum fp_kind kind_b, uint64_t b);

#endif
