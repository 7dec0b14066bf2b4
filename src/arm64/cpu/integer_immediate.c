/*
 * Data processing with an immediate (C4.1.92): ADR, ADD and SUB, logical, MOVZ/MOVN/MOVK, bitfields, EXTR.
 */
#include "arm64/cpu/integer.h"

/* The 64-bit form whatever the size is: where the result is a constant. */
static void move_constant(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->x[insn->d] = insn->imm;
	a64_next(cpu, insn);
}

static a64_fn *decode_address(const struct a64_decode *decode, struct a64_insn *insn)
{
	uint64_t imm = (uint64_t)bits_signed(insn->word, 23, 5) << 2 | bits(insn->word, 30, 29);

	insn->d = reg_write(bits(insn->word, 4, 0));
	insn->imm = bit(insn->word, 31) ? (decode->pc & ~UINT64_C(0xfff)) + (imm << 12) : decode->pc + imm;
	return move_constant;
}

/* ---- ADD and SUB. SUB without flags adds the negated immediate. ---- */

HANDLER(add, cpu->x[insn->d] = (word)(cpu->x[insn->n] + insn->imm);)
HANDLER(adds, cpu->x[insn->d] = flags_add(cpu, SIZE, cpu->x[insn->n], insn->imm, 0);)
HANDLER(subs, cpu->x[insn->d] = flags_sub(cpu, SIZE, cpu->x[insn->n], insn->imm);)

static a64_fn *decode_add(const struct a64_decode *decode, struct a64_insn *insn)
{
	uint64_t imm = (uint64_t)bits(insn->word, 21, 10) << (bit(insn->word, 22) ? 12 : 0);
	bool sub = bit(insn->word, 30), flags = bit(insn->word, 29);

	insn->n = reg_sp(decode, bits(insn->word, 9, 5));
	insn->d = flags ? reg_write(bits(insn->word, 4, 0)) : reg_sp(decode, bits(insn->word, 4, 0));
	insn->imm = sub && !flags ? -imm : imm;
	if (!flags)
		return EITHER(add);
	return sub ? EITHER(subs) : EITHER(adds);
}

/* ---- Logical. ---- */

HANDLER(and, cpu->x[insn->d] = (word)(cpu->x[insn->n] & insn->imm);)
HANDLER(orr, cpu->x[insn->d] = (word)(cpu->x[insn->n] | insn->imm);)
HANDLER(eor, cpu->x[insn->d] = (word)(cpu->x[insn->n] ^ insn->imm);)
HANDLER(ands, uint64_t result = (word)(cpu->x[insn->n] & insn->imm); flags_logical(cpu, SIZE, result); cpu->x[insn->d] = result;)

static uint64_t rotate_right(uint64_t value, unsigned int by, unsigned int width)
{
	uint64_t mask = width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;

	value &= mask;
	by %= width;
	return by ? (value >> by | value << (width - by)) & mask : value;
}

/* DecodeBitMasks (J1.3): false when reserved. `tmask` may be NULL; then this is a logical immediate, and all ones are reserved. */
static bool bit_masks(unsigned int n, unsigned int imms, unsigned int immr, unsigned int width, uint64_t *wmask, uint64_t *tmask)
{
	unsigned int combined = n << 6 | (~imms & 0x3f), length, size, s, r;
	uint64_t element, t_element;

	if (combined < 2)
		return false;
	length = 31 - (unsigned int)__builtin_clz(combined);
	size = 1u << length;
	if (size > width || (!tmask && (imms & (size - 1)) == size - 1))
		return false;
	s = imms & (size - 1);
	r = immr & (size - 1);
	element = rotate_right(s == 63 ? UINT64_MAX : (UINT64_C(1) << (s + 1)) - 1, r, size);
	s = (s - r) & (size - 1);
	t_element = s == 63 ? UINT64_MAX : (UINT64_C(1) << (s + 1)) - 1;
	for (; size < width; size *= 2) {
		element |= element << size;
		t_element |= t_element << size;
	}
	*wmask = element;
	if (tmask)
		*tmask = t_element;
	return true;
}

static a64_fn *decode_logical(const struct a64_decode *decode, struct a64_insn *insn)
{
	unsigned int wide = bit(insn->word, 31), op = bits(insn->word, 30, 29);

	if ((!wide && bit(insn->word, 22)) ||
	    !bit_masks(bit(insn->word, 22), bits(insn->word, 15, 10), bits(insn->word, 21, 16), wide ? 64 : 32, &insn->imm, NULL))
		return NULL;
	insn->n = reg_read(bits(insn->word, 9, 5));
	insn->d = op == 3 ? reg_write(bits(insn->word, 4, 0)) : reg_sp(decode, bits(insn->word, 4, 0));
	if (op == 1 && insn->n == X_ZERO)
		return move_constant; /* MOV */
	switch (op) {
	case 0: return EITHER(and);
	case 1: return EITHER(orr);
	case 2: return EITHER(eor);
	default: return EITHER(ands);
	}
}

/* ---- Moves. ---- */

HANDLER(movk, cpu->x[insn->d] = (word)((cpu->x[insn->d == X_SINK ? X_ZERO : insn->d] & ~(UINT64_C(0xffff) << insn->shift)) | insn->imm);)

static a64_fn *decode_move(struct a64_insn *insn)
{
	unsigned int wide = bit(insn->word, 31), op = bits(insn->word, 30, 29);

	if (op == 1 || (!wide && bit(insn->word, 22)))
		return NULL;
	insn->d = reg_write(bits(insn->word, 4, 0));
	insn->shift = (uint8_t)(16 * bits(insn->word, 22, 21));
	insn->imm = (uint64_t)bits(insn->word, 20, 5) << insn->shift;
	if (op == 3)
		return EITHER(movk);
	if (op == 0)
		insn->imm = wide ? ~insn->imm : (uint32_t)~insn->imm;
	return move_constant;
}

/* ---- Bitfields. The usual ones are shifts and extensions of their own. ---- */

HANDLER(shift_left, cpu->x[insn->d] = (word)((word)cpu->x[insn->n] << insn->shift);)
HANDLER(shift_right, cpu->x[insn->d] = (word)cpu->x[insn->n] >> insn->shift;)
static void shift_right_signed_4(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->x[insn->d] = (uint32_t)((int32_t)cpu->x[insn->n] >> insn->shift);
	a64_next(cpu, insn);
}
static void shift_right_signed_8(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->x[insn->d] = (uint64_t)((int64_t)cpu->x[insn->n] >> insn->shift);
	a64_next(cpu, insn);
}
/* UBFX: `shift`, then the mask. */
HANDLER(extract_unsigned, cpu->x[insn->d] = (word)cpu->x[insn->n] >> insn->shift & insn->imm;)
HANDLER(insert_zero, cpu->x[insn->d] = (word)((cpu->x[insn->n] & insn->imm) << insn->shift);) /* UBFIZ */
HANDLER(extend_signed_1, cpu->x[insn->d] = (word)(int8_t)cpu->x[insn->n];)
HANDLER(extend_signed_2, cpu->x[insn->d] = (word)(int16_t)cpu->x[insn->n];)
static void extend_signed_word(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->x[insn->d] = (uint64_t)(int32_t)cpu->x[insn->n];
	a64_next(cpu, insn);
}
/* SBFX and SBFIZ: the field to the top (`a`), down again with its sign (`m`), and to its place (`shift`). */
HANDLER(field_signed, uint64_t top = cpu->x[insn->n] << insn->a; cpu->x[insn->d] = (word)((uint64_t)((int64_t)top >> insn->m) << insn->shift);)
/* BFM: imm is the mask of the bits that are taken from the field. */
HANDLER(insert, word from = (word)cpu->x[insn->n]; from = insn->shift ? (word)(from >> insn->shift | from << (8 * SIZE - insn->shift)) : from;
	cpu->x[insn->d] = (word)((cpu->x[insn->d == X_SINK ? X_ZERO : insn->d] & ~insn->imm) | (from & insn->imm));)

static a64_fn *decode_bitfield(struct a64_insn *insn)
{
	unsigned int wide = bit(insn->word, 31), op = bits(insn->word, 30, 29), width = wide ? 64 : 32;
	unsigned int r = bits(insn->word, 21, 16), s = bits(insn->word, 15, 10), length;
	uint64_t wmask, tmask;

	if (op == 3 || bit(insn->word, 22) != wide || (!wide && (r > 31 || s > 31)))
		return NULL;
	insn->n = reg_read(bits(insn->word, 9, 5));
	insn->d = reg_write(bits(insn->word, 4, 0));
	if (op == 1) {
		if (!bit_masks(wide, s, r, width, &wmask, &tmask))
			return NULL;
		insn->shift = (uint8_t)r;
		insn->imm = wmask & tmask;
		return EITHER(insert);
	}
	length = s >= r ? s - r + 1 : s + 1;
	if (op == 2) {
		insn->imm = length == 64 ? UINT64_MAX : (UINT64_C(1) << length) - 1;
		if (s == width - 1) {
			insn->shift = (uint8_t)r;
			return EITHER(shift_right);
		}
		if (s + 1 == r) {
			insn->shift = (uint8_t)(width - r);
			return EITHER(shift_left);
		}
		insn->shift = (uint8_t)(s >= r ? r : width - r);
		return s >= r ? EITHER(extract_unsigned) : EITHER(insert_zero);
	}
	if (s == width - 1) {
		insn->shift = (uint8_t)r;
		return EITHER(shift_right_signed);
	}
	if (r == 0 && s == 7)
		return EITHER(extend_signed_1);
	if (r == 0 && s == 15)
		return EITHER(extend_signed_2);
	if (r == 0 && s == 31)
		return extend_signed_word;
	insn->a = (uint8_t)(63 - s);
	insn->m = (uint8_t)(64 - length);
	insn->shift = (uint8_t)(s >= r ? 0 : width - r);
	return EITHER(field_signed);
}

/* ---- EXTR. ---- */

HANDLER(rotate, word from = (word)cpu->x[insn->n]; cpu->x[insn->d] = insn->shift ? (word)(from >> insn->shift | from << (8 * SIZE - insn->shift)) : from;)
HANDLER(extract, cpu->x[insn->d] = insn->shift ? (word)((word)cpu->x[insn->m] >> insn->shift | (word)cpu->x[insn->n] << (8 * SIZE - insn->shift))
					       : (word)cpu->x[insn->m];)

static a64_fn *decode_extract(struct a64_insn *insn)
{
	unsigned int wide = bit(insn->word, 31);

	if (bits(insn->word, 30, 29) || bit(insn->word, 22) != wide || bit(insn->word, 21) || (!wide && bit(insn->word, 15)))
		return NULL;
	insn->n = reg_read(bits(insn->word, 9, 5));
	insn->m = reg_read(bits(insn->word, 20, 16));
	insn->d = reg_write(bits(insn->word, 4, 0));
	insn->shift = (uint8_t)bits(insn->word, 15, 10);
	return insn->n == insn->m ? EITHER(rotate) : EITHER(extract);
}

a64_fn *a64_decode_immediate(struct a64_decode *decode, struct a64_insn *insn)
{
	switch (bits(insn->word, 25, 23)) {
	case 0: case 1: return decode_address(decode, insn);
	case 2: return decode_add(decode, insn);
	case 4: return decode_logical(decode, insn);
	case 5: return decode_move(insn);
	case 6: return decode_bitfield(insn);
	case 7: return decode_extract(insn);
	default: return NULL; /* MTE's ADDG and SUBG */
	}
}
