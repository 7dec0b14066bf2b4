/*
 * KVM_GET_MP_STATE and KVM_SET_MP_STATE (api.rst, 4.38, 4.39); INIT and SIPI between vCPUs (SDM Vol. 3A, 8.4.4).
 */
#include <errno.h>

#include "core/why.h"
#include "x86/cpu/exec.h"
#include "x86/ioctl.h"

/* Bits of apic_events; the SIPI's vector in the highest byte. */
#define EVENT_INIT 1u
#define EVENT_SIPI 2u
#define EVENT_NMI 4u
#define EVENT_UNHALT 8u

static void start_up(struct x86_vcpu *cpu, uint8_t vector)
{
	struct kvm_segment *cs = &cpu->seg[CS];

	cs->selector = (uint16_t)(vector << 8);
	cs->base = (uint64_t)vector << 12;
	cpu->rip = 0;
	cpu->sipi_vector = vector;
	cpu->mp_state = KVM_MP_STATE_RUNNABLE;
	cpu_state_changed(cpu, false);
}

void mp_state_apply_events(struct x86_vcpu *cpu)
{
	uint32_t events = atomic_load_explicit(&cpu->apic_events, memory_order_relaxed);

	if (!events)
		return;
	events = atomic_exchange(&cpu->apic_events, 0);
	if (events & EVENT_NMI)
		nmi_inject(cpu);
	if (events & EVENT_UNHALT)
		cpu->pv_unhalted = true;
	if (events & EVENT_INIT) {
		x86_vcpu_reset(cpu, true);
		lapic_reset(cpu);
		/* The bootstrap processor starts by itself. */
		cpu->mp_state = cpu->apic_base & 0x100 ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_INIT_RECEIVED;
	}
	if (events & EVENT_SIPI && cpu->mp_state == KVM_MP_STATE_INIT_RECEIVED)
		start_up(cpu, (uint8_t)(events >> 24));
}

int mp_state_get(struct x86_vcpu *cpu, struct kvm_mp_state *state)
{
	mp_state_apply_events(cpu);
	/* A halt that the program asked not to hear of (KVM_CAP_X86_DISABLE_EXITS) is no state of KVM's. */
	state->mp_state = cpu->lapic ? cpu->mp_state : KVM_MP_STATE_RUNNABLE;
	return 0;
}

int mp_state_set(struct x86_vcpu *cpu, const struct kvm_mp_state *state)
{
	switch (state->mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_HALTED:
	case KVM_MP_STATE_SIPI_RECEIVED:
	case KVM_MP_STATE_AP_RESET_HOLD:
		if (!cpu->lapic)
			return why(-EINVAL, "mp_state: %u needs a local APIC in the kernel", state->mp_state);
		break;
	default:
		return why(-EINVAL, "mp_state: %u is none of x86's", state->mp_state);
	}
	if ((state->mp_state == KVM_MP_STATE_INIT_RECEIVED || state->mp_state == KVM_MP_STATE_SIPI_RECEIVED) && (cpu->in_smm || cpu->smi_pending))
		return why(-EINVAL, "mp_state: %u while in SMM or with an SMI pending", state->mp_state);
	if (state->mp_state == KVM_MP_STATE_SIPI_RECEIVED) {
		cpu->mp_state = KVM_MP_STATE_INIT_RECEIVED;
		atomic_store(&cpu->apic_events, EVENT_SIPI | (uint32_t)cpu->sipi_vector << 24);
	} else {
		cpu->mp_state = state->mp_state;
	}
	return 0;
}
