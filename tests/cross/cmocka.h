/*
 * Stands for <cmocka.h> where Debian has no cmocka for the machine that is built for: as much of it as the tests here use, printing what the
 * real one prints.
 */
#ifndef ANYKVM_TESTS_CROSS_CMOCKA_H
#define ANYKVM_TESTS_CROSS_CMOCKA_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
	const char *name;
	void (*test)(void **state);
};
#define cmocka_unit_test(function) { #function, function }

static jmp_buf cmocka_failure;

#define fail_msg(...) (printf(__VA_ARGS__), printf("\n[   LINE   ] --- %s:%d\n", __FILE__, __LINE__), longjmp(cmocka_failure, 1))
#define skip() longjmp(cmocka_failure, 2)
#define cmocka_assert(holds, text) ((holds) ? (void)0 : (void)fail_msg("%s", text))
#define assert_true(holds) cmocka_assert((holds) != 0, #holds)
#define assert_false(holds) cmocka_assert((holds) == 0, "not " #holds)
#define assert_null(p) cmocka_assert((p) == NULL, #p " is not NULL")
#define assert_non_null(p) cmocka_assert((p) != NULL, #p " is NULL")
#define assert_int_equal(a, b) cmocka_assert((uint64_t)(a) == (uint64_t)(b), #a " == " #b)
#define assert_int_not_equal(a, b) cmocka_assert((uint64_t)(a) != (uint64_t)(b), #a " != " #b)
#define assert_in_range(a, low, high) cmocka_assert((uint64_t)(a) >= (uint64_t)(low) && (uint64_t)(a) <= (uint64_t)(high), #a " in range")
#define assert_string_equal(a, b) cmocka_assert(!strcmp(a, b), #a " == " #b)
#define assert_memory_equal(a, b, size) cmocka_assert(!memcmp(a, b, size), #a " == " #b)

static __attribute__((noinline)) int cmocka_one(const struct CMUnitTest *test)
{
	void *state = NULL;

	switch (setjmp(cmocka_failure)) {
	case 0:
		break;
	case 2:
		printf("[  SKIPPED ] %s\n", test->name);
		return 0;
	default:
		printf("[  FAILED  ] %s\n", test->name);
		return 1;
	}
	test->test(&state);
	printf("[       OK ] %s\n", test->name);
	return 0;
}

/* How many failed. */
static inline int cmocka_run(const struct CMUnitTest *tests, size_t count)
{
	int failed = 0;

	for (size_t i = 0; i < count; i++)
		failed += cmocka_one(&tests[i]);
	return failed;
}
#define cmocka_run_group_tests(tests, setup, teardown) ((void)(setup), (void)(teardown), cmocka_run(tests, sizeof(tests) / sizeof *(tests)))

#endif
