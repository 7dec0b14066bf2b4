/*
 * int_diff: random cases.
 */
#ifndef ANYKVM_TESTS_ARM64_GENERATE_H
#define ANYKVM_TESTS_ARM64_GENERATE_H

#include "diff.h"

struct random {
	uint64_t state;
};

uint64_t random_next(struct random *random);
/* Below `limit`. */
unsigned int random_below(struct random *random, unsigned int limit);

/* Classes of instructions by name; NULL ends the list. */
extern const char *const generate_classes[];
/* A case of that class. */
void generate(struct random *random, unsigned int class, struct test_case *c);

#endif
