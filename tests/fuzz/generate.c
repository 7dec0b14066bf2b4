/*
 * Makes cases. Most are one instruction from the opcode table; the rest are sequences, loops, instructions cut off by the end of the code page,
 * instructions that must not decode, and random bytes.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "generator.h"

enum { TRIES = 400, SEQUENCE_MAX = 8 };

static bool row_fits(const struct generator *g, const struct opcode_row *row)
{
	if (!(row->group & g->options.groups))
		return false;
	if ((row->flags & ROW_32) && !(g->options.modes & MODE_32))
		return false;
	return !(row->flags & ROW_64) || (g->options.modes & MODE_64);
}

/* Whether any encoding of the row is the instruction asked for, by trying. */
static bool row_has(struct generator *g, const struct opcode_row *row)
{
	uint8_t bytes[CANDIDATE_SIZE];
	struct insn insn;

	for (int i = 0; i < 3000; i++) {
		g->c->in.cs = i & 1 ? SEL_USER_CS32 : SEL_USER_CS64;
		encode_row(g, row, bytes);
		if (insn_decode(&insn, case_bits(g->c), bytes, sizeof(bytes)) && !strcasecmp(insn_name(&insn), g->options.only))
			return true;
	}
	return false;
}

static void rows_select(struct generator *g)
{
	struct test_case scratch;

	memset(&scratch, 0, sizeof(scratch));
	g->c = &scratch;
	for (size_t i = 0; i < opcode_row_count; i++) {
		const struct opcode_row *row = &opcode_rows[i];

		if (!row_fits(g, row) || (g->options.only && !row_has(g, row)))
			continue;
		g->rows[g->row_count++] = row;
		g->row_weight += row->weight;
	}
	g->c = NULL;
}

struct generator *generator_new(const struct generate_options *options)
{
	struct generator *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->options = *options;
	g->rows = calloc(opcode_row_count, sizeof(*g->rows));
	if (!g->rows) {
		free(g);
		return NULL;
	}
	rng_seed(&g->rng, options->seed, UINT64_MAX);
	for (int i = 0; i < TEMPLATES; i++)
		fill_bytes(&g->rng, (enum fill)(i % FILL_COUNT), g->templates[i], DATA_SIZE);
	rows_select(g);
	return g;
}

void generator_free(struct generator *g)
{
	free(g->rows);
	free(g);
}

static const struct opcode_row *row_pick(struct generator *g)
{
	uint32_t at = rng_below(&g->rng, g->row_weight);
	uint32_t i = 0;

	while (at >= g->rows[i]->weight)
		at -= g->rows[i++]->weight;
	return g->rows[i];
}

static void state_pick(struct generator *g)
{
	struct cpu_state *in = &g->c->in;
	struct rng *r = &g->rng;
	bool long_mode = case_bits(g->c) == 64;

	for (int i = 0; i < 16; i++) {
		in->gpr[i] = rng_percent(r, 30) ? pointer_pick(g, 8) : value_integer(r);
		if (!long_mode)
			in->gpr[i] &= UINT32_MAX;
	}
	if (rng_percent(r, 92))
		in->gpr[RSP] = DATA_BASE + 0x100 + (rng_below(r, DATA_SIZE - 0x200) & ~7u) + (rng_percent(r, 5) ? rng_below(r, 8) : 0);
	if (rng_percent(r, 40))
		in->gpr[RCX] = (in->gpr[RCX] & ~0xffull) | rng_below(r, 70);
	in->rflags = 2 | FLAG_IF | (rng_next(r) & FLAGS_STATUS);
	if (rng_percent(r, 20))
		in->rflags |= FLAG_DF;
	if (rng_percent(r, 2))
		in->rflags |= FLAG_AC;
	if (rng_percent(r, 2))
		in->rflags |= FLAG_TF;
	in->ss = in->ds = in->es = SEL_USER_DS;
	in->rip = CODE_BASE + 0x100 + rng_below(r, CODE_SIZE - 0x200);
	fill_fx(r, in->fx);
}

static void case_clear(struct generator *g, struct test_case *c)
{
	uint32_t mode32 = g->options.modes == MODE_32 || (g->options.modes & MODE_32 && rng_percent(&g->rng, 25));

	g->c = c;
	g->pinned = 1u << RSP;
	g->written = g->guarded = 0;
	memset(&c->in, 0, sizeof(c->in));
	c->in.cs = mode32 ? SEL_USER_CS32 : SEL_USER_CS64;
	c->code_len = 0;
	memcpy(c->data, g->templates[rng_below(&g->rng, TEMPLATES)], DATA_SIZE);
	state_pick(g);
}

static bool insn_wanted(struct generator *g, const struct insn *insn)
{
	if (!insn_allowed(insn) || !(insn_group(insn) & g->options.groups))
		return false;
	if (insn_gpr_written(insn) & g->guarded)
		return false;
	return !g->options.only || !strcasecmp(insn_name(insn), g->options.only);
}

/* Room for the undo of a candidate that does not fit. */
struct undo {
	uint64_t gpr[16];
	uint32_t pinned, code_len;
};

static void undo_save(const struct generator *g, struct undo *u)
{
	memcpy(u->gpr, g->c->in.gpr, sizeof(u->gpr));
	u->pinned = g->pinned;
	u->code_len = g->c->code_len;
}

static void undo_restore(struct generator *g, const struct undo *u)
{
	memcpy(g->c->in.gpr, u->gpr, sizeof(u->gpr));
	g->pinned = u->pinned;
	g->c->code_len = u->code_len;
}

/* Backwards into the case: only make_loop() does that, with a counter. */
static bool insn_loops(const struct insn *insn)
{
	const ZydisDecodedOperand *op = &insn->ops[0];
	uint64_t end = insn->offset + insn->d.length;

	return op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && op->imm.is_relative && end + op->imm.value.u < end;
}

/* Takes a candidate whose bytes decode; false when the case as a whole would not be comparable. */
static bool candidate_take(struct generator *g, struct insn *insn, uint8_t *bytes)
{
	struct undo undo;

	undo_save(g, &undo);
	insn->offset = g->c->code_len;
	prepare_insn(g, insn, bytes);
	if (!insn_decode(insn, case_bits(g->c), bytes, CANDIDATE_SIZE) || g->c->code_len + insn->d.length > CODE_MAX)
		return undo_restore(g, &undo), false;
	memcpy(g->c->code + g->c->code_len, bytes, insn->d.length);
	g->c->code_len += insn->d.length;
	if (!insn_wanted(g, insn) || insn_loops(insn) || !case_analyse(g->c, &g->analysis))
		return undo_restore(g, &undo), false;
	g->written |= insn_gpr_written(insn);
	return true;
}

static bool insn_append(struct generator *g, bool random)
{
	uint8_t bytes[CANDIDATE_SIZE];
	struct insn insn;

	if (!g->row_weight && !random)
		return false;
	for (int i = 0; i < TRIES; i++) {
		if (random)
			encode_random(g, bytes);
		else
			encode_row(g, row_pick(g), bytes);
		if (insn_decode(&insn, case_bits(g->c), bytes, sizeof(bytes)) && insn_wanted(g, &insn) &&
		    candidate_take(g, &insn, bytes))
			return true;
	}
	return false;
}

static void bytes_append(struct generator *g, const uint8_t *bytes, uint32_t n)
{
	memcpy(g->c->code + g->c->code_len, bytes, n);
	g->c->code_len += n;
}

static bool make_single(struct generator *g)
{
	return insn_append(g, false);
}

static bool make_random(struct generator *g)
{
	return insn_append(g, true);
}

/* Jcc over the instruction that follows; both ways through it must be comparable. */
static bool skip_append(struct generator *g)
{
	uint8_t jump[2] = { (uint8_t)(0x70 | rng_below(&g->rng, 16)), 0 };
	uint32_t at = g->c->code_len, pinned = g->pinned;

	bytes_append(g, jump, sizeof(jump));
	if (case_analyse(g->c, &g->analysis) && insn_append(g, false)) {
		g->c->code[at + 1] = (uint8_t)(g->c->code_len - at - 2);
		if (case_analyse(g->c, &g->analysis))
			return true;
	}
	g->c->code_len = at;
	g->pinned = pinned;
	return false;
}

static bool make_sequence(struct generator *g)
{
	uint32_t n = 2 + rng_below(&g->rng, SEQUENCE_MAX - 1);

	for (uint32_t i = 0; i < n && g->c->code_len < CODE_MAX - 20; i++) {
		if (!g->options.only && rng_percent(&g->rng, 10))
			skip_append(g);
		else
			insn_append(g, rng_percent(&g->rng, 15));
	}
	return g->c->code_len > 0;
}

/* Up to four instructions, then LOOP, LOOPcc, or DEC and JNZ. */
static bool make_loop(struct generator *g)
{
	uint8_t decrement[] = { 0xff, 0xc9 }, back[2];
	uint32_t n = 1 + rng_below(&g->rng, 4);

	if (!gpr_set(g, RCX, 1 + rng_below(&g->rng, 12)))
		return false;
	g->guarded = 1u << RCX;
	while (n--)
		insn_append(g, false);
	if (!g->c->code_len || g->c->code_len > 100)
		return false;
	back[0] = (uint8_t)(0xe0 + rng_below(&g->rng, 3));
	if (rng_percent(&g->rng, 60)) {
		bytes_append(g, decrement, sizeof(decrement));
		back[0] = 0x75;
	}
	back[1] = (uint8_t)-(g->c->code_len + 2);
	bytes_append(g, back, sizeof(back));
	return case_analyse(g->c, &g->analysis);
}

/* At the end of the code page: the last bytes, or the next instruction, are not there. */
static bool make_page_end(struct generator *g)
{
	uint32_t keep;

	/* RIP-relative operands keep their target: the address is part of the case from the start. */
	g->c->in.rip = CODE_BASE + CODE_SIZE - 1 - rng_below(&g->rng, 8);
	if (!insn_append(g, false))
		return false;
	keep = (uint32_t)(CODE_BASE + CODE_SIZE - g->c->in.rip);
	if (g->c->code_len > keep)
		g->c->code_len = keep;
	return true;
}

/* LOCK where it is not allowed, registers that do not exist, too many bytes, opcodes of other modes. */
static bool make_invalid(struct generator *g)
{
	static const uint8_t not64[] = { 0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x82, 0x9a,
					 0xce, 0xd4, 0xd5, 0xea };
	static const uint8_t segments[] = { 0x2e, 0x3e, 0x26, 0x36 };
	uint8_t bytes[CANDIDATE_SIZE * 2];
	uint32_t n = 0, length = 15;
	struct insn insn;

	if (g->options.only || !g->row_weight)
		return false;
	if (case_bits(g->c) == 64 && (g->options.groups & GROUP_INTEGER) && rng_percent(&g->rng, 20)) {
		bytes_append(g, &not64[rng_below(&g->rng, sizeof(not64))], 1);
		return true;
	}
	if (rng_percent(&g->rng, 50))
		bytes[n++] = 0xf0;
	else
		for (uint32_t i = 10 + rng_below(&g->rng, 6); n < i; n++)
			bytes[n] = segments[rng_below(&g->rng, sizeof(segments))];
	encode_row(g, row_pick(g), bytes + n);
	/* Some processors read SLDT's group's operand before they refuse the LOCK. */
	if (n == 1 && memmem(bytes + n, 6, "\x0f\x00", 2))
		return false;
	/* LOCK MOV CR0 is AMD's MOV CR8. */
	if (n == 1 && memmem(bytes + n, 4, "\x0f\x22", 2))
		return false;
	/* AMD's UD1 has no ModRM, so that it may be short enough where Intel's is too long. */
	if (memmem(bytes + n, 4, "\x0f\xb9", 2))
		return false;
	if (insn_decode(&insn, case_bits(g->c), bytes + n, CANDIDATE_SIZE)) {
		if (!insn_wanted(g, &insn))
			return false;
		length = insn.d.length;
	}
	if (insn_decode(&insn, case_bits(g->c), bytes, n + CANDIDATE_SIZE) || insn.status == ZYDIS_STATUS_DECODING_ERROR ||
	    insn.status == ZYDIS_STATUS_INVALID_MAP)
		return false;
	bytes_append(g, bytes, n + length);
	return true;
}

typedef bool make_fn(struct generator *g);

static make_fn *shape_pick(struct generator *g)
{
	static const struct { uint32_t percent; make_fn *make; } shapes[] = {
		{ 52, make_single }, { 22, make_sequence }, { 6, make_loop }, { 15, make_random }, { 3, make_page_end }, { 2, make_invalid },
	};
	uint32_t at = rng_below(&g->rng, 100), i = 0;

	while (at >= shapes[i].percent)
		at -= shapes[i++].percent;
	return shapes[i].make;
}

void generate_case(struct generator *g, uint64_t number, struct test_case *c)
{
	rng_seed(&g->rng, g->options.seed, number);
	for (int i = 0; i < TRIES; i++) {
		case_clear(g, c);
		if (shape_pick(g)(g) && c->code_len)
			return;
	}
	c->code_len = 0;
}
