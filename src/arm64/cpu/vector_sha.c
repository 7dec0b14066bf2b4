/*
 * The secure hash instructions: SHA-1, SHA-256 (FEAT_SHA1, FEAT_SHA256), SHA-512 and SHA-3 (FEAT_SHA512, FEAT_SHA3). FIPS 180-4 names the functions.
 */
#include "arm64/cpu/vector.h"

static uint32_t rotate_right32(uint32_t a, unsigned int count)
{
	return a >> count | a << (32 - count);
}

static uint64_t rotate_right64(uint64_t a, unsigned int count)
{
	return count ? a >> count | a << (64 - count) : a;
}

static uint64_t choose(uint64_t x, uint64_t y, uint64_t z)
{
	return ((y ^ z) & x) ^ z;
}

static uint64_t parity(uint64_t x, uint64_t y, uint64_t z)
{
	return x ^ y ^ z;
}

static uint64_t majority(uint64_t x, uint64_t y, uint64_t z)
{
	return (x & y) | ((x | y) & z);
}

/* ---- SHA-1. ---- */

/* Four rounds. */
TEMPLATE void sha1_rounds(struct arm64_vcpu *cpu, uint32_t word, uint64_t (*function)(uint64_t, uint64_t, uint64_t))
{
	union v128 d = v_get(cpu, rd(word)), m = v_get(cpu, rm(word));
	uint32_t e = v_get(cpu, rn(word)).s[0];

	for (unsigned int i = 0; i < 4; i++) {
		uint32_t next = e + rotate_right32(d.s[0], 27) + (uint32_t)function(d.s[1], d.s[2], d.s[3]) + m.s[i];

		e = d.s[3];
		d.s[3] = d.s[2];
		d.s[2] = rotate_right32(d.s[1], 2);
		d.s[1] = d.s[0];
		d.s[0] = next;
	}
	v_set(cpu, rd(word), d, 16);
}

static void sha1c(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sha1_rounds(cpu, insn->word, choose);
	a64_next(cpu, insn);
}

static void sha1p(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sha1_rounds(cpu, insn->word, parity);
	a64_next(cpu, insn);
}

static void sha1m(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	sha1_rounds(cpu, insn->word, majority);
	a64_next(cpu, insn);
}

static void sha1h(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	v_set_scalar(cpu, rd(insn->word), rotate_right32(v_get(cpu, rn(insn->word)).s[0], 2));
	a64_next(cpu, insn);
}

static void sha1su0(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 d = v_get(cpu, rd(insn->word)), n = v_get(cpu, rn(insn->word)), m = v_get(cpu, rm(insn->word));

	v_set(cpu, rd(insn->word), (union v128){ .d = { d.d[0] ^ d.d[1] ^ m.d[0], d.d[1] ^ n.d[0] ^ m.d[1] } }, 16);
	a64_next(cpu, insn);
}

static void sha1su1(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 d = v_get(cpu, rd(insn->word)), n = v_get(cpu, rn(insn->word));

	for (unsigned int i = 0; i < 3; i++)
		d.s[i] = rotate_right32(d.s[i] ^ n.s[i + 1], 31);
	d.s[3] = rotate_right32(d.s[3], 31) ^ rotate_right32(d.s[0], 31);
	v_set(cpu, rd(insn->word), d, 16);
	a64_next(cpu, insn);
}

/* ---- SHA-256. ---- */

/* Four rounds on abcd and efgh. */
static void sha256_rounds(union v128 *x, union v128 *y, const union v128 *w)
{
	for (unsigned int i = 0; i < 4; i++) {
		uint32_t a = x->s[0], e = y->s[0];
		uint32_t sum_e = rotate_right32(e, 6) ^ rotate_right32(e, 11) ^ rotate_right32(e, 25);
		uint32_t sum_a = rotate_right32(a, 2) ^ rotate_right32(a, 13) ^ rotate_right32(a, 22);
		uint32_t t = y->s[3] + sum_e + (uint32_t)choose(e, y->s[1], y->s[2]) + w->s[i];
		uint32_t next_e = x->s[3] + t, next_a = t + sum_a + (uint32_t)majority(a, x->s[1], x->s[2]);

		*y = (union v128){ .s = { next_e, y->s[0], y->s[1], y->s[2] } };
		*x = (union v128){ .s = { next_a, x->s[0], x->s[1], x->s[2] } };
	}
}

static void sha256h(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 x = v_get(cpu, rd(insn->word)), y = v_get(cpu, rn(insn->word)), w = v_get(cpu, rm(insn->word));

	sha256_rounds(&x, &y, &w);
	v_set(cpu, rd(insn->word), x, 16);
	a64_next(cpu, insn);
}

static void sha256h2(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 x = v_get(cpu, rn(insn->word)), y = v_get(cpu, rd(insn->word)), w = v_get(cpu, rm(insn->word));

	sha256_rounds(&x, &y, &w);
	v_set(cpu, rd(insn->word), y, 16);
	a64_next(cpu, insn);
}

static uint32_t sha256_sigma0(uint32_t a)
{
	return rotate_right32(a, 7) ^ rotate_right32(a, 18) ^ a >> 3;
}

static uint32_t sha256_sigma1(uint32_t a)
{
	return rotate_right32(a, 17) ^ rotate_right32(a, 19) ^ a >> 10;
}

static void sha256su0(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 d = v_get(cpu, rd(insn->word)), n = v_get(cpu, rn(insn->word));

	for (unsigned int i = 0; i < 4; i++)
		d.s[i] += sha256_sigma0(i < 3 ? d.s[i + 1] : n.s[0]);
	v_set(cpu, rd(insn->word), d, 16);
	a64_next(cpu, insn);
}

static void sha256su1(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 d = v_get(cpu, rd(insn->word)), n = v_get(cpu, rn(insn->word)), m = v_get(cpu, rm(insn->word));

	for (unsigned int i = 0; i < 4; i++)
		d.s[i] += (i < 3 ? n.s[i + 1] : m.s[0]) + sha256_sigma1(i < 2 ? m.s[i + 2] : d.s[i - 2]);
	v_set(cpu, rd(insn->word), d, 16);
	a64_next(cpu, insn);
}

const struct vector_row vector_sha_three_rows[] = {
	{ OPCODE_12(0), 0, SCALAR_B, sha1c },
	{ OPCODE_12(1), 0, SCALAR_B, sha1p },
	{ OPCODE_12(2), 0, SCALAR_B, sha1m },
	{ OPCODE_12(3), 0, SCALAR_B, sha1su0 },
	{ OPCODE_12(4), 0, SCALAR_B, sha256h },
	{ OPCODE_12(5), 0, SCALAR_B, sha256h2 },
	{ OPCODE_12(6), 0, SCALAR_B, sha256su1 },
	{ .run = NULL }
};

const struct vector_row vector_sha_two_rows[] = {
	{ OPCODE_12(0), 0, SCALAR_B, sha1h },
	{ OPCODE_12(1), 0, SCALAR_B, sha1su1 },
	{ OPCODE_12(2), 0, SCALAR_B, sha256su0 },
	{ .run = NULL }
};

/* ---- SHA-512. ---- */

static void sha512h(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 w = v_get(cpu, rd(insn->word)), x = v_get(cpu, rn(insn->word)), y = v_get(cpu, rm(insn->word));
	uint64_t e = y.d[1], high, low;

	high = choose(e, x.d[0], x.d[1]) + (rotate_right64(e, 14) ^ rotate_right64(e, 18) ^ rotate_right64(e, 41)) + w.d[1];
	e = high + y.d[0];
	low = choose(e, y.d[1], x.d[0]) + (rotate_right64(e, 14) ^ rotate_right64(e, 18) ^ rotate_right64(e, 41)) + w.d[0];
	v_set(cpu, rd(insn->word), (union v128){ .d = { low, high } }, 16);
	a64_next(cpu, insn);
}

static void sha512h2(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 w = v_get(cpu, rd(insn->word)), x = v_get(cpu, rn(insn->word)), y = v_get(cpu, rm(insn->word));
	uint64_t a = y.d[0], high, low;

	high = majority(x.d[0], y.d[1], a) + (rotate_right64(a, 28) ^ rotate_right64(a, 34) ^ rotate_right64(a, 39)) + w.d[1];
	low = majority(high, y.d[0], y.d[1]) + (rotate_right64(high, 28) ^ rotate_right64(high, 34) ^ rotate_right64(high, 39)) + w.d[0];
	v_set(cpu, rd(insn->word), (union v128){ .d = { low, high } }, 16);
	a64_next(cpu, insn);
}

static uint64_t sha512_sigma0(uint64_t a)
{
	return rotate_right64(a, 1) ^ rotate_right64(a, 8) ^ a >> 7;
}

static uint64_t sha512_sigma1(uint64_t a)
{
	return rotate_right64(a, 19) ^ rotate_right64(a, 61) ^ a >> 6;
}

static void sha512su0(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 w = v_get(cpu, rd(insn->word)), x = v_get(cpu, rn(insn->word));

	v_set(cpu, rd(insn->word), (union v128){ .d = { w.d[0] + sha512_sigma0(w.d[1]), w.d[1] + sha512_sigma0(x.d[0]) } }, 16);
	a64_next(cpu, insn);
}

static void sha512su1(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 w = v_get(cpu, rd(insn->word)), x = v_get(cpu, rn(insn->word)), y = v_get(cpu, rm(insn->word));

	for (unsigned int i = 0; i < 2; i++)
		w.d[i] += sha512_sigma1(x.d[i]) + y.d[i];
	v_set(cpu, rd(insn->word), w, 16);
	a64_next(cpu, insn);
}

/* ---- SHA-3. ---- */

static void rax1(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 n = v_get(cpu, rn(insn->word)), m = v_get(cpu, rm(insn->word));

	for (unsigned int i = 0; i < 2; i++)
		n.d[i] ^= rotate_right64(m.d[i], 63);
	v_set(cpu, rd(insn->word), n, 16);
	a64_next(cpu, insn);
}

static void xar(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 n = v_get(cpu, rn(insn->word)), m = v_get(cpu, rm(insn->word));

	for (unsigned int i = 0; i < 2; i++)
		n.d[i] = rotate_right64(n.d[i] ^ m.d[i], bits(insn->word, 15, 10));
	v_set(cpu, rd(insn->word), n, 16);
	a64_next(cpu, insn);
}

static void eor3(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 n = v_get(cpu, rn(insn->word)), m = v_get(cpu, rm(insn->word)), a = v_get(cpu, bits(insn->word, 14, 10));

	for (unsigned int i = 0; i < 2; i++)
		n.d[i] ^= m.d[i] ^ a.d[i];
	v_set(cpu, rd(insn->word), n, 16);
	a64_next(cpu, insn);
}

static void bcax(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union v128 n = v_get(cpu, rn(insn->word)), m = v_get(cpu, rm(insn->word)), a = v_get(cpu, bits(insn->word, 14, 10));

	for (unsigned int i = 0; i < 2; i++)
		n.d[i] ^= m.d[i] & ~a.d[i];
	v_set(cpu, rd(insn->word), n, 16);
	a64_next(cpu, insn);
}

/* Keys are the two bits from bit 10 on; of EOR3 and BCAX, those from bit 21. */
const struct vector_row vector_sha512_three_rows[] = {
	{ 0 << 10, VECTOR_SIZES, 0, sha512h },
	{ 1 << 10, VECTOR_SIZES, 0, sha512h2 },
	{ 2 << 10, VECTOR_SIZES, 0, sha512su1 },
	{ 3 << 10, VECTOR_SIZES, 0, rax1 },
	{ .run = NULL }
};

const struct vector_row vector_sha512_two_rows[] = {
	{ 0 << 10, VECTOR_SIZES, 0, sha512su0 },
	{ .run = NULL }
};

const struct vector_row vector_sha3_rows[] = {
	{ 0 << 21, VECTOR_SIZES, 0, eor3 },
	{ 1 << 21, VECTOR_SIZES, 0, bcax },
	{ .run = NULL }
};

const struct vector_row vector_xar_rows[] = {
	{ 0, VECTOR_SIZES, 0, xar },
	{ .run = NULL }
};
