/*
 * System instructions: a tour of all modes that checks itself (system_code.S), and the exits that such instructions make,
 * as the program sees them: api.rst, "The kvm_run structure".
 */
#include "guest.h"
#include "system_code.h"

#include <errno.h>
#include <linux/kvm_para.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

extern const uint8_t system_code_begin[], system_code_end[];

static unsigned int failures;

#define check(condition, ...)                                    \
	do {                                                     \
		if (!(condition)) {                              \
			printf("FAIL %s:%d: ", __func__, __LINE__); \
			printf(__VA_ARGS__);                     \
			printf("\n");                            \
			failures++;                              \
		}                                                \
	} while (0)

#define check_equal(value, expected)                             \
	check((uint64_t)(value) == (uint64_t)(expected), "%s is 0x%llx, not 0x%llx", #value, (unsigned long long)(value), \
	      (unsigned long long)(expected))

static void regs_set(struct guest *guest, const struct kvm_regs *regs)
{
	if (ioctl(guest->vcpu, KVM_SET_REGS, regs))
		exit(1);
}

/* A guest in 64-bit mode with paging. */
static void open64(struct guest *guest)
{
	struct kvm_sregs sregs;

	guest_open(guest, GUEST_64);
	if (ioctl(guest->vcpu, KVM_GET_SREGS, &sregs))
		exit(1);
	sregs.cr3 = guest_map(guest);
	sregs.cr0 = 0x80000011;
	sregs.cr4 = 0x20;
	sregs.efer = 0x500;
	sregs.cs.l = 1;
	sregs.cs.db = 0;
	if (ioctl(guest->vcpu, KVM_SET_SREGS, &sregs))
		exit(1);
}

static struct outcome run64(struct guest *guest, unsigned int cpl, const char *code, unsigned int size, struct kvm_regs regs)
{
	return guest_go(guest, cpl, code, size, regs);
}

/* String literals have a zero at the end that is not code. */
#define RUN(guest, cpl, code, ...) run64(guest, cpl, code, sizeof(code) - 1, (struct kvm_regs){ __VA_ARGS__ })

static void *io_data(struct guest *guest)
{
	return (uint8_t *)guest->run + guest->run->io.data_offset;
}

static bool exits_io(const struct guest *guest, unsigned int direction, unsigned int port, unsigned int size, unsigned int count)
{
	const struct kvm_run *run = guest->run;

	return run->exit_reason == KVM_EXIT_IO && run->io.direction == direction && run->io.port == port && run->io.size == size &&
	       run->io.count == count;
}

/* ---- The tour. ---- */

struct tour {
	struct guest guest;
	uint8_t next_in, next_out;
};

static void tour_port(struct tour *tour)
{
	struct guest *guest = &tour->guest;
	unsigned int size = guest->run->io.size * guest->run->io.count;
	uint8_t *data = io_data(guest);

	for (unsigned int i = 0; i < size; i++) {
		if (guest->run->io.direction == KVM_EXIT_IO_IN)
			data[i] = tour->next_in++;
		else
			check_equal(data[i], tour->next_out++);
	}
}

static void debug_set(struct guest *guest, uint32_t control, uint64_t dr7)
{
	struct kvm_guest_debug debug = { .control = control, .arch.debugreg[7] = dr7 };

	check(ioctl(guest->vcpu, KVM_SET_GUEST_DEBUG, &debug) == 0, "KVM_SET_GUEST_DEBUG");
}

static void tour_prepare(struct guest *guest, bool step)
{
	struct kvm_regs regs = { .rip = CODE_BASE, .rflags = 2 };
	struct kvm_sregs sregs;

	guest_open(guest, GUEST_64);
	if (guest_map(guest) != CODE_TABLES)
		exit(1);
	memset(guest->memory, 0, 0x9000);
	memcpy(guest->memory + CODE_BASE, system_code_begin, (size_t)(system_code_end - system_code_begin));
	if (ioctl(guest->vcpu, KVM_GET_SREGS, &sregs))
		exit(1);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(guest->vcpu, KVM_SET_SREGS, &sregs))
		exit(1);
	regs_set(guest, &regs);
	if (step)
		debug_set(guest, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0);
}

/* Once as it comes, once with a debugger that looks at each instruction. */
static void tour(bool step)
{
	struct tour tour = { .next_in = 0xa0 };
	struct guest *guest = &tour.guest;
	unsigned int steps = 0;
	uint32_t value;

	for (tour_prepare(guest, step);;) {
		struct outcome outcome = guest_continue(guest);

		if (!outcome.error && outcome.exit == KVM_EXIT_SET_TPR)
			continue;
		if (!outcome.error && step && outcome.exit == KVM_EXIT_DEBUG && steps++ < 10000)
			continue;
		if (outcome.error || outcome.exit != KVM_EXIT_IO) {
			check(false, "exit %u, errno %d, at 0x%llx", outcome.exit, outcome.error, (unsigned long long)outcome.regs.rip);
			break;
		}
		memcpy(&value, io_data(guest), 4);
		if (guest->run->io.port == PORT_DATA)
			tour_port(&tour);
		else if (guest->run->io.port == PORT_FAILED)
			check(false, "system_code.S:%u: rip 0x%llx, step %d", value, (unsigned long long)outcome.regs.rip, step);
		else if (guest->run->io.port == PORT_DONE)
			break;
	}
	check(!step || steps > 1500, "%u steps", steps);
	guest_close(guest);
}

/* ---- Ports. ---- */

static void ports(void)
{
	struct kvm_regs regs;
	struct outcome outcome;
	struct guest guest;

	open64(&guest);
	outcome = RUN(&guest, 0, "\xe6\xf1\xe4\xf2\xf4", .rax = 0x1122334455667788); /* out; in; hlt */
	check(exits_io(&guest, KVM_EXIT_IO_OUT, 0xf1, 1, 1), "exit %u", outcome.exit);
	check_equal(*(uint8_t *)io_data(&guest), 0x88);
	check_equal(outcome.regs.rip, GUEST_CODE);
	outcome = guest_continue(&guest);
	check(exits_io(&guest, KVM_EXIT_IO_IN, 0xf2, 1, 1), "exit %u", outcome.exit);
	check_equal(outcome.regs.rip, GUEST_CODE + 2);
	*(uint8_t *)io_data(&guest) = 0x99;
	outcome = guest_continue(&guest);
	check_equal(outcome.exit, KVM_EXIT_HLT);
	check_equal(outcome.regs.rip, GUEST_CODE + 5);
	check_equal(outcome.regs.rax, 0x1122334455667799);
	/* A 32-bit IN clears the upper half. */
	outcome = RUN(&guest, 0, "\xed\xf4", .rax = UINT64_MAX, .rdx = 0x1f0);
	check(exits_io(&guest, KVM_EXIT_IO_IN, 0x1f0, 4, 1), "exit %u", outcome.exit);
	memset(io_data(&guest), 0x99, 4);
	outcome = guest_continue(&guest);
	check_equal(outcome.regs.rax, 0x99999999);
	/* immediate_exit completes the instruction. */
	outcome = RUN(&guest, 0, "\xe6\xf1\xf4", .rax = 1);
	guest.run->immediate_exit = 1;
	outcome = guest_continue(&guest);
	guest.run->immediate_exit = 0;
	check_equal(outcome.error, EINTR);
	check_equal(outcome.regs.rip, GUEST_CODE + 2);
	/* The program may go on elsewhere: then nothing is completed. */
	outcome = RUN(&guest, 0, "\xe4\xf2\xf4\x90\xf4", .rax = 5);
	regs = outcome.regs;
	regs.rip = GUEST_CODE + 3;
	regs_set(&guest, &regs);
	*(uint8_t *)io_data(&guest) = 0x99;
	outcome = guest_continue(&guest);
	check_equal(outcome.regs.rip, GUEST_CODE + 5);
	check_equal(outcome.regs.rax, 5);
	/* KVM_X86_QUIRK_OUT_7E_INC_RIP. */
	outcome = RUN(&guest, 0, "\xe6\x7e\xf4", .rax = 1);
	check_equal(outcome.regs.rip, GUEST_CODE + 2);
	guest_close(&guest);
}

static void port_strings(void)
{
	struct kvm_regs regs;
	struct outcome outcome;
	struct guest guest;

	open64(&guest);
	memcpy(guest.memory + GUEST_DATA, "abcdef", 6);
	outcome = RUN(&guest, 0, "\xf3\x6e\xf4", .rcx = 3, .rdx = 0x1f0, .rsi = GUEST_DATA); /* rep outsb */
	for (unsigned int i = 0; i < 3; i++) {
		check(exits_io(&guest, KVM_EXIT_IO_OUT, 0x1f0, 1, 1), "exit %u", outcome.exit);
		check_equal(*(uint8_t *)io_data(&guest), 'a' + i);
		check_equal(outcome.regs.rcx, 2 - i);
		check_equal(outcome.regs.rsi, GUEST_DATA + 1 + i);
		check_equal(outcome.regs.rip, i < 2 ? GUEST_CODE : GUEST_CODE + 2);
		outcome = guest_continue(&guest);
	}
	check_equal(outcome.exit, KVM_EXIT_HLT);
	outcome = RUN(&guest, 0, "\xf3\x6c\xf4", .rcx = 3, .rdx = 0x1f0, .rdi = GUEST_DATA); /* rep insb */
	check(exits_io(&guest, KVM_EXIT_IO_IN, 0x1f0, 1, 3), "exit %u, count %u", outcome.exit, guest.run->io.count);
	check_equal(outcome.regs.rcx, 3);
	check_equal(guest.memory[GUEST_DATA], 'a');
	memcpy(io_data(&guest), "xyz", 3);
	outcome = guest_continue(&guest);
	check_equal(outcome.exit, KVM_EXIT_HLT);
	check_equal(outcome.regs.rcx, 0);
	check_equal(outcome.regs.rdi, GUEST_DATA + 3);
	check(memcmp(guest.memory + GUEST_DATA, "xyzdef", 6) == 0, "memory is %.6s", guest.memory + GUEST_DATA);
	/* Over a page's end, in pieces of at most a KiB. */
	outcome = RUN(&guest, 0, "\xf3\x66\x6d\xf4", .rcx = 1200, .rdx = 0x1f0, .rdi = GUEST_DATA + 0xc01); /* rep insw */
	for (unsigned int total = 0; outcome.exit == KVM_EXIT_IO && total < 2400; outcome = guest_continue(&guest)) {
		unsigned int size = guest.run->io.count * 2;

		check(size && size <= 1024, "count %u", guest.run->io.count);
		for (unsigned int i = 0; i < size; i++)
			((uint8_t *)io_data(&guest))[i] = (uint8_t)((total + i) * 7);
		total += size;
	}
	check_equal(outcome.exit, KVM_EXIT_HLT);
	check_equal(outcome.regs.rdi, GUEST_DATA + 0xc01 + 2400);
	for (unsigned int i = 0; i < 2400; i++)
		if (guest.memory[GUEST_DATA + 0xc01 + i] != (uint8_t)(i * 7)) {
			check(false, "byte %u", i);
			break;
		}
	/* The program changes the count. */
	outcome = RUN(&guest, 0, "\xf3\x6c\xf4", .rcx = 2, .rdx = 0x1f0, .rdi = GUEST_DATA);
	regs = outcome.regs;
	regs.rcx = 1;
	regs_set(&guest, &regs);
	outcome = guest_continue(&guest);
	check_equal(outcome.exit, KVM_EXIT_HLT);
	check_equal(outcome.regs.rdi, GUEST_DATA + 1);
	guest_close(&guest);
}

/* A fault of the memory comes before the port is touched. */
static void port_string_faults(void)
{
	struct outcome outcome;
	struct guest guest;

	open64(&guest);
	*(uint64_t *)guest_pte(&guest, GUEST_DATA) = 0;
	outcome = RUN(&guest, 0, "\xf3\x6c\xf4", .rcx = 2, .rdx = 0x1f0, .rdi = GUEST_DATA);
	check_equal(outcome.vector, 14);
	check_equal(outcome.rip, GUEST_CODE);
	check_equal(outcome.error_code, 2);
	outcome = RUN(&guest, 0, "\x6e\xf4", .rdx = 0x1f0, .rsi = GUEST_DATA);
	check_equal(outcome.vector, 14);
	memset(guest.memory + GUEST_TSS + 0x66, 0xff, 2); /* no I/O bitmap */
	outcome = RUN(&guest, 3, "\xe6\xf1", .rax = 1);
	check_equal(outcome.vector, 13);
	check_equal(outcome.rip, GUEST_CODE);
	guest_close(&guest);
}

/* INS to MMIO: the elements go on as writes of 8 bytes at most. */
static void port_string_mmio(void)
{
	struct outcome outcome;
	struct guest guest;

	open64(&guest);
	*(uint64_t *)guest_pte(&guest, GUEST_DATA) = UINT64_C(0xd0000000) | 3;
	outcome = RUN(&guest, 0, "\xf3\x6c\xf4", .rcx = 12, .rdx = 0x1f0, .rdi = GUEST_DATA);
	check(exits_io(&guest, KVM_EXIT_IO_IN, 0x1f0, 1, 12), "exit %u, count %u", outcome.exit, guest.run->io.count);
	memcpy(io_data(&guest), "0123456789ab", 12);
	outcome = guest_continue(&guest);
	check_equal(outcome.exit, KVM_EXIT_MMIO);
	check_equal(guest.run->mmio.phys_addr, 0xd0000000);
	check_equal(guest.run->mmio.len, 8);
	check(memcmp(guest.run->mmio.data, "01234567", 8) == 0, "first piece");
	outcome = guest_continue(&guest);
	check_equal(outcome.exit, KVM_EXIT_MMIO);
	check_equal(guest.run->mmio.phys_addr, 0xd0000008);
	check_equal(guest.run->mmio.len, 4);
	check(memcmp(guest.run->mmio.data, "89ab", 4) == 0, "second piece");
	outcome = guest_continue(&guest);
	check_equal(outcome.exit, KVM_EXIT_HLT);
	check_equal(outcome.regs.rcx, 0);
	guest_close(&guest);
}

/* ---- Hypercalls. ---- */

#define VMCALL "\x0f\x01\xc1"
#define VMMCALL "\x0f\x01\xd9"

static void cap_enable(struct guest *guest, uint32_t cap, uint64_t value)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { value } };

	check(ioctl(guest->vm, KVM_ENABLE_CAP, &enable) == 0, "capability %u", cap);
}

static void hypercalls(void)
{
	const char *own, *other;
	struct outcome outcome;
	struct guest guest;

	open64(&guest);
	outcome = RUN(&guest, 0, VMCALL "\xf4", .rax = 0x12345);
	check_equal(outcome.regs.rax, -1000);
	check_equal(outcome.regs.rip, GUEST_CODE + 4);
	own = memcmp(guest.memory + GUEST_CODE, VMCALL, 3) == 0 ? VMCALL : VMMCALL; /* patched, or right from the start */
	other = own[2] == VMCALL[2] ? VMMCALL : VMCALL;
	outcome = RUN(&guest, 0, VMMCALL "\xf4", .rax = KVM_HC_SCHED_YIELD);
	check_equal(outcome.regs.rax, 0);
	check(memcmp(guest.memory + GUEST_CODE, own, 3) == 0, "not patched");
	outcome = RUN(&guest, 0, VMCALL "\xf4", .rax = KVM_HC_VAPIC_POLL_IRQ);
	check_equal(outcome.regs.rax, 0);
	outcome = RUN(&guest, 3, VMCALL "\xcd\x80", .rax = KVM_HC_VAPIC_POLL_IRQ);
	check_equal(outcome.regs.rax, -KVM_EPERM);
	outcome = RUN(&guest, 0, VMCALL "\xf4", .rax = KVM_HC_MAP_GPA_RANGE, .rbx = 0x1000, .rcx = 1);
	check_equal(outcome.regs.rax, -1000);
	cap_enable(&guest, KVM_CAP_EXIT_HYPERCALL, 1 << KVM_HC_MAP_GPA_RANGE);
	outcome = RUN(&guest, 0, VMCALL "\xf4", .rax = KVM_HC_MAP_GPA_RANGE, .rbx = 0x1001, .rcx = 1);
	check_equal(outcome.regs.rax, -KVM_EINVAL);
	outcome = RUN(&guest, 0, VMCALL "\xf4", .rax = KVM_HC_MAP_GPA_RANGE, .rbx = 0x1000, .rcx = 2, .rdx = 3);
	check_equal(outcome.exit, KVM_EXIT_HYPERCALL);
	check_equal(outcome.regs.rip, GUEST_CODE);
	check_equal(guest.run->hypercall.nr, KVM_HC_MAP_GPA_RANGE);
	check_equal(guest.run->hypercall.args[0], 0x1000);
	check_equal(guest.run->hypercall.args[1], 2);
	check_equal(guest.run->hypercall.args[2], 3);
	guest.run->hypercall.ret = 7;
	outcome = guest_continue(&guest);
	check_equal(outcome.exit, KVM_EXIT_HLT);
	check_equal(outcome.regs.rax, 7);
	cap_enable(&guest, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_FIX_HYPERCALL_INSN);
	memcpy(guest.memory + GUEST_DATA, other, 3);
	outcome = RUN(&guest, 0, "\xff\xe7", .rdi = GUEST_DATA);
	check_equal(outcome.vector, 6);
	check_equal(outcome.rip, GUEST_DATA);
	check(memcmp(guest.memory + GUEST_DATA, other, 3) == 0, "patched");
	guest_close(&guest);
}

/* ---- MSRs that the program answers. ---- */

#define RDMSR "\x0f\x32"
#define WRMSR "\x0f\x30"

static void msr_exits(void)
{
	struct outcome outcome;
	struct guest guest;

	open64(&guest);
	outcome = RUN(&guest, 0, RDMSR "\xf4", .rcx = 0xdeadbeef);
	check_equal(outcome.vector, 13);
	check_equal(outcome.rip, GUEST_CODE);
	cap_enable(&guest, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_UNKNOWN);
	outcome = RUN(&guest, 0, RDMSR "\xf4", .rcx = 0xdeadbeef, .rax = UINT64_MAX, .rdx = UINT64_MAX);
	check_equal(outcome.exit, KVM_EXIT_X86_RDMSR);
	check_equal(outcome.regs.rip, GUEST_CODE);
	check_equal(guest.run->msr.index, 0xdeadbeef);
	check_equal(guest.run->msr.reason, KVM_MSR_EXIT_REASON_UNKNOWN);
	guest.run->msr.data = 0x123456789abcdef0;
	outcome = guest_continue(&guest);
	check_equal(outcome.exit, KVM_EXIT_HLT);
	check_equal(outcome.regs.rax, 0x9abcdef0);
	check_equal(outcome.regs.rdx, 0x12345678);
	outcome = RUN(&guest, 0, WRMSR "\xf4", .rcx = 0xdeadbeef, .rax = 0x11, .rdx = 0x22);
	check_equal(outcome.exit, KVM_EXIT_X86_WRMSR);
	check_equal(guest.run->msr.data, 0x2200000011);
	guest.run->msr.error = 1;
	outcome = guest_continue(&guest);
	check_equal(outcome.vector, 13);
	check_equal(outcome.rip, GUEST_CODE);
	/* A bad value of a known MSR is another reason. */
	outcome = RUN(&guest, 0, WRMSR "\xf4", .rcx = 0xc0000082, .rdx = 0x80000000);
	check_equal(outcome.vector, 13);
	outcome = RUN(&guest, 3, RDMSR "\xcd\x80", .rcx = 0xdeadbeef);
	check_equal(outcome.vector, 13);
	guest_close(&guest);
}

/* ---- Debugging. ---- */

static void debugging(void)
{
	struct outcome outcome;
	struct guest guest;

	open64(&guest);
	outcome = RUN(&guest, 0, "\x90\xcc\xf4");
	check_equal(outcome.vector, 3);
	check_equal(outcome.rip, GUEST_CODE + 2);
	debug_set(&guest, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, 0);
	outcome = RUN(&guest, 0, "\x90\xcc\xf4");
	check_equal(outcome.exit, KVM_EXIT_DEBUG);
	check_equal(guest.run->debug.arch.exception, 3);
	check_equal(guest.run->debug.arch.pc, GUEST_CODE + 1);
	check_equal(outcome.regs.rip, GUEST_CODE + 1);
	/* General detect: the debugger's. */
	debug_set(&guest, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, 0x2400);
	outcome = RUN(&guest, 0, "\x90\x0f\x21\xc0\xf4"); /* mov %db0, %rax */
	check_equal(outcome.exit, KVM_EXIT_DEBUG);
	check_equal(guest.run->debug.arch.exception, 1);
	check_equal(guest.run->debug.arch.pc, GUEST_CODE + 1);
	check_equal(guest.run->debug.arch.dr6, 0xffff2ff0);
	debug_set(&guest, 0, 0);
	outcome = guest_continue(&guest);
	check_equal(outcome.exit, KVM_EXIT_HLT);
	/* INT1 is a trap. */
	outcome = RUN(&guest, 0, "\xf1\xf4");
	check_equal(outcome.vector, 1);
	check_equal(outcome.rip, GUEST_CODE + 1);
	guest_close(&guest);
}

/* I/O breakpoints trap behind the instruction, where CR4.DE lets them. */
static void port_breakpoints(void)
{
	struct kvm_debugregs debugregs = { .db[0] = 0xf0, .dr6 = 0xffff0ff0, .dr7 = 0x60401 }; /* two bytes */
	struct kvm_sregs sregs;
	struct outcome outcome;
	struct guest guest;

	open64(&guest);
	for (unsigned int enabled = 0; enabled < 2; enabled++) {
		if (ioctl(guest.vcpu, KVM_GET_SREGS, &sregs))
			exit(1);
		sregs.cr4 |= enabled ? 8 : 0;
		if (ioctl(guest.vcpu, KVM_SET_SREGS, &sregs) || ioctl(guest.vcpu, KVM_SET_DEBUGREGS, &debugregs))
			exit(1);
		outcome = RUN(&guest, 0, "\xe6\xf2\xe6\xf1\x90\xf4");
		check(exits_io(&guest, KVM_EXIT_IO_OUT, 0xf2, 1, 1), "exit %u", outcome.exit);
		outcome = guest_continue(&guest);
		check(exits_io(&guest, KVM_EXIT_IO_OUT, 0xf1, 1, 1), "exit %u", outcome.exit);
		outcome = guest_continue(&guest);
		check_equal(outcome.exit, KVM_EXIT_HLT);
		check_equal(outcome.vector, enabled ? 1 : -1);
		check_equal(outcome.rip, enabled ? GUEST_CODE + 4 : GUEST_CODE + 6);
	}
	if (ioctl(guest.vcpu, KVM_GET_DEBUGREGS, &debugregs))
		exit(1);
	check_equal(debugregs.dr6, 0xffff0ff1);
	guest_close(&guest);
}

/* ---- Interrupt shadows: where a window opens, and where TF traps. ---- */

static void shadows(void)
{
	struct outcome outcome;
	struct guest guest;

	open64(&guest);
	guest.run->request_interrupt_window = 1;
	outcome = RUN(&guest, 0, "\xfb\xff\xc1\xff\xc1\xf4"); /* sti; inc %ecx; inc %ecx; hlt */
	check_equal(outcome.exit, KVM_EXIT_IRQ_WINDOW_OPEN);
	check_equal(outcome.regs.rcx, 1);
	outcome = RUN(&guest, 0, "\xfb\xff\xc1\xf4", .rflags = 0x202); /* open from the start */
	check_equal(outcome.exit, KVM_EXIT_IRQ_WINDOW_OPEN);
	check_equal(outcome.regs.rip, GUEST_CODE);
	guest.run->request_interrupt_window = 0;
	/* TF: the trap behind MOV SS comes one instruction later. */
	outcome = RUN(&guest, 0, "\x8e\xd0\xff\xc1\xff\xc1\xf4", .rax = SELECTOR_DATA, .rflags = 0x102);
	check_equal(outcome.vector, 1);
	check_equal(outcome.regs.rcx, 1);
	check_equal(outcome.rip, GUEST_CODE + 4);
	outcome = RUN(&guest, 0, "\x8e\xd8\xff\xc1\xf4", .rax = SELECTOR_DATA, .rflags = 0x102); /* MOV DS: at once */
	check_equal(outcome.vector, 1);
	check_equal(outcome.regs.rcx, 0);
	guest_close(&guest);
}

/* ---- The task priority of a machine whose APIC is the program's. ---- */

static void priorities(void)
{
	struct outcome outcome;
	struct guest guest;

	open64(&guest);
	outcome = RUN(&guest, 0, "\x44\x0f\x22\xc0\xf4", .rax = 5); /* mov %rax, %cr8 */
	check_equal(outcome.exit, KVM_EXIT_HLT);
	check_equal(guest.run->cr8, 5);
	outcome = RUN(&guest, 0, "\x44\x0f\x22\xc0\xf4", .rax = 3);
	check_equal(outcome.exit, KVM_EXIT_SET_TPR);
	check_equal(guest.run->cr8, 3);
	check_equal(outcome.regs.rip, GUEST_CODE + 4);
	guest_close(&guest);
}

/* ---- What is not there. ---- */

static void undefined(void)
{
	static const char *const codes[] = {
		"\x0f\x0b", "\x0f\xb9\xc0", "\x0f\xff\xc0", /* UD2, UD1, UD0 */
		"\x0f\x01\xd8", "\x0f\x01\xda", "\x0f\x01\xdf", /* VMRUN, VMLOAD, INVLPGA */
		"\x0f\xc7\x37", "\xf3\x0f\xc7\x37", "\x0f\x01\xc2", /* VMPTRLD, VMXON, VMLAUNCH */
		"\x0f\xaa", "\x0f\x37", /* RSM, GETSEC */
		"\x0f\x20\xc8", "\x0f\x22\xe8", /* CR1, CR5 */
		"\x8e\xc8", "\x8c\xf0", "\x8e\xf8", /* MOV to CS, from and to segment registers 6 and 7 */
	};
	struct outcome outcome;
	struct guest guest;

	open64(&guest);
	for (unsigned int i = 0; i < sizeof codes / sizeof *codes; i++) {
		outcome = run64(&guest, 0, codes[i], (unsigned int)strlen(codes[i]), (struct kvm_regs){ .rdi = GUEST_DATA });
		check(outcome.vector == 6 && outcome.rip == GUEST_CODE, "code %u: exit %u, vector %d", i, outcome.exit, outcome.vector);
	}
	/* MONITOR: nothing, as KVM has it, but for extensions. */
	outcome = RUN(&guest, 0, "\x0f\x01\xc8\x0f\x01\xc9\xf4", .rax = GUEST_DATA);
	check_equal(outcome.exit, KVM_EXIT_HLT);
	check_equal(outcome.vector, -1);
	outcome = RUN(&guest, 3, "\x0f\x01\xc8", .rax = GUEST_DATA);
	check_equal(outcome.vector, 6);
	guest_close(&guest);
}

/* ---- What no processor enters. ---- */

/* A code segment that is 64-bit and 32-bit at once: KVM_SET_SREGS takes it, no processor does (APM Vol. 2, 15.5.1). */
static void entry_failure(void)
{
	struct kvm_sregs sregs;
	struct outcome outcome;
	struct guest guest;

	open64(&guest);
	outcome = RUN(&guest, 0, "\xff\xc1\xf4"); /* inc %ecx; hlt */
	check_equal(outcome.exit, KVM_EXIT_HLT);
	ioctl(guest.vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs.db = 1;
	check_equal(ioctl(guest.vcpu, KVM_SET_SREGS, &sregs), 0);
	for (int again = 0; again < 2; again++) {
		outcome = guest_continue(&guest);
		check_equal(outcome.error, 0);
		check_equal(outcome.exit, KVM_EXIT_FAIL_ENTRY);
		check_equal(guest.run->fail_entry.hardware_entry_failure_reason, UINT32_MAX);
	}
	outcome = RUN(&guest, 0, "\xff\xc1\xf4");
	check_equal(outcome.exit, KVM_EXIT_HLT);
	check_equal(outcome.regs.rcx, 1);
	guest_close(&guest);
}

int main(void)
{
	tour(false);
	tour(true);
	ports();
	port_strings();
	port_string_faults();
	port_string_mmio();
	hypercalls();
	msr_exits();
	debugging();
	port_breakpoints();
	shadows();
	priorities();
	undefined();
	entry_failure();
	printf("%u failures\n", failures);
	return failures ? 1 : 0;
}
