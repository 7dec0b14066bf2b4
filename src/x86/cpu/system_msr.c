/*
 * RDMSR and WRMSR with their way to the program (KVM_CAP_X86_USER_SPACE_MSR), time stamps, CPUID, XSETBV. What an MSR means is
 * msr.c's.
 */
#include <errno.h>

#include "x86/cpu/system.h"

/* ---- MSRs: api.rst, KVM_CAP_X86_USER_SPACE_MSR. ---- */

/* Why an access fails, or 0. */
static uint32_t failure_reason(int error)
{
	return error == -ENOENT ? KVM_MSR_EXIT_REASON_UNKNOWN : KVM_MSR_EXIT_REASON_INVAL;
}

/* An access that failed: the program's when it asked for failures of this kind, else #GP(0). RIP stays in either case. */
static void access_failed(struct x86_vcpu *cpu, const struct insn *insn, uint32_t reason, bool write)
{
	struct kvm_run *run = cpu->vcpu.run;

	if (!(x86_vm(cpu)->user_space_msr & reason)) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	cpu->msr_exit.index = (uint32_t)cpu->gpr[RCX];
	cpu->msr_exit.length = insn->length;
	run->exit_reason = write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	run->msr.error = 0;
	memset(run->msr.pad, 0, sizeof run->msr.pad);
	run->msr.reason = reason;
	run->msr.index = cpu->msr_exit.index;
	run->msr.data = write ? edx_eax(cpu) : 0;
	cpu->completion = write ? COMPLETE_WRMSR : COMPLETE_RDMSR;
	cpu->stop = STOP_EXIT;
}

void msr_exit_complete(struct x86_vcpu *cpu, bool write)
{
	const struct kvm_run *run = cpu->vcpu.run;

	if (run->msr.error) {
		exception_raise(cpu, VECTOR_GP, true, 0);
		return;
	}
	if (!write)
		edx_eax_set(cpu, run->msr.data);
	cpu->rip = rip_behind(cpu, cpu->msr_exit.length);
}

void msr_read_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint32_t index = (uint32_t)cpu->gpr[RCX];
	uint64_t value;
	int error;

	insn_sync(cpu, insn);
	if (!privilege_check(cpu, insn))
		return;
	if (!msr_allowed(cpu, index, false)) {
		access_failed(cpu, insn, KVM_MSR_EXIT_REASON_FILTER, false);
		return;
	}
	error = msr_read(cpu, index, false, &value);
	if (error) {
		access_failed(cpu, insn, failure_reason(error), false);
		return;
	}
	edx_eax_set(cpu, value);
	insn_next(cpu, insn);
}

void msr_write_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint32_t index = (uint32_t)cpu->gpr[RCX];
	int error;

	insn_sync(cpu, insn);
	if (!privilege_check(cpu, insn))
		return;
	if (!msr_allowed(cpu, index, true)) {
		access_failed(cpu, insn, KVM_MSR_EXIT_REASON_FILTER, true);
		return;
	}
	error = msr_write(cpu, index, false, edx_eax(cpu));
	if (error) {
		access_failed(cpu, insn, failure_reason(error), true);
		return;
	}
	/* A write may have woken an interrupt (x2APIC) or changed the mode (EFER). */
	insn_done(cpu, insn, cpu->lapic ? STOP_EVENT : STOP_NONE);
}

/* ---- Counters. ---- */

/* CR4.TSD keeps the time stamp from programs. */
static bool tsc_allowed(struct x86_vcpu *cpu, const struct insn *insn)
{
	return !(cpu->cr4 & CR4_TSD) || privilege_check(cpu, insn);
}

void tsc_read_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (!tsc_allowed(cpu, insn))
		return;
	edx_eax_set(cpu, x86_tsc_read(cpu));
	insn_next(cpu, insn);
}

void tsc_read_pid_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (!tsc_allowed(cpu, insn))
		return;
	edx_eax_set(cpu, x86_tsc_read(cpu));
	cpu->gpr[RCX] = (uint32_t)cpu->tsc_aux;
	insn_next(cpu, insn);
}

static void pid_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	cpu->gpr[insn->reg] = (uint32_t)cpu->tsc_aux;
	insn_next(cpu, insn);
}

bool pid_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	insn->reg = decode_gpr(d->op[0].reg.value);
	insn->run = pid_run;
	return cpuid_has(d->cpu, 7, 0, RCX, 22);
}

/* RDPMC: there are no performance counters. */
void counter_read_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_fault_code(cpu, insn, VECTOR_GP, 0);
}

/* ---- CPUID, XSETBV. ---- */

void cpuid_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint32_t eax = (uint32_t)cpu->gpr[RAX], ebx = (uint32_t)cpu->gpr[RBX], ecx = (uint32_t)cpu->gpr[RCX], edx = (uint32_t)cpu->gpr[RDX];

	if (cpu->cpuid_faulting && !privilege_check(cpu, insn))
		return;
	cpuid_execute(cpu, &eax, &ebx, &ecx, &edx);
	cpu->gpr[RAX] = eax;
	cpu->gpr[RBX] = ebx;
	cpu->gpr[RCX] = ecx;
	cpu->gpr[RDX] = edx;
	insn_next(cpu, insn);
}

void xcr_write_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_sync(cpu, insn);
	if (!(cpu->cr4 & CR4_OSXSAVE)) {
		insn_fault(cpu, insn, VECTOR_UD);
		return;
	}
	if (!privilege_check(cpu, insn))
		return;
	if (!xcr0_write(cpu, (uint32_t)cpu->gpr[RCX], edx_eax(cpu))) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	cpu_state_changed(cpu, false);
	insn_done(cpu, insn, STOP_NONE);
}
