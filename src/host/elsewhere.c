/*
 * The registers of a vCPU of the kernel's KVM where it has KVM_GET_ONE_REG for all of them, which is everywhere but on x86: many are got and set
 * one by one, which saves the program's loop and no system call; a kernel that has KVM_GET_MANY_REGS itself is asked for all at once. On
 * s390 the registers that kvm_run always has cost no call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/why.h"
#include "host/kernel.h"
#include "reg/arm64.h"

/* What a call works on: the array for the kernel, the entries, the values, and those that were there before. */
struct calls {
	size_t room;
	struct kvm_many_regs *many;
	struct register_entry *entries;
	uint8_t *values, *before;
	enum { KERNEL_UNKNOWN, KERNEL_HAS_ONE, KERNEL_HAS_MANY } kernel;
};

void host_plan_free(struct host_vcpu *vcpu)
{
	struct calls *calls = vcpu->plan;

	if (!calls)
		return;
	free(calls->many);
	free(calls->entries);
	free(calls->values);
	free(calls->before);
	free(calls);
	vcpu->plan = NULL;
}

static bool room_make(struct calls *calls, uint32_t count)
{
	if (count <= calls->room)
		return true;
	free(calls->many);
	free(calls->entries);
	free(calls->values);
	free(calls->before);
	calls->many = malloc(sizeof *calls->many + count * sizeof calls->many->reg[0]);
	calls->entries = calloc(count, sizeof *calls->entries);
	calls->values = calloc(count, REGISTER_SIZE_MAX);
	calls->before = calloc(count, REGISTER_SIZE_MAX);
	calls->room = calls->many && calls->entries && calls->values && calls->before ? count : 0;
	return calls->room;
}

/* KVM_GET_MANY_REGS of nothing succeeds where there is such a call. */
static void kernel_ask(struct host_vcpu *vcpu, struct calls *calls)
{
	uint64_t nothing = 0;

	if (calls->kernel == KERNEL_UNKNOWN)
		calls->kernel = vcpu_kernel(vcpu, KVM_GET_MANY_REGS, &nothing) ? KERNEL_HAS_ONE : KERNEL_HAS_MANY;
}

static struct calls *calls_get(struct host_vcpu *vcpu, uint32_t count)
{
	struct calls *calls = vcpu->plan;

	if (!calls)
		calls = vcpu->plan = calloc(1, sizeof *calls);
	if (!calls || !room_make(calls, count))
		return NULL;
	kernel_ask(vcpu, calls);
	return calls;
}

static uint32_t size_of(uint64_t id)
{
	uint32_t bits = (uint32_t)((id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT);

	return bits <= 8 ? 1u << bits : 0;
}

/* ---- Reading. ---- */

#if defined(__s390x__)
/* Registers that every exit leaves in kvm_run: kvm_valid_regs says which sets. */
static const struct {
	uint64_t id, set;
	size_t at;
} synced_places[] = {
#define PLACE(name, set, field) { KVM_REG_S390_##name, KVM_SYNC_##set, offsetof(struct kvm_sync_regs, field) }
	PLACE(TODPR, ARCH0, todpr), PLACE(CPU_TIMER, ARCH0, cputm), PLACE(CLOCK_COMP, ARCH0, ckc), PLACE(PP, ARCH0, pp), PLACE(GBEA, ARCH0, gbea),
	PLACE(PFTOKEN, PFAULT, pft), PLACE(PFSELECT, PFAULT, pfs), PLACE(PFCOMPARE, PFAULT, pfc),
};

static bool value_synced(struct host_vcpu *vcpu, uint64_t id, void *value)
{
	uint64_t synced = atomic_load_explicit(&vcpu->synced, memory_order_relaxed);

	if (!synced || !vcpu->run || vcpu->run->kvm_dirty_regs)
		return false;
	for (size_t i = 0; i < sizeof synced_places / sizeof *synced_places; i++) {
		if (synced_places[i].id != id || !(synced & synced_places[i].set))
			continue;
		memcpy(value, (const uint8_t *)&vcpu->run->s.regs + synced_places[i].at, size_of(id));
		return true;
	}
	return false;
}
#else
static bool value_synced(struct host_vcpu *vcpu, uint64_t id, void *value)
{
	(void)vcpu;
	(void)id;
	(void)value;
	return false;
}
#endif

/* What the kernel does with one register is the kernel's to say, an unknown one's error too. */
static int one_move(struct host_vcpu *vcpu, unsigned int cmd, uint64_t id, const void *value)
{
	const struct kvm_one_reg reg = { .id = id, .addr = (uint64_t)value };

	return (int)vcpu_kernel(vcpu, cmd, &reg);
}

static int values_ask(struct host_vcpu *vcpu, struct calls *calls, const struct register_batch *batch, uint8_t *values, uint32_t *at)
{
	int error;

	if (calls->kernel == KERNEL_HAS_MANY && batch->count > 1) {
		calls->many->n = batch->count;
		for (uint32_t i = 0; i < batch->count; i++)
			calls->many->reg[i] = (struct kvm_one_reg){ batch->regs[i].id, (uint64_t)(values + i * (size_t)REGISTER_SIZE_MAX) };
		if (!vcpu_kernel(vcpu, KVM_GET_MANY_REGS, calls->many))
			return 0;
		/* One by one says which of them it was. */
	}
	for (*at = 0; *at < batch->count; ++*at) {
		uint64_t id = batch->regs[*at].id;
		uint8_t *value = values + *at * (size_t)REGISTER_SIZE_MAX;

		if (value_synced(vcpu, id, value))
			continue;
		/* Beyond 2048 bits the kernel might write more than there is room for. */
		error = size_of(id) ? one_move(vcpu, KVM_GET_ONE_REG, id, value) : -EINVAL;
		if (error)
			return why(error, "the kernel refuses to tell it");
	}
	return 0;
}

static int registers_read(void *self, struct register_batch *batch)
{
	struct host_vcpu *vcpu = self;
	struct calls *calls = calls_get(vcpu, batch->count);
	int error;

	if (!calls)
		return -ENOMEM;
	error = values_ask(vcpu, calls, batch, calls->values, &batch->at);
	for (uint32_t i = 0; i < batch->count && !error; i++)
		calls->entries[i] = (struct register_entry){ batch->regs[i].id, calls->values + i * (size_t)REGISTER_SIZE_MAX, size_of(batch->regs[i].id) };
	batch->entries = calls->entries;
	return error;
}

/* ---- Setting. ---- */

/* Some registers take a value only once another has its own: what was refused is tried again as long as anything succeeds. */
static int values_put(struct host_vcpu *vcpu, struct register_batch *batch)
{
	uint32_t left[batch->count], count = batch->count, refused;
	int error = 0;

	for (uint32_t i = 0; i < count; i++)
		left[i] = i;
	for (; count; count = refused) {
		refused = 0;
		for (uint32_t i = 0; i < count; i++) {
			const struct register_entry *entry = &batch->entries[left[i]];
			int one = one_move(vcpu, KVM_SET_ONE_REG, entry->id, entry->value);

			if (!one)
				continue;
			if (!refused)
				error = one;
			left[refused++] = left[i];
		}
		if (refused == count) {
			batch->at = left[0];
			return why(error, "the kernel refuses the value");
		}
	}
	return 0;
}

/* A register that only ever sets bits is cleared first; its counterpart, which only clears, has nothing to put back. */
static void value_put_back(struct host_vcpu *vcpu, uint64_t id, const void *value)
{
	static const uint64_t ones = UINT64_MAX;
	uint64_t clearer = arm64_reg_clearer(id);

	if (arm64_reg_clears(id))
		return;
	if (clearer)
		one_move(vcpu, KVM_SET_ONE_REG, clearer, &ones);
	one_move(vcpu, KVM_SET_ONE_REG, id, value);
}

static int registers_write(void *self, struct register_batch *batch)
{
	struct host_vcpu *vcpu = self;
	struct calls *calls = calls_get(vcpu, batch->count);
	int error;

	if (!calls)
		return -ENOMEM;
	if (batch->count == 1) {
		batch->at = 0;
		error = one_move(vcpu, KVM_SET_ONE_REG, batch->entries->id, batch->entries->value);
		return error ? why(error, "the kernel refuses it") : 0;
	}
	error = values_ask(vcpu, calls, batch, calls->before, &batch->at);
	if (error)
		return error;
	error = values_put(vcpu, batch);
	/* As it was, the last first; what cannot be written back has not been written. */
	for (uint32_t i = batch->count; error && i-- > 0;)
		value_put_back(vcpu, batch->entries[i].id, calls->before + i * (size_t)REGISTER_SIZE_MAX);
	return error;
}

/* ---- The list: the kernel's. ---- */

static int registers_list_ids(void *self, uint64_t *ids)
{
	struct host_vcpu *vcpu = self;
	struct kvm_reg_list *list = malloc(sizeof *list + REGISTER_LIST_MAX * sizeof *ids);
	int result;

	if (!list)
		return -ENOMEM;
	list->n = REGISTER_LIST_MAX;
	result = (int)vcpu_kernel(vcpu, KVM_GET_REG_LIST, list);
	if (result < 0)
		why(result, "the kernel refuses to list the vCPU's registers");
	else if (list->n > REGISTER_LIST_MAX)
		result = why(-E2BIG, "the kernel lists %llu registers", (unsigned long long)list->n);
	else
		memcpy(ids, list->reg, list->n * sizeof *ids);
	result = result < 0 ? result : (int)list->n;
	free(list);
	return result;
}

const struct register_ops host_register_ops = { registers_read, registers_write, registers_list_ids };
