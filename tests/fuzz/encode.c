/*
 * Bytes of one random instruction: prefixes, opcode, ModRM, SIB; what follows is random and means what the decoder says it means.
 * It must never know what an instruction does.
 */
#include <string.h>

#include "generator.h"

struct encoder {
	uint8_t *out;
	uint32_t n;
};

static void put(struct encoder *e, uint8_t byte)
{
	e->out[e->n++] = byte;
}

/* A random member of a set of small numbers. */
static uint32_t set_pick(struct rng *r, uint32_t set)
{
	uint32_t i = rng_below(r, (uint32_t)__builtin_popcount(set));

	for (; i; i--)
		set &= set - 1;
	return (uint32_t)__builtin_ctz(set);
}

static void put_segment_prefix(struct generator *g, struct encoder *e)
{
	static const uint8_t prefixes[] = { 0x64, 0x65, 0x64, 0x65, 0x26, 0x2e, 0x36, 0x3e };

	put(e, prefixes[rng_below(&g->rng, sizeof(prefixes))]);
}

static void put_prefixes(struct generator *g, struct encoder *e, const struct opcode_row *row, bool memory)
{
	struct rng *r = &g->rng;
	bool integer = row->group & (GROUP_INTEGER | GROUP_X87);

	if (rng_percent(r, memory ? 6 : 1))
		put_segment_prefix(g, e);
	if (rng_percent(r, memory ? 5 : 1))
		put(e, 0x67);
	if (rng_percent(r, integer ? 22 : 1))
		put(e, 0x66);
	if ((row->flags & ROW_REP) && rng_percent(r, 65))
		put(e, rng_percent(r, 60) ? 0xf3 : 0xf2);
	else if (rng_percent(r, 1))
		put(e, rng_percent(r, 50) ? 0xf3 : 0xf2);
	if ((row->flags & ROW_LOCK) && memory && rng_percent(r, 20))
		put(e, 0xf0);
}

static void put_mandatory(struct generator *g, struct encoder *e, uint8_t pp)
{
	if (rng_percent(&g->rng, 1))
		pp = PP_NP | PP_66 | PP_F3 | PP_F2;
	switch (1u << set_pick(&g->rng, pp)) {
	case PP_66:
		put(e, 0x66);
		break;
	case PP_F3:
		put(e, 0xf3);
		break;
	case PP_F2:
		put(e, 0xf2);
		break;
	case PP_66F2:
		put(e, 0x66);
		put(e, 0xf2);
		break;
	}
}

static void put_opcode(struct encoder *e, enum opcode_map map, uint8_t opcode)
{
	if (map != MAP_1)
		put(e, 0x0f);
	if (map == MAP_0F38)
		put(e, 0x38);
	if (map == MAP_0F3A)
		put(e, 0x3a);
	put(e, opcode);
}

static uint8_t opcode_pick(struct rng *r, const struct opcode_row *row)
{
	uint32_t opcode;

	do
		opcode = row->first + rng_below(r, row->last - row->first + 1u);
	while (!(row->low >> (opcode & 7) & 1));
	return (uint8_t)opcode;
}

/* A base register whose value at this point can still be chosen, or is known. */
static uint32_t base_pick(struct generator *g, bool extended)
{
	uint32_t known = ~g->written & (extended ? 0xffff : 0xff);
	uint32_t reuse = known & g->pinned;

	if (rng_percent(&g->rng, 80))
		known &= ~(1u << RSP);
	if (!known)
		known = 1;
	return set_pick(&g->rng, reuse && rng_percent(&g->rng, 50) ? reuse : known);
}

/* ModRM and SIB of a memory operand. Returns the REX bits that go with them. */
static uint8_t memory_modrm(struct generator *g, bool rex, uint8_t slash, uint8_t modrm_sib[2])
{
	uint32_t kind = rng_below(&g->rng, 100);
	uint32_t base = base_pick(g, rex);
	uint8_t mod = kind < 30 ? 0 : kind < 60 ? 1 : 2;
	uint32_t index, scale;

	modrm_sib[1] = 0;
	if (kind >= 90 && kind < 95) {	/* RIP-relative in 64-bit mode, absolute otherwise */
		modrm_sib[0] = (uint8_t)(slash << 3 | 5);
		return 0;
	}
	if ((base & 7) == 5 && mod == 0)
		mod = 1;
	if ((base & 7) != 4 && rng_percent(&g->rng, 60)) {
		modrm_sib[0] = (uint8_t)(mod << 6 | slash << 3 | (base & 7));
		return (uint8_t)(base >> 3);
	}
	index = rng_percent(&g->rng, 85) ? rng_below(&g->rng, rex ? 16 : 8) : 4;
	scale = rng_below(&g->rng, 4);
	if (kind >= 95) {	/* no base */
		mod = 0;
		base = 5;
	}
	modrm_sib[0] = (uint8_t)(mod << 6 | slash << 3 | 4);
	modrm_sib[1] = (uint8_t)(scale << 6 | (index & 7) << 3 | (base & 7));
	return (uint8_t)((base >> 3) | (index >> 3) << 1);
}

/* The reg field: not a pointer, when other instructions may need it. */
static uint32_t reg_pick(struct generator *g, uint8_t slash, bool rex)
{
	uint32_t reg = set_pick(&g->rng, slash);

	if (slash != 0xff)
		return reg;
	for (int tries = 0; tries < 4; tries++) {
		reg = rng_below(&g->rng, rex ? 16 : 8);
		if (!(g->pinned >> reg & 1))
			break;
	}
	return reg;
}

void encode_row(struct generator *g, const struct opcode_row *row, uint8_t out[CANDIDATE_SIZE])
{
	struct rng *r = &g->rng;
	struct encoder e = { out, 0 };
	bool long_mode = case_bits(g->c) == 64;
	bool memory = row->form == FORM_MEM || (row->form == FORM_ANY && rng_percent(r, 50));
	bool rex = long_mode && rng_percent(r, 55);
	uint32_t reg = reg_pick(g, row->slash, rex);
	uint8_t modrm_sib[2] = { 0 }, rex_bits = 0;

	for (uint32_t i = 0; i < CANDIDATE_SIZE; i += 8) {
		uint64_t random = rng_next(r);

		memcpy(out + i, &random, 8);
	}
	if (memory) {
		rex_bits = memory_modrm(g, rex, (uint8_t)(reg & 7), modrm_sib);
	} else {
		uint32_t rm = reg_pick(g, 0xff, rex);

		modrm_sib[0] = (uint8_t)(0xc0 | (reg & 7) << 3 | (rm & 7));
		rex_bits = (uint8_t)(rm >> 3);
	}
	put_prefixes(g, &e, row, memory);
	put_mandatory(g, &e, row->pp);
	if (rex)
		put(&e, (uint8_t)(0x40 | rex_bits | (reg >> 3) << 2 | (rng_percent(r, 45) ? 8 : 0)));
	put_opcode(&e, row->map, opcode_pick(r, row));
	put(&e, modrm_sib[0]);
	if (memory && (modrm_sib[0] & 7) == 4)
		put(&e, modrm_sib[1]);
}

/* Anything at all, with the common shapes made common. */
void encode_random(struct generator *g, uint8_t out[CANDIDATE_SIZE])
{
	static const uint8_t prefixes[] = { 0x66, 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65 };
	struct rng *r = &g->rng;
	struct encoder e = { out, 0 };

	for (uint32_t i = 0; i < CANDIDATE_SIZE; i += 8) {
		uint64_t random = rng_next(r);

		memcpy(out + i, &random, 8);
	}
	for (int i = 0; i < 4 && rng_percent(r, 25); i++)
		put(&e, prefixes[rng_below(r, sizeof(prefixes))]);
	if (case_bits(g->c) == 64 && rng_percent(r, 35))
		put(&e, (uint8_t)(0x40 | rng_below(r, 16)));
	put_opcode(&e, rng_percent(r, 40) ? MAP_1 : rng_percent(r, 70) ? MAP_0F : rng_percent(r, 60) ? MAP_0F38 : MAP_0F3A,
		   (uint8_t)rng_next(r));
}
