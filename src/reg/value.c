/*
 * Values of registers as text and back, from 8 to 2048 bits. Knows no register.
 */
#include <errno.h>
#include <string.h>

#include "anykvm/reg.h"
#include "core/public.h"

/* Byte `i` of a number of `size` bytes in the host's order, counted from the least significant one. */
static size_t byte_at(size_t size, size_t i)
{
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? size - 1 - i : i;
}

/* The hexadecimal digit of weight 16 to the power of `i`. */
static unsigned int digit_at(const uint8_t *bytes, size_t size, size_t i)
{
	return bytes[byte_at(size, i / 2)] >> (i & 1 ? 4 : 0) & 15;
}

PUBLIC int anykvm_value_print(const void *value, size_t size, char *text, size_t room)
{
	size_t digits = 2 * size;

	if (room)
		*text = 0;
	if (!size || size > ANYKVM_REG_SIZE_MAX)
		return -EINVAL;
	while (size <= 8 && digits > 1 && !digit_at(value, size, digits - 1))
		digits--;
	if (room < 2 + digits + (digits - 1) / 16 + 1)
		return -ENOSPC;
	*text++ = '0';
	*text++ = 'x';
	while (digits--) {
		*text++ = "0123456789abcdef"[digit_at(value, size, digits)];
		if (digits && digits % 16 == 0)
			*text++ = '_';
	}
	*text = 0;
	return 0;
}

/* The digit's value; 255 when it is none. */
static unsigned int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a' + 10) : 255;
}

/* number = number * base + digit; false when it does not fit. `number` has the least significant byte first. */
static bool digit_append(uint8_t *number, size_t size, unsigned int base, unsigned int digit)
{
	for (size_t i = 0; i < size; i++) {
		digit += number[i] * base;
		number[i] = (uint8_t)digit;
		digit >>= 8;
	}
	return !digit;
}

/* Digits with '_' between them, up to the end. */
static int digits_parse(const char *text, unsigned int base, uint8_t *number, size_t size)
{
	bool fits = true;

	do {
		unsigned int digit = digit_of(*text);

		if (digit >= base)
			return -EINVAL;
		fits = fits && digit_append(number, size, base, digit);
		text++;
		while (*text == '_' && text[1])
			text++;
	} while (*text);
	return fits ? 0 : -ERANGE;
}

/* The two's complement; false when it needs more bits. */
static bool negate(uint8_t *number, size_t size)
{
	unsigned int carry = 1;
	bool zero = true;

	for (size_t i = 0; i < size; i++) {
		zero = zero && !number[i];
		carry += (uint8_t)~number[i];
		number[i] = (uint8_t)carry;
		carry >>= 8;
	}
	return zero || number[size - 1] & 0x80;
}

PUBLIC int anykvm_value_parse(const char *text, void *value, size_t size)
{
	uint8_t number[ANYKVM_REG_SIZE_MAX] = { 0 };
	bool minus = *text == '-';
	unsigned int base = 10;
	int error;

	if (!size || size > sizeof number || (minus && size > 8))
		return -EINVAL;
	text += minus;
	if (*text == '0' && (text[1] | 0x20) == 'x')
		base = 16;
	else if (*text == '0' && (text[1] | 0x20) == 'b')
		base = 2;
	error = digits_parse(base == 10 ? text : text + 2, base, number, size);
	if (error)
		return error;
	if (minus && !negate(number, size))
		return -ERANGE;
	for (size_t i = 0; i < size; i++)
		((uint8_t *)value)[byte_at(size, i)] = number[i];
	return 0;
}
