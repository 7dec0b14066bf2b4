/*
 * Descriptors and objects: every KVM descriptor (system, VM, vCPU, stats) is a real kernel descriptor; this table says
 * which object of ours stands behind it. Knows nothing of any architecture.
 */
#ifndef ANYKVM_CORE_OBJECT_H
#define ANYKVM_CORE_OBJECT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct object;
struct visit;

struct object_ops {
	const char *kind; /* "kvm", "vm", "vcpu", ...: as shown by --trace and --why */
	uint64_t arch;    /* KVM_REG_X86 ...: the guests' architecture */
	/*
	 * Answers one ioctl: a value >= 0, or -errno. `cmd` is the whole 32-bit command word: kernels truncate it as well.
	 * Runs without any lock of the table held.
	 */
	long (*ioctl)(struct object *object, unsigned int cmd, unsigned long arg);
	/*
	 * Instead of it, for objects behind which the kernel's KVM stands: is told the descriptor, and leaves signals and fork() to the
	 * kernel.
	 */
	long (*pass)(struct object *object, int fd, unsigned int cmd, unsigned long arg);
	/*
	 * One ioctl for a visitor, who comes in the middle of anything (core/visit.h): never waits, and fills in what is found. NULL: visitors are
	 * not let in.
	 */
	void (*visit)(struct object *object, struct visit *visit);
	/* The last reference is gone: frees the object. */
	void (*release)(struct object *object);
};

/* The head of every object that a descriptor can name. */
struct object {
	const struct object_ops *ops;
	atomic_uint references;
	unsigned int process; /* object_process() at its creation: another process may not use a VM (EIO) */
};

/* Starts with one reference, which is the creator's. */
void object_init(struct object *object, const struct object_ops *ops);
struct object *object_get(struct object *object);
void object_put(struct object *object);

/* True in the process that created the object; false after fork(), where KVM answers EIO. */
bool object_is_own(const struct object *object);

/*
 * Makes `fd` name `object`; the table takes a reference of its own. 0 or -errno (-ENOMEM).
 * An object that `fd` named before is dropped: the descriptor was closed behind our back.
 */
int fd_install(int fd, struct object *object);

/* The object that `fd` names, with a reference for the caller, or NULL when it is not one of ours. Lock-free, async-signal-safe. */
struct object *fd_object(int fd);

/* The same without waiting: false when somebody holds the slot at this moment. */
bool fd_object_try(int fd, struct object **object);

/* Whether `fd` is one of ours: one load for the descriptors of everybody else. */
bool fd_is_ours(int fd);

/* The first descriptor of ours that is `first` or later, or -1. */
int fd_next(int first);

/* What close() and dup() of a descriptor mean for the table; the kernel's own call is the caller's business. */
void fd_forget(int fd);
void fd_duplicated(int old_fd, int new_fd);

/*
 * A new descriptor for an object, of that name in /proc. `fd_new_plain`: one that can only be polled, closed and dup'ed.
 * `fd_new_memory`: one whose mmap shows `size` bytes, of which `*memory` is our own mapping.
 * Both are close-on-exec, as KVM's are. -errno on failure.
 */
int fd_new_plain(const char *name);
int fd_new_memory(const char *name, size_t size, void **memory);

/* Makes a new descriptor name a new object, whose creator's reference it takes over: `fd`, or -errno, and both are gone. */
int fd_give(int fd, struct object *object);

#endif
