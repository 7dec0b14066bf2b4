/*
 * Floating-point arithmetic on the bits of numbers: sums, products, quotients, roots, minimum and maximum, comparisons. Each operation is the
 * function of the same purpose in the shared pseudocode (DDI 0487, J1.3: FPAdd, FPMulAdd ...), computed with integers wide enough
 * to be rounded once.
 */
#include "arm64/cpu/fp_host.h"
#include "arm64/cpu/fp_number.h"

/* A sum that is exactly zero is -0 only when rounding towards minus infinity. */
static uint64_t zero_sum(unsigned int size, enum fp_rounding rounding)
{
	return fp_zero(size, rounding == FP_NEGINF);
}

/*
 * (a + b) * 2^scale, of two numbers at least one of which is not zero; fractions are 127 bits with the leading one in bit 126 (or 0), exponents those
 * of bit 126. Bits beyond the 128th can be folded into the last: where any are lost, the operands are so far apart that at most one
 * leading bit cancels.
 */
static uint64_t sum_round(struct fp_env *env, unsigned int size, bool sign_a, int exponent_a, uint128 a, bool sign_b, int exponent_b, uint128 b,
			  int scale, enum fp_rounding rounding)
{
	bool sign = sign_a;
	int exponent = exponent_a;
	uint128 sum;

	if (a == 0 || (b != 0 && exponent_b > exponent_a)) {
		a = a ? shift_right_sticky128(a, (unsigned int)(exponent_b - exponent_a)) : 0;
		exponent = exponent_b;
	} else if (b != 0) {
		b = shift_right_sticky128(b, (unsigned int)(exponent_a - exponent_b));
	}
	if (sign_a == sign_b) {
		sum = a + b;
	} else if (a >= b) {
		sum = a - b;
	} else {
		sum = b - a;
		sign = sign_b;
	}
	if (sum == 0)
		return zero_sum(size, rounding);
	return fp_round128(env, size, sign, exponent + 1 + scale, sum, rounding);
}

static uint128 sum_fraction(const struct fp_number *number)
{
	return number->kind == FP_FINITE ? (uint128)number->fraction << 63 : 0;
}

static uint64_t add(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b, bool subtract, enum fp_rounding rounding)
{
	struct fp_number na = fp_unpack(env, size, a), nb = fp_unpack(env, size, b);

	if (fp_is_nan(na.kind) || fp_is_nan(nb.kind))
		return fp_process_nans(env, size, na.kind, a, nb.kind, b);
	nb.sign ^= subtract;
	if (na.kind == FP_INFINITY)
		return nb.kind == FP_INFINITY && na.sign != nb.sign ? fp_invalid(env, size) : fp_infinity(size, na.sign);
	if (nb.kind == FP_INFINITY)
		return fp_infinity(size, nb.sign);
	if (na.kind == FP_ZERO_NUMBER && nb.kind == FP_ZERO_NUMBER)
		return na.sign == nb.sign ? fp_zero(size, na.sign) : zero_sum(size, rounding);
	return sum_round(env, size, na.sign, na.exponent, sum_fraction(&na), nb.sign, nb.exponent, sum_fraction(&nb), 0, rounding);
}

uint64_t fp_add(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	uint64_t result;

	return likely(host_compute(env, HOST_ADD, size, a, b, &result)) ? result : add(env, size, a, b, false, fp_rounding(env));
}

uint64_t fp_sub(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	uint64_t result;

	return likely(host_compute(env, HOST_SUB, size, a, b, &result)) ? result : add(env, size, a, b, true, fp_rounding(env));
}

/* FMULX differs where infinity meets zero. */
static uint64_t multiply(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b, bool extended, enum fp_rounding rounding)
{
	struct fp_number na = fp_unpack(env, size, a), nb = fp_unpack(env, size, b);
	bool sign = na.sign != nb.sign;

	if (fp_is_nan(na.kind) || fp_is_nan(nb.kind))
		return fp_process_nans(env, size, na.kind, a, nb.kind, b);
	if (na.kind == FP_INFINITY || nb.kind == FP_INFINITY) {
		if (na.kind != FP_ZERO_NUMBER && nb.kind != FP_ZERO_NUMBER)
			return fp_infinity(size, sign);
		return extended ? fp_sign_bit(size, sign) | fp_expand_immediate(size, 0) : fp_invalid(env, size);
	}
	if (na.kind == FP_ZERO_NUMBER || nb.kind == FP_ZERO_NUMBER)
		return fp_zero(size, sign);
	return fp_round128(env, size, sign, na.exponent + nb.exponent + 1, (uint128)na.fraction * nb.fraction, rounding);
}

uint64_t fp_mul(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	uint64_t result;

	return likely(host_compute(env, HOST_MUL, size, a, b, &result)) ? result : multiply(env, size, a, b, false, fp_rounding(env));
}

uint64_t fp_mulx(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	uint64_t result;

	return likely(host_compute(env, HOST_MUL, size, a, b, &result)) ? result : multiply(env, size, a, b, true, fp_rounding(env));
}

static uint64_t divide(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	struct fp_number na = fp_unpack(env, size, a), nb = fp_unpack(env, size, b);
	bool sign = na.sign != nb.sign, less;
	uint128 dividend;
	uint64_t quotient;

	if (fp_is_nan(na.kind) || fp_is_nan(nb.kind))
		return fp_process_nans(env, size, na.kind, a, nb.kind, b);
	if (na.kind == nb.kind && na.kind != FP_FINITE)
		return fp_invalid(env, size);
	if (na.kind == FP_INFINITY)
		return fp_infinity(size, sign);
	if (nb.kind == FP_ZERO_NUMBER) {
		env->flags |= FPSR_DZC;
		return fp_infinity(size, sign);
	}
	if (na.kind == FP_ZERO_NUMBER || nb.kind == FP_INFINITY)
		return fp_zero(size, sign);
	less = na.fraction < nb.fraction;
	dividend = (uint128)na.fraction << (less ? 64 : 63);
	quotient = (uint64_t)(dividend / nb.fraction);
	quotient |= dividend % nb.fraction != 0;
	return fp_round(env, size, sign, na.exponent - nb.exponent - less, quotient, fp_rounding(env));
}

uint64_t fp_div(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	uint64_t result;

	return likely(host_compute(env, HOST_DIV, size, a, b, &result)) ? result : divide(env, size, a, b);
}

/* The square root of a number of at least 2^126, its bit 0 set when it is not exact. */
static uint64_t square_root(uint128 a)
{
	uint64_t root = 0;

	for (unsigned int i = 64; i-- > 0;) {
		uint64_t next = root | UINT64_C(1) << i;

		if ((uint128)next * next <= a)
			root = next;
	}
	return root | ((uint128)root * root != a);
}

uint64_t fp_sqrt(struct fp_env *env, unsigned int size, uint64_t a)
{
	struct fp_number n;
	uint64_t result;

	if (likely(host_sqrt(env, size, a, &result)))
		return result;
	n = fp_unpack(env, size, a);
	if (fp_is_nan(n.kind))
		return fp_process_nan(env, size, n.kind, a);
	if (n.kind == FP_ZERO_NUMBER)
		return fp_zero(size, n.sign);
	if (n.sign)
		return fp_invalid(env, size);
	if (n.kind == FP_INFINITY)
		return fp_infinity(size, false);
	return fp_round(env, size, false, n.exponent >> 1, square_root((uint128)n.fraction << (63 + (n.exponent & 1))), fp_rounding(env));
}

/* ---- Fused multiply and add. ---- */

static bool infinity_times_zero(const struct fp_number *a, const struct fp_number *b)
{
	return (a->kind == FP_INFINITY && b->kind == FP_ZERO_NUMBER) || (a->kind == FP_ZERO_NUMBER && b->kind == FP_INFINITY);
}

/* (addend + a * b) * 2^scale, none of them a NaN and no infinity times zero. */
static uint64_t fused(struct fp_env *env, unsigned int size, const struct fp_number *addend, const struct fp_number *a, const struct fp_number *b,
		      int scale)
{
	bool sign = a->sign != b->sign;
	bool infinite = a->kind == FP_INFINITY || b->kind == FP_INFINITY;
	bool zero = a->kind == FP_ZERO_NUMBER || b->kind == FP_ZERO_NUMBER;
	uint128 product;

	if (addend->kind == FP_INFINITY)
		return infinite && addend->sign != sign ? fp_invalid(env, size) : fp_infinity(size, addend->sign);
	if (infinite)
		return fp_infinity(size, sign);
	if (addend->kind == FP_ZERO_NUMBER && zero)
		return addend->sign == sign ? fp_zero(size, sign) : zero_sum(size, fp_rounding(env));
	/* The product has two bits before the point; its own last bits are zeros, so that none is lost here. */
	product = zero ? 0 : (uint128)a->fraction * b->fraction >> 1;
	return sum_round(env, size, addend->sign, addend->exponent, sum_fraction(addend), sign, a->exponent + b->exponent + 1, product, scale,
			 fp_rounding(env));
}

static uint64_t muladd(struct fp_env *env, unsigned int size, uint64_t addend, uint64_t a, uint64_t b)
{
	struct fp_number nc = fp_unpack(env, size, addend), na = fp_unpack(env, size, a), nb = fp_unpack(env, size, b);

	/* FPProcessNaNs3: the first signalling one, else the first quiet one. */
	if (nc.kind == FP_SNAN || (nc.kind == FP_QNAN && na.kind != FP_SNAN && nb.kind != FP_SNAN && !infinity_times_zero(&na, &nb)))
		return fp_process_nan(env, size, nc.kind, addend);
	if (fp_is_nan(na.kind) || fp_is_nan(nb.kind))
		return fp_process_nans(env, size, na.kind, a, nb.kind, b);
	if (infinity_times_zero(&na, &nb))
		return fp_invalid(env, size);
	return fused(env, size, &nc, &na, &nb, 0);
}

uint64_t fp_muladd(struct fp_env *env, unsigned int size, uint64_t addend, uint64_t a, uint64_t b)
{
	uint64_t result;

	return likely(host_muladd(env, size, addend, a, b, &result)) ? result : muladd(env, size, addend, a, b);
}

/* A half as a single: exact; a NaN stays what it is. */
static uint64_t half_widen(struct fp_env *env, uint16_t a)
{
	struct fp_number n = fp_unpack(env, 16, a);

	if (n.kind == FP_FINITE)
		return fp_round(env, 32, n.sign, n.exponent, n.fraction, FP_TIEEVEN);
	if (n.kind == FP_ZERO_NUMBER)
		return fp_zero(32, n.sign);
	return fp_infinity(32, n.sign) | (uint64_t)(a & 0x3ff) << 13;
}

uint32_t fp_muladd_half(struct fp_env *env, uint32_t addend, uint16_t a, uint16_t b)
{
	return (uint32_t)fp_muladd(env, 32, addend, half_widen(env, a), half_widen(env, b));
}

/* BFAdd and BFMulH: rounded to odd, without subnormals; what is too large is infinite. */
static uint32_t bfloat_step(uint32_t a, uint32_t b, bool product)
{
	struct fp_env env = { .fpcr = FPCR_FZ | FPCR_DN };
	uint64_t result = product ? multiply(&env, 32, a, b, false, FP_ODD) : add(&env, 32, a, b, false, FP_ODD);

	return (uint32_t)result + !!(env.flags & FPSR_OFC);
}

uint32_t fp_bfloat_dot(uint32_t addend, uint32_t a, uint32_t b)
{
	uint32_t low = bfloat_step(a << 16, b << 16, true), high = bfloat_step(a & 0xffff0000, b & 0xffff0000, true);

	return bfloat_step(addend, bfloat_step(low, high, false), false);
}

/* (constant - a * b) * 2^scale, where infinity times zero counts as zero: FPRecipStepFused, FPRSqrtStepFused. */
static uint64_t step(struct fp_env *env, unsigned int size, struct fp_number constant, uint64_t a, uint64_t b, int scale)
{
	struct fp_number na, nb;

	a = fp_neg(size, a);
	na = fp_unpack(env, size, a);
	nb = fp_unpack(env, size, b);
	if (fp_is_nan(na.kind) || fp_is_nan(nb.kind))
		return fp_process_nans(env, size, na.kind, a, nb.kind, b);
	if (infinity_times_zero(&na, &nb))
		return fp_round(env, size, false, constant.exponent + scale, constant.fraction, FP_TIEEVEN);
	return fused(env, size, &constant, &na, &nb, scale);
}

uint64_t fp_recip_step(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return step(env, size, (struct fp_number){ .kind = FP_FINITE, .exponent = 1, .fraction = UINT64_C(1) << 63 }, a, b, 0);
}

uint64_t fp_rsqrt_step(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return step(env, size, (struct fp_number){ .kind = FP_FINITE, .exponent = 1, .fraction = UINT64_C(3) << 62 }, a, b, -1);
}

/* ---- Order. ---- */

/* -1, 0 or 1; neither is a NaN. */
static int compare(const struct fp_number *a, const struct fp_number *b)
{
	int greater = a->sign ? -1 : 1; /* the answer when |a| > |b| */

	if (a->kind == FP_ZERO_NUMBER && b->kind == FP_ZERO_NUMBER)
		return 0;
	if (a->kind == FP_ZERO_NUMBER)
		return b->sign ? 1 : -1;
	if (b->kind == FP_ZERO_NUMBER || a->sign != b->sign)
		return greater;
	if (a->kind != b->kind)
		return a->kind == FP_INFINITY ? greater : -greater;
	if (a->kind == FP_INFINITY)
		return 0;
	if (a->exponent != b->exponent)
		return a->exponent > b->exponent ? greater : -greater;
	if (a->fraction != b->fraction)
		return a->fraction > b->fraction ? greater : -greater;
	return 0;
}

/* compare(), or 2 when unordered. */
static int compare_flagged(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b, bool signal_all_nans)
{
	struct fp_number na, nb;
	int order;

	if (likely(host_compare(size, a, b, &order)))
		return order;
	na = fp_unpack(env, size, a);
	nb = fp_unpack(env, size, b);
	if (fp_is_nan(na.kind) || fp_is_nan(nb.kind)) {
		if (signal_all_nans || na.kind == FP_SNAN || nb.kind == FP_SNAN)
			env->flags |= FPSR_IOC;
		return 2;
	}
	return compare(&na, &nb);
}

unsigned int fp_compare(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b, bool signal_all_nans)
{
	static const uint8_t nzcv[] = { 8, 6, 2, 3 };

	return nzcv[compare_flagged(env, size, a, b, signal_all_nans) + 1];
}

bool fp_equal(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return compare_flagged(env, size, a, b, false) == 0;
}

bool fp_greater_equal(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	int order = compare_flagged(env, size, a, b, true);

	return order == 0 || order == 1;
}

bool fp_greater(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return compare_flagged(env, size, a, b, true) == 1;
}

/* The operand whose order is `wanted` (1: the maximum, -1: the minimum). */
static uint64_t choose(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b, int wanted)
{
	struct fp_number na, nb, *chosen;
	int order;

	if (likely(host_compare(size, a, b, &order) && order != 0))
		return order == wanted ? a : b;
	na = fp_unpack(env, size, a);
	nb = fp_unpack(env, size, b);
	if (fp_is_nan(na.kind) || fp_is_nan(nb.kind))
		return fp_process_nans(env, size, na.kind, a, nb.kind, b);
	if (na.kind == FP_ZERO_NUMBER && nb.kind == FP_ZERO_NUMBER)
		return fp_zero(size, wanted > 0 ? na.sign && nb.sign : na.sign || nb.sign);
	chosen = compare(&na, &nb) == wanted ? &na : &nb;
	if (chosen->kind == FP_ZERO_NUMBER) /* perhaps flushed */
		return fp_zero(size, chosen->sign);
	return chosen == &na ? a : b;
}

uint64_t fp_max(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return choose(env, size, a, b, 1);
}

uint64_t fp_min(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return choose(env, size, a, b, -1);
}

static bool is_quiet_nan(unsigned int size, uint64_t a)
{
	return (a & fp_default_nan(size)) == fp_default_nan(size);
}

/* One quiet NaN counts as the infinity that loses. */
static uint64_t choose_number(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b, int wanted)
{
	bool quiet_a = is_quiet_nan(size, a), quiet_b = is_quiet_nan(size, b);
	uint64_t loser = fp_infinity(size, wanted > 0);

	return choose(env, size, quiet_a && !quiet_b ? loser : a, quiet_b && !quiet_a ? loser : b, wanted);
}

uint64_t fp_maxnm(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return choose_number(env, size, a, b, 1);
}

uint64_t fp_minnm(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return choose_number(env, size, a, b, -1);
}

uint64_t fp_expand_immediate(unsigned int size, unsigned int imm8)
{
	/* Exponent: NOT(imm8<6>), then imm8<6> up to the last two bits, which are imm8<5:4>. */
	unsigned int exponent = (unsigned int)fp_bias(size) + 1 - (imm8 & 0x40 ? 4 : 0) + (imm8 >> 4 & 3);

	return fp_sign_bit(size, imm8 >> 7) | (uint64_t)exponent << fp_fraction_bits(size) | (uint64_t)(imm8 & 15) << (fp_fraction_bits(size) - 4);
}
