/*
 * Loads and stores where there is no memory: which of them are told by KVM_EXIT_MMIO, and how; what becomes of the others.
 */
#include "guest.h"

/* The address is X2's, or made of it and X3. */
static const struct insn told[] = {
	I(0x39400041, "ldrb w1, [x2]"), I(0x79400041, "ldrh w1, [x2]"), I(0xb9400041, "ldr w1, [x2]"), I(0xf9400041, "ldr x1, [x2]"),
	I(0x39c00041, "ldrsb w1, [x2]"), I(0x39800041, "ldrsb x1, [x2]"), I(0x79c00041, "ldrsh w1, [x2]"), I(0x79800041, "ldrsh x1, [x2]"), I(0xb9800041, "ldrsw x1, [x2]"),
	I(0xf940005f, "ldr xzr, [x2]"), I(0xb9400441, "ldr w1, [x2, #4]"), I(0xf85f8041, "ldur x1, [x2, #-8]"), I(0x385ff041, "ldurb w1, [x2, #-1]"),
	I(0xf8636841, "ldr x1, [x2, x3]"), I(0xb8635841, "ldr w1, [x2, w3, uxtw #2]"), I(0x38e3c841, "ldrsb w1, [x2, w3, sxtw]"),
	I(0xf8400841, "ldtr x1, [x2]"), I(0x38c00841, "ldtrsb w1, [x2]"), I(0xf9400042, "ldr x2, [x2]"),
	I(0x39000041, "strb w1, [x2]"), I(0x79000041, "strh w1, [x2]"), I(0xb9000041, "str w1, [x2]"), I(0xf9000041, "str x1, [x2]"), I(0xf900005f, "str xzr, [x2]"), I(0xb900005f, "str wzr, [x2]"),
	I(0xf8008041, "stur x1, [x2, #8]"), I(0xf8236841, "str x1, [x2, x3]"), I(0xb8000841, "sttr w1, [x2]"), I(0xf9000042, "str x2, [x2]"),
	I(0xc8dffc41, "ldar x1, [x2]"), I(0x08dffc41, "ldarb w1, [x2]"), I(0x88dffc41, "ldar w1, [x2]"), I(0xc89ffc41, "stlr x1, [x2]"), I(0x489ffc41, "stlrh w1, [x2]"),
	I(0xf8bfc041, "ldapr x1, [x2]"), I(0x38bfc041, "ldaprb w1, [x2]"), I(0xd9408041, "ldapur x1, [x2, #8]"), I(0x19c00041, "ldapursb w1, [x2]"), I(0x991fc041, "stlur w1, [x2, #-4]"),
	I(0xf8200441, "ldraa x1, [x2]"),
	/* What has no valid syndrome. */
	I(0xf8408c41, "ldr x1, [x2, #8]!"), I(0xf8408441, "ldr x1, [x2], #8"), I(0xb81fcc41, "str w1, [x2, #-4]!"), I(0xb8004441, "str w1, [x2], #4"),
	I(0xa9401041, "ldp x1, x4, [x2]"), I(0x29c11041, "ldp w1, w4, [x2, #8]!"), I(0x69401041, "ldpsw x1, x4, [x2]"), I(0xa9001041, "stp x1, x4, [x2]"), I(0x28811041, "stp w1, w4, [x2], #8"),
	I(0xa8401041, "ldnp x1, x4, [x2]"), I(0xa8001041, "stnp x1, x4, [x2]"),
	I(0x3dc00041, "ldr q1, [x2]"), I(0xfd400041, "ldr d1, [x2]"), I(0xbd400041, "ldr s1, [x2]"), I(0x3d400041, "ldr b1, [x2]"), I(0x3d800041, "str q1, [x2]"), I(0xfd000441, "str d1, [x2, #8]"), I(0x7c002441, "str h1, [x2], #2"),
	I(0xad400841, "ldp q1, q2, [x2]"), I(0x6d000841, "stp d1, d2, [x2]"), I(0x4c407041, "ld1 {v1.16b}, [x2]"), I(0x0d009041, "st1 {v1.s}[1], [x2]"), I(0x4d40cc41, "ld1r {v1.2d}, [x2]"),
	I(0xc85f7c41, "ldxr x1, [x2]"), I(0x085ffc41, "ldaxrb w1, [x2]"), I(0xc87f1041, "ldxp x1, x4, [x2]"), I(0xc8047c41, "stxr w4, x1, [x2]"),
	I(0xf8210044, "ldadd x1, x4, [x2]"), I(0xb8218044, "swp w1, w4, [x2]"), I(0xf821305f, "stset x1, [x2]"), I(0xc8a17c44, "cas x1, x4, [x2]"), I(0x48247c46, "casp x4, x5, x6, x7, [x2]"),
	I(0xf9800040, "prfm pldl1keep, [x2]"), I(0xd50b7422, "dc zva, x2"), I(0xd50b7e22, "dc civac, x2"), I(0xd50b7a22, "dc cvac, x2"), I(0xd50b7b22, "dc cvau, x2"), I(0xd5087622, "dc ivac, x2"), I(0xd50b7522, "ic ivau, x2"),
};
#define TOLD (sizeof told / sizeof *told)

/* A name without what compare takes for its end. */
static const char *named(const char *prefix, struct insn insn)
{
	static char name[128];
	unsigned n = (unsigned)snprintf(name, sizeof name, "%s.", prefix);

	for (const char *c = insn.text; *c && n < sizeof name - 1; c++)
		if (!strchr(",[]{}", *c))
			name[n++] = *c == ' ' ? '_' : *c;
	name[n] = 0;
	return name;
}

static void all(const char *prefix)
{
	for (unsigned i = 0; i < TOLD; i++)
		one(named(prefix, told[i]), told[i]);
}

void sec_mmio(void)
{
	printf("# A. not memory\n");
	guest_open(F_PSCI | F_PTR, 1);
	tables_flat();
	base(X(2), DEVICE);
	base(X(3), 0x20);
	all("mmio");
	/* At EL0. */
	base_memory(TABLES, 0x745 | 1ull << 54);
	base(PSTATE, EL0T);
	all("mmio_el0");
	base_forget();
	/* What is memory but may not be written. */
	tables_flat();
	base(X(2), READONLY + 0x40);
	base(X(3), 0x20);
	all("readonly");
	base_forget();
	/* Half of it is memory. */
	tables_flat();
	base(X(2), RAM - 4);
	one("half.ldr_x", I(0xf9400041, "ldr x1, [x2]"));
	one("half.str_x", I(0xf9000041, "str x1, [x2]"));
	one("half.ldp_w", I(0x29401041, "ldp w1, w4, [x2]"));
	one("half.stp_w", I(0x29001041, "stp w1, w4, [x2]"));
	base(X(2), RAM + RAM_SIZE - 4);
	one("half.ldr_x_end", I(0xf9400041, "ldr x1, [x2]"));
	one("half.str_x_end", I(0xf9000041, "str x1, [x2]"));
	one("half.ldp_x_end", I(0xa9401041, "ldp x1, x4, [x2]"));
	base(X(2), DEVICE + 0xffc);
	one("pages.ldr_x", I(0xf9400041, "ldr x1, [x2]"));
	one("pages.str_x", I(0xf9000041, "str x1, [x2]"));
	base_forget();
	/* Without translation. */
	base(X(2), DEVICE + 0x40);
	one("flat.ldr_x", I(0xf9400041, "ldr x1, [x2]"));
	one("flat.strb", I(0x39000041, "strb w1, [x2]"));
	one("flat.ldp", I(0xa9401041, "ldp x1, x4, [x2]"));
	base_forget();
	/* A literal; the program's idea of an abort in place of the load. */
	with(X(2), RAM - 0x2000);
	one("literal.adr_checks", I(0x10fe0001, "adr x1, .-0x4000"));
	one("literal.ldr_x", I(0x58fe0001, "ldr x1, .-0x4000"));
	one("literal.ldr_w", I(0x18fe0001, "ldr w1, .-0x4000"));
	one("literal.ldrsw", I(0x98fe0001, "ldrsw x1, .-0x4000"));
	one("literal.ldr_q", I(0x9cfe0001, "ldr q1, .-0x4000"));
	one("literal.prfm", I(0xd8fe0000, "prfm pldl1keep, .-0x4000"));
	/* Code, tables and vectors that are not there. */
	with(X(2), DEVICE);
	one("fetch.ret", I(0xd65f0040, "ret x2"));
	with(X(2), READONLY);
	one("fetch.readonly", I(0xd65f0040, "ret x2"));
	tables_flat();
	with_memory(TABLES, DEVICE | 3);
	with(X(2), DEVICE + 0x1000);
	one("table.outside_load", I(0xf9400041, "ldr x1, [x2]"));
	with_memory(TABLES, DEVICE | 3);
	with(X(2), DEVICE + 0x1000);
	one("table.outside_store", I(0xf9000041, "str x1, [x2]"));
	with_memory(TABLES, DEVICE | 3);
	with(X(2), DEVICE + 0x1000);
	one("table.outside_fetch", I(0xd65f0040, "ret x2"));
	with_memory(TABLES, DEVICE | 3);
	with(X(2), DEVICE + 0x1000);
	one("table.outside_cache", I(0xd50b7a22, "dc cvac, x2"));
	with_memory(TABLES, DEVICE | 3);
	with(X(2), DEVICE + 0x1000);
	one("table.outside_at", I(0xd5087802, "at s1e1r, x2"));
	/* Leaving the guest ends what a load exclusive began. */
	with(X(2), DATA);
	with(X(5), DEVICE);
	SEVERAL("exclusive.exit_between", I(0xc85f7c41, "ldxr x1, [x2]"), I(0xf90000a3, "str x3, [x5]"), I(0xc8047c43, "stxr w4, x3, [x2]"));
	with(X(2), DATA);
	SEVERAL("exclusive.call_between", I(0xc85f7c41, "ldxr x1, [x2]"), I(0xd4000002, "hvc #0"), I(0xc8047c43, "stxr w4, x3, [x2]"));
	with(X(2), DATA);
	SEVERAL("exclusive.nothing_between", I(0xc85f7c41, "ldxr x1, [x2]"), NOP, I(0xc8047c43, "stxr w4, x3, [x2]"));
	with(X(2), DATA);
	SEVERAL("exclusive.store_between", I(0xc85f7c41, "ldxr x1, [x2]"), I(0xf9000443, "str x3, [x2, #8]"), I(0xc8047c43, "stxr w4, x3, [x2]"));
	with(X(2), DATA);
	SEVERAL("exclusive.clrex_between", I(0xc85f7c41, "ldxr x1, [x2]"), I(0xd5033f5f, "clrex"), I(0xc8047c43, "stxr w4, x3, [x2]"));
	/* The program aborts what it was told. */
	g.aborts = 1;
	tables_flat();
	base(X(2), DEVICE + 0x123);
	one("abort.ldrb", I(0x39400041, "ldrb w1, [x2]"));
	one("abort.strb", I(0x39000041, "strb w1, [x2]"));
	with(PSTATE, EL0T);
	with_memory(TABLES, 0x745 | 1ull << 54);
	one("abort.ldrb_el0", I(0x39400041, "ldrb w1, [x2]"));
	guest_close();
	guest_open(F_PSCI | F_PTR, 1);
	ioctl(g.vm.fd, KVM_ENABLE_CAP, &(struct kvm_enable_cap){ .cap = KVM_CAP_ARM_NISV_TO_USER });
	tables_flat();
	base(X(2), DEVICE);
	base(X(3), 0x20);
	all("nisv");
	base_forget();
	tables_flat();
	base(X(2), READONLY + 0x40);
	base(X(3), 0x20);
	all("nisv_readonly");
	base_forget();
	g.aborts = 1;
	tables_flat();
	with(X(2), DEVICE + 0x128);
	one("abort.ldp", I(0xa9401041, "ldp x1, x4, [x2]"));
	with(X(2), DEVICE + 0x128);
	one("abort.stp_pre", I(0xa9811041, "stp x1, x4, [x2, #16]!"));
	base_forget();
	guest_close();
}
