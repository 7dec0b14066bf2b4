/*
 * Runs while anykvm is built, on the building machine, and writes index.c: every register of every table by position, and hash tables from
 * ids and names to them. The same tables are in the library, so only numbers are written. What is wrong with a table (a name twice, an id
 * twice) the unit test says; here the first one wins.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reg/index.h"

struct index {
	const struct reg_arch *arch;
	uint32_t count, names, id_bits, name_bits;
	struct reg_entry *entries;
	uint16_t *by_id, *by_name;
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "index_make: %s\n", what);
	exit(1);
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		fail("no memory");
	return memory;
}

static const struct reg_row *row_of(const struct index *index, const struct reg_entry *entry)
{
	return &index->arch->sets[entry->set].rows[entry->row];
}

static void row_add(struct index *index, uint32_t set, uint32_t row)
{
	const struct reg_row *r = &index->arch->sets[set].rows[row];
	uint32_t count = r->count ? r->count : 1, step = r->step ? r->step : 1;

	for (uint32_t nth = 0; nth < count; nth++)
		index->entries[index->count++] = (struct reg_entry){
			.id = index->arch->sets[set].bits | (uint64_t)r->size << KVM_REG_SIZE_SHIFT | (uint32_t)(r->index + nth * step),
			.set = (uint16_t)set,
			.row = (uint16_t)row,
			.nth = (uint16_t)nth,
		};
}

static void entries_fill(struct index *index)
{
	const struct reg_arch *arch = index->arch;
	size_t count = 0;

	for (uint32_t set = 0; set < arch->count; set++)
		for (uint32_t row = 0; row < arch->sets[set].count; row++)
			count += arch->sets[set].rows[row].count ? arch->sets[set].rows[row].count : 1;
	if (count >= UINT16_MAX)
		fail("an architecture has more registers than positions");
	index->entries = allocate(count, sizeof *index->entries);
	for (uint32_t set = 0; set < arch->count; set++)
		for (uint32_t row = 0; row < arch->sets[set].count; row++)
			row_add(index, set, row);
}

/* log2 of the slots for that many. */
static uint32_t bits_for(uint32_t count)
{
	uint32_t bits = 1;

	while (1u << bits < 4 * count)
		bits++;
	return bits;
}

static void slot_take(uint16_t *slots, uint32_t bits, uint32_t slot, uint32_t position)
{
	while (slots[slot])
		slot = (slot + 1) & ((1u << bits) - 1);
	slots[slot] = (uint16_t)(position + 1);
}

/* Names of one entry: counts them, and enters them once there are slots. */
static void names_add(struct index *index, uint32_t position, bool enter)
{
	const struct reg_entry *entry = &index->entries[position];
	const struct reg_row *row = row_of(index, entry);
	struct reg_names names = { 0 };
	char name[ANYKVM_REG_NAME_ROOM];

	while (reg_names_next(row, &names)) {
		if (!reg_spell(row, names.word, names.length, entry->nth, name))
			fail("a name does not fit into ANYKVM_REG_NAME_ROOM, or is empty");
		if (enter)
			slot_take(index->by_name, index->name_bits, reg_slot_of_name(name, index->name_bits), position);
		else
			index->names++;
	}
}

static void index_make(struct index *index)
{
	entries_fill(index);
	for (uint32_t i = 0; i < index->count; i++)
		names_add(index, i, false);
	index->id_bits = bits_for(index->count);
	index->name_bits = bits_for(index->names);
	index->by_id = allocate(1u << index->id_bits, sizeof *index->by_id);
	index->by_name = allocate(1u << index->name_bits, sizeof *index->by_name);
	for (uint32_t i = 0; i < index->count; i++) {
		slot_take(index->by_id, index->id_bits, reg_slot_of_id(index->entries[i].id, index->id_bits), i);
		names_add(index, i, true);
	}
}

static void slots_write(FILE *out, const char *arch, const char *name, const uint16_t *slots, uint32_t bits)
{
	fprintf(out, "static const uint16_t %s_%s[%u] = {", arch, name, 1u << bits);
	for (uint32_t i = 0; i < 1u << bits; i++)
		fprintf(out, "%s%u,", i % 32 ? "" : "\n", slots[i]);
	fprintf(out, "\n};\n");
}

static void index_write(FILE *out, const struct index *index)
{
	const char *arch = index->arch->name;

	fprintf(out, "static const struct reg_entry %s_entries[%u] = {\n", arch, index->count);
	for (uint32_t i = 0; i < index->count; i++) {
		const struct reg_entry *entry = &index->entries[i];

		fprintf(out, "{0x%" PRIx64 "u,%u,%u,%u},\n", entry->id, entry->set, entry->row, entry->nth);
	}
	fprintf(out, "};\n");
	slots_write(out, arch, "by_id", index->by_id, index->id_bits);
	slots_write(out, arch, "by_name", index->by_name, index->name_bits);
}

int main(int argc, char **argv)
{
	struct index indexes[REG_ARCHES] = { 0 };
	FILE *out = argc == 2 ? fopen(argv[1], "w") : NULL;

	if (!out)
		fail("usage: index_make FILE");
	fprintf(out, "/* Made by index_make. */\n#include \"reg/index.h\"\n");
	for (int i = 0; i < REG_ARCHES; i++) {
		indexes[i].arch = reg_arches[i];
		index_make(&indexes[i]);
		index_write(out, &indexes[i]);
	}
	fprintf(out, "const struct reg_index reg_indexes[REG_ARCHES] = {\n");
	for (int i = 0; i < REG_ARCHES; i++) {
		const char *name = reg_arches[i]->name;

		fprintf(out, "{ &reg_%s, %s_entries, %u, %u, %u, %s_by_id, %s_by_name },\n", name, name, indexes[i].count, indexes[i].id_bits,
			indexes[i].name_bits, name, name);
		free(indexes[i].entries);
		free(indexes[i].by_id);
		free(indexes[i].by_name);
	}
	fprintf(out, "};\n");
	return fclose(out) ? 1 : 0;
}
