/*
 * KVM_RUN: finish what the last exit left over, take what is due, run the guest, describe the exit. What a single instruction does is cpu/'s
 * business. Documentation/virt/kvm/api.rst, 4.10, 5 and 8.5.
 */
#include <errno.h>
#include <string.h>

#include "arm64/cpu/exec.h"
#include "arm64/cpu/monitors.h"
#include "arm64/firmware.h"
#include "core/clock.h"
#include "core/user.h"
#include "core/why.h"

/* What the outer loop does next. */
enum next { NEXT_GO_ON, NEXT_EXIT /* KVM_RUN returns 0 */, NEXT_INTERRUPTED /* EINTR */, NEXT_AT_ONCE /* the same; exit_reason stays what it was */, NEXT_ERROR, NEXT_WAIT };

#define POLL_NS 1000000 /* between two looks at a timer that has fired and was told, but may change */

/* ---- Timers: their interrupts are the program's to deliver (api.rst 8.5, KVM_CAP_ARM_USER_IRQ). ---- */

static bool timer_level(const struct arm64_vcpu *cpu, unsigned int timer)
{
	return (cpu->timer[timer].ctl & (TIMER_ENABLE | TIMER_IMASK)) == TIMER_ENABLE && arm64_timer_fires(cpu, timer);
}

static uint64_t device_levels(struct arm64_vcpu *cpu)
{
	return (timer_level(cpu, 0) ? KVM_ARM_DEV_EL1_VTIMER : 0) | (timer_level(cpu, 1) ? KVM_ARM_DEV_EL1_PTIMER : 0) |
	       (a64_monitors_line(cpu) ? KVM_ARM_DEV_PMU : 0);
}

/* Whether the program has another idea of the timers' and the PMU's lines than is true. */
static bool levels_changed(struct arm64_vcpu *cpu)
{
	uint64_t told = cpu->vcpu.run->s.regs.device_irq_level & (KVM_ARM_DEV_EL1_VTIMER | KVM_ARM_DEV_EL1_PTIMER | KVM_ARM_DEV_PMU);

	return told != device_levels(cpu);
}

/* When the interpreter has to come back for a timer, or a counter that overflows. */
static uint64_t deadline(struct arm64_vcpu *cpu)
{
	uint64_t at = arm64_timer_deadline(cpu), wait = a64_monitors_wait(cpu), now;

	if (at == UINT64_MAX && wait == UINT64_MAX)
		return at;
	now = monotonic_ns();
	if (wait < UINT64_MAX - now && now + wait < at)
		at = now + wait;
	return at > now ? at : now + POLL_NS;
}

/* ---- Finishing the last exit. ---- */

/* The load's register gets what the program answered; PC moves on. */
static void mmio_complete(struct arm64_vcpu *cpu)
{
	unsigned int size = cpu->mmio.size, shift = 64 - 8 * size;
	uint64_t value = 0;

	cpu->mmio.pending = false;
	if (!cpu->mmio.write) {
		memcpy(&value, cpu->vcpu.run->mmio.data, size);
		if (cpu->mmio.sign)
			value = (uint64_t)((int64_t)(value << shift) >> shift);
		cpu->x[cpu->mmio.rt] = cpu->mmio.wide ? value : (uint32_t)value;
	}
	cpu->pc += 4;
	if (cpu->step_active) {
		cpu->step_active = false;
		if (a64_debug_choose(cpu))
			a64_debug_after(cpu);
	}
}

/* ---- Running. ---- */

static void call(struct arm64_vcpu *cpu)
{
	/* SMC's PC is moved here, so that for the program both are alike. */
	if (cpu->exception.syndrome >> ESR_EC_SHIFT == EC_SMC)
		cpu->pc += 4;
	cpu->stop = smccc_call(cpu) == FIRMWARE_EXIT ? ARM64_STOP_EXIT : ARM64_STOP_EVENT;
}

/* KVM has the processor step: where the guest is told of a step that was not made, the saved state shows it. */
static void step_show(struct arm64_vcpu *cpu)
{
	if (a64_debug_steps(cpu))
		cpu->spsr[KVM_SPSR_EL1] |= PSTATE_SS;
}

/* KVM_SET_VCPU_EVENTS' ext_dabt_pending: a synchronous external abort in place of the instruction, MMIO if the program was asked for that. */
static void external_abort_take(struct arm64_vcpu *cpu)
{
	cpu->external_abort_pending = false;
	cpu->mmio.pending = false;
	a64_exception_raise(cpu, syndrome(cpu->el ? EC_DATA_SAME : EC_DATA_LOWER, 0x10), true, cpu->left_far);
	a64_exception_take(cpu);
	step_show(cpu);
	cpu->stop = ARM64_STOP_NONE;
	if (a64_debug_steps(cpu))
		a64_debug_after(cpu);
}

/* One instruction with everything that watches it; cpu->stop says what came of it. */
static void step_watched(struct arm64_vcpu *cpu)
{
	if (!a64_debug_before(cpu))
		return;
	cpu->step_active = true;
	a64_cpu_step(cpu);
	if (cpu->stop == ARM64_STOP_CALL)
		call(cpu);
	if (cpu->stop == ARM64_STOP_EXIT || cpu->stop == ARM64_STOP_ERROR)
		return; /* MMIO, say: the instruction is not over */
	if (cpu->stop == ARM64_STOP_EXCEPTION) {
		bool over = cpu->exception.syndrome >> ESR_EC_SHIFT == EC_SVC; /* it returns behind itself: it has been stepped over */

		if (over)
			cpu->pstate &= ~PSTATE_SS;
		a64_exception_take(cpu);
		if (!over)
			step_show(cpu);
	}
	cpu->step_active = false;
	cpu->stop = ARM64_STOP_NONE;
	a64_debug_after(cpu);
}

/* Everything between two looks at requests: returns when something must be decided outside. */
static enum next guest_go(struct arm64_vcpu *cpu)
{
	uint64_t until = deadline(cpu);
	bool careful, look; /* at what may have changed meanwhile: not behind each exception */

	for (;;) {
		careful = false;
		look = true;
		switch ((enum arm64_stop)cpu->stop) {
		case ARM64_STOP_NONE:
		case ARM64_STOP_EVENT:
			break;
		case ARM64_STOP_CAREFUL:
			careful = true;
			look = false;
			break;
		case ARM64_STOP_EXCEPTION:
			a64_exception_take(cpu);
			look = false;
			break;
		case ARM64_STOP_WAIT:
			cpu->stop = ARM64_STOP_NONE;
			return NEXT_WAIT;
		case ARM64_STOP_CALL:
			call(cpu);
			if (cpu->stop == ARM64_STOP_EXIT)
				continue;
			cpu->stop = ARM64_STOP_NONE;
			if (__atomic_load_n(&cpu->mp_state, __ATOMIC_RELAXED) != KVM_MP_STATE_RUNNABLE)
				return NEXT_GO_ON;
			break;
		case ARM64_STOP_EXIT:
			cpu->stop = ARM64_STOP_NONE;
			return NEXT_EXIT;
		case ARM64_STOP_ERROR:
			cpu->stop = ARM64_STOP_NONE;
			return NEXT_ERROR;
		}
		cpu->stop = ARM64_STOP_NONE;
		if (atomic_load_explicit(&cpu->vcpu.kick.request, memory_order_relaxed))
			return NEXT_GO_ON;
		if (look) {
			if (levels_changed(cpu))
				return NEXT_INTERRUPTED;
			if (a64_interrupt_take(cpu) && a64_debug_steps(cpu)) { /* the step ends at the vector */
				step_show(cpu);
				a64_debug_after(cpu);
				continue;
			}
			until = deadline(cpu);
		}
		if (a64_debug_choose(cpu))
			step_watched(cpu);
		else if (careful)
			a64_cpu_step(cpu);
		else
			a64_cpu_execute(cpu, until);
	}
}

/* In the guest, with the memory standing still and holes in it survivable. */
static enum next guest_enter(struct arm64_vcpu *cpu)
{
	struct fault_guard guard = { .covers = slots_cover, .context = cpu };
	enum next next;

	vcpu_guest_enter(&cpu->vcpu);
	if (vcpu_translations_stale(&cpu->vcpu))
		a64_tlb_flush(cpu);
	if (sigsetjmp(guard.resume, 0))
		a64_host_fault(cpu); /* the guard has been popped */
	fault_guard_push(&guard);
	next = guest_go(cpu);
	fault_guard_pop(&guard);
	vcpu_guest_leave(&cpu->vcpu);
	return next;
}

static bool wakes(struct arm64_vcpu *cpu)
{
	return a64_interrupt_pending(cpu) || device_levels(cpu);
}

/* For as long as nothing is asked of the vCPU: then KVM too lets WFI end. */
void arm64_wait(struct arm64_vcpu *cpu)
{
	stats_count(&cpu->stats_values[ARM64_STAT_WFI_EXITS]);
	a64_monitors_leave(cpu);
	while (!wakes(cpu) && !atomic_load(&cpu->vcpu.kick.request))
		kick_wait(&cpu->vcpu.kick, arm64_timer_deadline(cpu));
	a64_monitors_enter(cpu);
}

/* PSCI's CPU_ON of this vCPU by another one. */
void arm64_power_on(struct arm64_vcpu *cpu)
{
	if (!__atomic_load_n(&cpu->power_on.pending, __ATOMIC_SEQ_CST))
		return;
	pthread_mutex_lock(&cpu->vcpu.vm->lock);
	if (cpu->power_on.pending) {
		arm64_vcpu_reset(cpu);
		cpu->pc = cpu->power_on.pc;
		cpu->x[0] = cpu->power_on.x0;
		cpu->power_on.pending = false;
		a64_state_changed(cpu);
		a64_tlb_flush(cpu);
	}
	pthread_mutex_unlock(&cpu->vcpu.vm->lock);
}

/* KVM_MP_STATE_SUSPENDED: waits as WFI does, and tells what woke it; the state stays until the program changes it (api.rst 4.38). */
static enum next suspended(struct arm64_vcpu *cpu)
{
	struct kvm_run *run = cpu->vcpu.run;

	if (!wakes(cpu)) {
		kick_wait(&cpu->vcpu.kick, arm64_timer_deadline(cpu));
		return NEXT_GO_ON;
	}
	memset(&run->system_event, 0, sizeof run->system_event);
	run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
	run->system_event.type = KVM_SYSTEM_EVENT_WAKEUP;
	return NEXT_EXIT;
}

/* A state that no vCPU here can be in: AArch32, or another exception level. */
static bool state_bad(const struct arm64_vcpu *cpu)
{
	unsigned int mode = cpu->pstate & PSTATE_MODE;

	return mode != PSTATE_EL0T && mode != PSTATE_EL1T && mode != PSTATE_EL1H;
}

static enum next state_refuse(struct arm64_vcpu *cpu)
{
	cpu->vcpu.run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	cpu->vcpu.run->fail_entry.hardware_entry_failure_reason = 0;
	cpu->stop_error = why(EINVAL, "pstate 0x%llx: not a state of AArch64's EL0 or EL1", (unsigned long long)cpu->pstate);
	return NEXT_ERROR;
}

static enum next run_loop(struct arm64_vcpu *cpu)
{
	enum next next;

	for (;;) {
		if (!vcpu_requests_take(&cpu->vcpu))
			return NEXT_INTERRUPTED;
		arm64_power_on(cpu);
		switch (__atomic_load_n(&cpu->mp_state, __ATOMIC_SEQ_CST)) {
		case KVM_MP_STATE_STOPPED:
			kick_wait(&cpu->vcpu.kick, UINT64_MAX);
			continue;
		case KVM_MP_STATE_SUSPENDED:
			next = suspended(cpu);
			if (next != NEXT_GO_ON)
				return next;
			continue;
		}
		if (state_bad(cpu))
			return state_refuse(cpu);
		next = guest_enter(cpu);
		if (next == NEXT_WAIT)
			arm64_wait(cpu);
		else if (next != NEXT_GO_ON)
			return next;
	}
}

/* ---- The call. ---- */

/* Without an interrupt controller in KVM the guest is not to see the GIC's system registers. */
static void first_run(struct arm64_vcpu *cpu)
{
	struct arm64_vm *vm = arm64_vm(cpu);

	if (cpu->ran)
		return;
	pthread_mutex_lock(&vm->vm.lock);
	if (!atomic_exchange(&vm->ran, true)) {
		vm->id[SYS_ID_AA64PFR0_EL1 - SYS_ID_PFR0_EL1] &= ~(UINT64_C(15) << 24);
		vm->id[SYS_ID_PFR1_EL1 - SYS_ID_PFR0_EL1] &= ~(UINT64_C(15) << 28);
	}
	pthread_mutex_unlock(&vm->vm.lock);
	cpu->ran = true;
}

static enum next run_prepared(struct arm64_vcpu *cpu)
{
	struct kvm_run *run = cpu->vcpu.run;
	enum next next;

	cpu->stop = ARM64_STOP_NONE;
	a64_registers_changed(cpu);
	if (cpu->mmio.pending && !cpu->external_abort_pending)
		mmio_complete(cpu);
	if (cpu->stop == ARM64_STOP_EXIT) { /* the step that began before the exit */
		cpu->stop = ARM64_STOP_NONE;
		return NEXT_EXIT;
	}
	cpu->step_active = false;
	if (run->immediate_exit)
		return NEXT_AT_ONCE;
	cpu->monitor.open = false; /* the guest is entered as if by ERET */
	if (cpu->external_abort_pending)
		external_abort_take(cpu);
	if (cpu->stop == ARM64_STOP_EXIT) { /* the step ends at the vector */
		cpu->stop = ARM64_STOP_NONE;
		return NEXT_EXIT;
	}
	a64_debug_enter(cpu);
	a64_monitors_enter(cpu);
	next = run_loop(cpu);
	a64_monitors_leave(cpu);
	if (next == NEXT_INTERRUPTED)
		run->exit_reason = KVM_EXIT_INTR;
	return next;
}

/* The way out of every run: what KVM stores whatever the result. */
static long run_finish(struct arm64_vcpu *cpu, enum next next)
{
	cpu->vcpu.run->s.regs.device_irq_level = device_levels(cpu);
	switch (next) {
	case NEXT_EXIT:
		return 0;
	case NEXT_INTERRUPTED:
	case NEXT_AT_ONCE:
		return -EINTR;
	default:
		return -cpu->stop_error;
	}
}

static void run_count(struct arm64_vcpu *cpu, long result)
{
	stats_count(&cpu->stats_values[ARM64_STAT_EXITS]);
	if (result == -EINTR)
		stats_count(&cpu->stats_values[ARM64_STAT_SIGNAL_EXITS]);
	if (!result && cpu->vcpu.run->exit_reason == KVM_EXIT_MMIO)
		stats_count(&cpu->stats_values[ARM64_STAT_MMIO_EXITS]);
	stats_publish(&cpu->vcpu.stats);
}

long arm64_vcpu_run(struct vcpu *vcpu)
{
	struct arm64_vcpu *cpu = arm64_vcpu(vcpu);
	long result;

	arm64_pvtime_update(cpu);
	result = a64_cpu_prepare(cpu);
	if (!result) {
		first_run(cpu);
		result = run_finish(cpu, run_prepared(cpu));
	}
	run_count(cpu, result);
	return result;
}
