/*
 * A64 code that runs often: what an implementation of KVM makes of it once it is hot must not show. Holes and exits come in the middle of it
 * with exact registers; code that changes under it, wherever from, runs as it stands; nothing keeps a signal or a timer out. An ordinary KVM
 * program.
 */
#include <anykvm/arm64.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	MEMORY_SIZE = 16 << 20,
	CODE = 0x1000,
	OTHER = 0x101000,     /* code in another page */
	DATA = 0x200000,
	TABLES = 0x300000,
	BLOCKS_AT = 0x400000, BLOCKS = 50000, BLOCK_WORDS = 4,
	PAGE = 0x1000, ROUNDS = 512, /* as many words as a page has */
	MMIO = 0x10000000,    /* behind all memory */
	END = MMIO + PAGE,    /* a store there ends a guest */
};

/* Reads x2 words from x1 on, with flags that somebody may look at. */
static const uint32_t walk[] = {
	0xab030000, /* 1: adds    x0, x0, x3 */
	0xf9400024, /*    ldr     x4, [x1] */
	0x9a0600a5, /*    adc     x5, x5, x6 */
	0x91002021, /*    add     x1, x1, #8 */
	0xf1000442, /*    subs    x2, x2, #1 */
	0x54ffff61, /*    b.ne    1b */
	0xf9000380, /*    str     x0, [x28] */
};
/* Copies x3 times 128 bytes from x1 to x2 + 16, by vectors of all kinds: x4 is 5, x5 3. */
static const uint32_t vectors[] = {
	0x3cc10420, /* 1: ldr     q0, [x1], #16 */
	0xacc10821, /*    ldp     q1, q2, [x1], #32 */
	0x3dc00423, /*    ldr     q3, [x1, #16] */
	0x3dc00024, /*    ldr     q4, [x1] */
	0x6d421825, /*    ldp     d5, d6, [x1, #32] */
	0x3ce57827, /*    ldr     q7, [x1, x5, lsl #4] */
	0xfd402030, /*    ldr     d16, [x1, #64] */
	0x2d494831, /*    ldp     s17, s18, [x1, #72] */
	0x3c810c40, /*    str     q0, [x2, #16]! */
	0xad808841, /*    stp     q1, q2, [x2, #16]! */
	0x3d800844, /*    str     q4, [x2, #32] */
	0x3d800c43, /*    str     q3, [x2, #48] */
	0x6d041845, /*    stp     d5, d6, [x2, #64] */
	0x3ca4d847, /*    str     q7, [x2, w4, sxtw #4] */
	0xfc060050, /*    stur    d16, [x2, #96] */
	0x2d0d4851, /*    stp     s17, s18, [x2, #104] */
	0x91014021, /*    add     x1, x1, #0x50 */
	0x91018042, /*    add     x2, x2, #0x60 */
	0xf1000463, /*    subs    x3, x3, #0x1 */
	0x54fffda1, /*    b.ne    1b */
	0xf9000383, /*    str     x3, [x28] */
};
/* Runs until the code at x1 says something else. */
static const uint32_t patched[] = {
	0xd63f0020, /* 1: blr     x1 */
	0xf100081f, /*    cmp     x0, #2 */
	0x54ffffc1, /*    b.ne    1b */
	0xf9000380, /*    str     x0, [x28] */
};
static const uint32_t return_1[] = {
	0xd2800020, /*    mov     x0, #1 */
	0xd65f03c0, /*    ret */
};
static const uint32_t return_2[] = {
	0xd2800040, /*    mov     x0, #2 */
	0xd65f03c0, /*    ret */
};
/* Changes an instruction further on in its own block. */
static const uint32_t own[] = {
	0x100000a1, /*    adr     x1, 2f */
	0x18000083, /*    ldr     w3, 2f */
	0x0b022864, /* 1: add     w4, w3, w2, lsl #10 */
	0xb9000024, /*    str     w4, [x1] */
	0x91000400, /*    add     x0, x0, #1 */
	0x91000000, /* 2: add     x0, x0, #0          the round's number */
	0xf1000442, /*    subs    x2, x2, #1 */
	0x54ffff61, /*    b.ne    1b */
	0xf9000380, /*    str     x0, [x28] */
};
/* Calls what is at x1, with another page there each time: x3 and x4, which go to x6. */
static const uint32_t remap[] = {
	0xf90000c3, /* 1: str     x3, [x6] */
	0xd5033f9f, /*    dsb     sy */
	0xd508871f, /*    tlbi    vmalle1 */
	0xd5033f9f, /*    dsb     sy */
	0xd5033fdf, /*    isb */
	0xd63f0020, /*    blr     x1 */
	0x8b0000a5, /*    add     x5, x5, x0 */
	0xf90000c4, /*    str     x4, [x6] */
	0xd5033f9f, /*    dsb     sy */
	0xd508871f, /*    tlbi    vmalle1 */
	0xd5033f9f, /*    dsb     sy */
	0xd5033fdf, /*    isb */
	0xd63f0020, /*    blr     x1 */
	0x8b0000a5, /*    add     x5, x5, x0 */
	0xd37ff8a5, /*    lsl     x5, x5, #1 */
	0xf1000442, /*    subs    x2, x2, #1 */
	0x54fffe01, /*    b.ne    1b */
	0xf9000380, /*    str     x0, [x28] */
};
static const uint32_t spin[] = {
	0x91000400, /* 1: add     x0, x0, #1 */
	0xb5ffffe0, /*    cbnz    x0, 1b */
};
static const uint32_t block[BLOCK_WORDS] = {
	0xf9400024, /*    ldr     x4, [x1] */
	0x91000400, /*    add     x0, x0, #1 */
	0x14000002, /*    b       the next one */
	0xd503201f, /*    nop */
};
static const uint32_t blocks_end[] = {
	0xf1000442, /*    subs    x2, x2, #1 */
	0x54000040, /*    b.eq    1f */
	0xd61f0060, /*    br      x3 */
	0xf9000380, /* 1: str     x0, [x28] */
};

#define CORE(index) (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | (index))
#define X(n) CORE(2 * (n))
#define PC CORE(64)
#define PSTATE CORE(66)

struct machine {
	int system, vm, vcpu;
	struct kvm_run *run;
	uint8_t *memory;
};

static unsigned int passed, failed;

static void check(const char *test, const char *what, uint64_t is, uint64_t expected)
{
	if (is == expected) {
		passed++;
		return;
	}
	printf("FAIL %s: %s is 0x%llx, expected 0x%llx\n", test, what, (unsigned long long)is, (unsigned long long)expected);
	failed++;
}

static int call(int fd, unsigned long request, void *argument)
{
	int result = ioctl(fd, request, argument);

	if (result < 0) {
		perror("test_hot: ioctl");
		exit(1);
	}
	return result;
}

static uint64_t get(const struct machine *m, uint64_t id)
{
	uint64_t value = 0;
	struct kvm_one_reg reg = { id, (uintptr_t)&value };

	call(m->vcpu, KVM_GET_ONE_REG, &reg);
	return value;
}

static void set(const struct machine *m, uint64_t id, uint64_t value)
{
	struct kvm_one_reg reg = { id, (uintptr_t)&value };

	call(m->vcpu, KVM_SET_ONE_REG, &reg);
}

static struct machine machine_open(void)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY_SIZE };
	struct kvm_vcpu_init init = { 0 };
	struct machine m = { .system = open("/dev/kvm", O_RDWR | O_CLOEXEC) };

	if (m.system < 0) {
		perror("/dev/kvm");
		exit(1);
	}
	m.memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	region.userspace_addr = (uintptr_t)m.memory;
	m.vm = call(m.system, KVM_CREATE_VM, NULL);
	call(m.vm, KVM_SET_USER_MEMORY_REGION, &region);
	m.vcpu = call(m.vm, KVM_CREATE_VCPU, NULL);
	m.run = mmap(NULL, (size_t)call(m.system, KVM_GET_VCPU_MMAP_SIZE, NULL), PROT_READ | PROT_WRITE, MAP_SHARED, m.vcpu, 0);
	call(m.vm, KVM_ARM_PREFERRED_TARGET, &init);
	init.features[0] = 1u << KVM_ARM_VCPU_PSCI_0_2;
	call(m.vcpu, KVM_ARM_VCPU_INIT, &init);
	set(&m, X(28), END);
	return m;
}

static void machine_close(struct machine *m)
{
	close(m->vcpu);
	close(m->vm);
	close(m->system);
	munmap(m->memory, MEMORY_SIZE);
}

/* The error of KVM_RUN, or 0 when the guest has made an exit. */
static int run(const struct machine *m)
{
	return ioctl(m->vcpu, KVM_RUN, 0) < 0 ? errno : 0;
}

static int begin(const struct machine *m, const uint32_t *code, size_t size)
{
	memcpy(m->memory + CODE, code, size);
	set(m, PC, CODE);
	return run(m);
}

static void check_end(const char *test, const struct machine *m, int error)
{
	check(test, "errno", (uint64_t)error, 0);
	check(test, "exit", m->run->exit_reason, KVM_EXIT_MMIO);
	check(test, "address", m->run->mmio.phys_addr, END);
	m->run->immediate_exit = 1; /* the store is finished, and nothing more */
	run(m);
	m->run->immediate_exit = 0;
}

/* ---- In the middle of hot code. ---- */

enum { WALK_START = 5, WALK_ADC = 3 };
#define WALK_STEP UINT64_C(0x123456789abcdef1)

static int walk_begin(const struct machine *m)
{
	set(m, X(0), WALK_START);
	set(m, X(1), DATA);
	set(m, X(2), 2 * ROUNDS);
	set(m, X(3), WALK_STEP);
	set(m, X(5), 0);
	set(m, X(6), WALK_ADC);
	return begin(m, walk, sizeof walk);
}

/* What the registers must be when the page behind the first one is reached. */
static void check_walk(const char *test, const struct machine *m)
{
	uint64_t before = WALK_START + ROUNDS * WALK_STEP, sum = before + WALK_STEP;
	uint64_t overflow = (before ^ sum) & (WALK_STEP ^ sum);

	check(test, "PC", get(m, PC), CODE + 4);
	check(test, "X0", get(m, X(0)), sum);
	check(test, "X1", get(m, X(1)), DATA + PAGE);
	check(test, "X2", get(m, X(2)), ROUNDS);
	check(test, "NZCV", get(m, PSTATE) >> 28, sum >> 63 << 3 | (uint64_t)(sum == 0) << 2 | (uint64_t)(sum < before) << 1 | overflow >> 63);
}

static void check_walk_end(const char *test, const struct machine *m, int error)
{
	uint64_t carries = 0, sum = WALK_START;

	check_end(test, m, error);
	for (unsigned int i = 0; i < 2 * ROUNDS; i++)
		carries += __builtin_add_overflow(sum, WALK_STEP, &sum);
	check(test, "X0 at the end", get(m, X(0)), sum);
	check(test, "X5 at the end", get(m, X(5)), 2 * ROUNDS * WALK_ADC + carries);
}

static void test_hole(void)
{
	struct machine m = machine_open();

	munmap(m.memory + DATA + PAGE, PAGE);
	check("hole", "errno", (uint64_t)walk_begin(&m), EFAULT);
	check_walk("hole", &m);
	mmap(m.memory + DATA + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check_walk_end("hole", &m, run(&m));
	machine_close(&m);
}

/* As a hole, but there is a translation already: the memory went while the code was hot. */
static void test_hole_later(void)
{
	struct machine m = machine_open();

	check_end("hole later", &m, walk_begin(&m));
	mprotect(m.memory + DATA + PAGE, PAGE, PROT_NONE);
	check("hole later", "errno", (uint64_t)walk_begin(&m), EFAULT);
	check_walk("hole later", &m);
	mprotect(m.memory + DATA + PAGE, PAGE, PROT_READ | PROT_WRITE);
	check_walk_end("hole later", &m, run(&m));
	machine_close(&m);
}

/* The first page is memory's last one. */
static void test_mmio(void)
{
	struct kvm_userspace_memory_region region = { .slot = 0 };
	struct machine m = machine_open();
	int error;

	call(m.vm, KVM_SET_USER_MEMORY_REGION, &region);
	region.memory_size = DATA + PAGE;
	region.userspace_addr = (uintptr_t)m.memory;
	call(m.vm, KVM_SET_USER_MEMORY_REGION, &region);
	error = walk_begin(&m);
	for (unsigned int i = 0; i < ROUNDS && !error && m.run->exit_reason == KVM_EXIT_MMIO; i++) {
		check("MMIO", "address", m.run->mmio.phys_addr, DATA + PAGE + 8 * i);
		memset(m.run->mmio.data, (int)i, 8);
		error = run(&m);
	}
	check("MMIO", "X4", get(&m, X(4)), UINT64_MAX);
	check_walk_end("MMIO", &m, error);
	machine_close(&m);
}

/* Memory goes through SIMD registers as it is, and what a load does not fill is zero. A page of the destination is not there at first. */
static void test_vectors(void)
{
	enum { SIZE = 4 * PAGE, TO = DATA + 8 * PAGE };
	struct machine m = machine_open();
	uint8_t *from = m.memory + DATA, *to = m.memory + TO;
	uint64_t value[2];
	struct kvm_one_reg v5 = { KVM_REG_ARM64 | KVM_REG_SIZE_U128 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(fp_regs.vregs[5]), (uintptr_t)value };
	struct kvm_one_reg v18 = { KVM_REG_ARM64 | KVM_REG_SIZE_U128 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(fp_regs.vregs[18]), (uintptr_t)value };

	for (unsigned int i = 0; i < SIZE; i++)
		from[i] = (uint8_t)(i * 7 + i / 251);
	munmap(to + 2 * PAGE, PAGE);
	set(&m, X(1), DATA);
	set(&m, X(2), TO - 16);
	set(&m, X(3), SIZE / 128);
	set(&m, X(4), 5);
	set(&m, X(5), 3);
	set(&m, ARM64_SYS_REG(3, 0, 1, 0, 2), 3 << 20); /* CPACR_EL1.FPEN */
	check("vectors", "errno at the hole", (uint64_t)begin(&m, vectors, sizeof vectors), EFAULT);
	check("vectors", "PC at the hole", get(&m, PC), CODE + 8 * 4);
	check("vectors", "X2 at the hole", get(&m, X(2)), TO + 2 * PAGE - 16);
	mmap(to + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check_end("vectors", &m, run(&m));
	check("vectors", "the copy is the same", memcmp(from, to, SIZE) == 0, 1);
	call(m.vcpu, KVM_GET_ONE_REG, &v5);
	check("vectors", "V5", memcmp(value, from + SIZE - 48, 8) == 0 && value[1] == 0, 1);
	call(m.vcpu, KVM_GET_ONE_REG, &v18);
	check("vectors", "V18", memcmp(value, from + SIZE - 4, 4) == 0 && value[0] >> 32 == 0 && value[1] == 0, 1);
	machine_close(&m);
}

/* ---- Code that changes. ---- */

static void *patch(void *code)
{
	usleep(20000);
	__atomic_store_n((uint32_t *)code, return_2[0], __ATOMIC_RELAXED);
	return NULL;
}

static void test_patched(void)
{
	struct machine m = machine_open();
	pthread_t thread;

	memcpy(m.memory + OTHER, return_1, sizeof return_1);
	set(&m, X(1), OTHER);
	pthread_create(&thread, NULL, patch, m.memory + OTHER);
	check_end("patched", &m, begin(&m, patched, sizeof patched));
	pthread_join(thread, NULL);
	check("patched", "X0", get(&m, X(0)), 2);
	machine_close(&m);
}

static void test_own_code(void)
{
	struct machine m = machine_open();

	set(&m, X(2), ROUNDS);
	check_end("own code", &m, begin(&m, own, sizeof own));
	check("own code", "X0", get(&m, X(0)), ROUNDS + ROUNDS * (ROUNDS + 1) / 2);
	machine_close(&m);
}

/* 4 KiB pages as they are: 4 MiB of memory, and 2 MiB from MMIO on. Returns where OTHER's entry is. */
static uint64_t mmu_enable(const struct machine *m)
{
	const uint64_t normal = 0x703, device = 0x405; /* AF, inner shareable, page; AF, AttrIndx 1, block */
	uint64_t *level1 = (uint64_t *)(m->memory + TABLES), *level2 = level1 + 512, *level3 = level2 + 512;

	level1[0] = (TABLES + PAGE) | 3;
	level2[0] = (TABLES + 2 * PAGE) | 3;
	level2[1] = (TABLES + 3 * PAGE) | 3;
	for (uint64_t i = 0; i < 1024; i++)
		level3[i] = i * PAGE | normal;
	level2[MMIO >> 21] = MMIO | device;
	set(m, ARM64_SYS_REG(3, 0, 10, 2, 0), 0xff);                               /* MAIR_EL1 */
	set(m, ARM64_SYS_REG(3, 0, 2, 0, 2), 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23); /* TCR_EL1: 39 bits, EPD1 */
	set(m, ARM64_SYS_REG(3, 0, 2, 0, 0), TABLES);                              /* TTBR0_EL1 */
	set(m, ARM64_SYS_REG(3, 0, 1, 0, 0), get(m, ARM64_SYS_REG(3, 0, 1, 0, 0)) | 1 << 12 | 1 << 2 | 1); /* SCTLR_EL1: I, C, M */
	return TABLES + 2 * PAGE + OTHER / PAGE * 8;
}

static void test_remapped(void)
{
	struct machine m = machine_open();
	enum { TIMES = 60 };
	uint64_t expected = 0;

	memcpy(m.memory + OTHER + PAGE, return_1, sizeof return_1);
	memcpy(m.memory + OTHER + 2 * PAGE, return_2, sizeof return_2);
	set(&m, X(1), OTHER);
	set(&m, X(2), TIMES);
	set(&m, X(3), (OTHER + PAGE) | 0x703);
	set(&m, X(4), (OTHER + 2 * PAGE) | 0x703);
	set(&m, X(6), mmu_enable(&m));
	check_end("remapped", &m, begin(&m, remap, sizeof remap));
	for (unsigned int i = 0; i < TIMES; i++)
		expected = (expected + 3) << 1;
	check("remapped", "X5", get(&m, X(5)), expected);
	machine_close(&m);
}

/* ---- More code than anybody keeps. ---- */

static void test_many_blocks(void)
{
	struct machine m = machine_open();
	enum { TIMES = 18 };
	uint8_t *at = m.memory + BLOCKS_AT;

	for (unsigned int i = 0; i < BLOCKS; i++, at += sizeof block)
		memcpy(at, block, sizeof block);
	memcpy(at, blocks_end, sizeof blocks_end);
	for (unsigned int i = 0; i < 2; i++) {
		set(&m, X(0), 0);
		set(&m, X(1), DATA);
		set(&m, X(2), TIMES);
		set(&m, X(3), BLOCKS_AT);
		set(&m, PC, BLOCKS_AT);
		check_end("many blocks", &m, run(&m));
		check("many blocks", "X0", get(&m, X(0)), TIMES * BLOCKS);
		/* Other code in between, for which there may be no room. */
		set(&m, X(0), 0);
		set(&m, X(2), ROUNDS);
		check_end("many blocks", &m, begin(&m, own, sizeof own));
		check("many blocks", "X0 of other code", get(&m, X(0)), ROUNDS + ROUNDS * (ROUNDS + 1) / 2);
	}
	machine_close(&m);
}

/* ---- What comes from outside. ---- */

static void on_alarm(int signal)
{
	(void)signal;
}

static void test_signal(void)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	const struct itimerval soon = { .it_value.tv_usec = 20000 };
	struct machine m = machine_open();

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	check("signal", "errno", (uint64_t)begin(&m, spin, sizeof spin), EINTR);
	check("signal", "X0 has been counted up", get(&m, X(0)) > ROUNDS, 1);
	machine_close(&m);
}

/* The timer's line is the program's to look at: KVM_RUN ends. */
static void test_timer(void)
{
	struct machine m = machine_open();

	set(&m, KVM_REG_ARM_TIMER_CVAL, get(&m, KVM_REG_ARM_TIMER_CNT) + 1000000);
	set(&m, KVM_REG_ARM_TIMER_CTL, 1);
	check("timer", "errno", (uint64_t)begin(&m, spin, sizeof spin), EINTR);
	check("timer", "the line", m.run->s.regs.device_irq_level & KVM_ARM_DEV_EL1_VTIMER, KVM_ARM_DEV_EL1_VTIMER);
	check("timer", "X0 has been counted up", get(&m, X(0)) > ROUNDS, 1);
	machine_close(&m);
}

int main(void)
{
	test_hole();
	test_hole_later();
	test_mmio();
	test_vectors();
	test_patched();
	test_own_code();
	test_remapped();
	test_many_blocks();
	test_signal();
	test_timer();
	printf("%u passed, %u failed, 0 skipped\n", passed, failed);
	return failed ? 1 : 0;
}
