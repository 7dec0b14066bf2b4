/*
 * What both machines must agree on about the state of a case. It runs in the native worker between cases too: nothing from libc, no thread-local
 * storage.
 */
#include "diff.h"

static void bytes_fill(void *to, uint8_t value, size_t n)
{
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
}

void ro_page_fill(uint8_t *page)
{
	for (int i = 0; i < RO_SIZE; i++)
		page[i] = (uint8_t)(i * 37 + (i >> 8) * 11 + 5);
}

void fx_normalise(uint8_t *fx, uint64_t xstate_bv)
{
	if (!(xstate_bv & 1)) {
		bytes_fill(fx, 0, FX_MXCSR);
		fx[FX_FCW] = 0x7f;
		fx[FX_FCW + 1] = 0x03;
		bytes_fill(fx + FX_ST, 0, 128);
	}
	if (!(xstate_bv & 2))
		bytes_fill(fx + FX_XMM, 0, 256);
}
