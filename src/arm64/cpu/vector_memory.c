/*
 * Loads and stores of SIMD&FP registers (C4.1.94, where V is 1): single registers, pairs, and structures of elements. Registers are
 * written when all of an instruction's memory has been read.
 *
 * Decoding leaves in insn: n the base, m the offset register, imm the offset, size the bytes of an access.
 */
#include "arm64/cpu/mem.h"
#include "arm64/cpu/vector.h"

/* EC 0x26: a misaligned SP (D1.3.10, SP alignment checking). */
static bool base_valid(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	if (likely(insn->n < X_SP_EL0 || !(cpu->mode & A64_MODE_SP_ALIGN) || !(cpu->x[insn->n] & 15)))
		return true;
	a64_exception(cpu, insn, UINT64_C(0x26) << 26 | UINT64_C(1) << 25);
	return false;
}

static uint8_t base_register(const struct a64_decode *decode, uint32_t word)
{
	return rn(word) != 31 ? (uint8_t)rn(word) : decode->mode & A64_MODE_SP_EL1 ? X_SP_EL1 : X_SP_EL0;
}

/* ---- One register. ---- */

TEMPLATE bool load(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, unsigned int size)
{
	union v128 value = { .d = { 0, 0 } };

	if (!a64_read(cpu, insn, address, &value, size, 0))
		return false;
	v_set(cpu, rd(insn->word), value, size);
	return true;
}

TEMPLATE bool store(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, unsigned int size)
{
	return a64_write(cpu, insn, address, &cpu->z[rd(insn->word)], size, 0);
}

typedef bool access_fn(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, unsigned int size);

/* [base, #imm], and literals, whose base is X_ZERO. */
TEMPLATE void access_offset(struct arm64_vcpu *cpu, const struct a64_insn *insn, access_fn *access, unsigned int size)
{
	if (base_valid(cpu, insn) && access(cpu, insn, cpu->x[insn->n] + insn->imm, size))
		a64_next(cpu, insn);
}

/* [base, #imm]! and [base], #imm: insn->shift tells that the access comes first. */
TEMPLATE void access_indexed(struct arm64_vcpu *cpu, const struct a64_insn *insn, access_fn *access, unsigned int size)
{
	uint64_t address = cpu->x[insn->n] + insn->imm;

	if (!base_valid(cpu, insn) || !access(cpu, insn, insn->shift ? cpu->x[insn->n] : address, size))
		return;
	cpu->x[insn->n] = address;
	a64_next(cpu, insn);
}

/* [base, register, extend #shift]. */
TEMPLATE void access_register(struct arm64_vcpu *cpu, const struct a64_insn *insn, access_fn *access, unsigned int size)
{
	uint64_t offset = cpu->x[insn->m];

	if (!bit(insn->word, 13))
		offset = bit(insn->word, 15) ? (uint64_t)(int32_t)offset : (uint32_t)offset;
	if (base_valid(cpu, insn) && access(cpu, insn, cpu->x[insn->n] + (offset << insn->shift), size))
		a64_next(cpu, insn);
}

/* The handlers of a way to address, for each size. */
#define ACCESS_HANDLERS(access, how) \
	static void access##_##how##_1(struct arm64_vcpu *cpu, const struct a64_insn *insn) { access_##how(cpu, insn, access, 1); } \
	static void access##_##how##_2(struct arm64_vcpu *cpu, const struct a64_insn *insn) { access_##how(cpu, insn, access, 2); } \
	static void access##_##how##_4(struct arm64_vcpu *cpu, const struct a64_insn *insn) { access_##how(cpu, insn, access, 4); } \
	static void access##_##how##_8(struct arm64_vcpu *cpu, const struct a64_insn *insn) { access_##how(cpu, insn, access, 8); } \
	static void access##_##how##_16(struct arm64_vcpu *cpu, const struct a64_insn *insn) { access_##how(cpu, insn, access, 16); } \
	static a64_fn *const access##_##how[] = { \
		access##_##how##_1, access##_##how##_2, access##_##how##_4, access##_##how##_8, access##_##how##_16, \
	};
ACCESS_HANDLERS(load, offset)
ACCESS_HANDLERS(load, indexed)
ACCESS_HANDLERS(load, register)
ACCESS_HANDLERS(store, offset)
ACCESS_HANDLERS(store, indexed)
ACCESS_HANDLERS(store, register)

static a64_fn *decode_literal(struct a64_decode *decode, struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int opc = bits(word, 31, 30);

	insn->n = X_ZERO;
	insn->imm = decode->pc + 4 * (uint64_t)bits_signed(word, 23, 5);
	return opc < 3 ? load_offset[opc + 2] : NULL;
}

static a64_fn *decode_single(struct a64_decode *decode, struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int scale = bit(word, 23) << 2 | bits(word, 31, 30);
	bool is_load = bit(word, 22);

	if (scale > 4)
		return NULL;
	insn->n = base_register(decode, word);
	if (bit(word, 24)) {
		insn->imm = (uint64_t)bits(word, 21, 10) << scale;
		return is_load ? load_offset[scale] : store_offset[scale];
	}
	if (bit(word, 21)) {
		if (bits(word, 11, 10) != 2 || !bit(word, 14))
			return NULL;
		insn->m = (uint8_t)rm(word);
		insn->shift = bit(word, 12) ? (uint8_t)scale : 0;
		return is_load ? load_register[scale] : store_register[scale];
	}
	insn->imm = (uint64_t)bits_signed(word, 20, 12);
	switch (bits(word, 11, 10)) {
	case 0:
		return is_load ? load_offset[scale] : store_offset[scale];
	case 1:
	case 3:
		insn->shift = !bit(word, 11);
		return is_load ? load_indexed[scale] : store_indexed[scale];
	default:
		return NULL;
	}
}

/* ---- Pairs. ---- */

TEMPLATE bool pair(struct arm64_vcpu *cpu, const struct a64_insn *insn, unsigned int size)
{
	uint32_t word = insn->word;
	unsigned int first = rd(word), second = bits(word, 14, 10);
	uint64_t base = cpu->x[insn->n], address = bits(word, 24, 23) == 1 ? base : base + insn->imm;
	union v128 a = { .d = { 0, 0 } }, b = { .d = { 0, 0 } };

	if (!base_valid(cpu, insn))
		return false;
	if (bit(word, 22)) {
		if (!a64_read(cpu, insn, address, &a, size, 0) || !a64_read(cpu, insn, address + size, &b, size, 0))
			return false;
		v_set(cpu, first, a, size);
		v_set(cpu, second, b, size);
	} else if (!a64_write(cpu, insn, address, &cpu->z[first], size, 0) || !a64_write(cpu, insn, address + size, &cpu->z[second], size, 0)) {
		return false;
	}
	if (bit(word, 23))
		cpu->x[insn->n] = base + insn->imm;
	return true;
}

#define PAIR_HANDLER(size) \
	STEP bool pair_step_##size(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		return pair(cpu, insn, size); \
	} \
	static void pair_##size(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		if (pair_step_##size(cpu, insn)) \
			a64_next(cpu, insn); \
	}
PAIR_HANDLER(4)
PAIR_HANDLER(8)
PAIR_HANDLER(16)

static a64_fn *decode_pair(struct a64_decode *decode, struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int opc = bits(word, 31, 30);

	if (opc == 3)
		return NULL;
	insn->n = base_register(decode, word);
	insn->imm = (uint64_t)bits_signed(word, 21, 15) << (opc + 2);
	return opc == 0 ? pair_4 : opc == 1 ? pair_8 : pair_16;
}

/* ---- Structures: post-indexed by their size (m is X_ZERO) or by a register, or not at all (imm and m are 0). ---- */

static void structure_post_index(struct arm64_vcpu *cpu, const struct a64_insn *insn, unsigned int size)
{
	if (bit(insn->word, 23))
		cpu->x[insn->n] += insn->m == X_ZERO ? size : cpu->x[insn->m];
}

/* Elements are what must be aligned, where anything must. */
static unsigned int access_step(const struct arm64_vcpu *cpu, unsigned int element, unsigned int all)
{
	return cpu->mode & A64_MODE_ALIGN ? element : all;
}

/* Registers, and elements of a structure: LD1 has one of these, and LD2 ... LD4 interleave. */
static const struct multiple {
	uint8_t registers, elements;
} multiples[16] = { [0] = { 4, 4 }, [2] = { 4, 1 }, [4] = { 3, 3 }, [6] = { 3, 1 }, [7] = { 1, 1 }, [8] = { 2, 2 }, [10] = { 2, 1 } };

static unsigned int multiple_ebytes(uint32_t word)
{
	return 1u << bits(word, 11, 10);
}

/* Between registers and the structures that interleave their elements. */
TEMPLATE void structures_split(union v128 *registers, const uint8_t *memory, unsigned int elements, unsigned int bytes, unsigned int ebytes)
{
	for (unsigned int i = 0; i < bytes; i += ebytes)
		for (unsigned int j = 0; j < elements; j++, memory += ebytes)
			memcpy(&registers[j].b[i], memory, ebytes);
}

TEMPLATE void structures_join(uint8_t *memory, const union v128 *registers, unsigned int elements, unsigned int bytes, unsigned int ebytes)
{
	for (unsigned int i = 0; i < bytes; i += ebytes)
		for (unsigned int j = 0; j < elements; j++, memory += ebytes)
			memcpy(memory, &registers[j].b[i], ebytes);
}

/* LD1's registers, and ST1's, stand one behind the other. */
static void multiple_split(uint32_t word, union v128 *registers, const uint8_t *memory)
{
	const struct multiple *multiple = &multiples[bits(word, 15, 12)];
	unsigned int bytes = v_bytes(word), elements = multiple->elements;

	if (elements == 1) {
		for (unsigned int i = 0; i < multiple->registers; i++)
			memcpy(&registers[i], memory + i * bytes, bytes);
		return;
	}
	switch (multiple_ebytes(word)) {
	case 1: structures_split(registers, memory, elements, bytes, 1); break;
	case 2: structures_split(registers, memory, elements, bytes, 2); break;
	case 4: structures_split(registers, memory, elements, bytes, 4); break;
	default: structures_split(registers, memory, elements, bytes, 8); break;
	}
}

static void multiple_join(uint32_t word, uint8_t *memory, const union v128 *registers)
{
	const struct multiple *multiple = &multiples[bits(word, 15, 12)];
	unsigned int bytes = v_bytes(word), elements = multiple->elements;

	if (elements == 1) {
		for (unsigned int i = 0; i < multiple->registers; i++)
			memcpy(memory + i * bytes, &registers[i], bytes);
		return;
	}
	switch (multiple_ebytes(word)) {
	case 1: structures_join(memory, registers, elements, bytes, 1); break;
	case 2: structures_join(memory, registers, elements, bytes, 2); break;
	case 4: structures_join(memory, registers, elements, bytes, 4); break;
	default: structures_join(memory, registers, elements, bytes, 8); break;
	}
}

STEP bool load_multiple_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int registers = multiples[bits(word, 15, 12)].registers, bytes = v_bytes(word), total = bytes * registers;
	unsigned int step = access_step(cpu, multiple_ebytes(word), 8);
	union v128 values[4];
	uint8_t memory[64];

	if (!base_valid(cpu, insn))
		return false;
	for (unsigned int i = 0; i < total; i += step)
		if (!a64_read(cpu, insn, cpu->x[insn->n] + i, memory + i, step, MEM_ELEMENTS(multiple_ebytes(word))))
			return false;
	multiple_split(word, values, memory);
	for (unsigned int i = 0; i < registers; i++)
		v_set(cpu, (rd(word) + i) % 32, values[i], bytes);
	structure_post_index(cpu, insn, total);
	return true;
}

static void load_multiple(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	if (load_multiple_step(cpu, insn))
		a64_next(cpu, insn);
}

STEP bool store_multiple_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int registers = multiples[bits(word, 15, 12)].registers, total = v_bytes(word) * registers;
	unsigned int step = access_step(cpu, multiple_ebytes(word), 8);
	union v128 values[4];
	uint8_t memory[64];

	if (!base_valid(cpu, insn))
		return false;
	for (unsigned int i = 0; i < registers; i++)
		values[i] = v_get(cpu, (rd(word) + i) % 32);
	multiple_join(word, memory, values);
	for (unsigned int i = 0; i < total; i += step)
		if (!a64_write(cpu, insn, cpu->x[insn->n] + i, memory + i, step, MEM_ELEMENTS(multiple_ebytes(word))))
			return false;
	structure_post_index(cpu, insn, total);
	return true;
}

static void store_multiple(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	if (store_multiple_step(cpu, insn))
		a64_next(cpu, insn);
}

STEP bool load_whole_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int registers = multiples[bits(word, 15, 12)].registers;
	union v128 values[4];

	if (!base_valid(cpu, insn))
		return false;
	for (unsigned int i = 0; i < registers; i++)
		if (!a64_read(cpu, insn, cpu->x[insn->n] + 16 * i, &values[i], 16, MEM_ELEMENTS(multiple_ebytes(word))))
			return false;
	for (unsigned int i = 0; i < registers; i++)
		v_set(cpu, (rd(word) + i) % 32, values[i], 16);
	structure_post_index(cpu, insn, 16 * registers);
	return true;
}

static void load_whole(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	if (load_whole_step(cpu, insn))
		a64_next(cpu, insn);
}

static void store_whole(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int registers = multiples[bits(word, 15, 12)].registers;

	if (!base_valid(cpu, insn))
		return;
	for (unsigned int i = 0; i < registers; i++)
		if (!a64_write(cpu, insn, cpu->x[insn->n] + 16 * i, &cpu->z[(rd(word) + i) % 32], 16, MEM_ELEMENTS(multiple_ebytes(word))))
			return;
	structure_post_index(cpu, insn, 16 * registers);
	a64_next(cpu, insn);
}

static bool decode_structure(struct a64_decode *decode, struct a64_insn *insn)
{
	uint32_t word = insn->word;

	insn->n = base_register(decode, word);
	insn->m = (uint8_t)rm(word);
	return bit(word, 23) || rm(word) == 0;
}

static a64_fn *decode_multiple(struct a64_decode *decode, struct a64_insn *insn)
{
	uint32_t word = insn->word;
	const struct multiple *multiple = &multiples[bits(word, 15, 12)];

	if (!decode_structure(decode, insn) || bit(word, 21) || multiple->registers == 0)
		return NULL;
	if (multiple->elements > 1 && bits(word, 11, 10) == 3 && !bit(word, 30))
		return NULL;
	/* LD1 and ST1 of 128 bits: the registers as they are, where elements need not be aligned by themselves. */
	if (multiple->elements == 1 && bit(word, 30) && !(decode->mode & A64_MODE_ALIGN))
		return bit(word, 22) ? load_whole : store_whole;
	return bit(word, 22) ? load_multiple : store_multiple;
}

/* Elements of a single structure: opcode<0>:R. */
static unsigned int single_elements(uint32_t word)
{
	return (bit(word, 13) << 1 | bit(word, 21)) + 1;
}

/* Of each register one element, insn->shift; insn->size is its bytes. */
STEP bool load_lanes_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int count = single_elements(word), ebytes = insn->size;
	uint64_t values[4] = { 0 };

	if (!base_valid(cpu, insn))
		return false;
	for (unsigned int i = 0; i < count; i++)
		if (!a64_read(cpu, insn, cpu->x[insn->n] + i * ebytes, &values[i], ebytes, 0))
			return false;
	for (unsigned int i = 0; i < count; i++) {
		union v128 value = v_get(cpu, (rd(word) + i) % 32);

		element_set(&value, 8 * ebytes, insn->shift, values[i]);
		v_set(cpu, (rd(word) + i) % 32, value, 16);
	}
	structure_post_index(cpu, insn, count * ebytes);
	return true;
}

static void load_lanes(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	if (load_lanes_step(cpu, insn))
		a64_next(cpu, insn);
}

STEP bool store_lanes_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int count = single_elements(word), ebytes = insn->size;

	if (!base_valid(cpu, insn))
		return false;
	for (unsigned int i = 0; i < count; i++)
		if (!a64_write(cpu, insn, cpu->x[insn->n] + i * ebytes, &cpu->z[(rd(word) + i) % 32].b[insn->shift * ebytes], ebytes, 0))
			return false;
	structure_post_index(cpu, insn, count * ebytes);
	return true;
}

static void store_lanes(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	if (store_lanes_step(cpu, insn))
		a64_next(cpu, insn);
}

/* LD1R ... LD4R: into all elements. */
STEP bool load_replicate_step(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int count = single_elements(word), ebytes = insn->size;
	uint64_t values[4] = { 0 };

	if (!base_valid(cpu, insn))
		return false;
	for (unsigned int i = 0; i < count; i++)
		if (!a64_read(cpu, insn, cpu->x[insn->n] + i * ebytes, &values[i], ebytes, 0))
			return false;
	for (unsigned int i = 0; i < count; i++)
		v_set(cpu, (rd(word) + i) % 32, v_broadcast(8 * ebytes, values[i]), v_bytes(word));
	structure_post_index(cpu, insn, count * ebytes);
	return true;
}

static void load_replicate(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	if (load_replicate_step(cpu, insn))
		a64_next(cpu, insn);
}

static a64_fn *decode_single_structure(struct a64_decode *decode, struct a64_insn *insn)
{
	uint32_t word = insn->word;
	unsigned int scale = bits(word, 15, 14), size = bits(word, 11, 10);
	unsigned int index = bit(word, 30) << 3 | bits(word, 12, 10); /* Q:S:size, of bytes */

	if (!decode_structure(decode, insn))
		return NULL;
	if (scale == 3) {
		insn->size = (uint8_t)(1u << size);
		return bit(word, 22) && !bit(word, 12) ? load_replicate : NULL;
	}
	if (scale == 2 && size == 1) { /* doublewords */
		if (bit(word, 12))
			return NULL;
		scale = 3;
		index &= 8;
	}
	if (scale < 3 && index & ((1u << scale) - 1))
		return NULL;
	insn->size = (uint8_t)(1u << scale);
	insn->shift = (uint8_t)(index >> scale);
	return bit(word, 22) ? load_lanes : store_lanes;
}

static a64_fn *decode_allocated(struct a64_decode *decode, struct a64_insn *insn)
{
	uint32_t word = insn->word;

	switch (bits(word, 29, 27)) {
	case 1:
		if (bit(word, 31))
			return NULL;
		return bit(word, 25) ? NULL : bit(word, 24) ? decode_single_structure(decode, insn) : decode_multiple(decode, insn);
	case 3:
		return bits(word, 25, 24) == 0 ? decode_literal(decode, insn) : NULL;
	case 5:
		return bit(word, 25) ? NULL : decode_pair(decode, insn);
	case 7:
		return bit(word, 25) ? NULL : decode_single(decode, insn);
	default:
		return NULL;
	}
}

a64_fn *a64_decode_vector_memory(struct a64_decode *decode, struct a64_insn *insn)
{
	return vector_trapped(decode, decode_allocated(decode, insn));
}
