/*
 * What only arm64 knows of states. A vCPU has registers only once it was initialised with its features, and SVE's only once its vector lengths are
 * final: both follow from the registers of the state (Documentation/virt/kvm/api.rst, 4.68, 4.82, 4.119). Which of the ID registers' fields
 * another machine can show, KVM_ARM_GET_REG_WRITABLE_MASKS says (4.139). Knows no host: states of arm64 are read and compared on any.
 */
#include "anykvm/arm64.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "anykvm/kvm.h"
#include "core/why.h"
#include "reg/arm64.h"
#include "state/arm64_pages.h"
#include "state/parts.h"

#define CORE(index) (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | (index))
#define CORE_PC CORE(64)
#define CORE_PSTATE CORE(66)
#define PMCR_EL0 ARM64_SYS_REG(3, 3, 9, 12, 0)
#define PMSWINC_EL0 ARM64_SYS_REG(3, 3, 9, 12, 4)
#define APIAKEYLO_EL1 ARM64_SYS_REG(3, 0, 2, 1, 0)
#define CLIDR_EL1 ARM64_SYS_REG(3, 1, 0, 0, 1)

/* ---- Ids. ---- */

static uint32_t kind_of(uint64_t id)
{
	return (uint32_t)(id & KVM_REG_ARM_COPROC_MASK);
}

static bool is_sysreg(uint64_t id)
{
	return kind_of(id) == KVM_REG_ARM64_SYSREG;
}

/* The part of an encoding that op0, op1 and CRn are; and CRm. */
static bool is_feature_id(uint64_t id)
{
	uint32_t op1 = (uint32_t)id >> KVM_REG_ARM64_SYSREG_OP1_SHIFT & 7, crm = (uint32_t)id >> KVM_REG_ARM64_SYSREG_CRM_SHIFT & 15;

	return is_sysreg(id) && (id & KVM_REG_ARM64_SYSREG_OP0_MASK) >> KVM_REG_ARM64_SYSREG_OP0_SHIFT == 3 && !(id & KVM_REG_ARM64_SYSREG_CRN_MASK) && op1 != 2 &&
	       op1 < 4 && crm < 8;
}

/* MIDR, REVIDR, AIDR: what the machine is. */
static bool is_invariant(uint64_t id)
{
	return id == ARM64_SYS_REG(3, 0, 0, 0, 0) || id == ARM64_SYS_REG(3, 0, 0, 0, 6) || id == ARM64_SYS_REG(3, 1, 0, 0, 7);
}

static bool is_counter(uint64_t id)
{
	return id == KVM_REG_ARM_TIMER_CNT || id == KVM_REG_ARM_PTIMER_CNT;
}

static bool is_timer_control(uint64_t id)
{
	return id == KVM_REG_ARM_TIMER_CTL || id == KVM_REG_ARM_PTIMER_CTL;
}

/* ---- Registers. ---- */

/* Of the pairs over one word the one that sets; the other reads the same. */
static bool reg_wanted(uint64_t id)
{
	return !arm64_reg_clears(id) && id != PMSWINC_EL0;
}

/* What describes the machine stays as it was when the vCPU ran first. */
static bool reg_constant(uint64_t id)
{
	uint32_t kind = kind_of(id);

	return is_feature_id(id) || kind == KVM_REG_ARM_DEMUX || kind == KVM_REG_ARM_FW || kind == KVM_REG_ARM_FW_FEAT_BMAP || id == KVM_REG_ARM64_SVE_VLS;
}

/* Timers once their comparators stand; the counter, which goes on, behind everything. */
static unsigned int reg_phase(uint64_t id)
{
	if (is_counter(id))
		return STATE_PHASE_LAST;
	return is_timer_control(id) ? STATE_PHASE_TIMERS : STATE_PHASE_REGS;
}

/* The counters go on, ISTATUS follows them; the firmware's workarounds are the machine's, and what is written only has to be possible. */
static bool reg_stays(uint64_t id)
{
	return !is_counter(id) && !is_timer_control(id) && (kind_of(id) != KVM_REG_ARM_FW || id == KVM_REG_ARM_PSCI_VERSION);
}

/* Registers that the guest has not touched: zero, or what KVM puts where the architecture has no value after reset. A physical timer that is off. */
static bool reg_needless(uint64_t id, const void *value)
{
	uint8_t zero[ANYKVM_REG_SIZE_MAX] = { 0 };
	uint64_t word;

	if (anykvm_reg_size(id) != sizeof word)
		return !memcmp(value, zero, anykvm_reg_size(id));
	memcpy(&word, value, sizeof word);
	if (id == KVM_REG_ARM_PTIMER_CTL)
		return !(word & 1);
	return !word || id == KVM_REG_ARM_PTIMER_CNT || (is_sysreg(id) && word == 0x1de7ec7edbadc0deULL);
}

/* ---- Parts. ---- */

static const struct state_ioctls ioctls[] = {
	{ "events", sizeof(struct kvm_vcpu_events), 0, KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, false },
	{ "mp_state", sizeof(struct kvm_mp_state), 0, KVM_GET_MP_STATE, KVM_SET_MP_STATE, false },
};
enum { IOCTLS = sizeof ioctls / sizeof *ioctls };

static int vcpu_parts_get(int vcpu, struct state_unit *unit)
{
	return parts_get(vcpu, unit, ioctls, IOCTLS, false);
}

static int vm_parts_get(int vm, struct state_unit *unit)
{
	return parts_get(vm, unit, ioctls, IOCTLS, true);
}

static int part_again(int fd, struct anykvm_state_part *part)
{
	return parts_again(fd, part, ioctls, IOCTLS);
}

static int vcpu_part_set(int vcpu, const struct anykvm_state_part *part)
{
	return parts_set(vcpu, part, ioctls, IOCTLS, false);
}

static int vm_part_set(int vm, const struct anykvm_state_part *part)
{
	return parts_set(vm, part, ioctls, IOCTLS, true);
}

/* A pending SError is injected behind the registers. */
static unsigned int part_phase(const char *name)
{
	(void)name;
	return STATE_PHASE_TIMERS;
}

/* ---- Features: a vCPU's registers tell what it was initialised with. ---- */

static const struct feature {
	uint32_t bits;
	int capability;
	uint64_t id; /* the register that tells it */
	const char *name;
} optional[] = {
	{ 1u << KVM_ARM_VCPU_PMU_V3, KVM_CAP_ARM_PMU_V3, PMCR_EL0, "there is no PMU for guests (KVM_CAP_ARM_PMU_V3)" },
	{ 1u << KVM_ARM_VCPU_SVE, KVM_CAP_ARM_SVE, KVM_REG_ARM64_SVE_VLS, "there is no SVE (KVM_CAP_ARM_SVE)" },
	{ 1u << KVM_ARM_VCPU_PTRAUTH_ADDRESS | 1u << KVM_ARM_VCPU_PTRAUTH_GENERIC, KVM_CAP_ARM_PTRAUTH_ADDRESS, APIAKEYLO_EL1,
	  "there is no pointer authentication (KVM_CAP_ARM_PTRAUTH_ADDRESS)" },
};

static uint32_t features_of(const struct state_unit *unit)
{
	uint64_t mode = state_unit_value(unit, CORE_PSTATE) & 0x1f;
	uint32_t features = 0;

	/* Without the feature KVM's PSCI is 0.1. */
	if (state_unit_value(unit, KVM_REG_ARM_PSCI_VERSION) != 1)
		features |= 1u << KVM_ARM_VCPU_PSCI_0_2;
	/* AArch32 above EL0. */
	if (mode > 0x10)
		features |= 1u << KVM_ARM_VCPU_EL1_32BIT;
	for (size_t i = 0; i < sizeof optional / sizeof *optional; i++)
		if (state_unit_find_reg(unit, optional[i].id))
			features |= optional[i].bits;
	return features;
}

/* The KVM's own processor, where there is a VM to ask. */
static uint32_t target_of(int vm)
{
	struct kvm_vcpu_init init = { 0 };

	return vm >= 0 && !anykvm_ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init) ? init.target : KVM_ARM_TARGET_GENERIC_V8;
}

static int vcpu_init(int vm, int vcpu, uint32_t features)
{
	struct kvm_vcpu_init init = { .target = target_of(vm), .features = { features } };
	struct kvm_device_attr pmu = { .group = KVM_ARM_VCPU_PMU_V3_CTRL, .attr = KVM_ARM_VCPU_PMU_V3_INIT };

	if (anykvm_ioctl(vcpu, KVM_ARM_VCPU_INIT, &init))
		return -errno;
	/* Without it the vCPU would not run; with a GIC the program chooses the interrupt first, and does it itself (devices/vcpu.rst, 1.2). */
	if (features & 1u << KVM_ARM_VCPU_PMU_V3)
		anykvm_ioctl(vcpu, KVM_SET_DEVICE_ATTR, &pmu);
	return 0;
}

static int vcpu_finalize(int vcpu)
{
	int sve = KVM_ARM_VCPU_SVE;

	return anykvm_ioctl(vcpu, KVM_ARM_VCPU_FINALIZE, &sve) ? -errno : 0;
}

/* Why the vCPU has no list of registers: -ENOEXEC before KVM_ARM_VCPU_INIT, -EPERM before KVM_ARM_VCPU_FINALIZE; 0: it has one. */
static int list_missing(int vcpu)
{
	int listed = anykvm_reg_list(vcpu, NULL, 0);

	return listed < 0 ? -errno : 0;
}

static int vcpu_prepare(int vm, int vcpu, const struct state_unit *unit, void (*tell)(void *context, uint64_t id, const char *rule), void *context)
{
	uint32_t features = features_of(unit);
	int missing = list_missing(vcpu), error = 0;

	if (missing == -ENOEXEC) {
		for (size_t i = 0; vm >= 0 && i < sizeof optional / sizeof *optional; i++) {
			if (!(features & optional[i].bits) || anykvm_ioctl(vm, KVM_CHECK_EXTENSION, (void *)(long)optional[i].capability) > 0)
				continue;
			tell(context, optional[i].id, optional[i].name);
			features &= ~optional[i].bits;
		}
		error = vcpu_init(vm, vcpu, features);
		missing = error ? error : list_missing(vcpu);
	}
	if (missing == -EPERM) {
		const void *lengths = state_unit_find_reg(unit, KVM_REG_ARM64_SVE_VLS);

		if (lengths && anykvm_reg_set(vcpu, KVM_REG_ARM64_SVE_VLS, lengths))
			tell(context, KVM_REG_ARM64_SVE_VLS, "these vector lengths cannot be had: up to the longest they must be just those of the machine");
		error = vcpu_finalize(vcpu);
		missing = error ? error : list_missing(vcpu);
	}
	return missing;
}

/* ---- Profiles. ---- */

static int profile_begin(int system, int vm, int vcpu, struct anykvm_profile *profile)
{
	uint32_t features = 1u << KVM_ARM_VCPU_PSCI_0_2;
	int error;

	(void)system, (void)profile;
	for (size_t i = 0; i < sizeof optional / sizeof *optional; i++)
		if (anykvm_ioctl(vm, KVM_CHECK_EXTENSION, (void *)(long)optional[i].capability) > 0)
			features |= optional[i].bits;
	error = vcpu_init(vm, vcpu, features);
	if (!error && list_missing(vcpu) == -EPERM)
		error = vcpu_finalize(vcpu);
	return error;
}

/* Whether another value than its own is taken. The vCPU is nobody's. */
static bool takes_another(int vcpu, uint64_t id)
{
	uint8_t value[ANYKVM_REG_SIZE_MAX] = { 0 };

	if (anykvm_reg_get(vcpu, id, value))
		return false;
	value[0] ^= 1;
	return !anykvm_reg_set(vcpu, id, value);
}

/* What KVM_ARM_GET_REG_WRITABLE_MASKS has of a register; kernels without the call let nothing be written. */
static uint64_t writable_bits(const uint64_t masks[KVM_ARM_FEATURE_ID_RANGE_SIZE], uint64_t id)
{
	uint32_t op1 = (uint32_t)id >> KVM_REG_ARM64_SYSREG_OP1_SHIFT & 7, crm = (uint32_t)id >> KVM_REG_ARM64_SYSREG_CRM_SHIFT & 15;

	return masks[(op1 == 3 ? 2 : op1) * 64 + crm * 8 + (id & KVM_REG_ARM64_SYSREG_OP2_MASK)];
}

static void profile_refine(int vm, int vcpu, struct anykvm_profile *profile)
{
	uint64_t masks[KVM_ARM_FEATURE_ID_RANGE_SIZE] = { 0 };
	struct reg_mask_range range = { .addr = (uintptr_t)masks, .range = KVM_ARM_FEATURE_ID_RANGE };

	if (anykvm_ioctl(vm, KVM_ARM_GET_REG_WRITABLE_MASKS, &range))
		memset(masks, 0, sizeof masks);
	for (size_t i = 0; i < profile->reg_count; i++) {
		struct profile_reg *reg = &profile->regs[i];

		if (is_invariant(reg->id)) {
			reg->fixed = true;
		} else if (is_feature_id(reg->id) && reg->id != ARM64_SYS_REG(3, 0, 0, 0, 5)) { /* MPIDR is the program's */
			reg->fixed = true;
			reg->writable = writable_bits(masks, reg->id);
		} else if (kind_of(reg->id) == KVM_REG_ARM_DEMUX) {
			reg->fixed = !takes_another(vcpu, reg->id);
		} else if (reg->id == KVM_REG_ARM64_SVE_VLS) {
			reg->fixed = false; /* final here, but not in another vCPU */
		}
	}
}

/* Fields whose values are signed: 15 is less than 0 (Arm ARM, D24.1.3). */
static bool field_signed(uint64_t id, unsigned int low)
{
	static const struct {
		uint64_t id;
		unsigned int low;
	} fields[] = {
		{ ARM64_SYS_REG(3, 0, 0, 4, 0), 16 }, { ARM64_SYS_REG(3, 0, 0, 4, 0), 20 }, /* FP, AdvSIMD */
		{ ARM64_SYS_REG(3, 0, 0, 5, 0), 36 }, { ARM64_SYS_REG(3, 0, 0, 5, 0), 48 }, /* DoubleLock, MTPMU */
		{ ARM64_SYS_REG(3, 0, 0, 7, 0), 24 }, { ARM64_SYS_REG(3, 0, 0, 7, 0), 28 }, /* TGran64, TGran4 */
	};

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (fields[i].id == id && fields[i].low == low)
			return true;
	return false;
}

/* Fields that can be written can be lowered, not raised. */
static bool fields_fit(uint64_t id, uint64_t value, uint64_t most, uint64_t writable)
{
	for (unsigned int low = 0; low < 64; low += 4) {
		unsigned int field = value >> low & 15, limit = most >> low & 15, flip = field_signed(id, low) ? 8 : 0;

		if ((writable >> low & 15) == 15 && (field ^ flip) > (limit ^ flip))
			return false;
	}
	return true;
}

/* The lengths up to the longest must be the machine's. */
static bool lengths_fit(const uint8_t *wanted, const uint8_t *machine)
{
	unsigned int longest = 0;

	for (unsigned int i = 0; i < 32 * 8; i++)
		if (wanted[i / 8] >> i % 8 & 1)
			longest = i;
	for (unsigned int i = 0; i <= longest; i++)
		if ((wanted[i / 8] ^ machine[i / 8]) >> i % 8 & 1)
			return false;
	return true;
}

static const char *reg_misfit(uint64_t id, const void *value, const struct profile_reg *there)
{
	uint64_t saved = 0, most = 0;

	if (id == KVM_REG_ARM64_SVE_VLS)
		return lengths_fit(value, there->value) ? NULL : "these vector lengths cannot be had: up to the longest they must be just those of the machine";
	if (!is_feature_id(id) || !there->writable || id == CLIDR_EL1)
		return NULL;
	memcpy(&saved, value, sizeof saved);
	memcpy(&most, there->value, sizeof most);
	return fields_fit(id, saved, most, there->writable) ? NULL : "a field says more than the machine has";
}

/* ---- What gdb and crash read: arm64's struct elf_prstatus, whatever the host. ---- */

struct arm64_prstatus {
	int32_t signal[3];
	int16_t cursig;
	uint64_t sigpend, sighold;
	int32_t pid, ppid, pgrp, sid;
	uint64_t times[8];
	uint64_t regs[34]; /* x0 ... x30, sp, pc, pstate */
	int32_t fpvalid;
};
_Static_assert(sizeof(struct arm64_prstatus) == 392, "as the kernel has it");

static size_t elf_prstatus(const struct state_unit *unit, size_t vcpu, void *note, size_t room)
{
	struct arm64_prstatus status = { .pid = (int)vcpu + 1, .fpvalid = 1 };
	uint64_t pstate = state_unit_value(unit, CORE_PSTATE);

	if (room < sizeof status)
		return 0;
	for (unsigned int i = 0; i < 31; i++)
		status.regs[i] = state_unit_value(unit, CORE(2 * i));
	status.regs[31] = (pstate & 0x1f) == 5 ? state_unit_value(unit, CORE(68)) : state_unit_value(unit, CORE(62)); /* EL1h has SP_EL1 */
	status.regs[32] = state_unit_value(unit, CORE_PC);
	status.regs[33] = pstate;
	memcpy(note, &status, sizeof status);
	return sizeof status;
}

/* The low 128 bits of Z are V's. */
static size_t elf_fpregs(const struct state_unit *unit, void *note, size_t room)
{
	struct user_fpsimd_state regs = { 0 };
	const void *value;

	if (room < sizeof regs)
		return 0;
	for (unsigned int i = 0; i < 32; i++) {
		value = state_unit_find_reg(unit, KVM_REG_ARM64 | KVM_REG_SIZE_U128 | KVM_REG_ARM_CORE | (84 + 4 * i));
		if (!value)
			value = state_unit_find_reg(unit, KVM_REG_ARM64_SVE_ZREG(i, 0));
		if (value)
			memcpy(&regs.vregs[i], value, sizeof regs.vregs[i]);
	}
	value = state_unit_find_reg(unit, KVM_REG_ARM64 | KVM_REG_SIZE_U32 | KVM_REG_ARM_CORE | 212);
	if (value)
		memcpy(&regs.fpsr, value, sizeof regs.fpsr);
	value = state_unit_find_reg(unit, KVM_REG_ARM64 | KVM_REG_SIZE_U32 | KVM_REG_ARM_CORE | 213);
	if (value)
		memcpy(&regs.fpcr, value, sizeof regs.fpcr);
	memcpy(note, &regs, sizeof regs);
	return sizeof regs;
}

const struct state_arch state_arm64 = {
	.arch = KVM_REG_ARM64,
	.reg_wanted = reg_wanted, .reg_phase = reg_phase, .reg_needless = reg_needless, .reg_constant = reg_constant, .reg_clearer = arm64_reg_clearer,
	.reg_stays = reg_stays, .reg_misfit = reg_misfit,
	.part_again = part_again, .part_phase = part_phase,
	.vcpu_parts_get = vcpu_parts_get, .vm_parts_get = vm_parts_get, .vcpu_part_set = vcpu_part_set, .vm_part_set = vm_part_set,
	.vcpu_prepare = vcpu_prepare, .profile_begin = profile_begin, .profile_refine = profile_refine,
	.pages_find = arm64_pages_find, .elf_machine = EM_AARCH64, .elf_prstatus = elf_prstatus, .elf_fpregs = elf_fpregs,
};
