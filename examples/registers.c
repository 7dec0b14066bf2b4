/*
 * libanykvm: a vCPU's registers by name and by id, one and many, and why a value is refused. An ordinary program; no /dev/kvm is needed:
 *
 *     cc registers.c $(pkg-config --cflags --libs anykvm)
 *     ./a.out             # software KVM
 *     ./a.out kvm         # the machine's; auto: the machine's when it opens, software otherwise
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strerrorname_np() */
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <anykvm/anykvm.h>
#include <anykvm/kvm.h>

/* What the library says of the call that has just failed. */
static void refusal_print(FILE *to, const char *what)
{
	const struct anykvm_refusal *refusal = anykvm_refusal();

	fprintf(to, "%s: %s", what, strerrorname_np(refusal->error));
	if (refusal->entry >= 0)
		fprintf(to, ", entry %d", refusal->entry);
	if (*refusal->reason)
		fprintf(to, ": %s", refusal->reason);
	fputc('\n', to);
}

/* For calls that must succeed: returns their result. */
static int check(int result, const char *what)
{
	if (result < 0) {
		refusal_print(stderr, what);
		exit(1);
	}
	return result;
}

/* A vCPU that may do all that this KVM can. */
static int vcpu_create(enum anykvm_accel accel)
{
	enum { ROOM = 256 };
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + ROOM * sizeof cpuid->entries[0]);
	int system = check(anykvm_open_accel(accel, KVM_REG_X86, O_CLOEXEC), "anykvm_open_accel");
	int vm = check(anykvm_ioctl(system, KVM_CREATE_VM, NULL), "KVM_CREATE_VM");
	int vcpu = check(anykvm_ioctl(vm, KVM_CREATE_VCPU, NULL), "KVM_CREATE_VCPU");

	if (!cpuid)
		exit(1);
	cpuid->nent = ROOM;
	check(anykvm_ioctl(system, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	check(anykvm_ioctl(vcpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
	free(cpuid);
	/* The vCPU keeps what it needs of the two. */
	anykvm_close(vm);
	anykvm_close(system);
	return vcpu;
}

/* How many registers there are, and what the first ones are called. */
static void list_show(int vcpu)
{
	int count = check(anykvm_reg_list(vcpu, NULL, 0), "anykvm_reg_list");
	uint64_t *ids = calloc((size_t)count, sizeof *ids);
	char name[ANYKVM_REG_NAME_ROOM], text[ANYKVM_REG_TEXT_ROOM];

	if (!ids)
		exit(1);
	check(anykvm_reg_list(vcpu, ids, (size_t)count), "anykvm_reg_list");
	printf("%d registers on %s KVM\nthe first ones:", count, anykvm_accel(vcpu) == ANYKVM_ACCEL_KVM ? "the machine's" : "software");
	for (int i = 0; i < count && i < 8; i++)
		printf(" %s", anykvm_reg_name(ids[i], name, sizeof name) ? "?" : name);
	anykvm_reg_describe(ids[0], text, sizeof text);
	printf("\n0x%016llx is: %s\n", (unsigned long long)ids[0], text);
	free(ids);
}

/* Text in, text out: what a command or a debugger wants. */
static void names_show(int vcpu)
{
	char text[ANYKVM_VALUE_ROOM];

	check(anykvm_reg_set_text(vcpu, "rbx", "-1"), "rbx");
	check(anykvm_reg_set_text(vcpu, "xmm7", "0x0f0e0d0c0b0a0908_0706050403020100"), "xmm7");
	check(anykvm_reg_set_text(vcpu, "msr 0xc0000102", "0xffff888000000000"), "msr 0xc0000102");
	check(anykvm_reg_get_text(vcpu, "RBX", text, sizeof text), "RBX");
	printf("rbx            %s\n", text);
	check(anykvm_reg_get_text(vcpu, "xmm7", text, sizeof text), "xmm7");
	printf("xmm7           %s\n", text);
	check(anykvm_reg_get_text(vcpu, "kernel_gs_base", text, sizeof text), "kernel_gs_base");
	printf("kernel_gs_base %s\n", text);
	if (anykvm_reg_set_text(vcpu, "rxb", "1"))
		refusal_print(stdout, "rxb");
	if (anykvm_reg_set_text(vcpu, "cs", "0x12345"))
		refusal_print(stdout, "cs");
}

/* Numbers in, numbers out: what a VMM wants. Ids can be constants (anykvm/kvm.h) or be found once by name. */
static void ids_show(int vcpu)
{
	uint64_t rcx, value = 42;

	if (anykvm_reg_parse(KVM_REG_X86, "rcx", &rcx))
		exit(1);
	check(anykvm_reg_set(vcpu, rcx, &value), "rcx");
	value = 0;
	check(anykvm_reg_get(vcpu, rcx, &value), "rcx");
	printf("rcx            %llu, %zu bytes\n", (unsigned long long)value, anykvm_reg_size(rcx));
}

/* The registers of a mode change, in no sensible order, go in at once: the set is one transaction. */
static void long_mode_show(int vcpu)
{
	static const char *const names[] = { "cr0", "cs_attributes", "efer", "cs", "cr4", "cr3" };
	enum { COUNT = sizeof names / sizeof *names };
	uint64_t values[COUNT] = { 0x80000033, 0xa09b, 0x500, 0x8, 0x20, 0x2000 }, back[COUNT] = { 0 };
	struct kvm_one_reg regs[COUNT];

	for (int i = 0; i < COUNT; i++) {
		uint64_t id;

		if (anykvm_reg_parse(KVM_REG_X86, names[i], &id))
			exit(1);
		regs[i] = (struct kvm_one_reg){ .id = id, .addr = (uintptr_t)&values[i] };
	}
	check(anykvm_regs_set(vcpu, regs, COUNT), "anykvm_regs_set");
	for (int i = 0; i < COUNT; i++)
		regs[i].addr = (uintptr_t)&back[i];
	check(anykvm_regs_get(vcpu, regs, COUNT), "anykvm_regs_get");
	printf("long mode:    ");
	for (int i = 0; i < COUNT; i++)
		printf(" %s 0x%llx", names[i], (unsigned long long)back[i]);
	putchar('\n');
}

/* Long mode cannot be without PAE, and no processor has bit 63 of cr4. rip stands before it, and keeps its value all the same. */
static void refused_show(int vcpu)
{
	uint64_t rip_id, cr4_id, rip = 0x100000, cr4 = 0;
	struct kvm_one_reg regs[2];

	if (anykvm_reg_parse(KVM_REG_X86, "rip", &rip_id) || anykvm_reg_parse(KVM_REG_X86, "cr4", &cr4_id))
		exit(1);
	regs[0] = (struct kvm_one_reg){ .id = rip_id, .addr = (uintptr_t)&rip };
	regs[1] = (struct kvm_one_reg){ .id = cr4_id, .addr = (uintptr_t)&cr4 };
	if (anykvm_regs_set(vcpu, regs, 2))
		refusal_print(stdout, "cr4 0         ");
	cr4 = 1ULL << 63 | 0x20;
	if (anykvm_regs_set(vcpu, regs, 2))
		refusal_print(stdout, "cr4 1 << 63   ");
	regs[1].id = KVM_X86_REG_MSR(0xdeadbeef);
	if (anykvm_regs_set(vcpu, regs, 2))
		refusal_print(stdout, "msr 0xdeadbeef");
	check(anykvm_reg_get(vcpu, rip_id, &rip), "rip");
	printf("rip            0x%llx, as it was\n", (unsigned long long)rip);
}

static double microseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* What one call for all registers saves, measured here and now. */
static void bulk_show(int vcpu)
{
	enum { MOST = 1024, ROUNDS = 200 };
	static uint64_t ids[MOST];
	static uint8_t values[MOST][256];
	static struct kvm_one_reg regs[MOST];
	int count = check(anykvm_reg_list(vcpu, ids, MOST), "anykvm_reg_list");
	double begin, one, many;

	if (count > MOST)
		count = MOST;
	for (int i = 0; i < count; i++)
		regs[i] = (struct kvm_one_reg){ .id = ids[i], .addr = (uintptr_t)values[i] };
	begin = microseconds();
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < count; i++)
			check(anykvm_reg_get(vcpu, ids[i], values[i]), "anykvm_reg_get");
	one = (microseconds() - begin) / ROUNDS;
	begin = microseconds();
	for (int round = 0; round < ROUNDS; round++)
		check(anykvm_regs_get(vcpu, regs, (size_t)count), "anykvm_regs_get");
	many = (microseconds() - begin) / ROUNDS;
	printf("all registers  one by one %.1f us, in one call %.1f us: %.0f times faster\n", one, many, one / many);
}

int main(int argc, char **argv)
{
	const char *which = argc > 1 ? argv[1] : "soft";
	enum anykvm_accel accel = !strcmp(which, "kvm") ? ANYKVM_ACCEL_KVM : !strcmp(which, "auto") ? ANYKVM_ACCEL_AUTO : ANYKVM_ACCEL_SOFT;
	int vcpu = vcpu_create(accel);

	list_show(vcpu);
	names_show(vcpu);
	ids_show(vcpu);
	long_mode_show(vcpu);
	refused_show(vcpu);
	bulk_show(vcpu);
	anykvm_close(vcpu);
	return 0;
}
