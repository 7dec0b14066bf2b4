/*
 * A VM with one vCPU for the interpreter alone: no ioctls, no descriptors.
 */
#ifndef ANYKVM_TESTS_ARM64_MACHINE_H
#define ANYKVM_TESTS_ARM64_MACHINE_H

#include "arm64/cpu/exec.h"

/* Memory of `size` bytes from guest-physical `base`; where it is. */
void *machine_memory(struct arm64_vm *vm, uint32_t slot, uint64_t base, uint64_t size);
struct arm64_vm *machine_create(uint32_t features);
struct arm64_vcpu *machine_vcpu(struct arm64_vm *vm);

#endif
