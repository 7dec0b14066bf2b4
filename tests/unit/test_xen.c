/* Event channels of a Xen guest: every way in, all at once, nothing lost; timers; memory that goes away under them. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "machine.h"

/* A 32-bit guest's layout. The handler counts each port below 32 in COUNTERS. */
enum {
	HANDLER = 0x2000, SECOND = 0x2800, SHARED_INFO = 0x4000, PENDING = SHARED_INFO + 0x800, VCPU_INFO = 0x5000, COUNTERS = 0x6000,
	SEND_PORT = 0x7010, SENDS_LEFT = 0x7014, VECTOR = 0x41, PORT_SEND = 1, PORT_FD = 2, PORT_LINE = 3, PORT_GUEST = 4, PORT_TIMER = 5,
};
#define PRIORITY KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL
/* Events that each source sends. TEST_ROUNDS: another number, for a night. */
static unsigned int rounds = 2000;

static const uint8_t halt_loop[] = { 0xfb, 0xf4, 0xeb, 0xfc }; /* sti; hlt; jmp back */
static const uint8_t handler[] = {
	0xc6, 0x06, 0x00, 0x50, 0x00,       /* mov byte [VCPU_INFO], 0: the flag first, what it stands for after it */
	0x66, 0x31, 0xc0,                   /* xor eax, eax */
	0x66, 0x87, 0x06, 0x04, 0x50,       /* xchg [VCPU_INFO + 4], eax */
	0x66, 0x31, 0xc0,                   /* xor eax, eax */
	0x66, 0x87, 0x06, 0x00, 0x48,       /* xchg [PENDING], eax */
	0x66, 0x0f, 0xbc, 0xd8,             /* next: bsf ebx, eax */
	0x74, 0x10,                         /* jz done */
	0x66, 0x0f, 0xb3, 0xd8,             /* btr eax, ebx */
	0x66, 0xc1, 0xe3, 0x02,             /* shl ebx, 2 */
	0xf0, 0x66, 0xff, 0x87, 0x00, 0x60, /* lock inc dword [bx + COUNTERS] */
	0xeb, 0xea,                         /* jmp next */
	0xcf,                               /* done: iret */
};
/* Sends an event to the first vCPU, waits until it has been counted, and so on. */
static const uint8_t sender[] = {
	0x66, 0xb8, 0x20, 0x00, 0x00, 0x00, /* start: mov eax, 32 (event_channel_op) */
	0x66, 0xbb, 0x04, 0x00, 0x00, 0x00, /* mov ebx, 4 (EVTCHNOP_send) */
	0x66, 0xb9, 0x10, 0x70, 0x00, 0x00, /* mov ecx, SEND_PORT */
	0x66, 0x31, 0xf6,                         /* xor esi, esi */
	0xf0, 0x66, 0x0f, 0xc1, 0x36, 0x10, 0x60, /* lock xadd [COUNTERS + 4 * PORT_GUEST], esi */
	0x0f, 0x01, 0xd9,                         /* vmmcall */
	0xf3, 0x90,                               /* wait: pause */
	0x66, 0x31, 0xff,                         /* xor edi, edi */
	0xf0, 0x66, 0x0f, 0xc1, 0x3e, 0x10, 0x60, /* lock xadd [COUNTERS + 4 * PORT_GUEST], edi */
	0x66, 0x39, 0xf7,                         /* cmp edi, esi */
	0x74, 0xef,                               /* je wait */
	0x66, 0xff, 0x0e, 0x14, 0x70,             /* dec dword [SENDS_LEFT] */
	0x75, 0xc9,                               /* jnz start */
	0xe6, 0x91,                         /* out 0x91, al */
};

static void irqchip_make(int vm)
{
	assert_int_equal(ioctl(vm, KVM_CREATE_IRQCHIP, 0), 0);
}

static void attribute_set(struct machine *m, struct kvm_xen_hvm_attr attribute)
{
	assert_int_equal(ioctl(m->vm, KVM_XEN_HVM_SET_ATTR, &attribute), 0);
}

static int setup(void **state)
{
	struct kvm_xen_hvm_config config = { .flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL | KVM_XEN_HVM_CONFIG_EVTCHN_SEND, .msr = 0x40000000 };
	struct kvm_xen_vcpu_attr info = { .type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, .u.gpa = VCPU_INFO };
	struct machine *m = calloc(1, sizeof *m);
	uint16_t at[2] = { HANDLER, 0 };

	machine_open_prepared(m, irqchip_make);
	assert_int_equal(ioctl(m->vm, KVM_XEN_HVM_CONFIG, &config), 0);
	attribute_set(m, (struct kvm_xen_hvm_attr){ .type = KVM_XEN_ATTR_TYPE_SHARED_INFO, .u.shared_info.gfn = SHARED_INFO >> 12 });
	attribute_set(m, (struct kvm_xen_hvm_attr){ .type = KVM_XEN_ATTR_TYPE_UPCALL_VECTOR, .u.vector = VECTOR });
	assert_int_equal(ioctl(m->vcpu, KVM_XEN_VCPU_SET_ATTR, &info), 0);
	memcpy(m->memory + 4 * VECTOR, at, sizeof at);
	memcpy(m->memory + HANDLER, handler, sizeof handler);
	machine_code(m, halt_loop, sizeof halt_loop);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	machine_close(*state);
	free(*state);
	return 0;
}

static uint32_t counted(struct machine *m, unsigned int port)
{
	return atomic_load((_Atomic uint32_t *)(m->memory + COUNTERS + 4 * port));
}

/* ---- The guest's threads: they run until they are told to stop. ---- */

struct runner {
	int vcpu;
	struct kvm_run *run;
	pthread_t thread;
	unsigned int port; /* 0, or that of an exit that ends it */
};

static void *runner_run(void *argument)
{
	struct runner *runner = argument;

	for (;;) {
		if (ioctl(runner->vcpu, KVM_RUN, 0) < 0)
			return NULL;
		if (runner->run->exit_reason == KVM_EXIT_IO && runner->run->io.port == runner->port)
			return runner;
	}
}

static void ignore_signal(int signal)
{
	(void)signal;
}

static void signals_prepare(void)
{
	const struct sigaction action = { .sa_handler = ignore_signal };

	sigaction(SIGUSR1, &action, NULL);
}

static void runner_stop(struct runner *runner)
{
	runner->run->immediate_exit = 1;
	pthread_kill(runner->thread, SIGUSR1);
	pthread_join(runner->thread, NULL);
	runner->run->immediate_exit = 0;
}

/* ---- Sources. Each sends, and waits until the guest has counted it: an event lost ends the wait, one too many shows at the end. ---- */

struct source {
	struct machine *m;
	pthread_t thread;
	unsigned int port, sent;
	void (*send)(struct source *source);
	int fd;
};

static void send_ioctl(struct source *source)
{
	struct kvm_irq_routing_xen_evtchn event = { .port = source->port, .vcpu = 0, .priority = PRIORITY };

	if (ioctl(source->m->vm, KVM_XEN_HVM_EVTCHN_SEND, &event))
		abort();
}

static void send_eventfd(struct source *source)
{
	uint64_t one = 1;

	if (write(source->fd, &one, sizeof one) != sizeof one)
		abort();
}

static void send_line(struct source *source)
{
	struct kvm_irq_level line = { .irq = 33, .level = 1 };

	if (ioctl(source->m->vm, KVM_IRQ_LINE_STATUS, &line) || line.status != 1)
		abort();
}

static void *source_run(void *argument)
{
	struct source *source = argument;

	for (unsigned int i = 0; i < rounds; i++) {
		double deadline = clock_msec() + 10000;

		source->send(source);
		source->sent++;
		while (counted(source->m, source->port) < source->sent)
			if (sched_yield() || clock_msec() > deadline)
				return source;
	}
	return NULL;
}

struct routes {
	struct kvm_irq_routing header;
	struct kvm_irq_routing_entry entries[2];
};

static void routes_set(struct machine *m)
{
	struct routes routes = { .header.nr = 2 };

	for (unsigned int i = 0; i < 2; i++) {
		routes.entries[i].gsi = 32 + i;
		routes.entries[i].type = KVM_IRQ_ROUTING_XEN_EVTCHN;
		routes.entries[i].u.xen_evtchn = (struct kvm_irq_routing_xen_evtchn){ .port = i ? PORT_LINE : PORT_FD, .vcpu = 0, .priority = PRIORITY };
	}
	assert_int_equal(ioctl(m->vm, KVM_SET_GSI_ROUTING, &routes), 0);
}

static void second_start(struct machine *m, struct runner *runner)
{
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };
	struct kvm_regs regs = { .rip = SECOND, .rsp = 0x7800, .rflags = 2 };
	uint32_t port = PORT_GUEST, left = rounds;
	struct kvm_xen_hvm_attr target = { .type = KVM_XEN_ATTR_TYPE_EVTCHN };

	target.u.evtchn.send_port = PORT_GUEST;
	target.u.evtchn.type = 5; /* EVTCHNSTAT_ipi */
	target.u.evtchn.deliver.port.port = PORT_GUEST;
	target.u.evtchn.deliver.port.priority = PRIORITY;
	attribute_set(m, target);
	runner->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 1);
	assert_true(runner->vcpu >= 0);
	runner->run = mmap(NULL, m->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, runner->vcpu, 0);
	vcpu_start(runner->vcpu);
	assert_int_equal(ioctl(runner->vcpu, KVM_SET_REGS, &regs), 0);
	assert_int_equal(ioctl(runner->vcpu, KVM_SET_MP_STATE, &runnable), 0);
	memcpy(m->memory + SECOND, sender, sizeof sender);
	memcpy(m->memory + SEND_PORT, &port, 4);
	memcpy(m->memory + SENDS_LEFT, &left, 4);
	runner->port = 0x91;
	pthread_create(&runner->thread, NULL, runner_run, runner);
}

static void test_four_sources(void **state)
{
	struct machine *m = *state;
	struct source sources[] = { { .port = PORT_SEND, .send = send_ioctl }, { .port = PORT_FD, .send = send_eventfd }, { .port = PORT_LINE, .send = send_line } };
	struct kvm_irqfd irqfd = { .fd = (uint32_t)eventfd(0, 0), .gsi = 32 };
	struct runner first = { .vcpu = m->vcpu, .run = m->run }, second;
	void *failed;

	signals_prepare();
	routes_set(m);
	assert_int_equal(ioctl(m->vm, KVM_IRQFD, &irqfd), 0);
	pthread_create(&first.thread, NULL, runner_run, &first);
	second_start(m, &second);
	for (unsigned int i = 0; i < 3; i++) {
		sources[i].m = m;
		sources[i].fd = (int)irqfd.fd;
		pthread_create(&sources[i].thread, NULL, source_run, &sources[i]);
	}
	for (unsigned int i = 0; i < 3; i++) {
		pthread_join(sources[i].thread, &failed);
		assert_null(failed);
	}
	pthread_join(second.thread, &failed);
	assert_ptr_equal(failed, &second);
	runner_stop(&first);
	for (unsigned int port = PORT_SEND; port <= PORT_GUEST; port++)
		assert_int_equal(counted(m, port), rounds);
	munmap(second.run, m->run_size);
	close(second.vcpu);
	close((int)irqfd.fd);
}

/* ---- Timers. ---- */

static void timer_set(struct machine *m, uint64_t ahead)
{
	struct kvm_clock_data clock = { 0 };
	struct kvm_xen_vcpu_attr timer = { .type = KVM_XEN_VCPU_ATTR_TYPE_TIMER };

	assert_int_equal(ioctl(m->vm, KVM_GET_CLOCK, &clock), 0);
	timer.u.timer.port = PORT_TIMER;
	timer.u.timer.priority = PRIORITY;
	timer.u.timer.expires_ns = clock.clock + ahead;
	assert_int_equal(ioctl(m->vcpu, KVM_XEN_VCPU_SET_ATTR, &timer), 0);
}

static void test_timer_wakes(void **state)
{
	struct machine *m = *state;
	struct runner first = { .vcpu = m->vcpu, .run = m->run };
	double started = clock_msec();

	signals_prepare();
	timer_set(m, 50000000);
	pthread_create(&first.thread, NULL, runner_run, &first);
	while (!counted(m, PORT_TIMER) && clock_msec() < started + 5000)
		usleep(1000);
	assert_true(clock_msec() - started >= 49);
	runner_stop(&first);
	assert_int_equal(counted(m, PORT_TIMER), 1);
}

/* A VM ends with its timer running; another one's timer comes while no vCPU runs. */
static void test_timer_without_vcpu(void **state)
{
	struct machine *m = *state;
	double deadline = clock_msec() + 5000;

	timer_set(m, 20000000);
	while (!(m->memory[PENDING] & 1 << PORT_TIMER) && clock_msec() < deadline)
		usleep(1000);
	assert_int_equal(m->memory[PENDING] & 1 << PORT_TIMER, 1 << PORT_TIMER);
	timer_set(m, 60000000000);
}

/* ---- Memory under it. ---- */

static void test_memory_goes(void **state)
{
	struct machine *m = *state;
	struct kvm_irq_routing_xen_evtchn event = { .port = PORT_SEND, .vcpu = 0, .priority = PRIORITY };
	struct kvm_xen_hvm_attr info = { .type = 6 }; /* SHARED_INFO_HVA, where the gfn is */
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	info.u.shared_info.gfn = (uintptr_t)page;
	attribute_set(m, info);
	assert_int_equal(ioctl_error(m->vm, KVM_XEN_HVM_EVTCHN_SEND, &event), 0);
	assert_int_equal(page[0x800], 1 << PORT_SEND);
	mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	assert_int_equal(ioctl_error(m->vm, KVM_XEN_HVM_EVTCHN_SEND, &event), 0);
	assert_int_equal(page[0x800], 1 << PORT_SEND);
	munmap(page, 4096);
	assert_int_equal(ioctl_error(m->vm, KVM_XEN_HVM_EVTCHN_SEND, &event), EFAULT);
	info.u.shared_info.gfn = 8;
	assert_int_equal(ioctl_error(m->vm, KVM_XEN_HVM_SET_ATTR, &info), EINVAL);
}

/* Without vcpu_info the event waits for it. */
static void test_info_comes_later(void **state)
{
	struct machine *m = *state;
	struct kvm_irq_routing_xen_evtchn event = { .port = PORT_SEND, .vcpu = 0, .priority = PRIORITY };
	struct kvm_xen_vcpu_attr info = { .type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, .u.gpa = UINT64_MAX };
	static const uint8_t out_once[] = { 0xe6, 0x80 };

	assert_int_equal(ioctl(m->vcpu, KVM_XEN_VCPU_SET_ATTR, &info), 0);
	assert_int_equal(ioctl_error(m->vm, KVM_XEN_HVM_EVTCHN_SEND, &event), 0);
	assert_int_equal(m->memory[VCPU_INFO], 0);
	info.u.gpa = VCPU_INFO;
	assert_int_equal(ioctl(m->vcpu, KVM_XEN_VCPU_SET_ATTR, &info), 0);
	machine_code(m, out_once, sizeof out_once);
	assert_int_equal(vcpu_run(m->vcpu), 0);
	assert_int_equal(m->memory[VCPU_INFO], 1);
	assert_int_equal(m->memory[VCPU_INFO + 4], 1);
}

/* The clock's numbers in the guest's own CPUID. */
static void test_cpuid(void **state)
{
	struct machine *m = *state;
	struct { struct kvm_cpuid2 header; struct kvm_cpuid_entry2 entries[3]; } cpuid = { .header.nent = 3 };

	cpuid.entries[0] = (struct kvm_cpuid_entry2){ .function = 0x40000100, .eax = 0x40000104 };
	memcpy(&cpuid.entries[0].ebx, "XenVMMXenVMM", 12);
	for (unsigned int i = 1; i < 3; i++)
		cpuid.entries[i] = (struct kvm_cpuid_entry2){ .function = 0x40000103, .index = i, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX };
	assert_int_equal(ioctl(m->vcpu, KVM_SET_CPUID2, &cpuid), 0);
	assert_int_equal(ioctl(m->vcpu, KVM_GET_CPUID2, &cpuid), 0);
	assert_true(cpuid.entries[1].ecx != 0);
	assert_int_equal(cpuid.entries[2].eax, ioctl(m->vcpu, KVM_GET_TSC_KHZ, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_four_sources, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer_wakes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer_without_vcpu, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_info_comes_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cpuid, setup, teardown),
	};

	if (getenv("TEST_ROUNDS"))
		rounds = (unsigned int)strtoul(getenv("TEST_ROUNDS"), NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
