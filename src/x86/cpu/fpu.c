/*
 * The guest's FPU state on the host's units. Once the guest has used the SSE unit, the host's MXCSR is the guest's with all exceptions
 * masked until fpu_leave(), so that its flags accumulate where a processor would keep them. Knows no instruction.
 */
#include <string.h>

#include "x86/cpu/exec.h"
#include "x86/cpu/fpu.h"
#include "x86/cpu/host_fpu.h"
#include "x86/cpu/host_x87.h"
#include "x86/cpu/insn.h"

bool fpu_host_supported(void)
{
	return host_fpu_usable();
}

static uint32_t mxcsr_for_host(const struct x86_vcpu *cpu)
{
	return (cpu->xsave.mxcsr & MXCSR_VALID) | MXCSR_MASKS;
}

void fpu_not_available(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_fault(cpu, insn, VECTOR_NM);
}

/* The units are taken when the guest first uses them: most stays in the guest are short. */
void fpu_enter(struct x86_vcpu *cpu)
{
	cpu->host_fpu.sse_used = cpu->host_fpu.x87_used = false;
}

void fpu_sse_take(struct x86_vcpu *cpu)
{
	if (cpu->host_fpu.sse_used)
		return;
	cpu->host_fpu.mxcsr = host_mxcsr_get();
	cpu->host_fpu.sse_used = true;
	host_mxcsr_set(mxcsr_for_host(cpu));
}

void fpu_leave(struct x86_vcpu *cpu)
{
	if (cpu->host_fpu.sse_used) {
		fpu_mxcsr_store(cpu);
		host_mxcsr_set(cpu->host_fpu.mxcsr);
		cpu->host_fpu.sse_used = false;
	}
	if (cpu->host_fpu.x87_used) {
		host_x87_environment_set(cpu->host_fpu.x87_environment);
		cpu->host_fpu.x87_used = false;
	}
}

void fpu_mxcsr_store(struct x86_vcpu *cpu)
{
	if (cpu->host_fpu.sse_used)
		cpu->xsave.mxcsr |= host_mxcsr_get() & MXCSR_FLAGS;
}

void fpu_mxcsr_load(struct x86_vcpu *cpu)
{
	if (cpu->host_fpu.sse_used)
		host_mxcsr_set(mxcsr_for_host(cpu));
}

/* `size` is a multiple of 8. */
static bool bytes_zero(const void *bytes, size_t size)
{
	uint64_t word, any = 0;

	for (size_t i = 0; i < size; i += sizeof word) {
		memcpy(&word, (const uint8_t *)bytes + i, sizeof word);
		any |= word;
	}
	return !any;
}

static bool x87_initial(const struct x86_xsave *state)
{
	return state->fcw == X87_CONTROL_INITIAL && !state->fsw && !state->ftw && !state->fop && !state->fip && !state->fdp &&
	       bytes_zero(state->st, sizeof state->st);
}

uint64_t fpu_xstate_bv(const struct x86_vcpu *cpu)
{
	const struct x86_xsave *state = &cpu->xsave;
	uint64_t components = state->xstate_bv;

	if (!x87_initial(state))
		components |= XCR0_X87;
	if (!bytes_zero(state->xmm, sizeof state->xmm))
		components |= XCR0_SSE;
	if (!bytes_zero(state->ymmh, sizeof state->ymmh))
		components |= XCR0_AVX;
	if (state->pkru)
		components |= XCR0_PKRU;
	return components;
}

void fpu_components_init(struct x86_vcpu *cpu, uint64_t components)
{
	struct x86_xsave *state = &cpu->xsave;

	if (components & XCR0_X87) {
		state->fcw = X87_CONTROL_INITIAL;
		state->fsw = state->fop = 0;
		state->ftw = 0;
		state->fip = state->fdp = 0;
		memset(state->st, 0, sizeof state->st);
	}
	if (components & XCR0_SSE)
		memset(state->xmm, 0, sizeof state->xmm);
	if (components & XCR0_AVX)
		memset(state->ymmh, 0, sizeof state->ymmh);
	if (components & XCR0_PKRU)
		state->pkru = 0;
	state->xstate_bv &= ~components;
}

void x87_top_change(struct x86_vcpu *cpu, unsigned int top)
{
	unsigned int moved = (top - x87_top(cpu)) & 7;
	uint8_t st[8][16];

	if (moved) {
		for (unsigned int i = 0; i < 8; i++)
			memcpy(st[i], cpu->xsave.st[(i + moved) & 7], 16);
		memcpy(cpu->xsave.st, st, sizeof st);
	}
	cpu->xsave.fsw = (uint16_t)((cpu->xsave.fsw & ~X87_STATUS_TOP) | top << 11);
}

void x87_init(struct x86_vcpu *cpu)
{
	x87_top_change(cpu, 0);
	cpu->xsave.fcw = X87_CONTROL_INITIAL;
	cpu->xsave.fsw = cpu->xsave.fop = 0;
	cpu->xsave.ftw = 0;
	cpu->xsave.fip = cpu->xsave.fdp = 0;
}

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

/* What the tag of a register that holds this value is. */
static unsigned int x87_tag(const uint8_t value[16])
{
	uint64_t fraction;
	uint16_t exponent;

	memcpy(&fraction, value, 8);
	memcpy(&exponent, value + 8, 2);
	exponent &= 0x7fff;
	if (exponent == 0)
		return fraction ? TAG_SPECIAL : TAG_ZERO;
	return exponent == 0x7fff || !(fraction >> 63) ? TAG_SPECIAL : TAG_VALID;
}

uint16_t x87_tags_full(const struct x86_vcpu *cpu)
{
	unsigned int full = 0, top = x87_top(cpu);

	for (unsigned int physical = 0; physical < 8; physical++) {
		bool empty = !(cpu->xsave.ftw >> physical & 1);
		unsigned int tag = empty ? TAG_EMPTY : x87_tag(cpu->xsave.st[(physical - top) & 7]);

		full |= tag << (2 * physical);
	}
	return (uint16_t)full;
}

uint8_t x87_tags_abridge(uint16_t full)
{
	unsigned int abridged = 0;

	for (unsigned int physical = 0; physical < 8; physical++)
		if ((full >> (2 * physical) & 3) != TAG_EMPTY)
			abridged |= 1u << physical;
	return (uint8_t)abridged;
}
