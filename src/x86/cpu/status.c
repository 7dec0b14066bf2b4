/*
 * Instructions on the flags themselves: CLC, STC, CMC, CLD, STD, LAHF, SAHF, SALC; and SETcc. (PUSHF and POPF are stack.c's, CLI
 * and STI system.c's.)
 */
#include "x86/cpu/operand.h"

static void status_clc(struct x86_vcpu *cpu, const struct insn *insn)
{
	flags_settle(cpu);
	cpu->rflags &= ~(uint64_t)FLAG_CF;
	insn_next(cpu, insn);
}

static void status_stc(struct x86_vcpu *cpu, const struct insn *insn)
{
	flags_settle(cpu);
	cpu->rflags |= FLAG_CF;
	insn_next(cpu, insn);
}

static void status_cmc(struct x86_vcpu *cpu, const struct insn *insn)
{
	flags_settle(cpu);
	cpu->rflags ^= FLAG_CF;
	insn_next(cpu, insn);
}

static void status_cld(struct x86_vcpu *cpu, const struct insn *insn)
{
	cpu->rflags &= ~(uint64_t)FLAG_DF;
	insn_next(cpu, insn);
}

static void status_std(struct x86_vcpu *cpu, const struct insn *insn)
{
	cpu->rflags |= FLAG_DF;
	insn_next(cpu, insn);
}

static void status_lahf(struct x86_vcpu *cpu, const struct insn *insn)
{
	*gpr8(cpu, 8 * RAX + 1) = (uint8_t)flags_get(cpu);
	insn_next(cpu, insn);
}

static void status_sahf(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint32_t kept = (uint32_t)flags_get(cpu) & FLAG_OF;

	flags_arithmetic_set(cpu, kept | (*gpr8(cpu, 8 * RAX + 1) & (FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF | FLAG_CF)));
	insn_next(cpu, insn);
}

static void status_salc(struct x86_vcpu *cpu, const struct insn *insn)
{
	*gpr8(cpu, 8 * RAX) = flags_carry(cpu) ? 0xff : 0;
	insn_next(cpu, insn);
}

bool status_decode(struct decoder *d, struct insn *insn, unsigned int op)
{
	static insn_fn *const handlers[] = { [STATUS_CLC] = status_clc, [STATUS_STC] = status_stc, [STATUS_CMC] = status_cmc, [STATUS_CLD] = status_cld,
					     [STATUS_STD] = status_std, [STATUS_LAHF] = status_lahf, [STATUS_SAHF] = status_sahf, [STATUS_SALC] = status_salc };

	(void)d;
	insn->run = handlers[op];
	return true;
}

/* ---- SETcc. ---- */

TEMPLATE enum step set_condition(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int condition, bool memory)
{
	int holds = path == PATH_SLOW ? flags_condition(cpu, condition) : flags_condition_fast(cpu, condition);

	if (holds < 0)
		return STEP_SLOW;
	if (memory)
		return store(cpu, insn, path, 1, (uint64_t)holds);
	gpr_set(cpu, insn->reg, 1, (uint64_t)holds);
	return STEP_NEXT;
}

/* `extra` is the condition. */
HANDLER_SLOW(set_condition_register_slow, set_condition, insn->extra, false)
HANDLER_SLOW(set_condition_memory, set_condition, insn->extra, true)

#define FOR_CONDITIONS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define DEFINE(condition) HANDLER(set_condition_##condition, set_condition_register_slow, set_condition, condition, false)
#define ENTRY(condition) set_condition_##condition,

FOR_CONDITIONS(DEFINE)
static insn_fn *const set_condition_handlers[16] = { FOR_CONDITIONS(ENTRY) };

bool set_condition_decode(struct decoder *d, struct insn *insn, unsigned int condition)
{
	bool memory = decode_single(d, insn);

	insn->extra = condition;
	insn->run = memory ? set_condition_memory : set_condition_handlers[condition];
	return true;
}
