/*
 * Interrupt routing: see irq_route.h. Routes are copied out under the lock and followed without it.
 */
#include "vm/irq_route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/user.h"
#include "core/why.h"
#include "vm/vm.h"

void irq_routes_init(struct irq_routes *routes)
{
	pthread_mutex_init(&routes->lock, NULL);
}

void irq_routes_destroy(struct irq_routes *routes)
{
	free(routes->entries);
	pthread_mutex_destroy(&routes->lock);
}

/* ---- Replacing the table. ---- */

static int entry_check(struct vm *vm, const struct kvm_irq_routing_entry *entry)
{
	uint32_t known = entry->type == KVM_IRQ_ROUTING_MSI ? KVM_MSI_VALID_DEVID : 0;

	if (entry->flags & ~known)
		return why(-EINVAL, "gsi %u: flags %#x are unknown for type %u", entry->gsi, entry->flags, entry->type);
	return vm->irq_ops->route_check(vm, entry);
}

/* One gsi may lead to one pin of each controller, or to one thing of another kind. */
static int pair_check(const struct kvm_irq_routing_entry *a, const struct kvm_irq_routing_entry *b)
{
	if (a->gsi != b->gsi)
		return 0;
	if (a->type != KVM_IRQ_ROUTING_IRQCHIP || b->type != KVM_IRQ_ROUTING_IRQCHIP)
		return why(-EINVAL, "gsi %u: two routes, of types %u and %u: only pins of several controllers share a gsi", a->gsi, a->type, b->type);
	if (a->u.irqchip.irqchip == b->u.irqchip.irqchip)
		return why(-EINVAL, "gsi %u: two routes to controller %u", a->gsi, a->u.irqchip.irqchip);
	return 0;
}

static int by_gsi(const void *left, const void *right)
{
	const struct kvm_irq_routing_entry *a = left, *b = right;

	return a->gsi < b->gsi ? -1 : a->gsi > b->gsi;
}

static int table_check(struct vm *vm, const struct kvm_irq_routing_entry *entries, uint32_t count)
{
	int error = 0;

	for (uint32_t i = 0; i < count && !error; i++)
		error = entry_check(vm, &entries[i]);
	/* Sorted, those of one gsi stand together: three at most before two of them disagree. */
	for (uint32_t i = 0; i < count && !error; i++)
		for (uint32_t j = i + 1; j < count && entries[j].gsi == entries[i].gsi && !error; j++)
			error = pair_check(&entries[i], &entries[j]);
	return error;
}

int vm_irq_routes_set(struct vm *vm, const struct kvm_irq_routing_entry *entries, uint32_t count)
{
	struct irq_routes *routes = &vm->irq_routes;
	struct kvm_irq_routing_entry *table, *old;
	int error;

	for (uint32_t i = 0; i < count; i++)
		if (entries[i].gsi >= IRQ_ROUTES_MAX)
			return why(-EINVAL, "entries[%u].gsi: %u is not below %u", i, entries[i].gsi, IRQ_ROUTES_MAX);
	table = malloc((count + !count) * sizeof *table);
	if (!table)
		return -ENOMEM;
	if (count)
		memcpy(table, entries, count * sizeof *table);
	qsort(table, count, sizeof *table, by_gsi);
	error = table_check(vm, table, count);
	if (error) {
		free(table);
		return error;
	}
	pthread_mutex_lock(&routes->lock);
	old = routes->entries;
	routes->entries = table;
	routes->count = count;
	pthread_mutex_unlock(&routes->lock);
	free(old);
	return 0;
}

long vm_set_gsi_routing(struct vm *vm, unsigned long arg)
{
	struct kvm_irq_routing header;
	struct kvm_irq_routing_entry *entries;
	long result;

	if (user_read(&header, arg, sizeof header))
		return why(-EFAULT, "argument: %#lx cannot be read", arg);
	if (!vm->irq_ops)
		return why(-EINVAL, "there is no interrupt controller in the kernel");
	if (header.nr > IRQ_ROUTES_MAX)
		return why(-EINVAL, "nr: %u is more than %u", header.nr, IRQ_ROUTES_MAX);
	if (header.flags)
		return why(-EINVAL, "flags: %#x must be 0", header.flags);
	entries = malloc((header.nr + !header.nr) * sizeof *entries);
	if (!entries)
		return -ENOMEM;
	if (user_read(entries, arg + sizeof header, header.nr * sizeof *entries))
		result = why(-EFAULT, "entries: %u of them cannot be read", header.nr);
	else
		result = vm_irq_routes_set(vm, entries, header.nr);
	free(entries);
	return result;
}

/* ---- Following it. ---- */

/* The first entry whose gsi is not below; the lock is held. */
static uint32_t first_of(const struct irq_routes *routes, uint32_t gsi)
{
	uint32_t low = 0, high = routes->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (routes->entries[middle].gsi < gsi)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

unsigned int vm_irq_routes_get(struct vm *vm, uint32_t gsi, struct kvm_irq_routing_entry found[IRQ_ROUTES_A_GSI])
{
	struct irq_routes *routes = &vm->irq_routes;
	unsigned int count = 0;

	pthread_mutex_lock(&routes->lock);
	for (uint32_t i = first_of(routes, gsi); i < routes->count && routes->entries[i].gsi == gsi && count < IRQ_ROUTES_A_GSI; i++)
		found[count++] = routes->entries[i];
	pthread_mutex_unlock(&routes->lock);
	return count;
}

int vm_irq_route_gsi(struct vm *vm, uint32_t chip, uint32_t pin)
{
	struct irq_routes *routes = &vm->irq_routes;
	int gsi = -1;

	pthread_mutex_lock(&routes->lock);
	for (uint32_t i = 0; i < routes->count && gsi < 0; i++) {
		const struct kvm_irq_routing_entry *entry = &routes->entries[i];

		if (entry->type == KVM_IRQ_ROUTING_IRQCHIP && entry->u.irqchip.irqchip == chip && entry->u.irqchip.pin == pin)
			gsi = (int)entry->gsi;
	}
	pthread_mutex_unlock(&routes->lock);
	return gsi;
}

int vm_irq_set(struct vm *vm, enum irq_source source, uint32_t gsi, bool level)
{
	struct kvm_irq_routing_entry routes[IRQ_ROUTES_A_GSI];
	unsigned int count = vm_irq_routes_get(vm, gsi, routes);
	int result = -1;

	for (unsigned int i = 0; i < count; i++) {
		int taken = vm->irq_ops->route_set(vm, &routes[i], source, level);

		if (taken >= 0)
			result = taken + (result < 0 ? 0 : result);
	}
	return result;
}
