/*
 * The vCPU's ioctls: which command word leads where, and the way of arguments in and out. Must never know what a register means. The vCPU's mutex
 * is held for the whole of each call, as in Linux.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "arm64/ioctl.h"
#include "core/command.h"
#include "core/user.h"
#include "core/why.h"

/* ---- Arguments of fixed size: the command word tells size and direction. `data` is our own copy. ---- */

static int do_init(void *cpu, void *data)
{
	return arm64_vcpu_init(cpu, data);
}

static int do_finalize(void *cpu, void *data)
{
	return arm64_vcpu_finalize(cpu, *(const int *)data);
}

static int do_get_events(void *cpu, void *data)
{
	arm64_events_get(cpu, data);
	return 0;
}

static int do_set_events(void *cpu, void *data)
{
	return arm64_events_set(cpu, data);
}

static int do_get_mp_state(void *cpu, void *data)
{
	arm64_mp_state_get(cpu, data);
	return 0;
}

static int do_set_mp_state(void *cpu, void *data)
{
	return arm64_mp_state_set(cpu, data);
}

static int do_guest_debug(void *cpu, void *data)
{
	return arm64_guest_debug_set(cpu, data);
}

static int do_has_attribute(void *cpu, void *data)
{
	return arm64_attribute_has(cpu, data);
}

static int do_get_attribute(void *cpu, void *data)
{
	return arm64_attribute_get(cpu, data);
}

static int do_set_attribute(void *cpu, void *data)
{
	return arm64_attribute_set(cpu, data);
}

/* ---- Arguments of other kinds. ---- */

/* What a vCPU needs before its first run. */
static int run_check(const struct arm64_vcpu *cpu)
{
	if (!cpu->initialized)
		return why(-ENOEXEC, "KVM_ARM_VCPU_INIT has not been called on this vCPU");
	if (arm64_has(cpu, KVM_ARM_VCPU_SVE) && !cpu->finalized)
		return why(-EPERM, "SVE: KVM_ARM_VCPU_FINALIZE has not been called on this vCPU");
	if (arm64_has(cpu, KVM_ARM_VCPU_PMU_V3) && !cpu->pmu_created)
		return why(-EINVAL, "PMU: the attribute KVM_ARM_VCPU_PMU_V3_INIT has not been set on this vCPU");
	return 0;
}

static long do_run(void *cpu, unsigned long arg)
{
	int error = arg ? 0 : run_check(cpu); /* an argument is refused before all else, by vcpu_run() */

	return error ? error : vcpu_run(cpu, arg);
}

static long do_set_signal_mask(void *self, unsigned long arg)
{
	return vcpu_signal_mask_set(self, arg);
}

static long do_get_one_reg(void *self, unsigned long arg)
{
	return registers_get_one(&arm64_register_ops, self, arg);
}

static long do_set_one_reg(void *self, unsigned long arg)
{
	return registers_set_one(&arm64_register_ops, self, arg);
}

static long do_get_many_regs(void *self, unsigned long arg)
{
	struct vcpu *vcpu = self;

	return registers_get_many(&arm64_register_ops, vcpu, &vcpu->register_room, arg);
}

static long do_set_many_regs(void *self, unsigned long arg)
{
	struct vcpu *vcpu = self;

	return registers_set_many(&arm64_register_ops, vcpu, &vcpu->register_room, arg);
}

static long do_get_reg_list(void *self, unsigned long arg)
{
	struct vcpu *vcpu = self;

	return registers_list(&arm64_register_ops, vcpu, &vcpu->register_room, arg);
}

static long do_get_stats_fd(void *self, unsigned long arg)
{
	struct arm64_vcpu *cpu = self;
	char id[48];

	(void)arg;
	snprintf(id, sizeof id, "kvm-%d/vcpu-%u", (int)getpid(), cpu->vcpu.id);
	return stats_open(&cpu->vcpu.stats, &cpu->vcpu.object, id);
}

/* ---- The table. ---- */

/* Refused before KVM_ARM_VCPU_INIT, without a look at the argument. */
#define NEEDS_INIT 1u

static const struct command commands[COMMAND_TABLE_SIZE] = {
	COMMAND(KVM_RUN, .direct = do_run),
	COMMAND(KVM_ARM_VCPU_INIT, .fixed = do_init),
	COMMAND(KVM_ARM_VCPU_FINALIZE, .fixed = do_finalize, .flags = NEEDS_INIT),
	COMMAND(KVM_GET_ONE_REG, .direct = do_get_one_reg, .flags = NEEDS_INIT),
	COMMAND(KVM_SET_ONE_REG, .direct = do_set_one_reg, .flags = NEEDS_INIT),
	COMMAND(KVM_GET_MANY_REGS, .direct = do_get_many_regs, .flags = NEEDS_INIT),
	COMMAND(KVM_SET_MANY_REGS, .direct = do_set_many_regs, .flags = NEEDS_INIT),
	COMMAND(KVM_GET_REG_LIST, .direct = do_get_reg_list, .flags = NEEDS_INIT),
	COMMAND(KVM_GET_VCPU_EVENTS, .fixed = do_get_events),
	COMMAND(KVM_SET_VCPU_EVENTS, .fixed = do_set_events),
	COMMAND(KVM_GET_MP_STATE, .fixed = do_get_mp_state),
	COMMAND(KVM_SET_MP_STATE, .fixed = do_set_mp_state),
	COMMAND(KVM_SET_GUEST_DEBUG, .fixed = do_guest_debug),
	COMMAND(KVM_SET_SIGNAL_MASK, .direct = do_set_signal_mask),
	COMMAND(KVM_HAS_DEVICE_ATTR, .fixed = do_has_attribute),
	COMMAND(KVM_GET_DEVICE_ATTR, .fixed = do_get_attribute),
	COMMAND(KVM_SET_DEVICE_ATTR, .fixed = do_set_attribute),
	COMMAND(KVM_GET_STATS_FD, .direct = do_get_stats_fd),
};

static long vcpu_ioctl(struct object *object, unsigned int cmd, unsigned long arg)
{
	struct arm64_vcpu *cpu = (struct arm64_vcpu *)object;
	const struct command *command = command_find(commands, cmd);
	long result;

	if (!command)
		return why(-EINVAL, "ioctl %#x: not one of a vCPU's", cmd);
	if (__builtin_expect(vcpu_running == &cpu->vcpu, 0))
		return why(-EBUSY, "called by a signal handler that interrupted KVM_RUN of this vCPU");
	pthread_mutex_lock(&cpu->vcpu.mutex);
	if (command->flags & NEEDS_INIT && !cpu->initialized) {
		result = why(-ENOEXEC, "KVM_ARM_VCPU_INIT has not been called on this vCPU");
	} else {
		if (command->flags & NEEDS_INIT)
			arm64_power_on(cpu);
		result = command_run(command, cpu, arg);
	}
	pthread_mutex_unlock(&cpu->vcpu.mutex);
	return result;
}

const struct vcpu_ops arm64_vcpu_ops = {
	.object = { .kind = "vcpu", .arch = KVM_REG_ARM64, .ioctl = vcpu_ioctl, .release = vcpu_release },
	.size = sizeof(struct arm64_vcpu),
	.create = arm64_vcpu_create,
	.destroy = arm64_vcpu_destroy,
	.run = arm64_vcpu_run,
};
