/*
 * Packing arguments. What comes back is another process', and nothing in it is believed: addresses and counts are those that went there.
 */
#include "live/argument.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "anykvm/kvm.h"
#include "anykvm/reg.h"
#include "core/user.h"
#include "core/visit.h"
#include "core/why.h"

/* The addresses in an argument: `count` of them, every `step` bytes from `first`. */
struct pointers {
	size_t first, step, count;
	bool registers; /* of struct kvm_one_reg, whose ids say how much stands there; else 8 bytes */
	bool back;      /* the values come from there; else they go there */
};

static struct pointers pointers_of(unsigned int cmd, const void *argument)
{
	switch (cmd) {
	case (unsigned int)KVM_GET_ONE_REG:
	case (unsigned int)KVM_SET_ONE_REG:
		return (struct pointers){ offsetof(struct kvm_one_reg, addr), sizeof(struct kvm_one_reg), 1, true, cmd == (unsigned int)KVM_GET_ONE_REG };
	case (unsigned int)KVM_GET_MANY_REGS:
	case (unsigned int)KVM_SET_MANY_REGS:
		return (struct pointers){ sizeof(struct kvm_many_regs) + offsetof(struct kvm_one_reg, addr), sizeof(struct kvm_one_reg),
					  ((const struct kvm_many_regs *)argument)->n, true, cmd == (unsigned int)KVM_GET_MANY_REGS };
	case (unsigned int)KVM_GET_DEVICE_ATTR:
	case (unsigned int)KVM_SET_DEVICE_ATTR:
		return (struct pointers){ offsetof(struct kvm_device_attr, addr), 0, 1, false, cmd == (unsigned int)KVM_GET_DEVICE_ATTR };
	default:
		return (struct pointers){ 0 };
	}
}

/* One of them: the value that it points to, and how long that is; 0: an id without a size. */
static size_t pointer_read(const struct pointers *pointers, const uint8_t *argument, size_t i, void **value)
{
	const uint8_t *place = argument + pointers->first + i * pointers->step;
	uint64_t address, id;

	memcpy(&address, place, sizeof address);
	*value = (void *)address;
	if (!pointers->registers)
		return 8;
	memcpy(&id, place - offsetof(struct kvm_one_reg, addr), sizeof id);
	return anykvm_reg_size(id);
}

static size_t rounded(size_t size)
{
	return (size + 15) & ~(size_t)15;
}

static int values_pack(struct argument *argument, const struct pointers *pointers, const void *from, size_t size, uint64_t at)
{
	argument->size = rounded(size);
	for (size_t i = 0; i < pointers->count; i++) {
		void *value;
		size_t length = pointer_read(pointers, from, i, &value);
		uint64_t address = at + argument->size;

		if (!length)
			return why(-EINVAL, "an id's size bits are none of KVM's");
		if (argument->size + rounded(length) > VISIT_ARGUMENT_SIZE)
			return why(-E2BIG, "the values have no room in one call to another process");
		if (!pointers->back && user_read(argument->bytes + argument->size, (uint64_t)value, length))
			return why(-EFAULT, "a value cannot be read");
		memcpy(argument->bytes + pointers->first + i * pointers->step, &address, sizeof address);
		argument->size += rounded(length);
	}
	return 0;
}

int argument_pack(struct argument *argument, unsigned int cmd, const void *from, size_t size, uint64_t at)
{
	struct pointers pointers = { 0 };

	*argument = (struct argument){ 0 };
	if (!size)
		return 0;
	if (size > VISIT_ARGUMENT_SIZE)
		return why(-E2BIG, "the argument has no room in one call to another process");
	argument->bytes = calloc(1, VISIT_ARGUMENT_SIZE);
	if (!argument->bytes)
		return -ENOMEM;
	memcpy(argument->bytes, from, size);
	pointers = pointers_of(cmd, from);
	return values_pack(argument, &pointers, from, size, at);
}

/* How many entries a call says that it has filled in: never more than there was room for. */
static bool counts_good(const struct argument *argument, unsigned int cmd, const void *asked, long result)
{
	switch (cmd) {
#ifdef __x86_64__
	case (unsigned int)KVM_GET_MSRS:
	case (unsigned int)KVM_SET_MSRS:
		return result < 0 || result <= ((const struct kvm_msrs *)asked)->nmsrs;
	case (unsigned int)KVM_GET_CPUID2:
		return result < 0 || ((const struct kvm_cpuid2 *)argument->bytes)->nent <= ((const struct kvm_cpuid2 *)asked)->nent;
#endif
	case (unsigned int)KVM_GET_REG_LIST:
		return ((const struct kvm_reg_list *)argument->bytes)->n <= (result ? 65536 : ((const struct kvm_reg_list *)asked)->n);
	default:
		return true;
	}
}

int argument_unpack(const struct argument *argument, unsigned int cmd, void *to, size_t size, long result)
{
	const struct pointers pointers = size ? pointers_of(cmd, to) : (struct pointers){ 0 };
	size_t at = rounded(size);

	if (!size)
		return 0;
	if (!counts_good(argument, cmd, to, result))
		return why(-EIO, "the process has answered nonsense");
	for (size_t i = 0; i < pointers.count; i++) {
		void *value;
		size_t length = pointer_read(&pointers, to, i, &value);

		if (pointers.back && !result && user_write((uint64_t)value, argument->bytes + at, length))
			return why(-EFAULT, "a value cannot be written");
		at += rounded(length);
	}
	if (!pointers.count && result >= 0)
		memcpy(to, argument->bytes, size);
	else if (cmd == (unsigned int)KVM_GET_REG_LIST)
		memcpy(to, argument->bytes, sizeof(struct kvm_reg_list)); /* how many there would be */
	return 0;
}

void argument_free(struct argument *argument)
{
	free(argument->bytes);
	argument->bytes = NULL;
}
