/*
 * The FPU where it depends on the machine rather than on numbers: who may use which instruction, exceptions that are not masked, the layouts
 * in memory, and that the program's own floating-point environment stays its own. Results are the CPU tester's business (tests/fuzz).
 */
#include <errno.h>
#include <fenv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "machine.h"

#define CR0_MP (1u << 1)
#define CR0_EM (1u << 2)
#define CR0_TS (1u << 3)
#define CR0_NE (1u << 5)
#define CR4_OSFXSR (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define CR4_OSXSAVE (1u << 18)
#define CR4_ALL (CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE)

enum { UD = 6, NM = 7, GP = 13, MF = 16, XM = 19, NONE = 0xff };
enum { HANDLERS = 0x3000, DATA = 0x4000 };

/* ---- Running one piece of code in real mode: every vector leads to a HLT of its own. ---- */

static void vectors_prepare(struct machine *m)
{
	for (unsigned int vector = 0; vector < 32; vector++) {
		uint16_t entry[2] = { (uint16_t)(HANDLERS + 16 * vector), 0 };

		memcpy(m->memory + 4 * vector, entry, 4);
		m->memory[HANDLERS + 16 * vector] = 0xf4;
	}
}

static void registers_set(struct machine *m, uint64_t cr0_set, uint64_t cr4)
{
	struct kvm_sregs sregs;

	assert_int_equal(ioctl(m->vcpu, KVM_GET_SREGS, &sregs), 0);
	sregs.cr0 = (sregs.cr0 & ~(uint64_t)(CR0_MP | CR0_EM | CR0_TS)) | CR0_NE | cr0_set;
	sregs.cr4 = cr4;
	assert_int_equal(ioctl(m->vcpu, KVM_SET_SREGS, &sregs), 0);
}

/* Everything that KVM offers: OSXSAVE may be set only then. */
static void cpuid_set(struct machine *m)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid = { .head = { .nent = 256 } };

	assert_int_equal(ioctl(m->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), 0);
	assert_int_equal(ioctl(m->vcpu, KVM_SET_CPUID2, &cpuid), 0);
}

/* Returns the vector of the exception that the code raised, or NONE when it got to its end. */
static unsigned int code_run(struct machine *m, const uint8_t *code, size_t size)
{
	uint8_t bytes[64];
	struct kvm_regs regs;

	memcpy(bytes, code, size);
	bytes[size] = 0xf4;
	memcpy(m->memory + MACHINE_CODE, bytes, size + 1);
	assert_int_equal(ioctl(m->vcpu, KVM_GET_REGS, &regs), 0);
	regs.rip = MACHINE_CODE;
	regs.rsp = 0x8000;
	regs.rflags = 2;
	regs.rbx = DATA;
	assert_int_equal(ioctl(m->vcpu, KVM_SET_REGS, &regs), 0);
	assert_int_equal(vcpu_run(m->vcpu), 0);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_HLT);
	assert_int_equal(ioctl(m->vcpu, KVM_GET_REGS, &regs), 0);
	if (regs.rip >= HANDLERS && regs.rip < HANDLERS + 32 * 16)
		return (unsigned int)(regs.rip - HANDLERS) / 16;
	assert_int_equal(regs.rip, MACHINE_CODE + size + 1);
	return NONE;
}

static void fpu_get(struct machine *m, struct kvm_fpu *fpu)
{
	assert_int_equal(ioctl(m->vcpu, KVM_GET_FPU, fpu), 0);
}

static void fpu_set(struct machine *m, const struct kvm_fpu *fpu)
{
	assert_int_equal(ioctl(m->vcpu, KVM_SET_FPU, fpu), 0);
}

/* KVM_GET_FPU and KVM_SET_FPU leave MXCSR alone; it is the seventh word of the XSAVE area. */
static uint32_t mxcsr_get(struct machine *m)
{
	struct kvm_xsave xsave;

	assert_int_equal(ioctl(m->vcpu, KVM_GET_XSAVE, &xsave), 0);
	return xsave.region[6];
}

static void mxcsr_set(struct machine *m, uint32_t mxcsr)
{
	struct kvm_xsave xsave;

	assert_int_equal(ioctl(m->vcpu, KVM_GET_XSAVE, &xsave), 0);
	xsave.region[6] = mxcsr;
	xsave.region[128] |= 2; /* XSTATE_BV: SSE */
	assert_int_equal(ioctl(m->vcpu, KVM_SET_XSAVE, &xsave), 0);
}

static void fpu_reset(struct machine *m)
{
	struct kvm_fpu fpu = { .fcw = 0x37f };

	fpu_set(m, &fpu);
	mxcsr_set(m, 0x1f80);
}

#define RUN(m, ...) code_run(m, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* ---- Who may use what: SDM Vol. 3A, tables 9-3 and 13-1, 12.1. ---- */

struct availability {
	const char *what;
	uint8_t code[8], size;
	uint8_t plain, em, ts, mp_ts, no_cr4; /* the vector with CR0 as it is, EM, TS, MP and TS; and with CR4 = 0 */
};

static const struct availability availabilities[] = {
	{ "FLD1", { 0xd9, 0xe8 }, 2, NONE, NM, NM, NM, NONE },
	{ "FNINIT", { 0xdb, 0xe3 }, 2, NONE, NM, NM, NM, NONE },
	{ "WAIT", { 0x9b }, 1, NONE, NONE, NONE, NM, NONE },
	{ "PADDB mm", { 0x0f, 0xfc, 0xc1 }, 3, NONE, UD, NM, NM, NONE },
	{ "EMMS", { 0x0f, 0x77 }, 2, NONE, UD, NM, NM, NONE },
	{ "PAVGB mm", { 0x0f, 0xe0, 0xc1 }, 3, NONE, UD, NM, NM, NONE },
	{ "PSHUFB mm", { 0x0f, 0x38, 0x00, 0xc1 }, 4, NONE, UD, NM, NM, NONE },
	{ "ADDPS", { 0x0f, 0x58, 0xc1 }, 3, NONE, UD, NM, NM, UD },
	{ "ADDPS [bx]", { 0x0f, 0x58, 0x07 }, 3, NONE, UD, NM, NM, UD },
	{ "MOVUPS [bx]", { 0x0f, 0x11, 0x07 }, 3, NONE, UD, NM, NM, UD },
	{ "PADDB xmm", { 0x66, 0x0f, 0xfc, 0xc1 }, 4, NONE, UD, NM, NM, UD },
	{ "MOVQ2DQ", { 0xf3, 0x0f, 0xd6, 0xc1 }, 4, NONE, UD, NM, NM, UD },
	{ "CVTPI2PS", { 0x0f, 0x2a, 0xc1 }, 3, NONE, UD, NM, NM, UD },
	{ "PCMPISTRI", { 0x66, 0x0f, 0x3a, 0x63, 0xc1, 0x0c }, 6, NONE, UD, NM, NM, UD },
	{ "PTEST", { 0x66, 0x0f, 0x38, 0x17, 0xc1 }, 5, NONE, UD, NM, NM, UD },
	{ "MOVNTI", { 0x0f, 0xc3, 0x07 }, 3, NONE, NONE, NONE, NONE, NONE },
	{ "LDMXCSR", { 0x0f, 0xae, 0x17 }, 3, NONE, UD, NM, NM, UD },
	{ "STMXCSR", { 0x0f, 0xae, 0x1f }, 3, NONE, UD, NM, NM, UD },
	{ "FXSAVE", { 0x0f, 0xae, 0x07 }, 3, NONE, NM, NM, NM, NONE },
	{ "XSAVE", { 0x0f, 0xae, 0x27 }, 3, NONE, NONE, NM, NM, UD },
	{ "XGETBV", { 0x0f, 0x01, 0xd0 }, 3, NONE, NONE, NONE, NONE, UD },
};

static void availability_check(struct machine *m, const struct availability *a, uint64_t cr0, uint64_t cr4, unsigned int expected)
{
	unsigned int vector;

	fpu_reset(m);
	registers_set(m, cr0, cr4);
	memset(m->memory + DATA, 0, 4096);
	/* [bx]: modrm 07; XGETBV wants ECX = 0, which it is. */
	vector = code_run(m, a->code, a->size);
	if (vector != expected)
		fail_msg("%s with CR0 |= %x, CR4 = %x: vector %u, not %u", a->what, (unsigned int)cr0, (unsigned int)cr4, vector, expected);
}

static void test_availability(void **state)
{
	struct machine *m = *state;

	for (size_t i = 0; i < sizeof(availabilities) / sizeof(*availabilities); i++) {
		const struct availability *a = &availabilities[i];

		availability_check(m, a, 0, CR4_ALL, a->plain);
		availability_check(m, a, CR0_EM, CR4_ALL, a->em);
		availability_check(m, a, CR0_TS, CR4_ALL, a->ts);
		availability_check(m, a, CR0_MP | CR0_TS, CR4_ALL, a->mp_ts);
		availability_check(m, a, 0, 0, a->no_cr4);
	}
}

/* ---- Exceptions that are not masked. ---- */

static void test_x87_exception_is_deferred(void **state)
{
	struct machine *m = *state;
	struct kvm_fpu fpu = { .fcw = 0x37f & ~4 }; /* ZE unmasked */

	registers_set(m, 0, CR4_ALL);
	fpu_set(m, &fpu);
	/* FLD1, FLDZ, FDIVP: 1 / 0 is not computed; nothing happens until a waiting instruction. */
	assert_int_equal(RUN(m, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9), NONE);
	fpu_get(m, &fpu);
	assert_int_equal(fpu.fsw & 0xb8ff, 0xb084); /* B, TOP = 6: no pop; ES, ZE */
	assert_int_equal(RUN(m, 0xdf, 0xe0), NONE); /* FNSTSW */
	assert_int_equal(RUN(m, 0x9b), MF);
	assert_int_equal(RUN(m, 0xd9, 0xe8), MF);
	assert_int_equal(RUN(m, 0x0f, 0xfc, 0xc1), MF); /* MMX waits too */
	assert_int_equal(RUN(m, 0x0f, 0x58, 0xc1), NONE); /* SSE does not */
	assert_int_equal(RUN(m, 0xdb, 0xe2, 0x9b), NONE); /* FNCLEX, WAIT */
}

static void test_sse_exception(void **state)
{
	enum { ALL_MASKED = 0x1f80, ZERO_DIVIDE = 4, UNMASKED = ALL_MASKED & ~(ZERO_DIVIDE << 7) };
	struct machine *m = *state;
	struct kvm_fpu fpu = { .fcw = 0x37f };
	float one = 1, zero = 0;

	memcpy(fpu.xmm[0], &one, 4);
	memcpy(fpu.xmm[1], &zero, 4);
	fpu_set(m, &fpu);
	mxcsr_set(m, UNMASKED);
	registers_set(m, 0, CR4_ALL);
	assert_int_equal(RUN(m, 0xf3, 0x0f, 0x5e, 0xc1), XM); /* DIVSS */
	assert_int_equal(mxcsr_get(m), UNMASKED | ZERO_DIVIDE);
	fpu_get(m, &fpu);
	assert_memory_equal(fpu.xmm[0], &one, 4);
	registers_set(m, 0, CR4_OSFXSR);
	assert_int_equal(RUN(m, 0xf3, 0x0f, 0x5e, 0xc1), UD);
	/* LDMXCSR changes what the instruction right behind it does. */
	registers_set(m, 0, CR4_ALL);
	mxcsr_set(m, ALL_MASKED);
	memcpy(m->memory + DATA, &(uint32_t){ UNMASKED }, 4);
	assert_int_equal(RUN(m, 0x0f, 0xae, 0x17, 0xf3, 0x0f, 0x5e, 0xc1), XM);
	memcpy(m->memory + DATA, &(uint32_t){ ALL_MASKED }, 4);
	assert_int_equal(RUN(m, 0x0f, 0xae, 0x17, 0xf3, 0x0f, 0x5e, 0xc1), NONE);
	assert_int_equal(mxcsr_get(m), ALL_MASKED | ZERO_DIVIDE);
	/* A reserved bit. */
	memcpy(m->memory + DATA, &(uint32_t){ 0x10000 }, 4);
	assert_int_equal(RUN(m, 0x0f, 0xae, 0x17), GP);
}

/* ---- Layouts. ---- */

static uint16_t data16(const struct machine *m, unsigned int offset)
{
	uint16_t value;

	memcpy(&value, m->memory + DATA + offset, 2);
	return value;
}

/* In real mode the pointers are linear addresses: SDM Vol. 1, figures 8-10 and 8-12. */
static void test_environment_real_mode(void **state)
{
	struct machine *m = *state;
	struct kvm_fpu fpu;

	registers_set(m, 0, CR4_ALL);
	fpu_reset(m);
	memset(m->memory + DATA, 0, 256);
	/* FLD dword [bx + 0x40]; FNSTENV [bx] */
	assert_int_equal(RUN(m, 0xd9, 0x47, 0x40, 0xd9, 0x37), NONE);
	assert_int_equal(data16(m, 0), 0x37f);
	assert_int_equal(data16(m, 2), 0x3800);
	assert_int_equal(data16(m, 4), 0x7fff); /* ST(0), physical register 7, is zero: tag 1 */
	assert_int_equal(data16(m, 14), 0);     /* 14 bytes */
	/* 66 FNSTENV: 28 bytes, with the fields at the low halves. */
	assert_int_equal(RUN(m, 0x66, 0xd9, 0x77, 0x20), NONE);
	assert_int_equal(data16(m, 0x20), 0x37f);
	assert_int_equal(data16(m, 0x24), 0x3800);
	assert_int_equal(data16(m, 0x28), 0x7fff);
	/* FLDENV with another TOP: the physical registers stay, so the value is ST(7) now. */
	memcpy(m->memory + DATA + 2, &(uint16_t){ 0 }, 2);
	assert_int_equal(RUN(m, 0xd9, 0x67, 0x00), NONE);
	fpu_get(m, &fpu);
	assert_int_equal(fpu.fsw, 0);
	assert_int_equal(fpu.ftwx, 0x80);
}

static void test_fnsave_frstor(void **state)
{
	static const uint8_t one[10] = { 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f };
	struct machine *m = *state;
	struct kvm_fpu before, after;

	registers_set(m, 0, CR4_ALL);
	fpu_reset(m);
	assert_int_equal(RUN(m, 0xd9, 0xeb, 0xd9, 0xe8), NONE); /* FLDPI, FLD1 */
	fpu_get(m, &before);
	assert_int_equal(RUN(m, 0xdd, 0x37), NONE); /* FNSAVE [bx], 94 bytes */
	assert_memory_equal(m->memory + DATA + 14, one, 10);
	fpu_get(m, &after);
	assert_int_equal(after.fcw, 0x37f);
	assert_int_equal(after.fsw, 0);
	assert_int_equal(after.ftwx, 0);
	assert_int_equal(RUN(m, 0xdd, 0x27), NONE); /* FRSTOR */
	fpu_get(m, &after);
	assert_int_equal(after.fsw, before.fsw);
	assert_int_equal(after.ftwx, before.ftwx);
	assert_memory_equal(after.fpr, before.fpr, sizeof(after.fpr));
}

static void test_fxsave_alignment(void **state)
{
	struct machine *m = *state;

	registers_set(m, 0, CR4_ALL);
	fpu_reset(m);
	assert_int_equal(RUN(m, 0x0f, 0xae, 0x47, 0x08), GP); /* FXSAVE [bx + 8] */
	assert_int_equal(RUN(m, 0x0f, 0xae, 0x47, 0x10), NONE);
	assert_int_equal(data16(m, 0x10), 0x37f);
	assert_int_equal(RUN(m, 0x0f, 0xae, 0x67, 0x10), GP); /* XSAVE wants 64 bytes */
	assert_int_equal(RUN(m, 0x0f, 0x28, 0x47, 0x08), GP); /* MOVAPS */
	assert_int_equal(RUN(m, 0x0f, 0x10, 0x47, 0x08), NONE); /* MOVUPS */
}

static void test_xsave_xrstor(void **state)
{
	struct machine *m = *state;
	struct kvm_fpu fpu = { .fcw = 0x37f, .mxcsr = 0x1f80 }, after;
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .xcr = 0, .value = 3 } } };
	uint64_t present;

	registers_set(m, 0, CR4_ALL);
	assert_int_equal(ioctl(m->vcpu, KVM_SET_XCRS, &xcrs), 0);
	memset(fpu.xmm[3], 0x5a, 16);
	fpu_set(m, &fpu);
	memset(m->memory + DATA, 0, 1024);
	/* mov eax, 3; xor edx, edx; XSAVE [bx] */
	assert_int_equal(RUN(m, 0x66, 0xb8, 3, 0, 0, 0, 0x31, 0xd2, 0x0f, 0xae, 0x27), NONE);
	memcpy(&present, m->memory + DATA + 512, 8);
	assert_true(present & 2);
	assert_memory_equal(m->memory + DATA + 160 + 16 * 3, fpu.xmm[3], 16);
	/* XRSTOR of nothing but what the header says is there: XMM only, then neither. */
	memset(m->memory + DATA + 160 + 16 * 3, 0xa5, 16);
	assert_int_equal(RUN(m, 0x66, 0xb8, 3, 0, 0, 0, 0x31, 0xd2, 0x0f, 0xae, 0x2f), NONE);
	fpu_get(m, &after);
	assert_int_equal(after.xmm[3][0], 0xa5);
	memset(m->memory + DATA + 512, 0, 8);
	assert_int_equal(RUN(m, 0x66, 0xb8, 3, 0, 0, 0, 0x31, 0xd2, 0x0f, 0xae, 0x2f), NONE);
	fpu_get(m, &after);
	assert_int_equal(after.xmm[3][0], 0);
	assert_int_equal(after.fcw, 0x37f);
	/* A component that XCR0 does not have, and a header that is not a standard one. */
	m->memory[DATA + 512] = 4;
	assert_int_equal(RUN(m, 0x66, 0xb8, 3, 0, 0, 0, 0x31, 0xd2, 0x0f, 0xae, 0x2f), GP);
	m->memory[DATA + 512] = 1;
	m->memory[DATA + 528] = 1;
	assert_int_equal(RUN(m, 0x66, 0xb8, 3, 0, 0, 0, 0x31, 0xd2, 0x0f, 0xae, 0x2f), GP);
	m->memory[DATA + 528] = 0;
}

/* ---- The program's own environment. ---- */

/* Where the compiler cannot know the values, and so not the result. */
static volatile double one = 1, three = 3;

static double third(void)
{
	return one / three;
}

static void test_environment_of_the_program(void **state)
{
	struct machine *m = *state;
	struct kvm_fpu fpu = { .fcw = 0xf7f }; /* rounding toward zero */
	double up;

	registers_set(m, 0, CR4_ALL);
	fpu_set(m, &fpu);
	mxcsr_set(m, 0x1f80 | 3u << 13);
	fesetround(FE_UPWARD);
	up = third();
	feclearexcept(FE_ALL_EXCEPT);
	/* FLD1, FLDPI, FDIVP, ADDPS, SQRTSD, FLDZ: both units are used, inexactly; the x87 stack is left full. */
	assert_int_equal(RUN(m, 0xd9, 0xe8, 0xd9, 0xeb, 0xde, 0xf9, 0x0f, 0x58, 0xc1, 0xf2, 0x0f, 0x51, 0xd1, 0xd9, 0xee), NONE);
	assert_int_equal(fegetround(), FE_UPWARD);
	assert_int_equal(fetestexcept(FE_ALL_EXCEPT), 0);
	assert_true(third() == up);
	assert_true((double)((long double)up * 3) >= 1);
	fesetround(FE_TONEAREST);
}

/* A hole in the guest's memory is a signal in the middle of the guest: both sides' rounding modes and flags survive it. */
static void test_environment_survives_hole(void **state)
{
	enum { HOLE = 0x5000 };
	struct machine *m = *state;
	struct kvm_fpu fpu = { .fcw = 0x37f };
	double two = 2, root;

	registers_set(m, 0, CR4_ALL);
	memcpy(fpu.xmm[1], &two, 8);
	fpu_set(m, &fpu);
	mxcsr_set(m, 0x1f80 | 2u << 13); /* upward */
	assert_int_equal(munmap(m->memory + HOLE, 4096), 0);
	fesetround(FE_DOWNWARD);
	feclearexcept(FE_ALL_EXCEPT);
	/* SQRTSD XMM2, XMM1; MOV [HOLE], AL; SQRTSD XMM3, XMM1; HLT */
	memcpy(m->memory + MACHINE_CODE, (const uint8_t[]){ 0xf2, 0x0f, 0x51, 0xd1, 0xa2, 0x00, 0x50, 0xf2, 0x0f, 0x51, 0xd9, 0xf4 }, 12);
	vcpu_start(m->vcpu);
	assert_int_equal(vcpu_run(m->vcpu), EFAULT);
	assert_int_equal(fegetround(), FE_DOWNWARD);
	assert_int_equal(fetestexcept(FE_ALL_EXCEPT), 0);
	assert_int_equal(mxcsr_get(m), 0x1fa0 | 2u << 13);
	assert_ptr_equal(mmap(m->memory + HOLE, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), m->memory + HOLE);
	assert_int_equal(vcpu_run(m->vcpu), 0);
	fesetround(FE_TONEAREST);
	fpu_get(m, &fpu);
	assert_memory_equal(fpu.xmm[2], fpu.xmm[3], 8);
	memcpy(&root, fpu.xmm[3], 8);
	assert_true(root > 1.414213562373095 && root * root > 2);
}

static int machine_setup(void **state)
{
	static struct machine m;

	machine_open(&m);
	cpuid_set(&m);
	vectors_prepare(&m);
	*state = &m;
	return 0;
}

static int machine_teardown(void **state)
{
	machine_close(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_availability),
		cmocka_unit_test(test_x87_exception_is_deferred),
		cmocka_unit_test(test_sse_exception),
		cmocka_unit_test(test_environment_real_mode),
		cmocka_unit_test(test_fnsave_frstor),
		cmocka_unit_test(test_fxsave_alignment),
		cmocka_unit_test(test_xsave_xrstor),
		cmocka_unit_test(test_environment_of_the_program),
		cmocka_unit_test(test_environment_survives_hole),
	};

	return cmocka_run_group_tests(tests, machine_setup, machine_teardown);
}
