/* Random cases for vector_diff. */
#ifndef TESTS_ARM64_VECTOR_GENERATE_H
#define TESTS_ARM64_VECTOR_GENERATE_H

#include "arm64/cpu/insn.h"
#include "vector_case.h"

/* Repeatable: one seed, one sequence of cases. */
struct generator {
	uint64_t state;
	const char *only; /* the class's name, or NULL: all */
};

/* Fills a case's word and `in`; returns the name of its class. `pc` is where the instruction will be. */
const char *case_generate(struct generator *g, const struct arm64_vcpu *cpu, struct vector_case *c, uint64_t pc);

/* Instructions that the interpreter has not, and the other machine may have. */
bool is_left_out(uint32_t word);

#endif
