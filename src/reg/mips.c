/*
 * mips: kernel document virt/kvm/api.rst, 4.68; <asm/kvm.h> of mips; for coprocessor 0 the MIPS64 Privileged Resource Architecture, chapter 9.
 * The kind of a register stands in bits 31:16.
 */
#include <stdio.h>

#include "reg/table.h"

static const struct reg_row general[] = {
	{ .index = 0, .count = 32, .size = BITS64, .name = "r%u" },
	{ .index = 32, .size = BITS64, .name = "hi" },
	{ .index = 33, .size = BITS64, .name = "lo" },
	{ .index = 34, .size = BITS64, .name = "pc" },
};

/* The index is 8 * register + select. */
static const struct reg_row cp0[] = {
	{ .index = 0x0, .size = BITS32, .name = "cp0_index" },
	{ .index = 0x10, .size = BITS64, .name = "cp0_entrylo0" },
	{ .index = 0x18, .size = BITS64, .name = "cp0_entrylo1" },
	{ .index = 0x20, .size = BITS64, .name = "cp0_context" },
	{ .index = 0x21, .size = BITS32, .name = "cp0_contextconfig" },
	{ .index = 0x22, .size = BITS64, .name = "cp0_userlocal" },
	{ .index = 0x23, .size = BITS64, .name = "cp0_xcontextconfig" },
	{ .index = 0x28, .size = BITS32, .name = "cp0_pagemask" },
	{ .index = 0x29, .size = BITS32, .name = "cp0_pagegrain" },
	{ .index = 0x2a, .size = BITS64, .name = "cp0_segctl0" },
	{ .index = 0x2b, .size = BITS64, .name = "cp0_segctl1" },
	{ .index = 0x2c, .size = BITS64, .name = "cp0_segctl2" },
	{ .index = 0x2d, .size = BITS64, .name = "cp0_pwbase" },
	{ .index = 0x2e, .size = BITS64, .name = "cp0_pwfield" },
	{ .index = 0x2f, .size = BITS64, .name = "cp0_pwsize" },
	{ .index = 0x30, .size = BITS32, .name = "cp0_wired" },
	{ .index = 0x36, .size = BITS32, .name = "cp0_pwctl" },
	{ .index = 0x38, .size = BITS32, .name = "cp0_hwrena" },
	{ .index = 0x40, .size = BITS64, .name = "cp0_badvaddr" },
	{ .index = 0x41, .size = BITS32, .name = "cp0_badinstr" },
	{ .index = 0x42, .size = BITS32, .name = "cp0_badinstrp" },
	{ .index = 0x48, .size = BITS32, .name = "cp0_count" },
	{ .index = 0x50, .size = BITS64, .name = "cp0_entryhi" },
	{ .index = 0x58, .size = BITS32, .name = "cp0_compare" },
	{ .index = 0x60, .size = BITS32, .name = "cp0_status" },
	{ .index = 0x61, .size = BITS32, .name = "cp0_intctl" },
	{ .index = 0x68, .size = BITS32, .name = "cp0_cause" },
	{ .index = 0x70, .size = BITS64, .name = "cp0_epc" },
	{ .index = 0x78, .size = BITS32, .name = "cp0_prid" },
	{ .index = 0x79, .size = BITS64, .name = "cp0_ebase" },
	{ .index = 0x80, .size = BITS32, .name = "cp0_config" },
	{ .index = 0x81, .size = BITS32, .name = "cp0_config1" },
	{ .index = 0x82, .size = BITS32, .name = "cp0_config2" },
	{ .index = 0x83, .size = BITS32, .name = "cp0_config3" },
	{ .index = 0x84, .size = BITS32, .name = "cp0_config4" },
	{ .index = 0x85, .size = BITS32, .name = "cp0_config5" },
	{ .index = 0x86, .size = BITS32, .name = "cp0_config6" },
	{ .index = 0x87, .size = BITS32, .name = "cp0_config7" },
	{ .index = 0x8a, .size = BITS64, .name = "cp0_maari" },
	{ .index = 0xa0, .size = BITS64, .name = "cp0_xcontext" },
	{ .index = 0xb0, .size = BITS32, .name = "cp0_diag" },
	{ .index = 0xf0, .size = BITS64, .name = "cp0_errorepc" },
	{ .index = 0xfa, .size = BITS64, .name = "cp0_kscratch1" },
	{ .index = 0xfb, .size = BITS64, .name = "cp0_kscratch2" },
	{ .index = 0xfc, .size = BITS64, .name = "cp0_kscratch3" },
	{ .index = 0xfd, .size = BITS64, .name = "cp0_kscratch4" },
	{ .index = 0xfe, .size = BITS64, .name = "cp0_kscratch5" },
	{ .index = 0xff, .size = BITS64, .name = "cp0_kscratch6" },
	{ .index = 0x100, .count = 64, .size = BITS64, .name = "cp0_maar%u" },
};

static int cp0_describe(uint64_t id, char *text, size_t room)
{
	unsigned int index = (unsigned int)id & 0xffff;

	if (index & 0x100)
		return snprintf(text, room, ", MAAR %u", index & 0xff);
	return snprintf(text, room, ", register %u, select %u", index >> 3, index & 7);
}

static const struct reg_row control[] = {
	{ .index = 0, .size = BITS64, .name = "count_ctl" },
	{ .index = 1, .size = BITS64, .name = "count_resume" },
	{ .index = 2, .size = BITS64, .name = "count_hz" },
};

/* One register file in three sizes; then the control registers of the FPU and of MSA. */
static const struct reg_row fpu[] = {
	{ .index = 0, .count = 32, .size = BITS32, .name = "f%u_32" },
	{ .index = 0, .count = 32, .size = BITS64, .name = "f%u", .alias = "f%u_64" },
	{ .index = 0, .count = 32, .size = BITS128, .name = "w%u" },
	{ .index = 0x100, .size = BITS32, .name = "fcr_ir", .alias = "fir" },
	{ .index = 0x11f, .size = BITS32, .name = "fcr_csr", .alias = "fcsr" },
	{ .index = 0x200, .size = BITS32, .name = "msa_ir", .alias = "msair" },
	{ .index = 0x201, .size = BITS32, .name = "msa_csr", .alias = "msacsr" },
};

#define SET(kind, title_, rows_, ...)                                                                                                              \
	{ .bits = KVM_REG_MIPS | (kind) << 16, .mask = KVM_REG_ARCH_MASK | 0xfffffffff0000, .title = title_, .rows = rows_,                        \
	  .count = sizeof(rows_) / sizeof *(rows_), __VA_ARGS__ }
static const struct reg_set sets[] = {
	SET(0, "general register", general),
	SET(1, "coprocessor 0 register", cp0, .describe = cp0_describe),
	SET(2, "KVM control register", control),
	SET(3, "FPU or MSA register", fpu),
};

const struct reg_arch reg_mips = {
	.bits = KVM_REG_MIPS, .name = "mips", .machines = "mips64 mips", .sets = sets, .count = sizeof sets / sizeof *sets,
};
