/*
 * KVM_XEN_VCPU_SET_ATTR and KVM_XEN_VCPU_GET_ATTR (api.rst, 4.129, 4.130): the vCPU's settings. And the clock's pages that a Xen guest has.
 */
#include <errno.h>
#include <string.h>

#include "core/why.h"
#include "vm/guest_memory.h"
#include "x86/pv.h"
#include "x86/xen/xen.h"

#define INVALID UINT64_MAX

void xen_vcpu_init(struct x86_vcpu *cpu)
{
	xen_timer_init(cpu);
}

void xen_vcpu_destroy(struct x86_vcpu *cpu)
{
	pthread_mutex_destroy(&cpu->xen.timer_lock);
}

/* ---- Setting. The memory is entered. ---- */

static int vcpu_info_set(struct x86_vcpu *cpu, enum xen_area_kind kind, uint64_t address)
{
	int error;

	if (address == (kind == XEN_AREA_GUEST ? INVALID : 0)) {
		atomic_store(&cpu->xen.vcpu_info, 0);
		return 0;
	}
	if (address % 4)
		return why(-ENXIO, "%s: %#llx is not a multiple of 4", kind == XEN_AREA_GUEST ? "gpa" : "hva", (unsigned long long)address);
	error = xen_area_check(kind, address, XEN_INFO_SIZE);
	if (error)
		return error;
	atomic_store(&cpu->xen.vcpu_info, xen_area_word(kind, address));
	error = xen_area_probe(x86_vm(cpu), xen_area_word(kind, address), XEN_INFO_SIZE);
	if (!error)
		cpu->clock_seen = 0;
	return error;
}

static int time_info_set(struct x86_vcpu *cpu, uint64_t gpa)
{
	int error;

	if (gpa == INVALID) {
		cpu->xen.time_info.active = false;
		return 0;
	}
	error = xen_area_check(XEN_AREA_GUEST, gpa, sizeof(struct pvclock_page));
	if (error)
		return error;
	cpu->xen.time_info = (struct xen_place){ .active = true, .gpa = gpa };
	error = xen_area_probe(x86_vm(cpu), xen_area_word(XEN_AREA_GUEST, gpa & ~UINT64_C(3)), 1);
	if (!error)
		cpu->clock_seen = 0;
	return error;
}

static int runstate_current_set(struct x86_vcpu *cpu, uint64_t state)
{
	if (state > XEN_OFFLINE)
		return why(-EINVAL, "runstate.state: %llu is none", (unsigned long long)state);
	xen_runstate_change(cpu, (uint32_t)state);
	return 0;
}

static int vcpu_id_set(struct x86_vcpu *cpu, uint32_t id)
{
	if (id >= VM_MAX_VCPUS)
		return why(-EINVAL, "vcpu_id: %u is not below %u", id, VM_MAX_VCPUS);
	cpu->xen.vcpu_id = id;
	return 0;
}

static int upcall_vector_set(struct x86_vcpu *cpu, uint8_t vector)
{
	if (vector && vector < 0x10)
		return why(-EINVAL, "vector: %#x is one of the processor's own", vector);
	cpu->xen.upcall_vector = vector;
	return 0;
}

static int attribute_set(struct x86_vcpu *cpu, const struct kvm_xen_vcpu_attr *attribute)
{
	switch (attribute->type) {
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO:
		return vcpu_info_set(cpu, XEN_AREA_GUEST, attribute->u.gpa);
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA: /* in the same place */
		return vcpu_info_set(cpu, XEN_AREA_HOST, attribute->u.gpa);
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO:
		return time_info_set(cpu, attribute->u.gpa);
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR:
		return xen_runstate_address_set(cpu, attribute->u.gpa);
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_CURRENT:
		return runstate_current_set(cpu, attribute->u.runstate.state);
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA:
		return xen_runstate_data_set(cpu, attribute);
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADJUST:
		return xen_runstate_adjust(cpu, attribute);
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID:
		return vcpu_id_set(cpu, attribute->u.vcpu_id);
	case KVM_XEN_VCPU_ATTR_TYPE_TIMER:
		return xen_timer_set(cpu, attribute->u.timer.port, attribute->u.timer.priority, attribute->u.timer.expires_ns);
	case KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR:
		return upcall_vector_set(cpu, attribute->u.vector);
	}
	return why(-ENOENT, "type: %u is none of a Xen vCPU's attributes", attribute->type);
}

int xen_vcpu_set(struct x86_vcpu *cpu, const struct kvm_xen_vcpu_attr *attribute)
{
	bool entered = vm_memory_enter(cpu->vcpu.vm);
	int error = attribute_set(cpu, attribute);

	vm_memory_leave(cpu->vcpu.vm, entered);
	return error;
}

/* ---- Getting: only the fields are written. ---- */

static int runstate_get(const struct x86_vcpu *cpu, struct kvm_xen_vcpu_attr *attribute)
{
	attribute->u.runstate.state = cpu->xen.state;
	attribute->u.runstate.state_entry_time = cpu->xen.state_entry_time;
	attribute->u.runstate.time_running = cpu->xen.state_time[XEN_RUNNING];
	attribute->u.runstate.time_runnable = cpu->xen.state_time[XEN_RUNNABLE];
	attribute->u.runstate.time_blocked = cpu->xen.state_time[XEN_BLOCKED];
	attribute->u.runstate.time_offline = cpu->xen.state_time[XEN_OFFLINE];
	return 0;
}

static int timer_get(struct x86_vcpu *cpu, struct kvm_xen_vcpu_attr *attribute)
{
	uint64_t expires;
	uint32_t port;

	xen_timer_get(cpu, &port, &expires);
	attribute->u.timer.port = port;
	attribute->u.timer.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL;
	attribute->u.timer.expires_ns = expires;
	return 0;
}

int xen_vcpu_get(struct x86_vcpu *cpu, struct kvm_xen_vcpu_attr *attribute)
{
	uint64_t vcpu_info = atomic_load(&cpu->xen.vcpu_info);

	switch (attribute->type) {
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO:
		attribute->u.gpa = xen_area_address(vcpu_info, XEN_AREA_GUEST, INVALID);
		return 0;
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA:
		attribute->u.gpa = xen_area_address(vcpu_info, XEN_AREA_HOST, 0);
		return 0;
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO:
		attribute->u.gpa = cpu->xen.time_info.active ? cpu->xen.time_info.gpa : INVALID;
		return 0;
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR:
		if (!cpu->xen.runstate.active)
			return why(-ENOENT, "the vCPU's runstate is told nowhere");
		attribute->u.gpa = cpu->xen.runstate.gpa;
		return 0;
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_CURRENT:
		attribute->u.runstate.state = cpu->xen.state;
		return 0;
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA:
		return runstate_get(cpu, attribute);
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADJUST:
		return why(-EINVAL, "type: an adjustment can only be made");
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID:
		attribute->u.vcpu_id = cpu->xen.vcpu_id;
		return 0;
	case KVM_XEN_VCPU_ATTR_TYPE_TIMER:
		return timer_get(cpu, attribute);
	case KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR:
		attribute->u.vector = cpu->xen.upcall_vector;
		return 0;
	}
	return why(-ENOENT, "type: %u is none of a Xen vCPU's attributes", attribute->type);
}

/* ---- The clock's pages. ---- */

void xen_clock_update(struct x86_vcpu *cpu, const struct pvclock_page *wanted)
{
	struct pvclock_page page = *wanted;
	uint64_t area = atomic_load(&cpu->xen.vcpu_info), host = xen_area_host(x86_vm(cpu), area);

	if (x86_vm(cpu)->xen.flags & KVM_XEN_HVM_CONFIG_PVCLOCK_TSC_UNSTABLE)
		page.flags &= (uint8_t)~PVCLOCK_STABLE;
	if (host) {
		pv_clock_page_write(cpu, host + XEN_INFO_TIME, &page);
		xen_area_dirty(x86_vm(cpu), area);
	}
	host = cpu->xen.time_info.active ? guest_host(cpu->vcpu.vm, cpu->xen.time_info.gpa, true) : 0;
	if (host) {
		pv_clock_page_write(cpu, host, &page);
		guest_dirty(cpu->vcpu.vm, cpu->xen.time_info.gpa);
	}
}
