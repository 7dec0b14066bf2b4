/*
 * Integer arithmetic and logic of SVE on elements that stay in their places: predicated, unpredicated, with immediates. The element functions
 * here are the ones other files use too.
 */
#include "arm64/cpu/sve_lanes.h"

/* ---- Element functions. ---- */

uint64_t sve_add(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a + b;
}

uint64_t sve_sub(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a - b;
}

uint64_t sve_mul(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a * b;
}

uint64_t sve_and(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a & b;
}

uint64_t sve_or(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a | b;
}

uint64_t sve_eor(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a ^ b;
}

uint64_t sve_bic(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a & ~b;
}

uint64_t sve_smax(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_signed(a, esize) > sve_signed(b, esize) ? a : b;
}

uint64_t sve_umax(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a > b ? a : b;
}

uint64_t sve_smin(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_signed(a, esize) < sve_signed(b, esize) ? a : b;
}

uint64_t sve_umin(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a < b ? a : b;
}

uint64_t sve_sabd(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_signed(a, esize) > sve_signed(b, esize) ? a - b : b - a;
}

uint64_t sve_uabd(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return a > b ? a - b : b - a;
}

uint64_t sve_smulh(uint64_t a, uint64_t b, unsigned int esize)
{
	return (uint64_t)((__int128)sve_signed(a, esize) * sve_signed(b, esize) >> esize);
}

uint64_t sve_umulh(uint64_t a, uint64_t b, unsigned int esize)
{
	return (uint64_t)((unsigned __int128)a * b >> esize);
}

uint64_t sve_sqadd(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_saturate_signed((__int128)sve_signed(a, esize) + sve_signed(b, esize), esize);
}

uint64_t sve_uqadd(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_saturate_unsigned((__int128)a + b, esize);
}

uint64_t sve_sqsub(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_saturate_signed((__int128)sve_signed(a, esize) - sve_signed(b, esize), esize);
}

uint64_t sve_uqsub(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_saturate_unsigned((__int128)a - b, esize);
}

uint64_t sve_mla(uint64_t addend, uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return addend + a * b;
}

uint64_t sve_mls(uint64_t addend, uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return addend - a * b;
}

/* Division by zero gives 0; the one overflow wraps. */
static uint64_t sdiv(uint64_t a, uint64_t b, unsigned int esize)
{
	int64_t divisor = sve_signed(b, esize);

	if (divisor == 0 || divisor == -1)
		return divisor ? -a : 0;
	return (uint64_t)(sve_signed(a, esize) / divisor);
}

static uint64_t udiv(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return b ? a / b : 0;
}

static uint64_t subr(uint64_t a, uint64_t b, unsigned int esize)
{
	(void)esize;
	return b - a;
}

/* The immediate is not negative, whatever its highest bit. */
static uint64_t sqadd_unsigned(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_saturate_signed((__int128)sve_signed(a, esize) + b, esize);
}

static uint64_t sqsub_unsigned(uint64_t a, uint64_t b, unsigned int esize)
{
	return sve_saturate_signed((__int128)sve_signed(a, esize) - b, esize);
}

static uint64_t element_abs(uint64_t a, unsigned int esize)
{
	return sve_signed(a, esize) < 0 ? -a : a;
}

static uint64_t element_neg(uint64_t a, unsigned int esize)
{
	(void)esize;
	return -a;
}

static uint64_t element_not(uint64_t a, unsigned int esize)
{
	(void)esize;
	return ~a;
}

static uint64_t element_cnot(uint64_t a, unsigned int esize)
{
	(void)esize;
	return !a;
}

static uint64_t element_clz(uint64_t a, unsigned int esize)
{
	return a ? (uint64_t)__builtin_clzll(a) - (64 - esize) : esize;
}

/* Sign bits after the first one. */
static uint64_t element_cls(uint64_t a, unsigned int esize)
{
	return element_clz((a ^ (uint64_t)(sve_signed(a, esize) >> 1)) & sve_mask(esize), esize) - 1;
}

static uint64_t element_cnt(uint64_t a, unsigned int esize)
{
	(void)esize;
	return (uint64_t)__builtin_popcountll(a);
}

static uint64_t element_sxtb(uint64_t a, unsigned int esize)
{
	(void)esize;
	return (uint64_t)(int8_t)a;
}

static uint64_t element_uxtb(uint64_t a, unsigned int esize)
{
	(void)esize;
	return (uint8_t)a;
}

static uint64_t element_sxth(uint64_t a, unsigned int esize)
{
	(void)esize;
	return (uint64_t)(int16_t)a;
}

static uint64_t element_uxth(uint64_t a, unsigned int esize)
{
	(void)esize;
	return (uint16_t)a;
}

static uint64_t element_sxtw(uint64_t a, unsigned int esize)
{
	(void)esize;
	return (uint64_t)(int32_t)a;
}

static uint64_t element_uxtw(uint64_t a, unsigned int esize)
{
	(void)esize;
	return (uint32_t)a;
}

static uint64_t element_fabs(uint64_t a, unsigned int esize)
{
	return fp_abs(esize, a);
}

static uint64_t element_fneg(uint64_t a, unsigned int esize)
{
	return fp_neg(esize, a);
}

/* ---- Handlers. ---- */

void sve_predicated(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sve_binary *op = sve_row(insn)->op.binary;
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zm = sve_zn(cpu, insn);
	union arm64_z *zdn = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(zdn, i, bytes, op(sve_get(zdn, i, bytes), sve_get(zm, i, bytes), 8 * bytes));
	a64_next(cpu, insn);
}

void sve_predicated_reversed(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sve_binary *op = sve_row(insn)->op.binary;
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zm = sve_zn(cpu, insn);
	union arm64_z *zdn = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(zdn, i, bytes, op(sve_get(zm, i, bytes), sve_get(zdn, i, bytes), 8 * bytes));
	a64_next(cpu, insn);
}

void sve_unpredicated(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sve_binary *op = sve_row(insn)->op.binary;
	const union arm64_z *zn = sve_zn(cpu, insn), *zm = sve_zm(cpu, insn);
	union arm64_z *zd = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		sve_put(zd, i, bytes, op(sve_get(zn, i, bytes), sve_get(zm, i, bytes), 8 * bytes));
	a64_next(cpu, insn);
}

void sve_merging_unary(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sve_unary *op = sve_row(insn)->op.unary;
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zn = sve_zn(cpu, insn);
	union arm64_z *zd = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(zd, i, bytes, op(sve_get(zn, i, bytes), 8 * bytes));
	a64_next(cpu, insn);
}

void sve_accumulate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sve_ternary *op = sve_row(insn)->op.ternary;
	const union arm64_z *zn = sve_zn(cpu, insn), *zm = sve_zm(cpu, insn);
	union arm64_z *zda = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		sve_put(zda, i, bytes, op(sve_get(zda, i, bytes), sve_get(zn, i, bytes), sve_get(zm, i, bytes), 8 * bytes));
	a64_next(cpu, insn);
}

/* MLA, MLS: Zda = op.ternary(Zda, Zn, Zm) where Pg. */
static void multiply_add(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sve_ternary *op = sve_row(insn)->op.ternary;
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zn = sve_zn(cpu, insn), *zm = sve_zm(cpu, insn);
	union arm64_z *zda = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(zda, i, bytes, op(sve_get(zda, i, bytes), sve_get(zn, i, bytes), sve_get(zm, i, bytes), 8 * bytes));
	a64_next(cpu, insn);
}

/* MAD, MSB: Zdn = op.ternary(Za, Zdn, Zm) where Pg; Za is bits 9:5. */
static void multiply_add_to_factor(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sve_ternary *op = sve_row(insn)->op.ternary;
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *za = sve_zn(cpu, insn), *zm = sve_zm(cpu, insn);
	union arm64_z *zdn = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(zdn, i, bytes, op(sve_get(za, i, bytes), sve_get(zdn, i, bytes), sve_get(zm, i, bytes), 8 * bytes));
	a64_next(cpu, insn);
}

static void with_immediate(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t immediate)
{
	sve_binary *op = sve_row(insn)->op.binary;
	union arm64_z *zdn = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	immediate &= sve_mask(8 * bytes);
	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		sve_put(zdn, i, bytes, op(sve_get(zdn, i, bytes), immediate, 8 * bytes));
	a64_next(cpu, insn);
}

/* Unsigned, shifted left by 8 if bit 13 is set. */
static void immediate_shifted(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	with_immediate(cpu, insn, (uint64_t)bits(insn->word, 12, 5) << 8 * bit(insn->word, 13));
}

static void immediate_unsigned(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	with_immediate(cpu, insn, bits(insn->word, 12, 5));
}

static void immediate_signed(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	with_immediate(cpu, insn, (uint64_t)bits_signed(insn->word, 12, 5));
}

/* ---- The frequent ones: all elements at once. `a` and `b` are lanes. ---- */

#define EACH(n, from, second, ...) \
	for (unsigned int i = 0; i < cpu->vl / 16u; i++) { \
		lanes_##n a = ((const lanes_##n *)(from))[i], b = second; \
 \
		((lanes_##n *)sve_zd(cpu, insn))[i] = __VA_ARGS__; \
	}
#define UNPREDICATED(n) EACH(n, sve_zn(cpu, insn), ((const lanes_##n *)sve_zm(cpu, insn))[i], RESULT)
#define WITH_IMMEDIATE(n) EACH(n, sve_zd(cpu, insn), (lanes_##n){ 0 } + (__typeof__(a[0]))immediate, RESULT)
#define PREDICATED(n) \
	EACH(n, sve_zd(cpu, insn), ((const lanes_##n *)sve_zn(cpu, insn))[i], \
	     (RESULT & sve_lanes_active_##n(sve_pg(cpu, insn), i)) | (a & ~sve_lanes_active_##n(sve_pg(cpu, insn), i)))

#define DEFINE_UNPREDICATED(name) \
	static void name(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		LANES_BY_SIZE(sve_bytes(insn), UNPREDICATED) \
		a64_next(cpu, insn); \
	}
#define DEFINE_PREDICATED(name) \
	static void name(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		LANES_BY_SIZE(sve_bytes(insn), PREDICATED) \
		a64_next(cpu, insn); \
	}
#define DEFINE_IMMEDIATE(name) \
	static void name(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		uint64_t immediate = (uint64_t)bits(insn->word, 12, 5) << 8 * bit(insn->word, 13); \
 \
		LANES_BY_SIZE(sve_bytes(insn), WITH_IMMEDIATE) \
		a64_next(cpu, insn); \
	}

#define RESULT (a + b)
DEFINE_UNPREDICATED(add_lanes)
DEFINE_PREDICATED(add_predicated)
DEFINE_IMMEDIATE(add_immediate)
#undef RESULT
#define RESULT (a - b)
DEFINE_UNPREDICATED(sub_lanes)
DEFINE_PREDICATED(sub_predicated)
DEFINE_IMMEDIATE(sub_immediate)
#undef RESULT
#define RESULT (a * b)
DEFINE_PREDICATED(mul_predicated)
#undef RESULT
#define RESULT (a & b)
DEFINE_UNPREDICATED(and_lanes)
DEFINE_PREDICATED(and_predicated)
#undef RESULT
#define RESULT (a | b)
DEFINE_UNPREDICATED(or_lanes)
DEFINE_PREDICATED(or_predicated)
#undef RESULT
#define RESULT (a ^ b)
DEFINE_UNPREDICATED(eor_lanes)
DEFINE_PREDICATED(eor_predicated)
#undef RESULT
#define RESULT (a & ~b)
DEFINE_UNPREDICATED(bic_lanes)
DEFINE_PREDICATED(bic_predicated)
#undef RESULT

/* ---- The encodings. ---- */

const struct sve_row sve_integer_rows[] = {
	/* Predicated. */
	{ 0xff3fe000, 0x04000000, add_predicated },
	{ 0xff3fe000, 0x04010000, sub_predicated },
	{ 0xff3fe000, 0x04030000, sve_predicated, { .binary = subr } },
	{ 0xff3fe000, 0x04080000, sve_predicated, { .binary = sve_smax } },
	{ 0xff3fe000, 0x04090000, sve_predicated, { .binary = sve_umax } },
	{ 0xff3fe000, 0x040a0000, sve_predicated, { .binary = sve_smin } },
	{ 0xff3fe000, 0x040b0000, sve_predicated, { .binary = sve_umin } },
	{ 0xff3fe000, 0x040c0000, sve_predicated, { .binary = sve_sabd } },
	{ 0xff3fe000, 0x040d0000, sve_predicated, { .binary = sve_uabd } },
	{ 0xff3fe000, 0x04100000, mul_predicated },
	{ 0xff3fe000, 0x04120000, sve_predicated, { .binary = sve_smulh } },
	{ 0xff3fe000, 0x04130000, sve_predicated, { .binary = sve_umulh } },
	{ 0xff3fe000, 0x04140000, sve_predicated, { .binary = sdiv }, SVE_SD },
	{ 0xff3fe000, 0x04150000, sve_predicated, { .binary = udiv }, SVE_SD },
	{ 0xff3fe000, 0x04160000, sve_predicated_reversed, { .binary = sdiv }, SVE_SD },
	{ 0xff3fe000, 0x04170000, sve_predicated_reversed, { .binary = udiv }, SVE_SD },
	{ 0xff3fe000, 0x04180000, or_predicated },
	{ 0xff3fe000, 0x04190000, eor_predicated },
	{ 0xff3fe000, 0x041a0000, and_predicated },
	{ 0xff3fe000, 0x041b0000, bic_predicated },
	/* Multiply-add: MLA, MLS, MAD, MSB. */
	{ 0xff20e000, 0x04004000, multiply_add, { .ternary = sve_mla } },
	{ 0xff20e000, 0x04006000, multiply_add, { .ternary = sve_mls } },
	{ 0xff20e000, 0x0400c000, multiply_add_to_factor, { .ternary = sve_mla } },
	{ 0xff20e000, 0x0400e000, multiply_add_to_factor, { .ternary = sve_mls } },
	/* Unary: SXTB ... UXTW, ABS, NEG; CLS ... NOT. */
	{ 0xff3fe000, 0x0410a000, sve_merging_unary, { .unary = element_sxtb }, SVE_HSD },
	{ 0xff3fe000, 0x0411a000, sve_merging_unary, { .unary = element_uxtb }, SVE_HSD },
	{ 0xff3fe000, 0x0412a000, sve_merging_unary, { .unary = element_sxth }, SVE_SD },
	{ 0xff3fe000, 0x0413a000, sve_merging_unary, { .unary = element_uxth }, SVE_SD },
	{ 0xff3fe000, 0x0414a000, sve_merging_unary, { .unary = element_sxtw }, SVE_D },
	{ 0xff3fe000, 0x0415a000, sve_merging_unary, { .unary = element_uxtw }, SVE_D },
	{ 0xff3fe000, 0x0416a000, sve_merging_unary, { .unary = element_abs } },
	{ 0xff3fe000, 0x0417a000, sve_merging_unary, { .unary = element_neg } },
	{ 0xff3fe000, 0x0418a000, sve_merging_unary, { .unary = element_cls } },
	{ 0xff3fe000, 0x0419a000, sve_merging_unary, { .unary = element_clz } },
	{ 0xff3fe000, 0x041aa000, sve_merging_unary, { .unary = element_cnt } },
	{ 0xff3fe000, 0x041ba000, sve_merging_unary, { .unary = element_cnot } },
	{ 0xff3fe000, 0x041ca000, sve_merging_unary, { .unary = element_fabs }, SVE_HSD },
	{ 0xff3fe000, 0x041da000, sve_merging_unary, { .unary = element_fneg }, SVE_HSD },
	{ 0xff3fe000, 0x041ea000, sve_merging_unary, { .unary = element_not } },
	/* Unpredicated. */
	{ 0xff20fc00, 0x04200000, add_lanes },
	{ 0xff20fc00, 0x04200400, sub_lanes },
	{ 0xff20fc00, 0x04201000, sve_unpredicated, { .binary = sve_sqadd } },
	{ 0xff20fc00, 0x04201400, sve_unpredicated, { .binary = sve_uqadd } },
	{ 0xff20fc00, 0x04201800, sve_unpredicated, { .binary = sve_sqsub } },
	{ 0xff20fc00, 0x04201c00, sve_unpredicated, { .binary = sve_uqsub } },
	{ 0xffe0fc00, 0x04203000, and_lanes },
	{ 0xffe0fc00, 0x04603000, or_lanes },
	{ 0xffe0fc00, 0x04a03000, eor_lanes },
	{ 0xffe0fc00, 0x04e03000, bic_lanes },
	/* With an immediate; bytes have no shift. */
	{ 0xff3fe000, 0x2520c000, add_immediate },
	{ 0xff3fc000, 0x2520c000, add_immediate, .sizes = SVE_HSD },
	{ 0xff3fe000, 0x2521c000, sub_immediate },
	{ 0xff3fc000, 0x2521c000, sub_immediate, .sizes = SVE_HSD },
	{ 0xff3fe000, 0x2523c000, immediate_shifted, { .binary = subr } },
	{ 0xff3fc000, 0x2523c000, immediate_shifted, { .binary = subr }, SVE_HSD },
	{ 0xff3fe000, 0x2524c000, immediate_shifted, { .binary = sqadd_unsigned } },
	{ 0xff3fc000, 0x2524c000, immediate_shifted, { .binary = sqadd_unsigned }, SVE_HSD },
	{ 0xff3fe000, 0x2525c000, immediate_shifted, { .binary = sve_uqadd } },
	{ 0xff3fc000, 0x2525c000, immediate_shifted, { .binary = sve_uqadd }, SVE_HSD },
	{ 0xff3fe000, 0x2526c000, immediate_shifted, { .binary = sqsub_unsigned } },
	{ 0xff3fc000, 0x2526c000, immediate_shifted, { .binary = sqsub_unsigned }, SVE_HSD },
	{ 0xff3fe000, 0x2527c000, immediate_shifted, { .binary = sve_uqsub } },
	{ 0xff3fc000, 0x2527c000, immediate_shifted, { .binary = sve_uqsub }, SVE_HSD },
	{ 0xff3fe000, 0x2528c000, immediate_signed, { .binary = sve_smax } },
	{ 0xff3fe000, 0x2529c000, immediate_unsigned, { .binary = sve_umax } },
	{ 0xff3fe000, 0x252ac000, immediate_signed, { .binary = sve_smin } },
	{ 0xff3fe000, 0x252bc000, immediate_unsigned, { .binary = sve_umin } },
	{ 0xff3fe000, 0x2530c000, immediate_signed, { .binary = sve_mul } },
	{ 0 },
};
