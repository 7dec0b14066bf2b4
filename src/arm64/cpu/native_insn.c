/*
 * Native code for one instruction. Operands are those that decoding has taken apart (insn.h); what the instruction is, is looked up in its word
 * again. Results go to the vCPU at once, so that there is never anything to be brought back.
 */
#include "arm64/cpu/decode.h"
#include "arm64/cpu/native_maker.h"

#if A64_NATIVE

/* ---- Guest registers. ---- */

static bool pinned(const struct maker *m, uint8_t host)
{
	return m->pinned >> host & 1;
}

/* A host register for a copy, or for the instruction's own: not one that it needs already. */
static uint8_t register_take(struct maker *m)
{
	static const uint8_t pool[] = { HOST_RDX, HOST_RSI, HOST_R8, HOST_R9, HOST_R10, HOST_R11 };
	uint8_t host;

	do
		host = pool[m->next++ % sizeof pool];
	while (pinned(m, host));
	m->pinned |= (uint16_t)(1 << host);
	m->held[host] = NO_X;
	return host;
}

static uint8_t register_holding(const struct maker *m, uint8_t x)
{
	for (uint8_t host = 0; host < HOST_COUNT; host++)
		if (m->held[host] == x)
			return host;
	return REGISTER_NONE;
}

/* The host register with x[x]. Changes no flags. */
static uint8_t source(struct maker *m, uint8_t x)
{
	uint8_t host = register_holding(m, x);

	if (host == REGISTER_NONE) {
		host = register_take(m);
		emit_load(&m->e, 8, host, x_field(x));
		m->held[host] = x;
	}
	m->pinned |= (uint16_t)(1 << host);
	return host;
}

/* The host register to compute a new x[x] in. */
static uint8_t target(struct maker *m, uint8_t x)
{
	uint8_t host = x == X_SINK ? HOST_RAX : register_holding(m, x);

	if (host == REGISTER_NONE)
		host = register_take(m);
	m->pinned |= (uint16_t)(1 << host);
	return host;
}

/* What target() gave has been computed. Changes no flags. */
static void target_done(struct maker *m, uint8_t x, uint8_t host)
{
	if (x == X_SINK)
		return;
	emit_store(&m->e, 8, host, x_field(x));
	m->held[host] = x;
}

/* The result is in some other register. */
static void result(struct maker *m, uint8_t x, uint8_t from)
{
	uint8_t to = target(m, x);

	if (x == X_SINK)
		return;
	emit_move(&m->e, to, from);
	target_done(m, x, to);
}

/* The instruction needs RDX for itself: its operands are elsewhere by now. */
static void rdx_take(struct maker *m)
{
	m->held[HOST_RDX] = NO_X;
}

static unsigned int size_of(const struct a64_insn *insn)
{
	return bit(insn->word, 31) ? 8 : 4;
}

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

/* to = from, extended as option says (C6.2, DecodeRegExtend). */
static void extend_emit(struct maker *m, uint8_t to, uint8_t from, unsigned int option)
{
	static const struct opcode opcodes[] = {
		{ 0x0fb6, 4, 0, true }, { 0x0fb7, 4, 0, false }, { OPCODE_LOAD, 4, 0, false }, { OPCODE_LOAD, 8, 0, false },
		{ 0x0fbe, 8, 0, true }, { 0x0fbf, 8, 0, false }, { 0x63, 8, 0, false }, { OPCODE_LOAD, 8, 0, false },
	};

	emit_opcode(&m->e, opcodes[option], to, REGISTER_NONE, from);
	emit_modrm_register(&m->e, to, from);
}

/* ---- Flags (flags.h). ---- */

/* A field of the vCPU compared with a small number. */
static void field_compare(struct maker *m, int32_t field, uint8_t with)
{
	emit_rm(&m->e, 0x83, 8, ARITHMETIC_CMP, cpu_field(field));
	emit_8(&m->e, with);
}

/* N and Z of a result. Changes no flags, as nothing here does. */
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
static unsigned int condition_emit(struct maker *m, unsigned int condition)
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
	uint8_t to = target(m, insn->d);

	emit_constant(&m->e, to, insn->imm);
	target_done(m, insn->d, to);
}

/* d = n OP what is in `second` or, when that is no register, the constant. */
static void binary_emit(struct maker *m, const struct a64_insn *insn, enum arithmetic operation, uint8_t second, uint64_t value, bool sets_flags)
{
	unsigned int size = size_of(insn);
	uint8_t n = source(m, insn->n), to = target(m, insn->d);
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
		result(m, insn->d, to);
	else
		target_done(m, insn->d, to);
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
	unsigned int size = size_of(insn);
	uint8_t to;

	if (bits(insn->word, 30, 29) != 3) {
		move_constant_emit(m, insn);
		return true;
	}
	if (insn->d == X_SINK)
		return true;
	to = source(m, insn->d);
	constant_emit(m, ARITHMETIC_AND, size, to, ~(UINT64_C(0xffff) << insn->shift));
	constant_emit(m, ARITHMETIC_OR, size, to, insn->imm);
	target_done(m, insn->d, to);
	return true;
}

/* BFM: the bits of `imm`, from Rn rotated. */
static bool insert_emit(struct maker *m, const struct a64_insn *insn)
{
	uint8_t size = (uint8_t)size_of(insn), to;

	if (insn->d == X_SINK)
		return true;
	emit_move(&m->e, HOST_RAX, source(m, insn->n));
	emit_shift(&m->e, ROTATE_RIGHT, size, HOST_RAX, insn->shift);
	constant_emit(m, ARITHMETIC_AND, size, HOST_RAX, insn->imm);
	to = source(m, insn->d);
	constant_emit(m, ARITHMETIC_AND, size, to, ~insn->imm);
	emit_rr(&m->e, OPCODE_OR, size, to, HOST_RAX);
	target_done(m, insn->d, to);
	return true;
}

static bool bitfield_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int size = size_of(insn), width = 8 * size, op = bits(insn->word, 30, 29), r = bits(insn->word, 21, 16), s = bits(insn->word, 15, 10);
	unsigned int length = s >= r ? s - r + 1 : s + 1, place = s >= r ? 0 : width - r;
	uint8_t n;

	if (op == 1)
		return insert_emit(m, insn);
	n = source(m, insn->n);
	if (r == 0 && (s == 7 || s == 15 || s == 31) && (op || size == 8)) {
		extend_emit(m, HOST_RAX, n, (op ? 0 : 4) + s / 15);
		result(m, insn->d, HOST_RAX);
		return true;
	}
	emit_rr(&m->e, OPCODE_LOAD, (uint8_t)size, HOST_RAX, n);
	if (op && s + 1 == r) { /* LSL */
		emit_shift(&m->e, SHIFT_LEFT, (uint8_t)size, HOST_RAX, (uint8_t)place);
		result(m, insn->d, HOST_RAX);
		return true;
	}
	/* To the top, down again, to its place. */
	if (s != width - 1)
		emit_shift(&m->e, SHIFT_LEFT, (uint8_t)size, HOST_RAX, (uint8_t)(width - 1 - s));
	if (length != width)
		emit_shift(&m->e, op ? SHIFT_RIGHT : SHIFT_RIGHT_SIGNED, (uint8_t)size, HOST_RAX, (uint8_t)(width - length));
	if (place)
		emit_shift(&m->e, SHIFT_LEFT, (uint8_t)size, HOST_RAX, (uint8_t)place);
	result(m, insn->d, HOST_RAX);
	return true;
}

static bool extract_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int size = size_of(insn);
	uint8_t n = source(m, insn->n), low = source(m, insn->m);

	emit_rr(&m->e, OPCODE_LOAD, (uint8_t)size, HOST_RAX, low);
	if (n == low) {
		emit_shift(&m->e, ROTATE_RIGHT, (uint8_t)size, HOST_RAX, insn->shift);
	} else {
		emit_rr(&m->e, 0x0fac, (uint8_t)size, n, HOST_RAX); /* SHRD */
		emit_8(&m->e, insn->shift);
	}
	result(m, insn->d, HOST_RAX);
	return true;
}

static bool immediate_emit(struct maker *m, const struct a64_insn *insn)
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
	uint8_t size = (uint8_t)size_of(insn), from = source(m, insn->m);

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
		emit_rr(&m->e, 0xf7, (uint8_t)size_of(insn), 2, HOST_RCX);
	}
	if (op == 1 && insn->n == X_ZERO) { /* MOV, MVN */
		to = target(m, insn->d);
		emit_rr(&m->e, OPCODE_LOAD, (uint8_t)size_of(insn), to, second);
		target_done(m, insn->d, to);
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
		struct address sum = { source(m, insn->n), source(m, insn->m), insn->shift, 0 };

		to = target(m, insn->d);
		emit_rm(&m->e, 0x8d, (uint8_t)size_of(insn), to, sum);
		target_done(m, insn->d, to);
		return true;
	}
	binary_emit(m, insn, sub ? ARITHMETIC_SUB : ARITHMETIC_ADD, shifted_emit(m, insn), 0, flags);
	return true;
}

static bool add_extended_emit(struct maker *m, const struct a64_insn *insn)
{
	extend_emit(m, HOST_RCX, source(m, insn->m), bits(insn->word, 15, 13));
	if (insn->shift)
		emit_shift(&m->e, SHIFT_LEFT, 8, HOST_RCX, insn->shift);
	binary_emit(m, insn, bit(insn->word, 30) ? ARITHMETIC_SUB : ARITHMETIC_ADD, HOST_RCX, 0, bit(insn->word, 29));
	return true;
}

/* CSEL and its kin: RAX is the second operand, made without changing flags, unless the condition holds. */
static bool select_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int condition = bits(insn->word, 15, 12), size = size_of(insn), code;
	uint8_t n = source(m, insn->n), second = source(m, insn->m);

	if (condition >= 14)
		return false;
	code = condition_emit(m, condition);
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
	result(m, insn->d, HOST_RAX);
	return true;
}

static bool compare_conditionally_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int condition = bits(insn->word, 15, 12), size = size_of(insn), nzcv = insn->a;
	uint64_t flags[4] = { (uint64_t)nzcv << 60, !(nzcv & 4), nzcv >> 1 & 1, (uint64_t)nzcv << 63 };
	static const int32_t fields[] = { CPU_DISP(flag_n), CPU_DISP(flag_z), CPU_DISP(flag_c), CPU_DISP(flag_v) };
	bool sub = bit(insn->word, 30), immediate = bit(insn->word, 11);
	uint8_t n = source(m, insn->n), second = immediate ? REGISTER_NONE : source(m, insn->m), *otherwise, *end;

	if (condition >= 14)
		return false;
	otherwise = emit_jump_if(&m->e, condition_emit(m, condition) ^ 1);
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
	uint8_t size = (uint8_t)size_of(insn), n = source(m, insn->n), by = source(m, insn->m), *zero, *minus_one = NULL, *end[2] = { NULL };

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
	result(m, insn->d, HOST_RAX);
}

static void shift_by_register_emit(struct maker *m, const struct a64_insn *insn, unsigned int kind)
{
	uint8_t size = (uint8_t)size_of(insn), n = source(m, insn->n), by = source(m, insn->m);

	emit_rr(&m->e, OPCODE_LOAD, size, HOST_RAX, n);
	emit_move(&m->e, HOST_RCX, by);
	emit_rr(&m->e, 0xd3, size, (uint8_t)kind, HOST_RAX);
	result(m, insn->d, HOST_RAX);
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
	unsigned int op = bits(insn->word, 15, 10), size = size_of(insn);

	if (bits(insn->word, 20, 16) || op != (size == 8 ? 3 : 2)) /* REV of the whole */
		return false;
	emit_move(&m->e, HOST_RAX, source(m, insn->n));
	emit_opcode(&m->e, (struct opcode){ 0x0fc8, (uint8_t)size, 0, false }, 0, REGISTER_NONE, HOST_RAX); /* BSWAP */
	result(m, insn->d, HOST_RAX);
	return true;
}

/* The upper half of a product. */
static void multiply_high_emit(struct maker *m, const struct a64_insn *insn, bool is_signed)
{
	uint8_t n = source(m, insn->n), by = source(m, insn->m);

	emit_move(&m->e, HOST_RAX, n);
	emit_move(&m->e, HOST_RCX, by);
	rdx_take(m);
	emit_rr(&m->e, 0xf7, 8, is_signed ? 5 : 4, HOST_RCX);
	emit_move(&m->e, HOST_RAX, HOST_RDX);
	result(m, insn->d, HOST_RAX);
}

static bool three_sources_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int op = bits(insn->word, 23, 21) << 1 | bit(insn->word, 15);
	uint8_t size = (uint8_t)size_of(insn), n, by;
	bool is_long = op == 2 || op == 3 || op == 10 || op == 11, subtract = op & 1;

	if (op == 4 || op == 12) {
		multiply_high_emit(m, insn, op == 4);
		return true;
	}
	if (op > 1 && !is_long)
		return false;
	n = source(m, insn->n);
	by = source(m, insn->m);
	if (is_long) {
		extend_emit(m, HOST_RAX, n, op & 8 ? 2 : 6);
		extend_emit(m, HOST_RCX, by, op & 8 ? 2 : 6);
		by = HOST_RCX;
	} else {
		emit_move(&m->e, HOST_RAX, n);
	}
	emit_rr(&m->e, 0x0faf, size, HOST_RAX, by); /* IMUL */
	if (subtract)
		emit_rr(&m->e, 0xf7, size, 3, HOST_RAX); /* NEG */
	if (insn->a != X_ZERO)
		emit_rr(&m->e, OPCODE_ADD, size, HOST_RAX, source(m, insn->a));
	result(m, insn->d, HOST_RAX);
	return true;
}

static bool register_emit(struct maker *m, const struct a64_insn *insn)
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

/* ---- Loads and stores. ---- */

/* What native code cannot do, the interpreter does. */
static void leave_if(struct maker *m, unsigned int condition, const struct a64_insn *insn)
{
	way_out_add(m, emit_jump_if(&m->e, condition), insn, 0);
}

/*
 * The host address of `size` bytes at `place` into RAX: a64_tlb_lookup() and, for a write, what keeps it out of the running block. RCX is lost.
 */
static void access_emit(struct maker *m, const struct a64_insn *insn, struct address place, unsigned int size, bool write)
{
	enum arm64_access access = write ? ARM64_WRITE : ARM64_READ;
	int32_t tag = (int32_t)offsetof(struct arm64_tlb, entry[access][0].tag), addend = (int32_t)offsetof(struct arm64_tlb, entry[access][0].addend);
	struct address end = place;
	struct emitter *e = &m->e;

	_Static_assert(sizeof(struct arm64_tlb_entry) == 16 && ARM64_TLB_ENTRIES == 256, "the entry's offset is bits 12 to 19, times 16");
	end.disp += (int32_t)size - 1;
	emit_lea(e, HOST_RCX, place);
	emit_lea(e, HOST_RAX, end);
	emit_shift(e, SHIFT_RIGHT, 4, HOST_RCX, PAGE_SHIFT - 4);
	emit_arithmetic(e, ARITHMETIC_AND, 4, HOST_RCX, (ARM64_TLB_ENTRIES - 1) << 4);
	emit_rm(e, OPCODE_ADD, 8, HOST_RCX, cpu_field(CPU_DISP(tlb)));
	emit_arithmetic(e, ARITHMETIC_OR, 8, HOST_RAX, PAGE_SIZE - 1);
	emit_rm(e, OPCODE_CMP, 8, HOST_RAX, address_of(HOST_RCX, tag));
	leave_if(m, IF_NOT_ZERO, insn);
	emit_lea(e, HOST_RAX, place);
	emit_rm(e, OPCODE_ADD, 8, HOST_RAX, address_of(HOST_RCX, addend));
	if (write) {
		emit_move(e, HOST_RCX, HOST_RAX);
		emit_r_rip(e, (struct opcode){ OPCODE_SUB, 8, 0, false }, HOST_RCX, m->guard_constant);
		emit_arithmetic(e, ARITHMETIC_CMP, 8, HOST_RCX, m->block->length + GUARD);
		leave_if(m, IF_BELOW, insn);
	}
	emit_constant(e, HOST_RCX, (uint64_t)insn);
	emit_store(e, 8, HOST_RCX, cpu_field(CPU_DISP(insn))); /* for a host fault */
}

/* Where an access is: added to the base (indexed 0), at it (1, post), or added before (3, pre); or at base and index. SP must be aligned when it says so. */
static struct address place_emit(struct maker *m, const struct a64_insn *insn, unsigned int indexed, bool by_register)
{
	unsigned int option = bits(insn->word, 15, 13);
	struct address place = address_of(source(m, insn->n), by_register || indexed == 1 ? 0 : (int32_t)insn->imm);
	uint8_t index;

	if (by_register) {
		place.index = source(m, insn->m);
		place.scale = insn->shift;
		if (!(option & 1) || insn->shift > 3) {
			index = register_take(m);
			extend_emit(m, index, place.index, option);
			if (insn->shift)
				emit_shift(&m->e, SHIFT_LEFT, 8, index, insn->shift);
			place.index = index;
			place.scale = 0;
		}
	}
	if (insn->n >= X_SP_EL0 && m->block->mode & A64_MODE_SP_ALIGN) {
		emit_rr(&m->e, 0xf7, 4, 0, place.base); /* TEST */
		emit_32(&m->e, 15);
		leave_if(m, IF_NOT_ZERO, insn);
	}
	return place;
}

/* Rn behind the access. */
static void write_back_emit(struct maker *m, const struct a64_insn *insn, uint8_t base)
{
	emit_lea(&m->e, base, address_of(base, (int32_t)insn->imm));
	target_done(m, insn->n, base);
}

static void value_load_emit(struct maker *m, uint8_t to, unsigned int operation)
{
	static const struct opcode opcodes[16] = {
		[1] = { 0x0fb6, 4, 0, false }, [2] = { 0x0fbe, 8, 0, false }, [3] = { 0x0fbe, 4, 0, false }, [5] = { 0x0fb7, 4, 0, false },
		[6] = { 0x0fbf, 8, 0, false }, [7] = { 0x0fbf, 4, 0, false }, [9] = { OPCODE_LOAD, 4, 0, false }, [10] = { 0x63, 8, 0, false },
		[13] = { OPCODE_LOAD, 8, 0, false },
	};

	emit_opcode(&m->e, opcodes[operation], to, REGISTER_NONE, HOST_RAX);
	emit_modrm_memory(&m->e, to, address_of(HOST_RAX, 0));
}

static void value_store_emit(struct maker *m, uint8_t from, unsigned int size)
{
	struct opcode o = { size == 1 ? 0x88 : OPCODE_STORE, (uint8_t)size, 0, size == 1 };

	emit_opcode(&m->e, o, from, REGISTER_NONE, HOST_RAX);
	emit_modrm_memory(&m->e, from, address_of(HOST_RAX, 0));
}

static bool single_emit(struct maker *m, const struct a64_insn *insn, unsigned int indexed, bool by_register)
{
	unsigned int operation = bits(insn->word, 31, 30) << 2 | bits(insn->word, 23, 22), size = 1u << (operation >> 2);
	bool write = !(operation & 3);
	struct address place;
	uint8_t value;

	if (operation == 14) /* a prefetch */
		return true;
	place = place_emit(m, insn, indexed, by_register);
	value = write ? source(m, insn->d) : indexed || insn->d == X_SINK ? HOST_RAX : REGISTER_NONE;
	access_emit(m, insn, place, size, write);
	if (write) {
		value_store_emit(m, value, size);
	} else {
		if (value == REGISTER_NONE)
			value = target(m, insn->d);
		value_load_emit(m, value, operation);
	}
	if (indexed)
		write_back_emit(m, insn, place.base);
	if (!write && indexed)
		result(m, insn->d, value);
	else if (!write)
		target_done(m, insn->d, value);
	return true;
}

static bool pair_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int opc = bits(insn->word, 31, 30), indexed = bits(insn->word, 24, 23), size = opc == 2 ? 8 : 4;
	bool load = bit(insn->word, 22);
	struct opcode o = { load && opc == 1 ? 0x63 : load ? OPCODE_LOAD : OPCODE_STORE, opc ? 8 : 4, 0, false };
	struct address place;
	uint8_t first, second;

	if (indexed & 1 && (insn->n == insn->d || insn->n == insn->m))
		return false;
	place = place_emit(m, insn, indexed, false);
	first = load ? REGISTER_NONE : source(m, insn->d);
	second = load ? REGISTER_NONE : source(m, insn->m);
	access_emit(m, insn, place, 2 * size, !load);
	if (load) {
		first = target(m, insn->d);
		second = target(m, insn->m);
		if (first == HOST_RAX || first == second)
			first = HOST_RCX;
	}
	emit_opcode(&m->e, o, first, REGISTER_NONE, HOST_RAX);
	emit_modrm_memory(&m->e, first, address_of(HOST_RAX, 0));
	emit_opcode(&m->e, o, second, REGISTER_NONE, HOST_RAX);
	emit_modrm_memory(&m->e, second, address_of(HOST_RAX, (int32_t)size));
	if (indexed & 1)
		write_back_emit(m, insn, place.base);
	if (load && first != HOST_RCX)
		target_done(m, insn->d, first);
	if (load)
		target_done(m, insn->m, second);
	return true;
}

/* ---- Those of SIMD&FP registers: through XMM0 and XMM1. ---- */

static const struct opcode vector_loads[] = { { 0x0f6e, 2, 0, false }, { 0x0f7e, 4, 0xf3, false }, { 0x0f6f, 4, 0xf3, false } };  /* MOVD, MOVQ, MOVDQU */
static const struct opcode vector_stores[] = { { 0x0f7e, 2, 0, false }, { 0x0fd6, 2, 0, false }, { 0x0f7f, 4, 0xf3, false } };

/* Of 4 << kind bytes. */
static void vector_move(struct maker *m, const struct opcode *opcodes, unsigned int kind, uint8_t xmm, struct address where)
{
	emit_opcode(&m->e, opcodes[kind], xmm, where.index, where.base);
	emit_modrm_memory(&m->e, xmm, where);
}

static struct address z_field(unsigned int z, unsigned int at)
{
	return cpu_field(CPU_DISP(z) + (int32_t)(z * sizeof(union arm64_z) + at));
}

/* v_set(): what is behind 128 bits is cleared. */
static void vector_set_emit(struct maker *m, unsigned int z, uint8_t xmm)
{
	vector_move(m, vector_stores, 2, xmm, z_field(z, 0));
	if (m->cpu->vl_max > 16)
		emit_rr(&m->e, 0x0fef, 2, xmm, xmm); /* PXOR */
	for (unsigned int at = 16; at < m->cpu->vl_max; at += 16)
		vector_move(m, vector_stores, 2, xmm, z_field(z, at));
}

static bool vector_single_emit(struct maker *m, const struct a64_insn *insn, unsigned int indexed, bool by_register)
{
	unsigned int scale = bit(insn->word, 23) << 2 | bits(insn->word, 31, 30);
	bool load = bit(insn->word, 22);
	struct address place;

	if (scale < 2)
		return false;
	place = place_emit(m, insn, indexed, by_register);
	if (!load)
		vector_move(m, vector_loads, 2, 0, z_field(bits(insn->word, 4, 0), 0));
	access_emit(m, insn, place, 1u << scale, !load);
	vector_move(m, load ? vector_loads : vector_stores, scale - 2, 0, address_of(HOST_RAX, 0));
	if (load)
		vector_set_emit(m, bits(insn->word, 4, 0), 0);
	if (indexed)
		write_back_emit(m, insn, place.base);
	return true;
}

static bool vector_pair_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int kind = bits(insn->word, 31, 30), indexed = bits(insn->word, 24, 23), z[2] = { bits(insn->word, 4, 0), bits(insn->word, 14, 10) };
	bool load = bit(insn->word, 22);
	struct address place = place_emit(m, insn, indexed, false);

	for (uint8_t i = 0; i < 2 && !load; i++)
		vector_move(m, vector_loads, 2, i, z_field(z[i], 0));
	access_emit(m, insn, place, 8u << kind, !load);
	for (uint8_t i = 0; i < 2; i++)
		vector_move(m, load ? vector_loads : vector_stores, kind, i, address_of(HOST_RAX, i * (4 << kind)));
	for (uint8_t i = 0; i < 2 && load; i++)
		vector_set_emit(m, z[i], i);
	if (indexed & 1)
		write_back_emit(m, insn, place.base);
	return true;
}

/* Of either kind of registers. */
static bool memory_emit(struct maker *m, const struct a64_insn *insn)
{
	bool vector = bit(insn->word, 26);
	bool (*single)(struct maker *m, const struct a64_insn *insn, unsigned int indexed, bool by_register) = vector ? vector_single_emit : single_emit;

	if (m->block->mode & A64_MODE_ALIGN || (vector && m->block->mode & A64_MODE_FP_TRAP))
		return false;
	if (bits(insn->word, 29, 28) == 2)
		return vector ? vector_pair_emit(m, insn) : pair_emit(m, insn);
	if (bits(insn->word, 29, 28) != 3)
		return false;
	if (bit(insn->word, 24))
		return single(m, insn, 0, false);
	if (bit(insn->word, 21))
		return bits(insn->word, 11, 10) == 2 && single(m, insn, 0, true);
	return bits(insn->word, 11, 10) != 2 && single(m, insn, bits(insn->word, 11, 10), false);
}

/* ---- Branches. ---- */

/* What it leads to is put there later: a64_native_link(). */
void a64_link_emit(struct maker *m, int condition, uint64_t where)
{
	way_out_add(m, condition < 0 ? emit_jump(&m->e) : emit_jump_if(&m->e, (unsigned int)condition), NULL, where);
}

static void link_register_emit(struct maker *m)
{
	uint8_t to = target(m, X_LR);

	emit_constant(&m->e, to, m->pc + 4);
	target_done(m, X_LR, to);
}

static void compare_and_branch_emit(struct maker *m, const struct a64_insn *insn)
{
	uint8_t host = source(m, insn->d);
	bool not_zero = bit(insn->word, 24);

	emit_rr(&m->e, OPCODE_TEST, (uint8_t)size_of(insn), host, host);
	a64_link_emit(m, not_zero ? IF_NOT_ZERO : IF_ZERO, insn->imm);
}

static void test_and_branch_emit(struct maker *m, const struct a64_insn *insn)
{
	emit_rr(&m->e, 0x0fba, 8, 4, source(m, insn->d)); /* BT */
	emit_8(&m->e, insn->shift);
	a64_link_emit(m, bit(insn->word, 24) ? IF_BELOW : IF_NOT_BELOW, insn->imm);
}

/* BR, BLR, RET. */
static bool branch_to_register_emit(struct maker *m, const struct a64_insn *insn)
{
	if (bits(insn->word, 24, 21) > 2 || bits(insn->word, 15, 10))
		return false;
	emit_move(&m->e, HOST_RAX, source(m, insn->n));
	if (bits(insn->word, 24, 21) == 1)
		link_register_emit(m);
	emit_store(&m->e, 8, HOST_RAX, cpu_field(CPU_DISP(pc)));
	jump_set(emit_jump(&m->e), m->native->go_anywhere);
	m->ended = true;
	return true;
}

/* Hints that say nothing to us, and memory barriers. */
static bool system_emit(struct maker *m, const struct a64_insn *insn)
{
	static const uint8_t mfence[] = { 0x0f, 0xae, 0xf0 };
	unsigned int hint = bits(insn->word, 11, 5);

	if ((insn->word & 0xfffff01f) == 0xd503201f)
		return hint < 2 || hint >= 32; /* NOP, YIELD; BTI */
	if ((insn->word & 0xfffff0ff) != 0xd50330bf) /* DMB */
		return false;
	emit_bytes(&m->e, mfence, sizeof mfence);
	return true;
}

static bool branch_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int condition = bits(insn->word, 3, 0);

	switch (bits(insn->word, 31, 29)) {
	case 4:
		link_register_emit(m);
		/* fall through */
	case 0:
		a64_link_emit(m, -1, insn->imm);
		m->ended = true;
		return true;
	case 1: case 5:
		if (bit(insn->word, 25))
			test_and_branch_emit(m, insn);
		else
			compare_and_branch_emit(m, insn);
		return true;
	case 2:
		a64_link_emit(m, condition >= 14 ? -1 : (int)condition_emit(m, condition), insn->imm);
		return true;
	case 6:
		return bit(insn->word, 25) ? branch_to_register_emit(m, insn) : system_emit(m, insn);
	default:
		return false;
	}
}

/* ---- All. ---- */

/* Immediate and register forms of those that set all flags, or do not look at them. */
bool a64_sets_flags(const struct a64_insn *insn)
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

bool a64_ignores_flags(const struct a64_insn *insn)
{
	if (bits(insn->word, 28, 26) == 4)
		return true;
	if (bits(insn->word, 27, 25) != 5)
		return false;
	return !bit(insn->word, 28) || bit(insn->word, 24) || bits(insn->word, 23, 21) == 6;
}

bool a64_insn_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int group = bits(insn->word, 28, 25);

	if (insn->run == a64_undefined)
		return false;
	/* The host's flags do not outlive the next instruction, but for those that use them. */
	if (group != 10 && !(group == 13 && bits(insn->word, 24, 21) == 4) && !(group == 13 && bits(insn->word, 24, 21) == 2))
		m->flags = HOST_FLAGS_NONE;
	switch (group) {
	case 8: case 9: return immediate_emit(m, insn);
	case 10: case 11: return branch_emit(m, insn);
	case 4: case 6: case 12: case 14: return memory_emit(m, insn);
	case 5: case 13: return register_emit(m, insn);
	default: return false;
	}
}

#endif
