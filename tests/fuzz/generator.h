/*
 * What the parts of the generator share: the case under construction. Private to generate.c, encode.c and prepare.c.
 */
#ifndef ANYKVM_TESTS_FUZZ_GENERATOR_H
#define ANYKVM_TESTS_FUZZ_GENERATOR_H

#include "generate.h"

enum { CANDIDATE_SIZE = 32, TEMPLATES = 12 };

struct generator {
	struct generate_options options;
	uint32_t row_count;
	const struct opcode_row **rows;		/* those that fit the options */
	uint32_t row_weight;
	uint8_t templates[TEMPLATES][DATA_SIZE];

	/* the case under construction */
	struct rng rng;
	struct test_case *c;
	uint32_t pinned;	/* registers whose initial value something relies on */
	uint32_t written;	/* registers that instructions so far change */
	uint32_t guarded;	/* registers that no instruction may change: a loop's counter */
	struct analysis analysis;
};

/* encode.c: a candidate's bytes, followed by random ones for displacements and immediates. */
void encode_row(struct generator *g, const struct opcode_row *row, uint8_t out[CANDIDATE_SIZE]);
void encode_random(struct generator *g, uint8_t out[CANDIDATE_SIZE]);

/* prepare.c: registers, memory and immediates that let the instruction do something interesting. May patch its bytes. */
void prepare_insn(struct generator *g, struct insn *insn, uint8_t *bytes);
/* An initial value for a register that nothing relies on yet. */
bool gpr_set(struct generator *g, int index, uint64_t value);
uint64_t pointer_pick(struct generator *g, uint32_t size);

#endif
