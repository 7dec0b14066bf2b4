/*
 * What it costs to get and to set all of a vCPU's registers: one by one (KVM_GET_ONE_REG), many at once (KVM_GET_MANY_REGS), with an exit
 * (KVM_CAP_SYNC_REGS, for the registers that it has), by as few of KVM's other calls as will do, and a memcpy() of as many bytes, which
 * nothing can beat. And how many system calls each makes. An ordinary KVM program but for MANY_REGS; see bench.h.
 */
#include "x86_vm.h"

#include <anykvm/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 1024, SIZE_MOST = 64, CODE_AT = 0x8000, MEMORY_SIZE = 1 << 20, MSRS_MOST = 250 };

struct set {
	uint64_t n;
	struct kvm_one_reg reg[MOST];
};

static struct bench_vm vm;
static struct { uint64_t n, id[MOST]; } list;
static struct set all, synced; /* every register; those that sync regs have */
static uint8_t values[MOST][SIZE_MOST], copies[MOST][SIZE_MOST], packed[MOST * SIZE_MOST];
static size_t bytes; /* of the array and its values */

/* ---- The registers. ---- */

static uint32_t size_of(uint64_t id)
{
	return 1u << ((id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT);
}

static uint32_t type_of(uint64_t id)
{
	return (uint32_t)(id >> 32) & 0xff;
}

static void set_add(struct set *set, uint64_t id)
{
	set->reg[set->n] = (struct kvm_one_reg){ id, (uintptr_t)values[set->n] };
	set->n++;
}

/* Registers that are views of others, and what only counts time, are left out: each state once. */
static int counted(uint64_t id)
{
	switch (type_of(id)) {
	case ANYKVM_X86_TYPE_SEGMENT:
		return (id & 15) == ANYKVM_X86_SEGMENT_WHOLE;
	case ANYKVM_X86_TYPE_VECTOR:
		return ((id >> 8) & 0xff) == ANYKVM_X86_VECTOR_XMM || ((id >> 8) & 0xff) == ANYKVM_X86_VECTOR_YMM;
	case ANYKVM_X86_TYPE_EVENTS:
		return (uint32_t)id == ANYKVM_X86_EVENTS_WHOLE;
	case KVM_X86_REG_TYPE_MSR:
		return (uint32_t)id != 0x10;
	default:
		return 1;
	}
}

/* Hardware KVM tells MSRs that it does not take back. */
static int taken_back(uint64_t id)
{
	struct kvm_one_reg reg = { id, (uintptr_t)values[0] };

	return ioctl(vm.vcpu_fd, KVM_GET_ONE_REG, &reg) == 0 && ioctl(vm.vcpu_fd, KVM_SET_ONE_REG, &reg) == 0;
}

static int in_sync_regs(uint64_t id)
{
	uint32_t type = type_of(id);

	return type == ANYKVM_X86_TYPE_GENERAL || type == ANYKVM_X86_TYPE_SEGMENT || type == ANYKVM_X86_TYPE_CONTROL || type == ANYKVM_X86_TYPE_EVENTS;
}

static void registers_find(void)
{
	list.n = MOST;
	bench_ioctl(vm.vcpu_fd, KVM_GET_REG_LIST, "KVM_GET_REG_LIST", &list);
	for (uint64_t i = 0; i < list.n; i++) {
		if (!counted(list.id[i]) || !taken_back(list.id[i]))
			continue;
		set_add(&all, list.id[i]);
		bytes += sizeof(struct kvm_one_reg) + size_of(list.id[i]);
		if (in_sync_regs(list.id[i]))
			set_add(&synced, list.id[i]);
	}
}

/* ---- Ways. ---- */

/* Setting sets something else each time, in most kinds of registers: nothing is saved because nothing changes. */
static void values_change(const struct set *set)
{
	for (uint64_t i = 0; i < set->n; i++) {
		uint64_t id = set->reg[i].id;
		uint8_t *value = (uint8_t *)(uintptr_t)set->reg[i].addr;

		if ((type_of(id) == ANYKVM_X86_TYPE_GENERAL && (uint32_t)id < 4) || type_of(id) == ANYKVM_X86_TYPE_VECTOR || id == KVM_X86_REG_MSR(0xc0000102) ||
		    (type_of(id) == ANYKVM_X86_TYPE_DEBUG && (uint32_t)id < 4) || (type_of(id) == ANYKVM_X86_TYPE_CONTROL && (uint32_t)id == 2))
			value[0] ^= 0x10;
	}
}

static void one_by_one(const struct set *set, unsigned long request, unsigned long count)
{
	for (; count--; values_change(set))
		for (uint64_t i = 0; i < set->n; i++)
			bench_ioctl(vm.vcpu_fd, request, "KVM_GET_ONE_REG or KVM_SET_ONE_REG", (void *)&set->reg[i]);
}

static void get_one(void *set, unsigned long count)
{
	one_by_one(set, KVM_GET_ONE_REG, count);
}

static void set_one(void *set, unsigned long count)
{
	one_by_one(set, KVM_SET_ONE_REG, count);
}

static void get_many(void *set, unsigned long count)
{
	while (count--)
		bench_ioctl(vm.vcpu_fd, KVM_GET_MANY_REGS, "KVM_GET_MANY_REGS", set);
}

static void set_many(void *set, unsigned long count)
{
	for (; count--; values_change(set))
		bench_ioctl(vm.vcpu_fd, KVM_SET_MANY_REGS, "KVM_SET_MANY_REGS", set);
}

static void copy(void *context, unsigned long count)
{
	(void)context;
	while (count--) {
		memcpy(packed, copies, bytes);
		__asm__ volatile("" : : "r"(packed) : "memory");
	}
}

/* As few of KVM's other calls as will do. */
static struct {
	struct kvm_regs regs;
	struct kvm_sregs2 sregs;
	struct kvm_debugregs debugregs;
	struct kvm_xcrs xcrs;
	struct kvm_xsave xsave;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	struct { struct kvm_msrs header; struct kvm_msr_entry entries[MSRS_MOST]; } msrs;
} families;

static const struct {
	const char *name;
	unsigned long get, set;
	void *argument;
} calls[] = {
	{ "SREGS2", KVM_GET_SREGS2, KVM_SET_SREGS2, &families.sregs }, { "XCRS", KVM_GET_XCRS, KVM_SET_XCRS, &families.xcrs },
	{ "XSAVE", KVM_GET_XSAVE, KVM_SET_XSAVE, &families.xsave }, { "MSRS", KVM_GET_MSRS, KVM_SET_MSRS, &families.msrs },
	{ "DEBUGREGS", KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, &families.debugregs }, { "REGS", KVM_GET_REGS, KVM_SET_REGS, &families.regs },
	{ "VCPU_EVENTS", KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, &families.events },
	{ "MP_STATE", KVM_GET_MP_STATE, KVM_SET_MP_STATE, &families.mp_state },
};

static void families_find(void)
{
	for (uint64_t i = 0; i < all.n && families.msrs.header.nmsrs < MSRS_MOST; i++)
		if (type_of(all.reg[i].id) == KVM_X86_REG_TYPE_MSR)
			families.msrs.entries[families.msrs.header.nmsrs++].index = (uint32_t)all.reg[i].id;
}

static void get_families(void *context, unsigned long count)
{
	(void)context;
	while (count--)
		for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
			bench_ioctl(vm.vcpu_fd, calls[i].get, calls[i].name, calls[i].argument);
}

static void set_families(void *context, unsigned long count)
{
	(void)context;
	for (; count--; families.regs.rax ^= 1, families.sregs.cr2 ^= 1, families.debugregs.db[0] ^= 1, families.xsave.region[40] ^= 1)
		for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
			bench_ioctl(vm.vcpu_fd, calls[i].set, calls[i].name, calls[i].argument);
}

/* An exit, with all register sets or none. */
static void run(void *context, unsigned long count)
{
	(void)context;
	while (count--)
		bench_vm_run(&vm, KVM_EXIT_IO);
}

static void run_dirty(void *context, unsigned long count)
{
	(void)context;
	while (count--) {
		vm.run->kvm_dirty_regs = vm.run->kvm_valid_regs;
		bench_vm_run(&vm, KVM_EXIT_IO);
	}
}

/* ---- System calls, counted from the outside. ---- */

static void vcpu_make(void)
{
	static const uint8_t loop[] = { 0xe6, 0x10, 0xeb, 0xfc }; /* out %al, $0x10; jmp to it */

	x86_vm_create(&vm, MEMORY_SIZE);
	memcpy(vm.memory + CODE_AT, loop, sizeof loop);
	x86_vm_enter_long(&vm, CODE_AT);
	registers_find();
	families_find();
}

/* Another process of this program does it once, between two stops. */
static long system_calls(void (*body)(void *, unsigned long), void *context)
{
	pid_t child = fork();
	long stops = 0;
	int status;

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		all.n = synced.n = bytes = families.msrs.header.nmsrs = 0;
		vcpu_make();
		body(context, 1); /* what is done the first time only */
		raise(SIGSTOP);
		body(context, 1);
		raise(SIGSTOP);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFSTOPPED(status))
		bench_fail("counting system calls");
	for (;;) {
		ptrace(PTRACE_SYSCALL, child, NULL, NULL);
		if (waitpid(child, &status, 0) < 0 || !WIFSTOPPED(status) || WSTOPSIG(status) == SIGSTOP)
			break;
		stops++;
	}
	ptrace(PTRACE_KILL, child, NULL, NULL);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return stops / 2;
}

/* ---- Results. ---- */

static void nothing(void *context, unsigned long count)
{
	(void)context;
	(void)count;
}

static void report(const char *name, void (*body)(void *, unsigned long), void *context)
{
	printf("%s %.1f\n", name, bench_measure(body, context));
	printf("%s.calls %ld\n", name, system_calls(body, context) - system_calls(nothing, NULL));
	fflush(stdout);
}

int main(void)
{
	vcpu_make();
	printf("registers %llu\nbytes %zu\nsynced %llu\n", (unsigned long long)all.n, bytes, (unsigned long long)synced.n);
	report("get.one", get_one, &all);
	report("get.many", get_many, &all);
	report("get.families", get_families, NULL);
	report("set.one", set_one, &all);
	report("set.many", set_many, &all);
	report("set.families", set_families, NULL);
	report("copy", copy, NULL);
	report("synced.get.one", get_one, &synced);
	report("synced.get.many", get_many, &synced);
	report("synced.set.many", set_many, &synced);
	report("exit", run, NULL);
	vm.run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	printf("exit.synced %.1f\n", bench_measure(run, NULL));
	printf("exit.synced.dirty %.1f\n", bench_measure(run_dirty, NULL));
	return 0;
}
