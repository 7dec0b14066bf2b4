/*
 * Model-specific registers: one table, a row a register. SDM Vol. 4; AMD APM Vol. 2, appendix A; api.rst, 4.18, 4.19. The time
 * stamp counter, which is the one that moves, is tsc.c's; the local APIC's are lapic.c's.
 */
#include <errno.h>
#include <linux/kvm_para.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/why.h"
#include "x86/cpu/exec.h"
#include "x86/hyperv.h"
#include "x86/pv.h"
#include "x86/xen/xen.h"

struct msr_row;

typedef int msr_get_fn(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t *value);
typedef int msr_set_fn(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value);

enum {
	HOST_ONLY_WRITE = 1, /* the guest's write is #GP */
	LISTED = 2,          /* in KVM_GET_MSR_INDEX_LIST */
	CANONICAL = 4,
	FEATURE = 8,         /* in KVM_GET_MSR_FEATURE_INDEX_LIST */
};

struct msr_row {
	uint32_t index, count; /* a range of equal ones; 0 is 1 */
	const char *name;
	size_t field;          /* of struct x86_vcpu; 0: a value of its own in msr_values */
	uint64_t reset, reserved; /* bits that #GP */
	unsigned int flags;
	msr_get_fn *get; /* NULL: the value as it is */
	msr_set_fn *set;
};

#define FIELD(name) offsetof(struct x86_vcpu, name)

/* ---- Registers with rules of their own. ---- */

static int refuse(const struct msr_row *row, uint64_t value)
{
	return why(-EINVAL, "msr 0x%x (%s): 0x%llx is not a value it takes", row->index, row->name, (unsigned long long)value);
}

static int efer_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	uint64_t old = cpu->efer;

	if (!from_host)
		return efer_write(cpu, value) ? 0 : refuse(row, value);
	if (value & ~(uint64_t)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE))
		return refuse(row, value);
	/* LMA is the processor's own. */
	cpu->efer = (value & ~EFER_LMA) | (old & EFER_LMA);
	cpu_state_changed(cpu, (old ^ cpu->efer) & EFER_NXE);
	return 0;
}

static int segment_base_get(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t *value)
{
	(void)from_host;
	*value = cpu->seg[row->index == 0xc0000100 ? FS : GS].base;
	return 0;
}

static int segment_base_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	(void)from_host;
	cpu->seg[row->index == 0xc0000100 ? FS : GS].base = value;
	return 0;
}

static int apic_base_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	(void)row;
	return lapic_base_set(cpu, value, from_host);
}

static bool vendor_amd(const struct x86_vcpu *cpu)
{
	const struct kvm_cpuid_entry2 *leaf = cpuid_find(cpu, 0, 0);

	/* Without a table the machine's vendor decides, which is the one that the supported table names. */
	return leaf ? leaf->ebx == 0x68747541 : cpuid_vendor_amd();
}

/* AMD's SYSENTER pointers have 32 bits; Intel's must be canonical. */
static int sysenter_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	uint64_t *field = (uint64_t *)((uint8_t *)cpu + row->field);

	(void)from_host;
	*field = vendor_amd(cpu) ? (uint32_t)value : value;
	return 0;
}

static int tsc_aux_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	if (!from_host && value >> 32)
		return refuse(row, value);
	cpu->tsc_aux = (uint32_t)value;
	return 0;
}

/* Eight memory types (SDM Vol. 3A, 11.12.2). */
static bool memory_type_ok(uint64_t type)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 7);
}

static bool memory_types_ok(uint64_t value, bool pat)
{
	for (unsigned int i = 0; i < 8; i++, value >>= 8)
		if (!memory_type_ok(value & 0xff) || (!pat && (value & 0xff) == 7))
			return false;
	return true;
}

static uint64_t *value_of(struct x86_vcpu *cpu, const struct msr_row *row, uint32_t index);

static int pat_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	(void)from_host;
	if (!memory_types_ok(value, true))
		return refuse(row, value);
	*value_of(cpu, row, row->index) = value;
	return 0;
}

static int mtrr_default_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	(void)from_host;
	if (value & ~UINT64_C(0xcff) || !memory_type_ok(value & 0xff) || (value & 0xff) == 7)
		return refuse(row, value);
	*value_of(cpu, row, row->index) = value;
	return 0;
}

static uint64_t physical_reserved(const struct x86_vcpu *cpu)
{
	return ~UINT64_C(0) << (cpu->physical_bits ? cpu->physical_bits : 36);
}

/* Time: tsc.c. */
static int tsc_get(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t *value)
{
	(void)row;
	(void)from_host;
	*value = x86_tsc_read(cpu);
	return 0;
}

static int tsc_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	(void)row;
	tsc_write(cpu, value, from_host);
	return 0;
}

static int tsc_adjust_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	(void)row;
	/* The program restores it beside the counter; a guest's write moves the counter (SDM Vol. 3B, 17.17.3). */
	if (!from_host)
		cpu->tsc_offset += value - cpu->tsc_adjust;
	cpu->clock_seen = 0;
	cpu->tsc_adjust = value;
	return 0;
}

/* Bit 24 tells that the TSC counts at P0's rate, bit 18 MCi_STATUS writability; some bits are accepted and ignored, as KVM does. */
static int hwcr_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	uint64_t ignored = UINT64_C(1) << 3 | UINT64_C(1) << 6 | UINT64_C(1) << 8;

	(void)from_host;
	value &= ~ignored;
	if (value & ~(UINT64_C(1) << 18 | UINT64_C(1) << 24))
		return refuse(row, value);
	*value_of(cpu, row, row->index) = value;
	return 0;
}

static int platform_info_get(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t *value)
{
	if (!from_host && x86_vm(cpu)->platform_info_hidden)
		return why(-EINVAL, "msr 0x%x (%s): hidden from the guest (KVM_CAP_MSR_PLATFORM_INFO)", row->index, row->name);
	*value = *value_of(cpu, row, row->index);
	return 0;
}

/* CPUID faulting can only be turned on where MSR_PLATFORM_INFO says that there is such a thing. */
static int misc_features_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	(void)from_host;
	if (value & ~UINT64_C(1))
		return refuse(row, value);
	*value_of(cpu, row, row->index) = value;
	cpu->cpuid_faulting = value;
	return 0;
}

/* ---- KVM's own (Documentation/virt/kvm/x86/msr.rst). Without the feature in an enforced CPUID there is no such register. ---- */

static int pv_refuse(const struct x86_vcpu *cpu, const struct msr_row *row, unsigned int feature)
{
	return pv_allowed(cpu, feature) ? 0 : why(-ENOENT, "msr 0x%x (%s): not in the guest's CPUID (KVM_CAP_ENFORCE_PV_FEATURE_CPUID)", row->index, row->name);
}

/* The clocks have an old number each and a new one. */
static unsigned int clock_feature(const struct msr_row *row)
{
	return row->index < 0x100 ? KVM_FEATURE_CLOCKSOURCE : KVM_FEATURE_CLOCKSOURCE2;
}

static int wall_clock_get(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t *value)
{
	(void)from_host;
	*value = x86_vm(cpu)->wall_clock;
	return pv_refuse(cpu, row, clock_feature(row));
}

static int wall_clock_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	int error = pv_refuse(cpu, row, clock_feature(row));

	(void)from_host;
	if (!error)
		pv_wall_clock_write(cpu, value);
	return error;
}

static int system_time_get(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t *value)
{
	(void)from_host;
	*value = cpu->pv_system_time;
	return pv_refuse(cpu, row, clock_feature(row));
}

static int system_time_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	int error = pv_refuse(cpu, row, clock_feature(row));

	(void)from_host;
	if (error)
		return error;
	cpu->pv_system_time = value;
	pv_system_time_written(cpu);
	return 0;
}

static int steal_time_get(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t *value)
{
	(void)from_host;
	*value = cpu->pv_steal_time;
	return pv_refuse(cpu, row, KVM_FEATURE_STEAL_TIME);
}

static int steal_time_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	int error = pv_refuse(cpu, row, KVM_FEATURE_STEAL_TIME);

	(void)from_host;
	if (error)
		return error;
	if (value & 0x3e)
		return refuse(row, value);
	cpu->pv_steal_time = value;
	cpu->steal_due = true;
	return 0;
}

static int pv_eoi_get(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t *value)
{
	(void)from_host;
	*value = cpu->pv_eoi;
	return pv_refuse(cpu, row, KVM_FEATURE_PV_EOI);
}

static int pv_eoi_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	int error = pv_refuse(cpu, row, KVM_FEATURE_PV_EOI);

	(void)from_host;
	if (error)
		return error;
	return pv_eoi_write(cpu, value) ? 0 : refuse(row, value);
}

/* Whether the host polls before it halts: it never does. */
static int poll_control_get(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t *value)
{
	(void)from_host;
	*value = *value_of(cpu, row, row->index);
	return pv_refuse(cpu, row, KVM_FEATURE_POLL_CONTROL);
}

static int poll_control_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	int error = pv_refuse(cpu, row, KVM_FEATURE_POLL_CONTROL);

	(void)from_host;
	if (error)
		return error;
	if (value > 1)
		return refuse(row, value);
	*value_of(cpu, row, row->index) = value;
	return 0;
}

/* ---- Hyper-V's: the guest's where its CPUID says that it runs on Hyper-V. ---- */

#define HYPERV_GUEST_OS_ID 0x40000000
#define HYPERV_HYPERCALL 0x40000001
#define HYPERV_VP_INDEX 0x40000002

static int hyperv_refuse(const struct x86_vcpu *cpu, const struct msr_row *row, bool from_host)
{
	return from_host || hyperv_enabled(cpu) ? 0 : why(-EINVAL, "msr 0x%x (%s): the guest's CPUID does not tell of Hyper-V", row->index, row->name);
}

static int hyperv_get(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t *value)
{
	const struct x86_vm *vm = x86_vm(cpu);

	switch (row->index) {
	case HYPERV_GUEST_OS_ID: *value = vm->hyperv_guest_id; break;
	case HYPERV_HYPERCALL: *value = vm->hyperv_hypercall; break;
	case HYPERV_VP_INDEX: *value = cpu->hyperv_index_set ? cpu->hyperv_index : cpu->vcpu.index; break;
	}
	return hyperv_refuse(cpu, row, from_host);
}

static int hyperv_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	int error = hyperv_refuse(cpu, row, from_host);

	if (error)
		return error;
	switch (row->index) {
	case HYPERV_GUEST_OS_ID:
		hyperv_guest_id_set(cpu, value);
		return 0;
	case HYPERV_HYPERCALL:
		return hyperv_hypercall_page_set(cpu, value) ? 0 : refuse(row, value);
	case HYPERV_VP_INDEX:
		if (!from_host || value >= VM_MAX_VCPUS)
			return refuse(row, value);
		cpu->hyperv_index = (uint32_t)value;
		cpu->hyperv_index_set = true;
		return 0;
	}
	return refuse(row, value);
}

/* The local APIC's timer: only in the mode that uses it. */
static int tsc_deadline_get(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t *value)
{
	(void)row;
	(void)from_host;
	*value = lapic_tsc_deadline_get(cpu);
	return 0;
}

static int tsc_deadline_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	(void)row;
	(void)from_host;
	lapic_tsc_deadline_set(cpu, value);
	return 0;
}

/* Registers that do nothing and read as zero. */
static int ignore_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	(void)cpu;
	(void)row;
	(void)from_host;
	(void)value;
	return 0;
}

static int read_only_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	if (from_host && value == *value_of(cpu, row, row->index))
		return 0;
	return refuse(row, value);
}

/* Not even what it holds. */
static int refuse_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	(void)cpu;
	(void)from_host;
	return refuse(row, value);
}

static int microcode_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	/* A guest writes 0 before it reads the revision. */
	if (from_host)
		*value_of(cpu, row, row->index) = value;
	return 0;
}

static int mcg_ctl_set(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t value)
{
	if (from_host && value == *value_of(cpu, row, row->index))
		return 0;
	if (!(cpu->mcg_cap & (1 << 8)) || (value != 0 && value != UINT64_MAX))
		return refuse(row, value);
	*value_of(cpu, row, row->index) = value;
	return 0;
}

static int mcg_cap_get(struct x86_vcpu *cpu, const struct msr_row *row, bool from_host, uint64_t *value)
{
	(void)row;
	(void)from_host;
	*value = cpu->mcg_cap;
	return 0;
}

/* ---- The table, sorted by index. ---- */

#define TYPE_VARIABLE_COUNT 8
#define UCODE_REV 0x8b
#define PLATFORM_INFO 0xce

/* What Linux gives a guest of each vendor. */
static uint64_t ucode_revision(void)
{
	return cpuid_vendor_amd() ? 0x01000065 : UINT64_C(0x100000000);
}

static const struct msr_row rows[] = {
	{ 0x0, 2, "p5 machine check", 0, 0, UINT64_MAX, 0, NULL, refuse_set },
	{ 0x10, 0, "tsc", 0, 0, 0, LISTED, tsc_get, tsc_set },
	{ 0x11, 0, "kvm_wall_clock", 0, 0, 0, LISTED, wall_clock_get, wall_clock_set },
	{ 0x12, 0, "kvm_system_time", 0, 0, 0, LISTED, system_time_get, system_time_set },
	{ 0x1b, 0, "apic_base", FIELD(apic_base), 0, 0, 0, NULL, apic_base_set },
	{ 0x34, 0, "smi_count", 0, 0, 0, HOST_ONLY_WRITE, NULL, NULL },
	{ 0x3b, 0, "tsc_adjust", FIELD(tsc_adjust), 0, 0, LISTED, NULL, tsc_adjust_set },
	{ UCODE_REV, 0, "ucode_rev", 0, 0, 0, LISTED | FEATURE, NULL, microcode_set },
	{ PLATFORM_INFO, 0, "platform_info", 0, 0x80000000, 0, HOST_ONLY_WRITE | LISTED, platform_info_get, NULL },
	{ 0xfe, 0, "mtrr_cap", 0, 0x508, 0, 0, NULL, read_only_set },
	{ 0x10a, 0, "arch_capabilities", 0, 0, 0, HOST_ONLY_WRITE | LISTED | FEATURE, NULL, NULL },
	{ 0x140, 0, "misc_features_enables", 0, 0, 0, LISTED, NULL, misc_features_set },
	{ 0x174, 0, "sysenter_cs", FIELD(sysenter_cs), 0, 0, LISTED, NULL, NULL },
	{ 0x175, 0, "sysenter_esp", FIELD(sysenter_esp), 0, 0, LISTED, NULL, sysenter_set },
	{ 0x176, 0, "sysenter_eip", FIELD(sysenter_eip), 0, 0, LISTED, NULL, sysenter_set },
	{ 0x179, 0, "mcg_cap", 0, 0, 0, 0, mcg_cap_get, read_only_set },
	{ 0x17a, 0, "mcg_status", 0, 0, 0, LISTED, NULL, NULL },
	{ 0x17b, 0, "mcg_ctl", 0, 0, 0, LISTED, NULL, mcg_ctl_set },
	{ 0x1a0, 0, "misc_enable", 0, 0x1800, 0, LISTED, NULL, NULL },
	{ 0x1d9, 0, "debugctl", 0, 0, 0, LISTED, NULL, ignore_set },
	{ 0x1db, 4, "last branch", 0, 0, 0, LISTED, NULL, ignore_set },
	{ 0x1fc, 0, "power_ctl", 0, 0, 0, LISTED, NULL, NULL },
	{ 0x200, 2 * TYPE_VARIABLE_COUNT, "mtrr_phys", 0, 0, 0, 0, NULL, NULL },
	{ 0x250, 0, "mtrr_fix64k", 0, 0, 0, 0, NULL, NULL },
	{ 0x258, 2, "mtrr_fix16k", 0, 0, 0, 0, NULL, NULL },
	{ 0x268, 8, "mtrr_fix4k", 0, 0, 0, 0, NULL, NULL },
	{ 0x277, 0, "pat", 0, 0x0007040600070406, 0, LISTED, NULL, pat_set },
	{ 0x2ff, 0, "mtrr_def_type", 0, 0, 0, 0, NULL, mtrr_default_set },
	{ 0x400, 4 * MCE_BANKS_MAX, "mc", 0, 0, 0, 0, NULL, NULL },
	{ 0x6e0, 0, "tsc_deadline", 0, 0, 0, LISTED, tsc_deadline_get, tsc_deadline_set },
	{ 0xda0, 0, "xss", FIELD(xss), 0, UINT64_MAX, 0, NULL, NULL },
	{ HYPERV_GUEST_OS_ID, 0, "hv_guest_os_id", 0, 0, 0, LISTED, hyperv_get, hyperv_set },
	{ HYPERV_HYPERCALL, 0, "hv_hypercall", 0, 0, 0, LISTED, hyperv_get, hyperv_set },
	{ HYPERV_VP_INDEX, 0, "hv_vp_index", 0, 0, 0, LISTED, hyperv_get, hyperv_set },
	{ 0x4b564d00, 0, "kvm_wall_clock_new", 0, 0, 0, LISTED, wall_clock_get, wall_clock_set },
	{ 0x4b564d01, 0, "kvm_system_time_new", 0, 0, 0, LISTED, system_time_get, system_time_set },
	{ 0x4b564d03, 0, "kvm_steal_time", 0, 0, 0, LISTED, steal_time_get, steal_time_set },
	{ 0x4b564d04, 0, "kvm_pv_eoi_en", 0, 0, 0, LISTED, pv_eoi_get, pv_eoi_set },
	{ 0x4b564d05, 0, "kvm_poll_control", 0, 1, 0, LISTED, poll_control_get, poll_control_set },
	{ 0xc0000080, 0, "efer", FIELD(efer), 0, 0, 0, NULL, efer_set },
	{ 0xc0000081, 0, "star", FIELD(star), 0, 0, LISTED, NULL, NULL },
	{ 0xc0000082, 0, "lstar", FIELD(lstar), 0, 0, LISTED | CANONICAL, NULL, NULL },
	{ 0xc0000083, 0, "cstar", FIELD(cstar), 0, 0, LISTED | CANONICAL, NULL, NULL },
	{ 0xc0000084, 0, "syscall_mask", FIELD(sfmask), 0, 0, LISTED, NULL, NULL },
	{ 0xc0000100, 0, "fs_base", 0, 0, 0, CANONICAL, segment_base_get, segment_base_set },
	{ 0xc0000101, 0, "gs_base", 0, 0, 0, CANONICAL, segment_base_get, segment_base_set },
	{ 0xc0000102, 0, "kernel_gs_base", FIELD(kernel_gs_base), 0, 0, LISTED | CANONICAL, NULL, NULL },
	{ 0xc0000103, 0, "tsc_aux", FIELD(tsc_aux), 0, 0, LISTED, NULL, tsc_aux_set },
	{ 0xc0010015, 0, "hwcr", 0, 0, 0, LISTED, NULL, hwcr_set },
};

#define ROWS (sizeof rows / sizeof *rows)

static uint32_t row_count(const struct msr_row *row)
{
	return row->count ? row->count : 1;
}

static const struct msr_row *row_find(uint32_t index)
{
	size_t low = 0, high = ROWS;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (index < rows[middle].index)
			high = middle;
		else if (index - rows[middle].index < row_count(&rows[middle]))
			return &rows[middle];
		else
			low = middle + 1;
	}
	return NULL;
}

/* Where in msr_values a row's values begin. */
static size_t row_place(const struct msr_row *row)
{
	size_t place = 0;

	for (const struct msr_row *at = rows; at < row; at++)
		place += row_count(at);
	return place;
}

static size_t values_count(void)
{
	return row_place(rows + ROWS);
}

size_t msrs_size(void)
{
	return values_count() * sizeof(uint64_t);
}

static uint64_t *value_of(struct x86_vcpu *cpu, const struct msr_row *row, uint32_t index)
{
	if (row->field)
		return (uint64_t *)((uint8_t *)cpu + row->field);
	return &cpu->msr_values[row_place(row) + (index - row->index)];
}

int msrs_create(struct x86_vcpu *cpu)
{
	cpu->msr_values = calloc(values_count(), sizeof *cpu->msr_values);
	if (!cpu->msr_values)
		return -ENOMEM;
	for (const struct msr_row *row = rows; row < rows + ROWS; row++)
		for (uint32_t i = 0; i < row_count(row) && !row->field; i++)
			*value_of(cpu, row, row->index + i) = row->reset;
	*value_of(cpu, row_find(UCODE_REV), UCODE_REV) = ucode_revision();
	/* The program that has this quirk's absence writes feature MSRs itself. */
	if (x86_vm(cpu)->disabled_quirks & KVM_X86_QUIRK_STUFF_FEATURE_MSRS)
		*value_of(cpu, row_find(PLATFORM_INFO), PLATFORM_INFO) = 0;
	return 0;
}

void msrs_destroy(struct x86_vcpu *cpu)
{
	free(cpu->msr_values);
	cpu->msr_values = NULL;
}

/* ---- Reading and writing. ---- */

static bool canonical(const struct x86_vcpu *cpu, uint64_t address)
{
	unsigned int shift = 64 - (cpu->cr4 & CR4_LA57 ? 57u : 48u);

	return (uint64_t)((int64_t)(address << shift) >> shift) == address;
}

static int unknown(uint32_t index)
{
	return why(-ENOENT, "msr 0x%x: there is no such register", index);
}

int msr_read(struct x86_vcpu *cpu, uint32_t index, bool from_host, uint64_t *value)
{
	const struct msr_row *row;

	if (index - 0x800 < 0x100)
		return lapic_msr_read(cpu, index, value) ? 0 : why(-EINVAL, "msr 0x%x: not readable, or the APIC is not in x2APIC mode", index);
	row = row_find(index);
	if (!row)
		return unknown(index);
	if (row->get)
		return row->get(cpu, row, from_host, value);
	*value = *value_of(cpu, row, index);
	return 0;
}

const uint64_t *msr_place(struct x86_vcpu *cpu, uint32_t index)
{
	const struct msr_row *row = row_find(index);

	return row && !row->get && index - 0x800 >= 0x100 ? value_of(cpu, row, index) : NULL;
}

/* Ranges whose registers differ among themselves: variable MTRRs, fixed MTRRs, machine-check banks. */
static int range_check(const struct x86_vcpu *cpu, const struct msr_row *row, uint32_t index, uint64_t value)
{
	if (row->index == 0x200) {
		if (index & 1 ? value & (physical_reserved(cpu) | 0x7ff) : value & (physical_reserved(cpu) | 0xf00) || !memory_type_ok(value & 0xff) || (value & 0xff) == 7)
			return refuse(row, value);
	} else if (row->index == 0x250 || row->index == 0x258 || row->index == 0x268) {
		if (!memory_types_ok(value, false))
			return refuse(row, value);
	} else if (row->index == 0x400 && (index & 3) == 0) {
		/* All ones or zero, or without bit 10 (Linux clears it on some) or bit 0. */
		if (value != 0 && (value | (1 << 10) | 1) != UINT64_MAX)
			return refuse(row, value);
	}
	return 0;
}

int msr_write(struct x86_vcpu *cpu, uint32_t index, bool from_host, uint64_t value)
{
	const struct msr_row *row;
	int error;

	if (index && index == atomic_load_explicit(&x86_vm(cpu)->xen.msr, memory_order_relaxed))
		return xen_hypercall_page_write(cpu, value) ? 0 : why(-EINVAL, "msr 0x%x: no hypercall page can be written to 0x%llx", index, (unsigned long long)value);
	if (index - 0x800 < 0x100)
		return lapic_msr_write(cpu, index, value) ? 0 : why(-EINVAL, "msr 0x%x: not writable so, or the APIC is not in x2APIC mode", index);
	row = row_find(index);
	if (!row)
		return unknown(index);
	if (row->flags & HOST_ONLY_WRITE && !from_host)
		return why(-EINVAL, "msr 0x%x (%s): read-only for the guest", index, row->name);
	if (row->flags & CANONICAL && !canonical(cpu, value))
		return why(-EINVAL, "msr 0x%x (%s): 0x%llx is not canonical", index, row->name, (unsigned long long)value);
	if (value & row->reserved)
		return refuse(row, value);
	if (row->set)
		return row->set(cpu, row, from_host, value);
	error = range_check(cpu, row, index, value);
	if (error)
		return error;
	*value_of(cpu, row, index) = value;
	return 0;
}

/* ---- Lists. ---- */

static const uint32_t *list_make(unsigned int flag, uint32_t *room, uint32_t *count)
{
	*count = 0;
	for (const struct msr_row *row = rows; row < rows + ROWS; row++)
		for (uint32_t i = 0; row->flags & flag && i < row_count(row); i++)
			room[(*count)++] = row->index + i;
	return room;
}

const uint32_t *msr_index_list(uint32_t *count)
{
	static _Thread_local uint32_t list[96];

	return list_make(LISTED, list, count);
}

const uint32_t *msr_feature_list(uint32_t *count)
{
	static _Thread_local uint32_t list[8];

	return list_make(FEATURE, list, count);
}

int msr_feature_read(uint32_t index, uint64_t *value)
{
	const struct msr_row *row = row_find(index);

	if (!row || !(row->flags & FEATURE))
		return why(-ENOENT, "msr 0x%x: no feature register", index);
	*value = index == UCODE_REV ? ucode_revision() : row->reset;
	return 0;
}

/* ---- KVM_X86_SET_MSR_FILTER, as vm_memory_stop() publishes it. ---- */

bool msr_allowed(struct x86_vcpu *cpu, uint32_t index, bool write)
{
	const struct msr_filter *filter = atomic_load_explicit(&x86_vm(cpu)->filter, memory_order_acquire);
	uint32_t want = write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ;

	/* x2APIC's are never filtered. */
	if (!filter || index - 0x800 < 0x100)
		return true;
	for (uint32_t i = 0; i < filter->count; i++) {
		const struct msr_range *range = &filter->ranges[i];
		uint32_t bit = index - range->base;

		if (bit < range->count && range->flags & want)
			return range->bitmap[bit / 8] >> bit % 8 & 1;
	}
	return filter->default_allow;
}

/* ---- KVM_X86_SETUP_MCE, KVM_X86_SET_MCE: api.rst, 4.104, 4.106. ---- */

int mce_setup(struct x86_vcpu *cpu, uint64_t mcg_cap)
{
	unsigned int banks = mcg_cap & 0xff;
	const struct msr_row *row = row_find(0x400);

	if (!banks || banks > MCE_BANKS_MAX)
		return why(-EINVAL, "mcg_cap: %u banks; 1 to %u can be had", banks, MCE_BANKS_MAX);
	if (mcg_cap & ~(MCE_CAP_SUPPORTED | 0xff | 0xff0000))
		return why(-EINVAL, "mcg_cap: 0x%llx has bits that are not supported", (unsigned long long)mcg_cap);
	cpu->mcg_cap = mcg_cap;
	if (mcg_cap & (1 << 8))
		*value_of(cpu, row_find(0x17b), 0x17b) = UINT64_MAX;
	for (uint32_t bank = 0; bank < banks; bank++)
		*value_of(cpu, row, 0x400 + 4 * bank) = UINT64_MAX;
	return 0;
}

int mce_set(struct x86_vcpu *cpu, const struct kvm_x86_mce *mce)
{
	const struct msr_row *row = row_find(0x400);
	uint64_t *status, uncorrected = UINT64_C(1) << 61, valid = UINT64_C(1) << 63, overflow = UINT64_C(1) << 62;

	if (mce->bank >= (cpu->mcg_cap & 0xff) || !(mce->status & valid))
		return why(-EINVAL, "bank %u is not one of %u, or the status is not valid (bit 63)", mce->bank, (unsigned int)(cpu->mcg_cap & 0xff));
	status = value_of(cpu, row, 0x401 + 4 * mce->bank);
	if (mce->status & uncorrected) {
		uint64_t *mcg_status = value_of(cpu, row_find(0x17a), 0x17a);

		/* A machine check in the middle of one, or without CR4.MCE, shuts down. */
		if (*mcg_status & 4 || !(cpu->cr4 & CR4_MCE)) {
			cpu->triple_fault_pending = true;
			return 0;
		}
		*mcg_status = mce->mcg_status;
		cpu->exception.pending = true;
		cpu->exception.injected = cpu->exception.has_error_code = cpu->exception.has_payload = false;
		cpu->exception.nr = VECTOR_MC;
	}
	if (*status & valid)
		*status = mce->status | overflow;
	else
		*status = mce->status;
	*value_of(cpu, row, 0x402 + 4 * mce->bank) = mce->addr;
	*value_of(cpu, row, 0x403 + 4 * mce->bank) = mce->misc;
	return 0;
}
