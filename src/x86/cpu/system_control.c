/*
 * Control and debug registers, descriptor-table registers and translations as instructions name them. What a value means, and
 * which are allowed, is control.c's.
 */
#include "x86/cpu/system.h"

/* ---- MOV to and from control registers: SDM Vol. 2B. ---- */

static uint64_t operand_value(const struct x86_vcpu *cpu, const struct insn *insn)
{
	return insn->size == 8 ? cpu->gpr[insn->rm] : (uint32_t)cpu->gpr[insn->rm];
}

static void control_read_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t value = 0;

	if (!privilege_check(cpu, insn))
		return;
	switch (insn->extra) {
	case 0: value = cpu->cr0; break;
	case 2: value = cpu->cr2; break;
	case 3: value = cpu->cr3; break;
	case 4: value = cpu->cr4; break;
	case 8: value = cr8_read(cpu); break;
	}
	register_set(cpu, insn->rm, insn->size, value);
	insn_next(cpu, insn);
}

static bool control_write(struct x86_vcpu *cpu, unsigned int which, uint64_t value)
{
	switch (which) {
	case 0:
		return cr0_write(cpu, value);
	case 2:
		cpu->cr2 = value;
		return true;
	case 3:
		return cr3_write(cpu, value);
	default:
		return cr4_write(cpu, value);
	}
}

static void control_write_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_sync(cpu, insn);
	if (!privilege_check(cpu, insn))
		return;
	if (!control_write(cpu, insn->extra, operand_value(cpu, insn))) {
		if (cpu->stop == STOP_NONE)
			insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	insn_done(cpu, insn, STOP_NONE);
}

/* CR8 is the task priority: lowering it may let an interrupt in, and the program that plays the APIC is told of it. */
static void priority_write_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t before = cr8_read(cpu);

	insn_sync(cpu, insn);
	if (!privilege_check(cpu, insn))
		return;
	if (!cr8_write(cpu, operand_value(cpu, insn))) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	insn_done(cpu, insn, STOP_EVENT);
	if (!cpu->lapic && cr8_read(cpu) < before) {
		cpu->vcpu.run->exit_reason = KVM_EXIT_SET_TPR;
		cpu->stop = STOP_DEBUG;
	}
}

/* CLTS. */
void task_switched_clear_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_sync(cpu, insn);
	if (!privilege_check(cpu, insn))
		return;
	cr0_write(cpu, cpu->cr0 & ~CR0_TS);
	insn_done(cpu, insn, STOP_NONE);
}

/* ---- Debug registers: SDM Vol. 3B, 17.2. ---- */

#define DR6_FIXED UINT64_C(0xffff0ff0)    /* read as 1 */
#define DR6_WRITABLE UINT64_C(0x0000e00f) /* B0 ... B3, BD, BS, BT */
#define DR6_BD (UINT64_C(1) << 13)
#define DR7_FIXED UINT64_C(0x00000400)
#define DR7_WRITABLE UINT64_C(0xffff2bff)
#define DR7_GD (UINT64_C(1) << 13)

static bool debugger_has_registers(const struct x86_vcpu *cpu)
{
	return cpu->guest_debug.control & KVM_GUESTDBG_ENABLE && cpu->guest_debug.control & KVM_GUESTDBG_USE_HW_BP;
}

/* General detect: any access is trapped, by the debugger when the registers are its own (api.rst, KVM_SET_GUEST_DEBUG). */
static void general_detect(struct x86_vcpu *cpu)
{
	struct kvm_run *run = cpu->vcpu.run;

	if (!debugger_has_registers(cpu)) {
		cpu->dr6 |= DR6_BD | DR6_FIXED;
		cpu->dr7 &= ~DR7_GD;
		cpu->debug_dr7 = cpu->dr7;
		exception_raise(cpu, VECTOR_DB, false, 0);
		return;
	}
	run->exit_reason = KVM_EXIT_DEBUG;
	run->debug.arch.exception = VECTOR_DB;
	run->debug.arch.pad = 0;
	run->debug.arch.pc = linear_rip(cpu);
	run->debug.arch.dr6 = DR6_BD | DR6_FIXED;
	run->debug.arch.dr7 = cpu->guest_debug.arch.debugreg[7];
	cpu->stop = STOP_DEBUG;
}

/* The checks of both directions. `*which`: 4 and 5 are other names of 6 and 7 unless CR4.DE says that they are nothing. */
static bool debug_access_check(struct x86_vcpu *cpu, const struct insn *insn, unsigned int *which)
{
	insn_sync(cpu, insn);
	*which = insn->extra;
	if (*which == 4 || *which == 5) {
		if (cpu->cr4 & CR4_DE) {
			insn_fault(cpu, insn, VECTOR_UD);
			return false;
		}
		*which += 2;
	}
	if (!privilege_check(cpu, insn))
		return false;
	if ((debugger_has_registers(cpu) ? cpu->guest_debug.arch.debugreg[7] : cpu->dr7) & DR7_GD) {
		general_detect(cpu);
		return false;
	}
	return true;
}

static void debug_read_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	unsigned int which;

	if (!debug_access_check(cpu, insn, &which))
		return;
	register_set(cpu, insn->rm, insn->size, which < 4 ? cpu->dr[which] : which == 6 ? cpu->dr6 : cpu->dr7);
	insn_next(cpu, insn);
}

static void debug_write_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t value = operand_value(cpu, insn);
	unsigned int which;

	if (!debug_access_check(cpu, insn, &which))
		return;
	if (which >= 6 && value >> 32) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	if (which < 4)
		cpu->dr[which] = value;
	else if (which == 6)
		cpu->dr6 = (value & DR6_WRITABLE) | DR6_FIXED;
	else
		cpu->dr7 = (value & DR7_WRITABLE) | DR7_FIXED;
	if (!debugger_has_registers(cpu)) {
		memcpy(cpu->debug_dr, cpu->dr, sizeof cpu->debug_dr);
		cpu->debug_dr7 = cpu->dr7;
	}
	insn_done(cpu, insn, STOP_EVENT);
}

bool control_move_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	bool write = d->op[0].reg.value >= ZYDIS_REGISTER_CR0 && d->op[0].reg.value <= ZYDIS_REGISTER_DR15;
	ZydisRegister reg = d->op[write ? 0 : 1].reg.value;

	(void)argument;
	insn->size = (uint8_t)(d->op[write ? 1 : 0].size / 8);
	insn->rm = decode_gpr(d->op[write ? 1 : 0].reg.value);
	if (write)
		insn->flags |= INSN_ENDS_BLOCK;
	if (reg >= ZYDIS_REGISTER_DR0 && reg <= ZYDIS_REGISTER_DR7) {
		insn->extra = (uint32_t)(reg - ZYDIS_REGISTER_DR0);
		insn->run = write ? debug_write_run : debug_read_run;
		return true;
	}
	insn->extra = (uint32_t)(reg - ZYDIS_REGISTER_CR0);
	insn->run = write ? insn->extra == 8 ? priority_write_run : control_write_run : control_read_run;
	return insn->extra <= 8 && (UINT32_C(0x11d) >> insn->extra & 1); /* CR0, CR2, CR3, CR4, CR8 */
}

/* ---- LGDT, LIDT, SGDT, SIDT. ---- */

static void table_load(struct x86_vcpu *cpu, const struct insn *insn, struct kvm_dtable *table)
{
	unsigned int size = mode_is_code64(cpu) ? 8 : 4;
	uint8_t pseudo[10];
	uint64_t base = 0;

	insn_sync(cpu, insn);
	if (!privilege_check(cpu, insn) || !mem_read(cpu, insn, insn_linear(cpu, insn, 2 + size, ACCESS_READ), pseudo, 2 + size))
		return;
	memcpy(&base, pseudo + 2, size);
	if (insn->size == 2) /* with a 16-bit operand size the base has 24 bits */
		base &= 0xffffff;
	if (!address_canonical(cpu, base)) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	table->base = base;
	memcpy(&table->limit, pseudo, 2);
	insn_next(cpu, insn);
}

static void table_store(struct x86_vcpu *cpu, const struct insn *insn, const struct kvm_dtable *table)
{
	unsigned int size = mode_is_code64(cpu) ? 8 : 4;
	uint8_t pseudo[10];

	insn_sync(cpu, insn);
	if (cpu->cr4 & CR4_UMIP && !privilege_check(cpu, insn))
		return;
	memcpy(pseudo, &table->limit, 2);
	memcpy(pseudo + 2, &table->base, 8);
	if (mem_write(cpu, insn, insn_linear(cpu, insn, 2 + size, ACCESS_WRITE), pseudo, 2 + size))
		insn_next(cpu, insn);
}

static void lgdt_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	table_load(cpu, insn, &cpu->gdt);
}

static void lidt_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	table_load(cpu, insn, &cpu->idt);
}

static void sgdt_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	table_store(cpu, insn, &cpu->gdt);
}

static void sidt_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	table_store(cpu, insn, &cpu->idt);
}

bool table_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	static insn_fn *const run[] = { [TABLE_LGDT] = lgdt_run, [TABLE_LIDT] = lidt_run, [TABLE_SGDT] = sgdt_run, [TABLE_SIDT] = sidt_run };

	insn->run = run[argument];
	/* The operand size only matters outside 64-bit mode. */
	insn->size = (d->mode & MODE_CODE_MASK) == MODE_CODE64 ? 8 : (uint8_t)(d->z.operand_width / 8);
	return decode_is_memory(d, 0);
}

/* ---- LMSW and SMSW: CR0 as the 286 had it. ---- */

static void lmsw_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint16_t word;

	insn_sync(cpu, insn);
	if (!privilege_check(cpu, insn) || !system_read_rm16(cpu, insn, &word))
		return;
	/* PE can be set, never cleared. */
	if (cr0_write(cpu, (cpu->cr0 & ~UINT64_C(0xe)) | (word & 0xf)))
		insn_done(cpu, insn, STOP_NONE);
	else if (cpu->stop == STOP_NONE)
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
}

static void smsw_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_sync(cpu, insn);
	if (cpu->cr4 & CR4_UMIP && !privilege_check(cpu, insn))
		return;
	if (system_write_rm(cpu, insn, cpu->cr0))
		insn_next(cpu, insn);
}

bool status_word_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	system_decode_rm(d, insn, 0);
	insn->run = argument ? lmsw_run : smsw_run;
	if (argument)
		insn->flags |= INSN_ENDS_BLOCK;
	return true;
}

/* ---- INVLPG and INVPCID. ---- */

static void invlpg_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_sync(cpu, insn);
	if (!privilege_check(cpu, insn))
		return;
	/* The operand is an address, not an access: nothing about it faults. */
	tlb_flush_page(cpu, insn_linear(cpu, insn, 1, ACCESS_READ));
	insn_done(cpu, insn, STOP_NONE);
}

/* There are no process-context identifiers: every kind of invalidation is a whole one. */
static void invpcid_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t type = mode_is_code64(cpu) ? cpu->gpr[insn->reg] : (uint32_t)cpu->gpr[insn->reg], descriptor[2];

	insn_sync(cpu, insn);
	if (!privilege_check(cpu, insn) || !mem_read(cpu, insn, insn_linear(cpu, insn, 16, ACCESS_READ), descriptor, 16))
		return;
	if (type > 3 || descriptor[0] >> 12 || (type < 2 && descriptor[0] && !(cpu->cr4 & CR4_PCIDE)) ||
	    (type == 0 && !address_canonical(cpu, descriptor[1]))) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	tlb_flush(cpu);
	insn_done(cpu, insn, STOP_NONE);
}

bool page_invalidate_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	insn->flags |= INSN_ENDS_BLOCK;
	insn->run = argument ? invpcid_run : invlpg_run;
	if (argument)
		insn->reg = decode_gpr(d->op[0].reg.value);
	return decode_is_memory(d, argument) && (!argument || cpuid_has(d->cpu, 7, 0, RBX, 10));
}
