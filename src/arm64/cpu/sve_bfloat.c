/*
 * BFloat16 in SVE (FEAT_BF16): conversions, dot products, products of matrices. Advanced SIMD's are in float_bfloat.c.
 */
#include "arm64/cpu/sve.h"

/* BFDOT: two products a word. By an element of each 128 bits (arg): bits 20:19 are its index, bits 18:16 Zm. */
static void bfdot(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	bool by_element = sve_row(insn)->arg;
	const union arm64_z zm = cpu->z[by_element ? bits(insn->word, 18, 16) : bits(insn->word, 20, 16)];
	const union arm64_z *zn = sve_zn(cpu, insn);
	union arm64_z *zda = sve_zd(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / 4u; i++)
		zda->s[i] = fp_bfloat_dot(zda->s[i], zn->s[i], zm.s[by_element ? i - i % 4 + bits(insn->word, 20, 19) : i]);
	a64_next(cpu, insn);
}

/* BFMMLA: of each 128 bits, rows of Zn by rows of Zm, of four numbers each. */
static void bfmmla(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z zn = *sve_zn(cpu, insn), zm = *sve_zm(cpu, insn);
	union arm64_z *zda = sve_zd(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / 4u; i++)
		for (unsigned int k = 0; k < 2; k++)
			zda->s[i] = fp_bfloat_dot(zda->s[i], zn.s[i - i % 4 + i % 4 / 2 * 2 + k], zm.s[i - i % 4 + i % 2 * 2 + k]);
	a64_next(cpu, insn);
}

/* BFMLALB, BFMLALT (bit 10): even or odd elements, widened. By an element (arg): bits 20, 19 and 11 are its index, bits 18:16 Zm. */
static void bfmlal(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	bool by_element = sve_row(insn)->arg;
	unsigned int top = bit(insn->word, 10), index = bits(insn->word, 20, 19) << 1 | bit(insn->word, 11);
	const union arm64_z zn = *sve_zn(cpu, insn), zm = cpu->z[by_element ? bits(insn->word, 18, 16) : bits(insn->word, 20, 16)];
	union arm64_z *zda = sve_zd(cpu, insn);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / 4u; i++) {
		uint32_t m = zm.h[by_element ? 2 * i - 2 * i % 8 + index : 2 * i + top];

		zda->s[i] = (uint32_t)fp_muladd(&env, 32, zda->s[i], (uint32_t)zn.h[2 * i + top] << 16, m << 16);
	}
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* BFCVT: into even elements, odd ones being cleared. BFCVTNT (arg): into odd elements. */
static void bfcvt(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zn = sve_zn(cpu, insn);
	union arm64_z *zd = sve_zd(cpu, insn);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / 4u; i++) {
		if (!sve_active(pg, 4 * i))
			continue;
		if (sve_row(insn)->arg)
			zd->h[2 * i + 1] = fp_to_bfloat(&env, zn->s[i]);
		else
			zd->s[i] = fp_to_bfloat(&env, zn->s[i]);
	}
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* ---- The encodings. ---- */

const struct sve_row sve_bfloat_rows[] = {
	{ 0xffe0fc00, 0x64608000, bfdot },
	{ 0xffe0fc00, 0x64604000, bfdot, .arg = true },
	{ 0xffe0fc00, 0x6460e400, bfmmla },
	{ 0xffe0f800, 0x64e08000, bfmlal },
	{ 0xffe0f000, 0x64e04000, bfmlal, .arg = true },
	{ 0xffffe000, 0x658aa000, bfcvt },
	{ 0xffffe000, 0x648aa000, bfcvt, .arg = true },
	{ 0 },
};
