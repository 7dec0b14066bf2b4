/*
 * Firmware as registers: PSCI's version, the state of workarounds, and bitmaps of services (kernel document virt/kvm/arm/fw-pseudo-registers.rst).
 * The version and the bitmaps are the VM's. What the guest's calls do is psci.c's and smccc.c's business.
 */
#include <errno.h>

#include "arm64/ioctl.h"
#include "core/why.h"

/* Versions: 0.1 is what there is without KVM_ARM_VCPU_PSCI_0_2. */
#define PSCI_0_1 1
#define PSCI_0_2 2
#define PSCI_1_0 0x10000
#define PSCI_1_1 0x10001

enum { FW_PSCI, FW_WORKAROUND_1, FW_WORKAROUND_2, FW_WORKAROUND_3, FW_REGS, FW_BITMAP = FW_REGS, FW_END = FW_BITMAP + 3 };

/* Nothing here speculates; the second workaround is not available where PSTATE.SSBS is. */
static const uint8_t levels[FW_REGS] = {
	[FW_WORKAROUND_1] = KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1_NOT_REQUIRED,
	[FW_WORKAROUND_2] = KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_NOT_AVAIL,
	[FW_WORKAROUND_3] = KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3_NOT_AVAIL,
};

/* Services that KVM has. */
static const uint64_t services[FW_END - FW_BITMAP] = { 1, 1, 3 };

static uint64_t id_of(uint32_t number)
{
	return number < FW_REGS ? KVM_REG_ARM_FW_REG(number) : KVM_REG_ARM_FW_FEAT_BMAP_REG(number - FW_BITMAP);
}

static int firmware_find(struct arm64_vcpu *cpu, uint64_t id, bool set, struct arm64_reg *reg)
{
	(void)cpu;
	reg->size = reg->significant = 8;
	for (uint32_t i = 0; i < FW_END; i++) {
		if (id_of(i) == id) {
			reg->number = i;
			return 0;
		}
	}
	if (set && (id & KVM_REG_SIZE_MASK) == KVM_REG_SIZE_U64) {
		reg->late = why(-ENOENT, "no such firmware register");
		return 0;
	}
	return why(-ENOENT, "no such firmware register: they have 64 bits");
}

static uint64_t psci_get(const struct arm64_vcpu *cpu)
{
	uint64_t set = arm64_vm(cpu)->psci_version;

	if (!arm64_has(cpu, KVM_ARM_VCPU_PSCI_0_2))
		return PSCI_0_1;
	return set ? set : PSCI_1_1;
}

static uint64_t firmware_get(struct arm64_vcpu *cpu, const struct arm64_reg *reg)
{
	if (reg->number >= FW_BITMAP)
		return arm64_vm(cpu)->bitmap[reg->number - FW_BITMAP];
	return reg->number == FW_PSCI ? psci_get(cpu) : levels[reg->number];
}

static int psci_check(const struct arm64_vcpu *cpu, uint64_t version)
{
	if (!arm64_has(cpu, KVM_ARM_VCPU_PSCI_0_2))
		return version == PSCI_0_1 ? 0 : why(-EINVAL, "the vCPU was initialised without PSCI_0_2: its version is 0.1");
	if (version == PSCI_0_2 || version == PSCI_1_0 || version == PSCI_1_1)
		return 0;
	return why(-EINVAL, "PSCI 0x%llx: 0.2, 1.0 and 1.1 are there", (unsigned long long)version);
}

/* A workaround that another host had must not be less needed, or better, here. Its bit 4 says that it was on. */
static int workaround_2_check(uint64_t value)
{
	static const int8_t mapped[] = { 0, 0, 3, 3 };
	uint64_t level = value & 0xf;

	if (value & ~(uint64_t)(0xf | KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_ENABLED))
		return why(-EINVAL, "0x%llx: bits above ENABLED", (unsigned long long)value);
	if (value & KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_ENABLED && level != KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_AVAIL)
		return why(-EINVAL, "ENABLED goes with AVAIL alone");
	if (level >= sizeof mapped || mapped[level] > levels[FW_WORKAROUND_2])
		return why(-EINVAL, "level %llu: the workaround is not available here", (unsigned long long)level);
	return 0;
}

static int bitmap_check(const struct arm64_vcpu *cpu, uint32_t number, uint64_t value)
{
	const struct arm64_vm *vm = arm64_vm(cpu);

	if (value & ~services[number])
		return why(-EINVAL, "0x%llx: the services are 0x%llx", (unsigned long long)value, (unsigned long long)services[number]);
	if (vm->ran && value != vm->bitmap[number])
		return why(-EBUSY, "services cannot change once a vCPU has run");
	return 0;
}

static int firmware_check(struct arm64_vcpu *cpu, const struct arm64_reg *reg, const void *value)
{
	uint64_t wanted = value64(value);

	if (reg->number >= FW_BITMAP)
		return bitmap_check(cpu, reg->number - FW_BITMAP, wanted);
	if (reg->number == FW_PSCI)
		return psci_check(cpu, wanted);
	if (reg->number == FW_WORKAROUND_2)
		return workaround_2_check(wanted);
	if (wanted > levels[reg->number])
		return why(-EINVAL, "level %llu is above this host's, %u", (unsigned long long)wanted, levels[reg->number]);
	return 0;
}

/* Workarounds stay the host's. */
static void firmware_set(struct arm64_vcpu *cpu, const struct arm64_reg *reg, const void *value)
{
	if (reg->number >= FW_BITMAP)
		arm64_vm(cpu)->bitmap[reg->number - FW_BITMAP] = value64(value);
	else if (reg->number == FW_PSCI)
		arm64_vm(cpu)->psci_version = arm64_has(cpu, KVM_ARM_VCPU_PSCI_0_2) ? value64(value) : 0;
}

static uint32_t firmware_list(const struct arm64_vcpu *cpu, uint64_t *ids)
{
	(void)cpu;
	for (uint32_t i = 0; i < FW_END; i++)
		ids[i] = id_of(i);
	return FW_END;
}

const struct arm64_class arm64_firmware = { firmware_find, firmware_get, firmware_check, firmware_set, firmware_list };
