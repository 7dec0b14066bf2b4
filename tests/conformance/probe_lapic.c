/* The local APIC's state, and the run states (MP_STATE) that INIT and SIPI lead through. */
#include "probe.h"

void probe_mp_state(void)
{
	for (int k = 0; k < 2; k++) {
		say("## MP_STATE %s", k ? "noirqchip" : "irqchip");
		struct vm *v;
		struct vcpu *c = guest_create(&v, !k);
		for (u32 s = 0; s < 14; s++) {
			struct kvm_mp_state m = {s};

			answer(CALL(c->fd, KVM_SET_MP_STATE, &m), "SET_MP_STATE.%u", s);
			m.mp_state = 99;
			ioctl(c->fd, KVM_GET_MP_STATE, &m);
			say("  -> %u", m.mp_state);
		}
		struct kvm_mp_state m = {0};
		ioctl(c->fd, KVM_SET_MP_STATE, &m);
		struct kvm_regs r;
		ioctl(c->fd, KVM_GET_REGS, &r);
		say("rip after SIPI_RECEIVED+get: %#llx (guest had 0x10000)", r.rip);
		struct kvm_sregs s;
		ioctl(c->fd, KVM_GET_SREGS, &s);
		say("cs after: sel=%#x base=%#llx cr0=%#llx", s.cs.selector, s.cs.base, s.cr0);
		vm_free(v, c);
	}
}

static u32 lapic_get(const struct kvm_lapic_state *l, int at)
{
	u32 value;

	memcpy(&value, l->regs + at, sizeof value);
	return value;
}

static void lapic_put(struct kvm_lapic_state *l, int at, u32 value)
{
	memcpy(l->regs + at, &value, sizeof value);
}

static void lapic_state(struct vcpu *c, struct kvm_lapic_state *base)
{
	struct kvm_lapic_state l;

	answer(CALL(c->fd, KVM_GET_LAPIC, base), "GET_LAPIC");
	say_bytes("lapic", base, sizeof *base);
	memset(&l, 0, sizeof l);
	answer(CALL(c->fd, KVM_SET_LAPIC, &l), "SET_LAPIC.zero");
	answer(CALL(c->fd, KVM_GET_LAPIC, &l), "GET_LAPIC.after_zero");
	say_bytes("lapic0", &l, sizeof l);
	memset(&l, 0xff, sizeof l);
	answer(CALL(c->fd, KVM_SET_LAPIC, &l), "SET_LAPIC.ff");
	answer(CALL(c->fd, KVM_GET_LAPIC, &l), "GET_LAPIC.after_ff");
	say("id=%08x lvr=%08x tpr=%08x svr=%08x icr=%08x isr0=%08x irr7=%08x", lapic_get(&l, 0x20), lapic_get(&l, 0x30),
	    lapic_get(&l, 0x80), lapic_get(&l, 0xf0), lapic_get(&l, 0x300), lapic_get(&l, 0x100), lapic_get(&l, 0x270));
	answer(CALL(c->fd, KVM_SET_LAPIC, base), "SET_LAPIC.restore");
	answer(CALL(c->fd, KVM_SET_LAPIC, 8L), "SET_LAPIC.EFAULT");
}

static void lapic_ids(struct vcpu *c, struct kvm_lapic_state *base)
{
	struct kvm_lapic_state l = *base;

	lapic_put(&l, 0x20, 5 << 24);
	answer(CALL(c->fd, KVM_SET_LAPIC, &l), "SET_LAPIC.xapic_id5");
	ioctl(c->fd, KVM_GET_LAPIC, &l);
	say("id=%08x", lapic_get(&l, 0x20));
	ioctl(c->fd, KVM_SET_LAPIC, base);
	msr_set(c, 0x1b, 0xfee00d00);
	ioctl(c->fd, KVM_GET_LAPIC, &l);
	say("x2apic.id=%08x ldr=%08x", lapic_get(&l, 0x20), lapic_get(&l, 0xd0));
	lapic_put(&l, 0x20, 5);
	answer(CALL(c->fd, KVM_SET_LAPIC, &l), "SET_LAPIC.x2apic_id5");
	lapic_put(&l, 0x20, 5 << 24);
	answer(CALL(c->fd, KVM_SET_LAPIC, &l), "SET_LAPIC.x2apic_id5<<24");
	lapic_put(&l, 0x20, 0);
	answer(CALL(c->fd, KVM_SET_LAPIC, &l), "SET_LAPIC.x2apic_id0");
}

static void lapic_absent(void)
{
	struct vm *v = vm_create(0);
	struct vcpu *c = vcpu_create(v, 0, 1);
	struct kvm_lapic_state l = {0};

	answer(CALL(c->fd, KVM_GET_LAPIC, &l), "GET_LAPIC.noirqchip");
	answer(CALL(c->fd, KVM_SET_LAPIC, &l), "SET_LAPIC.noirqchip");
	vm_free(v, c);
}

void probe_lapic(void)
{
	struct vm *v;
	struct vcpu *c = guest_create(&v, 1);
	struct kvm_lapic_state base;

	say("## LAPIC");
	lapic_state(c, &base);
	lapic_ids(c, &base);
	vm_free(v, c);
	lapic_absent();
}
