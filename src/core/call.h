/*
 * One ioctl from outside: finds the object, refuses what KVM refuses for every object, and tells why a call failed.
 */
#ifndef ANYKVM_CORE_CALL_H
#define ANYKVM_CORE_CALL_H

/* A value >= 0 or -errno: -EBADF when the descriptor is not one of ours. */
long call_ioctl(int fd, unsigned int cmd, unsigned long arg);

/* When set: shown every call and its result (src/shim/trace.c). `kind` is the object's. */
extern void (*call_trace)(int fd, const char *kind, unsigned int cmd, unsigned long arg, long result);

#endif
