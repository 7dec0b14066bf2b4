/*
 * What KVM offers a guest that knows it is one (Documentation/virt/kvm/x86/msr.rst, cpuid.rst, hypercalls.rst): a clock, stolen time,
 * interrupts ended without a trap, halts ended by others, IPIs to many.
 */
#ifndef ANYKVM_X86_PV_H
#define ANYKVM_X86_PV_H

#include "x86/clock.h"

/* Whether the guest may use a feature (KVM_FEATURE_*): only KVM_CAP_ENFORCE_PV_FEATURE_CPUID asks its CPUID. */
bool pv_allowed(const struct x86_vcpu *cpu, unsigned int feature);

/* The MSRs, once their values have been found good: false: the value is not. */
void pv_wall_clock_write(struct x86_vcpu *cpu, uint64_t gpa);
void pv_system_time_written(struct x86_vcpu *cpu);
bool pv_eoi_write(struct x86_vcpu *cpu, uint64_t value);

/* KVM_KVMCLOCK_CTRL: the guest is to learn that it was stopped. */
int kvmclock_ctrl(struct x86_vcpu *cpu);

/* In the guest, before it goes on: what is due in its memory is written. */
void pv_enter(struct x86_vcpu *cpu);
/* One page of the clock, anywhere in the guest's memory. */
void pv_clock_page_write(struct x86_vcpu *cpu, uint64_t host, const struct pvclock_page *page);

/* An interrupt's end without a trap: _offer when the guest is about to run, _look before anything about interrupts is decided. */
void pv_eoi_offer(struct x86_vcpu *cpu);
void pv_eoi_look(struct x86_vcpu *cpu);

/* KVM_HC_KICK_CPU, KVM_HC_SEND_IPI: the hypercall's result. */
int64_t pv_kick(struct x86_vcpu *cpu, uint32_t apic_id);
int64_t pv_send_ipi(struct x86_vcpu *cpu, uint64_t low, uint64_t high, uint32_t first, uint64_t icr, unsigned int width);

#endif
