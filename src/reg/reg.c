/*
 * Register ids of every architecture, out of the tables: see include/anykvm/reg.h. Knows no single register and no VM.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/public.h"
#include "reg/index.h"

/* ---- Architectures. ---- */

static const struct reg_index *index_of(uint64_t id)
{
	for (int i = 0; i < REG_ARCHES; i++)
		if (reg_indexes[i].arch->bits == (id & KVM_REG_ARCH_MASK))
			return &reg_indexes[i];
	return NULL;
}

/* `name` in lower case into `lower`; false when it is longer than any. */
static bool name_lower(const char *name, char lower[static ANYKVM_REG_NAME_ROOM])
{
	size_t length = strnlen(name, ANYKVM_REG_NAME_ROOM);

	if (length >= ANYKVM_REG_NAME_ROOM)
		return false;
	for (size_t i = 0; i <= length; i++)
		lower[i] = (char)reg_lower((unsigned char)name[i]);
	return true;
}

static bool list_has(const char *list, const char *name)
{
	const char *word;
	size_t length;

	while ((length = reg_word(&list, &word)))
		if (length == strlen(name) && !memcmp(word, name, length))
			return true;
	return false;
}

PUBLIC uint64_t anykvm_arch_parse(const char *name)
{
	char lower[ANYKVM_REG_NAME_ROOM];

	if (!name_lower(name, lower))
		return 0;
	for (int i = 0; i < REG_ARCHES; i++) {
		const struct reg_arch *arch = reg_indexes[i].arch;

		if (!strcmp(arch->name, lower) || (arch->machines && list_has(arch->machines, lower)))
			return arch->bits;
	}
	return 0;
}

PUBLIC const char *anykvm_arch_name(uint64_t id)
{
	const struct reg_index *index = index_of(id);

	return index ? index->arch->name : NULL;
}

/* ---- From an id to its entry and its set. ---- */

PUBLIC size_t anykvm_reg_size(uint64_t id)
{
	uint64_t bits = (id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT;

	return bits <= BITS2048 ? (size_t)1 << bits : 0;
}

static const struct reg_row *row_of(const struct reg_index *index, const struct reg_entry *entry)
{
	return &index->arch->sets[entry->set].rows[entry->row];
}

/* The register with that id or, when there is none, one that differs in its size only; or NULL. */
static const struct reg_entry *entry_find(const struct reg_index *index, uint64_t id)
{
	const struct reg_entry *other_size = NULL;

	for (uint32_t slot = reg_slot_of_id(id, index->id_bits); index->by_id[slot]; slot = (slot + 1) & ((1u << index->id_bits) - 1)) {
		const struct reg_entry *entry = &index->entries[index->by_id[slot] - 1];

		if (entry->id == id)
			return entry;
		if ((entry->id & ~KVM_REG_SIZE_MASK) == (id & ~KVM_REG_SIZE_MASK))
			other_size = entry;
	}
	return other_size;
}

static const struct reg_set *set_find(const struct reg_arch *arch, uint64_t id)
{
	for (uint32_t i = 0; i < arch->count; i++)
		if ((id & arch->sets[i].mask) == arch->sets[i].bits)
			return &arch->sets[i];
	return NULL;
}

/* What an id turned out to be. */
struct meaning {
	const struct reg_index *index; /* NULL: of no architecture */
	const struct reg_entry *entry; /* NULL: no row has it */
	const struct reg_set *set;     /* NULL: no set has it */
	const char *wrong;             /* in words; NULL: nothing */
};

static const char *wrong_of(const struct meaning *m, uint64_t id)
{
	if (!m->index)
		return "of no architecture";
	if (!anykvm_reg_size(id))
		return "its size bits (55:52) are above 8";
	if (m->entry)
		return m->entry->id == id ? NULL : "its size is not the register's";
	if (!m->set)
		return m->index->arch->wrong ? m->index->arch->wrong(id) : "of no kind that there is";
	if (id & ~(m->set->mask | KVM_REG_SIZE_MASK | UINT32_MAX))
		return "bits above the low 32 are not zero";
	return m->set->wrong ? m->set->wrong(id) : NULL;
}

static void meaning_find(struct meaning *m, uint64_t id)
{
	*m = (struct meaning){ .index = index_of(id) };
	if (m->index)
		m->entry = entry_find(m->index, id);
	if (m->entry)
		m->set = &m->index->arch->sets[m->entry->set];
	else if (m->index)
		m->set = set_find(m->index->arch, id);
	m->wrong = wrong_of(m, id);
}

/* ---- Names and descriptions of ids. ---- */

static int text_give(const char *from, char *to, size_t room)
{
	size_t length = strlen(from);

	if (length >= room)
		return -ENOSPC;
	memcpy(to, from, length + 1);
	return 0;
}

PUBLIC int anykvm_reg_name(uint64_t id, char *name, size_t room)
{
	char own[ANYKVM_REG_NAME_ROOM];
	struct meaning m;

	if (room)
		*name = 0;
	meaning_find(&m, id);
	if (m.wrong)
		return -EINVAL;
	if (m.entry) {
		const struct reg_row *row = row_of(m.index, m.entry);

		reg_spell(row, row->name, strlen(row->name), m.entry->nth, own);
	} else if (!m.set->name || !m.set->name(id, own, sizeof own)) {
		return -ENOENT;
	}
	return text_give(own, name, room);
}

/* The part of a description that is about the register; returns where it ends. */
static size_t describe_fields(const struct meaning *m, uint64_t id, char *text, size_t room)
{
	const char *arch = m->index ? m->index->arch->name : NULL;
	int length, more;

	if (!arch)
		length = snprintf(text, room, "architecture 0x%llx", (unsigned long long)(id >> 56));
	else if (!m->set)
		length = snprintf(text, room, "%s, bits 0x%llx", arch, (unsigned long long)(id & ~(KVM_REG_ARCH_MASK | KVM_REG_SIZE_MASK)));
	else
		length = snprintf(text, room, "%s %s", arch, m->set->title);
	if (length < 0 || (size_t)length >= room || !m->set)
		return (size_t)length;
	if (m->set->describe)
		more = m->set->describe(id, text + length, room - (size_t)length);
	else
		more = snprintf(text + length, room - (size_t)length, ", index %u", (uint32_t)(id & ~m->set->mask));
	return (size_t)(length + more);
}

PUBLIC int anykvm_reg_describe(uint64_t id, char *text, size_t room)
{
	char own[ANYKVM_REG_TEXT_ROOM];
	size_t size = anykvm_reg_size(id), length;
	struct meaning m;
	int error;

	if (room)
		*text = 0;
	meaning_find(&m, id);
	length = describe_fields(&m, id, own, sizeof own);
	if (length < sizeof own && size)
		length += (size_t)snprintf(own + length, sizeof own - length, ", %zu bits", 8 * size);
	if (length < sizeof own && m.wrong)
		snprintf(own + length, sizeof own - length, ": %s", m.wrong);
	error = text_give(own, text, room);
	return error ? error : m.wrong ? -EINVAL : 0;
}

PUBLIC size_t anykvm_reg_count(uint64_t arch)
{
	const struct reg_index *index = index_of(arch);

	return index ? index->count : 0;
}

PUBLIC uint64_t anykvm_reg_at(uint64_t arch, size_t position)
{
	const struct reg_index *index = index_of(arch);

	return index && position < index->count ? index->entries[position].id : 0;
}

/* ---- From a name to an id. `name` is in lower case everywhere here. ---- */

/* Whether `name` is what reg_spell() would make of the pattern. */
static bool name_fits(const char *pattern, size_t length, uint32_t number, const char *name)
{
	for (size_t i = 0; i < length; i++) {
		uint32_t weight = 1;

		if (pattern[i] != '%') {
			if ((char)reg_lower((unsigned char)pattern[i]) != *name++)
				return false;
			continue;
		}
		i++;
		while (number / weight > 9)
			weight *= 10;
		for (; weight; weight /= 10)
			if (*name++ != (char)('0' + number / weight % 10))
				return false;
	}
	return !*name;
}

static bool entry_is_named(const struct reg_index *index, const struct reg_entry *entry, const char *name)
{
	const struct reg_row *row = row_of(index, entry);
	struct reg_names names = { 0 };

	while (reg_names_next(row, &names))
		if (name_fits(names.word, names.length, row->first + entry->nth, name))
			return true;
	return false;
}

static const struct reg_entry *name_find(const struct reg_index *index, const char *name)
{
	for (uint32_t slot = reg_slot_of_name(name, index->name_bits); index->by_name[slot]; slot = (slot + 1) & ((1u << index->name_bits) - 1)) {
		const struct reg_entry *entry = &index->entries[index->by_name[slot] - 1];

		if (entry_is_named(index, entry, name))
			return entry;
	}
	return NULL;
}

/* What follows the first of the set's prefixes that `name` has; NULL when it has none. */
static const char *prefix_skip(const struct reg_set *set, const char *name)
{
	const char *at = set->prefixes ? set->prefixes : "", *word;
	size_t length;

	while ((length = reg_word(&at, &word)))
		if (!strncmp(name, word, length))
			return name + length;
	return NULL;
}

/* A name with a prefix, or a systematic one. */
static bool set_parse(const struct reg_index *index, uint32_t set, const char *name, uint64_t *id)
{
	const struct reg_set *s = &index->arch->sets[set];
	const char *rest = prefix_skip(s, name);
	const struct reg_entry *entry = rest ? name_find(index, rest) : NULL;

	if (entry && entry->set == set) {
		*id = entry->id;
		return true;
	}
	return s->parse && s->parse(name, id) && anykvm_reg_name(*id, NULL, 0) != -EINVAL;
}

static bool arch_parse(const struct reg_index *index, const char *name, uint64_t *id)
{
	const struct reg_entry *entry = name_find(index, name);

	if (entry) {
		*id = entry->id;
		return true;
	}
	for (uint32_t set = 0; set < index->arch->count; set++)
		if (set_parse(index, set, name, id))
			return true;
	return false;
}

/* An id as a number, of an architecture if one is given, and with nothing wrong. */
static bool number_parse(uint64_t arch, const char *text, uint64_t *id)
{
	uint64_t number;

	if (*text < '0' || *text > '9' || anykvm_value_parse(text, &number, sizeof number) || anykvm_reg_name(number, NULL, 0) == -EINVAL)
		return false;
	*id = number;
	return !arch || (number & KVM_REG_ARCH_MASK) == arch;
}

PUBLIC int anykvm_reg_parse(uint64_t arch, const char *name, uint64_t *id)
{
	char lower[ANYKVM_REG_NAME_ROOM];
	uint64_t found = 0, one;
	int count = 0;

	if (!name_lower(name, lower))
		return -ENOENT;
	for (int i = 0; i < REG_ARCHES; i++) {
		if ((arch && reg_indexes[i].arch->bits != arch) || !arch_parse(&reg_indexes[i], lower, &one))
			continue;
		found = one;
		count++;
	}
	if (!count && !number_parse(arch, lower, &found))
		return -ENOENT;
	if (count > 1)
		return -ENOTUNIQ;
	*id = found;
	return 0;
}

/* ---- Near misses. ---- */

/*
 * How many letters to insert, remove, replace or swap with their neighbour make `b` of `a` (optimal string alignment); anything above `most`
 * is as good as infinite. The three rows of the table that count.
 */
static uint32_t distance(const char *a, const char *b, uint32_t most)
{
	uint8_t rows[3][ANYKVM_REG_NAME_ROOM + 1];
	size_t length_a = strlen(a), length_b = strlen(b);

	if (length_a > length_b + most || length_b > length_a + most)
		return most + 1;
	for (size_t j = 0; j <= length_b; j++)
		rows[0][j] = (uint8_t)j;
	for (size_t i = 1; i <= length_a; i++) {
		uint8_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3], least;

		least = row[0] = (uint8_t)i;
		for (size_t j = 1; j <= length_b; j++) {
			uint8_t best = (uint8_t)(above[j - 1] + (a[i - 1] != b[j - 1]));

			if (best > above[j] + 1)
				best = (uint8_t)(above[j] + 1);
			if (best > row[j - 1] + 1)
				best = (uint8_t)(row[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && best > two_above[j - 2] + 1)
				best = (uint8_t)(two_above[j - 2] + 1);
			row[j] = best;
			least = best < least ? best : least;
		}
		if (least > most)
			return most + 1;
	}
	return rows[length_a % 3][length_b];
}

struct nearest {
	uint32_t distance; /* of the best so far; what is not below is none */
	char name[ANYKVM_REG_NAME_ROOM];
};

/* One letter of a short name, two, at most three; never all of it. What is not below is too far. */
static uint32_t too_far(const char *name)
{
	size_t length = strlen(name);

	return length < 2 ? 1 : length < 5 ? 2 : length < 10 ? 3 : 4;
}

static void entry_compare(const struct reg_index *index, const struct reg_entry *entry, const char *name, struct nearest *nearest)
{
	const struct reg_row *row = row_of(index, entry);
	uint32_t limit = too_far(name);
	struct reg_names names = { 0 };
	char spelt[ANYKVM_REG_NAME_ROOM];

	limit = limit < nearest->distance ? limit : nearest->distance;
	while (limit && reg_names_next(row, &names)) {
		uint32_t d = reg_spell(row, names.word, names.length, entry->nth, spelt) ? distance(name, spelt, limit - 1) : limit;

		if (d < limit) {
			limit = nearest->distance = d;
			memcpy(nearest->name, spelt, sizeof spelt);
		}
	}
}

static void index_compare(const struct reg_index *index, const char *name, struct nearest *nearest)
{
	for (uint32_t i = 0; i < index->count; i++) {
		const struct reg_entry *entry = &index->entries[i];
		const char *rest = prefix_skip(&index->arch->sets[entry->set], name);

		entry_compare(index, entry, name, nearest);
		if (rest)
			entry_compare(index, entry, rest, nearest);
	}
}

PUBLIC int anykvm_reg_suggest(uint64_t arch, const char *name, char *nearest, size_t room)
{
	struct nearest best = { .distance = UINT32_MAX };
	char lower[ANYKVM_REG_NAME_ROOM];

	if (room)
		*nearest = 0;
	if (!name_lower(name, lower))
		return -ENOENT;
	for (int i = 0; i < REG_ARCHES; i++)
		if (!arch || reg_indexes[i].arch->bits == arch)
			index_compare(&reg_indexes[i], lower, &best);
	return best.name[0] ? text_give(best.name, nearest, room) : -ENOENT;
}
