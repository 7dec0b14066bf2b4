/*
 * Between the files of this folder: slot tables, and the word that slots have changed.
 */
#ifndef ANYKVM_VM_SLOTS_H
#define ANYKVM_VM_SLOTS_H

#include "vm/vm.h"

struct slot_table *slot_table_create(uint32_t room);
/* With its slots. */
void slot_table_destroy(struct slot_table *table);

/* The table to change; memory_lock is held. */
static inline struct slot_table *slot_table_of(struct vm *vm, uint32_t space)
{
	return atomic_load_explicit(&vm->slots[space], memory_order_relaxed);
}

/* The words of a slot's dirty bitmap. */
static inline uint64_t slot_dirty_words(const struct slot *slot)
{
	return (slot->pages + 63) / 64;
}

/* The slot that the upper and lower half of `slot` name (address space, id), NULL when there is none; or -EINVAL. memory_lock is held. */
int slot_by_name(struct vm *vm, uint32_t name, struct slot **slot);

/* Memory has changed: called between vm_memory_stop() and vm_memory_resume(). */
void vm_memory_changed(struct vm *vm);

#endif
