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
	(void)d;
	(void)argument;
	insn->run = nop;
	return true;
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

	if (tlb_lookup(cpu, TLB_READ, linear, 1) || mem_probe(cpu, insn, (enum segment)insn->seg, linear, 1, ACCESS_READ))
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
	uint64_t linear = insn_linear(cpu, insn, 2 * size, ACCESS_READ);
	int64_t index = gpr_get(cpu, insn->reg, size), lower, upper;

	if (load_at(cpu, insn, path, linear, size, &lower) != STEP_NEXT || load_at(cpu, insn, path, linear + size, size, &upper) != STEP_NEXT)
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
