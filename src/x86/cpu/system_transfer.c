/*
 * The instructions that transfer control between segments, levels and tasks: far JMP, CALL and RET, IRET, INT, and the fast
 * system calls. The transfers themselves are transfer.c's and event.c's.
 */
#include "x86/cpu/system.h"

/*
 * After a transfer: whoever watches IF, TF or RF must look. An exit or exception that came of it stays. RF lasts for one
 * instruction, in which it only matters to breakpoints: without any it is over at once.
 */
static void transferred(struct x86_vcpu *cpu, uint64_t flags_before)
{
	if (!(cpu->debug_dr7 & 0xff) && !(flags_before & FLAG_TF))
		cpu->rflags &= ~(uint64_t)FLAG_RF;
	if (cpu->stop == STOP_NONE && (cpu->rflags & (FLAG_TF | FLAG_RF) || cpu->rflags & ~flags_before & FLAG_IF))
		cpu->stop = STOP_EVENT;
}

/* ---- Far JMP and CALL. ---- */

#define EXTRA_CALL 0x20000u /* in insn->extra, above the selector of a direct transfer */

static void far_transfer(struct x86_vcpu *cpu, const struct insn *insn, uint16_t selector, uint64_t offset)
{
	uint64_t next = insn_end(cpu, insn), flags = cpu->rflags;

	if (insn->extra & EXTRA_CALL ? far_call(cpu, selector, offset, insn->size, next) : far_jump(cpu, selector, offset, insn->size, next))
		transferred(cpu, flags);
}

static void far_direct_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_sync(cpu, insn);
	far_transfer(cpu, insn, (uint16_t)insn->extra, insn->imm);
}

static void far_indirect_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t offset;
	uint16_t selector;

	insn_sync(cpu, insn);
	if (!system_read_far_pointer(cpu, insn, insn->size, &offset, &selector))
		return;
	far_transfer(cpu, insn, selector, offset);
}

bool far_jump_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	if (d->z.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR)
		return false;
	insn->flags |= INSN_ENDS_BLOCK;
	insn->extra = argument ? EXTRA_CALL : 0;
	if (d->op[0].type == ZYDIS_OPERAND_TYPE_POINTER) {
		insn->size = (uint8_t)(d->z.operand_width / 8);
		insn->extra |= d->op[0].ptr.segment;
		insn->imm = d->op[0].ptr.offset;
		insn->run = far_direct_run;
		return true;
	}
	insn->size = (uint8_t)(d->op[0].size / 8 - 2);
	insn->run = far_indirect_run;
	return decode_is_memory(d, 0);
}

/* ---- Far RET, IRET. ---- */

static void far_return_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_sync(cpu, insn);
	far_return(cpu, insn->size, (unsigned int)insn->imm);
}

bool far_return_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	insn->size = (uint8_t)(d->z.operand_width / 8);
	if (d->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		insn->imm = d->op[0].imm.value.u & 0xffff;
	insn->flags |= INSN_ENDS_BLOCK;
	insn->run = far_return_run;
	return d->z.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
}

static void interrupt_return_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t flags = cpu->rflags;

	insn_sync(cpu, insn);
	if (!interrupt_return(cpu, insn->size, insn_end(cpu, insn)))
		return;
	cpu->resume_loaded = true;
	transferred(cpu, flags);
	if (cpu->nmi.masked && cpu->stop == STOP_NONE)
		cpu->stop = STOP_EVENT;
	cpu->nmi.masked = false;
}

bool interrupt_return_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)d;
	insn->size = (uint8_t)argument;
	insn->flags |= INSN_ENDS_BLOCK;
	insn->run = interrupt_return_run;
	return true;
}

/* ---- INT n, INT3, INTO, INT1. ---- */

static void software_interrupt(struct x86_vcpu *cpu, const struct insn *insn, enum event_type type, uint8_t vector)
{
	uint64_t flags = cpu->rflags;

	cpu->trap_suppressed = true; /* delivery clears TF before a single-step trap could come (SDM Vol. 3B, 17.3.1.4) */
	if (event_deliver(cpu, type, vector, false, 0, insn_end(cpu, insn)))
		transferred(cpu, flags);
}

/*
 * INT n in virtual-8086 mode with CR4.VME: the TSS has a bit for each vector, before its I/O bitmap; a clear one leads to the
 * 8086 program's own handler (SDM Vol. 3B, 20.3). `*own`: that one. False: the read faulted.
 */
static bool redirection_read(struct x86_vcpu *cpu, uint8_t vector, bool *own)
{
	const struct kvm_segment *tss = &cpu->seg[TR];
	uint16_t map;
	uint8_t bits;

	*own = false;
	if (!(cpu->cr4 & CR4_VME) || !(tss->type & 8) || tss->limit < 0x67)
		return true;
	if (!mem_read_system(cpu, tss->base + 0x66, &map, 2))
		return false;
	if (map < 32 || (uint32_t)map - 32 + vector / 8 > tss->limit)
		return true;
	if (!mem_read_system(cpu, tss->base + map - 32 + vector / 8, &bits, 1))
		return false;
	*own = !(bits >> vector % 8 & 1);
	return true;
}

/* The 8086 program's handler, without leaving virtual-8086 mode. Below IOPL 3 it sees VIF as its IF. */
static void redirected_interrupt(struct x86_vcpu *cpu, const struct insn *insn, uint8_t vector)
{
	struct stack stack = stack_current(cpu);
	uint64_t flags = flags_get(cpu), image = flags;
	bool virtual = flags_iopl(cpu) < 3;
	uint16_t entry[2];

	if (virtual)
		image = (flags & ~(uint64_t)FLAG_IF) | (flags & FLAG_VIF ? FLAG_IF : 0) | FLAG_IOPL;
	/* The table at linear address 0 is the program's: read with its rights. */
	if (!mem_read_privilege(cpu, (uint64_t)vector * 4, entry, 4, true) || !stack_push(cpu, &stack, image & 0xffff, 2) ||
	    !stack_push(cpu, &stack, cpu->seg[CS].selector, 2) || !stack_push(cpu, &stack, insn_end(cpu, insn), 2))
		return;
	stack_commit(cpu, &stack, false);
	flags_set(cpu, flags & ~(uint64_t)((virtual ? FLAG_VIF : FLAG_IF) | FLAG_TF));
	segment_load_real(cpu, CS, entry[1]);
	cpu->rip = entry[0];
	transferred(cpu, flags);
}

static void interrupt_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint8_t vector = (uint8_t)insn->imm;
	bool own;

	insn_sync(cpu, insn);
	if (cpu->mode & MODE_VM86) {
		if (!redirection_read(cpu, vector, &own))
			return;
		if (own) {
			redirected_interrupt(cpu, insn, vector);
			return;
		}
		if (flags_iopl(cpu) < 3) {
			insn_fault_code(cpu, insn, VECTOR_GP, 0);
			return;
		}
	}
	software_interrupt(cpu, insn, EVENT_SOFTWARE, vector);
}

/* INT3: the debugger's breakpoint when it asked for them (api.rst, KVM_GUESTDBG_USE_SW_BP), else the guest's. */
static void breakpoint_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	struct kvm_run *run = cpu->vcpu.run;

	insn_sync(cpu, insn);
	if (!(cpu->guest_debug.control & KVM_GUESTDBG_ENABLE && cpu->guest_debug.control & KVM_GUESTDBG_USE_SW_BP)) {
		software_interrupt(cpu, insn, EVENT_SOFTWARE, VECTOR_BP);
		return;
	}
	run->exit_reason = KVM_EXIT_DEBUG;
	run->debug.arch.exception = VECTOR_BP;
	run->debug.arch.pc = linear_rip(cpu);
	cpu->stop = STOP_DEBUG;
}

static void overflow_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_sync(cpu, insn);
	if (flags_get(cpu) & FLAG_OF)
		software_interrupt(cpu, insn, EVENT_SOFTWARE, VECTOR_OF);
	else
		insn_done(cpu, insn, STOP_NONE);
}

/* INT1: a #DB trap as hardware makes it, whatever the gate's privilege level. DR6 does not tell of it. */
static void debug_trap_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_sync(cpu, insn);
	software_interrupt(cpu, insn, EVENT_EXCEPTION, VECTOR_DB);
}

bool interrupt_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	static insn_fn *const run[] = { [INTERRUPT_N] = interrupt_run, [INTERRUPT_3] = breakpoint_run, [INTERRUPT_O] = overflow_run,
					[INTERRUPT_1] = debug_trap_run };

	if (argument == INTERRUPT_N)
		insn->imm = d->op[0].imm.value.u & 0xff;
	insn->flags |= INSN_ENDS_BLOCK;
	insn->run = run[argument];
	return true;
}

/* ---- SYSCALL, SYSRET, SYSENTER, SYSEXIT: segments by definition, not from tables. ---- */

static void flat_segments_set(struct x86_vcpu *cpu, uint16_t code, uint16_t stack, unsigned int level, bool code64)
{
	struct kvm_segment flat = { .limit = UINT32_MAX, .present = 1, .s = 1, .g = 1, .dpl = (uint8_t)level };

	cpu->seg[CS] = flat;
	cpu->seg[CS].selector = (uint16_t)((code & ~3u) | level);
	cpu->seg[CS].type = 11;
	cpu->seg[CS].l = code64;
	cpu->seg[CS].db = !code64;
	cpu->seg[SS] = flat;
	cpu->seg[SS].selector = (uint16_t)((stack & ~3u) | level);
	cpu->seg[SS].type = 3;
	cpu->seg[SS].db = 1;
	cpu_state_changed(cpu, false);
}

/* SYSCALL and SYSRET exist where EFER says so; outside of 64-bit mode only on AMD processors. */
static bool syscall_exists(const struct x86_vcpu *cpu)
{
	return cpu->efer & EFER_SCE && (mode_is_code64(cpu) || (mode_is_protected(cpu) && !cpu_is_intel(cpu)));
}

void syscall_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint16_t selector = (uint16_t)(cpu->star >> 32);
	uint64_t flags = flags_get(cpu), next = insn_end(cpu, insn);
	bool code64 = mode_is_code64(cpu);

	insn_sync(cpu, insn);
	if (!syscall_exists(cpu)) {
		insn_fault(cpu, insn, VECTOR_UD);
		return;
	}
	cpu->gpr[RCX] = next;
	if (cpu->mode & MODE_LONG) {
		cpu->gpr[R11] = flags & ~(uint64_t)FLAG_RF;
		cpu->rip = code64 ? cpu->lstar : cpu->cstar;
		flags_set(cpu, (flags & ~cpu->sfmask & ~(uint64_t)FLAG_RF) | 2);
	} else {
		cpu->rip = (uint32_t)cpu->star;
		flags_set(cpu, flags & ~(uint64_t)(FLAG_IF | FLAG_RF | FLAG_VM));
	}
	flat_segments_set(cpu, selector, (uint16_t)(selector + 8), 0, cpu->mode & MODE_LONG);
	transferred(cpu, flags);
}

void sysret_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint16_t selector = (uint16_t)(cpu->star >> 48);
	uint64_t flags = flags_get(cpu), target = cpu->gpr[RCX];
	bool code64 = insn->size == 8;

	insn_sync(cpu, insn);
	if (!syscall_exists(cpu)) {
		insn_fault(cpu, insn, VECTOR_UD);
		return;
	}
	if (!privilege_check(cpu, insn))
		return;
	/* Intel faults here, at level 0; AMD at the target, at level 3. */
	if (code64 && !address_canonical(cpu, target) && cpu_is_intel(cpu)) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	if (cpu->mode & MODE_LONG)
		flags_set(cpu, (cpu->gpr[R11] & 0x3c7fd7) | 2);
	else
		flags_set(cpu, flags | FLAG_IF);
	cpu->rip = code64 ? target : (uint32_t)target;
	flat_segments_set(cpu, (uint16_t)(selector + (code64 ? 16 : 0)), (uint16_t)(selector + 8), 3, code64);
	transferred(cpu, flags);
}

/* On AMD processors SYSENTER and SYSEXIT are for legacy mode only. */
static bool sysenter_check(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_sync(cpu, insn);
	if (cpu->mode & MODE_LONG && !cpu_is_intel(cpu)) {
		insn_fault(cpu, insn, VECTOR_UD);
		return false;
	}
	if (cpu->mode & MODE_REAL || !(cpu->sysenter_cs & 0xfffc)) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return false;
	}
	return true;
}

void sysenter_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint16_t selector = (uint16_t)cpu->sysenter_cs;
	uint64_t flags = flags_get(cpu);
	bool wide = cpu->mode & MODE_LONG;

	if (!sysenter_check(cpu, insn))
		return;
	flags_set(cpu, flags & ~(uint64_t)(FLAG_VM | FLAG_IF | FLAG_RF));
	flat_segments_set(cpu, selector, (uint16_t)((selector & ~3u) + 8), 0, wide);
	cpu->gpr[RSP] = wide ? cpu->sysenter_esp : (uint32_t)cpu->sysenter_esp;
	cpu->rip = wide ? cpu->sysenter_eip : (uint32_t)cpu->sysenter_eip;
	transferred(cpu, flags);
}

void sysexit_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t rip = cpu->gpr[RDX], rsp = cpu->gpr[RCX];
	uint16_t selector = (uint16_t)(cpu->sysenter_cs & ~3u);
	bool code64 = insn->size == 8;

	if (!sysenter_check(cpu, insn) || !privilege_check(cpu, insn))
		return;
	if (code64 && (!address_canonical(cpu, rip) || !address_canonical(cpu, rsp))) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	cpu->rip = code64 ? rip : (uint32_t)rip;
	cpu->gpr[RSP] = code64 ? rsp : (uint32_t)rsp;
	flat_segments_set(cpu, (uint16_t)(selector + (code64 ? 32 : 16)), (uint16_t)(selector + (code64 ? 40 : 24)), 3, code64);
}
