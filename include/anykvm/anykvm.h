/**
 * @file anykvm.h
 * libanykvm: the KVM ioctl ABI without /dev/kvm.
 *
 * The calls below mirror open(2), ioctl(2) and close(2) of /dev/kvm. Descriptors are real ones: mmap(2) of a vCPU descriptor,
 * poll(2), dup(2) through anykvm_dup(), close-on-exec and sending to nobody work as the kernel does them.
 * All functions are thread-safe. The ioctls, their arguments and errors are those of the kernel's Documentation/virt/kvm/api.rst
 * as Linux 6.12 has them.
 */
#ifndef ANYKVM_ANYKVM_H
#define ANYKVM_ANYKVM_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Opens a software KVM for x86-64 guests, as open("/dev/kvm", flags) does for the hardware's.
 *
 * @param flags  O_CLOEXEC or 0; other bits of open(2) are accepted and have no effect.
 * @return a descriptor owned by the caller (close it with anykvm_close()), or -1 with errno (EMFILE, ENFILE, ENOMEM).
 */
int anykvm_open(int flags);

/**
 * One KVM ioctl on a system, VM, vCPU or statistics descriptor.
 *
 * @param fd       a descriptor from anykvm_open() or from an ioctl that creates one.
 * @param request  KVM_... of <linux/kvm.h>.
 * @param argument the ioctl's third argument: a pointer or a number.
 * @return what the ioctl returns, or -1 with errno. EBADF when the descriptor is not one of libanykvm's, EIO in a child of fork().
 */
int anykvm_ioctl(int fd, unsigned long request, void *argument);

/**
 * Closes a descriptor. What is behind it lives on while another descriptor (or a vCPU of the VM) refers to it.
 *
 * @return 0, or -1 with errno as close(2).
 */
int anykvm_close(int fd);

/**
 * Duplicates a descriptor, as dup(2).
 *
 * @return the new descriptor, or -1 with errno as dup(2).
 */
int anykvm_dup(int fd);

#ifdef __cplusplus
}
#endif

#endif
