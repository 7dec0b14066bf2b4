/*
 * SVE instructions that move elements to other places: within a vector, between two, from a vector to a scalar or general register; and the
 * same for predicates.
 */
#include "arm64/cpu/sve.h"

/* ---- Interleaving. An element is 1 ... 16 bytes here; `part` is bit 10: the 1 or 2 of the name. ---- */

typedef void interleave(union arm64_z *to, const uint8_t *n, const uint8_t *m, unsigned int vl, unsigned int bytes, unsigned int part);

/* Pairs from the low or the high half. An odd element out (of 128 bits) is zero. */
static void zip(union arm64_z *to, const uint8_t *n, const uint8_t *m, unsigned int vl, unsigned int bytes, unsigned int part)
{
	unsigned int pairs = vl / (2 * bytes), from = part * pairs;

	for (unsigned int i = 0; i < pairs; i++) {
		memcpy(to->b + 2 * i * bytes, n + (from + i) * bytes, bytes);
		memcpy(to->b + (2 * i + 1) * bytes, m + (from + i) * bytes, bytes);
	}
}

/* The even or the odd elements of both. */
static void uzp(union arm64_z *to, const uint8_t *n, const uint8_t *m, unsigned int vl, unsigned int bytes, unsigned int part)
{
	unsigned int pairs = vl / (2 * bytes);

	for (unsigned int i = 0; i < pairs; i++) {
		memcpy(to->b + i * bytes, n + (2 * i + part) * bytes, bytes);
		memcpy(to->b + (pairs + i) * bytes, m + (2 * i + part) * bytes, bytes);
	}
}

/* The even or the odd elements, in pairs. */
static void trn(union arm64_z *to, const uint8_t *n, const uint8_t *m, unsigned int vl, unsigned int bytes, unsigned int part)
{
	unsigned int pairs = vl / (2 * bytes);

	for (unsigned int i = 0; i < pairs; i++) {
		memcpy(to->b + 2 * i * bytes, n + (2 * i + part) * bytes, bytes);
		memcpy(to->b + (2 * i + 1) * bytes, m + (2 * i + part) * bytes, bytes);
	}
}

static void interleave_vectors(struct arm64_vcpu *cpu, const struct a64_insn *insn, interleave *how, unsigned int bytes)
{
	union arm64_z result;

	memset(&result, 0, sizeof(result));
	how(&result, sve_zn(cpu, insn)->b, sve_zm(cpu, insn)->b, cpu->vl, bytes, bit(insn->word, 10));
	sve_copy(cpu, sve_zd(cpu, insn), &result);
	a64_next(cpu, insn);
}

static void zip_vectors(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	interleave_vectors(cpu, insn, zip, sve_bytes(insn));
}

static void uzp_vectors(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	interleave_vectors(cpu, insn, uzp, sve_bytes(insn));
}

static void trn_vectors(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	interleave_vectors(cpu, insn, trn, sve_bytes(insn));
}

/* Quadwords: undefined where a vector is but one. */
static void interleave_quadwords(struct arm64_vcpu *cpu, const struct a64_insn *insn, interleave *how)
{
	if (cpu->vl < 32)
		a64_undefined(cpu, insn);
	else
		interleave_vectors(cpu, insn, how, 16);
}

static void zip_quadwords(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	interleave_quadwords(cpu, insn, zip);
}

static void uzp_quadwords(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	interleave_quadwords(cpu, insn, uzp);
}

static void trn_quadwords(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	interleave_quadwords(cpu, insn, trn);
}

/* ---- Predicates as vectors of one byte a bit: what permutes elements of vectors permutes theirs. ---- */

static void predicate_spread(const struct arm64_vcpu *cpu, union arm64_z *to, const union arm64_p *p)
{
	for (unsigned int i = 0; i < cpu->vl; i++)
		to->b[i] = sve_active(p, i);
}

static void predicate_gather(const struct arm64_vcpu *cpu, union arm64_p *p, const union arm64_z *from)
{
	for (unsigned int i = 0; i < cpu->vl; i++)
		sve_set_active(p, i, from->b[i]);
}

/* Bits 12:11 say how, bit 10 which part. */
static void interleave_predicates(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	static interleave *const hows[] = { zip, uzp, trn };
	union arm64_z n, m, result;

	predicate_spread(cpu, &n, sve_pn(cpu, insn));
	predicate_spread(cpu, &m, sve_pm(cpu, insn));
	hows[bits(insn->word, 12, 11)](&result, n.b, m.b, cpu->vl, sve_bytes(insn), bit(insn->word, 10));
	predicate_gather(cpu, sve_pd(cpu, insn), &result);
	a64_next(cpu, insn);
}

static void rev_predicate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int bytes = sve_bytes(insn);
	union arm64_z n, result;

	predicate_spread(cpu, &n, sve_pn(cpu, insn));
	for (unsigned int at = 0; at < cpu->vl; at += bytes)
		memcpy(result.b + at, n.b + cpu->vl - bytes - at, bytes);
	predicate_gather(cpu, sve_pd(cpu, insn), &result);
	a64_next(cpu, insn);
}

/* PUNPKLO, PUNPKHI (bit 16): each bit of a half becomes two. */
static void unpack_predicate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int from = bit(insn->word, 16) * cpu->vl / 2;
	const union arm64_p n = *sve_pn(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / 2u; i++) {
		sve_set_active(sve_pd(cpu, insn), 2 * i, sve_active(&n, from + i));
		sve_set_active(sve_pd(cpu, insn), 2 * i + 1, false);
	}
	a64_next(cpu, insn);
}

/* ---- Vectors. ---- */

static void rev(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z n = *sve_zn(cpu, insn);
	unsigned int bytes = sve_bytes(insn), elements = cpu->vl / bytes;

	for (unsigned int i = 0; i < elements; i++)
		sve_put(sve_zd(cpu, insn), i, bytes, sve_get(&n, elements - 1 - i, bytes));
	a64_next(cpu, insn);
}

/* SUNPKLO ... UUNPKHI: bit 17 unsigned, bit 16 the high half. */
static void unpack(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z n = *sve_zn(cpu, insn);
	unsigned int bytes = sve_bytes(insn), elements = cpu->vl / bytes, from = bit(insn->word, 16) * elements;

	for (unsigned int i = 0; i < elements; i++) {
		uint64_t value = sve_get(&n, from + i, bytes / 2);

		sve_put(sve_zd(cpu, insn), i, bytes, bit(insn->word, 17) ? value : (uint64_t)sve_signed(value, 4 * bytes));
	}
	a64_next(cpu, insn);
}

/* Bytes of first:second from `position` on, or those of first if that is beyond it. */
static void extract(struct arm64_vcpu *cpu, const struct a64_insn *insn, const union arm64_z *first, const union arm64_z *second)
{
	unsigned int position = bits(insn->word, 20, 16) << 3 | bits(insn->word, 12, 10);
	union arm64_z result;

	if (position >= cpu->vl)
		position = 0;
	memcpy(result.b, first->b + position, cpu->vl - position);
	memcpy(result.b + cpu->vl - position, second->b, position);
	sve_copy(cpu, sve_zd(cpu, insn), &result);
	a64_next(cpu, insn);
}

static void ext(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	extract(cpu, insn, sve_zd(cpu, insn), sve_zn(cpu, insn));
}

/* EXT of SVE2: Zn and the one after it. */
static void ext_constructive(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	extract(cpu, insn, sve_zn(cpu, insn), &cpu->z[(bits(insn->word, 9, 5) + 1) % 32]);
}

static void insert(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t value)
{
	unsigned int bytes = sve_bytes(insn);
	union arm64_z *zdn = sve_zd(cpu, insn);

	memmove(zdn->b + bytes, zdn->b, cpu->vl - bytes);
	sve_put(zdn, 0, bytes, value);
	a64_next(cpu, insn);
}

static void insr_general(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	insert(cpu, insn, cpu->x[bits(insn->word, 9, 5)]);
}

static void insr_scalar(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	insert(cpu, insn, sve_get(sve_zn(cpu, insn), 0, sve_bytes(insn)));
}

/* An index beyond the table gives 0, or leaves the element as it was (TBX). */
static void look_up(struct arm64_vcpu *cpu, const struct a64_insn *insn, unsigned int registers, bool keep)
{
	unsigned int bytes = sve_bytes(insn), elements = cpu->vl / bytes, first = bits(insn->word, 9, 5);
	union arm64_z result = *sve_zd(cpu, insn);

	for (unsigned int i = 0; i < elements; i++) {
		uint64_t index = sve_get(sve_zm(cpu, insn), i, bytes);

		if (index < (uint64_t)registers * elements)
			sve_put(&result, i, bytes, sve_get(&cpu->z[(first + index / elements) % 32], (unsigned int)(index % elements), bytes));
		else if (!keep)
			sve_put(&result, i, bytes, 0);
	}
	sve_copy(cpu, sve_zd(cpu, insn), &result);
	a64_next(cpu, insn);
}

static void tbl(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	look_up(cpu, insn, 1, false);
}

static void tbl_pair(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	look_up(cpu, insn, 2, false);
}

static void tbx(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	look_up(cpu, insn, 1, true);
}

/* ---- By a predicate. ---- */

static void compact(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zn = sve_zn(cpu, insn);
	unsigned int bytes = sve_bytes(insn), to = 0;
	union arm64_z result;

	memset(&result, 0, sizeof(result));
	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(&result, to++, bytes, sve_get(zn, i, bytes));
	sve_copy(cpu, sve_zd(cpu, insn), &result);
	a64_next(cpu, insn);
}

/* What is between the first and the last active element of `first`, then `second` from its beginning. */
static void join(struct arm64_vcpu *cpu, const struct a64_insn *insn, const union arm64_z *first, const union arm64_z *second)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	unsigned int bytes = sve_bytes(insn), from = 0, length = 0;
	int last = sve_last_active(cpu, pg, bytes);
	union arm64_z result;

	if (last >= 0) {
		while (!sve_active(pg, from))
			from += bytes;
		length = ((unsigned int)last + 1) * bytes - from;
	}
	memcpy(result.b, first->b + from, length);
	memcpy(result.b + length, second->b, cpu->vl - length);
	sve_copy(cpu, sve_zd(cpu, insn), &result);
	a64_next(cpu, insn);
}

static void splice(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	join(cpu, insn, sve_zd(cpu, insn), sve_zn(cpu, insn));
}

/* SPLICE of SVE2: Zn and the one after it. */
static void splice_constructive(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	join(cpu, insn, sve_zn(cpu, insn), &cpu->z[(bits(insn->word, 9, 5) + 1) % 32]);
}

/* LASTA (the element after the last active one, around the end) and LASTB (the last active one, else the vector's last): bit 16. */
static uint64_t last_element(const struct arm64_vcpu *cpu, const struct a64_insn *insn, const union arm64_z *z, int last)
{
	unsigned int bytes = sve_bytes(insn), elements = cpu->vl / bytes, index;

	if (bit(insn->word, 16))
		index = last < 0 ? elements - 1 : (unsigned int)last;
	else
		index = (unsigned int)(last + 1) % elements;
	return sve_get(z, index, bytes);
}

static void last_general(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	int last = sve_last_active(cpu, sve_pg(cpu, insn), sve_bytes(insn));

	*sve_x(cpu, bits(insn->word, 4, 0)) = last_element(cpu, insn, sve_zn(cpu, insn), last);
	a64_next(cpu, insn);
}

static void last_scalar(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	int last = sve_last_active(cpu, sve_pg(cpu, insn), sve_bytes(insn));

	sve_put_scalar(cpu, sve_zd(cpu, insn), sve_bytes(insn), last_element(cpu, insn, sve_zn(cpu, insn), last));
	a64_next(cpu, insn);
}

/* CLASTA, CLASTB: with nothing active the destination keeps its element, though not the rest of its register. */
static void clast_general(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int bytes = sve_bytes(insn);
	int last = sve_last_active(cpu, sve_pg(cpu, insn), bytes);
	uint64_t value = last < 0 ? cpu->x[bits(insn->word, 4, 0)] : last_element(cpu, insn, sve_zn(cpu, insn), last);

	*sve_x(cpu, bits(insn->word, 4, 0)) = value & sve_mask(8 * bytes);
	a64_next(cpu, insn);
}

static void clast_scalar(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int bytes = sve_bytes(insn);
	int last = sve_last_active(cpu, sve_pg(cpu, insn), bytes);
	union arm64_z *zdn = sve_zd(cpu, insn);

	sve_put_scalar(cpu, zdn, bytes, last < 0 ? sve_get(zdn, 0, bytes) : last_element(cpu, insn, sve_zn(cpu, insn), last));
	a64_next(cpu, insn);
}

static void clast_vector(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int bytes = sve_bytes(insn);
	int last = sve_last_active(cpu, sve_pg(cpu, insn), bytes);

	if (last >= 0) {
		uint64_t value = last_element(cpu, insn, sve_zn(cpu, insn), last);

		for (unsigned int i = 0; i < cpu->vl / bytes; i++)
			sve_put(sve_zd(cpu, insn), i, bytes, value);
	}
	a64_next(cpu, insn);
}

/* ---- Within elements. ---- */

static uint64_t revb(uint64_t a, unsigned int esize)
{
	return __builtin_bswap64(a) >> (64 - esize);
}

static uint64_t revh(uint64_t a, unsigned int esize)
{
	a = a >> 32 | a << 32;
	a = (a & UINT64_C(0xffff0000ffff0000)) >> 16 | (a & UINT64_C(0x0000ffff0000ffff)) << 16;
	return a >> (64 - esize);
}

static uint64_t revw(uint64_t a, unsigned int esize)
{
	(void)esize;
	return a >> 32 | a << 32;
}

static uint64_t rbit(uint64_t a, unsigned int esize)
{
	a = (a & UINT64_C(0xaaaaaaaaaaaaaaaa)) >> 1 | (a & UINT64_C(0x5555555555555555)) << 1;
	a = (a & UINT64_C(0xcccccccccccccccc)) >> 2 | (a & UINT64_C(0x3333333333333333)) << 2;
	a = (a & UINT64_C(0xf0f0f0f0f0f0f0f0)) >> 4 | (a & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4;
	return revb(a, esize);
}

/* ---- The encodings. ---- */

const struct sve_row sve_permute_rows[] = {
	/* EXT, INSR, REV, TBL, TBX, SUNPKLO ... UUNPKHI. */
	{ 0xffe0e000, 0x05200000, ext },
	{ 0xffe0e000, 0x05600000, ext_constructive },
	{ 0xff3ffc00, 0x05343800, insr_scalar },
	{ 0xff3ffc00, 0x05243800, insr_general },
	{ 0xff3ffc00, 0x05383800, rev },
	{ 0xff20fc00, 0x05203000, tbl },
	{ 0xff20fc00, 0x05202800, tbl_pair },
	{ 0xff20fc00, 0x05202c00, tbx },
	{ 0xff3cfc00, 0x05303800, unpack, .sizes = SVE_HSD },
	/* Predicates: ZIP1 ... TRN2, REV, PUNPKLO, PUNPKHI. */
	{ 0xff30fa10, 0x05204000, interleave_predicates },
	{ 0xff30fa10, 0x05204800, interleave_predicates },
	{ 0xff30fa10, 0x05205000, interleave_predicates },
	{ 0xff3ffe10, 0x05344000, rev_predicate },
	{ 0xfffefe10, 0x05304000, unpack_predicate },
	/* ZIP1 ... TRN2; of quadwords (FEAT_F64MM). */
	{ 0xff20f800, 0x05206000, zip_vectors },
	{ 0xff20f800, 0x05206800, uzp_vectors },
	{ 0xff20f800, 0x05207000, trn_vectors },
	{ 0xffe0f800, 0x05a00000, zip_quadwords },
	{ 0xffe0f800, 0x05a00800, uzp_quadwords },
	{ 0xffe0f800, 0x05a01800, trn_quadwords },
	/* COMPACT, SPLICE, CLASTA, CLASTB, LASTA, LASTB. */
	{ 0xff3fe000, 0x05218000, compact, .sizes = SVE_SD },
	{ 0xff3fe000, 0x052c8000, splice },
	{ 0xff3fe000, 0x052d8000, splice_constructive },
	{ 0xff3ee000, 0x05288000, clast_vector },
	{ 0xff3ee000, 0x052a8000, clast_scalar },
	{ 0xff3ee000, 0x0530a000, clast_general },
	{ 0xff3ee000, 0x05228000, last_scalar },
	{ 0xff3ee000, 0x0520a000, last_general },
	/* REVB, REVH, REVW, RBIT. */
	{ 0xff3fe000, 0x05248000, sve_merging_unary, { .unary = revb }, SVE_HSD },
	{ 0xff3fe000, 0x05258000, sve_merging_unary, { .unary = revh }, SVE_SD },
	{ 0xff3fe000, 0x05268000, sve_merging_unary, { .unary = revw }, SVE_D },
	{ 0xff3fe000, 0x05278000, sve_merging_unary, { .unary = rbit } },
	{ 0 },
};
