/*
 * hostile: guests of random instructions with random registers, tables and modes, on the interpreter and KVM_RUN. Nothing is compared: the host must
 * survive. Best built with sanitizers. Usage: hostile [SECONDS [SEED]]
 */
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

static _Atomic bool over;

static void *kicker(void *argument)
{
	struct arm64_vcpu *cpu = argument;

	while (!atomic_load(&over)) {
		usleep(200);
		kick_set(&cpu->vcpu.kick, REQUEST_SIGNAL);
	}
	return NULL;
}

/* Mostly what is allocated: the groups of the base instruction set, system instructions among them. */
static uint32_t word(struct random *random)
{
	static const uint32_t groups[][2] = { { 0x10000000, 0x1c000000 }, { 0x0a000000, 0x0e000000 }, { 0x38000000, 0x3e000000 }, { 0x28000000, 0x3e000000 },
					      { 0x08000000, 0x3f000000 }, { 0xd5000000, 0xffc00000 }, { 0xd5180000, 0xffd80000 }, { 0xd5080000, 0xfff80000 },
					      { 0xd4000000, 0xff00001c }, { 0x54000000, 0xff000010 }, { 0x34000000, 0x7c000000 }, { 0xd61f0000, 0xff9ffc1f },
					      { 0xd69f03e0, 0xffffffff }, { 0x00000000, 0x00000000 } };
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

static void scene(struct random *random, struct arm64_vcpu *cpu, uint32_t *ram)
{
	for (unsigned int i = 0; i < RAM_SIZE / 4; i++)
		ram[i] = word(random);
	/* Something that tables can be made of. */
	for (unsigned int i = 0; i < 0x8000 / 8; i++)
		((uint64_t *)ram)[i] = ((RAM + random_next(random) % RAM_SIZE) & ~UINT64_C(0xfff)) | (random_next(random) & UINT64_C(0x00680000000007c3)) | 1;
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

int main(int argc, char **argv)
{
	struct random random = { .state = argc > 2 ? strtoull(argv[2], NULL, 0) : 1 };
	struct arm64_vm *vm = machine_create(1 << KVM_ARM_VCPU_PSCI_0_2 | 1 << KVM_ARM_VCPU_PMU_V3 | 1 << KVM_ARM_VCPU_PTRAUTH_ADDRESS | 1 << KVM_ARM_VCPU_PTRAUTH_GENERIC);
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
	uint32_t *ram = machine_memory(vm, 0, RAM, RAM_SIZE);
	struct arm64_vcpu *cpu = machine_vcpu(vm);
	unsigned int runs = 0, exits[64] = { 0 };
	pthread_t thread;

	vm->pmcr_n = 6;
	vm->bitmap[0] = vm->bitmap[1] = vm->bitmap[2] = 3;
	pthread_create(&thread, NULL, kicker, cpu);
	while (time(NULL) < end) {
		scene(&random, cpu, ram);
		for (unsigned int i = 0; i < 16; i++, runs++) {
			long result = vcpu_run(cpu, 0);

			if (result == 0)
				exits[cpu->vcpu.run->exit_reason % 64]++;
			for (unsigned int at = 0; at < 8; at++)
				cpu->vcpu.run->mmio.data[at] = (uint8_t)random_next(&random);
			atomic_store(&cpu->irq_lines, random_below(&random, 4));
			if (result != 0 && result != -4)
				cpu->pc += 4;
			if (cpu->mp_state != KVM_MP_STATE_RUNNABLE)
				break;
		}
		/* Holes come and go. */
		if (random_below(&random, 16) == 0) {
			mprotect((char *)ram + random_below(&random, 200) * 4096, 4096, random_below(&random, 2) ? PROT_NONE : PROT_READ);
			vcpu_run(cpu, 0);
			mprotect(ram, RAM_SIZE, PROT_READ | PROT_WRITE);
		}
	}
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	printf("%u runs; exits:", runs);
	for (unsigned int i = 0; i < 64; i++)
		if (exits[i])
			printf(" %u: %u", i, exits[i]);
	printf("\n");
	return 0;
}
