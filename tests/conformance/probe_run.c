/* KVM_RUN and what else a vCPU answers: immediate exit, interrupts, statistics, TSC, machine checks, guest debugging. */
#include "probe.h"

/* As if the guest began at rip: the loop's counter zero and no flags. */
static void guest_restart(struct vcpu *c, u64 rip)
{
	struct kvm_regs r;

	ioctl(c->fd, KVM_GET_REGS, &r);
	r.rip = rip;
	r.rflags = 2;
	r.rbx = 0;
	ioctl(c->fd, KVM_SET_REGS, &r);
}

static void say_debug(struct vcpu *c)
{
	struct kvm_debug_exit_arch *d = &c->run->debug.arch;

	if (c->run->exit_reason == KVM_EXIT_DEBUG)
		say("  debug: exc=%u pc-code=%lld dr6=%#llx dr7=%#llx", d->exception, d->pc - CODE, d->dr6, d->dr7);
}

static void run_immediate_exit(struct vcpu *c)
{
	struct kvm_regs r;

	answer(CALL(c->fd, KVM_RUN, 1L), "KVM_RUN.arg1");
	c->run->immediate_exit = 1;
	answer_run(vcpu_run(c), c, "immediate_exit");
	say("exit_reason=%u", c->run->exit_reason);
	c->run->immediate_exit = 2;
	answer_run(vcpu_run(c), c, "immediate_exit2");
	c->run->immediate_exit = 0;
	answer_run(vcpu_run(c), c, "io_out");
	ioctl(c->fd, KVM_GET_REGS, &r);
	say("at IO exit: rip-code=%lld rbx=%#llx", r.rip - CODE, r.rbx);
	c->run->immediate_exit = 1;
	answer_run(vcpu_run(c), c, "complete_via_immediate_exit");
	say("exit_reason still=%u io.port still=%#x", c->run->exit_reason, c->run->io.port);
	ioctl(c->fd, KVM_GET_REGS, &r);
	say("after: rip-code=%lld", r.rip - CODE);
	c->run->immediate_exit = 0;
	say("run: if_flag=%u ready=%u cr8=%llu apic_base=%#llx flags=%#x", c->run->if_flag, c->run->ready_for_interrupt_injection,
	    c->run->cr8, c->run->apic_base, c->run->flags);
}

static void run_interrupt_and_translate(struct vcpu *c)
{
	struct kvm_interrupt ki = {0x20};

	answer(CALL(c->fd, KVM_INTERRUPT, &ki), "KVM_INTERRUPT.irqchip");
	ki.irq = 256;
	answer(CALL(c->fd, KVM_INTERRUPT, &ki), "KVM_INTERRUPT.256");
	struct kvm_translation t = {.linear_address = 0x1234};
	answer(CALL(c->fd, KVM_TRANSLATE, &t), "TRANSLATE");
	say("pa=%#llx valid=%u w=%u u=%u", t.physical_address, t.valid, t.writeable, t.usermode);
	t.linear_address = 0x7f0000000000;
	answer(CALL(c->fd, KVM_TRANSLATE, &t), "TRANSLATE.unmapped");
	say("pa=%#llx valid=%u w=%u", t.physical_address, t.valid, t.writeable);
}

static void run_foreign_ioctls(struct vcpu *c)
{
	answer(CALL(c->fd, 0xae77, 0), "vcpu.unknown_ioctl");
	answer(CALL(c->fd, KVM_CREATE_VCPU, 0), "vcpu.vm_ioctl");
	struct kvm_enable_cap ec = {.cap = 9999};
	answer(CALL(c->fd, KVM_ENABLE_CAP, &ec), "vcpu.ENABLE_CAP.9999");
	ec.flags = 1;
	answer(CALL(c->fd, KVM_ENABLE_CAP, &ec), "vcpu.ENABLE_CAP.flags");
	struct kvm_signal_mask sm = {.len = 3};
	answer(CALL(c->fd, KVM_SET_SIGNAL_MASK, &sm), "SET_SIGNAL_MASK.len3");
	answer(CALL(c->fd, KVM_SET_SIGNAL_MASK, 0L), "SET_SIGNAL_MASK.NULL");
}

static void run_statistics(struct vcpu *c)
{
	int sf = CALL(c->fd, KVM_GET_STATS_FD, 0L);

	answer_fd(sf, "vcpu.GET_STATS_FD");
	struct kvm_stats_header h = {0};
	if (sf >= 0 && read(sf, &h, sizeof h) == sizeof h)
		say("stats: flags=%u name_size=%u num_desc=%u id_off=%u desc_off=%u data_off=%u", h.flags, h.name_size,
		    h.num_desc, h.id_offset, h.desc_offset, h.data_offset);
}

static void run_tsc(struct vcpu *c)
{
	struct kvm_device_attr da = {.group = 0, .attr = 0};
	u64 off = 0;

	da.addr = (u64)&off;
	answer(CALL(c->fd, KVM_HAS_DEVICE_ATTR, &da), "vcpu.TSC_OFFSET.has");
	answer(CALL(c->fd, KVM_GET_DEVICE_ATTR, &da), "vcpu.TSC_OFFSET.get");
	answer(CALL(c->fd, KVM_SET_DEVICE_ATTR, &da), "vcpu.TSC_OFFSET.set");
	da.attr = 1;
	answer(CALL(c->fd, KVM_HAS_DEVICE_ATTR, &da), "vcpu.attr1.has");
	da.group = 5;
	answer(CALL(c->fd, KVM_SET_DEVICE_ATTR, &da), "vcpu.group5.set");
	answer(CALL(c->fd, KVM_SET_TSC_KHZ, 0L), "SET_TSC_KHZ.0");
	answer(CALL(c->fd, KVM_SET_TSC_KHZ, 0xffffffffL), "SET_TSC_KHZ.max");
	answer(CALL(c->fd, KVM_SET_TSC_KHZ, 1000L), "SET_TSC_KHZ.1000");
}

static void run_nested_and_mce(struct vcpu *c)
{
	struct kvm_nested_state ns = {.size = sizeof ns};

	answer(CALL(c->fd, KVM_GET_NESTED_STATE, &ns), "GET_NESTED_STATE");
	say("nested: flags=%#x format=%u size=%u", ns.flags, ns.format, ns.size);
	u64 mce = 0;
	answer(CALL(c->fd, KVM_X86_SETUP_MCE, &mce), "SETUP_MCE.0");
	mce = 10 | (1 << 24) | (1 << 8);
	answer(CALL(c->fd, KVM_X86_SETUP_MCE, &mce), "SETUP_MCE.10banks");
	mce = 33;
	answer(CALL(c->fd, KVM_X86_SETUP_MCE, &mce), "SETUP_MCE.33banks");
	mce = ~0ULL;
	answer(CALL(c->fd, KVM_X86_SETUP_MCE, &mce), "SETUP_MCE.ff");
}

static void debug_inject(struct vcpu *c)
{
	struct kvm_guest_debug gd = {.control = 0};

	answer(CALL(c->fd, KVM_SET_GUEST_DEBUG, &gd), "GUEST_DEBUG.0");
	gd.control = 0xffffffff;
	answer(CALL(c->fd, KVM_SET_GUEST_DEBUG, &gd), "GUEST_DEBUG.ff");
	struct kvm_vcpu_events e;
	ioctl(c->fd, KVM_GET_VCPU_EVENTS, &e);
	say_events("events_after_debug_ff", &e);
	gd.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_DB;
	answer(CALL(c->fd, KVM_SET_GUEST_DEBUG, &gd), "GUEST_DEBUG.inject_again");
	memset(&e, 0, sizeof e);
	ioctl(c->fd, KVM_SET_VCPU_EVENTS, &e);
}

static void debug_step_lost(struct vcpu *c)
{
	struct kvm_guest_debug gd = {0};
	struct kvm_regs r;

	gd.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
	answer(CALL(c->fd, KVM_SET_GUEST_DEBUG, &gd),
	       "GUEST_DEBUG.singlestep(regs set afterwards: TF lost, singlestep_rip quirk)");
	guest_restart(c, CODE);
	answer_run(vcpu_run(c), c, "step.quirk");
	ioctl(c->fd, KVM_GET_REGS, &r);
	say("  rflags=%#llx rip-code=%lld", r.rflags, r.rip - CODE);
}

static void debug_step(struct vcpu *c)
{
	struct kvm_guest_debug gd = {0};
	struct kvm_regs r;

	ioctl(c->fd, KVM_SET_GUEST_DEBUG, &gd);
	guest_restart(c, CODE);
	gd.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
	answer(CALL(c->fd, KVM_SET_GUEST_DEBUG, &gd), "GUEST_DEBUG.singlestep");
	for (int i = 0; i < 4; i++) {
		answer_run(vcpu_run(c), c, "step");
		say_debug(c);
		ioctl(c->fd, KVM_GET_REGS, &r);
		say("  rflags=%#llx rip-code=%lld", r.rflags, r.rip - CODE);
	}
}

static void debug_breakpoints(struct vm *v, struct vcpu *c)
{
	struct kvm_guest_debug gd = {0};

	gd.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
	gd.arch.debugreg[0] = CODE;
	gd.arch.debugreg[7] = 0x401;
	answer(CALL(c->fd, KVM_SET_GUEST_DEBUG, &gd), "GUEST_DEBUG.hwbp");
	guest_restart(c, CODE);
	answer_run(vcpu_run(c), c, "hwbp");
	say_debug(c);
	gd.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP;
	ioctl(c->fd, KVM_SET_GUEST_DEBUG, &gd);
	v->mem[CODE + 0x100] = 0xcc;
	guest_restart(c, CODE + 0x100);
	answer_run(vcpu_run(c), c, "swbp(int3)");
	if (c->run->exit_reason == KVM_EXIT_DEBUG)
		say("  debug: exc=%u pc-code=%lld", c->run->debug.arch.exception, c->run->debug.arch.pc - CODE);
}

void probe_run(void)
{
	struct vm *v;
	struct vcpu *c = guest_create(&v, 1);

	say("## KVM_RUN misc");
	run_immediate_exit(c);
	run_interrupt_and_translate(c);
	run_foreign_ioctls(c);
	run_statistics(c);
	run_tsc(c);
	run_nested_and_mce(c);
	debug_inject(c);
	debug_step_lost(c);
	debug_step(c);
	debug_breakpoints(v, c);
	vm_free(v, c);
}
