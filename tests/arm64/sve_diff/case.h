/*
 * A case: one instruction, the registers and memory before it, and what became of them. The tester and the native worker share a file of
 * these. Both read the fields at fixed offsets, the worker's assembly too: see the offsets below.
 */
#ifndef SVE_DIFF_CASE_H
#define SVE_DIFF_CASE_H

#include <stddef.h>
#include <stdint.h>

enum { BATCH_CASES = 256, DATA_SIZE = 16384 };

/* Where the memory that instructions may access is; nothing is mapped around it. Below 4 GiB: elements of 32 bits can be addresses. */
#define DATA_BASE UINT64_C(0x30000000)

enum outcome { OUTCOME_DONE, OUTCOME_UNDEFINED, OUTCOME_FAULT };

struct state {
	uint64_t x[31], sp;
	uint64_t nzcv, fpsr, fpcr;
	uint64_t padding[29];
	uint8_t z[32][256];
	uint8_t p[17][32]; /* p[16] is FFR */
};

_Static_assert(offsetof(struct state, sp) == 248 && offsetof(struct state, nzcv) == 256 && offsetof(struct state, fpsr) == 264 &&
	       offsetof(struct state, fpcr) == 272 && offsetof(struct state, z) == 512 && offsetof(struct state, p) == 8704, "native_worker.c knows these");

struct test_case {
	uint32_t word;
	uint16_t outcome;  /* enum outcome */
	uint16_t far_away; /* the interpreter's fault was nowhere near the data: the worker may have something there */
	struct state state;
	uint8_t data[DATA_SIZE];
};

struct batch {
	uint32_t count;
	uint32_t vl; /* bytes */
	uint32_t vl_refused; /* the worker's answer: it has no such length */
	uint32_t running;    /* the case the worker is at */
	struct test_case cases[BATCH_CASES];
};

#endif
