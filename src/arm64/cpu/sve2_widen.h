/*
 * SVE2 operations on the even (bottom) or odd (top) elements of vectors, the results being twice as wide: sve2_widen.c, sve2_multiply.c.
 */
#ifndef ANYKVM_ARM64_CPU_SVE2_WIDEN_H
#define ANYKVM_ARM64_CPU_SVE2_WIDEN_H

#include "arm64/cpu/sve.h"

/* arg of a row. Operands are extended to the result's width; `size` is that width. */
enum {
	WIDEN_SIGNED = 1 << 0,
	WIDEN_N_TOP = 1 << 1,
	WIDEN_M_TOP = 1 << 2,
	WIDEN_TOP = WIDEN_N_TOP | WIDEN_M_TOP,
	WIDEN_N_WIDE = 1 << 3, /* Zn's elements are as wide as the results */
};

a64_fn sve2_widen;            /* Zd = op.binary(Zn, Zm) */
a64_fn sve2_widen_accumulate; /* Zda = op.ternary(Zda, Zn, Zm) */

/* The same with one element of Zm for each 128 bits: Zm, and the element's index in its 128 bits, are encoded by the size. */
a64_fn sve2_widen_indexed, sve2_widen_accumulate_indexed;

#endif
