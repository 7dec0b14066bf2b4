/*
 * SVE's integer compares: of vectors with vectors, wide elements and immediates; and of general registers (WHILE, CTERM). Results are predicates and
 * flags.
 */
#include "arm64/cpu/sve_lanes.h"

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
enum operand { OPERAND_WIDE, OPERAND_WIDE_UNSIGNED, OPERAND_SIGNED, OPERAND_UNSIGNED };

static bool element_test(struct arm64_vcpu *cpu, const struct a64_insn *insn, unsigned int i, unsigned int bytes)
{
	const struct sve_row *row = sve_row(insn);
	uint64_t n = sve_get(sve_zn(cpu, insn), i, bytes), mask = sve_mask(8 * bytes);

	switch ((enum operand)row->arg) {
	case OPERAND_WIDE: return row->op.test((uint64_t)sve_signed(n, 8 * bytes), sve_zm(cpu, insn)->d[i * bytes / 8], 64);
	case OPERAND_WIDE_UNSIGNED: return row->op.test(n, sve_zm(cpu, insn)->d[i * bytes / 8], 64);
	case OPERAND_SIGNED: return row->op.test(n, (uint64_t)bits_signed(insn->word, 20, 16) & mask, 8 * bytes);
	default: return row->op.test(n, bits(insn->word, 20, 14), 8 * bytes);
	}
}

static void compare_done(struct arm64_vcpu *cpu, const struct a64_insn *insn, const union arm64_p *result)
{
	sve_flags_set(cpu, sve_pg(cpu, insn), result, sve_bytes(insn));
	memcpy(sve_pd(cpu, insn), result, cpu->vl / 8);
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
	compare_done(cpu, insn, &result);
	a64_next(cpu, insn);
}

/* Vectors with vectors, all elements at once. */
#define COMPARE(n, lanes, relation) \
	for (unsigned int i = 0; i < cpu->vl / 16u; i++) { \
		lanes a = ((const lanes *)sve_zn(cpu, insn))[i], b = ((const lanes *)sve_zm(cpu, insn))[i]; \
		uint16_t bits16 = sve_lanes_bits_##n((lanes_##n)(a relation b)) & sve_lane_bits(sve_pg(cpu, insn), i); \
 \
		memcpy(&result.b[2 * i], &bits16, 2); \
	}
#define EQUAL(n) COMPARE(n, lanes_##n, ==)
#define NOT_EQUAL(n) COMPARE(n, lanes_##n, !=)
#define HIGHER(n) COMPARE(n, lanes_##n, >)
#define HIGHER_OR_SAME(n) COMPARE(n, lanes_##n, >=)
#define GREATER(n) COMPARE(n, signed_##n, >)
#define GREATER_OR_EQUAL(n) COMPARE(n, signed_##n, >=)
#define DEFINE_COMPARE(name, X) \
	static void name(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		union arm64_p result = { .d = { 0 } }; \
 \
		LANES_BY_SIZE(sve_bytes(insn), X) \
		compare_done(cpu, insn, &result); \
		a64_next(cpu, insn); \
	}
DEFINE_COMPARE(cmpeq_lanes, EQUAL)
DEFINE_COMPARE(cmpne_lanes, NOT_EQUAL)
DEFINE_COMPARE(cmphi_lanes, HIGHER)
DEFINE_COMPARE(cmphs_lanes, HIGHER_OR_SAME)
DEFINE_COMPARE(cmpgt_lanes, GREATER)
DEFINE_COMPARE(cmpge_lanes, GREATER_OR_EQUAL)

/* ---- General registers. ---- */

/* Elements from `from` up to `to` are true. */
static void while_done(struct arm64_vcpu *cpu, const struct a64_insn *insn, unsigned int from, unsigned int to)
{
	unsigned int bytes = sve_bytes(insn);
	union arm64_p *pd = sve_pd(cpu, insn);

	sve_predicate_fill(cpu, pd, from * bytes, to * bytes, bytes);
	sve_flags_set(cpu, NULL, pd, bytes);
	a64_next(cpu, insn);
}

/*
 * WHILELT and its like count up from Xn, for elements from the first on; WHILEGT and its like (bit 10 clear) count down, for elements from the last.
 * Bit 12: 64-bit registers, bit 11: unsigned, bit 4: the limit in Xm is included (if it is the last number there is, counting goes on for ever), but
 * for WHILEHS and WHILEGE, where bit 4 clear means that.
 */
static void while_counting(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int rsize = bit(insn->word, 12) ? 64 : 32, elements = cpu->vl / sve_bytes(insn), count;
	bool up = bit(insn->word, 10), is_unsigned = bit(insn->word, 11), included = bit(insn->word, 4) == up;
	uint64_t n = cpu->x[bits(insn->word, 9, 5)], m = cpu->x[bits(insn->word, 20, 16)], last = is_unsigned ? 0 : UINT64_C(1) << (rsize - 1);
	__int128 from = is_unsigned ? (__int128)(n & sve_mask(rsize)) : sve_signed(n, rsize);
	__int128 limit = is_unsigned ? (__int128)(m & sve_mask(rsize)) : sve_signed(m, rsize);
	__int128 distance = (up ? limit - from : from - limit) + included;

	if (distance > 0 && included && !((up ? m + 1 - last : m - last) & sve_mask(rsize)))
		distance = elements;
	count = distance <= 0 ? 0 : distance > elements ? elements : (unsigned int)distance;
	while_done(cpu, insn, up ? 0 : elements - count, up ? count : elements);
}

/* WHILEWR, WHILERW (bit 4): as many elements as lie between two addresses; all if the second is (WR: not above) the first. */
static void while_pointer(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t n = cpu->x[bits(insn->word, 9, 5)], m = cpu->x[bits(insn->word, 20, 16)];
	unsigned int bytes = sve_bytes(insn), elements = cpu->vl / bytes;
	uint64_t distance = (m > n ? m - n : n - m) / bytes;
	bool all = n == m || (n > m && !bit(insn->word, 4));

	while_done(cpu, insn, 0, all || distance > elements ? elements : (unsigned int)distance);
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
	{ 0xff20e010, 0x24000000, cmphs_lanes },
	{ 0xff20e010, 0x24000010, cmphi_lanes },
	{ 0xff20e010, 0x24008000, cmpge_lanes },
	{ 0xff20e010, 0x24008010, cmpgt_lanes },
	{ 0xff20e010, 0x2400a000, cmpeq_lanes },
	{ 0xff20e010, 0x2400a010, cmpne_lanes },
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
