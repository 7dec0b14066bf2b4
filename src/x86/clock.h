/*
 * The VM's clock, kvmclock: nanoseconds that a guest computes itself from its TSC and a page that KVM writes (struct pvclock_vcpu_time_info;
 * Documentation/virt/kvm/x86/msr.rst). One formula serves the guest and KVM_GET_CLOCK, so that they agree to the nanosecond.
 */
#ifndef ANYKVM_X86_CLOCK_H
#define ANYKVM_X86_CLOCK_H

#include "x86/ioctl.h"

/* As guests see it. */
struct pvclock_page {
	uint32_t version;
	uint32_t pad0;
	uint64_t tsc_timestamp, system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags;
	uint8_t pad[2];
} __attribute__((packed));

#define PVCLOCK_STABLE 1u
#define PVCLOCK_STOPPED 2u

void clock_init(struct x86_vm *vm);
/* Takes now as what guests count from: with a new vCPU, so that no guest counts from nothing. */
void clock_rebase(struct x86_vm *vm);

/* Now; the host's TSC and wall clock at the same moment go to where they are wanted. */
uint64_t clock_now(struct x86_vm *vm, uint64_t *host_tsc, uint64_t *realtime);
/* The wall clock when the VM's clock was 0. */
uint64_t clock_epoch(struct x86_vm *vm);

void clock_get(struct x86_vm *vm, struct kvm_clock_data *data);
int clock_set(struct x86_vm *vm, const struct kvm_clock_data *data);

/* From now on every vCPU's pages are to be written anew. */
void clock_changed(struct x86_vm *vm);

/* The vCPU's page, but for its version and the flag that says that the guest was stopped. */
struct pvclock_page clock_page(struct x86_vcpu *cpu);

#endif
