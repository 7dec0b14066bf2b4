/*
 * Decoded instructions as the generator and the comparison see them: which are fit for a comparison at all, which group they
 * belong to, which registers they write, and what the manuals leave undefined about them.
 *
 * Nothing here may know how a case is made or run.
 */
#ifndef ANYKVM_TESTS_FUZZ_INSN_H
#define ANYKVM_TESTS_FUZZ_INSN_H

#include <Zydis/Zydis.h>
#include <stdbool.h>
#include <stdint.h>

#include "diff.h"

enum group { GROUP_INTEGER = 1, GROUP_X87 = 2, GROUP_MMX = 4, GROUP_SSE = 8, GROUP_ALL = 15 };

struct insn {
	uint32_t offset;	/* in the case's code */
	ZydisDecodedInstruction d;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZyanStatus status;	/* of the decoder */
};

/* x87 condition codes in FSW. */
enum { FSW_C0 = 1 << 8, FSW_C1 = 1 << 9, FSW_C2 = 1 << 10, FSW_C3 = 1 << 14 };

/* What one instruction does to RFLAGS and FSW; undefined wins over defined. */
struct effects {
	uint32_t flags_read, flags_undefined, flags_defined;
	uint16_t fsw_undefined, fsw_defined;
	bool fsw_read;
};

/* Takes the features that both CPUs have; guest may be NULL. */
void insn_features_init(struct guest *guest);

bool insn_decode(struct insn *insn, int bits, const uint8_t *bytes, size_t length);
bool insn_allowed(const struct insn *insn);
enum group insn_group(const struct insn *insn);
uint32_t insn_gpr_written(const struct insn *insn);
bool insn_is_string(const struct insn *insn);
bool insn_saves_state(const struct insn *insn);
const char *insn_name(const struct insn *insn);

/* Index of the general register that holds reg, or -1. */
int gpr_index(ZydisRegister reg);

/* Undefined results: see undefined.c. in is the state before the instruction, or NULL when it is not known. */
void insn_effects(const struct insn *insn, const struct cpu_state *in, struct effects *e);
bool insn_result_undefined(const struct insn *insn, const struct cpu_state *in);
bool insn_is_approximate(const struct insn *insn);

#endif
