/*
 * The software KVM's registers by id: the catalogue over the calls of this folder. A set is a transaction: the values go into a copy of what
 * the calls would show, and the copy goes back call by call, in an order that works; should one refuse, the vCPU is put back as it was.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/why.h"
#include "x86/catalogue.h"
#include "x86/cpu/fpu.h"
#include "x86/ioctl.h"
#include "x86/snapshot.h"

/* Where the components stand in struct x86_xsave. */
static void state_begin(struct x86_state *state, uint8_t *xsave)
{
	state->have = state->changed = 0;
	state->paging_written = state->pdptrs_written = state->efer_msr_written = state->xstate_bv_written = false;
	state->components_written = 0;
	state->events_written = 0;
	state->xsave = xsave;
	memset(state->xsave_at, 0, sizeof state->xsave_at);
	state->xsave_at[COMPONENT_AVX] = offsetof(struct x86_xsave, ymmh);
	state->xsave_at[COMPONENT_PKRU] = offsetof(struct x86_xsave, pkru);
}

/* One call's worth. */
static int family_get(struct x86_vcpu *cpu, struct x86_state *state, uint32_t family)
{
	int error = 0;

	switch (family) {
	case FAMILY_REGS: regs_get(cpu, &state->regs); break;
	case FAMILY_SREGS: sregs2_get(cpu, &state->sregs); break;
	case FAMILY_DEBUGREGS: debugregs_get(cpu, &state->debugregs); break;
	case FAMILY_XCRS: xcrs_get(cpu, &state->xcrs); break;
	case FAMILY_XSAVE: xsave_get(cpu, (struct kvm_xsave *)state->xsave); break;
	case FAMILY_EVENTS: events_get(cpu, &state->events); break;
	case FAMILY_MP_STATE: error = mp_state_get(cpu, &state->mp_state); break;
	case FAMILY_TSC_OFFSET: state->tsc_offset = tsc_offset_get(cpu); break;
	case FAMILY_TSC_KHZ: state->tsc_khz = tsc_khz_get(cpu); break;
	}
	state->have |= 1u << family;
	return error;
}

static int family_need(struct x86_vcpu *cpu, struct x86_state *state, uint32_t family)
{
	return __builtin_expect(state->have >> family & 1, 1) ? 0 : family_get(cpu, state, family);
}

/* KVM_REG_GUEST_SSP is there with CPUID's shadow stacks, which no guest has here. */
static int kvm_register_refuse(void)
{
	return why(-EINVAL, "the vCPU's CPUID has no shadow stacks");
}

/* ---- Reading: a plan says where each value is, or how it is put together; it stays good for the same ids. ---- */

static bool plan_room(struct register_plan *plan, uint32_t count)
{
	void *memory;

	if (count <= plan->room)
		return true;
	plan_free(plan);
	memory = malloc(count * (sizeof *plan->entries + sizeof *plan->parts));
	if (!memory)
		return false;
	plan->entries = memory;
	plan->parts = (struct register_part *)(plan->entries + count);
	plan->room = count;
	return true;
}

void plan_free(struct register_plan *plan)
{
	free(plan->entries);
	*plan = (struct register_plan){ 0 };
}

/* Where a value always is: in the vCPU, or in the state that the call's families are fetched into. NULL: nowhere. */
static const void *value_place(struct x86_vcpu *cpu, uint64_t id, const struct x86_register *row)
{
	switch (row->place) {
	case PLACE_PLAIN:
		return x86_register_read(&cpu->registers, row, NULL);
	case PLACE_XSAVE: /* KVM_GET_XSAVE's copy would be the same */
		return cpu->registers.xsave_at[row->component] || row->component <= COMPONENT_SSE ?
			       (uint8_t *)&cpu->xsave + cpu->registers.xsave_at[row->component] + row->offset : NULL;
	case PLACE_MSR:
		return msr_place(cpu, (uint32_t)id);
	default:
		return NULL;
	}
}

static int entry_plan(struct x86_vcpu *cpu, struct register_plan *plan, uint64_t id, uint32_t at)
{
	struct register_part *part;
	int error = 0;
	const struct x86_register *row = x86_register_find(id, &error);

	if (!row)
		return error;
	if (row->place == PLACE_KVM)
		return kvm_register_refuse();
	if (row->family < FAMILIES && row->family != FAMILY_XSAVE)
		plan->families |= 1u << row->family;
	plan->entries[at] = (struct register_entry){ .id = id, .value = value_place(cpu, id, row), .size = x86_register_size(row) };
	if (plan->entries[at].value)
		return 0;
	part = &plan->parts[plan->part_count++];
	part->row = row;
	part->at = at;
	plan->entries[at].value = part->value;
	return 0;
}

static bool plan_fits(const struct register_plan *plan, const struct register_batch *batch)
{
	uint64_t difference = 0;

	if (plan->count != batch->count)
		return false;
	for (uint32_t i = 0; i < batch->count; i++)
		difference |= plan->entries[i].id ^ batch->regs[i].id;
	return !difference;
}

static int plan_make(struct x86_vcpu *cpu, struct register_plan *plan, struct register_batch *batch)
{
	plan->count = plan->part_count = plan->families = 0;
	if (!plan_room(plan, batch->count))
		return -ENOMEM;
	for (uint32_t i = 0; i < batch->count; i++) {
		int error = entry_plan(cpu, plan, batch->regs[i].id, i);

		if (error) {
			batch->at = i;
			return error;
		}
	}
	plan->count = batch->count;
	return 0;
}

/* Unknown MSRs are EINVAL here, as in Linux 6.18. */
static int part_read(struct x86_vcpu *cpu, struct register_plan *plan, struct register_part *part)
{
	struct x86_state *state = &cpu->registers;
	const void *value;
	uint64_t number;

	if (part->row->place == PLACE_MSR) {
		if (msr_read(cpu, (uint32_t)plan->entries[part->at].id, true, &number))
			return -EINVAL;
		value = &number;
	} else if (part->row->place == PLACE_XSTATE_BV) {
		number = fpu_xstate_bv(cpu);
		value = &number;
	} else {
		value = x86_register_read(state, part->row, part->value);
	}
	if (!value)
		return why(-ENOENT, "the vCPU has no such register now");
	if (value != part->value)
		memcpy(part->value, value, x86_register_size(part->row));
	return 0;
}

static int plan_run(struct x86_vcpu *cpu, struct register_plan *plan, struct register_batch *batch)
{
	int error = 0;

	for (uint32_t families = plan->families; families && !error; families &= families - 1)
		error = family_get(cpu, &cpu->registers, (uint32_t)__builtin_ctz(families));
	batch->at = batch->count;
	for (uint32_t i = 0; i < plan->part_count && !error; i++) {
		error = part_read(cpu, plan, &plan->parts[i]);
		if (error)
			batch->at = plan->parts[i].at;
	}
	batch->entries = plan->entries;
	return error;
}

static int registers_read(void *vcpu, struct register_batch *batch)
{
	struct x86_vcpu *cpu = vcpu;
	struct register_plan *plan = batch->count == 1 ? &cpu->register_plan_one : &cpu->register_plan;
	int error;

	/* Of the XSAVE area the vCPU's own stands for a copy, but for the word that the call makes up. */
	state_begin(&cpu->registers, (uint8_t *)&cpu->xsave);
	if (!plan_fits(plan, batch)) {
		error = plan_make(cpu, plan, batch);
		if (error)
			return error;
	}
	return plan_run(cpu, plan, batch);
}

/* ---- Setting. ---- */

struct msr_value {
	uint32_t index, at; /* `at`: the entry that said so */
	uint64_t value;
};

struct transaction {
	struct x86_vcpu *cpu;
	struct x86_state *state;
	struct register_batch *batch;
	struct msr_value *msrs;
	uint32_t msr_count;
};

#define MSR_TSC 0x10

/* Its write does something outside the vCPU's registers (sends an interrupt, ends one): such registers go alone. */
static bool msr_acts(uint32_t index)
{
	return index - 0x800 < 0x100;
}

static int msr_note(struct transaction *t, uint32_t at, uint32_t index, const void *bytes)
{
	uint64_t value;
	int error = 0;

	memcpy(&value, bytes, sizeof value);
	if (t->batch->count > 1) {
		if (msr_acts(index))
			return why(-EINVAL, "an x2APIC register acts when it is written: only alone");
		if (x86_msr_alias_family(index) != FAMILY_MSR) {
			error = family_need(t->cpu, t->state, x86_msr_alias_family(index));
			if (!error)
				x86_msr_alias_write(t->state, index, value);
			return error;
		}
	}
	t->msrs[t->msr_count++] = (struct msr_value){ index, at, value };
	return 0;
}

static int entry_note(struct transaction *t, uint32_t at)
{
	const struct register_entry *entry = &t->batch->entries[at];
	const struct x86_register *row;
	int error;

	row = x86_register_find(entry->id, &error);
	if (!row)
		return error;
	if (row->place == PLACE_MSR)
		return msr_note(t, at, (uint32_t)entry->id, entry->value);
	if (row->place == PLACE_KVM)
		return kvm_register_refuse();
	error = family_need(t->cpu, t->state, row->family);
	return error ? error : x86_register_write(t->state, row, entry->value);
}

/* Of an MSR that stands several times the last value counts: the others go. Quadratic only in the MSRs that do. */
static void msrs_unite(struct transaction *t)
{
	enum { SLOTS = 2 * REGISTERS_MAX };
	uint16_t slots[SLOTS]; /* places in `msrs`, + 1 */
	uint32_t kept = 0;

	if (t->msr_count < 2)
		return;
	memset(slots, 0, sizeof slots);
	for (uint32_t i = 0; i < t->msr_count; i++) {
		struct msr_value value = t->msrs[i];
		uint32_t slot = (value.index * 0x9e3779b1u >> 16) % SLOTS;

		while (slots[slot] && t->msrs[slots[slot] - 1].index != value.index)
			slot = (slot + 1) % SLOTS;
		if (!slots[slot])
			slots[slot] = (uint16_t)++kept;
		t->msrs[slots[slot] - 1] = value;
	}
	t->msr_count = kept;
}

/* Some MSRs take a value only once another has its own: what was refused is tried again as long as anything succeeds. */
static int msrs_set(struct transaction *t)
{
	uint32_t left = t->msr_count, refused;

	msrs_unite(t);
	for (left = t->msr_count; left; left = refused) {
		refused = 0;
		for (uint32_t i = 0; i < left; i++) {
			struct msr_value msr = t->msrs[i];

			/* The counter goes on meanwhile, and nothing can refuse it: last. */
			if (msr.index != MSR_TSC && msr_write(t->cpu, msr.index, true, msr.value))
				t->msrs[refused++] = msr;
		}
		if (refused == left) {
			t->batch->at = t->msrs[0].at;
			return -EINVAL;
		}
		if (refused)
			why_clear();
	}
	return 0;
}

static void tsc_set(struct transaction *t)
{
	uint64_t value;

	for (uint32_t i = 0; i < t->batch->count; i++) {
		const struct register_entry *entry = &t->batch->entries[i];

		if (entry->id != KVM_X86_REG_MSR(MSR_TSC))
			continue;
		memcpy(&value, entry->value, sizeof value);
		msr_write(t->cpu, MSR_TSC, true, value);
	}
}

static bool changed(const struct transaction *t, uint32_t family)
{
	return t->state->changed >> family & 1;
}

/* The calls, in the order that QEMU and every restorer has found to work: what others are checked against goes first. */
static int calls_make(struct transaction *t)
{
	struct x86_vcpu *cpu = t->cpu;
	struct x86_state *state = t->state;
	int error = 0;

	t->batch->at = t->batch->count;
	if (changed(t, FAMILY_SREGS))
		error = sregs2_set(cpu, &state->sregs);
	if (!error && changed(t, FAMILY_XCRS))
		error = xcrs_set(cpu, &state->xcrs);
	if (!error && changed(t, FAMILY_XSAVE))
		error = xsave_set(cpu, (const struct kvm_xsave *)state->xsave);
	if (!error && changed(t, FAMILY_DEBUGREGS))
		error = debugregs_set(cpu, &state->debugregs);
	if (!error)
		error = msrs_set(t);
	if (!error && changed(t, FAMILY_REGS))
		error = regs_set(cpu, &state->regs);
	if (!error && changed(t, FAMILY_EVENTS))
		error = events_set(cpu, &state->events);
	/* May start the vCPU (SIPI), which nothing takes back. */
	if (!error && changed(t, FAMILY_MP_STATE))
		error = mp_state_set(cpu, &state->mp_state);
	if (error)
		return error;
	if (changed(t, FAMILY_TSC_KHZ))
		tsc_khz_set(cpu, state->tsc_khz);
	if (t->msr_count)
		tsc_set(t);
	if (changed(t, FAMILY_TSC_OFFSET))
		tsc_offset_set(cpu, state->tsc_offset);
	return 0;
}

/* One call at most, which by itself does all or nothing. */
static bool single(const struct transaction *t)
{
	return __builtin_popcount(t->state->changed) + t->msr_count <= 1;
}

static int transaction_commit(struct transaction *t)
{
	struct x86_vcpu *cpu = t->cpu;
	const struct x86_snapshot *before;
	int error;

	x86_state_settle(t->state);
	if (single(t))
		return calls_make(t);
	before = snapshot_take(cpu);
	if (!before)
		return -ENOMEM;
	error = calls_make(t);
	if (error)
		snapshot_return(cpu, before);
	return error;
}

static int registers_write(void *vcpu, struct register_batch *batch)
{
	struct x86_vcpu *cpu = vcpu;
	struct msr_value msrs[batch->count];
	struct transaction t = { .cpu = cpu, .state = &cpu->registers, .batch = batch, .msrs = msrs };

	state_begin(t.state, cpu->registers_xsave);
	for (uint32_t i = 0; i < batch->count; i++) {
		int error = entry_note(&t, i);

		if (error) {
			batch->at = i;
			return error;
		}
	}
	return transaction_commit(&t);
}

/* ---- The list. ---- */

static uint32_t registers_list_ids(void *vcpu, uint64_t *ids)
{
	struct x86_vcpu *cpu = vcpu;
	const uint32_t *indices;
	uint32_t count, msrs;

	state_begin(&cpu->registers, cpu->registers_xsave);
	family_get(cpu, &cpu->registers, FAMILY_SREGS);
	count = x86_register_list(&cpu->registers, ids);
	indices = msr_index_list(&msrs);
	for (uint32_t i = 0; ids && i < msrs; i++)
		ids[count + i] = KVM_X86_REG_MSR(indices[i]);
	return count + msrs;
}

const struct register_ops x86_register_ops = { registers_read, registers_write, registers_list_ids };
