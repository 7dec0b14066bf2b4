/*
 * Guest memory where the host has it, for interpreters: single accesses, and whether it still says what it said. All of them may fault
 * (core/user.h has the guard). Knows nothing of translations.
 */
#ifndef ANYKVM_CORE_HOST_MEMORY_H
#define ANYKVM_CORE_HOST_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/compiler.h"

typedef uint16_t __attribute__((may_alias, aligned(1))) guest16;
typedef uint32_t __attribute__((may_alias, aligned(1))) guest32;
typedef uint64_t __attribute__((may_alias, aligned(1))) guest64;

/* One access of the host's: never torn for an aligned power of two up to 8. Other threads race with it, as on a real machine. */
static inline __attribute__((always_inline)) void host_load(void *to, uint64_t host, unsigned int size)
{
	switch (size) {
	case 1: *(uint8_t *)to = *(const volatile uint8_t *)host; break;
	case 2: *(guest16 *)to = *(const volatile guest16 *)host; break;
	case 4: *(guest32 *)to = *(const volatile guest32 *)host; break;
	case 8: *(guest64 *)to = *(const volatile guest64 *)host; break;
	default: memcpy(to, (const void *)host, size); break;
	}
}

static inline __attribute__((always_inline)) void host_store(uint64_t host, const void *from, unsigned int size)
{
	switch (size) {
	case 1: *(volatile uint8_t *)host = *(const uint8_t *)from; break;
	case 2: *(volatile guest16 *)host = *(const guest16 *)from; break;
	case 4: *(volatile guest32 *)host = *(const guest32 *)from; break;
	case 8: *(volatile guest64 *)host = *(const guest64 *)from; break;
	default: memcpy((void *)host, from, size); break;
	}
}

/* Whether `size` bytes at `host` and `length` bytes at `other` have some in common: in one comparison. */
static inline __attribute__((always_inline)) bool host_meets(uint64_t host, unsigned int size, uint64_t other, uint64_t length)
{
	return host - other + (size - 1) < length + (size - 1);
}

/* What differs in 8 bytes. */
static inline uint64_t host_difference(uint64_t host, const uint8_t *bytes, uint64_t at)
{
	return *(const volatile guest64 *)(host + at) ^ *(const guest64 *)(bytes + at);
}

/*
 * Whether memory says that. Whole words, the last ones overlapping: nothing beyond is read, and most blocks of code take the same path,
 * whatever their length (it would not be predicted).
 */
static inline __attribute__((always_inline)) bool host_equals(uint64_t host, const uint8_t *bytes, unsigned int length)
{
	uint64_t last = (uint64_t)length - 8, at = 0, difference;

	if (likely(last <= 24))
		return (host_difference(host, bytes, 0) | host_difference(host, bytes, last < 8 ? last : 8) |
			host_difference(host, bytes, last < 16 ? last : 16) | host_difference(host, bytes, last)) == 0;
	if (length == 4)
		return *(const volatile guest32 *)host == *(const guest32 *)bytes;
	if (length < 8)
		return memcmp((const void *)host, bytes, length) == 0;
	for (difference = host_difference(host, bytes, last); at < last; at += 8)
		difference |= host_difference(host, bytes, at);
	return difference == 0;
}

#endif
