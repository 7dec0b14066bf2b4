/*
 * Power-up and INIT: SDM Vol. 3A, table 9-1, with what KVM makes of it.
 */
#include <string.h>

#include "x86/cpu/exec.h"
#include "x86/cpu/flags.h"
#include "x86/ioctl.h"

static struct kvm_segment reset_segment(uint8_t type, uint8_t s)
{
	return (struct kvm_segment){ .limit = 0xffff, .type = type, .present = 1, .s = s };
}

static void segments_reset(struct x86_vcpu *cpu)
{
	for (enum segment seg = ES; seg <= GS; seg++)
		cpu->seg[seg] = reset_segment(3, 1);
	cpu->seg[SS] = reset_segment(2, 1);
	cpu->seg[CS] = reset_segment(10, 1);
	cpu->seg[CS].selector = 0xf000;
	cpu->seg[CS].base = 0xffff0000;
	cpu->seg[TR] = reset_segment(3, 0);
	cpu->seg[LDTR] = reset_segment(2, 0);
	cpu->gdt = cpu->idt = (struct kvm_dtable){ .limit = 0xffff };
}

static void events_reset(struct x86_vcpu *cpu)
{
	memset(&cpu->exception, 0, sizeof cpu->exception);
	memset(&cpu->interrupt, 0, sizeof cpu->interrupt);
	memset(&cpu->nmi, 0, sizeof cpu->nmi);
	cpu->interrupt_shadow = 0;
	cpu->triple_fault_pending = false;
	cpu->smi_pending = cpu->in_smm = cpu->smm_inside_nmi = false;
}

void x86_vcpu_reset(struct x86_vcpu *cpu, bool init)
{
	memset(cpu->gpr, 0, sizeof cpu->gpr);
	cpu->gpr[RDX] = 0x600;
	if (cpu->cpuid_count && cpuid_find(cpu, 1, 0))
		cpu->gpr[RDX] = cpuid_find(cpu, 1, 0)->eax;
	cpu->rip = 0xfff0;
	flags_set(cpu, 2);
	segments_reset(cpu);
	/* INIT keeps CD and NW. */
	cpu->cr0 = init ? (cpu->cr0 & (CR0_CD | CR0_NW)) | CR0_ET : CR0_CD | CR0_NW | CR0_ET;
	cpu->cr2 = cpu->cr3 = cpu->cr4 = cpu->cr8 = cpu->efer = 0;
	memset(cpu->dr, 0, sizeof cpu->dr);
	cpu->dr6 = 0xffff0ff0;
	cpu->dr7 = 0x400;
	events_reset(cpu);
	cpu->pv_system_time = cpu->pv_eoi = 0;
	cpu->pv_eoi_offered = cpu->pv_unhalted = false;
	cpu->completion = COMPLETE_NONE;
	cpu->mmio_count = cpu->mmio_done = cpu->mmio_write_count = 0;
	cpu->stop = STOP_NONE;
	cpu->step_open = false;
	if (!init) {
		cpu->xcr0 = XCR0_X87;
		cpu->xss = 0;
		memset(&cpu->xsave, 0, sizeof cpu->xsave);
		cpu->xsave.fcw = 0x37f;
		cpu->xsave.mxcsr = 0x1f80;
		cpu->xsave.mxcsr_mask = 0xffff;
	}
	cpu_state_changed(cpu, true);
}
