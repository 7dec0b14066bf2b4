/*
 * SVE2's floating-point instructions: pairs, conversions to and from odd elements, FLOGB, multiply-add of halves into singles.
 */
#include "arm64/cpu/sve.h"

/* ---- Pairs. ---- */

/* Zdn = op.fp_binary over pairs of Zdn in even elements, of Zm in odd ones, where Pg. */
static void pairwise(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sve_fp_binary *op = sve_row(insn)->op.fp_binary;
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z zn = *sve_zd(cpu, insn), zm = *sve_zn(cpu, insn);
	unsigned int bytes = sve_bytes(insn);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		const union arm64_z *from = i % 2 ? &zm : &zn;

		if (sve_active(pg, i * bytes))
			sve_put(sve_zd(cpu, insn), i, bytes, op(&env, 8 * bytes, sve_get(from, i & ~1u, bytes), sve_get(from, i | 1, bytes)));
	}
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* ---- Conversions. op.number: bytes of the wider format. ---- */

static enum fp_rounding narrow_rounding(const struct fp_env *env, bool to_odd)
{
	return to_odd ? FP_ODD : fp_rounding(env);
}

/* FCVTNT, FCVTXNT (arg: rounding to odd): into odd elements. */
static void narrow_to_top(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z zn = *sve_zn(cpu, insn);
	unsigned int bytes = sve_row(insn)->op.number;
	struct fp_env env = fp_begin(cpu);
	enum fp_rounding rounding = narrow_rounding(&env, sve_row(insn)->arg);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(sve_zd(cpu, insn), 2 * i + 1, bytes / 2, fp_convert(&env, 8 * bytes, 4 * bytes, sve_get(&zn, i, bytes), rounding));
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* FCVTX: into even elements, odd ones being cleared. */
static void narrow_to_odd(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zn = sve_zn(cpu, insn);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / 8u; i++)
		if (sve_active(pg, i * 8))
			sve_put(sve_zd(cpu, insn), i, 8, fp_convert(&env, 64, 32, zn->d[i], FP_ODD));
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* FCVTLT: of odd elements. */
static void widen_from_top(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zn = sve_zn(cpu, insn);
	unsigned int bytes = sve_row(insn)->op.number;
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(sve_zd(cpu, insn), i, bytes,
				fp_convert(&env, 4 * bytes, 8 * bytes, sve_get(zn, 2 * i + 1, bytes / 2), fp_rounding(&env)));
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* FPLogB(): the exponent; of zero and NaN the smallest integer, of infinity the largest. */
static uint64_t logb_element(struct fp_env *env, unsigned int size, uint64_t a)
{
	unsigned int fraction = size == 16 ? 10 : size == 32 ? 23 : 52;
	int64_t largest = (1 << (size - 1 - fraction)) - 1, exponent = (int64_t)(a >> fraction) & largest;
	uint64_t digits = a & sve_mask(fraction);

	if (exponent == largest && !digits)
		return sve_mask(size - 1);
	if (exponent == 0 && digits && env->fpcr & (size == 16 ? FPCR_FZ16 : FPCR_FZ)) {
		env->flags |= size == 16 ? 0 : FPSR_IDC;
		digits = 0;
	}
	if ((exponent == largest) || (exponent == 0 && !digits)) {
		env->flags |= FPSR_IOC;
		return UINT64_C(1) << (size - 1);
	}
	if (exponent == 0)
		exponent = 64 - __builtin_clzll(digits) - (int64_t)fraction;
	return (uint64_t)(exponent - largest / 2);
}

/* Bits 18:17 are the size. */
static void flogb(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zn = sve_zn(cpu, insn);
	unsigned int bytes = 1u << bits(insn->word, 18, 17);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(sve_zd(cpu, insn), i, bytes, logb_element(&env, 8 * bytes, sve_get(zn, i, bytes)));
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* ---- FMLALB, FMLALT, FMLSLB, FMLSLT: halves, as they are, into singles. ---- */

/* A half as the same number in single precision; signalling NaNs stay such, so that the sum sees them. FPCR.AHP has no say. */
static uint64_t half_widen(const struct fp_env *env, uint64_t half)
{
	uint64_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, digits = half & 0x3ff;

	if (exponent == 31)
		return sign | UINT64_C(0x7f800000) | digits << 13;
	if (exponent == 0) {
		unsigned int shift;

		if (!digits || env->fpcr & FPCR_FZ16)
			return sign;
		shift = (unsigned int)__builtin_clzll(digits) - 53;
		digits = digits << shift & 0x3ff;
		exponent = 1 - (uint64_t)shift;
	}
	return sign | (exponent + 127 - 15) << 23 | digits << 13;
}

/* Bit 13 subtracts, bit 10 takes odd elements. By an element: bits 20, 19 and 11 are its index, bits 18:16 Zm; arg: so. */
static void fmlal(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	bool by_element = sve_row(insn)->arg, subtracts = bit(insn->word, 13);
	unsigned int top = bit(insn->word, 10), index = bits(insn->word, 20, 19) << 1 | bit(insn->word, 11);
	const union arm64_z zn = *sve_zn(cpu, insn), zm = cpu->z[by_element ? bits(insn->word, 18, 16) : bits(insn->word, 20, 16)];
	union arm64_z *zda = sve_zd(cpu, insn);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / 4u; i++) {
		uint64_t n = half_widen(&env, zn.h[2 * i + top]), m = half_widen(&env, zm.h[by_element ? 2 * i - 2 * i % 8 + index : 2 * i + top]);

		zda->s[i] = (uint32_t)fp_muladd(&env, 32, zda->s[i], subtracts ? fp_neg(32, n) : n, m);
	}
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* ---- The encodings. ---- */

const struct sve_row sve2_float_rows[] = {
	/* FADDP, FMAXNMP, FMINNMP, FMAXP, FMINP. */
	{ 0xff3fe000, 0x64108000, pairwise, { .fp_binary = fp_add }, SVE_HSD },
	{ 0xff3fe000, 0x64148000, pairwise, { .fp_binary = fp_maxnm }, SVE_HSD },
	{ 0xff3fe000, 0x64158000, pairwise, { .fp_binary = fp_minnm }, SVE_HSD },
	{ 0xff3fe000, 0x64168000, pairwise, { .fp_binary = fp_max }, SVE_HSD },
	{ 0xff3fe000, 0x64178000, pairwise, { .fp_binary = fp_min }, SVE_HSD },
	/* FCVTXNT, FCVTX, FCVTNT, FCVTLT; FLOGB. */
	{ 0xffffe000, 0x640aa000, narrow_to_top, { .number = 8 }, .arg = true },
	{ 0xffffe000, 0x650aa000, narrow_to_odd },
	{ 0xffffe000, 0x6488a000, narrow_to_top, { .number = 4 } },
	{ 0xffffe000, 0x64caa000, narrow_to_top, { .number = 8 } },
	{ 0xffffe000, 0x6489a000, widen_from_top, { .number = 4 } },
	{ 0xffffe000, 0x64cba000, widen_from_top, { .number = 8 } },
	{ 0xffffe000, 0x651aa000, flogb },
	{ 0xffffe000, 0x651ca000, flogb },
	{ 0xffffe000, 0x651ea000, flogb },
	/* FMLALB, FMLALT, FMLSLB, FMLSLT: vectors, by an element. */
	{ 0xffe0d800, 0x64a08000, fmlal },
	{ 0xffe0d000, 0x64a04000, fmlal, .arg = true },
	{ 0 },
};
