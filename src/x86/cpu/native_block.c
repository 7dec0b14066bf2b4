/*
 * Native code for a block: which of its instructions get it, and what is around them. Looks at instructions only as encoded (Zydis).
 *
 * The code of a block, its places in the order of memory:
 *   constants;
 *   block->native_far: compares the translation of the block's page, as jumps from other pages and hints need it;
 *   block->native: looks at requests, compares the block's bytes;
 *   the instructions (native_insn.c);
 *   what is rarely run: ways out, to the interpreter and to jumps that lead nowhere yet.
 */
#include "x86/cpu/native_maker.h"

#if NATIVE

enum { RUN_AFTER = 4 }; /* instructions for which going back to native code in the middle of a block pays */

#define M(name) [ZYDIS_MNEMONIC_##name]

static const uint8_t kinds[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
	M(ADD) = KIND_PLAIN, M(OR) = KIND_PLAIN, M(ADC) = KIND_PLAIN, M(SBB) = KIND_PLAIN, M(AND) = KIND_PLAIN, M(SUB) = KIND_PLAIN,
	M(XOR) = KIND_PLAIN, M(CMP) = KIND_PLAIN, M(TEST) = KIND_PLAIN, M(INC) = KIND_PLAIN, M(DEC) = KIND_PLAIN, M(NEG) = KIND_PLAIN,
	M(NOT) = KIND_PLAIN, M(MUL) = KIND_PLAIN, M(IMUL) = KIND_PLAIN,
	M(ROL) = KIND_PLAIN, M(ROR) = KIND_PLAIN, M(RCL) = KIND_PLAIN, M(RCR) = KIND_PLAIN, M(SHL) = KIND_PLAIN, M(SHR) = KIND_PLAIN,
	M(SAR) = KIND_PLAIN, M(SHLD) = KIND_PLAIN, M(SHRD) = KIND_PLAIN,
	M(BT) = KIND_PLAIN, M(BTS) = KIND_PLAIN, M(BTR) = KIND_PLAIN, M(BTC) = KIND_PLAIN, M(BSF) = KIND_PLAIN, M(BSR) = KIND_PLAIN,
	M(POPCNT) = KIND_PLAIN,
	M(MOV) = KIND_PLAIN, M(MOVZX) = KIND_PLAIN, M(MOVSX) = KIND_PLAIN, M(MOVSXD) = KIND_PLAIN, M(BSWAP) = KIND_PLAIN,
	M(XCHG) = KIND_PLAIN, M(XADD) = KIND_PLAIN, M(CMPXCHG) = KIND_PLAIN,
	M(CBW) = KIND_PLAIN, M(CWDE) = KIND_PLAIN, M(CDQE) = KIND_PLAIN, M(CWD) = KIND_PLAIN, M(CDQ) = KIND_PLAIN, M(CQO) = KIND_PLAIN,
	M(CMOVO) = KIND_PLAIN, M(CMOVNO) = KIND_PLAIN, M(CMOVB) = KIND_PLAIN, M(CMOVNB) = KIND_PLAIN, M(CMOVZ) = KIND_PLAIN,
	M(CMOVNZ) = KIND_PLAIN, M(CMOVBE) = KIND_PLAIN, M(CMOVNBE) = KIND_PLAIN, M(CMOVS) = KIND_PLAIN, M(CMOVNS) = KIND_PLAIN,
	M(CMOVP) = KIND_PLAIN, M(CMOVNP) = KIND_PLAIN, M(CMOVL) = KIND_PLAIN, M(CMOVNL) = KIND_PLAIN, M(CMOVLE) = KIND_PLAIN,
	M(CMOVNLE) = KIND_PLAIN,
	M(SETO) = KIND_PLAIN, M(SETNO) = KIND_PLAIN, M(SETB) = KIND_PLAIN, M(SETNB) = KIND_PLAIN, M(SETZ) = KIND_PLAIN, M(SETNZ) = KIND_PLAIN,
	M(SETBE) = KIND_PLAIN, M(SETNBE) = KIND_PLAIN, M(SETS) = KIND_PLAIN, M(SETNS) = KIND_PLAIN, M(SETP) = KIND_PLAIN,
	M(SETNP) = KIND_PLAIN, M(SETL) = KIND_PLAIN, M(SETNL) = KIND_PLAIN, M(SETLE) = KIND_PLAIN, M(SETNLE) = KIND_PLAIN,
	M(CLC) = KIND_PLAIN, M(STC) = KIND_PLAIN, M(CMC) = KIND_PLAIN,
	M(NOP) = KIND_NOTHING, M(ENDBR64) = KIND_NOTHING, M(PREFETCHNTA) = KIND_NOTHING, M(PREFETCHT0) = KIND_NOTHING,
	M(PREFETCHT1) = KIND_NOTHING, M(PREFETCHT2) = KIND_NOTHING, M(PREFETCHW) = KIND_NOTHING, M(LEA) = KIND_LEA,
	M(PUSH) = KIND_PUSH, M(POP) = KIND_POP, M(LEAVE) = KIND_LEAVE, M(JMP) = KIND_JUMP, M(CALL) = KIND_CALL, M(RET) = KIND_RETURN,
	M(JO) = KIND_JUMP_IF, M(JNO) = KIND_JUMP_IF, M(JB) = KIND_JUMP_IF, M(JNB) = KIND_JUMP_IF, M(JZ) = KIND_JUMP_IF, M(JNZ) = KIND_JUMP_IF,
	M(JBE) = KIND_JUMP_IF, M(JNBE) = KIND_JUMP_IF, M(JS) = KIND_JUMP_IF, M(JNS) = KIND_JUMP_IF, M(JP) = KIND_JUMP_IF,
	M(JNP) = KIND_JUMP_IF, M(JL) = KIND_JUMP_IF, M(JNL) = KIND_JUMP_IF, M(JLE) = KIND_JUMP_IF, M(JNLE) = KIND_JUMP_IF,
};

/* ---- What an instruction needs. ---- */

/* The memory operand as ModRM gives it, or NULL. */
static const ZydisDecodedOperand *memory_operand(const struct maker *m)
{
	for (unsigned int i = 0; i < m->z.operand_count_visible; i++)
		if (m->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			return &m->op[i];
	return NULL;
}

/* Whether the address can be computed: with room for the largest operand behind the displacement. */
static bool place_possible(const struct insn *insn)
{
	return (insn->base == GPR_ZERO && insn->index == GPR_ZERO) || (insn->disp >= INT32_MIN && insn->disp <= INT32_MAX - 64);
}

static bool plain_possible(const struct maker *m, const struct insn *insn)
{
	const ZydisDecodedOperand *memory = memory_operand(m);
	unsigned int in_memory = 0;

	for (unsigned int i = 0; i < m->z.operand_count_visible; i++) {
		if (m->op[i].type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		if (!operand_is_general(&m->op[i]))
			return false;
		in_memory += host_register(operand_gpr(&m->op[i])) == REGISTER_NONE;
	}
	if (!memory)
		return in_memory <= 2;
	/* A bit offset in a register reaches beyond the operand. */
	if (m->z.meta.category == ZYDIS_CATEGORY_BITBYTE && m->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER)
		return false;
	return memory->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM && memory->size <= 64 && in_memory <= 1 && place_possible(insn);
}

static bool stack_possible(const struct maker *m, const struct insn *insn, enum kind kind)
{
	const ZydisDecodedOperand *op = &m->op[0];

	if (insn->size != 8)
		return false;
	if (kind == KIND_LEAVE)
		return true;
	if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return kind == KIND_PUSH;
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER && operand_is_general(op);
}

/* As 64-bit code has it: no operand-size prefix, direct targets that need no check. */
static bool branch_possible(const struct maker *m, const struct insn *insn, enum kind kind)
{
	if (m->z.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR || (insn->size != 8 && kind != KIND_JUMP_IF))
		return false;
	if (kind == KIND_RETURN)
		return true;
	if (m->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return (uint64_t)((int64_t)(insn->imm << 16) >> 16) == insn->imm;
	return m->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER || place_possible(insn);
}

static enum kind kind_find(const struct maker *m, const struct insn *insn)
{
	enum kind kind = kinds[m->z.mnemonic];
	bool possible = true;

	if (insn->run == insn_undefined || m->z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return KIND_NONE;
	switch (kind) {
	case KIND_PLAIN: possible = plain_possible(m, insn); break;
	case KIND_LEA: possible = insn->size >= 4 && place_possible(insn); break;
	case KIND_PUSH: case KIND_POP: case KIND_LEAVE: possible = stack_possible(m, insn, kind); break;
	case KIND_JUMP: case KIND_JUMP_IF: case KIND_CALL: case KIND_RETURN: possible = branch_possible(m, insn, kind); break;
	default: break;
	}
	return possible ? kind : KIND_NONE;
}

/* A shift by nothing leaves the flags alone, be it said by CL or by the instruction. */
static bool flags_may_stay(const struct maker *m)
{
	unsigned int last = m->z.operand_count_visible - 1u;

	if (m->z.meta.category != ZYDIS_CATEGORY_SHIFT && m->z.meta.category != ZYDIS_CATEGORY_ROTATE)
		return false;
	return m->op[last].type == ZYDIS_OPERAND_TYPE_REGISTER || !(m->op[last].imm.value.u & (m->op[0].size == 64 ? 63 : 31));
}

static void part_fill(struct maker *m, struct part *part, const struct insn *insn)
{
	const ZydisDecodedOperand *memory = memory_operand(m);
	const ZydisAccessedFlags *flags = m->z.cpu_flags;

	*part = (struct part){ .insn = insn, .kind = kind_find(m, insn) };
	if (part->kind == KIND_PLAIN && memory) {
		part->access_size = (uint8_t)(memory->size / 8);
		part->writes = memory->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
		part->atomic = m->z.attributes & ZYDIS_ATTRIB_HAS_LOCK || m->z.mnemonic == ZYDIS_MNEMONIC_XCHG;
	}
	if (part->kind != KIND_NONE && flags) {
		part->flags_read = flags->tested & FLAGS_ARITHMETIC;
		part->flags_written = (flags->modified | flags->set_0 | flags->set_1 | flags->undefined) & FLAGS_ARITHMETIC;
		if (flags_may_stay(m))
			part->flags_read = FLAGS_ARITHMETIC;
	}
}

static bool can_leave(const struct part *part)
{
	return part->access_size || part->kind == KIND_NONE || part->kind >= KIND_PUSH;
}

static bool part_decode(struct maker *m, const struct insn *insn)
{
	return decode_code64(m->block->bytes + insn->offset, insn->length, &m->z, m->op);
}

/*
 * Looks at all instructions, then decides which of them native code does: all it can, but for short runs behind something it cannot.
 * False: too little to be worth it.
 */
static bool parts_find(struct maker *m, const struct insn *insns)
{
	uint32_t live = FLAGS_ARITHMETIC;
	unsigned int native = 0, run;

	for (m->count = 0; insns[m->count].offset < m->block->length; m->count++) {
		if (m->count == PARTS || !part_decode(m, &insns[m->count]))
			return false;
		part_fill(m, &m->parts[m->count], &insns[m->count]);
	}
	for (unsigned int i = 0; i < m->count; i += run) {
		for (run = 0; i + run < m->count && m->parts[i + run].kind != KIND_NONE; run++)
			;
		native += run;
		if (i > 0 && run > 0 && run < RUN_AFTER) {
			for (unsigned int j = i; j < i + run; j++)
				m->parts[j] = (struct part){ .insn = m->parts[j].insn };
			native -= run;
		} else if (i > 0 && run > 0) {
			m->resumes++;
		}
		run += run == 0;
	}
	for (unsigned int i = m->count; i-- > 0;) {
		struct part *part = &m->parts[i];

		part->flags_live = live;
		live = can_leave(part) ? FLAGS_ARITHMETIC : (live & ~part->flags_written) | part->flags_read;
	}
	return 2 * native >= m->count;
}

/* ---- Around the instructions. ---- */

/* What differs between memory and a constant, into XMM `xmm` (guests' vectors are elsewhere). SCRATCH0 has the address. */
static void piece_compare_emit(struct maker *m, uint8_t xmm, int32_t at, const uint8_t *constant)
{
	emit_opcode(&m->e, (struct opcode){ 0x0f6f, 4, 0xf3, false }, xmm, REGISTER_NONE, HOST_SCRATCH0); /* MOVDQU */
	emit_modrm_memory(&m->e, xmm, address_of(HOST_SCRATCH0, at));
	emit_r_rip(&m->e, (struct opcode){ 0x0fef, 2, 0, false }, xmm, constant); /* PXOR */
}

/* Ends what piece_compare_emit() began. */
static void pieces_test_emit(struct maker *m)
{
	emit_rr(&m->e, 0x0f3817, 2, 0, 0); /* PTEST */
	way_out_add(m, emit_jump_if(&m->e, IF_NOT_ZERO), NULL, m->block->linear);
}

/* Without vectors: by 4 bytes or by 1. */
static void short_compare_emit(struct maker *m)
{
	unsigned int length = m->block->length, size = length < 4 ? 1 : 4;

	for (unsigned int n = 0; n < length; n += size) {
		unsigned int at = n + size <= length ? n : length - size;

		emit_rm(&m->e, size == 1 ? 0x80 : 0x81, 4, ARITHMETIC_CMP, address_of(HOST_SCRATCH0, (int32_t)at));
		emit_bytes(&m->e, m->block->bytes + at, size);
		way_out_add(m, emit_jump_if(&m->e, IF_NOT_ZERO), NULL, m->block->linear);
	}
}

/* block_current(). */
static void bytes_compare_emit(struct maker *m, const uint8_t *pieces)
{
	emit_constant(&m->e, HOST_SCRATCH0, m->block->host);
	point_add(m, NULL);
	if (m->block->length < 16) {
		short_compare_emit(m);
		return;
	}
	for (unsigned int n = 0; 16 * n < m->block->length; n++) {
		piece_compare_emit(m, n > 0, (int32_t)native_piece(m->block->length, n), pieces + 16 * n);
		if (n > 0)
			emit_rr(&m->e, 0x0feb, 2, 0, 1); /* POR */
	}
	pieces_test_emit(m);
}

static void entry_emit(struct maker *m)
{
	struct block *block = m->block;
	struct tlb_entry translation = { block->linear | (PAGE_SIZE - 1), block->host - block->linear };
	uint64_t guard = block->host - GUARD;
	const uint8_t *pieces, *far;

	emit_align(&m->e);
	far = m->e.at;
	emit_bytes(&m->e, &translation, sizeof translation);
	pieces = m->e.at;
	native_pieces_emit(&m->e, block->bytes, block->length);
	m->guard_constant = m->e.at;
	emit_bytes(&m->e, &guard, 8);
	block->native_far = m->e.at;
	emit_load(&m->e, 8, HOST_SCRATCH0, cpu_field(CPU_DISP(tlb)));
	piece_compare_emit(m, 0, (int32_t)offsetof(struct tlb, entry[TLB_FETCH][tlb_index(block->linear)]), far);
	pieces_test_emit(m);
	block->native = m->e.at;
	emit_rm(&m->e, 0x83, 4, ARITHMETIC_CMP, cpu_field(CPU_DISP(vcpu.kick.request)));
	emit_8(&m->e, 0);
	way_out_add(m, emit_jump_if(&m->e, IF_NOT_ZERO), NULL, block->linear);
	bytes_compare_emit(m, pieces);
}

/* The code behind the instructions. SCRATCH1 has the link that led here, for where nothing was found. */
static void ways_out_emit(struct maker *m)
{
	const struct way_out *last = NULL;
	const uint8_t *to_interpreter = m->e.at, *start = NULL;

	emit_constant(&m->e, HOST_SCRATCH1, (uint64_t)m->block);
	emit_rr(&m->e, OPCODE_ADD, 8, HOST_SCRATCH0, HOST_SCRATCH1);
	jump_set(emit_jump(&m->e), m->native->leave_at);
	for (const struct way_out *way = m->ways_out; way < m->ways_out + m->ways_out_count; last = way++) {
		bool same = last && last->insn == way->insn && last->target == way->target;

		start = same ? start : m->e.at;
		jump_set(way->jump, start);
		if (same)
			continue;
		emit_constant(&m->e, HOST_SCRATCH0, way->insn ? (uint64_t)way->insn - (uint64_t)m->block : way->target);
		jump_set(emit_jump(&m->e), way->insn ? to_interpreter : m->native->leave);
	}
}

/* Leaves the block to the interpreter from that record on. */
static void interpret_emit(struct maker *m, const struct insn *insn)
{
	flags_save(m);
	m->flags_host = false;
	way_out_add(m, emit_jump(&m->e), insn, 0);
}

/*
 * The records of the block once more, each run of native code behind interpreted ones beginning with a record that goes there.
 * Where that is, is filled in later.
 */
static bool records_copy(struct maker *m, const struct insn *insns)
{
	struct insn *copy = block_allocate(m->cpu, (m->count + m->resumes + 1) * sizeof *copy);

	if (!copy)
		return false;
	for (unsigned int i = 0; i < m->count; i++) {
		if (i > 0 && m->parts[i].kind != KIND_NONE && m->parts[i - 1].kind == KIND_NONE)
			*copy++ = (struct insn){ .run = native_enter, .offset = insns[i].offset };
		*copy = insns[i];
		m->parts[i].insn = copy++;
	}
	*copy = insns[m->count];
	return true;
}

static void parts_emit(struct maker *m)
{
	m->flags_host = false;
	m->flags_saved = true;
	for (unsigned int i = 0; i < m->count; i++) {
		const struct part *part = &m->parts[i];
		bool before = i > 0 && m->parts[i - 1].kind == KIND_NONE;

		if (part->kind == KIND_NONE) {
			if (!before)
				interpret_emit(m, part->insn);
			continue;
		}
		if (before) {
			((struct insn *)part->insn)[-1].disp = (int64_t)m->e.at;
			m->flags_saved = true;
		}
		part_decode(m, part->insn);
		part_emit(m, part);
	}
	/* A block that ends for want of room goes on behind it. */
	if (m->parts[m->count - 1].kind != KIND_NONE && m->parts[m->count - 1].kind < KIND_JUMP) {
		flags_save(m);
		link_emit(m, -1, m->block->linear + m->block->length);
	}
}

bool native_make(struct x86_vcpu *cpu, struct block *block)
{
	struct native *native = cpu->native;
	struct native_point *points = native->points;
	struct maker m;

	m.cpu = cpu;
	m.native = native;
	m.block = block;
	m.ways_out_count = m.resumes = 0;
	if (!native_code_room(&native->code, points) || (cpu->mode & MODE_CODE_MASK) != MODE_CODE64 || cpu->mode & MODE_ALIGN || !parts_find(&m, block->insns + 1))
		return false;
	if (m.resumes && !records_copy(&m, block->insns + 1))
		return false;
	m.e = (struct emitter){ .at = native->code.free, .end = (uint8_t *)points - 2 * PARTS * sizeof *points };
	entry_emit(&m);
	parts_emit(&m);
	ways_out_emit(&m);
	if (m.e.full) {
		native->points = points;
		block->native = block->native_far = NULL;
		return false;
	}
	native->code.free = m.e.at;
	return true;
}

#endif
