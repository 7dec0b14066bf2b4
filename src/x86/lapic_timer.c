/*
 * The local APIC's timer (SDM Vol. 3A, 10.5.4): one-shot, periodic and TSC-deadline. The vCPU's own thread looks whether it has expired,
 * whenever it is about to run and when it halts; the worker's alarm gets it out of the guest for that.
 */
#include <stddef.h>

#include "core/clock.h"
#include "x86/lapic.h"

#define MODE_MASK (3u << 17)
#define MODE_PERIODIC (1u << 17)
#define MODE_TSC_DEADLINE (2u << 17)
/* A guest's timer does not keep the host busy: KVM's min_timer_period_us. */
#define PERIOD_MIN 200000

static void alarm_rings(struct vm_timer *timer)
{
	struct lapic_alarm *alarm = (struct lapic_alarm *)((char *)timer - offsetof(struct lapic_alarm, timer));

	kick_set(alarm->kick, REQUEST_EVENT);
}

void lapic_timer_init(struct x86_vcpu *cpu)
{
	cpu->lapic->alarm.kick = &cpu->vcpu.kick;
	cpu->lapic->alarm.timer.expire = alarm_rings;
}

/* ---- Time. ---- */

static unsigned int divider(uint32_t tdcr)
{
	return 1u << (((tdcr & 3) | (tdcr >> 1 & 4)) + 1) % 8;
}

/* What so many counts take, in nanoseconds: KVM_CAP_X86_APIC_BUS_CYCLES_NS keeps it from overflowing. Longer than this is for ever. */
#define FOR_EVER (UINT64_MAX / 4)

static uint64_t counts_ns(const struct x86_vcpu *cpu, uint32_t counts)
{
	uint64_t ns = (uint64_t)counts * x86_vm(cpu)->apic_bus_ns * divider(*reg(cpu->lapic, APIC_TDCR));

	return ns < FOR_EVER ? ns : FOR_EVER;
}

uint32_t lapic_timer_count(const struct x86_vcpu *cpu)
{
	const struct lapic_timer *timer = &cpu->lapic->timer;
	uint64_t now = monotonic_ns(), left;

	if (!timer->period || !*reg(cpu->lapic, APIC_TMICT))
		return 0;
	left = timer->armed && timer->target > now ? timer->target - now : 0;
	return (uint32_t)(left % timer->period / (x86_vm(cpu)->apic_bus_ns * divider(*reg(cpu->lapic, APIC_TDCR))));
}

/* ---- Starting and stopping. ---- */

static void timer_arm(struct x86_vcpu *cpu, uint64_t target)
{
	struct lapic_timer *timer = &cpu->lapic->timer;

	timer->armed = true;
	timer->target = target;
	vm_timer_set(&cpu->vcpu.vm->worker, &cpu->lapic->alarm.timer, target);
}

static void timer_disarm(struct x86_vcpu *cpu)
{
	struct lapic_timer *timer = &cpu->lapic->timer;

	if (timer->armed)
		vm_timer_clear(&cpu->vcpu.vm->worker, &cpu->lapic->alarm.timer);
	timer->armed = false;
}

void lapic_timer_return(struct x86_vcpu *cpu)
{
	const struct lapic_timer *before = &cpu->lapic->timer_set_aside;

	timer_disarm(cpu);
	cpu->lapic->timer = *before;
	if (before->armed)
		timer_arm(cpu, before->target);
}

void lapic_timer_stop(struct x86_vcpu *cpu)
{
	struct lapic_timer *timer = &cpu->lapic->timer;

	timer_disarm(cpu);
	timer->period = timer->tsc_deadline = 0;
	timer->mode = 0;
}

static uint64_t period_limited(uint32_t mode, uint64_t period)
{
	return mode == MODE_PERIODIC && period && period < PERIOD_MIN ? PERIOD_MIN : period;
}

/* From the initial count, or from `left` nanoseconds before the end. */
static void counter_start(struct x86_vcpu *cpu, uint64_t left)
{
	struct lapic_timer *timer = &cpu->lapic->timer;

	timer_disarm(cpu);
	timer->period = period_limited(timer->mode, counts_ns(cpu, *reg(cpu->lapic, APIC_TMICT)));
	if (!timer->period)
		return;
	if (left > timer->period || (!left && timer->mode == MODE_PERIODIC))
		left = timer->period;
	timer_arm(cpu, monotonic_ns() + left);
}

static void deadline_start(struct x86_vcpu *cpu)
{
	struct lapic_timer *timer = &cpu->lapic->timer;
	uint64_t now = x86_tsc_read(cpu), khz = tsc_khz_get(cpu), ahead;

	timer_disarm(cpu);
	if (!timer->tsc_deadline)
		return;
	ahead = timer->tsc_deadline > now ? timer->tsc_deadline - now : 0;
	/* Far away is never: half of what 64 bits of nanoseconds hold. */
	if (ahead / khz > INT64_MAX / 1000000)
		return;
	timer_arm(cpu, monotonic_ns() + (uint64_t)((unsigned __int128)ahead * 1000000 / khz) + (ahead != 0));
}

void lapic_timer_mode_changed(struct x86_vcpu *cpu)
{
	struct lapic_timer *timer = &cpu->lapic->timer;
	uint32_t mode = *reg(cpu->lapic, APIC_LVTT) & MODE_MASK;

	if (mode == timer->mode)
		return;
	/* Between a counter and a deadline nothing is kept. */
	if (mode == MODE_TSC_DEADLINE || timer->mode == MODE_TSC_DEADLINE) {
		lapic_timer_stop(cpu);
		*reg(cpu->lapic, APIC_TMICT) = 0;
	}
	timer->mode = mode;
	timer->period = period_limited(mode, timer->period);
}

void lapic_timer_count_written(struct x86_vcpu *cpu)
{
	if (cpu->lapic->timer.mode == MODE_TSC_DEADLINE)
		*reg(cpu->lapic, APIC_TMICT) = 0;
	else
		counter_start(cpu, counts_ns(cpu, *reg(cpu->lapic, APIC_TMICT)));
}

/* What is left is left in counts, which now take longer or shorter. */
void lapic_timer_divider_changed(struct x86_vcpu *cpu, uint32_t old)
{
	struct lapic_timer *timer = &cpu->lapic->timer;
	uint64_t now = monotonic_ns(), left;
	bool armed = timer->armed;
	unsigned __int128 scaled;

	if (divider(old) == divider(*reg(cpu->lapic, APIC_TDCR)) || !timer->period || timer->mode == MODE_TSC_DEADLINE)
		return;
	left = armed && timer->target > now ? timer->target - now : 0;
	timer_disarm(cpu);
	timer->period = period_limited(timer->mode, counts_ns(cpu, *reg(cpu->lapic, APIC_TMICT)));
	if (!armed)
		return;
	scaled = (unsigned __int128)left * divider(*reg(cpu->lapic, APIC_TDCR)) / divider(old);
	timer_arm(cpu, now + (scaled < FOR_EVER ? (uint64_t)scaled : FOR_EVER));
}

void lapic_timer_restore(struct x86_vcpu *cpu)
{
	struct lapic_timer *timer = &cpu->lapic->timer;
	uint32_t count = *reg(cpu->lapic, APIC_TMCCT);

	*reg(cpu->lapic, APIC_TMCCT) = 0;
	timer_disarm(cpu);
	timer->period = 0;
	timer->mode = *reg(cpu->lapic, APIC_LVTT) & MODE_MASK;
	if (timer->mode == MODE_TSC_DEADLINE)
		deadline_start(cpu);
	else
		counter_start(cpu, counts_ns(cpu, count));
}

/* ---- IA32_TSC_DEADLINE. ---- */

static bool deadline_mode(const struct x86_vcpu *cpu)
{
	return cpu->lapic && enabled(cpu) && cpu->lapic->timer.mode == MODE_TSC_DEADLINE;
}

uint64_t lapic_tsc_deadline_get(const struct x86_vcpu *cpu)
{
	return deadline_mode(cpu) ? cpu->lapic->timer.tsc_deadline : 0;
}

void lapic_tsc_deadline_set(struct x86_vcpu *cpu, uint64_t value)
{
	if (!deadline_mode(cpu))
		return;
	cpu->lapic->timer.tsc_deadline = value;
	deadline_start(cpu);
}

/* ---- Expiry. ---- */

uint64_t lapic_timer_target(const struct x86_vcpu *cpu)
{
	return cpu->lapic && cpu->lapic->timer.armed ? cpu->lapic->timer.target : UINT64_MAX;
}

static void timer_expire(struct x86_vcpu *cpu)
{
	struct lapic_timer *timer = &cpu->lapic->timer;
	uint64_t now = monotonic_ns();

	if (timer->mode == MODE_TSC_DEADLINE && timer->tsc_deadline > x86_tsc_read(cpu)) {
		deadline_start(cpu); /* the clocks do not agree to the last nanosecond */
		return;
	}
	timer_disarm(cpu);
	lapic_lvt_deliver(cpu, APIC_LVTT);
	timer->tsc_deadline = 0;
	/* What was missed while the vCPU did not run is one interrupt. */
	if (timer->mode == MODE_PERIODIC && timer->period)
		timer_arm(cpu, timer->target + timer->period > now ? timer->target + timer->period : now + timer->period);
}

void lapic_timer_check(struct x86_vcpu *cpu)
{
	if (cpu->lapic && cpu->lapic->timer.armed && cpu->lapic->timer.target <= monotonic_ns())
		timer_expire(cpu);
}
