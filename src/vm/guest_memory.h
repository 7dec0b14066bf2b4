/*
 * The guest's memory by its physical addresses, for what the VM itself has to read and write there. The caller has entered the memory
 * (vm_memory_enter, or the vCPU's guest); what the program has taken away meanwhile is -EFAULT.
 */
#ifndef ANYKVM_VM_GUEST_MEMORY_H
#define ANYKVM_VM_GUEST_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "vm/vm.h"

/* Any range. 0 or -EFAULT; what lies in front of a hole has been read or written by then. Written pages become dirty. */
int guest_read(struct vm *vm, uint64_t gpa, void *to, size_t size);
int guest_write(struct vm *vm, uint64_t gpa, const void *from, size_t size);

/* Where a page's byte is in the program's memory, or 0: outside memory slots, or in a read-only one and to be written. */
uint64_t guest_host(struct vm *vm, uint64_t gpa, bool write);

/* What was written before is seen before what is written after: versions of what other vCPUs may be reading. No fence, which ThreadSanitizer has not got. */
static inline void guest_order(void)
{
	_Atomic int order = 0;

	atomic_exchange(&order, 1);
}

/* The page was written without guest_write(). */
void guest_dirty(struct vm *vm, uint64_t gpa);

#endif
