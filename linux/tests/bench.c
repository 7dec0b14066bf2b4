// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to get and to set all registers of a vCPU one by one and in one call, and what share of a whole VM's state that is. Counts ticks of
 * the processor's own counter: under QEMU's -icount shift=0 these are instructions, otherwise time. Prints `bench WHAT KIND COUNT TICKS...` for ../run.
 */
#define _GNU_SOURCE
#include "vm.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { ROUNDS = 50, CAPTURES = 5, VCPUS_MOST = 64, MEMORY = 4 << 20 };

static struct vm vm;
static struct many all;
static uint8_t values[REGS_MOST][VALUE_SIZE];

/* ---- The counter. ---- */

#if defined(__aarch64__)
static uint64_t ticks(void)
{
	uint64_t count, frequency;

	__asm__ volatile("isb; mrs %0, cntvct_el0; mrs %1, cntfrq_el0" : "=r"(count), "=r"(frequency)::"memory");
	return count * (1000000000 / frequency); /* it counts every 16 ns */
}
#else
static uint64_t ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
	return (uint64_t)high << 32 | low;
}
#endif

/* The cheapest of some calls: without what else the machine did meanwhile. */
static uint64_t measure(void (*what)(const struct many *), const struct many *many)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t from = ticks(), took;

		what(many);
		took = ticks() - from;
		best = took < best ? took : best;
	}
	return best;
}

/* ---- Registers of one vCPU. ---- */

static void call(unsigned long command, const void *argument, const char *name)
{
	must(ioctl(vm.vcpu, command, argument), name);
}

static void get_one(const struct many *many)
{
	for (uint64_t i = 0; i < many->n; i++)
		call(KVM_GET_ONE_REG, &many->reg[i], "KVM_GET_ONE_REG");
}

static void set_one(const struct many *many)
{
	for (uint64_t i = 0; i < many->n; i++)
		call(KVM_SET_ONE_REG, &many->reg[i], "KVM_SET_ONE_REG");
}

static void get_many(const struct many *many)
{
	call(KVM_GET_MANY_REGS, many, "KVM_GET_MANY_REGS");
}

static void set_many(const struct many *many)
{
	call(KVM_SET_MANY_REGS, many, "KVM_SET_MANY_REGS");
}

static void nothing(const struct many *many)
{
	(void)many;
	ioctl(vm.vcpu, _IO(KVMIO, 0xff), 0);
}

/* Only what can be set stays: both are measured on the same registers. */
static void settable_keep(struct many *many)
{
	uint64_t kept = 0;

	must(ioctl(vm.vcpu, KVM_GET_MANY_REGS, many), "KVM_GET_MANY_REGS");
	for (uint64_t i = 0; i < many->n; i++)
		if (!ioctl(vm.vcpu, KVM_SET_ONE_REG, &many->reg[i]))
			many->reg[kept++] = many->reg[i];
	many->n = kept;
}

static void print(const char *what, const char *kind, uint64_t count, uint64_t one, uint64_t many)
{
	printf("bench %s %s %llu %llu %llu\n", what, kind, (unsigned long long)count, (unsigned long long)one, (unsigned long long)many);
}

static void registers_bench(const char *kind)
{
	vm_regs_list(vm.vcpu, &all, values);
	print("get", kind, all.n, measure(get_one, &all), measure(get_many, &all));
	settable_keep(&all);
	print("set", kind, all.n, measure(set_one, &all), measure(set_many, &all));
	print("empty", kind, 1, measure(nothing, &all), 0);
}

/* ---- x86's own calls: one for each register, and the fewest for all. ---- */

#if defined(__x86_64__)
static struct {
	struct kvm_msrs header;
	struct kvm_msr_entry entries[255];
} msrs;
static struct kvm_regs regs;
static struct kvm_sregs sregs;

static unsigned int type_of(uint64_t id)
{
	return (id >> 32) & 0xff;
}

/* A program that wants or changes one register, with KVM as it is. */
static void classic_get(const struct many *many)
{
	for (uint64_t i = 0; i < many->n; i++) {
		switch (type_of(many->reg[i].id)) {
		case ANYKVM_X86_TYPE_GENERAL: call(KVM_GET_REGS, &regs, "KVM_GET_REGS"); break;
		case ANYKVM_X86_TYPE_CONTROL: call(KVM_GET_SREGS, &sregs, "KVM_GET_SREGS"); break;
		default:
			msrs.header.nmsrs = 1;
			msrs.entries[0].index = (uint32_t)many->reg[i].id;
			call(KVM_GET_MSRS, &msrs, "KVM_GET_MSRS");
		}
	}
}

static void classic_set(const struct many *many)
{
	for (uint64_t i = 0; i < many->n; i++) {
		switch (type_of(many->reg[i].id)) {
		case ANYKVM_X86_TYPE_GENERAL:
			call(KVM_GET_REGS, &regs, "KVM_GET_REGS");
			call(KVM_SET_REGS, &regs, "KVM_SET_REGS");
			break;
		case ANYKVM_X86_TYPE_CONTROL:
			call(KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
			call(KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
			break;
		default:
			msrs.header.nmsrs = 1;
			msrs.entries[0].index = (uint32_t)many->reg[i].id;
			memcpy(&msrs.entries[0].data, (void *)(uintptr_t)many->reg[i].addr, 8);
			call(KVM_SET_MSRS, &msrs, "KVM_SET_MSRS");
		}
	}
}

static void msrs_take(const struct many *many)
{
	msrs.header.nmsrs = 0;
	for (uint64_t i = 0; i < many->n; i++)
		if (type_of(many->reg[i].id) == KVM_X86_REG_TYPE_MSR) {
			msrs.entries[msrs.header.nmsrs].index = (uint32_t)many->reg[i].id;
			memcpy(&msrs.entries[msrs.header.nmsrs++].data, (void *)(uintptr_t)many->reg[i].addr, 8);
		}
}

static void fewest_get(const struct many *many)
{
	(void)many;
	call(KVM_GET_REGS, &regs, "KVM_GET_REGS");
	call(KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	call(KVM_GET_MSRS, &msrs, "KVM_GET_MSRS");
}

static void fewest_set(const struct many *many)
{
	(void)many;
	call(KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	call(KVM_SET_MSRS, &msrs, "KVM_SET_MSRS");
	call(KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

static void x86_bench(const char *kind)
{
	vm_regs_list(vm.vcpu, &all, values);
	print("classic-get", kind, all.n, measure(classic_get, &all), measure(get_many, &all));
	msrs_take(&all);
	print("fewest-get", kind, 3, measure(fewest_get, &all), measure(get_many, &all));
	settable_keep(&all);
	print("classic-set", kind, all.n, measure(classic_set, &all), measure(set_many, &all));
	msrs_take(&all);
	print("fewest-set", kind, 3, measure(fewest_set, &all), measure(set_many, &all));
}
#else
static void x86_bench(const char *kind)
{
	(void)kind;
}
#endif

/* ---- A whole VM. ---- */

struct vcpu_state {
	int fd;
	int in_one_call;
	pthread_t thread;
	struct many many;
	uint8_t values[REGS_MOST][VALUE_SIZE];
	struct kvm_mp_state mp_state;
	struct kvm_vcpu_events events;
#if defined(__x86_64__)
	struct kvm_xsave xsave;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debugregs;
	struct kvm_lapic_state lapic;
#endif
};

static struct vcpu_state vcpus[VCPUS_MOST];
static uint8_t *memory, *memory_copy;

/* Everything of a vCPU but its registers by id. */
static void vcpu_rest(struct vcpu_state *vcpu)
{
	ioctl(vcpu->fd, KVM_GET_MP_STATE, &vcpu->mp_state);
	ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &vcpu->events);
#if defined(__x86_64__)
	ioctl(vcpu->fd, KVM_GET_SREGS, &vcpu->sregs);
	ioctl(vcpu->fd, KVM_GET_XSAVE, &vcpu->xsave);
	ioctl(vcpu->fd, KVM_GET_XCRS, &vcpu->xcrs);
	ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &vcpu->debugregs);
	ioctl(vcpu->fd, KVM_GET_LAPIC, &vcpu->lapic);
#endif
}

static void *vcpu_capture(void *argument)
{
	struct vcpu_state *vcpu = argument;

	if (vcpu->in_one_call)
		must(ioctl(vcpu->fd, KVM_GET_MANY_REGS, &vcpu->many), "KVM_GET_MANY_REGS");
	for (uint64_t i = 0; i < vcpu->many.n && !vcpu->in_one_call; i++)
		must(ioctl(vcpu->fd, KVM_GET_ONE_REG, &vcpu->many.reg[i]), "KVM_GET_ONE_REG");
	vcpu_rest(vcpu);
	return NULL;
}

static uint64_t capture_once(int count, int in_one_call, int threads)
{
	uint64_t from = ticks();

	for (int i = 0; i < count; i++) {
		vcpus[i].in_one_call = in_one_call;
		if (!threads)
			vcpu_capture(&vcpus[i]);
		else if (pthread_create(&vcpus[i].thread, NULL, vcpu_capture, &vcpus[i]))
			must(-1, "pthread_create");
	}
	for (int i = 0; i < count && threads; i++)
		pthread_join(vcpus[i].thread, NULL);
	return ticks() - from;
}

static uint64_t capture(int count, int in_one_call, int threads)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < CAPTURES; i++) {
		uint64_t took = capture_once(count, in_one_call, threads);

		best = took < best ? took : best;
	}
	return best;
}

static void vcpus_make(enum vm_kind kind)
{
	vcpus[0].fd = vm.vcpu;
	for (int i = 1; i < VCPUS_MOST; i++) {
		vcpus[i].fd = must(ioctl(vm.vm, KVM_CREATE_VCPU, i), "KVM_CREATE_VCPU");
		must(vm_vcpu_init(&vm, vcpus[i].fd, kind), "vCPU");
	}
	for (int i = 0; i < VCPUS_MOST; i++)
		vm_regs_list(vcpus[i].fd, &vcpus[i].many, vcpus[i].values);
}

static uint64_t memory_bench(void)
{
	uint64_t from;

	memory = malloc(MEMORY);
	memory_copy = malloc(MEMORY);
	memset(memory, 1, MEMORY);
	memset(memory_copy, 1, MEMORY);
	from = ticks();
	memcpy(memory_copy, memory, MEMORY);
	return ticks() - from;
}

static uint64_t rest_bench(void)
{
	uint64_t from = ticks();

	for (int i = 0; i < ROUNDS; i++)
		vcpu_rest(&vcpus[0]);
	return (ticks() - from) / ROUNDS;
}

static void capture_bench(const char *kind_name, enum vm_kind kind)
{
	static const int counts[] = { 1, 8, VCPUS_MOST };

	vcpus_make(kind);
	for (int i = 0; i < 3; i++) {
		print("sequence", kind_name, (uint64_t)counts[i], capture(counts[i], 0, 0), capture(counts[i], 1, 0));
		print("threads", kind_name, (uint64_t)counts[i], capture(counts[i], 0, 1), capture(counts[i], 1, 1));
	}
	print("rest", kind_name, 1, rest_bench(), 0);
	print("memory", kind_name, MEMORY >> 20, memory_bench(), 0);
}

int main(void)
{
	static const char *const names[] = { [VM_PLAIN] = "plain", [VM_SVE] = "sve", [VM_ALL] = "all" };

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int kind = VM_PLAIN; kind <= VM_ALL; kind++) {
		if (vm_make(&vm, (enum vm_kind)kind))
			continue;
		registers_bench(names[kind]);
		x86_bench(names[kind]);
		vm_free(&vm);
	}
	if (!vm_make(&vm, VM_PLAIN))
		capture_bench(names[VM_PLAIN], VM_PLAIN);
	return 0;
}
