/*
 * s390: kernel document virt/kvm/api.rst, 4.68; <asm/kvm.h> of s390. All other registers are in kvm_run.
 */
#include "reg/table.h"

static const struct reg_row rows[] = {
	{ .index = 0x1, .size = BITS32, .name = "todpr" },
	{ .index = 0x2, .size = BITS64, .name = "epochdiff" },
	{ .index = 0x3, .size = BITS64, .name = "cpu_timer" },
	{ .index = 0x4, .size = BITS64, .name = "clock_comp" },
	{ .index = 0x5, .size = BITS64, .name = "pftoken" },
	{ .index = 0x6, .size = BITS64, .name = "pfcompare" },
	{ .index = 0x7, .size = BITS64, .name = "pfselect" },
	{ .index = 0x8, .size = BITS64, .name = "pp" },
	{ .index = 0x9, .size = BITS64, .name = "gbea" },
};

static const struct reg_set sets[] = {
	{ .bits = KVM_REG_S390, .mask = KVM_REG_ARCH_MASK | 0xfffff00000000, .title = "register", .rows = rows, .count = sizeof rows / sizeof *rows },
};

const struct reg_arch reg_s390 = {
	.bits = KVM_REG_S390, .name = "s390", .machines = "s390x", .sets = sets, .count = sizeof sets / sizeof *sets,
};
