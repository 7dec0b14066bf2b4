/*
 * What stands behind the vCPU ioctls, family by family, besides what vcpu.h declares, and what the system and VM ioctls ask
 * of the x86 side. Arguments are already copied in and lie in our own memory; results are copied out by the caller.
 * `int` results are 0 or -errno.
 */
#ifndef ANYKVM_X86_IOCTL_H
#define ANYKVM_X86_IOCTL_H

#include "vm/registers.h"
#include "x86/vcpu.h"

/* KVM_SET_CPUID2, KVM_GET_CPUID2 and KVM_GET_SUPPORTED_CPUID hold at most this many entries (KVM_MAX_CPUID_ENTRIES). */
#define CPUID_ENTRIES_MAX 256
/* KVM_GET_MSRS and KVM_SET_MSRS take fewer than this many entries. */
#define MSR_ENTRIES_LIMIT 256
/* MCG_CAP bits that KVM_X86_SETUP_MCE takes besides the number of banks (SDM Vol. 3B, 16.3.1.1): MCG_CTL_P, MCG_SER_P. */
#define MCE_CAP_SUPPORTED (UINT64_C(1) << 8 | UINT64_C(1) << 24)
#define MCE_BANKS_MAX 32
/* What KVM_CAP_DISABLE_QUIRKS2 reports: all of Linux 6.12's. Those on memory types and nesting have nothing to disable here. */
#define X86_QUIRKS                                                                                                          \
	(KVM_X86_QUIRK_LINT0_REENABLED | KVM_X86_QUIRK_CD_NW_CLEARED | KVM_X86_QUIRK_LAPIC_MMIO_HOLE |                         \
	 KVM_X86_QUIRK_OUT_7E_INC_RIP | KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT | KVM_X86_QUIRK_FIX_HYPERCALL_INSN |               \
	 KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS | KVM_X86_QUIRK_SLOT_ZAP_ALL | KVM_X86_QUIRK_STUFF_FEATURE_MSRS |                \
	 KVM_X86_QUIRK_IGNORE_GUEST_PAT | KVM_X86_QUIRK_VMCS12_ALLOW_FREEZE_IN_SMM)
/* The guest-debug controls that KVM_CAP_SET_GUEST_DEBUG2 reports. */
#define GUEST_DEBUG_CONTROLS                                                                                                \
	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW_BP |                     \
	 KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP | KVM_GUESTDBG_BLOCKIRQ)

/* The table, and all else that src/vm asks of a vCPU (ioctl.c). */
extern const struct vcpu_ops x86_vcpu_ops;
/* The vCPU's registers by id (registers.c). */
extern const struct register_ops x86_register_ops;

/*
 * The argument of KVM_GET_MSRS and KVM_SET_MSRS. _read: the number of entries, less than MSR_ENTRIES_LIMIT, or -errno in the order
 * in which Linux looks. _write: all of them go back, and `done` is the ioctl's result.
 */
int msr_entries_read(unsigned long arg, struct kvm_msr_entry *entries);
long msr_entries_write(unsigned long arg, const struct kvm_msr_entry *entries, int count, int done);

/* ---- SREGS2 (sregs.c). ---- */
void sregs2_get(struct x86_vcpu *cpu, struct kvm_sregs2 *sregs);
int sregs2_set(struct x86_vcpu *cpu, const struct kvm_sregs2 *sregs);

/* ---- FPU, XSAVE, XCRS (xsave.c). No state outgrows struct kvm_xsave, so that XSAVE2 is XSAVE. ---- */
void fpu_get(struct x86_vcpu *cpu, struct kvm_fpu *fpu);
int fpu_set(struct x86_vcpu *cpu, const struct kvm_fpu *fpu);
void xsave_get(struct x86_vcpu *cpu, struct kvm_xsave *xsave);
int xsave_set(struct x86_vcpu *cpu, const struct kvm_xsave *xsave);
void xcrs_get(struct x86_vcpu *cpu, struct kvm_xcrs *xcrs);
int xcrs_set(struct x86_vcpu *cpu, const struct kvm_xcrs *xcrs);

/* ---- Debug registers, guest debugging (debugregs.c). ---- */
void debugregs_get(struct x86_vcpu *cpu, struct kvm_debugregs *debugregs);
int debugregs_set(struct x86_vcpu *cpu, const struct kvm_debugregs *debugregs);
int guest_debug_set(struct x86_vcpu *cpu, const struct kvm_guest_debug *debug);

/* ---- Multiprocessing state (mp_state.c). ---- */
int mp_state_get(struct x86_vcpu *cpu, struct kvm_mp_state *state);
int mp_state_set(struct x86_vcpu *cpu, const struct kvm_mp_state *state);

/* ---- CPUID (cpuid.c). ---- */
/* The XCR0 bits that a guest can have. */
#define CPUID_XCR0 (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_PKRU)
/* Takes `entries` (malloc'ed, NULL when `count` is 0) over when it succeeds. */
int cpuid_set(struct x86_vcpu *cpu, struct kvm_cpuid_entry2 *entries, uint32_t count);
/* Whether the machine's processor, and so the supported table, is AMD's. */
bool cpuid_vendor_amd(void);
/* KVM_GET_CPUID2: the guest's table with KVM's runtime adjustments. `*count` is the room, then the number: -E2BIG without enough. */
int cpuid_get(struct x86_vcpu *cpu, struct kvm_cpuid_entry2 *entries, uint32_t *count);
/* KVM_GET_SUPPORTED_CPUID and KVM_GET_EMULATED_CPUID; `*count` likewise. */
int cpuid_supported(struct kvm_cpuid_entry2 *entries, uint32_t *count);
int cpuid_emulated(struct kvm_cpuid_entry2 *entries, uint32_t *count);

/* ---- MSRs (msr.c). ---- */
/* KVM_GET_MSR_INDEX_LIST and KVM_GET_MSR_FEATURE_INDEX_LIST. */
const uint32_t *msr_index_list(uint32_t *count);
const uint32_t *msr_feature_list(uint32_t *count);
/* KVM_GET_MSRS on the system descriptor: 0, or nonzero where the list of results ends. */
int msr_feature_read(uint32_t index, uint64_t *value);
/* KVM_X86_SETUP_MCE, KVM_X86_SET_MCE. */
int mce_setup(struct x86_vcpu *cpu, uint64_t mcg_cap);
int mce_set(struct x86_vcpu *cpu, const struct kvm_x86_mce *mce);

/* The values that msr_read() and msr_write() work on: part of a vCPU's birth and death. */
int msrs_create(struct x86_vcpu *cpu);
/* Bytes of cpu->msr_values. */
size_t msrs_size(void);
/* Where the value of an MSR that is nothing but storage is; NULL for all others. */
const uint64_t *msr_place(struct x86_vcpu *cpu, uint32_t index);
void msrs_destroy(struct x86_vcpu *cpu);

/* ---- Time stamp counter (tsc.c). ---- */
/* A new vCPU's TSC: 0 for the VM's first, and the same time for those that follow at its rate. */
void tsc_start(struct x86_vcpu *cpu);
/* A write of the MSR: by the guest it shows in TSC_ADJUST, by the program it may join the other vCPUs' time. */
void tsc_write(struct x86_vcpu *cpu, uint64_t value, bool from_host);
/* The host's counter, and what the guest's is when the host's has a value. */
uint64_t tsc_host_read(void);
uint64_t tsc_guest_of(const struct x86_vcpu *cpu, uint64_t host);
/* The rate of x86_tsc_read()'s source, in kHz. */
uint32_t tsc_host_khz(void);
/* khz 0 is the host's. */
int tsc_khz_set(struct x86_vcpu *cpu, uint32_t khz);
uint32_t tsc_khz_get(const struct x86_vcpu *cpu);
/* KVM_VCPU_TSC_OFFSET of KVM_VCPU_TSC_CTRL. */
uint64_t tsc_offset_get(const struct x86_vcpu *cpu);
void tsc_offset_set(struct x86_vcpu *cpu, uint64_t offset);

/* ---- Events (events.c). ---- */
int nmi_inject(struct x86_vcpu *cpu);
int smi_inject(struct x86_vcpu *cpu);
/* KVM_INTERRUPT. */
int interrupt_inject(struct x86_vcpu *cpu, uint32_t irq);

/* ---- The rest. ---- */
int translate(struct x86_vcpu *cpu, struct kvm_translation *translation);
int tpr_access_reporting(struct x86_vcpu *cpu, struct kvm_tpr_access_ctl *ctl);
/* KVM_ENABLE_CAP on a vCPU. */
int vcpu_enable_cap(struct x86_vcpu *cpu, const struct kvm_enable_cap *cap);

#endif
