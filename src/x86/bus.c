/*
 * What a guest's access to a port, or to an address outside memory slots, leads to before it is the program's: the PICs, the PIT, the local
 * and the I/O APIC. For writes there is also what src/vm/io.h has; that of memory is asked once the instruction is over (run.c).
 */
#include <string.h>

#include "x86/irqchip.h"

bool bus_port_write(struct x86_vcpu *cpu, uint16_t port, unsigned int size, const void *data)
{
	struct x86_vm *vm = x86_vm(cpu);
	struct pit *pit = atomic_load_explicit(&vm->pit, memory_order_acquire);
	uint8_t value = *(const uint8_t *)data;

	if (vm->pics && pics_port_write(vm->pics, port, size, value))
		return true;
	if (pit && pit_port_write(pit, port, size, value))
		return true;
	return vm_io_write(&vm->vm, IO_PORT, port, size, data);
}

bool bus_port_read(struct x86_vcpu *cpu, uint16_t port, unsigned int size, void *data)
{
	struct x86_vm *vm = x86_vm(cpu);
	struct pit *pit = atomic_load_explicit(&vm->pit, memory_order_acquire);
	uint8_t value;

	if (!(vm->pics && pics_port_read(vm->pics, port, size, &value)) && !(pit && pit_port_read(pit, port, size, &value)))
		return false;
	memset(data, 0, size);
	memcpy(data, &value, sizeof value);
	return true;
}

bool bus_memory_write(struct x86_vcpu *cpu, uint64_t gpa, unsigned int size, const void *data)
{
	struct x86_vm *vm = x86_vm(cpu);

	if (lapic_mmio_covers(cpu, gpa)) {
		lapic_mmio_write(cpu, gpa & (PAGE_SIZE - 1), size, data);
		return true;
	}
	if (vm->ioapic && ioapic_covers(vm->ioapic, gpa)) {
		ioapic_write(vm->ioapic, gpa, size, data);
		return true;
	}
	return false;
}

bool bus_memory_read(struct x86_vcpu *cpu, uint64_t gpa, unsigned int size, void *data)
{
	struct x86_vm *vm = x86_vm(cpu);

	if (lapic_mmio_covers(cpu, gpa)) {
		lapic_mmio_read(cpu, gpa & (PAGE_SIZE - 1), size, data);
		return true;
	}
	if (vm->ioapic && ioapic_covers(vm->ioapic, gpa)) {
		memset(data, 0, size);
		ioapic_read(vm->ioapic, gpa, size, data);
		return true;
	}
	return false;
}
