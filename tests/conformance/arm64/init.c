/*
 * KVM_ARM_VCPU_INIT: features, targets, what is reset, what is the whole VM's.
 */
#include "probe.h"

void sec_init(void)
{
	printf("# D. KVM_ARM_VCPU_INIT\n");
	struct vm v;
	struct kvm_vcpu_init ini;
	for (int b = 0; b < 32; b++) {
		v = newvm();
		init(v.vcpu, BIT(b));
		out(N("init.feature_bit%d", b), 0);
		delvm(&v);
	}
	for (int w = 1; w < 7; w++) {
		v = newvm();
		memset(&ini, 0, sizeof ini);
		ini.target = ptarget;
		ini.features[w] = 1;
		IOC(v.vcpu, KVM_ARM_VCPU_INIT, &ini);
		out(N("init.feature_word%d_bit0", w), 0);
		delvm(&v);
	}
	static const u32 tg[] = {0, 1, 2, 3, 4, 5, 6, 7, 0xffffffff};
	for (unsigned i = 0; i < sizeof tg / sizeof *tg; i++) {
		v = newvm();
		memset(&ini, 0, sizeof ini);
		ini.target = tg[i];
		IOC(v.vcpu, KVM_ARM_VCPU_INIT, &ini);
		out(N("init.target_%d", (int)tg[i]), 0);
		delvm(&v);
	}
	static const struct {
		const char *n;
		u64 f;
	} c[] = {{"pa", F_PA},
		 {"pg", F_PG},
		 {"pa_pg", F_PTR},
		 {"pa_badbit", F_PA | BIT(20)},
		 {"pa_el2", F_PA | BIT(7)},
		 {"el2", BIT(7)},
		 {"el2_32", BIT(7) | F_32},
		 {"32_sve", F_32 | F_SVE},
		 {"32_ptr", F_32 | F_PTR},
		 {"32_pmu", F_32 | F_PMU},
		 {"32_pa", F_32 | F_PA},
		 {"sve_pa", F_SVE | F_PA},
		 {"all", F_PSCI | F_PMU | F_SVE | F_PTR},
		 {"all_off", F_OFF | F_PSCI | F_PMU | F_SVE | F_PTR},
		 {"allbits", ~0u}};
	for (unsigned i = 0; i < sizeof c / sizeof *c; i++) {
		v = newvm();
		init(v.vcpu, c[i].f);
		out(N("init.combo.%s", c[i].n), 0);
		delvm(&v);
	}
	v = newvm();
	IOC(v.vcpu, KVM_ARM_VCPU_INIT, (void *)8);
	out("init.efault", 0);
	IOC(v.vcpu, KVM_ARM_VCPU_INIT, (void *)0);
	out("init.null", 0);
	memset(&ini, 0, sizeof ini);
	ini.target = 99;
	ini.features[0] = BIT(20);
	IOC(v.vcpu, KVM_ARM_VCPU_INIT, &ini);
	out("init.order.bad_target_and_bad_feature", 0);
	delvm(&v);
	/* second INIT */
	static const struct {
		const char *n;
		u64 a, b;
	} r[] = {{"same", F_PSCI, F_PSCI},
		 {"add_pmu", F_PSCI, F_PSCI | F_PMU},
		 {"drop_psci", F_PSCI, 0},
		 {"add_psci", 0, F_PSCI},
		 {"add_sve", F_PSCI, F_PSCI | F_SVE},
		 {"drop_sve", F_PSCI | F_SVE, F_PSCI},
		 {"add_32", F_PSCI, F_PSCI | F_32},
		 {"add_off", F_PSCI, F_PSCI | F_OFF},
		 {"drop_off", F_PSCI | F_OFF, F_PSCI},
		 {"keep_off", F_PSCI | F_OFF, F_PSCI | F_OFF},
		 {"add_badbit", F_PSCI, F_PSCI | BIT(20)},
		 {"badbit_and_changed", F_PSCI, BIT(20)},
		 {"add_pa_only", F_PSCI, F_PSCI | F_PA},
		 {"drop_pg", F_PSCI | F_PTR, F_PSCI | F_PA}};
	for (unsigned i = 0; i < sizeof r / sizeof *r; i++) {
		v = newvm();
		init(v.vcpu, r[i].a);
		out(N("reinit.%s.first", r[i].n), 0);
		init(v.vcpu, r[i].b);
		out(N("reinit.%s.second", r[i].n), 0);
		struct kvm_mp_state m = {99};
		IOC(v.vcpu, KVM_GET_MP_STATE, &m);
		out(N("reinit.%s.mp_state", r[i].n), N("%u", m.mp_state));
		delvm(&v);
	}
	v = ready(F_PSCI);
	memset(&ini, 0, sizeof ini);
	ini.features[0] = F_PSCI;
	for (u32 t = 0; t < 7; t++) {
		ini.target = t;
		IOC(v.vcpu, KVM_ARM_VCPU_INIT, &ini);
		out(N("reinit.target_%u", t), 0);
	}
	get_say("reinit.after_bad_target.get_x0", v.vcpu, X0);
	delvm(&v);
	/* a failed first INIT leaves the vcpu uninitialised; does it leave bits behind? */
	v = newvm();
	init(v.vcpu, F_SVE | BIT(20));
	out("failed_init.sve_badbit", 0);
	get_say("failed_init.then_get", v.vcpu, X0);
	init(v.vcpu, 0);
	out("failed_init.then_plain_init", 0);
	get_say("failed_init.then_get_vls", v.vcpu, VLS);
	{
		struct kvm_reg_list *l = list(v.vcpu);
		outx("failed_init.then_list", l->n);
		free(l);
	}
	delvm(&v);
	v = newvm();
	init(v.vcpu, F_PA);
	out("failed_init.pa_only", 0);
	init(v.vcpu, 0);
	out("failed_init.pa_only.then_plain", 0);
	{
		struct kvm_reg_list *l = list(v.vcpu);
		outx("failed_init.pa_only.then_list", l->n);
		free(l);
	}
	delvm(&v);
	v = newvm();
	init(v.vcpu, F_SVE | F_PA);
	out("failed_init.sve_pa", 0);
	init(v.vcpu, 0);
	out("failed_init.sve_pa.then_plain", 0);
	get_say("failed_init.sve_pa.then_get_vls", v.vcpu, VLS);
	{
		struct kvm_reg_list *l = list(v.vcpu);
		outx("failed_init.sve_pa.then_list", l->n);
		free(l);
	}
	delvm(&v);
	v = newvm();
	init(v.vcpu, F_32 | F_PA);
	out("failed_init.32_pa", 0);
	init(v.vcpu, 0);
	out("failed_init.32_pa.then_plain", 0);
	init(v.vcpu, F_32);
	out("failed_init.32_pa.then_32", 0);
	delvm(&v);
	v = newvm();
	init(v.vcpu, F_PMU | BIT(20));
	out("failed_init.pmu_badbit", 0);
	init(v.vcpu, F_PSCI);
	out("failed_init.pmu_badbit.then_psci", 0);
	{
		struct kvm_reg_list *l = list(v.vcpu);
		outx("failed_init.pmu_badbit.then_list", l->n);
		free(l);
	}
	init(v.vcpu, F_PSCI);
	out("failed_init.pmu_badbit.then_psci_again", 0);
	init(v.vcpu, F_PSCI | F_PMU);
	out("failed_init.pmu_badbit.then_psci_pmu", 0);
	delvm(&v);
	/* the virtual counter offset: is it the VM's? (differences, in coarse steps, so that the line is stable) */
	v = ready(F_PSCI);
	{
		int b = ioctl(v.fd, KVM_CREATE_VCPU, 1);
		init(b, F_PSCI);
		set64(v.vcpu, SYS(3, 3, 14, 3, 2), BIT(50));
		out("cnt.set_virtual_on_first", 0);
		u64 c = get64(b, SYS(3, 3, 14, 3, 2));
		outx("cnt.second_virtual_shr40", c >> 40);
		set64(v.vcpu, SYS(3, 3, 14, 0, 1), BIT(51));
		out("cnt.set_physical_on_first", 0);
		c = get64(b, SYS(3, 3, 14, 0, 1));
		outx("cnt.second_physical_shr40", c >> 40);
		c = get64(v.vcpu, SYS(3, 3, 14, 3, 2));
		outx("cnt.first_virtual_shr40", c >> 40);
		init(v.vcpu, F_PSCI);
		c = get64(v.vcpu, SYS(3, 3, 14, 3, 2));
		outx("cnt.first_virtual_after_reinit_shr40", c >> 40);
		struct kvm_arm_counter_offset co = {.counter_offset = 0};
		IOC(v.fd, KVM_ARM_SET_COUNTER_OFFSET, &co);
		out("cnt.set_vm_offset", 0);
		set64(v.vcpu, SYS(3, 3, 14, 3, 2), BIT(52));
		out("cnt.set_virtual_after_vm_offset", 0);
		c = get64(v.vcpu, SYS(3, 3, 14, 3, 2));
		outx("cnt.virtual_after_vm_offset_shr40", c >> 40);
		set_get_say("timer.ctl_ones", v.vcpu, SYS(3, 3, 14, 3, 1), ~0ull);
		set_get_say("timer.ctl_2", v.vcpu, SYS(3, 3, 14, 3, 1), 2);
		set_get_say("timer.cval_ones", v.vcpu, SYS(3, 3, 14, 0, 2), ~0ull);
		set_get_say("timer.ctl_1_with_far_cval", v.vcpu, SYS(3, 3, 14, 3, 1), 1);
		set_get_say("timer.ctl_5_with_far_cval", v.vcpu, SYS(3, 3, 14, 3, 1), 5);
		close(b);
	}
	delvm(&v);
	/* what a repeated INIT resets */
	v = ready(F_PSCI | F_SVE);
	static const struct {
		const char *n;
		u64 id, val;
	} w[] = {{"x0", X0, 0x1234},
		 {"pc", PC, 0x8000},
		 {"pstate", PSTATE, 0x3c4},
		 {"sp_el1", CORE(68, 3), 0x77},
		 {"elr_el1", CORE(70, 3), 0x78},
		 {"spsr_abt", CORE(74, 3), 0x79},
		 {"fpsr", FPSR, 0x7},
		 {"z0", ZREG(0, 0), 0x55},
		 {"p0", PREG(0, 0), 0x55},
		 {"ffr", FFR(0), 0x55},
		 {"sctlr", SYS(3, 0, 1, 0, 0), 0x1},
		 {"ttbr0", SYS(3, 0, 2, 0, 0), 0x1000},
		 {"mpidr", SYS(3, 0, 0, 0, 5), 0x80000003},
		 {"clidr", SYS(3, 1, 0, 0, 1), 0},
		 {"ccsidr0", CCSIDR(0), 7},
		 {"spsr_el1", CORE(72, 3), 0x7a},
		 {"id_aa64isar0", SYS(3, 0, 0, 6, 0), 0},
		 {"ctr", SYS(3, 3, 0, 0, 1), 0x9444c000},
		 {"zcr", SYS(3, 0, 1, 2, 0), 3},
		 {"psci", FW(0), 0x2},
		 {"bmap0", BMAP(0), 0},
		 {"timer_ctl", SYS(3, 3, 14, 3, 1), 1},
		 {"timer_cval", SYS(3, 3, 14, 0, 2), 0x4242},
		 {"dbgbvr0", SYS(2, 0, 0, 0, 4), 0x4444},
		 {"mdscr", SYS(2, 0, 0, 2, 2), 0x8000},
		 {"oslsr", SYS(2, 0, 1, 1, 4), 0xa},
		 {"csselr", SYS(3, 2, 0, 0, 0), 2},
		 {"cntkctl", SYS(3, 0, 14, 1, 0), 3}};
	for (unsigned i = 0; i < sizeof w / sizeof *w; i++) {
		get_say(N("resets.%s.0_fresh", w[i].n), v.vcpu, w[i].id);
		set_get_say(N("resets.%s.1_set", w[i].n), v.vcpu, w[i].id, w[i].val);
	}
	init(v.vcpu, F_PSCI | F_SVE);
	out("resets.reinit", 0);
	for (unsigned i = 0; i < sizeof w / sizeof *w; i++)
		get_say(N("resets.%s.2_after_reinit", w[i].n), v.vcpu, w[i].id);
	finalize(v.vcpu, 4);
	out("resets.finalize_again", 0);
	delvm(&v);
	/* several vcpus in one VM */
	static const struct {
		const char *n;
		u64 a, b;
	} m[] = {{"same", F_PSCI, F_PSCI},
		 {"pmu_only_second", F_PSCI, F_PSCI | F_PMU},
		 {"sve_only_first", F_PSCI | F_SVE, F_PSCI},
		 {"ptr_only_second", F_PSCI, F_PSCI | F_PTR},
		 {"32_only_second", F_PSCI, F_PSCI | F_32},
		 {"32_only_first", F_PSCI | F_32, F_PSCI},
		 {"psci_only_first", F_PSCI, 0},
		 {"off_only_second", F_PSCI, F_PSCI | F_OFF}};
	for (unsigned i = 0; i < sizeof m / sizeof *m; i++) {
		v = newvm();
		int b = ioctl(v.fd, KVM_CREATE_VCPU, 1);
		init(v.vcpu, m[i].a);
		out(N("twovcpu.%s.first", m[i].n), 0);
		init(b, m[i].b);
		out(N("twovcpu.%s.second", m[i].n), 0);
		close(b);
		delvm(&v);
	}
	v = newvm();
	int b = ioctl(v.fd, KVM_CREATE_VCPU, 1);
	init(v.vcpu, F_PSCI | F_SVE);
	init(b, F_PSCI | F_SVE);
	finalize(v.vcpu, 4);
	out("twovcpu.finalize_first", 0);
	get_say("twovcpu.z0_of_second_unfinalized", b, ZREG(0, 0));
	{
		u64 x[8] = {1};
		set(b, VLS, x);
		out("twovcpu.vls_of_second", 0);
	}
	get_say("twovcpu.vls_of_first", v.vcpu, VLS);
	get_say("twovcpu.vls_of_second.get", b, VLS);
	finalize(b, 4);
	out("twovcpu.finalize_second", 0);
	static const struct {
		const char *n;
		u64 id, val;
	} vmw[] = {{"psci", FW(0), 2},
		   {"bmap0", BMAP(0), 0},
		   {"id_aa64isar0", SYS(3, 0, 0, 6, 0), 0},
		   {"ctr", SYS(3, 3, 0, 0, 1), 0x9444c000},
		   {"clidr", SYS(3, 1, 0, 0, 1), 0},
		   {"mpidr", SYS(3, 0, 0, 0, 5), 0x80000009},
		   {"ccsidr0", CCSIDR(0), 7},
		   {"x0", X0, 9}};
	for (unsigned i = 0; i < sizeof vmw / sizeof *vmw; i++) {
		get_say(N("vmwide.%s.second_before", vmw[i].n), b, vmw[i].id);
		set_get_say(N("vmwide.%s.set_first", vmw[i].n), v.vcpu, vmw[i].id, vmw[i].val);
		get_say(N("vmwide.%s.second_after", vmw[i].n), b, vmw[i].id);
	}
	close(b);
	delvm(&v);
}
