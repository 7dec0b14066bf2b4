/*
 * Random cases for sve_diff.
 */
#ifndef SVE_DIFF_GENERATE_H
#define SVE_DIFF_GENERATE_H

#include <stdbool.h>

#include "case.h"

enum source {
	SOURCE_ROWS,  /* encodings the interpreter has, all equally often */
	SOURCE_WORDS, /* any word of the SVE groups */
};

void generate_seed(uint64_t seed);
/* Fills word and state and data. `only`: the name of one table (as "integer"), or NULL. `special`: floating-point operands that are no ordinary numbers, and FPCR. */
void generate_case(struct test_case *c, unsigned int vl, enum source source, const char *only, bool special);
uint32_t generate_number(uint32_t below);

#endif
