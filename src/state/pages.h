/*
 * Where a guest's page tables put its memory, so that debuggers find it by virtual address.
 */
#ifndef ANYKVM_STATE_PAGES_H
#define ANYKVM_STATE_PAGES_H

#include "state/state.h"

/* As many as a file gets; what maps more is left out. Page tables are the guest's, and may go round in circles. */
enum { PAGES_MOST = 8192, PAGES_TABLES_MOST = 1 << 15 };

struct page_range {
	uint64_t virtual, physical, size;
	size_t piece;    /* of the state's memory */
};

struct pages {
	const struct anykvm_state *state;
	struct page_range *ranges; /* PAGES_MOST of them */
	size_t count, tables;
};

/* A mapped page or block; what is in no memory is left out. False: there is no more room. */
bool pages_add(struct pages *pages, uint64_t virtual, uint64_t physical, uint64_t size);
/* A table about to be walked: false when there were too many. */
bool pages_table(struct pages *pages);
/* An entry of a table. 0 where there is no memory. */
uint64_t pages_entry(const struct pages *pages, uint64_t physical, unsigned int size);

#endif
