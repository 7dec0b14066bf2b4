/*
 * How many millions of guest instructions a second: the kernels of kernels.c as functions of this program, in a KVM guest
 * (anykvm's or the hardware's), and in QEMU's TCG. An ordinary KVM program; see bench.h.
 *
 *     guest_rate native|kvm|tcg [MILLIONS]    prints "kernel MIPS", each kernel running MILLIONS of instructions (100)
 *     guest_rate check                        compares the instruction counts with single steps of the processor
 *     guest_rate image FILE [MILLIONS]        writes the guest image alone (a multiboot one: qemu-system-x86_64 -kernel FILE)
 *
 * KVM and TCG run the same image, byte for byte: it starts as a multiboot loader leaves it, goes to long mode, and then for
 * each job says B, runs, says E and its result on port 0xe9. Time is taken on the outside, from B to E. A result that
 * differs from the native one is an error.
 */
#include "kernels.h"
#include "listener.h"
#include "x86_vm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	IMAGE_AT = 0x100000,
	IMAGE_ROOM = 2 << 20,
	DATA_AT = 0x400000,
	MEMORY_SIZE = 8 << 20,

	PORT_MARK = 0xe9, PORT_LEAVE = 0xf4,
};

struct job { /* as the guest reads it; an address of 0 ends the list */
	uint64_t address, rounds;
};

/* ---- The guest around the kernels ---------------------------------------------------------------------------------- */

extern const uint8_t boot_code[], boot_entry[], boot_jobs[], boot_code_end[];

#define ADDR(label) "(" #label " - boot_code + 0x100000)"

__asm__(
	".pushsection .rodata\n"
	"	.balign	8\n"
	"boot_code:\n"
	/* The multiboot header (Multiboot specification 0.6.96, 3.1), with addresses, as this is no ELF file. */
	"	.long	0x1badb002, 0x00010000, -(0x1badb002 + 0x00010000)\n"
	"	.long	0x100000, 0x100000, 0, 0, " ADDR(boot_entry) "\n"
	"	.code32\n"
	"boot_entry:\n"
	"	cli\n"
	"	cld\n"
	"	movl	$0x80000, %esp\n"
	"	movl	$0x11003, 0x10000\n" /* PML4[0] */
	"	movl	$0, 0x10004\n"
	"	movl	$0x12003, 0x11000\n" /* PDPT[0] */
	"	movl	$0, 0x11004\n"
	"	movl	$0x12000, %edi\n" /* PD: 512 pages of 2 MiB */
	"	movl	$0x83, %eax\n"
	"1:	movl	%eax, (%edi)\n"
	"	movl	$0, 4(%edi)\n"
	"	addl	$0x200000, %eax\n"
	"	addl	$8, %edi\n"
	"	cmpl	$0x13000, %edi\n"
	"	jb	1b\n"
	"	movl	$0x10000, %eax\n"
	"	movl	%eax, %cr3\n"
	"	movl	%cr4, %eax\n"
	"	orl	$0x620, %eax\n" /* CR4.PAE, OSFXSR, OSXMMEXCPT */
	"	movl	%eax, %cr4\n"
	"	movl	$0xc0000080, %ecx\n"
	"	rdmsr\n"
	"	orl	$0x100, %eax\n" /* EFER.LME */
	"	wrmsr\n"
	"	lgdtl	" ADDR(boot_gdt_pointer) "\n"
	"	movl	%cr0, %eax\n"
	"	andl	$~4, %eax\n" /* CR0.EM */
	"	orl	$0x80000022, %eax\n" /* CR0.PG, NE, MP */
	"	movl	%eax, %cr0\n"
	"	ljmpl	$0x08, $" ADDR(boot_long) "\n"

	"	.code64\n"
	"boot_long:\n"
	"	movl	$0x10, %eax\n"
	"	movl	%eax, %ds\n"
	"	movl	%eax, %es\n"
	"	movl	%eax, %ss\n"
	"	movb	$'R', %al\n"
	"	outb	%al, $0xe9\n"
	"	movl	$" ADDR(boot_jobs) ", %ebx\n"
	"next_job:\n"
	"	movq	(%rbx), %r12\n"
	"	testq	%r12, %r12\n"
	"	jz	leave\n"

	/* The data, as data_fill() of the program has it. */
	"	movl	$0x400000, %edi\n"
	"	movl	$0x20000, %ecx\n"
	"	movl	$1, %eax\n"
	"	movl	$0x5851f42d, %edx\n"
	"1:	imulq	%rdx, %rax\n"
	"	addq	$12345, %rax\n"
	"	movq	%rax, (%rdi)\n"
	"	addq	$8, %rdi\n"
	"	decl	%ecx\n"
	"	jnz	1b\n"

	"	movb	$'B', %al\n"
	"	outb	%al, $0xe9\n"
	"	movl	$0x400000, %edi\n"
	"	movq	8(%rbx), %rsi\n"
	"	call	*%r12\n"
	"	movq	%rax, %rdx\n"
	"	movb	$'E', %al\n"
	"	outb	%al, $0xe9\n"
	"	movl	$8, %ecx\n"
	"1:	movb	%dl, %al\n"
	"	outb	%al, $0xe9\n"
	"	shrq	$8, %rdx\n"
	"	decl	%ecx\n"
	"	jnz	1b\n"
	"	addq	$16, %rbx\n"
	"	jmp	next_job\n"
	"leave:\n"
	"	xorl	%eax, %eax\n"
	"	outb	%al, $0xf4\n"
	"1:	hlt\n"
	"	jmp	1b\n"

	"	.balign	8\n"
	"boot_gdt:\n"
	"	.quad	0, 0x00af9b000000ffff, 0x00cf93000000ffff\n"
	"boot_gdt_pointer:\n"
	"	.word	23\n"
	"	.long	" ADDR(boot_gdt) "\n"
	"	.balign	8\n"
	"boot_jobs:\n"
	"	.fill	32, 8, 0\n"
	"boot_code_end:\n"
	".popsection\n");

_Static_assert((KERNELS + 1) * sizeof(struct job) <= 32 * 8, "boot_jobs has too little room");

/* ---- The kernels as functions of this program ----------------------------------------------------------------------- */

static struct kernel kernels[KERNELS];
static uint64_t rounds[KERNELS], instructions[KERNELS], results[KERNELS];
static uint8_t *data;

static void *memory_get(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		bench_fail("mmap");
	return memory;
}

static void data_fill(void)
{
	uint64_t value = 1;

	for (size_t i = 0; i < KERNEL_DATA_SIZE; i += sizeof(value)) {
		value = value * 0x5851f42d + 12345;
		memcpy(data + i, &value, sizeof(value));
	}
}

static kernel_function *code_load(const uint8_t *code, size_t size)
{
	void *memory = memory_get(size);
	kernel_function *function;

	memcpy(memory, code, size);
	if (mprotect(memory, size, PROT_READ | PROT_EXEC) < 0)
		bench_fail("mprotect");
	memcpy(&function, &memory, sizeof(function));
	return function;
}

/* Runs one kernel here and notes its result. Returns nanoseconds. */
static double kernel_run_native(unsigned k)
{
	kernel_function *function = code_load(kernels[k].code, kernels[k].size);
	double start;

	data_fill();
	start = bench_now();
	results[k] = function(data, rounds[k]);
	return bench_now() - start;
}

/* How many instructions a kernel executes in so many rounds. */
static uint64_t kernel_count(const struct kernel *kernel, uint64_t in_rounds)
{
	if (!kernel->counted)
		return kernel->fixed + in_rounds * kernel->per_round;
	data_fill();
	return kernel->fixed + code_load(kernel->counted, kernel->counted_size)(data, in_rounds);
}

static void kernels_prepare(double millions)
{
	kernels_make(kernels);
	data = memory_get(KERNEL_DATA_SIZE);
	for (unsigned k = 0; k < KERNELS; k++) {
		rounds[k] = millions * 1e6 / kernels[k].per_round + 1;
		instructions[k] = kernel_count(&kernels[k], rounds[k]);
	}
}

static void report(unsigned k, double ns)
{
	printf("%s %.1f\n", kernels[k].name, instructions[k] * 1e3 / ns);
	fflush(stdout);
}

static void rate_native(void)
{
	enum { TIMES = 5 };
	double ns[TIMES];

	for (unsigned k = 0; k < KERNELS; k++) {
		for (int i = 0; i < TIMES; i++)
			ns[i] = kernel_run_native(k);
		report(k, bench_median(ns, TIMES));
	}
}

/* ---- Counting by single steps ---------------------------------------------------------------------------------------- */

static uint64_t steps_inside(pid_t child, uint64_t begin, uint64_t end)
{
	struct user_regs_struct regs;
	uint64_t steps = 0;
	int status, entered = 0;

	for (;;) {
		if (ptrace(PTRACE_GETREGS, child, 0, &regs) < 0)
			bench_fail("PTRACE_GETREGS");
		if (regs.rip >= begin && regs.rip < end) {
			entered = 1;
			steps++;
		} else if (entered) {
			return steps;
		}
		if (ptrace(PTRACE_SINGLESTEP, child, 0, 0) < 0 || waitpid(child, &status, 0) < 0)
			bench_fail("PTRACE_SINGLESTEP");
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) {
			fprintf(stderr, "bench: the single-stepped kernel died, status %#x\n", status);
			exit(1);
		}
	}
}

static uint64_t kernel_count_steps(const struct kernel *kernel, uint64_t in_rounds)
{
	kernel_function *function = code_load(kernel->code, kernel->size);
	uint64_t steps;
	pid_t child;

	data_fill();
	child = fork();
	if (child < 0)
		bench_fail("fork");
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		function(data, in_rounds);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	steps = steps_inside(child, (uintptr_t)function, (uintptr_t)function + kernel->size);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return steps;
}

static int kernel_check(const struct kernel *kernel, uint64_t in_rounds)
{
	uint64_t said = kernel_count(kernel, in_rounds), stepped = kernel_count_steps(kernel, in_rounds);

	if (said != stepped)
		printf("%s: %llu rounds are said to be %llu instructions, but the processor took %llu steps\n",
		       kernel->name, (unsigned long long)in_rounds, (unsigned long long)said, (unsigned long long)stepped);
	return said == stepped;
}

static int check(void)
{
	int right = 0;

	for (unsigned k = 0; k < KERNELS; k++)
		right += kernel_check(&kernels[k], 1) && kernel_check(&kernels[k], 3);
	printf("%d of %d kernels execute as many instructions as counted\n", right, KERNELS);
	return right == KERNELS ? 0 : 1;
}

/* ---- The image -------------------------------------------------------------------------------------------------------- */

/* Fills image (IMAGE_ROOM bytes) and returns its size. */
static size_t image_make(uint8_t *image)
{
	struct job jobs[KERNELS + 1] = { 0 };
	size_t size = boot_code_end - boot_code;

	memcpy(image, boot_code, size);
	for (unsigned k = 0; k < KERNELS; k++) {
		size = (size + 63) & ~(size_t)63;
		if (size + kernels[k].size > IMAGE_ROOM) {
			errno = ENOSPC;
			bench_fail("guest image");
		}
		jobs[k] = (struct job){ IMAGE_AT + size, rounds[k] };
		memcpy(image + size, kernels[k].code, kernels[k].size);
		size += kernels[k].size;
	}
	memcpy(image + (boot_jobs - boot_code), jobs, sizeof(jobs));
	return size;
}

static void image_write(int fd)
{
	uint8_t *image = memory_get(IMAGE_ROOM);
	size_t size = image_make(image);

	if (write(fd, image, size) != (ssize_t)size)
		bench_fail("writing the guest image");
	munmap(image, IMAGE_ROOM);
}

/* ---- Under KVM and under TCG ---------------------------------------------------------------------------------------------- */

static void job_done(unsigned job, double ns, const uint64_t *result)
{
	if (*result != results[job]) {
		fprintf(stderr, "bench: %s gives %#llx in the guest, but %#llx natively\n", kernels[job].name, (unsigned long long)*result,
			(unsigned long long)results[job]);
		exit(1);
	}
	report(job, ns);
}

static int rate_kvm(void)
{
	struct listener listener = { .jobs = KERNELS, .numbers = 1, .done = job_done };
	struct bench_vm vm;

	x86_vm_create(&vm, MEMORY_SIZE);
	image_make(vm.memory + IMAGE_AT);
	x86_vm_enter_protected(&vm, IMAGE_AT + (boot_entry - boot_code));
	for (;;) {
		double time;

		bench_vm_run(&vm, KVM_EXIT_IO);
		time = bench_now();
		if (vm.run->io.port == PORT_LEAVE)
			return listener_finish(&listener);
		if (vm.run->io.port == PORT_MARK)
			listener_take(&listener, *((uint8_t *)vm.run + vm.run->io.data_offset), time);
	}
}

/* QEMU with the image as its kernel, port 0xe9 as its standard output. */
static int rate_tcg(void)
{
	struct listener listener = { .jobs = KERNELS, .numbers = 1, .done = job_done };
	int image = memfd_create("guest", 0);
	char path[32];
	const char *const qemu[] = { "qemu-system-x86_64", "-machine", "pc", "-accel", "tcg", "-cpu", "max", "-m", "64", "-display", "none", "-nodefaults",
				     "-no-reboot", "-kernel", path, "-debugcon", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=1", NULL };

	if (image < 0)
		bench_fail("memfd_create");
	image_write(image);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", image);
	return listener_run(&listener, qemu);
}

static int image_save(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0)
		bench_fail(path);
	image_write(fd);
	return close(fd);
}

static int usage(void)
{
	fprintf(stderr, "usage: guest_rate native|kvm|tcg [MILLIONS] | check | image FILE [MILLIONS]\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	const int is_image = !strcmp(what, "image"), millions_at = is_image ? 3 : 2;
	const double millions = argc > millions_at ? atof(argv[millions_at]) : 100;

	if ((is_image && argc < 3) || millions <= 0)
		return usage();
	kernels_prepare(strcmp(what, "check") ? millions : 0.01);
	if (!strcmp(what, "check"))
		return check();
	if (is_image)
		return image_save(argv[2]);
	if (!strcmp(what, "native")) {
		rate_native();
		return 0;
	}
	for (unsigned k = 0; k < KERNELS; k++)
		kernel_run_native(k);
	if (!strcmp(what, "kvm"))
		return rate_kvm();
	if (!strcmp(what, "tcg"))
		return rate_tcg();
	return usage();
}
