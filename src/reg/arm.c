/*
 * arm, 32 bits, as KVM had it up to Linux 5.6: kernel document virt/kvm/api.rst, 4.68; the Arm Architecture Reference Manual for ARMv7 (B3.17)
 * for coprocessor 15. The kind of a register stands in bits 27:16.
 */
#include <stdio.h>

#include "reg/table.h"

/* The index is the place in struct kvm_regs, in words. */
static const struct reg_row core[] = {
	{ .index = 0x0, .count = 13, .size = BITS32, .name = "r%u" },
	{ .index = 0xd, .size = BITS32, .name = "sp" },
	{ .index = 0xe, .size = BITS32, .name = "lr" },
	{ .index = 0xf, .size = BITS32, .name = "pc" },
	{ .index = 0x10, .size = BITS32, .name = "cpsr" },
	{ .index = 0x12, .size = BITS32, .name = "sp_svc" },
	{ .index = 0x13, .size = BITS32, .name = "lr_svc" },
	{ .index = 0x14, .size = BITS32, .name = "spsr_svc" },
	{ .index = 0x15, .size = BITS32, .name = "sp_abt" },
	{ .index = 0x16, .size = BITS32, .name = "lr_abt" },
	{ .index = 0x17, .size = BITS32, .name = "spsr_abt" },
	{ .index = 0x18, .size = BITS32, .name = "sp_und" },
	{ .index = 0x19, .size = BITS32, .name = "lr_und" },
	{ .index = 0x1a, .size = BITS32, .name = "spsr_und" },
	{ .index = 0x1b, .size = BITS32, .name = "sp_irq" },
	{ .index = 0x1c, .size = BITS32, .name = "lr_irq" },
	{ .index = 0x1d, .size = BITS32, .name = "spsr_irq" },
	{ .index = 0x1e, .count = 5, .first = 8, .size = BITS32, .name = "r%u_fiq" },
	{ .index = 0x23, .size = BITS32, .name = "sp_fiq" },
	{ .index = 0x24, .size = BITS32, .name = "lr_fiq" },
	{ .index = 0x25, .size = BITS32, .name = "spsr_fiq" },
};

static const struct reg_row demux[] = { { .index = 0, .count = 16, .size = BITS32, .name = "ccsidr[%u]" } };

/* CRn << 11 | CRm << 7 | opc1 << 3 | opc2; 64 bits: CRm << 7 | opc1 << 3. */
static const struct reg_row cp15[] = {
	{ .index = 0x0, .size = BITS32, .name = "midr" },
	{ .index = 0x1, .size = BITS32, .name = "ctr" },
	{ .index = 0x5, .size = BITS32, .name = "mpidr" },
	{ .index = 0x10, .size = BITS32, .name = "csselr" },
	{ .index = 0x100, .size = BITS64, .name = "ttbr0_64" },
	{ .index = 0x108, .size = BITS64, .name = "ttbr1_64" },
	{ .index = 0x380, .size = BITS64, .name = "par_64" },
	{ .index = 0x708, .size = BITS64, .name = "cntvct" },
	{ .index = 0x718, .size = BITS64, .name = "cntv_cval" },
	{ .index = 0x800, .size = BITS32, .name = "sctlr" },
	{ .index = 0x801, .size = BITS32, .name = "actlr" },
	{ .index = 0x802, .size = BITS32, .name = "cpacr" },
	{ .index = 0x1000, .size = BITS32, .name = "ttbr0" },
	{ .index = 0x1001, .size = BITS32, .name = "ttbr1" },
	{ .index = 0x1002, .size = BITS32, .name = "ttbcr" },
	{ .index = 0x1800, .size = BITS32, .name = "dacr" },
	{ .index = 0x2800, .size = BITS32, .name = "dfsr" },
	{ .index = 0x2801, .size = BITS32, .name = "ifsr" },
	{ .index = 0x2880, .size = BITS32, .name = "adfsr" },
	{ .index = 0x2881, .size = BITS32, .name = "aifsr" },
	{ .index = 0x3000, .size = BITS32, .name = "dfar" },
	{ .index = 0x3002, .size = BITS32, .name = "ifar" },
	{ .index = 0x5100, .size = BITS32, .name = "prrr" },
	{ .index = 0x5101, .size = BITS32, .name = "nmrr" },
	{ .index = 0x5180, .size = BITS32, .name = "amair0" },
	{ .index = 0x5181, .size = BITS32, .name = "amair1" },
	{ .index = 0x6000, .size = BITS32, .name = "vbar" },
	{ .index = 0x6801, .size = BITS32, .name = "contextidr" },
	{ .index = 0x6802, .size = BITS32, .name = "tpidrurw" },
	{ .index = 0x6803, .size = BITS32, .name = "tpidruro" },
	{ .index = 0x6804, .size = BITS32, .name = "tpidrprw" },
	{ .index = 0x7080, .size = BITS32, .name = "cntkctl" },
	{ .index = 0x7181, .size = BITS32, .name = "cntv_ctl" },
};

static int cp15_describe(uint64_t id, char *text, size_t room)
{
	unsigned int index = (unsigned int)id & 0xffff;

	if ((id & KVM_REG_SIZE_MASK) == KVM_REG_SIZE_U64)
		return snprintf(text, room, ", CRm %u, opc1 %u", index >> 7 & 15, index >> 3 & 15);
	return snprintf(text, room, ", CRn %u, opc1 %u, CRm %u, opc2 %u", index >> 11 & 15, index >> 3 & 15, index >> 7 & 15, index & 7);
}

static const struct reg_row vfp[] = {
	{ .index = 0, .count = 32, .size = BITS64, .name = "d%u" },
	{ .index = 0x1000, .size = BITS32, .name = "fpsid" },
	{ .index = 0x1001, .size = BITS32, .name = "fpscr" },
	{ .index = 0x1006, .size = BITS32, .name = "mvfr1" },
	{ .index = 0x1007, .size = BITS32, .name = "mvfr0" },
	{ .index = 0x1008, .size = BITS32, .name = "fpexc" },
	{ .index = 0x1009, .size = BITS32, .name = "fpinst" },
	{ .index = 0x100a, .size = BITS32, .name = "fpinst2" },
};

static const struct reg_row firmware[] = {
	{ .index = 0, .size = BITS64, .name = "psci_version" },
	{ .index = 1, .count = 2, .first = 1, .size = BITS64, .name = "smccc_arch_workaround_%u" },
};

#define SET(kind, title_, rows_, ...)                                                                                                              \
	{ .bits = KVM_REG_ARM | (kind) << 16, .mask = KVM_REG_ARCH_MASK | 0xfffffffff0000, .title = title_, .rows = rows_,                         \
	  .count = sizeof(rows_) / sizeof *(rows_), __VA_ARGS__ }
static const struct reg_set sets[] = {
	SET(0x0f, "coprocessor 15 register", cp15, .describe = cp15_describe),
	SET(0x10, "core register", core),
	SET(0x11, "demultiplexed register", demux),
	SET(0x12, "VFP register", vfp),
	SET(0x14, "firmware register", firmware),
};

const struct reg_arch reg_arm = {
	.bits = KVM_REG_ARM, .name = "arm", .machines = "armv7l armv8l", .sets = sets, .count = sizeof sets / sizeof *sets,
};
