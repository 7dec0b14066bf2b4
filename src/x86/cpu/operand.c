/*
 * Operands of integer instructions: the parts that are not templates. Decoding looks at Zydis' operands here, once for all
 * instructions of one shape.
 */
#include "x86/cpu/operand.h"

bool modify_begin_slow(struct x86_vcpu *cpu, const struct insn *insn, uint64_t linear, void *value, unsigned int size)
{
	enum segment seg = (enum segment)insn->seg;

	/* The read of a read-modify-write faults as a write does; alignment comes before paging. */
	return mem_address_check(cpu, insn, seg, linear, size, size) && mem_probe(cpu, insn, seg, linear, size, ACCESS_RMW) && mem_read_slow(cpu, insn, seg, linear, value, size);
}

uint64_t decode_immediate(const struct decoder *d, unsigned int operand, unsigned int size)
{
	return (uint64_t)sign_extend(d->op[operand].imm.value.u, size);
}

enum form decode_form(const struct decoder *d, struct insn *insn)
{
	bool immediate = d->op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;

	insn->size = (uint8_t)(d->op[0].size / 8);
	if (immediate)
		insn->imm = decode_immediate(d, 1, insn->size);
	if (decode_is_memory(d, 0)) {
		if (!immediate)
			insn->reg = decode_gpr(d->op[1].reg.value);
		return immediate ? FORM_MI : FORM_MR;
	}
	insn->reg = decode_gpr(d->op[0].reg.value);
	if (immediate)
		return FORM_RI;
	if (decode_is_memory(d, 1))
		return FORM_RM;
	insn->rm = decode_gpr(d->op[1].reg.value);
	return FORM_RR;
}

bool decode_single(const struct decoder *d, struct insn *insn)
{
	insn->size = (uint8_t)(d->op[0].size / 8);
	if (decode_is_memory(d, 0))
		return true;
	insn->reg = decode_gpr(d->op[0].reg.value);
	return false;
}

bool decode_as_system(struct decoder *d, struct insn *insn)
{
	for (const struct decode_row *row = system_rows; row->decode; row++)
		if (row->mnemonic == d->z.mnemonic)
			return row->decode(d, insn, row->argument);
	return false;
}
