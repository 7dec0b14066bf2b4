/*
 * Native code for a block: guest and host have the same instructions, so most are emitted as they are, with other registers and
 * with the host address of their memory operand. Looks at instructions only as encoded (Zydis); what an instruction does, it
 * knows of branches and the stack alone.
 *
 * The code of a block, its places in the order of memory:
 *   constants;
 *   block->native_far: compares the translation of the block's page, as jumps from other pages and hints need it;
 *   block->native: looks at requests, compares the block's bytes;
 *   the instructions;
 *   what is rarely run: ways out, to the interpreter and to jumps that lead nowhere yet.
 */
#include "x86/cpu/native.h"

#if NATIVE

#include "x86/cpu/branch.h"
#include "x86/cpu/emit.h"
#include "x86/cpu/stack.h"

enum {
	PARTS = 48,          /* not less than a block may have (block.c) */
	RUN_AFTER = 4,       /* instructions for which going back to native code in the middle of a block pays */
	ROOM = 32 << 10,     /* more than any block takes */
	GUARD = 16,          /* stores that begin so close before the block are left to the interpreter: more than any has */
};

enum kind { KIND_NONE, KIND_PLAIN, KIND_NOTHING, KIND_LEA, KIND_PUSH, KIND_POP, KIND_LEAVE, KIND_JUMP, KIND_JUMP_IF, KIND_CALL, KIND_RETURN };

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

/* What there is to know about an instruction before any code is made. */
struct part {
	const struct insn *insn;
	enum kind kind;       /* KIND_NONE: the interpreter does it */
	uint8_t access_size;  /* of its memory operand; 0: none */
	bool writes;          /* to memory */
	bool atomic;          /* that */
	uint32_t flags_read, flags_written;
	uint32_t flags_live;  /* behind it: somebody may still look at them */
};

/* A jump out of the instructions, to code that is made behind them. */
struct way_out {
	uint8_t *jump;
	const struct insn *insn; /* where the interpreter goes on; NULL: a branch */
	uint64_t target;         /* where that leads to */
};

struct maker {
	struct x86_vcpu *cpu;
	struct native *native;
	struct block *block;
	struct emitter e;
	ZydisDecodedInstruction z;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	struct part parts[PARTS];
	unsigned int count, resumes;
	bool flags_host, flags_saved; /* where the guest's arithmetic flags are: in the host's, in cc_carry; neither: nobody needs them */
	uint8_t *far_constants, *guard_constant;
	struct way_out ways_out[4 * PARTS];
	unsigned int ways_out_count;
};

/* ---- What an instruction needs. ---- */

static bool general_register(const ZydisDecodedOperand *op)
{
	ZydisRegisterClass class = ZydisRegisterGetClass(op->reg.value);

	/* AH, CH, DH and BH cannot be named together with most of what we rename registers to. */
	return class >= ZYDIS_REGCLASS_GPR8 && class <= ZYDIS_REGCLASS_GPR64 && !(op->reg.value >= ZYDIS_REGISTER_AH && op->reg.value <= ZYDIS_REGISTER_BH);
}

/* Number of a register operand, whatever its size. */
static uint8_t register_number(const ZydisDecodedOperand *op)
{
	uint8_t number = decode_gpr(op->reg.value);

	return op->size == 8 ? number / 8 : number;
}

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
		if (!general_register(&m->op[i]))
			return false;
		in_memory += host_register(register_number(&m->op[i])) == REGISTER_NONE;
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
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER && general_register(op);
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

/* ---- Flags: as LAHF and SETO have them, in cc_carry (CC_HOST). ---- */

static struct address cpu_field(int32_t disp)
{
	return address_of(HOST_CPU, disp);
}

static void flags_save(struct maker *m)
{
	static const uint8_t lahf_seto_al[] = { 0x9f, 0x0f, 0x90, 0xc0 };

	if (!m->flags_host || m->flags_saved)
		return;
	emit_move(&m->e, HOST_SCRATCH1, RAX);
	emit_bytes(&m->e, lahf_seto_al, sizeof lahf_seto_al);
	emit_store(&m->e, 2, RAX, cpu_field(CPU_DISP(cc_carry)));
	emit_move(&m->e, RAX, HOST_SCRATCH1);
	m->flags_saved = true;
}

static void flags_restore(struct maker *m, uint8_t scratch)
{
	static const uint8_t add_al_127_sahf[] = { 0x04, 0x7f, 0x9e };

	if (m->flags_host)
		return;
	emit_move(&m->e, scratch, RAX);
	emit_load(&m->e, 4, RAX, cpu_field(CPU_DISP(cc_carry)));
	emit_bytes(&m->e, add_al_127_sahf, sizeof add_al_127_sahf);
	emit_move(&m->e, RAX, scratch);
	m->flags_host = true;
}

/* The host's flags are needed for something else. */
static void flags_leave(struct maker *m)
{
	flags_save(m);
	m->flags_host = false;
}

/* ---- Memory operands. ---- */

/* An address as the guest has it. */
struct place {
	uint8_t base, index, scale; /* GPR_ZERO: none */
	uint8_t seg;                /* FS or GS; others have no base */
	bool truncated;             /* to 32 bits */
	int64_t disp;
};

static struct place place_of(const struct insn *insn)
{
	return (struct place){ insn->base, insn->index, insn->scale, insn->seg, insn->flags & INSN_ADDRESS32, insn->disp };
}

static struct place place_on_stack(uint8_t base, int64_t disp)
{
	return (struct place){ base, GPR_ZERO, 0, SS, false, disp };
}

static bool place_in_registers(const struct place *place)
{
	return (place->base == GPR_ZERO || host_register(place->base) != REGISTER_NONE) &&
	       (place->index == GPR_ZERO || host_register(place->index) != REGISTER_NONE) && !(place->base == GPR_ZERO && place->index == GPR_ZERO);
}

static uint8_t host_register_of_place(uint8_t gpr)
{
	return gpr == GPR_ZERO ? REGISTER_NONE : host_register(gpr);
}

/* Base, index and displacement into `to`, by way of `spare` too if there is one (else flags are lost). */
static void effective_emit(struct maker *m, uint8_t to, uint8_t spare, const struct place *place, int64_t disp)
{
	struct address a = { host_register_of_place(place->base), host_register_of_place(place->index), place->scale, (int32_t)disp };
	int32_t base_disp = CPU_DISP(gpr) + 8 * place->base, index_disp = CPU_DISP(gpr) + 8 * place->index;

	if (place->base == GPR_ZERO && place->index == GPR_ZERO) {
		emit_constant(&m->e, to, (uint64_t)disp);
		return;
	}
	if (place->index != GPR_ZERO && a.index == REGISTER_NONE) {
		emit_load(&m->e, 8, to, cpu_field(index_disp));
		a.index = to;
	}
	if (place->base != GPR_ZERO && a.base == REGISTER_NONE) {
		if (a.index == to && spare == REGISTER_NONE) {
			emit_shift(&m->e, 4, 8, to, a.scale);
			emit_rm(&m->e, 0x03, 8, to, cpu_field(base_disp));
			a = address_of(to, a.disp);
		} else {
			a.base = a.index == to ? spare : to;
			emit_load(&m->e, 8, a.base, cpu_field(base_disp));
		}
	}
	emit_lea(&m->e, to, a);
}

/* Linear address of the byte `extra` bytes behind the place. */
static void linear_emit(struct maker *m, uint8_t to, const struct place *place, int64_t extra)
{
	bool based = place->seg >= FS;

	effective_emit(m, to, REGISTER_NONE, place, place->disp + (based || place->truncated ? 0 : extra));
	if (place->truncated)
		emit_rr(&m->e, 0x8b, 4, to, to);
	if (based)
		emit_rm(&m->e, 0x03, 8, to, cpu_field(CPU_DISP(seg) + (int32_t)(place->seg * sizeof(struct kvm_segment) + offsetof(struct kvm_segment, base))));
	if ((based || place->truncated) && extra)
		emit_lea(&m->e, to, address_of(to, (int32_t)extra));
}

static void way_out_add(struct maker *m, uint8_t *jump, const struct insn *insn, uint64_t target)
{
	m->ways_out[m->ways_out_count++] = (struct way_out){ jump, insn, target };
}

/* What comes next accesses guest memory, or the block's own bytes. */
static void point_add(struct maker *m, const struct insn *insn)
{
	*--m->native->points = (struct native_point){ m->e.at, insn, m->block };
}

/*
 * tlb_lookup() and, for a write, what keeps it out of the running block (mem_write()). Loses the flags, which must have been saved.
 * The result uses SCRATCH0 or (not of writes) SCRATCH1; the other one is free.
 */
static struct address memory_emit(struct maker *m, const struct insn *insn, const struct place *place, unsigned int size, bool write)
{
	int32_t entries = write ? TLB_WRITE * (int32_t)sizeof m->cpu->tlb->entry[0] : TLB_READ;
	struct emitter *e = &m->e;

	_Static_assert(sizeof(struct tlb_entry) == 16 && TLB_ENTRIES == 256, "the entry's offset is bits 12 to 19, times 16");
	m->flags_host = false;
	linear_emit(m, HOST_SCRATCH1, place, 0);
	if (size == 1)
		emit_move(e, HOST_SCRATCH0, HOST_SCRATCH1);
	else
		linear_emit(m, HOST_SCRATCH0, place, size - 1);
	emit_shift(e, 5, 4, HOST_SCRATCH1, PAGE_SHIFT - 4);
	emit_arithmetic(e, ARITHMETIC_AND, 4, HOST_SCRATCH1, (TLB_ENTRIES - 1) << 4);
	emit_rm(e, 0x03, 8, HOST_SCRATCH1, cpu_field(CPU_DISP(tlb)));
	emit_arithmetic(e, ARITHMETIC_OR, 8, HOST_SCRATCH0, PAGE_SIZE - 1);
	emit_rm(e, 0x3b, 8, HOST_SCRATCH0, address_of(HOST_SCRATCH1, entries + (int32_t)offsetof(struct tlb_entry, tag)));
	way_out_add(m, emit_jump_if(e, IF_NOT_ZERO), insn, 0);
	if (!write && place_in_registers(place) && place->index == GPR_ZERO && !place->truncated && place->seg < FS) {
		emit_load(e, 8, HOST_SCRATCH1, address_of(HOST_SCRATCH1, entries + (int32_t)offsetof(struct tlb_entry, addend)));
		point_add(m, insn);
		return (struct address){ HOST_SCRATCH1, host_register(place->base), 0, (int32_t)place->disp };
	}
	linear_emit(m, HOST_SCRATCH0, place, 0);
	emit_rm(e, 0x03, 8, HOST_SCRATCH0, address_of(HOST_SCRATCH1, entries + (int32_t)offsetof(struct tlb_entry, addend)));
	if (write) {
		emit_move(e, HOST_SCRATCH1, HOST_SCRATCH0);
		emit_r_rip(e, (struct opcode){ 0x2b, 8, 0, false }, HOST_SCRATCH1, m->guard_constant);
		emit_arithmetic(e, ARITHMETIC_CMP, 8, HOST_SCRATCH1, m->block->length + GUARD);
		way_out_add(m, emit_jump_if(e, IF_BELOW), insn, 0);
	}
	point_add(m, insn);
	return address_of(HOST_SCRATCH0, 0);
}

/* ---- Instructions. ---- */

/* Whether an instruction that writes a register may leave some of it as it was: short ones, CMOV; scans that find nothing. */
static bool operand_read(const struct maker *m, const ZydisDecodedOperand *op)
{
	return op->actions != ZYDIS_OPERAND_ACTION_WRITE || op->size < 32 || m->z.mnemonic == ZYDIS_MNEMONIC_BSF || m->z.mnemonic == ZYDIS_MNEMONIC_BSR;
}

/* The host register that a register operand gets: its own, or a scratch register that is loaded here if it is read. */
static uint8_t operand_emit(struct maker *m, const ZydisDecodedOperand *op, bool read, uint8_t *scratch, uint8_t *other)
{
	uint8_t gpr = register_number(op), host = host_register(gpr);

	if (host != REGISTER_NONE)
		return host;
	host = *scratch;
	*scratch = *other;
	*other = host;
	if (read)
		emit_load(&m->e, 8, host, cpu_field(CPU_DISP(gpr) + 8 * gpr));
	return host;
}

static void operand_put(struct maker *m, const ZydisDecodedOperand *op, uint8_t host)
{
	uint8_t gpr = register_number(op);

	if (host_register(gpr) == REGISTER_NONE && op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
		emit_store(&m->e, 8, host, cpu_field(CPU_DISP(gpr) + 8 * gpr));
}

/* The instruction's own opcode with other registers, or with memory at `memory`. */
static void encode(struct maker *m, const struct part *part, uint8_t reg, uint8_t rm, const struct address *memory)
{
	const ZydisDecodedInstruction *z = &m->z;
	struct opcode o = { z->opcode, 4, 0, z->attributes & ZYDIS_ATTRIB_HAS_REX };
	const uint8_t *bytes = m->block->bytes + part->insn->offset;
	bool modrm = z->attributes & ZYDIS_ATTRIB_HAS_MODRM;

	if (z->attributes & ZYDIS_ATTRIB_HAS_LOCK)
		emit_8(&m->e, 0xf0);
	if (z->opcode_map == ZYDIS_OPCODE_MAP_0F)
		o.code |= 0x0f00;
	if (z->raw.rex.W)
		o.size = 8;
	else if (z->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE)
		o.size = 2;
	if (z->mnemonic == ZYDIS_MNEMONIC_POPCNT)
		o.prefix = 0xf3;
	if (!modrm && rm != REGISTER_NONE)
		o.code = (o.code & ~7u) | (rm & 7);
	if (memory)
		emit_opcode(&m->e, o, reg, memory->index, memory->base);
	else
		emit_opcode(&m->e, o, reg, REGISTER_NONE, rm);
	if (memory)
		emit_modrm_memory(&m->e, reg, *memory);
	else if (modrm)
		emit_modrm_register(&m->e, reg, rm);
	emit_bytes(&m->e, bytes + z->raw.imm[0].offset, z->raw.imm[0].size / 8);
}

/* What is atomic and not in one cache line, the host may not like. */
static void aligned_emit(struct maker *m, const struct part *part)
{
	emit_rr(&m->e, 0xf6, 4, 0, HOST_SCRATCH0); /* TEST */
	emit_8(&m->e, part->access_size - 1u);
	way_out_add(m, emit_jump_if(&m->e, IF_NOT_ZERO), part->insn, 0);
}

static void plain_emit(struct maker *m, const struct part *part)
{
	const ZydisDecodedOperand *reg_operand = NULL, *rm_operand = NULL;
	uint8_t scratch = HOST_SCRATCH1, other = HOST_SCRATCH0, reg = m->z.raw.modrm.reg, rm = REGISTER_NONE;
	struct place place = place_of(part->insn);
	struct address memory;
	bool same;

	if (part->access_size) {
		flags_leave(m);
		memory = memory_emit(m, part->insn, &place, part->access_size, part->writes);
		scratch = memory.base == HOST_SCRATCH0 ? HOST_SCRATCH1 : HOST_SCRATCH0;
		if (part->atomic)
			aligned_emit(m, part);
	}
	if (part->flags_read || (part->flags_written && part->flags_live & ~part->flags_written))
		flags_restore(m, scratch);
	for (unsigned int i = 0; i < m->z.operand_count_visible; i++) {
		if (m->op[i].type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		if (m->op[i].encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG)
			reg_operand = &m->op[i];
		else if (m->op[i].encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM || m->op[i].encoding == ZYDIS_OPERAND_ENCODING_OPCODE)
			rm_operand = &m->op[i];
	}
	same = reg_operand && rm_operand && register_number(rm_operand) == register_number(reg_operand);
	if (reg_operand)
		reg = operand_emit(m, reg_operand, same || operand_read(m, reg_operand), &scratch, &other);
	if (same)
		rm = reg;
	else if (rm_operand)
		rm = operand_emit(m, rm_operand, operand_read(m, rm_operand), &scratch, &other);
	encode(m, part, reg, rm, part->access_size ? &memory : NULL);
	if (rm_operand)
		operand_put(m, rm_operand, rm);
	if (reg_operand)
		operand_put(m, reg_operand, reg);
	if (part->flags_written) {
		m->flags_host = true;
		m->flags_saved = false;
	}
}

/* A guest register's value into a host register; and back. */
static void register_get(struct maker *m, uint8_t to, uint8_t gpr)
{
	if (host_register(gpr) == REGISTER_NONE)
		emit_load(&m->e, 8, to, cpu_field(CPU_DISP(gpr) + 8 * gpr));
	else
		emit_move(&m->e, to, host_register(gpr));
}

static void register_put(struct maker *m, uint8_t gpr, uint8_t from)
{
	if (host_register(gpr) == REGISTER_NONE)
		emit_store(&m->e, 8, from, cpu_field(CPU_DISP(gpr) + 8 * gpr));
	else
		emit_move(&m->e, host_register(gpr), from);
}

static void lea_emit(struct maker *m, const struct insn *insn)
{
	struct place place = place_of(insn);
	uint8_t to = host_register(insn->reg);

	if (to == REGISTER_NONE || !place_in_registers(&place))
		to = HOST_SCRATCH0;
	effective_emit(m, to, HOST_SCRATCH1, &place, place.disp);
	if (place.truncated || insn->size == 4)
		emit_rr(&m->e, 0x8b, 4, to, to);
	if (to == HOST_SCRATCH0)
		register_put(m, insn->reg, to);
}

static void push_emit(struct maker *m, const struct insn *insn)
{
	struct place place = place_on_stack(RSP, -8);
	struct address memory;

	flags_leave(m);
	memory = memory_emit(m, insn, &place, 8, true);
	if (m->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		emit_rm(&m->e, 0xc7, 8, 0, memory);
		emit_32(&m->e, (uint32_t)insn->imm);
	} else {
		register_get(m, HOST_SCRATCH1, insn->reg);
		emit_store(&m->e, 8, HOST_SCRATCH1, memory);
	}
	emit_lea(&m->e, HOST_RSP, address_of(HOST_RSP, -8));
}

/* POP; LEAVE, which pops RBP from where it points to. */
static void pop_emit(struct maker *m, const struct insn *insn, uint8_t gpr, uint8_t pointer)
{
	struct place place = place_on_stack(pointer, 0);
	struct address memory;

	flags_leave(m);
	memory = memory_emit(m, insn, &place, 8, false);
	emit_load(&m->e, 8, HOST_SCRATCH0, memory);
	emit_lea(&m->e, HOST_RSP, address_of(host_register(pointer), 8));
	register_put(m, gpr, HOST_SCRATCH0);
}

/* ---- Branches. ---- */

/* To a direct target: `condition` or -1. What it leads to is put there later: native_link(). */
static void link_emit(struct maker *m, int condition, uint64_t target)
{
	uint32_t link;
	uint8_t *link_at, *jump;

	emit_opcode(&m->e, (struct opcode){ 0xb8 | (HOST_SCRATCH1 & 7), 4, 0, false }, 0, REGISTER_NONE, HOST_SCRATCH1);
	emit_32(&m->e, 0);
	link_at = m->e.at - 4;
	jump = condition < 0 ? emit_jump(&m->e) : emit_jump_if(&m->e, (unsigned int)condition);
	link = (uint32_t)(jump - m->native->memory);
	if ((target ^ m->block->linear) >> PAGE_SHIFT)
		link |= LINK_FAR;
	memcpy(link_at, &link, 4);
	way_out_add(m, jump, NULL, target);
}

/* SCRATCH0 must be an address in any paging mode. */
static void canonical_emit(struct maker *m, const struct insn *insn)
{
	emit_move(&m->e, HOST_SCRATCH1, HOST_SCRATCH0);
	emit_shift(&m->e, 4, 8, HOST_SCRATCH1, 16);
	emit_shift(&m->e, 7, 8, HOST_SCRATCH1, 16);
	emit_rr(&m->e, 0x3b, 8, HOST_SCRATCH1, HOST_SCRATCH0);
	way_out_add(m, emit_jump_if(&m->e, IF_NOT_ZERO), insn, 0);
}

/* The target of an indirect branch into SCRATCH0. */
static void target_emit(struct maker *m, const struct insn *insn)
{
	struct place place = place_of(insn);
	struct address memory;

	flags_leave(m);
	if (m->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		register_get(m, HOST_SCRATCH0, insn->reg);
	} else {
		memory = memory_emit(m, insn, &place, 8, false);
		emit_load(&m->e, 8, HOST_SCRATCH0, memory);
	}
	canonical_emit(m, insn);
}

static void go_anywhere_emit(struct maker *m)
{
	jump_set(emit_jump(&m->e), m->native->go_anywhere);
}

static void jump_emit(struct maker *m, const struct insn *insn)
{
	if (m->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		flags_save(m);
		link_emit(m, -1, insn->imm);
		return;
	}
	target_emit(m, insn);
	go_anywhere_emit(m);
}

static void jump_if_emit(struct maker *m, const struct insn *insn)
{
	flags_restore(m, HOST_SCRATCH0);
	flags_save(m);
	link_emit(m, (int)insn->extra, insn->imm);
	link_emit(m, -1, (uint64_t)insn->disp);
}

static void call_emit(struct maker *m, const struct insn *insn)
{
	struct place place = place_on_stack(RSP, -8);
	bool direct = m->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
	struct address memory;

	if (!direct) {
		target_emit(m, insn);
		emit_store(&m->e, 8, HOST_SCRATCH0, cpu_field(CPU_DISP(rip)));
	}
	flags_leave(m);
	memory = memory_emit(m, insn, &place, 8, true);
	emit_constant(&m->e, HOST_SCRATCH1, m->block->linear + insn->offset + insn->length);
	emit_store(&m->e, 8, HOST_SCRATCH1, memory);
	emit_lea(&m->e, HOST_RSP, address_of(HOST_RSP, -8));
	if (direct) {
		link_emit(m, -1, insn->imm);
		return;
	}
	emit_load(&m->e, 8, HOST_SCRATCH0, cpu_field(CPU_DISP(rip)));
	go_anywhere_emit(m);
}

static void return_emit(struct maker *m, const struct insn *insn)
{
	struct place place = place_on_stack(RSP, 0);
	struct address memory;

	flags_leave(m);
	memory = memory_emit(m, insn, &place, 8, false);
	emit_load(&m->e, 8, HOST_SCRATCH0, memory);
	canonical_emit(m, insn);
	emit_lea(&m->e, HOST_RSP, address_of(HOST_RSP, 8 + (int32_t)insn->imm));
	go_anywhere_emit(m);
}

/* ---- A block. ---- */

static void constants_emit(struct maker *m)
{
	const struct block *block = m->block;
	uint64_t page = block->linear | (PAGE_SIZE - 1), addend = block->host - block->linear, guard = block->host - GUARD;

	m->far_constants = m->e.at;
	emit_bytes(&m->e, &page, 8);
	emit_bytes(&m->e, &addend, 8);
	m->guard_constant = m->e.at;
	emit_bytes(&m->e, &guard, 8);
}

/* One piece of 16 bytes (8: both halves) into XMM `xmm`, and what differs from what it was. Guests' vectors are elsewhere. */
static void piece_compare_emit(struct maker *m, uint8_t xmm, int32_t first, int32_t second, const uint8_t *constant)
{
	if (second < 0) {
		emit_opcode(&m->e, (struct opcode){ 0x0f6f, 4, 0xf3, false }, xmm, REGISTER_NONE, HOST_SCRATCH0); /* MOVDQU */
		emit_modrm_memory(&m->e, xmm, address_of(HOST_SCRATCH0, first));
	} else {
		emit_opcode(&m->e, (struct opcode){ 0x0f7e, 4, 0xf3, false }, xmm, REGISTER_NONE, HOST_SCRATCH0); /* MOVQ */
		emit_modrm_memory(&m->e, xmm, address_of(HOST_SCRATCH0, first));
		emit_rm(&m->e, 0x0f16, 4, xmm, address_of(HOST_SCRATCH0, second)); /* MOVHPS */
	}
	emit_r_rip(&m->e, (struct opcode){ 0x0fef, 2, 0, false }, xmm, constant); /* PXOR */
	if (xmm)
		emit_rr(&m->e, 0x0feb, 2, 0, xmm); /* POR */
}

/* The pieces that are compared, as constants: overlapping at the end, so that nothing beyond the block is read. */
static void pieces_emit(struct maker *m)
{
	const struct block *block = m->block;
	unsigned int length = block->length;

	if (length >= 8 && length < 16) {
		emit_bytes(&m->e, block->bytes, 8);
		emit_bytes(&m->e, block->bytes + length - 8, 8);
	}
	for (unsigned int at = 0; length >= 16 && at < length; at += 16)
		emit_bytes(&m->e, block->bytes + (at + 16 <= length ? at : length - 16), 16);
}

static void bytes_compare_emit(struct maker *m, const uint8_t *pieces)
{
	const struct block *block = m->block;
	unsigned int length = block->length;

	emit_constant(&m->e, HOST_SCRATCH0, block->host);
	point_add(m, NULL);
	if (length < 8) {
		for (unsigned int at = 0; at < length; at++) {
			emit_rm(&m->e, 0x80, 4, ARITHMETIC_CMP, address_of(HOST_SCRATCH0, (int32_t)at));
			emit_8(&m->e, block->bytes[at]);
			way_out_add(m, emit_jump_if(&m->e, IF_NOT_ZERO), NULL, block->linear);
		}
		return;
	}
	if (length < 16)
		piece_compare_emit(m, 0, 0, (int32_t)length - 8, pieces);
	for (unsigned int at = 0; length >= 16 && at < length; at += 16)
		piece_compare_emit(m, at != 0, (int32_t)(at + 16 <= length ? at : length - 16), -1, pieces + at);
	emit_rr(&m->e, 0x0f3817, 2, 0, 0); /* PTEST */
	way_out_add(m, emit_jump_if(&m->e, IF_NOT_ZERO), NULL, block->linear);
}

static void entry_emit(struct maker *m)
{
	struct block *block = m->block;
	int32_t entry = (int32_t)(TLB_FETCH * sizeof m->cpu->tlb->entry[0] + (block->linear >> PAGE_SHIFT) % TLB_ENTRIES * sizeof(struct tlb_entry));
	const uint8_t *pieces;

	while ((uint64_t)m->e.at % 16)
		emit_8(&m->e, 0xcc);
	constants_emit(m);
	while ((uint64_t)m->e.at % 16)
		emit_8(&m->e, 0xcc);
	pieces = m->e.at;
	pieces_emit(m);
	block->native_far = m->e.at;
	emit_load(&m->e, 8, HOST_SCRATCH0, cpu_field(CPU_DISP(tlb)));
	emit_opcode(&m->e, (struct opcode){ 0x0f6f, 4, 0xf3, false }, 0, REGISTER_NONE, HOST_SCRATCH0);
	emit_modrm_memory(&m->e, 0, address_of(HOST_SCRATCH0, entry));
	emit_r_rip(&m->e, (struct opcode){ 0x0fef, 2, 0, false }, 0, m->far_constants);
	emit_rr(&m->e, 0x0f3817, 2, 0, 0);
	way_out_add(m, emit_jump_if(&m->e, IF_NOT_ZERO), NULL, block->linear);
	block->native = m->e.at;
	emit_rm(&m->e, 0x83, 4, ARITHMETIC_CMP, cpu_field(CPU_DISP(vcpu.kick.request)));
	emit_8(&m->e, 0);
	way_out_add(m, emit_jump_if(&m->e, IF_NOT_ZERO), NULL, block->linear);
	bytes_compare_emit(m, pieces);
}

/* The code behind the instructions. SCRATCH1 has the link that led here, for where nothing was found. */
static void ways_out_emit(struct maker *m)
{
	uint8_t *to_interpreter = m->e.at;

	emit_constant(&m->e, HOST_SCRATCH1, (uint64_t)m->block);
	emit_rr(&m->e, 0x03, 8, HOST_SCRATCH0, HOST_SCRATCH1);
	jump_set(emit_jump(&m->e), m->native->leave_at);
	for (unsigned int i = 0; i < m->ways_out_count; i++) {
		const struct way_out *way = &m->ways_out[i];
		const uint8_t *start = m->e.at;

		if (i > 0 && way[-1].insn == way->insn && way[-1].target == way->target) { /* the same way as the last one */
			jump_set(way->jump, way[-1].jump + 4 + *(int32_t __attribute__((may_alias, aligned(1))) *)way[-1].jump);
			continue;
		}
		jump_set(way->jump, start);
		emit_constant(&m->e, HOST_SCRATCH0, way->insn ? (uint64_t)((const uint8_t *)way->insn - (uint8_t *)m->block) : way->target);
		jump_set(emit_jump(&m->e), way->insn ? to_interpreter : m->native->leave);
	}
}

static void part_emit(struct maker *m, const struct part *part)
{
	const struct insn *insn = part->insn;

	switch (part->kind) {
	case KIND_PLAIN: plain_emit(m, part); break;
	case KIND_LEA: lea_emit(m, insn); break;
	case KIND_PUSH: push_emit(m, insn); break;
	case KIND_POP: pop_emit(m, insn, insn->reg, RSP); break;
	case KIND_LEAVE: pop_emit(m, insn, RBP, RBP); break;
	case KIND_JUMP: jump_emit(m, insn); break;
	case KIND_JUMP_IF: jump_if_emit(m, insn); break;
	case KIND_CALL: call_emit(m, insn); break;
	case KIND_RETURN: return_emit(m, insn); break;
	default: break;
	}
}

/* Leaves the block to the interpreter from that record on. */
static void interpret_emit(struct maker *m, const struct insn *insn)
{
	flags_leave(m);
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
	native->full = native->full || (uint64_t)((uint8_t *)points - native->free) < ROOM;
	if (native->full || (cpu->mode & MODE_CODE_MASK) != MODE_CODE64 || cpu->mode & MODE_ALIGN || !parts_find(&m, block->insns + 1))
		return false;
	if (m.resumes && !records_copy(&m, block->insns + 1))
		return false;
	m.e = (struct emitter){ .at = native->free, .end = (uint8_t *)points - 2 * PARTS * sizeof *points };
	entry_emit(&m);
	parts_emit(&m);
	ways_out_emit(&m);
	if (m.e.full) {
		native->points = points;
		block->native = block->native_far = NULL;
		return false;
	}
	native->free = m.e.at;
	return true;
}

#endif
