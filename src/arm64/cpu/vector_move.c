/*
 * Advanced SIMD: moves of elements and bytes: DUP, INS, SMOV, UMOV, TBL, TBX, EXT, ZIP, UZP, TRN, and the modified immediates.
 */
#include "arm64/cpu/vector.h"

/* ---- Copy: imm5 holds the element's size, as its lowest bit that is one, and above that an index. ---- */

static unsigned int copy_esize(uint32_t word)
{
	return 8u << __builtin_ctz(rm(word));
}

static unsigned int copy_index(uint32_t word)
{
	return rm(word) >> (__builtin_ctz(rm(word)) + 1);
}

static uint64_t copy_source(const struct arm64_vcpu *cpu, uint32_t word)
{
	union v128 n = v_get(cpu, rn(word));

	return element_get(&n, copy_esize(word), copy_index(word));
}

static void dup_element(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int esize = copy_esize(insn->word);

	v_result(cpu, insn->word, esize, v_broadcast(esize, copy_source(cpu, insn->word)));
	a64_next(cpu, insn);
}

static void dup_general(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int esize = copy_esize(insn->word);

	v_result(cpu, insn->word, esize, v_broadcast(esize, cpu->x[rn(insn->word)] & (UINT64_MAX >> (64 - esize))));
	a64_next(cpu, insn);
}

static void x_set(struct arm64_vcpu *cpu, unsigned int reg, uint64_t value)
{
	cpu->x[reg == X_ZERO ? X_SINK : reg] = value;
}

static void smov(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t value = (uint64_t)sign_extend(copy_source(cpu, insn->word), copy_esize(insn->word));

	x_set(cpu, rd(insn->word), bit(insn->word, 30) ? value : (uint32_t)value);
	a64_next(cpu, insn);
}

static void umov(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	x_set(cpu, rd(insn->word), copy_source(cpu, insn->word));
	a64_next(cpu, insn);
}

static void insert(struct arm64_vcpu *cpu, uint32_t word, uint64_t value)
{
	union v128 d = v_get(cpu, rd(word));

	element_set(&d, copy_esize(word), copy_index(word), value);
	v_set(cpu, rd(word), d, 16);
}

static void ins_general(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	insert(cpu, insn->word, cpu->x[rn(insn->word)]);
	a64_next(cpu, insn);
}

static void ins_element(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 n = v_get(cpu, rn(insn->word));
	unsigned int esize = copy_esize(insn->word);

	insert(cpu, insn->word, element_get(&n, esize, bits(insn->word, 14, 11) / (esize / 8)));
	a64_next(cpu, insn);
}

/* SMOV has fewer sizes than its result has bits; UMOV fills a W register, or an X register with a doubleword. INS writes 128 bits. */
enum { VECTOR_SMOV = VECTOR_BH | 0x20, VECTOR_UMOV = 0x95, VECTOR_INS = 0xaa };

const struct vector_row vector_copy_rows[] = {
	{ OPCODE_11(0x0), VECTOR_BHSD, SCALAR_SIZES, dup_element },
	{ OPCODE_11(0x1), VECTOR_BHSD, 0, dup_general },
	{ OPCODE_11(0x3), VECTOR_INS, 0, ins_general },
	{ OPCODE_11(0x5), VECTOR_SMOV, 0, smov },
	{ OPCODE_11(0x7), VECTOR_UMOV, 0, umov },
	{ .run = NULL }
};

const struct vector_row vector_insert_rows[] = {
	{ 0, VECTOR_INS, 0, ins_element },
	{ .run = NULL }
};

/* ---- Permutations. ---- */

/* Element i of the result is element source(i) of n and m, m right behind n. */
typedef unsigned int permutation(unsigned int i, unsigned int elements, unsigned int part);

TEMPLATE void permute_elements(struct arm64_vcpu *cpu, uint32_t word, permutation *source, unsigned int esize, unsigned int bytes)
{
	unsigned int elements = bytes * 8 / esize, part = bit(word, 14);
	union v128 d = { .d = { 0, 0 } }, n = v_get(cpu, rn(word)), m = v_get(cpu, rm(word));
	union v128 both[2] = { n, m };

	if (bytes == 8)
		both[0].d[1] = m.d[0];
	for (unsigned int i = 0; i < elements; i++) {
		unsigned int from = source(i, elements, part);

		element_set(&d, esize, i, element_get(&both[from * esize / 128], esize, from % (128 / esize)));
	}
	v_set(cpu, rd(word), d, bytes);
}

TEMPLATE void permute(struct arm64_vcpu *cpu, uint32_t word, permutation *source)
{
	switch (bits(word, 23, 22) << 1 | bit(word, 30)) {
	case 0: permute_elements(cpu, word, source, 8, 8); break;
	case 1: permute_elements(cpu, word, source, 8, 16); break;
	case 2: permute_elements(cpu, word, source, 16, 8); break;
	case 3: permute_elements(cpu, word, source, 16, 16); break;
	case 4: permute_elements(cpu, word, source, 32, 8); break;
	case 5: permute_elements(cpu, word, source, 32, 16); break;
	default: permute_elements(cpu, word, source, 64, 16); break;
	}
}

TEMPLATE unsigned int source_uzp(unsigned int i, unsigned int elements, unsigned int part)
{
	(void)elements;
	return 2 * i + part;
}

TEMPLATE unsigned int source_trn(unsigned int i, unsigned int elements, unsigned int part)
{
	return (i & ~1u) + part + (i & 1) * elements;
}

TEMPLATE unsigned int source_zip(unsigned int i, unsigned int elements, unsigned int part)
{
	return i / 2 + part * elements / 2 + (i & 1) * elements;
}

static void uzp(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	permute(cpu, insn->word, source_uzp);
	a64_next(cpu, insn);
}

static void trn(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	permute(cpu, insn->word, source_trn);
	a64_next(cpu, insn);
}

static void zip(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	permute(cpu, insn->word, source_zip);
	a64_next(cpu, insn);
}

const struct vector_row vector_permute_rows[] = {
	{ OPCODE_12(1), VECTOR_BHSD, 0, uzp },
	{ OPCODE_12(2), VECTOR_BHSD, 0, trn },
	{ OPCODE_12(3), VECTOR_BHSD, 0, zip },
	{ OPCODE_12(5), VECTOR_BHSD, 0, uzp },
	{ OPCODE_12(6), VECTOR_BHSD, 0, trn },
	{ OPCODE_12(7), VECTOR_BHSD, 0, zip },
	{ .run = NULL }
};

/* TBL and TBX: bytes of up to four registers, by index; an index beyond them gives 0, or leaves the byte. */
static void table_lookup(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int registers = bits(word, 14, 13) + 1;
	union v128 table[4], m = v_get(cpu, rm(word)), d = { .d = { 0, 0 } };

	if (bit(word, 12))
		d = v_get(cpu, rd(word));
	for (unsigned int i = 0; i < registers; i++)
		table[i] = v_get(cpu, (rn(word) + i) % 32);
	for (unsigned int i = 0; i < v_bytes(word); i++)
		d.b[i] = m.b[i] < 16 * registers ? ((const uint8_t *)table)[m.b[i] % 64] : d.b[i];
	v_set(cpu, rd(word), d, v_bytes(word));
	a64_next(cpu, insn);
}

const struct vector_row vector_table_rows[] = {
	{ 0, VECTOR_SIZES, 0, table_lookup },
	{ .run = NULL }
};

/* EXT: from byte imm4 of n on, then m. */
static void ext(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int bytes = v_bytes(word);
	union v128 d, n = v_get(cpu, rn(word)), m = v_get(cpu, rm(word));
	uint8_t both[32];

	memcpy(both, &n, bytes);
	memcpy(both + bytes, &m, bytes);
	memset(&d, 0, sizeof(d));
	memcpy(&d, both + bits(word, 14, 11), bytes);
	v_set(cpu, rd(word), d, bytes);
	a64_next(cpu, insn);
}

static bool ext_valid(uint32_t word)
{
	return bit(word, 30) || !bit(word, 14);
}

const struct vector_row vector_extract_rows[] = {
	{ 0, VECTOR_SIZES, 0, ext, ext_valid },
	{ .run = NULL }
};

/* ---- Modified immediates: the operand is made when the instruction is decoded. ---- */

static void movi(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	v_set(cpu, rd(insn->word), (union v128){ .d = { insn->imm, insn->imm } }, v_bytes(insn->word));
	a64_next(cpu, insn);
}

static void orr_immediate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 d = v_get(cpu, rd(insn->word));

	v_set(cpu, rd(insn->word), (union v128){ .d = { d.d[0] | insn->imm, d.d[1] | insn->imm } }, v_bytes(insn->word));
	a64_next(cpu, insn);
}

static void bic_immediate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 d = v_get(cpu, rd(insn->word));

	v_set(cpu, rd(insn->word), (union v128){ .d = { d.d[0] & ~insn->imm, d.d[1] & ~insn->imm } }, v_bytes(insn->word));
	a64_next(cpu, insn);
}

/* A byte of ones for each bit of imm8. */
static uint64_t expand_bits(uint64_t imm8)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < 8; i++)
		value |= imm8 >> i & 1 ? UINT64_C(0xff) << 8 * i : 0;
	return value;
}

/* AdvSIMDExpandImm of the integer forms. */
static uint64_t expand_immediate(unsigned int op, unsigned int cmode, uint64_t imm8)
{
	if (cmode < 8)
		return v_broadcast(32, imm8 << 8 * (cmode >> 1)).d[0];
	if (cmode < 12)
		return v_broadcast(16, imm8 << 8 * (cmode >> 1 & 1)).d[0];
	if (cmode < 14)
		return v_broadcast(32, cmode & 1 ? imm8 << 16 | 0xffff : imm8 << 8 | 0xff).d[0];
	return op ? expand_bits(imm8) : v_broadcast(8, imm8).d[0];
}

a64_fn *decode_modified_immediate(struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int cmode = bits(word, 15, 12), op = bit(word, 29), imm8 = bits(word, 18, 16) << 5 | bits(word, 9, 5);
	bool half = bit(word, 11);

	if (cmode == 15) { /* FMOV */
		unsigned int size = half ? 16 : op ? 64 : 32;

		if (op && (half || !bit(word, 30)))
			return NULL;
		insn->imm = v_broadcast(size, fp_expand_immediate(size, imm8)).d[0];
		return movi;
	}
	if (half)
		return NULL;
	insn->imm = expand_immediate(op, cmode, imm8);
	if (cmode < 12 && cmode & 1)
		return op ? bic_immediate : orr_immediate;
	/* MVNI, except where op chooses another expansion. */
	if (op && cmode != 14)
		insn->imm = ~insn->imm;
	return movi;
}
