/*
 * Each vCPU's timer: at a time of kvmclock it raises an event channel. From the VM's worker, so that it also comes while the vCPU does not
 * run.
 */
#include <errno.h>
#include <stddef.h>

#include "core/clock.h"
#include "core/why.h"
#include "x86/xen/xen.h"

#define MSEC UINT64_C(1000000)

/* The lock is held, and the memory entered: raised and no longer running are one thing to who asks. */
static void timer_fire(struct x86_vcpu *cpu)
{
	struct x86_xen_port port = { cpu->xen.timer_port, cpu->vcpu.id };
	int result;

	cpu->xen.timer_expires = 0;
	result = xen_port_raise_entered(x86_vm(cpu), port);
	/* An event that has nowhere to go is lost; but a guest that polls does not sleep on for it. */
	if (result < 0 && result != -ENOTCONN)
		xen_unblock(cpu);
}

static void timer_rings(struct vm_timer *timer)
{
	struct x86_vcpu *cpu = (struct x86_vcpu *)((char *)timer - offsetof(struct x86_vcpu, xen.timer));
	bool entered = vm_memory_enter(cpu->vcpu.vm);

	pthread_mutex_lock(&cpu->xen.timer_lock);
	if (cpu->xen.timer_expires && cpu->xen.timer_deadline <= monotonic_ns())
		timer_fire(cpu);
	pthread_mutex_unlock(&cpu->xen.timer_lock);
	vm_memory_leave(cpu->vcpu.vm, entered);
}

void xen_timer_init(struct x86_vcpu *cpu)
{
	pthread_mutex_init(&cpu->xen.timer_lock, NULL);
	cpu->xen.timer.expire = timer_rings;
}

void xen_timer_start(struct x86_vcpu *cpu, uint64_t expires, bool jiffies)
{
	uint64_t now = clock_now(x86_vm(cpu), NULL, NULL);
	int64_t ahead = (int64_t)(expires - now);

	/* Linux once overflowed; Xen then waits for 100 ms (its do_set_timer_op). */
	if (jiffies && ((int64_t)expires < 0 || ahead >> 50 > 0)) {
		ahead = 100 * MSEC;
		expires = now + (uint64_t)ahead;
	}
	pthread_mutex_lock(&cpu->xen.timer_lock);
	cpu->xen.timer_expires = expires;
	cpu->xen.timer_deadline = monotonic_ns() + (uint64_t)ahead;
	if (ahead <= 0)
		timer_fire(cpu);
	else
		vm_timer_set(&cpu->vcpu.vm->worker, &cpu->xen.timer, cpu->xen.timer_deadline);
	pthread_mutex_unlock(&cpu->xen.timer_lock);
}

void xen_timer_stop(struct x86_vcpu *cpu)
{
	pthread_mutex_lock(&cpu->xen.timer_lock);
	cpu->xen.timer_expires = 0;
	vm_timer_clear(&cpu->vcpu.vm->worker, &cpu->xen.timer);
	pthread_mutex_unlock(&cpu->xen.timer_lock);
}

int xen_timer_set(struct x86_vcpu *cpu, uint32_t port, uint32_t priority, uint64_t expires)
{
	if (port && priority != KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL)
		return why(-EINVAL, "timer.priority: %#x is not KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL", priority);
	xen_timer_stop(cpu);
	pthread_mutex_lock(&cpu->xen.timer_lock);
	cpu->xen.timer_port = port;
	pthread_mutex_unlock(&cpu->xen.timer_lock);
	if (port && expires)
		xen_timer_start(cpu, expires, false);
	return 0;
}

void xen_timer_get(struct x86_vcpu *cpu, uint32_t *port, uint64_t *expires)
{
	pthread_mutex_lock(&cpu->xen.timer_lock);
	*port = cpu->xen.timer_port;
	*expires = cpu->xen.timer_expires;
	pthread_mutex_unlock(&cpu->xen.timer_lock);
}
