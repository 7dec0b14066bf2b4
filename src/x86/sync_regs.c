/*
 * KVM_CAP_SYNC_REGS: register sets shared through kvm_run (api.rst, section 5, "sync_regs"). The program's threads may write the area while we
 * read it: each set is copied once, and only the copy is checked and used.
 */
#include <errno.h>
#include <string.h>

#include "core/why.h"
#include "x86/ioctl.h"

#define VALID (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

/* A plain copy, made once, by bytes that the compiler may not read twice. */
static void shared_copy(void *to, const volatile void *from, size_t size)
{
	memcpy(to, (const void *)from, size);
	__asm__ volatile("" : : : "memory");
}

static uint64_t shared_load(const __u64 *field)
{
	return __atomic_load_n(field, __ATOMIC_RELAXED);
}

static void dirty_clear(struct kvm_run *run, uint64_t bit)
{
	run->kvm_dirty_regs &= ~bit;
}

static int sregs_load(struct x86_vcpu *cpu, struct kvm_run *run)
{
	struct kvm_sregs sregs;

	shared_copy(&sregs, &run->s.regs.sregs, sizeof sregs);
	return sregs_set(cpu, &sregs);
}

static int events_load(struct x86_vcpu *cpu, struct kvm_run *run)
{
	struct kvm_vcpu_events events;

	shared_copy(&events, &run->s.regs.events, sizeof events);
	return events_set(cpu, &events);
}

static int dirty_load(struct x86_vcpu *cpu, struct kvm_run *run, uint64_t dirty)
{
	struct kvm_regs regs;

	if (dirty & KVM_SYNC_X86_REGS) {
		shared_copy(&regs, &run->s.regs.regs, sizeof regs);
		regs_set(cpu, &regs);
		dirty_clear(run, KVM_SYNC_X86_REGS);
	}
	if (dirty & KVM_SYNC_X86_SREGS) {
		if (sregs_load(cpu, run))
			return -EINVAL;
		dirty_clear(run, KVM_SYNC_X86_SREGS);
	}
	if (dirty & KVM_SYNC_X86_EVENTS) {
		if (events_load(cpu, run))
			return -EINVAL;
		dirty_clear(run, KVM_SYNC_X86_EVENTS);
	}
	return 0;
}

int sync_regs_load(struct x86_vcpu *cpu)
{
	struct kvm_run *run = cpu->vcpu.run;
	uint64_t valid = shared_load(&run->kvm_valid_regs), dirty = shared_load(&run->kvm_dirty_regs);

	if ((valid | dirty) & ~(uint64_t)VALID)
		return why(-EINVAL, "kvm_run.%s: 0x%llx has bits outside 0x%llx", valid & ~(uint64_t)VALID ? "kvm_valid_regs" : "kvm_dirty_regs",
			   (unsigned long long)(valid & ~(uint64_t)VALID ? valid : dirty), (unsigned long long)VALID);
	return dirty ? dirty_load(cpu, run, dirty) : 0;
}

void sync_regs_store(struct x86_vcpu *cpu)
{
	struct kvm_run *run = cpu->vcpu.run;
	uint64_t valid = shared_load(&run->kvm_valid_regs);

	if (!(valid & VALID))
		return;
	if (valid & KVM_SYNC_X86_REGS)
		regs_get(cpu, &run->s.regs.regs);
	if (valid & KVM_SYNC_X86_SREGS)
		sregs_get(cpu, &run->s.regs.sregs);
	if (valid & KVM_SYNC_X86_EVENTS)
		events_get(cpu, &run->s.regs.events);
}
