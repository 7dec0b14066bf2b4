/*
 * VMCALL and VMMCALL: KVM's hypercalls (Documentation/virt/kvm/x86/hypercalls.rst). Both instructions do the same; the one
 * that is not the processor vendor's own is patched or undefined, as KVM_X86_QUIRK_FIX_HYPERCALL_INSN has it.
 */
#include <errno.h>
#include <linux/kvm_para.h>

#include "x86/cpu/system.h"
#include "x86/hyperv.h"
#include "x86/pv.h"
#include "x86/xen/hypercall.h"

/* 64-bit hypercalls have whole registers as arguments. */
static uint64_t argument(const struct x86_vcpu *cpu, enum gpr reg)
{
	return mode_is_code64(cpu) ? cpu->gpr[reg] : (uint32_t)cpu->gpr[reg];
}

static void result_set(struct x86_vcpu *cpu, uint64_t value)
{
	cpu->gpr[RAX] = mode_is_code64(cpu) ? value : (uint32_t)value;
}

/* KVM_HC_MAP_GPA_RANGE is the program's: KVM_EXIT_HYPERCALL. True when it exits, `*result` otherwise. */
static bool map_range_exit(struct x86_vcpu *cpu, const struct insn *insn, int64_t *result)
{
	uint64_t gpa = argument(cpu, RBX), pages = argument(cpu, RCX), first = gpa >> PAGE_SHIFT;
	struct kvm_run *run = cpu->vcpu.run;

	*result = -KVM_ENOSYS;
	if (!(x86_vm(cpu)->exit_hypercall >> KVM_HC_MAP_GPA_RANGE & 1))
		return false;
	*result = -KVM_EINVAL;
	if (gpa % PAGE_SIZE || first + pages <= first)
		return false;
	run->exit_reason = KVM_EXIT_HYPERCALL;
	memset(&run->hypercall, 0, sizeof run->hypercall);
	run->hypercall.nr = KVM_HC_MAP_GPA_RANGE;
	run->hypercall.args[0] = gpa;
	run->hypercall.args[1] = pages;
	run->hypercall.args[2] = argument(cpu, RDX);
	run->hypercall.longmode = mode_is_code64(cpu);
	cpu->hypercall_length = insn->length;
	cpu->completion = COMPLETE_HYPERCALL;
	cpu->stop = STOP_EXIT;
	return true;
}

void hypercall_complete(struct x86_vcpu *cpu)
{
	result_set(cpu, cpu->vcpu.run->hypercall.ret);
	cpu->rip = rip_behind(cpu, cpu->hypercall_length);
}

/* The whole of RAX, in every mode. */
static void hypercall_execute_xen(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t result;

	switch (xen_hypercall(cpu, &result)) {
	case XEN_DONE:
		cpu->gpr[RAX] = result;
		insn_done(cpu, insn, STOP_EVENT);
		break;
	case XEN_SLEEPS:
		cpu->gpr[RAX] = result;
		insn_done(cpu, insn, STOP_HALT);
		break;
	case XEN_EXIT:
		cpu->hypercall_length = insn->length;
		cpu->completion = COMPLETE_XEN;
		cpu->stop = STOP_EXIT;
		break;
	}
}

/* Unless the program has set RIP to somewhere else. */
void xen_hypercall_complete(struct x86_vcpu *cpu)
{
	if (linear_rip(cpu) != cpu->xen.hypercall_rip)
		return;
	cpu->gpr[RAX] = cpu->vcpu.run->xen.u.hcall.result;
	cpu->rip = rip_behind(cpu, cpu->hypercall_length);
}

/* A 32-bit caller finds the result in EDX:EAX. */
static void hypercall_execute_hyperv(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t result;

	if (!hyperv_hypercall(cpu, &result)) {
		insn_fault(cpu, insn, VECTOR_UD);
		return;
	}
	if (mode_is_code64(cpu))
		cpu->gpr[RAX] = result;
	else
		edx_eax_set(cpu, result);
	insn_done(cpu, insn, STOP_EVENT);
}

/* Whether it is Hyper-V's: of a guest that has Xen's as well, those with bit 31 of EAX. */
static bool hypercall_is_hyperv(const struct x86_vcpu *cpu)
{
	return hyperv_hypercalls_enabled(cpu) && (!xen_hypercalls_intercepted(x86_vm(cpu)) || cpu->gpr[RAX] >> 31 & 1);
}

static void hypercall_execute(struct x86_vcpu *cpu, const struct insn *insn)
{
	int64_t result = -KVM_ENOSYS;

	if (hypercall_is_hyperv(cpu)) {
		hypercall_execute_hyperv(cpu, insn);
		return;
	}
	if (xen_hypercalls_intercepted(x86_vm(cpu))) {
		hypercall_execute_xen(cpu, insn);
		return;
	}
	if (cpu->cpl != 0) {
		result = -KVM_EPERM;
	} else {
		switch (argument(cpu, RAX)) {
		case KVM_HC_VAPIC_POLL_IRQ: /* made the guest exit, which is all it is for */
			result = 0;
			break;
		case KVM_HC_SCHED_YIELD: /* a hint: the other vCPU has a thread of its own */
			if (pv_allowed(cpu, KVM_FEATURE_PV_SCHED_YIELD))
				result = 0;
			break;
		case KVM_HC_KICK_CPU:
			if (pv_allowed(cpu, KVM_FEATURE_PV_UNHALT))
				result = pv_kick(cpu, (uint32_t)argument(cpu, RCX));
			break;
		case KVM_HC_SEND_IPI:
			if (pv_allowed(cpu, KVM_FEATURE_PV_SEND_IPI))
				result = pv_send_ipi(cpu, argument(cpu, RBX), argument(cpu, RCX), (uint32_t)argument(cpu, RDX), argument(cpu, RSI),
						     mode_is_code64(cpu) ? 64 : 32);
			break;
		case KVM_HC_MAP_GPA_RANGE:
			if (map_range_exit(cpu, insn, &result))
				return;
			break;
		}
	}
	result_set(cpu, (uint64_t)result);
	insn_done(cpu, insn, STOP_EVENT);
}

/*
 * The other vendor's instruction: KVM writes the own one over it and lets it run again. The write is the guest's as far as
 * its page tables are concerned. `opcode`: the third byte of the own instruction.
 */
static void hypercall_patch(struct x86_vcpu *cpu, const struct insn *insn, uint8_t opcode)
{
	uint8_t own[3] = { 0x0f, 0x01, opcode };
	uint64_t linear = linear_rip(cpu);

	if (x86_vm(cpu)->disabled_quirks & KVM_X86_QUIRK_FIX_HYPERCALL_INSN) {
		insn_fault(cpu, insn, VECTOR_UD);
		return;
	}
	/* Prefixes would not be overwritten rightly; nobody uses any. */
	if (insn->length != sizeof own) {
		hypercall_execute(cpu, insn);
		return;
	}
	cpu->block_length = 0; /* the block ends here: it may well be written to */
	mem_write_slow(cpu, insn, CS, linear, own, sizeof own);
}

#define OPCODE_VMCALL 0xc1
#define OPCODE_VMMCALL 0xd9

void vmcall_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_sync(cpu, insn);
	if (cpu_is_intel(cpu))
		hypercall_execute(cpu, insn);
	else
		hypercall_patch(cpu, insn, OPCODE_VMMCALL);
}

void vmmcall_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_sync(cpu, insn);
	if (cpu_is_intel(cpu))
		hypercall_patch(cpu, insn, OPCODE_VMCALL);
	else
		hypercall_execute(cpu, insn);
}
