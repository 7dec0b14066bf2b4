/*
 * Blocks: runs of decoded instructions, cached by linear address, mode and host address of their bytes. A block is run only
 * after its bytes have been compared with memory, so code may be changed by anyone at any time without telling us.
 */
#include <errno.h>
#include <sys/mman.h>

#include "core/why.h"
#include "x86/cpu/block.h"
#include "x86/cpu/decode.h"
#include "x86/cpu/exec.h"
#include "x86/cpu/fpu.h"
#include "x86/cpu/native.h"

#define BLOCK_INSNS 48        /* at most: also bounds the stack where the compiler does not make tail calls */
#define BLOCK_BYTES 240
#define BUCKETS 4096
#define RECENT 1024
#define ARENA_SIZE (UINT64_C(16) << 20)

struct block_cache {
	struct block *bucket[BUCKETS];
	struct block *recent[RECENT]; /* by linear address: no more than a hint */
	uint64_t used;
	uint8_t *arena;
	struct insn scratch[BLOCK_INSNS + 2]; /* a block being decoded; one instruction alone */
};

void block_go(struct x86_vcpu *cpu, const uint64_t *link, uint64_t rip)
{
	const struct block *block = (const struct block *)*link;
	const struct tlb_entry *entry;

	cpu->rip = rip;
	if (unlikely(!block || --cpu->blocks_in_a_row < 0))
		goto loop;
	if (unlikely((rip ^ cpu->block_rip) >> PAGE_SHIFT)) {
		entry = tlb_lookup(cpu->tlb, TLB_FETCH, rip, 1);
		if (unlikely(!entry || block->host != rip + entry->addend))
			goto loop;
	}
	cpu->insn = NULL; /* a host fault from here on concerns the fetch */
	if (unlikely(!block_current(block)))
		goto loop;
	block_run(cpu, block);
	return;
loop:
	cpu->block_link = (uint64_t *)link;
}

/* ---- Leaving handlers. ---- */

static uint64_t code_mask(const struct x86_vcpu *cpu)
{
	switch (cpu->mode & MODE_CODE_MASK) {
	case MODE_CODE16:
		/* A 16-bit segment may be larger than 64 KiB in protected mode; IP wraps only where a jump says so. */
		return UINT32_MAX;
	case MODE_CODE32:
		return UINT32_MAX;
	default:
		return UINT64_MAX;
	}
}

/* cpu->rip is that of the block's first byte until the block is left. */
uint64_t insn_rip(const struct x86_vcpu *cpu, const struct insn *insn)
{
	return (cpu->block_rip + insn->offset) & code_mask(cpu);
}

uint64_t insn_end(const struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t end = cpu->block_rip + insn->offset + insn->length;

	return end & ((cpu->mode & (MODE_REAL | MODE_VM86)) ? UINT16_MAX : code_mask(cpu));
}

void insn_fault_code(struct x86_vcpu *cpu, const struct insn *insn, enum vector vector, uint32_t error_code)
{
	insn_sync(cpu, insn);
	exception_raise(cpu, vector, true, error_code);
}

void insn_fault(struct x86_vcpu *cpu, const struct insn *insn, enum vector vector)
{
	insn_sync(cpu, insn);
	exception_raise(cpu, vector, false, 0);
}

void insn_careful(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_sync(cpu, insn);
	cpu->stop = STOP_CAREFUL;
}

void insn_done(struct x86_vcpu *cpu, const struct insn *insn, enum cpu_stop stop)
{
	cpu->rip = insn_end(cpu, insn);
	if (stop != STOP_NONE)
		cpu->stop = stop;
}

/* The closing record of a block that does not end in a branch. */
static void block_end(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t rip = insn_rip(cpu, insn);

	if ((cpu->mode & MODE_CODE_MASK) == MODE_CODE64)
		block_go(cpu, &insn->imm, rip);
	else
		cpu->rip = rip;
}

/* ---- The cache. ---- */

static uint64_t round_up(uint64_t size, uint64_t to)
{
	return (size + to - 1) & ~(to - 1);
}

int cpu_prepare(struct x86_vcpu *cpu)
{
	void *memory;

	if (cpu->blocks)
		return 0;
	if (!fpu_host_supported())
		return why(-EOPNOTSUPP, "this processor has no SSE4.2 (x86-64-v2), which guests' vectors are computed with");
	/* Pages are taken as they are first touched. */
	memory = mmap(NULL, sizeof(struct block_cache) + ARENA_SIZE + 64, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	cpu->blocks = memory;
	cpu->blocks->arena = (uint8_t *)round_up((uint64_t)(cpu->blocks + 1), 64);
	native_prepare(cpu);
	return 0;
}

void cpu_discard(struct x86_vcpu *cpu)
{
	native_discard(cpu);
	if (cpu->blocks)
		munmap(cpu->blocks, sizeof(struct block_cache) + ARENA_SIZE + 64);
	cpu->blocks = NULL;
}

static void cache_clear(struct x86_vcpu *cpu)
{
	struct block_cache *cache = cpu->blocks;

	cpu->block_link = NULL;
	memset(cache->bucket, 0, sizeof cache->bucket);
	memset(cache->recent, 0, sizeof cache->recent);
	cache->used = 0;
	native_clear(cpu);
}

void *block_allocate(struct x86_vcpu *cpu, uint64_t size)
{
	struct block_cache *cache = cpu->blocks;
	void *room = cache->arena + cache->used;

	size = round_up(size, 64);
	if (size > ARENA_SIZE - cache->used)
		return NULL;
	cache->used += size;
	return room;
}

struct block *const *block_hints(struct x86_vcpu *cpu, unsigned int *count)
{
	*count = RECENT;
	return cpu->blocks->recent;
}

static struct block **cache_bucket(struct block_cache *cache, uint64_t linear, uint32_t mode)
{
	return &cache->bucket[(linear ^ linear >> 12 ^ mode) % BUCKETS];
}

/* Decodes instructions from `bytes` (`available` of them, all in one page) until something ends the block. */
static unsigned int block_decode(struct x86_vcpu *cpu, const uint8_t *bytes, unsigned int available, struct insn *insns,
				 unsigned int *length)
{
	unsigned int count = 0, at = 0;

	while (count < BLOCK_INSNS && at < available) {
		struct insn *insn = &insns[count];

		insn->offset = (uint16_t)at;
		if (!decode_insn(cpu, (cpu->rip + at) & code_mask(cpu), bytes + at, available - at, insn))
			break;
		at += insn->length;
		count++;
		if (insn->flags & INSN_ENDS_BLOCK)
			break;
	}
	*length = at;
	return count;
}

/* Makes the block at `linear`; NULL when its first instruction crosses into the next page. */
static struct block *block_make(struct x86_vcpu *cpu, uint64_t linear, uint64_t host)
{
	struct block_cache *cache = cpu->blocks;
	uint64_t room = PAGE_SIZE - linear % PAGE_SIZE, head, size;
	unsigned int available = room < BLOCK_BYTES ? (unsigned int)room : BLOCK_BYTES, length, count;
	struct insn *insns = cache->scratch;
	uint8_t bytes[BLOCK_BYTES];
	struct block *block, **bucket;
	bool counted = cpu->native && (cpu->mode & MODE_CODE_MASK) == MODE_CODE64;

	/* One copy: what is decoded is what is compared later. */
	memcpy(bytes, (const void *)host, available);
	count = block_decode(cpu, bytes, available, insns + counted, &length);
	if (count == 0)
		return NULL;
	if (counted)
		insns[0] = (struct insn){ .run = native_count };
	count += counted;
	insns[count++] = (struct insn){ .run = block_end, .offset = (uint16_t)length };
	head = round_up(sizeof *block + length, 8);
	size = round_up(head + count * sizeof *insns, 64);
	if (cache->used + size > ARENA_SIZE || native_full(cpu))
		cache_clear(cpu);
	block = (struct block *)(cache->arena + cache->used);
	cache->used += size;
	*block = (struct block){ .linear = linear, .host = host, .mode = cpu->mode, .length = (uint16_t)length,
				 .insns = (struct insn *)((uint8_t *)block + head) };
	memcpy(block->bytes, bytes, length);
	if (counted)
		insns[0].imm = (uint64_t)block;
	memcpy((uint8_t *)block + head, insns, count * sizeof *insns);
	bucket = cache_bucket(cache, linear, cpu->mode);
	block->next = *bucket;
	*bucket = block;
	return block;
}

/* Takes a stale block out of its bucket; its memory comes back with the next clearing. */
static void block_drop(struct block_cache *cache, struct block *stale)
{
	struct block **link = cache_bucket(cache, stale->linear, stale->mode);

	while (*link && *link != stale)
		link = &(*link)->next;
	if (*link)
		*link = stale->next;
	stale->linear = UINT64_MAX; /* hints that still point here never match; links may: its bytes are compared */
}

/* Linear address of the next instruction; false (exception raised) when it is outside the code segment. */
static inline bool code_linear(struct x86_vcpu *cpu, uint64_t *linear)
{
	if (likely((cpu->mode & MODE_CODE_MASK) == MODE_CODE64)) {
		*linear = cpu->rip;
		return true;
	}
	if (unlikely(cpu->rip > cpu->seg[CS].limit)) {
		exception_raise(cpu, VECTOR_GP, true, 0);
		return false;
	}
	*linear = (uint32_t)(cpu->seg[CS].base + cpu->rip);
	return true;
}

/* The block to run next, made when needed. NULL: an exception is pending, or the instruction must be executed alone. */
static struct block *block_find(struct x86_vcpu *cpu, uint64_t linear)
{
	const struct tlb_entry *entry = tlb_lookup(cpu->tlb, TLB_FETCH, linear, 1);
	struct block *block;
	uint64_t host;

	if (unlikely(!entry)) {
		if (!mem_fetch_fill(cpu, linear))
			return NULL;
		entry = tlb_lookup(cpu->tlb, TLB_FETCH, linear, 1);
		if (!entry) { /* not in a memory slot */
			cpu->stop = STOP_CAREFUL;
			return NULL;
		}
	}
	host = linear + entry->addend;
	cpu->insn = NULL; /* a host fault from here on concerns the fetch */
	for (block = *cache_bucket(cpu->blocks, linear, cpu->mode); block; block = block->next)
		if (block->linear == linear && block->mode == cpu->mode && block->host == host)
			break;
	if (block && likely(block_current(block)))
		return block;
	if (block)
		block_drop(cpu->blocks, block);
	block = block_make(cpu, linear, host);
	if (!block)
		cpu->stop = STOP_CAREFUL;
	return block;
}

/* The block that was at `linear` lately, if it still is. */
static inline struct block *block_recent(struct x86_vcpu *cpu, uint64_t linear)
{
	struct block *block = cpu->blocks->recent[(linear ^ linear >> 10) % RECENT];
	const struct tlb_entry *entry;

	if (unlikely(!block || block->linear != linear || block->mode != cpu->mode))
		return NULL;
	entry = tlb_lookup(cpu->tlb, TLB_FETCH, linear, 1);
	if (unlikely(!entry || block->host != linear + entry->addend))
		return NULL;
	cpu->insn = NULL;
	return likely(block_current(block)) ? block : NULL;
}

void block_go_anywhere(struct x86_vcpu *cpu)
{
	struct block *block;
	uint64_t linear;

	if (unlikely(--cpu->blocks_in_a_row < 0) || !code_linear(cpu, &linear))
		return;
	block = block_recent(cpu, linear);
	if (likely(block))
		block_run(cpu, block);
}

void cpu_execute(struct x86_vcpu *cpu)
{
	struct block *block;
	uint64_t linear;

	cpu->block_link = NULL;
	cpu->native_link = 0;
	for (;;) {
		if (unlikely(atomic_load_explicit(&cpu->vcpu.kick.request, memory_order_relaxed)))
			break;
		if (!code_linear(cpu, &linear))
			break;
		block = block_recent(cpu, linear);
		if (unlikely(!block)) {
			block = block_find(cpu, linear);
			if (!block)
				break;
			cpu->blocks->recent[(linear ^ linear >> 10) % RECENT] = block;
		}
		if (cpu->block_link)
			*cpu->block_link = (uint64_t)block;
		cpu->block_link = NULL;
		if (cpu->native_link)
			native_link(cpu, block);
		cpu->blocks_in_a_row = BLOCKS_IN_A_ROW;
		block_run(cpu, block);
		if (unlikely(cpu->stop))
			break;
	}
	cpu->block_length = 0;
}

void cpu_step(struct x86_vcpu *cpu)
{
	struct insn *insns = cpu->blocks->scratch;
	const struct tlb *tlb = cpu->tlb;
	unsigned int available = 0;
	uint8_t bytes[16];
	uint64_t linear;

	if (!code_linear(cpu, &linear))
		return;
	cpu->careful = true;
	cpu->tlb = &cpu->tlb_empty;
	cpu->insn = NULL;
	cpu->blocks_in_a_row = 0;
	insns[0].offset = 0;
	/* As far as the page first: the next one may not be there, and need not be. */
	for (unsigned int want = (unsigned int)(PAGE_SIZE - linear % PAGE_SIZE); ; want = 15) {
		available = mem_fetch(cpu, linear, bytes, want < 15 ? want : 15, 1);
		if (available == 0 || decode_insn(cpu, cpu->rip, bytes, available, &insns[0]))
			break;
		if (available < want && want >= 15) {
			/* The instruction goes on where nothing can be fetched: this raises the fault. */
			mem_fetch(cpu, linear, bytes, 15, available + 1);
			available = 0;
			break;
		}
	}
	if (available) {
		insns[1] = (struct insn){ .run = block_end, .offset = insns[0].length };
		cpu->block_rip = cpu->rip;
		cpu->block_length = 0;
		insns[0].run(cpu, &insns[0]);
	}
	cpu->careful = false;
	if (cpu->tlb == &cpu->tlb_empty)
		cpu->tlb = tlb;
	cpu_state_changed(cpu, false);
}
