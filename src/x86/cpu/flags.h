/*
 * RFLAGS. The six arithmetic flags are lazy: an instruction leaves its result and operand behind, and only who asks for a
 * flag computes it. SDM Vol. 1, 3.4.3.1 says what each flag means.
 *
 * cc_op is CC_FLAGS (the flags stand in rflags) or an operation times four plus log2 of the operand size. cc_result is the
 * result and cc_source the second operand, both zero-extended from the operand size.
 */
#ifndef ANYKVM_X86_CPU_FLAGS_H
#define ANYKVM_X86_CPU_FLAGS_H

#include "x86/vcpu.h"

enum cc_op { CC_FLAGS = 0, CC_ADD = 1, CC_SUB = 2, CC_LOGIC = 3, CC_INC = 4, CC_DEC = 5 }; /* INC, DEC: CF is in cc_carry */

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

/* Condition codes as encoded in Jcc, SETcc, CMOVcc: SDM Vol. 1, appendix B. */
bool flags_condition(const struct x86_vcpu *cpu, unsigned int condition);

#endif
