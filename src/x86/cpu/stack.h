/*
 * PUSH and POP as templates, for the instructions of stack.c and for calls and returns. The stack's width is known when an
 * instruction is decoded.
 */
#ifndef ANYKVM_X86_CPU_STACK_H
#define ANYKVM_X86_CPU_STACK_H

#include "x86/cpu/operand.h"

/* Of the fast paths: 64-bit mode, a flat 32-bit stack; any other has only the slow path. */
enum stack_width { STACK_64, STACK_FLAT, STACK_OTHER };

static inline enum stack_width decode_stack_width(const struct decoder *d)
{
	if ((d->mode & MODE_CODE_MASK) == MODE_CODE64)
		return STACK_64;
	return (d->mode & (MODE_FLAT | MODE_STACK32)) == (MODE_FLAT | MODE_STACK32) ? STACK_FLAT : STACK_OTHER;
}

/* RSP once the stack's offset is `offset`: the bits that the width does not cover stay (of a 32-bit one they become 0). */
static inline uint64_t stack_pointer_at(const struct x86_vcpu *cpu, uint64_t offset)
{
	return stack_pointer(cpu, (int64_t)(offset - cpu->gpr[RSP]));
}

/* RSP moved by `delta`. */
TEMPLATE uint64_t stack_moved(const struct x86_vcpu *cpu, enum path path, enum stack_width width, int64_t delta)
{
	if (path == PATH_SLOW)
		return stack_pointer(cpu, delta);
	return width == STACK_64 ? cpu->gpr[RSP] + (uint64_t)delta : (uint32_t)(cpu->gpr[RSP] + (uint64_t)delta);
}

/* Writes below RSP; the caller then sets RSP to `*rsp`. */
TEMPLATE enum step stack_store(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum stack_width width, unsigned int size, uint64_t value,
			       uint64_t *rsp)
{
	uint64_t linear;

	*rsp = linear = stack_moved(cpu, path, width, -(int64_t)size);
	if (path == PATH_SLOW)
		linear = stack_linear(cpu, linear, size, ACCESS_WRITE);
	return store_at(cpu, insn, path, SS, linear, size, value);
}

/* Reads `size` bytes (sign-extended) at RSP; the caller then moves RSP. */
TEMPLATE enum step stack_load(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum stack_width width, unsigned int size, int64_t *value)
{
	uint64_t linear = stack_moved(cpu, path, width, 0), raw = 0;

	if (path == PATH_FAST)
		return load_at(cpu, insn, path, linear, size, value);
	if (!mem_read_seg(cpu, insn, SS, stack_linear(cpu, linear, size, ACCESS_READ), &raw, size))
		return STEP_LEAVE;
	*value = sign_extend(raw, size);
	return STEP_NEXT;
}

/* ---- Rows of stack.c, in branch_rows. ---- */
decode_fn push_decode, pop_decode, push_all_decode, pop_all_decode, push_flags_decode, pop_flags_decode, enter_decode, leave_decode;

#endif
