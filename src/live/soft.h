/*
 * Descriptors here that stand for those of a software KVM in another process.
 */
#ifndef ANYKVM_LIVE_SOFT_H
#define ANYKVM_LIVE_SOFT_H

#include "host/host.h"

/* `remote` must outlive it; its `call` gets every ioctl as it is. -errno. */
int soft_remote_open(const struct host_remote *remote);

#endif
