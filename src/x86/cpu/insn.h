/*
 * A decoded instruction and the mode it was decoded for. A block is an array of these; each handler runs the next one by a
 * tail call, so the machine has one indirect jump an instruction and its registers stay where the compiler put them.
 */
#ifndef ANYKVM_X86_CPU_INSN_H
#define ANYKVM_X86_CPU_INSN_H

#include "core/compiler.h"
#include "x86/vcpu.h"

/* What decoding depends on: a block is valid only in the mode it was decoded for (struct x86_vcpu.mode). */
enum {
	MODE_CODE16 = 0, MODE_CODE32 = 1, MODE_CODE64 = 2, MODE_CODE_MASK = 3,
	MODE_STACK32 = 1 << 2,   /* SS.B; in 64-bit mode the stack is 64 bits wide whatever it says */
	MODE_REAL = 1 << 3,      /* CR0.PE = 0 */
	MODE_VM86 = 1 << 4,
	MODE_LONG = 1 << 5,      /* EFER.LMA: compatibility mode when the code is not 64-bit */
	MODE_USER = 1 << 6,      /* CPL = 3 */
	MODE_FLAT = 1 << 7,      /* DS, ES and SS: base 0, limit 4 GiB, writable */
	MODE_TS = 1 << 8, MODE_EM = 1 << 9, MODE_MP = 1 << 10, /* CR0 */
	MODE_OSFXSR = 1 << 11, MODE_OSXSAVE = 1 << 12,         /* CR4 */
	MODE_ALIGN = 1 << 13,    /* CR0.AM, EFLAGS.AC and CPL 3: alignment is checked */
	MODE_SSE_TRAPS = 1 << 14, /* MXCSR has an unmasked exception: SSE arithmetic must look at its flags */
};

/* Flags of an instruction. */
enum {
	INSN_ADDRESS_COMPLEX = 1 << 0, /* the address needs more than base + index + displacement: see address_complex() */
	INSN_ADDRESS16 = 1 << 1,       /* address size; 64 when neither */
	INSN_ADDRESS32 = 1 << 2,
	INSN_LOCK = 1 << 3,
	INSN_REP = 1 << 4,             /* F3 */
	INSN_REPNE = 1 << 5,           /* F2 */
	INSN_ENDS_BLOCK = 1 << 6,      /* set by a decode function: nothing may follow in the block */
};

typedef void insn_fn(struct x86_vcpu *cpu, const struct insn *insn);

struct insn {
	insn_fn *run;
	uint64_t imm;     /* immediate, already extended; or a branch's target RIP */
	int64_t disp;     /* displacement; a RIP-relative or absolute address whole */
	uint8_t base, index, scale; /* address registers (GPR_ZERO: none) and shift count */
	uint8_t seg;      /* enum segment of the memory operand, overrides applied */
	uint8_t reg, rm;  /* operand registers; for byte operands the offset into gpr[]: see gpr8() */
	uint8_t size;     /* operand size in bytes */
	uint8_t length;   /* of the instruction */
	uint16_t offset;  /* of the instruction from its block's first byte */
	uint16_t flags;   /* INSN_* */
	uint32_t extra;   /* the handler's own */
};

/* Goes on with the next instruction of the block; the last record of a block has a handler that returns. */
static inline __attribute__((always_inline)) void insn_next(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn[1].run(cpu, insn + 1);
}

/* Byte registers are named by their offset into gpr[]: AL is 8 * RAX, AH is that plus 1. */
static inline uint8_t *gpr8(struct x86_vcpu *cpu, uint8_t offset)
{
	return (uint8_t *)cpu->gpr + offset;
}

/* ---- Leaving a handler. Each of these is followed by `return` without insn_next(). ---- */

/* RIP of the instruction, and of the one behind it, truncated to the code size. */
uint64_t insn_rip(const struct x86_vcpu *cpu, const struct insn *insn);
uint64_t insn_end(const struct x86_vcpu *cpu, const struct insn *insn);

/* A fault: RIP stays on the instruction, the exception is made pending, the loop is left. */
void insn_fault(struct x86_vcpu *cpu, const struct insn *insn, enum vector vector) __attribute__((cold));
void insn_fault_code(struct x86_vcpu *cpu, const struct insn *insn, enum vector vector, uint32_t error_code) __attribute__((cold));

/* Nothing was done: have the instruction executed again, alone and on the slow paths. */
void insn_careful(struct x86_vcpu *cpu, const struct insn *insn) __attribute__((cold));

/* The instruction is done and ends the block: RIP moves behind it; `stop` says whether the outer loop must act (STOP_NONE: no). */
void insn_done(struct x86_vcpu *cpu, const struct insn *insn, enum cpu_stop stop);

/* For system instructions that work in several steps: makes cpu->rip exact. */
static inline void insn_sync(struct x86_vcpu *cpu, const struct insn *insn)
{
	cpu->rip = insn_rip(cpu, insn);
}

/* Handler of an undefined instruction. */
insn_fn insn_undefined;

#endif
