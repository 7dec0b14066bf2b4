/* Events: exceptions, interrupts, NMIs and SMIs being delivered or waiting, as SET_VCPU_EVENTS takes and keeps them. */
#include "probe.h"

/* Sets what the probe is about, says what KVM answered and what the state is then, and goes back to *base. */
static void events_try(struct vcpu *c, const char *name, struct kvm_vcpu_events *e, const struct kvm_vcpu_events *base)
{
	struct kvm_vcpu_events now, back = *base;

	answer(CALL(c->fd, KVM_SET_VCPU_EVENTS, e), "SET_EVENTS.%s", name);
	ioctl(c->fd, KVM_GET_VCPU_EVENTS, &now);
	say_events("  ->", &now);
	back.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM;
	ioctl(c->fd, KVM_SET_VCPU_EVENTS, &back);
}

/* Statements on e, a copy of *base, as an argument: a table would need a row type for every field. */
#define EVENTS_TRY(name, change)                                                                                                 \
	do {                                                                                                                     \
		struct kvm_vcpu_events e = *base;                                                                                \
		change;                                                                                                          \
		events_try(c, name, &e, base);                                                                                   \
	} while (0)

static void events_flags(struct vcpu *c, const struct kvm_vcpu_events *base)
{
	char nm[16];

	EVENTS_TRY("same", );
	for (int i = 0; i < 8; i++) {
		snprintf(nm, sizeof nm, "flagbit%d", i);
		EVENTS_TRY(nm, e.flags = 1u << i);
	}
	EVENTS_TRY("flags_ffffffff", e.flags = ~0u);
}

static void events_exceptions(struct vcpu *c, const struct kvm_vcpu_events *base)
{
	EVENTS_TRY("exc_inj_nr2", e.exception.injected = 1; e.exception.nr = 2);
	EVENTS_TRY("exc_inj_nr31", e.exception.injected = 1; e.exception.nr = 31);
	EVENTS_TRY("exc_inj_nr32", e.exception.injected = 1; e.exception.nr = 32);
	EVENTS_TRY("exc_inj_nr14_ec", e.exception.injected = 1; e.exception.nr = 14; e.exception.has_error_code = 1;
		   e.exception.error_code = 7);
	EVENTS_TRY("exc_inj_ud", e.exception.injected = 1; e.exception.nr = 6);
	EVENTS_TRY("exc_inj_bp", e.exception.injected = 1; e.exception.nr = 3);
	EVENTS_TRY("exc_inj_of", e.exception.injected = 1; e.exception.nr = 4);
	EVENTS_TRY("exc_pend_noflag", e.exception.pending = 1; e.exception.nr = 6);
	EVENTS_TRY("exc_notinj_nr200", e.exception.nr = 200);
	EVENTS_TRY("exc_inj_255", e.exception.injected = 255; e.exception.nr = 6);
}

static void events_interrupts(struct vcpu *c, const struct kvm_vcpu_events *base)
{
	EVENTS_TRY("int_inj_0x20", e.interrupt.injected = 1; e.interrupt.nr = 0x20);
	EVENTS_TRY("int_inj_soft", e.interrupt.injected = 1; e.interrupt.nr = 0x80; e.interrupt.soft = 1);
	EVENTS_TRY("int_noinj_nr", e.interrupt.nr = 0x33);
	EVENTS_TRY("shadow1", e.interrupt.shadow = 1);
	EVENTS_TRY("shadow2", e.interrupt.shadow = 2);
	EVENTS_TRY("shadow3", e.interrupt.shadow = 3);
	EVENTS_TRY("shadow1_noflag", e.interrupt.shadow = 1; e.flags = 0);
	EVENTS_TRY("nmi_inj", e.nmi.injected = 1);
	EVENTS_TRY("nmi_masked", e.nmi.masked = 1);
	EVENTS_TRY("nmi_pend1", e.nmi.pending = 1);
	EVENTS_TRY("nmi_pend2", e.nmi.pending = 2);
	EVENTS_TRY("nmi_pend3", e.nmi.pending = 3);
	EVENTS_TRY("nmi_pend255", e.nmi.pending = 255);
	EVENTS_TRY("nmi_pend1_noflag", e.nmi.pending = 1; e.flags = 0);
	EVENTS_TRY("nmi_pend2_masked", e.nmi.pending = 2; e.nmi.masked = 1);
}

static void events_smi_and_rest(struct vcpu *c, const struct kvm_vcpu_events *base)
{
	EVENTS_TRY("smi_smm", e.smi.smm = 1);
	EVENTS_TRY("smi_pend", e.smi.pending = 1);
	EVENTS_TRY("smi_innmi_only", e.smi.smm_inside_nmi = 1);
	EVENTS_TRY("smi_smm_innmi", e.smi.smm = 1; e.smi.smm_inside_nmi = 1);
	EVENTS_TRY("smi_latched", e.smi.latched_init = 1);
	EVENTS_TRY("sipi", e.flags |= 2; e.sipi_vector = 0x10);
	EVENTS_TRY("payload_notenabled", e.flags |= 0x10);
	EVENTS_TRY("triple_notenabled", e.flags |= 0x20; e.triple_fault.pending = 1);
	EVENTS_TRY("reserved_nonzero", memset(e.reserved, 0xff, sizeof e.reserved));
}

static void events_nmi_smi(struct vcpu *c, const struct kvm_vcpu_events *base)
{
	struct kvm_vcpu_events e;

	answer(CALL(c->fd, KVM_NMI, 0), "KVM_NMI");
	ioctl(c->fd, KVM_GET_VCPU_EVENTS, &e);
	say_events("after_NMI", &e);
	answer(CALL(c->fd, KVM_NMI, 0), "KVM_NMI.2");
	answer(CALL(c->fd, KVM_NMI, 0), "KVM_NMI.3");
	ioctl(c->fd, KVM_GET_VCPU_EVENTS, &e);
	say_events("after_3NMI", &e);
	e = *base;
	ioctl(c->fd, KVM_SET_VCPU_EVENTS, &e);
	answer(CALL(c->fd, KVM_SMI, 0), "KVM_SMI");
	ioctl(c->fd, KVM_GET_VCPU_EVENTS, &e);
	say_events("after_SMI", &e);
	e = *base;
	ioctl(c->fd, KVM_SET_VCPU_EVENTS, &e);
}

static void events_payload(void)
{
	struct vm *v;
	struct vcpu *c = guest_create(&v, 1);
	struct kvm_vcpu_events b, e, *base = &b;

	say("## VCPU_EVENTS with EXCEPTION_PAYLOAD+TRIPLE_FAULT caps");
	struct kvm_enable_cap ec = {.cap = KVM_CAP_EXCEPTION_PAYLOAD, .args = {1}};
	answer(CALL(v->fd, KVM_ENABLE_CAP, &ec), "ENABLE.PAYLOAD");
	ec.cap = KVM_CAP_X86_TRIPLE_FAULT_EVENT;
	answer(CALL(v->fd, KVM_ENABLE_CAP, &ec), "ENABLE.TRIPLE_FAULT");
	ioctl(c->fd, KVM_GET_VCPU_EVENTS, &b);
	say_events("base", &b);
	EVENTS_TRY("same", );
	EVENTS_TRY("pend_ud", e.exception.pending = 1; e.exception.nr = 6);
	EVENTS_TRY("pend_db_payload", e.exception.pending = 1; e.exception.nr = 1; e.exception_has_payload = 1;
		   e.exception_payload = 0x4000);
	EVENTS_TRY("pend_pf_payload", e.exception.pending = 1; e.exception.nr = 14; e.exception.has_error_code = 1;
		   e.exception_has_payload = 1; e.exception_payload = 0xdead000);
	EVENTS_TRY("inj_and_pend", e.exception.pending = 1; e.exception.injected = 1; e.exception.nr = 6);
	EVENTS_TRY("inj_haspayload", e.exception.injected = 1; e.exception.nr = 6; e.exception_has_payload = 1;
		   e.exception_payload = 5);
	EVENTS_TRY("pend_bp", e.exception.pending = 1; e.exception.nr = 3);
	EVENTS_TRY("pend_nr2", e.exception.pending = 1; e.exception.nr = 2);
	EVENTS_TRY("triple", e.triple_fault.pending = 1);
	e = b;
	e.triple_fault.pending = 1;
	ioctl(c->fd, KVM_SET_VCPU_EVENTS, &e);
	answer_run(vcpu_run(c), c, "run.triple_pending");
	vm_free(v, c);
}

void probe_events(void)
{
	struct vm *v;
	struct vcpu *c = guest_create(&v, 1);
	struct kvm_vcpu_events base;

	say("## VCPU_EVENTS");
	ioctl(c->fd, KVM_GET_VCPU_EVENTS, &base);
	say_events("base", &base);
	events_flags(c, &base);
	events_exceptions(c, &base);
	events_interrupts(c, &base);
	events_smi_and_rest(c, &base);
	events_nmi_smi(c, &base);
	vm_free(v, c);
	events_payload();
}
