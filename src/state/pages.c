/*
 * Where a guest's page tables put its memory: gathered page by page, as few ranges as there can be.
 */
#include "state/pages.h"

#include <string.h>

/* The piece that has the byte; the count when there is none. */
static size_t piece_find(const struct anykvm_state *state, uint64_t physical)
{
	size_t i = 0;

	while (i < state->memory_count && physical - state->memory[i].address >= state->memory[i].size)
		i++;
	return i;
}

static bool range_append(struct pages *pages, struct page_range range)
{
	struct page_range *last = pages->count ? &pages->ranges[pages->count - 1] : NULL;

	if (last && last->piece == range.piece && last->virtual + last->size == range.virtual && last->physical + last->size == range.physical) {
		last->size += range.size;
		return true;
	}
	if (pages->count == PAGES_MOST)
		return false;
	pages->ranges[pages->count++] = range;
	return true;
}

bool pages_add(struct pages *pages, uint64_t virtual, uint64_t physical, uint64_t size)
{
	while (size) {
		size_t piece = piece_find(pages->state, physical);
		uint64_t part = 4096;

		if (piece < pages->state->memory_count) {
			const struct anykvm_state_memory *memory = &pages->state->memory[piece];

			part = memory->address + memory->size - physical;
			part = part < size ? part : size;
			if (!range_append(pages, (struct page_range){ virtual, physical, part, piece }))
				return false;
		} else {
			/* The next piece that the block reaches. */
			part = size;
			for (size_t i = 0; i < pages->state->memory_count; i++)
				if (pages->state->memory[i].address - physical < part)
					part = pages->state->memory[i].address - physical;
		}
		virtual += part;
		physical += part;
		size -= part;
	}
	return true;
}

bool pages_table(struct pages *pages)
{
	return pages->tables++ < PAGES_TABLES_MOST;
}

uint64_t pages_entry(const struct pages *pages, uint64_t physical, unsigned int size)
{
	size_t piece = piece_find(pages->state, physical);
	uint64_t entry = 0;

	if (piece == pages->state->memory_count || physical % size)
		return 0;
	memcpy(&entry, (const uint8_t *)pages->state->memory[piece].host + (physical - pages->state->memory[piece].address), size);
	return entry;
}
