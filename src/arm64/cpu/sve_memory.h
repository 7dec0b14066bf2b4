/*
 * What SVE's loads and stores share: the base register, and loads that fault only at their first element, or never.
 */
#ifndef ANYKVM_ARM64_CPU_SVE_MEMORY_H
#define ANYKVM_ARM64_CPU_SVE_MEMORY_H

#include "arm64/cpu/mem.h"
#include "arm64/cpu/sve.h"

/* Xn or SP, which must be aligned if it is used. False: it is not; the exception is recorded. */
bool sve_base(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t *base);

/* Which of a load's active elements may fault: all, only the first, none. Where another one would, it and all after it are not loaded. */
enum sve_faults { SVE_FAULTS, SVE_FAULTS_FIRST, SVE_FAULTS_NEVER };

enum sve_read {
	SVE_READ_DONE,
	SVE_READ_STOP, /* the fault is not to be taken: no more elements are loaded */
	SVE_READ_FAIL, /* the instruction does not go on */
};

/* Reads an element of `bytes`; `first`: no active one was before it. */
enum sve_read sve_read_element(struct arm64_vcpu *cpu, const struct a64_insn *insn, enum sve_faults faults, bool first, uint64_t address,
			       unsigned int bytes, uint64_t *value);

/* FFR: elements from byte `at` of the vector on were not loaded. */
void sve_not_loaded(struct arm64_vcpu *cpu, unsigned int at);

#endif
