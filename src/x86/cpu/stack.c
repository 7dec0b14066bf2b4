/*
 * PUSH, POP, PUSHA, POPA, PUSHF, POPF, ENTER, LEAVE. RSP changes last, when nothing can fault any more.
 */
#include "x86/cpu/stack.h"

/* ---- PUSH. ---- */

enum source { SOURCE_REGISTER, SOURCE_IMMEDIATE, SOURCE_MEMORY, SOURCE_SEGMENT };

TEMPLATE enum step push(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum stack_width width, unsigned int size, enum source source)
{
	enum step step = STEP_NEXT;
	int64_t value;
	uint64_t rsp;

	switch (source) {
	case SOURCE_REGISTER: value = gpr_get(cpu, insn->reg, size); break;
	case SOURCE_IMMEDIATE: value = (int64_t)insn->imm; break;
	case SOURCE_MEMORY: step = load(cpu, insn, path, size, &value); break;
	default: value = cpu->seg[insn->reg].selector; break;
	}
	if (step == STEP_NEXT)
		step = stack_store(cpu, insn, path, width, size, (uint64_t)value, &rsp);
	if (step == STEP_NEXT)
		cpu->gpr[RSP] = rsp;
	return step;
}

/* `extra` is the source. */
HANDLER_SLOW(push_slow, push, STACK_OTHER, insn->size, insn->extra)
HANDLER(push_register_8, push_slow, push, STACK_64, 8, SOURCE_REGISTER)
HANDLER(push_immediate_8, push_slow, push, STACK_64, 8, SOURCE_IMMEDIATE)
HANDLER(push_memory_8, push_slow, push, STACK_64, 8, SOURCE_MEMORY)
HANDLER(push_register_4, push_slow, push, STACK_FLAT, 4, SOURCE_REGISTER)
HANDLER(push_immediate_4, push_slow, push, STACK_FLAT, 4, SOURCE_IMMEDIATE)
HANDLER(push_memory_4, push_slow, push, STACK_FLAT, 4, SOURCE_MEMORY)

bool push_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	static insn_fn *const fast[2][3] = { { push_register_8, push_immediate_8, push_memory_8 },
					     { push_register_4, push_immediate_4, push_memory_4 } };
	enum stack_width width = decode_stack_width(d);

	(void)argument;
	if (decode_is_memory(d, 0)) {
		insn->extra = SOURCE_MEMORY;
	} else if (d->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		insn->extra = SOURCE_IMMEDIATE;
		insn->imm = d->op[0].imm.value.u;
	} else if (ZydisRegisterGetClass(d->op[0].reg.value) == ZYDIS_REGCLASS_SEGMENT) {
		insn->extra = SOURCE_SEGMENT;
		insn->reg = decode_segment(d->op[0].reg.value);
	} else {
		insn->extra = SOURCE_REGISTER;
		insn->reg = decode_gpr(d->op[0].reg.value);
	}
	insn->run = push_slow;
	if (insn->extra != SOURCE_SEGMENT && ((width == STACK_64 && insn->size == 8) || (width == STACK_FLAT && insn->size == 4)))
		insn->run = fast[width][insn->extra];
	return true;
}

/* ---- POP. Segment registers are system.c's. ---- */

TEMPLATE enum step pop_register(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum stack_width width, unsigned int size)
{
	int64_t value;
	enum step step = stack_load(cpu, insn, path, width, size, &value);

	if (step == STEP_NEXT) {
		/* RSP first: POP RSP keeps what was popped. */
		cpu->gpr[RSP] = stack_moved(cpu, path, width, size);
		gpr_set(cpu, insn->reg, size, (uint64_t)value);
	}
	return step;
}

HANDLER_SLOW(pop_register_slow, pop_register, STACK_OTHER, insn->size)
HANDLER(pop_register_8, pop_register_slow, pop_register, STACK_64, 8)
HANDLER(pop_register_4, pop_register_slow, pop_register, STACK_FLAT, 4)

/* An address that uses RSP sees it already moved (SDM Vol. 2B, POP). */
TEMPLATE enum step pop_memory(struct x86_vcpu *cpu, const struct insn *insn, enum path path)
{
	unsigned int size = insn->size;
	uint64_t rsp = stack_pointer(cpu, size), linear;
	int64_t value;

	if (stack_load(cpu, insn, path, STACK_OTHER, size, &value) != STEP_NEXT)
		return STEP_LEAVE;
	operand_linear(cpu, insn, path, insn->base == RSP ? (int64_t)(rsp - cpu->gpr[RSP]) : 0, size, ACCESS_WRITE, &linear);
	if (store_at(cpu, insn, path, (enum segment)insn->seg, linear, size, (uint64_t)value) != STEP_NEXT)
		return STEP_LEAVE;
	cpu->gpr[RSP] = rsp;
	return STEP_NEXT;
}

static void pop_memory_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (pop_memory(cpu, insn, PATH_SLOW) == STEP_NEXT)
		insn_next(cpu, insn);
}

bool pop_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	enum stack_width width = decode_stack_width(d);

	(void)argument;
	if (decode_is_memory(d, 0)) {
		insn->run = pop_memory_run;
		return true;
	}
	if (ZydisRegisterGetClass(d->op[0].reg.value) == ZYDIS_REGCLASS_SEGMENT)
		return decode_as_system(d, insn);
	insn->reg = decode_gpr(d->op[0].reg.value);
	insn->run = pop_register_slow;
	if (width == STACK_64 && insn->size == 8)
		insn->run = pop_register_8;
	else if (width == STACK_FLAT && insn->size == 4)
		insn->run = pop_register_4;
	return true;
}

/* ---- PUSHA, POPA: eight registers, RAX first, at the highest address. ---- */

/* Linear address of the n-th element above stack offset `base`. */
static uint64_t stack_element(struct x86_vcpu *cpu, uint64_t base, unsigned int n, unsigned int size, enum access access)
{
	return stack_linear(cpu, base + n * size, size, access);
}

static void push_all(struct x86_vcpu *cpu, const struct insn *insn)
{
	unsigned int size = insn->size;
	uint64_t rsp = stack_pointer(cpu, -8 * (int64_t)size);

	for (unsigned int i = 8; i-- > 0;)
		if (!mem_write_slow(cpu, insn, SS, stack_element(cpu, rsp, i, size, ACCESS_WRITE), &cpu->gpr[RDI - i], size))
			return;
	cpu->gpr[RSP] = rsp;
	insn_next(cpu, insn);
}

static void pop_all(struct x86_vcpu *cpu, const struct insn *insn)
{
	unsigned int size = insn->size;
	uint64_t values[8] = { 0 }, rsp = stack_pointer(cpu, 8 * (int64_t)size);

	for (unsigned int i = 0; i < 8; i++)
		if (!mem_read_slow(cpu, insn, SS, stack_element(cpu, cpu->gpr[RSP], i, size, ACCESS_READ), &values[RDI - i], size))
			return;
	cpu->gpr[RSP] = rsp;
	for (uint8_t reg = RAX; reg <= RDI; reg++)
		if (reg != RSP) /* its value is thrown away */
			gpr_set(cpu, reg, size, values[reg]);
	insn_next(cpu, insn);
}

bool push_all_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)d;
	(void)argument;
	insn->run = push_all;
	return true;
}

bool pop_all_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)d;
	(void)argument;
	insn->run = pop_all;
	return true;
}

/* ---- PUSHF, POPF: SDM Vol. 2B, and Vol. 3B, 20.3 for virtual-8086 mode with CR4.VME. ---- */

static unsigned int iopl(const struct x86_vcpu *cpu)
{
	return cpu->rflags >> 12 & 3;
}

/* Virtual-8086 mode that may not touch IF: VIF stands in for it, in 16-bit forms and with VME, or the instruction faults. */
static bool virtual_flags(const struct x86_vcpu *cpu)
{
	return cpu->mode & MODE_VM86 && iopl(cpu) < 3;
}

static void push_flags(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t flags = flags_get(cpu) & ~(uint64_t)(FLAG_VM | FLAG_RF), rsp;

	if (virtual_flags(cpu)) {
		if (!(cpu->cr4 & CR4_VME) || insn->size != 2) {
			insn_fault_code(cpu, insn, VECTOR_GP, 0);
			return;
		}
		flags = (flags & ~(uint64_t)FLAG_IF) | FLAG_IOPL | (flags & FLAG_VIF ? FLAG_IF : 0);
	}
	if (stack_store(cpu, insn, PATH_SLOW, STACK_OTHER, insn->size, flags, &rsp) != STEP_NEXT)
		return;
	cpu->gpr[RSP] = rsp;
	insn_next(cpu, insn);
}

/* The flags that POPF changes here. */
static uint64_t pop_flags_mask(const struct x86_vcpu *cpu, unsigned int size)
{
	uint64_t mask = FLAGS_ARITHMETIC | FLAG_TF | FLAG_DF | FLAG_NT;

	if (size > 2)
		mask |= FLAG_AC | FLAG_ID;
	if (cpu->mode & MODE_VM86)
		return mask | (iopl(cpu) == 3 ? FLAG_IF : 0);
	if (cpu->cpl <= iopl(cpu))
		mask |= FLAG_IF;
	if (cpu->cpl == 0)
		mask |= FLAG_IOPL;
	return mask;
}

/* IF as VIF; false: #GP. */
static bool pop_virtual_flags(struct x86_vcpu *cpu, unsigned int size, uint64_t image, uint64_t *flags)
{
	if (!(cpu->cr4 & CR4_VME) || size != 2 || image & FLAG_TF || (image & FLAG_IF && cpu->rflags & FLAG_VIP))
		return false;
	*flags = (*flags & ~(uint64_t)FLAG_VIF) | (image & FLAG_IF ? FLAG_VIF : 0);
	return true;
}

static void pop_flags(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t old = flags_get(cpu), mask = pop_flags_mask(cpu, insn->size), flags;
	enum cpu_stop stop = STOP_NONE;
	int64_t image;

	if (virtual_flags(cpu) && (!(cpu->cr4 & CR4_VME) || insn->size != 2)) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	if (stack_load(cpu, insn, PATH_SLOW, STACK_OTHER, insn->size, &image) != STEP_NEXT)
		return;
	flags = ((old & ~mask) | ((uint64_t)image & mask)) & ~(uint64_t)FLAG_RF;
	if (virtual_flags(cpu) && !pop_virtual_flags(cpu, insn->size, (uint64_t)image, &flags)) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	cpu->gpr[RSP] = stack_pointer(cpu, insn->size);
	flags_set(cpu, flags);
	if ((old ^ flags) & (FLAG_TF | FLAG_AC) || flags & ~old & FLAG_IF) {
		cpu_state_changed(cpu, false);
		stop = STOP_EVENT;
	}
	insn_done(cpu, insn, stop);
}

bool push_flags_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)d;
	(void)argument;
	insn->run = push_flags;
	return true;
}

bool pop_flags_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)d;
	(void)argument;
	insn->run = pop_flags;
	insn->flags |= INSN_ENDS_BLOCK; /* what is decoded and what may interrupt depend on flags */
	return true;
}

/* ---- ENTER: SDM Vol. 1, 6.6.1. Nesting level in `extra`, size of the frame in `imm`. ---- */

/* Copies the display: the frame pointers of the enclosing procedures, then this one's. */
static bool enter_display(struct x86_vcpu *cpu, const struct insn *insn, uint64_t frame)
{
	unsigned int size = insn->size, level = insn->extra;

	for (unsigned int i = 1; i <= level; i++) {
		uint64_t pointer = frame, offset = stack_pointer_at(cpu, frame - i * size);

		if (i < level && !mem_read_slow(cpu, insn, SS, stack_linear(cpu, cpu->gpr[RBP] - i * size, size, ACCESS_READ), &pointer, size))
			return false;
		if (!mem_write_slow(cpu, insn, SS, stack_linear(cpu, offset, size, ACCESS_WRITE), &pointer, size))
			return false;
	}
	return true;
}

/* As mem_probe() for a write to the stack, alignment included. */
static bool stack_probe(struct x86_vcpu *cpu, const struct insn *insn, uint64_t linear, unsigned int size)
{
	return mem_address_check(cpu, insn, SS, linear, size, size) && mem_probe(cpu, insn, SS, linear, size, ACCESS_WRITE);
}

static void enter(struct x86_vcpu *cpu, const struct insn *insn)
{
	unsigned int size = insn->size;
	uint64_t frame = stack_pointer(cpu, -(int64_t)size), rsp = stack_pointer_at(cpu, frame - insn->extra * size - insn->imm);

	if (!mem_write_slow(cpu, insn, SS, stack_linear(cpu, frame, size, ACCESS_WRITE), &cpu->gpr[RBP], size) || !enter_display(cpu, insn, frame))
		return;
	/* The new stack pointer must be writable although nothing is written there yet. */
	if (!stack_probe(cpu, insn, stack_linear(cpu, rsp, size, ACCESS_WRITE), size))
		return;
	cpu->gpr[RSP] = rsp;
	gpr_set(cpu, RBP, size, frame);
	insn_next(cpu, insn);
}

bool enter_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	insn->imm = d->op[0].imm.value.u & 0xffff;
	insn->extra = d->op[1].imm.value.u & 31;
	insn->run = enter;
	return true;
}

/* ---- LEAVE: RSP := RBP, then POP RBP. ---- */

TEMPLATE enum step leave(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum stack_width width, unsigned int size)
{
	uint64_t frame = cpu->gpr[RBP], raw = 0;
	enum step step = STEP_NEXT;
	int64_t value;

	if (path == PATH_FAST) {
		frame = width == STACK_64 ? frame : (uint32_t)frame;
		step = load_at(cpu, insn, path, frame, size, &value);
	} else {
		if (!mem_read_seg(cpu, insn, SS, stack_linear(cpu, frame, size, ACCESS_READ), &raw, size))
			return STEP_LEAVE;
		value = (int64_t)raw;
	}
	if (step != STEP_NEXT)
		return step;
	if (path == PATH_SLOW)
		cpu->gpr[RSP] = stack_pointer_at(cpu, frame + size);
	else
		cpu->gpr[RSP] = width == STACK_64 ? frame + size : (uint32_t)(frame + size);
	gpr_set(cpu, RBP, size, (uint64_t)value);
	return STEP_NEXT;
}

HANDLER_SLOW(leave_slow, leave, STACK_OTHER, insn->size)
HANDLER(leave_8, leave_slow, leave, STACK_64, 8)
HANDLER(leave_4, leave_slow, leave, STACK_FLAT, 4)

bool leave_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	enum stack_width width = decode_stack_width(d);

	(void)argument;
	insn->run = leave_slow;
	if (width == STACK_64 && insn->size == 8)
		insn->run = leave_8;
	else if (width == STACK_FLAT && insn->size == 4)
		insn->run = leave_4;
	return true;
}
