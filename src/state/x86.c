/*
 * What only x86 knows of states: which registers are state of their own, which structures are no registers, and the order that a restore
 * needs: CPUID before what is checked against it; the time stamp counter and the local APIC before the APIC's deadline (api.rst, 4.35,
 * 4.57; SDM Vol. 3A, 11.5.4.1).
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/user.h>

#include "anykvm/kvm.h"
#include "state/parts.h"
#include "state/x86_cpuid.h"
#include "state/x86_pages.h"

#define MSR_TSC 0x10
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_KVM_SYSTEM_TIME 0x12
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01
#define MSR_KVM_POLL_CONTROL 0x4b564d05

/* ---- Registers. ---- */

static uint32_t type_of(uint64_t id)
{
	return (uint32_t)(id >> 32) & 0xff;
}

static uint64_t vector(uint32_t class, uint32_t number)
{
	static const uint64_t sizes[] = { KVM_REG_SIZE_U64, KVM_REG_SIZE_U128, KVM_REG_SIZE_U256, KVM_REG_SIZE_U512, KVM_REG_SIZE_U64 };

	return ANYKVM_X86_REG(ANYKVM_X86_TYPE_VECTOR, sizes[class], class << 8 | number);
}

static uint32_t vector_class(uint64_t id)
{
	return (uint32_t)id >> 8 & 0xff;
}

/* Each state once: whole segments, not their parts; the events whole; no MMX view of x87. The offset follows from the time stamp counter. */
static bool reg_wanted(uint64_t id)
{
	switch (type_of(id)) {
	case ANYKVM_X86_TYPE_SEGMENT:
		return (id & 15) == ANYKVM_X86_SEGMENT_WHOLE;
	case ANYKVM_X86_TYPE_VECTOR:
		return vector_class(id) != ANYKVM_X86_VECTOR_MM;
	case ANYKVM_X86_TYPE_XSAVE:
		return (uint32_t)id != ANYKVM_X86_XSAVE_MXCSR_MASK;
	case ANYKVM_X86_TYPE_EVENTS:
		return (uint32_t)id == ANYKVM_X86_EVENTS_WHOLE;
	case ANYKVM_X86_TYPE_VCPU:
		return (uint32_t)id != ANYKVM_X86_VCPU_TSC_OFFSET;
	default:
		return true;
	}
}

/* What KVM_SET_TSC_KHZ and KVM_SET_CPUID2 set, programs set once. (Of CPUID some bits follow CR4 and others; so they do in a restored vCPU.) */
static bool reg_constant(uint64_t id)
{
	return id == ANYKVM_X86_REG(ANYKVM_X86_TYPE_VCPU, KVM_REG_SIZE_U32, ANYKVM_X86_VCPU_TSC_KHZ);
}

static bool part_constant(const char *name)
{
	return !strcmp(name, "cpuid");
}

static unsigned int reg_phase(uint64_t id)
{
	if (id == KVM_X86_REG_MSR(MSR_TSC_DEADLINE) || id == ANYKVM_X86_REG(ANYKVM_X86_TYPE_VCPU, KVM_REG_SIZE_U32, ANYKVM_X86_VCPU_MP_STATE))
		return STATE_PHASE_TIMERS;
	return id == KVM_X86_REG_MSR(MSR_TSC) ? STATE_PHASE_LAST : STATE_PHASE_REGS;
}

static bool zero(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

/* MSRs that are not zero in vCPUs whose guest has nothing to do with them: what the KVM itself says there, or what they start with. */
static bool msr_untouched(uint32_t index, uint64_t value)
{
	static const struct {
		uint32_t index;
		bool any;
		uint64_t value;
	} rows[] = {
		{ 0x40000010, true, 0 }, { 0x40000020, true, 0 }, { 0x40000022, true, 0 }, { 0x40000023, true, 0 }, /* Hyper-V: run time, time, frequencies (TLFS, 12, 14) */
		{ MSR_KVM_POLL_CONTROL, false, 1 },
		{ 0x9e, false, 0x30000 },           /* SMBASE (SDM Vol. 3C, 32.11) */
		{ 0xc0000104, false, 1ULL << 32 },  /* the TSC's ratio, 1.0 (AMD APM Vol. 2, 15.30.5) */
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].index == index)
			return rows[i].any || rows[i].value == value;
	return false;
}

/*
 * What says nothing, or only what another register says: the upper part of a vector register that is zero, whose lower part has a name of
 * its own; what a guest without the feature has: PKRU and MSRs of zero (whether it has been told of the feature, CPUID says).
 */
static bool reg_needless(uint64_t id, const void *value)
{
	size_t size = anykvm_reg_size(id);
	uint32_t class = vector_class(id), number = (uint32_t)id & 0xff;

	if (type_of(id) == ANYKVM_X86_TYPE_VECTOR && class != ANYKVM_X86_VECTOR_K && class != ANYKVM_X86_VECTOR_XMM && number < 16)
		return zero((const uint8_t *)value + size / 2, size / 2);
	if (type_of(id) == KVM_X86_REG_TYPE_MSR) {
		uint64_t number;

		memcpy(&number, value, sizeof number);
		return !number || msr_untouched((uint32_t)id, number);
	}
	if (type_of(id) == ANYKVM_X86_TYPE_VECTOR ||
	    id == ANYKVM_X86_REG(ANYKVM_X86_TYPE_XSAVE, KVM_REG_SIZE_U32, ANYKVM_X86_XSAVE_PKRU))
		return zero(value, size);
	return false;
}

/* The clock is for guests that have kvmclock's page (Documentation/virt/kvm/x86/msr.rst); and a KVM that has no such page has no clock. */
static bool part_needless(const struct anykvm_state *state, const char *name)
{
	static const uint32_t pages[] = { MSR_KVM_SYSTEM_TIME, MSR_KVM_SYSTEM_TIME_NEW };

	if (strcmp(name, "clock"))
		return false;
	for (size_t i = 0; i < state->vcpu_count; i++)
		for (size_t k = 0; k < sizeof pages / sizeof *pages; k++)
			if (state_unit_value(&state->vcpus[i], KVM_X86_REG_MSR(pages[k])) & 1)
				return false;
	return true;
}

/* ---- Parts. ---- */

/* CPUID as the vCPU has it; how many entries there are, only failing tells. */
static int cpuid_get(int vcpu, struct state_unit *unit)
{
	for (uint32_t room = 64; room <= X86_CPUID_MOST; room *= 2) {
		struct kvm_cpuid2 *cpuid = calloc(1, X86_CPUID_SIZE(room));
		struct anykvm_state_part *part;
		int error;

		if (!cpuid)
			return -ENOMEM;
		cpuid->nent = room;
		error = anykvm_ioctl(vcpu, KVM_GET_CPUID2, cpuid) ? -errno : 0;
		if (!error) {
			part = state_unit_part(unit, "cpuid", cpuid->nent * sizeof cpuid->entries[0]);
			if (part)
				memcpy(part->bytes, cpuid->entries, part->size);
			error = part ? 0 : -ENOMEM;
		}
		free(cpuid);
		if (error != -E2BIG)
			return error;
	}
	return -E2BIG;
}

static int cpuid_set(int vcpu, const struct anykvm_state_part *part)
{
	uint32_t count = (uint32_t)(part->size / sizeof(struct kvm_cpuid_entry2));
	struct kvm_cpuid2 *cpuid = calloc(1, X86_CPUID_SIZE(count));
	int error;

	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = count;
	memcpy(cpuid->entries, part->bytes, count * sizeof cpuid->entries[0]);
	error = anykvm_ioctl(vcpu, KVM_SET_CPUID2, cpuid) ? -errno : 0;
	free(cpuid);
	return error;
}

static const struct state_ioctls ioctls[] = {
	{ "lapic", sizeof(struct kvm_lapic_state), 0, KVM_GET_LAPIC, KVM_SET_LAPIC, false },
	{ "pic0", sizeof(struct kvm_irqchip), KVM_IRQCHIP_PIC_MASTER, KVM_GET_IRQCHIP, KVM_SET_IRQCHIP, true },
	{ "pic1", sizeof(struct kvm_irqchip), KVM_IRQCHIP_PIC_SLAVE, KVM_GET_IRQCHIP, KVM_SET_IRQCHIP, true },
	{ "ioapic", sizeof(struct kvm_irqchip), KVM_IRQCHIP_IOAPIC, KVM_GET_IRQCHIP, KVM_SET_IRQCHIP, true },
	{ "pit2", sizeof(struct kvm_pit_state2), 0, KVM_GET_PIT2, KVM_SET_PIT2, true },
	{ "clock", sizeof(struct kvm_clock_data), 0, KVM_GET_CLOCK, KVM_SET_CLOCK, true },
};
enum { IOCTLS = sizeof ioctls / sizeof *ioctls };

/* Of Xen guests (api.rst, 4.126, 4.127): the attribute's number stands first. What can only be set (event channels' targets) is the program's to repeat. */
static const struct state_ioctls xen_ioctls[] = {
#define XEN_VM(name, type) { "xen." name, sizeof(struct kvm_xen_hvm_attr), KVM_XEN_ATTR_TYPE_##type, KVM_XEN_HVM_GET_ATTR, KVM_XEN_HVM_SET_ATTR, true }
#define XEN_VCPU(name, type) { "xen." name, sizeof(struct kvm_xen_vcpu_attr), KVM_XEN_VCPU_ATTR_TYPE_##type, KVM_XEN_VCPU_GET_ATTR, KVM_XEN_VCPU_SET_ATTR, false }
	XEN_VM("long_mode", LONG_MODE), XEN_VM("shared_info", SHARED_INFO), XEN_VM("vm_vector", UPCALL_VECTOR), XEN_VM("version", XEN_VERSION),
	XEN_VM("update_flag", RUNSTATE_UPDATE_FLAG),
	XEN_VCPU("vcpu_id", VCPU_ID), XEN_VCPU("vcpu_info", VCPU_INFO), XEN_VCPU("time_info", VCPU_TIME_INFO), XEN_VCPU("runstate", RUNSTATE_ADDR),
	XEN_VCPU("times", RUNSTATE_DATA), XEN_VCPU("vector", UPCALL_VECTOR), XEN_VCPU("timer", TIMER),
};
enum { XEN_IOCTLS = sizeof xen_ioctls / sizeof *xen_ioctls };

static bool is_xen(const char *name)
{
	return !strncmp(name, "xen.", 4);
}

/* Where memory has to be when it is set. */
static bool part_needs_memory(const char *name)
{
	static const char *const names[] = { "xen.shared_info", "xen.vcpu_info", "xen.time_info", "xen.runstate", "xen.times" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static bool xen_vm_used(int vm)
{
	struct kvm_xen_hvm_attr attribute = { .type = KVM_XEN_ATTR_TYPE_SHARED_INFO };

	return !anykvm_ioctl(vm, KVM_XEN_HVM_GET_ATTR, &attribute) && attribute.u.shared_info.gfn != ~0ULL;
}

static bool xen_vcpu_used(int vcpu)
{
	struct kvm_xen_vcpu_attr attribute = { .type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO };

	return !anykvm_ioctl(vcpu, KVM_XEN_VCPU_GET_ATTR, &attribute) && attribute.u.gpa != ~0ULL;
}

static int part_again(int fd, struct anykvm_state_part *part)
{
	return is_xen(part->name) ? parts_again(fd, part, xen_ioctls, XEN_IOCTLS) : parts_again(fd, part, ioctls, IOCTLS);
}

static int vcpu_parts_get(int vcpu, struct state_unit *unit)
{
	int error = cpuid_get(vcpu, unit);

	if (!error)
		error = parts_get(vcpu, unit, ioctls, IOCTLS, false);
	return error || !xen_vcpu_used(vcpu) ? error : parts_get(vcpu, unit, xen_ioctls, XEN_IOCTLS, false);
}

static int vm_parts_get(int vm, struct state_unit *unit)
{
	int error = parts_get(vm, unit, ioctls, IOCTLS, true);

	return error || !xen_vm_used(vm) ? error : parts_get(vm, unit, xen_ioctls, XEN_IOCTLS, true);
}

static int vcpu_part_set(int vcpu, const struct anykvm_state_part *part)
{
	if (is_xen(part->name))
		return parts_set(vcpu, part, xen_ioctls, XEN_IOCTLS, false);
	return strcmp(part->name, "cpuid") ? parts_set(vcpu, part, ioctls, IOCTLS, false) : cpuid_set(vcpu, part);
}

/* Of the clock only the time itself is taken back: what it was read with is not. */
static int vm_part_set(int vm, const struct anykvm_state_part *part)
{
	struct kvm_clock_data clock = { 0 };

	if (is_xen(part->name))
		return parts_set(vm, part, xen_ioctls, XEN_IOCTLS, true);
	if (strcmp(part->name, "clock") || part->size != sizeof clock)
		return parts_set(vm, part, ioctls, IOCTLS, true);
	clock.clock = ((const struct kvm_clock_data *)part->bytes)->clock;
	return anykvm_ioctl(vm, KVM_SET_CLOCK, &clock) ? -errno : 0;
}

/* Of the VM what vCPUs refer to comes first; Xen's timer is in the time of the VM's clock. */
static unsigned int part_phase(const char *name)
{
	static const char *const first[] = { "cpuid", "xen.long_mode", "xen.shared_info", "xen.vm_vector", "xen.version", "xen.update_flag" };

	for (size_t i = 0; i < sizeof first / sizeof *first; i++)
		if (!strcmp(first[i], name))
			return STATE_PHASE_FIRST;
	return strcmp(name, "xen.timer") ? STATE_PHASE_TIMERS : STATE_PHASE_AFTER;
}

/* ---- Rehearsals. ---- */

static bool any_part(const struct anykvm_state *state, const char *name)
{
	for (size_t i = 0; i < state->vcpu_count; i++)
		if (state_unit_find_part(&state->vcpus[i], name))
			return true;
	return state_unit_find_part(&state->vm, name);
}

/* The PICs are there with KVM_CREATE_IRQCHIP alone; local APICs without them mean a split irqchip, or that the VM was not asked. */
static int vm_prepare(const struct anykvm_state *state, int vm)
{
	struct kvm_pit_config pit = { 0 };

	if (any_part(state, "lapic") && anykvm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL))
		return -errno;
	return any_part(state, "pit2") && anykvm_ioctl(vm, KVM_CREATE_PIT2, &pit) ? -errno : 0;
}

/* ---- Profiles. ---- */

static int profile_begin(int system, int vm, int vcpu, struct anykvm_profile *profile)
{
	struct state_unit unit = { 0 };
	int error = 0;

	(void)vm;
	profile->cpuid = x86_cpuid_supported(system);
	if (!profile->cpuid)
		return -errno;
	/* A vCPU's registers depend on its CPUID: let it have all. And it may have more: some KVMs cannot hide what the processor has. */
	if (anykvm_ioctl(vcpu, KVM_SET_CPUID2, profile->cpuid) || cpuid_get(vcpu, &unit))
		error = -errno;
	else
		x86_cpuid_unite(profile->cpuid, unit.parts[0].bytes, unit.parts[0].size / sizeof(struct kvm_cpuid_entry2));
	if (unit.part_count)
		free(unit.parts[0].bytes);
	return error;
}

/* ---- What gdb and crash read: <sys/procfs.h>. ---- */

static uint64_t general(const struct state_unit *unit, uint32_t index)
{
	return state_unit_value(unit, ANYKVM_X86_REG(ANYKVM_X86_TYPE_GENERAL, KVM_REG_SIZE_U64, index));
}

static struct kvm_segment segment(const struct state_unit *unit, uint32_t number)
{
	const struct kvm_segment *value = state_unit_find_reg(unit, ANYKVM_X86_REG(ANYKVM_X86_TYPE_SEGMENT, KVM_REG_SIZE_U256, number << 4));

	return value ? *value : (struct kvm_segment){ 0 };
}

static size_t elf_prstatus(const struct state_unit *unit, size_t vcpu, void *note, size_t room)
{
	struct elf_prstatus status = { .pr_pid = (int)vcpu + 1 };
	struct user_regs_struct regs = {
		.rax = general(unit, 0), .rcx = general(unit, 1), .rdx = general(unit, 2), .rbx = general(unit, 3),
		.rsp = general(unit, 4), .rbp = general(unit, 5), .rsi = general(unit, 6), .rdi = general(unit, 7),
		.r8 = general(unit, 8), .r9 = general(unit, 9), .r10 = general(unit, 10), .r11 = general(unit, 11),
		.r12 = general(unit, 12), .r13 = general(unit, 13), .r14 = general(unit, 14), .r15 = general(unit, 15),
		.rip = general(unit, 16), .eflags = general(unit, 17), .orig_rax = ~0ULL,
		.es = segment(unit, ANYKVM_X86_SEGMENT_ES).selector, .cs = segment(unit, ANYKVM_X86_SEGMENT_CS).selector,
		.ss = segment(unit, ANYKVM_X86_SEGMENT_SS).selector, .ds = segment(unit, ANYKVM_X86_SEGMENT_DS).selector,
		.fs = segment(unit, ANYKVM_X86_SEGMENT_FS).selector, .gs = segment(unit, ANYKVM_X86_SEGMENT_GS).selector,
		.fs_base = segment(unit, ANYKVM_X86_SEGMENT_FS).base, .gs_base = segment(unit, ANYKVM_X86_SEGMENT_GS).base,
	};

	if (room < sizeof status)
		return 0;
	_Static_assert(sizeof status.pr_reg == sizeof regs, "the registers of struct elf_prstatus");
	memcpy(&status.pr_reg, &regs, sizeof regs);
	memcpy(note, &status, sizeof status);
	return sizeof status;
}

static uint64_t x87(uint64_t size, uint32_t index)
{
	return ANYKVM_X86_REG(ANYKVM_X86_TYPE_X87, size, index);
}

static void copy_reg(void *to, const struct state_unit *unit, uint64_t id)
{
	const void *value = state_unit_find_reg(unit, id);

	if (value)
		memcpy(to, value, anykvm_reg_size(id));
}

static size_t elf_fpregs(const struct state_unit *unit, void *note, size_t room)
{
	struct user_fpregs_struct regs = { .mxcr_mask = 0xffff };

	if (room < sizeof regs)
		return 0;
	copy_reg(&regs.cwd, unit, x87(KVM_REG_SIZE_U16, ANYKVM_X86_X87_FCW));
	copy_reg(&regs.swd, unit, x87(KVM_REG_SIZE_U16, ANYKVM_X86_X87_FSW));
	copy_reg(&regs.ftw, unit, x87(KVM_REG_SIZE_U8, ANYKVM_X86_X87_FTW));
	copy_reg(&regs.fop, unit, x87(KVM_REG_SIZE_U16, ANYKVM_X86_X87_FOP));
	copy_reg(&regs.rip, unit, x87(KVM_REG_SIZE_U64, ANYKVM_X86_X87_FIP));
	copy_reg(&regs.rdp, unit, x87(KVM_REG_SIZE_U64, ANYKVM_X86_X87_FDP));
	copy_reg(&regs.mxcsr, unit, ANYKVM_X86_REG(ANYKVM_X86_TYPE_XSAVE, KVM_REG_SIZE_U32, ANYKVM_X86_XSAVE_MXCSR));
	for (uint32_t i = 0; i < 8; i++)
		copy_reg((uint8_t *)regs.st_space + 16 * i, unit, x87(KVM_REG_SIZE_U128, i));
	for (uint32_t i = 0; i < 16; i++)
		copy_reg((uint8_t *)regs.xmm_space + 16 * i, unit, vector(ANYKVM_X86_VECTOR_XMM, i));
	memcpy(note, &regs, sizeof regs);
	return sizeof regs;
}

/* ---- Words of parts. ---- */

static bool part_words(const struct anykvm_state_part *part, void (*tell)(void *context, const char *name, uint32_t value), void *context)
{
	char name[32];

	if (!strcmp(part->name, "cpuid")) {
		x86_cpuid_words(part->bytes, part->size / sizeof(struct kvm_cpuid_entry2), tell, context);
		return true;
	}
	if (strcmp(part->name, "lapic"))
		return false;
	for (uint32_t at = 0; at + 4 <= part->size; at += 16) {
		uint32_t value;

		memcpy(&value, (const uint8_t *)part->bytes + at, sizeof value);
		snprintf(name, sizeof name, "lapic.0x%x", at);
		tell(context, name, value);
	}
	return true;
}

static void part_policy(struct anykvm_state_part *part, const struct anykvm_policy *policy)
{
	if (!strcmp(part->name, "cpuid"))
		x86_cpuid_policy(part->bytes, part->size / sizeof(struct kvm_cpuid_entry2), policy);
}

static void features_check(const struct state_unit *unit, int vcpu, const void *supported, const struct anykvm_policy *policy, struct anykvm_report *report)
{
	const struct anykvm_state_part *part = state_unit_find_part(unit, "cpuid");

	if (part && supported)
		x86_cpuid_check(part->bytes, part->size / sizeof(struct kvm_cpuid_entry2), supported, vcpu, policy, report);
}

const struct state_arch state_x86 = {
	.arch = KVM_REG_X86,
	.reg_wanted = reg_wanted, .reg_phase = reg_phase, .reg_needless = reg_needless, .part_needless = part_needless,
	.reg_constant = reg_constant, .part_constant = part_constant, .part_again = part_again, .part_needs_memory = part_needs_memory,
	.vcpu_parts_get = vcpu_parts_get, .vm_parts_get = vm_parts_get,
	.vcpu_part_set = vcpu_part_set, .vm_part_set = vm_part_set, .part_phase = part_phase, .part_policy = part_policy,
	.vm_prepare = vm_prepare,
	.features_check = features_check, .profile_begin = profile_begin, .profile_print = x86_cpuid_print, .profile_line = x86_cpuid_line,
	.pages_find = x86_pages_find, .elf_machine = EM_X86_64, .elf_prstatus = elf_prstatus, .elf_fpregs = elf_fpregs,
	.part_words = part_words,
};
