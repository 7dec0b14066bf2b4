/*
 * int_diff's first machine: an aarch64 processor (or qemu-aarch64), in a program of its own. Reads batches of cases, runs each between code that loads
 * and stores all registers, writes the results. Usage: int_diff_worker, with pipes as standard input and output.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "diff.h"

static struct test_case cases[BATCH];
/* Everything the code touches by address stands behind the code: the state, and the worker's own stack pointer. */
#define STATE_AT 0x3000
static uint32_t *code;
static struct state *state;


/* ---- The little assembler. ---- */

static uint32_t ldr_x(unsigned int t, unsigned int n, unsigned int offset) { return 0xf9400000 | offset / 8 << 10 | n << 5 | t; }
static uint32_t str_x(unsigned int t, unsigned int n, unsigned int offset) { return 0xf9000000 | offset / 8 << 10 | n << 5 | t; }
static uint32_t branch(uint32_t from, uint32_t to) { return 0x14000000 | ((to - from) & 0x3ffffff); }

/* Word places: 0: enter; CODE_AT / 4: the case; 0xa00: the pads' tails, 4 words each; 0xb40: store. */
enum { TAILS = 0x800, STORE = TAILS + 4 * (2 * PADS + 2), CASE = CODE_AT / 4 };

static void code_make(void)
{
	uint32_t *at = code;

	/* enter(x0: state): callee-saved registers to the stack, SP and x30 behind the state, then the state's registers. */
	*at++ = 0xa9ba7bfd; /* stp x29, x30, [sp, #-96]! */
	for (unsigned int i = 0; i < 5; i++)
		*at++ = 0xa9000000 | (2 + 2 * i) << 15 | (20 + 2 * i) << 10 | 31 << 5 | (19 + 2 * i);
	*at++ = 0x910003e1; /* mov x1, sp */
	*at++ = str_x(1, 0, 33 * 8 + WINDOW_SIZE);
	*at++ = ldr_x(1, 0, 31 * 8);
	*at++ = 0x9100003f; /* mov sp, x1 */
	*at++ = ldr_x(1, 0, 32 * 8);
	*at++ = 0xd51b4201; /* msr nzcv, x1 */
	for (unsigned int i = 1; i < 31; i++)
		*at++ = ldr_x(i, 0, i * 8);
	*at++ = ldr_x(0, 0, 0);
	*at = branch((uint32_t)(at - code), CASE);
	/* Pads: each goes to its tail, which keeps x0 in d31 and its number in d30. */
	for (unsigned int i = 0; i <= 2 * PADS + 1; i++) {
		uint32_t *tail = code + TAILS + 4 * i;

		tail[0] = 0x9e67001f; /* fmov d31, x0 */
		tail[1] = 0xd2800000 | i << 5;
		tail[2] = 0x9e67001e; /* fmov d30, x0 */
		tail[3] = branch(TAILS + 4 * i + 3, STORE);
	}
	at = code + STORE;
	*at++ = 0xd2a00000 | (uint32_t)(CODE_BASE >> 16) << 5; /* movz x0, #CODE_BASE, lsl #16 */
	*at++ = 0x91000000 | (STATE_AT >> 12) << 10 | 1 << 22; /* add x0, x0, #STATE_AT */
	for (unsigned int i = 1; i < 31; i++)
		*at++ = str_x(i, 0, i * 8);
	*at++ = 0x9e6603e1; /* fmov x1, d31 */
	*at++ = str_x(1, 0, 0);
	*at++ = 0x910003e1; /* mov x1, sp */
	*at++ = str_x(1, 0, 31 * 8);
	*at++ = 0xd53b4201; /* mrs x1, nzcv */
	*at++ = str_x(1, 0, 32 * 8);
	*at++ = ldr_x(1, 0, 33 * 8 + WINDOW_SIZE);
	*at++ = 0x9100003f; /* mov sp, x1 */
	*at++ = 0x9e6603c0; /* fmov x0, d30 */
	for (unsigned int i = 0; i < 5; i++)
		*at++ = 0xa9400000 | (2 + 2 * i) << 15 | (20 + 2 * i) << 10 | 31 << 5 | (19 + 2 * i);
	*at++ = 0xa8c67bfd; /* ldp x29, x30, [sp], #96 */
	*at++ = 0xd65f03c0;
	if (at > code + STATE_AT / 4)
		abort();
}

static void handler(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signal, (void)info;
	uc->uc_mcontext.pc = CODE_BASE + 4 * (TAILS + 4 * (2 * PADS + 1));
}

static void run(struct test_case *c)
{
	uint64_t end;

	for (unsigned int i = 0; i <= 2 * PADS; i++) {
		uint32_t place = CASE - PADS + i + (i >= PADS ? c->count : 0);

		code[place] = branch(place, TAILS + 4 * i);
	}
	memcpy(code + CASE, c->word, 4 * c->count);
	__builtin___clear_cache((char *)(code + CASE - PADS), (char *)(code + CASE + PADS + WORDS));
	memcpy(state, &c->state, 33 * 8);
	memcpy((void *)WINDOW, c->state.window, WINDOW_SIZE);
	end = ((uint64_t (*)(struct state *))code)(state);
	memcpy(&c->state, state, 33 * 8);
	memcpy(c->state.window, (void *)WINDOW, WINDOW_SIZE);
	c->end = end == 2 * PADS + 1 ? END_SIGNAL : (uint32_t)end;
}

static int transfer(int fd, void *buffer, size_t size, int write_it)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write_it ? write(fd, (char *)buffer + done, size - done) : read(fd, (char *)buffer + done, size - done);

		if (n <= 0)
			return 0;
		done += (size_t)n;
	}
	return 1;
}

int main(void)
{
	static uint8_t stack[65536];
	stack_t alternative = { .ss_sp = stack, .ss_size = sizeof stack };
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	static const int signals[] = { SIGILL, SIGSEGV, SIGBUS, SIGTRAP };

	code = mmap((void *)CODE_BASE, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (code == MAP_FAILED ||
	    mmap((void *)DATA_BASE, DATA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return 1;
	state = (struct state *)(CODE_BASE + STATE_AT);
	sigaltstack(&alternative, NULL);
	for (unsigned int i = 0; i < 4; i++)
		sigaction(signals[i], &action, NULL);
	code_make();
	while (transfer(0, cases, sizeof cases, 0)) {
		for (unsigned int i = 0; i < BATCH; i++)
			run(&cases[i]);
		if (!transfer(1, cases, sizeof cases, 1))
			break;
	}
	return 0;
}
