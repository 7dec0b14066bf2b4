/*
 * The page walk (walk.c): virtual to intermediate physical addresses, and why not.
 */
#ifndef ANYKVM_ARM64_CPU_WALK_H
#define ANYKVM_ARM64_CPU_WALK_H

#include "arm64/cpu/mem.h"

/* Fault status codes (ESR_EL1.DFSC, IFSC); the first four are those of level 0. */
enum {
	FSC_ADDRESS_SIZE = 0x00,
	FSC_TRANSLATION = 0x04,
	FSC_ACCESS_FLAG = 0x08,
	FSC_PERMISSION = 0x0c,
	FSC_EXTERNAL = 0x10,
	FSC_ALIGNMENT = 0x21,
	FSC_DEBUG = 0x22,
};

struct a64_walk {
	enum tlb_access access;
	bool user;    /* with EL0's permissions */
	bool pan;     /* PSTATE.PAN has a say */
	bool pretend; /* change nothing: no access flag, no dirty state */
	/* Results. */
	uint64_t ipa;
	uint8_t fsc;        /* of a fault */
	uint8_t attributes; /* MAIR_EL1's byte */
	uint8_t shareability;
};

enum a64_walk_result { WALK_OK, WALK_FAULT, WALK_HOLE /* the tables' user-space memory is not there */ };

enum a64_walk_result a64_walk(struct arm64_vcpu *cpu, struct a64_walk *walk, uint64_t address);

/* The privilege of ordinary accesses of that kind. */
static inline struct a64_walk a64_walk_make(const struct arm64_vcpu *cpu, enum tlb_access access)
{
	return (struct a64_walk){ .access = access, .user = cpu->el == 0, .pan = cpu->pstate & PSTATE_PAN };
}

#endif
