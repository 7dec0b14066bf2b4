/*
 * LOCK: read-modify-write that no other vCPU can come between. The host's atomics work on guest memory in place; what is not
 * one piece of memory excludes the other vCPUs instead (split_lock). SDM Vol. 3A, 8.1.
 */
#ifndef ANYKVM_X86_CPU_ATOMIC_H
#define ANYKVM_X86_CPU_ATOMIC_H

#include "x86/cpu/alu.h"

/* Guest addresses may be unaligned: the host's instructions take them as they are. */
TEMPLATE uint64_t host_fetch_add(uint64_t host, uint64_t value, unsigned int size)
{
	switch (size) {
	case 1: return __atomic_fetch_add((uint8_t *)host, (uint8_t)value, __ATOMIC_SEQ_CST);
	case 2: return __atomic_fetch_add((uint16_t *)host, (uint16_t)value, __ATOMIC_SEQ_CST);
	case 4: return __atomic_fetch_add((uint32_t *)host, (uint32_t)value, __ATOMIC_SEQ_CST);
	default: return __atomic_fetch_add((uint64_t *)host, value, __ATOMIC_SEQ_CST);
	}
}

TEMPLATE uint64_t host_exchange(uint64_t host, uint64_t value, unsigned int size)
{
	switch (size) {
	case 1: return __atomic_exchange_n((uint8_t *)host, (uint8_t)value, __ATOMIC_SEQ_CST);
	case 2: return __atomic_exchange_n((uint16_t *)host, (uint16_t)value, __ATOMIC_SEQ_CST);
	case 4: return __atomic_exchange_n((uint32_t *)host, (uint32_t)value, __ATOMIC_SEQ_CST);
	default: return __atomic_exchange_n((uint64_t *)host, value, __ATOMIC_SEQ_CST);
	}
}

/* What was there before: `expected` when the exchange took place. */
TEMPLATE uint64_t host_compare_exchange(uint64_t host, uint64_t expected, uint64_t value, unsigned int size)
{
	switch (size) {
	case 1: return __sync_val_compare_and_swap((uint8_t *)host, (uint8_t)expected, (uint8_t)value);
	case 2: return __sync_val_compare_and_swap((uint16_t *)host, (uint16_t)expected, (uint16_t)value);
	case 4: return __sync_val_compare_and_swap((uint32_t *)host, (uint32_t)expected, (uint32_t)value);
	default: return __sync_val_compare_and_swap((uint64_t *)host, expected, value);
	}
}

/* Memory to be changed atomically: `host` in place, or 0 when it must be read (done: `old`) and written piecemeal. */
struct locked {
	uint64_t linear, host, old;
};

TEMPLATE bool locked_begin_at(struct x86_vcpu *cpu, const struct insn *insn, uint64_t linear, unsigned int size, struct locked *locked)
{
	bool split;

	*locked = (struct locked){ .linear = linear };
	locked->host = (uint64_t)mem_atomic(cpu, insn, linear, size, &split);
	if (likely(locked->host))
		return true;
	return split && modify_begin_slow(cpu, insn, linear, &locked->old, size);
}

TEMPLATE bool locked_begin(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, struct locked *locked)
{
	return locked_begin_at(cpu, insn, insn_linear(cpu, insn, size, ACCESS_RMW), size, locked);
}

TEMPLATE bool locked_end_split(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, const struct locked *locked, uint64_t value)
{
	return mem_write_slow(cpu, insn, (enum segment)insn->seg, locked->linear, &value, size);
}

TEMPLATE bool locked_add(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, struct locked *locked, uint64_t value)
{
	if (unlikely(!locked->host))
		return locked_end_split(cpu, insn, size, locked, locked->old + value);
	locked->old = host_fetch_add(locked->host, value, size);
	return true;
}

TEMPLATE bool locked_exchange(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, struct locked *locked, uint64_t value)
{
	if (unlikely(!locked->host))
		return locked_end_split(cpu, insn, size, locked, value);
	locked->old = host_exchange(locked->host, value, size);
	return true;
}

/* Stores `value` if memory holds `expected`; writes even if not, as processors do (SDM Vol. 2A, CMPXCHG). `old` says which it was. */
TEMPLATE bool locked_compare_exchange(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, struct locked *locked,
				      uint64_t expected, uint64_t value)
{
	if (unlikely(!locked->host))
		return locked_end_split(cpu, insn, size, locked, (locked->old ^ expected) & size_mask(size) ? locked->old : value);
	locked->old = host_compare_exchange(locked->host, expected, value, size);
	return true;
}

/* One try of an update that needs the old value: begin with `seen` from memory; again until it is still there. */
TEMPLATE uint64_t locked_peek(const struct locked *locked, unsigned int size)
{
	return locked->host ? (uint64_t)host_get(locked->host, size) : locked->old;
}

#endif
