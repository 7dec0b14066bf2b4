/*
 * What becomes of a guest's access to a port or to an address outside memory without an exit: KVM_IOEVENTFD signals an eventfd,
 * KVM_REGISTER_COALESCED_MMIO notes writes in a ring that the program reads later. api.rst, 4.59, 4.116.
 */
#ifndef ANYKVM_VM_IO_H
#define ANYKVM_VM_IO_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "anykvm/kvm.h"

struct vm;

enum io_space { IO_MEMORY, IO_PORT };

/* As many devices as a bus of KVM's holds. */
#define IO_DEVICES_MAX 1000

struct ioeventfd;

struct ioeventfds {
	pthread_mutex_t lock; /* nothing else is taken under it */
	_Atomic uint32_t count;
	struct ioeventfd *list;
};

void ioeventfds_init(struct ioeventfds *ioeventfds);
void ioeventfds_destroy(struct ioeventfds *ioeventfds);
int vm_ioeventfd(struct vm *vm, const struct kvm_ioeventfd *args);

/* The page of struct kvm_run's mapping that has the ring (KVM_CAP_COALESCED_MMIO's value). */
#define COALESCED_PAGE 2
/* Entries that fit the page. */
#define COALESCED_MAX ((4096 - sizeof(struct kvm_coalesced_mmio_ring)) / sizeof(struct kvm_coalesced_mmio))

struct coalesced {
	pthread_mutex_t lock; /* the zones, and writing to the ring; nothing else is taken under it */
	_Atomic uint32_t count;
	uint32_t room;
	struct kvm_coalesced_mmio_zone *zones;
};

void coalesced_init(struct coalesced *coalesced);
void coalesced_destroy(struct coalesced *coalesced);
int vm_coalesced_register(struct vm *vm, const struct kvm_coalesced_mmio_zone *zone);
int vm_coalesced_unregister(struct vm *vm, const struct kvm_coalesced_mmio_zone *zone);

bool ioeventfd_write(struct vm *vm, enum io_space space, uint64_t address, unsigned int size, const void *data);
bool coalesced_write(struct vm *vm, enum io_space space, uint64_t address, unsigned int size, const void *data);

/* A guest's write of 1, 2, 4 or 8 bytes: whether it has found its end here. */
static inline bool vm_io_write(struct vm *vm, enum io_space space, uint64_t address, unsigned int size, const void *data)
{
	return ioeventfd_write(vm, space, address, size, data) || coalesced_write(vm, space, address, size, data);
}

#endif
