/*
 * A vCPU's birth and death. What its registers are at first is reset.c's business.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/memory_root.h"
#include "x86/cpu/exec.h"
#include "x86/ioctl.h"

#define STAT_FLAGS (KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10)

/* Linux's names. Only what is counted truly stands here. */
static const struct stats_row vcpu_stats_rows[VCPU_STATS] = {
	[VCPU_STAT_EXITS] = { "exits", STAT_FLAGS },
	[VCPU_STAT_IO_EXITS] = { "io_exits", STAT_FLAGS },
	[VCPU_STAT_MMIO_EXITS] = { "mmio_exits", STAT_FLAGS },
	[VCPU_STAT_IRQ_WINDOW_EXITS] = { "irq_window_exits", STAT_FLAGS },
	[VCPU_STAT_SIGNAL_EXITS] = { "signal_exits", STAT_FLAGS },
};

static int vcpu_furnish(struct x86_vcpu *cpu)
{
	struct x86_vm *vm = x86_vm(cpu);
	int error;

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
	return 0;
}

struct x86_vcpu *x86_vcpu_create(struct x86_vm *vm, uint32_t id, int *fd)
{
	/* Pages are taken as they are first touched: most of the struct is translations. */
	struct x86_vcpu *cpu = mmap(NULL, sizeof(*cpu), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	if (cpu == MAP_FAILED) {
		*fd = -ENOMEM;
		return NULL;
	}
	memory_root_add(cpu, sizeof(*cpu));
	*fd = vcpu_init(&cpu->vcpu, &vm->vm, id, &x86_vcpu_ops);
	if (*fd < 0) {
		memory_root_remove(cpu, sizeof(*cpu));
		munmap(cpu, sizeof(*cpu));
		return NULL;
	}
	error = vcpu_furnish(cpu);
	if (error) {
		syscall(SYS_close, *fd);
		vcpu_release(&cpu->vcpu);
		x86_vcpu_destroy(cpu);
		*fd = error;
		return NULL;
	}
	return cpu;
}

void x86_vcpu_destroy(struct x86_vcpu *cpu)
{
	cpu_discard(cpu);
	if (cpu->lapic)
		lapic_destroy(cpu->lapic);
	free(cpu->cpuid);
	free(cpu->snapshot);
	x86_plan_free(&cpu->register_plan);
	x86_plan_free(&cpu->register_plan_one);
	msrs_destroy(cpu);
	vcpu_destroy(&cpu->vcpu);
	memory_root_remove(cpu, sizeof(*cpu));
	munmap(cpu, sizeof(*cpu));
}
