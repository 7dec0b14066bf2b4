/* MSRs as user space reads and writes them. */
#include "probe.h"

struct msr_row {
	const char *name;
	u32 index;
	u64 value;
};

static void msrs_try(struct vcpu *c, const struct msr_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		msr_try(c, rows[i].name, rows[i].index, rows[i].value);
}

static void msrs_counts(struct vcpu *c)
{
	struct {
		struct kvm_msrs m;

		struct kvm_msr_entry e[300];
	} *a = calloc(1, sizeof *a);
	a->m.nmsrs = 0;
	answer(CALL(c->fd, KVM_GET_MSRS, a), "GET_MSRS.0");
	a->m.nmsrs = 256;
	answer(CALL(c->fd, KVM_GET_MSRS, a), "GET_MSRS.256(idx0)");
	a->m.nmsrs = 257;
	answer(CALL(c->fd, KVM_GET_MSRS, a), "GET_MSRS.257");
	a->m.nmsrs = 255;
	for (int i = 0; i < 255; i++)
		a->e[i].index = 0xc0000080;
	answer(CALL(c->fd, KVM_GET_MSRS, a), "GET_MSRS.255xEFER");
	a->m.nmsrs = 3;
	a->e[1].index = 0x12345678;
	answer(CALL(c->fd, KVM_GET_MSRS, a), "GET_MSRS.[ok,bad,ok]");
	a->e[0].data = 0xd01;
	answer(CALL(c->fd, KVM_SET_MSRS, a), "SET_MSRS.[ok,bad,ok]");
	answer(CALL(c->fd, KVM_GET_MSRS, 8L), "GET_MSRS.EFAULT");
	free(a);
}

/* Every MSR that KVM lists can be read, and takes back what was read. */
static void msrs_listed(struct vcpu *c)
{
	struct kvm_msr_list *l = msr_list();
	int bad = 0;

	for (u32 i = 0; i < l->nmsrs; i++) {
		u64 val;

		if (msr_get(c, l->indices[i], &val) != 1) {
			say("unreadable listed msr %#x", l->indices[i]);
			continue;
		}
		if (msr_is_volatile(l->indices[i]))
			continue;
		if (msr_set(c, l->indices[i], val) != 1) {
			say("listed msr %#x: writing back %#lx fails", l->indices[i], val);
			bad++;
		}
	}
	say("bad: %d", bad);
	free(l);
}

static void msrs_processor(struct vcpu *c)
{
	static const struct msr_row rows[] = {
	    {"EFER_0", 0xc0000080, 0},
	    {"EFER_LMA_flip", 0xc0000080, 0x100},
	    {"EFER_SCE", 0xc0000080, 0x501},
	    {"EFER_rsvd", 0xc0000080, 0x502},
	    {"EFER_SVME", 0xc0000080, 0x1500},
	    {"EFER_NX", 0xc0000080, 0xd00},
	    {"STAR", 0xc0000081, ~0ULL},
	    {"LSTAR_noncanon", 0xc0000082, 1ULL << 60},
	    {"LSTAR", 0xc0000082, 0xffff800000001234ULL},
	    {"CSTAR_noncanon", 0xc0000083, 1ULL << 60},
	    {"SFMASK_64", 0xc0000084, ~0ULL},
	    {"FSBASE_noncanon", 0xc0000100, 1ULL << 60},
	    {"KGSBASE_noncanon", 0xc0000102, 1ULL << 60},
	    {"TSC_AUX_64", 0xc0000103, ~0ULL},
	    {"SYSENTER_CS_64", 0x174, ~0ULL},
	    {"SYSENTER_ESP_noncanon", 0x175, 1ULL << 60},
	    {"SYSENTER_EIP", 0x176, ~0ULL},
	    {"PAT_ok", 0x277, 0x0007040600070406ULL},
	    {"PAT_bad2", 0x277, 2},
	    {"PAT_bad8", 0x277, 8},
	    {"PAT_allones", 0x277, ~0ULL},
	    {"APICBASE_x2", 0x1b, 0xfee00d00},
	    {"APICBASE_back_xapic", 0x1b, 0xfee00900},
	    {"APICBASE_off", 0x1b, 0xfee00100},
	    {"APICBASE_on", 0x1b, 0xfee00900},
	    {"APICBASE_rsvd", 0x1b, 0xfee00901},
	    {"TSC_DEADLINE", 0x6e0, 12345},
	    {"TSC_ADJUST", 0x3b, 5},
	    {"TSC_ADJUST0", 0x3b, 0},
	    {"MISC_ENABLE", 0x1a0, 1},
	    {"MISC_ENABLE_all", 0x1a0, ~0ULL},
	    {"MTRR_CAP", 0xfe, 0},
	    {"MTRR_DEF_bad", 0x2ff, 0xffff},
	    {"MTRR_DEF", 0x2ff, 0xc06},
	    {"MTRR_FIX_bad", 0x250, 2},
	    {"MTRR_FIX", 0x250, 0x0606060606060606ULL},
	    {"MTRR_PHYSBASE_bad", 0x200, 2},
	    {"MTRR_PHYSMASK", 0x201, 0x800},
	    {"MTRR_PHYSMASK_hi", 0x201, ~0ULL},
	    {"DEBUGCTL", 0x1d9, 1},
	    {"DEBUGCTL_bad", 0x1d9, ~0ULL},
	    {"MCG_STATUS", 0x17a, 1},
	    {"MCG_CTL", 0x17b, 1},
	    {"MC0_CTL", 0x400, ~0ULL},
	    {"MC0_CTL_1", 0x400, 1},
	    {"MC0_STATUS", 0x401, 0},
	    {"MC0_STATUS_nz", 0x401, 1},
	    {"SMBASE", 0x9e, 0x30000},
	    {"SMI_COUNT", 0x34, 1},
	    {"ARCH_CAP", 0x10a, 0},
	    {"SPEC_CTRL", 0x48, 1},
	    {"SPEC_CTRL_bad", 0x48, ~0ULL},
	    {"PRED_CMD", 0x49, 1},
	    {"PERF_CAP", 0x345, 0},
	    {"HWCR", 0xc0010015, 0x1000000},
	    {"HWCR_bad", 0xc0010015, 1},
	    {"UCODE_REV", 0x8b, 0x123456789},
	    {"XSS", 0xda0, 0},
	    {"XSS_1", 0xda0, 1},
	    {"PLATFORM_INFO", 0xce, 0x80000000},
	    {"PLATFORM_INFO_bad", 0xce, ~0ULL},
	    {"x2apic_id_in_xapic", 0x802, 0},
	    {"unknown_0", 0, 0},
	    {"unknown_0x12345678", 0x12345678, 0},
	};

	msrs_try(c, rows, sizeof rows / sizeof *rows);
}

static void msrs_paravirtual(struct vcpu *c)
{
	static const struct msr_row rows[] = {
	    {"KVM_WALL_CLOCK", 0x11, 0x30000},
	    {"KVM_SYSTEM_TIME", 0x12, 0x31001},
	    {"KVM_WALL_CLOCK_NEW", 0x4b564d00, 0x30000},
	    {"KVM_SYSTEM_TIME_NEW", 0x4b564d01, 0x31001},
	    {"KVM_SYSTEM_TIME_NEW_badaddr", 0x4b564d01, 0x7f000001},
	    {"ASYNC_PF_EN", 0x4b564d02, 0x32000},
	    {"ASYNC_PF_EN_rsvd", 0x4b564d02, 0x32000 | 0x30},
	    {"STEAL_TIME", 0x4b564d03, 0x33001},
	    {"STEAL_TIME_unaligned", 0x4b564d03, 0x33021},
	    {"STEAL_TIME_rsvd", 0x4b564d03, 0x33003},
	    {"PV_EOI", 0x4b564d04, 0x34001},
	    {"PV_EOI_unaligned", 0x4b564d04, 0x34003},
	    {"POLL_CONTROL", 0x4b564d05, 0},
	    {"POLL_CONTROL_bad", 0x4b564d05, 2},
	    {"ASYNC_PF_INT", 0x4b564d06, 0x40},
	    {"ASYNC_PF_ACK", 0x4b564d07, 1},
	    {"MIGRATION", 0x4b564d08, 1},
	};
	static const struct msr_row hyperv[] = {
	    {"HV_GUEST_OS_ID", 0x40000000, 1},
	    {"HV_VP_INDEX", 0x40000002, 0},
	};

	msrs_try(c, rows, sizeof rows / sizeof *rows);
	answer(CALL(c->fd, KVM_KVMCLOCK_CTRL, 0), "KVMCLOCK_CTRL.before_run");
	msr_set(c, 0x4b564d01, 0x31001);
	answer(CALL(c->fd, KVM_KVMCLOCK_CTRL, 0), "KVMCLOCK_CTRL.with_clock");
	msrs_try(c, hyperv, sizeof hyperv / sizeof *hyperv);
}

/* What one run leaves in the areas that the paravirtual MSRs above point at. */
static void msrs_areas(struct vm *v, struct vcpu *c)
{
	u32 *t = (void *)(v->mem + 0x31000);

	answer_run(vcpu_run(c), c, "run");
	say("pvclock: version=%u tsc_ts_nz=%d systime_nz=%d mul_nz=%d flags=%#x", t[0], *(u64 *)(t + 2) != 0,
	    *(u64 *)(t + 4) != 0, t[6] != 0, ((u8 *)t)[29]);
	u32 *s = (void *)(v->mem + 0x33000);
	say("steal: steal_nz=%d version=%u flags=%u preempted=%u", *(u64 *)s != 0, s[2], s[3], ((u8 *)s)[16]);
	u32 *w = (void *)(v->mem + 0x30000);
	say("wall: version=%u sec_nz=%d", w[0], w[1] != 0);
}

void probe_msrs(void)
{
	struct vm *v;
	struct vcpu *c = guest_create(&v, 1);

	say("## MSRS");
	msrs_counts(c);
	msrs_listed(c);
	msrs_processor(c);
	msrs_paravirtual(c);
	msrs_areas(v, c);
	vm_free(v, c);
}
