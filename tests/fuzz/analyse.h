/*
 * What a case's bytes say about it before it runs: its instructions, where control may go, and what will be undefined at each of them.
 * Everything is derived from the case itself, so that a case that has been cut down is judged by the same rules.
 */
#ifndef ANYKVM_TESTS_FUZZ_ANALYSE_H
#define ANYKVM_TESTS_FUZZ_ANALYSE_H

#include "diff.h"
#include "insn.h"

enum { STEPS_MAX = 24, IGNORED_MAX = 8 };

/* What may be true when an instruction starts. */
struct flow {
	bool reached;
	uint32_t flags_undefined;
	uint16_t fsw_undefined;
	uint32_t gpr_written;
};

struct step {
	struct insn insn;
	struct effects effects;
	struct flow in;
};

struct ignored_range {
	uint32_t from, length;	/* offset into the data */
};

struct analysis {
	uint32_t count;
	struct step steps[STEPS_MAX];
	struct flow end;	/* behind the last instruction */
	bool approximate;
	uint32_t ignored_count;
	struct ignored_range ignored[IGNORED_MAX];
};

/* False when the case cannot be compared: it reads something undefined, or jumps between instructions. */
bool case_analyse(const struct test_case *c, struct analysis *a);

int case_bits(const struct test_case *c);

/* The linear address of a memory operand, if only known registers are in it. gpr_unknown is a set. */
bool operand_address(const struct test_case *c, const struct insn *insn, const ZydisDecodedOperand *op, uint32_t gpr_unknown,
		     uint64_t *address);

/* The instruction at rip, or NULL. */
const struct step *analysis_step_at(const struct analysis *a, const struct test_case *c, uint64_t rip);

#endif
