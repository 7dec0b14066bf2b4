/*
 * PSTATE, firmware registers, what stands still after the first run, invariants, writable masks.
 */
#include "probe.h"

void sec_pstate_fw(void)
{
	printf("# G. pstate, firmware registers, ids\n");
	struct vm v = ready(F_PSCI);
	static const u64 modes[] = {0,	  4,	5,    8,    9,	  0xc,	0xd,  1,    2,	  3,	6,     7,     0x10,
				    0x11, 0x12, 0x13, 0x16, 0x17, 0x1a, 0x1b, 0x1f, 0x14, 0x1e, 0x3c5, 0x3c0, 0xffffffffffffffe5ull & ~0x1aull,
				    0x20, 0x25, 0x30};
	for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++)
		set_get_say(N("pstate64.0x%llx", (unsigned long long)modes[i]), v.vcpu, PSTATE, modes[i]);
	set64(v.vcpu, PSTATE, 0x3c5);
	for (int i = 0; i < 31; i++)
		set64(v.vcpu, CORE(2 * i, 3), 0xa5a5a5a500000000ull + i);
	set64(v.vcpu, PC, 0xffff000012345678ull);
	set64(v.vcpu, CORE(62, 3), 0xffff0000deadbeefull);
	set_say("narrow64.set_usr32", v.vcpu, PSTATE, 0x10);
	get_say("narrow64.x0", v.vcpu, X0);
	get_say("narrow64.x14", v.vcpu, CORE(28, 3));
	get_say("narrow64.x15", v.vcpu, CORE(30, 3));
	get_say("narrow64.x30", v.vcpu, CORE(60, 3));
	get_say("narrow64.pc", v.vcpu, PC);
	get_say("narrow64.sp", v.vcpu, CORE(62, 3));
	set_get_say("narrow64.write_x0_in_usr32", v.vcpu, X0, 0x1122334455667788ull);
	set_get_say("narrow64.write_x20_in_usr32", v.vcpu, CORE(40, 3), 0x1122334455667788ull);
	set_get_say("narrow64.write_pc_in_usr32", v.vcpu, PC, 0x1122334455667788ull);
	delvm(&v);
	v = newvm();
	init(v.vcpu, F_PSCI | F_32);
	out("el1_32.init", 0);
	if (!g_rc) {
		for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++)
			set_get_say(N("pstate32.0x%llx", (unsigned long long)modes[i]), v.vcpu, PSTATE, modes[i]);
		set64(v.vcpu, PSTATE, 0x1d3);
		set_get_say("narrow32.x0", v.vcpu, X0, 0x1122334455667788ull);
		set_get_say("narrow32.x20", v.vcpu, CORE(40, 3), 0x1122334455667788ull);
		set_get_say("narrow32.x30", v.vcpu, CORE(60, 3), 0x1122334455667788ull);
		set_get_say("narrow32.pc", v.vcpu, PC, 0x1122334455667788ull);
		set_get_say("narrow32.sp", v.vcpu, CORE(62, 3), 0x1122334455667788ull);
		set_get_say("narrow32.spsr_svc", v.vcpu, CORE(72, 3), 0x1122334455667788ull);
		for (unsigned k = 1; k < 5; k++)
			set_get_say(N("narrow32.spsr%u", k), v.vcpu, CORE(72 + 2 * k, 3), 0x1122334455667788ull);
	}
	delvm(&v);
	for (int ps = 0; ps < 2; ps++) {
		v = ready(ps ? F_PSCI : 0);
		const char *t = ps ? "psci02" : "nopsci";
		get_say(N("fw.%s.psci.get", t), v.vcpu, FW(0));
		static const u64 vals[] = {0, 1, 2, 3, 0x10000, 0x10001, 0x10002, 0x10003, 0x20000, ~0ull};
		for (unsigned i = 0; i < sizeof vals / sizeof *vals; i++)
			set_get_say(N("fw.%s.psci.set_%llx", t, (unsigned long long)vals[i]), v.vcpu, FW(0), vals[i]);
		delvm(&v);
	}
	v = ready(F_PSCI);
	for (int wa = 1; wa < 4; wa++) {
		get_say(N("fw.wa%d.get", wa), v.vcpu, FW(wa));
		static const u64 vals[] = {0, 1, 2, 3, 4, 5, 8, 0xf, 0x10, 0x11, 0x12, 0x13, 0x20, 0x100, ~0ull};
		for (unsigned i = 0; i < sizeof vals / sizeof *vals; i++)
			set_get_say(N("fw.wa%d.set_%llx", wa, (unsigned long long)vals[i]), v.vcpu, FW(wa), vals[i]);
	}
	get_say("fw.unknown4.get", v.vcpu, FW(4));
	set_say("fw.unknown4.set", v.vcpu, FW(4), 0);
	set(v.vcpu, FW(4), (void *)8);
	out("fw.unknown4.set_badaddr", 0);
	for (int b = 0; b < 4; b++) {
		get_say(N("bmap%d.get", b), v.vcpu, BMAP(b));
		for (int k = 0; k < 6; k++)
			set_get_say(N("bmap%d.set_%x", b, 1 << k), v.vcpu, BMAP(b), 1 << k);
		set_get_say(N("bmap%d.set_0", b), v.vcpu, BMAP(b), 0);
		set_get_say(N("bmap%d.set_3", b), v.vcpu, BMAP(b), 3);
		set_get_say(N("bmap%d.set_bit63", b), v.vcpu, BMAP(b), BIT(63));
		set_get_say(N("bmap%d.set_1_again", b), v.vcpu, BMAP(b), 1);
	}
	delvm(&v);
	/* after the VM has run once (immediate_exit: no guest instruction executes) */
	v = ready(F_PSCI | F_SVE | F_PTR);
	set_say("ran.pre.isar0_zero", v.vcpu, SYS(3, 0, 0, 6, 0), 0);
	get_say("ran.pre.id_aa64pfr0", v.vcpu, SYS(3, 0, 0, 4, 0));
	get_say("ran.pre.id_pfr1", v.vcpu, SYS(3, 0, 0, 1, 1));
	v.run->immediate_exit = 1;
	IOC(v.vcpu, KVM_RUN, 0);
	out("ran.run_immediate", 0);
	v.run->immediate_exit = 0;
	get_say("ran.id_aa64pfr0", v.vcpu, SYS(3, 0, 0, 4, 0));
	get_say("ran.id_pfr1", v.vcpu, SYS(3, 0, 0, 1, 1));
	static const struct {
		const char *n;
		u64 id;
	} rr[] = {{"id_aa64pfr0", SYS(3, 0, 0, 4, 0)},
		  {"id_aa64isar0", SYS(3, 0, 0, 6, 0)},
		  {"id_unalloc", SYS(3, 0, 0, 5, 2)},
		  {"ctr", SYS(3, 3, 0, 0, 1)},
		  {"clidr", SYS(3, 1, 0, 0, 1)},
		  {"midr", SYS(3, 0, 0, 0, 0)},
		  {"mpidr", SYS(3, 0, 0, 0, 5)},
		  {"ccsidr0", CCSIDR(0)},
		  {"psci", FW(0)},
		  {"bmap0", BMAP(0)},
		  {"bmap1", BMAP(1)},
		  {"bmap2", BMAP(2)},
		  {"x0", X0},
		  {"oslsr", SYS(2, 0, 1, 1, 4)}};
	for (unsigned i = 0; i < sizeof rr / sizeof *rr; i++) {
		u64 o = get64(v.vcpu, rr[i].id);
		set_say(N("ran.%s.set_same", rr[i].n), v.vcpu, rr[i].id, o);
		set_get_say(N("ran.%s.set_flip0", rr[i].n), v.vcpu, rr[i].id, o ^ 1);
		set_say(N("ran.%s.set_ones", rr[i].n), v.vcpu, rr[i].id, ~0ull);
	}
	set_say("ran.bmap0.set_2_invalid", v.vcpu, BMAP(0), 2);
	init(v.vcpu, F_PSCI | F_SVE | F_PTR);
	out("ran.reinit_same", 0);
	init(v.vcpu, F_PSCI | F_SVE);
	out("ran.reinit_changed", 0);
	{
		int b = ioctl(v.fd, KVM_CREATE_VCPU, 1);
		g_rc = b < 0 ? -1 : 0;
		g_errno = b < 0 ? errno : 0;
		out("ran.create_second_vcpu", 0);
		if (b >= 0) {
			init(b, F_PSCI | F_SVE | F_PTR);
			out("ran.init_second_vcpu", 0);
			close(b);
		}
	}
	delvm(&v);
	/* invariants and ID registers: same value, changed value */
	v = ready(F_PSCI);
	static const struct {
		const char *n;
		u64 id;
	} iv[] = {{"midr", SYS(3, 0, 0, 0, 0)}, {"revidr", SYS(3, 0, 0, 0, 6)}, {"aidr", SYS(3, 1, 0, 0, 7)},  {"clidr", SYS(3, 1, 0, 0, 1)},
		  {"ctr", SYS(3, 3, 0, 0, 1)},	{"dczid", SYS(3, 3, 0, 0, 7)},	{"mpidr", SYS(3, 0, 0, 0, 5)}, {"oslsr", SYS(2, 0, 1, 1, 4)}};
	for (unsigned i = 0; i < sizeof iv / sizeof *iv; i++) {
		u64 o = get64(v.vcpu, iv[i].id);
		get_say(N("inv.%s.get", iv[i].n), v.vcpu, iv[i].id);
		set_say(N("inv.%s.set_same", iv[i].n), v.vcpu, iv[i].id, o);
		for (int b = 0; b < 64; b += 1)
			if (b < 5 || b == 16 || b == 31 || b == 32 || b == 63) {
				set_get_say(N("inv.%s.flip_bit%d", iv[i].n, b), v.vcpu, iv[i].id, o ^ BIT(b));
				set64(v.vcpu, iv[i].id, o);
			}
		set_get_say(N("inv.%s.zero", iv[i].n), v.vcpu, iv[i].id, 0);
	}
	set(v.vcpu, SYS(3, 0, 0, 0, 0), (void *)8);
	out("inv.midr.set_badaddr", 0);
	delvm(&v);
	v = ready(F_PSCI);
	u64 *m = calloc(8 * 512, 1);
	struct reg_mask_range rg = {.addr = (u64)(uintptr_t)m};
	IOC(v.fd, KVM_ARM_GET_REG_WRITABLE_MASKS, &rg);
	out("masks.get", 0);
	if (!g_rc)
		for (int i = 0; i < KVM_ARM_FEATURE_ID_RANGE_SIZE; i++)
			if (m[i]) {
				int op1 = i >> 6, crm = (i >> 3) & 7, op2 = i & 7;
				if (op1 == 2)
					op1 = 3;
				printf("mask.%s: 0x%llx\n", rname(SYS(3, op1, 0, crm, op2)), (unsigned long long)m[i]);
			}
	rg.range = 1;
	IOC(v.fd, KVM_ARM_GET_REG_WRITABLE_MASKS, &rg);
	out("masks.range1", 0);
	rg.range = 0;
	rg.reserved[3] = 1;
	IOC(v.fd, KVM_ARM_GET_REG_WRITABLE_MASKS, &rg);
	out("masks.reserved", 0);
	rg.reserved[3] = 0;
	rg.addr = 8;
	IOC(v.fd, KVM_ARM_GET_REG_WRITABLE_MASKS, &rg);
	out("masks.efault", 0);
	delvm(&v);
	free(m);
}
