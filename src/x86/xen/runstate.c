/*
 * How a vCPU spends its time (public/vcpu.h, struct vcpu_runstate_info): running, waiting for a processor, blocked, offline. The guest can
 * read it anywhere it likes, at any byte, also where one page becomes another.
 */
#include <errno.h>
#include <string.h>

#include "core/run_delay.h"
#include "core/why.h"
#include "vm/guest_memory.h"
#include "x86/xen/xen.h"

/* state, state_entry_time, time[4]: 64-bit guests have the times aligned, 32-bit guests have them packed. */
#define TIMES_64 8
#define TIMES_32 4
#define TIMES_SIZE (5 * 8)
/* The highest bit of state_entry_time, in its last byte: the rest is being written. */
#define UPDATE_FLAG 0x80

static void byte_write(struct x86_vcpu *cpu, uint64_t gpa, uint8_t byte)
{
	guest_write(cpu->vcpu.vm, gpa, &byte, 1);
	guest_order();
}

static void runstate_tell(struct x86_vcpu *cpu)
{
	unsigned int times = x86_vm(cpu)->xen.long_mode ? TIMES_64 : TIMES_32;
	bool flagged = x86_vm(cpu)->xen.runstate_update_flag;
	uint64_t gpa = cpu->xen.runstate.gpa, entry = cpu->xen.state_entry_time;
	uint8_t area[TIMES_64 + TIMES_SIZE] = { 0 }, last = (uint8_t)(entry >> 56);

	if (!cpu->xen.runstate.active)
		return;
	memcpy(area, &cpu->xen.state, 4);
	memcpy(area + times, &entry, 8);
	memcpy(area + times + 8, cpu->xen.state_time, sizeof cpu->xen.state_time);
	if (flagged) {
		area[times + 7] = last | UPDATE_FLAG;
		byte_write(cpu, gpa + times + 7, last | UPDATE_FLAG);
	}
	guest_write(cpu->vcpu.vm, gpa, area, times + TIMES_SIZE);
	if (flagged) {
		guest_order();
		byte_write(cpu, gpa + times + 7, last & (uint8_t)~UPDATE_FLAG);
	}
}

void xen_runstate_change(struct x86_vcpu *cpu, uint32_t state)
{
	struct xen_vcpu *xen = &cpu->xen;
	uint64_t now = clock_now(x86_vm(cpu), NULL, NULL), delay = run_delay_ns(), passed = now - xen->state_entry_time, waited;

	/* Until it was asked for the first time there was no vCPU. */
	if (!xen->state_entry_time)
		xen->state = XEN_OFFLINE;
	/* Only who was running can have been kept from it. */
	if (xen->state == XEN_RUNNING) {
		waited = delay - xen->run_delay;
		passed -= waited;
		xen->state_time[XEN_RUNNABLE] += waited;
	}
	xen->run_delay = delay;
	xen->state_time[xen->state] += passed;
	xen->state = state;
	xen->state_entry_time = now;
	runstate_tell(cpu);
}

int xen_runstate_address_set(struct x86_vcpu *cpu, uint64_t gpa)
{
	size_t size = (x86_vm(cpu)->xen.long_mode ? TIMES_64 : TIMES_32) + TIMES_SIZE, first = PAGE_SIZE - gpa % PAGE_SIZE;
	int error;

	cpu->xen.runstate.active = false;
	if (gpa == UINT64_MAX)
		return 0;
	/* What is in the first page, and what is not. */
	error = xen_area_probe(x86_vm(cpu), xen_area_word(XEN_AREA_GUEST, gpa & ~UINT64_C(3)), 1);
	if (!error && first < size)
		error = xen_area_probe(x86_vm(cpu), xen_area_word(XEN_AREA_GUEST, gpa + first), 1);
	if (error)
		return error;
	cpu->xen.runstate = (struct xen_place){ .active = true, .gpa = gpa };
	runstate_tell(cpu);
	return 0;
}

/* The times have to add up to what has passed. */
static int times_check(const struct x86_vcpu *cpu, const struct kvm_xen_vcpu_attr *attribute, uint64_t since)
{
	uint64_t sum = attribute->u.runstate.time_running + attribute->u.runstate.time_runnable + attribute->u.runstate.time_blocked +
		       attribute->u.runstate.time_offline;

	if (attribute->u.runstate.state_entry_time != sum)
		return why(-EINVAL, "runstate.state_entry_time: %llu is not the sum of the times, %llu",
			   (unsigned long long)attribute->u.runstate.state_entry_time, (unsigned long long)sum);
	if (clock_now(x86_vm(cpu), NULL, NULL) < since + sum)
		return why(-EINVAL, "runstate.state_entry_time: %llu is yet to come", (unsigned long long)(since + sum));
	return 0;
}

int xen_runstate_data_set(struct x86_vcpu *cpu, const struct kvm_xen_vcpu_attr *attribute)
{
	int error;

	if (attribute->u.runstate.state > XEN_OFFLINE)
		return why(-EINVAL, "runstate.state: %llu is none", (unsigned long long)attribute->u.runstate.state);
	error = times_check(cpu, attribute, 0);
	if (error)
		return error;
	cpu->xen.state = (uint32_t)attribute->u.runstate.state;
	cpu->xen.state_entry_time = attribute->u.runstate.state_entry_time;
	cpu->xen.state_time[XEN_RUNNING] = attribute->u.runstate.time_running;
	cpu->xen.state_time[XEN_RUNNABLE] = attribute->u.runstate.time_runnable;
	cpu->xen.state_time[XEN_BLOCKED] = attribute->u.runstate.time_blocked;
	cpu->xen.state_time[XEN_OFFLINE] = attribute->u.runstate.time_offline;
	cpu->xen.run_delay = run_delay_ns();
	return 0;
}

int xen_runstate_adjust(struct x86_vcpu *cpu, const struct kvm_xen_vcpu_attr *attribute)
{
	uint64_t state = attribute->u.runstate.state;
	int error;

	if (state > XEN_OFFLINE && state != UINT64_MAX)
		return why(-EINVAL, "runstate.state: %llu is none", (unsigned long long)state);
	error = times_check(cpu, attribute, cpu->xen.state_entry_time);
	if (error)
		return error;
	cpu->xen.state_entry_time += attribute->u.runstate.state_entry_time;
	cpu->xen.state_time[XEN_RUNNING] += attribute->u.runstate.time_running;
	cpu->xen.state_time[XEN_RUNNABLE] += attribute->u.runstate.time_runnable;
	cpu->xen.state_time[XEN_BLOCKED] += attribute->u.runstate.time_blocked;
	cpu->xen.state_time[XEN_OFFLINE] += attribute->u.runstate.time_offline;
	if (state <= XEN_OFFLINE)
		xen_runstate_change(cpu, (uint32_t)state);
	else
		runstate_tell(cpu);
	return 0;
}
