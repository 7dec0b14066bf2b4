/*
 * The software KVM of arm64 guests: system and VM descriptors. Between the arm64 files of this folder.
 */
#ifndef ANYKVM_SOFT_ARM64_H
#define ANYKVM_SOFT_ARM64_H

#include "arm64/ioctl.h"
#include "soft/open.h"

/* What guest-physical addresses can have: KVM_CAP_ARM_VM_IPA_SIZE. */
#define IPA_BITS_MOST 48
#define IPA_BITS_LEAST 32
#define IPA_BITS_DEFAULT 40
/* KVM_CAP_MAX_VCPUS, as of Linux. */
#define ARM64_VCPUS_MOST 512

/* KVM_CREATE_VM: a new VM descriptor, or -errno. */
long arm64_vm_create(unsigned long type);

/* KVM_CHECK_EXTENSION, of a VM as of the system. */
long arm64_check_extension(void *self, unsigned long number);

/* KVM_ARM_VM_SMCCC_FILTER: one more range of functions. */
int arm64_filter_add(struct arm64_vm *vm, const struct kvm_smccc_filter *range);

#endif
