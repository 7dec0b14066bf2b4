/*
 * Blocks, and how one leads straight to the next: a direct branch remembers the block it leads to, and goes there without coming back to
 * the loop. Knows nothing of instructions.
 */
#ifndef ANYKVM_ARM64_CPU_BLOCK_H
#define ANYKVM_ARM64_CPU_BLOCK_H

#include "arm64/cpu/mem.h"

struct a64_block {
	uint64_t pc;
	uint64_t host;   /* of the first byte when it was decoded */
	uint32_t mode;
	uint16_t length; /* in bytes */
	const struct a64_insn *insns; /* behind the bytes */
	struct a64_block *next; /* of the bucket */
	const uint8_t *native, *native_far; /* native code, for jumps from the same page and from others; or NULL: native.h */
	uint8_t bytes[] __attribute__((aligned(8))); /* what was decoded: near the head, because every entry compares them */
};

/* Whether the block still says what memory says. */
static inline __attribute__((always_inline)) bool a64_block_current(const struct a64_block *block)
{
	return host_equals(block->host, block->bytes, block->length);
}

static inline __attribute__((always_inline)) void a64_block_run(struct arm64_vcpu *cpu, const struct a64_block *block)
{
	const struct a64_insn *insns = block->insns;

	cpu->block_pc = cpu->pc;
	cpu->block_host = block->host;
	cpu->block_length = block->length;
	insns->run(cpu, insns);
}

/*
 * Goes to `pc` from a direct branch: to the block that *link says, once the loop has put it there. As the branch always leads to the
 * same place in the same mode, only what memory holds there can have changed, and, in another page, where it is. The caller returns after it.
 *
 * Links are the `imm` of the records behind a branch: a block ends in two of them, insn[1] for going on behind it, insn[2] for the target.
 */
void a64_block_go(struct arm64_vcpu *cpu, const uint64_t *link, uint64_t pc);

/* Goes to cpu->pc from any other branch: to the block that was there lately. */
void a64_block_go_anywhere(struct arm64_vcpu *cpu);

#endif
