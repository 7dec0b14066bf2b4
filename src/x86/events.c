/*
 * KVM_GET_VCPU_EVENTS and KVM_SET_VCPU_EVENTS, KVM_NMI, KVM_SMI, KVM_INTERRUPT: api.rst, 4.16, 4.31, 4.32, 4.64.
 */
#include <errno.h>
#include <string.h>

#include "core/why.h"
#include "x86/ioctl.h"
#include "x86/cpu/insn.h"

#define FLAGS_ALWAYS (KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR | KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM)

/* INT3 and INTO are executed again rather than injected again. */
static bool exception_soft(uint8_t nr)
{
	return nr == VECTOR_BP || nr == VECTOR_OF;
}

void events_get(struct x86_vcpu *cpu, struct kvm_vcpu_events *events)
{
	const struct x86_vm *vm = x86_vm(cpu);

	memset(events, 0, sizeof *events);
	if (!exception_soft(cpu->exception.nr)) {
		events->exception.injected = cpu->exception.injected;
		events->exception.pending = cpu->exception.pending;
		/* A program that does not know of pending exceptions sees them as injected; it may not tell the difference. */
		if (!vm->exception_payload)
			events->exception.injected |= cpu->exception.pending;
	}
	events->exception.nr = cpu->exception.nr;
	events->exception.has_error_code = cpu->exception.has_error_code;
	events->exception.error_code = cpu->exception.error_code;
	events->exception_has_payload = vm->exception_payload && cpu->exception.has_payload;
	events->exception_payload = vm->exception_payload ? cpu->exception.payload : 0;
	events->interrupt.injected = cpu->interrupt.injected && !cpu->interrupt.soft;
	events->interrupt.nr = cpu->interrupt.nr;
	events->interrupt.shadow = cpu->interrupt_shadow;
	events->nmi.injected = cpu->nmi.injected;
	events->nmi.pending = cpu->nmi.pending;
	events->nmi.masked = cpu->nmi.masked;
	events->smi.smm = cpu->in_smm;
	events->smi.pending = cpu->smi_pending;
	events->smi.smm_inside_nmi = cpu->smm_inside_nmi;
	events->smi.latched_init = cpu->init_latched;
	events->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM;
	if (vm->exception_payload)
		events->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (vm->triple_fault_event) {
		events->triple_fault.pending = cpu->triple_fault_pending;
		events->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	}
}

static int events_check(const struct x86_vcpu *cpu, const struct kvm_vcpu_events *events, bool pending)
{
	const struct x86_vm *vm = x86_vm(cpu);
	uint32_t known = FLAGS_ALWAYS | KVM_VCPUEVENT_VALID_PAYLOAD | KVM_VCPUEVENT_VALID_TRIPLE_FAULT;

	if (events->flags & ~known)
		return why(-EINVAL, "flags: 0x%x has unknown bits", events->flags);
	if (events->flags & KVM_VCPUEVENT_VALID_PAYLOAD && !vm->exception_payload)
		return why(-EINVAL, "flags: VALID_PAYLOAD without KVM_CAP_EXCEPTION_PAYLOAD enabled");
	if (events->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT && !vm->triple_fault_event)
		return why(-EINVAL, "flags: VALID_TRIPLE_FAULT without KVM_CAP_X86_TRIPLE_FAULT_EVENT enabled");
	if ((events->exception.injected || pending) && (events->exception.nr > 31 || events->exception.nr == VECTOR_NMI))
		return why(-EINVAL, "exception.nr: %u is not an exception's vector", events->exception.nr);
	/* A vCPU that waits for SIPI cannot be in SMM or have an SMI pending. */
	if (events->flags & KVM_VCPUEVENT_VALID_SMM && (events->smi.smm || events->smi.pending) && cpu->mp_state == KVM_MP_STATE_INIT_RECEIVED)
		return why(-EINVAL, "smi: the vCPU waits for SIPI");
	return 0;
}

static void smi_set(struct x86_vcpu *cpu, const struct kvm_vcpu_events *events)
{
	cpu->in_smm = events->smi.smm != 0;
	cpu->smi_pending = events->smi.pending != 0;
	cpu->smm_inside_nmi = events->smi.smm && events->smi.smm_inside_nmi;
	if (cpu->lapic)
		cpu->init_latched = events->smi.latched_init != 0;
}

int events_set(struct x86_vcpu *cpu, const struct kvm_vcpu_events *events)
{
	bool payload = events->flags & KVM_VCPUEVENT_VALID_PAYLOAD, pending = payload && events->exception.pending;
	int error = events_check(cpu, events, pending);

	if (error)
		return error;
	/* An exception that is pending has not been injected. */
	cpu->exception.pending = pending;
	cpu->exception.injected = events->exception.injected && !pending;
	cpu->exception.nr = events->exception.nr;
	cpu->exception.has_error_code = events->exception.has_error_code != 0;
	cpu->exception.error_code = events->exception.error_code;
	cpu->exception.has_payload = pending && events->exception_has_payload;
	cpu->exception.payload = payload ? events->exception_payload : 0;
	cpu->interrupt.injected = events->interrupt.injected != 0;
	cpu->interrupt.nr = events->interrupt.nr;
	cpu->interrupt.soft = events->interrupt.soft != 0;
	/* AMD has one kind of shadow, and tells it as both. */
	if (events->flags & KVM_VCPUEVENT_VALID_SHADOW)
		cpu->interrupt_shadow = events->interrupt.shadow ? KVM_X86_SHADOW_INT_MOV_SS | KVM_X86_SHADOW_INT_STI : 0;
	cpu->nmi.injected = events->nmi.injected != 0;
	cpu->nmi.masked = events->nmi.masked != 0;
	if (events->flags & KVM_VCPUEVENT_VALID_NMI_PENDING) {
		uint8_t most = cpu->nmi.masked ? 1 : 2;

		cpu->nmi.pending = events->nmi.pending < most ? events->nmi.pending : most;
	}
	if (events->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR && cpu->lapic)
		cpu->sipi_vector = (uint8_t)events->sipi_vector;
	if (events->flags & KVM_VCPUEVENT_VALID_SMM)
		smi_set(cpu, events);
	if (events->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT)
		cpu->triple_fault_pending = events->triple_fault.pending != 0;
	return 0;
}

int nmi_inject(struct x86_vcpu *cpu)
{
	uint8_t most = cpu->nmi.masked || cpu->nmi.injected ? 1 : 2;

	if (cpu->nmi.pending < most)
		cpu->nmi.pending++;
	return 0;
}

int smi_inject(struct x86_vcpu *cpu)
{
	cpu->smi_pending = true;
	return 0;
}

int interrupt_inject(struct x86_vcpu *cpu, uint32_t irq)
{
	if (irq > 255)
		return why(-EINVAL, "irq: %u is no vector", irq);
	if (x86_vm(cpu)->irqchip == IRQCHIP_KERNEL)
		return why(-ENXIO, "the interrupt controller is in the kernel: interrupts come through it");
	/* With KVM_CAP_SPLIT_IRQCHIP the vector comes from the program's PIC, one at a time. */
	if (cpu->lapic) {
		if (cpu->external_pending)
			return why(-EEXIST, "irq: vector %u has not been taken yet", cpu->external_vector);
		cpu->external_pending = true;
		cpu->external_vector = (uint8_t)irq;
		return 0;
	}
	cpu->interrupt.injected = true;
	cpu->interrupt.soft = false;
	cpu->interrupt.nr = (uint8_t)irq;
	return 0;
}
