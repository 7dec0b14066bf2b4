/*
 * SVE instructions on predicates: logic, initialisation, tests, partition breaks, iteration; and the first-fault register, p[16].
 */
#include "arm64/cpu/sve.h"

/* Where FFR is. */
enum { FFR = 16 };

/* A mask of all elements is NULL. */
void sve_flags_set(struct arm64_vcpu *cpu, const union arm64_p *mask, const union arm64_p *result, unsigned int bytes)
{
	bool found = false, first = false, any = false, last = false;

	for (unsigned int at = 0; at < cpu->vl; at += bytes) {
		bool is_true = sve_active(result, at);

		if (mask && !sve_active(mask, at))
			continue;
		if (!found)
			first = is_true;
		found = true;
		any |= is_true;
		last = is_true;
	}
	cpu->flag_n = (uint64_t)first << 63;
	cpu->flag_z = any;
	cpu->flag_c = !last;
	cpu->flag_v = 0;
}

/* Pd = result; flags are set if bit 22 is. */
static void predicate_done(struct arm64_vcpu *cpu, const struct a64_insn *insn, const union arm64_p *mask, const union arm64_p *result)
{
	if (bit(insn->word, 22))
		sve_flags_set(cpu, mask, result, 1);
	memcpy(sve_pd(cpu, insn), result, cpu->vl / 8);
	a64_next(cpu, insn);
}

/* ---- Logic. ---- */

static uint64_t orn(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a | ~b;
}

static uint64_t nor(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return ~(a | b);
}

static uint64_t nand(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return ~(a & b);
}

/* Pd = op.binary(Pn, Pm) where Pg, else false. */
static void logical(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg4(cpu, insn), *pn = sve_pn(cpu, insn), *pm = sve_pm(cpu, insn);
	union arm64_p result;

	for (unsigned int i = 0; i < cpu->vl / 8u; i++)
		result.b[i] = pg->b[i] & (uint8_t)sve_row(insn)->op.binary(pn->b[i], pm->b[i], 8);
	predicate_done(cpu, insn, pg, &result);
}

static void sel(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg4(cpu, insn), *pn = sve_pn(cpu, insn), *pm = sve_pm(cpu, insn);
	union arm64_p result;

	for (unsigned int i = 0; i < cpu->vl / 8u; i++)
		result.b[i] = (uint8_t)((pn->b[i] & pg->b[i]) | (pm->b[i] & ~pg->b[i]));
	predicate_done(cpu, insn, pg, &result);
}

static void ptest(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sve_flags_set(cpu, sve_pg4(cpu, insn), sve_pn(cpu, insn), 1);
	a64_next(cpu, insn);
}

/* ---- Initialisation. ---- */

unsigned int sve_pattern_count(unsigned int pattern, unsigned int elements)
{
	unsigned int count;

	switch (pattern) {
	case 0: return 1u << (31 - __builtin_clz(elements)); /* POW2 */
	case 29: return elements - elements % 4;             /* MUL4 */
	case 30: return elements - elements % 3;             /* MUL3 */
	case 31: return elements;                            /* ALL */
	default: break;
	}
	/* VL1 ... VL8, VL16 ... VL256; nothing else means anything. */
	count = pattern <= 8 ? pattern : pattern <= 13 ? 16u << (pattern - 9) : 0;
	return count <= elements ? count : 0;
}

/* PTRUE, PTRUES (bit 16). */
static void ptrue(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int bytes = sve_bytes(insn), count = sve_pattern_count(bits(insn->word, 9, 5), cpu->vl / bytes);
	union arm64_p result = { .d = { 0 } };

	for (unsigned int i = 0; i < count; i++)
		sve_set_active(&result, i * bytes, true);
	if (bit(insn->word, 16))
		sve_flags_set(cpu, &result, &result, bytes);
	memcpy(sve_pd(cpu, insn), &result, cpu->vl / 8);
	a64_next(cpu, insn);
}

static void pfalse(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	memset(sve_pd(cpu, insn), 0, cpu->vl / 8);
	a64_next(cpu, insn);
}

/* ---- The first-fault register. ---- */

static void setffr(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	memset(&cpu->p[FFR], 0xff, cpu->vl / 8);
	a64_next(cpu, insn);
}

static void wrffr(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	memcpy(&cpu->p[FFR], sve_pn(cpu, insn), cpu->vl / 8);
	a64_next(cpu, insn);
}

static void rdffr(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	memcpy(sve_pd(cpu, insn), &cpu->p[FFR], cpu->vl / 8);
	a64_next(cpu, insn);
}

/* RDFFR, RDFFRS with Pg in bits 8:5. */
static void rdffr_predicated(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pn(cpu, insn);
	union arm64_p result;

	for (unsigned int i = 0; i < cpu->vl / 8u; i++)
		result.b[i] = pg->b[i] & cpu->p[FFR].b[i];
	predicate_done(cpu, insn, pg, &result);
}

/* ---- Iteration: the mask is in bits 8:5, the result goes to Pdn. ---- */

static void pfirst(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pn(cpu, insn);
	union arm64_p result = *sve_pd(cpu, insn);
	unsigned int at = 0;

	while (at < cpu->vl && !sve_active(pg, at))
		at++;
	if (at < cpu->vl)
		sve_set_active(&result, at, true);
	predicate_done(cpu, insn, pg, &result);
}

static void pnext(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pn(cpu, insn);
	unsigned int bytes = sve_bytes(insn), at = (unsigned int)(sve_last_active(cpu, sve_pd(cpu, insn), bytes) + 1) * bytes;
	union arm64_p result = { .d = { 0 } };

	while (at < cpu->vl && !sve_active(pg, at))
		at += bytes;
	if (at < cpu->vl)
		sve_set_active(&result, at, true);
	sve_flags_set(cpu, pg, &result, bytes);
	memcpy(sve_pd(cpu, insn), &result, cpu->vl / 8);
	a64_next(cpu, insn);
}

/* ---- Partition breaks. ---- */

/* BRKA, BRKB (bit 23: the breaking element is out); bit 4: inactive elements stay. */
static void partition_break(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg4(cpu, insn), *pn = sve_pn(cpu, insn);
	bool before = bit(insn->word, 23), broken = false;
	union arm64_p result = *sve_pd(cpu, insn);

	for (unsigned int at = 0; at < cpu->vl; at++) {
		bool was_broken = broken;

		if (sve_active(pg, at)) {
			broken |= sve_active(pn, at);
			sve_set_active(&result, at, !(before ? broken : was_broken));
		} else if (!bit(insn->word, 4)) {
			sve_set_active(&result, at, false);
		}
	}
	predicate_done(cpu, insn, pg, &result);
}

/* Whether the last active element of `mask` is true. */
static bool last_is_true(const struct arm64_vcpu *cpu, const union arm64_p *mask, const union arm64_p *p)
{
	int last = sve_last_active(cpu, mask, 1);

	return last >= 0 && sve_active(p, (unsigned int)last);
}

/* BRKPA, BRKPB (bit 4): as partition_break(), if Pn, the partition before, went on to its end. */
static void brk_propagate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg4(cpu, insn), *pm = sve_pm(cpu, insn);
	bool before = bit(insn->word, 4), go = last_is_true(cpu, pg, sve_pn(cpu, insn));
	union arm64_p result = { .d = { 0 } };

	for (unsigned int at = 0; at < cpu->vl; at++) {
		bool went = go;

		if (!sve_active(pg, at))
			continue;
		go &= !sve_active(pm, at);
		sve_set_active(&result, at, before ? go : went);
	}
	predicate_done(cpu, insn, pg, &result);
}

/* BRKN: Pdm stays if Pn went on to its end. Its flags are those of all elements. */
static void brkn(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union arm64_p result = *sve_pd(cpu, insn);

	if (!last_is_true(cpu, sve_pg4(cpu, insn), sve_pn(cpu, insn)))
		memset(&result, 0, sizeof(result));
	predicate_done(cpu, insn, NULL, &result);
}

/* ---- The encodings. ---- */

const struct sve_row sve_predicate_rows[] = {
	/* AND, BIC, EOR, SEL, ORR, ORN, NOR, NAND; bit 22: flags. */
	{ 0xffb0c210, 0x25004000, logical, { .binary = sve_and } },
	{ 0xffb0c210, 0x25004010, logical, { .binary = sve_bic } },
	{ 0xffb0c210, 0x25004200, logical, { .binary = sve_eor } },
	{ 0xfff0c210, 0x25004210, sel },
	{ 0xffb0c210, 0x25804000, logical, { .binary = sve_or } },
	{ 0xffb0c210, 0x25804010, logical, { .binary = orn } },
	{ 0xffb0c210, 0x25804200, logical, { .binary = nor } },
	{ 0xffb0c210, 0x25804210, logical, { .binary = nand } },
	/* PTEST, PTRUE, PFALSE, PFIRST, PNEXT. */
	{ 0xffffc21f, 0x2550c000, ptest },
	{ 0xff3efc10, 0x2518e000, ptrue },
	{ 0xfffffff0, 0x2518e400, pfalse },
	{ 0xfffffe10, 0x2558c000, pfirst },
	{ 0xff3ffe10, 0x2519c400, pnext },
	/* SETFFR, WRFFR, RDFFR. */
	{ 0xffffffff, 0x252c9000, setffr },
	{ 0xfffffe1f, 0x25289000, wrffr },
	{ 0xfffffff0, 0x2519f000, rdffr },
	{ 0xffbffe10, 0x2518f000, rdffr_predicated },
	/* BRKA, BRKB: zeroing, merging; BRKPA, BRKPB; BRKN. */
	{ 0xff3fc210, 0x25104000, partition_break },
	{ 0xff7fc210, 0x25104010, partition_break },
	{ 0xffb0c200, 0x2500c000, brk_propagate },
	{ 0xffbfc210, 0x25184000, brkn },
	{ 0 },
};
