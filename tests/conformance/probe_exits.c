/* Exits of single instructions, with RIP and registers at the exit and after it, the interrupt window, and signals. */
#include <signal.h>
#include <sys/time.h>

#include "probe.h"

#define INPUT 0x20000UL	 /* what string instructions read */
#define OUTPUT 0x21000UL /* where they write */
#define HOLE 0x400000UL	 /* 2 MiB that no slot covers, from the guest's address HOLE and again from 16 MiB */

struct exit_row {
	const char *name;
	int length;
	u8 code[16];
	int irqchip;
};

static void on_alarm(int signal)
{
	(void)signal;
}

/* Runs at most three seconds: an instruction that does not exit as it should must not stop the probe. */
static void run_briefly(struct vcpu *c, const char *name)
{
	alarm(3);
	answer_run(vcpu_run(c), c, name);
	alarm(0);
}

/* The instruction, then out %al,$0xf1 for those that do not exit themselves, then a jump to itself. */
static void code_place(struct vm *v, const struct exit_row *row)
{
	static const u8 tail[] = {0xe6, 0xf1, 0xeb, 0xfe};
	u64 *pd = (u64 *)(v->mem + 0x3000);

	pd[2] = HOLE | 0x87;
	pd[8] = HOLE | 0x87;
	memcpy(v->mem + CODE, row->code, row->length);
	memcpy(v->mem + CODE + row->length, tail, sizeof tail);
	memcpy(v->mem + INPUT, "abcdef", 6);
}

static void io_complete(struct vm *v, struct vcpu *c)
{
	struct kvm_regs r;

	memset((u8 *)c->run + c->run->io.data_offset, 0x99, c->run->io.size * c->run->io.count);
	run_briefly(c, "  cont");
	ioctl(c->fd, KVM_GET_REGS, &r);
	say("  rax=%#llx rdi-delta=%lld rcx=%#llx mem=%02x", r.rax, r.rdi - OUTPUT, r.rcx, v->mem[OUTPUT]);
}

static void mmio_complete(struct vcpu *c)
{
	struct kvm_regs r;

	memset(c->run->mmio.data, 0x77, 8);
	run_briefly(c, "  cont");
	ioctl(c->fd, KVM_GET_REGS, &r);
	say("  rax=%#llx", r.rax);
}

static void shutdown_rerun(struct vcpu *c)
{
	struct kvm_regs r;
	struct kvm_sregs s;

	ioctl(c->fd, KVM_GET_REGS, &r);
	ioctl(c->fd, KVM_GET_SREGS, &s);
	say("  after SHUTDOWN: rip-code=%lld cr0=%#llx cs.sel=%#x efer=%#llx", r.rip - CODE, s.cr0, s.cs.selector, s.efer);
	run_briefly(c, "  rerun");
}

static void exit_try(const struct exit_row *row)
{
	struct vm *v;
	struct vcpu *c = guest_create(&v, row->irqchip);
	struct kvm_regs r = {
		.rip = CODE,
		.rflags = 2,
		.rsp = STACK,
		.rax = 0x1122334455667788,
		.rcx = 3,
		.rdx = 0x1f0,
		.rsi = INPUT,
		.rdi = OUTPUT,
	};
	char name[40];

	code_place(v, row);
	if (!strcmp(row->name, "cpuid"))
		r.rax = r.rcx = 0;
	ioctl(c->fd, KVM_SET_REGS, &r);
	snprintf(name, sizeof name, "exit.%s", row->name);
	run_briefly(c, name);
	ioctl(c->fd, KVM_GET_REGS, &r);
	say("  rip-code=%lld len=%d rax=%#llx rcx=%#llx", r.rip - CODE, row->length, r.rax, r.rcx);
	if (c->run->exit_reason == KVM_EXIT_IO && c->run->io.direction == KVM_EXIT_IO_IN)
		io_complete(v, c);
	if (c->run->exit_reason == KVM_EXIT_MMIO)
		mmio_complete(c);
	if (c->run->exit_reason == KVM_EXIT_SHUTDOWN)
		shutdown_rerun(c);
	vm_free(v, c);
}

static void exits_instructions(void)
{
	static const struct exit_row rows[] = {
		{"hlt.noirqchip", 1, {0xf4}, 0},
		{"in_al_f2", 2, {0xe4, 0xf2}, 1},
		{"in_eax_dx", 1, {0xed}, 1},
		{"out_ax_f3", 3, {0x66, 0xe7, 0xf3}, 1},
		{"mmio_read_8", 8, {0x48, 0x8b, 0x04, 0x25, 0, 0, 0x50, 0}, 1},
		{"mmio_write_4", 7, {0x89, 0x04, 0x25, 0, 0, 0x50, 0}, 1},
		{"ud2_no_idt", 2, {0x0f, 0x0b}, 1},
		{"lapic_mmio_read_id", 8, {0x8b, 0x04, 0x25, 0x20, 0x00, 0xe0, 0xfe, 0x90}, 1},
		{"rep_outsb", 2, {0xf3, 0x6e}, 1},
		{"rep_insb", 2, {0xf3, 0x6c}, 1},
		{"cpuid", 2, {0x0f, 0xa2}, 1},
		{"rdtsc;xor_eax", 4, {0x0f, 0x31, 0x31, 0xc0}, 1},
		{"xgetbv_no_osxsave", 3, {0x0f, 0x01, 0xd0}, 1},
		{"fld1", 2, {0xd9, 0xe8}, 1},
		{"vmmcall_unknown", 3, {0x0f, 0x01, 0xd9}, 1},
		{"rdmsr_bad", 2, {0x0f, 0x32}, 1},
		{"pause", 2, {0xf3, 0x90}, 1},
		{"invd", 2, {0x0f, 0x08}, 1},
		{"wbinvd", 2, {0x0f, 0x09}, 1},
		{"monitor", 3, {0x0f, 0x01, 0xc8}, 1},
		{"rsm", 2, {0x0f, 0xaa}, 1},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		exit_try(&rows[i]);
}

static void exits_irq_window(void)
{
	struct vm *v;
	struct vcpu *c = guest_create(&v, 0);
	struct kvm_interrupt irq = {0x20};
	struct kvm_vcpu_events e;
	struct kvm_sregs s;
	struct kvm_regs r;

	c->run->request_interrupt_window = 1;
	ioctl(c->fd, KVM_GET_REGS, &r);
	r.rflags = 0x202;
	ioctl(c->fd, KVM_SET_REGS, &r);
	run_briefly(c, "irq_window");
	say("if=%u ready=%u cr8=%llu apic_base=%#llx", c->run->if_flag, c->run->ready_for_interrupt_injection, c->run->cr8,
	    c->run->apic_base);
	answer(CALL(c->fd, KVM_INTERRUPT, &irq), "KVM_INTERRUPT.noirqchip");
	ioctl(c->fd, KVM_GET_VCPU_EVENTS, &e);
	say_events("events", &e);
	answer(CALL(c->fd, KVM_INTERRUPT, &irq), "KVM_INTERRUPT.again");
	irq.irq = 256;
	answer(CALL(c->fd, KVM_INTERRUPT, &irq), "KVM_INTERRUPT.256");
	ioctl(c->fd, KVM_GET_SREGS, &s);
	say("bitmap0=%#llx", s.interrupt_bitmap[0]);
	c->run->cr8 = 16;
	run_briefly(c, "run.cr8=16");
	vm_free(v, c);
}

/* A signal ends KVM_RUN in a guest that spins, and in one that sleeps in HLT. */
static void exits_signals(void)
{
	const struct itimerval soon = {.it_value = {0, 100000}};
	struct vm *v;
	struct vcpu *c = guest_create(&v, 1);
	struct kvm_mp_state m;

	v->mem[CODE] = 0xeb;
	v->mem[CODE + 1] = 0xfe;
	setitimer(ITIMER_REAL, &soon, NULL);
	c->run->exit_reason = 0x55;
	answer_run(vcpu_run(c), c, "run.signal");
	say("exit_reason=%u (10=INTR)", c->run->exit_reason);
	v->mem[CODE] = 0xf4;
	setitimer(ITIMER_REAL, &soon, NULL);
	answer_run(vcpu_run(c), c, "run.signal_in_hlt(irqchip)");
	say("exit_reason=%u", c->run->exit_reason);
	ioctl(c->fd, KVM_GET_MP_STATE, &m);
	say("mp_state=%u", m.mp_state);
	vm_free(v, c);
}

void probe_exits(void)
{
	const struct sigaction interrupts = {.sa_handler = on_alarm};

	sigaction(SIGALRM, &interrupts, NULL);
	say("## exits");
	exits_instructions();
	say("## irq window / noirqchip");
	exits_irq_window();
	say("## signals");
	exits_signals();
}
