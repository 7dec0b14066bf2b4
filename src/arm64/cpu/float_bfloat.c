/*
 * BFloat16 in Advanced SIMD (FEAT_BF16): conversions, dot products, products of matrices. SVE's are in sve_bfloat.c.
 */
#include "arm64/cpu/fp.h"
#include "arm64/cpu/vector.h"

/* BFDOT: two products a word. */
static void bfdot(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word)), m = v_operand_m(cpu, word, 32);

	for (unsigned int i = 0; i < 4; i++)
		d.s[i] = fp_bfloat_dot(d.s[i], n.s[i], m.s[i]);
	v_set(cpu, rd(word), d, v_bytes(word));
	a64_next(cpu, insn);
}

/* BFMMLA: rows of Vn by rows of Vm, of four numbers each: 2 x 2 sums. */
static void bfmmla(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word)), m = v_get(cpu, rm(word));

	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int k = 0; k < 2; k++)
			d.s[i] = fp_bfloat_dot(d.s[i], n.s[i / 2 * 2 + k], m.s[i % 2 * 2 + k]);
	v_set(cpu, rd(word), d, 16);
	a64_next(cpu, insn);
}

/* BFMLALB, BFMLALT (bit 30): even or odd elements, widened. */
STEP void bfmlal_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word)), m = v_operand_m(cpu, word, 16);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < 4; i++)
		d.s[i] = (uint32_t)fp_muladd(&env, 32, d.s[i], (uint32_t)n.h[2 * i + bit(word, 30)] << 16, (uint32_t)m.h[2 * i + bit(word, 30)] << 16);
	fp_end(cpu, &env);
	v_set(cpu, rd(word), d, 16);
}

static void bfmlal(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	bfmlal_step(cpu, insn);
	a64_next(cpu, insn);
}

/* BFCVTN, BFCVTN2 (bit 30). */
STEP void bfcvtn_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word));
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < 4; i++)
		d.h[4 * bit(word, 30) + i] = fp_to_bfloat(&env, n.s[i]);
	fp_end(cpu, &env);
	v_set(cpu, rd(word), d, v_bytes(word));
}

static void bfcvtn(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	bfcvtn_step(cpu, insn);
	a64_next(cpu, insn);
}

STEP void bfcvt_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	struct fp_env env = fp_begin(cpu);
	uint16_t value = fp_to_bfloat(&env, cpu->z[rn(insn->word)].s[0]);

	fp_end(cpu, &env);
	v_set(cpu, rd(insn->word), (union v128){ .d = { value, 0 } }, 8);
}

void float_bfcvt(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	bfcvt_step(cpu, insn);
	a64_next(cpu, insn);
}

static bool is_whole(uint32_t word)
{
	return bit(word, 30);
}

const struct vector_row float_bfloat_rows[] = {
	{ OPCODE_11(0xd) | U, VECTOR_H, 0, bfmmla, is_whole },
	{ OPCODE_11(0xf) | U, VECTOR_H, 0, bfdot },
	{ OPCODE_11(0xf) | U, VECTOR_1D | VECTOR_2D, 0, bfmlal },
	{ .run = NULL }
};

const struct vector_row float_bfloat_element_rows[] = {
	{ OPCODE_12(0xf), VECTOR_H, 0, bfdot },
	{ OPCODE_12(0xf), VECTOR_1D | VECTOR_2D, 0, bfmlal },
	{ .run = NULL }
};

const struct vector_row float_bfloat_misc_rows[] = {
	{ OPCODE_12(0x16), VECTOR_S, 0, bfcvtn },
	{ .run = NULL }
};
