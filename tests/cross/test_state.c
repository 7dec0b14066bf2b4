/*
 * States of arm64 vCPUs on the machine's own KVM: a guest that counts with SVE, signs pointers and has a PMU is captured in the middle of its
 * work, put into a VM that was only just made, and goes on there. What does not fit is named. Skipped where there is no /dev/kvm for arm64 guests.
 */
#include "anykvm/arm64.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <cmocka.h>

#include "anykvm/anykvm.h"
#include "anykvm/kvm.h"
#include "anykvm/state.h"

enum { MEMORY = 0x100000, CODE = 0x1000, STACK = 0x8000, MMIO = 0x40000000, ROUNDS = 40, HALF = 17 };
enum {
	PSCI = 1u << KVM_ARM_VCPU_PSCI_0_2, PMU = 1u << KVM_ARM_VCPU_PMU_V3, SVE = 1u << KVM_ARM_VCPU_SVE,
	PTRAUTH = 1u << KVM_ARM_VCPU_PTRAUTH_ADDRESS | 1u << KVM_ARM_VCPU_PTRAUTH_GENERIC,
};
#define CORE(index) (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | (index))
#define PC CORE(64)
#define X(n) CORE(2 * (n))
#define SYSREG(...) ARM64_SYS_REG(__VA_ARGS__)

#ifdef __aarch64__
extern const uint8_t guest_code[], guest_end[];
/*
 * x0: MMIO; x1: a signed pointer, signed and authenticated again in each round; z0: counts by the lane's number; x3: the round, which is told; x4 the sum of z0's lanes.
 * The PMU's cycle counter and its overflow bits are set once.
 */
__asm__(
	".pushsection .rodata\n"
	".arch armv8.4-a+sve\n"
	".balign 4\n"
	".global guest_code, guest_end\n"
	"guest_code:\n"
	"	mov	x9, #15\n"
	"	msr	s3_0_c1_c2_0, x9\n"   /* ZCR_EL1: as long as it gets */
	"	isb\n"
	"	mrs	x9, sctlr_el1\n"
	"	orr	x9, x9, #(1 << 31)\n" /* EnIA */
	"	msr	sctlr_el1, x9\n"
	"	isb\n"
	"	mov	x9, #5\n"
	"	msr	pmcntenset_el0, x9\n"
	"	mov	x9, #2\n"
	"	msr	pmintenset_el1, x9\n"
	"	ptrue	p0.d\n"
	"	index	z1.d, #1, #1\n"
	"	mov	z0.d, #0\n"
	"	adr	x1, 1f\n"
	"	mov	x2, sp\n"
	"	paciza	x1\n"
	"	mov	x3, #0\n"
	"1:	add	z0.d, p0/m, z0.d, z1.d\n"
	"	autiza	x1\n"
	"	mov	x5, x1\n"
	"	paciza	x1\n"
	"	uaddv	d2, p0, z0.d\n"
	"	fmov	x4, d2\n"
	"	add	x3, x3, #1\n"
	"	str	x3, [x0]\n"
	"	br	x5\n"
	"guest_end:\n"
	".popsection\n");
#else
static const uint8_t guest_code[4], *const guest_end = guest_code; /* nothing to run here */
#endif

/* ---- Machines. ---- */

struct machine {
	int vm, vcpu;
	uint8_t *memory;
	struct kvm_run *run;
};

/* -1: there is none of arm64. */
static int system_open(void)
{
	return anykvm_open_accel(ANYKVM_ACCEL_KVM, KVM_REG_ARM64, O_CLOEXEC);
}

static struct machine machine_make(int system, uint8_t *memory)
{
	struct machine m = { .vm = anykvm_ioctl(system, KVM_CREATE_VM, NULL), .memory = memory };
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };

	if (!memory)
		m.memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	region.userspace_addr = (uintptr_t)m.memory;
	assert_int_equal(anykvm_ioctl(m.vm, KVM_SET_USER_MEMORY_REGION, &region), 0);
	m.vcpu = anykvm_ioctl(m.vm, KVM_CREATE_VCPU, NULL);
	assert_true(m.vcpu >= 0);
	m.run = mmap(NULL, (size_t)anykvm_ioctl(system, KVM_GET_VCPU_MMAP_SIZE, NULL), PROT_READ | PROT_WRITE, MAP_SHARED, m.vcpu, 0);
	return m;
}

static void machine_close(struct machine *m)
{
	anykvm_close(m->vcpu);
	anykvm_close(m->vm);
}

static void machine_init(const struct machine *m, uint32_t features)
{
	struct kvm_vcpu_init init = { 0 };
	int sve = KVM_ARM_VCPU_SVE;

	assert_int_equal(anykvm_ioctl(m->vm, KVM_ARM_PREFERRED_TARGET, &init), 0);
	init.features[0] = features;
	assert_int_equal(anykvm_ioctl(m->vcpu, KVM_ARM_VCPU_INIT, &init), 0);
	if (features & PMU)
		assert_int_equal(anykvm_ioctl(m->vcpu, KVM_SET_DEVICE_ATTR, &(struct kvm_device_attr){ .group = KVM_ARM_VCPU_PMU_V3_CTRL, .attr = KVM_ARM_VCPU_PMU_V3_INIT }), 0);
	if (features & SVE)
		assert_int_equal(anykvm_ioctl(m->vcpu, KVM_ARM_VCPU_FINALIZE, &sve), 0);
}

static uint64_t reg(const struct machine *m, uint64_t id)
{
	uint64_t value = 0;

	assert_int_equal(anykvm_reg_get(m->vcpu, id, &value), 0);
	return value;
}

static void reg_put(const struct machine *m, uint64_t id, uint64_t value)
{
	if (anykvm_reg_set(m->vcpu, id, &value))
		fail_msg("0x%llx: %s: %s", (unsigned long long)id, strerror(errno), anykvm_refusal()->reason);
}

static void on_alarm(int signal)
{
	(void)signal; /* KVM_RUN ends with EINTR */
}

/* Until the guest tells that round; the store is then done. */
static void rounds_run(struct machine *m, uint64_t last)
{
	uint64_t told = 0;

	alarm(60);

	while (told < last) {
		if (anykvm_ioctl(m->vcpu, KVM_RUN, NULL))
			fail_msg("KVM_RUN: %s; pc 0x%llx, esr_el1 0x%llx, elr_el1 0x%llx, x3 %llu", strerror(errno), (unsigned long long)reg(m, PC), (unsigned long long)reg(m, SYSREG(3, 0, 5, 2, 0)),
				 (unsigned long long)reg(m, CORE(70)), (unsigned long long)reg(m, X(3)));
		assert_int_equal(m->run->exit_reason, KVM_EXIT_MMIO);
		memcpy(&told, m->run->mmio.data, sizeof told);
	}
	m->run->immediate_exit = 1;
	assert_int_equal(anykvm_ioctl(m->vcpu, KVM_RUN, NULL), -1);
	m->run->immediate_exit = 0;
	alarm(0);
}

static uint32_t all_features(int vm)
{
	uint32_t features = PSCI;

	if (anykvm_ioctl(vm, KVM_CHECK_EXTENSION, (void *)KVM_CAP_ARM_PMU_V3) > 0)
		features |= PMU;
	if (anykvm_ioctl(vm, KVM_CHECK_EXTENSION, (void *)KVM_CAP_ARM_SVE) > 0)
		features |= SVE;
	if (anykvm_ioctl(vm, KVM_CHECK_EXTENSION, (void *)KVM_CAP_ARM_PTRAUTH_ADDRESS) > 0)
		features |= PTRAUTH;
	return features;
}

/* One in the middle of its work. */
static struct machine machine_busy(int system, uint8_t *memory)
{
	struct machine m = machine_make(system, memory);

	assert_int_equal(all_features(m.vm), PSCI | PMU | SVE | PTRAUTH);
	machine_init(&m, all_features(m.vm));
	memcpy(m.memory + 0x200, &(uint32_t){ 0x14000000 }, 4); /* an exception stays where it can be seen: b . */
	memcpy(m.memory + CODE, guest_code, (size_t)(guest_end - guest_code));
	reg_put(&m, PC, CODE);
	reg_put(&m, CORE(68), STACK);
	reg_put(&m, X(0), MMIO);
	reg_put(&m, SYSREG(3, 0, 1, 0, 2), 3 << 20 | 3 << 16); /* CPACR_EL1: FPEN, ZEN */
	reg_put(&m, SYSREG(3, 0, 2, 1, 0), 0x123456789abcdef0);
	reg_put(&m, SYSREG(3, 0, 2, 1, 1), 0x0fedcba987654321);
	rounds_run(&m, HALF);
	return m;
}

/* ---- All registers, by KVM's own list. ---- */

enum { LISTED_MOST = 1024, LISTED_6_12 = 362 /* of a vCPU with all features of Linux 6.12 */ };

/* What a state has no need of: one of each pair of registers over one word, and what reads as zero. */
static const uint64_t left_out[] = { SYSREG(3, 3, 9, 12, 2), SYSREG(3, 3, 9, 12, 3), SYSREG(3, 0, 9, 14, 2), SYSREG(3, 3, 9, 12, 4) };
/* Those that go on by themselves. */
static const uint64_t moving[] = { KVM_REG_ARM_TIMER_CNT, KVM_REG_ARM_PTIMER_CNT };
#define IN(table, id) in(table, sizeof(table) / sizeof *(table), id)

static bool in(const uint64_t *ids, size_t count, uint64_t id)
{
	for (size_t i = 0; i < count; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/* Every register of the first vCPU is one of the second, and has its value there; each is in the state but for those above. */
static void registers_compare(const struct machine *first, const struct machine *second, struct anykvm_state *saved)
{
	uint64_t ids[LISTED_MOST], others[LISTED_MOST];
	int count = anykvm_reg_list(first->vcpu, ids, LISTED_MOST), equal = 0;
	struct utsname system;
	size_t in_state;

	assert_true(count > 0 && count < LISTED_MOST);
	assert_int_equal(anykvm_reg_list(second->vcpu, others, LISTED_MOST), count);
	assert_memory_equal(ids, others, (size_t)count * sizeof *ids);
	anykvm_state_regs(saved, 0, &in_state);
	assert_int_equal(in_state + sizeof left_out / sizeof *left_out, count);
	uname(&system);
	if (!strncmp(system.release, "6.12.", 5))
		assert_int_equal(count, LISTED_6_12);
	printf("# %d registers listed, %zu of them in the state\n", count, in_state);
	for (int i = 0; i < count; i++) {
		uint8_t was[256] = { 0 }, is[256] = { 0 };
		char name[ANYKVM_REG_NAME_ROOM] = "?";
		bool same;

		anykvm_reg_name(ids[i], name, sizeof name);
		assert_int_equal(anykvm_reg_get(first->vcpu, ids[i], was), 0);
		assert_int_equal(anykvm_reg_get(second->vcpu, ids[i], is), 0);
		same = !memcmp(was, is, sizeof was);
		equal += same;
		if (!same && !IN(moving, ids[i]))
			fail_msg("%s differs", name);
		if (!anykvm_state_reg(saved, 0, ids[i]) != IN(left_out, ids[i]))
			fail_msg("%s is %s the state", name, IN(left_out, ids[i]) ? "in" : "not in");
		printf("# %-20s %s%s\n", name, same ? "equal" : "moves by itself", IN(left_out, ids[i]) ? ", follows from others" : "");
	}
	assert_true(count - equal <= (int)(sizeof moving / sizeof *moving));
	printf("# %d equal, %d that move by themselves\n", equal, count - equal);
}

/* ---- Tests. ---- */

static void test_goes_on(void **state)
{
	struct machine first, second;
	struct anykvm_state *saved, *read;
	struct anykvm_report *report = anykvm_report_new();
	int system = system_open(), file;
	uint64_t lanes, sum;
	char path[] = "/tmp/stateXXXXXX";

	(void)state;
	if (system < 0)
		skip();
	first = machine_busy(system, NULL);
	saved = anykvm_state_capture(first.vm, &first.vcpu, 1);
	assert_non_null(saved);
	file = mkstemp(path);
	assert_int_equal(anykvm_state_write(saved, file, NULL), 0);
	lseek(file, 0, SEEK_SET);
	read = anykvm_state_read(file, NULL);
	assert_non_null(read);
	close(file);
	unlink(path);

	/* A vCPU that was only made: it is initialised, given its vector lengths and finalized on the way. */
	second = machine_make(system, first.memory);
	if (anykvm_state_restore(read, second.vm, &second.vcpu, 1, NULL, 0, report)) {
		for (size_t i = 0; i < anykvm_report_count(report); i++)
			printf("# %s: %s: %s\n", anykvm_report_at(report, i)->name, anykvm_report_at(report, i)->field, anykvm_report_at(report, i)->rule);
		fail_msg("%s", anykvm_refusal()->reason);
	}
	registers_compare(&first, &second, saved);
	rounds_run(&second, ROUNDS);
	assert_int_equal(reg(&second, X(3)), ROUNDS);
	{
		uint64_t lengths[8] = { 0 };

		anykvm_reg_get(second.vcpu, KVM_REG_ARM64_SVE_VLS, lengths);
		lanes = 2 * (64 - (uint64_t)__builtin_clzll(lengths[0]));
		sum = ROUNDS * lanes * (lanes + 1) / 2;
		printf("# %llu lanes of 64 bits, their sum %llu\n", (unsigned long long)lanes, (unsigned long long)reg(&second, X(4)));
	}
	assert_int_equal(reg(&second, X(4)), sum);
	anykvm_state_free(read);
	anykvm_state_free(saved);
	anykvm_report_free(report);
	machine_close(&first);
	machine_close(&second);
	anykvm_close(system);
}

/* A subset of the registers' names that a report must have. */
static bool reported(const struct anykvm_report *report, const char *name)
{
	for (size_t i = 0; i < anykvm_report_count(report); i++)
		if (!strcmp(anykvm_report_at(report, i)->name, name))
			return true;
	return false;
}

static void report_print(const char *title, const struct anykvm_report *report)
{
	printf("# %s: %zu\n", title, anykvm_report_count(report));
	for (size_t i = 0; i < anykvm_report_count(report) && i < 8; i++) {
		const struct anykvm_misfit *misfit = anykvm_report_at(report, i);

		printf("#   %s: %s (%.20s, possible %.20s): %s\n", misfit->name, misfit->field, misfit->saved, misfit->possible, misfit->rule);
	}
}

/* What is asked of the KVM here and of its profile. */
static void check_both(const struct anykvm_state *state, int system, const char *title, const char *name)
{
	struct anykvm_profile *profile = anykvm_profile_take(system);
	struct anykvm_report *here = anykvm_report_new(), *there = anykvm_report_new();

	assert_non_null(profile);
	assert_true(anykvm_state_check(state, system, NULL, here) >= 0);
	assert_true(anykvm_state_check_profile(state, profile, NULL, there) >= 0);
	report_print(title, here);
	report_print("by its profile", there);
	if (name) {
		assert_true(reported(here, name));
		assert_true(reported(there, name));
	} else {
		assert_int_equal(anykvm_report_count(here), 0);
		assert_int_equal(anykvm_report_count(there), 0);
	}
	anykvm_report_free(here);
	anykvm_report_free(there);
	anykvm_profile_free(profile);
}

static void test_misfits(void **state)
{
	int system = system_open();
	struct anykvm_state *saved;
	uint64_t *vls, *pfr0, old;
	struct machine m;

	(void)state;
	if (system < 0)
		skip();
	m = machine_busy(system, NULL);
	saved = anykvm_state_capture(m.vm, &m.vcpu, 1);
	assert_non_null(saved);
	check_both(saved, system, "as it is", NULL);
	vls = anykvm_state_reg(saved, 0, KVM_REG_ARM64_SVE_VLS);
	old = *vls;
	*vls = old << 1 | 1; /* one longer */
	if (*vls != old)
		check_both(saved, system, "longer vectors", "sve_vls");
	*vls = old & ~2ULL; /* a hole, where there are three lengths */
	if (old & 4)
		check_both(saved, system, "a hole in the lengths", "sve_vls");
	*vls = old;
	pfr0 = anykvm_state_reg(saved, 0, SYSREG(3, 0, 0, 4, 0));
	old = *pfr0;
	*pfr0 ^= 0xfULL << 36; /* SEL2 */
	check_both(saved, system, "a wrong field", "id_aa64pfr0_el1");
	*pfr0 = old;
	pfr0 = anykvm_state_reg(saved, 0, SYSREG(3, 0, 0, 0, 0));
	*pfr0 ^= 1;
	check_both(saved, system, "another processor", "midr_el1");
	anykvm_state_free(saved);
	machine_close(&m);
	anykvm_close(system);
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_goes_on), cmocka_unit_test(test_misfits) };

	setbuf(stdout, NULL);
	sigaction(SIGALRM, &action, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
