/*
 * For decode functions: register numbers to indices into x[].
 */
#ifndef ANYKVM_ARM64_CPU_DECODE_H
#define ANYKVM_ARM64_CPU_DECODE_H

#include "arm64/cpu/insn.h"

#define TEMPLATE static inline __attribute__((always_inline))

/* Register 31 is XZR: where it is read; where it is written. */
static inline uint8_t reg_read(uint32_t number)
{
	return (uint8_t)number; /* X_ZERO is 31 */
}

static inline uint8_t reg_write(uint32_t number)
{
	return number == 31 ? X_SINK : (uint8_t)number;
}

/* Register 31 is SP. */
static inline uint8_t reg_sp(const struct a64_decode *decode, uint32_t number)
{
	if (number != 31)
		return (uint8_t)number;
	return decode->mode & A64_MODE_SP_EL1 ? X_SP_EL1 : X_SP_EL0;
}

/*
 * A handler that goes on if `done` holds: for what has locals whose addresses are taken, which must be gone when the next instruction is called, or
 * the call is no jump.
 */
#define HANDLER_IF(name, done)                                                      \
	static __attribute__((noinline)) void name(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{                                                                           \
		if (done)                                                           \
			a64_next(cpu, insn);                                        \
	}

/* Decodes the instruction `insn->word`, whose `offset` is set; always gives it a handler (decode.c). */
void a64_decode(struct a64_decode *decode, struct a64_insn *insn);

/* Of the groups inside groups. */
a64_fn *decode_atomic(struct a64_decode *decode, struct a64_insn *insn);    /* LSE: atomic.c */
a64_fn *decode_exclusive(struct a64_decode *decode, struct a64_insn *insn); /* exclusives, ordered, CAS: exclusive.c */
a64_fn *decode_system(struct a64_decode *decode, struct a64_insn *insn);    /* system.c */
a64_fn *decode_crc(struct a64_decode *decode, struct a64_insn *insn);       /* crc.c */
a64_fn *decode_pac_one(struct a64_decode *decode, struct a64_insn *insn);   /* one source: pac.c */
a64_fn *decode_pac_hint(struct a64_decode *decode, struct a64_insn *insn);  /* hints: pac.c */

#endif
