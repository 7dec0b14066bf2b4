/*
 * Self-hosted debug (D2) and KVM's (api.rst, KVM_SET_GUEST_DEBUG): breakpoints, watchpoints, software step. While any is in force the run loop
 * executes instructions one by one; otherwise none of this costs anything.
 */
#include "arm64/cpu/exec.h"
#include "arm64/ioctl.h"
#include "arm64/cpu/private.h"
#include "arm64/cpu/walk.h"

#define MDSCR_SS (UINT64_C(1) << 0)
#define MDSCR_KDE (UINT64_C(1) << 13)
#define MDSCR_MDE (UINT64_C(1) << 15)
#define OSLSR_OSLK (UINT64_C(1) << 1)

#define ISS_EX (UINT64_C(1) << 6)
#define CONTROL_E 1
#define CONTROL_WT (UINT64_C(1) << 20) /* of a watchpoint: it is linked */
enum { BT_ADDRESS, BT_ADDRESS_LINKED, BT_CONTEXT, BT_CONTEXT_LINKED }; /* DBGBCR<n>_EL1.BT */

/* While the program debugs in whatever way, debug exceptions are its: even those of the guest's own registers (MDCR_EL2.TDE), but not software step. */
static bool debugger_there(const struct arm64_vcpu *cpu)
{
	return cpu->guest_debug.control & KVM_GUESTDBG_ENABLE;
}

static bool debugger_has_registers(const struct arm64_vcpu *cpu)
{
	return debugger_there(cpu) && cpu->guest_debug.control & KVM_GUESTDBG_USE_HW;
}

bool a64_debug_steps(const struct arm64_vcpu *cpu)
{
	return debugger_there(cpu) && cpu->guest_debug.control & KVM_GUESTDBG_SINGLESTEP;
}

/* The registers in force, number by number: the debugger's take the place of the guest's. */
struct pair {
	uint64_t control, value;
};

/* DBGBVR0_EL1 ... : four registers a number, the first two of which stand apart in the list. */
static enum sysreg debug_register(unsigned int number, enum sysreg of_0, enum sysreg of_2)
{
	unsigned int each = SYS_DBGBVR1_EL1 - SYS_DBGBVR0_EL1;

	return (enum sysreg)(number < 2 ? of_0 + number * each : of_2 + (number - 2) * each);
}

static struct pair breakpoint(const struct arm64_vcpu *cpu, unsigned int number)
{
	if (debugger_has_registers(cpu))
		return (struct pair){ cpu->guest_debug.arch.dbg_bcr[number], cpu->guest_debug.arch.dbg_bvr[number] };
	return (struct pair){ cpu->sys[debug_register(number, SYS_DBGBCR0_EL1, SYS_DBGBCR2_EL1)],
			      cpu->sys[debug_register(number, SYS_DBGBVR0_EL1, SYS_DBGBVR2_EL1)] };
}

static struct pair watchpoint(const struct arm64_vcpu *cpu, unsigned int number)
{
	if (debugger_has_registers(cpu))
		return (struct pair){ cpu->guest_debug.arch.dbg_wcr[number], cpu->guest_debug.arch.dbg_wvr[number] };
	return (struct pair){ cpu->sys[debug_register(number, SYS_DBGWCR0_EL1, SYS_DBGWCR2_EL1)],
			      cpu->sys[debug_register(number, SYS_DBGWVR0_EL1, SYS_DBGWVR2_EL1)] };
}

bool a64_debug_enabled(const struct arm64_vcpu *cpu, unsigned int el, bool masked)
{
	if (cpu->sys[SYS_OSLSR_EL1] & OSLSR_OSLK)
		return false;
	return el == 0 || (cpu->sys[SYS_MDSCR_EL1] & MDSCR_KDE && !masked);
}

static bool software_step(const struct arm64_vcpu *cpu)
{
	return cpu->sys[SYS_MDSCR_EL1] & MDSCR_SS && !debugger_there(cpu) && a64_debug_enabled(cpu, cpu->el, cpu->pstate & PSTATE_D);
}

static bool registers_enabled(const struct arm64_vcpu *cpu)
{
	if (debugger_has_registers(cpu))
		return true;
	if (debugger_there(cpu))
		return cpu->sys[SYS_MDSCR_EL1] & MDSCR_MDE && !(cpu->sys[SYS_OSLSR_EL1] & OSLSR_OSLK);
	return cpu->sys[SYS_MDSCR_EL1] & MDSCR_MDE && a64_debug_enabled(cpu, cpu->el, cpu->pstate & PSTATE_D);
}

bool a64_debug_choose(struct arm64_vcpu *cpu)
{
	struct a64_blocks *own = cpu->blocks;
	bool any = false;

	own->watches_guest = own->watches_debugger = false;
	if (registers_enabled(cpu)) {
		for (unsigned int i = 0; i < ARM64_BREAKPOINTS; i++)
			any = any || breakpoint(cpu, i).control & CONTROL_E;
		for (unsigned int i = 0; i < ARM64_WATCHPOINTS; i++)
			any = any || watchpoint(cpu, i).control & CONTROL_E;
		own->watches_debugger = any && debugger_there(cpu);
		own->watches_guest = any && !debugger_there(cpu);
	}
	return any || a64_debug_steps(cpu) || software_step(cpu);
}

/* PMC, PAC: which exception levels. */
static bool level_matches(const struct arm64_vcpu *cpu, uint64_t control)
{
	return control >> (cpu->el ? 1 : 2) & 1;
}

void a64_debug_exit(struct arm64_vcpu *cpu, uint64_t esr, uint64_t far)
{
	struct kvm_run *run = cpu->vcpu.run;

	run->exit_reason = KVM_EXIT_DEBUG;
	memset(&run->debug, 0, sizeof run->debug);
	run->debug.arch.hsr = (uint32_t)esr;
	run->debug.arch.hsr_high = (uint32_t)(esr >> 32);
	run->debug.arch.far = far;
	cpu->stop = ARM64_STOP_EXIT;
}

/* To the debugger as from a lower exception level; to the guest by its own. */
static void hit(struct arm64_vcpu *cpu, unsigned int ec_lower, uint64_t iss, bool has_far, uint64_t far, bool debugger)
{
	if (debugger)
		a64_debug_exit(cpu, syndrome(ec_lower, iss), has_far ? far : 0);
	else
		a64_exception_raise(cpu, syndrome(ec_lower + (cpu->el != 0), iss), has_far, far);
}

/* Whether that breakpoint is in force, of that type, and CONTEXTIDR_EL1 is what it waits for. */
static bool context_matches(const struct arm64_vcpu *cpu, unsigned int number, unsigned int type)
{
	struct pair pair = breakpoint(cpu, number);

	return number < ARM64_BREAKPOINTS && number >= ARM64_BREAKPOINTS - ARM64_CONTEXT_BREAKPOINTS && pair.control & CONTROL_E &&
	       (pair.control >> 20 & 15) == type && (uint32_t)pair.value == (uint32_t)cpu->sys[SYS_CONTEXTIDR_EL1];
}

/* LBN, of breakpoints and watchpoints alike. */
static bool link_matches(const struct arm64_vcpu *cpu, uint64_t control)
{
	return context_matches(cpu, control >> 16 & 15, BT_CONTEXT_LINKED);
}

static bool breakpoint_here(const struct arm64_vcpu *cpu)
{
	for (unsigned int i = 0; i < ARM64_BREAKPOINTS; i++) {
		struct pair pair = breakpoint(cpu, i);
		bool here = !((pair.value ^ cpu->pc) & UINT64_C(0x1fffffffffffc)); /* BAS is RES1 on A64 */

		if (!(pair.control & CONTROL_E) || !level_matches(cpu, pair.control))
			continue;
		switch (pair.control >> 20 & 15) {
		case BT_ADDRESS:
			break;
		case BT_ADDRESS_LINKED:
			here = here && link_matches(cpu, pair.control);
			break;
		case BT_CONTEXT:
			here = context_matches(cpu, i, BT_CONTEXT);
			break;
		default: /* links to something else are nothing by themselves */
			here = false;
			break;
		}
		if (here)
			return true;
	}
	return false;
}

bool a64_debug_before(struct arm64_vcpu *cpu)
{
	struct a64_blocks *own = cpu->blocks;

	own->stepping = software_step(cpu);
	/* Active-pending: the step is over before it begins (D2.11.3). */
	if (own->stepping && !(cpu->pstate & PSTATE_SS)) {
		/* ISV: an instruction was stepped; EX: which one. */
		hit(cpu, EC_STEP_LOWER, FSC_DEBUG | (own->stepped ? ESR_ISV : 0) | (own->stepped_exclusive ? ISS_EX : 0), false, 0, false);
		own->stepped = own->stepped_exclusive = false;
		return false;
	}
	if ((own->watches_guest || own->watches_debugger) && breakpoint_here(cpu)) {
		hit(cpu, EC_BREAKPOINT_LOWER, FSC_DEBUG, false, 0, own->watches_debugger);
		return false;
	}
	return true;
}

void a64_debug_enter(struct arm64_vcpu *cpu)
{
	if (!debugger_there(cpu) && !software_step(cpu))
		cpu->pstate &= ~PSTATE_SS;
}

/* LDXR, LDXP and their acquiring forms. */
static bool load_exclusive(uint32_t word)
{
	return (word & 0x3fc00000) == 0x08400000;
}

void a64_debug_after(struct arm64_vcpu *cpu)
{
	struct a64_blocks *own = cpu->blocks;

	if (own->stepping)
		cpu->pstate &= ~PSTATE_SS;
	own->stepped = own->stepping;
	own->stepped_exclusive = own->stepping && load_exclusive(own->scratch[0].word);
	own->stepping = false;
	if (a64_debug_steps(cpu))
		a64_debug_exit(cpu, syndrome(EC_STEP_LOWER, FSC_DEBUG), 0);
}

bool a64_watchpoint_check(struct arm64_vcpu *cpu, uint64_t address, unsigned int size, bool write)
{
	struct a64_blocks *own = cpu->blocks;

	if (likely(!own->watches_guest && !own->watches_debugger))
		return true;
	for (unsigned int i = 0; i < ARM64_WATCHPOINTS; i++) {
		struct pair pair = watchpoint(cpu, i);
		unsigned int mask = pair.control >> 24 & 31, bas = pair.control >> 5 & 0xff;
		uint64_t from = pair.value & UINT64_C(0x1fffffffffffc), length;
		bool matches = false;

		if (!(pair.control & CONTROL_E) || !level_matches(cpu, pair.control) || !(pair.control >> (write ? 4 : 3) & 1) ||
		    (pair.control & CONTROL_WT && !link_matches(cpu, pair.control)))
			continue;
		if (mask >= 3) {
			length = UINT64_C(1) << mask;
			from &= ~(length - 1);
			matches = ((address & UINT64_C(0x1ffffffffffff)) - from < length) || from - (address & UINT64_C(0x1ffffffffffff)) < size;
		} else {
			for (unsigned int byte = 0; byte < 8; byte++)
				matches = matches || (bas >> byte & 1 && from + byte - (address & UINT64_C(0x1ffffffffffff)) < size);
		}
		if (matches) {
			hit(cpu, EC_WATCHPOINT_LOWER, FSC_DEBUG | (write ? 1u << 6 : 0), true, address, own->watches_debugger);
			return false;
		}
	}
	return true;
}
