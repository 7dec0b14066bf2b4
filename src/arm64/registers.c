/*
 * The vCPU's registers by id: which class an id belongs to (api.rst 4.68), and sets that are one transaction: what is refused is refused before
 * anything has changed. Must never know what a register means.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arm64/ioctl.h"
#include "core/why.h"

#define HIGH_BITS UINT64_C(0xff0fffff00000000)

static int find(struct arm64_vcpu *cpu, uint64_t id, bool set, struct arm64_reg *reg)
{
	int error;

	*reg = (struct arm64_reg){ 0 };
	if ((id & HIGH_BITS) != KVM_REG_ARM64)
		return why(-EINVAL, "not an id of arm64");
	switch (id & KVM_REG_ARM_COPROC_MASK) {
	case KVM_REG_ARM_CORE: reg->class = &arm64_core; break;
	case KVM_REG_ARM_DEMUX: reg->class = &arm64_demux; break;
	case KVM_REG_ARM_FW:
	case KVM_REG_ARM_FW_FEAT_BMAP: reg->class = &arm64_firmware; break;
	case KVM_REG_ARM64_SVE: reg->class = &arm64_sve; break;
	default:
		reg->class = &arm64_timer;
		error = arm64_timer.find(cpu, id, set, reg);
		if (error <= 0)
			return error;
		reg->class = &arm64_system;
		break;
	}
	return reg->class->find(cpu, id, set, reg);
}

/* ---- Plans: where the registers of the last call for many were. Programs ask for the same ones again and again. ---- */

enum { READ, SET };

struct arm64_plan {
	uint32_t count;    /* 0: none */
	uint32_t computed; /* registers that stand nowhere: `others` */
	uint16_t others[REGISTERS_MAX];
	uint64_t ids[REGISTERS_MAX];
	struct arm64_reg regs[REGISTERS_MAX];
};

void arm64_registers_forget(struct arm64_vcpu *cpu)
{
	for (unsigned int i = READ; i <= SET; i++) {
		free(cpu->register_plans[i]);
		cpu->register_plans[i] = NULL;
	}
}

static struct arm64_plan *plan_of(struct arm64_vcpu *cpu, unsigned int kind)
{
	if (!cpu->register_plans[kind])
		cpu->register_plans[kind] = calloc(1, sizeof(struct arm64_plan));
	return cpu->register_plans[kind];
}

static bool plan_fits(const struct arm64_plan *plan, const struct register_batch *batch)
{
	if (plan->count != batch->count)
		return false;
	for (uint32_t i = 0; i < batch->count; i++)
		if (plan->ids[i] != batch->regs[i].id)
			return false;
	return true;
}

static int plan_make(struct arm64_vcpu *cpu, struct arm64_plan *plan, struct register_batch *batch, bool set)
{
	plan->count = plan->computed = 0;
	for (batch->at = 0; batch->at < batch->count; batch->at++) {
		struct arm64_reg *reg = &plan->regs[batch->at];
		int error = find(cpu, batch->regs[batch->at].id, set, reg);

		if (!error)
			error = reg->late;
		if (error)
			return error;
		plan->ids[batch->at] = batch->regs[batch->at].id;
		if (set ? !reg->plain : !reg->place)
			plan->others[plan->computed++] = (uint16_t)batch->at;
	}
	plan->count = batch->count;
	return 0;
}

/* ---- Reading. ---- */

static const void *value_of(struct arm64_vcpu *cpu, const struct arm64_reg *reg, uint32_t at)
{
	if (reg->place)
		return reg->place;
	cpu->register_values[at] = reg->class->get(cpu, reg);
	return &cpu->register_values[at];
}

static int read_one(struct arm64_vcpu *cpu, struct register_batch *batch)
{
	struct arm64_reg reg;
	int error = find(cpu, batch->regs[0].id, false, &reg);

	if (!error)
		cpu->register_entries[0] = (struct register_entry){ batch->regs[0].id, value_of(cpu, &reg, 0), reg.size };
	if (cpu->register_plans[READ])
		cpu->register_plans[READ]->count = 0; /* its first entry is gone */
	return error;
}

static int read_many(struct arm64_vcpu *cpu, struct register_batch *batch)
{
	struct arm64_plan *plan = plan_of(cpu, READ);
	int error;

	if (!plan)
		return -ENOMEM;
	if (!plan_fits(plan, batch)) {
		error = plan_make(cpu, plan, batch, false);
		if (error)
			return error;
		for (uint32_t i = 0; i < batch->count; i++)
			cpu->register_entries[i] = (struct register_entry){ plan->ids[i], plan->regs[i].place, plan->regs[i].size };
	}
	for (uint32_t i = 0; i < plan->computed; i++)
		cpu->register_entries[plan->others[i]].value = value_of(cpu, &plan->regs[plan->others[i]], plan->others[i]);
	return 0;
}

static int registers_read(void *vcpu, struct register_batch *batch)
{
	struct arm64_vcpu *cpu = vcpu;
	int error;

	pthread_mutex_lock(&cpu->vcpu.vm->lock);
	error = batch->count == 1 ? read_one(cpu, batch) : read_many(cpu, batch);
	pthread_mutex_unlock(&cpu->vcpu.vm->lock);
	batch->entries = cpu->register_entries;
	return error;
}

/* ---- Setting. ---- */

static void value_set(struct arm64_vcpu *cpu, const struct arm64_reg *reg, const void *value)
{
	if (!reg->plain)
		reg->class->set(cpu, reg, value);
	else if (reg->significant == 8)
		memcpy(reg->place, value, 8);
	else
		memcpy(reg->place, value, reg->significant);
}

static int set_one(struct arm64_vcpu *cpu, struct register_batch *batch)
{
	const struct register_entry *entry = &batch->entries[0];
	struct arm64_reg reg;
	int error = find(cpu, entry->id, true, &reg);

	if (!error)
		error = reg.late;
	if (!error && !reg.plain)
		error = reg.class->check(cpu, &reg, entry->value);
	if (!error)
		value_set(cpu, &reg, entry->value);
	return error;
}

/* PMCR_EL0 says which counters the others speak of. */
static void set_all(struct arm64_vcpu *cpu, const struct arm64_plan *plan, const struct register_entry *entries)
{
	bool pmu = arm64_has(cpu, KVM_ARM_VCPU_PMU_V3);

	for (uint32_t i = 0; pmu && i < plan->computed; i++) {
		const struct arm64_reg *reg = &plan->regs[plan->others[i]];

		if (reg->class == &arm64_system && reg->number == SYS_PMCR_EL0)
			arm64_system.set(cpu, reg, entries[plan->others[i]].value);
	}
	for (uint32_t i = 0; i < plan->count; i++)
		value_set(cpu, &plan->regs[i], entries[i].value);
	if (pmu)
		arm64_pmu_settle(cpu, plan->regs, entries, plan->others, plan->computed);
}

static int set_many(struct arm64_vcpu *cpu, struct register_batch *batch)
{
	struct arm64_plan *plan = plan_of(cpu, SET);
	int error;

	if (!plan)
		return -ENOMEM;
	if (!plan_fits(plan, batch)) {
		error = plan_make(cpu, plan, batch, true);
		if (error)
			return error;
	}
	for (uint32_t i = 0; i < plan->computed; i++) {
		const struct arm64_reg *reg = &plan->regs[plan->others[i]];

		batch->at = plan->others[i];
		error = reg->class->check(cpu, reg, batch->entries[batch->at].value);
		if (error)
			return error;
	}
	set_all(cpu, plan, batch->entries);
	return 0;
}

static int registers_write(void *vcpu, struct register_batch *batch)
{
	struct arm64_vcpu *cpu = vcpu;
	int error;

	pthread_mutex_lock(&cpu->vcpu.vm->lock);
	error = batch->count == 1 ? set_one(cpu, batch) : set_many(cpu, batch);
	pthread_mutex_unlock(&cpu->vcpu.vm->lock);
	return error;
}

static int value_size(void *vcpu, uint64_t id, uint32_t at)
{
	const struct arm64_plan *plan = ((struct arm64_vcpu *)vcpu)->register_plans[SET];
	struct arm64_reg reg;
	int error;

	if (plan && at < plan->count && plan->ids[at] == id)
		return (int)plan->regs[at].significant;
	error = find(vcpu, id, true, &reg);
	if (error)
		return error;
	if (reg.late) /* it will be told when the value has been read */
		why_clear();
	return (int)reg.significant;
}

/* As on Linux, the bytes in front of a hole arrive in vector registers. */
static void value_cut(void *vcpu, uint64_t id, const void *value)
{
	struct arm64_reg reg;

	if (!find(vcpu, id, true, &reg) && reg.class == &arm64_sve && reg.number)
		arm64_sve.set(vcpu, &reg, value);
	why_clear(); /* what the call is refused for is the hole */
}

/* ---- The list. ---- */

static int registers_list_ids(void *vcpu, uint64_t *ids)
{
	struct arm64_vcpu *cpu = vcpu;
	uint32_t count;

	if (arm64_has(cpu, KVM_ARM_VCPU_SVE) && !cpu->finalized)
		return why(-EPERM, "SVE: KVM_ARM_VCPU_FINALIZE has not been called on this vCPU");
	count = arm64_core.list(cpu, ids);
	count += arm64_sve.list(cpu, ids + count);
	count += arm64_firmware.list(cpu, ids + count);
	count += arm64_timer.list(cpu, ids + count);
	count += arm64_invariants_list(cpu, ids + count);
	count += arm64_system.list(cpu, ids + count);
	count += arm64_demux.list(cpu, ids + count);
	return (int)count;
}

const struct register_ops arm64_register_ops = {
	.read = registers_read,
	.write = registers_write,
	.list = registers_list_ids,
	.value_size = value_size,
	.value_cut = value_cut,
	.list_n_32 = true,
};
