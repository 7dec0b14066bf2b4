/*
 * Deliveries to local APICs: who a message is meant for (SDM Vol. 3A, 10.6.2, 10.12.10), and what it does there. From any thread: what it
 * sees of an APIC is what lapic_publish() shows.
 */
#include "x86/lapic.h"

/* Bits of apic_events: see mp_state.c. */
#define EVENT_INIT 1u
#define EVENT_SIPI 2u
#define EVENT_NMI 4u
#define EVENT_UNHALT 8u

static uint32_t mode_of(struct x86_vcpu *cpu)
{
	return atomic_load(&cpu->lapic->shown_mode);
}

/* ---- One APIC. ---- */

static bool interrupt_put(struct x86_vcpu *cpu, const struct apic_message *message)
{
	uint32_t word = message->vector / 32, bit = 1u << message->vector % 32;
	uint32_t needed = SHOWN_ENABLED | SHOWN_SOFTWARE;

	if ((mode_of(cpu) & needed) != needed)
		return false;
	if (message->level)
		atomic_fetch_or(&cpu->lapic->tmr[word], bit);
	else
		atomic_fetch_and(&cpu->lapic->tmr[word], ~bit);
	atomic_fetch_or(&cpu->lapic->irr[word], bit);
	return true;
}

/* INIT takes back a SIPI that came before it; a vCPU that both await sees INIT first. */
static void init_put(struct x86_vcpu *cpu)
{
	uint32_t old = atomic_load(&cpu->apic_events);

	while (!atomic_compare_exchange_weak(&cpu->apic_events, &old, (old & (EVENT_NMI | EVENT_UNHALT)) | EVENT_INIT))
		;
}

static void sipi_put(struct x86_vcpu *cpu, uint8_t vector)
{
	uint32_t old = atomic_load(&cpu->apic_events);

	while (!atomic_compare_exchange_weak(&cpu->apic_events, &old, (old & 0x00ffffff) | EVENT_SIPI | (uint32_t)vector << 24))
		;
}

/* Whether the APIC took it. */
static bool message_put(struct x86_vcpu *cpu, const struct apic_message *message)
{
	switch (message->mode) {
	case DELIVERY_FIXED:
	case DELIVERY_LOWEST:
		if (!interrupt_put(cpu, message))
			return false;
		break;
	case DELIVERY_NMI:
		atomic_fetch_or(&cpu->apic_events, EVENT_NMI);
		break;
	case DELIVERY_REMOTE_READ: /* what KVM wakes a halted vCPU with (KVM_HC_KICK_CPU) */
		atomic_fetch_or(&cpu->apic_events, EVENT_UNHALT);
		break;
	case DELIVERY_INIT:
		if (message->level && message->deassert)
			return false;
		init_put(cpu);
		break;
	case DELIVERY_SIPI:
		sipi_put(cpu, message->vector);
		break;
	default:
		return false;
	}
	kick_set(&cpu->vcpu.kick, REQUEST_EVENT);
	return true;
}

/* ---- Destinations. ---- */

static bool physical_match(struct x86_vcpu *target, uint32_t mode, uint32_t destination)
{
	if (destination == (mode & SHOWN_X2APIC ? UINT32_MAX : 0xff))
		return true;
	/* An id that xAPIC mode cannot tell names a vCPU in that mode, too: it could not be started otherwise. */
	if (mode & SHOWN_X2APIC || destination > 0xff)
		return destination == target->vcpu.id;
	return destination == atomic_load(&target->lapic->shown_id);
}

static bool logical_match(struct x86_vcpu *target, uint32_t mode, uint32_t destination)
{
	uint32_t ldr = atomic_load(&target->lapic->shown_ldr);

	if (destination == (mode & SHOWN_X2APIC ? UINT32_MAX : 0xff))
		return true;
	if (mode & SHOWN_X2APIC)
		return ldr >> 16 == destination >> 16 && ldr & destination & 0xffff;
	switch (atomic_load(&target->lapic->shown_dfr)) {
	case UINT32_MAX: /* flat */
		return ldr & destination;
	case 0x0fffffff: /* cluster */
		return ldr >> 4 == destination >> 4 && ldr & destination & 0xf;
	}
	return false;
}

static bool destination_match(struct x86_vcpu *sender, struct x86_vcpu *target, const struct apic_message *message)
{
	uint32_t mode = mode_of(target), destination = message->destination;

	switch (message->shorthand) {
	case SHORTHAND_SELF: return target == sender;
	case SHORTHAND_ALL: return true;
	case SHORTHAND_OTHERS: return target != sender;
	}
	/* Devices' broadcast reaches x2APICs as well, unless the program knows better (KVM_CAP_X2APIC_API). */
	if (!sender && destination == 0xff && mode & SHOWN_X2APIC && !(x86_vm(target)->x2apic_api & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK))
		return true;
	return message->logical ? logical_match(target, mode, destination) : physical_match(target, mode, destination);
}

bool apic_message_matches(struct x86_vcpu *target, const struct apic_message *message)
{
	return destination_match(NULL, target, message);
}

static struct x86_vcpu *vcpu_at(struct x86_vm *vm, uint32_t index)
{
	struct x86_vcpu *cpu = x86_vcpu(vm->vm.vcpus[index]);

	return cpu->lapic && mode_of(cpu) & SHOWN_ENABLED ? cpu : NULL;
}

/* Of those that could take it, the vector decides which one does. */
static int lowest_send(struct x86_vm *vm, struct x86_vcpu *sender, const struct apic_message *message)
{
	uint32_t count = atomic_load(&vm->vm.vcpu_count), able = 0, chosen;

	for (uint32_t i = 0; i < count; i++) {
		struct x86_vcpu *target = vcpu_at(vm, i);

		able += target && mode_of(target) & SHOWN_SOFTWARE && destination_match(sender, target, message);
	}
	if (!able)
		return -1;
	chosen = message->vector % able;
	for (uint32_t i = 0; i < count; i++) {
		struct x86_vcpu *target = vcpu_at(vm, i);

		if (target && mode_of(target) & SHOWN_SOFTWARE && destination_match(sender, target, message) && !chosen--)
			return message_put(target, message);
	}
	return -1;
}

int apic_message_send(struct x86_vm *vm, struct x86_vcpu *sender, const struct apic_message *message)
{
	uint32_t count = atomic_load(&vm->vm.vcpu_count);
	int taken = -1;

	if (message->shorthand == SHORTHAND_SELF)
		return message_put(sender, message);
	/* Everybody is not any one. */
	if ((message->mode == DELIVERY_LOWEST && (message->logical || message->destination != 0xff)) || message->lowest)
		return lowest_send(vm, sender, message);
	for (uint32_t i = 0; i < count; i++) {
		struct x86_vcpu *target = vcpu_at(vm, i);

		if (target && destination_match(sender, target, message))
			taken = (taken < 0 ? 0 : taken) + message_put(target, message);
	}
	return taken;
}

struct apic_message apic_message_of_msi(const struct x86_vm *vm, uint32_t address_low, uint32_t address_high, uint32_t data)
{
	struct apic_message message = {
		.destination = address_low >> 12 & 0xff,
		.vector = (uint8_t)data,
		.mode = data >> 8 & 7,
		.logical = address_low >> 2 & 1,
		.lowest = address_low >> 3 & 1,
		.level = data >> 15 & 1,
	};

	if (vm->x2apic_api & KVM_X2APIC_API_USE_32BIT_IDS)
		message.destination |= address_high & 0xffffff00;
	return message;
}

/* ---- From inside. ---- */

void lapic_ipi_send(struct x86_vcpu *cpu, uint32_t icr, uint32_t destination)
{
	struct apic_message message = {
		.destination = destination,
		.vector = (uint8_t)icr,
		.mode = icr >> 8 & 7,
		.shorthand = icr >> 18 & 3,
		.logical = icr >> 11 & 1,
		.level = icr >> 15 & 1,
		.deassert = !(icr >> 14 & 1),
	};

	/* A fixed interrupt is sent by its level; a level-triggered one that goes down is none (KVM's reading of 10.6.1). */
	if (message.mode <= DELIVERY_LOWEST && message.level && message.deassert)
		return;
	apic_message_send(x86_vm(cpu), cpu, &message);
}

void lapic_lvt_deliver(struct x86_vcpu *cpu, uint32_t offset)
{
	uint32_t lvt = *reg(cpu->lapic, offset);
	struct apic_message message = { .vector = (uint8_t)lvt, .mode = lvt >> 8 & 7, .shorthand = SHORTHAND_SELF, .level = lvt >> 15 & 1 };

	if (!(lvt & LVT_MASKED))
		apic_message_send(x86_vm(cpu), cpu, &message);
}

void lapics_pic_wake(struct x86_vm *vm)
{
	uint32_t count = atomic_load(&vm->vm.vcpu_count);

	for (uint32_t i = 0; i < count; i++) {
		struct x86_vcpu *cpu = x86_vcpu(vm->vm.vcpus[i]);

		if (cpu->lapic && mode_of(cpu) & SHOWN_EXTINT) {
			kick_set(&cpu->vcpu.kick, REQUEST_EVENT);
			return;
		}
	}
}

bool lapic_takes_pic(const struct x86_vcpu *cpu)
{
	return atomic_load_explicit(&((struct x86_vcpu *)cpu)->lapic->shown_mode, memory_order_relaxed) & SHOWN_EXTINT;
}

void lapics_lint0_nmi(struct x86_vm *vm)
{
	static const struct apic_message nmi = { .mode = DELIVERY_NMI };
	uint32_t count = atomic_load(&vm->vm.vcpu_count);

	for (uint32_t i = 0; i < count; i++) {
		struct x86_vcpu *cpu = vcpu_at(vm, i);

		if (cpu && mode_of(cpu) & SHOWN_LINT0_NMI)
			message_put(cpu, &nmi);
	}
}
