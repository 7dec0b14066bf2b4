/*
 * Page tables of guests, as state files look at them: every kind of x86's (SDM Vol. 3A, chapter 4) and arm64's granules (Arm ARM, D8), also
 * tables that go round in circles.
 */
#include "anykvm/kvm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "state/arm64_pages.h"
#include "state/x86_pages.h"

enum { SIZE = 1 << 20 };
#define CONTROL(index) ANYKVM_X86_REG(ANYKVM_X86_TYPE_CONTROL, KVM_REG_SIZE_U64, index)
#define SYSREG(op0, op1, crn, crm, op2) (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | 0x130000ULL | (op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

static uint8_t memory[SIZE] __attribute__((aligned(65536)));
static struct page_range ranges[PAGES_MOST];

static void put64(uint64_t at, uint64_t value)
{
	memcpy(memory + at, &value, sizeof value);
}

static void put32(uint64_t at, uint32_t value)
{
	memcpy(memory + at, &value, sizeof value);
}

/* What a vCPU with these registers maps of `size` bytes of memory at `address`. */
static struct pages find(void (*pages_find)(const struct state_unit *, struct pages *), const uint64_t *ids, const uint64_t *values, size_t count, uint64_t address)
{
	static struct anykvm_state_memory piece;
	static struct anykvm_state state;
	struct anykvm_state_reg regs[8];
	struct state_unit unit = { .regs = regs, .reg_count = count };
	struct pages pages = { .state = &state, .ranges = ranges };

	piece = (struct anykvm_state_memory){ .address = address, .size = SIZE, .host = memory };
	state = (struct anykvm_state){ .memory = &piece, .memory_count = 1 };
	for (size_t i = 0; i < count; i++)
		regs[i] = (struct anykvm_state_reg){ ids[i], (void *)&values[i] };
	pages_find(&unit, &pages);
	return pages;
}

static struct pages find_x86(uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
	const uint64_t ids[] = { CONTROL(0), CONTROL(3), CONTROL(4), CONTROL(ANYKVM_X86_CONTROL_EFER) }, values[] = { cr0, cr3, cr4, efer };

	return find(x86_pages_find, ids, values, 4, 0);
}

#define PG 0x80000001u

static void range_is(size_t i, uint64_t virtual, uint64_t physical, uint64_t size)
{
	assert_int_equal(ranges[i].virtual, virtual);
	assert_int_equal(ranges[i].physical, physical);
	assert_int_equal(ranges[i].size, size);
}

static void test_x86(void **state)
{
	struct pages pages;

	(void)state;
	memset(memory, 0, sizeof memory);
	assert_int_equal(find_x86(1, 0x1000, 0x20, 0x500).count, 0); /* no paging */
	/* Four levels: two pages that lie together, one apart, one in no memory, a large page that memory has the beginning of. */
	put64(0x1000 + 8 * 511, 0x2003);
	put64(0x2000 + 8 * 510, 0x3003);
	put64(0x3000, 0x4003);
	put64(0x4000, 0x10003);
	put64(0x4008, 0x11003);
	put64(0x4010, 0x20000000003);
	put64(0x4018, 0x13003 | 1ULL << 63);
	put64(0x3008, 0x83);
	pages = find_x86(PG, 0x1000, 0x20, 0x500);
	assert_int_equal(pages.count, 3);
	range_is(0, 0xffffffff80000000, 0x10000, 0x2000);
	range_is(1, 0xffffffff80003000, 0x13000, 0x1000);
	range_is(2, 0xffffffff80200000, 0, SIZE);
	/* Five. */
	put64(0x5000 + 8 * 256, 0x1003);
	pages = find_x86(PG, 0x5000, 0x1020, 0x500);
	assert_int_equal(pages.count, 3);
	range_is(0, 0xff00ffff80000000, 0x10000, 0x2000);
	/* PAE. */
	put64(0x6000 + 8 * 3, 0x3001);
	pages = find_x86(PG, 0x6000, 0x20, 0);
	assert_int_equal(pages.count, 3);
	range_is(0, 0xc0000000, 0x10000, 0x2000);
	/* 32-bit, with and without large pages. */
	put32(0x7000 + 4 * 1023, 0x8003);
	put32(0x8000 + 4 * 1023, 0x12003);
	put32(0x7000, 0x83);
	pages = find_x86(PG, 0x7000, 0x10, 0);
	assert_int_equal(pages.count, 2);
	range_is(0, 0, 0, SIZE);
	range_is(1, 0xfffff000, 0x12000, 0x1000);
	assert_int_equal(ranges[0].piece, 0);
}

/* A table that is its own: an end all the same. */
static void test_circle(void **state)
{
	struct pages pages;

	(void)state;
	memset(memory, 0, sizeof memory);
	for (unsigned int i = 0; i < 512; i++)
		put64(0x1000 + 8 * i, 0x1003);
	pages = find_x86(PG, 0x1000, 0x20, 0x500);
	assert_true(pages.count <= PAGES_MOST && pages.tables <= PAGES_TABLES_MOST + 1);
}

static struct pages find_arm64(uint64_t tcr, uint64_t ttbr0, uint64_t ttbr1, uint64_t address)
{
	const uint64_t ids[] = { SYSREG(3, 0, 1, 0, 0), SYSREG(3, 0, 2, 0, 2), SYSREG(3, 0, 2, 0, 0), SYSREG(3, 0, 2, 0, 1) }, values[] = { 1, tcr, ttbr0, ttbr1 };

	return find(arm64_pages_find, ids, values, 4, address);
}

static void test_arm64(void **state)
{
	const uint64_t base = 0x40000000, epd0 = 1 << 7, epd1 = 1 << 23;
	struct pages pages;

	(void)state;
	memset(memory, 0, sizeof memory);
	/* 4 KiB, 39 bits, both halves with the same tables: three levels. */
	put64(0x1000, (base + 0x2000) | 3);
	put64(0x2000, (base + 0x3000) | 3);
	put64(0x3000 + 8 * 5, (base + 0x8000) | 3);
	put64(0x2008, base | 1); /* a block */
	pages = find_arm64(25 | 25 << 16 | 2ULL << 30, base + 0x1000, base + 0x1000, base);
	assert_int_equal(pages.count, 4);
	range_is(0, 0xffffff8000005000, base + 0x8000, 0x1000);
	range_is(1, 0xffffff8000200000, base, SIZE);
	range_is(2, 0x5000, base + 0x8000, 0x1000);
	/* 64 KiB, 42 bits: two levels; 16 KiB, 36 bits: two levels. */
	memset(memory, 0, sizeof memory);
	put64(0x10000, (base + 0x20000) | 3);
	put64(0x20000 + 8 * 3, (base + 0x30000) | 3);
	pages = find_arm64(22 | 1 << 14 | epd1, base + 0x10000, 0, base);
	assert_int_equal(pages.count, 1);
	range_is(0, 0x30000, base + 0x30000, 0x10000);
	put64(0x4000, (base + 0x8000) | 3);
	put64(0x8000 + 8 * 7, (base + 0xc000) | 3);
	pages = find_arm64(28 << 16 | 1ULL << 30 | epd0, 0, base + 0x4000, base);
	assert_int_equal(pages.count, 1);
	range_is(0, 0xfffffff00001c000, base + 0xc000, 0x4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_x86), cmocka_unit_test(test_circle), cmocka_unit_test(test_arm64) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
