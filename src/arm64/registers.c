/*
 * The vCPU's registers by id: which class an id belongs to (api.rst 4.68), and sets that are one transaction: what is refused is refused before
 * anything has changed. Must never know what a register means.
 */
#include <errno.h>

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

/* ---- Reading. ---- */

static int read_all(struct arm64_vcpu *cpu, struct register_batch *batch)
{
	struct arm64_reg reg;

	for (batch->at = 0; batch->at < batch->count; batch->at++) {
		struct register_entry *entry = &cpu->register_entries[batch->at];
		int error = find(cpu, batch->regs[batch->at].id, false, &reg);

		if (error)
			return error;
		if (!reg.place) {
			cpu->register_values[batch->at] = reg.class->get(cpu, &reg);
			reg.place = &cpu->register_values[batch->at];
		}
		*entry = (struct register_entry){ batch->regs[batch->at].id, reg.place, reg.size };
	}
	return 0;
}

static int registers_read(void *vcpu, struct register_batch *batch)
{
	struct arm64_vcpu *cpu = vcpu;
	int error;

	pthread_mutex_lock(&cpu->vcpu.vm->lock);
	error = read_all(cpu, batch);
	pthread_mutex_unlock(&cpu->vcpu.vm->lock);
	batch->entries = cpu->register_entries;
	return error;
}

/* ---- Setting. ---- */

static int check_all(struct arm64_vcpu *cpu, struct register_batch *batch, struct arm64_reg *regs)
{
	for (batch->at = 0; batch->at < batch->count; batch->at++) {
		struct arm64_reg *reg = &regs[batch->at];
		int error = find(cpu, batch->entries[batch->at].id, true, reg);

		if (!error)
			error = reg->late;
		if (!error)
			error = reg->class->check(cpu, reg, batch->entries[batch->at].value);
		if (error)
			return error;
	}
	return 0;
}

/* PMCR_EL0 says which counters the others speak of. */
static void set_all(struct arm64_vcpu *cpu, const struct register_batch *batch, const struct arm64_reg *regs)
{
	bool pmu = batch->count > 1 && arm64_has(cpu, KVM_ARM_VCPU_PMU_V3);

	for (uint32_t i = 0; pmu && i < batch->count; i++)
		if (regs[i].class == &arm64_system && regs[i].number == SYS_PMCR_EL0)
			arm64_system.set(cpu, &regs[i], batch->entries[i].value);
	for (uint32_t i = 0; i < batch->count; i++)
		regs[i].class->set(cpu, &regs[i], batch->entries[i].value);
	if (pmu)
		arm64_pmu_settle(cpu, regs, batch->entries, batch->count);
}

static int registers_write(void *vcpu, struct register_batch *batch)
{
	struct arm64_vcpu *cpu = vcpu;
	struct arm64_reg regs[batch->count];
	int error;

	pthread_mutex_lock(&cpu->vcpu.vm->lock);
	error = check_all(cpu, batch, regs);
	if (!error)
		set_all(cpu, batch, regs);
	pthread_mutex_unlock(&cpu->vcpu.vm->lock);
	return error;
}

static int value_size(void *vcpu, uint64_t id)
{
	struct arm64_reg reg;
	int error = find(vcpu, id, true, &reg);

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
