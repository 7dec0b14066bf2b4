/*
 * KVM_XEN_HVM_SET_ATTR and KVM_XEN_HVM_GET_ATTR (api.rst, 4.127, 4.128): the VM's settings.
 */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/user.h"
#include "core/why.h"
#include "vm/guest_memory.h"
#include "x86/xen/hvm.h"

/* struct shared_info: the wall clock's version, seconds and nanoseconds, and where the upper half of the seconds is. */
#define WALL_64 0xc00
#define WALL_64_HIGH 0xc0c
#define WALL_32 0x900
#define WALL_32_HIGH 0x924

int xen_wall_clock_write(struct x86_vm *vm)
{
	uint64_t area = atomic_load(&vm->xen.shared_info), host = xen_area_host(vm, area), epoch = clock_epoch(vm);
	bool wide = vm->xen.long_mode;
	uint64_t wall = host + (wide ? WALL_64 : WALL_32);
	uint32_t version, high = (uint32_t)(epoch / NSEC_PER_SEC >> 32);
	uint32_t times[2] = { (uint32_t)(epoch / NSEC_PER_SEC), (uint32_t)(epoch % NSEC_PER_SEC) };
	int error;

	if (!host || user_read(&version, wall, sizeof version))
		return why(-EFAULT, "shared_info has no memory that can be written");
	version = (version + 1) | 1;
	error = user_write(wall, &version, sizeof version);
	guest_order();
	error |= user_write(wall + sizeof version, times, sizeof times);
	error |= user_write(host + (wide ? WALL_64_HIGH : WALL_32_HIGH), &high, sizeof high);
	guest_order();
	version++;
	error |= user_write(wall, &version, sizeof version);
	if (error)
		return why(-EFAULT, "shared_info has no memory that can be written");
	xen_area_dirty(vm, area);
	clock_changed(vm);
	return 0;
}

/* ---- Setting. The lock is held, the memory entered. ---- */

static int long_mode_set(struct x86_vm *vm, bool wide)
{
	vm->xen.long_mode = wide;
	/* The wall clock moves to its place. */
	return atomic_load(&vm->xen.shared_info) ? xen_wall_clock_write(vm) : 0;
}

/* Kept even where there is nothing to write to: there may be later. */
static int shared_info_set(struct x86_vm *vm, enum xen_area_kind kind, uint64_t address)
{
	int error = xen_area_check(kind, address, PAGE_SIZE);

	if (error)
		return error;
	atomic_store(&vm->xen.shared_info, xen_area_word(kind, address));
	error = xen_area_probe(vm, xen_area_word(kind, address), PAGE_SIZE);
	return error ? error : xen_wall_clock_write(vm);
}

static int shared_info_by_frame(struct x86_vm *vm, uint64_t frame)
{
	if (frame != UINT64_MAX)
		return shared_info_set(vm, XEN_AREA_GUEST, frame << PAGE_SHIFT);
	atomic_store(&vm->xen.shared_info, 0);
	return 0;
}

static int shared_info_by_address(struct x86_vm *vm, uint64_t address)
{
	if (address % PAGE_SIZE)
		return why(-EINVAL, "shared_info.hva: %#llx is not the beginning of a page", (unsigned long long)address);
	if (address)
		return shared_info_set(vm, XEN_AREA_HOST, address);
	atomic_store(&vm->xen.shared_info, 0);
	return 0;
}

static int upcall_vector_set(struct x86_vm *vm, uint8_t vector)
{
	if (vector && vector < 0x10)
		return why(-EINVAL, "vector: %#x is one of the processor's own", vector);
	vm->xen.upcall_vector = vector;
	return 0;
}

static int attribute_set(struct x86_vm *vm, const struct kvm_xen_hvm_attr *attribute)
{
	switch (attribute->type) {
	case KVM_XEN_ATTR_TYPE_LONG_MODE:
		return long_mode_set(vm, attribute->u.long_mode != 0);
	case KVM_XEN_ATTR_TYPE_SHARED_INFO:
		return shared_info_by_frame(vm, attribute->u.shared_info.gfn);
	case KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA: /* in the same place */
		return shared_info_by_address(vm, attribute->u.shared_info.gfn);
	case KVM_XEN_ATTR_TYPE_UPCALL_VECTOR:
		return upcall_vector_set(vm, attribute->u.vector);
	case KVM_XEN_ATTR_TYPE_EVTCHN:
		return xen_target_set(vm, attribute);
	case KVM_XEN_ATTR_TYPE_XEN_VERSION:
		vm->xen.version = attribute->u.xen_version;
		return 0;
	case KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG: /* in the place of long_mode */
		vm->xen.runstate_update_flag = attribute->u.long_mode != 0;
		return 0;
	}
	return why(-ENOENT, "type: %u is none of a Xen VM's attributes", attribute->type);
}

int xen_hvm_set(struct x86_vm *vm, const struct kvm_xen_hvm_attr *attribute)
{
	bool entered = vm_memory_enter(&vm->vm);
	int error;

	pthread_mutex_lock(&vm->xen.lock);
	error = attribute_set(vm, attribute);
	pthread_mutex_unlock(&vm->xen.lock);
	vm_memory_leave(&vm->vm, entered);
	return error;
}

/* ---- Getting: only the field is written. ---- */

int xen_hvm_get(struct x86_vm *vm, struct kvm_xen_hvm_attr *attribute)
{
	uint64_t shared_info = atomic_load(&vm->xen.shared_info);

	switch (attribute->type) {
	case KVM_XEN_ATTR_TYPE_LONG_MODE:
		attribute->u.long_mode = vm->xen.long_mode;
		return 0;
	case KVM_XEN_ATTR_TYPE_SHARED_INFO:
		attribute->u.shared_info.gfn = xen_area_address(shared_info, XEN_AREA_GUEST, UINT64_MAX);
		if (attribute->u.shared_info.gfn != UINT64_MAX)
			attribute->u.shared_info.gfn >>= PAGE_SHIFT;
		return 0;
	case KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA:
		attribute->u.shared_info.gfn = xen_area_address(shared_info, XEN_AREA_HOST, 0);
		return 0;
	case KVM_XEN_ATTR_TYPE_UPCALL_VECTOR:
		attribute->u.vector = vm->xen.upcall_vector;
		return 0;
	case KVM_XEN_ATTR_TYPE_XEN_VERSION:
		attribute->u.xen_version = vm->xen.version;
		return 0;
	case KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG:
		attribute->u.long_mode = vm->xen.runstate_update_flag;
		return 0;
	}
	return why(-ENOENT, "type: %u is none of a Xen VM's attributes that can be read", attribute->type);
}
