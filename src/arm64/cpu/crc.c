/*
 * CRC32 and CRC32C of 1, 2, 4 and 8 bytes (C6.2.74): bit-reflected, without inversions.
 */
#include "arm64/cpu/decode.h"

#define POLYNOMIAL UINT32_C(0xedb88320)
#define POLYNOMIAL_C UINT32_C(0x82f63b78)

/* The CRC of each 4-bit number: small enough to need no setting up. */
#define STEP(c, p) ((c) >> 1 ^ ((c) & 1 ? (p) : 0))
#define NIBBLE(n, p) STEP(STEP(STEP(STEP((uint32_t)(n), p), p), p), p)
#define TABLE(p)                                                                                                                       \
	{                                                                                                                              \
		NIBBLE(0, p), NIBBLE(1, p), NIBBLE(2, p), NIBBLE(3, p), NIBBLE(4, p), NIBBLE(5, p), NIBBLE(6, p), NIBBLE(7, p),        \
		NIBBLE(8, p), NIBBLE(9, p), NIBBLE(10, p), NIBBLE(11, p), NIBBLE(12, p), NIBBLE(13, p), NIBBLE(14, p), NIBBLE(15, p)   \
	}

static const uint32_t table[2][16] = { TABLE(POLYNOMIAL), TABLE(POLYNOMIAL_C) };

/* `size` bytes, `shift` 1 for the Castagnoli polynomial. */
static void crc(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const uint32_t *row = table[insn->shift];
	uint32_t value = (uint32_t)cpu->x[insn->n];
	uint64_t data = cpu->x[insn->m];

	for (unsigned int i = 0; i < insn->size; i++, data >>= 8) {
		value ^= (uint8_t)data;
		value = value >> 4 ^ row[value & 15];
		value = value >> 4 ^ row[value & 15];
	}
	cpu->x[insn->d] = value;
	a64_next(cpu, insn);
}

/* With d, n and m set as for any data processing of registers. */
a64_fn *decode_crc(struct a64_decode *decode, struct a64_insn *insn)
{
	(void)decode;
	insn->size = (uint8_t)(1u << bits(insn->word, 11, 10));
	insn->shift = (uint8_t)bit(insn->word, 12);
	return (insn->size == 8) == bit(insn->word, 31) ? crc : NULL;
}
