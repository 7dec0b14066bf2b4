/*
 * MUL, IMUL, DIV, IDIV. Of the flags that the manuals leave undefined, multiplications set those of their low half; divisions
 * change none.
 */
#include "x86/cpu/operand.h"

/* ---- IMUL with two or three operands: `register` = source * (`register` or immediate). ---- */

/* The source is a register or memory; the other factor the destination or an immediate. */
enum factors { REGISTER_BY_REGISTER, REGISTER_BY_MEMORY, REGISTER_BY_IMMEDIATE, MEMORY_BY_IMMEDIATE, FACTORS_COUNT };

TEMPLATE enum step multiply(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size, enum factors factors)
{
	enum step step = STEP_NEXT;
	int64_t left, right, product;
	bool overflow;

	if (factors == REGISTER_BY_MEMORY || factors == MEMORY_BY_IMMEDIATE)
		step = load(cpu, insn, path, size, &right);
	else
		right = gpr_get(cpu, insn->rm, size);
	if (step != STEP_NEXT)
		return step;
	left = factors == REGISTER_BY_IMMEDIATE || factors == MEMORY_BY_IMMEDIATE ? (int64_t)insn->imm : gpr_get(cpu, insn->reg, size);
	overflow = __builtin_mul_overflow(left, right, &product);
	if (size < 8)
		overflow = product != sign_extend((uint64_t)product, size);
	gpr_set(cpu, insn->reg, size, (uint64_t)product);
	flags_apart_set(cpu, size, sign_extend((uint64_t)product, size), overflow * (FLAG_CF | FLAG_OF));
	return STEP_NEXT;
}

/* `extra` is the factors. */
HANDLER_SLOW(multiply_slow, multiply, insn->size, insn->extra)

#define FOR_SIZES(X) X(2) X(4) X(8)
#define DEFINE(size)                                                                             \
	HANDLER(multiply_rr_##size, multiply_slow, multiply, size, REGISTER_BY_REGISTER)         \
	HANDLER(multiply_rm_##size, multiply_slow, multiply, size, REGISTER_BY_MEMORY)           \
	HANDLER(multiply_rri_##size, multiply_slow, multiply, size, REGISTER_BY_IMMEDIATE)       \
	HANDLER(multiply_rmi_##size, multiply_slow, multiply, size, MEMORY_BY_IMMEDIATE)
#define ENTRY(size) [size] = { multiply_rr_##size, multiply_rm_##size, multiply_rri_##size, multiply_rmi_##size },

FOR_SIZES(DEFINE)
static insn_fn *const multiply_handlers[9][FACTORS_COUNT] = { FOR_SIZES(ENTRY) };

/* ---- MUL and IMUL with one operand: into AX, DX:AX, EDX:EAX, RDX:RAX. ---- */

/* High half of a product of `size`-byte factors; the low one is the product modulo 2^64. */
TEMPLATE uint64_t product_high(int64_t left, int64_t right, unsigned int size, bool is_signed)
{
	uint64_t a = (uint64_t)left & size_mask(size), b = (uint64_t)right & size_mask(size);

	if (size < 8)
		return (is_signed ? (uint64_t)(left * right) : a * b) >> (8 * size);
	return (uint64_t)((is_signed ? (unsigned __int128)((__int128)left * right) : (unsigned __int128)a * b) >> 64);
}

TEMPLATE enum step multiply_single(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size, bool is_signed, bool memory)
{
	int64_t left = gpr_get(cpu, size == 1 ? 8 * RAX : RAX, size), right;
	enum step step = STEP_NEXT;
	uint64_t low, high;
	bool overflow;

	if (memory)
		step = load(cpu, insn, path, size, &right);
	else
		right = gpr_get(cpu, insn->reg, size);
	if (step != STEP_NEXT)
		return step;
	low = (uint64_t)left * (uint64_t)right;
	high = product_high(left, right, size, is_signed);
	overflow = (high & size_mask(size)) != (is_signed ? (uint64_t)(sign_extend(low, size) >> 63) & size_mask(size) : 0);
	if (size == 1) {
		gpr_set(cpu, RAX, 2, (high & 0xff) << 8 | (low & 0xff));
	} else {
		gpr_set(cpu, RAX, size, low);
		gpr_set(cpu, RDX, size, high);
	}
	flags_apart_set(cpu, size, sign_extend(low, size), overflow * (FLAG_CF | FLAG_OF));
	return STEP_NEXT;
}

/* `extra`: bit 0 memory, bit 1 signed. */
HANDLER_SLOW(multiply_single_slow, multiply_single, insn->size, insn->extra & 2, insn->extra & 1)

#define FOR_ALL_SIZES(X) X(1) X(2) X(4) X(8)
#define DEFINE_SINGLE(size)                                                                              \
	HANDLER(mul_##size##_register, multiply_single_slow, multiply_single, size, false, false)        \
	HANDLER(mul_##size##_memory, multiply_single_slow, multiply_single, size, false, true)           \
	HANDLER(imul_##size##_register, multiply_single_slow, multiply_single, size, true, false)        \
	HANDLER(imul_##size##_memory, multiply_single_slow, multiply_single, size, true, true)
#define ENTRY_SINGLE(size) [size] = { mul_##size##_register, mul_##size##_memory, imul_##size##_register, imul_##size##_memory },

FOR_ALL_SIZES(DEFINE_SINGLE)
static insn_fn *const multiply_single_handlers[9][4] = { FOR_ALL_SIZES(ENTRY_SINGLE) };

bool multiply_single_decode(struct decoder *d, struct insn *insn, unsigned int is_signed)
{
	bool memory = decode_single(d, insn);

	insn->extra = memory | (is_signed ? 2 : 0);
	insn->run = multiply_single_handlers[insn->size][insn->extra];
	return true;
}

bool multiply_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	bool memory, immediate = d->z.operand_count_visible == 3;

	(void)argument;
	if (d->z.operand_count_visible == 1)
		return multiply_single_decode(d, insn, true);
	memory = decode_is_memory(d, 1);
	insn->size = (uint8_t)(d->op[0].size / 8);
	insn->reg = decode_gpr(d->op[0].reg.value);
	if (!memory)
		insn->rm = decode_gpr(d->op[1].reg.value);
	if (immediate)
		insn->imm = decode_immediate(d, 2, insn->size);
	insn->extra = (immediate ? REGISTER_BY_IMMEDIATE : REGISTER_BY_REGISTER) + memory;
	insn->run = multiply_handlers[insn->size][insn->extra];
	return true;
}

/* ---- DIV and IDIV. A quotient that does not fit, or a divisor of 0: #DE. ---- */

TEMPLATE bool divide_unsigned(uint64_t high, uint64_t low, uint64_t divisor, unsigned int size, uint64_t *quotient, uint64_t *remainder)
{
	unsigned __int128 dividend;

	if (high >= divisor)
		return false;
	if (size < 8) {
		low |= high << (8 * size);
		high = 0;
	}
	if (high == 0) {
		*quotient = low / divisor;
		*remainder = low % divisor;
		return true;
	}
	dividend = (unsigned __int128)high << 64 | low;
	*quotient = (uint64_t)(dividend / divisor);
	*remainder = (uint64_t)(dividend % divisor);
	return true;
}

/* On magnitudes, so that no intermediate result overflows: the quotient's sign is that of the product, the remainder's the dividend's. */
TEMPLATE bool divide_signed(uint64_t high, uint64_t low, int64_t divisor, unsigned int size, uint64_t *quotient, uint64_t *remainder)
{
	bool negative = high >> (8 * size - 1) & 1, negative_divisor = divisor < 0;
	uint64_t magnitude = negative_divisor ? -(uint64_t)divisor : (uint64_t)divisor, limit = UINT64_C(1) << (8 * size - 1);

	if (negative) {
		low = -low & size_mask(size);
		high = (~high + (low == 0)) & size_mask(size);
	}
	if (!divide_unsigned(high, low, magnitude, size, quotient, remainder))
		return false;
	if (*quotient > limit - (negative == negative_divisor))
		return false;
	if (negative != negative_divisor)
		*quotient = -*quotient;
	if (negative)
		*remainder = -*remainder;
	return true;
}

TEMPLATE enum step divide(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size, bool is_signed, bool memory)
{
	uint64_t mask = size_mask(size), low, high, quotient = 0, remainder = 0;
	enum step step = STEP_NEXT;
	int64_t divisor;
	bool fits;

	if (memory)
		step = load(cpu, insn, path, size, &divisor);
	else
		divisor = gpr_get(cpu, insn->reg, size);
	if (step != STEP_NEXT)
		return step;
	low = cpu->gpr[RAX] & mask;
	high = size == 1 ? cpu->gpr[RAX] >> 8 & mask : cpu->gpr[RDX] & mask;
	fits = is_signed ? divide_signed(high, low, divisor, size, &quotient, &remainder)
			 : divide_unsigned(high, low, (uint64_t)divisor & mask, size, &quotient, &remainder);
	if (unlikely(!fits)) {
		if (path == PATH_FAST)
			return STEP_SLOW;
		insn_fault(cpu, insn, VECTOR_DE);
		return STEP_LEAVE;
	}
	if (size == 1) {
		gpr_set(cpu, RAX, 2, (remainder & 0xff) << 8 | (quotient & 0xff));
	} else {
		gpr_set(cpu, RAX, size, quotient);
		gpr_set(cpu, RDX, size, remainder);
	}
	return STEP_NEXT;
}

HANDLER_SLOW(divide_slow, divide, insn->size, insn->extra & 2, insn->extra & 1)

#define DEFINE_DIVIDE(size)                                                            \
	HANDLER(div_##size##_register, divide_slow, divide, size, false, false)        \
	HANDLER(div_##size##_memory, divide_slow, divide, size, false, true)           \
	HANDLER(idiv_##size##_register, divide_slow, divide, size, true, false)        \
	HANDLER(idiv_##size##_memory, divide_slow, divide, size, true, true)
#define ENTRY_DIVIDE(size) [size] = { div_##size##_register, div_##size##_memory, idiv_##size##_register, idiv_##size##_memory },

FOR_ALL_SIZES(DEFINE_DIVIDE)
static insn_fn *const divide_handlers[9][4] = { FOR_ALL_SIZES(ENTRY_DIVIDE) };

bool divide_decode(struct decoder *d, struct insn *insn, unsigned int is_signed)
{
	bool memory = decode_single(d, insn);

	insn->extra = memory | (is_signed ? 2 : 0);
	insn->run = divide_handlers[insn->size][insn->extra];
	return true;
}
