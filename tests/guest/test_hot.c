/*
 * 64-bit code that runs often: what an implementation of KVM makes of it once it is hot must not show. Faults, exits and holes come in the
 * middle of it with exact registers; code that changes under it, wherever from, runs as it stands; nothing keeps a signal out.
 */
#include "guest.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	ROUNDS = 512,             /* as many words as a page has */
	PAGE = 0x1000,
	OTHER = GUEST_DATA,       /* code in another page */
	MMIO = 0x10000000,        /* behind all memory */
	BLOCKS_AT = 0x400000, BLOCKS = 35000, BLOCK_SIZE = 16,
	P = 1, W = 2,
	ARITHMETIC = 0x8d5,       /* CF, PF, AF, ZF, SF, OF */
};

extern const uint8_t code_walk[], code_walk_load[], code_patched[], code_other[], code_own[], code_remap[], code_return_1[], code_return_2[];
extern const uint8_t code_spin[], code_locked[], code_end[];

__asm__(
	".pushsection .rodata\n"
	".code64\n"
	/* Reads RCX words from RDI on, with flags that somebody may look at. */
	"code_walk:\n"
	"1:	addq	%rbx, %rax\n"
	"code_walk_load:\n"
	"	movq	(%rdi), %rdx\n"
	"	adcq	%r12, %r13\n"
	"	leaq	8(%rdi), %rdi\n"
	"	decq	%rcx\n"
	"	jnz	1b\n"
	"	int	$0x80\n"
	/* Runs until the code in the other page says something else. */
	"code_patched:\n"
	"1:	jmp	code_patched + 0x100000\n"
	"	cmpl	$2, %eax\n"
	"	jne	1b\n"
	"	int	$0x80\n"
	"code_other:\n" /* to be put at OTHER */
	"	movl	$1, %eax\n"
	"	jmp	code_other - 0x100000 + 5\n"
	/* Changes an instruction further on in its own block. */
	"code_own:\n"
	"1:	movl	%ecx, 2f + 1(%rip)\n"
	"	addq	$0, %rax\n"
	"2:	movl	$0, %edx\n"
	"	addq	%rdx, %rax\n"
	"	decq	%rcx\n"
	"	jnz	1b\n"
	"	int	$0x80\n"
	/* Calls what is at OTHER, with another page there each time. R8 and R9: the entries; RSI: where they go. */
	"code_remap:\n"
	"1:	movq	%r8, (%rsi)\n"
	"	invlpg	(%rdi)\n"
	"	call	code_remap + 0x100000\n"
	"	addq	%rax, %rbx\n"
	"	movq	%r9, (%rsi)\n"
	"	invlpg	(%rdi)\n"
	"	call	*%rdi\n"
	"	addq	%rax, %rbx\n"
	"	shlq	$1, %rbx\n"
	"	decq	%rcx\n"
	"	jnz	1b\n"
	"	int	$0x80\n"
	"code_return_1:\n"
	"	movl	$1, %eax\n"
	"	ret\n"
	"code_return_2:\n"
	"	movl	$2, %eax\n"
	"	ret\n"
	"code_spin:\n"
	"1:	incq	%rax\n"
	"	testq	%rax, %rax\n"
	"	jnz	1b\n"
	/* Counts at RDI in three ways, as others do. */
	"code_locked:\n"
	"1:	lock incq	(%rdi)\n"
	"	movl	$1, %eax\n"
	"	lock xaddq	%rax, 8(%rdi)\n"
	"2:	movq	16(%rdi), %rax\n"
	"	leaq	1(%rax), %r13\n"
	"	lock cmpxchgq	%r13, 16(%rdi)\n"
	"	jne	2b\n"
	"	decq	%rcx\n"
	"	jnz	1b\n"
	"	int	$0x80\n"
	"code_end:\n"
	".popsection\n");

static unsigned int passed, failed;

static void check(bool right, const char *test, const char *what, uint64_t is, uint64_t expected)
{
	if (right) {
		passed++;
		return;
	}
	printf("FAIL %s: %s is 0x%llx, expected 0x%llx\n", test, what, (unsigned long long)is, (unsigned long long)expected);
	failed++;
}

static void check_equal(const char *test, const char *what, uint64_t is, uint64_t expected)
{
	check(is == expected, test, what, is, expected);
}

static void machine_open(struct guest *guest)
{
	struct kvm_sregs sregs;

	guest_open(guest, GUEST_64);
	ioctl(guest->vcpu, KVM_GET_SREGS, &sregs);
	sregs.cr3 = guest_map(guest);
	sregs.cr0 = 0x80000011; /* PG, ET, PE */
	sregs.cr4 = 0x20;       /* PAE */
	sregs.efer = 0x500;     /* LMA, LME */
	sregs.cs.l = 1;
	ioctl(guest->vcpu, KVM_SET_SREGS, &sregs);
}

/* ---- In the middle of hot code. ---- */

static const struct kvm_regs walk_start = { .rax = 5, .rbx = UINT64_C(0x123456789abcdef1), .rcx = 2 * ROUNDS, .rdi = GUEST_DATA, .r12 = 3 };

/* What the registers must be when the page behind the first one is reached. */
static void check_walk(const char *test, const struct kvm_regs *regs)
{
	uint64_t left = walk_start.rax + ROUNDS * walk_start.rbx, flags;

	__asm__("addq %2, %1\n\tpushfq\n\tpopq %0" : "=r"(flags), "+r"(left) : "r"(walk_start.rbx) : "cc");
	check_equal(test, "RAX", regs->rax, left);
	check_equal(test, "RDI", regs->rdi, GUEST_DATA + PAGE);
	check_equal(test, "RCX", regs->rcx, ROUNDS);
	check_equal(test, "the flags", regs->rflags & ARITHMETIC, flags & ARITHMETIC);
}

static void check_walk_end(const char *test, struct guest *guest)
{
	struct outcome outcome = guest_continue(guest);
	uint64_t carries = 0, sum = walk_start.rax;

	for (unsigned int i = 0; i < 2 * ROUNDS; i++)
		carries += __builtin_add_overflow(sum, walk_start.rbx, &sum);
	check_equal(test, "vector", (uint64_t)outcome.vector, 0x80);
	check_equal(test, "RAX at the end", outcome.regs.rax, sum);
	check_equal(test, "R13 at the end", outcome.regs.r13, 2 * ROUNDS * walk_start.r12 + carries);
}

static struct outcome walk(struct guest *guest)
{
	return guest_go(guest, 0, code_walk, (unsigned int)(code_patched - code_walk), walk_start);
}

static void test_page_fault(void)
{
	struct outcome outcome;
	struct guest guest;

	machine_open(&guest);
	*(uint64_t *)guest_pte(&guest, GUEST_DATA + PAGE) = 0;
	outcome = walk(&guest);
	check_equal("page fault", "vector", (uint64_t)outcome.vector, 14);
	check_equal("page fault", "RIP", outcome.rip, GUEST_CODE + (uint64_t)(code_walk_load - code_walk));
	check_walk("page fault", &outcome.regs);
	guest_close(&guest);
}

static void test_hole(void)
{
	struct outcome outcome;
	struct guest guest;

	machine_open(&guest);
	munmap(guest.memory + GUEST_DATA + PAGE, PAGE);
	outcome = walk(&guest);
	check_equal("hole", "errno", (uint64_t)outcome.error, EFAULT);
	check_equal("hole", "RIP", outcome.regs.rip, GUEST_CODE + (uint64_t)(code_walk_load - code_walk));
	check_walk("hole", &outcome.regs);
	mmap(guest.memory + GUEST_DATA + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check_walk_end("hole", &guest);
	guest_close(&guest);
}

/* As a hole, but there is a translation already: the memory went while the code was hot. */
static void test_hole_later(void)
{
	struct kvm_regs regs = walk_start;
	struct outcome outcome;
	struct guest guest;

	machine_open(&guest);
	walk(&guest);
	mprotect(guest.memory + GUEST_DATA + PAGE, PAGE, PROT_NONE);
	regs.rip = GUEST_CODE;
	regs.rsp = GUEST_STACK;
	regs.rflags = 2;
	ioctl(guest.vcpu, KVM_SET_REGS, &regs);
	outcome = guest_continue(&guest);
	check_equal("hole later", "errno", (uint64_t)outcome.error, EFAULT);
	check_equal("hole later", "RIP", outcome.regs.rip, GUEST_CODE + (uint64_t)(code_walk_load - code_walk));
	check_walk("hole later", &outcome.regs);
	mprotect(guest.memory + GUEST_DATA + PAGE, PAGE, PROT_READ | PROT_WRITE);
	check_walk_end("hole later", &guest);
	guest_close(&guest);
}

static void test_mmio(void)
{
	struct outcome outcome;
	struct guest guest;

	machine_open(&guest);
	*(uint64_t *)guest_pte(&guest, GUEST_DATA + PAGE) = MMIO | P | W;
	outcome = walk(&guest);
	check_equal("MMIO", "exit", outcome.exit, KVM_EXIT_MMIO);
	for (unsigned int i = 0; i < ROUNDS && outcome.exit == KVM_EXIT_MMIO; i++) {
		check_equal("MMIO", "address", guest.run->mmio.phys_addr, MMIO + 8 * i);
		memset(guest.run->mmio.data, (int)i, 8);
		if (i + 1 < ROUNDS)
			outcome = guest_continue(&guest);
	}
	check_walk_end("MMIO", &guest);
	guest_close(&guest);
}

/* ---- Code that changes. ---- */

static void *patch(void *code)
{
	usleep(20000);
	__atomic_store_n((uint8_t *)code + 1, 2, __ATOMIC_RELAXED);
	return NULL;
}

static void test_patched(void)
{
	struct outcome outcome;
	struct guest guest;
	pthread_t thread;

	machine_open(&guest);
	memcpy(guest.memory + OTHER, code_other, (size_t)(code_own - code_other));
	pthread_create(&thread, NULL, patch, guest.memory + OTHER);
	outcome = guest_go(&guest, 0, code_patched, (unsigned int)(code_other - code_patched), (struct kvm_regs){ 0 });
	pthread_join(thread, NULL);
	check_equal("patched", "vector", (uint64_t)outcome.vector, 0x80);
	check_equal("patched", "RAX", outcome.regs.rax, 2);
	guest_close(&guest);
}

static void test_own_code(void)
{
	struct outcome outcome;
	struct guest guest;

	machine_open(&guest);
	outcome = guest_go(&guest, 0, code_own, (unsigned int)(code_remap - code_own), (struct kvm_regs){ .rcx = ROUNDS });
	check_equal("own code", "vector", (uint64_t)outcome.vector, 0x80);
	check_equal("own code", "RAX", outcome.regs.rax, ROUNDS * (ROUNDS + 1) / 2);
	guest_close(&guest);
}

static void test_remapped(void)
{
	enum { TIMES = 200 };
	struct kvm_regs regs = { .rcx = TIMES, .rdi = OTHER };
	struct outcome outcome;
	struct guest guest;
	uint64_t expected = 0;

	machine_open(&guest);
	memcpy(guest.memory + OTHER + PAGE, code_return_1, (size_t)(code_return_2 - code_return_1));
	memcpy(guest.memory + OTHER + 2 * PAGE, code_return_2, (size_t)(code_spin - code_return_2));
	regs.rsi = (uint64_t)guest_pte(&guest, OTHER) - (uint64_t)guest.memory;
	regs.r8 = (OTHER + PAGE) | P | W;
	regs.r9 = (OTHER + 2 * PAGE) | P | W;
	outcome = guest_go(&guest, 0, code_remap, (unsigned int)(code_return_1 - code_remap), regs);
	for (unsigned int i = 0; i < TIMES; i++)
		expected = (expected + 3) << 1;
	check_equal("remapped", "vector", (uint64_t)outcome.vector, 0x80);
	check_equal("remapped", "RBX", outcome.regs.rbx, expected);
	guest_close(&guest);
}

/* ---- More code than anybody keeps. ---- */

static void blocks_write(uint8_t *at)
{
	/* mov (%rdi), %rdx; mov 8(%rdi), %rdx; inc %rax; jmp: to the next one */
	static const uint8_t block[BLOCK_SIZE] = { 0x48, 0x8b, 0x17, 0x48, 0x8b, 0x57, 0x08, 0x48, 0xff, 0xc0, 0xeb, 0x04 };
	static const uint8_t end[] = { 0x48, 0xff, 0xc9, 0x0f, 0x85, 0, 0, 0, 0, 0xcd, 0x80 }; /* dec %rcx; jnz; int $0x80 */
	const int32_t back = -BLOCKS * BLOCK_SIZE - 9;

	for (unsigned int i = 0; i < BLOCKS; i++, at += BLOCK_SIZE)
		memcpy(at, block, sizeof block);
	memcpy(at, end, sizeof end);
	memcpy(at + 5, &back, sizeof back);
}

static void test_many_blocks(void)
{
	static const uint8_t start[] = { 0xff, 0xe6 }; /* jmp *%rsi */
	enum { TIMES = 30 };
	struct outcome outcome;
	struct guest guest;

	machine_open(&guest);
	blocks_write(guest.memory + BLOCKS_AT);
	for (unsigned int i = 0; i < 2; i++) {
		outcome = guest_go(&guest, 0, start, sizeof start, (struct kvm_regs){ .rcx = TIMES, .rdi = GUEST_DATA, .rsi = BLOCKS_AT });
		check_equal("many blocks", "vector", (uint64_t)outcome.vector, 0x80);
		check_equal("many blocks", "RAX", outcome.regs.rax, TIMES * BLOCKS);
		/* Other code in between, for which there may be no room. */
		outcome = guest_go(&guest, 0, code_own, (unsigned int)(code_remap - code_own), (struct kvm_regs){ .rcx = ROUNDS });
		check_equal("many blocks", "RAX of other code", outcome.regs.rax, ROUNDS * (ROUNDS + 1) / 2);
	}
	guest_close(&guest);
}

/* ---- Two vCPUs. ---- */

static void *second_run(void *vcpu)
{
	ioctl(*(int *)vcpu, KVM_RUN, 0);
	return NULL;
}

/* A vCPU that is as the first one stands, but for its stack. */
static int second_create(struct guest *guest, struct kvm_regs regs)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + 128 * sizeof cpuid->entries[0]);
	int vcpu = ioctl(guest->vm, KVM_CREATE_VCPU, 1);
	struct kvm_sregs sregs;

	cpuid->nent = 128;
	ioctl(guest->kvm, KVM_GET_SUPPORTED_CPUID, cpuid);
	ioctl(vcpu, KVM_SET_CPUID2, cpuid);
	free(cpuid);
	ioctl(guest->vcpu, KVM_GET_SREGS, &sregs);
	sregs.apic_base = 0xfee00800;
	ioctl(vcpu, KVM_SET_SREGS, &sregs);
	regs.rip = GUEST_CODE;
	regs.rflags = 2;
	regs.rsp = GUEST_STACK - 0x800;
	ioctl(vcpu, KVM_SET_REGS, &regs);
	return vcpu;
}

static void test_locked(void)
{
	enum { TIMES = 300000 };
	const unsigned int size = (unsigned int)(code_end - code_locked);
	struct kvm_regs regs = { .rcx = 1, .rdi = GUEST_DATA };
	uint64_t *counts;
	struct guest guest;
	pthread_t thread;
	int second;

	machine_open(&guest);
	guest_go(&guest, 0, code_locked, size, regs);
	regs.rcx = TIMES;
	second = second_create(&guest, regs);
	pthread_create(&thread, NULL, second_run, &second);
	guest_go(&guest, 0, code_locked, size, regs);
	pthread_join(thread, NULL);
	counts = (uint64_t *)(guest.memory + GUEST_DATA);
	for (unsigned int i = 0; i < 3; i++)
		check_equal("locked", i == 0 ? "INC's count" : i == 1 ? "XADD's count" : "CMPXCHG's count", counts[i], 2 * TIMES + 1);
	close(second);
	guest_close(&guest);
}

/* ---- Signals. ---- */

static void on_alarm(int signal)
{
	(void)signal;
}

static void test_signal(void)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	const struct itimerval soon = { .it_value.tv_usec = 20000 };
	struct outcome outcome;
	struct guest guest;

	machine_open(&guest);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	outcome = guest_go(&guest, 0, code_spin, (unsigned int)(code_locked - code_spin), (struct kvm_regs){ 0 });
	check_equal("signal", "errno", (uint64_t)outcome.error, EINTR);
	check(outcome.regs.rax > ROUNDS, "signal", "RAX", outcome.regs.rax, ROUNDS);
	guest_close(&guest);
}

int main(void)
{
	test_page_fault();
	test_hole();
	test_hole_later();
	test_mmio();
	test_patched();
	test_own_code();
	test_remapped();
	test_many_blocks();
	test_locked();
	test_signal();
	printf("%u passed, %u failed, 0 skipped\n", passed, failed);
	return failed ? 1 : 0;
}
