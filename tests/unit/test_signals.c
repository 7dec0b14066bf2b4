/* Getting out of KVM_RUN: signals, masks, immediate_exit; and that it does not take long. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>
#include <cmocka.h>

#include "machine.h"

static const uint8_t spin[] = { 0xeb, 0xfe };		/* jmp . */
static const uint8_t halt[] = { 0xf4 };			/* hlt */
static const uint8_t out_loop[] = { 0xe6, 0x80, 0xeb, 0xfc };

/* Generous: these say "does not hang", the benchmarks say how fast. */
enum { PROMPT_MSEC = 5000 };

static atomic_int handled;

static void on_signal(int signal)
{
	(void)signal;
	handled++;
}

struct runner {
	pthread_t thread;
	_Atomic pid_t tid;
	int vcpu;
	atomic_bool returned;
	int error;
	double at;
};

static void *runner_main(void *argument)
{
	struct runner *r = argument;

	r->tid = gettid();
	r->error = vcpu_run(r->vcpu);
	r->at = clock_msec();
	r->returned = true;
	return NULL;
}

/* In KVM_RUN for certain: asleep there, or busy for longer than the way in takes. However much else the machine has to do. */
static bool runner_settled(const struct runner *r)
{
	char path[64], stat[256] = "";
	struct timespec used;
	clockid_t clock;
	FILE *file;

	if (r->returned)
		return true;
	if (!r->tid || pthread_getcpuclockid(r->thread, &clock) || clock_gettime(clock, &used))
		return false;
	if (used.tv_sec || used.tv_nsec > 5000000)
		return true;
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)r->tid);
	file = fopen(path, "r");
	if (file && !fgets(stat, sizeof stat, file))
		*stat = 0;
	if (file)
		fclose(file);
	return strstr(stat, ") S ");
}

static void runner_start(struct runner *r, int vcpu)
{
	memset(r, 0, sizeof(*r));
	r->vcpu = vcpu;
	assert_int_equal(pthread_create(&r->thread, NULL, runner_main, r), 0);
	do
		usleep(20000);
	while (!runner_settled(r));
}

/* A signal that came before KVM_RUN, on a machine with too much to do, ends nothing: another one comes then, and the test fails by its time. */
static void runner_join(struct runner *r)
{
	struct timespec late;

	clock_gettime(CLOCK_REALTIME, &late);
	late.tv_sec += 20;
	if (pthread_timedjoin_np(r->thread, NULL, &late)) {
		pthread_kill(r->thread, SIGUSR1);
		assert_int_equal(pthread_join(r->thread, NULL), 0);
	}
}

static void test_signal_ends_spin(void **state)
{
	struct machine *m = *state;
	struct runner r;
	double sent;

	machine_code(m, spin, sizeof(spin));
	for (int i = 0; i < 5; i++) {
		runner_start(&r, m->vcpu);
		assert_false(r.returned);
		sent = clock_msec();
		pthread_kill(r.thread, SIGUSR1);
		runner_join(&r);
		assert_int_equal(r.error, EINTR);
		assert_int_equal(m->run->exit_reason, KVM_EXIT_INTR);
		assert_true(r.at - sent < PROMPT_MSEC);
	}
	assert_true(handled >= 5);
}

/* With an irqchip HLT waits inside KVM_RUN. */
static void test_signal_ends_halt(void **state)
{
	struct machine *m = *state;
	struct runner r;
	int vm = ioctl(m->kvm, KVM_CREATE_VM, 0), vcpu;
	struct kvm_userspace_memory_region slot = { .memory_size = MACHINE_MEMORY, .userspace_addr = (uintptr_t)m->memory };
	double sent;

	assert_true(vm >= 0);
	if (ioctl(vm, KVM_CREATE_IRQCHIP, 0) < 0)
		skip();
	assert_int_equal(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot), 0);
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	memcpy(m->memory + MACHINE_CODE, halt, sizeof(halt));
	vcpu_start(vcpu);
	runner_start(&r, vcpu);
	assert_false(r.returned);
	sent = clock_msec();
	pthread_kill(r.thread, SIGUSR1);
	runner_join(&r);
	assert_int_equal(r.error, EINTR);
	assert_true(r.at - sent < PROMPT_MSEC);
	close(vcpu);
	close(vm);
}

static void test_timer(void **state)
{
	const struct itimerval once = { { 0, 0 }, { 0, 30000 } };
	struct machine *m = *state;
	double start = clock_msec();

	machine_code(m, spin, sizeof(spin));
	setitimer(ITIMER_REAL, &once, NULL);
	assert_int_equal(vcpu_run(m->vcpu), EINTR);
	assert_true(clock_msec() - start >= 25 && clock_msec() - start < 30 + PROMPT_MSEC);
}

/* SA_RESTART changes nothing: KVM_RUN is not restarted. */
static void test_restart_flag(void **state)
{
	const struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct machine *m = *state;
	struct runner r;

	sigaction(SIGUSR2, &sa, NULL);
	machine_code(m, spin, sizeof(spin));
	runner_start(&r, m->vcpu);
	pthread_kill(r.thread, SIGUSR2);
	runner_join(&r);
	assert_int_equal(r.error, EINTR);
}

static void test_ignored_signal(void **state)
{
	struct machine *m = *state;
	struct runner r;

	signal(SIGUSR2, SIG_IGN);
	machine_code(m, spin, sizeof(spin));
	runner_start(&r, m->vcpu);
	pthread_kill(r.thread, SIGUSR2);
	usleep(50000);
	assert_false(r.returned);
	pthread_kill(r.thread, SIGUSR1);
	runner_join(&r);
	assert_int_equal(r.error, EINTR);
}

static void test_immediate_exit(void **state)
{
	struct machine *m = *state;
	struct kvm_regs before, after;

	machine_code(m, spin, sizeof(spin));
	m->run->immediate_exit = 1;
	assert_int_equal(ioctl(m->vcpu, KVM_GET_REGS, &before), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(vcpu_run(m->vcpu), EINTR);
	m->run->immediate_exit = 0;
	assert_int_equal(ioctl(m->vcpu, KVM_GET_REGS, &after), 0);
	assert_memory_equal(&before, &after, sizeof(before));
}

/* An exit that is not complete yet is completed before immediate_exit takes effect. */
static void test_immediate_exit_completes(void **state)
{
	static const uint8_t in[] = { 0xe4, 0x80, 0xeb, 0xfe };	/* in al, 0x80; jmp . */
	struct machine *m = *state;
	struct kvm_regs regs;

	machine_code(m, in, sizeof(in));
	assert_int_equal(vcpu_run(m->vcpu), 0);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_IO);
	*((uint8_t *)m->run + m->run->io.data_offset) = 0x5a;
	m->run->immediate_exit = 1;
	assert_int_equal(vcpu_run(m->vcpu), EINTR);
	m->run->immediate_exit = 0;
	assert_int_equal(ioctl(m->vcpu, KVM_GET_REGS, &regs), 0);
	assert_int_equal(regs.rax & 0xff, 0x5a);
	assert_int_equal(regs.rip, MACHINE_CODE + 2);
}

/* A blocked signal waits, unless KVM_SET_SIGNAL_MASK lets it in; then it ends KVM_RUN and is still pending. */
static void test_signal_mask(void **state)
{
	struct kvm_signal_mask *mask = test_malloc(sizeof(*mask) + 8);
	struct machine *m = *state;
	sigset_t set, pending;
	uint64_t none = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	mask->len = 8;
	memcpy(mask->sigset, &none, 8);
	assert_int_equal(ioctl(m->vcpu, KVM_SET_SIGNAL_MASK, mask), 0);
	machine_code(m, spin, sizeof(spin));
	handled = 0;
	pthread_kill(pthread_self(), SIGUSR1);
	assert_int_equal(vcpu_run(m->vcpu), EINTR);
	assert_int_equal(handled, 0);
	sigpending(&pending);
	assert_true(sigismember(&pending, SIGUSR1));
	assert_int_equal(ioctl(m->vcpu, KVM_SET_SIGNAL_MASK, NULL), 0);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	assert_int_equal(handled, 1);
	mask->len = 4;
	assert_int_equal(ioctl_error(m->vcpu, KVM_SET_SIGNAL_MASK, mask), EINVAL);
	test_free(mask);
}

/* Signals that come all the time cost no guest progress and no exit. */
static void test_storm(void **state)
{
	static const uint8_t count[] = { 0x66, 0x40, 0x66, 0x3d, 0x40, 0x42, 0x0f, 0x00, 0x75, 0xf6, 0xe6, 0x80 };
	const struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = { { 0, 0 }, { 0, 0 } };
	struct machine *m = *state;
	struct kvm_regs regs;
	int error, interrupted = 0;

	machine_code(m, count, sizeof(count));	/* inc eax; cmp eax, 1000000; jne; out */
	setitimer(ITIMER_REAL, &often, NULL);
	while ((error = vcpu_run(m->vcpu)) == EINTR && interrupted < 10000000)
		interrupted++;
	setitimer(ITIMER_REAL, &never, NULL);
	assert_int_equal(error, 0);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_IO);
	assert_int_equal(ioctl(m->vcpu, KVM_GET_REGS, &regs), 0);
	assert_int_equal(regs.rax, 1000000);
}

/* One vCPU, two threads: one at a time, and the second waits for the first. */
static void test_vcpu_is_held(void **state)
{
	struct machine *m = *state;
	struct kvm_regs regs;
	struct runner a, b;

	machine_code(m, spin, sizeof(spin));
	runner_start(&a, m->vcpu);
	runner_start(&b, m->vcpu);
	pthread_kill(a.thread, SIGUSR1);
	runner_join(&a);
	assert_int_equal(a.error, EINTR);
	pthread_kill(b.thread, SIGUSR1);
	usleep(50000);
	if (!b.returned)	/* the first may have come while it still waited for the vCPU */
		pthread_kill(b.thread, SIGUSR1);
	runner_join(&b);
	assert_int_equal(b.error, EINTR);
	assert_int_equal(ioctl(m->vcpu, KVM_GET_REGS, &regs), 0);
	assert_int_equal(regs.rip, MACHINE_CODE);
}

static void test_other_threads_run(void **state)
{
	struct machine *m = *state;
	struct runner r;

	/* Whoever calls KVM_RUN runs it; no thread owns a vCPU. */
	machine_code(m, out_loop, sizeof(out_loop));
	for (int i = 0; i < 10; i++) {
		runner_start(&r, m->vcpu);
		runner_join(&r);
		assert_int_equal(r.error, 0);
		assert_int_equal(m->run->exit_reason, KVM_EXIT_IO);
	}
}

static int setup(void **state)
{
	const struct sigaction sa = { .sa_handler = on_signal };
	static struct machine m;

	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	machine_open(&m);
	*state = &m;
	return 0;
}

static void *cancelled_main(void *vcpu)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	vcpu_run(*(int *)vcpu);
	return NULL;
}

/* A thread that is cancelled in KVM_RUN leaves the vCPU and its VM to the others. */
static void test_cancel(void **state)
{
	struct machine *m = *state;
	struct kvm_regs regs;
	pthread_t thread;
	void *result;

	for (int i = 0; i < 20; i++) {
		machine_code(m, spin, sizeof(spin));
		assert_int_equal(pthread_create(&thread, NULL, cancelled_main, &m->vcpu), 0);
		usleep((useconds_t)(i * 200));
		assert_int_equal(pthread_cancel(thread), 0);
		assert_int_equal(pthread_join(thread, &result), 0);
		assert_true(result == PTHREAD_CANCELED);
		assert_int_equal(ioctl_error(m->vcpu, KVM_GET_REGS, &regs), 0);
		assert_int_equal(regs.rip, MACHINE_CODE);
	}
}

static int teardown(void **state)
{
	machine_close(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_signal_ends_spin, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signal_ends_halt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart_flag, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ignored_signal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_immediate_exit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_immediate_exit_completes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signal_mask, setup, teardown),
		cmocka_unit_test_setup_teardown(test_storm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vcpu_is_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_threads_run, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
