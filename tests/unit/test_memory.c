/* Guest memory is the program's own: stores, remappings and holes are seen by a guest that runs, with no ioctl in between. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "machine.h"

enum { DATA = 0x4000 };

static uint64_t rax_of(const struct machine *m)
{
	struct kvm_regs regs;

	assert_int_equal(ioctl(m->vcpu, KVM_GET_REGS, &regs), 0);
	return regs.rax;
}

static void expect_io(struct machine *m, uint16_t port)
{
	assert_int_equal(vcpu_run(m->vcpu), 0);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_IO);
	assert_int_equal(m->run->io.port, port);
}

struct runner {
	pthread_t thread;
	int vcpu, error;
	atomic_bool returned;
};

static void *runner_main(void *argument)
{
	struct runner *r = argument;

	r->error = vcpu_run(r->vcpu);
	r->returned = true;
	return NULL;
}

static void runner_start(struct runner *r, int vcpu)
{
	memset(r, 0, sizeof(*r));
	r->vcpu = vcpu;
	assert_int_equal(pthread_create(&r->thread, NULL, runner_main, r), 0);
}

/* A guest that does not notice the change would spin: a signal ends that, and the test. */
static void runner_expect_exit(struct runner *r)
{
	for (int i = 0; i < 2000 && !r->returned; i++)
		usleep(1000);
	if (!r->returned)
		pthread_kill(r->thread, SIGUSR1);
	assert_int_equal(pthread_join(r->thread, NULL), 0);
	assert_int_equal(r->error, 0);
}

static void test_code_changes_between_runs(void **state)
{
	uint8_t code[] = { 0xb0, 0, 0xe6, 0x80, 0xeb, 0xfa };	/* mov al, N; out 0x80, al; jmp back */
	struct machine *m = *state;

	machine_code(m, code, sizeof(code));
	for (int i = 0; i < 256; i++) {
		m->memory[MACHINE_CODE + 1] = (uint8_t)i;
		expect_io(m, 0x80);
		assert_int_equal(*((uint8_t *)m->run + m->run->io.data_offset), i);
	}
}

static void test_data_changes_while_running(void **state)
{
	static const uint8_t code[] = { 0x80, 0x3e, 0x00, 0x40, 0x00, 0x74, 0xf9, 0xe6, 0x80 }; /* cmp byte [DATA], 0; je back; out */
	struct machine *m = *state;
	struct runner r;

	machine_code(m, code, sizeof(code));
	runner_start(&r, m->vcpu);
	usleep(20000);
	assert_false(r.returned);
	__atomic_store_n(&m->memory[DATA], 1, __ATOMIC_SEQ_CST);
	runner_expect_exit(&r);
}

static void test_code_changes_while_running(void **state)
{
	static const uint8_t code[] = { 0xeb, 0xfe, 0xe6, 0x81 };	/* jmp .; out 0x81, al */
	struct machine *m = *state;
	struct runner r;

	machine_code(m, code, sizeof(code));
	runner_start(&r, m->vcpu);
	usleep(20000);
	assert_false(r.returned);
	__atomic_store_n((uint16_t *)(m->memory + MACHINE_CODE), 0x9090, __ATOMIC_SEQ_CST);
	runner_expect_exit(&r);
	assert_int_equal(m->run->io.port, 0x81);
}

/* The store is to the instruction behind it. */
static void test_guest_changes_its_own_code(void **state)
{
	static const uint8_t code[] = {
		0xc6, 0x06, 0x06, 0x10, 0x81,	/* mov byte [0x1006], 0x81 */
		0xe6, 0x80,			/* out 0x80, al: becomes 0x81 */
		0xfe, 0x06, 0x06, 0x10,		/* inc byte [0x1006] */
		0xeb, 0xf8,			/* jmp to the out */
	};
	struct machine *m = *state;

	machine_code(m, code, sizeof(code));
	for (uint16_t port = 0x81; port < 0xf0; port++)
		expect_io(m, port);
}

static void test_remapped_between_runs(void **state)
{
	static const uint8_t code[] = { 0xa1, 0x00, 0x40, 0xe6, 0x80, 0xeb, 0xf9 };	/* mov ax, [DATA]; out; jmp back */
	struct machine *m = *state;

	machine_code(m, code, sizeof(code));
	for (uint16_t i = 1; i < 20; i++) {
		assert_ptr_equal(mmap(m->memory + DATA, 0x1000, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
				 m->memory + DATA);
		if (i & 1)
			memcpy(m->memory + DATA, &i, 2);
		expect_io(m, 0x80);
		assert_int_equal(rax_of(m) & 0xffff, i & 1 ? i : 0);
	}
}

static void test_remapped_while_running(void **state)
{
	static const uint8_t code[] = { 0x80, 0x3e, 0x00, 0x40, 0x00, 0x74, 0xf9, 0xe6, 0x80 };
	struct machine *m = *state;
	struct runner r;
	uint8_t *page = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	page[0] = 1;
	machine_code(m, code, sizeof(code));
	runner_start(&r, m->vcpu);
	usleep(20000);
	assert_ptr_equal(mremap(page, 0x1000, 0x1000, MREMAP_MAYMOVE | MREMAP_FIXED, m->memory + DATA), m->memory + DATA);
	runner_expect_exit(&r);
}

/* A slot whose memory is not there: EFAULT, and the instruction can be tried again when it is. */
static void test_hole(void **state)
{
	static const uint8_t code[] = { 0xa0, 0x00, 0x40, 0xe6, 0x80 };	/* mov al, [DATA]; out */
	struct machine *m = *state;
	struct kvm_regs regs;

	machine_code(m, code, sizeof(code));
	assert_int_equal(munmap(m->memory + DATA, 0x1000), 0);
	assert_int_equal(vcpu_run(m->vcpu), EFAULT);
	assert_int_equal(ioctl(m->vcpu, KVM_GET_REGS, &regs), 0);
	assert_int_equal(regs.rip, MACHINE_CODE);
	assert_int_equal(vcpu_run(m->vcpu), EFAULT);
	assert_ptr_equal(mmap(m->memory + DATA, 0x1000, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
			 m->memory + DATA);
	m->memory[DATA] = 0x77;
	expect_io(m, 0x80);
	assert_int_equal(rax_of(m) & 0xff, 0x77);
}

static void test_hole_under_the_code(void **state)
{
	static const uint8_t code[] = { 0xe9, 0xfd, 0x2f };	/* jmp DATA */
	struct machine *m = *state;

	machine_code(m, code, sizeof(code));
	assert_int_equal(munmap(m->memory + DATA, 0x1000), 0);
	assert_int_equal(vcpu_run(m->vcpu), EFAULT);
	assert_ptr_equal(mmap(m->memory + DATA, 0x1000, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
			 m->memory + DATA);
	memcpy(m->memory + DATA, "\xe6\x82", 2);
	expect_io(m, 0x82);
}

/* Memory that the program may only read. */
static void test_protected(void **state)
{
	static const uint8_t code[] = { 0xc6, 0x06, 0x00, 0x40, 0x12, 0xe6, 0x80 };	/* mov byte [DATA], 0x12; out */
	struct machine *m = *state;

	machine_code(m, code, sizeof(code));
	assert_int_equal(mprotect(m->memory + DATA, 0x1000, PROT_READ), 0);
	assert_int_equal(vcpu_run(m->vcpu), EFAULT);
	assert_int_equal(m->memory[DATA], 0);
	assert_int_equal(mprotect(m->memory + DATA, 0x1000, PROT_READ | PROT_WRITE), 0);
	expect_io(m, 0x80);
	assert_int_equal(m->memory[DATA], 0x12);
}

static void test_mmio(void **state)
{
	static const uint8_t code[] = {
		0xbb, 0x00, 0x20, 0x8e, 0xdb,	/* mov bx, 0x2000; mov ds, bx: linear 0x20000, beyond the slot */
		0x88, 0x07,			/* mov [bx], al at 0x22000 */
		0x8b, 0x4f, 0x10,		/* mov cx, [bx + 0x10] */
		0xe6, 0x80,
	};
	struct machine *m = *state;
	struct kvm_regs regs;

	machine_code(m, code, sizeof(code));
	assert_int_equal(vcpu_run(m->vcpu), 0);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(m->run->mmio.phys_addr, 0x22000);
	assert_int_equal(m->run->mmio.len, 1);
	assert_int_equal(m->run->mmio.is_write, 1);
	assert_int_equal(vcpu_run(m->vcpu), 0);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(m->run->mmio.phys_addr, 0x22010);
	assert_int_equal(m->run->mmio.len, 2);
	assert_int_equal(m->run->mmio.is_write, 0);
	memcpy(m->run->mmio.data, "\xcd\xab", 2);
	expect_io(m, 0x80);
	assert_int_equal(ioctl(m->vcpu, KVM_GET_REGS, &regs), 0);
	assert_int_equal(regs.rcx & 0xffff, 0xabcd);
}

/* A read-only slot reads as memory; a write is MMIO and changes nothing by itself. */
static void test_read_only_slot(void **state)
{
	static const uint8_t code[] = {
		0xbb, 0x00, 0x20, 0x8e, 0xdb, 0x8a, 0x07, 0xfe, 0xc0, 0x88, 0x07, 0xe6, 0x80, /* ...; mov al, [bx]; inc al; mov [bx], al; out */
	};
	struct machine *m = *state;
	uint8_t *page = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region slot = {
		.slot = 1, .flags = KVM_MEM_READONLY, .guest_phys_addr = 0x22000, .memory_size = 0x1000, .userspace_addr = (uintptr_t)page,
	};

	page[0] = 0x41;
	assert_int_equal(ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &slot), 0);
	machine_code(m, code, sizeof(code));
	assert_int_equal(vcpu_run(m->vcpu), 0);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(m->run->mmio.is_write, 1);
	assert_int_equal(m->run->mmio.data[0], 0x42);
	assert_int_equal(page[0], 0x41);
	expect_io(m, 0x80);
	munmap(page, 0x1000);
}

/* Shared memory is shared: another process sees what the guest writes. */
static void test_shared_with_a_process(void **state)
{
	static const uint8_t code[] = { 0xc6, 0x06, 0x00, 0x40, 0x99, 0xe6, 0x80 };
	struct machine *m = *state;
	int status;
	pid_t pid;

	assert_ptr_equal(mmap(m->memory + DATA, 0x1000, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, -1, 0),
			 m->memory + DATA);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 5000 && *(volatile uint8_t *)(m->memory + DATA) != 0x99; i++)
			usleep(1000);
		_exit(m->memory[DATA] != 0x99);
	}
	machine_code(m, code, sizeof(code));
	expect_io(m, 0x80);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

enum { INCREMENTS = 50000, VCPUS = 3 };

static void *counter_main(void *argument)
{
	int vcpu = *(int *)argument, error;

	do
		error = vcpu_run(vcpu);
	while (error == EINTR);
	return (void *)(intptr_t)error;
}

/* LOCKed instructions of vCPUs that run at the same time lose nothing. */
static void test_locked_increments(void **state)
{
	static const uint8_t code[] = {
		0x66, 0xb9, INCREMENTS & 0xff, INCREMENTS >> 8, 0, 0,	/* mov ecx, INCREMENTS */
		0xf0, 0x66, 0xff, 0x06, 0x00, 0x40,			/* lock inc dword [DATA] */
		0x66, 0x49, 0x75, 0xf6,					/* dec ecx; jnz */
		0xe6, 0x80,
	};
	struct machine *m = *state;
	int vcpus[VCPUS] = { m->vcpu };
	pthread_t threads[VCPUS];
	uint32_t total;
	void *error;

	machine_code(m, code, sizeof(code));
	for (int i = 1; i < VCPUS; i++) {
		vcpus[i] = ioctl(m->vm, KVM_CREATE_VCPU, i);
		assert_true(vcpus[i] >= 0);
		vcpu_start(vcpus[i]);
	}
	for (int i = 0; i < VCPUS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, counter_main, &vcpus[i]), 0);
	for (int i = 0; i < VCPUS; i++) {
		pthread_join(threads[i], &error);
		assert_null(error);
	}
	memcpy(&total, m->memory + DATA, 4);
	assert_int_equal(total, VCPUS * INCREMENTS);
	for (int i = 1; i < VCPUS; i++)
		close(vcpus[i]);
}

static void test_dirty_log_of_a_run(void **state)
{
	static const uint8_t code[] = { 0xc6, 0x06, 0x00, 0x40, 0x99, 0xa0, 0x00, 0x50, 0xe6, 0x80 };	/* write DATA, read 0x5000 */
	struct machine *m = *state;
	struct kvm_userspace_memory_region slot = {
		.flags = KVM_MEM_LOG_DIRTY_PAGES, .memory_size = MACHINE_MEMORY, .userspace_addr = (uintptr_t)m->memory,
	};
	uint64_t bitmap = 0;
	struct kvm_dirty_log log = { .dirty_bitmap = &bitmap };

	machine_code(m, code, sizeof(code));
	assert_int_equal(ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &slot), 0);
	expect_io(m, 0x80);
	assert_int_equal(ioctl(m->vm, KVM_GET_DIRTY_LOG, &log), 0);
	assert_int_equal(bitmap & (1 << (DATA >> 12)), 1 << (DATA >> 12));
	assert_int_equal(bitmap & (1 << 5), 0);
	bitmap = ~0ull;
	assert_int_equal(ioctl(m->vm, KVM_GET_DIRTY_LOG, &log), 0);
	assert_int_equal(bitmap, 0);
}

static void on_signal(int signal)
{
	(void)signal;
}

static int setup(void **state)
{
	const struct sigaction sa = { .sa_handler = on_signal };
	static struct machine m;

	sigaction(SIGUSR1, &sa, NULL);
	machine_open(&m);
	*state = &m;
	return 0;
}

static int teardown(void **state)
{
	machine_close(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_code_changes_between_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_data_changes_while_running, setup, teardown),
		cmocka_unit_test_setup_teardown(test_code_changes_while_running, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guest_changes_its_own_code, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remapped_between_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remapped_while_running, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hole_under_the_code, setup, teardown),
		cmocka_unit_test_setup_teardown(test_protected, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mmio, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_only_slot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared_with_a_process, setup, teardown),
		cmocka_unit_test_setup_teardown(test_locked_increments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dirty_log_of_a_run, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
