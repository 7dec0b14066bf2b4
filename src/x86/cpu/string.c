/*
 * MOVS, CMPS, SCAS, LODS and STOS, with and without REP. Registers are right after each element, so that a fault, an interrupt or
 * a signal in the middle finds the instruction where it can go on (SDM Vol. 2B, REP). Whole pages move at the host's speed.
 */
#include "x86/cpu/alu.h"

/* How many elements are done between two looks at the request word. */
#define ELEMENTS_A_LOOK 4096

struct strings {
	unsigned int size;
	uint64_t mask; /* of the address size */
	int64_t step;  /* plus or minus the size */
};

static struct strings strings_of(const struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t mask = insn->flags & INSN_ADDRESS16 ? UINT16_MAX : insn->flags & INSN_ADDRESS32 ? UINT32_MAX : UINT64_MAX;

	return (struct strings){ .size = insn->size, .mask = mask, .step = cpu->rflags & FLAG_DF ? -(int64_t)insn->size : insn->size };
}

/* Registers have the address size's width: 32-bit writes clear the upper half, 16-bit ones keep it. */
static void register_set(struct x86_vcpu *cpu, enum gpr reg, uint64_t mask, uint64_t value)
{
	cpu->gpr[reg] = mask == UINT16_MAX ? (cpu->gpr[reg] & ~mask) | (value & mask) : value & mask;
}

static void register_move(struct x86_vcpu *cpu, enum gpr reg, const struct strings *s, uint64_t count)
{
	register_set(cpu, reg, s->mask, cpu->gpr[reg] + (uint64_t)s->step * count);
}

static uint64_t source_linear(struct x86_vcpu *cpu, const struct insn *insn, const struct strings *s)
{
	return segment_linear(cpu, (enum segment)insn->seg, cpu->gpr[RSI] & s->mask, s->size, ACCESS_READ);
}

static uint64_t target_linear(struct x86_vcpu *cpu, const struct strings *s, enum access access)
{
	return segment_linear(cpu, ES, cpu->gpr[RDI] & s->mask, s->size, access);
}

/* ---- Memory: sizes that are not constants. ---- */

static bool mem_read_seg_any(struct x86_vcpu *cpu, const struct insn *insn, enum segment seg, uint64_t linear, uint64_t *to, unsigned int size)
{
	switch (size) {
	case 1: return mem_read_seg(cpu, insn, seg, linear, to, 1);
	case 2: return mem_read_seg(cpu, insn, seg, linear, to, 2);
	case 4: return mem_read_seg(cpu, insn, seg, linear, to, 4);
	default: return mem_read_seg(cpu, insn, seg, linear, to, 8);
	}
}

static bool mem_write_seg_any(struct x86_vcpu *cpu, const struct insn *insn, enum segment seg, uint64_t linear, const uint64_t *from, unsigned int size)
{
	switch (size) {
	case 1: return mem_write_seg(cpu, insn, seg, linear, from, 1);
	case 2: return mem_write_seg(cpu, insn, seg, linear, from, 2);
	case 4: return mem_write_seg(cpu, insn, seg, linear, from, 4);
	default: return mem_write_seg(cpu, insn, seg, linear, from, 8);
	}
}

/* ---- One element. False: leave. ---- */

static bool source_read(struct x86_vcpu *cpu, const struct insn *insn, const struct strings *s, uint64_t *value)
{
	*value = 0;
	return mem_read_seg_any(cpu, insn, (enum segment)insn->seg, source_linear(cpu, insn, s), value, s->size);
}

static bool target_read(struct x86_vcpu *cpu, const struct insn *insn, const struct strings *s, uint64_t *value)
{
	*value = 0;
	return mem_read_seg_any(cpu, insn, ES, target_linear(cpu, s, ACCESS_READ), value, s->size);
}

static bool target_write(struct x86_vcpu *cpu, const struct insn *insn, const struct strings *s, uint64_t value)
{
	return mem_write_seg_any(cpu, insn, ES, target_linear(cpu, s, ACCESS_WRITE), &value, s->size);
}

static void compare(struct x86_vcpu *cpu, unsigned int size, uint64_t left, uint64_t right)
{
	switch (size) {
	case 1: flags_lazy(cpu, CC_SUB, 1, sign_extend(left, 1), sign_extend(right, 1)); break;
	case 2: flags_lazy(cpu, CC_SUB, 2, sign_extend(left, 2), sign_extend(right, 2)); break;
	case 4: flags_lazy(cpu, CC_SUB, 4, sign_extend(left, 4), sign_extend(right, 4)); break;
	default: flags_lazy(cpu, CC_SUB, 8, (int64_t)left, (int64_t)right); break;
	}
}

enum operation { MOVS, CMPS, SCAS, LODS, STOS };

static bool element(struct x86_vcpu *cpu, const struct insn *insn, enum operation operation, const struct strings *s)
{
	uint64_t left, right;

	switch (operation) {
	case MOVS:
		if (!source_read(cpu, insn, s, &left) || !target_write(cpu, insn, s, left))
			return false;
		register_move(cpu, RSI, s, 1);
		register_move(cpu, RDI, s, 1);
		return true;
	case CMPS:
		if (!source_read(cpu, insn, s, &left) || !target_read(cpu, insn, s, &right))
			return false;
		register_move(cpu, RSI, s, 1);
		register_move(cpu, RDI, s, 1);
		compare(cpu, s->size, left, right);
		return true;
	case SCAS:
		if (!target_read(cpu, insn, s, &right))
			return false;
		register_move(cpu, RDI, s, 1);
		compare(cpu, s->size, cpu->gpr[RAX], right);
		return true;
	case LODS:
		if (!source_read(cpu, insn, s, &left))
			return false;
		register_move(cpu, RSI, s, 1);
		gpr_set(cpu, RAX, s->size, left); /* AL's offset is RAX's number */
		return true;
	default:
		if (!target_write(cpu, insn, s, cpu->gpr[RAX]))
			return false;
		register_move(cpu, RDI, s, 1);
		return true;
	}
}

/* ---- Many at once: forwards, within a page on each side, where nothing can happen between elements. ---- */

static uint64_t room(uint64_t linear, unsigned int size)
{
	return (PAGE_SIZE - linear % PAGE_SIZE) / size;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool code_touched(const struct x86_vcpu *cpu, uint64_t host, uint64_t length)
{
	return host < cpu->block_host + cpu->block_length && cpu->block_host < host + length;
}

/* How many of `count` elements were stored; 0: one by one. */
static uint64_t fill(struct x86_vcpu *cpu, const struct insn *insn, const struct strings *s, uint64_t count)
{
	uint64_t linear = target_linear(cpu, s, ACCESS_WRITE), many = least(count, room(linear, s->size)), host;
	const struct tlb_entry *entry = tlb_lookup(cpu, TLB_WRITE, linear, 1);

	if (!entry || s->step < 0 || many < 2 || !(stack_access_flat(cpu) || cpu->mode & MODE_FLAT))
		return 0;
	host = linear + entry->addend;
	if (code_touched(cpu, host, many * s->size))
		return 0;
	*(const struct insn *volatile *)&cpu->insn = insn;
	for (uint64_t i = 0; i < many; i++)
		memcpy((uint8_t *)host + i * s->size, &cpu->gpr[RAX], s->size);
	register_move(cpu, RDI, s, many);
	return many;
}

static uint64_t copy(struct x86_vcpu *cpu, const struct insn *insn, const struct strings *s, uint64_t count)
{
	uint64_t from = source_linear(cpu, insn, s), to = target_linear(cpu, s, ACCESS_WRITE), source, target;
	uint64_t many = least(count, least(room(from, s->size), room(to, s->size)));
	const struct tlb_entry *read = tlb_lookup(cpu, TLB_READ, from, 1), *write = tlb_lookup(cpu, TLB_WRITE, to, 1);

	if (!read || !write || s->step < 0 || many < 2 || !(stack_access_flat(cpu) || cpu->mode & MODE_FLAT))
		return 0;
	source = from + read->addend;
	target = to + write->addend;
	/* A target that begins inside the source repeats what it has just written: element by element. */
	if (code_touched(cpu, target, many * s->size) || (target > source && target - source < many * s->size))
		return 0;
	*(const struct insn *volatile *)&cpu->insn = insn;
	memmove((void *)target, (const void *)source, many * s->size);
	register_move(cpu, RSI, s, many);
	register_move(cpu, RDI, s, many);
	return many;
}

static uint64_t several(struct x86_vcpu *cpu, const struct insn *insn, enum operation operation, const struct strings *s, uint64_t count)
{
	if (cpu->careful || s->mask == UINT16_MAX)
		return 0;
	/* Offsets must not wrap on the way. */
	if (s->mask == UINT32_MAX && ((cpu->gpr[RDI] & s->mask) > UINT32_MAX - PAGE_SIZE || (cpu->gpr[RSI] & s->mask) > UINT32_MAX - PAGE_SIZE))
		return 0;
	if (operation == STOS)
		return fill(cpu, insn, s, count);
	return operation == MOVS ? copy(cpu, insn, s, count) : 0;
}

/* ---- REP. ---- */

/* Whether a REPE or REPNE ends behind an element. */
static bool condition_ends(const struct x86_vcpu *cpu, const struct insn *insn, enum operation operation)
{
	if (operation != CMPS && operation != SCAS)
		return false;
	return flags_condition(cpu, CONDITION_Z) != !(insn->flags & INSN_REPNE);
}

/* Goes on until done: true; or until something else must come first: RIP stays here. */
static bool repeat(struct x86_vcpu *cpu, const struct insn *insn, enum operation operation, const struct strings *s)
{
	for (unsigned int done = 0; cpu->gpr[RCX] & s->mask;) {
		uint64_t count = cpu->gpr[RCX] & s->mask, many = several(cpu, insn, operation, s, count);

		if (!many) {
			if (!element(cpu, insn, operation, s))
				return false;
			many = 1;
		}
		register_set(cpu, RCX, s->mask, count - many);
		if (condition_ends(cpu, insn, operation))
			return true;
		/* One element a step when somebody watches; and nobody waits for long. */
		done += (unsigned int)many;
		if ((cpu->careful || done >= ELEMENTS_A_LOOK) && cpu->gpr[RCX] & s->mask) {
			done = 0;
			if (cpu->careful || atomic_load_explicit(&cpu->vcpu.kick.request, memory_order_relaxed)) {
				insn_sync(cpu, insn);
				return false;
			}
		}
	}
	return true;
}

static void string_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	struct strings s = strings_of(cpu, insn);
	enum operation operation = (enum operation)insn->extra;

	if (insn->flags & (INSN_REP | INSN_REPNE)) {
		if (!repeat(cpu, insn, operation, &s))
			return;
	} else if (!element(cpu, insn, operation, &s)) {
		return;
	}
	insn_done(cpu, insn, STOP_NONE);
}

static bool string_decode(struct decoder *d, struct insn *insn, unsigned int operation)
{
	insn->size = (uint8_t)(d->z.operand_width / 8);
	if (operation == MOVS || operation == CMPS || operation == LODS)
		/* The one that a prefix can override is DS:rSI. */
		for (unsigned int i = 0; i < d->z.operand_count; i++)
			if (decode_is_memory(d, i) && decode_gpr(d->op[i].mem.base) == RSI)
				insn->seg = decode_segment(d->op[i].mem.segment);
	insn->extra = operation;
	insn->flags |= INSN_ENDS_BLOCK; /* it may leave in its middle, with RIP on itself */
	insn->run = string_run;
	return true;
}

const struct decode_row string_rows[] = {
	{ ZYDIS_MNEMONIC_MOVSB, string_decode, MOVS }, { ZYDIS_MNEMONIC_MOVSW, string_decode, MOVS },
	{ ZYDIS_MNEMONIC_MOVSD, string_decode, MOVS }, { ZYDIS_MNEMONIC_MOVSQ, string_decode, MOVS },
	{ ZYDIS_MNEMONIC_CMPSB, string_decode, CMPS }, { ZYDIS_MNEMONIC_CMPSW, string_decode, CMPS },
	{ ZYDIS_MNEMONIC_CMPSD, string_decode, CMPS }, { ZYDIS_MNEMONIC_CMPSQ, string_decode, CMPS },
	{ ZYDIS_MNEMONIC_SCASB, string_decode, SCAS }, { ZYDIS_MNEMONIC_SCASW, string_decode, SCAS },
	{ ZYDIS_MNEMONIC_SCASD, string_decode, SCAS }, { ZYDIS_MNEMONIC_SCASQ, string_decode, SCAS },
	{ ZYDIS_MNEMONIC_LODSB, string_decode, LODS }, { ZYDIS_MNEMONIC_LODSW, string_decode, LODS },
	{ ZYDIS_MNEMONIC_LODSD, string_decode, LODS }, { ZYDIS_MNEMONIC_LODSQ, string_decode, LODS },
	{ ZYDIS_MNEMONIC_STOSB, string_decode, STOS }, { ZYDIS_MNEMONIC_STOSW, string_decode, STOS },
	{ ZYDIS_MNEMONIC_STOSD, string_decode, STOS }, { ZYDIS_MNEMONIC_STOSQ, string_decode, STOS },
	{ 0, NULL, 0 },
};
