/*
 * SVE's element counts: CNTB ... CNTD and CNTP, and counting registers and vectors up and down by them, with or without saturation.
 */
#include "arm64/cpu/sve.h"

/* How a count changes what it counts. */
enum step {
	STEP_DOWN = 1 << 0,
	STEP_SIGNED = 1 << 1,
	STEP_UNSIGNED = 1 << 2,
	STEP_WRAPS = 0,
};

static uint64_t step(uint64_t value, unsigned int count, unsigned int how, unsigned int esize)
{
	__int128 change = how & STEP_DOWN ? -(__int128)count : count;

	if (how & STEP_SIGNED)
		return sve_saturate_signed(sve_signed(value, esize) + change, esize);
	if (how & STEP_UNSIGNED)
		return sve_saturate_unsigned((value & sve_mask(esize)) + change, esize);
	return value + (uint64_t)change;
}

/* Saturated 32-bit results are sign-extended or zero-extended, as they are signed or not. */
static void step_register(struct arm64_vcpu *cpu, const struct a64_insn *insn, unsigned int count, unsigned int how, unsigned int esize)
{
	uint64_t *x = sve_x(cpu, bits(insn->word, 4, 0));
	uint64_t result = step(cpu->x[bits(insn->word, 4, 0)], count, how, esize);

	*x = how & STEP_SIGNED ? (uint64_t)sve_signed(result, esize) : result;
	a64_next(cpu, insn);
}

static void step_elements(struct arm64_vcpu *cpu, const struct a64_insn *insn, unsigned int count, unsigned int how)
{
	union arm64_z *zdn = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		sve_put(zdn, i, bytes, step(sve_get(zdn, i, bytes), count, how, 8 * bytes));
	a64_next(cpu, insn);
}

/* ---- By a pattern (bits 9:5) of elements times imm4 + 1 (bits 19:16). ---- */

static unsigned int pattern_count(const struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	return sve_pattern_count(bits(insn->word, 9, 5), cpu->vl / sve_bytes(insn)) * (bits(insn->word, 19, 16) + 1);
}

static void cnt(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	*sve_x(cpu, bits(insn->word, 4, 0)) = pattern_count(cpu, insn);
	a64_next(cpu, insn);
}

/* op.number: enum step; arg: the register's width. */
static void pattern_register(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	step_register(cpu, insn, pattern_count(cpu, insn), sve_row(insn)->op.number, sve_row(insn)->arg);
}

static void pattern_elements(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	step_elements(cpu, insn, pattern_count(cpu, insn), sve_row(insn)->op.number);
}

/* ---- By the active elements of a predicate. ---- */

static void cntp(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	*sve_x(cpu, bits(insn->word, 4, 0)) = sve_count_active(cpu, sve_pg4(cpu, insn), sve_pn(cpu, insn), sve_bytes(insn));
	a64_next(cpu, insn);
}

static unsigned int predicate_count(const struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	return sve_count_active(cpu, sve_pn(cpu, insn), sve_pn(cpu, insn), sve_bytes(insn));
}

static void predicate_register(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	step_register(cpu, insn, predicate_count(cpu, insn), sve_row(insn)->op.number, sve_row(insn)->arg);
}

static void predicate_elements(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	step_elements(cpu, insn, predicate_count(cpu, insn), sve_row(insn)->op.number);
}

/* ---- The encodings. ---- */

const struct sve_row sve_count_rows[] = {
	/* CNT, INC, DEC. */
	{ 0xff30fc00, 0x0420e000, cnt },
	{ 0xff30fc00, 0x0430e000, pattern_register, { .number = STEP_WRAPS }, .arg = 64 },
	{ 0xff30fc00, 0x0430e400, pattern_register, { .number = STEP_DOWN }, .arg = 64 },
	/* SQINC, UQINC, SQDEC, UQDEC: of 32 bits, of 64. */
	{ 0xff30fc00, 0x0420f000, pattern_register, { .number = STEP_SIGNED }, .arg = 32 },
	{ 0xff30fc00, 0x0420f400, pattern_register, { .number = STEP_UNSIGNED }, .arg = 32 },
	{ 0xff30fc00, 0x0420f800, pattern_register, { .number = STEP_SIGNED | STEP_DOWN }, .arg = 32 },
	{ 0xff30fc00, 0x0420fc00, pattern_register, { .number = STEP_UNSIGNED | STEP_DOWN }, .arg = 32 },
	{ 0xff30fc00, 0x0430f000, pattern_register, { .number = STEP_SIGNED }, .arg = 64 },
	{ 0xff30fc00, 0x0430f400, pattern_register, { .number = STEP_UNSIGNED }, .arg = 64 },
	{ 0xff30fc00, 0x0430f800, pattern_register, { .number = STEP_SIGNED | STEP_DOWN }, .arg = 64 },
	{ 0xff30fc00, 0x0430fc00, pattern_register, { .number = STEP_UNSIGNED | STEP_DOWN }, .arg = 64 },
	/* The same of vectors. */
	{ 0xff30fc00, 0x0430c000, pattern_elements, { .number = STEP_WRAPS }, SVE_HSD },
	{ 0xff30fc00, 0x0430c400, pattern_elements, { .number = STEP_DOWN }, SVE_HSD },
	{ 0xff30fc00, 0x0420c000, pattern_elements, { .number = STEP_SIGNED }, SVE_HSD },
	{ 0xff30fc00, 0x0420c400, pattern_elements, { .number = STEP_UNSIGNED }, SVE_HSD },
	{ 0xff30fc00, 0x0420c800, pattern_elements, { .number = STEP_SIGNED | STEP_DOWN }, SVE_HSD },
	{ 0xff30fc00, 0x0420cc00, pattern_elements, { .number = STEP_UNSIGNED | STEP_DOWN }, SVE_HSD },
	/* CNTP, INCP, DECP. */
	{ 0xff3fc200, 0x25208000, cntp },
	{ 0xff3ffe00, 0x252c8800, predicate_register, { .number = STEP_WRAPS }, .arg = 64 },
	{ 0xff3ffe00, 0x252d8800, predicate_register, { .number = STEP_DOWN }, .arg = 64 },
	{ 0xff3ffe00, 0x252c8000, predicate_elements, { .number = STEP_WRAPS }, SVE_HSD },
	{ 0xff3ffe00, 0x252d8000, predicate_elements, { .number = STEP_DOWN }, SVE_HSD },
	/* SQINCP, UQINCP, SQDECP, UQDECP: of 32 bits, of 64, of vectors. */
	{ 0xff3ffe00, 0x25288800, predicate_register, { .number = STEP_SIGNED }, .arg = 32 },
	{ 0xff3ffe00, 0x25298800, predicate_register, { .number = STEP_UNSIGNED }, .arg = 32 },
	{ 0xff3ffe00, 0x252a8800, predicate_register, { .number = STEP_SIGNED | STEP_DOWN }, .arg = 32 },
	{ 0xff3ffe00, 0x252b8800, predicate_register, { .number = STEP_UNSIGNED | STEP_DOWN }, .arg = 32 },
	{ 0xff3ffe00, 0x25288c00, predicate_register, { .number = STEP_SIGNED }, .arg = 64 },
	{ 0xff3ffe00, 0x25298c00, predicate_register, { .number = STEP_UNSIGNED }, .arg = 64 },
	{ 0xff3ffe00, 0x252a8c00, predicate_register, { .number = STEP_SIGNED | STEP_DOWN }, .arg = 64 },
	{ 0xff3ffe00, 0x252b8c00, predicate_register, { .number = STEP_UNSIGNED | STEP_DOWN }, .arg = 64 },
	{ 0xff3ffe00, 0x25288000, predicate_elements, { .number = STEP_SIGNED }, SVE_HSD },
	{ 0xff3ffe00, 0x25298000, predicate_elements, { .number = STEP_UNSIGNED }, SVE_HSD },
	{ 0xff3ffe00, 0x252a8000, predicate_elements, { .number = STEP_SIGNED | STEP_DOWN }, SVE_HSD },
	{ 0xff3ffe00, 0x252b8000, predicate_elements, { .number = STEP_UNSIGNED | STEP_DOWN }, SVE_HSD },
	{ 0 },
};
