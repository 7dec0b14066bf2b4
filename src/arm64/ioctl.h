/*
 * Between the files of this folder that are not the interpreter: what stands behind the vCPU ioctls, family by family, and the classes of
 * registers that ids name. Arguments are already copied in and lie in our own memory. `int` results are 0 or -errno.
 */
#ifndef ANYKVM_ARM64_IOCTL_H
#define ANYKVM_ARM64_IOCTL_H

#include "arm64/vcpu.h"
#include "vm/registers.h"

#define ARM64_GUEST_DEBUG_CONTROLS (KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW)

/* The table, and all else that src/vm asks of a vCPU (ioctl.c). */
extern const struct vcpu_ops arm64_vcpu_ops;
/* The vCPU's registers by id (registers.c). _forget: which registers there are has changed, or the vCPU goes. */
extern const struct register_ops arm64_register_ops;
void arm64_registers_forget(struct arm64_vcpu *cpu);

/* ---- KVM_ARM_VCPU_INIT, KVM_ARM_VCPU_FINALIZE, KVM_ARM_PREFERRED_TARGET (init.c). ---- */
int arm64_vcpu_init(struct arm64_vcpu *cpu, const struct kvm_vcpu_init *init);
int arm64_vcpu_finalize(struct arm64_vcpu *cpu, int feature);
void arm64_preferred_target(struct kvm_vcpu_init *init);

/* ---- Events, MP state, guest debugging, attributes. ---- */
void arm64_events_get(const struct arm64_vcpu *cpu, struct kvm_vcpu_events *events);
int arm64_events_set(struct arm64_vcpu *cpu, const struct kvm_vcpu_events *events);
void arm64_mp_state_get(const struct arm64_vcpu *cpu, struct kvm_mp_state *state);
int arm64_mp_state_set(struct arm64_vcpu *cpu, const struct kvm_mp_state *state);
int arm64_guest_debug_set(struct arm64_vcpu *cpu, const struct kvm_guest_debug *debug);
int arm64_attribute_has(struct arm64_vcpu *cpu, const struct kvm_device_attr *attribute);
int arm64_attribute_get(struct arm64_vcpu *cpu, const struct kvm_device_attr *attribute);
int arm64_attribute_set(struct arm64_vcpu *cpu, const struct kvm_device_attr *attribute);

/* KVM_ARM_VCPU_PVTIME_IPA (pvtime.c): `address` is where the program has, or wants, the 64 bits. */
int arm64_pvtime_set(struct arm64_vcpu *cpu, uint64_t address);
int arm64_pvtime_get(const struct arm64_vcpu *cpu, uint64_t address);

/* ---- A register that an id names. ---- */

struct arm64_class;
struct arm64_reg {
	const struct arm64_class *class;
	uint32_t number; /* the class's own */
	uint16_t size;   /* bytes, as the id says */
	uint16_t significant; /* bytes of a value that count when it is set */
	bool plain;      /* any value can be set, and to set it is to copy it to `place` */
	int late;        /* 0, or why it cannot be set, to be told once its value was read */
	void *place;     /* where the value is, when it is nothing but storage of the vCPU; else NULL, and get() makes it up */
};

struct arm64_class {
	/* The register of that id, to be read or set: 0 or -errno. */
	int (*find)(struct arm64_vcpu *cpu, uint64_t id, bool set, struct arm64_reg *reg);
	/* Values of at most 8 bytes that stand at no `place`. The VM's lock is held, as for the next two. */
	uint64_t (*get)(struct arm64_vcpu *cpu, const struct arm64_reg *reg);
	/* Whether the value can be set, whatever else is set with it. */
	int (*check)(struct arm64_vcpu *cpu, const struct arm64_reg *reg, const void *value);
	void (*set)(struct arm64_vcpu *cpu, const struct arm64_reg *reg, const void *value);
	/* Ids of the class that the vCPU has, in KVM's order. */
	uint32_t (*list)(const struct arm64_vcpu *cpu, uint64_t *ids);
};

extern const struct arm64_class arm64_core, arm64_sve, arm64_firmware, arm64_timer, arm64_system, arm64_demux;

/* MIDR, REVIDR and AIDR stand in front of the other system registers in the list. */
uint32_t arm64_invariants_list(const struct arm64_vcpu *cpu, uint64_t *ids);

static inline uint64_t value64(const void *value)
{
	uint64_t word;

	__builtin_memcpy(&word, value, sizeof word);
	return word;
}

/* ---- System registers (sysregs.c). ---- */

enum arm64_sysreg_rule {
	RULE_PLAIN,     /* storage: 64 bits, unchecked */
	RULE_PMU,       /* storage that vCPUs with KVM_ARM_VCPU_PMU_V3 have */
	RULE_PMU_SET,   /* pairs of registers over one word: bits are set, */
	RULE_PMU_CLR,   /* or cleared */
	RULE_PMU_SWINC,
	RULE_PMU_PMCR,
	RULE_SVE,
	RULE_PTRAUTH,
	RULE_ID,        /* the VM's; fields can be lowered until a vCPU has run */
	RULE_INVARIANT, /* what the machine is */
	RULE_OSLSR,
	RULE_CLIDR,
	RULE_MPIDR,
};

struct arm64_sysreg {
	uint16_t encoding; /* op0, op1, CRn, CRm, op2, as in an id */
	uint8_t rule;
	uint64_t reset;
};

extern const struct arm64_sysreg arm64_sysregs[SYSREG_COUNT];

#define ARM64_SYSREG_ID(encoding) (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM64_SYSREG | (encoding))

/* All system registers as a reset leaves them; those that identify the vCPU only when `first`. */
void arm64_sysregs_reset(struct arm64_vcpu *cpu, bool first);

/* ---- Performance monitors (pmu.c). ---- */
#define ARM64_PMU_COUNTERS 6
#define ARM64_PMCR UINT64_C(0x40) /* after a reset: LC, which is RES1 where there is no AArch32 */
/* PMCNTENCLR_EL0 and others that clear: the register that sets, which has the word. Any other: itself. */
enum sysreg arm64_pmu_word(enum sysreg reg);
/* The counters that there are, a bit each. */
uint64_t arm64_pmu_counters(const struct arm64_vcpu *cpu);

uint64_t arm64_pmu_get(struct arm64_vcpu *cpu, enum sysreg reg);
void arm64_pmu_set(struct arm64_vcpu *cpu, enum sysreg reg, uint64_t value);
/* Registers of a pair that were set together to one value: the word is that. `which` of them are to be looked at. */
void arm64_pmu_settle(struct arm64_vcpu *cpu, const struct arm64_reg *regs, const struct register_entry *entries, const uint16_t *which, uint32_t count);

/* ---- ID registers (idregs.c). ---- */
void arm64_id_reset(struct arm64_vm *vm);
uint64_t *arm64_id_place(struct arm64_vm *vm, enum sysreg reg);
int arm64_id_check(const struct arm64_vm *vm, enum sysreg reg, uint64_t value);
void arm64_id_set(struct arm64_vm *vm, enum sysreg reg, uint64_t value);
uint64_t arm64_id_writable(enum sysreg reg);
int arm64_clidr_check(uint64_t value);
/* KVM_ARM_GET_REG_WRITABLE_MASKS. */
void arm64_id_masks(uint64_t masks[KVM_ARM_FEATURE_ID_RANGE_SIZE]);
uint64_t arm64_mpidr(uint32_t id);
#define ARM64_MIDR UINT64_C(0xfa4b0)       /* implementer 0: software; our own part number */
#define ARM64_CTR UINT64_C(0x9444c004)     /* lines of 64 bytes, PIPT; data caches need no cleaning for instructions (IDC) */
#define ARM64_CLIDR UINT64_C(0x2000021)    /* an instruction cache, then a unified one, where coherency is: as Linux makes it from CTR */
#define ARM64_CCSIDR 2                     /* lines of 64 bytes, and nothing else */

/* ---- SVE (sve.c). ---- */
/* Vector lengths of the "host": ANYKVM_SVE_VLS. One bit a multiple of 128 bits. */
uint64_t arm64_host_vls(void);
void arm64_sve_reset(struct arm64_vcpu *cpu);

/* ---- Timers, beside what vcpu.h has. ---- */
void arm64_counters_start(struct arm64_vm *vm);

/* ---- What the interpreter offers (cpu/exec.h, run.c). ---- */
void a64_cpu_discard(struct arm64_vcpu *cpu);
void a64_tlb_flush(struct arm64_vcpu *cpu);

#endif
