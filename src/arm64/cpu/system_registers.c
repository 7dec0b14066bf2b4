/*
 * MRS and MSR: which registers there are, who may access them, and what else happens then. Registers that are no more than storage come from
 * sysregs_list.h; the others have a row here. What stands in neither is UNDEFINED.
 */
#include <sys/random.h>

#include "arm64/cpu/flags.h"
#include "arm64/cpu/mem.h"
#include "arm64/cpu/monitors.h"
#include "arm64/cpu/private.h"
#include "arm64/cpu/system.h"

#define PMUSERENR_EN 1
#define PMUSERENR_SW 2
#define PMUSERENR_CR 4
#define PMUSERENR_ER 8
#define CNTKCTL_EL0PCTEN 1
#define CNTKCTL_EL0VCTEN 2
#define CNTKCTL_EL0VTEN (1 << 8)
#define CNTKCTL_EL0PTEN (1 << 9)
#define FPCR_KEPT UINT32_C(0x07c80000) /* AHP, DN, FZ, RMode, FZ16 */
#define FPSR_KEPT UINT32_C(0x0800009f)

/* ---- What a register's row says. ---- */

/* Who may access it, and what must be there. */
enum {
	USER_READ = 1 << 0,
	USER_WRITE = 1 << 1,
	USER = USER_READ | USER_WRITE,
	READ_ONLY = 1 << 2,
	WRITE_ONLY = 1 << 3,
	NEEDS_FP = 1 << 4,      /* FPCR, FPSR: trap with their unit */
	NEEDS_SVE = 1 << 5,
	NEEDS_PTRAUTH = 1 << 6,
	NEEDS_PMU = 1 << 7,
	DATA = 1 << 8,          /* nothing but storage */
	TRANSLATION = 1 << 9,   /* a write changes what addresses mean */
	STATE = 1 << 10,        /* or what decoding depends on */
	ATTENTION = 1 << 11,    /* or what the run loop has to look at */
	SELECTED = 1 << 12,     /* the monitors': stands for the one that PMSELR_EL0 means */
};

typedef uint64_t read_fn(struct arm64_vcpu *cpu, enum sysreg reg);
typedef void write_fn(struct arm64_vcpu *cpu, enum sysreg reg, uint64_t value);
/* At EL0: false when it is trapped. */
typedef bool allow_fn(const struct arm64_vcpu *cpu, bool write);

struct row {
	uint16_t encoding;
	uint16_t reg; /* enum sysreg; the fields of one that has no storage: the functions know */
	uint16_t flags;
	read_fn *read;   /* NULL: storage */
	write_fn *write;
	allow_fn *allow;
};

/* ---- Processor state. ---- */

static uint64_t nzcv_read(struct arm64_vcpu *cpu, enum sysreg reg)
{
	(void)reg;
	return (uint64_t)flags_get(cpu) << 28;
}

static void nzcv_write(struct arm64_vcpu *cpu, enum sysreg reg, uint64_t value)
{
	(void)reg;
	flags_set(cpu, value >> 28 & 15);
}

static uint64_t daif_read(struct arm64_vcpu *cpu, enum sysreg reg)
{
	(void)reg;
	return cpu->pstate & PSTATE_DAIF;
}

static void daif_write(struct arm64_vcpu *cpu, enum sysreg reg, uint64_t value)
{
	(void)reg;
	cpu->pstate = (cpu->pstate & ~PSTATE_DAIF) | (value & PSTATE_DAIF);
}

static bool daif_allow(const struct arm64_vcpu *cpu, bool write)
{
	(void)write;
	return cpu->sys[SYS_SCTLR_EL1] & SCTLR_UMA;
}

/* Registers that are one field of PSTATE, at its place: `reg` is its lowest bit. CurrentEL is read-only. */
static uint64_t field_mask(unsigned int low)
{
	return low == PSTATE_EL_SHIFT ? PSTATE_EL : UINT64_C(1) << low;
}

static uint64_t field_read(struct arm64_vcpu *cpu, enum sysreg reg)
{
	return cpu->pstate & field_mask(reg);
}

static void field_write(struct arm64_vcpu *cpu, enum sysreg reg, uint64_t value)
{
	cpu->pstate = (cpu->pstate & ~field_mask(reg)) | (value & field_mask(reg));
}

enum { PLACE_SP_EL0, PLACE_ELR, PLACE_SPSR, PLACE_FPCR, PLACE_FPSR };

static uint64_t place_read(struct arm64_vcpu *cpu, enum sysreg reg)
{
	switch ((int)reg) {
	case PLACE_SP_EL0: return cpu->x[X_SP_EL0];
	case PLACE_ELR: return cpu->elr_el1;
	case PLACE_SPSR: return cpu->spsr[KVM_SPSR_EL1];
	case PLACE_FPCR: return cpu->fpcr;
	default: return cpu->fpsr;
	}
}

static void place_write(struct arm64_vcpu *cpu, enum sysreg reg, uint64_t value)
{
	switch ((int)reg) {
	case PLACE_SP_EL0: cpu->x[X_SP_EL0] = value; break;
	case PLACE_ELR: cpu->elr_el1 = value; break;
	case PLACE_SPSR: cpu->spsr[KVM_SPSR_EL1] = value; break;
	case PLACE_FPCR: cpu->fpcr = (uint32_t)value & FPCR_KEPT; break;
	default: cpu->fpsr = (uint32_t)value & FPSR_KEPT; break;
	}
}

/* ---- Identification. ---- */

static uint64_t id_read(struct arm64_vcpu *cpu, enum sysreg reg)
{
	return arm64_vm(cpu)->id[reg - SYS_ID_PFR0_EL1];
}

static uint64_t ctr_read(struct arm64_vcpu *cpu, enum sysreg reg)
{
	(void)reg;
	return arm64_vm(cpu)->ctr;
}

static bool ctr_allow(const struct arm64_vcpu *cpu, bool write)
{
	(void)write;
	return cpu->sys[SYS_SCTLR_EL1] & SCTLR_UCT;
}

static uint64_t dczid_read(struct arm64_vcpu *cpu, enum sysreg reg)
{
	(void)reg;
	return 4 | (!cpu->el && !(cpu->sys[SYS_SCTLR_EL1] & SCTLR_DZE) ? 16 : 0);
}

static uint64_t ccsidr_read(struct arm64_vcpu *cpu, enum sysreg reg)
{
	uint64_t cache = cpu->sys[SYS_CSSELR_EL1] & 15;

	(void)reg;
	return cache < sizeof cpu->ccsidr / sizeof *cpu->ccsidr ? cpu->ccsidr[cache] : 0;
}

static void csselr_write(struct arm64_vcpu *cpu, enum sysreg reg, uint64_t value)
{
	cpu->sys[reg] = value & 15;
}

/* RNDR, RNDRRS (FEAT_RNG): Z alone says that there is none now. */
static uint64_t random_read(struct arm64_vcpu *cpu, enum sysreg reg)
{
	uint64_t value;
	bool there = getrandom(&value, sizeof value, GRND_NONBLOCK) == sizeof value;

	(void)reg;
	flags_set(cpu, there ? 0 : 4);
	return there ? value : 0;
}

static uint64_t isr_read(struct arm64_vcpu *cpu, enum sysreg reg)
{
	uint32_t lines = atomic_load(&cpu->irq_lines);

	(void)reg;
	return (uint64_t)(lines >> 1 & 1) << 6 | (uint64_t)(lines & 1) << 7 | (uint64_t)cpu->serror.pending << 8;
}

static uint64_t zero_read(struct arm64_vcpu *cpu, enum sysreg reg)
{
	(void)cpu, (void)reg;
	return 0;
}

static void ignored_write(struct arm64_vcpu *cpu, enum sysreg reg, uint64_t value)
{
	(void)cpu, (void)reg, (void)value;
}

/* ---- Debug. ---- */

static void oslar_write(struct arm64_vcpu *cpu, enum sysreg reg, uint64_t value)
{
	(void)reg;
	cpu->sys[SYS_OSLSR_EL1] = (cpu->sys[SYS_OSLSR_EL1] & ~UINT64_C(2)) | (value & 1) << 1;
}

/* ---- The generic timer: 0 virtual, 1 physical. ---- */

enum { TIMER_CTL = 2, TIMER_CVAL = 4, TIMER_TVAL = 6, TIMER_COUNT = 8 }; /* | timer */

static uint64_t timer_read(struct arm64_vcpu *cpu, enum sysreg reg)
{
	unsigned int timer = reg & 1;

	switch (reg & ~1) {
	case TIMER_CTL:
		return (cpu->timer[timer].ctl & (TIMER_ENABLE | TIMER_IMASK)) |
		       (cpu->timer[timer].ctl & TIMER_ENABLE && arm64_timer_fires(cpu, timer) ? TIMER_ISTATUS : 0);
	case TIMER_CVAL:
		return cpu->timer[timer].cval;
	case TIMER_TVAL:
		return (uint32_t)(cpu->timer[timer].cval - arm64_counter(cpu, timer));
	default:
		return arm64_counter(cpu, timer);
	}
}

static void timer_write(struct arm64_vcpu *cpu, enum sysreg reg, uint64_t value)
{
	unsigned int timer = reg & 1;

	switch (reg & ~1) {
	case TIMER_CTL: cpu->timer[timer].ctl = (uint32_t)value & (TIMER_ENABLE | TIMER_IMASK); break;
	case TIMER_CVAL: cpu->timer[timer].cval = value; break;
	default: cpu->timer[timer].cval = arm64_counter(cpu, timer) + (uint64_t)(int32_t)value; break;
	}
}

static uint64_t frequency_read(struct arm64_vcpu *cpu, enum sysreg reg)
{
	(void)cpu, (void)reg;
	return ARM64_COUNTER_HZ;
}

static bool frequency_allow(const struct arm64_vcpu *cpu, bool write)
{
	return !write && cpu->sys[SYS_CNTKCTL_EL1] & (CNTKCTL_EL0PCTEN | CNTKCTL_EL0VCTEN);
}

static bool virtual_count_allow(const struct arm64_vcpu *cpu, bool write)
{
	(void)write;
	return cpu->sys[SYS_CNTKCTL_EL1] & CNTKCTL_EL0VCTEN;
}

static bool physical_count_allow(const struct arm64_vcpu *cpu, bool write)
{
	(void)write;
	return cpu->sys[SYS_CNTKCTL_EL1] & CNTKCTL_EL0PCTEN;
}

static bool virtual_timer_allow(const struct arm64_vcpu *cpu, bool write)
{
	(void)write;
	return cpu->sys[SYS_CNTKCTL_EL1] & CNTKCTL_EL0VTEN;
}

static bool physical_timer_allow(const struct arm64_vcpu *cpu, bool write)
{
	(void)write;
	return cpu->sys[SYS_CNTKCTL_EL1] & CNTKCTL_EL0PTEN;
}

/* ---- The performance monitors. ---- */

static uint64_t events_read(struct arm64_vcpu *cpu, enum sysreg reg)
{
	(void)reg;
	return a64_monitors_events(cpu);
}

/* PMXEVTYPER_EL0 and PMXEVCNTR_EL0: `reg` is the first of those they may mean. */
static uint64_t selected_read(struct arm64_vcpu *cpu, enum sysreg reg)
{
	return a64_monitors_read(cpu, a64_monitors_selected(cpu, reg));
}

static void selected_write(struct arm64_vcpu *cpu, enum sysreg reg, uint64_t value)
{
	a64_monitors_write(cpu, a64_monitors_selected(cpu, reg), value);
}

static bool pmu_allow(const struct arm64_vcpu *cpu, bool write)
{
	(void)write;
	return cpu->sys[SYS_PMUSERENR_EL0] & PMUSERENR_EN;
}

static bool cycles_allow(const struct arm64_vcpu *cpu, bool write)
{
	return cpu->sys[SYS_PMUSERENR_EL0] & (PMUSERENR_EN | (write ? 0 : PMUSERENR_CR));
}

static bool event_allow(const struct arm64_vcpu *cpu, bool write)
{
	return cpu->sys[SYS_PMUSERENR_EL0] & (PMUSERENR_EN | (write ? 0 : PMUSERENR_ER));
}

static bool pmselr_allow(const struct arm64_vcpu *cpu, bool write)
{
	(void)write;
	return cpu->sys[SYS_PMUSERENR_EL0] & (PMUSERENR_EN | PMUSERENR_ER);
}

static bool swinc_allow(const struct arm64_vcpu *cpu, bool write)
{
	(void)write;
	return cpu->sys[SYS_PMUSERENR_EL0] & (PMUSERENR_EN | PMUSERENR_SW);
}

/* ---- The rows. ---- */

#define AT SYSTEM_ENCODING
#define PMU_ROW(op1, crn, crm, op2, reg, allow)                                                                                                       \
	{ AT(3, op1, crn, crm, op2), SYS_##reg, ((op1) == 3 ? NEEDS_PMU | USER : NEEDS_PMU) | ATTENTION, a64_monitors_read, a64_monitors_write, allow }

static const struct row special[] = {
	{ AT(3, 3, 4, 2, 0), 0, USER, nzcv_read, nzcv_write },
	{ AT(3, 3, 4, 2, 1), 0, USER | ATTENTION, daif_read, daif_write, daif_allow },
	{ AT(3, 0, 4, 2, 0), 0, STATE, field_read, field_write },              /* SPSel */
	{ AT(3, 0, 4, 2, 2), PSTATE_EL_SHIFT, READ_ONLY, field_read },         /* CurrentEL */
	{ AT(3, 0, 4, 2, 3), 22, STATE, field_read, field_write },             /* PAN */
	{ AT(3, 0, 4, 2, 4), 23, STATE, field_read, field_write },             /* UAO */
	{ AT(3, 3, 4, 2, 5), 24, USER, field_read, field_write },              /* DIT */
	{ AT(3, 3, 4, 2, 6), 12, USER, field_read, field_write },              /* SSBS */
	{ AT(3, 0, 4, 1, 0), PLACE_SP_EL0, 0, place_read, place_write },
	{ AT(3, 0, 4, 0, 1), PLACE_ELR, 0, place_read, place_write },
	{ AT(3, 0, 4, 0, 0), PLACE_SPSR, 0, place_read, place_write },
	{ AT(3, 3, 4, 4, 0), PLACE_FPCR, USER | NEEDS_FP, place_read, place_write },
	{ AT(3, 3, 4, 4, 1), PLACE_FPSR, USER | NEEDS_FP, place_read, place_write },
	{ AT(3, 3, 0, 0, 1), SYS_CTR_EL0, READ_ONLY | USER_READ, ctr_read, NULL, ctr_allow },
	{ AT(3, 3, 0, 0, 7), 0, READ_ONLY | USER_READ, dczid_read },
	{ AT(3, 3, 2, 4, 0), 0, READ_ONLY | USER_READ, random_read },
	{ AT(3, 3, 2, 4, 1), 0, READ_ONLY | USER_READ, random_read },
	{ AT(3, 1, 0, 0, 0), 0, READ_ONLY, ccsidr_read },
	{ AT(3, 2, 0, 0, 0), SYS_CSSELR_EL1, 0, NULL, csselr_write },
	{ AT(3, 0, 12, 1, 0), 0, READ_ONLY, isr_read },
	/* What of debug and RAS KVM too has as zeros that ignore writes. */
	{ AT(2, 0, 0, 0, 2), 0, 0, zero_read, ignored_write },   /* OSDTRRX_EL1 */
	{ AT(2, 0, 0, 3, 2), 0, 0, zero_read, ignored_write },   /* OSDTRTX_EL1 */
	{ AT(2, 0, 0, 6, 2), 0, 0, zero_read, ignored_write },   /* OSECCR_EL1 */
	{ AT(2, 0, 1, 0, 0), 0, READ_ONLY, zero_read },          /* MDRAR_EL1 */
	{ AT(2, 0, 1, 0, 4), 0, WRITE_ONLY | ATTENTION, NULL, oslar_write },
	{ AT(2, 0, 1, 1, 4), SYS_OSLSR_EL1, READ_ONLY },
	{ AT(2, 0, 1, 3, 4), 0, 0, zero_read, ignored_write },   /* OSDLR_EL1 */
	{ AT(2, 0, 1, 4, 4), 0, 0, zero_read, ignored_write },   /* DBGPRCR_EL1 */
	{ AT(2, 0, 7, 8, 6), 0, 0, zero_read, ignored_write },   /* DBGCLAIMSET_EL1 */
	{ AT(2, 0, 7, 9, 6), 0, 0, zero_read, ignored_write },   /* DBGCLAIMCLR_EL1 */
	{ AT(2, 0, 7, 14, 6), 0, READ_ONLY, zero_read },         /* DBGAUTHSTATUS_EL1 */
	{ AT(2, 3, 0, 1, 0), 0, READ_ONLY | USER_READ, zero_read }, /* MDCCSR_EL0 */
	{ AT(2, 3, 0, 4, 0), 0, USER, zero_read, ignored_write }, /* DBGDTR_EL0 */
	{ AT(2, 3, 0, 5, 0), 0, USER, zero_read, ignored_write }, /* DBGDTR[RT]X_EL0 */
	{ AT(3, 0, 5, 3, 0), 0, READ_ONLY, zero_read },          /* ERRIDR_EL1 */
	{ AT(3, 0, 5, 3, 1), 0, 0, zero_read, ignored_write },   /* ERRSELR_EL1 */
	{ AT(3, 0, 5, 4, 0), 0, 0, zero_read, ignored_write },   /* ERXFR_EL1 ... ERXMISC1_EL1 */
	{ AT(3, 0, 5, 4, 1), 0, 0, zero_read, ignored_write },
	{ AT(3, 0, 5, 4, 2), 0, 0, zero_read, ignored_write },
	{ AT(3, 0, 5, 4, 3), 0, 0, zero_read, ignored_write },
	{ AT(3, 0, 5, 5, 0), 0, 0, zero_read, ignored_write },
	{ AT(3, 0, 5, 5, 1), 0, 0, zero_read, ignored_write },
	{ AT(3, 3, 14, 0, 0), 0, READ_ONLY | USER_READ, frequency_read, NULL, frequency_allow },
	{ AT(3, 3, 14, 0, 1), TIMER_COUNT | 1, READ_ONLY | USER_READ, timer_read, NULL, physical_count_allow },
	{ AT(3, 3, 14, 0, 2), TIMER_COUNT | 0, READ_ONLY | USER_READ, timer_read, NULL, virtual_count_allow },
	{ AT(3, 3, 14, 0, 5), TIMER_COUNT | 1, READ_ONLY | USER_READ, timer_read, NULL, physical_count_allow },
	{ AT(3, 3, 14, 0, 6), TIMER_COUNT | 0, READ_ONLY | USER_READ, timer_read, NULL, virtual_count_allow },
	{ AT(3, 3, 14, 2, 0), TIMER_TVAL | 1, USER | ATTENTION, timer_read, timer_write, physical_timer_allow },
	{ AT(3, 3, 14, 2, 1), TIMER_CTL | 1, USER | ATTENTION, timer_read, timer_write, physical_timer_allow },
	{ AT(3, 3, 14, 2, 2), TIMER_CVAL | 1, USER | ATTENTION, timer_read, timer_write, physical_timer_allow },
	{ AT(3, 3, 14, 3, 0), TIMER_TVAL | 0, USER | ATTENTION, timer_read, timer_write, virtual_timer_allow },
	{ AT(3, 3, 14, 3, 1), TIMER_CTL | 0, USER | ATTENTION, timer_read, timer_write, virtual_timer_allow },
	{ AT(3, 3, 14, 3, 2), TIMER_CVAL | 0, USER | ATTENTION, timer_read, timer_write, virtual_timer_allow },
	PMU_ROW(3, 9, 12, 0, PMCR_EL0, pmu_allow),
	PMU_ROW(3, 9, 12, 1, PMCNTENSET_EL0, pmu_allow),
	PMU_ROW(3, 9, 12, 2, PMCNTENCLR_EL0, pmu_allow),
	PMU_ROW(3, 9, 12, 3, PMOVSCLR_EL0, pmu_allow),
	{ AT(3, 3, 9, 12, 4), SYS_PMSWINC_EL0, NEEDS_PMU | USER_WRITE | WRITE_ONLY | ATTENTION, NULL, a64_monitors_write, swinc_allow },
	PMU_ROW(3, 9, 12, 5, PMSELR_EL0, pmselr_allow),
	{ AT(3, 3, 9, 12, 6), 0, NEEDS_PMU | USER_READ | READ_ONLY, events_read, NULL, pmu_allow }, /* PMCEID0_EL0 */
	{ AT(3, 3, 9, 12, 7), 0, NEEDS_PMU | USER_READ | READ_ONLY, zero_read, NULL, pmu_allow },
	PMU_ROW(3, 9, 13, 0, PMCCNTR_EL0, cycles_allow),
	{ AT(3, 3, 9, 13, 1), SYS_PMEVTYPER0_EL0, NEEDS_PMU | USER | SELECTED, selected_read, selected_write, pmu_allow },
	{ AT(3, 3, 9, 13, 2), SYS_PMEVCNTR0_EL0, NEEDS_PMU | USER | SELECTED, selected_read, selected_write, event_allow },
	{ AT(3, 3, 9, 14, 0), SYS_PMUSERENR_EL0, NEEDS_PMU | USER_READ },
	PMU_ROW(3, 9, 14, 3, PMOVSSET_EL0, pmu_allow),
	PMU_ROW(0, 9, 14, 1, PMINTENSET_EL1, NULL),
	PMU_ROW(0, 9, 14, 2, PMINTENCLR_EL1, NULL),
	{ AT(3, 0, 9, 14, 6), 0, NEEDS_PMU | READ_ONLY, zero_read }, /* PMMIR_EL1 */
};

/* ---- Storage. ---- */

enum storage_rule { PLAIN, INVARIANT, MPIDR, ID, SVE, PTRAUTH, PMU, PMU_SET, PMU_CLR, PMU_PMCR, PMU_SWINC, CLIDR, OSLSR };

static const struct storage {
	uint16_t encoding;
	uint8_t rule;
} storage[SYSREG_COUNT] = {
#define SYSREG(name, op0, op1, crn, crm, op2, rule, reset) { AT(op0, op1, crn, crm, op2), rule },
#include "arm64/sysregs_list.h"
#undef SYSREG
};

/* What a write of a plain register means beside the storing. */
static uint16_t consequences(enum sysreg reg)
{
	switch ((int)reg) {
	case SYS_SCTLR_EL1:
		return TRANSLATION | STATE;
	case SYS_TTBR0_EL1: case SYS_TTBR1_EL1: case SYS_TCR_EL1:
		return TRANSLATION;
	case SYS_CPACR_EL1: case SYS_ZCR_EL1:
		return STATE;
	case SYS_MDSCR_EL1:
		return ATTENTION;
	default:
		/* Watchpoints and breakpoints, of which MDSCR_EL1 says whether they are in force. */
		return storage[reg].encoding < AT(2, 0, 1, 0, 0) ? ATTENTION : 0;
	}
}

/* D17.2: registers of features that the guest's ID registers do not show; of breakpoints, watchpoints and event counters that there are not. */
static bool hidden(const struct arm64_vcpu *cpu, enum sysreg reg)
{
	uint64_t mmfr3 = arm64_vm(cpu)->id[SYS_ID_AA64MMFR3_EL1 - SYS_ID_PFR0_EL1], counters = arm64_vm(cpu)->pmcr_n;

	if (reg >= SYS_PMEVCNTR0_EL0 && reg <= SYS_PMEVTYPER30_EL0)
		return (reg - SYS_PMEVCNTR0_EL0) % 31 >= counters;
	if (reg >= SYS_DBGBVR2_EL1 && reg <= SYS_DBGWCR15_EL1)
		return 2 + (reg - SYS_DBGBVR2_EL1) / 4u >= ((reg - SYS_DBGBVR2_EL1) % 4 < 2 ? ARM64_BREAKPOINTS : ARM64_WATCHPOINTS);
	switch ((int)reg) {
	case SYS_TCR2_EL1: return !(mmfr3 & 15);
	case SYS_PIR_EL1: case SYS_PIRE0_EL1: return !(mmfr3 >> 8 & 15);
	default: return false;
	}
}

static struct row storage_row(enum sysreg reg)
{
	unsigned int encoding = storage[reg].encoding;
	struct row row = { .encoding = (uint16_t)encoding, .reg = (uint16_t)reg, .flags = DATA };

	switch (storage[reg].rule) {
	case ID:
		row.flags = READ_ONLY;
		row.read = id_read;
		break;
	case INVARIANT: case MPIDR: case CLIDR:
		row.flags |= READ_ONLY;
		break;
	case SVE:
		row.flags |= NEEDS_SVE;
		break;
	case PTRAUTH:
		row.flags |= NEEDS_PTRAUTH;
		break;
	case PMU:
		row.flags |= NEEDS_PMU | USER;
		row.read = a64_monitors_read;
		row.write = a64_monitors_write;
		row.allow = (encoding >> 3 & 15) < 12 ? event_allow : pmu_allow;
		break;
	}
	if (reg == SYS_TPIDR_EL0)
		row.flags |= USER;
	if (reg == SYS_TPIDRRO_EL0)
		row.flags |= USER_READ;
	row.flags |= consequences(reg);
	return row;
}

/* Which row: of `special`, or of the list that begins behind it. False: there is no such register at EL1. */
enum { SPECIAL_COUNT = sizeof special / sizeof *special };

static bool row_find(unsigned int encoding, unsigned int *number)
{
	for (*number = 0; *number < SPECIAL_COUNT; ++*number)
		if (special[*number].encoding == encoding)
			return true;
	for (; *number < SPECIAL_COUNT + SYSREG_COUNT; ++*number)
		if (storage[*number - SPECIAL_COUNT].encoding == encoding)
			return (encoding >> 11 & 7) < 4;
	return false;
}

static struct row row_get(unsigned int number)
{
	return number < SPECIAL_COUNT ? special[number] : storage_row((enum sysreg)(number - SPECIAL_COUNT));
}

/* ---- Handlers. ---- */

/* FEAT_IDST: what cannot be read of the feature ID space, op1 0, 1 or 3, CRn 0, CRm 0 ... 7, is trapped, not UNDEFINED. */
static bool id_space(unsigned int encoding)
{
	unsigned int op1 = encoding >> 11 & 7;

	return encoding >> 14 == 3 && (op1 < 2 || op1 == 3) && (encoding >> 6 & 31) == 0;
}

/* Whether the access may go on; if not, the exception is recorded. */
static bool access_check(struct arm64_vcpu *cpu, const struct a64_insn *insn, const struct row *row, bool write)
{
	uint16_t user = write ? USER_WRITE : USER_READ;

	if ((row->flags & READ_ONLY && write) || (row->flags & WRITE_ONLY && !write) ||
	    (row->flags & NEEDS_PMU && !arm64_has(cpu, KVM_ARM_VCPU_PMU_V3)) || (row->flags & NEEDS_SVE && !arm64_has(cpu, KVM_ARM_VCPU_SVE)) ||
	    (row->flags & NEEDS_PTRAUTH && !arm64_has(cpu, KVM_ARM_VCPU_PTRAUTH_ADDRESS)) || (row->flags & DATA && hidden(cpu, (enum sysreg)row->reg)) ||
	    (row->flags & SELECTED && hidden(cpu, a64_monitors_selected(cpu, (enum sysreg)row->reg))) ||
	    (!cpu->el && !(row->flags & user))) {
		if (!write && id_space(row->encoding))
			a64_system_trap(cpu, insn);
		else
			a64_undefined(cpu, insn);
		return false;
	}
	if (!cpu->el && row->allow && !row->allow(cpu, write)) {
		a64_system_trap(cpu, insn);
		return false;
	}
	if (row->flags & NEEDS_SVE && cpu->mode & A64_MODE_SVE_TRAP) {
		a64_exception(cpu, insn, syndrome(EC_SVE, 0));
		return false;
	}
	if (row->flags & NEEDS_FP && cpu->mode & A64_MODE_FP_TRAP) {
		a64_exception(cpu, insn, syndrome(EC_FP, UINT64_C(0x1e) << 20));
		return false;
	}
	return true;
}

/* `imm` is the row's number. */
static __attribute__((noinline)) bool mrs_done(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	struct row row = row_get((unsigned int)insn->imm);

	if (!access_check(cpu, insn, &row, false))
		return false;
	cpu->x[insn->d] = row.read ? row.read(cpu, (enum sysreg)row.reg) : cpu->sys[row.reg];
	return true;
}

HANDLER_IF(mrs, mrs_done(cpu, insn))

/* Ends its block always: rare enough. */
static void msr(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	struct row row = row_get((unsigned int)insn->imm);
	uint64_t value = cpu->x[insn->d];

	if (!access_check(cpu, insn, &row, true))
		return;
	if (row.flags & TRANSLATION && cpu->sys[row.reg] != value)
		a64_tlb_flush(cpu);
	if (row.write)
		row.write(cpu, (enum sysreg)row.reg, value);
	else
		cpu->sys[row.reg] = value;
	if (row.flags & STATE)
		a64_state_changed(cpu);
	a64_done(cpu, insn, row.flags & ATTENTION ? ARM64_STOP_EVENT : ARM64_STOP_NONE);
}

/* Those that are frequent: `imm` is the index into sys[]. */
static void mrs_plain(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->x[insn->d] = cpu->sys[insn->imm];
	a64_next(cpu, insn);
}

static void msr_plain(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->sys[insn->imm] = cpu->x[insn->d];
	a64_next(cpu, insn);
}

/* `imm` is PLACE_*. */
static void mrs_place(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->x[insn->d] = place_read(cpu, (enum sysreg)insn->imm);
	a64_next(cpu, insn);
}

static void msr_place(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	place_write(cpu, (enum sysreg)insn->imm, cpu->x[insn->d]);
	a64_next(cpu, insn);
}

static void mrs_nzcv(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->x[insn->d] = (uint64_t)flags_get(cpu) << 28;
	a64_next(cpu, insn);
}

static void msr_nzcv(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	flags_set(cpu, cpu->x[insn->d] >> 28 & 15);
	a64_next(cpu, insn);
}

static void mrs_daif(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->x[insn->d] = cpu->pstate & PSTATE_DAIF;
	a64_next(cpu, insn);
}

static void msr_daif(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	daif_write(cpu, 0, cpu->x[insn->d]);
	if (unlikely(a64_attention(cpu)))
		a64_done(cpu, insn, ARM64_STOP_EVENT);
	else
		a64_next(cpu, insn);
}

/* The thread's pointer, flags, the interrupt mask; at EL1 what an exception's handler saves, and storage without a say in anything. */
static a64_fn *decode_frequent(const struct a64_decode *decode, struct a64_insn *insn, bool read)
{
	struct row row = row_get((unsigned int)insn->imm);
	bool el1 = decode->mode & A64_MODE_EL1;

	switch (row.encoding) {
	case AT(3, 3, 4, 2, 0):
		return read ? mrs_nzcv : msr_nzcv;
	case AT(3, 3, 4, 2, 1):
		return !el1 ? NULL : read ? mrs_daif : msr_daif;
	case AT(3, 0, 4, 1, 0): case AT(3, 0, 4, 0, 0): case AT(3, 0, 4, 0, 1):
		if (!el1)
			return NULL;
		insn->imm = row.reg;
		return read ? mrs_place : msr_place;
	case AT(3, 0, 2, 0, 3): case AT(3, 0, 10, 2, 2): case AT(3, 0, 10, 2, 3): /* hidden, maybe */
		return NULL;
	}
	if ((row.flags & ~(USER | (read ? READ_ONLY : 0))) != DATA || !(el1 || row.flags & (read ? USER_READ : USER_WRITE)))
		return NULL;
	insn->imm = row.reg;
	return read ? mrs_plain : msr_plain;
}

a64_fn *decode_system_register(struct a64_decode *decode, struct a64_insn *insn)
{
	bool read = bit(insn->word, 21);
	unsigned int number;
	a64_fn *handler;

	insn->d = read ? reg_write(bits(insn->word, 4, 0)) : reg_read(bits(insn->word, 4, 0));
	if (!row_find(system_encoding(insn->word), &number))
		return read && id_space(system_encoding(insn->word)) ? a64_system_trap : NULL;
	insn->imm = number;
	handler = decode_frequent(decode, insn, read);
	if (handler)
		return handler;
	if (read)
		return mrs;
	decode->ends = true;
	return msr;
}
