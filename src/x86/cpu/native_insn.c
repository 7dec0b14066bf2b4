/*
 * Native code for one instruction: guest and host have the same, so most are emitted as they are, with other registers and with
 * the host address of their memory operand. What an instruction does, this file knows of branches and the stack alone.
 */
#include "x86/cpu/native_maker.h"

#if NATIVE

/* ---- Flags: as LAHF and SETO have them, in cc_carry (CC_HOST). ---- */

void flags_save(struct maker *m)
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

/* ---- Guest registers, wherever they are. ---- */

static struct address gpr_field(uint8_t gpr)
{
	return cpu_field(CPU_DISP(gpr) + 8 * gpr);
}

static void register_get(struct maker *m, uint8_t to, uint8_t gpr)
{
	if (host_register(gpr) == REGISTER_NONE)
		emit_load(&m->e, 8, to, gpr_field(gpr));
	else
		emit_move(&m->e, to, host_register(gpr));
}

static void register_put(struct maker *m, uint8_t gpr, uint8_t from)
{
	if (host_register(gpr) == REGISTER_NONE)
		emit_store(&m->e, 8, from, gpr_field(gpr));
	else
		emit_move(&m->e, host_register(gpr), from);
}

static void register_add(struct maker *m, uint8_t to, uint8_t gpr)
{
	if (host_register(gpr) == REGISTER_NONE)
		emit_rm(&m->e, OPCODE_ADD, 8, to, gpr_field(gpr));
	else
		emit_rr(&m->e, OPCODE_ADD, 8, to, host_register(gpr));
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

/* Base, index and displacement into `to`. If they are not all in registers, flags are lost. */
static void effective_emit(struct maker *m, uint8_t to, const struct place *place, int64_t disp)
{
	bool base = place->base != GPR_ZERO, index = place->index != GPR_ZERO;

	if (!base && !index) {
		emit_constant(&m->e, to, (uint64_t)disp);
	} else if (place_in_registers(place)) {
		emit_lea(&m->e, to, (struct address){ base ? host_register(place->base) : REGISTER_NONE, index ? host_register(place->index) : REGISTER_NONE,
						      place->scale, (int32_t)disp });
	} else {
		register_get(m, to, index ? place->index : place->base);
		if (index && place->scale)
			emit_shift(&m->e, SHIFT_LEFT, 8, to, place->scale);
		if (index && base)
			register_add(m, to, place->base);
		emit_lea(&m->e, to, address_of(to, (int32_t)disp));
	}
}

/* Linear address of the byte `extra` bytes behind the place. */
static void linear_emit(struct maker *m, uint8_t to, const struct place *place, int64_t extra)
{
	bool based = place->seg >= FS;

	effective_emit(m, to, place, place->disp + (based || place->truncated ? 0 : extra));
	if (place->truncated)
		emit_rr(&m->e, OPCODE_LOAD, 4, to, to);
	if (based)
		emit_rm(&m->e, OPCODE_ADD, 8, to, cpu_field(CPU_DISP(seg) + (int32_t)(place->seg * sizeof(struct kvm_segment) + offsetof(struct kvm_segment, base))));
	if ((based || place->truncated) && extra)
		emit_lea(&m->e, to, address_of(to, (int32_t)extra));
}

/*
 * tlb_lookup() and, for a write, what keeps it out of the running block (mem_write()). Loses the flags, which must have been saved.
 * The result uses SCRATCH0 or (not of writes) SCRATCH1; the other one is free.
 */
static struct address memory_emit(struct maker *m, const struct insn *insn, const struct place *place, unsigned int size, bool write)
{
	int32_t tag = (int32_t)offsetof(struct tlb, entry[write ? TLB_WRITE : TLB_READ][0].tag), addend = tag + (int32_t)offsetof(struct tlb_entry, addend);
	struct emitter *e = &m->e;

	_Static_assert(sizeof(struct tlb_entry) == 16 && TLB_ENTRIES == 256, "the entry's offset is bits 12 to 19, times 16");
	m->flags_host = false;
	linear_emit(m, HOST_SCRATCH1, place, 0);
	if (size == 1)
		emit_move(e, HOST_SCRATCH0, HOST_SCRATCH1);
	else
		linear_emit(m, HOST_SCRATCH0, place, size - 1);
	emit_shift(e, SHIFT_RIGHT, 4, HOST_SCRATCH1, PAGE_SHIFT - 4);
	emit_arithmetic(e, ARITHMETIC_AND, 4, HOST_SCRATCH1, (TLB_ENTRIES - 1) << 4);
	emit_rm(e, OPCODE_ADD, 8, HOST_SCRATCH1, cpu_field(CPU_DISP(tlb)));
	emit_arithmetic(e, ARITHMETIC_OR, 8, HOST_SCRATCH0, PAGE_SIZE - 1);
	emit_rm(e, OPCODE_CMP, 8, HOST_SCRATCH0, address_of(HOST_SCRATCH1, tag));
	way_out_add(m, emit_jump_if(e, IF_NOT_ZERO), insn, 0);
	if (!write && place_in_registers(place) && place->index == GPR_ZERO && !place->truncated && place->seg < FS) {
		emit_load(e, 8, HOST_SCRATCH1, address_of(HOST_SCRATCH1, addend));
		point_add(m, insn);
		return (struct address){ HOST_SCRATCH1, host_register(place->base), 0, (int32_t)place->disp };
	}
	linear_emit(m, HOST_SCRATCH0, place, 0);
	emit_rm(e, OPCODE_ADD, 8, HOST_SCRATCH0, address_of(HOST_SCRATCH1, addend));
	if (write) {
		emit_move(e, HOST_SCRATCH1, HOST_SCRATCH0);
		emit_r_rip(e, (struct opcode){ OPCODE_SUB, 8, 0, false }, HOST_SCRATCH1, m->guard_constant);
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
	uint8_t gpr = operand_gpr(op), host = host_register(gpr);

	if (host != REGISTER_NONE)
		return host;
	host = *scratch;
	*scratch = *other;
	*other = host;
	if (read)
		emit_load(&m->e, 8, host, gpr_field(gpr));
	return host;
}

static void operand_put(struct maker *m, const ZydisDecodedOperand *op, uint8_t host)
{
	uint8_t gpr = operand_gpr(op);

	if (host_register(gpr) == REGISTER_NONE && op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
		emit_store(&m->e, 8, host, gpr_field(gpr));
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
	same = reg_operand && rm_operand && operand_gpr(rm_operand) == operand_gpr(reg_operand);
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

static void lea_emit(struct maker *m, const struct insn *insn)
{
	struct place place = place_of(insn);
	uint8_t to = host_register(insn->reg);

	if (to == REGISTER_NONE || !place_in_registers(&place)) {
		to = HOST_SCRATCH0;
		flags_leave(m);
	}
	effective_emit(m, to, &place, place.disp);
	if (place.truncated || insn->size == 4)
		emit_rr(&m->e, OPCODE_LOAD, 4, to, to);
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

/* What it leads to is put there later: native_link(). */
void link_emit(struct maker *m, int condition, uint64_t target)
{
	uint32_t link;
	uint8_t *link_at, *jump;

	emit_opcode(&m->e, (struct opcode){ 0xb8 | (HOST_SCRATCH1 & 7), 4, 0, false }, 0, REGISTER_NONE, HOST_SCRATCH1);
	emit_32(&m->e, 0);
	link_at = m->e.at - 4;
	jump = condition < 0 ? emit_jump(&m->e) : emit_jump_if(&m->e, (unsigned int)condition);
	link = native_code_link(&m->native->code, jump, (target ^ m->block->linear) >> PAGE_SHIFT);
	memcpy(link_at, &link, 4);
	way_out_add(m, jump, NULL, target);
}

/* SCRATCH0 must be an address in any paging mode. */
static void canonical_emit(struct maker *m, const struct insn *insn)
{
	emit_move(&m->e, HOST_SCRATCH1, HOST_SCRATCH0);
	emit_shift(&m->e, SHIFT_LEFT, 8, HOST_SCRATCH1, 16);
	emit_shift(&m->e, SHIFT_RIGHT_SIGNED, 8, HOST_SCRATCH1, 16);
	emit_rr(&m->e, OPCODE_CMP, 8, HOST_SCRATCH1, HOST_SCRATCH0);
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

void part_emit(struct maker *m, const struct part *part)
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

#endif
