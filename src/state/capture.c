/*
 * Capture: a vCPU's registers in as few calls as there are, and its parts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "anykvm/kvm.h"
#include "state/state.h"

/* In one call. */
#define MOST (KVM_MANY_REGS_MAX_SIZE / sizeof(struct kvm_one_reg))

static int regs_get(int vcpu, const struct state_unit *unit, bool (*but)(uint64_t id))
{
	struct kvm_one_reg regs[MOST];
	size_t count = 0;

	for (size_t i = 0; i < unit->reg_count; i++) {
		if (!but || !but(unit->regs[i].id))
			regs[count++] = (struct kvm_one_reg){ unit->regs[i].id, (uintptr_t)unit->regs[i].value };
		if (count < MOST && i + 1 < unit->reg_count)
			continue;
		if (anykvm_regs_get(vcpu, regs, count))
			return -errno;
		count = 0;
	}
	return 0;
}

int state_regs_get(int vcpu, const struct state_unit *unit)
{
	return regs_get(vcpu, unit, NULL);
}

int state_reg_ids(int vcpu, uint64_t **ids)
{
	int listed = anykvm_reg_list(vcpu, NULL, 0);

	if (listed < 0)
		return -errno;
	*ids = calloc((size_t)listed + 1, sizeof **ids);
	if (!*ids)
		return -ENOMEM;
	if (anykvm_reg_list(vcpu, *ids, (size_t)listed) == listed)
		return listed;
	free(*ids);
	return -EBUSY; /* it changes meanwhile */
}

/* Which registers there are, into the unit. */
static int regs_find(const struct state_arch *arch, int vcpu, struct state_unit *unit)
{
	uint64_t *ids;
	int listed = state_reg_ids(vcpu, &ids), error;
	size_t count = 0;

	if (listed < 0)
		return listed;
	for (int i = 0; i < listed; i++)
		if (arch->reg_wanted(ids[i]))
			ids[count++] = ids[i];
	error = state_unit_regs(unit, ids, count);
	free(ids);
	return error;
}

void state_origin(int fd, char origin[static STATE_ORIGIN_ROOM])
{
	struct utsname name;

	if (!uname(&name))
		snprintf(origin, STATE_ORIGIN_ROOM, "%s KVM, %s %s, %s", anykvm_accel(fd) == ANYKVM_ACCEL_KVM ? "hardware" : "software",
			 name.sysname, name.release, name.machine);
}

static int state_fill(struct anykvm_state *state, const struct state_arch *arch, int vm, const int *vcpus)
{
	int error = 0;

	for (size_t i = 0; i < state->vcpu_count && !error; i++) {
		error = regs_find(arch, vcpus[i], &state->vcpus[i]);
		if (!error)
			error = state_regs_get(vcpus[i], &state->vcpus[i]);
		if (!error)
			error = arch->vcpu_parts_get(vcpus[i], &state->vcpus[i]);
	}
	if (!error && vm >= 0)
		error = arch->vm_parts_get(vm, &state->vm);
	return error;
}

PUBLIC struct anykvm_state *anykvm_state_capture(int vm, const int *vcpus, size_t count)
{
	int fd = count ? vcpus[0] : vm, error;
	const struct state_arch *arch = state_arch_find(anykvm_arch(fd));
	struct anykvm_state *state;

	if (!arch || count > STATE_VCPUS_MAX) {
		if (arch)
			state_fail(-EINVAL, "%zu vCPUs are more than a state has", count);
		else if (anykvm_arch(fd))
			state_fail(-ENOTSUP, "there are no states of that architecture here");
		return NULL;
	}
	state = state_new(arch->arch, count);
	if (!state)
		return NULL;
	state_origin(fd, state->origin);
	error = state_fill(state, arch, vm, vcpus);
	if (!error)
		return state;
	anykvm_state_free(state);
	errno = -error;
	return NULL;
}

static int parts_again(const struct state_arch *arch, int fd, struct state_unit *unit)
{
	int error = 0;

	for (size_t i = 0; i < unit->part_count && !error; i++)
		if (!arch->part_constant || !arch->part_constant(unit->parts[i].name))
			error = arch->part_again(fd, &unit->parts[i]);
	return error;
}

PUBLIC int anykvm_state_recapture(struct anykvm_state *state, int vm, const int *vcpus, size_t count)
{
	const struct state_arch *arch = state_arch_find(state->arch);
	int error = 0;

	if (count != state->vcpu_count)
		return state_fail(-EINVAL, "the state has %zu vCPUs, not %zu", state->vcpu_count, count);
	for (size_t i = 0; i < count && !error; i++) {
		error = regs_get(vcpus[i], &state->vcpus[i], arch->reg_constant);
		if (!error)
			error = parts_again(arch, vcpus[i], &state->vcpus[i]);
	}
	if (!error && vm >= 0)
		error = parts_again(arch, vm, &state->vm);
	if (!error)
		return 0;
	errno = -error;
	return -1;
}
