/*
 * Branches (C4.1.93): B, BL, B.cond, CBZ, TBZ, BR, BLR, RET and their forms with pointer authentication. A branch ends its block. What else is in the
 * same group of encodings (exceptions, system instructions) is system.c's.
 */
#include "arm64/cpu/block.h"
#include "arm64/cpu/flags.h"
#include "arm64/cpu/pac.h"

/* `imm` is the target. */
TEMPLATE void go(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_block_go(cpu, &insn[2].imm, insn->imm);
}

static void b(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	go(cpu, insn);
}

static void bl(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->x[X_LR] = a64_pc(cpu, insn) + 4;
	go(cpu, insn);
}

#define DEFINE_CONDITIONAL(c)                                                            \
	static void b_##c(struct arm64_vcpu *cpu, const struct a64_insn *insn)           \
	{                                                                                \
		if (flags_condition(cpu, c))                                             \
			go(cpu, insn);                                                   \
		else                                                                     \
			a64_next(cpu, insn);                                             \
	}
#define ROW_CONDITIONAL(c) b_##c,
FOR_CONDITIONS(DEFINE_CONDITIONAL)
static a64_fn *const conditional_handlers[16] = { FOR_CONDITIONS(ROW_CONDITIONAL) };

#define DEFINE_IF(name, condition)                                                       \
	static void name(struct arm64_vcpu *cpu, const struct a64_insn *insn)            \
	{                                                                                \
		if (condition)                                                           \
			go(cpu, insn);                                                   \
		else                                                                     \
			a64_next(cpu, insn);                                             \
	}
DEFINE_IF(cbz_4, (uint32_t)cpu->x[insn->d] == 0)
DEFINE_IF(cbz_8, cpu->x[insn->d] == 0)
DEFINE_IF(cbnz_4, (uint32_t)cpu->x[insn->d] != 0)
DEFINE_IF(cbnz_8, cpu->x[insn->d] != 0)
DEFINE_IF(tbz, !(cpu->x[insn->d] >> insn->shift & 1))
DEFINE_IF(tbnz, cpu->x[insn->d] >> insn->shift & 1)

/* ---- To what a register says. ---- */

static void br(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->pc = cpu->x[insn->n];
	a64_block_go_anywhere(cpu);
}

static void blr(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t target = cpu->x[insn->n];

	cpu->x[X_LR] = a64_pc(cpu, insn) + 4;
	cpu->pc = target;
	a64_block_go_anywhere(cpu);
}

/* BRAA, BLRAA, RETAA: `m` is the modifier, `shift` the key, `size` 1 when the next address goes to LR. */
static void br_authenticated(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t target = pac_toggle(cpu, cpu->x[insn->n], cpu->x[insn->m], (enum pac_key)insn->shift);

	if (insn->size)
		cpu->x[X_LR] = a64_pc(cpu, insn) + 4;
	cpu->pc = target;
	a64_block_go_anywhere(cpu);
}

static a64_fn *decode_to_register(struct a64_decode *decode, struct a64_insn *insn)
{
	unsigned int op = bits(insn->word, 24, 21), variant = bits(insn->word, 15, 10), modifier = bits(insn->word, 4, 0);

	if (bits(insn->word, 20, 16) != 31)
		return NULL;
	if (op == 4) /* ERET, ERETAA, ERETAB; DRPS is not for EL1 */
		return decode_system(decode, insn);
	insn->n = reg_read(bits(insn->word, 9, 5));
	decode->ends = true;
	if (variant == 0) {
		if (modifier != 0 || op > 2)
			return NULL;
		return op == 1 ? blr : br;
	}
	/* bit 11: authenticated; bit 10: key B; bit 24: modifier in Rm's place. */
	if (variant >> 1 != 1 || !(decode->mode & A64_MODE_PAC))
		return NULL;
	insn->shift = bit(insn->word, 10) ? PAC_IB : PAC_IA;
	insn->size = (op & 7) == 1;
	if (op == 2) {
		if (insn->n != 31 || modifier != 31)
			return NULL;
		insn->n = X_LR;
		insn->m = reg_sp(decode, 31);
		return br_authenticated;
	}
	if ((op & 7) > 1)
		return NULL;
	if (!(op & 8)) {
		if (modifier != 31)
			return NULL;
		insn->m = X_ZERO;
	} else {
		insn->m = reg_sp(decode, modifier);
	}
	return br_authenticated;
}

a64_fn *a64_decode_branch(struct a64_decode *decode, struct a64_insn *insn)
{
	unsigned int wide = bit(insn->word, 31);

	switch (bits(insn->word, 30, 29)) {
	case 0: /* B, BL */
		decode->ends = true;
		insn->imm = decode->pc + ((uint64_t)bits_signed(insn->word, 25, 0) << 2);
		return wide ? bl : b;
	case 1: /* CBZ, CBNZ, TBZ, TBNZ */
		decode->ends = true;
		insn->d = reg_read(bits(insn->word, 4, 0));
		if (bit(insn->word, 25)) {
			insn->imm = decode->pc + ((uint64_t)bits_signed(insn->word, 18, 5) << 2);
			insn->shift = (uint8_t)(wide << 5 | bits(insn->word, 23, 19));
			return bit(insn->word, 24) ? tbnz : tbz;
		}
		insn->imm = decode->pc + ((uint64_t)bits_signed(insn->word, 23, 5) << 2);
		if (bit(insn->word, 24))
			return wide ? cbnz_8 : cbnz_4;
		return wide ? cbz_8 : cbz_4;
	case 2:
		if (!wide) { /* B.cond; BC.cond (FEAT_HBC) is not there */
			if (bits(insn->word, 25, 24) || bit(insn->word, 4))
				return NULL;
			decode->ends = true;
			insn->imm = decode->pc + ((uint64_t)bits_signed(insn->word, 23, 5) << 2);
			return conditional_handlers[bits(insn->word, 3, 0)];
		}
		if (bit(insn->word, 25))
			return decode_to_register(decode, insn);
		return decode_system(decode, insn);
	default:
		return NULL;
	}
}
