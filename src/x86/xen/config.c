/*
 * KVM_XEN_HVM_CONFIG (api.rst, 4.24), and the MSR through which a guest asks for its hypercall page: filled with this KVM's own
 * hypercalls, or with what the program has in store.
 */
#include <errno.h>
#include <string.h>

#include "core/user.h"
#include "core/why.h"
#include "vm/guest_memory.h"
#include "x86/cpu/system.h"
#include "x86/xen/hvm.h"

#define FLAGS_ALLOWED                                                                                                       \
	(KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL | KVM_XEN_HVM_CONFIG_EVTCHN_SEND | KVM_XEN_HVM_CONFIG_PVCLOCK_TSC_UNSTABLE)
#define STUB 32 /* bytes of a hypercall in the page */

void xen_vm_init(struct x86_vm *vm)
{
	pthread_mutex_init(&vm->xen.lock, NULL);
}

void xen_vm_destroy(struct x86_vm *vm)
{
	xen_targets_destroy(vm);
	pthread_mutex_destroy(&vm->xen.lock);
}

int xen_hvm_config(struct x86_vm *vm, const struct kvm_xen_hvm_config *config)
{
	uint32_t old;

	if (config->flags & ~(uint32_t)FLAGS_ALLOWED)
		return why(-EINVAL, "flags: %#x has bits other than %#x", config->flags, FLAGS_ALLOWED);
	if (config->flags & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL &&
	    (config->blob_addr_32 || config->blob_addr_64 || config->blob_size_32 || config->blob_size_64))
		return why(-EINVAL, "blob: with INTERCEPT_HCALL the hypercall page is KVM's own");
	pthread_mutex_lock(&vm->xen.lock);
	vm->xen.config = *config;
	old = atomic_exchange(&vm->xen.flags, config->flags);
	vm->xen.msr = config->msr;
	pthread_mutex_unlock(&vm->xen.lock);
	if ((old ^ config->flags) & KVM_XEN_HVM_CONFIG_PVCLOCK_TSC_UNSTABLE)
		clock_changed(vm);
	return 0;
}

/* ---- The hypercall page. The memory is entered. ---- */

/* mov $number, %eax; vmcall or vmmcall; ret; and int3 for who gets lost. */
static bool own_page_write(struct x86_vcpu *cpu, uint64_t gpa)
{
	uint8_t stub[STUB] = { 0xb8, 0, 0, 0, 0, 0x0f, 0x01, cpu_is_intel(cpu) ? 0xc1 : 0xd9, 0xc3 };

	memset(stub + 9, 0xcc, sizeof stub - 9);
	for (uint32_t i = 0; i < PAGE_SIZE / STUB; i++) {
		memcpy(stub + 1, &i, sizeof i);
		if (guest_write(cpu->vcpu.vm, gpa + i * STUB, stub, sizeof stub))
			return false;
	}
	return true;
}

static bool program_page_write(struct x86_vcpu *cpu, uint64_t gpa, uint32_t number)
{
	const struct kvm_xen_hvm_config *config = &x86_vm(cpu)->xen.config;
	bool wide = cpu->efer & EFER_LMA;
	uint64_t blob = wide ? config->blob_addr_64 : config->blob_addr_32;
	uint8_t page[4096];

	if (number >= (wide ? config->blob_size_64 : config->blob_size_32) || user_read(page, blob + number * PAGE_SIZE, sizeof page))
		return false;
	return !guest_write(cpu->vcpu.vm, gpa, page, sizeof page);
}

static bool page_write(struct x86_vcpu *cpu, uint64_t value)
{
	struct x86_vm *vm = x86_vm(cpu);
	uint32_t number = value & (PAGE_SIZE - 1);
	uint64_t gpa = value & ~(PAGE_SIZE - 1);
	bool wide = cpu->efer & EFER_LMA;

	/* Who asks in long mode is a 64-bit guest. */
	if (vm->xen.long_mode != wide) {
		vm->xen.long_mode = wide;
		if (atomic_load(&vm->xen.shared_info) && xen_wall_clock_write(vm))
			return false;
	}
	if (vm->xen.flags & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL)
		return !number && own_page_write(cpu, gpa);
	return program_page_write(cpu, gpa, number);
}

bool xen_hypercall_page_write(struct x86_vcpu *cpu, uint64_t value)
{
	struct x86_vm *vm = x86_vm(cpu);
	bool entered = vm_memory_enter(&vm->vm), done;

	pthread_mutex_lock(&vm->xen.lock);
	done = page_write(cpu, value);
	pthread_mutex_unlock(&vm->xen.lock);
	vm_memory_leave(&vm->vm, entered);
	return done;
}
