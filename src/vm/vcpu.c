/*
 * A vCPU's generic part: the memory it shares with the program, its lock and its place in the VM. Must never know registers.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

#include "core/user.h"
#include "core/why.h"
#include "vm/vm.h"

int vcpu_init(struct vcpu *vcpu, struct vm *vm, uint32_t id, const struct vcpu_ops *ops)
{
	char name[32];
	void *run;
	int fd;

	snprintf(name, sizeof(name), "kvm-vcpu:%u", id);
	fd = fd_new_memory(name, VCPU_RUN_SIZE, &run);
	if (fd < 0)
		return fd;
	vcpu->run = run;
	vcpu->vm = vm;
	vcpu->id = id;
	pthread_mutex_init(&vcpu->mutex, NULL);
	vcpu->ops = ops;
	object_init(&vcpu->object, &ops->object);
	object_get(&vm->object);
	return fd;
}

void vcpu_release(struct vcpu *vcpu)
{
	/* May well free the VM, and this vCPU with it. */
	object_put(&vcpu->vm->object);
}

void vcpu_destroy(struct vcpu *vcpu)
{
	stats_destroy(&vcpu->stats);
	register_room_free(&vcpu->register_room);
	munmap(vcpu->run, VCPU_RUN_SIZE);
}

long vcpu_signal_mask_set(struct vcpu *vcpu, unsigned long arg)
{
	struct kvm_signal_mask header;
	uint64_t mask;

	if (!arg) {
		vcpu->signal_mask_set = false;
		return 0;
	}
	if (user_read(&header, arg, sizeof(header)))
		return why(-EFAULT, "argument: %#lx cannot be read", arg);
	if (header.len != sizeof(mask))
		return why(-EINVAL, "len: %u is not the %zu bytes of the kernel's sigset_t", header.len, sizeof(mask));
	if (user_read(&mask, arg + sizeof(header), sizeof(mask)))
		return why(-EFAULT, "sigset: cannot be read");
	vcpu->signal_mask = mask & ~(UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1));
	vcpu->signal_mask_set = true;
	return 0;
}
