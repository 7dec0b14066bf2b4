/*
 * RFLAGS. The six arithmetic flags are lazy: an instruction leaves its operands behind, and only who asks for a flag computes
 * it. SDM Vol. 1, 3.4.3.1 says what each flag means.
 *
 * cc_op is CC_FLAGS (the flags stand in rflags) or an operation times four plus log2 of the operand size. cc_left and
 * cc_right are its operands, sign-extended from the operand size: so signed and unsigned comparisons of the operands are 64-bit
 * comparisons whatever the size, and most conditions need nothing else. No other file knows these fields.
 */
#ifndef ANYKVM_X86_CPU_FLAGS_H
#define ANYKVM_X86_CPU_FLAGS_H

#include "x86/vcpu.h"

enum cc_op {
	CC_FLAGS = 0,
	CC_SUB = 1,   /* left - right; AND, OR, XOR and TEST are their result minus 0 */
	CC_SUB_C = 2, /* the same, but CF is in cc_carry (DEC, BT) */
	CC_INC = 3,   /* left - -1 with AF of left + 1; CF is in cc_carry */
	CC_APART = 4, /* ZF, SF and PF of left - right; CF, OF and AF are in cc_carry (ADC, shifts, MUL) */
	CC_ADD = 5,   /* left + right */
	CC_HOST = 6,  /* all in cc_carry as an x86 host has them: what LAHF leaves in AH, and OF in AL (native code) */
};

uint32_t flags_compute(const struct x86_vcpu *cpu); /* the six of them, from the lazy state; cc_op is not CC_FLAGS */

/* The whole of RFLAGS. */
static inline uint64_t flags_get(const struct x86_vcpu *cpu)
{
	if (cpu->cc_op == CC_FLAGS)
		return cpu->rflags;
	return (cpu->rflags & ~(uint64_t)FLAGS_ARITHMETIC) | flags_compute(cpu);
}

/* Sets the whole of RFLAGS. The caller has the rules for reserved bits, and calls cpu_state_changed() when VM, AC or TF may have changed. */
static inline void flags_set(struct x86_vcpu *cpu, uint64_t flags)
{
	cpu->rflags = flags;
	cpu->cc_op = CC_FLAGS;
}

/* Brings the arithmetic flags into rflags, for code that changes some of them. */
static inline void flags_settle(struct x86_vcpu *cpu)
{
	flags_set(cpu, flags_get(cpu));
}

static inline void flags_arithmetic_set(struct x86_vcpu *cpu, uint32_t flags)
{
	cpu->rflags = (cpu->rflags & ~(uint64_t)FLAGS_ARITHMETIC) | flags;
	cpu->cc_op = CC_FLAGS;
}

/* ---- What instructions leave behind. `size` is in bytes and constant; operands are sign-extended from it. ---- */

static inline __attribute__((always_inline)) void flags_lazy(struct x86_vcpu *cpu, enum cc_op op, unsigned int size, int64_t left, int64_t right)
{
	cpu->cc_op = op * 4 + (unsigned int)__builtin_ctz(size);
	cpu->cc_left = (uint64_t)left;
	cpu->cc_right = (uint64_t)right;
}

/* Whether cc_op is one of `first` ... `last`. */
static inline __attribute__((always_inline)) bool flags_are(const struct x86_vcpu *cpu, enum cc_op first, enum cc_op last)
{
	return cpu->cc_op - first * 4 < (last - first + 1) * 4;
}

/* CF alone. */
static inline __attribute__((always_inline)) uint32_t flags_carry(const struct x86_vcpu *cpu)
{
	unsigned int shift = 64 - (8u << cpu->cc_op % 4);
	uint64_t sum;

	if (flags_are(cpu, CC_SUB, CC_SUB))
		return cpu->cc_left < cpu->cc_right;
	if (flags_are(cpu, CC_SUB_C, CC_APART))
		return cpu->cc_carry & FLAG_CF;
	if (flags_are(cpu, CC_ADD, CC_ADD))
		return __builtin_add_overflow(cpu->cc_left << shift, cpu->cc_right << shift, &sum);
	if (flags_are(cpu, CC_HOST, CC_HOST))
		return cpu->cc_carry >> 8 & FLAG_CF;
	return (uint32_t)cpu->rflags & FLAG_CF;
}

/* ZF, SF and PF of `value`; `apart` has CF, OF and AF. */
static inline __attribute__((always_inline)) void flags_apart_set(struct x86_vcpu *cpu, unsigned int size, int64_t value, uint32_t apart)
{
	flags_lazy(cpu, CC_APART, size, value, 0);
	cpu->cc_carry = apart;
}

/* Changes CF and OF (each 0 or 1) and no other flag. */
static inline __attribute__((always_inline)) void flags_carry_overflow_set(struct x86_vcpu *cpu, uint32_t carry, uint32_t overflow)
{
	uint32_t flags = carry * FLAG_CF | overflow * FLAG_OF, size_index = cpu->cc_op % 4, shift = 64 - (8u << size_index);
	uint64_t left = cpu->cc_left, right = cpu->cc_right;

	if (flags_are(cpu, CC_SUB, CC_SUB_C)) {
		flags |= (left ^ right ^ (left - right)) & FLAG_AF;
	} else if (flags_are(cpu, CC_APART, CC_APART)) {
		flags |= cpu->cc_carry & FLAG_AF;
	} else if (flags_are(cpu, CC_ADD, CC_ADD)) {
		flags |= (left ^ right ^ (left + right)) & FLAG_AF;
		cpu->cc_left = (uint64_t)((int64_t)((left + right) << shift) >> shift);
		cpu->cc_right = 0;
	} else if (flags_are(cpu, CC_INC, CC_INC)) {
		flags |= (~left ^ right ^ (left - right)) & FLAG_AF;
	} else if (flags_are(cpu, CC_HOST, CC_HOST)) {
		cpu->cc_carry = (cpu->cc_carry & ~(FLAG_CF << 8 | 1)) | carry << 8 | overflow;
		return;
	} else {
		cpu->rflags = (cpu->rflags & ~(uint64_t)(FLAG_CF | FLAG_OF)) | flags;
		return;
	}
	cpu->cc_op = CC_APART * 4 + size_index;
	cpu->cc_carry = flags;
}

/* Changes CF (0 or 1) and not ZF; the others are undefined (BT). */
static inline __attribute__((always_inline)) void flags_carry_only(struct x86_vcpu *cpu, uint32_t carry)
{
	if (flags_are(cpu, CC_SUB, CC_SUB_C)) {
		cpu->cc_op = CC_SUB_C * 4 + cpu->cc_op % 4;
		cpu->cc_carry = carry;
		return;
	}
	flags_carry_overflow_set(cpu, carry, 0);
}

/* Brings the arithmetic flags into the form of CC_HOST. */
static inline void flags_host_prepare(struct x86_vcpu *cpu)
{
	uint32_t flags;

	if (flags_are(cpu, CC_HOST, CC_HOST))
		return;
	flags = (uint32_t)flags_get(cpu);
	cpu->cc_carry = (flags & (FLAGS_ARITHMETIC & 0xff)) << 8 | (flags & FLAG_OF) / FLAG_OF;
	cpu->cc_op = CC_HOST * 4;
}

/* ---- Condition codes as encoded in Jcc, SETcc, CMOVcc: SDM Vol. 1, appendix B. ---- */
enum condition { CONDITION_O = 0, CONDITION_B = 2, CONDITION_Z = 4, CONDITION_BE = 6, CONDITION_S = 8, CONDITION_P = 10, CONDITION_L = 12, CONDITION_LE = 14 };

/* Any condition (an odd one is the negation of the even one before it). */
bool flags_condition(const struct x86_vcpu *cpu, unsigned int condition);

/* The same for a constant condition after the usual comparisons, without computing flags. -1: ask flags_condition(). */
static inline __attribute__((always_inline)) int flags_condition_fast(const struct x86_vcpu *cpu, unsigned int condition)
{
	uint64_t left = cpu->cc_left, right = cpu->cc_right;
	bool negate = condition & 1;

	switch (condition & ~1u) {
	case CONDITION_B:
		if (flags_are(cpu, CC_SUB_C, CC_APART))
			return (cpu->cc_carry & FLAG_CF) ^ negate;
		return flags_are(cpu, CC_SUB, CC_SUB) ? (left < right) ^ negate : -1;
	case CONDITION_BE:
		return flags_are(cpu, CC_SUB, CC_SUB) ? (left <= right) ^ negate : -1;
	case CONDITION_Z:
		return flags_are(cpu, CC_SUB, CC_APART) ? (left == right) ^ negate : -1;
	case CONDITION_S:
		return flags_are(cpu, CC_SUB, CC_APART) ? (int)((left - right) >> ((8u << cpu->cc_op % 4) - 1) & 1) ^ negate : -1;
	case CONDITION_L:
		return flags_are(cpu, CC_SUB, CC_INC) ? ((int64_t)left < (int64_t)right) ^ negate : -1;
	case CONDITION_LE:
		return flags_are(cpu, CC_SUB, CC_INC) ? ((int64_t)left <= (int64_t)right) ^ negate : -1;
	default:
		return -1;
	}
}

#endif
