/*
 * Data processing of registers (C4.1.95): logical, ADD and SUB shifted and extended, with carry, conditional, multiply and divide, bit counts and
 * reversals, shifts, flag manipulation (FEAT_FlagM).
 */
#include "arm64/cpu/integer.h"

#define D cpu->x[insn->d]
#define N cpu->x[insn->n]
#define M cpu->x[insn->m]

/* The second operand, by shift type: LSL, LSR, ASR, ROR. */
#define SHIFTED_0 ((word)M << insn->shift)
#define SHIFTED_1 ((word)M >> insn->shift)
#define SHIFTED_2 ((word)((sword)M >> insn->shift))
#define SHIFTED_3 (insn->shift ? (word)((word)M >> insn->shift | (word)M << (8 * SIZE - insn->shift)) : (word)M)

/* Handlers for a plain register and for the four kinds of shift. */
#define SHIFTED_HANDLERS(name, ...)                                  \
	HANDLER(name##_plain, word m = (word)M; __VA_ARGS__)         \
	HANDLER(name##_shift0, word m = SHIFTED_0; __VA_ARGS__)      \
	HANDLER(name##_shift1, word m = SHIFTED_1; __VA_ARGS__)      \
	HANDLER(name##_shift2, word m = SHIFTED_2; __VA_ARGS__)      \
	HANDLER(name##_shift3, word m = SHIFTED_3; __VA_ARGS__)
#define SHIFTED_ROW(name)                                                                                                         \
	{                                                                                                                         \
		{ name##_plain_4, name##_shift0_4, name##_shift1_4, name##_shift2_4, name##_shift3_4 },                           \
		{ name##_plain_8, name##_shift0_8, name##_shift1_8, name##_shift2_8, name##_shift3_8 },                           \
	}

SHIFTED_HANDLERS(and, D = (word)(N & m);)
SHIFTED_HANDLERS(bic, D = (word)(N & ~(uint64_t)m);)
SHIFTED_HANDLERS(orr, D = (word)(N | m);)
SHIFTED_HANDLERS(orn, D = (word)(N | ~(uint64_t)m);)
SHIFTED_HANDLERS(eor, D = (word)(N ^ m);)
SHIFTED_HANDLERS(eon, D = (word)(N ^ ~(uint64_t)m);)
SHIFTED_HANDLERS(ands, uint64_t result = (word)(N & m); flags_logical(cpu, SIZE, result); D = result;)
SHIFTED_HANDLERS(bics, uint64_t result = (word)(N & ~(uint64_t)m); flags_logical(cpu, SIZE, result); D = result;)
SHIFTED_HANDLERS(add, D = (word)(N + m);)
SHIFTED_HANDLERS(adds, D = flags_add(cpu, SIZE, N, m, 0);)
SHIFTED_HANDLERS(sub, D = (word)(N - m);)
SHIFTED_HANDLERS(subs, D = flags_sub(cpu, SIZE, N, m);)
HANDLER(move, D = (word)M;)

typedef a64_fn *const shifted_row[2][5];
static shifted_row logical_handlers[8] = { SHIFTED_ROW(and), SHIFTED_ROW(bic), SHIFTED_ROW(orr), SHIFTED_ROW(orn),
					   SHIFTED_ROW(eor), SHIFTED_ROW(eon), SHIFTED_ROW(ands), SHIFTED_ROW(bics) };
static shifted_row add_handlers[4] = { SHIFTED_ROW(add), SHIFTED_ROW(adds), SHIFTED_ROW(sub), SHIFTED_ROW(subs) };

/* Rd, Rn and Rm, of which 31 is XZR. */
static void registers(struct a64_insn *insn)
{
	insn->d = reg_write(bits(insn->word, 4, 0));
	insn->n = reg_read(bits(insn->word, 9, 5));
	insn->m = reg_read(bits(insn->word, 20, 16));
}

static a64_fn *decode_shifted(struct a64_insn *insn, const shifted_row row)
{
	unsigned int wide = bit(insn->word, 31);

	registers(insn);
	insn->shift = (uint8_t)bits(insn->word, 15, 10);
	if (!wide && insn->shift > 31)
		return NULL;
	return row[wide][insn->shift ? 1 + bits(insn->word, 23, 22) : 0];
}

static a64_fn *decode_logical(struct a64_insn *insn)
{
	unsigned int op = bits(insn->word, 30, 29) << 1 | bit(insn->word, 21);
	a64_fn *handler = decode_shifted(insn, logical_handlers[op]);

	if (handler && op == 2 && insn->n == X_ZERO && insn->shift == 0)
		return EITHER(move);
	return handler;
}

/* ---- ADD and SUB with an extended register: `imm` is the mask of what is taken, `a` the shift that signs it. ---- */

#define EXTENDED ((insn->size ? (uint64_t)((int64_t)(M << insn->a) >> insn->a) : M & insn->imm) << insn->shift)
HANDLER(add_extended, D = (word)(N + EXTENDED);)
HANDLER(adds_extended, D = flags_add(cpu, SIZE, N, EXTENDED, 0);)
HANDLER(sub_extended, D = (word)(N - EXTENDED);)
HANDLER(subs_extended, D = flags_sub(cpu, SIZE, N, EXTENDED);)

static a64_fn *decode_extended(const struct a64_decode *decode, struct a64_insn *insn)
{
	unsigned int option = bits(insn->word, 15, 13), width = 8u << (option & 3);

	insn->shift = (uint8_t)bits(insn->word, 12, 10);
	if (insn->shift > 4 || bits(insn->word, 23, 22))
		return NULL;
	registers(insn);
	insn->n = reg_sp(decode, bits(insn->word, 9, 5));
	insn->size = option >> 2;
	insn->a = (uint8_t)(64 - width);
	insn->imm = UINT64_MAX >> insn->a;
	if (!bit(insn->word, 29))
		insn->d = reg_sp(decode, bits(insn->word, 4, 0));
	switch (bits(insn->word, 30, 29)) {
	case 0: return EITHER(add_extended);
	case 1: return EITHER(adds_extended);
	case 2: return EITHER(sub_extended);
	default: return EITHER(subs_extended);
	}
}

/* ---- With carry; RMIF, SETF8, SETF16. ---- */

HANDLER(adc, D = (word)(N + M + cpu->flag_c);)
HANDLER(adcs, D = flags_add(cpu, SIZE, N, M, (unsigned int)cpu->flag_c);)
HANDLER(sbc, D = (word)(N + ~M + cpu->flag_c);)
HANDLER(sbcs, D = flags_add(cpu, SIZE, N, ~M, (unsigned int)cpu->flag_c);)

static void rmif(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t value = N;
	unsigned int mask = bits(insn->word, 3, 0);

	if (insn->shift)
		value = value >> insn->shift | value << (64 - insn->shift);
	flags_set(cpu, (flags_get(cpu) & ~mask) | ((unsigned int)value & mask));
	a64_next(cpu, insn);
}

/* `shift` brings the top bit of the field to bit 63. */
static void setf(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t value = N << insn->shift;

	cpu->flag_n = cpu->flag_z = value;
	cpu->flag_v = value ^ N << (insn->shift - 1);
	a64_next(cpu, insn);
}

static a64_fn *decode_carry(struct a64_insn *insn)
{
	registers(insn);
	if (bits(insn->word, 15, 10) == 0) {
		switch (bits(insn->word, 30, 29)) {
		case 0: return EITHER(adc);
		case 1: return EITHER(adcs);
		case 2: return EITHER(sbc);
		default: return EITHER(sbcs);
		}
	}
	if (bits(insn->word, 31, 29) == 5 && bits(insn->word, 14, 10) == 1 && !bit(insn->word, 4)) {
		insn->shift = (uint8_t)bits(insn->word, 20, 15);
		return rmif;
	}
	if (bits(insn->word, 31, 29) == 1 && bits(insn->word, 20, 15) == 0 && bits(insn->word, 13, 10) == 2 && bits(insn->word, 4, 0) == 13) {
		insn->shift = bit(insn->word, 14) ? 48 : 56;
		return setf;
	}
	return NULL;
}

/* ---- Conditional comparisons: `imm` the operand, `a` NZCV otherwise, `shift` the condition. ---- */

HANDLER(ccmn_register, if (flags_condition(cpu, insn->shift)) flags_add(cpu, SIZE, N, M, 0); else flags_set(cpu, insn->a);)
HANDLER(ccmp_register, if (flags_condition(cpu, insn->shift)) flags_sub(cpu, SIZE, N, M); else flags_set(cpu, insn->a);)
HANDLER(ccmn_immediate, if (flags_condition(cpu, insn->shift)) flags_add(cpu, SIZE, N, insn->imm, 0); else flags_set(cpu, insn->a);)
HANDLER(ccmp_immediate, if (flags_condition(cpu, insn->shift)) flags_sub(cpu, SIZE, N, insn->imm); else flags_set(cpu, insn->a);)

static a64_fn *decode_compare(struct a64_insn *insn)
{
	if (!bit(insn->word, 29) || bit(insn->word, 10) || bit(insn->word, 4))
		return NULL;
	registers(insn);
	insn->imm = bits(insn->word, 20, 16);
	insn->shift = (uint8_t)bits(insn->word, 15, 12);
	insn->a = (uint8_t)bits(insn->word, 3, 0);
	if (bit(insn->word, 11))
		return bit(insn->word, 30) ? EITHER(ccmp_immediate) : EITHER(ccmn_immediate);
	return bit(insn->word, 30) ? EITHER(ccmp_register) : EITHER(ccmn_register);
}

/* ---- Conditional selection: the frequent ones have a handler a condition. ---- */

HANDLER(csinv, D = (word)(flags_condition(cpu, insn->shift) ? N : ~M);)
HANDLER(csneg, D = (word)(flags_condition(cpu, insn->shift) ? N : -M);)

#define DEFINE_CSEL(c)                                                                                  \
	HANDLER(csel_##c, D = (word)(flags_condition(cpu, c) ? N : M);)                                 \
	HANDLER(csinc_##c, D = (word)(flags_condition(cpu, c) ? N : M + 1);)                            \
	static void cset_##c(struct arm64_vcpu *cpu, const struct a64_insn *insn)                       \
	{                                                                                               \
		D = !flags_condition(cpu, c);                                                           \
		a64_next(cpu, insn);                                                                    \
	}
#define ROW_CSEL(c) { { csel_##c##_4, csinc_##c##_4 }, { csel_##c##_8, csinc_##c##_8 } },
#define ROW_CSET(c) cset_##c,
FOR_CONDITIONS(DEFINE_CSEL)
static a64_fn *const csel_handlers[16][2][2] = { FOR_CONDITIONS(ROW_CSEL) };
static a64_fn *const cset_handlers[16] = { FOR_CONDITIONS(ROW_CSET) };

static a64_fn *decode_select(struct a64_insn *insn)
{
	unsigned int invert = bit(insn->word, 30), increment = bit(insn->word, 10);

	if (bit(insn->word, 29) || bit(insn->word, 11))
		return NULL;
	registers(insn);
	insn->shift = (uint8_t)bits(insn->word, 15, 12);
	if (invert)
		return increment ? EITHER(csneg) : EITHER(csinv);
	if (increment && insn->n == X_ZERO && insn->m == X_ZERO)
		return cset_handlers[insn->shift];
	return csel_handlers[insn->shift][bit(insn->word, 31)][increment];
}

/* ---- One source. ---- */

HANDLER(clz, D = (word)N == 0 ? 8 * SIZE : SIZE == 8 ? (unsigned int)__builtin_clzll(N) : (unsigned int)__builtin_clz((uint32_t)N);)
HANDLER(cls, word from = (word)N; from = (word)((from ^ (word)(from << 1)) | 1);
	D = SIZE == 8 ? (unsigned int)__builtin_clzll(from) : (unsigned int)__builtin_clz((uint32_t)from);)
HANDLER(rev, D = SIZE == 8 ? __builtin_bswap64(N) : __builtin_bswap32((uint32_t)N);)
HANDLER(rev16, D = (word)((N >> 8 & UINT64_C(0x00ff00ff00ff00ff)) | (N & UINT64_C(0x00ff00ff00ff00ff)) << 8);)
static void rev32(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t value = __builtin_bswap64(N);

	D = value >> 32 | value << 32;
	a64_next(cpu, insn);
}

static uint64_t reverse_bits(uint64_t value)
{
	value = (value >> 1 & UINT64_C(0x5555555555555555)) | (value & UINT64_C(0x5555555555555555)) << 1;
	value = (value >> 2 & UINT64_C(0x3333333333333333)) | (value & UINT64_C(0x3333333333333333)) << 2;
	value = (value >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f)) | (value & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4;
	return __builtin_bswap64(value);
}

HANDLER(rbit, D = reverse_bits(N) >> (64 - 8 * SIZE);)

static a64_fn *decode_one(struct a64_decode *decode, struct a64_insn *insn)
{
	registers(insn);
	if (bit(insn->word, 29))
		return NULL;
	if (bits(insn->word, 20, 16) == 1)
		return decode_pac_one(decode, insn);
	if (bits(insn->word, 20, 16) != 0)
		return NULL;
	switch (bits(insn->word, 15, 10)) {
	case 0: return EITHER(rbit);
	case 1: return EITHER(rev16);
	case 2: return bit(insn->word, 31) ? rev32 : rev_4;
	case 3: return bit(insn->word, 31) ? rev_8 : NULL;
	case 4: return EITHER(clz);
	case 5: return EITHER(cls);
	default: return NULL;
	}
}

/* ---- Two sources. ---- */

HANDLER(udiv, D = (word)M ? (word)N / (word)M : 0;)
/* The most negative number divided by -1 is itself. */
HANDLER(sdiv, sword n = (sword)N; sword m = (sword)M; D = m == 0 ? 0 : m == -1 ? (word)-(word)n : (word)(n / m);)
HANDLER(lslv, D = (word)((word)N << (M & (8 * SIZE - 1)));)
HANDLER(lsrv, D = (word)N >> (M & (8 * SIZE - 1));)
HANDLER(asrv, D = (word)((sword)N >> (M & (8 * SIZE - 1)));)
HANDLER(rorv, unsigned int by = M & (8 * SIZE - 1); word n = (word)N; D = by ? (word)(n >> by | n << (8 * SIZE - by)) : n;)

static a64_fn *decode_two(struct a64_decode *decode, struct a64_insn *insn)
{
	registers(insn);
	if (bit(insn->word, 29))
		return NULL;
	switch (bits(insn->word, 15, 10)) {
	case 2: return EITHER(udiv);
	case 3: return EITHER(sdiv);
	case 8: return EITHER(lslv);
	case 9: return EITHER(lsrv);
	case 10: return EITHER(asrv);
	case 11: return EITHER(rorv);
	case 12: return decode_pac_one(decode, insn); /* PACGA */
	default: return bits(insn->word, 15, 13) == 2 ? decode_crc(decode, insn) : NULL;
	}
}

/* ---- Three sources. ---- */

HANDLER(madd, D = (word)(cpu->x[insn->a] + N * M);)
HANDLER(msub, D = (word)(cpu->x[insn->a] - N * M);)
HANDLER(mul, D = (word)(N * M);)
#define LONG_HANDLER(name, ...)                                                            \
	static void name(struct arm64_vcpu *cpu, const struct a64_insn *insn)              \
	{                                                                                  \
		D = __VA_ARGS__;                                                           \
		a64_next(cpu, insn);                                                       \
	}
LONG_HANDLER(smaddl, cpu->x[insn->a] + (uint64_t)((int64_t)(int32_t)N * (int32_t)M))
LONG_HANDLER(smsubl, cpu->x[insn->a] - (uint64_t)((int64_t)(int32_t)N * (int32_t)M))
LONG_HANDLER(umaddl, cpu->x[insn->a] + (uint64_t)(uint32_t)N * (uint32_t)M)
LONG_HANDLER(umsubl, cpu->x[insn->a] - (uint64_t)(uint32_t)N * (uint32_t)M)
LONG_HANDLER(smulh, (uint64_t)((__int128)(int64_t)N * (int64_t)M >> 64))
LONG_HANDLER(umulh, (uint64_t)((unsigned __int128)N * M >> 64))

static a64_fn *decode_three(struct a64_insn *insn)
{
	unsigned int op = bits(insn->word, 23, 21) << 1 | bit(insn->word, 15);

	registers(insn);
	insn->a = reg_read(bits(insn->word, 14, 10));
	if (bits(insn->word, 30, 29))
		return NULL;
	if (op == 0)
		return insn->a == X_ZERO ? EITHER(mul) : EITHER(madd);
	if (op == 1)
		return EITHER(msub);
	if (!bit(insn->word, 31))
		return NULL;
	switch (op) {
	case 2: return smaddl;
	case 3: return smsubl;
	case 4: return smulh; /* Ra is not looked at */
	case 10: return umaddl;
	case 11: return umsubl;
	case 12: return umulh;
	default: return NULL;
	}
}

a64_fn *a64_decode_register(struct a64_decode *decode, struct a64_insn *insn)
{
	if (!bit(insn->word, 28)) {
		if (!bit(insn->word, 24))
			return decode_logical(insn);
		if (bit(insn->word, 21))
			return decode_extended(decode, insn);
		return bits(insn->word, 23, 22) == 3 ? NULL : decode_shifted(insn, add_handlers[bits(insn->word, 30, 29)]);
	}
	if (bit(insn->word, 24))
		return decode_three(insn);
	switch (bits(insn->word, 23, 21)) {
	case 0: return decode_carry(insn);
	case 2: return decode_compare(insn);
	case 4: return decode_select(insn);
	case 6: return bit(insn->word, 30) ? decode_one(decode, insn) : decode_two(decode, insn);
	default: return NULL;
	}
}
