/*
 * SVE: vector lengths, KVM_ARM_VCPU_FINALIZE, Z, P and FFR.
 */
#include "probe.h"

void sec_sve(void)
{
	printf("# E. SVE and finalize\n");
	struct vm v = newvm();
	u64 x[8];
	finalize(v.vcpu, 4);
	out("sve.finalize_before_init", 0);
	IOC(v.vcpu, KVM_ARM_VCPU_FINALIZE, (void *)8);
	out("sve.finalize_before_init.efault", 0);
	get_say("sve.get_vls_before_init", v.vcpu, VLS);
	IOC(v.vcpu, KVM_RUN, 0);
	out("run.before_init", 0);
	v.run->immediate_exit = 1;
	IOC(v.vcpu, KVM_RUN, 0);
	out("run.before_init.immediate", 0);
	v.run->immediate_exit = 0;
	IOC(v.vcpu, KVM_RUN, 1);
	out("run.before_init.arg1", 0);
	init(v.vcpu, F_PSCI);
	for (int w = -1; w < 9; w++) {
		finalize(v.vcpu, w);
		out(N("sve.nonsve.finalize_%d", w), 0);
	}
	IOC(v.vcpu, KVM_ARM_VCPU_FINALIZE, (void *)8);
	out("sve.nonsve.finalize_efault", 0);
	get_say("sve.nonsve.get_vls", v.vcpu, VLS);
	memset(x, 0, sizeof x);
	x[0] = 1;
	set(v.vcpu, VLS, x);
	out("sve.nonsve.set_vls", 0);
	get_say("sve.nonsve.get_z0", v.vcpu, ZREG(0, 0));
	get_say("sve.nonsve.get_p0", v.vcpu, PREG(0, 0));
	get_say("sve.nonsve.get_ffr", v.vcpu, FFR(0));
	set_say("sve.nonsve.set_z0", v.vcpu, ZREG(0, 0), 1);
	get_say("sve.nonsve.get_zcr", v.vcpu, SYS(3, 0, 1, 2, 0));
	set_say("sve.nonsve.set_zcr", v.vcpu, SYS(3, 0, 1, 2, 0), 0);
	get_say("sve.nonsve.get_v0", v.vcpu, V0);
	get_say("sve.nonsve.get_id_aa64zfr0", v.vcpu, SYS(3, 0, 0, 4, 4));
	get_say("sve.nonsve.get_z0_slice1", v.vcpu, ZREG(0, 1));
	get_say("sve.nonsve.get_badrange", v.vcpu, A64 | SZ(5) | 0x150700);
	delvm(&v);
	v = newvm();
	init(v.vcpu, F_PSCI | F_SVE);
	out("sve.init", 0);
	finalize(v.vcpu, 99);
	out("sve.finalize_unknown99", 0);
	finalize(v.vcpu, 0);
	out("sve.finalize_0", 0);
	finalize(v.vcpu, 3);
	out("sve.finalize_3pmu", 0);
	finalize(v.vcpu, 5);
	out("sve.finalize_5ptr", 0);
	IOC(v.vcpu, KVM_ARM_VCPU_FINALIZE, (void *)8);
	out("sve.finalize_efault", 0);
	get_say("sve.unfin.get_z0", v.vcpu, ZREG(0, 0));
	set_say("sve.unfin.set_z0", v.vcpu, ZREG(0, 0), 1);
	get_say("sve.unfin.get_p0", v.vcpu, PREG(0, 0));
	get_say("sve.unfin.get_ffr", v.vcpu, FFR(0));
	get_say("sve.unfin.get_z0_slice1", v.vcpu, ZREG(0, 1));
	get_say("sve.unfin.get_ffr_slice1", v.vcpu, FFR(1));
	get_say("sve.unfin.get_badrange", v.vcpu, A64 | SZ(5) | 0x150700);
	get_say("sve.unfin.get_v0", v.vcpu, V0);
	set_say("sve.unfin.set_v0", v.vcpu, V0, 1);
	get_say("sve.unfin.get_fpsr", v.vcpu, FPSR);
	get_say("sve.unfin.get_zcr", v.vcpu, SYS(3, 0, 1, 2, 0));
	get_say("sve.unfin.get_x0", v.vcpu, X0);
	set_say("sve.unfin.set_x0", v.vcpu, X0, 3);
	get(v.vcpu, ZREG(0, 0), (void *)8);
	out("sve.unfin.get_z0.badaddr", 0);
	get_say("sve.unfin.get_vls", v.vcpu, VLS);
	u64 full;
	{
		u64 t[8] = {0};
		get(v.vcpu, VLS, t);
		full = t[0];
	}
	get(v.vcpu, VLS, (void *)8);
	out("sve.unfin.get_vls.badaddr", 0);
	set(v.vcpu, VLS, (void *)8);
	out("sve.unfin.set_vls.badaddr", 0);
	IOC(v.vcpu, KVM_RUN, 0);
	out("run.sve_unfinalized", 0);
	v.run->immediate_exit = 1;
	IOC(v.vcpu, KVM_RUN, 0);
	out("run.sve_unfinalized.immediate", 0);
	v.run->immediate_exit = 0;
	/* VLS values: every (1<<k)-1, every single bit, holes, high words, zero */
	for (int k = 0; k <= 20; k++) {
		memset(x, 0, sizeof x);
		x[0] = BIT(k) - 1;
		set(v.vcpu, VLS, x);
		int rc = g_rc, e = g_errno;
		u64 t[8] = {0};
		get(v.vcpu, VLS, t);
		g_rc = rc;
		g_errno = e;
		out(N("vls.set_low%d", k), N("0x%llx readback=0x%llx", (unsigned long long)x[0], (unsigned long long)t[0]));
	}
	for (int k = 0; k < 20; k++) {
		memset(x, 0, sizeof x);
		x[0] = BIT(k);
		set(v.vcpu, VLS, x);
		outx(N("vls.set_only_bit%d", k), x[0]);
	}
	memset(x, 0, sizeof x);
	x[0] = full;
	set(v.vcpu, VLS, x);
	outx("vls.set_full", full);
	for (int k = 0; k < 16; k++) {
		memset(x, 0, sizeof x);
		x[0] = full & ~BIT(k);
		set(v.vcpu, VLS, x);
		outx(N("vls.set_full_without_bit%d", k), x[0]);
	}
	for (int k = 1; k < 8; k++) {
		memset(x, 0, sizeof x);
		x[0] = full;
		x[k] = 1;
		set(v.vcpu, VLS, x);
		out(N("vls.set_full_plus_word%d", k), 0);
		memset(x, 0, sizeof x);
		x[k] = 1;
		set(v.vcpu, VLS, x);
		out(N("vls.set_only_word%d", k), 0);
	}
	memset(x, 0xff, sizeof x);
	set(v.vcpu, VLS, x);
	out("vls.set_all_ones", 0);
	memset(x, 0, sizeof x);
	set(v.vcpu, VLS, x);
	out("vls.set_zero", 0);
	for (unsigned sz = 0; sz < 16; sz++) {
		memset(x, 0, sizeof x);
		get(v.vcpu, A64 | SZ(sz) | 0x15ffff, buf);
		out(N("vls.get_size_nibble%u", sz), 0);
	}
	memset(x, 0, sizeof x);
	x[0] = 0xf;
	set(v.vcpu, VLS, x);
	out("vls.set_0xf", 0);
	get_say("vls.get_after_0xf", v.vcpu, VLS);
	/* re-init before finalize: does it restore the maximum? */
	init(v.vcpu, F_PSCI | F_SVE);
	out("vls.reinit_unfinalized", 0);
	get_say("vls.get_after_reinit_unfinalized", v.vcpu, VLS);
	x[0] = 0xf;
	set(v.vcpu, VLS, x);
	out("vls.set_0xf_again", 0);
	finalize(v.vcpu, 4);
	out("sve.finalize", 0);
	finalize(v.vcpu, 4);
	out("sve.finalize_twice", 0);
	finalize(v.vcpu, 99);
	out("sve.finalize_unknown_after", 0);
	get_say("vls.get_after_finalize", v.vcpu, VLS);
	x[0] = 0xf;
	set(v.vcpu, VLS, x);
	out("vls.set_same_after_finalize", 0);
	x[0] = 0x3;
	set(v.vcpu, VLS, x);
	out("vls.set_other_after_finalize", 0);
	set(v.vcpu, VLS, (void *)8);
	out("vls.set_badaddr_after_finalize", 0);
	/* register images with vq limited to 4 (64 bytes) */
	get_say("sve.vq4.z0_fresh", v.vcpu, ZREG(0, 0));
	memset(buf, 0xa5, 256);
	set(v.vcpu, ZREG(0, 0), buf);
	out("sve.vq4.set_z0_a5", 0);
	memset(buf, 0xff, 512);
	get(v.vcpu, ZREG(0, 0), buf);
	out("sve.vq4.get_z0", hexval(buf, 256));
	printf("sve.vq4.get_z0.byte256_untouched: %d\n", buf[256] == 0xff);
	memset(buf, 0xa5, 256);
	set(v.vcpu, ZREG(31, 0), buf);
	out("sve.vq4.set_z31_a5", 0);
	get_say("sve.vq4.get_z31", v.vcpu, ZREG(31, 0));
	memset(buf, 0x3c, 32);
	set(v.vcpu, PREG(0, 0), buf);
	out("sve.vq4.set_p0", 0);
	memset(buf, 0xff, 64);
	get(v.vcpu, PREG(0, 0), buf);
	out("sve.vq4.get_p0", hexval(buf, 32));
	printf("sve.vq4.get_p0.byte32_untouched: %d\n", buf[32] == 0xff);
	memset(buf, 0x3c, 32);
	set(v.vcpu, PREG(15, 0), buf);
	out("sve.vq4.set_p15", 0);
	get_say("sve.vq4.get_p15", v.vcpu, PREG(15, 0));
	memset(buf, 0x99, 32);
	set(v.vcpu, FFR(0), buf);
	out("sve.vq4.set_ffr", 0);
	get_say("sve.vq4.get_ffr", v.vcpu, FFR(0));
	get_say("sve.vq4.get_z1_neighbour", v.vcpu, ZREG(1, 0));
	get_say("sve.vq4.get_z0_again", v.vcpu, ZREG(0, 0));
	/* only the significant bytes are read on SET: buffer ends after 64 bytes */
	set(v.vcpu, ZREG(2, 0), guard + psz - 64);
	out("sve.vq4.set_z2_only64_mapped", 0);
	set(v.vcpu, ZREG(2, 0), guard + psz - 63);
	out("sve.vq4.set_z2_only63_mapped", 0);
	get(v.vcpu, ZREG(2, 0), guard + psz - 64);
	out("sve.vq4.get_z2_only64_mapped", 0);
	get(v.vcpu, ZREG(2, 0), guard + psz - 256);
	out("sve.vq4.get_z2_256_mapped", 0);
	memset(buf, 0xee, 256);
	set(v.vcpu, ZREG(3, 0), buf);
	memset(guard + psz - 64, 0x77, 64);
	set(v.vcpu, ZREG(3, 0), guard + psz - 40);
	out("sve.vq4.set_z3_only40_mapped", 0);
	get_say("sve.vq4.get_z3_after_failed_set", v.vcpu, ZREG(3, 0));
	memset(buf, 0xee, 16);
	set(v.vcpu, X0, buf);
	set(v.vcpu, X0, guard + psz - 4);
	out("core.set_x0_only4_mapped", 0);
	get_say("core.get_x0_after_failed_set", v.vcpu, X0);
	memset(guard + psz - 64, 0xcc, 64);
	get(v.vcpu, ZREG(3, 0), guard + psz - 64);
	out("sve.vq4.get_z3_only64_mapped", hexval(guard + psz - 64, 64));
	memset(guard + psz - 4, 0xcc, 4);
	get(v.vcpu, X0, guard + psz - 4);
	out("core.get_x0_only4_mapped", hexval(guard + psz - 4, 4));
	memset(guard + psz - 4, 0xcc, 4);
	get(v.vcpu, SYS(3, 0, 0, 0, 5), guard + psz - 4);
	out("sys.get_mpidr_only4_mapped", hexval(guard + psz - 4, 4));
	memset(guard + psz - 4, 0xcc, 4);
	get(v.vcpu, FW(0), guard + psz - 4);
	out("fw.get_psci_only4_mapped", hexval(guard + psz - 4, 4));
	set(v.vcpu, PREG(2, 0), guard + psz - 8);
	out("sve.vq4.set_p2_only8_mapped", 0);
	get(v.vcpu, PREG(2, 0), guard + psz - 8);
	out("sve.vq4.get_p2_only8_mapped", 0);
	for (int sl = 0; sl < 32; sl += 1)
		if (sl < 3 || sl == 31) {
			get_say(N("sve.fin.get_z0_slice%d", sl), v.vcpu, ZREG(0, sl));
			set_say(N("sve.fin.set_z0_slice%d", sl), v.vcpu, ZREG(0, sl), 1);
			get_say(N("sve.fin.get_p0_slice%d", sl), v.vcpu, PREG(0, sl));
			get_say(N("sve.fin.get_ffr_slice%d", sl), v.vcpu, FFR(sl));
		}
	get_say("sve.fin.get_v0", v.vcpu, V0);
	set_say("sve.fin.set_v0", v.vcpu, V0, 1);
	get_say("sve.fin.get_v31", v.vcpu, CORE(84 + 124, 4));
	get_say("sve.fin.get_v0_size3", v.vcpu, CORE(84, 3));
	get_say("sve.fin.get_fpsr", v.vcpu, FPSR);
	get_say("sve.fin.get_fpcr", v.vcpu, FPCR);
	for (unsigned sz = 0; sz < 16; sz++) {
		get(v.vcpu, A64 | SZ(sz) | 0x150000, buf);
		out(N("sve.fin.get_z0_size_nibble%u", sz), 0);
		get(v.vcpu, A64 | SZ(sz) | 0x150400, buf);
		out(N("sve.fin.get_p0_size_nibble%u", sz), 0);
	}
	get_say("sve.fin.get_0x150620", v.vcpu, A64 | SZ(5) | 0x150620);
	get_say("sve.fin.get_0x1503ff_z31slice31", v.vcpu, A64 | SZ(8) | 0x1503ff);
	get_say("sve.fin.get_0x150400_as_z", v.vcpu, A64 | SZ(8) | 0x150400);
	get_say("sve.fin.get_0x15fffe", v.vcpu, A64 | SZ(6) | 0x15fffe);
	get(v.vcpu, ZREG(0, 0), (void *)8);
	out("sve.fin.get_z0.badaddr", 0);
	set(v.vcpu, ZREG(0, 0), (void *)8);
	out("sve.fin.set_z0.badaddr", 0);
	set_get_say("sve.fin.zcr_set_f", v.vcpu, SYS(3, 0, 1, 2, 0), 0xf);
	set_get_say("sve.fin.zcr_set_ones", v.vcpu, SYS(3, 0, 1, 2, 0), ~0ull);
	init(v.vcpu, F_PSCI | F_SVE);
	out("sve.reinit_after_finalize", 0);
	get_say("sve.reinit.get_z0", v.vcpu, ZREG(0, 0));
	get_say("sve.reinit.get_vls", v.vcpu, VLS);
	get_say("sve.reinit.get_ffr", v.vcpu, FFR(0));
	finalize(v.vcpu, 4);
	out("sve.reinit.finalize", 0);
	get_say("sve.reinit.get_zcr", v.vcpu, SYS(3, 0, 1, 2, 0));
	delvm(&v);
	v = ready(F_PSCI | F_SVE);
	init(v.vcpu, F_PSCI);
	out("sve.reinit_without_sve_after_finalize", 0);
	delvm(&v);
}
