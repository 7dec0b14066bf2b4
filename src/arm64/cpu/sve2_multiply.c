/*
 * SVE2's multiplications: high halves, polynomials, multiply-add long, by an element, of complex numbers, dot products (SDOT and UDOT are SVE's), matrices
 * of bytes.
 */
#include "arm64/cpu/sve2_widen.h"

/* ---- Element functions. ---- */

/* (2 * a * b [+ rounding]) / 2^esize. */
static uint64_t sqdmulh(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_saturate_signed((__int128)sve_signed(a, esize) * sve_signed(b, esize) >> (esize - 1), esize);
}

static uint64_t sqrdmulh(uint64_t a, uint64_t b, unsigned int esize)
{
	__int128 product = (__int128)sve_signed(a, esize) * sve_signed(b, esize);

	return sve_saturate_signed((product + ((__int128)1 << (esize - 2))) >> (esize - 1), esize);
}

/* The same with an addend, all halved so that it fits in 128 bits. */
static uint64_t sqrdmlah(uint64_t addend, uint64_t a, uint64_t b, unsigned int esize)
{
	__int128 sum = (__int128)sve_signed(addend, esize) * ((__int128)1 << (esize - 1)) + (__int128)sve_signed(a, esize) * sve_signed(b, esize);

	return sve_saturate_signed((sum + ((__int128)1 << (esize - 2))) >> (esize - 1), esize);
}

static uint64_t sqrdmlsh(uint64_t addend, uint64_t a, uint64_t b, unsigned int esize)
{
	__int128 sum = (__int128)sve_signed(addend, esize) * ((__int128)1 << (esize - 1)) - (__int128)sve_signed(a, esize) * sve_signed(b, esize);

	return sve_saturate_signed((sum + ((__int128)1 << (esize - 2))) >> (esize - 1), esize);
}

static uint64_t pmul(uint64_t a, uint64_t b, unsigned int esize)
{
	uint64_t product = 0;

	for (unsigned int i = 0; i < esize; i++)
		product ^= b >> i & 1 ? a << i : 0;
	return product;
}

/* Of operands extended to esize. */
static uint64_t sqdmull(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_saturate_signed((__int128)sve_signed(a, esize) * sve_signed(b, esize) * 2, esize);
}

static uint64_t sqdmlal(uint64_t addend, uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_sqadd(addend, sqdmull(a, b, esize), esize);
}

static uint64_t sqdmlsl(uint64_t addend, uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_sqsub(addend, sqdmull(a, b, esize), esize);
}

/* ---- By an element of Zm, of each 128 bits its own. ---- */

/* Zd = op.binary(Zn, Zm[index]), or Zda = op.ternary(Zda, Zn, Zm[index]); arg: the former. */
static void indexed(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const struct sve_row *row = sve_row(insn);
	uint32_t word = insn->word;
	unsigned int bytes = bit(word, 23) ? sve_bytes(insn) : 2;
	unsigned int index = bytes == 2 ? bit(word, 22) << 2 | bits(word, 20, 19) : bytes == 4 ? bits(word, 20, 19) : bit(word, 20);
	const union arm64_z zm = cpu->z[bytes == 8 ? bits(word, 19, 16) : bits(word, 18, 16)];
	const union arm64_z *zn = sve_zn(cpu, insn);
	union arm64_z *zd = sve_zd(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		uint64_t n = sve_get(zn, i, bytes), m = sve_get(&zm, i - i % (16 / bytes) + index, bytes);

		sve_put(zd, i, bytes, row->arg ? row->op.binary(n, m, 8 * bytes) : row->op.ternary(sve_get(zd, i, bytes), n, m, 8 * bytes));
	}
	a64_next(cpu, insn);
}

/* ---- Complex numbers: pairs of elements, real part first. ---- */

/* CADD, SQCADD (bit 16): Zdn + Zm turned by 90 or (bit 10) 270 degrees. */
static void complex_add(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z zm = *sve_zn(cpu, insn);
	union arm64_z *zdn = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn), adds = bit(insn->word, 10);
	bool saturates = bit(insn->word, 16);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		sve_binary *op = i % 2 != adds ? (saturates ? sve_sqadd : sve_add) : saturates ? sve_sqsub : sve_sub;

		sve_put(zdn, i, bytes, op(sve_get(zdn, i, bytes), sve_get(&zm, i ^ 1, bytes), 8 * bytes));
	}
	a64_next(cpu, insn);
}

/* CMLA, SQRDCMLAH (bit 12): Zm's pair begins at element `pair` of all, or of each 128 bits. */
static void complex_multiply_add(struct arm64_vcpu *cpu, const struct a64_insn *insn, unsigned int bytes, const union arm64_z *zm, bool by_element,
				 unsigned int pair)
{
	unsigned int rotation = bits(insn->word, 11, 10);
	bool swaps = rotation & 1, saturates = bit(insn->word, 12);
	const union arm64_z zn = *sve_zn(cpu, insn);
	union arm64_z *zda = sve_zd(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		bool imaginary = i % 2, subtracts = imaginary ? rotation >> 1 : swaps != (rotation >> 1);
		sve_ternary *op = subtracts ? (saturates ? sqrdmlsh : sve_mls) : saturates ? sqrdmlah : sve_mla;
		unsigned int at = by_element ? i - i % (16 / bytes) + pair : i - i % 2;
		uint64_t n = sve_get(&zn, i - i % 2 + swaps, bytes), m = sve_get(zm, at + (swaps != imaginary), bytes);

		sve_put(zda, i, bytes, op(sve_get(zda, i, bytes), n, m, 8 * bytes));
	}
	a64_next(cpu, insn);
}

static void cmla(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z zm = *sve_zm(cpu, insn);

	complex_multiply_add(cpu, insn, sve_bytes(insn), &zm, false, 0);
}

/* Bit 22: words, else halfwords. */
static void cmla_indexed(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	bool words = bit(insn->word, 22);
	const union arm64_z zm = cpu->z[words ? bits(insn->word, 19, 16) : bits(insn->word, 18, 16)];

	complex_multiply_add(cpu, insn, words ? 4 : 2, &zm, true, 2 * (words ? bit(insn->word, 20) : bits(insn->word, 20, 19)));
}

/* ---- Dot products: of the two or four parts that make up an element. ---- */

enum { DOT_N_UNSIGNED = 1 << 0, DOT_M_UNSIGNED = 1 << 1, DOT_INDEXED = 1 << 2 };

static int64_t part(const union arm64_z *z, unsigned int index, unsigned int bytes, bool is_unsigned)
{
	uint64_t value = sve_get(z, index, bytes);

	return is_unsigned ? (int64_t)value : sve_signed(value, 8 * bytes);
}

/* The element of Zm that goes with element i: by an index, one of each 128 bits, in bits 20:19 or (doublewords) 20. */
static unsigned int dot_element(const struct a64_insn *insn, unsigned int i, unsigned int bytes, bool by_element)
{
	if (!by_element)
		return i;
	return i - i % (16 / bytes) + (bytes == 4 ? bits(insn->word, 20, 19) : bit(insn->word, 20));
}

static const union arm64_z *dot_zm(struct arm64_vcpu *cpu, const struct a64_insn *insn, unsigned int bytes, bool by_element)
{
	return &cpu->z[!by_element ? bits(insn->word, 20, 16) : bytes == 4 ? bits(insn->word, 18, 16) : bits(insn->word, 19, 16)];
}

/* SDOT, UDOT, USDOT, SUDOT; arg: DOT_*. */
static void dot(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int how = sve_row(insn)->arg, bytes = sve_bytes(insn), quarter = bytes / 4;
	const union arm64_z zn = *sve_zn(cpu, insn), zm = *dot_zm(cpu, insn, bytes, how & DOT_INDEXED);
	union arm64_z *zda = sve_zd(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		unsigned int at = dot_element(insn, i, bytes, how & DOT_INDEXED);
		uint64_t sum = sve_get(zda, i, bytes);

		for (unsigned int k = 0; k < 4; k++)
			sum += (uint64_t)(part(&zn, 4 * i + k, quarter, how & DOT_N_UNSIGNED) * part(&zm, 4 * at + k, quarter, how & DOT_M_UNSIGNED));
		sve_put(zda, i, bytes, sum);
	}
	a64_next(cpu, insn);
}

/* CDOT: two complex products, of which bit 10 takes the imaginary part; bits 11:10 say which sign its second half has. arg: DOT_INDEXED. */
static void complex_dot(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int how = sve_row(insn)->arg, bytes = sve_bytes(insn), quarter = bytes / 4, swaps = bit(insn->word, 10);
	bool subtracts = bit(insn->word, 10) == bit(insn->word, 11);
	const union arm64_z zn = *sve_zn(cpu, insn), zm = *dot_zm(cpu, insn, bytes, how & DOT_INDEXED);
	union arm64_z *zda = sve_zd(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		unsigned int at = dot_element(insn, i, bytes, how & DOT_INDEXED);
		uint64_t sum = sve_get(zda, i, bytes);

		for (unsigned int k = 0; k < 4; k += 2) {
			int64_t real = part(&zn, 4 * i + k, quarter, false) * part(&zm, 4 * at + k + swaps, quarter, false);
			int64_t imaginary = part(&zn, 4 * i + k + 1, quarter, false) * part(&zm, 4 * at + k + !swaps, quarter, false);

			sum += (uint64_t)(subtracts ? real - imaginary : real + imaginary);
		}
		sve_put(zda, i, bytes, sum);
	}
	a64_next(cpu, insn);
}

/* SMMLA, UMMLA, USMMLA (FEAT_I8MM): of each 128 bits, a 2 x 8 matrix times an 8 x 2 one. arg: DOT_*. */
static void matrix_multiply(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int how = sve_row(insn)->arg;
	const union arm64_z zn = *sve_zn(cpu, insn), zm = *sve_zm(cpu, insn);
	union arm64_z *zda = sve_zd(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / 4u; i++) {
		unsigned int segment = i / 4 * 16, row = segment + i % 4 / 2 * 8, column = segment + i % 2 * 8;

		for (unsigned int k = 0; k < 8; k++)
			zda->s[i] += (uint32_t)(part(&zn, row + k, 1, how & DOT_N_UNSIGNED) * part(&zm, column + k, 1, how & DOT_M_UNSIGNED));
	}
	a64_next(cpu, insn);
}

/* ---- The encodings. ---- */

const struct sve_row sve2_multiply_rows[] = {
	/* MUL, SMULH, UMULH, PMUL, SQDMULH, SQRDMULH; SQRDMLAH, SQRDMLSH. */
	{ 0xff20fc00, 0x04206000, sve_unpredicated, { .binary = sve_mul } },
	{ 0xff20fc00, 0x04206800, sve_unpredicated, { .binary = sve_smulh } },
	{ 0xff20fc00, 0x04206c00, sve_unpredicated, { .binary = sve_umulh } },
	{ 0xffe0fc00, 0x04206400, sve_unpredicated, { .binary = pmul } },
	{ 0xff20fc00, 0x04207000, sve_unpredicated, { .binary = sqdmulh } },
	{ 0xff20fc00, 0x04207400, sve_unpredicated, { .binary = sqrdmulh } },
	{ 0xff20fc00, 0x44007000, sve_accumulate, { .ternary = sqrdmlah } },
	{ 0xff20fc00, 0x44007400, sve_accumulate, { .ternary = sqrdmlsh } },
	/* By an element: MLA, MLS, SQRDMLAH, SQRDMLSH, SQDMULH, SQRDMULH, MUL. */
	{ 0xff20fc00, 0x44200800, indexed, { .ternary = sve_mla } },
	{ 0xff20fc00, 0x44200c00, indexed, { .ternary = sve_mls } },
	{ 0xff20fc00, 0x44201000, indexed, { .ternary = sqrdmlah } },
	{ 0xff20fc00, 0x44201400, indexed, { .ternary = sqrdmlsh } },
	{ 0xff20fc00, 0x4420f000, indexed, { .binary = sqdmulh }, .arg = true },
	{ 0xff20fc00, 0x4420f400, indexed, { .binary = sqrdmulh }, .arg = true },
	{ 0xff20fc00, 0x4420f800, indexed, { .binary = sve_mul }, .arg = true },
	/* Long: SQDMULL, PMULL, SMULL, UMULL. */
	{ 0xff20fc00, 0x45006000, sve2_widen, { .binary = sqdmull }, SVE_HSD, WIDEN_SIGNED },
	{ 0xff20fc00, 0x45006400, sve2_widen, { .binary = sqdmull }, SVE_HSD, WIDEN_SIGNED | WIDEN_TOP },
	{ 0xff20fc00, 0x45006800, sve2_widen, { .binary = pmul }, SVE_H | SVE_D },
	{ 0xff20fc00, 0x45006c00, sve2_widen, { .binary = pmul }, SVE_H | SVE_D, WIDEN_TOP },
	{ 0xff20fc00, 0x45007000, sve2_widen, { .binary = sve_mul }, SVE_HSD, WIDEN_SIGNED },
	{ 0xff20fc00, 0x45007400, sve2_widen, { .binary = sve_mul }, SVE_HSD, WIDEN_SIGNED | WIDEN_TOP },
	{ 0xff20fc00, 0x45007800, sve2_widen, { .binary = sve_mul }, SVE_HSD },
	{ 0xff20fc00, 0x45007c00, sve2_widen, { .binary = sve_mul }, SVE_HSD, WIDEN_TOP },
	/* Long, accumulating: SMLAL, UMLAL, SMLSL, UMLSL, SQDMLAL, SQDMLSL, SQDMLALBT, SQDMLSLBT. */
	{ 0xff20fc00, 0x44004000, sve2_widen_accumulate, { .ternary = sve_mla }, SVE_HSD, WIDEN_SIGNED },
	{ 0xff20fc00, 0x44004400, sve2_widen_accumulate, { .ternary = sve_mla }, SVE_HSD, WIDEN_SIGNED | WIDEN_TOP },
	{ 0xff20fc00, 0x44004800, sve2_widen_accumulate, { .ternary = sve_mla }, SVE_HSD },
	{ 0xff20fc00, 0x44004c00, sve2_widen_accumulate, { .ternary = sve_mla }, SVE_HSD, WIDEN_TOP },
	{ 0xff20fc00, 0x44005000, sve2_widen_accumulate, { .ternary = sve_mls }, SVE_HSD, WIDEN_SIGNED },
	{ 0xff20fc00, 0x44005400, sve2_widen_accumulate, { .ternary = sve_mls }, SVE_HSD, WIDEN_SIGNED | WIDEN_TOP },
	{ 0xff20fc00, 0x44005800, sve2_widen_accumulate, { .ternary = sve_mls }, SVE_HSD },
	{ 0xff20fc00, 0x44005c00, sve2_widen_accumulate, { .ternary = sve_mls }, SVE_HSD, WIDEN_TOP },
	{ 0xff20fc00, 0x44006000, sve2_widen_accumulate, { .ternary = sqdmlal }, SVE_HSD, WIDEN_SIGNED },
	{ 0xff20fc00, 0x44006400, sve2_widen_accumulate, { .ternary = sqdmlal }, SVE_HSD, WIDEN_SIGNED | WIDEN_TOP },
	{ 0xff20fc00, 0x44006800, sve2_widen_accumulate, { .ternary = sqdmlsl }, SVE_HSD, WIDEN_SIGNED },
	{ 0xff20fc00, 0x44006c00, sve2_widen_accumulate, { .ternary = sqdmlsl }, SVE_HSD, WIDEN_SIGNED | WIDEN_TOP },
	{ 0xff20fc00, 0x44000800, sve2_widen_accumulate, { .ternary = sqdmlal }, SVE_HSD, WIDEN_SIGNED | WIDEN_M_TOP },
	{ 0xff20fc00, 0x44000c00, sve2_widen_accumulate, { .ternary = sqdmlsl }, SVE_HSD, WIDEN_SIGNED | WIDEN_M_TOP },
	/* Long, by an element: SQDMLAL, SQDMLSL, SMLAL, UMLAL, SMLSL, UMLSL, SMULL, UMULL, SQDMULL. */
	{ 0xffa0f400, 0x44a02000, sve2_widen_accumulate_indexed, { .ternary = sqdmlal }, .arg = WIDEN_SIGNED },
	{ 0xffa0f400, 0x44a02400, sve2_widen_accumulate_indexed, { .ternary = sqdmlal }, .arg = WIDEN_SIGNED | WIDEN_N_TOP },
	{ 0xffa0f400, 0x44a03000, sve2_widen_accumulate_indexed, { .ternary = sqdmlsl }, .arg = WIDEN_SIGNED },
	{ 0xffa0f400, 0x44a03400, sve2_widen_accumulate_indexed, { .ternary = sqdmlsl }, .arg = WIDEN_SIGNED | WIDEN_N_TOP },
	{ 0xffa0f400, 0x44a08000, sve2_widen_accumulate_indexed, { .ternary = sve_mla }, .arg = WIDEN_SIGNED },
	{ 0xffa0f400, 0x44a08400, sve2_widen_accumulate_indexed, { .ternary = sve_mla }, .arg = WIDEN_SIGNED | WIDEN_N_TOP },
	{ 0xffa0f400, 0x44a09000, sve2_widen_accumulate_indexed, { .ternary = sve_mla } },
	{ 0xffa0f400, 0x44a09400, sve2_widen_accumulate_indexed, { .ternary = sve_mla }, .arg = WIDEN_N_TOP },
	{ 0xffa0f400, 0x44a0a000, sve2_widen_accumulate_indexed, { .ternary = sve_mls }, .arg = WIDEN_SIGNED },
	{ 0xffa0f400, 0x44a0a400, sve2_widen_accumulate_indexed, { .ternary = sve_mls }, .arg = WIDEN_SIGNED | WIDEN_N_TOP },
	{ 0xffa0f400, 0x44a0b000, sve2_widen_accumulate_indexed, { .ternary = sve_mls } },
	{ 0xffa0f400, 0x44a0b400, sve2_widen_accumulate_indexed, { .ternary = sve_mls }, .arg = WIDEN_N_TOP },
	{ 0xffa0f400, 0x44a0c000, sve2_widen_indexed, { .binary = sve_mul }, .arg = WIDEN_SIGNED },
	{ 0xffa0f400, 0x44a0c400, sve2_widen_indexed, { .binary = sve_mul }, .arg = WIDEN_SIGNED | WIDEN_N_TOP },
	{ 0xffa0f400, 0x44a0d000, sve2_widen_indexed, { .binary = sve_mul } },
	{ 0xffa0f400, 0x44a0d400, sve2_widen_indexed, { .binary = sve_mul }, .arg = WIDEN_N_TOP },
	{ 0xffa0f400, 0x44a0e000, sve2_widen_indexed, { .binary = sqdmull }, .arg = WIDEN_SIGNED },
	{ 0xffa0f400, 0x44a0e400, sve2_widen_indexed, { .binary = sqdmull }, .arg = WIDEN_SIGNED | WIDEN_N_TOP },
	/* CADD, SQCADD, CMLA, SQRDCMLAH. */
	{ 0xff3ef800, 0x4500d800, complex_add },
	{ 0xff20e000, 0x44002000, cmla },
	{ 0xffa0e000, 0x44a06000, cmla_indexed },
	/* Dot products: SDOT, UDOT; USDOT, SUDOT (FEAT_I8MM); CDOT. */
	{ 0xffa0fc00, 0x44800000, dot },
	{ 0xffa0fc00, 0x44800400, dot, .arg = DOT_N_UNSIGNED | DOT_M_UNSIGNED },
	{ 0xffa0fc00, 0x44a00000, dot, .arg = DOT_INDEXED },
	{ 0xffa0fc00, 0x44a00400, dot, .arg = DOT_INDEXED | DOT_N_UNSIGNED | DOT_M_UNSIGNED },
	{ 0xffe0fc00, 0x44807800, dot, .arg = DOT_N_UNSIGNED },
	{ 0xffe0fc00, 0x44a01800, dot, .arg = DOT_INDEXED | DOT_N_UNSIGNED },
	{ 0xffe0fc00, 0x44a01c00, dot, .arg = DOT_INDEXED | DOT_M_UNSIGNED },
	{ 0xffa0f000, 0x44801000, complex_dot },
	{ 0xffa0f000, 0x44a04000, complex_dot, .arg = DOT_INDEXED },
	/* SMMLA, USMMLA, UMMLA. */
	{ 0xffe0fc00, 0x45009800, matrix_multiply },
	{ 0xffe0fc00, 0x45809800, matrix_multiply, .arg = DOT_N_UNSIGNED },
	{ 0xffe0fc00, 0x45c09800, matrix_multiply, .arg = DOT_N_UNSIGNED | DOT_M_UNSIGNED },
	{ 0 },
};
