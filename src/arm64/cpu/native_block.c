/*
 * Native code for a block: its entries, which of its instructions it does itself, and the ways out of it: to the interpreter, and to the loop that
 * finds the next block.
 */
#include "arm64/cpu/native_maker.h"

#if NATIVE

/* ---- Entries. ---- */

/* Fewer than 16 bytes; RCX has the address. */
static void short_compare_emit(struct maker *m)
{
	const struct a64_block *block = m->block;

	for (unsigned int n = 0; n < block->length; n += 4) {
		uint8_t to = n ? HOST_RSI : HOST_RAX;

		emit_load(&m->e, 4, to, address_of(HOST_RCX, (int32_t)n));
		emit_rr(&m->e, 0x81, 4, ARITHMETIC_XOR, to);
		emit_bytes(&m->e, block->bytes + n, 4);
		if (n)
			emit_rr(&m->e, OPCODE_OR, 4, HOST_RAX, to);
	}
	if (block->length == 4)
		emit_rr(&m->e, OPCODE_TEST, 4, HOST_RAX, HOST_RAX);
}

static void long_compare_emit(struct maker *m, const uint8_t *pieces)
{
	for (unsigned int n = 0; 16 * n < m->block->length; n++) {
		uint8_t xmm = n > 0;

		emit_opcode(&m->e, (struct opcode){ 0x0f6f, 4, 0xf3, false }, xmm, REGISTER_NONE, HOST_RCX); /* MOVDQU */
		emit_modrm_memory(&m->e, xmm, address_of(HOST_RCX, (int32_t)native_piece(m->block->length, n)));
		emit_r_rip(&m->e, (struct opcode){ 0x0f74, 2, 0, false }, xmm, pieces + 16 * n); /* PCMPEQB */
		if (n > 0)
			emit_rr(&m->e, 0x0fdb, 2, 0, 1); /* PAND */
	}
	emit_rr(&m->e, 0x0fd7, 2, HOST_RAX, 0); /* PMOVMSKB */
	emit_arithmetic(&m->e, ARITHMETIC_CMP, 4, HOST_RAX, 0xffff);
}

/* a64_block_current(). When the code has changed, the jump is led to the block that it has become. */
static void bytes_compare_emit(struct maker *m, const uint8_t *pieces)
{
	emit_constant(&m->e, HOST_RCX, m->block->host);
	if (m->block->length < 16)
		short_compare_emit(m);
	else
		long_compare_emit(m, pieces);
	way_out_add(m, emit_jump_if(&m->e, IF_NOT_ZERO), NULL, m->block->pc);
}

/* Whether the page of the code is still where it was: for jumps from elsewhere. */
static void translation_compare_emit(struct maker *m)
{
	const struct a64_block *block = m->block;
	int32_t entry = (int32_t)offsetof(struct tlb, entry[TLB_FETCH][tlb_index(block->pc)]);
	uint8_t *moved[2];

	emit_constant(&m->e, HOST_RAX, block->pc);
	emit_store(&m->e, 8, HOST_RAX, cpu_field(CPU_DISP(pc)));
	emit_load(&m->e, 8, HOST_RCX, cpu_field(CPU_DISP(tlb)));
	emit_arithmetic(&m->e, ARITHMETIC_OR, 8, HOST_RAX, PAGE_SIZE - 1);
	emit_rm(&m->e, OPCODE_CMP, 8, HOST_RAX, address_of(HOST_RCX, entry + (int32_t)offsetof(struct tlb_entry, tag)));
	moved[0] = emit_jump_if(&m->e, IF_NOT_ZERO);
	emit_constant(&m->e, HOST_RAX, block->host - block->pc);
	emit_rm(&m->e, OPCODE_CMP, 8, HOST_RAX, address_of(HOST_RCX, entry + (int32_t)offsetof(struct tlb_entry, addend)));
	moved[1] = emit_jump_if(&m->e, IF_ZERO);
	jump_set(moved[0], m->e.at);
	emit_return(&m->e);
	jump_set(moved[1], m->e.at);
}

/* Where a handler begins. */
static void enter_emit(struct maker *m)
{
	emit_lea(&m->e, HOST_CPU, address_of(HOST_CPU, (int32_t)offsetof(struct arm64_vcpu, x[CPU_CENTRE])));
	memset(m->held, NO_X, sizeof m->held);
	m->flags = HOST_FLAGS_NONE;
}

/* For the interpreter, which has compared; for jumps from elsewhere and from the same page. Returns the first one. */
static const uint8_t *entries_emit(struct maker *m)
{
	struct a64_block *block = m->block;
	uint64_t guard = block->host - GUARD, minus_one = UINT64_MAX;
	const uint8_t *pieces, *entry;
	uint8_t *in;

	emit_align(&m->e);
	pieces = m->e.at;
	native_pieces_emit(&m->e, block->bytes, block->length);
	m->guard_constant = m->e.at;
	emit_bytes(&m->e, &guard, 8);
	m->minus_one = m->e.at;
	emit_bytes(&m->e, &minus_one, 8);
	entry = m->e.at;
	enter_emit(m);
	in = emit_jump(&m->e);
	block->native_far = m->e.at;
	translation_compare_emit(m);
	block->native = m->e.at;
	emit_constant(&m->e, HOST_RAX, block->pc);
	emit_store(&m->e, 8, HOST_RAX, cpu_field(CPU_DISP(pc)));
	emit_store(&m->e, 8, HOST_RAX, cpu_field(CPU_DISP(block_pc)));
	emit_rm(&m->e, 0x83, 4, ARITHMETIC_SUB, cpu_field(CPU_DISP(blocks_in_a_row)));
	emit_8(&m->e, 1);
	way_out_add(m, emit_jump_if(&m->e, IF_SIGN), NULL, TARGET_LOOP);
	emit_rm(&m->e, 0xc7, 8, 0, cpu_field(CPU_DISP(insn))); /* a host fault from here on concerns the fetch */
	emit_32(&m->e, 0);
	bytes_compare_emit(m, pieces);
	jump_set(in, m->e.at);
	return entry;
}

/* ---- To the interpreter and back. ---- */

/* What handlers expect of a block that runs. RSI has the record. */
static void to_interpreter_emit(struct maker *m)
{
	m->to_interpreter = m->e.at;
	emit_constant(&m->e, HOST_RAX, m->block->host);
	emit_store(&m->e, 8, HOST_RAX, cpu_field(CPU_DISP(block_host)));
	emit_rm(&m->e, 0xc7, 8, 0, cpu_field(CPU_DISP(block_length)));
	emit_32(&m->e, m->block->length);
	emit_lea(&m->e, HOST_CPU, address_of(HOST_CPU, -(int32_t)offsetof(struct arm64_vcpu, x[CPU_CENTRE])));
	emit_rm(&m->e, 0xff, 4, 4, address_of(HOST_RSI, offsetof(struct a64_insn, run))); /* JMP */
}

static void leave_emit(struct maker *m, const struct a64_insn *insn)
{
	emit_constant(&m->e, HOST_RSI, (uint64_t)insn);
	jump_set(emit_jump(&m->e), m->to_interpreter);
}

/* A copy of `count` records, with one behind them that goes to what will be emitted next; NULL: no room. */
static struct a64_insn *records_copy(struct maker *m, const struct a64_insn *insns, unsigned int count)
{
	struct a64_insn *copy = a64_block_allocate(m->cpu, (count + 1) * sizeof *copy);

	if (!copy)
		return NULL;
	memcpy(copy, insns, count * sizeof *copy);
	copy[count] = (struct a64_insn){ .offset = (uint16_t)(insns[count - 1].offset + 4) };
	return copy;
}

static void record_goes_to(struct a64_insn *insn, const uint8_t *code)
{
	memcpy(&insn->run, &code, sizeof code);
}

/* The interpreter does `count` instructions; the last ones of a block for good. False: no room. */
static bool interpret_emit(struct maker *m, const struct a64_insn *insns, unsigned int count, bool last)
{
	struct a64_insn *copy;

	if (last) {
		leave_emit(m, insns);
		return true;
	}
	copy = records_copy(m, insns, count);
	if (!copy)
		return false;
	leave_emit(m, copy);
	record_goes_to(&copy[count], m->e.at);
	enter_emit(m);
	return true;
}

/* A jump that leads nowhere yet: the loop is told where it wants to go, and which one it was. */
static void link_way_out_emit(struct maker *m, const struct way_out *way)
{
	uint32_t link = native_code_link(&m->native->code, way->jump, (way->target ^ m->block->pc) >> PAGE_SHIFT);

	emit_constant(&m->e, HOST_RAX, way->target);
	emit_store(&m->e, 8, HOST_RAX, cpu_field(CPU_DISP(pc)));
	emit_rm(&m->e, 0xc7, 4, 0, cpu_field(CPU_DISP(native_link)));
	emit_32(&m->e, link);
	emit_return(&m->e);
}

static void ways_out_emit(struct maker *m)
{
	const struct way_out *last = NULL;
	const uint8_t *start = NULL;

	for (const struct way_out *way = m->ways_out; way < m->ways_out + m->ways_out_count; last = way++) {
		if (!last || !way->insn || last->insn != way->insn) {
			start = m->e.at;
			if (way->insn)
				leave_emit(m, way->insn);
			else if (way->target == TARGET_LOOP)
				emit_return(&m->e);
			else
				link_way_out_emit(m, way);
		}
		jump_set(way->jump, start);
	}
}

/* ---- The instructions. ---- */

static unsigned int count_of(const struct a64_block *block)
{
	return block->length / 4u;
}

static void part_begin(struct maker *m, const struct a64_insn *insn)
{
	m->pc = m->block->pc + insn->offset;
	m->pinned = 0;
}

/* Which instructions native code does: tried out. How many. */
static unsigned int known_find(struct maker *m, const struct a64_insn *insns, bool known[PARTS])
{
	struct emitter e = m->e;
	unsigned int ways_out = m->ways_out_count, sum = 0;

	for (unsigned int i = 0; i < count_of(m->block); i++) {
		memset(m->held, NO_X, sizeof m->held);
		m->flags = HOST_FLAGS_NONE;
		part_begin(m, &insns[i]);
		known[i] = native_insn(m, &insns[i]);
		sum += known[i];
		m->e = e;
		m->ways_out_count = ways_out;
	}
	return sum;
}

/* Of instructions that set the flags, those whose flags are set again before anybody can look at them. */
static void dead_find(const struct maker *m, const struct a64_insn *insns, const bool known[PARTS], bool dead[PARTS])
{
	bool live = true;

	for (unsigned int i = count_of(m->block); i-- > 0;) {
		dead[i] = !live;
		if (known[i] && native_sets_flags(&insns[i]))
			live = false;
		else if (!known[i] || !native_ignores_flags(&insns[i]))
			live = true;
	}
}

static bool parts_emit(struct maker *m, const struct a64_insn *insns, const bool known[PARTS])
{
	unsigned int count = count_of(m->block), run;
	bool dead[PARTS];

	dead_find(m, insns, known, dead);
	m->ended = false;
	for (unsigned int i = 0; i < count; i += run) {
		for (run = 0; i + run < count && !known[i + run]; run++)
			;
		if (run) {
			if (!interpret_emit(m, &insns[i], run, i + run == count))
				return false;
			continue;
		}
		run = 1;
		m->flags_dead = dead[i];
		part_begin(m, &insns[i]);
		native_insn(m, &insns[i]);
	}
	if (known[count - 1] && !m->ended)
		native_go(m, -1, m->block->pc + m->block->length);
	return true;
}

bool a64_native_make(struct arm64_vcpu *cpu, struct a64_block *block)
{
	struct native_code *code = &cpu->native->code;
	uint8_t *end = code->memory + NATIVE_CODE_SIZE;
	struct a64_insn *insns = (struct a64_insn *)block->insns;
	struct maker m = { .cpu = cpu, .native = cpu->native, .block = block };
	bool known[PARTS];
	const uint8_t *entry;

	if (!native_code_room(code, end))
		return false;
	m.e = (struct emitter){ .at = code->free, .end = end };
	if (!known_find(&m, insns + 1, known))
		return false;
	to_interpreter_emit(&m);
	entry = entries_emit(&m);
	if (parts_emit(&m, insns + 1, known))
		ways_out_emit(&m);
	else
		m.e.full = true;
	if (m.e.full) {
		block->native = block->native_far = NULL;
		return false;
	}
	code->free = m.e.at;
	record_goes_to(&insns[0], entry);
	return true;
}

#endif
