/*
 * Moving vectors and parts of them: between registers, to and from memory. Nothing here computes.
 */
#include "x86/cpu/sse.h"

/* ---- What a move makes of its source: compute functions of struct sse_op. ---- */

static inline v128 move_all(v128 to, v128 from, unsigned int imm)
{
	(void)to, (void)imm;
	return from;
}

/* The low part, the rest cleared. */
static inline v128 move_only32(v128 to, v128 from, unsigned int imm)
{
	(void)to, (void)imm;
	return v128_low((uint32_t)from[0]);
}

static inline v128 move_only64(v128 to, v128 from, unsigned int imm)
{
	(void)to, (void)imm;
	return v128_low(from[0]);
}

/* The low part, the rest kept. */
static inline v128 move_low32(v128 to, v128 from, unsigned int imm)
{
	(void)imm;
	return (v128){ (to[0] & ~(uint64_t)UINT32_MAX) | (uint32_t)from[0], to[1] };
}

static inline v128 move_low64(v128 to, v128 from, unsigned int imm)
{
	(void)imm;
	return (v128){ from[0], to[1] };
}

static inline v128 move_low_to_high(v128 to, v128 from, unsigned int imm)
{
	(void)imm;
	return (v128){ to[0], from[0] };
}

static inline v128 move_high_to_low(v128 to, v128 from, unsigned int imm)
{
	(void)imm;
	return (v128){ from[1], to[1] };
}

/* ---- Loads into XMM registers. ---- */

#define LOADS(X) \
	X(LOAD_ALIGNED, load_aligned, 16, true, move_all) \
	X(LOAD_UNALIGNED, load_unaligned, 16, false, move_all) \
	X(LOAD_ONLY32, load_only32, 4, false, move_only32) \
	X(LOAD_ONLY64, load_only64, 8, false, move_only64) \
	X(LOAD_LOW64, load_low64, 8, false, move_low64) \
	X(LOAD_HIGH64, load_high64, 8, false, move_low_to_high)

enum load {
#define LOAD_INDEX(NAME, ...) NAME,
	LOADS(LOAD_INDEX)
};

#define LOAD_HANDLER(NAME, name, size, aligned, compute) SSE_HANDLER(name, sse_run_mem, op_from_mem, SSE_XMM, size, aligned, compute)
LOADS(LOAD_HANDLER)

static const struct sse_op loads[] = {
#define LOAD_OP(NAME, name, bytes, aligned, function) \
	[NAME] = { .mem = name, .compute = function, .size = bytes, .to = SSE_XMM, .unaligned = !(aligned) },
	LOADS(LOAD_OP)
};

/* ---- Copies between XMM registers. ---- */

#define COPIES(X) \
	X(COPY_ALL, copy_all, move_all) \
	X(COPY_ONLY64, copy_only64, move_only64) \
	X(COPY_LOW32, copy_low32, move_low32) \
	X(COPY_LOW64, copy_low64, move_low64) \
	X(COPY_LOW_TO_HIGH, copy_low_to_high, move_low_to_high) \
	X(COPY_HIGH_TO_LOW, copy_high_to_low, move_high_to_low)

enum copy {
#define COPY_INDEX(NAME, ...) NAME,
	COPIES(COPY_INDEX)
};

#define COPY_HANDLER(NAME, name, compute) SSE_HANDLER(name, sse_run_reg, op_from_reg, SSE_XMM, SSE_XMM, compute)
COPIES(COPY_HANDLER)

static const struct sse_op copies[] = {
#define COPY_OP(NAME, name, function) [NAME] = { .reg = name, .compute = function, .from = SSE_XMM, .to = SSE_XMM },
	COPIES(COPY_OP)
};

/* ---- Stores. ---- */

struct store {
	insn_fn *run;
	uint8_t size;
	bool aligned, high;
	uint8_t from; /* enum sse_place */
};

TEMPLATE bool store_vector(struct x86_vcpu *cpu, const struct insn *insn, enum sse_place from, unsigned int size, bool aligned, bool high)
{
	v128 value;

	if (from == SSE_MMX && !mmx_ready(cpu))
		return false;
	value = place_get(cpu, from, insn->reg);
	return vector_store(cpu, insn, size, aligned, high ? v128_low(value[1]) : value);
}

SSE_STEP bool store_vector_slow(struct x86_vcpu *cpu, const struct insn *insn)
{
	const struct store *store = (const struct store *)(uintptr_t)insn->imm;
	v128 value;

	if (store->from != SSE_MMX) {
		value = place_get(cpu, store->from, insn->reg);
		return vector_store_slow(cpu, insn, store->size, store->aligned, store->high ? v128_low(value[1]) : value);
	}
	/* The register is switched to MMX only when nothing can fail any more. */
	if (!mmx_check(cpu, insn) ||
	    !vector_store_slow(cpu, insn, store->size, false, mmx_get(cpu, (uint8_t)((insn->reg - x87_top(cpu)) & 7))))
		return false;
	mmx_begin(cpu);
	return true;
}

static void store_slow(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (store_vector_slow(cpu, insn))
		insn_next(cpu, insn);
}

#define STORES(X) \
	X(STORE_ALIGNED, store_aligned, SSE_XMM, 16, true, false) \
	X(STORE_UNALIGNED, store_unaligned, SSE_XMM, 16, false, false) \
	X(STORE_32, store_32, SSE_XMM, 4, false, false) \
	X(STORE_64, store_64, SSE_XMM, 8, false, false) \
	X(STORE_HIGH64, store_high64, SSE_XMM, 8, false, true) \
	X(STORE_MMX32, store_mmx32, SSE_MMX, 4, false, false) \
	X(STORE_MMX64, store_mmx64, SSE_MMX, 8, false, false) \
	X(STORE_GPR32, store_gpr32, SSE_GPR, 4, false, false) \
	X(STORE_GPR64, store_gpr64, SSE_GPR, 8, false, false)

enum store_kind {
#define STORE_INDEX(NAME, ...) NAME,
	STORES(STORE_INDEX)
};

#define STORE_HANDLER(NAME, name, from, size, aligned, high) SSE_HANDLER(name, store_slow, store_vector, from, size, aligned, high)
STORES(STORE_HANDLER)

static const struct store stores[] = {
#define STORE_ROW(NAME, name, from, size, aligned, high) [NAME] = { name, size, aligned, high, from },
	STORES(STORE_ROW)
};

static void store_set(struct insn *insn, const struct decoder *d, enum store_kind kind)
{
	insn->reg = sse_register(d->op[1].reg.value);
	insn->imm = (uintptr_t)&stores[kind];
	insn->run = stores[kind].run;
}

/* ---- Moves with XMM registers: what each mnemonic is as a load, as a copy, as a store. ---- */

#define MOVE(load, copy, store) ((load) | (copy) << 8 | (store) << 16)

static bool vector_move_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	bool defined;

	if (decode_is_memory(d, 1))
		return sse_decode_op(d, insn, &loads[argument & 0xff]);
	if (!decode_is_memory(d, 0))
		return sse_decode_op(d, insn, &copies[argument >> 8 & 0xff]);
	if (!sse_decode_unit(d, insn, UNIT_SSE, &defined))
		return defined;
	store_set(insn, d, (enum store_kind)(argument >> 16));
	return true;
}

/* ---- MOVD, MOVQ, MOVQ2DQ, MOVDQ2Q, MOVNTQ: the low 4 or 8 bytes, between registers of all kinds and memory. ---- */

#define TRANSFERS(X) \
	X(xmm, xmm, SSE_XMM, SSE_XMM) \
	X(xmm, mmx, SSE_XMM, SSE_MMX) \
	X(xmm, gpr, SSE_XMM, SSE_GPR) \
	X(mmx, xmm, SSE_MMX, SSE_XMM) \
	X(mmx, mmx, SSE_MMX, SSE_MMX) \
	X(mmx, gpr, SSE_MMX, SSE_GPR) \
	X(gpr, xmm, SSE_GPR, SSE_XMM) \
	X(gpr, mmx, SSE_GPR, SSE_MMX)

#define TRANSFER_HANDLERS(a, b, to, from) \
	SSE_OP_HANDLERS(a##_from_##b##_32, to, from, 4, move_only32) \
	SSE_OP_HANDLERS(a##_from_##b##_64, to, from, 8, move_only64)
TRANSFERS(TRANSFER_HANDLERS)

/* By destination, source, and whether 64 bits wide. */
static const struct sse_op transfers[SSE_GPR + 1][SSE_GPR + 1][2] = {
#define TRANSFER_OPS(a, b, to, from) \
	[to][from] = { \
		{ a##_from_##b##_32_reg, a##_from_##b##_32_mem, move_only32, 4, from, to, RESULT_QUIET, true }, \
		{ a##_from_##b##_64_reg, a##_from_##b##_64_mem, move_only64, 8, from, to, RESULT_QUIET, true }, \
	},
	TRANSFERS(TRANSFER_OPS)
};

static enum sse_place operand_place(const struct decoder *d, unsigned int operand)
{
	switch (ZydisRegisterGetClass(d->op[operand].reg.value)) {
	case ZYDIS_REGCLASS_XMM: return SSE_XMM;
	case ZYDIS_REGCLASS_MMX: return SSE_MMX;
	default: return SSE_GPR;
	}
}

/* `argument`: whether the mnemonic means 64 bits. */
static bool transfer_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	enum sse_place place = operand_place(d, decode_is_memory(d, 0) ? 1 : 0);
	bool defined;

	if (decode_is_memory(d, 1))
		return sse_decode_op(d, insn, &transfers[place][place][argument]);
	if (!decode_is_memory(d, 0))
		return sse_decode_op(d, insn, &transfers[place][operand_place(d, 1)][argument]);
	if (!sse_decode_unit(d, insn, place == SSE_MMX ? UNIT_MMX : UNIT_SSE, &defined))
		return defined;
	if (place == SSE_MMX)
		store_set(insn, d, argument ? STORE_MMX64 : STORE_MMX32);
	else
		store_set(insn, d, argument ? STORE_64 : STORE_32);
	return true;
}

/* MOVNTI concerns no vector unit. */
static bool store_integer_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	store_set(insn, d, d->op[0].size == 64 ? STORE_GPR64 : STORE_GPR32);
	return true;
}

/* ---- MASKMOVQ, MASKMOVDQU: the bytes whose mask has its highest bit set, to DS:rDI. ---- */

SSE_STEP bool masked_store(struct x86_vcpu *cpu, const struct insn *insn, const uint8_t *data, const uint8_t *mask, unsigned int size)
{
	uint64_t linear = insn_linear(cpu, insn, 8, ACCESS_WRITE);

	/* All or nothing, should it lie in two pages. A mask of zeros faults as well: that is the processor's choice. */
	if (!mem_address_check(cpu, insn, (enum segment)insn->seg, linear, 8, 8) ||
	    !mem_probe(cpu, insn, (enum segment)insn->seg, linear, 8, ACCESS_WRITE))
		return false;
	linear = insn_linear(cpu, insn, size, ACCESS_WRITE);
	if (!mem_probe(cpu, insn, (enum segment)insn->seg, linear, size, ACCESS_WRITE))
		return false;
	for (unsigned int i = 0; i < size; i++)
		if (mask[i] & 0x80 && !mem_write(cpu, insn, linear + i, &data[i], 1))
			return false;
	return true;
}

static void masked_store_xmm(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (masked_store(cpu, insn, cpu->xsave.xmm[insn->reg], cpu->xsave.xmm[insn->rm], 16))
		insn_next(cpu, insn);
}

/* Becomes MMX before it may fault: processors do it in that order. */
static void masked_store_mmx(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (!mmx_check(cpu, insn))
		return;
	mmx_begin(cpu);
	if (masked_store(cpu, insn, cpu->xsave.st[insn->reg], cpu->xsave.st[insn->rm], 8))
		insn_next(cpu, insn);
}

/* `argument`: whether of XMM registers. */
static bool masked_store_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	bool defined;

	if (!sse_decode_unit(d, insn, argument ? UNIT_SSE : UNIT_MMX, &defined))
		return defined;
	for (unsigned int i = 0; i < d->z.operand_count; i++)
		if (decode_is_memory(d, i))
			decode_memory(d, &d->op[i], insn);
	insn->reg = sse_register(d->op[0].reg.value);
	insn->rm = sse_register(d->op[1].reg.value);
	if (!decode_is_register(d, 0) || !decode_is_register(d, 1))
		return false;
	insn->run = argument ? masked_store_xmm : masked_store_mmx;
	return true;
}

/* ---- EMMS: all x87 registers become empty (SDM Vol. 3A, table 12-3). ---- */

static void mmx_empty(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (!mmx_check(cpu, insn))
		return;
	mmx_begin(cpu);
	cpu->xsave.ftw = 0;
	insn_next(cpu, insn);
}

static bool mmx_empty_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	bool defined;

	(void)argument;
	if (!sse_decode_unit(d, insn, UNIT_MMX, &defined))
		return defined;
	insn->run = mmx_empty;
	return true;
}

const struct decode_row sse_move_rows[] = {
	{ ZYDIS_MNEMONIC_MOVAPS, vector_move_decode, MOVE(LOAD_ALIGNED, COPY_ALL, STORE_ALIGNED) },
	{ ZYDIS_MNEMONIC_MOVAPD, vector_move_decode, MOVE(LOAD_ALIGNED, COPY_ALL, STORE_ALIGNED) },
	{ ZYDIS_MNEMONIC_MOVDQA, vector_move_decode, MOVE(LOAD_ALIGNED, COPY_ALL, STORE_ALIGNED) },
	{ ZYDIS_MNEMONIC_MOVUPS, vector_move_decode, MOVE(LOAD_UNALIGNED, COPY_ALL, STORE_UNALIGNED) },
	{ ZYDIS_MNEMONIC_MOVUPD, vector_move_decode, MOVE(LOAD_UNALIGNED, COPY_ALL, STORE_UNALIGNED) },
	{ ZYDIS_MNEMONIC_MOVDQU, vector_move_decode, MOVE(LOAD_UNALIGNED, COPY_ALL, STORE_UNALIGNED) },
	{ ZYDIS_MNEMONIC_MOVSS, vector_move_decode, MOVE(LOAD_ONLY32, COPY_LOW32, STORE_32) },
	{ ZYDIS_MNEMONIC_MOVSD, vector_move_decode, MOVE(LOAD_ONLY64, COPY_LOW64, STORE_64) },
	/* Of these not every form exists. */
	{ ZYDIS_MNEMONIC_MOVLPS, vector_move_decode, MOVE(LOAD_LOW64, COPY_LOW64, STORE_64) },
	{ ZYDIS_MNEMONIC_MOVLPD, vector_move_decode, MOVE(LOAD_LOW64, COPY_LOW64, STORE_64) },
	{ ZYDIS_MNEMONIC_MOVHPS, vector_move_decode, MOVE(LOAD_HIGH64, COPY_LOW_TO_HIGH, STORE_HIGH64) },
	{ ZYDIS_MNEMONIC_MOVHPD, vector_move_decode, MOVE(LOAD_HIGH64, COPY_LOW_TO_HIGH, STORE_HIGH64) },
	{ ZYDIS_MNEMONIC_MOVHLPS, vector_move_decode, MOVE(LOAD_LOW64, COPY_HIGH_TO_LOW, STORE_64) },
	{ ZYDIS_MNEMONIC_MOVLHPS, vector_move_decode, MOVE(LOAD_HIGH64, COPY_LOW_TO_HIGH, STORE_64) },
	{ ZYDIS_MNEMONIC_LDDQU, vector_move_decode, MOVE(LOAD_UNALIGNED, COPY_ALL, STORE_UNALIGNED) },
	{ ZYDIS_MNEMONIC_MOVNTDQA, vector_move_decode, MOVE(LOAD_ALIGNED, COPY_ALL, STORE_ALIGNED) },
	{ ZYDIS_MNEMONIC_MOVNTPS, vector_move_decode, MOVE(LOAD_ALIGNED, COPY_ALL, STORE_ALIGNED) },
	{ ZYDIS_MNEMONIC_MOVNTPD, vector_move_decode, MOVE(LOAD_ALIGNED, COPY_ALL, STORE_ALIGNED) },
	{ ZYDIS_MNEMONIC_MOVNTDQ, vector_move_decode, MOVE(LOAD_ALIGNED, COPY_ALL, STORE_ALIGNED) },
	{ ZYDIS_MNEMONIC_MOVD, transfer_decode, 0 },
	{ ZYDIS_MNEMONIC_MOVQ, transfer_decode, 1 },
	{ ZYDIS_MNEMONIC_MOVQ2DQ, transfer_decode, 1 },
	{ ZYDIS_MNEMONIC_MOVDQ2Q, transfer_decode, 1 },
	{ ZYDIS_MNEMONIC_MOVNTQ, transfer_decode, 1 },
	{ ZYDIS_MNEMONIC_MOVNTI, store_integer_decode, 0 },
	{ ZYDIS_MNEMONIC_MASKMOVDQU, masked_store_decode, 1 },
	{ ZYDIS_MNEMONIC_MASKMOVQ, masked_store_decode, 0 },
	{ ZYDIS_MNEMONIC_EMMS, mmx_empty_decode, 0 },
	{ .decode = NULL }
};
