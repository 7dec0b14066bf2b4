/*
 * vector_diff: compares the interpreter's scalar floating-point and Advanced SIMD instructions, loads and stores of their registers included, with another
 * machine's: an aarch64 processor, or `qemu-aarch64 -cpu max`, that runs vector_worker. Random instructions find random registers; V registers (of
 * 32 bytes, so that what a write clears is seen), X registers, SP, NZCV, FPSR and memory must end the same.
 *
 * Usage: vector_diff [--count N] [--seed N] [--class NAME] [--case N] WORKER...
 * WORKER is the command that runs vector_worker: its path, behind an emulator's name and arguments if need be.
 */
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arm64/cpu/fp.h"
#include "standin.h"
#include "vector_generate.h"

static struct {
	unsigned long count, only_case;
	uint64_t seed;
	const char *class;
} options = { .count = 200000, .only_case = UINT64_MAX, .seed = 1 };

static struct {
	struct batch *batch;
	int command, reply;
	pid_t pid;
} worker;

static void worker_start(char **arguments)
{
	int fd = memfd_create("vector_diff", 0), command[2], reply[2];
	char numbers[3][16], *argv[32];
	unsigned int n = 0;

	if (fd < 0 || ftruncate(fd, sizeof(struct batch)) < 0 || pipe2(command, 0) < 0 || pipe2(reply, 0) < 0) {
		perror("vector_diff");
		exit(1);
	}
	worker.batch = mmap(NULL, sizeof(struct batch), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (worker.batch == MAP_FAILED)
		exit(1);
	while (arguments[n] && n < 28) {
		argv[n] = arguments[n];
		n++;
	}
	snprintf(numbers[0], sizeof(numbers[0]), "%d", fd);
	snprintf(numbers[1], sizeof(numbers[1]), "%d", command[0]);
	snprintf(numbers[2], sizeof(numbers[2]), "%d", reply[1]);
	for (unsigned int i = 0; i < 3; i++)
		argv[n + i] = numbers[i];
	argv[n + 3] = NULL;
	worker.pid = fork();
	if (worker.pid == 0) {
		close(command[1]);
		close(reply[0]);
		execvp(argv[0], argv);
		perror("vector_diff: worker");
		_exit(1);
	}
	close(command[0]);
	close(reply[1]);
	worker.command = command[1];
	worker.reply = reply[0];
}

static void worker_run(void)
{
	uint8_t token = 0;

	if (write(worker.command, &token, 1) != 1 || read(worker.reply, &token, 1) != 1) {
		fprintf(stderr, "vector_diff: the worker is gone\n");
		exit(1);
	}
}

static void bytes_print(const char *what, const uint8_t *bytes)
{
	printf("  %s", what);
	for (unsigned int i = VECTOR_BYTES; i-- > 0;)
		printf("%02x%s", bytes[i], i && i % 8 == 0 ? " " : "");
	printf("\n");
}

static void operand_print(const struct vector_case *c, const char *name, unsigned int reg)
{
	printf("  %s %u\n", name, reg);
	bytes_print("  v ", c->in.z[reg]);
	printf("    x %016llx\n", (unsigned long long)(reg < 31 ? c->in.x[reg] : c->in.sp));
}

static void value_compare(const char *name, unsigned int i, uint64_t in, uint64_t ours, uint64_t theirs)
{
	if (ours != theirs)
		printf("  %s%u: was %016llx, is %016llx, should be %016llx\n", name, i, (unsigned long long)in, (unsigned long long)ours,
		       (unsigned long long)theirs);
}

static void mismatch_print(const struct vector_case *c, enum outcome outcome, const struct machine *ours)
{
	static const char *const names[] = { "done", "undefined", "fault" };

	printf("  .inst 0x%08x: %s, should be %s; fpcr %08llx fpsr %08llx nzcv %08llx\n", c->word, names[outcome], names[c->outcome],
	       (unsigned long long)c->in.fpcr, (unsigned long long)c->in.fpsr, (unsigned long long)c->in.nzcv);
	if (outcome != c->outcome)
		return;
	operand_print(c, "Rd", bits(c->word, 4, 0));
	operand_print(c, "Rn", bits(c->word, 9, 5));
	operand_print(c, "Rm", bits(c->word, 20, 16));
	for (unsigned int i = 0; i < 31; i++)
		value_compare("x", i, c->in.x[i], ours->x[i], c->out.x[i]);
	value_compare("sp", 0, c->in.sp, ours->sp, c->out.sp);
	value_compare("nzcv", 0, c->in.nzcv, ours->nzcv, c->out.nzcv);
	value_compare("fpsr", 0, c->in.fpsr, ours->fpsr, c->out.fpsr);
	for (unsigned int i = 0; i < 32; i++)
		if (memcmp(ours->z[i], c->out.z[i], VECTOR_BYTES)) {
			printf("  v%u\n", i);
			bytes_print("is        ", ours->z[i]);
			bytes_print("should be ", c->out.z[i]);
		}
	for (unsigned int i = 0; i < DATA_SIZE; i++)
		value_compare("data", i, c->in.data[i], ours->data[i], c->out.data[i]);
}

/*
 * QEMU 7.2 does not clear the bytes from 16 on in all instructions that write a V register; the architecture does (C1.2.5). Registers that the
 * instruction may write count as cleared where QEMU left them alone.
 */
static void upper_bytes_forgive(struct vector_case *c, const struct machine *ours)
{
	static const uint8_t zeros[VECTOR_BYTES - 16];

	for (unsigned int i = 0; i < 5; i++) {
		unsigned int reg = i < 4 ? (bits(c->word, 4, 0) + i) % 32 : bits(c->word, 14, 10);
		uint8_t *upper = c->out.z[reg] + 16;

		if (!memcmp(upper, c->in.z[reg] + 16, VECTOR_BYTES - 16) && !memcmp(ours->z[reg] + 16, zeros, VECTOR_BYTES - 16))
			memset(upper, 0, VECTOR_BYTES - 16);
	}
}

/* QEMU 7.2's FJCVTZS says that a flushed subnormal number was zero; FPToFixedJS does not. */
static void javascript_forgive(struct vector_case *c)
{
	uint64_t a;

	memcpy(&a, c->in.z[bits(c->word, 9, 5)], sizeof(a));
	if ((c->word & 0xfffffc00) == 0x1e7e0000 && c->in.fpcr & FPCR_FZ && a != 0 && (a & UINT64_C(0x7ff0000000000000)) == 0)
		c->out.nzcv = 0;
}

/* QEMU 7.2's scalar FCVTZS of a half to a fixed-point number extends the sign beyond 16 bits; the architecture clears those. */
static void sign_forgive(struct vector_case *c)
{
	if ((c->word & 0xffe0fc00) == 0x5f00fc00)
		memset(c->out.z[bits(c->word, 4, 0)] + 2, 0, 2);
}

/* An instruction that faults leaves all registers as they were, so that it can be started again; some of its stores may be done. */
static bool case_matches(const struct vector_case *c, enum outcome outcome, const struct machine *ours)
{
	if (outcome != c->outcome)
		return false;
	if (outcome == OUTCOME_FAULT)
		return !memcmp(ours, &c->in, offsetof(struct machine, data));
	return outcome == OUTCOME_UNDEFINED || !memcmp(ours, &c->out, sizeof(*ours));
}

static void arguments_read(int argc, char **argv)
{
	static const struct option list[] = {
		{ "count", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "class", required_argument, NULL, 'c' },
		{ "case", required_argument, NULL, 'i' },
		{ NULL },
	};
	int option;

	while ((option = getopt_long(argc, argv, "+", list, NULL)) != -1)
		switch (option) {
		case 'n': options.count = strtoul(optarg, NULL, 0); break;
		case 's': options.seed = strtoull(optarg, NULL, 0); break;
		case 'c': options.class = optarg; break;
		case 'i': options.only_case = strtoul(optarg, NULL, 0); break;
		default: exit(2);
		}
	if (optind == argc) {
		fprintf(stderr, "usage: vector_diff [--count N] [--seed N] [--class NAME] [--case N] WORKER...\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	unsigned long done = 0, mismatches = 0, outcomes[3] = { 0 };
	struct arm64_vcpu *cpu = standin_create();
	static const char *names[CASES];

	arguments_read(argc, argv);
	worker_start(argv + optind);
	if (options.only_case != UINT64_MAX) {
		options.count = options.only_case + 1;
		done = options.only_case / CASES * CASES; /* a case depends on its slot */
	}
	while (done < options.count && mismatches < 20) {
		struct batch *batch = worker.batch;

		batch->count = options.count - done < CASES ? (uint32_t)(options.count - done) : CASES;
		for (uint32_t i = 0; i < batch->count; i++) {
			struct generator g = { options.seed * UINT64_C(0x100000000) + done + i, options.class };

			names[i] = case_generate(&g, cpu, &batch->cases[i], SLOT_BASE + i * SLOT_SIZE);
		}
		worker_run();
		for (uint32_t i = 0; i < batch->count; i++) {
			struct vector_case *c = &batch->cases[i];
			struct machine ours;
			enum outcome outcome = standin_run(cpu, c, SLOT_BASE + i * SLOT_SIZE, &ours);

			upper_bytes_forgive(c, &ours);
			sign_forgive(c);
			javascript_forgive(c);
			outcomes[outcome]++;
			if (options.only_case == UINT64_MAX ? case_matches(c, outcome, &ours) : done + i != options.only_case)
				continue;
			printf("case %lu, %s:\n", done + i, names[i]);
			mismatch_print(c, outcome, &ours);
			mismatches++;
		}
		done += batch->count;
	}
	printf("%lu cases: %lu executed, %lu undefined, %lu faults; %lu mismatches\n", done, outcomes[0], outcomes[1], outcomes[2], mismatches);
	close(worker.command);
	waitpid(worker.pid, NULL, 0);
	free(cpu);
	return mismatches != 0;
}
