/*
 * A decoded A64 instruction and the mode it was decoded for. A block is an array of these; each handler runs the next one by a tail call.
 * Hot instructions have their operands taken apart here; all others read them from `word` when they run.
 */
#ifndef ANYKVM_ARM64_CPU_INSN_H
#define ANYKVM_ARM64_CPU_INSN_H

#include "arm64/vcpu.h"
#include "core/compiler.h"

/* What decoding depends on (struct arm64_vcpu.mode): a block is valid only in the mode it was decoded for. */
enum {
	A64_MODE_EL1 = 1 << 0,
	A64_MODE_SP_EL1 = 1 << 1,   /* SP is SP_EL1: EL1 with SPSel 1 */
	A64_MODE_FP_TRAP = 1 << 2,  /* CPACR_EL1.FPEN traps here */
	A64_MODE_SVE_TRAP = 1 << 3, /* CPACR_EL1.ZEN traps here */
	A64_MODE_SVE = 1 << 4,      /* the vCPU has SVE */
	A64_MODE_ALIGN = 1 << 5,    /* accesses must be aligned: SCTLR_EL1.A, or no translation, so that all is device memory */
	A64_MODE_SP_ALIGN = 1 << 6, /* SCTLR_EL1.SA or SA0 */
	A64_MODE_PAC = 1 << 7,      /* the vCPU has pointer authentication */
};

typedef void a64_fn(struct arm64_vcpu *cpu, const struct a64_insn *insn);

struct a64_insn {
	a64_fn *run;
	uint64_t imm;    /* immediate as it is used; or a branch's target PC */
	uint32_t word;   /* the instruction */
	uint16_t offset; /* of the instruction from its block's first byte */
	uint8_t d, n, m, a; /* Rd or Rt; Rn; Rm; Ra or Rt2: indices into x[], X_ZERO, X_SINK and SP resolved */
	uint8_t shift;   /* the handler's own, as are these */
	uint8_t size;
};

/* Bits high:low of the instruction. */
static inline uint32_t bits(uint32_t word, unsigned int high, unsigned int low)
{
	return word >> low & (UINT32_C(0xffffffff) >> (31 - (high - low)));
}

static inline uint32_t bit(uint32_t word, unsigned int at)
{
	return word >> at & 1;
}

/* Bits high:low, sign-extended. */
static inline int64_t bits_signed(uint32_t word, unsigned int high, unsigned int low)
{
	return (int64_t)((uint64_t)word << (63 - high)) >> (63 - (high - low));
}

/* Goes on with the next instruction of the block; the last record of a block has a handler that returns. */
static inline __attribute__((always_inline)) void a64_next(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	insn[1].run(cpu, insn + 1);
}

/* ---- Leaving a handler. Each of these is followed by `return` without a64_next(). ---- */

/* Address of the instruction. */
static inline uint64_t a64_pc(const struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	return cpu->block_pc + insn->offset;
}

/* A synchronous exception with that ESR_EL1 (EC, IL and ISS), taken to EL1 with this instruction as its preferred return address. */
void a64_exception(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t syndrome) __attribute__((cold));

/* EC 0: an UNDEFINED instruction. Also the handler of an unallocated encoding. */
a64_fn a64_undefined __attribute__((cold));

/* Nothing was done: have the instruction executed again, alone and on the slow paths. */
void a64_careful(struct arm64_vcpu *cpu, const struct a64_insn *insn) __attribute__((cold));

/* The instruction is done and ends the block: PC moves behind it; `stop` says whether the outer loop must act (ARM64_STOP_NONE: no). */
void a64_done(struct arm64_vcpu *cpu, const struct a64_insn *insn, enum arm64_stop stop);

/* ---- Decoding, one function a group of encodings (C4.1). The handler, or NULL: unallocated. `insn->word` and `offset` are set. ---- */
struct a64_decode {
	uint32_t mode; /* A64_MODE_* */
	uint64_t pc;   /* of the instruction */
	bool ends;     /* set by the decode function: nothing may follow in the block */
};

a64_fn *a64_decode_immediate(struct a64_decode *decode, struct a64_insn *insn); /* data processing -- immediate: integer_immediate.c */
a64_fn *a64_decode_register(struct a64_decode *decode, struct a64_insn *insn);  /* data processing -- register: integer_register.c */
a64_fn *a64_decode_branch(struct a64_decode *decode, struct a64_insn *insn);    /* branches, exceptions and system: branch.c */
a64_fn *a64_decode_memory(struct a64_decode *decode, struct a64_insn *insn);    /* loads and stores of general registers: memory.c */
a64_fn *a64_decode_vector_memory(struct a64_decode *decode, struct a64_insn *insn); /* those of SIMD&FP registers (V = 1): vector_memory.c */
a64_fn *a64_decode_vector(struct a64_decode *decode, struct a64_insn *insn);    /* data processing -- scalar FP and Advanced SIMD: vector.c */
a64_fn *a64_decode_sve(struct a64_decode *decode, struct a64_insn *insn);       /* SVE: sve.c */

#endif
