/*
 * Decoding of scalar floating point and Advanced SIMD data processing (C4.1.95): the classes of encodings, each with the tables that hold
 * its instructions. What they do is not known here.
 */
#include "arm64/cpu/vector.h"

/* Where a class keeps the element size that a row's set of sizes restricts. */
enum size_field {
	SIZE_NONE,
	SIZE_FIELD, /* bits 23:22 */
	SIZE_IMMH,  /* the highest one of bits 22:19 */
	SIZE_IMM5,  /* the lowest one of bits 19:16 */
};

struct vector_class {
	uint32_t mask, value; /* of the class */
	uint32_t key;         /* the bits that tell its instructions apart */
	enum size_field size;
	const struct vector_row *rows;
};

#define KEY_15_11 OPCODE_11(31)
#define KEY_14_11 OPCODE_11(15)
#define KEY_13_11 OPCODE_11(7)
#define KEY_16_12 OPCODE_12(31)
#define KEY_15_12 OPCODE_12(15)
#define KEY_14_12 OPCODE_12(7)

/* Bit 28 is the scalar form's and not in the masks of classes that have both. */
static const struct vector_class classes[] = {
	{ 0x8f20fc00, 0x0e201c00, U | SIZE(3), SIZE_FIELD, vector_logical_rows },
	{ 0x8f200400, 0x0e200400, U | KEY_15_11, SIZE_FIELD, vector_three_same_rows },
	{ 0x8f200400, 0x0e200400, U | KEY_15_11, SIZE_FIELD, vector_saturate_rows },
	{ 0x8f20c400, 0x0e20c400, U | A | KEY_13_11, SIZE_FIELD, float_three_same_rows },
	{ 0x8f20c400, 0x0e20c400, U | A | KEY_13_11, SIZE_FIELD, float_half_product_rows },
	{ 0x8f60c400, 0x0e400400, U | A | KEY_13_11, SIZE_NONE, float_three_same_rows },
	{ 0x8f208400, 0x0e008400, U | KEY_14_11, SIZE_FIELD, vector_saturate_extra_rows },
	{ 0x8f208400, 0x0e008400, U | KEY_14_11, SIZE_FIELD, vector_dot_rows },
	{ 0x8f208400, 0x0e008400, U | KEY_14_11, SIZE_FIELD, float_complex_rows },
	{ 0x8f208400, 0x0e008400, U | KEY_14_11, SIZE_FIELD, float_bfloat_rows },
	{ 0x8f200c00, 0x0e200000, U | KEY_15_12, SIZE_FIELD, vector_long_rows },
	/* Two-register miscellaneous, across lanes, scalar pairwise. */
	{ 0x8f3e0c00, 0x0e200800, U | KEY_16_12, SIZE_FIELD, vector_misc_rows },
	{ 0x8f3e0c00, 0x0e200800, U | KEY_16_12, SIZE_FIELD, vector_saturate_misc_rows },
	{ 0x8f3e0c00, 0x0e200800, U | KEY_16_12, SIZE_FIELD, vector_narrow_rows },
	{ 0x8f3e0c00, 0x0e200800, U | A | KEY_16_12, SIZE_FIELD, float_misc_rows },
	{ 0x8f3e0c00, 0x0e200800, U | A | KEY_16_12, SIZE_FIELD, float_misc_no_half_rows },
	{ 0x8f3e0c00, 0x0e200800, U | KEY_16_12, SIZE_FIELD, float_bfloat_misc_rows },
	{ 0x8f7e0c00, 0x0e780800, U | A | KEY_16_12, SIZE_NONE, float_misc_rows },
	{ 0x9f3e0c00, 0x0e300800, U | KEY_16_12, SIZE_FIELD, vector_across_rows },
	{ 0x9f3e0c00, 0x0e300800, U | A | KEY_16_12, SIZE_FIELD, float_across_rows },
	{ 0x9f3e0c00, 0x1e300800, U | KEY_16_12, SIZE_FIELD, vector_pairwise_rows },
	{ 0x9f3e0c00, 0x1e300800, U | A | KEY_16_12, SIZE_FIELD, float_pairwise_rows },
	/* By element. */
	{ 0x8f000400, 0x0f000000, U | KEY_15_12, SIZE_FIELD, vector_element_rows },
	{ 0x8f000400, 0x0f000000, U | KEY_15_12, SIZE_FIELD, vector_saturate_element_rows },
	{ 0x8f000400, 0x0f000000, U | KEY_15_12, SIZE_FIELD, vector_long_element_rows },
	{ 0x8f000400, 0x0f000000, U | KEY_15_12, SIZE_FIELD, vector_dot_element_rows },
	{ 0x8f000400, 0x0f000000, U | KEY_15_12, SIZE_FIELD, float_element_rows },
	{ 0x8f000400, 0x0f000000, U | KEY_15_12, SIZE_FIELD, float_bfloat_element_rows },
	/* Shift by immediate. */
	{ 0x8f800400, 0x0f000400, U | KEY_15_11, SIZE_IMMH, vector_shift_rows },
	{ 0x8f800400, 0x0f000400, U | KEY_15_11, SIZE_IMMH, vector_shift_narrow_rows },
	{ 0x8f800400, 0x0f000400, U | KEY_15_11, SIZE_IMMH, float_shift_rows },
	/* Moves. */
	{ 0xafe08400, 0x0e000400, KEY_14_11, SIZE_IMM5, vector_copy_rows },
	{ 0xbfe08400, 0x2e000400, 0, SIZE_IMM5, vector_insert_rows },
	{ 0xbf208c00, 0x0e000800, KEY_14_12, SIZE_FIELD, vector_permute_rows },
	{ 0xbfe08c00, 0x0e000000, 0, SIZE_NONE, vector_table_rows },
	{ 0xbfe08400, 0x2e000000, 0, SIZE_NONE, vector_extract_rows },
	/* Cryptography. */
	{ 0xff3e0c00, 0x4e280800, KEY_16_12, SIZE_FIELD, vector_aes_rows },
	{ 0xff208c00, 0x5e000000, KEY_14_12, SIZE_FIELD, vector_sha_three_rows },
	{ 0xff3e0c00, 0x5e280800, KEY_16_12, SIZE_FIELD, vector_sha_two_rows },
	{ 0xffe0f000, 0xce608000, 3 << 10, SIZE_NONE, vector_sha512_three_rows },
	{ 0xfffff000, 0xcec08000, 3 << 10, SIZE_NONE, vector_sha512_two_rows },
	{ 0xff808000, 0xce000000, 3 << 21, SIZE_NONE, vector_sha3_rows },
	{ 0xffe00000, 0xce800000, 0, SIZE_NONE, vector_xar_rows },
	{ 0xffe08000, 0xce400000, 0, SIZE_NONE, vector_sm3ss1_rows },
	{ 0xffe0c000, 0xce408000, 3 << 10, SIZE_NONE, vector_sm3tt_rows },
	{ 0xffe0f000, 0xce60c000, 3 << 10, SIZE_NONE, vector_sm_three_rows },
	{ 0xfffff000, 0xcec08000, 3 << 10, SIZE_NONE, vector_sm_two_rows },
};

/* log2 of the element's bytes; 4: none. */
static unsigned int class_size(const struct vector_class *class, uint32_t word)
{
	unsigned int field;

	switch (class->size) {
	case SIZE_FIELD:
		return bits(word, 23, 22);
	case SIZE_IMMH:
		field = bits(word, 22, 19);
		return field ? 31 - (unsigned int)__builtin_clz(field) : 4;
	case SIZE_IMM5:
		field = bits(word, 19, 16);
		return field ? (unsigned int)__builtin_ctz(field) : 4;
	default:
		return 0;
	}
}

static bool row_allows(const struct vector_class *class, const struct vector_row *row, uint32_t word)
{
	unsigned int size = class_size(class, word), sizes = is_scalar(word) ? row->scalar : row->vector;

	if (row->valid && !row->valid(word))
		return false;
	if (is_scalar(word) && !bit(word, 30))
		return false;
	if (class->size == SIZE_NONE)
		return sizes != 0;
	if (is_scalar(word))
		return size < 4 && sizes >> size & 1;
	return size < 4 && sizes >> (2 * size + bit(word, 30)) & 1;
}

static a64_fn *decode_class(const struct vector_class *class, uint32_t word)
{
	for (const struct vector_row *row = class->rows; row->run; row++)
		if ((word & class->key) == row->key && row_allows(class, row, word))
			return row->run;
	return NULL;
}

static a64_fn *decode_allocated(struct a64_insn *insn)
{
	uint32_t word = insn->word;

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if ((word & classes[i].mask) == classes[i].value) {
			a64_fn *run = decode_class(&classes[i], word);

			if (run)
				return run;
		}
	if ((word & 0x9ff80400) == 0x0f000400)
		return decode_modified_immediate(insn);
	return decode_float_scalar(insn);
}

a64_fn *a64_decode_vector(struct a64_decode *decode, struct a64_insn *insn)
{
	return vector_trapped(decode, decode_allocated(insn));
}

/* CPACR_EL1.FPEN: EC 7, with the condition that A64 instructions have, AL. */
static void trap(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_exception(cpu, insn, UINT64_C(7) << 26 | UINT64_C(1) << 25 | UINT64_C(1) << 24 | UINT64_C(14) << 20);
}

a64_fn *vector_trapped(struct a64_decode *decode, a64_fn *run)
{
	if (!run || !(decode->mode & A64_MODE_FP_TRAP))
		return run;
	decode->ends = true;
	return trap;
}
