/*
 * The guest's memory by its physical addresses: see guest_memory.h.
 */
#include "vm/guest_memory.h"

#include <errno.h>

#include "core/user.h"

uint64_t guest_host(struct vm *vm, uint64_t gpa, bool write)
{
	const struct slot *slot = slot_find(vm_slots(vm, 0), gpa >> PAGE_SHIFT);

	return !slot || (write && slot->flags & KVM_MEM_READONLY) ? 0 : slot_hva(slot, gpa);
}

void guest_dirty(struct vm *vm, uint64_t gpa)
{
	struct slot *slot = slot_find(vm_slots(vm, 0), gpa >> PAGE_SHIFT);

	if (slot)
		slot_mark_dirty(slot, gpa >> PAGE_SHIFT);
}

static size_t piece_of(uint64_t gpa, size_t size)
{
	size_t left = PAGE_SIZE - gpa % PAGE_SIZE;

	return size < left ? size : left;
}

int guest_read(struct vm *vm, uint64_t gpa, void *to, size_t size)
{
	for (size_t done = 0, piece; done < size; done += piece) {
		uint64_t host = guest_host(vm, gpa + done, false);

		piece = piece_of(gpa + done, size - done);
		if (!host || user_read((uint8_t *)to + done, host, piece))
			return -EFAULT;
	}
	return 0;
}

int guest_write(struct vm *vm, uint64_t gpa, const void *from, size_t size)
{
	for (size_t done = 0, piece; done < size; done += piece) {
		uint64_t host = guest_host(vm, gpa + done, true);

		piece = piece_of(gpa + done, size - done);
		if (!host || user_write(host, (const uint8_t *)from + done, piece))
			return -EFAULT;
		guest_dirty(vm, gpa + done);
	}
	return 0;
}
