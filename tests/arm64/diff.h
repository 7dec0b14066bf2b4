/*
 * int_diff: what the comparer and the native worker tell each other: a case is up to four instructions and the registers and memory they find;
 * a result is what they leave. Both put the code and the window of memory at the same addresses.
 */
#ifndef ANYKVM_TESTS_ARM64_DIFF_H
#define ANYKVM_TESTS_ARM64_DIFF_H

#include <stdint.h>

#define CODE_BASE UINT64_C(0x10000000)
#define CODE_SIZE UINT64_C(0x4000)
#define CODE_AT 0x1000 /* of the case in the code's memory; landing pads are on both sides */
#define PADS 32        /* on each side */
#define WORDS 4
#define DATA_BASE UINT64_C(0x20000000)
#define DATA_SIZE UINT64_C(0x100000)
#define WINDOW (DATA_BASE + DATA_SIZE / 2)
#define WINDOW_SIZE 1024
#define BATCH 512

/* Where a case ended: the landing pad (0 ... 2 * PADS; PADS is the one behind the instructions), or a signal. */
#define END_SIGNAL 1000

struct state {
	uint64_t x[31], sp, nzcv;
	uint8_t window[WINDOW_SIZE];
};

struct test_case {
	uint32_t word[WORDS], count, end; /* `end` of the result */
	struct state state;
};

#endif
