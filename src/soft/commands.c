/*
 * What system and VM descriptors answer alike for guests of every architecture: see commands.h.
 */
#include "soft/commands.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/why.h"
#include "soft/open.h"

/* ---- Of a system. ---- */

long do_get_api_version(void *system, unsigned long arg)
{
	(void)system;
	return arg ? why(-EINVAL, "argument: %#lx must be 0", arg) : KVM_VERSION;
}

long do_get_vcpu_mmap_size(void *system, unsigned long arg)
{
	(void)system;
	return arg ? why(-EINVAL, "argument: %#lx must be 0", arg) : (long)VCPU_RUN_SIZE;
}

/* ---- Of a VM. ---- */

int do_get_dirty_log(void *vm, void *data)
{
	return vm_get_dirty_log(vm, data);
}

int do_clear_dirty_log(void *vm, void *data)
{
	return vm_clear_dirty_log(vm, data);
}

int do_create_device(void *vm, void *data)
{
	(void)vm;
	return why(-ENODEV, "type: there is no device of type %u", ((const struct kvm_create_device *)data)->type);
}

long do_get_stats_fd(void *self, unsigned long arg)
{
	struct vm *vm = self;
	char id[32];

	(void)arg;
	snprintf(id, sizeof(id), "kvm-%d", (int)getpid());
	return stats_open(&vm->stats, &vm->object, id);
}

long vm_command(struct vm *vm, const struct command *command, unsigned long arg)
{
	if (command->flags & WAITS_FOR_VCPUS && __builtin_expect(vcpu_running != NULL, 0) && vcpu_running->vm == vm)
		return why(-EBUSY, "called by a signal handler that interrupted KVM_RUN of this VM");
	return command_run(command, vm, arg);
}

int halt_poll_check(uint64_t ns)
{
	return ns > UINT32_MAX ? why(-EINVAL, "args[0]: %#llx ns does not fit 32 bits", (unsigned long long)ns) : 0;
}

/* ---- KVM_CHECK_EXTENSION. ---- */

static int host_processors(int most)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);

	return count < 1 ? 1 : count > most ? most : (int)count;
}

int capability_find(const struct capability *table, size_t count, unsigned long number, int vcpus_most)
{
	if (number == KVM_CAP_NR_VCPUS)
		return host_processors(vcpus_most);
	for (size_t i = 0; i < count; i++)
		if (table[i].number == number)
			return table[i].value;
	return 0;
}
