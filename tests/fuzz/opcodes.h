/*
 * The opcode table of the differential tester: our own account of where x86-64-v2 keeps its user-level instructions, kept apart from the
 * decoder's so that neither can hide the other's gaps. It names encodings, not meanings.
 */
#ifndef ANYKVM_TESTS_FUZZ_OPCODES_H
#define ANYKVM_TESTS_FUZZ_OPCODES_H

#include <stddef.h>
#include <stdint.h>

enum opcode_map { MAP_1, MAP_0F, MAP_0F38, MAP_0F3A };

/* Mandatory prefixes, as a set. For integer opcodes NP: there 66, F2 and F3 are modifiers, which the generator adds by itself. */
enum { PP_NP = 1, PP_66 = 2, PP_F3 = 4, PP_F2 = 8, PP_66F2 = 16 };

enum opcode_form { FORM_ANY, FORM_MEM, FORM_REG };

enum {
	ROW_LOCK = 1,	/* LOCK is valid with a memory destination */
	ROW_REP = 2,	/* a string instruction */
	ROW_32 = 4,	/* not in 64-bit mode */
	ROW_64 = 8,	/* only there */
};

struct opcode_row {
	uint8_t map, first, last;	/* opcode bytes */
	uint8_t low;			/* set of values of the opcode's low three bits */
	uint8_t pp;
	uint8_t form;			/* of the ModRM byte, where there is one */
	uint8_t slash;			/* set of values of its reg field */
	uint8_t flags;
	uint8_t group;
	uint8_t weight;
};

extern const struct opcode_row opcode_rows[];
extern const size_t opcode_row_count;

#endif
