/*
 * Fetching code at cpu->pc: what block.c asks of mmu.c.
 */
#ifndef ANYKVM_ARM64_CPU_FETCH_H
#define ANYKVM_ARM64_CPU_FETCH_H

#include "arm64/vcpu.h"

/* Whether cpu->pc may be fetched from as far as it alone says: a tag that is ignored there is taken off. False: an exception was raised
 * (misaligned, or PSTATE.IL). */
bool a64_fetch_check(struct arm64_vcpu *cpu);

/* Makes the fetch translation of cpu->pc's page. False: an exception was raised. */
bool a64_fetch_fill(struct arm64_vcpu *cpu);

/* The instruction at cpu->pc, on the slow path. False: an exception or an error was raised. */
bool a64_fetch(struct arm64_vcpu *cpu, uint32_t *word);

#endif
