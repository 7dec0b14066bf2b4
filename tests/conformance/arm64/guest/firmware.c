/*
 * HVC and SMC: PSCI in each of its versions, with a second vCPU; SMCCC's architecture calls, stolen time, random numbers, KVM's own; the filter and
 * the service bitmaps.
 */
#include "guest.h"

#define HVC I(0xd4000002, "hvc #0")
#define SMC I(0xd4000003, "smc #0")

static void call(const char *name, u64 function, u64 x1, u64 x2, u64 x3)
{
	with(X(0), function);
	with(X(1), x1);
	with(X(2), x2);
	with(X(3), x3);
	one(name, HVC);
}

/* With what the second vCPU is afterwards. */
static void call_second(const char *name, u64 function, u64 x1, u64 x2, u64 x3)
{
	struct kvm_mp_state state = { 0 };

	g.run_only = 1;
	call(name, function, x1, x2, x3);
	g.run_only = 0;
	IOC(g.second, KVM_GET_MP_STATE, &state);
	out(N("%s.second_mp_state", name), N("%u", state.mp_state));
	out(N("%s.second_pc", name), N("0x%llx", (unsigned long long)get64(g.second, PC)));
	out(N("%s.second_x0", name), N("0x%llx", (unsigned long long)get64(g.second, X0)));
	out(N("%s.second_pstate", name), N("0x%llx", (unsigned long long)get64(g.second, PSTATE)));
	IOC(g.vm.vcpu, KVM_GET_MP_STATE, &state);
	out(N("%s.first_mp_state", name), N("%u", state.mp_state));
	state.mp_state = KVM_MP_STATE_RUNNABLE;
	IOC(g.vm.vcpu, KVM_SET_MP_STATE, &state);
}

static void psci(const char *version, u64 features, u64 value)
{
	static const u32 functions[] = { 0x84000000, 0x84000001, 0xc4000001, 0x84000002, 0x84000003, 0xc4000003, 0x84000004, 0xc4000004, 0x84000005, 0xc4000005, 0x84000006,
					 0x84000007, 0xc4000007, 0x84000008, 0x84000009, 0x8400000a, 0x8400000e, 0xc400000e, 0x84000012, 0xc4000012, 0x80000000, 0x84000013 };

	guest_open(features, 2);
	init(g.vm.vcpu, features);
	if (value)
		set64(g.vm.vcpu, FW(0), value);
	for (unsigned i = 0; i < sizeof functions / sizeof *functions; i++)
		call(N("psci.%s.features_%x", version, functions[i]), 0x8400000a, functions[i], 0, 0);
	call(N("psci.%s.version", version), 0x84000000, 0, 0, 0);
	call(N("psci.%s.migrate_info_type", version), 0x84000006, 0, 0, 0);
	call(N("psci.%s.migrate", version), 0x84000005, 0, 0, 0);
	call(N("psci.%s.migrate_info_up_cpu", version), 0x84000007, 0, 0, 0);
	call(N("psci.%s.affinity_own", version), 0xc4000004, 0, 0, 0);
	call(N("psci.%s.affinity_other", version), 0xc4000004, 1, 0, 0);
	call(N("psci.%s.affinity_32", version), 0x84000004, 1, 0, 0);
	call(N("psci.%s.affinity_none", version), 0xc4000004, 2, 0, 0);
	call(N("psci.%s.affinity_level1", version), 0xc4000004, 1, 1, 0);
	call(N("psci.%s.affinity_level3", version), 0xc4000004, 1, 3, 0);
	call(N("psci.%s.affinity_level4", version), 0xc4000004, 1, 4, 0);
	call(N("psci.%s.affinity_reserved", version), 0xc4000004, 1ull << 40, 0, 0);
	call(N("psci.%s.affinity_reserved_32", version), 0x84000004, 1ull << 40 | 1, 0, 0);
	call_second(N("psci.%s.cpu_on", version), 0xc4000003, 1, RAM + 0x3000, 0x1122334455667788);
	call_second(N("psci.%s.cpu_on_32", version), 0x84000003, 1, RAM + 0x3000, 0x1122334455667788);
	call_second(N("psci.%s.cpu_on_odd", version), 0xc4000003, 1, RAM + 0x3001, 5);
	call_second(N("psci.%s.cpu_on_itself", version), 0xc4000003, 0, RAM + 0x3000, 0);
	call_second(N("psci.%s.cpu_on_none", version), 0xc4000003, 7, RAM + 0x3000, 0);
	call_second(N("psci.%s.cpu_on_reserved", version), 0xc4000003, 1ull << 63 | 1, RAM + 0x3000, 0);
	call_second(N("psci.%s.cpu_on_reserved_32", version), 0x84000003, 1ull << 63 | 1, RAM + 0x3000, 0);
	g.most = 1;
	call_second(N("psci.%s.system_off", version), 0x84000008, 0, 0, 0);
	call_second(N("psci.%s.system_reset", version), 0x84000009, 0, 0, 0);
	call_second(N("psci.%s.system_reset2", version), 0xc4000012, 0, 0, 0);
	call_second(N("psci.%s.system_reset2_32", version), 0x84000012, 0, 0, 0);
	call_second(N("psci.%s.system_reset2_vendor", version), 0xc4000012, 0x80000001, 3, 0);
	call_second(N("psci.%s.system_reset2_bad", version), 0xc4000012, 5, 0, 0);
	call_second(N("psci.%s.system_reset2_wide", version), 0x84000012, 1ull << 32, 0, 0);
	call_second(N("psci.%s.system_suspend", version), 0xc400000e, RAM + 0x3000, 7, 0);
	call_second(N("psci.%s.kvm_cpu_on", version), 0x95c1ba60, 1, RAM + 0x3000, 7);
	call_second(N("psci.%s.kvm_cpu_on2", version), 0x95c1ba61 + 1, 1, RAM + 0x3000, 7);
	call(N("psci.%s.unknown", version), 0x84000013, 0, 0, 0);
	guest_close();
}

/* KVM_EXIT_SYSTEM_EVENT of a suspended machine, and states that wait. */
static void suspend(void)
{
	struct kvm_mp_state state = { KVM_MP_STATE_SUSPENDED };

	guest_open(F_PSCI, 2);
	IOC(g.vm.fd, KVM_ENABLE_CAP, &(struct kvm_enable_cap){ .cap = KVM_CAP_ARM_SYSTEM_SUSPEND });
	call("suspend.features", 0x8400000a, 0xc400000e, 0, 0);
	g.most = 1;
	call_second("suspend.call", 0xc400000e, RAM + 0x3000, 7, 0);
	call_second("suspend.call_32", 0x8400000e, RAM + 0x3000, 7, 0);
	g.irq = 1;
	with(X(0), 0xc4000001);
	one("suspend.cpu_suspend_irq", HVC);
	IOC(g.vm.vcpu, KVM_SET_MP_STATE, &state);
	out("suspend.set_suspended", NULL);
	IOC(g.vm.vcpu, KVM_GET_MP_STATE, &state);
	out("suspend.get_suspended", N("%u", state.mp_state));
	for (unsigned i = 0; i < 11; i++) {
		state.mp_state = i;
		IOC(g.vm.vcpu, KVM_SET_MP_STATE, &state);
		out(N("suspend.set_mp_state_%u", i), NULL);
	}
	guest_close();
}

static void services(const char *name)
{
	static const struct {
		const char *name;
		u32 function;
		u64 x1, x2;
	} calls[] = {
		{ "smccc_version", 0x80000000 }, { "arch_features_version", 0x80000001, 0x80000000 }, { "arch_features_features", 0x80000001, 0x80000001 },
		{ "arch_features_workaround_1", 0x80000001, 0x80008000 }, { "arch_features_workaround_2", 0x80000001, 0x80007fff },
		{ "arch_features_workaround_3", 0x80000001, 0x80003fff }, { "arch_features_soc_id", 0x80000001, 0x80000002 },
		{ "arch_features_pv_time", 0x80000001, 0xc5000020 }, { "arch_features_unknown", 0x80000001, 0x12345 }, { "workaround_1", 0x80008000 },
		{ "workaround_2", 0x80007fff }, { "pv_time_features", 0xc5000020, 0xc5000020 }, { "pv_time_features_st", 0xc5000020, 0xc5000021 },
		{ "pv_time_features_other", 0xc5000020, 0xc5000022 }, { "pv_time_st", 0xc5000021 }, { "trng_version", 0x84000050 },
		{ "trng_features_version", 0x84000051, 0x84000050 }, { "trng_features_rnd32", 0x84000051, 0x84000053 }, { "trng_features_rnd64", 0x84000051, 0xc4000053 },
		{ "trng_features_other", 0x84000051, 0x84000054 }, { "trng_uuid", 0x84000052 }, { "trng_rnd64_0", 0xc4000053, 0 }, { "trng_rnd64_193", 0xc4000053, 193 },
		{ "trng_rnd32_97", 0x84000053, 97 }, { "trng_rnd32_0", 0x84000053, 0 }, { "vendor_uid", 0x8600ff01 }, { "vendor_features", 0x86000000 },
		{ "vendor_unknown", 0x86000005 }, { "ptp_bad", 0x86000001, 7 }, { "unknown_fast", 0x82000000 }, { "unknown_yielding", 0x02000000 }, { "zero", 0 },
		{ "std_unknown", 0x84000060 }, { "high_bits", 0x80000000 },
	};

	for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
		with(X(0), calls[i].function | (i == sizeof calls / sizeof *calls - 1 ? 0xdeadull << 32 : 0));
		with(X(1), calls[i].x1);
		with(X(2), calls[i].x2);
		one(N("smccc.%s.%s", name, calls[i].name), HVC);
	}
	with(X(0), 0x80000000);
	one(N("smccc.%s.by_smc", name), SMC);
	with(X(0), 0x80000000);
	one(N("smccc.%s.hvc_1", name), I(0xd4000022, "hvc #1"));
	with(X(0), 0x80000000);
	one(N("smccc.%s.smc_1", name), I(0xd4000023, "smc #1"));
	with(X(0), 0x80000000);
	with(PSTATE, EL0T);
	one(N("smccc.%s.hvc_el0", name), HVC);
	with(X(0), 0x80000000);
	with(PSTATE, EL0T);
	one(N("smccc.%s.smc_el0", name), SMC);
}

static void filter(u32 base_, u32 count_, u32 action, const char *name)
{
	struct kvm_smccc_filter range = { .base = base_, .nr_functions = count_, .action = (unsigned char)action };
	struct kvm_device_attr attribute = { .group = KVM_ARM_VM_SMCCC_CTRL, .attr = KVM_ARM_VM_SMCCC_FILTER, .addr = (uintptr_t)&range };

	IOC(g.vm.fd, KVM_SET_DEVICE_ATTR, &attribute);
	out(name, NULL);
}

void sec_firmware(void)
{
	printf("# F. firmware\n");
	psci("0.1", 0, 0);
	psci("0.2", F_PSCI, 2);
	psci("1.0", F_PSCI, 0x10000);
	psci("1.1", F_PSCI, 0x10001);
	suspend();
	guest_open(F_PSCI, 1);
	services("all");
	guest_close();
	guest_open(F_PSCI, 1);
	init(g.vm.vcpu, F_PSCI);
	for (unsigned i = 0; i < 3; i++)
		set64(g.vm.vcpu, BMAP(i), 0);
	services("none");
	guest_close();
	guest_open(F_PSCI, 1);
	filter(0x84000050, 4, KVM_SMCCC_FILTER_DENY, "filter.deny_trng");
	filter(0xc4000050, 4, KVM_SMCCC_FILTER_FWD_TO_USER, "filter.forward_trng64");
	filter(0x82000000, 1, KVM_SMCCC_FILTER_FWD_TO_USER, "filter.forward");
	filter(0x82000001, 1, KVM_SMCCC_FILTER_HANDLE, "filter.handle");
	filter(0x84000008, 1, KVM_SMCCC_FILTER_FWD_TO_USER, "filter.forward_off");
	filter(0x95c1ba5e, 4, KVM_SMCCC_FILTER_FWD_TO_USER, "filter.forward_kvm");
	filter(0, 16, KVM_SMCCC_FILTER_FWD_TO_USER, "filter.forward_0");
	services("filtered");
	call("filter.handled", 0x82000001, 0, 0, 0);
	call("filter.system_off", 0x84000008, 0, 0, 0);
	with(X(0), 0x82000000);
	one("filter.forwarded_smc", SMC);
	with(X(0), 0x82000000);
	one("filter.forwarded_smc_1", I(0xd4000023, "smc #1"));
	with(X(0), 0x82000000);
	one("filter.forwarded_hvc_1", I(0xd4000022, "hvc #1"));
	guest_close();
}
