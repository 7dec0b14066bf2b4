/*
 * Far control transfers: JMP, CALL, RET and IRET between segments, privilege levels and modes. SDM Vol. 3A, 5.8 and the
 * instruction pages of Vol. 2. A transfer that faults changes nothing.
 */
#include "x86/cpu/exec.h"
#include "x86/cpu/flags.h"
#include "x86/cpu/mem.h"
#include "x86/cpu/segment.h"

static bool real_like(const struct x86_vcpu *cpu)
{
	return cpu->mode & (MODE_REAL | MODE_VM86);
}

static uint64_t offset_mask(unsigned int size)
{
	return size == 8 ? UINT64_MAX : size == 4 ? UINT32_MAX : UINT16_MAX;
}

/* Whether `offset` may become RIP in the segment `d`: its limit, or canonical in 64-bit code. */
static bool target_check(struct x86_vcpu *cpu, const struct descriptor *d, uint64_t offset)
{
	struct kvm_segment code = segment_of(0, d);
	bool code64 = cpu->efer & EFER_LMA && code.l;

	if (code64 ? address_canonical(cpu, offset) : offset <= code.limit)
		return true;
	exception_raise(cpu, VECTOR_GP, true, 0);
	return false;
}

/* Present, and not both L and D in long mode. */
static bool code_usable(struct x86_vcpu *cpu, uint16_t selector, const struct descriptor *d)
{
	if (cpu->efer & EFER_LMA && descriptor_long(d) && descriptor_db(d))
		return selector_fault(cpu, VECTOR_GP, selector);
	if (!descriptor_present(d))
		return selector_fault(cpu, VECTOR_NP, selector);
	return true;
}

/* A direct transfer (no gate) keeps the privilege level. */
static bool direct_check(struct x86_vcpu *cpu, uint16_t selector, const struct descriptor *d)
{
	if (descriptor_conforming(d) ? descriptor_dpl(d) > cpu->cpl : (selector & 3) > cpu->cpl || descriptor_dpl(d) != cpu->cpl)
		return selector_fault(cpu, VECTOR_GP, selector);
	return code_usable(cpu, selector, d);
}

/* ---- Gates. ---- */

struct gate {
	uint16_t selector;
	uint64_t offset;
	unsigned int size, parameters;
};

static bool gate_read(struct x86_vcpu *cpu, uint16_t selector, const struct descriptor *d, struct gate *gate, struct descriptor *code)
{
	unsigned int type = descriptor_type(d), dpl = descriptor_dpl(d);
	bool long_mode = cpu->efer & EFER_LMA;

	if (dpl < cpu->cpl || dpl < (selector & 3u))
		return selector_fault(cpu, VECTOR_GP, selector);
	if (!descriptor_present(d))
		return selector_fault(cpu, VECTOR_NP, selector);
	gate->selector = (uint16_t)(d->low >> 16);
	gate->offset = d->low & 0xffff;
	if (type == TYPE_CALL32)
		gate->offset |= d->low >> 32 & 0xffff0000;
	gate->size = long_mode ? 8 : type == TYPE_CALL32 ? 4 : 2;
	if (long_mode)
		gate->offset |= d->high << 32;
	gate->parameters = long_mode ? 0 : d->low >> 32 & 31;
	if (long_mode && d->high >> 40 & 0x1f) /* the upper half's type must be 0 (SDM Vol. 3A, 5.8.3.1) */
		return selector_fault(cpu, VECTOR_GP, selector);
	if (selector_null(gate->selector))
		return selector_fault(cpu, VECTOR_GP, 0);
	if (!descriptor_read(cpu, gate->selector, VECTOR_GP, code))
		return false;
	if (!descriptor_is_code(code) || descriptor_dpl(code) > cpu->cpl || (long_mode && (!descriptor_long(code) || descriptor_db(code))))
		return selector_fault(cpu, VECTOR_GP, gate->selector);
	if (!descriptor_present(code))
		return selector_fault(cpu, VECTOR_NP, gate->selector);
	return true;
}

bool stack_for_level(struct x86_vcpu *cpu, unsigned int level, struct stack *stack)
{
	bool long_mode = cpu->efer & EFER_LMA;
	struct descriptor d;
	uint16_t selector;
	uint64_t sp;

	if (!tss_stack(cpu, level, &selector, &sp))
		return false;
	*stack = (struct stack){ .sp = sp, .mask = UINT64_MAX, .user = level == 3, .flat = true, .vector = VECTOR_SS };
	if (long_mode) {
		/* A null SS whose RPL is the new level (5.14.2). */
		stack->ss = (struct kvm_segment){ .selector = (uint16_t)level, .unusable = 1, .dpl = (uint8_t)level };
		return true;
	}
	if (selector_null(selector))
		return selector_fault(cpu, VECTOR_TS, selector);
	if (!descriptor_read(cpu, selector, VECTOR_TS, &d))
		return false;
	if ((selector & 3u) != level || descriptor_dpl(&d) != level || !descriptor_code_data(&d) || (descriptor_type(&d) & 0xa) != 2)
		return selector_fault(cpu, VECTOR_TS, selector);
	if (!descriptor_present(&d))
		return selector_fault(cpu, VECTOR_SS, selector);
	if (!descriptor_set_accessed(cpu, &d))
		return false;
	stack->ss = segment_of(selector, &d);
	stack->flat = false;
	stack->mask = stack->ss.db ? UINT32_MAX : UINT16_MAX;
	stack->selector = selector;
	return true;
}

void stack_commit(struct x86_vcpu *cpu, const struct stack *stack, bool segment_too)
{
	if (segment_too)
		cpu->seg[SS] = stack->ss;
	cpu->gpr[RSP] = stack->mask == UINT32_MAX ? stack->sp & UINT32_MAX : stack->sp;
}

/* CALL through a gate to a more privileged level: stack switch, parameters copied. */
static bool gate_call_inward(struct x86_vcpu *cpu, const struct gate *gate, struct descriptor *code, uint64_t next_rip)
{
	unsigned int level = descriptor_dpl(code);
	struct stack outer = stack_current(cpu), stack;
	uint64_t parameters[32];
	struct stack reader = outer;

	if (!stack_for_level(cpu, level, &stack))
		return false;
	for (unsigned int i = 0; i < gate->parameters; i++)
		if (!stack_pop(cpu, &reader, &parameters[i], gate->size))
			return false;
	if (!target_check(cpu, code, gate->offset))
		return false;
	if (!stack_push(cpu, &stack, cpu->seg[SS].selector, gate->size) || !stack_push(cpu, &stack, outer.sp, gate->size))
		return false;
	for (unsigned int i = gate->parameters; i-- > 0;)
		if (!stack_push(cpu, &stack, parameters[i], gate->size))
			return false;
	if (!stack_push(cpu, &stack, cpu->seg[CS].selector, gate->size) || !stack_push(cpu, &stack, next_rip, gate->size) ||
	    !descriptor_set_accessed(cpu, code))
		return false;
	stack_commit(cpu, &stack, true);
	code_segment_set(cpu, gate->selector, code, level);
	cpu->rip = gate->offset;
	return true;
}

static bool gate_transfer(struct x86_vcpu *cpu, uint16_t selector, const struct descriptor *d, bool call, uint64_t next_rip)
{
	struct stack stack = stack_current(cpu);
	struct descriptor code;
	struct gate gate = { 0 };

	if (!gate_read(cpu, selector, d, &gate, &code))
		return false;
	if (!descriptor_conforming(&code) && descriptor_dpl(&code) < cpu->cpl) {
		if (call)
			return gate_call_inward(cpu, &gate, &code, next_rip);
		return selector_fault(cpu, VECTOR_GP, gate.selector);
	}
	if (!target_check(cpu, &code, gate.offset))
		return false;
	if (cpu->efer & EFER_LMA) { /* the gate leads to 64-bit code, whose stack it already is */
		stack.flat = true;
		stack.mask = UINT64_MAX;
	}
	if (call && (!stack_push(cpu, &stack, cpu->seg[CS].selector, gate.size) || !stack_push(cpu, &stack, next_rip, gate.size)))
		return false;
	if (!descriptor_set_accessed(cpu, &code))
		return false;
	stack_commit(cpu, &stack, false);
	code_segment_set(cpu, gate.selector, &code, cpu->cpl);
	cpu->rip = gate.offset;
	return true;
}

/* JMP or CALL to something that is not code: a gate, a task. */
static bool system_transfer(struct x86_vcpu *cpu, uint16_t selector, const struct descriptor *d, bool call, uint64_t next_rip)
{
	unsigned int type = descriptor_type(d);
	uint16_t tss = selector;

	if (type == TYPE_CALL32 || (type == TYPE_CALL16 && !(cpu->efer & EFER_LMA)))
		return gate_transfer(cpu, selector, d, call, next_rip);
	if (cpu->efer & EFER_LMA || (type != TYPE_TASK && type != TYPE_TSS16 && type != TYPE_TSS32))
		return selector_fault(cpu, VECTOR_GP, selector);
	if (descriptor_dpl(d) < cpu->cpl || descriptor_dpl(d) < (selector & 3u))
		return selector_fault(cpu, VECTOR_GP, selector);
	if (!descriptor_present(d))
		return selector_fault(cpu, VECTOR_NP, selector);
	if (type == TYPE_TASK)
		tss = (uint16_t)(d->low >> 16);
	return task_switch(cpu, tss, call ? TASK_CALL : TASK_JMP, false, 0, next_rip);
}

/* ---- JMP and CALL. ---- */

static bool real_target(struct x86_vcpu *cpu, uint64_t offset)
{
	if (offset <= cpu->seg[CS].limit)
		return true;
	exception_raise(cpu, VECTOR_GP, true, 0);
	return false;
}

bool far_jump(struct x86_vcpu *cpu, uint16_t selector, uint64_t offset, unsigned int size, uint64_t next_rip)
{
	struct descriptor d;

	offset &= offset_mask(size);
	if (real_like(cpu)) {
		if (!real_target(cpu, offset))
			return false;
		segment_load_real(cpu, CS, selector);
		cpu->rip = offset;
		return true;
	}
	if (selector_null(selector))
		return selector_fault(cpu, VECTOR_GP, 0);
	if (!descriptor_read(cpu, selector, VECTOR_GP, &d))
		return false;
	if (!descriptor_is_code(&d)) {
		if (descriptor_code_data(&d))
			return selector_fault(cpu, VECTOR_GP, selector);
		return system_transfer(cpu, selector, &d, false, next_rip);
	}
	if (!direct_check(cpu, selector, &d) || !target_check(cpu, &d, offset) || !descriptor_set_accessed(cpu, &d))
		return false;
	code_segment_set(cpu, selector, &d, cpu->cpl);
	cpu->rip = offset;
	return true;
}

bool far_call(struct x86_vcpu *cpu, uint16_t selector, uint64_t offset, unsigned int size, uint64_t next_rip)
{
	struct stack stack = stack_current(cpu);
	struct descriptor d = { 0 };
	bool real = real_like(cpu);

	offset &= offset_mask(size);
	if (!real) {
		if (selector_null(selector))
			return selector_fault(cpu, VECTOR_GP, 0);
		if (!descriptor_read(cpu, selector, VECTOR_GP, &d))
			return false;
		if (!descriptor_is_code(&d)) {
			if (descriptor_code_data(&d))
				return selector_fault(cpu, VECTOR_GP, selector);
			return system_transfer(cpu, selector, &d, true, next_rip);
		}
		if (!direct_check(cpu, selector, &d))
			return false;
	}
	if (!stack_push(cpu, &stack, cpu->seg[CS].selector, size) || !stack_push(cpu, &stack, next_rip, size))
		return false;
	if (real ? !real_target(cpu, offset) : !target_check(cpu, &d, offset) || !descriptor_set_accessed(cpu, &d))
		return false;
	stack_commit(cpu, &stack, false);
	if (real)
		segment_load_real(cpu, CS, selector);
	else
		code_segment_set(cpu, selector, &d, cpu->cpl);
	cpu->rip = offset;
	return true;
}

/* ---- RET and IRET. ---- */

/* The code segment of a return: its RPL is the level returned to. */
static bool return_code(struct x86_vcpu *cpu, uint16_t selector, struct descriptor *d)
{
	unsigned int rpl = selector & 3;

	if (selector_null(selector))
		return selector_fault(cpu, VECTOR_GP, 0);
	if (!descriptor_read(cpu, selector, VECTOR_GP, d))
		return false;
	if (!descriptor_is_code(d) || rpl < cpu->cpl ||
	    (descriptor_conforming(d) ? descriptor_dpl(d) > rpl : descriptor_dpl(d) != rpl))
		return selector_fault(cpu, VECTOR_GP, selector);
	return code_usable(cpu, selector, d);
}

/* The stack segment of a return to level `rpl`, whose code is `code`. */
static bool return_stack(struct x86_vcpu *cpu, uint16_t selector, const struct descriptor *code, unsigned int rpl, struct kvm_segment *ss)
{
	bool code64 = cpu->efer & EFER_LMA && descriptor_long(code);
	struct descriptor d;

	if (selector_null(selector)) {
		if (!code64 || rpl == 3 || (selector & 3u) != rpl)
			return selector_fault(cpu, VECTOR_GP, selector);
		*ss = (struct kvm_segment){ .selector = selector, .unusable = 1, .dpl = (uint8_t)rpl };
		return true;
	}
	if (!descriptor_read(cpu, selector, VECTOR_GP, &d))
		return false;
	if ((selector & 3u) != rpl || descriptor_dpl(&d) != rpl || !descriptor_code_data(&d) || (descriptor_type(&d) & 0xa) != 2)
		return selector_fault(cpu, VECTOR_GP, selector);
	if (!descriptor_present(&d))
		return selector_fault(cpu, VECTOR_SS, selector);
	if (!descriptor_set_accessed(cpu, &d))
		return false;
	*ss = segment_of(selector, &d);
	return true;
}

/* RSP after a return to an outer level: its width is the new SS's (or 64 bits for 64-bit code). */
static void outer_rsp_set(struct x86_vcpu *cpu, uint64_t rsp, unsigned int release)
{
	uint64_t mask = stack_mask(cpu);

	cpu->gpr[RSP] = mask == UINT16_MAX ? (cpu->gpr[RSP] & ~mask) | ((rsp + release) & mask) : (rsp + release) & mask;
}

bool far_return(struct x86_vcpu *cpu, unsigned int size, unsigned int release)
{
	struct stack stack = stack_current(cpu);
	uint64_t rip, selector, rsp = 0, ss_selector = 0;
	struct kvm_segment ss = { 0 };
	struct descriptor code;
	unsigned int rpl;

	/* Which of the two is read first shows when both fault: processors begin with CS. */
	if (!stack_peek(cpu, &stack, 1, &selector, size) || !stack_peek(cpu, &stack, 0, &rip, size))
		return false;
	stack_release(&stack, 2 * size);
	if (real_like(cpu)) {
		if (!real_target(cpu, rip))
			return false;
		stack_release(&stack, release);
		stack_commit(cpu, &stack, false);
		segment_load_real(cpu, CS, (uint16_t)selector);
		cpu->rip = rip;
		return true;
	}
	selector &= 0xffff;
	rpl = selector & 3;
	if (!return_code(cpu, (uint16_t)selector, &code))
		return false;
	stack_release(&stack, release);
	if (rpl > cpu->cpl) {
		if (!stack_pop(cpu, &stack, &rsp, size) || !stack_pop(cpu, &stack, &ss_selector, size) ||
		    !return_stack(cpu, (uint16_t)ss_selector, &code, rpl, &ss))
			return false;
	}
	if (!target_check(cpu, &code, rip) || !descriptor_set_accessed(cpu, &code))
		return false;
	if (rpl > cpu->cpl) {
		cpu->seg[SS] = ss;
		code_segment_set(cpu, (uint16_t)selector, &code, rpl);
		outer_rsp_set(cpu, rsp, release);
		data_segments_check(cpu);
		cpu_state_changed(cpu, false);
	} else {
		stack_commit(cpu, &stack, false);
		code_segment_set(cpu, (uint16_t)selector, &code, rpl);
	}
	cpu->rip = rip;
	return true;
}

/* Flags that IRET may change from where it is executed (SDM Vol. 2A, IRET). */
static void return_flags(struct x86_vcpu *cpu, uint64_t flags, unsigned int size, unsigned int cpl)
{
	uint64_t old = flags_get(cpu), may = FLAGS_ARITHMETIC | FLAG_TF | FLAG_DF | FLAG_NT;

	if (size >= 4)
		may |= FLAG_RF | FLAG_AC | FLAG_ID;
	if (cpl <= (old >> 12 & 3))
		may |= FLAG_IF;
	if (cpl == 0) {
		may |= FLAG_IOPL;
		if (size >= 4)
			may |= FLAG_VIF | FLAG_VIP;
	}
	flags_set(cpu, (old & ~may) | (flags & may) | 2);
}

/* Virtual-8086 mode below IOPL 3: only with CR4.VME, where IF is VIF (SDM Vol. 3B, 20.3). True: the image may be loaded. */
static bool return_virtual_flags(struct x86_vcpu *cpu, uint64_t *flags)
{
	uint64_t old = flags_get(cpu);

	if (*flags & FLAG_TF || (*flags & FLAG_IF && old & FLAG_VIP)) {
		exception_raise(cpu, VECTOR_GP, true, 0);
		return false;
	}
	*flags = (*flags & ~(uint64_t)(FLAG_IF | FLAG_VIF)) | (*flags & FLAG_IF ? FLAG_VIF : 0) | (old & FLAG_IF);
	return true;
}

static bool return_real(struct x86_vcpu *cpu, unsigned int size)
{
	uint64_t rip, selector, flags, old = flags_get(cpu), may = FLAGS_ARITHMETIC | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_IF;
	bool virtual = cpu->mode & MODE_VM86 && (old & FLAG_IOPL) != FLAG_IOPL;
	struct stack stack = stack_current(cpu);

	if (virtual && !(cpu->cr4 & CR4_VME && size == 2)) {
		exception_raise(cpu, VECTOR_GP, true, 0);
		return false;
	}
	if (!stack_pop(cpu, &stack, &rip, size) || !stack_pop(cpu, &stack, &selector, size) || !stack_pop(cpu, &stack, &flags, size) ||
	    !real_target(cpu, rip) || (virtual && !return_virtual_flags(cpu, &flags)))
		return false;
	stack_commit(cpu, &stack, false);
	if (size == 4)
		may |= FLAG_RF | FLAG_AC | FLAG_ID;
	if (!(cpu->mode & MODE_VM86))
		may |= FLAG_IOPL;
	if (virtual)
		may |= FLAG_VIF;
	flags_set(cpu, (old & ~may) | (flags & may) | 2);
	segment_load_real(cpu, CS, (uint16_t)selector);
	cpu->rip = rip;
	return true;
}

/* IRET to virtual-8086 mode: SDM Vol. 3B, 20.2.2. */
static bool return_vm86(struct x86_vcpu *cpu, struct stack *stack, uint64_t rip, uint16_t cs, uint64_t flags)
{
	static const enum segment order[] = { SS, ES, DS, FS, GS };
	uint64_t rsp, selectors[5];

	if (!stack_pop(cpu, stack, &rsp, 4))
		return false;
	for (unsigned int i = 0; i < 5; i++)
		if (!stack_pop(cpu, stack, &selectors[i], 4))
			return false;
	flags_set(cpu, (flags & 0x3f7fd7) | 2);
	segment_load_real(cpu, CS, cs);
	for (unsigned int i = 0; i < 5; i++)
		segment_load_real(cpu, order[i], (uint16_t)selectors[i]);
	cpu->gpr[RSP] = rsp;
	cpu->rip = rip & UINT16_MAX;
	cpu_state_changed(cpu, false);
	return true;
}

bool interrupt_return(struct x86_vcpu *cpu, unsigned int size, uint64_t next_rip)
{
	bool code64 = (cpu->mode & MODE_CODE_MASK) == MODE_CODE64, outer;
	struct stack stack = stack_current(cpu);
	uint64_t rip, selector, flags, rsp = 0, ss_selector = 0;
	struct kvm_segment ss = { 0 };
	struct descriptor code;
	unsigned int rpl, cpl = cpu->cpl;

	if (real_like(cpu))
		return return_real(cpu, size);
	if (flags_get(cpu) & FLAG_NT) {
		uint16_t link;

		if (cpu->efer & EFER_LMA) {
			exception_raise(cpu, VECTOR_GP, true, 0);
			return false;
		}
		if (!mem_read_system(cpu, cpu->seg[TR].base, &link, 2))
			return false;
		return task_switch(cpu, link, TASK_IRET, false, 0, next_rip);
	}
	/* In the order of processors, which shows when several fault: the flags first. */
	if (!stack_peek(cpu, &stack, 2, &flags, size) || !stack_peek(cpu, &stack, 1, &selector, size) || !stack_peek(cpu, &stack, 0, &rip, size))
		return false;
	stack_release(&stack, 3 * size);
	selector &= 0xffff;
	if (size == 4 && flags & FLAG_VM && cpl == 0 && !(cpu->efer & EFER_LMA))
		return return_vm86(cpu, &stack, rip, (uint16_t)selector, flags);
	rpl = selector & 3;
	outer = rpl > cpl;
	/* In 64-bit mode SS:RSP is always popped; and before CS is looked at (SDM Vol. 2A, IRET). */
	if ((outer || code64) && (!stack_peek(cpu, &stack, 1, &ss_selector, size) || !stack_peek(cpu, &stack, 0, &rsp, size)))
		return false;
	if (!return_code(cpu, (uint16_t)selector, &code))
		return false;
	if ((outer || code64) && !return_stack(cpu, (uint16_t)ss_selector, &code, rpl, &ss))
		return false;
	if (!target_check(cpu, &code, rip) || !descriptor_set_accessed(cpu, &code))
		return false;
	return_flags(cpu, flags, size, cpl);
	if (outer || code64) {
		cpu->seg[SS] = ss;
		code_segment_set(cpu, (uint16_t)selector, &code, rpl);
		outer_rsp_set(cpu, rsp, 0);
		if (outer)
			data_segments_check(cpu);
		cpu_state_changed(cpu, false);
	} else {
		stack_commit(cpu, &stack, false);
		code_segment_set(cpu, (uint16_t)selector, &code, rpl);
	}
	cpu->rip = rip;
	return true;
}
