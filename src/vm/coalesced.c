/*
 * Coalesced writes (api.rst 4.116): a guest's writes to some places need no exit each; they are noted in a ring that the program looks at
 * when it likes. The ring is the VM's: it stands in the mapping of the VM's first vCPU, where programs look for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/why.h"
#include "vm/vm.h"

void coalesced_init(struct coalesced *coalesced)
{
	pthread_mutex_init(&coalesced->lock, NULL);
}

void coalesced_destroy(struct coalesced *coalesced)
{
	free(coalesced->zones);
	pthread_mutex_destroy(&coalesced->lock);
}

/* Whether the range lies in the zone as a whole. */
static bool zone_has(const struct kvm_coalesced_mmio_zone *zone, uint64_t address, uint64_t size)
{
	return address >= zone->addr && address + size >= address && address + size <= zone->addr + zone->size;
}

/* ---- The guest's side. ---- */

/* The program writes to the ring as well, and may write anything. The lock is held. */
static bool ring_put(struct vm *vm, bool port, uint64_t address, unsigned int size, const void *data)
{
	struct kvm_coalesced_mmio_ring *ring = (void *)((uint8_t *)vm->vcpus[0]->run + COALESCED_PAGE * PAGE_SIZE);
	uint32_t last = __atomic_load_n(&ring->last, __ATOMIC_RELAXED), first = __atomic_load_n(&ring->first, __ATOMIC_ACQUIRE);
	struct kvm_coalesced_mmio *entry;

	/* One entry stays free, so that full and empty differ. */
	if (last >= COALESCED_MAX || (last + 1) % COALESCED_MAX == first)
		return false;
	entry = &ring->coalesced_mmio[last];
	entry->phys_addr = address;
	entry->len = size;
	memcpy(entry->data, data, size);
	entry->pio = port;
	__atomic_store_n(&ring->last, (uint32_t)((last + 1) % COALESCED_MAX), __ATOMIC_RELEASE);
	return true;
}

bool coalesced_write(struct vm *vm, enum io_space space, uint64_t address, unsigned int size, const void *data)
{
	struct coalesced *coalesced = &vm->coalesced;
	bool port = space == IO_PORT, done = false;

	if (!atomic_load_explicit(&coalesced->count, memory_order_acquire) || size > sizeof((struct kvm_coalesced_mmio *)NULL)->data)
		return false;
	pthread_mutex_lock(&coalesced->lock);
	for (uint32_t i = 0; i < coalesced->count && !done; i++)
		if (coalesced->zones[i].pio == port && zone_has(&coalesced->zones[i], address, size))
			done = ring_put(vm, port, address, size, data);
	pthread_mutex_unlock(&coalesced->lock);
	return done;
}

/* ---- The ioctls. ---- */

static int zone_check(const struct kvm_coalesced_mmio_zone *zone)
{
	return zone->pio > 1 ? why(-EINVAL, "pio: %u is neither 0 nor 1", zone->pio) : 0;
}

/* The lock is held. */
static int zone_add(struct coalesced *coalesced, const struct kvm_coalesced_mmio_zone *zone)
{
	if (coalesced->count >= IO_DEVICES_MAX)
		return why(-ENOSPC, "there are %u zones already", IO_DEVICES_MAX);
	if (coalesced->count == coalesced->room) {
		uint32_t room = coalesced->room ? 2 * coalesced->room : 8;
		struct kvm_coalesced_mmio_zone *zones = realloc(coalesced->zones, room * sizeof *zones);

		if (!zones)
			return -ENOMEM;
		coalesced->zones = zones;
		coalesced->room = room;
	}
	coalesced->zones[coalesced->count] = *zone;
	atomic_fetch_add(&coalesced->count, 1);
	return 0;
}

int vm_coalesced_register(struct vm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	int error = zone_check(zone);

	if (error)
		return error;
	pthread_mutex_lock(&vm->coalesced.lock);
	error = zone_add(&vm->coalesced, zone);
	pthread_mutex_unlock(&vm->coalesced.lock);
	return error;
}

/* All zones that have the range in them go; none need. */
int vm_coalesced_unregister(struct vm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	struct coalesced *coalesced = &vm->coalesced;
	uint32_t kept = 0;
	int error = zone_check(zone);

	if (error)
		return error;
	pthread_mutex_lock(&coalesced->lock);
	for (uint32_t i = 0; i < coalesced->count; i++) {
		const struct kvm_coalesced_mmio_zone *other = &coalesced->zones[i];

		if (other->pio != zone->pio || !zone_has(other, zone->addr, zone->size))
			coalesced->zones[kept++] = *other;
	}
	atomic_store(&coalesced->count, kept);
	pthread_mutex_unlock(&coalesced->lock);
	return 0;
}
