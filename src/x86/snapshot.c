/*
 * A vCPU's registers set aside. They stand together in struct x86_vcpu; the XSAVE area, the MSRs without a field and the local APIC are apart.
 */
#include "x86/snapshot.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "x86/ioctl.h"

#define FIRST offsetof(struct x86_vcpu, gpr)
#define LENGTH (offsetof(struct x86_vcpu, registers_end) - FIRST)

struct x86_snapshot {
	uint8_t registers[LENGTH];
	struct x86_xsave xsave;
	uint32_t lapic[LAPIC_REGISTERS];
	uint64_t msrs[];
};

const struct x86_snapshot *snapshot_take(struct x86_vcpu *cpu)
{
	struct x86_snapshot *snapshot = cpu->snapshot;

	if (!snapshot)
		snapshot = cpu->snapshot = aligned_alloc(64, (sizeof *snapshot + msrs_size() + 63) & ~(size_t)63);
	if (!snapshot)
		return NULL;
	memcpy(snapshot->registers, (uint8_t *)cpu + FIRST, LENGTH);
	memcpy(&snapshot->xsave, &cpu->xsave, sizeof snapshot->xsave);
	memcpy(snapshot->msrs, cpu->msr_values, msrs_size());
	if (cpu->lapic)
		lapic_registers_copy(cpu, snapshot->lapic, false);
	return snapshot;
}

void snapshot_return(struct x86_vcpu *cpu, const struct x86_snapshot *snapshot)
{
	memcpy((uint8_t *)cpu + FIRST, snapshot->registers, LENGTH);
	memcpy(&cpu->xsave, &snapshot->xsave, sizeof snapshot->xsave);
	memcpy(cpu->msr_values, snapshot->msrs, msrs_size());
	if (cpu->lapic)
		lapic_registers_copy(cpu, (uint32_t *)snapshot->lapic, true);
	cpu_state_changed(cpu, true);
}
