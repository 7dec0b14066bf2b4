/*
 * CPUID in states: its words by name, and which of its features a KVM lacks.
 */
#ifndef ANYKVM_STATE_X86_CPUID_H
#define ANYKVM_STATE_X86_CPUID_H

#include <stdio.h>

#include "anykvm/kvm.h"
#include "state/state.h"

#define X86_CPUID_MOST 8192
#define X86_CPUID_SIZE(count) (sizeof(struct kvm_cpuid2) + (count) * sizeof(struct kvm_cpuid_entry2))

/* KVM_GET_SUPPORTED_CPUID's answer, to be freed; NULL with errno. */
struct kvm_cpuid2 *x86_cpuid_supported(int system);

/* Adds features that a vCPU has beside them. */
void x86_cpuid_unite(struct kvm_cpuid2 *supported, const struct kvm_cpuid_entry2 *entries, size_t count);

/* Words that are not zero. */
void x86_cpuid_words(const struct kvm_cpuid_entry2 *entries, size_t count, void (*tell)(void *context, const char *name, uint32_t value), void *context);

/* What a policy changes in them. */
void x86_cpuid_policy(struct kvm_cpuid_entry2 *entries, size_t count, const struct anykvm_policy *policy);

/* The feature that a bit of a word tells; NULL: it tells none that has a name here. */
const char *x86_cpuid_feature(uint32_t leaf, uint32_t subleaf, unsigned int word, unsigned int bit);

/* Features that the guest has been told of and that are not supported. */
void x86_cpuid_check(const struct kvm_cpuid_entry2 *entries, size_t count, const struct kvm_cpuid2 *supported, int vcpu, const struct anykvm_policy *policy,
		     struct anykvm_report *report);

/* The lines of a profile. */
void x86_cpuid_print(FILE *to, const struct anykvm_profile *profile);
bool x86_cpuid_line(struct anykvm_profile *profile, const char *line);

#endif
