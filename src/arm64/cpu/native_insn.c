/*
 * Native code for one instruction. Operands are those that decoding has taken apart (insn.h); what the instruction is, is looked up in its word
 * again. Results go to the vCPU at once, so that there is never anything to be brought back.
 */
#include "arm64/cpu/decode.h"
#include "arm64/cpu/native_maker.h"

#if NATIVE

/* ---- Guest registers. ---- */

static bool pinned(const struct maker *m, uint8_t host)
{
	return m->pinned >> host & 1;
}

/* A host register for a copy, or for the instruction's own: not one that it needs already. */
uint8_t native_take(struct maker *m)
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
uint8_t native_source(struct maker *m, uint8_t x)
{
	uint8_t host = register_holding(m, x);

	if (host == REGISTER_NONE) {
		host = native_take(m);
		emit_load(&m->e, 8, host, x_field(x));
		m->held[host] = x;
	}
	m->pinned |= (uint16_t)(1 << host);
	return host;
}

/* The host register to compute a new x[x] in. */
uint8_t native_target(struct maker *m, uint8_t x)
{
	uint8_t host = x == X_SINK ? HOST_RAX : register_holding(m, x);

	if (host == REGISTER_NONE)
		host = native_take(m);
	m->pinned |= (uint16_t)(1 << host);
	return host;
}

/* What native_target() gave has been computed. Changes no flags. */
void native_target_done(struct maker *m, uint8_t x, uint8_t host)
{
	if (x == X_SINK)
		return;
	emit_store(&m->e, 8, host, x_field(x));
	m->held[host] = x;
}

/* The result is in some other register. */
void native_result(struct maker *m, uint8_t x, uint8_t from)
{
	uint8_t to = native_target(m, x);

	if (x == X_SINK)
		return;
	emit_move(&m->e, to, from);
	native_target_done(m, x, to);
}

/* to = from, extended as option says (C6.2, DecodeRegExtend). */
void native_extend(struct maker *m, uint8_t to, uint8_t from, unsigned int option)
{
	static const struct opcode opcodes[] = {
		{ 0x0fb6, 4, 0, true }, { 0x0fb7, 4, 0, false }, { OPCODE_LOAD, 4, 0, false }, { OPCODE_LOAD, 8, 0, false },
		{ 0x0fbe, 8, 0, true }, { 0x0fbf, 8, 0, false }, { 0x63, 8, 0, false }, { OPCODE_LOAD, 8, 0, false },
	};

	emit_opcode(&m->e, opcodes[option], to, REGISTER_NONE, from);
	emit_modrm_register(&m->e, to, from);
}

/* ---- Branches. ---- */

/* What it leads to is put there later: a64_native_link(). */
void native_go(struct maker *m, int condition, uint64_t where)
{
	way_out_add(m, condition < 0 ? emit_jump(&m->e) : emit_jump_if(&m->e, (unsigned int)condition), NULL, where);
}

static void link_register_emit(struct maker *m)
{
	uint8_t to = native_target(m, X_LR);

	emit_constant(&m->e, to, m->pc + 4);
	native_target_done(m, X_LR, to);
}

static void compare_and_branch_emit(struct maker *m, const struct a64_insn *insn)
{
	uint8_t host = native_source(m, insn->d);
	bool not_zero = bit(insn->word, 24);

	emit_rr(&m->e, OPCODE_TEST, (uint8_t)native_size(insn), host, host);
	native_go(m, not_zero ? IF_NOT_ZERO : IF_ZERO, insn->imm);
}

static void test_and_branch_emit(struct maker *m, const struct a64_insn *insn)
{
	emit_rr(&m->e, 0x0fba, 8, 4, native_source(m, insn->d)); /* BT */
	emit_8(&m->e, insn->shift);
	native_go(m, bit(insn->word, 24) ? IF_BELOW : IF_NOT_BELOW, insn->imm);
}

/* BR, BLR, RET. */
static bool branch_to_register_emit(struct maker *m, const struct a64_insn *insn)
{
	if (bits(insn->word, 24, 21) > 2 || bits(insn->word, 15, 10))
		return false;
	emit_move(&m->e, HOST_RAX, native_source(m, insn->n));
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
		native_go(m, -1, insn->imm);
		m->ended = true;
		return true;
	case 1: case 5:
		if (bit(insn->word, 25))
			test_and_branch_emit(m, insn);
		else
			compare_and_branch_emit(m, insn);
		return true;
	case 2:
		native_go(m, condition >= 14 ? -1 : (int)native_condition(m, condition), insn->imm);
		return true;
	case 6:
		return bit(insn->word, 25) ? branch_to_register_emit(m, insn) : system_emit(m, insn);
	default:
		return false;
	}
}

/* ---- All. ---- */

bool native_insn(struct maker *m, const struct a64_insn *insn)
{
	unsigned int group = bits(insn->word, 28, 25);

	if (insn->run == a64_undefined)
		return false;
	/* The host's flags do not outlive the next instruction, but for those that use them. */
	if (group != 10 && !(group == 13 && bits(insn->word, 24, 21) == 4) && !(group == 13 && bits(insn->word, 24, 21) == 2))
		m->flags = HOST_FLAGS_NONE;
	switch (group) {
	case 8: case 9: return native_immediate(m, insn);
	case 10: case 11: return branch_emit(m, insn);
	case 4: case 6: case 12: case 14: return native_memory(m, insn);
	case 5: case 13: return native_register(m, insn);
	default: return false;
	}
}

#endif
