/*
 * Plans: from the ids of a call to families, MSRs and places.
 */
#include "x86/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/why.h"

void x86_state_begin(struct x86_state *state, uint8_t *xsave)
{
	state->have = state->changed = 0;
	state->paging_written = state->pdptrs_written = state->efer_msr_written = state->xstate_bv_written = false;
	state->components_written = 0;
	state->events_written = 0;
	state->xsave = xsave;
}

/* ---- Reading. ---- */

void x86_plan_free(struct x86_plan *plan)
{
	free(plan->entries);
	*plan = (struct x86_plan){ 0 };
}

static bool plan_room(struct x86_plan *plan, uint32_t count)
{
	uint8_t *memory;

	if (count <= plan->room)
		return true;
	x86_plan_free(plan);
	memory = malloc(count * (sizeof *plan->entries + sizeof *plan->parts + sizeof *plan->msrs + sizeof *plan->kvms));
	if (!memory)
		return false;
	plan->entries = (struct register_entry *)memory;
	plan->parts = (struct x86_part *)(plan->entries + count);
	plan->msrs = (struct x86_single *)(plan->parts + count);
	plan->kvms = plan->msrs + count;
	plan->room = count;
	return true;
}

static const void *single_add(struct x86_single *singles, uint32_t *count, uint64_t id, uint32_t at)
{
	struct x86_single *single = &singles[(*count)++];

	*single = (struct x86_single){ .id = id, .at = at };
	return &single->value;
}

static const void *part_add(struct x86_plan *plan, const struct x86_register *row, uint32_t at)
{
	struct x86_part *part = &plan->parts[plan->part_count++];

	part->row = row;
	part->at = at;
	return part->value;
}

static int entry_plan(struct x86_plan *plan, const struct x86_state *state, uint64_t id, uint32_t at, x86_place_fn *place, void *context)
{
	int error = 0;
	const struct x86_register *row = x86_register_find(id, &error);
	const void *value;

	if (!row)
		return error;
	if (row->family < FAMILIES)
		plan->families |= 1u << row->family;
	value = place(context, id, row);
	if (!value && row->place == PLACE_MSR)
		value = single_add(plan->msrs, &plan->msr_count, id, at);
	else if (!value && row->place == PLACE_KVM)
		value = single_add(plan->kvms, &plan->kvm_count, id, at);
	else if (!value && row->place == PLACE_PLAIN)
		value = (const uint8_t *)state + row->offset;
	else if (!value)
		value = part_add(plan, row, at);
	plan->entries[at] = (struct register_entry){ .id = id, .value = value, .size = x86_register_size(row) };
	return 0;
}

int x86_plan_make(struct x86_plan *plan, const struct x86_state *state, struct register_batch *batch, x86_place_fn *place, void *context)
{
	plan->count = plan->part_count = plan->msr_count = plan->kvm_count = plan->families = 0;
	if (!plan_room(plan, batch->count))
		return -ENOMEM;
	for (uint32_t i = 0; i < batch->count; i++) {
		int error = entry_plan(plan, state, batch->regs[i].id, i, place, context);

		if (error) {
			batch->at = i;
			return error;
		}
	}
	plan->count = batch->count;
	return 0;
}

int x86_plan_parts(struct x86_plan *plan, const struct x86_state *state, struct register_batch *batch)
{
	for (uint32_t i = 0; i < plan->part_count; i++) {
		struct x86_part *part = &plan->parts[i];
		const void *value = x86_register_read(state, part->row, part->value);

		if (!value) {
			batch->at = part->at;
			return why(-ENOENT, "the vCPU has no such register now");
		}
		if (value != part->value)
			memcpy(part->value, value, x86_register_size(part->row));
	}
	return 0;
}

/* ---- Setting. ---- */

static int family_need(struct x86_set *set, uint32_t family)
{
	return set->state->have >> family & 1 ? 0 : set->fetch(set->context, family);
}

/* Its write does something outside the vCPU's registers (sends an interrupt, ends one): such registers go alone. */
static bool msr_acts(uint32_t index)
{
	return index - 0x800 < 0x100;
}

static int msr_note(struct x86_set *set, uint32_t at, uint32_t index, const void *bytes)
{
	uint64_t value;
	int error;

	memcpy(&value, bytes, sizeof value);
	if (set->batch->count > 1 && msr_acts(index))
		return why(-EINVAL, "an x2APIC register acts when it is written: only alone");
	if (set->batch->count > 1 && x86_msr_alias_family(index) != FAMILY_MSR) {
		error = family_need(set, x86_msr_alias_family(index));
		if (!error)
			x86_msr_alias_write(set->state, index, value);
		return error;
	}
	set->msrs[set->msr_count++] = (struct x86_msr){ index, at, value };
	return 0;
}

static int entry_note(struct x86_set *set, uint32_t at)
{
	const struct register_entry *entry = &set->batch->entries[at];
	const struct x86_register *row;
	int error;

	row = x86_register_find(entry->id, &error);
	if (!row)
		return error;
	if (row->place == PLACE_MSR)
		return msr_note(set, at, (uint32_t)entry->id, entry->value);
	if (row->place == PLACE_KVM) {
		set->kvm = entry;
		return set->batch->count > 1 ? why(-EINVAL, "only alone") : 0;
	}
	error = family_need(set, row->family);
	return error ? error : x86_register_write(set->state, row, entry->value);
}

/* Of an MSR that stands several times the last value counts: the others go. */
static void msrs_unite(struct x86_set *set)
{
	enum { SLOTS = 2 * REGISTERS_MAX };
	uint16_t slots[SLOTS]; /* places in `msrs`, + 1 */
	uint32_t kept = 0;

	if (set->msr_count < 2)
		return;
	memset(slots, 0, sizeof slots);
	for (uint32_t i = 0; i < set->msr_count; i++) {
		struct x86_msr msr = set->msrs[i];
		uint32_t slot = (msr.index * 0x9e3779b1u >> 16) % SLOTS;

		while (slots[slot] && set->msrs[slots[slot] - 1].index != msr.index)
			slot = (slot + 1) % SLOTS;
		if (!slots[slot])
			slots[slot] = (uint16_t)++kept;
		set->msrs[slots[slot] - 1] = msr;
	}
	set->msr_count = kept;
}

/* The counter goes on meanwhile: it is set last. */
static void tsc_to_end(struct x86_set *set)
{
	for (uint32_t i = 0; i + 1 < set->msr_count; i++) {
		struct x86_msr msr = set->msrs[i];

		if (msr.index != MSR_TSC)
			continue;
		set->msrs[i] = set->msrs[set->msr_count - 1];
		set->msrs[set->msr_count - 1] = msr;
		return;
	}
}

int x86_set_note(struct x86_set *set, struct register_batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		int error = entry_note(set, i);

		if (error) {
			batch->at = i;
			return error;
		}
	}
	msrs_unite(set);
	tsc_to_end(set);
	x86_state_settle(set->state);
	return 0;
}
