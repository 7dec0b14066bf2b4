/*
 * The generic timer: counters, which are the host's clock less an offset of the VM's, and what of the two timers has an id. Interrupts are the
 * run loop's business. Virtual CVAL and CNT have each other's encoding (api.rst 4.68).
 */
#include "arm64/ioctl.h"
#include "core/clock.h"

#define NS_PER_TICK (NSEC_PER_SEC / ARM64_COUNTER_HZ)

/* ---- Counters. ---- */

static uint64_t host_counter(void)
{
	return monotonic_ns() / NS_PER_TICK;
}

uint64_t arm64_counter(const struct arm64_vcpu *cpu, unsigned int timer)
{
	return host_counter() - atomic_load_explicit(&arm64_vm(cpu)->counter_offset[timer], memory_order_relaxed);
}

/* A VM's virtual counter begins at 0 with the VM; the physical one is the host's. */
void arm64_counters_start(struct arm64_vm *vm)
{
	atomic_init(&vm->counter_offset[0], host_counter());
	atomic_init(&vm->counter_offset[1], 0);
}

bool arm64_timer_fires(const struct arm64_vcpu *cpu, unsigned int timer)
{
	return cpu->timer[timer].cval <= arm64_counter(cpu, timer);
}

/* When the timer fires, on the host's clock; UINT64_MAX: not in this age of the world. */
static uint64_t timer_deadline(const struct arm64_vcpu *cpu, unsigned int timer)
{
	uint64_t offset = atomic_load_explicit(&arm64_vm(cpu)->counter_offset[timer], memory_order_relaxed);
	uint64_t now = host_counter(), counter = now - offset, wait;

	if ((cpu->timer[timer].ctl & (TIMER_ENABLE | TIMER_IMASK)) != TIMER_ENABLE)
		return UINT64_MAX;
	wait = cpu->timer[timer].cval > counter ? cpu->timer[timer].cval - counter : 0;
	return wait > (UINT64_MAX / NS_PER_TICK) - now - 1 ? UINT64_MAX : (now + wait) * NS_PER_TICK;
}

uint64_t arm64_timer_deadline(const struct arm64_vcpu *cpu)
{
	uint64_t virtual = timer_deadline(cpu, 0), physical = timer_deadline(cpu, 1);

	return virtual < physical ? virtual : physical;
}

/* ---- Ids. ---- */

enum { CTL, CNT, CVAL, KINDS };
static const uint64_t ids_of[2 * KINDS] = {
	KVM_REG_ARM_TIMER_CTL, KVM_REG_ARM_TIMER_CNT, KVM_REG_ARM_TIMER_CVAL, KVM_REG_ARM_PTIMER_CTL, KVM_REG_ARM_PTIMER_CNT, KVM_REG_ARM_PTIMER_CVAL,
};

/* Any other id of the class is a system register's: 1. */
static int timer_find(struct arm64_vcpu *cpu, uint64_t id, bool set, struct arm64_reg *reg)
{
	(void)set;
	for (uint32_t i = 0; i < 2 * KINDS; i++) {
		if (ids_of[i] != id)
			continue;
		reg->number = i;
		reg->size = reg->significant = 8;
		reg->plain = i % KINDS == CVAL;
		reg->place = reg->plain ? &cpu->timer[i / KINDS].cval : NULL;
		return 0;
	}
	return 1;
}

/* ISTATUS whether or not the timer is enabled, as KVM has it. */
static uint64_t timer_get(struct arm64_vcpu *cpu, const struct arm64_reg *reg)
{
	unsigned int timer = reg->number / KINDS;

	if (reg->number % KINDS == CNT)
		return arm64_counter(cpu, timer);
	return cpu->timer[timer].ctl | (arm64_timer_fires(cpu, timer) ? TIMER_ISTATUS : 0);
}

static int timer_check(struct arm64_vcpu *cpu, const struct arm64_reg *reg, const void *value)
{
	(void)cpu, (void)reg, (void)value;
	return 0;
}

static void timer_set(struct arm64_vcpu *cpu, const struct arm64_reg *reg, const void *value)
{
	unsigned int timer = reg->number / KINDS;

	switch (reg->number % KINDS) {
	case CTL:
		cpu->timer[timer].ctl = (uint32_t)value64(value) & ~TIMER_ISTATUS;
		break;
	case CVAL:
		cpu->timer[timer].cval = value64(value);
		break;
	default: /* all vCPUs see it; once KVM_ARM_SET_COUNTER_OFFSET has spoken, nothing else moves counters */
		if (!arm64_vm(cpu)->counter_offset_set)
			atomic_store(&arm64_vm(cpu)->counter_offset[timer], host_counter() - value64(value));
		break;
	}
}

static uint32_t timer_list(const struct arm64_vcpu *cpu, uint64_t *ids)
{
	(void)cpu;
	for (uint32_t i = 0; i < 2 * KINDS; i++)
		ids[i] = ids_of[i];
	return 2 * KINDS;
}

const struct arm64_class arm64_timer = { timer_find, timer_get, timer_check, timer_set, timer_list };
