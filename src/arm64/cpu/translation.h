/*
 * What TCR_EL1 says of an address, apart from where it leads: for the page walk, pointer authentication and exceptions. D17.2.139.
 */
#ifndef ANYKVM_ARM64_CPU_TRANSLATION_H
#define ANYKVM_ARM64_CPU_TRANSLATION_H

#include "arm64/vcpu.h"

#define TCR_EPD0 (UINT64_C(1) << 7)
#define TCR_EPD1 (UINT64_C(1) << 23)
#define TCR_A1 (UINT64_C(1) << 22)
#define TCR_AS (UINT64_C(1) << 36)
#define TCR_TBI0 (UINT64_C(1) << 37)
#define TCR_TBI1 (UINT64_C(1) << 38)
#define TCR_HA (UINT64_C(1) << 39)
#define TCR_HD (UINT64_C(1) << 40)
#define TCR_HPD0 (UINT64_C(1) << 41)
#define TCR_HPD1 (UINT64_C(1) << 42)
#define TCR_TBID0 (UINT64_C(1) << 51)
#define TCR_TBID1 (UINT64_C(1) << 52)
#define TCR_E0PD0 (UINT64_C(1) << 55)
#define TCR_E0PD1 (UINT64_C(1) << 56)

/* Bits of a virtual address in the lower (0) or upper (1) half: 64 - TxSZ, within what there can be. */
static inline unsigned int a64_address_bits(const struct arm64_vcpu *cpu, unsigned int upper)
{
	unsigned int size = 64 - (cpu->sys[SYS_TCR_EL1] >> (upper ? 16 : 0) & 0x3f);

	return size > 48 ? 48 : size < 16 ? 16 : size;
}

/* Whether the top byte is a tag that translation ignores. */
static inline bool a64_tagged(const struct arm64_vcpu *cpu, unsigned int upper, bool fetch)
{
	uint64_t tcr = cpu->sys[SYS_TCR_EL1];

	return tcr & (upper ? TCR_TBI1 : TCR_TBI0) && !(fetch && tcr & (upper ? TCR_TBID1 : TCR_TBID0));
}

/* The address without its tag. */
static inline uint64_t a64_untagged(const struct arm64_vcpu *cpu, uint64_t address, bool fetch)
{
	unsigned int upper = address >> 55 & 1;

	return a64_tagged(cpu, upper, fetch) ? (uint64_t)((int64_t)(address << 8) >> 8) : address;
}

#endif
