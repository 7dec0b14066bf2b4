/*
 * What the files of scalar floating-point and Advanced SIMD instructions share: operands and elements of a V register, and the rows by which
 * a64_decode_vector() finds an instruction's handler. Every write of a V register clears the rest of it, up to the longest vector there is.
 */
#ifndef ANYKVM_ARM64_CPU_VECTOR_H
#define ANYKVM_ARM64_CPU_VECTOR_H

#include <string.h>

#include "arm64/cpu/fp.h"
#include "arm64/cpu/insn.h"

/* For what handlers call: a tail call is one only when no local's address is known to others, inlined ones' included. */
#define STEP static __attribute__((noinline))

/* A function that exists only where it is expanded with constant arguments. */
#define TEMPLATE static inline __attribute__((always_inline))

/* ---- Registers and elements. ---- */

union v128 {
	uint8_t b[16];
	uint16_t h[8];
	uint32_t s[4];
	uint64_t d[2];
	uint64_t whole __attribute__((vector_size(16))); /* one load or store: two of half the size would delay what comes next */
};

static inline unsigned int rd(uint32_t word)
{
	return bits(word, 4, 0);
}

static inline unsigned int rn(uint32_t word)
{
	return bits(word, 9, 5);
}

static inline unsigned int rm(uint32_t word)
{
	return bits(word, 20, 16);
}

static inline union v128 v_get(const struct arm64_vcpu *cpu, unsigned int reg)
{
	union v128 value;

	value.whole = ((const union v128 *)&cpu->z[reg])->whole;
	return value;
}

/* Writes the first 8 or 16 bytes and clears the rest. */
TEMPLATE void v_set(struct arm64_vcpu *cpu, unsigned int reg, union v128 value, unsigned int bytes)
{
	union arm64_z *z = &cpu->z[reg];

	if (bytes <= 8)
		value.d[1] = 0;
	((union v128 *)z)->whole = value.whole;
	for (unsigned int i = 2; unlikely(i < cpu->vl_max / 8u); i += 2)
		z->d[i] = z->d[i + 1] = 0;
}

/* Writes a scalar and clears the rest. */
static inline void v_set_scalar(struct arm64_vcpu *cpu, unsigned int reg, uint64_t value)
{
	v_set(cpu, reg, (union v128){ .d = { value, 0 } }, 8);
}

TEMPLATE uint64_t element_get(const union v128 *v, unsigned int esize, unsigned int i)
{
	switch (esize) {
	case 8: return v->b[i];
	case 16: return v->h[i];
	case 32: return v->s[i];
	default: return v->d[i];
	}
}

TEMPLATE void element_set(union v128 *v, unsigned int esize, unsigned int i, uint64_t value)
{
	switch (esize) {
	case 8: v->b[i] = (uint8_t)value; break;
	case 16: v->h[i] = (uint16_t)value; break;
	case 32: v->s[i] = (uint32_t)value; break;
	default: v->d[i] = value; break;
	}
}

TEMPLATE int64_t sign_extend(uint64_t value, unsigned int width)
{
	return (int64_t)(value << (64 - width)) >> (64 - width);
}

/* The element in all places. */
static inline union v128 v_broadcast(unsigned int esize, uint64_t value)
{
	switch (esize) {
	case 8: value *= UINT64_C(0x0101010101010101); break;
	case 16: value *= UINT64_C(0x0001000100010001); break;
	case 32: value *= UINT64_C(0x0000000100000001); break;
	default: break;
	}
	return (union v128){ .d = { value, value } };
}

/* ---- What the instruction says. ---- */

/* Of the Advanced SIMD encodings: the scalar form. */
static inline bool is_scalar(uint32_t word)
{
	return bit(word, 28);
}

/* Bytes of the vector: by Q. */
static inline unsigned int v_bytes(uint32_t word)
{
	return bit(word, 30) ? 16 : 8;
}

/* Elements of the result, and the bytes of it that are not zero. */
static inline unsigned int v_elements(uint32_t word, unsigned int esize)
{
	return is_scalar(word) ? 1 : v_bytes(word) * 8 / esize;
}

/* Writes a result of that element size; of a scalar the first element. */
static inline void v_result(struct arm64_vcpu *cpu, uint32_t word, unsigned int esize, union v128 value)
{
	if (is_scalar(word))
		v_set_scalar(cpu, rd(word), value.d[0] & (UINT64_MAX >> (64 - esize)));
	else
		v_set(cpu, rd(word), value, v_bytes(word));
}

/* Bits 23:22: the element size of integers. */
static inline unsigned int v_esize(uint32_t word)
{
	return 8u << bits(word, 23, 22);
}

/* "x indexed element". */
static inline bool is_indexed(uint32_t word)
{
	return bit(word, 24);
}

/* The second operand; by element: the element in all places. Halfwords: H:L:M, words: H:L, doublewords: H. */
static inline union v128 v_operand_m(const struct arm64_vcpu *cpu, uint32_t word, unsigned int esize)
{
	union v128 m;
	unsigned int index = bit(word, 11);

	if (!is_indexed(word))
		return v_get(cpu, rm(word));
	if (esize < 64)
		index = index << 1 | bit(word, 21);
	if (esize == 16)
		index = index << 1 | bit(word, 20);
	m = v_get(cpu, esize == 16 ? bits(word, 19, 16) : rm(word));
	return v_broadcast(esize, element_get(&m, esize, index));
}

/* ---- Decoding: see vector.c. ---- */

struct vector_row {
	uint32_t key;    /* what the class's key bits must be */
	uint8_t vector;  /* VECTOR_*: the sizes of the vector form; 0: there is none */
	uint8_t scalar;  /* SCALAR_*: those of the scalar form */
	a64_fn *run;     /* NULL ends the table */
	bool (*valid)(uint32_t word); /* what else must hold; may be NULL */
};

/* Sets of sizes: a bit for each of size:Q, and for each size. */
enum {
	VECTOR_B = 0x03, VECTOR_H = 0x0c, VECTOR_S = 0x30, VECTOR_1D = 0x40, VECTOR_2D = 0x80,
	VECTOR_BH = VECTOR_B | VECTOR_H,
	VECTOR_HS = VECTOR_H | VECTOR_S,
	VECTOR_BHS = VECTOR_B | VECTOR_HS,
	VECTOR_BHSD = VECTOR_BHS | VECTOR_2D,
	VECTOR_HSD = VECTOR_HS | VECTOR_2D,
	VECTOR_FLOAT = 0xbb,   /* size<0>: single, or double in 128 bits; size<1> is opcode */
	VECTOR_SINGLE = 0x33,  /* size<0> is 0 */
	VECTOR_DOUBLE = 0xcc,  /* size<0> is 1 */
	VECTOR_SIZES = 0xff,
	SCALAR_B = 1, SCALAR_H = 2, SCALAR_S = 4, SCALAR_D = 8,
	SCALAR_HS = SCALAR_H | SCALAR_S,
	SCALAR_BHS = SCALAR_B | SCALAR_HS,
	SCALAR_HSD = SCALAR_HS | SCALAR_D,
	SCALAR_SIZES = SCALAR_BHS | SCALAR_D,
};

/* Keys, field by field. */
#define U UINT32_C(0x20000000)
#define A UINT32_C(0x00800000)                  /* size<1>, where it is opcode */
#define SIZE(x) ((uint32_t)(x) << 22)
#define OPCODE_11(x) ((uint32_t)(x) << 11)      /* from bit 11 on */
#define OPCODE_12(x) ((uint32_t)(x) << 12)

/* The tables, by class (C4.1.95). */
extern const struct vector_row vector_three_same_rows[], vector_logical_rows[], vector_pairwise_rows[], vector_element_rows[];
extern const struct vector_row vector_saturate_rows[], vector_saturate_misc_rows[], vector_saturate_element_rows[], vector_saturate_extra_rows[];
extern const struct vector_row vector_misc_rows[], vector_across_rows[], vector_narrow_rows[];
extern const struct vector_row vector_long_rows[], vector_long_element_rows[], vector_dot_rows[], vector_dot_element_rows[];
extern const struct vector_row vector_copy_rows[], vector_insert_rows[], vector_permute_rows[], vector_table_rows[], vector_extract_rows[];
extern const struct vector_row vector_shift_rows[], vector_shift_narrow_rows[];
extern const struct vector_row vector_aes_rows[], vector_sha_three_rows[], vector_sha_two_rows[];
extern const struct vector_row vector_sha512_three_rows[], vector_sha512_two_rows[], vector_sha3_rows[], vector_xar_rows[];
extern const struct vector_row vector_sm3ss1_rows[], vector_sm3tt_rows[], vector_sm_three_rows[], vector_sm_two_rows[];
extern const struct vector_row float_three_same_rows[], float_half_product_rows[], float_element_rows[], float_complex_rows[];
extern const struct vector_row float_bfloat_rows[], float_bfloat_element_rows[], float_bfloat_misc_rows[];
extern const struct vector_row float_misc_rows[], float_misc_no_half_rows[], float_across_rows[], float_pairwise_rows[], float_shift_rows[];

/* The handler of an allocated instruction, or the one that traps where floating point is not enabled. */
a64_fn *vector_trapped(struct a64_decode *decode, a64_fn *run);

/* Modified immediates (vector_move.c) and scalar floating point (float_scalar.c) have operands that are not rows. */
a64_fn *decode_modified_immediate(struct a64_insn *insn);
a64_fn *decode_float_scalar(struct a64_insn *insn);
/* BFCVT (float_bfloat.c), which is among the latter. */
a64_fn float_bfcvt;
/* The handler that has the host's unit do the work, and leaves to `general` what that cannot (float_fast.c); or `general`. */
a64_fn *float_fast(struct a64_insn *insn, a64_fn *general);

#endif
