/*
 * SVE instructions that fill vectors from something else: immediates, general registers, scalars, progressions; MOVPRFX; and the address
 * and vector-length arithmetic (ADR, ADDVL, ADDPL, RDVL).
 */
#include "arm64/cpu/sve_lanes.h"

static void fill(struct arm64_vcpu *cpu, union arm64_z *zd, unsigned int bytes, uint64_t value)
{
	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		sve_put(zd, i, bytes, value);
}

static void fill_active(struct arm64_vcpu *cpu, union arm64_z *zd, const union arm64_p *pg, unsigned int bytes, uint64_t value)
{
	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(zd, i, bytes, value);
}

/* ---- Immediates. ---- */

/* The 8-bit signed immediate of CPY and DUP, shifted left by 8 if bit 13 is set. */
static uint64_t shifted_immediate(uint32_t word)
{
	return (uint64_t)bits_signed(word, 12, 5) << 8 * bit(word, 13);
}

uint64_t sve_logical_immediate(uint32_t word)
{
	unsigned int imms = bits(word, 10, 5), immr = bits(word, 16, 11), length = bit(word, 17) << 6 | (~imms & 0x3f);
	unsigned int esize, ones, rotation;
	uint64_t element;

	if (length < 2)
		return 0;
	esize = 1u << (31 - __builtin_clz(length));
	ones = (imms & (esize - 1)) + 1;
	rotation = immr & (esize - 1);
	if (ones == esize)
		return 0;
	element = sve_mask(ones);
	if (rotation)
		element = (element >> rotation | element << (esize - rotation)) & sve_mask(esize);
	while (esize < 64) {
		element |= element << esize;
		esize *= 2;
	}
	return element;
}

/* ORR, EOR, AND with an immediate. */
static void logical(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t immediate = sve_logical_immediate(insn->word);
	union arm64_z *zdn = sve_zd(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / 8; i++)
		zdn->d[i] = sve_row(insn)->op.binary(zdn->d[i], immediate, 64);
	a64_next(cpu, insn);
}

static void dupm(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	fill(cpu, sve_zd(cpu, insn), 8, sve_logical_immediate(insn->word));
	a64_next(cpu, insn);
}

static void dup_immediate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	fill(cpu, sve_zd(cpu, insn), sve_bytes(insn), shifted_immediate(insn->word));
	a64_next(cpu, insn);
}

static void fdup(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int bytes = sve_bytes(insn);

	fill(cpu, sve_zd(cpu, insn), bytes, fp_expand_immediate(8 * bytes, bits(insn->word, 12, 5)));
	a64_next(cpu, insn);
}

/* CPY with an immediate: Pg is bits 19:16; bit 14: merging. */
static void cpy_immediate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union arm64_z *zd = sve_zd(cpu, insn);

	if (!bit(insn->word, 14))
		memset(zd, 0, cpu->vl);
	fill_active(cpu, zd, sve_pm(cpu, insn), sve_bytes(insn), shifted_immediate(insn->word));
	a64_next(cpu, insn);
}

static void fcpy(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int bytes = sve_bytes(insn);

	fill_active(cpu, sve_zd(cpu, insn), sve_pm(cpu, insn), bytes, fp_expand_immediate(8 * bytes, bits(insn->word, 12, 5)));
	a64_next(cpu, insn);
}

/* ---- Registers. ---- */

static void cpy_general(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	fill_active(cpu, sve_zd(cpu, insn), sve_pg(cpu, insn), sve_bytes(insn), *sve_x_or_sp(cpu, bits(insn->word, 9, 5)));
	a64_next(cpu, insn);
}

static void cpy_scalar(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int bytes = sve_bytes(insn);

	fill_active(cpu, sve_zd(cpu, insn), sve_pg(cpu, insn), bytes, sve_get(sve_zn(cpu, insn), 0, bytes));
	a64_next(cpu, insn);
}

static void dup_general(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	fill(cpu, sve_zd(cpu, insn), sve_bytes(insn), *sve_x_or_sp(cpu, bits(insn->word, 9, 5)));
	a64_next(cpu, insn);
}

/* imm2:tsz in bits 23:22 and 20:16: the lowest bit set gives the element's size, what is above it its index. Beyond the vector: 0. */
static void dup_indexed(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int immediate = bits(insn->word, 23, 22) << 5 | bits(insn->word, 20, 16), log = (unsigned int)__builtin_ctz(immediate);
	unsigned int index = immediate >> (log + 1), bytes = 1u << log;
	const union arm64_z *zn = sve_zn(cpu, insn);
	union arm64_z *zd = sve_zd(cpu, insn);

	if (bytes < 16) {
		fill(cpu, zd, bytes, index < cpu->vl / bytes ? sve_get(zn, index, bytes) : 0);
	} else {
		uint64_t quad[2] = { 0, 0 };

		if (index < cpu->vl / 16u)
			memcpy(quad, &zn->d[2 * index], sizeof(quad));
		for (unsigned int i = 0; i < cpu->vl / 16u; i++)
			memcpy(&zd->d[2 * i], quad, sizeof(quad));
	}
	a64_next(cpu, insn);
}

/* INDEX: start and step are immediates or registers, by bits 10 and 11. */
static void make_index(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	uint64_t start = bit(word, 10) ? cpu->x[bits(word, 9, 5)] : (uint64_t)bits_signed(word, 9, 5);
	uint64_t step = bit(word, 11) ? cpu->x[bits(word, 20, 16)] : (uint64_t)bits_signed(word, 20, 16);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		sve_put(sve_zd(cpu, insn), i, bytes, start + i * step);
	a64_next(cpu, insn);
}

/* MOVPRFX is an instruction like any other: the one it prefixes finds its destination copied. */
static void movprfx(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sve_copy(cpu, sve_zd(cpu, insn), sve_zn(cpu, insn));
	a64_next(cpu, insn);
}

/* Bit 16: merging. */
static void movprfx_predicated(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zn = sve_zn(cpu, insn);
	union arm64_z *zd = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(zd, i, bytes, sve_get(zn, i, bytes));
		else if (!bit(insn->word, 16))
			sve_put(zd, i, bytes, 0);
	a64_next(cpu, insn);
}

#define CHOOSE(n) \
	for (unsigned int i = 0; i < cpu->vl / 16u; i++) { \
		lanes_##n active = sve_lanes_active_##n(sve_pg4(cpu, insn), i); \
 \
		((lanes_##n *)sve_zd(cpu, insn))[i] = (((const lanes_##n *)sve_zn(cpu, insn))[i] & active) | \
							  (((const lanes_##n *)sve_zm(cpu, insn))[i] & ~active); \
	}
static void sel(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	LANES_BY_SIZE(sve_bytes(insn), CHOOSE)
	a64_next(cpu, insn);
}

/* ---- Addresses and vector lengths. ---- */

/* Bits 23:22: offsets are signed or unsigned words of doublewords, words, doublewords; bits 11:10: their scale. */
static void adr(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int kind = bits(insn->word, 23, 22), scale = bits(insn->word, 11, 10), bytes = kind == 2 ? 4 : 8;
	const union arm64_z *zn = sve_zn(cpu, insn), *zm = sve_zm(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		uint64_t offset = sve_get(zm, i, bytes);

		if (kind < 2)
			offset = kind ? (uint32_t)offset : (uint64_t)(int32_t)offset;
		sve_put(sve_zd(cpu, insn), i, bytes, sve_get(zn, i, bytes) + (offset << scale));
	}
	a64_next(cpu, insn);
}

/* ADDVL, ADDPL: Xd|SP = Xn|SP + imm6 * bytes of a vector / op.number; Rn is bits 20:16. */
static void add_length(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	int64_t length = (int64_t)(cpu->vl / sve_row(insn)->op.number);
	uint64_t from = *sve_x_or_sp(cpu, bits(insn->word, 20, 16));

	*sve_x_or_sp(cpu, bits(insn->word, 4, 0)) = from + (uint64_t)(bits_signed(insn->word, 10, 5) * length);
	a64_next(cpu, insn);
}

static void rdvl(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	*sve_x(cpu, bits(insn->word, 4, 0)) = (uint64_t)(bits_signed(insn->word, 10, 5) * cpu->vl);
	a64_next(cpu, insn);
}

/* ---- The encodings. ---- */

const struct sve_row sve_move_rows[] = {
	/* INDEX; ADDVL, ADDPL, RDVL; ADR; MOVPRFX. */
	{ 0xff20f000, 0x04204000, make_index },
	{ 0xffe0f800, 0x04205000, add_length, { .number = 1 } },
	{ 0xffe0f800, 0x04605000, add_length, { .number = 8 } },
	{ 0xfffff800, 0x04bf5000, rdvl },
	{ 0xff20f000, 0x0420a000, adr },
	{ 0xfffffc00, 0x0420bc00, movprfx },
	{ 0xff3ee000, 0x04102000, movprfx_predicated },
	/* ORR, EOR, AND, DUPM with a logical immediate. */
	{ 0xfffc0000, 0x05000000, logical, { .binary = sve_or }, SVE_LOGICAL },
	{ 0xfffc0000, 0x05400000, logical, { .binary = sve_eor }, SVE_LOGICAL },
	{ 0xfffc0000, 0x05800000, logical, { .binary = sve_and }, SVE_LOGICAL },
	{ 0xfffc0000, 0x05c00000, dupm, .sizes = SVE_LOGICAL },
	/* CPY and DUP with immediates (bytes have no shift), FCPY and FDUP. */
	{ 0xff30a000, 0x05100000, cpy_immediate },
	{ 0xff30a000, 0x05102000, cpy_immediate, .sizes = SVE_HSD },
	{ 0xff30e000, 0x0510c000, fcpy, .sizes = SVE_HSD },
	{ 0xff3fe000, 0x2538c000, dup_immediate },
	{ 0xff3fe000, 0x2538e000, dup_immediate, .sizes = SVE_HSD },
	{ 0xff3fe000, 0x2539c000, fdup, .sizes = SVE_HSD },
	/* CPY and DUP of registers and elements; SEL. */
	{ 0xff3fe000, 0x05208000, cpy_scalar },
	{ 0xff3fe000, 0x0528a000, cpy_general },
	{ 0xff3ffc00, 0x05203800, dup_general },
	{ 0xff21fc00, 0x05212000, dup_indexed },
	{ 0xff23fc00, 0x05222000, dup_indexed },
	{ 0xff27fc00, 0x05242000, dup_indexed },
	{ 0xff2ffc00, 0x05282000, dup_indexed },
	{ 0xff3ffc00, 0x05302000, dup_indexed },
	{ 0xff20c000, 0x0520c000, sel },
	{ 0 },
};
