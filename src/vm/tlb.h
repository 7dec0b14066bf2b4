/*
 * Translations of guest pages that a vCPU remembers, direct-mapped. How addresses are translated, and when that is forgotten, is the architecture's.
 */
#ifndef ANYKVM_VM_TLB_H
#define ANYKVM_VM_TLB_H

#include "core/compiler.h"
#include "vm/vm.h"

#define TLB_ENTRIES 256

/* A zero tag never matches. */
struct tlb_entry {
	uint64_t tag;    /* address of the page's last byte, as the guest sees it */
	uint64_t addend; /* host address - that address */
};
enum tlb_access { TLB_READ, TLB_WRITE, TLB_FETCH, TLB_ACCESSES };
struct tlb {
	struct tlb_entry entry[TLB_ACCESSES][TLB_ENTRIES];
};

static inline uint64_t tlb_index(uint64_t address)
{
	return (address >> PAGE_SHIFT) % TLB_ENTRIES;
}

static inline __attribute__((always_inline)) const struct tlb_entry *tlb_place(const struct tlb *tlb, enum tlb_access access, uint64_t address)
{
	return &tlb->entry[access][tlb_index(address)];
}

/* What is not 0 if the entry does not translate `address` ... `address + size - 1`: an access that crosses into another page never matches. */
static inline __attribute__((always_inline)) uint64_t tlb_difference(const struct tlb_entry *entry, uint64_t address, unsigned int size)
{
	return entry->tag ^ ((address + size - 1) | (PAGE_SIZE - 1));
}

/* The entry that translates all of them for that access, or NULL. */
static inline __attribute__((always_inline)) const struct tlb_entry *tlb_lookup(const struct tlb *tlb, enum tlb_access access, uint64_t address,
										unsigned int size)
{
	const struct tlb_entry *entry = tlb_place(tlb, access, address);

	return likely(!tlb_difference(entry, address, size)) ? entry : NULL;
}

static inline void tlb_set(struct tlb *tlb, enum tlb_access access, uint64_t address, uint64_t host)
{
	tlb->entry[access][tlb_index(address)] = (struct tlb_entry){ address | (PAGE_SIZE - 1), host - address };
}

#endif
