/*
 * The catalogue: where each x86 register that has an id (anykvm/kvm.h) stands in what KVM's other calls read and write. Software and hardware
 * KVM read the same rows: whatever fills a struct x86_state can answer for its registers. Knows neither a vCPU nor an ioctl.
 */
#ifndef ANYKVM_X86_CATALOGUE_H
#define ANYKVM_X86_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "anykvm/kvm.h"

/* Which call moves a register. */
enum x86_family {
	FAMILY_REGS, FAMILY_SREGS, FAMILY_DEBUGREGS, FAMILY_XCRS, FAMILY_XSAVE, FAMILY_EVENTS, FAMILY_MP_STATE, FAMILY_TSC_OFFSET, FAMILY_TSC_KHZ,
	FAMILIES,
	FAMILY_MSR = FAMILIES, /* one by one, or in one KVM_GET_MSRS */
	FAMILY_KVM             /* the kernel's KVM_X86_REG_TYPE_KVM */
};

/* Components of the XSAVE area's standard form, by their bits in XCR0 (SDM Vol. 1, 13.1). */
enum x86_component { COMPONENT_X87, COMPONENT_SSE, COMPONENT_AVX, COMPONENT_OPMASK = 5, COMPONENT_ZMM_HI256, COMPONENT_HI16_ZMM, COMPONENT_PKRU = 9, COMPONENTS };

/* A vCPU's registers as KVM's calls have them. */
struct x86_state {
	uint32_t have;    /* families that stand here, 1 << FAMILY_... */
	uint32_t absent;  /* families that this KVM has not got */
	uint32_t changed; /* families with registers that x86_register_write() has changed */
	/* What has been written, besides the values: x86_state_settle() makes the rest fit. */
	bool paging_written, pdptrs_written, efer_msr_written, xstate_bv_written;
	uint64_t components_written;
	uint32_t events_written;  /* KVM_VCPUEVENT_VALID_... */

	uint8_t *xsave;           /* the area, standard form */
	uint32_t xsave_at[COMPONENTS]; /* where in it components begin; 0: the vCPU has no such component (but x87 and SSE) */
	struct kvm_regs regs;
	struct kvm_sregs2 sregs;
	struct kvm_debugregs debugregs;
	struct kvm_xcrs xcrs;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	uint32_t tsc_khz;
	uint64_t tsc_offset;
};

enum x86_place {
	PLACE_NOWHERE,    /* the id is nobody's */
	PLACE_PLAIN,      /* `offset` in struct x86_state */
	PLACE_SEGMENT,    /* a struct kvm_segment there, and zeroes behind it */
	PLACE_ATTRIBUTES, /* of the struct kvm_segment there */
	PLACE_PDPTR,      /* plain, but there in PAE paging only */
	PLACE_XSAVE,      /* `offset` in `component` of the XSAVE area */
	PLACE_YMM, PLACE_ZMM, /* of pieces in several components; `offset` is the number */
	PLACE_XSTATE_BV,
	PLACE_MSR, PLACE_KVM, /* the index says which */
};

#define REGISTER_READ_ONLY 1u /* writing what stands there is no error */
#define REGISTER_UNLISTED 2u  /* not state to save: written only */

struct x86_register {
	uint8_t family, place, component, flags;
	uint16_t offset;
	uint8_t size; /* log2 of bytes */
};

/* The row of an id; or NULL and -EINVAL (not x86's, or another size) or -ENOENT (an index that is nobody's) in `*error`. */
const struct x86_register *x86_register_find(uint64_t id, int *error);

static inline uint32_t x86_register_size(const struct x86_register *row)
{
	return 1u << row->size;
}

/*
 * The register's value: somewhere in the state, or put together in `scratch` (64 bytes); its family is there. NULL: this vCPU does not
 * have it. Neither MSRs nor FAMILY_KVM.
 */
const void *x86_register_read(const struct x86_state *state, const struct x86_register *row, void *scratch);

/* Changes the state. 0, -EINVAL (read-only), -ENOENT (this vCPU does not have it). */
int x86_register_write(struct x86_state *state, const struct x86_register *row, const void *value);

/* An MSR that is a register of another family as well: true when the write went there. For sets of several registers, which must agree. */
bool x86_msr_alias_write(struct x86_state *state, uint32_t index, uint64_t value);
/* The family that such an MSR needs in the state first; FAMILY_MSR: it is no alias. */
enum x86_family x86_msr_alias_family(uint32_t index);

/* After the last write: flags that say what else is valid follow from what was written. */
void x86_state_settle(struct x86_state *state);

/* The ids of all listed registers but MSRs that a vCPU with this state (FAMILY_SREGS is there) has; `ids` NULL: only counts. */
uint32_t x86_register_list(const struct x86_state *state, uint64_t *ids);

#endif
