/*
 * What the benchmarks share; see bench.h. It must never know what is behind /dev/kvm, nor whose guest it is.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

_Noreturn void bench_fail(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

int bench_ioctl(int fd, unsigned long request, const char *name, void *argument)
{
	int result = ioctl(fd, request, argument);

	if (result < 0)
		bench_fail(name);
	return result;
}

void bench_vm_create(struct bench_vm *vm, uint64_t memory_at, size_t memory_size)
{
	struct kvm_userspace_memory_region region = { .guest_phys_addr = memory_at, .memory_size = memory_size };
	int run_size;

	vm->system_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->system_fd < 0)
		bench_fail("open /dev/kvm");
	vm->vm_fd = bench_ioctl(vm->system_fd, KVM_CREATE_VM, "KVM_CREATE_VM", NULL);
	vm->memory_size = memory_size;
	vm->memory = mmap(NULL, memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm->memory == MAP_FAILED)
		bench_fail("mmap of guest memory");
	region.userspace_addr = (uintptr_t)vm->memory;
	bench_ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION", &region);
	vm->vcpu_fd = bench_ioctl(vm->vm_fd, KVM_CREATE_VCPU, "KVM_CREATE_VCPU", NULL);
	run_size = bench_ioctl(vm->system_fd, KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE", NULL);
	vm->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu_fd, 0);
	if (vm->run == MAP_FAILED)
		bench_fail("mmap of kvm_run");
}

static _Noreturn void exit_refuse(const struct bench_vm *vm, uint32_t wanted)
{
	const struct kvm_run *run = vm->run;

	fprintf(stderr, "bench: exit reason %u instead of %u", run->exit_reason, wanted);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		fprintf(stderr, ", internal error %u", run->internal.suberror);
	fprintf(stderr, "\n");
	exit(1);
}

uint32_t bench_vm_run_any(struct bench_vm *vm)
{
	while (ioctl(vm->vcpu_fd, KVM_RUN, 0) < 0)
		if (errno != EINTR && errno != EAGAIN)
			bench_fail("KVM_RUN");
	return vm->run->exit_reason;
}

void bench_vm_run(struct bench_vm *vm, uint32_t exit_reason)
{
	if (bench_vm_run_any(vm) != exit_reason)
		exit_refuse(vm, exit_reason);
}

static int double_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *numbers, size_t count)
{
	qsort(numbers, count, sizeof(*numbers), double_compare);
	return numbers[count / 2];
}

static double stretch(void (*body)(void *, unsigned long), void *context, unsigned long count)
{
	double start = bench_now();

	body(context, count);
	return bench_now() - start;
}

double bench_measure(void (*body)(void *context, unsigned long count), void *context)
{
	enum { STRETCHES = 7 };
	const double enough = 3e6; /* ns */
	double per_count[STRETCHES];
	unsigned long count = 16;

	while (stretch(body, context, count) < enough && count < 1ul << 30)
		count *= 2;
	for (int i = 0; i < STRETCHES; i++)
		per_count[i] = stretch(body, context, count) / count;
	return bench_median(per_count, STRETCHES);
}
