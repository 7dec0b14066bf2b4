/*
 * KVM_X86_SET_MSR_FILTER (api.rst 4.135): the program's ranges are copied, bitmaps and all, and exchanged whole while no vCPU
 * is in the guest. What a filter means to an access is the MSR family's business.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/user.h"
#include "core/why.h"
#include "soft/soft.h"

#define BITMAP_MAX 0x600 /* KVM_MSR_FILTER_MAX_BITMAP_SIZE: 0x3000 MSRs */

void msr_filter_free(struct msr_filter *filter)
{
	if (!filter)
		return;
	for (uint32_t i = 0; i < filter->count; i++)
		free(filter->ranges[i].bitmap);
	free(filter);
}

/* Bitmaps are read in whole 64-bit words. */
static size_t bitmap_size(uint32_t count)
{
	return ((size_t)count + 63) / 64 * 8;
}

static int range_check(uint32_t i, const struct kvm_msr_filter_range *range)
{
	if (range->flags & ~(uint32_t)KVM_MSR_FILTER_RANGE_VALID_MASK)
		return why(-EINVAL, "ranges[%u].flags: %#x has bits other than READ and WRITE", i, range->flags);
	if (!range->flags)
		return why(-EINVAL, "ranges[%u].flags: neither READ nor WRITE", i);
	if (bitmap_size(range->nmsrs) > BITMAP_MAX)
		return why(-EINVAL, "ranges[%u].nmsrs: %#x is more than %#x", i, range->nmsrs, BITMAP_MAX * 8);
	return 0;
}

static int range_add(struct msr_filter *filter, uint32_t i, const struct kvm_msr_filter_range *range)
{
	int error = range_check(i, range);
	uint8_t *bitmap;

	if (error)
		return error;
	bitmap = malloc(bitmap_size(range->nmsrs));
	if (!bitmap)
		return -ENOMEM;
	if (user_read(bitmap, (uintptr_t)range->bitmap, bitmap_size(range->nmsrs))) {
		free(bitmap);
		return why(-EFAULT, "ranges[%u].bitmap: %p has no %zu readable bytes", i, (void *)range->bitmap, bitmap_size(range->nmsrs));
	}
	filter->ranges[filter->count++] = (struct msr_range) { .flags = range->flags, .base = range->base, .count = range->nmsrs, .bitmap = bitmap };
	return 0;
}

static int filter_check(const struct kvm_msr_filter *user)
{
	if (user->flags & ~(uint32_t)KVM_MSR_FILTER_VALID_MASK)
		return why(-EINVAL, "flags: %#x has bits other than DEFAULT_DENY", user->flags);
	if (!(user->flags & KVM_MSR_FILTER_DEFAULT_DENY))
		return 0;
	for (uint32_t i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		if (user->ranges[i].nmsrs)
			return 0;
	}
	return why(-EINVAL, "flags: DEFAULT_DENY without any range");
}

static void filter_exchange(struct x86_vm *vm, struct msr_filter *filter)
{
	pthread_mutex_lock(&vm->vm.memory_lock);
	vm_memory_stop(&vm->vm);
	filter = atomic_exchange(&vm->filter, filter);
	vm_memory_resume(&vm->vm);
	pthread_mutex_unlock(&vm->vm.memory_lock);
	msr_filter_free(filter);
}

int msr_filter_set(struct x86_vm *vm, const struct kvm_msr_filter *user)
{
	struct msr_filter *filter;
	int error = filter_check(user);

	if (error)
		return error;
	filter = calloc(1, sizeof(*filter));
	if (!filter)
		return -ENOMEM;
	filter->default_allow = !(user->flags & KVM_MSR_FILTER_DEFAULT_DENY);
	for (uint32_t i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		if (!user->ranges[i].nmsrs)
			continue;
		error = range_add(filter, i, &user->ranges[i]);
		if (error) {
			msr_filter_free(filter);
			return error;
		}
	}
	filter_exchange(vm, filter);
	return 0;
}
