/* Every ioctl that takes a pointer, given one it cannot use: EFAULT, whatever is wrong with it, and nothing changes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "machine.h"

enum on { SYSTEM, VM, VCPU };

/* Direction as the request's name has it: what the kernel reads, writes, or both. */
static const struct {
	const char *name;
	enum on on;
	unsigned long request;
} calls[] = {
	{ "GET_MSR_INDEX_LIST", SYSTEM, KVM_GET_MSR_INDEX_LIST },
	{ "GET_SUPPORTED_CPUID", SYSTEM, KVM_GET_SUPPORTED_CPUID },
	{ "GET_EMULATED_CPUID", SYSTEM, KVM_GET_EMULATED_CPUID },
	{ "SET_USER_MEMORY_REGION", VM, KVM_SET_USER_MEMORY_REGION },
	{ "GET_DIRTY_LOG", VM, KVM_GET_DIRTY_LOG },
	{ "ENABLE_CAP", VM, KVM_ENABLE_CAP },
	{ "X86_SET_MSR_FILTER", VM, KVM_X86_SET_MSR_FILTER },
	{ "GET_REGS", VCPU, KVM_GET_REGS }, { "SET_REGS", VCPU, KVM_SET_REGS },
	{ "GET_SREGS", VCPU, KVM_GET_SREGS }, { "SET_SREGS", VCPU, KVM_SET_SREGS },
	{ "GET_SREGS2", VCPU, KVM_GET_SREGS2 }, { "SET_SREGS2", VCPU, KVM_SET_SREGS2 },
	{ "GET_FPU", VCPU, KVM_GET_FPU }, { "SET_FPU", VCPU, KVM_SET_FPU },
	{ "GET_XSAVE", VCPU, KVM_GET_XSAVE }, { "SET_XSAVE", VCPU, KVM_SET_XSAVE },
	{ "GET_XCRS", VCPU, KVM_GET_XCRS }, { "SET_XCRS", VCPU, KVM_SET_XCRS },
	{ "GET_DEBUGREGS", VCPU, KVM_GET_DEBUGREGS }, { "SET_DEBUGREGS", VCPU, KVM_SET_DEBUGREGS },
	{ "GET_VCPU_EVENTS", VCPU, KVM_GET_VCPU_EVENTS }, { "SET_VCPU_EVENTS", VCPU, KVM_SET_VCPU_EVENTS },
	{ "GET_MP_STATE", VCPU, KVM_GET_MP_STATE }, { "SET_MP_STATE", VCPU, KVM_SET_MP_STATE },
	{ "GET_MSRS", VCPU, KVM_GET_MSRS }, { "SET_MSRS", VCPU, KVM_SET_MSRS },
	{ "GET_CPUID2", VCPU, KVM_GET_CPUID2 }, { "SET_CPUID2", VCPU, KVM_SET_CPUID2 },
	{ "TRANSLATE", VCPU, KVM_TRANSLATE }, { "INTERRUPT", VCPU, KVM_INTERRUPT },
	{ "SET_GUEST_DEBUG", VCPU, KVM_SET_GUEST_DEBUG }, { "SET_SIGNAL_MASK", VCPU, KVM_SET_SIGNAL_MASK },
};

/* Two pages: one that can be used, and one that is gone. */
static uint8_t *edge_open(int protection)
{
	uint8_t *pages = mmap(NULL, 0x4000, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_int_equal(mprotect(pages + 0x3000, 0x1000, PROT_NONE), 0);
	return pages;
}

static int fd_of(const struct machine *m, enum on on)
{
	return on == SYSTEM ? m->kvm : on == VM ? m->vm : m->vcpu;
}

static void expect_fault(const struct machine *m, const void *argument, const char *what)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		/* KVM_SET_SIGNAL_MASK takes NULL: no mask. */
		if (calls[i].request == KVM_SET_SIGNAL_MASK && !argument)
			continue;
		if (ioctl_error(fd_of(m, calls[i].on), calls[i].request, argument) != EFAULT)
			fail_msg("KVM_%s with %s: not EFAULT but %s", calls[i].name, what, strerror(errno));
	}
}

static void test_nowhere(void **state)
{
	struct machine *m = *state;
	struct kvm_regs before, after;
	uint8_t *pages = edge_open(PROT_READ | PROT_WRITE);

	assert_int_equal(ioctl(m->vcpu, KVM_GET_REGS, &before), 0);
	expect_fault(m, NULL, "NULL");
	expect_fault(m, (void *)8, "a small number");
	expect_fault(m, pages + 0x3000, "a page without access");
	expect_fault(m, (void *)UINT64_C(0xffff888000000000), "a kernel address");
	expect_fault(m, (void *)UINT64_C(0x8000000000000000), "a non-canonical address");
	expect_fault(m, (void *)UINT64_MAX, "an address that wraps");
	munmap(pages, 0x4000);
	assert_int_equal(ioctl(m->vcpu, KVM_GET_REGS, &after), 0);
	assert_memory_equal(&before, &after, sizeof(before));
}

/* The structure begins in memory that is there and ends in memory that is not. */
static void test_across_the_edge(void **state)
{
	struct machine *m = *state;
	uint8_t *pages = edge_open(PROT_READ | PROT_WRITE);

	expect_fault(m, pages + 0x3000 - 1, "one byte of it there");
	munmap(pages, 0x4000);
}

/* A structure that ends with its page is fine: nothing beyond it is touched. */
static void test_up_to_the_edge(void **state)
{
	struct machine *m = *state;
	uint8_t *pages = edge_open(PROT_READ | PROT_WRITE);

	assert_int_equal(ioctl(m->vcpu, KVM_GET_REGS, pages + 0x3000 - sizeof(struct kvm_regs)), 0);
	assert_int_equal(ioctl(m->vcpu, KVM_SET_REGS, pages + 0x3000 - sizeof(struct kvm_regs)), 0);
	assert_int_equal(ioctl(m->vcpu, KVM_GET_SREGS, pages + 0x3000 - sizeof(struct kvm_sregs)), 0);
	assert_int_equal(ioctl(m->vcpu, KVM_SET_SREGS, pages + 0x3000 - sizeof(struct kvm_sregs)), 0);
	assert_int_equal(ioctl(m->vcpu, KVM_GET_XSAVE, pages + 0x3000 - sizeof(struct kvm_xsave)), 0);
	assert_int_equal(ioctl(m->vcpu, KVM_SET_XSAVE, pages + 0x3000 - sizeof(struct kvm_xsave)), 0);
	munmap(pages, 0x4000);
}

/* Reading from a page that cannot be written is fine, writing is not. */
static void test_read_only(void **state)
{
	struct machine *m = *state;
	uint8_t *page = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_int_equal(ioctl(m->vcpu, KVM_GET_REGS, page), 0);
	assert_int_equal(mprotect(page, 0x1000, PROT_READ), 0);
	assert_int_equal(ioctl(m->vcpu, KVM_SET_REGS, page), 0);
	assert_int_equal(ioctl_error(m->vcpu, KVM_GET_REGS, page), EFAULT);
	assert_int_equal(ioctl_error(m->vcpu, KVM_GET_SREGS, page), EFAULT);
	munmap(page, 0x1000);
}

/* A header that can be read, and entries that cannot. */
static void test_array_behind_the_header(void **state)
{
	struct machine *m = *state;
	uint8_t *pages = edge_open(PROT_READ | PROT_WRITE);
	struct kvm_msrs *msrs = (void *)(pages + 0x3000 - sizeof(struct kvm_msrs));
	struct kvm_cpuid2 *cpuid = (void *)(pages + 0x3000 - sizeof(struct kvm_cpuid2));

	memset(msrs, 0, sizeof(*msrs));
	msrs->nmsrs = 1;
	assert_int_equal(ioctl_error(m->vcpu, KVM_GET_MSRS, msrs), EFAULT);
	assert_int_equal(ioctl_error(m->vcpu, KVM_SET_MSRS, msrs), EFAULT);
	msrs->nmsrs = 0;
	assert_int_equal(ioctl_error(m->vcpu, KVM_SET_MSRS, msrs), 0);
	memset(cpuid, 0, sizeof(*cpuid));
	cpuid->nent = 1;
	assert_int_equal(ioctl_error(m->vcpu, KVM_SET_CPUID2, cpuid), EFAULT);
	munmap(pages, 0x4000);
}

/* Memory that a guest uses may be unaligned to ioctls too. */
static void test_unaligned(void **state)
{
	struct machine *m = *state;
	uint8_t buffer[sizeof(struct kvm_sregs) + 16];

	for (size_t i = 1; i < 16; i++) {
		assert_int_equal(ioctl(m->vcpu, KVM_GET_SREGS, buffer + i), 0);
		assert_int_equal(ioctl(m->vcpu, KVM_SET_SREGS, buffer + i), 0);
	}
}

static int setup(void **state)
{
	static struct machine m;

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
		cmocka_unit_test(test_nowhere),
		cmocka_unit_test(test_across_the_edge),
		cmocka_unit_test(test_up_to_the_edge),
		cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_array_behind_the_header),
		cmocka_unit_test(test_unaligned),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
