/*
 * Makes cases: random instructions from the opcode table or from random bytes, alone, in sequences, in loops and at the edges of the code
 * page, with operands that are worth looking at. The same seed and number give the same case.
 */
#ifndef ANYKVM_TESTS_FUZZ_GENERATE_H
#define ANYKVM_TESTS_FUZZ_GENERATE_H

#include "analyse.h"
#include "diff.h"
#include "opcodes.h"
#include "values.h"

enum modes { MODE_64 = 1, MODE_32 = 2 };

struct generate_options {
	uint64_t seed;
	uint32_t groups;	/* set of enum group */
	uint32_t modes;		/* set of enum modes */
	const char *only;	/* one mnemonic, or NULL */
};

struct generator;
struct generator *generator_new(const struct generate_options *options);
void generator_free(struct generator *g);
void generate_case(struct generator *g, uint64_t number, struct test_case *c);

#endif
