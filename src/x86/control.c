/*
 * Control registers: which values they take, and what follows. SDM Vol. 3A, 2.5; AMD APM Vol. 2, 3.1. For the guest's own writes; what
 * KVM_SET_SREGS accepts is sregs.c's business.
 */
#include "core/why.h"
#include "x86/cpu/exec.h"
#include "x86/cpu/mem.h"
#include "x86/ioctl.h"

#define CR0_KNOWN (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)
#define CR0_PAGING (CR0_PG | CR0_WP)
#define CR4_PAGING (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_LA57)

/* PAE paging keeps its four top entries in registers, loaded with CR3 (SDM Vol. 3A, 4.4.1). False: reserved bits, #GP. */
bool pdptrs_load(struct x86_vcpu *cpu, uint64_t cr3)
{
	uint64_t entries[4], reserved = ~((UINT64_C(1) << cpu->physical_bits) - 1) | 0x1e6;

	if (!mem_read_physical(cpu, cr3 & 0xffffffe0, entries, sizeof entries))
		return false;
	for (unsigned int i = 0; i < 4; i++)
		if (entries[i] & 1 && entries[i] & reserved)
			return false;
	for (unsigned int i = 0; i < 4; i++)
		cpu->pdptr[i] = entries[i];
	return true;
}

bool pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	return cr0 & CR0_PG && cr4 & CR4_PAE && !(efer & EFER_LMA);
}

bool cr0_write(struct x86_vcpu *cpu, uint64_t value)
{
	uint64_t old = cpu->cr0, efer = cpu->efer;

	if (value >> 32 || (value & CR0_NW && !(value & CR0_CD)) || (value & CR0_PG && !(value & CR0_PE)))
		return false;
	value = (value & CR0_KNOWN) | CR0_ET;
	if (!(old & CR0_PG) && value & CR0_PG) {
		if (efer & EFER_LME) {
			/* Long mode begins here: PAE is a must, a 64-bit CS is not allowed yet (9.8.5). */
			if (!(cpu->cr4 & CR4_PAE) || cpu->seg[CS].l)
				return false;
			efer |= EFER_LMA;
		} else if (cpu->cr4 & CR4_PAE && !pdptrs_load(cpu, cpu->cr3)) {
			return false;
		}
	} else if (old & CR0_PG && !(value & CR0_PG)) {
		if (efer & EFER_LMA && (cpu->seg[CS].l || cpu->cr4 & CR4_PCIDE))
			return false;
		efer &= ~EFER_LMA;
	}
	cpu->cr0 = value;
	cpu->efer = efer;
	cpu_state_changed(cpu, (old ^ value) & CR0_PAGING);
	return true;
}

bool cr3_write(struct x86_vcpu *cpu, uint64_t value)
{
	if (cpu->efer & EFER_LMA && value >> (cpu->physical_bits ? cpu->physical_bits : 52))
		return false;
	if (pae_paging(cpu->cr0, cpu->cr4, cpu->efer) && !pdptrs_load(cpu, value))
		return false;
	cpu->cr3 = value;
	cpu_state_changed(cpu, true);
	return true;
}

bool cr4_write(struct x86_vcpu *cpu, uint64_t value)
{
	uint64_t old = cpu->cr4;

	if (value & cpu->cr4_reserved)
		return false;
	if (cpu->efer & EFER_LMA && (!(value & CR4_PAE) || (old ^ value) & CR4_LA57))
		return false;
	if (pae_paging(cpu->cr0, value, cpu->efer) && (old ^ value) & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP) && !pdptrs_load(cpu, cpu->cr3))
		return false;
	cpu->cr4 = value;
	cpu_state_changed(cpu, (old ^ value) & CR4_PAGING);
	return true;
}

uint64_t cr8_read(const struct x86_vcpu *cpu)
{
	return cpu->lapic ? lapic_tpr_get(cpu) : cpu->cr8;
}

bool cr8_write(struct x86_vcpu *cpu, uint64_t value)
{
	if (value > 15)
		return false;
	if (cpu->lapic)
		lapic_tpr_set(cpu, value);
	else
		cpu->cr8 = value;
	return true;
}

/* Bits of EFER that a guest with this CPUID has. */
static uint64_t efer_allowed(const struct x86_vcpu *cpu)
{
	uint64_t allowed = 0;

	if (cpuid_has(cpu, 0x80000001, 0, RDX, 11))
		allowed |= EFER_SCE;
	if (cpuid_has(cpu, 0x80000001, 0, RDX, 29))
		allowed |= EFER_LME | EFER_LMA;
	if (cpuid_has(cpu, 0x80000001, 0, RDX, 20))
		allowed |= EFER_NXE;
	return allowed;
}

bool efer_write(struct x86_vcpu *cpu, uint64_t value)
{
	uint64_t old = cpu->efer;

	if (value & ~efer_allowed(cpu))
		return false;
	if (cpu->cr0 & CR0_PG && (old ^ value) & EFER_LME)
		return false;
	cpu->efer = (value & ~EFER_LMA) | (old & EFER_LMA);
	cpu_state_changed(cpu, (old ^ cpu->efer) & EFER_NXE);
	return true;
}

/* The XCR0 bits that the guest's CPUID leaf 0xd names, of those that there are. */
uint64_t xcr0_guest(const struct x86_vcpu *cpu)
{
	const struct kvm_cpuid_entry2 *leaf = cpuid_find(cpu, 0xd, 0);

	return leaf ? ((uint64_t)leaf->edx << 32 | leaf->eax) & CPUID_XCR0 : 0;
}

bool xcr0_write(struct x86_vcpu *cpu, uint32_t index, uint64_t value)
{
	/* Bit 0 is always set; that is all a guest without leaf 0xd can have. AVX's state includes SSE's (SDM Vol. 1, 13.3). */
	if (index != 0 || (value & (XCR0_SSE | XCR0_AVX)) == XCR0_AVX || !(value & XCR0_X87) || value & ~(xcr0_guest(cpu) | XCR0_X87))
		return false;
	cpu->xcr0 = value;
	return true;
}
