/*
 * The I/O APIC (Intel's data sheet of the 82093AA): 24 pins, each with a redirection entry that makes a message of it. The state is that
 * of struct kvm_ioapic_state.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "x86/irqchip.h"

#define BASE UINT64_C(0xfec00000)
#define LENGTH 0x100
#define VERSION 0x11
#define SELECT 0x00
#define WINDOW 0x10

/* Bits of a redirection entry. */
#define ENTRY_LOGICAL (UINT64_C(1) << 11)
#define ENTRY_STATUS (UINT64_C(1) << 12)
#define ENTRY_REMOTE_IRR (UINT64_C(1) << 14)
#define ENTRY_LEVEL (UINT64_C(1) << 15)
#define ENTRY_MASKED (UINT64_C(1) << 16)
#define ENTRY_READ_ONLY (ENTRY_STATUS | ENTRY_REMOTE_IRR)

/* How often a level-triggered interrupt may come again at once before the guest gets a rest. */
#define STORM 10000
#define STORM_REST_NS 10000000

struct ioapic {
	struct x86_vm *vm;
	pthread_mutex_t lock; /* messages are sent under it */
	struct kvm_ioapic_state state;
	uint8_t lines[KVM_IOAPIC_NUM_PINS]; /* who holds a pin up: bit n, source n */
	uint32_t again[KVM_IOAPIC_NUM_PINS];
	struct vm_timer rest;
	_Atomic uint64_t base; /* state.base_address, for those who do not hold the lock */
};

static int pin_service(struct ioapic *ioapic, uint32_t pin);

/* The rest after a storm is over. */
static void rest_over(struct vm_timer *timer)
{
	struct ioapic *ioapic = (struct ioapic *)((char *)timer - offsetof(struct ioapic, rest));

	pthread_mutex_lock(&ioapic->lock);
	for (uint32_t pin = 0; pin < KVM_IOAPIC_NUM_PINS; pin++)
		if (ioapic->state.redirtbl[pin].bits & ENTRY_LEVEL && ioapic->state.irr >> pin & 1)
			pin_service(ioapic, pin);
	pthread_mutex_unlock(&ioapic->lock);
}

struct ioapic *ioapic_create(struct x86_vm *vm)
{
	struct ioapic *ioapic = calloc(1, sizeof *ioapic);

	if (!ioapic)
		return NULL;
	ioapic->vm = vm;
	pthread_mutex_init(&ioapic->lock, NULL);
	ioapic->base = ioapic->state.base_address = BASE;
	for (uint32_t pin = 0; pin < KVM_IOAPIC_NUM_PINS; pin++)
		ioapic->state.redirtbl[pin].bits = ENTRY_MASKED;
	ioapic->rest.expire = rest_over;
	return ioapic;
}

void ioapic_destroy(struct ioapic *ioapic)
{
	if (!ioapic)
		return;
	pthread_mutex_destroy(&ioapic->lock);
	free(ioapic);
}

/* ---- Pins. The lock is held. ---- */

static struct apic_message entry_message(uint64_t entry)
{
	return (struct apic_message){
		.destination = (uint32_t)(entry >> 56),
		.vector = (uint8_t)entry,
		.mode = entry >> 8 & 7,
		.logical = entry & ENTRY_LOGICAL,
		.level = entry & ENTRY_LEVEL,
	};
}

static int pin_service(struct ioapic *ioapic, uint32_t pin)
{
	uint64_t entry = ioapic->state.redirtbl[pin].bits;
	struct apic_message message = entry_message(entry);
	int taken;

	if (entry & ENTRY_MASKED || (entry & ENTRY_LEVEL && entry & ENTRY_REMOTE_IRR))
		return -1;
	taken = apic_message_send(ioapic->vm, NULL, &message);
	if (taken && entry & ENTRY_LEVEL)
		ioapic->state.redirtbl[pin].bits |= ENTRY_REMOTE_IRR;
	return taken;
}

/* 0: coalesced with an edge that has not been delivered. */
static int pin_level(struct ioapic *ioapic, uint32_t pin, bool level)
{
	uint32_t bit = 1u << pin, before = ioapic->state.irr;

	if (!level) {
		ioapic->state.irr &= ~bit;
		return 1;
	}
	ioapic->state.irr |= bit;
	if (!(ioapic->state.redirtbl[pin].bits & ENTRY_LEVEL) && before & bit)
		return 0;
	return pin_service(ioapic, pin);
}

int ioapic_set(struct ioapic *ioapic, uint32_t pin, enum irq_source source, bool level)
{
	int taken;

	pthread_mutex_lock(&ioapic->lock);
	ioapic->lines[pin] = (uint8_t)((ioapic->lines[pin] & ~(1u << source)) | (unsigned int)level << source);
	taken = pin_level(ioapic, pin, ioapic->lines[pin] != 0);
	pthread_mutex_unlock(&ioapic->lock);
	return taken;
}

/* ---- Ends of interrupts. ---- */

static void pin_again(struct ioapic *ioapic, uint32_t pin)
{
	struct kvm_ioapic_state *state = &ioapic->state;

	state->redirtbl[pin].bits &= ~ENTRY_REMOTE_IRR;
	if (state->redirtbl[pin].bits & ENTRY_MASKED || !(state->irr >> pin & 1)) {
		ioapic->again[pin] = 0;
	} else if (++ioapic->again[pin] >= STORM) {
		/* A guest that never calms its device still gets something done. */
		ioapic->again[pin] = 0;
		vm_timer_set(&ioapic->vm->vm.worker, &ioapic->rest, monotonic_ns() + STORM_REST_NS);
	} else {
		pin_service(ioapic, pin);
	}
}

void ioapic_vector_ended(struct ioapic *ioapic, uint8_t vector, bool level)
{
	pthread_mutex_lock(&ioapic->lock);
	for (uint32_t pin = 0; pin < KVM_IOAPIC_NUM_PINS; pin++) {
		if ((uint8_t)ioapic->state.redirtbl[pin].bits != vector)
			continue;
		/* Those who are told may move lines. */
		pthread_mutex_unlock(&ioapic->lock);
		x86_pin_ended(ioapic->vm, KVM_IRQCHIP_IOAPIC, pin);
		pthread_mutex_lock(&ioapic->lock);
		if (level && ioapic->state.redirtbl[pin].bits & ENTRY_LEVEL)
			pin_again(ioapic, pin);
	}
	pthread_mutex_unlock(&ioapic->lock);
}

bool ioapic_has_vector(struct ioapic *ioapic, uint8_t vector)
{
	bool found = false;

	pthread_mutex_lock(&ioapic->lock);
	for (uint32_t pin = 0; pin < KVM_IOAPIC_NUM_PINS && !found; pin++)
		found = (uint8_t)ioapic->state.redirtbl[pin].bits == vector;
	pthread_mutex_unlock(&ioapic->lock);
	return found;
}

/* ---- Registers. The lock is held. ---- */

static uint32_t register_read(const struct ioapic *ioapic)
{
	uint32_t which = ioapic->state.ioregsel, pin = (which - 0x10) >> 1;
	uint64_t entry = UINT64_MAX;

	switch (which) {
	case 0:
	case 2:
		return (ioapic->state.id & 15) << 24;
	case 1:
		return (KVM_IOAPIC_NUM_PINS - 1) << 16 | VERSION;
	}
	if (pin < KVM_IOAPIC_NUM_PINS)
		entry = ioapic->state.redirtbl[pin].bits;
	return (uint32_t)(which & 1 ? entry >> 32 : entry);
}

/* Returns what the pin must be told outside the lock. */
enum told { TOLD_NOTHING, TOLD_UNMASKED, TOLD_RESAMPLE };

static enum told entry_write(struct ioapic *ioapic, uint32_t pin, bool high, uint32_t value)
{
	__u64 *entry = &ioapic->state.redirtbl[pin].bits, old = *entry;

	*entry = high ? (uint32_t)old | (uint64_t)value << 32 : (old & ~(uint64_t)UINT32_MAX) | value;
	*entry = (*entry & ~ENTRY_READ_ONLY) | (old & ENTRY_READ_ONLY);
	/* Made edge-triggered, a pin forgets that it waited for an end: how guests end interrupts by hand. */
	if (!(*entry & ENTRY_LEVEL))
		*entry &= ~ENTRY_REMOTE_IRR;
	if (*entry & ENTRY_LEVEL && ioapic->state.irr >> pin & 1 && !(*entry & (ENTRY_MASKED | ENTRY_REMOTE_IRR)))
		return TOLD_RESAMPLE;
	return old & ~*entry & ENTRY_MASKED ? TOLD_UNMASKED : TOLD_NOTHING;
}

static enum told register_write(struct ioapic *ioapic, uint32_t value, uint32_t *pin)
{
	uint32_t which = ioapic->state.ioregsel;

	*pin = (which - 0x10) >> 1;
	if (which == 0)
		ioapic->state.id = value >> 24 & 15;
	else if (which >= 0x10 && *pin < KVM_IOAPIC_NUM_PINS)
		return entry_write(ioapic, *pin, which & 1, value);
	return TOLD_NOTHING;
}

/* A level that came while the pin was masked may be gone: who resamples says so; else it is delivered. */
static void pin_resample(struct ioapic *ioapic, uint32_t pin)
{
	int gsi = vm_irq_route_gsi(&ioapic->vm->vm, KVM_IRQCHIP_IOAPIC, pin);
	bool told = gsi >= 0 && vm_irq_resample(&ioapic->vm->vm, (uint32_t)gsi);

	pthread_mutex_lock(&ioapic->lock);
	if (told && !ioapic->lines[pin])
		ioapic->state.irr &= ~(1u << pin);
	else if (ioapic->state.irr >> pin & 1)
		pin_service(ioapic, pin);
	pthread_mutex_unlock(&ioapic->lock);
}

bool ioapic_covers(struct ioapic *ioapic, uint64_t gpa)
{
	return gpa - atomic_load_explicit(&ioapic->base, memory_order_relaxed) < LENGTH;
}

void ioapic_read(struct ioapic *ioapic, uint64_t gpa, unsigned int size, void *data)
{
	uint64_t result = 0;

	pthread_mutex_lock(&ioapic->lock);
	switch (gpa & 0xff) {
	case SELECT: result = ioapic->state.ioregsel; break;
	case WINDOW: result = register_read(ioapic); break;
	}
	pthread_mutex_unlock(&ioapic->lock);
	memcpy(data, &result, size < sizeof result ? size : sizeof result);
}

void ioapic_write(struct ioapic *ioapic, uint64_t gpa, unsigned int size, const void *data)
{
	enum told told = TOLD_NOTHING;
	uint32_t value = 0, pin = 0;

	memcpy(&value, data, size < sizeof value ? size : sizeof value);
	pthread_mutex_lock(&ioapic->lock);
	switch (gpa & 0xff) {
	case SELECT: ioapic->state.ioregsel = value & 0xff; break;
	case WINDOW: told = register_write(ioapic, value, &pin); break;
	}
	pthread_mutex_unlock(&ioapic->lock);
	if (told != TOLD_NOTHING)
		x86_pin_unmasked(ioapic->vm, KVM_IRQCHIP_IOAPIC, pin);
	if (told == TOLD_RESAMPLE)
		pin_resample(ioapic, pin);
}

/* ---- KVM_GET_IRQCHIP, KVM_SET_IRQCHIP. ---- */

void ioapic_get(struct ioapic *ioapic, struct kvm_ioapic_state *state)
{
	pthread_mutex_lock(&ioapic->lock);
	*state = ioapic->state;
	pthread_mutex_unlock(&ioapic->lock);
}

/* Pending edges are delivered anew. */
void ioapic_state_set(struct ioapic *ioapic, const struct kvm_ioapic_state *state)
{
	pthread_mutex_lock(&ioapic->lock);
	ioapic->state = *state;
	ioapic->base = state->base_address;
	ioapic->state.irr = 0;
	for (uint32_t pin = 0; pin < KVM_IOAPIC_NUM_PINS; pin++)
		if (state->irr >> pin & 1)
			pin_level(ioapic, pin, true);
	pthread_mutex_unlock(&ioapic->lock);
}
