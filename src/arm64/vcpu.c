/*
 * A vCPU's birth and death. Its registers come with KVM_ARM_VCPU_INIT (init.c).
 */
#include <errno.h>
#include <sys/mman.h>

#include "arm64/ioctl.h"
#include "core/memory_root.h"

#define STAT_FLAGS (KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10)

/* Linux's names. Only what is counted truly stands here. */
static const struct stats_row vcpu_stats_rows[ARM64_VCPU_STATS] = {
	[ARM64_STAT_EXITS] = { "exits", STAT_FLAGS },
	[ARM64_STAT_MMIO_EXITS] = { "mmio_exit_user", STAT_FLAGS },
	[ARM64_STAT_SIGNAL_EXITS] = { "signal_exits", STAT_FLAGS },
	[ARM64_STAT_WFI_EXITS] = { "wfi_exit_stat", STAT_FLAGS },
};

struct arm64_vcpu *arm64_vcpu_create(struct arm64_vm *vm, uint32_t id, int *fd)
{
	/* Pages are taken as they are first touched: most of the struct is translations. */
	struct arm64_vcpu *cpu = mmap(NULL, sizeof *cpu, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (cpu == MAP_FAILED) {
		*fd = -ENOMEM;
		return NULL;
	}
	*fd = vcpu_init(&cpu->vcpu, &vm->vm, id, &arm64_vcpu_ops);
	if (*fd < 0) {
		munmap(cpu, sizeof *cpu);
		return NULL;
	}
	memory_root_add(cpu, sizeof *cpu);
	stats_init(&cpu->vcpu.stats, vcpu_stats_rows, cpu->stats_values, ARM64_VCPU_STATS);
	cpu->mp_state = KVM_MP_STATE_RUNNABLE;
	cpu->vl_max = 16;
	return cpu;
}

void arm64_vcpu_destroy(struct arm64_vcpu *cpu)
{
	a64_cpu_discard(cpu);
	arm64_registers_forget(cpu);
	vcpu_destroy(&cpu->vcpu);
	memory_root_remove(cpu, sizeof *cpu);
	munmap(cpu, sizeof *cpu);
}
