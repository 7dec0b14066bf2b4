/*
 * loongarch: <asm/kvm.h> of loongarch; the LoongArch Reference Manual, volume 1, chapter 7, for control and status registers. The set of a
 * register stands in bits 31:16; numbers of CSRs and CPUCFG words are shifted left by 3.
 */
#include <stdio.h>

#include "reg/table.h"

static const struct reg_row csr[] = {
	{ .index = 0x0, .size = BITS64, .name = "csr_crmd" },
	{ .index = 0x8, .size = BITS64, .name = "csr_prmd" },
	{ .index = 0x10, .size = BITS64, .name = "csr_euen" },
	{ .index = 0x18, .size = BITS64, .name = "csr_misc" },
	{ .index = 0x20, .size = BITS64, .name = "csr_ecfg" },
	{ .index = 0x28, .size = BITS64, .name = "csr_estat" },
	{ .index = 0x30, .size = BITS64, .name = "csr_era" },
	{ .index = 0x38, .size = BITS64, .name = "csr_badv" },
	{ .index = 0x40, .size = BITS64, .name = "csr_badi" },
	{ .index = 0x60, .size = BITS64, .name = "csr_eentry" },
	{ .index = 0x80, .size = BITS64, .name = "csr_tlbidx" },
	{ .index = 0x88, .size = BITS64, .name = "csr_tlbehi" },
	{ .index = 0x90, .size = BITS64, .name = "csr_tlbelo0" },
	{ .index = 0x98, .size = BITS64, .name = "csr_tlbelo1" },
	{ .index = 0xc0, .size = BITS64, .name = "csr_asid" },
	{ .index = 0xc8, .size = BITS64, .name = "csr_pgdl" },
	{ .index = 0xd0, .size = BITS64, .name = "csr_pgdh" },
	{ .index = 0xd8, .size = BITS64, .name = "csr_pgd" },
	{ .index = 0xe0, .size = BITS64, .name = "csr_pwcl" },
	{ .index = 0xe8, .size = BITS64, .name = "csr_pwch" },
	{ .index = 0xf0, .size = BITS64, .name = "csr_stlbps" },
	{ .index = 0xf8, .size = BITS64, .name = "csr_rvacfg" },
	{ .index = 0x100, .size = BITS64, .name = "csr_cpuid" },
	{ .index = 0x108, .size = BITS64, .name = "csr_prcfg1" },
	{ .index = 0x110, .size = BITS64, .name = "csr_prcfg2" },
	{ .index = 0x118, .size = BITS64, .name = "csr_prcfg3" },
	{ .index = 0x180, .count = 16, .step = 8, .size = BITS64, .name = "csr_save%u" },
	{ .index = 0x200, .size = BITS64, .name = "csr_tid" },
	{ .index = 0x208, .size = BITS64, .name = "csr_tcfg" },
	{ .index = 0x210, .size = BITS64, .name = "csr_tval" },
	{ .index = 0x218, .size = BITS64, .name = "csr_cntc" },
	{ .index = 0x220, .size = BITS64, .name = "csr_ticlr" },
	{ .index = 0x300, .size = BITS64, .name = "csr_llbctl" },
	{ .index = 0x400, .size = BITS64, .name = "csr_impctl1" },
	{ .index = 0x408, .size = BITS64, .name = "csr_impctl2" },
	{ .index = 0x440, .size = BITS64, .name = "csr_tlbrentry" },
	{ .index = 0x448, .size = BITS64, .name = "csr_tlbrbadv" },
	{ .index = 0x450, .size = BITS64, .name = "csr_tlbrera" },
	{ .index = 0x458, .size = BITS64, .name = "csr_tlbrsave" },
	{ .index = 0x460, .size = BITS64, .name = "csr_tlbrelo0" },
	{ .index = 0x468, .size = BITS64, .name = "csr_tlbrelo1" },
	{ .index = 0x470, .size = BITS64, .name = "csr_tlbrehi" },
	{ .index = 0x478, .size = BITS64, .name = "csr_tlbrprmd" },
	{ .index = 0x480, .size = BITS64, .name = "csr_merrctl" },
	{ .index = 0x488, .size = BITS64, .name = "csr_merrinfo1" },
	{ .index = 0x490, .size = BITS64, .name = "csr_merrinfo2" },
	{ .index = 0x498, .size = BITS64, .name = "csr_merrentry" },
	{ .index = 0x4a0, .size = BITS64, .name = "csr_merrera" },
	{ .index = 0x4a8, .size = BITS64, .name = "csr_merrsave" },
	{ .index = 0x4c0, .size = BITS64, .name = "csr_ctag" },
	{ .index = 0xc00, .count = 4, .step = 8, .size = BITS64, .name = "csr_dmw%u" },
	{ .index = 0x1000, .count = 32, .step = 16, .size = BITS64, .name = "csr_pmcfg%u" },
	{ .index = 0x1008, .count = 32, .step = 16, .size = BITS64, .name = "csr_pmcnt%u" },
	{ .index = 0x1800, .size = BITS64, .name = "csr_mwpc" },
	{ .index = 0x1808, .size = BITS64, .name = "csr_mwps" },
	{ .index = 0x1880, .count = 14, .step = 64, .size = BITS64, .name = "csr_mwp%u_cfg1" },
	{ .index = 0x1888, .count = 14, .step = 64, .size = BITS64, .name = "csr_mwp%u_cfg2" },
	{ .index = 0x1890, .count = 14, .step = 64, .size = BITS64, .name = "csr_mwp%u_cfg3" },
	{ .index = 0x1898, .count = 14, .step = 64, .size = BITS64, .name = "csr_mwp%u_cfg4" },
	{ .index = 0x1c00, .size = BITS64, .name = "csr_fwpc" },
	{ .index = 0x1c08, .size = BITS64, .name = "csr_fwps" },
	{ .index = 0x1c80, .count = 14, .step = 64, .size = BITS64, .name = "csr_fwp%u_cfg1" },
	{ .index = 0x1c88, .count = 14, .step = 64, .size = BITS64, .name = "csr_fwp%u_cfg2" },
	{ .index = 0x1c90, .count = 14, .step = 64, .size = BITS64, .name = "csr_fwp%u_cfg3" },
	{ .index = 0x1c98, .count = 14, .step = 64, .size = BITS64, .name = "csr_fwp%u_cfg4" },
	{ .index = 0x2800, .size = BITS64, .name = "csr_dbg" },
	{ .index = 0x2808, .size = BITS64, .name = "csr_dera" },
	{ .index = 0x2810, .size = BITS64, .name = "csr_dsave" },
};

static const struct reg_row control[] = {
	{ .index = 1, .size = BITS64, .name = "counter" },
	{ .index = 2, .size = BITS64, .name = "vcpu_reset" },
	{ .index = 3, .size = BITS64, .name = "debug_inst" },
};

static const struct reg_row cpucfg[] = { { .index = 0, .count = 21, .step = 8, .size = BITS64, .name = "cpucfg%u" } };

static const struct reg_row lbt[] = {
	{ .index = 1, .count = 4, .size = BITS64, .name = "lbt_scr%u" },
	{ .index = 5, .size = BITS64, .name = "lbt_eflags" },
	{ .index = 6, .size = BITS64, .name = "lbt_ftop" },
};

static int shifted_describe(uint64_t id, char *text, size_t room)
{
	return snprintf(text, room, ", number 0x%x", ((unsigned int)id & 0xffff) >> 3);
}

static const char *shifted_wrong(uint64_t id)
{
	return id & 7 ? "bits 2:0 are not zero" : NULL;
}

#define SET(number, title_, rows_, ...)                                                                                                            \
	{ .bits = KVM_REG_LOONGARCH | (number) << 16, .mask = KVM_REG_ARCH_MASK | 0xfffffffff0000, .title = title_, .rows = rows_,                 \
	  .count = sizeof(rows_) / sizeof *(rows_), __VA_ARGS__ }
static const struct reg_set sets[] = {
	SET(1, "CSR", csr, .describe = shifted_describe, .wrong = shifted_wrong),
	SET(2, "KVM control register", control),
	SET(4, "CPUCFG word", cpucfg, .describe = shifted_describe, .wrong = shifted_wrong),
	SET(5, "LBT register", lbt),
};

const struct reg_arch reg_loongarch = {
	.bits = KVM_REG_LOONGARCH, .name = "loongarch", .machines = "loongarch64", .sets = sets, .count = sizeof sets / sizeof *sets,
};
