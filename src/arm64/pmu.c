/*
 * The performance monitors' registers by id: pairs over one word, which the register that sets has in cpu->sys[]; PMCR_EL0, whose N is the VM's.
 * What counts is the interpreter's business.
 */
#include "arm64/ioctl.h"

#define PMCR_KEPT UINT64_C(0xff)
#define PMCR_N_SHIFT 11
#define CYCLES (UINT64_C(1) << 31)

enum sysreg arm64_pmu_word(enum sysreg reg)
{
	switch ((int)reg) {
	case SYS_PMCNTENCLR_EL0: return SYS_PMCNTENSET_EL0;
	case SYS_PMINTENCLR_EL1: return SYS_PMINTENSET_EL1;
	case SYS_PMOVSCLR_EL0: return SYS_PMOVSSET_EL0;
	default: return reg;
	}
}

uint64_t arm64_pmu_counters(const struct arm64_vcpu *cpu)
{
	return CYCLES | ((UINT64_C(1) << arm64_vm(cpu)->pmcr_n) - 1);
}

uint64_t arm64_pmu_get(struct arm64_vcpu *cpu, enum sysreg reg)
{
	switch (arm64_sysregs[reg].rule) {
	case RULE_PMU_SET:
	case RULE_PMU_CLR:
		return cpu->sys[arm64_pmu_word(reg)] & arm64_pmu_counters(cpu);
	case RULE_PMU_SWINC:
		return 0;
	case RULE_PMU_PMCR:
		return cpu->sys[reg] | arm64_vm(cpu)->pmcr_n << PMCR_N_SHIFT;
	default:
		return cpu->sys[reg];
	}
}

/* N that no vCPU can have is left out, without a word; so it is once a vCPU has run. */
static void pmcr_set(struct arm64_vcpu *cpu, uint64_t value)
{
	struct arm64_vm *vm = arm64_vm(cpu);
	uint64_t n = value >> PMCR_N_SHIFT & 31;

	if (n <= ARM64_PMU_COUNTERS && !vm->ran)
		vm->pmcr_n = n;
	cpu->sys[SYS_PMCR_EL0] = (value & PMCR_KEPT) | ARM64_PMCR;
}

void arm64_pmu_set(struct arm64_vcpu *cpu, enum sysreg reg, uint64_t value)
{
	enum sysreg word = arm64_pmu_word(reg);

	switch (arm64_sysregs[reg].rule) {
	case RULE_PMU_SET:
		cpu->sys[word] |= value & arm64_pmu_counters(cpu);
		break;
	case RULE_PMU_CLR:
		cpu->sys[word] &= ~(value & arm64_pmu_counters(cpu));
		break;
	case RULE_PMU_SWINC:
		break;
	case RULE_PMU_PMCR:
		pmcr_set(cpu, value);
		break;
	default:
		cpu->sys[reg] = value;
		break;
	}
}

/* Which pair a register is of; -1: none. */
static int pair_of(enum sysreg reg)
{
	switch ((int)arm64_pmu_word(reg)) {
	case SYS_PMCNTENSET_EL0: return 0;
	case SYS_PMINTENSET_EL1: return 1;
	case SYS_PMOVSSET_EL0: return 2;
	default: return -1;
	}
}

/* A list that was read has the word twice; what sets and clears the same bits can only mean the word. */
void arm64_pmu_settle(struct arm64_vcpu *cpu, const struct arm64_reg *regs, const struct register_entry *entries, const uint16_t *which, uint32_t count)
{
	static const enum sysreg words[3] = { SYS_PMCNTENSET_EL0, SYS_PMINTENSET_EL1, SYS_PMOVSSET_EL0 };
	const void *values[3][2] = { { NULL } }; /* of the register that sets, and of the one that clears */

	for (uint32_t i = 0; i < count; i++) {
		const struct arm64_reg *reg = &regs[which[i]];
		int pair = reg->place || reg->class != &arm64_system ? -1 : pair_of((enum sysreg)reg->number);

		if (pair >= 0)
			values[pair][arm64_sysregs[reg->number].rule == RULE_PMU_CLR] = entries[which[i]].value;
	}
	for (uint32_t i = 0; i < 3; i++)
		if (values[i][0] && values[i][1] && value64(values[i][0]) == value64(values[i][1]))
			cpu->sys[words[i]] = value64(values[i][0]) & arm64_pmu_counters(cpu);
}
