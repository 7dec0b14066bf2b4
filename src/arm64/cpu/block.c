/*
 * Blocks: runs of decoded instructions, cached by virtual address, mode and host address of their bytes. A block is run only
 * after its bytes have been compared with memory, so code may be changed by anyone at any time without telling us.
 */
#include <errno.h>
#include <sys/mman.h>

#include "arm64/cpu/decode.h"
#include "arm64/cpu/exec.h"
#include "arm64/cpu/fetch.h"
#include "arm64/cpu/native.h"
#include "arm64/cpu/private.h"
#include "core/clock.h"

#define DEADLINE_EVERY 32 /* rounds of the loop between two looks at the clock */

void a64_block_go(struct arm64_vcpu *cpu, const uint64_t *link, uint64_t pc)
{
	const struct a64_block *block = (const struct a64_block *)*link;
	const struct tlb_entry *entry;

	cpu->pc = pc;
	if (unlikely(!block || --cpu->blocks_in_a_row < 0))
		goto loop;
	if (unlikely((pc ^ cpu->block_pc) >> PAGE_SHIFT)) {
		entry = tlb_lookup(cpu->tlb, TLB_FETCH, pc, 1);
		if (unlikely(!entry || block->host != pc + entry->addend))
			goto loop;
	}
	cpu->insn = NULL; /* a host fault from here on concerns the fetch */
	if (unlikely(!a64_block_current(block)))
		goto loop;
	a64_block_run(cpu, block);
	return;
loop:
	cpu->block_link = (uint64_t *)link;
}

/* ---- Leaving handlers. ---- */

void a64_exception(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t esr)
{
	cpu->pc = a64_pc(cpu, insn);
	a64_exception_raise(cpu, esr, false, 0);
}

void a64_undefined(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_exception(cpu, insn, syndrome(EC_UNKNOWN, 0));
}

void a64_careful(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	cpu->pc = a64_pc(cpu, insn);
	cpu->stop = ARM64_STOP_CAREFUL;
}

void a64_done(struct arm64_vcpu *cpu, const struct a64_insn *insn, enum arm64_stop stop)
{
	cpu->pc = a64_pc(cpu, insn) + 4;
	if (stop != ARM64_STOP_NONE)
		cpu->stop = stop;
}

/* The closing record of a block that does not end in a branch that is always taken. */
static void block_end(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_block_go(cpu, &insn->imm, a64_pc(cpu, insn));
}

/* ---- The cache. ---- */

static uint64_t round_up(uint64_t size, uint64_t to)
{
	return (size + to - 1) & ~(to - 1);
}

int a64_cpu_prepare(struct arm64_vcpu *cpu)
{
	void *memory;

	if (cpu->blocks)
		return 0;
	/* Pages are taken as they are first touched. */
	memory = mmap(NULL, sizeof(struct a64_blocks) + ARENA_SIZE + 64, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	cpu->blocks = memory;
	cpu->blocks->arena = (uint8_t *)round_up((uint64_t)(cpu->blocks + 1), 64);
	a64_native_prepare(cpu);
	return 0;
}

void a64_cpu_discard(struct arm64_vcpu *cpu)
{
	if (cpu->blocks)
		munmap(cpu->blocks, sizeof(struct a64_blocks) + ARENA_SIZE + 64);
	cpu->blocks = NULL;
	a64_native_discard(cpu);
}

static void cache_clear(struct arm64_vcpu *cpu)
{
	struct a64_blocks *cache = cpu->blocks;

	cpu->block_link = NULL;
	memset(cache->bucket, 0, sizeof cache->bucket);
	memset(cache->recent, 0, sizeof cache->recent);
	cache->used = 0;
	a64_native_clear(cpu);
}

void *a64_block_allocate(struct arm64_vcpu *cpu, uint64_t size)
{
	struct a64_blocks *cache = cpu->blocks;
	void *room = cache->arena + cache->used;

	if (cache->used + size > ARENA_SIZE)
		return NULL;
	cache->used = round_up(cache->used + size, 64);
	return room;
}

struct a64_block *const *a64_block_hints(struct arm64_vcpu *cpu)
{
	return cpu->blocks->recent;
}

static struct a64_block **cache_bucket(struct a64_blocks *cache, uint64_t pc, uint32_t mode)
{
	return &cache->bucket[(pc >> 2 ^ pc >> 14 ^ mode) % BUCKETS];
}

static struct a64_block **cache_recent(struct a64_blocks *cache, uint64_t pc)
{
	return &cache->recent[(pc >> 2 ^ pc >> 12) % RECENT];
}

/* Decodes `available` instructions until something ends the block; how many. */
static unsigned int block_decode(struct arm64_vcpu *cpu, const uint32_t *words, unsigned int available, struct a64_insn *insns)
{
	struct a64_decode decode = { .mode = cpu->mode };
	unsigned int count = 0;

	do {
		insns[count] = (struct a64_insn){ .word = words[count], .offset = (uint16_t)(4 * count) };
		decode.pc = cpu->pc + 4 * count;
		a64_decode(&decode, &insns[count]);
	} while (++count < available && !decode.ends);
	insns[count] = (struct a64_insn){ .run = block_end, .offset = (uint16_t)(4 * count) };
	insns[count + 1] = (struct a64_insn){ .run = block_end };
	return count;
}

static struct a64_block *block_make(struct arm64_vcpu *cpu, uint64_t host)
{
	struct a64_blocks *cache = cpu->blocks;
	uint64_t room = (PAGE_SIZE - cpu->pc % PAGE_SIZE) / 4, head, size;
	unsigned int available = room < BLOCK_INSNS ? (unsigned int)room : BLOCK_INSNS, length, count;
	unsigned int counted = cpu->native != NULL; /* a record in front */
	struct a64_insn *insns = cache->scratch;
	uint32_t words[BLOCK_INSNS];
	struct a64_block *block, **bucket;

	/* One copy: what is decoded is what is compared later. */
	memcpy(words, (const void *)host, 4 * available);
	count = block_decode(cpu, words, available, insns + counted);
	length = 4 * count;
	count += counted + 2;
	head = round_up(sizeof *block + length, 8);
	size = round_up(head + count * sizeof(struct a64_insn), 64);
	if (cache->used + size > ARENA_SIZE || a64_native_full(cpu))
		cache_clear(cpu);
	block = (struct a64_block *)(cache->arena + cache->used);
	cache->used += size;
	*block = (struct a64_block){ .pc = cpu->pc, .host = host, .mode = cpu->mode, .length = (uint16_t)length,
				     .insns = (struct a64_insn *)((uint8_t *)block + head) };
	memcpy(block->bytes, words, length);
	if (counted)
		insns[0] = (struct a64_insn){ .run = a64_native_count, .imm = (uint64_t)block };
	memcpy((uint8_t *)block + head, insns, count * sizeof(struct a64_insn));
	bucket = cache_bucket(cache, cpu->pc, cpu->mode);
	block->next = *bucket;
	*bucket = block;
	return block;
}

/* Takes a stale block out of its bucket; its memory comes back with the next clearing. */
static void block_drop(struct a64_blocks *cache, struct a64_block *stale)
{
	struct a64_block **link = cache_bucket(cache, stale->pc, stale->mode);

	while (*link && *link != stale)
		link = &(*link)->next;
	if (*link)
		*link = stale->next;
	stale->pc = UINT64_MAX; /* hints that still point here never match; links may: its bytes are compared */
}

/* The block to run next, made when needed. NULL: an exception is pending, or the instruction must be executed alone. */
static struct a64_block *block_find(struct arm64_vcpu *cpu)
{
	const struct tlb_entry *entry;
	struct a64_block *block;
	uint64_t host;

	if (unlikely(!a64_fetch_check(cpu)))
		return NULL;
	entry = tlb_lookup(cpu->tlb, TLB_FETCH, cpu->pc, 1);
	if (unlikely(!entry)) {
		if (!a64_fetch_fill(cpu))
			return NULL;
		entry = tlb_lookup(cpu->tlb, TLB_FETCH, cpu->pc, 1);
		if (!entry) {
			cpu->stop = ARM64_STOP_CAREFUL;
			return NULL;
		}
	}
	host = cpu->pc + entry->addend;
	cpu->insn = NULL; /* a host fault from here on concerns the fetch */
	for (block = *cache_bucket(cpu->blocks, cpu->pc, cpu->mode); block; block = block->next)
		if (block->pc == cpu->pc && block->mode == cpu->mode && block->host == host)
			break;
	if (block && likely(a64_block_current(block)))
		return block;
	if (block)
		block_drop(cpu->blocks, block);
	return block_make(cpu, host);
}

/* The block that was at cpu->pc lately, if it still is. */
static inline struct a64_block *block_recent(struct arm64_vcpu *cpu)
{
	struct a64_block *block = *cache_recent(cpu->blocks, cpu->pc);
	const struct tlb_entry *entry;

	if (unlikely(!block || block->pc != cpu->pc || block->mode != cpu->mode))
		return NULL;
	entry = tlb_lookup(cpu->tlb, TLB_FETCH, cpu->pc, 1);
	if (unlikely(!entry || block->host != cpu->pc + entry->addend))
		return NULL;
	cpu->insn = NULL;
	return likely(a64_block_current(block)) ? block : NULL;
}

void a64_block_go_anywhere(struct arm64_vcpu *cpu)
{
	struct a64_block *block;

	if (unlikely(--cpu->blocks_in_a_row < 0))
		return;
	block = block_recent(cpu);
	if (likely(block))
		a64_block_run(cpu, block);
}

void a64_cpu_execute(struct arm64_vcpu *cpu, uint64_t deadline)
{
	struct a64_block *block;

	cpu->block_link = NULL;
	cpu->native_link = 0;
	for (;;) {
		if (unlikely(atomic_load_explicit(&cpu->vcpu.kick.request, memory_order_relaxed)))
			break;
		if (unlikely(deadline != UINT64_MAX && ++cpu->blocks->rounds % DEADLINE_EVERY == 0 && monotonic_ns() >= deadline))
			break;
		block = block_recent(cpu);
		if (unlikely(!block)) {
			block = block_find(cpu);
			if (!block)
				break;
			*cache_recent(cpu->blocks, cpu->pc) = block;
		}
		if (cpu->block_link)
			*cpu->block_link = (uint64_t)block;
		if (cpu->native_link)
			a64_native_link(cpu, block);
		cpu->block_link = NULL;
		cpu->blocks_in_a_row = BLOCKS_IN_A_ROW;
		a64_block_run(cpu, block);
		if (unlikely(cpu->stop))
			break;
	}
	cpu->block_length = 0;
}

void a64_cpu_step(struct arm64_vcpu *cpu)
{
	struct a64_insn *insns = cpu->blocks->scratch;
	uint32_t word;

	cpu->careful = true;
	cpu->tlb = &cpu->tlb_empty;
	cpu->insn = NULL;
	cpu->blocks_in_a_row = 0;
	cpu->block_length = 0;
	if (a64_fetch_check(cpu) && a64_fetch(cpu, &word)) {
		block_decode(cpu, &word, 1, insns);
		cpu->block_pc = cpu->pc;
		insns[0].run(cpu, &insns[0]);
	}
	cpu->careful = false;
	cpu->block_link = NULL;
	a64_state_changed(cpu);
}
