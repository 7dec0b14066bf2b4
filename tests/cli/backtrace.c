/*
 * Saves the state of a VM whose two vCPUs are deep in functions of this very program, in the upper half of their address space or where the
 * program itself has them: so a debugger that is given the program and the state has symbols and memory for a backtrace. backtrace FILE
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <anykvm/kvm.h>
#include <anykvm/state.h>

enum { MEMORY = 8 << 20, TABLES = 0x10000, TEXT_AT = 0x200000, STACKS = 0x100000, PAGE = 0x1000, VCPUS = 2 };

extern const char __executable_start[], etext[];

/* ---- In the guest. ---- */

#define GUEST __attribute__((noinline, no_sanitize("address", "undefined", "thread")))

GUEST void guest_inner(int depth)
{
	__asm__ volatile("outb %%al, $0x80" : : "a"(depth));
}

GUEST void guest_middle(int depth)
{
	if (depth)
		guest_middle(depth - 1);
	else
		guest_inner(depth);
	__asm__ volatile("");
}

GUEST void guest_outer(void)
{
	guest_middle(2);
	__asm__ volatile("");
}

/* ---- The VM. ---- */

/* Maps a page of 4 KiB; tables are taken from TABLES on, the first of which is the root. */
static void page_map(uint8_t *memory, uint64_t virtual, uint64_t physical)
{
	static uint64_t tables_used = 1;
	uint64_t table = TABLES;

	for (int shift = 39; shift > 12; shift -= 9) {
		uint64_t *entry = (uint64_t *)(memory + table) + (virtual >> shift & 511);

		if (!*entry)
			*entry = (TABLES + PAGE * tables_used++) | 3;
		table = *entry & ~(uint64_t)(PAGE - 1);
	}
	((uint64_t *)(memory + table))[virtual >> 12 & 511] = physical | 3;
}

static void vcpu_start(int vcpu, uint64_t stack)
{
	struct kvm_segment code = { .selector = 8, .limit = ~0u, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1 };
	struct kvm_segment data = { .selector = 16, .limit = ~0u, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1 };
	struct kvm_regs regs = { .rip = (uint64_t)guest_outer, .rsp = stack - 8, .rflags = 2 };
	struct kvm_sregs sregs;

	anykvm_ioctl(vcpu, KVM_GET_SREGS, &sregs);
	sregs.cr0 = 0x80000033;
	sregs.cr4 = 0x620;
	sregs.efer = 0x500;
	sregs.cr3 = TABLES;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	if (anykvm_ioctl(vcpu, KVM_SET_SREGS, &sregs) || anykvm_ioctl(vcpu, KVM_SET_REGS, &regs) || anykvm_ioctl(vcpu, KVM_RUN, NULL))
		perror("vCPU");
}

int main(int argc, char **argv)
{
	uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY, .userspace_addr = (uintptr_t)memory };
	const uint64_t upper = 0xffff800000000000;
	int system = anykvm_open(O_CLOEXEC), vm = anykvm_ioctl(system, KVM_CREATE_VM, NULL), vcpus[VCPUS];
	struct anykvm_state *state;

	if (argc != 2 || anykvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		return 2;
	memcpy(memory + TEXT_AT, __executable_start, (size_t)(etext - __executable_start));
	for (uint64_t at = 0; at < (uint64_t)(etext - __executable_start); at += PAGE)
		page_map(memory, (uint64_t)__executable_start + at, TEXT_AT + at);
	for (uint64_t i = 0; i < VCPUS; i++) {
		page_map(memory, upper + PAGE * i, STACKS + PAGE * i);
		vcpus[i] = anykvm_ioctl(vm, KVM_CREATE_VCPU, (void *)i);
		vcpu_start(vcpus[i], upper + PAGE * (i + 1));
	}
	state = anykvm_state_capture(vm, vcpus, VCPUS);
	if (!state || anykvm_state_memory_add(state, &(struct anykvm_state_memory){ .size = MEMORY, .host = memory }) || anykvm_state_save(state, argv[1], NULL)) {
		fprintf(stderr, "%s: %s\n", argv[1], anykvm_refusal()->reason);
		return 1;
	}
	anykvm_state_free(state);
	return 0;
}
