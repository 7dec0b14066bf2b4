/*
 * KVM_GET_REGS and KVM_SET_REGS: api.rst, 4.11 and 4.12.
 */
#include "x86/cpu/flags.h"
#include "x86/ioctl.h"

void regs_get(struct x86_vcpu *cpu, struct kvm_regs *regs)
{
	const uint64_t *gpr = cpu->gpr;

	*regs = (struct kvm_regs){
		.rax = gpr[RAX], .rbx = gpr[RBX], .rcx = gpr[RCX], .rdx = gpr[RDX], .rsi = gpr[RSI], .rdi = gpr[RDI], .rsp = gpr[RSP],
		.rbp = gpr[RBP], .r8 = gpr[R8], .r9 = gpr[R9], .r10 = gpr[R10], .r11 = gpr[R11], .r12 = gpr[R12], .r13 = gpr[R13],
		.r14 = gpr[R14], .r15 = gpr[R15], .rip = cpu->rip, .rflags = flags_get(cpu),
	};
}

/* Never fails, whatever the values: bit 1 of RFLAGS is set, a pending exception is forgotten. */
int regs_set(struct x86_vcpu *cpu, const struct kvm_regs *regs)
{
	uint64_t *gpr = cpu->gpr;

	gpr[RAX] = regs->rax;
	gpr[RBX] = regs->rbx;
	gpr[RCX] = regs->rcx;
	gpr[RDX] = regs->rdx;
	gpr[RSI] = regs->rsi;
	gpr[RDI] = regs->rdi;
	gpr[RSP] = regs->rsp;
	gpr[RBP] = regs->rbp;
	gpr[R8] = regs->r8;
	gpr[R9] = regs->r9;
	gpr[R10] = regs->r10;
	gpr[R11] = regs->r11;
	gpr[R12] = regs->r12;
	gpr[R13] = regs->r13;
	gpr[R14] = regs->r14;
	gpr[R15] = regs->r15;
	cpu->rip = regs->rip;
	flags_set(cpu, regs->rflags | 2);
	cpu->exception.pending = false;
	cpu_state_changed(cpu, false);
	/* KVM steps by the guest's own TF, and gives it back only where stepping was asked for. */
	cpu->step_lost = linear_rip(cpu) != cpu->singlestep_rip;
	return 0;
}
