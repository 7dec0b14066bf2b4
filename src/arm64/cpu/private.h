/*
 * What only a vCPU that runs has: its block cache, and the interpreter's few facts that are no guest state. Between the files of this folder.
 */
#ifndef ANYKVM_ARM64_CPU_PRIVATE_H
#define ANYKVM_ARM64_CPU_PRIVATE_H

#include "arm64/cpu/block.h"

#define BLOCK_INSNS 60 /* at most: also bounds the stack where the compiler does not make tail calls */
#define BUCKETS 16384
#define RECENT 4096
#define ARENA_SIZE (UINT64_C(16) << 20)

struct a64_blocks {
	struct a64_block *bucket[BUCKETS];
	struct a64_block *recent[RECENT]; /* by address: no more than a hint */
	uint64_t used;
	uint8_t *arena;
	struct a64_insn scratch[BLOCK_INSNS + 3]; /* a block being decoded, with what stands before and behind it; one instruction alone */
	uint64_t translation[4];  /* what the translation cache was made under: SCTLR_EL1, TCR_EL1, TTBR0_EL1, TTBR1_EL1 */
	uint32_t rounds;          /* of the loop: when to look at the clock */
	bool shootdown;           /* a TLBI ...IS that no DSB has followed yet */
	uint64_t cycles_seen;     /* in the guest, when anything counts cycles: the counter when they were last brought up to date; else 0 */
	bool stepping;            /* software step is active-not-pending: PSTATE.SS is for the instruction under way */
	bool stepped, stepped_exclusive; /* and it was for the one before, a load exclusive */
	bool watches_guest, watches_debugger; /* breakpoints or watchpoints are in force: the guest's; the debugger's */
};

#endif
