/*
 * The preload face: every way to open /dev/kvm, what the kernel does with the descriptors, other programs started, files of a kernel module
 * that is not there. Under `anykvm run` only: started by itself there is nothing to see.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);
int __openat64_2(int folder, const char *path, int flags);

static void assert_kvm(int fd)
{
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, KVM_GET_API_VERSION, 0), KVM_API_VERSION);
	assert_int_equal(close(fd), 0);
	assert_int_equal(ioctl(fd, KVM_GET_API_VERSION, 0), -1);
	assert_int_equal(errno, EBADF);
}

static int open_2(void) { return __open_2("/dev/kvm", O_RDWR); }
static int open64_2(void) { return __open64_2("/dev/kvm", O_RDWR); }
static int openat_2(void) { return __openat_2(AT_FDCWD, "/dev/kvm", O_RDWR); }
static int openat64_2(void) { return __openat64_2(AT_FDCWD, "/dev/kvm", O_RDWR); }
static int open_plain(void) { return open("/dev/kvm", O_RDWR | O_CLOEXEC); }
static int open_64(void) { return open64("/dev/kvm", O_RDWR); }
static int open_at(void) { return openat(AT_FDCWD, "/dev/kvm", O_RDWR); }
static int open_at64(void) { return openat64(AT_FDCWD, "/dev/kvm", O_RDWR); }

static void test_open(void **state)
{
	static int (*const ways[])(void) = { open_plain, open_64, open_at, open_at64, open_2, open64_2, openat_2, openat64_2 };

	(void)state;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		assert_kvm(ways[i]());
	assert_int_equal(access("/dev/kvm", R_OK | W_OK), 0);
}

static void test_duplicates(void **state)
{
	int fd = open_plain(), copies[4];

	(void)state;
	copies[0] = dup(fd);
	copies[1] = fcntl(fd, F_DUPFD, 50);
	copies[2] = fcntl(fd, F_DUPFD_CLOEXEC, 60);
	copies[3] = dup3(fd, 70, O_CLOEXEC);
	assert_int_equal(dup2(fd, 71), 71);
	assert_true(fcntl(copies[2], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(close(fd), 0);
	for (size_t i = 0; i < 4; i++)
		assert_kvm(copies[i]);
	assert_int_equal(close_range(71, 71, 0), 0);
	assert_int_equal(ioctl(71, KVM_GET_API_VERSION, 0), -1);
	/* Another file in the place of a descriptor. */
	fd = open_plain();
	assert_int_equal(dup2(STDERR_FILENO, fd), fd);
	assert_int_equal(ioctl(fd, KVM_GET_API_VERSION, 0), -1);
	close(fd);
	/* Closed behind libc's back, and the number used again. */
	fd = open_plain();
	assert_int_equal(syscall(SYS_close, fd), 0);
	assert_int_equal(open("/dev/null", O_RDWR), fd);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static void test_real_descriptors(void **state)
{
	int kvm = open_plain(), vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	struct pollfd poll_one = { .fd = vcpu, .events = POLLIN };
	size_t size = (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct kvm_run *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

	(void)state;
	assert_true(run != MAP_FAILED);
	assert_true(poll(&poll_one, 1, 0) >= 0);
	/* Closed, the vCPU still has its VM. */
	close(vm);
	close(kvm);
	assert_int_equal(ioctl(vcpu, KVM_GET_REGS, &(struct kvm_regs){ 0 }), 0);
	munmap(run, size);
	close(vcpu);
}

static void test_fork(void **state)
{
	int kvm = open_plain(), vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu = ioctl(vm, KVM_CREATE_VCPU, 0), status;
	pid_t child = fork();

	(void)state;
	if (!child) {
		struct kvm_regs regs;

		_exit(ioctl(vcpu, KVM_GET_REGS, &regs) == -1 && errno == EIO && ioctl(kvm, KVM_GET_API_VERSION, 0) == KVM_API_VERSION &&
		      ioctl(open_plain(), KVM_CREATE_VM, 0) >= 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(ioctl(vcpu, KVM_GET_REGS, &(struct kvm_regs){ 0 }), 0);
	close(vcpu);
	close(vm);
	close(kvm);
}

/* Started again with nothing in its environment, and with "again": opens KVM once and ends. */
static void test_exec(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (!child) {
		/* Nothing of the environment but what a sanitizer's runtime cannot do without. */
		char options[512], *const arguments[] = { "test_shim", "again", NULL }, *const environment[] = { options, NULL };
		const char *asan = getenv("ASAN_OPTIONS");

		snprintf(options, sizeof options, "ASAN_OPTIONS=%s", asan ? asan : "");
		execve("/proc/self/exe", arguments, environment);
		_exit(2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_files(void **state)
{
	static const char *const files[] = { "/sys/module/kvm/parameters/ignore_msrs", "/sys/module/kvm/parameters/halt_poll_ns" };
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		int fd = open(files[i], O_RDONLY);
		ssize_t length = read(fd, text, sizeof text);

		assert_true(fd >= 0);
		assert_true(length > 1);
		assert_int_equal(text[length - 1], '\n');
		close(fd);
	}
	assert_int_equal(open("/sys/module/kvm/parameters/no_such", O_RDONLY), -1);
	assert_int_equal(errno, ENOENT);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open), cmocka_unit_test(test_duplicates), cmocka_unit_test(test_real_descriptors), cmocka_unit_test(test_fork),
		cmocka_unit_test(test_exec), cmocka_unit_test(test_files),
	};
	int fd;

	if (argc > 1 && !strcmp(argv[1], "again")) {
		fd = open_plain();
		return fd >= 0 && ioctl(fd, KVM_CHECK_EXTENSION, 209L) >= 0 && ioctl(fd, KVM_GET_API_VERSION, 0) == KVM_API_VERSION ? 0 : 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
