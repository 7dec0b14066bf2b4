/*
 * KVM_GET_ONE_REG and KVM_SET_ONE_REG: ids, sizes, addresses.
 */
#include "probe.h"

static void gs(const char *n, int vcpu, u64 id)
{
	memset(buf, 0, 65536);
	get(vcpu, id, buf);
	out(N("%s.get", n), 0);
	memset(buf, 0, 65536);
	set(vcpu, id, buf);
	out(N("%s.set0", n), 0);
	get(vcpu, id, (void *)8);
	out(N("%s.get_badaddr", n), 0);
	set(vcpu, id, (void *)8);
	out(N("%s.set_badaddr", n), 0);
}

void sec_onereg(void)
{
	printf("# F. KVM_GET/SET_ONE_REG errors\n");
	struct vm v = newvm();
	get_say("onereg.before_init.get_x0", v.vcpu, X0);
	set_say("onereg.before_init.set_x0", v.vcpu, X0, 0);
	get_say("onereg.before_init.get_unknown", v.vcpu, 0);
	IOC(v.vcpu, KVM_GET_ONE_REG, (void *)8);
	out("onereg.before_init.badstruct", 0);
	init(v.vcpu, F_PSCI);
	IOC(v.vcpu, KVM_GET_ONE_REG, (void *)8);
	out("onereg.get.badstruct", 0);
	IOC(v.vcpu, KVM_SET_ONE_REG, (void *)8);
	out("onereg.set.badstruct", 0);
	IOC(v.vcpu, KVM_GET_ONE_REG, (void *)0);
	out("onereg.get.nullstruct", 0);
	struct kvm_one_reg *e = (void *)(guard + psz - 8);
	e->id = X0;
	IOC(v.vcpu, KVM_GET_ONE_REG, e);
	out("onereg.get.struct_half_mapped", 0);
	/* arch and upper bits */
	static const struct {
		const char *n;
		u64 id;
	} a[] = {{"id0", 0},
		 {"arch_generic_x0", X0 & ~(0xffull << 56)},
		 {"arch_x86", (X0 & ~(0xffull << 56)) | 0x2000000000000000ull},
		 {"arch_arm32", (X0 & ~(0xffull << 56)) | 0x4000000000000000ull},
		 {"arch_arm64_61", X0 | (1ull << 56)},
		 {"arch_riscv", (X0 & ~(0xffull << 56)) | 0x8000000000000000ull},
		 {"all_ones", ~0ull},
		 {"x0_bit28", X0 | BIT(28)},
		 {"x0_bit31", X0 | BIT(31)},
		 {"x0_bit32", X0 | BIT(32)},
		 {"x0_bit40", X0 | BIT(40)},
		 {"x0_bit51", X0 | BIT(51)},
		 {"coproc0", A64 | SZ(3)},
		 {"coproc1", A64 | SZ(3) | 0x10000},
		 {"coproc0xf", A64 | SZ(3) | 0xf0000},
		 {"coproc0x12", A64 | SZ(3) | 0x120000},
		 {"coproc0x17", A64 | SZ(3) | 0x170000},
		 {"coproc0xfff", A64 | SZ(3) | 0xfff0000},
		 {"fw_bit28", FW(0) | BIT(28)},
		 {"demux_bit28", CCSIDR(0) | BIT(28)},
		 {"sys_bit28", SYS(3, 0, 0, 0, 5) | BIT(28)},
		 {"timer_bit28", SYS(3, 3, 14, 3, 1) | BIT(28)},
		 {"vls_bit28", VLS | BIT(28)},
		 {"sys_unknown", SYS(3, 7, 15, 15, 7)},
		 {"sys_op0_0", SYS(0, 0, 0, 0, 0)},
		 {"sys_op0_1_dcisw", SYS(1, 0, 7, 6, 2)},
		 {"sys_mpidr_size2", (SYS(3, 0, 0, 0, 5) & ~SZ(15)) | SZ(2)},
		 {"sys_mpidr_size4", (SYS(3, 0, 0, 0, 5) & ~SZ(15)) | SZ(4)},
		 {"sys_mpidr_size0", SYS(3, 0, 0, 0, 5) & ~SZ(15)},
		 {"sys_midr_size2", (SYS(3, 0, 0, 0, 0) & ~SZ(15)) | SZ(2)},
		 {"sys_midr", SYS(3, 0, 0, 0, 0)},
		 {"timer_ctl_size2", (SYS(3, 3, 14, 3, 1) & ~SZ(15)) | SZ(2)},
		 {"timer_cnt", SYS(3, 3, 14, 3, 2)},
		 {"ptimer_cnt", SYS(3, 3, 14, 0, 1)},
		 {"ptimer_ctl", SYS(3, 3, 14, 2, 1)},
		 {"ptimer_cval", SYS(3, 3, 14, 2, 2)},
		 {"arch_cntvct_swapped", SYS(3, 3, 14, 0, 2)},
		 {"cntfrq", SYS(3, 3, 14, 0, 0)},
		 {"cntp_tval", SYS(3, 3, 14, 2, 0)},
		 {"cntv_tval", SYS(3, 3, 14, 3, 0)},
		 {"sys_trapped_unsaved_mdrar", SYS(2, 0, 1, 0, 0)},
		 {"sys_icc_pmr", SYS(3, 0, 4, 6, 0)},
		 {"sys_icc_sre", SYS(3, 0, 12, 12, 5)},
		 {"sys_spsr_el1", SYS(3, 0, 4, 0, 0)},
		 {"sys_elr_el1", SYS(3, 0, 4, 0, 1)},
		 {"sys_sp_el0", SYS(3, 0, 4, 1, 0)},
		 {"sys_ccsidr", SYS(3, 1, 0, 0, 0)},
		 {"sys_pmcr_nopmu", SYS(3, 3, 9, 12, 0)},
		 {"sys_pmevcntr0_nopmu", SYS(3, 3, 14, 8, 0)},
		 {"sys_pmceid0", SYS(3, 3, 9, 12, 6)},
		 {"sys_apiakeylo_noptr", SYS(3, 0, 2, 1, 0)},
		 {"sys_rgsr_nomte", SYS(3, 0, 1, 0, 5)},
		 {"sys_hcr_el2", SYS(3, 4, 1, 1, 0)},
		 {"sys_sctlr_el2", SYS(3, 4, 1, 0, 0)},
		 {"sys_dacr32", SYS(3, 4, 3, 0, 0)},
		 {"sys_dbgvcr32", SYS(2, 4, 0, 7, 0)},
		 {"sys_ifsr32", SYS(3, 4, 5, 0, 1)},
		 {"sys_fpexc32", SYS(3, 4, 5, 3, 0)},
		 {"fw_unknown4", FW(4)},
		 {"fw_0xffff", FW(0xffff)},
		 {"fw_psci_size2", (FW(0) & ~SZ(15)) | SZ(2)},
		 {"fw_psci_size4", (FW(0) & ~SZ(15)) | SZ(4)},
		 {"fw_wa1_size2", (FW(1) & ~SZ(15)) | SZ(2)},
		 {"bmap3", BMAP(3)},
		 {"bmap0_size2", (BMAP(0) & ~SZ(15)) | SZ(2)},
		 {"demux_size3", (CCSIDR(0) & ~SZ(15)) | SZ(3)},
		 {"demux_size0", CCSIDR(0) & ~SZ(15)},
		 {"demux_id1", A64 | SZ(2) | 0x110100},
		 {"demux_idff", A64 | SZ(2) | 0x11ff00}};
	for (unsigned i = 0; i < sizeof a / sizeof *a; i++)
		gs(N("onereg.%s", a[i].n), v.vcpu, a[i].id);
	/* core: every offset 0..220 with every size nibble; printed as maps */
	for (unsigned sz = 0; sz < 16; sz++)
		for (unsigned o = 0; o < 221;) {
			get(v.vcpu, CORE(o, sz), buf);
			int r0 = g_rc, e0 = g_errno;
			unsigned o1 = o + 1;
			for (; o1 < 221; o1++) {
				get(v.vcpu, CORE(o1, sz), buf);
				if (g_rc != r0 || g_errno != e0)
					break;
			}
			g_rc = r0;
			g_errno = e0;
			out(N("coremap.get.size%u.off%u-%u", sz, o, o1 - 1), 0);
			o = o1;
		}
	for (unsigned sz = 0; sz < 16; sz++)
		for (unsigned o = 0; o < 221;) {
			memset(buf, 0, 4096);
			set(v.vcpu, CORE(o, sz), (void *)8);
			int r0 = g_rc, e0 = g_errno;
			unsigned o1 = o + 1;
			for (; o1 < 221; o1++) {
				set(v.vcpu, CORE(o1, sz), (void *)8);
				if (g_rc != r0 || g_errno != e0)
					break;
			}
			g_rc = r0;
			g_errno = e0;
			out(N("coremap.set_badaddr.size%u.off%u-%u", sz, o, o1 - 1), 0);
			o = o1;
		}
	get_say("core.off0xffff", v.vcpu, CORE(0xffff, 3));
	/* demux ccsidr */
	for (int i = 0; i < 20; i++) {
		get_say(N("ccsidr.get%d", i), v.vcpu, CCSIDR(i));
		u32 val;
		memcpy(&val, buf, 4);
		int ok = !g_rc;
		if (ok) {
			set_say(N("ccsidr.set_same%d", i), v.vcpu, CCSIDR(i), val);
			set_get_say(N("ccsidr.set_flip0_%d", i), v.vcpu, CCSIDR(i), val ^ 1);
			set_get_say(N("ccsidr.set_flip3_%d", i), v.vcpu, CCSIDR(i), val ^ 8);
			set_get_say(N("ccsidr.set_flip31_%d", i), v.vcpu, CCSIDR(i), val ^ 0x80000000u);
			set_get_say(N("ccsidr.set_lines7_%d", i), v.vcpu, CCSIDR(i), 7);
			set_get_say(N("ccsidr.set_zero%d", i), v.vcpu, CCSIDR(i), 0);
			set_get_say(N("ccsidr.set_2_%d", i), v.vcpu, CCSIDR(i), 2);
			set_get_say(N("ccsidr.set_0fffffff_%d", i), v.vcpu, CCSIDR(i), 0x0fffffff);
		} else
			set_say(N("ccsidr.set_zero%d", i), v.vcpu, CCSIDR(i), 0);
	}
	get_say("ccsidr.get255", v.vcpu, CCSIDR(255));
	get(v.vcpu, CCSIDR(0), (void *)8);
	out("ccsidr.get0.badaddr", 0);
	set(v.vcpu, CCSIDR(0), (void *)8);
	out("ccsidr.set0.badaddr", 0);
	get(v.vcpu, CCSIDR(99), (void *)8);
	out("ccsidr.get99.badaddr", 0);
	/* EFAULT per class */
	static const struct {
		const char *n;
		u64 id;
	} c[] = {{"x0", X0},
		 {"v0", V0},
		 {"fpcr", FPCR},
		 {"midr", SYS(3, 0, 0, 0, 0)},
		 {"mpidr", SYS(3, 0, 0, 0, 5)},
		 {"id_aa64pfr0", SYS(3, 0, 0, 4, 0)},
		 {"sctlr", SYS(3, 0, 1, 0, 0)},
		 {"timer_ctl", SYS(3, 3, 14, 3, 1)},
		 {"psci", FW(0)},
		 {"bmap0", BMAP(0)},
		 {"dbgbvr0", SYS(2, 0, 0, 0, 4)},
		 {"aa32_pfr0", SYS(3, 0, 0, 1, 0)}};
	for (unsigned i = 0; i < sizeof c / sizeof *c; i++) {
		get(v.vcpu, c[i].id, (void *)8);
		out(N("efault.get.%s", c[i].n), 0);
		set(v.vcpu, c[i].id, (void *)8);
		out(N("efault.set.%s", c[i].n), 0);
		get(v.vcpu, c[i].id, 0);
		out(N("efault.get_null.%s", c[i].n), 0);
		get(v.vcpu, c[i].id, guard + psz - 1);
		out(N("efault.get_straddle.%s", c[i].n), 0);
		set(v.vcpu, c[i].id, guard + psz - 1);
		out(N("efault.set_straddle.%s", c[i].n), 0);
		get(v.vcpu, c[i].id, guard + 1);
		out(N("unaligned.get.%s", c[i].n), 0);
		get(v.vcpu, c[i].id, (void *)(~0ull & ~7ull));
		out(N("efault.get_kernel_addr.%s", c[i].n), 0);
	}
	/* other ioctls on the vcpu */
	static char big[4096];
	IOC(v.vcpu, KVM_GET_REGS, big);
	out("ioctl.get_regs", 0);
	IOC(v.vcpu, KVM_SET_REGS, big);
	out("ioctl.set_regs", 0);
	IOC(v.vcpu, KVM_GET_FPU, big);
	out("ioctl.get_fpu", 0);
	IOC(v.vcpu, KVM_GET_SREGS, big);
	out("ioctl.get_sregs", 0);
	IOC(v.vcpu, _IO(KVMIO, 0xfe), 0);
	out("ioctl.unknown_kvmio", 0);
	IOC(v.vcpu, _IO('z', 1), 0);
	out("ioctl.unknown_type", 0);
	IOC(v.fd, KVM_GET_ONE_REG, big);
	out("ioctl.get_one_reg_on_vmfd", 0);
	IOC(kvm, KVM_GET_ONE_REG, big);
	out("ioctl.get_one_reg_on_sysfd", 0);
	IOC(v.fd, KVM_GET_REG_LIST, big);
	out("ioctl.get_reg_list_on_vmfd", 0);
	IOC(v.vcpu, KVM_CREATE_VCPU, 0);
	out("ioctl.create_vcpu_on_vcpufd", 0);
	IOC(v.vcpu, KVM_CHECK_EXTENSION, KVM_CAP_ONE_REG);
	out("ioctl.check_extension_on_vcpufd", 0);
	/* from another mm */
	fflush(stdout);
	pid_t p = fork();
	if (!p) {
		u64 t;
		get(v.vcpu, X0, &t);
		out("other_mm.get_x0", 0);
		IOC(v.vcpu, _IO(KVMIO, 0xfe), 0);
		out("other_mm.unknown", 0);
		IOC(v.vcpu, _IO('z', 1), 0);
		out("other_mm.unknown_type", 0);
		fflush(stdout);
		_exit(0);
	}
	waitpid(p, 0, 0);
	delvm(&v);
}
