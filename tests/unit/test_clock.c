/* kvmclock, stolen time, ends of interrupts in memory: what KVM writes into the guest's memory, and when. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "machine.h"

enum { CLOCK_PAGE = 0x4000, STEAL_AREA = 0x5000, WALL = 0x6000, EOI_BYTE = 0x7000, HANDLER = 0x2000, VECTOR = 0x41 };

static const uint8_t out_loop[] = { 0xe6, 0x80, 0xeb, 0xfc }; /* out 0x80, al; jmp back: an exit that is not over goes on as well */
static const uint8_t halt_loop[] = { 0xfb, 0xf4, 0xeb, 0xfc };                              /* sti; hlt; jmp back */
static const uint8_t eoi_handler[] = { 0xa0, 0x00, 0x70, 0xa2, 0x02, 0x70, 0xc6, 0x06, 0x00, 0x70, 0x00, 0xe6, 0x90, 0xcf };
/* mov al, [EOI_BYTE]; mov [EOI_BYTE + 2], al; mov byte [EOI_BYTE], 0; out 0x90, al; iret */

static void irqchip_make(int vm)
{
	assert_int_equal(ioctl(vm, KVM_CREATE_IRQCHIP, 0), 0);
}

static int setup(void **state)
{
	struct machine *m = calloc(1, sizeof *m);

	machine_open_prepared(m, irqchip_make);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	machine_close(*state);
	free(*state);
	return 0;
}

static int msr_set(struct machine *m, uint32_t index, uint64_t value)
{
	struct { struct kvm_msrs header; struct kvm_msr_entry entry; } msrs = { { .nmsrs = 1 }, { .index = index, .data = value } };

	return ioctl(m->vcpu, KVM_SET_MSRS, &msrs);
}

static uint64_t msr_get(struct machine *m, uint32_t index)
{
	struct { struct kvm_msrs header; struct kvm_msr_entry entry; } msrs = { { .nmsrs = 1 }, { .index = index } };

	assert_int_equal(ioctl(m->vcpu, KVM_GET_MSRS, &msrs), 1);
	return msrs.entry.data;
}

static void run_once(struct machine *m)
{
	machine_code(m, out_loop, sizeof out_loop);
	assert_int_equal(vcpu_run(m->vcpu), 0);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_IO);
}

struct page {
	uint32_t version, pad0;
	uint64_t tsc, time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags;
};

/* As a guest does it. */
static uint64_t page_clock(const struct page *page, uint64_t tsc)
{
	uint64_t delta = tsc - page->tsc;

	delta = page->shift < 0 ? delta >> -page->shift : delta << page->shift;
	return page->time + (uint64_t)((unsigned __int128)delta * page->mul >> 32);
}

static void test_clock_agrees(void **state)
{
	struct machine *m = *state;
	struct kvm_clock_data before, after, set = { .clock = 5000000000 };
	struct page page;

	assert_int_equal(msr_set(m, 0x4b564d01, CLOCK_PAGE | 1), 1);
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t guest;

		run_once(m);
		memcpy(&page, m->memory + CLOCK_PAGE, sizeof page);
		assert_int_equal(page.version & 1, 0);
		assert_true(page.version != 0);
		assert_int_equal(ioctl(m->vm, KVM_GET_CLOCK, &before), 0);
		guest = page_clock(&page, msr_get(m, 0x10));
		assert_int_equal(ioctl(m->vm, KVM_GET_CLOCK, &after), 0);
		assert_true(before.clock <= guest && guest <= after.clock);
		assert_int_equal(ioctl(m->vm, KVM_SET_CLOCK, &set), 0);
	}
	assert_true(before.clock >= 5000000000 && before.clock < 6000000000);
	set.flags = 16;
	assert_int_equal(ioctl_error(m->vm, KVM_SET_CLOCK, &set), EINVAL);
}

/* With the wall clock of when it was read, what has passed since is added. */
static void test_clock_restored(void **state)
{
	struct machine *m = *state;
	struct kvm_clock_data clock;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	clock = (struct kvm_clock_data){ .clock = 7000000000, .flags = KVM_CLOCK_REALTIME };
	clock.realtime = (uint64_t)(now.tv_sec - 3) * 1000000000 + (uint64_t)now.tv_nsec;
	assert_int_equal(ioctl(m->vm, KVM_SET_CLOCK, &clock), 0);
	assert_int_equal(ioctl(m->vm, KVM_GET_CLOCK, &clock), 0);
	assert_true(clock.clock >= 10000000000 && clock.clock < 11000000000);
}

static void test_clock_stopped(void **state)
{
	struct machine *m = *state;
	struct page page;

	assert_int_equal(ioctl_error(m->vcpu, KVM_KVMCLOCK_CTRL, NULL), EINVAL);
	assert_int_equal(msr_set(m, 0x12, CLOCK_PAGE | 1), 1);
	run_once(m);
	memcpy(&page, m->memory + CLOCK_PAGE, sizeof page);
	assert_int_equal(page.flags & 2, 0);
	assert_int_equal(ioctl_error(m->vcpu, KVM_KVMCLOCK_CTRL, NULL), 0);
	run_once(m);
	memcpy(&page, m->memory + CLOCK_PAGE, sizeof page);
	assert_int_equal(page.flags & 2, 2);
}

static void test_wall_clock(void **state)
{
	struct machine *m = *state;
	uint32_t wall[3];

	assert_int_equal(msr_set(m, 0x4b564d00, WALL), 1);
	memcpy(wall, m->memory + WALL, sizeof wall);
	assert_int_equal(wall[0], 2);
	assert_true(time(NULL) - (time_t)wall[1] <= 2);
	assert_true(wall[2] < 1000000000);
}

static void test_steal_time(void **state)
{
	struct machine *m = *state;
	uint32_t version;

	assert_int_equal(msr_set(m, 0x4b564d03, STEAL_AREA | 3), 0);
	assert_int_equal(msr_set(m, 0x4b564d03, STEAL_AREA | 1), 1);
	m->memory[STEAL_AREA + 16] = 1;
	run_once(m);
	memcpy(&version, m->memory + STEAL_AREA + 8, 4);
	assert_true(version && version % 2 == 0);
	assert_int_equal(m->memory[STEAL_AREA + 16], 0);
	/* A hole in the guest's memory is nobody's fault but the guest's. */
	assert_int_equal(msr_set(m, 0x4b564d03, 0x7f000001), 1);
	assert_int_equal(msr_set(m, 0x4b564d01, 0x7f000001), 1);
	run_once(m);
}

/* The guest finds its interrupt endable by a store, and ends it so; the next one comes. */
static void test_end_in_memory(void **state)
{
	struct machine *m = *state;
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = VECTOR };
	uint32_t spiv = 0x1ff, isr;
	struct kvm_lapic_state lapic;
	uint16_t at[2] = { HANDLER, 0 };

	assert_int_equal(ioctl(m->vcpu, KVM_GET_LAPIC, &lapic), 0);
	memcpy(lapic.regs + 0xf0, &spiv, 4);
	assert_int_equal(ioctl(m->vcpu, KVM_SET_LAPIC, &lapic), 0);
	assert_int_equal(msr_set(m, 0x4b564d04, EOI_BYTE | 3), 0);
	assert_int_equal(msr_set(m, 0x4b564d04, EOI_BYTE | 1), 1);
	memcpy(m->memory + 4 * VECTOR, at, sizeof at);
	memcpy(m->memory + HANDLER, eoi_handler, sizeof eoi_handler);
	machine_code(m, halt_loop, sizeof halt_loop);
	for (unsigned int i = 0; i < 3; i++) {
		m->memory[EOI_BYTE + 2] = 0;
		assert_int_equal(ioctl(m->vm, KVM_SIGNAL_MSI, &msi), 1);
		assert_int_equal(vcpu_run(m->vcpu), 0);
		assert_int_equal(m->run->exit_reason, KVM_EXIT_IO);
		assert_int_equal(m->run->io.port, 0x90);
		assert_int_equal(m->memory[EOI_BYTE + 2], 1);
		assert_int_equal(ioctl(m->vcpu, KVM_GET_LAPIC, &lapic), 0);
		memcpy(&isr, lapic.regs + 0x120, 4);
		assert_int_equal(isr, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_clock_agrees, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock_restored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock_stopped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wall_clock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_steal_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_in_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
