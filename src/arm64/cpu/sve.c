/*
 * Decoding of SVE and SVE2 (C4.1.35 and on): which file's table an instruction is in, which row it is, and whether SVE may be used at all.
 * Knows no single instruction.
 */
#include "arm64/cpu/sve.h"

/* Syndromes: exception class and IL; of a trapped Advanced SIMD or floating-point access also CV and COND (D17.2.37). */
#define SYNDROME_SVE_TRAP (UINT64_C(0x19) << 26 | UINT64_C(1) << 25)
#define SYNDROME_FP_TRAP (UINT64_C(0x07) << 26 | UINT64_C(1) << 25 | UINT64_C(0x1e) << 20)

struct sve_table {
	uint8_t first, last; /* bits 31:24 of the instructions in it */
	const struct sve_row *rows;
};

static const struct sve_table tables[] = {
	{ 0x04, 0x25, sve_integer_rows },
	{ 0x04, 0x04, sve_shift_rows },
	{ 0x04, 0x04, sve_reduce_rows },
	{ 0x04, 0x25, sve_move_rows },
	{ 0x05, 0x05, sve_permute_rows },
	{ 0x24, 0x25, sve_compare_rows },
	{ 0x25, 0x25, sve_predicate_rows },
	{ 0x04, 0x25, sve_count_rows },
	{ 0x04, 0x65, sve_float_rows },
	{ 0x65, 0x65, sve_convert_rows },
	{ 0x84, 0xa5, sve_load_rows },
	{ 0xe4, 0xe5, sve_store_rows },
	{ 0x84, 0xe5, sve_gather_rows },
	{ 0x64, 0x65, sve_bfloat_rows },
	{ 0x04, 0x45, sve2_integer_rows },
	{ 0x45, 0x45, sve2_widen_rows },
	{ 0x04, 0x45, sve2_multiply_rows },
	{ 0x04, 0x45, sve2_bits_rows },
	{ 0x64, 0x65, sve2_float_rows },
};

static bool size_allocated(const struct sve_row *row, uint32_t word)
{
	unsigned int sizes = row->sizes & 15, tsz;

	if (!row->sizes)
		return true;
	if (row->sizes & SVE_LOGICAL)
		return sve_logical_immediate(word);
	if (row->sizes & SVE_RM)
		return bits(word, 20, 16) != X_ZERO;
	if (!(row->sizes & (SVE_TSZ_9 | SVE_TSZ_20)))
		return sizes >> bits(word, 23, 22) & 1;
	tsz = sve_tsz(word, row->sizes & SVE_TSZ_9 ? 5 : 16);
	return tsz >= 8 && (!sizes || sizes & sve_tsz_bytes(tsz)); /* SVE_B ... SVE_D are as many as bytes */
}

static const struct sve_row *row_find(uint32_t word)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		if (word >> 24 < tables[i].first || word >> 24 > tables[i].last)
			continue;
		for (const struct sve_row *row = tables[i].rows; row->run; row++)
			if ((word & row->mask) == row->value && size_allocated(row, word))
				return row;
	}
	return NULL;
}

static void trap_sve(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_exception(cpu, insn, SYNDROME_SVE_TRAP);
}

static void trap_fp(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_exception(cpu, insn, SYNDROME_FP_TRAP);
}

/* Undefined comes first, then CPACR_EL1.ZEN, then CPACR_EL1.FPEN (CheckSVEEnabled). */
a64_fn *a64_decode_sve(struct a64_decode *decode, struct a64_insn *insn)
{
	const struct sve_row *row = decode->mode & A64_MODE_SVE ? row_find(insn->word) : NULL;

	if (!row)
		return NULL;
	if (decode->mode & (A64_MODE_SVE_TRAP | A64_MODE_FP_TRAP)) {
		decode->ends = true;
		return decode->mode & A64_MODE_SVE_TRAP ? trap_sve : trap_fp;
	}
	insn->imm = (uintptr_t)row;
	return row->run;
}
