/*
 * SVE's integer compares: of vectors with vectors, wide elements and immediates; and of general registers (WHILE, CTERM). Results are predicates and flags.
 */
#include "arm64/cpu/sve.h"

/* ---- Element functions. ---- */

static bool eq(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a == b;
}

static bool ne(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a != b;
}

static bool ge(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_signed(a, esize) >= sve_signed(b, esize);
}

static bool gt(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_signed(a, esize) > sve_signed(b, esize);
}

static bool lt(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_signed(a, esize) < sve_signed(b, esize);
}

static bool le(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_signed(a, esize) <= sve_signed(b, esize);
}

static bool hs(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a >= b;
}

static bool hi(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a > b;
}

static bool lo(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a < b;
}

static bool ls(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a <= b;
}

/* ---- Vectors. ---- */

/* Where the second operand's element comes from. */
enum operand { OPERAND_VECTOR, OPERAND_WIDE, OPERAND_WIDE_UNSIGNED, OPERAND_SIGNED, OPERAND_UNSIGNED };

static bool element_test(struct arm64_vcpu *cpu, const struct a64_insn *insn, unsigned int i, unsigned int bytes)
{
	const struct sve_row *row = sve_row(insn);
	uint64_t n = sve_get(sve_zn(cpu, insn), i, bytes), mask = sve_mask(8 * bytes);

	switch ((enum operand)row->arg) {
	case OPERAND_VECTOR: return row->op.test(n, sve_get(sve_zm(cpu, insn), i, bytes), 8 * bytes);
	case OPERAND_WIDE: return row->op.test((uint64_t)sve_signed(n, 8 * bytes), sve_zm(cpu, insn)->d[i * bytes / 8], 64);
	case OPERAND_WIDE_UNSIGNED: return row->op.test(n, sve_zm(cpu, insn)->d[i * bytes / 8], 64);
	case OPERAND_SIGNED: return row->op.test(n, (uint64_t)bits_signed(insn->word, 20, 16) & mask, 8 * bytes);
	default: return row->op.test(n, bits(insn->word, 20, 14), 8 * bytes);
	}
}

/* Pd = op.test(Zn, operand) where Pg, else false; arg: enum operand. */
static void compare(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	unsigned int bytes = sve_bytes(insn);
	union arm64_p result = { .d = { 0 } };

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_set_active(&result, i * bytes, element_test(cpu, insn, i, bytes));
	sve_flags_set(cpu, pg, &result, bytes);
	memcpy(sve_pd(cpu, insn), &result, cpu->vl / 8);
	a64_next(cpu, insn);
}

/* ---- General registers. ---- */

static void while_done(struct arm64_vcpu *cpu, const struct a64_insn *insn, const union arm64_p *result)
{
	sve_flags_set(cpu, NULL, result, sve_bytes(insn));
	memcpy(sve_pd(cpu, insn), result, cpu->vl / 8);
	a64_next(cpu, insn);
}

/*
 * WHILELT and its like count up from Xn, for elements from the first on; WHILEGT and its like (bit 10 clear) count down, for elements from the last on.
 * Bit 12: 64-bit registers, bit 11: unsigned, bit 4: the other condition, which is LE for LT, HI for HS.
 */
static void while_counting(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	static sve_test *const tests[2][2][2] = { { { ge, gt }, { hs, hi } }, { { lt, le }, { lo, ls } } };
	unsigned int rsize = bit(insn->word, 12) ? 64 : 32, bytes = sve_bytes(insn), elements = cpu->vl / bytes;
	bool up = bit(insn->word, 10), go = true;
	sve_test *test = tests[up][bit(insn->word, 11)][bit(insn->word, 4)];
	uint64_t count = cpu->x[bits(insn->word, 9, 5)] & sve_mask(rsize), limit = cpu->x[bits(insn->word, 20, 16)] & sve_mask(rsize);
	union arm64_p result = { .d = { 0 } };

	for (unsigned int i = 0; i < elements && go; i++) {
		go = test(count, limit, rsize);
		sve_set_active(&result, (up ? i : elements - 1 - i) * bytes, go);
		count = (up ? count + 1 : count - 1) & sve_mask(rsize);
	}
	while_done(cpu, insn, &result);
}

/* WHILEWR, WHILERW (bit 4): as many elements as lie between two addresses; all if the second is (WR: not above) the first. */
static void while_pointer(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t n = cpu->x[bits(insn->word, 9, 5)], m = cpu->x[bits(insn->word, 20, 16)];
	unsigned int bytes = sve_bytes(insn);
	uint64_t distance = m > n ? m - n : n - m;
	bool all = n == m || (n > m && !bit(insn->word, 4));
	union arm64_p result = { .d = { 0 } };

	for (unsigned int i = 0; i < cpu->vl / bytes && (all || i < distance / bytes); i++)
		sve_set_active(&result, i * bytes, true);
	while_done(cpu, insn, &result);
}

/* CTERMEQ, CTERMNE (bit 4): N: the loop ends; else V is the inverse of C. */
static void cterm(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t mask = bit(insn->word, 22) ? UINT64_MAX : UINT32_MAX;
	bool equal = !((cpu->x[bits(insn->word, 9, 5)] ^ cpu->x[bits(insn->word, 20, 16)]) & mask), ends = equal != bit(insn->word, 4);

	cpu->flag_n = (uint64_t)ends << 63;
	cpu->flag_v = (uint64_t)(!ends && !cpu->flag_c) << 63;
	a64_next(cpu, insn);
}

/* ---- The encodings. ---- */

const struct sve_row sve_compare_rows[] = {
	/* Vectors. */
	{ 0xff20e010, 0x24000000, compare, { .test = hs }, .arg = OPERAND_VECTOR },
	{ 0xff20e010, 0x24000010, compare, { .test = hi }, .arg = OPERAND_VECTOR },
	{ 0xff20e010, 0x24008000, compare, { .test = ge }, .arg = OPERAND_VECTOR },
	{ 0xff20e010, 0x24008010, compare, { .test = gt }, .arg = OPERAND_VECTOR },
	{ 0xff20e010, 0x2400a000, compare, { .test = eq }, .arg = OPERAND_VECTOR },
	{ 0xff20e010, 0x2400a010, compare, { .test = ne }, .arg = OPERAND_VECTOR },
	/* Wide elements. */
	{ 0xff20e010, 0x24002000, compare, { .test = eq }, SVE_BHS, OPERAND_WIDE },
	{ 0xff20e010, 0x24002010, compare, { .test = ne }, SVE_BHS, OPERAND_WIDE },
	{ 0xff20e010, 0x24004000, compare, { .test = ge }, SVE_BHS, OPERAND_WIDE },
	{ 0xff20e010, 0x24004010, compare, { .test = gt }, SVE_BHS, OPERAND_WIDE },
	{ 0xff20e010, 0x24006000, compare, { .test = lt }, SVE_BHS, OPERAND_WIDE },
	{ 0xff20e010, 0x24006010, compare, { .test = le }, SVE_BHS, OPERAND_WIDE },
	{ 0xff20e010, 0x2400c000, compare, { .test = hs }, SVE_BHS, OPERAND_WIDE_UNSIGNED },
	{ 0xff20e010, 0x2400c010, compare, { .test = hi }, SVE_BHS, OPERAND_WIDE_UNSIGNED },
	{ 0xff20e010, 0x2400e000, compare, { .test = lo }, SVE_BHS, OPERAND_WIDE_UNSIGNED },
	{ 0xff20e010, 0x2400e010, compare, { .test = ls }, SVE_BHS, OPERAND_WIDE_UNSIGNED },
	/* Immediates. */
	{ 0xff202010, 0x24200000, compare, { .test = hs }, .arg = OPERAND_UNSIGNED },
	{ 0xff202010, 0x24200010, compare, { .test = hi }, .arg = OPERAND_UNSIGNED },
	{ 0xff202010, 0x24202000, compare, { .test = lo }, .arg = OPERAND_UNSIGNED },
	{ 0xff202010, 0x24202010, compare, { .test = ls }, .arg = OPERAND_UNSIGNED },
	{ 0xff20e010, 0x25000000, compare, { .test = ge }, .arg = OPERAND_SIGNED },
	{ 0xff20e010, 0x25000010, compare, { .test = gt }, .arg = OPERAND_SIGNED },
	{ 0xff20e010, 0x25002000, compare, { .test = lt }, .arg = OPERAND_SIGNED },
	{ 0xff20e010, 0x25002010, compare, { .test = le }, .arg = OPERAND_SIGNED },
	{ 0xff20e010, 0x25008000, compare, { .test = eq }, .arg = OPERAND_SIGNED },
	{ 0xff20e010, 0x25008010, compare, { .test = ne }, .arg = OPERAND_SIGNED },
	/* WHILELT ... WHILEHI; WHILEWR, WHILERW; CTERMEQ, CTERMNE. */
	{ 0xff20e000, 0x25200000, while_counting },
	{ 0xff20fc00, 0x25203000, while_pointer },
	{ 0xffa0fc0f, 0x25a02000, cterm },
	{ 0 },
};
