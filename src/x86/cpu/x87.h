/*
 * What the files x87*.c share: the register stack and the bookkeeping that every x87 instruction does.
 */
#ifndef ANYKVM_X86_CPU_X87_H
#define ANYKVM_X86_CPU_X87_H

#include "x86/cpu/fpu.h"
#include "x86/cpu/host_x87.h"
#include "x86/cpu/operand.h"

/* For what handlers call: a tail call is one only when no local's address is known to others, inlined ones' included. */
#define X87_STEP static __attribute__((noinline))

/* insn->extra is the encoding: opcode (D8 ... DF) and ModRM. */
static inline uint8_t x87_opcode(const struct insn *insn)
{
	return (uint8_t)(insn->extra >> 8);
}

static inline uint8_t x87_modrm(const struct insn *insn)
{
	return (uint8_t)insn->extra;
}

/* Raises #MF if an exception is pending: every waiting instruction starts so. False: it was. */
static inline bool x87_wait(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (likely(!x87_pending(cpu)))
		return true;
	/*
	 * With CR0.NE clear a processor would instead assert FERR#, and external logic IRQ 13 (SDM Vol. 3A, 2.5). No machine that
	 * KVM describes has that logic.
	 */
	insn_fault(cpu, insn, VECTOR_MF);
	return false;
}

/* ---- The register stack: st[i] is ST(i). ---- */

static inline bool x87_empty(const struct x86_vcpu *cpu, unsigned int i)
{
	return !(cpu->xsave.ftw >> ((x87_top(cpu) + i) & 7) & 1);
}

static inline void x87_top_set(struct x86_vcpu *cpu, unsigned int top)
{
	cpu->xsave.fsw = (uint16_t)((cpu->xsave.fsw & ~X87_STATUS_TOP) | (top & 7) << 11);
}

/* TOP moves; ST(0)'s register becomes empty and, seen from the new TOP, ST(7). */
static inline void x87_pop(struct x86_vcpu *cpu)
{
	unsigned int top = x87_top(cpu);
	uint8_t popped[16];

	memcpy(popped, cpu->xsave.st[0], 16);
	memmove(cpu->xsave.st[0], cpu->xsave.st[1], 7 * 16);
	memcpy(cpu->xsave.st[7], popped, 16);
	cpu->xsave.ftw &= (uint8_t)~(1u << top);
	x87_top_set(cpu, top + 1);
}

/* The register that was ST(7) becomes ST(0) and holds `value`. */
static inline void x87_push(struct x86_vcpu *cpu, const uint8_t value[10])
{
	unsigned int top = (x87_top(cpu) - 1) & 7;

	memmove(cpu->xsave.st[1], cpu->xsave.st[0], 7 * 16);
	memset(cpu->xsave.st[0], 0, 16);
	memcpy(cpu->xsave.st[0], value, 10);
	cpu->xsave.ftw |= (uint8_t)(1u << top);
	x87_top_set(cpu, top);
}

/* FOP and FIP of an instruction that is no control instruction, and FDP if it has an operand in memory (SDM Vol. 1, 8.1.8). */
void x87_pointers_set(struct x86_vcpu *cpu, const struct insn *insn);

/* The program's x87 environment is put away at the first use of the host's unit, and comes back with fpu_leave(). */
void x87_unit_take(struct x86_vcpu *cpu);

/*
 * For SSE: whether `a` op `b` (both 32 or 64 bits, as `size` says) is inexact when rounded to `bits` (24 or 53) of significand by
 * MXCSR's rounding mode, whatever its exponent. `reg` is the x87 operation's ModRM.reg: 0 +, 1 *, 4 -, 6 /.
 */
bool x87_inexact(struct x86_vcpu *cpu, unsigned int reg, const void *a, const void *b, unsigned int size, unsigned int bits);

/* ---- Control instructions (x87_control.c). ---- */

/* Fills `insn` if it works on the unit's state rather than on numbers; false: it does not. */
bool x87_control_decode(const struct decoder *d, struct insn *insn);

#endif
