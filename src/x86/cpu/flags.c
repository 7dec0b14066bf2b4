/*
 * Arithmetic flags from what instructions left behind. Knows operands and sizes, no instructions.
 */
#include "x86/cpu/flags.h"

uint32_t flags_compute(const struct x86_vcpu *cpu)
{
	unsigned int op = cpu->cc_op / 4, shift = 64 - (8u << cpu->cc_op % 4);
	uint64_t left = cpu->cc_left, right = cpu->cc_right, value = op == CC_ADD ? left + right : left - right;
	/* At the top of a 64-bit word, carries and overflows of any size are those of 64-bit arithmetic. */
	uint64_t high_left = left << shift, high_right = right << shift, unsigned_result;
	int64_t signed_result;
	uint32_t flags = 0;

	if (op == CC_HOST)
		return (cpu->cc_carry >> 8 & FLAGS_ARITHMETIC & 0xff) | (cpu->cc_carry & 1) * FLAG_OF;
	if (op == CC_ADD) {
		flags |= __builtin_add_overflow(high_left, high_right, &unsigned_result) ? FLAG_CF : 0;
		flags |= __builtin_add_overflow((int64_t)high_left, (int64_t)high_right, &signed_result) ? FLAG_OF : 0;
	} else {
		flags |= __builtin_sub_overflow(high_left, high_right, &unsigned_result) ? FLAG_CF : 0;
		flags |= __builtin_sub_overflow((int64_t)high_left, (int64_t)high_right, &signed_result) ? FLAG_OF : 0;
	}
	if (op == CC_SUB_C || op == CC_INC)
		flags = (flags & FLAG_OF) | (cpu->cc_carry & FLAG_CF);
	flags |= (left ^ right ^ value) & FLAG_AF;
	if (op == CC_INC)
		flags ^= FLAG_AF; /* left - -1 borrows where left + 1 does not carry */
	if (op == CC_APART)
		flags = cpu->cc_carry;
	flags |= unsigned_result == 0 ? FLAG_ZF : 0;
	flags |= unsigned_result >> 63 ? FLAG_SF : 0;
	flags |= __builtin_parity((uint8_t)value) ? 0 : FLAG_PF;
	return flags;
}

bool flags_condition(const struct x86_vcpu *cpu, unsigned int condition)
{
	uint32_t flags = (uint32_t)flags_get(cpu);
	bool less = !(flags & FLAG_SF) != !(flags & FLAG_OF), holds = false;

	switch (condition & ~1u & 15) {
	case CONDITION_O: holds = flags & FLAG_OF; break;
	case CONDITION_B: holds = flags & FLAG_CF; break;
	case CONDITION_Z: holds = flags & FLAG_ZF; break;
	case CONDITION_BE: holds = flags & (FLAG_CF | FLAG_ZF); break;
	case CONDITION_S: holds = flags & FLAG_SF; break;
	case CONDITION_P: holds = flags & FLAG_PF; break;
	case CONDITION_L: holds = less; break;
	case CONDITION_LE: holds = less || flags & FLAG_ZF; break;
	}
	return holds ^ (condition & 1);
}
