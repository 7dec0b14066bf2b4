/*
 * KVM_GET_VCPU_EVENTS and KVM_SET_VCPU_EVENTS (api.rst 4.31, 4.32): a pending SError; an external abort of the last access, for the program that
 * has nothing at that address.
 */
#include <errno.h>
#include <string.h>

#include "arm64/ioctl.h"
#include "core/why.h"

#define ESR_ISS UINT64_C(0x1ffffff)
#define ESR_IDS UINT64_C(0x1000000) /* the syndrome is IMPLEMENTATION DEFINED: nothing is known */

/* An abort is delivered when the vCPU runs next, and is never shown. */
void arm64_events_get(const struct arm64_vcpu *cpu, struct kvm_vcpu_events *events)
{
	memset(events, 0, sizeof *events);
	events->exception.serror_pending = cpu->serror.pending;
	events->exception.serror_has_esr = 1;
	if (cpu->serror.pending)
		events->exception.serror_esr = cpu->serror.esr;
}

static bool any_byte(const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (((const uint8_t *)bytes)[i])
			return true;
	return false;
}

/* What is not pending in `events` stays as it is. */
int arm64_events_set(struct arm64_vcpu *cpu, const struct kvm_vcpu_events *events)
{
	uint64_t esr = ESR_IDS;

	if (any_byte(events->reserved, sizeof events->reserved) || any_byte(events->exception.pad, sizeof events->exception.pad))
		return why(-EINVAL, "reserved, exception.pad: must be 0");
	if (events->exception.serror_pending && events->exception.serror_has_esr) {
		esr = events->exception.serror_esr;
		if (esr & ~ESR_ISS)
			return why(-EINVAL, "exception.serror_esr: 0x%llx is more than an ISS (25 bits)", (unsigned long long)esr);
	}
	if (events->exception.serror_pending) {
		cpu->serror.pending = true;
		cpu->serror.esr = esr;
	}
	if (events->exception.ext_dabt_pending)
		cpu->external_abort_pending = true;
	return 0;
}
