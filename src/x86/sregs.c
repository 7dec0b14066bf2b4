/*
 * KVM_GET_SREGS, KVM_SET_SREGS and their second form: api.rst, 4.13, 4.14, 4.120. Nothing changes when a value is refused.
 */
#include <errno.h>
#include <string.h>

#include "core/why.h"
#include "x86/ioctl.h"

#define CR4_HOST_KNOWN (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT | \
			CR4_UMIP | CR4_LA57 | CR4_FSGSBASE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PKE)
#define EFER_KNOWN (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

void sregs_get(struct x86_vcpu *cpu, struct kvm_sregs *sregs)
{
	memset(sregs, 0, sizeof *sregs);
	sregs->cs = cpu->seg[CS];
	sregs->ds = cpu->seg[DS];
	sregs->es = cpu->seg[ES];
	sregs->fs = cpu->seg[FS];
	sregs->gs = cpu->seg[GS];
	sregs->ss = cpu->seg[SS];
	sregs->tr = cpu->seg[TR];
	sregs->ldt = cpu->seg[LDTR];
	sregs->gdt = cpu->gdt;
	sregs->idt = cpu->idt;
	sregs->cr0 = cpu->cr0;
	sregs->cr2 = cpu->cr2;
	sregs->cr3 = cpu->cr3;
	sregs->cr4 = cpu->cr4;
	sregs->cr8 = cr8_read(cpu);
	sregs->efer = cpu->efer;
	sregs->apic_base = cpu->apic_base;
	if (cpu->interrupt.injected && !cpu->interrupt.soft)
		sregs->interrupt_bitmap[cpu->interrupt.nr / 64] |= UINT64_C(1) << cpu->interrupt.nr % 64;
}

/* The values that both forms have; struct kvm_sregs2 begins as struct kvm_sregs does, up to apic_base. */
struct values {
	struct kvm_segment cs;
	uint64_t cr0, cr3, cr4, efer, apic_base;
};

static int cr4_check(const struct x86_vcpu *cpu, uint64_t cr4)
{
	/* Before KVM_SET_CPUID2 all that is supported may be set; after it, what the guest's CPUID has. */
	uint64_t bad = cr4 & (~CR4_HOST_KNOWN | (cpu->cpuid_count ? cpu->cr4_reserved : 0));

	if (bad)
		return why(-EINVAL, "cr4: bit %d (0x%llx) is reserved or not in the vCPU's CPUID", __builtin_ctzll(bad), (unsigned long long)bad);
	return 0;
}

static int values_check(const struct x86_vcpu *cpu, const struct values *v)
{
	unsigned int physical = cpu->physical_bits ? cpu->physical_bits : 36;

	if (v->efer & EFER_LME && v->cr0 & CR0_PG) {
		if (!(v->cr4 & CR4_PAE) || !(v->efer & EFER_LMA))
			return why(-EINVAL, "efer.LME and cr0.PG are set: cr4.PAE and efer.LMA must be, too");
		if (v->cr3 >> physical)
			return why(-EINVAL, "cr3: 0x%llx is beyond the %u physical address bits", (unsigned long long)v->cr3, physical);
	} else if (v->efer & EFER_LMA || v->cs.l) {
		return why(-EINVAL, "efer.LMA or cs.l is set outside long mode (efer.LME with cr0.PG)");
	}
	if (cr4_check(cpu, v->cr4))
		return -EINVAL;
	if (v->cr0 >> 32)
		return why(-EINVAL, "cr0: 0x%llx has bits above 31", (unsigned long long)v->cr0);
	if (v->cr0 & CR0_NW && !(v->cr0 & CR0_CD))
		return why(-EINVAL, "cr0: NW (bit 29) without CD (bit 30)");
	if (v->cr0 & CR0_PG && !(v->cr0 & CR0_PE))
		return why(-EINVAL, "cr0: PG (bit 31) without PE (bit 0)");
	if (v->efer & ~(uint64_t)EFER_KNOWN)
		return why(-EINVAL, "efer: 0x%llx has reserved bits", (unsigned long long)v->efer);
	return 0;
}

static void segments_set(struct x86_vcpu *cpu, const struct kvm_sregs *sregs)
{
	cpu->seg[CS] = sregs->cs;
	cpu->seg[DS] = sregs->ds;
	cpu->seg[ES] = sregs->es;
	cpu->seg[FS] = sregs->fs;
	cpu->seg[GS] = sregs->gs;
	cpu->seg[SS] = sregs->ss;
	cpu->seg[TR] = sregs->tr;
	cpu->seg[LDTR] = sregs->ldt;
	/* AMD: a segment is usable when it is present, and a missing one reads back so (the descriptor's `padding` is nobody's). */
	for (enum segment seg = ES; seg < SEGMENT_COUNT; seg++) {
		struct kvm_segment *s = &cpu->seg[seg];

		s->type &= 15;
		s->s &= 1;
		s->dpl &= 3;
		s->present = (s->present & 1) && !s->unusable;
		s->avl &= 1;
		s->l &= 1;
		s->db &= 1;
		s->g &= 1;
		s->unusable = !s->present;
		s->padding = 0;
	}
}

/* Everything but events; the caller has checked. */
static int common_set(struct x86_vcpu *cpu, const struct kvm_sregs *sregs)
{
	const struct values values = { sregs->cs, sregs->cr0, sregs->cr3, sregs->cr4, sregs->efer, sregs->apic_base };
	int error = values_check(cpu, &values);

	if (!error)
		error = lapic_base_set(cpu, sregs->apic_base, true);
	if (error)
		return error;
	segments_set(cpu, sregs);
	cpu->gdt = (struct kvm_dtable){ .base = sregs->gdt.base, .limit = sregs->gdt.limit };
	cpu->idt = (struct kvm_dtable){ .base = sregs->idt.base, .limit = sregs->idt.limit };
	cpu->cr0 = sregs->cr0;
	cpu->cr2 = sregs->cr2;
	cpu->cr3 = sregs->cr3;
	cpu->cr4 = sregs->cr4;
	cpu->efer = sregs->efer;
	/* With an APIC only four bits remain; without one the value is checked at KVM_RUN. */
	if (cpu->lapic)
		lapic_tpr_set(cpu, sregs->cr8 & 15);
	else
		cpu->cr8 = sregs->cr8;
	return 0;
}

static void pdptrs_read(struct x86_vcpu *cpu)
{
	cpu->pdptrs_from_user = false;
	if (pae_paging(cpu->cr0, cpu->cr4, cpu->efer)) {
		vcpu_guest_enter(&cpu->vcpu);
		pdptrs_load(cpu, cpu->cr3);
		vcpu_guest_leave(&cpu->vcpu);
	}
}

int sregs_set(struct x86_vcpu *cpu, const struct kvm_sregs *sregs)
{
	int error = common_set(cpu, sregs);

	if (error)
		return error;
	pdptrs_read(cpu);
	for (unsigned int i = 0; i < 4; i++) {
		if (!sregs->interrupt_bitmap[i])
			continue;
		/* The lowest vector is the one that was under way. */
		cpu->interrupt.injected = true;
		cpu->interrupt.soft = false;
		cpu->interrupt.nr = (uint8_t)(64 * i + (unsigned int)__builtin_ctzll(sregs->interrupt_bitmap[i]));
		break;
	}
	cpu_state_changed(cpu, true);
	return 0;
}

void sregs2_get(struct x86_vcpu *cpu, struct kvm_sregs2 *sregs)
{
	struct kvm_sregs first;

	sregs_get(cpu, &first);
	memset(sregs, 0, sizeof *sregs);
	memcpy(sregs, &first, offsetof(struct kvm_sregs, interrupt_bitmap));
	if (pae_paging(cpu->cr0, cpu->cr4, cpu->efer)) {
		memcpy(sregs->pdptrs, cpu->pdptr, sizeof sregs->pdptrs);
		sregs->flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	}
}

int sregs2_set(struct x86_vcpu *cpu, const struct kvm_sregs2 *sregs)
{
	bool valid = sregs->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;
	struct kvm_sregs first = { 0 };
	int error;

	if (sregs->flags & ~(uint64_t)KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return why(-EINVAL, "flags: 0x%llx has unknown bits", (unsigned long long)sregs->flags);
	if (valid && !pae_paging(sregs->cr0, sregs->cr4, sregs->efer))
		return why(-EINVAL, "flags: PDPTRs are given outside PAE paging");
	memcpy(&first, sregs, offsetof(struct kvm_sregs, interrupt_bitmap));
	error = common_set(cpu, &first);
	if (error)
		return error;
	if (valid) {
		memcpy(cpu->pdptr, sregs->pdptrs, sizeof cpu->pdptr);
		cpu->pdptrs_from_user = true;
	} else {
		pdptrs_read(cpu);
	}
	cpu_state_changed(cpu, true);
	return 0;
}
