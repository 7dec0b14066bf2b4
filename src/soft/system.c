/*
 * The system descriptor: what /dev/kvm itself answers. Must never know a VM's inside.
 */
#include <errno.h>

#include "core/user.h"
#include "core/why.h"
#include "soft/commands.h"
#include "soft/soft.h"
#include "x86/hyperv.h"

static long do_create_vm(void *self, unsigned long type)
{
	(void)self;
	return soft_vm_create(type);
}

/* ---- CPUID. ---- */

struct kvm_cpuid_entry2 supported_leaf(uint32_t function, uint32_t index)
{
	struct kvm_cpuid_entry2 entries[CPUID_ENTRIES_MAX];
	uint32_t count = CPUID_ENTRIES_MAX;

	if (!cpuid_supported(entries, &count)) {
		for (uint32_t i = 0; i < count; i++) {
			if (entries[i].function == function && entries[i].index == index)
				return entries[i];
		}
	}
	return (struct kvm_cpuid_entry2) { 0 };
}

/* KVM_GET_EMULATED_CPUID wants the padding of the entries to come clean. */
static bool padding_clean(unsigned long arg, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct kvm_cpuid_entry2 entry;

		if (user_read(&entry, arg + sizeof(struct kvm_cpuid2) + i * sizeof(entry), sizeof(entry)))
			return false;
		if (entry.padding[0] || entry.padding[1] || entry.padding[2])
			return false;
	}
	return true;
}

static long cpuid_table(unsigned long arg, int (*table)(struct kvm_cpuid_entry2 *entries, uint32_t *count), bool clean)
{
	struct kvm_cpuid_entry2 entries[CPUID_ENTRIES_MAX];
	struct kvm_cpuid2 header;
	uint32_t room;
	int error;

	if (user_read(&header, arg, sizeof(header)))
		return why(-EFAULT, "argument: %#lx cannot be read", arg);
	if (!header.nent)
		return why(-E2BIG, "nent: 0 is no room");
	room = header.nent < CPUID_ENTRIES_MAX ? header.nent : CPUID_ENTRIES_MAX;
	if (clean && !padding_clean(arg, room))
		return why(-EINVAL, "entries: the padding of all %u must be readable and 0", room);
	header.nent = room;
	error = table(entries, &header.nent);
	if (error)
		return why(error, "nent: %u is not enough", room);
	if (user_write(arg + sizeof(header), entries, header.nent * sizeof(entries[0])) || user_write(arg, &header, sizeof(header)))
		return why(-EFAULT, "argument: %#lx cannot take %u entries", arg, header.nent);
	return 0;
}

static long do_get_supported_cpuid(void *self, unsigned long arg)
{
	(void)self;
	return cpuid_table(arg, cpuid_supported, false);
}

static long do_get_emulated_cpuid(void *self, unsigned long arg)
{
	(void)self;
	return cpuid_table(arg, cpuid_emulated, true);
}

static long do_get_supported_hv_cpuid(void *self, unsigned long arg)
{
	(void)self;
	return hyperv_get_supported_cpuid(arg);
}

/* ---- MSRs. ---- */

/* Tells the number even when there is no room for the list. */
static long index_list(unsigned long arg, const uint32_t *list, uint32_t count)
{
	struct kvm_msr_list header;
	uint32_t room;

	if (user_read(&header, arg, sizeof(header)))
		return why(-EFAULT, "argument: %#lx cannot be read", arg);
	room = header.nmsrs;
	header.nmsrs = count;
	if (user_write(arg, &header, sizeof(header)))
		return why(-EFAULT, "argument: %#lx cannot be written", arg);
	if (room < count)
		return why(-E2BIG, "nmsrs: %u is not room for %u", room, count);
	if (user_write(arg + sizeof(header), list, count * sizeof(*list)))
		return why(-EFAULT, "indices: %u of them cannot be written", count);
	return 0;
}

static long do_get_msr_index_list(void *self, unsigned long arg)
{
	uint32_t count;
	const uint32_t *list = msr_index_list(&count);

	(void)self;
	return index_list(arg, list, count);
}

static long do_get_msr_feature_index_list(void *self, unsigned long arg)
{
	uint32_t count;
	const uint32_t *list = msr_feature_list(&count);

	(void)self;
	return index_list(arg, list, count);
}

static long do_get_msrs(void *self, unsigned long arg)
{
	struct kvm_msr_entry entries[MSR_ENTRIES_LIMIT];
	int count = msr_entries_read(arg, entries), done = 0;

	(void)self;
	if (count < 0)
		return count;
	while (done < count) {
		uint64_t value = 0;

		if (msr_feature_read(entries[done].index, &value))
			break;
		entries[done++].data = value;
	}
	return msr_entries_write(arg, entries, count, done);
}

static int do_get_mce_cap(void *self, void *data)
{
	(void)self;
	*(uint64_t *)data = MCE_CAP_SUPPORTED;
	return 0;
}

/* ---- Attributes: the XSAVE components that guests may have. ---- */

static int attribute_check(const struct kvm_device_attr *attribute)
{
	if (attribute->group != KVM_X86_GRP_SYSTEM)
		return why(-ENXIO, "group: %u is not KVM_X86_GRP_SYSTEM, the only one", attribute->group);
	if (attribute->attr != KVM_X86_XCOMP_GUEST_SUPP)
		return why(-ENXIO, "attr: %llu is not KVM_X86_XCOMP_GUEST_SUPP, the only one", attribute->attr);
	return 0;
}

static int do_has_attribute(void *self, void *data)
{
	(void)self;
	return attribute_check(data);
}

static int do_get_attribute(void *self, void *data)
{
	const struct kvm_device_attr *attribute = data;
	struct kvm_cpuid_entry2 leaf = supported_leaf(0xd, 0);
	uint64_t components = leaf.eax | (uint64_t)leaf.edx << 32;
	int error = attribute_check(attribute);

	(void)self;
	if (!error && user_write(attribute->addr, &components, sizeof(components)))
		error = why(-EFAULT, "addr: %#llx cannot be written", attribute->addr);
	return error;
}

/* ---- The descriptor. ---- */

static const struct command commands[COMMAND_TABLE_SIZE] = {
	COMMAND(KVM_GET_API_VERSION, .direct = do_get_api_version),
	COMMAND(KVM_CREATE_VM, .direct = do_create_vm),
	COMMAND(KVM_CHECK_EXTENSION, .direct = x86_check_extension),
	COMMAND(KVM_GET_VCPU_MMAP_SIZE, .direct = do_get_vcpu_mmap_size),
	COMMAND(KVM_GET_SUPPORTED_CPUID, .direct = do_get_supported_cpuid),
	COMMAND(KVM_GET_EMULATED_CPUID, .direct = do_get_emulated_cpuid),
	COMMAND(KVM_GET_SUPPORTED_HV_CPUID, .direct = do_get_supported_hv_cpuid),
	COMMAND(KVM_GET_MSR_INDEX_LIST, .direct = do_get_msr_index_list),
	COMMAND(KVM_GET_MSR_FEATURE_INDEX_LIST, .direct = do_get_msr_feature_index_list),
	COMMAND(KVM_GET_MSRS, .direct = do_get_msrs),
	COMMAND(KVM_X86_GET_MCE_CAP_SUPPORTED, .fixed = do_get_mce_cap),
	COMMAND(KVM_HAS_DEVICE_ATTR, .fixed = do_has_attribute),
	COMMAND(KVM_GET_DEVICE_ATTR, .fixed = do_get_attribute),
};

static const struct object_ops system_ops = { .kind = "kvm", .arch = KVM_REG_X86, .ioctl = system_ioctl, .release = system_release };

int soft_x86_open(int flags)
{
	return system_open(&system_ops, commands, flags);
}
