/**
 * @file anykvm.h
 * libanykvm: the KVM ioctl ABI with and without /dev/kvm, and registers by id and by name on every KVM.
 *
 * The first calls mirror open(2), ioctl(2) and close(2) of /dev/kvm. Descriptors are real ones: mmap(2) of a vCPU descriptor, poll(2), dup(2)
 * through anykvm_dup() and close-on-exec work as the kernel does them. The ioctls, their arguments and errors are those of the kernel's
 * Documentation/virt/kvm/api.rst as Linux 6.12 has them; anykvm/kvm.h has those that a system's <linux/kvm.h> lacks, KVM_GET_MANY_REGS and
 * the ids of all x86 registers among them. They work on every KVM that is opened here, the hardware's too.
 *
 * All functions are thread-safe; several KVMs can be open side by side. No function keeps a pointer that it was given.
 */
#ifndef ANYKVM_ANYKVM_H
#define ANYKVM_ANYKVM_H

#include <stddef.h>
#include <stdint.h>

#include <anykvm/reg.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kvm_one_reg;

/** Which KVM answers. */
enum anykvm_accel {
	ANYKVM_ACCEL_SOFT, /**< the software KVM: on every machine */
	ANYKVM_ACCEL_KVM,  /**< the kernel's /dev/kvm */
	ANYKVM_ACCEL_AUTO, /**< the kernel's when it opens and has guests of that architecture, the software KVM otherwise */
};

/* ---- Descriptors. ---- */

/**
 * Opens a software KVM for guests of the host's own architecture (x86-64 or arm64), as open("/dev/kvm", flags) does for the hardware's.
 *
 * @param flags  O_CLOEXEC or 0; other bits of open(2) are accepted and have no effect.
 * @return a descriptor owned by the caller (close it with anykvm_close()), or -1 with errno (EMFILE, ENFILE, ENOMEM).
 */
int anykvm_open(int flags);

/**
 * Opens a KVM of the caller's choice.
 *
 * @param accel  which.
 * @param arch   the guests' architecture: KVM_REG_X86 (software KVM: on x86-64 hosts), KVM_REG_ARM64 (on x86-64 and arm64 hosts); 0: the host's own.
 * @param flags  as of anykvm_open().
 * @return as anykvm_open(); ENOENT or EACCES when there is no usable /dev/kvm (ANYKVM_ACCEL_KVM), ENODEV when it has no guests of that
 *         architecture, EINVAL when no KVM has.
 */
int anykvm_open_accel(enum anykvm_accel accel, uint64_t arch, int flags);

/** Which KVM is behind a descriptor: ANYKVM_ACCEL_SOFT or ANYKVM_ACCEL_KVM; -1 (EBADF) when it is not one of libanykvm's. */
int anykvm_accel(int fd);

/** The guests' architecture of a KVM, VM or vCPU descriptor: KVM_REG_X86 ...; 0 (EBADF) when it is not one of libanykvm's. */
uint64_t anykvm_arch(int fd);

/**
 * One KVM ioctl on a system, VM, vCPU or statistics descriptor.
 *
 * @param fd       a descriptor from anykvm_open() or from an ioctl that creates one.
 * @param request  KVM_... of <linux/kvm.h> or anykvm/kvm.h.
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

/* ---- Registers of a vCPU. ---- */

/**
 * The ids of the vCPU's registers (KVM_GET_REG_LIST, api.rst 4.83).
 *
 * @param ids   gets them; may be NULL when `room` is 0.
 * @param room  how many fit there.
 * @return how many there are; when that is more than `room` nothing was written. -1 with errno otherwise.
 */
int anykvm_reg_list(int vcpu, uint64_t *ids, size_t room);

/**
 * One register (KVM_GET_ONE_REG, KVM_SET_ONE_REG, api.rst 4.68, 4.69).
 *
 * @param id     which: see anykvm/reg.h.
 * @param value  anykvm_reg_size(id) bytes, in the host's byte order.
 * @return 0, or -1 with errno: EINVAL (no such id, a value that is not allowed), ENOENT (not on this vCPU), EFAULT.
 */
int anykvm_reg_get(int vcpu, uint64_t id, void *value);
int anykvm_reg_set(int vcpu, uint64_t id, const void *value);

/**
 * Many registers in one call (KVM_GET_MANY_REGS, KVM_SET_MANY_REGS: anykvm/kvm.h).
 *
 * Getting writes nothing unless all of them can be read. Setting is one transaction: the values are checked as they will stand
 * together, in whatever order the array has them (so cr0, cr4, efer and the segments of a mode go in at once); of a register that stands
 * several times the last value counts; when anything is refused, nothing has changed. This refines the original proposal of these
 * calls, which stopped at the first register that was refused and left those before it changed. With the kernel's KVM a set that the
 * kernel itself refuses is taken back by setting what was there before.
 *
 * @param regs   for each register its id and the address of its value.
 * @param count  how many: 1024 at most (KVM_MANY_REGS_MAX_SIZE).
 * @return 0, or -1 with errno as for one register, E2BIG; anykvm_refusal() says which entry it was.
 */
int anykvm_regs_get(int vcpu, const struct kvm_one_reg *regs, size_t count);
int anykvm_regs_set(int vcpu, const struct kvm_one_reg *regs, size_t count);

/**
 * One register by name, with its value as text: see anykvm_reg_parse(), anykvm_value_print(), anykvm_value_parse().
 *
 * @param room  bytes at `text`: ANYKVM_VALUE_ROOM always suffice.
 * @return 0, or -1 with errno: as by id, ENOENT (no such name), EINVAL or ERANGE (no such value), ENOSPC.
 */
int anykvm_reg_get_text(int vcpu, const char *name, char *text, size_t room);
int anykvm_reg_set_text(int vcpu, const char *name, const char *value);

/* ---- Why. ---- */

/** Why the thread's last call was refused. */
struct anykvm_refusal {
	int error;             /**< errno; 0: it was not */
	unsigned long request; /**< the ioctl; 0: none got that far */
	int entry;             /**< which of several registers, from 0; -1: none in particular */
	const char *reason;    /**< the rule it broke, in words; "" when only the kernel knows */
};

/** Of the calling thread's last call of this library; good until its next one. Never NULL. */
const struct anykvm_refusal *anykvm_refusal(void);

#ifdef __cplusplus
}
#endif

#endif
