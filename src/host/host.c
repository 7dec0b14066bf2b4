/*
 * Hardware KVM: its descriptors as objects, and which calls are made up here. Knows no register.
 */
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/why.h"
#include "host/kernel.h"

static long kernel_call(int fd, unsigned int cmd, unsigned long arg)
{
	long result = syscall(SYS_ioctl, fd, cmd, arg);

	return result < 0 ? -errno : result;
}

long (*host_kernel)(int, unsigned int, unsigned long) = kernel_call;

uint64_t host_arch(void)
{
	return HOST_ARCH;
}

/* ---- vCPUs. ---- */

/* Calls that leave a vCPU as it is: what its last exit showed still holds behind them. */
static bool only_reads(unsigned int cmd)
{
	switch (cmd) {
	case (unsigned int)KVM_GET_REGS:
	case (unsigned int)KVM_GET_ONE_REG:
	case (unsigned int)KVM_GET_REG_LIST:
	case (unsigned int)KVM_GET_MANY_REGS:
	case (unsigned int)KVM_GET_MP_STATE:
#if defined(__x86_64__)
	case (unsigned int)KVM_GET_VCPU_EVENTS:
	case (unsigned int)KVM_GET_SREGS:
	case (unsigned int)KVM_GET_SREGS2:
	case (unsigned int)KVM_GET_MSRS:
	case (unsigned int)KVM_GET_FPU:
	case (unsigned int)KVM_GET_XSAVE:
	case (unsigned int)KVM_GET_XSAVE2:
	case (unsigned int)KVM_GET_XCRS:
	case (unsigned int)KVM_GET_DEBUGREGS:
	case (unsigned int)KVM_GET_LAPIC:
	case (unsigned int)KVM_GET_CPUID2:
#endif
		return true;
	default:
		return false;
	}
}

static long vcpu_run(struct host_vcpu *vcpu, int fd, unsigned long arg)
{
	long result;

	atomic_store_explicit(&vcpu->synced, 0, memory_order_relaxed);
	result = host_kernel(fd, KVM_RUN, arg);
	if (vcpu->run && (result >= 0 || result == -EINTR))
		atomic_store_explicit(&vcpu->synced, vcpu->run->kvm_valid_regs, memory_order_relaxed);
	return result;
}

static bool made_up(unsigned int cmd)
{
	return cmd == (unsigned int)KVM_GET_ONE_REG || cmd == (unsigned int)KVM_SET_ONE_REG || cmd == (unsigned int)KVM_GET_MANY_REGS ||
	       cmd == (unsigned int)KVM_SET_MANY_REGS || cmd == (unsigned int)KVM_GET_REG_LIST;
}

static long vcpu_registers(struct host_vcpu *vcpu, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case (unsigned int)KVM_GET_ONE_REG: return registers_get_one(&host_register_ops, vcpu, arg);
	case (unsigned int)KVM_SET_ONE_REG: return registers_set_one(&host_register_ops, vcpu, arg);
	case (unsigned int)KVM_GET_MANY_REGS: return registers_get_many(&host_register_ops, vcpu, &vcpu->room, arg);
	case (unsigned int)KVM_SET_MANY_REGS: return registers_set_many(&host_register_ops, vcpu, &vcpu->room, arg);
	default: return registers_list(&host_register_ops, vcpu, &vcpu->room, arg);
	}
}

static long vcpu_pass(struct object *object, int fd, unsigned int cmd, unsigned long arg)
{
	struct host_vcpu *vcpu = (struct host_vcpu *)object;
	long result;

	if (__builtin_expect(cmd == (unsigned int)KVM_RUN, 1))
		return vcpu_run(vcpu, fd, arg);
	if (!only_reads(cmd))
		atomic_store_explicit(&vcpu->synced, 0, memory_order_relaxed);
	if (cmd == (unsigned int)KVM_SET_TSC_KHZ) {
		result = host_kernel(fd, cmd, arg);
		atomic_store_explicit(&vcpu->tsc_khz, 0, memory_order_relaxed);
		return result;
	}
	if (!made_up(cmd))
		return host_kernel(fd, cmd, arg);
	/* A child of fork() has the descriptors, and the kernel refuses it everything. */
	if (!object_is_own(object))
		return why(-EIO, "the descriptor belongs to another process: a VM cannot be used across fork()");
	pthread_mutex_lock(&vcpu->lock);
	vcpu->fd = fd;
	result = vcpu_registers(vcpu, cmd, arg);
	pthread_mutex_unlock(&vcpu->lock);
	return result;
}

static void vcpu_release_object(struct object *object)
{
	struct host_vcpu *vcpu = (struct host_vcpu *)object;

	host_plan_free(vcpu);
	register_room_free(&vcpu->room);
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_size);
	pthread_mutex_destroy(&vcpu->lock);
	object_put(&vcpu->vm->object);
	free(vcpu);
}

static const struct object_ops vcpu_ops = { .kind = "vcpu", .arch = HOST_ARCH, .pass = vcpu_pass, .release = vcpu_release_object };

/* What the VM says of the XSAVE area's size may change up to its first vCPU. */
static uint32_t xsave_size_least(long size)
{
#if defined(__x86_64__)
	return size > (long)sizeof(struct kvm_xsave) ? (uint32_t)size : sizeof(struct kvm_xsave);
#else
	(void)size;
	return 0;
#endif
}

static uint32_t xsave_size(int vm_fd)
{
	return xsave_size_least(host_kernel(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2));
}

static long vcpu_take(struct host_vm *vm, int vm_fd, int fd)
{
	struct host_vcpu *vcpu = calloc(1, sizeof *vcpu);
	size_t run_size = vm->system->run_size;
	void *run;

	if (!vcpu) {
		syscall(SYS_close, fd);
		return -ENOMEM;
	}
	object_init(&vcpu->object, &vcpu_ops);
	vcpu->vm = (struct host_vm *)object_get(&vm->object);
	vcpu->xsave_size = xsave_size(vm_fd);
	pthread_mutex_init(&vcpu->lock, NULL);
	run = run_size ? mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (run != MAP_FAILED) {
		vcpu->run = run;
		vcpu->run_size = run_size;
	}
	return fd_give(fd, &vcpu->object);
}

/* ---- VMs. ---- */

/* The capabilities of the calls that are made up here; 0: it is the kernel's to answer. */
static int capability_made_up(unsigned long capability)
{
	return capability == KVM_CAP_ONE_REG ? 1 : capability == KVM_CAP_MANY_REGS ? (int)REGISTERS_MAX : 0;
}

static long vm_pass(struct object *object, int fd, unsigned int cmd, unsigned long arg)
{
	struct host_vm *vm = (struct host_vm *)object;
	long result;

	if (cmd == (unsigned int)KVM_CHECK_EXTENSION && capability_made_up(arg))
		return capability_made_up(arg);
	result = host_kernel(fd, cmd, arg);
	if (result < 0 || cmd != (unsigned int)KVM_CREATE_VCPU)
		return result;
	return vcpu_take(vm, fd, (int)result);
}

static void vm_release_object(struct object *object)
{
	struct host_vm *vm = (struct host_vm *)object;

	object_put(&vm->system->object);
	free(vm);
}

static const struct object_ops vm_ops = { .kind = "vm", .arch = HOST_ARCH, .pass = vm_pass, .release = vm_release_object };

static long vm_take(struct host_system *system, int fd)
{
	struct host_vm *vm = calloc(1, sizeof *vm);

	if (!vm) {
		syscall(SYS_close, fd);
		return -ENOMEM;
	}
	object_init(&vm->object, &vm_ops);
	vm->system = (struct host_system *)object_get(&system->object);
	return fd_give(fd, &vm->object);
}

/* ---- vCPUs and VMs in another process. ---- */

static long remote_pass(struct object *object, int fd, unsigned int cmd, unsigned long arg)
{
	struct host_vcpu *vcpu = (struct host_vcpu *)object;
	long result;

	(void)fd;
	pthread_mutex_lock(&vcpu->lock);
	result = vcpu->remote->begin(vcpu->remote);
	if (!result) {
		if (vcpu->remote->vcpu && made_up(cmd))
			result = vcpu_registers(vcpu, cmd, arg);
		else
			result = vcpu->remote->call(vcpu->remote, cmd, (void *)arg);
		vcpu->remote->end(vcpu->remote);
	}
	pthread_mutex_unlock(&vcpu->lock);
	return result;
}

static const struct object_ops remote_ops = { .kind = "live", .arch = HOST_ARCH, .pass = remote_pass, .release = vcpu_release_object };

int host_remote_open(int system, const struct host_remote *remote)
{
	struct object *object = fd_object(system);
	struct host_vm *vm = calloc(1, sizeof *vm);
	struct host_vcpu *vcpu = calloc(1, sizeof *vcpu);
	int fd = object && vm && vcpu ? fd_new_plain("anykvm-live") : -ENOMEM;

	if (fd < 0) {
		if (object)
			object_put(object);
		free(vm);
		free(vcpu);
		return fd;
	}
	object_init(&vm->object, &vm_ops);
	vm->system = (struct host_system *)object;
	object_init(&vcpu->object, &remote_ops);
	vcpu->vm = vm;
	vcpu->remote = remote;
	vcpu->xsave_size = xsave_size_least(remote->xsave_size);
	pthread_mutex_init(&vcpu->lock, NULL);
	return fd_give(fd, &vcpu->object);
}

/* ---- /dev/kvm. ---- */

static long system_pass(struct object *object, int fd, unsigned int cmd, unsigned long arg)
{
	long result;

	if (cmd == (unsigned int)KVM_CHECK_EXTENSION && capability_made_up(arg))
		return capability_made_up(arg);
	result = host_kernel(fd, cmd, arg);
	return result < 0 || cmd != (unsigned int)KVM_CREATE_VM ? result : vm_take((struct host_system *)object, (int)result);
}

static void system_release_object(struct object *object)
{
	struct host_system *system = (struct host_system *)object;

	free(system->msrs);
	free(system);
}

static const struct object_ops system_ops = { .kind = "kvm", .arch = HOST_ARCH, .pass = system_pass, .release = system_release_object };

#if defined(__x86_64__)
#define MSRS_MOST 4096 /* no kernel lists so many */

static int x86_ask(struct host_system *system, int fd)
{
	struct kvm_device_attr components = { .attr = KVM_X86_XCOMP_GUEST_SUPP, .addr = (uint64_t)&system->components };
	struct kvm_msr_list none = { 0 }, *list;
	long error = kernel(fd, KVM_GET_MSR_INDEX_LIST, &none);

	if (error != -E2BIG)
		return (int)error;
	system->sregs2 = host_kernel(fd, KVM_CHECK_EXTENSION, KVM_CAP_SREGS2) > 0;
	if (kernel(fd, KVM_GET_DEVICE_ATTR, &components))
		system->components = 7; /* Linux before 5.17: x87, SSE, AVX */
	list = malloc(sizeof *list + none.nmsrs * sizeof list->indices[0]);
	if (!list)
		return -ENOMEM;
	list->nmsrs = none.nmsrs;
	error = kernel(fd, KVM_GET_MSR_INDEX_LIST, list);
	system->msr_count = error ? 0 : list->nmsrs < MSRS_MOST ? list->nmsrs : MSRS_MOST;
	system->msrs = malloc((system->msr_count + 1) * sizeof *system->msrs);
	for (uint32_t i = 0; system->msrs && i < system->msr_count; i++)
		system->msrs[i] = list->indices[i];
	free(list);
	return system->msrs ? (int)error : -ENOMEM;
}
#else
static int x86_ask(struct host_system *system, int fd)
{
	(void)system;
	(void)fd;
	return 0;
}
#endif

static int system_ask(struct host_system *system, int fd)
{
	long size = host_kernel(fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (host_kernel(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return why(-ENODEV, "/dev/kvm: not KVM, or not API version %d", KVM_API_VERSION);
	system->one_reg = host_kernel(fd, KVM_CHECK_EXTENSION, KVM_CAP_ONE_REG) > 0;
	system->many_regs = host_kernel(fd, KVM_CHECK_EXTENSION, KVM_CAP_MANY_REGS) > 0;
	system->run_size = size > 0 ? (size_t)size : 0;
	return x86_ask(system, fd);
}

int host_system_open(int flags)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/kvm", O_RDWR | (flags & O_CLOEXEC)), error;
	struct host_system *system;

	if (fd < 0)
		return why(-errno, "/dev/kvm cannot be opened");
	system = calloc(1, sizeof *system);
	if (!system) {
		syscall(SYS_close, fd);
		return -ENOMEM;
	}
	object_init(&system->object, &system_ops);
	error = system_ask(system, fd);
	if (error) {
		syscall(SYS_close, fd);
		object_put(&system->object);
		return error;
	}
	return fd_give(fd, &system->object);
}
