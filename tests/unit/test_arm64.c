/*
 * The arm64 software KVM's registers where rules meet: which error comes first, sizes at their edges, ID registers field by field, vector lengths
 * with holes, sets of many registers that are one transaction. The long list of what Linux answers is tests/conformance's.
 */
#include <anykvm/arm64.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include <anykvm/anykvm.h>
#include <anykvm/kvm.h>

#include "core/user.h"

#define BIT(n) (1u << (n))
#define PSCI BIT(KVM_ARM_VCPU_PSCI_0_2)
#define PMU BIT(KVM_ARM_VCPU_PMU_V3)
#define SVE BIT(KVM_ARM_VCPU_SVE)
#define PTRAUTH (BIT(KVM_ARM_VCPU_PTRAUTH_ADDRESS) | BIT(KVM_ARM_VCPU_PTRAUTH_GENERIC))
#define ALL (PSCI | PMU | SVE | PTRAUTH)

#define CORE(word, size) (KVM_REG_ARM64 | KVM_REG_ARM_CORE | KVM_REG_SIZE_##size | (word))
#define X(n) CORE(2 * (n), U64)
#define PC CORE(64, U64)
#define PSTATE CORE(66, U64)
#define SCTLR ARM64_SYS_REG(3, 0, 1, 0, 0)
#define PMCR ARM64_SYS_REG(3, 3, 9, 12, 0)
#define PMCNTENSET ARM64_SYS_REG(3, 3, 9, 12, 1)
#define PMCNTENCLR ARM64_SYS_REG(3, 3, 9, 12, 2)
#define MIDR ARM64_SYS_REG(3, 0, 0, 0, 0)
#define PFR0 ARM64_SYS_REG(3, 0, 0, 4, 0)
#define DFR0 ARM64_SYS_REG(3, 0, 0, 5, 0)
#define ISAR0 ARM64_SYS_REG(3, 0, 0, 6, 0)
#define ID_PFR0 ARM64_SYS_REG(3, 0, 0, 1, 0)
#define Z(n) KVM_REG_ARM64_SVE_ZREG(n, 0)
#define VLS KVM_REG_ARM64_SVE_VLS

struct vm {
	int kvm, vm, vcpu;
	char *hole; /* the first byte that is not there; a page in front of it is */
};

static int call(int fd, unsigned long request, void *argument)
{
	return anykvm_ioctl(fd, request, argument) < 0 ? errno : 0;
}

static int init(int vcpu, uint32_t features)
{
	struct kvm_vcpu_init init = { .target = KVM_ARM_TARGET_GENERIC_V8, .features = { features } };

	return call(vcpu, KVM_ARM_VCPU_INIT, &init);
}

static int finalize(int vcpu, int feature)
{
	return call(vcpu, KVM_ARM_VCPU_FINALIZE, &feature);
}

static struct vm vm_open(void)
{
	long page = sysconf(_SC_PAGESIZE);
	struct vm v;

	fault_handlers_renew(); /* cmocka has its own for each test */
	v.kvm = anykvm_open_accel(ANYKVM_ACCEL_SOFT, KVM_REG_ARM64, 0);
	assert_true(v.kvm >= 0);
	v.vm = anykvm_ioctl(v.kvm, KVM_CREATE_VM, NULL);
	assert_true(v.vm >= 0);
	v.vcpu = anykvm_ioctl(v.vm, KVM_CREATE_VCPU, NULL);
	assert_true(v.vcpu >= 0);
	v.hole = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(v.hole != MAP_FAILED);
	v.hole += page;
	assert_int_equal(mprotect(v.hole, (size_t)page, PROT_NONE), 0);
	return v;
}

static struct vm vm_ready(uint32_t features)
{
	struct vm v = vm_open();

	assert_int_equal(init(v.vcpu, features), 0);
	if (features & SVE)
		assert_int_equal(finalize(v.vcpu, KVM_ARM_VCPU_SVE), 0);
	return v;
}

static void vm_close(struct vm *v)
{
	long page = sysconf(_SC_PAGESIZE);

	munmap(v->hole - page, 2 * (size_t)page);
	anykvm_close(v->vcpu);
	anykvm_close(v->vm);
	anykvm_close(v->kvm);
}

static int get_at(int vcpu, uint64_t id, const void *at)
{
	struct kvm_one_reg reg = { id, (uintptr_t)at };

	return call(vcpu, KVM_GET_ONE_REG, &reg);
}

static int set_at(int vcpu, uint64_t id, const void *at)
{
	struct kvm_one_reg reg = { id, (uintptr_t)at };

	return call(vcpu, KVM_SET_ONE_REG, &reg);
}

static uint64_t get(int vcpu, uint64_t id)
{
	uint64_t value[32] = { 0 };

	assert_int_equal(get_at(vcpu, id, value), 0);
	return value[0];
}

static int set(int vcpu, uint64_t id, uint64_t value)
{
	uint64_t room[32] = { value };

	return set_at(vcpu, id, room);
}

#define NOWHERE ((void *)8)

/* ---- KVM_ARM_VCPU_INIT. ---- */

static void test_init(void **state)
{
	struct vm v = vm_open();
	struct kvm_vcpu_init bad = { .target = 99, .features = { BIT(20) } };

	(void)state;
	assert_int_equal(get_at(v.vcpu, 0, NOWHERE), ENOEXEC);
	assert_int_equal(call(v.vcpu, KVM_GET_ONE_REG, NOWHERE), ENOEXEC);
	assert_int_equal(call(v.vcpu, KVM_GET_MANY_REGS, NOWHERE), ENOEXEC);
	assert_int_equal(call(v.vcpu, KVM_GET_REG_LIST, NOWHERE), ENOEXEC);
	assert_int_equal(call(v.vcpu, KVM_ARM_VCPU_FINALIZE, NOWHERE), ENOEXEC);
	assert_int_equal(call(v.vcpu, KVM_RUN, (void *)1), EINVAL);
	assert_int_equal(call(v.vcpu, KVM_RUN, NULL), ENOEXEC);
	assert_int_equal(call(v.vcpu, KVM_ARM_VCPU_INIT, &bad), EINVAL); /* the target comes first */
	assert_int_equal(init(v.vcpu, BIT(5) | BIT(20)), ENOENT);
	assert_int_equal(init(v.vcpu, BIT(5)), EINVAL);
	assert_int_equal(init(v.vcpu, BIT(KVM_ARM_VCPU_EL1_32BIT)), EINVAL);
	assert_non_null(strstr(anykvm_refusal()->reason, "AArch32"));
	assert_int_equal(get_at(v.vcpu, X(0), NOWHERE), ENOEXEC); /* nothing of that has initialised it */
	assert_int_equal(init(v.vcpu, PSCI), 0);
	assert_int_equal(init(v.vcpu, PSCI | PMU), EINVAL);
	assert_int_equal(init(v.vcpu, PSCI | BIT(KVM_ARM_VCPU_POWER_OFF)), 0);
	vm_close(&v);
}

static void test_reset(void **state)
{
	struct vm v = vm_ready(ALL);

	(void)state;
	assert_int_equal(set(v.vcpu, X(3), 7), 0);
	assert_int_equal(set(v.vcpu, CORE(68, U64), 7), 0); /* SP_EL1 */
	assert_int_equal(set(v.vcpu, CORE(72, U64), 7), 0); /* SPSR_EL1 */
	assert_int_equal(set(v.vcpu, CORE(74, U64), 7), 0);
	assert_int_equal(set(v.vcpu, Z(5), 7), 0);
	assert_int_equal(init(v.vcpu, ALL), 0);
	assert_int_equal(get(v.vcpu, X(3)), 0);
	assert_int_equal(get(v.vcpu, CORE(68, U64)), 7);
	assert_int_equal(get(v.vcpu, CORE(72, U64)), 7);
	assert_int_equal(get(v.vcpu, CORE(74, U64)), 0);
	assert_int_equal(get(v.vcpu, Z(5)), 0);
	assert_int_equal(get(v.vcpu, PSTATE), 0x3c5);
	assert_int_equal(finalize(v.vcpu, KVM_ARM_VCPU_SVE), EPERM);
	vm_close(&v);
}

/* ---- The list. ---- */

static void test_list(void **state)
{
	struct vm v = vm_ready(ALL);
	struct kvm_reg_list *list = calloc(1, sizeof *list + 400 * sizeof list->reg[0]);

	(void)state;
	assert_non_null(list);
	assert_int_equal(call(v.vcpu, KVM_GET_REG_LIST, list), E2BIG);
	assert_int_equal(list->n, 362);
	list->n = UINT64_C(1) << 32;
	assert_int_equal(call(v.vcpu, KVM_GET_REG_LIST, list), E2BIG);
	list->n = (UINT64_C(1) << 32) + 362;
	assert_int_equal(call(v.vcpu, KVM_GET_REG_LIST, list), 0);
	assert_true(list->reg[0] == X(0) && list->reg[361] == (KVM_REG_ARM64 | KVM_REG_SIZE_U32 | KVM_REG_ARM_DEMUX | 13));
	for (unsigned int i = 0; i < 362; i++) {
		uint8_t value[256];

		assert_int_equal(get_at(v.vcpu, list->reg[i], value), 0);
		assert_true(anykvm_reg_size(list->reg[i]) != 0);
	}
	free(list);
	vm_close(&v);
}

/* ---- Ids. ---- */

static void test_core(void **state)
{
	struct vm v = vm_ready(PSCI);
	uint64_t room[4096] = { 0 };

	(void)state;
	assert_int_equal(get_at(v.vcpu, CORE(0xffff, U64), room), ENOENT);
	assert_int_equal(get_at(v.vcpu, CORE(1, U64), room), EINVAL);
	assert_int_equal(get_at(v.vcpu, CORE(213, U128), room), ENOENT); /* FPCR */
	assert_int_equal(get_at(v.vcpu, CORE(213, U64), room), EINVAL);
	assert_int_equal(get_at(v.vcpu, CORE(214, U32), room), EINVAL);
	assert_int_equal(get_at(v.vcpu, CORE(215, U32), room), ENOENT);
	assert_int_equal(get_at(v.vcpu, CORE(215, U8), room), EINVAL);
	for (uint64_t nibble = 10; nibble < 16; nibble++)
		for (unsigned int word = 0; word < 216; word++)
			assert_int_equal(get_at(v.vcpu, KVM_REG_ARM64 | KVM_REG_ARM_CORE | nibble << KVM_REG_SIZE_SHIFT | word, room), ENOENT);
	assert_int_equal(get_at(v.vcpu, X(0) | BIT(28), room), ENOENT);
	assert_int_equal(get_at(v.vcpu, X(0) | UINT64_C(1) << 32, room), EINVAL);
	assert_int_equal(set_at(v.vcpu, CORE(1, U64), NOWHERE), EINVAL); /* before the value */
	assert_int_equal(set(v.vcpu, PSTATE, 0x10), EINVAL);
	assert_int_equal(set(v.vcpu, PSTATE, 0x9), EINVAL);
	assert_int_equal(set(v.vcpu, PSTATE, UINT64_C(0xffffffffffffffe4)), 0);
	assert_true(get(v.vcpu, PSTATE) == UINT64_C(0xffffffffffffffe4));
	vm_close(&v);
}

static void test_missing(void **state)
{
	struct vm v = vm_ready(PSCI);
	uint64_t midr32 = (MIDR & ~KVM_REG_SIZE_MASK) | KVM_REG_SIZE_U32, room[32] = { 0 };

	(void)state;
	assert_int_equal(get_at(v.vcpu, midr32, room), ENOENT);
	assert_int_equal(get_at(v.vcpu, PMCR, room), ENOENT);
	assert_int_equal(set_at(v.vcpu, PMCR, room), ENOENT);
	assert_int_equal(set_at(v.vcpu, PMCR, NOWHERE), EFAULT); /* the value comes first */
	assert_int_equal(strncmp(anykvm_refusal()->reason, "pmcr_el0: addr", 14), 0);
	assert_int_equal(set_at(v.vcpu, KVM_REG_ARM_FW_REG(9), NOWHERE), EFAULT);
	assert_int_equal(get_at(v.vcpu, KVM_REG_ARM_FW_REG(9), NOWHERE), ENOENT);
	assert_int_equal(set_at(v.vcpu, KVM_REG_ARM64 | KVM_REG_SIZE_U32 | KVM_REG_ARM_DEMUX | 14, NOWHERE), ENOENT);
	assert_int_equal(set(v.vcpu, MIDR, get(v.vcpu, MIDR) ^ 1), EINVAL);
	assert_int_equal(get_at(v.vcpu, X(0) ^ KVM_REG_ARM64 ^ KVM_REG_X86, room), EINVAL);
	vm_close(&v);
}

/* ---- SVE. ---- */

static void test_sve_order(void **state)
{
	struct vm v = vm_ready(PSCI), s = vm_open();
	uint64_t room[32] = { 1 };

	(void)state;
	assert_int_equal(get_at(v.vcpu, KVM_REG_ARM64 | KVM_REG_SIZE_U256 | KVM_REG_ARM64_SVE | 0x700, NOWHERE), EINVAL); /* on every vCPU */
	assert_int_equal(get_at(v.vcpu, Z(0), NOWHERE), ENOENT);
	assert_int_equal(finalize(v.vcpu, KVM_ARM_VCPU_SVE), EINVAL);
	assert_int_equal(init(s.vcpu, PSCI | SVE), 0);
	assert_int_equal(call(s.vcpu, KVM_RUN, NULL), EPERM);
	assert_int_equal(get_at(s.vcpu, KVM_REG_ARM64_SVE_ZREG(0, 1), NOWHERE), ENOENT);
	assert_int_equal(get_at(s.vcpu, Z(0), NOWHERE), EPERM);
	assert_int_equal(get_at(s.vcpu, CORE(84, U128), room), EINVAL);
	assert_int_equal(set_at(s.vcpu, VLS, NOWHERE), EFAULT);
	assert_int_equal(finalize(s.vcpu, 99), EINVAL);
	assert_int_equal(finalize(s.vcpu, KVM_ARM_VCPU_SVE), 0);
	assert_int_equal(finalize(s.vcpu, 99), EINVAL);
	assert_int_equal(finalize(s.vcpu, KVM_ARM_VCPU_SVE), EPERM);
	assert_int_equal(set_at(s.vcpu, VLS, NOWHERE), EPERM);
	vm_close(&v);
	vm_close(&s);
}

/* A "host" with a hole: 128, 256 and 512 bits. */
static void test_vector_lengths(void **state)
{
	static const struct { uint64_t vls; int error; } tries[] = { { 0xb, 0 }, { 0x3, 0 }, { 0x1, 0 }, { 0xf, EINVAL }, { 0x9, EINVAL }, { 0x2, EINVAL }, { 0, EINVAL }, { 0x1b, EINVAL } };
	uint64_t high[8] = { 0x1, 1 };
	struct vm v;

	(void)state;
	setenv("ANYKVM_SVE_VLS", "128,256,512", 1);
	v = vm_open();
	assert_int_equal(init(v.vcpu, PSCI | SVE), 0);
	assert_int_equal(get(v.vcpu, VLS), 0xb);
	for (unsigned int i = 0; i < sizeof tries / sizeof *tries; i++)
		assert_int_equal(set(v.vcpu, VLS, tries[i].vls), tries[i].error);
	assert_int_equal(set_at(v.vcpu, VLS, high), EINVAL);
	assert_int_equal(set(v.vcpu, VLS, 0x3), 0);
	assert_int_equal(init(v.vcpu, PSCI | SVE), 0);
	assert_int_equal(get(v.vcpu, VLS), 0xb);
	vm_close(&v);
	setenv("ANYKVM_SVE_VLS", "0x7fff", 1);
	v = vm_ready(PSCI | SVE);
	assert_int_equal(get(v.vcpu, VLS), 0x7fff);
	vm_close(&v);
	setenv("ANYKVM_SVE_VLS", "256", 1); /* without 128 it is none */
	v = vm_ready(PSCI | SVE);
	assert_int_equal(get(v.vcpu, VLS), 0xf);
	vm_close(&v);
	unsetenv("ANYKVM_SVE_VLS");
}

/* Vectors of 512 bits: 64 bytes of Z count, 8 of P. */
static void test_vectors_at_a_hole(void **state)
{
	struct vm v = vm_ready(PSCI | SVE);
	uint8_t value[256], expected[256] = { 0 };

	(void)state;
	memset(v.hole - 64, 0x5a, 64);
	assert_int_equal(set_at(v.vcpu, Z(1), v.hole - 64), 0);
	assert_int_equal(get_at(v.vcpu, Z(1), value), 0);
	memset(expected, 0x5a, 64);
	assert_memory_equal(value, expected, 256);
	/* What stood in front of the hole has arrived, zeros behind. */
	assert_int_equal(set_at(v.vcpu, Z(1), v.hole - 37), EFAULT);
	assert_int_equal(get_at(v.vcpu, Z(1), value), 0);
	memset(expected + 37, 0, 64 - 37);
	assert_memory_equal(value, expected, 256);
	assert_int_equal(set_at(v.vcpu, KVM_REG_ARM64_SVE_PREG(2, 0), v.hole - 8), 0);
	assert_int_equal(get_at(v.vcpu, KVM_REG_ARM64_SVE_PREG(2, 0), v.hole - 8), EFAULT);
	assert_int_equal(get_at(v.vcpu, Z(1), v.hole - 64), EFAULT);
	assert_int_equal(set_at(v.vcpu, VLS, v.hole - 8), EPERM);
	vm_close(&v);
}

/* ---- ID registers. ---- */

/* Every field of every ID register takes what is safe by its order, and nothing else. */
static void fields_check(int vcpu, uint64_t id, uint64_t writable)
{
	uint64_t limit = get(vcpu, id);
	bool dfr0 = id == DFR0;

	for (unsigned int low = 0; low < 64; low += 4) {
		bool is_signed = (dfr0 && low == 36) || (id == ARM64_SYS_REG(3, 0, 0, 7, 0) && (low == 24 || low == 28));
		bool higher = id == ARM64_SYS_REG(3, 0, 0, 7, 1) && low == 24;
		unsigned int most = limit >> low & 15, mask = writable >> low & 15, flip = is_signed ? 8 : 0;

		for (unsigned int field = 0; field < 16; field++) {
			uint64_t value = (limit & ~(UINT64_C(15) << low)) | (uint64_t)field << low, expected = value;
			bool safe = field == most || (mask == 15 && (higher ? field >= most : (field ^ flip) <= (most ^ flip)));

			if (dfr0 && low == 0)
				safe = safe && field >= 6;
			if (dfr0 && low == 8 && field == 15) {
				safe = true; /* no PMU that the architecture knows: stored as none */
				expected = value & ~(UINT64_C(15) << 8);
			}
			if (id == ARM64_SYS_REG(3, 3, 0, 0, 1) && low == 28)
				safe = field == most || field == (most & ~1u); /* IDC; DIC is 0; bit 31 is RES1 */
			assert_int_equal(set(vcpu, id, value), safe ? 0 : EINVAL);
			assert_true(get(vcpu, id) == (safe ? expected : limit));
			assert_int_equal(set(vcpu, id, limit), 0);
		}
	}
}

static void test_id_fields(void **state)
{
	uint64_t masks[KVM_ARM_FEATURE_ID_RANGE_SIZE] = { 0 };
	struct reg_mask_range range = { .addr = (uintptr_t)masks };
	struct vm v = vm_ready(ALL);

	(void)state;
	assert_int_equal(call(v.vm, KVM_ARM_GET_REG_WRITABLE_MASKS, &range), 0);
	for (unsigned int crm = 4; crm < 8; crm++)
		for (unsigned int op2 = 0; op2 < 8; op2++)
			fields_check(v.vcpu, ARM64_SYS_REG(3, 0, 0, crm, op2), masks[8 * crm + op2]);
	fields_check(v.vcpu, ARM64_SYS_REG(3, 3, 0, 0, 1), masks[128 + 1]);
	range.range = 1;
	assert_int_equal(call(v.vm, KVM_ARM_GET_REG_WRITABLE_MASKS, &range), EINVAL);
	range = (struct reg_mask_range){ .addr = 8 };
	assert_int_equal(call(v.vm, KVM_ARM_GET_REG_WRITABLE_MASKS, &range), EFAULT);
	vm_close(&v);
}

/* There is no AArch32: as on hosts without it its ID registers are 0, and stay so whatever is written. */
static void test_id_aarch32(void **state)
{
	struct vm v = vm_ready(PSCI);

	(void)state;
	assert_int_equal(get(v.vcpu, PFR0) & 0xffff, 0x0011);
	assert_int_equal(set(v.vcpu, ID_PFR0, UINT64_MAX), 0);
	assert_int_equal(get(v.vcpu, ID_PFR0), 0);
	assert_int_equal(set(v.vcpu, ARM64_SYS_REG(3, 0, 0, 1, 3), 1), EINVAL); /* ID_AFR0 */
	assert_int_equal(set(v.vcpu, ARM64_SYS_REG(3, 0, 0, 3, 7), 0), 0);
	vm_close(&v);
}

static void test_after_the_first_run(void **state)
{
	struct vm v = vm_ready(PSCI);
	size_t size = (size_t)anykvm_ioctl(v.kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
	struct kvm_run *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v.vcpu, 0);
	uint64_t isar0 = get(v.vcpu, ISAR0);

	(void)state;
	assert_true(run != MAP_FAILED);
	run->immediate_exit = 1;
	assert_int_equal(call(v.vcpu, KVM_RUN, NULL), EINTR);
	assert_int_equal(set(v.vcpu, ISAR0, isar0), 0);
	assert_int_equal(set(v.vcpu, ISAR0, 0), EBUSY);
	assert_int_equal(set(v.vcpu, KVM_REG_ARM_STD_BMAP, 2), EINVAL);
	assert_int_equal(set(v.vcpu, KVM_REG_ARM_STD_BMAP, 0), EBUSY);
	assert_int_equal(set(v.vcpu, KVM_REG_ARM_PSCI_VERSION, 0x10000), 0);
	munmap(run, size);
	vm_close(&v);
}

static void test_pmu_before_run(void **state)
{
	struct kvm_device_attr attribute = { .group = KVM_ARM_VCPU_PMU_V3_CTRL, .attr = KVM_ARM_VCPU_PMU_V3_INIT };
	struct vm v = vm_ready(PSCI | PMU);

	(void)state;
	assert_int_equal(call(v.vcpu, KVM_RUN, NULL), EINVAL);
	assert_int_equal(call(v.vcpu, KVM_HAS_DEVICE_ATTR, &attribute), 0);
	assert_int_equal(call(v.vcpu, KVM_SET_DEVICE_ATTR, &attribute), 0);
	assert_int_equal(call(v.vcpu, KVM_SET_DEVICE_ATTR, &attribute), EBUSY);
	vm_close(&v);
}

/* ---- Many registers: all or nothing. ---- */

struct many {
	struct kvm_many_regs header;
	struct kvm_one_reg reg[16];
};

static int set_many(int vcpu, uint64_t n, const uint64_t *ids, const uint64_t *values)
{
	struct many many = { .header.n = n };

	for (uint64_t i = 0; i < n; i++)
		many.reg[i] = (struct kvm_one_reg){ ids[i], (uintptr_t)&values[i] };
	return call(vcpu, KVM_SET_MANY_REGS, &many);
}

static int pmu_attribute(int vcpu, uint64_t attr, const void *at)
{
	return call(vcpu, KVM_SET_DEVICE_ATTR, &(struct kvm_device_attr){ .group = KVM_ARM_VCPU_PMU_V3_CTRL, .attr = attr, .addr = (uintptr_t)at });
}

/* The type of one of the host's event sources; -1: it tells of none. */
static int event_source(void)
{
	FILE *file = fopen("/sys/bus/event_source/devices/software/type", "re");
	int type = -1;

	if (file) {
		if (fscanf(file, "%d", &type) != 1)
			type = -1;
		fclose(file);
	}
	return type;
}

/* Which of the host's PMUs counts, and what is not counted: until a vCPU has run, and KVM_ARM_VCPU_PMU_V3_INIT of this one. */
static void test_pmu_attributes(void **state)
{
	struct kvm_pmu_event_filter denied = { .base_event = 0x11, .nevents = 1, .action = KVM_PMU_EVENT_DENY };
	int none = 0x7ffffff0, some = event_source();
	struct vm v = vm_ready(PSCI | PMU), w = vm_ready(PSCI);
	struct kvm_run *run;

	(void)state;
	assert_int_equal(pmu_attribute(v.vcpu, KVM_ARM_VCPU_PMU_V3_SET_PMU, &none), ENXIO);
	assert_int_equal(pmu_attribute(v.vcpu, KVM_ARM_VCPU_PMU_V3_SET_PMU, v.hole - 3), EFAULT);
	assert_int_equal(pmu_attribute(v.vcpu, KVM_ARM_VCPU_PMU_V3_FILTER, &denied), 0);
	assert_int_equal(pmu_attribute(v.vcpu, KVM_ARM_VCPU_PMU_V3_FILTER, v.hole - 7), EFAULT);
	if (some >= 0)
		assert_int_equal(pmu_attribute(v.vcpu, KVM_ARM_VCPU_PMU_V3_SET_PMU, &some), 0);
	assert_int_equal(pmu_attribute(w.vcpu, KVM_ARM_VCPU_PMU_V3_FILTER, v.hole), ENODEV); /* before anything is read */
	assert_int_equal(pmu_attribute(v.vcpu, KVM_ARM_VCPU_PMU_V3_INIT, NULL), 0);
	assert_int_equal(pmu_attribute(v.vcpu, KVM_ARM_VCPU_PMU_V3_FILTER, v.hole), EBUSY);
	run = mmap(NULL, (size_t)anykvm_ioctl(v.kvm, KVM_GET_VCPU_MMAP_SIZE, NULL), PROT_READ | PROT_WRITE, MAP_SHARED, v.vcpu, 0);
	run->immediate_exit = 1;
	assert_int_equal(call(v.vcpu, KVM_RUN, NULL), EINTR);
	vm_close(&w);
	w.vcpu = anykvm_ioctl(v.vm, KVM_CREATE_VCPU, (void *)1);
	assert_int_equal(init(w.vcpu, PSCI | PMU), 0);
	if (some >= 0)
		assert_int_equal(pmu_attribute(w.vcpu, KVM_ARM_VCPU_PMU_V3_SET_PMU, &some), EBUSY);
	assert_int_equal(pmu_attribute(w.vcpu, KVM_ARM_VCPU_PMU_V3_FILTER, &denied), EBUSY);
	anykvm_close(w.vcpu);
	vm_close(&v);
}

static void test_many_set(void **state)
{
	struct vm v = vm_ready(PSCI | PMU);
	uint64_t refused[] = { X(1), SCTLR, PSTATE, KVM_REG_ARM_PSCI_VERSION }, values[] = { 5, 6, 0x3c4, 7 };
	uint64_t twice[] = { X(1), PC, X(1) }, twice_values[] = { 1, 2, 3 };

	(void)state;
	assert_int_equal(set_many(v.vcpu, 4, refused, values), EINVAL);
	assert_int_equal(anykvm_refusal()->entry, 3);
	assert_int_equal(get(v.vcpu, X(1)), 0);
	assert_int_equal(get(v.vcpu, SCTLR), 0xc50078);
	assert_int_equal(get(v.vcpu, PSTATE), 0x3c5);
	values[3] = 2;
	assert_int_equal(set_many(v.vcpu, 4, refused, values), 0);
	assert_int_equal(get(v.vcpu, SCTLR), 6);
	assert_int_equal(get(v.vcpu, PSTATE), 0x3c4);
	assert_int_equal(set_many(v.vcpu, 3, twice, twice_values), 0);
	assert_int_equal(get(v.vcpu, X(1)), 3);
	vm_close(&v);
}

/* One at a time they set and clear; together with one value they mean the word, in either order. */
static void test_many_pairs(void **state)
{
	struct vm v = vm_ready(PSCI | PMU);
	uint64_t ids[] = { PMCNTENSET, PMCNTENCLR, PMCR }, back[] = { PMCNTENCLR, PMCNTENSET }, values[] = { 0x5, 0x5, 0x3000 };

	(void)state;
	assert_int_equal(set(v.vcpu, PMCNTENCLR, UINT64_MAX), 0);
	assert_int_equal(set(v.vcpu, PMCNTENSET, 0x1), 0);
	assert_int_equal(set(v.vcpu, PMCNTENSET, 0x2), 0);
	assert_int_equal(get(v.vcpu, PMCNTENCLR), 0x3);
	assert_int_equal(set_many(v.vcpu, 3, ids, values), 0);
	assert_int_equal(get(v.vcpu, PMCNTENSET), 0x5);
	values[0] = values[1] = 0x80000006;
	assert_int_equal(set_many(v.vcpu, 2, back, values), 0);
	assert_int_equal(get(v.vcpu, PMCNTENSET), 0x80000006);
	vm_close(&v);
}

/* The whole list into another VM: VLS before FINALIZE, then all the rest in one call. */
static void test_many_travel(void **state)
{
	struct vm from = vm_ready(ALL), to = vm_open();
	uint64_t ids[400];
	int count = anykvm_reg_list(from.vcpu, ids, 400);
	uint8_t (*values)[256] = calloc(400, 256), (*back)[256] = calloc(400, 256);
	struct kvm_many_regs *many = calloc(1, sizeof *many + 400 * sizeof many->reg[0]);

	(void)state;
	assert_int_equal(count, 362);
	assert_true(values && back && many);
	assert_int_equal(set(from.vcpu, X(9), 99), 0);
	assert_int_equal(set(from.vcpu, Z(9), 0x9999), 0);
	assert_int_equal(set(from.vcpu, PMCNTENSET, 0x80000021), 0);
	many->n = (uint64_t)count;
	for (int i = 0; i < count; i++)
		many->reg[i] = (struct kvm_one_reg){ ids[i], (uintptr_t)values[i] };
	assert_int_equal(call(from.vcpu, KVM_GET_MANY_REGS, many), 0);
	assert_int_equal(init(to.vcpu, ALL), 0);
	assert_int_equal(call(to.vcpu, KVM_SET_MANY_REGS, many), EPERM); /* Z before FINALIZE */
	for (int i = 0; i < count; i++)
		if (ids[i] == VLS) {
			assert_int_equal(set_at(to.vcpu, VLS, values[i]), 0);
			many->reg[i] = (struct kvm_one_reg){ X(0), (uintptr_t)values[0] };
		}
	assert_int_equal(finalize(to.vcpu, KVM_ARM_VCPU_SVE), 0);
	assert_int_equal(call(to.vcpu, KVM_SET_MANY_REGS, many), 0);
	for (int i = 0; i < count; i++) {
		assert_int_equal(get_at(to.vcpu, ids[i], back[i]), 0);
		if (ids[i] != KVM_REG_ARM_TIMER_CNT && ids[i] != KVM_REG_ARM_PTIMER_CNT)
			assert_memory_equal(back[i], values[i], 256);
	}
	free(many);
	free(back);
	free(values);
	vm_close(&from);
	vm_close(&to);
}

/* ---- Other calls. ---- */

static void test_events(void **state)
{
	struct vm v = vm_ready(PSCI);
	struct kvm_vcpu_events events = { 0 }, bad = { .reserved = { [11] = 1 } };

	(void)state;
	assert_int_equal(call(v.vcpu, KVM_SET_VCPU_EVENTS, &bad), EINVAL);
	events.exception.serror_pending = events.exception.serror_has_esr = 1;
	events.exception.serror_esr = 0x2000000;
	assert_int_equal(call(v.vcpu, KVM_SET_VCPU_EVENTS, &events), EINVAL);
	events.exception.serror_esr = 0x1234;
	assert_int_equal(call(v.vcpu, KVM_SET_VCPU_EVENTS, &events), 0);
	memset(&events, 0xff, sizeof events);
	assert_int_equal(call(v.vcpu, KVM_GET_VCPU_EVENTS, &events), 0);
	assert_true(events.exception.serror_pending == 1 && events.exception.serror_esr == 0x1234 && events.exception.ext_dabt_pending == 0);
	vm_close(&v);
}

static void test_mp_state(void **state)
{
	struct vm v = vm_ready(PSCI | BIT(KVM_ARM_VCPU_POWER_OFF));
	struct kvm_mp_state mp_state = { 99 };

	(void)state;
	assert_int_equal(call(v.vcpu, KVM_SET_MP_STATE, &mp_state), EINVAL);
	assert_int_equal(call(v.vcpu, KVM_GET_MP_STATE, &mp_state), 0);
	assert_int_equal(mp_state.mp_state, KVM_MP_STATE_STOPPED);
	mp_state.mp_state = KVM_MP_STATE_HALTED;
	assert_int_equal(call(v.vcpu, KVM_SET_MP_STATE, &mp_state), EINVAL);
	mp_state.mp_state = KVM_MP_STATE_RUNNABLE;
	assert_int_equal(call(v.vcpu, KVM_SET_MP_STATE, &mp_state), 0);
	vm_close(&v);
}

static void test_irq_line(void **state)
{
	struct vm v = vm_ready(PSCI);
	struct kvm_irq_level irq = { .irq = KVM_ARM_IRQ_CPU_FIQ, .level = 1 };

	(void)state;
	assert_int_equal(call(v.vm, KVM_IRQ_LINE, &irq), 0);
	irq.irq = 2;
	assert_int_equal(call(v.vm, KVM_IRQ_LINE, &irq), EINVAL);
	irq.irq = 1u << KVM_ARM_IRQ_VCPU_SHIFT;
	assert_int_equal(call(v.vm, KVM_IRQ_LINE, &irq), EINVAL);
	irq.irq = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT;
	assert_int_equal(call(v.vm, KVM_IRQ_LINE, &irq), ENXIO);
	irq.irq = 15u << KVM_ARM_IRQ_TYPE_SHIFT;
	assert_int_equal(call(v.vm, KVM_IRQ_LINE, &irq), EINVAL);
	vm_close(&v);
}

static void test_counter_offset(void **state)
{
	struct vm v = vm_ready(PSCI);
	struct kvm_arm_counter_offset offset = { .reserved = 1 };

	(void)state;
	assert_int_equal(call(v.vm, KVM_ARM_SET_COUNTER_OFFSET, &offset), EINVAL);
	assert_int_equal(set(v.vcpu, KVM_REG_ARM_TIMER_CNT, UINT64_C(1) << 60), 0);
	assert_true(get(v.vcpu, KVM_REG_ARM_TIMER_CNT) >> 60 == 1);
	offset = (struct kvm_arm_counter_offset){ 0 };
	assert_int_equal(call(v.vm, KVM_ARM_SET_COUNTER_OFFSET, &offset), 0);
	assert_int_equal(set(v.vcpu, KVM_REG_ARM_TIMER_CNT, UINT64_C(1) << 61), 0);
	assert_true(get(v.vcpu, KVM_REG_ARM_TIMER_CNT) >> 60 == 0);
	vm_close(&v);
}

static int filter(int vm, uint32_t base, uint32_t count, uint8_t action)
{
	struct kvm_smccc_filter range = { .base = base, .nr_functions = count, .action = action };
	struct kvm_device_attr attribute = { .group = KVM_ARM_VM_SMCCC_CTRL, .attr = KVM_ARM_VM_SMCCC_FILTER, .addr = (uintptr_t)&range };

	return call(vm, KVM_SET_DEVICE_ATTR, &attribute);
}

static void test_filter(void **state)
{
	struct vm v = vm_ready(PSCI);

	(void)state;
	assert_int_equal(filter(v.vm, 0x84000000, 0, KVM_SMCCC_FILTER_DENY), EINVAL);
	assert_int_equal(filter(v.vm, 0xfffffff0, 0x11, KVM_SMCCC_FILTER_DENY), EINVAL);
	assert_int_equal(filter(v.vm, 0x84000000, 1, 3), EINVAL);
	assert_int_equal(filter(v.vm, 0x8000ffff, 1, KVM_SMCCC_FILTER_DENY), EEXIST);
	assert_int_equal(filter(v.vm, 0x84000000, 0x20, KVM_SMCCC_FILTER_FWD_TO_USER), 0);
	assert_int_equal(filter(v.vm, 0x8400001f, 2, KVM_SMCCC_FILTER_DENY), EEXIST);
	assert_int_equal(filter(v.vm, 0xfffffff0, 0x10, KVM_SMCCC_FILTER_DENY), 0);
	vm_close(&v);
}

/* A guest that asks where its stolen time is, and tells. */
static void test_stolen_time(void **state)
{
	static const uint32_t code[] = {
		0xd2800420, /* mov x0, #0x21 */
		0xf2b8a000, /* movk x0, #0xc500, lsl #16: PV_TIME_ST */
		0xd4000002, /* hvc #0 */
		0xd2a80001, /* mov x1, #0x40000000 */
		0xf9000020, /* str x0, [x1] */
	};
	struct vm v = vm_ready(PSCI);
	size_t size = (size_t)anykvm_ioctl(v.kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
	struct kvm_run *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v.vcpu, 0);
	uint64_t *memory = mmap(NULL, 0x2000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), base = 0x1020, answer;
	struct kvm_userspace_memory_region region = { .memory_size = 0x2000, .userspace_addr = (uintptr_t)memory };
	struct kvm_device_attr attribute = { .group = KVM_ARM_VCPU_PVTIME_CTRL, .attr = KVM_ARM_VCPU_PVTIME_IPA, .addr = (uintptr_t)&base };

	(void)state;
	assert_true(run != MAP_FAILED && memory != MAP_FAILED);
	memcpy(memory, code, sizeof code);
	assert_int_equal(call(v.vm, KVM_SET_USER_MEMORY_REGION, &region), 0);
	assert_int_equal(call(v.vcpu, KVM_HAS_DEVICE_ATTR, &attribute), 0);
	assert_int_equal(call(v.vcpu, KVM_SET_DEVICE_ATTR, &attribute), EINVAL); /* not a multiple of 64 */
	base = 0x10000;
	assert_int_equal(call(v.vcpu, KVM_SET_DEVICE_ATTR, &attribute), EINVAL); /* in no slot */
	base = 0x1040;
	assert_int_equal(call(v.vcpu, KVM_SET_DEVICE_ATTR, &attribute), 0);
	assert_int_equal(call(v.vcpu, KVM_SET_DEVICE_ATTR, &attribute), EEXIST);
	memset(memory + 0x1040 / 8, 0xff, 64);
	assert_int_equal(call(v.vcpu, KVM_RUN, NULL), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_MMIO);
	memcpy(&answer, run->mmio.data, sizeof answer);
	assert_int_equal(answer, 0x1040);
	assert_int_equal(memory[0x1040 / 8], 0);
	run->immediate_exit = 1; /* finishes the exit, and says nothing of another */
	assert_int_equal(call(v.vcpu, KVM_RUN, NULL), EINTR);
	assert_int_equal(run->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(get(v.vcpu, PC), sizeof code);
	munmap(memory, 0x2000);
	munmap(run, size);
	vm_close(&v);
}

static void test_vm(void **state)
{
	struct vm v = vm_ready(PSCI);
	struct kvm_one_reg reg = { X(0), 0 };
	struct kvm_vcpu_init target;
	struct kvm_userspace_memory_region far = { .slot = 0, .guest_phys_addr = UINT64_C(1) << 40, .memory_size = 4096, .userspace_addr = (uintptr_t)v.hole - 4096 };

	(void)state;
	assert_int_equal(call(v.vm, KVM_GET_ONE_REG, &reg), ENODEV); /* the number of KVM_ARM_SET_DEVICE_ADDR */
	assert_int_equal(call(v.vm, KVM_ARM_PREFERRED_TARGET, &target), 0);
	assert_int_equal(target.target, KVM_ARM_TARGET_GENERIC_V8);
	assert_int_equal(call(v.vm, KVM_SET_USER_MEMORY_REGION, &far), EINVAL); /* 40 bits, without a word of the program's */
	far.guest_phys_addr = 0;
	assert_int_equal(call(v.vm, KVM_SET_USER_MEMORY_REGION, &far), 0);
	far.slot = 1 << 16;
	assert_int_equal(call(v.vm, KVM_SET_USER_MEMORY_REGION, &far), EINVAL);
	assert_int_equal(call(v.kvm, KVM_CREATE_VM, (void *)31), EINVAL);
	assert_int_equal(call(v.kvm, KVM_CREATE_VM, (void *)49), EINVAL);
	assert_int_equal(call(v.kvm, KVM_CREATE_VM, (void *)0x100), EINVAL);
	vm_close(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_core),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_sve_order),
		cmocka_unit_test(test_vector_lengths),
		cmocka_unit_test(test_vectors_at_a_hole),
		cmocka_unit_test(test_id_fields),
		cmocka_unit_test(test_id_aarch32),
		cmocka_unit_test(test_after_the_first_run),
		cmocka_unit_test(test_pmu_before_run),
		cmocka_unit_test(test_pmu_attributes),
		cmocka_unit_test(test_many_set),
		cmocka_unit_test(test_many_pairs),
		cmocka_unit_test(test_many_travel),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_mp_state),
		cmocka_unit_test(test_irq_line),
		cmocka_unit_test(test_counter_offset),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_stolen_time),
		cmocka_unit_test(test_vm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
