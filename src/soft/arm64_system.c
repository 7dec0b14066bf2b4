/*
 * The system descriptor of arm64 guests: what /dev/kvm itself answers. Must never know a VM's inside.
 */
#include "soft/arm64.h"
#include "soft/commands.h"

static long do_create_vm(void *self, unsigned long type)
{
	(void)self;
	return arm64_vm_create(type);
}

static const struct command commands[COMMAND_TABLE_SIZE] = {
	COMMAND(KVM_GET_API_VERSION, .direct = do_get_api_version),
	COMMAND(KVM_CREATE_VM, .direct = do_create_vm),
	COMMAND(KVM_CHECK_EXTENSION, .direct = arm64_check_extension),
	COMMAND(KVM_GET_VCPU_MMAP_SIZE, .direct = do_get_vcpu_mmap_size),
};

static const struct object_ops system_ops = { .kind = "kvm", .arch = KVM_REG_ARM64, .ioctl = system_ioctl, .release = system_release };

int soft_arm64_open(int flags)
{
	return system_open(&system_ops, commands, flags);
}
