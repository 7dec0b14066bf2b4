/*
 * Native code: a block that has run often gets instructions of the host's, where the host is an x86-64. native.c is about entering and leaving it,
 * native_block.c makes it, with native_insn.c, native_data.c and native_memory.c for single instructions.
 *
 * Native code is a handler like any other: it is called with the vCPU and a record, and ends in a jump to another handler or in a return. All
 * registers of the guest are in the vCPU whenever an instruction is over; native code only keeps copies of some of them. So it can hand any
 * instruction to its interpreter's handler, at any time, and nothing else needs to know of it.
 */
#ifndef ANYKVM_ARM64_CPU_NATIVE_H
#define ANYKVM_ARM64_CPU_NATIVE_H

#include "arm64/cpu/block.h"
#include "core/native_code.h"

struct a64_native {
	struct native_code code;
	uint8_t *go_anywhere; /* to jump to: leads to the block at cpu->pc, or back to the loop */
};

/* ---- native.c ---- */

/* Memory for it, if it is wanted and can be had; else cpu->native stays NULL. */
void a64_native_prepare(struct arm64_vcpu *cpu);
void a64_native_discard(struct arm64_vcpu *cpu);
void a64_native_clear(struct arm64_vcpu *cpu);

static inline bool a64_native_full(const struct arm64_vcpu *cpu)
{
	return cpu->native && cpu->native->code.full;
}

/* Handler of the record before a block's first one, that counts how often it runs in `word`; `imm` is the block. */
a64_fn a64_native_count;

/* Leads the jump that has just been left (cpu->native_link) to that block. */
void a64_native_link(struct arm64_vcpu *cpu, const struct a64_block *block);

/* ---- native_block.c ---- */

/* Gives the block native code, and its first record that for a handler; false: it is left to the interpreter. */
bool a64_native_make(struct arm64_vcpu *cpu, struct a64_block *block);

/* ---- block.c ---- */

/* Room behind the blocks, or NULL. */
void *a64_block_allocate(struct arm64_vcpu *cpu, uint64_t size);
/* Where hints of blocks by their address are: (address >> 2 ^ address >> 12) % RECENT. */
struct a64_block *const *a64_block_hints(struct arm64_vcpu *cpu);

#endif
