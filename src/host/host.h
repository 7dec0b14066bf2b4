/*
 * Hardware KVM: the kernel's /dev/kvm with the calls that it lacks. Everything that it has goes straight on to it, on the program's own
 * descriptors. What these calls are is src/vm/registers.h's; here is how the kernel's others make them up.
 */
#ifndef ANYKVM_HOST_HOST_H
#define ANYKVM_HOST_HOST_H

#include <stdbool.h>
#include <stdint.h>

/* open("/dev/kvm", flags) of the kernel's: a descriptor, or -errno. -ENODEV: what opened is no KVM of API version 12. */
int host_system_open(int flags);

/*
 * A VM's or vCPU's descriptor in another process: how its ioctls are made there. What belongs together stands between `begin` and `end`.
 * `call` takes the argument as the ioctl does, a pointer into our memory or a number.
 */
struct host_remote {
	int (*begin)(const struct host_remote *remote);
	void (*end)(const struct host_remote *remote);
	long (*call)(const struct host_remote *remote, unsigned int cmd, void *argument);
	bool vcpu;
	uint32_t xsave_size; /* x86, of a vCPU: what KVM_CHECK_EXTENSION of KVM_CAP_XSAVE2 says; 0: nothing */
};

/* A descriptor here that stands for one there; `system` is one of host_system_open(). `remote` must outlive it. -errno. */
int host_remote_open(int system, const struct host_remote *remote);

/* The architecture of the guests that the kernel's KVM has: this machine's; 0 where KVM has none. */
uint64_t host_arch(void);

#endif
