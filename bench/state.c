/*
 * What it costs to capture and to restore vCPUs: state soft|kvm. One, 16, 64 and 256 of them, one after the other and each on a thread of its
 * own; beside it one call a register. And a gibibyte of memory into a state file, beside cp of as many bytes. Uses the library.
 */
#include "bench.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <anykvm/kvm.h>
#include <anykvm/state.h>

enum { MOST = 256, REGISTERS_MOST = 1024 };

static struct {
	int system, vm, vcpus[MOST];
	struct anykvm_state *states[MOST]; /* one each */
	struct anykvm_state *others[MOST]; /* that differ from them */
	struct kvm_one_reg regs[REGISTERS_MOST];
	uint64_t values[REGISTERS_MOST][32];
	size_t count;
} kvm;

static void check(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, anykvm_refusal()->reason);
	exit(1);
}

static void vcpus_make(enum anykvm_accel accel)
{
	enum { ROOM = 256 };
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + ROOM * sizeof cpuid->entries[0]);
	size_t count;
	const struct anykvm_state_reg *regs;

	check(kvm.system = anykvm_open_accel(accel, 0, 0), "opening KVM");
	check(kvm.vm = anykvm_ioctl(kvm.system, KVM_CREATE_VM, NULL), "KVM_CREATE_VM");
	cpuid->nent = ROOM;
	check(anykvm_ioctl(kvm.system, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	for (size_t i = 0; i < MOST; i++) {
		check(kvm.vcpus[i] = anykvm_ioctl(kvm.vm, KVM_CREATE_VCPU, (void *)i), "KVM_CREATE_VCPU");
		check(anykvm_ioctl(kvm.vcpus[i], KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
		kvm.states[i] = anykvm_state_capture(-1, &kvm.vcpus[i], 1);
		check(kvm.states[i] ? 0 : -1, "capture");
		check(anykvm_reg_set_text(kvm.vcpus[i], "rax", "1"), "rax");
		check(anykvm_reg_set_text(kvm.vcpus[i], "cr2", "1"), "cr2");
		check(anykvm_reg_set_text(kvm.vcpus[i], "xmm1", "1"), "xmm1");
		check(anykvm_reg_set_text(kvm.vcpus[i], "lstar", "1"), "lstar");
		kvm.others[i] = anykvm_state_capture(-1, &kvm.vcpus[i], 1);
	}
	regs = anykvm_state_regs(kvm.states[0], 0, &count);
	for (size_t i = 0; i < count && i < REGISTERS_MOST; i++)
		kvm.regs[kvm.count++] = (struct kvm_one_reg){ regs[i].id, (uintptr_t)kvm.values[i] };
	free(cpuid);
}

/* ---- Ways. ---- */

static void capture(void *vcpus, unsigned long count)
{
	for (; count--;)
		for (size_t i = 0; i < *(size_t *)vcpus; i++)
			check(anykvm_state_recapture(kvm.states[i], -1, &kvm.vcpus[i], 1), "capture");
}

static void one_by_one(void *unused, unsigned long count)
{
	(void)unused;
	for (; count--;)
		for (size_t i = 0; i < kvm.count; i++)
			check(anykvm_reg_get(kvm.vcpus[0], kvm.regs[i].id, (void *)(uintptr_t)kvm.regs[i].addr), "ONE_REG");
}

/* Two states in turn: each time something changes in most kinds of registers. */
static void restore(void *unused, unsigned long count)
{
	(void)unused;
	for (; count--;)
		check(anykvm_state_restore(count & 1 ? kvm.others[0] : kvm.states[0], -1, &kvm.vcpus[0], 1, NULL,
					   ANYKVM_RESTORE_UNREHEARSED | ANYKVM_RESTORE_BEST_EFFORT, NULL), "restore");
}

/* One thread for each vCPU, started once; all capture when the barrier opens. */
static pthread_barrier_t barrier;

static void *capture_main(void *number)
{
	size_t i = (size_t)(uintptr_t)number;

	for (int round = 0; round < 21; round++) {
		pthread_barrier_wait(&barrier);
		check(anykvm_state_recapture(kvm.states[i], -1, &kvm.vcpus[i], 1), "capture");
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static double parallel(size_t count)
{
	pthread_t threads[MOST];
	double times[21];

	pthread_barrier_init(&barrier, NULL, (unsigned int)count + 1);
	for (size_t i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, capture_main, (void *)i))
			bench_fail("pthread_create");
	for (int round = 0; round < 21; round++) {
		double begin = bench_now();

		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		times[round] = bench_now() - begin;
	}
	for (size_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
	return bench_median(times, 21);
}

/* ---- Memory. ---- */

#define GIBIBYTE (1ULL << 30)

/* Into a file in the current folder's file system, both ways in turn. Data that nothing can leave out. */
static void memory_save(void)
{
	char path[] = "state-bench.XXXXXX", plain[] = "state-bench.XXXXXX", command[128];
	uint64_t *memory = mmap(NULL, GIBIBYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct anykvm_state_memory piece = { .size = GIBIBYTE, .host = memory };
	int fd = mkstemp(path), from = mkstemp(plain);
	double begin, saved, copied;

	if (memory == MAP_FAILED || fd < 0 || from < 0)
		bench_fail("memory and files");
	for (size_t i = 0; i < GIBIBYTE / 8; i++)
		memory[i] = i * 0x9e3779b97f4a7c15ULL + 1;
	for (size_t done = 0; done < GIBIBYTE;) {
		ssize_t some = write(from, (uint8_t *)memory + done, GIBIBYTE - done);

		if (some <= 0)
			bench_fail("write");
		done += (size_t)some;
	}
	check(anykvm_state_memory_add(kvm.states[0], &piece), "memory");
	snprintf(command, sizeof command, "cp %s %s.copy", plain, plain);
	begin = bench_now();
	if (system(command))
		bench_fail("cp");
	copied = bench_now() - begin;
	begin = bench_now();
	check(anykvm_state_write(kvm.states[0], fd, NULL), "write");
	saved = bench_now() - begin;
	printf("state.gib_saved_ms %.1f\nstate.gib_copied_ms %.1f\n", saved / 1e6, copied / 1e6);
	snprintf(command, sizeof command, "%s.copy", plain);
	unlink(command);
	unlink(path);
	unlink(plain);
	munmap(memory, GIBIBYTE);
}

int main(int argc, char **argv)
{
	static const size_t counts[] = { 1, 16, 64, MOST };
	enum anykvm_accel accel = argc > 1 && !strcmp(argv[1], "kvm") ? ANYKVM_ACCEL_KVM : ANYKVM_ACCEL_SOFT;

	vcpus_make(accel);
	printf("state.one_by_one %.1f\n", bench_measure(one_by_one, NULL));
	printf("state.registers %zu\n", kvm.count);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		printf("state.capture_%zu %.1f\n", counts[i], bench_measure(capture, (void *)&counts[i]));
		printf("state.parallel_%zu %.1f\n", counts[i], parallel(counts[i]));
	}
	printf("state.restore %.1f\n", bench_measure(restore, NULL));
	if (accel == ANYKVM_ACCEL_SOFT)
		memory_save();
	return 0;
}
