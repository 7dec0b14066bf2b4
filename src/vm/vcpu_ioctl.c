/*
 * A vCPU's ioctls: the way of each of them, and those that are the same on every architecture. The vCPU's mutex is held for the whole of each
 * call, as in Linux. Must never know what a register means.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "core/command.h"
#include "core/user.h"
#include "core/why.h"
#include "vm/vm.h"

long vcpu_command(struct vcpu *vcpu, const struct command *command, unsigned long arg)
{
	int error = command->flags ? vcpu_ops(vcpu)->ready(vcpu) : 0;

	return error ? error : command_run(command, vcpu, arg);
}

long vcpu_ioctl(struct object *object, unsigned int cmd, unsigned long arg)
{
	struct vcpu *vcpu = (struct vcpu *)object;
	const struct command *command = command_find(vcpu_ops(vcpu)->commands, cmd);
	long result;

	if (!command)
		return why(-EINVAL, "ioctl %#x: not one of a vCPU's", cmd);
	if (__builtin_expect(vcpu_running == vcpu, 0))
		return why(-EBUSY, "called by a signal handler that interrupted KVM_RUN of this vCPU");
	pthread_mutex_lock(&vcpu->mutex);
	result = vcpu_command(vcpu, command, arg);
	pthread_mutex_unlock(&vcpu->mutex);
	return result;
}

/* ---- Registers by id. ---- */

long vcpu_get_one_reg(void *self, unsigned long arg)
{
	struct vcpu *vcpu = self;

	return registers_get_one(vcpu_ops(vcpu)->registers, vcpu, arg);
}

long vcpu_set_one_reg(void *self, unsigned long arg)
{
	struct vcpu *vcpu = self;

	return registers_set_one(vcpu_ops(vcpu)->registers, vcpu, arg);
}

long vcpu_get_many_regs(void *self, unsigned long arg)
{
	struct vcpu *vcpu = self;

	return registers_get_many(vcpu_ops(vcpu)->registers, vcpu, &vcpu->register_room, arg);
}

long vcpu_set_many_regs(void *self, unsigned long arg)
{
	struct vcpu *vcpu = self;

	return registers_set_many(vcpu_ops(vcpu)->registers, vcpu, &vcpu->register_room, arg);
}

long vcpu_get_reg_list(void *self, unsigned long arg)
{
	struct vcpu *vcpu = self;

	return registers_list(vcpu_ops(vcpu)->registers, vcpu, &vcpu->register_room, arg);
}

/* ---- The rest. ---- */

long vcpu_set_signal_mask(void *self, unsigned long arg)
{
	struct vcpu *vcpu = self;
	struct kvm_signal_mask header;
	uint64_t mask;

	if (!arg) {
		vcpu->signal_mask_set = false;
		return 0;
	}
	if (user_read(&header, arg, sizeof(header)))
		return why(-EFAULT, "argument: %#lx cannot be read", arg);
	if (header.len != sizeof(mask))
		return why(-EINVAL, "len: %u is not the %zu bytes of the kernel's sigset_t", header.len, sizeof(mask));
	if (user_read(&mask, arg + sizeof(header), sizeof(mask)))
		return why(-EFAULT, "sigset: cannot be read");
	vcpu->signal_mask = mask & ~(UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1));
	vcpu->signal_mask_set = true;
	return 0;
}

long vcpu_get_stats_fd(void *self, unsigned long arg)
{
	struct vcpu *vcpu = self;
	char id[48];

	(void)arg;
	snprintf(id, sizeof(id), "kvm-%d/vcpu-%u", (int)getpid(), vcpu->id);
	return stats_open(&vcpu->stats, &vcpu->object, id);
}
