/*
 * Xen's interface to guests as KVM has it (api.rst, KVM_XEN_HVM_CONFIG and the sections 4.127 ... 4.130; Xen's public headers): hypercalls
 * that leave for the program or are answered at once, event channels in their 2-level form, timers, and how a vCPU spends its time.
 * Between the files of this folder and its callers.
 */
#ifndef ANYKVM_X86_XEN_XEN_H
#define ANYKVM_X86_XEN_XEN_H

#include "x86/clock.h"

/* struct shared_info and struct vcpu_info: offsets of what KVM touches, for 64-bit and 32-bit guests. */
#define XEN_INFO_SIZE 64
#define XEN_INFO_TIME 32 /* of struct vcpu_info: struct pvclock_vcpu_time_info */
#define XEN_PORTS_64 4096
#define XEN_PORTS_32 1024

struct x86_xen_port {
	uint32_t port, vcpu;
};

/* ---- Life. ---- */
void xen_vm_init(struct x86_vm *vm);
void xen_vm_destroy(struct x86_vm *vm);
void xen_vcpu_init(struct x86_vcpu *cpu);
void xen_vcpu_destroy(struct x86_vcpu *cpu);

static inline bool xen_enabled(const struct x86_vm *vm)
{
	return atomic_load_explicit(&((struct x86_vm *)vm)->xen.msr, memory_order_relaxed) != 0;
}

/* ---- The ioctls (config.c, hvm.c, vcpu.c, event.c). ---- */
int xen_hvm_config(struct x86_vm *vm, const struct kvm_xen_hvm_config *config);
int xen_hvm_set(struct x86_vm *vm, const struct kvm_xen_hvm_attr *attribute);
int xen_hvm_get(struct x86_vm *vm, struct kvm_xen_hvm_attr *attribute);
int xen_vcpu_set(struct x86_vcpu *cpu, const struct kvm_xen_vcpu_attr *attribute);
int xen_vcpu_get(struct x86_vcpu *cpu, struct kvm_xen_vcpu_attr *attribute);
int xen_event_send(struct x86_vm *vm, const struct kvm_irq_routing_xen_evtchn *event);

/* ---- Shared structures (area.c). The memory is entered. ---- */

/* A word for a structure of that size at a guest address or at one of the program's. 0, -EINVAL when it does not fit its page. */
int xen_area_check(enum xen_area_kind kind, uint64_t address, size_t size);
uint64_t xen_area_word(enum xen_area_kind kind, uint64_t address);
/* Whether it can be written there: 0, -EFAULT. */
int xen_area_probe(struct x86_vm *vm, uint64_t word, size_t size);
/* The address as it was given when the area is of that kind, else `none`. */
uint64_t xen_area_address(uint64_t word, enum xen_area_kind kind, uint64_t none);
/* Where it is in the program's memory, or 0. */
uint64_t xen_area_host(struct x86_vm *vm, uint64_t word);
void xen_area_dirty(struct x86_vm *vm, uint64_t word);

/* ---- Event channels (event.c). ---- */

uint32_t xen_ports(const struct x86_vm *vm);
/* Raises a port: 1, 0 when it was pending, -ENOTCONN when it is masked; -EINVAL, -EFAULT. From any thread; _entered: the memory is. */
int xen_port_raise(struct x86_vm *vm, struct x86_xen_port port);
int xen_port_raise_entered(struct x86_vm *vm, struct x86_xen_port port);
/* Ends a poll of the vCPU's, whatever it waits for. */
void xen_unblock(struct x86_vcpu *cpu);
/* The vCPU's own thread, in the guest: events that found no vcpu_info so far find it now. */
void xen_pending_deliver(struct x86_vcpu *cpu);
/* Whether the guest is to be interrupted through the VM's upcall vector. */
bool xen_upcall_pending(struct x86_vcpu *cpu);
/* The port's bit in shared_info; true also when nobody can tell. */
bool xen_port_pending(struct x86_vm *vm, uint32_t port);

/* ---- What a guest's own sending reaches (target.c). ---- */
int xen_target_set(struct x86_vm *vm, const struct kvm_xen_hvm_attr *attribute);
/* False: the program has to see to it. */
bool xen_target_send(struct x86_vm *vm, uint32_t port);
void xen_targets_destroy(struct x86_vm *vm);

/* ---- Timers (timer.c). ---- */
/* Absolute, by kvmclock. `jiffies`: Xen's way with times that only an overflow can have made. The memory is entered. */
void xen_timer_start(struct x86_vcpu *cpu, uint64_t expires, bool jiffies);
void xen_timer_stop(struct x86_vcpu *cpu);
int xen_timer_set(struct x86_vcpu *cpu, uint32_t port, uint32_t priority, uint64_t expires);
void xen_timer_get(struct x86_vcpu *cpu, uint32_t *port, uint64_t *expires);
void xen_timer_init(struct x86_vcpu *cpu);

/* ---- Runstate (runstate.c). The memory is entered. ---- */
enum xen_runstate { XEN_RUNNING, XEN_RUNNABLE, XEN_BLOCKED, XEN_OFFLINE };
void xen_runstate_change(struct x86_vcpu *cpu, uint32_t state);
int xen_runstate_address_set(struct x86_vcpu *cpu, uint64_t gpa);
int xen_runstate_data_set(struct x86_vcpu *cpu, const struct kvm_xen_vcpu_attr *attribute);
int xen_runstate_adjust(struct x86_vcpu *cpu, const struct kvm_xen_vcpu_attr *attribute);

/* ---- The vCPU's thread, in the guest. ---- */
/* The clock's pages (vcpu.c). */
void xen_clock_update(struct x86_vcpu *cpu, const struct pvclock_page *page);
/* A write of the configured MSR: fills a hypercall page (config.c). False: #GP. */
bool xen_hypercall_page_write(struct x86_vcpu *cpu, uint64_t value);

#endif
