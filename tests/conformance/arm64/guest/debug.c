/*
 * Debugging: the program's single step, breakpoints and watchpoints, and the guest's own.
 */
#include "guest.h"

#define WATCHED (DATA + 0x40)


static void breakpoint(unsigned number, u64 control, u64 value)
{
	g.debug.control |= KVM_GUESTDBG_USE_HW;
	g.debug.arch.dbg_bcr[number] = control;
	g.debug.arch.dbg_bvr[number] = value;
}

static void watchpoint(unsigned number, u64 control, u64 value)
{
	g.debug.control |= KVM_GUESTDBG_USE_HW;
	g.debug.arch.dbg_wcr[number] = control;
	g.debug.arch.dbg_wvr[number] = value;
}

static void forget(void)
{
	memset(&g.debug, 0, sizeof g.debug);
}

static void single_steps(void)
{
	static const struct {
		const char *name;
		struct insn insn;
	} insns[] = {
		{ "nop", I(0xd503201f, "nop") }, { "b", I(0x14000002, "b .+8") }, { "svc", I(0xd40000a1, "svc #5") }, { "hvc", I(0xd4000002, "hvc #0") }, { "smc", I(0xd4000003, "smc #0") }, { "brk", I(0xd42000e0, "brk #7") },
		{ "hlt", I(0xd44000e0, "hlt #7") }, { "udf", I(0x00000000, "udf #0") }, { "eret", I(0xd69f03e0, "eret") }, { "wfi", I(0xd503207f, "wfi") }, { "wfe", I(0xd503205f, "wfe") }, { "yield", I(0xd503203f, "yield") },
		{ "isb", I(0xd5033fdf, "isb") }, { "msr_daifclr", I(0xd50342ff, "msr daifclr, #2") }, { "mrs", I(0xd5380001, "mrs x1, midr_el1") }, { "mrs_undefined", I(0xd538f001, "mrs x1, s3_0_c15_c0_0") },
		{ "ldr_unaligned_fault", I(0xc85f7c41, "ldxr x1, [x2]") }, { "load", I(0xf9400081, "ldr x1, [x4]") }, { "mmio_load", I(0xf94000a1, "ldr x1, [x5]") }, { "mmio_store", I(0xf90000a1, "str x1, [x5]") },
		{ "fetch_fault", I(0xd61f00a0, "br x5") },
	};

	for (unsigned el = 0; el < 2; el++)
		for (unsigned i = 0; i < sizeof insns / sizeof *insns; i++) {
			with(PSTATE, el ? EL1H : EL0T);
			with(X(0), 0x80000000);
			with(X(2), DATA + 1);
			with(X(4), DATA);
			with(X(5), DEVICE);
			with(SPSR_EL1, EL0T);
			with(ELR_EL1, CODE + 8);
			g.irq = !strcmp(insns[i].name, "wfi");
			one(N("step.el%u.%s", el, insns[i].name), insns[i].insn);
		}
	/* An interrupt is taken before the step. */
	with(PSTATE, EL1H & ~0x80ull);
	g.irq = 1;
	one("step.interrupt", NOP);
	/* Guests that use software step themselves meanwhile. */
	with(MDSCR_EL1, 1 | 1 << 13);
	with(PSTATE, 1 << 21 | (EL1H & ~0x200ull));
	one("step.guest_steps_too", NOP);
	with(MDSCR_EL1, 1);
	with(PSTATE, 1 << 21 | EL0T);
	one("step.guest_steps_el0", NOP);
}

static void program_breakpoints(void)
{
	static const struct {
		const char *name;
		u64 control;
	} controls[] = { { "off", 0x1e6 }, { "both", 0x1e7 }, { "el1", 0x1e3 }, { "el0", 0x1e5 }, { "no_level", 0x1e1 }, { "bas_3", 0x67 }, { "bas_0", 7 }, { "linked", 0x1001e7 },
			 { "context", 0x2001e7 }, { "mismatch", 0x4001e7 }, { "hmc", 0x21e7 }, { "ssc", 0x41e7 } };

	g.run_only = 1;
	for (unsigned el = 0; el < 2; el++)
		for (unsigned i = 0; i < sizeof controls / sizeof *controls; i++) {
			breakpoint(1, controls[i].control, CODE + 4);
			with(PSTATE, el ? EL1H : EL0T);
			SEVERAL(N("bp.el%u.%s", el, controls[i].name), NOP, NOP, NOP);
			forget();
		}
	breakpoint(0, 0x1e7, CODE);
	one("bp.first", NOP);
	g.debug.control |= KVM_GUESTDBG_SINGLESTEP;
	one("bp.first_stepped", NOP);
	forget();
	breakpoint(0, 0x1e7, VECTORS + 0x200);
	one("bp.vector", I(0xd4000001, "svc #0"));
	forget();
	breakpoint(0, 0x1e7, CODE + 4);
	one("bp.on_brk", NOP);
	forget();
	breakpoint(5, 0x1e7, CODE + 4);
	SEVERAL("bp.last", NOP, NOP);
	forget();
	breakpoint(6, 0x1e7, CODE + 4);
	SEVERAL("bp.one_too_many", NOP, NOP);
	forget();
	/* Without KVM_GUESTDBG_USE_HW. */
	g.debug.arch.dbg_bcr[0] = 0x1e7;
	g.debug.arch.dbg_bvr[0] = CODE + 4;
	SEVERAL("bp.without_use_hw", NOP, NOP);
	forget();
}

static void program_watchpoints(void)
{
	static const struct {
		const char *name;
		u64 control, value;
	} controls[] = { { "off", 0x1ffe, WATCHED }, { "both", 0x1fff, WATCHED }, { "load", 0x1fef, WATCHED }, { "store", 0x1ff7, WATCHED }, { "none", 0x1fe7, WATCHED },
			 { "byte_0", 0x3f, WATCHED }, { "byte_7", 0x101f, WATCHED }, { "word", 0x1ff, WATCHED + 4 }, { "mask_64", 0x6001fff, WATCHED }, { "mask_64_before", 0x6001fff, WATCHED - 64 },
			 { "el0", 0x1ffd, WATCHED }, { "el1", 0x1ffb, WATCHED } };
	static const struct {
		const char *name;
		u64 at;
		struct insn insn;
	} insns[] = {
		{ "ldr", WATCHED, I(0xf9400041, "ldr x1, [x2]") }, { "str", WATCHED, I(0xf9000041, "str x1, [x2]") }, { "ldrb_7", WATCHED + 7, I(0x39400041, "ldrb w1, [x2]") },
		{ "ldr_before", WATCHED - 4, I(0xf9400041, "ldr x1, [x2]") }, { "ldr_behind", WATCHED + 8, I(0xf9400041, "ldr x1, [x2]") }, { "ldp", WATCHED - 8, I(0xa9401041, "ldp x1, x4, [x2]") },
		{ "stp_q", WATCHED - 16, I(0xad000841, "stp q1, q2, [x2]") }, { "ldxr", WATCHED, I(0xc85f7c41, "ldxr x1, [x2]") }, { "ldadd", WATCHED, I(0xf8210044, "ldadd x1, x4, [x2]") },
		{ "cas", WATCHED, I(0xc8a17c44, "cas x1, x4, [x2]") }, { "dc_zva", WATCHED & ~63ull, I(0xd50b7422, "dc zva, x2") }, { "dc_civac", WATCHED, I(0xd50b7e22, "dc civac, x2") },
		{ "prfm", WATCHED, I(0xf9800040, "prfm pldl1keep, [x2]") },
	};

	g.run_only = 1;
	tables_flat();
	for (unsigned c = 0; c < sizeof controls / sizeof *controls; c++)
		for (unsigned i = 0; i < sizeof insns / sizeof *insns; i++) {
			watchpoint(1, controls[c].control, controls[c].value);
			with(X(2), insns[i].at);
			one(N("wp.%s.%s", controls[c].name, insns[i].name), insns[i].insn);
			forget();
		}
	watchpoint(3, 0x1fff, WATCHED);
	with(X(2), WATCHED);
	one("wp.last.ldr", I(0xf9400041, "ldr x1, [x2]"));
	forget();
	watchpoint(4, 0x1fff, WATCHED);
	with(X(2), WATCHED);
	one("wp.one_too_many.ldr", I(0xf9400041, "ldr x1, [x2]"));
	forget();
	base_forget();
}

/* ---- The guest's own. ---- */

static void guest_breakpoints(void)
{
	g.run_only = 1;
	g.undebugged = 1;
	for (unsigned kde = 0; kde < 2; kde++)
		for (unsigned masked = 0; masked < 2; masked++)
			for (unsigned el = 0; el < 2; el++) {
				const char *name = N("own.kde%u.d%u.el%u", kde, masked, el);
				u64 pstate = (el ? EL1H : EL0T) & ~(masked ? 0 : 0x200ull), mdscr = 1 << 15 | kde << 13;

				with(PSTATE, pstate);
				with(MDSCR_EL1, mdscr);
				with(DBGBCR(1), 0x1e7);
				with(DBGBVR(1), CODE + 4);
				SEVERAL(N("%s.bp", name), NOP, NOP);
				with(PSTATE, pstate);
				with(MDSCR_EL1, mdscr);
				with(DBGWCR(1), 0x1fff);
				with(DBGWVR(1), WATCHED);
				with(X(2), WATCHED);
				one(N("%s.wp_ldr", name), I(0xf9400041, "ldr x1, [x2]"));
				with(PSTATE, pstate);
				with(MDSCR_EL1, mdscr);
				with(DBGWCR(1), 0x1fff);
				with(DBGWVR(1), WATCHED);
				with(X(2), WATCHED - 8);
				one(N("%s.wp_stp", name), I(0xa9001041, "stp x1, x4, [x2]"));
				for (unsigned ss = 0; ss < 2; ss++) {
					with(PSTATE, pstate | ss << 21);
					with(MDSCR_EL1, 1 | kde << 13);
					SEVERAL(N("%s.step_ss%u", name, ss), NOP, NOP);
					with(PSTATE, pstate | ss << 21);
					with(MDSCR_EL1, 1 | kde << 13);
					SEVERAL(N("%s.step_svc_ss%u", name, ss), I(0xd4000021, "svc #1"), NOP);
					with(PSTATE, pstate | ss << 21);
					with(MDSCR_EL1, 1 | kde << 13);
					with(X(2), DATA);
					SEVERAL(N("%s.step_ldxr_ss%u", name, ss), I(0xc85f7c41, "ldxr x1, [x2]"), NOP);
				}
			}
	with(PSTATE, EL0T);
	with(OSLSR_EL1, 0xa);
	with(MDSCR_EL1, 1 << 15);
	with(DBGBCR(1), 0x1e7);
	with(DBGBVR(1), CODE + 4);
	SEVERAL("own.os_locked.bp", NOP, NOP);
	with(PSTATE, EL0T);
	with(DBGBCR(1), 0x1e7);
	with(DBGBVR(1), CODE + 4);
	SEVERAL("own.no_mde.bp", NOP, NOP);
	/* ERET into a step. */
	with(SPSR_EL1, EL0T | 1 << 21);
	with(ELR_EL1, CODE + 8);
	with(MDSCR_EL1, 1);
	SEVERAL("own.eret_into_step", I(0xd69f03e0, "eret"), NOP, NOP, NOP, NOP);
	with(SPSR_EL1, EL0T);
	with(ELR_EL1, CODE + 8);
	with(MDSCR_EL1, 1);
	SEVERAL("own.eret_without_ss", I(0xd69f03e0, "eret"), NOP, NOP, NOP, NOP);
	with(SPSR_EL1, EL0T | 1 << 21);
	with(ELR_EL1, CODE + 8);
	with(MDSCR_EL1, 1);
	SEVERAL("own.eret_into_step_svc", I(0xd69f03e0, "eret"), NOP, I(0xd4000061, "svc #3"), NOP, NOP);
	g.undebugged = 0;
	/* While the program debugs, the guest's own are the program's; its registers take the place of the guest's. */
	with(PSTATE, EL1H);
	with(MDSCR_EL1, 1 << 15 | 1);
	with(DBGBCR(1), 0x1e7);
	with(DBGBVR(1), CODE + 4);
	SEVERAL("own.debugged.bp", NOP, NOP);
	with(PSTATE, EL1H);
	with(DBGBCR(1), 0x1e7);
	with(DBGBVR(1), CODE + 4);
	SEVERAL("own.debugged.bp_no_mde", NOP, NOP);
	with(PSTATE, EL0T | 1 << 21);
	with(MDSCR_EL1, 1);
	SEVERAL("own.debugged.step", NOP, NOP);
	breakpoint(0, 0x1e7, CODE + 8);
	with(PSTATE, EL0T);
	with(MDSCR_EL1, 1 << 15);
	with(DBGBCR(0), 0x1e7);
	with(DBGBVR(0), CODE + 4);
	SEVERAL("own.programs_win", NOP, NOP, NOP);
	forget();
}

static void controls(void)
{
	static const u32 values[] = { 0, 1, 3, 0x10001, 0x20001, 0x30003, 2, 0x40001, 5, 0x80000000 };

	guest_open(F_PSCI, 1);
	init(g.vm.vcpu, F_PSCI);
	for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
		struct kvm_guest_debug debug = { .control = values[i] };

		IOC(g.vm.vcpu, KVM_SET_GUEST_DEBUG, &debug);
		out(N("debug.control_0x%x", values[i]), NULL);
	}
	IOC(g.vm.vcpu, KVM_SET_GUEST_DEBUG, (void *)8);
	out("debug.efault", NULL);
	guest_close();
}

void sec_debug(void)
{
	printf("# D. debugging\n");
	controls();
	guest_open(F_PSCI, 1);
	single_steps();
	program_breakpoints();
	program_watchpoints();
	guest_breakpoints();
	guest_close();
}
