/*
 * The vCPU's ioctls: which command word leads where, and the way of arguments in and out. Must never know what a register means. The vCPU's mutex
 * is held for the whole of each call, as in Linux.
 */
#include <errno.h>

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

static int init_check(const struct arm64_vcpu *cpu)
{
	return cpu->initialized ? 0 : why(-ENOEXEC, "KVM_ARM_VCPU_INIT has not been called on this vCPU");
}

/* What a vCPU needs before its first run. */
static int run_check(const struct arm64_vcpu *cpu)
{
	int error = init_check(cpu);

	if (error)
		return error;
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

/* ---- The table. ---- */

/* Refused before KVM_ARM_VCPU_INIT, without a look at the argument. */
#define NEEDS_INIT 1u

static const struct command commands[COMMAND_TABLE_SIZE] = {
	COMMAND(KVM_RUN, .direct = do_run),
	COMMAND(KVM_ARM_VCPU_INIT, .fixed = do_init),
	COMMAND(KVM_ARM_VCPU_FINALIZE, .fixed = do_finalize, .flags = NEEDS_INIT),
	COMMAND(KVM_GET_ONE_REG, .direct = vcpu_get_one_reg, .flags = NEEDS_INIT),
	COMMAND(KVM_SET_ONE_REG, .direct = vcpu_set_one_reg, .flags = NEEDS_INIT),
	COMMAND(KVM_GET_MANY_REGS, .direct = vcpu_get_many_regs, .flags = NEEDS_INIT),
	COMMAND(KVM_SET_MANY_REGS, .direct = vcpu_set_many_regs, .flags = NEEDS_INIT),
	COMMAND(KVM_GET_REG_LIST, .direct = vcpu_get_reg_list, .flags = NEEDS_INIT),
	COMMAND(KVM_GET_VCPU_EVENTS, .fixed = do_get_events),
	COMMAND(KVM_SET_VCPU_EVENTS, .fixed = do_set_events),
	COMMAND(KVM_GET_MP_STATE, .fixed = do_get_mp_state),
	COMMAND(KVM_SET_MP_STATE, .fixed = do_set_mp_state),
	COMMAND(KVM_SET_GUEST_DEBUG, .fixed = do_guest_debug),
	COMMAND(KVM_SET_SIGNAL_MASK, .direct = vcpu_set_signal_mask),
	COMMAND(KVM_HAS_DEVICE_ATTR, .fixed = do_has_attribute),
	COMMAND(KVM_GET_DEVICE_ATTR, .fixed = do_get_attribute),
	COMMAND(KVM_SET_DEVICE_ATTR, .fixed = do_set_attribute),
	COMMAND(KVM_GET_STATS_FD, .direct = vcpu_get_stats_fd),
};

static int ready(struct vcpu *vcpu)
{
	int error = init_check(arm64_vcpu(vcpu));

	if (!error)
		arm64_power_on(arm64_vcpu(vcpu));
	return error;
}

const struct vcpu_ops arm64_vcpu_ops = {
	.object = { .kind = "vcpu", .arch = KVM_REG_ARM64, .ioctl = vcpu_ioctl, .release = vcpu_release },
	.size = sizeof(struct arm64_vcpu),
	.create = arm64_vcpu_create,
	.destroy = arm64_vcpu_destroy,
	.run = arm64_vcpu_run,
	.registers = &arm64_register_ops,
	.commands = commands,
	.ready = ready,
};
