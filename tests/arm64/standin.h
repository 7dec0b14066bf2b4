/*
 * What the interpreter's vector files need of the rest of it, in small: a block of one instruction, and memory that is the case's data.
 */
#ifndef TESTS_ARM64_STANDIN_H
#define TESTS_ARM64_STANDIN_H

#include <stdbool.h>
#include <stdint.h>

#include "arm64/cpu/insn.h"
#include "vector_case.h"

/* Decodes the word for that vCPU, at that address; false: unallocated. */
bool standin_decode(const struct arm64_vcpu *cpu, uint32_t word, uint64_t pc, struct a64_insn block[2]);

/* Executes the case's instruction on `cpu` from its `in` state, and stores what it leaves to `out`. */
enum outcome standin_run(struct arm64_vcpu *cpu, const struct vector_case *c, uint64_t pc, struct machine *out);

/* A vCPU to run cases on. */
struct arm64_vcpu *standin_create(void);

#endif
