/*
 * System registers by id: one row each (sysregs_list.h), found by encoding, read and set by the row's rule.
 */
#include <errno.h>

#include "arm64/ioctl.h"
#include "core/why.h"

/* What KVM puts where the architecture has no value after reset. */
#define UNKNOWN UINT64_C(0x1de7ec7edbadc0de)

#define ENCODING(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

const struct arm64_sysreg arm64_sysregs[SYSREG_COUNT] = {
#define SYSREG(name, op0, op1, crn, crm, op2, rule, reset) [SYS_##name] = { ENCODING(op0, op1, crn, crm, op2), RULE_##rule, reset },
#include "arm64/sysregs_list.h"
#undef SYSREG
};

/* The register of an encoding, plus one. All have op0 2 or 3. */
#define FIRST_ENCODING 0x8000
static const uint16_t by_encoding[0x10000 - FIRST_ENCODING] = {
#define SYSREG(name, op0, op1, crn, crm, op2, rule, reset) [ENCODING(op0, op1, crn, crm, op2) - FIRST_ENCODING] = SYS_##name + 1,
#include "arm64/sysregs_list.h"
#undef SYSREG
};

/* Why the vCPU has not got a register of that rule; NULL: it has. */
static const char *missing(const struct arm64_vcpu *cpu, unsigned int rule)
{
	if (rule >= RULE_PMU && rule <= RULE_PMU_PMCR && !arm64_has(cpu, KVM_ARM_VCPU_PMU_V3))
		return "the vCPU has no PMU (KVM_ARM_VCPU_PMU_V3)";
	if (rule == RULE_SVE && !arm64_has(cpu, KVM_ARM_VCPU_SVE))
		return "the vCPU has no SVE (KVM_ARM_VCPU_SVE)";
	if (rule == RULE_PTRAUTH && !arm64_has(cpu, KVM_ARM_VCPU_PTRAUTH_ADDRESS))
		return "the vCPU has no pointer authentication (KVM_ARM_VCPU_PTRAUTH_ADDRESS)";
	return NULL;
}

/* Registers that read as they stand in cpu->sys[]. */
static bool is_storage(enum sysreg reg)
{
	unsigned int rule = arm64_sysregs[reg].rule;

	return rule != RULE_ID && !(rule > RULE_PMU && rule <= RULE_PMU_PMCR);
}

static bool is_checked(unsigned int rule)
{
	return rule == RULE_INVARIANT || rule == RULE_OSLSR || rule == RULE_CLIDR;
}

/* What translations were made with. */
static bool translates(uint32_t number)
{
	return number == SYS_SCTLR_EL1 || number == SYS_TTBR0_EL1 || number == SYS_TTBR1_EL1 || number == SYS_TCR_EL1 || number == SYS_MAIR_EL1;
}

/* A missing register is found out only when the value has been read. */
static int not_found(bool set, struct arm64_reg *reg, const char *reason)
{
	int error = why(-ENOENT, "%s", reason);

	if (!set)
		return error;
	reg->late = error;
	return 0;
}

static int system_find(struct arm64_vcpu *cpu, uint64_t id, bool set, struct arm64_reg *reg)
{
	uint64_t encoding = id ^ ARM64_SYSREG_ID(0);
	const char *reason;

	reg->size = reg->significant = 8;
	if (encoding - FIRST_ENCODING >= 0x10000 - FIRST_ENCODING || !by_encoding[encoding - FIRST_ENCODING])
		return not_found(set, reg, "no system register with an id of its own, of 64 bits");
	reg->number = by_encoding[encoding - FIRST_ENCODING] - 1u;
	reason = missing(cpu, arm64_sysregs[reg->number].rule);
	if (reason)
		return not_found(set, reg, reason);
	if (is_storage((enum sysreg)reg->number))
		reg->place = &cpu->sys[reg->number];
	reg->plain = reg->place && !is_checked(arm64_sysregs[reg->number].rule) && !translates(reg->number);
	return 0;
}

static uint64_t system_get(struct arm64_vcpu *cpu, const struct arm64_reg *reg)
{
	enum sysreg number = (enum sysreg)reg->number;

	return arm64_sysregs[number].rule == RULE_ID ? *arm64_id_place(arm64_vm(cpu), number) : arm64_pmu_get(cpu, number);
}

static int system_check(struct arm64_vcpu *cpu, const struct arm64_reg *reg, const void *value)
{
	uint64_t wanted = value64(value), now = cpu->sys[reg->number];

	switch (arm64_sysregs[reg->number].rule) {
	case RULE_ID:
		return arm64_id_check(arm64_vm(cpu), (enum sysreg)reg->number, wanted);
	case RULE_CLIDR:
		return arm64_clidr_check(wanted);
	case RULE_INVARIANT:
		return wanted == now ? 0 : why(-EINVAL, "0x%llx: it is what the machine is, 0x%llx", (unsigned long long)wanted, (unsigned long long)now);
	case RULE_OSLSR: /* OSLK alone can change */
		return (wanted | 2) == (arm64_sysregs[SYS_OSLSR_EL1].reset | 2) ? 0 : why(-EINVAL, "0x%llx: only OSLK can change", (unsigned long long)wanted);
	default:
		return 0;
	}
}

static void system_set(struct arm64_vcpu *cpu, const struct arm64_reg *reg, const void *value)
{
	uint64_t wanted = value64(value);

	if (!reg->place) {
		if (arm64_sysregs[reg->number].rule == RULE_ID)
			arm64_id_set(arm64_vm(cpu), (enum sysreg)reg->number, wanted);
		else
			arm64_pmu_set(cpu, (enum sysreg)reg->number, wanted);
		return;
	}
	if (cpu->sys[reg->number] != wanted && translates(reg->number))
		a64_tlb_flush(cpu);
	cpu->sys[reg->number] = wanted;
}

uint32_t arm64_invariants_list(const struct arm64_vcpu *cpu, uint64_t *ids)
{
	static const enum sysreg numbers[] = { SYS_MIDR_EL1, SYS_REVIDR_EL1, SYS_AIDR_EL1 };
	uint32_t count = sizeof numbers / sizeof *numbers;

	(void)cpu;
	for (uint32_t i = 0; i < count; i++)
		ids[i] = ARM64_SYSREG_ID(arm64_sysregs[numbers[i]].encoding);
	return count;
}

static uint32_t system_list(const struct arm64_vcpu *cpu, uint64_t *ids)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < SYSREG_COUNT; i++)
		if (arm64_sysregs[i].rule != RULE_INVARIANT && !missing(cpu, arm64_sysregs[i].rule))
			ids[count++] = ARM64_SYSREG_ID(arm64_sysregs[i].encoding);
	return count;
}

const struct arm64_class arm64_system = { system_find, system_get, system_check, system_set, system_list };

/* ---- Reset. ---- */

void arm64_sysregs_reset(struct arm64_vcpu *cpu, bool first)
{
	for (uint32_t i = 0; i < SYSREG_COUNT; i++) {
		unsigned int rule = arm64_sysregs[i].rule;

		if (rule != RULE_MPIDR && rule != RULE_CLIDR)
			cpu->sys[i] = arm64_sysregs[i].reset;
	}
	cpu->sys[SYS_MIDR_EL1] = ARM64_MIDR;
	cpu->sys[SYS_PMCR_EL0] = ARM64_PMCR;
	if (!first)
		return;
	cpu->sys[SYS_MPIDR_EL1] = arm64_mpidr(cpu->vcpu.id);
	cpu->sys[SYS_CLIDR_EL1] = ARM64_CLIDR;
	for (uint32_t i = 0; i < sizeof cpu->ccsidr / sizeof *cpu->ccsidr; i++)
		cpu->ccsidr[i] = ARM64_CCSIDR;
}
