/*
 * KVM_CHECK_EXTENSION for arm64 guests: one row a capability, with Linux 6.12's value where the software KVM does what it promises. What is not
 * in the table answers 0: AArch32, memory tagging, nesting, interrupt controllers, irqfd, ioeventfd.
 */
#include "soft/arm64.h"
#include "soft/commands.h"

static const struct capability capabilities[] = {
	/* Memory. */
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_USER_MEMORY2, 1 },
	{ KVM_CAP_NR_MEMSLOTS, VM_MEMORY_SLOTS },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_SYNC_MMU, 1 }, /* guest memory is the program's, used in place */
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET },
	{ KVM_CAP_ARM_VM_IPA_SIZE, IPA_BITS_MOST },
	/* VMs and vCPUs. */
	{ KVM_CAP_MAX_VCPUS, ARM64_VCPUS_MOST },
	{ KVM_CAP_MAX_VCPU_ID, ARM64_VCPUS_MOST },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
	{ KVM_CAP_DEVICE_CTRL, 1 }, /* KVM_CREATE_DEVICE and the attributes of a VM answer; there is no device */
	{ KVM_CAP_VCPU_ATTRIBUTES, 1 },
	{ KVM_CAP_VM_ATTRIBUTES, 1 },
	{ KVM_CAP_BINARY_STATS_FD, 1 },
	/* Features of vCPUs. */
	{ KVM_CAP_ARM_PSCI, 1 },
	{ KVM_CAP_ARM_PSCI_0_2, 1 },
	{ KVM_CAP_ARM_PMU_V3, 1 },
	{ KVM_CAP_ARM_SVE, 1 },
	{ KVM_CAP_ARM_PTRAUTH_ADDRESS, 1 },
	{ KVM_CAP_ARM_PTRAUTH_GENERIC, 1 },
	/* Running. */
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_HALT_POLL, 1 },
	{ KVM_CAP_ARM_USER_IRQ, 1 },
	{ KVM_CAP_ARM_NISV_TO_USER, 1 },
	{ KVM_CAP_ARM_SYSTEM_SUSPEND, 1 },
	{ KVM_CAP_SYSTEM_EVENT_DATA, 1 },
	{ KVM_CAP_PTP_KVM, 1 },
	{ KVM_CAP_STEAL_TIME, 1 },
	/* Registers. */
	{ KVM_CAP_ONE_REG, 1 },
	{ KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES, 1 << KVM_ARM_FEATURE_ID_RANGE },
	{ KVM_CAP_COUNTER_OFFSET, 1 },
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_ARM_INJECT_SERROR_ESR, 1 },
	{ KVM_CAP_ARM_INJECT_EXT_DABT, 1 },
	/* Debugging. */
	{ KVM_CAP_SET_GUEST_DEBUG, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG2, ARM64_GUEST_DEBUG_CONTROLS },
	{ KVM_CAP_GUEST_DEBUG_HW_BPS, ARM64_BREAKPOINTS },
	{ KVM_CAP_GUEST_DEBUG_HW_WPS, ARM64_WATCHPOINTS },
};

long arm64_check_extension(void *self, unsigned long number)
{
	(void)self;
	return capability_find(capabilities, sizeof capabilities / sizeof *capabilities, number, ARM64_VCPUS_MOST);
}
