/*
 * SVE2's integer arithmetic on elements of one width: saturating, rounding, halving, pairwise; shifts by signed counts, shifts that accumulate or
 * insert. Saturation sets no flag: FPSR.QC is Advanced SIMD's.
 */
#include "arm64/cpu/sve.h"

/* ---- Shifts: left by a positive count, right by a negative one. ---- */

/* a * 2^count, as it is before it is cut off or saturated. */
static __int128 shifted(__int128 a, int64_t count, bool rounds, unsigned int esize)
{
	if (count >= (int64_t)esize) /* nothing is left of it, or it is too large */
		return a == 0 ? 0 : a > 0 ? (__int128)1 << esize : -((__int128)1 << esize);
	if (count >= 0)
		return a << count;
	if (count < -(int64_t)esize)
		count = -(int64_t)esize - 1;
	if (rounds)
		a += (__int128)1 << (-count - 1);
	return a >> -count;
}

static uint64_t srshl(uint64_t a, uint64_t b, unsigned int esize)
{
	return (uint64_t)shifted(sve_signed(a, esize), sve_signed(b, esize), true, esize);
}

static uint64_t urshl(uint64_t a, uint64_t b, unsigned int esize)
{
	return (uint64_t)shifted(a, sve_signed(b, esize), true, esize);
}

static uint64_t sqshl(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_saturate_signed(shifted(sve_signed(a, esize), sve_signed(b, esize), false, esize), esize);
}

static uint64_t uqshl(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_saturate_unsigned(shifted(a, sve_signed(b, esize), false, esize), esize);
}

static uint64_t sqrshl(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_saturate_signed(shifted(sve_signed(a, esize), sve_signed(b, esize), true, esize), esize);
}

static uint64_t uqrshl(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_saturate_unsigned(shifted(a, sve_signed(b, esize), true, esize), esize);
}

static uint64_t sqshlu(uint64_t a, uint64_t count, unsigned int esize)
{
	return sve_saturate_unsigned(shifted(sve_signed(a, esize), (int64_t)count, false, esize), esize);
}

static uint64_t srshr(uint64_t a, uint64_t count, unsigned int esize)
{
	return (uint64_t)shifted(sve_signed(a, esize), -(int64_t)count, true, esize);
}

static uint64_t urshr(uint64_t a, uint64_t count, unsigned int esize)
{
	return (uint64_t)shifted(a, -(int64_t)count, true, esize);
}

/* Shift and accumulate, shift and insert: b is the count. */
static uint64_t ssra(uint64_t addend, uint64_t a, uint64_t count, unsigned int esize)
{
	return addend + (uint64_t)shifted(sve_signed(a, esize), -(int64_t)count, false, esize);
}

static uint64_t usra(uint64_t addend, uint64_t a, uint64_t count, unsigned int esize)
{
	return addend + (uint64_t)shifted(a, -(int64_t)count, false, esize);
}

static uint64_t srsra(uint64_t addend, uint64_t a, uint64_t count, unsigned int esize)
{
	return addend + srshr(a, count, esize);
}

static uint64_t ursra(uint64_t addend, uint64_t a, uint64_t count, unsigned int esize)
{
	return addend + urshr(a, count, esize);
}

static uint64_t sri(uint64_t into, uint64_t a, uint64_t count, unsigned int esize)
{
	return count == esize ? into : (into & ~(sve_mask(esize) >> count)) | a >> count;
}

static uint64_t sli(uint64_t into, uint64_t a, uint64_t count, unsigned int esize)
{
	(void)esize;
	return (into & ((UINT64_C(1) << count) - 1)) | a << count;
}

/* ---- Halving and saturating. ---- */

static uint64_t shadd(uint64_t a, uint64_t b, unsigned int esize)
{
	return (uint64_t)(((__int128)sve_signed(a, esize) + sve_signed(b, esize)) >> 1);
}

static uint64_t uhadd(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return (uint64_t)(((__int128)a + b) >> 1);
}

static uint64_t shsub(uint64_t a, uint64_t b, unsigned int esize)
{
	return (uint64_t)(((__int128)sve_signed(a, esize) - sve_signed(b, esize)) >> 1);
}

static uint64_t uhsub(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return (uint64_t)(((__int128)a - b) >> 1);
}

static uint64_t srhadd(uint64_t a, uint64_t b, unsigned int esize)
{
	return (uint64_t)(((__int128)sve_signed(a, esize) + sve_signed(b, esize) + 1) >> 1);
}

static uint64_t urhadd(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return (uint64_t)(((__int128)a + b + 1) >> 1);
}

static uint64_t suqadd(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_saturate_signed((__int128)sve_signed(a, esize) + b, esize);
}

static uint64_t usqadd(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_saturate_unsigned((__int128)a + sve_signed(b, esize), esize);
}

static uint64_t sqabs(uint64_t a, unsigned int esize)
{
	__int128 value = sve_signed(a, esize);

	return sve_saturate_signed(value < 0 ? -value : value, esize);
}

static uint64_t sqneg(uint64_t a, unsigned int esize)
{
	return sve_saturate_signed(-(__int128)sve_signed(a, esize), esize);
}

static uint64_t saba(uint64_t addend, uint64_t a, uint64_t b, unsigned int esize)
{
	return addend + sve_sabd(a, b, esize);
}

static uint64_t uaba(uint64_t addend, uint64_t a, uint64_t b, unsigned int esize)
{
	return addend + sve_uabd(a, b, esize);
}

/* UnsignedRecipEstimate(): of a number in [0.5, 1) in 9 bits. */
static uint64_t urecpe(uint64_t a, unsigned int esize)
{
	uint64_t divisor = (a >> 23) * 2 + 1;

	(void)esize;
	return a >> 31 ? ((UINT64_C(1) << 19) / divisor + 1) / 2 << 23 : UINT32_MAX;
}

/* UnsignedRSqrtEstimate(): of a number in [0.25, 1) in 9 bits. */
static uint64_t ursqrte(uint64_t a, unsigned int esize)
{
	uint64_t top = a >> 23, root = 512;

	(void)esize;
	if (!(a >> 30))
		return UINT32_MAX;
	top = top < 256 ? top * 2 + 1 : (top / 2 * 2 + 1) * 2;
	while (top * (root + 1) * (root + 1) < UINT64_C(1) << 28)
		root++;
	return (root + 1) / 2 << 23;
}

/* ---- Handlers. ---- */

/* Zdn = op.binary over pairs of Zdn in even elements, of Zm in odd ones, where Pg. */
static void pairwise(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sve_binary *op = sve_row(insn)->op.binary;
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z zn = *sve_zd(cpu, insn), zm = *sve_zn(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		const union arm64_z *from = i % 2 ? &zm : &zn;

		if (sve_active(pg, i * bytes))
			sve_put(sve_zd(cpu, insn), i, bytes, op(sve_get(from, i & ~1u, bytes), sve_get(from, i | 1, bytes), 8 * bytes));
	}
	a64_next(cpu, insn);
}

/* SADALP, UADALP (bit 16): pairs of elements half as wide are added and accumulated. */
static void add_pairs(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z zn = *sve_zn(cpu, insn);
	union arm64_z *zda = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		uint64_t even = sve_get(&zn, 2 * i, bytes / 2), odd = sve_get(&zn, 2 * i + 1, bytes / 2);

		if (!bit(insn->word, 16)) {
			even = (uint64_t)sve_signed(even, 4 * bytes);
			odd = (uint64_t)sve_signed(odd, 4 * bytes);
		}
		if (sve_active(pg, i * bytes))
			sve_put(zda, i, bytes, sve_get(zda, i, bytes) + even + odd);
	}
	a64_next(cpu, insn);
}

/* Zda = op.ternary(Zda, Zn, shift); arg: left. */
static void shift_accumulate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const struct sve_row *row = sve_row(insn);
	const union arm64_z *zn = sve_zn(cpu, insn);
	union arm64_z *zda = sve_zd(cpu, insn);
	unsigned int tsz = sve_tsz(insn->word, 16), bytes = sve_tsz_bytes(tsz);
	unsigned int count = row->arg ? sve_shift_left(tsz) : sve_shift_right(tsz);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		sve_put(zda, i, bytes, row->op.ternary(sve_get(zda, i, bytes), sve_get(zn, i, bytes), count, 8 * bytes));
	a64_next(cpu, insn);
}

/* ---- The encodings. ---- */

const struct sve_row sve2_integer_rows[] = {
	/* Shifts by an immediate: SQSHL, UQSHL, SRSHR, URSHR, SQSHLU. */
	{ 0xff3fe000, 0x04068000, sve_shift_predicated, { .binary = sqshl }, SVE_TSZ_9, true },
	{ 0xff3fe000, 0x04078000, sve_shift_predicated, { .binary = uqshl }, SVE_TSZ_9, true },
	{ 0xff3fe000, 0x040c8000, sve_shift_predicated, { .binary = srshr }, SVE_TSZ_9, false },
	{ 0xff3fe000, 0x040d8000, sve_shift_predicated, { .binary = urshr }, SVE_TSZ_9, false },
	{ 0xff3fe000, 0x040f8000, sve_shift_predicated, { .binary = sqshlu }, SVE_TSZ_9, true },
	/* Shifts by vectors. */
	{ 0xff3fe000, 0x44028000, sve_predicated, { .binary = srshl } },
	{ 0xff3fe000, 0x44038000, sve_predicated, { .binary = urshl } },
	{ 0xff3fe000, 0x44068000, sve_predicated_reversed, { .binary = srshl } },
	{ 0xff3fe000, 0x44078000, sve_predicated_reversed, { .binary = urshl } },
	{ 0xff3fe000, 0x44088000, sve_predicated, { .binary = sqshl } },
	{ 0xff3fe000, 0x44098000, sve_predicated, { .binary = uqshl } },
	{ 0xff3fe000, 0x440a8000, sve_predicated, { .binary = sqrshl } },
	{ 0xff3fe000, 0x440b8000, sve_predicated, { .binary = uqrshl } },
	{ 0xff3fe000, 0x440c8000, sve_predicated_reversed, { .binary = sqshl } },
	{ 0xff3fe000, 0x440d8000, sve_predicated_reversed, { .binary = uqshl } },
	{ 0xff3fe000, 0x440e8000, sve_predicated_reversed, { .binary = sqrshl } },
	{ 0xff3fe000, 0x440f8000, sve_predicated_reversed, { .binary = uqrshl } },
	/* SHADD ... URHADD, SHSUBR, UHSUBR. */
	{ 0xff3fe000, 0x44108000, sve_predicated, { .binary = shadd } },
	{ 0xff3fe000, 0x44118000, sve_predicated, { .binary = uhadd } },
	{ 0xff3fe000, 0x44128000, sve_predicated, { .binary = shsub } },
	{ 0xff3fe000, 0x44138000, sve_predicated, { .binary = uhsub } },
	{ 0xff3fe000, 0x44148000, sve_predicated, { .binary = srhadd } },
	{ 0xff3fe000, 0x44158000, sve_predicated, { .binary = urhadd } },
	{ 0xff3fe000, 0x44168000, sve_predicated_reversed, { .binary = shsub } },
	{ 0xff3fe000, 0x44178000, sve_predicated_reversed, { .binary = uhsub } },
	/* Saturating: SQADD ... UQSUB, SUQADD, USQADD, SQSUBR, UQSUBR; SQABS, SQNEG; URECPE, URSQRTE. */
	{ 0xff3fe000, 0x44188000, sve_predicated, { .binary = sve_sqadd } },
	{ 0xff3fe000, 0x44198000, sve_predicated, { .binary = sve_uqadd } },
	{ 0xff3fe000, 0x441a8000, sve_predicated, { .binary = sve_sqsub } },
	{ 0xff3fe000, 0x441b8000, sve_predicated, { .binary = sve_uqsub } },
	{ 0xff3fe000, 0x441c8000, sve_predicated, { .binary = suqadd } },
	{ 0xff3fe000, 0x441d8000, sve_predicated, { .binary = usqadd } },
	{ 0xff3fe000, 0x441e8000, sve_predicated_reversed, { .binary = sve_sqsub } },
	{ 0xff3fe000, 0x441f8000, sve_predicated_reversed, { .binary = sve_uqsub } },
	{ 0xff3fe000, 0x4408a000, sve_merging_unary, { .unary = sqabs } },
	{ 0xff3fe000, 0x4409a000, sve_merging_unary, { .unary = sqneg } },
	{ 0xff3fe000, 0x4400a000, sve_merging_unary, { .unary = urecpe }, SVE_S },
	{ 0xff3fe000, 0x4401a000, sve_merging_unary, { .unary = ursqrte }, SVE_S },
	/* Pairs: ADDP, SMAXP, UMAXP, SMINP, UMINP; SADALP, UADALP. */
	{ 0xff3fe000, 0x4411a000, pairwise, { .binary = sve_add } },
	{ 0xff3fe000, 0x4414a000, pairwise, { .binary = sve_smax } },
	{ 0xff3fe000, 0x4415a000, pairwise, { .binary = sve_umax } },
	{ 0xff3fe000, 0x4416a000, pairwise, { .binary = sve_smin } },
	{ 0xff3fe000, 0x4417a000, pairwise, { .binary = sve_umin } },
	{ 0xff3ee000, 0x4404a000, add_pairs, .sizes = SVE_HSD },
	/* SABA, UABA; SSRA, USRA, SRSRA, URSRA, SRI, SLI. */
	{ 0xff20fc00, 0x4500f800, sve_accumulate, { .ternary = saba } },
	{ 0xff20fc00, 0x4500fc00, sve_accumulate, { .ternary = uaba } },
	{ 0xff20fc00, 0x4500e000, shift_accumulate, { .ternary = ssra }, SVE_TSZ_20, false },
	{ 0xff20fc00, 0x4500e400, shift_accumulate, { .ternary = usra }, SVE_TSZ_20, false },
	{ 0xff20fc00, 0x4500e800, shift_accumulate, { .ternary = srsra }, SVE_TSZ_20, false },
	{ 0xff20fc00, 0x4500ec00, shift_accumulate, { .ternary = ursra }, SVE_TSZ_20, false },
	{ 0xff20fc00, 0x4500f000, shift_accumulate, { .ternary = sri }, SVE_TSZ_20, false },
	{ 0xff20fc00, 0x4500f400, shift_accumulate, { .ternary = sli }, SVE_TSZ_20, true },
	{ 0 },
};
