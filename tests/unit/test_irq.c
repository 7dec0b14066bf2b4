/* Interrupts: routes, lines, messages, irqfd with and without resampling, ioeventfd, coalesced writes, the timers, ends told to the program. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "machine.h"

enum { HANDLER = 0x2000, COUNTER = 0x3000, PIC_BASE = 0x20, VECTOR = 0x41, DONE_PORT = 0x90 };

/* Real mode; both handlers count, say so at DONE_PORT, and end the interrupt, at the PIC or at the x2APIC. */
static const uint8_t halt_loop[] = { 0xfb, 0xf4, 0xeb, 0xfc }; /* sti; hlt; jmp back */
static const uint8_t pic_handler[] = {
	0x2e, 0xff, 0x06, 0x00, 0x30, /* inc word cs:[COUNTER] */
	0xb0, 0x20, 0xe6, 0x20,       /* mov al, 0x20; out 0x20, al */
	0xe6, 0x90, 0xcf,             /* out 0x90, al; iret */
};
static const uint8_t apic_handler[] = {
	0x2e, 0xff, 0x06, 0x00, 0x30,
	0x66, 0xb9, 0x0b, 0x08, 0x00, 0x00, /* mov ecx, 0x80b */
	0x66, 0x31, 0xc0, 0x66, 0x31, 0xd2, /* xor eax, eax; xor edx, edx */
	0x0f, 0x30,                         /* wrmsr */
	0xe6, 0x90, 0xcf,
};
static const uint8_t pic_setup[] = {
	0xb0, 0x11, 0xe6, 0x20, 0xb0, PIC_BASE, 0xe6, 0x21, 0xb0, 0x04, 0xe6, 0x21, 0xb0, 0x01, 0xe6, 0x21, /* ICW1 ... ICW4 */
	0xb0, 0x00, 0xe6, 0x21,                                                                             /* nothing masked */
	0xe6, 0x91,
};

static void irqchip_make(int vm)
{
	assert_int_equal(ioctl(vm, KVM_CREATE_IRQCHIP, 0), 0);
}

static void split_make(int vm)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };

	assert_int_equal(ioctl(vm, KVM_ENABLE_CAP, &split), 0);
}

/* The program's own APIC register page: x2APIC mode, enabled by software. */
static void apic_enable(int vcpu)
{
	struct { struct kvm_msrs header; struct kvm_msr_entry entry; } base = { { .nmsrs = 1 }, { .index = 0x1b, .data = 0xfee00d00 } };
	struct kvm_lapic_state lapic;
	uint32_t spiv = 0x1ff;

	assert_int_equal(ioctl(vcpu, KVM_SET_MSRS, &base), 1);
	assert_int_equal(ioctl(vcpu, KVM_GET_LAPIC, &lapic), 0);
	memcpy(lapic.regs + 0xf0, &spiv, 4);
	assert_int_equal(ioctl(vcpu, KVM_SET_LAPIC, &lapic), 0);
}

static void handler_place(struct machine *m, unsigned int vector, const uint8_t *code, size_t size)
{
	uint16_t at[2] = { HANDLER, 0 };

	memcpy(m->memory + 4 * vector, at, sizeof at);
	memcpy(m->memory + HANDLER, code, size);
	memset(m->memory + COUNTER, 0, 2);
}

static void expect_port(struct machine *m, unsigned int port)
{
	assert_int_equal(vcpu_run(m->vcpu), 0);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_IO);
	assert_int_equal(m->run->io.port, port);
}

static int setup_irqchip(void **state)
{
	struct machine *m = calloc(1, sizeof *m);

	machine_open_prepared(m, irqchip_make);
	*state = m;
	return 0;
}

static int setup_split(void **state)
{
	struct machine *m = calloc(1, sizeof *m);

	machine_open_prepared(m, split_make);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	machine_close(*state);
	free(*state);
	return 0;
}

static void pic_machine(struct machine *m, unsigned int irq)
{
	handler_place(m, PIC_BASE + irq, pic_handler, sizeof pic_handler);
	machine_code(m, pic_setup, sizeof pic_setup);
	expect_port(m, 0x91);
	machine_code(m, halt_loop, sizeof halt_loop);
}

static void apic_machine(struct machine *m)
{
	apic_enable(m->vcpu);
	handler_place(m, VECTOR, apic_handler, sizeof apic_handler);
	machine_code(m, halt_loop, sizeof halt_loop);
}

/* ---- Routes. ---- */

struct routes {
	struct kvm_irq_routing header;
	struct kvm_irq_routing_entry entries[3];
};

static void test_routes(void **state)
{
	struct machine *m = *state;
	struct routes r = { .header.nr = 1, .entries[0] = { .gsi = 5, .type = KVM_IRQ_ROUTING_MSI } };

	assert_int_equal(ioctl_error(m->vm, KVM_SET_GSI_ROUTING, &r), 0);
	r.header.flags = 1;
	assert_int_equal(ioctl_error(m->vm, KVM_SET_GSI_ROUTING, &r), EINVAL);
	r.header = (struct kvm_irq_routing){ .nr = 4097 };
	assert_int_equal(ioctl_error(m->vm, KVM_SET_GSI_ROUTING, &r), EINVAL);
	r.header.nr = 1;
	r.entries[0].gsi = 4096;
	assert_int_equal(ioctl_error(m->vm, KVM_SET_GSI_ROUTING, &r), EINVAL);
	r.entries[0] = (struct kvm_irq_routing_entry){ .gsi = 5, .type = 9 };
	assert_int_equal(ioctl_error(m->vm, KVM_SET_GSI_ROUTING, &r), EINVAL);
	r.entries[0] = (struct kvm_irq_routing_entry){ .gsi = 5, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { KVM_IRQCHIP_IOAPIC, 24 } };
	assert_int_equal(ioctl_error(m->vm, KVM_SET_GSI_ROUTING, &r), EINVAL);
	r.entries[0].u.irqchip.pin = 23;
	assert_int_equal(ioctl_error(m->vm, KVM_SET_GSI_ROUTING, &r), 0);
	/* Two controllers share a gsi; two pins of one do not, nor does a message share with a pin. */
	r.header.nr = 2;
	r.entries[1] = (struct kvm_irq_routing_entry){ .gsi = 5, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { KVM_IRQCHIP_PIC_MASTER, 5 } };
	assert_int_equal(ioctl_error(m->vm, KVM_SET_GSI_ROUTING, &r), 0);
	r.entries[1].u.irqchip = (struct kvm_irq_routing_irqchip){ KVM_IRQCHIP_IOAPIC, 5 };
	assert_int_equal(ioctl_error(m->vm, KVM_SET_GSI_ROUTING, &r), EINVAL);
	r.entries[1] = (struct kvm_irq_routing_entry){ .gsi = 5, .type = KVM_IRQ_ROUTING_MSI };
	assert_int_equal(ioctl_error(m->vm, KVM_SET_GSI_ROUTING, &r), EINVAL);
	assert_int_equal(ioctl_error(m->vm, KVM_SET_GSI_ROUTING, (void *)8), EFAULT);
}

static void test_split_has_no_pins(void **state)
{
	struct machine *m = *state;
	struct routes r = { .header.nr = 1, .entries[0] = { .gsi = 5, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { KVM_IRQCHIP_IOAPIC, 5 } } };
	struct kvm_irqfd irqfd = { .fd = (uint32_t)eventfd(0, 0), .gsi = 5, .flags = KVM_IRQFD_FLAG_RESAMPLE };

	assert_int_equal(ioctl_error(m->vm, KVM_SET_GSI_ROUTING, &r), EINVAL);
	irqfd.resamplefd = irqfd.fd;
	assert_int_equal(ioctl_error(m->vm, KVM_IRQFD, &irqfd), EINVAL);
	close((int)irqfd.fd);
}

/* ---- Lines. ---- */

static void test_line_through_pic(void **state)
{
	struct machine *m = *state;
	struct kvm_irq_level line = { .irq = 5, .level = 1 };

	pic_machine(m, 5);
	assert_int_equal(ioctl(m->vm, KVM_IRQ_LINE_STATUS, &line), 0);
	assert_int_equal(line.status, 1);
	expect_port(m, DONE_PORT);
	line = (struct kvm_irq_level){ .irq = 4000, .level = 1 };
	assert_int_equal(ioctl(m->vm, KVM_IRQ_LINE_STATUS, &line), 0);
	assert_int_equal((int)line.status, -1);
}

static void *signal_later(void *argument)
{
	const int *fd = argument;
	uint64_t one = 1;

	usleep(20000);
	assert_int_equal(write(*fd, &one, sizeof one), sizeof one);
	return NULL;
}

static void test_irqfd_wakes(void **state)
{
	struct machine *m = *state;
	int fd = eventfd(0, 0);
	struct kvm_irqfd irqfd = { .fd = (uint32_t)fd, .gsi = 5 };
	pthread_t thread;

	pic_machine(m, 5);
	assert_int_equal(ioctl_error(m->vm, KVM_IRQFD, &irqfd), 0);
	irqfd.gsi = 6;
	assert_int_equal(ioctl_error(m->vm, KVM_IRQFD, &irqfd), EBUSY);
	irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
	assert_int_equal(ioctl_error(m->vm, KVM_IRQFD, &irqfd), 0); /* another gsi's: nothing happens */
	for (unsigned int i = 0; i < 3; i++) {
		pthread_create(&thread, NULL, signal_later, &fd);
		expect_port(m, DONE_PORT);
		pthread_join(thread, NULL);
	}
	irqfd.gsi = 5;
	assert_int_equal(ioctl_error(m->vm, KVM_IRQFD, &irqfd), 0);
	irqfd = (struct kvm_irqfd){ .fd = 1000, .gsi = 5 };
	assert_int_equal(ioctl_error(m->vm, KVM_IRQFD, &irqfd), EBADF);
	irqfd.fd = (uint32_t)m->vm;
	assert_int_equal(ioctl_error(m->vm, KVM_IRQFD, &irqfd), EINVAL);
	irqfd.flags = 4;
	assert_int_equal(ioctl_error(m->vm, KVM_IRQFD, &irqfd), EINVAL);
	close(fd);
}

/* A level-triggered pin stays up until the guest ends its interrupt; then the other side hears of it. */
static void test_irqfd_resamples(void **state)
{
	struct machine *m = *state;
	int raise = eventfd(0, 0), resample = eventfd(0, EFD_NONBLOCK);
	struct kvm_irqfd irqfd = { .fd = (uint32_t)raise, .gsi = 20, .flags = KVM_IRQFD_FLAG_RESAMPLE, .resamplefd = (uint32_t)resample };
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	uint64_t count = 1;

	apic_machine(m);
	assert_int_equal(ioctl(m->vm, KVM_GET_IRQCHIP, &chip), 0);
	chip.chip.ioapic.redirtbl[20].bits = VECTOR | 1 << 15;
	assert_int_equal(ioctl(m->vm, KVM_SET_IRQCHIP, &chip), 0);
	assert_int_equal(ioctl_error(m->vm, KVM_IRQFD, &irqfd), 0);
	for (unsigned int i = 1; i <= 3; i++) {
		assert_int_equal(write(raise, &count, sizeof count), sizeof count);
		expect_port(m, DONE_PORT);
		assert_int_equal(read(resample, &count, sizeof count), sizeof count);
		assert_int_equal(count, 1);
		assert_int_equal(m->memory[COUNTER], i);
	}
	close(raise);
	close(resample);
}

/* ---- Messages. ---- */

static void test_message(void **state)
{
	struct machine *m = *state;
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = VECTOR };

	assert_int_equal(ioctl(m->vm, KVM_SIGNAL_MSI, &msi), 0); /* the APIC is not enabled by software */
	apic_machine(m);
	assert_int_equal(ioctl(m->vm, KVM_SIGNAL_MSI, &msi), 1);
	expect_port(m, DONE_PORT);
	msi.address_lo = 0xfee07000;
	assert_int_equal(ioctl_error(m->vm, KVM_SIGNAL_MSI, &msi), EPERM);
	msi.flags = 2;
	assert_int_equal(ioctl_error(m->vm, KVM_SIGNAL_MSI, &msi), EINVAL);
}

static void test_end_exits(void **state)
{
	struct machine *m = *state;
	struct routes r = { .header.nr = 1, .entries[0] = { .gsi = 3, .type = KVM_IRQ_ROUTING_MSI } };
	struct kvm_irq_level line = { .irq = 3, .level = 1 };

	r.entries[0].u.msi.address_lo = 0xfee00000;
	r.entries[0].u.msi.data = VECTOR | 1 << 15;
	assert_int_equal(ioctl(m->vm, KVM_SET_GSI_ROUTING, &r), 0);
	apic_machine(m);
	assert_int_equal(ioctl(m->vm, KVM_IRQ_LINE, &line), 0);
	assert_int_equal(vcpu_run(m->vcpu), 0);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_IOAPIC_EOI);
	assert_int_equal(m->run->eoi.vector, VECTOR);
	expect_port(m, DONE_PORT);
}

/* The program's PIC: one vector at a time, through LINT0. */
static void test_external_vector(void **state)
{
	struct machine *m = *state;
	struct kvm_interrupt irq = { .irq = VECTOR };

	apic_machine(m);
	assert_int_equal(ioctl_error(m->vcpu, KVM_INTERRUPT, &irq), 0);
	assert_int_equal(ioctl_error(m->vcpu, KVM_INTERRUPT, &irq), EEXIST);
	expect_port(m, DONE_PORT);
	assert_int_equal(ioctl_error(m->vcpu, KVM_INTERRUPT, &irq), 0);
}

/* ---- Writes without an exit. ---- */

static const uint8_t out_twice[] = { 0xb0, 0x07, 0xe6, 0x70, 0xb0, 0x08, 0xe6, 0x70, 0xe6, 0x90 };

static void test_ioeventfd(void **state)
{
	struct machine *m = *state;
	int fd = eventfd(0, EFD_NONBLOCK);
	struct kvm_ioeventfd io = { .datamatch = 7, .addr = 0x70, .len = 1, .fd = fd, .flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH };
	uint64_t count;

	assert_int_equal(ioctl_error(m->vm, KVM_IOEVENTFD, &io), 0);
	assert_int_equal(ioctl_error(m->vm, KVM_IOEVENTFD, &io), EEXIST);
	machine_code(m, out_twice, sizeof out_twice);
	expect_port(m, 0x70); /* 8 is not the value */
	assert_int_equal(read(fd, &count, sizeof count), sizeof count);
	assert_int_equal(count, 1);
	io.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	assert_int_equal(ioctl_error(m->vm, KVM_IOEVENTFD, &io), 0);
	assert_int_equal(ioctl_error(m->vm, KVM_IOEVENTFD, &io), ENOENT);
	io = (struct kvm_ioeventfd){ .addr = 0x70, .len = 3, .fd = fd };
	assert_int_equal(ioctl_error(m->vm, KVM_IOEVENTFD, &io), EINVAL);
	io = (struct kvm_ioeventfd){ .addr = UINT64_MAX, .len = 4, .fd = fd };
	assert_int_equal(ioctl_error(m->vm, KVM_IOEVENTFD, &io), EINVAL);
	close(fd);
}

static void test_coalesced(void **state)
{
	struct machine *m = *state;
	struct kvm_coalesced_mmio_zone zone = { .addr = 0x70, .size = 1, .pio = 1 };
	struct kvm_coalesced_mmio_ring *ring = (void *)((uint8_t *)m->run + (size_t)ioctl(m->kvm, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO) * 4096);

	assert_int_equal(ioctl_error(m->vm, KVM_REGISTER_COALESCED_MMIO, &zone), 0);
	machine_code(m, out_twice, sizeof out_twice);
	expect_port(m, DONE_PORT);
	assert_int_equal(ring->last, 2);
	assert_int_equal(ring->coalesced_mmio[0].data[0], 7);
	assert_int_equal(ring->coalesced_mmio[1].data[0], 8);
	assert_int_equal(ring->coalesced_mmio[1].phys_addr, 0x70);
	/* A ring that says nonsense is full. */
	ring->last = 0xffff;
	machine_code(m, out_twice, sizeof out_twice);
	expect_port(m, 0x70);
	zone.pio = 2;
	assert_int_equal(ioctl_error(m->vm, KVM_REGISTER_COALESCED_MMIO, &zone), EINVAL);
	zone.pio = 1;
	assert_int_equal(ioctl_error(m->vm, KVM_UNREGISTER_COALESCED_MMIO, &zone), 0);
	assert_int_equal(ioctl_error(m->vm, KVM_UNREGISTER_COALESCED_MMIO, &zone), 0);
}

/* ---- Starting another vCPU: INIT, then SIPI. ---- */

static const uint8_t starter[] = {
	0x66, 0xb9, 0x30, 0x08, 0x00, 0x00, /* mov ecx, 0x830: the ICR */
	0x66, 0xba, 0x01, 0x00, 0x00, 0x00, /* mov edx, 1: the other's id */
	0x66, 0xb8, 0x00, 0x45, 0x00, 0x00, /* mov eax, 0x4500: INIT */
	0x0f, 0x30,                         /* wrmsr */
	0x66, 0xb8, 0x03, 0x46, 0x00, 0x00, /* mov eax, 0x4603: SIPI, page 3 */
	0x0f, 0x30,
	0xe6, 0x91,
};

static void *run_once(void *argument)
{
	const int *vcpu = argument;

	return ioctl(*vcpu, KVM_RUN, 0) ? NULL : argument;
}

static void test_start_up(void **state)
{
	struct machine *m = *state;
	static const uint8_t started[] = { 0xe6, 0x92 };
	struct kvm_mp_state mp;
	struct kvm_sregs sregs;
	int other = ioctl(m->vm, KVM_CREATE_VCPU, 1);
	pthread_t thread;
	void *done;

	assert_true(other >= 0);
	assert_int_equal(ioctl(other, KVM_GET_MP_STATE, &mp), 0);
	assert_int_equal(mp.mp_state, KVM_MP_STATE_UNINITIALIZED);
	memcpy(m->memory + 0x3000, started, sizeof started);
	pthread_create(&thread, NULL, run_once, &other);
	apic_enable(m->vcpu);
	machine_code(m, starter, sizeof starter);
	expect_port(m, 0x91);
	pthread_join(thread, &done);
	/* Linux lets the program's KVM_RUN return once the vCPU has begun (EAGAIN), and so may we. */
	if (!done)
		assert_int_equal(ioctl(other, KVM_RUN, 0), 0);
	assert_int_equal(ioctl(other, KVM_GET_SREGS, &sregs), 0);
	assert_int_equal(sregs.cs.selector, 0x300);
	assert_int_equal(sregs.cs.base, 0x3000);
	close(other);
}

/* ---- Timers. ---- */

static double thread_msec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Ten ticks of 10 ms, in a guest that sleeps in between. */
static void test_apic_timer(void **state)
{
	struct machine *m = *state;
	uint32_t lvtt = VECTOR | 1 << 17, count = 10000000, divider = 0xb; /* by 1: nanoseconds */
	struct kvm_lapic_state lapic;
	double wall, busy;

	apic_machine(m);
	assert_int_equal(ioctl(m->vcpu, KVM_GET_LAPIC, &lapic), 0);
	memcpy(lapic.regs + 0x320, &lvtt, 4);
	memcpy(lapic.regs + 0x380, &count, 4);
	memcpy(lapic.regs + 0x390, &count, 4);
	memcpy(lapic.regs + 0x3e0, &divider, 4);
	wall = clock_msec();
	assert_int_equal(ioctl(m->vcpu, KVM_SET_LAPIC, &lapic), 0);
	busy = thread_msec();
	for (unsigned int i = 0; i < 10; i++)
		expect_port(m, DONE_PORT);
	assert_true(clock_msec() - wall >= 99);
	assert_true(thread_msec() - busy < 50);
	assert_int_equal(m->memory[COUNTER], 10);
}

static void test_pit(void **state)
{
	struct machine *m = *state;
	struct kvm_pit_config config = { 0 };
	struct kvm_pit_state2 pit = { 0 };
	double wall;

	assert_int_equal(ioctl_error(m->vm, KVM_GET_PIT2, &pit), ENXIO);
	assert_int_equal(ioctl_error(m->vm, KVM_CREATE_PIT2, &config), 0);
	pic_machine(m, 0);
	assert_int_equal(ioctl(m->vm, KVM_GET_PIT2, &pit), 0);
	pit.channels[0].mode = 2;
	pit.channels[0].count = 11932; /* 10 ms */
	wall = clock_msec();
	assert_int_equal(ioctl(m->vm, KVM_SET_PIT2, &pit), 0);
	for (unsigned int i = 0; i < 5; i++)
		expect_port(m, DONE_PORT);
	assert_true(clock_msec() - wall >= 49);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_routes, setup_irqchip, teardown),
		cmocka_unit_test_setup_teardown(test_split_has_no_pins, setup_split, teardown),
		cmocka_unit_test_setup_teardown(test_line_through_pic, setup_irqchip, teardown),
		cmocka_unit_test_setup_teardown(test_irqfd_wakes, setup_irqchip, teardown),
		cmocka_unit_test_setup_teardown(test_irqfd_resamples, setup_irqchip, teardown),
		cmocka_unit_test_setup_teardown(test_message, setup_irqchip, teardown),
		cmocka_unit_test_setup_teardown(test_end_exits, setup_split, teardown),
		cmocka_unit_test_setup_teardown(test_external_vector, setup_split, teardown),
		cmocka_unit_test_setup_teardown(test_ioeventfd, setup_irqchip, teardown),
		cmocka_unit_test_setup_teardown(test_coalesced, setup_irqchip, teardown),
		cmocka_unit_test_setup_teardown(test_start_up, setup_irqchip, teardown),
		cmocka_unit_test_setup_teardown(test_apic_timer, setup_irqchip, teardown),
		cmocka_unit_test_setup_teardown(test_pit, setup_irqchip, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
