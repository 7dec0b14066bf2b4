/* The state of a vCPU just created: boot CPU, second CPU, and without an interrupt controller. */
#include "probe.h"

static void fresh_registers(struct vcpu *c)
{
	struct kvm_regs r;

	answer(CALL(c->fd, KVM_GET_REGS, &r), "GET_REGS");
	say_regs("regs", &r);
	struct kvm_sregs s;
	answer(CALL(c->fd, KVM_GET_SREGS, &s), "GET_SREGS");
	say_sregs("sregs", &s);
	struct kvm_sregs2 s2;
	memset(&s2, 0x5a, sizeof s2);
	answer(CALL(c->fd, KVM_GET_SREGS2, &s2), "GET_SREGS2");
	say("sregs2: flags=%#llx pdptrs=%#llx", s2.flags, s2.pdptrs[0]);
}

static void fresh_fpu(struct vcpu *c)
{
	struct kvm_fpu f;

	memset(&f, 0x5a, sizeof f);
	answer(CALL(c->fd, KVM_GET_FPU, &f), "GET_FPU");
	say("fpu: fcw=%#x fsw=%#x ftwx=%#x mxcsr=%#x", f.fcw, f.fsw, f.ftwx, f.mxcsr);
	struct kvm_xsave x;
	memset(&x, 0x5a, sizeof x);
	answer(CALL(c->fd, KVM_GET_XSAVE, &x), "GET_XSAVE");
	say_bytes("xsave", &x, sizeof x);
	struct kvm_xcrs xc;
	memset(&xc, 0x5a, sizeof xc);
	answer(CALL(c->fd, KVM_GET_XCRS, &xc), "GET_XCRS");
	say("xcrs: nr=%u flags=%u xcr=%u val=%#llx", xc.nr_xcrs, xc.flags, xc.xcrs[0].xcr, xc.xcrs[0].value);
}

static void fresh_events(struct vcpu *c)
{
	struct kvm_debugregs d;

	memset(&d, 0x5a, sizeof d);
	answer(CALL(c->fd, KVM_GET_DEBUGREGS, &d), "GET_DEBUGREGS");
	say("debugregs: %#llx %#llx %#llx %#llx dr6=%#llx dr7=%#llx flags=%#llx", d.db[0], d.db[1], d.db[2], d.db[3], d.dr6,
	    d.dr7, d.flags);
	struct kvm_vcpu_events e;
	answer(CALL(c->fd, KVM_GET_VCPU_EVENTS, &e), "GET_VCPU_EVENTS");
	say_events("events", &e);
	struct kvm_mp_state ms = {99};
	answer(CALL(c->fd, KVM_GET_MP_STATE, &ms), "GET_MP_STATE");
	say("mp_state: %u", ms.mp_state);
	struct kvm_lapic_state la;
	memset(&la, 0, sizeof la);
	answer(CALL(c->fd, KVM_GET_LAPIC, &la), "GET_LAPIC");
	say_bytes("lapic", &la, sizeof la);
}

static void fresh_cpu(struct vcpu *c)
{
	struct kvm_cpuid2 *cp = calloc(1, sizeof *cp + 256 * sizeof cp->entries[0]);

	cp->nent = 256;
	answer(CALL(c->fd, KVM_GET_CPUID2, cp), "GET_CPUID2");
	say("nent: %u", cp->nent);
	say("GET_TSC_KHZ>0: %d", ioctl(c->fd, KVM_GET_TSC_KHZ, 0) > 0);
	free(cp);
}

static void fresh_msrs(struct vcpu *c)
{
	struct kvm_msr_list *l = msr_list();

	for (u32 i = 0; i < l->nmsrs; i++) {
		u64 val = 0x5a5a;
		long rc = msr_get(c, l->indices[i], &val);

		if (msr_is_volatile(l->indices[i]))
			say("msr[%#x]: rc=%ld VOLATILE", l->indices[i], rc);
		else
			say("msr[%#x]: rc=%ld val=%#lx", l->indices[i], rc, val);
	}
	ioctl(c->fd, KVM_SET_CPUID2, cpuid_supported());
	say("-- after SET_CPUID2(supported), changed msrs:");
	for (u32 i = 0; i < l->nmsrs; i++) {
		u64 val = 0x5a5a;

		if (msr_is_volatile(l->indices[i]))
			continue;
		long rc = msr_get(c, l->indices[i], &val);
		if (val || rc != 1)
			say("msr2[%#x]: rc=%ld val=%#lx", l->indices[i], rc, val);
	}
	free(l);
}

void probe_fresh(void)
{
	static const char *const kinds[] = {"irqchip vcpu0(BSP)", "irqchip vcpu1(AP)", "no irqchip vcpu0"};

	for (int k = 0; k < 3; k++) {
		struct vm *v = vm_create(k != 2);
		struct vcpu *bsp = vcpu_create(v, 0, 0), *ap = k == 1 ? vcpu_create(v, 1, 0) : NULL, *c = ap ? ap : bsp;

		say("## fresh vCPU state: %s", kinds[k]);
		fresh_registers(c);
		fresh_fpu(c);
		fresh_events(c);
		fresh_cpu(c);
		if (k < 2)
			fresh_msrs(c);
		vm_free(NULL, ap);
		vm_free(v, bsp);
	}
}
