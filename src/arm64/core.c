/*
 * Core registers by id: places in struct kvm_regs, in units of 32 bits (api.rst 4.68). Must never know a system register.
 */
#include <errno.h>
#include <string.h>

#include "arm64/ioctl.h"
#include "core/why.h"

#define WORD(field) (offsetof(struct kvm_regs, field) / 4)
#define WORDS (sizeof(struct kvm_regs) / 4)
enum {
	AT_X0 = WORD(regs.regs[0]),
	AT_SP = WORD(regs.sp),
	AT_PC = WORD(regs.pc),
	AT_PSTATE = WORD(regs.pstate),
	AT_SP_EL1 = WORD(sp_el1),
	AT_ELR_EL1 = WORD(elr_el1),
	AT_SPSR = WORD(spsr[0]),
	AT_SPSR_END = WORD(spsr[KVM_NR_SPSR]),
	AT_V0 = WORD(fp_regs.vregs[0]),
	AT_FPSR = WORD(fp_regs.fpsr),
	AT_FPCR = WORD(fp_regs.fpcr),
};

/* Where the register that begins at that word is, and its size; 0: none begins there. PSTATE has no place. */
static uint32_t place(struct arm64_vcpu *cpu, uint32_t word, void **at)
{
	*at = NULL;
	if (word >= AT_V0) {
		if (word < AT_FPSR) {
			*at = &cpu->z[(word - AT_V0) / 4];
			return word % 4 == AT_V0 % 4 ? 16 : 0;
		}
		*at = word == AT_FPSR ? &cpu->fpsr : &cpu->fpcr;
		return word == AT_FPSR || word == AT_FPCR ? 4 : 0;
	}
	if (word % 2 || word >= AT_SPSR_END)
		return 0;
	if (word < AT_SP)
		*at = &cpu->x[word / 2];
	else if (word >= AT_SPSR)
		*at = &cpu->spsr[(word - AT_SPSR) / 2];
	else if (word == AT_SP)
		*at = &cpu->x[X_SP_EL0];
	else if (word == AT_PC)
		*at = &cpu->pc;
	else if (word == AT_SP_EL1)
		*at = &cpu->x[X_SP_EL1];
	else if (word == AT_ELR_EL1)
		*at = &cpu->elr_el1;
	return 8;
}

static int core_find(struct arm64_vcpu *cpu, uint64_t id, bool set, struct arm64_reg *reg)
{
	uint64_t word = id & 0xf000ffff, size = UINT64_C(1) << (id >> 52 & 15);

	(void)set;
	/* As Linux compares: what is too wide near the end is "not there", what is too wide elsewhere is "wrong". */
	if (word >= WORDS || word + size / 4 >= WORDS)
		return why(-ENOENT, "beyond struct kvm_regs");
	reg->size = reg->significant = place(cpu, (uint32_t)word, &reg->place);
	reg->number = (uint32_t)word;
	reg->plain = reg->place != NULL;
	if (!reg->size)
		return why(-EINVAL, "no register begins at byte %u of struct kvm_regs", 4 * (unsigned int)word);
	if (reg->size == 16 && arm64_has(cpu, KVM_ARM_VCPU_SVE))
		return why(-EINVAL, "the vCPU has SVE: V registers are the low bits of Z registers");
	if (reg->size != size)
		return why(-EINVAL, "the register has %u bytes, its id %llu", reg->size, (unsigned long long)size);
	return 0;
}

/* PSTATE, the one register that stands nowhere as it is. */
static uint64_t core_get(struct arm64_vcpu *cpu, const struct arm64_reg *reg)
{
	(void)reg;
	return pstate_get(cpu);
}

/* Of PSTATE only the mode is checked: EL0t, EL1t, EL1h. There is neither EL2 nor AArch32. */
static int core_check(struct arm64_vcpu *cpu, const struct arm64_reg *reg, const void *value)
{
	uint64_t mode = value64(value) & PSTATE_MODE;

	(void)cpu;
	if (reg->place || mode == PSTATE_EL0T || mode == PSTATE_EL1T || mode == PSTATE_EL1H)
		return 0;
	if (mode & PSTATE_NRW)
		return why(-EINVAL, "mode 0x%llx: there is no AArch32", (unsigned long long)mode);
	return why(-EINVAL, "mode 0x%llx: the vCPU has EL0t, EL1t and EL1h", (unsigned long long)mode);
}

static void core_set(struct arm64_vcpu *cpu, const struct arm64_reg *reg, const void *value)
{
	if (reg->place)
		memcpy(reg->place, value, reg->size);
	else
		pstate_set(cpu, value64(value));
}

static uint32_t core_list(const struct arm64_vcpu *cpu, uint64_t *ids)
{
	bool sve = arm64_has(cpu, KVM_ARM_VCPU_SVE);
	uint32_t count = 0;

	for (uint32_t word = 0; word < WORDS; word++) {
		void *at;
		uint32_t size = place((struct arm64_vcpu *)cpu, word, &at);

		if (size && !(size == 16 && sve))
			ids[count++] = KVM_REG_ARM64 | KVM_REG_ARM_CORE | (uint64_t)__builtin_ctz(size) << KVM_REG_SIZE_SHIFT | word;
	}
	return count;
}

const struct arm64_class arm64_core = { core_find, core_get, core_check, core_set, core_list };
