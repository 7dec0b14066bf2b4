/*
 * Profiles: what a KVM can hold, as a small text that travels. A register's line says its value in a fresh vCPU and whether it takes others.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "anykvm/kvm.h"
#include "core/why.h"
#include "state/state.h"

#define FIRST_LINE "anykvm-profile 1"

PUBLIC void anykvm_profile_free(struct anykvm_profile *profile)
{
	if (!profile)
		return;
	free(profile->regs);
	free(profile->cpuid);
	free(profile);
}

const struct profile_reg *profile_reg_find(const struct anykvm_profile *profile, uint64_t id)
{
	for (size_t i = 0; i < profile->reg_count; i++)
		if (profile->regs[i].id == id)
			return &profile->regs[i];
	return NULL;
}

/* ---- Taking. ---- */

/* A register that does not even take its own value has a fixed one. */
static void reg_try(int vcpu, struct profile_reg *reg)
{
	uint8_t value[ANYKVM_REG_SIZE_MAX] = { 0 };
	size_t size = anykvm_reg_size(reg->id);

	if (anykvm_reg_get(vcpu, reg->id, value))
		return;
	memcpy(reg->value, value, size < sizeof reg->value ? size : sizeof reg->value);
	reg->fixed = anykvm_reg_set(vcpu, reg->id, value);
}

static int regs_take(const struct state_arch *arch, int vcpu, struct anykvm_profile *profile)
{
	uint64_t *ids;
	int listed = state_reg_ids(vcpu, &ids);

	if (listed < 0)
		return listed;
	profile->regs = calloc((size_t)listed + 1, sizeof *profile->regs);
	for (int i = 0; profile->regs && i < listed; i++) {
		if (!arch->reg_wanted(ids[i]))
			continue;
		profile->regs[profile->reg_count].id = ids[i];
		reg_try(vcpu, &profile->regs[profile->reg_count++]);
	}
	free(ids);
	return profile->regs ? 0 : -ENOMEM;
}

PUBLIC struct anykvm_profile *anykvm_profile_take(int system)
{
	const struct state_arch *arch = state_arch_find(anykvm_arch(system));
	struct anykvm_profile *profile = calloc(1, sizeof *profile);
	int vm = -1, vcpu = -1, error = profile ? 0 : -ENOMEM;

	if (!error && !arch)
		error = -ENOTSUP;
	if (!error && (vm = anykvm_ioctl(system, KVM_CREATE_VM, NULL)) < 0)
		error = -errno;
	if (!error && (vcpu = anykvm_ioctl(vm, KVM_CREATE_VCPU, NULL)) < 0)
		error = -errno;
	if (!error) {
		profile->arch = arch->arch;
		state_origin(system, profile->origin);
		error = arch->profile_begin(system, vm, vcpu, profile);
	}
	if (!error)
		error = regs_take(arch, vcpu, profile);
	if (!error && arch->profile_refine)
		arch->profile_refine(vm, vcpu, profile);
	if (vcpu >= 0)
		anykvm_close(vcpu);
	if (vm >= 0)
		anykvm_close(vm);
	if (!error)
		return profile;
	anykvm_profile_free(profile);
	errno = -error;
	return NULL;
}

/* ---- Text. ---- */

PUBLIC char *anykvm_profile_print(const struct anykvm_profile *profile)
{
	char *text = NULL, value[ANYKVM_VALUE_ROOM], name[ANYKVM_REG_NAME_ROOM];
	size_t size;
	const struct state_arch *arch = state_arch_find(profile->arch);
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	fprintf(to, FIRST_LINE "\n# what a KVM can hold: registers with their values in a fresh vCPU; see anykvm-profile(5)\narch %s\norigin %s\n",
		anykvm_arch_name(profile->arch), profile->origin);
	if (arch && arch->profile_print)
		arch->profile_print(to, profile);
	for (size_t i = 0; i < profile->reg_count; i++) {
		const struct profile_reg *reg = &profile->regs[i];
		size_t bytes = anykvm_reg_size(reg->id);

		state_reg_name(reg->id, name);
		state_value_print(reg->value, bytes < sizeof reg->value ? bytes : sizeof reg->value, value);
		fprintf(to, "reg 0x%016llx %s", (unsigned long long)reg->id, value);
		if (reg->fixed && reg->writable)
			fprintf(to, " writable 0x%llx", (unsigned long long)reg->writable);
		else if (reg->fixed)
			fputs(" fixed", to);
		fprintf(to, " # %s\n", name);
	}
	if (fclose(to)) {
		free(text);
		return NULL;
	}
	return text;
}

static bool reg_line(struct anykvm_profile *profile, const char *line)
{
	struct profile_reg reg = { 0 }, *grown;
	char value[ANYKVM_VALUE_ROOM], word[16] = "";
	unsigned long long id, writable = 0;
	int words = sscanf(line, "reg %llx %200s %15s %llx", &id, value, word, &writable);
	size_t bytes;

	_Static_assert(ANYKVM_VALUE_ROOM > 200, "the width above");
	if (words < 2 || profile->reg_count == STATE_REGS_MAX)
		return false;
	reg.id = id;
	bytes = anykvm_reg_size(id);
	if (!bytes || (id & KVM_REG_ARCH_MASK) != profile->arch || anykvm_value_parse(value, reg.value, bytes < sizeof reg.value ? bytes : sizeof reg.value))
		return false;
	reg.fixed = !strcmp(word, "fixed") || !strcmp(word, "writable");
	reg.writable = strcmp(word, "writable") ? 0 : writable;
	grown = realloc(profile->regs, (profile->reg_count + 1) * sizeof *grown);
	if (!grown)
		return false;
	profile->regs = grown;
	profile->regs[profile->reg_count++] = reg;
	return true;
}

static bool line_parse(struct anykvm_profile *profile, char *line)
{
	const struct state_arch *arch = state_arch_find(profile->arch);

	if (!*line || *line == '#')
		return true;
	if (!strncmp(line, "arch ", 5))
		return (profile->arch = anykvm_arch_parse(line + 5)) != 0;
	if (!strncmp(line, "origin ", 7)) {
		snprintf(profile->origin, sizeof profile->origin, "%s", line + 7);
		return true;
	}
	if (!profile->arch)
		return false;
	return !strncmp(line, "reg ", 4) ? reg_line(profile, line) : arch && arch->profile_line && arch->profile_line(profile, line);
}

PUBLIC struct anykvm_profile *anykvm_profile_parse(const char *text)
{
	struct anykvm_profile *profile = calloc(1, sizeof *profile);
	char *copy = strdup(text), *rest = copy, *line;
	unsigned int number = 0;
	int error = profile && copy ? 0 : -ENOMEM;

	api_begin(0);
	while (!error && (line = strsep(&rest, "\n"))) {
		number++;
		if (number == 1 ? strcmp(line, FIRST_LINE) != 0 : !line_parse(profile, line))
			error = why(-EINVAL, number == 1 ? "line %u: this is no profile of version 1" : "line %u makes no sense", number);
	}
	if (!error && !profile->arch)
		error = why(-EINVAL, "no line says the architecture");
	free(copy);
	if (!error)
		return profile;
	anykvm_profile_free(profile);
	api_end(error);
	return NULL;
}

/* ---- Checking. ---- */

static void reg_check(int vcpu, const struct state_arch *arch, const struct anykvm_state_reg *saved,
		      const struct anykvm_profile *profile, const struct anykvm_policy *policy, struct anykvm_report *report)
{
	const struct profile_reg *reg = profile_reg_find(profile, saved->id);
	char name[ANYKVM_REG_NAME_ROOM], saved_text[ANYKVM_VALUE_ROOM], possible[ANYKVM_VALUE_ROOM] = "", remedy[ANYKVM_REG_NAME_ROOM + 16], field[512] = "";
	uint8_t value[ANYKVM_REG_SIZE_MAX];
	size_t size = anykvm_reg_size(saved->id), known = size < sizeof reg->value ? size : sizeof reg->value;
	const char *rule = NULL;
	bool unequal;

	state_reg_name(saved->id, name);
	memcpy(value, saved->value, size);
	if (!policy_apply(policy, name, value, size, reg && known == size ? reg->value : NULL, &unequal) && !unequal)
		return;
	if (unequal)
		rule = "the policy requires it to be equal";
	else if (!reg && !(arch && arch->reg_needless && arch->reg_needless(saved->id, value)))
		rule = "there is no such register";
	else if (reg && arch && arch->reg_misfit)
		rule = arch->reg_misfit(saved->id, value, reg);
	if (!rule && reg && reg->fixed && !reg->writable && memcmp(value, reg->value, known))
		rule = "it has a fixed value there";
	else if (!rule && reg && reg->fixed && reg->writable && size <= sizeof reg->writable) {
		uint64_t saved64 = 0, there64 = 0, fits;

		memcpy(&saved64, value, size);
		memcpy(&there64, reg->value, size);
		fits = (saved64 & reg->writable) | (there64 & ~reg->writable);
		if (fits != saved64)
			rule = "fields that are fixed there differ";
		state_value_print(&fits, size, possible);
	}
	if (!rule)
		return;
	state_value_print(value, size, saved_text);
	if (reg && !*possible)
		state_value_print(reg->value, known, possible);
	if (reg) {
		uint8_t there[ANYKVM_REG_SIZE_MAX] = { 0 };

		memcpy(there, reg->value, known);
		anykvm_reg_explain_difference(saved->id, value, there, field, sizeof field);
	}
	snprintf(remedy, sizeof remedy, "ignore %s", name);
	report_add(report, (struct anykvm_misfit){ .vcpu = vcpu, .name = name, .field = field, .saved = saved_text, .possible = possible, .rule = rule, .remedy = remedy });
}

PUBLIC int anykvm_state_check_profile(const struct anykvm_state *state, const struct anykvm_profile *profile, const struct anykvm_policy *policy,
				      struct anykvm_report *report)
{
	const struct state_arch *arch = state_arch_find(state->arch);
	size_t before = anykvm_report_count(report);

	if (profile->arch != state->arch)
		return state_fail(-EINVAL, "the state is of %s vCPUs, the profile of %s", anykvm_arch_name(state->arch), anykvm_arch_name(profile->arch));
	for (size_t i = 0; i < state->vcpu_count; i++) {
		if (arch && arch->features_check)
			arch->features_check(&state->vcpus[i], (int)i, profile->cpuid, policy, report);
		for (size_t k = 0; k < state->vcpus[i].reg_count; k++)
			reg_check((int)i, arch, &state->vcpus[i].regs[k], profile, policy, report);
	}
	return (int)(anykvm_report_count(report) - before);
}
