/*
 * KVM_ENABLE_CAP on a VM (api.rst 4.71, 7): one row a capability that can be switched. What the switch does is told by the field
 * it sets.
 */
#include <errno.h>

#include "core/why.h"
#include "soft/commands.h"
#include "soft/soft.h"
#include "x86/ioctl.h"
#include "x86/irqchip.h"

/* The most pins that an I/O APIC of the program's may reserve: KVM_MAX_IRQ_ROUTES. */
#define SPLIT_IRQCHIP_PINS 4096

static int bits_check(uint64_t value, uint64_t valid)
{
	if (value & ~valid)
		return why(-EINVAL, "args[0]: %#llx has bits other than %#llx", (unsigned long long)value, (unsigned long long)valid);
	return 0;
}

static bool has_vcpus(const struct x86_vm *vm)
{
	return vm->vm.vcpu_count != 0;
}

static int enable_manual_dirty_log(struct x86_vm *vm, uint64_t value)
{
	return vm_enable_dirty_log(&vm->vm, value);
}

static int enable_halt_poll(struct x86_vm *vm, uint64_t value)
{
	(void)vm;
	return halt_poll_check(value);
}

static int enable_quirks(struct x86_vm *vm, uint64_t value)
{
	vm->disabled_quirks |= value & X86_QUIRKS;
	return 0;
}

static int enable_quirks2(struct x86_vm *vm, uint64_t value)
{
	int error = bits_check(value, X86_QUIRKS);

	return error ? error : enable_quirks(vm, value);
}

static int enable_split_irqchip(struct x86_vm *vm, uint64_t pins)
{
	if (pins > SPLIT_IRQCHIP_PINS)
		return why(-EINVAL, "args[0]: %llu I/O APIC pins are more than %u", (unsigned long long)pins, SPLIT_IRQCHIP_PINS);
	return irqchip_create_split(vm, (uint32_t)pins);
}

/* The longest count of the timer, times its largest divider, has to be told in 64 bits of nanoseconds. */
static int enable_apic_bus_cycles(struct x86_vm *vm, uint64_t ns)
{
	uint64_t unused;

	if (!ns || __builtin_mul_overflow((uint64_t)UINT32_MAX * 128, ns, &unused))
		return why(-EINVAL, "args[0]: %llu ns is no cycle that the timer could count", (unsigned long long)ns);
	if (vm->irqchip == IRQCHIP_NONE)
		return why(-ENXIO, "there is no local APIC in the kernel (KVM_CREATE_IRQCHIP, KVM_CAP_SPLIT_IRQCHIP)");
	if (has_vcpus(vm))
		return why(-EINVAL, "the VM has vCPUs: the bus comes before them");
	vm->apic_bus_ns = ns;
	return 0;
}

static int enable_x2apic_api(struct x86_vm *vm, uint64_t value)
{
	int error = bits_check(value, KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK);

	if (!error)
		vm->x2apic_api |= value;
	return error;
}

static int enable_disable_exits(struct x86_vm *vm, uint64_t value)
{
	int error = bits_check(value, KVM_X86_DISABLE_VALID_EXITS);

	if (!error)
		vm->disabled_exits |= value;
	return error;
}

static int enable_platform_info(struct x86_vm *vm, uint64_t value)
{
	vm->platform_info_hidden = !value;
	return 0;
}

static int enable_exception_payload(struct x86_vm *vm, uint64_t value)
{
	vm->exception_payload = value;
	return 0;
}

static int enable_triple_fault_event(struct x86_vm *vm, uint64_t value)
{
	vm->triple_fault_event = value;
	return 0;
}

static int enable_user_space_msr(struct x86_vm *vm, uint64_t value)
{
	int error = bits_check(value, KVM_MSR_EXIT_REASON_VALID_MASK);

	if (!error)
		vm->user_space_msr = (uint32_t)value;
	return error;
}

static int enable_exit_hypercall(struct x86_vm *vm, uint64_t value)
{
	int error = bits_check(value, EXIT_HYPERCALLS);

	if (!error)
		vm->exit_hypercall = value;
	return error;
}

static int enable_exit_on_emulation_failure(struct x86_vm *vm, uint64_t value)
{
	int error = bits_check(value, 1);

	if (!error)
		vm->exit_on_emulation_failure = value;
	return error;
}

/* Can be set once, and not below the boot vCPU's id. */
static int enable_max_vcpu_id(struct x86_vm *vm, uint64_t value)
{
	if (value > VM_MAX_VCPU_IDS)
		return why(-EINVAL, "args[0]: %llu is more than %u", (unsigned long long)value, VM_MAX_VCPU_IDS);
	if (vm->boot_vcpu_id > value)
		return why(-EINVAL, "args[0]: %llu is below the boot vCPU's id %u", (unsigned long long)value, vm->boot_vcpu_id);
	if (vm->max_vcpu_ids && vm->max_vcpu_ids != value)
		return why(-EINVAL, "args[0]: the limit is %u already", vm->max_vcpu_ids);
	vm->max_vcpu_ids = (uint32_t)value;
	return 0;
}

/* No bus lock is ever told: Linux on a processor without detection checks the modes and no more. */
static int enable_bus_lock_exit(struct x86_vm *vm, uint64_t value)
{
	int error = bits_check(value, KVM_BUS_LOCK_DETECTION_OFF | KVM_BUS_LOCK_DETECTION_EXIT);

	(void)vm;
	if (!error && value == (KVM_BUS_LOCK_DETECTION_OFF | KVM_BUS_LOCK_DETECTION_EXIT))
		error = why(-EINVAL, "args[0]: OFF and EXIT exclude each other");
	return error;
}

struct switchable {
	uint32_t number;
	int (*enable)(struct x86_vm *vm, uint64_t value); /* the VM's lock is held */
};

static const struct switchable switchables[] = {
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, enable_manual_dirty_log },
	{ KVM_CAP_HALT_POLL, enable_halt_poll },
	{ KVM_CAP_DISABLE_QUIRKS, enable_quirks },
	{ KVM_CAP_DISABLE_QUIRKS2, enable_quirks2 },
	{ KVM_CAP_SPLIT_IRQCHIP, enable_split_irqchip },
	{ KVM_CAP_X2APIC_API, enable_x2apic_api },
	{ KVM_CAP_X86_APIC_BUS_CYCLES_NS, enable_apic_bus_cycles },
	{ KVM_CAP_X86_DISABLE_EXITS, enable_disable_exits },
	{ KVM_CAP_MSR_PLATFORM_INFO, enable_platform_info },
	{ KVM_CAP_EXCEPTION_PAYLOAD, enable_exception_payload },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, enable_triple_fault_event },
	{ KVM_CAP_X86_USER_SPACE_MSR, enable_user_space_msr },
	{ KVM_CAP_EXIT_HYPERCALL, enable_exit_hypercall },
	{ KVM_CAP_EXIT_ON_EMULATION_FAILURE, enable_exit_on_emulation_failure },
	{ KVM_CAP_MAX_VCPU_ID, enable_max_vcpu_id },
	{ KVM_CAP_X86_BUS_LOCK_EXIT, enable_bus_lock_exit },
};

int vm_enable_cap(struct x86_vm *vm, const struct kvm_enable_cap *cap)
{
	if (cap->flags)
		return why(-EINVAL, "flags: %#x must be 0", cap->flags);
	for (size_t i = 0; i < sizeof(switchables) / sizeof(switchables[0]); i++) {
		if (switchables[i].number == cap->cap) {
			int error;

			pthread_mutex_lock(&vm->vm.lock);
			error = switchables[i].enable(vm, cap->args[0]);
			pthread_mutex_unlock(&vm->vm.lock);
			return error;
		}
	}
	return why(-EINVAL, "cap: %u cannot be enabled on a VM", cap->cap);
}
