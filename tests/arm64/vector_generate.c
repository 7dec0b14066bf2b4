/*
 * Random cases for vector_diff: a class of encodings, random bits where the class has no fixed ones, and registers full of values that are likely to
 * matter. It knows encodings only as far as a memory operand has to be put where memory is.
 */
#include <string.h>

#include "standin.h"
#include "vector_generate.h"

/* C4.1.94 and C4.1.95. Weights are about how many instructions a class has. */
static const struct encoding_class {
	const char *name;
	uint32_t mask, value;
	unsigned int weight;
} classes[] = {
	{ "aes", 0xff3e0c00, 0x4e280800, 1 },
	{ "sha three", 0xff208c00, 0x5e000000, 1 },
	{ "sha two", 0xff3e0c00, 0x5e280800, 1 },
	{ "sha512 three", 0xffe0b000, 0xce608000, 1 },
	{ "sha512 two", 0xfffff000, 0xcec08000, 1 },
	{ "sha3", 0xff808000, 0xce000000, 1 },
	{ "xar", 0xffe00000, 0xce800000, 1 },
	{ "sm3 four", 0xffe08000, 0xce400000, 1 },
	{ "sm3 element", 0xffe0c000, 0xce408000, 1 },
	{ "sm three", 0xffe0f000, 0xce60c000, 1 },
	{ "sm4", 0xfffffc00, 0xcec08400, 1 },
	{ "scalar copy", 0xdfe08400, 0x5e000400, 1 },
	{ "scalar three same half", 0xdf60c400, 0x5e400400, 3 },
	{ "scalar misc half", 0xdf7e0c00, 0x5e780800, 4 },
	{ "scalar three same extra", 0xdf208400, 0x5e008400, 1 },
	{ "scalar misc", 0xdf3e0c00, 0x5e200800, 6 },
	{ "scalar pairwise", 0xdf3e0c00, 0x5e300800, 3 },
	{ "scalar three different", 0xdf200c00, 0x5e200000, 2 },
	{ "scalar three same", 0xdf200400, 0x5e200400, 6 },
	{ "scalar shift", 0xdf800400, 0x5f000400, 5 },
	{ "scalar by element", 0xdf000400, 0x5f000000, 5 },
	{ "table", 0xbfe08c00, 0x0e000000, 1 },
	{ "permute", 0xbf208c00, 0x0e000800, 1 },
	{ "extract", 0xbfe08400, 0x2e000000, 1 },
	{ "copy", 0x9fe08400, 0x0e000400, 2 },
	{ "three same half", 0x9f60c400, 0x0e400400, 6 },
	{ "misc half", 0x9f7e0c00, 0x0e780800, 6 },
	{ "three same extra", 0x9f208400, 0x0e008400, 5 },
	{ "misc", 0x9f3e0c00, 0x0e200800, 10 },
	{ "across", 0x9f3e0c00, 0x0e300800, 3 },
	{ "three different", 0x9f200c00, 0x0e200000, 6 },
	{ "three same", 0x9f200400, 0x0e200400, 12 },
	{ "float three same", 0x9f20c400, 0x0e20c400, 8 },
	{ "modified immediate", 0x9ff80400, 0x0f000400, 1 },
	{ "shift", 0x9f800400, 0x0f000400, 8 },
	{ "by element", 0x9f000400, 0x0f000000, 8 },
	{ "float fixed", 0x7f200000, 0x1e000000, 3 },
	{ "float integer", 0x7f20fc00, 0x1e200000, 5 },
	{ "float one source", 0xff207c00, 0x1e204000, 6 },
	{ "float to half", 0xffbffc00, 0x1e23c000, 1 },
	{ "float to bfloat", 0xfffffc00, 0x1e634000, 1 },
	{ "narrow to bfloat", 0xbffffc00, 0x0ea16800, 1 },
	{ "bfloat products", 0xbf60fc00, 0x2e40fc00, 1 },
	{ "bfloat matrix", 0xffe0fc00, 0x6e40ec00, 1 },
	{ "bfloat by element", 0xbf40f400, 0x0f40f000, 1 },
	{ "float compare", 0xff203c00, 0x1e202000, 2 },
	{ "float immediate", 0xff201fe0, 0x1e201000, 1 },
	{ "float conditional compare", 0xff200c00, 0x1e200400, 2 },
	{ "float two sources", 0xff200c00, 0x1e200800, 6 },
	{ "float select", 0xff200c00, 0x1e200c00, 2 },
	{ "float three sources", 0xff000000, 0x1f000000, 6 },
	{ "anything", 0x1e000000, 0x0e000000, 1 },
	{ "load literal", 0x3f000000, 0x1c000000, 1 },
	{ "load pair", 0x3e000000, 0x2c000000, 3 },
	{ "load immediate", 0x3f200000, 0x3c000000, 3 },
	{ "load register", 0x3f200c00, 0x3c200800, 3 },
	{ "load unsigned", 0x3f000000, 0x3d000000, 3 },
	{ "load multiple", 0xbfbf0000, 0x0c000000, 2 },
	{ "load multiple post", 0xbfa00000, 0x0c800000, 2 },
	{ "load single", 0xbf9f0000, 0x0d000000, 3 },
	{ "load single post", 0xbf800000, 0x0d800000, 3 },
};

static uint64_t next(struct generator *g)
{
	/* splitmix64 */
	uint64_t z = g->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static unsigned int below(struct generator *g, unsigned int n)
{
	return (unsigned int)(next(g) >> 32) % n;
}

static const struct encoding_class *class_choose(struct generator *g)
{
	unsigned int total = 0, n;
	const struct encoding_class *class = classes;

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (g->only && !strcmp(g->only, classes[i].name))
			return &classes[i];
		total += classes[i].weight;
	}
	for (n = below(g, total); n >= class->weight; class++)
		n -= class->weight;
	return class;
}

/* Unallocated, but QEMU 7.2 executes them: pairs and reductions of halves with bit 22 set, FMOV of halves with op set. */
static const struct encoding {
	uint32_t mask, value;
} left_out[] = {
	{ 0xff7fcc00, 0x5e70c800 },
	{ 0xbf7fcc00, 0x0e70c800 },
	{ 0xbff8fc00, 0x2f00fc00 },
};

bool is_left_out(uint32_t word)
{
	for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
		if ((word & left_out[i].mask) == left_out[i].value)
			return true;
	return false;
}

/* QEMU 7.2 ends with an assertion that fails when an unallocated one of these is executed. */
static bool aborts_emulator(uint32_t word)
{
	return (word & 0x8f7e0c00) == 0x0e780800;
}

/* ---- Values. ---- */

/* What the values of one case are made of. */
struct flavour {
	unsigned int size;     /* of elements, in bits; 0: different */
	unsigned int exponent; /* biased: many numbers are near it */
	unsigned int near;
};

static uint64_t float_value(struct generator *g, const struct flavour *flavour, unsigned int size)
{
	unsigned int width = size == 16 ? 10 : size == 32 ? 23 : 52, exponents = size == 16 ? 31 : size == 32 ? 255 : 2047;
	uint64_t fraction = next(g) & ((UINT64_C(1) << width) - 1), exponent;

	switch (below(g, 8)) {
	case 0: case 4: fraction = 0; break;
	case 1: fraction = (UINT64_C(1) << width) - 1; break;
	case 2: fraction &= UINT64_C(7) << (width - 3); break;
	case 3: fraction &= 15; break;
	default: break;
	}
	switch (below(g, 16)) {
	case 0: exponent = 0; break;
	case 1: exponent = exponents; break;
	case 2: exponent = 1; break;
	case 3: exponent = exponents - 1; break;
	case 4: case 5: exponent = (exponents >> 1) + below(g, 5); break;
	case 6: case 7: exponent = (exponents >> 1) + below(g, 70) - 2; break;
	case 8: exponent = next(g); break;
	default: exponent = flavour->exponent % exponents + below(g, flavour->near); break;
	}
	if (exponent > exponents)
		exponent &= exponents;
	return (next(g) & 1) << (size - 1) | exponent << width | fraction;
}

static uint64_t value(struct generator *g, const struct flavour *flavour, unsigned int size)
{
	static const uint64_t special[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
					    UINT64_MAX >> 1, UINT64_C(1) << 63, UINT64_MAX };

	switch (below(g, 8)) {
	case 0: return special[below(g, sizeof(special) / sizeof(special[0]))];
	case 1: return next(g) >> below(g, 64);
	case 2: return (uint64_t)-(int64_t)(next(g) >> below(g, 64));
	case 3: return next(g);
	default: return float_value(g, flavour, size == 8 ? 16 : size);
	}
}

static void vector_fill(struct generator *g, const struct flavour *flavour, uint8_t *to, size_t bytes)
{
	unsigned int size = flavour->size ? flavour->size : 8u << below(g, 4);

	for (size_t at = 0; at < bytes; at += size / 8) {
		uint64_t v = value(g, flavour, size);

		memcpy(to + at, &v, size / 8);
	}
}

static void registers_fill(struct generator *g, struct machine *in, uint64_t pc)
{
	struct flavour flavour = {
		.size = below(g, 4) ? 8u << below(g, 4) : 0,
		.exponent = (unsigned int)next(g),
		.near = below(g, 2) ? 3 : 60,
	};

	for (unsigned int i = 0; i < 32; i++)
		vector_fill(g, &flavour, in->z[i], VECTOR_BYTES);
	for (unsigned int i = 0; i < 31; i++)
		in->x[i] = value(g, &flavour, 64);
	in->x[30] = pc;
	in->sp = next(g);
	in->nzcv = next(g) & PSTATE_NZCV;
	in->fpcr = (uint64_t)below(g, 4) << 22;
	in->fpcr |= (below(g, 4) == 0 ? UINT64_C(1) << 24 : 0) | (below(g, 4) == 0 ? UINT64_C(1) << 25 : 0);
	in->fpcr |= (below(g, 4) == 0 ? UINT64_C(1) << 19 : 0) | (below(g, 4) == 0 ? UINT64_C(1) << 26 : 0);
	if (below(g, 4) == 0)
		in->fpcr = 0;
	in->fpsr = next(g) & 0x0800009f;
	if (below(g, 2))
		in->fpsr &= 0x10;
	for (unsigned int i = 0; i < DATA_SIZE; i += 8) {
		uint64_t v = next(g);

		memcpy(in->data + i, &v, 8);
	}
}

/* ---- Memory operands. ---- */

/* Lets the instruction's address be in the middle of the data. */
static void memory_place(struct generator *g, struct vector_case *c, uint64_t pc)
{
	uint32_t word;
	uint64_t target = DATA_BASE + 64 + below(g, 64), *base;
	unsigned int scale;

	if (bits(c->word, 9, 5) == 30) /* it points to the instruction */
		c->word ^= 1 << 5;
	word = c->word;
	base = bits(word, 9, 5) == 31 ? &c->in.sp : &c->in.x[bits(word, 9, 5)];
	scale = bit(word, 23) << 2 | bits(word, 31, 30);

	if ((word & 0x3f000000) == 0x1c000000) { /* literal: no base */
		c->word = (word & 0xff00001f) | ((uint32_t)((target - pc) >> 2) & 0x7ffff) << 5;
		return;
	}
	if (below(g, 2))
		target &= ~UINT64_C(15);
	if (below(g, 16) == 0) /* perhaps across the end of the memory */
		target = DATA_BASE + 0x1000 - below(g, 64);
	*base = target;
	switch (bits(word, 29, 27)) {
	case 5: /* pair */
		if (bits(word, 24, 23) != 1)
			*base -= (uint64_t)(bits_signed(word, 21, 15) * (4 << bits(word, 31, 30)));
		break;
	case 7:
		if (bit(word, 24))
			*base -= (uint64_t)bits(word, 21, 10) << scale;
		else if (!bit(word, 21) && bits(word, 11, 10) != 1)
			*base -= (uint64_t)bits_signed(word, 20, 12);
		else if (bit(word, 21) && bits(word, 20, 16) != 31 && &c->in.x[bits(word, 20, 16)] != base) {
			uint64_t offset = c->in.x[bits(word, 20, 16)];

			if (!bit(word, 13))
				offset = bit(word, 15) ? (uint64_t)(int32_t)offset : (uint32_t)offset;
			*base -= offset << (bit(word, 12) ? scale : 0);
		}
		break;
	default:
		break;
	}
}

const char *case_generate(struct generator *g, const struct arm64_vcpu *cpu, struct vector_case *c, uint64_t pc)
{
	const struct encoding_class *class = class_choose(g);
	struct a64_insn block[2];

	memset(c, 0, sizeof(*c));
	/* Of the unallocated encodings a few. */
	for (unsigned int i = 0; i < 16; i++) {
		c->word = ((uint32_t)next(g) & ~class->mask) | class->value;
		if (below(g, 8) == 0)
			c->word = (c->word & ~UINT32_C(0x3e0)) | bits(c->word, 4, 0) << 5; /* Rn is Rd */
		if (!is_left_out(c->word) && ((!aborts_emulator(c->word) && below(g, 16) == 0) || standin_decode(cpu, c->word, pc, block)))
			break;
		c->word = class->value;
	}
	registers_fill(g, &c->in, pc);
	if (bits(c->word, 27, 25) != 7)
		memory_place(g, c, pc);
	return class->name;
}
