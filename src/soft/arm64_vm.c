/*
 * The VM descriptor of arm64 guests: its birth, its ioctls, its death. Memory is src/vm's business, vCPUs are src/arm64's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/user.h"
#include "core/why.h"
#include "soft/arm64.h"
#include "soft/commands.h"

/* ---- Memory. There is one address space. ---- */

static int do_set_memory_region2(void *vm, void *data)
{
	const struct kvm_userspace_memory_region2 *region = data;

	if (region->slot >> 16)
		return why(-EINVAL, "slot: address space %u does not exist", region->slot >> 16);
	return vm_set_memory_region(vm, region);
}

static int do_set_memory_region(void *vm, void *data)
{
	struct kvm_userspace_memory_region2 region = { 0 };

	/* The shorter struct is the longer one's beginning. */
	memcpy(&region, data, sizeof(struct kvm_userspace_memory_region));
	return do_set_memory_region2(vm, &region);
}

/* ---- vCPUs. ---- */

static long do_create_vcpu(void *self, unsigned long id)
{
	struct arm64_vm *vm = self;
	long result;

	if (id >= ARM64_VCPUS_MOST)
		return why(-EINVAL, "id: %#lx is not below %u", id, ARM64_VCPUS_MOST);
	pthread_mutex_lock(&vm->vm.lock);
	result = vcpu_create(&vm->vm, (uint32_t)id, &arm64_vcpu_ops);
	pthread_mutex_unlock(&vm->vm.lock);
	return result;
}

static long do_preferred_target(void *self, unsigned long arg)
{
	struct kvm_vcpu_init init;

	(void)self;
	arm64_preferred_target(&init);
	return user_write(arg, &init, sizeof init) ? why(-EFAULT, "argument: %#lx cannot be written", arg) : 0;
}

/* ---- Interrupts: without an interrupt controller in KVM, the two lines of each vCPU (api.rst 4.25). ---- */

static void line_set(struct arm64_vcpu *cpu, unsigned int line, bool level)
{
	uint32_t bit = 1u << line;

	if (level)
		atomic_fetch_or(&cpu->irq_lines, bit);
	else
		atomic_fetch_and(&cpu->irq_lines, ~bit);
	kick_set(&cpu->vcpu.kick, REQUEST_EVENT);
}

static int do_irq_line(void *self, void *data)
{
	struct arm64_vm *vm = self;
	const struct kvm_irq_level *irq = data;
	unsigned int type = irq->irq >> KVM_ARM_IRQ_TYPE_SHIFT & KVM_ARM_IRQ_TYPE_MASK, number = irq->irq >> KVM_ARM_IRQ_NUM_SHIFT & KVM_ARM_IRQ_NUM_MASK;
	unsigned int id = (irq->irq >> KVM_ARM_IRQ_VCPU_SHIFT & KVM_ARM_IRQ_VCPU_MASK) +
			  (irq->irq >> KVM_ARM_IRQ_VCPU2_SHIFT & KVM_ARM_IRQ_VCPU2_MASK) * (KVM_ARM_IRQ_VCPU_MASK + 1);
	struct vcpu *vcpu = vm_vcpu_find(&vm->vm, id);

	if (type == KVM_ARM_IRQ_TYPE_SPI || type == KVM_ARM_IRQ_TYPE_PPI)
		return why(-ENXIO, "irq: type %u is an interrupt controller's, and there is none", type);
	if (type != KVM_ARM_IRQ_TYPE_CPU)
		return why(-EINVAL, "irq: type %u is none", type);
	if (!vcpu)
		return why(-EINVAL, "irq: there is no vCPU %u", id);
	if (number > KVM_ARM_IRQ_CPU_FIQ)
		return why(-EINVAL, "irq: number %u: a vCPU has the lines IRQ (0) and FIQ (1)", number);
	line_set(arm64_vcpu(vcpu), number, irq->level);
	return 0;
}

/* ---- Counters, ID registers. ---- */

/* Takes all vCPUs, unless one is busy: their number, or -EBUSY with none taken. The VM's lock is held. */
static int vcpus_take(struct arm64_vm *vm)
{
	uint32_t count = atomic_load(&vm->vm.vcpu_count);

	for (uint32_t i = 0; i < count; i++) {
		if (!pthread_mutex_trylock(&vm->vm.vcpus[i]->mutex))
			continue;
		while (i--)
			pthread_mutex_unlock(&vm->vm.vcpus[i]->mutex);
		return why(-EBUSY, "a vCPU is running, or in another call");
	}
	return (int)count;
}

static int do_set_counter_offset(void *self, void *data)
{
	struct arm64_vm *vm = self;
	const struct kvm_arm_counter_offset *offset = data;
	int taken;

	if (offset->reserved)
		return why(-EINVAL, "reserved: 0x%llx must be 0", (unsigned long long)offset->reserved);
	pthread_mutex_lock(&vm->vm.lock);
	taken = vcpus_take(vm);
	for (int i = 0; i < taken; i++)
		pthread_mutex_unlock(&vm->vm.vcpus[i]->mutex);
	if (taken >= 0) {
		atomic_store(&vm->counter_offset[0], offset->counter_offset);
		atomic_store(&vm->counter_offset[1], offset->counter_offset);
		vm->counter_offset_set = true;
	}
	pthread_mutex_unlock(&vm->vm.lock);
	return taken < 0 ? taken : 0;
}

/* The argument is only read, whatever its command word says. */
static long do_get_masks(void *self, unsigned long arg)
{
	uint64_t masks[KVM_ARM_FEATURE_ID_RANGE_SIZE];
	struct reg_mask_range range;

	(void)self;
	if (user_read(&range, arg, sizeof range))
		return why(-EFAULT, "argument: %#lx cannot be read", arg);
	if (range.range != KVM_ARM_FEATURE_ID_RANGE)
		return why(-EINVAL, "range: %u is not KVM_ARM_FEATURE_ID_RANGE, the only one", range.range);
	for (size_t i = 0; i < sizeof range.reserved / sizeof range.reserved[0]; i++)
		if (range.reserved[i])
			return why(-EINVAL, "reserved: must be 0");
	arm64_id_masks(masks);
	return user_write(range.addr, masks, sizeof masks) ? why(-EFAULT, "addr: 0x%llx cannot be written", (unsigned long long)range.addr) : 0;
}

/* ---- Capabilities that can be switched on (api.rst 7). ---- */

static int do_enable_cap(void *self, void *data)
{
	struct arm64_vm *vm = self;
	const struct kvm_enable_cap *cap = data;

	if (cap->flags)
		return why(-EINVAL, "flags: 0x%x must be 0", cap->flags);
	switch (cap->cap) {
	case KVM_CAP_ARM_NISV_TO_USER:
		__atomic_store_n(&vm->user_nisv, 1, __ATOMIC_RELAXED);
		return 0;
	case KVM_CAP_ARM_SYSTEM_SUSPEND:
		__atomic_store_n(&vm->suspend_exit, 1, __ATOMIC_RELAXED);
		return 0;
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return vm_enable_dirty_log(&vm->vm, cap->args[0]);
	case KVM_CAP_HALT_POLL:
		return halt_poll_check(cap->args[0]);
	default:
		return why(-EINVAL, "cap: %u cannot be enabled on a VM", cap->cap);
	}
}

/* ---- Attributes and devices. ---- */

static int attribute_check(const struct kvm_device_attr *attribute)
{
	if (attribute->group == KVM_ARM_VM_SMCCC_CTRL && attribute->attr == KVM_ARM_VM_SMCCC_FILTER)
		return 0;
	return why(-ENXIO, "group %u, attr %llu: a VM has no such attribute", attribute->group, (unsigned long long)attribute->attr);
}

static int do_has_attribute(void *vm, void *data)
{
	(void)vm;
	return attribute_check(data);
}

static int do_set_attribute(void *vm, void *data)
{
	const struct kvm_device_attr *attribute = data;
	struct kvm_smccc_filter range;
	int error = attribute_check(attribute);

	if (error)
		return error;
	if (user_read(&range, attribute->addr, sizeof range))
		return why(-EFAULT, "addr: 0x%llx cannot be read", (unsigned long long)attribute->addr);
	return arm64_filter_add(vm, &range);
}

static int do_set_device_address(void *vm, void *data)
{
	(void)vm;
	return why(-ENODEV, "id: 0x%llx: there is no such device", (unsigned long long)((const struct kvm_arm_device_addr *)data)->id);
}

/* ---- The table. ---- */

static const struct command commands[COMMAND_TABLE_SIZE] = {
	COMMAND(KVM_SET_USER_MEMORY_REGION, .fixed = do_set_memory_region, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_SET_USER_MEMORY_REGION2, .fixed = do_set_memory_region2, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_GET_DIRTY_LOG, .fixed = do_get_dirty_log, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_CLEAR_DIRTY_LOG, .fixed = do_clear_dirty_log, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_CREATE_VCPU, .direct = do_create_vcpu),
	COMMAND(KVM_ARM_PREFERRED_TARGET, .direct = do_preferred_target),
	COMMAND(KVM_IRQ_LINE, .fixed = do_irq_line),
	COMMAND(KVM_IRQ_LINE_STATUS, .fixed = do_irq_line),
	COMMAND(KVM_ARM_SET_COUNTER_OFFSET, .fixed = do_set_counter_offset),
	COMMAND(KVM_ARM_GET_REG_WRITABLE_MASKS, .direct = do_get_masks),
	COMMAND(KVM_CHECK_EXTENSION, .direct = arm64_check_extension),
	COMMAND(KVM_ENABLE_CAP, .fixed = do_enable_cap),
	COMMAND(KVM_HAS_DEVICE_ATTR, .fixed = do_has_attribute),
	COMMAND(KVM_SET_DEVICE_ATTR, .fixed = do_set_attribute),
	COMMAND(KVM_CREATE_DEVICE, .fixed = do_create_device),
	COMMAND(KVM_ARM_SET_DEVICE_ADDR, .fixed = do_set_device_address),
	COMMAND(KVM_GET_STATS_FD, .direct = do_get_stats_fd),
};

static long vm_ioctl(struct object *object, unsigned int cmd, unsigned long arg)
{
	const struct command *command = command_find(commands, cmd);

	if (!command)
		return why(-EINVAL, "ioctl %#x: not one of a VM's", cmd);
	return vm_command((struct vm *)object, command, arg);
}

/* ---- Life. ---- */

/* The last descriptor of the VM, of its vCPUs and of their statistics is gone: nothing runs. */
static void vm_release(struct object *object)
{
	struct arm64_vm *vm = (struct arm64_vm *)object;

	vm_stop(&vm->vm);
	free(vm->smccc_filter);
	vm_destroy(&vm->vm);
	free(vm);
}

static const struct object_ops vm_ops = { .kind = "vm", .arch = KVM_REG_ARM64, .ioctl = vm_ioctl, .release = vm_release };

static void vm_furnish(struct arm64_vm *vm)
{
	arm64_counters_start(vm);
	vm->host_vls = arm64_host_vls();
	vm->bitmap[0] = vm->bitmap[1] = 1; /* all services that there are: firmware.c */
	vm->bitmap[2] = 3;
}

long arm64_vm_create(unsigned long type)
{
	unsigned long bits = type ? type : IPA_BITS_DEFAULT;
	struct arm64_vm *vm;
	int error;

	if (bits < IPA_BITS_LEAST || bits > IPA_BITS_MOST)
		return why(-EINVAL, "type: %#lx: guest-physical addresses have %d to %d bits", type, IPA_BITS_LEAST, IPA_BITS_MOST);
	vm = calloc(1, sizeof *vm);
	if (!vm)
		return -ENOMEM;
	error = vm_init(&vm->vm, &vm_ops, (unsigned int)bits);
	if (error) {
		free(vm);
		return error;
	}
	vm_furnish(vm);
	return object_descriptor(&vm->vm.object, "kvm-vm");
}
