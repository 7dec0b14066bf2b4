/*
 * The interrupt controllers of a VM and what passes between them: messages to local APICs, lines to the PICs and the I/O APIC, ends of
 * interrupts back. Which thread calls does not matter unless it is said.
 */
#ifndef ANYKVM_X86_IRQCHIP_H
#define ANYKVM_X86_IRQCHIP_H

#include "x86/vcpu.h"

/* Delivery modes of the ICR, the LVT, messages and the I/O APIC (SDM Vol. 3A, 10.6.1). */
enum delivery {
	DELIVERY_FIXED = 0, DELIVERY_LOWEST = 1, DELIVERY_SMI = 2, DELIVERY_REMOTE_READ = 3, DELIVERY_NMI = 4, DELIVERY_INIT = 5,
	DELIVERY_SIPI = 6, DELIVERY_EXTINT = 7,
};
enum shorthand { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

/* What travels to local APICs. */
struct apic_message {
	uint32_t destination;
	uint8_t vector, mode, shorthand;
	bool logical;  /* destination mode */
	bool level;    /* trigger mode */
	bool deassert; /* of a level-triggered INIT */
	bool lowest;   /* redirection hint: any one of the destinations */
};

/* ---- Local APICs (lapic_irq.c). ---- */

/* Delivers to all that it is meant for: how many took it, or -1 when it is meant for nobody. `sender` is NULL for devices. */
int apic_message_send(struct x86_vm *vm, struct x86_vcpu *sender, const struct apic_message *message);
/* A message-signalled interrupt (10.11): the same; 0 and 1 otherwise. */
struct apic_message apic_message_of_msi(const struct x86_vm *vm, uint32_t address_low, uint32_t address_high, uint32_t data);
/* Whether the message's destination has that vCPU in it. */
bool apic_message_matches(struct x86_vcpu *target, const struct apic_message *message);
/* The PICs' output went up: wakes who takes it. A PIT's tick, for those whose LINT0 is a watchdog's. */
void lapics_pic_wake(struct x86_vm *vm);
void lapics_lint0_nmi(struct x86_vm *vm);

/* ---- Ends (irqchip.c). ---- */

/* The vCPU's own thread: its guest has ended an interrupt. */
void x86_irq_ended(struct x86_vcpu *cpu, uint8_t vector, bool level);
/* A controller has seen the end of a pin's interrupt: those who want to know are told. No lock of a controller is held. */
void x86_pin_ended(struct x86_vm *vm, uint32_t chip, uint32_t pin);
/* A pin was unmasked. */
void x86_pin_unmasked(struct x86_vm *vm, uint32_t chip, uint32_t pin);

/* ---- The two PICs (pic.c). ---- */

struct pics *pics_create(struct x86_vm *vm);
void pics_destroy(struct pics *pics);
/* Pins 0 ... 15. Negative: masked; 0: coalesced; 1. */
int pics_set(struct pics *pics, uint32_t pin, enum irq_source source, bool level);
bool pics_output(struct pics *pics);
/* The interrupt acknowledge cycle: the vector, maybe a spurious one. */
uint8_t pics_acknowledge(struct pics *pics);
/* Ports 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1: false for others. `size` other than 1 does nothing. */
bool pics_port_write(struct pics *pics, uint16_t port, unsigned int size, uint8_t value);
bool pics_port_read(struct pics *pics, uint16_t port, unsigned int size, uint8_t *value);
void pics_get(struct pics *pics, unsigned int which, struct kvm_pic_state *state);
void pics_state_set(struct pics *pics, unsigned int which, const struct kvm_pic_state *state);

/* ---- The I/O APIC (ioapic.c). ---- */

struct ioapic *ioapic_create(struct x86_vm *vm);
void ioapic_destroy(struct ioapic *ioapic);
int ioapic_set(struct ioapic *ioapic, uint32_t pin, enum irq_source source, bool level);
/* The guest has ended an interrupt of that vector. */
void ioapic_vector_ended(struct ioapic *ioapic, uint8_t vector, bool level);
/* Whether a pin sends that vector. */
bool ioapic_has_vector(struct ioapic *ioapic, uint8_t vector);
bool ioapic_covers(struct ioapic *ioapic, uint64_t gpa);
void ioapic_read(struct ioapic *ioapic, uint64_t gpa, unsigned int size, void *data);
void ioapic_write(struct ioapic *ioapic, uint64_t gpa, unsigned int size, const void *data);
void ioapic_get(struct ioapic *ioapic, struct kvm_ioapic_state *state);
void ioapic_state_set(struct ioapic *ioapic, const struct kvm_ioapic_state *state);

/* ---- The PIT (pit.c). ---- */

struct pit *pit_create(struct x86_vm *vm, uint32_t flags);
void pit_destroy(struct pit *pit);
bool pit_port_write(struct pit *pit, uint16_t port, unsigned int size, uint8_t value);
bool pit_port_read(struct pit *pit, uint16_t port, unsigned int size, uint8_t *value);
/* The guest has ended its interrupt, or unmasked it. */
void pit_acknowledged(struct pit *pit);
void pit_unmasked(struct pit *pit);
void pit_get(struct pit *pit, struct kvm_pit_state2 *state);
void pit_state_set(struct pit *pit, const struct kvm_pit_state2 *state);
/* The older state has no flags: they stay. */
void pit_channels_set(struct pit *pit, const struct kvm_pit_state *state);
void pit_reinject_set(struct pit *pit, bool reinject);

/* ---- The VM's ioctls (irqchip.c). ---- */

int irqchip_create(struct x86_vm *vm);
int irqchip_create_split(struct x86_vm *vm, uint32_t pins);
void irqchip_destroy(struct x86_vm *vm);
int irqchip_get(struct x86_vm *vm, struct kvm_irqchip *chip);
int irqchip_set(struct x86_vm *vm, const struct kvm_irqchip *chip);
int irq_line_set(struct x86_vm *vm, struct kvm_irq_level *line);
/* How many took it; -EPERM when it was meant for nobody. */
long msi_signal(struct x86_vm *vm, const struct kvm_msi *msi);

/* ---- Ports and memory that are devices here (bus.c). The vCPU's own thread. ---- */

/* Whether the access is over; else it is the program's. */
bool bus_port_write(struct x86_vcpu *cpu, uint16_t port, unsigned int size, const void *data);
bool bus_port_read(struct x86_vcpu *cpu, uint16_t port, unsigned int size, void *data);
bool bus_memory_write(struct x86_vcpu *cpu, uint64_t gpa, unsigned int size, const void *data);
bool bus_memory_read(struct x86_vcpu *cpu, uint64_t gpa, unsigned int size, void *data);

#endif
