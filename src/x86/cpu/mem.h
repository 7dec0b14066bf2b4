/*
 * Guest memory as instructions see it: linear addresses, in place in the program's own memory. A hit in the translation
 * cache costs a compare; all else (misses, page crossings, holes, MMIO, watchpoints, faults) is in mmu.c.
 *
 * Every accessor returns false when the instruction must not go on: the exception, exit or retry has been recorded, and the
 * handler just returns. An instruction must therefore do all its memory accesses before it changes any register or flag
 * (or the writes last): it may be started again from its beginning.
 */
#ifndef ANYKVM_X86_CPU_MEM_H
#define ANYKVM_X86_CPU_MEM_H

#include "core/host_memory.h"
#include "x86/cpu/insn.h"

/*
 * Linear addresses that no mode can produce, so that no translation ever matches: what an address computation answers when a
 * segment's limit or rights forbid the access. The slow path turns them into #GP(0) and #SS(0).
 */
#define LINEAR_BAD_GP UINT64_C(0x8000000000000000)
#define LINEAR_BAD_SS UINT64_C(0x8100000000000000)

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_RMW };

/* ---- Addresses. ---- */

/* Offset to linear address: segment base, limit and rights (legacy and compatibility modes), as SDM Vol. 3A, 5.3 has them. */
uint64_t segment_linear(struct x86_vcpu *cpu, enum segment seg, uint64_t offset, unsigned int size, enum access access);

/* The operand's address in its general form: truncated to the address size, then segment_linear(). */
uint64_t address_complex(struct x86_vcpu *cpu, const struct insn *insn, uint64_t offset, unsigned int size, enum access access);

/* Effective address of the memory operand, not truncated (LEA truncates by operand and address size). */
static inline uint64_t insn_effective(const struct x86_vcpu *cpu, const struct insn *insn)
{
	return cpu->gpr[insn->base] + (cpu->gpr[insn->index] << insn->scale) + (uint64_t)insn->disp;
}

/* Linear address of the memory operand. */
static inline __attribute__((always_inline)) uint64_t insn_linear(struct x86_vcpu *cpu, const struct insn *insn,
								   unsigned int size, enum access access)
{
	uint64_t address = insn_effective(cpu, insn);

	if (likely(!(insn->flags & INSN_ADDRESS_COMPLEX)))
		return address;
	return address_complex(cpu, insn, address, size, access);
}

/* Whether the memory operand is so aligned, be its address allowed or not. */
static inline bool insn_aligned(const struct x86_vcpu *cpu, const struct insn *insn, unsigned int alignment)
{
	bool based = (cpu->mode & MODE_CODE_MASK) != MODE_CODE64 || insn->seg >= FS;

	return !((insn_effective(cpu, insn) + (based ? cpu->seg[insn->seg].base : 0)) & (alignment - 1));
}

/* ---- The slow paths (mmu.c). `seg` only chooses between #GP and #SS. Any size up to 4096. ---- */
bool mem_read_slow(struct x86_vcpu *cpu, const struct insn *insn, enum segment seg, uint64_t linear, void *to, unsigned int size);
bool mem_write_slow(struct x86_vcpu *cpu, const struct insn *insn, enum segment seg, uint64_t linear, const void *from, unsigned int size);

/* Checks that a write (or read) of the range would not fault, without doing it: for instructions with several stores. */
bool mem_probe(struct x86_vcpu *cpu, const struct insn *insn, enum segment seg, uint64_t linear, unsigned int size, enum access access);

/* Checks the addresses alone, which comes before paging: canonical (allowed by the segment), aligned where alignment is checked (#AC). */
bool mem_address_check(struct x86_vcpu *cpu, const struct insn *insn, enum segment seg, uint64_t linear, unsigned int size, unsigned int alignment);

/* Implicit supervisor accesses: descriptor tables, TSS, the stack of an exception. cpu->rip is exact already. */
bool mem_read_system(struct x86_vcpu *cpu, uint64_t linear, void *to, unsigned int size);
bool mem_write_system(struct x86_vcpu *cpu, uint64_t linear, const void *from, unsigned int size);

/* The same at a given privilege: the stacks of far transfers and exceptions. */
bool mem_read_privilege(struct x86_vcpu *cpu, uint64_t linear, void *to, unsigned int size, bool user);
bool mem_write_privilege(struct x86_vcpu *cpu, uint64_t linear, const void *from, unsigned int size, bool user);

/* Fetches code: execute permission, current privilege. Reads as far as `size`; returns how many bytes could be had before a
 * fault (the fault is raised only when the result is 0 or `needed` says that more are wanted). */
unsigned int mem_fetch(struct x86_vcpu *cpu, uint64_t linear, uint8_t *to, unsigned int size, unsigned int needed);

/* Makes the fetch translation of a page. False: a fault was raised. A page outside memory slots gets none. */
bool mem_fetch_fill(struct x86_vcpu *cpu, uint64_t linear);

/* Page walk without side effects, at the current privilege (KVM_TRANSLATE): false when not mapped. */
bool mmu_translate_nofault(struct x86_vcpu *cpu, uint64_t linear, uint64_t *gpa);

/*
 * Host memory for an atomic read-modify-write of `size` bytes (LOCK), all permissions checked and dirty bits set. NULL when
 * the instruction must not go on. When it cannot be had as one piece (page crossing, MMIO), `*split` is set and NULL returned
 * with nothing recorded: the caller reads and writes with mem_read and mem_write, which in careful mode exclude each other.
 */
void *mem_atomic(struct x86_vcpu *cpu, const struct insn *insn, uint64_t linear, unsigned int size, bool *split);

/* ---- The fast paths. ---- */

typedef struct { uint64_t half[2]; } __attribute__((may_alias, packed)) guest128;

/* Reads `size` bytes (a constant). The host address may fault: cpu->insn then tells which instruction it was. */
static inline __attribute__((always_inline)) bool mem_read_seg(struct x86_vcpu *cpu, const struct insn *insn, enum segment seg,
							       uint64_t linear, void *to, unsigned int size)
{
	const struct tlb_entry *entry = tlb_lookup(cpu->tlb, TLB_READ, linear, size);

	if (unlikely(!entry))
		return mem_read_slow(cpu, insn, seg, linear, to, size);
	*(const struct insn *volatile *)&cpu->insn = insn;
	host_load(to, linear + entry->addend, size);
	return true;
}

static inline __attribute__((always_inline)) bool mem_write_seg(struct x86_vcpu *cpu, const struct insn *insn, enum segment seg,
								uint64_t linear, const void *from, unsigned int size)
{
	const struct tlb_entry *entry = tlb_lookup(cpu->tlb, TLB_WRITE, linear, size);
	uint64_t host;

	if (unlikely(!entry))
		return mem_write_slow(cpu, insn, seg, linear, from, size);
	host = linear + entry->addend;
	/* A store into the block that is running: the instructions behind it may be stale. */
	if (unlikely(host_meets(host, size, cpu->block_host, cpu->block_length))) {
		insn_careful(cpu, insn);
		return false;
	}
	*(const struct insn *volatile *)&cpu->insn = insn;
	host_store(host, from, size);
	return true;
}

/* The memory operand's own segment. */
static inline __attribute__((always_inline)) bool mem_read(struct x86_vcpu *cpu, const struct insn *insn, uint64_t linear,
							   void *to, unsigned int size)
{
	return mem_read_seg(cpu, insn, (enum segment)insn->seg, linear, to, size);
}

static inline __attribute__((always_inline)) bool mem_write(struct x86_vcpu *cpu, const struct insn *insn, uint64_t linear,
							    const void *from, unsigned int size)
{
	return mem_write_seg(cpu, insn, (enum segment)insn->seg, linear, from, size);
}

/* ---- The stack: SS:RSP with the stack's width. They do not change RSP: the handler does, last. ---- */

static inline uint64_t stack_mask(const struct x86_vcpu *cpu)
{
	if ((cpu->mode & MODE_CODE_MASK) == MODE_CODE64)
		return UINT64_MAX;
	return cpu->mode & MODE_STACK32 ? UINT32_MAX : UINT16_MAX;
}

/* RSP moved by `delta`, as the stack's width has it (upper bits kept). */
static inline uint64_t stack_pointer(const struct x86_vcpu *cpu, int64_t delta)
{
	uint64_t mask = stack_mask(cpu), rsp = cpu->gpr[RSP];

	return ((rsp + (uint64_t)delta) & mask) | (mask == UINT32_MAX ? 0 : rsp & ~mask);
}

static inline bool stack_access_flat(const struct x86_vcpu *cpu)
{
	return (cpu->mode & MODE_CODE_MASK) == MODE_CODE64;
}

/* Linear address of stack offset `offset` (a value of stack_pointer()). */
static inline uint64_t stack_linear(struct x86_vcpu *cpu, uint64_t offset, unsigned int size, enum access access)
{
	if (likely(stack_access_flat(cpu)))
		return offset;
	return segment_linear(cpu, SS, offset & stack_mask(cpu), size, access);
}

#endif
