/*
 * The verdict on one case: are the two results the same where the manuals define them? And what a reader wants to see when they are not.
 */
#ifndef ANYKVM_TESTS_FUZZ_COMPARE_H
#define ANYKVM_TESTS_FUZZ_COMPARE_H

#include <stdio.h>

#include "analyse.h"

/* out may be NULL; otherwise each difference is a line there. */
bool results_equal(const struct test_case *c, const struct analysis *a, const struct test_result *native,
		   const struct test_result *guest, FILE *out);

void case_print(const struct test_case *c, const struct analysis *a, FILE *out);

#endif
