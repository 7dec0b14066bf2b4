/*
 * How an architecture's register ids are written down: sets of rows. One file an architecture has them; reg.c reads them. Data only:
 * knows no VM.
 */
#ifndef ANYKVM_REG_TABLE_H
#define ANYKVM_REG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "anykvm/kvm.h"
#include "anykvm/reg.h"

/* Size bits of an id, as log2 of bytes. */
enum { BITS8, BITS16, BITS32, BITS64, BITS128, BITS256, BITS512, BITS1024, BITS2048 };

/* Registers of one kind, numbered in their names: "x%u" with first 0, count 31. */
struct reg_row {
	uint32_t index;   /* of the first, in the set's index bits */
	uint16_t count;   /* how many; 0 is one, whose name has no number */
	uint16_t step;    /* from one's index to the next; 0 is 1 */
	uint8_t first;    /* the number in the first one's name */
	uint8_t size;     /* BITS... */
	const char *name; /* with one %u when there are several */
	const char *alias; /* other names for them, separated by blanks, with %u likewise; or NULL */
};

/* Ids that share the bits of `mask` (architecture bits included, size bits not): what is left of the low 32 bits is the index. */
struct reg_set {
	uint64_t bits, mask;
	const char *title; /* "system register": for descriptions */
	const struct reg_row *rows; /* by index, ascending; rows do not interleave unless each index belongs to one of them */
	uint32_t count;
	/* What an id's fields are, as ", op0 3, op1 0"; NULL: ", index N" will do. Returns what snprintf() does. */
	int (*describe)(uint64_t id, char *text, size_t room);
	/* Systematic names of ids that no row names, both ways; or NULL. false: this id (name) has none. */
	bool (*name)(uint64_t id, char *name, size_t room);
	bool (*parse)(const char *name, uint64_t *id);
	/* What of an id must be zero or is out of range, in words; NULL when nothing is wrong. Not called for ids that rows have. */
	const char *(*wrong)(uint64_t id);
	/* What may stand before these registers' names, separated by blanks, longer ones first ("msr_ia32_ msr_"); or NULL. */
	const char *prefixes;
};

struct reg_arch {
	uint64_t bits;     /* KVM_REG_X86 ... */
	const char *name;  /* "x86" */
	const char *machines; /* what uname(2) calls such machines, separated by blanks */
	const struct reg_set *sets;
	uint32_t count;
	/* What is wrong with an id that belongs to no set, in words; NULL: it is of no kind. */
	const char *(*wrong)(uint64_t id);
};

extern const struct reg_arch reg_x86, reg_arm, reg_arm64, reg_riscv, reg_ppc, reg_s390, reg_mips, reg_loongarch;

#endif
