/* What decoding of vector instructions depends on beside the word: floating-point traps, which SP is the base, and whether it must be aligned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "standin.h"

enum {
	FADD_DOUBLE = 0x1e622820,  /* fadd d0, d1, d2 */
	LDR_QUAD_SP = 0x3dc003e0,  /* ldr q0, [sp] */
	LD1_POST_SP = 0x4cdf7fe0,  /* ld1 {v0.2d}, [sp], #16 */
	UNALLOCATED = 0x1ea22820,  /* fadd of no format */
	BAD_LOAD = 0x7dc003e0 | 0x00800000, /* size and opc of no register */
};

static struct arm64_vcpu *cpu;

/* Executes a word; the exception's syndrome, or 0. */
static uint64_t syndrome_of(uint32_t word, uint32_t mode)
{
	struct a64_insn block[2];

	cpu->mode = mode;
	cpu->tlb = &cpu->tlb_empty;
	cpu->exception.syndrome = 0;
	assert_true(standin_decode(cpu, word, 0, block));
	block[0].run(cpu, block);
	return cpu->exception.syndrome;
}

static void traps(void **state)
{
	struct a64_insn block[2];

	(void)state;
	cpu->x[X_SP_EL0] = DATA_BASE;
	assert_int_equal(syndrome_of(FADD_DOUBLE, 0), 0);
	assert_int_equal(syndrome_of(FADD_DOUBLE, A64_MODE_FP_TRAP), 0x1fe00000);
	assert_int_equal(syndrome_of(LDR_QUAD_SP, A64_MODE_FP_TRAP), 0x1fe00000);
	/* Unallocated encodings are undefined all the same. */
	cpu->mode = A64_MODE_FP_TRAP;
	assert_false(standin_decode(cpu, UNALLOCATED, 0, block));
	assert_false(standin_decode(cpu, (uint32_t)BAD_LOAD, 0, block));
}

static void stack_pointers(void **state)
{
	(void)state;
	cpu->x[X_SP_EL0] = DATA_BASE + 32;
	cpu->x[X_SP_EL1] = DATA_BASE + 64;
	assert_int_equal(syndrome_of(LD1_POST_SP, 0), 0);
	assert_int_equal(cpu->x[X_SP_EL0], DATA_BASE + 48);
	assert_int_equal(syndrome_of(LD1_POST_SP, A64_MODE_EL1 | A64_MODE_SP_EL1), 0);
	assert_int_equal(cpu->x[X_SP_EL0], DATA_BASE + 48);
	assert_int_equal(cpu->x[X_SP_EL1], DATA_BASE + 80);
}

static void stack_alignment(void **state)
{
	(void)state;
	cpu->x[X_SP_EL0] = DATA_BASE + 8;
	assert_int_equal(syndrome_of(LDR_QUAD_SP, 0), 0);
	assert_int_equal(syndrome_of(LDR_QUAD_SP, A64_MODE_SP_ALIGN), 0x9a000000);
	assert_int_equal(syndrome_of(LD1_POST_SP, A64_MODE_SP_ALIGN), 0x9a000000);
	assert_int_equal(cpu->x[X_SP_EL0], DATA_BASE + 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traps),
		cmocka_unit_test(stack_pointers),
		cmocka_unit_test(stack_alignment),
	};

	cpu = standin_create();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
