/*
 * A vCPU's birth and death on every architecture: its memory and what of it the program shares, its place in the VM. Must never know registers.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/memory_root.h"
#include "core/why.h"
#include "vm/vm.h"

/* The generic part. The descriptor, in `*fd`, does not name the vCPU yet; NULL and -errno there on failure. */
static struct vcpu *vcpu_make(struct vm *vm, uint32_t id, const struct vcpu_ops *ops, int *fd)
{
	/* Pages are taken as they are first touched: most of the struct is translations. */
	struct vcpu *vcpu = mmap(NULL, ops->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char name[32];
	void *run;

	*fd = -ENOMEM;
	if (vcpu == MAP_FAILED)
		return NULL;
	snprintf(name, sizeof(name), "kvm-vcpu:%u", id);
	*fd = fd_new_memory(name, VCPU_RUN_SIZE, &run);
	if (*fd < 0) {
		munmap(vcpu, ops->size);
		return NULL;
	}
	memory_root_add(vcpu, ops->size);
	vcpu->run = run;
	vcpu->vm = vm;
	vcpu->id = id;
	pthread_mutex_init(&vcpu->mutex, NULL);
	object_init(&vcpu->object, &ops->object);
	object_get(&vm->object);
	return vcpu;
}

int vcpu_create(struct vm *vm, uint32_t id, const struct vcpu_ops *ops)
{
	struct vcpu *vcpu;
	int fd, error;

	if (vm_vcpu_find(vm, id))
		return why(-EEXIST, "id: vCPU %u exists", id);
	vcpu = vcpu_make(vm, id, ops, &fd);
	if (!vcpu)
		return fd;
	error = ops->create(vcpu);
	if (error) {
		syscall(SYS_close, fd);
		object_put(&vcpu->object);
		fd = error;
	} else {
		fd = fd_give(fd, &vcpu->object);
	}
	if (fd < 0)
		vcpu_destroy(vcpu);
	else
		vm_vcpu_add(vm, vcpu);
	return fd;
}

void vcpu_release(struct object *object)
{
	/* May well free the VM, and this vCPU with it. */
	object_put(&((struct vcpu *)object)->vm->object);
}

void vcpu_destroy(struct vcpu *vcpu)
{
	size_t size = vcpu_ops(vcpu)->size;

	vcpu_ops(vcpu)->destroy(vcpu);
	stats_destroy(&vcpu->stats);
	register_room_free(&vcpu->register_room);
	munmap(vcpu->run, VCPU_RUN_SIZE);
	memory_root_remove(vcpu, size);
	munmap(vcpu, size);
}
