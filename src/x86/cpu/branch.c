/*
 * Near control transfers: JMP, Jcc, JCXZ, LOOP, CALL, RET. (Far ones are transfer.c's.) A branch ends its block: it sets RIP and
 * goes to the block there, or returns. A target outside the code segment, or not canonical, is #GP on the branch itself.
 *
 * Direct branches: in 64-bit code `imm` is the target and `disp` the next instruction's RIP; elsewhere, where RIP is not the
 * linear address that blocks are known by, `imm` is the distance.
 */
#include "x86/cpu/block.h"
#include "x86/cpu/stack.h"

TEMPLATE bool code64(const struct x86_vcpu *cpu)
{
	return (cpu->mode & MODE_CODE_MASK) == MODE_CODE64;
}

static bool canonical(const struct x86_vcpu *cpu, uint64_t address)
{
	unsigned int shift = 64 - cpu->address_bits;

	return (uint64_t)((int64_t)(address << shift) >> shift) == address;
}

/* Canonical whatever the paging mode: enough for a fast path. */
TEMPLATE bool canonical_surely(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* Whether RIP may become `target`. */
static bool target_valid(const struct x86_vcpu *cpu, uint64_t target)
{
	return code64(cpu) ? canonical(cpu, target) : target <= cpu->seg[CS].limit;
}

/* Raises #GP if it may not. */
static bool target_check(struct x86_vcpu *cpu, const struct insn *insn, uint64_t target)
{
	if (target_valid(cpu, target))
		return true;
	insn_fault_code(cpu, insn, VECTOR_GP, 0);
	return false;
}

/* Where a direct branch leads: truncated to the operand size (SDM Vol. 2A, JMP). */
static uint64_t target_direct(const struct x86_vcpu *cpu, const struct insn *insn)
{
	if (code64(cpu))
		return insn->imm;
	return (insn_end(cpu, insn) + insn->imm) & size_mask(insn->size);
}

/* ---- JMP and Jcc. ---- */

static void jump_64(struct x86_vcpu *cpu, const struct insn *insn)
{
	block_go(cpu, &insn[1].imm, insn->imm);
}

/* In any mode, to any target. */
static __attribute__((noinline)) void jump_slow(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t target = target_direct(cpu, insn);

	if (!target_check(cpu, insn, target))
		return;
	cpu->rip = target;
	block_go_anywhere(cpu);
}

static __attribute__((noinline)) void jump_past(struct x86_vcpu *cpu, const struct insn *insn)
{
	cpu->rip = insn_end(cpu, insn);
	block_go_anywhere(cpu);
}

static __attribute__((noinline)) void jump_conditional_slow(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (flags_condition(cpu, insn->extra))
		jump_slow(cpu, insn);
	else
		jump_past(cpu, insn);
}

TEMPLATE void jump_conditional(struct x86_vcpu *cpu, const struct insn *insn, unsigned int condition, bool is_64)
{
	int holds = flags_condition_fast(cpu, condition);

	if (unlikely(holds < 0))
		jump_conditional_slow(cpu, insn);
	else if (is_64 && holds)
		block_go(cpu, &insn[1].imm, insn->imm);
	else if (is_64)
		block_go(cpu, (const uint64_t *)&insn[1].disp, (uint64_t)insn->disp);
	else if (holds)
		jump_slow(cpu, insn);
	else
		jump_past(cpu, insn);
}

#define FOR_CONDITIONS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define DEFINE(condition)                                                                       \
	static void jump_if_64_##condition(struct x86_vcpu *cpu, const struct insn *insn)       \
	{                                                                                       \
		jump_conditional(cpu, insn, condition, true);                                   \
	}                                                                                       \
	static void jump_if_##condition(struct x86_vcpu *cpu, const struct insn *insn)          \
	{                                                                                       \
		jump_conditional(cpu, insn, condition, false);                                  \
	}
#define ENTRY(condition) { jump_if_##condition, jump_if_64_##condition },

FOR_CONDITIONS(DEFINE)
static insn_fn *const jump_conditional_handlers[16][2] = { FOR_CONDITIONS(ENTRY) };

/* Sets what target_direct() reads; true when a 64-bit branch needs no check. */
static bool decode_direct(const struct decoder *d, struct insn *insn)
{
	insn->flags |= INSN_ENDS_BLOCK;
	insn->imm = d->op[0].imm.value.u;
	if ((d->mode & MODE_CODE_MASK) != MODE_CODE64)
		return false;
	insn->imm += d->next;
	insn->disp = (int64_t)d->next;
	return canonical_surely(insn->imm);
}

static bool jump_conditional_decode(struct decoder *d, struct insn *insn, unsigned int condition)
{
	bool is_64 = (d->mode & MODE_CODE_MASK) == MODE_CODE64, simple = decode_direct(d, insn);

	insn->extra = condition;
	insn->run = is_64 && !simple ? jump_conditional_slow : jump_conditional_handlers[condition][is_64];
	return true;
}

/* ---- JCXZ, LOOP: the counter has the address size, kept in `rm` (bytes). ---- */

enum loop_op { LOOP_JCXZ, LOOP_LOOP, LOOP_LOOPE, LOOP_LOOPNE };

TEMPLATE void loop(struct x86_vcpu *cpu, const struct insn *insn, enum loop_op op)
{
	uint64_t count = (cpu->gpr[RCX] - (op != LOOP_JCXZ)) & size_mask(insn->rm), target = target_direct(cpu, insn);
	bool taken = op == LOOP_JCXZ ? count == 0 : count != 0;

	if (op == LOOP_LOOPE)
		taken = taken && flags_condition(cpu, CONDITION_Z);
	else if (op == LOOP_LOOPNE)
		taken = taken && !flags_condition(cpu, CONDITION_Z);
	if (taken && !target_check(cpu, insn, target))
		return;
	if (op != LOOP_JCXZ)
		gpr_set(cpu, RCX, insn->rm, count);
	if (!taken)
		target = insn_end(cpu, insn);
	cpu->rip = target;
	block_go_anywhere(cpu);
}

static void loop_jcxz(struct x86_vcpu *cpu, const struct insn *insn)
{
	loop(cpu, insn, LOOP_JCXZ);
}

static void loop_loop(struct x86_vcpu *cpu, const struct insn *insn)
{
	loop(cpu, insn, LOOP_LOOP);
}

static void loop_loope(struct x86_vcpu *cpu, const struct insn *insn)
{
	loop(cpu, insn, LOOP_LOOPE);
}

static void loop_loopne(struct x86_vcpu *cpu, const struct insn *insn)
{
	loop(cpu, insn, LOOP_LOOPNE);
}

static bool loop_decode(struct decoder *d, struct insn *insn, unsigned int op)
{
	static insn_fn *const handlers[] = { [LOOP_JCXZ] = loop_jcxz, [LOOP_LOOP] = loop_loop, [LOOP_LOOPE] = loop_loope, [LOOP_LOOPNE] = loop_loopne };

	decode_direct(d, insn);
	insn->rm = (uint8_t)(d->z.address_width / 8);
	insn->run = handlers[op];
	return true;
}

/* ---- Indirect JMP; CALL. ---- */

enum target { TARGET_DIRECT, TARGET_REGISTER, TARGET_MEMORY };

/* The target; on the fast path (64-bit code) only if RIP may surely become it: direct ones have been checked. */
TEMPLATE enum step target_get(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum target kind, uint64_t *target)
{
	unsigned int size = path == PATH_FAST ? 8 : insn->size;
	enum step step = STEP_NEXT;
	int64_t value;

	switch (kind) {
	case TARGET_DIRECT: value = (int64_t)(path == PATH_FAST ? insn->imm : target_direct(cpu, insn)); break;
	case TARGET_REGISTER: value = gpr_get(cpu, insn->reg, size); break;
	default: step = load(cpu, insn, path, size, &value); break;
	}
	if (step != STEP_NEXT)
		return step;
	*target = (uint64_t)value & size_mask(size);
	if (path == PATH_FAST)
		return kind == TARGET_DIRECT || canonical_surely(*target) ? STEP_NEXT : STEP_SLOW;
	return STEP_NEXT;
}

TEMPLATE enum step jump_indirect(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum target kind)
{
	uint64_t target;
	enum step step = target_get(cpu, insn, path, kind, &target);

	if (step == STEP_NEXT && path == PATH_SLOW && !target_check(cpu, insn, target))
		return STEP_LEAVE;
	if (step == STEP_NEXT)
		cpu->rip = target;
	return step;
}

/* As target_check(), for CALL: a stack that faults comes before a bad target. */
static bool call_target_check(struct x86_vcpu *cpu, const struct insn *insn, uint64_t target)
{
	uint64_t rsp = stack_pointer(cpu, -(int64_t)insn->size);

	if (target_valid(cpu, target))
		return true;
	rsp = stack_linear(cpu, rsp, insn->size, ACCESS_WRITE);
	return mem_address_check(cpu, insn, SS, rsp, insn->size, insn->size) && mem_probe(cpu, insn, SS, rsp, insn->size, ACCESS_WRITE) &&
	       target_check(cpu, insn, target);
}

TEMPLATE enum step call(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum target kind)
{
	uint64_t target, rsp;
	enum step step = target_get(cpu, insn, path, kind, &target);

	if (step != STEP_NEXT)
		return step;
	if (path == PATH_SLOW && !call_target_check(cpu, insn, target))
		return STEP_LEAVE;
	if (path == PATH_FAST)
		step = stack_store(cpu, insn, path, STACK_64, 8, kind == TARGET_DIRECT ? (uint64_t)insn->disp : insn_end(cpu, insn), &rsp);
	else
		step = stack_store(cpu, insn, path, STACK_OTHER, insn->size, insn_end(cpu, insn), &rsp);
	if (step == STEP_NEXT) {
		cpu->gpr[RSP] = rsp;
		cpu->rip = target;
	}
	return step;
}

/* As HANDLER and HANDLER_SLOW, but nothing follows in the block. `extra` is the kind of the target. */
#define BRANCH(name, slow, template, ...)                                         \
	static void name(struct x86_vcpu *cpu, const struct insn *insn)           \
	{                                                                         \
		if (likely(template(cpu, insn, PATH_FAST, __VA_ARGS__) == STEP_NEXT)) \
			block_go_anywhere(cpu);                                   \
		else                                                              \
			slow(cpu, insn);                                          \
	}
#define BRANCH_SLOW(name, template, ...)                                          \
	static __attribute__((noinline)) void name(struct x86_vcpu *cpu, const struct insn *insn) \
	{                                                                         \
		(void)template(cpu, insn, PATH_SLOW, __VA_ARGS__);                \
	}

BRANCH_SLOW(jump_indirect_slow, jump_indirect, insn->extra)
BRANCH(jump_register_64, jump_indirect_slow, jump_indirect, TARGET_REGISTER)
BRANCH(jump_memory_64, jump_indirect_slow, jump_indirect, TARGET_MEMORY)
BRANCH_SLOW(call_slow, call, insn->extra)
BRANCH(call_register_64, call_slow, call, TARGET_REGISTER)
BRANCH(call_memory_64, call_slow, call, TARGET_MEMORY)

static void call_64(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (likely(call(cpu, insn, PATH_FAST, TARGET_DIRECT) == STEP_NEXT))
		block_go(cpu, &insn[1].imm, insn->imm);
	else
		call_slow(cpu, insn);
}

/* Says what kind of target the operand is; true for what the fast paths can do. */
static bool decode_target(struct decoder *d, struct insn *insn)
{
	bool simple = true;

	insn->flags |= INSN_ENDS_BLOCK;
	if (d->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		insn->extra = TARGET_DIRECT;
		simple = decode_direct(d, insn);
	} else if (decode_is_memory(d, 0)) {
		insn->extra = TARGET_MEMORY;
	} else {
		insn->extra = TARGET_REGISTER;
		insn->reg = decode_gpr(d->op[0].reg.value);
	}
	return simple && (d->mode & MODE_CODE_MASK) == MODE_CODE64 && insn->size == 8;
}

static bool far_transfer(const struct decoder *d)
{
	return d->z.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
}

static bool jump_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	static insn_fn *const fast[] = { jump_64, jump_register_64, jump_memory_64 };
	bool simple;

	(void)argument;
	if (far_transfer(d))
		return decode_as_system(d, insn);
	simple = decode_target(d, insn);
	insn->run = simple ? fast[insn->extra] : insn->extra == TARGET_DIRECT ? jump_slow : jump_indirect_slow;
	return true;
}

static bool call_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	static insn_fn *const fast[] = { call_64, call_register_64, call_memory_64 };

	(void)argument;
	if (far_transfer(d))
		return decode_as_system(d, insn);
	insn->run = decode_target(d, insn) ? fast[insn->extra] : call_slow;
	return true;
}

/* ---- RET; `imm` bytes of parameters are released with the return address. ---- */

TEMPLATE enum step ret(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum stack_width width, unsigned int size)
{
	enum step step;
	uint64_t target;
	int64_t value;

	step = stack_load(cpu, insn, path, width, size, &value);
	if (step != STEP_NEXT)
		return step;
	target = (uint64_t)value & size_mask(size);
	if (path == PATH_FAST && !(width == STACK_64 ? canonical_surely(target) : target <= cpu->seg[CS].limit))
		return STEP_SLOW;
	if (path == PATH_SLOW && !target_check(cpu, insn, target))
		return STEP_LEAVE;
	cpu->gpr[RSP] = stack_moved(cpu, path, width, (int64_t)(size + insn->imm));
	cpu->rip = target;
	return STEP_NEXT;
}

BRANCH_SLOW(ret_slow, ret, STACK_OTHER, insn->size)
BRANCH(ret_8, ret_slow, ret, STACK_64, 8)
BRANCH(ret_4, ret_slow, ret, STACK_FLAT, 4)

static bool ret_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	enum stack_width width = decode_stack_width(d);

	(void)argument;
	if (far_transfer(d))
		return decode_as_system(d, insn);
	insn->flags |= INSN_ENDS_BLOCK;
	insn->imm = d->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? d->op[0].imm.value.u & 0xffff : 0;
	insn->run = ret_slow;
	if (width == STACK_64 && insn->size == 8)
		insn->run = ret_8;
	else if (width == STACK_FLAT && insn->size == 4)
		insn->run = ret_4;
	return true;
}

/* ---- The table. ---- */

#define M(name) ZYDIS_MNEMONIC_##name

const struct decode_row branch_rows[] = {
	{ M(JMP), jump_decode, 0 }, { M(CALL), call_decode, 0 }, { M(RET), ret_decode, 0 },
	{ M(JO), jump_conditional_decode, 0 }, { M(JNO), jump_conditional_decode, 1 }, { M(JB), jump_conditional_decode, 2 },
	{ M(JNB), jump_conditional_decode, 3 }, { M(JZ), jump_conditional_decode, 4 }, { M(JNZ), jump_conditional_decode, 5 },
	{ M(JBE), jump_conditional_decode, 6 }, { M(JNBE), jump_conditional_decode, 7 }, { M(JS), jump_conditional_decode, 8 },
	{ M(JNS), jump_conditional_decode, 9 }, { M(JP), jump_conditional_decode, 10 }, { M(JNP), jump_conditional_decode, 11 },
	{ M(JL), jump_conditional_decode, 12 }, { M(JNL), jump_conditional_decode, 13 }, { M(JLE), jump_conditional_decode, 14 },
	{ M(JNLE), jump_conditional_decode, 15 },
	{ M(JCXZ), loop_decode, LOOP_JCXZ }, { M(JECXZ), loop_decode, LOOP_JCXZ }, { M(JRCXZ), loop_decode, LOOP_JCXZ },
	{ M(LOOP), loop_decode, LOOP_LOOP }, { M(LOOPE), loop_decode, LOOP_LOOPE }, { M(LOOPNE), loop_decode, LOOP_LOOPNE },
	/* stack.c */
	{ M(PUSH), push_decode, 0 }, { M(POP), pop_decode, 0 },
	{ M(PUSHA), push_all_decode, 0 }, { M(PUSHAD), push_all_decode, 0 }, { M(POPA), pop_all_decode, 0 }, { M(POPAD), pop_all_decode, 0 },
	{ M(PUSHF), push_flags_decode, 0 }, { M(PUSHFD), push_flags_decode, 0 }, { M(PUSHFQ), push_flags_decode, 0 },
	{ M(POPF), pop_flags_decode, 0 }, { M(POPFD), pop_flags_decode, 0 }, { M(POPFQ), pop_flags_decode, 0 },
	{ M(ENTER), enter_decode, 0 }, { M(LEAVE), leave_decode, 0 },
	{ 0 },
};
