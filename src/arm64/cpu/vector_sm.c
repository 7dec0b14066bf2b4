/*
 * The SM3 and SM4 instructions (FEAT_SM3, FEAT_SM4): GB/T 32905 and GB/T 32907.
 */
#include <string.h>

#include "arm64/cpu/crypto.h"
#include "arm64/cpu/vector.h"

static uint32_t rotate(uint32_t a, unsigned int left)
{
	return a << left | a >> (32 - left);
}

/* ---- SM3. A ... D (or E ... H) are elements 3 ... 0. ---- */

static void sm3ss1(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 n = v_get(cpu, rn(insn->word)), m = v_get(cpu, rm(insn->word)), a = v_get(cpu, bits(insn->word, 14, 10));

	v_set(cpu, rd(insn->word), (union v128){ .s = { 0, 0, 0, rotate(rotate(n.s[3], 12) + m.s[3] + a.s[3], 7) } }, 16);
	a64_next(cpu, insn);
}

static uint32_t parity(uint32_t a, uint32_t b, uint32_t c)
{
	return a ^ b ^ c;
}

static uint32_t majority(uint32_t a, uint32_t b, uint32_t c)
{
	return (a & b) | (a & c) | (b & c);
}

static uint32_t choice(uint32_t a, uint32_t b, uint32_t c)
{
	return (a & b) | (~a & c);
}

/* A round's half: element 3 is new, and one of the others is rotated as it moves down. */
static void half_round(struct arm64_vcpu *cpu, uint32_t word, const union v128 *d, uint32_t new, unsigned int rotation)
{
	v_set(cpu, rd(word), (union v128){ .s = { d->s[1], rotate(d->s[2], rotation), d->s[3], new } }, 16);
}

/* SM3TT1A, SM3TT1B (bit 10). */
static void sm3tt1(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word)), m = v_get(cpu, rm(word));
	uint32_t of_three = bit(word, 10) ? majority(d.s[3], d.s[2], d.s[1]) : parity(d.s[3], d.s[2], d.s[1]);

	half_round(cpu, word, &d, of_three + d.s[0] + (n.s[3] ^ rotate(d.s[3], 12)) + m.s[bits(word, 13, 12)], 9);
	a64_next(cpu, insn);
}

/* SM3TT2A, SM3TT2B (bit 10). */
static void sm3tt2(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	union v128 d = v_get(cpu, rd(word)), n = v_get(cpu, rn(word)), m = v_get(cpu, rm(word));
	uint32_t of_three = bit(word, 10) ? choice(d.s[3], d.s[2], d.s[1]) : parity(d.s[3], d.s[2], d.s[1]);
	uint32_t sum = of_three + d.s[0] + n.s[3] + m.s[bits(word, 13, 12)];

	half_round(cpu, word, &d, sum ^ rotate(sum, 9) ^ rotate(sum, 17), 19);
	a64_next(cpu, insn);
}

static uint32_t expanded(uint32_t a)
{
	return a ^ rotate(a, 15) ^ rotate(a, 23);
}

static void sm3partw1(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 d = v_get(cpu, rd(insn->word)), n = v_get(cpu, rn(insn->word)), m = v_get(cpu, rm(insn->word));

	for (unsigned int i = 0; i < 4; i++)
		d.s[i] = expanded(d.s[i] ^ n.s[i] ^ rotate(i < 3 ? m.s[i + 1] : d.s[0], 15));
	v_set(cpu, rd(insn->word), d, 16);
	a64_next(cpu, insn);
}

static void sm3partw2(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 d = v_get(cpu, rd(insn->word)), n = v_get(cpu, rn(insn->word)), m = v_get(cpu, rm(insn->word));

	for (unsigned int i = 0; i < 4; i++) {
		n.s[i] ^= rotate(m.s[i], 7);
		d.s[i] ^= n.s[i];
	}
	d.s[3] ^= expanded(rotate(n.s[0], 15));
	v_set(cpu, rd(insn->word), d, 16);
	a64_next(cpu, insn);
}

/* ---- SM4. ---- */

static const uint8_t sbox[256] = {
	0xd6, 0x90, 0xe9, 0xfe, 0xcc, 0xe1, 0x3d, 0xb7, 0x16, 0xb6, 0x14, 0xc2, 0x28, 0xfb, 0x2c, 0x05,
	0x2b, 0x67, 0x9a, 0x76, 0x2a, 0xbe, 0x04, 0xc3, 0xaa, 0x44, 0x13, 0x26, 0x49, 0x86, 0x06, 0x99,
	0x9c, 0x42, 0x50, 0xf4, 0x91, 0xef, 0x98, 0x7a, 0x33, 0x54, 0x0b, 0x43, 0xed, 0xcf, 0xac, 0x62,
	0xe4, 0xb3, 0x1c, 0xa9, 0xc9, 0x08, 0xe8, 0x95, 0x80, 0xdf, 0x94, 0xfa, 0x75, 0x8f, 0x3f, 0xa6,
	0x47, 0x07, 0xa7, 0xfc, 0xf3, 0x73, 0x17, 0xba, 0x83, 0x59, 0x3c, 0x19, 0xe6, 0x85, 0x4f, 0xa8,
	0x68, 0x6b, 0x81, 0xb2, 0x71, 0x64, 0xda, 0x8b, 0xf8, 0xeb, 0x0f, 0x4b, 0x70, 0x56, 0x9d, 0x35,
	0x1e, 0x24, 0x0e, 0x5e, 0x63, 0x58, 0xd1, 0xa2, 0x25, 0x22, 0x7c, 0x3b, 0x01, 0x21, 0x78, 0x87,
	0xd4, 0x00, 0x46, 0x57, 0x9f, 0xd3, 0x27, 0x52, 0x4c, 0x36, 0x02, 0xe7, 0xa0, 0xc4, 0xc8, 0x9e,
	0xea, 0xbf, 0x8a, 0xd2, 0x40, 0xc7, 0x38, 0xb5, 0xa3, 0xf7, 0xf2, 0xce, 0xf9, 0x61, 0x15, 0xa1,
	0xe0, 0xae, 0x5d, 0xa4, 0x9b, 0x34, 0x1a, 0x55, 0xad, 0x93, 0x32, 0x30, 0xf5, 0x8c, 0xb1, 0xe3,
	0x1d, 0xf6, 0xe2, 0x2e, 0x82, 0x66, 0xca, 0x60, 0xc0, 0x29, 0x23, 0xab, 0x0d, 0x53, 0x4e, 0x6f,
	0xd5, 0xdb, 0x37, 0x45, 0xde, 0xfd, 0x8e, 0x2f, 0x03, 0xff, 0x6a, 0x72, 0x6d, 0x6c, 0x5b, 0x51,
	0x8d, 0x1b, 0xaf, 0x92, 0xbb, 0xdd, 0xbc, 0x7f, 0x11, 0xd9, 0x5c, 0x41, 0x1f, 0x10, 0x5a, 0xd8,
	0x0a, 0xc1, 0x31, 0x88, 0xa5, 0xcd, 0x7b, 0xbd, 0x2d, 0x74, 0xd0, 0x12, 0xb8, 0xe5, 0xb4, 0xb0,
	0x89, 0x69, 0x97, 0x4a, 0x0c, 0x96, 0x77, 0x7e, 0x65, 0xb9, 0xf1, 0x09, 0xc5, 0x6e, 0xc6, 0x84,
	0x18, 0xf0, 0x7d, 0xec, 0x3a, 0xdc, 0x4d, 0x20, 0x79, 0xee, 0x5f, 0x3e, 0xd7, 0xcb, 0x39, 0x48,
};

static uint32_t substituted(uint32_t a)
{
	return sbox[a & 0xff] | (uint32_t)sbox[a >> 8 & 0xff] << 8 | (uint32_t)sbox[a >> 16 & 0xff] << 16 | (uint32_t)sbox[a >> 24] << 24;
}

void sm4_rounds(uint32_t state[4], const uint32_t keys[4], bool schedule)
{
	for (unsigned int i = 0; i < 4; i++) {
		uint32_t a = substituted(state[3] ^ state[2] ^ state[1] ^ keys[i]);

		a ^= schedule ? rotate(a, 13) ^ rotate(a, 23) : rotate(a, 2) ^ rotate(a, 10) ^ rotate(a, 18) ^ rotate(a, 24);
		a ^= state[0];
		memmove(state, state + 1, 3 * sizeof *state);
		state[3] = a;
	}
}

static void sm4e(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 d = v_get(cpu, rd(insn->word)), n = v_get(cpu, rn(insn->word));

	sm4_rounds(d.s, n.s, false);
	v_set(cpu, rd(insn->word), d, 16);
	a64_next(cpu, insn);
}

static void sm4ekey(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 n = v_get(cpu, rn(insn->word)), m = v_get(cpu, rm(insn->word));

	sm4_rounds(n.s, m.s, true);
	v_set(cpu, rd(insn->word), n, 16);
	a64_next(cpu, insn);
}

/* Keys are the two bits from bit 10 on, but for SM3SS1, which has an operand there. */
const struct vector_row vector_sm3ss1_rows[] = {
	{ 0, VECTOR_SIZES, 0, sm3ss1 },
	{ .run = NULL }
};

const struct vector_row vector_sm3tt_rows[] = {
	{ 0 << 10, VECTOR_SIZES, 0, sm3tt1 },
	{ 1 << 10, VECTOR_SIZES, 0, sm3tt1 },
	{ 2 << 10, VECTOR_SIZES, 0, sm3tt2 },
	{ 3 << 10, VECTOR_SIZES, 0, sm3tt2 },
	{ .run = NULL }
};

const struct vector_row vector_sm_three_rows[] = {
	{ 0 << 10, VECTOR_SIZES, 0, sm3partw1 },
	{ 1 << 10, VECTOR_SIZES, 0, sm3partw2 },
	{ 2 << 10, VECTOR_SIZES, 0, sm4ekey },
	{ .run = NULL }
};

const struct vector_row vector_sm_two_rows[] = {
	{ 1 << 10, VECTOR_SIZES, 0, sm4e },
	{ .run = NULL }
};
