/*
 * Decimal arithmetic: AAA, AAS, AAM, AAD, DAA, DAS (SDM Vol. 1, 7.3.5). Not in 64-bit code.
 */
#include "x86/cpu/operand.h"

static uint32_t byte_flags(uint8_t value)
{
	return (value == 0 ? FLAG_ZF : 0) | (value & 0x80 ? FLAG_SF : 0) | (__builtin_parity(value) ? 0 : FLAG_PF);
}

static uint8_t al(const struct x86_vcpu *cpu)
{
	return (uint8_t)cpu->gpr[RAX];
}

static void ax_set(struct x86_vcpu *cpu, unsigned int ax)
{
	gpr_set(cpu, RAX, 2, ax);
}

/* AAA, AAS: one unpacked digit; `sign` is 1 or -1. */
static void unpacked_adjust(struct x86_vcpu *cpu, int sign)
{
	unsigned int ax = (uint16_t)cpu->gpr[RAX];
	uint32_t carry = 0;

	if ((ax & 15) > 9 || flags_get(cpu) & FLAG_AF) {
		ax = (unsigned int)((int)ax + sign * 0x106);
		carry = FLAG_AF | FLAG_CF;
	}
	ax_set(cpu, ax & 0xff0f);
	flags_arithmetic_set(cpu, carry | byte_flags(al(cpu)));
}

static void bcd_aaa(struct x86_vcpu *cpu, const struct insn *insn)
{
	unpacked_adjust(cpu, 1);
	insn_next(cpu, insn);
}

static void bcd_aas(struct x86_vcpu *cpu, const struct insn *insn)
{
	unpacked_adjust(cpu, -1);
	insn_next(cpu, insn);
}

static void bcd_aam(struct x86_vcpu *cpu, const struct insn *insn)
{
	unsigned int value = al(cpu), base = (uint8_t)insn->imm;

	if (base == 0) {
		insn_fault(cpu, insn, VECTOR_DE);
		return;
	}
	ax_set(cpu, value / base << 8 | value % base);
	flags_arithmetic_set(cpu, byte_flags(al(cpu)));
	insn_next(cpu, insn);
}

static void bcd_aad(struct x86_vcpu *cpu, const struct insn *insn)
{
	unsigned int ah = (uint8_t)(cpu->gpr[RAX] >> 8);

	ax_set(cpu, (al(cpu) + ah * (uint8_t)insn->imm) & 0xff);
	flags_arithmetic_set(cpu, byte_flags(al(cpu)));
	insn_next(cpu, insn);
}

/* DAA, DAS: two packed digits. */
static void packed_adjust(struct x86_vcpu *cpu, bool subtract)
{
	uint32_t flags = (uint32_t)flags_get(cpu), carry = 0;
	uint8_t old = al(cpu), value = old;

	if ((old & 15) > 9 || flags & FLAG_AF) {
		/* DAS: the lower digit's borrow counts even where the upper digit needs no adjustment. */
		if (subtract && (flags & FLAG_CF || old < 6))
			carry |= FLAG_CF;
		value = (uint8_t)(subtract ? value - 6 : value + 6);
		carry |= FLAG_AF;
	}
	if (old > 0x99 || flags & FLAG_CF) {
		value = (uint8_t)(subtract ? value - 0x60 : value + 0x60);
		carry |= FLAG_CF;
	}
	*gpr8(cpu, 8 * RAX) = value;
	flags_arithmetic_set(cpu, carry | byte_flags(value));
}

static void bcd_daa(struct x86_vcpu *cpu, const struct insn *insn)
{
	packed_adjust(cpu, false);
	insn_next(cpu, insn);
}

static void bcd_das(struct x86_vcpu *cpu, const struct insn *insn)
{
	packed_adjust(cpu, true);
	insn_next(cpu, insn);
}

bool bcd_decode(struct decoder *d, struct insn *insn, unsigned int op)
{
	static insn_fn *const handlers[] = { [BCD_AAA] = bcd_aaa, [BCD_AAS] = bcd_aas, [BCD_AAM] = bcd_aam,
					     [BCD_AAD] = bcd_aad, [BCD_DAA] = bcd_daa, [BCD_DAS] = bcd_das };

	if (d->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		insn->imm = d->op[0].imm.value.u;
	insn->run = handlers[op];
	return true;
}
