/*
 * Blocks, and how one leads straight to the next: a direct branch remembers the block it leads to, and goes there without coming
 * back to the loop. Knows nothing of instructions.
 */
#ifndef ANYKVM_X86_CPU_BLOCK_H
#define ANYKVM_X86_CPU_BLOCK_H

#include "x86/cpu/mem.h"

struct block {
	uint64_t linear;
	uint64_t host;   /* of the first byte when it was decoded */
	uint32_t mode;
	uint16_t length; /* in bytes */
	const struct insn *insns; /* behind the bytes */
	struct block *next; /* of the bucket */
	const uint8_t *native, *native_far; /* native code, and for jumps from other pages; or NULL: cpu/native.h */
	uint8_t bytes[] __attribute__((aligned(8))); /* what was decoded: near the head, because every entry compares them */
};

/* Whether the block still says what memory says. */
static inline __attribute__((always_inline)) bool block_current(const struct block *block)
{
	return host_equals(block->host, block->bytes, block->length);
}

static inline __attribute__((always_inline)) void block_run(struct x86_vcpu *cpu, const struct block *block)
{
	const struct insn *insns = block->insns;

	cpu->block_rip = cpu->rip;
	cpu->block_host = block->host;
	cpu->block_length = block->length;
	insns->run(cpu, insns);
}

/*
 * Goes to `rip` from a direct branch of 64-bit code: to the block that *link says, once the loop has put it there. As the branch
 * always leads to the same place in the same mode, only what memory holds there can have changed, and, in another page, where it is.
 * The caller returns after it.
 */
void block_go(struct x86_vcpu *cpu, const uint64_t *link, uint64_t rip);

/* Goes to cpu->rip from any other branch: to the block that was there lately. */
void block_go_anywhere(struct x86_vcpu *cpu);

#endif
