/*
 * CCSIDR_EL1, one for each cache that CSSELR_EL1 can select (api.rst 4.68: demultiplexed registers). Linux 6.12 makes the values up; so do we.
 */
#include <errno.h>

#include "arm64/ioctl.h"
#include "core/why.h"

#define CCSIDRS 14 /* seven levels, each with data and instructions */
#define LINE_SIZE 7u
/* CCSIDR's LineSize of CTR_EL0's smallest lines. */
#define LINE_SIZE_LEAST ((ARM64_CTR & 15) - 2)

#define ID(number) (KVM_REG_ARM64 | KVM_REG_SIZE_U32 | KVM_REG_ARM_DEMUX | KVM_REG_ARM_DEMUX_ID_CCSIDR | (number))

static int demux_find(struct arm64_vcpu *cpu, uint64_t id, bool set, struct arm64_reg *reg)
{
	uint64_t number = id - ID(0);

	(void)set;
	if (number >= CCSIDRS)
		return why(-ENOENT, "none of the %d CCSIDRs, of 32 bits", CCSIDRS);
	reg->number = (uint32_t)number;
	reg->size = reg->significant = 4;
	reg->place = &cpu->ccsidr[number];
	return 0;
}

static int demux_check(struct arm64_vcpu *cpu, const struct arm64_reg *reg, const void *value)
{
	uint32_t wanted;

	(void)cpu, (void)reg;
	__builtin_memcpy(&wanted, value, sizeof wanted);
	if ((wanted & LINE_SIZE) < LINE_SIZE_LEAST)
		return why(-EINVAL, "LineSize %u: CTR_EL0 has no lines so short", wanted & LINE_SIZE);
	return 0;
}

static void demux_set(struct arm64_vcpu *cpu, const struct arm64_reg *reg, const void *value)
{
	__builtin_memcpy(&cpu->ccsidr[reg->number], value, sizeof cpu->ccsidr[0]);
}

static uint32_t demux_list(const struct arm64_vcpu *cpu, uint64_t *ids)
{
	(void)cpu;
	for (uint32_t i = 0; i < CCSIDRS; i++)
		ids[i] = ID(i);
	return CCSIDRS;
}

const struct arm64_class arm64_demux = { demux_find, NULL, demux_check, demux_set, demux_list };
