/*
 * Packed integers, in XMM and in MMX registers, and the bitwise and shuffling operations on vectors of whatever type: nothing
 * here rounds or raises a floating-point exception.
 */
#include "x86/cpu/sse.h"

/* Both in XMM and in MMX registers: mnemonic, host operation, the one for MMX, bytes of an MMX operand in memory. */
#define BOTH_OPS(X) \
	X(PADDB, paddb, paddb, 8) \
	X(PADDW, paddw, paddw, 8) \
	X(PADDD, paddd, paddd, 8) \
	X(PADDQ, paddq, paddq, 8) \
	X(PSUBB, psubb, psubb, 8) \
	X(PSUBW, psubw, psubw, 8) \
	X(PSUBD, psubd, psubd, 8) \
	X(PSUBQ, psubq, psubq, 8) \
	X(PADDSB, paddsb, paddsb, 8) \
	X(PADDSW, paddsw, paddsw, 8) \
	X(PADDUSB, paddusb, paddusb, 8) \
	X(PADDUSW, paddusw, paddusw, 8) \
	X(PSUBSB, psubsb, psubsb, 8) \
	X(PSUBSW, psubsw, psubsw, 8) \
	X(PSUBUSB, psubusb, psubusb, 8) \
	X(PSUBUSW, psubusw, psubusw, 8) \
	X(PMULLW, pmullw, pmullw, 8) \
	X(PMULHW, pmulhw, pmulhw, 8) \
	X(PMULHUW, pmulhuw, pmulhuw, 8) \
	X(PMULHRSW, pmulhrsw, pmulhrsw, 8) \
	X(PMULUDQ, pmuludq, pmuludq, 8) \
	X(PMADDWD, pmaddwd, pmaddwd, 8) \
	X(PMADDUBSW, pmaddubsw, pmaddubsw, 8) \
	X(PSADBW, psadbw, psadbw, 8) \
	X(PAND, pand, pand, 8) \
	X(PANDN, pandn, pandn, 8) \
	X(POR, por, por, 8) \
	X(PXOR, pxor, pxor, 8) \
	X(PAVGB, pavgb, pavgb, 8) \
	X(PAVGW, pavgw, pavgw, 8) \
	X(PMINUB, pminub, pminub, 8) \
	X(PMINSW, pminsw, pminsw, 8) \
	X(PMAXUB, pmaxub, pmaxub, 8) \
	X(PMAXSW, pmaxsw, pmaxsw, 8) \
	X(PCMPEQB, pcmpeqb, pcmpeqb, 8) \
	X(PCMPEQW, pcmpeqw, pcmpeqw, 8) \
	X(PCMPEQD, pcmpeqd, pcmpeqd, 8) \
	X(PCMPGTB, pcmpgtb, pcmpgtb, 8) \
	X(PCMPGTW, pcmpgtw, pcmpgtw, 8) \
	X(PCMPGTD, pcmpgtd, pcmpgtd, 8) \
	X(PSLLW, psllw, psllw, 8) \
	X(PSLLD, pslld, pslld, 8) \
	X(PSLLQ, psllq, psllq, 8) \
	X(PSRLW, psrlw, psrlw, 8) \
	X(PSRLD, psrld, psrld, 8) \
	X(PSRLQ, psrlq, psrlq, 8) \
	X(PSRAW, psraw, psraw, 8) \
	X(PSRAD, psrad, psrad, 8) \
	X(PACKSSWB, packsswb, mmx_packsswb, 8) \
	X(PACKSSDW, packssdw, mmx_packssdw, 8) \
	X(PACKUSWB, packuswb, mmx_packuswb, 8) \
	X(PUNPCKLBW, punpcklbw, punpcklbw, 4) \
	X(PUNPCKLWD, punpcklwd, punpcklwd, 4) \
	X(PUNPCKLDQ, punpckldq, punpckldq, 4) \
	X(PUNPCKHBW, punpckhbw, mmx_punpckhbw, 8) \
	X(PUNPCKHWD, punpckhwd, mmx_punpckhwd, 8) \
	X(PUNPCKHDQ, punpckhdq, mmx_punpckhdq, 8) \
	X(PSHUFB, pshufb, mmx_pshufb, 8) \
	X(PHADDW, phaddw, mmx_phaddw, 8) \
	X(PHADDD, phaddd, mmx_phaddd, 8) \
	X(PHADDSW, phaddsw, mmx_phaddsw, 8) \
	X(PHSUBW, phsubw, mmx_phsubw, 8) \
	X(PHSUBD, phsubd, mmx_phsubd, 8) \
	X(PHSUBSW, phsubsw, mmx_phsubsw, 8) \
	X(PSIGNB, psignb, psignb, 8) \
	X(PSIGNW, psignw, psignw, 8) \
	X(PSIGND, psignd, psignd, 8) \
	X(PABSB, pabsb, pabsb, 8) \
	X(PABSW, pabsw, pabsw, 8) \
	X(PABSD, pabsd, pabsd, 8) \
	X(PALIGNR, palignr, mmx_palignr, 8)

/* In XMM registers only: mnemonic, host operation, bytes in memory. */
#define XMM_OPS(X) \
	X(ANDPS, pand, 16) \
	X(ANDPD, pand, 16) \
	X(ANDNPS, pandn, 16) \
	X(ANDNPD, pandn, 16) \
	X(ORPS, por, 16) \
	X(ORPD, por, 16) \
	X(XORPS, pxor, 16) \
	X(XORPD, pxor, 16) \
	X(PUNPCKLQDQ, punpcklqdq, 16) \
	X(PUNPCKHQDQ, punpckhqdq, 16) \
	X(UNPCKLPS, unpcklps, 16) \
	X(UNPCKHPS, unpckhps, 16) \
	X(UNPCKLPD, unpcklpd, 16) \
	X(UNPCKHPD, unpckhpd, 16) \
	X(SHUFPS, shufps, 16) \
	X(SHUFPD, shufpd, 16) \
	X(PSHUFD, pshufd, 16) \
	X(PSHUFLW, pshuflw, 16) \
	X(PSHUFHW, pshufhw, 16) \
	X(RCPPS, rcpps, 16) \
	X(RCPSS, rcpss, 4) \
	X(RSQRTPS, rsqrtps, 16) \
	X(RSQRTSS, rsqrtss, 4) \
	X(MOVDDUP, movddup, 8) \
	X(MOVSHDUP, movshdup, 16) \
	X(MOVSLDUP, movsldup, 16) \
	X(PMULLD, pmulld, 16) \
	X(PMULDQ, pmuldq, 16) \
	X(PMINSB, pminsb, 16) \
	X(PMINUW, pminuw, 16) \
	X(PMINUD, pminud, 16) \
	X(PMINSD, pminsd, 16) \
	X(PMAXSB, pmaxsb, 16) \
	X(PMAXUW, pmaxuw, 16) \
	X(PMAXUD, pmaxud, 16) \
	X(PMAXSD, pmaxsd, 16) \
	X(PCMPEQQ, pcmpeqq, 16) \
	X(PCMPGTQ, pcmpgtq, 16) \
	X(PACKUSDW, packusdw, 16) \
	X(PMOVSXBW, pmovsxbw, 8) \
	X(PMOVSXBD, pmovsxbd, 4) \
	X(PMOVSXBQ, pmovsxbq, 2) \
	X(PMOVSXWD, pmovsxwd, 8) \
	X(PMOVSXWQ, pmovsxwq, 4) \
	X(PMOVSXDQ, pmovsxdq, 8) \
	X(PMOVZXBW, pmovzxbw, 8) \
	X(PMOVZXBD, pmovzxbd, 4) \
	X(PMOVZXBQ, pmovzxbq, 2) \
	X(PMOVZXWD, pmovzxwd, 8) \
	X(PMOVZXWQ, pmovzxwq, 4) \
	X(PMOVZXDQ, pmovzxdq, 8) \
	X(PHMINPOSUW, phminposuw, 16) \
	X(MPSADBW, mpsadbw, 16) \
	X(BLENDPS, blendps, 16) \
	X(BLENDPD, blendpd, 16) \
	X(PBLENDW, pblendw, 16)

/* Shifts of a whole register by an immediate number of bytes. */
#define BYTE_SHIFTS(X) \
	X(PSLLDQ, pslldq) \
	X(PSRLDQ, psrldq)

/* ---- MMX forms that are not simply the low half of the XMM form. ---- */

/* Two MMX operands side by side, as the XMM form has its two halves: its result's low half is then the MMX form's. */
#define MMX_SIDE_BY_SIDE(name) \
	static inline v128 host_mmx_##name(v128 to, v128 from, unsigned int imm) \
	{ \
		v128 both = { to[0], from[0] }; \
\
		return host_##name(both, both, imm); \
	}
MMX_SIDE_BY_SIDE(packsswb) MMX_SIDE_BY_SIDE(packssdw) MMX_SIDE_BY_SIDE(packuswb)
MMX_SIDE_BY_SIDE(phaddw) MMX_SIDE_BY_SIDE(phaddd) MMX_SIDE_BY_SIDE(phaddsw)
MMX_SIDE_BY_SIDE(phsubw) MMX_SIDE_BY_SIDE(phsubd) MMX_SIDE_BY_SIDE(phsubsw)

/* Interleaving the high halves of 64 bits: the upper half of what interleaving the low halves of 128 bits gives. */
#define MMX_INTERLEAVE_HIGH(high, low) \
	static inline v128 host_mmx_##high(v128 to, v128 from, unsigned int imm) \
	{ \
		return v128_low(host_##low(to, from, imm)[1]); \
	}
MMX_INTERLEAVE_HIGH(punpckhbw, punpcklbw) MMX_INTERLEAVE_HIGH(punpckhwd, punpcklwd) MMX_INTERLEAVE_HIGH(punpckhdq, punpckldq)

/* Of an index only three bits and the clearing bit count. */
static inline v128 host_mmx_pshufb(v128 to, v128 from, unsigned int imm)
{
	return host_pshufb(to, v128_low(from[0] & UINT64_C(0x8787878787878787)), imm);
}

static inline v128 host_mmx_palignr(v128 to, v128 from, unsigned int imm)
{
	return host_psrldq((v128){ from[0], to[0] }, from, imm);
}

/* ---- Handlers. ---- */

#define BOTH_HANDLERS(NAME, name, mmx, size) \
	SSE_OP_HANDLERS(xmm_##NAME, SSE_XMM, SSE_XMM, 16, host_##name) \
	SSE_OP_HANDLERS(mmx_##NAME, SSE_MMX, SSE_MMX, size, host_##mmx)
BOTH_OPS(BOTH_HANDLERS)
#define XMM_HANDLERS(NAME, name, size) SSE_OP_HANDLERS(xmm_##NAME, SSE_XMM, SSE_XMM, size, host_##name)
XMM_OPS(XMM_HANDLERS)

/* By an immediate: the count of a shift is a vector otherwise. */
TEMPLATE bool shift_immediate(struct x86_vcpu *cpu, const struct insn *insn, enum sse_place place, sse_compute *compute)
{
	if (place == SSE_MMX && !mmx_ready(cpu))
		return false;
	place_set(cpu, place, insn->reg, compute(place_get(cpu, place, insn->reg), v128_low(insn->extra), insn->extra));
	return true;
}

static void shift_immediate_slow(struct x86_vcpu *cpu, const struct insn *insn)
{
	const struct sse_op *op = (const struct sse_op *)(uintptr_t)insn->imm;

	if (!mmx_check(cpu, insn))
		return;
	mmx_begin(cpu);
	mmx_set(cpu, insn->reg, op->compute(mmx_get(cpu, insn->reg), v128_low(insn->extra), insn->extra));
	insn_next(cpu, insn);
}

#define SHIFTS(X) X(PSLLW, psllw) X(PSLLD, pslld) X(PSLLQ, psllq) X(PSRLW, psrlw) X(PSRLD, psrld) X(PSRLQ, psrlq) X(PSRAW, psraw) X(PSRAD, psrad)
#define SHIFT_HANDLERS(NAME, name) \
	SSE_HANDLER(xmm_##NAME##_imm, insn_undefined, shift_immediate, SSE_XMM, host_##name) \
	SSE_HANDLER(mmx_##NAME##_imm, shift_immediate_slow, shift_immediate, SSE_MMX, host_##name)
SHIFTS(SHIFT_HANDLERS)
#define BYTE_SHIFT_HANDLERS(NAME, name) SSE_HANDLER(xmm_##NAME##_imm, insn_undefined, shift_immediate, SSE_XMM, host_##name)
BYTE_SHIFTS(BYTE_SHIFT_HANDLERS)

/* ---- Rows. ---- */

enum {
#define BOTH_INDEX(NAME, ...) INT_##NAME, INT_MMX_##NAME,
	BOTH_OPS(BOTH_INDEX)
#define XMM_INDEX(NAME, ...) INT_##NAME,
	XMM_OPS(XMM_INDEX)
	BYTE_SHIFTS(XMM_INDEX)
	INT_COUNT
};

static const struct sse_op int_ops[INT_COUNT] = {
#define BOTH_OP(NAME, name, mmx, size) \
	[INT_##NAME] = { xmm_##NAME##_reg, xmm_##NAME##_mem, host_##name, 16, SSE_XMM, SSE_XMM, RESULT_QUIET }, \
	[INT_MMX_##NAME] = { mmx_##NAME##_reg, mmx_##NAME##_mem, host_##mmx, size, SSE_MMX, SSE_MMX, RESULT_QUIET },
	BOTH_OPS(BOTH_OP)
#define XMM_OP(NAME, name, size) [INT_##NAME] = { xmm_##NAME##_reg, xmm_##NAME##_mem, host_##name, size, SSE_XMM, SSE_XMM, RESULT_QUIET },
	XMM_OPS(XMM_OP)
};

static insn_fn *const shift_handlers[INT_COUNT] = {
#define SHIFT_ENTRY(NAME, name) [INT_##NAME] = xmm_##NAME##_imm, [INT_MMX_##NAME] = mmx_##NAME##_imm,
	SHIFTS(SHIFT_ENTRY)
#define BYTE_SHIFT_ENTRY(NAME, name) [INT_##NAME] = xmm_##NAME##_imm,
	BYTE_SHIFTS(BYTE_SHIFT_ENTRY)
};

static bool shift_immediate_decode(struct decoder *d, struct insn *insn, unsigned int index, bool mmx)
{
	bool defined;

	if (!sse_decode_unit(d, insn, mmx ? UNIT_MMX : UNIT_SSE, &defined))
		return defined;
	insn->reg = sse_register(d->op[0].reg.value);
	insn->extra = (uint8_t)d->op[1].imm.value.u;
	insn->imm = (uintptr_t)&int_ops[index];
	insn->run = shift_handlers[index];
	return true;
}

static bool int_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	bool mmx = sse_operand_is_mmx(d, 0);

	if (d->op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return shift_immediate_decode(d, insn, argument + mmx, mmx);
	return sse_decode_op(d, insn, &int_ops[argument + mmx]);
}

/* ---- Blends by a mask in XMM0. ---- */

typedef v128 sse_blend(v128 to, v128 from, v128 mask);

TEMPLATE bool blend_reg(struct x86_vcpu *cpu, const struct insn *insn, sse_blend *blend)
{
	v128 *to = xmm(cpu, insn->reg);

	*to = blend(*to, *xmm(cpu, insn->rm), *xmm(cpu, 0));
	return true;
}

TEMPLATE bool blend_mem(struct x86_vcpu *cpu, const struct insn *insn, sse_blend *blend)
{
	v128 *to = xmm(cpu, insn->reg), from;

	if (!vector_load(cpu, insn, 16, true, &from))
		return false;
	*to = blend(*to, from, *xmm(cpu, 0));
	return true;
}

static sse_blend *const blends[] = { host_pblendvb, host_blendvps, host_blendvpd };

SSE_STEP bool blend_mem_step(struct x86_vcpu *cpu, const struct insn *insn)
{
	v128 *to = xmm(cpu, insn->reg), from;

	if (!vector_load_slow(cpu, insn, 16, true, &from))
		return false;
	*to = blends[insn->extra](*to, from, *xmm(cpu, 0));
	return true;
}

static void blend_mem_slow(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (blend_mem_step(cpu, insn))
		insn_next(cpu, insn);
}

#define BLEND_HANDLERS(name) \
	SSE_HANDLER(name##_reg, insn_undefined, blend_reg, host_##name) \
	SSE_HANDLER(name##_mem, blend_mem_slow, blend_mem, host_##name)
BLEND_HANDLERS(pblendvb)
BLEND_HANDLERS(blendvps)
BLEND_HANDLERS(blendvpd)

static insn_fn *const blend_handlers[][2] = {
	{ pblendvb_reg, pblendvb_mem }, { blendvps_reg, blendvps_mem }, { blendvpd_reg, blendvpd_mem },
};

static bool blend_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	bool memory = decode_is_memory(d, 1), defined;

	if (!sse_decode_unit(d, insn, UNIT_SSE, &defined))
		return defined;
	insn->reg = sse_register(d->op[0].reg.value);
	if (!memory)
		insn->rm = sse_register(d->op[1].reg.value);
	insn->extra = argument;
	insn->run = blend_handlers[argument][memory];
	return true;
}

const struct decode_row sse_int_rows[] = {
#define INT_ROW(NAME, ...) { ZYDIS_MNEMONIC_##NAME, int_decode, INT_##NAME },
	BOTH_OPS(INT_ROW)
	XMM_OPS(INT_ROW)
	BYTE_SHIFTS(INT_ROW)
	{ ZYDIS_MNEMONIC_PBLENDVB, blend_decode, 0 },
	{ ZYDIS_MNEMONIC_BLENDVPS, blend_decode, 1 },
	{ ZYDIS_MNEMONIC_BLENDVPD, blend_decode, 2 },
	{ .decode = NULL }
};
