/*
 * KVM's paravirtual services: see pv.h. What a guest has asked for stands in its MSRs, and is done when the vCPU enters the guest.
 */
#include "x86/pv.h"

#include <errno.h>
#include <linux/kvm_para.h>
#include <stddef.h>
#include <string.h>

#include "core/clock.h"
#include "core/run_delay.h"
#include "core/user.h"
#include "core/why.h"
#include "vm/guest_memory.h"
#include "x86/irqchip.h"
#include "x86/xen/xen.h"

#define MSR_ENABLED UINT64_C(1)
/* Bit 0 of the byte at PV_EOI_EN's address: the guest may end its interrupt by clearing it. */
#define EOI_POSSIBLE 1

bool pv_allowed(const struct x86_vcpu *cpu, unsigned int feature)
{
	return !cpu->pv_enforced || cpuid_has(cpu, KVM_CPUID_FEATURES, 0, RAX, feature);
}

/* ---- The clock. ---- */

void pv_wall_clock_write(struct x86_vcpu *cpu, uint64_t gpa)
{
	struct vm *vm = cpu->vcpu.vm;
	struct { uint32_t version, sec, nsec; } wall;
	uint64_t epoch;
	bool entered;

	atomic_store(&x86_vm(cpu)->wall_clock, gpa);
	if (!gpa)
		return;
	epoch = clock_epoch(x86_vm(cpu));
	entered = vm_memory_enter(vm);
	if (!guest_read(vm, gpa, &wall.version, sizeof wall.version)) {
		/* Odd while it is being written. */
		wall.version = (wall.version + 1) | 1;
		guest_write(vm, gpa, &wall.version, sizeof wall.version);
		wall.sec = (uint32_t)(epoch / NSEC_PER_SEC);
		wall.nsec = (uint32_t)(epoch % NSEC_PER_SEC);
		guest_write(vm, gpa, &wall, sizeof wall);
		wall.version++;
		guest_write(vm, gpa, &wall.version, sizeof wall.version);
	}
	vm_memory_leave(vm, entered);
}

void pv_system_time_written(struct x86_vcpu *cpu)
{
	clock_changed(x86_vm(cpu));
}

int kvmclock_ctrl(struct x86_vcpu *cpu)
{
	if (!(cpu->pv_system_time & MSR_ENABLED))
		return why(-EINVAL, "the guest has no kvmclock");
	cpu->pv_stopped = true;
	cpu->clock_seen = 0;
	return 0;
}

void pv_clock_page_write(struct x86_vcpu *cpu, uint64_t host, const struct pvclock_page *wanted)
{
	struct pvclock_page page = *wanted;
	uint32_t version;
	uint8_t flags;

	if (user_read(&version, host, sizeof version) || user_read(&flags, host + offsetof(struct pvclock_page, flags), 1))
		return;
	/* Other vCPUs may be reading it. */
	page.version = (version + 1) | 1;
	page.flags |= flags & PVCLOCK_STOPPED;
	if (cpu->pv_stopped)
		page.flags |= PVCLOCK_STOPPED;
	if (user_write(host, &page.version, sizeof page.version))
		return;
	guest_order();
	user_write(host, &page, sizeof page);
	guest_order();
	page.version++;
	user_write(host, &page.version, sizeof page.version);
}

static void clock_page_update(struct x86_vcpu *cpu, const struct pvclock_page *page)
{
	uint64_t gpa = cpu->pv_system_time & ~MSR_ENABLED, host;

	if (!(cpu->pv_system_time & MSR_ENABLED) || gpa % PAGE_SIZE + sizeof *page > PAGE_SIZE)
		return;
	host = guest_host(cpu->vcpu.vm, gpa, true);
	if (!host)
		return;
	pv_clock_page_write(cpu, host, page);
	guest_dirty(cpu->vcpu.vm, gpa);
}

static void clock_update(struct x86_vcpu *cpu)
{
	uint64_t generation = atomic_load(&x86_vm(cpu)->clock_generation);
	struct pvclock_page page;

	if (cpu->clock_seen == generation)
		return;
	cpu->clock_seen = generation;
	page = clock_page(cpu);
	clock_page_update(cpu, &page);
	xen_clock_update(cpu, &page);
	cpu->pv_stopped = false;
}

/* ---- Stolen time. ---- */

struct steal_area {
	uint64_t steal;
	uint32_t version, flags;
	uint8_t preempted;
};

static void steal_update(struct x86_vcpu *cpu)
{
	uint64_t gpa = cpu->pv_steal_time & ~(uint64_t)0x3f, host, delay;
	struct steal_area area;

	if (!(cpu->pv_steal_time & MSR_ENABLED))
		return;
	host = guest_host(cpu->vcpu.vm, gpa, true);
	if (!host || user_read(&area, host, sizeof area))
		return;
	area.preempted = 0;
	user_write(host + offsetof(struct steal_area, preempted), &area.preempted, 1);
	area.version = (area.version + 1) | 1;
	user_write(host + offsetof(struct steal_area, version), &area.version, 4);
	guest_order();
	delay = run_delay_ns();
	area.steal += delay - cpu->run_delay_told;
	cpu->run_delay_told = delay;
	user_write(host, &area.steal, 8);
	guest_order();
	area.version++;
	user_write(host + offsetof(struct steal_area, version), &area.version, 4);
	guest_dirty(cpu->vcpu.vm, gpa);
}

void pv_enter(struct x86_vcpu *cpu)
{
	clock_update(cpu);
	xen_pending_deliver(cpu);
	if (!cpu->steal_due)
		return;
	cpu->steal_due = false;
	/* A Xen guest reads it elsewhere. */
	if (xen_enabled(x86_vm(cpu)))
		xen_runstate_change(cpu, XEN_RUNNING);
	else
		steal_update(cpu);
}

/* ---- Ends of interrupts. ---- */

bool pv_eoi_write(struct x86_vcpu *cpu, uint64_t value)
{
	uint64_t gpa = value & ~MSR_ENABLED;
	bool entered, there;

	if (gpa & 3)
		return false;
	entered = vm_memory_enter(cpu->vcpu.vm);
	there = !(value & MSR_ENABLED) || guest_host(cpu->vcpu.vm, gpa, false);
	vm_memory_leave(cpu->vcpu.vm, entered);
	if (!there)
		return false;
	cpu->pv_eoi = value;
	return true;
}

void pv_eoi_offer(struct x86_vcpu *cpu)
{
	uint8_t possible = EOI_POSSIBLE;

	/* Only where nothing else has to know of the end. */
	if (!(cpu->pv_eoi & MSR_ENABLED) || !lapic_end_is_simple(cpu))
		return;
	cpu->pv_eoi_offered = !guest_write(cpu->vcpu.vm, cpu->pv_eoi & ~MSR_ENABLED, &possible, 1);
}

void pv_eoi_look(struct x86_vcpu *cpu)
{
	uint64_t gpa = cpu->pv_eoi & ~MSR_ENABLED;
	uint8_t possible, impossible = 0;

	if (!cpu->pv_eoi_offered)
		return;
	cpu->pv_eoi_offered = false;
	if (!(cpu->pv_eoi & MSR_ENABLED) || guest_read(cpu->vcpu.vm, gpa, &possible, 1))
		return;
	if (possible & EOI_POSSIBLE)
		guest_write(cpu->vcpu.vm, gpa, &impossible, 1);
	else
		lapic_end_of_interrupt(cpu);
}

/* ---- Hypercalls. ---- */

int64_t pv_kick(struct x86_vcpu *cpu, uint32_t apic_id)
{
	struct apic_message message = { .destination = apic_id, .mode = DELIVERY_REMOTE_READ };

	apic_message_send(x86_vm(cpu), cpu, &message);
	return 0;
}

int64_t pv_send_ipi(struct x86_vcpu *cpu, uint64_t low, uint64_t high, uint32_t first, uint64_t icr, unsigned int width)
{
	uint64_t bits[2] = { low, high };
	int64_t taken = 0;

	/* No logical destination, no shorthand: the bits are the destination. */
	if (icr & (1 << 11 | 3 << 18))
		return -KVM_EINVAL;
	for (unsigned int i = 0; i < 2 * width; i++) {
		struct apic_message message = {
			.destination = first + i,
			.vector = (uint8_t)icr,
			.mode = icr >> 8 & 7,
			.level = icr >> 15 & 1,
			.deassert = !(icr >> 14 & 1),
		};
		int one;

		if (!(bits[i / width] >> i % width & 1) || first + i < first)
			continue;
		one = apic_message_send(x86_vm(cpu), cpu, &message);
		taken += one > 0 ? one : 0;
	}
	return taken;
}
