/*
 * Inside the local APIC: its registers, and what its files know of each other. lapic.c has the registers, lapic_irq.c deliveries from
 * everywhere, lapic_timer.c the timer.
 *
 * A vCPU's own thread, or who holds its mutex, touches the registers. Other threads set bits of IRR and TMR, and look at what
 * lapic_publish() shows them.
 */
#ifndef ANYKVM_X86_LAPIC_H
#define ANYKVM_X86_LAPIC_H

#include "x86/ioctl.h"
#include "x86/irqchip.h"

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
#define ICR_BUSY (1u << 12)
#define LVT_MASKED (1u << 16)
#define SPIV_ENABLED (1u << 8)
#define BASE_BSP (UINT64_C(1) << 8)
#define BASE_X2APIC (UINT64_C(1) << 10)
#define BASE_ENABLED (UINT64_C(1) << 11)
#define MSR_FIRST 0x800u

/* What other threads may know of an APIC: lapic.shown_mode. */
#define SHOWN_ENABLED 1u  /* by IA32_APIC_BASE */
#define SHOWN_X2APIC 2u
#define SHOWN_SOFTWARE 4u /* enabled by SPIV */
#define SHOWN_EXTINT 8u   /* takes the PICs' interrupts */
#define SHOWN_LINT0_NMI 16u

/* The timer (10.5.4), by the host's monotonic clock. */
struct lapic_timer {
	bool armed;
	uint64_t target; /* when it expires */
	uint64_t period; /* what the initial count means, in nanoseconds; 0 without one */
	uint64_t tsc_deadline;
	uint32_t mode;   /* bits 18:17 of the LVT entry that it was started with */
};
struct lapic_alarm {
	struct vm_timer timer; /* gets the vCPU out of the guest */
	struct kick *kick;     /* the vCPU's */
};

struct lapic {
	_Atomic uint32_t irr[8], tmr[8];
	uint32_t regs[LAPIC_REGISTERS]; /* every 16 bytes, as the page has them; those of IRR and TMR are above */
	uint32_t icr_high; /* x2APIC: bits 63:32 of the ICR */
	_Atomic uint32_t shown_mode, shown_id, shown_ldr, shown_dfr;
	struct lapic_timer timer, timer_set_aside; /* beside lapic_registers_copy()'s registers */
	struct lapic_alarm alarm;
};

static inline uint32_t *reg(struct lapic *lapic, uint32_t offset)
{
	return &lapic->regs[offset / 16];
}

static inline bool x2apic(const struct x86_vcpu *cpu)
{
	return (cpu->apic_base & (BASE_ENABLED | BASE_X2APIC)) == (BASE_ENABLED | BASE_X2APIC);
}

static inline bool enabled(const struct x86_vcpu *cpu)
{
	return cpu->apic_base & BASE_ENABLED;
}

/* The logical id in x2APIC mode follows from the id (10.12.10.2). */
static inline uint32_t x2apic_ldr(uint32_t id)
{
	return (id >> 4) << 16 | 1u << (id & 15);
}

/* Shows other threads what has changed: after every change of the id, LDR, DFR, SPIV, LVT0 and IA32_APIC_BASE. */
void lapic_publish(struct x86_vcpu *cpu);

/* ---- The timer (lapic_timer.c). ---- */
void lapic_timer_init(struct x86_vcpu *cpu);
/* Writes of the LVT's entry, the counts and the divider, once they stand in the registers. */
void lapic_timer_mode_changed(struct x86_vcpu *cpu);
void lapic_timer_count_written(struct x86_vcpu *cpu);
void lapic_timer_divider_changed(struct x86_vcpu *cpu, uint32_t old);
void lapic_timer_stop(struct x86_vcpu *cpu);
/* KVM_SET_LAPIC: goes on where the current count says. */
void lapic_timer_restore(struct x86_vcpu *cpu);
/* Puts back how the timer was. */
void lapic_timer_return(struct x86_vcpu *cpu);
uint32_t lapic_timer_count(const struct x86_vcpu *cpu);

/* ---- Deliveries (lapic_irq.c). ---- */
/* The ICR was written. */
void lapic_ipi_send(struct x86_vcpu *cpu, uint32_t icr, uint32_t destination);
/* One of the LVT's entries fires. */
void lapic_lvt_deliver(struct x86_vcpu *cpu, uint32_t offset);

#endif
