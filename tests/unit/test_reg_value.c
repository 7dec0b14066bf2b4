/*
 * Values of registers as text: there and back for every size, and what is no value.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "anykvm/reg.h"

static void every_size_goes_there_and_back(void **state)
{
	(void)state;
	srandom(1);
	for (size_t size = 1; size <= ANYKVM_REG_SIZE_MAX; size++) {
		for (int round = 0; round < 8; round++) {
			uint8_t value[ANYKVM_REG_SIZE_MAX], back[ANYKVM_REG_SIZE_MAX + 1];
			char text[ANYKVM_VALUE_ROOM];

			for (size_t i = 0; i < size; i++)
				value[i] = (uint8_t)(round == 0 ? 0 : round == 1 ? 0xff : random());
			memset(back, 0x5a, sizeof back);
			assert_int_equal(anykvm_value_print(value, size, text, sizeof text), 0);
			assert_int_equal(anykvm_value_parse(text, back, size), 0);
			assert_memory_equal(value, back, size);
			assert_int_equal(back[size], 0x5a);
		}
	}
}

static void numbers_read_as_printed(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
		const char *printed;
	} known[] = {
		{ "0", 0, "0x0" },
		{ "00", 0, "0x0" },
		{ "-0", 0, "0x0" },
		{ "10", 10, "0xa" },
		{ "010", 10, "0xa" },
		{ "0x10", 16, "0x10" },
		{ "0XfF", 255, "0xff" },
		{ "0b1010_1010", 0xaa, "0xaa" },
		{ "1_000__000", 1000000, "0xf4240" },
		{ "-1", UINT64_MAX, "0xffffffffffffffff" },
		{ "-0x8000000000000000", UINT64_C(1) << 63, "0x8000000000000000" },
		{ "-0b11", UINT64_MAX - 2, "0xfffffffffffffffd" },
		{ "18446744073709551615", UINT64_MAX, "0xffffffffffffffff" },
		{ "0x00000000000000000000000000000000000000001", 1, "0x1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		uint64_t value = 1;
		char text[ANYKVM_VALUE_ROOM];

		assert_int_equal(anykvm_value_parse(known[i].text, &value, sizeof value), 0);
		assert_true(value == known[i].value);
		assert_int_equal(anykvm_value_print(&value, sizeof value, text, sizeof text), 0);
		assert_string_equal(text, known[i].printed);
	}
}

static void large_values_are_grouped(void **state)
{
	uint8_t value[32] = { 0 };
	char text[ANYKVM_VALUE_ROOM];

	(void)state;
	assert_int_equal(anykvm_value_parse("1", value, 16), 0);
	assert_int_equal(anykvm_value_print(value, 16, text, sizeof text), 0);
	assert_string_equal(text, "0x0000000000000000_0000000000000001");
	assert_int_equal(anykvm_value_parse("0x0123456789abcdef_fedcba9876543210_0000000000000000_8000000000000001", value, 32), 0);
	assert_int_equal(anykvm_value_print(value, 32, text, sizeof text), 0);
	assert_string_equal(text, "0x0123456789abcdef_fedcba9876543210_0000000000000000_8000000000000001");
	/* 2 to the power of 128, less 1. */
	assert_int_equal(anykvm_value_parse("340282366920938463463374607431768211455", value, 16), 0);
	assert_int_equal(anykvm_value_print(value, 16, text, sizeof text), 0);
	assert_string_equal(text, "0xffffffffffffffff_ffffffffffffffff");
	assert_int_equal(anykvm_value_parse("340282366920938463463374607431768211456", value, 16), -ERANGE);
	assert_int_equal(anykvm_value_print(value, 10, text, sizeof text), 0);
	assert_string_equal(text, "0xffff_ffffffffffffffff");
}

static void what_is_no_number_is_refused(void **state)
{
	static const char *const texts[] = { "", " ", "-", "+1", "x", "0x", "0b", "0x-1", "--1", "_1", "1_", "0x_1", "0x1_", "0b2", "12a", "0xg", "1 ", " 1", "0x1.0",
					     "1e3", "-_1", "0b_", "0_x1", "99999999999999999999z" };
	uint64_t value = 0x1122334455667788;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (anykvm_value_parse(texts[i], &value, sizeof value) != -EINVAL)
			fail_msg("\"%s\" is no number", texts[i]);
	assert_int_equal(anykvm_value_parse("1", &value, 0), -EINVAL);
	assert_int_equal(anykvm_value_parse("1", &value, ANYKVM_REG_SIZE_MAX + 1), -EINVAL);
	assert_int_equal(anykvm_value_parse("-1", &value, 16), -EINVAL);
	assert_true(value == 0x1122334455667788);
}

static void what_does_not_fit_is_refused(void **state)
{
	static const struct {
		const char *text;
		size_t size;
		int error;
	} edges[] = {
		{ "255", 1, 0 }, { "256", 1, -ERANGE }, { "-128", 1, 0 }, { "-129", 1, -ERANGE }, { "-255", 1, -ERANGE }, { "-256", 1, -ERANGE },
		{ "0x10000", 2, -ERANGE }, { "0xffffffff", 4, 0 }, { "0x100000000", 4, -ERANGE }, { "0x10000000000000000", 8, -ERANGE },
		{ "-0x8000000000000001", 8, -ERANGE }, { "18446744073709551616", 8, -ERANGE }, { "0xffffff", 3, 0 }, { "0x1000000", 3, -ERANGE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
		uint8_t value[9] = { 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a };

		assert_int_equal(anykvm_value_parse(edges[i].text, value, edges[i].size), edges[i].error);
		assert_int_equal(value[edges[i].size], 0x5a);
		if (edges[i].error)
			assert_int_equal(value[0], 0x5a);
	}
}

static void nothing_is_printed_beyond_room(void **state)
{
	(void)state;
	for (size_t size = 1; size <= ANYKVM_REG_SIZE_MAX; size++) {
		uint8_t value[ANYKVM_REG_SIZE_MAX];
		char text[ANYKVM_VALUE_ROOM + 1];
		size_t length;

		memset(value, 0xee, sizeof value);
		assert_int_equal(anykvm_value_print(value, size, text, ANYKVM_VALUE_ROOM), 0);
		length = strlen(text);
		for (size_t room = length - 2; room <= length + 1 && room <= ANYKVM_VALUE_ROOM; room++) {
			memset(text, 0x5a, sizeof text);
			assert_int_equal(anykvm_value_print(value, size, text, room), room > length ? 0 : -ENOSPC);
			assert_int_equal(text[room], 0x5a);
			assert_int_equal(strlen(text), room > length ? length : 0);
		}
		assert_int_equal(anykvm_value_print(value, size, NULL, 0), -ENOSPC);
	}
}

static void no_size_is_refused(void **state)
{
	uint8_t value[ANYKVM_REG_SIZE_MAX + 1] = { 0 };
	char text[2 * ANYKVM_VALUE_ROOM] = "x";

	(void)state;
	assert_int_equal(anykvm_value_print(value, 0, text, sizeof text), -EINVAL);
	assert_string_equal(text, "");
	assert_int_equal(anykvm_value_print(value, sizeof value, text, sizeof text), -EINVAL);
	assert_int_equal(anykvm_value_print(value, SIZE_MAX, text, sizeof text), -EINVAL);
}

/* Whatever the letters: no crash, and what is taken prints and reads the same again. */
static void random_texts_are_harmless(void **state)
{
	static const char letters[] = "0123456789abcdefABCDEFxXbB_-+ z";

	(void)state;
	for (int round = 0; round < 100000; round++) {
		char text[40], printed[ANYKVM_VALUE_ROOM];
		size_t length = (size_t)random() % (sizeof text - 1), size = (size_t)(random() % 40 + 1);
		uint8_t value[40], back[40];

		for (size_t i = 0; i < length; i++)
			text[i] = letters[(size_t)random() % (sizeof letters - 1)];
		text[length] = 0;
		if (anykvm_value_parse(text, value, size))
			continue;
		assert_int_equal(anykvm_value_print(value, size, printed, sizeof printed), 0);
		assert_int_equal(anykvm_value_parse(printed, back, size), 0);
		assert_memory_equal(value, back, size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_goes_there_and_back),
		cmocka_unit_test(numbers_read_as_printed),
		cmocka_unit_test(large_values_are_grouped),
		cmocka_unit_test(what_is_no_number_is_refused),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(nothing_is_printed_beyond_room),
		cmocka_unit_test(no_size_is_refused),
		cmocka_unit_test(random_texts_are_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
