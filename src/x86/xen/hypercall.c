/*
 * Xen's hypercalls (public/xen.h, sched.h, vcpu.h, event_channel.h, version.h): those that KVM answers itself, and the exit for all others.
 */
#include "x86/xen/hypercall.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "core/clock.h"
#include "vm/guest_memory.h"
#include "x86/cpu/mem.h"
#include "x86/cpu/system.h"

enum hypercall { SET_TIMER_OP = 15, XEN_VERSION = 17, VCPU_OP = 24, SCHED_OP = 29, EVENT_CHANNEL_OP = 32 };
#define VERSION_VERSION 0
#define VCPU_SET_SINGLESHOT 8
#define VCPU_STOP_SINGLESHOT 9
#define SCHED_YIELD 0
#define SCHED_POLL 3
#define EVENT_SEND 4
/* Xen lets nobody poll more ports. */
#define POLL_PORTS 128

struct call {
	struct x86_vcpu *cpu;
	bool wide;
	uint64_t number, arguments[6];
	uint64_t result;
};

/* What the guest points at; a page that is not there is the guest's mistake, and no fault. */
static int linear_read(struct x86_vcpu *cpu, uint64_t linear, void *to, size_t size)
{
	for (size_t done = 0, piece; done < size; done += piece) {
		uint64_t gpa;

		piece = PAGE_SIZE - (linear + done) % PAGE_SIZE;
		if (piece > size - done)
			piece = size - done;
		if (!mmu_translate_nofault(cpu, linear + done, &gpa) || guest_read(cpu->vcpu.vm, gpa, (uint8_t *)to + done, piece))
			return -EFAULT;
	}
	return 0;
}

static enum xen_outcome done(struct call *call, int64_t result)
{
	call->result = (uint64_t)result;
	return XEN_DONE;
}

/* ---- SCHEDOP_poll: sleeps until one of some ports is pending, masked or not. ---- */

struct poll {
	uint64_t ports, timeout;
	uint32_t count;
	uint32_t port[POLL_PORTS];
};

/* struct sched_poll: a pointer, a count and a timeout. */
static int poll_read(struct call *call, struct poll *poll)
{
	uint8_t area[24];

	if (linear_read(call->cpu, call->arguments[1], area, call->wide ? 24 : 16))
		return -EFAULT;
	poll->ports = 0;
	memcpy(&poll->ports, area, call->wide ? 8 : 4);
	memcpy(&poll->count, area + (call->wide ? 8 : 4), 4);
	memcpy(&poll->timeout, area + (call->wide ? 16 : 8), 8);
	if (poll->count > POLL_PORTS)
		return -EINVAL;
	if (linear_read(call->cpu, poll->ports, poll->port, poll->count * sizeof poll->port[0]))
		return -EFAULT;
	for (uint32_t i = 0; i < poll->count; i++)
		if (poll->port[i] >= xen_ports(x86_vm(call->cpu)))
			return -EINVAL;
	return 0;
}

static bool poll_pending(struct x86_vcpu *cpu, const struct poll *poll)
{
	if (!atomic_load(&x86_vm(cpu)->xen.shared_info))
		return true;
	for (uint32_t i = 0; i < poll->count; i++)
		if (xen_port_pending(x86_vm(cpu), poll->port[i]))
			return true;
	return false;
}

static enum xen_outcome poll_start(struct call *call)
{
	struct xen_vcpu *xen = &call->cpu->xen;
	struct poll poll;
	int error = poll_read(call, &poll);

	if (error)
		return done(call, error);
	/* From here whoever raises a port says so. */
	atomic_store(&xen->unblock, false);
	atomic_store(&xen->poll_port, poll.count == 1 && poll.port[0] ? poll.port[0] : XEN_POLL_ANY);
	call->result = 0;
	if (poll_pending(call->cpu, &poll)) {
		atomic_store(&xen->poll_port, 0);
		return XEN_DONE;
	}
	xen->polling = true;
	xen->poll_deadline = poll.timeout && poll.timeout < INT64_MAX ? monotonic_ns() + poll.timeout : UINT64_MAX;
	return XEN_SLEEPS;
}

bool xen_poll_over(struct x86_vcpu *cpu)
{
	return atomic_load(&cpu->xen.unblock) || monotonic_ns() >= cpu->xen.poll_deadline;
}

uint64_t xen_poll_deadline(const struct x86_vcpu *cpu)
{
	return cpu->xen.polling ? cpu->xen.poll_deadline : UINT64_MAX;
}

void xen_poll_end(struct x86_vcpu *cpu)
{
	cpu->xen.polling = false;
	atomic_store(&cpu->xen.poll_port, 0);
}

/* ---- The others. XEN_EXIT: the program's. ---- */

static enum xen_outcome sched_op(struct call *call)
{
	bool sends = x86_vm(call->cpu)->xen.flags & KVM_XEN_HVM_CONFIG_EVTCHN_SEND;

	switch ((uint32_t)call->arguments[0]) {
	case SCHED_POLL:
		if (call->cpu->lapic && sends)
			return poll_start(call);
		/* Who cannot be woken does not sleep. */
		__attribute__((fallthrough));
	case SCHED_YIELD:
		sched_yield();
		return done(call, 0);
	}
	return XEN_EXIT;
}

static enum xen_outcome event_op(struct call *call)
{
	uint32_t port;

	if (call->arguments[0] != EVENT_SEND)
		return XEN_EXIT;
	if (linear_read(call->cpu, call->arguments[1], &port, sizeof port))
		return done(call, -EFAULT);
	return xen_target_send(x86_vm(call->cpu), port) ? done(call, 0) : XEN_EXIT;
}

static enum xen_outcome version_op(struct call *call)
{
	uint32_t version = x86_vm(call->cpu)->xen.version;

	return call->arguments[0] == VERSION_VERSION && version ? done(call, version) : XEN_EXIT;
}

static enum xen_outcome set_timer_op(struct call *call)
{
	uint64_t expires = call->arguments[0] | (call->wide ? 0 : call->arguments[1] << 32);

	if (!call->cpu->xen.timer_port)
		return XEN_EXIT;
	if (expires)
		xen_timer_start(call->cpu, expires, true);
	else
		xen_timer_stop(call->cpu);
	return done(call, 0);
}

/* Of the vCPU's own timer only. */
static enum xen_outcome vcpu_op(struct call *call)
{
	uint32_t operation = (uint32_t)call->arguments[0];
	uint8_t timer[16]; /* struct vcpu_set_singleshot_timer: a time and flags, and padding of 64-bit guests */
	uint64_t expires;

	if (!call->cpu->xen.timer_port || (operation != VCPU_SET_SINGLESHOT && operation != VCPU_STOP_SINGLESHOT))
		return XEN_EXIT;
	if ((uint32_t)call->arguments[1] != call->cpu->xen.vcpu_id)
		return done(call, -EINVAL);
	if (operation == VCPU_STOP_SINGLESHOT) {
		xen_timer_stop(call->cpu);
		return done(call, 0);
	}
	if (linear_read(call->cpu, call->arguments[2], timer, call->wide ? 16 : 12))
		return done(call, -EFAULT);
	memcpy(&expires, timer, sizeof expires);
	xen_timer_start(call->cpu, expires, false);
	return done(call, 0);
}

static enum xen_outcome call_answer(struct call *call)
{
	/* What a guest's user programs may call is the program's to say. */
	if (call->cpu->cpl != 0)
		return XEN_EXIT;
	switch (call->number) {
	case SET_TIMER_OP: return set_timer_op(call);
	case XEN_VERSION: return version_op(call);
	case VCPU_OP: return vcpu_op(call);
	case SCHED_OP: return sched_op(call);
	case EVENT_CHANNEL_OP: return event_op(call);
	}
	return XEN_EXIT;
}

/* ---- The call. ---- */

static void exit_describe(const struct call *call)
{
	struct kvm_run *run = call->cpu->vcpu.run;

	run->exit_reason = KVM_EXIT_XEN;
	memset(&run->xen, 0, sizeof run->xen);
	run->xen.type = KVM_EXIT_XEN_HCALL;
	run->xen.u.hcall.longmode = call->wide;
	run->xen.u.hcall.cpl = call->cpu->cpl;
	run->xen.u.hcall.input = call->number;
	memcpy(run->xen.u.hcall.params, call->arguments, sizeof call->arguments);
	call->cpu->xen.hypercall_rip = linear_rip(call->cpu);
}

enum xen_outcome xen_hypercall(struct x86_vcpu *cpu, uint64_t *result)
{
	static const enum gpr registers[2][6] = { { RBX, RCX, RDX, RSI, RDI, RBP }, { RDI, RSI, RDX, R10, R8, R9 } };
	struct call call = { .cpu = cpu, .wide = mode_is_code64(cpu) };
	enum xen_outcome outcome;

	call.number = call.wide ? cpu->gpr[RAX] : (uint32_t)cpu->gpr[RAX];
	for (unsigned int i = 0; i < 6; i++) {
		uint64_t value = cpu->gpr[registers[call.wide][i]];

		call.arguments[i] = call.wide ? value : (uint32_t)value;
	}
	outcome = call_answer(&call);
	if (outcome == XEN_EXIT)
		exit_describe(&call);
	*result = call.result;
	return outcome;
}
