/*
 * Which KVM: the software's or the machine's. For the library and for the preload face.
 */
#ifndef ANYKVM_API_ACCEL_H
#define ANYKVM_API_ACCEL_H

#include "anykvm/anykvm.h"

/* ANYKVM_ACCEL_AUTO made one of the two others: the machine's when it opens and has guests of that architecture (0: any). */
enum anykvm_accel accel_resolve(enum anykvm_accel accel, uint64_t arch);

/* A system descriptor, or -errno. */
long accel_open(enum anykvm_accel accel, uint64_t arch, int flags);

/* "soft", "kvm" or "auto"; false: none of them. */
bool accel_parse(const char *name, enum anykvm_accel *accel);

#endif
