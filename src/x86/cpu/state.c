/*
 * What the interpreter derives from the registers: the mode that code is decoded for, the privilege level, the translations
 * in force. Called whenever one of them may have changed; cheap when nothing did.
 */
#include "x86/cpu/exec.h"
#include "x86/cpu/insn.h"

/* KVM's notion on AMD: SS.DPL is the CPL; real mode runs at 0 and virtual-8086 mode at 3. */
static uint8_t cpl_of(const struct x86_vcpu *cpu)
{
	if (!(cpu->cr0 & CR0_PE))
		return 0;
	if (cpu->rflags & FLAG_VM)
		return 3;
	return cpu->seg[SS].dpl & 3;
}

static bool segment_flat(const struct kvm_segment *segment)
{
	/* Writable, expand-up data, or anything usable in real and virtual-8086 mode. */
	return segment->base == 0 && segment->limit == UINT32_MAX && !segment->unusable && segment->present && (segment->type & 0xe) == 2;
}

static uint32_t mode_of(const struct x86_vcpu *cpu)
{
	bool long_mode = cpu->efer & EFER_LMA;
	uint32_t mode;

	if (long_mode && cpu->seg[CS].l)
		mode = MODE_CODE64;
	else
		mode = cpu->seg[CS].db ? MODE_CODE32 : MODE_CODE16;
	if (cpu->seg[SS].db)
		mode |= MODE_STACK32;
	if (!(cpu->cr0 & CR0_PE))
		mode |= MODE_REAL;
	else if (cpu->rflags & FLAG_VM)
		mode |= MODE_VM86;
	if (long_mode)
		mode |= MODE_LONG;
	if (cpu->cpl == 3)
		mode |= MODE_USER;
	if (segment_flat(&cpu->seg[DS]) && segment_flat(&cpu->seg[ES]) && segment_flat(&cpu->seg[SS]))
		mode |= MODE_FLAT;
	if (cpu->cr0 & CR0_TS)
		mode |= MODE_TS;
	if (cpu->cr0 & CR0_EM)
		mode |= MODE_EM;
	if (cpu->cr0 & CR0_MP)
		mode |= MODE_MP;
	if (cpu->cr4 & CR4_OSFXSR)
		mode |= MODE_OSFXSR;
	if (cpu->cr4 & CR4_OSXSAVE)
		mode |= MODE_OSXSAVE;
	if (cpu->cpl == 3 && cpu->cr0 & CR0_AM && cpu->rflags & FLAG_AC)
		mode |= MODE_ALIGN;
	if ((~cpu->xsave.mxcsr >> 7 & 0x3f) != 0)
		mode |= MODE_SSE_TRAPS;
	return mode;
}

/* Virtual-8086 mode leaves a segment's rights to nobody: a write to unusable real-mode segments is fine. */
static uint8_t mmu_index_of(const struct x86_vcpu *cpu)
{
	if (cpu->cpl == 3)
		return MMU_USER;
	return cpu->cr4 & CR4_SMAP && cpu->rflags & FLAG_AC ? MMU_SUPERVISOR_AC : MMU_SUPERVISOR;
}

void cpu_state_changed(struct x86_vcpu *cpu, bool flush)
{
	cpu->cpl = cpl_of(cpu);
	cpu->mode = mode_of(cpu);
	cpu->mmu_index = mmu_index_of(cpu);
	cpu->address_bits = cpu->cr4 & CR4_LA57 && cpu->efer & EFER_LMA ? 57 : 48;
	/* With alignment checking, and in careful mode, every access takes the slow path. */
	cpu->tlb = cpu->careful || cpu->mode & MODE_ALIGN ? &cpu->tlb_empty : &cpu->tlbs[cpu->mmu_index];
	if (flush)
		tlb_flush(cpu);
}
