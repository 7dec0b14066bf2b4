/*
 * SIMD floating-point exceptions while MXCSR leaves some of them unmasked (MODE_SSE_TRAPS): which flags an operation sets, and
 * whether it raises #XM before its result is written. SDM Vol. 1, 11.5.
 *
 * The host computes with all exceptions masked. Its flags tell nearly all; overflow and underflow that are not masked are
 * defined by the result before it is fitted into its format, and are worked out here.
 */
#include "x86/cpu/sse.h"
#include "x86/cpu/x87.h"

#define PRECOMPUTATION (MXCSR_IE | MXCSR_DE | MXCSR_ZE)

static uint32_t unmasked(const struct x86_vcpu *cpu)
{
	return ~cpu->xsave.mxcsr >> MXCSR_MASKS_SHIFT & MXCSR_FLAGS;
}

static bool tiny32(uint32_t value)
{
	return (value & 0x7fffffff) && !(value & 0x7f800000);
}

static bool tiny64(uint64_t value)
{
	return (value & (UINT64_MAX >> 1)) && !(value & UINT64_C(0x7ff0000000000000));
}

/* Whether a value of the result is denormal: with underflow not masked that is an exception even when it is exact (11.5.2.5). */
static bool result_tiny(enum sse_result kind, v128 result)
{
	v128_lanes32 lanes = (v128_lanes32)result;

	switch (kind) {
	case RESULT_F32X4: return tiny32(lanes[0]) || tiny32(lanes[1]) || tiny32(lanes[2]) || tiny32(lanes[3]);
	case RESULT_F32X1: return tiny32(lanes[0]);
	case RESULT_F64X2: return tiny64(result[0]) || tiny64(result[1]);
	case RESULT_F64X1: return tiny64(result[0]);
	default: return false;
	}
}

/* ---- Inexact, when overflow or underflow is not masked: judged with an unbounded exponent (SDM Vol. 1, 4.9.1.5). ---- */

static v128 denormals_flushed(v128 value, unsigned int size)
{
	v128_lanes32 lanes = (v128_lanes32)value;

	for (unsigned int i = 0; i < 4 && size == 4; i++)
		lanes[i] &= tiny32(lanes[i]) ? 0x80000000 : UINT32_MAX;
	if (size == 4)
		return (v128)lanes;
	for (unsigned int i = 0; i < 2; i++)
		value[i] &= tiny64(value[i]) ? UINT64_C(1) << 63 : UINT64_MAX;
	return value;
}

static bool result_inexact(struct x86_vcpu *cpu, const struct sse_op *op, v128 to, v128 from)
{
	static const uint8_t x87_reg[] = { [ARITHMETIC_ADD] = 0, [ARITHMETIC_SUB] = 4, [ARITHMETIC_MUL] = 1, [ARITHMETIC_DIV] = 6 };
	bool narrow = op->arithmetic == ARITHMETIC_NARROW, single = op->result == RESULT_F32X1 || op->result == RESULT_F32X4;
	unsigned int size = single && !narrow ? 4 : 8, reg = narrow ? 0 : x87_reg[op->arithmetic];
	unsigned int values = op->result == RESULT_F32X1 || op->result == RESULT_F64X1 ? 1 : 16 / size;
	bool inexact = false;

	if (narrow) {
		to = from;
		from = v128_low(0); /* rounded by adding nothing to it */
	}
	if (cpu->xsave.mxcsr & MXCSR_DAZ) {
		to = denormals_flushed(to, size);
		from = denormals_flushed(from, size);
	}
	for (unsigned int i = 0; i < values; i++)
		inexact |= x87_inexact(cpu, reg, (const uint8_t *)&to + i * size, (const uint8_t *)&from + i * size, size, single ? 24 : 53);
	return inexact;
}

/* ---- One operation. Returns its flags. ---- */

static uint32_t step_flags(struct x86_vcpu *cpu, const struct sse_op *op, v128 to, v128 from, unsigned int imm, v128 *result)
{
	uint32_t control = (cpu->xsave.mxcsr & MXCSR_VALID & ~MXCSR_FLAGS) | MXCSR_MASKS, traps = unmasked(cpu), flags;

	/* Flushing to zero is a masked response (10.2.3.3). */
	if (traps & MXCSR_UE)
		control &= ~MXCSR_FTZ;
	host_mxcsr_set(control);
	*result = op->compute(to, from, imm);
	flags = host_mxcsr_get() & MXCSR_FLAGS;
	/* An operand's exception stops the instruction before there is a result to have others. */
	if (flags & traps & PRECOMPUTATION)
		return flags & PRECOMPUTATION;
	if (traps & MXCSR_UE && result_tiny((enum sse_result)op->result, *result))
		flags |= MXCSR_UE;
	/* A masked overflow or underflow of another value is inexact in any case. */
	if (flags & traps & (MXCSR_OE | MXCSR_UE) && !(flags & ~traps & (MXCSR_OE | MXCSR_UE)) && op->arithmetic != ARITHMETIC_OTHER &&
	    !result_inexact(cpu, op, to, from))
		flags &= ~MXCSR_PE;
	return flags;
}

/* ---- Operations that are sequences of others: their exceptions are those of each step. ---- */

static const struct sse_op add32 = { .compute = host_addps, .result = RESULT_F32X4, .arithmetic = ARITHMETIC_ADD };
static const struct sse_op add64 = { .compute = host_addpd, .result = RESULT_F64X2, .arithmetic = ARITHMETIC_ADD };
static const struct sse_op sub32 = { .compute = host_subps, .result = RESULT_F32X4, .arithmetic = ARITHMETIC_SUB };
static const struct sse_op sub64 = { .compute = host_subpd, .result = RESULT_F64X2, .arithmetic = ARITHMETIC_SUB };
static const struct sse_op mul32 = { .compute = host_mulps, .result = RESULT_F32X4, .arithmetic = ARITHMETIC_MUL };
static const struct sse_op mul64 = { .compute = host_mulpd, .result = RESULT_F64X2, .arithmetic = ARITHMETIC_MUL };

/* Neighbours are added or subtracted: the even values of both operands, then the odd ones. */
static uint32_t pairs_flags(struct x86_vcpu *cpu, bool single, bool subtract, v128 to, v128 from, v128 *result)
{
	v128 even = single ? host_shufps(to, from, 0x88) : host_shufpd(to, from, 0);
	v128 odd = single ? host_shufps(to, from, 0xdd) : host_shufpd(to, from, 3);
	const struct sse_op *op = single ? subtract ? &sub32 : &add32 : subtract ? &sub64 : &add64;

	return step_flags(cpu, op, even, odd, 0, result);
}

static uint32_t add_sub_flags(struct x86_vcpu *cpu, bool single, v128 to, v128 from, v128 *result)
{
	static const v128 even32 = { UINT64_C(1) << 31, UINT64_C(1) << 31 }, even64 = { UINT64_C(1) << 63, 0 };

	return step_flags(cpu, single ? &add32 : &add64, to, from ^ (single ? even32 : even64), 0, result);
}

static v128 dot_selected(bool single, unsigned int select, v128 value)
{
	v128_lanes32 lanes = (v128_lanes32)value;

	for (unsigned int i = 0; i < 4; i++)
		if (!(select >> (single ? i : i / 2) & 1))
			lanes[i] = 0;
	return (v128)lanes;
}

/* Products, then sums of pairs, then (of four) the sum of those. */
static uint32_t dot_flags(struct x86_vcpu *cpu, bool single, v128 to, v128 from, unsigned int imm)
{
	v128 value;
	uint32_t flags = step_flags(cpu, single ? &mul32 : &mul64, dot_selected(single, imm >> 4, to), dot_selected(single, imm >> 4, from), 0, &value);

	for (unsigned int i = 0; i < (single ? 2 : 1) && !(flags & unmasked(cpu)); i++)
		flags |= pairs_flags(cpu, single, false, value, value, &value);
	return flags;
}

static uint32_t op_flags(struct x86_vcpu *cpu, const struct sse_op *op, v128 to, v128 from, unsigned int imm)
{
	bool single = op->result == RESULT_F32X1 || op->result == RESULT_F32X4;
	v128 result;

	switch ((enum sse_arithmetic)op->arithmetic) {
	case ARITHMETIC_HADD: return pairs_flags(cpu, single, false, to, from, &result);
	case ARITHMETIC_HSUB: return pairs_flags(cpu, single, true, to, from, &result);
	case ARITHMETIC_ADDSUB: return add_sub_flags(cpu, single, to, from, &result);
	case ARITHMETIC_DOT: return dot_flags(cpu, single, to, from, imm);
	default: return step_flags(cpu, op, to, from, imm, &result);
	}
}

bool sse_compute_trapping(struct x86_vcpu *cpu, const struct insn *insn, const struct sse_op *op, v128 to, v128 from, v128 *result)
{
	uint32_t flags;

	fpu_mxcsr_store(cpu);
	flags = op_flags(cpu, op, to, from, insn->extra);
	cpu->xsave.mxcsr |= flags;
	fpu_mxcsr_load(cpu);
	if (flags & unmasked(cpu)) {
		insn_fault(cpu, insn, cpu->cr4 & CR4_OSXMMEXCPT ? VECTOR_XM : VECTOR_UD);
		return false;
	}
	*result = op->compute(to, from, insn->extra);
	return true;
}
