/*
 * hostile: guests of random instructions with random registers, tables and modes, on the interpreter and KVM_RUN; two vCPUs at once, which change each
 * other's code and tables. Nothing is compared: the host must survive. Best built with sanitizers. Usage: hostile [SECONDS [SEED]]
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "generate.h"
#include "machine.h"

#define RAM UINT64_C(0x40000000)
#define RAM_SIZE (UINT64_C(1) << 20)

static _Atomic bool over, nobody_runs;

struct guest {
	struct arm64_vcpu *cpu;
	struct random random;
	uint32_t *ram;
	unsigned int runs, exits[64];
};

static void *kicker(void *argument)
{
	struct guest *guests = argument;

	while (!atomic_load(&nobody_runs)) {
		usleep(200);
		for (unsigned int i = 0; i < 2; i++)
			kick_set(&guests[i].cpu->vcpu.kick, REQUEST_SIGNAL);
	}
	return NULL;
}

/* Mostly what is allocated: the groups of the base instruction set, system instructions among them. */
static uint32_t word(struct random *random)
{
	static const uint32_t groups[][2] = { { 0x10000000, 0x1c000000 }, { 0x0a000000, 0x0e000000 }, { 0x38000000, 0x3e000000 }, { 0x28000000, 0x3e000000 },
					      { 0x08000000, 0x3f000000 }, { 0xd5000000, 0xffc00000 }, { 0xd5180000, 0xffd80000 }, { 0xd5080000, 0xfff80000 },
					      { 0xd4000000, 0xff00001c }, { 0x54000000, 0xff000010 }, { 0x34000000, 0x7c000000 }, { 0xd61f0000, 0xff9ffc1f },
					      { 0xd69f03e0, 0xffffffff }, { 0x0c000000, 0x3e000000 }, { 0x0e000000, 0x0e000000 }, { 0x04000000, 0x1e000000 },
					      { 0x84000000, 0x9e000000 }, { 0x00000000, 0x00000000 } };
	unsigned int group = random_below(random, sizeof groups / sizeof *groups);

	return groups[group][0] | ((uint32_t)random_next(random) & ~groups[group][1]);
}

static uint64_t address(struct random *random)
{
	switch (random_below(random, 4)) {
	case 0: return random_next(random);
	case 1: return RAM + RAM_SIZE - 32 + random_below(random, 64);
	default: return RAM + random_below(random, (unsigned int)RAM_SIZE);
	}
}

static void memory_fill(struct random *random, uint32_t *ram)
{
	for (unsigned int i = 0; i < RAM_SIZE / 4; i++)
		ram[i] = word(random);
	/* Something that tables can be made of. */
	for (unsigned int i = 0; i < 0x8000 / 8; i++)
		((uint64_t *)ram)[i] = ((RAM + random_next(random) % RAM_SIZE) & ~UINT64_C(0xfff)) | (random_next(random) & UINT64_C(0x00680000000007c3)) | 1;
}

static void scene(struct random *random, struct arm64_vcpu *cpu)
{
	for (unsigned int i = 0; i < X_COUNT; i++)
		cpu->x[i] = address(random);
	cpu->x[X_ZERO] = 0;
	cpu->pc = address(random) & ~UINT64_C(3);
	pstate_set(cpu, (random_next(random) & ~PSTATE_MODE) | (random_below(random, 3) ? PSTATE_EL1H : PSTATE_EL0T));
	for (unsigned int i = 0; i < SYSREG_COUNT; i++)
		cpu->sys[i] = random_next(random) & random_next(random);
	cpu->sys[SYS_VBAR_EL1] = address(random);
	cpu->sys[SYS_TTBR0_EL1] = RAM + random_below(random, 8) * 0x1000;
	cpu->sys[SYS_TTBR1_EL1] = RAM + random_below(random, 8) * 0x1000;
	if (random_below(random, 2))
		cpu->sys[SYS_SCTLR_EL1] &= ~SCTLR_M;
	if (random_below(random, 4))
		cpu->sys[SYS_MDSCR_EL1] = 0;
	cpu->elr_el1 = address(random);
	cpu->spsr[0] = random_next(random);
	cpu->guest_debug.control = random_below(random, 8) ? 0 : KVM_GUESTDBG_ENABLE | (uint32_t)(random_next(random) & 0x30002);
	cpu->mp_state = KVM_MP_STATE_RUNNABLE;
}

static void guest_run(struct guest *guest, unsigned int rounds)
{
	struct random *random = &guest->random;
	struct arm64_vcpu *cpu = guest->cpu;

	for (unsigned int i = 0; i < rounds; i++, guest->runs++) {
		long result = vcpu_run(cpu, 0);

		if (result == 0)
			guest->exits[cpu->vcpu.run->exit_reason % 64]++;
		for (unsigned int at = 0; at < 8; at++)
			cpu->vcpu.run->mmio.data[at] = (uint8_t)random_next(random);
		atomic_store(&cpu->irq_lines, random_below(random, 4));
		if (result != 0 && result != -EINTR)
			cpu->pc += 4;
		if (cpu->mp_state != KVM_MP_STATE_RUNNABLE)
			break;
	}
}

static void *second(void *argument)
{
	struct guest *guest = argument;

	while (!atomic_load(&over)) {
		scene(&guest->random, guest->cpu);
		guest_run(guest, 16);
	}
	return NULL;
}

static struct arm64_vcpu *vcpu_make(struct arm64_vm *vm)
{
	struct arm64_vcpu *cpu = machine_vcpu(vm);

	cpu->vl_max = 64;
	cpu->vls[0] = 0xb;
	cpu->finalized = true;
	return cpu;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	struct arm64_vm *vm = machine_create(1 << KVM_ARM_VCPU_PSCI_0_2 | 1 << KVM_ARM_VCPU_PMU_V3 | 1 << KVM_ARM_VCPU_SVE |
					     1 << KVM_ARM_VCPU_PTRAUTH_ADDRESS | 1 << KVM_ARM_VCPU_PTRAUTH_GENERIC);
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
	struct guest guests[2] = { { .random.state = seed }, { .random.state = ~seed } };
	uint32_t *ram = machine_memory(vm, 0, RAM, RAM_SIZE);
	pthread_t threads[2];

	vm->pmcr_n = 6;
	vm->bitmap[0] = vm->bitmap[1] = vm->bitmap[2] = 3;
	for (unsigned int i = 0; i < 2; i++)
		guests[i].cpu = vcpu_make(vm);
	memory_fill(&guests[0].random, ram);
	pthread_create(&threads[0], NULL, kicker, guests);
	pthread_create(&threads[1], NULL, second, &guests[1]);
	while (time(NULL) < end) {
		memory_fill(&guests[0].random, ram);
		for (unsigned int i = 0; i < 8; i++) {
			scene(&guests[0].random, guests[0].cpu);
			guest_run(&guests[0], 16);
		}
		/* Holes come and go. */
		if (random_below(&guests[0].random, 2) == 0) {
			mprotect((char *)ram + random_below(&guests[0].random, 200) * 4096, 4096, random_below(&guests[0].random, 2) ? PROT_NONE : PROT_READ);
			guest_run(&guests[0], 4);
			mprotect(ram, RAM_SIZE, PROT_READ | PROT_WRITE);
		}
	}
	atomic_store(&over, true);
	pthread_join(threads[1], NULL);
	atomic_store(&nobody_runs, true);
	pthread_join(threads[0], NULL);
	for (unsigned int i = 0; i < 2; i++) {
		printf("%u runs; exits:", guests[i].runs);
		for (unsigned int reason = 0; reason < 64; reason++)
			if (guests[i].exits[reason])
				printf(" %u: %u", reason, guests[i].exits[reason]);
		printf("\n");
	}
	return 0;
}
