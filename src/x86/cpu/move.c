/*
 * Instructions that move values without computing: MOV, MOVZX, MOVSX, MOVSXD, MOVNTI, MOVBE, BSWAP, CMOVcc, LEA, XLAT and the
 * widenings of the accumulator (CBW ... CQO). Segment, control and debug registers are system.c's.
 */
#include "x86/cpu/operand.h"

/* ---- MOV. ---- */

TEMPLATE enum step move(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size, enum form form)
{
	int64_t value;
	enum step step;

	switch (form) {
	case FORM_RR:
		gpr_set(cpu, insn->reg, size, (uint64_t)gpr_get(cpu, insn->rm, size));
		return STEP_NEXT;
	case FORM_RI:
		gpr_set(cpu, insn->reg, size, insn->imm);
		return STEP_NEXT;
	case FORM_RM:
		step = load(cpu, insn, path, size, &value);
		if (step == STEP_NEXT)
			gpr_set(cpu, insn->reg, size, (uint64_t)value);
		return step;
	case FORM_MR:
		return store(cpu, insn, path, size, (uint64_t)gpr_get(cpu, insn->reg, size));
	default:
		return store(cpu, insn, path, size, insn->imm);
	}
}

HANDLER_SLOW(move_slow, move, insn->size, insn->extra)

#define FOR_FORMS(X, size) X(size, RR) X(size, RI) X(size, RM) X(size, MR) X(size, MI)
#define FOR_ALL(X) FOR_FORMS(X, 1) FOR_FORMS(X, 2) FOR_FORMS(X, 4) FOR_FORMS(X, 8)
#define DEFINE(size, form) HANDLER(move_##size##_##form, move_slow, move, size, FORM_##form)
#define ENTRY(size, form) [size][FORM_##form] = move_##size##_##form,

FOR_ALL(DEFINE)
static insn_fn *const move_handlers[9][FORM_COUNT] = { FOR_ALL(ENTRY) };

static bool general(ZydisRegister reg)
{
	return ZydisRegisterGetClass(reg) >= ZYDIS_REGCLASS_GPR8 && ZydisRegisterGetClass(reg) <= ZYDIS_REGCLASS_GPR64;
}

/* MOV and MOVNTI: a store that bypasses caches is a store. */
bool move_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	for (unsigned int i = 0; i < 2; i++)
		if (decode_is_register(d, i) && !general(d->op[i].reg.value))
			return decode_as_system(d, insn);
	insn->extra = decode_form(d, insn); /* for move_slow() */
	insn->run = move_handlers[insn->size][insn->extra];
	return true;
}

/* ---- MOVZX, MOVSX, MOVSXD: `from` bytes to `to` bytes. ---- */

TEMPLATE enum step move_extend(struct x86_vcpu *cpu, const struct insn *insn, enum path path, bool is_signed, unsigned int from, unsigned int to, bool memory)
{
	enum step step = STEP_NEXT;
	int64_t value;

	if (memory)
		step = load(cpu, insn, path, from, &value);
	else
		value = gpr_get(cpu, insn->rm, from);
	if (step == STEP_NEXT)
		gpr_set(cpu, insn->reg, to, is_signed ? (uint64_t)value : (uint64_t)value & size_mask(from));
	return step;
}

/* `extra` is the source's size, 8 added when it is to be extended as a signed number. */
HANDLER_SLOW(move_extend_slow, move_extend, insn->extra & 8, insn->extra & 7, insn->size, true)

#define FOR_EXTENSIONS(X) X(1, 2) X(1, 4) X(1, 8) X(2, 2) X(2, 4) X(2, 8) X(4, 2) X(4, 4) X(4, 8)
#define DEFINE_EXTENSION(from, to)                                                                    \
	HANDLER(move_zero_##from##_##to##_register, move_extend_slow, move_extend, false, from, to, false) \
	HANDLER(move_zero_##from##_##to##_memory, move_extend_slow, move_extend, false, from, to, true)    \
	HANDLER(move_sign_##from##_##to##_register, move_extend_slow, move_extend, true, from, to, false)  \
	HANDLER(move_sign_##from##_##to##_memory, move_extend_slow, move_extend, true, from, to, true)
#define ENTRY_EXTENSION(from, to)                                                                   \
	[from][to] = { { move_zero_##from##_##to##_register, move_zero_##from##_##to##_memory },    \
		       { move_sign_##from##_##to##_register, move_sign_##from##_##to##_memory } },

FOR_EXTENSIONS(DEFINE_EXTENSION)
static insn_fn *const move_extend_handlers[5][9][2][2] = { FOR_EXTENSIONS(ENTRY_EXTENSION) };

bool move_extend_decode(struct decoder *d, struct insn *insn, unsigned int is_signed)
{
	unsigned int from = d->op[1].size / 8;
	bool memory = decode_is_memory(d, 1);

	insn->size = (uint8_t)(d->op[0].size / 8);
	insn->reg = decode_gpr(d->op[0].reg.value);
	if (!memory)
		insn->rm = decode_gpr(d->op[1].reg.value);
	insn->extra = from | (is_signed ? 8 : 0);
	insn->run = move_extend_handlers[from][insn->size][is_signed][memory];
	return insn->run;
}

/* ---- CMOVcc: memory is read and the upper half of a 32-bit destination is cleared whether or not the condition holds. ---- */

TEMPLATE enum step move_conditional(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int condition, unsigned int size, bool memory)
{
	int holds = path == PATH_SLOW ? flags_condition(cpu, condition) : flags_condition_fast(cpu, condition);
	enum step step = STEP_NEXT;
	int64_t value;

	if (holds < 0)
		return STEP_SLOW;
	if (memory)
		step = load(cpu, insn, path, size, &value);
	else
		value = gpr_get(cpu, insn->rm, size);
	if (step == STEP_NEXT)
		gpr_set(cpu, insn->reg, size, (uint64_t)(holds ? value : gpr_get(cpu, insn->reg, size)));
	return step;
}

/* `extra` is the condition. */
HANDLER_SLOW(move_conditional_register_slow, move_conditional, insn->extra, insn->size, false)
HANDLER_SLOW(move_conditional_memory_slow, move_conditional, insn->extra, insn->size, true)

#define FOR_CONDITIONS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define DEFINE_CONDITIONAL_SIZE(condition, size)                                                                                           \
	HANDLER(move_if_##condition##_##size##_register, move_conditional_register_slow, move_conditional, condition, size, false)         \
	HANDLER(move_if_##condition##_##size##_memory, move_conditional_memory_slow, move_conditional, condition, size, true)
#define DEFINE_CONDITIONAL(condition)                                                                                                      \
	DEFINE_CONDITIONAL_SIZE(condition, 2) DEFINE_CONDITIONAL_SIZE(condition, 4) DEFINE_CONDITIONAL_SIZE(condition, 8)
#define ENTRY_CONDITIONAL(condition)                                                                       \
	[condition] = { [2] = { move_if_##condition##_2_register, move_if_##condition##_2_memory },        \
			[4] = { move_if_##condition##_4_register, move_if_##condition##_4_memory },        \
			[8] = { move_if_##condition##_8_register, move_if_##condition##_8_memory } },

FOR_CONDITIONS(DEFINE_CONDITIONAL)
static insn_fn *const move_conditional_handlers[16][9][2] = { FOR_CONDITIONS(ENTRY_CONDITIONAL) };

bool move_conditional_decode(struct decoder *d, struct insn *insn, unsigned int condition)
{
	enum form form = decode_form(d, insn);

	insn->extra = condition;
	insn->run = move_conditional_handlers[condition][insn->size][form == FORM_RM];
	return true;
}

/* ---- MOVBE and BSWAP. ---- */

TEMPLATE uint64_t bytes_reversed(uint64_t value, unsigned int size)
{
	return __builtin_bswap64(value) >> (64 - 8 * size);
}

TEMPLATE enum step move_swapped(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size, bool to_memory)
{
	enum step step;
	int64_t value;

	if (to_memory)
		return store(cpu, insn, path, size, bytes_reversed((uint64_t)gpr_get(cpu, insn->reg, size), size));
	step = load(cpu, insn, path, size, &value);
	if (step == STEP_NEXT)
		gpr_set(cpu, insn->reg, size, bytes_reversed((uint64_t)value, size));
	return step;
}

HANDLER_SLOW(move_swapped_load, move_swapped, insn->size, false)
HANDLER_SLOW(move_swapped_store, move_swapped, insn->size, true)

bool move_swapped_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	insn->run = decode_form(d, insn) == FORM_MR ? move_swapped_store : move_swapped_load;
	return true;
}

TEMPLATE enum step byte_swap(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size)
{
	(void)path;
	/* Of a 16-bit register the result is undefined (SDM Vol. 2A, BSWAP); processors clear it. */
	gpr_set(cpu, insn->reg, size, size == 2 ? 0 : bytes_reversed((uint64_t)gpr_get(cpu, insn->reg, size), size));
	return STEP_NEXT;
}

HANDLER_SLOW(byte_swap_2, byte_swap, 2)
HANDLER_SLOW(byte_swap_4, byte_swap, 4)
HANDLER_SLOW(byte_swap_8, byte_swap, 8)

bool byte_swap_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	decode_single(d, insn);
	insn->run = insn->size == 2 ? byte_swap_2 : insn->size == 4 ? byte_swap_4 : byte_swap_8;
	return true;
}

/* ---- LEA: the offset, truncated to the address size, then to the operand size. ---- */

TEMPLATE enum step lea(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size, unsigned int address_size)
{
	(void)path;
	gpr_set(cpu, insn->reg, size, insn_effective(cpu, insn) & size_mask(address_size));
	return STEP_NEXT;
}

/* Without an index, as most are. */
TEMPLATE enum step lea_simple(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size)
{
	(void)path;
	gpr_set(cpu, insn->reg, size, cpu->gpr[insn->base] + (uint64_t)insn->disp);
	return STEP_NEXT;
}

HANDLER_SLOW(lea_4, lea, 4, 8)
HANDLER_SLOW(lea_8, lea, 8, 8)
HANDLER_SLOW(lea_simple_4, lea_simple, 4)
HANDLER_SLOW(lea_simple_8, lea_simple, 8)
HANDLER_SLOW(lea_other, lea, insn->size, insn->extra)

bool lea_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	bool simple = insn->index == GPR_ZERO;

	(void)argument;
	if (!decode_is_memory(d, 1))
		return false;
	insn->size = (uint8_t)(d->op[0].size / 8);
	insn->reg = decode_gpr(d->op[0].reg.value);
	insn->extra = d->z.address_width / 8;
	if (insn->size == 2 || insn->extra < insn->size)
		insn->run = lea_other;
	else if (insn->size == 4 && insn->extra >= 4)
		insn->run = simple ? lea_simple_4 : lea_4;
	else
		insn->run = simple ? lea_simple_8 : lea_8;
	return true;
}

/* ---- XLAT: AL := [rBX + AL]. ---- */

TEMPLATE enum step xlat(struct x86_vcpu *cpu, const struct insn *insn, enum path path)
{
	enum step step;
	int64_t value;
	uint64_t linear;

	step = operand_linear(cpu, insn, path, *gpr8(cpu, 8 * RAX), 1, ACCESS_READ, &linear);
	if (step == STEP_NEXT)
		step = load_at(cpu, insn, path, linear, 1, &value);
	if (step == STEP_NEXT)
		gpr_set(cpu, 8 * RAX, 1, (uint64_t)value);
	return step;
}

static void xlat_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (xlat(cpu, insn, PATH_SLOW) == STEP_NEXT)
		insn_next(cpu, insn);
}

bool xlat_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	decode_memory(d, &d->op[0], insn); /* a hidden operand: nobody has done that yet */
	insn->base = RBX;
	insn->index = GPR_ZERO;
	insn->disp = 0;
	insn->run = xlat_run;
	return true;
}

/* ---- CBW, CWDE, CDQE: into the whole accumulator; CWD, CDQ, CQO: its sign into rDX. ---- */

TEMPLATE enum step widen(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size)
{
	(void)path;
	(void)insn;
	gpr_set(cpu, RAX, size, (uint64_t)sign_extend(cpu->gpr[RAX], size / 2));
	return STEP_NEXT;
}

TEMPLATE enum step widen_double(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size)
{
	(void)path;
	(void)insn;
	gpr_set(cpu, RDX, size, (uint64_t)(gpr_get(cpu, RAX, size) >> 63));
	return STEP_NEXT;
}

HANDLER_SLOW(widen_2, widen, 2)
HANDLER_SLOW(widen_4, widen, 4)
HANDLER_SLOW(widen_8, widen, 8)
HANDLER_SLOW(widen_double_2, widen_double, 2)
HANDLER_SLOW(widen_double_4, widen_double, 4)
HANDLER_SLOW(widen_double_8, widen_double, 8)

bool widen_decode(struct decoder *d, struct insn *insn, unsigned int is_double)
{
	static insn_fn *const handlers[2][9] = { { [2] = widen_2, [4] = widen_4, [8] = widen_8 },
						 { [2] = widen_double_2, [4] = widen_double_4, [8] = widen_double_8 } };

	insn->run = handlers[is_double][d->op[0].size / 8];
	return true;
}
