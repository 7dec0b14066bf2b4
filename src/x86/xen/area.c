/*
 * Structures shared with a Xen guest: where they are. Nothing is kept but the address: memory may be remapped under it at any time.
 */
#include <errno.h>

#include "core/user.h"
#include "core/why.h"
#include "vm/guest_memory.h"
#include "x86/xen/xen.h"

#define KIND_MASK UINT64_C(3)

int xen_area_check(enum xen_area_kind kind, uint64_t address, size_t size)
{
	if (kind == XEN_AREA_HOST && !user_range_ok(address, size))
		return why(-EINVAL, "hva: %#llx is not the program's", (unsigned long long)address);
	if (address % PAGE_SIZE + size > PAGE_SIZE)
		return why(-EINVAL, "%s: %#llx: %zu bytes cross into another page", kind == XEN_AREA_HOST ? "hva" : "gpa", (unsigned long long)address, size);
	return 0;
}

uint64_t xen_area_word(enum xen_area_kind kind, uint64_t address)
{
	return address | kind;
}

uint64_t xen_area_address(uint64_t word, enum xen_area_kind kind, uint64_t none)
{
	return (word & KIND_MASK) == kind ? word & ~KIND_MASK : none;
}

uint64_t xen_area_host(struct x86_vm *vm, uint64_t word)
{
	switch (word & KIND_MASK) {
	case XEN_AREA_GUEST: return guest_host(&vm->vm, word & ~KIND_MASK, true);
	case XEN_AREA_HOST: return word & ~KIND_MASK;
	}
	return 0;
}

int xen_area_probe(struct x86_vm *vm, uint64_t word, size_t size)
{
	uint64_t host = xen_area_host(vm, word);

	if (!host || user_probe_write(host, size))
		return why(-EFAULT, "%#llx: no memory that can be written", (unsigned long long)(word & ~KIND_MASK));
	return 0;
}

void xen_area_dirty(struct x86_vm *vm, uint64_t word)
{
	if ((word & KIND_MASK) == XEN_AREA_GUEST)
		guest_dirty(&vm->vm, word & ~KIND_MASK);
}
