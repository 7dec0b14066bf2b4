/*
 * The memory of a vCPU's native code, whatever its architecture, where the host is an x86-64; jumps from block to block. Knows no instructions of
 * guests.
 */
#ifndef ANYKVM_CORE_NATIVE_CODE_H
#define ANYKVM_CORE_NATIVE_CODE_H

#include "core/compiler.h"
#include "core/emit.h"

#if defined(__x86_64__) && defined(__OPTIMIZE__) && !SANITIZED
#define NATIVE 1
#else
#define NATIVE 0
#endif

#define NATIVE_CODE_SIZE (UINT64_C(16) << 20)

/* Code grows upwards; when it is full all goes, and the block cache with it. */
struct native_code {
	uint8_t *memory, *free;
	uint8_t *first;         /* behind what is no block's */
	bool full;
	unsigned int threshold; /* how often a block runs before it gets native code */
};

/* Memory, and an emitter for what is no block's; false: it is not wanted (ANYKVM_NATIVE), or cannot be had. */
bool native_code_prepare(struct native_code *code, struct emitter *e);
void native_code_discard(struct native_code *code);

/* No blocks any more. */
static inline void native_code_clear(struct native_code *code)
{
	code->free = code->first;
	code->full = false;
}

/* Whether there is room for any block's code below `end`. */
bool native_code_room(struct native_code *code, const void *end);

/* What tells a jump that leads nowhere yet: where its displacement stands; `far`: it leads into another page. Never 0. */
static inline uint32_t native_code_link(const struct native_code *code, const uint8_t *jump, bool far)
{
	return (uint32_t)(jump - code->memory) | (uint32_t)far << 31;
}

/* Leads it to a block, by its entry for jumps from the same page or by that for jumps from others. */
void native_code_lead(struct native_code *code, uint32_t link, const uint8_t *near_entry, const uint8_t *far_entry);

/* ---- The bytes that a block was decoded from, for comparing them 16 at a time. ---- */

/* Where the n-th piece begins: the last one overlaps, so that nothing beyond the block (16 bytes or more) is read. */
static inline unsigned int native_piece(unsigned int length, unsigned int n)
{
	return 16 * n + 16 <= length ? 16 * n : length - 16;
}

/* All of them; none of a shorter block. */
void native_pieces_emit(struct emitter *e, const uint8_t *bytes, unsigned int length);

#endif
