/*
 * Programs whose VM is a software KVM's: their registers are read and set, and they go on as they were, whatever becomes of who looked. The targets
 * are this program again, once with the library's calls, once under `anykvm run` (argument 1: the command) with the ordinary ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <anykvm/kvm.h>
#include <anykvm/live.h>
#include <anykvm/state.h>
#include "core/visit.h"

/* The vCPUs of a target: in a loop; in HLT; run by nobody; leaving KVM_RUN all the time; never started. */
enum { LOOPS, HALTED, IDLE, EXITS, UNSTARTED, VCPUS };
enum { REGISTERS = 1024, MEMORY = 1 << 16, STORED_AT = 0x9000 };

/* What a target shows of itself, and is asked for. */
struct shown {
	uint8_t memory[MEMORY]; /* the guest's */
	_Atomic int trouble;    /* what must not be: the line */
	_Atomic int running;    /* threads that have begun */
	_Atomic unsigned long exits;
	_Atomic bool churn;     /* allocate memory, ask the idle vCPU, make and end threads meanwhile */
	_Atomic bool spin;      /* the main thread makes no system call */
	_Atomic bool tell;      /* registers of the idle vCPU, below */
	uint64_t count, ids[REGISTERS];
	uint8_t values[REGISTERS][ANYKVM_REG_SIZE_MAX];
};

static struct shown *shown;
static int shown_fd;
static const char *command, *self;
static bool preloaded;

/* ---- Targets. ---- */

static void trouble(int line)
{
	int none = 0;

	atomic_compare_exchange_strong(&shown->trouble, &none, line);
}

static int kvm_ioctl(int fd, unsigned long request, void *argument)
{
	return preloaded ? ioctl(fd, request, argument) : anykvm_ioctl(fd, request, argument);
}

static int vcpus[VCPUS];
static struct kvm_run *runs[VCPUS];

/* inc eax; add ebx, eax; mov [0x9000], ecx; jmp back. hlt; jmp back. out 0x10, al; inc al; jmp back. */
static const uint8_t loop[] = { 0x66, 0x40, 0x66, 0x01, 0xc3, 0x66, 0x89, 0x0e, 0x00, 0x90, 0xeb, 0xf4 }, halt[] = { 0xf4, 0xeb, 0xfd },
		     out[] = { 0xe6, 0x10, 0xfe, 0xc0, 0xeb, 0xfa };

/* Each value of the port once, in order; what the thread computes beside is its own. */
static void exit_check(const struct kvm_run *run)
{
	static uint8_t next;
	volatile double two = 2; /* the thread's own vector registers */

	if (run->exit_reason != KVM_EXIT_IO || *((const uint8_t *)run + run->io.data_offset) != next++)
		trouble(__LINE__);
	if (sqrt(two) * sqrt(two) - two > 1e-15)
		trouble(__LINE__);
	free(malloc(64 + next));
	atomic_fetch_add(&shown->exits, 1);
}

static void *vcpu_main(void *which)
{
	int vcpu = (int)(intptr_t)which;

	atomic_fetch_add(&shown->running, 1);
	for (;;) {
		if (kvm_ioctl(vcpus[vcpu], KVM_RUN, NULL) || vcpu != EXITS)
			trouble(__LINE__);
		else
			exit_check(runs[vcpu]);
	}
	return NULL;
}

static void vcpu_make(int vm, int vcpu, uint16_t rip)
{
	struct kvm_regs regs = { .rip = rip, .rflags = 2, .rcx = 0x1234 + (uint64_t)vcpu, .rsp = 0x7000 };
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs sregs;

	vcpus[vcpu] = kvm_ioctl(vm, KVM_CREATE_VCPU, (void *)(intptr_t)vcpu);
	runs[vcpu] = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, vcpus[vcpu], 0);
	kvm_ioctl(vcpus[vcpu], KVM_GET_SREGS, &sregs);
	sregs.cs.base = sregs.cs.selector = 0;
	kvm_ioctl(vcpus[vcpu], KVM_SET_SREGS, &sregs);
	kvm_ioctl(vcpus[vcpu], KVM_SET_REGS, &regs);
	if (vcpu != UNSTARTED)
		kvm_ioctl(vcpus[vcpu], KVM_SET_MP_STATE, &runnable);
}

/* What the program itself reads. */
static void registers_tell(void)
{
	static struct {
		uint64_t n, id[REGISTERS];
	} list = { .n = REGISTERS };
	static struct {
		uint64_t n;
		struct kvm_one_reg reg[REGISTERS];
	} many;

	if (kvm_ioctl(vcpus[IDLE], KVM_GET_REG_LIST, &list))
		trouble(__LINE__);
	many.n = shown->count = list.n;
	for (uint64_t i = 0; i < list.n; i++) {
		shown->ids[i] = list.id[i];
		many.reg[i] = (struct kvm_one_reg){ list.id[i], (uintptr_t)shown->values[i] };
	}
	if (kvm_ioctl(vcpus[IDLE], KVM_GET_MANY_REGS, &many))
		trouble(__LINE__);
	shown->tell = false;
}

static void *nothing(void *unused)
{
	free(malloc(1000));
	return unused;
}

static void churn(void)
{
	struct kvm_sregs sregs;
	pthread_t thread;

	for (int i = 0; i < 100; i++) {
		free(malloc((size_t)i * 100));
		if (kvm_ioctl(vcpus[IDLE], KVM_GET_SREGS, &sregs))
			trouble(__LINE__);
	}
	if (!pthread_create(&thread, NULL, nothing, NULL))
		pthread_join(thread, NULL);
}

static void target_main(void)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY, .userspace_addr = (uintptr_t)shown->memory };
	int kvm = preloaded ? open("/dev/kvm", O_RDWR) : anykvm_open(0), vm = kvm_ioctl(kvm, KVM_CREATE_VM, NULL);
	pthread_t threads[VCPUS];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memcpy(shown->memory + 0x8000, loop, sizeof loop);
	memcpy(shown->memory + 0x8100, halt, sizeof halt);
	memcpy(shown->memory + 0x8200, out, sizeof out);
	kvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
	if (kvm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL))
		trouble(__LINE__);
	for (int i = 0; i < VCPUS; i++)
		vcpu_make(vm, i, i == HALTED ? 0x8100 : i == EXITS ? 0x8200 : 0x8000);
	for (int i = 0; i < VCPUS; i++)
		if (i != IDLE)
			pthread_create(&threads[i], NULL, vcpu_main, (void *)(intptr_t)i);
	for (;;) {
		if (shown->tell)
			registers_tell();
		if (shown->churn)
			churn();
		else if (!shown->spin)
			usleep(1000);
	}
}

static pid_t target;
static struct anykvm_live *looking; /* closed behind a test that fails, too: who holds a process has to let it go before it can end */

static pid_t target_start(void)
{
	memset(shown, 0, sizeof *shown);
	target = fork();
	if (!target) {
		char fd[16];

		snprintf(fd, sizeof fd, "%d", shown_fd);
		if (preloaded)
			execl(command, command, "run", "--", self, "target", fd, NULL);
		target_main();
		_exit(1);
	}
	while (shown->running < VCPUS - 1) {
		usleep(1000);
		assert_int_equal(waitpid(target, NULL, WNOHANG), 0);
	}
	usleep(20000);
	return target;
}

static int target_end(void **state)
{
	(void)state;
	anykvm_live_close(looking);
	looking = NULL;
	kill(target, SIGKILL);
	waitpid(target, NULL, 0);
	return 0;
}

/* It lives, nobody traces it, nothing has happened to it, and its vCPUs still run. */
static void assert_well(pid_t pid)
{
	unsigned long exits = shown->exits;
	char path[64], line[256];
	int tracer = -1;
	FILE *status;

	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	if (shown->trouble)
		fail_msg("the target has noticed something: line %d", shown->trouble);
	snprintf(path, sizeof path, "/proc/%d/status", pid);
	status = fopen(path, "r");
	assert_non_null(status);
	while (fgets(line, sizeof line, status)) {
		sscanf(line, "TracerPid: %d", &tracer);
		assert_null(strstr(line, "T (stopped)"));
	}
	fclose(status);
	assert_int_equal(tracer, 0);
	for (int i = 0; i < 2000 && shown->exits == exits; i++)
		usleep(1000);
	assert_int_not_equal(shown->exits, exits);
}

/* ---- Looking. ---- */

static struct anykvm_live *opened(pid_t pid)
{
	looking = anykvm_live_open(pid);
	if (!looking)
		fail_msg("%s", anykvm_refusal()->reason);
	assert_int_equal(anykvm_live_vcpus(looking), VCPUS);
	return looking;
}

static void closed(void)
{
	anykvm_live_close(looking);
	looking = NULL;
}

static uint64_t reg(int vcpu, const char *name)
{
	char text[ANYKVM_VALUE_ROOM];

	if (anykvm_reg_get_text(vcpu, name, text, sizeof text))
		fail_msg("%s: %s", name, anykvm_refusal()->reason);
	return strtoull(text, NULL, 0);
}

/* eax counts, ebx is the sum: at every instruction's end one of two things holds. */
static void assert_boundary(int vcpu)
{
	struct kvm_regs regs;
	uint32_t sum;

	assert_int_equal(anykvm_ioctl(vcpu, KVM_GET_REGS, &regs), 0);
	sum = (uint32_t)(regs.rax * (regs.rax + 1) / 2);
	if (regs.rip == 0x8002)
		sum -= (uint32_t)regs.rax;
	assert_true(regs.rax < UINT32_MAX);
	assert_int_equal((uint32_t)regs.rbx, sum);
}

static void test_list(void **state)
{
	pid_t pid = target_start();
	struct anykvm_live_process processes[64];
	int count = anykvm_live_list(processes, 64), found = 0;

	(void)state;
	for (int i = 0; i < count && i < 64; i++) {
		if (processes[i].pid != pid)
			continue;
		found++;
		assert_int_equal(processes[i].vcpus, VCPUS);
		assert_int_equal(processes[i].vms, 1);
		assert_true(processes[i].memory > 0);
	}
	assert_int_equal(found, 1);
}

static void test_registers(void **state)
{
	pid_t pid = target_start();
	struct anykvm_live *live = opened(pid);
	const int *fds = anykvm_live_vcpu_fds(live);
	uint64_t before;

	(void)state;
	assert_int_equal(anykvm_accel(fds[0]), ANYKVM_ACCEL_SOFT);
	for (int i = 0; i < VCPUS; i++)
		assert_int_equal(reg(fds[i], "rcx"), 0x1234 + i);
	assert_int_equal(reg(fds[HALTED], "rip"), 0x8101);
	assert_int_equal(reg(fds[IDLE], "rip"), 0x8000);
	/* The guest sees what is set, and goes on. */
	assert_int_equal(anykvm_reg_set_text(fds[LOOPS], "rcx", "0xabcdef"), 0);
	for (int i = 0; i < 1000 && *(volatile uint32_t *)(shown->memory + STORED_AT) != 0xabcdef; i++)
		usleep(1000);
	assert_int_equal(*(uint32_t *)(shown->memory + STORED_AT), 0xabcdef);
	before = reg(fds[LOOPS], "rax");
	usleep(20000);
	assert_int_not_equal(reg(fds[LOOPS], "rax"), before);
	for (int i = 0; i < 50; i++)
		assert_boundary(fds[LOOPS]);
	/* While it is held, it does not. */
	assert_int_equal(anykvm_live_hold(live, false), 0);
	before = reg(fds[LOOPS], "rax");
	usleep(10000);
	assert_int_equal(reg(fds[LOOPS], "rax"), before);
	assert_true(anykvm_live_release(live) > 9000);
	/* What is refused, changes nothing, and says why. */
	assert_int_equal(anykvm_reg_set_text(fds[LOOPS], "cr4", "0x8000000000000000"), -1);
	assert_int_equal(errno, EINVAL);
	assert_non_null(strstr(anykvm_refusal()->reason, "cr4"));
	assert_int_equal(anykvm_ioctl(fds[LOOPS], KVM_RUN, NULL), -1);
	assert_int_equal(errno, EPERM);
	assert_well(pid);
	closed();
	assert_well(pid);
}

/* Every register as the program itself reads it, but for the time. */
static void test_same(void **state)
{
	pid_t pid = target_start();
	struct anykvm_live *live = opened(pid);
	int vcpu = anykvm_live_vcpu_fds(live)[IDLE];
	static struct kvm_one_reg regs[REGISTERS];
	static uint8_t values[REGISTERS][ANYKVM_REG_SIZE_MAX];
	static uint64_t ids[REGISTERS];

	(void)state;
	shown->tell = true;
	while (shown->tell)
		usleep(1000);
	assert_int_equal(anykvm_reg_list(vcpu, ids, REGISTERS), shown->count);
	assert_true(shown->count > 100);
	assert_memory_equal(ids, shown->ids, shown->count * sizeof *ids);
	for (uint64_t i = 0; i < shown->count; i++)
		regs[i] = (struct kvm_one_reg){ ids[i], (uintptr_t)values[i] };
	assert_int_equal(anykvm_regs_get(vcpu, regs, shown->count), 0);
	for (uint64_t i = 0; i < shown->count; i++) {
		char name[ANYKVM_REG_NAME_ROOM] = "";

		anykvm_reg_name(ids[i], name, sizeof name);
		if (strcmp(name, "tsc") && memcmp(values[i], shown->values[i], anykvm_reg_size(ids[i])))
			fail_msg("%s: not what the program reads", name);
	}
	assert_well(pid);
	closed();
}

static void test_state(void **unused)
{
	pid_t pid = target_start();
	struct anykvm_live *live = opened(pid);
	uint64_t rax, rcx, rip;
	bool behind;
	struct anykvm_state *state;

	(void)unused;
	assert_int_equal(anykvm_reg_parse(KVM_REG_X86, "rcx", &rcx), 0);
	assert_int_equal(anykvm_reg_parse(KVM_REG_X86, "rax", &rax), 0);
	assert_int_equal(anykvm_reg_parse(KVM_REG_X86, "rip", &rip), 0);
	for (int round = 0; round < 20; round++) {
		if (anykvm_live_hold(live, true))
			fail_msg("%s", anykvm_refusal()->reason);
		state = anykvm_state_capture(anykvm_live_vm_fd(live), anykvm_live_vcpu_fds(live), VCPUS);
		if (!state)
			fail_msg("%s", anykvm_refusal()->reason);
		/* The guest is before its OUT or behind it, and the program has seen as many. */
		behind = *(uint64_t *)anykvm_state_reg(state, EXITS, rip) == 0x8202;
		assert_int_equal(*(uint8_t *)anykvm_state_reg(state, EXITS, rax), (uint8_t)(shown->exits - behind));
		anykvm_live_release(live);
		for (int i = 0; i < VCPUS; i++)
			assert_int_equal(*(uint64_t *)anykvm_state_reg(state, (size_t)i, rcx), 0x1234 + i);
		anykvm_state_free(state);
	}
	assert_well(pid);
	closed();
}

/* A vCPU that never began is started from outside. */
static void test_started(void **state)
{
	pid_t pid = target_start();
	struct anykvm_live *live = opened(pid);
	int vcpu = anykvm_live_vcpu_fds(live)[UNSTARTED];
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };
	uint64_t before = reg(vcpu, "rax");

	(void)state;
	usleep(10000);
	assert_int_equal(reg(vcpu, "rax"), before);
	assert_int_equal(anykvm_ioctl(vcpu, KVM_SET_MP_STATE, &runnable), 0);
	usleep(50000);
	assert_int_not_equal(reg(vcpu, "rax"), before);
	assert_well(pid);
	closed();
}

/* Memory is being allocated, threads come and go, and the vCPU that is asked is asked there, too; or no thread makes any system call. */
static void test_busy(void **state)
{
	pid_t pid = target_start();
	struct anykvm_live *live = opened(pid);

	(void)state;
	shown->churn = true;
	for (int i = 0; i < 200; i++)
		assert_int_equal(reg(anykvm_live_vcpu_fds(live)[i % VCPUS], "rcx"), 0x1234 + i % VCPUS);
	assert_well(pid);
	shown->churn = false;
	shown->spin = true;
	usleep(10000);
	for (int i = 0; i < 50; i++)
		assert_int_equal(reg(anykvm_live_vcpu_fds(live)[i % VCPUS], "rcx"), 0x1234 + i % VCPUS);
	assert_well(pid);
	closed();
	assert_well(pid);
}

static void looker_main(pid_t pid)
{
	struct anykvm_live *live = anykvm_live_open(pid);
	char text[ANYKVM_VALUE_ROOM];

	if (!live)
		_exit(1);
	for (unsigned int k = 0;; k++) {
		int vcpu = anykvm_live_vcpu_fds(live)[k % VCPUS];

		snprintf(text, sizeof text, "%#x", 0x1234 + k % VCPUS);
		if (k % 3)
			anykvm_reg_get_text(vcpu, "rcx", text, sizeof text);
		else
			anykvm_reg_set_text(vcpu, "rcx", text);
	}
}

/* Who looks is killed at any moment. */
static void test_killed(void **state)
{
	pid_t pid = target_start();
	struct anykvm_live *live;
	unsigned int seed = 1;

	(void)state;
	for (int i = 0; i < 100; i++) {
		pid_t looker = fork();

		if (!looker)
			looker_main(pid);
		shown->churn = i % 2;
		usleep(500 + (unsigned int)rand_r(&seed) % 8000);
		kill(looker, SIGKILL);
		waitpid(looker, NULL, 0);
		assert_well(pid);
	}
	shown->churn = false;
	/* And it can still be looked at, and runs. */
	live = opened(pid);
	for (int i = 0; i < VCPUS; i++)
		assert_int_equal(reg(anykvm_live_vcpu_fds(live)[i], "rcx"), 0x1234 + i);
	assert_boundary(anykvm_live_vcpu_fds(live)[LOOPS]);
	closed();
	assert_well(pid);
}

/* How long it stands still for one register. */
static void test_pause(void **state)
{
	pid_t pid = target_start();
	struct anykvm_live *live = opened(pid);
	double best = 1e9, all = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		double stopped;

		assert_int_equal(anykvm_live_hold(live, false), 0);
		reg(anykvm_live_vcpu_fds(live)[LOOPS], "rip");
		stopped = anykvm_live_release(live);
		best = stopped < best ? stopped : best;
		all += stopped;
	}
	print_message("%d vCPUs stand still for %.0f us, at best %.0f us\n", VCPUS, all / 100, best);
	assert_well(pid);
	closed();
}

static void test_refusals(void **state)
{
	pid_t pid = target_start();
	struct anykvm_live *live = opened(pid);
	uint64_t n = UINT64_MAX;

	(void)state;
	assert_int_equal(anykvm_ioctl(anykvm_live_vcpu_fds(live)[0], KVM_GET_MANY_REGS, &n), -1);
	assert_int_equal(errno, E2BIG);
	assert_int_equal(anykvm_reg_get(anykvm_live_vcpu_fds(live)[0], 0, &n), -1);
	assert_int_equal(anykvm_reg_get(anykvm_live_vcpu_fds(live)[0], KVM_X86_REG_MSR(0x123456), &n), -1);
	assert_int_equal(errno, EINVAL);
	/* It ends meanwhile. */
	kill(target, SIGKILL);
	waitpid(target, NULL, 0);
	assert_int_equal(anykvm_reg_get_text(anykvm_live_vcpu_fds(live)[0], "rcx", (char[64]){ 0 }, 64), -1);
	assert_int_equal(errno, ESRCH);
	closed();
}

/* ---- Hostile targets: a desk of their own, whose answers are nonsense, or never come. ---- */

enum hostility { LARGE, FULL, LATE, HOSTILITIES };

static enum hostility hostility;
static uint8_t hostile_room[VISIT_ROOM_SIZE] __attribute__((aligned(64)));
static struct visit_desk hostile = { .magic = VISIT_MAGIC, .room = hostile_room, .room_size = VISIT_ROOM_SIZE };

static void hostile_serve(void)
{
	while (hostility == LATE)
		;
	memset(hostile_room, 0xff, VISIT_ARGUMENT_SIZE);
	memset(hostile.visit.reason, 0x1b, sizeof hostile.visit.reason);
	hostile.visit.result = hostility == LARGE ? INT64_MAX : 0;
	hostile.visit.state = VISIT_DONE;
	hostile.visit.unfinished = 0;
	hostile.visit.entry = INT32_MAX;
}

static void hostile_main(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	hostile.self = &hostile;
	hostile.serve = hostile_serve;
	if (memfd_create("kvm-vm", 0) < 0 || memfd_create("kvm-vcpu:0", 0) < 0)
		_exit(1);
	shown->running = 1;
	for (;;)
		usleep(1000);
}

static void test_hostile(void **state)
{
	(void)state;
	for (hostility = 0; hostility < HOSTILITIES; hostility++) {
		struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + 100 * sizeof cpuid->entries[0]);
		struct anykvm_live *live;

		shown->running = 0;
		target = fork();
		if (!target)
			hostile_main();
		while (!shown->running)
			usleep(1000);
		live = looking = anykvm_live_open(target);
		if (live) {
			assert_null(anykvm_state_capture(anykvm_live_vm_fd(live), anykvm_live_vcpu_fds(live), 1));
			cpuid->nent = 100;
			assert_int_equal(anykvm_ioctl(anykvm_live_vcpu_fds(live)[0], KVM_GET_CPUID2, cpuid), -1);
			assert_int_equal(errno, EIO);
			assert_int_equal(cpuid->nent, 100);
		}
		assert_int_equal(live == NULL, hostility == LATE);
		closed();
		free(cpuid);
		target_end(NULL);
	}
}

static bool traceable(void)
{
	pid_t child = fork();
	bool can;

	if (!child) {
		pause();
		_exit(0);
	}
	can = !ptrace(PTRACE_SEIZE, child, NULL, NULL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return can;
}

static void shown_map(int fd)
{
	shown_fd = fd;
	shown = mmap(NULL, sizeof *shown, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_teardown(name, target_end)
	const struct CMUnitTest tests[] = {
		TEST(test_list), TEST(test_registers), TEST(test_same), TEST(test_state), TEST(test_started), TEST(test_busy),
		TEST(test_killed), TEST(test_pause), TEST(test_refusals), TEST(test_hostile),
	};
	int failed;

	if (argc == 3 && !strcmp(argv[1], "target")) {
		preloaded = true;
		shown_map(atoi(argv[2]));
		target_main();
	}
	if (!traceable()) {
		printf("skipped: processes cannot be traced\n0 passed, 0 failed, %zu skipped\n", 2 * sizeof tests / sizeof *tests);
		return 0;
	}
	shown_map(memfd_create("shown", 0));
	if (ftruncate(shown_fd, sizeof *shown) || argc != 2)
		return 2;
	command = argv[1];
	self = argv[0];
	failed = cmocka_run_group_tests_name("linked with the library", tests, NULL, NULL);
	preloaded = true;
	return failed + cmocka_run_group_tests_name("under anykvm run", tests, NULL, NULL);
}
