/*
 * The local APIC's registers: xAPIC page and x2APIC MSRs, priorities, KVM_GET_LAPIC and KVM_SET_LAPIC. SDM Vol. 3A, chapter 10.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/why.h"
#include "x86/lapic.h"

/* ---- Life. ---- */

static void registers_reset(struct x86_vcpu *cpu)
{
	struct lapic *lapic = cpu->lapic;

	memset(lapic->regs, 0, sizeof lapic->regs);
	for (unsigned int i = 0; i < 8; i++) {
		atomic_store(&lapic->irr[i], 0);
		atomic_store(&lapic->tmr[i], 0);
	}
	*reg(lapic, APIC_LVR) = VERSION;
	*reg(lapic, APIC_DFR) = UINT32_MAX;
	*reg(lapic, APIC_SPIV) = 0xff;
	for (uint32_t offset = APIC_LVTT; offset <= APIC_LVT_LAST; offset += 16)
		*reg(lapic, offset) = LVT_MASKED;
	/* The BIOS's virtual wire: KVM opens LINT0 for the PICs on the bootstrap processor. */
	if (cpu->apic_base & BASE_BSP && !(x86_vm(cpu)->disabled_quirks & KVM_X86_QUIRK_LINT0_REENABLED))
		*reg(lapic, APIC_LVT0) = 0x700;
	*reg(lapic, APIC_ID) = x2apic(cpu) ? cpu->vcpu.id : cpu->vcpu.id << 24;
	lapic_publish(cpu);
}

void lapic_reset(struct x86_vcpu *cpu)
{
	if (!cpu->lapic)
		return;
	lapic_timer_stop(cpu);
	registers_reset(cpu);
	lapic_timer_mode_changed(cpu);
}

struct lapic *lapic_create(struct x86_vcpu *cpu)
{
	cpu->lapic = calloc(1, sizeof *cpu->lapic);
	if (!cpu->lapic)
		return NULL;
	lapic_timer_init(cpu);
	registers_reset(cpu);
	return cpu->lapic;
}

void lapic_publish(struct x86_vcpu *cpu)
{
	struct lapic *lapic = cpu->lapic;
	uint32_t lint0 = *reg(lapic, APIC_LVT0), mode = 0;

	if (enabled(cpu))
		mode |= SHOWN_ENABLED | (x2apic(cpu) ? SHOWN_X2APIC : 0);
	if (*reg(lapic, APIC_SPIV) & SPIV_ENABLED)
		mode |= SHOWN_SOFTWARE;
	if (!enabled(cpu) || (lint0 & (LVT_MASKED | 0x700)) == DELIVERY_EXTINT << 8)
		mode |= SHOWN_EXTINT;
	if ((lint0 & (LVT_MASKED | 0x700)) == DELIVERY_NMI << 8)
		mode |= SHOWN_LINT0_NMI;
	atomic_store(&lapic->shown_id, x2apic(cpu) ? cpu->vcpu.id : *reg(lapic, APIC_ID) >> 24);
	atomic_store(&lapic->shown_ldr, x2apic(cpu) ? x2apic_ldr(cpu->vcpu.id) : *reg(lapic, APIC_LDR) >> 24);
	atomic_store(&lapic->shown_dfr, *reg(lapic, APIC_DFR));
	atomic_store(&lapic->shown_mode, mode);
}

void lapic_destroy(struct lapic *lapic)
{
	free(lapic);
}

/* ---- Priorities (10.8.3). ---- */

static int highest(const uint32_t *words, unsigned int step)
{
	for (int i = 7; i >= 0; i--)
		if (words[(unsigned int)i * step])
			return 32 * i + 31 - __builtin_clz(words[(unsigned int)i * step]);
	return -1;
}

static int irr_highest(struct lapic *lapic)
{
	uint32_t words[8];

	for (unsigned int i = 0; i < 8; i++)
		words[i] = atomic_load_explicit(&lapic->irr[i], memory_order_relaxed);
	return highest(words, 1);
}

static int isr_highest(struct lapic *lapic)
{
	return highest(reg(lapic, APIC_ISR), 1);
}

static uint32_t ppr(struct lapic *lapic)
{
	uint32_t tpr = *reg(lapic, APIC_TPR) & 0xff;
	int isr = isr_highest(lapic);
	uint32_t class = isr < 0 ? 0 : (uint32_t)isr & 0xf0;

	return (tpr & 0xf0) >= class ? tpr : class;
}

int lapic_interrupt_pending(struct x86_vcpu *cpu)
{
	struct lapic *lapic = cpu->lapic;
	int vector = irr_highest(lapic);

	if (vector < 0 || !enabled(cpu) || !(*reg(lapic, APIC_SPIV) & SPIV_ENABLED))
		return -1;
	return ((uint32_t)vector & 0xf0) > (ppr(lapic) & 0xf0) ? vector : -1;
}

void lapic_interrupt_accept(struct x86_vcpu *cpu, uint8_t vector)
{
	atomic_fetch_and(&cpu->lapic->irr[vector / 32], ~(1u << vector % 32));
	reg(cpu->lapic, APIC_ISR)[vector / 32] |= 1u << vector % 32;
}

/* A level-triggered one is the I/O APIC's as well. */
void lapic_end_of_interrupt(struct x86_vcpu *cpu)
{
	int vector = isr_highest(cpu->lapic);
	bool level;

	if (vector < 0)
		return;
	reg(cpu->lapic, APIC_ISR)[vector / 32] &= ~(1u << vector % 32);
	level = atomic_load(&cpu->lapic->tmr[vector / 32]) >> vector % 32 & 1;
	x86_irq_ended(cpu, (uint8_t)vector, level);
}

bool lapic_end_is_simple(struct x86_vcpu *cpu)
{
	int vector = cpu->lapic ? isr_highest(cpu->lapic) : -1;

	if (vector < 0 || irr_highest(cpu->lapic) >= 0 || atomic_load(&cpu->lapic->tmr[vector / 32]) >> vector % 32 & 1)
		return false;
	return !x86_vm(cpu)->ioapic || !ioapic_has_vector(x86_vm(cpu)->ioapic, (uint8_t)vector);
}

uint64_t lapic_tpr_get(const struct x86_vcpu *cpu)
{
	return *reg(cpu->lapic, APIC_TPR) >> 4 & 15;
}

void lapic_tpr_set(struct x86_vcpu *cpu, uint64_t cr8)
{
	*reg(cpu->lapic, APIC_TPR) = (uint32_t)(cr8 & 15) << 4;
}

void lapic_registers_copy(struct x86_vcpu *cpu, uint32_t *registers, bool back)
{
	uint32_t *own = cpu->lapic->regs;

	memcpy(back ? own : registers, back ? registers : own, sizeof cpu->lapic->regs);
	if (back) {
		lapic_publish(cpu);
		lapic_timer_return(cpu);
	} else {
		cpu->lapic->timer_set_aside = cpu->lapic->timer;
	}
}

/* ---- Registers. ---- */

static uint32_t register_read(struct x86_vcpu *cpu, uint32_t offset)
{
	struct lapic *lapic = cpu->lapic;

	if (offset >= APIC_IRR && offset < APIC_IRR + 0x80)
		return atomic_load(&lapic->irr[(offset - APIC_IRR) / 16]);
	if (offset >= APIC_ISR && offset < APIC_ISR + 0x80)
		return reg(lapic, APIC_ISR)[(offset - APIC_ISR) / 16];
	if (offset >= APIC_TMR && offset < APIC_TMR + 0x80)
		return atomic_load(&lapic->tmr[(offset - APIC_TMR) / 16]);
	switch (offset) {
	case APIC_ID: return x2apic(cpu) ? cpu->vcpu.id : *reg(lapic, APIC_ID);
	case APIC_LDR: return x2apic(cpu) ? x2apic_ldr(cpu->vcpu.id) : *reg(lapic, APIC_LDR);
	case APIC_PPR: return ppr(lapic);
	case APIC_EOI: return 0;
	case APIC_TMCCT: return lapic_timer_count(cpu);
	}
	return *reg(lapic, offset);
}

/* Writable bits of an LVT entry (10.5.1). */
static uint32_t lvt_mask(const struct x86_vcpu *cpu, uint32_t offset)
{
	switch (offset) {
	/* TSC-deadline mode where CPUID tells of it. */
	case APIC_LVTT: return 0x310ff | (cpuid_has(cpu, 1, 0, RCX, 24) ? 0x40000 : 0);
	case APIC_LVT0: case APIC_LVT0 + 16: return 0x1a7ff;
	case APIC_LVT_LAST: return 0x100ff;
	default: return 0x107ff;
	}
}

static void spiv_write(struct x86_vcpu *cpu, uint32_t value)
{
	struct lapic *lapic = cpu->lapic;

	*reg(lapic, APIC_SPIV) = value & 0x3ff;
	/* A software-disabled APIC masks its LVT (10.4.7.2). */
	for (uint32_t lvt = APIC_LVTT; !(value & SPIV_ENABLED) && lvt <= APIC_LVT_LAST; lvt += 16)
		*reg(lapic, lvt) |= LVT_MASKED;
}

static void lvt_write(struct x86_vcpu *cpu, uint32_t offset, uint32_t value)
{
	struct lapic *lapic = cpu->lapic;

	*reg(lapic, offset) = value & lvt_mask(cpu, offset);
	if (!(*reg(lapic, APIC_SPIV) & SPIV_ENABLED))
		*reg(lapic, offset) |= LVT_MASKED;
	if (offset == APIC_LVTT)
		lapic_timer_mode_changed(cpu);
}

/* In x2APIC mode what has become read-only is not written. */
static void register_write(struct x86_vcpu *cpu, uint32_t offset, uint32_t value)
{
	struct lapic *lapic = cpu->lapic;
	uint32_t old;

	switch (offset) {
	case APIC_ID:
		*reg(lapic, offset) = value & 0xff000000;
		break;
	case APIC_TPR:
		*reg(lapic, offset) = value & 0xff;
		break;
	case APIC_EOI:
		lapic_end_of_interrupt(cpu);
		break;
	case APIC_LDR:
		*reg(lapic, offset) = value & 0xff000000;
		break;
	case APIC_DFR:
		*reg(lapic, offset) = value | 0x0fffffff;
		break;
	case APIC_SPIV:
		spiv_write(cpu, value);
		break;
	case APIC_ESR:
		*reg(lapic, offset) = 0;
		break;
	case APIC_ICR:
		*reg(lapic, offset) = value & ~ICR_BUSY;
		lapic_ipi_send(cpu, value, *reg(lapic, APIC_ICR2) >> 24);
		return;
	case APIC_ICR2:
		*reg(lapic, offset) = value & 0xff000000;
		return;
	case APIC_TMICT:
		*reg(lapic, offset) = value;
		lapic_timer_count_written(cpu);
		return;
	case APIC_TDCR:
		old = *reg(lapic, offset);
		*reg(lapic, offset) = value & 0xb;
		lapic_timer_divider_changed(cpu, old);
		return;
	default:
		if (offset >= APIC_LVTT && offset <= APIC_LVT_LAST)
			lvt_write(cpu, offset, value);
	}
	lapic_publish(cpu);
}

/* ---- The xAPIC page. ---- */

/* The page of an APIC that is off or in x2APIC mode is a hole: reads give ones, writes nothing. */
static bool mmio_hole(const struct x86_vcpu *cpu)
{
	return !enabled(cpu) || cpu->apic_base & BASE_X2APIC;
}

bool lapic_mmio_covers(const struct x86_vcpu *cpu, uint64_t gpa)
{
	if (!cpu->lapic || (gpa ^ cpu->apic_base) >> PAGE_SHIFT != 0)
		return false;
	return !mmio_hole(cpu) || !(x86_vm(cpu)->disabled_quirks & KVM_X86_QUIRK_LAPIC_MMIO_HOLE);
}

void lapic_mmio_read(struct x86_vcpu *cpu, uint32_t offset, uint32_t size, void *data)
{
	uint32_t value = 0, within = offset & 15;

	memset(data, mmio_hole(cpu) ? 0xff : 0, size);
	if (mmio_hole(cpu))
		return;
	if (within >= 4 || within + size > 4)
		return; /* only the first four bytes of each sixteen mean something (10.4.1) */
	value = register_read(cpu, offset & ~15u) >> (8 * within);
	memcpy(data, &value, size);
}

void lapic_mmio_write(struct x86_vcpu *cpu, uint32_t offset, uint32_t size, const void *data)
{
	uint32_t value;

	if (mmio_hole(cpu) || size != 4 || offset & 15)
		return;
	memcpy(&value, data, 4);
	register_write(cpu, offset, value);
}

/* ---- x2APIC (10.12). ---- */

static bool x2apic_readable(uint32_t offset)
{
	if (offset >= APIC_ISR && offset < APIC_ESR)
		return true;
	switch (offset) {
	case APIC_ID: case APIC_LVR: case APIC_TPR: case APIC_PPR: case APIC_LDR: case APIC_SPIV: case APIC_ESR: case APIC_ICR:
	case APIC_TMICT: case APIC_TMCCT: case APIC_TDCR:
		return true;
	}
	return offset >= APIC_LVTT && offset <= APIC_LVT_LAST;
}

static bool x2apic_writable(uint32_t offset, uint64_t value)
{
	switch (offset) {
	case APIC_EOI: case APIC_ESR:
		return value == 0;
	case APIC_TPR: case APIC_SELF_IPI:
		return value <= 0xff;
	case APIC_SPIV:
		return value <= 0x3ff;
	case APIC_ICR:
		return !(value & 0xfff33000);
	case APIC_TMICT: case APIC_TDCR:
		return value <= UINT32_MAX;
	}
	return offset >= APIC_LVTT && offset <= APIC_LVT_LAST && value <= UINT32_MAX;
}

bool lapic_msr_read(struct x86_vcpu *cpu, uint32_t index, uint64_t *value)
{
	uint32_t offset = (index - MSR_FIRST) * 16;

	if (!cpu->lapic || !x2apic(cpu) || index - MSR_FIRST > 0xff || !x2apic_readable(offset))
		return false;
	*value = register_read(cpu, offset);
	if (offset == APIC_ICR)
		*value |= (uint64_t)cpu->lapic->icr_high << 32;
	return true;
}

bool lapic_msr_write(struct x86_vcpu *cpu, uint32_t index, uint64_t value)
{
	uint32_t offset = (index - MSR_FIRST) * 16;

	if (!cpu->lapic || !x2apic(cpu) || index - MSR_FIRST > 0xff || !x2apic_writable(offset, value))
		return false;
	if (offset == APIC_ICR) {
		*reg(cpu->lapic, APIC_ICR) = (uint32_t)value & ~ICR_BUSY;
		cpu->lapic->icr_high = (uint32_t)(value >> 32);
		lapic_ipi_send(cpu, (uint32_t)value, (uint32_t)(value >> 32));
	} else if (offset == APIC_SELF_IPI) {
		lapic_ipi_send(cpu, SHORTHAND_SELF << 18 | (uint32_t)value, 0);
	} else {
		register_write(cpu, offset, (uint32_t)value);
	}
	return true;
}

/* ---- IA32_APIC_BASE (10.4.3, 10.4.4). ---- */

int lapic_base_set(struct x86_vcpu *cpu, uint64_t value, bool from_host)
{
	uint64_t reserved = (~UINT64_C(0) << (cpu->physical_bits ? cpu->physical_bits : 36)) | 0x2ff;
	uint64_t old = cpu->apic_base & (BASE_ENABLED | BASE_X2APIC), new = value & (BASE_ENABLED | BASE_X2APIC);
	bool has_x2apic = from_host || cpuid_has(cpu, 1, 0, RCX, 21);

	if (value & reserved)
		return why(-EINVAL, "apic_base: 0x%llx has reserved bits (0x%llx)", (unsigned long long)value, (unsigned long long)(value & reserved));
	if (new == BASE_X2APIC || (new & BASE_X2APIC && !has_x2apic))
		return why(-EINVAL, "apic_base: 0x%llx has x2APIC mode (bit 10) without the APIC enabled (bit 11)", (unsigned long long)value);
	/* The guest may go from disabled to xAPIC to x2APIC and from each to disabled, no other way. */
	if (!from_host && ((old == 0 && new & BASE_X2APIC) || (old & BASE_X2APIC && new == BASE_ENABLED)))
		return why(-EINVAL, "apic_base: no transition from 0x%llx to 0x%llx", (unsigned long long)cpu->apic_base, (unsigned long long)value);
	cpu->apic_base = value;
	if (cpu->lapic && new != old) {
		if (new & BASE_X2APIC)
			*reg(cpu->lapic, APIC_ID) = cpu->vcpu.id;
		else if (new)
			*reg(cpu->lapic, APIC_ID) = cpu->vcpu.id << 24;
	}
	if (cpu->lapic)
		lapic_publish(cpu);
	return 0;
}

/* ---- KVM_GET_LAPIC, KVM_SET_LAPIC: the page as it is. ---- */

/* KVM_CAP_X2APIC_API: x2APIC ids in KVM_GET_LAPIC and KVM_SET_LAPIC are the register's 32 bits, not the older upper 8. */
static bool ids_are_wide(const struct x86_vcpu *cpu)
{
	return x86_vm(cpu)->x2apic_api & KVM_X2APIC_API_USE_32BIT_IDS;
}

int lapic_get(struct x86_vcpu *cpu, struct kvm_lapic_state *state)
{
	if (!cpu->lapic)
		return why(-EINVAL, "there is no local APIC in the kernel: KVM_CREATE_IRQCHIP makes one");
	memset(state, 0, sizeof *state);
	for (uint32_t offset = 0; offset < sizeof state->regs; offset += 16) {
		uint32_t value = *reg(cpu->lapic, offset);

		if (offset >= APIC_ISR && offset < APIC_ESR)
			value = register_read(cpu, offset);
		else if (offset == APIC_ID || offset == APIC_LDR || offset == APIC_TMCCT)
			value = register_read(cpu, offset);
		memcpy(state->regs + offset, &value, 4);
	}
	if (x2apic(cpu)) {
		uint32_t id = ids_are_wide(cpu) ? cpu->vcpu.id : cpu->vcpu.id << 24;

		memcpy(state->regs + APIC_ID, &id, 4);
		memcpy(state->regs + APIC_ICR2, &cpu->lapic->icr_high, 4);
	}
	return 0;
}

int lapic_set(struct x86_vcpu *cpu, const struct kvm_lapic_state *state)
{
	uint32_t value;

	if (!cpu->lapic)
		return why(-EINVAL, "there is no local APIC in the kernel: KVM_CREATE_IRQCHIP makes one");
	memcpy(&value, state->regs + APIC_ID, 4);
	if (x2apic(cpu) && ids_are_wide(cpu) && value != cpu->vcpu.id)
		return why(-EINVAL, "id: 0x%x is not the vCPU's, %u, which x2APIC mode fixes", value, cpu->vcpu.id);
	for (uint32_t offset = 0; offset < sizeof state->regs; offset += 16) {
		memcpy(&value, state->regs + offset, 4);
		if (offset >= APIC_IRR && offset < APIC_IRR + 0x80)
			atomic_store(&cpu->lapic->irr[(offset - APIC_IRR) / 16], value);
		else if (offset >= APIC_ISR && offset < APIC_ISR + 0x80)
			reg(cpu->lapic, APIC_ISR)[(offset - APIC_ISR) / 16] = value;
		else if (offset >= APIC_TMR && offset < APIC_TMR + 0x80)
			atomic_store(&cpu->lapic->tmr[(offset - APIC_TMR) / 16], value);
		else
			*reg(cpu->lapic, offset) = value;
	}
	memcpy(&cpu->lapic->icr_high, state->regs + APIC_ICR2, 4);
	*reg(cpu->lapic, APIC_LVR) = VERSION;
	if (x2apic(cpu))
		*reg(cpu->lapic, APIC_ID) = cpu->vcpu.id;
	lapic_publish(cpu);
	lapic_timer_restore(cpu);
	kick_set(&cpu->vcpu.kick, REQUEST_EVENT);
	return 0;
}
