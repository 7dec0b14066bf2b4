/*
 * sve_diff's second machine: the interpreter's SVE files, with stand-ins for all else they call.
 */
#ifndef SVE_DIFF_MACHINE_H
#define SVE_DIFF_MACHINE_H

#include "case.h"

/* Runs a case in place, vectors being `vl` bytes long. */
void machine_run(struct test_case *c, unsigned int vl);

#endif
