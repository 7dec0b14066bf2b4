/*
 * What the files sve*.c share. An encoding is a row: a pattern, the handler, and what the handler needs to know beyond the instruction's
 * own fields (mostly the function of one element). Each file exports its rows; a64_decode_sve() finds the row and leaves it in insn->imm.
 *
 * Element functions take elements zero-extended to 64 bits and may return more bits than an element has: storing one drops them. `esize` is its
 * width in bits.
 */
#ifndef ANYKVM_ARM64_CPU_SVE_H
#define ANYKVM_ARM64_CPU_SVE_H

#include <string.h>

#include "arm64/cpu/fp.h"
#include "arm64/cpu/insn.h"

typedef uint64_t sve_unary(uint64_t a, unsigned int esize);
typedef uint64_t sve_binary(uint64_t a, uint64_t b, unsigned int esize);
typedef uint64_t sve_ternary(uint64_t addend, uint64_t a, uint64_t b, unsigned int esize);
typedef bool sve_test(uint64_t a, uint64_t b, unsigned int esize);
/* As fp.h has them: `size` is esize. */
typedef uint64_t sve_fp_unary(struct fp_env *env, unsigned int size, uint64_t a);
typedef uint64_t sve_fp_binary(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);
typedef uint64_t sve_fp_ternary(struct fp_env *env, unsigned int size, uint64_t addend, uint64_t a, uint64_t b);
typedef bool sve_fp_test(struct fp_env *env, unsigned int size, uint64_t a, uint64_t b);

/* The element sizes that an encoding has, as its size field says. Nothing given: all. */
enum {
	SVE_B = 1 << 0, SVE_H = 1 << 1, SVE_S = 1 << 2, SVE_D = 1 << 3,
	SVE_HSD = SVE_H | SVE_S | SVE_D,
	SVE_BHS = SVE_B | SVE_H | SVE_S,
	SVE_SD = SVE_S | SVE_D,
	/* The field: bits 23:22 (`size`), but for shifts by an immediate: the highest bit set in tszh:tszl, tszh being bits 23:22 and tszl ... */
	SVE_TSZ_9 = 1 << 4,  /* ... bits 9:8; imm3 is bits 7:5 */
	SVE_TSZ_20 = 1 << 5, /* ... bits 20:19; imm3 is bits 18:16 */
	/* Not a size: the logical immediate must be one. */
	SVE_LOGICAL = 1 << 6,
	/* Nor this: Rm must not be XZR. */
	SVE_RM = 1 << 7,
};

struct sve_row {
	uint32_t mask, value;
	a64_fn *run;
	union {
		unsigned int number; /* the handler's own */
		sve_unary *unary;
		sve_binary *binary;
		sve_ternary *ternary;
		sve_test *test;
		sve_fp_unary *fp_unary;
		sve_fp_binary *fp_binary;
		sve_fp_ternary *fp_ternary;
		sve_fp_test *fp_test;
	} op;
	uint8_t sizes; /* SVE_* */
	uint8_t arg;   /* the handler's own */
};

/* Each ends in a row without handler. */
extern const struct sve_row sve_integer_rows[];   /* sve_integer.c: arithmetic and logic */
extern const struct sve_row sve_shift_rows[];     /* sve_shift.c */
extern const struct sve_row sve_reduce_rows[];    /* sve_reduce.c: of all elements to one */
extern const struct sve_row sve_move_rows[];      /* sve_move.c: broadcasts, immediates, INDEX, MOVPRFX, vector lengths and addresses */
extern const struct sve_row sve_permute_rows[];   /* sve_permute.c: elements that change places */
extern const struct sve_row sve_compare_rows[];   /* sve_compare.c: compares of vectors, WHILE, CTERM */
extern const struct sve_row sve_predicate_rows[]; /* sve_predicate.c: predicates and FFR */
extern const struct sve_row sve_count_rows[];     /* sve_count.c: counts of elements, and counting up and down by them */
extern const struct sve_row sve_float_rows[];     /* sve_float.c: floating-point arithmetic and compares */
extern const struct sve_row sve_convert_rows[];   /* sve_convert.c: floating-point conversion and rounding */
extern const struct sve_row sve_load_rows[];      /* sve_load.c: contiguous loads */
extern const struct sve_row sve_store_rows[];     /* sve_store.c: contiguous stores */
extern const struct sve_row sve_gather_rows[];    /* sve_gather.c: gather loads, scatter stores, prefetches */
extern const struct sve_row sve_bfloat_rows[];    /* sve_bfloat.c */
extern const struct sve_row sve2_integer_rows[];  /* sve2_integer.c: saturating, halving, pairwise; shifts */
extern const struct sve_row sve2_widen_rows[];    /* sve2_widen.c: elements twice or half as wide as others */
extern const struct sve_row sve2_multiply_rows[]; /* sve2_multiply.c: multiplication and multiply-add; dot products */
extern const struct sve_row sve2_bits_rows[];     /* sve2_bits.c: bitwise ternary, bit permutes, matches, histograms, cryptography */
extern const struct sve_row sve2_float_rows[];    /* sve2_float.c */

static inline const struct sve_row *sve_row(const struct a64_insn *insn)
{
	return (const struct sve_row *)(uintptr_t)insn->imm;
}

/* ---- The fields most encodings have. ---- */

static inline union arm64_z *sve_zd(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	return &cpu->z[bits(insn->word, 4, 0)];
}

static inline union arm64_z *sve_zn(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	return &cpu->z[bits(insn->word, 9, 5)];
}

static inline union arm64_z *sve_zm(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	return &cpu->z[bits(insn->word, 20, 16)];
}

/* The governing predicate, P0 ... P7. */
static inline const union arm64_p *sve_pg(const struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	return &cpu->p[bits(insn->word, 12, 10)];
}

/* The governing predicate, P0 ... P15. */
static inline const union arm64_p *sve_pg4(const struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	return &cpu->p[bits(insn->word, 13, 10)];
}

static inline union arm64_p *sve_pd(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	return &cpu->p[bits(insn->word, 3, 0)];
}

static inline const union arm64_p *sve_pn(const struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	return &cpu->p[bits(insn->word, 8, 5)];
}

static inline const union arm64_p *sve_pm(const struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	return &cpu->p[bits(insn->word, 19, 16)];
}

/* Bytes of an element: `size`. */
static inline unsigned int sve_bytes(const struct a64_insn *insn)
{
	return 1u << bits(insn->word, 23, 22);
}

/* Where the result in a general register goes: XZR's is lost. */
static inline uint64_t *sve_x(struct arm64_vcpu *cpu, unsigned int number)
{
	return &cpu->x[number == X_ZERO ? X_SINK : number];
}

/* A general register that is SP as number 31. */
static inline uint64_t *sve_x_or_sp(struct arm64_vcpu *cpu, unsigned int number)
{
	return &cpu->x[number != X_ZERO ? number : cpu->mode & A64_MODE_SP_EL1 ? X_SP_EL1 : X_SP_EL0];
}

/* ---- Elements. ---- */

static inline __attribute__((always_inline)) uint64_t sve_get(const union arm64_z *z, unsigned int index, unsigned int bytes)
{
	switch (bytes) {
	case 1: return z->b[index];
	case 2: return z->h[index];
	case 4: return z->s[index];
	default: return z->d[index];
	}
}

static inline __attribute__((always_inline)) void sve_put(union arm64_z *z, unsigned int index, unsigned int bytes, uint64_t value)
{
	switch (bytes) {
	case 1: z->b[index] = (uint8_t)value; break;
	case 2: z->h[index] = (uint16_t)value; break;
	case 4: z->s[index] = (uint32_t)value; break;
	default: z->d[index] = value; break;
	}
}

/* Results are computed apart where they could overwrite operands. */
static inline void sve_copy(const struct arm64_vcpu *cpu, union arm64_z *to, const union arm64_z *from)
{
	memmove(to, from, cpu->vl);
}

/* A result in a SIMD&FP register: the rest of the vector register is cleared. */
static inline void sve_put_scalar(const struct arm64_vcpu *cpu, union arm64_z *z, unsigned int bytes, uint64_t value)
{
	memset(z, 0, cpu->vl);
	sve_put(z, 0, bytes, value);
}

static inline uint64_t sve_mask(unsigned int esize)
{
	return UINT64_MAX >> (64 - esize);
}

static inline int64_t sve_signed(uint64_t value, unsigned int esize)
{
	return (int64_t)(value << (64 - esize)) >> (64 - esize);
}

/* Saturated to the signed or unsigned numbers of an element. */
static inline uint64_t sve_saturate_signed(__int128 value, unsigned int esize)
{
	__int128 limit = (__int128)1 << (esize - 1);

	return (uint64_t)(value >= limit ? limit - 1 : value < -limit ? -limit : value);
}

static inline uint64_t sve_saturate_unsigned(__int128 value, unsigned int esize)
{
	return value < 0 ? 0 : value > (__int128)sve_mask(esize) ? sve_mask(esize) : (uint64_t)value;
}

/* ---- Predicates: an element is active by the bit of its first byte. ---- */

static inline bool sve_active(const union arm64_p *p, unsigned int byte)
{
	return p->b[byte / 8] >> (byte % 8) & 1;
}

static inline void sve_set_active(union arm64_p *p, unsigned int byte, bool active)
{
	p->b[byte / 8] = (uint8_t)((p->b[byte / 8] & ~(1u << byte % 8)) | (unsigned int)active << byte % 8);
}

/* The first bits of elements in a predicate's 64 bits. */
static inline uint64_t sve_element_bits(unsigned int bytes)
{
	return UINT64_MAX / ((1u << bytes) - 1);
}

/* The predicate's 64 bits for bytes 64 * i ... of the vector, as far as there are such. */
static inline uint64_t sve_predicate_bits(const struct arm64_vcpu *cpu, const union arm64_p *p, unsigned int i)
{
	return cpu->vl >= 64 * i + 64 ? p->d[i] : p->d[i] & ((UINT64_C(1) << (cpu->vl - 64 * i)) - 1);
}

/* The index of the last active element, or -1. */
static inline int sve_last_active(const struct arm64_vcpu *cpu, const union arm64_p *p, unsigned int bytes)
{
	for (unsigned int i = (cpu->vl + 63) / 64; i-- > 0;) {
		uint64_t active = sve_predicate_bits(cpu, p, i) & sve_element_bits(bytes);

		if (active)
			return (int)((64 * i + 63 - (unsigned int)__builtin_clzll(active)) / bytes);
	}
	return -1;
}

/* How many bytes of the vector there are before the first inactive element. */
static inline unsigned int sve_leading_active(const struct arm64_vcpu *cpu, const union arm64_p *p, unsigned int bytes)
{
	for (unsigned int i = 0; 64 * i < cpu->vl; i++) {
		uint64_t inactive = ~sve_predicate_bits(cpu, p, i) & sve_element_bits(bytes);

		if (inactive) /* perhaps beyond the vector */
			return 64 * i + (unsigned int)__builtin_ctzll(inactive);
	}
	return cpu->vl;
}

static inline unsigned int sve_count_active(const struct arm64_vcpu *cpu, const union arm64_p *mask, const union arm64_p *p, unsigned int bytes)
{
	unsigned int count = 0;

	for (unsigned int i = 0; 64 * i < cpu->vl; i++)
		count += (unsigned int)__builtin_popcountll(sve_predicate_bits(cpu, p, i) & mask->d[i] & sve_element_bits(bytes));
	return count;
}

/* Elements from byte `from` of the vector up to byte `to`, and no others, are made active. */
static inline void sve_predicate_fill(const struct arm64_vcpu *cpu, union arm64_p *p, unsigned int from, unsigned int to, unsigned int bytes)
{
	for (unsigned int i = 0; 64 * i < cpu->vl; i++) {
		uint64_t below = to >= 64 * i + 64 ? UINT64_MAX : to <= 64 * i ? 0 : (UINT64_C(1) << (to - 64 * i)) - 1;
		uint64_t before = from >= 64 * i + 64 ? UINT64_MAX : from <= 64 * i ? 0 : (UINT64_C(1) << (from - 64 * i)) - 1;

		p->d[i] = below & ~before & sve_element_bits(bytes);
	}
}

/* PredTest(): N: the first active element is true; Z: none is; C: the last one is not; V is clear. */
void sve_flags_set(struct arm64_vcpu *cpu, const union arm64_p *mask, const union arm64_p *result, unsigned int bytes);

/* How many of `elements` a pattern of PTRUE, CNTB ... stands for (DecodePredCount). */
unsigned int sve_pattern_count(unsigned int pattern, unsigned int elements);

/* ---- Immediates. ---- */

/* tszh:tszl:imm3 of a shift; `low` is the lowest bit of tszl:imm3, bit 5 or 16. */
static inline unsigned int sve_tsz(uint32_t word, unsigned int low)
{
	return bits(word, 23, 22) << 5 | bits(word, low + 4, low);
}

/* Bytes of the element that tszh:tszl:imm3 stands for. */
static inline unsigned int sve_tsz_bytes(unsigned int tsz)
{
	return tsz >= 64 ? 8 : tsz >= 32 ? 4 : tsz >= 16 ? 2 : 1;
}

static inline unsigned int sve_shift_left(unsigned int tsz)
{
	return tsz - 8 * sve_tsz_bytes(tsz);
}

static inline unsigned int sve_shift_right(unsigned int tsz)
{
	return 16 * sve_tsz_bytes(tsz) - tsz;
}

/* N:immr:imms in bits 17:5 (DecodeBitMasks): a run of ones rotated within an element that is repeated. 0: unallocated. */
uint64_t sve_logical_immediate(uint32_t word);

/* ---- Handlers of more than one file. ---- */

a64_fn sve_predicated;          /* Zdn = op.binary(Zdn, Zm) where Pg, Zm being bits 9:5 */
a64_fn sve_predicated_reversed; /* Zdn = op.binary(Zm, Zdn) where Pg */
a64_fn sve_unpredicated;        /* Zd = op.binary(Zn, Zm) */
a64_fn sve_merging_unary;       /* Zd = op.unary(Zn) where Pg */
a64_fn sve_accumulate;          /* Zda = op.ternary(Zda, Zn, Zm) */
a64_fn sve_shift_predicated;    /* Zdn = op.binary(Zdn, shift) where Pg; arg: left */

/* ---- Element functions of more than one file. ---- */

sve_binary sve_add, sve_sub, sve_mul, sve_and, sve_or, sve_eor, sve_bic;
sve_binary sve_smax, sve_umax, sve_smin, sve_umin, sve_sabd, sve_uabd, sve_smulh, sve_umulh;
sve_binary sve_sqadd, sve_uqadd, sve_sqsub, sve_uqsub;
sve_ternary sve_mla, sve_mls;

#endif
