/*
 * A vCPU's registers set aside, to be put back when a transaction fails half-way.
 */
#ifndef ANYKVM_X86_SNAPSHOT_H
#define ANYKVM_X86_SNAPSHOT_H

#include "x86/vcpu.h"

struct x86_snapshot;

/* All that register ioctls change, but what other vCPUs' threads may change meanwhile. One at a time; NULL: no memory. */
const struct x86_snapshot *snapshot_take(struct x86_vcpu *cpu);
void snapshot_return(struct x86_vcpu *cpu, const struct x86_snapshot *snapshot);

#endif
