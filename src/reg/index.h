/*
 * The index over the tables, made when anykvm is built: index_make.c writes it (as index.c, in the build folder), reg.c reads it. Both
 * must spell names and hash them alike: that is here.
 */
#ifndef ANYKVM_REG_INDEX_H
#define ANYKVM_REG_INDEX_H

#include "reg/table.h"

/* Where a register's row is. */
struct reg_entry {
	uint64_t id;
	uint16_t set, row;
	uint16_t nth; /* of the row's registers */
};

/* Hash tables hold positions in `entries` plus 1; 0 is a free slot. Three slots of four are free; collisions go to the next slot. */
struct reg_index {
	const struct reg_arch *arch;
	const struct reg_entry *entries;
	uint32_t count;
	uint32_t id_bits, name_bits; /* log2 of the slots */
	const uint16_t *by_id, *by_name;
};

/* The architectures, and their indexes in the same order. */
enum { REG_ARCHES = 8 };
extern const struct reg_arch *const reg_arches[REG_ARCHES];
extern const struct reg_index reg_indexes[REG_ARCHES];

static inline unsigned char reg_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* Fibonacci hashing: the product's upper bits are the well-mixed ones. A register's size does not count. */
static inline uint32_t reg_slot_of_id(uint64_t id, uint32_t bits)
{
	return (uint32_t)((id & ~KVM_REG_SIZE_MASK) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits));
}

/* `name` in lower case. */
static inline uint32_t reg_slot_of_name(const char *name, uint32_t bits)
{
	uint64_t hash = 0;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	return (uint32_t)(hash * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits));
}

/* The name that a row's pattern of `length` bytes is for its nth register, in lower case. 0 when it does not fit, else its length. */
static inline size_t reg_spell(const struct reg_row *row, const char *pattern, size_t length, uint32_t nth, char name[static ANYKVM_REG_NAME_ROOM])
{
	size_t at = 0;

	for (size_t i = 0; i < length; i++) {
		char digits[10];
		uint32_t number = row->first + nth, count = 0;

		if (pattern[i] != '%') {
			digits[count++] = (char)reg_lower((unsigned char)pattern[i]);
		} else {
			i++;
			do
				digits[count++] = (char)('0' + number % 10);
			while (number /= 10);
		}
		if (at + count >= ANYKVM_REG_NAME_ROOM)
			return 0;
		while (count)
			name[at++] = digits[--count];
	}
	name[at] = 0;
	return at;
}

/* The next word of a list separated by blanks, from `*at` on, which moves behind it: its length, 0 at the end. */
static inline size_t reg_word(const char **at, const char **word)
{
	const char *p = *at;

	while (*p == ' ')
		p++;
	*word = p;
	while (*p && *p != ' ')
		p++;
	*at = p;
	return (size_t)(p - *word);
}

/* A row's names, the canonical one and then its aliases, one after the other; begins with all zero. */
struct reg_names {
	const char *at, *word;
	size_t length;
};

static inline bool reg_names_next(const struct reg_row *row, struct reg_names *names)
{
	if (!names->word) {
		names->word = row->name;
		names->length = __builtin_strlen(row->name);
		names->at = row->alias ? row->alias : "";
		return true;
	}
	names->length = reg_word(&names->at, &names->word);
	return names->length;
}

#endif
