/*
 * CPUID: what the interpreter can do, what the program gave the guest, and what KVM adjusts at run time. SDM Vol. 2A, CPUID;
 * api.rst, KVM_GET_SUPPORTED_CPUID and KVM_SET_CPUID2.
 */
#include <errno.h>
#include <linux/kvm_para.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "core/why.h"
#include "x86/clock.h"

#define INDEXED KVM_CPUID_FLAG_SIGNIFCANT_INDEX

#define BIT(n) (1u << (n))

/* Leaf 1: x86-64-v2, with the local APIC and XSAVE. */
#define LEAF1_ECX (BIT(0) /* SSE3 */ | BIT(9) /* SSSE3 */ | BIT(13) /* CX16 */ | BIT(19) /* SSE4.1 */ | BIT(20) /* SSE4.2 */ |    \
		   BIT(21) /* x2APIC */ | BIT(22) /* MOVBE */ | BIT(23) /* POPCNT */ | BIT(26) /* XSAVE */ | BIT(30) /* RDRAND */)
#define LEAF1_EDX (BIT(0) /* FPU */ | BIT(1) /* VME */ | BIT(2) /* DE */ | BIT(3) /* PSE */ | BIT(4) /* TSC */ | BIT(5) /* MSR */ |     \
		   BIT(6) /* PAE */ | BIT(7) /* MCE */ | BIT(8) /* CX8 */ | BIT(9) /* APIC */ | BIT(11) /* SEP */ | BIT(12) /* MTRR */ | \
		   BIT(13) /* PGE */ | BIT(14) /* MCA */ | BIT(15) /* CMOV */ | BIT(16) /* PAT */ | BIT(17) /* PSE-36 */ |           \
		   BIT(19) /* CLFSH */ | BIT(23) /* MMX */ | BIT(24) /* FXSR */ | BIT(25) /* SSE */ | BIT(26) /* SSE2 */)
#define LEAF7_EBX (BIT(0) /* FSGSBASE */ | BIT(7) /* SMEP */ | BIT(9) /* ERMS */ | BIT(13) /* FCS and FDS are saved as zero */ | BIT(20) /* SMAP */ | BIT(23) /* CLFLUSHOPT */)
#define LEAF7_ECX (BIT(2) /* UMIP */ | BIT(3) /* PKU */ | BIT(16) /* LA57 */)
#define LEAF7_EDX BIT(4) /* FSRM */
/* Leaf 0x80000001, besides what AMD repeats of leaf 1. */
#define EXTENDED_ECX BIT(0) /* LAHF */
#define EXTENDED_EDX (BIT(11) /* SYSCALL */ | BIT(20) /* NX */ | BIT(26) /* 1 GiB pages */ | BIT(27) /* RDTSCP */ | BIT(29) /* LM */)
#define EXTENDED_EDX_REPEATED UINT32_C(0x0183f3ff)

/* Leaf 0x40000001 (Documentation/virt/kvm/x86/cpuid.rst): pv.c. */
#define PV_FEATURES (BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) | BIT(KVM_FEATURE_CLOCKSOURCE2) |                 \
		     BIT(KVM_FEATURE_STEAL_TIME) | BIT(KVM_FEATURE_PV_EOI) | BIT(KVM_FEATURE_PV_UNHALT) |                     \
		     BIT(KVM_FEATURE_PV_SEND_IPI) | BIT(KVM_FEATURE_POLL_CONTROL) | BIT(KVM_FEATURE_PV_SCHED_YIELD) |         \
		     BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT))

#define PHYSICAL_BITS 40
#define LINEAR_BITS 48
#define LINEAR_BITS_LA57 57

/* The XSAVE area: SDM Vol. 1, 13.4. */
#define XSAVE_BASE 0x240
#define XSAVE_AVX_SIZE 0x100
#define XSAVE_PKRU_OFFSET 0xa80
#define XSAVE_PKRU_SIZE 8

static bool intel;

/* Asked once: in a virtual machine CPUID takes microseconds. */
static void vendor_ask(void)
{
#if defined(__x86_64__)
	unsigned int eax, ebx, ecx, edx;

	intel = __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == 0x756e6547;
#endif
}

static bool vendor_intel(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, vendor_ask);
	return intel;
}

bool cpuid_vendor_amd(void)
{
	return !vendor_intel();
}

/* Programs execute CPUID themselves and take its vendor for the guest's: so it is the machine's. */
static void vendor_put(struct kvm_cpuid_entry2 *entry)
{
	const char *name = vendor_intel() ? "GenuineIntel" : "AuthenticAMD";

	memcpy(&entry->ebx, name, 4);
	memcpy(&entry->edx, name + 4, 4);
	memcpy(&entry->ecx, name + 8, 4);
}

/* Family 23 (AMD) or 6 (Intel), as the vendor counts. */
static uint32_t signature(void)
{
	return vendor_intel() ? 0x000906ea : 0x00800f12;
}

static uint32_t xsave_size(uint64_t xcr0)
{
	if (xcr0 & XCR0_PKRU)
		return XSAVE_PKRU_OFFSET + XSAVE_PKRU_SIZE;
	return xcr0 & XCR0_AVX ? XSAVE_BASE + XSAVE_AVX_SIZE : XSAVE_BASE;
}

/* ---- What is supported. ---- */

struct table {
	struct kvm_cpuid_entry2 *entries;
	uint32_t count, room;
	bool overflow;
};

static void table_add(struct table *table, struct kvm_cpuid_entry2 entry)
{
	if (table->count < table->room)
		table->entries[table->count++] = entry;
	else
		table->overflow = true;
}

static void add_basic(struct table *table)
{
	struct kvm_cpuid_entry2 entry = { .function = 0, .eax = 0xd };

	vendor_put(&entry);
	table_add(table, entry);
	table_add(table, (struct kvm_cpuid_entry2){ .function = 1, .eax = signature(), .ebx = 8 << 8 | 1 << 16, .ecx = LEAF1_ECX, .edx = LEAF1_EDX });
	for (uint32_t function = 2; function <= 6; function++)
		table_add(table, (struct kvm_cpuid_entry2){ .function = function, .flags = function == 4 ? INDEXED : 0, .eax = function == 6 ? BIT(2) /* ARAT */ : 0 });
	table_add(table, (struct kvm_cpuid_entry2){ .function = 7, .flags = INDEXED, .ebx = LEAF7_EBX, .ecx = LEAF7_ECX, .edx = LEAF7_EDX });
	for (uint32_t function = 8; function <= 0xc; function++)
		table_add(table, (struct kvm_cpuid_entry2){ .function = function, .flags = function == 0xb ? INDEXED : 0 });
}

static void add_xsave(struct table *table)
{
	uint32_t size = xsave_size(CPUID_XCR0);

	table_add(table, (struct kvm_cpuid_entry2){ .function = 0xd, .flags = INDEXED, .eax = CPUID_XCR0, .ebx = size, .ecx = size });
	table_add(table, (struct kvm_cpuid_entry2){ .function = 0xd, .index = 1, .flags = INDEXED, .eax = BIT(0) /* XSAVEOPT */ | BIT(2) /* XGETBV 1 */ });
	table_add(table, (struct kvm_cpuid_entry2){ .function = 0xd, .index = 2, .flags = INDEXED, .eax = XSAVE_AVX_SIZE, .ebx = XSAVE_BASE });
	table_add(table, (struct kvm_cpuid_entry2){ .function = 0xd, .index = 9, .flags = INDEXED, .eax = XSAVE_PKRU_SIZE, .ebx = XSAVE_PKRU_OFFSET });
}

static void add_brand(struct table *table)
{
	char brand[48] = "anykvm software processor";

	for (uint32_t i = 0; i < 3; i++) {
		struct kvm_cpuid_entry2 entry = { .function = 0x80000002 + i };

		memcpy(&entry.eax, brand + 16 * i, 4);
		memcpy(&entry.ebx, brand + 16 * i + 4, 4);
		memcpy(&entry.ecx, brand + 16 * i + 8, 4);
		memcpy(&entry.edx, brand + 16 * i + 12, 4);
		table_add(table, entry);
	}
}

static void add_extended(struct table *table)
{
	struct kvm_cpuid_entry2 entry = { .function = 0x80000000, .eax = 0x80000008 };

	vendor_put(&entry);
	table_add(table, entry);
	table_add(table, (struct kvm_cpuid_entry2){ .function = 0x80000001, .eax = vendor_intel() ? 0 : signature(), .ecx = EXTENDED_ECX,
						    .edx = EXTENDED_EDX | (vendor_intel() ? 0 : LEAF1_EDX & EXTENDED_EDX_REPEATED) });
	add_brand(table);
	table_add(table, (struct kvm_cpuid_entry2){ .function = 0x80000005 });
	table_add(table, (struct kvm_cpuid_entry2){ .function = 0x80000006 });
	table_add(table, (struct kvm_cpuid_entry2){ .function = 0x80000007, .edx = BIT(8) /* invariant TSC */ });
	table_add(table, (struct kvm_cpuid_entry2){ .function = 0x80000008, .eax = PHYSICAL_BITS | LINEAR_BITS_LA57 << 8 });
}

/* KVM's own leaves (Documentation/virt/kvm/x86/cpuid.rst); the features it names are those that work. */
static void add_kvm(struct table *table)
{
	struct kvm_cpuid_entry2 entry = { .function = 0x40000000, .eax = 0x40000001 };

	memcpy(&entry.ebx, "KVMK", 4);
	memcpy(&entry.ecx, "VMKV", 4);
	memcpy(&entry.edx, "M\0\0\0", 4);
	table_add(table, entry);
	table_add(table, (struct kvm_cpuid_entry2){ .function = 0x40000001, .eax = PV_FEATURES });
}

int cpuid_supported(struct kvm_cpuid_entry2 *entries, uint32_t *count)
{
	struct table table = { .entries = entries, .room = *count };

	add_basic(&table);
	add_xsave(&table);
	add_extended(&table);
	add_kvm(&table);
	if (table.overflow)
		return why(-E2BIG, "nent: %u is less than the number of supported leaves", *count);
	*count = table.count;
	return 0;
}

int cpuid_emulated(struct kvm_cpuid_entry2 *entries, uint32_t *count)
{
	struct table table = { .entries = entries, .room = *count };

	/* Linux emulates MOVBE and RDPID; here RDPID does not exist, and the rest is simply supported. */
	table_add(&table, (struct kvm_cpuid_entry2){ .function = 0, .eax = 7 });
	table_add(&table, (struct kvm_cpuid_entry2){ .function = 1, .ecx = BIT(22) });
	table_add(&table, (struct kvm_cpuid_entry2){ .function = 7, .flags = INDEXED });
	if (table.overflow)
		return why(-E2BIG, "nent: %u is less than the number of leaves", *count);
	*count = table.count;
	return 0;
}

/* ---- The guest's table. ---- */

const struct kvm_cpuid_entry2 *cpuid_find(const struct x86_vcpu *cpu, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < cpu->cpuid_count; i++) {
		const struct kvm_cpuid_entry2 *entry = &cpu->cpuid[i];

		if (entry->function == function && (!(entry->flags & INDEXED) || entry->index == index))
			return entry;
	}
	return NULL;
}

bool cpuid_has(const struct x86_vcpu *cpu, uint32_t function, uint32_t index, enum gpr which, unsigned int bit)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(cpu, function, index);
	uint32_t value;

	if (!entry)
		return false;
	value = which == RAX ? entry->eax : which == RBX ? entry->ebx : which == RCX ? entry->ecx : entry->edx;
	return value >> bit & 1;
}

/* Where Xen's leaves begin in the guest's table, or 0. */
static uint32_t xen_base(const struct x86_vcpu *cpu)
{
	for (uint32_t base = 0x40000000; base < 0x40010000; base += 0x100) {
		const struct kvm_cpuid_entry2 *entry = cpuid_find(cpu, base, 0);

		if (entry && !memcmp(&entry->ebx, "XenV", 4) && !memcmp(&entry->ecx, "MMXe", 4) && !memcmp(&entry->edx, "nVMM", 4))
			return base;
	}
	return 0;
}

/* Xen tells a guest its clock (public/arch-x86/cpuid.h, leaf 3): how to compute it, and the TSC's rate. */
static void xen_time_tell(struct x86_vcpu *cpu, struct kvm_cpuid_entry2 *entry)
{
	if (entry->function >> 16 != 0x4000 || (entry->function & 0xff) != 3 || (entry->function & ~0xffu) != xen_base(cpu))
		return;
	if (entry->index == 1) {
		struct pvclock_page page = clock_page(cpu);

		entry->ecx = page.tsc_to_system_mul;
		entry->edx = (uint32_t)page.tsc_shift;
	} else if (entry->index == 2) {
		entry->eax = tsc_khz_get(cpu);
	}
}

/* What KVM makes of an entry when it is read or executed: the bits that mirror control registers and XCR0. */
static struct kvm_cpuid_entry2 adjusted(struct x86_vcpu *cpu, struct kvm_cpuid_entry2 entry)
{
	uint64_t misc_enable;

	if (entry.function == 1) {
		/* IA32_MISC_ENABLE's bit 18 hides MONITOR (SDM Vol. 4): KVM looks at it only without its quirk. */
		if (x86_vm(cpu)->disabled_quirks & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT && !msr_read(cpu, 0x1a0, true, &misc_enable))
			entry.ecx = (entry.ecx & ~BIT(3)) | (misc_enable >> 18 & 1 ? BIT(3) : 0);
		entry.ecx = (entry.ecx & ~BIT(27)) | (cpu->cr4 & CR4_OSXSAVE ? BIT(27) : 0);
		entry.edx = (entry.edx & ~BIT(9)) | (cpu->apic_base & UINT64_C(0x800) ? BIT(9) : 0);
	} else if (entry.function == 7 && entry.index == 0) {
		entry.ecx = (entry.ecx & ~BIT(4)) | (cpu->cr4 & CR4_PKE ? BIT(4) : 0);
	} else if (entry.function == 0xd && entry.index == 0) {
		entry.ebx = xsave_size(cpu->xcr0);
	} else if (entry.function == KVM_CPUID_FEATURES && x86_vm(cpu)->disabled_exits & KVM_X86_DISABLE_EXITS_HLT) {
		/* A guest that halts by itself is not to be kicked by a hypercall. */
		entry.eax &= ~BIT(KVM_FEATURE_PV_UNHALT);
	} else {
		xen_time_tell(cpu, &entry);
	}
	return entry;
}

/* Everything that the table decides elsewhere. */
static void table_apply(struct x86_vcpu *cpu)
{
	const struct kvm_cpuid_entry2 *sizes = cpuid_find(cpu, 0x80000000, 0), *leaf = NULL;
	uint64_t reserved = ~(CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT |
			      CR4_UMIP | CR4_LA57 | CR4_FSGSBASE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PKE);

	if (sizes && sizes->eax >= 0x80000008)
		leaf = cpuid_find(cpu, 0x80000008, 0);
	cpu->physical_bits = leaf ? leaf->eax & 0xff : 36;
	if (cpu->physical_bits > 52)
		cpu->physical_bits = 52;
	if (!cpuid_has(cpu, 1, 0, RCX, 26))
		reserved |= CR4_OSXSAVE;
	if (!cpuid_has(cpu, 7, 0, RBX, 7))
		reserved |= CR4_SMEP;
	if (!cpuid_has(cpu, 7, 0, RBX, 20))
		reserved |= CR4_SMAP;
	if (!cpuid_has(cpu, 7, 0, RBX, 0))
		reserved |= CR4_FSGSBASE;
	if (!cpuid_has(cpu, 7, 0, RCX, 3))
		reserved |= CR4_PKE;
	if (!cpuid_has(cpu, 7, 0, RCX, 16))
		reserved |= CR4_LA57;
	if (!cpuid_has(cpu, 7, 0, RCX, 2))
		reserved |= CR4_UMIP;
	cpu->cr4_reserved = reserved;
}

/* The width of linear addresses that the table tells: only what paging can have. */
static int table_check(const struct kvm_cpuid_entry2 *entries, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t bits = entries[i].eax >> 8 & 0xff;

		if (entries[i].function == 0x80000008 && bits != 0 && bits != LINEAR_BITS && bits != LINEAR_BITS_LA57)
			return why(-EINVAL, "cpuid 0x80000008: a linear address width of %u bits is neither 48 nor 57", bits);
	}
	return 0;
}

/* Tables are the same if the guest could not tell them apart. */
static bool table_same(struct x86_vcpu *cpu, const struct kvm_cpuid_entry2 *entries, uint32_t count)
{
	if (count != cpu->cpuid_count)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		struct kvm_cpuid_entry2 old = adjusted(cpu, cpu->cpuid[i]), new = adjusted(cpu, entries[i]);

		if (old.function != new.function || old.index != new.index || old.flags != new.flags || old.eax != new.eax || old.ebx != new.ebx ||
		    old.ecx != new.ecx || old.edx != new.edx)
			return false;
	}
	return true;
}

int cpuid_set(struct x86_vcpu *cpu, struct kvm_cpuid_entry2 *entries, uint32_t count)
{
	int error;

	if (cpu->ran) {
		if (!table_same(cpu, entries, count))
			return why(-EINVAL, "cpuid: cannot change once the vCPU has run");
		free(entries);
		return 0;
	}
	error = table_check(entries, count);
	if (error)
		return error;
	free(cpu->cpuid);
	cpu->cpuid = entries;
	cpu->cpuid_count = count;
	table_apply(cpu);
	return 0;
}

int cpuid_get(struct x86_vcpu *cpu, struct kvm_cpuid_entry2 *entries, uint32_t *count)
{
	if (*count < cpu->cpuid_count)
		return why(-E2BIG, "nent: %u, but the vCPU has %u entries", *count, cpu->cpuid_count);
	for (uint32_t i = 0; i < cpu->cpuid_count; i++)
		entries[i] = adjusted(cpu, cpu->cpuid[i]);
	*count = cpu->cpuid_count;
	return 0;
}

/* ---- The instruction. ---- */

/* Beyond the last leaf of its range: Intel's processors answer as the last basic leaf, AMD's with zeroes (api.rst is silent; KVM does so). */
static const struct kvm_cpuid_entry2 *out_of_range(const struct x86_vcpu *cpu, uint32_t function, uint32_t index)
{
	const struct kvm_cpuid_entry2 *basic = cpuid_find(cpu, 0, 0), *range = cpuid_find(cpu, function & 0xffff0000, 0);

	if (!basic || basic->ebx != 0x756e6547)
		return NULL;
	if (range && range->eax >= function)
		return NULL;
	return cpuid_find(cpu, basic->eax, index);
}

void cpuid_execute(struct x86_vcpu *cpu, uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx)
{
	const struct kvm_cpuid_entry2 *found = cpuid_find(cpu, *eax, *ecx);
	uint32_t function = *eax, index = *ecx;
	struct kvm_cpuid_entry2 entry = { 0 };

	if (!found)
		found = out_of_range(cpu, function, index);
	if (found)
		entry = adjusted(cpu, *found);
	else if (function == 0xb || function == 0x1f) {
		/* An unknown level of the topology still names itself and the x2APIC id. */
		found = cpuid_find(cpu, function, 1);
		if (found) {
			entry.ecx = index & 0xff;
			entry.edx = found->edx;
		}
	}
	*eax = entry.eax;
	*ebx = entry.ebx;
	*ecx = entry.ecx;
	*edx = entry.edx;
}
