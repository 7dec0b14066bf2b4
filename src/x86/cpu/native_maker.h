/*
 * What the two files that make native code share: native_block.c decides what of a block becomes native code and makes all
 * around the instructions, native_insn.c makes the instructions.
 */
#ifndef ANYKVM_X86_CPU_NATIVE_MAKER_H
#define ANYKVM_X86_CPU_NATIVE_MAKER_H

#include "x86/cpu/decode.h"
#include "x86/cpu/native.h"

enum {
	PARTS = 48,  /* not less than a block may have (block.c) */
	GUARD = 16,  /* stores that begin so close before the block are left to the interpreter: more than any has */
};

enum kind { KIND_NONE, KIND_PLAIN, KIND_NOTHING, KIND_LEA, KIND_PUSH, KIND_POP, KIND_LEAVE, KIND_JUMP, KIND_JUMP_IF, KIND_CALL, KIND_RETURN };

/* What there is to know about an instruction before any code is made. */
struct part {
	const struct insn *insn;
	enum kind kind;       /* KIND_NONE: the interpreter does it */
	uint8_t access_size;  /* of a plain one's memory operand; 0: none */
	bool writes, atomic;  /* that */
	uint32_t flags_read, flags_written;
	uint32_t flags_live;  /* behind it: somebody may still look at them */
};

/* A jump out of the instructions, to code that is made behind them. */
struct way_out {
	uint8_t *jump;
	const struct insn *insn; /* where the interpreter goes on; NULL: a branch */
	uint64_t target;         /* where that leads to */
};

struct maker {
	struct x86_vcpu *cpu;
	struct native *native;
	struct block *block;
	struct emitter e;
	ZydisDecodedInstruction z; /* of the part under way */
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	struct part parts[PARTS];
	unsigned int count, resumes;
	bool flags_host, flags_saved; /* where the guest's arithmetic flags are: in the host's, in cc_carry; neither: nobody needs them */
	uint8_t *guard_constant;
	struct way_out ways_out[5 * PARTS];
	unsigned int ways_out_count;
};

static inline void way_out_add(struct maker *m, uint8_t *jump, const struct insn *insn, uint64_t target)
{
	m->ways_out[m->ways_out_count++] = (struct way_out){ jump, insn, target };
}

/* What comes next accesses guest memory, or the block's own bytes. */
static inline void point_add(struct maker *m, const struct insn *insn)
{
	*--m->native->points = (struct native_point){ m->e.at, insn, m->block };
}

static inline struct address cpu_field(int32_t disp)
{
	return address_of(HOST_CPU, disp);
}

/* AH, CH, DH and BH cannot be named together with most of what we rename registers to. */
static inline bool operand_is_general(const ZydisDecodedOperand *op)
{
	ZydisRegisterClass class = ZydisRegisterGetClass(op->reg.value);

	return class >= ZYDIS_REGCLASS_GPR8 && class <= ZYDIS_REGCLASS_GPR64 && !(op->reg.value >= ZYDIS_REGISTER_AH && op->reg.value <= ZYDIS_REGISTER_BH);
}

/* The guest register of such an operand, whatever its size. */
static inline uint8_t operand_gpr(const ZydisDecodedOperand *op)
{
	uint8_t number = decode_gpr(op->reg.value);

	return op->size == 8 ? number / 8 : number;
}

/* ---- native_insn.c ---- */

/* One instruction. */
void part_emit(struct maker *m, const struct part *part);
/* The guest's flags into the vCPU, where whatever follows may look for them. */
void flags_save(struct maker *m);
/* A jump to what is at `target`, if `condition` (as encoded; -1: always). */
void link_emit(struct maker *m, int condition, uint64_t target);

#endif
