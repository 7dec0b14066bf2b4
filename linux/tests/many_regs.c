// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_MANY_REGS and KVM_SET_MANY_REGS of this machine's kernel: what they promise, and what a hostile program may try. Prints a line a test and, as
 * the last, `N passed, N failed, N skipped`.
 */
#define _GNU_SOURCE
#include "vm.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- The harness. ---- */

static int passed, failed, skipped;
static jmp_buf test_end;

static void __attribute__((format(printf, 2, 3), noreturn)) fail(int line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	printf("  line %d: ", line);
	vprintf(format, arguments);
	printf("\n");
	va_end(arguments);
	longjmp(test_end, 1);
}

/* Evaluates each side once. */
#define SAME(actual, expected)                                                                                              \
	do {                                                                                                                 \
		long long a_ = (long long)(actual), e_ = (long long)(expected);                                               \
		if (a_ != e_)                                                                                                 \
			fail(__LINE__, "%s is %lld, not %s (%lld)", #actual, a_, #expected, e_);                              \
	} while (0)

static void __attribute__((unused, noreturn)) skip(void)
{
	longjmp(test_end, 2);
}

static void test_run(const char *name, void (*test)(void))
{
	switch (setjmp(test_end)) {
	case 0:
		test();
		passed++;
		printf("ok   %s\n", name);
		break;
	case 1:
		failed++;
		printf("FAIL %s\n", name);
		break;
	default:
		skipped++;
		printf("skip %s\n", name);
	}
}

/* ---- Calls. ---- */

static struct vm vm;
static struct many many;
static uint8_t values[REGS_MOST][VALUE_SIZE], others[REGS_MOST][VALUE_SIZE];

/* 0 or the error's number. */
static int call(unsigned long command, void *argument)
{
	return ioctl(vm.vcpu, command, argument) ? errno : 0;
}

static int one_get(uint64_t id, void *value)
{
	struct kvm_one_reg reg = { id, (uintptr_t)value };

	return call(KVM_GET_ONE_REG, &reg);
}

static int one_set(uint64_t id, const void *value)
{
	struct kvm_one_reg reg = { id, (uintptr_t)value };

	return call(KVM_SET_ONE_REG, &reg);
}

static uint64_t general_get(unsigned int number)
{
	uint64_t value = ~0ull;

	SAME(one_get(vm_general(number), &value), 0);
	return value;
}

static void general_set(unsigned int number, uint64_t value)
{
	SAME(one_set(vm_general(number), &value), 0);
}

/* General registers 0 ... n - 1, their values at values[i]. */
static void many_general(uint64_t n)
{
	many.n = n;
	for (uint64_t i = 0; i < n; i++) {
		many.reg[i] = (struct kvm_one_reg){ vm_general((unsigned int)i), (uintptr_t)values[i] };
		memset(values[i], 0, VALUE_SIZE);
	}
}

static uint64_t value_get(unsigned int i)
{
	uint64_t value;

	memcpy(&value, values[i], sizeof value);
	return value;
}

static void value_set(unsigned int i, uint64_t value)
{
	memcpy(values[i], &value, sizeof value);
}

/* Pages of which those from `good` on are not there. */
static uint8_t *pages_make(size_t good)
{
	uint8_t *pages = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		must(-1, "mmap");
	munmap(pages + good * 4096, (8 - good) * 4096);
	return pages;
}

static void spawn(pthread_t *thread, void *(*body)(void *))
{
	if (pthread_create(thread, NULL, body, NULL))
		must(-1, "pthread_create");
}

/* ---- What they promise. ---- */

static void capability(void)
{
	SAME(ioctl(vm.kvm, KVM_CHECK_EXTENSION, KVM_CAP_MANY_REGS), REGS_MOST);
	SAME(ioctl(vm.vm, KVM_CHECK_EXTENSION, KVM_CAP_MANY_REGS), REGS_MOST);
	SAME(ioctl(vm.kvm, KVM_CHECK_EXTENSION, KVM_CAP_ONE_REG), 1);
}

static void nothing_asked(void)
{
	uint64_t *last = (uint64_t *)(pages_make(1) + 4096 - 8);

	*last = 0; /* with no array behind it */
	SAME(call(KVM_GET_MANY_REGS, last), 0);
	SAME(call(KVM_SET_MANY_REGS, last), 0);
}

static void too_many(void)
{
	const uint64_t sizes[] = { REGS_MOST + 1, 1ull << 32, (1ull << 32) + 1, 1ull << 60, (1ull << 60) + 1, (1ull << 63) + 1, ~0ull };

	many_general(4);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		many.n = sizes[i];
		SAME(call(KVM_GET_MANY_REGS, &many), E2BIG);
		SAME(call(KVM_SET_MANY_REGS, &many), E2BIG);
	}
	SAME(value_get(0), 0);
}

static void as_many_as_may_be(void)
{
	general_set(1, 77);
	many.n = REGS_MOST;
	for (unsigned int i = 0; i < REGS_MOST; i++) {
		many.reg[i] = (struct kvm_one_reg){ vm_general(1), (uintptr_t)values[i] };
		value_set(i, 0);
	}
	SAME(call(KVM_GET_MANY_REGS, &many), 0);
	for (unsigned int i = 0; i < REGS_MOST; i++) {
		SAME(value_get(i), 77);
		value_set(i, i);
	}
	SAME(call(KVM_SET_MANY_REGS, &many), 0);
	SAME(general_get(1), REGS_MOST - 1); /* the last one stays */
}

/* Counters go on between two calls. */
static int stands_still(unsigned int i)
{
	uint8_t now[VALUE_SIZE] = { 0 };

	usleep(20);
	return !one_get(many.reg[i].id, now) && !memcmp(now, others[i], reg_size(many.reg[i].id));
}

static void all_as_one_by_one(void)
{
	vm_regs_list(vm.vcpu, &many, values);
	SAME(many.n > 20 && many.n <= REGS_MOST, 1);
	memset(values, 0, sizeof values);
	for (unsigned int i = 0; i < many.n; i++)
		SAME(one_get(many.reg[i].id, others[i]), 0);
	SAME(call(KVM_GET_MANY_REGS, &many), 0);
	for (unsigned int i = 0; i < many.n; i++)
		if (memcmp(values[i], others[i], reg_size(many.reg[i].id)) && stands_still(i))
			fail(__LINE__, "id 0x%llx differs", (unsigned long long)many.reg[i].id);
}

static void set_as_one_by_one(void)
{
	uint64_t kept = 0;

	vm_regs_list(vm.vcpu, &many, values);
	SAME(call(KVM_GET_MANY_REGS, &many), 0);
	for (unsigned int i = 0; i < many.n; i++)
		if (!one_set(many.reg[i].id, values[i])) {
			many.reg[kept] = many.reg[i];
			kept++;
		}
	many.n = kept;
	SAME(call(KVM_SET_MANY_REGS, &many), 0);
	many_general(8);
	for (unsigned int i = 0; i < 8; i++)
		value_set(i, 0x1111111111111111ull * i);
	SAME(call(KVM_SET_MANY_REGS, &many), 0);
	for (unsigned int i = 0; i < 8; i++)
		SAME(general_get(i), 0x1111111111111111ull * i);
}

static void stops_at_the_first(void)
{
	uint64_t unused = 0;

	for (unsigned int i = 0; i < 4; i++)
		general_set(i, 10 + i);
	many_general(4);
	many.reg[2].id = vm_no_reg();
	SAME(call(KVM_GET_MANY_REGS, &many), one_get(vm_no_reg(), &unused));
	SAME(value_get(0), 10);
	SAME(value_get(1), 11);
	SAME(value_get(2), 0);
	SAME(value_get(3), 0);
	for (unsigned int i = 0; i < 4; i++)
		value_set(i, 20 + i);
	SAME(call(KVM_SET_MANY_REGS, &many), one_set(vm_no_reg(), &unused));
	SAME(general_get(0), 20);
	SAME(general_get(1), 21);
	SAME(general_get(3), 13);
}

/* ---- Bad input. ---- */

static void bad_ids(void)
{
	uint64_t good = vm_general(0), value = 0;

	many_general(1);
	for (unsigned int bit = 0; bit < 64; bit++) {
		many.reg[0].id = good ^ 1ull << bit;
		SAME(call(KVM_GET_MANY_REGS, &many), one_get(many.reg[0].id, values[0]));
	}
	for (uint64_t id = 0, i = 0; i < 2000; i++, id = id * 6364136223846793005ull + 1442695040888963407ull) {
		many.reg[0].id = i & 1 ? id : (good & 0xffffffff00000000ull) | (uint32_t)(id >> 32);
		SAME(call(KVM_GET_MANY_REGS, &many), one_get(many.reg[0].id, values[0]));
	}
	SAME(one_get(good, &value), 0);
}

static void bad_header(void)
{
	uint8_t *pages = pages_make(1);
	void *bad[] = { NULL, (void *)8, pages + 4096, pages + 4096 - 4, (void *)0xffff800000001000ull, (void *)0x8000000000000000ull, (void *)-1ull, (void *)-8ull };

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		SAME(call(KVM_GET_MANY_REGS, bad[i]), EFAULT);
		SAME(call(KVM_SET_MANY_REGS, bad[i]), EFAULT);
	}
}

/* The array ends in a page that is not there: nothing is set. */
static void bad_array(void)
{
	uint8_t *pages = pages_make(1);
	struct many *at = (struct many *)(pages + 4096 - 8 - 3 * sizeof(struct kvm_one_reg) - 8);

	general_set(0, 5);
	many_general(4);
	value_set(0, 6);
	memcpy(at, &many, 8 + 3 * sizeof(struct kvm_one_reg) + 8);
	SAME(call(KVM_SET_MANY_REGS, at), EFAULT);
	SAME(call(KVM_GET_MANY_REGS, at), EFAULT);
	SAME(general_get(0), 5);
	at = (struct many *)(pages + 4096 - 8);
	at->n = REGS_MOST;
	SAME(call(KVM_SET_MANY_REGS, at), EFAULT);
	at->n = 1;
	SAME(call(KVM_GET_MANY_REGS, at), EFAULT);
}

static void bad_values(void)
{
	uint8_t *pages = pages_make(1);
	uint64_t bad[] = { 0, 8, (uintptr_t)(pages + 4096), (uintptr_t)(pages + 4096 - 4), 0xffff800000001000ull, 0x8000000000000000ull, ~0ull, ~7ull };

	general_set(0, 1);
	general_set(2, 3);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		many_general(3);
		value_set(0, 100 + i);
		value_set(2, 9);
		many.reg[1].addr = bad[i];
		SAME(call(KVM_SET_MANY_REGS, &many), EFAULT);
		SAME(general_get(0), 100 + i);
		SAME(general_get(2), 3);
		SAME(call(KVM_GET_MANY_REGS, &many), EFAULT);
		SAME(value_get(2), 9);
	}
}

static void read_only_values(void)
{
	uint8_t *pages = pages_make(1);

	many_general(1);
	memset(pages, 3, 8);
	mprotect(pages, 4096, PROT_READ);
	many.reg[0].addr = (uintptr_t)pages;
	SAME(call(KVM_GET_MANY_REGS, &many), EFAULT);
	SAME(call(KVM_SET_MANY_REGS, &many), 0);
	SAME(general_get(0), 0x0303030303030303ull);
}

/* Values may overlap the array: the kernel works on its copy. */
static void values_in_the_array(void)
{
	general_set(0, vm_no_reg());
	general_set(1, 4711);
	many_general(2);
	many.reg[0].addr = (uintptr_t)&many.reg[1].id;
	SAME(call(KVM_GET_MANY_REGS, &many), 0);
	SAME(many.reg[1].id, vm_no_reg());
	SAME(value_get(1), 4711);
}

/* The numbers 0xc7 and 0xc8 have other calls too: only the whole word is this one. */
static void other_words(void)
{
	const unsigned long words[] = {
		_IO(KVMIO, 0xc7), _IOR(KVMIO, 0xc7, struct kvm_many_regs), _IOWR(KVMIO, 0xc8, struct kvm_many_regs),
		_IOW(KVMIO, 0xc7, struct kvm_one_reg), _IO(KVMIO, 0xc8), KVM_GET_MANY_REGS & 0xff,
	};

	many_general(1);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		SAME(call(words[i], &many) != 0, 1);
	SAME(ioctl(vm.vm, KVM_GET_MANY_REGS, &many), -1);
	SAME(ioctl(vm.kvm, KVM_GET_MANY_REGS, &many), -1);
}

/* ---- arm64: before KVM_ARM_VCPU_INIT and KVM_ARM_VCPU_FINALIZE. ---- */

#if defined(__aarch64__)
static void before_init(void)
{
	struct vm kept = vm;
	int get, set, none;

	vm_make_raw(&vm);
	many_general(2);
	get = call(KVM_GET_MANY_REGS, &many);
	set = call(KVM_SET_MANY_REGS, &many);
	many.n = 0;
	none = call(KVM_GET_MANY_REGS, &many);
	vm_free(&vm);
	vm = kept;
	SAME(get, ENOEXEC);
	SAME(set, ENOEXEC);
	SAME(none, 0);
}

static void before_finalize(void)
{
	struct vm kept = vm;
	int begun, vector, lengths, finalized, after;
	int sve = KVM_ARM_VCPU_SVE;

	vm_make_raw(&vm);
	begun = vm_vcpu_begin(&vm, vm.vcpu, VM_SVE, 0);
	many.n = 1;
	many.reg[0] = (struct kvm_one_reg){ KVM_REG_ARM64_SVE_ZREG(0, 0), (uintptr_t)values[0] };
	vector = call(KVM_GET_MANY_REGS, &many);
	many.reg[0].id = KVM_REG_ARM64_SVE_VLS;
	lengths = call(KVM_GET_MANY_REGS, &many) ?: call(KVM_SET_MANY_REGS, &many);
	finalized = call(KVM_ARM_VCPU_FINALIZE, &sve);
	after = call(KVM_SET_MANY_REGS, &many);
	vm_free(&vm);
	vm = kept;
	if (begun)
		skip();
	SAME(vector, EPERM);
	SAME(lengths, 0);
	SAME(finalized, 0);
	SAME(after, EPERM);
}
#endif

/* ---- Others at the same time. ---- */

static atomic_int stop, bad;

/* All of a call under the vCPU's one lock: what one call set is never seen in halves. */
static void *setter(void *unused)
{
	static struct many set;
	static uint64_t same;

	set.n = 8;
	for (unsigned int i = 0; i < 8; i++)
		set.reg[i] = (struct kvm_one_reg){ vm_general(i), (uintptr_t)&same };
	while (!atomic_load(&stop)) {
		same++;
		if (ioctl(vm.vcpu, KVM_SET_MANY_REGS, &set))
			atomic_store(&bad, 1);
	}
	return unused;
}

static void one_lock(void)
{
	pthread_t thread;
	unsigned int halves = 0;

	many_general(8);
	for (unsigned int i = 0; i < 8; i++)
		general_set(i, 0);
	atomic_store(&stop, 0);
	atomic_store(&bad, 0);
	spawn(&thread, setter);
	for (unsigned int round = 0; round < 2000; round++) {
		if (call(KVM_GET_MANY_REGS, &many))
			atomic_store(&bad, 1);
		for (unsigned int i = 1; i < 8; i++)
			halves += value_get(i) != value_get(0);
	}
	atomic_store(&stop, 1);
	pthread_join(thread, NULL);
	SAME(halves, 0);
	SAME(atomic_load(&bad), 0);
}

static void nothing_done(int signal)
{
	(void)signal;
}

static void handler_set(int number)
{
	struct sigaction action = { .sa_handler = nothing_done };

	sigaction(number, &action, NULL);
}

/* A vCPU that runs: the call waits until it has been kicked out. */
static void *runner(void *unused)
{
	while (!atomic_load(&stop))
		if (ioctl(vm.vcpu, KVM_RUN, 0) && errno != EINTR)
			atomic_store(&bad, errno);
	return unused;
}

static void *kicker(void *thread)
{
	while (!atomic_load(&stop)) {
		usleep(1000);
		pthread_kill(*(pthread_t *)thread, SIGUSR1);
	}
	return NULL;
}

static void while_it_runs(void)
{
	pthread_t thread, kicks;
	uint64_t at = VM_MEMORY_AT;
	int wrong = 0;

	handler_set(SIGUSR1);
	SAME(one_set(vm_pc(), &at), 0);
	many_general(8);
	many.reg[8] = (struct kvm_one_reg){ vm_pc(), (uintptr_t)values[8] };
	many.n = 9;
	atomic_store(&stop, 0);
	atomic_store(&bad, 0);
	spawn(&thread, runner);
	if (pthread_create(&kicks, NULL, kicker, &thread))
		must(-1, "pthread_create");
	for (unsigned int round = 0; round < 50; round++) {
		for (unsigned int i = 0; i < 8; i++)
			value_set(i, round * 8 + i);
		value_set(8, at);
		wrong += call(KVM_SET_MANY_REGS, &many) != 0;
		memset(values, 0, sizeof values);
		wrong += call(KVM_GET_MANY_REGS, &many) != 0;
		for (unsigned int i = 0; i < 8; i++)
			wrong += value_get(i) != round * 8 + i;
		wrong += value_get(8) != at;
	}
	atomic_store(&stop, 1);
	pthread_join(kicks, NULL);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	SAME(atomic_load(&bad), 0);
	SAME(wrong, 0);
}

static uint8_t *moving;

/* Values' pages come and go. */
static void *unmapper(void *unused)
{
	while (!atomic_load(&stop)) {
		munmap(moving, 4096);
		mmap(moving, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		mmap(moving, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
	return unused;
}

static void while_memory_goes(void)
{
	pthread_t thread;
	int wrong = 0;

	moving = pages_make(4);
	many_general(8);
	for (unsigned int i = 0; i < 8; i++)
		many.reg[i].addr = (uintptr_t)(moving + i * 8);
	memcpy(moving + 2048, &many, 8 + 8 * sizeof many.reg[0]);
	atomic_store(&stop, 0);
	spawn(&thread, unmapper);
	for (unsigned int round = 0; round < 2000; round++) {
		int error = call(round & 1 ? KVM_GET_MANY_REGS : KVM_SET_MANY_REGS, &many);

		wrong += error && error != EFAULT;
		error = call(KVM_GET_MANY_REGS, moving + 2048); /* the array itself; mostly zeroes: n is 0 */
		wrong += error && error != EFAULT;
	}
	atomic_store(&stop, 1);
	pthread_join(thread, NULL);
	SAME(wrong, 0);
}

static void *asker(void *fd)
{
	while (!ioctl(*(int *)fd, KVM_GET_MANY_REGS, &many))
		;
	atomic_store(&bad, errno);
	return NULL;
}

static void while_it_is_closed(void)
{
	for (unsigned int round = 0; round < 20; round++) {
		pthread_t thread;
		int fd = dup(vm.vcpu);

		many_general(8);
		if (pthread_create(&thread, NULL, asker, &fd))
			must(-1, "pthread_create");
		usleep(500);
		close(fd);
		pthread_join(thread, NULL);
		SAME(atomic_load(&bad), EBADF);
	}
}

static void many_as_long_as_can_be(void)
{
	many.n = REGS_MOST;
	for (unsigned int i = 0; i < REGS_MOST; i++)
		many.reg[i] = (struct kvm_one_reg){ vm_general(i & 7), (uintptr_t)values[i] };
}

/* A signal that is handled does not cut a call short. */
static void signals(void)
{
	struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = { { 0, 0 }, { 0, 0 } };
	int wrong = 0;

	handler_set(SIGALRM);
	many_as_long_as_can_be();
	setitimer(ITIMER_REAL, &often, NULL);
	for (unsigned int round = 0; round < 200; round++)
		wrong += call(round & 1 ? KVM_SET_MANY_REGS : KVM_GET_MANY_REGS, &many) != 0;
	setitimer(ITIMER_REAL, &never, NULL);
	SAME(wrong, 0);
}

static void killed(void)
{
	for (unsigned int round = 0; round < 10; round++) {
		int status = 0;
		pid_t child = fork();

		if (!child) {
			vm_make(&vm, VM_PLAIN);
			many_as_long_as_can_be();
			for (;;)
				ioctl(vm.vcpu, round & 1 ? KVM_SET_MANY_REGS : KVM_GET_MANY_REGS, &many);
		}
		usleep(20000);
		kill(child, SIGKILL);
		SAME(waitpid(child, &status, 0), child);
		SAME(WTERMSIG(status), SIGKILL);
	}
}

/* A child has the descriptor but not the VM's memory. */
static void other_process(void)
{
	int status = 0;
	pid_t child = fork();

	if (!child) {
		many_general(2);
		_exit(call(KVM_GET_MANY_REGS, &many));
	}
	waitpid(child, &status, 0);
	SAME(WEXITSTATUS(status), EIO);
}

/* ---- x86: the ids that the kernel has got. ---- */

#if defined(__x86_64__)
#define CONTROL(index) ANYKVM_X86_REG(ANYKVM_X86_TYPE_CONTROL, KVM_REG_SIZE_U64, index)

static void x86_general(void)
{
	struct kvm_regs regs, now;
	uint64_t flags = 0x246;

	memset(&regs, 0x11, sizeof regs);
	regs.rflags = 2;
	SAME(call(KVM_SET_REGS, &regs), 0);
	for (unsigned int i = 0; i < 16; i++)
		general_set(i, i + 1);
	SAME(one_set(vm_general(17), &flags), 0);
	SAME(call(KVM_GET_REGS, &now), 0);
	SAME(now.rax, 1);
	SAME(now.rcx, 2);
	SAME(now.rdx, 3);
	SAME(now.rbx, 4);
	SAME(now.rsp, 5);
	SAME(now.rbp, 6);
	SAME(now.rsi, 7);
	SAME(now.rdi, 8);
	SAME(now.r8, 9);
	SAME(now.r15, 16);
	SAME(now.rip, regs.rip);
	SAME(now.rflags, 0x246);
}

/* From real mode to long mode in the order of the list, and where KVM_GET_SREGS sees it. */
static void x86_control(void)
{
	const uint64_t ids[] = { 0, 2, 3, 4, 8, ANYKVM_X86_CONTROL_EFER, ANYKVM_X86_CONTROL_APIC_BASE };
	const uint64_t after[] = { 0x80000011, 0x1234, 0x9000, 0x20, 5, 0x500, 0xfee00900 };
	struct kvm_sregs before, now;
	uint64_t bad_cr0 = 0x80000000, bad_cr8 = 16;

	SAME(call(KVM_GET_SREGS, &before), 0);
	many.n = 7;
	for (unsigned int i = 0; i < 7; i++) {
		many.reg[i] = (struct kvm_one_reg){ CONTROL(ids[i]), (uintptr_t)values[i] };
		value_set(i, after[i]);
	}
	SAME(call(KVM_SET_MANY_REGS, &many), 0);
	SAME(call(KVM_GET_SREGS, &now), 0);
	SAME(now.cr0, after[0]);
	SAME(now.cr2, after[1]);
	SAME(now.cr3, after[2]);
	SAME(now.cr4, after[3]);
	SAME(now.cr8, after[4]);
	SAME(now.efer, after[5]);
	SAME(now.apic_base, after[6]);
	memset(values, 0, sizeof values);
	SAME(call(KVM_GET_MANY_REGS, &many), 0);
	for (unsigned int i = 0; i < 7; i++)
		SAME(value_get(i), after[i]);
	SAME(one_set(CONTROL(0), &bad_cr0), EINVAL);
	SAME(one_set(CONTROL(8), &bad_cr8), EINVAL);
	SAME(one_set(CONTROL(1), &bad_cr8), ENOENT);
	SAME(call(KVM_SET_SREGS, &before), 0);
}

static void x86_msrs(void)
{
	struct {
		struct kvm_msrs header;
		struct kvm_msr_entry entry;
	} msrs = { .header.nmsrs = 1, .entry.index = 0xc0000082 };
	uint64_t lstar = 0xffffffff81234560ull, value = 0;

	SAME(one_set(KVM_X86_REG_MSR(0xc0000082), &lstar), 0);
	SAME(ioctl(vm.vcpu, KVM_GET_MSRS, &msrs), 1);
	SAME(msrs.entry.data, lstar);
	SAME(one_get(KVM_X86_REG_MSR(0xc0000082), &value), 0);
	SAME(value, lstar);
	lstar = 0x1234567812345678ull; /* not canonical */
	SAME(one_set(KVM_X86_REG_MSR(0xc0000082), &lstar), EINVAL);
	SAME(one_get(KVM_X86_REG_MSR(0xdeadbeef), &value), EINVAL);
}

static void x86_list(void)
{
	struct {
		uint64_t n, id[4];
	} list = { .n = 4 };

	SAME(call(KVM_GET_REG_LIST, &list), E2BIG);
	SAME(list.n > 18 + 7, 1);
	SAME(list.id[0], vm_general(0));
	list.n = ~0ull;
	SAME(call(KVM_GET_REG_LIST, (uint8_t *)pages_make(1) + 4096 - 16), E2BIG); /* n is zero there */
	SAME(call(KVM_GET_REG_LIST, NULL), EFAULT);
}
#endif

int main(void)
{
	static const struct {
		const char *name;
		void (*test)(void);
	} tests[] = {
#define TEST(name) { #name, name }
		TEST(capability), TEST(nothing_asked), TEST(too_many), TEST(as_many_as_may_be), TEST(all_as_one_by_one), TEST(set_as_one_by_one),
		TEST(stops_at_the_first), TEST(bad_ids), TEST(bad_header), TEST(bad_array), TEST(bad_values), TEST(read_only_values),
		TEST(values_in_the_array), TEST(other_words),
#if defined(__aarch64__)
		TEST(before_init), TEST(before_finalize),
#endif
#if defined(__x86_64__)
		TEST(x86_general), TEST(x86_control), TEST(x86_msrs), TEST(x86_list),
#endif
		TEST(one_lock), TEST(while_it_runs), TEST(while_memory_goes), TEST(while_it_is_closed), TEST(signals), TEST(killed), TEST(other_process),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (vm_make(&vm, VM_PLAIN))
		must(-1, "vCPU");
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		test_run(tests[i].name, tests[i].test);
#if defined(__aarch64__)
	vm_free(&vm);
	if (!vm_make(&vm, VM_ALL)) {
		test_run("all_as_one_by_one, all features", all_as_one_by_one);
		test_run("set_as_one_by_one, all features", set_as_one_by_one);
	}
#endif
	printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
	return failed > 0;
}
