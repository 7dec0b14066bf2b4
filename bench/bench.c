/*
 * What the benchmarks share; see bench.h. It must never know what is behind /dev/kvm.
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

enum { CR0_PE = 1, CR0_NE = 1 << 5, CR4_PAE = 1 << 5, EFER_LME = 1 << 8, EFER_LMA = 1 << 10 };
#define CR0_PG 0x80000000u

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

static void vcpu_offer_cpuid(struct bench_vm *vm)
{
	enum { ROOM = 256 };
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + ROOM * sizeof(cpuid->entries[0]));

	if (!cpuid)
		bench_fail("calloc");
	cpuid->nent = ROOM;
	bench_ioctl(vm->system_fd, KVM_GET_SUPPORTED_CPUID, "KVM_GET_SUPPORTED_CPUID", cpuid);
	bench_ioctl(vm->vcpu_fd, KVM_SET_CPUID2, "KVM_SET_CPUID2", cpuid);
	free(cpuid);
}

void bench_vm_create(struct bench_vm *vm, size_t memory_size)
{
	struct kvm_userspace_memory_region region = { .memory_size = memory_size };
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
	vcpu_offer_cpuid(vm);
}

static struct kvm_segment segment_flat(uint16_t selector, int code, int long_mode)
{
	return (struct kvm_segment){
		.selector = selector,
		.limit = 0xffffffff,
		.type = code ? 11 : 3,
		.present = 1,
		.s = 1,
		.g = 1,
		.db = !long_mode,
		.l = long_mode,
	};
}

static void segments_set_flat(struct kvm_sregs *sregs, int long_mode)
{
	struct kvm_segment data = segment_flat(0x10, 0, 0);

	sregs->cs = segment_flat(0x08, 1, long_mode);
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
}

static void registers_set_entry(struct bench_vm *vm, uint64_t entry)
{
	struct kvm_regs regs = { .rip = entry, .rflags = 2, .rsp = 0x8000 };

	bench_ioctl(vm->vcpu_fd, KVM_SET_REGS, "KVM_SET_REGS", &regs);
}

void bench_vm_enter_protected(struct bench_vm *vm, uint64_t entry)
{
	struct kvm_sregs sregs;

	bench_ioctl(vm->vcpu_fd, KVM_GET_SREGS, "KVM_GET_SREGS", &sregs);
	segments_set_flat(&sregs, 0);
	sregs.cr0 |= CR0_PE;
	bench_ioctl(vm->vcpu_fd, KVM_SET_SREGS, "KVM_SET_SREGS", &sregs);
	registers_set_entry(vm, entry);
}

void bench_vm_enter_long(struct bench_vm *vm, uint64_t entry)
{
	uint64_t pml4 = 0x2003, pdpt = 0x3003, *pd = (uint64_t *)(vm->memory + 0x3000);
	struct kvm_sregs sregs;

	memcpy(vm->memory + 0x1000, &pml4, sizeof(pml4));
	memcpy(vm->memory + 0x2000, &pdpt, sizeof(pdpt));
	for (uint64_t i = 0; i < 512; i++)
		pd[i] = i << 21 | 0x83;
	bench_ioctl(vm->vcpu_fd, KVM_GET_SREGS, "KVM_GET_SREGS", &sregs);
	segments_set_flat(&sregs, 1);
	sregs.cr3 = 0x1000;
	sregs.cr4 |= CR4_PAE;
	sregs.cr0 |= CR0_PE | CR0_NE | CR0_PG;
	sregs.efer |= EFER_LME | EFER_LMA;
	bench_ioctl(vm->vcpu_fd, KVM_SET_SREGS, "KVM_SET_SREGS", &sregs);
	registers_set_entry(vm, entry);
}

static _Noreturn void exit_refuse(const struct bench_vm *vm, uint32_t wanted)
{
	const struct kvm_run *run = vm->run;
	struct kvm_regs regs = { 0 };

	ioctl(vm->vcpu_fd, KVM_GET_REGS, &regs);
	fprintf(stderr, "bench: exit reason %u instead of %u at rip %#llx", run->exit_reason, wanted,
		(unsigned long long)regs.rip);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		fprintf(stderr, ", internal error %u", run->internal.suberror);
	fprintf(stderr, "\n");
	exit(1);
}

void bench_vm_run(struct bench_vm *vm, uint32_t exit_reason)
{
	while (ioctl(vm->vcpu_fd, KVM_RUN, 0) < 0)
		if (errno != EINTR && errno != EAGAIN)
			bench_fail("KVM_RUN");
	if (vm->run->exit_reason != exit_reason)
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
