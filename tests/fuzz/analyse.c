/*
 * What a case's bytes say about it before it runs: a small data-flow analysis over at most STEPS_MAX instructions, with the sets of
 * undefined flags and of changed registers joined wherever control may come from. It must never know how a case was made.
 */
#include <string.h>

#include "analyse.h"

int case_bits(const struct test_case *c)
{
	return c->in.cs == SEL_USER_CS64 ? 64 : 32;
}

static uint64_t segment_base(ZydisRegister segment)
{
	switch (segment) {
	case ZYDIS_REGISTER_FS:
		return FS_BASE;
	case ZYDIS_REGISTER_GS:
		return GS_BASE;
	default:
		return 0;
	}
}

static bool register_value(const struct test_case *c, ZydisRegister reg, uint32_t unknown, uint64_t *value)
{
	int index = gpr_index(reg);

	*value = 0;
	if (reg == ZYDIS_REGISTER_NONE)
		return true;
	if (index < 0 || (unknown >> index & 1))
		return false;
	*value = c->in.gpr[index];
	if (ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_GPR8)	/* XLAT's AL */
		*value &= 0xff;
	return true;
}

bool operand_address(const struct test_case *c, const struct insn *insn, const ZydisDecodedOperand *op, uint32_t unknown,
		     uint64_t *address)
{
	uint64_t base, index, offset;

	if (op->mem.base == ZYDIS_REGISTER_RIP || op->mem.base == ZYDIS_REGISTER_EIP)
		base = c->in.rip + insn->offset + insn->d.length;
	else if (!register_value(c, op->mem.base, unknown, &base))
		return false;
	if (!register_value(c, op->mem.index, unknown, &index))
		return false;
	offset = base + index * op->mem.scale + (uint64_t)op->mem.disp.value;
	if (insn->d.address_width < 64)
		offset &= (1ull << insn->d.address_width) - 1;
	*address = offset + segment_base(op->mem.segment);
	if (case_bits(c) == 32)
		*address &= UINT32_MAX;
	return true;
}

static void ignore(struct analysis *a, uint64_t address, uint32_t offset, uint32_t length)
{
	uint64_t from = address + offset - DATA_BASE;

	if (from < DATA_SIZE && a->ignored_count < IGNORED_MAX)
		a->ignored[a->ignored_count++] = (struct ignored_range){ (uint32_t)from, length };
}

/*
 * Memory images of the floating-point state hold what the comparison leaves out: instruction and data pointers, the mask of MXCSR's bits,
 * the components in use, and (in the x87 formats) reserved halves.
 */
static void ignore_image(struct analysis *a, const struct insn *insn, uint64_t address)
{
	switch (insn->d.mnemonic) {
	case ZYDIS_MNEMONIC_FNSTENV:
	case ZYDIS_MNEMONIC_FNSAVE:
		if (insn->ops[0].size == 14 * 8 || insn->ops[0].size == 94 * 8)
			ignore(a, address, 6, 8);
		else
			ignore(a, address, 12, 16);
		break;
	default:
		ignore(a, address, FX_FOP, FX_MXCSR - FX_FOP);
		ignore(a, address, FX_MXCSR_MASK, 4);
		if (insn->d.mnemonic != ZYDIS_MNEMONIC_FXSAVE && insn->d.mnemonic != ZYDIS_MNEMONIC_FXSAVE64)
			ignore(a, address, FX_SIZE, 1);
	}
}

/* Reads the case's memory, writable and read-only pages; false when the CPU would fault there. */
static bool memory_read(const struct test_case *c, uint64_t address, void *to, uint32_t n)
{
	uint8_t memory[DATA_SIZE + RO_SIZE];
	uint64_t offset = address - DATA_BASE;

	if (offset >= sizeof(memory) || n > sizeof(memory) - offset)
		return false;
	memcpy(memory, c->data, DATA_SIZE);
	ro_page_fill(memory + DATA_SIZE);
	memcpy(to, memory + offset, n);
	return true;
}

static bool mxcsr_is_comparable(const struct test_case *c, uint64_t address)
{
	uint32_t mxcsr;

	/* Bit 17, AMD's MM, exists in some models only. */
	return !memory_read(c, address, &mxcsr, sizeof(mxcsr)) || !(mxcsr >> 17 & 1);
}

/* Components beyond x87 and SSE, and the compacted format, depend on XCR0 and CPUID, which host and guest do not share. */
static bool xsave_mask_is_comparable(const struct test_case *c)
{
	return (uint32_t)c->in.gpr[RAX] < 4 && (uint32_t)c->in.gpr[RDX] == 0;
}

static bool xstate_is_comparable(const struct test_case *c, uint64_t address)
{
	uint64_t header[2];

	if (!xsave_mask_is_comparable(c) || !mxcsr_is_comparable(c, address + FX_MXCSR))
		return false;
	return !memory_read(c, address + FX_SIZE, header, sizeof(header)) || (!(header[0] & 0xffffc) && !(header[1] >> 63));
}

/* Instructions whose validity depends on the model's features through values in memory or registers: only first in a case. */
static bool model_check(const struct analysis *a, const struct test_case *c, const struct step *s)
{
	uint64_t address;

	switch (s->insn.d.mnemonic) {
	case ZYDIS_MNEMONIC_LDMXCSR:
	case ZYDIS_MNEMONIC_FXRSTOR:
	case ZYDIS_MNEMONIC_FXRSTOR64:
	case ZYDIS_MNEMONIC_XRSTOR:
	case ZYDIS_MNEMONIC_XRSTOR64:
		break;
	case ZYDIS_MNEMONIC_XSAVE:
	case ZYDIS_MNEMONIC_XSAVE64:
	case ZYDIS_MNEMONIC_XSAVEC:
	case ZYDIS_MNEMONIC_XSAVEC64:
	case ZYDIS_MNEMONIC_XSAVEOPT:
	case ZYDIS_MNEMONIC_XSAVEOPT64:
		return s == a->steps && xsave_mask_is_comparable(c);
	default:
		return true;
	}
	if (s != a->steps || !operand_address(c, &s->insn, &s->insn.ops[0], 0, &address))
		return false;
	if (s->insn.d.mnemonic == ZYDIS_MNEMONIC_LDMXCSR)
		return mxcsr_is_comparable(c, address);
	if (s->insn.d.mnemonic == ZYDIS_MNEMONIC_FXRSTOR || s->insn.d.mnemonic == ZYDIS_MNEMONIC_FXRSTOR64)
		return mxcsr_is_comparable(c, address + FX_MXCSR);
	return xstate_is_comparable(c, address);
}

static bool step_check(struct analysis *a, const struct test_case *c, const struct step *s)
{
	uint64_t address;

	if (s->effects.flags_read & s->in.flags_undefined)
		return false;
	if (s->effects.fsw_read && s->in.fsw_undefined)
		return false;
	if (insn_result_undefined(&s->insn, s->in.gpr_written >> RCX & 1 ? NULL : &c->in))
		return false;
	if (!model_check(a, c, s))
		return false;
	if (insn_is_approximate(&s->insn)) {
		a->approximate = true;
		return s == &a->steps[a->count - 1];
	}
	if (!insn_saves_state(&s->insn))
		return true;
	/* Nothing may read what an image leaves open. */
	if (s != &a->steps[a->count - 1] || !operand_address(c, &s->insn, &s->insn.ops[0], s->in.gpr_written, &address))
		return false;
	ignore_image(a, &s->insn, address);
	return true;
}

static struct flow *flow_at(struct analysis *a, const struct test_case *c, uint64_t offset)
{
	if (offset == c->code_len)
		return &a->end;
	for (uint32_t i = 0; i < a->count; i++)
		if (a->steps[i].insn.offset == offset)
			return &a->steps[i].in;
	return NULL;
}

static bool flow_join(struct flow *to, const struct flow *from)
{
	struct flow old = *to;

	to->reached = true;
	to->flags_undefined |= from->flags_undefined;
	to->fsw_undefined |= from->fsw_undefined;
	to->gpr_written |= from->gpr_written;
	return memcmp(&old, to, sizeof(old)) != 0;
}

static struct flow step_out(const struct step *s)
{
	struct flow out;

	memcpy(&out, &s->in, sizeof(out));
	out.flags_undefined &= ~s->effects.flags_defined;
	out.flags_undefined |= s->effects.flags_undefined;
	out.fsw_undefined &= (uint16_t)~s->effects.fsw_defined;
	out.fsw_undefined |= s->effects.fsw_undefined;
	out.gpr_written |= insn_gpr_written(&s->insn);
	return out;
}

/* Where a direct branch leads, as an offset into the code; false for everything else. */
static bool branch_target(const struct insn *insn, uint64_t *offset)
{
	const ZydisDecodedOperand *op = &insn->ops[0];

	if (op->type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !op->imm.is_relative)
		return false;
	*offset = insn->offset + insn->d.length + op->imm.value.u;
	return true;
}

/* Returns false when a branch leads into the middle of an instruction. */
static bool step_flow(struct analysis *a, const struct test_case *c, struct step *s, bool *changed)
{
	struct flow out, *to;
	uint64_t offset;

	insn_effects(&s->insn, s->in.gpr_written >> RCX & 1 ? NULL : &c->in, &s->effects);
	out = step_out(s);
	to = flow_at(a, c, s->insn.offset + s->insn.d.length);
	if (to && flow_join(to, &out))
		*changed = true;
	if (!branch_target(&s->insn, &offset))
		return true;
	to = flow_at(a, c, offset);
	if (!to)
		return offset >= c->code_len;
	if (flow_join(to, &out))
		*changed = true;
	return true;
}

static bool steps_decode(struct analysis *a, const struct test_case *c)
{
	for (uint32_t at = 0; at < c->code_len; at += a->steps[a->count++].insn.d.length) {
		struct insn *insn;

		if (a->count == STEPS_MAX)
			return false;
		insn = &a->steps[a->count].insn;
		insn->offset = at;
		if (insn_decode(insn, case_bits(c), c->code + at, c->code_len - at))
			continue;
		/* Bytes that are meant to fault, or an instruction that the end of the page cuts off. */
		memset(&insn->d, 0, sizeof(insn->d));
		insn->d.length = (uint8_t)(c->code_len - at);
	}
	return true;
}

bool case_analyse(const struct test_case *c, struct analysis *a)
{
	bool changed = true;

	a->count = a->ignored_count = 0;
	a->approximate = false;
	if (!steps_decode(a, c))
		return false;
	memset(&a->end, 0, sizeof(a->end));
	for (uint32_t i = 0; i < a->count; i++)
		memset(&a->steps[i].in, 0, sizeof(a->steps[i].in));
	if (a->count)
		a->steps[0].in.reached = true;
	while (changed) {
		changed = false;
		for (uint32_t i = 0; i < a->count; i++)
			if (a->steps[i].in.reached && !step_flow(a, c, &a->steps[i], &changed))
				return false;
	}
	for (uint32_t i = 0; i < a->count; i++)
		if (a->steps[i].in.reached && !step_check(a, c, &a->steps[i]))
			return false;
	return true;
}

const struct step *analysis_step_at(const struct analysis *a, const struct test_case *c, uint64_t rip)
{
	for (uint32_t i = 0; i < a->count; i++)
		if (c->in.rip + a->steps[i].insn.offset == rip)
			return &a->steps[i];
	return NULL;
}
