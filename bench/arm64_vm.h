/*
 * VMs of arm64 guests: bench.h's, with a vCPU that is initialised. To be included before all that includes <linux/kvm.h>.
 */
#ifndef ARM64_VM_H
#define ARM64_VM_H

#include <anykvm/arm64.h>

#include "bench.h"

/* /dev/kvm, a VM with memory_size bytes at memory_at, and vCPU 0 with those features (1 << KVM_ARM_VCPU_...), finalized. */
void arm64_vm_create(struct bench_vm *vm, uint64_t memory_at, size_t memory_size, uint32_t features);

/* Its first instruction, at EL1 with nothing switched on. */
void arm64_vm_enter(struct bench_vm *vm, uint64_t entry);

#endif
