/*
 * Performance monitors (D13): what counts, and what a guest reads and writes there. Who may do so is system_registers.c's. Cycles are nanoseconds of
 * the vCPU's time in the guest; beside them there are software's own increments. No other event ever happens.
 */
#ifndef ANYKVM_ARM64_CPU_MONITORS_H
#define ANYKVM_ARM64_CPU_MONITORS_H

#include "arm64/vcpu.h"

/* Any register of the monitors, as MRS and MSR see it. */
uint64_t a64_monitors_read(struct arm64_vcpu *cpu, enum sysreg reg);
void a64_monitors_write(struct arm64_vcpu *cpu, enum sysreg reg, uint64_t value);
/* PMCEID0_EL0: the events there are. */
uint64_t a64_monitors_events(const struct arm64_vcpu *cpu);
/* PMXEVTYPER_EL0, PMXEVCNTR_EL0 (`first`: PMEVTYPER0_EL0 or PMEVCNTR0_EL0): the register that PMSELR_EL0 means. */
enum sysreg a64_monitors_selected(const struct arm64_vcpu *cpu, enum sysreg first);

/* The guest is entered, and left: nothing counts outside. */
void a64_monitors_enter(struct arm64_vcpu *cpu);
void a64_monitors_leave(struct arm64_vcpu *cpu);
/* Before the exception level changes: cycles so far are the old one's. */
void a64_monitors_level(struct arm64_vcpu *cpu);
/* The interrupt's line; and in how many ns it might rise, UINT64_MAX: not by itself. */
bool a64_monitors_line(struct arm64_vcpu *cpu);
uint64_t a64_monitors_wait(struct arm64_vcpu *cpu);

#endif
