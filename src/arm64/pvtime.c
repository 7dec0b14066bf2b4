/*
 * Stolen time (DEN0057; kernel document virt/kvm/arm/pvtime.rst): how long the vCPU's thread was ready and did not run, in a structure in guest memory
 * whose place the program gives (KVM_ARM_VCPU_PVTIME_IPA) and the guest asks for (smccc.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arm64/ioctl.h"
#include "core/user.h"
#include "core/why.h"

struct stolen_time {
	uint32_t revision, attributes;
	uint64_t stolen; /* ns */
	uint8_t padding[48];
};
_Static_assert(sizeof(struct stolen_time) == 64, "the standard's");

/* The thread's run delay, in ns: the second number of its schedstat. 0 where the kernel does not count. */
static uint64_t run_delay(void)
{
	char text[64] = { 0 };
	unsigned long long delay = 0;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (syscall(SYS_read, fd, text, sizeof text - 1) > 0)
		sscanf(text, "%*u %llu", &delay);
	syscall(SYS_close, fd);
	return delay;
}

/* The slots stand still: the vCPU is in the guest. */
static void structure_write(struct arm64_vcpu *cpu, size_t at, const void *from, size_t size)
{
	uint64_t gpa = cpu->pvtime.base + at;
	struct slot *slot = slot_find(vm_slots(cpu->vcpu.vm, 0), gpa >> PAGE_SHIFT);

	if (!slot || slot->flags & KVM_MEM_READONLY || user_write(slot_hva(slot, gpa), from, size))
		return;
	slot_mark_dirty(slot, gpa >> PAGE_SHIFT);
}

uint64_t arm64_pvtime_start(struct arm64_vcpu *cpu)
{
	struct stolen_time zero = { 0 };

	if (!cpu->pvtime.set)
		return UINT64_MAX;
	cpu->pvtime.stolen = 0;
	cpu->pvtime.seen = run_delay();
	structure_write(cpu, 0, &zero, sizeof zero);
	return cpu->pvtime.base;
}

void arm64_pvtime_update(struct arm64_vcpu *cpu)
{
	uint64_t now;

	if (!cpu->pvtime.set)
		return;
	now = run_delay();
	if (now > cpu->pvtime.seen) /* another thread's count may be lower */
		cpu->pvtime.stolen += now - cpu->pvtime.seen;
	cpu->pvtime.seen = now;
	vcpu_guest_enter(&cpu->vcpu);
	structure_write(cpu, offsetof(struct stolen_time, stolen), &cpu->pvtime.stolen, sizeof cpu->pvtime.stolen);
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
	cpu->pvtime.seen = run_delay();
	cpu->pvtime.set = true;
	return 0;
}

int arm64_pvtime_get(const struct arm64_vcpu *cpu, uint64_t address)
{
	uint64_t base = cpu->pvtime.set ? cpu->pvtime.base : UINT64_MAX;

	return user_write(address, &base, sizeof base) ? why(-EFAULT, "addr: 0x%llx cannot be written", (unsigned long long)address) : 0;
}
