/*
 * The x86-64 vCPU: one struct that the ioctls, the register catalogue and the interpreter all work on. Nothing is copied
 * to make a register visible. Field names are the processor manuals'.
 */
#ifndef ANYKVM_X86_VCPU_H
#define ANYKVM_X86_VCPU_H

#include <stdbool.h>
#include <stdint.h>

#include "vm/tlb.h"
#include "vm/vm.h"
#include "x86/plan.h"
#include "x86/xen/state.h"

/* General registers in the order of their encoding. GPR_ZERO reads as 0: the "no register" of an address. */
enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, GPR_ZERO, GPR_COUNT };
/* Segment registers in the order of their encoding, then the two that only system instructions name. */
enum segment { ES, CS, SS, DS, FS, GS, TR, LDTR, SEGMENT_COUNT };

#define CR0_PE (UINT64_C(1) << 0)
#define CR0_MP (UINT64_C(1) << 1)
#define CR0_EM (UINT64_C(1) << 2)
#define CR0_TS (UINT64_C(1) << 3)
#define CR0_ET (UINT64_C(1) << 4)
#define CR0_NE (UINT64_C(1) << 5)
#define CR0_WP (UINT64_C(1) << 16)
#define CR0_AM (UINT64_C(1) << 18)
#define CR0_NW (UINT64_C(1) << 29)
#define CR0_CD (UINT64_C(1) << 30)
#define CR0_PG (UINT64_C(1) << 31)

#define CR4_VME (UINT64_C(1) << 0)
#define CR4_PVI (UINT64_C(1) << 1)
#define CR4_TSD (UINT64_C(1) << 2)
#define CR4_DE (UINT64_C(1) << 3)
#define CR4_PSE (UINT64_C(1) << 4)
#define CR4_PAE (UINT64_C(1) << 5)
#define CR4_MCE (UINT64_C(1) << 6)
#define CR4_PGE (UINT64_C(1) << 7)
#define CR4_PCE (UINT64_C(1) << 8)
#define CR4_OSFXSR (UINT64_C(1) << 9)
#define CR4_OSXMMEXCPT (UINT64_C(1) << 10)
#define CR4_UMIP (UINT64_C(1) << 11)
#define CR4_LA57 (UINT64_C(1) << 12)
#define CR4_VMXE (UINT64_C(1) << 13)
#define CR4_SMXE (UINT64_C(1) << 14)
#define CR4_FSGSBASE (UINT64_C(1) << 16)
#define CR4_PCIDE (UINT64_C(1) << 17)
#define CR4_OSXSAVE (UINT64_C(1) << 18)
#define CR4_SMEP (UINT64_C(1) << 20)
#define CR4_SMAP (UINT64_C(1) << 21)
#define CR4_PKE (UINT64_C(1) << 22)

#define EFER_SCE (UINT64_C(1) << 0)
#define EFER_LME (UINT64_C(1) << 8)
#define EFER_LMA (UINT64_C(1) << 10)
#define EFER_NXE (UINT64_C(1) << 11)
#define EFER_SVME (UINT64_C(1) << 12)
#define EFER_FFXSR (UINT64_C(1) << 14)

#define FLAG_CF (1u << 0)
#define FLAG_PF (1u << 2)
#define FLAG_AF (1u << 4)
#define FLAG_ZF (1u << 6)
#define FLAG_SF (1u << 7)
#define FLAG_TF (1u << 8)
#define FLAG_IF (1u << 9)
#define FLAG_DF (1u << 10)
#define FLAG_OF (1u << 11)
#define FLAG_IOPL (3u << 12)
#define FLAG_NT (1u << 14)
#define FLAG_RF (1u << 16)
#define FLAG_VM (1u << 17)
#define FLAG_AC (1u << 18)
#define FLAG_VIF (1u << 19)
#define FLAG_VIP (1u << 20)
#define FLAG_ID (1u << 21)
#define FLAGS_ARITHMETIC (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

/* Exception vectors (SDM Vol. 3A, table 6-1). */
enum vector {
	VECTOR_DE = 0, VECTOR_DB = 1, VECTOR_NMI = 2, VECTOR_BP = 3, VECTOR_OF = 4, VECTOR_BR = 5, VECTOR_UD = 6, VECTOR_NM = 7,
	VECTOR_DF = 8, VECTOR_TS = 10, VECTOR_NP = 11, VECTOR_SS = 12, VECTOR_GP = 13, VECTOR_PF = 14, VECTOR_MF = 16,
	VECTOR_AC = 17, VECTOR_MC = 18, VECTOR_XM = 19,
};

/*
 * The XSAVE area in its standard (non-compacted) form, which is also the form that KVM_GET_XSAVE returns: the FPU works in it.
 * SDM Vol. 1, 13.4. Registers are in FXSAVE's physical order: st[i] is ST(i), relative to TOP, as FXSAVE stores them.
 */
struct x86_xsave {
	uint16_t fcw, fsw;
	uint8_t ftw; /* abridged: one bit a physical register, 1 = not empty */
	uint8_t reserved0;
	uint16_t fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[8][16];
	uint8_t xmm[16][16];
	uint8_t reserved1[48];
	uint8_t software[48];
	uint64_t xstate_bv, xcomp_bv; /* xstate_bv: see fpu_xstate_bv() */
	uint64_t header_reserved[6];
	uint8_t ymmh[16][16]; /* offset 0x240 */
	uint8_t unused[0xa80 - 0x340];
	uint32_t pkru; /* offset 0xa80 */
	uint32_t pkru_reserved;
	uint8_t tail[4096 - 0xa88];
} __attribute__((aligned(64)));

#define XCR0_X87 1u
#define XCR0_SSE 2u
#define XCR0_AVX 4u
#define XCR0_PKRU 0x200u

/* Why the interpreter left its loop. */
enum cpu_stop {
	STOP_NONE,
	STOP_EXCEPTION, /* exception.pending: deliver it */
	STOP_CAREFUL,   /* nothing was done: execute the instruction at RIP alone, on the slow paths */
	STOP_EVENT,     /* the instruction is done; look whether an interrupt can be taken now */
	STOP_HALT,      /* HLT is done: RIP is past it */
	STOP_EXIT,      /* kvm_run describes an exit: KVM_RUN returns 0 */
	STOP_ERROR,     /* KVM_RUN fails with -stop_error */
	STOP_TRIPLE_FAULT,
	STOP_DEBUG,     /* kvm_run->debug describes it (guest debugging) */
};

/* Translations of guest pages are for one of these. */
enum mmu_index { MMU_SUPERVISOR, MMU_USER, MMU_SUPERVISOR_AC, MMU_INDICES }; /* _AC: SMAP suspended by EFLAGS.AC */

struct insn;
struct block_cache;
struct native;
struct lapic;
struct pics;
struct ioapic;
struct pit;
struct x86_vm;

/* One piece of an access outside memory slots; KVM exits once for each, of 8 bytes at most (api.rst, KVM_EXIT_MMIO). */
struct mmio_fragment {
	uint64_t gpa;
	uint8_t size;
	bool write;
	uint8_t data[8];
};
#define MMIO_FRAGMENTS 132 /* what REP INS reads ahead (1 KiB), or an XSAVE area, and a page crossing */

/* What the next KVM_RUN has to finish before the guest goes on. */
enum completion { COMPLETE_NONE, COMPLETE_IN, COMPLETE_OUT, COMPLETE_MMIO, COMPLETE_RDMSR, COMPLETE_WRMSR, COMPLETE_HYPERCALL, COMPLETE_XEN };

/* Counters of KVM_GET_STATS_FD on a vCPU. */
enum vcpu_stat { VCPU_STAT_EXITS, VCPU_STAT_IO_EXITS, VCPU_STAT_MMIO_EXITS, VCPU_STAT_IRQ_WINDOW_EXITS, VCPU_STAT_SIGNAL_EXITS, VCPU_STATS };

struct x86_vcpu {
	struct vcpu vcpu;

	/* ---- The registers. ---- */
	uint64_t gpr[GPR_COUNT];
	uint64_t rip;    /* exact whenever the interpreter is not inside a block */
	uint64_t rflags; /* all but the arithmetic flags while those are lazy: see cpu/flags.h; use flags_get() */
	/* Lazy arithmetic flags: cpu/flags.h. */
	uint64_t cc_left;
	uint32_t cc_op;
	uint32_t cc_carry;
	uint64_t cc_right; /* apart from cc_left: one 16-byte store of both would cost more than two */

	/* ---- The interpreter's own (transient; next to the registers for the cache's sake). ---- */
	const struct tlb *tlb; /* of the current privilege; an always empty one in careful mode */
	const struct insn *insn; /* the instruction whose memory access is under way: what a host fault interrupts */
	uint32_t stop;         /* enum cpu_stop */
	uint32_t mode;         /* what decoding depends on: MODE_* of cpu/insn.h */
	uint64_t block_rip;    /* RIP of the first byte of the code being run */
	uint64_t block_host;   /* host address and length of the code being run: a store into it must be noticed */
	uint64_t block_length;
	int32_t blocks_in_a_row; /* how many blocks may still follow each other without the loop: cpu/block.h */
	uint64_t *block_link;  /* where the branch that has just been left wants to find the block it leads to */
	uint32_t native_link;  /* the same of one in native code (cpu/native.h); 0: none */
	bool careful;          /* one instruction at a time, all accesses on the slow path */
	uint8_t cpl;
	uint8_t mmu_index;
	uint8_t address_bits;  /* linear: 48 or 57 */
	bool tlb_used;         /* some entry may be valid */
	bool split_locked;     /* holds the VM's split_lock */
	uint64_t debug_dr[4], debug_dr7; /* the breakpoints in force: the guest's, or the debugger's (KVM_GUESTDBG_USE_HW_BP) */
	bool step_lost;        /* registers were set behind KVM_GUESTDBG_SINGLESTEP: see debugregs.c */
	bool step_open, step_trap; /* a watched instruction is not over yet (an exit came in between); TF was set before it */
	bool trap_suppressed;  /* MOV SS or POP SS: no trap behind this instruction */
	bool resume_loaded;    /* IRET or a task switch: RF is the next instruction's, not this one's */
	bool fetching_outside;
	uint64_t debug_hit;    /* DR6's B0 ... B3 of the instruction under way */
	int stop_error;

	struct kvm_segment seg[SEGMENT_COUNT];
	struct kvm_dtable gdt, idt;
	uint64_t cr0, cr2, cr3, cr4, cr8;
	uint64_t efer, apic_base;
	uint64_t pdptr[4];
	bool pdptrs_from_user; /* KVM_SET_SREGS2 gave them */
	uint64_t dr[4], dr6, dr7;
	uint64_t xcr0, xss;
	/* MSRs that instructions use themselves; the others stand in msr.c's storage. */
	uint64_t star, lstar, cstar, sfmask, kernel_gs_base, tsc_aux;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t tsc_offset; /* guest TSC = host TSC (scaled, see x86_tsc_read) + tsc_offset */
	uint64_t tsc_adjust;
	uint64_t pv_system_time, pv_steal_time, pv_eoi; /* KVM's own: pv.c */
	uint64_t *msr_values; /* msr.c: one value per stored MSR */
	uint64_t mcg_cap;     /* KVM_X86_SETUP_MCE */
	uint32_t tsc_khz;
	bool tsc_scaled;      /* tsc_khz differs from the host's */

	/* ---- Events (KVM_GET_VCPU_EVENTS). ---- */
	struct {
		bool pending, injected, has_error_code, has_payload;
		uint8_t nr;
		uint32_t error_code;
		uint64_t payload; /* DR6 bits or CR2 */
	} exception;
	struct {
		bool injected, soft;
		uint8_t nr;
		uint8_t length; /* of the INT n that a soft one restarts as */
	} interrupt;
	struct {
		bool injected, masked;
		uint8_t pending; /* 0 ... 2 */
	} nmi;
	uint8_t interrupt_shadow; /* KVM_X86_SHADOW_INT_*: events wait for one more instruction */
	bool triple_fault_pending;
	bool smi_pending, in_smm, smm_inside_nmi, init_latched;
	uint8_t sipi_vector;
	uint32_t mp_state; /* KVM_MP_STATE_* */
	/* Up to here: what snapshot.c sets aside. */
	char registers_end[0];

	_Atomic uint32_t apic_events; /* what other threads sent: mp_state.c's bits */

	/* ---- KVM's own. ---- */
	struct kvm_cpuid_entry2 *cpuid; /* what SET_CPUID2 said */
	uint32_t cpuid_count;
	uint64_t cr4_reserved; /* bits that the guest's CPUID forbids (guest writes) */
	uint8_t physical_bits; /* MAXPHYADDR of the guest's CPUID: 36 without */
	bool ran;              /* KVM_RUN was entered: SET_CPUID2 may only repeat itself */
	bool pv_enforced;      /* KVM_CAP_ENFORCE_PV_FEATURE_CPUID */
	bool cpuid_faulting;   /* MISC_FEATURES_ENABLES bit 0 */
	struct lapic *lapic;   /* NULL without an irqchip in the kernel */
	/* KVM_CAP_SPLIT_IRQCHIP: the vector that the program's PIC gave (KVM_INTERRUPT), and an ended one to tell (KVM_EXIT_IOAPIC_EOI). */
	bool external_pending, ended_exit;
	uint8_t external_vector, ended_vector;
	bool pv_unhalted;      /* KVM_HC_KICK_CPU: the next HLT ends at once */
	bool pv_stopped;       /* KVM_KVMCLOCK_CTRL: to be told with the next clock page */
	bool pv_eoi_offered;   /* the guest may end its interrupt in memory */
	bool steal_due;        /* stolen time is to be told at the next entry */
	uint64_t clock_seen;   /* the clock generation that the guest's pages have; 0: none */
	uint64_t run_delay_told;
	struct xen_vcpu xen;
	uint32_t hyperv_index; /* VP_INDEX, when the program has set it */
	bool hyperv_index_set;
	struct kvm_guest_debug guest_debug;
	uint64_t singlestep_rip; /* linear RIP at KVM_SET_GUEST_DEBUG */
	uint64_t sync_valid, sync_dirty;
	_Atomic uint64_t stats_values[VCPU_STATS];

	/* ---- Exits under way. ---- */
	enum completion completion;
	struct mmio_fragment mmio[MMIO_FRAGMENTS];
	uint32_t mmio_count, mmio_done, mmio_cursor; /* reads recorded; answered by the program; used by the instruction so far */
	struct mmio_fragment mmio_write[MMIO_FRAGMENTS]; /* what an instruction wrote; told once it is complete */
	uint32_t mmio_write_count, mmio_write_told;
	struct {
		uint16_t port;
		uint8_t size, length; /* of an element; of the instruction */
		uint32_t count;
		bool string, out, rep;
		uint8_t address_size;
		uint64_t rip; /* of the instruction */
	} pio;
	struct {
		uint32_t index;
		uint8_t length;
	} msr_exit;
	uint8_t hypercall_length;

	struct x86_xsave xsave;
	/* The host's unit while the guest has it: cpu/fpu.c. */
	struct {
		uint32_t mxcsr;                /* the program's, once the guest has used the SSE unit */
		bool sse_used;
		uint32_t x87_environment[7];   /* the program's, once the guest has used the x87 unit (FNSTENV) */
		bool x87_used;
		uint8_t x87_flags;             /* exception flags that may stand in the unit */
		uint16_t x87_control;          /* control word in the unit */
	} host_fpu;

	struct x86_snapshot *snapshot; /* snapshot.c's */
	struct x86_plan register_plan, register_plan_one; /* registers.c's: of the last calls that read many, and one */

	/* ---- Pages below are touched only once the vCPU runs, or is asked for registers by id (registers.c). ---- */
	struct x86_state registers;
	uint8_t registers_xsave[sizeof(struct kvm_xsave)] __attribute__((aligned(64)));
	struct block_cache *blocks;
	struct native *native; /* NULL: everything is interpreted */
	struct tlb tlbs[MMU_INDICES];
	struct tlb tlb_empty;
};

static inline struct x86_vcpu *x86_vcpu(struct vcpu *vcpu)
{
	return (struct x86_vcpu *)vcpu; /* its first field */
}

enum irqchip_mode { IRQCHIP_NONE, IRQCHIP_SPLIT, IRQCHIP_KERNEL };

/* One range of KVM_X86_SET_MSR_FILTER. */
struct msr_range {
	uint32_t flags, base, count;
	uint8_t *bitmap;
};
struct msr_filter {
	bool default_allow;
	uint32_t count;
	struct msr_range ranges[KVM_MSR_FILTER_MAX_RANGES];
};

struct x86_vm {
	struct vm vm;
	_Atomic enum irqchip_mode irqchip;
	struct pics *pics;     /* these two: with IRQCHIP_KERNEL, before there are vCPUs */
	struct ioapic *ioapic;
	struct pit *_Atomic pit;
	uint32_t reserved_pins; /* of the program's I/O APIC: IRQCHIP_SPLIT */
	uint64_t apic_bus_ns;   /* a cycle of the local APICs' timers: KVM_CAP_X86_APIC_BUS_CYCLES_NS */
	uint32_t boot_vcpu_id, max_vcpu_ids;
	uint32_t tsc_khz; /* of vCPUs to come */
	/* The VM's time (tsc.c): the offset that a vCPU's TSC was given last, its rate, and whether the program gave it. */
	pthread_mutex_t tsc_lock;
	uint64_t tsc_offset;
	uint32_t tsc_offset_khz;
	bool tsc_written;
	/* kvmclock (clock.c): the clock's value when the host's TSC had another; how often that changed. */
	pthread_mutex_t clock_lock;
	uint64_t clock_tsc, clock_ns;
	_Atomic uint64_t clock_generation;
	_Atomic uint64_t wall_clock; /* MSR */
	struct xen_vm xen;
	_Atomic uint64_t hyperv_guest_id, hyperv_hypercall; /* MSRs: hyperv.c */
	uint64_t disabled_quirks;
	uint32_t user_space_msr; /* KVM_CAP_X86_USER_SPACE_MSR's mask */
	struct msr_filter *_Atomic filter; /* replaced under vm_memory_stop() */
	bool exception_payload, triple_fault_event;
	uint64_t disabled_exits, x2apic_api, exit_hypercall;
	uint64_t identity_map, tss_address;
	bool platform_info_hidden;      /* KVM_CAP_MSR_PLATFORM_INFO: the guest's RDMSR of it is #GP */
	bool exit_on_emulation_failure; /* KVM_CAP_EXIT_ON_EMULATION_FAILURE: from user mode as well */
	pthread_mutex_t split_lock; /* LOCKed accesses that are not one piece of memory */
};

static inline struct x86_vm *x86_vm(const struct x86_vcpu *cpu)
{
	return (struct x86_vm *)cpu->vcpu.vm;
}

/* RIP with the code segment's base. */
static inline uint64_t linear_rip(const struct x86_vcpu *cpu)
{
	if (cpu->efer & EFER_LMA && cpu->seg[CS].l)
		return cpu->rip;
	return (uint32_t)(cpu->seg[CS].base + cpu->rip);
}

/* ---- vCPU life (vcpu.c). ---- */
int x86_vcpu_create(struct vcpu *vcpu);
void x86_vcpu_destroy(struct vcpu *vcpu);
/* Power-up (init = false) or INIT (init = true) state: SDM Vol. 3A, table 9-1. */
void x86_vcpu_reset(struct x86_vcpu *cpu, bool init);

/* ---- KVM_RUN (run.c). ---- */
/* Whether an interrupt that the program might give (KVM_INTERRUPT) could be taken now. */
bool interrupt_window_open(const struct x86_vcpu *cpu);
/* INIT and SIPI that other vCPUs sent (mp_state.c). */
void mp_state_apply_events(struct x86_vcpu *cpu);
/* Describes the instruction at RIP as one that cannot be emulated, in kvm_run. */
void internal_error_emulation(struct x86_vcpu *cpu);
long x86_vcpu_run(struct vcpu *vcpu);

/* ---- One function a KVM ioctl; ioctl.c's table leads here. State arguments are already copied in; results are copied out by the table. ---- */
void regs_get(struct x86_vcpu *cpu, struct kvm_regs *regs);                    /* regs.c */
int regs_set(struct x86_vcpu *cpu, const struct kvm_regs *regs);
void sregs_get(struct x86_vcpu *cpu, struct kvm_sregs *sregs);                 /* sregs.c */
int sregs_set(struct x86_vcpu *cpu, const struct kvm_sregs *sregs);
void events_get(struct x86_vcpu *cpu, struct kvm_vcpu_events *events);         /* events.c */
int events_set(struct x86_vcpu *cpu, const struct kvm_vcpu_events *events);
/* Sync regs (sync_regs.c; api.rst, KVM_CAP_SYNC_REGS): before the guest runs, and on every way out. */
int sync_regs_load(struct x86_vcpu *cpu);
void sync_regs_store(struct x86_vcpu *cpu);

/* ---- CPUID (cpuid.c). ---- */
const struct kvm_cpuid_entry2 *cpuid_find(const struct x86_vcpu *cpu, uint32_t function, uint32_t index);
/* What the CPUID instruction answers, with KVM's runtime adjustments (OSXSAVE, XSAVE sizes, APIC). */
void cpuid_execute(struct x86_vcpu *cpu, uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx);
bool cpuid_has(const struct x86_vcpu *cpu, uint32_t function, uint32_t index, enum gpr which, unsigned int bit);

/* ---- MSRs (msr.c). 0, or nonzero: -EINVAL where the guest gets #GP, -ENOENT for an MSR that does not exist. ---- */
int msr_read(struct x86_vcpu *cpu, uint32_t index, bool from_host, uint64_t *value);
int msr_write(struct x86_vcpu *cpu, uint32_t index, bool from_host, uint64_t value);
/* Whether KVM_X86_SET_MSR_FILTER lets the guest access it. */
bool msr_allowed(struct x86_vcpu *cpu, uint32_t index, bool write);
uint64_t x86_tsc_read(const struct x86_vcpu *cpu);

/* ---- Control registers, for guest instructions and for SREGS alike (control.c). `false`: #GP. ---- */
bool cr0_write(struct x86_vcpu *cpu, uint64_t value);
bool cr3_write(struct x86_vcpu *cpu, uint64_t value);
bool cr4_write(struct x86_vcpu *cpu, uint64_t value);
bool cr8_write(struct x86_vcpu *cpu, uint64_t value);
bool efer_write(struct x86_vcpu *cpu, uint64_t value);
bool xcr0_write(struct x86_vcpu *cpu, uint32_t index, uint64_t value);
uint64_t cr8_read(const struct x86_vcpu *cpu);
/* PAE paging proper, with its top entries in registers. */
bool pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer);
/* Loads them from the table at `cr3`; false, and the old ones are kept, when there is none or it has reserved bits set. */
bool pdptrs_load(struct x86_vcpu *cpu, uint64_t cr3);
/* The XCR0 bits that the guest's CPUID offers. */
uint64_t xcr0_guest(const struct x86_vcpu *cpu);
/* Guest memory by its physical address, inside memory slots; the caller has entered the guest (cpu/mmu.c). */
bool mem_read_physical(struct x86_vcpu *cpu, uint64_t gpa, void *to, unsigned int size);
/* Recomputes what the interpreter derives from registers (mode, cpl, mmu index) and drops translations if told. */
void cpu_state_changed(struct x86_vcpu *cpu, bool flush);

/* ---- Local APIC (lapic.c). ---- */
struct lapic *lapic_create(struct x86_vcpu *cpu);
void lapic_destroy(struct lapic *lapic);
void lapic_reset(struct x86_vcpu *cpu);
int lapic_get(struct x86_vcpu *cpu, struct kvm_lapic_state *state);
int lapic_set(struct x86_vcpu *cpu, const struct kvm_lapic_state *state);
/* xAPIC page and x2APIC MSRs. `false`: #GP (x2APIC). */
bool lapic_mmio_covers(const struct x86_vcpu *cpu, uint64_t gpa);
void lapic_mmio_read(struct x86_vcpu *cpu, uint32_t offset, uint32_t size, void *data);
void lapic_mmio_write(struct x86_vcpu *cpu, uint32_t offset, uint32_t size, const void *data);
bool lapic_msr_read(struct x86_vcpu *cpu, uint32_t index, uint64_t *value);
bool lapic_msr_write(struct x86_vcpu *cpu, uint32_t index, uint64_t value);
int lapic_base_set(struct x86_vcpu *cpu, uint64_t value, bool from_host);
/* The vector of highest priority that may be taken now, or -1; _accept moves it from IRR to ISR. */
int lapic_interrupt_pending(struct x86_vcpu *cpu);
void lapic_interrupt_accept(struct x86_vcpu *cpu, uint8_t vector);
/* The registers that only the vCPU's own thread changes, to be set aside (snapshot.c) or put back. */
#define LAPIC_REGISTERS (4096 / 16)
void lapic_registers_copy(struct x86_vcpu *cpu, uint32_t *registers, bool back);
/* The guest has ended the interrupt of highest priority. */
void lapic_end_of_interrupt(struct x86_vcpu *cpu);
/* Whether nobody but the APIC has to know of that end, and nothing else waits. */
bool lapic_end_is_simple(struct x86_vcpu *cpu);
/* Whether LINT0 lets the PICs' interrupts through. */
bool lapic_takes_pic(const struct x86_vcpu *cpu);
/* The timer (lapic_timer.c): delivers what is due; the monotonic time of what comes next, UINT64_MAX without. */
void lapic_timer_check(struct x86_vcpu *cpu);
uint64_t lapic_timer_target(const struct x86_vcpu *cpu);
uint64_t lapic_tsc_deadline_get(const struct x86_vcpu *cpu);
void lapic_tsc_deadline_set(struct x86_vcpu *cpu, uint64_t value);
/* CR8 is the APIC's TPR. */
uint64_t lapic_tpr_get(const struct x86_vcpu *cpu);
void lapic_tpr_set(struct x86_vcpu *cpu, uint64_t cr8);

#endif
