/*
 * Random cases: an instruction word, registers whose values make something happen, memory. Knows of instructions only what their operands must look
 * like to be of use: addresses and offsets of loads and stores, numbers of floating-point ones.
 */
#include "generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arm64/cpu/sve.h"

static const struct {
	const char *name;
	const struct sve_row *rows;
} tables[] = {
	{ "integer", sve_integer_rows },
	{ "shift", sve_shift_rows },
	{ "reduce", sve_reduce_rows },
	{ "move", sve_move_rows },
	{ "permute", sve_permute_rows },
	{ "compare", sve_compare_rows },
	{ "predicate", sve_predicate_rows },
	{ "count", sve_count_rows },
	{ "float", sve_float_rows },
	{ "convert", sve_convert_rows },
	{ "load", sve_load_rows },
	{ "store", sve_store_rows },
	{ "gather", sve_gather_rows },
	{ "bfloat", sve_bfloat_rows },
	{ "2integer", sve2_integer_rows },
	{ "2widen", sve2_widen_rows },
	{ "2multiply", sve2_multiply_rows },
	{ "2bits", sve2_bits_rows },
	{ "2float", sve2_float_rows },
};

enum { TABLES = sizeof(tables) / sizeof(*tables) };

static uint64_t seed_state;

/* splitmix64 */
static uint64_t random64(void)
{
	uint64_t z = seed_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Streams of seeds that are near each other must not overlap. */
void generate_seed(uint64_t seed)
{
	seed_state = seed;
	seed_state = random64() ^ seed << 32;
	seed_state = random64();
}

uint32_t generate_number(uint32_t below)
{
	return (uint32_t)((random64() >> 32) * below >> 32);
}

/* ---- Words. ---- */

static unsigned int rows_count(const struct sve_row *rows)
{
	unsigned int n = 0;

	while (rows[n].run)
		n++;
	return n;
}

static const struct sve_row *row_pick(const char *only)
{
	unsigned int total = 0, pick;

	for (unsigned int i = 0; i < TABLES; i++)
		if (!only || !strcmp(only, tables[i].name))
			total += rows_count(tables[i].rows);
	if (!total) {
		fprintf(stderr, "sve_diff: no such table: %s\n", only);
		exit(2);
	}
	pick = generate_number(total);
	for (unsigned int i = 0;; i++) {
		unsigned int n = rows_count(tables[i].rows);

		if (only && strcmp(only, tables[i].name))
			continue;
		if (pick < n)
			return &tables[i].rows[pick];
		pick -= n;
	}
}

/* Bits 28:25 are 0010. */
static uint32_t word_any(void)
{
	return ((uint32_t)random64() & ~UINT32_C(0x1e000000)) | UINT32_C(0x04000000);
}

/* ---- Registers. ---- */

static uint64_t interesting(void)
{
	switch (generate_number(6)) {
	case 0: return 0;
	case 1: return UINT64_MAX;
	case 2: return UINT64_C(0x8000000000000000) >> generate_number(64);
	case 3: return (UINT64_C(1) << generate_number(64)) - 1;
	case 4: return generate_number(300) - UINT64_C(20);
	default: return random64();
	}
}

static void fill_bytes(void *to, size_t size)
{
	uint8_t *byte = to;

	for (size_t i = 0; i < size; i++)
		byte[i] = (uint8_t)random64();
}

/* Elements of one width, of which many are at the edges of what they can be. */
static void fill_integers(uint8_t *z, unsigned int vl)
{
	unsigned int bytes = 1u << generate_number(4);

	for (unsigned int at = 0; at < vl; at += bytes) {
		uint64_t value = generate_number(2) ? random64() : interesting();

		memcpy(z + at, &value, bytes);
	}
}

/* A number of moderate size, or (special) anything. */
static uint64_t float_pick(unsigned int bytes, bool special)
{
	unsigned int fraction = bytes == 2 ? 10 : bytes == 4 ? 23 : 52, width = 8 * bytes - 1 - fraction;
	uint64_t bias = (UINT64_C(1) << (width - 1)) - 1, exponent = bias + generate_number(bytes == 2 ? 6 : 12) - (bytes == 2 ? 3 : 6);
	uint64_t digits = random64();

	if (generate_number(3) == 0)
		digits &= digits << 1 & digits << 3 & UINT64_C(0x8888888888888888) >> generate_number(4);
	if (special && generate_number(4) == 0)
		exponent = generate_number(3) ? (generate_number(2) ? 2 * bias + generate_number(2) : generate_number(3)) : random64();
	if (special && generate_number(4) == 0)
		digits = generate_number(3) == 0 ? 0 : UINT64_C(1) << generate_number(52);
	return (digits & ((UINT64_C(1) << fraction) - 1)) | exponent << fraction | random64() << 63 >> (64 - 8 * bytes);
}

static void fill_floats(uint8_t *z, unsigned int vl, unsigned int bytes, bool special)
{
	for (unsigned int at = 0; at < vl; at += bytes) {
		uint64_t value = float_pick(bytes, special);

		memcpy(z + at, &value, bytes);
	}
}

static void fill_predicate(uint8_t *p, unsigned int vl)
{
	unsigned int kind = generate_number(6), length = generate_number(vl + 1);

	for (unsigned int i = 0; i < vl; i++) {
		bool active = kind == 0 ? true : kind == 1 ? i < length : kind == 2 ? generate_number(8) == 0 : kind == 3 ? generate_number(8) != 0
			      : kind == 4 && generate_number(20) == 0 ? true : random64() & 1;

		p[i / 8] = (uint8_t)((p[i / 8] & ~(1u << i % 8)) | (unsigned int)active << i % 8);
	}
	if (generate_number(16) == 0)
		memset(p, 0, vl / 8);
}

/* True for so many elements and then false: nothing else may be in FFR. */
static void fill_ffr(uint8_t *p, unsigned int vl)
{
	unsigned int length = generate_number(3) ? vl : generate_number(vl + 1);

	for (unsigned int i = 0; i < vl; i++)
		p[i / 8] = (uint8_t)((p[i / 8] & ~(1u << i % 8)) | (unsigned int)(i < length) << i % 8);
}

/* ---- Operands of loads and stores. ---- */

static bool is_memory(uint32_t word)
{
	return word >> 31;
}

/* Mostly somewhere in the middle, sometimes about the ends. */
static uint64_t address_pick(void)
{
	uint32_t near = generate_number(600);

	switch (generate_number(16)) {
	case 0: return DATA_BASE + near - 300;
	case 1: return DATA_BASE + DATA_SIZE + near - 590;
	default: return DATA_BASE + DATA_SIZE / 4 + generate_number(DATA_SIZE / 2);
	}
}

/* Multiples of `alignment`. */
static void fill_addresses(uint8_t *z, unsigned int vl, unsigned int bytes, bool offsets, unsigned int alignment)
{
	uint32_t stray = generate_number(3) ? 1000 : generate_number(100);

	for (unsigned int at = 0; at < vl; at += bytes) {
		uint64_t value = offsets ? generate_number(600) - UINT64_C(300) : DATA_BASE + DATA_SIZE / 4 + generate_number(DATA_SIZE / 2);

		if (generate_number(100) == stray)
			value = random64();
		value -= value % alignment;
		memcpy(z + at, &value, bytes);
	}
}

static bool is_first_fault(uint32_t word)
{
	return (word & 0xbe002000) == 0x84002000 || (word & 0xfe00e000) == 0xa4006000 || (word & 0xfe10e000) == 0xa410a000;
}

/*
 * The base of contiguous loads: where a first-fault load stops after its first element is its own affair, and qemu-aarch64 stops where a page ends. So
 * only the end of all data shall be in the way. And neither elements nor structures may cross that: qemu-aarch64 7.2 aborts then.
 */
static uint64_t base_pick(uint32_t word)
{
	uint64_t address = address_pick(), end = DATA_BASE + DATA_SIZE;

	if (is_first_fault(word) && address >= DATA_BASE + 1024 && address < end - 1024)
		return (address & ~UINT64_C(4095)) + 2048;
	if ((word & 0xc000) == 0xc000 && word >> 21 & 3) /* LD2, LD3, LD4 */
		return DATA_BASE + DATA_SIZE / 4 + generate_number(DATA_SIZE / 4);
	return address & ~UINT64_C(7);
}

/* Registers for all ways to address: Rn a base, Rm and Zm offsets, Zn addresses. */
static void prepare_memory(struct test_case *c, unsigned int vl)
{
	unsigned int n = c->word >> 5 & 31, m = c->word >> 16 & 31;
	bool store = c->word >> 29 & 1, contiguous_load = (c->word >> 24 & 0xfe) == 0xa4;
	unsigned int bytes = (store ? !(c->word >> 22 & 1) : c->word >> 30 & 1) ? 8 : 4, alignment = is_first_fault(c->word) ? 8 : 1;
	uint64_t base = contiguous_load ? base_pick(c->word) : address_pick() & ~(uint64_t)(alignment - 1);

	if (generate_number(4) && ((c->word & 0xffc0a000) == 0x85800000 || (c->word & 0xffc0a000) == 0xe5800000))
		c->word &= ~UINT32_C(0x3c0000); /* smaller immediates of LDR and STR */
	if (n == 31)
		c->state.sp = base & ~UINT64_C(15);
	else
		c->state.x[n] = base;
	if (m != 31 && m != n)
		c->state.x[m] = generate_number(200) - UINT64_C(100);
	/* qemu-aarch64 7.2 takes the wrong predicate bits for contiguous loads of this kind whose first element is inactive. */
	if (is_first_fault(c->word) && contiguous_load)
		c->state.p[c->word >> 10 & 7][0] |= 1;
	fill_addresses(c->state.z[m], vl, bytes, true, alignment);
	if (m != n)
		fill_addresses(c->state.z[n], vl, bytes, false, alignment);
}

/* ---- Cases. ---- */

static bool is_float(uint32_t word)
{
	return (word >> 24 & 0xfe) == 0x64 || (word & 0xff20f000) == 0x0420b000;
}

static void fill_registers(struct test_case *c, unsigned int vl, bool special)
{
	unsigned int bytes = 1u << (generate_number(4) ? c->word >> 22 & 3 : 1 + generate_number(3));

	for (unsigned int i = 0; i < 31; i++)
		c->state.x[i] = interesting();
	c->state.sp = random64() & ~UINT64_C(15);
	if (generate_number(4) == 0) {
		unsigned int m = c->word >> 16 & 31, n = c->word >> 5 & 31;

		if (m != 31 && n != 31) /* counts that are near each other */
			c->state.x[m] = c->state.x[n] + generate_number(300) - 150;
	}
	for (unsigned int i = 0; i < 32; i++) {
		if (is_float(c->word) && (special || bytes > 1))
			fill_floats(c->state.z[i], vl, bytes < 2 ? 2 : bytes, special);
		else if (generate_number(2))
			fill_bytes(c->state.z[i], vl);
		else
			fill_integers(c->state.z[i], vl);
	}
	for (unsigned int i = 0; i < 16; i++)
		fill_predicate(c->state.p[i], vl);
	fill_ffr(c->state.p[16], vl);
	c->state.nzcv = (uint64_t)generate_number(16) << 28;
	c->state.fpcr = special ? (uint64_t)generate_number(4) << 22 | (uint64_t)(generate_number(4) == 0) << 24 | (uint64_t)(generate_number(4) == 0) << 25 |
				  (uint64_t)(generate_number(4) == 0) << 19 : 0;
	c->state.fpsr = 0;
}

void generate_case(struct test_case *c, unsigned int vl, enum source source, const char *only, bool special)
{
	if (source == SOURCE_WORDS) {
		c->word = word_any();
	} else {
		const struct sve_row *row = row_pick(only);

		c->word = row->value | ((uint32_t)random64() & ~row->mask);
	}
	memset(&c->state, 0, sizeof(c->state));
	fill_registers(c, vl, special);
	if (is_memory(c->word)) {
		fill_bytes(c->data, sizeof(c->data));
		prepare_memory(c, vl);
	}
}
