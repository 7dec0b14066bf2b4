/*
 * As much of Hyper-V's interface (Hypervisor Top-Level Functional Specification) as a guest needs to make hypercalls and to learn that none
 * of them does anything: identity, hypercall page, processor index.
 */
#ifndef ANYKVM_X86_HYPERV_H
#define ANYKVM_X86_HYPERV_H

#include "x86/ioctl.h"

/* KVM_GET_SUPPORTED_HV_CPUID; `*count` is the room, then the number: -E2BIG without enough. */
int hyperv_cpuid(struct kvm_cpuid_entry2 *entries, uint32_t *count);
/* The ioctl, of the system and of a vCPU; `arg` is its argument. */
long hyperv_get_supported_cpuid(unsigned long arg);

/* Whether the guest's CPUID says that it runs on Hyper-V; whether it also has said who it is, and so may make hypercalls. */
bool hyperv_enabled(const struct x86_vcpu *cpu);
bool hyperv_hypercalls_enabled(const struct x86_vcpu *cpu);

/* The MSRs of the whole VM. False: the hypercall page cannot be written. */
void hyperv_guest_id_set(struct x86_vcpu *cpu, uint64_t value);
bool hyperv_hypercall_page_set(struct x86_vcpu *cpu, uint64_t value);

/* The hypercall at RIP: its result, or false for #UD. */
bool hyperv_hypercall(struct x86_vcpu *cpu, uint64_t *result);

#endif
