/*
 * The registers of a vCPU of the kernel's KVM on x86: which of its calls bring them, as few as will do, and none for what kvm_run has since the
 * last exit. A set is a transaction: when the kernel refuses one of its calls, those before it are taken back.
 */
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/why.h"
#include "host/kernel.h"
#include "x86/plan.h"

/* KVM_GET_MSRS and KVM_SET_MSRS take fewer than 256 entries. */
#define MSRS_MOST 255

struct x86_calls {
	struct x86_plan many, one;
	struct x86_state state, before; /* `before`: as the kernel had the families that a set brought */
	uint8_t *xsave, *xsave_before;
	uint32_t applied;      /* families of the set that the kernel has taken */
	struct {
		struct kvm_msrs header;
		struct kvm_msr_entry entries[MSRS_MOST];
	} msrs;
};

void host_plan_free(struct host_vcpu *vcpu)
{
	struct x86_calls *calls = vcpu->plan;

	if (!calls)
		return;
	x86_plan_free(&calls->many);
	x86_plan_free(&calls->one);
	free(calls->xsave);
	free(calls->xsave_before);
	free(calls);
	vcpu->plan = NULL;
}

/* Where the machine puts the components: the kernel's form of the area is the processor's (CPUID leaf 0xd, SDM Vol. 1, 13.2). */
static void components_find(struct host_vcpu *vcpu, struct x86_state *state)
{
	unsigned int size, at, eax, edx;

	for (unsigned int i = COMPONENT_AVX; i < COMPONENTS; i++)
		if (vcpu->vm->system->components >> i & 1 && __get_cpuid_count(0xd, i, &size, &at, &eax, &edx) && at + size <= vcpu->xsave_size)
			state->xsave_at[i] = at;
}

static struct x86_calls *calls_get(struct host_vcpu *vcpu)
{
	struct x86_calls *calls = vcpu->plan;

	if (calls)
		return calls;
	calls = vcpu->plan = calloc(1, sizeof *calls);
	if (!calls)
		return NULL;
	calls->xsave = calloc(1, vcpu->xsave_size);
	calls->xsave_before = calloc(1, vcpu->xsave_size);
	if (!calls->xsave || !calls->xsave_before) {
		host_plan_free(vcpu);
		return NULL;
	}
	components_find(vcpu, &calls->state);
	return calls;
}

/* ---- Families. ---- */

static int offset_move(struct host_vcpu *vcpu, unsigned int cmd, uint64_t *offset)
{
	struct kvm_device_attr attribute = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uint64_t)offset };

	return (int)vcpu_kernel(vcpu, cmd, &attribute);
}

static int sregs_fetch(struct host_vcpu *vcpu, struct x86_state *state)
{
	struct kvm_sregs sregs;
	long error;

	if (vcpu->vm->system->sregs2)
		return (int)vcpu_kernel(vcpu, KVM_GET_SREGS2, &state->sregs);
	error = vcpu_kernel(vcpu, KVM_GET_SREGS, &sregs);
	memset(&state->sregs, 0, sizeof state->sregs);
	memcpy(&state->sregs, &sregs, offsetof(struct kvm_sregs, interrupt_bitmap)); /* they begin alike */
	return (int)error;
}

static int sregs_put(struct host_vcpu *vcpu, const struct x86_state *state)
{
	struct kvm_sregs sregs = { 0 };
	long error;

	if (vcpu->vm->system->sregs2)
		return (int)vcpu_kernel(vcpu, KVM_SET_SREGS2, &state->sregs);
	/* The interrupt under way stands there too, and stays. */
	error = vcpu_kernel(vcpu, KVM_GET_SREGS, &sregs);
	memcpy(&sregs, &state->sregs, offsetof(struct kvm_sregs, interrupt_bitmap));
	return error ? (int)error : (int)vcpu_kernel(vcpu, KVM_SET_SREGS, &sregs);
}

/* What the last exit showed: the program may write there, but tells so in kvm_dirty_regs. */
static bool family_synced(struct host_vcpu *vcpu, struct x86_state *state, uint32_t family)
{
	uint64_t synced = atomic_load_explicit(&vcpu->synced, memory_order_relaxed);
	const struct kvm_sync_regs *regs;

	if (!synced || !vcpu->run || vcpu->run->kvm_dirty_regs)
		return false;
	regs = &vcpu->run->s.regs;
	if (family == FAMILY_REGS && synced & KVM_SYNC_X86_REGS) {
		state->regs = regs->regs;
	} else if (family == FAMILY_EVENTS && synced & KVM_SYNC_X86_EVENTS) {
		state->events = regs->events;
	} else if (family == FAMILY_SREGS && synced & KVM_SYNC_X86_SREGS) {
		memset(&state->sregs, 0, sizeof state->sregs);
		memcpy(&state->sregs, &regs->sregs, offsetof(struct kvm_sregs, interrupt_bitmap));
	} else {
		return false;
	}
	return true;
}

/* A process behind ours changes it as it likes. */
static int tsc_khz_fetch(struct host_vcpu *vcpu, struct x86_state *state)
{
	uint32_t known = vcpu->remote ? 0 : atomic_load_explicit(&vcpu->tsc_khz, memory_order_relaxed);
	long value = known ? (long)known : vcpu_kernel(vcpu, KVM_GET_TSC_KHZ, NULL);

	if (value < 0)
		return (int)value;
	state->tsc_khz = (uint32_t)value;
	atomic_store_explicit(&vcpu->tsc_khz, state->tsc_khz, memory_order_relaxed);
	return 0;
}

static int tsc_khz_put(struct host_vcpu *vcpu, const struct x86_state *state)
{
	atomic_store_explicit(&vcpu->tsc_khz, 0, memory_order_relaxed);
	return (int)vcpu_kernel(vcpu, KVM_SET_TSC_KHZ, (const void *)(uintptr_t)state->tsc_khz);
}

static int family_ask(struct host_vcpu *vcpu, struct x86_state *state, uint32_t family)
{

	switch (family) {
	case FAMILY_REGS: return (int)vcpu_kernel(vcpu, KVM_GET_REGS, &state->regs);
	case FAMILY_SREGS: return sregs_fetch(vcpu, state);
	case FAMILY_DEBUGREGS: return (int)vcpu_kernel(vcpu, KVM_GET_DEBUGREGS, &state->debugregs);
	case FAMILY_XCRS: return (int)vcpu_kernel(vcpu, KVM_GET_XCRS, &state->xcrs);
	case FAMILY_XSAVE: return (int)vcpu_kernel(vcpu, vcpu->xsave_size > sizeof(struct kvm_xsave) ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, state->xsave);
	case FAMILY_EVENTS: return (int)vcpu_kernel(vcpu, KVM_GET_VCPU_EVENTS, &state->events);
	case FAMILY_MP_STATE: return (int)vcpu_kernel(vcpu, KVM_GET_MP_STATE, &state->mp_state);
	case FAMILY_TSC_OFFSET: return offset_move(vcpu, KVM_GET_DEVICE_ATTR, &state->tsc_offset);
	default: return tsc_khz_fetch(vcpu, state);
	}
}

static const char *const family_names[FAMILIES] = { "REGS", "SREGS2", "DEBUGREGS", "XCRS", "XSAVE", "VCPU_EVENTS", "MP_STATE", "TSC_OFFSET", "TSC_KHZ" };

static int family_fetch(struct host_vcpu *vcpu, struct x86_state *state, uint32_t family)
{
	int error = family_ask(vcpu, state, family);

	state->have |= 1u << family;
	return error ? why(error, "the kernel refuses to tell %s", family_names[family]) : 0;
}

static int family_put(struct host_vcpu *vcpu, struct x86_state *state, uint32_t family)
{
	switch (family) {
	case FAMILY_REGS: return (int)vcpu_kernel(vcpu, KVM_SET_REGS, &state->regs);
	case FAMILY_SREGS: return sregs_put(vcpu, state);
	case FAMILY_DEBUGREGS: return (int)vcpu_kernel(vcpu, KVM_SET_DEBUGREGS, &state->debugregs);
	case FAMILY_XCRS: return (int)vcpu_kernel(vcpu, KVM_SET_XCRS, &state->xcrs);
	case FAMILY_XSAVE: return (int)vcpu_kernel(vcpu, KVM_SET_XSAVE, state->xsave);
	case FAMILY_EVENTS: return (int)vcpu_kernel(vcpu, KVM_SET_VCPU_EVENTS, &state->events);
	case FAMILY_MP_STATE: return (int)vcpu_kernel(vcpu, KVM_SET_MP_STATE, &state->mp_state);
	case FAMILY_TSC_OFFSET: return offset_move(vcpu, KVM_SET_DEVICE_ATTR, &state->tsc_offset);
	default: return tsc_khz_put(vcpu, state);
	}
}

/* ---- Reading. ---- */

static const void *value_place(void *context, uint64_t id, const struct x86_register *row)
{
	struct x86_calls *calls = context;

	(void)id;
	if (row->place == PLACE_XSAVE && (row->component <= COMPONENT_SSE || calls->state.xsave_at[row->component]))
		return calls->xsave + calls->state.xsave_at[row->component] + row->offset;
	if (row->place == PLACE_XSTATE_BV)
		return calls->xsave + row->offset;
	return NULL;
}

static int msrs_read(struct host_vcpu *vcpu, struct x86_calls *calls, struct x86_plan *plan, struct register_batch *batch)
{
	for (uint32_t first = 0, count; first < plan->msr_count; first += count) {
		struct x86_single *msrs = plan->msrs + first;
		long done;

		count = plan->msr_count - first < MSRS_MOST ? plan->msr_count - first : MSRS_MOST;
		calls->msrs.header.nmsrs = count;
		for (uint32_t i = 0; i < count; i++)
			calls->msrs.entries[i] = (struct kvm_msr_entry){ .index = (uint32_t)msrs[i].id };
		done = vcpu_kernel(vcpu, KVM_GET_MSRS, &calls->msrs);
		for (uint32_t i = 0; i < count; i++)
			msrs[i].value = calls->msrs.entries[i].data;
		if (done == count)
			continue;
		batch->at = done < 0 ? batch->count : msrs[done].at;
		return done < 0 ? (int)done : why(-EINVAL, "the kernel has no such MSR");
	}
	return 0;
}

/* KVM_X86_REG_TYPE_KVM is the kernel's own. */
static int kvms_read(struct host_vcpu *vcpu, struct x86_plan *plan, struct register_batch *batch)
{
	for (uint32_t i = 0; i < plan->kvm_count; i++) {
		struct kvm_one_reg reg = { .id = plan->kvms[i].id, .addr = (uint64_t)&plan->kvms[i].value };
		long error = vcpu->vm->system->one_reg ? vcpu_kernel(vcpu, KVM_GET_ONE_REG, &reg) : -EINVAL;

		batch->at = plan->kvms[i].at;
		if (error)
			return why((int)error, "the kernel refuses it");
	}
	return 0;
}

/* A plan's families and MSRs; sync regs have no PDPTRs. */
static int plan_run(struct host_vcpu *vcpu, struct x86_calls *calls, struct x86_plan *plan, struct register_batch *batch)
{
	int error = 0;

	batch->at = batch->count;
	for (uint32_t families = plan->families; families && !error; families &= families - 1) {
		uint32_t family = (uint32_t)__builtin_ctz(families);

		if (!family_synced(vcpu, &calls->state, family))
			error = family_fetch(vcpu, &calls->state, family);
	}
	if (!error)
		error = msrs_read(vcpu, calls, plan, batch);
	if (!error)
		error = kvms_read(vcpu, plan, batch);
	if (!error)
		error = x86_plan_parts(plan, &calls->state, batch);
	batch->entries = plan->entries;
	return error;
}

static int registers_read(void *self, struct register_batch *batch)
{
	struct host_vcpu *vcpu = self;
	struct x86_calls *calls = calls_get(vcpu);
	struct x86_plan *plan;
	int error;

	if (!calls)
		return -ENOMEM;
	plan = batch->count == 1 ? &calls->one : &calls->many;
	x86_state_begin(&calls->state, calls->xsave);
	if (!x86_plan_fits(plan, batch)) {
		error = x86_plan_make(plan, &calls->state, batch, value_place, calls);
		if (error)
			return error;
	}
	error = plan_run(vcpu, calls, plan, batch);
	if (error != -ENOENT || !atomic_load_explicit(&vcpu->synced, memory_order_relaxed))
		return error;
	/* PDPTRs, which the call has and kvm_run has not. */
	atomic_store_explicit(&vcpu->synced, 0, memory_order_relaxed);
	why_clear();
	return plan_run(vcpu, calls, plan, batch);
}

/* ---- Setting. ---- */

static const struct {
	size_t at, size;
} family_places[FAMILIES] = {
#define PLACE(field) { offsetof(struct x86_state, field), sizeof((struct x86_state *)0)->field }
	[FAMILY_REGS] = PLACE(regs), [FAMILY_SREGS] = PLACE(sregs), [FAMILY_DEBUGREGS] = PLACE(debugregs), [FAMILY_XCRS] = PLACE(xcrs),
	[FAMILY_EVENTS] = PLACE(events), [FAMILY_MP_STATE] = PLACE(mp_state), [FAMILY_TSC_OFFSET] = PLACE(tsc_offset), [FAMILY_TSC_KHZ] = PLACE(tsc_khz),
};

/* For a set: into the state, and aside. */
static int family_fetch_aside(void *self, uint32_t family)
{
	struct host_vcpu *vcpu = self;
	struct x86_calls *calls = vcpu->plan;
	int error = family_fetch(vcpu, &calls->state, family);

	if (error)
		return error;
	if (family == FAMILY_XSAVE)
		memcpy(calls->xsave_before, calls->xsave, vcpu->xsave_size);
	else
		memcpy((uint8_t *)&calls->before + family_places[family].at, (uint8_t *)&calls->state + family_places[family].at, family_places[family].size);
	return 0;
}

/* As many of `msrs` as the kernel takes from the beginning: their number, or -errno. */
static long msrs_put(struct host_vcpu *vcpu, struct x86_calls *calls, const struct x86_msr *msrs, uint32_t count)
{
	uint32_t first, some;
	long done;

	for (first = 0; first < count; first += some) {
		some = count - first < MSRS_MOST ? count - first : MSRS_MOST;
		calls->msrs.header.nmsrs = some;
		for (uint32_t i = 0; i < some; i++)
			calls->msrs.entries[i] = (struct kvm_msr_entry){ .index = msrs[first + i].index, .data = msrs[first + i].value };
		done = vcpu_kernel(vcpu, KVM_SET_MSRS, &calls->msrs);
		if (done != some)
			return done < 0 ? done : (long)first + done;
	}
	return count;
}

/* Some MSRs take a value only once another has its own: what was refused is tried again as long as anything succeeds. */
static int msrs_set(struct host_vcpu *vcpu, struct x86_calls *calls, struct x86_set *set, struct register_batch *batch)
{
	struct x86_msr refused[set->msr_count + 1];
	uint32_t left = set->msr_count, refused_count;

	while (left) {
		refused_count = 0;
		for (uint32_t first = 0; first < left;) {
			long done = msrs_put(vcpu, calls, set->msrs + first, left - first);

			if (done < 0)
				return (int)done;
			first += (uint32_t)done;
			if (first < left)
				refused[refused_count++] = set->msrs[first++];
		}
		if (refused_count == left) {
			batch->at = refused[0].at;
			return why(-EINVAL, "the kernel refuses the value 0x%llx", (unsigned long long)refused[0].value);
		}
		memcpy(set->msrs, refused, refused_count * sizeof *refused);
		left = refused_count;
	}
	return 0;
}

/* The kernel's own values of the MSRs that are to be set. */
static int msrs_remember(struct host_vcpu *vcpu, struct x86_calls *calls, const struct x86_set *set, struct x86_msr *before)
{
	for (uint32_t first = 0, some; first < set->msr_count; first += some) {
		long done;

		some = set->msr_count - first < MSRS_MOST ? set->msr_count - first : MSRS_MOST;
		calls->msrs.header.nmsrs = some;
		for (uint32_t i = 0; i < some; i++)
			calls->msrs.entries[i] = (struct kvm_msr_entry){ .index = set->msrs[first + i].index };
		done = vcpu_kernel(vcpu, KVM_GET_MSRS, &calls->msrs);
		if (done != some)
			return done < 0 ? (int)done : why(-EINVAL, "msr 0x%x: the kernel has no such MSR", set->msrs[first + (uint32_t)done].index);
		for (uint32_t i = 0; i < some; i++)
			before[first + i] = (struct x86_msr){ .index = calls->msrs.entries[i].index, .value = calls->msrs.entries[i].data };
	}
	return 0;
}

/* What others are checked against goes first; MSRs stand behind the debug registers. KVM_SET_REGS forgets a pending exception: events are behind it. */
static const uint8_t order_before_msrs[] = { FAMILY_TSC_KHZ, FAMILY_SREGS, FAMILY_XCRS, FAMILY_XSAVE, FAMILY_DEBUGREGS };
static const uint8_t order_after_msrs[] = { FAMILY_REGS, FAMILY_EVENTS, FAMILY_MP_STATE, FAMILY_TSC_OFFSET };

/* Whether the kernel has these values already. KVM_SET_REGS does more than it says: see above. */
static bool family_same(const struct host_vcpu *vcpu, const struct x86_calls *calls, uint32_t family)
{
	const uint8_t *now = (const uint8_t *)&calls->state, *before = (const uint8_t *)&calls->before;

	if (family == FAMILY_REGS)
		return false;
	if (family == FAMILY_XSAVE)
		return !memcmp(calls->xsave, calls->xsave_before, vcpu->xsave_size);
	return !memcmp(now + family_places[family].at, before + family_places[family].at, family_places[family].size);
}

static int families_put(struct host_vcpu *vcpu, struct x86_calls *calls, const uint8_t *order, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int error;

		if (!(calls->state.changed >> order[i] & 1) || family_same(vcpu, calls, order[i]))
			continue;
		error = family_put(vcpu, &calls->state, order[i]);
		if (error)
			return why(error, "the kernel refuses %s as they would stand together", family_names[order[i]]);
		calls->applied |= 1u << order[i];
	}
	return 0;
}

static int calls_make(struct host_vcpu *vcpu, struct x86_calls *calls, struct x86_set *set, struct register_batch *batch)
{
	int error;

	calls->applied = 0;
	batch->at = batch->count;
	error = families_put(vcpu, calls, order_before_msrs, sizeof order_before_msrs);
	if (!error)
		error = msrs_set(vcpu, calls, set, batch);
	return error ? error : families_put(vcpu, calls, order_after_msrs, sizeof order_after_msrs);
}

/* Puts back what a set that failed has changed so far. */
static void calls_undo(struct host_vcpu *vcpu, struct x86_calls *calls, const struct x86_msr *msrs, uint32_t msr_count)
{
	static const uint8_t families[] = { FAMILY_TSC_KHZ, FAMILY_SREGS, FAMILY_XCRS, FAMILY_XSAVE, FAMILY_DEBUGREGS, FAMILY_REGS, FAMILY_MP_STATE, FAMILY_TSC_OFFSET, FAMILY_EVENTS };

	calls->before.xsave = calls->xsave_before;
	for (size_t i = 0; i < sizeof families; i++) {
		/* Counters that go on are left out: nothing fails behind them. */
		if (families[i] == FAMILY_DEBUGREGS)
			for (uint32_t k = 0; k < msr_count; k++)
				if (msrs[k].index != MSR_TSC)
					msrs_put(vcpu, calls, &msrs[k], 1);
		if (calls->applied >> families[i] & 1 || (families[i] == FAMILY_EVENTS && calls->applied >> FAMILY_REGS & 1))
			family_put(vcpu, &calls->before, families[i]);
	}
}

static int kvm_put(struct host_vcpu *vcpu, const struct register_entry *entry)
{
	struct kvm_one_reg reg = { .id = entry->id, .addr = (uint64_t)entry->value };
	long error = vcpu->vm->system->one_reg ? vcpu_kernel(vcpu, KVM_SET_ONE_REG, &reg) : -EINVAL;

	return error ? why((int)error, "the kernel refuses it") : 0;
}

/* What the kernel has already need not be set; counters differ by then. */
static void msrs_drop_same(struct x86_set *set, const struct x86_msr *before)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < set->msr_count; i++)
		if (set->msrs[i].value != before[i].value)
			set->msrs[left++] = set->msrs[i];
	set->msr_count = left;
}

/* Several calls: remember, make them, and undo when one is refused. */
static int transaction(struct host_vcpu *vcpu, struct x86_calls *calls, struct x86_set *set, struct register_batch *batch)
{
	struct x86_msr before[set->msr_count + 1];
	uint32_t msr_count = set->msr_count;
	int error = msrs_remember(vcpu, calls, set, before);

	batch->at = batch->count;
	if (!error && calls->state.changed >> FAMILY_REGS & 1 && !(calls->state.have >> FAMILY_EVENTS & 1))
		error = family_fetch_aside(vcpu, FAMILY_EVENTS);
	if (error)
		return error;
	msrs_drop_same(set, before);
	error = calls_make(vcpu, calls, set, batch);
	if (error)
		calls_undo(vcpu, calls, before, msr_count);
	return error;
}

static int registers_write(void *self, struct register_batch *batch)
{
	struct host_vcpu *vcpu = self;
	struct x86_calls *calls = calls_get(vcpu);
	struct x86_msr msrs[batch->count];
	struct x86_set set = { .batch = batch, .msrs = msrs, .fetch = family_fetch_aside, .context = vcpu };
	int error;

	if (!calls)
		return -ENOMEM;
	x86_state_begin(&calls->state, calls->xsave);
	set.state = &calls->state;
	error = x86_set_note(&set, batch);
	if (error)
		return error;
	if (set.kvm)
		return kvm_put(vcpu, set.kvm);
	return x86_set_single(&set) ? calls_make(vcpu, calls, &set, batch) : transaction(vcpu, calls, &set, batch);
}

/* ---- The list. ---- */

/* Those of the kernel's list that it also tells. */
static uint32_t msrs_list(struct host_vcpu *vcpu, struct x86_calls *calls, uint64_t *ids)
{
	const struct host_system *system = vcpu->vm->system;
	uint32_t found = 0;

	for (uint32_t i = 0; i < system->msr_count;) {
		uint32_t some = system->msr_count - i < MSRS_MOST ? system->msr_count - i : MSRS_MOST;
		long done;

		calls->msrs.header.nmsrs = some;
		for (uint32_t k = 0; k < some; k++)
			calls->msrs.entries[k] = (struct kvm_msr_entry){ .index = system->msrs[i + k] };
		done = vcpu_kernel(vcpu, KVM_GET_MSRS, &calls->msrs);
		for (long k = 0; k < done; k++, found++)
			if (ids)
				ids[found] = KVM_X86_REG_MSR(system->msrs[i + (uint32_t)k]);
		i += done < 0 ? some : done < some ? (uint32_t)done + 1 : some;
	}
	return found;
}

/* The kernel's own list: Linux 6.18's has KVM_X86_REG_TYPE_KVM. */
static uint32_t kvms_list(struct host_vcpu *vcpu, uint64_t *ids)
{
	struct {
		uint64_t n, id[64];
	} list = { .n = 64 };

	if (!vcpu->vm->system->one_reg || vcpu_kernel(vcpu, KVM_GET_REG_LIST, &list) || list.n > 64)
		return 0;
	if (ids)
		memcpy(ids, list.id, list.n * sizeof *ids);
	return (uint32_t)list.n;
}

static int registers_list_ids(void *self, uint64_t *ids)
{
	struct host_vcpu *vcpu = self;
	struct x86_calls *calls = calls_get(vcpu);
	uint32_t count;

	if (!calls)
		return -ENOMEM;
	x86_state_begin(&calls->state, calls->xsave);
	for (uint32_t family = 0; family < FAMILIES; family++)
		if (family_ask(vcpu, &calls->state, family))
			calls->state.absent |= 1u << family;
	count = x86_register_list(&calls->state, ids);
	count += kvms_list(vcpu, ids ? ids + count : NULL);
	return (int)(count + msrs_list(vcpu, calls, ids ? ids + count : NULL));
}

const struct register_ops host_register_ops = { registers_read, registers_write, registers_list_ids };
