/*
 * Shifts of SVE: by an immediate, by vectors, by vectors of 64-bit counts. A count is never negative here, and may exceed the element.
 */
#include "arm64/cpu/sve_lanes.h"

static uint64_t asr(uint64_t a, uint64_t count, unsigned int esize)
{
	return (uint64_t)(sve_signed(a, esize) >> (count >= esize ? esize - 1 : count));
}

static uint64_t lsr(uint64_t a, uint64_t count, unsigned int esize)
{
	return count >= esize ? 0 : a >> count;
}

static uint64_t lsl(uint64_t a, uint64_t count, unsigned int esize)
{
	return count >= esize ? 0 : a << count;
}

/* Division by a power of two, rounding towards zero. */
static uint64_t asrd(uint64_t a, uint64_t count, unsigned int esize)
{
	__int128 value = sve_signed(a, esize);

	if (value < 0)
		value += ((__int128)1 << count) - 1;
	return (uint64_t)(value >> count);
}

/* ---- Handlers. ---- */

void sve_shift_predicated(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const struct sve_row *row = sve_row(insn);
	const union arm64_p *pg = sve_pg(cpu, insn);
	union arm64_z *zdn = sve_zd(cpu, insn);
	unsigned int tsz = sve_tsz(insn->word, 5), bytes = sve_tsz_bytes(tsz);
	unsigned int count = row->arg ? sve_shift_left(tsz) : sve_shift_right(tsz);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(zdn, i, bytes, row->op.binary(sve_get(zdn, i, bytes), count, 8 * bytes));
	a64_next(cpu, insn);
}

/* Zd = Zn shifted by an immediate, all elements at once; to the right by as many bits as an element has, at most. */
#define SHIFT(n, lanes, ...) \
	for (unsigned int i = 0; i < cpu->vl / 16u; i++) { \
		lanes a = ((const lanes *)sve_zn(cpu, insn))[i]; \
 \
		((lanes *)sve_zd(cpu, insn))[i] = __VA_ARGS__; \
	}
#define LEFT(n) SHIFT(n, lanes_##n, a << sve_shift_left(tsz))
#define RIGHT(n) SHIFT(n, lanes_##n, a >> (sve_shift_right(tsz) - 1) >> 1)
#define RIGHT_SIGNED(n) SHIFT(n, signed_##n, a >> (sve_shift_right(tsz) - 1) >> 1)
#define DEFINE_SHIFT(name, X) \
	static void name(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		unsigned int tsz = sve_tsz(insn->word, 16); \
 \
		LANES_BY_SIZE(sve_tsz_bytes(tsz), X) \
		a64_next(cpu, insn); \
	}
DEFINE_SHIFT(lsl_lanes, LEFT)
DEFINE_SHIFT(lsr_lanes, RIGHT)
DEFINE_SHIFT(asr_lanes, RIGHT_SIGNED)

/* Zdn = op.binary(Zdn, the doubleword of Zm that overlaps) where Pg. */
static void wide_predicated(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sve_binary *op = sve_row(insn)->op.binary;
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z zm = *sve_zn(cpu, insn);
	union arm64_z *zdn = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		if (sve_active(pg, i * bytes))
			sve_put(zdn, i, bytes, op(sve_get(zdn, i, bytes), zm.d[i * bytes / 8], 8 * bytes));
	a64_next(cpu, insn);
}

/* Zd = op.binary(Zn, the doubleword of Zm that overlaps). */
static void wide_unpredicated(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sve_binary *op = sve_row(insn)->op.binary;
	const union arm64_z *zn = sve_zn(cpu, insn);
	const union arm64_z zm = *sve_zm(cpu, insn);
	union arm64_z *zd = sve_zd(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++)
		sve_put(zd, i, bytes, op(sve_get(zn, i, bytes), zm.d[i * bytes / 8], 8 * bytes));
	a64_next(cpu, insn);
}

/* ---- The encodings. ---- */

const struct sve_row sve_shift_rows[] = {
	/* Predicated, by an immediate: ASR, LSR, LSL, ASRD. */
	{ 0xff3fe000, 0x04008000, sve_shift_predicated, { .binary = asr }, SVE_TSZ_9 },
	{ 0xff3fe000, 0x04018000, sve_shift_predicated, { .binary = lsr }, SVE_TSZ_9 },
	{ 0xff3fe000, 0x04038000, sve_shift_predicated, { .binary = lsl }, SVE_TSZ_9, .arg = true },
	{ 0xff3fe000, 0x04048000, sve_shift_predicated, { .binary = asrd }, SVE_TSZ_9 },
	/* Predicated, by vectors: ASR, LSR, LSL, ASRR, LSRR, LSLR. */
	{ 0xff3fe000, 0x04108000, sve_predicated, { .binary = asr } },
	{ 0xff3fe000, 0x04118000, sve_predicated, { .binary = lsr } },
	{ 0xff3fe000, 0x04138000, sve_predicated, { .binary = lsl } },
	{ 0xff3fe000, 0x04148000, sve_predicated_reversed, { .binary = asr } },
	{ 0xff3fe000, 0x04158000, sve_predicated_reversed, { .binary = lsr } },
	{ 0xff3fe000, 0x04178000, sve_predicated_reversed, { .binary = lsl } },
	/* Predicated, by wide elements. */
	{ 0xff3fe000, 0x04188000, wide_predicated, { .binary = asr }, SVE_BHS },
	{ 0xff3fe000, 0x04198000, wide_predicated, { .binary = lsr }, SVE_BHS },
	{ 0xff3fe000, 0x041b8000, wide_predicated, { .binary = lsl }, SVE_BHS },
	/* Unpredicated: by wide elements, by an immediate. */
	{ 0xff20fc00, 0x04208000, wide_unpredicated, { .binary = asr }, SVE_BHS },
	{ 0xff20fc00, 0x04208400, wide_unpredicated, { .binary = lsr }, SVE_BHS },
	{ 0xff20fc00, 0x04208c00, wide_unpredicated, { .binary = lsl }, SVE_BHS },
	{ 0xff20fc00, 0x04209000, asr_lanes, .sizes = SVE_TSZ_20 },
	{ 0xff20fc00, 0x04209400, lsr_lanes, .sizes = SVE_TSZ_20 },
	{ 0xff20fc00, 0x04209c00, lsl_lanes, .sizes = SVE_TSZ_20 },
	{ 0 },
};
