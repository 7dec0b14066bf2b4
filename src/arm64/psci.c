/*
 * PSCI 0.1 (KVM's own function numbers), 0.2, 1.0 and 1.1 (DEN0022): power of vCPUs and of the machine. Which version: KVM_REG_ARM_PSCI_VERSION.
 */
#include <string.h>

#include "arm64/cpu/exec.h"
#include "arm64/firmware.h"

#define PSCI_0_1 1
#define PSCI_0_2 2
#define PSCI_1_0 0x10000
#define PSCI_1_1 0x10001

/* Functions; the bit makes them 64-bit calls. */
#define PSCI_64 UINT32_C(0x40000000)
enum {
	PSCI_VERSION = 0x84000000,
	PSCI_CPU_SUSPEND = 0x84000001,
	PSCI_CPU_OFF = 0x84000002,
	PSCI_CPU_ON = 0x84000003,
	PSCI_AFFINITY_INFO = 0x84000004,
	PSCI_MIGRATE_INFO_TYPE = 0x84000006,
	PSCI_SYSTEM_OFF = 0x84000008,
	PSCI_SYSTEM_RESET = 0x84000009,
	PSCI_FEATURES = 0x8400000a,
	PSCI_SYSTEM_SUSPEND = 0x8400000e,
	PSCI_SYSTEM_RESET2 = 0x84000012,
	SMCCC_VERSION = 0x80000000,
};

#define PSCI_SUCCESS UINT64_C(0)
#define PSCI_NOT_SUPPORTED ((uint64_t)-1)
#define PSCI_INVALID_PARAMETERS ((uint64_t)-2)
#define PSCI_ALREADY_ON ((uint64_t)-4)
#define PSCI_INTERNAL_FAILURE ((uint64_t)-6)
#define PSCI_TOS_MP 2 /* no trusted OS to migrate */

#define MPIDR_AFFINITY UINT64_C(0xff00ffffff)

static uint32_t version(const struct arm64_vcpu *cpu)
{
	uint64_t set = arm64_vm(cpu)->psci_version;

	if (!arm64_has(cpu, KVM_ARM_VCPU_PSCI_0_2))
		return PSCI_0_1;
	return set ? (uint32_t)set : PSCI_1_1;
}

static bool stopped(const struct arm64_vcpu *cpu)
{
	return __atomic_load_n(&cpu->mp_state, __ATOMIC_SEQ_CST) == KVM_MP_STATE_STOPPED;
}

static struct arm64_vcpu *vcpu_at(const struct arm64_vcpu *cpu, uint32_t index)
{
	return arm64_vcpu(cpu->vcpu.vm->vcpus[index]);
}

/* ---- vCPUs. ---- */

static uint64_t cpu_on(struct arm64_vcpu *cpu, uint64_t affinity, uint64_t pc, uint64_t context)
{
	struct vm *vm = cpu->vcpu.vm;
	uint64_t result = PSCI_INVALID_PARAMETERS;

	if (affinity & ~MPIDR_AFFINITY)
		return result;
	pthread_mutex_lock(&vm->lock);
	for (uint32_t i = 0; i < atomic_load(&vm->vcpu_count); i++) {
		struct arm64_vcpu *target = vcpu_at(cpu, i);

		if ((target->sys[SYS_MPIDR_EL1] & MPIDR_AFFINITY) != affinity || !target->initialized)
			continue;
		if (!stopped(target)) {
			result = version(cpu) == PSCI_0_1 ? PSCI_INVALID_PARAMETERS : PSCI_ALREADY_ON;
			break;
		}
		target->power_on.pc = pc;
		target->power_on.x0 = context;
		__atomic_store_n(&target->power_on.pending, true, __ATOMIC_SEQ_CST);
		__atomic_store_n(&target->mp_state, KVM_MP_STATE_RUNNABLE, __ATOMIC_SEQ_CST);
		kick_set(&target->vcpu.kick, REQUEST_EVENT);
		result = PSCI_SUCCESS;
		break;
	}
	pthread_mutex_unlock(&vm->lock);
	return result;
}

static uint64_t cpu_off(struct arm64_vcpu *cpu)
{
	pthread_mutex_lock(&cpu->vcpu.vm->lock);
	__atomic_store_n(&cpu->mp_state, KVM_MP_STATE_STOPPED, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&cpu->vcpu.vm->lock);
	return PSCI_SUCCESS;
}

static uint64_t affinity_info(struct arm64_vcpu *cpu, uint64_t affinity, uint64_t level)
{
	uint64_t mask = MPIDR_AFFINITY, result = PSCI_INVALID_PARAMETERS;
	struct vm *vm = cpu->vcpu.vm;

	if (affinity & ~MPIDR_AFFINITY || level > 3)
		return result;
	mask &= level == 3 ? UINT64_C(0xff00000000) : UINT64_MAX << (8 * level);
	pthread_mutex_lock(&vm->lock);
	for (uint32_t i = 0; i < atomic_load(&vm->vcpu_count); i++) {
		const struct arm64_vcpu *other = vcpu_at(cpu, i);

		if ((other->sys[SYS_MPIDR_EL1] & mask) != (affinity & mask))
			continue;
		result = 1; /* off */
		if (!stopped(other)) {
			result = 0;
			break;
		}
	}
	pthread_mutex_unlock(&vm->lock);
	return result;
}

/* ---- The machine: all vCPUs stop, the program hears of it. ---- */

static enum firmware_result system_event(struct arm64_vcpu *cpu, uint32_t type)
{
	struct kvm_run *run = cpu->vcpu.run;

	memset(&run->system_event, 0, sizeof run->system_event);
	run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
	run->system_event.type = type;
	return FIRMWARE_EXIT;
}

static enum firmware_result system_stop(struct arm64_vcpu *cpu, uint32_t type, uint64_t flags)
{
	struct vm *vm = cpu->vcpu.vm;

	pthread_mutex_lock(&vm->lock);
	for (uint32_t i = 0; i < atomic_load(&vm->vcpu_count); i++) {
		struct arm64_vcpu *other = vcpu_at(cpu, i);

		__atomic_store_n(&other->mp_state, KVM_MP_STATE_STOPPED, __ATOMIC_SEQ_CST);
		if (other != cpu)
			kick_set(&other->vcpu.kick, REQUEST_EVENT);
	}
	pthread_mutex_unlock(&vm->lock);
	system_event(cpu, type);
	cpu->vcpu.run->system_event.ndata = 1;
	cpu->vcpu.run->system_event.data[0] = flags;
	/* Should the program let the vCPU go on, then the call has failed. */
	if (flags)
		cpu->x[0] = PSCI_INTERNAL_FAILURE;
	else
		firmware_return(cpu, PSCI_INTERNAL_FAILURE, 0, 0, 0);
	return FIRMWARE_EXIT;
}

/* ---- The calls. ---- */

static enum firmware_result answer(struct arm64_vcpu *cpu, uint64_t value)
{
	firmware_return(cpu, value, 0, 0, 0);
	return FIRMWARE_DONE;
}

static uint64_t features(const struct arm64_vcpu *cpu, uint32_t function)
{
	switch (function) {
	case PSCI_VERSION: case PSCI_CPU_SUSPEND: case PSCI_CPU_SUSPEND | PSCI_64: case PSCI_CPU_OFF: case PSCI_CPU_ON: case PSCI_CPU_ON | PSCI_64:
	case PSCI_AFFINITY_INFO: case PSCI_AFFINITY_INFO | PSCI_64: case PSCI_MIGRATE_INFO_TYPE: case PSCI_SYSTEM_OFF: case PSCI_SYSTEM_RESET:
	case PSCI_FEATURES: case SMCCC_VERSION:
		return PSCI_SUCCESS;
	case PSCI_SYSTEM_SUSPEND: case PSCI_SYSTEM_SUSPEND | PSCI_64:
		return arm64_vm(cpu)->suspend_exit ? PSCI_SUCCESS : PSCI_NOT_SUPPORTED;
	case PSCI_SYSTEM_RESET2: case PSCI_SYSTEM_RESET2 | PSCI_64:
		return version(cpu) >= PSCI_1_1 ? PSCI_SUCCESS : PSCI_NOT_SUPPORTED;
	default:
		return PSCI_NOT_SUPPORTED;
	}
}

/* A type of reset: 0 is the architecture's warm reset, with bit 31 the vendor's own. */
static enum firmware_result reset2(struct arm64_vcpu *cpu, uint64_t type)
{
	if (type != 0 && type < UINT32_C(0x80000000))
		return answer(cpu, PSCI_INVALID_PARAMETERS);
	return system_stop(cpu, KVM_SYSTEM_EVENT_RESET, KVM_SYSTEM_EVENT_RESET_FLAG_PSCI_RESET2);
}

static void arguments_narrow(struct arm64_vcpu *cpu, uint64_t mask)
{
	for (unsigned int i = 1; i < 4; i++)
		cpu->x[i] &= mask;
}

/* 0.2 and later; what is newer than `version` is not supported. */
static enum firmware_result psci_standard(struct arm64_vcpu *cpu, uint32_t function)
{
	/* 32-bit calls have 32-bit arguments; those that may end without an answer leave them so. */
	uint64_t mask = function & PSCI_64 ? UINT64_MAX : UINT32_MAX, a1 = cpu->x[1] & mask, a2 = cpu->x[2] & mask, a3 = cpu->x[3] & mask;

	switch (function) {
	case PSCI_VERSION:
		return answer(cpu, version(cpu));
	case PSCI_CPU_SUSPEND: case PSCI_CPU_SUSPEND | PSCI_64: /* every power state is a standby */
		arm64_wait(cpu);
		return answer(cpu, PSCI_SUCCESS);
	case PSCI_CPU_OFF:
		return answer(cpu, cpu_off(cpu));
	case PSCI_CPU_ON: case PSCI_CPU_ON | PSCI_64:
		return answer(cpu, cpu_on(cpu, a1, a2, a3));
	case PSCI_AFFINITY_INFO: case PSCI_AFFINITY_INFO | PSCI_64:
		return answer(cpu, affinity_info(cpu, a1, a2));
	case PSCI_MIGRATE_INFO_TYPE:
		return answer(cpu, PSCI_TOS_MP);
	case PSCI_SYSTEM_OFF:
		return system_stop(cpu, KVM_SYSTEM_EVENT_SHUTDOWN, 0);
	case PSCI_SYSTEM_RESET:
		return system_stop(cpu, KVM_SYSTEM_EVENT_RESET, 0);
	}
	if (version(cpu) < PSCI_1_0)
		return answer(cpu, PSCI_NOT_SUPPORTED);
	switch (function) {
	case PSCI_FEATURES:
		return answer(cpu, features(cpu, (uint32_t)a1));
	case PSCI_SYSTEM_SUSPEND: case PSCI_SYSTEM_SUSPEND | PSCI_64:
		arguments_narrow(cpu, mask);
		if (arm64_vm(cpu)->suspend_exit)
			return system_event(cpu, KVM_SYSTEM_EVENT_SUSPEND);
		break;
	case PSCI_SYSTEM_RESET2: case PSCI_SYSTEM_RESET2 | PSCI_64:
		if (version(cpu) >= PSCI_1_1)
			return arguments_narrow(cpu, mask), reset2(cpu, a1);
		break;
	}
	return answer(cpu, PSCI_NOT_SUPPORTED);
}

enum firmware_result psci_call(struct arm64_vcpu *cpu)
{
	uint32_t function = (uint32_t)cpu->x[0];

	if (version(cpu) != PSCI_0_1)
		return psci_standard(cpu, function);
	switch (function) {
	case (uint32_t)KVM_PSCI_FN_CPU_OFF:
		return answer(cpu, cpu_off(cpu));
	case (uint32_t)KVM_PSCI_FN_CPU_ON:
		return answer(cpu, cpu_on(cpu, cpu->x[1], cpu->x[2], cpu->x[3]));
	default:
		return answer(cpu, PSCI_NOT_SUPPORTED);
	}
}
