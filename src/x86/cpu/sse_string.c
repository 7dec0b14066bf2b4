/*
 * PCMPISTRI, PCMPISTRM, PCMPESTRI, PCMPESTRM: SSE4.2's string comparisons (SDM Vol. 2B, 4.1).
 */
#include "x86/cpu/sse.h"

typedef struct host_string_result string_compare(v128 to, v128 from, uint32_t eax, uint32_t edx, unsigned int imm);

/* An explicit length of the operand size's width; beyond the vector, all lengths of a sign are the same. */
static uint32_t string_length(uint64_t length, unsigned int size)
{
	if (size == 8)
		return (uint32_t)((int64_t)length > 16 ? 16 : (int64_t)length < -16 ? -16 : (int64_t)length);
	return (uint32_t)length;
}

enum string_result { STRING_INDEX, STRING_MASK };

/* AF and PF are cleared. */
TEMPLATE void string_run(struct x86_vcpu *cpu, const struct insn *insn, v128 from, string_compare *compare, enum string_result kind)
{
	struct host_string_result result = compare(*xmm(cpu, insn->reg), from, string_length(cpu->gpr[RAX], insn->size),
						   string_length(cpu->gpr[RDX], insn->size), insn->extra);

	if (kind == STRING_INDEX)
		cpu->gpr[RCX] = result.index;
	else
		*xmm(cpu, 0) = result.mask;
	flags_arithmetic_set(cpu, result.flags);
}

/* The operand in memory need not be aligned. */
SSE_STEP bool string_load(struct x86_vcpu *cpu, const struct insn *insn, v128 *from)
{
	return vector_load(cpu, insn, 16, false, from) || vector_load_slow(cpu, insn, 16, false, from);
}

#define STRING_HANDLERS(name, kind) \
	SSE_STEP bool name##_step(struct x86_vcpu *cpu, const struct insn *insn, bool memory) \
	{ \
		v128 from; \
\
		if (!memory) \
			from = *xmm(cpu, insn->rm); \
		else if (!string_load(cpu, insn, &from)) \
			return false; \
		string_run(cpu, insn, from, host_##name, kind); \
		return true; \
	} \
	static void name##_reg(struct x86_vcpu *cpu, const struct insn *insn) \
	{ \
		if (name##_step(cpu, insn, false)) \
			insn_next(cpu, insn); \
	} \
	static void name##_mem(struct x86_vcpu *cpu, const struct insn *insn) \
	{ \
		if (name##_step(cpu, insn, true)) \
			insn_next(cpu, insn); \
	}
STRING_HANDLERS(pcmpistri, STRING_INDEX)
STRING_HANDLERS(pcmpistrm, STRING_MASK)
STRING_HANDLERS(pcmpestri, STRING_INDEX)
STRING_HANDLERS(pcmpestrm, STRING_MASK)

static insn_fn *const string_handlers[][2] = {
	{ pcmpistri_reg, pcmpistri_mem }, { pcmpistrm_reg, pcmpistrm_mem },
	{ pcmpestri_reg, pcmpestri_mem }, { pcmpestrm_reg, pcmpestrm_mem },
};

static bool string_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	bool memory = decode_is_memory(d, 1), defined;

	if (!sse_decode_unit(d, insn, UNIT_SSE, &defined))
		return defined;
	insn->reg = sse_register(d->op[0].reg.value);
	if (!memory)
		insn->rm = sse_register(d->op[1].reg.value);
	insn->extra = (uint8_t)d->op[2].imm.value.u;
	insn->size = d->z.attributes & ZYDIS_ATTRIB_HAS_REX && d->z.raw.rex.W ? 8 : 4;
	insn->run = string_handlers[argument][memory];
	return true;
}

const struct decode_row sse_string_rows[] = {
	{ ZYDIS_MNEMONIC_PCMPISTRI, string_decode, 0 },
	{ ZYDIS_MNEMONIC_PCMPISTRM, string_decode, 1 },
	{ ZYDIS_MNEMONIC_PCMPESTRI, string_decode, 2 },
	{ ZYDIS_MNEMONIC_PCMPESTRM, string_decode, 3 },
	{ .decode = NULL }
};
