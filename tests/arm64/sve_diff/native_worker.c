/*
 * sve_diff_native: the differential tester's first machine: a processor that has SVE, or qemu-aarch64. A program of its own because it is
 * one of aarch64. For every byte it reads from standard input, it runs the batch in the file that is its argument, in place, and answers with a byte.
 *
 * A case's instruction is written among those that load and store the registers. All registers are the case's then; only TPIDR_EL0 is not, which is
 * given up after the instruction to get hold of one register.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "case.h"

#ifndef PR_SVE_SET_VL
#define PR_SVE_SET_VL 50
#endif

struct state native_state;
uint64_t native_saved[2]; /* SP, TPIDR_EL0 */
static volatile sig_atomic_t signal_seen;

void native_run(void);
extern uint32_t native_instruction;

__asm__(".pushsection .text\n"
	".arch armv8-a+sve\n"
	".balign 4096\n"
	".global native_run, native_instruction\n"
	"native_run:\n"
	"	stp x29, x30, [sp, #-160]!\n"
	"	stp x19, x20, [sp, #16]\n"
	"	stp x21, x22, [sp, #32]\n"
	"	stp x23, x24, [sp, #48]\n"
	"	stp x25, x26, [sp, #64]\n"
	"	stp x27, x28, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]\n"
	"	stp d10, d11, [sp, #112]\n"
	"	stp d12, d13, [sp, #128]\n"
	"	stp d14, d15, [sp, #144]\n"
	"	adrp x1, native_saved\n"
	"	add x1, x1, :lo12:native_saved\n"
	"	mov x2, sp\n"
	"	mrs x3, tpidr_el0\n"
	"	stp x2, x3, [x1]\n"
	"	adrp x0, native_state\n"
	"	add x0, x0, :lo12:native_state\n"
	/* FFR by way of P0, then P0 ... P15, Z0 ... Z31. */
	"	mov x2, #8704\n"
	"	add x1, x0, x2\n"
	"	add x2, x1, #512\n"
	"	ldr p0, [x2]\n"
	"	wrffr p0.b\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	ldr p\\n, [x1]\n"
	"	add x1, x1, #32\n"
	"	.endr\n"
	"	add x1, x0, #512\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
	"	ldr z\\n, [x1]\n"
	"	add x1, x1, #256\n"
	"	.endr\n"
	"	ldp x1, x2, [x0, #248]\n"
	"	mov sp, x1\n"
	"	msr nzcv, x2\n"
	"	ldp x1, x2, [x0, #264]\n"
	"	msr fpsr, x1\n"
	"	msr fpcr, x2\n"
	"	.irp n, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28\n"
	"	ldr x\\n, [x0, #8 * \\n]\n"
	"	.endr\n"
	"	.irp n, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29\n"
	"	ldr x\\n, [x0, #8 * \\n]\n"
	"	.endr\n"
	"	ldr x30, [x0, #240]\n"
	"	ldp x0, x1, [x0]\n"
	"native_instruction:\n"
	"	nop\n"
	"	msr tpidr_el0, x0\n"
	"	adrp x0, native_state\n"
	"	add x0, x0, :lo12:native_state\n"
	"	.irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30\n"
	"	str x\\n, [x0, #8 * \\n]\n"
	"	.endr\n"
	"	mrs x1, tpidr_el0\n"
	"	str x1, [x0]\n"
	"	mov x1, sp\n"
	"	mrs x2, nzcv\n"
	"	stp x1, x2, [x0, #248]\n"
	"	mrs x1, fpsr\n"
	"	mrs x2, fpcr\n"
	"	stp x1, x2, [x0, #264]\n"
	"	add x1, x0, #512\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
	"	str z\\n, [x1]\n"
	"	add x1, x1, #256\n"
	"	.endr\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	str p\\n, [x1]\n"
	"	add x1, x1, #32\n"
	"	.endr\n"
	"	rdffr p0.b\n"
	"	str p0, [x1]\n"
	"	adrp x1, native_saved\n"
	"	add x1, x1, :lo12:native_saved\n"
	"	ldp x2, x3, [x1]\n"
	"	mov sp, x2\n"
	"	msr tpidr_el0, x3\n"
	"	msr fpcr, xzr\n"
	"	ldp x19, x20, [sp, #16]\n"
	"	ldp x21, x22, [sp, #32]\n"
	"	ldp x23, x24, [sp, #48]\n"
	"	ldp x25, x26, [sp, #64]\n"
	"	ldp x27, x28, [sp, #80]\n"
	"	ldp d8, d9, [sp, #96]\n"
	"	ldp d10, d11, [sp, #112]\n"
	"	ldp d12, d13, [sp, #128]\n"
	"	ldp d14, d15, [sp, #144]\n"
	"	ldp x29, x30, [sp], #160\n"
	"	ret\n"
	".balign 4096\n"
	".popsection\n");

/* The instruction faulted: the registers are as it left them, what follows stores them. */
static void handler(int number, siginfo_t *info, void *context)
{
	(void)info;
	signal_seen = number;
	((ucontext_t *)context)->uc_mcontext.pc += 4;
}

static void handlers_install(void)
{
	static uint8_t stack[256 * 1024];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaltstack(&alternate, NULL);
	sigaction(SIGILL, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

static void case_run(struct test_case *c)
{
	memcpy((void *)DATA_BASE, c->data, DATA_SIZE);
	native_state = c->state;
	*(volatile uint32_t *)&native_instruction = c->word;
	__builtin___clear_cache((char *)&native_instruction, (char *)&native_instruction + 4);
	signal_seen = 0;
	native_run();
	c->state = native_state;
	memcpy(c->data, (void *)DATA_BASE, DATA_SIZE);
	c->outcome = (uint16_t)(signal_seen == 0 ? OUTCOME_DONE : signal_seen == SIGILL ? OUTCOME_UNDEFINED : OUTCOME_FAULT);
}

int main(int argc, char **argv)
{
	struct batch *batch;
	int fd = argc == 2 ? open(argv[1], O_RDWR) : -1;
	char byte;

	if (fd < 0)
		return 2;
	batch = mmap(NULL, sizeof(*batch), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (batch == MAP_FAILED || mmap((void *)DATA_BASE, DATA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return 2;
	if (mprotect((void *)((uintptr_t)&native_run & ~UINT64_C(4095)), 4096, PROT_READ | PROT_WRITE | PROT_EXEC))
		return 2;
	handlers_install();
	while (read(0, &byte, 1) == 1) {
		batch->vl_refused = prctl(PR_SVE_SET_VL, batch->vl) != (int)batch->vl;
		for (uint32_t i = 0; i < batch->count && !batch->vl_refused; i++)
			case_run(&batch->cases[batch->running = i]);
		if (write(1, &byte, 1) != 1)
			return 1;
	}
	return 0;
}
