/*
 * KVM_IRQFD (api.rst 4.75): eventfds that raise an interrupt when somebody signals them, and that are signalled back when the guest
 * has ended a level-triggered one.
 */
#ifndef ANYKVM_VM_IRQFD_H
#define ANYKVM_VM_IRQFD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "anykvm/kvm.h"
#include "vm/worker.h"

struct vm;
struct irqfd;

struct irqfds {
	pthread_mutex_t lock; /* the list; nothing else is taken under it */
	pthread_cond_t idle;  /* the worker has raised what it was raising */
	struct irqfd *list;
	uint64_t next_token;
	uint64_t raising; /* token of the one whose interrupt the worker is raising, or 0 */
};

void irqfds_init(struct irqfds *irqfds);
/* After the worker has ended. */
void irqfds_destroy(struct irqfds *irqfds);

int vm_irqfd(struct vm *vm, const struct kvm_irqfd *args);

/* The worker's call. */
void irqfd_ready(struct worker *worker, uint64_t token);

/* The guest has ended an interrupt of that gsi: whether there was somebody to tell. The caller holds no lock. */
bool vm_irq_resample(struct vm *vm, uint32_t gsi);

#endif
