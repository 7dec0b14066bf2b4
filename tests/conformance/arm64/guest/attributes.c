/*
 * Attributes of vCPUs, KVM_IRQ_LINE, KVM_ARM_SET_COUNTER_OFFSET's neighbours: which exist, and their errors in their order.
 */
#include "guest.h"

#include <fcntl.h>

static void attribute(const char *what, int fd, unsigned long request, u32 group, u64 attr, const void *at)
{
	struct kvm_device_attr attribute = { .group = group, .attr = attr, .addr = (uintptr_t)at };

	IOC(fd, request, &attribute);
	out(N("attr.%s.%u.%llu", what, group, (unsigned long long)attr), NULL);
}

static void all(const char *what, int fd)
{
	u64 value;

	for (u32 group = 0; group < 5; group++)
		for (u64 attr = 0; attr < 6; attr++) {
			attribute(N("%s.has", what), fd, KVM_HAS_DEVICE_ATTR, group, attr, NULL);
			value = 0;
			attribute(N("%s.get", what), fd, KVM_GET_DEVICE_ATTR, group, attr, &value);
			if (!g_rc)
				outx(N("attr.%s.value.%u.%llu", what, group, (unsigned long long)attr), value);
			attribute(N("%s.get_efault", what), fd, KVM_GET_DEVICE_ATTR, group, attr, (void *)8);
			if (group == 0 && attr == 1)
				continue;
			attribute(N("%s.set_efault", what), fd, KVM_SET_DEVICE_ATTR, group, attr, (void *)8);
			value = 0xfffffff1;
			attribute(N("%s.set_odd", what), fd, KVM_SET_DEVICE_ATTR, group, attr, &value);
		}
}

static void filter(const char *name, int fd, unsigned base_, unsigned count_, unsigned action, unsigned pad)
{
	struct kvm_pmu_event_filter filter = { .base_event = (unsigned short)base_, .nevents = (unsigned short)count_, .action = (unsigned char)action, .pad = { 0, 0, (unsigned char)pad } };

	attribute(N("filter.%s", name), fd, KVM_SET_DEVICE_ATTR, KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_PMU_V3_FILTER, &filter);
}

static void filters(const char *what, int fd)
{
	filter(N("%s.bad_action", what), fd, 0, 1, 2, 0);
	filter(N("%s.pad", what), fd, 0x100, 1, 0, 1);
	filter(N("%s.none", what), fd, 0, 0, 1, 0);
	filter(N("%s.all", what), fd, 0, 0xffff, 0, 0);
	filter(N("%s.top", what), fd, 0xffff, 1, 0, 0);
	filter(N("%s.beyond", what), fd, 0xffff, 2, 0, 0);
	filter(N("%s.deny_cycles", what), fd, 0x11, 1, 1, 0);
	filter(N("%s.chain", what), fd, 0x1e, 1, 0, 0);
}

static void lines(void)
{
	for (u32 type = 0; type < 5; type++)
		for (u32 number = 0; number < 4; number++)
			for (u32 vcpu = 0; vcpu < 3; vcpu++) {
				struct kvm_irq_level irq = { { type << KVM_ARM_IRQ_TYPE_SHIFT | vcpu << KVM_ARM_IRQ_VCPU_SHIFT | number }, 0 };

				IOC(g.vm.fd, KVM_IRQ_LINE, &irq);
				out(N("irq_line.type%u.number%u.vcpu%u", type, number, vcpu), NULL);
			}
	IOC(g.vm.fd, KVM_IRQ_LINE, &(struct kvm_irq_level){ { 1u << 28 }, 0 });
	out("irq_line.vcpu2", NULL);
	IOC(g.vm.fd, KVM_IRQ_LINE, (void *)8);
	out("irq_line.efault", NULL);
	IOC(g.vm.fd, KVM_IRQ_LINE_STATUS, &(struct kvm_irq_level){ { 0 }, 0 });
	out("irq_line.status", NULL);
}

static void events(void)
{
	struct kvm_vcpu_events events = { 0 };

	IOC(g.vm.vcpu, KVM_GET_VCPU_EVENTS, &events);
	out("events.fresh", N("%u,%u,%u,0x%llx", events.exception.serror_pending, events.exception.serror_has_esr, events.exception.ext_dabt_pending,
			      (unsigned long long)events.exception.serror_esr));
	for (unsigned i = 0; i < 10; i++) {
		memset(&events, 0, sizeof events);
		switch (i) {
		case 0: events.exception.serror_pending = 1; break;
		case 1: events.exception.serror_pending = 1; events.exception.serror_has_esr = 1; events.exception.serror_esr = 0x1234; break;
		case 2: events.exception.serror_pending = 1; events.exception.serror_has_esr = 1; events.exception.serror_esr = 1 << 25; break;
		case 3: events.exception.serror_has_esr = 1; events.exception.serror_esr = 1 << 25; break;
		case 4: events.exception.pad[2] = 1; break;
		case 5: events.reserved[11] = 1; break;
		case 6: events.exception.serror_pending = 2; break;
		case 7: events.exception.serror_pending = 1; events.exception.serror_has_esr = 2; events.exception.serror_esr = 0x77; break;
		case 8: break;
		default: events.exception.pad[4] = 1; break;
		}
		IOC(g.vm.vcpu, KVM_SET_VCPU_EVENTS, &events);
		out(N("events.set_%u", i), NULL);
		IOC(g.vm.vcpu, KVM_GET_VCPU_EVENTS, &events);
		out(N("events.get_%u", i), N("%u,%u,%u,0x%llx", events.exception.serror_pending, events.exception.serror_has_esr, events.exception.ext_dabt_pending,
					     (unsigned long long)events.exception.serror_esr));
		init(g.vm.vcpu, g.features);
	}
}

void sec_attributes(void)
{
	u64 value;

	printf("# P. attributes\n");
	guest_open(F_PSCI | F_PMU, 2);
	all("uninitialised", g.vm.vcpu);
	init(g.vm.vcpu, g.features);
	all("pmu", g.vm.vcpu);
	filters("fresh", g.vm.vcpu);
	value = 0x7ffffff0;
	attribute("pmu.set_pmu_none", g.vm.vcpu, KVM_SET_DEVICE_ATTR, KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_PMU_V3_SET_PMU, &value);
	attribute("pmu.init", g.vm.vcpu, KVM_SET_DEVICE_ATTR, KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_PMU_V3_INIT, (void *)8);
	filters("created", g.vm.vcpu);
	all("created", g.vm.vcpu);
	attribute("pmu.init_again", g.vm.vcpu, KVM_SET_DEVICE_ATTR, KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_PMU_V3_INIT, NULL);
	init(g.second, g.features);
	filters("second", g.second);
	IOC(g.vm.vcpu, KVM_RUN, (void *)1);
	g.vm.run->immediate_exit = 1;
	IOC(g.vm.vcpu, KVM_RUN, 0);
	out("attr.run", NULL);
	g.vm.run->immediate_exit = 0;
	filters("second_ran", g.second);
	lines();
	guest_close();
	guest_open(F_PSCI, 1);
	init(g.vm.vcpu, g.features);
	all("plain", g.vm.vcpu);
	filters("plain", g.vm.vcpu);
	events();
	guest_close();
	/* A KVM_RUN without KVM_ARM_VCPU_PMU_V3_INIT. */
	guest_open(F_PSCI | F_PMU, 1);
	init(g.vm.vcpu, g.features);
	g.vm.run->immediate_exit = 1;
	IOC(g.vm.vcpu, KVM_RUN, 0);
	out("attr.run_without_pmu_init", NULL);
	guest_close();
}
