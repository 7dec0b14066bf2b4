/*
 * SVE's contiguous loads: LD1 with all its extensions, first-fault and non-fault loads, LD2 ... LD4, loads that are broadcast, LDR. Registers change
 * only after all has been read.
 */
#include "arm64/cpu/sve_memory.h"

/* Exception class of SP alignment, and IL. */
#define SYNDROME_SP_ALIGNMENT (UINT64_C(0x26) << 26 | UINT64_C(1) << 25)

/* ---- Shared. ---- */

bool sve_base(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t *base)
{
	unsigned int n = bits(insn->word, 9, 5);

	*base = *sve_x_or_sp(cpu, n);
	if (n == X_ZERO && *base % 16 && cpu->mode & A64_MODE_SP_ALIGN) {
		a64_exception(cpu, insn, SYNDROME_SP_ALIGNMENT);
		return false;
	}
	return true;
}

enum sve_read sve_read_element(struct arm64_vcpu *cpu, const struct a64_insn *insn, enum sve_faults faults, bool first, uint64_t address,
			       unsigned int bytes, uint64_t *value)
{
	if ((faults == SVE_FAULTS_NEVER || (faults == SVE_FAULTS_FIRST && !first)) &&
	    !(a64_readable(cpu, address) && a64_readable(cpu, address + bytes - 1)))
		return SVE_READ_STOP;
	*value = 0;
	return a64_read(cpu, insn, address, value, bytes, 0) ? SVE_READ_DONE : SVE_READ_FAIL;
}

void sve_not_loaded(struct arm64_vcpu *cpu, unsigned int at)
{
	for (; at < cpu->vl; at++)
		sve_set_active(&cpu->p[16], at, false);
}

/* ---- One vector. ---- */

/* An element in memory and in the register: `dtype`. */
struct extension {
	uint8_t memory, bytes;
	bool is_signed;
};

static const struct extension extensions[16] = {
	{ 1, 1, false }, { 1, 2, false }, { 1, 4, false }, { 1, 8, false },
	{ 4, 8, true }, { 2, 2, false }, { 2, 4, false }, { 2, 8, false },
	{ 2, 8, true }, { 2, 4, true }, { 4, 4, false }, { 4, 8, false },
	{ 1, 8, true }, { 1, 4, true }, { 1, 2, true }, { 8, 8, false },
};

/* Reads elements, from the first on as long as they are active, at once. Returns how many; -1: the instruction does not go on. */
static int read_run(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, unsigned int bytes, union arm64_z *to)
{
	unsigned int length = sve_leading_active(cpu, sve_pg(cpu, insn), bytes);

	if (!length || cpu->mode & A64_MODE_ALIGN)
		return 0;
	return a64_read(cpu, insn, address, to, length, MEM_ELEMENTS(bytes)) ? (int)(length / bytes) : -1;
}

static void load(struct arm64_vcpu *cpu, const struct a64_insn *insn, const struct extension *how, enum sve_faults faults, uint64_t address)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	unsigned int bytes = how->bytes;
	int from = 0, elements = cpu->vl / (int)bytes;
	enum sve_read got = SVE_READ_DONE;
	union arm64_z result;
	bool first = true;

	memset(&result, 0, cpu->vl);
	if (how->memory == bytes && faults == SVE_FAULTS)
		from = read_run(cpu, insn, address, bytes, &result);
	if (from < 0)
		return;
	for (int i = from; i < elements; i++) {
		uint64_t value;

		if (!sve_active(pg, (unsigned int)i * bytes))
			continue;
		got = sve_read_element(cpu, insn, faults, first, address + (uint64_t)i * how->memory, how->memory, &value);
		if (got == SVE_READ_FAIL)
			return;
		if (got == SVE_READ_STOP) {
			sve_not_loaded(cpu, (unsigned int)i * bytes);
			break;
		}
		first = false;
		sve_put(&result, (unsigned int)i, bytes, how->is_signed ? (uint64_t)sve_signed(value, 8 * how->memory) : value);
	}
	sve_copy(cpu, sve_zd(cpu, insn), &result);
	a64_next(cpu, insn);
}

static const struct extension *dtype(const struct a64_insn *insn)
{
	return &extensions[bits(insn->word, 24, 21)];
}

/* op.number: enum sve_faults. */
static void load_register(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const struct extension *how = dtype(insn);
	uint64_t base;

	if (sve_base(cpu, insn, &base))
		load(cpu, insn, how, (enum sve_faults)sve_row(insn)->op.number, base + cpu->x[bits(insn->word, 20, 16)] * how->memory);
}

static void load_immediate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const struct extension *how = dtype(insn);
	int64_t size = cpu->vl / how->bytes * how->memory;
	uint64_t base;

	if (sve_base(cpu, insn, &base))
		load(cpu, insn, how, (enum sve_faults)sve_row(insn)->op.number, base + (uint64_t)(bits_signed(insn->word, 19, 16) * size));
}

/* ---- Structures: LD2, LD3, LD4 (bits 22:21 are the number of registers - 1), and LDNT1. ---- */

static void load_structures(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	unsigned int count = bits(insn->word, 22, 21) + 1, bytes = 1u << bits(insn->word, 24, 23), d = bits(insn->word, 4, 0);
	union arm64_z results[4];

	memset(results, 0, sizeof(results));
	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		for (unsigned int r = 0; r < count && sve_active(pg, i * bytes); r++)
			if (!a64_read(cpu, insn, address + (i * count + r) * bytes, &results[r].b[i * bytes], bytes, 0))
				return;
	for (unsigned int r = 0; r < count; r++)
		sve_copy(cpu, &cpu->z[(d + r) % 32], &results[r]);
	a64_next(cpu, insn);
}

static void load_structures_register(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t base;

	if (sve_base(cpu, insn, &base))
		load_structures(cpu, insn, base + (cpu->x[bits(insn->word, 20, 16)] << bits(insn->word, 24, 23)));
}

static void load_structures_immediate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	int64_t size = (int64_t)cpu->vl * (bits(insn->word, 22, 21) + 1);
	uint64_t base;

	if (sve_base(cpu, insn, &base))
		load_structures(cpu, insn, base + (uint64_t)(bits_signed(insn->word, 19, 16) * size));
}

/* ---- Broadcasts. ---- */

/* LD1R: nothing is read if nothing is active. `dtype` is bits 24:23 and 14:13. */
static void load_broadcast(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const struct extension *how = &extensions[bits(insn->word, 24, 23) << 2 | bits(insn->word, 14, 13)];
	const union arm64_p *pg = sve_pg(cpu, insn);
	unsigned int bytes = how->bytes;
	uint64_t base, value = 0;

	if (!sve_base(cpu, insn, &base))
		return;
	if (sve_last_active(cpu, pg, bytes) >= 0 && !a64_read(cpu, insn, base + bits(insn->word, 21, 16) * how->memory, &value, how->memory, 0))
		return;
	if (how->is_signed)
		value = (uint64_t)sve_signed(value, 8 * how->memory);
	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		sve_put(sve_zd(cpu, insn), i, bytes, sve_active(pg, i * bytes) ? value : 0);
	a64_next(cpu, insn);
}

/* LD1RQ, LD1RO: `length` bytes, predicated by the predicate's beginning, over and over. What is no whole multiple at the end is zero. */
static void load_replicate(struct arm64_vcpu *cpu, const struct a64_insn *insn, unsigned int length, uint64_t offset)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	unsigned int bytes = 1u << bits(insn->word, 24, 23);
	union arm64_z result;
	uint64_t base;

	if (cpu->vl < length) {
		a64_undefined(cpu, insn);
		return;
	}
	if (!sve_base(cpu, insn, &base))
		return;
	memset(&result, 0, sizeof(result));
	for (unsigned int at = 0; at < length; at += bytes)
		if (sve_active(pg, at) && !a64_read(cpu, insn, base + offset + at, &result.b[at], bytes, 0))
			return;
	for (unsigned int at = length; at + length <= cpu->vl; at += length)
		memcpy(&result.b[at], result.b, length);
	sve_copy(cpu, sve_zd(cpu, insn), &result);
	a64_next(cpu, insn);
}

/* op.number: bytes. */
static void load_replicate_register(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	load_replicate(cpu, insn, sve_row(insn)->op.number, cpu->x[bits(insn->word, 20, 16)] << bits(insn->word, 24, 23));
}

static void load_replicate_immediate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int length = sve_row(insn)->op.number;

	load_replicate(cpu, insn, length, (uint64_t)(bits_signed(insn->word, 19, 16) * (int64_t)length));
}

/* ---- LDR: whole registers, 9-bit offsets in bits 21:16 and 12:10. ---- */

static void load_whole(struct arm64_vcpu *cpu, const struct a64_insn *insn, void *to, unsigned int length)
{
	int64_t offset = bits_signed(insn->word, 21, 16) * 8 + bits(insn->word, 12, 10);
	/* Alignment, where it is asked for, is that of 16 bytes of a vector, 2 of a predicate. */
	unsigned int step = cpu->mode & A64_MODE_ALIGN ? length / (cpu->vl / 16) : length;
	union arm64_z value;
	uint64_t base;

	if (!sve_base(cpu, insn, &base))
		return;
	for (unsigned int at = 0; at < length; at += step)
		if (!a64_read(cpu, insn, base + (uint64_t)(offset * (int64_t)length) + at, &value.b[at], step, MEM_ELEMENTS(length / (cpu->vl / 16))))
			return;
	memcpy(to, &value, length);
	a64_next(cpu, insn);
}

static void ldr_vector(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	load_whole(cpu, insn, sve_zd(cpu, insn), cpu->vl);
}

static void ldr_predicate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	load_whole(cpu, insn, sve_pd(cpu, insn), cpu->vl / 8u);
}

/* ---- The encodings. ---- */

const struct sve_row sve_load_rows[] = {
	/* LDR; LD1R. */
	{ 0xffc0e010, 0x85800000, ldr_predicate },
	{ 0xffc0e000, 0x85804000, ldr_vector },
	{ 0xfe408000, 0x84408000, load_broadcast },
	/* LD1, LDFF1; LD1, LDNF1 with an immediate. */
	{ 0xfe00e000, 0xa4004000, load_register, { .number = SVE_FAULTS }, SVE_RM },
	{ 0xfe00e000, 0xa4006000, load_register, { .number = SVE_FAULTS_FIRST } },
	{ 0xfe10e000, 0xa400a000, load_immediate, { .number = SVE_FAULTS } },
	{ 0xfe10e000, 0xa410a000, load_immediate, { .number = SVE_FAULTS_NEVER } },
	/* LDNT1, LD2, LD3, LD4. */
	{ 0xfe00e000, 0xa400c000, load_structures_register, .sizes = SVE_RM },
	{ 0xfe10e000, 0xa400e000, load_structures_immediate },
	/* LD1RQ, LD1RO. */
	{ 0xfe60e000, 0xa4000000, load_replicate_register, { .number = 16 }, SVE_RM },
	{ 0xfe60e000, 0xa4200000, load_replicate_register, { .number = 32 }, SVE_RM },
	{ 0xfe70e000, 0xa4002000, load_replicate_immediate, { .number = 16 } },
	{ 0xfe70e000, 0xa4202000, load_replicate_immediate, { .number = 32 } },
	{ 0 },
};
