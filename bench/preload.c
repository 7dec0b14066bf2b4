/*
 * What calls cost that have nothing to do with KVM, in nanoseconds. bench/run runs it alone and under `anykvm run --`;
 * the ratio is what the preload costs a program that merely happens to run under it.
 */
#include "bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int null_fd, pipe_ends[2];

static void do_ioctl(void *context, unsigned long count)
{
	int waiting;

	(void)context;
	while (count--)
		if (ioctl(pipe_ends[0], FIONREAD, &waiting) < 0)
			bench_fail("FIONREAD");
}

static void do_read(void *context, unsigned long count)
{
	char byte;

	(void)context;
	while (count--)
		if (read(null_fd, &byte, 1) != 0)
			bench_fail("read of /dev/null");
}

static void do_write(void *context, unsigned long count)
{
	(void)context;
	while (count--)
		if (write(null_fd, "x", 1) != 1)
			bench_fail("write to /dev/null");
}

static void do_dup_close(void *context, unsigned long count)
{
	(void)context;
	while (count--)
		if (close(dup(null_fd)) < 0)
			bench_fail("dup and close");
}

static void do_open_close(void *context, unsigned long count)
{
	(void)context;
	while (count--)
		if (close(open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
			bench_fail("open and close");
}

static void do_mmap_munmap(void *context, unsigned long count)
{
	(void)context;
	while (count--)
		if (munmap(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096) < 0)
			bench_fail("mmap and munmap");
}

int main(void)
{
	static const struct {
		const char *name;
		void (*body)(void *context, unsigned long count);
	} calls[] = {
		{ "ioctl", do_ioctl }, { "read", do_read }, { "write", do_write },
		{ "dup_close", do_dup_close }, { "open_close", do_open_close }, { "mmap_munmap", do_mmap_munmap },
	};

	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0 || pipe(pipe_ends) < 0)
		bench_fail("/dev/null or a pipe");
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		printf("%s %.1f\n", calls[i].name, bench_measure(calls[i].body, NULL));
	return 0;
}
