/*
 * Operands worth looking at. A random instruction with random registers would fault nearly always; this points its memory operands at
 * interesting places, by choosing base registers nothing relies on yet or by patching displacements, puts there what the instruction wants
 * to find, and gives immediates and implicit registers edge values. Faults remain common enough.
 */
#include <string.h>

#include "generator.h"

typedef void prepare_fn(struct generator *g, struct insn *insn, uint64_t address);

bool gpr_set(struct generator *g, int index, uint64_t value)
{
	if (index < 0 || ((g->pinned | g->written) >> index & 1))
		return false;
	g->c->in.gpr[index] = case_bits(g->c) == 64 ? value : (uint32_t)value;
	g->pinned |= 1u << index;
	return true;
}

static void data_put(struct generator *g, uint64_t address, const void *bytes, uint32_t n)
{
	uint64_t offset = address - DATA_BASE;

	if (offset < DATA_SIZE && n <= DATA_SIZE - offset)
		memcpy(g->c->data + offset, bytes, n);
}

static uint64_t data_get(struct generator *g, uint64_t address, uint32_t n)
{
	uint64_t offset = address - DATA_BASE, value = 0;

	if (offset < DATA_SIZE && n <= DATA_SIZE - offset)
		memcpy(&value, g->c->data + offset, n);
	return value;
}

/* Where a memory operand of this size may point: mostly to data, sometimes across or beyond its edges. */
uint64_t pointer_pick(struct generator *g, uint32_t size)
{
	struct rng *r = &g->rng;
	uint32_t align = size >= 512 ? 64 : size >= 10 ? 16 : size >= 8 ? 8 : size >= 4 ? 4 : size >= 2 ? 2 : 1;
	uint32_t kind = rng_below(r, 1000), inside = size && size <= 4096 ? rng_below(r, size) : 0;

	if (kind < 740)
		return DATA_BASE + (rng_below(r, DATA_SIZE - 1024) & ~(align - 1));
	if (kind < 850)
		return DATA_BASE + rng_below(r, DATA_SIZE - 1024);
	if (kind < 900)
		return DATA_BASE + 0x1000 - inside;
	if (kind < 925)
		return RO_BASE - inside;
	if (kind < 950)
		return RO_BASE + (rng_below(r, RO_SIZE - 16) & ~(align - 1));
	if (kind < 970)
		return RO_BASE + RO_SIZE - inside;
	if (kind < 980)
		return DATA_BASE - inside;
	if (kind < 990)
		return (1ull << 47) - inside;
	if (kind < 995)
		return 0xffff800000000000 - inside;
	return kind < 998 ? 0 - (uint64_t)inside : value_integer(r);
}

static void imm_patch(struct insn *insn, uint8_t *bytes, int i, uint64_t value)
{
	memcpy(bytes + insn->d.raw.imm[i].offset, &value, insn->d.raw.imm[i].size / 8);
}

static void prepare_immediates(struct generator *g, struct insn *insn, uint8_t *bytes)
{
	struct rng *r = &g->rng;

	for (int i = 0; i < 2; i++) {
		if (!insn->d.raw.imm[i].size)
			continue;
		if (!insn->d.raw.imm[i].is_relative) {
			if (rng_percent(r, 50))
				imm_patch(insn, bytes, i, value_integer(r));
		} else if (insn->d.raw.imm[i].size == 8 || rng_percent(r, 85)) {
			imm_patch(insn, bytes, i, (uint64_t)rng_below(r, 256) - 128);
		}
	}
}

static bool disp_patch(struct insn *insn, uint8_t *bytes, uint64_t disp)
{
	uint32_t size = insn->d.raw.disp.size;

	if (size == 32 && insn->d.address_width == 64 && (uint64_t)(int64_t)(int32_t)disp != disp)
		return false;
	if (size < 32)
		return false;
	memcpy(bytes + insn->d.raw.disp.offset, &disp, size / 8);
	return true;
}

/* The value a base register must have, or the displacement if that is settled, for the operand to be at the target. */
static void aim(struct generator *g, struct insn *insn, uint8_t *bytes, ZydisDecodedOperand *op, uint64_t target)
{
	int base = gpr_index(op->mem.base), index = gpr_index(op->mem.index);
	uint64_t offset, now;

	if (insn->d.address_width == 16)
		return;
	if (index >= 0 && index != base)
		gpr_set(g, index, (uint64_t)rng_below(&g->rng, 33) - 16);
	if (!operand_address(g->c, insn, op, g->written, &now))
		return;
	offset = target - now;
	if (base < 0 || (g->pinned >> base & 1)) {
		/* Implicit operands (PUSH, MOVS) have no displacement to patch. */
		if (op->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
			disp_patch(insn, bytes, (uint64_t)op->mem.disp.value + offset);
		return;
	}
	if (base == index)
		offset /= 1u + op->mem.scale;
	offset += g->c->in.gpr[base];
	if (insn->d.address_width == 32 && case_bits(g->c) == 64)
		offset = (offset & UINT32_MAX) | (rng_percent(&g->rng, 50) ? rng_next(&g->rng) << 32 : 0);
	gpr_set(g, base, offset);
}

static const uint16_t selectors[] = {
	SEL_USER_DS, SEL_USER_DS, SEL_USER_DS, SEL_USER_CS64, SEL_USER_CS32, 0, 1, 2, 3, 0x10, 0x18, 0x1b, 0x08, 0x20, 0x28, 0x2a, 0x30,
	0x40, 0x43, 0x48, 0x50, 0x63, 0x80, 0x2f, 4, 7, 0xfff8, 0xffff,
};

static uint16_t selector_pick(struct generator *g)
{
	return selectors[rng_below(&g->rng, sizeof(selectors) / sizeof(selectors[0]))];
}

/* Between the INT3s, away from the case. */
static uint64_t code_target_pick(struct generator *g)
{
	uint64_t at = g->c->in.rip - CODE_BASE;
	uint64_t target;

	switch (rng_below(&g->rng, 20)) {
	case 0:
		return value_integer(&g->rng);
	case 1:
		return DATA_BASE + rng_below(&g->rng, DATA_SIZE);
	case 2:
		return CODE_BASE + CODE_SIZE - rng_below(&g->rng, 2);
	}
	do
		target = rng_below(&g->rng, CODE_SIZE);
	while (target >= at && target < at + CODE_MAX);
	return CODE_BASE + target;
}

/* A source operand that is a register or lies at the address gets the value. */
static void source_put(struct generator *g, struct insn *insn, int operand, uint64_t address, uint64_t value, uint32_t n)
{
	const ZydisDecodedOperand *op = &insn->ops[operand];

	if (op->type == ZYDIS_OPERAND_TYPE_MEMORY)
		data_put(g, address, &value, n);
	else if (op->type == ZYDIS_OPERAND_TYPE_REGISTER)
		gpr_set(g, gpr_index(op->reg.value), value);
}

static void prepare_selector(struct generator *g, struct insn *insn, uint64_t address)
{
	int source = insn->d.mnemonic == ZYDIS_MNEMONIC_VERR || insn->d.mnemonic == ZYDIS_MNEMONIC_VERW ? 0 : 1;

	source_put(g, insn, source, address, selector_pick(g), 2);
}

/* MOV has two forms with a segment register; only loading one needs a selector. */
static void prepare_mov(struct generator *g, struct insn *insn, uint64_t address)
{
	if (insn->ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    ZydisRegisterGetClass(insn->ops[0].reg.value) == ZYDIS_REGCLASS_SEGMENT)
		prepare_selector(g, insn, address);
}

static void prepare_pop(struct generator *g, struct insn *insn, uint64_t address)
{
	uint16_t selector = selector_pick(g);

	(void)address;
	if (insn->ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    ZydisRegisterGetClass(insn->ops[0].reg.value) == ZYDIS_REGCLASS_SEGMENT)
		data_put(g, g->c->in.gpr[RSP], &selector, 2);
}

static void prepare_far_load(struct generator *g, struct insn *insn, uint64_t address)
{
	uint16_t selector = selector_pick(g);

	data_put(g, address + insn->d.operand_width / 8, &selector, 2);
}

/* A far pointer, or the frame of a far return: offset and selector, and for IRET flags and stack. */
static void far_frame_put(struct generator *g, uint64_t address, uint32_t size)
{
	static const uint16_t code[] = { SEL_USER_CS64, SEL_USER_CS32 };
	uint64_t frame[5] = { code_target_pick(g), code[rng_below(&g->rng, 2)], rng_next(&g->rng) & 0x55fd7, pointer_pick(g, 8),
			      SEL_USER_DS };

	if (rng_percent(&g->rng, 30))
		frame[1] = selector_pick(g);
	if (rng_percent(&g->rng, 10))
		frame[4] = selector_pick(g);
	if (rng_percent(&g->rng, 90))
		frame[2] &= ~(uint64_t)(FLAG_TF | FLAG_AC);
	for (uint32_t i = 0; i < 5; i++)
		data_put(g, address + i * size, &frame[i], size);
}

static void prepare_return(struct generator *g, struct insn *insn, uint64_t address)
{
	uint64_t target = code_target_pick(g);
	uint32_t size = insn->d.operand_width / 8;

	(void)address;
	if (g->written >> RSP & 1)
		return;
	if (insn->d.mnemonic == ZYDIS_MNEMONIC_RET && insn->d.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR)
		data_put(g, g->c->in.gpr[RSP], &target, case_bits(g->c) == 64 ? 8 : size);
	else
		far_frame_put(g, g->c->in.gpr[RSP], size);
}

static void prepare_jump(struct generator *g, struct insn *insn, uint64_t address)
{
	if (insn->ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY && insn->d.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		far_frame_put(g, address, insn->d.operand_width == 16 ? 2 : 4);
	else
		source_put(g, insn, 0, address, code_target_pick(g), 8);
}

/* The bit offset of the memory forms reaches far; keep most of them in sight. */
static void prepare_bit(struct generator *g, struct insn *insn, uint64_t address)
{
	(void)address;
	if (insn->ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY && insn->ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    rng_percent(&g->rng, 90))
		gpr_set(g, gpr_index(insn->ops[1].reg.value), (uint64_t)rng_below(&g->rng, 4096) - 2048);
}

/* A high half that lets the quotient fit. */
static void prepare_divide(struct generator *g, struct insn *insn, uint64_t address)
{
	uint64_t half = rng_percent(&g->rng, 60) ? 0 : rng_percent(&g->rng, 60) ? UINT64_MAX : rng_next(&g->rng) >> rng_below(&g->rng, 64);

	(void)address;
	if (rng_percent(&g->rng, 25))
		return;
	if (insn->d.operand_width == 8)
		gpr_set(g, RAX, (g->c->in.gpr[RAX] & ~0xff00ull) | (half & 0xff) << 8);
	else
		gpr_set(g, RDX, half);
}

static void prepare_count(struct generator *g, struct insn *insn, uint64_t address)
{
	uint64_t count = rng_below(&g->rng, 70);

	(void)insn;
	(void)address;
	if (rng_percent(&g->rng, 80))
		gpr_set(g, RCX, (rng_next(&g->rng) & ~0xffull) | count);
}

static void prepare_loop(struct generator *g, struct insn *insn, uint64_t address)
{
	(void)insn;
	(void)address;
	if (rng_percent(&g->rng, 70))
		gpr_set(g, RCX, rng_below(&g->rng, 3));
}

static void prepare_enter(struct generator *g, struct insn *insn, uint64_t address)
{
	(void)insn;
	(void)address;
	if (rng_percent(&g->rng, 80))
		gpr_set(g, RBP, DATA_BASE + 0x200 + rng_below(&g->rng, 0x1800) * 1ull);
}

/* The accumulator equals the destination half of the time. */
static void prepare_cmpxchg(struct generator *g, struct insn *insn, uint64_t address)
{
	if (rng_percent(&g->rng, 50))
		return;
	if (insn->ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY)
		gpr_set(g, RAX, data_get(g, address, 8));
	else if (gpr_index(insn->ops[0].reg.value) >= 0)
		gpr_set(g, RAX, g->c->in.gpr[gpr_index(insn->ops[0].reg.value)]);
}

static void prepare_cmpxchg_wide(struct generator *g, struct insn *insn, uint64_t address)
{
	uint32_t n = insn->d.mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B ? 8 : 4;

	if (rng_percent(&g->rng, 40))
		return;
	gpr_set(g, RAX, data_get(g, address, n));
	gpr_set(g, RDX, data_get(g, address + n, n));
}

static void prepare_explicit_lengths(struct generator *g, struct insn *insn, uint64_t address)
{
	(void)insn;
	(void)address;
	if (rng_percent(&g->rng, 75))
		gpr_set(g, RAX, (uint64_t)rng_below(&g->rng, 41) - 20);
	if (rng_percent(&g->rng, 75))
		gpr_set(g, RDX, (uint64_t)rng_below(&g->rng, 41) - 20);
}

static void prepare_bcd(struct generator *g, struct insn *insn, uint64_t address)
{
	uint8_t bcd[10];

	(void)insn;
	value_bcd(&g->rng, bcd);
	data_put(g, address, bcd, sizeof(bcd));
}

static void prepare_mxcsr(struct generator *g, struct insn *insn, uint64_t address)
{
	uint32_t mxcsr = value_mxcsr(&g->rng);

	(void)insn;
	/* Bit 17 is AMD's MM, which depends on the model. */
	if (rng_percent(&g->rng, 10))
		mxcsr |= 1u << (rng_percent(&g->rng, 30) ? 16 : 18 + rng_below(&g->rng, 14));
	data_put(g, address, &mxcsr, 4);
}

static void prepare_fcw(struct generator *g, struct insn *insn, uint64_t address)
{
	uint16_t fcw = value_fcw(&g->rng);

	(void)insn;
	data_put(g, address, &fcw, 2);
}

/* FLDENV's and FRSTOR's image in the protected mode formats (SDM vol. 1, 8.1.10). */
static void prepare_environment(struct generator *g, struct insn *insn, uint64_t address)
{
	uint16_t fcw = value_fcw(&g->rng), fsw = value_fsw(&g->rng, fcw), ftw = (uint16_t)rng_next(&g->rng);
	uint32_t step = insn->d.operand_width == 16 ? 2 : 4;
	uint8_t st[10];

	if (rng_percent(&g->rng, 30))
		ftw = rng_percent(&g->rng, 50) ? 0 : 0xffff;
	data_put(g, address, &fcw, 2);
	data_put(g, address + step, &fsw, 2);
	data_put(g, address + step * 2, &ftw, 2);
	if (insn->d.mnemonic == ZYDIS_MNEMONIC_FLDENV)
		return;
	for (uint32_t i = 0; i < 8; i++) {
		value_f80(&g->rng, st);
		data_put(g, address + step * 7 + i * 10, st, sizeof(st));
	}
}

static void prepare_fxrstor(struct generator *g, struct insn *insn, uint64_t address)
{
	uint8_t fx[FX_SIZE];

	fill_fx(&g->rng, fx);
	data_put(g, address, fx, sizeof(fx));
	if (rng_percent(&g->rng, 20))
		prepare_mxcsr(g, insn, address + FX_MXCSR);
}

/* XSAVE's and XRSTOR's mask, and for XRSTOR an image with a header (SDM vol. 1, 13.4). */
static void prepare_xsave(struct generator *g, struct insn *insn, uint64_t address)
{
	uint64_t header[8] = { rng_below(&g->rng, 4) };

	prepare_fxrstor(g, insn, address);
	if (rng_percent(&g->rng, 8))
		header[rng_below(&g->rng, 8)] ^= 1ull << (20 + rng_below(&g->rng, 43));
	data_put(g, address + FX_SIZE, header, sizeof(header));
	/* Components beyond x87 and SSE depend on XCR0. */
	gpr_set(g, RAX, (rng_next(&g->rng) & ~0xffffffffull) | rng_below(&g->rng, 4));
	gpr_set(g, RDX, rng_next(&g->rng) << 32);
}

static void prepare_bound(struct generator *g, struct insn *insn, uint64_t address)
{
	uint32_t n = insn->d.operand_width / 8;
	uint64_t low = 0 - (uint64_t)rng_below(&g->rng, 8), high = rng_below(&g->rng, 8);

	data_put(g, address, &low, n);
	data_put(g, address + n, &high, n);
	gpr_set(g, gpr_index(insn->ops[0].reg.value), (uint64_t)rng_below(&g->rng, 24) - 12);
}

static const struct preparation {
	ZydisMnemonic mnemonic;
	prepare_fn *prepare;
} preparations[] = {
	{ ZYDIS_MNEMONIC_RET, prepare_return }, { ZYDIS_MNEMONIC_IRET, prepare_return }, { ZYDIS_MNEMONIC_IRETD, prepare_return },
	{ ZYDIS_MNEMONIC_IRETQ, prepare_return }, { ZYDIS_MNEMONIC_JMP, prepare_jump }, { ZYDIS_MNEMONIC_CALL, prepare_jump },
	{ ZYDIS_MNEMONIC_BT, prepare_bit }, { ZYDIS_MNEMONIC_BTS, prepare_bit }, { ZYDIS_MNEMONIC_BTR, prepare_bit },
	{ ZYDIS_MNEMONIC_BTC, prepare_bit }, { ZYDIS_MNEMONIC_DIV, prepare_divide }, { ZYDIS_MNEMONIC_IDIV, prepare_divide },
	{ ZYDIS_MNEMONIC_SHL, prepare_count }, { ZYDIS_MNEMONIC_SHR, prepare_count }, { ZYDIS_MNEMONIC_SAR, prepare_count },
	{ ZYDIS_MNEMONIC_ROL, prepare_count }, { ZYDIS_MNEMONIC_ROR, prepare_count }, { ZYDIS_MNEMONIC_RCL, prepare_count },
	{ ZYDIS_MNEMONIC_RCR, prepare_count }, { ZYDIS_MNEMONIC_SHLD, prepare_count }, { ZYDIS_MNEMONIC_SHRD, prepare_count },
	{ ZYDIS_MNEMONIC_LOOP, prepare_loop }, { ZYDIS_MNEMONIC_LOOPE, prepare_loop }, { ZYDIS_MNEMONIC_LOOPNE, prepare_loop },
	{ ZYDIS_MNEMONIC_JCXZ, prepare_loop }, { ZYDIS_MNEMONIC_JECXZ, prepare_loop }, { ZYDIS_MNEMONIC_JRCXZ, prepare_loop },
	{ ZYDIS_MNEMONIC_ENTER, prepare_enter }, { ZYDIS_MNEMONIC_LEAVE, prepare_enter },
	{ ZYDIS_MNEMONIC_CMPXCHG, prepare_cmpxchg }, { ZYDIS_MNEMONIC_CMPXCHG8B, prepare_cmpxchg_wide },
	{ ZYDIS_MNEMONIC_CMPXCHG16B, prepare_cmpxchg_wide },
	{ ZYDIS_MNEMONIC_PCMPESTRI, prepare_explicit_lengths }, { ZYDIS_MNEMONIC_PCMPESTRM, prepare_explicit_lengths },
	{ ZYDIS_MNEMONIC_FBLD, prepare_bcd }, { ZYDIS_MNEMONIC_LDMXCSR, prepare_mxcsr }, { ZYDIS_MNEMONIC_FLDCW, prepare_fcw },
	{ ZYDIS_MNEMONIC_FLDENV, prepare_environment }, { ZYDIS_MNEMONIC_FRSTOR, prepare_environment },
	{ ZYDIS_MNEMONIC_FXRSTOR, prepare_fxrstor }, { ZYDIS_MNEMONIC_FXRSTOR64, prepare_fxrstor },
	{ ZYDIS_MNEMONIC_XSAVE, prepare_xsave }, { ZYDIS_MNEMONIC_XSAVE64, prepare_xsave }, { ZYDIS_MNEMONIC_XRSTOR, prepare_xsave },
	{ ZYDIS_MNEMONIC_XRSTOR64, prepare_xsave }, { ZYDIS_MNEMONIC_XSAVEOPT, prepare_xsave },
	{ ZYDIS_MNEMONIC_XSAVEOPT64, prepare_xsave }, { ZYDIS_MNEMONIC_XSAVEC, prepare_xsave }, { ZYDIS_MNEMONIC_XSAVEC64, prepare_xsave },
	{ ZYDIS_MNEMONIC_LAR, prepare_selector }, { ZYDIS_MNEMONIC_LSL, prepare_selector }, { ZYDIS_MNEMONIC_VERR, prepare_selector },
	{ ZYDIS_MNEMONIC_VERW, prepare_selector }, { ZYDIS_MNEMONIC_MOV, prepare_mov }, { ZYDIS_MNEMONIC_POP, prepare_pop },
	{ ZYDIS_MNEMONIC_LES, prepare_far_load }, { ZYDIS_MNEMONIC_LDS, prepare_far_load }, { ZYDIS_MNEMONIC_LSS, prepare_far_load },
	{ ZYDIS_MNEMONIC_BOUND, prepare_bound },
};

static void prepare_special(struct generator *g, struct insn *insn, uint64_t address)
{
	if (insn->d.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE))
		if (rng_percent(&g->rng, 85))
			gpr_set(g, RCX, rng_below(&g->rng, rng_percent(&g->rng, 90) ? 24 : 2000));
	for (size_t i = 0; i < sizeof(preparations) / sizeof(preparations[0]); i++)
		if (preparations[i].mnemonic == insn->d.mnemonic)
			preparations[i].prepare(g, insn, address);
}

void prepare_insn(struct generator *g, struct insn *insn, uint8_t *bytes)
{
	uint64_t address = 0;

	prepare_immediates(g, insn, bytes);
	for (int i = 0; i < insn->d.operand_count; i++) {
		ZydisDecodedOperand *op = &insn->ops[i];

		if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || op->mem.type == ZYDIS_MEMOP_TYPE_AGEN)
			continue;
		aim(g, insn, bytes, op, pointer_pick(g, op->size / 8));
		/* Patching may have changed the displacement. */
		insn_decode(insn, case_bits(g->c), bytes, CANDIDATE_SIZE);
		operand_address(g->c, insn, op, g->written, &address);
	}
	prepare_special(g, insn, address);
}
