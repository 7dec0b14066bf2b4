/*
 * A vCPU's birth and death. What its registers are at first is reset.c's business.
 */
#include <errno.h>
#include <stdlib.h>

#include "x86/cpu/exec.h"
#include "x86/xen/xen.h"

#define STAT_FLAGS (KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10)

/* Linux's names. Only what is counted truly stands here. */
static const struct stats_row vcpu_stats_rows[VCPU_STATS] = {
	[VCPU_STAT_EXITS] = { "exits", STAT_FLAGS },
	[VCPU_STAT_IO_EXITS] = { "io_exits", STAT_FLAGS },
	[VCPU_STAT_MMIO_EXITS] = { "mmio_exits", STAT_FLAGS },
	[VCPU_STAT_IRQ_WINDOW_EXITS] = { "irq_window_exits", STAT_FLAGS },
	[VCPU_STAT_SIGNAL_EXITS] = { "signal_exits", STAT_FLAGS },
};

int x86_vcpu_create(struct vcpu *vcpu)
{
	struct x86_vcpu *cpu = x86_vcpu(vcpu);
	struct x86_vm *vm = x86_vm(cpu);
	int error;

	xen_vcpu_init(cpu);
	stats_init(&cpu->vcpu.stats, vcpu_stats_rows, cpu->stats_values, VCPU_STATS);
	/* Without an irqchip nobody can start a vCPU but the program: all begin ready. */
	cpu->mp_state = vm->irqchip == IRQCHIP_NONE || cpu->vcpu.id == vm->boot_vcpu_id ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED;
	cpu->apic_base = cpu->vcpu.id == vm->boot_vcpu_id ? 0xfee00900 : 0xfee00800;
	error = msrs_create(cpu);
	if (!error)
		error = cpuid_set(cpu, NULL, 0);
	if (error)
		return error;
	if (vm->irqchip != IRQCHIP_NONE) {
		cpu->lapic = lapic_create(cpu);
		if (!cpu->lapic)
			return -ENOMEM;
	}
	error = tsc_khz_set(cpu, vm->tsc_khz);
	if (error)
		return error;
	x86_vcpu_reset(cpu, false);
	tsc_start(cpu);
	clock_rebase(vm);
	return 0;
}

void x86_vcpu_destroy(struct vcpu *vcpu)
{
	struct x86_vcpu *cpu = x86_vcpu(vcpu);

	cpu_discard(cpu);
	xen_vcpu_destroy(cpu);
	if (cpu->lapic)
		lapic_destroy(cpu->lapic);
	free(cpu->cpuid);
	free(cpu->snapshot);
	x86_plan_free(&cpu->register_plan);
	x86_plan_free(&cpu->register_plan_one);
	msrs_destroy(cpu);
}
