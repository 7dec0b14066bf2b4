/*
 * Exceptions and interrupts: raising, and delivery through the IVT or IDT. SDM Vol. 3A, chapter 6. Which event is due, and when,
 * is run.c's business.
 */
#include "x86/cpu/exec.h"
#include "x86/cpu/flags.h"
#include "x86/cpu/mem.h"
#include "x86/cpu/segment.h"

void exception_raise(struct x86_vcpu *cpu, enum vector vector, bool has_error_code, uint32_t error_code)
{
	/* Real mode pushes no error codes. */
	cpu->exception.pending = true;
	cpu->exception.injected = false;
	cpu->exception.nr = (uint8_t)vector;
	cpu->exception.has_error_code = has_error_code && cpu->cr0 & CR0_PE;
	cpu->exception.error_code = has_error_code ? error_code : 0;
	cpu->exception.has_payload = false;
	cpu->exception.payload = 0;
	cpu->stop = STOP_EXCEPTION;
}

void page_fault_raise(struct x86_vcpu *cpu, uint64_t linear, uint32_t error_code)
{
	exception_raise(cpu, VECTOR_PF, true, error_code);
	cpu->exception.has_payload = true;
	cpu->exception.payload = linear;
}

static bool gate_fault(struct x86_vcpu *cpu, enum vector vector, uint32_t error_code)
{
	exception_raise(cpu, vector, true, error_code);
	return false;
}

/* ---- Real mode: the interrupt vector table (SDM Vol. 3B, 20.1.4). ---- */

static bool deliver_real(struct x86_vcpu *cpu, uint8_t vector, uint64_t return_rip)
{
	struct stack stack = stack_current(cpu);
	uint64_t flags = flags_get(cpu);
	uint16_t entry[2];

	if ((uint64_t)vector * 4 + 3 > cpu->idt.limit) {
		exception_raise(cpu, VECTOR_GP, true, 0);
		return false;
	}
	if (!mem_read_system(cpu, cpu->idt.base + (uint64_t)vector * 4, entry, 4) || !stack_push(cpu, &stack, flags & 0xffff, 2) ||
	    !stack_push(cpu, &stack, cpu->seg[CS].selector, 2) || !stack_push(cpu, &stack, return_rip & 0xffff, 2))
		return false;
	stack_commit(cpu, &stack, false);
	flags_set(cpu, flags & ~(uint64_t)(FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF));
	segment_load_real(cpu, CS, entry[1]);
	cpu->rip = entry[0];
	return true;
}

/* ---- Protected and long mode. ---- */

struct idt_gate {
	uint16_t selector;
	uint64_t offset;
	unsigned int type, dpl, ist;
	bool present;
};

static bool idt_read(struct x86_vcpu *cpu, enum event_type type, uint8_t vector, struct idt_gate *gate)
{
	bool long_mode = cpu->efer & EFER_LMA;
	unsigned int size = long_mode ? 16 : 8;
	uint32_t code = (uint32_t)vector * 8 + 2; /* IDT flag */
	uint64_t raw[2] = { 0, 0 };

	if ((uint64_t)vector * size + size - 1 > cpu->idt.limit)
		return gate_fault(cpu, VECTOR_GP, code);
	if (!mem_read_system(cpu, cpu->idt.base + (uint64_t)vector * size, raw, size))
		return false;
	gate->selector = (uint16_t)(raw[0] >> 16);
	gate->type = raw[0] >> 40 & 0x1f;
	gate->dpl = raw[0] >> 45 & 3;
	gate->present = raw[0] >> 47 & 1;
	gate->ist = long_mode ? raw[0] >> 32 & 7 : 0;
	gate->offset = (raw[0] & 0xffff) | (raw[0] >> 32 & 0xffff0000) | raw[1] << 32;
	if (gate->type == TYPE_INT16 || gate->type == TYPE_TRAP16)
		gate->offset &= 0xffff;
	if (gate->type != TYPE_INT32 && gate->type != TYPE_TRAP32 &&
	    (long_mode || (gate->type != TYPE_INT16 && gate->type != TYPE_TRAP16 && gate->type != TYPE_TASK)))
		return gate_fault(cpu, VECTOR_GP, code);
	if (type == EVENT_SOFTWARE && gate->dpl < cpu->cpl)
		return gate_fault(cpu, VECTOR_GP, code);
	if (!gate->present)
		return gate_fault(cpu, VECTOR_NP, code);
	return true;
}

/* The code segment that the gate leads to. */
static bool handler_read(struct x86_vcpu *cpu, const struct idt_gate *gate, struct descriptor *code)
{
	bool long_mode = cpu->efer & EFER_LMA;

	if (selector_null(gate->selector))
		return gate_fault(cpu, VECTOR_GP, 0);
	if (!descriptor_read(cpu, gate->selector, VECTOR_GP, code))
		return false;
	if (!descriptor_is_code(code) || descriptor_dpl(code) > cpu->cpl || (long_mode && (!descriptor_long(code) || descriptor_db(code))))
		return gate_fault(cpu, VECTOR_GP, gate->selector & 0xfffc);
	if (!descriptor_present(code))
		return gate_fault(cpu, VECTOR_NP, gate->selector & 0xfffc);
	/* From virtual-8086 mode only to level 0. */
	if (cpu->rflags & FLAG_VM && (descriptor_conforming(code) || descriptor_dpl(code) != 0))
		return gate_fault(cpu, VECTOR_GP, gate->selector & 0xfffc);
	return true;
}

/* The stack that the handler gets. `*switched`: SS and RSP of the interrupted program are saved on it. */
static bool handler_stack(struct x86_vcpu *cpu, const struct idt_gate *gate, unsigned int level, struct stack *stack, bool *switched)
{
	bool long_mode = cpu->efer & EFER_LMA;

	*switched = long_mode || level < cpu->cpl;
	if (level < cpu->cpl) {
		if (!(long_mode && gate->ist) && !stack_for_level(cpu, level, stack))
			return false;
		if (long_mode && gate->ist) {
			*stack = (struct stack){ .mask = UINT64_MAX, .flat = true, .vector = VECTOR_SS,
						 .ss = { .selector = (uint16_t)level, .unusable = 1, .dpl = (uint8_t)level } };
		}
	} else {
		*stack = stack_current(cpu);
	}
	if (long_mode) {
		stack->flat = true;
		stack->mask = UINT64_MAX;
		stack->user = level == 3;
		if (gate->ist && !tss_ist(cpu, gate->ist, &stack->sp))
			return false;
		stack->sp &= ~UINT64_C(15); /* 6.14.2 */
	}
	return true;
}

/* From virtual-8086 mode: the data segments are saved and cleared (SDM Vol. 3B, 20.3.1.1). */
static bool push_vm86_segments(struct x86_vcpu *cpu, struct stack *stack, unsigned int size)
{
	return stack_push(cpu, stack, cpu->seg[GS].selector, size) && stack_push(cpu, stack, cpu->seg[FS].selector, size) &&
	       stack_push(cpu, stack, cpu->seg[DS].selector, size) && stack_push(cpu, stack, cpu->seg[ES].selector, size);
}

static void clear_vm86_segments(struct x86_vcpu *cpu)
{
	static const enum segment segments[] = { DS, ES, FS, GS };

	for (unsigned int i = 0; i < 4; i++)
		cpu->seg[segments[i]] = (struct kvm_segment){ .unusable = 1 };
}

static bool deliver_gate(struct x86_vcpu *cpu, const struct idt_gate *gate, enum event_type type, bool debug, bool has_error_code,
			 uint32_t error_code, uint64_t return_rip)
{
	bool long_mode = cpu->efer & EFER_LMA, vm86 = cpu->rflags & FLAG_VM, switched;
	uint64_t flags = flags_get(cpu), clear = FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM;
	unsigned int level, size = long_mode ? 8 : gate->type & 8 ? 4 : 2;
	struct descriptor code;
	struct stack stack;

	if (!handler_read(cpu, gate, &code))
		return false;
	level = descriptor_conforming(&code) ? cpu->cpl : descriptor_dpl(&code);
	if (!handler_stack(cpu, gate, level, &stack, &switched))
		return false;
	/* Faults resume with RF set, so that an instruction breakpoint hits once; #DB leaves that to its handler (Vol. 3B, 17.3.1.1). */
	if (type == EVENT_EXCEPTION && !debug)
		flags |= FLAG_RF;
	if (vm86 && !push_vm86_segments(cpu, &stack, size))
		return false;
	if (switched && (!stack_push(cpu, &stack, cpu->seg[SS].selector, size) || !stack_push(cpu, &stack, cpu->gpr[RSP], size)))
		return false;
	if (!stack_push(cpu, &stack, flags, size) || !stack_push(cpu, &stack, cpu->seg[CS].selector, size) ||
	    !stack_push(cpu, &stack, return_rip, size))
		return false;
	if (has_error_code && !stack_push(cpu, &stack, error_code, size))
		return false;
	if (long_mode ? !address_canonical(cpu, gate->offset) : gate->offset > segment_of(0, &code).limit)
		return gate_fault(cpu, VECTOR_GP, 0);
	if (!descriptor_set_accessed(cpu, &code))
		return false;
	if (gate->type == TYPE_INT32 || gate->type == TYPE_INT16)
		clear |= FLAG_IF;
	flags_set(cpu, flags_get(cpu) & ~clear);
	if (vm86)
		clear_vm86_segments(cpu);
	stack_commit(cpu, &stack, level < cpu->cpl || vm86);
	code_segment_set(cpu, gate->selector, &code, level);
	cpu->rip = gate->offset;
	return true;
}

static bool deliver_protected(struct x86_vcpu *cpu, enum event_type type, uint8_t vector, bool has_error_code, uint32_t error_code,
			      uint64_t return_rip)
{
	struct idt_gate gate;

	if (!idt_read(cpu, type, vector, &gate))
		return false;
	if (gate.type == TYPE_TASK)
		return task_switch(cpu, gate.selector, TASK_GATE, has_error_code, error_code, return_rip);
	return deliver_gate(cpu, &gate, type, vector == VECTOR_DB, has_error_code, error_code, return_rip);
}

/* ---- Double and triple faults: SDM Vol. 3A, 6.15, table 6-5. ---- */

enum fault_class { CLASS_BENIGN, CLASS_CONTRIBUTORY, CLASS_PAGE_FAULT, CLASS_DOUBLE_FAULT };

static enum fault_class fault_class(enum event_type type, uint8_t vector)
{
	if (type != EVENT_EXCEPTION)
		return CLASS_BENIGN;
	switch (vector) {
	case VECTOR_DE: case VECTOR_TS: case VECTOR_NP: case VECTOR_SS: case VECTOR_GP:
		return CLASS_CONTRIBUTORY;
	case VECTOR_PF:
		return CLASS_PAGE_FAULT;
	case VECTOR_DF:
		return CLASS_DOUBLE_FAULT;
	default:
		return CLASS_BENIGN;
	}
}

/* EXT: an error code that names a selector or gate, made while an event that is not the program's own is delivered (6.13). */
static void external_bit_set(struct x86_vcpu *cpu, enum event_type type)
{
	uint8_t vector = cpu->exception.nr;

	if (type != EVENT_SOFTWARE && cpu->exception.has_error_code && vector >= VECTOR_TS && vector <= VECTOR_GP)
		cpu->exception.error_code |= 1;
}

static bool makes_double_fault(enum fault_class first, enum fault_class second)
{
	return (first == CLASS_CONTRIBUTORY && second == CLASS_CONTRIBUTORY) ||
	       (first == CLASS_PAGE_FAULT && (second == CLASS_CONTRIBUTORY || second == CLASS_PAGE_FAULT));
}

bool event_deliver(struct x86_vcpu *cpu, enum event_type type, uint8_t vector, bool has_error_code, uint32_t error_code, uint64_t return_rip)
{
	for (;;) {
		enum fault_class first = fault_class(type, vector), second;
		bool done;

		cpu->stop = STOP_NONE;
		if (cpu->cr0 & CR0_PE)
			done = deliver_protected(cpu, type, vector, has_error_code, error_code, return_rip);
		else
			done = deliver_real(cpu, vector, return_rip);
		if (done)
			return true;
		if (cpu->stop != STOP_EXCEPTION)
			return false;
		external_bit_set(cpu, type);
		cpu->exception.pending = false;
		cpu->stop = STOP_NONE;
		second = fault_class(EVENT_EXCEPTION, cpu->exception.nr);
		if (first == CLASS_DOUBLE_FAULT && second != CLASS_BENIGN) {
			cpu->stop = STOP_TRIPLE_FAULT;
			return false;
		}
		if (cpu->exception.has_payload && cpu->exception.nr == VECTOR_PF)
			cpu->cr2 = cpu->exception.payload;
		/* The faults of delivery belong to the interrupted instruction, whose RIP cpu->rip still is. */
		return_rip = cpu->rip;
		type = EVENT_EXCEPTION;
		if (makes_double_fault(first, second)) {
			vector = VECTOR_DF;
			has_error_code = cpu->cr0 & CR0_PE;
			error_code = 0;
		} else {
			vector = cpu->exception.nr;
			has_error_code = cpu->exception.has_error_code;
			error_code = cpu->exception.error_code;
		}
	}
}
