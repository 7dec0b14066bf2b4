/*
 * Where the interpreter is not linked in: KVM_RUN has its rules, and no guest.
 */
#include <errno.h>

#include "arm64/ioctl.h"
#include "core/why.h"

__attribute__((weak)) long arm64_vcpu_run(struct arm64_vcpu *cpu)
{
	atomic_store(&arm64_vm(cpu)->ran, true);
	cpu->ran = true;
	if (cpu->vcpu.run->immediate_exit) {
		cpu->vcpu.run->exit_reason = KVM_EXIT_INTR;
		return -EINTR;
	}
	return why(-EINVAL, "this libanykvm has no interpreter of A64 instructions");
}

__attribute__((weak)) void a64_cpu_discard(struct arm64_vcpu *cpu)
{
	(void)cpu;
}

__attribute__((weak)) void a64_tlb_flush(struct arm64_vcpu *cpu)
{
	(void)cpu;
}

__attribute__((weak)) void a64_cycles_update(struct arm64_vcpu *cpu)
{
	(void)cpu;
}
