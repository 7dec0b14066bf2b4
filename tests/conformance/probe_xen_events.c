/* Events of a Xen guest: where its own lead, and the ways in for the program's. */
#include "probe_xen.h"

static void probe_targets(void)
{
	say("## EVTCHN attr (long_mode=1: max 4096 ports)");
	efd = eventfd(0, EFD_NONBLOCK);

	target_set(v, "EVTCHN.reset.empty", 0, 0, KVM_XEN_EVTCHN_RESET, 0, 0, 0);
	target_set(v, "EVTCHN.deassign.none", 10, 0, KVM_XEN_EVTCHN_DEASSIGN, 0, 0, 0);
	target_set(v, "EVTCHN.update.none", 10, IPI, KVM_XEN_EVTCHN_UPDATE, 10, 0, 0);
	target_set(v, "EVTCHN.assign.port0", 0, IPI, 0, 0, 0, 0);
	target_set(v, "EVTCHN.assign.port4095", 4095, IPI, 0, 4095, 0, 0);
	target_set(v, "EVTCHN.assign.port4096", 4096, IPI, 0, 4096, 0, 0);
	target_set(v, "EVTCHN.assign.ipi.badprio1", 11, IPI, 0, 11, 0, 1);
	target_set(v, "EVTCHN.assign.ipi.prio_ffffffff", 11, IPI, 0, 11, 0, ~0u);
	target_set(v, "EVTCHN.assign.ipi.portmismatch", 11, IPI, 0, 12, 0, 0xffffffff);
	target_set(v, "EVTCHN.assign.ipi.portmismatch.prio0", 11, IPI, 0, 12, 0, 0);
	target_set(v, "EVTCHN.deassign.11", 11, 0, KVM_XEN_EVTCHN_DEASSIGN, 0, 0, 0);
	target_set(v, "EVTCHN.assign.ipi.novcpu", 11, IPI, 0, 11, 99, 0xffffffff);
	target_set(v, "EVTCHN.assign.ipi.dup", 11, IPI, 0, 11, 0, 0xffffffff);
	target_set(v, "EVTCHN.assign.ipi.12", 12, IPI, 0, 12, 0, 0xffffffff);
	for (int t = 0; t < 8; t++) {
		sprintf(nm, "EVTCHN.assign.type%d", t);
		target_set(v, nm, 20 + t, t, 0, 20 + t, 0, 0xffffffff);
	}
	target_set(v, "EVTCHN.assign.interdomain.deliver4095", 30, INTERDOMAIN, 0, 4095, 0, 0xffffffff);
	target_set(v, "EVTCHN.assign.interdomain.deliver4096", 31, INTERDOMAIN, 0, 4096, 0, 0xffffffff);
	target_set(v, "EVTCHN.assign.interdomain.prio0", 32, INTERDOMAIN, 0, 33, 0, 0);
	target_set(v, "EVTCHN.assign.interdomain.looped", 33, INTERDOMAIN, 0, 15, 0, 0xffffffff);
	target_set(v, "EVTCHN.assign.eventfd.badfd", 40, INTERDOMAIN, 0, 0, (u32)-1, 0);
	target_set(v, "EVTCHN.assign.eventfd.notevfd", 40, INTERDOMAIN, 0, 0, 1, 0);
	target_set(v, "EVTCHN.assign.eventfd", 40, INTERDOMAIN, 0, 0, efd, 0);
	target_set(v, "EVTCHN.assign.eventfd.dup", 40, INTERDOMAIN, 0, 0, efd, 0);
	target_set(v, "EVTCHN.assign.eventfd.prio_ff", 41, INTERDOMAIN, 0, 0, efd, 0xffffffff);
	target_set(v, "EVTCHN.update.eventfd", 40, INTERDOMAIN, KVM_XEN_EVTCHN_UPDATE, 0, efd, 0xffffffff);
	target_set(v, "EVTCHN.update.typechange", 12, INTERDOMAIN, KVM_XEN_EVTCHN_UPDATE, 12, 0, 0xffffffff);
	target_set(v, "EVTCHN.update.portchange", 12, IPI, KVM_XEN_EVTCHN_UPDATE, 13, 0, 0xffffffff);
	target_set(v, "EVTCHN.update.badprio", 12, IPI, KVM_XEN_EVTCHN_UPDATE, 12, 0, 0);
	target_set(v, "EVTCHN.update.vcpu5", 12, IPI, KVM_XEN_EVTCHN_UPDATE, 12, 5, 0xffffffff);
	target_set(v, "EVTCHN.update.novcpu", 12, IPI, KVM_XEN_EVTCHN_UPDATE, 12, 77, 0xffffffff);
	target_set(v, "EVTCHN.update.port0", 0, IPI, KVM_XEN_EVTCHN_UPDATE, 12, 0, 0xffffffff);
	target_set(v, "EVTCHN.flags3", 12, IPI, 3, 12, 0, 0xffffffff);
	target_set(v, "EVTCHN.flags5_reset|deassign", 12, IPI, 5, 12, 0, 0xffffffff);
	target_set(v, "EVTCHN.flags6", 12, IPI, 6, 12, 0, 0xffffffff);
	target_set(v, "EVTCHN.flags8", 12, IPI, 8, 12, 0, 0xffffffff);
	target_set(v, "EVTCHN.deassign.port0", 0, 0, KVM_XEN_EVTCHN_DEASSIGN, 0, 0, 0);
	target_set(v, "EVTCHN.deassign.4096", 4096, 0, KVM_XEN_EVTCHN_DEASSIGN, 0, 0, 0);
	target_set(v, "EVTCHN.deassign.12", 12, 0, KVM_XEN_EVTCHN_DEASSIGN, 0, 0, 0);
	target_set(v, "EVTCHN.deassign.12.again", 12, 0, KVM_XEN_EVTCHN_DEASSIGN, 0, 0, 0);
	target_set(v, "EVTCHN.reset.port9999", 9999, 0, KVM_XEN_EVTCHN_RESET, 0, 0, 0);
	target_set(v, "EVTCHN.deassign.40.afterreset", 40, 0, KVM_XEN_EVTCHN_DEASSIGN, 0, 0, 0);
	hvm_set(v, "LONG_MODE_0", (struct kvm_xen_hvm_attr){.type = 0, .u.long_mode = 0});
	target_set(v, "EVTCHN.lm0.assign.port1023", 1023, IPI, 0, 1023, 0, 0xffffffff);
	target_set(v, "EVTCHN.lm0.assign.port1024", 1024, IPI, 0, 1024, 0, 0xffffffff);
	target_set(v, "EVTCHN.lm0.deassign.port1024", 1024, 0, KVM_XEN_EVTCHN_DEASSIGN, 0, 0, 0);
	hvm_set(v, "LONG_MODE_1", (struct kvm_xen_hvm_attr){.type = 0, .u.long_mode = 1});
	target_set(v, "EVTCHN.reset2", 0, 0, KVM_XEN_EVTCHN_RESET, 0, 0, 0);
}

static void event_send(struct vm *vm, const char *name, u32 port, u32 vcpu, u32 priority)
{
	struct kvm_irq_routing_xen_evtchn event = {port, vcpu, priority};

	answer(CALL(vm->fd, KVM_XEN_HVM_EVTCHN_SEND, &event), "evtchn_send.%s", name);
}

static void probe_event_sends(void)
{
	say("## EVTCHN_SEND");
	memset(v->mem + SHARED_INFO, 0, 4096);
	memset(v->mem + VCPU_INFO, 0, 64);
	event_send(v, "port0", 0, 0, ~0u);
	event_send(v, "prio0", 15, 0, 0);
	event_send(v, "port4096", 4096, 0, ~0u);
	event_send(v, "novcpu", 15, 3, ~0u);
	event_send(v, "vcpuid_xen(1)", 15, 1, ~0u);
	event_send(v, "EFAULT?", 15, 0xffffffff, ~0u);
	answer(CALL(v->fd, KVM_XEN_HVM_EVTCHN_SEND, (void *)8), "evtchn_send.EFAULT");
	say_ports(v, "shi.after_bad", 1, 1, 15);
	event_send(v, "15.ok", 15, 0, ~0u);
	say_ports(v, "shi", 1, 1, 15);
	say_info(v, "vci");
	event_send(v, "15.again_coalesced", 15, 0, ~0u);
	v->mem[SHARED_INFO + 0x800 + 512 + 2] = 1;
	event_send(v, "16.masked", 16, 0, ~0u);
	say_ports(v, "shi", 1, 2, 15, 16);
	say_info(v, "vci");
	event_send(v, "4095.ok", 4095, 0, ~0u);
	say_ports(v, "shi", 1, 1, 4095);
	say_info(v, "vci");
	event_send(v, "17.vcpu5_no_vcpu_info", 17, 5, ~0u);
	say_ports(v, "shi", 1, 1, 17);
	vcpu_get(c1, 0, "c1.VCPU_INFO");
	say("val: %#llx", vcpu_got.u.gpa);
	vcpu_set(c0, "VCPU_INFO.off", (struct kvm_xen_vcpu_attr){.type = 0, .u.gpa = ~0ULL});
	event_send(v, "18.no_vcpu_info", 18, 0, ~0u);
	say_ports(v, "shi", 1, 1, 18);
	vcpu_set(c0, "VCPU_INFO.on", (struct kvm_xen_vcpu_attr){.type = 0, .u.gpa = VCPU_INFO});
	memset(v->mem + VCPU_INFO, 0, 64);
	hvm_set(v, "LONG_MODE_0", (struct kvm_xen_hvm_attr){.type = 0, .u.long_mode = 0});
	memset(v->mem + SHARED_INFO, 0, 4096);
	event_send(v, "lm0.1023", 1023, 0, ~0u);
	event_send(v, "lm0.1024", 1024, 0, ~0u);
	event_send(v, "lm0.33", 33, 0, ~0u);
	say_ports(v, "shi32", 0, 2, 33, 1023);
	{
		u8 *s = v->mem + VCPU_INFO;
		say("vci32: pending=%d sel32=%#x next32=%#x", s[0], *(u32 *)(s + 4), *(u32 *)(s + 8));
	}
	hvm_set(v, "LONG_MODE_1", (struct kvm_xen_hvm_attr){.type = 0, .u.long_mode = 1});
	hvm_set(v, "SHARED_INFO.off", (struct kvm_xen_hvm_attr){.type = 1, .u.shared_info.gfn = ~0ULL});
	event_send(v, "no_shinfo", 19, 0, ~0u);
	hvm_set(v, "SHARED_INFO.on", (struct kvm_xen_hvm_attr){.type = 1, .u.shared_info.gfn = SHARED_INFO >> 12});
	memset(v->mem + SHARED_INFO, 0, 4096);
	memset(v->mem + VCPU_INFO, 0, 64);
}

static void probe_routing(void)
{
	say("## GSI routing to evtchn + KVM_IRQ_LINE(_STATUS) + irqfd");
	struct {
		struct kvm_irq_routing r;
		struct kvm_irq_routing_entry e[4];
	} rt = {0};
	rt.r.nr = 1;
	rt.e[0].gsi = 32;
	rt.e[0].type = KVM_IRQ_ROUTING_XEN_EVTCHN;
	rt.e[0].u.xen_evtchn.port = 15;
	rt.e[0].u.xen_evtchn.vcpu = 0;
	rt.e[0].u.xen_evtchn.priority = 0;
	answer(CALL(v->fd, KVM_SET_GSI_ROUTING, &rt), "gsi.prio0");
	rt.e[0].u.xen_evtchn.priority = ~0u;
	rt.e[0].u.xen_evtchn.port = 9999;
	answer(CALL(v->fd, KVM_SET_GSI_ROUTING, &rt), "gsi.port9999");
	rt.e[0].u.xen_evtchn.port = 15;
	rt.e[0].u.xen_evtchn.vcpu = 99;
	answer(CALL(v->fd, KVM_SET_GSI_ROUTING, &rt), "gsi.novcpu");
	rt.e[0].flags = 1;
	answer(CALL(v->fd, KVM_SET_GSI_ROUTING, &rt), "gsi.flags1");
	rt.e[0].flags = 0;
	rt.e[0].u.xen_evtchn.vcpu = 0;
	rt.e[0].type = 99;
	answer(CALL(v->fd, KVM_SET_GSI_ROUTING, &rt), "gsi.type99");
	rt.e[0].type = KVM_IRQ_ROUTING_XEN_EVTCHN;
	rt.r.flags = 1;
	answer(CALL(v->fd, KVM_SET_GSI_ROUTING, &rt), "gsi.tableflags1");
	rt.r.flags = 0;
	rt.r.nr = 5000;
	answer(CALL(v->fd, KVM_SET_GSI_ROUTING, &rt), "gsi.nr5000");
	rt.r.nr = 1;
	rt.e[0].gsi = 4096;
	answer(CALL(v->fd, KVM_SET_GSI_ROUTING, &rt), "gsi.gsi4096");
	rt.e[0].gsi = 32;
	answer(CALL(v->fd, KVM_SET_GSI_ROUTING, &rt), "gsi.ok");
	struct kvm_irq_level il = {.irq = 32, .level = 1};
	answer(CALL(v->fd, KVM_IRQ_LINE_STATUS, &il), "irqline_status.1");
	say("status: %d", il.status);
	say_ports(v, "shi", 1, 1, 15);
	il.irq = 32;
	il.level = 1;
	answer(CALL(v->fd, KVM_IRQ_LINE_STATUS, &il), "irqline_status.1.again");
	say("status: %d", il.status);
	il.irq = 32;
	il.level = 0;
	answer(CALL(v->fd, KVM_IRQ_LINE_STATUS, &il), "irqline_status.0");
	say("status: %d", il.status);
	il.irq = 32;
	il.level = 1;
	answer(CALL(v->fd, KVM_IRQ_LINE, &il), "irqline.1");
	il.irq = 33;
	il.level = 1;
	answer(CALL(v->fd, KVM_IRQ_LINE_STATUS, &il), "irqline_status.unrouted");
	say("status: %d", il.status);
	memset(v->mem + SHARED_INFO, 0, 4096);
	memset(v->mem + VCPU_INFO, 0, 64);
	int ifd = eventfd(0, 0);
	struct kvm_irqfd iq = {.fd = ifd, .gsi = 32};
	answer(CALL(v->fd, KVM_IRQFD, &iq), "irqfd.assign");
	answer(CALL(v->fd, KVM_IRQFD, &iq), "irqfd.assign.dup");
	iq.gsi = 4096;
	answer(CALL(v->fd, KVM_IRQFD, &iq), "irqfd.gsi4096");
	iq.gsi = 32;
	iq.flags = 8;
	answer(CALL(v->fd, KVM_IRQFD, &iq), "irqfd.badflags");
	iq.flags = 0;
	u64 one = 1;
	if (write(ifd, &one, 8) != 8)
		perror("w");
	usleep(100000);
	say_ports(v, "shi.after_irqfd", 1, 1, 15);
	say_info(v, "vci.after_irqfd");
	iq.flags = 1;
	answer(CALL(v->fd, KVM_IRQFD, &iq), "irqfd.deassign");
	answer(CALL(v->fd, KVM_IRQFD, &iq), "irqfd.deassign.again");
}

void probe_xen_targets(void) { probe_targets(); }

void probe_xen_events(void)
{
	probe_event_sends();
	probe_routing();
}
