/*
 * The system descriptor of arm64 guests: what /dev/kvm itself answers. Must never know a VM's inside.
 */
#include "soft/arm64.h"

#include <errno.h>

#include "core/command.h"
#include "core/why.h"

static long do_get_api_version(void *self, unsigned long arg)
{
	(void)self;
	return arg ? why(-EINVAL, "argument: %#lx must be 0", arg) : KVM_VERSION;
}

static long do_get_vcpu_mmap_size(void *self, unsigned long arg)
{
	(void)self;
	return arg ? why(-EINVAL, "argument: %#lx must be 0", arg) : (long)VCPU_RUN_SIZE;
}

static long do_create_vm(void *self, unsigned long type)
{
	(void)self;
	return arm64_vm_create(type);
}

static long do_check_extension(void *self, unsigned long number)
{
	(void)self;
	return arm64_capability(number);
}

static const struct command commands[COMMAND_TABLE_SIZE] = {
	COMMAND(KVM_GET_API_VERSION, .direct = do_get_api_version),
	COMMAND(KVM_CREATE_VM, .direct = do_create_vm),
	COMMAND(KVM_CHECK_EXTENSION, .direct = do_check_extension),
	COMMAND(KVM_GET_VCPU_MMAP_SIZE, .direct = do_get_vcpu_mmap_size),
};

static long system_ioctl(struct object *object, unsigned int cmd, unsigned long arg)
{
	const struct command *command = command_find(commands, cmd);

	if (!command)
		return why(-EINVAL, "ioctl %#x: not one of the system descriptor's", cmd);
	return command_run(command, object, arg);
}

static const struct object_ops system_ops = { .kind = "kvm", .arch = KVM_REG_ARM64, .ioctl = system_ioctl, .release = system_release };

int soft_arm64_open(int flags)
{
	return system_open(&system_ops, flags);
}
