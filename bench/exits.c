/*
 * What an exit and the register ioctls cost, in nanoseconds. An ordinary KVM program; see bench.h.
 *
 * "exit.NAME" is a whole round trip: KVM_RUN, one or two guest instructions, back in the program.
 */
#include "x86_vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum { CODE_AT = 0x8000, MEMORY_SIZE = 1 << 20 };

/* A guest-physical address with no memory behind it; 0x100000 is the first. The loops never leave. */
extern const unsigned char loop_out[], loop_in[], loop_mmio_write[], loop_mmio_read[], loops_end[];
__asm__(".pushsection .rodata\n"
	"loop_out:	outb	%al, $0x10\n"
	"		jmp	loop_out\n"
	"loop_in:	inb	$0x10, %al\n"
	"		jmp	loop_in\n"
	"loop_mmio_write:	movl	%eax, 0x100000\n"
	"		jmp	loop_mmio_write\n"
	"loop_mmio_read:	movl	0x100000, %eax\n"
	"		jmp	loop_mmio_read\n"
	"loops_end:\n"
	".popsection\n");

enum { MSRS = 8 };
static const uint32_t msr_indices[MSRS] = {
	0x174, 0x175, 0x176, /* SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP */
	0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, /* STAR, LSTAR, CSTAR, SFMASK */
	0xc0000102, /* KERNEL_GS_BASE */
};

static struct bench_vm vm;
static uint32_t expected_exit;
static struct kvm_regs regs;
static struct kvm_sregs sregs;
static union {
	struct kvm_msrs list;
	uint8_t room[sizeof(struct kvm_msrs) + MSRS * sizeof(struct kvm_msr_entry)];
} msrs;

static void run_only(void *context, unsigned long count)
{
	(void)context;
	while (count--)
		bench_vm_run(&vm, expected_exit);
}

static void run_and_get(void *context, unsigned long count)
{
	(void)context;
	while (count--) {
		bench_vm_run(&vm, expected_exit);
		bench_ioctl(vm.vcpu_fd, KVM_GET_REGS, "KVM_GET_REGS", &regs);
		bench_ioctl(vm.vcpu_fd, KVM_GET_SREGS, "KVM_GET_SREGS", &sregs);
	}
}

static void run_and_change(void *context, unsigned long count)
{
	(void)context;
	while (count--) {
		bench_vm_run(&vm, expected_exit);
		bench_ioctl(vm.vcpu_fd, KVM_GET_REGS, "KVM_GET_REGS", &regs);
		regs.rcx++;
		bench_ioctl(vm.vcpu_fd, KVM_SET_REGS, "KVM_SET_REGS", &regs);
	}
}

static void run_and_change_synced(void *context, unsigned long count)
{
	(void)context;
	while (count--) {
		bench_vm_run(&vm, expected_exit);
		vm.run->s.regs.regs.rcx++;
		vm.run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	}
}

struct call {
	unsigned long request;
	const char *name;
	void *argument;
};

static void call_ioctl(void *context, unsigned long count)
{
	const struct call *call = context;

	while (count--)
		bench_ioctl(vm.vcpu_fd, call->request, call->name, call->argument);
}

static void report(const char *name, double ns)
{
	printf("%s %.1f\n", name, ns);
	fflush(stdout);
}

static void measure_exit(const char *name, const unsigned char *loop, uint32_t exit_reason, uint64_t synced,
			 void (*body)(void *, unsigned long))
{
	struct kvm_regs start = { .rip = CODE_AT + (loop - loop_out), .rflags = 2, .rsp = CODE_AT };

	/* An OUT or IN that is still open would end in the new loop: let it finish first. */
	vm.run->immediate_exit = 1;
	ioctl(vm.vcpu_fd, KVM_RUN, 0);
	vm.run->immediate_exit = 0;
	bench_ioctl(vm.vcpu_fd, KVM_SET_REGS, "KVM_SET_REGS", &start);
	vm.run->kvm_valid_regs = synced;
	expected_exit = exit_reason;
	report(name, bench_measure(body, NULL));
	vm.run->kvm_valid_regs = 0;
}

static void measure_exits(void)
{
	const uint64_t registers = KVM_SYNC_X86_REGS, all = registers | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	const uint64_t both = registers | KVM_SYNC_X86_SREGS;

	measure_exit("exit.out", loop_out, KVM_EXIT_IO, 0, run_only);
	measure_exit("exit.in", loop_in, KVM_EXIT_IO, 0, run_only);
	measure_exit("exit.mmio_write", loop_mmio_write, KVM_EXIT_MMIO, 0, run_only);
	measure_exit("exit.mmio_read", loop_mmio_read, KVM_EXIT_MMIO, 0, run_only);
	measure_exit("exit.sync_regs", loop_out, KVM_EXIT_IO, registers, run_only);
	measure_exit("exit.sync_regs_sregs", loop_out, KVM_EXIT_IO, both, run_only);
	measure_exit("exit.sync_all", loop_out, KVM_EXIT_IO, all, run_only);
	measure_exit("exit.get_regs_sregs", loop_out, KVM_EXIT_IO, 0, run_and_get);
	measure_exit("exit.sync_change", loop_out, KVM_EXIT_IO, registers, run_and_change_synced);
	measure_exit("exit.get_set_regs", loop_out, KVM_EXIT_IO, 0, run_and_change);
}

static void measure_call(const char *name, struct call call)
{
	report(name, bench_measure(call_ioctl, &call));
}

static void measure_calls(void)
{
	for (int i = 0; i < MSRS; i++)
		msrs.list.entries[i].index = msr_indices[i];
	msrs.list.nmsrs = MSRS;
	if (bench_ioctl(vm.vcpu_fd, KVM_GET_MSRS, "KVM_GET_MSRS", &msrs) != MSRS) {
		fprintf(stderr, "bench: KVM_GET_MSRS does not know all of eight ordinary MSRs\n");
		exit(1);
	}
	bench_ioctl(vm.vcpu_fd, KVM_GET_REGS, "KVM_GET_REGS", &regs);
	bench_ioctl(vm.vcpu_fd, KVM_GET_SREGS, "KVM_GET_SREGS", &sregs);
	measure_call("get_regs", (struct call){ KVM_GET_REGS, "KVM_GET_REGS", &regs });
	measure_call("set_regs", (struct call){ KVM_SET_REGS, "KVM_SET_REGS", &regs });
	measure_call("get_sregs", (struct call){ KVM_GET_SREGS, "KVM_GET_SREGS", &sregs });
	measure_call("set_sregs", (struct call){ KVM_SET_SREGS, "KVM_SET_SREGS", &sregs });
	measure_call("get_msrs_8", (struct call){ KVM_GET_MSRS, "KVM_GET_MSRS", &msrs });
	msrs.list.nmsrs = 1;
	measure_call("get_msrs_1", (struct call){ KVM_GET_MSRS, "KVM_GET_MSRS", &msrs });
}

int main(void)
{
	x86_vm_create(&vm, MEMORY_SIZE);
	memcpy(vm.memory + CODE_AT, loop_out, loops_end - loop_out);
	x86_vm_enter_long(&vm, CODE_AT);
	measure_exits();
	measure_calls();
	return 0;
}
