/*
 * What --trace shows of KVMs of x86 guests alone.
 */
#include <inttypes.h>

#include "anykvm/kvm.h"
#include "core/user.h"
#include "shim/trace.h"

static void show_regs(struct line *line, const void *data, long result)
{
	const struct kvm_regs *r = data;

	(void)result;
	add(line, "{rip=0x%llx, rflags=0x%llx, rax=0x%llx, rbx=0x%llx, rcx=0x%llx, rdx=0x%llx, rsi=0x%llx, rdi=0x%llx, rsp=0x%llx, rbp=0x%llx, "
		  "r8=0x%llx, r9=0x%llx, r10=0x%llx, r11=0x%llx, r12=0x%llx, r13=0x%llx, r14=0x%llx, r15=0x%llx}",
	    r->rip, r->rflags, r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rsp, r->rbp, r->r8, r->r9, r->r10, r->r11, r->r12, r->r13,
	    r->r14, r->r15);
}

static void show_segment(struct line *line, const char *name, const struct kvm_segment *s)
{
	add(line, "%s=0x%x:0x%llx/0x%x, ", name, s->selector, s->base, s->limit);
}

static void show_sregs(struct line *line, const void *data, long result)
{
	const struct kvm_sregs *s = data; /* struct kvm_sregs2 begins the same way */

	(void)result;
	add(line, "{");
	show_segment(line, "cs", &s->cs);
	show_segment(line, "ds", &s->ds);
	show_segment(line, "es", &s->es);
	show_segment(line, "fs", &s->fs);
	show_segment(line, "gs", &s->gs);
	show_segment(line, "ss", &s->ss);
	show_segment(line, "tr", &s->tr);
	add(line, "gdt=0x%llx/0x%x, idt=0x%llx/0x%x, cr0=0x%llx, cr2=0x%llx, cr3=0x%llx, cr4=0x%llx, cr8=0x%llx, efer=0x%llx, apic_base=0x%llx}",
	    s->gdt.base, s->gdt.limit, s->idt.base, s->idt.limit, s->cr0, s->cr2, s->cr3, s->cr4, s->cr8, s->efer, s->apic_base);
}

static void show_events(struct line *line, const void *data, long result)
{
	const struct kvm_vcpu_events *e = data;

	(void)result;
	add(line, "{exception={injected=%u, nr=%u, pending=%u, error_code=0x%x}, interrupt={injected=%u, nr=%u, soft=%u, shadow=%u}, "
		  "nmi={injected=%u, pending=%u, masked=%u}, flags=0x%x}",
	    e->exception.injected, e->exception.nr, e->exception.pending, e->exception.error_code, e->interrupt.injected, e->interrupt.nr,
	    e->interrupt.soft, e->interrupt.shadow, e->nmi.injected, e->nmi.pending, e->nmi.masked, e->flags);
}

static void show_debugregs(struct line *line, const void *data, long result)
{
	const struct kvm_debugregs *d = data;

	(void)result;
	add(line, "{db=[0x%llx, 0x%llx, 0x%llx, 0x%llx], dr6=0x%llx, dr7=0x%llx, flags=0x%llx}", d->db[0], d->db[1], d->db[2], d->db[3], d->dr6,
	    d->dr7, d->flags);
}

static void show_guest_debug(struct line *line, const void *data, long result)
{
	const struct kvm_guest_debug *d = data;

	(void)result;
	add(line, "{control=0x%x, debugreg=[0x%llx, 0x%llx, 0x%llx, 0x%llx, ..., dr7=0x%llx]}", d->control, d->arch.debugreg[0],
	    d->arch.debugreg[1], d->arch.debugreg[2], d->arch.debugreg[3], d->arch.debugreg[7]);
}

static void show_xcrs(struct line *line, const void *data, long result)
{
	const struct kvm_xcrs *x = data;

	(void)result;
	add(line, "{nr_xcrs=%u, xcr%u=0x%llx}", x->nr_xcrs, x->xcrs[0].xcr, x->xcrs[0].value);
}

/* ---- MSRs: as many as the call says, a few shown. ---- */

static bool show_msrs(struct line *line, unsigned int cmd, unsigned long arg)
{
	uint32_t count;

	if (cmd != (unsigned int)KVM_GET_MSRS && cmd != (unsigned int)KVM_SET_MSRS)
		return false;
	if (user_read(&count, arg, sizeof count)) {
		add(line, "0x%lx", arg);
		return true;
	}
	add(line, "{nmsrs=%u, [", count);
	for (uint32_t i = 0; i < count && i < 4; i++) {
		struct kvm_msr_entry entry;

		if (user_read(&entry, arg + sizeof(struct kvm_msrs) + i * sizeof entry, sizeof entry))
			break;
		add(line, "%s0x%x=0x%llx", i ? ", " : "", entry.index, entry.data);
	}
	add(line, count > 4 ? ", ...]}" : "]}");
	return true;
}

static const struct trace_show shows[] = {
	{ (unsigned int)KVM_GET_REGS, sizeof(struct kvm_regs), show_regs },
	{ (unsigned int)KVM_SET_REGS, sizeof(struct kvm_regs), show_regs },
	{ (unsigned int)KVM_GET_SREGS, sizeof(struct kvm_sregs), show_sregs },
	{ (unsigned int)KVM_SET_SREGS, sizeof(struct kvm_sregs), show_sregs },
	{ (unsigned int)KVM_GET_SREGS2, sizeof(struct kvm_sregs), show_sregs },
	{ (unsigned int)KVM_SET_SREGS2, sizeof(struct kvm_sregs), show_sregs },
	{ (unsigned int)KVM_GET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events), show_events },
	{ (unsigned int)KVM_SET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events), show_events },
	{ (unsigned int)KVM_GET_DEBUGREGS, sizeof(struct kvm_debugregs), show_debugregs },
	{ (unsigned int)KVM_SET_DEBUGREGS, sizeof(struct kvm_debugregs), show_debugregs },
	{ (unsigned int)KVM_SET_GUEST_DEBUG, sizeof(struct kvm_guest_debug), show_guest_debug },
	{ (unsigned int)KVM_GET_XCRS, sizeof(struct kvm_xcrs), show_xcrs },
	{ (unsigned int)KVM_SET_XCRS, sizeof(struct kvm_xcrs), show_xcrs },
	{ (unsigned int)KVM_GET_SUPPORTED_CPUID, sizeof(uint32_t), show_count },
	{ (unsigned int)KVM_GET_EMULATED_CPUID, sizeof(uint32_t), show_count },
	{ (unsigned int)KVM_SET_CPUID2, sizeof(uint32_t), show_count },
	{ (unsigned int)KVM_GET_CPUID2, sizeof(uint32_t), show_count },
	{ (unsigned int)KVM_GET_MSR_INDEX_LIST, sizeof(uint32_t), show_count },
	{ 0, 0, NULL },
};

static void show_exit(struct line *line, const struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_DEBUG:
		add(line, " {exception=%u, pc=0x%llx, dr6=0x%llx, dr7=0x%llx}", run->debug.arch.exception, run->debug.arch.pc, run->debug.arch.dr6,
		    run->debug.arch.dr7);
		break;
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		add(line, " {index=0x%x, reason=0x%x, data=0x%llx}", run->msr.index, run->msr.reason, run->msr.data);
		break;
	}
}

const struct trace_arch trace_x86 = { shows, show_msrs, show_exit };
