/*
 * KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, KVM_SET_GUEST_DEBUG: api.rst, 4.33, 4.34, 4.87.
 */
#include <errno.h>
#include <string.h>

#include "core/why.h"
#include "x86/ioctl.h"

#define DR6_FIXED UINT64_C(0xffff0ff0)

void debugregs_get(struct x86_vcpu *cpu, struct kvm_debugregs *debugregs)
{
	memset(debugregs, 0, sizeof *debugregs);
	memcpy(debugregs->db, cpu->dr, sizeof debugregs->db);
	debugregs->dr6 = cpu->dr6;
	debugregs->dr7 = cpu->dr7;
}

int debugregs_set(struct x86_vcpu *cpu, const struct kvm_debugregs *debugregs)
{
	if (debugregs->flags)
		return why(-EINVAL, "flags: 0x%llx must be 0", (unsigned long long)debugregs->flags);
	if (debugregs->dr6 >> 32)
		return why(-EINVAL, "dr6: 0x%llx has bits above 31", (unsigned long long)debugregs->dr6);
	if (debugregs->dr7 >> 32)
		return why(-EINVAL, "dr7: 0x%llx has bits above 31", (unsigned long long)debugregs->dr7);
	memcpy(cpu->dr, debugregs->db, sizeof cpu->dr);
	cpu->dr6 = debugregs->dr6;
	cpu->dr7 = debugregs->dr7;
	return 0;
}

/* KVM_GUESTDBG_INJECT_DB and _BP: an exception for the guest, unless one waits already. */
static int exception_queue(struct x86_vcpu *cpu, uint32_t control)
{
	if (!(control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)))
		return 0;
	if (cpu->exception.pending || cpu->exception.injected)
		return why(-EBUSY, "an exception is pending already: no second one can be injected");
	cpu->exception.pending = true;
	cpu->exception.injected = false;
	cpu->exception.nr = control & KVM_GUESTDBG_INJECT_DB ? VECTOR_DB : VECTOR_BP;
	cpu->exception.has_error_code = false;
	cpu->exception.error_code = 0;
	cpu->exception.has_payload = false;
	cpu->exception.payload = 0;
	return 0;
}

int guest_debug_set(struct x86_vcpu *cpu, const struct kvm_guest_debug *debug)
{
	int error = exception_queue(cpu, debug->control);

	if (error)
		return error;
	cpu->guest_debug = *debug;
	if (!(debug->control & KVM_GUESTDBG_ENABLE))
		cpu->guest_debug.control = 0;
	if (cpu->guest_debug.control & KVM_GUESTDBG_USE_HW_BP)
		cpu->guest_debug.arch.debugreg[6] = DR6_FIXED;
	cpu->singlestep_rip = linear_rip(cpu);
	cpu->step_lost = false;
	return 0;
}
