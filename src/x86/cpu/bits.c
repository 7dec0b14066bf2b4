/*
 * BT, BTS, BTR, BTC with bit strings in memory; BSF, BSR, POPCNT, CRC32. BMI's and ABM's TZCNT and LZCNT are BSF and BSR until
 * CPUID says otherwise: their encodings are those with a prefix that older processors ignore.
 */
#include "x86/cpu/atomic.h"

TEMPLATE uint64_t bit_result(enum bit_op op, uint64_t value, uint64_t bit)
{
	switch (op) {
	case BIT_SET: return value | bit;
	case BIT_RESET: return value & ~bit;
	case BIT_COMPLEMENT: return value ^ bit;
	default: return value;
	}
}

/* ---- In a register. ---- */

TEMPLATE enum step bit_register(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum bit_op op, unsigned int size, bool immediate)
{
	unsigned int position = (unsigned int)(immediate ? insn->imm : cpu->gpr[insn->rm]) % (8 * size);
	uint64_t value = (uint64_t)gpr_get(cpu, insn->reg, size);

	(void)path;
	if (op != BIT_TEST)
		gpr_set(cpu, insn->reg, size, bit_result(op, value, UINT64_C(1) << position));
	flags_carry_only(cpu, value >> position & 1);
	return STEP_NEXT;
}

/* ---- In memory: a register's bit offset reaches 2^63 bits either way (SDM Vol. 1, 3.4.5 and Vol. 2A, BT). ---- */

/* Sets `position` to the bit's number in the operand and returns how many bytes away from its address the operand is. */
TEMPLATE int64_t bit_displacement(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, bool immediate, unsigned int *position)
{
	int64_t offset = immediate ? (int64_t)insn->imm : gpr_get(cpu, insn->reg, size);

	*position = (uint64_t)offset % (8 * size);
	/* An immediate offset stays within the operand. */
	return immediate ? 0 : (offset - *position) / 8;
}

TEMPLATE enum step bit_memory(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum bit_op op, unsigned int size, bool immediate)
{
	unsigned int position;
	int64_t value, displacement = bit_displacement(cpu, insn, size, immediate, &position);
	struct modify modify = { 0 };
	enum step step;

	step = operand_linear(cpu, insn, path, displacement, size, op == BIT_TEST ? ACCESS_READ : ACCESS_RMW, &modify.linear);
	if (step == STEP_NEXT)
		step = op == BIT_TEST ? load_at(cpu, insn, path, modify.linear, size, &value) : modify_begin_at(cpu, insn, path, size, &modify, &value);
	if (step == STEP_NEXT && op != BIT_TEST)
		step = modify_end(cpu, insn, path, size, &modify, bit_result(op, (uint64_t)value, UINT64_C(1) << position));
	if (step == STEP_NEXT)
		flags_carry_only(cpu, (uint64_t)value >> position & 1);
	return step;
}

TEMPLATE enum step bit_locked(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum bit_op op, unsigned int size, bool immediate)
{
	unsigned int position;
	int64_t displacement = bit_displacement(cpu, insn, size, immediate, &position);
	uint64_t linear, seen, bit = UINT64_C(1) << position;
	struct locked locked;

	operand_linear(cpu, insn, path, displacement, size, ACCESS_RMW, &linear);
	if (!locked_begin_at(cpu, insn, linear, size, &locked))
		return STEP_LEAVE;
	do {
		seen = locked_peek(&locked, size);
		if (!locked_compare_exchange(cpu, insn, size, &locked, seen, bit_result(op, seen, bit)))
			return STEP_LEAVE;
	} while (unlikely((locked.old ^ seen) & size_mask(size)));
	flags_carry_only(cpu, locked.old >> position & 1);
	return STEP_NEXT;
}

/* `extra`: the operation, 4 added for an immediate offset. */
HANDLER_SLOW(bit_memory_slow, bit_memory, insn->extra & 3, insn->size, insn->extra & 4)

#define FOR_SIZES(X, op) X(op, 2) X(op, 4) X(op, 8)
#define FOR_ALL(X) FOR_SIZES(X, TEST) FOR_SIZES(X, SET) FOR_SIZES(X, RESET) FOR_SIZES(X, COMPLEMENT)
#define DEFINE(op, size)                                                                                           \
	HANDLER_SLOW(bit_##op##_##size##_register, bit_register, BIT_##op, size, false)                            \
	HANDLER_SLOW(bit_##op##_##size##_immediate, bit_register, BIT_##op, size, true)                            \
	HANDLER(bit_##op##_##size##_memory, bit_memory_slow, bit_memory, BIT_##op, size, false)                    \
	HANDLER(bit_##op##_##size##_memory_immediate, bit_memory_slow, bit_memory, BIT_##op, size, true)           \
	HANDLER_SLOW(bit_##op##_##size##_locked, bit_locked, BIT_##op, size, insn->extra & 4)
#define ENTRY(op, size)                                                                                            \
	[BIT_##op][size] = { bit_##op##_##size##_register, bit_##op##_##size##_immediate, bit_##op##_##size##_memory, \
			     bit_##op##_##size##_memory_immediate, bit_##op##_##size##_locked },

FOR_ALL(DEFINE)
static insn_fn *const bit_handlers[BIT_OPS][9][5] = { FOR_ALL(ENTRY) };

bool bit_test_decode(struct decoder *d, struct insn *insn, unsigned int op)
{
	enum form form = decode_form(d, insn);
	bool memory = form == FORM_MR || form == FORM_MI, immediate = form == FORM_RI || form == FORM_MI, locked = insn->flags & INSN_LOCK;

	if (locked && (!memory || op == BIT_TEST))
		return false;
	insn->extra = op | (immediate ? 4 : 0);
	insn->run = bit_handlers[op][insn->size][locked ? 4 : (memory ? 2 : 0) + immediate];
	return true;
}

/* ---- BSF, BSR: a source of 0 leaves the destination as it is, all of it. ZF says so; other flags are undefined. ---- */

TEMPLATE enum step bit_scan(struct x86_vcpu *cpu, const struct insn *insn, enum path path, bool reverse, unsigned int size, bool memory)
{
	enum step step = STEP_NEXT;
	uint64_t bits;
	int64_t value;

	if (memory)
		step = load(cpu, insn, path, size, &value);
	else
		value = gpr_get(cpu, insn->rm, size);
	if (step != STEP_NEXT)
		return step;
	bits = (uint64_t)value & size_mask(size);
	if (bits)
		gpr_set(cpu, insn->reg, size, (uint64_t)(reverse ? 63 - __builtin_clzll(bits) : __builtin_ctzll(bits)));
	flags_apart_set(cpu, size, value, 0);
	return STEP_NEXT;
}

/* `extra` is 1 for BSR. */
HANDLER_SLOW(bit_scan_slow, bit_scan, insn->extra, insn->size, true)

#define FOR_SCAN_SIZES(X) X(2) X(4) X(8)
#define DEFINE_SCAN(size)                                                                     \
	HANDLER_SLOW(bit_scan_forward_##size##_register, bit_scan, false, size, false)        \
	HANDLER(bit_scan_forward_##size##_memory, bit_scan_slow, bit_scan, false, size, true) \
	HANDLER_SLOW(bit_scan_reverse_##size##_register, bit_scan, true, size, false)         \
	HANDLER(bit_scan_reverse_##size##_memory, bit_scan_slow, bit_scan, true, size, true)
#define ENTRY_SCAN(size)                                                                      \
	[size] = { bit_scan_forward_##size##_register, bit_scan_forward_##size##_memory,      \
		   bit_scan_reverse_##size##_register, bit_scan_reverse_##size##_memory },

FOR_SCAN_SIZES(DEFINE_SCAN)
static insn_fn *const bit_scan_handlers[9][4] = { FOR_SCAN_SIZES(ENTRY_SCAN) };

bool bit_scan_decode(struct decoder *d, struct insn *insn, unsigned int reverse)
{
	enum form form = decode_form(d, insn);

	insn->extra = reverse;
	insn->run = bit_scan_handlers[insn->size][2 * reverse + (form == FORM_RM)];
	return true;
}

/* ---- POPCNT. ---- */

TEMPLATE enum step population(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size, bool memory)
{
	enum step step = STEP_NEXT;
	int64_t value;

	if (memory)
		step = load(cpu, insn, path, size, &value);
	else
		value = gpr_get(cpu, insn->rm, size);
	if (step != STEP_NEXT)
		return step;
	gpr_set(cpu, insn->reg, size, (uint64_t)__builtin_popcountll((uint64_t)value & size_mask(size)));
	flags_arithmetic_set(cpu, value == 0 ? FLAG_ZF : 0);
	return STEP_NEXT;
}

HANDLER_SLOW(population_register, population, insn->size, false)
HANDLER_SLOW(population_memory, population, insn->size, true)

bool population_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	insn->run = decode_form(d, insn) == FORM_RM ? population_memory : population_register;
	return true;
}

/* ---- CRC32: the polynomial 0x11edc6f41 (Castagnoli's), bits reversed; no flags. ---- */

static uint32_t crc32c(uint32_t crc, uint64_t data, unsigned int size)
{
	/* Remainders of the sixteen values of four bits. */
	static const uint32_t nibbles[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	for (unsigned int i = 0; i < 2 * size; i++, data >>= 4)
		crc = crc >> 4 ^ nibbles[(crc ^ data) & 15];
	return crc;
}

TEMPLATE enum step crc32(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size, bool memory)
{
	enum step step = STEP_NEXT;
	int64_t value;

	if (memory)
		step = load(cpu, insn, path, size, &value);
	else
		value = gpr_get(cpu, insn->rm, size);
	if (step == STEP_NEXT)
		cpu->gpr[insn->reg] = crc32c((uint32_t)cpu->gpr[insn->reg], (uint64_t)value, size);
	return step;
}

HANDLER_SLOW(crc32_register, crc32, insn->size, false)
HANDLER_SLOW(crc32_memory, crc32, insn->size, true)

bool crc32_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	bool memory = decode_form(d, insn) == FORM_RM;

	(void)argument;
	insn->size = (uint8_t)(d->op[1].size / 8);
	insn->run = memory ? crc32_memory : crc32_register;
	return true;
}
