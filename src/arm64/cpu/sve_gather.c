/*
 * SVE's gather loads and scatter stores: every element has its own address. Prefetches, of these and of contiguous elements: they do nothing.
 */
#include "arm64/cpu/sve_memory.h"

/* How an element's address is made. */
enum place {
	PLACE_OFFSETS_UNSIGNED, /* base register + the low 32 bits of Zm's element, zero-extended */
	PLACE_OFFSETS_SIGNED,   /* ... sign-extended */
	PLACE_OFFSETS,          /* base register + Zm's element */
	PLACE_IMMEDIATE,        /* Zn's element + imm5 (bits 20:16) times the size in memory */
	PLACE_REGISTER,         /* Zn's element + Xm */
	PLACE_MASK = 7,
	PLACE_DOUBLEWORDS = 8,  /* elements are 64 bits, not 32 */
	PLACE_SCALED = 16,      /* offsets are multiplied by the size in memory */
};

/* op.number of a row is enum place; the size in memory is always bits 24:23. */
static unsigned int memory_bytes(const struct a64_insn *insn)
{
	return 1u << bits(insn->word, 24, 23);
}

static unsigned int element_bytes(const struct a64_insn *insn)
{
	return sve_row(insn)->op.number & PLACE_DOUBLEWORDS ? 8 : 4;
}

static bool base_get(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t *base)
{
	switch (sve_row(insn)->op.number & PLACE_MASK) {
	case PLACE_IMMEDIATE: *base = bits(insn->word, 20, 16) * memory_bytes(insn); return true;
	case PLACE_REGISTER: *base = cpu->x[bits(insn->word, 20, 16)]; return true;
	default: return sve_base(cpu, insn, base);
	}
}

static uint64_t element_address(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t base, unsigned int i)
{
	unsigned int place = sve_row(insn)->op.number, bytes = element_bytes(insn);
	uint64_t offset = sve_get(sve_zm(cpu, insn), i, bytes);

	switch (place & PLACE_MASK) {
	case PLACE_OFFSETS_UNSIGNED: offset = (uint32_t)offset; break;
	case PLACE_OFFSETS_SIGNED: offset = (uint64_t)(int32_t)offset; break;
	case PLACE_OFFSETS: break;
	default: return base + sve_get(sve_zn(cpu, insn), i, bytes);
	}
	return base + (place & PLACE_SCALED ? offset * memory_bytes(insn) : offset);
}

/* Bit 14 (LDNT1 of words: bit 13): zero-extended. */
static void load(struct arm64_vcpu *cpu, const struct a64_insn *insn, enum sve_faults faults, bool is_signed)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	unsigned int bytes = element_bytes(insn), memory = memory_bytes(insn);
	bool first = true;
	union arm64_z result;
	uint64_t base, value;

	if (!base_get(cpu, insn, &base))
		return;
	memset(&result, 0, sizeof(result));
	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		enum sve_read got;

		if (!sve_active(pg, i * bytes))
			continue;
		got = sve_read_element(cpu, insn, faults, first, element_address(cpu, insn, base, i), memory, &value);
		if (got == SVE_READ_FAIL)
			return;
		if (got == SVE_READ_STOP) {
			sve_not_loaded(cpu, i * bytes);
			break;
		}
		first = false;
		sve_put(&result, i, bytes, is_signed ? (uint64_t)sve_signed(value, 8 * memory) : value);
	}
	sve_copy(cpu, sve_zd(cpu, insn), &result);
	a64_next(cpu, insn);
}

/* Bit 13: first-fault. */
static void gather(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	load(cpu, insn, bit(insn->word, 13) ? SVE_FAULTS_FIRST : SVE_FAULTS, !bit(insn->word, 14));
}

/* LDNT1: arg: the bit that says zero-extended. */
static void gather_nontemporal(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	load(cpu, insn, SVE_FAULTS, !bit(insn->word, sve_row(insn)->arg));
}

static void scatter(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	unsigned int bytes = element_bytes(insn), memory = memory_bytes(insn);
	uint64_t base;

	if (!base_get(cpu, insn, &base))
		return;
	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes) &&
		    !a64_write(cpu, insn, element_address(cpu, insn, base, i), &sve_zd(cpu, insn)->b[i * bytes], memory, 0))
			return;
	a64_next(cpu, insn);
}

static void prefetch(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_next(cpu, insn);
}

/* ---- The encodings. The widest elements have no sign to extend. ---- */

const struct sve_row sve_gather_rows[] = {
	/* LD1, LDFF1: words. */
	{ 0xff608000, 0x84000000, gather, { .number = PLACE_OFFSETS_UNSIGNED } },
	{ 0xffe08000, 0x84a00000, gather, { .number = PLACE_OFFSETS_UNSIGNED | PLACE_SCALED } },
	{ 0xff608000, 0x84400000, gather, { .number = PLACE_OFFSETS_SIGNED } },
	{ 0xffe08000, 0x84e00000, gather, { .number = PLACE_OFFSETS_SIGNED | PLACE_SCALED } },
	{ 0xffe0c000, 0x85004000, gather, { .number = PLACE_OFFSETS_UNSIGNED } },
	{ 0xffe0c000, 0x85204000, gather, { .number = PLACE_OFFSETS_UNSIGNED | PLACE_SCALED } },
	{ 0xffe0c000, 0x85404000, gather, { .number = PLACE_OFFSETS_SIGNED } },
	{ 0xffe0c000, 0x85604000, gather, { .number = PLACE_OFFSETS_SIGNED | PLACE_SCALED } },
	{ 0xff608000, 0x84208000, gather, { .number = PLACE_IMMEDIATE } },
	{ 0xffe0c000, 0x8520c000, gather, { .number = PLACE_IMMEDIATE } },
	/* LD1, LDFF1: doublewords. */
	{ 0xff608000, 0xc4000000, gather, { .number = PLACE_OFFSETS_UNSIGNED | PLACE_DOUBLEWORDS } },
	{ 0xffe08000, 0xc4a00000, gather, { .number = PLACE_OFFSETS_UNSIGNED | PLACE_SCALED | PLACE_DOUBLEWORDS } },
	{ 0xff608000, 0xc4400000, gather, { .number = PLACE_OFFSETS_SIGNED | PLACE_DOUBLEWORDS } },
	{ 0xffe08000, 0xc4e00000, gather, { .number = PLACE_OFFSETS_SIGNED | PLACE_SCALED | PLACE_DOUBLEWORDS } },
	{ 0xffe08000, 0xc5000000, gather, { .number = PLACE_OFFSETS_UNSIGNED | PLACE_DOUBLEWORDS } },
	{ 0xffe08000, 0xc5200000, gather, { .number = PLACE_OFFSETS_UNSIGNED | PLACE_SCALED | PLACE_DOUBLEWORDS } },
	{ 0xffe08000, 0xc5400000, gather, { .number = PLACE_OFFSETS_SIGNED | PLACE_DOUBLEWORDS } },
	{ 0xffe08000, 0xc5600000, gather, { .number = PLACE_OFFSETS_SIGNED | PLACE_SCALED | PLACE_DOUBLEWORDS } },
	{ 0xffe0c000, 0xc5804000, gather, { .number = PLACE_OFFSETS_UNSIGNED | PLACE_DOUBLEWORDS } },
	{ 0xffe0c000, 0xc5a04000, gather, { .number = PLACE_OFFSETS_UNSIGNED | PLACE_SCALED | PLACE_DOUBLEWORDS } },
	{ 0xffe0c000, 0xc5c04000, gather, { .number = PLACE_OFFSETS_SIGNED | PLACE_DOUBLEWORDS } },
	{ 0xffe0c000, 0xc5e04000, gather, { .number = PLACE_OFFSETS_SIGNED | PLACE_SCALED | PLACE_DOUBLEWORDS } },
	{ 0xff608000, 0xc4408000, gather, { .number = PLACE_OFFSETS | PLACE_DOUBLEWORDS } },
	{ 0xffe08000, 0xc4e08000, gather, { .number = PLACE_OFFSETS | PLACE_SCALED | PLACE_DOUBLEWORDS } },
	{ 0xffe08000, 0xc5408000, gather, { .number = PLACE_OFFSETS | PLACE_DOUBLEWORDS } },
	{ 0xffe08000, 0xc5608000, gather, { .number = PLACE_OFFSETS | PLACE_SCALED | PLACE_DOUBLEWORDS } },
	{ 0xffe0c000, 0xc5c0c000, gather, { .number = PLACE_OFFSETS | PLACE_DOUBLEWORDS } },
	{ 0xffe0c000, 0xc5e0c000, gather, { .number = PLACE_OFFSETS | PLACE_SCALED | PLACE_DOUBLEWORDS } },
	{ 0xff608000, 0xc4208000, gather, { .number = PLACE_IMMEDIATE | PLACE_DOUBLEWORDS } },
	{ 0xffe08000, 0xc5208000, gather, { .number = PLACE_IMMEDIATE | PLACE_DOUBLEWORDS } },
	{ 0xffe0c000, 0xc5a0c000, gather, { .number = PLACE_IMMEDIATE | PLACE_DOUBLEWORDS } },
	/* LDNT1: words, doublewords. */
	{ 0xff60c000, 0x84008000, gather_nontemporal, { .number = PLACE_REGISTER }, .arg = 13 },
	{ 0xffe0e000, 0x8500a000, gather_nontemporal, { .number = PLACE_REGISTER }, .arg = 13 },
	{ 0xff60a000, 0xc4008000, gather_nontemporal, { .number = PLACE_REGISTER | PLACE_DOUBLEWORDS }, .arg = 14 },
	{ 0xffe0a000, 0xc5008000, gather_nontemporal, { .number = PLACE_REGISTER | PLACE_DOUBLEWORDS }, .arg = 14 },
	{ 0xffe0e000, 0xc580c000, gather_nontemporal, { .number = PLACE_REGISTER | PLACE_DOUBLEWORDS }, .arg = 14 },
	/* ST1: words. */
	{ 0xff60e000, 0xe4408000, scatter, { .number = PLACE_OFFSETS_UNSIGNED } },
	{ 0xffe0e000, 0xe4e08000, scatter, { .number = PLACE_OFFSETS_UNSIGNED | PLACE_SCALED } },
	{ 0xff60e000, 0xe440c000, scatter, { .number = PLACE_OFFSETS_SIGNED } },
	{ 0xffe0e000, 0xe4e0c000, scatter, { .number = PLACE_OFFSETS_SIGNED | PLACE_SCALED } },
	{ 0xff60e000, 0xe460a000, scatter, { .number = PLACE_IMMEDIATE } },
	{ 0xffe0e000, 0xe5408000, scatter, { .number = PLACE_OFFSETS_UNSIGNED } },
	{ 0xffe0e000, 0xe5608000, scatter, { .number = PLACE_OFFSETS_UNSIGNED | PLACE_SCALED } },
	{ 0xffe0e000, 0xe540c000, scatter, { .number = PLACE_OFFSETS_SIGNED } },
	{ 0xffe0e000, 0xe560c000, scatter, { .number = PLACE_OFFSETS_SIGNED | PLACE_SCALED } },
	{ 0xffe0e000, 0xe560a000, scatter, { .number = PLACE_IMMEDIATE } },
	/* ST1: doublewords. */
	{ 0xfe60e000, 0xe4008000, scatter, { .number = PLACE_OFFSETS_UNSIGNED | PLACE_DOUBLEWORDS } },
	{ 0xffe0e000, 0xe4a08000, scatter, { .number = PLACE_OFFSETS_UNSIGNED | PLACE_SCALED | PLACE_DOUBLEWORDS } },
	{ 0xff60e000, 0xe5208000, scatter, { .number = PLACE_OFFSETS_UNSIGNED | PLACE_SCALED | PLACE_DOUBLEWORDS } },
	{ 0xfe60e000, 0xe400c000, scatter, { .number = PLACE_OFFSETS_SIGNED | PLACE_DOUBLEWORDS } },
	{ 0xffe0e000, 0xe4a0c000, scatter, { .number = PLACE_OFFSETS_SIGNED | PLACE_SCALED | PLACE_DOUBLEWORDS } },
	{ 0xff60e000, 0xe520c000, scatter, { .number = PLACE_OFFSETS_SIGNED | PLACE_SCALED | PLACE_DOUBLEWORDS } },
	{ 0xfe60e000, 0xe400a000, scatter, { .number = PLACE_OFFSETS | PLACE_DOUBLEWORDS } },
	{ 0xffe0e000, 0xe4a0a000, scatter, { .number = PLACE_OFFSETS | PLACE_SCALED | PLACE_DOUBLEWORDS } },
	{ 0xff60e000, 0xe520a000, scatter, { .number = PLACE_OFFSETS | PLACE_SCALED | PLACE_DOUBLEWORDS } },
	{ 0xfe60e000, 0xe440a000, scatter, { .number = PLACE_IMMEDIATE | PLACE_DOUBLEWORDS } },
	/* STNT1: words, doublewords. */
	{ 0xff60e000, 0xe4402000, scatter, { .number = PLACE_REGISTER } },
	{ 0xffe0e000, 0xe5402000, scatter, { .number = PLACE_REGISTER } },
	{ 0xfe60e000, 0xe4002000, scatter, { .number = PLACE_REGISTER | PLACE_DOUBLEWORDS } },
	/* PRFB ... PRFD. */
	{ 0xffa08010, 0x84200000, prefetch },
	{ 0xfe60e010, 0x8400e000, prefetch },
	{ 0xffc08010, 0x85c00000, prefetch },
	{ 0xfe60e010, 0x8400c000, prefetch, .sizes = SVE_RM },
	{ 0xffa08010, 0xc4200000, prefetch },
	{ 0xffe08010, 0xc4608000, prefetch },
	{ 0xfe60e010, 0xc400e000, prefetch },
	{ 0 },
};
