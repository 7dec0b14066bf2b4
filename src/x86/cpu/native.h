/*
 * Native code: a block of 64-bit code that has run often gets instructions of the host's, where the host is an x86-64 too. native.c
 * runs them, native_block.c and native_insn.c make them.
 *
 * Most guest registers have a host register of their own while native code runs, and the guest's arithmetic flags are the
 * host's until something else needs those. What native code cannot do (a translation that is not cached, an instruction it
 * does not know) it leaves to the interpreter, at that very instruction and with all registers back in the vCPU: so nothing else
 * knows of it, and everything works without it.
 */
#ifndef ANYKVM_X86_CPU_NATIVE_H
#define ANYKVM_X86_CPU_NATIVE_H

#include "core/native_code.h"
#include "x86/cpu/block.h"

/* Where in the code guest memory is accessed, by which instruction (NULL: the comparison of the block's bytes). In the order of `code`. */
struct native_point {
	const uint8_t *code;
	const struct insn *insn;
	const struct block *block;
};

/* What an entry into native code ends with: where the interpreter goes on. No instruction: back in the loop, cpu->rip says where. */
struct native_exit {
	const struct insn *insn;
	const struct block *block;
};

/* Code grows upwards, points downwards, until they meet. */
struct native {
	struct native_code code;
	struct native_point *points; /* the last one made; up to the end of the memory */
	struct native_exit (*enter)(struct x86_vcpu *cpu, const uint8_t *code);
	/* Places to jump to. SCRATCH0 and SCRATCH1 have: an instruction and its block; RIP and a link; RIP. */
	uint8_t *leave_at, *leave, *go_anywhere;
};

/* ---- Registers of the host. Guest registers that are not in this list have the number of their own. ---- */
enum {
	HOST_RSP = R12,      /* the guest's RSP; its R12 to R15 stay in memory */
	HOST_SCRATCH1 = R13,
	HOST_SCRATCH0 = R14,
	HOST_CPU = R15,      /* gpr[GPR_ZERO] of the vCPU: what is used most is then near enough for short displacements */
};

/* The host register of a guest's, or REGISTER_NONE. */
static inline uint8_t host_register(uint8_t gpr)
{
	return gpr == RSP ? HOST_RSP : gpr < R12 ? gpr : 0xff;
}

/* Displacement of a field of the vCPU from HOST_CPU. */
#define CPU_DISP(field) ((int32_t)offsetof(struct x86_vcpu, field) - (int32_t)offsetof(struct x86_vcpu, gpr[GPR_ZERO]))

/* ---- native.c ---- */

/* Memory for it, if it is wanted and can be had; else cpu->native stays NULL. */
void native_prepare(struct x86_vcpu *cpu);
void native_discard(struct x86_vcpu *cpu);
void native_clear(struct x86_vcpu *cpu);

static inline bool native_full(const struct x86_vcpu *cpu)
{
	return cpu->native && cpu->native->code.full;
}

/* Handlers: of the record before a block's first one, that counts; of a record that goes on in native code, at the address in `disp`. */
insn_fn native_count, native_enter;

/* Leads the jump that has just been left (cpu->native_link) to that block. */
void native_link(struct x86_vcpu *cpu, const struct block *block);

/* A host fault: if it was in native code, makes the vCPU say what an interpreter would have made it say. In the signal handler. */
void native_interrupted(void *cpu, const void *context);

/* ---- native_block.c, native_insn.c ---- */

/* Gives the block native code; false: it is left to the interpreter. */
bool native_make(struct x86_vcpu *cpu, struct block *block);

/* ---- block.c ---- */

/* Room behind the blocks, or NULL. */
void *block_allocate(struct x86_vcpu *cpu, uint64_t size);
/* Where hints of blocks by their linear address are. */
struct block *const *block_hints(struct x86_vcpu *cpu, unsigned int *count);

#endif
