/*
 * System descriptors of the software KVM, one kind for each architecture of guests.
 */
#ifndef ANYKVM_SOFT_OPEN_H
#define ANYKVM_SOFT_OPEN_H

#include "core/command.h"
#include "core/object.h"

/* A new system descriptor, as open("/dev/kvm", flags) gives one: O_CLOEXEC is looked at, nothing else. -errno on failure. */
int soft_x86_open(int flags);
int soft_arm64_open(int flags);

/* The part that is the same for all: an object with these ops and ioctls. */
int system_open(const struct object_ops *ops, const struct command *commands, int flags);
long system_ioctl(struct object *object, unsigned int cmd, unsigned long arg);
void system_release(struct object *object);

/* A descriptor for a new object, whose creator's reference it takes over. -errno on failure, the reference being dropped all the same. */
long object_descriptor(struct object *object, const char *name);

#define KVM_VERSION 12 /* KVM_GET_API_VERSION: api.rst 4.1 */

#endif
