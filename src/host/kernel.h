/*
 * Between the files of this folder: the kernel, and what a vCPU of its is here.
 */
#ifndef ANYKVM_HOST_KERNEL_H
#define ANYKVM_HOST_KERNEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "anykvm/kvm.h"
#include "core/object.h"
#include "host/host.h"
#include "vm/registers.h"

/* A system call, past the libc that the preload face stands in front of: a value >= 0 or -errno. Tests put a kernel of their own here. */
extern long (*host_kernel)(int fd, unsigned int cmd, unsigned long arg);

static inline long kernel(int fd, unsigned int cmd, const void *argument)
{
	return host_kernel(fd, cmd, (unsigned long)argument);
}

/* What does not change while the system descriptor is open. */
struct host_system {
	struct object object;
	bool one_reg;    /* KVM_GET_ONE_REG is there */
	size_t run_size; /* KVM_GET_VCPU_MMAP_SIZE */
	/* x86: KVM_GET_MSR_INDEX_LIST; KVM_GET_SREGS2 is there; the components that guests can have, as in XCR0. */
	uint32_t msr_count;
	uint32_t *msrs;
	bool sregs2;
	uint64_t components;
};

struct host_vm {
	struct object object;
	struct host_system *system; /* a reference */
};

struct host_vcpu {
	struct object object;
	struct host_vm *vm; /* a reference */
	uint32_t xsave_size; /* x86: of KVM_GET_XSAVE2 */
	struct kvm_run *run; /* our own mapping; NULL where there is none */
	size_t run_size;
	/* kvm_valid_regs of the last KVM_RUN, as long as nothing has changed the vCPU since: those sets stand in kvm_run. */
	_Atomic uint64_t synced;
	/* x86: what KVM_GET_TSC_KHZ said, 0: to be asked again; nothing but KVM_SET_TSC_KHZ changes it. */
	_Atomic uint32_t tsc_khz;
	/* Of the calls made up here, one at a time; the kernel's own have its lock. Not held during KVM_RUN. */
	pthread_mutex_t lock;
	int fd; /* the descriptor of the call that holds the lock */
	const struct host_remote *remote; /* it is in another process; NULL: here */
	struct register_room room;
	void *plan; /* the architecture's, made when first needed */
};

/* One of KVM's calls on a vCPU, wherever it is. */
static inline long vcpu_kernel(struct host_vcpu *vcpu, unsigned int cmd, const void *argument)
{
	return vcpu->remote ? vcpu->remote->call(vcpu->remote, cmd, (void *)argument) : kernel(vcpu->fd, cmd, argument);
}

/* The guests' architecture is the machine's. */
#if defined(__x86_64__)
#define HOST_ARCH KVM_REG_X86
#elif defined(__aarch64__)
#define HOST_ARCH KVM_REG_ARM64
#elif defined(__riscv)
#define HOST_ARCH KVM_REG_RISCV
#elif defined(__s390x__)
#define HOST_ARCH KVM_REG_S390
#elif defined(__powerpc64__)
#define HOST_ARCH KVM_REG_PPC
#elif defined(__loongarch__)
#define HOST_ARCH KVM_REG_LOONGARCH
#elif defined(__mips__)
#define HOST_ARCH KVM_REG_MIPS
#else
#define HOST_ARCH 0
#endif

/* The architecture's registers: x86.c, or elsewhere.c on all others. */
extern const struct register_ops host_register_ops;
void host_plan_free(struct host_vcpu *vcpu);

#endif
