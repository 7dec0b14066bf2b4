/*
 * KVM_RUN: finish what the last exit left over, deliver what is due, run the guest, describe the exit. What a single
 * instruction does is cpu/'s business. Documentation/virt/kvm/api.rst, 4.10 and 5.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "core/user.h"
#include "core/why.h"
#include "x86/cpu/exec.h"
#include "x86/cpu/flags.h"
#include "x86/cpu/insn.h"
#include "x86/cpu/io.h"
#include "x86/cpu/mem.h"
#include "x86/cpu/native.h"
#include "x86/cpu/segment.h"
#include "x86/irqchip.h"
#include "x86/pv.h"
#include "x86/xen/hypercall.h"

/* What the outer loop does next. */
enum next { NEXT_GO_ON, NEXT_EXIT /* KVM_RUN returns 0 */, NEXT_INTERRUPTED /* EINTR */, NEXT_ERROR };

static enum next triple_fault(struct x86_vcpu *cpu);
static bool window_exit_due(const struct x86_vcpu *cpu);

/* ---- Exits. ---- */

static enum next exit_to_user(struct x86_vcpu *cpu, uint32_t reason)
{
	cpu->vcpu.run->exit_reason = reason;
	return NEXT_EXIT;
}

/* KVM_EXIT_INTERNAL_ERROR with the instruction bytes: api.rst, KVM_CAP_EXIT_ON_EMULATION_FAILURE's layout. */
void internal_error_emulation(struct x86_vcpu *cpu)
{
	struct kvm_run *run = cpu->vcpu.run;
	uint32_t stop = cpu->stop;
	uint8_t bytes[15];
	unsigned int count;
	bool pending = cpu->exception.pending;

	memset(bytes, 0, sizeof bytes);
	count = cpu->fetching_outside ? 0 : mem_fetch(cpu, (cpu->mode & MODE_CODE_MASK) == MODE_CODE64 ? cpu->rip : (uint32_t)(cpu->seg[CS].base + cpu->rip),
						       bytes, sizeof bytes, 0);
	cpu->exception.pending = pending;
	cpu->stop = stop;
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	memset(&run->emulation_failure, 0, sizeof run->emulation_failure);
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	/* Six words: the flags, size and bytes of the instruction among them. */
	run->emulation_failure.ndata = 6;
	if (count) {
		run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
		run->emulation_failure.insn_size = (uint8_t)count;
		memcpy(run->emulation_failure.insn_bytes, bytes, sizeof bytes);
	}
}

void fetch_outside_raise(struct x86_vcpu *cpu, uint64_t gpa)
{
	(void)gpa;
	/* Where KVM's emulator gives up, the guest gets #UD, unless the program wants to hear of it; of the kernel's code it hears anyhow. */
	if (!x86_vm(cpu)->exit_on_emulation_failure) {
		exception_raise(cpu, VECTOR_UD, false, 0);
		if (cpu->cpl != 0)
			return;
	}
	cpu->fetching_outside = true;
	internal_error_emulation(cpu);
	cpu->fetching_outside = false;
	cpu->stop = STOP_EXIT;
}

/* What KVM tells with every return: api.rst, struct kvm_run's out fields. */
static void run_fields_store(struct x86_vcpu *cpu)
{
	struct kvm_run *run = cpu->vcpu.run;

	run->if_flag = (flags_get(cpu) & FLAG_IF) != 0;
	run->flags = cpu->in_smm ? KVM_RUN_X86_SMM : 0;
	run->cr8 = cr8_read(cpu);
	run->apic_base = cpu->apic_base;
	/* With the PICs in the kernel the program need not ask (golden: ready=1). */
	run->ready_for_interrupt_injection = x86_vm(cpu)->irqchip == IRQCHIP_KERNEL || interrupt_window_open(cpu);
}

bool interrupt_window_open(const struct x86_vcpu *cpu)
{
	/* The program's PIC, when the APIC is not the program's: one at a time, through LINT0. */
	if (cpu->lapic && (cpu->external_pending || !lapic_takes_pic(cpu)))
		return false;
	return flags_get(cpu) & FLAG_IF && !cpu->interrupt_shadow && !cpu->interrupt.injected && !cpu->exception.pending;
}

/* ---- Finishing the last exit. ---- */

static void mmio_write_tell(struct x86_vcpu *cpu)
{
	const struct mmio_fragment *fragment = &cpu->mmio_write[cpu->mmio_write_told];
	struct kvm_run *run = cpu->vcpu.run;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = fragment->gpa;
	run->mmio.len = fragment->size;
	run->mmio.is_write = 1;
	memset(run->mmio.data, 0, sizeof run->mmio.data);
	memcpy(run->mmio.data, fragment->data, fragment->size);
	cpu->completion = COMPLETE_MMIO;
}

/* What has been written and does not find its end inside is told, one exit each: false when nothing is left. */
static bool mmio_writes_tell(struct x86_vcpu *cpu)
{
	for (; cpu->mmio_write_told < cpu->mmio_write_count; cpu->mmio_write_told++) {
		const struct mmio_fragment *fragment = &cpu->mmio_write[cpu->mmio_write_told];

		if (!vm_io_write(cpu->vcpu.vm, IO_MEMORY, fragment->gpa, fragment->size, fragment->data)) {
			mmio_write_tell(cpu);
			return true;
		}
	}
	cpu->mmio_write_count = cpu->mmio_write_told = 0;
	return false;
}

static void mmio_forget(struct x86_vcpu *cpu)
{
	cpu->mmio_count = cpu->mmio_done = cpu->mmio_cursor = 0;
	cpu->mmio_write_count = cpu->mmio_write_told = 0;
}

/* Executes the instruction at RIP alone and says what its end means. */
static enum next step_careful(struct x86_vcpu *cpu)
{
	cpu->mmio_cursor = 0;
	cpu->mmio_write_count = cpu->mmio_write_told = 0;
	cpu->stop = STOP_NONE;
	cpu_step(cpu);
	split_unlock(cpu);
	if (cpu->stop == STOP_EXIT) {
		cpu->stop = STOP_NONE;
		return NEXT_EXIT; /* of an MMIO read, say: what was read so far is kept for the next try */
	}
	cpu->mmio_count = cpu->mmio_done = cpu->mmio_cursor = 0;
	if (cpu->stop == STOP_EXCEPTION || cpu->stop == STOP_ERROR)
		cpu->mmio_write_count = 0;
	return mmio_writes_tell(cpu) ? NEXT_EXIT : NEXT_GO_ON;
}

static enum next complete_mmio(struct x86_vcpu *cpu)
{
	struct mmio_fragment *fragment;

	if (cpu->mmio_write_count) {
		cpu->mmio_write_told++;
		if (mmio_writes_tell(cpu))
			return NEXT_EXIT;
		mmio_forget(cpu);
		return NEXT_GO_ON;
	}
	fragment = &cpu->mmio[cpu->mmio_done++];
	memcpy(fragment->data, cpu->vcpu.run->mmio.data, fragment->size);
	return step_careful(cpu);
}

static enum next complete(struct x86_vcpu *cpu)
{
	enum completion completion = cpu->completion;

	cpu->completion = COMPLETE_NONE;
	switch (completion) {
	case COMPLETE_MMIO:
		return complete_mmio(cpu);
	case COMPLETE_IN:
	case COMPLETE_OUT:
		io_complete(cpu);
		if (mmio_writes_tell(cpu)) /* INS to MMIO */
			return NEXT_EXIT;
		break;
	case COMPLETE_RDMSR:
	case COMPLETE_WRMSR:
		msr_exit_complete(cpu, completion == COMPLETE_WRMSR);
		break;
	case COMPLETE_HYPERCALL:
		hypercall_complete(cpu);
		break;
	case COMPLETE_XEN:
		xen_hypercall_complete(cpu);
		break;
	case COMPLETE_NONE:
		break;
	}
	return cpu->stop == STOP_EXIT ? NEXT_EXIT : NEXT_GO_ON;
}

/* ---- Debugging: SDM Vol. 3B, 17.2 and 17.3; api.rst, KVM_SET_GUEST_DEBUG. ---- */

static bool debugger_steps(const struct x86_vcpu *cpu)
{
	return cpu->guest_debug.control & KVM_GUESTDBG_SINGLESTEP && !cpu->step_lost;
}

static bool debugger_has_registers(const struct x86_vcpu *cpu)
{
	return cpu->guest_debug.control & KVM_GUESTDBG_USE_HW_BP;
}

/* Which breakpoints are in force. */
static void breakpoints_choose(struct x86_vcpu *cpu)
{
	if (debugger_has_registers(cpu)) {
		memcpy(cpu->debug_dr, cpu->guest_debug.arch.debugreg, sizeof cpu->debug_dr);
		cpu->debug_dr7 = cpu->guest_debug.arch.debugreg[7];
	} else {
		memcpy(cpu->debug_dr, cpu->dr, sizeof cpu->debug_dr);
		cpu->debug_dr7 = cpu->dr7;
	}
}

static enum next debug_exit(struct x86_vcpu *cpu, uint32_t exception, uint64_t dr6)
{
	struct kvm_run *run = cpu->vcpu.run;

	run->debug.arch.exception = exception;
	run->debug.arch.pad = 0;
	run->debug.arch.pc = linear_rip(cpu);
	run->debug.arch.dr6 = dr6;
	run->debug.arch.dr7 = debugger_has_registers(cpu) ? cpu->guest_debug.arch.debugreg[7] : cpu->dr7;
	return exit_to_user(cpu, KVM_EXIT_DEBUG);
}

/* Instruction breakpoints at RIP: the B0 ... B3 bits that match. */
static uint64_t breakpoint_here(const struct x86_vcpu *cpu)
{
	uint64_t at = linear_rip(cpu), hit = 0;

	for (unsigned int i = 0; i < 4; i++)
		if (cpu->debug_dr7 >> (2 * i) & 3 && (cpu->debug_dr7 >> (16 + 4 * i) & 3) == 0 && cpu->debug_dr[i] == at)
			hit |= UINT64_C(1) << i;
	return hit;
}

#define DR6_FIXED UINT64_C(0xffff0ff0)
#define DR6_BS (UINT64_C(1) << 14)
#define DR7_GD (UINT64_C(1) << 13)

/* #DB for the guest: DR6 gathers, GD is cleared. */
static void debug_exception(struct x86_vcpu *cpu, uint64_t bits)
{
	cpu->dr6 = (cpu->dr6 & ~UINT64_C(0xf)) | bits | DR6_FIXED;
	cpu->dr7 &= ~DR7_GD;
	exception_raise(cpu, VECTOR_DB, false, 0);
}

/* What happens before and after each instruction when anything watches. */
static bool watched(const struct x86_vcpu *cpu)
{
	return debugger_steps(cpu) || cpu->rflags & FLAG_TF || cpu->debug_dr7 & 0xff;
}

/* The instruction is over: single-step and data breakpoints trap behind it. */
static enum next step_finish(struct x86_vcpu *cpu)
{
	uint64_t bits = cpu->debug_hit;
	bool trap = cpu->step_trap && !cpu->trap_suppressed;

	cpu->step_open = false;
	cpu->debug_hit = 0;
	/* RF lasts for one instruction, but not for the one that loads it (SDM Vol. 3B, 17.3.1.1). */
	if (!cpu->resume_loaded)
		cpu->rflags &= ~(uint64_t)FLAG_RF;
	if (debugger_steps(cpu))
		return debug_exit(cpu, VECTOR_DB, DR6_FIXED | DR6_BS | (debugger_has_registers(cpu) ? bits : 0));
	if (bits && debugger_has_registers(cpu))
		return debug_exit(cpu, VECTOR_DB, bits | DR6_FIXED);
	if (trap)
		bits |= DR6_BS;
	if (bits)
		debug_exception(cpu, bits);
	return NEXT_GO_ON;
}

/* One instruction with everything that watches it. */
static enum next step_watched(struct x86_vcpu *cpu)
{
	uint64_t hit = cpu->rflags & FLAG_RF ? 0 : breakpoint_here(cpu);
	enum next next;

	if (hit && debugger_has_registers(cpu))
		return debug_exit(cpu, VECTOR_DB, hit | DR6_FIXED);
	if (hit) {
		debug_exception(cpu, hit);
		return NEXT_GO_ON;
	}
	cpu->debug_hit = 0;
	cpu->trap_suppressed = false;
	cpu->resume_loaded = false;
	/* TF as it was before the instruction decides; an exit in the middle leaves the step open until the next KVM_RUN. */
	cpu->step_trap = cpu->rflags & FLAG_TF;
	cpu->step_open = true;
	next = step_careful(cpu);
	if (next != NEXT_GO_ON)
		return next;
	if (cpu->stop == STOP_NONE || cpu->stop == STOP_EVENT || cpu->stop == STOP_HALT) {
		enum cpu_stop stop = cpu->stop;

		next = step_finish(cpu);
		if (cpu->stop == STOP_NONE)
			cpu->stop = stop;
		return next;
	}
	cpu->step_open = false;
	return NEXT_GO_ON;
}

/* ---- Events. ---- */

/* Tables or stack of a delivery that are not memory: KVM_INTERNAL_ERROR_DELIVERY_EV, with the event as VMX names it (SDM Vol. 3C, 25.9.3). */
static void delivery_error(struct x86_vcpu *cpu, enum event_type type, uint8_t vector)
{
	static const uint8_t types[] = { [EVENT_EXCEPTION] = 3, [EVENT_EXTERNAL] = 0, [EVENT_NMI] = 2, [EVENT_SOFTWARE] = 4 };
	struct kvm_run *run = cpu->vcpu.run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	run->internal.ndata = 1;
	run->internal.data[0] = UINT32_C(1) << 31 | (uint32_t)types[type] << 8 | vector;
	cpu->stop = STOP_EXIT;
}

/* Delivers; cpu->stop says what else came of it (an exit, an error, a triple fault, the debug trap of a task). */
static void deliver(struct x86_vcpu *cpu, enum event_type type, uint8_t vector, bool has_error_code, uint32_t error_code)
{
	if (!event_deliver(cpu, type, vector, has_error_code, error_code, cpu->rip) && cpu->stop == STOP_CAREFUL)
		delivery_error(cpu, type, vector);
}

static void exception_deliver(struct x86_vcpu *cpu)
{
	if (cpu->exception.has_payload && cpu->exception.pending) {
		if (cpu->exception.nr == VECTOR_PF)
			cpu->cr2 = cpu->exception.payload;
		else if (cpu->exception.nr == VECTOR_DB)
			cpu->dr6 = (cpu->dr6 & ~UINT64_C(0xf)) | cpu->exception.payload | DR6_FIXED;
	}
	cpu->exception.pending = cpu->exception.injected = cpu->exception.has_payload = false;
	deliver(cpu, EVENT_EXCEPTION, cpu->exception.nr, cpu->exception.has_error_code, cpu->exception.error_code);
}

static void nmi_deliver(struct x86_vcpu *cpu)
{
	cpu->nmi.masked = true;
	deliver(cpu, EVENT_NMI, VECTOR_NMI, false, 0);
}

/* Whether there is an interrupt that does not come through the local APIC's IRR: Xen's upcall, or from a PIC. */
static bool external_pending(struct x86_vcpu *cpu)
{
	if (xen_upcall_pending(cpu))
		return true;
	if (!lapic_takes_pic(cpu))
		return false;
	return cpu->external_pending || (x86_vm(cpu)->pics && pics_output(x86_vm(cpu)->pics));
}

static uint8_t external_accept(struct x86_vcpu *cpu)
{
	/* That is a level: the guest clears it. */
	if (xen_upcall_pending(cpu))
		return atomic_load(&x86_vm(cpu)->xen.upcall_vector);
	if (!cpu->external_pending)
		return pics_acknowledge(x86_vm(cpu)->pics);
	cpu->external_pending = false;
	return cpu->external_vector;
}

/* One interrupt, if one may be taken now: a PIC's first. */
static void hardware_interrupt_deliver(struct x86_vcpu *cpu)
{
	int vector;

	if (external_pending(cpu)) {
		vector = external_accept(cpu);
	} else {
		vector = lapic_interrupt_pending(cpu);
		if (vector < 0)
			return;
		lapic_interrupt_accept(cpu, (uint8_t)vector);
	}
	deliver(cpu, EVENT_EXTERNAL, (uint8_t)vector, false, 0);
}

/* Delivers what is due, in KVM's order: what was under way first, then new exceptions, NMIs and interrupts. */
static void events_deliver(struct x86_vcpu *cpu)
{
	pv_eoi_look(cpu);
	if (cpu->exception.pending || cpu->exception.injected)
		exception_deliver(cpu);
	else if (cpu->nmi.injected) {
		cpu->nmi.injected = false;
		nmi_deliver(cpu);
	} else if (cpu->interrupt.injected) {
		cpu->interrupt.injected = false;
		deliver(cpu, EVENT_EXTERNAL, cpu->interrupt.nr, false, 0);
	}
	if (cpu->stop != STOP_NONE || cpu->interrupt_shadow)
		return;
	if (cpu->guest_debug.control & KVM_GUESTDBG_BLOCKIRQ)
		return;
	if (cpu->nmi.pending && !cpu->nmi.masked) {
		cpu->nmi.pending--;
		nmi_deliver(cpu);
	} else if (cpu->lapic && flags_get(cpu) & FLAG_IF) {
		hardware_interrupt_deliver(cpu);
	}
}

/* Whether HLT ends. */
static bool wakes(struct x86_vcpu *cpu)
{
	return cpu->exception.pending || cpu->exception.injected || cpu->nmi.injected || cpu->interrupt.injected ||
	       (cpu->nmi.pending && !cpu->nmi.masked) || cpu->triple_fault_pending ||
	       cpu->pv_unhalted || atomic_load(&cpu->xen.pending_selector) ||
	       (flags_get(cpu) & FLAG_IF && cpu->lapic && (external_pending(cpu) || lapic_interrupt_pending(cpu) >= 0));
}

/* The same from outside the guest: it is looked at in the guest's memory, too. */
static bool halt_guarded(struct x86_vcpu *cpu)
{
	bool ends;

	vcpu_guest_enter(&cpu->vcpu);
	ends = wakes(cpu);
	vcpu_guest_leave(&cpu->vcpu);
	return ends;
}

/* ---- States in which the vCPU does not run: api.rst, KVM_GET_MP_STATE. ---- */

static bool runnable(struct x86_vcpu *cpu)
{
	mp_state_apply_events(cpu); /* INIT and SIPI from other vCPUs */
	if (cpu->mp_state == KVM_MP_STATE_HALTED && (halt_guarded(cpu) || (cpu->xen.polling && xen_poll_over(cpu)))) {
		cpu->mp_state = KVM_MP_STATE_RUNNABLE;
		xen_poll_end(cpu);
		cpu->pv_unhalted = false;
	}
	return cpu->mp_state == KVM_MP_STATE_RUNNABLE;
}

/* ---- Running. ---- */

/* Everything between two looks at signals: returns when something must be decided outside. */
static enum next guest_go(struct x86_vcpu *cpu)
{
	enum next next;

	for (;;) {
		switch (cpu->stop) {
		case STOP_NONE:
		case STOP_EVENT:
		case STOP_EXCEPTION:
			cpu->stop = STOP_NONE;
			events_deliver(cpu);
			if (cpu->stop != STOP_NONE)
				continue;
			pv_eoi_offer(cpu);
			break;
		case STOP_CAREFUL:
			break;
		case STOP_HALT:
			cpu->stop = STOP_NONE;
			if (!cpu->lapic && !(x86_vm(cpu)->disabled_exits & KVM_X86_DISABLE_EXITS_HLT))
				return exit_to_user(cpu, KVM_EXIT_HLT);
			cpu->mp_state = KVM_MP_STATE_HALTED;
			return NEXT_GO_ON;
		case STOP_EXIT:
		case STOP_DEBUG:
			cpu->stop = STOP_NONE;
			return NEXT_EXIT;
		case STOP_ERROR:
			cpu->stop = STOP_NONE;
			return NEXT_ERROR;
		case STOP_TRIPLE_FAULT:
			cpu->stop = STOP_NONE;
			return triple_fault(cpu);
		}
		if (atomic_load_explicit(&cpu->vcpu.kick.request, memory_order_relaxed))
			return NEXT_GO_ON;
		if (x86_vm(cpu)->irqchip != IRQCHIP_KERNEL && window_exit_due(cpu))
			return exit_to_user(cpu, KVM_EXIT_IRQ_WINDOW_OPEN);
		if (cpu->interrupt_shadow || watched(cpu)) {
			uint8_t shadow = cpu->interrupt_shadow;

			/* The shadow lasts for one instruction; a new one may begin in it. */
			cpu->interrupt_shadow = 0;
			next = watched(cpu) ? step_watched(cpu) : step_careful(cpu);
			if (next == NEXT_EXIT && cpu->completion != COMPLETE_NONE)
				cpu->interrupt_shadow = shadow; /* not over yet */
			if (next != NEXT_GO_ON)
				return next;
		} else if (cpu->stop == STOP_CAREFUL) {
			next = step_careful(cpu);
			if (next != NEXT_GO_ON)
				return next;
		} else {
			cpu_execute(cpu);
		}
	}
}

/* A guest that has shut down: AMD's KVM resets the vCPU as INIT does (x86-behaviour: KVM_EXIT_SHUTDOWN). */
static enum next triple_fault(struct x86_vcpu *cpu)
{
	cpu->triple_fault_pending = false;
	x86_vcpu_reset(cpu, true);
	return exit_to_user(cpu, KVM_EXIT_SHUTDOWN);
}

/*
 * What no processor enters: a code segment that is 64-bit (L) and 32-bit (D) at once (APM Vol. 2, 15.5.1, canonicalization and consistency
 * checks). KVM_SET_SREGS lets it through; all else that those checks refuse it refuses itself.
 */
static bool entry_invalid(const struct x86_vcpu *cpu)
{
	return cpu->efer & EFER_LMA && cpu->seg[CS].l && cpu->seg[CS].db;
}

static enum next entry_fail(struct x86_vcpu *cpu)
{
	struct kvm_run *run = cpu->vcpu.run;

	run->fail_entry.hardware_entry_failure_reason = UINT32_MAX; /* VMEXIT_INVALID, as KVM keeps it: 32 bits of -1 */
	run->fail_entry.cpu = (uint32_t)sched_getcpu();
	return exit_to_user(cpu, KVM_EXIT_FAIL_ENTRY);
}

static bool window_exit_due(const struct x86_vcpu *cpu)
{
	return cpu->vcpu.run->request_interrupt_window && interrupt_window_open(cpu);
}

/* Inline: every exit passes here twice. */
static inline void guest_prepare(struct x86_vcpu *cpu)
{
	vcpu_guest_enter(&cpu->vcpu);
	if (vcpu_translations_stale(&cpu->vcpu))
		tlb_flush(cpu);
	breakpoints_choose(cpu);
}

/* In the guest, with the memory standing still and holes in it survivable. */
static enum next guest_enter(struct x86_vcpu *cpu)
{
	struct fault_guard guard = { .covers = slots_cover, .interrupted = native_interrupted, .context = cpu };
	enum next next;

	guest_prepare(cpu);
	if (sigsetjmp(guard.resume, 0))
		cpu_host_fault(cpu); /* the guard has been popped */
	fault_guard_push(&guard);
	pv_enter(cpu);
	fpu_enter(cpu);
	next = guest_go(cpu);
	fpu_leave(cpu);
	pv_eoi_look(cpu);
	fault_guard_pop(&guard);
	vcpu_guest_leave(&cpu->vcpu);
	return next;
}

/* The program's I/O APIC hears of the end of a level-triggered interrupt: KVM_CAP_SPLIT_IRQCHIP. */
static enum next ended_exit(struct x86_vcpu *cpu)
{
	cpu->ended_exit = false;
	cpu->vcpu.run->eoi.vector = cpu->ended_vector;
	return exit_to_user(cpu, KVM_EXIT_IOAPIC_EOI);
}

/* When to look again although nobody has called. */
static uint64_t wake_time(const struct x86_vcpu *cpu)
{
	uint64_t timer = lapic_timer_target(cpu), poll = xen_poll_deadline(cpu);

	return timer < poll ? timer : poll;
}

/* A poll does not outlast KVM_RUN. */
static void poll_interrupt(struct x86_vcpu *cpu)
{
	if (!cpu->xen.polling)
		return;
	xen_poll_end(cpu);
	if (cpu->mp_state == KVM_MP_STATE_HALTED)
		cpu->mp_state = KVM_MP_STATE_RUNNABLE;
}

static enum next run_loop(struct x86_vcpu *cpu)
{
	enum next next;

	for (;;) {
		if (!vcpu_requests_take(&cpu->vcpu))
			return NEXT_INTERRUPTED;
		if (cpu->triple_fault_pending)
			return triple_fault(cpu);
		if (cpu->ended_exit)
			return ended_exit(cpu);
		lapic_timer_check(cpu);
		if (!runnable(cpu)) {
			kick_wait(&cpu->vcpu.kick, wake_time(cpu));
			cpu->steal_due = true;
			continue;
		}
		if (entry_invalid(cpu))
			return entry_fail(cpu);
		next = guest_enter(cpu);
		if (next != NEXT_GO_ON)
			return next;
	}
}

/* What the last exit left, in the guest's memory and mode: same precautions as running. */
static enum next complete_guarded(struct x86_vcpu *cpu)
{
	struct fault_guard guard = { .covers = slots_cover, .interrupted = native_interrupted, .context = cpu };
	enum next next;

	if (cpu->completion == COMPLETE_NONE)
		return NEXT_GO_ON;
	guest_prepare(cpu);
	if (sigsetjmp(guard.resume, 0)) {
		cpu_host_fault(cpu);
		next = NEXT_GO_ON;
	} else {
		fault_guard_push(&guard);
		fpu_enter(cpu);
		next = complete(cpu);
		if (next == NEXT_GO_ON && cpu->step_open && cpu->stop == STOP_NONE)
			next = step_finish(cpu);
		fpu_leave(cpu);
		fault_guard_pop(&guard);
	}
	vcpu_guest_leave(&cpu->vcpu);
	return next;
}

/* The way out of every run: what KVM stores whatever the result. */
static long run_finish(struct x86_vcpu *cpu, enum next next)
{
	run_fields_store(cpu);
	sync_regs_store(cpu);
	switch (next) {
	case NEXT_EXIT:
		return 0;
	case NEXT_INTERRUPTED:
		return -EINTR;
	default:
		return -cpu->stop_error;
	}
}

static enum next run_prepared(struct x86_vcpu *cpu)
{
	struct kvm_run *run = cpu->vcpu.run;
	enum next next;
	int error;

	/* An AP that was never started waits before anything is looked at; the kernel answers EINTR or EAGAIN. */
	if (cpu->mp_state == KVM_MP_STATE_UNINITIALIZED) {
		if (run->immediate_exit)
			return NEXT_INTERRUPTED;
		while (!runnable(cpu)) {
			kick_wait(&cpu->vcpu.kick, UINT64_MAX);
			if (!vcpu_requests_take(&cpu->vcpu)) { /* before the look at what was asked */
				run->exit_reason = KVM_EXIT_INTR;
				return NEXT_INTERRUPTED;
			}
		}
	}
	error = sync_regs_load(cpu);
	if (!error && !cpu->lapic && run->cr8 != cr8_read(cpu) && !cr8_write(cpu, run->cr8))
		error = why(-EINVAL, "kvm_run.cr8: 0x%llx has reserved bits", (unsigned long long)run->cr8);
	if (error) {
		cpu->stop_error = -error;
		return NEXT_ERROR;
	}
	next = complete_guarded(cpu);
	if (next != NEXT_GO_ON)
		return next;
	if (run->immediate_exit)
		return NEXT_INTERRUPTED;
	cpu->ran = true;
	cpu->steal_due = true;
	next = run_loop(cpu);
	poll_interrupt(cpu);
	if (next == NEXT_INTERRUPTED)
		run->exit_reason = KVM_EXIT_INTR;
	return next;
}

static void run_count(struct x86_vcpu *cpu, long result)
{
	stats_count(&cpu->stats_values[VCPU_STAT_EXITS]);
	if (result == -EINTR)
		stats_count(&cpu->stats_values[VCPU_STAT_SIGNAL_EXITS]);
	if (!result) {
		switch (cpu->vcpu.run->exit_reason) {
		case KVM_EXIT_IO: stats_count(&cpu->stats_values[VCPU_STAT_IO_EXITS]); break;
		case KVM_EXIT_MMIO: stats_count(&cpu->stats_values[VCPU_STAT_MMIO_EXITS]); break;
		case KVM_EXIT_IRQ_WINDOW_OPEN: stats_count(&cpu->stats_values[VCPU_STAT_IRQ_WINDOW_EXITS]); break;
		}
	}
	stats_publish(&cpu->vcpu.stats);
}

long x86_vcpu_run(struct vcpu *vcpu)
{
	struct x86_vcpu *cpu = x86_vcpu(vcpu);
	long result = cpu_prepare(cpu);

	if (!result)
		result = run_finish(cpu, run_prepared(cpu));
	run_count(cpu, result);
	return result;
}
