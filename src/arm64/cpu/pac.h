/*
 * Pointer authentication (D8.9): codes in the bits of a pointer that translation does not use.
 */
#ifndef ANYKVM_ARM64_CPU_PAC_H
#define ANYKVM_ARM64_CPU_PAC_H

#include "arm64/vcpu.h"

enum pac_key { PAC_IA, PAC_IB, PAC_DA, PAC_DB };

/*
 * PACIA and the like adds a code, AUTIA and the like takes it away; it is the same (PAuth2): what a wrong code leaves is not canonical. Without effect
 * while SCTLR_EL1 switches the key off.
 */
uint64_t pac_toggle(const struct arm64_vcpu *cpu, uint64_t pointer, uint64_t modifier, enum pac_key key);
/* XPACI, XPACD. */
uint64_t pac_strip(const struct arm64_vcpu *cpu, uint64_t pointer, bool data);

#endif
