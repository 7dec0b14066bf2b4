/*
 * The KVM ABI: <linux/kvm.h> of this system, and what later kernels (up to Linux 6.12, and the x86 register ids of 6.18) add
 * to it, each under #ifndef so that a newer system header wins. Written from the kernel's Documentation/virt/kvm/api.rst. Below that,
 * what anykvm adds to the ABI itself: many registers in one call, and ids for all registers of x86. The library's own calls are in
 * anykvm.h. Usable from C and C++.
 */
#ifndef ANYKVM_KVM_H
#define ANYKVM_KVM_H

#include <linux/kvm.h>

/* ---- Memory slots: KVM_CAP_USER_MEMORY2, KVM_CAP_GUEST_MEMFD, KVM_CAP_MEMORY_ATTRIBUTES, KVM_CAP_PRE_FAULT_MEMORY. ---- */

#ifndef KVM_MEM_GUEST_MEMFD
#define KVM_MEM_GUEST_MEMFD (1UL << 2)
#endif

#ifndef KVM_SET_USER_MEMORY_REGION2
struct kvm_userspace_memory_region2 {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
	__u64 guest_memfd_offset;
	__u32 guest_memfd;
	__u32 pad1;
	__u64 pad2[14];
};
#define KVM_SET_USER_MEMORY_REGION2 _IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#endif

#ifndef KVM_SET_MEMORY_ATTRIBUTES
struct kvm_memory_attributes {
	__u64 address;
	__u64 size;
	__u64 attributes;
	__u64 flags;
};
#define KVM_SET_MEMORY_ATTRIBUTES _IOW(KVMIO, 0xd2, struct kvm_memory_attributes)
#define KVM_MEMORY_ATTRIBUTE_PRIVATE (1ULL << 3)
#endif

#ifndef KVM_CREATE_GUEST_MEMFD
struct kvm_create_guest_memfd {
	__u64 size;
	__u64 flags;
	__u64 reserved[6];
};
#define KVM_CREATE_GUEST_MEMFD _IOWR(KVMIO, 0xd4, struct kvm_create_guest_memfd)
#endif

#ifndef KVM_PRE_FAULT_MEMORY
struct kvm_pre_fault_memory {
	__u64 gpa;
	__u64 size;
	__u64 flags;
	__u64 padding[5];
};
#define KVM_PRE_FAULT_MEMORY _IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)
#endif

/* ---- Exits. ---- */

#ifndef KVM_EXIT_LOONGARCH_IOCSR
#define KVM_EXIT_LOONGARCH_IOCSR 38
#endif
#ifndef KVM_EXIT_MEMORY_FAULT
#define KVM_EXIT_MEMORY_FAULT 39
#endif
#ifndef KVM_MEMORY_EXIT_FLAG_PRIVATE
#define KVM_MEMORY_EXIT_FLAG_PRIVATE (1ULL << 3)
#endif

/* ---- Capabilities up to Linux 6.12's. ---- */

#ifndef KVM_CAP_DIRTY_LOG_RING_ACQ_REL
#define KVM_CAP_DIRTY_LOG_RING_ACQ_REL 223
#endif
#ifndef KVM_CAP_S390_PROTECTED_ASYNC_DISABLE
#define KVM_CAP_S390_PROTECTED_ASYNC_DISABLE 224
#endif
#ifndef KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP
#define KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP 225
#endif
#ifndef KVM_CAP_PMU_EVENT_MASKED_EVENTS
#define KVM_CAP_PMU_EVENT_MASKED_EVENTS 226
#endif
#ifndef KVM_CAP_COUNTER_OFFSET
#define KVM_CAP_COUNTER_OFFSET 227
#endif
#ifndef KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE
#define KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE 228
#endif
#ifndef KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES
#define KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES 229
#endif
#ifndef KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES
#define KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES 230
#endif
#ifndef KVM_CAP_USER_MEMORY2
#define KVM_CAP_USER_MEMORY2 231
#endif
#ifndef KVM_CAP_MEMORY_FAULT_INFO
#define KVM_CAP_MEMORY_FAULT_INFO 232
#endif
#ifndef KVM_CAP_MEMORY_ATTRIBUTES
#define KVM_CAP_MEMORY_ATTRIBUTES 233
#endif
#ifndef KVM_CAP_GUEST_MEMFD
#define KVM_CAP_GUEST_MEMFD 234
#endif
#ifndef KVM_CAP_VM_TYPES
#define KVM_CAP_VM_TYPES 235
#endif
#ifndef KVM_CAP_PRE_FAULT_MEMORY
#define KVM_CAP_PRE_FAULT_MEMORY 236
#endif
#ifndef KVM_CAP_X86_APIC_BUS_CYCLES_NS
#define KVM_CAP_X86_APIC_BUS_CYCLES_NS 237
#endif
#ifndef KVM_CAP_X86_GUEST_MODE
#define KVM_CAP_X86_GUEST_MODE 238
#endif

/* Capabilities whose numbers a system header has on their own architecture only. */

#ifndef KVM_CAP_SET_GUEST_DEBUG
#define KVM_CAP_SET_GUEST_DEBUG 23
#endif
#ifndef KVM_CAP_REINJECT_CONTROL
#define KVM_CAP_REINJECT_CONTROL 24
#endif
#ifndef KVM_CAP_MCE
#define KVM_CAP_MCE 31
#endif
#ifndef KVM_CAP_PIT2
#define KVM_CAP_PIT2 33
#endif
#ifndef KVM_CAP_PIT_STATE2
#define KVM_CAP_PIT_STATE2 35
#endif
#ifndef KVM_CAP_XEN_HVM
#define KVM_CAP_XEN_HVM 38
#endif
#ifndef KVM_CAP_VCPU_EVENTS
#define KVM_CAP_VCPU_EVENTS 41
#endif
#ifndef KVM_CAP_DEBUGREGS
#define KVM_CAP_DEBUGREGS 50
#endif
#ifndef KVM_CAP_XSAVE
#define KVM_CAP_XSAVE 55
#endif
#ifndef KVM_CAP_XCRS
#define KVM_CAP_XCRS 56
#endif

/* ---- x86. ---- */

#if (defined(__x86_64__) || defined(__i386__)) && !defined(ANYKVM_ARM64_H)

/* Types of VMs: the argument of KVM_CREATE_VM, bits of KVM_CAP_VM_TYPES. */
#ifndef KVM_X86_DEFAULT_VM
#define KVM_X86_DEFAULT_VM 0
#endif
#ifndef KVM_X86_SW_PROTECTED_VM
#define KVM_X86_SW_PROTECTED_VM 1
#endif
#ifndef KVM_X86_SEV_VM
#define KVM_X86_SEV_VM 2
#endif
#ifndef KVM_X86_SEV_ES_VM
#define KVM_X86_SEV_ES_VM 3
#endif
#ifndef KVM_X86_SNP_VM
#define KVM_X86_SNP_VM 4
#endif

#ifndef KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS
#define KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS (1 << 6)
#endif
#ifndef KVM_X86_QUIRK_SLOT_ZAP_ALL
#define KVM_X86_QUIRK_SLOT_ZAP_ALL (1 << 7)
#endif
#ifndef KVM_X86_QUIRK_STUFF_FEATURE_MSRS
#define KVM_X86_QUIRK_STUFF_FEATURE_MSRS (1 << 8)
#endif
#ifndef KVM_X86_QUIRK_IGNORE_GUEST_PAT
#define KVM_X86_QUIRK_IGNORE_GUEST_PAT (1 << 9)
#endif
#ifndef KVM_X86_QUIRK_VMCS12_ALLOW_FREEZE_IN_SMM
#define KVM_X86_QUIRK_VMCS12_ALLOW_FREEZE_IN_SMM (1 << 10)
#endif

/* kvm_run.flags */
#ifndef KVM_RUN_X86_SMM
#define KVM_RUN_X86_SMM (1 << 0)
#endif
#ifndef KVM_RUN_X86_BUS_LOCK
#define KVM_RUN_X86_BUS_LOCK (1 << 1)
#endif
#ifndef KVM_RUN_X86_GUEST_MODE
#define KVM_RUN_X86_GUEST_MODE (1 << 2)
#endif

/* kvm_run.hypercall.flags */
#ifndef KVM_EXIT_HYPERCALL_LONG_MODE
#define KVM_EXIT_HYPERCALL_LONG_MODE (1ULL << 0)
#endif

#ifndef KVM_MSR_EXIT_REASON_VALID_MASK
#define KVM_MSR_EXIT_REASON_VALID_MASK                                                                                      \
	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER)
#endif
#ifndef KVM_MSR_FILTER_RANGE_VALID_MASK
#define KVM_MSR_FILTER_RANGE_VALID_MASK (KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)
#endif
#ifndef KVM_MSR_FILTER_VALID_MASK
#define KVM_MSR_FILTER_VALID_MASK KVM_MSR_FILTER_DEFAULT_DENY
#endif

/*
 * Xen (api.rst, 4.24, 4.127 ... 4.131). Of the attributes' unions a system header may lack members: runstate_update_flag lies where
 * long_mode does, shared_info.hva where shared_info.gfn does, hva where gpa does.
 */
#ifndef KVM_XEN_HVM_CONFIG_RUNSTATE_UPDATE_FLAG
#define KVM_XEN_HVM_CONFIG_RUNSTATE_UPDATE_FLAG (1 << 6)
#endif
#ifndef KVM_XEN_HVM_CONFIG_PVCLOCK_TSC_UNSTABLE
#define KVM_XEN_HVM_CONFIG_PVCLOCK_TSC_UNSTABLE (1 << 7)
#endif
#ifndef KVM_XEN_HVM_CONFIG_SHARED_INFO_HVA
#define KVM_XEN_HVM_CONFIG_SHARED_INFO_HVA (1 << 8)
#endif
#ifndef KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG
#define KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG 0x5
#endif
#ifndef KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA
#define KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA 0x6
#endif
#ifndef KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA
#define KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA 0x9
#endif

/* Groups of KVM_GET_DEVICE_ATTR on the system descriptor. */
#ifndef KVM_X86_GRP_SYSTEM
#define KVM_X86_GRP_SYSTEM 0
#endif
#ifndef KVM_X86_GRP_SEV
#define KVM_X86_GRP_SEV 1
#endif

#endif /* x86 */

/* ---- Registers by id (api.rst, 4.68, 4.69, 4.83). These stand outside any architecture's #if: an id can be read on any machine. ---- */

#ifndef KVM_REG_LOONGARCH
#define KVM_REG_LOONGARCH 0x9000000000000000ULL
#endif

/* Linux 6.18, x86: bits 39:32 are the type, bits 31:0 the index; these registers are 64 bits wide. */
#ifndef KVM_X86_REG_TYPE_MSR
#define KVM_X86_REG_TYPE_MSR 2
#define KVM_X86_REG_MSR(index)                                                                                              \
	(KVM_REG_X86 | KVM_REG_SIZE_U64 | ((__u64)KVM_X86_REG_TYPE_MSR << 32) | (__u64)(__u32)(index))
#endif
#ifndef KVM_X86_REG_TYPE_KVM
#define KVM_X86_REG_TYPE_KVM 3
#define KVM_X86_REG_KVM(index)                                                                                              \
	(KVM_REG_X86 | KVM_REG_SIZE_U64 | ((__u64)KVM_X86_REG_TYPE_KVM << 32) | (__u64)(__u32)(index))
#endif
#ifndef KVM_REG_GUEST_SSP
#define KVM_REG_GUEST_SSP 0
#endif

/*
 * Many registers in one call: Darkhan Mukashov's proposal of November 2020 to the kvm list, with its command words. The numbers 0xc7
 * and 0xc8 carry other calls by now; the whole words differ from theirs. At most KVM_MANY_REGS_MAX_SIZE bytes of struct kvm_one_reg.
 */
#ifndef KVM_GET_MANY_REGS
struct kvm_many_regs {
	__u64 n;
	struct kvm_one_reg reg[];
};
#define KVM_MANY_REGS_MAX_SIZE 16384
#define KVM_GET_MANY_REGS _IOW(KVMIO, 0xc7, struct kvm_many_regs)
#define KVM_SET_MANY_REGS _IOW(KVMIO, 0xc8, struct kvm_many_regs)
#endif
/* How many registers one call takes. Far from the kernel's own numbers: it has none for this. */
#ifndef KVM_CAP_MANY_REGS
#define KVM_CAP_MANY_REGS 0x4d52
#endif

/*
 * x86 registers that no kernel gives ids: the same layout, in types far from the kernel's. The size stands in bits 55:52 as in every id.
 * Registers that are views of others (a whole segment and its parts, xmm and ymm) all have ids of their own.
 */
#define ANYKVM_X86_REG(type, size, index) (KVM_REG_X86 | (size) | (__u64)(type) << 32 | (__u64)(__u32)(index))

/* Index: 0 ... 15 in the order of their encoding (rax rcx rdx rbx rsp rbp rsi rdi r8 ... r15), 16 rip, 17 rflags. 64 bits. */
#define ANYKVM_X86_TYPE_GENERAL 0xa0
/* Index: segment << 4 | part. Segments in the order of their encoding, then TR, LDTR, GDTR, IDTR. */
#define ANYKVM_X86_TYPE_SEGMENT 0xa1
#define ANYKVM_X86_SEGMENT_ES 0
#define ANYKVM_X86_SEGMENT_CS 1
#define ANYKVM_X86_SEGMENT_SS 2
#define ANYKVM_X86_SEGMENT_DS 3
#define ANYKVM_X86_SEGMENT_FS 4
#define ANYKVM_X86_SEGMENT_GS 5
#define ANYKVM_X86_SEGMENT_TR 6
#define ANYKVM_X86_SEGMENT_LDTR 7
#define ANYKVM_X86_SEGMENT_GDTR 8 /* these two have whole, base and limit only */
#define ANYKVM_X86_SEGMENT_IDTR 9
/* 256 bits: struct kvm_segment, and zeroes behind it; of GDTR and IDTR 128 bits: struct kvm_dtable. */
#define ANYKVM_X86_SEGMENT_WHOLE 0
#define ANYKVM_X86_SEGMENT_SELECTOR 1 /* 16 bits */
#define ANYKVM_X86_SEGMENT_BASE 2 /* 64 bits */
#define ANYKVM_X86_SEGMENT_LIMIT 3 /* 32 bits, in bytes; of GDTR and IDTR 16 */
#define ANYKVM_X86_SEGMENT_ATTRIBUTES 4 /* 32 bits: access rights as in SDM Vol. 3C, 25.4.1 (bit 16: unusable) */
/* Index: the register's number, and those below. 64 bits. */
#define ANYKVM_X86_TYPE_CONTROL 0xa2
#define ANYKVM_X86_CONTROL_EFER 0x10
#define ANYKVM_X86_CONTROL_APIC_BASE 0x11
#define ANYKVM_X86_CONTROL_PDPTR 0x20 /* four of them, while PAE paging is on */
/* Index: 0 ... 3, 6, 7. 64 bits. */
#define ANYKVM_X86_TYPE_DEBUG 0xa3
/* Index: the register's number; XCR0 is the only one. 64 bits. */
#define ANYKVM_X86_TYPE_XCR 0xa4
/* Index: 0 ... 7 st0 ... st7, 128 bits of which 80 count; then the environment as FXSAVE has it. */
#define ANYKVM_X86_TYPE_X87 0xa5
#define ANYKVM_X86_X87_FCW 8 /* 16 bits */
#define ANYKVM_X86_X87_FSW 9 /* 16 bits */
#define ANYKVM_X86_X87_FTW 10 /* 8 bits: abridged, one a physical register */
#define ANYKVM_X86_X87_FOP 11 /* 16 bits */
#define ANYKVM_X86_X87_FIP 12 /* 64 bits */
#define ANYKVM_X86_X87_FDP 13 /* 64 bits */
/* Index: class << 8 | number. */
#define ANYKVM_X86_TYPE_VECTOR 0xa6
#define ANYKVM_X86_VECTOR_MM 0 /* 64 bits: the low half of st(n) */
#define ANYKVM_X86_VECTOR_XMM 1 /* 128 bits */
#define ANYKVM_X86_VECTOR_YMM 2 /* 256 bits: xmm with its upper half */
#define ANYKVM_X86_VECTOR_ZMM 3 /* 512 bits: ymm with its upper half */
#define ANYKVM_X86_VECTOR_K 4 /* 64 bits: AVX-512's masks */
/* Index: those below: the rest of what XSAVE holds. */
#define ANYKVM_X86_TYPE_XSAVE 0xa7
#define ANYKVM_X86_XSAVE_MXCSR 0 /* 32 bits */
#define ANYKVM_X86_XSAVE_MXCSR_MASK 1 /* 32 bits, read-only */
#define ANYKVM_X86_XSAVE_PKRU 2 /* 32 bits */
#define ANYKVM_X86_XSAVE_XSTATE_BV 3 /* 64 bits: clearing a component's bit gives it its initial state */
/* Index: 0 the whole, 512 bits (struct kvm_vcpu_events), then its fields in their order, those below. */
#define ANYKVM_X86_TYPE_EVENTS 0xa8
#define ANYKVM_X86_EVENTS_WHOLE 0
#define ANYKVM_X86_EVENTS_EXCEPTION_INJECTED 1 /* 8 bits, as all but those that say otherwise */
#define ANYKVM_X86_EVENTS_EXCEPTION_NR 2
#define ANYKVM_X86_EVENTS_EXCEPTION_HAS_ERROR_CODE 3
#define ANYKVM_X86_EVENTS_EXCEPTION_PENDING 4
#define ANYKVM_X86_EVENTS_EXCEPTION_ERROR_CODE 5 /* 32 bits */
#define ANYKVM_X86_EVENTS_INTERRUPT_INJECTED 6
#define ANYKVM_X86_EVENTS_INTERRUPT_NR 7
#define ANYKVM_X86_EVENTS_INTERRUPT_SOFT 8
#define ANYKVM_X86_EVENTS_INTERRUPT_SHADOW 9
#define ANYKVM_X86_EVENTS_NMI_INJECTED 10
#define ANYKVM_X86_EVENTS_NMI_PENDING 11
#define ANYKVM_X86_EVENTS_NMI_MASKED 12
#define ANYKVM_X86_EVENTS_SIPI_VECTOR 13 /* 32 bits */
#define ANYKVM_X86_EVENTS_FLAGS 14 /* 32 bits */
#define ANYKVM_X86_EVENTS_SMI_SMM 15
#define ANYKVM_X86_EVENTS_SMI_PENDING 16
#define ANYKVM_X86_EVENTS_SMI_SMM_INSIDE_NMI 17
#define ANYKVM_X86_EVENTS_SMI_LATCHED_INIT 18
#define ANYKVM_X86_EVENTS_TRIPLE_FAULT_PENDING 19
#define ANYKVM_X86_EVENTS_EXCEPTION_HAS_PAYLOAD 20
#define ANYKVM_X86_EVENTS_EXCEPTION_PAYLOAD 21 /* 64 bits */
/* Index: those below. */
#define ANYKVM_X86_TYPE_VCPU 0xa9
#define ANYKVM_X86_VCPU_MP_STATE 0 /* 32 bits: KVM_MP_STATE_... */
#define ANYKVM_X86_VCPU_TSC_OFFSET 1 /* 64 bits: KVM_VCPU_TSC_OFFSET */
#define ANYKVM_X86_VCPU_TSC_KHZ 2 /* 32 bits: KVM_SET_TSC_KHZ */

#endif
