/*
 * The software KVM's registers by id: the catalogue over the calls of this folder. A set is a transaction: the values go into a copy of what
 * the calls would show, and the copy goes back call by call, in an order that works; should one refuse, the vCPU is put back as it was.
 */
#include <errno.h>
#include <string.h>

#include "core/why.h"
#include "x86/cpu/fpu.h"
#include "x86/ioctl.h"
#include "x86/snapshot.h"

static void state_begin(struct x86_vcpu *cpu, void *xsave)
{
	x86_state_begin(&cpu->registers, xsave);
	cpu->registers.xsave_at[COMPONENT_AVX] = offsetof(struct x86_xsave, ymmh);
	cpu->registers.xsave_at[COMPONENT_PKRU] = offsetof(struct x86_xsave, pkru);
}

/* One call's worth. */
static int family_fetch(void *context, uint32_t family)
{
	struct x86_vcpu *cpu = context;
	struct x86_state *state = &cpu->registers;
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

/* KVM_REG_GUEST_SSP is there with CPUID's shadow stacks, which no guest has here. */
static int kvm_register_refuse(struct register_batch *batch, uint32_t at)
{
	batch->at = at;
	return why(-EINVAL, "the vCPU's CPUID has no shadow stacks");
}

/* ---- Reading. ---- */

/* MSRs that are nothing but storage, and of the XSAVE area what KVM_GET_XSAVE would only copy, are read where the vCPU has them. */
#define XSTATE_BV_AT offsetof(struct x86_xsave, xstate_bv)

static const void *value_place(void *context, uint64_t id, const struct x86_register *row)
{
	struct x86_vcpu *cpu = context;

	if (row->place == PLACE_MSR)
		return msr_place(cpu, (uint32_t)id);
	if (row->place == PLACE_XSAVE && (row->component <= COMPONENT_SSE || cpu->registers.xsave_at[row->component]))
		return (uint8_t *)&cpu->xsave + cpu->registers.xsave_at[row->component] + row->offset;
	if (row->place == PLACE_XSTATE_BV)
		return cpu->registers_xsave + XSTATE_BV_AT;
	return NULL;
}

/* The one word that the call makes up. */
static void xsave_fetch(struct x86_vcpu *cpu)
{
	uint64_t components = fpu_xstate_bv(cpu);

	memcpy(cpu->registers_xsave + XSTATE_BV_AT, &components, sizeof components);
}

/* Unknown MSRs are EINVAL here, as in Linux 6.18. */
static int msrs_read(struct x86_vcpu *cpu, struct x86_plan *plan, struct register_batch *batch)
{
	for (uint32_t i = 0; i < plan->msr_count; i++) {
		if (!msr_read(cpu, (uint32_t)plan->msrs[i].id, true, &plan->msrs[i].value))
			continue;
		batch->at = plan->msrs[i].at;
		return -EINVAL;
	}
	return 0;
}

static int plan_run(struct x86_vcpu *cpu, struct x86_plan *plan, struct register_batch *batch)
{
	int error = 0;

	batch->at = batch->count;
	if (plan->kvm_count)
		return kvm_register_refuse(batch, plan->kvms[0].at);
	if (plan->families >> FAMILY_XSAVE & 1)
		xsave_fetch(cpu);
	for (uint32_t families = plan->families & ~(1u << FAMILY_XSAVE); families && !error; families &= families - 1)
		error = family_fetch(cpu, (uint32_t)__builtin_ctz(families));
	if (!error)
		error = msrs_read(cpu, plan, batch);
	if (!error)
		error = x86_plan_parts(plan, &cpu->registers, batch);
	batch->entries = plan->entries;
	return error;
}

static int registers_read(void *vcpu, struct register_batch *batch)
{
	struct x86_vcpu *cpu = vcpu;
	struct x86_plan *plan = batch->count == 1 ? &cpu->register_plan_one : &cpu->register_plan;
	int error;

	state_begin(cpu, &cpu->xsave);
	if (!x86_plan_fits(plan, batch)) {
		error = x86_plan_make(plan, &cpu->registers, batch, value_place, cpu);
		if (error)
			return error;
	}
	return plan_run(cpu, plan, batch);
}

/* ---- Setting. ---- */

/* Some MSRs take a value only once another has its own: what was refused is tried again as long as anything succeeds. */
static int msrs_set(struct x86_vcpu *cpu, struct x86_set *set, struct register_batch *batch)
{
	uint32_t left, refused;

	for (left = set->msr_count; left; left = refused) {
		refused = 0;
		for (uint32_t i = 0; i < left; i++) {
			struct x86_msr msr = set->msrs[i];

			/* Nothing can refuse the counter, which tsc_set() sets. */
			if (msr.index != MSR_TSC && msr_write(cpu, msr.index, true, msr.value))
				set->msrs[refused++] = msr;
		}
		if (refused == left) {
			batch->at = set->msrs[0].at;
			return -EINVAL;
		}
		if (refused)
			why_clear();
	}
	return 0;
}

static bool changed(const struct x86_set *set, uint32_t family)
{
	return set->state->changed >> family & 1;
}

/* The calls, in an order that works: what others are checked against goes first. */
static int calls_make(struct x86_vcpu *cpu, struct x86_set *set, struct register_batch *batch)
{
	const struct x86_state *state = set->state;
	struct x86_msr last = set->msr_count ? set->msrs[set->msr_count - 1] : (struct x86_msr){ 0 };
	int error = 0;

	batch->at = batch->count;
	if (changed(set, FAMILY_SREGS))
		error = sregs2_set(cpu, &state->sregs);
	if (!error && changed(set, FAMILY_XCRS))
		error = xcrs_set(cpu, &state->xcrs);
	if (!error && changed(set, FAMILY_XSAVE))
		error = xsave_set(cpu, (const struct kvm_xsave *)state->xsave);
	if (!error && changed(set, FAMILY_DEBUGREGS))
		error = debugregs_set(cpu, &state->debugregs);
	if (!error)
		error = msrs_set(cpu, set, batch);
	if (!error && changed(set, FAMILY_REGS))
		error = regs_set(cpu, &state->regs);
	if (!error && changed(set, FAMILY_EVENTS))
		error = events_set(cpu, &state->events);
	/* May start the vCPU (SIPI), which nothing takes back. */
	if (!error && changed(set, FAMILY_MP_STATE))
		error = mp_state_set(cpu, &state->mp_state);
	if (error)
		return error;
	if (changed(set, FAMILY_TSC_KHZ))
		tsc_khz_set(cpu, state->tsc_khz);
	if (last.index == MSR_TSC)
		msr_write(cpu, MSR_TSC, true, last.value);
	if (changed(set, FAMILY_TSC_OFFSET))
		tsc_offset_set(cpu, state->tsc_offset);
	return 0;
}

static int registers_write(void *vcpu, struct register_batch *batch)
{
	struct x86_vcpu *cpu = vcpu;
	struct x86_msr msrs[batch->count];
	struct x86_set set = { .state = &cpu->registers, .batch = batch, .msrs = msrs, .fetch = family_fetch, .context = cpu };
	const struct x86_snapshot *before;
	int error;

	state_begin(cpu, cpu->registers_xsave);
	error = x86_set_note(&set, batch);
	if (error)
		return error;
	if (set.kvm)
		return kvm_register_refuse(batch, 0);
	if (x86_set_single(&set))
		return calls_make(cpu, &set, batch);
	before = snapshot_take(cpu);
	if (!before)
		return -ENOMEM;
	error = calls_make(cpu, &set, batch);
	if (error)
		snapshot_return(cpu, before);
	return error;
}

/* ---- The list. ---- */

static int registers_list_ids(void *vcpu, uint64_t *ids)
{
	struct x86_vcpu *cpu = vcpu;
	const uint32_t *indices;
	uint32_t count, msrs;

	state_begin(cpu, cpu->registers_xsave);
	family_fetch(cpu, FAMILY_SREGS);
	count = x86_register_list(&cpu->registers, ids);
	indices = msr_index_list(&msrs);
	for (uint32_t i = 0; ids && i < msrs; i++)
		ids[count + i] = KVM_X86_REG_MSR(indices[i]);
	return count + msrs;
}

const struct register_ops x86_register_ops = { registers_read, registers_write, registers_list_ids };
