/*
 * Native code for loads and stores of general and of SIMD&FP registers (C4.1.94): one register at all kinds of addresses, and pairs. What the
 * translation cache does not know, and stores into the running block, are the interpreter's.
 */
#include "arm64/cpu/decode.h"
#include "arm64/cpu/native_maker.h"

#if NATIVE

/* What native code cannot do, the interpreter does. */
static void leave_if(struct maker *m, unsigned int condition, const struct a64_insn *insn)
{
	way_out_add(m, emit_jump_if(&m->e, condition), insn, 0);
}

/*
 * The host address of `size` bytes at `place` into RAX: tlb_lookup() and, for a write, what keeps it out of the running block. RCX is lost.
 */
static void access_emit(struct maker *m, const struct a64_insn *insn, struct address place, unsigned int size, bool write)
{
	enum tlb_access access = write ? TLB_WRITE : TLB_READ;
	int32_t tag = (int32_t)offsetof(struct tlb, entry[access][0].tag), addend = (int32_t)offsetof(struct tlb, entry[access][0].addend);
	struct address end = place;
	struct emitter *e = &m->e;

	_Static_assert(sizeof(struct tlb_entry) == 16 && TLB_ENTRIES == 256, "the entry's offset is bits 12 to 19, times 16");
	end.disp += (int32_t)size - 1;
	emit_lea(e, HOST_RCX, place);
	emit_lea(e, HOST_RAX, end);
	emit_shift(e, SHIFT_RIGHT, 4, HOST_RCX, PAGE_SHIFT - 4);
	emit_arithmetic(e, ARITHMETIC_AND, 4, HOST_RCX, (TLB_ENTRIES - 1) << 4);
	emit_rm(e, OPCODE_ADD, 8, HOST_RCX, cpu_field(CPU_DISP(tlb)));
	emit_arithmetic(e, ARITHMETIC_OR, 8, HOST_RAX, PAGE_SIZE - 1);
	emit_rm(e, OPCODE_CMP, 8, HOST_RAX, address_of(HOST_RCX, tag));
	leave_if(m, IF_NOT_ZERO, insn);
	emit_lea(e, HOST_RAX, place);
	emit_rm(e, OPCODE_ADD, 8, HOST_RAX, address_of(HOST_RCX, addend));
	if (write) {
		emit_move(e, HOST_RCX, HOST_RAX);
		emit_r_rip(e, (struct opcode){ OPCODE_SUB, 8, 0, false }, HOST_RCX, m->guard_constant);
		emit_arithmetic(e, ARITHMETIC_CMP, 8, HOST_RCX, m->block->length + GUARD);
		leave_if(m, IF_BELOW, insn);
	}
	emit_constant(e, HOST_RCX, (uint64_t)insn);
	emit_store(e, 8, HOST_RCX, cpu_field(CPU_DISP(insn))); /* for a host fault */
}

/* Where an access is: added to the base (indexed 0), at it (1, post), or added before (3, pre); or at base and index. SP must be aligned when it says so. */
static struct address place_emit(struct maker *m, const struct a64_insn *insn, unsigned int indexed, bool by_register)
{
	unsigned int option = bits(insn->word, 15, 13);
	struct address place = address_of(native_source(m, insn->n), by_register || indexed == 1 ? 0 : (int32_t)insn->imm);
	uint8_t index;

	if (by_register) {
		place.index = native_source(m, insn->m);
		place.scale = insn->shift;
		if (!(option & 1) || insn->shift > 3) {
			index = native_take(m);
			native_extend(m, index, place.index, option);
			if (insn->shift)
				emit_shift(&m->e, SHIFT_LEFT, 8, index, insn->shift);
			place.index = index;
			place.scale = 0;
		}
	}
	if (insn->n >= X_SP_EL0 && m->block->mode & A64_MODE_SP_ALIGN) {
		emit_rr(&m->e, 0xf7, 4, 0, place.base); /* TEST */
		emit_32(&m->e, 15);
		leave_if(m, IF_NOT_ZERO, insn);
	}
	return place;
}

/* Rn behind the access. */
static void write_back_emit(struct maker *m, const struct a64_insn *insn, uint8_t base)
{
	emit_lea(&m->e, base, address_of(base, (int32_t)insn->imm));
	native_target_done(m, insn->n, base);
}

static void value_load_emit(struct maker *m, uint8_t to, unsigned int operation)
{
	static const struct opcode opcodes[16] = {
		[1] = { 0x0fb6, 4, 0, false }, [2] = { 0x0fbe, 8, 0, false }, [3] = { 0x0fbe, 4, 0, false }, [5] = { 0x0fb7, 4, 0, false },
		[6] = { 0x0fbf, 8, 0, false }, [7] = { 0x0fbf, 4, 0, false }, [9] = { OPCODE_LOAD, 4, 0, false }, [10] = { 0x63, 8, 0, false },
		[13] = { OPCODE_LOAD, 8, 0, false },
	};

	emit_opcode(&m->e, opcodes[operation], to, REGISTER_NONE, HOST_RAX);
	emit_modrm_memory(&m->e, to, address_of(HOST_RAX, 0));
}

static void value_store_emit(struct maker *m, uint8_t from, unsigned int size)
{
	struct opcode o = { size == 1 ? 0x88 : OPCODE_STORE, (uint8_t)size, 0, size == 1 };

	emit_opcode(&m->e, o, from, REGISTER_NONE, HOST_RAX);
	emit_modrm_memory(&m->e, from, address_of(HOST_RAX, 0));
}

static bool single_emit(struct maker *m, const struct a64_insn *insn, unsigned int indexed, bool by_register)
{
	unsigned int operation = bits(insn->word, 31, 30) << 2 | bits(insn->word, 23, 22), size = 1u << (operation >> 2);
	bool write = !(operation & 3);
	struct address place;
	uint8_t value;

	if (operation == 14) /* a prefetch */
		return true;
	place = place_emit(m, insn, indexed, by_register);
	value = write ? native_source(m, insn->d) : indexed || insn->d == X_SINK ? HOST_RAX : REGISTER_NONE;
	access_emit(m, insn, place, size, write);
	if (write) {
		value_store_emit(m, value, size);
	} else {
		if (value == REGISTER_NONE)
			value = native_target(m, insn->d);
		value_load_emit(m, value, operation);
	}
	if (indexed)
		write_back_emit(m, insn, place.base);
	if (!write && indexed)
		native_result(m, insn->d, value);
	else if (!write)
		native_target_done(m, insn->d, value);
	return true;
}

static bool pair_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int opc = bits(insn->word, 31, 30), indexed = bits(insn->word, 24, 23), size = opc == 2 ? 8 : 4;
	bool load = bit(insn->word, 22);
	struct opcode o = { load && opc == 1 ? 0x63 : load ? OPCODE_LOAD : OPCODE_STORE, opc ? 8 : 4, 0, false };
	struct address place;
	uint8_t first, second;

	if (indexed & 1 && (insn->n == insn->d || insn->n == insn->m))
		return false;
	place = place_emit(m, insn, indexed, false);
	first = load ? REGISTER_NONE : native_source(m, insn->d);
	second = load ? REGISTER_NONE : native_source(m, insn->m);
	access_emit(m, insn, place, 2 * size, !load);
	if (load) {
		first = native_target(m, insn->d);
		second = native_target(m, insn->m);
		if (first == HOST_RAX || first == second)
			first = HOST_RCX;
	}
	emit_opcode(&m->e, o, first, REGISTER_NONE, HOST_RAX);
	emit_modrm_memory(&m->e, first, address_of(HOST_RAX, 0));
	emit_opcode(&m->e, o, second, REGISTER_NONE, HOST_RAX);
	emit_modrm_memory(&m->e, second, address_of(HOST_RAX, (int32_t)size));
	if (indexed & 1)
		write_back_emit(m, insn, place.base);
	if (load && first != HOST_RCX)
		native_target_done(m, insn->d, first);
	if (load)
		native_target_done(m, insn->m, second);
	return true;
}

/* ---- Those of SIMD&FP registers: through XMM0 and XMM1. ---- */

static const struct opcode vector_loads[] = { { 0x0f6e, 2, 0, false }, { 0x0f7e, 4, 0xf3, false }, { 0x0f6f, 4, 0xf3, false } };  /* MOVD, MOVQ, MOVDQU */
static const struct opcode vector_stores[] = { { 0x0f7e, 2, 0, false }, { 0x0fd6, 2, 0, false }, { 0x0f7f, 4, 0xf3, false } };

/* Of 4 << kind bytes. */
static void vector_move(struct maker *m, const struct opcode *opcodes, unsigned int kind, uint8_t xmm, struct address where)
{
	emit_opcode(&m->e, opcodes[kind], xmm, where.index, where.base);
	emit_modrm_memory(&m->e, xmm, where);
}

static struct address z_field(unsigned int z, unsigned int at)
{
	return cpu_field(CPU_DISP(z) + (int32_t)(z * sizeof(union arm64_z) + at));
}

/* v_set(): what is behind 128 bits is cleared. */
static void vector_set_emit(struct maker *m, unsigned int z, uint8_t xmm)
{
	vector_move(m, vector_stores, 2, xmm, z_field(z, 0));
	if (m->cpu->vl_max > 16)
		emit_rr(&m->e, 0x0fef, 2, xmm, xmm); /* PXOR */
	for (unsigned int at = 16; at < m->cpu->vl_max; at += 16)
		vector_move(m, vector_stores, 2, xmm, z_field(z, at));
}

static bool vector_single_emit(struct maker *m, const struct a64_insn *insn, unsigned int indexed, bool by_register)
{
	unsigned int scale = bit(insn->word, 23) << 2 | bits(insn->word, 31, 30);
	bool load = bit(insn->word, 22);
	struct address place;

	if (scale < 2)
		return false;
	place = place_emit(m, insn, indexed, by_register);
	if (!load)
		vector_move(m, vector_loads, 2, 0, z_field(bits(insn->word, 4, 0), 0));
	access_emit(m, insn, place, 1u << scale, !load);
	vector_move(m, load ? vector_loads : vector_stores, scale - 2, 0, address_of(HOST_RAX, 0));
	if (load)
		vector_set_emit(m, bits(insn->word, 4, 0), 0);
	if (indexed)
		write_back_emit(m, insn, place.base);
	return true;
}

static bool vector_pair_emit(struct maker *m, const struct a64_insn *insn)
{
	unsigned int kind = bits(insn->word, 31, 30), indexed = bits(insn->word, 24, 23), z[2] = { bits(insn->word, 4, 0), bits(insn->word, 14, 10) };
	bool load = bit(insn->word, 22);
	struct address place = place_emit(m, insn, indexed, false);

	for (uint8_t i = 0; i < 2 && !load; i++)
		vector_move(m, vector_loads, 2, i, z_field(z[i], 0));
	access_emit(m, insn, place, 8u << kind, !load);
	for (uint8_t i = 0; i < 2; i++)
		vector_move(m, load ? vector_loads : vector_stores, kind, i, address_of(HOST_RAX, i * (4 << kind)));
	for (uint8_t i = 0; i < 2 && load; i++)
		vector_set_emit(m, z[i], i);
	if (indexed & 1)
		write_back_emit(m, insn, place.base);
	return true;
}

/* Of either kind of registers. */
bool native_memory(struct maker *m, const struct a64_insn *insn)
{
	bool vector = bit(insn->word, 26);
	bool (*single)(struct maker *m, const struct a64_insn *insn, unsigned int indexed, bool by_register) = vector ? vector_single_emit : single_emit;

	if (m->block->mode & A64_MODE_ALIGN || (vector && m->block->mode & A64_MODE_FP_TRAP))
		return false;
	if (bits(insn->word, 29, 28) == 2)
		return vector ? vector_pair_emit(m, insn) : pair_emit(m, insn);
	if (bits(insn->word, 29, 28) != 3)
		return false;
	if (bit(insn->word, 24))
		return single(m, insn, 0, false);
	if (bit(insn->word, 21))
		return bits(insn->word, 11, 10) == 2 && single(m, insn, 0, true);
	return bits(insn->word, 11, 10) != 2 && single(m, insn, bits(insn->word, 11, 10), false);
}

#endif
