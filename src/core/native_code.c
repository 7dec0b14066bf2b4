/*
 * Memory of native code: see native_code.h.
 */
#include "core/native_code.h"

#if NATIVE

#include <stdlib.h>
#include <sys/mman.h>

enum {
	HOT = 16,
	SHARED = 4096,   /* more than what is no block's takes */
	ROOM = 32 << 10, /* more than any block takes */
};

/* ANYKVM_NATIVE: "off", or "always" for blocks that run for the first time (tests). 0: off. */
static unsigned int threshold_wanted(void)
{
	const char *wish = getenv("ANYKVM_NATIVE");

	if (wish && strcmp(wish, "off") == 0)
		return 0;
	return wish && strcmp(wish, "always") == 0 ? 1 : HOT;
}

bool native_code_prepare(struct native_code *code, struct emitter *e)
{
	code->threshold = threshold_wanted();
	if (!code->threshold)
		return false;
	/* Private, so that a fork has its own. Where memory may not be both written and executed, there is only the interpreter. */
	code->memory = mmap(NULL, NATIVE_CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (code->memory == MAP_FAILED)
		return false;
	*e = (struct emitter){ .at = code->memory, .end = code->memory + SHARED };
	return true;
}

void native_code_discard(struct native_code *code)
{
	munmap(code->memory, NATIVE_CODE_SIZE);
}

bool native_code_room(struct native_code *code, const void *end)
{
	code->full = code->full || (const uint8_t *)end - code->free < ROOM;
	return !code->full;
}

void native_code_lead(struct native_code *code, uint32_t link, const uint8_t *near_entry, const uint8_t *far_entry)
{
	bool far = link >> 31;

	if (near_entry)
		jump_set(code->memory + (link & INT32_MAX), far ? far_entry : near_entry);
}

void native_pieces_emit(struct emitter *e, const uint8_t *bytes, unsigned int length)
{
	for (unsigned int n = 0; length >= 16 && 16 * n < length; n++)
		emit_bytes(e, bytes + native_piece(length, n), 16);
}

#endif
