/*
 * x87 instructions that compute, compare and move numbers. All of them are executed by the host's unit.
 *
 * The general way (native_run) gives it the guest's whole state: masked or not, stack fault or not, the result is right because
 * it is a processor's. The quick ways give it one or two registers with all exceptions masked. They are for the ordinary case:
 * where a register is not as the instruction wants it, or an exception is not masked, they change nothing and say false.
 */
#include "x86/cpu/x87.h"

/* Where an instruction's result goes. */
enum x87_target { TARGET_NONE, TARGET_ST0, TARGET_STI };

/* An instruction. For the quick way: its form on the host that works on ST(0) and ST(1) and does not pop. */
struct x87_op {
	insn_fn *run;
	uint8_t size;          /* bytes of its operand in memory */
	uint8_t opcode, modrm; /* of the quick way's form */
	uint8_t target;        /* enum x87_target */
	uint8_t pops;
	uint16_t conditions;   /* C0 ... C3, as far as it defines them */
	bool host_pops;        /* the quick way's form exists only with a pop */
	bool eflags;           /* compares into EFLAGS */
};

static const struct x87_op *insn_op(const struct insn *insn)
{
	return (const struct x87_op *)(uintptr_t)insn->imm;
}

void x87_pointers_set(struct x86_vcpu *cpu, const struct insn *insn)
{
	/* In real-address and virtual-8086 mode they are linear addresses: SDM Vol. 1, figures 8-10 and 8-12. */
	bool real = cpu->mode & (MODE_REAL | MODE_VM86);
	uint64_t offset = insn_effective(cpu, insn);

	cpu->xsave.fop = (uint16_t)(insn->extra & 0x7ff);
	cpu->xsave.fip = insn_rip(cpu, insn) + (real ? cpu->seg[CS].base : 0);
	if (x87_modrm(insn) >= 0xc0)
		return;
	if (insn->flags & INSN_ADDRESS16)
		offset = (uint16_t)offset;
	else if (insn->flags & INSN_ADDRESS32)
		offset = (uint32_t)offset;
	cpu->xsave.fdp = offset + (real ? cpu->seg[insn->seg].base : 0);
}

/* ---- The unit. ---- */

void x87_unit_take(struct x86_vcpu *cpu)
{
	if (likely(cpu->host_fpu.x87_used))
		return;
	host_x87_environment_take(cpu->host_fpu.x87_environment);
	cpu->host_fpu.x87_used = true;
	cpu->host_fpu.x87_control = X87_CONTROL_INITIAL;
	cpu->host_fpu.x87_flags = 0;
}

/* Before the quick ways. */
static void unit_begin(struct x86_vcpu *cpu)
{
	uint16_t control = cpu->xsave.fcw | X87_FLAGS;

	x87_unit_take(cpu);
	if (unlikely(cpu->host_fpu.x87_control != control)) {
		host_x87_control_set(control);
		cpu->host_fpu.x87_control = control;
	}
	/* Flags accumulate in the unit. Those that the guest's status word has anyway do no harm there. */
	if (unlikely(cpu->host_fpu.x87_flags & ~cpu->xsave.fsw)) {
		host_x87_flags_clear();
		cpu->host_fpu.x87_flags = 0;
	}
}

static uint8_t unmasked(const struct x86_vcpu *cpu)
{
	return ~cpu->xsave.fcw & X87_FLAGS;
}

/*
 * Takes over what the instruction left in the unit's status word: exception flags, and the condition bits that it defines.
 * False: an exception is not masked.
 */
static bool status_merge(struct x86_vcpu *cpu, uint16_t status, unsigned int conditions)
{
	cpu->host_fpu.x87_flags = status & X87_FLAGS;
	if (unlikely(status & unmasked(cpu)))
		return false;
	cpu->xsave.fsw = (uint16_t)((cpu->xsave.fsw & ~conditions) | (status & (conditions | X87_FLAGS)));
	return true;
}

/* ---- The general way. ---- */

static void state_get(const struct x86_vcpu *cpu, struct host_x87_state *state)
{
	*state = (struct host_x87_state){ .control = cpu->xsave.fcw, .status = x87_status(cpu), .tags = x87_tags_full(cpu) };
	for (unsigned int i = 0; i < 8; i++)
		memcpy(state->st[i], cpu->xsave.st[i], 10);
}

static void state_set(struct x86_vcpu *cpu, const struct host_x87_state *state)
{
	cpu->xsave.fcw = (uint16_t)state->control;
	cpu->xsave.fsw = (uint16_t)state->status;
	cpu->xsave.ftw = x87_tags_abridge((uint16_t)state->tags);
	for (unsigned int i = 0; i < 8; i++)
		memcpy(cpu->xsave.st[i], state->st[i], 10);
}

/* Executes the instruction as the guest wrote it; the result is in `state`, and in `operand` if it stores. Returns EFLAGS' low byte. */
static uint8_t native_execute(struct x86_vcpu *cpu, const struct insn *insn, void *operand, struct host_x87_state *state)
{
	uint8_t opcode = x87_opcode(insn), modrm = x87_modrm(insn), flags;
	const void *stub = modrm < 0xc0 ? host_x87_memory_stub(opcode, modrm) : host_x87_register_stub(opcode, modrm);

	x87_unit_take(cpu);
	state_get(cpu, state);
	flags = host_x87_execute(state, stub, operand, (uint8_t)flags_get(cpu));
	cpu->host_fpu.x87_control = X87_CONTROL_INITIAL;
	cpu->host_fpu.x87_flags = 0;
	return flags;
}

static void native_run(struct x86_vcpu *cpu, const struct insn *insn, void *operand)
{
	struct host_x87_state state;
	uint8_t flags = native_execute(cpu, insn, operand, &state);

	state_set(cpu, &state);
	/* OF is cleared too. */
	if (insn_op(insn)->eflags)
		flags_arithmetic_set(cpu, flags & FLAGS_ARITHMETIC);
}

/* ---- Operands in memory. ---- */

/* That so much of the operand could be accessed. */
static bool operand_probe(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, enum access access)
{
	uint64_t linear = insn_linear(cpu, insn, size, access);

	return mem_address_check(cpu, insn, (enum segment)insn->seg, linear, size, size) &&
	       mem_probe(cpu, insn, (enum segment)insn->seg, linear, size, access);
}

/* An extended real is accessed in two parts: the first may fault where the second is not even canonical. */
static bool extended_probe(struct x86_vcpu *cpu, const struct insn *insn, uint64_t linear, enum access access)
{
	return tlb_lookup(cpu->tlb, access == ACCESS_READ ? TLB_READ : TLB_WRITE, linear, 10) || operand_probe(cpu, insn, 8, access);
}

static bool operand_read(struct x86_vcpu *cpu, const struct insn *insn, uint8_t operand[10])
{
	unsigned int size = insn_op(insn)->size;
	uint64_t linear = insn_linear(cpu, insn, size, ACCESS_READ);

	switch (size) {
	case 0: return true;
	case 2: return mem_read(cpu, insn, linear, operand, 2);
	case 4: return mem_read(cpu, insn, linear, operand, 4);
	case 8: return mem_read(cpu, insn, linear, operand, 8);
	default: return extended_probe(cpu, insn, linear, ACCESS_READ) && mem_read(cpu, insn, linear, operand, 10);
	}
}

static bool operand_write(struct x86_vcpu *cpu, const struct insn *insn, const uint8_t operand[10])
{
	unsigned int size = insn_op(insn)->size;
	uint64_t linear = insn_linear(cpu, insn, size, ACCESS_WRITE);

	switch (size) {
	case 2: return mem_write(cpu, insn, linear, operand, 2);
	case 4: return mem_write(cpu, insn, linear, operand, 4);
	case 8: return mem_write(cpu, insn, linear, operand, 8);
	default: return extended_probe(cpu, insn, linear, ACCESS_WRITE) && mem_write(cpu, insn, linear, operand, 10);
	}
}

static bool operand_writable(struct x86_vcpu *cpu, const struct insn *insn)
{
	unsigned int size = insn_op(insn)->size;

	return size == 10 ? operand_probe(cpu, insn, 8, ACCESS_WRITE) &&
			    mem_probe(cpu, insn, (enum segment)insn->seg, insn_linear(cpu, insn, 10, ACCESS_WRITE), 10, ACCESS_WRITE)
			  : operand_probe(cpu, insn, size, ACCESS_WRITE);
}

/* ---- The quick ways. ---- */

/* An exact tiny result underflows only when that exception is not masked (SDM Vol. 1, 8.5.5): masked flags cannot tell. */
static bool quick_applies(const struct x86_vcpu *cpu)
{
	return !(unmasked(cpu) & X87_STATUS_UE);
}

static const void *quick_stub(const struct x87_op *op)
{
	return op->modrm < 0xc0 ? host_x87_memory_stub(op->opcode, op->modrm) : host_x87_register_stub(op->opcode, op->modrm);
}

static void pop_times(struct x86_vcpu *cpu, unsigned int times)
{
	for (unsigned int i = 0; i < times; i++)
		x87_pop(cpu);
}

/* A constant, or an operand in memory, is pushed. */
static bool quick_push(struct x86_vcpu *cpu, const struct insn *insn, uint8_t operand[10])
{
	const struct x87_op *op = insn_op(insn);
	uint8_t value[10];

	if (!x87_empty(cpu, 7))
		return false;
	unit_begin(cpu);
	if (!status_merge(cpu, host_x87_push(quick_stub(op), operand, unmasked(cpu), value), op->conditions))
		return false;
	x87_push(cpu, value);
	return true;
}

/* ST(0) is changed or looked at, perhaps with an operand in memory. */
static bool quick_unary(struct x86_vcpu *cpu, const struct insn *insn, uint8_t operand[10])
{
	const struct x87_op *op = insn_op(insn);
	uint8_t *st0 = cpu->xsave.st[0];
	uint16_t status;

	if (x87_empty(cpu, 0))
		return false;
	unit_begin(cpu);
	if (op->target == TARGET_ST0)
		status = host_x87_unary(quick_stub(op), operand, unmasked(cpu), st0);
	else
		status = host_x87_look(quick_stub(op), operand, st0);
	if (!status_merge(cpu, status, op->conditions))
		return false;
	pop_times(cpu, op->pops);
	return true;
}

/* ST(0) and ST(i). */
static bool quick_binary(struct x86_vcpu *cpu, const struct insn *insn, uint8_t operand[10])
{
	const struct x87_op *op = insn_op(insn);
	uint8_t *st0 = cpu->xsave.st[0], *sti = cpu->xsave.st[insn->rm], nowhere[10], flags = (uint8_t)flags_get(cpu);
	uint16_t status;

	(void)operand;
	if (x87_empty(cpu, 0) || x87_empty(cpu, insn->rm))
		return false;
	unit_begin(cpu);
	status = host_x87_binary(quick_stub(op), st0, sti, unmasked(cpu), op->target == TARGET_ST0 ? st0 : nowhere,
				 op->target == TARGET_STI ? sti : nowhere, &flags);
	if (!status_merge(cpu, status, op->conditions))
		return false;
	if (op->eflags)
		flags_arithmetic_set(cpu, flags & FLAGS_ARITHMETIC);
	pop_times(cpu, op->pops);
	return true;
}

static bool quick_exchange(struct x86_vcpu *cpu, const struct insn *insn, uint8_t operand[10])
{
	uint8_t value[16];

	(void)operand;
	if (x87_empty(cpu, 0) || x87_empty(cpu, insn->rm))
		return false;
	memcpy(value, cpu->xsave.st[0], 16);
	memcpy(cpu->xsave.st[0], cpu->xsave.st[insn->rm], 16);
	memcpy(cpu->xsave.st[insn->rm], value, 16);
	cpu->xsave.fsw &= (uint16_t)~X87_STATUS_C1;
	return true;
}

/* FLD ST(i). */
static bool quick_duplicate(struct x86_vcpu *cpu, const struct insn *insn, uint8_t operand[10])
{
	uint8_t value[10];

	(void)operand;
	if (!x87_empty(cpu, 7) || x87_empty(cpu, insn->rm))
		return false;
	memcpy(value, cpu->xsave.st[insn->rm], 10);
	x87_push(cpu, value);
	cpu->xsave.fsw &= (uint16_t)~X87_STATUS_C1;
	return true;
}

/* FST ST(i), FSTP ST(i). */
static bool quick_copy(struct x86_vcpu *cpu, const struct insn *insn, uint8_t operand[10])
{
	(void)operand;
	if (x87_empty(cpu, 0))
		return false;
	memcpy(cpu->xsave.st[insn->rm], cpu->xsave.st[0], 10);
	cpu->xsave.ftw |= (uint8_t)(1u << ((x87_top(cpu) + insn->rm) & 7));
	cpu->xsave.fsw &= (uint16_t)~X87_STATUS_C1;
	pop_times(cpu, insn_op(insn)->pops);
	return true;
}

static bool quick_none(struct x86_vcpu *cpu, const struct insn *insn, uint8_t operand[10])
{
	(void)cpu, (void)insn, (void)operand;
	return false;
}

bool x87_inexact(struct x86_vcpu *cpu, unsigned int reg, const void *a, const void *b, unsigned int size, unsigned int bits)
{
	unsigned int rounding = cpu->xsave.mxcsr >> 13 & 3, precision = bits == 24 ? 0 : 2;
	uint8_t value[10];
	uint16_t status;

	x87_unit_take(cpu);
	cpu->host_fpu.x87_control = (uint16_t)(rounding << 10 | precision << 8 | 0x40 | X87_FLAGS);
	host_x87_control_set(cpu->host_fpu.x87_control);
	host_x87_push(host_x87_memory_stub(size == 4 ? 0xd9 : 0xdd, 0), a, 0, value);
	host_x87_flags_clear();
	status = host_x87_look(host_x87_memory_stub(size == 4 ? 0xd8 : 0xdc, (uint8_t)(reg << 3)), (void *)b, value);
	cpu->host_fpu.x87_flags = X87_FLAGS;
	return status & X87_STATUS_PE;
}

/* ---- Handlers. ---- */

typedef bool x87_quick(struct x86_vcpu *cpu, const struct insn *insn, uint8_t operand[10]);

TEMPLATE bool x87_execute(struct x86_vcpu *cpu, const struct insn *insn, x87_quick *quick)
{
	uint8_t operand[10];

	if (!x87_wait(cpu, insn) || !operand_read(cpu, insn, operand))
		return false;
	if (!quick_applies(cpu) || !quick(cpu, insn, operand))
		native_run(cpu, insn, operand);
	x87_pointers_set(cpu, insn);
	return true;
}

#define X87_HANDLER(name, quick)                                                  \
	X87_STEP bool name##_step(struct x86_vcpu *cpu, const struct insn *insn)  \
	{                                                                         \
		return x87_execute(cpu, insn, quick);                                \
	}                                                                         \
	static void name(struct x86_vcpu *cpu, const struct insn *insn)           \
	{                                                                         \
		if (name##_step(cpu, insn))                                       \
			insn_next(cpu, insn);                                     \
	}
X87_HANDLER(run_native, quick_none)
X87_HANDLER(run_push, quick_push)
X87_HANDLER(run_unary, quick_unary)
X87_HANDLER(run_binary, quick_binary)
X87_HANDLER(run_exchange, quick_exchange)
X87_HANDLER(run_duplicate, quick_duplicate)
X87_HANDLER(run_copy, quick_copy)

/* Stores ST(0): memory is written before anything changes. */
static bool native_store(struct x86_vcpu *cpu, const struct insn *insn)
{
	struct host_x87_state state;
	uint8_t operand[10] = { 0 };
	uint32_t raised;

	native_execute(cpu, insn, operand, &state);
	/* An inexact result is stored in any case; the other exceptions, when not masked, keep it from being stored. */
	raised = state.status & ~state.control & (X87_FLAGS & ~X87_STATUS_PE);
	if (!(raised ? operand_writable(cpu, insn) : operand_write(cpu, insn, operand)))
		return false;
	state_set(cpu, &state);
	x87_pointers_set(cpu, insn);
	return true;
}

X87_STEP bool store_step(struct x86_vcpu *cpu, const struct insn *insn)
{
	const struct x87_op *op = insn_op(insn);
	uint8_t operand[10];
	uint16_t status;

	if (!x87_wait(cpu, insn))
		return false;
	if (x87_empty(cpu, 0) || !quick_applies(cpu))
		return native_store(cpu, insn);
	unit_begin(cpu);
	status = (op->host_pops ? host_x87_store_pop : host_x87_look)(quick_stub(op), operand, cpu->xsave.st[0]);
	cpu->host_fpu.x87_flags = status & X87_FLAGS;
	if (status & unmasked(cpu))
		return native_store(cpu, insn);
	if (!operand_write(cpu, insn, operand))
		return false;
	status_merge(cpu, status, op->conditions);
	pop_times(cpu, op->pops);
	x87_pointers_set(cpu, insn);
	return true;
}

static void run_store(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (store_step(cpu, insn))
		insn_next(cpu, insn);
}

/* ---- The instructions, by opcode (D8 first) and ModRM.reg. ---- */

#define C1 X87_STATUS_C1
#define CALL X87_CONDITIONS

#define MEMORY_COMPUTE(op, reg, bytes) { run_unary, bytes, op, (reg) << 3, TARGET_ST0, 0, C1, false, false }
#define MEMORY_COMPARE(op, bytes, pops) { run_unary, bytes, op, 2 << 3, TARGET_NONE, pops, CALL, false, false }
/* FADD, FMUL, FCOM, FCOMP, FSUB, FSUBR, FDIV, FDIVR of an operand in memory. */
#define MEMORY_ARITHMETIC(op, bytes) { \
	MEMORY_COMPUTE(op, 0, bytes), MEMORY_COMPUTE(op, 1, bytes), MEMORY_COMPARE(op, bytes, 0), MEMORY_COMPARE(op, bytes, 1), \
	MEMORY_COMPUTE(op, 4, bytes), MEMORY_COMPUTE(op, 5, bytes), MEMORY_COMPUTE(op, 6, bytes), MEMORY_COMPUTE(op, 7, bytes) }
#define MEMORY_PUSH(op, reg, bytes) { run_push, bytes, op, (reg) << 3, TARGET_NONE, 0, C1, false, false }
/* FST, FIST, and with a pop FSTP, FISTP: the quick way uses the former. */
#define MEMORY_STORE(op, bytes, pops) { run_store, bytes, op, 2 << 3, TARGET_NONE, pops, C1, false, false }
#define MEMORY_STORE_POP(op, reg, bytes) { run_store, bytes, op, (reg) << 3, TARGET_NONE, 1, C1, true, false }

static const struct x87_op memory_ops[8][8] = {
	MEMORY_ARITHMETIC(0xd8, 4),
	{ MEMORY_PUSH(0xd9, 0, 4), { 0 }, MEMORY_STORE(0xd9, 4, 0), MEMORY_STORE(0xd9, 4, 1) },
	MEMORY_ARITHMETIC(0xda, 4),
	{ MEMORY_PUSH(0xdb, 0, 4), MEMORY_STORE_POP(0xdb, 1, 4), MEMORY_STORE(0xdb, 4, 0), MEMORY_STORE(0xdb, 4, 1),
	  { 0 }, MEMORY_PUSH(0xdb, 5, 10), { 0 }, MEMORY_STORE_POP(0xdb, 7, 10) },
	MEMORY_ARITHMETIC(0xdc, 8),
	{ MEMORY_PUSH(0xdd, 0, 8), MEMORY_STORE_POP(0xdd, 1, 8), MEMORY_STORE(0xdd, 8, 0), MEMORY_STORE(0xdd, 8, 1) },
	MEMORY_ARITHMETIC(0xde, 2),
	{ MEMORY_PUSH(0xdf, 0, 2), MEMORY_STORE_POP(0xdf, 1, 2), MEMORY_STORE(0xdf, 2, 0), MEMORY_STORE(0xdf, 2, 1),
	  MEMORY_PUSH(0xdf, 4, 10), MEMORY_PUSH(0xdf, 5, 8), MEMORY_STORE_POP(0xdf, 6, 10), MEMORY_STORE_POP(0xdf, 7, 8) },
};

/* With ST(1) for ST(i). */
#define ST1(reg) (0xc1 | (reg) << 3)
#define COMPUTE_ST0(reg) { run_binary, 0, 0xd8, ST1(reg), TARGET_ST0, 0, C1, false, false }
#define COMPUTE_STI(reg, pops) { run_binary, 0, 0xdc, ST1(reg), TARGET_STI, pops, C1, false, false }
#define COMPARE(op, reg, pops) { run_binary, 0, op, ST1(reg), TARGET_NONE, pops, CALL, false, false }
#define COMPARE_EFLAGS(reg, pops) { run_binary, 0, 0xdb, ST1(reg), TARGET_NONE, pops, 0, false, true }
#define MOVE_IF(op, reg) { run_binary, 0, op, ST1(reg), TARGET_ST0, 0, 0, false, false }
#define EXCHANGE { run_exchange, 0, 0, 0, TARGET_NONE, 0, 0, false, false }
#define COPY(pops) { run_copy, 0, 0, 0, TARGET_NONE, pops, 0, false, false }
#define NATIVE { run_native, 0, 0, 0, TARGET_NONE, 0, 0, false, false }

/* Some encodings are second ones of the same instruction. */
static const struct x87_op register_ops[8][8] = {
	{ COMPUTE_ST0(0), COMPUTE_ST0(1), COMPARE(0xd8, 2, 0), COMPARE(0xd8, 2, 1),
	  COMPUTE_ST0(4), COMPUTE_ST0(5), COMPUTE_ST0(6), COMPUTE_ST0(7) },
	{ { run_duplicate, 0, 0, 0, TARGET_NONE, 0, 0, false, false }, EXCHANGE, NATIVE /* FNOP */, COPY(1) },
	{ MOVE_IF(0xda, 0), MOVE_IF(0xda, 1), MOVE_IF(0xda, 2), MOVE_IF(0xda, 3), { 0 }, COMPARE(0xdd, 4, 2) /* FUCOMPP */ },
	{ MOVE_IF(0xdb, 0), MOVE_IF(0xdb, 1), MOVE_IF(0xdb, 2), MOVE_IF(0xdb, 3), { 0 }, COMPARE_EFLAGS(5, 0), COMPARE_EFLAGS(6, 0) },
	{ COMPUTE_STI(0, 0), COMPUTE_STI(1, 0), COMPARE(0xd8, 2, 0), COMPARE(0xd8, 2, 1),
	  COMPUTE_STI(4, 0), COMPUTE_STI(5, 0), COMPUTE_STI(6, 0), COMPUTE_STI(7, 0) },
	{ NATIVE /* FFREE */, EXCHANGE, COPY(0), COPY(1), COMPARE(0xdd, 4, 0), COMPARE(0xdd, 4, 1) },
	{ COMPUTE_STI(0, 1), COMPUTE_STI(1, 1), COMPARE(0xd8, 2, 1), COMPARE(0xd8, 2, 2) /* FCOMPP */,
	  COMPUTE_STI(4, 1), COMPUTE_STI(5, 1), COMPUTE_STI(6, 1), COMPUTE_STI(7, 1) },
	{ NATIVE /* FFREEP */, EXCHANGE, COPY(1), COPY(1), { 0 }, COMPARE_EFLAGS(5, 1), COMPARE_EFLAGS(6, 1) },
};

#define UNARY(modrm, conditions) { run_unary, 0, 0xd9, modrm, TARGET_ST0, 0, conditions, false, false }
#define LOOK(modrm) { run_unary, 0, 0xd9, modrm, TARGET_NONE, 0, CALL, false, false }
#define CONSTANT(modrm) { run_push, 0, 0xd9, modrm, TARGET_NONE, 0, C1, false, false }
#define BINARY(modrm, conditions) { run_binary, 0, 0xd9, modrm, TARGET_ST0, 0, conditions, false, false }

/* D9 E0 ... D9 FF. */
static const struct x87_op numeric_ops[32] = {
	UNARY(0xe0, C1) /* FCHS */, UNARY(0xe1, C1) /* FABS */, { 0 }, { 0 }, LOOK(0xe4) /* FTST */, LOOK(0xe5) /* FXAM */, { 0 }, { 0 },
	CONSTANT(0xe8), CONSTANT(0xe9), CONSTANT(0xea), CONSTANT(0xeb), CONSTANT(0xec), CONSTANT(0xed), CONSTANT(0xee), { 0 },
	UNARY(0xf0, C1) /* F2XM1 */, NATIVE /* FYL2X */, NATIVE /* FPTAN */, NATIVE /* FPATAN */,
	NATIVE /* FXTRACT */, NATIVE /* FPREM1 */, NATIVE /* FDECSTP */, NATIVE /* FINCSTP */,
	NATIVE /* FPREM */, NATIVE /* FYL2XP1 */, UNARY(0xfa, C1) /* FSQRT */, NATIVE /* FSINCOS */,
	UNARY(0xfc, C1) /* FRNDINT */, BINARY(0xfd, C1) /* FSCALE */, UNARY(0xfe, C1 | X87_STATUS_C2) /* FSIN */, UNARY(0xff, C1 | X87_STATUS_C2) /* FCOS */,
};

static const struct x87_op *op_find(uint8_t opcode, uint8_t modrm)
{
	unsigned int reg = modrm >> 3 & 7;

	if (modrm < 0xc0)
		return &memory_ops[opcode & 7][reg];
	return opcode == 0xd9 && modrm >= 0xe0 ? &numeric_ops[modrm & 31] : &register_ops[opcode & 7][reg];
}

static bool x87_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	const struct x87_op *op;

	(void)argument;
	/* SDM Vol. 3A, table 9-3. WAIT is not an escape: CR0.EM does not concern it. */
	if (d->z.mnemonic == ZYDIS_MNEMONIC_FWAIT ? (~d->mode & (MODE_MP | MODE_TS)) == 0 : (d->mode & (MODE_EM | MODE_TS)) != 0) {
		insn->run = fpu_not_available;
		insn->flags |= INSN_ENDS_BLOCK;
		return true;
	}
	insn->extra = (uint32_t)d->z.opcode << 8 | (uint8_t)(d->z.raw.modrm.mod << 6 | d->z.raw.modrm.reg << 3 | d->z.raw.modrm.rm);
	if (x87_control_decode(d, insn))
		return true;
	op = op_find(x87_opcode(insn), x87_modrm(insn));
	insn->imm = (uintptr_t)op;
	insn->rm = d->z.raw.modrm.rm;
	if (op >= numeric_ops && op < numeric_ops + 32)
		insn->rm = 1; /* the other operand, if there is one, is ST(1) */
	insn->run = op->run;
	return op->run != NULL;
}

#define X87_MNEMONICS(X) \
	X(F2XM1) X(FABS) X(FADD) X(FADDP) X(FBLD) X(FBSTP) X(FCHS) X(FCMOVB) X(FCMOVBE) X(FCMOVE) X(FCMOVNB) X(FCMOVNBE) X(FCMOVNE) \
	X(FCMOVNU) X(FCMOVU) X(FCOM) X(FCOMI) X(FCOMIP) X(FCOMP) X(FCOMPP) X(FCOS) X(FDECSTP) X(FDISI8087_NOP) X(FDIV) X(FDIVP) X(FDIVR) \
	X(FDIVRP) X(FENI8087_NOP) X(FFREE) X(FFREEP) X(FIADD) X(FICOM) X(FICOMP) X(FIDIV) X(FIDIVR) X(FILD) X(FIMUL) X(FINCSTP) X(FIST) \
	X(FISTP) X(FISTTP) X(FISUB) X(FISUBR) X(FLD) X(FLD1) X(FLDCW) X(FLDENV) X(FLDL2E) X(FLDL2T) X(FLDLG2) X(FLDLN2) X(FLDPI) X(FLDZ) \
	X(FMUL) X(FMULP) X(FNCLEX) X(FNINIT) X(FNOP) X(FNSAVE) X(FNSTCW) X(FNSTENV) X(FNSTSW) X(FPATAN) X(FPREM) X(FPREM1) X(FPTAN) \
	X(FRNDINT) X(FRSTOR) X(FSCALE) X(FSETPM287_NOP) X(FSIN) X(FSINCOS) X(FSQRT) X(FST) X(FSTP) X(FSTPNCE) X(FSUB) X(FSUBP) X(FSUBR) \
	X(FSUBRP) X(FTST) X(FUCOM) X(FUCOMI) X(FUCOMIP) X(FUCOMP) X(FUCOMPP) X(FWAIT) X(FXAM) X(FXCH) X(FXTRACT) X(FYL2X) X(FYL2XP1)

const struct decode_row x87_rows[] = {
#define X87_ROW(NAME) { ZYDIS_MNEMONIC_##NAME, x87_decode, 0 },
	X87_MNEMONICS(X87_ROW)
	{ .decode = NULL }
};
