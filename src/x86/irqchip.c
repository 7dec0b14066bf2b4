/*
 * The interrupt controllers of a VM together: their birth, what routes lead to, what happens at the end of an interrupt, and the ioctls.
 */
#include <errno.h>
#include <string.h>

#include "core/why.h"
#include "x86/irqchip.h"
#include "x86/xen/xen.h"

#define PINS_A_PIC 8

/* ---- Routes. ---- */

static int msi_check(const struct x86_vm *vm, uint32_t address_high)
{
	/* With 32-bit ids the upper address has id bits 31:8 and nothing else. */
	if (vm->x2apic_api & KVM_X2APIC_API_USE_32BIT_IDS && address_high & 0xff)
		return why(-EINVAL, "address_hi: %#x has bits 7:0 (KVM_X2APIC_API_USE_32BIT_IDS)", address_high);
	return 0;
}

static int pin_check(const struct x86_vm *vm, const struct kvm_irq_routing_entry *entry)
{
	uint32_t chip = entry->u.irqchip.irqchip, pin = entry->u.irqchip.pin;

	if (!vm->ioapic)
		return why(-EINVAL, "gsi %u: there are no pins, the I/O APIC and the PICs are the program's", entry->gsi);
	if (chip > KVM_IRQCHIP_IOAPIC)
		return why(-EINVAL, "gsi %u: irqchip %u is none of 0 (PIC), 1 (second PIC), 2 (I/O APIC)", entry->gsi, chip);
	if (pin >= (chip == KVM_IRQCHIP_IOAPIC ? KVM_IOAPIC_NUM_PINS : PINS_A_PIC))
		return why(-EINVAL, "gsi %u: irqchip %u has no pin %u", entry->gsi, chip, pin);
	return 0;
}

static int route_check(struct vm *self, const struct kvm_irq_routing_entry *entry)
{
	struct x86_vm *vm = (struct x86_vm *)self;

	switch (entry->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		return pin_check(vm, entry);
	case KVM_IRQ_ROUTING_MSI:
		return msi_check(vm, entry->u.msi.address_hi);
	case KVM_IRQ_ROUTING_XEN_EVTCHN: /* port and vCPU may come later */
		if (entry->u.xen_evtchn.priority != KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL)
			return why(-EINVAL, "gsi %u: priority %#x is not KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL", entry->gsi, entry->u.xen_evtchn.priority);
		return 0;
	}
	return why(-EINVAL, "gsi %u: type %u is no kind of route", entry->gsi, entry->type);
}

static int pin_set(struct x86_vm *vm, uint32_t chip, uint32_t pin, enum irq_source source, bool level)
{
	if (chip == KVM_IRQCHIP_IOAPIC)
		return ioapic_set(vm->ioapic, pin, source, level);
	return pics_set(vm->pics, chip * PINS_A_PIC + pin, source, level);
}

static int msi_set(struct x86_vm *vm, uint32_t low, uint32_t high, uint32_t data)
{
	struct apic_message message = apic_message_of_msi(vm, low, high, data);

	return apic_message_send(vm, NULL, &message);
}

static int route_set(struct vm *self, const struct kvm_irq_routing_entry *entry, enum irq_source source, bool level)
{
	struct x86_vm *vm = (struct x86_vm *)self;

	if (entry->type == KVM_IRQ_ROUTING_IRQCHIP)
		return pin_set(vm, entry->u.irqchip.irqchip, entry->u.irqchip.pin, source, level);
	if (!level)
		return -1;
	if (entry->type == KVM_IRQ_ROUTING_XEN_EVTCHN)
		return xen_port_raise(vm, (struct x86_xen_port){ entry->u.xen_evtchn.port, entry->u.xen_evtchn.vcpu });
	return msi_set(vm, entry->u.msi.address_lo, entry->u.msi.address_hi, entry->u.msi.data);
}

static const struct vm_irq_ops irq_ops = { .route_check = route_check, .route_set = route_set };

/* A PC's: gsi n is pin n of the I/O APIC, and below 16 also of the PICs. */
static int routes_default(struct x86_vm *vm)
{
	struct kvm_irq_routing_entry entries[KVM_IOAPIC_NUM_PINS + 2 * PINS_A_PIC];
	uint32_t count = 0;

	memset(entries, 0, sizeof entries);
	for (uint32_t gsi = 0; gsi < KVM_IOAPIC_NUM_PINS; gsi++) {
		entries[count].gsi = gsi;
		entries[count].type = KVM_IRQ_ROUTING_IRQCHIP;
		entries[count].u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
		entries[count++].u.irqchip.pin = gsi;
		if (gsi >= 2 * PINS_A_PIC)
			continue;
		entries[count].gsi = gsi;
		entries[count].type = KVM_IRQ_ROUTING_IRQCHIP;
		entries[count].u.irqchip.irqchip = gsi / PINS_A_PIC;
		entries[count++].u.irqchip.pin = gsi % PINS_A_PIC;
	}
	return vm_irq_routes_set(&vm->vm, entries, count);
}

/* ---- Birth and death. The VM's lock is held. ---- */

static int nothing_yet(const struct x86_vm *vm, int late)
{
	if (vm->irqchip != IRQCHIP_NONE)
		return why(-EEXIST, "the VM has an irqchip");
	if (vm->vm.vcpu_count)
		return why(late, "the VM has vCPUs: the irqchip comes before them");
	return 0;
}

int irqchip_create(struct x86_vm *vm)
{
	int error = nothing_yet(vm, -EINVAL);

	if (error)
		return error;
	vm->pics = pics_create(vm);
	vm->ioapic = ioapic_create(vm);
	if (!vm->pics || !vm->ioapic) {
		irqchip_destroy(vm);
		return -ENOMEM;
	}
	vm->vm.irq_pins = true;
	vm->vm.irq_ops = &irq_ops;
	error = routes_default(vm);
	if (!error)
		vm->irqchip = IRQCHIP_KERNEL;
	return error;
}

int irqchip_create_split(struct x86_vm *vm, uint32_t pins)
{
	int error = nothing_yet(vm, -EEXIST);

	if (error)
		return error;
	vm->reserved_pins = pins;
	vm->vm.irq_ops = &irq_ops;
	vm->irqchip = IRQCHIP_SPLIT;
	return 0;
}

void irqchip_destroy(struct x86_vm *vm)
{
	pit_destroy(vm->pit);
	ioapic_destroy(vm->ioapic);
	pics_destroy(vm->pics);
	vm->pit = NULL;
	vm->ioapic = NULL;
	vm->pics = NULL;
	vm->irqchip = IRQCHIP_NONE;
	vm->vm.irq_ops = NULL;
}

/* ---- Ends. ---- */

void x86_pin_ended(struct x86_vm *vm, uint32_t chip, uint32_t pin)
{
	int gsi = vm_irq_route_gsi(&vm->vm, chip, pin);

	if (gsi < 0)
		return;
	vm_irq_resample(&vm->vm, (uint32_t)gsi);
	if (gsi == 0 && atomic_load(&vm->pit))
		pit_acknowledged(vm->pit);
}

void x86_pin_unmasked(struct x86_vm *vm, uint32_t chip, uint32_t pin)
{
	if (atomic_load(&vm->pit) && vm_irq_route_gsi(&vm->vm, chip, pin) == 0)
		pit_unmasked(vm->pit);
}

/* Whether the program's I/O APIC wants to hear of a vector's end: one of its pins sends it here, level-triggered. */
static bool pin_of_program(struct x86_vcpu *cpu, uint8_t vector)
{
	struct x86_vm *vm = x86_vm(cpu);
	struct kvm_irq_routing_entry routes[IRQ_ROUTES_A_GSI];

	for (uint32_t gsi = 0; gsi < vm->reserved_pins; gsi++) {
		unsigned int count = vm_irq_routes_get(&vm->vm, gsi, routes);
		struct apic_message message;

		if (!count || routes[0].type != KVM_IRQ_ROUTING_MSI)
			continue;
		message = apic_message_of_msi(vm, routes[0].u.msi.address_lo, routes[0].u.msi.address_hi, routes[0].u.msi.data);
		if (message.level && message.vector == vector)
			return true;
	}
	return false;
}

void x86_irq_ended(struct x86_vcpu *cpu, uint8_t vector, bool level)
{
	struct x86_vm *vm = x86_vm(cpu);

	if (vm->irqchip == IRQCHIP_KERNEL) {
		ioapic_vector_ended(vm->ioapic, vector, level);
	} else if (level && pin_of_program(cpu, vector)) {
		cpu->ended_vector = vector;
		cpu->ended_exit = true;
		kick_set(&cpu->vcpu.kick, REQUEST_EVENT);
	}
}

/* ---- The ioctls. ---- */

static int chips_here(const struct x86_vm *vm)
{
	return vm->irqchip == IRQCHIP_KERNEL ? 0 : why(-ENXIO, "the PICs and the I/O APIC are not in the kernel");
}

int irqchip_get(struct x86_vm *vm, struct kvm_irqchip *chip)
{
	int error = chips_here(vm);

	if (error)
		return error;
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		pics_get(vm->pics, chip->chip_id, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		ioapic_get(vm->ioapic, &chip->chip.ioapic);
		return 0;
	}
	return why(-EINVAL, "chip_id: %u is none of 0 (PIC), 1 (second PIC), 2 (I/O APIC)", chip->chip_id);
}

int irqchip_set(struct x86_vm *vm, const struct kvm_irqchip *chip)
{
	int error = chips_here(vm);

	if (error)
		return error;
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		pics_state_set(vm->pics, chip->chip_id, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		ioapic_state_set(vm->ioapic, &chip->chip.ioapic);
		return 0;
	}
	return why(-EINVAL, "chip_id: %u is none of 0 (PIC), 1 (second PIC), 2 (I/O APIC)", chip->chip_id);
}

int irq_line_set(struct x86_vm *vm, struct kvm_irq_level *line)
{
	if (vm->irqchip == IRQCHIP_NONE)
		return why(-ENXIO, "there is no interrupt controller in the kernel");
	line->status = (uint32_t)vm_irq_set(&vm->vm, IRQ_SOURCE_USER, line->irq, line->level != 0);
	return 0;
}

long msi_signal(struct x86_vm *vm, const struct kvm_msi *msi)
{
	int error, taken;

	if (vm->irqchip == IRQCHIP_NONE)
		return why(-EINVAL, "there is no interrupt controller in the kernel");
	if (msi->flags & ~(uint32_t)KVM_MSI_VALID_DEVID)
		return why(-EINVAL, "flags: %#x has unknown bits", msi->flags);
	error = msi_check(vm, msi->address_hi);
	if (error)
		return error;
	taken = msi_set(vm, msi->address_lo, msi->address_hi, msi->data);
	return taken < 0 ? why(-EPERM, "no vCPU is the destination of address %#x, data %#x", msi->address_lo, msi->data) : taken;
}
