/*
 * SVE's integer reductions: all active elements of a vector to one, in a SIMD&FP register.
 */
#include "arm64/cpu/sve.h"

/* What a reduction begins with: the result when nothing is active. */
enum identity { IDENTITY_ZERO, IDENTITY_ONES, IDENTITY_SMALLEST, IDENTITY_LARGEST };

static uint64_t identity_value(enum identity identity, unsigned int esize)
{
	switch (identity) {
	case IDENTITY_ONES: return sve_mask(esize);
	case IDENTITY_SMALLEST: return UINT64_C(1) << (esize - 1);
	case IDENTITY_LARGEST: return sve_mask(esize - 1);
	default: return 0;
	}
}

/* Vd = op.binary over Zn's elements; arg: enum identity. */
static void reduce(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const struct sve_row *row = sve_row(insn);
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zn = sve_zn(cpu, insn);
	unsigned int bytes = sve_bytes(insn);
	uint64_t result = identity_value((enum identity)row->arg, 8 * bytes);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			result = row->op.binary(result, sve_get(zn, i, bytes), 8 * bytes);
	sve_put_scalar(cpu, sve_zd(cpu, insn), bytes, result);
	a64_next(cpu, insn);
}

/* SADDV, UADDV: into 64 bits; op.number: signed. */
static void add_reduce(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	bool is_signed = sve_row(insn)->op.number;
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zn = sve_zn(cpu, insn);
	unsigned int bytes = sve_bytes(insn);
	uint64_t result = 0;

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		uint64_t element = sve_get(zn, i, bytes);

		if (sve_active(pg, i * bytes))
			result += is_signed ? (uint64_t)sve_signed(element, 8 * bytes) : element;
	}
	sve_put_scalar(cpu, sve_zd(cpu, insn), 8, result);
	a64_next(cpu, insn);
}

const struct sve_row sve_reduce_rows[] = {
	{ 0xff3fe000, 0x04002000, add_reduce, { .number = true }, SVE_BHS },
	{ 0xff3fe000, 0x04012000, add_reduce, { .number = false } },
	{ 0xff3fe000, 0x04082000, reduce, { .binary = sve_smax }, .arg = IDENTITY_SMALLEST },
	{ 0xff3fe000, 0x04092000, reduce, { .binary = sve_umax }, .arg = IDENTITY_ZERO },
	{ 0xff3fe000, 0x040a2000, reduce, { .binary = sve_smin }, .arg = IDENTITY_LARGEST },
	{ 0xff3fe000, 0x040b2000, reduce, { .binary = sve_umin }, .arg = IDENTITY_ONES },
	{ 0xff3fe000, 0x04182000, reduce, { .binary = sve_or }, .arg = IDENTITY_ZERO },
	{ 0xff3fe000, 0x04192000, reduce, { .binary = sve_eor }, .arg = IDENTITY_ZERO },
	{ 0xff3fe000, 0x041a2000, reduce, { .binary = sve_and }, .arg = IDENTITY_ONES },
	{ 0 },
};
