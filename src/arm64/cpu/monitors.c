/*
 * Performance monitors: see monitors.h.
 */
#include "arm64/cpu/monitors.h"

#include "arm64/cpu/exec.h"
#include "arm64/cpu/private.h"
#include "arm64/ioctl.h"

#define PMCR_E 1
#define PMCR_P 2
#define PMCR_C 4
#define PMCR_LC 0x40
#define PMCR_LP 0x80
#define PMCR_KEPT UINT64_C(0xf9) /* LP, LC, DP, X, D, E */
#define TYPE_KEPT UINT64_C(0xc000ffff) /* P, U, evtCount */
#define CYCLE_COUNTER 31
#define BIT(n) (UINT64_C(1) << (n))
#define FILTER_P BIT(31)
#define FILTER_U BIT(30)
#define FILTER_NSK BIT(29)
#define FILTER_NSU BIT(28)

enum { SW_INCR = 0, CPU_CYCLES = 0x11, CHAIN = 0x1e };

/* ID_AA64DFR0_EL1.PMUVer: events have 16 bits from Armv8.1 on, event counters 64 from Armv8.5 on. */
static unsigned int version(const struct arm64_vcpu *cpu)
{
	return arm64_vm(cpu)->id[SYS_ID_AA64DFR0_EL1 - SYS_ID_PFR0_EL1] >> 8 & 15;
}

static bool counters_wide(const struct arm64_vcpu *cpu)
{
	return version(cpu) >= 6;
}

/* Where they overflow, if they are: PMCR_EL0.LP. */
static bool overflows_late(const struct arm64_vcpu *cpu, unsigned int counter)
{
	return counter == CYCLE_COUNTER || (counters_wide(cpu) && cpu->sys[SYS_PMCR_EL0] & PMCR_LP);
}

static unsigned int counters_n(const struct arm64_vcpu *cpu)
{
	return arm64_vm(cpu)->pmcr_n & 31;
}

/* Those that count, in so far as their events happen. */
static uint64_t enabled(const struct arm64_vcpu *cpu)
{
	return cpu->sys[SYS_PMCR_EL0] & PMCR_E ? cpu->sys[SYS_PMCNTENSET_EL0] & arm64_pmu_counters(cpu) : 0;
}

static uint64_t control(const struct arm64_vcpu *cpu, unsigned int counter)
{
	return cpu->sys[counter == CYCLE_COUNTER ? SYS_PMCCFILTR_EL0 : SYS_PMEVTYPER0_EL0 + counter];
}

/* Whether the counter has that event, which is not denied (KVM_ARM_VCPU_PMU_V3_FILTER), at this exception level. */
static bool counts(const struct arm64_vcpu *cpu, unsigned int counter, unsigned int event)
{
	const struct arm64_vm *vm = arm64_vm(cpu);
	uint64_t filter = control(cpu, counter);

	if (counter == CYCLE_COUNTER ? event != CPU_CYCLES : (filter & (version(cpu) >= 4 ? 0xffff : 0x3ff)) != event)
		return false;
	if (vm->pmu_filtered && vm->pmu_denied[event / 64] >> event % 64 & 1)
		return false;
	/* Non-secure state: what NSK and NSU say otherwise. */
	return cpu->el ? !(filter & FILTER_P) == !(filter & FILTER_NSK) : !(filter & FILTER_U) == !(filter & FILTER_NSU);
}

static uint64_t *counter_value(struct arm64_vcpu *cpu, unsigned int counter)
{
	return &cpu->sys[counter == CYCLE_COUNTER ? SYS_PMCCNTR_EL0 : SYS_PMEVCNTR0_EL0 + counter];
}

/* An odd event counter may count the overflows, after 32 bits, of the one below. */
static void add(struct arm64_vcpu *cpu, unsigned int counter, uint64_t more)
{
	uint64_t *value = counter_value(cpu, counter), low = (uint32_t)*value + more, sum = *value + more;
	bool late = overflows_late(cpu, counter);

	*value = counter == CYCLE_COUNTER || counters_wide(cpu) ? sum : (uint32_t)sum;
	if (late ? sum >= more : !(low >> 32))
		return;
	cpu->sys[SYS_PMOVSSET_EL0] |= BIT(counter);
	if (!late && !(counter & 1) && enabled(cpu) >> (counter + 1) & 1 && counts(cpu, counter + 1, CHAIN))
		add(cpu, counter + 1, low >> 32);
}

static void event_happens(struct arm64_vcpu *cpu, uint64_t which, unsigned int event, uint64_t times)
{
	for (uint64_t left = which & enabled(cpu); left; left &= left - 1) {
		unsigned int counter = (unsigned int)__builtin_ctzll(left);

		if (counts(cpu, counter, event))
			add(cpu, counter, times);
	}
}

/* ---- Cycles. ---- */

void a64_cycles_update(struct arm64_vcpu *cpu)
{
	uint64_t now;

	if (!cpu->blocks->cycles_seen)
		return;
	now = arm64_counter(cpu, 1);
	event_happens(cpu, UINT64_MAX, CPU_CYCLES, (now - cpu->blocks->cycles_seen) * (1000000000 / ARM64_COUNTER_HZ));
	cpu->blocks->cycles_seen = now;
}

void a64_monitors_enter(struct arm64_vcpu *cpu)
{
	cpu->blocks->cycles_seen = enabled(cpu) ? arm64_counter(cpu, 1) : 0;
}

void a64_monitors_leave(struct arm64_vcpu *cpu)
{
	a64_cycles_update(cpu);
	cpu->blocks->cycles_seen = 0;
}

void a64_monitors_level(struct arm64_vcpu *cpu)
{
	if (unlikely(cpu->blocks->cycles_seen))
		a64_cycles_update(cpu);
}

bool a64_monitors_line(struct arm64_vcpu *cpu)
{
	uint64_t asked = cpu->sys[SYS_PMINTENSET_EL1] & arm64_pmu_counters(cpu);

	if (!arm64_has(cpu, KVM_ARM_VCPU_PMU_V3) || !asked || !(cpu->sys[SYS_PMCR_EL0] & PMCR_E))
		return false;
	a64_cycles_update(cpu);
	return asked & cpu->sys[SYS_PMOVSSET_EL0];
}

uint64_t a64_monitors_wait(struct arm64_vcpu *cpu)
{
	uint64_t wait = UINT64_MAX;

	if (!arm64_has(cpu, KVM_ARM_VCPU_PMU_V3) || !cpu->blocks->cycles_seen)
		return wait;
	for (uint64_t left = enabled(cpu) & cpu->sys[SYS_PMINTENSET_EL1] & ~cpu->sys[SYS_PMOVSSET_EL0]; left; left &= left - 1) {
		unsigned int counter = (unsigned int)__builtin_ctzll(left);
		uint64_t value = *counter_value(cpu, counter), until = overflows_late(cpu, counter) ? -value : BIT(32) - (uint32_t)value;

		if (counts(cpu, counter, CPU_CYCLES) && until < wait)
			wait = until;
	}
	return wait;
}

/* ---- Registers. ---- */

uint64_t a64_monitors_events(const struct arm64_vcpu *cpu)
{
	const struct arm64_vm *vm = arm64_vm(cpu);
	uint64_t events = BIT(SW_INCR) | BIT(CPU_CYCLES) | BIT(CHAIN);

	return vm->pmu_filtered ? events & ~vm->pmu_denied[0] : events;
}

enum sysreg a64_monitors_selected(const struct arm64_vcpu *cpu, enum sysreg first)
{
	unsigned int number = cpu->sys[SYS_PMSELR_EL0] & 31;

	if (number == CYCLE_COUNTER)
		return first == SYS_PMEVTYPER0_EL0 ? SYS_PMCCFILTR_EL0 : SYS_PMCCNTR_EL0;
	return (enum sysreg)(first + number);
}

uint64_t a64_monitors_read(struct arm64_vcpu *cpu, enum sysreg reg)
{
	a64_cycles_update(cpu);
	switch ((int)reg) {
	case SYS_PMCR_EL0:
		return (cpu->sys[reg] & PMCR_KEPT) | (uint64_t)counters_n(cpu) << 11;
	case SYS_PMCNTENSET_EL0: case SYS_PMCNTENCLR_EL0: case SYS_PMINTENSET_EL1: case SYS_PMINTENCLR_EL1: case SYS_PMOVSSET_EL0: case SYS_PMOVSCLR_EL0:
		return cpu->sys[arm64_pmu_word(reg)] & arm64_pmu_counters(cpu);
	default:
		return cpu->sys[reg];
	}
}

static void pmcr_write(struct arm64_vcpu *cpu, uint64_t value)
{
	cpu->sys[SYS_PMCR_EL0] = (value & PMCR_KEPT) | PMCR_LC;
	if (value & PMCR_C)
		cpu->sys[SYS_PMCCNTR_EL0] = 0;
	for (unsigned int i = 0; value & PMCR_P && i < counters_n(cpu); i++)
		cpu->sys[SYS_PMEVCNTR0_EL0 + i] = 0;
}

void a64_monitors_write(struct arm64_vcpu *cpu, enum sysreg reg, uint64_t value)
{
	enum sysreg word = arm64_pmu_word(reg);

	a64_cycles_update(cpu);
	switch ((int)reg) {
	case SYS_PMCR_EL0:
		pmcr_write(cpu, value);
		break;
	case SYS_PMCNTENSET_EL0: case SYS_PMINTENSET_EL1: case SYS_PMOVSSET_EL0:
		cpu->sys[reg] |= value & arm64_pmu_counters(cpu);
		break;
	case SYS_PMCNTENCLR_EL0: case SYS_PMINTENCLR_EL1: case SYS_PMOVSCLR_EL0:
		cpu->sys[word] &= ~(value & arm64_pmu_counters(cpu));
		break;
	case SYS_PMSELR_EL0:
		cpu->sys[reg] = value & 31;
		break;
	case SYS_PMSWINC_EL0:
		event_happens(cpu, value & ~BIT(CYCLE_COUNTER), SW_INCR, 1);
		break;
	case SYS_PMCCNTR_EL0:
		cpu->sys[reg] = value;
		break;
	default:
		if (reg <= SYS_PMEVCNTR30_EL0)
			cpu->sys[reg] = counters_wide(cpu) ? value : (uint32_t)value;
		else
			cpu->sys[reg] = value & TYPE_KEPT;
		break;
	}
	a64_monitors_enter(cpu); /* whether anything counts may have changed */
}
