/*
 * KVM_PRE_FAULT_MEMORY (api.rst 4.143): has the host bring in the memory behind guest pages, as reads by the guest would.
 */
#include <errno.h>

#include "core/user.h"
#include "core/why.h"
#include "vm/slots.h"

/* What one call does at most: the program calls again for the rest, and signals get their turn in between. */
#define PAGES_A_CALL (UINT64_C(1) << 16)

static int range_check(const struct kvm_pre_fault_memory *range)
{
	if (range->flags)
		return why(-EINVAL, "flags: %#llx must be 0", range->flags);
	if ((range->gpa | range->size) & (PAGE_SIZE - 1))
		return why(-EINVAL, "gpa, size: %#llx, %#llx are not multiples of the page size", range->gpa, range->size);
	if (range->gpa + range->size <= range->gpa)
		return why(-EINVAL, "size: %#llx is 0 or wraps", range->size);
	return 0;
}

static int page_touch(struct vm *vm, uint64_t gpa)
{
	const struct slot *slot;
	uint64_t hva = 0;
	uint8_t byte;

	pthread_mutex_lock(&vm->memory_lock);
	slot = slot_find(vm_slots(vm, 0), gpa >> PAGE_SHIFT);
	if (slot)
		hva = slot_hva(slot, gpa);
	pthread_mutex_unlock(&vm->memory_lock);
	if (!slot)
		return why(-ENOENT, "gpa: %#llx is in no memory slot", (unsigned long long)gpa);
	if (user_read(&byte, hva, sizeof(byte)))
		return why(-EFAULT, "gpa: %#llx has no memory behind it", (unsigned long long)gpa);
	return 0;
}

int vm_pre_fault(struct vm *vm, struct kvm_pre_fault_memory *range)
{
	int error = range_check(range);
	uint64_t done = 0;

	while (!error && range->size && done < PAGES_A_CALL) {
		error = page_touch(vm, range->gpa);
		if (error)
			break;
		range->gpa += PAGE_SIZE;
		range->size -= PAGE_SIZE;
		done++;
	}
	return done ? 0 : error;
}
