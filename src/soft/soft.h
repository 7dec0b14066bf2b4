/*
 * The software KVM of x86 guests: system and VM descriptors. vCPUs are the architecture's. Between the files of this folder.
 */
#ifndef ANYKVM_SOFT_SOFT_H
#define ANYKVM_SOFT_SOFT_H

#include <stdbool.h>
#include <stdint.h>

#include "soft/open.h"
#include "x86/vcpu.h"

/* KVM_CREATE_VM: a new VM descriptor, or -errno. */
long soft_vm_create(unsigned long type);

/* KVM_CHECK_EXTENSION, of a VM as of the system. */
long x86_check_extension(void *self, unsigned long number);
/* KVM_CAP_EXIT_HYPERCALL. */
#define EXIT_HYPERCALLS (UINT64_C(1) << 12) /* KVM_HC_MAP_GPA_RANGE */

/* KVM_ENABLE_CAP on a VM. */
int vm_enable_cap(struct x86_vm *vm, const struct kvm_enable_cap *cap);

/* KVM_X86_SET_MSR_FILTER. */
int msr_filter_set(struct x86_vm *vm, const struct kvm_msr_filter *user);
void msr_filter_free(struct msr_filter *filter);

/* A leaf of KVM_GET_SUPPORTED_CPUID: all zero when there is none. */
struct kvm_cpuid_entry2 supported_leaf(uint32_t function, uint32_t index);

#endif
