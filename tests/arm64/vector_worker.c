/*
 * vector_worker: executes the instructions of a batch on the machine it runs on, an aarch64 (or `qemu-aarch64`), each between code that loads all
 * registers and code that stores them. An instruction stands in a slot of its own, which X30 points to; undefined ones and faults end in a signal, whose
 * handler goes on with the storing code.
 *
 * Usage: vector_worker BATCH COMMAND REPLY: descriptors of the shared batch and of two pipes.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "vector_case.h"

/* Offsets into struct machine. */
_Static_assert(__builtin_offsetof(struct machine, sp) == 248 && __builtin_offsetof(struct machine, nzcv) == 256, "");
_Static_assert(__builtin_offsetof(struct machine, z) == 288, "");

/*
 * void enter(struct machine *machine): the state is loaded, with the vectors' 32 bytes as SVE has them, and X30 branched to. What follows the
 * instruction comes to `leave`, which keeps X28 in TPIDR_EL0 and finds the state by a literal. What is to be found again is in the page
 * at CODE_BASE + 0x3000: an emulator may not like stores into the page that is being run.
 */
__asm__(
	"	.arch armv8.2-a+sve\n"
	"	.pushsection .text\n"
	"	.balign 16\n"
	"	.global enter_begin, leave_begin, enter_end\n"
	"enter_begin:\n"
	"	stp x19, x20, [sp, #-112]!\n"
	"	stp x21, x22, [sp, #16]\n"
	"	stp x23, x24, [sp, #32]\n"
	"	stp x25, x26, [sp, #48]\n"
	"	stp x27, x28, [sp, #64]\n"
	"	stp x29, x30, [sp, #80]\n"
	"	mrs x1, tpidr_el0\n"
	"	adr x2, enter_begin + 0x3000\n"
	"	mov x3, sp\n"
	"	stp x1, x3, [x2]\n"
	"	str x0, [x2, #16]\n"
	"	mov x28, x0\n"
	"	add x1, x28, #288\n"
	"	.irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
	"	ldr z\\i, [x1, #\\i, mul vl]\n"
	"	.endr\n"
	"	ldp x1, x2, [x28, #256]\n"
	"	msr nzcv, x1\n"
	"	msr fpcr, x2\n"
	"	ldr x1, [x28, #272]\n"
	"	msr fpsr, x1\n"
	"	ldr x1, [x28, #248]\n"
	"	mov sp, x1\n"
	"	.irp i,0,2,4,6,8,10,12,14,16,18,20,22,24,26\n"
	"	ldr x\\i, [x28, #8 * \\i]\n"
	"	.endr\n"
	"	.irp i,1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,30\n"
	"	ldr x\\i, [x28, #8 * \\i]\n"
	"	.endr\n"
	"	ldr x28, [x28, #224]\n"
	"	br x30\n"
	"leave_begin:\n"
	"	msr tpidr_el0, x28\n"
	"	ldr x28, enter_begin + 0x3010\n"
	"	.irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,29,30\n"
	"	str x\\i, [x28, #8 * \\i]\n"
	"	.endr\n"
	"	mrs x1, tpidr_el0\n"
	"	str x1, [x28, #224]\n"
	"	mov x1, sp\n"
	"	str x1, [x28, #248]\n"
	"	mrs x1, nzcv\n"
	"	mrs x2, fpcr\n"
	"	stp x1, x2, [x28, #256]\n"
	"	mrs x1, fpsr\n"
	"	str x1, [x28, #272]\n"
	"	add x1, x28, #288\n"
	"	.irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
	"	str z\\i, [x1, #\\i, mul vl]\n"
	"	.endr\n"
	"	msr fpcr, xzr\n"
	"	ldr x1, enter_begin + 0x3000\n"
	"	msr tpidr_el0, x1\n"
	"	ldr x1, enter_begin + 0x3008\n"
	"	mov sp, x1\n"
	"	ldp x21, x22, [sp, #16]\n"
	"	ldp x23, x24, [sp, #32]\n"
	"	ldp x25, x26, [sp, #48]\n"
	"	ldp x27, x28, [sp, #64]\n"
	"	ldp x29, x30, [sp, #80]\n"
	"	ldp x19, x20, [sp], #112\n"
	"	ret\n"
	"enter_end:\n"
	"	.popsection\n");
extern const uint8_t enter_begin[], leave_begin[], enter_end[];

static volatile uint32_t outcome;

static uint64_t leave_address(void)
{
	return CODE_BASE + (uint64_t)(leave_begin - enter_begin);
}

static void handler(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)info;
	outcome = signal == SIGILL ? OUTCOME_UNDEFINED : OUTCOME_FAULT;
	uc->uc_mcontext.pc = leave_address();
}

static void handlers_install(void)
{
	static const int signals[] = { SIGILL, SIGSEGV, SIGBUS };
	static uint8_t stack_memory[65536] __attribute__((aligned(64)));
	stack_t stack = { .ss_sp = stack_memory, .ss_size = sizeof(stack_memory) };
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaltstack(&stack, NULL);
	for (unsigned int i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &sa, NULL);
}

static void region_map(uint64_t address, size_t size, int protection)
{
	if (mmap((void *)address, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (void *)address) {
		perror("vector_worker: mmap");
		exit(1);
	}
}

/* Each slot: the instruction, and a branch to `leave`. */
static void slots_fill(const struct batch *batch)
{
	uint32_t *slot = (uint32_t *)SLOT_BASE;

	for (uint32_t i = 0; i < batch->count; i++) {
		int64_t distance = (int64_t)(leave_address() - (SLOT_BASE + i * SLOT_SIZE + 4));

		slot[2 * i] = batch->cases[i].word;
		slot[2 * i + 1] = 0x14000000 | (uint32_t)(distance >> 2 & 0x3ffffff);
	}
	__builtin___clear_cache((char *)SLOT_BASE, (char *)SLOT_BASE + batch->count * SLOT_SIZE);
}

static void batch_run(struct batch *batch)
{
	slots_fill(batch);
	for (uint32_t i = 0; i < batch->count; i++) {
		struct vector_case *c = &batch->cases[i];

		memcpy((void *)DATA_BASE, c->in.data, DATA_SIZE);
		memset((void *)(DATA_BASE + 0x1000 - DATA_SIZE), 0, DATA_SIZE);
		c->out = c->in;
		outcome = OUTCOME_DONE;
		((void (*)(struct machine *))CODE_BASE)(&c->out);
		c->outcome = outcome;
		memcpy(c->out.data, (void *)DATA_BASE, DATA_SIZE);
	}
}

int main(int argc, char **argv)
{
	struct batch *batch;
	uint8_t token;

	if (argc != 4) {
		fprintf(stderr, "vector_worker: part of vector_diff, not to be run by itself\n");
		return 2;
	}
	/* Vectors of VECTOR_BYTES. */
	if (prctl(50 /* PR_SVE_SET_VL */, VECTOR_BYTES) != VECTOR_BYTES) {
		fprintf(stderr, "vector_worker: this machine has no vectors of %d bytes\n", VECTOR_BYTES);
		return 1;
	}
	batch = mmap(NULL, sizeof(*batch), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[1]), 0);
	if (batch == MAP_FAILED) {
		perror("vector_worker: mmap");
		return 1;
	}
	region_map(CODE_BASE, 0x2000, PROT_READ | PROT_WRITE | PROT_EXEC);
	region_map(CODE_BASE + 0x3000, 0x1000, PROT_READ | PROT_WRITE);
	region_map(DATA_BASE, 0x1000, PROT_READ | PROT_WRITE);
	memcpy((void *)CODE_BASE, enter_begin, (size_t)(enter_end - enter_begin));
	__builtin___clear_cache((char *)CODE_BASE, (char *)CODE_BASE + 0x1000);
	handlers_install();
	while (read(atoi(argv[2]), &token, 1) == 1) {
		batch_run(batch);
		if (write(atoi(argv[3]), &token, 1) != 1)
			break;
	}
	return 0;
}
