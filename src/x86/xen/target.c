/*
 * Where the guest's EVTCHNOP_send leads without the program (KVM_XEN_ATTR_TYPE_EVTCHN): to a port and vCPU of the same guest, or to an
 * eventfd.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/event_fd.h"
#include "core/why.h"
#include "x86/xen/xen.h"

/* EVTCHNSTAT_* of public/event_channel.h. */
#define STATUS_INTERDOMAIN 2
#define STATUS_IPI 5

struct xen_target {
	uint32_t type; /* 0: none */
	struct x86_xen_port to; /* port 0: the eventfd */
	struct event_fd event;
};

static void target_clear(struct xen_target *target)
{
	if (target->type && !target->to.port)
		event_fd_close(&target->event);
	*target = (struct xen_target){ 0 };
}

void xen_targets_destroy(struct x86_vm *vm)
{
	for (uint32_t port = 0; vm->xen.targets && port < XEN_PORTS_64; port++)
		target_clear(&vm->xen.targets[port]);
	free(vm->xen.targets);
	vm->xen.targets = NULL;
}

/* ---- Changing them. The lock is held. ---- */

static int priority_check(uint32_t priority)
{
	if (priority != KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL)
		return why(-EINVAL, "deliver.port.priority: %#x is not KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL", priority);
	return 0;
}

static int port_fill(struct xen_target *target, const struct kvm_xen_hvm_attr *attribute)
{
	target->to.port = attribute->u.evtchn.deliver.port.port;
	target->to.vcpu = attribute->u.evtchn.deliver.port.vcpu;
	return priority_check(attribute->u.evtchn.deliver.port.priority);
}

static int target_fill(const struct x86_vm *vm, struct xen_target *target, const struct kvm_xen_hvm_attr *attribute)
{
	uint32_t from = attribute->u.evtchn.send_port, to = attribute->u.evtchn.deliver.port.port;

	target->type = attribute->u.evtchn.type;
	switch (target->type) {
	case STATUS_IPI:
		if (to != from)
			return why(-EINVAL, "deliver.port.port: an IPI from port %u does not go to port %u", from, to);
		return port_fill(target, attribute);
	case STATUS_INTERDOMAIN:
		if (!to)
			return event_fd_open(&target->event, "deliver.eventfd.fd", attribute->u.evtchn.deliver.eventfd.fd);
		if (to >= xen_ports(vm))
			return why(-EINVAL, "deliver.port.port: %u is not below %u", to, xen_ports(vm));
		return port_fill(target, attribute);
	}
	return why(-EINVAL, "type: %u is neither EVTCHNSTAT_interdomain nor EVTCHNSTAT_ipi", target->type);
}

static int target_assign(struct x86_vm *vm, const struct kvm_xen_hvm_attr *attribute)
{
	uint32_t port = attribute->u.evtchn.send_port;
	struct xen_target target = { 0 };
	int error = target_fill(vm, &target, attribute);

	if (error)
		return error;
	if (!vm->xen.targets)
		vm->xen.targets = calloc(XEN_PORTS_64, sizeof *vm->xen.targets);
	if (!vm->xen.targets)
		error = -ENOMEM;
	else if (vm->xen.targets[port].type)
		error = why(-EEXIST, "send_port: %u leads somewhere already", port);
	if (error)
		target_clear(&target);
	else
		vm->xen.targets[port] = target;
	return error;
}

static struct xen_target *target_find(struct x86_vm *vm, uint32_t port)
{
	struct xen_target *target = vm->xen.targets && port < XEN_PORTS_64 ? &vm->xen.targets[port] : NULL;

	return target && target->type ? target : NULL;
}

/* Only the vCPU can change. */
static int target_update(struct x86_vm *vm, const struct kvm_xen_hvm_attr *attribute)
{
	struct xen_target *target = target_find(vm, attribute->u.evtchn.send_port);
	int error;

	if (!target)
		return why(-ENOENT, "send_port: %u leads nowhere", attribute->u.evtchn.send_port);
	if (target->type != attribute->u.evtchn.type)
		return why(-EINVAL, "type: was %u and cannot become %u", target->type, attribute->u.evtchn.type);
	if (!target->to.port || target->to.port != attribute->u.evtchn.deliver.port.port)
		return why(-EINVAL, "deliver: a port cannot change, nor can an eventfd");
	error = priority_check(attribute->u.evtchn.deliver.port.priority);
	if (!error)
		target->to.vcpu = attribute->u.evtchn.deliver.port.vcpu;
	return error;
}

static int target_deassign(struct x86_vm *vm, uint32_t port)
{
	struct xen_target *target = target_find(vm, port);

	if (!target)
		return why(-ENOENT, "send_port: %u leads nowhere", port);
	target_clear(target);
	return 0;
}

int xen_target_set(struct x86_vm *vm, const struct kvm_xen_hvm_attr *attribute)
{
	uint32_t flags = attribute->u.evtchn.flags, port = attribute->u.evtchn.send_port;

	if (flags == KVM_XEN_EVTCHN_RESET) {
		xen_targets_destroy(vm);
		return 0;
	}
	if (!port || port >= xen_ports(vm))
		return why(-EINVAL, "send_port: %u is not within 1 and %u", port, xen_ports(vm) - 1);
	switch (flags) {
	case 0: return target_assign(vm, attribute);
	case KVM_XEN_EVTCHN_DEASSIGN: return target_deassign(vm, port);
	case KVM_XEN_EVTCHN_UPDATE: return target_update(vm, attribute);
	}
	return why(-EINVAL, "flags: %#x is more than one of DEASSIGN, UPDATE, RESET, or none", flags);
}

/* ---- Sending. ---- */

bool xen_target_send(struct x86_vm *vm, uint32_t port)
{
	struct x86_xen_port to = { 0 };
	struct xen_target *target;
	int result;

	pthread_mutex_lock(&vm->xen.lock);
	target = target_find(vm, port);
	if (target && target->to.port)
		to = target->to;
	else if (target)
		event_fd_signal(&target->event);
	pthread_mutex_unlock(&vm->xen.lock);
	if (!to.port)
		return target != NULL;
	result = xen_port_raise(vm, to);
	return result >= 0 || result == -ENOTCONN;
}
