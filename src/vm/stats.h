/*
 * Counters of a VM or vCPU and the descriptors that show them (KVM_GET_STATS_FD, api.rst 4.133): a memfd opened for reading
 * only, so that read and pread are the kernel's. Knows neither VMs nor vCPUs.
 */
#ifndef ANYKVM_VM_STATS_H
#define ANYKVM_VM_STATS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "core/object.h"

struct stats_row {
	const char *name;
	uint32_t flags; /* KVM_STATS_TYPE_* | KVM_STATS_UNIT_* | KVM_STATS_BASE_* */
};

struct stats_view;

struct stats {
	pthread_mutex_t lock; /* the list of views; nothing else is taken under it */
	const struct stats_row *rows;
	const _Atomic uint64_t *values; /* one a row */
	uint32_t count;
	_Atomic uint32_t view_count;
	struct stats_view *views; /* open descriptors */
};

void stats_init(struct stats *stats, const struct stats_row *rows, const _Atomic uint64_t *values, uint32_t count);
void stats_destroy(struct stats *stats);

/* A new descriptor, or -errno. It holds a reference on `owner`, which must keep `stats` alive. `id` names the VM or vCPU. */
int stats_open(struct stats *stats, struct object *owner, const char *id);

void stats_publish_slow(struct stats *stats);

/* Shows the counters' present values through the open descriptors. Only the counters' writer need call it. */
static inline void stats_publish(struct stats *stats)
{
	if (__builtin_expect(atomic_load_explicit(&stats->view_count, memory_order_relaxed) != 0, 0))
		stats_publish_slow(stats);
}

/* Counts one; the counter has one writer at a time. */
static inline void stats_count(_Atomic uint64_t *value)
{
	atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + 1, memory_order_relaxed);
}

#endif
