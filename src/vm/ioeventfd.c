/*
 * KVM_IOEVENTFD (api.rst 4.59): a guest's write to an address, of a size, of a value, as far as each is asked for, signals an eventfd.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/event_fd.h"
#include "core/why.h"
#include "vm/vm.h"

#define KNOWN_FLAGS (KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN | KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY)

struct ioeventfd {
	struct ioeventfd *next;
	struct event_fd event;
	enum io_space space;
	uint64_t address, value;
	uint32_t size; /* 0: any */
	bool any_value;
};

void ioeventfds_init(struct ioeventfds *ioeventfds)
{
	pthread_mutex_init(&ioeventfds->lock, NULL);
}

static void ioeventfd_free(struct ioeventfd *ioeventfd)
{
	event_fd_close(&ioeventfd->event);
	free(ioeventfd);
}

void ioeventfds_destroy(struct ioeventfds *ioeventfds)
{
	struct ioeventfd *next;

	for (struct ioeventfd *ioeventfd = ioeventfds->list; ioeventfd; ioeventfd = next) {
		next = ioeventfd->next;
		ioeventfd_free(ioeventfd);
	}
	pthread_mutex_destroy(&ioeventfds->lock);
}

/* ---- The guest's side. ---- */

static bool matches(const struct ioeventfd *ioeventfd, enum io_space space, uint64_t address, unsigned int size, uint64_t value)
{
	if (ioeventfd->space != space || ioeventfd->address != address)
		return false;
	return !ioeventfd->size || (ioeventfd->size == size && (ioeventfd->any_value || ioeventfd->value == value));
}

bool ioeventfd_write(struct vm *vm, enum io_space space, uint64_t address, unsigned int size, const void *data)
{
	struct ioeventfds *ioeventfds = &vm->ioeventfds;
	const struct ioeventfd *found;
	uint64_t value = 0;

	if (!atomic_load_explicit(&ioeventfds->count, memory_order_acquire) || size > sizeof value)
		return false;
	memcpy(&value, data, size);
	pthread_mutex_lock(&ioeventfds->lock);
	for (found = ioeventfds->list; found && !matches(found, space, address, size, value); found = found->next)
		;
	if (found)
		event_fd_signal(&found->event);
	pthread_mutex_unlock(&ioeventfds->lock);
	return found != NULL;
}

/* ---- The ioctl. ---- */

static int args_check(const struct kvm_ioeventfd *args)
{
	if (args->len > 8 || (args->len & (args->len - 1)))
		return why(-EINVAL, "len: %u is none of 0, 1, 2, 4, 8", args->len);
	if (args->addr + args->len < args->addr)
		return why(-EINVAL, "addr: %#llx + %u wraps", args->addr, args->len);
	if (args->flags & ~(uint32_t)KNOWN_FLAGS)
		return why(-EINVAL, "flags: %#x has unknown bits", args->flags);
	if (!args->len && args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH)
		return why(-EINVAL, "len: 0 does not go with DATAMATCH");
	return 0;
}

static enum io_space space_of(const struct kvm_ioeventfd *args)
{
	return args->flags & KVM_IOEVENTFD_FLAG_PIO ? IO_PORT : IO_MEMORY;
}

/* Two that one write would signal. */
static bool collides(const struct ioeventfd *a, const struct ioeventfd *b)
{
	if (a->space != b->space || a->address != b->address)
		return false;
	return !a->size || !b->size || (a->size == b->size && (a->any_value || b->any_value || a->value == b->value));
}

static int ioeventfd_add(struct ioeventfds *ioeventfds, struct ioeventfd *new)
{
	int error = 0;

	pthread_mutex_lock(&ioeventfds->lock);
	for (const struct ioeventfd *other = ioeventfds->list; other && !error; other = other->next)
		if (collides(other, new))
			error = why(-EEXIST, "addr: a write to %#llx signals an eventfd already", (unsigned long long)new->address);
	if (!error && ioeventfds->count >= IO_DEVICES_MAX)
		error = why(-ENOSPC, "there are %u already", IO_DEVICES_MAX);
	if (!error) {
		new->next = ioeventfds->list;
		ioeventfds->list = new;
		atomic_fetch_add(&ioeventfds->count, 1);
	}
	pthread_mutex_unlock(&ioeventfds->lock);
	return error;
}

static int ioeventfd_assign(struct vm *vm, const struct kvm_ioeventfd *args)
{
	struct ioeventfd *new;
	int error = args_check(args);

	if (error)
		return error;
	new = calloc(1, sizeof *new);
	if (!new)
		return -ENOMEM;
	error = event_fd_open(&new->event, "fd", args->fd);
	if (error) {
		free(new);
		return error;
	}
	new->space = space_of(args);
	new->address = args->addr;
	new->size = args->len;
	new->any_value = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	new->value = args->datamatch;
	error = ioeventfd_add(&vm->ioeventfds, new);
	if (error)
		ioeventfd_free(new);
	return error;
}

static bool is_meant(const struct ioeventfd *ioeventfd, const struct kvm_ioeventfd *args, uint64_t id)
{
	bool any_value = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);

	return ioeventfd->event.id == id && ioeventfd->space == space_of(args) && ioeventfd->address == args->addr &&
	       ioeventfd->size == args->len && ioeventfd->any_value == any_value && (any_value || ioeventfd->value == args->datamatch);
}

static int ioeventfd_deassign(struct vm *vm, const struct kvm_ioeventfd *args)
{
	struct ioeventfds *ioeventfds = &vm->ioeventfds;
	struct ioeventfd **link, *found;
	uint64_t id;
	int error = event_fd_identify("fd", args->fd, &id);

	if (error)
		return error;
	pthread_mutex_lock(&ioeventfds->lock);
	for (link = &ioeventfds->list; *link && !is_meant(*link, args, id); link = &(*link)->next)
		;
	found = *link;
	if (found) {
		*link = found->next;
		atomic_fetch_sub(&ioeventfds->count, 1);
	}
	pthread_mutex_unlock(&ioeventfds->lock);
	if (!found)
		return why(-ENOENT, "there is no such ioeventfd at %#llx", args->addr);
	ioeventfd_free(found);
	return 0;
}

int vm_ioeventfd(struct vm *vm, const struct kvm_ioeventfd *args)
{
	return args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN ? ioeventfd_deassign(vm, args) : ioeventfd_assign(vm, args);
}
