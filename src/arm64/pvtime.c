/*
 * Stolen time (DEN0057; kernel document virt/kvm/arm/pvtime.rst): how long the vCPU's thread was ready and did not run, in a structure in guest memory
 * whose place the program gives (KVM_ARM_VCPU_PVTIME_IPA) and the guest asks for (smccc.c).
 */
#include <errno.h>

#include "arm64/ioctl.h"
#include "core/run_delay.h"
#include "core/user.h"
#include "core/why.h"
#include "vm/guest_memory.h"

struct stolen_time {
	uint32_t revision, attributes;
	uint64_t stolen; /* ns */
	uint8_t padding[48];
};
_Static_assert(sizeof(struct stolen_time) == 64, "the standard's");

uint64_t arm64_pvtime_start(struct arm64_vcpu *cpu)
{
	struct stolen_time zero = { 0 };

	if (!cpu->pvtime.set)
		return UINT64_MAX;
	cpu->pvtime.stolen = 0;
	cpu->pvtime.seen = run_delay_ns();
	guest_write(cpu->vcpu.vm, cpu->pvtime.base, &zero, sizeof zero);
	return cpu->pvtime.base;
}

void arm64_pvtime_update(struct arm64_vcpu *cpu)
{
	uint64_t now;

	if (!cpu->pvtime.set)
		return;
	now = run_delay_ns();
	if (now > cpu->pvtime.seen) /* another thread's count may be lower */
		cpu->pvtime.stolen += now - cpu->pvtime.seen;
	cpu->pvtime.seen = now;
	vcpu_guest_enter(&cpu->vcpu);
	guest_write(cpu->vcpu.vm, cpu->pvtime.base + offsetof(struct stolen_time, stolen), &cpu->pvtime.stolen, sizeof cpu->pvtime.stolen);
	vcpu_guest_leave(&cpu->vcpu);
}

/* Whether the address is in a memory slot. */
static bool in_slot(struct vm *vm, uint64_t gpa)
{
	bool found;

	pthread_mutex_lock(&vm->memory_lock);
	found = slot_find(vm_slots(vm, 0), gpa >> PAGE_SHIFT);
	pthread_mutex_unlock(&vm->memory_lock);
	return found;
}

int arm64_pvtime_set(struct arm64_vcpu *cpu, uint64_t address)
{
	uint64_t base;

	if (user_read(&base, address, sizeof base))
		return why(-EFAULT, "addr: 0x%llx cannot be read", (unsigned long long)address);
	if (base % sizeof(struct stolen_time))
		return why(-EINVAL, "0x%llx is not a multiple of %zu", (unsigned long long)base, sizeof(struct stolen_time));
	if (cpu->pvtime.set)
		return why(-EEXIST, "the structure is at 0x%llx", (unsigned long long)cpu->pvtime.base);
	if (!in_slot(cpu->vcpu.vm, base))
		return why(-EINVAL, "0x%llx is in no memory slot", (unsigned long long)base);
	cpu->pvtime.base = base;
	cpu->pvtime.seen = run_delay_ns();
	cpu->pvtime.set = true;
	return 0;
}

int arm64_pvtime_get(const struct arm64_vcpu *cpu, uint64_t address)
{
	uint64_t base = cpu->pvtime.set ? cpu->pvtime.base : UINT64_MAX;

	return user_write(address, &base, sizeof base) ? why(-EFAULT, "addr: 0x%llx cannot be written", (unsigned long long)address) : 0;
}
