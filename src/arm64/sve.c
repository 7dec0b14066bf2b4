/*
 * SVE's registers by id: Z, P and FFR in one slice of 2048 bits each, and the vector lengths, which are chosen before KVM_ARM_VCPU_FINALIZE
 * (api.rst 4.68, 4.119). Must never know an instruction.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arm64/ioctl.h"
#include "core/why.h"

#define VLS_DEFAULT 0xf /* up to 512 bits */
#define VLS_ALL 0xffff
#define SLICES_MASK (KVM_ARM64_SVE_MAX_SLICES - 1)

/* ---- Vector lengths. ---- */

static unsigned int longest(uint64_t vls)
{
	return 64 - (unsigned int)__builtin_clzll(vls);
}

/* "128,256,512": lengths in bits; or the mask, 0x..., one bit a multiple of 128. 0: neither. 128 is always there (B1.4.2). */
static uint64_t vls_parse(const char *text)
{
	char *end;
	uint64_t vls = 0;

	if (!strncmp(text, "0x", 2)) {
		vls = strtoull(text, &end, 16);
		return *end || vls & ~(uint64_t)VLS_ALL || !(vls & 1) ? 0 : vls;
	}
	for (;; text = end + 1) {
		unsigned long bits = strtoul(text, &end, 10);

		if (bits == 0 || bits % 128 || bits > 128 * ARM64_VQ_MAX || (*end && *end != ','))
			return 0;
		vls |= UINT64_C(1) << (bits / 128 - 1);
		if (!*end)
			return vls & 1 ? vls : 0;
	}
}

uint64_t arm64_host_vls(void)
{
	const char *text = getenv("ANYKVM_SVE_VLS");
	uint64_t vls = text ? vls_parse(text) : 0;

	return vls ? vls : VLS_DEFAULT;
}

static void lengths_set(struct arm64_vcpu *cpu, uint64_t vls)
{
	memset(cpu->vls, 0, sizeof cpu->vls);
	cpu->vls[0] = vls;
	cpu->vl_max = (uint16_t)(16 * longest(vls));
}

void arm64_sve_reset(struct arm64_vcpu *cpu)
{
	memset(cpu->z, 0, sizeof cpu->z);
	memset(cpu->p, 0, sizeof cpu->p);
	if (!arm64_has(cpu, KVM_ARM_VCPU_SVE))
		cpu->vl_max = 16;
	else if (!cpu->finalized)
		lengths_set(cpu, arm64_vm(cpu)->host_vls);
}


static int lengths_check(const struct arm64_vcpu *cpu, const void *value)
{
	uint64_t vls[KVM_ARM64_SVE_VLS_WORDS], host = arm64_vm(cpu)->host_vls;

	memcpy(vls, value, sizeof vls);
	for (unsigned int i = 1; i < KVM_ARM64_SVE_VLS_WORDS; i++)
		if (vls[i])
			return why(-EINVAL, "word %u is 0x%llx: no such vectors here, the longest have %u bits", i, (unsigned long long)vls[i], 128 * longest(host));
	if (!vls[0])
		return why(-EINVAL, "no vector length at all");
	if (longest(vls[0]) > longest(host))
		return why(-EINVAL, "%u bits: the longest vectors here have %u", 128 * longest(vls[0]), 128 * longest(host));
	if (vls[0] != (host & (UINT64_MAX >> (64 - longest(vls[0])))))
		return why(-EINVAL, "0x%llx: up to the longest the lengths must be just those of the host, 0x%llx", (unsigned long long)vls[0], (unsigned long long)host);
	return 0;
}

/* ---- Ids. ---- */

static int vls_find(struct arm64_vcpu *cpu, bool set, struct arm64_reg *reg)
{
	if (!arm64_has(cpu, KVM_ARM_VCPU_SVE))
		return why(-ENOENT, "the vCPU has no SVE");
	if (set && cpu->finalized)
		return why(-EPERM, "the vector lengths are final since KVM_ARM_VCPU_FINALIZE");
	*reg = (struct arm64_reg){ .class = reg->class, .size = sizeof cpu->vls, .significant = sizeof cpu->vls, .place = cpu->vls };
	return 0;
}

/* Number of the register, 0 ... 31 for Z, 32 ... 48 for P and FFR; -1: in none of the ranges, of which the size is a part. */
static int number_of(uint64_t id)
{
	if (id >= KVM_REG_ARM64_SVE_ZREG(0, 0) && id <= KVM_REG_ARM64_SVE_ZREG(31, 31))
		return (int)(id - KVM_REG_ARM64_SVE_ZREG(0, 0)) >> 5;
	if (id >= KVM_REG_ARM64_SVE_PREG(0, 0) && id <= KVM_REG_ARM64_SVE_FFR(31))
		return 32 + ((int)(id - KVM_REG_ARM64_SVE_PREG(0, 0)) >> 5);
	return -1;
}

static int sve_find(struct arm64_vcpu *cpu, uint64_t id, bool set, struct arm64_reg *reg)
{
	int number = number_of(id);

	if (id == KVM_REG_ARM64_SVE_VLS)
		return vls_find(cpu, set, reg);
	if (number < 0)
		return why(-EINVAL, "none of Z (2048 bits), P and FFR (256 bits)");
	if (!arm64_has(cpu, KVM_ARM_VCPU_SVE))
		return why(-ENOENT, "the vCPU has no SVE");
	if (id & SLICES_MASK)
		return why(-ENOENT, "slice %u: all bits are in slice 0", (unsigned int)id & SLICES_MASK);
	if (!cpu->finalized)
		return why(-EPERM, "not before KVM_ARM_VCPU_FINALIZE (SVE)");
	reg->number = (uint32_t)number + 1; /* 0 is the lengths */
	reg->plain = true;
	if (number < 32) {
		reg->place = &cpu->z[number];
		reg->size = sizeof cpu->z[0];
		reg->significant = cpu->vl_max;
	} else {
		reg->place = &cpu->p[number - 32];
		reg->size = sizeof cpu->p[0];
		reg->significant = cpu->vl_max / 8;
	}
	return 0;
}

static int sve_check(struct arm64_vcpu *cpu, const struct arm64_reg *reg, const void *value)
{
	return reg->number ? 0 : lengths_check(cpu, value);
}

/* What lies above the longest vector is zero always. */
static void sve_set(struct arm64_vcpu *cpu, const struct arm64_reg *reg, const void *value)
{
	if (!reg->number)
		lengths_set(cpu, value64(value));
	else
		memcpy(reg->place, value, reg->significant);
}

static uint32_t sve_list(const struct arm64_vcpu *cpu, uint64_t *ids)
{
	uint32_t count = 0;

	if (!arm64_has(cpu, KVM_ARM_VCPU_SVE))
		return 0;
	ids[count++] = KVM_REG_ARM64_SVE_VLS;
	for (unsigned int i = 0; i < KVM_ARM64_SVE_NUM_ZREGS; i++)
		ids[count++] = KVM_REG_ARM64_SVE_ZREG(i, 0);
	for (unsigned int i = 0; i < KVM_ARM64_SVE_NUM_PREGS; i++)
		ids[count++] = KVM_REG_ARM64_SVE_PREG(i, 0);
	ids[count++] = KVM_REG_ARM64_SVE_FFR(0);
	return count;
}

const struct arm64_class arm64_sve = { sve_find, NULL, sve_check, sve_set, sve_list };
