/*
 * A vCPU's birth and death. Its registers come with KVM_ARM_VCPU_INIT (init.c).
 */
#include "arm64/ioctl.h"

#define STAT_FLAGS (KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10)

/* Linux's names. Only what is counted truly stands here. */
static const struct stats_row vcpu_stats_rows[ARM64_VCPU_STATS] = {
	[ARM64_STAT_EXITS] = { "exits", STAT_FLAGS },
	[ARM64_STAT_MMIO_EXITS] = { "mmio_exit_user", STAT_FLAGS },
	[ARM64_STAT_SIGNAL_EXITS] = { "signal_exits", STAT_FLAGS },
	[ARM64_STAT_WFI_EXITS] = { "wfi_exit_stat", STAT_FLAGS },
};

int arm64_vcpu_create(struct vcpu *vcpu)
{
	struct arm64_vcpu *cpu = arm64_vcpu(vcpu);

	stats_init(&vcpu->stats, vcpu_stats_rows, cpu->stats_values, ARM64_VCPU_STATS);
	cpu->mp_state = KVM_MP_STATE_RUNNABLE;
	cpu->vl_max = 16;
	return 0;
}

void arm64_vcpu_destroy(struct vcpu *vcpu)
{
	a64_cpu_discard(arm64_vcpu(vcpu));
	arm64_registers_forget(arm64_vcpu(vcpu));
}
