/*
 * Interrupt routing (api.rst, KVM_SET_GSI_ROUTING): from a global system interrupt's number to what it is wired to. Knows no interrupt
 * controller: an architecture says which routes it has and what they do, through struct vm_irq_ops.
 */
#ifndef ANYKVM_VM_IRQ_ROUTE_H
#define ANYKVM_VM_IRQ_ROUTE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "anykvm/kvm.h"

struct vm;

/* KVM_MAX_IRQ_ROUTES: gsis are below it, and a table has no more entries. */
#define IRQ_ROUTES_MAX 4096
/* What one gsi can be wired to: one pin of each interrupt controller. */
#define IRQ_ROUTES_A_GSI 3

/* Who holds a line up: a pin is up as long as one of them does. */
enum irq_source { IRQ_SOURCE_USER, IRQ_SOURCE_RESAMPLE, IRQ_SOURCE_TIMER };

struct vm_irq_ops {
	/* 0, or why (-EINVAL) there is no such route. */
	int (*route_check)(struct vm *vm, const struct kvm_irq_routing_entry *entry);
	/* The line goes up or down: negative when nobody takes it, 0 coalesced, else how many took it. */
	int (*route_set)(struct vm *vm, const struct kvm_irq_routing_entry *entry, enum irq_source source, bool level);
};

struct irq_routes {
	pthread_mutex_t lock; /* nothing else is taken under it */
	struct kvm_irq_routing_entry *entries; /* sorted by gsi */
	uint32_t count;
};

void irq_routes_init(struct irq_routes *routes);
void irq_routes_destroy(struct irq_routes *routes);

/* KVM_SET_GSI_ROUTING: replaces the whole table, or nothing. `entries` is our own copy. */
int vm_irq_routes_set(struct vm *vm, const struct kvm_irq_routing_entry *entries, uint32_t count);
/* The ioctl; `arg` is its argument. */
long vm_set_gsi_routing(struct vm *vm, unsigned long arg);

/* The routes of a gsi: how many. */
unsigned int vm_irq_routes_get(struct vm *vm, uint32_t gsi, struct kvm_irq_routing_entry routes[IRQ_ROUTES_A_GSI]);
/* The gsi that a controller's pin is wired to, or -1. */
int vm_irq_route_gsi(struct vm *vm, uint32_t chip, uint32_t pin);

/* Moves a gsi's line: -1 when nobody takes it, else the sum of what took it. */
int vm_irq_set(struct vm *vm, enum irq_source source, uint32_t gsi, bool level);

#endif
