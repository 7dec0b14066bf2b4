/* A small machine for tests that are ordinary KVM programs. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "machine.h"

void machine_open(struct machine *m)
{
	machine_open_prepared(m, NULL);
}

void machine_open_prepared(struct machine *m, void (*prepare)(int vm))
{
	struct kvm_userspace_memory_region slot = { .memory_size = MACHINE_MEMORY };

	m->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	assert_true(m->kvm >= 0);
	m->vm = ioctl(m->kvm, KVM_CREATE_VM, 0);
	assert_true(m->vm >= 0);
	m->memory = mmap(NULL, MACHINE_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(m->memory, MAP_FAILED);
	slot.userspace_addr = (uintptr_t)m->memory;
	assert_int_equal(ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &slot), 0);
	if (prepare)
		prepare(m->vm);
	m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
	assert_true(m->vcpu >= 0);
	m->run_size = (size_t)ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	m->run = mmap(NULL, m->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	assert_ptr_not_equal(m->run, MAP_FAILED);
	vcpu_start(m->vcpu);
}

void machine_close(struct machine *m)
{
	munmap(m->run, m->run_size);
	close(m->vcpu);
	close(m->vm);
	close(m->kvm);
	munmap(m->memory, MACHINE_MEMORY);
}

void vcpu_start(int vcpu)
{
	struct kvm_regs regs = { .rip = MACHINE_CODE, .rsp = 0x8000, .rflags = 2 };
	struct kvm_sregs sregs;

	assert_int_equal(ioctl(vcpu, KVM_GET_SREGS, &sregs), 0);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	assert_int_equal(ioctl(vcpu, KVM_SET_SREGS, &sregs), 0);
	assert_int_equal(ioctl(vcpu, KVM_SET_REGS, &regs), 0);
}

void machine_code(struct machine *m, const void *code, size_t size)
{
	memcpy(m->memory + MACHINE_CODE, code, size);
	vcpu_start(m->vcpu);
}

int vcpu_run(int vcpu)
{
	return ioctl(vcpu, KVM_RUN, 0) < 0 ? errno : 0;
}

int ioctl_error(int fd, unsigned long request, const void *argument)
{
	return ioctl(fd, request, argument) < 0 ? errno : 0;
}

double clock_msec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}
