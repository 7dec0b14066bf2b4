/*
 * SVE's floating-point conversions and roundings, and the unary operations that are encoded among them. All merge.
 */
#include "arm64/cpu/sve.h"

/* Zd = op.fp_unary(Zn) where Pg. */
static void unary(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zn = sve_zn(cpu, insn);
	unsigned int bytes = sve_bytes(insn);
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(sve_zd(cpu, insn), i, bytes, sve_row(insn)->op.fp_unary(&env, 8 * bytes, sve_get(zn, i, bytes)));
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* FRINTN ... FRINTI: op.number is enum fp_rounding, or one of these. */
enum { FPCR_ROUNDING = 8, FPCR_ROUNDING_EXACT };

static void frint(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zn = sve_zn(cpu, insn);
	unsigned int bytes = sve_bytes(insn), number = sve_row(insn)->op.number;
	struct fp_env env = fp_begin(cpu);
	enum fp_rounding rounding = number >= FPCR_ROUNDING ? fp_rounding(&env) : (enum fp_rounding)number;

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(sve_zd(cpu, insn), i, bytes,
				fp_round_int(&env, 8 * bytes, sve_get(zn, i, bytes), rounding, number == FPCR_ROUNDING_EXACT));
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/*
 * Conversions between formats of `from` and `to` bytes: elements are as wide as the wider one; what is narrower is in their low part, the rest of
 * a result being zero, or the sign of a signed integer.
 */
enum conversion { FLOAT_TO_FLOAT, FLOAT_TO_SIGNED, FLOAT_TO_UNSIGNED, SIGNED_TO_FLOAT, UNSIGNED_TO_FLOAT };

static uint64_t convert_element(struct fp_env *env, enum conversion kind, unsigned int from, unsigned int to, uint64_t value)
{
	enum fp_rounding rounding = fp_rounding(env);

	value &= sve_mask(from);
	switch (kind) {
	case FLOAT_TO_FLOAT: return fp_convert(env, from, to, value, rounding);
	case FLOAT_TO_SIGNED: return (uint64_t)sve_signed(fp_to_fixed(env, from, value, to, 0, false, FP_ZERO), to);
	case FLOAT_TO_UNSIGNED: return fp_to_fixed(env, from, value, to, 0, true, FP_ZERO);
	default: return fp_from_fixed(env, to, value, from, 0, kind == UNSIGNED_TO_FLOAT, rounding);
	}
}

/* op.number: enum conversion; arg: bytes of the operand in bits 7:4, of the result in bits 3:0. */
static void convert(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const struct sve_row *row = sve_row(insn);
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zn = sve_zn(cpu, insn);
	unsigned int from = row->arg >> 4, to = row->arg & 15, bytes = from > to ? from : to;
	struct fp_env env = fp_begin(cpu);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(sve_zd(cpu, insn), i, bytes,
				convert_element(&env, (enum conversion)row->op.number, 8 * from, 8 * to, sve_get(zn, i, bytes)));
	fp_end(cpu, &env);
	a64_next(cpu, insn);
}

/* ---- The encodings. ---- */

const struct sve_row sve_convert_rows[] = {
	/* FRINTN, P, M, Z, A, X, I; FRECPX, FSQRT. */
	{ 0xff3fe000, 0x6500a000, frint, { .number = FP_TIEEVEN }, SVE_HSD },
	{ 0xff3fe000, 0x6501a000, frint, { .number = FP_POSINF }, SVE_HSD },
	{ 0xff3fe000, 0x6502a000, frint, { .number = FP_NEGINF }, SVE_HSD },
	{ 0xff3fe000, 0x6503a000, frint, { .number = FP_ZERO }, SVE_HSD },
	{ 0xff3fe000, 0x6504a000, frint, { .number = FP_TIEAWAY }, SVE_HSD },
	{ 0xff3fe000, 0x6506a000, frint, { .number = FPCR_ROUNDING_EXACT }, SVE_HSD },
	{ 0xff3fe000, 0x6507a000, frint, { .number = FPCR_ROUNDING }, SVE_HSD },
	{ 0xff3fe000, 0x650ca000, unary, { .fp_unary = fp_recpx }, SVE_HSD },
	{ 0xff3fe000, 0x650da000, unary, { .fp_unary = fp_sqrt }, SVE_HSD },
	/* FCVT. */
	{ 0xffffe000, 0x6588a000, convert, { .number = FLOAT_TO_FLOAT }, .arg = 0x42 },
	{ 0xffffe000, 0x6589a000, convert, { .number = FLOAT_TO_FLOAT }, .arg = 0x24 },
	{ 0xffffe000, 0x65c8a000, convert, { .number = FLOAT_TO_FLOAT }, .arg = 0x82 },
	{ 0xffffe000, 0x65c9a000, convert, { .number = FLOAT_TO_FLOAT }, .arg = 0x28 },
	{ 0xffffe000, 0x65caa000, convert, { .number = FLOAT_TO_FLOAT }, .arg = 0x84 },
	{ 0xffffe000, 0x65cba000, convert, { .number = FLOAT_TO_FLOAT }, .arg = 0x48 },
	/* FCVTZS, FCVTZU. */
	{ 0xffffe000, 0x655aa000, convert, { .number = FLOAT_TO_SIGNED }, .arg = 0x22 },
	{ 0xffffe000, 0x655ba000, convert, { .number = FLOAT_TO_UNSIGNED }, .arg = 0x22 },
	{ 0xffffe000, 0x655ca000, convert, { .number = FLOAT_TO_SIGNED }, .arg = 0x24 },
	{ 0xffffe000, 0x655da000, convert, { .number = FLOAT_TO_UNSIGNED }, .arg = 0x24 },
	{ 0xffffe000, 0x655ea000, convert, { .number = FLOAT_TO_SIGNED }, .arg = 0x28 },
	{ 0xffffe000, 0x655fa000, convert, { .number = FLOAT_TO_UNSIGNED }, .arg = 0x28 },
	{ 0xffffe000, 0x659ca000, convert, { .number = FLOAT_TO_SIGNED }, .arg = 0x44 },
	{ 0xffffe000, 0x659da000, convert, { .number = FLOAT_TO_UNSIGNED }, .arg = 0x44 },
	{ 0xffffe000, 0x65d8a000, convert, { .number = FLOAT_TO_SIGNED }, .arg = 0x84 },
	{ 0xffffe000, 0x65d9a000, convert, { .number = FLOAT_TO_UNSIGNED }, .arg = 0x84 },
	{ 0xffffe000, 0x65dca000, convert, { .number = FLOAT_TO_SIGNED }, .arg = 0x48 },
	{ 0xffffe000, 0x65dda000, convert, { .number = FLOAT_TO_UNSIGNED }, .arg = 0x48 },
	{ 0xffffe000, 0x65dea000, convert, { .number = FLOAT_TO_SIGNED }, .arg = 0x88 },
	{ 0xffffe000, 0x65dfa000, convert, { .number = FLOAT_TO_UNSIGNED }, .arg = 0x88 },
	/* SCVTF, UCVTF. */
	{ 0xffffe000, 0x6552a000, convert, { .number = SIGNED_TO_FLOAT }, .arg = 0x22 },
	{ 0xffffe000, 0x6553a000, convert, { .number = UNSIGNED_TO_FLOAT }, .arg = 0x22 },
	{ 0xffffe000, 0x6554a000, convert, { .number = SIGNED_TO_FLOAT }, .arg = 0x42 },
	{ 0xffffe000, 0x6555a000, convert, { .number = UNSIGNED_TO_FLOAT }, .arg = 0x42 },
	{ 0xffffe000, 0x6556a000, convert, { .number = SIGNED_TO_FLOAT }, .arg = 0x82 },
	{ 0xffffe000, 0x6557a000, convert, { .number = UNSIGNED_TO_FLOAT }, .arg = 0x82 },
	{ 0xffffe000, 0x6594a000, convert, { .number = SIGNED_TO_FLOAT }, .arg = 0x44 },
	{ 0xffffe000, 0x6595a000, convert, { .number = UNSIGNED_TO_FLOAT }, .arg = 0x44 },
	{ 0xffffe000, 0x65d0a000, convert, { .number = SIGNED_TO_FLOAT }, .arg = 0x48 },
	{ 0xffffe000, 0x65d1a000, convert, { .number = UNSIGNED_TO_FLOAT }, .arg = 0x48 },
	{ 0xffffe000, 0x65d4a000, convert, { .number = SIGNED_TO_FLOAT }, .arg = 0x84 },
	{ 0xffffe000, 0x65d5a000, convert, { .number = UNSIGNED_TO_FLOAT }, .arg = 0x84 },
	{ 0xffffe000, 0x65d6a000, convert, { .number = SIGNED_TO_FLOAT }, .arg = 0x88 },
	{ 0xffffe000, 0x65d7a000, convert, { .number = UNSIGNED_TO_FLOAT }, .arg = 0x88 },
	{ 0 },
};
