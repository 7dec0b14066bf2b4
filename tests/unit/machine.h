/*
 * A small machine for tests that are ordinary KVM programs: one VM, 64 KiB of memory at 0, one vCPU in real mode at 0x1000. They run under
 * `anykvm run`; run without it they ask the kernel's KVM, which must agree.
 */
#ifndef ANYKVM_TESTS_UNIT_MACHINE_H
#define ANYKVM_TESTS_UNIT_MACHINE_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

enum { MACHINE_MEMORY = 0x10000, MACHINE_CODE = 0x1000 };

struct machine {
	int kvm, vm, vcpu;
	uint8_t *memory;
	struct kvm_run *run;
	size_t run_size;
};

/* Asserts that everything works. */
void machine_open(struct machine *m);
/* The same, with something done to the VM before it has a vCPU. */
void machine_open_prepared(struct machine *m, void (*prepare)(int vm));
void machine_close(struct machine *m);

/* Puts code at MACHINE_CODE and the vCPU's RIP in front of it; clears the other registers. */
void machine_code(struct machine *m, const void *code, size_t size);
/* The same for any vCPU. */
void vcpu_start(int vcpu);

/* KVM_RUN: 0, or errno. */
int vcpu_run(int vcpu);

/* An ioctl's errno, or 0. */
int ioctl_error(int fd, unsigned long request, const void *argument);

/* Milliseconds of a clock that only goes forward. */
double clock_msec(void);

#endif
