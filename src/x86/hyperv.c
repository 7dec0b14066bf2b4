/*
 * Hyper-V, its beginning: see hyperv.h.
 */
#include "x86/hyperv.h"

#include <errno.h>
#include <string.h>

#include "core/user.h"
#include "core/why.h"
#include "vm/guest_memory.h"
#include "x86/cpu/system.h"
#include "x86/xen/hypercall.h"

#define SIGNATURE 0x31237648 /* "Hv#1" */
#define HYPERCALL_ENABLE UINT64_C(1)

/* Leaf 0x40000003, EAX: which MSRs there are. */
#define HAS_HYPERCALL (1u << 5)
#define HAS_VP_INDEX (1u << 6)

/* Hypercalls and their results. */
enum { CALL_SPIN_WAIT = 0x0008, CALL_SIGNAL_EVENT = 0x005d, CALL_POST_MESSAGE = 0x005c };
enum { STATUS_SUCCESS = 0, STATUS_INVALID_CODE = 2, STATUS_INVALID_INPUT = 3, STATUS_INVALID_ALIGNMENT = 4 };

/* ---- CPUID. ---- */

int hyperv_cpuid(struct kvm_cpuid_entry2 *entries, uint32_t *count)
{
	static const struct kvm_cpuid_entry2 leaves[] = {
		/* "Linux KVM Hv", as programs know it */
		{ .function = 0x40000000, .eax = 0x40000005, .ebx = 0x756e694c, .ecx = 0x564b2078, .edx = 0x7648204d },
		{ .function = 0x40000001, .eax = SIGNATURE },
		{ .function = 0x40000002, .eax = 0x00003839, .ebx = 0x000a0000 },
		{ .function = 0x40000003, .eax = HAS_HYPERCALL | HAS_VP_INDEX },
		{ .function = 0x40000004, .ebx = 0xfff },
		{ .function = 0x40000005, .eax = VM_MAX_VCPUS, .ebx = 64 },
	};
	uint32_t needed = sizeof leaves / sizeof leaves[0];

	if (*count < needed)
		return why(-E2BIG, "nent: %u is not room for %u", *count, needed);
	memcpy(entries, leaves, sizeof leaves);
	*count = needed;
	return 0;
}

long hyperv_get_supported_cpuid(unsigned long arg)
{
	struct kvm_cpuid_entry2 entries[16];
	struct kvm_cpuid2 header;
	int error;

	if (user_read(&header, arg, sizeof header))
		return why(-EFAULT, "argument: %#lx cannot be read", arg);
	if (header.nent > 16)
		header.nent = 16;
	error = hyperv_cpuid(entries, &header.nent);
	if (error)
		return error;
	if (user_write(arg + sizeof header, entries, header.nent * sizeof entries[0]) || user_write(arg, &header, sizeof header))
		return why(-EFAULT, "argument: %#lx cannot take %u entries", arg, header.nent);
	return 0;
}

bool hyperv_enabled(const struct x86_vcpu *cpu)
{
	const struct kvm_cpuid_entry2 *leaf = cpuid_find(cpu, 0x40000001, 0);

	return leaf && leaf->eax == SIGNATURE;
}

bool hyperv_hypercalls_enabled(const struct x86_vcpu *cpu)
{
	return x86_vm(cpu)->hyperv_guest_id && hyperv_enabled(cpu);
}

/* ---- The VM's MSRs. ---- */

void hyperv_guest_id_set(struct x86_vcpu *cpu, uint64_t value)
{
	struct x86_vm *vm = x86_vm(cpu);

	vm->hyperv_guest_id = value;
	/* Nobody there: no hypercalls. */
	if (!value)
		atomic_fetch_and(&vm->hyperv_hypercall, ~HYPERCALL_ENABLE);
}

bool hyperv_hypercall_page_set(struct x86_vcpu *cpu, uint64_t value)
{
	/* or $0x80000000, %eax: how a guest that also has Xen's hypercalls tells them apart; vmcall or vmmcall; ret */
	uint8_t code[9] = { 0x0d, 0, 0, 0, 0x80, 0x0f, 0x01, cpu_is_intel(cpu) ? 0xc1 : 0xd9, 0xc3 };
	struct x86_vm *vm = x86_vm(cpu);
	unsigned int skip = xen_hypercalls_intercepted(vm) ? 0 : 5;
	bool entered, written = true;

	if (!vm->hyperv_guest_id)
		return true;
	if (value & HYPERCALL_ENABLE) {
		entered = vm_memory_enter(&vm->vm);
		written = !guest_write(&vm->vm, value & ~(PAGE_SIZE - 1), code + skip, sizeof code - skip);
		vm_memory_leave(&vm->vm, entered);
	}
	if (written)
		vm->hyperv_hypercall = value;
	return written;
}

/* ---- Hypercalls. ---- */

struct call {
	uint64_t input, in;
	bool fast; /* `in` is the input itself, not its address */
};

/* No connection leads anywhere, so that only what is wrong with the call itself can be told. */
static uint64_t signal_event(struct x86_vcpu *cpu, const struct call *call)
{
	uint64_t connection = call->in;

	if (!call->fast && (call->in % 8 || guest_read(cpu->vcpu.vm, call->in, &connection, sizeof connection)))
		return STATUS_INVALID_ALIGNMENT;
	return STATUS_INVALID_INPUT;
}

static uint64_t call_answer(struct x86_vcpu *cpu, const struct call *call)
{
	/* Bits 63:60, 47:44 and 31:27 are reserved; bits 26:17 and 59:32 belong to calls of other kinds than these. */
	bool repeats = call->input >> 32 & 0x0fff0fff, variable = call->input >> 17 & 0x3ff;

	if (call->input & UINT64_C(0xf000f000f8000000))
		return STATUS_INVALID_INPUT;
	switch (call->input & 0xffff) {
	case CALL_SPIN_WAIT:
		return repeats || variable ? STATUS_INVALID_INPUT : STATUS_SUCCESS;
	case CALL_SIGNAL_EVENT:
		return repeats || variable ? STATUS_INVALID_INPUT : signal_event(cpu, call);
	case CALL_POST_MESSAGE:
		return STATUS_INVALID_INPUT;
	}
	return STATUS_INVALID_CODE;
}

bool hyperv_hypercall(struct x86_vcpu *cpu, uint64_t *result)
{
	struct call call;

	if (cpu->cpl != 0 || !(cpu->cr0 & CR0_PE))
		return false;
	if (mode_is_code64(cpu)) {
		call.input = cpu->gpr[RCX];
		call.in = cpu->gpr[RDX];
	} else {
		call.input = cpu->gpr[RDX] << 32 | (uint32_t)cpu->gpr[RAX];
		call.in = cpu->gpr[RBX] << 32 | (uint32_t)cpu->gpr[RCX];
	}
	call.fast = call.input >> 16 & 1;
	*result = call_answer(cpu, &call);
	return true;
}
