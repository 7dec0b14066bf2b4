/*
 * Between the files about system instructions.
 */
#ifndef ANYKVM_ARM64_CPU_SYSTEM_H
#define ANYKVM_ARM64_CPU_SYSTEM_H

#include "arm64/cpu/decode.h"
#include "arm64/cpu/exec.h"

/* op0, op1, CRn, CRm and op2 as they stand in the instruction, moved down to bit 0. */
#define SYSTEM_ENCODING(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

static inline unsigned int system_encoding(uint32_t word)
{
	return bits(word, 20, 5);
}

/* EC 0x18: a system instruction or register that something traps here. Also a handler. */
a64_fn a64_system_trap;

a64_fn *decode_system_register(struct a64_decode *decode, struct a64_insn *insn); /* MRS, MSR: system_registers.c */
a64_fn *decode_maintenance(struct a64_decode *decode, struct a64_insn *insn);     /* SYS: maintenance.c */

/* Whether something that was masked can be taken now that PSTATE or MDSCR_EL1 has changed. */
bool a64_attention(const struct arm64_vcpu *cpu);

#endif
