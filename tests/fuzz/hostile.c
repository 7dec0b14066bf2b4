/*
 * One ioctl with arguments that are plausible, hostile or both: every KVM request there is, on descriptors that fit and that do not, with structures
 * that are nearly right (what the matching GET returned, with a few bits flipped), random, or not there at all. It must never hand out memory
 * that is not the arena's.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <anykvm/kvm.h>

#include "scene.h"

enum shape {
	NUMBER,		/* the argument is a number */
	BYTES,		/* random contents */
	ECHO,		/* what a GET returned, slightly changed */
	LIST,		/* a count, then entries; the count may lie */
	SLOT, DIRTY_LOG, CLEAR_LOG, SIGNAL_MASK, CAPABILITY, EVENT, ATTRIBUTE, REGISTER, REGISTERS, FILTER,
};

static const struct call {
	const char *name;
	unsigned long request;
	unsigned long get;	/* for ECHO */
	enum fd_kind on;
	enum shape shape;
	uint8_t weight;
} calls[] = {
	{ "GET_API_VERSION", KVM_GET_API_VERSION, 0, FD_SYSTEM, NUMBER, 1 },
	{ "CREATE_VM", KVM_CREATE_VM, 0, FD_SYSTEM, NUMBER, 3 },
	{ "GET_VCPU_MMAP_SIZE", KVM_GET_VCPU_MMAP_SIZE, 0, FD_SYSTEM, NUMBER, 1 },
	{ "CHECK_EXTENSION", KVM_CHECK_EXTENSION, 0, FD_SYSTEM | FD_VM, NUMBER, 2 },
	{ "GET_MSR_INDEX_LIST", KVM_GET_MSR_INDEX_LIST, 0, FD_SYSTEM, LIST, 2 },
	{ "GET_MSR_FEATURE_INDEX_LIST", KVM_GET_MSR_FEATURE_INDEX_LIST, 0, FD_SYSTEM, LIST, 2 },
	{ "GET_SUPPORTED_CPUID", KVM_GET_SUPPORTED_CPUID, 0, FD_SYSTEM, LIST, 2 },
	{ "GET_EMULATED_CPUID", KVM_GET_EMULATED_CPUID, 0, FD_SYSTEM, LIST, 1 },
	{ "GET_SUPPORTED_HV_CPUID", KVM_GET_SUPPORTED_HV_CPUID, 0, FD_SYSTEM | FD_VCPU, LIST, 1 },
	{ "X86_GET_MCE_CAP_SUPPORTED", KVM_X86_GET_MCE_CAP_SUPPORTED, 0, FD_SYSTEM, BYTES, 1 },
	{ "CREATE_VCPU", KVM_CREATE_VCPU, 0, FD_VM, NUMBER, 5 },
	{ "SET_USER_MEMORY_REGION", KVM_SET_USER_MEMORY_REGION, 0, FD_VM, SLOT, 14 },
	{ "SET_USER_MEMORY_REGION2", _IOW(KVMIO, 0x49, uint8_t[160]), 0, FD_VM, SLOT, 4 },
	{ "GET_DIRTY_LOG", KVM_GET_DIRTY_LOG, 0, FD_VM, DIRTY_LOG, 6 },
	{ "CLEAR_DIRTY_LOG", KVM_CLEAR_DIRTY_LOG, 0, FD_VM, CLEAR_LOG, 4 },
	{ "SET_TSS_ADDR", KVM_SET_TSS_ADDR, 0, FD_VM, NUMBER, 1 },
	{ "SET_IDENTITY_MAP_ADDR", KVM_SET_IDENTITY_MAP_ADDR, 0, FD_VM, BYTES, 1 },
	{ "SET_NR_MMU_PAGES", KVM_SET_NR_MMU_PAGES, 0, FD_VM, NUMBER, 1 },
	{ "CREATE_IRQCHIP", KVM_CREATE_IRQCHIP, 0, FD_VM, NUMBER, 2 },
	{ "GET_IRQCHIP", KVM_GET_IRQCHIP, 0, FD_VM, LIST, 1 },
	{ "SET_IRQCHIP", KVM_SET_IRQCHIP, KVM_GET_IRQCHIP, FD_VM, ECHO, 1 },
	{ "IRQ_LINE", KVM_IRQ_LINE, 0, FD_VM, LIST, 2 },
	{ "IRQ_LINE_STATUS", KVM_IRQ_LINE_STATUS, 0, FD_VM, LIST, 1 },
	{ "SET_GSI_ROUTING", KVM_SET_GSI_ROUTING, 0, FD_VM, LIST, 2 },
	{ "SIGNAL_MSI", KVM_SIGNAL_MSI, 0, FD_VM, BYTES, 1 },
	{ "IRQFD", KVM_IRQFD, 0, FD_VM, EVENT, 3 },
	{ "IOEVENTFD", KVM_IOEVENTFD, 0, FD_VM, EVENT, 3 },
	{ "CREATE_PIT2", KVM_CREATE_PIT2, 0, FD_VM, BYTES, 1 },
	{ "GET_PIT2", KVM_GET_PIT2, 0, FD_VM, BYTES, 1 },
	{ "SET_PIT2", KVM_SET_PIT2, KVM_GET_PIT2, FD_VM, ECHO, 1 },
	{ "GET_CLOCK", KVM_GET_CLOCK, 0, FD_VM, BYTES, 1 },
	{ "SET_CLOCK", KVM_SET_CLOCK, KVM_GET_CLOCK, FD_VM, ECHO, 2 },
	{ "SET_BOOT_CPU_ID", KVM_SET_BOOT_CPU_ID, 0, FD_VM, NUMBER, 1 },
	{ "XEN_HVM_CONFIG", KVM_XEN_HVM_CONFIG, 0, FD_VM, BYTES, 1 },
	{ "XEN_HVM_GET_ATTR", KVM_XEN_HVM_GET_ATTR, 0, FD_VM, LIST, 2 },
	{ "XEN_HVM_SET_ATTR", KVM_XEN_HVM_SET_ATTR, 0, FD_VM, LIST, 2 },
	{ "XEN_HVM_EVTCHN_SEND", KVM_XEN_HVM_EVTCHN_SEND, 0, FD_VM, LIST, 1 },
	{ "XEN_VCPU_GET_ATTR", KVM_XEN_VCPU_GET_ATTR, 0, FD_VCPU, LIST, 2 },
	{ "XEN_VCPU_SET_ATTR", KVM_XEN_VCPU_SET_ATTR, 0, FD_VCPU, LIST, 2 },
	{ "CREATE_DEVICE", KVM_CREATE_DEVICE, 0, FD_VM, LIST, 1 },
	{ "ENABLE_CAP", KVM_ENABLE_CAP, 0, FD_VM | FD_VCPU, CAPABILITY, 4 },
	{ "X86_SET_MSR_FILTER", KVM_X86_SET_MSR_FILTER, 0, FD_VM, FILTER, 3 },
	{ "REINJECT_CONTROL", KVM_REINJECT_CONTROL, 0, FD_VM, BYTES, 1 },
	{ "GET_STATS_FD", KVM_GET_STATS_FD, 0, FD_VM | FD_VCPU, NUMBER, 2 },
	{ "RUN", KVM_RUN, 0, FD_VCPU, NUMBER, 12 },
	{ "GET_REGS", KVM_GET_REGS, 0, FD_VCPU, BYTES, 2 },
	{ "SET_REGS", KVM_SET_REGS, KVM_GET_REGS, FD_VCPU, ECHO, 3 },
	{ "GET_SREGS", KVM_GET_SREGS, 0, FD_VCPU, BYTES, 2 },
	{ "SET_SREGS", KVM_SET_SREGS, KVM_GET_SREGS, FD_VCPU, ECHO, 6 },
	{ "GET_SREGS2", KVM_GET_SREGS2, 0, FD_VCPU, BYTES, 1 },
	{ "SET_SREGS2", KVM_SET_SREGS2, KVM_GET_SREGS2, FD_VCPU, ECHO, 4 },
	{ "GET_FPU", KVM_GET_FPU, 0, FD_VCPU, BYTES, 1 },
	{ "SET_FPU", KVM_SET_FPU, KVM_GET_FPU, FD_VCPU, ECHO, 2 },
	{ "GET_XSAVE", KVM_GET_XSAVE, 0, FD_VCPU, BYTES, 1 },
	{ "SET_XSAVE", KVM_SET_XSAVE, KVM_GET_XSAVE, FD_VCPU, ECHO, 4 },
	{ "GET_XSAVE2", KVM_GET_XSAVE2, 0, FD_VCPU, BYTES, 1 },
	{ "GET_XCRS", KVM_GET_XCRS, 0, FD_VCPU, BYTES, 1 },
	{ "SET_XCRS", KVM_SET_XCRS, KVM_GET_XCRS, FD_VCPU, ECHO, 2 },
	{ "GET_DEBUGREGS", KVM_GET_DEBUGREGS, 0, FD_VCPU, BYTES, 1 },
	{ "SET_DEBUGREGS", KVM_SET_DEBUGREGS, KVM_GET_DEBUGREGS, FD_VCPU, ECHO, 2 },
	{ "GET_VCPU_EVENTS", KVM_GET_VCPU_EVENTS, 0, FD_VCPU, BYTES, 1 },
	{ "SET_VCPU_EVENTS", KVM_SET_VCPU_EVENTS, KVM_GET_VCPU_EVENTS, FD_VCPU, ECHO, 4 },
	{ "GET_MP_STATE", KVM_GET_MP_STATE, 0, FD_VCPU, BYTES, 1 },
	{ "SET_MP_STATE", KVM_SET_MP_STATE, KVM_GET_MP_STATE, FD_VCPU, ECHO, 2 },
	{ "GET_MSRS", KVM_GET_MSRS, 0, FD_VCPU | FD_SYSTEM, LIST, 4 },
	{ "SET_MSRS", KVM_SET_MSRS, 0, FD_VCPU, LIST, 5 },
	{ "GET_CPUID2", KVM_GET_CPUID2, 0, FD_VCPU, LIST, 2 },
	{ "SET_CPUID2", KVM_SET_CPUID2, 0, FD_VCPU, LIST, 3 },
	{ "SET_CPUID", KVM_SET_CPUID, 0, FD_VCPU, LIST, 1 },
	{ "GET_LAPIC", KVM_GET_LAPIC, 0, FD_VCPU, BYTES, 1 },
	{ "SET_LAPIC", KVM_SET_LAPIC, KVM_GET_LAPIC, FD_VCPU, ECHO, 4 },
	{ "TRANSLATE", KVM_TRANSLATE, 0, FD_VCPU, BYTES, 3 },
	{ "INTERRUPT", KVM_INTERRUPT, 0, FD_VCPU, LIST, 3 },
	{ "NMI", KVM_NMI, 0, FD_VCPU, NUMBER, 2 },
	{ "SMI", KVM_SMI, 0, FD_VCPU, NUMBER, 1 },
	{ "SET_GUEST_DEBUG", KVM_SET_GUEST_DEBUG, 0, FD_VCPU, LIST, 4 },
	{ "SET_SIGNAL_MASK", KVM_SET_SIGNAL_MASK, 0, FD_VCPU, SIGNAL_MASK, 2 },
	{ "SET_TSC_KHZ", KVM_SET_TSC_KHZ, 0, FD_VM | FD_VCPU, NUMBER, 2 },
	{ "GET_TSC_KHZ", KVM_GET_TSC_KHZ, 0, FD_VM | FD_VCPU, NUMBER, 1 },
	{ "KVMCLOCK_CTRL", KVM_KVMCLOCK_CTRL, 0, FD_VCPU, NUMBER, 1 },
	{ "TPR_ACCESS_REPORTING", KVM_TPR_ACCESS_REPORTING, 0, FD_VCPU, BYTES, 1 },
	{ "SET_VAPIC_ADDR", KVM_SET_VAPIC_ADDR, 0, FD_VCPU, BYTES, 1 },
	{ "X86_SETUP_MCE", KVM_X86_SETUP_MCE, 0, FD_VCPU, BYTES, 1 },
	{ "X86_SET_MCE", KVM_X86_SET_MCE, 0, FD_VCPU, BYTES, 1 },
	{ "GET_NESTED_STATE", KVM_GET_NESTED_STATE, 0, FD_VCPU, BYTES, 1 },
	{ "SET_NESTED_STATE", KVM_SET_NESTED_STATE, 0, FD_VCPU, BYTES, 1 },
	{ "GET_DEVICE_ATTR", KVM_GET_DEVICE_ATTR, 0, FD_ANY, ATTRIBUTE, 2 },
	{ "SET_DEVICE_ATTR", KVM_SET_DEVICE_ATTR, 0, FD_ANY, ATTRIBUTE, 2 },
	{ "HAS_DEVICE_ATTR", KVM_HAS_DEVICE_ATTR, 0, FD_ANY, ATTRIBUTE, 1 },
	{ "GET_ONE_REG", KVM_GET_ONE_REG, 0, FD_VCPU, REGISTER, 3 },
	{ "SET_ONE_REG", KVM_SET_ONE_REG, 0, FD_VCPU, REGISTER, 3 },
	{ "GET_REG_LIST", KVM_GET_REG_LIST, 0, FD_VCPU, LIST, 2 },
	{ "GET_MANY_REGS", KVM_GET_MANY_REGS, 0, FD_VCPU, REGISTERS, 4 },
	{ "SET_MANY_REGS", KVM_SET_MANY_REGS, 0, FD_VCPU, REGISTERS, 4 },
};

enum { CALL_COUNT = sizeof(calls) / sizeof(calls[0]) };

uint64_t hostile_argument(struct actor *a)
{
	struct rng *r = &a->rng;

	switch (rng_below(r, 12)) {
	case 0:
		return 0;
	case 1:
		return rng_below(r, 16);
	case 2:
		return UINT64_MAX - rng_below(r, 0x2000);
	case 3:
		return value_integer(r) | 1ull << 63;
	case 4:
		return ARENA_READ_ONLY + rng_below(r, 0x1000);
	case 5:
		return ARENA_NONE - rng_below(r, 64);
	case 6:
		return ARENA_HOLE + rng_below(r, 0x10000);
	case 7:	/* into a page that is not there, from one that is */
		return ARENA_GUEST - rng_below(r, 64);
	case 8:
		return 0x7ffffffff000 + rng_below(r, 0x2000);
	case 9:
		return ARENA_GUEST + rng_below(r, 2 * GUEST_SIZE);
	default:
		return (uintptr_t)a->scratch + rng_below(r, SCRATCH_SIZE - 0x4000);
	}
}

static void put32(uint8_t *to, uint32_t at, uint32_t value)
{
	memcpy(to + at, &value, 4);
}

static void put64(uint8_t *to, uint32_t at, uint64_t value)
{
	memcpy(to + at, &value, 8);
}

static void fill_contents(struct actor *a, uint8_t *to, uint32_t n)
{
	static const enum fill kinds[] = { FILL_INT, FILL_RANDOM, FILL_INT };

	if (rng_percent(&a->rng, 30))
		memset(to, 0, n);
	else if (rng_percent(&a->rng, 30))
		for (uint32_t i = 0; i < n; i += 4)
			put32(to, i, rng_below(&a->rng, 8));
	else
		fill_bytes(&a->rng, kinds[rng_below(&a->rng, 3)], to, n);
}

/* Counts that are small, at the limits, huge, or wrap when multiplied by an entry's size. */
static uint64_t count_pick(struct actor *a)
{
	static const uint64_t edges[] = {
		0, 1, 2, 255, 256, 257, 1023, 1024, 1025, 4096, 0x10000, 0xffffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x0aaaaaaaaaaaaaab,
		0x1000000000000000, 0x1000000000000001, 0x8000000000000000, 0xffffffffffffffff,
	};

	return rng_percent(&a->rng, 60) ? rng_below(&a->rng, 20) : edges[rng_below(&a->rng, sizeof(edges) / sizeof(edges[0]))];
}

/* MSRs that exist, and registers' and attributes' small numbers, in the shape of index/value pairs. */
static void fill_list(struct actor *a, uint8_t *to)
{
	static const uint32_t msrs[] = { 0x10, 0x1b, 0x3a, 0x174, 0x175, 0x176, 0x1a0, 0x1d9, 0x277, 0x2ff, 0x200, 0x400, 0x800, 0x830,
					 0x6e0, 0xc0000080, 0xc0000081, 0xc0000082, 0xc0000100, 0xc0000102, 0xc0000103, 0xc0010015,
					 0x4b564d00, 0x4b564d01, 0x4b564d02, 0x40000000, 0x40000020 };

	fill_contents(a, to, 0x3000);
	put64(to, 0, count_pick(a));
	if (rng_percent(&a->rng, 30))
		return;
	for (uint32_t i = 0; i < 64; i++) {
		put32(to, 8 + i * 16, msrs[rng_below(&a->rng, sizeof(msrs) / sizeof(msrs[0]))]);
		put32(to, 12 + i * 16, 0);
		put64(to, 16 + i * 16, rng_percent(&a->rng, 50) ? hostile_argument(a) : value_integer(&a->rng));
	}
}

/*
 * A memory slot in the arena, or where no slot may be. Sizes stay below the distance to the program's own memory, which a guest could otherwise
 * legitimately overwrite; sizes beyond it go with addresses that must be refused.
 */
static void fill_slot(struct actor *a, uint8_t *to)
{
	struct kvm_userspace_memory_region slot = { 0 };
	uint64_t limit = 0x7f000000 - ARENA_BASE;
	struct rng *r = &a->rng;

	memset(to, 0, 160);
	slot.slot = rng_percent(r, 80) ? rng_below(r, 6) : (uint32_t)value_integer(r);
	slot.flags = rng_percent(r, 80) ? rng_below(r, 4) : (uint32_t)value_integer(r);
	slot.guest_phys_addr = rng_percent(r, 60) ? 0 : rng_percent(r, 60) ? (uint64_t)rng_below(r, 0x1000) << 12 : value_integer(r);
	slot.userspace_addr = ARENA_GUEST + ((uint64_t)rng_below(r, 0x600) << 12) * rng_below(r, 2);
	slot.memory_size = rng_percent(r, 20) ? 0 : (uint64_t)(1 + rng_below(r, 0x400)) << 12;
	if (rng_percent(r, 5))
		slot.memory_size = (rng_next(r) % (limit >> 13)) << 12;
	if (rng_percent(r, 8)) {
		slot.userspace_addr = 1ull << 63 | rng_next(r);
		slot.memory_size = value_integer(r);
	}
	if (rng_percent(r, 5))
		slot.userspace_addr |= rng_below(r, 0x1000);
	memcpy(to, &slot, sizeof(slot));
}

static void fill_log(struct actor *a, uint8_t *to, bool clear)
{
	/* Bitmaps are written: only the scratch, the hole and the refused addresses may be named. */
	uint64_t bitmap = rng_percent(&a->rng, 60) ? (uintptr_t)a->scratch + 0x4000 : hostile_argument(a);

	memset(to, 0, 32);
	put32(to, 0, rng_percent(&a->rng, 85) ? rng_below(&a->rng, 6) : (uint32_t)value_integer(&a->rng));
	if (clear) {
		put32(to, 4, rng_percent(&a->rng, 70) ? rng_below(&a->rng, 20) * 64 : (uint32_t)value_integer(&a->rng));
		put64(to, 8, rng_percent(&a->rng, 70) ? rng_below(&a->rng, 20) * 64 : value_integer(&a->rng));
		put64(to, 16, bitmap);
	} else {
		put64(to, 8, bitmap);
	}
}

/* Never one that blocks the signal which ends the scene. */
static void fill_signal_mask(struct actor *a, uint8_t *to)
{
	put32(to, 0, rng_percent(&a->rng, 80) ? 8 : (uint32_t)count_pick(a));
	put64(to, 4, rng_percent(&a->rng, 50) ? 0 : 1ull << 33);
}

static void fill_capability(struct actor *a, uint8_t *to)
{
	memset(to, 0, 104);
	put32(to, 0, rng_below(&a->rng, 260));
	for (uint32_t i = 0; i < 4; i++)
		put64(to, 8 + i * 8, rng_percent(&a->rng, 60) ? rng_below(&a->rng, 16) : value_integer(&a->rng));
	if (rng_percent(&a->rng, 5))
		put32(to, 4, rng_below(&a->rng, 4));
}

/* struct kvm_irqfd and struct kvm_ioeventfd, with descriptors that are eventfds, are something else, or are not open. */
static void fill_event(struct actor *a, uint8_t *to, bool ioeventfd)
{
	int fd = scene_pick(a, FD_OTHER, NULL);

	memset(to, 0, 64);
	if (rng_percent(&a->rng, 15))
		fd = (int)value_integer(&a->rng);
	if (!ioeventfd) {
		put32(to, 0, (uint32_t)fd);
		put32(to, 4, rng_below(&a->rng, 40));
		put32(to, 8, rng_below(&a->rng, 4));
		return;
	}
	put64(to, 0, rng_percent(&a->rng, 50) ? rng_below(&a->rng, 4) : value_integer(&a->rng));
	put64(to, 8, rng_percent(&a->rng, 50) ? 0x80 : value_integer(&a->rng));
	put32(to, 16, rng_below(&a->rng, 10));
	put32(to, 20, (uint32_t)fd);
	put32(to, 24, rng_below(&a->rng, 16));
}

/* Two words and an address: the device attributes. */
static void fill_attribute(struct actor *a, uint8_t *to)
{
	put64(to, 0, rng_percent(&a->rng, 80) ? rng_below(&a->rng, 3) : value_integer(&a->rng));
	put64(to, 8, rng_percent(&a->rng, 50) ? rng_below(&a->rng, 8) : hostile_argument(a));
	put64(to, 16, hostile_argument(a));
}

/* Mostly one that exists: sizes as its type has them, or any. */
static uint64_t register_id(struct actor *a)
{
	static const struct { uint32_t type, count; uint8_t size; } kinds[] = {
		{ ANYKVM_X86_TYPE_GENERAL, 18, 3 }, { ANYKVM_X86_TYPE_SEGMENT, 0x9f, 5 }, { ANYKVM_X86_TYPE_SEGMENT, 0x9f, 3 },
		{ ANYKVM_X86_TYPE_SEGMENT, 0x9f, 2 }, { ANYKVM_X86_TYPE_CONTROL, 0x24, 3 }, { ANYKVM_X86_TYPE_DEBUG, 8, 3 }, { ANYKVM_X86_TYPE_XCR, 2, 3 },
		{ ANYKVM_X86_TYPE_X87, 14, 4 }, { ANYKVM_X86_TYPE_VECTOR, 0x420, 4 }, { ANYKVM_X86_TYPE_VECTOR, 0x420, 5 }, { ANYKVM_X86_TYPE_XSAVE, 4, 2 },
		{ ANYKVM_X86_TYPE_XSAVE, 4, 3 }, { ANYKVM_X86_TYPE_EVENTS, 22, 0 }, { ANYKVM_X86_TYPE_EVENTS, 1, 6 }, { ANYKVM_X86_TYPE_VCPU, 3, 2 },
		{ ANYKVM_X86_TYPE_VCPU, 3, 3 }, { KVM_X86_REG_TYPE_MSR, 0x900, 3 }, { KVM_X86_REG_TYPE_KVM, 2, 3 },
	};
	uint32_t kind = rng_below(&a->rng, sizeof(kinds) / sizeof(kinds[0])), index = rng_below(&a->rng, kinds[kind].count);
	uint64_t size = rng_percent(&a->rng, 95) ? kinds[kind].size : rng_below(&a->rng, 16);

	if (kinds[kind].type == KVM_X86_REG_TYPE_MSR && rng_percent(&a->rng, 50))
		index = 0xc0000080 + rng_below(&a->rng, 0x90);
	if (rng_percent(&a->rng, 3))
		return value_integer(&a->rng);
	return ANYKVM_X86_REG(kinds[kind].type, size << KVM_REG_SIZE_SHIFT, index);
}

static void fill_register(struct actor *a, uint8_t *to)
{
	put64(to, 0, register_id(a));
	put64(to, 8, rng_percent(&a->rng, 70) ? (uintptr_t)a->scratch + 0x4000 : hostile_argument(a));
}

static void fill_registers(struct actor *a, uint8_t *to)
{
	uint32_t n = rng_below(&a->rng, rng_percent(&a->rng, 90) ? 40 : 250);

	put64(to, 0, rng_percent(&a->rng, 90) ? n : value_integer(&a->rng));
	for (uint32_t i = 0; i < n; i++) {
		fill_register(a, to + 8 + 16 * i);
		if (rng_percent(&a->rng, 80))
			put64(to, 16 + 16 * i, (uintptr_t)a->scratch + 0x4000 + rng_below(&a->rng, 0x1000));
	}
}

static void fill_filter(struct actor *a, uint8_t *to)
{
	memset(to, 0, sizeof(struct kvm_msr_filter));
	put32(to, 0, rng_below(&a->rng, 3));
	for (uint32_t i = 0; i < 16; i++) {
		if (!rng_percent(&a->rng, 30))
			continue;
		put32(to, 8 + i * 24, rng_below(&a->rng, 5));
		put32(to, 12 + i * 24, rng_percent(&a->rng, 80) ? rng_below(&a->rng, 0x3000) : (uint32_t)value_integer(&a->rng));
		put32(to, 16 + i * 24, rng_percent(&a->rng, 80) ? rng_below(&a->rng, 2) * 0xc0000000 : (uint32_t)value_integer(&a->rng));
		put64(to, 24 + i * 24, hostile_argument(a));
	}
}

static void fill_echo(struct actor *a, const struct call *c, int fd, uint8_t *to)
{
	uint32_t size = _IOC_SIZE(c->request);

	if (ioctl(fd, c->get, to) < 0)
		fill_contents(a, to, size);
	for (uint32_t n = rng_below(&a->rng, 5); n--;)
		to[rng_below(&a->rng, size)] ^= (uint8_t)(1 << rng_below(&a->rng, 8));
	if (rng_percent(&a->rng, 10))
		put64(to, rng_below(&a->rng, size / 8) * 8, value_integer(&a->rng));
}

static void fill_argument(struct actor *a, const struct call *c, int fd, uint8_t *to)
{
	switch (c->shape) {
	case ECHO: fill_echo(a, c, fd, to); break;
	case LIST: fill_list(a, to); break;
	case SLOT: fill_slot(a, to); break;
	case DIRTY_LOG: fill_log(a, to, false); break;
	case CLEAR_LOG: fill_log(a, to, true); break;
	case SIGNAL_MASK: fill_signal_mask(a, to); break;
	case CAPABILITY: fill_capability(a, to); break;
	case EVENT: fill_event(a, to, c->request == KVM_IOEVENTFD); break;
	case ATTRIBUTE: fill_attribute(a, to); break;
	case REGISTER: fill_register(a, to); break;
	case REGISTERS: fill_registers(a, to); break;
	case FILTER: fill_filter(a, to); break;
	default: fill_contents(a, to, 0x3000);
	}
}

static const struct call *call_pick(struct actor *a)
{
	uint32_t total = 0, at, i = 0;

	for (uint32_t k = 0; k < CALL_COUNT; k++)
		total += calls[k].weight;
	at = rng_below(&a->rng, total);
	while (at >= calls[i].weight)
		at -= calls[i++].weight;
	return &calls[i];
}

/* What an ioctl hands out becomes part of the scene. */
static void result_keep(struct actor *a, unsigned long request, int result)
{
	switch (request) {
	case KVM_CREATE_VM:
		scene_add(a->scene, result, FD_VM);
		break;
	case KVM_CREATE_VCPU:
		scene_add(a->scene, result, FD_VCPU);
		break;
	case KVM_GET_STATS_FD:
		scene_add(a->scene, result, FD_OTHER);
		break;
	}
}

/* A request nobody has defined, or a known one whose size or direction is wrong. */
static void undefined_call(struct actor *a)
{
	struct rng *r = &a->rng;
	unsigned long request = calls[rng_below(r, CALL_COUNT)].request;
	int fd = scene_pick(a, FD_SYSTEM | FD_VM | FD_VCPU, NULL), result;

	if (rng_percent(r, 50))
		request = _IOC(rng_below(r, 4), KVMIO, rng_below(r, 256), rng_below(r, 0x4000));
	else
		request ^= 1ul << (16 + rng_below(r, 48));
	/* With another size these would still do what they say to memory or signals that are not ours to give. */
	if (_IOC_NR(request) == _IOC_NR(KVM_SET_SIGNAL_MASK) || _IOC_NR(request) == _IOC_NR(KVM_SET_USER_MEMORY_REGION) ||
	    _IOC_NR(request) == 0x49)
		return;
	fill_contents(a, a->scratch, 0x3000);
	a->doing = "an undefined ioctl";
	result = ioctl(fd, request, hostile_argument(a));
	if (result > 2 && (uint32_t)request == (uint32_t)KVM_CREATE_VM)
		close(result);
}

void hostile_call(struct actor *a)
{
	const struct call *c = call_pick(a);
	struct rng *r = &a->rng;
	uint64_t argument = (uintptr_t)a->scratch;
	int fd, result;

	if (a->no_run && c->request == KVM_RUN)
		return;
	a->scene->calls++;
	if (rng_percent(r, 4)) {
		undefined_call(a);
		return;
	}
	fd = scene_pick(a, rng_percent(r, 96) ? c->on : FD_ANY, NULL);
	if (fd < 0)
		fd = rng_percent(r, 90) ? scene_pick(a, FD_ANY, NULL) : (int)value_integer(r);
	if (c->shape == NUMBER) {
		argument = rng_percent(r, 80) ? rng_below(r, 4) : hostile_argument(a);
		if (c->request == KVM_CREATE_VM || c->request == KVM_RUN)
			argument = rng_percent(r, 97) ? 0 : argument;
	} else {
		/* Now and then at the end of readable memory, so that it must not be read beyond its size. */
		if (rng_percent(r, 10))
			argument += rng_below(r, 16);
		fill_argument(a, c, fd, (uint8_t *)(uintptr_t)argument);
		if (rng_percent(r, 10) && c->shape != SIGNAL_MASK)
			argument = hostile_argument(a);
	}
	a->doing = c->name;
	result = ioctl(fd, c->request, argument);
	if (result >= 0)
		result_keep(a, c->request, result);
}
