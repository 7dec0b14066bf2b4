/*
 * Event channels, 2-level form (Xen's public/event_channel.h, public/xen.h): a bit a port in shared_info, one selector bit a word in
 * vcpu_info, and its pending flag; each set atomically in the guest's memory, in that order, and each only by who set the one before. So
 * no event is lost, and none is told twice.
 */
#include <errno.h>

#include "core/user.h"
#include "core/why.h"
#include "x86/irqchip.h"
#include "x86/xen/xen.h"

#define PENDING 0x800 /* of struct shared_info */
#define MASK_64 0xa00
#define MASK_32 0x880
#define UPCALL_PENDING 0 /* of struct vcpu_info */
#define SELECTOR_64 8
#define SELECTOR_32 4

uint32_t xen_ports(const struct x86_vm *vm)
{
	return ((struct x86_vm *)vm)->xen.long_mode ? XEN_PORTS_64 : XEN_PORTS_32;
}

/* Sets a bit of a bitmap in the program's memory: whether it was set before; -EFAULT. */
static int bit_set(uint64_t host, uint32_t bit)
{
	uint8_t mask = (uint8_t)(1u << bit % 8), before;
	int error = user_or(host + bit / 8, mask, &before);

	return error ? error : (before & mask) != 0;
}

static int bit_test(uint64_t host, uint32_t bit)
{
	uint8_t byte;
	int error = user_read(&byte, host + bit / 8, 1);

	return error ? error : byte >> bit % 8 & 1;
}

/* ---- Telling the vCPU. ---- */

/* The vCPU's own vector, through its local APIC. */
static void vector_send(struct x86_vcpu *cpu, uint8_t vector)
{
	struct apic_message message = { .destination = cpu->vcpu.id, .vector = vector };

	apic_message_send(x86_vm(cpu), NULL, &message);
}

void xen_unblock(struct x86_vcpu *cpu)
{
	atomic_store(&cpu->xen.unblock, true);
	kick_set(&cpu->vcpu.kick, REQUEST_EVENT);
}

static void vcpu_tell(struct x86_vcpu *cpu)
{
	uint8_t vector = atomic_load(&cpu->xen.upcall_vector);

	if (vector)
		vector_send(cpu, vector);
	xen_unblock(cpu);
}

/* One that polls this very port hears of it even when it is masked. */
static void poller_tell(struct x86_vcpu *cpu, uint32_t port)
{
	uint32_t polled = atomic_load(&cpu->xen.poll_port);

	if (polled && (polled == port || polled == XEN_POLL_ANY))
		xen_unblock(cpu);
}

/* The selector's bit in vcpu_info, and the flag: false when there is no vcpu_info to write. */
static bool selector_set(struct x86_vcpu *cpu, uint32_t word)
{
	static const uint8_t pending = 1;
	uint64_t area = atomic_load(&cpu->xen.vcpu_info), host = xen_area_host(x86_vm(cpu), area);
	bool wide = x86_vm(cpu)->xen.long_mode;
	int before = host ? bit_set(host + (wide ? SELECTOR_64 : SELECTOR_32), word) : -EFAULT;

	if (before < 0 || (!before && user_write(host + UPCALL_PENDING, &pending, 1)))
		return false;
	xen_area_dirty(x86_vm(cpu), area);
	if (!before)
		vcpu_tell(cpu);
	return true;
}

/* ---- Raising a port. ---- */

int xen_port_raise_entered(struct x86_vm *vm, struct x86_xen_port target)
{
	struct vcpu *vcpu = vm_vcpu_find(&vm->vm, target.vcpu);
	uint64_t area = atomic_load(&vm->xen.shared_info), host;
	bool wide = vm->xen.long_mode;
	uint32_t word;
	int before, masked;

	if (!vcpu)
		return why(-EINVAL, "vcpu: there is no vCPU %u", target.vcpu);
	if (target.port >= (wide ? XEN_PORTS_64 : XEN_PORTS_32))
		return why(-EINVAL, "port: %u is not below %u", target.port, wide ? XEN_PORTS_64 : XEN_PORTS_32);
	if (!area)
		return why(-EINVAL, "the guest has no shared_info");
	host = xen_area_host(vm, area);
	before = host ? bit_set(host + PENDING, target.port) : -EFAULT;
	masked = before < 0 ? before : bit_test(host + (wide ? MASK_64 : MASK_32), target.port);
	if (masked < 0)
		return why(-EFAULT, "shared_info has no memory that can be written");
	xen_area_dirty(vm, area);
	if (before)
		return 0;
	if (masked) {
		poller_tell(x86_vcpu(vcpu), target.port);
		return -ENOTCONN;
	}
	word = target.port / (wide ? 64 : 32);
	if (!selector_set(x86_vcpu(vcpu), word)) {
		/* It will be told once there is one. */
		atomic_fetch_or(&x86_vcpu(vcpu)->xen.pending_selector, UINT64_C(1) << word);
		xen_unblock(x86_vcpu(vcpu));
	}
	return 1;
}

int xen_port_raise(struct x86_vm *vm, struct x86_xen_port port)
{
	bool entered = vm_memory_enter(&vm->vm);
	int result = xen_port_raise_entered(vm, port);

	vm_memory_leave(&vm->vm, entered);
	return result;
}

int xen_event_send(struct x86_vm *vm, const struct kvm_irq_routing_xen_evtchn *event)
{
	int result;

	if (!event->port || event->port >= xen_ports(vm))
		return why(-EINVAL, "port: %u is not within 1 and %u", event->port, xen_ports(vm) - 1);
	if (event->priority != KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL)
		return why(-EINVAL, "priority: %#x is not KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL", event->priority);
	result = xen_port_raise(vm, (struct x86_xen_port){ event->port, event->vcpu });
	/* Delivered, pending or masked: it has been sent. */
	return result > 0 || result == -ENOTCONN ? 0 : result;
}

bool xen_port_pending(struct x86_vm *vm, uint32_t port)
{
	uint64_t host = xen_area_host(vm, atomic_load(&vm->xen.shared_info));

	return !host || bit_test(host + PENDING, port) != 0;
}

/* ---- On the vCPU. ---- */

void xen_pending_deliver(struct x86_vcpu *cpu)
{
	uint64_t words = atomic_load(&cpu->xen.pending_selector);

	if (!words || !atomic_load(&cpu->xen.vcpu_info))
		return;
	words = atomic_exchange(&cpu->xen.pending_selector, 0);
	for (; words; words &= words - 1) {
		uint32_t word = (uint32_t)__builtin_ctzll(words);

		if (!selector_set(cpu, word))
			atomic_fetch_or(&cpu->xen.pending_selector, UINT64_C(1) << word);
	}
}

bool xen_upcall_pending(struct x86_vcpu *cpu)
{
	uint64_t area = atomic_load_explicit(&cpu->xen.vcpu_info, memory_order_relaxed), host;
	uint8_t pending;

	if (!area || !xen_enabled(x86_vm(cpu)) || !atomic_load_explicit(&x86_vm(cpu)->xen.upcall_vector, memory_order_relaxed))
		return false;
	host = xen_area_host(x86_vm(cpu), area);
	return host && !user_read(&pending, host + UPCALL_PENDING, 1) && pending;
}
