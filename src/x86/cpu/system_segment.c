/*
 * Segment registers as instructions name them: MOV, PUSH, POP, far pointers, LLDT and LTR, the queries LAR, LSL, VERR, VERW
 * and ARPL, and the bases of FS and GS. The rules of loading are segment.c's.
 */
#include "x86/cpu/system.h"

/* ---- MOV. ---- */

/* Behind a load of SS by MOV or POP nothing interrupts and no debug trap is taken for one instruction (SDM Vol. 3A, 6.8.3). */
static void segment_loaded(struct x86_vcpu *cpu, const struct insn *insn, enum segment seg)
{
	if (seg != SS) {
		insn_done(cpu, insn, STOP_NONE);
		return;
	}
	cpu->interrupt_shadow = KVM_X86_SHADOW_INT_MOV_SS;
	cpu->trap_suppressed = true;
	insn_done(cpu, insn, STOP_EVENT);
}

static void segment_set_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	enum segment seg = (enum segment)insn->rm;
	uint16_t selector;

	insn_sync(cpu, insn);
	if (!system_read_rm16(cpu, insn, &selector) || !segment_load(cpu, seg, selector))
		return;
	segment_loaded(cpu, insn, seg);
}

static void segment_get_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_sync(cpu, insn);
	if (system_write_rm(cpu, insn, cpu->seg[insn->rm].selector))
		insn_next(cpu, insn);
}

bool segment_move_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	bool set = decode_is_register(d, 0) && ZydisRegisterGetClass(d->op[0].reg.value) == ZYDIS_REGCLASS_SEGMENT;

	(void)argument;
	system_decode_rm(d, insn, set ? 1 : 0);
	insn->rm = decode_segment(d->op[set ? 0 : 1].reg.value);
	if (set && insn->rm == CS)
		return false;
	insn->run = set ? segment_set_run : segment_get_run;
	if (set)
		insn->flags |= INSN_ENDS_BLOCK;
	return true;
}

/* ---- PUSH and POP. ---- */

static void segment_push_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t value = cpu->seg[insn->rm].selector, rsp = stack_pointer(cpu, -(int64_t)insn->size);

	insn_sync(cpu, insn);
	if (!mem_write_seg(cpu, insn, SS, stack_linear(cpu, rsp, insn->size, ACCESS_WRITE), &value, insn->size))
		return;
	cpu->gpr[RSP] = rsp;
	insn_next(cpu, insn);
}

static void segment_pop_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t rsp = stack_pointer(cpu, insn->size), value = 0;
	enum segment seg = (enum segment)insn->rm;

	insn_sync(cpu, insn);
	if (!mem_read_seg(cpu, insn, SS, stack_linear(cpu, stack_pointer(cpu, 0), insn->size, ACCESS_READ), &value, insn->size) ||
	    !segment_load(cpu, seg, (uint16_t)value))
		return;
	cpu->gpr[RSP] = rsp;
	segment_loaded(cpu, insn, seg);
}

static bool stack_operand_decode(struct decoder *d, struct insn *insn)
{
	if (!decode_is_register(d, 0) || ZydisRegisterGetClass(d->op[0].reg.value) != ZYDIS_REGCLASS_SEGMENT)
		return false;
	insn->rm = decode_segment(d->op[0].reg.value);
	insn->size = (uint8_t)(d->z.operand_width / 8);
	return true;
}

bool segment_push_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	insn->run = segment_push_run;
	return stack_operand_decode(d, insn);
}

bool segment_pop_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	insn->run = segment_pop_run;
	insn->flags |= INSN_ENDS_BLOCK;
	return stack_operand_decode(d, insn) && insn->rm != CS;
}

/* ---- LDS, LES, LFS, LGS, LSS: a far pointer from memory. ---- */

static void segment_pointer_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t offset;
	uint16_t selector;

	insn_sync(cpu, insn);
	if (!system_read_far_pointer(cpu, insn, insn->size, &offset, &selector) || !segment_load(cpu, (enum segment)insn->rm, selector))
		return;
	register_set(cpu, insn->reg, insn->size, offset);
	insn_done(cpu, insn, STOP_NONE);
}

bool segment_pointer_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	if (!decode_is_memory(d, 1))
		return false;
	insn->size = (uint8_t)(d->op[0].size / 8);
	insn->reg = decode_gpr(d->op[0].reg.value);
	insn->rm = (uint8_t)argument;
	insn->run = segment_pointer_run;
	insn->flags |= INSN_ENDS_BLOCK;
	return true;
}

/* ---- LLDT, LTR, SLDT, STR: protected mode only. ---- */

static void table_register_set(struct x86_vcpu *cpu, const struct insn *insn, bool (*load)(struct x86_vcpu *cpu, uint16_t selector))
{
	uint16_t selector;

	insn_sync(cpu, insn);
	if (!privilege_check(cpu, insn) || !system_read_rm16(cpu, insn, &selector) || !load(cpu, selector))
		return;
	insn_next(cpu, insn);
}

static void lldt_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	table_register_set(cpu, insn, ldtr_load);
}

static void ltr_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	table_register_set(cpu, insn, tr_load);
}

static void table_register_get(struct x86_vcpu *cpu, const struct insn *insn, enum segment seg)
{
	insn_sync(cpu, insn);
	if (cpu->cr4 & CR4_UMIP && !privilege_check(cpu, insn))
		return;
	if (system_write_rm(cpu, insn, cpu->seg[seg].selector))
		insn_next(cpu, insn);
}

static void sldt_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	table_register_get(cpu, insn, LDTR);
}

static void str_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	table_register_get(cpu, insn, TR);
}

bool table_register_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	static insn_fn *const run[] = { [TABLE_LLDT] = lldt_run, [TABLE_LTR] = ltr_run, [TABLE_SLDT] = sldt_run, [TABLE_STR] = str_run };

	insn->run = run[argument];
	system_decode_rm(d, insn, 0);
	return !(d->mode & (MODE_REAL | MODE_VM86));
}

/* ---- LAR, LSL, VERR, VERW, ARPL: ask without faulting. ---- */

enum lookup { LOOKUP_FOUND, LOOKUP_NONE, LOOKUP_FAULT };

/* The descriptor of a selector; one outside its table is no fault here. */
static enum lookup descriptor_lookup(struct x86_vcpu *cpu, uint16_t selector, struct descriptor *d)
{
	if (selector_null(selector))
		return LOOKUP_NONE;
	if (descriptor_read(cpu, selector, VECTOR_GP, d))
		return LOOKUP_FOUND;
	if (cpu->stop != STOP_EXCEPTION || cpu->exception.nr != VECTOR_GP)
		return LOOKUP_FAULT;
	cpu->exception.pending = false;
	cpu->stop = STOP_NONE;
	return LOOKUP_NONE;
}

/* Whether the descriptor's level lets CPL and RPL see it; conforming code is visible from everywhere. */
static bool descriptor_visible(const struct x86_vcpu *cpu, uint16_t selector, const struct descriptor *d)
{
	unsigned int dpl = descriptor_dpl(d);

	return (descriptor_is_code(d) && descriptor_conforming(d)) || (dpl >= cpu->cpl && dpl >= (selector & 3u));
}

/* System descriptors that LAR and LSL know, by type, in legacy and in long mode (SDM Vol. 2A, LAR and LSL). */
static bool query_type_valid(const struct x86_vcpu *cpu, const struct descriptor *d, bool limit)
{
	static const uint16_t legacy[] = { 0x1a3e, 0x0a0e }, wide[] = { 0x1a04, 0x0a04 };

	if (descriptor_code_data(d))
		return true;
	return (cpu->efer & EFER_LMA ? wide : legacy)[limit] >> descriptor_type(d) & 1;
}

static bool query_answer(struct x86_vcpu *cpu, uint16_t selector, const struct descriptor *d, unsigned int query, uint64_t *value)
{
	if (!descriptor_visible(cpu, selector, d))
		return false;
	switch (query) {
	case QUERY_VERR: /* data, or code that can be read */
		return descriptor_code_data(d) && (descriptor_type(d) & 0xa) != 8;
	case QUERY_VERW:
		return descriptor_code_data(d) && (descriptor_type(d) & 0xa) == 2;
	case QUERY_LAR:
		*value = d->low >> 32 & 0xffff00;
		return query_type_valid(cpu, d, false);
	default:
		*value = segment_of(selector, d).limit;
		return query_type_valid(cpu, d, true);
	}
}

static void zero_flag_set(struct x86_vcpu *cpu, bool zero)
{
	flags_settle(cpu);
	cpu->rflags = zero ? cpu->rflags | FLAG_ZF : cpu->rflags & ~(uint64_t)FLAG_ZF;
}

static void query_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	unsigned int query = insn->extra & 0xff;
	struct descriptor d;
	uint16_t selector;
	uint64_t value = 0;
	enum lookup lookup;
	bool answer;

	insn_sync(cpu, insn);
	if (!system_read_rm16(cpu, insn, &selector))
		return;
	lookup = descriptor_lookup(cpu, selector, &d);
	if (lookup == LOOKUP_FAULT)
		return;
	answer = lookup == LOOKUP_FOUND && query_answer(cpu, selector, &d, query, &value);
	if (answer && (query == QUERY_LAR || query == QUERY_LSL))
		register_set(cpu, insn->rm, insn->size, value);
	zero_flag_set(cpu, answer);
	insn_next(cpu, insn);
}

/* Raises the destination's RPL to the source's. */
static void arpl_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint16_t selector, rpl = cpu->gpr[insn->rm] & 3;
	uint64_t linear = 0;
	bool raise;

	insn_sync(cpu, insn);
	if (insn->extra & EXTRA_MEMORY) {
		linear = insn_linear(cpu, insn, 2, ACCESS_READ);
		if (!mem_read(cpu, insn, linear, &selector, 2))
			return;
	} else {
		selector = (uint16_t)cpu->gpr[insn->reg];
	}
	raise = (selector & 3) < rpl;
	if (raise) {
		selector = (uint16_t)((selector & ~3) | rpl);
		if (!(insn->extra & EXTRA_MEMORY))
			register_set(cpu, insn->reg, 2, selector);
		else if (!mem_write(cpu, insn, insn_linear(cpu, insn, 2, ACCESS_WRITE), &selector, 2))
			return;
	}
	zero_flag_set(cpu, raise);
	insn_next(cpu, insn);
}

bool segment_query_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	bool two = argument == QUERY_LAR || argument == QUERY_LSL;

	insn->extra = argument;
	insn->run = argument == QUERY_ARPL ? arpl_run : query_run;
	system_decode_rm(d, insn, two ? 1 : 0);
	if (two) {
		insn->rm = decode_gpr(d->op[0].reg.value);
		insn->size = (uint8_t)(d->op[0].size / 8);
	} else if (argument == QUERY_ARPL) {
		insn->rm = decode_gpr(d->op[1].reg.value);
	}
	return !(d->mode & (MODE_REAL | MODE_VM86));
}

/* ---- The bases of FS and GS in 64-bit mode. ---- */

static void base_read_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (!(cpu->cr4 & CR4_FSGSBASE)) {
		insn_fault(cpu, insn, VECTOR_UD);
		return;
	}
	register_set(cpu, insn->reg, insn->size, cpu->seg[insn->rm].base);
	insn_next(cpu, insn);
}

static void base_write_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t base = insn->size == 4 ? (uint32_t)cpu->gpr[insn->reg] : cpu->gpr[insn->reg];

	if (!(cpu->cr4 & CR4_FSGSBASE)) {
		insn_fault(cpu, insn, VECTOR_UD);
		return;
	}
	if (!address_canonical(cpu, base)) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	cpu->seg[insn->rm].base = base;
	insn_next(cpu, insn);
}

bool segment_base_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	system_decode_rm(d, insn, 0);
	insn->rm = argument & 0xff;
	insn->run = argument & SEGMENT_BASE_WRITE ? base_write_run : base_read_run;
	return (d->mode & MODE_CODE_MASK) == MODE_CODE64;
}

void gs_swap_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t base = cpu->seg[GS].base;

	if (!privilege_check(cpu, insn))
		return;
	cpu->seg[GS].base = cpu->kernel_gs_base;
	cpu->kernel_gs_base = base;
	insn_next(cpu, insn);
}
