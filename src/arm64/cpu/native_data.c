/*
 * Native code for data processing of general registers (C4.1.92 and C4.1.95), and for what it does with the flags (flags.h).
 */
#include "arm64/cpu/decode.h"
#include "arm64/cpu/native_maker.h"

#if NATIVE

/* reg = reg OP rm. */
static uint32_t opcode_of(enum arithmetic operation)
{
	return 0x03u | (uint32_t)operation << 3;
}

/* to = to OP constant. RCX is lost when it is a large one. */
static void constant_emit(struct maker *m, enum arithmetic operation, unsigned int size, uint8_t to, uint64_t value)
{
	if (size == 4)
		value = (uint64_t)(int32_t)value;
	if ((int64_t)value == (int32_t)value) {
		emit_arithmetic(&m->e, operation, (uint8_t)size, to, (int32_t)value);
		return;
	}
	emit_constant(&m->e, HOST_RCX, value);
	emit_rr(&m->e, opcode_of(operation), (uint8_t)size, to, HOST_RCX);
}

/* The instruction needs RDX for itself: its operands are elsewhere by now. */
static void rdx_take(struct maker *m)
{
	m->held[HOST_RDX] = NO_X;
}

/* ---- Flags. ---- */

/* A field of the vCPU compared with a small number. */
static void field_compare(struct maker *m, int32_t field, uint8_t with)
{
	emit_rm(&m->e, 0x83, 8, ARITHMETIC_CMP, cpu_field(field));
	emit_8(&m->e, with);
}

/* N and Z of a result; RAX is 0 then. None of the host's flags is changed, here and below. */
static void flags_keep_result(struct maker *m, unsigned int size, uint8_t host)
{
	if (size == 4) {
		emit_rr(&m->e, 0x63, 8, HOST_RAX, host); /* MOVSXD */
		host = HOST_RAX;
	}
	emit_store(&m->e, 8, host, cpu_field(CPU_DISP(flag_n)));
	emit_store(&m->e, 8, host, cpu_field(CPU_DISP(flag_z)));
	emit_constant(&m->e, HOST_RAX, 0);
}

/* The host's flags are those of an addition or subtraction whose result is in `host`: into the vCPU. */
static void flags_keep(struct maker *m, enum host_flags flags, unsigned int size, uint8_t host)
{
	m->flags = flags;
	if (m->flags_dead)
		return;
	flags_keep_result(m, size, host);
	emit_rm(&m->e, flags == HOST_FLAGS_SUB ? 0x0f93 : 0x0f92, 4, 0, cpu_field(CPU_DISP(flag_c))); /* SETAE, SETB: the upper bytes are always 0 */
	emit_r_rip(&m->e, (struct opcode){ 0x0f40, 8, 0, false }, HOST_RAX, m->minus_one); /* CMOVO */
	emit_store(&m->e, 8, HOST_RAX, cpu_field(CPU_DISP(flag_v)));
}

/* The same of a logical operation, which leaves C and V clear, here and there. */
static void flags_keep_logical(struct maker *m, unsigned int size, uint8_t host)
{
	m->flags = HOST_FLAGS_ADD;
	if (m->flags_dead)
		return;
	flags_keep_result(m, size, host);
	emit_store(&m->e, 8, HOST_RAX, cpu_field(CPU_DISP(flag_c)));
	emit_store(&m->e, 8, HOST_RAX, cpu_field(CPU_DISP(flag_v)));
}

/* RCX = 0, or all ones when Z is set. */
static void zero_emit(struct maker *m)
{
	field_compare(m, CPU_DISP(flag_z), 1);
	emit_rr(&m->e, 0x1b, 8, HOST_RCX, HOST_RCX); /* SBB */
}

/* RAX is negative when N and V differ; so do the host's flags say. */
static void less_emit(struct maker *m)
{
	emit_load(&m->e, 8, HOST_RAX, cpu_field(CPU_DISP(flag_n)));
	emit_rm(&m->e, OPCODE_XOR, 8, HOST_RAX, cpu_field(CPU_DISP(flag_v)));
}

/* The host's condition code that says what a condition says (C1.2.4). Uses RAX and RCX, unless the host's flags will do. */
unsigned int native_condition(struct maker *m, unsigned int condition)
{
	enum { NO_CODE = 0xff };
	/* By pairs: after a subtraction; after anything else. */
	static const uint8_t codes[][2] = { { IF_ZERO, IF_ZERO }, { IF_NOT_BELOW, IF_BELOW }, { IF_SIGN, IF_SIGN }, { IF_OVERFLOW, IF_OVERFLOW },
					    { IF_ABOVE, NO_CODE }, { IF_NOT_LESS, IF_NOT_LESS }, { IF_GREATER, IF_GREATER } };
	unsigned int pair = condition >> 1, negated = condition & 1, code = m->flags ? codes[pair][m->flags == HOST_FLAGS_ADD] : NO_CODE;

	if (code != NO_CODE)
		return code ^ negated;
	m->flags = HOST_FLAGS_NONE;
	switch (pair) {
	case 0:
		field_compare(m, CPU_DISP(flag_z), 0);
		return IF_ZERO ^ negated;
	case 1:
		field_compare(m, CPU_DISP(flag_c), 0);
		return IF_NOT_ZERO ^ negated;
	case 2: case 3:
		field_compare(m, pair == 2 ? CPU_DISP(flag_n) : CPU_DISP(flag_v), 0);
		return IF_SIGN ^ negated;
	case 4:
		zero_emit(m);
		emit_rr(&m->e, 0xf7, 8, 2, HOST_RCX); /* NOT */
		emit_rm(&m->e, OPCODE_AND, 8, HOST_RCX, cpu_field(CPU_DISP(flag_c)));
		return IF_NOT_ZERO ^ negated;
	case 5:
		less_emit(m);
		return IF_NOT_SIGN ^ negated;
	default:
		zero_emit(m);
		less_emit(m);
		emit_rr(&m->e, OPCODE_OR, 8, HOST_RAX, HOST_RCX);
		return IF_NOT_SIGN ^ negated;
	}
}

/* ---- Data processing, immediate. ---- */

static void move_constant_emit(struct maker *m, const struct a64_insn *insn)
{
	uint8_t to = native_target(m, insn->d);

	emit_constant(&m->e, to, insn->imm);
	native_target_done(m, insn->d, to);
}

/* d = n OP what is in `second` or, when that is no register, the constant. */
static void binary_emit(struct maker *m, const struct a64_insn *insn, enum arithmetic operation, uint8_t second, uint64_t value, bool sets_flags)
{
	unsigned int size = native_size(insn);
	uint8_t n = native_source(m, insn->n), to = native_target(m, insn->d);
	bool clash = second == to && n != to;

	if (clash || insn->d == X_SINK)
		to = HOST_RAX;
	if (to != n)
		emit_move(&m->e, to, n);
	if (second == REGISTER_NONE)
		constant_emit(m, operation, size, to, value);
	else
		emit_rr(&m->e, opcode_of(operation), (uint8_t)size, to, second);
	if (clash)
		native_result(m, insn->d, to);
	else
		native_target_done(m, insn->d, to);
	if (!sets_flags)
		return;
	if (operation == ARITHMETIC_AND)
		flags_keep_logical(m, size, to);
	else
		flags_keep(m, operation == ARITHMETIC_SUB ? HOST_FLAGS_SUB : HOST_FLAGS_ADD, size, to);
}

static bool add_immediate_emit(struct maker *m, const struct a64_insn *insn)
{
	bool sub = bit(insn->word, 30), flags = bit(insn->word, 29);

	/* SUB without flags adds. */
	binary_emit(m, insn, flags && sub ? ARITHMETIC_SUB : ARITHMETIC_ADD, REGISTER_NONE, insn->imm, flags);
	return true;
}

static bool logical_immediate_emit(struct maker *m, const struct a64_insn *insn)
{
	static const enum arithmetic operations[] = { ARITHMETIC_AND, ARITHMETIC_OR, ARITHMETIC_XOR, ARITHMETIC_AND };
	unsigned int op = bits(insn->word, 30, 29);

	if (op == 1 && insn->n == X_ZERO)
		move_constant_emit(m, insn);
	else
		binary_emit(m, insn, operations[op], REGISTER_NONE, insn->imm, op == 3);
	return true;
}

static bool move_wide_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int size = native_size(insn);
	uint8_t to;

	if (bits(insn->word, 30, 29) != 3) {
		move_constant_emit(m, insn);
		return true;
	}
	if (insn->d == X_SINK)
		return true;
	to = native_source(m, insn->d);
	constant_emit(m, ARITHMETIC_AND, size, to, ~(UINT64_C(0xffff) << insn->shift));
	constant_emit(m, ARITHMETIC_OR, size, to, insn->imm);
	native_target_done(m, insn->d, to);
	return true;
}

/* BFM: the bits of `imm`, from Rn rotated. */
static bool insert_emit(struct maker *m, const struct a64_insn *insn)
{
	uint8_t size = (uint8_t)native_size(insn), to;

	if (insn->d == X_SINK)
		return true;
	emit_move(&m->e, HOST_RAX, native_source(m, insn->n));
	emit_shift(&m->e, ROTATE_RIGHT, size, HOST_RAX, insn->shift);
	constant_emit(m, ARITHMETIC_AND, size, HOST_RAX, insn->imm);
	to = native_source(m, insn->d);
	constant_emit(m, ARITHMETIC_AND, size, to, ~insn->imm);
	emit_rr(&m->e, OPCODE_OR, size, to, HOST_RAX);
	native_target_done(m, insn->d, to);
	return true;
}

static bool bitfield_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int size = native_size(insn), width = 8 * size, op = bits(insn->word, 30, 29), r = bits(insn->word, 21, 16), s = bits(insn->word, 15, 10);
	unsigned int length = s >= r ? s - r + 1 : s + 1, place = s >= r ? 0 : width - r;
	uint8_t n;

	if (op == 1)
		return insert_emit(m, insn);
	n = native_source(m, insn->n);
	if (r == 0 && (s == 7 || s == 15 || s == 31) && (op || size == 8)) {
		native_extend(m, HOST_RAX, n, (op ? 0 : 4) + s / 15);
		native_result(m, insn->d, HOST_RAX);
		return true;
	}
	emit_rr(&m->e, OPCODE_LOAD, (uint8_t)size, HOST_RAX, n);
	if (op && s + 1 == r) { /* LSL */
		emit_shift(&m->e, SHIFT_LEFT, (uint8_t)size, HOST_RAX, (uint8_t)place);
		native_result(m, insn->d, HOST_RAX);
		return true;
	}
	/* To the top, down again, to its place. */
	if (s != width - 1)
		emit_shift(&m->e, SHIFT_LEFT, (uint8_t)size, HOST_RAX, (uint8_t)(width - 1 - s));
	if (length != width)
		emit_shift(&m->e, op ? SHIFT_RIGHT : SHIFT_RIGHT_SIGNED, (uint8_t)size, HOST_RAX, (uint8_t)(width - length));
	if (place)
		emit_shift(&m->e, SHIFT_LEFT, (uint8_t)size, HOST_RAX, (uint8_t)place);
	native_result(m, insn->d, HOST_RAX);
	return true;
}

static bool extract_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int size = native_size(insn);
	uint8_t n = native_source(m, insn->n), low = native_source(m, insn->m);

	emit_rr(&m->e, OPCODE_LOAD, (uint8_t)size, HOST_RAX, low);
	if (n == low) {
		emit_shift(&m->e, ROTATE_RIGHT, (uint8_t)size, HOST_RAX, insn->shift);
	} else {
		emit_rr(&m->e, 0x0fac, (uint8_t)size, n, HOST_RAX); /* SHRD */
		emit_8(&m->e, insn->shift);
	}
	native_result(m, insn->d, HOST_RAX);
	return true;
}

bool native_immediate(struct maker *m, const struct a64_insn *insn)
{
	switch (bits(insn->word, 25, 23)) {
	case 0: case 1: move_constant_emit(m, insn); return true;
	case 2: return add_immediate_emit(m, insn);
	case 4: return logical_immediate_emit(m, insn);
	case 5: return move_wide_emit(m, insn);
	case 6: return bitfield_emit(m, insn);
	case 7: return extract_emit(m, insn);
	default: return false;
	}
}

/* ---- Data processing, registers. ---- */

/* The host register with the second operand, shifted. */
static uint8_t shifted_emit(struct maker *m, const struct a64_insn *insn)
{
	static const uint8_t kinds[] = { SHIFT_LEFT, SHIFT_RIGHT, SHIFT_RIGHT_SIGNED, ROTATE_RIGHT };
	uint8_t size = (uint8_t)native_size(insn), from = native_source(m, insn->m);

	if (!insn->shift)
		return from;
	emit_rr(&m->e, OPCODE_LOAD, size, HOST_RCX, from);
	emit_shift(&m->e, kinds[bits(insn->word, 23, 22)], size, HOST_RCX, insn->shift);
	return HOST_RCX;
}

static bool logical_emit(struct maker *m, const struct a64_insn *insn)
{
	static const enum arithmetic operations[] = { ARITHMETIC_AND, ARITHMETIC_OR, ARITHMETIC_XOR, ARITHMETIC_AND };
	unsigned int op = bits(insn->word, 30, 29);
	uint8_t second = shifted_emit(m, insn), to;

	if (bit(insn->word, 21)) { /* inverted */
		if (second != HOST_RCX)
			emit_move(&m->e, HOST_RCX, second);
		second = HOST_RCX;
		emit_rr(&m->e, 0xf7, (uint8_t)native_size(insn), 2, HOST_RCX);
	}
	if (op == 1 && insn->n == X_ZERO) { /* MOV, MVN */
		to = native_target(m, insn->d);
		emit_rr(&m->e, OPCODE_LOAD, (uint8_t)native_size(insn), to, second);
		native_target_done(m, insn->d, to);
		return true;
	}
	binary_emit(m, insn, operations[op], second, 0, op == 3);
	return true;
}

static bool add_emit(struct maker *m, const struct a64_insn *insn)
{
	bool sub = bit(insn->word, 30), flags = bit(insn->word, 29);
	uint8_t to;

	if (!sub && !flags && insn->shift <= 3 && bits(insn->word, 23, 22) == 0) {
		struct address sum = { native_source(m, insn->n), native_source(m, insn->m), insn->shift, 0 };

		to = native_target(m, insn->d);
		emit_rm(&m->e, 0x8d, (uint8_t)native_size(insn), to, sum);
		native_target_done(m, insn->d, to);
		return true;
	}
	binary_emit(m, insn, sub ? ARITHMETIC_SUB : ARITHMETIC_ADD, shifted_emit(m, insn), 0, flags);
	return true;
}

static bool add_extended_emit(struct maker *m, const struct a64_insn *insn)
{
	native_extend(m, HOST_RCX, native_source(m, insn->m), bits(insn->word, 15, 13));
	if (insn->shift)
		emit_shift(&m->e, SHIFT_LEFT, 8, HOST_RCX, insn->shift);
	binary_emit(m, insn, bit(insn->word, 30) ? ARITHMETIC_SUB : ARITHMETIC_ADD, HOST_RCX, 0, bit(insn->word, 29));
	return true;
}

/* CSEL and its kin: RAX is the second operand, made without changing flags, unless the condition holds. */
static bool select_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int condition = bits(insn->word, 15, 12), size = native_size(insn), code;
	uint8_t n = native_source(m, insn->n), second = native_source(m, insn->m);

	if (condition >= 14)
		return false;
	code = native_condition(m, condition);
	if (bit(insn->word, 10) && !bit(insn->word, 30)) {
		emit_lea(&m->e, HOST_RAX, address_of(second, 1));
	} else {
		emit_move(&m->e, HOST_RAX, second);
		if (bit(insn->word, 30))
			emit_rr(&m->e, 0xf7, 8, 2, HOST_RAX); /* NOT */
		if (bit(insn->word, 30) && bit(insn->word, 10))
			emit_lea(&m->e, HOST_RAX, address_of(HOST_RAX, 1));
	}
	emit_rr(&m->e, 0x0f40 | code, (uint8_t)size, HOST_RAX, n); /* CMOV */
	native_result(m, insn->d, HOST_RAX);
	return true;
}

static bool compare_conditionally_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int condition = bits(insn->word, 15, 12), size = native_size(insn), nzcv = insn->a;
	uint64_t flags[4] = { (uint64_t)nzcv << 60, !(nzcv & 4), nzcv >> 1 & 1, (uint64_t)nzcv << 63 };
	static const int32_t fields[] = { CPU_DISP(flag_n), CPU_DISP(flag_z), CPU_DISP(flag_c), CPU_DISP(flag_v) };
	bool sub = bit(insn->word, 30), immediate = bit(insn->word, 11);
	uint8_t n = native_source(m, insn->n), second = immediate ? REGISTER_NONE : native_source(m, insn->m), *otherwise, *end;

	if (condition >= 14)
		return false;
	otherwise = emit_jump_if(&m->e, native_condition(m, condition) ^ 1);
	emit_move(&m->e, HOST_RCX, n);
	if (immediate)
		emit_arithmetic(&m->e, sub ? ARITHMETIC_SUB : ARITHMETIC_ADD, (uint8_t)size, HOST_RCX, (int32_t)insn->imm);
	else
		emit_rr(&m->e, sub ? OPCODE_SUB : OPCODE_ADD, (uint8_t)size, HOST_RCX, second);
	flags_keep(m, sub ? HOST_FLAGS_SUB : HOST_FLAGS_ADD, size, HOST_RCX);
	end = emit_jump(&m->e);
	jump_set(otherwise, m->e.at);
	for (unsigned int i = 0; i < 4; i++) {
		emit_constant(&m->e, HOST_RAX, flags[i]);
		emit_store(&m->e, 8, HOST_RAX, cpu_field(fields[i]));
	}
	jump_set(end, m->e.at);
	m->flags = HOST_FLAGS_NONE;
	return true;
}

/* RAX is n, RCX m, so that RDX is free: its copy is lost. */
static void divide_emit(struct maker *m, const struct a64_insn *insn, bool is_signed)
{
	uint8_t size = (uint8_t)native_size(insn), n = native_source(m, insn->n), by = native_source(m, insn->m), *zero, *minus_one = NULL, *end[2] = { NULL };

	emit_move(&m->e, HOST_RAX, n);
	emit_move(&m->e, HOST_RCX, by);
	rdx_take(m);
	emit_rr(&m->e, OPCODE_TEST, size, HOST_RCX, HOST_RCX);
	zero = emit_jump_if(&m->e, IF_ZERO);
	if (is_signed) {
		emit_arithmetic(&m->e, ARITHMETIC_CMP, size, HOST_RCX, -1);
		minus_one = emit_jump_if(&m->e, IF_ZERO);
		emit_opcode(&m->e, (struct opcode){ 0x99, size, 0, false }, 0, REGISTER_NONE, 0); /* CDQ, CQO */
	} else {
		emit_rr(&m->e, OPCODE_XOR, 4, HOST_RDX, HOST_RDX);
	}
	emit_rr(&m->e, 0xf7, size, is_signed ? 7 : 6, HOST_RCX);
	end[0] = emit_jump(&m->e);
	if (is_signed) {
		jump_set(minus_one, m->e.at);
		emit_rr(&m->e, 0xf7, size, 3, HOST_RAX); /* NEG */
		end[1] = emit_jump(&m->e);
	}
	jump_set(zero, m->e.at);
	emit_rr(&m->e, OPCODE_LOAD, size, HOST_RAX, HOST_RCX);
	jump_set(end[0], m->e.at);
	if (is_signed)
		jump_set(end[1], m->e.at);
	native_result(m, insn->d, HOST_RAX);
}

static void shift_by_register_emit(struct maker *m, const struct a64_insn *insn, unsigned int kind)
{
	uint8_t size = (uint8_t)native_size(insn), n = native_source(m, insn->n), by = native_source(m, insn->m);

	emit_rr(&m->e, OPCODE_LOAD, size, HOST_RAX, n);
	emit_move(&m->e, HOST_RCX, by);
	emit_rr(&m->e, 0xd3, size, (uint8_t)kind, HOST_RAX);
	native_result(m, insn->d, HOST_RAX);
}

static bool two_sources_emit(struct maker *m, const struct a64_insn *insn)
{
	switch (bits(insn->word, 15, 10)) {
	case 2: divide_emit(m, insn, false); return true;
	case 3: divide_emit(m, insn, true); return true;
	case 8: shift_by_register_emit(m, insn, SHIFT_LEFT); return true;
	case 9: shift_by_register_emit(m, insn, SHIFT_RIGHT); return true;
	case 10: shift_by_register_emit(m, insn, SHIFT_RIGHT_SIGNED); return true;
	case 11: shift_by_register_emit(m, insn, ROTATE_RIGHT); return true;
	default: return false;
	}
}

static bool one_source_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int op = bits(insn->word, 15, 10), size = native_size(insn);

	if (bits(insn->word, 20, 16) || op != (size == 8 ? 3 : 2)) /* REV of the whole */
		return false;
	emit_move(&m->e, HOST_RAX, native_source(m, insn->n));
	emit_opcode(&m->e, (struct opcode){ 0x0fc8, (uint8_t)size, 0, false }, 0, REGISTER_NONE, HOST_RAX); /* BSWAP */
	native_result(m, insn->d, HOST_RAX);
	return true;
}

/* The upper half of a product. */
static void multiply_high_emit(struct maker *m, const struct a64_insn *insn, bool is_signed)
{
	uint8_t n = native_source(m, insn->n), by = native_source(m, insn->m);

	emit_move(&m->e, HOST_RAX, n);
	emit_move(&m->e, HOST_RCX, by);
	rdx_take(m);
	emit_rr(&m->e, 0xf7, 8, is_signed ? 5 : 4, HOST_RCX);
	emit_move(&m->e, HOST_RAX, HOST_RDX);
	native_result(m, insn->d, HOST_RAX);
}

static bool three_sources_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int op = bits(insn->word, 23, 21) << 1 | bit(insn->word, 15);
	uint8_t size = (uint8_t)native_size(insn), n, by;
	bool is_long = op == 2 || op == 3 || op == 10 || op == 11, subtract = op & 1;

	if (op == 4 || op == 12) {
		multiply_high_emit(m, insn, op == 4);
		return true;
	}
	if (op > 1 && !is_long)
		return false;
	n = native_source(m, insn->n);
	by = native_source(m, insn->m);
	if (is_long) {
		native_extend(m, HOST_RAX, n, op & 8 ? 2 : 6);
		native_extend(m, HOST_RCX, by, op & 8 ? 2 : 6);
		by = HOST_RCX;
	} else {
		emit_move(&m->e, HOST_RAX, n);
	}
	emit_rr(&m->e, 0x0faf, size, HOST_RAX, by); /* IMUL */
	if (subtract)
		emit_rr(&m->e, 0xf7, size, 3, HOST_RAX); /* NEG */
	if (insn->a != X_ZERO)
		emit_rr(&m->e, OPCODE_ADD, size, HOST_RAX, native_source(m, insn->a));
	native_result(m, insn->d, HOST_RAX);
	return true;
}

bool native_register(struct maker *m, const struct a64_insn *insn)
{
	if (!bit(insn->word, 28)) {
		if (!bit(insn->word, 24))
			return logical_emit(m, insn);
		return bit(insn->word, 21) ? add_extended_emit(m, insn) : add_emit(m, insn);
	}
	if (bit(insn->word, 24))
		return three_sources_emit(m, insn);
	switch (bits(insn->word, 23, 21)) {
	case 2: return compare_conditionally_emit(m, insn);
	case 4: return select_emit(m, insn);
	case 6: return bit(insn->word, 30) ? one_source_emit(m, insn) : two_sources_emit(m, insn);
	default: return false;
	}
}

/* ---- Flags, beforehand. ---- */

/* Immediate and register forms of those that set all flags, or do not look at them. */
bool native_sets_flags(const struct a64_insn *insn)
{
	bool immediate = bits(insn->word, 28, 26) == 4, logical, add;

	if (immediate) {
		logical = bits(insn->word, 25, 23) == 4;
		add = bits(insn->word, 25, 23) == 2;
	} else {
		logical = bits(insn->word, 28, 24) == 10;
		add = bits(insn->word, 28, 24) == 11;
	}
	return (logical && bits(insn->word, 30, 29) == 3) || (add && bit(insn->word, 29));
}

bool native_ignores_flags(const struct a64_insn *insn)
{
	if (bits(insn->word, 28, 26) == 4)
		return true;
	if (bits(insn->word, 27, 25) != 5)
		return false;
	return !bit(insn->word, 28) || bit(insn->word, 24) || bits(insn->word, 23, 21) == 6;
}

#endif
