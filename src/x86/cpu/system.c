/*
 * System instructions: the table of all of them, and those that are a few lines: flags and halting, caches, extended state
 * keys. What each other group does is in system_segment.c, system_control.c, system_msr.c, system_transfer.c, io.c and
 * hypercall.c.
 */
#include "x86/cpu/system.h"

bool cpu_is_intel(const struct x86_vcpu *cpu)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(cpu, 0, 0);

	return entry && entry->ebx == 0x756e6547; /* "Genu" */
}

uint64_t rip_behind(const struct x86_vcpu *cpu, unsigned int length)
{
	uint64_t rip = cpu->rip + length;

	if (mode_is_code64(cpu))
		return rip;
	return mode_is_protected(cpu) ? rip & UINT32_MAX : rip & UINT16_MAX;
}

/* ---- Operands. ---- */

void system_decode_rm(const struct decoder *d, struct insn *insn, unsigned int operand)
{
	insn->size = (uint8_t)(d->op[operand].size / 8);
	if (decode_is_memory(d, operand))
		insn->extra |= EXTRA_MEMORY;
	else
		insn->reg = decode_gpr(d->op[operand].reg.value);
}

bool system_read_rm16(struct x86_vcpu *cpu, const struct insn *insn, uint16_t *value)
{
	if (insn->extra & EXTRA_MEMORY)
		return mem_read(cpu, insn, insn_linear(cpu, insn, 2, ACCESS_READ), value, 2);
	*value = (uint16_t)cpu->gpr[insn->reg];
	return true;
}

bool system_write_rm(struct x86_vcpu *cpu, const struct insn *insn, uint64_t value)
{
	if (insn->extra & EXTRA_MEMORY)
		return mem_write(cpu, insn, insn_linear(cpu, insn, 2, ACCESS_WRITE), &value, 2);
	register_set(cpu, insn->reg, insn->size, value);
	return true;
}

bool system_read_far_pointer(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, uint64_t *offset, uint16_t *selector)
{
	struct insn second = *insn;

	/* Two accesses, each aligned for itself; only the addresses may come from the copy. */
	second.disp += size;
	*offset = 0;
	return mem_read(cpu, insn, insn_linear(cpu, insn, size, ACCESS_READ), offset, size) &&
	       mem_read(cpu, insn, insn_linear(cpu, &second, 2, ACCESS_READ), selector, 2);
}

/* ---- Interrupt flag and halting. ---- */

/*
 * CLI and STI below the I/O privilege level act on VIF where virtual interrupts are on: in virtual-8086 mode with CR4.VME, at
 * CPL 3 with CR4.PVI (SDM Vol. 3B, 20.3 and 20.4).
 */
static bool interrupts_virtual(const struct x86_vcpu *cpu)
{
	return cpu->cpl == 3 && cpu->cr4 & (cpu->mode & MODE_VM86 ? CR4_VME : CR4_PVI);
}

static void cli_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (likely(cpu->cpl <= flags_iopl(cpu))) {
		cpu->rflags &= ~(uint64_t)FLAG_IF;
	} else if (interrupts_virtual(cpu)) {
		cpu->rflags &= ~(uint64_t)FLAG_VIF;
	} else {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	insn_next(cpu, insn);
}

static void sti_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_sync(cpu, insn);
	if (likely(cpu->cpl <= flags_iopl(cpu))) {
		/* Nothing interrupts between STI and the instruction behind it. */
		if (!(cpu->rflags & FLAG_IF))
			cpu->interrupt_shadow = KVM_X86_SHADOW_INT_STI;
		cpu->rflags |= FLAG_IF;
	} else if (interrupts_virtual(cpu) && !(cpu->rflags & FLAG_VIP)) {
		cpu->rflags |= FLAG_VIF;
	} else {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	insn_done(cpu, insn, STOP_EVENT);
}

static void halt_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (privilege_check(cpu, insn))
		insn_done(cpu, insn, STOP_HALT);
}

/* ---- Nothing to do but to be allowed. ---- */

/* INVD, WBINVD: there are no caches. */
static void cache_flush_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (privilege_check(cpu, insn))
		insn_next(cpu, insn);
}

/*
 * MONITOR and MWAIT. KVM takes them as NOPs even where CPUID does not have them, unless that quirk is disabled
 * (api.rst, KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS); no extension is known, so that ECX must be 0.
 */
static void monitor_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	bool quirk = !(x86_vm(cpu)->disabled_quirks & KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS);

	if (cpu->cpl != 0 || (!quirk && !cpuid_has(cpu, 1, 0, RCX, 3)))
		insn_fault(cpu, insn, VECTOR_UD);
	else if (cpu->gpr[RCX] & UINT32_MAX)
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
	else
		insn_next(cpu, insn);
}

/* ---- SMAP and protection keys. ---- */

static void alignment_flag_set(struct x86_vcpu *cpu, const struct insn *insn, bool value)
{
	if (cpu->cpl != 0) {
		insn_fault(cpu, insn, VECTOR_UD);
		return;
	}
	cpu->rflags = value ? cpu->rflags | FLAG_AC : cpu->rflags & ~(uint64_t)FLAG_AC;
	cpu_state_changed(cpu, false);
	insn_done(cpu, insn, STOP_NONE);
}

static void stac_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	alignment_flag_set(cpu, insn, true);
}

static void clac_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	alignment_flag_set(cpu, insn, false);
}

static void pkru_read_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (!(cpu->cr4 & CR4_PKE)) {
		insn_fault(cpu, insn, VECTOR_UD);
		return;
	}
	if (cpu->gpr[RCX] & UINT32_MAX) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	edx_eax_set(cpu, cpu->xsave.pkru);
	insn_next(cpu, insn);
}

static void pkru_write_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (!(cpu->cr4 & CR4_PKE)) {
		insn_fault(cpu, insn, VECTOR_UD);
		return;
	}
	if ((cpu->gpr[RCX] | cpu->gpr[RDX]) & UINT32_MAX) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	cpu->xsave.pkru = (uint32_t)cpu->gpr[RAX];
	tlb_flush(cpu); /* translations have the rights in them */
	insn_done(cpu, insn, STOP_NONE);
}

/* ---- The table. ---- */

/* Instructions without operands to decode. */
enum plain {
	PLAIN_CLI, PLAIN_STI, PLAIN_HLT, PLAIN_CACHE, PLAIN_MONITOR, PLAIN_STAC, PLAIN_CLAC, PLAIN_RDPKRU, PLAIN_WRPKRU,
	PLAIN_RDMSR, PLAIN_WRMSR, PLAIN_RDTSC, PLAIN_RDTSCP, PLAIN_RDPMC, PLAIN_CPUID, PLAIN_XSETBV, PLAIN_VMCALL, PLAIN_VMMCALL,
	PLAIN_CLTS, PLAIN_SWAPGS, PLAIN_SYSCALL, PLAIN_SYSRET, PLAIN_SYSENTER, PLAIN_SYSEXIT,
};

/* Whether the guest's CPUID has the instruction. It stays what it is while code runs (api.rst, KVM_SET_CPUID2). */
static bool plain_exists(const struct x86_vcpu *cpu, enum plain which)
{
	switch (which) {
	case PLAIN_STAC:
	case PLAIN_CLAC:
		return cpuid_has(cpu, 7, 0, RBX, 20);
	case PLAIN_RDTSCP:
		return cpuid_has(cpu, 0x80000001, 0, RDX, 27);
	default:
		return true;
	}
}

static bool plain_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	static const struct {
		insn_fn *run;
		uint16_t flags;
	} plain[] = {
		[PLAIN_CLI] = { cli_run, 0 },
		[PLAIN_STI] = { sti_run, INSN_ENDS_BLOCK },
		[PLAIN_HLT] = { halt_run, INSN_ENDS_BLOCK },
		[PLAIN_CACHE] = { cache_flush_run, 0 },
		[PLAIN_MONITOR] = { monitor_run, 0 },
		[PLAIN_STAC] = { stac_run, INSN_ENDS_BLOCK },
		[PLAIN_CLAC] = { clac_run, INSN_ENDS_BLOCK },
		[PLAIN_RDPKRU] = { pkru_read_run, 0 },
		[PLAIN_WRPKRU] = { pkru_write_run, INSN_ENDS_BLOCK },
		[PLAIN_RDMSR] = { msr_read_run, 0 },
		[PLAIN_WRMSR] = { msr_write_run, INSN_ENDS_BLOCK },
		[PLAIN_RDTSC] = { tsc_read_run, 0 },
		[PLAIN_RDTSCP] = { tsc_read_pid_run, 0 },
		[PLAIN_RDPMC] = { counter_read_run, 0 },
		[PLAIN_CPUID] = { cpuid_run, 0 },
		[PLAIN_XSETBV] = { xcr_write_run, INSN_ENDS_BLOCK },
		[PLAIN_VMCALL] = { vmcall_run, INSN_ENDS_BLOCK },
		[PLAIN_VMMCALL] = { vmmcall_run, INSN_ENDS_BLOCK },
		[PLAIN_CLTS] = { task_switched_clear_run, INSN_ENDS_BLOCK },
		[PLAIN_SWAPGS] = { gs_swap_run, 0 },
		[PLAIN_SYSCALL] = { syscall_run, INSN_ENDS_BLOCK },
		[PLAIN_SYSRET] = { sysret_run, INSN_ENDS_BLOCK },
		[PLAIN_SYSENTER] = { sysenter_run, INSN_ENDS_BLOCK },
		[PLAIN_SYSEXIT] = { sysexit_run, INSN_ENDS_BLOCK },
	};

	insn->run = plain[argument].run;
	insn->flags |= plain[argument].flags;
	return plain_exists(d->cpu, argument);
}

/* MOV to and from segment, control and debug registers; other MOVs are integer instructions. */
static bool move_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (!decode_is_register(d, i))
			continue;
		switch (ZydisRegisterGetClass(d->op[i].reg.value)) {
		case ZYDIS_REGCLASS_SEGMENT:
			return segment_move_decode(d, insn, argument);
		case ZYDIS_REGCLASS_CONTROL:
		case ZYDIS_REGCLASS_DEBUG:
			return control_move_decode(d, insn, argument);
		default:
			break;
		}
	}
	return false;
}

const struct decode_row system_rows[] = {
	{ ZYDIS_MNEMONIC_MOV, move_decode, 0 },
	{ ZYDIS_MNEMONIC_PUSH, segment_push_decode, 0 },
	{ ZYDIS_MNEMONIC_POP, segment_pop_decode, 0 },
	{ ZYDIS_MNEMONIC_LDS, segment_pointer_decode, DS },
	{ ZYDIS_MNEMONIC_LES, segment_pointer_decode, ES },
	{ ZYDIS_MNEMONIC_LFS, segment_pointer_decode, FS },
	{ ZYDIS_MNEMONIC_LGS, segment_pointer_decode, GS },
	{ ZYDIS_MNEMONIC_LSS, segment_pointer_decode, SS },
	{ ZYDIS_MNEMONIC_VERR, segment_query_decode, QUERY_VERR },
	{ ZYDIS_MNEMONIC_VERW, segment_query_decode, QUERY_VERW },
	{ ZYDIS_MNEMONIC_LAR, segment_query_decode, QUERY_LAR },
	{ ZYDIS_MNEMONIC_LSL, segment_query_decode, QUERY_LSL },
	{ ZYDIS_MNEMONIC_ARPL, segment_query_decode, QUERY_ARPL },
	{ ZYDIS_MNEMONIC_LLDT, table_register_decode, TABLE_LLDT },
	{ ZYDIS_MNEMONIC_LTR, table_register_decode, TABLE_LTR },
	{ ZYDIS_MNEMONIC_SLDT, table_register_decode, TABLE_SLDT },
	{ ZYDIS_MNEMONIC_STR, table_register_decode, TABLE_STR },
	{ ZYDIS_MNEMONIC_RDFSBASE, segment_base_decode, FS },
	{ ZYDIS_MNEMONIC_RDGSBASE, segment_base_decode, GS },
	{ ZYDIS_MNEMONIC_WRFSBASE, segment_base_decode, FS | SEGMENT_BASE_WRITE },
	{ ZYDIS_MNEMONIC_WRGSBASE, segment_base_decode, GS | SEGMENT_BASE_WRITE },
	{ ZYDIS_MNEMONIC_SWAPGS, plain_decode, PLAIN_SWAPGS },

	{ ZYDIS_MNEMONIC_LGDT, table_decode, TABLE_LGDT },
	{ ZYDIS_MNEMONIC_LIDT, table_decode, TABLE_LIDT },
	{ ZYDIS_MNEMONIC_SGDT, table_decode, TABLE_SGDT },
	{ ZYDIS_MNEMONIC_SIDT, table_decode, TABLE_SIDT },
	{ ZYDIS_MNEMONIC_LMSW, status_word_decode, 1 },
	{ ZYDIS_MNEMONIC_SMSW, status_word_decode, 0 },
	{ ZYDIS_MNEMONIC_CLTS, plain_decode, PLAIN_CLTS },
	{ ZYDIS_MNEMONIC_INVLPG, page_invalidate_decode, 0 },
	{ ZYDIS_MNEMONIC_INVPCID, page_invalidate_decode, 1 },
	{ ZYDIS_MNEMONIC_INVD, plain_decode, PLAIN_CACHE },
	{ ZYDIS_MNEMONIC_WBINVD, plain_decode, PLAIN_CACHE },

	{ ZYDIS_MNEMONIC_RDMSR, plain_decode, PLAIN_RDMSR },
	{ ZYDIS_MNEMONIC_WRMSR, plain_decode, PLAIN_WRMSR },
	{ ZYDIS_MNEMONIC_RDTSC, plain_decode, PLAIN_RDTSC },
	{ ZYDIS_MNEMONIC_RDTSCP, plain_decode, PLAIN_RDTSCP },
	{ ZYDIS_MNEMONIC_RDPMC, plain_decode, PLAIN_RDPMC },
	{ ZYDIS_MNEMONIC_RDPID, pid_decode, 0 },
	{ ZYDIS_MNEMONIC_CPUID, plain_decode, PLAIN_CPUID },
	{ ZYDIS_MNEMONIC_XSETBV, plain_decode, PLAIN_XSETBV },
	{ ZYDIS_MNEMONIC_RDPKRU, plain_decode, PLAIN_RDPKRU },
	{ ZYDIS_MNEMONIC_WRPKRU, plain_decode, PLAIN_WRPKRU },
	{ ZYDIS_MNEMONIC_VMCALL, plain_decode, PLAIN_VMCALL },
	{ ZYDIS_MNEMONIC_VMMCALL, plain_decode, PLAIN_VMMCALL },

	{ ZYDIS_MNEMONIC_JMP, far_jump_decode, 0 },
	{ ZYDIS_MNEMONIC_CALL, far_jump_decode, 1 },
	{ ZYDIS_MNEMONIC_RET, far_return_decode, 0 },
	{ ZYDIS_MNEMONIC_IRET, interrupt_return_decode, 2 },
	{ ZYDIS_MNEMONIC_IRETD, interrupt_return_decode, 4 },
	{ ZYDIS_MNEMONIC_IRETQ, interrupt_return_decode, 8 },
	{ ZYDIS_MNEMONIC_INT, interrupt_decode, INTERRUPT_N },
	{ ZYDIS_MNEMONIC_INT3, interrupt_decode, INTERRUPT_3 },
	{ ZYDIS_MNEMONIC_INTO, interrupt_decode, INTERRUPT_O },
	{ ZYDIS_MNEMONIC_INT1, interrupt_decode, INTERRUPT_1 },
	{ ZYDIS_MNEMONIC_SYSCALL, plain_decode, PLAIN_SYSCALL },
	{ ZYDIS_MNEMONIC_SYSRET, plain_decode, PLAIN_SYSRET },
	{ ZYDIS_MNEMONIC_SYSENTER, plain_decode, PLAIN_SYSENTER },
	{ ZYDIS_MNEMONIC_SYSEXIT, plain_decode, PLAIN_SYSEXIT },

	{ ZYDIS_MNEMONIC_CLI, plain_decode, PLAIN_CLI },
	{ ZYDIS_MNEMONIC_STI, plain_decode, PLAIN_STI },
	{ ZYDIS_MNEMONIC_HLT, plain_decode, PLAIN_HLT },
	{ ZYDIS_MNEMONIC_MONITOR, plain_decode, PLAIN_MONITOR },
	{ ZYDIS_MNEMONIC_MWAIT, plain_decode, PLAIN_MONITOR },
	{ ZYDIS_MNEMONIC_STAC, plain_decode, PLAIN_STAC },
	{ ZYDIS_MNEMONIC_CLAC, plain_decode, PLAIN_CLAC },
	{ ZYDIS_MNEMONIC_IN, port_decode, 0 },
	{ ZYDIS_MNEMONIC_OUT, port_decode, 1 },
	{ ZYDIS_MNEMONIC_INSB, port_string_decode, 0 },
	{ ZYDIS_MNEMONIC_INSW, port_string_decode, 0 },
	{ ZYDIS_MNEMONIC_INSD, port_string_decode, 0 },
	{ ZYDIS_MNEMONIC_OUTSB, port_string_decode, 1 },
	{ ZYDIS_MNEMONIC_OUTSW, port_string_decode, 1 },
	{ ZYDIS_MNEMONIC_OUTSD, port_string_decode, 1 },
	{ 0, NULL, 0 },
};
