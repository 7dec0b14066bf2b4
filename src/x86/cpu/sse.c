/*
 * What all MMX and SSE instructions share: when they may be used, how their operands are decoded, the slow paths of their handlers,
 * and the switch of the x87 registers to MMX. Knows no single instruction.
 */
#include "x86/cpu/exec.h"
#include "x86/cpu/sse.h"

/* ---- Decoding. ---- */

/* CR0.EM, CR0.TS and CR4.OSFXSR: SDM Vol. 3A, 12.1 and 13.1. */
bool sse_decode_unit(const struct decoder *d, struct insn *insn, enum sse_unit unit, bool *defined)
{
	*defined = !(d->mode & MODE_EM) && (unit == UNIT_MMX || d->mode & MODE_OSFXSR);
	if (*defined && !(d->mode & MODE_TS))
		return true;
	insn->run = fpu_not_available;
	insn->flags |= INSN_ENDS_BLOCK;
	return false;
}

bool sse_operand_is_mmx(const struct decoder *d, unsigned int operand)
{
	return decode_is_register(d, operand) && ZydisRegisterGetClass(d->op[operand].reg.value) == ZYDIS_REGCLASS_MMX;
}

uint8_t sse_register(ZydisRegister reg)
{
	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_MMX: return (uint8_t)(reg - ZYDIS_REGISTER_MM0);
	case ZYDIS_REGCLASS_XMM: return (uint8_t)(reg - ZYDIS_REGISTER_XMM0);
	default: return decode_gpr(reg);
	}
}

bool sse_decode_op(struct decoder *d, struct insn *insn, const struct sse_op *op)
{
	bool memory = decode_is_memory(d, 1), xmm = op->from == SSE_XMM || op->to == SSE_XMM, defined;

	if (!sse_decode_unit(d, insn, xmm ? UNIT_SSE : UNIT_MMX, &defined))
		return defined;
	insn->reg = sse_register(d->op[0].reg.value);
	if (!memory)
		insn->rm = sse_register(d->op[1].reg.value);
	if (d->op[2].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		insn->extra = (uint8_t)d->op[2].imm.value.u;
	insn->imm = (uintptr_t)op;
	insn->run = memory ? op->mem : op->reg;
	if (!insn->run || (op->result != RESULT_QUIET && d->mode & MODE_SSE_TRAPS))
		insn->run = memory ? sse_run_mem : sse_run_reg;
	return true;
}

/* ---- MMX. ---- */

bool mmx_check(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (!x87_pending(cpu))
		return true;
	insn_fault(cpu, insn, VECTOR_MF);
	return false;
}

/* FXSAVE's order is relative to TOP; the MMX registers are the physical ones. */
void mmx_begin(struct x86_vcpu *cpu)
{
	x87_top_change(cpu, 0);
	cpu->xsave.ftw = 0xff;
}

/* ---- Memory. ---- */

/* SDM Vol. 3A, 6.15, #GP: not on a 16-byte boundary. That is seen before the address is found to be beyond its segment. */
static bool vector_address(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, bool aligned, enum access access, uint64_t *linear)
{
	if (aligned && !insn_aligned(cpu, insn, 16)) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return false;
	}
	*linear = insn_linear(cpu, insn, size, access);
	return true;
}

bool vector_load_slow(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, bool aligned, v128 *value)
{
	uint64_t linear;

	*value = v128_low(0);
	return vector_address(cpu, insn, size, aligned, ACCESS_READ, &linear) && mem_read_slow(cpu, insn, (enum segment)insn->seg, linear, value, size);
}

bool vector_store_slow(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, bool aligned, v128 value)
{
	uint64_t linear;

	return vector_address(cpu, insn, size, aligned, ACCESS_WRITE, &linear) &&
	       mem_write_slow(cpu, insn, (enum segment)insn->seg, linear, &value, size);
}

/* ---- Any operation, under all circumstances. ---- */

static const struct sse_op *insn_op(const struct insn *insn)
{
	return (const struct sse_op *)(uintptr_t)insn->imm;
}

SSE_STEP bool op_run(struct x86_vcpu *cpu, const struct insn *insn, const struct sse_op *op, v128 from)
{
	v128 to = place_old(cpu, op->to, insn->reg), result;

	if (op->result != RESULT_QUIET)
		fpu_sse_take(cpu);
	if (op->result == RESULT_QUIET || !(cpu->mode & MODE_SSE_TRAPS))
		result = op->compute(to, from, insn->extra);
	else if (!sse_compute_trapping(cpu, insn, op, to, from, &result))
		return false;
	place_set(cpu, op->to, insn->reg, result);
	return true;
}

void sse_run_reg(struct x86_vcpu *cpu, const struct insn *insn)
{
	const struct sse_op *op = insn_op(insn);

	if (op->to == SSE_MMX || op->from == SSE_MMX) {
		if (!mmx_check(cpu, insn))
			return;
		mmx_begin(cpu);
	}
	if (op_run(cpu, insn, op, place_get(cpu, op->from, insn->rm)))
		insn_next(cpu, insn);
}

SSE_STEP bool op_run_mem(struct x86_vcpu *cpu, const struct insn *insn)
{
	const struct sse_op *op = insn_op(insn);
	v128 from;

	if (op->to == SSE_MMX && !mmx_check(cpu, insn))
		return false;
	if (!vector_load_slow(cpu, insn, op->size, op->size == 16 && !op->unaligned, &from))
		return false;
	if (op->to == SSE_MMX)
		mmx_begin(cpu);
	return op_run(cpu, insn, op, from);
}

void sse_run_mem(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (op_run_mem(cpu, insn))
		insn_next(cpu, insn);
}
