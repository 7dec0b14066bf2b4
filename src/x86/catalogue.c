/*
 * The catalogue's rows, and how a row's register is taken out of a state and put into it.
 */
#include "x86/catalogue.h"

#include <errno.h>
#include <string.h>

#include "core/why.h"

#define SIZE8 0
#define SIZE16 1
#define SIZE32 2
#define SIZE64 3
#define SIZE128 4
#define SIZE256 5
#define SIZE512 6

#define AT(field) offsetof(struct x86_state, field)
#define PLAIN(family_, field, size_) { .family = FAMILY_##family_, .place = PLACE_PLAIN, .offset = AT(field), .size = SIZE##size_ }

/* ---- Rows, by type and index. ---- */

#define GENERAL(name) PLAIN(REGS, regs.name, 64)
static const struct x86_register general[] = {
	GENERAL(rax), GENERAL(rcx), GENERAL(rdx), GENERAL(rbx), GENERAL(rsp), GENERAL(rbp), GENERAL(rsi), GENERAL(rdi), GENERAL(r8),
	GENERAL(r9), GENERAL(r10), GENERAL(r11), GENERAL(r12), GENERAL(r13), GENERAL(r14), GENERAL(r15), GENERAL(rip), GENERAL(rflags),
};

#define PART(segment_, part_) [ANYKVM_X86_SEGMENT_##segment_ << 4 | ANYKVM_X86_SEGMENT_##part_]
#define SEGMENT(segment_, field)                                                                                                           \
	PART(segment_, WHOLE) = { .family = FAMILY_SREGS, .place = PLACE_SEGMENT, .offset = AT(sregs.field), .size = SIZE256 },            \
	PART(segment_, SELECTOR) = PLAIN(SREGS, sregs.field.selector, 16),                                                                 \
	PART(segment_, BASE) = PLAIN(SREGS, sregs.field.base, 64),                                                                         \
	PART(segment_, LIMIT) = PLAIN(SREGS, sregs.field.limit, 32),                                                                       \
	PART(segment_, ATTRIBUTES) = { .family = FAMILY_SREGS, .place = PLACE_ATTRIBUTES, .offset = AT(sregs.field), .size = SIZE32 }
#define TABLE(segment_, field)                                                                                                             \
	PART(segment_, WHOLE) = PLAIN(SREGS, sregs.field, 128),                                                                            \
	PART(segment_, BASE) = PLAIN(SREGS, sregs.field.base, 64),                                                                         \
	PART(segment_, LIMIT) = PLAIN(SREGS, sregs.field.limit, 16)
static const struct x86_register segments[] = {
	SEGMENT(ES, es), SEGMENT(CS, cs), SEGMENT(SS, ss), SEGMENT(DS, ds), SEGMENT(FS, fs), SEGMENT(GS, gs), SEGMENT(TR, tr), SEGMENT(LDTR, ldt),
	TABLE(GDTR, gdt), TABLE(IDTR, idt),
};

#define PDPTR(n) [ANYKVM_X86_CONTROL_PDPTR + n] = { .family = FAMILY_SREGS, .place = PLACE_PDPTR, .offset = AT(sregs.pdptrs[n]), .size = SIZE64 }
static const struct x86_register controls[] = {
	[0] = PLAIN(SREGS, sregs.cr0, 64), [2] = PLAIN(SREGS, sregs.cr2, 64), [3] = PLAIN(SREGS, sregs.cr3, 64), [4] = PLAIN(SREGS, sregs.cr4, 64),
	[8] = PLAIN(SREGS, sregs.cr8, 64), [ANYKVM_X86_CONTROL_EFER] = PLAIN(SREGS, sregs.efer, 64),
	[ANYKVM_X86_CONTROL_APIC_BASE] = PLAIN(SREGS, sregs.apic_base, 64),
	PDPTR(0), PDPTR(1), PDPTR(2), PDPTR(3),
};

static const struct x86_register debugs[] = {
	PLAIN(DEBUGREGS, debugregs.db[0], 64), PLAIN(DEBUGREGS, debugregs.db[1], 64), PLAIN(DEBUGREGS, debugregs.db[2], 64),
	PLAIN(DEBUGREGS, debugregs.db[3], 64), [6] = PLAIN(DEBUGREGS, debugregs.dr6, 64), [7] = PLAIN(DEBUGREGS, debugregs.dr7, 64),
};

static const struct x86_register xcrs[] = { PLAIN(XCRS, xcrs.xcrs[0].value, 64) };

/* The legacy region: SDM Vol. 1, table 10-2; components 0 and 1 begin where the area does. */
#define XSAVE(component_, at, size_) { .family = FAMILY_XSAVE, .place = PLACE_XSAVE, .component = COMPONENT_##component_, .offset = (at), .size = SIZE##size_ }
#define ST(n) XSAVE(X87, 32 + 16 * (n), 128)
static const struct x86_register x87[] = {
	ST(0), ST(1), ST(2), ST(3), ST(4), ST(5), ST(6), ST(7),
	[ANYKVM_X86_X87_FCW] = XSAVE(X87, 0, 16), [ANYKVM_X86_X87_FSW] = XSAVE(X87, 2, 16), [ANYKVM_X86_X87_FTW] = XSAVE(X87, 4, 8),
	[ANYKVM_X86_X87_FOP] = XSAVE(X87, 6, 16), [ANYKVM_X86_X87_FIP] = XSAVE(X87, 8, 64), [ANYKVM_X86_X87_FDP] = XSAVE(X87, 16, 64),
};

/* 32 of each class; see vector_place(). */
#define EIGHT(X, n) X((n)) X((n) + 1) X((n) + 2) X((n) + 3) X((n) + 4) X((n) + 5) X((n) + 6) X((n) + 7)
#define MM(n) [ANYKVM_X86_VECTOR_MM * 32 + n] = XSAVE(X87, 32 + 16 * (n), 64),
#define XMM(n) [ANYKVM_X86_VECTOR_XMM * 32 + n] = XSAVE(SSE, 160 + 16 * (n), 128),
#define XMM_HIGH(n) [ANYKVM_X86_VECTOR_XMM * 32 + n] = XSAVE(HI16_ZMM, 64 * ((n) - 16), 128),
#define YMM(n) [ANYKVM_X86_VECTOR_YMM * 32 + n] = { .family = FAMILY_XSAVE, .place = PLACE_YMM, .component = COMPONENT_AVX, .offset = (n), .size = SIZE256 },
#define YMM_HIGH(n) [ANYKVM_X86_VECTOR_YMM * 32 + n] = XSAVE(HI16_ZMM, 64 * ((n) - 16), 256),
#define ZMM(n) [ANYKVM_X86_VECTOR_ZMM * 32 + n] = { .family = FAMILY_XSAVE, .place = PLACE_ZMM, .component = COMPONENT_ZMM_HI256, .offset = (n), .size = SIZE512 },
#define ZMM_HIGH(n) [ANYKVM_X86_VECTOR_ZMM * 32 + n] = XSAVE(HI16_ZMM, 64 * ((n) - 16), 512),
#define K(n) [ANYKVM_X86_VECTOR_K * 32 + n] = XSAVE(OPMASK, 8 * (n), 64),
static const struct x86_register vectors[] = {
	EIGHT(MM, 0)
	EIGHT(XMM, 0) EIGHT(XMM, 8) EIGHT(XMM_HIGH, 16) EIGHT(XMM_HIGH, 24)
	EIGHT(YMM, 0) EIGHT(YMM, 8) EIGHT(YMM_HIGH, 16) EIGHT(YMM_HIGH, 24)
	EIGHT(ZMM, 0) EIGHT(ZMM, 8) EIGHT(ZMM_HIGH, 16) EIGHT(ZMM_HIGH, 24)
	EIGHT(K, 0)
};

#define XSTATE_BV_AT 512
static const struct x86_register xsave[] = {
	[ANYKVM_X86_XSAVE_MXCSR] = XSAVE(SSE, 24, 32),
	[ANYKVM_X86_XSAVE_MXCSR_MASK] = { .family = FAMILY_XSAVE, .place = PLACE_XSAVE, .component = COMPONENT_SSE, .flags = REGISTER_READ_ONLY,
					  .offset = 28, .size = SIZE32 },
	[ANYKVM_X86_XSAVE_PKRU] = XSAVE(PKRU, 0, 32),
	[ANYKVM_X86_XSAVE_XSTATE_BV] = { .family = FAMILY_XSAVE, .place = PLACE_XSTATE_BV, .offset = XSTATE_BV_AT, .size = SIZE64 },
};

#define EVENT(name, field, size_) [ANYKVM_X86_EVENTS_##name] = PLAIN(EVENTS, events.field, size_)
static const struct x86_register events[] = {
	[ANYKVM_X86_EVENTS_WHOLE] = PLAIN(EVENTS, events, 512),
	EVENT(EXCEPTION_INJECTED, exception.injected, 8), EVENT(EXCEPTION_NR, exception.nr, 8),
	EVENT(EXCEPTION_HAS_ERROR_CODE, exception.has_error_code, 8), EVENT(EXCEPTION_PENDING, exception.pending, 8),
	EVENT(EXCEPTION_ERROR_CODE, exception.error_code, 32),
	EVENT(INTERRUPT_INJECTED, interrupt.injected, 8), EVENT(INTERRUPT_NR, interrupt.nr, 8), EVENT(INTERRUPT_SOFT, interrupt.soft, 8),
	EVENT(INTERRUPT_SHADOW, interrupt.shadow, 8),
	EVENT(NMI_INJECTED, nmi.injected, 8), EVENT(NMI_PENDING, nmi.pending, 8), EVENT(NMI_MASKED, nmi.masked, 8),
	/* KVM_GET_VCPU_EVENTS does not tell it. */
	[ANYKVM_X86_EVENTS_SIPI_VECTOR] = { .family = FAMILY_EVENTS, .place = PLACE_PLAIN, .flags = REGISTER_UNLISTED, .offset = AT(events.sipi_vector), .size = SIZE32 },
	EVENT(FLAGS, flags, 32),
	EVENT(SMI_SMM, smi.smm, 8), EVENT(SMI_PENDING, smi.pending, 8), EVENT(SMI_SMM_INSIDE_NMI, smi.smm_inside_nmi, 8),
	EVENT(SMI_LATCHED_INIT, smi.latched_init, 8), EVENT(TRIPLE_FAULT_PENDING, triple_fault.pending, 8),
	EVENT(EXCEPTION_HAS_PAYLOAD, exception_has_payload, 8), EVENT(EXCEPTION_PAYLOAD, exception_payload, 64),
};
_Static_assert(sizeof(struct kvm_vcpu_events) == 64 && sizeof(struct kvm_dtable) == 16 && sizeof(struct kvm_segment) == 24, "sizes that ids tell");

static const struct x86_register vcpu[] = {
	[ANYKVM_X86_VCPU_MP_STATE] = PLAIN(MP_STATE, mp_state.mp_state, 32),
	[ANYKVM_X86_VCPU_TSC_OFFSET] = PLAIN(TSC_OFFSET, tsc_offset, 64),
	[ANYKVM_X86_VCPU_TSC_KHZ] = PLAIN(TSC_KHZ, tsc_khz, 32),
};

static const struct x86_register msr = { .family = FAMILY_MSR, .place = PLACE_MSR, .size = SIZE64 };
static const struct x86_register kvm = { .family = FAMILY_KVM, .place = PLACE_KVM, .size = SIZE64 };

#define TYPE(type, rows_) [ANYKVM_X86_TYPE_##type - ANYKVM_X86_TYPE_GENERAL] = { rows_, sizeof(rows_) / sizeof *(rows_) }
static const struct {
	const struct x86_register *rows;
	uint32_t count;
} types[] = {
	TYPE(GENERAL, general), TYPE(SEGMENT, segments), TYPE(CONTROL, controls), TYPE(DEBUG, debugs), TYPE(XCR, xcrs), TYPE(X87, x87),
	TYPE(VECTOR, vectors), TYPE(XSAVE, xsave), TYPE(EVENTS, events), TYPE(VCPU, vcpu),
};
enum { TYPES = sizeof types / sizeof types[0] };

/* ---- From ids to rows and back. ---- */

/* class << 8 | number, to where `vectors` has it. */
static uint32_t vector_place(uint32_t index)
{
	return index & 0xff & ~31u ? UINT32_MAX : index >> 8 << 5 | (index & 31);
}

static uint32_t vector_index(uint32_t place)
{
	return place >> 5 << 8 | (place & 31);
}

static const struct x86_register *row_of(uint32_t type, uint32_t index)
{
	const struct x86_register *row;

	type -= ANYKVM_X86_TYPE_GENERAL;
	if (type == ANYKVM_X86_TYPE_VECTOR - ANYKVM_X86_TYPE_GENERAL)
		index = vector_place(index);
	if (index >= types[type].count)
		return NULL;
	row = &types[type].rows[index];
	return row->place != PLACE_NOWHERE ? row : NULL;
}

const struct x86_register *x86_register_find(uint64_t id, int *error)
{
	uint32_t type = (uint32_t)(id >> 32) & 0xff, index = (uint32_t)id;
	const struct x86_register *row;

	/* Architecture, and bits 51:40, which are nobody's. */
	if (__builtin_expect(((id & ~KVM_REG_SIZE_MASK) >> 40) != KVM_REG_X86 >> 40, 0)) {
		*error = why(-EINVAL, "the id is not x86's, or its bits 51:40 are not zero");
		return NULL;
	}
	if (type - ANYKVM_X86_TYPE_GENERAL < TYPES) {
		row = row_of(type, index);
		if (!row) {
			*error = why(-ENOENT, "type 0x%x has no register 0x%x", type, index);
			return NULL;
		}
	} else if (type == KVM_X86_REG_TYPE_MSR) {
		row = &msr;
	} else if (type == KVM_X86_REG_TYPE_KVM && index == KVM_REG_GUEST_SSP) {
		row = &kvm;
	} else {
		*error = why(-EINVAL, "there is no type 0x%x, or it has no register 0x%x", type, index);
		return NULL;
	}
	if (__builtin_expect((id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT != row->size, 0)) {
		*error = why(-EINVAL, "the register has %u bits", 8u << row->size);
		return NULL;
	}
	return row;
}

static bool component_there(const struct x86_state *state, const struct x86_register *row)
{
	return row->component <= COMPONENT_SSE || state->xsave_at[row->component];
}

static bool register_there(const struct x86_state *state, const struct x86_register *row)
{
	if (row->family < FAMILIES && state->absent >> row->family & 1)
		return false;
	switch (row->place) {
	case PLACE_NOWHERE: return false;
	case PLACE_PDPTR: return state->sregs.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;
	case PLACE_XSAVE: case PLACE_YMM: case PLACE_ZMM: return component_there(state, row);
	default: return true;
	}
}

uint32_t x86_register_list(const struct x86_state *state, uint64_t *ids)
{
	uint32_t count = 0;

	for (uint32_t type = 0; type < TYPES; type++) {
		for (uint32_t i = 0; i < types[type].count; i++) {
			const struct x86_register *row = &types[type].rows[i];
			uint32_t index = type == ANYKVM_X86_TYPE_VECTOR - ANYKVM_X86_TYPE_GENERAL ? vector_index(i) : i;

			if (!register_there(state, row) || row->flags & REGISTER_UNLISTED)
				continue;
			if (ids)
				ids[count] = ANYKVM_X86_REG(type + ANYKVM_X86_TYPE_GENERAL, (uint64_t)row->size << KVM_REG_SIZE_SHIFT, index);
			count++;
		}
	}
	return count;
}

/* ---- Values. ---- */

/* Access rights as VMX has them: SDM Vol. 3C, table 25-2. */
static uint32_t attributes_get(const struct kvm_segment *s)
{
	return (s->type & 15u) | (s->s & 1u) << 4 | (s->dpl & 3u) << 5 | (s->present & 1u) << 7 | (s->avl & 1u) << 12 | (s->l & 1u) << 13 |
	       (s->db & 1u) << 14 | (s->g & 1u) << 15 | (s->unusable & 1u) << 16;
}

static void attributes_set(struct kvm_segment *s, uint32_t rights)
{
	s->type = rights & 15;
	s->s = rights >> 4 & 1;
	s->dpl = rights >> 5 & 3;
	s->present = rights >> 7 & 1;
	s->avl = rights >> 12 & 1;
	s->l = rights >> 13 & 1;
	s->db = rights >> 14 & 1;
	s->g = rights >> 15 & 1;
	s->unusable = rights >> 16 & 1;
}
#define ATTRIBUTES_KNOWN 0x1f0ffu

/* The pieces of ymm0 ... 15 and zmm0 ... 15, lowest first: xmm, AVX's upper half, AVX-512's upper half. */
struct piece {
	uint32_t at, size;
};

static unsigned int vector_pieces(const struct x86_state *state, const struct x86_register *row, struct piece pieces[3])
{
	uint32_t n = row->offset;

	pieces[0] = (struct piece){ 160 + 16 * n, 16 };
	pieces[1] = (struct piece){ state->xsave_at[COMPONENT_AVX] + 16 * n, 16 };
	pieces[2] = (struct piece){ state->xsave_at[COMPONENT_ZMM_HI256] + 32 * n, 32 };
	return row->place == PLACE_YMM ? 2 : 3;
}

static const void *vector_read(const struct x86_state *state, const struct x86_register *row, uint8_t *scratch)
{
	struct piece pieces[3];
	unsigned int count = vector_pieces(state, row, pieces);
	uint8_t *to = scratch;

	if (row->place == PLACE_YMM) { /* the usual one, without a loop */
		memcpy(scratch, state->xsave + pieces[0].at, 16);
		memcpy(scratch + 16, state->xsave + pieces[1].at, 16);
		return scratch;
	}
	for (unsigned int i = 0; i < count; to += pieces[i++].size)
		memcpy(to, state->xsave + pieces[i].at, pieces[i].size);
	return scratch;
}

/* A component that stays as it is may stay in its initial state. */
static void xsave_write(struct x86_state *state, uint32_t component, uint32_t at, const void *value, uint32_t size)
{
	if (!memcmp(state->xsave + at, value, size))
		return;
	memcpy(state->xsave + at, value, size);
	state->components_written |= 1u << component;
}

static void vector_write(struct x86_state *state, const struct x86_register *row, const uint8_t *value)
{
	static const uint8_t components[] = { COMPONENT_SSE, COMPONENT_AVX, COMPONENT_ZMM_HI256 };
	struct piece pieces[3];
	unsigned int count = vector_pieces(state, row, pieces);

	for (unsigned int i = 0; i < count; value += pieces[i++].size)
		xsave_write(state, components[i], pieces[i].at, value, pieces[i].size);
}

const void *x86_register_read(const struct x86_state *state, const struct x86_register *row, void *scratch)
{
	const uint8_t *plain = (const uint8_t *)state + row->offset;
	uint32_t rights;

	if (__builtin_expect(row->place == PLACE_PLAIN, 1))
		return plain;
	if (!register_there(state, row))
		return NULL;
	switch (row->place) {
	case PLACE_SEGMENT:
		memcpy(scratch, plain, sizeof(struct kvm_segment));
		memset((uint8_t *)scratch + sizeof(struct kvm_segment), 0, 32 - sizeof(struct kvm_segment));
		return scratch;
	case PLACE_ATTRIBUTES:
		rights = attributes_get((const struct kvm_segment *)plain);
		return memcpy(scratch, &rights, sizeof rights);
	case PLACE_PDPTR:
		return plain;
	case PLACE_XSAVE:
		return state->xsave + state->xsave_at[row->component] + row->offset;
	case PLACE_XSTATE_BV:
		return state->xsave + row->offset;
	case PLACE_YMM:
	case PLACE_ZMM:
		return vector_read(state, row, scratch);
	default:
		return NULL;
	}
}

static bool is_paging(const struct x86_register *row)
{
	return row->offset == AT(sregs.cr0) || row->offset == AT(sregs.cr3) || row->offset == AT(sregs.cr4) || row->offset == AT(sregs.efer);
}

/* KVM_SET_VCPU_EVENTS heeds some fields only with a flag; where nothing would be said, none is needed. */
static uint32_t event_flag(const struct x86_register *row, bool zero)
{
	switch (row->offset) {
	case AT(events.nmi.pending): return KVM_VCPUEVENT_VALID_NMI_PENDING;
	case AT(events.sipi_vector): return KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	case AT(events.interrupt.shadow): return KVM_VCPUEVENT_VALID_SHADOW;
	case AT(events.smi.smm):
	case AT(events.smi.pending):
	case AT(events.smi.smm_inside_nmi):
	case AT(events.smi.latched_init): return zero ? 0 : KVM_VCPUEVENT_VALID_SMM;
	case AT(events.exception.pending):
	case AT(events.exception_has_payload):
	case AT(events.exception_payload): return zero ? 0 : KVM_VCPUEVENT_VALID_PAYLOAD;
	case AT(events.triple_fault.pending): return zero ? 0 : KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	default: return 0;
	}
}

static void plain_write(struct x86_state *state, const struct x86_register *row, const void *value)
{
	static const uint8_t zeroes[8];
	uint32_t size = x86_register_size(row);

	memcpy((uint8_t *)state + row->offset, value, size);
	if (row->family == FAMILY_SREGS) {
		state->paging_written |= is_paging(row);
		if (row->offset == AT(sregs.efer))
			state->efer_msr_written = false;
	} else if (row->family == FAMILY_EVENTS && size <= sizeof zeroes) {
		state->events_written |= event_flag(row, memcmp(value, zeroes, size) == 0);
	}
}

static int segment_write(struct x86_state *state, const struct x86_register *row, const uint8_t *value)
{
	for (size_t i = sizeof(struct kvm_segment); i < 32; i++)
		if (value[i])
			return why(-EINVAL, "bytes behind struct kvm_segment are not zero");
	memcpy((uint8_t *)state + row->offset, value, sizeof(struct kvm_segment));
	return 0;
}

static int rights_write(struct x86_state *state, const struct x86_register *row, const void *value)
{
	uint32_t rights;

	memcpy(&rights, value, sizeof rights);
	if (rights & ~ATTRIBUTES_KNOWN)
		return why(-EINVAL, "0x%x has reserved bits (access rights: 0x%x)", rights, ATTRIBUTES_KNOWN);
	attributes_set((struct kvm_segment *)((uint8_t *)state + row->offset), rights);
	return 0;
}

int x86_register_write(struct x86_state *state, const struct x86_register *row, const void *value)
{
	int error = 0;

	if (row->flags & REGISTER_READ_ONLY) {
		uint8_t scratch[64];
		const void *now = x86_register_read(state, row, scratch);

		return now && !memcmp(now, value, x86_register_size(row)) ? 0 : why(-EINVAL, "read-only, and has another value");
	}
	if (row->place != PLACE_PDPTR && !register_there(state, row))
		return why(-ENOENT, "the vCPU has no such register");
	switch (row->place) {
	case PLACE_PLAIN:
		plain_write(state, row, value);
		break;
	case PLACE_SEGMENT:
		error = segment_write(state, row, value);
		break;
	case PLACE_ATTRIBUTES:
		error = rights_write(state, row, value);
		break;
	case PLACE_PDPTR:
		memcpy((uint8_t *)state + row->offset, value, 8);
		state->pdptrs_written = true;
		break;
	case PLACE_XSAVE:
		xsave_write(state, row->component, state->xsave_at[row->component] + row->offset, value, x86_register_size(row));
		break;
	case PLACE_XSTATE_BV:
		memcpy(state->xsave + row->offset, value, 8);
		state->xstate_bv_written = true;
		break;
	default:
		vector_write(state, row, value);
	}
	if (!error)
		state->changed |= 1u << row->family;
	return error;
}

/* ---- MSRs that are other registers too. ---- */

#define MSR_APIC_BASE 0x1b
#define MSR_EFER 0xc0000080
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101

enum x86_family x86_msr_alias_family(uint32_t index)
{
	return index == MSR_APIC_BASE || index == MSR_EFER || index == MSR_FS_BASE || index == MSR_GS_BASE ? FAMILY_SREGS : FAMILY_MSR;
}

bool x86_msr_alias_write(struct x86_state *state, uint32_t index, uint64_t value)
{
	switch (index) {
	case MSR_APIC_BASE:
		state->sregs.apic_base = value;
		break;
	case MSR_EFER:
		state->sregs.efer = value;
		state->efer_msr_written = state->paging_written = true;
		break;
	case MSR_FS_BASE:
		state->sregs.fs.base = value;
		break;
	case MSR_GS_BASE:
		state->sregs.gs.base = value;
		break;
	default:
		return false;
	}
	state->changed |= 1u << FAMILY_SREGS;
	return true;
}

/* ---- The end of a set. ---- */

#define CR0_PG (UINT64_C(1) << 31)
#define CR4_PAE (UINT64_C(1) << 5)
#define EFER_LME (UINT64_C(1) << 8)
#define EFER_LMA (UINT64_C(1) << 10)

static void sregs_settle(struct x86_state *state)
{
	struct kvm_sregs2 *sregs = &state->sregs;
	bool paging = sregs->cr0 & CR0_PG, pae = paging && sregs->cr4 & CR4_PAE;

	/* WRMSR leaves LMA to the processor. */
	if (state->efer_msr_written)
		sregs->efer = (sregs->efer & ~EFER_LMA) | (paging && sregs->efer & EFER_LME ? EFER_LMA : 0);
	/* The top entries are loaded from memory again unless they were given. */
	if (state->pdptrs_written)
		sregs->flags |= KVM_SREGS2_FLAGS_PDPTRS_VALID;
	else if (state->paging_written || !pae || sregs->efer & EFER_LMA)
		sregs->flags &= ~(__u64)KVM_SREGS2_FLAGS_PDPTRS_VALID;
}

void x86_state_settle(struct x86_state *state)
{
	uint64_t components;

	if (state->changed & 1u << FAMILY_SREGS)
		sregs_settle(state);
	if (state->changed & 1u << FAMILY_XSAVE && !state->xstate_bv_written) {
		memcpy(&components, state->xsave + XSTATE_BV_AT, sizeof components);
		components |= state->components_written;
		memcpy(state->xsave + XSTATE_BV_AT, &components, sizeof components);
	}
	state->events.flags |= state->events_written;
}
