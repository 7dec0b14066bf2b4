/*
 * How many millions of A64 instructions a second: the kernels of arm64_guest.S in an arm64 KVM guest, in QEMU's TCG as a bare machine, and in
 * qemu-aarch64 as a Linux program. An ordinary KVM program; see bench.h.
 *
 *     arm64_rate kvm IMAGE [MILLIONS]          prints "kernel MIPS", each kernel running about MILLIONS of instructions (100)
 *     arm64_rate tcg IMAGE [MILLIONS]
 *     arm64_rate user IMAGE USER [MILLIONS]    USER is arm64_user
 *     arm64_rate check IMAGE USER              compares instruction counts with single steps, and results with both of QEMU's
 *
 * All three run the same image, byte for byte.
 */
#include "arm64_vm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arm64_image.h"
#include "listener.h"

enum { MEMORY_AT = 0x40000000, MEMORY_SIZE = 8 << 20, UART = 0x09000000, KERNELS_MOST = 32 };

static struct arm64_image *image;
static size_t image_size;
static unsigned kernels;

static void image_read(const char *path)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &status) < 0)
		bench_fail(path);
	image_size = (size_t)status.st_size;
	image = mmap(NULL, image_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (image == MAP_FAILED)
		bench_fail(path);
	close(fd);
	while (kernels < KERNELS_MOST && image->kernels[kernels].name[0])
		kernels++;
}

static void rounds_set(double millions)
{
	for (unsigned k = 0; k < kernels; k++)
		image->kernels[k].rounds = (uint64_t)(millions * 1e6 / image->kernels[k].per_round) + 1;
}

/* How many instructions a kernel has executed; `counted` is what its twin says. */
static uint64_t kernel_count(const struct arm64_kernel *kernel, uint64_t counted)
{
	return kernel->fixed + (kernel->counted ? counted : kernel->rounds * kernel->per_round);
}

/* ---- The three that run it. ---- */

/* `stepping`: one by one from B to E; how many steps that took is left in *steps as E comes. */
static int listen_kvm(struct listener *listener, int stepping, uint64_t *steps)
{
	struct kvm_guest_debug debug = { 0 };
	struct bench_vm vm;

	arm64_vm_create(&vm, MEMORY_AT, MEMORY_SIZE, 1u << KVM_ARM_VCPU_PSCI_0_2 | 1u << KVM_ARM_VCPU_SVE);
	memcpy(vm.memory + ARM64_IMAGE_AT - MEMORY_AT, image, image_size);
	arm64_vm_enter(&vm, ARM64_IMAGE_AT);
	for (;;) {
		uint32_t reason = bench_vm_run_any(&vm);
		double time = bench_now();

		if (reason == KVM_EXIT_DEBUG) {
			++*steps;
		} else if (reason == KVM_EXIT_MMIO && vm.run->mmio.is_write && vm.run->mmio.phys_addr == UART) {
			listener_take(listener, vm.run->mmio.data[0], time);
			if (!stepping)
				continue;
			debug.control = listener->state == LISTENER_RUNNING ? KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP : 0;
			bench_ioctl(vm.vcpu_fd, KVM_SET_GUEST_DEBUG, "KVM_SET_GUEST_DEBUG", &debug);
		} else {
			return listener_finish(listener);
		}
	}
}

/* The image as a file of its own, with the rounds in it: its name. */
static const char *image_file(void)
{
	static char path[32];
	int fd = memfd_create("guest", 0);

	if (fd < 0 || write(fd, image, image_size) != (ssize_t)image_size)
		bench_fail("memfd of the image");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

static int listen_tcg(struct listener *listener)
{
	char loader[96];
	const char *const qemu[] = { "qemu-system-aarch64", "-machine", "virt", "-accel", "tcg", "-cpu", "max", "-m", "64", "-display", "none", "-nodefaults",
				     "-no-reboot", "-serial", "stdio", "-device", loader, NULL };

	snprintf(loader, sizeof(loader), "loader,file=%s,addr=%#x,cpu-num=0,force-raw=on", image_file(), ARM64_IMAGE_AT);
	return listener_run(listener, qemu);
}

static int listen_user(struct listener *listener, const char *user)
{
	const char *const qemu[] = { "qemu-aarch64", "-cpu", "max", user, image_file(), NULL };

	return listener_run(listener, qemu);
}

/* ---- Rates. ---- */

static void report(unsigned job, double ns, const uint64_t *numbers)
{
	printf("%s %.1f\n", image->kernels[job].name, kernel_count(&image->kernels[job], numbers[1]) * 1e3 / ns);
	fflush(stdout);
}

/* ---- Checks. ---- */

static uint64_t steps, results[KERNELS_MOST], counts[KERNELS_MOST];
static int wrong;

/* Between B and E there are four more steps: two loads, the call, and the move of E. */
static void compare_steps(unsigned job, double ns, const uint64_t *numbers)
{
	const uint64_t said = kernel_count(&image->kernels[job], numbers[1]), stepped = steps - 4;

	(void)ns;
	steps = 0;
	if (said == stepped)
		return;
	printf("%s: %llu rounds are said to be %llu instructions, but it took %llu steps\n", image->kernels[job].name,
	       (unsigned long long)image->kernels[job].rounds, (unsigned long long)said, (unsigned long long)stepped);
	wrong++;
}

static void note_result(unsigned job, double ns, const uint64_t *numbers)
{
	(void)ns;
	results[job] = numbers[0];
	counts[job] = numbers[1];
}

static void compare_result(unsigned job, double ns, const uint64_t *numbers)
{
	(void)ns;
	if (numbers[0] == results[job] && numbers[1] == counts[job])
		return;
	printf("%s gives %#llx in the KVM guest, but %#llx in QEMU\n", image->kernels[job].name, (unsigned long long)results[job],
	       (unsigned long long)numbers[0]);
	wrong++;
}

static int check(const char *user)
{
	struct listener stepped = { .jobs = kernels, .numbers = 2, .done = compare_steps }, noted = { .jobs = kernels, .numbers = 2, .done = note_result };
	struct listener machine = { .jobs = kernels, .numbers = 2, .done = compare_result }, program = machine;
	int broken;

	rounds_set(0.002);
	broken = listen_kvm(&stepped, 1, &steps);
	rounds_set(1);
	broken = broken || listen_kvm(&noted, 0, NULL) || listen_tcg(&machine) || listen_user(&program, user);
	if (!broken)
		printf("%u kernels: %d differences of instruction counts and results\n", kernels, wrong);
	return broken || wrong;
}

static int usage(void)
{
	fprintf(stderr, "usage: arm64_rate kvm|tcg IMAGE [MILLIONS] | user IMAGE USER [MILLIONS] | check IMAGE USER\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	const int has_user = !strcmp(what, "user") || !strcmp(what, "check"), millions_at = has_user ? 4 : 3;
	struct listener listener = { .numbers = 2, .done = report };

	if (argc < millions_at)
		return usage();
	image_read(argv[2]);
	rounds_set(argc > millions_at ? atof(argv[millions_at]) : 100);
	listener.jobs = kernels;
	if (!strcmp(what, "check"))
		return check(argv[3]);
	if (!strcmp(what, "kvm"))
		return listen_kvm(&listener, 0, NULL);
	if (!strcmp(what, "tcg"))
		return listen_tcg(&listener);
	if (!strcmp(what, "user"))
		return listen_user(&listener, argv[3]);
	return usage();
}
