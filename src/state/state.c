/*
 * The state object: registers and parts of vCPUs, the VM's parts, references to memory.
 */
#include "state/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/why.h"

static const struct state_arch *const arches[] = {
#ifdef __x86_64__
	&state_x86,
#endif
	&state_arm64,
};

const struct state_arch *state_arch_find(uint64_t arch)
{
	for (size_t i = 0; i < sizeof arches / sizeof *arches; i++)
		if (arches[i]->arch == arch)
			return arches[i];
	return NULL;
}

/* ---- Making and freeing. ---- */

struct anykvm_state *state_new(uint64_t arch, size_t vcpus)
{
	struct anykvm_state *state = calloc(1, sizeof *state);

	if (!state)
		return NULL;
	state->arch = arch;
	state->vcpus = calloc(vcpus ? vcpus : 1, sizeof *state->vcpus);
	if (!state->vcpus) {
		free(state);
		return NULL;
	}
	state->vcpu_count = vcpus;
	return state;
}

static void unit_free(struct state_unit *unit)
{
	for (size_t i = 0; i < unit->part_count; i++)
		free(unit->parts[i].bytes);
	free(unit->regs);
	free(unit->values);
}

PUBLIC void anykvm_state_free(struct anykvm_state *state)
{
	if (!state)
		return;
	for (size_t i = 0; i < state->vcpu_count; i++)
		unit_free(&state->vcpus[i]);
	for (size_t i = 0; state->memory_owned && i < state->memory_count; i++)
		munmap(state->memory[i].host, state->memory[i].size);
	unit_free(&state->vm);
	free(state->vcpus);
	free(state->memory);
	free(state);
}

size_t state_value_room(uint64_t id)
{
	return (anykvm_reg_size(id) + 7) & ~(size_t)7;
}

int state_unit_regs(struct state_unit *unit, const uint64_t *ids, size_t count)
{
	size_t total = 0, at = 0;

	for (size_t i = 0; i < count; i++)
		total += state_value_room(ids[i]);
	unit->regs = calloc(count ? count : 1, sizeof *unit->regs);
	unit->values = calloc(1, total ? total : 1);
	if (!unit->regs || !unit->values)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		unit->regs[i] = (struct anykvm_state_reg){ ids[i], unit->values + at };
		at += state_value_room(ids[i]);
	}
	unit->reg_count = count;
	return 0;
}

struct anykvm_state_part *state_unit_part(struct state_unit *unit, const char *name, size_t size)
{
	struct anykvm_state_part *part = &unit->parts[unit->part_count];

	if (unit->part_count == STATE_PARTS_MAX)
		return NULL;
	part->bytes = calloc(1, size ? size : 1);
	if (!part->bytes)
		return NULL;
	part->size = size;
	snprintf(part->name, sizeof part->name, "%s", name);
	unit->part_count++;
	return part;
}

static int unit_copy(struct state_unit *to, const struct state_unit *from)
{
	uint64_t *ids = calloc(from->reg_count + 1, sizeof *ids);
	int error = ids ? 0 : -ENOMEM;

	for (size_t i = 0; !error && i < from->reg_count; i++)
		ids[i] = from->regs[i].id;
	if (!error)
		error = state_unit_regs(to, ids, from->reg_count);
	for (size_t i = 0; !error && i < from->reg_count; i++)
		memcpy(to->regs[i].value, from->regs[i].value, anykvm_reg_size(ids[i]));
	for (size_t i = 0; !error && i < from->part_count; i++) {
		struct anykvm_state_part *part = state_unit_part(to, from->parts[i].name, from->parts[i].size);

		if (part)
			memcpy(part->bytes, from->parts[i].bytes, part->size);
		else
			error = -ENOMEM;
	}
	free(ids);
	return error;
}

struct anykvm_state *state_copy(const struct anykvm_state *state)
{
	struct anykvm_state *copy = state_new(state->arch, state->vcpu_count);
	int error = copy ? unit_copy(&copy->vm, &state->vm) : -ENOMEM;

	for (size_t i = 0; !error && i < state->vcpu_count; i++)
		error = unit_copy(&copy->vcpus[i], &state->vcpus[i]);
	if (!error) {
		memcpy(copy->origin, state->origin, sizeof copy->origin);
		return copy;
	}
	anykvm_state_free(copy);
	return NULL;
}

PUBLIC int anykvm_state_memory_add(struct anykvm_state *state, const struct anykvm_state_memory *memory)
{
	struct anykvm_state_memory *grown;

	if (state->memory_owned || state->memory_count == STATE_MEMORY_MAX || !memory->size || (memory->address | memory->size) & 0xfff ||
	    memory->address + memory->size - 1 < memory->address) {
		errno = EINVAL;
		return -1;
	}
	grown = realloc(state->memory, (state->memory_count + 1) * sizeof *grown);
	if (!grown)
		return -1;
	state->memory = grown;
	state->memory[state->memory_count++] = *memory;
	return 0;
}

/* ---- Looking. ---- */

PUBLIC uint64_t anykvm_state_arch(const struct anykvm_state *state)
{
	return state->arch;
}

PUBLIC const char *anykvm_state_origin(const struct anykvm_state *state)
{
	return state->origin;
}

PUBLIC size_t anykvm_state_vcpus(const struct anykvm_state *state)
{
	return state->vcpu_count;
}

PUBLIC struct anykvm_state_reg *anykvm_state_regs(const struct anykvm_state *state, size_t vcpu, size_t *count)
{
	*count = vcpu < state->vcpu_count ? state->vcpus[vcpu].reg_count : 0;
	return *count ? state->vcpus[vcpu].regs : NULL;
}

void *state_unit_find_reg(const struct state_unit *unit, uint64_t id)
{
	for (size_t i = 0; i < unit->reg_count; i++)
		if (unit->regs[i].id == id)
			return unit->regs[i].value;
	return NULL;
}

uint64_t state_unit_value(const struct state_unit *unit, uint64_t id)
{
	const uint64_t *value = state_unit_find_reg(unit, id);

	return value ? *value : 0;
}

PUBLIC void *anykvm_state_reg(const struct anykvm_state *state, size_t vcpu, uint64_t id)
{
	return vcpu < state->vcpu_count ? state_unit_find_reg(&state->vcpus[vcpu], id) : NULL;
}

PUBLIC struct anykvm_state_part *anykvm_state_parts(const struct anykvm_state *state, int vcpu, size_t *count)
{
	const struct state_unit *unit = vcpu < 0 ? &state->vm : (size_t)vcpu < state->vcpu_count ? &state->vcpus[vcpu] : NULL;

	*count = unit ? unit->part_count : 0;
	return *count ? (struct anykvm_state_part *)unit->parts : NULL;
}

struct anykvm_state_part *state_unit_find_part(const struct state_unit *unit, const char *name)
{
	for (size_t i = 0; i < unit->part_count; i++)
		if (!strcmp(unit->parts[i].name, name))
			return (struct anykvm_state_part *)&unit->parts[i];
	return NULL;
}

PUBLIC const struct anykvm_state_memory *anykvm_state_memory(const struct anykvm_state *state, size_t *count)
{
	*count = state->memory_count;
	return state->memory;
}

/* ---- Texts. ---- */

void state_reg_name(uint64_t id, char name[static ANYKVM_REG_NAME_ROOM])
{
	if (anykvm_reg_name(id, name, ANYKVM_REG_NAME_ROOM))
		snprintf(name, ANYKVM_REG_NAME_ROOM, "0x%016llx", (unsigned long long)id);
}

void state_value_print(const void *value, size_t size, char text[static ANYKVM_VALUE_ROOM])
{
	if (!value)
		*text = 0;
	else if (anykvm_value_print(value, size, text, ANYKVM_VALUE_ROOM))
		snprintf(text, ANYKVM_VALUE_ROOM, "(%zu bytes)", size);
}
