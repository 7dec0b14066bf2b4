/*
 * A Xen guest and its event channels, as KVM delivers them: four ways in, and each time the guest's own handler says which port it saw.
 * An ordinary KVM program:
 *
 *     cc xen_events.c
 *     anykvm run -- ./a.out     # or by itself where the kernel's KVM has KVM_CAP_XEN_HVM
 *
 * Documentation/virt/kvm/api.rst, KVM_XEN_HVM_CONFIG and what follows it; Xen's public/event_channel.h.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Guest memory: real mode needs no tables. */
enum { MEMORY = 0x10000, CODE = 0x1000, HANDLER = 0x2000, SHARED_INFO = 0x4000, VCPU_INFO = 0x5000, SEND = 0x6000, STACK = 0x8000 };
enum { VECTOR = 0x41, EVENT_PORT = 0x90 };
enum { PORT_SEND = 1, PORT_IRQFD, PORT_TIMER, PORT_GUEST };

/* EVTCHNOP_send of the port at SEND, then wait for events. */
static const uint8_t guest[] = {
	0x66, 0xb8, 0x20, 0x00, 0x00, 0x00, /* mov eax, 32: event_channel_op */
	0x66, 0xbb, 0x04, 0x00, 0x00, 0x00, /* mov ebx, 4: EVTCHNOP_send */
	0x66, 0xb9, 0x00, 0x60, 0x00, 0x00, /* mov ecx, SEND */
	0x0f, 0x01, 0xd9,                   /* vmmcall; KVM makes it vmcall where that is the processor's */
	0xfb, 0xf4, 0xeb, 0xfd,             /* sti; hlt; jmp to the hlt */
};
/* The upcall: the flag goes first, what it stands for after it; so an event that comes meanwhile raises it again. */
static const uint8_t handler[] = {
	0xc6, 0x06, 0x00, 0x50, 0x00, /* mov byte [VCPU_INFO], 0: evtchn_upcall_pending */
	0x66, 0x31, 0xc0,             /* xor eax, eax */
	0x66, 0x87, 0x06, 0x04, 0x50, /* xchg [VCPU_INFO + 4], eax: evtchn_pending_sel */
	0x66, 0x31, 0xdb,             /* xor ebx, ebx */
	0x66, 0x87, 0x1e, 0x00, 0x48, /* xchg [SHARED_INFO + 0x800], ebx: evtchn_pending, its first word */
	0x66, 0x0f, 0xbc, 0xc3,       /* next: bsf eax, ebx */
	0x74, 0x08,                   /* jz done */
	0x66, 0x0f, 0xb3, 0xc3,       /* btr ebx, eax */
	0xe6, EVENT_PORT,             /* out EVENT_PORT, al */
	0xeb, 0xf2,                   /* jmp next */
	0xcf,                         /* done: iret */
};

struct machine {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	uint8_t *memory;
};

static int check(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
	return result;
}

/* ---- A VM with an interrupt controller, and a vCPU in front of the guest's code. ---- */

static void memory_prepare(struct machine *m)
{
	struct kvm_userspace_memory_region slot = { .memory_size = MEMORY };
	uint16_t vector[2] = { HANDLER, 0 };
	uint32_t port = PORT_GUEST;

	m->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	slot.userspace_addr = (uintptr_t)m->memory;
	check(ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
	memcpy(m->memory + CODE, guest, sizeof guest);
	memcpy(m->memory + HANDLER, handler, sizeof handler);
	memcpy(m->memory + 4 * VECTOR, vector, sizeof vector);
	memcpy(m->memory + SEND, &port, sizeof port);
}

static void vcpu_prepare(struct machine *m)
{
	struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = 2 };
	struct kvm_sregs sregs;
	int size = check(ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");

	m->vcpu = check(ioctl(m->vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	m->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	check(ioctl(m->vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = sregs.cs.selector = 0;
	check(ioctl(m->vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	check(ioctl(m->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

/* ---- The guest is Xen's. ---- */

static void xen_prepare(struct machine *m)
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL | KVM_XEN_HVM_CONFIG_EVTCHN_SEND,
		.msr = 0x40000000, /* where a guest would ask for its hypercall page */
	};
	struct kvm_xen_hvm_attr page = { .type = KVM_XEN_ATTR_TYPE_SHARED_INFO, .u.shared_info.gfn = SHARED_INFO >> 12 };
	struct kvm_xen_hvm_attr upcall = { .type = KVM_XEN_ATTR_TYPE_UPCALL_VECTOR, .u.vector = VECTOR };
	struct kvm_xen_vcpu_attr info = { .type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, .u.gpa = VCPU_INFO };

	check(ioctl(m->vm, KVM_XEN_HVM_CONFIG, &config), "KVM_XEN_HVM_CONFIG");
	check(ioctl(m->vm, KVM_XEN_HVM_SET_ATTR, &page), "SHARED_INFO");
	check(ioctl(m->vm, KVM_XEN_HVM_SET_ATTR, &upcall), "UPCALL_VECTOR");
	check(ioctl(m->vcpu, KVM_XEN_VCPU_SET_ATTR, &info), "VCPU_INFO");
}

/* Runs the guest until its handler has seen an event. */
static void event_expect(struct machine *m, const char *way)
{
	check(ioctl(m->vcpu, KVM_RUN, 0), "KVM_RUN");
	if (m->run->exit_reason != KVM_EXIT_IO || m->run->io.port != EVENT_PORT) {
		fprintf(stderr, "%s: exit %u instead of an event\n", way, m->run->exit_reason);
		exit(1);
	}
	printf("port %u: %s\n", ((uint8_t *)m->run)[m->run->io.data_offset], way);
}

/* ---- The four ways. ---- */

/* What the guest itself sends KVM delivers without an exit, once it knows where the port leads. */
static void guest_sends(struct machine *m)
{
	struct kvm_xen_hvm_attr target = { .type = KVM_XEN_ATTR_TYPE_EVTCHN };

	target.u.evtchn.send_port = target.u.evtchn.deliver.port.port = PORT_GUEST;
	target.u.evtchn.type = 5; /* EVTCHNSTAT_ipi */
	target.u.evtchn.deliver.port.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL;
	check(ioctl(m->vm, KVM_XEN_HVM_SET_ATTR, &target), "EVTCHN");
	event_expect(m, "EVTCHNOP_send, by the guest itself");
}

static void program_sends(struct machine *m)
{
	struct kvm_irq_routing_xen_evtchn event = { .port = PORT_SEND, .priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL };

	check(ioctl(m->vm, KVM_XEN_HVM_EVTCHN_SEND, &event), "KVM_XEN_HVM_EVTCHN_SEND");
	event_expect(m, "KVM_XEN_HVM_EVTCHN_SEND");
}

/* An eventfd that anybody may hold: another thread, another process, the kernel. */
static void eventfd_signals(struct machine *m)
{
	struct kvm_irq_routing *routes = calloc(1, sizeof *routes + sizeof routes->entries[0]);
	struct kvm_irqfd irqfd = { .fd = (uint32_t)check(eventfd(0, EFD_CLOEXEC), "eventfd"), .gsi = 32 };
	uint64_t one = 1;

	routes->nr = 1;
	routes->entries[0].gsi = 32;
	routes->entries[0].type = KVM_IRQ_ROUTING_XEN_EVTCHN;
	routes->entries[0].u.xen_evtchn.port = PORT_IRQFD;
	routes->entries[0].u.xen_evtchn.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL;
	check(ioctl(m->vm, KVM_SET_GSI_ROUTING, routes), "KVM_SET_GSI_ROUTING");
	free(routes);
	check(ioctl(m->vm, KVM_IRQFD, &irqfd), "KVM_IRQFD");
	check((int)write((int)irqfd.fd, &one, sizeof one), "write");
	event_expect(m, "an eventfd, through KVM_IRQFD and a route");
}

static void timer_expires(struct machine *m)
{
	struct kvm_xen_vcpu_attr timer = { .type = KVM_XEN_VCPU_ATTR_TYPE_TIMER };
	struct kvm_clock_data clock = { 0 };

	check(ioctl(m->vm, KVM_GET_CLOCK, &clock), "KVM_GET_CLOCK");
	timer.u.timer.port = PORT_TIMER;
	timer.u.timer.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL;
	timer.u.timer.expires_ns = clock.clock + 10000000;
	check(ioctl(m->vcpu, KVM_XEN_VCPU_SET_ATTR, &timer), "TIMER");
	event_expect(m, "the vCPU's timer, after 10 ms");
}

int main(void)
{
	struct machine m = { .kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm") };

	if (!(check(ioctl(m.kvm, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM), "KVM_CHECK_EXTENSION") & KVM_XEN_HVM_CONFIG_EVTCHN_SEND)) {
		fprintf(stderr, "this KVM has no Xen events\n");
		return 1;
	}
	m.vm = check(ioctl(m.kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	check(ioctl(m.vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	memory_prepare(&m);
	vcpu_prepare(&m);
	xen_prepare(&m);
	guest_sends(&m);
	program_sends(&m);
	eventfd_signals(&m);
	timer_expires(&m);
	return 0;
}
