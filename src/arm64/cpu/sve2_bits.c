/*
 * SVE2 instructions on bits and on what matches: ternary logic, rotations, bit permutes (FEAT_SVE_BitPerm), searches for characters, histograms;
 * cryptography (FEAT_SVE_AES, FEAT_SVE_SHA3, FEAT_SVE_SM4).
 */
#include "arm64/cpu/crypto.h"
#include "arm64/cpu/sve.h"

/* ---- Ternary logic: of Zdn, Zm and Zk. ---- */

static uint64_t eor3(uint64_t dn, uint64_t m, uint64_t k, unsigned int esize)
{
	(void)esize;
	return dn ^ m ^ k;
}

static uint64_t bcax(uint64_t dn, uint64_t m, uint64_t k, unsigned int esize)
{
	(void)esize;
	return dn ^ (m & ~k);
}

static uint64_t bsl(uint64_t dn, uint64_t m, uint64_t k, unsigned int esize)
{
	(void)esize;
	return (dn & k) | (m & ~k);
}

static uint64_t bsl1n(uint64_t dn, uint64_t m, uint64_t k, unsigned int esize)
{
	return bsl(~dn, m, k, esize);
}

static uint64_t bsl2n(uint64_t dn, uint64_t m, uint64_t k, unsigned int esize)
{
	return bsl(dn, ~m, k, esize);
}

static uint64_t nbsl(uint64_t dn, uint64_t m, uint64_t k, unsigned int esize)
{
	return ~bsl(dn, m, k, esize);
}

/* Zk is bits 9:5. */
static void ternary(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z *zm = sve_zm(cpu, insn), *zk = sve_zn(cpu, insn);
	union arm64_z *zdn = sve_zd(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / 8u; i++)
		zdn->d[i] = sve_row(insn)->op.ternary(zdn->d[i], zm->d[i], zk->d[i], 64);
	a64_next(cpu, insn);
}

/* XAR: rotated right; Zm is bits 9:5. */
static void xar(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z *zm = sve_zn(cpu, insn);
	union arm64_z *zdn = sve_zd(cpu, insn);
	unsigned int tsz = sve_tsz(insn->word, 16), bytes = sve_tsz_bytes(tsz), count = sve_shift_right(tsz) % (8 * bytes);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		uint64_t value = sve_get(zdn, i, bytes) ^ sve_get(zm, i, bytes);

		sve_put(zdn, i, bytes, count ? value >> count | value << (8 * bytes - count) : value);
	}
	a64_next(cpu, insn);
}

/* ---- Bit permutes: by the bits of b. ---- */

static uint64_t bext(uint64_t a, uint64_t b, unsigned int esize)
{
	uint64_t result = 0;
	unsigned int to = 0;

	for (unsigned int i = 0; i < esize; i++)
		if (b >> i & 1)
			result |= (a >> i & 1) << to++;
	return result;
}

static uint64_t bdep(uint64_t a, uint64_t b, unsigned int esize)
{
	uint64_t result = 0;
	unsigned int from = 0;

	for (unsigned int i = 0; i < esize; i++)
		if (b >> i & 1)
			result |= (a >> from++ & 1) << i;
	return result;
}

/* Those bits first, then the others. */
static uint64_t bgrp(uint64_t a, uint64_t b, unsigned int esize)
{
	unsigned int chosen = (unsigned int)__builtin_popcountll(b);

	return bext(a, b, esize) | (chosen < esize ? bext(a, ~b, esize) << chosen : 0);
}

/* ---- Matches. ---- */

/* MATCH, NMATCH (bit 4): whether any element of the same 128 bits of Zm is the same. */
static void match(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z *zn = sve_zn(cpu, insn), *zm = sve_zm(cpu, insn);
	unsigned int bytes = sve_bytes(insn), segment = 16 / bytes;
	union arm64_p result = { .d = { 0 } };

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		bool found = false;

		for (unsigned int j = i - i % segment, k = 0; k < segment; k++)
			found |= sve_get(zn, i, bytes) == sve_get(zm, j + k, bytes);
		sve_set_active(&result, i * bytes, sve_active(pg, i * bytes) && found != bit(insn->word, 4));
	}
	sve_flags_set(cpu, pg, &result, bytes);
	memcpy(sve_pd(cpu, insn), &result, cpu->vl / 8);
	a64_next(cpu, insn);
}

/* HISTCNT: how many active elements of Zm up to the element's place are as Zn's element. */
static void histcnt(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_p *pg = sve_pg(cpu, insn);
	const union arm64_z zn = *sve_zn(cpu, insn), zm = *sve_zm(cpu, insn);
	unsigned int bytes = sve_bytes(insn);

	for (unsigned int i = 0; i < cpu->vl / bytes; i++) {
		unsigned int count = 0;

		for (unsigned int j = 0; j <= i && sve_active(pg, i * bytes); j++)
			count += sve_active(pg, j * bytes) && sve_get(&zm, j, bytes) == sve_get(&zn, i, bytes);
		sve_put(sve_zd(cpu, insn), i, bytes, count);
	}
	a64_next(cpu, insn);
}

/* HISTSEG: how many bytes of the same 128 bits of Zm are as Zn's byte. */
static void histseg(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z zn = *sve_zn(cpu, insn), zm = *sve_zm(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl; i++) {
		uint8_t count = 0;

		for (unsigned int j = i & ~15u, k = 0; k < 16; k++)
			count += zn.b[i] == zm.b[j + k];
		sve_zd(cpu, insn)->b[i] = count;
	}
	a64_next(cpu, insn);
}

/* ---- Cryptography. ---- */

/* AESE, AESD (bit 10); Zm is bits 9:5. */
static void aes_round(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z zm = *sve_zn(cpu, insn);
	union arm64_z *zdn = sve_zd(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / 8u; i += 2)
		aes_round_half(&zdn->d[i], &zm.d[i], bit(insn->word, 10));
	a64_next(cpu, insn);
}

/* AESMC, AESIMC (bit 10). */
static void aes_columns(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	union arm64_z *zdn = sve_zd(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / 8u; i++)
		zdn->d[i] = bit(insn->word, 10) ? aes_unmix_columns(zdn->d[i]) : aes_mix_columns(zdn->d[i]);
	a64_next(cpu, insn);
}

/* SM4E; Zm is bits 9:5. */
static void sm4e(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z zm = *sve_zn(cpu, insn);
	union arm64_z *zdn = sve_zd(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / 4u; i += 4)
		sm4_rounds(&zdn->s[i], &zm.s[i], false);
	a64_next(cpu, insn);
}

static void sm4ekey(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z zm = *sve_zm(cpu, insn);
	union arm64_z zn = *sve_zn(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / 4u; i += 4)
		sm4_rounds(&zn.s[i], &zm.s[i], true);
	sve_copy(cpu, sve_zd(cpu, insn), &zn);
	a64_next(cpu, insn);
}

static void rax1(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const union arm64_z *zn = sve_zn(cpu, insn), *zm = sve_zm(cpu, insn);
	union arm64_z *zd = sve_zd(cpu, insn);

	for (unsigned int i = 0; i < cpu->vl / 8u; i++)
		zd->d[i] = zn->d[i] ^ (zm->d[i] << 1 | zm->d[i] >> 63);
	a64_next(cpu, insn);
}

/* ---- The encodings. ---- */

const struct sve_row sve2_bits_rows[] = {
	/* EOR3, BCAX, BSL, BSL1N, BSL2N, NBSL, XAR. */
	{ 0xffe0fc00, 0x04203800, ternary, { .ternary = eor3 } },
	{ 0xffe0fc00, 0x04603800, ternary, { .ternary = bcax } },
	{ 0xffe0fc00, 0x04203c00, ternary, { .ternary = bsl } },
	{ 0xffe0fc00, 0x04603c00, ternary, { .ternary = bsl1n } },
	{ 0xffe0fc00, 0x04a03c00, ternary, { .ternary = bsl2n } },
	{ 0xffe0fc00, 0x04e03c00, ternary, { .ternary = nbsl } },
	{ 0xff20fc00, 0x04203400, xar, .sizes = SVE_TSZ_20 },
	/* BEXT, BDEP, BGRP. */
	{ 0xff20fc00, 0x4500b000, sve_unpredicated, { .binary = bext } },
	{ 0xff20fc00, 0x4500b400, sve_unpredicated, { .binary = bdep } },
	{ 0xff20fc00, 0x4500b800, sve_unpredicated, { .binary = bgrp } },
	/* MATCH, NMATCH, HISTCNT, HISTSEG. */
	{ 0xff20e000, 0x45208000, match, .sizes = SVE_B | SVE_H },
	{ 0xff20e000, 0x4520c000, histcnt, .sizes = SVE_SD },
	{ 0xffe0fc00, 0x4520a000, histseg },
	/* AESE, AESD, AESMC, AESIMC, SM4E, SM4EKEY, RAX1. */
	{ 0xfffff800, 0x4522e000, aes_round },
	{ 0xfffffbe0, 0x4520e000, aes_columns },
	{ 0xfffffc00, 0x4523e000, sm4e },
	{ 0xffe0fc00, 0x4520f000, sm4ekey },
	{ 0xffe0fc00, 0x4520f400, rax1 },
	{ 0 },
};
