/*
 * ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST; INC, DEC, NEG, NOT: in every size and form, each its own handler.
 */
#include "x86/cpu/alu.h"
#include "x86/cpu/atomic.h"

/* ---- Two operands. ---- */

TEMPLATE bool alu_writes(enum alu_op op)
{
	return op != ALU_CMP && op != ALU_TEST;
}

TEMPLATE enum step alu_to_register(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum alu_op op, unsigned int size, enum form form)
{
	int64_t left, right;
	uint32_t carry = alu_carry_in(cpu, op);
	enum step step = STEP_NEXT;
	uint64_t result;

	if (form == FORM_RM)
		step = load(cpu, insn, path, size, &right);
	else
		right = form == FORM_RI ? (int64_t)insn->imm : gpr_get(cpu, insn->rm, size);
	if (step != STEP_NEXT)
		return step;
	left = gpr_get(cpu, insn->reg, size);
	result = alu_result(op, left, right, carry);
	if (alu_writes(op))
		gpr_set(cpu, insn->reg, size, result);
	alu_flags(cpu, op, size, left, right, result);
	return STEP_NEXT;
}

TEMPLATE enum step alu_to_memory(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum alu_op op, unsigned int size, enum form form)
{
	int64_t left, right = form == FORM_MI ? (int64_t)insn->imm : gpr_get(cpu, insn->reg, size);
	uint32_t carry = alu_carry_in(cpu, op);
	struct modify modify = { 0 };
	enum step step;
	uint64_t result;

	step = alu_writes(op) ? modify_begin(cpu, insn, path, size, &modify, &left) : load(cpu, insn, path, size, &left);
	if (step != STEP_NEXT)
		return step;
	result = alu_result(op, left, right, carry);
	if (alu_writes(op))
		step = modify_end(cpu, insn, path, size, &modify, result);
	if (step == STEP_NEXT)
		alu_flags(cpu, op, size, left, right, result);
	return step;
}

TEMPLATE enum step alu(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum alu_op op, unsigned int size, enum form form)
{
	if (form == FORM_MR || form == FORM_MI)
		return alu_to_memory(cpu, insn, path, op, size, form);
	return alu_to_register(cpu, insn, path, op, size, form);
}

HANDLER_SLOW(alu_slow, alu, insn->extra % ALU_OPS, insn->size, insn->extra / ALU_OPS)

TEMPLATE enum step alu_locked(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum alu_op op, unsigned int size)
{
	int64_t left, right = insn->extra / ALU_OPS == FORM_MI ? (int64_t)insn->imm : gpr_get(cpu, insn->reg, size);
	uint32_t carry = alu_carry_in(cpu, op);
	struct locked locked;
	uint64_t seen;

	(void)path;
	if (!locked_begin(cpu, insn, size, &locked))
		return STEP_LEAVE;
	if (op == ALU_ADD || op == ALU_SUB) {
		if (!locked_add(cpu, insn, size, &locked, op == ALU_ADD ? (uint64_t)right : -(uint64_t)right))
			return STEP_LEAVE;
	} else {
		do {
			seen = locked_peek(&locked, size);
			if (!locked_compare_exchange(cpu, insn, size, &locked, seen, alu_result(op, (int64_t)seen, right, carry)))
				return STEP_LEAVE;
		} while (unlikely((locked.old ^ seen) & size_mask(size)));
	}
	left = sign_extend(locked.old, size);
	alu_flags(cpu, op, size, left, right, alu_result(op, left, right, carry));
	return STEP_NEXT;
}

#define FOR_FORMS(X, op, size) X(op, size, RR) X(op, size, RI) X(op, size, RM) X(op, size, MR) X(op, size, MI)
#define FOR_SIZES_AND_FORMS(X, op) FOR_FORMS(X, op, 1) FOR_FORMS(X, op, 2) FOR_FORMS(X, op, 4) FOR_FORMS(X, op, 8)
#define FOR_ALL(X)                                                                                                   \
	FOR_SIZES_AND_FORMS(X, ADD) FOR_SIZES_AND_FORMS(X, OR) FOR_SIZES_AND_FORMS(X, ADC)                           \
	FOR_SIZES_AND_FORMS(X, SBB) FOR_SIZES_AND_FORMS(X, AND) FOR_SIZES_AND_FORMS(X, SUB)                          \
	FOR_SIZES_AND_FORMS(X, XOR) FOR_SIZES_AND_FORMS(X, CMP) FOR_SIZES_AND_FORMS(X, TEST)
#define DEFINE(op, size, form) HANDLER(alu_##op##_##size##_##form, alu_slow, alu, ALU_##op, size, FORM_##form)
#define ENTRY(op, size, form) [ALU_##op][size][FORM_##form] = alu_##op##_##size##_##form,

FOR_ALL(DEFINE)
static insn_fn *const alu_handlers[ALU_OPS][9][FORM_COUNT] = { FOR_ALL(ENTRY) };

#define FOR_LOCKABLE_SIZES(X, op) X(op, 1) X(op, 2) X(op, 4) X(op, 8)
#define FOR_LOCKABLE(X)                                                                                              \
	FOR_LOCKABLE_SIZES(X, ADD) FOR_LOCKABLE_SIZES(X, OR) FOR_LOCKABLE_SIZES(X, ADC) FOR_LOCKABLE_SIZES(X, SBB)   \
	FOR_LOCKABLE_SIZES(X, AND) FOR_LOCKABLE_SIZES(X, SUB) FOR_LOCKABLE_SIZES(X, XOR)
#define DEFINE_LOCKED(op, size) HANDLER_SLOW(alu_locked_##op##_##size, alu_locked, ALU_##op, size)
#define ENTRY_LOCKED(op, size) [ALU_##op][size] = alu_locked_##op##_##size,

FOR_LOCKABLE(DEFINE_LOCKED)
static insn_fn *const alu_locked_handlers[ALU_OPS][9] = { FOR_LOCKABLE(ENTRY_LOCKED) };

/* XOR and SUB of a register with itself: the compilers' zero. */
TEMPLATE enum step alu_zero(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size)
{
	(void)path;
	gpr_set(cpu, insn->reg, size, 0);
	flags_lazy(cpu, CC_SUB, size, 0, 0);
	return STEP_NEXT;
}

HANDLER(alu_zero_4, alu_slow, alu_zero, 4)
HANDLER(alu_zero_8, alu_slow, alu_zero, 8)

bool alu_decode(struct decoder *d, struct insn *insn, unsigned int op)
{
	enum form form = decode_form(d, insn);

	insn->extra = op + ALU_OPS * form; /* for alu_slow() and alu_locked() */
	if (insn->flags & INSN_LOCK) {
		insn->run = form == FORM_MR || form == FORM_MI ? alu_locked_handlers[op][insn->size] : NULL;
		return insn->run;
	}
	insn->run = alu_handlers[op][insn->size][form];
	if (form == FORM_RR && insn->reg == insn->rm && (op == ALU_XOR || op == ALU_SUB) && insn->size >= 4)
		insn->run = insn->size == 4 ? alu_zero_4 : alu_zero_8;
	return true;
}

/* ---- One operand. ---- */

TEMPLATE enum step alu_unary_register(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum alu_unary op, unsigned int size)
{
	int64_t value = gpr_get(cpu, insn->reg, size);

	(void)path;
	gpr_set(cpu, insn->reg, size, alu_unary_result(op, value));
	alu_unary_flags(cpu, op, size, value);
	return STEP_NEXT;
}

TEMPLATE enum step alu_unary_memory(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum alu_unary op, unsigned int size)
{
	struct modify modify = { 0 };
	int64_t value;
	enum step step = modify_begin(cpu, insn, path, size, &modify, &value);

	if (step == STEP_NEXT)
		step = modify_end(cpu, insn, path, size, &modify, alu_unary_result(op, value));
	if (step == STEP_NEXT)
		alu_unary_flags(cpu, op, size, value);
	return step;
}

HANDLER_SLOW(alu_unary_slow, alu_unary_memory, insn->extra, insn->size)

TEMPLATE enum step alu_unary_locked(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum alu_unary op, unsigned int size)
{
	struct locked locked;
	uint64_t seen;

	(void)path;
	if (!locked_begin(cpu, insn, size, &locked))
		return STEP_LEAVE;
	if (op == ALU_INC || op == ALU_DEC) {
		if (!locked_add(cpu, insn, size, &locked, op == ALU_INC ? 1 : UINT64_MAX))
			return STEP_LEAVE;
	} else {
		do {
			seen = locked_peek(&locked, size);
			if (!locked_compare_exchange(cpu, insn, size, &locked, seen, alu_unary_result(op, (int64_t)seen)))
				return STEP_LEAVE;
		} while (unlikely((locked.old ^ seen) & size_mask(size)));
	}
	alu_unary_flags(cpu, op, size, sign_extend(locked.old, size));
	return STEP_NEXT;
}

#define FOR_UNARY_SIZES(X, op) X(op, 1) X(op, 2) X(op, 4) X(op, 8)
#define FOR_UNARIES(X) FOR_UNARY_SIZES(X, INC) FOR_UNARY_SIZES(X, DEC) FOR_UNARY_SIZES(X, NEG) FOR_UNARY_SIZES(X, NOT)
#define DEFINE_UNARY(op, size)                                                                     \
	HANDLER(alu_##op##_##size##_register, alu_unary_slow, alu_unary_register, ALU_##op, size)  \
	HANDLER(alu_##op##_##size##_memory, alu_unary_slow, alu_unary_memory, ALU_##op, size)      \
	HANDLER_SLOW(alu_##op##_##size##_locked, alu_unary_locked, ALU_##op, size)
#define ENTRY_UNARY(op, size) [ALU_##op][size] = { alu_##op##_##size##_register, alu_##op##_##size##_memory, alu_##op##_##size##_locked },

FOR_UNARIES(DEFINE_UNARY)
static insn_fn *const alu_unary_handlers[ALU_UNARIES][9][3] = { FOR_UNARIES(ENTRY_UNARY) };

bool alu_unary_decode(struct decoder *d, struct insn *insn, unsigned int op)
{
	bool memory = decode_single(d, insn), locked = insn->flags & INSN_LOCK;

	if (locked && !memory)
		return false;
	insn->extra = op; /* for alu_unary_slow() */
	insn->run = alu_unary_handlers[op][insn->size][locked ? 2 : memory];
	return true;
}
