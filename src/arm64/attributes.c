/*
 * Attributes of a vCPU (kernel document virt/kvm/devices/vcpu.rst): the PMU's creation, the timers' interrupts, stolen time. Interrupt numbers mean something to
 * an interrupt controller in KVM alone, which there is none of.
 */
#include <errno.h>

#include "arm64/ioctl.h"
#include "core/user.h"
#include "core/why.h"

/* Private interrupts of the timers, as KVM numbers them. */
static const int timer_irqs[] = { [KVM_ARM_VCPU_TIMER_IRQ_VTIMER] = 27, [KVM_ARM_VCPU_TIMER_IRQ_PTIMER] = 30 };
#define TIMER_IRQS (sizeof timer_irqs / sizeof *timer_irqs)

static int unknown(const struct kvm_device_attr *attribute)
{
	return why(-ENXIO, "group %u, attr %llu: there is no such attribute", attribute->group, (unsigned long long)attribute->attr);
}

static int no_irqchip(void)
{
	return why(-EINVAL, "an interrupt number needs an interrupt controller in KVM, and there is none");
}

static bool is_pvtime(const struct kvm_device_attr *attribute)
{
	return attribute->group == KVM_ARM_VCPU_PVTIME_CTRL && attribute->attr == KVM_ARM_VCPU_PVTIME_IPA;
}

int arm64_attribute_has(struct arm64_vcpu *cpu, const struct kvm_device_attr *attribute)
{
	if (is_pvtime(attribute) || (attribute->group == KVM_ARM_VCPU_TIMER_CTRL && attribute->attr < TIMER_IRQS))
		return 0;
	if (attribute->group == KVM_ARM_VCPU_PMU_V3_CTRL && (attribute->attr == KVM_ARM_VCPU_PMU_V3_INIT || attribute->attr == KVM_ARM_VCPU_PMU_V3_IRQ) &&
	    arm64_has(cpu, KVM_ARM_VCPU_PMU_V3))
		return 0;
	return unknown(attribute);
}

int arm64_attribute_get(struct arm64_vcpu *cpu, const struct kvm_device_attr *attribute)
{
	if (is_pvtime(attribute))
		return arm64_pvtime_get(cpu, attribute->addr);
	if (attribute->group == KVM_ARM_VCPU_PMU_V3_CTRL && attribute->attr == KVM_ARM_VCPU_PMU_V3_IRQ)
		return no_irqchip();
	if (attribute->group != KVM_ARM_VCPU_TIMER_CTRL || attribute->attr >= TIMER_IRQS)
		return unknown(attribute);
	if (user_write(attribute->addr, &timer_irqs[attribute->attr], sizeof timer_irqs[0]))
		return why(-EFAULT, "addr: 0x%llx cannot be written", (unsigned long long)attribute->addr);
	return 0;
}

static int pmu_set(struct arm64_vcpu *cpu, const struct kvm_device_attr *attribute)
{
	if (!arm64_has(cpu, KVM_ARM_VCPU_PMU_V3))
		return why(-ENODEV, "the vCPU has no PMU (KVM_ARM_VCPU_PMU_V3)");
	if (cpu->pmu_created)
		return why(-EBUSY, "the vCPU's PMU is there since KVM_ARM_VCPU_PMU_V3_INIT");
	if (attribute->attr == KVM_ARM_VCPU_PMU_V3_IRQ)
		return no_irqchip();
	if (attribute->attr != KVM_ARM_VCPU_PMU_V3_INIT)
		return unknown(attribute);
	cpu->pmu_created = true;
	return 0;
}

int arm64_attribute_set(struct arm64_vcpu *cpu, const struct kvm_device_attr *attribute)
{
	if (is_pvtime(attribute))
		return arm64_pvtime_set(cpu, attribute->addr);
	switch (attribute->group) {
	case KVM_ARM_VCPU_PMU_V3_CTRL:
		return pmu_set(cpu, attribute);
	case KVM_ARM_VCPU_TIMER_CTRL:
		return no_irqchip();
	default:
		return unknown(attribute);
	}
}
