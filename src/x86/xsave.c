/*
 * KVM_GET_FPU, KVM_GET_XSAVE, KVM_GET_XCRS and their counterparts: api.rst, 4.22, 4.23, 4.42 to 4.45. The FPU's state is an XSAVE
 * area already (SDM Vol. 1, 13.4); what is checked is what the XRSTOR instruction would fault on.
 */
#include <errno.h>
#include <string.h>

#include "core/why.h"
#include "x86/cpu/fpu.h"
#include "x86/ioctl.h"

#define MXCSR_KNOWN 0xffffu
#define SOFTWARE_XCR0 464 /* where KVM tells the bits that the area can have */

void fpu_get(struct x86_vcpu *cpu, struct kvm_fpu *fpu)
{
	memset(fpu, 0, sizeof *fpu);
	memcpy(fpu->fpr, cpu->xsave.st, sizeof fpu->fpr);
	memcpy(fpu->xmm, cpu->xsave.xmm, sizeof fpu->xmm);
	fpu->fcw = cpu->xsave.fcw;
	fpu->fsw = cpu->xsave.fsw;
	fpu->ftwx = cpu->xsave.ftw;
	fpu->last_opcode = cpu->xsave.fop;
	fpu->last_ip = cpu->xsave.fip;
	fpu->last_dp = cpu->xsave.fdp;
	/* KVM never tells MXCSR here. */
}

int fpu_set(struct x86_vcpu *cpu, const struct kvm_fpu *fpu)
{
	memcpy(cpu->xsave.st, fpu->fpr, sizeof fpu->fpr);
	memcpy(cpu->xsave.xmm, fpu->xmm, sizeof fpu->xmm);
	cpu->xsave.fcw = fpu->fcw;
	cpu->xsave.fsw = fpu->fsw;
	cpu->xsave.ftw = fpu->ftwx;
	cpu->xsave.fop = fpu->last_opcode;
	cpu->xsave.fip = fpu->last_ip;
	cpu->xsave.fdp = fpu->last_dp;
	cpu->xsave.xstate_bv |= XCR0_X87 | XCR0_SSE;
	return 0;
}

void xsave_get(struct x86_vcpu *cpu, struct kvm_xsave *xsave)
{
	struct x86_xsave area = cpu->xsave;
	uint64_t supported = CPUID_XCR0;

	area.xstate_bv = fpu_xstate_bv(cpu);
	area.mxcsr_mask = MXCSR_KNOWN;
	memcpy((uint8_t *)&area + SOFTWARE_XCR0, &supported, sizeof supported);
	memcpy(xsave, &area, sizeof area);
}

static int area_check(const struct x86_xsave *area)
{
	uint64_t bad = area->xstate_bv & ~(uint64_t)CPUID_XCR0;

	if (bad)
		return why(-EINVAL, "xstate_bv: bit %d is no component of this vCPU's", __builtin_ctzll(bad));
	if (area->xcomp_bv)
		return why(-EINVAL, "xcomp_bv: 0x%llx: the compacted form is not KVM's", (unsigned long long)area->xcomp_bv);
	for (unsigned int i = 0; i < 6; i++)
		if (area->header_reserved[i])
			return why(-EINVAL, "xsave header: reserved bytes are not zero");
	if (area->xstate_bv & (XCR0_SSE | XCR0_AVX) && area->mxcsr & ~MXCSR_KNOWN)
		return why(-EINVAL, "mxcsr: 0x%x has reserved bits", area->mxcsr);
	return 0;
}

int xsave_set(struct x86_vcpu *cpu, const struct kvm_xsave *xsave)
{
	struct x86_xsave area;
	int error;

	memcpy(&area, xsave, sizeof area);
	error = area_check(&area);
	if (error)
		return error;
	/* Components that are not there take their initial state. */
	fpu_components_init(cpu, CPUID_XCR0 & ~area.xstate_bv);
	if (area.xstate_bv & XCR0_X87)
		memcpy(&cpu->xsave, &area, offsetof(struct x86_xsave, mxcsr));
	if (area.xstate_bv & XCR0_X87)
		memcpy(cpu->xsave.st, area.st, sizeof area.st);
	if (area.xstate_bv & XCR0_SSE)
		memcpy(cpu->xsave.xmm, area.xmm, sizeof area.xmm);
	if (area.xstate_bv & XCR0_AVX)
		memcpy(cpu->xsave.ymmh, area.ymmh, sizeof area.ymmh);
	cpu->xsave.mxcsr = area.xstate_bv & (XCR0_SSE | XCR0_AVX) ? area.mxcsr : 0x1f80;
	if (area.xstate_bv & XCR0_PKRU)
		cpu->xsave.pkru = area.pkru;
	cpu->xsave.xstate_bv = area.xstate_bv;
	cpu_state_changed(cpu, true); /* MXCSR's masks; PKRU's rights */
	return 0;
}

void xcrs_get(struct x86_vcpu *cpu, struct kvm_xcrs *xcrs)
{
	memset(xcrs, 0, sizeof *xcrs);
	xcrs->nr_xcrs = 1;
	xcrs->xcrs[0].value = cpu->xcr0;
}

int xcrs_set(struct x86_vcpu *cpu, const struct kvm_xcrs *xcrs)
{
	if (xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return why(-EINVAL, "nr_xcrs: %u is more than %u, or flags (0x%x) are not 0", xcrs->nr_xcrs, KVM_MAX_XCRS, xcrs->flags);
	for (uint32_t i = 0; i < xcrs->nr_xcrs; i++) {
		if (xcrs->xcrs[i].xcr != 0)
			continue; /* there is no other */
		if (!xcr0_write(cpu, 0, xcrs->xcrs[i].value))
			return why(-EINVAL, "xcr0: 0x%llx: bit 0 must be set, the others must be in CPUID leaf 0xd (0x%llx)",
				   (unsigned long long)xcrs->xcrs[i].value, (unsigned long long)xcr0_guest(cpu));
		break;
	}
	return 0;
}
