/*
 * Random instructions of each class of A64's base, with the operands that make them do something: patterns with free bits, memory accesses whose
 * addresses fall into the window, branches that go to landing pads. Encodings whose behaviour the architecture leaves open are avoided.
 */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "generate.h"

uint64_t random_next(struct random *random)
{
	uint64_t value = random->state += UINT64_C(0x9e3779b97f4a7c15);

	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

unsigned int random_below(struct random *random, unsigned int limit)
{
	return (unsigned int)((random_next(random) >> 32) * limit >> 32);
}

struct pattern {
	uint32_t value, mask;
};

static const struct pattern immediate[] = {
	{ 0x10000000, 0x1f000000 }, /* ADR, ADRP */
	{ 0x11000000, 0x1f800000 }, { 0x31000000, 0x3f800000 }, /* ADD, SUB; with flags */
	{ 0x12000000, 0x1f800000 }, { 0x72000000, 0x7f800000 }, /* logical */
	{ 0x12800000, 0x1f800000 }, { 0x13000000, 0x1f800000 }, { 0x13000000, 0x1f800000 }, { 0x13800000, 0x1f800000 },
	{ 0x93400000, 0xffc00000 }, { 0xd3400000, 0xffc00000 }, { 0xb3400000, 0xffc00000 }, { 0x13000000, 0x9fe08000 },
	{ 0x93c00000, 0xffe00000 },
};
static const struct pattern registers[] = {
	{ 0x0a000000, 0x1f000000 }, { 0x0b000000, 0x1f200000 }, { 0x0b200000, 0x1fe00000 }, { 0x0b200000, 0x1fe0e000 },
	{ 0x1a000000, 0x1fe0fc00 }, { 0xba000400, 0xffe07c10 }, { 0x3a00080d, 0xffffbc1f }, { 0x3a400000, 0x3fe00410 },
	{ 0x1a800000, 0x3fe00800 }, { 0x1ac00800, 0x7fe0f800 }, { 0x1ac02000, 0x7fe0f000 }, { 0x1ac04000, 0x7fe0e000 },
	{ 0x5ac00000, 0x7fffe000 }, { 0x1b000000, 0x7fe00000 }, { 0x9b000000, 0xff000000 }, { 0x1a000000, 0x1e000000 },
};
static const struct pattern system_patterns[] = {
	{ 0xd51b4200, 0xffffffe0 }, { 0xd53b4200, 0xffffffe0 }, /* MSR, MRS NZCV */
	{ 0xd500401f, 0xfffff0ff }, { 0xd500403f, 0xfffff0ff }, { 0xd500405f, 0xfffff0ff }, /* CFINV, XAFLAG, AXFLAG */
	{ 0xd503309f, 0xfffff0df }, { 0xd50330df, 0xfffff0ff }, /* DSB, DMB, ISB */
	{ 0xd503201f, 0xfffffe3f }, /* hints */
};

static uint64_t value(struct random *random)
{
	static const uint64_t edges[] = { 0, 1, UINT64_MAX, INT64_MAX, UINT64_C(1) << 63, 0x7fffffff, 0x80000000, 0xffffffff, UINT64_C(0x100000000),
					  UINT64_C(0xffffffff80000000), 0xff, 0x80, 0x8000 };

	switch (random_below(random, 6)) {
	case 0: return edges[random_below(random, sizeof edges / sizeof *edges)];
	case 1: return random_next(random) >> random_below(random, 64);
	case 2: return (uint64_t)((int64_t)random_next(random) >> random_below(random, 64));
	case 3: return (uint32_t)random_next(random);
	default: return random_next(random);
	}
}

static uint32_t of_pattern(struct random *random, const struct pattern *patterns, unsigned int count)
{
	const struct pattern *pattern = &patterns[random_below(random, count)];

	return pattern->value | ((uint32_t)random_next(random) & ~pattern->mask);
}
#define OF(random, patterns) of_pattern(random, patterns, sizeof(patterns) / sizeof *(patterns))

static unsigned int field(uint32_t word, unsigned int high, unsigned int low)
{
	return word >> low & ((1u << (high - low + 1)) - 1);
}

static uint32_t put(uint32_t word, unsigned int high, unsigned int low, uint32_t bits)
{
	uint32_t mask = ((1u << (high - low + 1)) - 1) << low;

	return (word & ~mask) | (bits << low & mask);
}

static int64_t sign(uint32_t bits, unsigned int width)
{
	return (int64_t)((uint64_t)bits << (64 - width)) >> (64 - width);
}

/* ---- Memory. ---- */

static void base_set(struct test_case *c, unsigned int n, uint64_t base)
{
	if (n == 31)
		c->state.sp = base & ~UINT64_C(15);
	else
		c->state.x[n] = base;
}

/* An address in the window, `size` bytes of which are in it; mostly aligned. */
static uint64_t target(struct random *random, unsigned int size, bool aligned)
{
	uint64_t at = WINDOW + 64 + random_below(random, WINDOW_SIZE - 160);

	return aligned || random_below(random, 4) ? at & ~(uint64_t)(size - 1) : at;
}

/* Registers that must differ from one another where the architecture leaves it open otherwise. */
static uint32_t apart(struct random *random, uint32_t word, unsigned int low, unsigned int other)
{
	while (field(word, low + 4, low) == other)
		word = put(word, low + 4, low, random_below(random, 32));
	return word;
}

static void single(struct random *random, struct test_case *c)
{
	static const struct pattern patterns[] = { { 0x39000000, 0x3f000000 }, { 0x38000000, 0x3f200c00 }, { 0x38000400, 0x3f200c00 },
						   { 0x38000800, 0x3f200c00 }, { 0x38000c00, 0x3f200c00 } };
	unsigned int kind = random_below(random, 5);
	uint32_t word = patterns[kind].value | ((uint32_t)random_next(random) & ~patterns[kind].mask);
	unsigned int n = field(word, 9, 5), size = 1u << field(word, 31, 30);
	int64_t offset = kind == 0 ? (int64_t)(field(word, 21, 10) * size) : sign(field(word, 20, 12), 9);
	bool writes_back = kind == 2 || kind == 4;

	if (writes_back && n != 31)
		word = apart(random, word, 0, n);
	base_set(c, n, target(random, size, n == 31) - (kind == 2 ? 0 : (uint64_t)offset));
	c->word[0] = word;
}

static void indexed(struct random *random, struct test_case *c)
{
	uint32_t word = 0x38204800 | ((uint32_t)random_next(random) & 0xc0dfb3ff);
	unsigned int n = field(word, 9, 5), m, size = 1u << field(word, 31, 30), shift = field(word, 12, 12) ? field(word, 31, 30) : 0;
	uint64_t index;

	word = apart(random, word, 16, n);
	m = field(word, 20, 16);
	if (random_below(random, 2) && m != 31)
		c->state.x[m] = (uint64_t)((int64_t)random_next(random) >> 50);
	index = m == 31 ? 0 : c->state.x[m];
	if (!field(word, 13, 13))
		index = field(word, 15, 15) ? (uint64_t)(int32_t)index : (uint32_t)index;
	index <<= shift;
	if (n == 31 && index & 15) {
		word = put(word, 9, 5, (m + 1) & 31 ? (m + 1) % 31 : 0);
		n = field(word, 9, 5);
		if (n == m)
			return;
	}
	base_set(c, n, target(random, size, n == 31) - index);
	c->word[0] = word;
}

static void pair(struct random *random, struct test_case *c)
{
	uint32_t word = 0x28000000 | ((uint32_t)random_next(random) & 0xc1ffffff);
	unsigned int n = field(word, 9, 5), kind = field(word, 24, 23), size = field(word, 31, 31) ? 8 : 4;
	uint64_t offset = (uint64_t)(sign(field(word, 21, 15), 7) * (int64_t)size);
	bool writes_back = kind == 1 || kind == 3;

	if (field(word, 31, 30) == 1 && (!field(word, 22, 22) || kind == 0)) /* STGP and what is near it */
		word |= 1u << 31;
	word = put(word, 30, 30, field(word, 31, 31) ? 0 : field(word, 30, 30));
	size = field(word, 31, 31) ? 8 : 4;
	offset = (uint64_t)(sign(field(word, 21, 15), 7) * (int64_t)size);
	if (writes_back && n != 31) {
		word = apart(random, word, 0, n);
		word = apart(random, word, 10, n);
	}
	if (field(word, 22, 22))
		while (field(word, 4, 0) == field(word, 14, 10) || (writes_back && n != 31 && field(word, 4, 0) == n))
			word = put(word, 4, 0, random_below(random, 32));
	base_set(c, n, target(random, size, n == 31) - (kind == 1 ? 0 : offset));
	c->word[0] = word;
}

static void literal(struct random *random, struct test_case *c)
{
	c->word[0] = 0x18000000 | ((uint32_t)random_next(random) & 0xc000001f) | (uint32_t)random_below(random, 2) << 5;
	c->count = 3; /* what is loaded may be the instructions themselves */
	c->word[1] = c->word[2] = 0xd503201f;
}

/* LDXR, and an STXR that succeeds or not. */
static void exclusive(struct random *random, struct test_case *c)
{
	uint32_t size = random_below(random, 4), pairs = size >= 2 ? random_below(random, 2) : 0, n = random_below(random, 31), s, t, t2, t3, t4;
	uint32_t load = size << 30 | 0x085f7c00 | pairs << 21 | n << 5, store = size << 30 | 0x08007c00 | pairs << 21 | n << 5;

	do {
		s = random_below(random, 31), t = random_below(random, 31), t2 = random_below(random, 31), t3 = random_below(random, 31), t4 = random_below(random, 31);
	} while (s == t3 || s == t4 || s == n || t == t2 || t == n || t2 == n);
	load = put(load | t, 15, 15, random_below(random, 2));
	store = put(store | t3 | s << 16, 15, 15, random_below(random, 2));
	if (pairs) {
		load = put(load, 14, 10, t2);
		store = put(store, 14, 10, t4);
	}
	base_set(c, n, target(random, (1u << size) << pairs, true));
	c->word[0] = load;
	c->word[1] = random_below(random, 8) ? 0xd503201f : 0xd5033f5f; /* NOP, CLREX */
	c->word[2] = store;
	c->count = 3;
}

static void ordered(struct random *random, struct test_case *c)
{
	static const struct pattern patterns[] = { { 0x08dffc00, 0x3ffffc00 }, { 0x089ffc00, 0x3ffffc00 }, { 0x08df7c00, 0x3ffffc00 }, { 0x089f7c00, 0x3ffffc00 },
						   { 0x38bfc000, 0x3ffffc00 }, { 0x19000000, 0x3f200c00 } };
	unsigned int kind = random_below(random, 6);
	uint32_t word = patterns[kind].value | ((uint32_t)random_next(random) & ~patterns[kind].mask);
	unsigned int n = field(word, 9, 5), size = 1u << field(word, 31, 30);
	int64_t offset = kind == 5 ? sign(field(word, 20, 12), 9) : 0;

	if (n == 31 && offset & 15)
		word = put(word, 20, 12, 0), offset = 0;
	base_set(c, n, (n == 31 ? target(random, 16, true) : target(random, size, true)) - (uint64_t)offset);
	c->word[0] = word;
}

static void swap(struct random *random, struct test_case *c)
{
	bool pairs = random_below(random, 2);
	uint32_t word = pairs ? 0x08207c00 | ((uint32_t)random_next(random) & 0x405f83ff) : 0x08a07c00 | ((uint32_t)random_next(random) & 0xc05f83ff);
	unsigned int n, size = pairs ? (field(word, 30, 30) ? 16 : 8) : 1u << field(word, 31, 30), s;
	uint64_t at = target(random, size, true);

	if (pairs)
		word &= ~UINT32_C(0x10001);
	while ((field(word, 9, 5) | pairs) == (field(word, 20, 16) | pairs) || (field(word, 9, 5) | pairs) == (field(word, 4, 0) | pairs))
		word = put(word, 9, 5, random_below(random, 32));
	n = field(word, 9, 5);
	if (n == 31)
		at &= ~UINT64_C(15);
	base_set(c, n, at);
	s = field(word, 20, 16);
	/* Half of them find what they compare. */
	if (random_below(random, 2) && s < 30) {
		memset(&c->state.x[s], 0, pairs ? 16 : 8);
		if (pairs && size == 8) {
			memcpy(&c->state.x[s], c->state.window + (at - WINDOW), 4);
			memcpy(&c->state.x[s + 1], c->state.window + (at - WINDOW) + 4, 4);
		} else {
			memcpy(&c->state.x[s], c->state.window + (at - WINDOW), size);
		}
	}
	c->word[0] = word;
}

static void atomic(struct random *random, struct test_case *c)
{
	uint32_t word = 0x38200000 | ((uint32_t)random_next(random) & 0xc0dff3ff);

	if (field(word, 15, 15))
		word = put(word, 15, 12, 8);
	word = apart(random, word, 16, field(word, 9, 5));
	if (field(word, 9, 5) != 31)
		word = apart(random, word, 0, field(word, 9, 5));
	base_set(c, field(word, 9, 5), target(random, field(word, 9, 5) == 31 ? 16 : 1u << field(word, 31, 30), true));
	c->word[0] = word;
}

/* ---- Branches. ---- */

static void branch(struct random *random, struct test_case *c)
{
	static const struct pattern patterns[] = { { 0x14000000, 0x7c000000 }, { 0x54000000, 0xff000010 }, { 0x34000000, 0x7e000000 }, { 0x36000000, 0x7e000000 },
						   { 0xd61f0000, 0xfffffc1f }, { 0xd63f0000, 0xfffffc1f }, { 0xd65f0000, 0xfffffc1f } };
	unsigned int kind = random_below(random, 7);
	uint32_t word = patterns[kind].value | ((uint32_t)random_next(random) & ~patterns[kind].mask);
	int distance = (int)random_below(random, 2 * PADS - 2) - (PADS - 1);

	if (distance == 0)
		distance = 1;
	switch (kind) {
	case 0: word = put(word, 25, 0, (uint32_t)distance); break;
	case 1: case 2: word = put(word, 23, 5, (uint32_t)distance); break;
	case 3: word = put(word, 18, 5, (uint32_t)distance); break;
	default:
		word = put(word, 9, 5, random_below(random, 31));
		c->state.x[field(word, 9, 5)] = CODE_BASE + CODE_AT + (uint64_t)(int64_t)(4 * distance);
		break;
	}
	if (kind == 2 && random_below(random, 3) == 0 && field(word, 4, 0) != 31)
		c->state.x[field(word, 4, 0)] = random_below(random, 2) ? 0 : UINT64_C(1) << 40;
	c->word[0] = word;
}

/* ---- Several. ---- */

/* Whether the words of MTE and of pointer authentication, which the interpreter has not, or has with another algorithm. */
static bool avoided(uint32_t word)
{
	if ((word & 0x1f800000) == 0x11800000) /* ADDG, SUBG */
		return true;
	if ((word & 0x1fe00000) == 0x1ac00000 && field(word, 15, 10) != 0 && (field(word, 15, 10) < 2 || field(word, 15, 10) == 12 || field(word, 15, 10) == 4 || field(word, 15, 10) == 5) && !field(word, 30, 30))
		return true; /* SUBP, IRG, GMI, PACGA */
	if ((word & 0x7fe00000) == 0x1ac00000 && field(word, 15, 10) == 0)
		return true;
	if ((word & 0x3fe00000) == 0x3ac00000) /* SUBPS */
		return true;
	return (word & 0x7fff0000) == 0x5ac10000 || (word & 0xfffff01f) == 0xd503201f; /* PACIA ...; hints are looked at below */
}

static void several(struct random *random, struct test_case *c, const struct pattern *patterns, unsigned int count)
{
	c->count = 1 + random_below(random, WORDS);
	for (unsigned int i = 0; i < c->count; i++)
		do
			c->word[i] = of_pattern(random, patterns, count);
		while (avoided(c->word[i]) && !((c->word[i] & 0xfffff01f) == 0xd503201f && field(c->word[i], 11, 5) != 2 && field(c->word[i], 11, 5) != 3 &&
						field(c->word[i], 11, 5) > 33));
}

/* Memory instructions of MTE, and loads and branches of pointer authentication, whose codes are another algorithm's. */
static bool tagged(uint32_t word)
{
	return (word & 0xff200000) == 0xd9200000 || (word & 0xfe400000) == 0x68000000 || (word & 0xfedff800) == 0xd61f0800 || (word & 0xfffff800) == 0xd65f0800 ||
	       (word & 0xff200400) == 0xf8200400;
}

/* A pair that is loaded into one register. */
static bool same_pair(uint32_t word)
{
	return (word & 0x3e400000) == 0x28400000 && field(word, 4, 0) == field(word, 14, 10);
}

/* Any encoding of data processing and memory, most of them not allocated, or with addresses that lead nowhere. */
static void anything(struct random *random, struct test_case *c)
{
	static const struct pattern patterns[] = { { 0x10000000, 0x1c000000 }, { 0x0a000000, 0x0e000000 }, { 0x1a000000, 0x1e000000 }, { 0x08000000, 0x0e000000 },
						   { 0x08000000, 0x3e000000 }, { 0x38000000, 0x3e000000 }, { 0x38200000, 0x3f200c00 }, { 0x54000000, 0xfe000000 },
						   { 0x19000000, 0x3f000000 }, { 0xd6000000, 0xfe000000 } };
	uint32_t word;

	do {
		word = OF(random, patterns);
		if (word >> 26 == 0x15)
			word = put(word, 23, 5, 1); /* B.cond */
	} while (avoided(word) || tagged(word) || same_pair(word));
	/* No address that happens to be the worker's own. */
	if ((word & 0x0a000000) == 0x08000000)
		for (unsigned int i = 0; i < 31; i++)
			c->state.x[i] = (c->state.x[i] & 0xffffffffffff) | UINT64_C(0x0123000000000000);
	c->word[0] = word;
}

const char *const generate_classes[] = { "immediate", "register", "system", "branch", "single", "indexed", "pair", "literal", "exclusive",
					 "ordered", "swap", "atomic", "anything", NULL };

void generate(struct random *random, unsigned int class, struct test_case *c)
{
	memset(c, 0, sizeof *c);
	for (unsigned int i = 0; i < 31; i++)
		c->state.x[i] = value(random);
	c->state.sp = WINDOW + 16 * (uint64_t)random_below(random, 16);
	c->state.nzcv = (uint64_t)random_below(random, 16) << 28;
	for (unsigned int i = 0; i < WINDOW_SIZE; i += 8) {
		uint64_t bytes = random_next(random);

		memcpy(c->state.window + i, &bytes, 8);
	}
	c->count = 1;
	c->word[0] = 0xd503201f;
	switch (class) {
	case 0: several(random, c, immediate, sizeof immediate / sizeof *immediate); break;
	case 1: several(random, c, registers, sizeof registers / sizeof *registers); break;
	case 2: several(random, c, system_patterns, sizeof system_patterns / sizeof *system_patterns); break;
	case 3: branch(random, c); break;
	case 4: single(random, c); break;
	case 5: indexed(random, c); break;
	case 6: pair(random, c); break;
	case 7: literal(random, c); break;
	case 8: exclusive(random, c); break;
	case 9: ordered(random, c); break;
	case 10: swap(random, c); break;
	case 11: atomic(random, c); break;
	default: anything(random, c); break;
	}
}
