/*
 * Loads and stores of general registers (C4.1.94): one register at all kinds of addresses, pairs, literals, prefetches, unprivileged ones, and those
 * whose base is authenticated. Exclusives and ordered ones are exclusive.c's, read-modify-write atomic.c's.
 *
 * Each has a fast handler for what the translation cache knows, which calls nothing, and a slow one for all else.
 */
#include "arm64/cpu/decode.h"
#include "arm64/cpu/mem.h"
#include "arm64/cpu/pac.h"

/* What is loaded or stored: `size` and `opc` as encoded, side by side. */
enum {
	STR_1 = 0, LDR_1 = 1, LDRS_1_8 = 2, LDRS_1_4 = 3,
	STR_2 = 4, LDR_2 = 5, LDRS_2_8 = 6, LDRS_2_4 = 7,
	STR_4 = 8, LDR_4 = 9, LDRS_4_8 = 10,
	STR_8 = 12, LDR_8 = 13, PREFETCH = 14,
	OPERATIONS = 16
};
#define FOR_OPERATIONS(X, kind)                                                                                            \
	X(kind, STR_1) X(kind, LDR_1) X(kind, LDRS_1_8) X(kind, LDRS_1_4) X(kind, STR_2) X(kind, LDR_2) X(kind, LDRS_2_8)  \
	X(kind, LDRS_2_4) X(kind, STR_4) X(kind, LDR_4) X(kind, LDRS_4_8) X(kind, STR_8) X(kind, LDR_8)

/* How the address is made: `imm` added, before or after, with write-back; Rm as it is, or its lower half zero- or sign-extended, shifted. */
enum kind { OFFSET, PRE, POST, INDEX, INDEX_UXTW, INDEX_SXTW, KINDS };

TEMPLATE bool is_store(unsigned int operation)
{
	return !(operation & 3);
}

TEMPLATE uint64_t address_of(const struct arm64_vcpu *cpu, const struct a64_insn *insn, enum kind kind)
{
	uint64_t base = cpu->x[insn->n];

	switch (kind) {
	case OFFSET: case PRE: return base + insn->imm;
	case POST: return base;
	case INDEX: return base + (cpu->x[insn->m] << insn->shift);
	case INDEX_UXTW: return base + ((uint64_t)(uint32_t)cpu->x[insn->m] << insn->shift);
	default: return base + ((uint64_t)(int32_t)cpu->x[insn->m] << insn->shift);
	}
}

/* The value of a load as its register gets it. */
TEMPLATE uint64_t extend(unsigned int operation, uint64_t value)
{
	switch (operation) {
	case LDR_1: return (uint8_t)value;
	case LDRS_1_8: return (uint64_t)(int8_t)value;
	case LDRS_1_4: return (uint32_t)(int8_t)value;
	case LDR_2: return (uint16_t)value;
	case LDRS_2_8: return (uint64_t)(int16_t)value;
	case LDRS_2_4: return (uint32_t)(int16_t)value;
	case LDR_4: return (uint32_t)value;
	case LDRS_4_8: return (uint64_t)(int32_t)value;
	default: return value;
	}
}

/* Rn after the access. */
TEMPLATE void write_back(struct arm64_vcpu *cpu, const struct a64_insn *insn, enum kind kind, uint64_t address)
{
	if (kind == PRE)
		cpu->x[insn->n] = address;
	else if (kind == POST)
		cpu->x[insn->n] = address + insn->imm;
}


static __attribute__((noinline)) bool slow(struct arm64_vcpu *cpu, const struct a64_insn *insn, enum kind kind, unsigned int flags)
{
	unsigned int operation = insn->size, size = 1u << (operation >> 2);
	uint64_t address = address_of(cpu, insn, kind), value = 0;

	if (cpu->x[insn->n] & insn->a && !a64_sp_check(cpu, insn, cpu->x[insn->n]))
		return false;
	if (kind != PRE && kind != POST)
		flags |= MEM_MMIO_OK | ((operation & 3) >= 2 ? MEM_MMIO_SIGN : 0) | ((operation & 3) == 2 || size == 8 ? MEM_MMIO_WIDE : 0);
	if (is_store(operation)) {
		value = cpu->x[insn->d];
		if (!a64_write_slow(cpu, insn, address, &value, size, flags))
			return false;
	} else if (!a64_read_slow(cpu, insn, address, &value, size, flags)) {
		return false;
	}
	write_back(cpu, insn, kind, address);
	if (!is_store(operation))
		cpu->x[insn->d] = extend(operation, value);
	return true;
}

#define DEFINE_SLOW(kind) HANDLER_IF(slow_##kind, slow(cpu, insn, kind, 0))
DEFINE_SLOW(OFFSET)
DEFINE_SLOW(PRE)
DEFINE_SLOW(POST)
DEFINE_SLOW(INDEX)
DEFINE_SLOW(INDEX_UXTW)
DEFINE_SLOW(INDEX_SXTW)

HANDLER_IF(slow_unprivileged, slow(cpu, insn, OFFSET, MEM_UNPRIVILEGED))

TEMPLATE void fast(struct arm64_vcpu *cpu, const struct a64_insn *insn, enum kind kind, unsigned int operation, a64_fn *otherwise)
{
	enum tlb_access access = is_store(operation) ? TLB_WRITE : TLB_READ;
	unsigned int size = 1u << (operation >> 2);
	uint64_t address = address_of(cpu, insn, kind), host;
	const struct tlb_entry *entry = tlb_place(cpu->tlb, access, address);

	if (unlikely(tlb_difference(entry, address, size) | (cpu->x[insn->n] & insn->a))) {
		otherwise(cpu, insn);
		return;
	}
	host = address + entry->addend;
	if (is_store(operation)) {
		uint64_t value = cpu->x[insn->d];

		if (unlikely(host_meets(host, size, cpu->block_host, cpu->block_length))) {
			otherwise(cpu, insn);
			return;
		}
		*(const struct a64_insn *volatile *)&cpu->insn = insn;
		switch (size) {
		case 1: *(volatile uint8_t *)host = (uint8_t)value; break;
		case 2: *(volatile guest16 *)host = (uint16_t)value; break;
		case 4: *(volatile guest32 *)host = (uint32_t)value; break;
		default: *(volatile guest64 *)host = value; break;
		}
		write_back(cpu, insn, kind, address);
	} else {
		uint64_t value;

		*(const struct a64_insn *volatile *)&cpu->insn = insn;
		switch (size) {
		case 1: value = *(const volatile uint8_t *)host; break;
		case 2: value = *(const volatile guest16 *)host; break;
		case 4: value = *(const volatile guest32 *)host; break;
		default: value = *(const volatile guest64 *)host; break;
		}
		write_back(cpu, insn, kind, address);
		cpu->x[insn->d] = extend(operation, value);
	}
	a64_next(cpu, insn);
}

#define DEFINE_FAST(kind, operation)                                                                        \
	static void fast_##kind##_##operation(struct arm64_vcpu *cpu, const struct a64_insn *insn)          \
	{                                                                                                   \
		fast(cpu, insn, kind, operation, slow_##kind);                                              \
	}
#define FAST_ENTRY(kind, operation) [operation] = fast_##kind##_##operation,
FOR_OPERATIONS(DEFINE_FAST, OFFSET)
FOR_OPERATIONS(DEFINE_FAST, PRE)
FOR_OPERATIONS(DEFINE_FAST, POST)
FOR_OPERATIONS(DEFINE_FAST, INDEX)
FOR_OPERATIONS(DEFINE_FAST, INDEX_UXTW)
FOR_OPERATIONS(DEFINE_FAST, INDEX_SXTW)
static a64_fn *const fast_handlers[KINDS][OPERATIONS] = {
	[OFFSET] = { FOR_OPERATIONS(FAST_ENTRY, OFFSET) },         [PRE] = { FOR_OPERATIONS(FAST_ENTRY, PRE) },
	[POST] = { FOR_OPERATIONS(FAST_ENTRY, POST) },             [INDEX] = { FOR_OPERATIONS(FAST_ENTRY, INDEX) },
	[INDEX_UXTW] = { FOR_OPERATIONS(FAST_ENTRY, INDEX_UXTW) }, [INDEX_SXTW] = { FOR_OPERATIONS(FAST_ENTRY, INDEX_SXTW) },
};

/* Where accesses must be aligned (A64_MODE_ALIGN): most are. */
#define DEFINE_ALIGNED(kind)                                                                                \
	static void aligned_##kind(struct arm64_vcpu *cpu, const struct a64_insn *insn)                     \
	{                                                                                                   \
		if (address_of(cpu, insn, kind) & ((1u << (insn->size >> 2)) - 1))                          \
			slow_##kind(cpu, insn);                                                             \
		else                                                                                        \
			fast_handlers[kind][insn->size](cpu, insn);                                         \
	}
DEFINE_ALIGNED(OFFSET)
DEFINE_ALIGNED(PRE)
DEFINE_ALIGNED(POST)
DEFINE_ALIGNED(INDEX)
DEFINE_ALIGNED(INDEX_UXTW)
DEFINE_ALIGNED(INDEX_SXTW)
static a64_fn *const aligned_handlers[KINDS] = { aligned_OFFSET, aligned_PRE, aligned_POST, aligned_INDEX, aligned_INDEX_UXTW, aligned_INDEX_SXTW };

/* Nothing happens; also prefetches. */
static void nothing(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_next(cpu, insn);
}

/* Rn, and what SP as a base must be. */
static void base(const struct a64_decode *decode, struct a64_insn *insn)
{
	unsigned int number = bits(insn->word, 9, 5);

	insn->n = reg_sp(decode, number);
	insn->a = number == 31 && decode->mode & A64_MODE_SP_ALIGN ? 15 : 0;
}

static a64_fn *decode_kind(const struct a64_decode *decode, struct a64_insn *insn, enum kind kind)
{
	unsigned int operation = bits(insn->word, 31, 30) << 2 | bits(insn->word, 23, 22);

	if (operation == PREFETCH)
		return kind == PRE || kind == POST ? NULL : nothing;
	if (operation == 11 || operation == 15)
		return NULL;
	base(decode, insn);
	insn->size = (uint8_t)operation;
	insn->d = is_store(operation) ? reg_read(bits(insn->word, 4, 0)) : reg_write(bits(insn->word, 4, 0));
	return decode->mode & A64_MODE_ALIGN ? aligned_handlers[kind] : fast_handlers[kind][operation];
}

static a64_fn *decode_index(const struct a64_decode *decode, struct a64_insn *insn)
{
	insn->m = reg_read(bits(insn->word, 20, 16));
	insn->shift = bit(insn->word, 12) ? (uint8_t)bits(insn->word, 31, 30) : 0;
	switch (bits(insn->word, 15, 13)) {
	case 2: return decode_kind(decode, insn, INDEX_UXTW);
	case 3: case 7: return decode_kind(decode, insn, INDEX);
	case 6: return decode_kind(decode, insn, INDEX_SXTW);
	default: return NULL;
	}
}

/* ---- LDRAA, LDRAB: an authenticated base; `shift` is the key, `m` 1 with write-back. ---- */

static __attribute__((noinline)) bool load_authenticated_done(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t address, value = 0;

	if (cpu->x[insn->n] & insn->a && !a64_sp_check(cpu, insn, cpu->x[insn->n]))
		return false;
	address = pac_toggle(cpu, cpu->x[insn->n], 0, (enum pac_key)insn->shift) + insn->imm;
	if (!a64_read(cpu, insn, address, &value, 8, insn->m ? 0 : MEM_MMIO_OK | MEM_MMIO_WIDE))
		return false;
	if (insn->m)
		cpu->x[insn->n] = address;
	cpu->x[insn->d] = value;
	return true;
}

HANDLER_IF(load_authenticated, load_authenticated_done(cpu, insn))

static a64_fn *decode_authenticated(const struct a64_decode *decode, struct a64_insn *insn)
{
	if (bits(insn->word, 31, 30) != 3 || !(decode->mode & A64_MODE_PAC))
		return NULL;
	base(decode, insn);
	insn->d = reg_write(bits(insn->word, 4, 0));
	insn->shift = bit(insn->word, 23) ? PAC_DB : PAC_DA;
	insn->m = (uint8_t)bit(insn->word, 11);
	insn->imm = ((uint64_t)bits(insn->word, 20, 12) - ((uint64_t)bit(insn->word, 22) << 9)) << 3;
	return load_authenticated;
}

/* ---- Literals: `imm` is the address. ---- */

static __attribute__((noinline)) bool load_literal_done(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int flags = MEM_MMIO_OK | (insn->shift == LDRS_4_8 ? MEM_MMIO_SIGN : 0) | (insn->shift != LDR_4 ? MEM_MMIO_WIDE : 0);
	uint64_t value = 0;

	if (!(insn->shift == LDR_8 ? a64_read(cpu, insn, insn->imm, &value, 8, flags) : a64_read(cpu, insn, insn->imm, &value, 4, flags)))
		return false;
	cpu->x[insn->d] = extend(insn->shift, value);
	return true;
}

HANDLER_IF(load_literal, load_literal_done(cpu, insn))

static a64_fn *decode_literal(const struct a64_decode *decode, struct a64_insn *insn)
{
	static const uint8_t operations[] = { LDR_4, LDR_8, LDRS_4_8, PREFETCH };

	insn->d = reg_write(bits(insn->word, 4, 0));
	insn->imm = decode->pc + ((uint64_t)bits_signed(insn->word, 23, 5) << 2);
	insn->shift = operations[bits(insn->word, 31, 30)];
	return insn->shift == PREFETCH ? nothing : load_literal;
}

/* ---- Pairs: `m` is Rt2, `a` SP's mask. ---- */

enum { STP_4, LDP_4, LDPSW, STP_8, LDP_8, PAIRS };

TEMPLATE bool pair_stores(unsigned int pair)
{
	return pair == STP_4 || pair == STP_8;
}

TEMPLATE void pair_set(struct arm64_vcpu *cpu, const struct a64_insn *insn, unsigned int pair, uint64_t first, uint64_t second)
{
	cpu->x[insn->d] = pair == LDPSW ? (uint64_t)(int32_t)first : first;
	cpu->x[insn->m] = pair == LDPSW ? (uint64_t)(int32_t)second : second;
}

static __attribute__((noinline)) bool pair_slow(struct arm64_vcpu *cpu, const struct a64_insn *insn, enum kind kind)
{
	unsigned int pair = insn->size, size = pair >= STP_8 ? 8 : 4;
	uint64_t address = address_of(cpu, insn, kind), first = 0, second = 0;

	if (cpu->x[insn->n] & insn->a && !a64_sp_check(cpu, insn, cpu->x[insn->n]))
		return false;
	if (pair_stores(pair)) {
		first = cpu->x[insn->d];
		second = cpu->x[insn->m];
		if (!a64_write_slow(cpu, insn, address, &first, size, 0) || !a64_write_slow(cpu, insn, address + size, &second, size, 0))
			return false;
	} else if (!a64_read_slow(cpu, insn, address, &first, size, 0) || !a64_read_slow(cpu, insn, address + size, &second, size, 0)) {
		return false;
	}
	write_back(cpu, insn, kind, address);
	if (!pair_stores(pair))
		pair_set(cpu, insn, pair, first, second);
	return true;
}

#define DEFINE_PAIR_SLOW(kind) HANDLER_IF(pair_slow_##kind, pair_slow(cpu, insn, kind))
DEFINE_PAIR_SLOW(OFFSET)
DEFINE_PAIR_SLOW(PRE)
DEFINE_PAIR_SLOW(POST)

TEMPLATE void pair_fast(struct arm64_vcpu *cpu, const struct a64_insn *insn, enum kind kind, unsigned int pair, a64_fn *otherwise)
{
	enum tlb_access access = pair_stores(pair) ? TLB_WRITE : TLB_READ;
	unsigned int size = pair >= STP_8 ? 8 : 4;
	uint64_t address = address_of(cpu, insn, kind), host, first, second;
	const struct tlb_entry *entry = tlb_place(cpu->tlb, access, address);

	if (unlikely(tlb_difference(entry, address, 2 * size) | (cpu->x[insn->n] & insn->a))) {
		otherwise(cpu, insn);
		return;
	}
	host = address + entry->addend;
	if (pair_stores(pair)) {
		first = cpu->x[insn->d];
		second = cpu->x[insn->m];
		if (unlikely(host_meets(host, 2 * size, cpu->block_host, cpu->block_length))) {
			otherwise(cpu, insn);
			return;
		}
		*(const struct a64_insn *volatile *)&cpu->insn = insn;
		if (size == 8) {
			*(volatile guest64 *)host = first;
			*(volatile guest64 *)(host + 8) = second;
		} else {
			*(volatile guest32 *)host = (uint32_t)first;
			*(volatile guest32 *)(host + 4) = (uint32_t)second;
		}
		write_back(cpu, insn, kind, address);
	} else {
		*(const struct a64_insn *volatile *)&cpu->insn = insn;
		if (size == 8) {
			first = *(const volatile guest64 *)host;
			second = *(const volatile guest64 *)(host + 8);
		} else {
			first = *(const volatile guest32 *)host;
			second = *(const volatile guest32 *)(host + 4);
		}
		write_back(cpu, insn, kind, address);
		pair_set(cpu, insn, pair, first, second);
	}
	a64_next(cpu, insn);
}

#define FOR_PAIRS(X, kind) X(kind, STP_4) X(kind, LDP_4) X(kind, LDPSW) X(kind, STP_8) X(kind, LDP_8)
#define DEFINE_PAIR(kind, pair)                                                                        \
	static void pair_##kind##_##pair(struct arm64_vcpu *cpu, const struct a64_insn *insn)          \
	{                                                                                              \
		pair_fast(cpu, insn, kind, pair, pair_slow_##kind);                                    \
	}
#define PAIR_ENTRY(kind, pair) [pair] = pair_##kind##_##pair,
FOR_PAIRS(DEFINE_PAIR, OFFSET)
FOR_PAIRS(DEFINE_PAIR, PRE)
FOR_PAIRS(DEFINE_PAIR, POST)
static a64_fn *const pair_handlers[3][PAIRS] = {
	[OFFSET] = { FOR_PAIRS(PAIR_ENTRY, OFFSET) }, [PRE] = { FOR_PAIRS(PAIR_ENTRY, PRE) }, [POST] = { FOR_PAIRS(PAIR_ENTRY, POST) },
};
#define DEFINE_PAIR_ALIGNED(kind)                                                                      \
	static void pair_aligned_##kind(struct arm64_vcpu *cpu, const struct a64_insn *insn)           \
	{                                                                                              \
		if (address_of(cpu, insn, kind) & (insn->size >= STP_8 ? 7 : 3))                       \
			pair_slow_##kind(cpu, insn);                                                   \
		else                                                                                   \
			pair_handlers[kind][insn->size](cpu, insn);                                    \
	}
DEFINE_PAIR_ALIGNED(OFFSET)
DEFINE_PAIR_ALIGNED(PRE)
DEFINE_PAIR_ALIGNED(POST)
static a64_fn *const pair_aligned_handlers[3] = { pair_aligned_OFFSET, pair_aligned_PRE, pair_aligned_POST };

static a64_fn *decode_pair(const struct a64_decode *decode, struct a64_insn *insn)
{
	static const enum kind kinds[] = { OFFSET, POST, OFFSET, PRE };
	static const uint8_t pairs[3][2] = { { STP_4, LDP_4 }, { PAIRS, LDPSW }, { STP_8, LDP_8 } };
	unsigned int opc = bits(insn->word, 31, 30), load = bit(insn->word, 22);
	enum kind kind = kinds[bits(insn->word, 24, 23)];

	if (opc == 3 || pairs[opc][load] == PAIRS || (opc == 1 && bits(insn->word, 24, 23) == 0))
		return NULL;
	base(decode, insn);
	insn->size = pairs[opc][load];
	insn->d = load ? reg_write(bits(insn->word, 4, 0)) : reg_read(bits(insn->word, 4, 0));
	insn->m = load ? reg_write(bits(insn->word, 14, 10)) : reg_read(bits(insn->word, 14, 10));
	insn->imm = (uint64_t)bits_signed(insn->word, 21, 15) << (insn->size >= STP_8 ? 3 : 2);
	return decode->mode & A64_MODE_ALIGN ? pair_aligned_handlers[kind] : pair_handlers[kind][insn->size];
}

/* ---- Which of them. ---- */

static a64_fn *decode_single(struct a64_decode *decode, struct a64_insn *insn)
{
	if (bit(insn->word, 24)) {
		insn->imm = (uint64_t)bits(insn->word, 21, 10) << bits(insn->word, 31, 30);
		return decode_kind(decode, insn, OFFSET);
	}
	if (bit(insn->word, 21)) {
		switch (bits(insn->word, 11, 10)) {
		case 0: return decode_atomic(decode, insn);
		case 2: return decode_index(decode, insn);
		default: return decode_authenticated(decode, insn);
		}
	}
	insn->imm = (uint64_t)bits_signed(insn->word, 20, 12);
	switch (bits(insn->word, 11, 10)) {
	case 0: return decode_kind(decode, insn, OFFSET);
	case 1: return decode_kind(decode, insn, POST);
	case 2: {
		a64_fn *handler = decode_kind(decode, insn, OFFSET);

		return !handler || handler == nothing ? NULL : slow_unprivileged;
	}
	default: return decode_kind(decode, insn, PRE);
	}
}

a64_fn *a64_decode_memory(struct a64_decode *decode, struct a64_insn *insn)
{
	switch (bits(insn->word, 29, 28)) {
	case 0:
		return bit(insn->word, 24) ? NULL : decode_exclusive(decode, insn);
	case 1:
		return bit(insn->word, 24) ? decode_exclusive(decode, insn) : decode_literal(decode, insn);
	case 2:
		return decode_pair(decode, insn);
	default:
		return decode_single(decode, insn);
	}
}
