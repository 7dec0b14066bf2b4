/*
 * Names of ioctls, capabilities and exits, as <linux/kvm.h> has them. NULL where there is none.
 */
#ifndef ANYKVM_CORE_NAMES_H
#define ANYKVM_CORE_NAMES_H

#include <stddef.h>

#define NAME_ROOM 24

const char *name_ioctl(unsigned int cmd);
/* Of those, what <linux/kvm.h> has on arm64 alone. */
const char *name_ioctl_arm64(unsigned int cmd);
const char *name_capability(unsigned long number);
const char *name_exit(unsigned int reason);

/* The name, or the number in hexadecimal written into `room`. */
const char *name_or_number(const char *name, unsigned long number, char room[static NAME_ROOM]);

#endif
