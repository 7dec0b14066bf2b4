/*
 * Stage 1 of translation for EL1&0 (D8): granules of 4, 16 and 64 KiB, 48-bit addresses, permissions of tables and pages, access flag and dirty
 * state by hardware (FEAT_HAFDBS). Knows nothing of the translation cache, nor of what is behind an address.
 */
#include "arm64/cpu/translation.h"
#include "arm64/cpu/walk.h"
#include "core/user.h"

#define DESC_VALID (UINT64_C(1) << 0)
#define DESC_TABLE (UINT64_C(1) << 1) /* a page at level 3 */
#define DESC_USER (UINT64_C(1) << 6)  /* AP[1] */
#define DESC_READ_ONLY (UINT64_C(1) << 7)
#define DESC_AF (UINT64_C(1) << 10)
#define DESC_DBM (UINT64_C(1) << 51)
#define DESC_PXN (UINT64_C(1) << 53)
#define DESC_UXN (UINT64_C(1) << 54)
#define DESC_PXN_TABLE (UINT64_C(1) << 59)
#define DESC_UXN_TABLE (UINT64_C(1) << 60)
#define DESC_NO_USER_TABLE (UINT64_C(1) << 61)
#define DESC_READ_ONLY_TABLE (UINT64_C(1) << 62)
#define ADDRESS_MASK UINT64_C(0xffffffffffff)

static enum a64_walk_result fault(struct a64_walk *walk, unsigned int fsc, unsigned int level)
{
	walk->fsc = (uint8_t)(fsc + level);
	return WALK_FAULT;
}

/* Bits of an output address: TCR_EL1.IPS, within ID_AA64MMFR0_EL1.PARange. */
static uint64_t output_limit(const struct arm64_vcpu *cpu)
{
	static const uint8_t sizes[] = { 32, 36, 40, 42, 44, 48, 48, 48 };

	return UINT64_C(1) << sizes[cpu->sys[SYS_TCR_EL1] >> 32 & 7];
}

/* log2 of the granule. */
static unsigned int granule(uint64_t tcr, unsigned int upper)
{
	static const uint8_t lower_sizes[] = { 12, 16, 14, 12 }, upper_sizes[] = { 12, 14, 12, 16 };

	return upper ? upper_sizes[tcr >> 30 & 3] : lower_sizes[tcr >> 14 & 3];
}

struct descriptor {
	uint64_t value, host, ipa;
	struct slot *slot;
};

static bool descriptor_read(struct arm64_vcpu *cpu, struct descriptor *descriptor, uint64_t ipa)
{
	descriptor->ipa = ipa;
	descriptor->slot = slot_find(vm_slots(cpu->vcpu.vm, 0), ipa >> PAGE_SHIFT);
	if (!descriptor->slot)
		return false;
	descriptor->host = slot_hva(descriptor->slot, ipa);
	descriptor->value = *(const volatile guest64 *)descriptor->host;
	return true;
}

/* Changes the descriptor unless it has changed since it was read; false: walk again. */
static bool descriptor_change(struct descriptor *descriptor, uint64_t value)
{
	uint64_t old = descriptor->value;

	if (!__atomic_compare_exchange_n((uint64_t *)descriptor->host, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return false;
	descriptor->value = value;
	slot_mark_dirty(descriptor->slot, descriptor->ipa >> PAGE_SHIFT);
	return true;
}

/* D8.4: whether the descriptor, with what the tables above it took away, allows the access. `writable`: the dirty state may say so too. */
static bool permitted(const struct arm64_vcpu *cpu, const struct a64_walk *walk, uint64_t descriptor, uint64_t tables, bool writable)
{
	bool user = descriptor & DESC_USER && !(tables & DESC_NO_USER_TABLE), user_write = user && writable;
	bool wxn = cpu->sys[SYS_SCTLR_EL1] & SCTLR_WXN;

	if (walk->access == TLB_FETCH) {
		if (walk->user)
			return !(descriptor & DESC_UXN || tables & DESC_UXN_TABLE || (wxn && user_write));
		return !(descriptor & DESC_PXN || tables & DESC_PXN_TABLE || user_write || (wxn && writable));
	}
	if (walk->user ? !user : user && walk->pan)
		return false;
	return walk->access == TLB_READ || writable;
}

/* One try. WALK_HOLE here means: a descriptor changed, walk again. */
static enum a64_walk_result walk_once(struct arm64_vcpu *cpu, struct a64_walk *walk, uint64_t address)
{
	unsigned int upper = address >> 55 & 1, size = a64_address_bits(cpu, upper), level, shift, grain, stride;
	uint64_t tcr = cpu->sys[SYS_TCR_EL1], ttbr = cpu->sys[upper ? SYS_TTBR1_EL1 : SYS_TTBR0_EL1], limit = output_limit(cpu);
	uint64_t bare = a64_untagged(cpu, address, walk->access == TLB_FETCH), table, tables = 0, changed, low;
	bool hierarchical = !(tcr & (upper ? TCR_HPD1 : TCR_HPD0)), hardware_dirty = (tcr & (TCR_HA | TCR_HD)) == (TCR_HA | TCR_HD), writable;
	struct descriptor descriptor;

	grain = granule(tcr, upper);
	stride = grain - 3;
	if (size <= grain) /* 64 KiB: 17 bits are the least */
		size = grain + 1;
	if ((upper ? ~bare : bare) >> size)
		return fault(walk, FSC_TRANSLATION, 0);
	if (tcr & (upper ? TCR_EPD1 : TCR_EPD0) || (walk->user && tcr & (upper ? TCR_E0PD1 : TCR_E0PD0)))
		return fault(walk, FSC_TRANSLATION, 0);
	level = 4 - (size - grain + stride - 1) / stride;
	low = bare & ((UINT64_C(1) << size) - 1);
	shift = grain + (3 - level) * stride;
	table = ttbr & ADDRESS_MASK & ~((UINT64_C(8) << (size - shift > 3 ? size - shift : 3)) - 1);
	if (table >= limit)
		return fault(walk, FSC_ADDRESS_SIZE, 0);
	for (;; level++, shift -= stride) {
		uint64_t index = low >> shift & ((UINT64_C(1) << stride) - 1);

		if (!descriptor_read(cpu, &descriptor, table + (index << 3)))
			return fault(walk, FSC_EXTERNAL, 0);
		if (!(descriptor.value & DESC_VALID))
			return fault(walk, FSC_TRANSLATION, level);
		if (level == 3 || !(descriptor.value & DESC_TABLE))
			break;
		if (hierarchical)
			tables |= descriptor.value;
		table = descriptor.value & ADDRESS_MASK & ~((UINT64_C(1) << grain) - 1);
		if (table >= limit)
			return fault(walk, FSC_ADDRESS_SIZE, level);
	}
	/* Blocks: level 2 of any granule, level 1 of 4 KiB's. */
	if (level == 3 ? !(descriptor.value & DESC_TABLE) : !(level == 2 || (level == 1 && grain == 12)))
		return fault(walk, FSC_TRANSLATION, level);
	walk->ipa = descriptor.value & ADDRESS_MASK & ~((UINT64_C(1) << shift) - 1);
	if (walk->ipa >= limit)
		return fault(walk, FSC_ADDRESS_SIZE, level);
	walk->ipa |= low & ((UINT64_C(1) << shift) - 1);
	changed = descriptor.value;
	if (!(changed & DESC_AF)) {
		if (!(tcr & TCR_HA))
			return fault(walk, FSC_ACCESS_FLAG, level);
		changed |= DESC_AF;
	}
	writable = !(descriptor.value & DESC_READ_ONLY) || (hardware_dirty && descriptor.value & DESC_DBM);
	writable = writable && !(tables & DESC_READ_ONLY_TABLE);
	if (!permitted(cpu, walk, descriptor.value, tables, writable))
		return fault(walk, FSC_PERMISSION, level);
	if (walk->access == TLB_WRITE)
		changed &= ~DESC_READ_ONLY; /* dirty */
	if (changed != descriptor.value && !walk->pretend && !descriptor_change(&descriptor, changed))
		return WALK_HOLE;
	walk->attributes = (uint8_t)(cpu->sys[SYS_MAIR_EL1] >> (8 * (descriptor.value >> 2 & 7)));
	walk->shareability = descriptor.value >> 8 & 3;
	return WALK_OK;
}

/* SCTLR_EL1.M is 0 (D8.2.10): device memory for data, and the address must fit. */
static enum a64_walk_result walk_flat(struct arm64_vcpu *cpu, struct a64_walk *walk, uint64_t address)
{
	walk->ipa = a64_untagged(cpu, address, walk->access == TLB_FETCH);
	walk->attributes = 0;
	walk->shareability = 2;
	return walk->ipa > ADDRESS_MASK ? fault(walk, FSC_ADDRESS_SIZE, 0) : WALK_OK;
}

static __attribute__((noinline)) enum a64_walk_result walk_tables(struct arm64_vcpu *cpu, struct a64_walk *walk, uint64_t address)
{
	enum a64_walk_result result;

	do
		result = walk_once(cpu, walk, address);
	while (result == WALK_HOLE);
	return result;
}

/* Safe against holes in the program's memory where the tables are. */
static __attribute__((noinline)) enum a64_walk_result walk_guarded(struct arm64_vcpu *cpu, struct a64_walk *walk, uint64_t address)
{
	struct fault_guard guard = { .covers = NULL };
	enum a64_walk_result result;

	if (sigsetjmp(guard.resume, 0))
		return WALK_HOLE;
	fault_guard_push(&guard);
	result = walk_tables(cpu, walk, address);
	fault_guard_pop(&guard);
	return result;
}

enum a64_walk_result a64_walk(struct arm64_vcpu *cpu, struct a64_walk *walk, uint64_t address)
{
	if (!(cpu->sys[SYS_SCTLR_EL1] & SCTLR_M))
		return walk_flat(cpu, walk, address);
	return walk_guarded(cpu, walk, address);
}
