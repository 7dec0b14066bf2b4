/*
 * What the files that make native code share: native_block.c makes all around the instructions, the
 * others the instructions.
 */
#ifndef ANYKVM_ARM64_CPU_NATIVE_MAKER_H
#define ANYKVM_ARM64_CPU_NATIVE_MAKER_H

#include "arm64/cpu/native.h"
#include "arm64/cpu/private.h"

/* Registers of the host that a called function need not keep (System V ABI, AMD64 supplement, 3.2.1): no others are used. */
enum {
	HOST_RAX, HOST_RCX, /* for whatever is under way */
	HOST_RDX,
	HOST_RSI = 6,
	HOST_CPU,           /* RDI: x[CPU_CENTRE] of the vCPU, so that all of x[] is near enough for short displacements */
	HOST_R8, HOST_R9, HOST_R10, HOST_R11,
	HOST_COUNT
};

#define CPU_CENTRE 16
#define CPU_DISP(field) ((int32_t)offsetof(struct arm64_vcpu, field) - (int32_t)offsetof(struct arm64_vcpu, x[CPU_CENTRE]))

enum {
	PARTS = BLOCK_INSNS,
	GUARD = 32, /* stores that begin so close before the block are left to the interpreter: as long as any */
	NO_X = 0xff,
};

/* Where N, Z, C and V are beside the vCPU: nowhere; in the host's flags as a subtraction or something else has left them. */
enum host_flags { HOST_FLAGS_NONE, HOST_FLAGS_SUB, HOST_FLAGS_ADD };

/* A jump out of the instructions, to code that is made behind them. */
struct way_out {
	uint8_t *jump;
	const struct a64_insn *insn; /* where the interpreter goes on; NULL: a branch */
	uint64_t target;             /* where that leads to; or: */
};
#define TARGET_LOOP UINT64_MAX /* the loop, and cpu->pc is right */

struct maker {
	struct arm64_vcpu *cpu;
	struct a64_native *native;
	struct a64_block *block;
	struct emitter e;
	const uint8_t *guard_constant, *minus_one; /* beside the code */
	uint8_t *to_interpreter;  /* of the block: goes to the handler of the record in RSI */
	uint8_t held[HOST_COUNT]; /* which x[] a host register has a copy of, or NO_X */
	uint8_t next;             /* of the registers to be taken */
	enum host_flags flags;
	bool ended;               /* by a branch that always goes */
	/* Of the instruction under way: its address; host registers that it needs; what it leaves in the flags, nobody looks at. */
	uint64_t pc;
	uint16_t pinned;
	bool flags_dead;
	struct way_out ways_out[4 * PARTS];
	unsigned int ways_out_count;
};

static inline void way_out_add(struct maker *m, uint8_t *jump, const struct a64_insn *insn, uint64_t target)
{
	m->ways_out[m->ways_out_count++] = (struct way_out){ jump, insn, target };
}

static inline struct address cpu_field(int32_t disp)
{
	return address_of(HOST_CPU, disp);
}

static inline struct address x_field(uint8_t x)
{
	return cpu_field(CPU_DISP(x) + 8 * x);
}

/* Bytes of the operands: `sf`. */
static inline unsigned int native_size(const struct a64_insn *insn)
{
	return bit(insn->word, 31) ? 8 : 4;
}

/* ---- native_insn.c ---- */

/* A host register for a copy, or for the instruction's own: not one that it needs already. */
uint8_t native_take(struct maker *m);
/* The host register with x[x]. */
uint8_t native_source(struct maker *m, uint8_t x);
/* The host register to compute a new x[x] in, RAX if it is lost; and when that is done. Or the result is in some other register. */
uint8_t native_target(struct maker *m, uint8_t x);
void native_target_done(struct maker *m, uint8_t x, uint8_t host);
void native_result(struct maker *m, uint8_t x, uint8_t from);
/* to = from, extended as option says (C6.2, DecodeRegExtend). None of these changes the host's flags. */
void native_extend(struct maker *m, uint8_t to, uint8_t from, unsigned int option);

/* One instruction; false: it is not known, and nothing that matters was emitted. */
bool native_insn(struct maker *m, const struct a64_insn *insn);
/* A jump to what is at `target`, if `condition` (as encoded; -1: always). */
void native_go(struct maker *m, int condition, uint64_t target);

/* ---- native_data.c, native_memory.c: false, as above. ---- */

bool native_immediate(struct maker *m, const struct a64_insn *insn);
bool native_register(struct maker *m, const struct a64_insn *insn);
bool native_memory(struct maker *m, const struct a64_insn *insn);
/* The host's condition code that says what a condition says (C1.2.4). Uses RAX and RCX, unless the host's flags will do. */
unsigned int native_condition(struct maker *m, unsigned int condition);
/* Whether what it does with the flags is to replace them all; to leave them alone and go on. Neither: somebody may look at them. */
bool native_sets_flags(const struct a64_insn *insn);
bool native_ignores_flags(const struct a64_insn *insn);

#endif
