/*
 * The VM descriptor: its birth, its ioctls, its death. Memory is src/vm's business, vCPUs are the architecture's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/user.h"
#include "core/visit.h"
#include "core/why.h"
#include "soft/commands.h"
#include "soft/soft.h"
#include "x86/ioctl.h"
#include "x86/clock.h"
#include "x86/irqchip.h"
#include "x86/xen/xen.h"

/* ---- Memory. ---- */

static int do_set_memory_region2(void *vm, void *data)
{
	return vm_set_memory_region(vm, data);
}

static int do_set_memory_region(void *vm, void *data)
{
	struct kvm_userspace_memory_region2 region = { 0 };

	/* The shorter struct is the longer one's beginning. */
	memcpy(&region, data, sizeof(struct kvm_userspace_memory_region));
	return vm_set_memory_region(vm, &region);
}

/* A limit on shadow page tables, of which there are none. */
static long do_set_nr_mmu_pages(void *vm, unsigned long count)
{
	(void)vm;
	return count < 64 ? why(-EINVAL, "argument: %lu is below the least, 64", count) : 0;
}

/* ---- vCPUs. ---- */

static long vcpu_make(struct x86_vm *vm, uint32_t id)
{
	if (vm->vm.vcpu_count >= VM_MAX_VCPUS)
		return why(-EINVAL, "the VM has %u vCPUs, the most there can be", VM_MAX_VCPUS);
	/* The first vCPU settles the limit, even if it cannot be made. */
	if (!vm->max_vcpu_ids)
		vm->max_vcpu_ids = VM_MAX_VCPU_IDS;
	if (id >= vm->max_vcpu_ids)
		return why(-EINVAL, "id: %u is not below %u (KVM_CAP_MAX_VCPU_ID)", id, vm->max_vcpu_ids);
	return vcpu_create(&vm->vm, id, &x86_vcpu_ops);
}

static long do_create_vcpu(void *self, unsigned long id)
{
	struct x86_vm *vm = self;
	long result;

	if (id >= VM_MAX_VCPU_IDS)
		return why(-EINVAL, "id: %#lx is not below %u", id, VM_MAX_VCPU_IDS);
	pthread_mutex_lock(&vm->vm.lock);
	result = vcpu_make(vm, (uint32_t)id);
	pthread_mutex_unlock(&vm->vm.lock);
	return result;
}

static int boot_vcpu_id_set(struct x86_vm *vm, unsigned long id)
{
	if (vm->vm.vcpu_count)
		return why(-EBUSY, "the VM has vCPUs");
	if (id > VM_MAX_VCPU_IDS || (vm->max_vcpu_ids && id > vm->max_vcpu_ids))
		return why(-EINVAL, "argument: id %lu is beyond the limit", id);
	vm->boot_vcpu_id = (uint32_t)id;
	return 0;
}

static long do_set_boot_cpu_id(void *self, unsigned long id)
{
	struct x86_vm *vm = self;
	int error;

	pthread_mutex_lock(&vm->vm.lock);
	error = boot_vcpu_id_set(vm, id);
	pthread_mutex_unlock(&vm->vm.lock);
	return error;
}

/* ---- Places that Intel's processors need for real mode. They are kept, and nothing else. ---- */

static long do_set_tss_addr(void *self, unsigned long address)
{
	struct x86_vm *vm = self;

	if (address > UINT32_MAX - 3 * PAGE_SIZE + 1)
		return why(-EINVAL, "argument: three pages at %#lx do not end below 4 GiB", address);
	vm->tss_address = address;
	return 0;
}

static int identity_map_set(struct x86_vm *vm, unsigned long arg)
{
	if (vm->vm.vcpu_count)
		return why(-EINVAL, "the VM has vCPUs");
	if (user_read(&vm->identity_map, arg, sizeof(vm->identity_map)))
		return why(-EFAULT, "argument: %#lx cannot be read", arg);
	return 0;
}

static long do_set_identity_map_addr(void *self, unsigned long arg)
{
	struct x86_vm *vm = self;
	int error;

	pthread_mutex_lock(&vm->vm.lock);
	error = identity_map_set(vm, arg);
	pthread_mutex_unlock(&vm->vm.lock);
	return error;
}

/* ---- Interrupts: with an irqchip, each vCPU to come has a local APIC. ---- */

static long do_create_irqchip(void *self, unsigned long arg)
{
	struct x86_vm *vm = self;
	int error;

	(void)arg;
	pthread_mutex_lock(&vm->vm.lock);
	error = irqchip_create(vm);
	pthread_mutex_unlock(&vm->vm.lock);
	return error;
}

static int do_get_irqchip(void *vm, void *data)
{
	return irqchip_get(vm, data);
}

static long do_set_irqchip(void *vm, unsigned long arg)
{
	struct kvm_irqchip chip;

	/* Its word says that it is read. */
	if (user_read(&chip, arg, sizeof chip))
		return why(-EFAULT, "argument: %#lx cannot be read", arg);
	return irqchip_set(vm, &chip);
}

static int do_irq_line(void *vm, void *data)
{
	return irq_line_set(vm, data);
}

static long do_signal_msi(void *vm, unsigned long arg)
{
	struct kvm_msi msi;

	if (user_read(&msi, arg, sizeof msi))
		return why(-EFAULT, "argument: %#lx cannot be read", arg);
	return msi_signal(vm, &msi);
}

static long do_set_gsi_routing(void *vm, unsigned long arg)
{
	return vm_set_gsi_routing(vm, arg);
}

static int do_irqfd(void *vm, void *data)
{
	return vm_irqfd(vm, data);
}

static int do_ioeventfd(void *vm, void *data)
{
	return vm_ioeventfd(vm, data);
}

static int do_register_coalesced(void *vm, void *data)
{
	return vm_coalesced_register(vm, data);
}

static int do_unregister_coalesced(void *vm, void *data)
{
	return vm_coalesced_unregister(vm, data);
}

static int do_get_clock(void *vm, void *data)
{
	clock_get(vm, data);
	return 0;
}

static int do_set_clock(void *vm, void *data)
{
	return clock_set(vm, data);
}

/* ---- Xen. ---- */

static int do_xen_config(void *vm, void *data)
{
	return xen_hvm_config(vm, data);
}

static int do_xen_get(void *vm, void *data)
{
	return xen_hvm_get(vm, data);
}

static int do_xen_set(void *vm, void *data)
{
	return xen_hvm_set(vm, data);
}

static int do_xen_send(void *vm, void *data)
{
	return xen_event_send(vm, data);
}

/* ---- The timer of a PC. ---- */

static int pit_make(struct x86_vm *vm, uint32_t flags)
{
	struct pit *pit;

	if (vm->pit)
		return why(-EEXIST, "the VM has a PIT");
	if (vm->irqchip != IRQCHIP_KERNEL)
		return why(-ENOENT, "the PICs are not in the kernel");
	pit = pit_create(vm, flags);
	if (!pit)
		return -ENOMEM;
	atomic_store_explicit(&vm->pit, pit, memory_order_release);
	return 0;
}

static int pit_make_locked(struct x86_vm *vm, uint32_t flags)
{
	int error;

	pthread_mutex_lock(&vm->vm.lock);
	error = pit_make(vm, flags);
	pthread_mutex_unlock(&vm->vm.lock);
	return error;
}

static int do_create_pit2(void *vm, void *data)
{
	return pit_make_locked(vm, ((const struct kvm_pit_config *)data)->flags);
}

static long do_create_pit(void *vm, unsigned long arg)
{
	(void)arg;
	return pit_make_locked(vm, KVM_PIT_SPEAKER_DUMMY);
}

static int pit_here(struct x86_vm *vm, struct pit **pit)
{
	*pit = vm->pit;
	return *pit ? 0 : why(-ENXIO, "the VM has no PIT");
}

static int do_get_pit2(void *vm, void *data)
{
	struct pit *pit;
	int error = pit_here(vm, &pit);

	if (!error)
		pit_get(pit, data);
	return error;
}

static int do_set_pit2(void *vm, void *data)
{
	struct pit *pit;
	int error = pit_here(vm, &pit);

	if (!error)
		pit_state_set(pit, data);
	return error;
}

/* The older state is the newer one's beginning. */
static int do_get_pit(void *vm, void *data)
{
	struct kvm_pit_state2 state;
	int error = do_get_pit2(vm, &state);

	if (!error)
		memcpy(data, state.channels, sizeof(struct kvm_pit_state));
	return error;
}

static long do_set_pit(void *vm, unsigned long arg)
{
	struct kvm_pit_state state;
	struct pit *pit;
	int error;

	if (user_read(&state, arg, sizeof state))
		return why(-EFAULT, "argument: %#lx cannot be read", arg);
	error = pit_here(vm, &pit);
	if (!error)
		pit_channels_set(pit, &state);
	return error;
}

static long do_reinject_control(void *vm, unsigned long arg)
{
	struct kvm_reinject_control control;
	struct pit *pit;
	int error;

	if (user_read(&control, arg, sizeof control))
		return why(-EFAULT, "argument: %#lx cannot be read", arg);
	error = pit_here(vm, &pit);
	if (!error)
		pit_reinject_set(pit, control.pit_reinject);
	return error;
}

/* ---- The rest. ---- */

static int do_enable_cap(void *vm, void *data)
{
	return vm_enable_cap(vm, data);
}

static int do_set_msr_filter(void *vm, void *data)
{
	return msr_filter_set(vm, data);
}

static long do_set_tsc_khz(void *self, unsigned long khz)
{
	struct x86_vm *vm = self;

	vm->tsc_khz = (uint32_t)khz ? (uint32_t)khz : tsc_host_khz();
	return 0;
}

static long do_get_tsc_khz(void *self, unsigned long arg)
{
	(void)arg;
	return ((const struct x86_vm *)self)->tsc_khz;
}

/* ---- The table. ---- */

static const struct command commands[COMMAND_TABLE_SIZE] = {
	COMMAND(KVM_SET_USER_MEMORY_REGION, .fixed = do_set_memory_region, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_SET_USER_MEMORY_REGION2, .fixed = do_set_memory_region2, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_GET_DIRTY_LOG, .fixed = do_get_dirty_log, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_CLEAR_DIRTY_LOG, .fixed = do_clear_dirty_log, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_SET_NR_MMU_PAGES, .direct = do_set_nr_mmu_pages),
	COMMAND(KVM_CREATE_VCPU, .direct = do_create_vcpu),
	COMMAND(KVM_SET_BOOT_CPU_ID, .direct = do_set_boot_cpu_id),
	COMMAND(KVM_SET_TSS_ADDR, .direct = do_set_tss_addr),
	COMMAND(KVM_SET_IDENTITY_MAP_ADDR, .direct = do_set_identity_map_addr),
	COMMAND(KVM_CREATE_IRQCHIP, .direct = do_create_irqchip),
	COMMAND(KVM_GET_IRQCHIP, .fixed = do_get_irqchip, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_SET_IRQCHIP, .direct = do_set_irqchip, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_IRQ_LINE, .fixed = do_irq_line, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_IRQ_LINE_STATUS, .fixed = do_irq_line, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_SIGNAL_MSI, .direct = do_signal_msi, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_SET_GSI_ROUTING, .direct = do_set_gsi_routing, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_IRQFD, .fixed = do_irqfd, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_IOEVENTFD, .fixed = do_ioeventfd, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_REGISTER_COALESCED_MMIO, .fixed = do_register_coalesced, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_UNREGISTER_COALESCED_MMIO, .fixed = do_unregister_coalesced, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_CREATE_PIT, .direct = do_create_pit),
	COMMAND(KVM_CREATE_PIT2, .fixed = do_create_pit2),
	COMMAND(KVM_GET_PIT, .fixed = do_get_pit, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_SET_PIT, .direct = do_set_pit, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_GET_PIT2, .fixed = do_get_pit2, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_SET_PIT2, .fixed = do_set_pit2, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_REINJECT_CONTROL, .direct = do_reinject_control, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_XEN_HVM_CONFIG, .fixed = do_xen_config, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_XEN_HVM_GET_ATTR, .fixed = do_xen_get, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_XEN_HVM_SET_ATTR, .fixed = do_xen_set, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_XEN_HVM_EVTCHN_SEND, .fixed = do_xen_send, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_GET_CLOCK, .fixed = do_get_clock, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_SET_CLOCK, .fixed = do_set_clock, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_CHECK_EXTENSION, .direct = x86_check_extension),
	COMMAND(KVM_ENABLE_CAP, .fixed = do_enable_cap),
	COMMAND(KVM_X86_SET_MSR_FILTER, .fixed = do_set_msr_filter, .flags = WAITS_FOR_VCPUS),
	COMMAND(KVM_SET_TSC_KHZ, .direct = do_set_tsc_khz),
	COMMAND(KVM_GET_TSC_KHZ, .direct = do_get_tsc_khz),
	COMMAND(KVM_GET_STATS_FD, .direct = do_get_stats_fd),
	COMMAND(KVM_CREATE_DEVICE, .fixed = do_create_device),
};

static long vm_ioctl(struct object *object, unsigned int cmd, unsigned long arg)
{
	const struct command *command = command_find(commands, cmd);

	if (!command)
		return why(-ENOTTY, "ioctl %#x: not one of a VM's", cmd);
	return vm_command((struct vm *)object, command, arg);
}

/* Without a lock: only what is asked of a VM. */
static void vm_visit(struct object *object, struct visit *visit)
{
	visit->state = visit->look ? VISIT_IDLE : VISIT_DONE;
	if (!visit->look)
		visit->result = visit->cmd == (unsigned int)KVM_CHECK_EXTENSION || visit->cmd == (unsigned int)KVM_GET_TSC_KHZ ? vm_ioctl(object, visit->cmd, visit->arg) : -ENOTTY;
}

/* ---- Life. ---- */

/* The last descriptor of the VM, of its vCPUs and of their statistics is gone: nothing runs. */
static void vm_release(struct object *object)
{
	struct x86_vm *vm = (struct x86_vm *)object;

	vm_stop(&vm->vm);
	xen_vm_destroy(vm);
	irqchip_destroy(vm);
	msr_filter_free(vm->filter);
	vm_destroy(&vm->vm);
	pthread_mutex_destroy(&vm->clock_lock);
	pthread_mutex_destroy(&vm->tsc_lock);
	pthread_mutex_destroy(&vm->split_lock);
	free(vm);
}

static const struct object_ops vm_ops = { .kind = "vm", .arch = KVM_REG_X86, .ioctl = vm_ioctl, .visit = vm_visit, .release = vm_release };

static int vm_create(struct x86_vm **created)
{
	unsigned int physical_bits = supported_leaf(0x80000008, 0).eax & 0xff;
	struct x86_vm *vm = calloc(1, sizeof(*vm));
	int error;

	if (!vm)
		return -ENOMEM;
	error = vm_init(&vm->vm, &vm_ops, physical_bits);
	if (error) {
		free(vm);
		return error;
	}
	pthread_mutex_init(&vm->split_lock, NULL);
	pthread_mutex_init(&vm->tsc_lock, NULL);
	clock_init(vm);
	xen_vm_init(vm);
	vm->tsc_khz = tsc_host_khz();
	vm->apic_bus_ns = 1;
	*created = vm;
	return 0;
}

long soft_vm_create(unsigned long type)
{
	struct x86_vm *vm;
	int error;

	if (type != KVM_X86_DEFAULT_VM)
		return why(-EINVAL, "type: %#lx is not KVM_X86_DEFAULT_VM, the only one", type);
	error = vm_create(&vm);
	return error ? error : object_descriptor(&vm->vm.object, "kvm-vm");
}
