/*
 * Load and store exclusive, load-acquire and store-release, compare and swap (C4.1.94). The monitor remembers what LDXR read; STXR compares
 * and exchanges it in the host's memory: like any compare-and-swap it does not notice a value that changed and changed back.
 *
 * Guests' orders are the host's: seq_cst for acquire and release, which A64 has as strong (RCsc).
 */
#include "arm64/cpu/decode.h"
#include "arm64/cpu/mem.h"

static void fence(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

/* Where SP is the base and must be aligned. */
static bool base_ok(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	return bits(insn->word, 9, 5) != 31 || !(cpu->mode & A64_MODE_SP_ALIGN) || !(cpu->x[insn->n] & 15) ||
	       a64_sp_check(cpu, insn, cpu->x[insn->n]);
}

/* A read of 1, 2, 4 or 8 bytes that must be aligned. */
static bool read_aligned(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, uint64_t *value, unsigned int size, unsigned int flags)
{
	*value = 0;
	if (address & (size - 1))
		return a64_read_slow(cpu, insn, address, value, size, flags | MEM_ALIGNED);
	switch (size) {
	case 1: return a64_read(cpu, insn, address, value, 1, flags);
	case 2: return a64_read(cpu, insn, address, value, 2, flags);
	case 4: return a64_read(cpu, insn, address, value, 4, flags);
	default: return a64_read(cpu, insn, address, value, 8, flags);
	}
}

static bool write_aligned(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, uint64_t value, unsigned int size, unsigned int flags)
{
	if (address & (size - 1))
		return a64_write_slow(cpu, insn, address, &value, size, flags | MEM_ALIGNED);
	switch (size) {
	case 1: return a64_write(cpu, insn, address, &value, 1, flags);
	case 2: return a64_write(cpu, insn, address, &value, 2, flags);
	case 4: return a64_write(cpu, insn, address, &value, 4, flags);
	default: return a64_write(cpu, insn, address, &value, 8, flags);
	}
}

/* ---- LDXR, LDXP. `size` is an element's, in bytes; `shift` 1: acquire or release. ---- */

static __attribute__((noinline)) bool ldxr_done(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t address = cpu->x[insn->n], value;

	if (!base_ok(cpu, insn) || !read_aligned(cpu, insn, address, &value, insn->size, 0))
		return false;
	fence();
	cpu->monitor.open = true;
	cpu->monitor.size = insn->size;
	cpu->monitor.address = address;
	cpu->monitor.value[0] = value;
	cpu->x[insn->d] = value;
	return true;
}

HANDLER_IF(ldxr, ldxr_done(cpu, insn))

/* Two pieces: it is single-copy atomic only if the STXP that follows succeeds, and that compares both. */
static __attribute__((noinline)) bool ldxp_done(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t address = cpu->x[insn->n], first = 0, second;
	unsigned int size = insn->size;

	if (!base_ok(cpu, insn))
		return false;
	if (address & (2 * size - 1)) {
		uint64_t both[2];

		a64_read_slow(cpu, insn, address, both, 2 * size, MEM_ALIGNED);
		return false;
	}
	if (size == 4) { /* one atomic read */
		if (!read_aligned(cpu, insn, address, &first, 8, 0))
			return false;
		second = first >> 32;
		first = (uint32_t)first;
	} else if (!read_aligned(cpu, insn, address, &first, 8, 0) || !read_aligned(cpu, insn, address + 8, &second, 8, 0)) {
		return false;
	}
	fence();
	cpu->monitor.open = true;
	cpu->monitor.size = (uint8_t)(2 * size);
	cpu->monitor.address = address;
	cpu->monitor.value[0] = size == 4 ? first | second << 32 : first;
	cpu->monitor.value[1] = second;
	cpu->x[insn->d] = first;
	cpu->x[insn->a] = second;
	return true;
}

HANDLER_IF(ldxp, ldxp_done(cpu, insn))

/* ---- Compare and exchange in host memory; what was there comes back in `expected`. ---- */

static bool exchange(void *host, unsigned int size, uint64_t *expected, uint64_t desired)
{
	bool done;

	switch (size) {
	case 1: {
		uint8_t old = (uint8_t)*expected;

		done = __atomic_compare_exchange_n((uint8_t *)host, &old, (uint8_t)desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		*expected = old;
		return done;
	}
	case 2: {
		uint16_t old = (uint16_t)*expected;

		done = __atomic_compare_exchange_n((uint16_t *)host, &old, (uint16_t)desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		*expected = old;
		return done;
	}
	case 4: {
		uint32_t old = (uint32_t)*expected;

		done = __atomic_compare_exchange_n((uint32_t *)host, &old, (uint32_t)desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		*expected = old;
		return done;
	}
	default:
		return __atomic_compare_exchange_n((uint64_t *)host, expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	}
}

static bool exchange_pair(void *host, uint64_t expected[2], const uint64_t desired[2])
{
	unsigned __int128 old = (unsigned __int128)expected[1] << 64 | expected[0], new = (unsigned __int128)desired[1] << 64 | desired[0];
	unsigned __int128 was = __sync_val_compare_and_swap((unsigned __int128 *)host, old, new);

	expected[0] = (uint64_t)was;
	expected[1] = (uint64_t)(was >> 64);
	return was == old;
}

/* ---- STXR, STXP: `m` is Rs, which gets 0 or 1. ---- */

static bool monitored(const struct arm64_vcpu *cpu, uint64_t address, unsigned int size)
{
	return cpu->monitor.open && cpu->monitor.address == address && cpu->monitor.size == size;
}

static __attribute__((noinline)) bool stxr_done(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	bool pair = bit(insn->word, 21);
	unsigned int size = pair ? 2u * insn->size : insn->size;
	uint64_t address = cpu->x[insn->n], desired[2] = { cpu->x[insn->d], pair ? cpu->x[insn->a] : 0 }, expected[2];
	uint64_t failed = 1;

	if (!base_ok(cpu, insn))
		return false;
	if (monitored(cpu, address, size)) {
		void *host = a64_atomic(cpu, insn, address, size, false);

		if (!host)
			return false;
		memcpy(expected, cpu->monitor.value, sizeof expected);
		if (size == 16)
			failed = !exchange_pair(host, expected, desired);
		else if (pair)
			failed = !exchange(host, 8, expected, (uint32_t)desired[0] | desired[1] << 32);
		else
			failed = !exchange(host, size, expected, desired[0]);
	}
	cpu->monitor.open = false;
	cpu->x[insn->m] = failed;
	return true;
}

HANDLER_IF(stxr, stxr_done(cpu, insn))

/* ---- CAS, CASP: `m` is Rs: what is compared, and where the old value goes; `d` Rt. ---- */

static __attribute__((noinline)) bool cas_done(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t address = cpu->x[insn->n], expected, mask = insn->size == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * insn->size)) - 1;
	void *host;

	if (!base_ok(cpu, insn))
		return false;
	host = a64_atomic(cpu, insn, address, insn->size, true);
	if (!host)
		return false;
	expected = cpu->x[insn->m] & mask;
	exchange(host, insn->size, &expected, cpu->x[insn->d]);
	cpu->x[reg_write(insn->m)] = expected & mask;
	return true;
}

HANDLER_IF(cas, cas_done(cpu, insn))

static __attribute__((noinline)) bool casp_done(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t address = cpu->x[insn->n], expected[2], desired[2];
	unsigned int second_s = insn->m + 1u, second_t = insn->d + 1u; /* 31: XZR */
	void *host;

	if (!base_ok(cpu, insn))
		return false;
	host = a64_atomic(cpu, insn, address, 2u * insn->size, true);
	if (!host)
		return false;
	expected[0] = cpu->x[insn->m];
	expected[1] = cpu->x[second_s];
	desired[0] = cpu->x[insn->d];
	desired[1] = cpu->x[second_t];
	if (insn->size == 8) {
		exchange_pair(host, expected, desired);
	} else {
		expected[0] = (uint32_t)expected[0] | expected[1] << 32;
		exchange(host, 8, expected, (uint32_t)desired[0] | desired[1] << 32);
		expected[1] = expected[0] >> 32;
		expected[0] = (uint32_t)expected[0];
	}
	cpu->x[insn->m] = expected[0];
	cpu->x[reg_write(second_s)] = expected[1];
	return true;
}

HANDLER_IF(casp, casp_done(cpu, insn))

/* ---- LDAR, STLR and LDAPUR, STLUR: `imm` is added; `shift` has MEM_MMIO_SIGN and _WIDE. ---- */

static __attribute__((noinline)) bool load_acquire_done(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int top = 64 - 8u * insn->size;
	uint64_t value;

	if (!base_ok(cpu, insn) || !read_aligned(cpu, insn, cpu->x[insn->n] + insn->imm, &value, insn->size, MEM_MMIO_OK | insn->shift))
		return false;
	fence();
	if (insn->shift & MEM_MMIO_SIGN) {
		value = (uint64_t)((int64_t)(value << top) >> top);
		if (!(insn->shift & MEM_MMIO_WIDE))
			value = (uint32_t)value;
	}
	cpu->x[insn->d] = value;
	return true;
}

HANDLER_IF(load_acquire, load_acquire_done(cpu, insn))

static __attribute__((noinline)) bool store_release_done(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	fence();
	if (!base_ok(cpu, insn) || !write_aligned(cpu, insn, cpu->x[insn->n] + insn->imm, cpu->x[insn->d], insn->size, MEM_MMIO_OK))
		return false;
	fence();
	return true;
}

HANDLER_IF(store_release, store_release_done(cpu, insn))

/* LDAPUR, STLUR (FEAT_LRCPC2). */
static a64_fn *decode_unscaled(const struct a64_decode *decode, struct a64_insn *insn)
{
	unsigned int size = bits(insn->word, 31, 30), opc = bits(insn->word, 23, 22);

	if (bit(insn->word, 21) || bits(insn->word, 11, 10) || (opc >= 2 && size == 3) || (opc == 3 && size == 2))
		return NULL;
	insn->size = (uint8_t)(1u << size);
	insn->n = reg_sp(decode, bits(insn->word, 9, 5));
	insn->imm = (uint64_t)bits_signed(insn->word, 20, 12);
	if (opc == 0) {
		insn->d = reg_read(bits(insn->word, 4, 0));
		return store_release;
	}
	insn->d = reg_write(bits(insn->word, 4, 0));
	insn->shift = (opc >= 2 ? MEM_MMIO_SIGN : 0) | (opc == 2 || size == 3 ? MEM_MMIO_WIDE : 0);
	return load_acquire;
}

static a64_fn *decode_compare_swap(struct a64_insn *insn, bool pair)
{
	unsigned int rs = bits(insn->word, 20, 16), rt = bits(insn->word, 4, 0);

	if (bits(insn->word, 14, 10) != 31 || (pair && (rs & 1 || rt & 1)))
		return NULL;
	insn->m = reg_read(rs);
	insn->d = reg_read(rt);
	if (pair)
		insn->size = bit(insn->word, 30) ? 8 : 4;
	return pair ? casp : cas;
}

a64_fn *decode_exclusive(struct a64_decode *decode, struct a64_insn *insn)
{
	unsigned int load = bit(insn->word, 22), pair = bit(insn->word, 21);

	if (bit(insn->word, 28))
		return decode_unscaled(decode, insn);
	insn->size = (uint8_t)(1u << bits(insn->word, 31, 30));
	insn->n = reg_sp(decode, bits(insn->word, 9, 5));
	if (bit(insn->word, 23)) {
		if (pair)
			return decode_compare_swap(insn, false);
		insn->shift = insn->size == 8 ? MEM_MMIO_WIDE : 0;
		insn->d = load ? reg_write(bits(insn->word, 4, 0)) : reg_read(bits(insn->word, 4, 0));
		return load ? load_acquire : store_release;
	}
	if (pair && !bit(insn->word, 31))
		return decode_compare_swap(insn, true);
	if (!load) {
		insn->d = reg_read(bits(insn->word, 4, 0));
		insn->a = reg_read(bits(insn->word, 14, 10));
		insn->m = reg_write(bits(insn->word, 20, 16));
		return stxr;
	}
	insn->d = reg_write(bits(insn->word, 4, 0));
	insn->a = reg_write(bits(insn->word, 14, 10));
	return pair ? ldxp : ldxr;
}
