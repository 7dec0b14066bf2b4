/*
 * int_diff: compares the A64 interpreter with an aarch64 processor, case by case. Usage:
 *
 *     int_diff [--count N] [--seed S] [--class NAME] [--only CASE] -- WORKER...
 *
 * WORKER is the command of the native worker: `qemu-aarch64 -cpu max int_diff_worker`, say.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arm64/cpu/insn.h"
#include "core/user.h"
#include "generate.h"
#include "machine.h"

static struct options {
	uint64_t count, seed;
	const char *class;
	char **worker;
} options = { .count = 200000, .seed = 1 };

static struct machine {
	struct arm64_vcpu *cpu;
	uint32_t *code;
	uint8_t *data;
} machine;

#define TABLES_BASE UINT64_C(0x30000000)

static bool guard_covers(void *context, uint64_t address)
{
	(void)context, (void)address;
	return true;
}

/* At EL0, addresses as they are, in ordinary memory (of 39 bits, in blocks of 1 GiB); each landing pad is an SVC with its number. */
static void machine_make(void)
{
	struct arm64_vm *vm = machine_create(1 << KVM_ARM_VCPU_PSCI_0_2);
	uint64_t *tables = machine_memory(vm, 2, TABLES_BASE, PAGE_SIZE);

	for (uint64_t i = 0; i < 512; i++)
		tables[i] = i << 30 | 0x741; /* access flag, inner shareable, EL0 may write */
	machine.code = machine_memory(vm, 0, CODE_BASE, CODE_SIZE);
	machine.data = machine_memory(vm, 1, DATA_BASE, DATA_SIZE);
	machine.cpu = machine_vcpu(vm);
	machine.cpu->sys[SYS_TTBR0_EL1] = TABLES_BASE;
	machine.cpu->sys[SYS_TCR_EL1] = 25 | UINT64_C(1) << 23 | UINT64_C(2) << 32;
	machine.cpu->sys[SYS_MAIR_EL1] = 0xff;
	machine.cpu->sys[SYS_SCTLR_EL1] |= SCTLR_M | SCTLR_UCI | SCTLR_UCT | SCTLR_DZE | SCTLR_NTWE | SCTLR_NTWI;
	machine.cpu->sys[SYS_CPACR_EL1] = 3 << 20;
}

/* Runs until something stops it; steps one by one when asked. */
static void interpret(struct arm64_vcpu *cpu, bool steps)
{
	struct fault_guard guard = { .covers = guard_covers };

	if (sigsetjmp(guard.resume, 0))
		a64_host_fault(cpu);
	fault_guard_push(&guard);
	for (unsigned int i = 0; i < 100; i++) {
		if (cpu->stop == ARM64_STOP_CAREFUL || steps) {
			cpu->stop = ARM64_STOP_NONE;
			a64_cpu_step(cpu);
		} else {
			a64_cpu_execute(cpu, UINT64_MAX);
		}
		if (cpu->stop != ARM64_STOP_NONE && cpu->stop != ARM64_STOP_CAREFUL && cpu->stop != ARM64_STOP_EVENT)
			break;
		if (cpu->stop == ARM64_STOP_EVENT)
			cpu->stop = ARM64_STOP_NONE;
	}
	fault_guard_pop(&guard);
}

static void run(struct test_case *c, bool steps)
{
	struct arm64_vcpu *cpu = machine.cpu;
	uint32_t *at = machine.code + CODE_AT / 4;
	uint8_t *window = machine.data + (WINDOW - DATA_BASE);

	for (unsigned int i = 0; i <= 2 * PADS; i++)
		at[(int)i - PADS + (int)(i >= PADS ? c->count : 0)] = 0xd4000001 | i << 5;
	memcpy(at, c->word, 4 * c->count);
	memcpy(cpu->x, c->state.x, sizeof c->state.x);
	cpu->x[X_SP_EL0] = c->state.sp;
	memcpy(window, c->state.window, WINDOW_SIZE);
	pstate_set(cpu, c->state.nzcv);
	cpu->pc = CODE_BASE + CODE_AT;
	cpu->stop = ARM64_STOP_NONE;
	cpu->monitor.open = false;
	a64_state_changed(cpu);
	interpret(cpu, steps);
	c->end = cpu->stop == ARM64_STOP_EXCEPTION && cpu->exception.syndrome >> 26 == EC_SVC ? cpu->exception.syndrome & 0xffff : END_SIGNAL;
	memcpy(c->state.x, cpu->x, sizeof c->state.x);
	c->state.sp = cpu->x[X_SP_EL0];
	c->state.nzcv = pstate_get(cpu) & PSTATE_NZCV;
	memcpy(c->state.window, window, WINDOW_SIZE);
}

/* ---- Differences. ---- */

static bool same(const struct test_case *a, const struct test_case *b)
{
	return a->end == b->end && memcmp(&a->state, &b->state, sizeof a->state) == 0;
}

static void report(uint64_t number, const char *class, const struct test_case *in, const struct test_case *native, const struct test_case *ours)
{
	printf("case %llu (%s):", (unsigned long long)number, class);
	for (unsigned int i = 0; i < in->count; i++)
		printf(" %08x", in->word[i]);
	printf("\n");
	if (native->end != ours->end)
		printf("  end: native %u, ours %u (pc 0x%llx, stop %u, syndrome 0x%llx)\n", native->end, ours->end, (unsigned long long)machine.cpu->pc,
		       machine.cpu->stop, (unsigned long long)machine.cpu->exception.syndrome);
	for (unsigned int i = 0; i < 33; i++)
		if ((&native->state.x[0])[i] != (&ours->state.x[0])[i])
			printf("  %s%u: before 0x%llx, native 0x%llx, ours 0x%llx\n", i == 31 ? "sp" : i == 32 ? "nzcv" : "x", i,
			       (unsigned long long)(&in->state.x[0])[i], (unsigned long long)(&native->state.x[0])[i],
			       (unsigned long long)(&ours->state.x[0])[i]);
	for (unsigned int i = 0; i < WINDOW_SIZE; i++)
		if (native->state.window[i] != ours->state.window[i])
			printf("  window+%u: before %02x, native %02x, ours %02x\n", i, in->state.window[i], native->state.window[i], ours->state.window[i]);
}

/* ---- The worker. ---- */

static int to_worker, from_worker;

static void worker_start(void)
{
	int down[2], up[2];

	if (pipe(down) || pipe(up))
		exit(2);
	if (fork() == 0) {
		dup2(down[0], 0);
		dup2(up[1], 1);
		close(down[1]);
		close(up[0]);
		execvp(options.worker[0], options.worker);
		perror(options.worker[0]);
		_exit(127);
	}
	close(down[0]);
	close(up[1]);
	to_worker = down[1];
	from_worker = up[0];
}

static void transfer(int fd, void *buffer, size_t size, bool write_it)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write_it ? write(fd, (char *)buffer + done, size - done) : read(fd, (char *)buffer + done, size - done);

		if (n <= 0) {
			fprintf(stderr, "int_diff: the worker is gone\n");
			exit(2);
		}
		done += (size_t)n;
	}
}

static void options_read(int argc, char **argv)
{
	int i = 1;

	for (; i + 1 < argc && strcmp(argv[i], "--"); i += 2) {
		if (!strcmp(argv[i], "--count"))
			options.count = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--seed"))
			options.seed = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--class"))
			options.class = argv[i + 1];
	}
	options.worker = argv + i + 1;
	if (i + 1 >= argc) {
		fprintf(stderr, "usage: int_diff [--count N] [--seed S] [--class NAME] -- WORKER...\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static struct test_case in[BATCH], native[BATCH], ours[BATCH];
	static uint32_t classes[BATCH];
	uint64_t done = 0, wrong = 0, faults = 0, number = 0;
	struct random random;
	unsigned int count = 0;

	options_read(argc, argv);
	while (generate_classes[count])
		count++;
	machine_make();
	worker_start();
	random.state = options.seed;
	while (done < options.count) {
		for (unsigned int i = 0; i < BATCH; i++) {
			do
				classes[i] = (uint32_t)(number++ % count);
			while (options.class && strcmp(options.class, generate_classes[classes[i]]));
			generate(&random, classes[i], &in[i]);
		}
		memcpy(native, in, sizeof in);
		memcpy(ours, in, sizeof in);
		transfer(to_worker, native, sizeof native, true);
		transfer(from_worker, native, sizeof native, false);
		for (unsigned int i = 0; i < BATCH; i++) {
			run(&ours[i], i & 1);
			faults += native[i].end == END_SIGNAL;
			if (same(&native[i], &ours[i]))
				continue;
			if (wrong++ < 40)
				report(done + i, generate_classes[classes[i]], &in[i], &native[i], &ours[i]);
		}
		done += BATCH;
	}
	close(to_worker);
	printf("%llu cases, %llu of them faults, %llu differ\n", (unsigned long long)done, (unsigned long long)faults, (unsigned long long)wrong);
	return wrong != 0;
}
