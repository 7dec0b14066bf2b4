/*
 * Interrupts without an interrupt controller in KVM: the timers' and the PMU's lines in kvm_run, KVM_IRQ_LINE, WFI, SError; what the PMU counts.
 */
#include "guest.h"

#define CNTV_CTL SYS(3, 3, 14, 3, 1)
#define CNTV_CVAL SYS(3, 3, 14, 0, 2) /* KVM's ids: CVAL and CNT have each other's */
#define CNTP_CTL SYS(3, 3, 14, 2, 1)
#define CNTP_CVAL SYS(3, 3, 14, 2, 2)
#define PMCR SYS(3, 3, 9, 12, 0)
#define PMCNTENSET SYS(3, 3, 9, 12, 1)
#define PMCCNTR SYS(3, 3, 9, 13, 0)
#define PMCCFILTR SYS(3, 3, 14, 15, 7)
#define PMOVSSET SYS(3, 3, 9, 14, 3)
#define PMINTENSET SYS(3, 0, 9, 14, 1)
#define PMUSERENR SYS(3, 3, 9, 14, 0)
#define PMCNTENCLR SYS(3, 3, 9, 12, 2)
#define PMOVSCLR SYS(3, 3, 9, 12, 3)
#define PMINTENCLR SYS(3, 0, 9, 14, 2)
#define UNMASKED (EL1H & ~0x80ull)

static void timers(void)
{
	g.run_only = 1;
	g.follow = 1;
	for (unsigned physical = 0; physical < 2; physical++) {
		const char *name = physical ? "timer.physical" : "timer.virtual";
		u64 ctl = physical ? CNTP_CTL : CNTV_CTL, cval = physical ? CNTP_CVAL : CNTV_CVAL;
		static const struct insn off[2] = { I(0xd51be33f, "msr cntv_ctl_el0, xzr"), I(0xd51be23f, "msr cntp_ctl_el0, xzr") };

		for (unsigned control = 0; control < 4; control++) {
			with(ctl, control);
			with(cval, 0);
			SEVERAL(N("%s.due_ctl%u", name, control), NOP, NOP);
			with(ctl, control);
			with(cval, ~0ull);
			SEVERAL(N("%s.never_ctl%u", name, control), NOP, NOP);
		}
		with(ctl, 1);
		with(cval, 0);
		with(PSTATE, UNMASKED);
		SEVERAL(N("%s.unmasked", name), NOP, NOP);
		with(ctl, 1);
		with(cval, 0);
		SEVERAL(N("%s.off_again", name), off[physical], NOP, NOP);
		with(ctl, 1);
		with(cval, 0);
		SEVERAL(N("%s.wfi", name), I(0xd503207f, "wfi"));
	}
	with(CNTV_CTL, 1);
	with(CNTV_CVAL, 0);
	with(CNTP_CTL, 1);
	with(CNTP_CVAL, 0);
	SEVERAL("timer.both", NOP);
	/* One that is not yet due, waited for. */
	with(X(1), 500000);
	SEVERAL("timer.wait", I(0xd51be301, "msr cntv_tval_el0, x1"), I(0xd2800021, "mov x1, #1"), I(0xd51be321, "msr cntv_ctl_el0, x1"), I(0xd503207f, "wfi"), I(0xd53be321, "mrs x1, cntv_ctl_el0"));
	with(X(1), 500000);
	SEVERAL("timer.wait_physical", I(0xd51be201, "msr cntp_tval_el0, x1"), I(0xd2800021, "mov x1, #1"), I(0xd51be221, "msr cntp_ctl_el0, x1"), I(0xd503207f, "wfi"), I(0xd53be221, "mrs x1, cntp_ctl_el0"));
	g.follow = 0;
	with(CNTV_CTL, 1);
	with(CNTV_CVAL, 0);
	SEVERAL("timer.told", NOP);
}

static void traps(void)
{
	static const struct {
		const char *name;
		struct insn insn;
	} insns[] = { { "cntvct", I(0xd53be041, "mrs x1, cntvct_el0") }, { "cntpct", I(0xd53be021, "mrs x1, cntpct_el0") }, { "cntfrq", I(0xd53be001, "mrs x1, cntfrq_el0") }, { "cntv_ctl", I(0xd53be321, "mrs x1, cntv_ctl_el0") },
		      { "cntp_ctl", I(0xd53be221, "mrs x1, cntp_ctl_el0") }, { "cntp_tval", I(0xd51be201, "msr cntp_tval_el0, x1") }, { "cntv_cval", I(0xd53be341, "mrs x1, cntv_cval_el0") },
		      { "cntkctl", I(0xd538e101, "mrs x1, cntkctl_el1") }, { "wfi", I(0xd503207f, "wfi") }, { "wfe", I(0xd503205f, "wfe") }, { "daif", I(0xd53b4221, "mrs x1, daif") }, { "daifset", I(0xd50343df, "msr daifset, #3") },
		      { "ctr", I(0xd53b0021, "mrs x1, ctr_el0") }, { "dczid", I(0xd53b00e1, "mrs x1, dczid_el0") }, { "midr", I(0xd5380001, "mrs x1, midr_el1") }, { "id_aa64mmfr0", I(0xd5380701, "mrs x1, id_aa64mmfr0_el1") },
		      { "dc_zva", I(0xd50b7422, "dc zva, x2") }, { "dc_cvac", I(0xd50b7a22, "dc cvac, x2") }, { "dc_ivac", I(0xd5087622, "dc ivac, x2") }, { "ic_ivau", I(0xd50b7522, "ic ivau, x2") }, { "ic_iallu", I(0xd508751f, "ic iallu") },
		      { "tlbi", I(0xd508871f, "tlbi vmalle1") }, { "at", I(0xd5087842, "at s1e0r, x2") }, { "sctlr", I(0xd5381001, "mrs x1, sctlr_el1") }, { "tpidr_el0", I(0xd51bd041, "msr tpidr_el0, x1") },
		      { "tpidrro_write", I(0xd51bd061, "msr tpidrro_el0, x1") }, { "fpcr", I(0xd53b4401, "mrs x1, fpcr") }, { "fmov", I(0x9e670020, "fmov d0, x1") }, { "currentel", I(0xd5384241, "mrs x1, currentel") },
		      { "spsel", I(0xd50040bf, "msr spsel, #0") }, { "eret", I(0xd69f03e0, "eret") }, { "hvc", I(0xd4000002, "hvc #0") }, { "smc", I(0xd4000003, "smc #0") }, { "dcps1", I(0xd4a00001, "dcps1") }, { "drps", I(0xd6bf03e0, "drps") },
		      { "mdscr", I(0xd5300241, "mrs x1, mdscr_el1") }, { "oslar", I(0xd5101081, "msr oslar_el1, x1") }, { "mdccsr", I(0xd5330101, "mrs x1, mdccsr_el0") }, { "dbgdtr", I(0xd5330401, "mrs x1, dbgdtr_el0") },
		      { "pmccntr", I(0xd51b9d01, "msr pmccntr_el0, x1") }, { "pmuserenr", I(0xd53b9e01, "mrs x1, pmuserenr_el0") }, { "pmuserenr_write", I(0xd51b9e01, "msr pmuserenr_el0, x1") },
		      { "s3_0_c15", I(0xd538f001, "mrs x1, s3_0_c15_c0_0") }, { "s3_7_c15", I(0xd51ff0e1, "msr s3_7_c15_c0_7, x1") }, { "hcr_el2", I(0xd53c1101, "mrs x1, hcr_el2") }, { "sctlr_el12", I(0xd53d1001, "mrs x1, s3_5_c1_c0_0") },
		      { "sctlr_el3", I(0xd53e1001, "mrs x1, sctlr_el3") }, { "sp_el1", I(0xd53c4101, "mrs x1, sp_el1") }, { "sys_unallocated", I(0xd5087fe1, "sys #0, c7, c15, #7, x1") }, { "sysl", I(0xd5287101, "sysl x1, #0, c7, c1, #0") } };
	static const struct {
		const char *name;
		u64 sctlr, cntkctl, cpacr;
	} modes[] = { { "closed", SCTLR_RESET & ~0x50200ull, 0, 0 }, { "open", SCTLR_RESET | 1 << 26 | 1 << 18 | 1 << 16 | 1 << 15 | 1 << 14 | 1 << 9, 0x303, 3 << 20 } };

	g.run_only = 1;
	g.irq = 0;
	for (unsigned m = 0; m < 2; m++)
		for (unsigned el = 0; el < 2; el++)
			for (unsigned i = 0; i < sizeof insns / sizeof *insns; i++) {
				if (!strcmp(insns[i].name, "wfi"))
					g.irq = 1; /* it would wait */
				with(PSTATE, el ? EL1H : EL0T);
				with(SCTLR_EL1, modes[m].sctlr);
				with(SYS(3, 0, 14, 1, 0), modes[m].cntkctl);
				with(CPACR_EL1, modes[m].cpacr);
				with(X(0), 0x80000000);
				with(X(2), DATA);
				with(SPSR_EL1, EL1H);
				with(ELR_EL1, CODE + 12);
				SEVERAL(N("trap.%s.el%u.%s", modes[m].name, el, insns[i].name), insns[i].insn, I(0xd2800001, "mov x1, #0"));
			}
}

static void lines(void)
{
	g.run_only = 1;
	g.irq = 1;
	one("irq.masked", NOP);
	g.irq = 1;
	with(PSTATE, UNMASKED);
	one("irq.unmasked", NOP);
	g.irq = 1;
	with(PSTATE, EL0T & ~0x80ull);
	one("irq.el0", NOP);
	g.irq = 1;
	SEVERAL("irq.unmask", I(0xd538c101, "mrs x1, isr_el1"), I(0xd50342ff, "msr daifclr, #2"), NOP);
	g.irq = 1;
	one("irq.wfi_masked", I(0xd503207f, "wfi"));
	g.irq = 1;
	with(PSTATE, UNMASKED);
	one("irq.wfi_unmasked", I(0xd503207f, "wfi"));
	/* SErrors, and aborts out of the blue. */
	for (unsigned masked = 0; masked < 2; masked++)
		for (unsigned el0 = 0; el0 < 2; el0++) {
			const char *name = N("serror.a%u.el%u", masked, !el0);
			u64 pstate = (el0 ? EL0T : EL1H) & ~(masked ? 0 : 0x100ull);

			with(PSTATE, pstate);
			g.events.exception.serror_pending = 1;
			one(N("%s.plain", name), NOP);
			with(PSTATE, pstate);
			g.events.exception.serror_pending = g.events.exception.serror_has_esr = 1;
			g.events.exception.serror_esr = 0x1234;
			one(N("%s.esr", name), NOP);
			with(PSTATE, pstate);
			g.events.exception.ext_dabt_pending = 1;
			one(N("%s.abort", name), NOP);
			with(PSTATE, pstate & ~0x80ull);
			g.events.exception.serror_pending = 1;
			g.irq = 1;
			one(N("%s.with_irq", name), NOP);
		}
	g.events.exception.serror_pending = 1;
	SEVERAL("serror.unmask", I(0xd538c101, "mrs x1, isr_el1"), I(0xd50344ff, "msr daifclr, #4"), NOP);
}

/* The monitors as nobody has left them: what a reset makes of them is anything. */
static void monitors_open(void)
{
	guest_open(F_PSCI | F_PMU, 1);
	g.run_only = 1;
	base(PMCNTENCLR, ~0ull);
	base(PMOVSCLR, ~0ull);
	base(PMINTENCLR, ~0ull);
	base(PMUSERENR, 0);
	base(PMCCFILTR, 0);
}

/* Whether the cycle counter moves: X3 is what it was before, X1 becomes 1 when it is another. */
static void counts(const char *name)
{
	with(X(2), 20);
	SEVERAL(name, I(0xd53b9d03, "mrs x3, pmccntr_el0"), I(0xd5033fdf, "isb"), I(0xd1000442, "sub x2, x2, #1"), I(0xb5ffffc2, "cbnz x2, .-8"), I(0xd53b9d01, "mrs x1, pmccntr_el0"), I(0xeb03003f, "cmp x1, x3"), I(0x9a9f07e1, "cset x1, ne"),
		I(0xd2800003, "mov x3, #0"));
}

static void cycles(void)
{
	static const struct {
		const char *name;
		u64 filter;
	} filters[] = { { "none", 0 }, { "p", 1ull << 31 }, { "u", 1 << 30 }, { "p_nsk", 1ull << 31 | 1 << 29 }, { "nsk", 1 << 29 }, { "u_nsu", 1 << 30 | 1 << 28 }, { "nsu", 1 << 28 }, { "nsh", 1 << 27 }, { "pu", 3ull << 30 } };

	monitors_open();
	for (unsigned i = 0; i < 4; i++) {
		with(PMCR, 0x40 | (i & 1));
		with(PMCNTENSET, i & 2 ? 1u << 31 : 0);
		counts(N("cycles.e%u.c%u", i & 1, i >> 1));
	}
	base(PMCR, 0x41);
	base(PMCNTENSET, 1u << 31);
	for (unsigned el = 0; el < 2; el++)
		for (unsigned i = 0; i < sizeof filters / sizeof *filters; i++) {
			with(PSTATE, el ? EL1H : EL0T);
			with(PMUSERENR, 1);
			with(PMCCFILTR, filters[i].filter);
			counts(N("cycles.el%u.%s", el, filters[i].name));
		}
	with(X(1), 0x47);
	with(PMCCNTR, 1ull << 60);
	SEVERAL("cycles.reset", I(0xd51b9c01, "msr pmcr_el0, x1"), I(0xd53b9d01, "mrs x1, pmccntr_el0"), I(0xd37bfc21, "lsr x1, x1, #59"));
	/* It overflows, in 50 ms if it counts nanoseconds: told in PMOVS; the line, when it is to interrupt. */
	base(PMCCNTR, ~0ull - 50000000);
	SEVERAL("cycles.overflow", I(0xd53b9e61, "mrs x1, pmovsset_el0"), I(0xb4ffffe1, "cbz x1, .-4"));
	g.follow = 1;
	base(PMINTENSET, 1u << 31);
	with(X(2), 1000000);
	SEVERAL("cycles.overflow_irq", I(0xd53b9e61, "mrs x1, pmovsset_el0"), I(0xb4ffffe1, "cbz x1, .-4"), I(0xd1000442, "sub x2, x2, #1"), I(0xb5ffffe2, "cbnz x2, .-4"));
	with(PSTATE, UNMASKED);
	SEVERAL("cycles.overflow_taken", I(0x14000000, "b ."));
	/* By software: the word alone makes the line. */
	one("pmu.line.low", NOP);
	for (unsigned i = 0; i < 8; i++) {
		with(PMCNTENCLR, ~0ull);
		with(PMINTENCLR, ~0ull);
		with(PMCNTENSET, i & 1 ? 1u << 31 : 0);
		with(PMINTENSET, i & 2 ? 1u << 31 : 0);
		with(PMCR, i & 4 ? 0x41 : 0x40);
		with(X(1), 1u << 31);
		SEVERAL(N("pmu.line.cnten%u.inten%u.e%u", i & 1, i >> 1 & 1, i >> 2), I(0xd51b9e61, "msr pmovsset_el0, x1"), NOP, I(0xd51b9c61, "msr pmovsclr_el0, x1"), NOP);
	}
	g.follow = 0;
	with(X(1), 1u << 31);
	with(PMINTENSET, 1u << 31);
	SEVERAL("pmu.told", I(0xd51b9e61, "msr pmovsset_el0, x1"), NOP, NOP);
	guest_close();
	/* An event filter that denies cycles. */
	monitors_open();
	init(g.vm.vcpu, g.features);
	IOC(g.vm.vcpu, KVM_SET_DEVICE_ATTR, &(struct kvm_device_attr){ .group = KVM_ARM_VCPU_PMU_V3_CTRL, .attr = KVM_ARM_VCPU_PMU_V3_FILTER,
		.addr = (uintptr_t)&(struct kvm_pmu_event_filter){ .base_event = 0x11, .nevents = 1, .action = KVM_PMU_EVENT_DENY } });
	out("cycles.filter", NULL);
	base(PMCR, 0x41);
	base(PMCNTENSET, 1u << 31);
	counts("cycles.denied");
	guest_close();
	/* Software increments: event 0. */
	monitors_open();
	base(PMCR, 0x41);
	base(PMCNTENSET, 3);
	base(SYS(3, 3, 14, 12, 0), 0); /* PMEVTYPER0_EL0: SW_INCR */
	base(SYS(3, 3, 14, 8, 0), 5);  /* PMEVCNTR0_EL0 */
	with(X(1), 1);
	SEVERAL("pmu.software_increment", I(0xd51b9c81, "msr pmswinc_el0, x1"), I(0xd51b9c81, "msr pmswinc_el0, x1"), I(0xd53be801, "mrs x1, pmevcntr0_el0"));
	/* Two of 32 bits in a row: CHAIN. */
	with(SYS(3, 3, 14, 8, 0), 0xffffffff);
	with(SYS(3, 3, 14, 12, 1), 0x1e);
	with(SYS(3, 3, 14, 8, 1), 7);
	with(X(1), 1);
	SEVERAL("pmu.chain", I(0xd51b9c81, "msr pmswinc_el0, x1"), I(0xd53be801, "mrs x1, pmevcntr0_el0"), I(0xd53be822, "mrs x2, pmevcntr1_el0"), I(0xd53b9e63, "mrs x3, pmovsset_el0"));
	with(X(1), 31);
	SEVERAL("pmu.selected_cycles", I(0xd51b9ca1, "msr pmselr_el0, x1"), I(0xd53b9d21, "mrs x1, pmxevtyper_el0"));
	with(X(1), 20);
	SEVERAL("pmu.selected_none", I(0xd51b9ca1, "msr pmselr_el0, x1"), I(0xd53b9d41, "mrs x1, pmxevcntr_el0"));
	SEVERAL("pmu.none", I(0xd53bea81, "mrs x1, pmevcntr20_el0"));
	SEVERAL("pmu.ceid", I(0xd53b9cc1, "mrs x1, pmceid0_el0"), I(0x92400021, "and x1, x1, #1"));
	guest_close();
}

void sec_timers(void)
{
	printf("# M. timers\n");
	guest_open(F_PSCI, 1);
	timers();
	guest_close();
}

void sec_interrupts(void)
{
	printf("# I. interrupts\n");
	guest_open(F_PSCI, 1);
	lines();
	guest_close();
}

void sec_traps(void)
{
	printf("# R. traps\n");
	guest_open(F_PSCI, 1);
	traps();
	guest_close();
}

void sec_monitors(void)
{
	printf("# C. performance monitors\n");
	cycles();
}
