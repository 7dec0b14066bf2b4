/*
 * The local APIC's registers: xAPIC page and x2APIC MSRs, priorities, interprocessor interrupts. SDM Vol. 3A, chapter 10. Its timer
 * keeps its registers and does not count; devices and routing are somebody else's.
 *
 * Other vCPUs' threads set bits of the IRR; all else is touched by the vCPU's own thread or under its mutex.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/why.h"
#include "x86/ioctl.h"

#define APIC_ID 0x20
#define APIC_LVR 0x30
#define APIC_TPR 0x80
#define APIC_APR 0x90
#define APIC_PPR 0xa0
#define APIC_EOI 0xb0
#define APIC_RRD 0xc0
#define APIC_LDR 0xd0
#define APIC_DFR 0xe0
#define APIC_SPIV 0xf0
#define APIC_ISR 0x100
#define APIC_TMR 0x180
#define APIC_IRR 0x200
#define APIC_ESR 0x280
#define APIC_CMCI 0x2f0
#define APIC_ICR 0x300
#define APIC_ICR2 0x310
#define APIC_LVTT 0x320
#define APIC_LVT_LAST 0x370
#define APIC_LVT0 0x350
#define APIC_TMICT 0x380
#define APIC_TMCCT 0x390
#define APIC_TDCR 0x3e0
#define APIC_SELF_IPI 0x3f0

#define VERSION 0x00050014u /* six LVT entries, version 0x14 */
#define LVT_MASKED (1u << 16)
#define SPIV_ENABLED (1u << 8)
#define BASE_BSP (UINT64_C(1) << 8)
#define BASE_X2APIC (UINT64_C(1) << 10)
#define BASE_ENABLED (UINT64_C(1) << 11)
#define MSR_FIRST 0x800u

/* Delivery modes of the ICR and the LVT (10.6.1). */
enum delivery { DELIVERY_FIXED = 0, DELIVERY_LOWEST = 1, DELIVERY_SMI = 2, DELIVERY_NMI = 4, DELIVERY_INIT = 5, DELIVERY_SIPI = 6 };

struct lapic {
	_Atomic uint32_t irr[8];
	uint32_t regs[LAPIC_REGISTERS]; /* every 16 bytes, as the page has them; IRR's are in `irr` */
	uint32_t icr_high; /* x2APIC: bits 63:32 of the ICR */
};

static uint32_t *reg(struct lapic *lapic, uint32_t offset)
{
	return &lapic->regs[offset / 16];
}

static bool x2apic(const struct x86_vcpu *cpu)
{
	return (cpu->apic_base & (BASE_ENABLED | BASE_X2APIC)) == (BASE_ENABLED | BASE_X2APIC);
}

static bool enabled(const struct x86_vcpu *cpu)
{
	return cpu->apic_base & BASE_ENABLED;
}

/* The logical id in x2APIC mode follows from the id (10.12.10.2). */
static uint32_t x2apic_ldr(uint32_t id)
{
	return (id >> 4) << 16 | 1u << (id & 15);
}

/* ---- Life. ---- */

static void registers_reset(struct x86_vcpu *cpu)
{
	struct lapic *lapic = cpu->lapic;

	memset(lapic->regs, 0, sizeof lapic->regs);
	for (unsigned int i = 0; i < 8; i++)
		atomic_store(&lapic->irr[i], 0);
	*reg(lapic, APIC_LVR) = VERSION;
	*reg(lapic, APIC_DFR) = UINT32_MAX;
	*reg(lapic, APIC_SPIV) = 0xff;
	for (uint32_t offset = APIC_LVTT; offset <= APIC_LVT_LAST; offset += 16)
		*reg(lapic, offset) = LVT_MASKED;
	/* The BIOS's virtual wire: KVM opens LINT0 for the PICs on the bootstrap processor. */
	if (cpu->apic_base & BASE_BSP && !(x86_vm(cpu)->disabled_quirks & KVM_X86_QUIRK_LINT0_REENABLED))
		*reg(lapic, APIC_LVT0) = 0x700;
	*reg(lapic, APIC_ID) = x2apic(cpu) ? cpu->vcpu.id : cpu->vcpu.id << 24;
}

void lapic_reset(struct x86_vcpu *cpu)
{
	if (cpu->lapic)
		registers_reset(cpu);
}

struct lapic *lapic_create(struct x86_vcpu *cpu)
{
	struct lapic *before = cpu->lapic;

	cpu->lapic = calloc(1, sizeof *cpu->lapic);
	if (cpu->lapic)
		registers_reset(cpu);
	(void)before;
	return cpu->lapic;
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

static void end_of_interrupt(struct lapic *lapic)
{
	int vector = isr_highest(lapic);

	if (vector >= 0)
		reg(lapic, APIC_ISR)[vector / 32] &= ~(1u << vector % 32);
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
}

/* ---- Delivery, from any thread. ---- */

/* Bits of apic_events: see vcpu.h. */
#define EVENT_INIT 1u
#define EVENT_SIPI 2u

void lapic_deliver(struct x86_vcpu *cpu, uint32_t delivery_mode, uint8_t vector, bool level)
{
	switch (delivery_mode) {
	case DELIVERY_FIXED:
	case DELIVERY_LOWEST:
		if (vector < 16 || !enabled(cpu))
			return;
		(void)level; /* the TMR belongs to the I/O APIC's EOI */
		atomic_fetch_or(&cpu->lapic->irr[vector / 32], 1u << vector % 32);
		break;
	case DELIVERY_NMI:
		atomic_fetch_or(&cpu->apic_events, 4u);
		break;
	case DELIVERY_INIT:
		atomic_fetch_or(&cpu->apic_events, EVENT_INIT);
		break;
	case DELIVERY_SIPI:
		atomic_fetch_and(&cpu->apic_events, 0x00ffffffu);
		atomic_fetch_or(&cpu->apic_events, EVENT_SIPI | (uint32_t)vector << 24);
		break;
	default:
		return;
	}
	kick_set(&cpu->vcpu.kick, REQUEST_EVENT);
}

/* ---- Interprocessor interrupts (10.6). ---- */

static bool logical_match(struct x86_vcpu *cpu, uint32_t destination, bool wide)
{
	uint32_t ldr = *reg(cpu->lapic, APIC_LDR), dfr = *reg(cpu->lapic, APIC_DFR);

	if (wide) {
		ldr = x2apic_ldr(cpu->vcpu.id);
		return ldr >> 16 == destination >> 16 && ldr & destination & 0xffff;
	}
	ldr >>= 24;
	if (dfr >> 28 == 0xf) /* flat */
		return ldr & destination;
	return ldr >> 4 == destination >> 4 && ldr & destination & 0xf; /* cluster */
}

static bool destination_match(struct x86_vcpu *sender, struct x86_vcpu *target, uint32_t icr, uint32_t destination)
{
	bool wide = x2apic(sender);
	uint32_t broadcast = wide ? UINT32_MAX : 0xff;

	switch (icr >> 18 & 3) {
	case 1: return target == sender;
	case 2: return true;
	case 3: return target != sender;
	}
	if (destination == broadcast)
		return true;
	if (icr >> 11 & 1)
		return logical_match(target, destination, x2apic(target));
	return (x2apic(target) ? target->vcpu.id : *reg(target->lapic, APIC_ID) >> 24) == destination;
}

static void ipi_send(struct x86_vcpu *cpu, uint32_t icr, uint32_t destination)
{
	uint32_t mode = icr >> 8 & 7, count = atomic_load(&cpu->vcpu.vm->vcpu_count);

	/* INIT's level de-assert does nothing on these processors (10.6.1). */
	if (mode == DELIVERY_INIT && !(icr >> 14 & 1))
		return;
	for (uint32_t i = 0; i < count; i++) {
		struct x86_vcpu *target = x86_vcpu(cpu->vcpu.vm->vcpus[i]);

		if (!target->lapic || !destination_match(cpu, target, icr, destination))
			continue;
		lapic_deliver(target, mode, (uint8_t)icr, icr >> 15 & 1);
		if (mode == DELIVERY_LOWEST)
			break; /* any one of them */
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
		return reg(lapic, APIC_TMR)[(offset - APIC_TMR) / 16];
	switch (offset) {
	case APIC_ID: return x2apic(cpu) ? cpu->vcpu.id : *reg(lapic, APIC_ID);
	case APIC_LDR: return x2apic(cpu) ? x2apic_ldr(cpu->vcpu.id) : *reg(lapic, APIC_LDR);
	case APIC_PPR: return ppr(lapic);
	case APIC_EOI: return 0;
	case APIC_TMCCT: return 0;
	}
	return *reg(lapic, offset);
}

/* Writable bits of an LVT entry (10.5.1). */
static uint32_t lvt_mask(uint32_t offset)
{
	switch (offset) {
	case APIC_LVTT: return 0x710ff & ~0x700u;
	case APIC_LVT0: case APIC_LVT0 + 16: return 0x1a7ff;
	case APIC_LVT_LAST: return 0x100ff;
	default: return 0x107ff;
	}
}

static void register_write(struct x86_vcpu *cpu, uint32_t offset, uint32_t value)
{
	struct lapic *lapic = cpu->lapic;

	switch (offset) {
	case APIC_ID:
		*reg(lapic, offset) = value & 0xff000000;
		break;
	case APIC_TPR:
		*reg(lapic, offset) = value & 0xff;
		break;
	case APIC_EOI:
		end_of_interrupt(lapic);
		break;
	case APIC_LDR:
		*reg(lapic, offset) = value & 0xff000000;
		break;
	case APIC_DFR:
		*reg(lapic, offset) = value | 0x0fffffff;
		break;
	case APIC_SPIV:
		*reg(lapic, offset) = value & 0x3ff;
		/* A software-disabled APIC masks its LVT (10.4.7.2). */
		for (uint32_t lvt = APIC_LVTT; !(value & SPIV_ENABLED) && lvt <= APIC_LVT_LAST; lvt += 16)
			*reg(lapic, lvt) |= LVT_MASKED;
		break;
	case APIC_ESR:
		*reg(lapic, offset) = 0;
		break;
	case APIC_ICR:
		*reg(lapic, offset) = value & ~(1u << 12);
		ipi_send(cpu, value, *reg(lapic, APIC_ICR2) >> 24);
		break;
	case APIC_ICR2:
		*reg(lapic, offset) = value & 0xff000000;
		break;
	case APIC_TMICT:
	case APIC_TDCR:
		*reg(lapic, offset) = offset == APIC_TDCR ? value & 0xb : value;
		break;
	default:
		if (offset >= APIC_LVTT && offset <= APIC_LVT_LAST) {
			*reg(lapic, offset) = value & lvt_mask(offset);
			if (!(*reg(lapic, APIC_SPIV) & SPIV_ENABLED))
				*reg(lapic, offset) |= LVT_MASKED;
		}
	}
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
		*reg(cpu->lapic, APIC_ICR) = (uint32_t)value & ~(1u << 12);
		cpu->lapic->icr_high = (uint32_t)(value >> 32);
		ipi_send(cpu, (uint32_t)value, (uint32_t)(value >> 32));
	} else if (offset == APIC_SELF_IPI) {
		lapic_deliver(cpu, DELIVERY_FIXED, (uint8_t)value, false);
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
		else if (offset == APIC_ID || offset == APIC_LDR || offset == APIC_PPR)
			value = offset == APIC_PPR ? *reg(cpu->lapic, offset) : register_read(cpu, offset);
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
			reg(cpu->lapic, APIC_TMR)[(offset - APIC_TMR) / 16] = value;
		else
			*reg(cpu->lapic, offset) = value;
	}
	memcpy(&cpu->lapic->icr_high, state->regs + APIC_ICR2, 4);
	*reg(cpu->lapic, APIC_LVR) = VERSION;
	if (x2apic(cpu))
		*reg(cpu->lapic, APIC_ID) = cpu->vcpu.id;
	kick_set(&cpu->vcpu.kick, REQUEST_EVENT);
	return 0;
}
