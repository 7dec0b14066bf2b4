/*
 * A small assembler for x86-64 hosts: bytes of the few instruction shapes that native code is made of. Registers are numbers as
 * encoded. SDM Vol. 2A, 2.1 and 2.2. Knows nothing of guests.
 */
#ifndef ANYKVM_CORE_EMIT_H
#define ANYKVM_CORE_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define REGISTER_NONE 0xff
enum { EMIT_RSP = 4, EMIT_RBP = 5 }; /* what ModRM and SIB encode otherwise */

/* What is written while `at` is at `end` is lost, and `full` tells: looked at once, when all is written. */
struct emitter {
	uint8_t *at, *end;
	bool full;
};

/* A memory operand: base and index may be REGISTER_NONE, though not both. */
struct address {
	uint8_t base, index, scale;
	int32_t disp;
};

static inline struct address address_of(uint8_t base, int32_t disp)
{
	return (struct address){ base, REGISTER_NONE, 0, disp };
}

/* Everything but the operands: opcode with its escape bytes (0x0fb6), operand size in bytes, and what else the prefixes need. */
struct opcode {
	uint32_t code;
	uint8_t size;
	uint8_t prefix;  /* mandatory: F2, F3; 0: none */
	bool rex;        /* even when nothing in it is set: SPL ... DIL */
};

/* Opcodes that are used by number: reg = reg OP rm. */
enum { OPCODE_ADD = 0x03, OPCODE_OR = 0x0b, OPCODE_AND = 0x23, OPCODE_SUB = 0x2b, OPCODE_XOR = 0x33, OPCODE_CMP = 0x3b, OPCODE_TEST = 0x85, OPCODE_STORE = 0x89, OPCODE_LOAD = 0x8b };
enum condition_code {
	IF_OVERFLOW = 0, IF_BELOW = 2, IF_NOT_BELOW = 3, IF_ZERO = 4, IF_NOT_ZERO = 5, IF_ABOVE = 7, IF_SIGN = 8, IF_NOT_SIGN = 9, IF_NOT_LESS = 13, IF_GREATER = 15,
};

static inline void emit_bytes(struct emitter *e, const void *bytes, size_t count)
{
	if ((size_t)(e->end - e->at) < count) {
		e->full = true;
		return;
	}
	memcpy(e->at, bytes, count);
	e->at += count;
}

static inline void emit_8(struct emitter *e, unsigned int byte)
{
	uint8_t value = (uint8_t)byte;

	emit_bytes(e, &value, 1);
}

static inline void emit_32(struct emitter *e, uint32_t value)
{
	emit_bytes(e, &value, 4);
}

/* Prefixes and opcode; the registers only lend their upper bits. */
static inline void emit_opcode(struct emitter *e, struct opcode o, uint8_t reg, uint8_t index, uint8_t base)
{
	unsigned int rex = (o.size == 8) << 3 | (reg >> 3 & 1) << 2 | (index != REGISTER_NONE && index & 8) << 1 | (base != REGISTER_NONE && base & 8);

	if (o.size == 2)
		emit_8(e, 0x66);
	if (o.prefix)
		emit_8(e, o.prefix);
	if (rex || o.rex)
		emit_8(e, 0x40 | rex);
	if (o.code >> 16)
		emit_8(e, o.code >> 16);
	if (o.code >> 8)
		emit_8(e, o.code >> 8);
	emit_8(e, o.code);
}

static inline void emit_modrm_register(struct emitter *e, uint8_t reg, uint8_t rm)
{
	emit_8(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

static inline void emit_modrm_memory(struct emitter *e, uint8_t reg, struct address a)
{
	bool sib = a.index != REGISTER_NONE || a.base == REGISTER_NONE || (a.base & 7) == EMIT_RSP;
	bool none = a.base == REGISTER_NONE, byte = a.disp == (int8_t)a.disp;
	/* Without displacement the encodings of RBP and R13 mean something else. */
	unsigned int mod = none || (a.disp == 0 && (a.base & 7) != EMIT_RBP) ? 0 : byte ? 1 : 2;

	emit_8(e, mod << 6 | (reg & 7) << 3 | (sib ? EMIT_RSP : a.base & 7));
	if (sib)
		emit_8(e, a.scale << 6 | (a.index == REGISTER_NONE ? EMIT_RSP : a.index & 7) << 3 | (none ? EMIT_RBP : a.base & 7));
	if (mod == 1)
		emit_8(e, (uint8_t)a.disp);
	else if (mod == 2 || none)
		emit_32(e, (uint32_t)a.disp);
}

static inline void emit_rr(struct emitter *e, uint32_t code, uint8_t size, uint8_t reg, uint8_t rm)
{
	emit_opcode(e, (struct opcode){ code, size, 0, false }, reg, REGISTER_NONE, rm);
	emit_modrm_register(e, reg, rm);
}

static inline void emit_rm(struct emitter *e, uint32_t code, uint8_t size, uint8_t reg, struct address a)
{
	emit_opcode(e, (struct opcode){ code, size, 0, false }, reg, a.index, a.base);
	emit_modrm_memory(e, reg, a);
}

/* With a memory operand at a place in the code or beside it. */
static inline void emit_r_rip(struct emitter *e, struct opcode o, uint8_t reg, const uint8_t *place)
{
	emit_opcode(e, o, reg, REGISTER_NONE, REGISTER_NONE);
	emit_8(e, (reg & 7) << 3 | EMIT_RBP);
	emit_32(e, (uint32_t)(place - (e->at + 4)));
}

/* ---- Whole instructions. ---- */

static inline void emit_move(struct emitter *e, uint8_t to, uint8_t from)
{
	emit_rr(e, OPCODE_LOAD, 8, to, from);
}

static inline void emit_load(struct emitter *e, uint8_t size, uint8_t to, struct address a)
{
	emit_rm(e, OPCODE_LOAD, size, to, a);
}

static inline void emit_store(struct emitter *e, uint8_t size, uint8_t from, struct address a)
{
	emit_rm(e, OPCODE_STORE, size, from, a);
}

static inline void emit_lea(struct emitter *e, uint8_t to, struct address a)
{
	emit_rm(e, 0x8d, 8, to, a);
}

/* A constant, in the shortest way. */
static inline void emit_constant(struct emitter *e, uint8_t to, uint64_t value)
{
	bool is_signed = value > UINT32_MAX && (int64_t)value == (int32_t)value;

	emit_opcode(e, (struct opcode){ is_signed ? 0xc7 : 0xb8 | (to & 7), value > UINT32_MAX ? 8 : 4, 0, false }, 0, REGISTER_NONE, to);
	if (is_signed)
		emit_modrm_register(e, 0, to);
	emit_bytes(e, &value, value > UINT32_MAX && !is_signed ? 8 : 4);
}

/* ADD, OR, AND, SUB, XOR, CMP (by their number in opcode 81) with a constant. */
enum arithmetic { ARITHMETIC_ADD = 0, ARITHMETIC_OR = 1, ARITHMETIC_AND = 4, ARITHMETIC_SUB = 5, ARITHMETIC_XOR = 6, ARITHMETIC_CMP = 7 };
static inline void emit_arithmetic(struct emitter *e, enum arithmetic operation, uint8_t size, uint8_t reg, int32_t value)
{
	bool byte = value == (int8_t)value;

	emit_rr(e, byte ? 0x83 : 0x81, size, (uint8_t)operation, reg);
	emit_bytes(e, &value, byte ? 1 : 4);
}

enum shift_kind { ROTATE_RIGHT = 1, SHIFT_LEFT = 4, SHIFT_RIGHT = 5, SHIFT_RIGHT_SIGNED = 7 };
static inline void emit_shift(struct emitter *e, enum shift_kind kind, uint8_t size, uint8_t reg, uint8_t count)
{
	emit_rr(e, 0xc1, size, (uint8_t)kind, reg);
	emit_8(e, count);
}

/* INT3s up to a multiple of 16. */
static inline void emit_align(struct emitter *e)
{
	while (!e->full && (uint64_t)e->at % 16)
		emit_8(e, 0xcc);
}

static inline void emit_return(struct emitter *e)
{
	emit_8(e, 0xc3);
}

/* Jumps return where their 4-byte displacement stands, for jump_set(). */
static inline uint8_t *emit_jump(struct emitter *e)
{
	emit_8(e, 0xe9);
	emit_32(e, 0);
	return e->at - 4;
}

static inline uint8_t *emit_jump_if(struct emitter *e, unsigned int condition)
{
	emit_8(e, 0x0f);
	emit_8(e, 0x80 | condition);
	emit_32(e, 0);
	return e->at - 4;
}

static inline void jump_set(uint8_t *displacement, const uint8_t *target)
{
	int32_t distance = (int32_t)(target - (displacement + 4));

	memcpy(displacement, &distance, sizeof distance);
}

#endif
