/*
 * SMC calls that are not PSCI's: who may handle them (KVM_ARM_VM_SMCCC_FILTER, the service bitmaps), architecture calls, random numbers (DEN0098),
 * and KVM's own (Documentation/virt/kvm/arm/hypercalls.rst, ptp_kvm.rst, pvtime.rst).
 */
#include <string.h>
#include <sys/random.h>

#include "arm64/firmware.h"
#include "core/clock.h"

enum {
	SMCCC_VERSION = 0x80000000,
	SMCCC_ARCH_FEATURES = 0x80000001,
	SMCCC_WORKAROUND_1 = 0x80008000,
	SMCCC_WORKAROUND_2 = 0x80007fff,
	SMCCC_WORKAROUND_3 = 0x80003fff,
	TRNG_VERSION = 0x84000050,
	TRNG_FEATURES = 0x84000051,
	TRNG_GET_UUID = 0x84000052,
	TRNG_RND32 = 0x84000053,
	TRNG_RND64 = 0xc4000053,
	VENDOR_KVM_FEATURES = 0x86000000,
	VENDOR_KVM_PTP = 0x86000001,
	VENDOR_UID = 0x8600ff01,
	PV_TIME_FEATURES = 0xc5000020,
	PV_TIME_ST = 0xc5000021,
};

/* Functions of PSCI: 0.1's of KVM, then those of the standard's two ranges (32-bit and 64-bit convention). */
static bool is_psci(uint32_t function)
{
	return function - (uint32_t)KVM_PSCI_FN_BASE < 4 || (function & ~UINT32_C(0x40000000)) - 0x84000000 < 0x20;
}

/* The bit of a service bitmap that switches the function on; false: the bitmaps have no say. */
static bool bitmap_allows(const struct arm64_vm *vm, uint32_t function)
{
	switch (function) {
	case TRNG_VERSION: case TRNG_FEATURES: case TRNG_GET_UUID: case TRNG_RND32: case TRNG_RND64:
		return vm->bitmap[0] & 1;
	case PV_TIME_FEATURES: case PV_TIME_ST:
		return vm->bitmap[1] & 1;
	case VENDOR_UID: case VENDOR_KVM_FEATURES:
		return vm->bitmap[2] & 1;
	case VENDOR_KVM_PTP:
		return vm->bitmap[2] & 2;
	default:
		return false;
	}
}

static unsigned int action(struct arm64_vm *vm, uint32_t function)
{
	unsigned int result = KVM_SMCCC_FILTER_HANDLE;

	pthread_mutex_lock(&vm->vm.lock);
	for (uint32_t i = 0; i < vm->smccc_filter_count; i++)
		if (function - vm->smccc_filter[i].base < vm->smccc_filter[i].nr_functions)
			result = vm->smccc_filter[i].action;
	if (result == KVM_SMCCC_FILTER_HANDLE && !bitmap_allows(vm, function) && function != SMCCC_VERSION && function != SMCCC_ARCH_FEATURES &&
	    !is_psci(function))
		result = KVM_SMCCC_FILTER_DENY;
	pthread_mutex_unlock(&vm->vm.lock);
	return result;
}

/* api.rst, KVM_EXIT_HYPERCALL: registers are the program's to read and write. */
static enum firmware_result forward(struct arm64_vcpu *cpu, uint32_t function, bool smc)
{
	struct kvm_run *run = cpu->vcpu.run;
	uint64_t flags = smc ? KVM_HYPERCALL_EXIT_SMC : 0;

	run->exit_reason = KVM_EXIT_HYPERCALL;
	memset(&run->hypercall, 0, sizeof run->hypercall);
	run->hypercall.nr = function;
	memcpy(&run->hypercall.longmode, &flags, sizeof flags); /* `flags` in newer headers */
	return FIRMWARE_EXIT;
}

/* ---- Random numbers: up to 96 (192) bits, the least significant ones in X3; KVM gives none too. ---- */

static void random_call(struct arm64_vcpu *cpu, bool wide)
{
	unsigned int word = wide ? 64 : 32;
	uint64_t bits = cpu->x[1] & (wide ? UINT64_MAX : UINT32_MAX), words[3] = { 0, 0, 0 };

	if (bits > 3 * word) {
		firmware_return(cpu, (uint64_t)-2, 0, 0, 0); /* INVALID_PARAMETERS */
		return;
	}
	if (getrandom(words, sizeof words, 0) != sizeof words) {
		firmware_return(cpu, (uint64_t)-3, 0, 0, 0); /* NO_ENTROPY */
		return;
	}
	for (unsigned int i = 0; i < 3; i++) {
		unsigned int have = bits > i * word ? (unsigned int)bits - i * word : 0;

		if (have < word)
			words[i] &= (UINT64_C(1) << have) - 1;
		else if (!wide)
			words[i] = (uint32_t)words[i];
	}
	firmware_return(cpu, 0, words[2], words[1], words[0]);
}

static void trng_call(struct arm64_vcpu *cpu, uint32_t function)
{
	uint32_t asked = (uint32_t)cpu->x[1];

	switch (function) {
	case TRNG_VERSION:
		firmware_return(cpu, 0x10000, 0, 0, 0);
		break;
	case TRNG_FEATURES:
		firmware_return(cpu, (asked >= TRNG_VERSION && asked <= TRNG_RND32) || asked == TRNG_RND64 ? 0 : SMCCC_NOT_SUPPORTED, 0, 0, 0);
		break;
	case TRNG_GET_UUID: /* 0d21e000-4384-11eb-8070-5244554e5a4c */
		firmware_return(cpu, 0x00e0210d, 0xeb118443, 0x44527080, 0x4c5a4e55);
		break;
	default:
		random_call(cpu, function == TRNG_RND64);
		break;
	}
}

/* The wall clock and a counter of the same moment. */
static void ptp_call(struct arm64_vcpu *cpu)
{
	uint64_t ns, counter;

	if ((uint32_t)cpu->x[1] > 1) {
		firmware_return(cpu, SMCCC_NOT_SUPPORTED, 0, 0, 0);
		return;
	}
	ns = clock_ns(CLOCK_REALTIME);
	counter = arm64_counter(cpu, cpu->x[1] & 1);
	firmware_return(cpu, ns >> 32, (uint32_t)ns, counter >> 32, (uint32_t)counter);
}

/* Firmware's workarounds: the first is not needed; of the others it knows nothing. */
static uint64_t features(const struct arm64_vm *vm, uint32_t asked)
{
	if (asked == PV_TIME_FEATURES)
		return bitmap_allows(vm, asked) ? 0 : SMCCC_NOT_SUPPORTED;
	return asked == SMCCC_WORKAROUND_1 ? 1 : SMCCC_NOT_SUPPORTED;
}

/* Stolen time is there when the program has given it a place. */
static uint64_t time_features(const struct arm64_vcpu *cpu, uint32_t asked)
{
	return (asked == PV_TIME_FEATURES || asked == PV_TIME_ST) && cpu->pvtime.set ? 0 : SMCCC_NOT_SUPPORTED;
}

enum firmware_result smccc_call(struct arm64_vcpu *cpu)
{
	uint32_t function = (uint32_t)cpu->x[0];
	bool smc = cpu->exception.syndrome >> 26 == 0x17;

	if (smc && cpu->exception.syndrome & 0xffff) {
		cpu->x[0] = SMCCC_NOT_SUPPORTED;
		return FIRMWARE_DONE;
	}
	/* KVM does these before anything is asked. */
	if (!smc && (function == SMCCC_WORKAROUND_1 || function == SMCCC_WORKAROUND_2 || function == SMCCC_WORKAROUND_3)) {
		cpu->x[0] = 0;
		return FIRMWARE_DONE;
	}
	switch (action(arm64_vm(cpu), function)) {
	case KVM_SMCCC_FILTER_FWD_TO_USER:
		return forward(cpu, function, smc);
	case KVM_SMCCC_FILTER_DENY:
		firmware_return(cpu, SMCCC_NOT_SUPPORTED, 0, 0, 0);
		return FIRMWARE_DONE;
	}
	switch (function) {
	case SMCCC_VERSION:
		firmware_return(cpu, 0x10001, 0, 0, 0);
		break;
	case SMCCC_ARCH_FEATURES:
		firmware_return(cpu, features(arm64_vm(cpu), (uint32_t)cpu->x[1]), 0, 0, 0);
		break;
	case TRNG_VERSION: case TRNG_FEATURES: case TRNG_GET_UUID: case TRNG_RND32: case TRNG_RND64:
		trng_call(cpu, function);
		break;
	case PV_TIME_FEATURES:
		firmware_return(cpu, time_features(cpu, (uint32_t)cpu->x[1]), 0, 0, 0);
		break;
	case PV_TIME_ST:
		firmware_return(cpu, arm64_pvtime_start(cpu), 0, 0, 0);
		break;
	case VENDOR_UID: /* 28b46fb6-2ec5-11e9-a9ca-4b564d003a74 */
		firmware_return(cpu, 0xb66fb428, 0xe911c52e, 0x564bcaa9, 0x743a004d);
		break;
	case VENDOR_KVM_FEATURES:
		firmware_return(cpu, arm64_vm(cpu)->bitmap[2], 0, 0, 0);
		break;
	case VENDOR_KVM_PTP:
		ptp_call(cpu);
		break;
	default:
		return psci_call(cpu);
	}
	return FIRMWARE_DONE;
}
