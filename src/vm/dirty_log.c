/*
 * Dirty logs: which pages of a slot were written (api.rst 4.8, 4.117, 8.24 on KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2).
 *
 * A vCPU marks a page when it makes a translation for writing, and writes through that translation unseen. Whenever bits are
 * cleared, translations are therefore dropped before the ioctl returns: a write through an old one lies before that, and its
 * page is in what this very call reports.
 */
#include <errno.h>
#include <string.h>

#include "core/user.h"
#include "core/why.h"
#include "vm/slots.h"

void slot_mark_dirty(struct slot *slot, uint64_t gfn)
{
	uint64_t page = gfn - slot->gfn, bit = UINT64_C(1) << page % 64;

	if (slot->dirty && !(atomic_load_explicit(&slot->dirty[page / 64], memory_order_relaxed) & bit))
		atomic_fetch_or(&slot->dirty[page / 64], bit);
}

static int slot_logged(struct vm *vm, uint32_t name, struct slot **slot)
{
	int error = slot_by_name(vm, name, slot);

	if (error)
		return error;
	if (!*slot)
		return why(-ENOENT, "slot: %u does not exist", name);
	if (!(*slot)->dirty)
		return why(-ENOENT, "slot: %u is not logging (KVM_MEM_LOG_DIRTY_PAGES)", name);
	return 0;
}

/* Moves the log into its copy and clears it. Whether there was anything. */
static bool dirty_take(struct slot *slot, _Atomic uint64_t *copy)
{
	uint64_t words = slot_dirty_words(slot);
	bool any = false;

	for (uint64_t i = 0; i < words; i++) {
		uint64_t word = 0;

		if (atomic_load_explicit(&slot->dirty[i], memory_order_relaxed)) {
			word = atomic_exchange(&slot->dirty[i], 0);
			any = true;
		}
		/* An unwritten page of the copy stays unwritten: a large guest's log costs memory only where it has bits. */
		if (atomic_load_explicit(&copy[i], memory_order_relaxed) != word)
			atomic_store_explicit(&copy[i], word, memory_order_relaxed);
	}
	return any;
}

static int dirty_log_get(struct vm *vm, const struct kvm_dirty_log *log)
{
	struct slot *slot;
	_Atomic uint64_t *from;
	int error = slot_logged(vm, log->slot, &slot);

	if (error)
		return error;
	from = slot->dirty;
	if (!vm->dirty_log_manual) {
		from += slot_dirty_words(slot);
		if (dirty_take(slot, from))
			vm_memory_flush(vm);
	}
	if (user_write(log->padding2, (const void *)from, slot_dirty_words(slot) * 8))
		return why(-EFAULT, "dirty_bitmap: %#llx cannot take %llu bytes", log->padding2, (unsigned long long)slot_dirty_words(slot) * 8);
	return 0;
}

int vm_get_dirty_log(struct vm *vm, const struct kvm_dirty_log *log)
{
	int error;

	pthread_mutex_lock(&vm->memory_lock);
	error = dirty_log_get(vm, log);
	pthread_mutex_unlock(&vm->memory_lock);
	return error;
}

static int clear_check(const struct slot *slot, const struct kvm_clear_dirty_log *clear)
{
	uint64_t left;

	if (clear->first_page > slot->pages)
		return why(-EINVAL, "first_page: %llu is beyond the slot's %llu pages", clear->first_page, (unsigned long long)slot->pages);
	left = slot->pages - clear->first_page;
	if (clear->num_pages > left)
		return why(-EINVAL, "num_pages: %u, but only %llu are left in the slot", clear->num_pages, (unsigned long long)left);
	if (clear->num_pages < left && clear->num_pages % 64)
		return why(-EINVAL, "num_pages: %u is neither a multiple of 64 nor all that is left", clear->num_pages);
	return 0;
}

static int dirty_log_clear(struct vm *vm, const struct kvm_clear_dirty_log *clear)
{
	struct slot *slot;
	const _Atomic uint64_t *mask;
	_Atomic uint64_t *log;
	uint64_t words = ((uint64_t)clear->num_pages + 63) / 64;
	bool any = false;
	int error = slot_by_name(vm, clear->slot, &slot);

	if (!error && clear->first_page % 64)
		error = why(-EINVAL, "first_page: %llu is not a multiple of 64", clear->first_page);
	if (!error)
		error = slot_logged(vm, clear->slot, &slot);
	if (!error)
		error = clear_check(slot, clear);
	if (error)
		return error;
	mask = slot->dirty + slot_dirty_words(slot);
	if (user_read((void *)mask, clear->padding2, words * 8))
		return why(-EFAULT, "dirty_bitmap: %#llx has no %llu bytes", clear->padding2, (unsigned long long)words * 8);
	log = slot->dirty + clear->first_page / 64;
	for (uint64_t i = 0; i < words; i++) {
		if (mask[i] && atomic_fetch_and(&log[i], ~mask[i]) & mask[i])
			any = true;
	}
	if (any)
		vm_memory_flush(vm);
	return 0;
}

int vm_clear_dirty_log(struct vm *vm, const struct kvm_clear_dirty_log *clear)
{
	int error;

	pthread_mutex_lock(&vm->memory_lock);
	error = dirty_log_clear(vm, clear);
	pthread_mutex_unlock(&vm->memory_lock);
	return error;
}

int vm_enable_dirty_log(struct vm *vm, uint64_t value)
{
	/* INITIALLY_SET means something only together with ENABLE. */
	uint64_t valid = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | (value & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE ? KVM_DIRTY_LOG_INITIALLY_SET : 0);

	if (value & ~valid)
		return why(-EINVAL, "args[0]: %#llx has bits other than %#llx", (unsigned long long)value, (unsigned long long)valid);
	vm->dirty_log_manual = value & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
	vm->dirty_log_initially_set = value & KVM_DIRTY_LOG_INITIALLY_SET;
	return 0;
}
