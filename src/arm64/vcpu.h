/*
 * The arm64 vCPU: one struct that the ioctls, the register catalogue and the interpreter all work on. Nothing is copied to make a
 * register visible. Field names are the Arm Architecture Reference Manual's (DDI 0487).
 */
#ifndef ANYKVM_ARM64_VCPU_H
#define ANYKVM_ARM64_VCPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "anykvm/arm64.h"
#include "vm/tlb.h"
#include "vm/vm.h"

/* ---- General registers. An operand that may be SP names X_SP_EL0 or X_SP_EL1 by what SPSel says where it is decoded. ---- */
enum {
	X_LR = 30,
	X_ZERO = 31,   /* reads as 0 and is never written: results that go to XZR are written to X_SINK */
	X_SINK = 32,
	X_SP_EL0 = 33,
	X_SP_EL1 = 34,
	X_COUNT = 35,
};

/* ---- PSTATE, in SPSR's layout (C5.2.18). N, Z, C and V stand apart while the guest runs: see cpu/flags.h. ---- */
#define PSTATE_SP (UINT64_C(1) << 0)
#define PSTATE_EL_SHIFT 2
#define PSTATE_EL (UINT64_C(3) << 2)
#define PSTATE_NRW (UINT64_C(1) << 4) /* AArch32 */
#define PSTATE_F (UINT64_C(1) << 6)
#define PSTATE_I (UINT64_C(1) << 7)
#define PSTATE_A (UINT64_C(1) << 8)
#define PSTATE_D (UINT64_C(1) << 9)
#define PSTATE_DAIF (UINT64_C(15) << 6)
#define PSTATE_SSBS (UINT64_C(1) << 12)
#define PSTATE_IL (UINT64_C(1) << 20)
#define PSTATE_SS (UINT64_C(1) << 21)
#define PSTATE_PAN (UINT64_C(1) << 22)
#define PSTATE_UAO (UINT64_C(1) << 23)
#define PSTATE_DIT (UINT64_C(1) << 24)
#define PSTATE_V (UINT64_C(1) << 28)
#define PSTATE_C (UINT64_C(1) << 29)
#define PSTATE_Z (UINT64_C(1) << 30)
#define PSTATE_N (UINT64_C(1) << 31)
#define PSTATE_NZCV (UINT64_C(15) << 28)
#define PSTATE_MODE UINT64_C(0x1f)
#define PSTATE_EL0T UINT64_C(0x0)
#define PSTATE_EL1T UINT64_C(0x4)
#define PSTATE_EL1H UINT64_C(0x5)

#define SCTLR_M (UINT64_C(1) << 0)
#define SCTLR_A (UINT64_C(1) << 1)
#define SCTLR_SA (UINT64_C(1) << 3)
#define SCTLR_SA0 (UINT64_C(1) << 4)
#define SCTLR_UMA (UINT64_C(1) << 9)
#define SCTLR_ENDB (UINT64_C(1) << 13)
#define SCTLR_DZE (UINT64_C(1) << 14)
#define SCTLR_UCT (UINT64_C(1) << 15)
#define SCTLR_NTWI (UINT64_C(1) << 16)
#define SCTLR_NTWE (UINT64_C(1) << 18)
#define SCTLR_WXN (UINT64_C(1) << 19)
#define SCTLR_SPAN (UINT64_C(1) << 23)
#define SCTLR_E0E (UINT64_C(1) << 24)
#define SCTLR_EE (UINT64_C(1) << 25)
#define SCTLR_UCI (UINT64_C(1) << 26)
#define SCTLR_ENDA (UINT64_C(1) << 27)
#define SCTLR_ENIB (UINT64_C(1) << 30)
#define SCTLR_ENIA (UINT64_C(1) << 31)

/* ---- System registers with ids. ---- */
enum sysreg {
#define SYSREG(name, op0, op1, crn, crm, op2, rule, reset) SYS_##name,
#include "arm64/sysregs_list.h"
#undef SYSREG
	SYSREG_COUNT
};

/* ---- Vector registers. V0 ... V31 are the low 128 bits of Z0 ... Z31. ---- */
#define ARM64_VQ_MAX 16 /* 2048 bits */
union arm64_z {
	uint8_t b[16 * ARM64_VQ_MAX];
	uint16_t h[8 * ARM64_VQ_MAX];
	uint32_t s[4 * ARM64_VQ_MAX];
	uint64_t d[2 * ARM64_VQ_MAX];
} __attribute__((aligned(16)));
union arm64_p {
	uint8_t b[2 * ARM64_VQ_MAX];
	uint64_t d[2 * ARM64_VQ_MAX / 8];
} __attribute__((aligned(8)));

/* Why the interpreter left its loop. */
enum arm64_stop {
	ARM64_STOP_NONE,
	ARM64_STOP_CAREFUL,   /* nothing was done: execute the instruction at PC alone, on the slow paths */
	ARM64_STOP_EXCEPTION, /* `exception` is to be taken */
	ARM64_STOP_EVENT,     /* the instruction is done; look whether an interrupt can be taken now */
	ARM64_STOP_WAIT,      /* WFI is done: PC is past it */
	ARM64_STOP_CALL,      /* HVC or SMC: PC is KVM's (past HVC, on SMC); `exception.syndrome` tells which */
	ARM64_STOP_EXIT,      /* kvm_run describes an exit: KVM_RUN returns 0 */
	ARM64_STOP_ERROR,     /* KVM_RUN fails with -stop_error */
};

/* Translations of guest pages are for one of these. */
enum arm64_mmu_index { ARM64_MMU_EL1, ARM64_MMU_EL1_PAN, ARM64_MMU_EL0, ARM64_MMU_INDICES };

/* Counters of KVM_GET_STATS_FD on a vCPU. */
enum arm64_vcpu_stat { ARM64_STAT_EXITS, ARM64_STAT_MMIO_EXITS, ARM64_STAT_SIGNAL_EXITS, ARM64_STAT_WFI_EXITS, ARM64_VCPU_STATS };

struct a64_insn;
struct a64_blocks;
struct a64_native;
struct arm64_vm;

struct arm64_vcpu {
	struct vcpu vcpu;

	/* ---- The registers. ---- */
	uint64_t x[X_COUNT];
	uint64_t pc;      /* exact whenever the interpreter is not inside a block */
	/* N is bit 63 of flag_n; Z: flag_z is 0; C is 0 or 1; V is bit 63 of flag_v. */
	uint64_t flag_n, flag_z, flag_c, flag_v;
	uint64_t pstate;  /* all but N, Z, C, V: use pstate_get() and pstate_set() */

	/* ---- The interpreter's own (transient). ---- */
	const struct tlb *tlb; /* of the current privilege; an always empty one in careful mode */
	const struct a64_insn *insn; /* the instruction whose memory access is under way: what a host fault interrupts */
	uint32_t stop;         /* enum arm64_stop */
	uint32_t mode;         /* what decoding depends on: A64_MODE_* of cpu/insn.h */
	uint64_t block_pc;     /* PC of the first byte of the code being run */
	uint64_t block_host, block_length; /* a store into the code being run must be noticed */
	int32_t blocks_in_a_row;
	uint64_t *block_link;  /* where the branch that has just been left wants to find the block it leads to */
	struct a64_native *native; /* cpu/native.h; NULL: there is none */
	uint32_t native_link;  /* which jump of native code has just been left; 0: none */
	bool careful;          /* one instruction at a time, all accesses on the slow path */
	uint8_t el;            /* 0 or 1 */
	uint8_t mmu_index;
	bool tlb_used;
	uint16_t vl;           /* bytes of a vector at the current exception level (ZCR_EL1): what SVE instructions work on */
	uint16_t vl_max;       /* bytes of the longest vector this vCPU has: 16 without SVE */
	int stop_error;

	uint32_t fpcr, fpsr;
	uint64_t elr_el1;
	uint64_t spsr[KVM_NR_SPSR]; /* spsr[KVM_SPSR_EL1], then AArch32's */
	uint64_t sys[SYSREG_COUNT];
	uint32_t ccsidr[14];
	union arm64_z z[32];
	union arm64_p p[17]; /* p[16] is FFR */

	/* The exclusives monitor (B2.9): what LDXR read, and where. */
	struct {
		bool open;
		uint8_t size;
		uint64_t address; /* virtual */
		uint64_t value[2];
	} monitor;

	/* A synchronous exception under way, and the asynchronous ones that wait. */
	struct {
		uint64_t syndrome; /* ESR_EL1 */
		uint64_t far;
		bool has_far;
	} exception;
	struct {
		bool pending;
		uint64_t esr; /* an ISS */
	} serror;
	bool external_abort_pending; /* KVM_SET_VCPU_EVENTS' ext_dabt_pending */
	uint64_t left_far;           /* virtual address of the access that the guest was last left for: what such an abort is of */
	_Atomic uint32_t irq_lines;  /* bit 0 IRQ, bit 1 FIQ: KVM_IRQ_LINE */

	/* The generic timer: 0 virtual, 1 physical. Counters are arm64_counter(). */
	struct {
		uint32_t ctl; /* ENABLE, IMASK */
		uint64_t cval;
	} timer[2];

	uint32_t mp_state; /* KVM_MP_STATE_RUNNABLE or _STOPPED */
	/* CPU_ON of another vCPU: what the vCPU begins with (PSCI 1.1, 5.6). Under the VM's lock. */
	struct {
		bool pending;
		uint64_t pc, x0;
	} power_on;

	/* ---- KVM's own. ---- */
	bool initialized, finalized, ran;
	bool pmu_created; /* KVM_ARM_VCPU_PMU_V3_INIT */
	/* KVM_ARM_VCPU_PVTIME_IPA: stolen time so far, and what the host's kernel had counted when it was looked at. */
	struct {
		bool set;
		uint64_t base, stolen, seen;
	} pvtime;
	uint64_t vls[8]; /* KVM_REG_ARM64_SVE_VLS */
	struct kvm_guest_debug guest_debug;
	bool step_active; /* KVM_GUESTDBG_SINGLESTEP: one instruction, then an exit */
	_Atomic uint64_t stats_values[ARM64_VCPU_STATS];

	/* ---- Exits under way. ---- */
	struct {
		bool pending;
		bool write, sign, wide; /* of a read: sign-extended; into an X register */
		uint8_t size, rt;
	} mmio;
	bool hypercall_pending;

	/* ---- Pages below are touched only when used. ---- */
	struct register_entry register_entries[REGISTERS_MAX];
	uint64_t register_values[REGISTERS_MAX];
	struct arm64_plan *register_plans[2]; /* of the last call for many registers, that read and that set: registers.c */
	struct a64_blocks *blocks;
	struct tlb tlbs[ARM64_MMU_INDICES];
	struct tlb tlb_empty;
};

static inline struct arm64_vcpu *arm64_vcpu(struct vcpu *vcpu)
{
	return (struct arm64_vcpu *)vcpu; /* its first field */
}

/* KVM_CAP_GUEST_DEBUG_HW_BPS and _WPS; the last breakpoints can match a context. What ID_AA64DFR0_EL1 says. */
#define ARM64_BREAKPOINTS 6
#define ARM64_CONTEXT_BREAKPOINTS 2
#define ARM64_WATCHPOINTS 4

/* Feature ID registers: op0 3, CRn 0, CRm 0 ... 7 of op1 0, as SYS_ numbers from SYS_ID_PFR0_EL1 on; and CTR_EL0. */
#define ARM64_ID_COUNT (SYS_S3_0_C0_C7_7 - SYS_ID_PFR0_EL1 + 1)

struct arm64_vm {
	struct vm vm;
	/* ---- Under vm.lock. ---- */
	bool initialized;      /* some vCPU was: `features` are the VM's */
	_Atomic bool ran;      /* some vCPU was run */
	uint32_t features;     /* 1 << KVM_ARM_VCPU_*, POWER_OFF apart */
	uint64_t id[ARM64_ID_COUNT];
	uint64_t ctr;
	uint64_t psci_version; /* 0: not set, the newest */
	uint64_t bitmap[3];    /* KVM_REG_ARM_STD_BMAP ... */
	uint64_t pmcr_n;
#define ARM64_PMU_EVENTS 0x10000
	bool pmu_filtered;     /* KVM_ARM_VCPU_PMU_V3_FILTER was set: events that are not counted, one bit each */
	uint64_t pmu_denied[ARM64_PMU_EVENTS / 64];
	bool counter_offset_set; /* KVM_ARM_SET_COUNTER_OFFSET */
	_Atomic uint64_t counter_offset[2]; /* virtual, physical: subtracted from the host's counter */
	uint64_t host_vls;     /* one bit a multiple of 128 bits: the vector lengths of the "host" */
	uint32_t user_nisv;    /* KVM_CAP_ARM_NISV_TO_USER */
	uint32_t suspend_exit; /* KVM_CAP_ARM_SYSTEM_SUSPEND */
	struct kvm_smccc_filter *smccc_filter; /* KVM_ARM_VM_SMCCC_FILTER's ranges */
	uint32_t smccc_filter_count;
};

static inline struct arm64_vm *arm64_vm(const struct arm64_vcpu *cpu)
{
	return (struct arm64_vm *)cpu->vcpu.vm;
}

static inline bool arm64_has(const struct arm64_vcpu *cpu, unsigned int feature)
{
	return arm64_vm(cpu)->features >> feature & 1;
}

/* PSTATE whole, in SPSR's layout. */
static inline uint64_t pstate_get(const struct arm64_vcpu *cpu)
{
	return cpu->pstate | (cpu->flag_n >> 63) << 31 | (uint64_t)(cpu->flag_z == 0) << 30 | cpu->flag_c << 29 | (cpu->flag_v >> 63) << 28;
}

static inline void pstate_set(struct arm64_vcpu *cpu, uint64_t pstate)
{
	cpu->pstate = pstate & ~PSTATE_NZCV;
	cpu->flag_n = (pstate & PSTATE_N) << 32;
	cpu->flag_z = !(pstate & PSTATE_Z);
	cpu->flag_c = pstate >> 29 & 1;
	cpu->flag_v = (pstate & PSTATE_V) << 35;
}

/* The registers that this exception level's SP is. */
static inline unsigned int sp_register(uint64_t pstate)
{
	return (pstate & (PSTATE_EL | PSTATE_SP)) == PSTATE_EL1H ? X_SP_EL1 : X_SP_EL0;
}

/* ---- Life (vcpu.c). ---- */
int arm64_vcpu_create(struct vcpu *vcpu);
void arm64_vcpu_destroy(struct vcpu *vcpu);
/* The registers as KVM_ARM_VCPU_INIT and PSCI's CPU_ON leave them. */
void arm64_vcpu_reset(struct arm64_vcpu *cpu);

/* ---- KVM_RUN (run.c). ---- */
long arm64_vcpu_run(struct vcpu *vcpu);
/* The reset that another vCPU's CPU_ON still owes this one: before it runs, and before anybody looks at its registers. */
void arm64_power_on(struct arm64_vcpu *cpu);

/* ---- The generic timer (timer.c). CNTV_CTL_EL0's and CNTP_CTL_EL0's bits. ---- */
#define TIMER_ENABLE 1u
#define TIMER_IMASK 2u
#define TIMER_ISTATUS 4u
uint64_t arm64_counter(const struct arm64_vcpu *cpu, unsigned int timer);
#define ARM64_COUNTER_HZ UINT64_C(62500000) /* CNTFRQ_EL0 */
/* Whether the timer's condition is met: ISTATUS. */
bool arm64_timer_fires(const struct arm64_vcpu *cpu, unsigned int timer);
/* CLOCK_MONOTONIC when an enabled, unmasked timer will fire; UINT64_MAX: none. */
uint64_t arm64_timer_deadline(const struct arm64_vcpu *cpu);

/* ---- Stolen time (pvtime.c). ---- */
/* The guest asks for it (PV_TIME_ST; the vCPU is in the guest): where it is, or -1. */
uint64_t arm64_pvtime_start(struct arm64_vcpu *cpu);
/* Before the guest is entered. */
void arm64_pvtime_update(struct arm64_vcpu *cpu);

/* ---- ID registers (idregs.c). ---- */
/* What the interpreter has, before anything was written. */
uint64_t arm64_id_limit(const struct arm64_vm *vm, enum sysreg reg);

#endif
