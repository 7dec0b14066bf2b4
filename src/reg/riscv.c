/*
 * riscv: kernel document virt/kvm/api.rst, 4.68; <asm/kvm.h> of riscv. The type of a register stands in bits 31:24, a subtype in 23:16. Where
 * the kernel's structures have an unsigned long, the register is as wide as the host's registers: named here are those of rv64; the
 * same index with 32 bits is rv32's.
 */
#include <stdio.h>
#include <string.h>

#include "reg/table.h"

static const struct reg_row config[] = {
	{ .index = 0x0, .size = BITS64, .name = "isa" },
	{ .index = 0x1, .size = BITS64, .name = "zicbom_block_size" },
	{ .index = 0x2, .size = BITS64, .name = "mvendorid" },
	{ .index = 0x3, .size = BITS64, .name = "marchid" },
	{ .index = 0x4, .size = BITS64, .name = "mimpid" },
	{ .index = 0x5, .size = BITS64, .name = "zicboz_block_size" },
	{ .index = 0x6, .size = BITS64, .name = "satp_mode" },
};

static const struct reg_row core[] = {
	{ .index = 0x0, .size = BITS64, .name = "pc" },
	{ .index = 0x1, .size = BITS64, .name = "ra" },
	{ .index = 0x2, .size = BITS64, .name = "sp" },
	{ .index = 0x3, .size = BITS64, .name = "gp" },
	{ .index = 0x4, .size = BITS64, .name = "tp" },
	{ .index = 0x5, .size = BITS64, .name = "t0" },
	{ .index = 0x6, .size = BITS64, .name = "t1" },
	{ .index = 0x7, .size = BITS64, .name = "t2" },
	{ .index = 0x8, .size = BITS64, .name = "s0", .alias = "fp" },
	{ .index = 0x9, .size = BITS64, .name = "s1" },
	{ .index = 0xa, .size = BITS64, .name = "a0" },
	{ .index = 0xb, .size = BITS64, .name = "a1" },
	{ .index = 0xc, .size = BITS64, .name = "a2" },
	{ .index = 0xd, .size = BITS64, .name = "a3" },
	{ .index = 0xe, .size = BITS64, .name = "a4" },
	{ .index = 0xf, .size = BITS64, .name = "a5" },
	{ .index = 0x10, .size = BITS64, .name = "a6" },
	{ .index = 0x11, .size = BITS64, .name = "a7" },
	{ .index = 0x12, .size = BITS64, .name = "s2" },
	{ .index = 0x13, .size = BITS64, .name = "s3" },
	{ .index = 0x14, .size = BITS64, .name = "s4" },
	{ .index = 0x15, .size = BITS64, .name = "s5" },
	{ .index = 0x16, .size = BITS64, .name = "s6" },
	{ .index = 0x17, .size = BITS64, .name = "s7" },
	{ .index = 0x18, .size = BITS64, .name = "s8" },
	{ .index = 0x19, .size = BITS64, .name = "s9" },
	{ .index = 0x1a, .size = BITS64, .name = "s10" },
	{ .index = 0x1b, .size = BITS64, .name = "s11" },
	{ .index = 0x1c, .size = BITS64, .name = "t3" },
	{ .index = 0x1d, .size = BITS64, .name = "t4" },
	{ .index = 0x1e, .size = BITS64, .name = "t5" },
	{ .index = 0x1f, .size = BITS64, .name = "t6" },
	{ .index = 0x20, .size = BITS64, .name = "mode" },
};

static const struct reg_row csr[] = {
	{ .index = 0x0, .size = BITS64, .name = "sstatus" },
	{ .index = 0x1, .size = BITS64, .name = "sie" },
	{ .index = 0x2, .size = BITS64, .name = "stvec" },
	{ .index = 0x3, .size = BITS64, .name = "sscratch" },
	{ .index = 0x4, .size = BITS64, .name = "sepc" },
	{ .index = 0x5, .size = BITS64, .name = "scause" },
	{ .index = 0x6, .size = BITS64, .name = "stval" },
	{ .index = 0x7, .size = BITS64, .name = "sip" },
	{ .index = 0x8, .size = BITS64, .name = "satp" },
	{ .index = 0x9, .size = BITS64, .name = "scounteren" },
	{ .index = 0xa, .size = BITS64, .name = "senvcfg" },
};

static const struct reg_row csr_aia[] = {
	{ .index = 0x0, .size = BITS64, .name = "siselect" },
	{ .index = 0x1, .size = BITS64, .name = "iprio1" },
	{ .index = 0x2, .size = BITS64, .name = "iprio2" },
	{ .index = 0x3, .size = BITS64, .name = "sieh" },
	{ .index = 0x4, .size = BITS64, .name = "siph" },
	{ .index = 0x5, .size = BITS64, .name = "iprio1h" },
	{ .index = 0x6, .size = BITS64, .name = "iprio2h" },
};

static const struct reg_row csr_smstateen[] = {
	{ .index = 0x0, .size = BITS64, .name = "sstateen0" },
};

static const struct reg_row timer[] = {
	{ .index = 0x0, .size = BITS64, .name = "timer_frequency" },
	{ .index = 0x1, .size = BITS64, .name = "timer_time" },
	{ .index = 0x2, .size = BITS64, .name = "timer_compare" },
	{ .index = 0x3, .size = BITS64, .name = "timer_state" },
};

static const struct reg_row fp_f[] = {
	{ .index = 0, .count = 32, .size = BITS32, .name = "f%u_s" },
	{ .index = 32, .size = BITS32, .name = "fcsr_f" },
};

static const struct reg_row fp_d[] = {
	{ .index = 0, .count = 32, .size = BITS64, .name = "f%u", .alias = "f%u_d" },
	{ .index = 32, .size = BITS32, .name = "fcsr", .alias = "fcsr_d" },
};

static const struct reg_row isa_ext[] = {
	{ .index = 0x0, .size = BITS64, .name = "isa_ext_a" },
	{ .index = 0x1, .size = BITS64, .name = "isa_ext_c" },
	{ .index = 0x2, .size = BITS64, .name = "isa_ext_d" },
	{ .index = 0x3, .size = BITS64, .name = "isa_ext_f" },
	{ .index = 0x4, .size = BITS64, .name = "isa_ext_h" },
	{ .index = 0x5, .size = BITS64, .name = "isa_ext_i" },
	{ .index = 0x6, .size = BITS64, .name = "isa_ext_m" },
	{ .index = 0x7, .size = BITS64, .name = "isa_ext_svpbmt" },
	{ .index = 0x8, .size = BITS64, .name = "isa_ext_sstc" },
	{ .index = 0x9, .size = BITS64, .name = "isa_ext_svinval" },
	{ .index = 0xa, .size = BITS64, .name = "isa_ext_zihintpause" },
	{ .index = 0xb, .size = BITS64, .name = "isa_ext_zicbom" },
	{ .index = 0xc, .size = BITS64, .name = "isa_ext_zicboz" },
	{ .index = 0xd, .size = BITS64, .name = "isa_ext_zbb" },
	{ .index = 0xe, .size = BITS64, .name = "isa_ext_ssaia" },
	{ .index = 0xf, .size = BITS64, .name = "isa_ext_v" },
	{ .index = 0x10, .size = BITS64, .name = "isa_ext_svnapot" },
	{ .index = 0x11, .size = BITS64, .name = "isa_ext_zba" },
	{ .index = 0x12, .size = BITS64, .name = "isa_ext_zbs" },
	{ .index = 0x13, .size = BITS64, .name = "isa_ext_zicntr" },
	{ .index = 0x14, .size = BITS64, .name = "isa_ext_zicsr" },
	{ .index = 0x15, .size = BITS64, .name = "isa_ext_zifencei" },
	{ .index = 0x16, .size = BITS64, .name = "isa_ext_zihpm" },
	{ .index = 0x17, .size = BITS64, .name = "isa_ext_smstateen" },
	{ .index = 0x18, .size = BITS64, .name = "isa_ext_zicond" },
	{ .index = 0x19, .size = BITS64, .name = "isa_ext_zbc" },
	{ .index = 0x1a, .size = BITS64, .name = "isa_ext_zbkb" },
	{ .index = 0x1b, .size = BITS64, .name = "isa_ext_zbkc" },
	{ .index = 0x1c, .size = BITS64, .name = "isa_ext_zbkx" },
	{ .index = 0x1d, .size = BITS64, .name = "isa_ext_zknd" },
	{ .index = 0x1e, .size = BITS64, .name = "isa_ext_zkne" },
	{ .index = 0x1f, .size = BITS64, .name = "isa_ext_zknh" },
	{ .index = 0x20, .size = BITS64, .name = "isa_ext_zkr" },
	{ .index = 0x21, .size = BITS64, .name = "isa_ext_zksed" },
	{ .index = 0x22, .size = BITS64, .name = "isa_ext_zksh" },
	{ .index = 0x23, .size = BITS64, .name = "isa_ext_zkt" },
	{ .index = 0x24, .size = BITS64, .name = "isa_ext_zvbb" },
	{ .index = 0x25, .size = BITS64, .name = "isa_ext_zvbc" },
	{ .index = 0x26, .size = BITS64, .name = "isa_ext_zvkb" },
	{ .index = 0x27, .size = BITS64, .name = "isa_ext_zvkg" },
	{ .index = 0x28, .size = BITS64, .name = "isa_ext_zvkned" },
	{ .index = 0x29, .size = BITS64, .name = "isa_ext_zvknha" },
	{ .index = 0x2a, .size = BITS64, .name = "isa_ext_zvknhb" },
	{ .index = 0x2b, .size = BITS64, .name = "isa_ext_zvksed" },
	{ .index = 0x2c, .size = BITS64, .name = "isa_ext_zvksh" },
	{ .index = 0x2d, .size = BITS64, .name = "isa_ext_zvkt" },
	{ .index = 0x2e, .size = BITS64, .name = "isa_ext_zfh" },
	{ .index = 0x2f, .size = BITS64, .name = "isa_ext_zfhmin" },
	{ .index = 0x30, .size = BITS64, .name = "isa_ext_zihintntl" },
	{ .index = 0x31, .size = BITS64, .name = "isa_ext_zvfh" },
	{ .index = 0x32, .size = BITS64, .name = "isa_ext_zvfhmin" },
	{ .index = 0x33, .size = BITS64, .name = "isa_ext_zfa" },
	{ .index = 0x34, .size = BITS64, .name = "isa_ext_ztso" },
	{ .index = 0x35, .size = BITS64, .name = "isa_ext_zacas" },
	{ .index = 0x36, .size = BITS64, .name = "isa_ext_sscofpmf" },
	{ .index = 0x37, .size = BITS64, .name = "isa_ext_zimop" },
	{ .index = 0x38, .size = BITS64, .name = "isa_ext_zca" },
	{ .index = 0x39, .size = BITS64, .name = "isa_ext_zcb" },
	{ .index = 0x3a, .size = BITS64, .name = "isa_ext_zcd" },
	{ .index = 0x3b, .size = BITS64, .name = "isa_ext_zcf" },
	{ .index = 0x3c, .size = BITS64, .name = "isa_ext_zcmop" },
	{ .index = 0x3d, .size = BITS64, .name = "isa_ext_zawrs" },
};

static const struct reg_row isa_multi_en[] = { { .index = 0, .count = 2, .size = BITS64, .name = "isa_multi_en[%u]" } };
static const struct reg_row isa_multi_dis[] = { { .index = 0, .count = 2, .size = BITS64, .name = "isa_multi_dis[%u]" } };

static const struct reg_row sbi_ext[] = {
	{ .index = 0x0, .size = BITS64, .name = "sbi_ext_v01" },
	{ .index = 0x1, .size = BITS64, .name = "sbi_ext_time" },
	{ .index = 0x2, .size = BITS64, .name = "sbi_ext_ipi" },
	{ .index = 0x3, .size = BITS64, .name = "sbi_ext_rfence" },
	{ .index = 0x4, .size = BITS64, .name = "sbi_ext_srst" },
	{ .index = 0x5, .size = BITS64, .name = "sbi_ext_hsm" },
	{ .index = 0x6, .size = BITS64, .name = "sbi_ext_pmu" },
	{ .index = 0x7, .size = BITS64, .name = "sbi_ext_experimental" },
	{ .index = 0x8, .size = BITS64, .name = "sbi_ext_vendor" },
	{ .index = 0x9, .size = BITS64, .name = "sbi_ext_dbcn" },
	{ .index = 0xa, .size = BITS64, .name = "sbi_ext_sta" },
};

static const struct reg_row sbi_multi_en[] = { { .index = 0, .size = BITS64, .name = "sbi_multi_en[0]" } };
static const struct reg_row sbi_multi_dis[] = { { .index = 0, .size = BITS64, .name = "sbi_multi_dis[0]" } };

/* Behind the control registers and a pointer's place: v0 ... v31, as wide as vlenb says. */
#define VECTOR_FIRST 6
static const struct reg_row vector[] = {
	{ .index = 0, .size = BITS64, .name = "vstart" },
	{ .index = 1, .size = BITS64, .name = "vl" },
	{ .index = 2, .size = BITS64, .name = "vtype" },
	{ .index = 3, .size = BITS64, .name = "vcsr" },
	{ .index = 4, .size = BITS64, .name = "vlenb" },
	{ .index = VECTOR_FIRST, .count = 32, .size = BITS128, .name = "v%u" },
};

/* Vectors of other widths than 128 bits: "v3:256". */
static bool vector_name(uint64_t id, char *name, size_t room)
{
	unsigned int index = (unsigned int)id & 0xffff;

	if (index < VECTOR_FIRST || index >= VECTOR_FIRST + 32)
		return false;
	snprintf(name, room, "v%u:%u", index - VECTOR_FIRST, 8u << ((id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT));
	return true;
}

static bool vector_parse(const char *name, uint64_t *id)
{
	unsigned int number, bits;
	int length = 0;

	if (sscanf(name, "v%2u:%4u%n", &number, &bits, &length) != 2 || name[length] || number > 31 || bits < 8 || bits > 2048 || bits & (bits - 1))
		return false;
	*id = KVM_REG_RISCV | (uint64_t)__builtin_ctz(bits / 8) << KVM_REG_SIZE_SHIFT | 9 << 24 | (VECTOR_FIRST + number);
	return true;
}

static const char *vector_wrong(uint64_t id)
{
	return ((unsigned int)id & 0xffff) >= VECTOR_FIRST + 32 ? "beyond v31" : NULL;
}

static const struct reg_row sbi_sta[] = {
	{ .index = 0x0, .size = BITS64, .name = "sbi_sta_shmem_lo" },
	{ .index = 0x1, .size = BITS64, .name = "sbi_sta_shmem_hi" },
};

#define SET(type, subtype, title_, rows_, ...)                                                                                                     \
	{ .bits = KVM_REG_RISCV | (type) << 24 | (subtype) << 16, .mask = KVM_REG_ARCH_MASK | 0xfffffffff0000, .title = title_, .rows = rows_,     \
	  .count = sizeof(rows_) / sizeof *(rows_), __VA_ARGS__ }
static const struct reg_set sets[] = {
	SET(1, 0, "configuration register", config),
	SET(2, 0, "core register", core),
	SET(3, 0, "CSR", csr),
	SET(3, 1, "CSR of the AIA", csr_aia),
	SET(3, 2, "CSR of Smstateen", csr_smstateen),
	SET(4, 0, "timer register", timer),
	SET(5, 0, "floating-point register, F", fp_f),
	SET(6, 0, "floating-point register, D", fp_d),
	SET(7, 0, "ISA extension", isa_ext),
	SET(7, 1, "ISA extensions, to enable", isa_multi_en),
	SET(7, 2, "ISA extensions, to disable", isa_multi_dis),
	SET(8, 0, "SBI extension", sbi_ext),
	SET(8, 1, "SBI extensions, to enable", sbi_multi_en),
	SET(8, 2, "SBI extensions, to disable", sbi_multi_dis),
	SET(9, 0, "vector register", vector, .name = vector_name, .parse = vector_parse, .wrong = vector_wrong),
	SET(10, 0, "state of the SBI STA extension", sbi_sta),
};

const struct reg_arch reg_riscv = {
	.bits = KVM_REG_RISCV, .name = "riscv", .machines = "riscv64 riscv32", .sets = sets, .count = sizeof sets / sizeof *sets,
};
