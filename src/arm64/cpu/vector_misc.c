/*
 * Advanced SIMD: integer operations on one vector: reversals, counts, comparisons with zero, absolute values, pairwise long additions, and
 * reductions across all elements.
 */
#include "arm64/cpu/vector.h"

typedef uint64_t unary_op(uint64_t a, unsigned int esize);

TEMPLATE void unary_elements(struct arm64_vcpu *cpu, uint32_t word, unary_op *op, unsigned int esize)
{
	union v128 d, n = v_get(cpu, rn(word));

	for (unsigned int i = 0; i < 128 / esize; i++)
		element_set(&d, esize, i, op(element_get(&n, esize, i), esize));
	v_result(cpu, word, esize, d);
}

TEMPLATE void unary(struct arm64_vcpu *cpu, uint32_t word, unary_op *op)
{
	switch (bits(word, 23, 22)) {
	case 0: unary_elements(cpu, word, op, 8); break;
	case 1: unary_elements(cpu, word, op, 16); break;
	case 2: unary_elements(cpu, word, op, 32); break;
	default: unary_elements(cpu, word, op, 64); break;
	}
}

static uint64_t leading_zeros(uint64_t a, unsigned int esize)
{
	return a ? (unsigned int)__builtin_clzll(a) - (64 - esize) : esize;
}

TEMPLATE uint64_t count_bits8(uint64_t a)
{
	a -= a >> 1 & 0x55;
	a = (a & 0x33) + (a >> 2 & 0x33);
	return (a + (a >> 4)) & 0x0f;
}

TEMPLATE uint64_t op_rbit(uint64_t a, unsigned int esize)
{
	(void)esize; /* 8 */
	a = (a & 0x55) << 1 | (a >> 1 & 0x55);
	a = (a & 0x33) << 2 | (a >> 2 & 0x33);
	return (a & 0x0f) << 4 | (a >> 4 & 0x0f);
}

/* Name, and an element; sa is a with its sign. */
#define UNARY_OPS(X) \
	X(cls, leading_zeros(((uint64_t)sa ^ (uint64_t)sa << 1) >> 1 & (UINT64_MAX >> (65 - esize)), esize) - 1) \
	X(clz, leading_zeros(a, esize)) \
	X(cnt, count_bits8(a)) \
	X(not, ~a) \
	X(cmgt_zero, -(uint64_t)(sa > 0)) \
	X(cmge_zero, -(uint64_t)(sa >= 0)) \
	X(cmeq_zero, -(uint64_t)(a == 0)) \
	X(cmle_zero, -(uint64_t)(sa <= 0)) \
	X(cmlt_zero, -(uint64_t)(sa < 0)) \
	X(abs, sa < 0 ? -a : a) \
	X(neg, -a)

#define UNARY_HANDLER(name, expression) \
	TEMPLATE uint64_t op_##name(uint64_t a, unsigned int esize) \
	{ \
		int64_t sa = sign_extend(a, esize); \
\
		(void)sa; \
		return expression; \
	} \
	static void name##_vector(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		unary(cpu, insn->word, op_##name); \
		a64_next(cpu, insn); \
	}
UNARY_OPS(UNARY_HANDLER)

/* Of bytes, though its size field is 1. */
static void rbit_vector(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unary_elements(cpu, insn->word, op_rbit, 8);
	a64_next(cpu, insn);
}

/* REV16, REV32 and REV64: elements in the reverse order within containers of that many bits. */
static void reverse(struct arm64_vcpu *cpu, uint32_t word, unsigned int container)
{
	union v128 d, n = v_get(cpu, rn(word));
	unsigned int bytes = 1u << bits(word, 23, 22);
	unsigned int change = container / 8 - bytes; /* in an index of bytes, all powers of two */

	for (unsigned int i = 0; i < 16; i++)
		d.b[i] = n.b[i ^ change];
	v_set(cpu, rd(word), d, v_bytes(word));
}

static void rev16(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	reverse(cpu, insn->word, 16);
	a64_next(cpu, insn);
}

static void rev32(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	reverse(cpu, insn->word, 32);
	a64_next(cpu, insn);
}

static void rev64(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	reverse(cpu, insn->word, 64);
	a64_next(cpu, insn);
}

/* An element with its sign, or without. */
static uint64_t extended(const union v128 *v, unsigned int esize, unsigned int i, bool is_unsigned)
{
	uint64_t value = element_get(v, esize, i);

	return is_unsigned ? value : (uint64_t)sign_extend(value, esize);
}

/* SADDLP, UADDLP, SADALP, UADALP: U tells about the sign, and opcode whether the sums are accumulated. */
static void add_long_pairwise(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int esize = v_esize(word);
	bool is_unsigned = bit(word, 29);
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word));

	for (unsigned int i = 0; i < 64 / esize; i++) {
		uint64_t sum = extended(&n, esize, 2 * i, is_unsigned) + extended(&n, esize, 2 * i + 1, is_unsigned);

		element_set(&d, 2 * esize, i, sum + (bit(word, 14) ? element_get(&d, 2 * esize, i) : 0));
	}
	v_set(cpu, rd(word), d, v_bytes(word));
	a64_next(cpu, insn);
}

const struct vector_row vector_misc_rows[] = {
	{ OPCODE_12(0x00), VECTOR_BHS, 0, rev64 },
	{ OPCODE_12(0x00) | U, VECTOR_BH, 0, rev32 },
	{ OPCODE_12(0x01), VECTOR_B, 0, rev16 },
	{ OPCODE_12(0x02), VECTOR_BHS, 0, add_long_pairwise },
	{ OPCODE_12(0x02) | U, VECTOR_BHS, 0, add_long_pairwise },
	{ OPCODE_12(0x04), VECTOR_BHS, 0, cls_vector },
	{ OPCODE_12(0x04) | U, VECTOR_BHS, 0, clz_vector },
	{ OPCODE_12(0x05), VECTOR_B, 0, cnt_vector },
	{ OPCODE_12(0x05) | U, VECTOR_B, 0, not_vector },
	{ OPCODE_12(0x05) | U, VECTOR_H, 0, rbit_vector },
	{ OPCODE_12(0x06), VECTOR_BHS, 0, add_long_pairwise },
	{ OPCODE_12(0x06) | U, VECTOR_BHS, 0, add_long_pairwise },
	{ OPCODE_12(0x08), VECTOR_BHSD, SCALAR_D, cmgt_zero_vector },
	{ OPCODE_12(0x08) | U, VECTOR_BHSD, SCALAR_D, cmge_zero_vector },
	{ OPCODE_12(0x09), VECTOR_BHSD, SCALAR_D, cmeq_zero_vector },
	{ OPCODE_12(0x09) | U, VECTOR_BHSD, SCALAR_D, cmle_zero_vector },
	{ OPCODE_12(0x0a), VECTOR_BHSD, SCALAR_D, cmlt_zero_vector },
	{ OPCODE_12(0x0b), VECTOR_BHSD, SCALAR_D, abs_vector },
	{ OPCODE_12(0x0b) | U, VECTOR_BHSD, SCALAR_D, neg_vector },
	{ .run = NULL }
};

/* ---- Across all elements: the result is a scalar. ---- */

typedef int64_t reduce_op(int64_t a, int64_t b);

/* U: the elements have no sign. */
TEMPLATE void reduce(struct arm64_vcpu *cpu, uint32_t word, unsigned int result_bits, reduce_op *op)
{
	unsigned int esize = v_esize(word);
	bool is_unsigned = bit(word, 29);
	union v128 n = v_get(cpu, rn(word));
	int64_t result = (int64_t)extended(&n, esize, 0, is_unsigned);

	for (unsigned int i = 1; i < v_elements(word, esize); i++)
		result = op(result, (int64_t)extended(&n, esize, i, is_unsigned));
	v_set_scalar(cpu, rd(word), (uint64_t)result & (UINT64_MAX >> (64 - result_bits)));
}

TEMPLATE int64_t reduce_sum(int64_t a, int64_t b)
{
	return a + b;
}

TEMPLATE int64_t reduce_max(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

TEMPLATE int64_t reduce_min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void addv(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	reduce(cpu, insn->word, v_esize(insn->word), reduce_sum);
	a64_next(cpu, insn);
}

static void addlv(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	reduce(cpu, insn->word, 2 * v_esize(insn->word), reduce_sum);
	a64_next(cpu, insn);
}

static void maxv(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	reduce(cpu, insn->word, v_esize(insn->word), reduce_max);
	a64_next(cpu, insn);
}

static void minv(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	reduce(cpu, insn->word, v_esize(insn->word), reduce_min);
	a64_next(cpu, insn);
}

enum { VECTOR_ACROSS = VECTOR_BH | 0x20 };

const struct vector_row vector_across_rows[] = {
	{ OPCODE_12(0x03), VECTOR_ACROSS, 0, addlv },
	{ OPCODE_12(0x03) | U, VECTOR_ACROSS, 0, addlv },
	{ OPCODE_12(0x0a), VECTOR_ACROSS, 0, maxv },
	{ OPCODE_12(0x0a) | U, VECTOR_ACROSS, 0, maxv },
	{ OPCODE_12(0x1a), VECTOR_ACROSS, 0, minv },
	{ OPCODE_12(0x1a) | U, VECTOR_ACROSS, 0, minv },
	{ OPCODE_12(0x1b), VECTOR_ACROSS, 0, addv },
	{ .run = NULL }
};
