/*
 * VMs that run: their registers are read and set, and the program goes on as it was, whatever becomes of who looked. The targets are
 * children with a VM of the machine's KVM; without that, or without the right to trace them, everything is skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <anykvm/kvm.h>
#include <anykvm/live.h>
#include <anykvm/state.h>

/* What a target shows of itself. */
struct shown {
	_Atomic unsigned long interrupted; /* KVM_RUN ended with EINTR */
	_Atomic int trouble;               /* what must not be: the line */
	_Atomic int vcpus;                 /* that run */
	_Atomic bool churn;                /* make and end threads meanwhile */
};

enum { VCPUS = 2 };

static struct shown *shown;

/* ---- Targets. ---- */

static void trouble(int line)
{
	int none = 0;

	atomic_compare_exchange_strong(&shown->trouble, &none, line);
}

/* inc eax; add ebx, eax; jmp back: rcx and the others keep what they have. */
static const uint8_t loop[] = { 0x66, 0x40, 0x66, 0x01, 0xc3, 0xeb, 0xf9 };

/* KVM_RUN again and again, with values in registers that system calls and signals leave alone. */
static void vcpu_run(int vcpu)
{
	const double half = 0.5;
	sigset_t mask, now;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	atomic_fetch_add(&shown->vcpus, 1);
	for (;;) {
		double kept = 0;
		long result;

		/* By hand: the C library's ioctl() may use the vector registers. */
		register long nr __asm__("rax") = SYS_ioctl;
		register double value __asm__("xmm13") = half;

		__asm__ volatile("syscall" : "+r"(nr), "+x"(value) : "D"((long)vcpu), "S"((long)KVM_RUN), "d"(0L) : "rcx", "r11", "memory");
		result = nr;
		kept = value;
		if (result != -EINTR)
			trouble(__LINE__);
		if (kept != half)
			trouble(__LINE__);
		pthread_sigmask(SIG_SETMASK, NULL, &now);
		if (!sigismember(&now, SIGUSR2) || sigismember(&now, SIGUSR1) || sigismember(&now, SIGTERM))
			trouble(__LINE__);
		atomic_fetch_add(&shown->interrupted, 1);
	}
}

static void *vcpu_main(void *vcpu)
{
	vcpu_run(*(int *)vcpu);
	return NULL;
}

static void *nothing(void *unused)
{
	return unused;
}

/* A filter that kills for every ioctl but KVM_RUN. */
static void filter_install(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)KVM_RUN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
		trouble(__LINE__);
}

static void target_main(bool filter)
{
	int kvm = open("/dev/kvm", O_RDWR), vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpus[VCPUS];
	uint8_t *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = { .memory_size = 1 << 20, .userspace_addr = (uintptr_t)memory };
	pthread_t threads[VCPUS], churned;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memcpy(memory + 0x8000, loop, sizeof loop);
	ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
	for (int i = 0; i < VCPUS; i++) {
		struct kvm_regs regs = { .rip = 0x8000, .rflags = 2, .rcx = 0x1234 + (uint64_t)i, .rsp = 0x7000 };
		struct kvm_sregs sregs;

		vcpus[i] = ioctl(vm, KVM_CREATE_VCPU, i);
		ioctl(vcpus[i], KVM_GET_SREGS, &sregs);
		sregs.cs.base = sregs.cs.selector = 0;
		ioctl(vcpus[i], KVM_SET_SREGS, &sregs);
		ioctl(vcpus[i], KVM_SET_REGS, &regs);
	}
	if (filter)
		filter_install();
	for (int i = 0; i < VCPUS; i++)
		pthread_create(&threads[i], NULL, vcpu_main, &vcpus[i]);
	for (;;) {
		if (!shown->churn) {
			usleep(1000);
			continue;
		}
		if (!pthread_create(&churned, NULL, nothing, NULL))
			pthread_join(churned, NULL);
	}
}

static pid_t target_start(bool filter)
{
	pid_t pid;

	memset(shown, 0, sizeof *shown);
	pid = fork();
	if (!pid) {
		target_main(filter);
		_exit(0);
	}
	while (shown->vcpus < VCPUS)
		usleep(1000);
	usleep(20000);
	return pid;
}

/* It lives, nobody traces it, nothing has happened to it, and its vCPUs still run. */
static void assert_well(pid_t pid)
{
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
}

static void target_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static struct anykvm_live *opened(pid_t pid)
{
	struct anykvm_live *live = anykvm_live_open(pid);

	if (!live)
		fail_msg("%s", anykvm_refusal()->reason);
	return live;
}

static uint64_t reg(int vcpu, const char *name)
{
	char text[ANYKVM_VALUE_ROOM];

	if (anykvm_reg_get_text(vcpu, name, text, sizeof text))
		fail_msg("%s: %s", name, anykvm_refusal()->reason);
	return strtoull(text, NULL, 0);
}

/* ---- Tests. ---- */

static void test_list(void **state)
{
	pid_t pid = target_start(false);
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
	target_end(pid);
}

static void test_registers(void **state)
{
	pid_t pid = target_start(false);
	struct anykvm_live *live = opened(pid);
	const int *vcpus = anykvm_live_vcpu_fds(live);
	uint64_t before;

	(void)state;
	assert_int_equal(anykvm_live_vcpus(live), VCPUS);
	for (int i = 0; i < VCPUS; i++)
		assert_int_equal(reg(vcpus[i], "rcx"), 0x1234 + i);
	assert_int_equal(anykvm_reg_set_text(vcpus[1], "rcx", "0xabcdef"), 0);
	assert_int_equal(reg(vcpus[1], "rcx"), 0xabcdef);
	assert_int_equal(reg(vcpus[0], "rcx"), 0x1234);
	/* It goes on. */
	before = reg(vcpus[0], "rax");
	for (int i = 0; i < 100 && reg(vcpus[0], "rax") == before; i++)
		usleep(10000);
	assert_int_not_equal(reg(vcpus[0], "rax"), before);
	/* While it is held, it does not. */
	assert_int_equal(anykvm_live_hold(live, false), 0);
	before = reg(vcpus[0], "rax");
	usleep(10000);
	assert_int_equal(reg(vcpus[0], "rax"), before);
	assert_true(anykvm_live_release(live) > 9000);
	/* What is refused, changes nothing. */
	assert_int_equal(anykvm_reg_set_text(vcpus[0], "cr4", "0x8000000000000000"), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(anykvm_ioctl(vcpus[0], KVM_RUN, NULL), -1);
	assert_int_equal(errno, EPERM);
	assert_well(pid);
	assert_true(shown->interrupted > 0);
	anykvm_live_close(live);
	assert_well(pid);
	target_end(pid);
}

static void test_state(void **unused)
{
	pid_t pid = target_start(false);
	struct anykvm_live *live = opened(pid);
	struct anykvm_state *state;
	uint64_t rcx;

	(void)unused;
	assert_int_equal(anykvm_reg_parse(KVM_REG_X86, "rcx", &rcx), 0);
	assert_int_equal(anykvm_live_hold(live, true), 0);
	state = anykvm_state_capture(anykvm_live_vm_fd(live), anykvm_live_vcpu_fds(live), VCPUS);
	anykvm_live_release(live);
	if (!state)
		fail_msg("%s", anykvm_refusal()->reason);
	assert_int_equal(*(uint64_t *)anykvm_state_reg(state, 0, rcx), 0x1234);
	assert_int_equal(*(uint64_t *)anykvm_state_reg(state, 1, rcx), 0x1235);
	anykvm_state_free(state);
	assert_well(pid);
	anykvm_live_close(live);
	target_end(pid);
}

static void test_threads_come_and_go(void **state)
{
	pid_t pid = target_start(false);
	struct anykvm_live *live = opened(pid);

	(void)state;
	shown->churn = true;
	for (int i = 0; i < 100; i++)
		assert_int_equal(reg(anykvm_live_vcpu_fds(live)[i % VCPUS], "rcx"), 0x1234 + i % VCPUS);
	assert_well(pid);
	anykvm_live_close(live);
	assert_well(pid);
	target_end(pid);
}

/* Who looks is killed at any moment: hundreds of times. */
static void test_killed(void **state)
{
	pid_t pid = target_start(false);
	unsigned int seed = 1;

	(void)state;
	for (int i = 0; i < 300; i++) {
		pid_t looker = fork();

		if (!looker) {
			struct anykvm_live *live = anykvm_live_open(pid);
			char text[ANYKVM_VALUE_ROOM];

			for (unsigned int k = 0; live; k++)
				anykvm_reg_get_text(anykvm_live_vcpu_fds(live)[k % VCPUS], "rcx", text, sizeof text);
			_exit(1);
		}
		usleep(500 + (unsigned int)rand_r(&seed) % 8000);
		kill(looker, SIGKILL);
		waitpid(looker, NULL, 0);
		assert_well(pid);
	}
	usleep(50000);
	assert_well(pid);
	/* And it can still be looked at, and runs. */
	{
		struct anykvm_live *live = opened(pid);
		unsigned long before = shown->interrupted;

		assert_int_equal(reg(anykvm_live_vcpu_fds(live)[0], "rcx"), 0x1234);
		assert_int_equal(reg(anykvm_live_vcpu_fds(live)[1], "rcx"), 0x1235);
		usleep(20000);
		assert_true(shown->interrupted > before);
		anykvm_live_close(live);
	}
	assert_well(pid);
	target_end(pid);
}

static void test_filter(void **state)
{
	pid_t pid = target_start(true);
	struct anykvm_live *live = anykvm_live_open(pid);
	char text[ANYKVM_VALUE_ROOM];

	(void)state;
	/* With the right to suspend the filter it works, without it says so; the target lives either way. */
	if (live && anykvm_reg_get_text(anykvm_live_vcpu_fds(live)[0], "rcx", text, sizeof text) == 0)
		assert_string_equal(text, "0x1234");
	else
		assert_non_null(strstr(anykvm_refusal()->reason, "seccomp"));
	anykvm_live_close(live);
	usleep(20000);
	assert_well(pid);
	target_end(pid);
}

static void test_refusals(void **state)
{
	pid_t pid = target_start(false), tracer;
	struct anykvm_live *live;
	int ready[2];
	char byte;

	(void)state;
	assert_null(anykvm_live_open(getpid()));
	assert_int_equal(errno, ENOENT);
	assert_null(anykvm_live_open(1 << 30));
	assert_int_equal(errno, ESRCH);
	/* Traced by somebody else. */
	assert_int_equal(pipe(ready), 0);
	tracer = fork();
	if (!tracer) {
		if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	live = anykvm_live_open(pid);
	assert_null(live);
	assert_int_equal(errno, EPERM);
	assert_non_null(strstr(anykvm_refusal()->reason, "traced"));
	kill(tracer, SIGKILL);
	waitpid(tracer, NULL, 0);
	/* It ends meanwhile. */
	live = opened(pid);
	target_end(pid);
	assert_int_equal(anykvm_reg_get_text(anykvm_live_vcpu_fds(live)[0], "rcx", (char[64]){ 0 }, 64), -1);
	assert_int_equal(errno, ESRCH);
	anykvm_live_close(live);
	close(ready[0]);
	close(ready[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list), cmocka_unit_test(test_registers), cmocka_unit_test(test_state), cmocka_unit_test(test_threads_come_and_go),
		cmocka_unit_test(test_killed), cmocka_unit_test(test_filter), cmocka_unit_test(test_refusals),
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	pid_t child = fork();
	bool traceable;

	if (!child) {
		pause();
		_exit(0);
	}
	traceable = !ptrace(PTRACE_SEIZE, child, NULL, NULL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	if (vm < 0 || !traceable) {
		printf("skipped: %s\n0 passed, 0 failed, %zu skipped\n", vm < 0 ? "/dev/kvm does not open" : "processes cannot be traced", sizeof tests / sizeof *tests);
		return 0;
	}
	close(vm);
	close(kvm);
	shown = mmap(NULL, sizeof *shown, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
