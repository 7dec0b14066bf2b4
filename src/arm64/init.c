/*
 * KVM_ARM_VCPU_INIT, KVM_ARM_VCPU_FINALIZE, KVM_ARM_PREFERRED_TARGET (api.rst 4.82, 4.83, 4.119), and the reset of a vCPU. Features are the VM's.
 */
#include <errno.h>
#include <string.h>

#include "arm64/ioctl.h"
#include "core/why.h"

#define BIT(feature) (1u << (feature))
#define POWER_OFF BIT(KVM_ARM_VCPU_POWER_OFF)
#define PTRAUTH (BIT(KVM_ARM_VCPU_PTRAUTH_ADDRESS) | BIT(KVM_ARM_VCPU_PTRAUTH_GENERIC))
/* What a feature can be named for; what there is of it: no AArch32. */
#define FEATURES_KNOWN (BIT(KVM_ARM_VCPU_PTRAUTH_GENERIC + 1) - 1)
#define FEATURES_HERE (BIT(KVM_ARM_VCPU_PSCI_0_2) | BIT(KVM_ARM_VCPU_PMU_V3) | BIT(KVM_ARM_VCPU_SVE) | PTRAUTH)

#define PSTATE_RESET (PSTATE_DAIF | PSTATE_EL1H)

void arm64_preferred_target(struct kvm_vcpu_init *init)
{
	*init = (struct kvm_vcpu_init){ .target = KVM_ARM_TARGET_GENERIC_V8 };
}

/* ---- Reset. ---- */

static void reset(struct arm64_vcpu *cpu, bool first)
{
	uint64_t sp_el1 = cpu->x[X_SP_EL1];

	memset(cpu->x, 0, sizeof cpu->x);
	cpu->x[X_SP_EL1] = sp_el1; /* without a value after reset, as are ELR_EL1 and SPSR_EL1 */
	cpu->pc = 0;
	pstate_set(cpu, PSTATE_RESET);
	for (unsigned int i = KVM_SPSR_ABT; i < KVM_NR_SPSR; i++)
		cpu->spsr[i] = 0;
	cpu->fpcr = cpu->fpsr = 0;
	arm64_sve_reset(cpu);
	arm64_sysregs_reset(cpu, first);
	cpu->timer[0].ctl = cpu->timer[1].ctl = 0;
	cpu->monitor.open = false;
	cpu->serror.pending = false;
	cpu->external_abort_pending = false;
	cpu->mmio.pending = cpu->hypercall_pending = false;
	a64_tlb_flush(cpu);
}

void arm64_vcpu_reset(struct arm64_vcpu *cpu)
{
	reset(cpu, false);
}

/* ---- Features. ---- */

static int features_check(const struct kvm_vcpu_init *init, uint32_t features)
{
	if (features & ~FEATURES_KNOWN)
		return why(-ENOENT, "features[0]: 0x%x: there are no features from bit %d on", features, KVM_ARM_VCPU_PTRAUTH_GENERIC + 1);
	for (unsigned int i = 1; i < 7; i++)
		if (init->features[i])
			return why(-ENOENT, "features[%u]: 0x%x: there are no such features", i, init->features[i]);
	if (features & BIT(KVM_ARM_VCPU_EL1_32BIT))
		return why(-EINVAL, "features[0]: EL1_32BIT: there is no AArch32");
	if (features & PTRAUTH && (features & PTRAUTH) != PTRAUTH)
		return why(-EINVAL, "features[0]: PTRAUTH_ADDRESS and PTRAUTH_GENERIC go together");
	return 0;
}

static void features_give(struct arm64_vm *vm, uint32_t features)
{
	vm->features = features;
	vm->initialized = true;
	vm->pmcr_n = ARM64_PMU_COUNTERS;
	arm64_id_reset(vm);
}

/* The VM's lock is held. */
static int init_locked(struct arm64_vcpu *cpu, uint32_t features, bool off)
{
	struct arm64_vm *vm = arm64_vm(cpu);

	if (vm->initialized && features != vm->features)
		return why(-EINVAL, "features[0]: 0x%x: the VM's vCPUs have 0x%x", features, vm->features);
	if (!vm->initialized)
		features_give(vm, features);
	reset(cpu, !cpu->initialized);
	cpu->initialized = true;
	arm64_registers_forget(cpu);
	cpu->power_on.pending = false;
	__atomic_store_n(&cpu->mp_state, off ? KVM_MP_STATE_STOPPED : KVM_MP_STATE_RUNNABLE, __ATOMIC_SEQ_CST);
	return 0;
}

int arm64_vcpu_init(struct arm64_vcpu *cpu, const struct kvm_vcpu_init *init)
{
	uint32_t features = init->features[0] & ~POWER_OFF;
	int error;

	if (init->target != KVM_ARM_TARGET_GENERIC_V8)
		return why(-EINVAL, "target: %u is not KVM_ARM_TARGET_GENERIC_V8 (%u), the only one", init->target, KVM_ARM_TARGET_GENERIC_V8);
	error = features_check(init, features);
	if (error)
		return error;
	pthread_mutex_lock(&cpu->vcpu.vm->lock);
	error = init_locked(cpu, features, init->features[0] & POWER_OFF);
	pthread_mutex_unlock(&cpu->vcpu.vm->lock);
	return error;
}

int arm64_vcpu_finalize(struct arm64_vcpu *cpu, int feature)
{
	if (feature != KVM_ARM_VCPU_SVE)
		return why(-EINVAL, "feature: %d is not KVM_ARM_VCPU_SVE, the only one to be finalized", feature);
	if (!arm64_has(cpu, KVM_ARM_VCPU_SVE))
		return why(-EINVAL, "the vCPU has no SVE");
	if (cpu->finalized)
		return why(-EPERM, "the vCPU is finalized");
	cpu->finalized = true;
	arm64_registers_forget(cpu);
	return 0;
}
