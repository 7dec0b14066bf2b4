/*
 * Saturation to an element's width, which is remembered in FPSR.QC. Values are wider than any element's sum, product or shift.
 */
#ifndef ANYKVM_ARM64_CPU_SATURATE_H
#define ANYKVM_ARM64_CPU_SATURATE_H

#include "arm64/cpu/vector.h"

typedef __int128 wide;

TEMPLATE uint64_t saturate(wide value, wide low, wide high, bool *saturated)
{
	if (value >= low && value <= high)
		return (uint64_t)value;
	*saturated = true;
	return (uint64_t)(value < low ? low : high);
}

TEMPLATE uint64_t saturate_signed(wide value, unsigned int width, bool *saturated)
{
	return saturate(value, -((wide)1 << (width - 1)), ((wide)1 << (width - 1)) - 1, saturated);
}

TEMPLATE uint64_t saturate_unsigned(wide value, unsigned int width, bool *saturated)
{
	return saturate(value, 0, ((wide)1 << width) - 1, saturated);
}

/* A value of `width` bits shifted left; what has all its bits shifted out is too large for any element. */
TEMPLATE wide shift_left_wide(wide value, unsigned int shift, unsigned int width)
{
	if (shift < width)
		return value * ((wide)1 << shift);
	return value == 0 ? 0 : value < 0 ? -((wide)1 << 64) : (wide)1 << 64;
}

/* Any shift to the right, rounded if so wanted. */
TEMPLATE wide shift_right_wide(wide value, unsigned int shift, bool round)
{
	if (shift > 65)
		shift = 65; /* what is left of a value of 64 bits: nothing, or its sign */
	return shift == 0 ? value : (value + ((wide)round << (shift - 1))) >> shift;
}

static inline void saturate_remember(struct arm64_vcpu *cpu, bool saturated)
{
	if (saturated)
		cpu->fpsr |= FPSR_QC;
}

#endif
