/*
 * Guest memory as instructions see it: virtual addresses, in place in the program's own memory. A hit in the translation cache costs a
 * compare; all else (misses, page crossings, holes, MMIO, watchpoints, alignment, faults) is in mmu.c.
 *
 * Every accessor returns false when the instruction must not go on: the exception or retry has been recorded, and the handler just
 * returns. An instruction must therefore do all its memory accesses before it changes any register (or the writes last): it may be
 * started again from its beginning.
 *
 * What is in no memory slot can be accessed by loads and stores of one general register without write-back alone (MEM_MMIO_OK): to KVM those are the
 * ones whose syndrome is valid (ISV). For all others KVM_RUN fails, or ends with KVM_EXIT_ARM_NISV (api.rst, KVM_CAP_ARM_NISV_TO_USER).
 */
#ifndef ANYKVM_ARM64_CPU_MEM_H
#define ANYKVM_ARM64_CPU_MEM_H

#include "arm64/cpu/insn.h"
#include "core/host_memory.h"

/* Kinds of access beside reading and writing: flags of the slow paths. */
enum {
	MEM_UNPRIVILEGED = 1 << 0, /* LDTR, STTR: as EL0 */
	MEM_ALIGNED = 1 << 1,      /* must be aligned to its size whatever SCTLR_EL1.A says: exclusives, acquire and release */
	MEM_MMIO_OK = 1 << 2,      /* the instruction has a valid syndrome: insn->d is the register, and as follows */
	MEM_MMIO_SIGN = 1 << 3,    /* what is loaded is sign-extended */
	MEM_MMIO_WIDE = 1 << 4,    /* into 64 bits */
	MEM_CACHE = 1 << 5,        /* DC of one kind or another: told by ESR_EL1.CM */
	MEM_CLEAR = 1 << 6,        /* DC ZVA */
};
/* Several elements at once: they are what must be aligned, where anything must. */
#define MEM_ELEMENTS(bytes) ((unsigned int)(bytes) << 8)

/* The slow paths (mmu.c). Any size up to 256. */
bool a64_read_slow(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, void *to, unsigned int size, unsigned int flags);
bool a64_write_slow(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, const void *from, unsigned int size, unsigned int flags);

/*
 * Host memory for an atomic access that writes (STXR) or `reads` and writes (LSE atomics, CAS), all permissions checked: NULL when the instruction must
 * not go on. Always aligned: a misaligned one is an alignment fault.
 */
void *a64_atomic(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, unsigned int size, bool reads);

/* DC and IC by address: false when the translation faults. */
bool a64_cache_check(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, enum tlb_access access);

/* SP as a base when it must be aligned (A64_MODE_SP_ALIGN): false when it is not, and the exception has been recorded. */
bool a64_sp_check(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t sp);

/* Whether a read of that one byte could be done without a fault: for SVE's first-fault and non-fault loads. Records nothing. */
bool a64_readable(struct arm64_vcpu *cpu, uint64_t address);

/* A64_MODE_ALIGN: every access must be aligned to its size; the slow paths check it. */
static inline __attribute__((always_inline)) bool a64_read(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, void *to,
							   unsigned int size, unsigned int flags)
{
	const struct tlb_entry *entry = tlb_lookup(cpu->tlb, TLB_READ, address, size);

	if (unlikely(!entry || flags & (MEM_UNPRIVILEGED | MEM_ALIGNED) || (cpu->mode & A64_MODE_ALIGN && address & (size - 1))))
		return a64_read_slow(cpu, insn, address, to, size, flags);
	*(const struct a64_insn *volatile *)&cpu->insn = insn;
	host_load(to, address + entry->addend, size);
	return true;
}

static inline __attribute__((always_inline)) bool a64_write(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, const void *from,
							    unsigned int size, unsigned int flags)
{
	const struct tlb_entry *entry = tlb_lookup(cpu->tlb, TLB_WRITE, address, size);
	uint64_t host;

	if (unlikely(!entry || flags & (MEM_UNPRIVILEGED | MEM_ALIGNED) || (cpu->mode & A64_MODE_ALIGN && address & (size - 1))))
		return a64_write_slow(cpu, insn, address, from, size, flags);
	host = address + entry->addend;
	/* A store into the block that is running: the instructions behind it may be stale. */
	if (unlikely(host_meets(host, size, cpu->block_host, cpu->block_length))) {
		a64_careful(cpu, insn);
		return false;
	}
	*(const struct a64_insn *volatile *)&cpu->insn = insn;
	host_store(host, from, size);
	return true;
}

#endif
