/* Descriptors and processes: what lives on when something is closed, what a child of fork() may do, who else may hold what. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "machine.h"

static const uint8_t out_loop[] = { 0xe6, 0x80, 0xeb, 0xfc };	/* out 0x80, al; jmp back */

static void expect_out(int vcpu, const struct kvm_run *run)
{
	assert_int_equal(vcpu_run(vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_IO);
	assert_int_equal(run->io.port, 0x80);
}

static void test_vcpu_outlives_vm_fd(void **state)
{
	struct machine *m = *state;

	machine_code(m, out_loop, sizeof(out_loop));
	close(m->vm);
	close(m->kvm);
	expect_out(m->vcpu, m->run);
	expect_out(m->vcpu, m->run);
	m->vm = m->kvm = -1;
}

static void test_run_page_outlives_vcpu_fd(void **state)
{
	struct machine *m = *state;

	machine_code(m, out_loop, sizeof(out_loop));
	expect_out(m->vcpu, m->run);
	close(m->vcpu);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_IO);
	m->run->immediate_exit = 1;
	assert_int_equal(ioctl_error(m->vcpu, KVM_RUN, NULL), EBADF);
	m->vcpu = -1;
}

static void test_duplicates(void **state)
{
	struct machine *m = *state;
	int copy = dup(m->vcpu), second = fcntl(m->vcpu, F_DUPFD_CLOEXEC, 100);

	assert_true(copy >= 0 && second >= 100);
	machine_code(m, out_loop, sizeof(out_loop));
	expect_out(copy, m->run);
	expect_out(second, m->run);
	close(m->vcpu);
	expect_out(copy, m->run);
	assert_int_equal(dup2(copy, 200), 200);
	close(copy);
	close(second);
	expect_out(200, m->run);
	m->vcpu = 200;
}

/* The number of a closed descriptor means what is opened there next. */
static void test_number_reused(void **state)
{
	struct machine *m = *state;
	int pipes[2], copy = dup(m->vcpu);
	struct kvm_regs regs;

	close(m->vcpu);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(pipes[0], m->vcpu);
	assert_int_equal(ioctl_error(m->vcpu, KVM_GET_REGS, &regs), ENOTTY);
	close(pipes[0]);
	close(pipes[1]);
	m->vcpu = copy;
}

static void test_wrong_descriptors(void **state)
{
	struct machine *m = *state;
	struct kvm_regs regs = { 0 };

	assert_int_equal(ioctl_error(m->kvm, KVM_GET_REGS, &regs), EINVAL);
	assert_int_equal(ioctl_error(m->vm, KVM_GET_REGS, &regs), ENOTTY);
	assert_int_equal(ioctl_error(m->vcpu, KVM_CREATE_VCPU, (void *)1), EINVAL);
	assert_int_equal(ioctl_error(-1, KVM_GET_REGS, &regs), EBADF);
	assert_int_equal(ioctl_error(12345, KVM_GET_REGS, &regs), EBADF);
	assert_int_equal(ioctl_error(m->vcpu, KVM_RUN, (void *)1), EINVAL);
}

static void test_cloexec(void **state)
{
	struct machine *m = *state;

	assert_int_equal(fcntl(m->vm, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(m->vcpu, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

/* Everything a child asks of the parent's VM is EIO; the parent does not notice. */
static void test_fork(void **state)
{
	struct machine *m = *state;
	struct kvm_regs regs;
	int status;
	pid_t pid;

	machine_code(m, out_loop, sizeof(out_loop));
	expect_out(m->vcpu, m->run);
	pid = fork();
	if (pid == 0) {
		int bad = 0;

		bad |= ioctl_error(m->vcpu, KVM_GET_REGS, &regs) != EIO;
		bad |= (ioctl_error(m->vcpu, KVM_RUN, NULL) != EIO) << 1;
		bad |= (ioctl_error(m->vm, KVM_CREATE_VCPU, (void *)5) != EIO) << 2;
		/* The system descriptor belongs to nobody. */
		bad |= (ioctl(m->kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) << 3;
		bad |= (ioctl(m->kvm, KVM_CREATE_VM, 0) < 0) << 4;
		_exit(bad);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	expect_out(m->vcpu, m->run);
	assert_int_equal(ioctl_error(m->vcpu, KVM_GET_REGS, &regs), 0);
}

/* A child that closes what it inherited, or just ends, leaves the parent's VM alone. */
static void test_fork_close(void **state)
{
	struct machine *m = *state;
	int status;
	pid_t pid;

	machine_code(m, out_loop, sizeof(out_loop));
	pid = fork();
	if (pid == 0) {
		close(m->vcpu);
		close(m->vm);
		close(m->kvm);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	expect_out(m->vcpu, m->run);
}

static void *runner(void *argument)
{
	return (void *)(intptr_t)vcpu_run(*(int *)argument);
}

static void on_signal(int signal)
{
	(void)signal;
}

/* Closing a vCPU's descriptor in one thread does not stop another that runs it. */
static void test_close_while_running(void **state)
{
	static const uint8_t spin[] = { 0xeb, 0xfe };
	const struct sigaction sa = { .sa_handler = on_signal };
	struct machine *m = *state;
	pthread_t thread;
	void *result;
	int copy = m->vcpu;

	sigaction(SIGUSR1, &sa, NULL);
	machine_code(m, spin, sizeof(spin));
	assert_int_equal(pthread_create(&thread, NULL, runner, &copy), 0);
	usleep(20000);
	close(m->vcpu);
	close(m->vm);
	usleep(20000);
	pthread_kill(thread, SIGUSR1);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, EINTR);
	m->vcpu = m->vm = -1;
}

static void test_mmap_sizes(void **state)
{
	struct machine *m = *state;
	void *page = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);

	assert_ptr_not_equal(page, MAP_FAILED);
	m->run->immediate_exit = 1;
	assert_int_equal(((struct kvm_run *)page)->immediate_exit, 1);
	m->run->immediate_exit = 0;
	munmap(page, 0x1000);
}

static int setup(void **state)
{
	static struct machine m;

	machine_open(&m);
	*state = &m;
	return 0;
}

static int teardown(void **state)
{
	machine_close(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vcpu_outlives_vm_fd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_run_page_outlives_vcpu_fd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_duplicates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_number_reused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cloexec, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fork, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fork_close, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_while_running, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mmap_sizes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
