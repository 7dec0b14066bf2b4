/*
 * What HVC and SMC ask of KVM: SMC Calling Convention (DEN0028) and PSCI (DEN0022). Between run.c, smccc.c and psci.c.
 */
#ifndef ANYKVM_ARM64_FIRMWARE_H
#define ANYKVM_ARM64_FIRMWARE_H

#include "arm64/vcpu.h"

#define SMCCC_NOT_SUPPORTED UINT64_MAX

/* How a call ends. */
enum firmware_result {
	FIRMWARE_DONE, /* the guest goes on */
	FIRMWARE_EXIT, /* kvm_run describes an exit */
};

/* The call that `cpu->exception.syndrome` (HVC or SMC) is about; PC stands behind it already. */
enum firmware_result smccc_call(struct arm64_vcpu *cpu);
enum firmware_result psci_call(struct arm64_vcpu *cpu);

/* X0 ... X3 of the answer. */
static inline void firmware_return(struct arm64_vcpu *cpu, uint64_t x0, uint64_t x1, uint64_t x2, uint64_t x3)
{
	cpu->x[0] = x0;
	cpu->x[1] = x1;
	cpu->x[2] = x2;
	cpu->x[3] = x3;
}

/* Sleeps in WFI, and in PSCI's CPU_SUSPEND: until an interrupt or a timer is pending, or something is asked of the vCPU (run.c). */
void arm64_wait(struct arm64_vcpu *cpu);

#endif
