/*
 * How long events take: from the call that sends one, or the write to an eventfd, until the guest's handler has counted it, in a guest that
 * runs and in one that halts; from one vCPU to another; and how late the local APIC's timer is. Xen's events only where the KVM has them. An ordinary KVM program; see
 * bench.h.
 */
#include "bench.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	MEMORY = 0x10000, SPIN = 0x1000, HALT = 0x1100, SENDER = 0x1200, TIMER = 0x1300, TIMER_HANDLER = 0x1400, APIC_HANDLER = 0x2000, XEN_HANDLER = 0x2100, COUNTER = 0x3000,
	DELTA = 0x3008, DEADLINE = 0x3010, SHARED_INFO = 0x4000, VCPU_INFO = 0x5000, LATE = 0x6000, APIC_VECTOR = 0x41, XEN_VECTOR = 0x42, TIMER_VECTOR = 0x43, GSI = 24, PORT = 1, SAMPLES = 501, IPIS = 1000,
};
#define PRIORITY KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL

/* Real mode. */
static const uint8_t spin[] = { 0xfb, 0xf3, 0x90, 0xeb, 0xfc }; /* sti; pause; jmp to the pause */
static const uint8_t halt[] = { 0xfb, 0xf4, 0xeb, 0xfd };       /* sti; hlt; jmp to the hlt */
static const uint8_t apic_handler[] = {
	0xf0, 0x66, 0xff, 0x06, 0x00, 0x30, /* lock inc dword [COUNTER] */
	0x66, 0xb9, 0x0b, 0x08, 0x00, 0x00, /* mov ecx, 0x80b: EOI */
	0x66, 0x31, 0xc0, 0x66, 0x31, 0xd2, /* xor eax, eax; xor edx, edx */
	0x0f, 0x30, 0xcf,                   /* wrmsr; iret */
};
static const uint8_t xen_handler[] = {
	0xc6, 0x06, 0x00, 0x50, 0x00,       /* mov byte [VCPU_INFO], 0 */
	0x66, 0x31, 0xc0,                   /* xor eax, eax */
	0x66, 0x87, 0x06, 0x04, 0x50,       /* xchg [VCPU_INFO + 4], eax */
	0x66, 0x31, 0xc0,                   /* xor eax, eax */
	0x66, 0x87, 0x06, 0x00, 0x48,       /* xchg [SHARED_INFO + 0x800], eax */
	0xf0, 0x66, 0xff, 0x06, 0x00, 0x30, /* lock inc dword [COUNTER] */
	0xcf,                               /* iret */
};
/* Sends IPIS interrupts to vCPU 1, each once the one before has been counted. */
static const uint8_t sender[] = {
	0x66, 0xbf, IPIS & 0xff, IPIS >> 8, 0x00, 0x00, /* mov edi, IPIS */
	0x66, 0xb9, 0x30, 0x08, 0x00, 0x00,             /* mov ecx, 0x830: the ICR */
	0x66, 0xba, 0x01, 0x00, 0x00, 0x00,             /* mov edx, 1 */
	0x66, 0xb8, APIC_VECTOR, 0x40, 0x00, 0x00,      /* next: mov eax, the vector */
	0x66, 0x8b, 0x36, 0x00, 0x30,                   /* mov esi, [COUNTER] */
	0x0f, 0x30,                                     /* wrmsr */
	0xf3, 0x90,                                     /* wait: pause */
	0x66, 0x3b, 0x36, 0x00, 0x30,                   /* cmp esi, [COUNTER] */
	0x74, 0xf7,                                     /* je wait */
	0x66, 0x4f,                                     /* dec edi */
	0x75, 0xe6,                                     /* jnz next */
	0xe6, 0x91,                                     /* out 0x91, al */
};

/* Sets the timer DELTA ticks ahead and halts until it has come, SAMPLES times. */
static const uint8_t timer[] = {
	0xfa,                                           /* cli */
	0x66, 0xb9, 0x32, 0x08, 0x00, 0x00,             /* mov ecx, 0x832: LVT timer */
	0x66, 0xb8, TIMER_VECTOR, 0x00, 0x04, 0x00,     /* mov eax, the vector, TSC-deadline mode */
	0x66, 0x31, 0xd2, 0x0f, 0x30,                   /* xor edx, edx; wrmsr */
	0x66, 0xbf, SAMPLES & 0xff, SAMPLES >> 8, 0, 0, /* mov edi, SAMPLES */
	0x66, 0x8b, 0x36, 0x00, 0x30,                   /* next: mov esi, [COUNTER] */
	0x0f, 0x31,                                     /* rdtsc */
	0x66, 0x03, 0x06, 0x08, 0x30,                   /* add eax, [DELTA] */
	0x66, 0x83, 0xd2, 0x00,                         /* adc edx, 0 */
	0x66, 0xa3, 0x10, 0x30,                         /* mov [DEADLINE], eax */
	0x66, 0xb9, 0xe0, 0x06, 0x00, 0x00, 0x0f, 0x30, /* mov ecx, 0x6e0: TSC_DEADLINE; wrmsr */
	0xfb, 0xf4, 0xfa,                               /* wait: sti; hlt; cli */
	0x66, 0x3b, 0x36, 0x00, 0x30, 0x74, 0xf6,       /* cmp esi, [COUNTER]; je wait */
	0x66, 0x4f, 0x75, 0xd6,                         /* dec edi; jnz next */
	0xe6, 0x91,                                     /* out 0x91, al */
};
static const uint8_t timer_handler[] = {
	0x0f, 0x31,                                     /* rdtsc */
	0x66, 0x2b, 0x06, 0x10, 0x30,                   /* sub eax, [DEADLINE] */
	0x66, 0x8b, 0x1e, 0x00, 0x30,                   /* mov ebx, [COUNTER] */
	0x67, 0x66, 0x89, 0x04, 0x9d, 0x00, 0x60, 0, 0, /* mov [LATE + 4 * ebx], eax */
	0x66, 0xf0, 0xff, 0x06, 0x00, 0x30,             /* lock inc dword [COUNTER] */
	0x66, 0xb9, 0x0b, 0x08, 0x00, 0x00,             /* mov ecx, 0x80b: EOI */
	0x66, 0x31, 0xc0, 0x66, 0x31, 0xd2,             /* xor eax, eax; xor edx, edx */
	0x0f, 0x30, 0xcf,                               /* wrmsr; iret */
};

struct vcpu {
	int fd;
	struct kvm_run *run;
	pthread_t thread;
};

static struct bench_vm vm;
static int event_fd;

static uint32_t counter_read(void)
{
	return atomic_load((_Atomic uint32_t *)(vm.memory + COUNTER));
}

static void memory_prepare(void)
{
	static const struct { unsigned int vector; uint16_t at[2]; } vectors[] = { { APIC_VECTOR, { APIC_HANDLER } }, { XEN_VECTOR, { XEN_HANDLER } },
								     { TIMER_VECTOR, { TIMER_HANDLER } } };
	struct kvm_userspace_memory_region slot = { .memory_size = MEMORY };

	vm.memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm.memory == MAP_FAILED)
		bench_fail("mmap");
	slot.userspace_addr = (uintptr_t)vm.memory;
	bench_ioctl(vm.vm_fd, KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION", &slot);
	memcpy(vm.memory + SPIN, spin, sizeof spin);
	memcpy(vm.memory + HALT, halt, sizeof halt);
	memcpy(vm.memory + SENDER, sender, sizeof sender);
	memcpy(vm.memory + TIMER, timer, sizeof timer);
	memcpy(vm.memory + TIMER_HANDLER, timer_handler, sizeof timer_handler);
	memcpy(vm.memory + APIC_HANDLER, apic_handler, sizeof apic_handler);
	memcpy(vm.memory + XEN_HANDLER, xen_handler, sizeof xen_handler);
	for (unsigned int i = 0; i < 3; i++)
		memcpy(vm.memory + 4 * vectors[i].vector, vectors[i].at, 4);
}

/* In x2APIC mode, enabled by software. */
static void vcpu_create(struct vcpu *vcpu, unsigned long id)
{
	struct { struct kvm_msrs header; struct kvm_msr_entry entry; } base = { { .nmsrs = 1 }, { .index = 0x1b, .data = id ? 0xfee00c00 : 0xfee00d00 } };
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + 256 * sizeof cpuid->entries[0]);
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };
	struct kvm_lapic_state lapic;
	uint32_t spiv = 0x1ff;
	size_t size = (size_t)bench_ioctl(vm.system_fd, KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE", NULL);

	vcpu->fd = bench_ioctl(vm.vm_fd, KVM_CREATE_VCPU, "KVM_CREATE_VCPU", (void *)id);
	vcpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	cpuid->nent = 256;
	bench_ioctl(vm.system_fd, KVM_GET_SUPPORTED_CPUID, "KVM_GET_SUPPORTED_CPUID", cpuid);
	/* TSC-deadline mode, which KVM offers beside the list. */
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			cpuid->entries[i].ecx |= 1u << 24;
	bench_ioctl(vcpu->fd, KVM_SET_CPUID2, "KVM_SET_CPUID2", cpuid);
	free(cpuid);
	bench_ioctl(vcpu->fd, KVM_SET_MSRS, "KVM_SET_MSRS", &base);
	bench_ioctl(vcpu->fd, KVM_GET_LAPIC, "KVM_GET_LAPIC", &lapic);
	memcpy(lapic.regs + 0xf0, &spiv, 4);
	bench_ioctl(vcpu->fd, KVM_SET_LAPIC, "KVM_SET_LAPIC", &lapic);
	bench_ioctl(vcpu->fd, KVM_SET_MP_STATE, "KVM_SET_MP_STATE", &runnable);
}

static void vcpu_place(struct vcpu *vcpu, uint64_t at)
{
	struct kvm_regs regs = { .rip = at, .rsp = 0x8000, .rflags = 2 };
	struct kvm_sregs sregs;

	bench_ioctl(vcpu->fd, KVM_GET_SREGS, "KVM_GET_SREGS", &sregs);
	sregs.cs.base = sregs.cs.selector = 0;
	bench_ioctl(vcpu->fd, KVM_SET_SREGS, "KVM_SET_SREGS", &sregs);
	bench_ioctl(vcpu->fd, KVM_SET_REGS, "KVM_SET_REGS", &regs);
}

static void *vcpu_run(void *argument)
{
	struct vcpu *vcpu = argument;

	bench_ioctl(vcpu->fd, KVM_RUN, "KVM_RUN", NULL);
	if (vcpu->run->exit_reason != KVM_EXIT_IO) {
		fprintf(stderr, "events: exit %u\n", vcpu->run->exit_reason);
		exit(1);
	}
	return NULL;
}

/* ---- One event at a time. ---- */

static void send_irqfd(void)
{
	uint64_t one = 1;

	if (write(event_fd, &one, sizeof one) != sizeof one)
		bench_fail("write");
}

static void send_xen(void)
{
	struct kvm_irq_routing_xen_evtchn event = { .port = PORT, .priority = PRIORITY };

	bench_ioctl(vm.vm_fd, KVM_XEN_HVM_EVTCHN_SEND, "KVM_XEN_HVM_EVTCHN_SEND", &event);
}

static void latency_measure(const char *name, void (*send)(void))
{
	static double samples[SAMPLES];

	for (unsigned int i = 0; i < SAMPLES; i++) {
		uint32_t before = counter_read();
		double started;

		usleep(200); /* the guest has gone back to what it does */
		started = bench_now();
		send();
		while (counter_read() == before)
			if (bench_now() - started > 5e9)
				bench_fail(name);
		samples[i] = bench_now() - started;
	}
	printf("%s %.0f\n", name, bench_median(samples, SAMPLES));
}

static void guest_measure(struct vcpu *vcpu, uint64_t code, const char *irqfd, const char *xen, bool has_xen)
{
	vcpu_place(vcpu, code);
	pthread_create(&vcpu->thread, NULL, vcpu_run, vcpu);
	usleep(20000);
	latency_measure(irqfd, send_irqfd);
	if (has_xen)
		latency_measure(xen, send_xen);
	/* Let out by code that leaves: an exit by port. */
	memcpy(vm.memory + code, (uint8_t[]){ 0xe6, 0x91 }, 2);
	memcpy(vm.memory + code + 2, (uint8_t[]){ 0xe6, 0x91 }, 2);
	send_irqfd();
	pthread_join(vcpu->thread, NULL);
}

static void irqfd_prepare(void)
{
	struct kvm_irq_routing *routes = calloc(1, sizeof *routes + sizeof routes->entries[0]);
	struct kvm_irqfd irqfd = { .gsi = GSI };

	event_fd = eventfd(0, EFD_CLOEXEC);
	irqfd.fd = (uint32_t)event_fd;
	routes->nr = 1;
	routes->entries[0].gsi = GSI;
	routes->entries[0].type = KVM_IRQ_ROUTING_MSI;
	routes->entries[0].u.msi.address_lo = 0xfee00000;
	routes->entries[0].u.msi.data = APIC_VECTOR;
	bench_ioctl(vm.vm_fd, KVM_SET_GSI_ROUTING, "KVM_SET_GSI_ROUTING", routes);
	bench_ioctl(vm.vm_fd, KVM_IRQFD, "KVM_IRQFD", &irqfd);
	free(routes);
}

static bool xen_prepare(struct vcpu *vcpu)
{
	struct kvm_xen_hvm_config config = { .flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL | KVM_XEN_HVM_CONFIG_EVTCHN_SEND, .msr = 0x40000000 };
	struct kvm_xen_hvm_attr page = { .type = KVM_XEN_ATTR_TYPE_SHARED_INFO, .u.shared_info.gfn = SHARED_INFO >> 12 };
	struct kvm_xen_hvm_attr upcall = { .type = KVM_XEN_ATTR_TYPE_UPCALL_VECTOR, .u.vector = XEN_VECTOR };
	struct kvm_xen_vcpu_attr info = { .type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, .u.gpa = VCPU_INFO };

	if (ioctl(vm.system_fd, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM) <= 0)
		return false;
	bench_ioctl(vm.vm_fd, KVM_XEN_HVM_CONFIG, "KVM_XEN_HVM_CONFIG", &config);
	bench_ioctl(vm.vm_fd, KVM_XEN_HVM_SET_ATTR, "SHARED_INFO", &page);
	bench_ioctl(vm.vm_fd, KVM_XEN_HVM_SET_ATTR, "UPCALL_VECTOR", &upcall);
	bench_ioctl(vcpu->fd, KVM_XEN_VCPU_SET_ATTR, "VCPU_INFO", &info);
	return true;
}

/* ---- From vCPU to vCPU. ---- */

static void ipi_measure(struct vcpu *from, struct vcpu *to)
{
	double started;

	memcpy(vm.memory + SPIN, spin, sizeof spin);
	vcpu_place(to, SPIN);
	vcpu_place(from, SENDER);
	pthread_create(&to->thread, NULL, vcpu_run, to);
	usleep(20000);
	started = bench_now();
	vcpu_run(from);
	printf("ipi %.0f\n", (bench_now() - started) / IPIS);
}

/* ---- The timer: nanoseconds from the deadline to the handler. ---- */

static void timer_measure(struct vcpu *vcpu)
{
	uint32_t khz = (uint32_t)bench_ioctl(vcpu->fd, KVM_GET_TSC_KHZ, "KVM_GET_TSC_KHZ", NULL), delta = khz / 10, zero = 0, late;
	static double samples[SAMPLES];

	memcpy(vm.memory + DELTA, &delta, sizeof delta); /* 100 us */
	memcpy(vm.memory + COUNTER, &zero, sizeof zero);
	vcpu_place(vcpu, TIMER);
	vcpu_run(vcpu);
	for (unsigned int i = 0; i < SAMPLES; i++) {
		memcpy(&late, vm.memory + LATE + 4 * i, sizeof late);
		samples[i] = (double)(int32_t)late * 1e6 / khz;
	}
	printf("timer.late %.0f\n", bench_median(samples, SAMPLES));
}

int main(void)
{
	struct vcpu first, second;
	bool has_xen;

	setvbuf(stdout, NULL, _IOLBF, 0); /* what has been measured counts even if the rest hangs */
	vm.system_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm.system_fd < 0)
		bench_fail("/dev/kvm");
	vm.vm_fd = bench_ioctl(vm.system_fd, KVM_CREATE_VM, "KVM_CREATE_VM", NULL);
	bench_ioctl(vm.vm_fd, KVM_CREATE_IRQCHIP, "KVM_CREATE_IRQCHIP", NULL);
	memory_prepare();
	vcpu_create(&first, 0);
	vcpu_create(&second, 1);
	irqfd_prepare();
	has_xen = xen_prepare(&first);
	guest_measure(&first, SPIN, "irqfd.running", "xen_send.running", has_xen);
	guest_measure(&first, HALT, "irqfd.halted", "xen_send.halted", has_xen);
	timer_measure(&first);
	ipi_measure(&first, &second);
	/* The second vCPU spins on: the process's end is its own. */
	return 0;
}
