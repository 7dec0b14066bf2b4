/*
 * Memory slots: KVM_SET_USER_MEMORY_REGION2 (api.rst 4.35, 4.140) and finding the slot of a guest page. The program's memory is
 * used where it lies; nothing here touches it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/user.h"
#include "core/why.h"
#include "vm/slots.h"

/* ---- Tables. ---- */

struct slot_table *slot_table_create(uint32_t room)
{
	struct slot_table *table = malloc(sizeof(*table) + room * sizeof(table->slots[0]));

	if (table) {
		table->count = 0;
		table->room = room;
	}
	return table;
}

static void slot_free(struct slot *slot)
{
	free((void *)slot->dirty);
	free(slot);
}

void slot_table_destroy(struct slot_table *table)
{
	if (!table)
		return;
	for (uint32_t i = 0; i < table->count; i++)
		slot_free(table->slots[i]);
	free(table);
}

/* How many slots begin at or below `gfn`. */
static uint32_t table_position(const struct slot_table *table, uint64_t gfn)
{
	uint32_t low = 0, high = table->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (table->slots[middle]->gfn <= gfn)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct slot *slot_find(const struct slot_table *table, uint64_t gfn)
{
	uint32_t position = table_position(table, gfn);
	struct slot *slot;

	if (!position)
		return NULL;
	slot = table->slots[position - 1];
	return gfn - slot->gfn < slot->pages ? slot : NULL;
}

bool slots_cover(void *vcpu, uint64_t address)
{
	const struct slot_table *table = vm_slots(((const struct vcpu *)vcpu)->vm, 0);

	for (uint32_t i = 0; i < table->count; i++)
		if (address - table->slots[i]->hva < table->slots[i]->pages << PAGE_SHIFT)
			return true;
	return false;
}

static void table_insert(struct slot_table *table, struct slot *slot)
{
	uint32_t at = table_position(table, slot->gfn);

	memmove(&table->slots[at + 1], &table->slots[at], (table->count - at) * sizeof(table->slots[0]));
	table->slots[at] = slot;
	table->count++;
}

static void table_remove(struct slot_table *table, const struct slot *slot)
{
	uint32_t at = table_position(table, slot->gfn) - 1;

	table->count--;
	memmove(&table->slots[at], &table->slots[at + 1], (table->count - at) * sizeof(table->slots[0]));
}

/* The first slot but `self` that shares a page with the range, or NULL. */
static const struct slot *table_overlap(const struct slot_table *table, const struct slot *self, uint64_t gfn, uint64_t pages)
{
	uint32_t at = table_position(table, gfn);

	for (uint32_t i = at ? at - 1 : 0; i < table->count && table->slots[i]->gfn < gfn + pages; i++) {
		const struct slot *slot = table->slots[i];

		if (slot != self && slot->gfn + slot->pages > gfn)
			return slot;
	}
	return NULL;
}

int slot_by_name(struct vm *vm, uint32_t name, struct slot **slot)
{
	uint32_t space = name >> 16, id = name & 0xffff;

	if (space >= VM_ADDRESS_SPACES)
		return why(-EINVAL, "slot: address space %u does not exist (there are %u)", space, VM_ADDRESS_SPACES);
	if (id >= VM_MEMORY_SLOTS)
		return why(-EINVAL, "slot: id %u is beyond the last, %u", id, VM_MEMORY_SLOTS - 1);
	*slot = vm->slots_by_id[space] ? vm->slots_by_id[space][id] : NULL;
	return 0;
}

/* ---- The rules. ---- */

/* What holds for every request, in the order in which Linux looks. */
static int region_check(const struct kvm_userspace_memory_region2 *region)
{
	uint64_t page_mask = PAGE_SIZE - 1;

	if (region->flags & ~(uint32_t)(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY))
		return why(-EINVAL, "flags: %#x has bits other than LOG_DIRTY_PAGES and READONLY", region->flags);
	if (region->memory_size & page_mask)
		return why(-EINVAL, "memory_size: %#llx is not a multiple of the page size", region->memory_size);
	if (region->guest_phys_addr & page_mask)
		return why(-EINVAL, "guest_phys_addr: %#llx is not at a page boundary", region->guest_phys_addr);
	if (region->userspace_addr & page_mask)
		return why(-EINVAL, "userspace_addr: %#llx is not at a page boundary", region->userspace_addr);
	if (!user_range_ok(region->userspace_addr, region->memory_size))
		return why(-EINVAL, "userspace_addr: %#llx + %#llx leaves the user half of the address space", region->userspace_addr,
			   region->memory_size);
	if (region->guest_phys_addr + region->memory_size < region->guest_phys_addr)
		return why(-EINVAL, "guest_phys_addr: %#llx + %#llx wraps", region->guest_phys_addr, region->memory_size);
	if (region->memory_size >> PAGE_SHIFT > VM_SLOT_MAX_PAGES)
		return why(-EINVAL, "memory_size: %#llx is more than 2^31 - 1 pages", region->memory_size);
	return 0;
}

/* An existing slot may move and change its logging, nothing else. */
static int change_check(const struct slot *slot, const struct kvm_userspace_memory_region2 *region)
{
	if (region->userspace_addr != slot->hva)
		return why(-EINVAL, "userspace_addr: slot %u is at %#llx and cannot change to %#llx", slot->id,
			   (unsigned long long)slot->hva, region->userspace_addr);
	if (region->memory_size >> PAGE_SHIFT != slot->pages)
		return why(-EINVAL, "memory_size: slot %u has %llu pages and cannot be resized", slot->id, (unsigned long long)slot->pages);
	if ((region->flags ^ slot->flags) & KVM_MEM_READONLY)
		return why(-EINVAL, "flags: READONLY of slot %u cannot change", slot->id);
	return 0;
}

/* Where a new or moved slot may lie. */
static int place_check(const struct vm *vm, uint32_t space, const struct slot *self, uint64_t gfn, uint64_t pages)
{
	const struct slot *other = table_overlap(vm_slots(vm, space), self, gfn, pages);

	if (other)
		return why(-EEXIST, "guest_phys_addr: overlaps slot %u at %#llx", other->id, (unsigned long long)(other->gfn << PAGE_SHIFT));
	if (gfn + pages > vm->gfn_limit)
		return why(-EINVAL, "guest_phys_addr: ends beyond the %#llx that the processor can address",
			   (unsigned long long)(vm->gfn_limit << PAGE_SHIFT));
	return 0;
}

/* ---- The changes. ---- */

/* A dirty bitmap and room for a copy of it. All set when the program asked for that, so that it may clear piece by piece. */
static _Atomic uint64_t *dirty_create(const struct vm *vm, uint64_t pages)
{
	uint64_t words = (pages + 63) / 64;
	_Atomic uint64_t *dirty = calloc(2 * words, sizeof(*dirty));

	if (!dirty || !vm->dirty_log_initially_set)
		return dirty;
	memset((void *)dirty, 0xff, words * sizeof(*dirty));
	if (pages % 64)
		atomic_init(&dirty[words - 1], (UINT64_C(1) << pages % 64) - 1);
	return dirty;
}

/* Makes room for one more slot, before anything is changed. */
static int space_reserve(struct vm *vm, uint32_t space)
{
	struct slot_table *old = slot_table_of(vm, space), *table;

	if (!vm->slots_by_id[space]) {
		vm->slots_by_id[space] = calloc(VM_MEMORY_SLOTS, sizeof(struct slot *));
		if (!vm->slots_by_id[space])
			return -ENOMEM;
	}
	if (old->count < old->room)
		return 0;
	table = slot_table_create(2 * old->room);
	if (!table)
		return -ENOMEM;
	memcpy(table->slots, old->slots, old->count * sizeof(old->slots[0]));
	table->count = old->count;
	vm_memory_stop(vm);
	atomic_store_explicit(&vm->slots[space], table, memory_order_release);
	vm_memory_resume(vm);
	free(old);
	return 0;
}

static int slot_create(struct vm *vm, uint32_t space, const struct kvm_userspace_memory_region2 *region)
{
	uint64_t gfn = region->guest_phys_addr >> PAGE_SHIFT, pages = region->memory_size >> PAGE_SHIFT;
	int error = place_check(vm, space, NULL, gfn, pages);
	struct slot *slot = NULL;

	if (error)
		return error;
	error = space_reserve(vm, space);
	slot = error ? NULL : calloc(1, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	*slot = (struct slot) { .gfn = gfn, .pages = pages, .hva = region->userspace_addr, .id = region->slot & 0xffff, .flags = region->flags };
	if (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		slot->dirty = dirty_create(vm, pages);
		if (!slot->dirty) {
			free(slot);
			return -ENOMEM;
		}
	}
	vm_memory_stop(vm);
	table_insert(slot_table_of(vm, space), slot);
	vm->slots_by_id[space][slot->id] = slot;
	vm_memory_changed(vm);
	vm_memory_resume(vm);
	return 0;
}

static void slot_delete(struct vm *vm, uint32_t space, struct slot *slot)
{
	vm_memory_stop(vm);
	table_remove(slot_table_of(vm, space), slot);
	vm->slots_by_id[space][slot->id] = NULL;
	vm_memory_changed(vm);
	vm_memory_resume(vm);
	slot_free(slot);
}

/* A move, a change of flags, or both. The log goes with the slot. */
static int slot_change(struct vm *vm, uint32_t space, struct slot *slot, uint64_t gfn, uint32_t flags)
{
	_Atomic uint64_t *dirty = NULL, *unused = NULL;

	if (gfn != slot->gfn) {
		int error = place_check(vm, space, slot, gfn, slot->pages);

		if (error)
			return error;
	}
	if (flags & KVM_MEM_LOG_DIRTY_PAGES) {
		dirty = slot->dirty ? slot->dirty : dirty_create(vm, slot->pages);
		if (!dirty)
			return -ENOMEM;
	}
	vm_memory_stop(vm);
	if (slot->dirty != dirty)
		unused = slot->dirty;
	table_remove(slot_table_of(vm, space), slot);
	slot->gfn = gfn;
	slot->flags = flags;
	slot->dirty = dirty;
	table_insert(slot_table_of(vm, space), slot);
	vm_memory_changed(vm);
	vm_memory_resume(vm);
	free((void *)unused);
	return 0;
}

static int region_apply(struct vm *vm, const struct kvm_userspace_memory_region2 *region)
{
	uint32_t space = region->slot >> 16;
	uint64_t gfn = region->guest_phys_addr >> PAGE_SHIFT;
	struct slot *slot = NULL;
	int error = slot_by_name(vm, region->slot, &slot);

	if (!error)
		error = region_check(region);
	if (error)
		return error;
	if (!region->memory_size) {
		if (!slot)
			return why(-EINVAL, "slot: %u does not exist, and memory_size 0 deletes", region->slot);
		slot_delete(vm, space, slot);
		return 0;
	}
	if (!slot)
		return slot_create(vm, space, region);
	error = change_check(slot, region);
	if (error)
		return error;
	if (gfn == slot->gfn && region->flags == slot->flags)
		return 0;
	return slot_change(vm, space, slot, gfn, region->flags);
}

int vm_set_memory_region(struct vm *vm, const struct kvm_userspace_memory_region2 *region)
{
	int error;

	pthread_mutex_lock(&vm->memory_lock);
	error = region_apply(vm, region);
	stats_publish(&vm->stats);
	pthread_mutex_unlock(&vm->memory_lock);
	return error;
}
