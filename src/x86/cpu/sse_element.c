/*
 * Single elements and sign bits of vectors: inserting, extracting, gathering into a general register or into EFLAGS; and the
 * one shuffle that only MMX has.
 */
#include "x86/cpu/sse.h"

static inline v128 host_mmx_pinsrw(v128 to, v128 from, unsigned int imm)
{
	return host_pinsrw(to, from, imm & 3);
}

/* Mnemonic, handlers' name, host operation, destination, source when a register, bytes in memory. */
#define ELEMENT_OPS(X) \
	X(PINSRB, pinsrb, host_pinsrb, SSE_XMM, SSE_GPR, 1) \
	X(PINSRW, pinsrw, host_pinsrw, SSE_XMM, SSE_GPR, 2) \
	X(PINSRD, pinsrd, host_pinsrd, SSE_XMM, SSE_GPR, 4) \
	X(PINSRQ, pinsrq, host_pinsrq, SSE_XMM, SSE_GPR, 8) \
	X(INSERTPS, insertps, host_insertps, SSE_XMM, SSE_XMM, 4) \
	X(MOVMSKPS, movmskps, host_movmskps, SSE_GPR, SSE_XMM, 16) \
	X(MOVMSKPD, movmskpd, host_movmskpd, SSE_GPR, SSE_XMM, 16) \
	X(PMOVMSKB, pmovmskb, host_pmovmskb, SSE_GPR, SSE_XMM, 16) \
	X(PTEST, ptest, host_ptest, SSE_FLAGS, SSE_XMM, 16) \
	X(PSHUFW, pshufw, host_pshuflw, SSE_MMX, SSE_MMX, 8) \
	X(MMX_PINSRW, mmx_pinsrw, host_mmx_pinsrw, SSE_MMX, SSE_GPR, 2) \
	X(MMX_PMOVMSKB, mmx_pmovmskb, host_pmovmskb, SSE_GPR, SSE_MMX, 8)

#define ELEMENT_HANDLERS(NAME, name, compute, to, from, size) SSE_OP_HANDLERS(name, to, from, size, compute)
ELEMENT_OPS(ELEMENT_HANDLERS)

enum {
#define ELEMENT_INDEX(NAME, ...) ELEMENT_##NAME,
	ELEMENT_OPS(ELEMENT_INDEX)
};

static const struct sse_op element_ops[] = {
#define ELEMENT_OP(NAME, name, compute, to, from, size) [ELEMENT_##NAME] = { name##_reg, name##_mem, compute, size, from, to, RESULT_QUIET },
	ELEMENT_OPS(ELEMENT_OP)
};

static bool element_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	if (argument == ELEMENT_PINSRW && sse_operand_is_mmx(d, 0))
		argument = ELEMENT_MMX_PINSRW;
	if (argument == ELEMENT_PMOVMSKB && sse_operand_is_mmx(d, 1))
		argument = ELEMENT_MMX_PMOVMSKB;
	if (!sse_decode_op(d, insn, &element_ops[argument]))
		return false;
	/* COUNT_S chooses an element of a register; memory has only one. */
	if (argument == ELEMENT_INSERTPS && decode_is_memory(d, 1))
		insn->extra &= 0x3f;
	return true;
}

/* ---- Extracting. `insn->extra` is the byte where the element begins. ---- */

TEMPLATE uint64_t element_get(const struct x86_vcpu *cpu, const struct insn *insn, unsigned int size)
{
	const uint8_t *at = cpu->xsave.xmm[insn->rm] + insn->extra;

	switch (size) {
	case 1: return *at;
	case 2: return *(const guest16 *)at;
	case 4: return *(const guest32 *)at;
	default: return *(const guest64 *)at;
	}
}

TEMPLATE bool extract_reg(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size)
{
	cpu->gpr[insn->reg] = element_get(cpu, insn, size);
	return true;
}

TEMPLATE bool extract_mem(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size)
{
	return vector_store(cpu, insn, size, false, v128_low(element_get(cpu, insn, size)));
}

static void extract_mem_slow(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (vector_store_slow(cpu, insn, insn->size, false, v128_low(element_get(cpu, insn, insn->size))))
		insn_next(cpu, insn);
}

#define EXTRACT_HANDLERS(size) \
	SSE_HANDLER(extract##size##_reg, insn_undefined, extract_reg, size) \
	SSE_HANDLER(extract##size##_mem, extract_mem_slow, extract_mem, size)
EXTRACT_HANDLERS(1)
EXTRACT_HANDLERS(2)
EXTRACT_HANDLERS(4)
EXTRACT_HANDLERS(8)

static insn_fn *const extract_handlers[][2] = {
	{ extract1_reg, extract1_mem }, { extract2_reg, extract2_mem }, { extract4_reg, extract4_mem }, { extract8_reg, extract8_mem },
};

static void extract_mmx(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (!mmx_check(cpu, insn))
		return;
	mmx_begin(cpu);
	cpu->gpr[insn->reg] = *(const guest16 *)(cpu->xsave.st[insn->rm] + insn->extra);
	insn_next(cpu, insn);
}

/* `argument`: bytes of an element. */
static bool extract_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	bool mmx = sse_operand_is_mmx(d, 1), defined;
	unsigned int elements = (mmx ? 8 : 16) / argument;

	if (!sse_decode_unit(d, insn, mmx ? UNIT_MMX : UNIT_SSE, &defined))
		return defined;
	insn->rm = sse_register(d->op[1].reg.value);
	insn->extra = (uint32_t)(d->op[2].imm.value.u % elements * argument);
	insn->size = (uint8_t)argument;
	insn->run = extract_handlers[decode_size_index(argument)][decode_is_memory(d, 0)];
	if (!decode_is_memory(d, 0))
		insn->reg = sse_register(d->op[0].reg.value);
	if (mmx)
		insn->run = extract_mmx;
	return true;
}

const struct decode_row sse_element_rows[] = {
	{ ZYDIS_MNEMONIC_PINSRB, element_decode, ELEMENT_PINSRB },
	{ ZYDIS_MNEMONIC_PINSRW, element_decode, ELEMENT_PINSRW },
	{ ZYDIS_MNEMONIC_PINSRD, element_decode, ELEMENT_PINSRD },
	{ ZYDIS_MNEMONIC_PINSRQ, element_decode, ELEMENT_PINSRQ },
	{ ZYDIS_MNEMONIC_INSERTPS, element_decode, ELEMENT_INSERTPS },
	{ ZYDIS_MNEMONIC_MOVMSKPS, element_decode, ELEMENT_MOVMSKPS },
	{ ZYDIS_MNEMONIC_MOVMSKPD, element_decode, ELEMENT_MOVMSKPD },
	{ ZYDIS_MNEMONIC_PMOVMSKB, element_decode, ELEMENT_PMOVMSKB },
	{ ZYDIS_MNEMONIC_PTEST, element_decode, ELEMENT_PTEST },
	{ ZYDIS_MNEMONIC_PSHUFW, element_decode, ELEMENT_PSHUFW },
	{ ZYDIS_MNEMONIC_PEXTRB, extract_decode, 1 },
	{ ZYDIS_MNEMONIC_PEXTRW, extract_decode, 2 },
	{ ZYDIS_MNEMONIC_PEXTRD, extract_decode, 4 },
	{ ZYDIS_MNEMONIC_EXTRACTPS, extract_decode, 4 },
	{ ZYDIS_MNEMONIC_PEXTRQ, extract_decode, 8 },
	{ .decode = NULL }
};
