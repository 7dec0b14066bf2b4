/*
 * KVM_ARM_VM_SMCCC_FILTER (kernel document virt/kvm/devices/vm.rst, 6): ranges of SMC calls that are refused, or the program's. Who asks the
 * filter is smccc.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/why.h"
#include "soft/arm64.h"

/* The architecture's calls, of either convention, are KVM's always. */
static const struct kvm_smccc_filter reserved[] = { { .base = 0x80000000, .nr_functions = 0x10000 }, { .base = 0xc0000000, .nr_functions = 0x10000 } };

static bool overlap(const struct kvm_smccc_filter *a, const struct kvm_smccc_filter *b)
{
	uint64_t a_end = (uint64_t)a->base + a->nr_functions, b_end = (uint64_t)b->base + b->nr_functions;

	return a->base < b_end && b->base < a_end;
}

static int range_check(const struct kvm_smccc_filter *range)
{
	for (size_t i = 0; i < sizeof range->pad; i++)
		if (range->pad[i])
			return why(-EINVAL, "pad: must be 0");
	if (!range->nr_functions || range->base + (range->nr_functions - 1) < range->base)
		return why(-EINVAL, "nr_functions: %u from 0x%x on are none, or beyond the last function", range->nr_functions, range->base);
	if (range->action > KVM_SMCCC_FILTER_FWD_TO_USER)
		return why(-EINVAL, "action: %u is none", range->action);
	return 0;
}

static int place_check(const struct arm64_vm *vm, const struct kvm_smccc_filter *range)
{
	if (vm->ran)
		return why(-EBUSY, "the filter cannot change once a vCPU has run");
	for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
		if (overlap(range, &reserved[i]))
			return why(-EEXIST, "base: 0x%x and on: the architecture's calls are KVM's", reserved[i].base);
	for (uint32_t i = 0; i < vm->smccc_filter_count; i++)
		if (overlap(range, &vm->smccc_filter[i]))
			return why(-EEXIST, "base: the range overlaps the one at 0x%x", vm->smccc_filter[i].base);
	return 0;
}

/* The VM's lock is held. */
static int range_append(struct arm64_vm *vm, const struct kvm_smccc_filter *range)
{
	struct kvm_smccc_filter *ranges;
	int error = place_check(vm, range);

	if (error)
		return error;
	ranges = realloc(vm->smccc_filter, (vm->smccc_filter_count + 1) * sizeof *ranges);
	if (!ranges)
		return -ENOMEM;
	ranges[vm->smccc_filter_count++] = *range;
	vm->smccc_filter = ranges;
	return 0;
}

int arm64_filter_add(struct arm64_vm *vm, const struct kvm_smccc_filter *range)
{
	int error = range_check(range);

	if (error)
		return error;
	pthread_mutex_lock(&vm->vm.lock);
	error = range_append(vm, range);
	pthread_mutex_unlock(&vm->vm.lock);
	return error;
}
