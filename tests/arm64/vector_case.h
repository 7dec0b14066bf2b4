/*
 * A case of vector_diff: one A64 instruction and the registers and memory it finds, and what it leaves. The tester and the worker share a batch
 * of them; both are little-endian machines.
 */
#ifndef TESTS_ARM64_VECTOR_CASE_H
#define TESTS_ARM64_VECTOR_CASE_H

#include <stdint.h>

/* Where instructions and data are in the worker, and seem to be in the interpreter; near enough for literals. */
#define CODE_BASE UINT64_C(0x4000000000)
#define SLOT_BASE (CODE_BASE + 0x1000)
#define SLOT_SIZE 8
#define DATA_BASE (CODE_BASE + 0x10000)

enum { CASES = 256, DATA_SIZE = 256, VECTOR_BYTES = 32 };

/* The assembly in vector_worker.c knows these offsets. */
struct machine {
	uint64_t x[31], sp;
	uint64_t nzcv, fpcr, fpsr, pad;
	uint8_t z[32][VECTOR_BYTES];
	uint8_t data[DATA_SIZE];
};

enum outcome { OUTCOME_DONE, OUTCOME_UNDEFINED, OUTCOME_FAULT };

struct vector_case {
	uint32_t word;
	uint32_t outcome; /* the worker's */
	struct machine in, out;
};

struct batch {
	uint32_t count;
	struct vector_case cases[CASES];
};

#endif
