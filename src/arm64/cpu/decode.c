/*
 * Which group an instruction belongs to (C4.1), and what happens to those whose unit is switched off. Knows no single instruction.
 */
#include "arm64/cpu/decode.h"
#include "arm64/cpu/exec.h"

/* CPACR_EL1 (D17.2.30): Advanced SIMD and floating-point; SVE. */
static void fp_trap(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_exception(cpu, insn, syndrome(EC_FP, UINT64_C(0x1e) << 20)); /* CV 1, COND 0b1110 */
}

static void sve_trap(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_exception(cpu, insn, syndrome(EC_SVE, 0));
}

/* An UNDEFINED encoding stays so when its unit is switched off: it is decoded all the same. */
static a64_fn *fp_decode(a64_fn *handler, const struct a64_decode *decode)
{
	return handler && decode->mode & A64_MODE_FP_TRAP ? fp_trap : handler;
}

static a64_fn *sve_decode(struct a64_decode *decode, struct a64_insn *insn)
{
	a64_fn *handler = decode->mode & A64_MODE_SVE ? a64_decode_sve(decode, insn) : NULL;

	if (handler && decode->mode & A64_MODE_SVE_TRAP) /* comes before FPEN's */
		return sve_trap;
	return fp_decode(handler, decode);
}

static a64_fn *group_decode(struct a64_decode *decode, struct a64_insn *insn)
{
	switch (bits(insn->word, 28, 25)) {
	case 0x2:
		return sve_decode(decode, insn);
	case 0x8: case 0x9:
		return a64_decode_immediate(decode, insn);
	case 0xa: case 0xb:
		return a64_decode_branch(decode, insn);
	case 0x4: case 0xc: /* bit 26, V, is 0 */
		return a64_decode_memory(decode, insn);
	case 0x6: case 0xe:
		return fp_decode(a64_decode_vector_memory(decode, insn), decode);
	case 0x5: case 0xd:
		return a64_decode_register(decode, insn);
	case 0x7: case 0xf:
		return fp_decode(a64_decode_vector(decode, insn), decode);
	default:
		return NULL;
	}
}

void a64_decode(struct a64_decode *decode, struct a64_insn *insn)
{
	decode->ends = false;
	insn->run = group_decode(decode, insn);
	if (!insn->run) {
		insn->run = a64_undefined;
		decode->ends = true;
	}
}
