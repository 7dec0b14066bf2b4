/*
 * cpu_diff_native: the differential tester's first machine, the host CPU, in a process image of its own. A worker process runs cases one after
 * the other in its own user mode; every case ends in a signal, whose handler stores the machine context as the result and replaces it with
 * the next case's, so that a case costs one signal. A second process restarts the worker when a case kills it.
 *
 * While cases run FS and GS belong to them: nothing may touch thread-local storage or libc then. That, and that a case must find nothing but its
 * own memory at likely addresses, is why this program is linked by itself, without sanitizers and preloads. It must never know about KVM.
 *
 * Usage: cpu_diff_native BATCH COMMAND REPLY: descriptors of the shared batch and of two pipes.
 */
#include <asm/prctl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "diff.h"

/* The kernel's struct sigaction, which libc hides; see rt_sigaction(2). */
struct kernel_sigaction {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

enum { KERNEL_SA_RESTORER = 0x04000000, ALT_STACK_SIZE = 256 * 1024, TICK_USEC = 50000 };

/* The worker's state; it is a process of one thread, and a signal handler has no other way to it. */
static struct worker {
	struct batch *batch;
	struct test_result *results;
	uint8_t *code;			/* writable alias of the code page */
	uint32_t position;		/* cases done */
	uint32_t ticks_position;	/* position at the last timer tick */
	uint32_t ticks;
	bool active;
	greg_t home[23];		/* the worker's own registers, to go back to */
	uint32_t last_code_at, last_code_len;
} worker;

static const int gpr_to_greg[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static long raw_syscall4(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return ret;
}

__asm__(".pushsection .text\n"
	"native_restorer:\n"
	"	mov $15, %eax\n"	/* rt_sigreturn */
	"	syscall\n"
	".popsection\n");
extern void native_restorer(void);

static void bytes_copy(void *to, const void *from, size_t n)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static void bytes_fill(void *to, uint8_t value, size_t n)
{
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
}

static uint32_t worker_index(void)
{
	return worker.batch->reversed ? worker.batch->count - 1 - worker.position : worker.position;
}

/* Installs one case's code between INT3s and its data; the rest of the code page already is INT3. */
static void case_install(const struct test_case *c)
{
	uint32_t at = (uint32_t)(c->in.rip - CODE_BASE);

	bytes_fill(worker.code + worker.last_code_at, 0xcc, worker.last_code_len);
	bytes_copy(worker.code + at, c->code, c->code_len);
	worker.last_code_at = at;
	worker.last_code_len = c->code_len;
	bytes_copy((void *)(uintptr_t)DATA_BASE, c->data, DATA_SIZE);
}

static void context_load(ucontext_t *uc, const struct cpu_state *in)
{
	greg_t *g = uc->uc_mcontext.gregs;
	uint8_t *fx = (uint8_t *)uc->uc_mcontext.fpregs;
	uint64_t *xstate_bv = (uint64_t *)(fx + FX_SIZE);

	for (int i = 0; i < 16; i++)
		g[gpr_to_greg[i]] = (greg_t)in->gpr[i];
	g[REG_RIP] = (greg_t)in->rip;
	g[REG_EFL] = (greg_t)in->rflags;
	g[REG_CSGSFS] = (greg_t)((uint64_t)in->cs | (uint64_t)in->ss << 48);
	/* Bytes 464 and up of the image are the kernel's (struct _fpx_sw_bytes). */
	bytes_copy(fx, in->fx, 416);
	*xstate_bv |= 3;
}

static void context_store(ucontext_t *uc, struct cpu_state *out)
{
	greg_t *g = uc->uc_mcontext.gregs;
	uint8_t *fx = (uint8_t *)uc->uc_mcontext.fpregs;

	for (int i = 0; i < 16; i++)
		out->gpr[i] = (uint64_t)g[gpr_to_greg[i]];
	out->rip = (uint64_t)g[REG_RIP];
	out->rflags = (uint64_t)g[REG_EFL];
	out->cs = (uint16_t)g[REG_CSGSFS];
	out->ss = (uint16_t)((uint64_t)g[REG_CSGSFS] >> 48);
	bytes_copy(out->fx, fx, 416);
	bytes_fill(out->fx + 416, 0, FX_SIZE - 416);
	fx_normalise(out->fx, *(uint64_t *)(fx + FX_SIZE));
}

static void result_store(ucontext_t *uc, enum outcome outcome, uint16_t ds, uint16_t es)
{
	struct test_result *r = &worker.results[worker_index()];
	greg_t *g = uc->uc_mcontext.gregs;

	context_store(uc, &r->out);
	r->out.ds = ds;
	r->out.es = es;
	r->vector = (uint32_t)g[REG_TRAPNO];
	r->error = (uint64_t)g[REG_ERR];
	r->cr2 = (uint64_t)g[REG_CR2];
	r->exit_reason = r->suberror = 0;
	bytes_copy(r->data, (void *)(uintptr_t)DATA_BASE, DATA_SIZE);
	r->outcome = outcome;
}

/* Leaves the batch: back to where native_batch_run() stands, with a floating-point state C code expects. */
static void context_home(ucontext_t *uc)
{
	uint8_t *fx = (uint8_t *)uc->uc_mcontext.fpregs;

	worker.active = false;
	bytes_copy(uc->uc_mcontext.gregs, worker.home, sizeof(worker.home));
	bytes_fill(fx, 0, 416);
	fx_normalise(fx, 0);
	*(uint32_t *)(fx + FX_MXCSR) = 0x1f80;
	*(uint64_t *)(fx + FX_SIZE) |= 3;
}

static void case_begin(ucontext_t *uc)
{
	const struct test_case *c;

	if (worker.position == worker.batch->count) {
		context_home(uc);
		return;
	}
	worker.batch->running = worker.position;
	c = &worker.batch->cases[worker_index()];
	case_install(c);
	context_load(uc, &c->in);
}

/* True when the timer finds the same case running as two ticks before. */
static bool worker_is_stuck(void)
{
	if (worker.ticks_position != worker.position) {
		worker.ticks_position = worker.position;
		worker.ticks = 0;
	}
	return ++worker.ticks > 2;
}

static void native_handler(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uint16_t ds, es;
	enum outcome outcome = OUTCOME_FAULT;

	(void)info;
	__asm__ volatile("mov %%ds, %0\n\tmov %%es, %1" : "=r"(ds), "=r"(es));
	if (signal == SIGALRM) {
		if (!worker.active || !worker_is_stuck())
			return;
		outcome = OUTCOME_TIMEOUT;
	}
	/* Neither entering a handler nor leaving it by sigreturn clears what the case did to AC, NT and ID. */
	__asm__ volatile("pushfq\n\tandq %0, (%%rsp)\n\tpopfq"
			 : : "e"(~(FLAG_AC | FLAG_NT | FLAG_ID | FLAG_DF)) : "cc", "memory");
	__asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(SEL_USER_DS));
	if (worker.active) {
		result_store(uc, outcome, ds, es);
		worker.position++;
	} else {
		worker.active = true;
		bytes_copy(worker.home, uc->uc_mcontext.gregs, sizeof(worker.home));
	}
	case_begin(uc);
}

static void handler_install(int signal)
{
	struct kernel_sigaction sa = {
		.handler = native_handler,
		.flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | KERNEL_SA_RESTORER,
		.restorer = native_restorer,
		.mask = 1ull << (SIGALRM - 1),
	};

	/* Not through libc: `anykvm run` wraps the handlers libc installs. */
	raw_syscall4(SYS_rt_sigaction, signal, (long)&sa, 0, sizeof(sa.mask));
}

static void region_map(uintptr_t address, size_t size, int protection, int fd)
{
	int flags = MAP_FIXED_NOREPLACE | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);

	if (mmap((void *)address, size, protection, flags, fd, 0) == MAP_FAILED) {
		perror("cpu_diff: cannot map the case's memory");
		_exit(1);
	}
}

static void worker_map_memory(void)
{
	int fd = memfd_create("cpu_diff-code", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, CODE_SIZE) < 0) {
		perror("cpu_diff: memfd");
		_exit(1);
	}
	region_map(CODE_BASE, CODE_SIZE, PROT_READ | PROT_EXEC, fd);
	region_map(DATA_BASE, DATA_SIZE, PROT_READ | PROT_WRITE, -1);
	region_map(RO_BASE, RO_SIZE, PROT_READ | PROT_WRITE, -1);
	ro_page_fill((uint8_t *)(uintptr_t)RO_BASE);
	mprotect((void *)(uintptr_t)RO_BASE, RO_SIZE, PROT_READ);
	worker.code = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (worker.code == MAP_FAILED)
		_exit(1);
	bytes_fill(worker.code, 0xcc, CODE_SIZE);
}

static void worker_start(struct batch *batch)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGALRM };
	static uint8_t alt_stack[ALT_STACK_SIZE] __attribute__((aligned(64)));
	stack_t stack = { .ss_sp = alt_stack, .ss_size = sizeof(alt_stack) };
	const struct itimerval tick = { { 0, TICK_USEC }, { 0, TICK_USEC } };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	worker.batch = batch;
	worker_map_memory();
	raw_syscall4(SYS_sigaltstack, (long)&stack, 0, 0, 0);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		handler_install(signals[i]);
	setitimer(ITIMER_REAL, &tick, NULL);
}

static void worker_run_batch(void)
{
	unsigned long fs;

	raw_syscall4(SYS_arch_prctl, ARCH_GET_FS, (long)&fs, 0, 0);
	raw_syscall4(SYS_arch_prctl, ARCH_SET_GS, GS_BASE, 0, 0);
	raw_syscall4(SYS_arch_prctl, ARCH_SET_FS, FS_BASE, 0, 0);
	__asm__ volatile("int3" : : : "memory", "cc",
			 "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
			 "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)",
			 "st(6)", "st(7)");
	raw_syscall4(SYS_arch_prctl, ARCH_SET_FS, (long)fs, 0, 0);
}

static struct test_result *batch_results(struct batch *batch)
{
	return batch->reversed ? batch->guest : batch->native;
}

/* A byte received says that a batch is ready, a byte sent that its results are. */
static void worker_loop(struct batch *batch, int command, int reply, bool resumed)
{
	uint8_t token = 0;

	worker_start(batch);
	for (;; resumed = false) {
		if (!resumed && read(command, &token, 1) != 1)
			_exit(0);
		worker.results = batch_results(batch);
		worker.position = resumed ? batch->running + 1 : 0;
		worker_run_batch();
		batch->running = UINT32_MAX;
		if (write(reply, &token, 1) != 1)
			_exit(0);
	}
}

static void crash_record(struct batch *batch)
{
	uint32_t i = batch->reversed ? batch->count - 1 - batch->running : batch->running;
	struct test_result *r = &batch_results(batch)[i];

	memset(r, 0, sizeof(*r));
	r->outcome = OUTCOME_CRASH;
}

/* Starts workers, one at a time, until one leaves in peace. */
static void server_loop(struct batch *batch, int command, int reply)
{
	bool resumed = false;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			worker_loop(batch, command, reply, resumed);
		if (pid < 0 || waitpid(pid, &status, 0) < 0 || (WIFEXITED(status) && WEXITSTATUS(status) <= 1))
			_exit(0);
		resumed = batch->running != UINT32_MAX;
		if (resumed)
			crash_record(batch);
	}
}

int main(int argc, char **argv)
{
	struct batch *batch;

	if (argc != 4) {
		fprintf(stderr, "cpu_diff_native: part of cpu_diff, not to be run by itself\n");
		return 2;
	}
	batch = mmap(NULL, sizeof(*batch), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[1]), 0);
	if (batch == MAP_FAILED) {
		perror("cpu_diff_native: mmap");
		return 1;
	}
	server_loop(batch, atoi(argv[2]), atoi(argv[3]));
	return 0;
}
