/*
 * SVE2 instructions whose results are twice or half as wide as their operands: long and wide arithmetic, narrowing shifts and extracts, high
 * halves of sums; and others that work on even or odd elements alone.
 */
#include "arm64/cpu/sve2_widen.h"

/* ---- Element functions. ---- */

static uint64_t sabal(uint64_t addend, uint64_t a, uint64_t b, unsigned int esize)
{
	return addend + sve_sabd(a, b, esize);
}

static uint64_t uabal(uint64_t addend, uint64_t a, uint64_t b, unsigned int esize)
{
	return addend + sve_uabd(a, b, esize);
}

/* Narrowing ones: esize is that of the wide operand. */
static uint64_t shift_right(uint64_t a, uint64_t count, unsigned int esize)
{
	(void)esize;
	return a >> count;
}

static __int128 rounding_shift(__int128 a, uint64_t count)
{
	return (a + ((__int128)1 << count >> 1)) >> count;
}

static uint64_t rshrn(uint64_t a, uint64_t count, unsigned int esize)
{
	(void)esize;
	return (uint64_t)rounding_shift(a, count);
}

static uint64_t sqshrn(uint64_t a, uint64_t count, unsigned int esize)
{
	return sve_saturate_signed(sve_signed(a, esize) >> count, esize / 2);
}

static uint64_t sqrshrn(uint64_t a, uint64_t count, unsigned int esize)
{
	return sve_saturate_signed(rounding_shift(sve_signed(a, esize), count), esize / 2);
}

static uint64_t uqshrn(uint64_t a, uint64_t count, unsigned int esize)
{
	return sve_saturate_unsigned(a >> count, esize / 2);
}

static uint64_t uqrshrn(uint64_t a, uint64_t count, unsigned int esize)
{
	return sve_saturate_unsigned(rounding_shift(a, count), esize / 2);
}

static uint64_t sqshrun(uint64_t a, uint64_t count, unsigned int esize)
{
	return sve_saturate_unsigned(sve_signed(a, esize) >> count, esize / 2);
}

static uint64_t sqrshrun(uint64_t a, uint64_t count, unsigned int esize)
{
	return sve_saturate_unsigned(rounding_shift(sve_signed(a, esize), count), esize / 2);
}

static uint64_t addhn(uint64_t a, uint64_t b, unsigned int esize)
{
	return ((a + b) & sve_mask(esize)) >> esize / 2;
}

static uint64_t raddhn(uint64_t a, uint64_t b, unsigned int esize)
{
	return ((a + b + (UINT64_C(1) << (esize / 2 - 1))) & sve_mask(esize)) >> esize / 2;
}

static uint64_t subhn(uint64_t a, uint64_t b, unsigned int esize)
{
	return ((a - b) & sve_mask(esize)) >> esize / 2;
}

static uint64_t rsubhn(uint64_t a, uint64_t b, unsigned int esize)
{
	return ((a - b + (UINT64_C(1) << (esize / 2 - 1))) & sve_mask(esize)) >> esize / 2;
}

/* ---- Widening. ---- */

/* Element `index`, of half the width, extended. */
static uint64_t extended(const union arm64_z *z, unsigned int index, unsigned int bytes, bool is_signed)
{
	uint64_t value = sve_get(z, index, bytes / 2);

	return is_signed ? (uint64_t)sve_signed(value, 4 * bytes) : value;
}

/* Words: bits 19, 18 and 11 are the index of a halfword, bits 18:16 Zm. Doublewords: bits 20 and 11, of a word; bits 19:16. */
static unsigned int indexed_element(uint32_t word, unsigned int bytes)
{
	return bytes == 4 ? bits(word, 20, 19) << 1 | bit(word, 11) : bit(word, 20) << 1 | bit(word, 11);
}

static void widen(struct arm64_vcpu *cpu, const struct a64_insn *insn, bool accumulates, bool indexed)
{
	const struct sve_row *row = sve_row(insn);
	uint32_t word = insn->word;
	unsigned int bytes = sve_bytes(insn), segment = 16 / (bytes / 2), index = indexed_element(word, bytes);
	bool is_signed = row->arg & WIDEN_SIGNED, n_top = row->arg & WIDEN_N_TOP, m_top = row->arg & WIDEN_M_TOP;
	const union arm64_z zn = *sve_zn(cpu, insn), zm = cpu->z[!indexed ? bits(word, 20, 16) : bytes == 4 ? bits(word, 18, 16) : bits(word, 19, 16)];
	union arm64_z *zd = sve_zd(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		uint64_t n = row->arg & WIDEN_N_WIDE ? sve_get(&zn, i, bytes) : extended(&zn, 2 * i + n_top, bytes, is_signed);
		uint64_t m = extended(&zm, indexed ? 2 * i - 2 * i % segment + index : 2 * i + m_top, bytes, is_signed);

		sve_put(zd, i, bytes, accumulates ? row->op.ternary(sve_get(zd, i, bytes), n, m, 8 * bytes) : row->op.binary(n, m, 8 * bytes));
	}
	a64_next(cpu, insn);
}

void sve2_widen(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	widen(cpu, insn, false, false);
}

void sve2_widen_accumulate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	widen(cpu, insn, true, false);
}

void sve2_widen_indexed(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	widen(cpu, insn, false, true);
}

void sve2_widen_accumulate_indexed(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	widen(cpu, insn, true, true);
}

/* SSHLLB ... USHLLT: bit 11 unsigned, bit 10 top. The immediate's size is that of the operands. */
static void shift_long(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z zn = *sve_zn(cpu, insn);
	unsigned int tsz = sve_tsz(insn->word, 16), bytes = 2 * sve_tsz_bytes(tsz), count = sve_shift_left(tsz);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		sve_put(sve_zd(cpu, insn), i, bytes, extended(&zn, 2 * i + bit(insn->word, 10), bytes, !bit(insn->word, 11)) << count);
	a64_next(cpu, insn);
}

/* ---- Narrowing: into even elements, odd ones being cleared; or (bit 10) into odd ones, even ones staying. ---- */

static void narrow_put(struct arm64_vcpu *cpu, const struct a64_insn *insn, unsigned int i, unsigned int bytes, uint64_t value)
{
	union arm64_z *zd = sve_zd(cpu, insn);

	if (bit(insn->word, 10))
		sve_put(zd, 2 * i + 1, bytes / 2, value);
	else
		sve_put(zd, i, bytes, value & sve_mask(4 * bytes));
}

/* op.binary(Zn, shift): the immediate's size is that of the results. */
static void shift_narrow(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z *zn = sve_zn(cpu, insn);
	unsigned int tsz = sve_tsz(insn->word, 16), bytes = 2 * sve_tsz_bytes(tsz), count = sve_shift_right(tsz);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		narrow_put(cpu, insn, i, bytes, sve_row(insn)->op.binary(sve_get(zn, i, bytes), count, 8 * bytes));
	a64_next(cpu, insn);
}

/* SQXTNB and its like: op.binary(Zn, 0). */
static void extract_narrow(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z *zn = sve_zn(cpu, insn);
	unsigned int bytes = 2 * sve_tsz_bytes(sve_tsz(insn->word, 16));

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		narrow_put(cpu, insn, i, bytes, sve_row(insn)->op.binary(sve_get(zn, i, bytes), 0, 8 * bytes));
	a64_next(cpu, insn);
}

/* ADDHNB and its like: op.binary(Zn, Zm); the size is that of the operands. */
static void high_narrow(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z zn = *sve_zn(cpu, insn), zm = *sve_zm(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		narrow_put(cpu, insn, i, bytes, sve_row(insn)->op.binary(sve_get(&zn, i, bytes), sve_get(&zm, i, bytes), 8 * bytes));
	a64_next(cpu, insn);
}

/* ---- Even and odd elements. ---- */

/* EORBT, EORTB (bit 10): elements of Zn with their neighbours of Zm, into Zn's places. */
static void eor_interleaved(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z zn = *sve_zn(cpu, insn), zm = *sve_zm(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = bit(insn->word, 10); i < cpu->vl / bytes; i += 2)
		sve_put(sve_zd(cpu, insn), i, bytes, sve_get(&zn, i, bytes) ^ sve_get(&zm, i ^ 1, bytes));
	a64_next(cpu, insn);
}

/*
 * ADCLB, ADCLT (bit 10), SBCLB, SBCLT (bit 23: of the inverse): even elements of Zda + even or odd ones of Zn + bit 0 of Zm's odd ones, which is the
 * carry; the new carry goes to Zda's odd elements.
 */
static void add_carry_long(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z zn = *sve_zn(cpu, insn), zm = *sve_zm(cpu, insn);
	union arm64_z *zda = sve_zd(cpu, insn);
	unsigned int bytes = bit(insn->word, 22) ? 8 : 4;

	for (unsigned int i = 0; i < cpu->vl / bytes; i += 2) {
		uint64_t n = sve_get(&zn, i + bit(insn->word, 10), bytes);
		unsigned __int128 sum;

		if (bit(insn->word, 23))
			n = ~n & sve_mask(8 * bytes);
		sum = (unsigned __int128)sve_get(zda, i, bytes) + n + (sve_get(&zm, i + 1, bytes) & 1);
		sve_put(zda, i, bytes, (uint64_t)sum);
		sve_put(zda, i + 1, bytes, (uint64_t)(sum >> 8 * bytes));
	}
	a64_next(cpu, insn);
}

/* ---- The encodings. ---- */

const struct sve_row sve2_widen_rows[] = {
	/* Long. */
	{ 0xff20fc00, 0x45000000, sve2_widen, { .binary = sve_add }, SVE_HSD, WIDEN_SIGNED },
	{ 0xff20fc00, 0x45000400, sve2_widen, { .binary = sve_add }, SVE_HSD, WIDEN_SIGNED | WIDEN_TOP },
	{ 0xff20fc00, 0x45000800, sve2_widen, { .binary = sve_add }, SVE_HSD },
	{ 0xff20fc00, 0x45000c00, sve2_widen, { .binary = sve_add }, SVE_HSD, WIDEN_TOP },
	{ 0xff20fc00, 0x45001000, sve2_widen, { .binary = sve_sub }, SVE_HSD, WIDEN_SIGNED },
	{ 0xff20fc00, 0x45001400, sve2_widen, { .binary = sve_sub }, SVE_HSD, WIDEN_SIGNED | WIDEN_TOP },
	{ 0xff20fc00, 0x45001800, sve2_widen, { .binary = sve_sub }, SVE_HSD },
	{ 0xff20fc00, 0x45001c00, sve2_widen, { .binary = sve_sub }, SVE_HSD, WIDEN_TOP },
	{ 0xff20fc00, 0x45003000, sve2_widen, { .binary = sve_sabd }, SVE_HSD, WIDEN_SIGNED },
	{ 0xff20fc00, 0x45003400, sve2_widen, { .binary = sve_sabd }, SVE_HSD, WIDEN_SIGNED | WIDEN_TOP },
	{ 0xff20fc00, 0x45003800, sve2_widen, { .binary = sve_uabd }, SVE_HSD },
	{ 0xff20fc00, 0x45003c00, sve2_widen, { .binary = sve_uabd }, SVE_HSD, WIDEN_TOP },
	/* SADDLBT, SSUBLBT, SSUBLTB. */
	{ 0xff20fc00, 0x45008000, sve2_widen, { .binary = sve_add }, SVE_HSD, WIDEN_SIGNED | WIDEN_M_TOP },
	{ 0xff20fc00, 0x45008800, sve2_widen, { .binary = sve_sub }, SVE_HSD, WIDEN_SIGNED | WIDEN_M_TOP },
	{ 0xff20fc00, 0x45008c00, sve2_widen, { .binary = sve_sub }, SVE_HSD, WIDEN_SIGNED | WIDEN_N_TOP },
	/* Wide. */
	{ 0xff20fc00, 0x45004000, sve2_widen, { .binary = sve_add }, SVE_HSD, WIDEN_N_WIDE | WIDEN_SIGNED },
	{ 0xff20fc00, 0x45004400, sve2_widen, { .binary = sve_add }, SVE_HSD, WIDEN_N_WIDE | WIDEN_SIGNED | WIDEN_TOP },
	{ 0xff20fc00, 0x45004800, sve2_widen, { .binary = sve_add }, SVE_HSD, WIDEN_N_WIDE },
	{ 0xff20fc00, 0x45004c00, sve2_widen, { .binary = sve_add }, SVE_HSD, WIDEN_N_WIDE | WIDEN_TOP },
	{ 0xff20fc00, 0x45005000, sve2_widen, { .binary = sve_sub }, SVE_HSD, WIDEN_N_WIDE | WIDEN_SIGNED },
	{ 0xff20fc00, 0x45005400, sve2_widen, { .binary = sve_sub }, SVE_HSD, WIDEN_N_WIDE | WIDEN_SIGNED | WIDEN_TOP },
	{ 0xff20fc00, 0x45005800, sve2_widen, { .binary = sve_sub }, SVE_HSD, WIDEN_N_WIDE },
	{ 0xff20fc00, 0x45005c00, sve2_widen, { .binary = sve_sub }, SVE_HSD, WIDEN_N_WIDE | WIDEN_TOP },
	/* SSHLLB ... USHLLT; EORBT, EORTB; SABALB ... UABALT; ADCLB ... SBCLT. */
	{ 0xffa0f000, 0x4500a000, shift_long, .sizes = SVE_TSZ_20 },
	{ 0xff20f800, 0x45009000, eor_interleaved },
	{ 0xff20fc00, 0x4500c000, sve2_widen_accumulate, { .ternary = sabal }, SVE_HSD, WIDEN_SIGNED },
	{ 0xff20fc00, 0x4500c400, sve2_widen_accumulate, { .ternary = sabal }, SVE_HSD, WIDEN_SIGNED | WIDEN_TOP },
	{ 0xff20fc00, 0x4500c800, sve2_widen_accumulate, { .ternary = uabal }, SVE_HSD },
	{ 0xff20fc00, 0x4500cc00, sve2_widen_accumulate, { .ternary = uabal }, SVE_HSD, WIDEN_TOP },
	{ 0xff20f800, 0x4500d000, add_carry_long },
	/* SQXTN, UQXTN, SQXTUN of each size, bottom and top. */
	{ 0xfffff800, 0x45284000, extract_narrow, { .binary = sqshrn } },
	{ 0xfffff800, 0x45304000, extract_narrow, { .binary = sqshrn } },
	{ 0xfffff800, 0x45604000, extract_narrow, { .binary = sqshrn } },
	{ 0xfffff800, 0x45284800, extract_narrow, { .binary = uqshrn } },
	{ 0xfffff800, 0x45304800, extract_narrow, { .binary = uqshrn } },
	{ 0xfffff800, 0x45604800, extract_narrow, { .binary = uqshrn } },
	{ 0xfffff800, 0x45285000, extract_narrow, { .binary = sqshrun } },
	{ 0xfffff800, 0x45305000, extract_narrow, { .binary = sqshrun } },
	{ 0xfffff800, 0x45605000, extract_narrow, { .binary = sqshrun } },
	/* SQSHRUN, SQRSHRUN, SHRN, RSHRN, SQSHRN, SQRSHRN, UQSHRN, UQRSHRN. */
	{ 0xffa0f800, 0x45200000, shift_narrow, { .binary = sqshrun }, SVE_TSZ_20 },
	{ 0xffa0f800, 0x45200800, shift_narrow, { .binary = sqrshrun }, SVE_TSZ_20 },
	{ 0xffa0f800, 0x45201000, shift_narrow, { .binary = shift_right }, SVE_TSZ_20 },
	{ 0xffa0f800, 0x45201800, shift_narrow, { .binary = rshrn }, SVE_TSZ_20 },
	{ 0xffa0f800, 0x45202000, shift_narrow, { .binary = sqshrn }, SVE_TSZ_20 },
	{ 0xffa0f800, 0x45202800, shift_narrow, { .binary = sqrshrn }, SVE_TSZ_20 },
	{ 0xffa0f800, 0x45203000, shift_narrow, { .binary = uqshrn }, SVE_TSZ_20 },
	{ 0xffa0f800, 0x45203800, shift_narrow, { .binary = uqrshrn }, SVE_TSZ_20 },
	/* ADDHN, RADDHN, SUBHN, RSUBHN. */
	{ 0xff20f800, 0x45206000, high_narrow, { .binary = addhn }, SVE_HSD },
	{ 0xff20f800, 0x45206800, high_narrow, { .binary = raddhn }, SVE_HSD },
	{ 0xff20f800, 0x45207000, high_narrow, { .binary = subhn }, SVE_HSD },
	{ 0xff20f800, 0x45207800, high_narrow, { .binary = rsubhn }, SVE_HSD },
	{ 0 },
};
