/*
 * arm64's translation tables at EL1 (Arm ARM, D8): stage 1, both halves of the address space, the three granules, up to 48 bits.
 */
#include "anykvm/arm64.h"

#include "anykvm/kvm.h"
#include "state/arm64_pages.h"

struct paging {
	struct pages *pages;
	unsigned int page;   /* log2 of the granule */
	uint64_t top;        /* what stands above the bits that are translated */
};

/* One table, whose entries each stand for 1 << shift bytes. */
static bool table_walk(struct paging *paging, uint64_t table, unsigned int shift, uint64_t virtual, uint64_t entries)
{
	uint64_t address = 0x0000ffffffffffffULL & ~((1ULL << paging->page) - 1);

	if (!pages_table(paging->pages))
		return false;
	for (uint64_t i = 0; i < entries; i++) {
		uint64_t entry = pages_entry(paging->pages, table + 8 * i, 8), at = virtual | i << shift;
		bool last = shift == paging->page, leaf = last ? (entry & 3) == 3 : (entry & 3) == 1;

		if (!(entry & 1) || (last && !leaf))
			continue;
		if (leaf ? !pages_add(paging->pages, paging->top | at, entry & address & ~((1ULL << shift) - 1), 1ULL << shift)
			 : !table_walk(paging, entry & address, shift - (paging->page - 3), at, 1ULL << (paging->page - 3)))
			return false;
	}
	return true;
}

/* The half of the address space that begins at `top`. `size`: T0SZ or T1SZ. */
static void half_walk(struct pages *pages, uint64_t base, unsigned int page, unsigned int size, bool upper)
{
	unsigned int bits = 64 - size, shift = page;
	struct paging paging = { pages, page, upper ? ~0ULL << bits : 0 };

	if (size < 16 || size > 48 || bits <= page)
		return;
	while (shift + page - 3 < bits)
		shift += page - 3;
	table_walk(&paging, base & 0x0000fffffffffffeULL & ~((8ULL << (bits - shift)) - 1), shift, 0, 1ULL << (bits - shift));
}

void arm64_pages_find(const struct state_unit *unit, struct pages *pages)
{
	static const unsigned int granules0[] = { 12, 16, 14, 0 }, granules1[] = { 0, 14, 12, 16 }; /* TG0, TG1 */
	uint64_t tcr = state_unit_value(unit, ARM64_SYS_REG(3, 0, 2, 0, 2));

	if (!(state_unit_value(unit, ARM64_SYS_REG(3, 0, 1, 0, 0)) & 1)) /* SCTLR_EL1.M */
		return;
	if (!(tcr >> 23 & 1) && granules1[tcr >> 30 & 3]) /* EPD1; kernels are in the upper half */
		half_walk(pages, state_unit_value(unit, ARM64_SYS_REG(3, 0, 2, 0, 1)), granules1[tcr >> 30 & 3], tcr >> 16 & 63, true);
	if (!(tcr >> 7 & 1) && granules0[tcr >> 14 & 3])
		half_walk(pages, state_unit_value(unit, ARM64_SYS_REG(3, 0, 2, 0, 0)), granules0[tcr >> 14 & 3], tcr & 63, false);
}
