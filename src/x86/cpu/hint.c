/*
 * Instructions without a result: NOP in all its guises, PAUSE, prefetches, fences, cache line flushes. And one with nothing but
 * a fault: BOUND.
 */
#include <stdatomic.h>

#include "x86/cpu/operand.h"

static void nop(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_next(cpu, insn);
}

/* Memory operands of these are neither read nor checked. */
bool nop_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	/* Opcode 0F 0D is a prefetch, of memory only. */
	if (d->z.opcode_map == ZYDIS_OPCODE_MAP_0F && d->z.opcode == 0x0d && d->z.raw.modrm.mod == 3)
		return false;
	insn->run = nop;
	return true;
}

/* F3 90; with REX.B it is the XCHG of R8 and rAX that 90 then is, its prefix without a meaning. */
bool pause_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	if (!(d->z.attributes & ZYDIS_ATTRIB_HAS_REX) || !d->z.raw.rex.B)
		return nop_decode(d, insn, argument);
	insn->size = d->z.raw.rex.W ? 8 : d->z.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE ? 2 : 4;
	return atomic_exchange_registers(insn, R8, RAX);
}

/* Other vCPUs are other threads of the host: a fence here must be one there. */
static void fence(struct x86_vcpu *cpu, const struct insn *insn)
{
	atomic_thread_fence(memory_order_seq_cst);
	insn_next(cpu, insn);
}

bool fence_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)d;
	(void)argument;
	insn->run = fence;
	return true;
}

/* Checked as a read of one byte (SDM Vol. 2A, CLFLUSH); there is no cache to flush. */
static void flush(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t linear = insn_linear(cpu, insn, 1, ACCESS_READ);

	if (tlb_lookup(cpu->tlb, TLB_READ, linear, 1) || mem_probe(cpu, insn, (enum segment)insn->seg, linear, 1, ACCESS_READ))
		insn_next(cpu, insn);
}

bool flush_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	if (!decode_is_memory(d, 0))
		return false;
	insn->run = flush;
	return true;
}

/* ---- BOUND: #BR unless lower <= index <= upper, all signed; the bounds lie in memory one after the other. ---- */

TEMPLATE enum step bound(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size)
{
	int64_t index = gpr_get(cpu, insn->reg, size), lower, upper;
	uint64_t linear;

	operand_linear(cpu, insn, path, 0, size, ACCESS_READ, &linear);
	if (load_at(cpu, insn, path, linear, size, &lower) != STEP_NEXT)
		return STEP_LEAVE;
	operand_linear(cpu, insn, path, size, size, ACCESS_READ, &linear);
	if (load_at(cpu, insn, path, linear, size, &upper) != STEP_NEXT)
		return STEP_LEAVE;
	if (index >= lower && index <= upper)
		return STEP_NEXT;
	insn_fault(cpu, insn, VECTOR_BR);
	return STEP_LEAVE;
}

HANDLER_SLOW(bound_2, bound, 2)
HANDLER_SLOW(bound_4, bound, 4)

bool bound_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	insn->reg = decode_gpr(d->op[0].reg.value);
	insn->run = d->op[0].size == 16 ? bound_2 : bound_4;
	return true;
}
