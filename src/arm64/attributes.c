/*
 * Attributes of a vCPU (kernel document virt/kvm/devices/vcpu.rst): the PMU's creation and event filter, the timers' interrupts, stolen time. Interrupt
 * numbers mean something to an interrupt controller in KVM alone, which there is none of.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "arm64/ioctl.h"
#include "core/user.h"
#include "core/why.h"

/* Private interrupts of the timers, as KVM numbers them: EL1's virtual and physical ones, EL2's. */
static const int timer_irqs[] = { [KVM_ARM_VCPU_TIMER_IRQ_VTIMER] = 27, [KVM_ARM_VCPU_TIMER_IRQ_PTIMER] = 30, 28, 26 };
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
	if (attribute->group == KVM_ARM_VCPU_PMU_V3_CTRL && attribute->attr <= KVM_ARM_VCPU_PMU_V3_SET_PMU && arm64_has(cpu, KVM_ARM_VCPU_PMU_V3))
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

/* ---- The PMU. ---- */

/* Events 0 ... are as many as the version of the PMU has numbers for. The VM's lock is held. */
static int filter_set(struct arm64_vm *vm, const struct kvm_pmu_event_filter *filter)
{
	uint32_t events = (arm64_id_limit(vm, SYS_ID_AA64DFR0_EL1) >> 8 & 15) > 1 ? ARM64_PMU_EVENTS : 1 << 10, end = (uint32_t)filter->base_event + filter->nevents;

	if (end > events)
		return why(-EINVAL, "base_event, nevents: %u and on, %u events: beyond the last of %u", filter->base_event, filter->nevents, events);
	if (filter->action != KVM_PMU_EVENT_ALLOW && filter->action != KVM_PMU_EVENT_DENY)
		return why(-EINVAL, "action: %u is neither KVM_PMU_EVENT_ALLOW nor _DENY", filter->action);
	if (vm->ran)
		return why(-EBUSY, "the filter cannot change once a vCPU has run");
	/* The first one says what becomes of all others. */
	for (uint32_t i = 0; i < ARM64_PMU_EVENTS && !vm->pmu_filtered && filter->action == KVM_PMU_EVENT_ALLOW; i++)
		vm->pmu_denied[i / 64] |= UINT64_C(1) << i % 64;
	vm->pmu_filtered = true;
	for (uint32_t i = filter->base_event; i < end; i++)
		if (filter->action == KVM_PMU_EVENT_ALLOW)
			vm->pmu_denied[i / 64] &= ~(UINT64_C(1) << i % 64);
		else
			vm->pmu_denied[i / 64] |= UINT64_C(1) << i % 64;
	return 0;
}

static int pmu_filter(struct arm64_vcpu *cpu, uint64_t address)
{
	struct kvm_pmu_event_filter filter;
	int error;

	if (user_read(&filter, address, sizeof filter))
		return why(-EFAULT, "addr: 0x%llx cannot be read", (unsigned long long)address);
	pthread_mutex_lock(&cpu->vcpu.vm->lock);
	error = filter_set(arm64_vm(cpu), &filter);
	pthread_mutex_unlock(&cpu->vcpu.vm->lock);
	return error;
}

/* Whether the host has an event source of that number: where programs take it from. */
static bool event_source(int number)
{
	DIR *sources = opendir("/sys/bus/event_source/devices");
	struct dirent *entry;
	bool found = false;

	while (sources && !found && (entry = readdir(sources))) {
		char path[320];
		int type;
		FILE *file;

		snprintf(path, sizeof path, "/sys/bus/event_source/devices/%s/type", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		found = fscanf(file, "%d", &type) == 1 && type == number;
		fclose(file);
	}
	if (sources)
		closedir(sources);
	return found;
}

/* Which of the host's PMUs is to count. Here it is none, so that all are alike. */
static int pmu_choose(struct arm64_vcpu *cpu, uint64_t address)
{
	int number;

	if (user_read(&number, address, sizeof number))
		return why(-EFAULT, "addr: 0x%llx cannot be read", (unsigned long long)address);
	if (!event_source(number))
		return why(-ENXIO, "%d is the type of none of /sys/bus/event_source/devices", number);
	if (arm64_vm(cpu)->ran)
		return why(-EBUSY, "the PMU cannot change once a vCPU has run");
	return 0;
}

static int pmu_set(struct arm64_vcpu *cpu, const struct kvm_device_attr *attribute)
{
	if (!arm64_has(cpu, KVM_ARM_VCPU_PMU_V3))
		return why(-ENODEV, "the vCPU has no PMU (KVM_ARM_VCPU_PMU_V3)");
	if (cpu->pmu_created)
		return why(-EBUSY, "the vCPU's PMU is there since KVM_ARM_VCPU_PMU_V3_INIT");
	switch (attribute->attr) {
	case KVM_ARM_VCPU_PMU_V3_IRQ:
		return no_irqchip();
	case KVM_ARM_VCPU_PMU_V3_FILTER:
		return pmu_filter(cpu, attribute->addr);
	case KVM_ARM_VCPU_PMU_V3_SET_PMU:
		return pmu_choose(cpu, attribute->addr);
	case KVM_ARM_VCPU_PMU_V3_INIT:
		cpu->pmu_created = true;
		return 0;
	default:
		return unknown(attribute);
	}
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
