/*
 * ID registers: what the interpreter has (limits), which fields can be lowered (writable masks, as Linux 6.12 has them), and what is a safe
 * value of each. They are the VM's, and stand still once a vCPU has run. Fields: Arm ARM, D24.2. There is no AArch32: its ID registers read 0
 * and ignore what is written.
 *
 * What a field promises is there, and what none promises is not (tests/unit/test_arm64_ids.c). A field that is lowered changes what the guest reads,
 * and nothing else: Linux makes what is hidden UNDEFINED only where the processor has a trap for it (TLBI, AT S1E1RP; FEAT_FGT).
 */
#include <errno.h>

#include "arm64/ioctl.h"
#include "core/why.h"

#define F(value, low) ((uint64_t)(value) << (low))

/* ---- What the interpreter has. Fields that are 0 are left out. ---- */

#define PFR0                                                                                                                                 \
	(F(1, 0) /* EL0: AArch64 */ | F(1, 4) /* EL1 */ | F(1, 16) /* FP: with half precision */ | F(1, 20) /* AdvSIMD */ | F(1, 28) /* RAS */ | \
	 F(1, 48) /* DIT */ | F(1, 56) /* CSV2 */ | F(1, 60) /* CSV3 */)
#define PFR0_SVE F(1, 32)
#define PFR1 (F(2, 4) /* SSBS, MRS and MSR of it */)
#define ZFR0                                                                                                                                 \
	(F(1, 0) /* SVEver: SVE2 */ | F(2, 4) /* AES, PMULL */ | F(1, 16) /* BitPerm */ | F(1, 20) /* BF16 */ | F(1, 32) /* SHA3 */ |        \
	 F(1, 40) /* SM4 */ | F(1, 44) /* I8MM */ | F(1, 52) /* F32MM */ | F(1, 56) /* F64MM */)
#define DFR0                                                                                                                                 \
	(F(9, 0) /* DebugVer: Armv8.4 */ | F(ARM64_BREAKPOINTS - 1, 12) /* BRPs */ | F(ARM64_WATCHPOINTS - 1, 20) /* WRPs */ |               \
	 F(ARM64_CONTEXT_BREAKPOINTS - 1, 28) /* CTX_CMPs */)
#define DFR0_PMU F(6, 8) /* PMUVer: PMUv3 of Armv8.5 */
#define ISAR0                                                                                                                                \
	(F(2, 4) /* AES, PMULL */ | F(1, 8) /* SHA1 */ | F(2, 12) /* SHA2: and SHA-512 */ | F(1, 16) /* CRC32 */ | F(2, 20) /* Atomic */ |   \
	 F(1, 28) /* RDM */ | F(1, 32) /* SHA3 */ | F(1, 36) /* SM3 */ | F(1, 40) /* SM4 */ | F(1, 44) /* DP */ | F(1, 48) /* FHM */ |       \
	 F(2, 52) /* TS: FlagM2 */ | F(2, 56) /* TLB: by range */ | F(1, 60) /* RNDR */)
#define ISAR1                                                                                                                                \
	(F(2, 0) /* DPB: and DC CVADP */ | F(1, 12) /* JSCVT */ | F(1, 16) /* FCMA */ | F(2, 20) /* LRCPC */ | F(1, 32) /* FRINTTS */ |      \
	 F(1, 36) /* SB */ | F(1, 40) /* SPECRES */ | F(1, 44) /* BF16 */ | F(1, 48) /* DGH: nothing is gathered */ | F(1, 52) /* I8MM */ |  \
	 F(1, 56) /* XS */)
#define ISAR1_PTRAUTH (F(3, 8) /* API: EnhancedPAC2, an algorithm of our own */ | F(1, 28) /* GPI */)
#define MMFR0 (F(5, 0) /* PARange: 48 bits */ | F(2, 4) /* ASIDBits: 16 */ | F(1, 20) /* TGran16; TGran64 and TGran4 are 0 */ | F(1, 60) /* ECV */)
#define MMFR1 (F(2, 0) /* HAFDBS */ | F(1, 12) /* HPDS */ | F(2, 20) /* PAN: AT S1E1RP and WP too */)
#define MMFR2                                                                                                                                \
	(F(1, 0) /* CnP */ | F(1, 4) /* UAO */ | F(1, 12) /* IESB: errors are never late */ | F(1, 28) /* ST */ | F(1, 36) /* IDST */ |      \
	 F(1, 48) /* TTL */ | F(2, 52) /* BBM: nothing clashes */ | F(1, 60) /* E0PD */)

uint64_t arm64_id_limit(const struct arm64_vm *vm, enum sysreg reg)
{
	bool sve = vm->features >> KVM_ARM_VCPU_SVE & 1, ptrauth = vm->features >> KVM_ARM_VCPU_PTRAUTH_ADDRESS & 1;

	switch ((int)reg) {
	case SYS_ID_AA64PFR0_EL1: return PFR0 | (sve ? PFR0_SVE : 0);
	case SYS_ID_AA64PFR1_EL1: return PFR1;
	case SYS_ID_AA64ZFR0_EL1: return sve ? ZFR0 : 0;
	case SYS_ID_AA64DFR0_EL1: return DFR0 | (vm->features >> KVM_ARM_VCPU_PMU_V3 & 1 ? DFR0_PMU : 0);
	case SYS_ID_AA64ISAR0_EL1: return ISAR0;
	case SYS_ID_AA64ISAR1_EL1: return ISAR1 | (ptrauth ? ISAR1_PTRAUTH : 0);
	case SYS_ID_AA64MMFR0_EL1: return MMFR0;
	case SYS_ID_AA64MMFR1_EL1: return MMFR1;
	case SYS_ID_AA64MMFR2_EL1: return MMFR2;
	case SYS_CTR_EL0: return ARM64_CTR;
	default: return 0;
	}
}

/* ---- Rules. ---- */

/* AArch32's, but for those that Linux has no fields of. */
static bool is_aarch32(enum sysreg reg)
{
	return reg < SYS_ID_AA64PFR0_EL1 && reg != SYS_ID_AFR0_EL1 && reg != SYS_ID_DFR1_EL1 && reg != SYS_S3_0_C0_C3_3 && reg != SYS_S3_0_C0_C3_7;
}

uint64_t arm64_id_writable(enum sysreg reg)
{
	switch ((int)reg) {
	case SYS_ID_AA64PFR0_EL1: return 0xffff00f00f00ffff;
	case SYS_ID_AA64PFR1_EL1: return 0xf000000ff;
	case SYS_ID_AA64PFR2_EL1: return 0xf00000000;
	case SYS_ID_AA64ZFR0_EL1: return 0xff0ff0f0fff00ff;
	case SYS_ID_AA64FPFR0_EL1: return 0xf0000003;
	case SYS_ID_AA64DFR0_EL1: return 0xf000f00f0f;
	case SYS_ID_AA64ISAR0_EL1: return 0xfffffffffffffff0;
	case SYS_ID_AA64ISAR1_EL1: return 0xffffffff00fff00f;
	case SYS_ID_AA64ISAR2_EL1: return 0xffff0fffffff00ff;
	case SYS_ID_AA64MMFR0_EL1: return 0xff00f000ffffff0f;
	case SYS_ID_AA64MMFR1_EL1: return 0xfffff0f00ffff00f;
	case SYS_ID_AA64MMFR2_EL1: return 0xf0ff000ff00fffff;
	case SYS_ID_AA64MMFR3_EL1: return 0xf0f0f;
	case SYS_CTR_EL0: return 0x300f000f;
	case SYS_CLIDR_EL1: return 0x7fffffffffff;
	default: return is_aarch32(reg) ? 0xffffffff : 0;
	}
}

enum order {
	LOWER,        /* what is less is safe */
	LOWER_SIGNED, /* and 15 is less than 0 (D24.1.3) */
	HIGHER,       /* what is more */
};

/* Fields whose order is not LOWER. */
static const struct field {
	uint16_t reg;
	uint8_t low, order;
} fields[] = {
	{ SYS_ID_AA64DFR0_EL1, 36, LOWER_SIGNED },  /* DoubleLock */
	{ SYS_ID_AA64MMFR0_EL1, 24, LOWER_SIGNED }, /* TGran64 */
	{ SYS_ID_AA64MMFR0_EL1, 28, LOWER_SIGNED }, /* TGran4 */
	{ SYS_ID_AA64MMFR1_EL1, 24, HIGHER },       /* SpecSEI */
};

static enum order order_of(enum sysreg reg, unsigned int low)
{
	for (unsigned int i = 0; i < sizeof fields / sizeof *fields; i++)
		if (fields[i].reg == reg && fields[i].low == low)
			return (enum order)fields[i].order;
	return LOWER;
}

/* One field, of 4 bits or (CTR_EL0's IDC and DIC) as many as are writable. */
static bool field_safe(enum sysreg reg, unsigned int low, unsigned int wanted, unsigned int limit)
{
	switch (order_of(reg, low)) {
	case LOWER_SIGNED: return (wanted ^ 8) <= (limit ^ 8);
	case HIGHER: return wanted >= limit;
	default: return reg == SYS_CTR_EL0 && low == 28 ? !(wanted & ~limit) : wanted <= limit;
	}
}

static int fields_check(enum sysreg reg, uint64_t value, uint64_t limit)
{
	uint64_t writable = arm64_id_writable(reg);

	if ((value ^ limit) & ~writable)
		return why(-EINVAL, "0x%llx: bits 0x%llx cannot be other than in 0x%llx", (unsigned long long)value, (unsigned long long)((value ^ limit) & ~writable),
			   (unsigned long long)limit);
	for (unsigned int low = 0; low < 64; low += 4) {
		unsigned int wanted = value >> low & 15, most = limit >> low & 15;

		if (wanted != most && !field_safe(reg, low, wanted, most))
			return why(-EINVAL, "0x%llx: the field from bit %u on is %u, which is more than the %u of this host", (unsigned long long)value, low, wanted, most);
	}
	return 0;
}

/* An IMPLEMENTATION DEFINED PMU, which Linux 5.x showed, is none; 15 is stored as 0. */
static uint64_t canonical(enum sysreg reg, uint64_t value)
{
	return reg == SYS_ID_AA64DFR0_EL1 && (value >> 8 & 15) == 15 ? value & ~F(15, 8) : value;
}

uint64_t *arm64_id_place(struct arm64_vm *vm, enum sysreg reg)
{
	return reg == SYS_CTR_EL0 ? &vm->ctr : &vm->id[reg - SYS_ID_PFR0_EL1];
}

int arm64_id_check(const struct arm64_vm *vm, enum sysreg reg, uint64_t value)
{
	uint64_t now = *arm64_id_place((struct arm64_vm *)vm, reg);

	if (is_aarch32(reg) || value == now)
		return 0;
	value = canonical(reg, value);
	if (reg == SYS_ID_AA64DFR0_EL1 && (value & 15) < 6)
		return why(-EINVAL, "DebugVer %u: 6 is the least", (unsigned int)value & 15);
	if (vm->ran)
		return value == now ? 0 : why(-EBUSY, "ID registers cannot change once a vCPU has run: it is 0x%llx", (unsigned long long)now);
	return fields_check(reg, value, arm64_id_limit(vm, reg));
}

void arm64_id_set(struct arm64_vm *vm, enum sysreg reg, uint64_t value)
{
	if (!is_aarch32(reg) && !vm->ran)
		*arm64_id_place(vm, reg) = canonical(reg, value);
}

void arm64_id_reset(struct arm64_vm *vm)
{
	for (unsigned int i = 0; i < ARM64_ID_COUNT; i++)
		vm->id[i] = arm64_id_limit(vm, (enum sysreg)(SYS_ID_PFR0_EL1 + i));
	vm->ctr = arm64_id_limit(vm, SYS_CTR_EL0);
}

/* Anything but RES0 bits: caches that need no cleaning for instructions (CTR_EL0.IDC) leave the levels free. */
int arm64_clidr_check(uint64_t value)
{
	if (value & ~arm64_id_writable(SYS_CLIDR_EL1))
		return why(-EINVAL, "0x%llx: bits 63:47 are RES0", (unsigned long long)value);
	return 0;
}

/* Affinities of a vCPU: 16 to a cluster (as KVM numbers them). */
uint64_t arm64_mpidr(uint32_t id)
{
	return UINT64_C(1) << 31 | (id & 0xf) | (uint64_t)(id >> 4 & 0xff) << 8 | (uint64_t)(id >> 12 & 0xff) << 16;
}

void arm64_id_masks(uint64_t masks[KVM_ARM_FEATURE_ID_RANGE_SIZE])
{
	for (unsigned int i = 0; i < KVM_ARM_FEATURE_ID_RANGE_SIZE; i++)
		masks[i] = 0;
	for (unsigned int reg = 0; reg < SYSREG_COUNT; reg++) {
		unsigned int encoding = arm64_sysregs[reg].encoding, op1 = encoding >> 11 & 7;

		if (arm64_sysregs[reg].rule == RULE_ID || arm64_sysregs[reg].rule == RULE_CLIDR)
			masks[(op1 == 3 ? 2 : op1) * 64 + (encoding >> 3 & 7) * 8 + (encoding & 7)] = arm64_id_writable((enum sysreg)reg);
	}
}
