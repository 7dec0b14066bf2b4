/*
 * Restore: phase by phase, first in a VM that nobody will miss. What the destination has already is not set again: so constants, and
 * registers that can be read only, do no harm while they agree.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "anykvm/kvm.h"
#include "state/state.h"

#define MOST (KVM_MANY_REGS_MAX_SIZE / sizeof(struct kvm_one_reg))

struct restore {
	const struct state_arch *arch;
	const struct anykvm_state *state;
	const struct anykvm_policy *policy;
	struct anykvm_report *report;
	size_t misfits;
	int unit; /* which vCPU, or ANYKVM_STATE_VM */
};

/* One vCPU's restore. */
struct vcpu_restore {
	struct restore *restore;
	int fd;
	const struct state_unit *saved;
	struct state_unit there; /* the registers that the destination has, with their values */
	/* To be set in this phase; `reg` addresses values of ours. */
	struct kvm_one_reg *regs;
	const void **theres;
	size_t count;
	uint8_t *values; /* of all the state's registers, as the policy makes them */
	bool *wanted;    /* those that are to have these values in the end */
	uint64_t told[8]; /* misfits from before the vCPU had registers */
	size_t told_count;
};

/* ---- Misfits. ---- */

static const char *last_reason(void)
{
	const struct anykvm_refusal *refusal = anykvm_refusal();

	return *refusal->reason ? refusal->reason : strerror(refusal->error ? refusal->error : errno);
}

static void misfit(struct restore *restore, const char *name, const char *field, const void *saved, size_t size, const void *there, const char *rule)
{
	char saved_text[ANYKVM_VALUE_ROOM], there_text[ANYKVM_VALUE_ROOM], remedy[ANYKVM_REG_NAME_ROOM + 16];

	state_value_print(saved, size, saved_text);
	state_value_print(there, size, there_text);
	snprintf(remedy, sizeof remedy, "ignore %s", name);
	report_add(restore->report, (struct anykvm_misfit){ .vcpu = restore->unit, .name = name, .field = field, .saved = saved_text, .possible = there_text,
			   .rule = rule, .remedy = remedy });
	restore->misfits++;
}

static void reg_misfit(struct restore *restore, uint64_t id, const void *saved, const void *there, const char *rule)
{
	char name[ANYKVM_REG_NAME_ROOM], field[512] = "";
	size_t length;

	state_reg_name(id, name);
	if (there)
		anykvm_reg_explain_difference(id, saved, there, field, sizeof field);
	/* The library's reasons begin with the entry and the register, which the report has already. */
	if (!strncmp(rule, "reg[", 4) && strchr(rule, ' '))
		rule = strchr(rule, ' ') + 1;
	length = strlen(name);
	if (!strncmp(rule, name, length) && !strncmp(rule + length, ": ", 2))
		rule += length + 2;
	misfit(restore, name, field, saved, anykvm_reg_size(id), there, rule);
}

/* ---- Setting registers. ---- */

static void entry_drop(struct vcpu_restore *vcpu, size_t at, const char *rule)
{
	void *value = (void *)(uintptr_t)vcpu->regs[at].addr;

	reg_misfit(vcpu->restore, vcpu->regs[at].id, value, vcpu->theres[at], rule);
	if (vcpu->theres[at])
		memcpy(value, vcpu->theres[at], anykvm_reg_size(vcpu->regs[at].id)); /* it stays so, and was told once */
	vcpu->count--;
	memmove(&vcpu->regs[at], &vcpu->regs[at + 1], (vcpu->count - at) * sizeof *vcpu->regs);
	memmove(&vcpu->theres[at], &vcpu->theres[at + 1], (vcpu->count - at) * sizeof *vcpu->theres);
}

/* All without the one at `at`. */
static bool set_without(const struct vcpu_restore *vcpu, size_t at)
{
	struct kvm_one_reg regs[MOST];

	memcpy(regs, vcpu->regs, at * sizeof *regs);
	memcpy(regs + at, vcpu->regs + at + 1, (vcpu->count - at - 1) * sizeof *regs);
	return !anykvm_regs_set(vcpu->fd, regs, vcpu->count - 1);
}

/* No combination is right, and no one register is to blame: each alone, as long as anything succeeds. */
static void set_one_by_one(struct vcpu_restore *vcpu)
{
	for (bool any = true; any;) {
		any = false;
		for (size_t i = 0; i < vcpu->count;) {
			if (anykvm_regs_set(vcpu->fd, &vcpu->regs[i], 1)) {
				i++;
				continue;
			}
			vcpu->count--;
			memmove(&vcpu->regs[i], &vcpu->regs[i + 1], (vcpu->count - i) * sizeof *vcpu->regs);
			memmove(&vcpu->theres[i], &vcpu->theres[i + 1], (vcpu->count - i) * sizeof *vcpu->theres);
			any = true;
		}
	}
	while (vcpu->count) {
		anykvm_regs_set(vcpu->fd, &vcpu->regs[0], 1);
		entry_drop(vcpu, 0, last_reason());
	}
}

/* The registers go in as one transaction; what is refused is named and left. */
static void set_chunk(struct vcpu_restore *vcpu)
{
	while (vcpu->count && anykvm_regs_set(vcpu->fd, vcpu->regs, vcpu->count)) {
		int entry = anykvm_refusal()->entry;
		char reason[512];
		size_t i;

		snprintf(reason, sizeof reason, "%s", last_reason());
		if (entry >= 0 && (size_t)entry < vcpu->count) {
			entry_drop(vcpu, (size_t)entry, reason);
			continue;
		}
		for (i = 0; i < vcpu->count && !set_without(vcpu, i); i++)
			;
		if (i < vcpu->count) {
			entry_drop(vcpu, i, reason);
			return;
		}
		set_one_by_one(vcpu);
		return;
	}
}

/* ---- Which registers. ---- */

/* What the destination has, after its CPUID. */
static int there_find(struct vcpu_restore *vcpu)
{
	uint64_t *ids;
	int listed = state_reg_ids(vcpu->fd, &ids), error;
	size_t count = 0;

	if (listed < 0)
		return listed;
	for (int i = 0; i < listed; i++)
		if (state_unit_find_reg(vcpu->saved, ids[i]))
			ids[count++] = ids[i];
	error = state_unit_regs(&vcpu->there, ids, count);
	free(ids);
	return error ? error : state_regs_get(vcpu->fd, &vcpu->there);
}

static void entry_add(struct vcpu_restore *vcpu, uint64_t id, const void *value, const void *there)
{
	vcpu->regs[vcpu->count] = (struct kvm_one_reg){ id, (uintptr_t)value };
	vcpu->theres[vcpu->count++] = there;
}

/* Notes a register to be set, unless that is needless or impossible. False: it is not to have that value. */
static bool reg_note(struct vcpu_restore *vcpu, const struct anykvm_state_reg *reg, uint8_t *value)
{
	static const uint64_t ones = UINT64_MAX;
	struct restore *restore = vcpu->restore;
	size_t size = anykvm_reg_size(reg->id);
	const void *there = state_unit_find_reg(&vcpu->there, reg->id);
	char name[ANYKVM_REG_NAME_ROOM];
	bool unequal, wanted;

	state_reg_name(reg->id, name);
	memcpy(value, reg->value, size);
	wanted = policy_apply(restore->policy, name, value, size, there, &unequal);
	if (unequal)
		reg_misfit(restore, reg->id, reg->value, there, "the policy requires it to be equal");
	for (size_t i = 0; i < vcpu->told_count; i++)
		wanted &= vcpu->told[i] != reg->id;
	if (!wanted)
		return false;
	if (!there) {
		if (!restore->arch->reg_needless(reg->id, value))
			reg_misfit(restore, reg->id, value, NULL, "there is no such register");
		return false;
	}
	if (!memcmp(there, value, size) && restore->arch->reg_phase(reg->id) != STATE_PHASE_LAST)
		return true;
	if (restore->arch->reg_clearer && restore->arch->reg_clearer(reg->id))
		entry_add(vcpu, restore->arch->reg_clearer(reg->id), &ones, NULL);
	entry_add(vcpu, reg->id, value, there);
	return true;
}

static void regs_restore(struct vcpu_restore *vcpu, unsigned int phase)
{
	const struct state_unit *saved = vcpu->saved;

	vcpu->count = 0;
	for (size_t i = 0, at = 0; i < saved->reg_count; i++) {
		size_t room = state_value_room(saved->regs[i].id);

		if (vcpu->restore->arch->reg_phase(saved->regs[i].id) == phase)
			vcpu->wanted[i] = reg_note(vcpu, &saved->regs[i], vcpu->values + at);
		at += room;
		if (vcpu->count >= MOST - 1)
			set_chunk(vcpu), vcpu->count = 0;
	}
	set_chunk(vcpu);
}

/* Some values are taken and dropped without a word. */
static int regs_verify(struct vcpu_restore *vcpu)
{
	const struct state_unit *saved = vcpu->saved;
	int error = state_regs_get(vcpu->fd, &vcpu->there);

	for (size_t i = 0, at = 0; i < saved->reg_count && !error; i++) {
		uint64_t id = saved->regs[i].id;
		const void *there = vcpu->wanted[i] && vcpu->restore->arch->reg_stays(id) ? state_unit_find_reg(&vcpu->there, id) : NULL;

		if (there && memcmp(there, vcpu->values + at, anykvm_reg_size(id)))
			reg_misfit(vcpu->restore, id, vcpu->values + at, there, "the value is accepted and not kept");
		at += state_value_room(id);
	}
	return error;
}

/* ---- Units. ---- */

static void prepare_tell(void *context, uint64_t id, const char *rule)
{
	struct vcpu_restore *vcpu = context;
	uint8_t there[ANYKVM_REG_SIZE_MAX];

	if (vcpu->told_count < sizeof vcpu->told / sizeof *vcpu->told)
		vcpu->told[vcpu->told_count++] = id;
	reg_misfit(vcpu->restore, id, state_unit_find_reg(vcpu->saved, id), anykvm_reg_get(vcpu->fd, id, there) ? NULL : there, rule);
}

static void parts_restore(struct restore *restore, int fd, const struct state_unit *unit, unsigned int phase, int (*set)(int, const struct anykvm_state_part *))
{
	for (size_t i = 0; i < unit->part_count; i++) {
		const struct anykvm_state_part *part = &unit->parts[i];
		bool unequal;

		if (restore->arch->part_phase(part->name) != phase)
			continue;
		/* Of a part as a whole only `ignore` is of use. */
		if (policy_apply(restore->policy, part->name, (uint8_t[1]){ 0 }, 1, NULL, &unequal) && set(fd, part) &&
		    !(restore->arch->part_needless && restore->arch->part_needless(restore->state, part->name)))
			misfit(restore, part->name, "", part->bytes, part->size, NULL, last_reason());
	}
}

static int vcpu_restore(struct restore *restore, int vm, int fd, const struct state_unit *saved)
{
	struct vcpu_restore vcpu = { .restore = restore, .fd = fd, .saved = saved };
	size_t total = 0;
	int error;

	for (size_t i = 0; i < saved->reg_count; i++)
		total += state_value_room(saved->regs[i].id);
	vcpu.regs = calloc(MOST, sizeof *vcpu.regs);
	vcpu.theres = calloc(MOST, sizeof *vcpu.theres);
	vcpu.values = calloc(1, total + 1);
	vcpu.wanted = calloc(saved->reg_count + 1, sizeof *vcpu.wanted);
	error = vcpu.regs && vcpu.theres && vcpu.values && vcpu.wanted ? 0 : -ENOMEM;
	if (!error && restore->arch->vcpu_prepare)
		error = restore->arch->vcpu_prepare(vm, fd, saved, prepare_tell, &vcpu);
	if (!error)
		parts_restore(restore, fd, saved, STATE_PHASE_FIRST, restore->arch->vcpu_part_set);
	if (!error)
		error = there_find(&vcpu);
	for (unsigned int phase = STATE_PHASE_REGS; phase < STATE_PHASES && !error; phase++) {
		parts_restore(restore, fd, saved, phase, restore->arch->vcpu_part_set);
		regs_restore(&vcpu, phase);
	}
	if (!error && restore->arch->reg_stays)
		error = regs_verify(&vcpu);
	free(vcpu.wanted);
	free(vcpu.regs);
	free(vcpu.theres);
	free(vcpu.values);
	free(vcpu.there.regs);
	free(vcpu.there.values);
	return error;
}

/* Everything that fits. 0 or -errno; misfits are no errors here. */
static int state_apply(struct restore *restore, const struct anykvm_state *state, int vm, const int *vcpus)
{
	int error = 0;

	restore->unit = ANYKVM_STATE_VM;
	if (vm >= 0)
		parts_restore(restore, vm, &state->vm, STATE_PHASE_FIRST, restore->arch->vm_part_set);
	for (size_t i = 0; i < state->vcpu_count && !error; i++) {
		restore->unit = (int)i;
		error = vcpu_restore(restore, vm, vcpus[i], &state->vcpus[i]);
	}
	restore->unit = ANYKVM_STATE_VM;
	if (!error && vm >= 0)
		parts_restore(restore, vm, &state->vm, STATE_PHASE_TIMERS, restore->arch->vm_part_set);
	for (size_t i = 0; i < state->vcpu_count && !error; i++) {
		restore->unit = (int)i;
		parts_restore(restore, vcpus[i], &state->vcpus[i], STATE_PHASE_AFTER, restore->arch->vcpu_part_set);
	}
	return error;
}

/* ---- Rehearsals. ---- */

/* A VM with vCPUs that could take the state. */
static int vm_make(const struct state_arch *arch, const struct anykvm_state *state, int system, int *vm, int *vcpus)
{
	int error;

	*vm = anykvm_ioctl(system, KVM_CREATE_VM, NULL);
	if (*vm < 0)
		return -errno;
	error = arch->vm_prepare ? arch->vm_prepare(state, *vm) : 0;
	for (size_t i = 0; i < state->vcpu_count && !error; i++) {
		vcpus[i] = anykvm_ioctl(*vm, KVM_CREATE_VCPU, (void *)i);
		error = vcpus[i] < 0 ? -errno : 0;
	}
	return error;
}

static int rehearse(struct restore *restore, const struct anykvm_state *state, int system)
{
	int *vcpus = calloc(state->vcpu_count + 1, sizeof *vcpus), vm = -1, error = vcpus ? 0 : -ENOMEM;

	for (size_t i = 0; vcpus && i < state->vcpu_count; i++)
		vcpus[i] = -1;
	if (!error)
		error = vm_make(restore->arch, state, system, &vm, vcpus);
	if (!error)
		error = state_apply(restore, state, vm, vcpus);
	for (size_t i = 0; vcpus && i < state->vcpu_count; i++)
		if (vcpus[i] >= 0)
			anykvm_close(vcpus[i]);
	if (vm >= 0)
		anykvm_close(vm);
	free(vcpus);
	return error;
}

/* What the guest has been told (CPUID), against what this KVM supports. */
static void features_check(struct restore *restore, const struct anykvm_state *state, int system)
{
	struct anykvm_profile *profile;

	if (!restore->arch->features_check)
		return;
	profile = anykvm_profile_take(system);
	for (size_t i = 0; profile && i < state->vcpu_count; i++) {
		size_t before = anykvm_report_count(restore->report);

		restore->arch->features_check(&state->vcpus[i], (int)i, profile->cpuid, restore->policy, restore->report);
		restore->misfits += anykvm_report_count(restore->report) - before;
	}
	anykvm_profile_free(profile);
}

/* The state as the policy wants its parts; NULL: no memory. */
static struct anykvm_state *state_wanted(const struct state_arch *arch, const struct anykvm_state *state, const struct anykvm_policy *policy)
{
	struct anykvm_state *wanted = state_copy(state);

	for (size_t i = 0; wanted && policy && arch->part_policy && i < wanted->vcpu_count; i++)
		for (size_t k = 0; k < wanted->vcpus[i].part_count; k++)
			arch->part_policy(&wanted->vcpus[i].parts[k], policy);
	return wanted;
}

/* A rehearsal has no memory. */
static void memory_parts_drop(const struct state_arch *arch, struct state_unit *unit)
{
	size_t left = 0;

	for (size_t i = 0; i < unit->part_count; i++) {
		if (arch->part_needs_memory && arch->part_needs_memory(unit->parts[i].name))
			free(unit->parts[i].bytes);
		else
			unit->parts[left++] = unit->parts[i];
	}
	unit->part_count = left;
}

static int check(struct restore *restore, const struct anykvm_state *state, int system)
{
	struct anykvm_state *wanted = state_wanted(restore->arch, state, restore->policy);
	int error = wanted ? 0 : -ENOMEM;

	if (!error) {
		features_check(restore, wanted, system);
		memory_parts_drop(restore->arch, &wanted->vm);
		for (size_t i = 0; i < wanted->vcpu_count; i++)
			memory_parts_drop(restore->arch, &wanted->vcpus[i]);
		error = rehearse(restore, wanted, system);
	}
	anykvm_state_free(wanted);
	return error;
}

PUBLIC int anykvm_state_check(const struct anykvm_state *state, int system, const struct anykvm_policy *policy, struct anykvm_report *report)
{
	struct restore restore = { .arch = state_arch_find(state->arch), .state = state, .policy = policy, .report = report };
	int error;

	if (!restore.arch || anykvm_arch(system) != state->arch)
		return state_fail(-EINVAL, "the state is of %s vCPUs", anykvm_arch_name(state->arch));
	error = check(&restore, state, system);
	if (error) {
		errno = -error;
		return -1;
	}
	return (int)restore.misfits;
}

/* ---- Restoring. ---- */

static int misfits_fail(const struct anykvm_report *report, size_t misfits)
{
	const struct anykvm_misfit *first = anykvm_report_at(report, 0);

	if (!first)
		return state_fail(-EINVAL, "%zu values do not fit", misfits);
	return state_fail(-EINVAL, "%zu value%s not fit; the first: %s%s%s: %s", misfits, misfits == 1 ? " does" : "s do", first->name,
			  *first->field ? ": " : "", first->field, first->rule);
}

/* It will be told when the registers are looked at. */
static void prepare_ignore(void *context, uint64_t id, const char *rule)
{
	(void)context, (void)id, (void)rule;
}

/* All of it or, unless `partly`, nothing. */
static int apply_or_undo(struct restore *restore, const struct anykvm_state *state, int vm, const int *vcpus, bool partly)
{
	struct anykvm_state *wanted = state_wanted(restore->arch, state, restore->policy), *before = NULL;
	int error = wanted ? 0 : -ENOMEM;

	/* What has no registers yet has no state to go back to either. */
	for (size_t i = 0; i < state->vcpu_count && !error && !partly && restore->arch->vcpu_prepare; i++)
		error = restore->arch->vcpu_prepare(vm, vcpus[i], &wanted->vcpus[i], prepare_ignore, NULL);
	if (!error && !partly) {
		before = anykvm_state_capture(vm, vcpus, state->vcpu_count);
		error = before ? 0 : -errno;
	}

	if (!error)
		error = state_apply(restore, wanted, vm, vcpus);
	if (before && (error || restore->misfits)) {
		struct restore back = { .arch = restore->arch, .state = before };

		state_apply(&back, before, vm, vcpus);
	}
	anykvm_state_free(wanted);
	anykvm_state_free(before);
	return error;
}

static int restore_all(struct restore *restore, const struct anykvm_state *state, int vm, const int *vcpus, unsigned int flags)
{
	bool partly = flags & ANYKVM_RESTORE_BEST_EFFORT;
	int system, error = 0;

	if (!(flags & ANYKVM_RESTORE_UNREHEARSED) && !partly) {
		system = anykvm_open_accel((enum anykvm_accel)anykvm_accel(vcpus[0]), state->arch, O_CLOEXEC);
		if (system < 0)
			return -1;
		error = check(restore, state, system);
		anykvm_close(system);
	}
	if (!error && !restore->misfits)
		error = apply_or_undo(restore, state, vm, vcpus, partly);
	if (error) {
		errno = -error;
		return -1;
	}
	return restore->misfits && !partly ? misfits_fail(restore->report, restore->misfits) : 0;
}

PUBLIC int anykvm_state_restore(const struct anykvm_state *state, int vm, const int *vcpus, size_t count, const struct anykvm_policy *policy,
				unsigned int flags, struct anykvm_report *report)
{
	struct anykvm_report *own = report ? NULL : anykvm_report_new();
	struct restore restore = { .arch = state_arch_find(state->arch), .state = state, .policy = policy, .report = report ? report : own };
	int result;

	if (!restore.arch || !count || anykvm_arch(vcpus[0]) != state->arch)
		result = state_fail(-EINVAL, "the state is of %s vCPUs", anykvm_arch_name(state->arch));
	else if (count != state->vcpu_count)
		result = state_fail(-EINVAL, "the state has %zu vCPUs, not %zu", state->vcpu_count, count);
	else
		result = restore_all(&restore, state, vm, vcpus, flags);
	anykvm_report_free(own);
	return result;
}
