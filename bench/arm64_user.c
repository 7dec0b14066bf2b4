/*
 * The kernels of arm64_guest.S as functions of an aarch64 Linux program, which says what a bare guest says (listener.h):
 *     qemu-aarch64 arm64_user IMAGE
 * Built with the cross compiler where the benchmarks run.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arm64_image.h"

typedef uint64_t kernel_function(void *data, uint64_t rounds);

static const uint8_t *image;
static void *data;

static void say(const void *bytes, size_t size)
{
	if (write(STDOUT_FILENO, bytes, size) != (ssize_t)size)
		exit(1);
}

static uint64_t call(uint64_t code, uint64_t rounds)
{
	return ((kernel_function *)(image + code))(data, rounds);
}

static void kernel_run(const struct arm64_kernel *kernel)
{
	uint64_t numbers[2] = { 0 };

	call(((const struct arm64_image *)image)->data_fill, 0);
	say("B", 1);
	numbers[0] = call(kernel->code, kernel->rounds);
	say("E", 1);
	if (kernel->counted) {
		call(((const struct arm64_image *)image)->data_fill, 0);
		numbers[1] = call(kernel->counted, kernel->rounds);
	}
	say(numbers, sizeof(numbers));
}

int main(int argc, char **argv)
{
	struct stat status;
	int fd = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0 || fstat(fd, &status) < 0) {
		fprintf(stderr, "usage: arm64_user IMAGE\n");
		return 2;
	}
	image = mmap(NULL, status.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	data = mmap(NULL, ARM64_DATA_ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (image == MAP_FAILED || data == MAP_FAILED || prctl(PR_SVE_SET_VL, 32) < 0) {
		perror("arm64_user");
		return 1;
	}
	say("R", 1);
	for (const struct arm64_kernel *kernel = ((const struct arm64_image *)image)->kernels; kernel->name[0]; kernel++)
		kernel_run(kernel);
	return 0;
}
