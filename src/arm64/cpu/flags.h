/*
 * N, Z, C and V while the guest runs (see struct arm64_vcpu): what sets them, and conditions (C1.2.4).
 */
#ifndef ANYKVM_ARM64_CPU_FLAGS_H
#define ANYKVM_ARM64_CPU_FLAGS_H

#include "arm64/cpu/decode.h"

/* left + right + carry in `size` bytes (4 or 8): the result; and all flags. */
TEMPLATE uint64_t flags_add(struct arm64_vcpu *cpu, unsigned int size, uint64_t left, uint64_t right, unsigned int carry)
{
	if (size == 8) {
		uint64_t result = left + right + carry;

		cpu->flag_n = cpu->flag_z = result;
		cpu->flag_c = carry ? result <= left : result < left;
		cpu->flag_v = (left ^ result) & (right ^ result);
		return result;
	} else {
		uint64_t wide = (uint64_t)(uint32_t)left + (uint32_t)right + carry;
		uint32_t result = (uint32_t)wide;

		cpu->flag_z = result;
		cpu->flag_n = wide << 32;
		cpu->flag_c = wide >> 32;
		cpu->flag_v = ((left ^ wide) & (right ^ wide)) << 32;
		return result;
	}
}

/* left - right. */
TEMPLATE uint64_t flags_sub(struct arm64_vcpu *cpu, unsigned int size, uint64_t left, uint64_t right)
{
	if (size == 8) {
		uint64_t result = left - right;

		cpu->flag_n = cpu->flag_z = result;
		cpu->flag_c = left >= right;
		cpu->flag_v = (left ^ right) & (left ^ result);
		return result;
	} else {
		uint32_t result = (uint32_t)left - (uint32_t)right;

		cpu->flag_z = result;
		cpu->flag_n = (uint64_t)result << 32;
		cpu->flag_c = (uint32_t)left >= (uint32_t)right;
		cpu->flag_v = ((left ^ right) & (left ^ result)) << 32;
		return result;
	}
}

/* Logical: C and V are cleared. */
TEMPLATE void flags_logical(struct arm64_vcpu *cpu, unsigned int size, uint64_t result)
{
	cpu->flag_z = size == 8 ? result : (uint32_t)result;
	cpu->flag_n = size == 8 ? result : result << 32;
	cpu->flag_c = cpu->flag_v = 0;
}

/* NZCV in bits 3:0. */
static inline unsigned int flags_get(const struct arm64_vcpu *cpu)
{
	return (unsigned int)(cpu->flag_n >> 63) << 3 | (unsigned int)(cpu->flag_z == 0) << 2 | (unsigned int)cpu->flag_c << 1 |
	       (unsigned int)(cpu->flag_v >> 63);
}

static inline void flags_set(struct arm64_vcpu *cpu, unsigned int nzcv)
{
	cpu->flag_n = (uint64_t)nzcv << 60;
	cpu->flag_z = !(nzcv & 4);
	cpu->flag_c = nzcv >> 1 & 1;
	cpu->flag_v = (uint64_t)nzcv << 63;
}

TEMPLATE bool flags_condition(const struct arm64_vcpu *cpu, unsigned int condition)
{
	bool holds;

	switch (condition >> 1) {
	case 0: holds = cpu->flag_z == 0; break;
	case 1: holds = cpu->flag_c != 0; break;
	case 2: holds = cpu->flag_n >> 63; break;
	case 3: holds = cpu->flag_v >> 63; break;
	case 4: holds = cpu->flag_c && cpu->flag_z; break;
	case 5: holds = !((cpu->flag_n ^ cpu->flag_v) >> 63); break;
	case 6: holds = !((cpu->flag_n ^ cpu->flag_v) >> 63) && cpu->flag_z; break;
	default: return true;
	}
	return holds != (condition & 1);
}

#define FOR_CONDITIONS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

#endif
