/*
 * Bare guests (guest.S) on the interpreter and KVM_RUN: translation, exceptions, timers, power, debugging, MMIO. Usage: test_guest GUEST.BIN
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "machine.h"

#define RAM UINT64_C(0x40000000)
#define RAM_SIZE (UINT64_C(16) << 20)
#define FAIL UINT64_C(0x09000000)
#define DONE (FAIL + 8)

enum { TRANSLATION, LEVELS, TIMER, POWER, STEPS, COUNTING, SUMS, PAIRS_MMIO, LOADS_MMIO, PSCI, BROADCAST };

static unsigned int failures;
static uint8_t *guest;
static long guest_size;

#define CHECK(condition, ...)                                            \
	do {                                                             \
		if (!(condition)) {                                      \
			failures++;                                      \
			printf("%s:%d: ", __func__, __LINE__);           \
			printf(__VA_ARGS__);                             \
			printf("\n");                                    \
		}                                                        \
	} while (0)

struct place {
	struct arm64_vm *vm;
	struct arm64_vcpu *cpu;
	uint8_t *ram;
};

static struct place place_make(unsigned int scenario)
{
	struct place place = { .vm = machine_create(1 << KVM_ARM_VCPU_PSCI_0_2) };

	place.vm->bitmap[0] = 1;
	place.vm->bitmap[1] = 1;
	place.vm->bitmap[2] = 3;
	place.ram = machine_memory(place.vm, 0, RAM, RAM_SIZE);
	memcpy(place.ram, guest, (size_t)guest_size);
	place.cpu = machine_vcpu(place.vm);
	place.cpu->pc = RAM;
	place.cpu->x[0] = scenario;
	return place;
}

/* Runs until something else than what a guest tells of itself: the exit's reason, or -errno. */
static long go(struct arm64_vcpu *cpu, const char *name)
{
	struct kvm_run *run = cpu->vcpu.run;
	static const uint64_t answer = UINT64_C(0x8887868584838281);

	for (unsigned int i = 0; i < 10000; i++) {
		long result = vcpu_run(cpu, 0);

		if (result == -EINTR && (run->s.regs.device_irq_level & 1) != (atomic_load(&cpu->irq_lines) & 1)) {
			atomic_store(&cpu->irq_lines, (uint32_t)run->s.regs.device_irq_level & 1);
			continue;
		}
		if (result)
			return result;
		if (run->exit_reason != KVM_EXIT_MMIO)
			return run->exit_reason;
		if (!run->mmio.is_write) {
			memcpy(run->mmio.data, &answer, 8);
		} else if (run->mmio.phys_addr == FAIL || run->mmio.phys_addr == FAIL + 16) {
			uint64_t value;

			memcpy(&value, run->mmio.data, 8);
			CHECK(false, "%s: %s %llu (0x%llx)", name, run->mmio.phys_addr == FAIL ? "check" : "value", (unsigned long long)value,
			      (unsigned long long)value);
		} else if (run->mmio.phys_addr == DONE) {
			return KVM_EXIT_MMIO;
		}
	}
	return -ELOOP;
}

static void simple(unsigned int scenario, const char *name)
{
	struct place place = place_make(scenario);
	long result = go(place.cpu, name);

	CHECK(result == KVM_EXIT_MMIO, "%s: ended with %ld (pc 0x%llx, esr 0x%llx)", name, result, (unsigned long long)place.cpu->pc,
	      (unsigned long long)place.cpu->sys[SYS_ESR_EL1]);
}

static void *second_thread(void *argument)
{
	go(argument, "second vCPU");
	return NULL;
}

/* The first turns the second on; both count, or look at each other's tables; the first turns the machine off. */
static void two(unsigned int scenario, const char *name)
{
	struct place place = place_make(scenario);
	struct arm64_vcpu *other = machine_vcpu(place.vm);
	pthread_t thread;
	long result;

	other->mp_state = KVM_MP_STATE_STOPPED;
	pthread_create(&thread, NULL, second_thread, other);
	result = go(place.cpu, name);
	CHECK(result == KVM_EXIT_SYSTEM_EVENT && place.cpu->vcpu.run->system_event.type == KVM_SYSTEM_EVENT_SHUTDOWN, "%s: ended with %ld", name, result);
	/* It sleeps, as a stopped vCPU does: until a signal. */
	kick_set(&other->vcpu.kick, REQUEST_SIGNAL);
	pthread_join(thread, NULL);
	CHECK(other->vcpu.run->exit_reason == KVM_EXIT_INTR, "exit %u", other->vcpu.run->exit_reason);
}

static void debugger(void)
{
	struct place place = place_make(COUNTING);
	struct arm64_vcpu *cpu = place.cpu;
	struct kvm_run *run = cpu->vcpu.run;
	unsigned int steps = 0;
	uint64_t pc;
	long result;

	cpu->guest_debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_SINGLESTEP;
	do {
		pc = cpu->pc;
		result = go(cpu, "debugger");
		steps++;
	} while (result == KVM_EXIT_DEBUG && run->debug.arch.hsr == 0xca000022 && steps < 1000);
	CHECK(result == KVM_EXIT_DEBUG && run->debug.arch.hsr == 0xf2000007, "exit %ld, hsr 0x%x after %u steps", result, run->debug.arch.hsr, steps);
	CHECK(cpu->pc == pc, "pc 0x%llx", (unsigned long long)cpu->pc);
	CHECK(steps > 20, "%u steps", steps);
	/* A breakpoint behind BRK, a watchpoint on the store. */
	cpu->pc = RAM;
	cpu->x[0] = COUNTING;
	cpu->guest_debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW | KVM_GUESTDBG_USE_SW_BP;
	cpu->guest_debug.arch.dbg_bcr[3] = 0x1e7;
	cpu->guest_debug.arch.dbg_bvr[3] = RAM + 4;
	cpu->guest_debug.arch.dbg_wcr[3] = 0x1ff7;
	cpu->guest_debug.arch.dbg_wvr[3] = UINT64_C(0x40200000);
	result = go(cpu, "debugger");
	CHECK(result == KVM_EXIT_DEBUG && run->debug.arch.hsr == 0xc2000022 && cpu->pc == RAM + 4, "exit %ld, hsr 0x%x", result, run->debug.arch.hsr);
	cpu->guest_debug.arch.dbg_bcr[3] = 0;
	result = go(cpu, "debugger");
	CHECK(result == KVM_EXIT_DEBUG && run->debug.arch.hsr == 0xd2000062 && run->debug.arch.far == 0x40200000, "exit %ld, hsr 0x%x", result, run->debug.arch.hsr);
	CHECK(*(uint64_t *)(place.ram + 0x200000) == 3, "the step's store is not there"); /* of the first round */
	cpu->guest_debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP;
	result = go(cpu, "debugger");
	CHECK(result == KVM_EXIT_DEBUG && run->debug.arch.hsr == 0xf2000007, "exit %ld, hsr 0x%x", result, run->debug.arch.hsr);
}

static void not_memory(void)
{
	struct place place = place_make(PAIRS_MMIO);
	long result = go(place.cpu, "pair");

	CHECK(result == -ENOSYS, "a pair of MMIO loads: %ld", result);
	place.vm->user_nisv = 1;
	result = go(place.cpu, "pair");
	CHECK(result == KVM_EXIT_ARM_NISV && place.cpu->vcpu.run->arm_nisv.fault_ipa == FAIL + 32, "a pair of MMIO loads: %ld", result);
	/* A hole in the program's memory. */
	place = place_make(SUMS);
	munmap(place.ram + 0x1000, 0x1000);
	munmap(place.ram, 0x1000);
	result = go(place.cpu, "hole");
	CHECK(result == -EFAULT, "a hole: %ld", result);
	/* Code outside memory: an external abort, whose handler is not there either. */
	place = place_make(SUMS);
	place.cpu->pc = 0x1000;
	place.cpu->sys[SYS_VBAR_EL1] = RAM + 0x800;
	place.cpu->x[28] = FAIL;
	place.cpu->x[30] = RAM;
	result = go(place.cpu, "outside");
	CHECK(place.cpu->sys[SYS_ESR_EL1] == 0x86000010 && place.cpu->sys[SYS_FAR_EL1] == 0x1000, "esr 0x%llx", (unsigned long long)place.cpu->sys[SYS_ESR_EL1]);
	/* A state that there is not. */
	place = place_make(SUMS);
	pstate_set(place.cpu, 0x1d3);
	result = go(place.cpu, "AArch32");
	CHECK(result == -EINVAL && place.cpu->vcpu.run->exit_reason == KVM_EXIT_FAIL_ENTRY, "AArch32: %ld", result);
}

static void *kicker(void *argument)
{
	struct arm64_vcpu *cpu = argument;

	usleep(50000);
	kick_set(&cpu->vcpu.kick, REQUEST_SIGNAL);
	return NULL;
}

/* A guest that spins, one that sleeps. */
static void interrupted(void)
{
	static const uint32_t codes[][2] = { { 0x14000000, 0x14000000 }, { 0xd503207f, 0x17ffffff } };

	for (unsigned int i = 0; i < 2; i++) {
		struct place place = place_make(0);
		pthread_t thread;
		long result;

		memcpy(place.ram, codes[i], 8);
		pthread_create(&thread, NULL, kicker, place.cpu);
		result = vcpu_run(place.cpu, 0);
		pthread_join(thread, NULL);
		CHECK(result == -EINTR && place.cpu->vcpu.run->exit_reason == KVM_EXIT_INTR, "%ld", result);
		place.cpu->vcpu.run->immediate_exit = 1;
		CHECK(vcpu_run(place.cpu, 0) == -EINTR, "immediate_exit");
	}
}

/* ---- Tables of each granule, walked without a guest. ---- */

static void levels(unsigned int grain, unsigned int bits, unsigned int tg)
{
	struct place place = place_make(LEVELS);
	struct arm64_vcpu *cpu = place.cpu;
	unsigned int stride = grain - 3, count = (bits - grain + stride - 1) / stride;
	uint64_t address = UINT64_C(0x123456789abc) & ((UINT64_C(1) << bits) - 1), page = RAM + 0x800000, ipa = 0;

	/* One table a level, from RAM + 2 MiB on, 64 KiB each. */
	for (unsigned int level = 4 - count; level < 4; level++) {
		uint64_t table = 0x200000 + 0x10000 * level, index = address >> (grain + (3 - level) * stride) & ((1u << stride) - 1);
		uint64_t entry = level == 3 ? page | 0x703 : (RAM + table + 0x10000) | 3;

		memcpy(place.ram + table + 8 * index, &entry, 8);
	}
	cpu->sys[SYS_TTBR0_EL1] = RAM + 0x200000 + 0x10000 * (4 - count);
	cpu->sys[SYS_TCR_EL1] = (64 - bits) | (uint64_t)tg << 14 | UINT64_C(2) << 32;
	cpu->sys[SYS_SCTLR_EL1] |= SCTLR_M;
	a64_state_changed(cpu);
	CHECK(a64_translate_nofault(cpu, address, &ipa) && ipa == page + (address & ((UINT64_C(1) << grain) - 1)), "granule %u, %u bits: 0x%llx", grain, bits,
	      (unsigned long long)ipa);
	CHECK(!a64_translate_nofault(cpu, address + (UINT64_C(1) << grain), &ipa), "granule %u, %u bits: the next page", grain, bits);
	CHECK(!a64_translate_nofault(cpu, address | UINT64_C(1) << bits, &ipa), "granule %u: beyond %u bits", grain, bits);
}

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;

	if (!file) {
		fprintf(stderr, "usage: test_guest GUEST.BIN\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	guest = malloc(1 << 20);
	guest_size = (long)fread(guest, 1, 1 << 20, file);
	fclose(file);
	simple(TRANSLATION, "translation");
	for (unsigned int bits = 16; bits <= 48; bits++) {
		levels(12, bits, 0);
		if (bits > 16)
			levels(16, bits, 1);
		levels(14, bits, 2);
	}
	simple(TIMER, "timer");
	simple(STEPS, "steps");
	simple(SUMS, "sums");
	simple(LOADS_MMIO, "loads");
	simple(PSCI, "psci");
	debugger();
	not_memory();
	interrupted();
	two(POWER, "power");
	two(BROADCAST, "broadcast");
	printf(failures ? "%u failures\n" : "all good\n", failures);
	return failures != 0;
}
