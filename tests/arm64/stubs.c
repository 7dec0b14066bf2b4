/*
 * What the interpreter asks of the ioctls' side of src/arm64 (timers, reset), for where that is not at hand.
 */
#include <string.h>

#include "arm64/vcpu.h"
#include "core/clock.h"

__attribute__((weak)) uint64_t arm64_counter(const struct arm64_vcpu *cpu, unsigned int timer)
{
	(void)cpu, (void)timer;
	return monotonic_ns() / 16;
}

__attribute__((weak)) bool arm64_timer_fires(const struct arm64_vcpu *cpu, unsigned int timer)
{
	return cpu->timer[timer].cval <= arm64_counter(cpu, timer);
}

__attribute__((weak)) uint64_t arm64_timer_deadline(const struct arm64_vcpu *cpu)
{
	uint64_t deadline = UINT64_MAX;

	for (unsigned int i = 0; i < 2; i++)
		if ((cpu->timer[i].ctl & 3) == 1 && cpu->timer[i].cval < UINT64_MAX / 16 && cpu->timer[i].cval * 16 < deadline)
			deadline = cpu->timer[i].cval * 16;
	return deadline;
}

__attribute__((weak)) void arm64_vcpu_reset(struct arm64_vcpu *cpu)
{
	memset(cpu->x, 0, sizeof cpu->x);
	cpu->sys[SYS_SCTLR_EL1] = 0xc50078;
	cpu->sys[SYS_CPACR_EL1] = cpu->sys[SYS_TCR_EL1] = cpu->sys[SYS_MDSCR_EL1] = cpu->sys[SYS_VBAR_EL1] = 0;
	cpu->timer[0].ctl = cpu->timer[1].ctl = 0;
	pstate_set(cpu, 0x3c5);
}
