/*
 * SVE's contiguous stores: ST1, ST2 ... ST4, STR. A store that faults halfway has stored what was before the fault, which the instruction,
 * when it is started again, stores once more.
 */
#include "arm64/cpu/sve_memory.h"

/* Writes elements from the first on as long as they are active, at once. Returns how many; -1: the instruction does not go on. */
static int write_run(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, unsigned int bytes)
{
	unsigned int length = sve_leading_active(cpu, sve_pg(cpu, insn), bytes);

	if (!length || cpu->mode & A64_MODE_ALIGN)
		return 0;
	return a64_write(cpu, insn, address, sve_zd(cpu, insn), length, MEM_ELEMENTS(bytes)) ? (int)(length / bytes) : -1;
}

/* The low `memory` bytes of elements; bits 22:21 say how wide those are in the register. */
static void store(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zt = sve_zd(cpu, insn);
	unsigned int memory = 1u << bits(insn->word, 24, 23), bytes = 1u << bits(insn->word, 22, 21);
	int from = memory == bytes ? write_run(cpu, insn, address, bytes) : 0;

	if (from < 0)
		return;
	for (unsigned int i = (unsigned int)from; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes) && !a64_write(cpu, insn, address + i * memory, &zt->b[i * bytes], memory, 0))
			return;
	a64_next(cpu, insn);
}

static void store_register(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t base;

	if (sve_base(cpu, insn, &base))
		store(cpu, insn, base + (cpu->x[bits(insn->word, 20, 16)] << bits(insn->word, 24, 23)));
}

static void store_immediate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	int64_t size = (int64_t)cpu->vl >> bits(insn->word, 22, 21) << bits(insn->word, 24, 23);
	uint64_t base;

	if (sve_base(cpu, insn, &base))
		store(cpu, insn, base + (uint64_t)(bits_signed(insn->word, 19, 16) * size));
}

/* ---- Structures: ST2, ST3, ST4 (bits 22:21 are the number of registers - 1), and STNT1. ---- */

static void store_structures(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	unsigned int count = bits(insn->word, 22, 21) + 1, bytes = 1u << bits(insn->word, 24, 23), t = bits(insn->word, 4, 0);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		for (unsigned int r = 0; r < count && sve_active(pg, i * bytes); r++)
			if (!a64_write(cpu, insn, address + (i * count + r) * bytes, &cpu->z[(t + r) % 32].b[i * bytes], bytes, 0))
				return;
	a64_next(cpu, insn);
}

static void store_structures_register(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t base;

	if (sve_base(cpu, insn, &base))
		store_structures(cpu, insn, base + (cpu->x[bits(insn->word, 20, 16)] << bits(insn->word, 24, 23)));
}

static void store_structures_immediate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	int64_t size = (int64_t)cpu->vl * (bits(insn->word, 22, 21) + 1);
	uint64_t base;

	if (sve_base(cpu, insn, &base))
		store_structures(cpu, insn, base + (uint64_t)(bits_signed(insn->word, 19, 16) * size));
}

/* ---- STR: whole registers, 9-bit offsets in bits 21:16 and 12:10. ---- */

static void store_whole(struct arm64_vcpu *cpu, const struct a64_insn *insn, const uint8_t *from, unsigned int length)
{
	int64_t offset = bits_signed(insn->word, 21, 16) * 8 + bits(insn->word, 12, 10);
	/* Alignment, where it is asked for, is that of 16 bytes of a vector, 2 of a predicate. */
	unsigned int step = cpu->mode & A64_MODE_ALIGN ? length / (cpu->vl / 16) : length;
	uint64_t base;

	if (!sve_base(cpu, insn, &base))
		return;
	for (unsigned int at = 0; at < length; at += step)
		if (!a64_write(cpu, insn, base + (uint64_t)(offset * (int64_t)length) + at, from + at, step, MEM_ELEMENTS(length / (cpu->vl / 16))))
			return;
	a64_next(cpu, insn);
}

static void str_vector(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	store_whole(cpu, insn, sve_zd(cpu, insn)->b, cpu->vl);
}

static void str_predicate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	store_whole(cpu, insn, sve_pd(cpu, insn)->b, cpu->vl / 8u);
}

/* ---- The encodings. ---- */

const struct sve_row sve_store_rows[] = {
	{ 0xffc0e010, 0xe5800000, str_predicate },
	{ 0xffc0e000, 0xe5804000, str_vector },
	/* ST1: elements in memory are not wider than in the register. */
	{ 0xff80e000, 0xe4004000, store_register, .sizes = SVE_RM },
	{ 0xffa0e000, 0xe4a04000, store_register, .sizes = SVE_RM },
	{ 0xffe0e000, 0xe4c04000, store_register, .sizes = SVE_RM },
	{ 0xff60e000, 0xe5604000, store_register, .sizes = SVE_RM },
	{ 0xffe0e000, 0xe5404000, store_register, .sizes = SVE_RM },
	{ 0xff90e000, 0xe400e000, store_immediate },
	{ 0xffb0e000, 0xe4a0e000, store_immediate },
	{ 0xfff0e000, 0xe4c0e000, store_immediate },
	{ 0xff70e000, 0xe560e000, store_immediate },
	{ 0xfff0e000, 0xe540e000, store_immediate },
	/* STNT1, ST2, ST3, ST4. */
	{ 0xfe00e000, 0xe4006000, store_structures_register, .sizes = SVE_RM },
	{ 0xfe10e000, 0xe410e000, store_structures_immediate },
	{ 0 },
};
