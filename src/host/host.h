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

/* The architecture of the guests that the kernel's KVM has: this machine's; 0 where KVM has none. */
uint64_t host_arch(void);

#endif
