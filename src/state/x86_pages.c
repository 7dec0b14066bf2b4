/*
 * x86's page tables (SDM Vol. 3A, chapter 4): all four kinds are the same walk with other numbers.
 */
#include "state/x86_pages.h"

#include "anykvm/kvm.h"

#define CONTROL(index) ANYKVM_X86_REG(ANYKVM_X86_TYPE_CONTROL, KVM_REG_SIZE_U64, index)
#define ENTRY_P 1u
#define ENTRY_PS (1u << 7)

struct paging {
	struct pages *pages;
	unsigned int entry_size; /* 4 or 8 */
	unsigned int bits;       /* of the address that a level takes */
	unsigned int address_bits; /* of virtual addresses, sign-extended above */
	bool big;                /* PS is looked at in the second level */
};

static uint64_t extend(const struct paging *paging, uint64_t virtual)
{
	unsigned int shift = 64 - paging->address_bits;

	return paging->address_bits > 32 && paging->address_bits < 64 ? (uint64_t)((int64_t)(virtual << shift) >> shift) : virtual;
}

/* Where the entry points. 32-bit paging's 4 MiB pages have address bits 39:32 at bits 20:13 (4.3). */
static uint64_t entry_address(const struct paging *paging, uint64_t entry, unsigned int shift)
{
	uint64_t mask = ~((1ULL << shift) - 1);

	if (paging->entry_size == 4)
		return (entry & mask & 0xfffff000) | (shift == 22 ? (entry >> 13 & 0xff) << 32 : 0);
	return entry & mask & 0x000ffffffffff000ULL;
}

/* One table, whose entries each stand for 1 << shift bytes. */
static bool table_walk(struct paging *paging, uint64_t table, unsigned int shift, uint64_t virtual, unsigned int entries)
{
	if (!pages_table(paging->pages))
		return false;
	for (uint64_t i = 0; i < entries; i++) {
		uint64_t entry = pages_entry(paging->pages, table + i * paging->entry_size, paging->entry_size), at = virtual | i << shift;
		bool leaf = shift == 12 || (entry & ENTRY_PS && paging->big && shift <= 30);

		if (!(entry & ENTRY_P))
			continue;
		if (leaf ? !pages_add(paging->pages, extend(paging, at), entry_address(paging, entry, shift), 1ULL << shift)
			 : !table_walk(paging, entry_address(paging, entry, 12), shift - paging->bits, at, 1u << paging->bits))
			return false;
	}
	return true;
}

static uint64_t control(const struct state_unit *unit, unsigned int index)
{
	return state_unit_value(unit, CONTROL(index));
}

void x86_pages_find(const struct state_unit *unit, struct pages *pages)
{
	uint64_t cr0 = control(unit, 0), cr3 = control(unit, 3), cr4 = control(unit, 4), efer = control(unit, ANYKVM_X86_CONTROL_EFER);
	struct paging paging = { .pages = pages, .entry_size = 8, .bits = 9, .big = true };

	if (!(cr0 >> 31 & 1))
		return;
	if (efer >> 10 & 1) { /* LMA; CR4.LA57 */
		paging.address_bits = cr4 >> 12 & 1 ? 57 : 48;
		table_walk(&paging, cr3 & 0x000ffffffffff000ULL, paging.address_bits - 9, 0, 512);
	} else if (cr4 >> 5 & 1) { /* PAE */
		paging.address_bits = 32;
		table_walk(&paging, cr3 & 0xffffffe0, 30, 0, 4);
	} else {
		paging.entry_size = 4;
		paging.bits = 10;
		paging.address_bits = 32;
		paging.big = cr4 >> 4 & 1; /* PSE */
		table_walk(&paging, cr3 & 0xfffff000, 22, 0, 1024);
	}
}
