/*
 * The register ids of this machine's own <asm/kvm.h>, and what we call them.
 */
#include <cmocka.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include <linux/kvm.h>

#include "anykvm/reg.h"
#include "host/host.h"

struct id {
	uint64_t id;
	const char *name; /* NULL: it has one, whichever */
};

#if defined(__aarch64__)
#define CORE(field, size) (KVM_REG_ARM64 | KVM_REG_ARM_CORE | KVM_REG_SIZE_##size | KVM_REG_ARM_CORE_REG(field))
static const struct id ids[] = {
	{ CORE(regs.regs[0], U64), "x0" }, { CORE(regs.regs[30], U64), "x30" }, { CORE(regs.sp, U64), "sp" }, { CORE(regs.pc, U64), "pc" },
	{ CORE(regs.pstate, U64), "pstate" }, { CORE(sp_el1, U64), "sp_el1" }, { CORE(elr_el1, U64), "elr_el1" },
	{ CORE(spsr[KVM_SPSR_EL1], U64), "spsr_el1" }, { CORE(spsr[KVM_SPSR_FIQ], U64), "spsr_fiq" }, { CORE(fp_regs.vregs[0], U128), "v0" },
	{ CORE(fp_regs.vregs[31], U128), "v31" }, { CORE(fp_regs.fpsr, U32), "fpsr" }, { CORE(fp_regs.fpcr, U32), "fpcr" },
	{ ARM64_SYS_REG(3, 0, 1, 0, 0), "sctlr_el1" }, { ARM64_SYS_REG(3, 0, 0, 4, 0), "id_aa64pfr0_el1" },
	{ KVM_REG_ARM_TIMER_CTL, "cntv_ctl_el0" }, { KVM_REG_ARM_TIMER_CNT, "cntvct_el0" }, { KVM_REG_ARM_TIMER_CVAL, "cntv_cval_el0" },
	{ KVM_REG_ARM_PTIMER_CTL, "cntp_ctl_el0" }, { KVM_REG_ARM_PTIMER_CNT, "cntpct_el0" }, { KVM_REG_ARM_PTIMER_CVAL, "cntp_cval_el0" },
	{ KVM_REG_ARM_PSCI_VERSION, "psci_version" }, { KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1, "smccc_arch_workaround_1" },
	{ KVM_REG_ARM_STD_BMAP, "std_bmap" }, { KVM_REG_ARM_VENDOR_HYP_BMAP, "vendor_hyp_bmap" }, { KVM_REG_ARM64_SVE_ZREG(12, 0), "z12" },
	{ KVM_REG_ARM64_SVE_ZREG(3, 1), "z3[1]" }, { KVM_REG_ARM64_SVE_PREG(4, 0), "p4" }, { KVM_REG_ARM64_SVE_FFR(0), "ffr" },
	{ KVM_REG_ARM64_SVE_VLS, "sve_vls" }, { KVM_REG_ARM64 | KVM_REG_SIZE_U32 | KVM_REG_ARM_DEMUX | 2, "ccsidr[2]" },
};
#define ARCH KVM_REG_ARM64
#elif defined(__riscv)
#define RISCV(kind, size, index) (KVM_REG_RISCV | KVM_REG_SIZE_##size | (kind) | (index))
static const struct id ids[] = {
	{ RISCV(KVM_REG_RISCV_CONFIG, U64, KVM_REG_RISCV_CONFIG_REG(isa)), "isa" },
	{ RISCV(KVM_REG_RISCV_CORE, U64, KVM_REG_RISCV_CORE_REG(regs.pc)), "pc" }, { RISCV(KVM_REG_RISCV_CORE, U64, KVM_REG_RISCV_CORE_REG(regs.a7)), "a7" },
	{ RISCV(KVM_REG_RISCV_CORE, U64, KVM_REG_RISCV_CORE_REG(regs.s2)), "s2" }, { RISCV(KVM_REG_RISCV_CORE, U64, KVM_REG_RISCV_CORE_REG(mode)), "mode" },
	{ RISCV(KVM_REG_RISCV_CSR, U64, KVM_REG_RISCV_CSR_REG(sstatus)), "sstatus" }, { RISCV(KVM_REG_RISCV_CSR, U64, KVM_REG_RISCV_CSR_REG(satp)), "satp" },
	{ RISCV(KVM_REG_RISCV_TIMER, U64, KVM_REG_RISCV_TIMER_REG(compare)), "timer_compare" },
	{ RISCV(KVM_REG_RISCV_FP_F, U32, KVM_REG_RISCV_FP_F_REG(f[3])), "f3_s" }, { RISCV(KVM_REG_RISCV_FP_D, U64, KVM_REG_RISCV_FP_D_REG(f[3])), "f3" },
	{ RISCV(KVM_REG_RISCV_FP_D, U32, KVM_REG_RISCV_FP_D_REG(fcsr)), "fcsr" }, { RISCV(KVM_REG_RISCV_ISA_EXT, U64, KVM_RISCV_ISA_EXT_SSTC), "isa_ext_sstc" },
};
#define ARCH KVM_REG_RISCV
#elif defined(__s390x__)
static const struct id ids[] = {
	{ KVM_REG_S390_TODPR, "todpr" }, { KVM_REG_S390_EPOCHDIFF, "epochdiff" }, { KVM_REG_S390_CPU_TIMER, "cpu_timer" },
	{ KVM_REG_S390_CLOCK_COMP, "clock_comp" }, { KVM_REG_S390_PFTOKEN, "pftoken" }, { KVM_REG_S390_PFCOMPARE, "pfcompare" },
	{ KVM_REG_S390_PFSELECT, "pfselect" }, { KVM_REG_S390_PP, "pp" }, { KVM_REG_S390_GBEA, "gbea" },
};
#define ARCH KVM_REG_S390
#elif defined(__powerpc64__)
static const struct id ids[] = {
	{ KVM_REG_PPC_HIOR, "hior" }, { KVM_REG_PPC_PMC1, "pmc1" }, { KVM_REG_PPC_PMC8, "pmc8" }, { KVM_REG_PPC_FPR(31), "fpr31" }, { KVM_REG_PPC_VR(2), "vr2" },
	{ KVM_REG_PPC_VSR(31), "vsr31" }, { KVM_REG_PPC_LPCR, "lpcr" }, { KVM_REG_PPC_LPCR_64, "lpcr_64" }, { KVM_REG_PPC_ICP_STATE, "icp_state" },
	{ KVM_REG_PPC_MAS0, "mas0" }, { KVM_REG_PPC_VPA_SLB, "vpa_slb" }, { KVM_REG_PPC_TM_GPR(7), "tm_gpr7" }, { KVM_REG_PPC_TM_VSR(63), "tm_vsr63" },
	{ KVM_REG_PPC_TM_XER, "tm_xer" },
};
#define ARCH KVM_REG_PPC
#endif

static void test_names(void **state)
{
	char name[ANYKVM_REG_NAME_ROOM];

	(void)state;
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		uint64_t id = 0;

		if (anykvm_reg_name(ids[i].id, name, sizeof name))
			fail_msg("0x%llx should be %s", (unsigned long long)ids[i].id, ids[i].name);
		assert_string_equal(name, ids[i].name);
		assert_int_equal(anykvm_reg_parse(ARCH, name, &id), 0);
		assert_true(id == ids[i].id);
	}
}

/* Values are numbers in this machine's byte order. */
static void test_values(void **state)
{
	uint64_t value = 0x123456789abcdef0;
	uint32_t half = 0x12345678;
	char text[ANYKVM_VALUE_ROOM];

	(void)state;
	assert_int_equal(anykvm_value_print(&value, sizeof value, text, sizeof text), 0);
	assert_string_equal(text, "0x123456789abcdef0");
	assert_int_equal(anykvm_value_print(&half, sizeof half, text, sizeof text), 0);
	assert_string_equal(text, "0x12345678");
	assert_int_equal(anykvm_value_parse("0xfedc", &half, sizeof half), 0);
	assert_true(half == 0xfedc);
}

static void test_machine(void **state)
{
	(void)state;
	assert_true(host_arch() == ARCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_names), cmocka_unit_test(test_values), cmocka_unit_test(test_machine) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
