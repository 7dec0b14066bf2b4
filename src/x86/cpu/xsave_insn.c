/*
 * FXSAVE, FXRSTOR, the XSAVE family, XGETBV, LDMXCSR and STMXCSR: moving the FPU's state as a whole. The state is kept in FXSAVE's
 * own layout, so most of this is copying. SDM Vol. 1, 10.5 and chapter 13.
 */
#include <stddef.h>

#include "x86/cpu/exec.h"
#include "x86/cpu/fpu.h"
#include "x86/cpu/host_fpu.h"
#include "x86/cpu/operand.h"

#define FXSAVE_SIZE 512
#define XSAVE_HEADER_END 576
#define XCR0_MXCSR (XCR0_SSE | XCR0_AVX) /* MXCSR goes with either of them */

/* insn->extra: what the mode and the prefix say about the layout. */
enum {
	LAYOUT_POINTERS64 = 1 << 0, /* REX.W: FIP and FDP are 64 bits wide */
	LAYOUT_XMM8 = 1 << 1,       /* 64-bit mode: XMM8 to XMM15 are part of it */
};

/* ---- The legacy area. ---- */

/* Bytes of the XMM registers that the instruction knows of. */
static unsigned int xmm_size(const struct insn *insn)
{
	return insn->extra & LAYOUT_XMM8 ? 256 : 128;
}

static uint64_t pointer_pack(const struct insn *insn, uint64_t pointer)
{
	return insn->extra & LAYOUT_POINTERS64 ? pointer : (uint32_t)pointer; /* the selector beside it: see environment_get() */
}

/* The x87 part, without MXCSR. */
static void x87_pack(const struct x86_vcpu *cpu, const struct insn *insn, struct x86_xsave *area)
{
	const struct x86_xsave *state = &cpu->xsave;

	area->fcw = state->fcw;
	area->fsw = x87_status(cpu);
	area->ftw = state->ftw;
	area->reserved0 = 0;
	area->fop = state->fop;
	area->fip = pointer_pack(insn, state->fip);
	area->fdp = pointer_pack(insn, state->fdp);
	memset(area->st, 0, sizeof area->st);
	for (unsigned int i = 0; i < 8; i++)
		memcpy(area->st[i], state->st[i], 10);
}

static void x87_unpack(struct x86_vcpu *cpu, const struct insn *insn, const struct x86_xsave *area)
{
	struct x86_xsave *state = &cpu->xsave;

	state->fcw = x87_control(area->fcw);
	state->fsw = area->fsw;
	state->fsw = x87_status(cpu);
	state->ftw = area->ftw;
	state->fop = area->fop & 0x7ff;
	state->fip = pointer_pack(insn, area->fip);
	state->fdp = pointer_pack(insn, area->fdp);
	memset(state->st, 0, sizeof state->st);
	for (unsigned int i = 0; i < 8; i++)
		memcpy(state->st[i], area->st[i], 10);
}

/* MXCSR is new: the interpreter's mode depends on its masks. The instruction is done. */
static void mxcsr_changed(struct x86_vcpu *cpu, const struct insn *insn)
{
	fpu_mxcsr_load(cpu);
	cpu_state_changed(cpu, false);
	insn_done(cpu, insn, STOP_NONE);
}

/* The area's address; false when it is not aligned. */
static bool area_linear(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, unsigned int alignment, enum access access, uint64_t *linear)
{
	*linear = insn_linear(cpu, insn, size, access);
	if (likely(insn_aligned(cpu, insn, alignment)))
		return true;
	insn_fault_code(cpu, insn, VECTOR_GP, 0);
	return false;
}

static bool area_read(struct x86_vcpu *cpu, const struct insn *insn, uint64_t linear, void *to, unsigned int size)
{
	return mem_read(cpu, insn, linear, to, size);
}

static bool area_write(struct x86_vcpu *cpu, const struct insn *insn, uint64_t linear, const void *from, unsigned int size)
{
	return mem_write(cpu, insn, linear, from, size);
}

/*
 * Whether the area's byte at `offset` can be accessed, before anything else is. An area that lies in two pages may fault in either:
 * processors look at the end of an FXSAVE area first, and at the start of an XSAVE area, then at its header.
 */
static bool area_probe(struct x86_vcpu *cpu, const struct insn *insn, unsigned int offset, enum access access)
{
	uint64_t linear = 0;

	operand_linear(cpu, insn, PATH_SLOW, offset, 1, access, &linear);
	return tlb_lookup(cpu->tlb, access == ACCESS_READ ? TLB_READ : TLB_WRITE, linear, 1) ||
	       mem_probe(cpu, insn, (enum segment)insn->seg, linear, 1, access);
}

/* ---- FXSAVE, FXRSTOR. ---- */

/* Unlike others, these see that an address is not canonical, or its dwords not aligned (#AC), before they see that the area is not. */
static bool fxsave_linear(struct x86_vcpu *cpu, const struct insn *insn, enum access access, uint64_t *linear)
{
	enum segment seg = (enum segment)insn->seg;

	*linear = insn_linear(cpu, insn, FXSAVE_SIZE, access);
	if (likely(tlb_lookup(cpu->tlb, access == ACCESS_READ ? TLB_READ : TLB_WRITE, *linear, FXSAVE_SIZE) && !(*linear & 15)))
		return true;
	return mem_address_check(cpu, insn, seg, insn_linear(cpu, insn, 4, access), 4, 4) &&
	       area_linear(cpu, insn, FXSAVE_SIZE, 16, access, linear) && area_probe(cpu, insn, FXSAVE_SIZE - 1, access);
}

/* EFER.FFXSR: at CPL 0 in 64-bit mode the XMM registers are left out (AMD APM Vol. 2, 11.4.4). */
static bool fast_fxsave(const struct x86_vcpu *cpu, const struct insn *insn)
{
	return cpu->efer & EFER_FFXSR && cpu->cpl == 0 && insn->extra & LAYOUT_XMM8;
}

static __attribute__((noinline)) bool fxsave_step(struct x86_vcpu *cpu, const struct insn *insn)
{
	unsigned int size = offsetof(struct x86_xsave, xmm) + (fast_fxsave(cpu, insn) ? 0 : xmm_size(insn));
	struct x86_xsave area;
	uint64_t linear;

	if (!fxsave_linear(cpu, insn, ACCESS_WRITE, &linear))
		return false;
	fpu_mxcsr_store(cpu);
	x87_pack(cpu, insn, &area);
	area.mxcsr = cpu->xsave.mxcsr;
	area.mxcsr_mask = MXCSR_VALID;
	memcpy(area.xmm, cpu->xsave.xmm, sizeof area.xmm);
	/* The rest of the area is reserved, or the program's own. */
	return area_write(cpu, insn, linear, &area, size);
}

static void fxsave_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (fxsave_step(cpu, insn))
		insn_next(cpu, insn);
}

static void fxrstor_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	struct x86_xsave area;
	uint64_t linear;

	if (!fxsave_linear(cpu, insn, ACCESS_READ, &linear) || !area_read(cpu, insn, linear, &area, FXSAVE_SIZE))
		return;
	if (area.mxcsr & ~MXCSR_VALID) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	x87_unpack(cpu, insn, &area);
	cpu->xsave.mxcsr = area.mxcsr;
	if (!fast_fxsave(cpu, insn))
		memcpy(cpu->xsave.xmm, area.xmm, xmm_size(insn));
	mxcsr_changed(cpu, insn);
}

/* ---- XSAVE, XSAVEOPT, XRSTOR: the standard form. ---- */

static uint64_t components_requested(const struct x86_vcpu *cpu)
{
	return cpu->xcr0 & ((cpu->gpr[RDX] << 32) | (uint32_t)cpu->gpr[RAX]);
}

/* One piece of the state: where it is in the area, and how much of it. */
struct piece {
	uint32_t offset, size;
};

static struct piece piece_of(const struct insn *insn, uint64_t component)
{
	/* Outside 64-bit mode the upper eight registers are neither saved nor restored. */
	bool all = insn->extra & LAYOUT_XMM8;

	switch (component) {
	case XCR0_SSE: return (struct piece){ offsetof(struct x86_xsave, xmm), xmm_size(insn) };
	case XCR0_AVX: return (struct piece){ offsetof(struct x86_xsave, ymmh), all ? 256 : 128 };
	case XCR0_PKRU: return (struct piece){ offsetof(struct x86_xsave, pkru), 8 };
	default: return (struct piece){ 0, 0 };
	}
}

static const uint64_t plain_components[] = { XCR0_SSE, XCR0_AVX, XCR0_PKRU };

/* Both halves of the legacy area without MXCSR: [0, 24) and the registers. */
static bool x87_save(struct x86_vcpu *cpu, const struct insn *insn, uint64_t linear)
{
	struct x86_xsave area;

	x87_pack(cpu, insn, &area);
	return area_write(cpu, insn, linear, &area, offsetof(struct x86_xsave, mxcsr)) &&
	       area_write(cpu, insn, linear + offsetof(struct x86_xsave, st), area.st, sizeof area.st);
}

static bool mxcsr_save(struct x86_vcpu *cpu, const struct insn *insn, uint64_t linear)
{
	uint32_t words[2] = { cpu->xsave.mxcsr, MXCSR_VALID };

	return area_write(cpu, insn, linear + offsetof(struct x86_xsave, mxcsr), words, sizeof words);
}

/* `optimize`: components in their initial state are not written (XSAVEOPT). */
static __attribute__((noinline)) bool xsave_step(struct x86_vcpu *cpu, const struct insn *insn, bool optimize)
{
	uint64_t requested = components_requested(cpu), in_use, written, linear, present;

	if (!area_linear(cpu, insn, XSAVE_HEADER_END, 64, ACCESS_WRITE, &linear) || !area_probe(cpu, insn, 0, ACCESS_WRITE) ||
	    !area_probe(cpu, insn, XSAVE_HEADER_END - 1, ACCESS_WRITE) ||
	    !area_read(cpu, insn, linear + offsetof(struct x86_xsave, xstate_bv), &present, sizeof present))
		return false;
	fpu_mxcsr_store(cpu);
	in_use = fpu_xstate_bv(cpu);
	written = optimize ? requested & in_use : requested;
	if (written & XCR0_X87 && !x87_save(cpu, insn, linear))
		return false;
	if (requested & XCR0_MXCSR && !mxcsr_save(cpu, insn, linear))
		return false;
	for (unsigned int i = 0; i < sizeof plain_components / sizeof *plain_components; i++) {
		struct piece piece = piece_of(insn, plain_components[i]);

		if (written & plain_components[i] &&
		    !area_write(cpu, insn, linear + piece.offset, (const uint8_t *)&cpu->xsave + piece.offset, piece.size))
			return false;
	}
	present = (present & ~requested) | (in_use & requested);
	return area_write(cpu, insn, linear + offsetof(struct x86_xsave, xstate_bv), &present, sizeof present);
}

static void xsave_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (xsave_step(cpu, insn, false))
		insn_next(cpu, insn);
}

static void xsaveopt_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (xsave_step(cpu, insn, true))
		insn_next(cpu, insn);
}

/* SDM Vol. 1, 13.8: what makes XRSTOR fault. The compacted form needs XSAVEC, which CPUID does not offer. */
static bool xrstor_valid(const struct x86_vcpu *cpu, const struct x86_xsave *area, uint64_t requested)
{
	if (area->xcomp_bv || area->header_reserved[0] || area->xstate_bv & ~cpu->xcr0)
		return false;
	return !(requested & XCR0_MXCSR) || !(area->mxcsr & ~MXCSR_VALID);
}

/* Reads what is needed of the area: legacy part and header, then the components beyond them. */
static bool xrstor_read(struct x86_vcpu *cpu, const struct insn *insn, struct x86_xsave *area, uint64_t requested)
{
	uint64_t linear;

	if (!area_linear(cpu, insn, XSAVE_HEADER_END, 64, ACCESS_READ, &linear) || !area_probe(cpu, insn, 0, ACCESS_READ) ||
	    !area_probe(cpu, insn, FXSAVE_SIZE, ACCESS_READ) ||
	    !area_read(cpu, insn, linear, area, XSAVE_HEADER_END))
		return false;
	for (unsigned int i = 0; i < sizeof plain_components / sizeof *plain_components; i++) {
		struct piece piece = piece_of(insn, plain_components[i]);

		if (piece.offset >= FXSAVE_SIZE && requested & area->xstate_bv & cpu->xcr0 & plain_components[i] &&
		    !area_read(cpu, insn, linear + piece.offset, (uint8_t *)area + piece.offset, piece.size))
			return false;
	}
	return true;
}

static void xrstor_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t requested = components_requested(cpu), loaded;
	struct x86_xsave area;

	if (!xrstor_read(cpu, insn, &area, requested))
		return;
	if (!xrstor_valid(cpu, &area, requested)) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	loaded = requested & area.xstate_bv;
	fpu_mxcsr_store(cpu);
	if (loaded & XCR0_X87)
		x87_unpack(cpu, insn, &area);
	else if (requested & XCR0_X87)
		fpu_components_init(cpu, XCR0_X87);
	for (unsigned int i = 0; i < sizeof plain_components / sizeof *plain_components; i++) {
		struct piece piece = piece_of(insn, plain_components[i]);
		uint8_t *to = (uint8_t *)&cpu->xsave + piece.offset;

		if (loaded & plain_components[i])
			memcpy(to, (const uint8_t *)&area + piece.offset, piece.size);
		else if (requested & plain_components[i])
			memset(to, 0, piece.size);
	}
	cpu->xsave.xstate_bv = (cpu->xsave.xstate_bv & ~requested) | loaded;
	if (requested & XCR0_MXCSR)
		cpu->xsave.mxcsr = area.mxcsr;
	if (requested & XCR0_PKRU)
		tlb_flush(cpu);
	mxcsr_changed(cpu, insn);
}

/* ---- XGETBV, LDMXCSR, STMXCSR. ---- */

static void xgetbv_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	if ((uint32_t)cpu->gpr[RCX] != 0) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	cpu->gpr[RAX] = (uint32_t)cpu->xcr0;
	cpu->gpr[RDX] = cpu->xcr0 >> 32;
	insn_next(cpu, insn);
}

static void ldmxcsr_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint32_t value;

	if (!mem_read(cpu, insn, insn_linear(cpu, insn, 4, ACCESS_READ), &value, 4))
		return;
	if (value & ~MXCSR_VALID) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	cpu->xsave.mxcsr = value;
	mxcsr_changed(cpu, insn);
}

static __attribute__((noinline)) bool stmxcsr_step(struct x86_vcpu *cpu, const struct insn *insn)
{
	fpu_mxcsr_store(cpu);
	return mem_write(cpu, insn, insn_linear(cpu, insn, 4, ACCESS_WRITE), &cpu->xsave.mxcsr, 4);
}

static void stmxcsr_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (stmxcsr_step(cpu, insn))
		insn_next(cpu, insn);
}

/* ---- Decoding. ---- */

enum { RUN_FXSAVE, RUN_FXRSTOR, RUN_XSAVE, RUN_XSAVEOPT, RUN_XRSTOR, RUN_XGETBV, RUN_LDMXCSR, RUN_STMXCSR };

/* Which mode bits make it undefined when clear, which make it #NM or #UD when set. */
static const struct {
	insn_fn *run;
	uint32_t needs, unavailable, undefined;
} state_insns[] = {
	[RUN_FXSAVE] = { fxsave_run, 0, MODE_EM | MODE_TS, 0 },
	[RUN_FXRSTOR] = { fxrstor_run, 0, MODE_EM | MODE_TS, 0 },
	[RUN_XSAVE] = { xsave_run, MODE_OSXSAVE, MODE_TS, 0 },
	[RUN_XSAVEOPT] = { xsaveopt_run, MODE_OSXSAVE, MODE_TS, 0 },
	[RUN_XRSTOR] = { xrstor_run, MODE_OSXSAVE, MODE_TS, 0 },
	[RUN_XGETBV] = { xgetbv_run, MODE_OSXSAVE, 0, 0 },
	[RUN_LDMXCSR] = { ldmxcsr_run, MODE_OSFXSR, MODE_TS, MODE_EM },
	[RUN_STMXCSR] = { stmxcsr_run, MODE_OSFXSR, MODE_TS, MODE_EM },
};

static bool state_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	bool code64 = (d->mode & MODE_CODE_MASK) == MODE_CODE64;

	if (~d->mode & state_insns[argument].needs || d->mode & state_insns[argument].undefined)
		return false;
	insn->extra = code64 ? LAYOUT_XMM8 : 0;
	if (d->z.attributes & ZYDIS_ATTRIB_HAS_REX && d->z.raw.rex.W)
		insn->extra |= LAYOUT_POINTERS64;
	insn->run = d->mode & state_insns[argument].unavailable ? fpu_not_available : state_insns[argument].run;
	/* What loads MXCSR may change the mode. */
	if (insn->run == fxrstor_run || insn->run == xrstor_run || insn->run == ldmxcsr_run || insn->run == fpu_not_available)
		insn->flags |= INSN_ENDS_BLOCK;
	return true;
}

const struct decode_row xsave_rows[] = {
	{ ZYDIS_MNEMONIC_FXSAVE, state_decode, RUN_FXSAVE },
	{ ZYDIS_MNEMONIC_FXSAVE64, state_decode, RUN_FXSAVE },
	{ ZYDIS_MNEMONIC_FXRSTOR, state_decode, RUN_FXRSTOR },
	{ ZYDIS_MNEMONIC_FXRSTOR64, state_decode, RUN_FXRSTOR },
	{ ZYDIS_MNEMONIC_XSAVE, state_decode, RUN_XSAVE },
	{ ZYDIS_MNEMONIC_XSAVE64, state_decode, RUN_XSAVE },
	{ ZYDIS_MNEMONIC_XSAVEOPT, state_decode, RUN_XSAVEOPT },
	{ ZYDIS_MNEMONIC_XSAVEOPT64, state_decode, RUN_XSAVEOPT },
	{ ZYDIS_MNEMONIC_XRSTOR, state_decode, RUN_XRSTOR },
	{ ZYDIS_MNEMONIC_XRSTOR64, state_decode, RUN_XRSTOR },
	{ ZYDIS_MNEMONIC_XGETBV, state_decode, RUN_XGETBV },
	{ ZYDIS_MNEMONIC_LDMXCSR, state_decode, RUN_LDMXCSR },
	{ ZYDIS_MNEMONIC_STMXCSR, state_decode, RUN_STMXCSR },
	{ .decode = NULL }
};
