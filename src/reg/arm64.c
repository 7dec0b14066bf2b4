/*
 * arm64: kernel document virt/kvm/api.rst, 4.68; <asm/kvm.h> of arm64. The kind of a register stands in bits 27:16.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reg/arm64.h"
#include "reg/table.h"

#define KIND_CORE 0x10
#define KIND_DEMUX 0x11
#define KIND_SYSREG 0x13
#define KIND_FIRMWARE 0x14
#define KIND_SVE 0x15
#define KIND_FEATURES 0x16

/* ---- Core registers: the index is the place in struct kvm_regs, in words of 32 bits. ---- */

static const struct reg_row core[] = {
	{ .index = 0, .count = 31, .step = 2, .size = BITS64, .name = "x%u" },
	{ .index = 62, .size = BITS64, .name = "sp", .alias = "sp_el0" },
	{ .index = 64, .size = BITS64, .name = "pc" },
	{ .index = 66, .size = BITS64, .name = "pstate", .alias = "cpsr" },
	{ .index = 68, .size = BITS64, .name = "sp_el1" },
	{ .index = 70, .size = BITS64, .name = "elr_el1" },
	{ .index = 72, .size = BITS64, .name = "spsr_el1", .alias = "spsr_svc" },
	{ .index = 74, .size = BITS64, .name = "spsr_abt" },
	{ .index = 76, .size = BITS64, .name = "spsr_und" },
	{ .index = 78, .size = BITS64, .name = "spsr_irq" },
	{ .index = 80, .size = BITS64, .name = "spsr_fiq" },
	{ .index = 84, .count = 32, .step = 4, .size = BITS128, .name = "v%u", .alias = "q%u" },
	{ .index = 212, .size = BITS32, .name = "fpsr" },
	{ .index = 213, .size = BITS32, .name = "fpcr" },
};

static const char *core_wrong(uint64_t id)
{
	return (id & 0xffff) > 213 ? "beyond struct kvm_regs" : NULL;
}

static int core_describe(uint64_t id, char *text, size_t room)
{
	return snprintf(text, room, ", at byte %u of struct kvm_regs", 4 * (unsigned int)(id & 0xffff));
}

/* ---- CCSIDR, one register for each cache that CSSELR can select. ---- */

static const struct reg_row demux[] = { { .index = 0, .count = 16, .size = BITS32, .name = "ccsidr[%u]" } };

static int demux_describe(uint64_t id, char *text, size_t room)
{
	return snprintf(text, room, ", register %u, CSSELR %u", (unsigned int)(id >> 8) & 0xff, (unsigned int)id & 0xff);
}

static const char *demux_wrong(uint64_t id)
{
	return (id & 0xff00) ? "CCSIDR (0) is the only demultiplexed register" : NULL;
}

/* ---- System registers. ---- */

#define ENCODING(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
#define ROW(op0, op1, crn, crm, op2, ...) { .index = ENCODING(op0, op1, crn, crm, op2), .size = BITS64, __VA_ARGS__ }
static const struct reg_row sysregs[] = {
#include "reg/arm64_sysregs.h"
};

struct encoding {
	unsigned int op0, op1, crn, crm, op2;
};

static struct encoding encoding_of(uint64_t id)
{
	unsigned int bits = (unsigned int)id & 0xffff;

	return (struct encoding){ bits >> 14, bits >> 11 & 7, bits >> 7 & 15, bits >> 3 & 15, bits & 7 };
}

static int sysreg_describe(uint64_t id, char *text, size_t room)
{
	struct encoding e = encoding_of(id);

	return snprintf(text, room, ", op0 %u, op1 %u, CRn %u, CRm %u, op2 %u", e.op0, e.op1, e.crn, e.crm, e.op2);
}

static const char *sysreg_wrong(uint64_t id)
{
	return (id & KVM_REG_SIZE_MASK) == KVM_REG_SIZE_U64 ? NULL : "system registers have 64 bits";
}

/* The assembler's: S<op0>_<op1>_<Cn>_<Cm>_<op2>. */
static bool sysreg_name(uint64_t id, char *name, size_t room)
{
	struct encoding e = encoding_of(id);

	snprintf(name, room, "s%u_%u_c%u_c%u_%u", e.op0, e.op1, e.crn, e.crm, e.op2);
	return true;
}

static bool sysreg_parse(const char *name, uint64_t *id)
{
	struct encoding e;
	int length = 0;

	if (sscanf(name, "s%1u_%1u_c%2u_c%2u_%1u%n", &e.op0, &e.op1, &e.crn, &e.crm, &e.op2, &length) != 5 || name[length] || e.op0 > 3 || e.op1 > 7 ||
	    e.crn > 15 || e.crm > 15 || e.op2 > 7)
		return false;
	*id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KIND_SYSREG << 16 | ENCODING(e.op0, e.op1, e.crn, e.crm, e.op2);
	return true;
}

static const struct {
	uint32_t set, clear;
} pairs[] = {
	{ ENCODING(3, 3, 9, 12, 1), ENCODING(3, 3, 9, 12, 2) }, /* PMCNTENSET_EL0, PMCNTENCLR_EL0 */
	{ ENCODING(3, 0, 9, 14, 1), ENCODING(3, 0, 9, 14, 2) }, /* PMINTENSET_EL1, PMINTENCLR_EL1 */
	{ ENCODING(3, 3, 9, 14, 3), ENCODING(3, 3, 9, 12, 3) }, /* PMOVSSET_EL0, PMOVSCLR_EL0 */
};
#define SYSREG_ID (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KIND_SYSREG << 16)

uint64_t arm64_reg_clearer(uint64_t id)
{
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		if (id == (SYSREG_ID | pairs[i].set))
			return SYSREG_ID | pairs[i].clear;
	return 0;
}

bool arm64_reg_clears(uint64_t id)
{
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		if (id == (SYSREG_ID | pairs[i].clear))
			return true;
	return false;
}

/* ---- What KVM's firmware says of itself. ---- */

static const struct reg_row firmware[] = {
	{ .index = 0, .size = BITS64, .name = "psci_version" },
	{ .index = 1, .count = 3, .first = 1, .size = BITS64, .name = "smccc_arch_workaround_%u" },
};

static const struct reg_row features[] = {
	{ .index = 0, .size = BITS64, .name = "std_bmap" },
	{ .index = 1, .size = BITS64, .name = "std_hyp_bmap" },
	{ .index = 2, .size = BITS64, .name = "vendor_hyp_bmap" },
	{ .index = 3, .size = BITS64, .name = "vendor_hyp_bmap_2" },
};

/* ---- SVE: the register's number stands above the slice, of which there is one up to 2048 bits. ---- */

#define SVE_P 0x400
#define SVE_VLS 0xffff
static const struct reg_row sve[] = {
	{ .index = 0, .count = 32, .step = 32, .size = BITS2048, .name = "z%u" },
	{ .index = SVE_P, .count = 16, .step = 32, .size = BITS256, .name = "p%u" },
	{ .index = SVE_P + 16 * 32, .size = BITS256, .name = "ffr" },
	{ .index = SVE_VLS, .size = BITS512, .name = "sve_vls" },
};

static int sve_describe(uint64_t id, char *text, size_t room)
{
	unsigned int index = (unsigned int)id & 0xffff;

	if (index == SVE_VLS)
		return snprintf(text, room, ", vector lengths");
	return snprintf(text, room, ", %c%u, slice %u", index < SVE_P ? 'Z' : 'P', index >> 5 & 31, index & 31);
}

static const char *sve_wrong(uint64_t id)
{
	unsigned int index = (unsigned int)id & 0xffff;
	uint64_t size = index < SVE_P ? KVM_REG_SIZE_U2048 : KVM_REG_SIZE_U256;

	if (index > SVE_P + 16 * 32 + 31)
		return "neither a Z, P or FFR slice nor the vector lengths";
	return (id & KVM_REG_SIZE_MASK) != size ? "its size is not the register's" : NULL;
}

/* Slices but the first: "z3[1]". */
static bool sve_name(uint64_t id, char *name, size_t room)
{
	unsigned int index = (unsigned int)id & 0xffff, number = index >> 5 & 31, slice = index & 31;

	if (index >= SVE_P && number == 16)
		snprintf(name, room, "ffr[%u]", slice);
	else
		snprintf(name, room, "%c%u[%u]", index < SVE_P ? 'z' : 'p', number, slice);
	return true;
}

static bool sve_parse(const char *name, uint64_t *id)
{
	unsigned int number = 16, slice;
	int length = 0;
	char kind;

	if (sscanf(name, "ffr[%2u]%n", &slice, &length) == 1 && length && !name[length])
		kind = 'p';
	else if (sscanf(name, "%c%2u[%2u]%n", &kind, &number, &slice, &length) != 3 || name[length] || number > (kind == 'z' ? 31u : 15u))
		return false;
	if ((kind != 'z' && kind != 'p') || slice > 31)
		return false;
	*id = KVM_REG_ARM64 | KIND_SVE << 16 | number << 5 | slice | (kind == 'z' ? KVM_REG_SIZE_U2048 : KVM_REG_SIZE_U256 | SVE_P);
	return true;
}

/* ---- The architecture. ---- */

#define SET(kind, title_, rows_, ...)                                                                                                              \
	{ .bits = KVM_REG_ARM64 | KIND_##kind << 16, .mask = KVM_REG_ARCH_MASK | 0xfffffff0000 | 0xf0000000, .title = title_, .rows = rows_,       \
	  .count = sizeof(rows_) / sizeof *(rows_), __VA_ARGS__ }
static const struct reg_set sets[] = {
	SET(CORE, "core register", core, .describe = core_describe, .wrong = core_wrong),
	SET(DEMUX, "demultiplexed register", demux, .describe = demux_describe, .wrong = demux_wrong),
	SET(SYSREG, "system register", sysregs, .describe = sysreg_describe, .name = sysreg_name, .parse = sysreg_parse, .wrong = sysreg_wrong),
	SET(FIRMWARE, "firmware register", firmware),
	SET(SVE, "SVE register", sve, .describe = sve_describe, .name = sve_name, .parse = sve_parse, .wrong = sve_wrong),
	SET(FEATURES, "firmware feature bitmap", features),
};

const struct reg_arch reg_arm64 = {
	.bits = KVM_REG_ARM64, .name = "arm64", .machines = "aarch64", .sets = sets, .count = sizeof sets / sizeof *sets,
};
