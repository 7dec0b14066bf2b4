/*
 * How a call's x86 registers are read and set, on software and on hardware KVM alike: which of KVM's other calls it takes (families of the
 * catalogue, MSRs), and where each value then is. A plan to read stays good for the same ids. Makes no call itself.
 */
#ifndef ANYKVM_X86_PLAN_H
#define ANYKVM_X86_PLAN_H

#include "vm/registers.h"
#include "x86/catalogue.h"

/* ---- Reading. ---- */

/* A value that is put together each time, from the state. */
struct x86_part {
	const struct x86_register *row;
	uint32_t at; /* its entry */
	uint8_t value[64];
};

/* A value that is asked for by itself: an MSR, or one of KVM_X86_REG_TYPE_KVM. */
struct x86_single {
	uint64_t value;
	uint64_t id;
	uint32_t at;
};

struct x86_plan {
	uint32_t count, room;
	uint32_t families; /* to fetch, 1 << FAMILY_... */
	uint32_t part_count, msr_count, kvm_count;
	struct register_entry *entries;
	struct x86_part *parts;
	struct x86_single *msrs, *kvms;
};

void x86_plan_free(struct x86_plan *plan);

/* Whether it is for the ids of this call. */
static inline bool x86_plan_fits(const struct x86_plan *plan, const struct register_batch *batch)
{
	uint64_t difference = 0;

	if (plan->count != batch->count)
		return false;
	for (uint32_t i = 0; i < batch->count; i++)
		difference |= plan->entries[i].id ^ batch->regs[i].id;
	return !difference;
}

/*
 * Makes a plan for the call: values will be in `state`, wherever `place` says that a value always is (it may know better than the state;
 * NULL: it does not), in parts, or asked for by themselves. 0 or -errno.
 */
typedef const void *x86_place_fn(void *context, uint64_t id, const struct x86_register *row);
int x86_plan_make(struct x86_plan *plan, const struct x86_state *state, struct register_batch *batch, x86_place_fn *place, void *context);

/* The parts, once the families are there. 0, or -ENOENT with batch->at. */
int x86_plan_parts(struct x86_plan *plan, const struct x86_state *state, struct register_batch *batch);

/* ---- Setting. ---- */

struct x86_msr {
	uint32_t index, at; /* `at`: the entry that said so, the last one */
	uint64_t value;
};

/* What a call sets, noted before anything is done. The state says which families have changed. */
struct x86_set {
	struct x86_state *state;
	const struct register_batch *batch;
	struct x86_msr *msrs; /* room for batch->count; each once, the time stamp counter last */
	uint32_t msr_count;
	const struct register_entry *kvm; /* the one of KVM_X86_REG_TYPE_KVM; those go alone */
	/* Brings a family into the state: 0 or -errno. */
	int (*fetch)(void *context, uint32_t family);
	void *context;
};

#define MSR_TSC 0x10

/* Notes all entries and makes the state fit together. 0, or -errno with batch->at. */
int x86_set_note(struct x86_set *set, struct register_batch *batch);

/* Whether it comes down to one call, which by itself does all or nothing. */
static inline bool x86_set_single(const struct x86_set *set)
{
	return (uint32_t)__builtin_popcount(set->state->changed) + set->msr_count <= 1;
}

/* A state for a new call; `xsave` is where its area is or goes, `xsave_at` where components begin in it. */
void x86_state_begin(struct x86_state *state, uint8_t *xsave);

#endif
