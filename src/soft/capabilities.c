/*
 * KVM_CHECK_EXTENSION: one row a capability, with Linux 6.12's value where the software KVM does what it promises. What is
 * not in the table answers 0: asynchronous page faults, Hyper-V, nesting, SMM, PMU, encryption.
 */
#include <unistd.h>

#include "soft/soft.h"
#include "x86/ioctl.h"

/* The processors that run vCPUs at the same time. */
static int host_processors(const struct x86_vm *vm)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);

	(void)vm;
	return count < 1 ? 1 : count > VM_MAX_VCPUS ? VM_MAX_VCPUS : (int)count;
}

struct capability {
	uint16_t number;
	int value;
	int (*computed)(const struct x86_vm *vm); /* instead of `value` */
};

#define XEN_CAPABILITIES                                                                                                    \
	(KVM_XEN_HVM_CONFIG_HYPERCALL_MSR | KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL | KVM_XEN_HVM_CONFIG_SHARED_INFO |              \
	 KVM_XEN_HVM_CONFIG_RUNSTATE | KVM_XEN_HVM_CONFIG_EVTCHN_2LEVEL | KVM_XEN_HVM_CONFIG_EVTCHN_SEND |                     \
	 KVM_XEN_HVM_CONFIG_RUNSTATE_UPDATE_FLAG | KVM_XEN_HVM_CONFIG_PVCLOCK_TSC_UNSTABLE | KVM_XEN_HVM_CONFIG_SHARED_INFO_HVA)

static const struct capability capabilities[] = {
	/* Memory. */
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_USER_MEMORY2, 1 },
	{ KVM_CAP_NR_MEMSLOTS, VM_MEMORY_SLOTS },
	{ KVM_CAP_MULTI_ADDRESS_SPACE, VM_ADDRESS_SPACES },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_PRE_FAULT_MEMORY, 1 },
	{ KVM_CAP_SYNC_MMU, 1 }, /* guest memory is the program's, used in place */
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_MMU_SHADOW_CACHE_CONTROL, 1 },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET },
	/* VMs and vCPUs. */
	{ KVM_CAP_VM_TYPES, 1 << KVM_X86_DEFAULT_VM },
	{ KVM_CAP_NR_VCPUS, 0, host_processors },
	{ KVM_CAP_MAX_VCPUS, VM_MAX_VCPUS },
	{ KVM_CAP_MAX_VCPU_ID, VM_MAX_VCPU_IDS },
	{ KVM_CAP_SET_BOOT_CPU_ID, 1 },
	{ KVM_CAP_SET_TSS_ADDR, 1 },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_ENABLE_CAP, 1 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
	{ KVM_CAP_DEVICE_CTRL, 1 }, /* KVM_CREATE_DEVICE answers; x86 has no device for it here */
	{ KVM_CAP_VCPU_ATTRIBUTES, 1 },
	{ KVM_CAP_SYS_ATTRIBUTES, 1 },
	{ KVM_CAP_BINARY_STATS_FD, 1 },
	{ KVM_CAP_DISABLE_QUIRKS, 1 },
	{ KVM_CAP_DISABLE_QUIRKS2, X86_QUIRKS },
	/* Running. */
	{ KVM_CAP_HLT, 1 },
	{ KVM_CAP_NOP_IO_DELAY, 1 },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_ONE_REG, 1 },
	{ KVM_CAP_MANY_REGS, REGISTERS_MAX },
	{ KVM_CAP_SYNC_REGS, KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS },
	{ KVM_CAP_INTERNAL_ERROR_DATA, 1 },
	{ KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1 },
	{ KVM_CAP_EXIT_HYPERCALL, 1 << 12 /* KVM_HC_MAP_GPA_RANGE */ },
	{ KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE },
	{ KVM_CAP_X86_GUEST_MODE, 1 },
	{ KVM_CAP_HALT_POLL, 1 },
	/* Registers. */
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_SREGS2, 1 },
	{ KVM_CAP_XSAVE, 1 },
	{ KVM_CAP_XSAVE2, sizeof(struct kvm_xsave) },
	{ KVM_CAP_XCRS, 1 },
	{ KVM_CAP_DEBUGREGS, 1 },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_EXCEPTION_PAYLOAD, 1 },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1 },
	{ KVM_CAP_EXT_CPUID, 1 },
	{ KVM_CAP_EXT_EMUL_CPUID, 1 },
	{ KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1 },
	{ KVM_CAP_MCE, MCE_BANKS_MAX },
	{ KVM_CAP_GET_TSC_KHZ, 1 },
	{ KVM_CAP_TSC_CONTROL, 1 },
	{ KVM_CAP_VM_TSC_CONTROL, 1 },
	{ KVM_CAP_GET_MSR_FEATURES, 1 },
	{ KVM_CAP_MSR_PLATFORM_INFO, 1 },
	{ KVM_CAP_X86_USER_SPACE_MSR, 1 },
	{ KVM_CAP_X86_MSR_FILTER, 1 },
	/* Debugging. */
	{ KVM_CAP_SET_GUEST_DEBUG, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG2, GUEST_DEBUG_CONTROLS },
	{ KVM_CAP_X86_ROBUST_SINGLESTEP, 1 },
	/* Interrupts: the local APIC. */
	{ KVM_CAP_IRQCHIP, 1 },
	{ KVM_CAP_SPLIT_IRQCHIP, 1 },
	{ KVM_CAP_X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK },
	{ KVM_CAP_USER_NMI, 1 },
	{ KVM_CAP_TSC_DEADLINE_TIMER, 1 },
	{ KVM_CAP_X86_APIC_BUS_CYCLES_NS, 1 },
	/* Xen guests. */
	{ KVM_CAP_XEN_HVM, XEN_CAPABILITIES },
	/* Clocks. */
	{ KVM_CAP_CLOCKSOURCE, 1 },
	{ KVM_CAP_ADJUST_CLOCK, KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC },
	{ KVM_CAP_KVMCLOCK_CTRL, 1 },
	{ KVM_CAP_STEAL_TIME, 1 },
	/* Interrupts: the PICs, the I/O APIC, the PIT; what leads to them. */
	{ KVM_CAP_PIT, 1 },
	{ KVM_CAP_PIT2, 1 },
	{ KVM_CAP_PIT_STATE2, 1 },
	{ KVM_CAP_REINJECT_CONTROL, 1 },
	{ KVM_CAP_IRQ_ROUTING, IRQ_ROUTES_MAX },
	{ KVM_CAP_IRQ_INJECT_STATUS, 1 },
	{ KVM_CAP_IRQFD, 1 },
	{ KVM_CAP_IRQFD_RESAMPLE, 1 },
	{ KVM_CAP_SIGNAL_MSI, 1 },
	{ KVM_CAP_IOAPIC_POLARITY_IGNORED, 1 },
	{ KVM_CAP_IOEVENTFD, 1 },
	{ KVM_CAP_IOEVENTFD_NO_LENGTH, 1 },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 },
	{ KVM_CAP_COALESCED_MMIO, COALESCED_PAGE },
	{ KVM_CAP_COALESCED_PIO, 1 },
};

int capability_value(const struct x86_vm *vm, unsigned long number)
{
	for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++) {
		if (capabilities[i].number == number)
			return capabilities[i].computed ? capabilities[i].computed(vm) : capabilities[i].value;
	}
	return 0;
}
