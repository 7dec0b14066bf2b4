/*
 * KVM_IRQFD: see irqfd.h. The worker waits for the eventfds; it raises interrupts without the list's lock, for delivery may need the
 * guest's memory, and says meanwhile which one it is busy with, so that KVM_IRQFD_FLAG_DEASSIGN can wait for that.
 */
#include "vm/irqfd.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/event_fd.h"
#include "core/why.h"
#include "vm/vm.h"

struct irqfd {
	struct irqfd *next;
	struct event_fd event, resample;
	uint64_t token;
	uint32_t gsi;
	bool resamples;
};

void irqfds_init(struct irqfds *irqfds)
{
	pthread_mutex_init(&irqfds->lock, NULL);
	pthread_cond_init(&irqfds->idle, NULL);
	irqfds->next_token = 1;
}

static void irqfd_free(struct irqfd *irqfd)
{
	event_fd_close(&irqfd->event);
	if (irqfd->resamples)
		event_fd_close(&irqfd->resample);
	free(irqfd);
}

void irqfds_destroy(struct irqfds *irqfds)
{
	struct irqfd *next;

	for (struct irqfd *irqfd = irqfds->list; irqfd; irqfd = next) {
		next = irqfd->next;
		irqfd_free(irqfd);
	}
	pthread_cond_destroy(&irqfds->idle);
	pthread_mutex_destroy(&irqfds->lock);
}

/* ---- Raising. ---- */

static void raise_gsi(struct vm *vm, uint32_t gsi, bool resamples)
{
	/* A level-triggered one stays up until the guest ends it. */
	if (resamples) {
		vm_irq_set(vm, IRQ_SOURCE_RESAMPLE, gsi, true);
		return;
	}
	vm_irq_set(vm, IRQ_SOURCE_USER, gsi, true);
	vm_irq_set(vm, IRQ_SOURCE_USER, gsi, false);
}

void irqfd_ready(struct worker *worker, uint64_t token)
{
	struct vm *vm = (struct vm *)((char *)worker - offsetof(struct vm, worker));
	struct irqfds *irqfds = &vm->irqfds;
	struct irqfd *irqfd;
	bool resamples = false;
	uint32_t gsi = 0;

	pthread_mutex_lock(&irqfds->lock);
	for (irqfd = irqfds->list; irqfd && irqfd->token != token; irqfd = irqfd->next)
		;
	if (irqfd && event_fd_take(&irqfd->event)) {
		gsi = irqfd->gsi;
		resamples = irqfd->resamples;
		irqfds->raising = token;
	}
	pthread_mutex_unlock(&irqfds->lock);
	if (irqfds->raising != token)
		return;
	raise_gsi(vm, gsi, resamples);
	pthread_mutex_lock(&irqfds->lock);
	irqfds->raising = 0;
	pthread_cond_broadcast(&irqfds->idle);
	pthread_mutex_unlock(&irqfds->lock);
}

/* Those to tell are signalled under the lock: that never waits. */
bool vm_irq_resample(struct vm *vm, uint32_t gsi)
{
	struct irqfds *irqfds = &vm->irqfds;
	bool found = false;

	pthread_mutex_lock(&irqfds->lock);
	for (const struct irqfd *irqfd = irqfds->list; irqfd && !found; irqfd = irqfd->next)
		found = irqfd->resamples && irqfd->gsi == gsi;
	pthread_mutex_unlock(&irqfds->lock);
	if (!found)
		return false;
	vm_irq_set(vm, IRQ_SOURCE_RESAMPLE, gsi, false);
	pthread_mutex_lock(&irqfds->lock);
	for (const struct irqfd *irqfd = irqfds->list; irqfd; irqfd = irqfd->next)
		if (irqfd->resamples && irqfd->gsi == gsi)
			event_fd_signal(&irqfd->resample);
	pthread_mutex_unlock(&irqfds->lock);
	return true;
}

/* ---- The ioctl. ---- */

static int events_open(struct irqfd *irqfd, const struct kvm_irqfd *args)
{
	int error = event_fd_open(&irqfd->event, "fd", (int)args->fd);

	if (error || !(args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return error;
	error = event_fd_open(&irqfd->resample, "resamplefd", (int)args->resamplefd);
	if (error) {
		event_fd_close(&irqfd->event);
		return error;
	}
	irqfd->resamples = true;
	return 0;
}

static int irqfd_add(struct vm *vm, struct irqfd *irqfd)
{
	struct irqfds *irqfds = &vm->irqfds;
	int error = 0;

	pthread_mutex_lock(&irqfds->lock);
	for (const struct irqfd *other = irqfds->list; other && !error; other = other->next)
		if (other->event.id == irqfd->event.id)
			error = why(-EBUSY, "fd: the eventfd raises gsi %u already", other->gsi);
	if (!error) {
		irqfd->token = irqfds->next_token++;
		error = worker_watch(&vm->worker, irqfd->event.fd, irqfd->token);
	}
	if (!error) {
		irqfd->next = irqfds->list;
		irqfds->list = irqfd;
	}
	pthread_mutex_unlock(&irqfds->lock);
	return error;
}

static int irqfd_assign(struct vm *vm, const struct kvm_irqfd *args)
{
	struct irqfd *irqfd;
	int error;

	if (!vm->irq_ops)
		return why(-EAGAIN, "there is no interrupt controller in the kernel yet");
	if (args->flags & KVM_IRQFD_FLAG_RESAMPLE && !vm->irq_pins)
		return why(-EINVAL, "flags: RESAMPLE needs the I/O APIC in the kernel");
	irqfd = calloc(1, sizeof *irqfd);
	if (!irqfd)
		return -ENOMEM;
	irqfd->gsi = args->gsi;
	error = events_open(irqfd, args);
	if (error) {
		free(irqfd);
		return error;
	}
	error = irqfd_add(vm, irqfd);
	if (error)
		irqfd_free(irqfd);
	return error;
}

/* What was signalled before is raised before. */
static void irqfd_drop(struct vm *vm, struct irqfd *irqfd)
{
	worker_unwatch(&vm->worker, irqfd->event.fd);
	if (event_fd_take(&irqfd->event))
		raise_gsi(vm, irqfd->gsi, irqfd->resamples);
	if (irqfd->resamples)
		vm_irq_set(vm, IRQ_SOURCE_RESAMPLE, irqfd->gsi, false);
	irqfd_free(irqfd);
}

/* Takes one that matches off the list; waits until the worker is done with it, which is no place to be cancelled in. */
static struct irqfd *irqfd_remove(struct irqfds *irqfds, uint64_t id, uint32_t gsi)
{
	struct irqfd **link, *irqfd;
	int cancel;

	pthread_mutex_lock(&irqfds->lock);
	for (link = &irqfds->list; *link && !((*link)->event.id == id && (*link)->gsi == gsi); link = &(*link)->next)
		;
	irqfd = *link;
	if (irqfd) {
		*link = irqfd->next;
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
		while (irqfds->raising == irqfd->token)
			pthread_cond_wait(&irqfds->idle, &irqfds->lock);
		pthread_setcancelstate(cancel, NULL);
	}
	pthread_mutex_unlock(&irqfds->lock);
	return irqfd;
}

static int irqfd_deassign(struct vm *vm, const struct kvm_irqfd *args)
{
	struct irqfd *irqfd;
	uint64_t id;
	int error = event_fd_identify("fd", (int)args->fd, &id);

	if (error)
		return error;
	while ((irqfd = irqfd_remove(&vm->irqfds, id, args->gsi)))
		irqfd_drop(vm, irqfd);
	return 0;
}

int vm_irqfd(struct vm *vm, const struct kvm_irqfd *args)
{
	if (args->flags & ~(uint32_t)(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return why(-EINVAL, "flags: %#x has unknown bits", args->flags);
	return args->flags & KVM_IRQFD_FLAG_DEASSIGN ? irqfd_deassign(vm, args) : irqfd_assign(vm, args);
}
