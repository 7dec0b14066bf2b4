/*
 * Stage 1 of translation, alignment, and the syndromes of what goes wrong there.
 */
#include "guest.h"

/* 39 bits of 4 KiB: at 0 devices, at RAM memory that EL0 may only execute, at PAGES single pages of DATA with all kinds of rights. */
#define PAGES 0x80000000ull
#define PAGE(n) (PAGES + 0x1000 * (n))
#define NORMAL 0x700ull /* AF, inner shareable, the first of MAIR_EL1: write-back */
#define L1 TABLES
#define L2 (TABLES + 0x1000)
#define L3 (TABLES + 0x2000)
#define FREE (TABLES + 0x10000)
#define TCR (25 | 25 << 16 | 1ull << 23 | 2ull << 32 | 2ull << 30)
#define USER (1ull << 6)
#define RO (1ull << 7)
#define PXN (1ull << 53)
#define UXN (1ull << 54)

enum { KERNEL, KERNEL_RO, BOTH, NO_ACCESS_FLAG, INVALID, NO_PRIVILEGED_EXECUTION, CLEAN, TOO_FAR, BOTH_RO, NO_USER_EXECUTION, RESERVED, DEVICE_MEMORY, UNCACHED, CONTIGUOUS,
       USER_CLEAN, KINDS };
static const struct {
	const char *name;
	u64 bits;
} kinds[KINDS] = {
	[KERNEL] = { "kernel", NORMAL | 3 },
	[KERNEL_RO] = { "kernel_ro", NORMAL | 3 | RO },
	[BOTH] = { "both", NORMAL | 3 | USER },
	[NO_ACCESS_FLAG] = { "no_af", (NORMAL & ~0x400ull) | 3 | USER },
	[INVALID] = { "invalid", NORMAL | 2 },
	[NO_PRIVILEGED_EXECUTION] = { "pxn", NORMAL | 3 | PXN },
	[CLEAN] = { "clean", NORMAL | 3 | RO | 1ull << 51 },
	[TOO_FAR] = { "too_far", NORMAL | 3 | 1ull << 45 },
	[BOTH_RO] = { "both_ro", NORMAL | 3 | RO | USER },
	[NO_USER_EXECUTION] = { "uxn", NORMAL | 3 | USER | UXN },
	[RESERVED] = { "reserved", NORMAL | 1 },
	[DEVICE_MEMORY] = { "device", NORMAL | 8 | 3 | USER },
	[UNCACHED] = { "uncached", NORMAL | 4 | 3 | USER },
	[CONTIGUOUS] = { "contiguous", NORMAL | 3 | USER | 1ull << 52 },
	[USER_CLEAN] = { "both_clean", NORMAL | 3 | RO | USER | 1ull << 51 },
};

static void tables(void)
{
	base_memory(L1, NORMAL | 8 | 1 | UXN | PXN | USER);
	base_memory(L1 + 8, RAM | NORMAL | 1);
	base_memory(L1 + 16, L2 | 3);
	base_memory(L2, L3 | 3);
	base_memory(L2 + 8, RAM | NORMAL | 1 | USER | PXN);   /* a block of 2 MiB */
	base_memory(L2 + 16, L3 | 3 | 1ull << 62);            /* the same pages, read-only */
	base_memory(L2 + 24, L3 | 3 | 1ull << 61);            /* not for EL0 */
	base_memory(L2 + 32, L3 | 3 | 1ull << 60);            /* never executed by EL0 */
	base_memory(L2 + 40, L3 | 3 | 1ull << 59);            /* by EL1 */
	base_memory(L2 + 48, L3 | 3 | 1ull << 46);            /* too far */
	for (unsigned i = 0; i < KINDS; i++)
		base_memory(L3 + 8 * i, DATA | kinds[i].bits);
	base_memory(L3 + 8 * 511, DATA | kinds[BOTH].bits);
	base(TTBR0_EL1, L1);
	base(TCR_EL1, TCR);
	base(SCTLR_EL1, (SCTLR_RESET | 1 | 1 << 26 | 1 << 14)); /* M, UCI, DZE */
	base_memory(DATA, NOP.word | (u64)BRK.word << 32);
}

static const struct {
	const char *name;
	struct insn insn;
} accesses[] = {
	{ "ldr", I(0xf9400041, "ldr x1, [x2]") }, { "str", I(0xf9000043, "str x3, [x2]") }, { "ldr_q", I(0x3dc00041, "ldr q1, [x2]") }, { "ldxr", I(0xc85f7c41, "ldxr x1, [x2]") },
	{ "ldadd", I(0xf8230044, "ldadd x3, x4, [x2]") }, { "cas", I(0xc8a37c44, "cas x3, x4, [x2]") }, { "dc_zva", I(0xd50b7422, "dc zva, x2") }, { "prfm", I(0xf9800050, "prfm pstl1keep, [x2]") },
	{ "ret", I(0xd65f0040, "ret x2") }, { "dc_cvac", I(0xd50b7a22, "dc cvac, x2") }, { "dc_ivac", I(0xd5087622, "dc ivac, x2") }, { "ic_ivau", I(0xd50b7522, "ic ivau, x2") },
};
#define ACCESSES (sizeof accesses / sizeof *accesses)

static void each_access(const char *prefix, u64 address)
{
	for (unsigned k = 0; k < ACCESSES; k++) {
		with(X(2), address);
		one(N("%s.%s", prefix, accesses[k].name), accesses[k].insn);
	}
}

static void each(const char *prefix)
{
	for (unsigned i = 0; i < KINDS; i++)
		each_access(N("%s.%s", prefix, kinds[i].name), PAGE(i));
}

static void at(const char *name, u64 address)
{
	static const struct insn ats[] = { I(0xd5087802, "at s1e1r, x2"), I(0xd5087822, "at s1e1w, x2"), I(0xd5087842, "at s1e0r, x2"), I(0xd5087862, "at s1e0w, x2"), I(0xd5087902, "at s1e1rp, x2"), I(0xd5087922, "at s1e1wp, x2") };
	static const char *const names[] = { "e1r", "e1w", "e0r", "e0w", "e1rp", "e1wp" };

	for (unsigned i = 0; i < 6; i++) {
		with(X(2), address);
		one(N("at.%s.%s", name, names[i]), ats[i]);
	}
}

static void load(const char *name, u64 address)
{
	with(X(2), address);
	one(N("%s.ldr", name), I(0xf9400041, "ldr x1, [x2]"));
}

static void store(const char *name, u64 address)
{
	with(X(2), address);
	one(N("%s.str", name), I(0xf9000043, "str x3, [x2]"));
}

static void fetch(const char *name, u64 address)
{
	with(X(2), address);
	one(N("%s.ret", name), I(0xd65f0040, "ret x2"));
}

/* ---- Granules: a table a level, RAM at its own address by the largest block, a page of DATA. ---- */

static void granule(const char *name, unsigned grain, unsigned bits, unsigned tg)
{
	unsigned stride = grain - 3, levels = (bits - grain + stride - 1) / stride, first = 4 - levels;
	u64 address = 0x123456789abcull & ((1ull << bits) - 1) & ~((1ull << grain) - 1);

	if (address >> 30 == RAM >> 30)
		address ^= 1ull << (bits - 1);
	/* RAM: level 2's block of 2, 32 or 512 MiB is enough. */
	for (unsigned level = first; level < 4; level++) {
		unsigned shift = grain + (3 - level) * stride;
		u64 table = FREE + 0x10000 * level, mask = (1ull << stride) - 1;
		u64 at_ram = table + ((RAM >> shift & mask) << 3), at_page = table + ((address >> shift & mask) << 3);

		if (level < 2 && at_ram == at_page) {
			base_memory(at_page, (table + 0x10000) | 3);
		} else {
			/* The way to RAM has tables of its own from where it parts. */
			int parted = 0;

			for (unsigned above = first; above < level; above++)
				parted |= (RAM ^ address) >> (grain + (3 - above) * stride) & mask ? 1 : 0;
			if (parted)
				at_ram += 0x80000;
			if (level == 2)
				base_memory(at_ram, (RAM & ~((1ull << shift) - 1)) | NORMAL | 1);
			else if (level < 2)
				base_memory(at_ram, (table + 0x10000 + 0x80000) | 3);
			base_memory(at_page, level == 3 ? ((DATA & ~((1ull << grain) - 1)) | NORMAL | 3 | USER) : (table + 0x10000) | 3);
		}
	}
	base(TTBR0_EL1, FREE + 0x10000 * first);
	base(TCR_EL1, (64 - bits) | (u64)tg << 14 | 1ull << 23 | 2ull << 32);
	base(SCTLR_EL1, SCTLR_RESET | 1);
	load(N("granule.%s.page", name), address + (DATA & ((1ull << grain) - 1)) + 0x18);
	load(N("granule.%s.next", name), address + (1ull << grain));
	load(N("granule.%s.far", name), address ^ 1ull << (bits - 1));
	load(N("granule.%s.beyond", name), address | 1ull << bits);
	with(X(2), address + (DATA & ((1ull << grain) - 1)) + 0x18);
	one(N("granule.%s.at", name), I(0xd5087802, "at s1e1r, x2"));
	base_forget();
}

/* ---- Alignment. ---- */

static void alignment(const char *prefix, u64 page)
{
	static const struct {
		const char *name;
		unsigned offset;
		struct insn insn;
	} cases[] = {
		{ "ldrh_1", 1, I(0x79400041, "ldrh w1, [x2]") }, { "ldr_x_1", 1, I(0xf9400041, "ldr x1, [x2]") }, { "ldr_x_4", 4, I(0xf9400041, "ldr x1, [x2]") }, { "str_w_2", 2, I(0xb9000043, "str w3, [x2]") },
		{ "ldp_x_4", 4, I(0xa9401041, "ldp x1, x4, [x2]") }, { "ldp_x_8", 8, I(0xa9401041, "ldp x1, x4, [x2]") }, { "stp_w_2", 2, I(0x29001443, "stp w3, w5, [x2]") },
		{ "ldr_q_8", 8, I(0x3dc00041, "ldr q1, [x2]") }, { "ldp_q_8", 8, I(0xad400841, "ldp q1, q2, [x2]") }, { "str_d_4", 4, I(0xfd000041, "str d1, [x2]") },
		{ "ld1_16b_1", 1, I(0x4c407041, "ld1 {v1.16b}, [x2]") }, { "ld1_4s_2", 2, I(0x4c407841, "ld1 {v1.4s}, [x2]") }, { "ld1_4s_4", 4, I(0x4c407841, "ld1 {v1.4s}, [x2]") },
		{ "ld2_8h_2", 2, I(0x4c408441, "ld2 {v1.8h, v2.8h}, [x2]") }, { "ld2_8h_1", 1, I(0x4c408441, "ld2 {v1.8h, v2.8h}, [x2]") }, { "st1_lane_2", 2, I(0x0d009041, "st1 {v1.s}[1], [x2]") },
		{ "ldxr_4", 4, I(0xc85f7c41, "ldxr x1, [x2]") }, { "ldxr_14", 14, I(0xc85f7c41, "ldxr x1, [x2]") }, { "ldaxp_8", 8, I(0xc87f9041, "ldaxp x1, x4, [x2]") },
		{ "ldar_14", 14, I(0xc8dffc41, "ldar x1, [x2]") }, { "stlr_14", 14, I(0x889ffc43, "stlr w3, [x2]") }, { "ldapr_14", 14, I(0xf8bfc041, "ldapr x1, [x2]") },
		{ "stlur_14", 14, I(0xd9000043, "stlur x3, [x2]") }, { "ldadd_14", 14, I(0xf8230044, "ldadd x3, x4, [x2]") }, { "cas_14", 14, I(0xc8a37c44, "cas x3, x4, [x2]") },
		{ "casp_8", 8, I(0x48247c46, "casp x4, x5, x6, x7, [x2]") }, { "swpb_1", 1, I(0x38238044, "swpb w3, w4, [x2]") }, { "dc_zva_1", 1, I(0xd50b7422, "dc zva, x2") },
		{ "dc_cvac_1", 1, I(0xd50b7a22, "dc cvac, x2") }, { "ldr_b_1", 1, I(0x3d400041, "ldr b1, [x2]") }, { "prfm_1", 1, I(0xf9800040, "prfm pldl1keep, [x2]") },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		with(X(2), page + 0x40 + cases[i].offset);
		one(N("%s.%s", prefix, cases[i].name), cases[i].insn);
	}
}

static void stack_pointer(const char *prefix, u64 pstate)
{
	static const struct insn uses[] = { I(0xf94003e1, "ldr x1, [sp]"), I(0xf90007e1, "str x1, [sp, #8]"), I(0xa94013e1, "ldp x1, x4, [sp]"), I(0xa9bf13e1, "stp x1, x4, [sp, #-16]!"), I(0xc85f7fe1, "ldxr x1, [sp]"),
					    I(0xf82103e4, "ldadd x1, x4, [sp]"), I(0x3dc003e1, "ldr q1, [sp]"), I(0x4c407fe1, "ld1 {v1.2d}, [sp]"), I(0x910007e1, "add x1, sp, #1"), I(0xf98003e0, "prfm pldl1keep, [sp]"),
					    I(0xc8dfffe1, "ldar x1, [sp]"), I(0xf8636be1, "ldr x1, [sp, x3]") };
	static const char *const names[] = { "ldr", "str", "ldp", "stp_pre", "ldxr", "ldadd", "ldr_q", "ld1", "add", "prfm", "ldar", "ldr_index" };

	for (unsigned i = 0; i < sizeof uses / sizeof *uses; i++) {
		with(PSTATE, pstate);
		with(SP_EL1, DATA + 0x48);
		with(SP_EL0, DATA + 0x48);
		with(X(3), 8);
		one(N("%s.%s", prefix, names[i]), uses[i]);
	}
}

void sec_translation(void)
{
	printf("# T. translation and alignment\n");
	guest_open(F_PSCI, 1);
	g.run_only = 1;
	tables();
	each("tr.el1");
	base(PSTATE, EL0T);
	each("tr.el0");
	base_forget();
	tables();
	base(PSTATE, EL1H | 1 << 22);
	each("tr.pan");
	base_forget();
	/* Privileged code as EL0. */
	for (unsigned mode = 0; mode < 4; mode++) {
		tables();
		base(PSTATE, EL1H | (mode & 1 ? 1 << 22 : 0) | (mode & 2 ? 1 << 23 : 0));
		for (unsigned i = 0; i < KINDS; i++) {
			with(X(2), PAGE(i));
			one(N("tr.unprivileged%s%s.%s.ldtr", mode & 1 ? "_pan" : "", mode & 2 ? "_uao" : "", kinds[i].name), I(0xf8400841, "ldtr x1, [x2]"));
			with(X(2), PAGE(i));
			one(N("tr.unprivileged%s%s.%s.sttr", mode & 1 ? "_pan" : "", mode & 2 ? "_uao" : "", kinds[i].name), I(0xf8000843, "sttr x3, [x2]"));
		}
		base_forget();
	}
	/* The access flag and dirty state by hardware: what is in the descriptor afterwards is read by the guest. */
	tables();
	base(TCR_EL1, TCR | 3ull << 39);
	each_access("tr.hafdbs.no_af", PAGE(NO_ACCESS_FLAG));
	each_access("tr.hafdbs.clean", PAGE(CLEAN));
	each_access("tr.hafdbs.kernel_ro", PAGE(KERNEL_RO));
	for (unsigned i = 0; i < 2; i++) {
		const unsigned page = i ? CLEAN : NO_ACCESS_FLAG;

		with(X(2), PAGE(page));
		with(X(5), L3 + 8 * page);
		SEVERAL(N("tr.hafdbs.%s.ldr_descriptor", kinds[page].name), I(0xf9400041, "ldr x1, [x2]"), I(0xf94000a6, "ldr x6, [x5]"));
		with(X(2), PAGE(page));
		with(X(5), L3 + 8 * page);
		SEVERAL(N("tr.hafdbs.%s.str_descriptor", kinds[page].name), I(0xf9000041, "str x1, [x2]"), I(0xf94000a6, "ldr x6, [x5]"));
		with(X(2), PAGE(page));
		with(X(5), L3 + 8 * page);
		SEVERAL(N("tr.hafdbs.%s.at_descriptor", kinds[page].name), I(0xd5087822, "at s1e1w, x2"), I(0xf94000a6, "ldr x6, [x5]"));
	}
	base_forget();
	/* What tables take away; and with TCR_EL1.HPD0 do not. */
	for (unsigned hpd = 0; hpd < 2; hpd++)
		for (unsigned el0 = 0; el0 < 2; el0++) {
			tables();
			base(TCR_EL1, TCR | (u64)hpd << 41);
			if (el0)
				base(PSTATE, EL0T);
			for (unsigned i = 1; i < 9; i++) {
				const char *name = N("tr.tables%s%s.%u", hpd ? "_hpd" : "", el0 ? "_el0" : "", i);

				load(name, PAGES + 0x200000 * i + (i == 1 ? DATA - RAM : 0x1000 * BOTH));
				store(name, PAGES + 0x200000 * i + (i == 1 ? DATA - RAM : 0x1000 * BOTH));
				fetch(name, PAGES + 0x200000 * i + 0x1000 * (el0 ? BOTH : KERNEL));
			}
			base_forget();
		}
	/* Crossing pages: the address that is told. */
	tables();
	with(X(2), PAGE(INVALID) - 4);
	with_memory(L3 + 8 * (INVALID - 1), DATA | kinds[BOTH].bits);
	one("tr.cross.ldr_second", I(0xf9400041, "ldr x1, [x2]"));
	with(X(2), PAGE(INVALID) + 0xffc);
	one("tr.cross.ldr_first", I(0xf9400041, "ldr x1, [x2]"));
	with(X(2), PAGE(INVALID) - 8);
	with_memory(L3 + 8 * (INVALID - 1), DATA | kinds[BOTH].bits);
	one("tr.cross.ldp_second", I(0xa9401041, "ldp x1, x4, [x2]"));
	with(X(2), PAGE(INVALID) - 8);
	with_memory(L3 + 8 * (INVALID - 1), DATA | kinds[BOTH].bits);
	one("tr.cross.stp_second", I(0xa8811041, "stp x1, x4, [x2], #16"));
	with(X(2), PAGE(INVALID) - 8);
	with_memory(L3 + 8 * (INVALID - 1), DATA | kinds[BOTH].bits);
	one("tr.cross.str_q_second", I(0x3d800041, "str q1, [x2]"));
	/* Addresses that no table has. */
	load("tr.level1", 0xc0000000);
	load("tr.beyond", 0x8000000000);
	load("tr.middle", 0x00ff000080000000);
	load("tr.upper", 0xffffff8080000000);
	load("tr.tag", 0x5a00000080002000);
	fetch("tr.level1", 0xc0000000);
	fetch("tr.beyond", 0x8000000000);
	fetch("tr.tag", 0x5a00000080000000);
	fetch("tr.unaligned", PAGES + 2);
	fetch("tr.unaligned_invalid", PAGE(INVALID) + 1);
	base(TCR_EL1, TCR | 1ull << 37); /* TBI0 */
	load("tr.tbi", 0x5a00000080002000);
	load("tr.tbi_fault", 0x5a00000080004000);
	fetch("tr.tbi", 0x5a00000080000000);
	fetch("tr.tbi_fault", 0x5a00000080004000);
	fetch("tr.tbi_unaligned", 0x5a00000080000002);
	with(X(2), 0x5a00000080002000);
	one("tr.tbi.at", I(0xd5087802, "at s1e1r, x2"));
	base(TCR_EL1, TCR | 1ull << 37 | 1ull << 51); /* TBID0 */
	load("tr.tbid", 0x5a00000080002000);
	fetch("tr.tbid", 0x5a00000080000000);
	base(TCR_EL1, TCR | 1ull << 55); /* E0PD0 */
	load("tr.e0pd_el1", PAGE(BOTH));
	with(PSTATE, EL0T);
	one("tr.e0pd_el0", I(0xf9400041, "ldr x1, [x2]"));
	base(TCR_EL1, TCR | 7);
	load("tr.t0sz_31", PAGE(BOTH));
	base_forget();
	/* EPD1 off: the same tables in the upper half. */
	tables();
	base(TCR_EL1, TCR & ~(1ull << 23));
	base(TTBR1_EL1, L1);
	load("tr.upper_half", 0xffffff8080002000);
	load("tr.upper_half_invalid", 0xffffff8080004000);
	load("tr.upper_half_beyond", 0xffffff7f80002000);
	fetch("tr.upper_half", 0xffffff8080000000);
	with(PSTATE, EL0T);
	with(X(2), 0xffffff8080002000);
	one("tr.upper_half_el0.ldr", I(0xf9400041, "ldr x1, [x2]"));
	base(TCR_EL1, (TCR & ~(1ull << 23)) | 1ull << 38);
	load("tr.upper_half_tbi", 0x5affff8080002000);
	base_forget();
	/* TTBR0_EL1 far away; RES0 bits in it; IPS smaller than what is used. */
	tables();
	base(TTBR0_EL1, L1 | 1ull << 44);
	load("tr.ttbr_far", PAGE(BOTH));
	base(TCR_EL1, TCR | 5ull << 32);
	load("tr.ttbr_far_ips_48", PAGE(BOTH));
	base(TTBR0_EL1, L1);
	load("tr.far_ips_48", PAGE(TOO_FAR) + 0x123);
	fetch("tr.far_ips_48", PAGE(TOO_FAR));
	base_forget();
	tables();
	base(TTBR0_EL1, L1 | 0x1234ull << 48 | 1);
	load("tr.ttbr_asid_cnp", PAGE(BOTH));
	base(TCR_EL1, TCR & ~(7ull << 32));
	with_memory(L3 + 8 * BOTH, (1ull << 33) | kinds[BOTH].bits);
	load("tr.ips_32", PAGE(BOTH));
	base_forget();
	/* SCTLR_EL1.WXN. */
	tables();
	base(SCTLR_EL1, SCTLR_RESET | 1 | 1 << 19);
	base_memory(L1 + 8, RAM | NORMAL | 1 | RO);
	fetch("tr.wxn.kernel", PAGE(KERNEL));
	fetch("tr.wxn.kernel_ro", PAGE(KERNEL_RO));
	with(PSTATE, EL0T);
	with(X(2), PAGE(BOTH));
	one("tr.wxn_el0.both.ret", I(0xd65f0040, "ret x2"));
	with(PSTATE, EL0T);
	with(X(2), PAGE(BOTH_RO));
	one("tr.wxn_el0.both_ro.ret", I(0xd65f0040, "ret x2"));
	base_forget();
	/* AT. */
	tables();
	for (unsigned i = 0; i < KINDS; i++)
		at(kinds[i].name, PAGE(i));
	at("block", PAGES + 0x200000 + 0x12345);
	at("level1", 0xc0000000);
	at("beyond", 0x8000000000);
	at("device_block", 0x9000123);
	base(PSTATE, EL1H | 1 << 22);
	at("pan.both", PAGE(BOTH));
	base_forget();
	at("flat", 0x40001234);
	at("flat_far", 1ull << 44 | 0x234);
	load("flat_far", 1ull << 44);
	store("flat_far", 1ull << 44);
	fetch("flat_far", 1ull << 44);
	load("flat_beyond", 1ull << 52);
	/* Granules. */
	granule("4k_30", 12, 30 + 2, 0);
	granule("4k_39", 12, 39, 0);
	granule("4k_48", 12, 48, 0);
	granule("16k_36", 14, 36, 2);
	granule("16k_47", 14, 47, 2);
	granule("16k_48", 14, 48, 2);
	granule("64k_36", 16, 36, 1);
	granule("64k_42", 16, 42, 1);
	granule("64k_48", 16, 48, 1);
	/* Alignment: ordinary memory, SCTLR_EL1.A, device memory, no translation. */
	tables();
	alignment("align.normal", PAGE(BOTH));
	base(SCTLR_EL1, SCTLR_RESET | 3);
	alignment("align.checked", PAGE(BOTH));
	base_forget();
	tables();
	alignment("align.device", PAGE(DEVICE_MEMORY));
	base_forget();
	alignment("align.flat", DATA);
	/* SP. */
	stack_pointer("sp.el1", EL1H);
	stack_pointer("sp.el1t", EL1T);
	stack_pointer("sp.el0", EL0T);
	base(SCTLR_EL1, SCTLR_RESET & ~0x18ull);
	stack_pointer("sp.unchecked_el1", EL1H);
	stack_pointer("sp.unchecked_el0", EL0T);
	base_forget();
	/* Illegal state. */
	with(PSTATE, EL1H | 1 << 20);
	one("illegal.nop", NOP);
	with(SPSR_EL1, 0x3c9);
	with(ELR_EL1, CODE + 4);
	one("illegal.eret_el2", I(0xd69f03e0, "eret"));
	with(SPSR_EL1, 0x1d0);
	with(ELR_EL1, CODE + 4);
	one("illegal.eret_aarch32", I(0xd69f03e0, "eret"));
	with(SPSR_EL1, 0x3c1);
	with(ELR_EL1, CODE + 4);
	one("illegal.eret_el0h", I(0xd69f03e0, "eret"));
	with(SPSR_EL1, EL0T | 0xf0000000);
	with(ELR_EL1, CODE + 6);
	one("eret.unaligned", I(0xd69f03e0, "eret"));
	with(SPSR_EL1, EL0T | 0xf0000000);
	with(ELR_EL1, CODE + 8);
	one("eret.el0", I(0xd69f03e0, "eret"));
	guest_close();
}
