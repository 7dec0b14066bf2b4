/*
 * Task switches: SDM Vol. 3A, 7.3. Who asks for one, and whether he may, is transfer.c's and event.c's. Until the new TSS has
 * been read and the old one written a fault belongs to the old task; from then on, to the new one.
 */
#include "x86/cpu/exec.h"
#include "x86/cpu/flags.h"
#include "x86/cpu/mem.h"
#include "x86/cpu/segment.h"

/* Where a TSS has what: figures 7-2 and 7-10. Registers and segments are in the order of their encoding. */
struct layout {
	uint8_t width;     /* of a field */
	uint8_t rip, flags, gpr, segments, segment_count, ldt;
	uint8_t saved_end; /* the fields from rip to here are saved when a task is left */
	uint8_t size;
	uint32_t least_limit;
};

static const struct layout layout16 = { .width = 2, .rip = 0x0e, .flags = 0x10, .gpr = 0x12, .segments = 0x22, .segment_count = 4,
					.ldt = 0x2a, .saved_end = 0x2a, .size = 0x2c, .least_limit = 0x2b };
static const struct layout layout32 = { .width = 4, .rip = 0x20, .flags = 0x24, .gpr = 0x28, .segments = 0x48, .segment_count = 6,
					.ldt = 0x60, .saved_end = 0x60, .size = 0x68, .least_limit = 0x67 };

#define TSS32_CR3 0x1c
#define TSS32_TRAP 0x64
#define TSS_MAX 0x68

static const struct layout *layout_of(unsigned int type)
{
	return type & 8 ? &layout32 : &layout16;
}

static uint32_t field_get(const struct layout *layout, const uint8_t *tss, unsigned int offset)
{
	uint32_t value = 0;

	memcpy(&value, tss + offset, layout->width);
	return value;
}

static void field_set(const struct layout *layout, uint8_t *tss, unsigned int offset, uint64_t value)
{
	memcpy(tss + offset, &value, layout->width);
}

/* ---- Leaving. ---- */

/* The old task's registers into its TSS. */
static bool task_save(struct x86_vcpu *cpu, uint64_t rip, uint64_t flags)
{
	const struct layout *layout = layout_of(cpu->seg[TR].type);
	uint8_t tss[TSS_MAX] = { 0 };

	if (cpu->seg[TR].limit < layout->least_limit)
		return selector_fault(cpu, VECTOR_TS, cpu->seg[TR].selector);
	field_set(layout, tss, layout->rip, rip);
	field_set(layout, tss, layout->flags, flags);
	for (unsigned int i = 0; i < 8; i++)
		field_set(layout, tss, layout->gpr + i * layout->width, cpu->gpr[i]);
	for (unsigned int i = 0; i < layout->segment_count; i++)
		field_set(layout, tss, layout->segments + i * layout->width, cpu->seg[i].selector);
	return mem_write_system(cpu, (uint32_t)(cpu->seg[TR].base + layout->rip), tss + layout->rip, layout->saved_end - layout->rip);
}

/* Sets or clears the busy bit of a TSS descriptor at `linear`. */
static bool busy_set(struct x86_vcpu *cpu, uint64_t linear, bool busy)
{
	uint8_t rights;

	if (!mem_read_system(cpu, linear + 5, &rights, 1))
		return false;
	rights = busy ? rights | 2 : rights & (uint8_t)~2u;
	return mem_write_system(cpu, linear + 5, &rights, 1);
}

static uint64_t descriptor_linear(const struct x86_vcpu *cpu, uint16_t selector)
{
	return (uint32_t)(cpu->gdt.base + (selector & 0xfff8));
}

/* The TSS descriptor of the new task, checked: table 7-1. */
static bool task_find(struct x86_vcpu *cpu, uint16_t selector, enum task_switch how, struct descriptor *d)
{
	enum vector vector = how == TASK_IRET ? VECTOR_TS : VECTOR_GP;
	unsigned int type;

	if (selector & 4)
		return selector_fault(cpu, vector, selector);
	if (!descriptor_read(cpu, selector, vector, d))
		return false;
	type = descriptor_type(d);
	if (how == TASK_IRET ? type != TYPE_TSS16_BUSY && type != TYPE_TSS32_BUSY : type != TYPE_TSS16 && type != TYPE_TSS32)
		return selector_fault(cpu, vector, selector);
	if (descriptor_code_data(d))
		return selector_fault(cpu, vector, selector);
	if (!descriptor_present(d))
		return selector_fault(cpu, VECTOR_NP, selector);
	if (segment_of(selector, d).limit < layout_of(type)->least_limit)
		return selector_fault(cpu, VECTOR_TS, selector);
	return true;
}

/* ---- Arriving: faults are the new task's. ---- */

static bool task_load_ldt(struct x86_vcpu *cpu, uint16_t selector)
{
	struct descriptor d;

	if (selector_null(selector))
		return true;
	if (selector & 4)
		return selector_fault(cpu, VECTOR_TS, selector);
	if (!descriptor_read(cpu, selector, VECTOR_TS, &d))
		return false;
	if (descriptor_code_data(&d) || descriptor_type(&d) != TYPE_LDT || !descriptor_present(&d))
		return selector_fault(cpu, VECTOR_TS, selector);
	cpu->seg[LDTR] = segment_of(selector, &d);
	return true;
}

/* Whether the descriptor suits the register at privilege level `level`. */
static bool segment_suits(enum segment seg, uint16_t selector, const struct descriptor *d, unsigned int level)
{
	unsigned int type = descriptor_type(d), dpl = descriptor_dpl(d), rpl = selector & 3;

	if (!descriptor_code_data(d))
		return false;
	switch (seg) {
	case CS:
		return type & 8 && (type & 4 ? dpl <= rpl : dpl == rpl);
	case SS:
		return (type & 0xa) == 2 && dpl == level && rpl == level;
	default:
		return (type & 0xa) != 8 && ((type & 0xc) == 0xc || (dpl >= level && dpl >= rpl));
	}
}

static bool task_load_segment(struct x86_vcpu *cpu, enum segment seg, unsigned int level)
{
	uint16_t selector = cpu->seg[seg].selector;
	struct descriptor d;

	if (selector_null(selector))
		return seg != CS && seg != SS ? true : selector_fault(cpu, VECTOR_TS, selector);
	if (!descriptor_read(cpu, selector, VECTOR_TS, &d))
		return false;
	if (!segment_suits(seg, selector, &d, level))
		return selector_fault(cpu, VECTOR_TS, selector);
	if (!descriptor_present(&d))
		return selector_fault(cpu, seg == SS ? VECTOR_SS : VECTOR_NP, selector);
	if (!descriptor_set_accessed(cpu, &d))
		return false;
	cpu->seg[seg] = segment_of(selector, &d);
	cpu_state_changed(cpu, false);
	return true;
}

static bool task_load_segments(struct x86_vcpu *cpu, const struct layout *layout, const uint8_t *tss)
{
	static const enum segment order[] = { CS, SS, ES, DS, FS, GS };
	unsigned int level = cpu->seg[CS].selector & 3;

	if (!task_load_ldt(cpu, (uint16_t)field_get(layout, tss, layout->ldt)))
		return false;
	if (cpu->rflags & FLAG_VM) {
		for (unsigned int i = 0; i < 6; i++)
			segment_load_real(cpu, (enum segment)i, cpu->seg[i].selector);
		return true;
	}
	for (unsigned int i = 0; i < 6; i++)
		if (!task_load_segment(cpu, order[i], level))
			return false;
	return true;
}

/* What cannot fault: all registers, the segments' visible halves only. */
static void task_load_registers(struct x86_vcpu *cpu, const struct layout *layout, const uint8_t *tss, bool nested)
{
	uint64_t flags = field_get(layout, tss, layout->flags);
	unsigned int level;

	flags_set(cpu, (flags & 0x3f7fd7) | 2 | (nested ? FLAG_NT : 0));
	cpu->resume_loaded = true;
	cpu->rip = field_get(layout, tss, layout->rip);
	for (unsigned int i = 0; i < 8; i++) /* the upper halves are undefined after a switch to a 16-bit TSS */
		cpu->gpr[i] = field_get(layout, tss, layout->gpr + i * layout->width);
	for (unsigned int i = 0; i < 6; i++) {
		uint16_t selector = i < layout->segment_count ? (uint16_t)field_get(layout, tss, layout->segments + i * layout->width) : 0;

		cpu->seg[i] = (struct kvm_segment){ .selector = selector, .unusable = 1 };
	}
	level = cpu->rflags & FLAG_VM ? 3 : cpu->seg[CS].selector & 3;
	cpu->seg[CS].dpl = cpu->seg[SS].dpl = (uint8_t)level;
	cpu->seg[CS].db = layout == &layout32;
	cpu->seg[LDTR] = (struct kvm_segment){ .selector = (uint16_t)field_get(layout, tss, layout->ldt), .unusable = 1 };
	cpu->cr0 |= CR0_TS;
	cpu->dr7 &= ~UINT64_C(0x155); /* the local breakpoints */
	if (!(cpu->guest_debug.control & KVM_GUESTDBG_USE_HW_BP))
		cpu->debug_dr7 = cpu->dr7;
	cpu_state_changed(cpu, false);
}

static bool push_error_code(struct x86_vcpu *cpu, const struct layout *layout, uint32_t error_code)
{
	struct stack stack = stack_current(cpu);

	if (!stack_push(cpu, &stack, error_code, layout->width))
		return false;
	stack_commit(cpu, &stack, false);
	return true;
}

#define DR6_BT (UINT64_C(1) << 15)
#define DR6_FIXED UINT64_C(0xffff0ff0)

static bool task_arrive(struct x86_vcpu *cpu, const struct layout *layout, const uint8_t *tss, enum task_switch how,
			bool has_error_code, uint32_t error_code)
{
	uint32_t cr3;

	task_load_registers(cpu, layout, tss, how == TASK_CALL || how == TASK_GATE);
	if (layout == &layout32 && cpu->cr0 & CR0_PG) {
		memcpy(&cr3, tss + TSS32_CR3, 4);
		if (!cr3_write(cpu, cr3)) {
			if (cpu->stop == STOP_NONE)
				exception_raise(cpu, VECTOR_GP, true, 0);
			return false;
		}
	}
	if (!task_load_segments(cpu, layout, tss))
		return false;
	if (has_error_code && !push_error_code(cpu, layout, error_code))
		return false;
	/* The debug trap on entry of a task: before its first instruction. */
	if (layout == &layout32 && tss[TSS32_TRAP] & 1) {
		cpu->dr6 |= DR6_BT | DR6_FIXED;
		exception_raise(cpu, VECTOR_DB, false, 0);
	}
	return true;
}

bool task_switch(struct x86_vcpu *cpu, uint16_t selector, enum task_switch how, bool has_error_code, uint32_t error_code, uint64_t next_rip)
{
	bool nested = how == TASK_CALL || how == TASK_GATE;
	uint64_t flags = flags_get(cpu), base;
	uint16_t link = cpu->seg[TR].selector;
	const struct layout *layout;
	uint8_t tss[TSS_MAX] = { 0 };
	struct descriptor d;

	if (!task_find(cpu, selector, how, &d))
		return false;
	layout = layout_of(descriptor_type(&d));
	base = segment_of(selector, &d).base;
	if (how == TASK_IRET)
		flags &= ~(uint64_t)FLAG_NT;
	if (!mem_read_system(cpu, base, tss, layout->size) || !task_save(cpu, next_rip, flags))
		return false;
	if (nested && !mem_write_system(cpu, base, &link, 2))
		return false;
	if (!nested && !busy_set(cpu, descriptor_linear(cpu, link), false))
		return false;
	if (how != TASK_IRET && !busy_set(cpu, d.linear, true))
		return false;
	d.low |= UINT64_C(2) << 40;
	cpu->seg[TR] = segment_of(selector, &d);
	return task_arrive(cpu, layout, tss, how, has_error_code, error_code);
}
