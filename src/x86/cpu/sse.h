/*
 * What the files sse_*.c share: vector registers, vector operands in memory, and the templates from which their handlers are
 * made. An operation is a function host_NAME(destination, source, immediate) of host_fpu.h; a row (struct sse_op) says with what
 * operands it goes. Handlers call nothing: whatever they meet that is rare, they leave to sse_run_reg() or sse_run_mem(), which
 * can run every row under all circumstances.
 */
#ifndef ANYKVM_X86_CPU_SSE_H
#define ANYKVM_X86_CPU_SSE_H

#include "x86/cpu/fpu.h"
#include "x86/cpu/host_fpu.h"
#include "x86/cpu/operand.h"

typedef v128 sse_compute(v128 to, v128 from, unsigned int imm);

/* Where a source that is no memory is, and where the result goes. */
enum sse_place { SSE_XMM, SSE_MMX, SSE_GPR, SSE_FLAGS };

/*
 * What an operation's SIMD floating-point exceptions can be: none; only those that its result and flags with all of them masked
 * tell; or also overflow and underflow, of a result of so many values of such a format.
 */
enum sse_result { RESULT_QUIET, RESULT_OTHER, RESULT_F32X1, RESULT_F32X4, RESULT_F64X1, RESULT_F64X2 };

/* Which arithmetic it is. Those from ARITHMETIC_HADD on are sequences of the former. */
enum sse_arithmetic {
	ARITHMETIC_OTHER, ARITHMETIC_ADD, ARITHMETIC_SUB, ARITHMETIC_MUL, ARITHMETIC_DIV, ARITHMETIC_NARROW,
	ARITHMETIC_HADD, ARITHMETIC_HSUB, ARITHMETIC_ADDSUB, ARITHMETIC_DOT,
};

/* An operation with a source in a register or in `size` bytes of memory. */
struct sse_op {
	insn_fn *reg, *mem;   /* its own handlers; NULL: none of its own, or (where compute has no use for it) no such form */
	sse_compute *compute;
	uint8_t size;         /* 16: must be aligned in memory, unless `unaligned` says otherwise */
	uint8_t from, to;     /* enum sse_place */
	uint8_t result;       /* enum sse_result */
	bool unaligned;
	uint8_t arithmetic;   /* enum sse_arithmetic */
};

/* The insn of an operation: imm is its row, extra the immediate, reg the destination, rm the source when it is a register. */
insn_fn sse_run_reg, sse_run_mem;

/* Computes while MXCSR has exceptions that are not masked (sse_trap.c). False: one was raised. */
bool sse_compute_trapping(struct x86_vcpu *cpu, const struct insn *insn, const struct sse_op *op, v128 to, v128 from, v128 *result);

/* ---- Decoding. ---- */

enum sse_unit { UNIT_MMX, UNIT_SSE };

/*
 * Whether the unit may be used. When not, the decode function has nothing more to do than to return `*defined`: the instruction
 * is undefined, or raises #NM.
 */
bool sse_decode_unit(const struct decoder *d, struct insn *insn, enum sse_unit unit, bool *defined);
/* The number of an XMM, MMX or general register. */
uint8_t sse_register(ZydisRegister reg);
bool sse_operand_is_mmx(const struct decoder *d, unsigned int operand);
/* Fills `insn` for an operation between operands 0 (destination) and 1 (source) with, if there is one, an immediate in operand 2. */
bool sse_decode_op(struct decoder *d, struct insn *insn, const struct sse_op *op);

/* ---- Registers. ---- */

TEMPLATE v128 *xmm(struct x86_vcpu *cpu, uint8_t reg)
{
	return (v128 *)cpu->xsave.xmm[reg];
}

/*
 * MMX registers are the fractions of the x87 registers. Using one makes them all valid and TOP zero (SDM Vol. 3A, 12.2); an x87
 * exception that is pending comes first. Where this is true there is nothing of that to do.
 */
TEMPLATE bool mmx_ready(const struct x86_vcpu *cpu)
{
	return likely(cpu->xsave.ftw == 0xff && !(cpu->xsave.fsw & (X87_STATUS_TOP | (~cpu->xsave.fcw & X87_FLAGS))));
}

/* False: #MF was raised. Comes before memory is accessed. */
bool mmx_check(struct x86_vcpu *cpu, const struct insn *insn);
/* Comes after, and before the first register is looked at. */
void mmx_begin(struct x86_vcpu *cpu);

TEMPLATE v128 mmx_get(const struct x86_vcpu *cpu, uint8_t reg)
{
	return v128_low(*(const guest64 *)cpu->xsave.st[reg]);
}

TEMPLATE void mmx_set(struct x86_vcpu *cpu, uint8_t reg, v128 value)
{
	*(v128 *)cpu->xsave.st[reg] = (v128){ value[0], 0xffff }; /* sign and exponent: all ones */
}

TEMPLATE v128 place_get(struct x86_vcpu *cpu, enum sse_place place, uint8_t reg)
{
	switch (place) {
	case SSE_MMX: return mmx_get(cpu, reg);
	case SSE_GPR: return v128_low(cpu->gpr[reg]);
	default: return *xmm(cpu, reg);
	}
}

TEMPLATE void place_set(struct x86_vcpu *cpu, enum sse_place place, uint8_t reg, v128 value)
{
	switch (place) {
	case SSE_MMX: mmx_set(cpu, reg, value); break;
	case SSE_GPR: cpu->gpr[reg] = value[0]; break;
	case SSE_FLAGS: flags_arithmetic_set(cpu, (uint32_t)value[0]); break;
	default: *xmm(cpu, reg) = value; break;
	}
}

/* What an operation finds in its destination. */
TEMPLATE v128 place_old(struct x86_vcpu *cpu, enum sse_place place, uint8_t reg)
{
	return place == SSE_GPR ? v128_low(0) : place_get(cpu, place, reg);
}

/* ---- Memory: false where a handler has to take the slow path. ---- */

typedef v128 __attribute__((aligned(1))) guest_v128;

/* `size` bytes into the low part of a vector, the rest zero. */
TEMPLATE bool vector_load(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, bool aligned, v128 *value)
{
	const struct tlb_entry *entry;
	uint64_t linear, host;

	if (operand_linear(cpu, insn, PATH_FAST, 0, size, ACCESS_READ, &linear) != STEP_NEXT || (aligned && unlikely(linear & 15)))
		return false;
	entry = tlb_lookup(cpu->tlb, TLB_READ, linear, size);
	if (unlikely(!entry))
		return false;
	*(const struct insn *volatile *)&cpu->insn = insn;
	host = linear + entry->addend;
	switch (size) {
	case 1: *value = v128_low(*(const volatile uint8_t *)host); break;
	case 2: *value = v128_low(*(const volatile guest16 *)host); break;
	case 4: *value = v128_low(*(const volatile guest32 *)host); break;
	case 8: *value = v128_low(*(const volatile guest64 *)host); break;
	default: *value = *(const volatile guest_v128 *)host; break;
	}
	return true;
}

TEMPLATE bool vector_store(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, bool aligned, v128 value)
{
	const struct tlb_entry *entry;
	uint64_t linear, host;

	if (operand_linear(cpu, insn, PATH_FAST, 0, size, ACCESS_WRITE, &linear) != STEP_NEXT || (aligned && unlikely(linear & 15)))
		return false;
	entry = tlb_lookup(cpu->tlb, TLB_WRITE, linear, size);
	if (unlikely(!entry))
		return false;
	host = linear + entry->addend;
	/* As in mem_write(): a store into the running block. */
	if (unlikely(host_meets(host, size, cpu->block_host, cpu->block_length)))
		return false;
	*(const struct insn *volatile *)&cpu->insn = insn;
	switch (size) {
	case 1: *(volatile uint8_t *)host = (uint8_t)value[0]; break;
	case 2: *(volatile guest16 *)host = (uint16_t)value[0]; break;
	case 4: *(volatile guest32 *)host = (uint32_t)value[0]; break;
	case 8: *(volatile guest64 *)host = value[0]; break;
	default: *(volatile guest_v128 *)host = value; break;
	}
	return true;
}

/* The slow ones: false, the exception or exit has been recorded. */
bool vector_load_slow(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, bool aligned, v128 *value);
bool vector_store_slow(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, bool aligned, v128 value);

/* For what handlers call: a tail call is one only when no local's address is known to others, inlined ones' included. */
#define SSE_STEP static __attribute__((noinline))

/* ---- Handlers. A template says false where nothing was done and `slow` must do it. ---- */

#define SSE_HANDLER(name, slow, template, ...)                                    \
	static void name(struct x86_vcpu *cpu, const struct insn *insn)           \
	{                                                                         \
		if (likely(template(cpu, insn, __VA_ARGS__)))                     \
			insn_next(cpu, insn);                                     \
		else                                                              \
			slow(cpu, insn);                                          \
	}

TEMPLATE bool op_from_reg(struct x86_vcpu *cpu, const struct insn *insn, enum sse_place to, enum sse_place from, sse_compute *compute)
{
	if ((to == SSE_MMX || from == SSE_MMX) && !mmx_ready(cpu))
		return false;
	place_set(cpu, to, insn->reg, compute(place_old(cpu, to, insn->reg), place_get(cpu, from, insn->rm), insn->extra));
	return true;
}

TEMPLATE bool op_from_mem(struct x86_vcpu *cpu, const struct insn *insn, enum sse_place to, unsigned int size, bool aligned, sse_compute *compute)
{
	v128 from;

	if ((to == SSE_MMX && !mmx_ready(cpu)) || !vector_load(cpu, insn, size, aligned, &from))
		return false;
	place_set(cpu, to, insn->reg, compute(place_old(cpu, to, insn->reg), from, insn->extra));
	return true;
}

/* The same for operations that MXCSR concerns. */
TEMPLATE bool float_from_reg(struct x86_vcpu *cpu, const struct insn *insn, enum sse_place to, enum sse_place from, sse_compute *compute)
{
	return likely(cpu->host_fpu.sse_used) && op_from_reg(cpu, insn, to, from, compute);
}

TEMPLATE bool float_from_mem(struct x86_vcpu *cpu, const struct insn *insn, enum sse_place to, unsigned int size, bool aligned, sse_compute *compute)
{
	return likely(cpu->host_fpu.sse_used) && op_from_mem(cpu, insn, to, size, aligned, compute);
}

/* The two handlers of an operation, NAME_reg and NAME_mem. */
#define SSE_OP_HANDLERS(name, to, from, size, compute) \
	SSE_HANDLER(name##_reg, sse_run_reg, op_from_reg, to, from, compute) \
	SSE_HANDLER(name##_mem, sse_run_mem, op_from_mem, to, size, (size) == 16, compute)
#define FLOAT_OP_HANDLERS(name, to, from, size, compute) \
	SSE_HANDLER(name##_reg, sse_run_reg, float_from_reg, to, from, compute) \
	SSE_HANDLER(name##_mem, sse_run_mem, float_from_mem, to, size, (size) == 16, compute)

#endif
