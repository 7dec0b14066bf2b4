/*
 * Between the files of the public face: every call of the library begins and ends alike.
 */
#ifndef ANYKVM_API_API_H
#define ANYKVM_API_API_H

#include "anykvm/anykvm.h"
#include "anykvm/kvm.h"
#include "core/why.h"

#define PUBLIC __attribute__((visibility("default")))

/* Forgets the last refusal; `request` is the ioctl that this call comes down to, or 0. */
void api_begin(unsigned long request);

/* A value >= 0, or -errno: what the call returns, with errno set and the refusal kept. */
int api_end(long result);

#endif
