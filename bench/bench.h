/*
 * What the benchmarks share: a clock, ioctls that must not fail, a VM with one vCPU, and one way of printing results.
 *
 * Every benchmark here is an ordinary KVM program: it must never know whether anykvm or hardware answers. Each prints
 * lines of "name number"; bench/run runs them in turns, takes medians and puts the ratios together.
 */
#ifndef BENCH_H
#define BENCH_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

struct bench_vm {
	int system_fd, vm_fd, vcpu_fd;
	struct kvm_run *run;
	uint8_t *memory;
	size_t memory_size;
};

/* Monotonic time in nanoseconds. */
double bench_now(void);

/* Prints what failed, with errno, and exits with status 1. */
_Noreturn void bench_fail(const char *what);

/* An ioctl that must succeed; name is for the message. Returns its result. */
int bench_ioctl(int fd, unsigned long request, const char *name, void *argument);

/* /dev/kvm, a VM with memory_size bytes at memory_at, and vCPU 0 as it is made: see x86_vm.h and arm64_vm.h. */
void bench_vm_create(struct bench_vm *vm, uint64_t memory_at, size_t memory_size);

/* KVM_RUN that must end in the exit reason asked for; anything else is told and ends the program. */
void bench_vm_run(struct bench_vm *vm, uint32_t exit_reason);

/* KVM_RUN until it succeeds: the exit reason. */
uint32_t bench_vm_run_any(struct bench_vm *vm);

/* The median of count numbers; sorts them. */
double bench_median(double *numbers, size_t count);

/*
 * Nanoseconds one call of body(context, count) takes per count: the median of several stretches of a few milliseconds,
 * their length found out beforehand.
 */
double bench_measure(void (*body)(void *context, unsigned long count), void *context);

#endif
