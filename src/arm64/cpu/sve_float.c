/*
 * Floating-point arithmetic and compares of SVE, on the functions of fp.h: only active elements are computed, so only theirs are the
 * exceptions in FPSR.
 */
#include "arm64/cpu/sve.h"

/* ---- Element functions that fp.h has not. ---- */

/* The bits of 0.5, 1.0 and 2.0. */
enum constant { HALF, ONE, TWO, ZERO };

static uint64_t constant(unsigned int size, enum constant which)
{
	static const uint16_t half[] = { 0x3800, 0x3c00, 0x4000, 0 };
	static const uint32_t single[] = { 0x3f000000, 0x3f800000, 0x40000000, 0 };
	static const uint64_t twice[] = { UINT64_C(0x3fe0000000000000), UINT64_C(0x3ff0000000000000), UINT64_C(0x4000000000000000), 0 };

	return size == 16 ? half[which] : size == 32 ? single[which] : twice[which];
}

/* Bits of the fraction. */
static unsigned int fraction_bits(unsigned int size)
{
	return size == 16 ? 10 : size == 32 ? 23 : 52;
}

static bool is_nan(unsigned int size, uint64_t a)
{
	return fp_abs(size, a) > sve_mask(size - 1) - sve_mask(fraction_bits(size));
}

static uint64_t fsubr(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return fp_sub(env, size, b, a);
}

static uint64_t fdivr(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return fp_div(env, size, b, a);
}

static uint64_t fabd(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return fp_abs(size, fp_sub(env, size, a, b));
}

/*
 * FPScale(): a * 2^b, b an integer, rounded once: as the product of two normal numbers, among which the exponent is divided. Beyond twice
 * the exponents there are, all exponents are alike.
 */
static uint64_t fscale(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	unsigned int fraction = fraction_bits(size), width = size - 1 - fraction;
	int64_t largest = (1 << width) - 1, bias = largest / 2, exponent = (int64_t)(a >> fraction & (uint64_t)largest), scale = sve_signed(b, size);
	int64_t limit = 2 * largest, one, other;
	uint64_t digits = a & sve_mask(fraction);

	if (exponent == largest || fp_abs(size, a) == 0 || (exponent == 0 && env->fpcr & (size == 16 ? FPCR_FZ16 : FPCR_FZ)))
		return fp_mul(env, size, a, constant(size, ONE)); /* NaN, infinity, zero, flushed to zero */
	if (exponent == 0) {
		unsigned int shift = fraction - (63 - (unsigned int)__builtin_clzll(digits));

		digits = digits << shift & sve_mask(fraction);
		exponent = 1 - (int64_t)shift;
	}
	scale = scale > limit ? limit : scale < -limit ? -limit : scale;
	exponent += scale - bias; /* unbiased: too small below 2 - 2 * bias, too large above 2 * bias */
	if (exponent < 2 - 2 * bias)
		exponent = 2 - 2 * bias;
	if (exponent > 2 * bias)
		exponent = 2 * bias;
	one = exponent / 2;
	other = exponent - one;
	return fp_mul(env, size, (a & ~sve_mask(size - 1)) | (uint64_t)(one + bias) << fraction | digits, (uint64_t)(other + bias) << fraction);
}

/* FPTrigSMul(): the square, with the sign that bit 0 of b gives. */
static uint64_t ftsmul(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	uint64_t square = fp_mul(env, size, a, a);

	return is_nan(size, square) ? square : (square & sve_mask(size - 1)) | (b & 1) << (size - 1);
}

static uint64_t fmls(struct fp_env *env, unsigned int size, uint64_t addend, uint64_t a, uint64_t b)
{
	return fp_muladd(env, size, addend, fp_neg(size, a), b);
}

static uint64_t fnmla(struct fp_env *env, unsigned int size, uint64_t addend, uint64_t a, uint64_t b)
{
	return fp_muladd(env, size, fp_neg(size, addend), fp_neg(size, a), b);
}

static uint64_t fnmls(struct fp_env *env, unsigned int size, uint64_t addend, uint64_t a, uint64_t b)
{
	return fp_muladd(env, size, fp_neg(size, addend), a, b);
}

static bool fcmne(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return !fp_equal(env, size, a, b);
}

static bool fcmuo(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return fp_compare(env, size, a, b, false) == 3; /* C and V: unordered */
}

static bool fcmlt(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return fp_greater(env, size, b, a);
}

static bool fcmle(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return fp_greater_equal(env, size, b, a);
}

static bool facge(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return fp_greater_equal(env, size, fp_abs(size, a), fp_abs(size, b));
}

static bool facgt(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b)
{
	return fp_greater(env, size, fp_abs(size, a), fp_abs(size, b));
}

/* ---- Arithmetic. ---- */

/* Zd = op.fp_unary(Zn). */
static void unary(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int bytes = sve_bytes(insn);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		sve_put(sve_zd(cpu, insn), i, bytes, sve_row(insn)->op.fp_unary(&env, 8 * bytes, sve_get(sve_zn(cpu, insn), i, bytes)));
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* Zd = op.fp_binary(Zn, Zm). */
static void unpredicated(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sve_fp_binary *op = sve_row(insn)->op.fp_binary;
	const union arm64_z *zn = sve_zn(cpu, insn), *zm = sve_zm(cpu, insn);
	unsigned int bytes = sve_bytes(insn);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		sve_put(sve_zd(cpu, insn), i, bytes, op(&env, 8 * bytes, sve_get(zn, i, bytes), sve_get(zm, i, bytes)));
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* Zdn = op.fp_binary(Zdn, Zm) where Pg; Zm is bits 9:5. */
static void predicated(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sve_fp_binary *op = sve_row(insn)->op.fp_binary;
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zm = sve_zn(cpu, insn);
	union arm64_z *zdn = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(zdn, i, bytes, op(&env, 8 * bytes, sve_get(zdn, i, bytes), sve_get(zm, i, bytes)));
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* Zdn = op.fp_binary(Zdn, a constant) where Pg; arg: the constant if bit 5 is clear, and in bits 7:4 if it is set. */
static void with_constant(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const struct sve_row *row = sve_row(insn);
	const union arm64_p *pg = sve_pg(cpu, insn);
	union arm64_z *zdn = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn);
	uint64_t operand = constant(8 * bytes, (enum constant)(bit(insn->word, 5) ? row->arg >> 4 : row->arg & 15));
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(zdn, i, bytes, row->op.fp_binary(&env, 8 * bytes, sve_get(zdn, i, bytes), operand));
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* Zd = op.fp_ternary(addend, a, b) where Pg. */
static void multiply_add(struct arm64_vcpu *cpu, const struct a64_insn *insn, const union arm64_z *addend, const union arm64_z *a,
			 const union arm64_z *b)
{
	sve_fp_ternary *op = sve_row(insn)->op.fp_ternary;
	const union arm64_p *pg = sve_pg(cpu, insn);
	unsigned int bytes = sve_bytes(insn);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(sve_zd(cpu, insn), i, bytes,
				op(&env, 8 * bytes, sve_get(addend, i, bytes), sve_get(a, i, bytes), sve_get(b, i, bytes)));
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* FMLA and its like: to the addend. */
static void fmla(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	multiply_add(cpu, insn, sve_zd(cpu, insn), sve_zn(cpu, insn), sve_zm(cpu, insn));
}

/* FMAD and its like: to a factor. Za is bits 20:16, Zm bits 9:5. */
static void fmad(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	multiply_add(cpu, insn, sve_zm(cpu, insn), sve_zd(cpu, insn), sve_zn(cpu, insn));
}

/* ---- One factor an element of Zm, of each 128 bits its own. ---- */

/* Zda = op.fp_ternary(Zda, Zn, Zm[index]), or Zd = op.fp_binary(Zn, Zm[index]); arg: multiplication alone. */
static void indexed(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const struct sve_row *row = sve_row(insn);
	uint32_t word = insn->word;
	unsigned int bytes = bit(word, 23) ? sve_bytes(insn) : 2;
	unsigned int index = bytes == 2 ? bit(word, 22) << 2 | bits(word, 20, 19) : bytes == 4 ? bits(word, 20, 19) : bit(word, 20);
	const union arm64_z zm = cpu->z[bytes == 8 ? bits(word, 19, 16) : bits(word, 18, 16)];
	const union arm64_z *zn = sve_zn(cpu, insn);
	union arm64_z *zd = sve_zd(cpu, insn);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		unsigned int segment = i - i % (16 / bytes);
		uint64_t n = sve_get(zn, i, bytes), m = sve_get(&zm, segment + index, bytes);

		sve_put(zd, i, bytes, row->arg ? row->op.fp_binary(&env, 8 * bytes, n, m)
					       : row->op.fp_ternary(&env, 8 * bytes, sve_get(zd, i, bytes), n, m));
	}
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* ---- Complex numbers: pairs of elements, real part first. ---- */

/* FCADD: Zdn + Zm turned by 90 or (bit 16) 270 degrees, where Pg. */
static void fcadd(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z zm = *sve_zn(cpu, insn);
	union arm64_z *zdn = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn), size = 8 * bytes, turned = bit(insn->word, 16);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		uint64_t m = sve_get(&zm, i ^ 1, bytes);

		if (i % 2 == turned)
			m = fp_neg(size, m);
		if (sve_active(pg, i * bytes))
			sve_put(zdn, i, bytes, fp_add(&env, size, sve_get(zdn, i, bytes), m));
	}
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* Element i of FCMLA: Zm's pair begins at element `pair`. */
static uint64_t fcmla_element(struct fp_env *env, unsigned int i, unsigned int bytes, unsigned int rotation, const union arm64_z *zda,
			      const union arm64_z *zn, const union arm64_z *zm, unsigned int pair)
{
	bool swaps = rotation & 1, imaginary = i % 2, negates = imaginary ? rotation >> 1 : swaps != (rotation >> 1);
	uint64_t n = sve_get(zn, i - i % 2 + swaps, bytes), m = sve_get(zm, pair + (swaps != imaginary), bytes);

	return fp_muladd(env, 8 * bytes, sve_get(zda, i, bytes), n, negates ? fp_neg(8 * bytes, m) : m);
}

static void fcmla(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z zn = *sve_zn(cpu, insn), zm = *sve_zm(cpu, insn);
	union arm64_z *zda = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(zda, i, bytes, fcmla_element(&env, i, bytes, bits(insn->word, 14, 13), zda, &zn, &zm, i - i % 2));
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* Bit 22: single precision. */
static void fcmla_indexed(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int bytes = bit(word, 22) ? 4 : 2, index = bytes == 4 ? bit(word, 20) : bits(word, 20, 19);
	const union arm64_z zn = *sve_zn(cpu, insn), zm = cpu->z[bytes == 4 ? bits(word, 19, 16) : bits(word, 18, 16)];
	union arm64_z *zda = sve_zd(cpu, insn);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		unsigned int segment = i - i % (16 / bytes);

		sve_put(zda, i, bytes, fcmla_element(&env, i, bytes, bits(word, 11, 10), zda, &zn, &zm, segment + 2 * index));
	}
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* ---- Reductions. ---- */

/* What inactive elements are in a reduction. */
enum identity { IDENTITY_ZERO, IDENTITY_NAN, IDENTITY_NEGATIVE_INFINITY, IDENTITY_INFINITY };

static uint64_t identity_value(enum identity identity, unsigned int size)
{
	uint64_t infinity = sve_mask(size - 1) - sve_mask(fraction_bits(size));

	switch (identity) {
	case IDENTITY_NAN: return infinity | UINT64_C(1) << (fraction_bits(size) - 1);
	case IDENTITY_NEGATIVE_INFINITY: return fp_neg(size, infinity);
	case IDENTITY_INFINITY: return infinity;
	default: return 0;
	}
}

/* Vd = op.fp_binary of the two halves' results, and so on down to elements; a length that is no power of two is filled up. arg: enum identity. */
static void reduce(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const struct sve_row *row = sve_row(insn);
	const union arm64_p *pg = sve_pg(cpu, insn);
	unsigned int bytes = sve_bytes(insn), count = 1;
	uint64_t values[sizeof(union arm64_z) / 2];
	struct fp_env env = fp_begin(cpu);

	while (count < cpu->vl / bytes)
		count *= 2;
	for (unsigned int i = 0; i < count; i++)
		values[i] = i < cpu->vl / bytes && sve_active(pg, i * bytes) ? sve_get(sve_zn(cpu, insn), i, bytes)
									     : identity_value((enum identity)row->arg, 8 * bytes);
	for (; count > 1; count /= 2)
		for (unsigned int i = 0; i < count / 2; i++)
			values[i] = row->op.fp_binary(&env, 8 * bytes, values[2 * i], values[2 * i + 1]);
	fp_end(cpu, &env);
	sve_put_scalar(cpu, sve_zd(cpu, insn), bytes, values[0]);
	a64_next(cpu, insn);
}

/* FADDA: in order. */
static void fadda(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zm = sve_zn(cpu, insn);
	unsigned int bytes = sve_bytes(insn);
	uint64_t sum = sve_get(sve_zd(cpu, insn), 0, bytes);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sum = fp_add(&env, 8 * bytes, sum, sve_get(zm, i, bytes));
	fp_end(cpu, &env);
	sve_put_scalar(cpu, sve_zd(cpu, insn), bytes, sum);
	a64_next(cpu, insn);
}

/* ---- Compares. ---- */

/* Pd = op.fp_test(Zn, Zm, or zero if arg) where Pg, else false. */
static void compare(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const struct sve_row *row = sve_row(insn);
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zn = sve_zn(cpu, insn), *zm = sve_zm(cpu, insn);
	unsigned int bytes = sve_bytes(insn);
	union arm64_p result = { .d = { 0 } };
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_set_active(&result, i * bytes,
				       row->op.fp_test(&env, 8 * bytes, sve_get(zn, i, bytes), row->arg ? 0 : sve_get(zm, i, bytes)));
	fp_end(cpu, &env);
	memcpy(sve_pd(cpu, insn), &result, cpu->vl / 8);
	a64_next(cpu, insn);
}

/* ---- Accelerators of sine, cosine and the exponential function. ---- */

/* FTMAD's coefficients of the Taylor series (FPTrigMAddCoefficient): eight of the sine, eight of the cosine. */
static const uint16_t coefficients_half[16] = {
	0x3c00, 0xb155, 0x2030, 0, 0, 0, 0, 0, 0x3c00, 0xb800, 0x293a, 0, 0, 0, 0, 0,
};
static const uint32_t coefficients_single[16] = {
	0x3f800000, 0xbe2aaaab, 0x3c088886, 0xb95008b9, 0x36369d6d, 0, 0, 0,
	0x3f800000, 0xbf000000, 0x3d2aaaa6, 0xbab60705, 0x37cd37cc, 0, 0, 0,
};
static const uint64_t coefficients_double[16] = {
	0x3ff0000000000000, 0xbfc5555555555543, 0x3f8111111110f30c, 0xbf2a01a019b92fc6,
	0x3ec71de351f3d22b, 0xbe5ae5e2b60f7b91, 0x3de5d8408868552f, 0,
	0x3ff0000000000000, 0xbfe0000000000000, 0x3fa5555555555536, 0xbf56c16c16c13a0b,
	0x3efa01a019b1e8d8, 0xbe927e4f7282f468, 0x3e21ee96d2641b13, 0xbda8f76380fbb401,
};

/* Zm (bits 9:5) by its sign says of which function. */
static void ftmad(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z *zm = sve_zn(cpu, insn);
	union arm64_z *zdn = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn), size = 8 * bytes;
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		uint64_t m = sve_get(zm, i, bytes);
		unsigned int at = bits(insn->word, 18, 16) + (m >> (size - 1) ? 8 : 0);
		uint64_t coefficient = size == 16 ? coefficients_half[at] : size == 32 ? coefficients_single[at] : coefficients_double[at];

		sve_put(zdn, i, bytes, fp_muladd(&env, size, coefficient, sve_get(zdn, i, bytes), fp_abs(size, m)));
	}
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* FPTrigSSel(): a or 1.0 (bit 0 of b), negated if bit 1 of b is set. */
static uint64_t ftssel(uint64_t a, uint64_t b, unsigned int esize)
{
	return (b & 1 ? constant(esize, ONE) : a) ^ (b >> 1 & 1) << (esize - 1);
}

/* 2^(i / 64) - 1 in units of 2^-52. */
static const uint64_t powers[64] = {
	0x0000000000000, 0x02c9a3e778061, 0x059b0d3158574, 0x0874518759bc8,
	0x0b5586cf9890f, 0x0e3ec32d3d1a2, 0x11301d0125b51, 0x1429aaea92de0,
	0x172b83c7d517b, 0x1a35beb6fcb75, 0x1d4873168b9aa, 0x2063b88628cd6,
	0x2387a6e756238, 0x26b4565e27cdd, 0x29e9df51fdee1, 0x2d285a6e4030b,
	0x306fe0a31b715, 0x33c08b26416ff, 0x371a7373aa9cb, 0x3a7db34e59ff7,
	0x3dea64c123422, 0x4160a21f72e2a, 0x44e086061892d, 0x486a2b5c13cd0,
	0x4bfdad5362a27, 0x4f9b2769d2ca7, 0x5342b569d4f82, 0x56f4736b527da,
	0x5ab07dd485429, 0x5e76f15ad2148, 0x6247eb03a5585, 0x6623882552225,
	0x6a09e667f3bcd, 0x6dfb23c651a2f, 0x71f75e8ec5f74, 0x75feb564267c9,
	0x7a11473eb0187, 0x7e2f336cf4e62, 0x82589994cce13, 0x868d99b4492ed,
	0x8ace5422aa0db, 0x8f1ae99157736, 0x93737b0cdc5e5, 0x97d829fde4e50,
	0x9c49182a3f090, 0xa0c667b5de565, 0xa5503b23e255d, 0xa9e6b5579fdbf,
	0xae89f995ad3ad, 0xb33a2b84f15fb, 0xb7f76f2fb5e47, 0xbcc1e904bc1d2,
	0xc199bdd85529c, 0xc67f12e57d14b, 0xcb720dcef9069, 0xd072d4a07897c,
	0xd5818dcfba487, 0xda9e603db3285, 0xdfc97337b9b5f, 0xe502ee78b3ff6,
	0xea4afa2a490da, 0xefa1bee615a27, 0xf50765b6e4540, 0xfa7c1819e90d8,
};

/* FPExpA(): the exponent is part of the operand, the fraction looked up by 6 bits (half precision: 5). */
static void fexpa(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int bytes = sve_bytes(insn), fraction = fraction_bits(8 * bytes), index_bits = bytes == 2 ? 5 : 6, drop = 52 - fraction;

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		uint64_t n = sve_get(sve_zn(cpu, insn), i, bytes);
		uint64_t power = powers[(n & sve_mask(index_bits)) << (6 - index_bits)];

		if (drop)
			power = (power + (UINT64_C(1) << (drop - 1))) >> drop;
		sve_put(sve_zd(cpu, insn), i, bytes, (n >> index_bits & sve_mask(8 * bytes - 1 - fraction)) << fraction | power);
	}
	a64_next(cpu, insn);
}

/* ---- The encodings. ---- */

const struct sve_row sve_float_rows[] = {
	/* FEXPA, FTSSEL. */
	{ 0xff3ffc00, 0x0420b800, fexpa, .sizes = SVE_HSD },
	{ 0xff20fc00, 0x0420b000, sve_unpredicated, { .binary = ftssel }, SVE_HSD },
	/* Unpredicated: FADD, FSUB, FMUL, FTSMUL, FRECPS, FRSQRTS; FRECPE, FRSQRTE; FTMAD. */
	{ 0xff20fc00, 0x65000000, unpredicated, { .fp_binary = fp_add }, SVE_HSD },
	{ 0xff20fc00, 0x65000400, unpredicated, { .fp_binary = fp_sub }, SVE_HSD },
	{ 0xff20fc00, 0x65000800, unpredicated, { .fp_binary = fp_mul }, SVE_HSD },
	{ 0xff20fc00, 0x65000c00, unpredicated, { .fp_binary = ftsmul }, SVE_HSD },
	{ 0xff20fc00, 0x65001800, unpredicated, { .fp_binary = fp_recip_step }, SVE_HSD },
	{ 0xff20fc00, 0x65001c00, unpredicated, { .fp_binary = fp_rsqrt_step }, SVE_HSD },
	{ 0xff3ffc00, 0x650e3000, unary, { .fp_unary = fp_recip_estimate }, SVE_HSD },
	{ 0xff3ffc00, 0x650f3000, unary, { .fp_unary = fp_rsqrt_estimate }, SVE_HSD },
	{ 0xff38fc00, 0x65108000, ftmad, .sizes = SVE_HSD },
	/* Predicated. */
	{ 0xff3fe000, 0x65008000, predicated, { .fp_binary = fp_add }, SVE_HSD },
	{ 0xff3fe000, 0x65018000, predicated, { .fp_binary = fp_sub }, SVE_HSD },
	{ 0xff3fe000, 0x65028000, predicated, { .fp_binary = fp_mul }, SVE_HSD },
	{ 0xff3fe000, 0x65038000, predicated, { .fp_binary = fsubr }, SVE_HSD },
	{ 0xff3fe000, 0x65048000, predicated, { .fp_binary = fp_maxnm }, SVE_HSD },
	{ 0xff3fe000, 0x65058000, predicated, { .fp_binary = fp_minnm }, SVE_HSD },
	{ 0xff3fe000, 0x65068000, predicated, { .fp_binary = fp_max }, SVE_HSD },
	{ 0xff3fe000, 0x65078000, predicated, { .fp_binary = fp_min }, SVE_HSD },
	{ 0xff3fe000, 0x65088000, predicated, { .fp_binary = fabd }, SVE_HSD },
	{ 0xff3fe000, 0x65098000, predicated, { .fp_binary = fscale }, SVE_HSD },
	{ 0xff3fe000, 0x650a8000, predicated, { .fp_binary = fp_mulx }, SVE_HSD },
	{ 0xff3fe000, 0x650c8000, predicated, { .fp_binary = fdivr }, SVE_HSD },
	{ 0xff3fe000, 0x650d8000, predicated, { .fp_binary = fp_div }, SVE_HSD },
	/* With a constant, by bit 5. */
	{ 0xff3fe3c0, 0x65188000, with_constant, { .fp_binary = fp_add }, SVE_HSD, HALF | ONE << 4 },
	{ 0xff3fe3c0, 0x65198000, with_constant, { .fp_binary = fp_sub }, SVE_HSD, HALF | ONE << 4 },
	{ 0xff3fe3c0, 0x651a8000, with_constant, { .fp_binary = fp_mul }, SVE_HSD, HALF | TWO << 4 },
	{ 0xff3fe3c0, 0x651b8000, with_constant, { .fp_binary = fsubr }, SVE_HSD, HALF | ONE << 4 },
	{ 0xff3fe3c0, 0x651c8000, with_constant, { .fp_binary = fp_maxnm }, SVE_HSD, ZERO | ONE << 4 },
	{ 0xff3fe3c0, 0x651d8000, with_constant, { .fp_binary = fp_minnm }, SVE_HSD, ZERO | ONE << 4 },
	{ 0xff3fe3c0, 0x651e8000, with_constant, { .fp_binary = fp_max }, SVE_HSD, ZERO | ONE << 4 },
	{ 0xff3fe3c0, 0x651f8000, with_constant, { .fp_binary = fp_min }, SVE_HSD, ZERO | ONE << 4 },
	/* FMLA, FMLS, FNMLA, FNMLS; FMAD, FMSB, FNMAD, FNMSB; FMLA, FMLS, FMUL by an element. */
	{ 0xff20e000, 0x65200000, fmla, { .fp_ternary = fp_muladd }, SVE_HSD },
	{ 0xff20e000, 0x65202000, fmla, { .fp_ternary = fmls }, SVE_HSD },
	{ 0xff20e000, 0x65204000, fmla, { .fp_ternary = fnmla }, SVE_HSD },
	{ 0xff20e000, 0x65206000, fmla, { .fp_ternary = fnmls }, SVE_HSD },
	{ 0xff20e000, 0x65208000, fmad, { .fp_ternary = fp_muladd }, SVE_HSD },
	{ 0xff20e000, 0x6520a000, fmad, { .fp_ternary = fmls }, SVE_HSD },
	{ 0xff20e000, 0x6520c000, fmad, { .fp_ternary = fnmla }, SVE_HSD },
	{ 0xff20e000, 0x6520e000, fmad, { .fp_ternary = fnmls }, SVE_HSD },
	{ 0xff20fc00, 0x64200000, indexed, { .fp_ternary = fp_muladd } },
	{ 0xff20fc00, 0x64200400, indexed, { .fp_ternary = fmls } },
	{ 0xff20fc00, 0x64202000, indexed, { .fp_binary = fp_mul }, .arg = true },
	/* FCADD, FCMLA. */
	{ 0xff3ee000, 0x64008000, fcadd, .sizes = SVE_HSD },
	{ 0xff208000, 0x64000000, fcmla, .sizes = SVE_HSD },
	{ 0xffa0f000, 0x64a01000, fcmla_indexed },
	/* FADDV, FMAXNMV, FMINNMV, FMAXV, FMINV; FADDA. */
	{ 0xff3fe000, 0x65002000, reduce, { .fp_binary = fp_add }, SVE_HSD, IDENTITY_ZERO },
	{ 0xff3fe000, 0x65042000, reduce, { .fp_binary = fp_maxnm }, SVE_HSD, IDENTITY_NAN },
	{ 0xff3fe000, 0x65052000, reduce, { .fp_binary = fp_minnm }, SVE_HSD, IDENTITY_NAN },
	{ 0xff3fe000, 0x65062000, reduce, { .fp_binary = fp_max }, SVE_HSD, IDENTITY_NEGATIVE_INFINITY },
	{ 0xff3fe000, 0x65072000, reduce, { .fp_binary = fp_min }, SVE_HSD, IDENTITY_INFINITY },
	{ 0xff3fe000, 0x65182000, fadda, .sizes = SVE_HSD },
	/* Compares: with vectors, with zero. */
	{ 0xff20e010, 0x65004000, compare, { .fp_test = fp_greater_equal }, SVE_HSD },
	{ 0xff20e010, 0x65004010, compare, { .fp_test = fp_greater }, SVE_HSD },
	{ 0xff20e010, 0x65006000, compare, { .fp_test = fp_equal }, SVE_HSD },
	{ 0xff20e010, 0x65006010, compare, { .fp_test = fcmne }, SVE_HSD },
	{ 0xff20e010, 0x6500c000, compare, { .fp_test = fcmuo }, SVE_HSD },
	{ 0xff20e010, 0x6500c010, compare, { .fp_test = facge }, SVE_HSD },
	{ 0xff20e010, 0x6500e010, compare, { .fp_test = facgt }, SVE_HSD },
	{ 0xff3fe010, 0x65102000, compare, { .fp_test = fp_greater_equal }, SVE_HSD, true },
	{ 0xff3fe010, 0x65102010, compare, { .fp_test = fp_greater }, SVE_HSD, true },
	{ 0xff3fe010, 0x65112000, compare, { .fp_test = fcmlt }, SVE_HSD, true },
	{ 0xff3fe010, 0x65112010, compare, { .fp_test = fcmle }, SVE_HSD, true },
	{ 0xff3fe010, 0x65122000, compare, { .fp_test = fp_equal }, SVE_HSD, true },
	{ 0xff3fe010, 0x65132000, compare, { .fp_test = fcmne }, SVE_HSD, true },
	{ 0 },
};
