/*
 * Handlers of data processing in both operand sizes.
 */
#ifndef ANYKVM_ARM64_CPU_INTEGER_H
#define ANYKVM_ARM64_CPU_INTEGER_H

#include "arm64/cpu/flags.h"

/* Defines name_4 and name_8: what the statements say of `word`, `sword` and SIZE, then the next instruction. */
#define HANDLER_SIZE(name, size, unsigned_type, signed_type, ...)                                     \
	static void name(struct arm64_vcpu *cpu, const struct a64_insn *insn)                         \
	{                                                                                             \
		enum { SIZE = size };                                                                 \
		typedef unsigned_type word __attribute__((unused));                                   \
		typedef signed_type sword __attribute__((unused));                                    \
                                                                                                      \
		__VA_ARGS__                                                                           \
		a64_next(cpu, insn);                                                                  \
	}
#define HANDLER(name, ...)                                              \
	HANDLER_SIZE(name##_4, 4, uint32_t, int32_t, __VA_ARGS__)       \
	HANDLER_SIZE(name##_8, 8, uint64_t, int64_t, __VA_ARGS__)

/* The one that the instruction's `sf` says. */
#define EITHER(name) (bit(insn->word, 31) ? name##_8 : name##_4)

#endif
