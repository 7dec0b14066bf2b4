/*
 * KVM_SET_GUEST_DEBUG (api.rst 4.87): what is to be watched. Who watches is the interpreter (cpu/debug.c).
 */
#include <errno.h>
#include <string.h>

#include "arm64/ioctl.h"
#include "core/why.h"

int arm64_guest_debug_set(struct arm64_vcpu *cpu, const struct kvm_guest_debug *debug)
{
	if (debug->control & ~(uint32_t)ARM64_GUEST_DEBUG_CONTROLS)
		return why(-EINVAL, "control: 0x%x has bits other than 0x%x", debug->control, ARM64_GUEST_DEBUG_CONTROLS);
	if (!(debug->control & KVM_GUESTDBG_ENABLE)) {
		cpu->guest_debug.control = 0;
		return 0;
	}
	cpu->guest_debug.control = debug->control;
	if (debug->control & KVM_GUESTDBG_USE_HW)
		cpu->guest_debug.arch = debug->arch;
	return 0;
}
