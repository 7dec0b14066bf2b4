/* A Xen vCPU's settings: where it is told things, its timer, its runstate. */
#include "probe_xen.h"

static void probe_vcpu_attributes(void)
{
	say("## vCPU attrs");
	vcpu_set(c0, "type10", (struct kvm_xen_vcpu_attr){.type = 10});
	vcpu_set(c0, "type0xffff", (struct kvm_xen_vcpu_attr){.type = 0xffff});
	vcpu_get(c0, 10, "type10");
	answer(CALL(c0->fd, KVM_XEN_VCPU_SET_ATTR, (void *)8), "vcpu.set.EFAULT");
	answer(CALL(c0->fd, KVM_XEN_VCPU_GET_ATTR, (void *)8), "vcpu.get.EFAULT");
	struct {
		const char *n;
		u64 g;
	} ga[] = {{"invalid", ~0ULL},
		  {"unaligned1", VCPU_INFO + 1},
		  {"unaligned2", VCPU_INFO + 2},
		  {"aligned4", VCPU_INFO + 4},
		  {"cross_page", VCPU_INFO + 0x1000 - 32},
		  {"fits_end", VCPU_INFO + 0x1000 - 64},
		  {"notinslot", 0x10000000},
		  {"roslot", 0x800000},
		  {"ok", VCPU_INFO}};
	for (int t = 0; t <= 2; t++)
		for (int i = 0; i < 9; i++) {
			static const char *tn[] = {"VCPU_INFO", "VCPU_TIME_INFO", "RUNSTATE_ADDR"};
			sprintf(nm, "%s.%s", tn[t], ga[i].n);
			u64 g = ga[i].g;
			if (g >= VCPU_INFO && g < VCPU_INFO + 0x1000)
				g += t == 1 ? TIME_INFO - VCPU_INFO : t == 2 ? RUNSTATE - VCPU_INFO : 0;
			vcpu_set(c0, nm, (struct kvm_xen_vcpu_attr){.type = t, .u.gpa = g});
			vcpu_get(c0, t, nm);
			say("vcpu.get.%s.val: %#llx", nm, vcpu_got.u.gpa);
			if (t == 0) {
				vcpu_get(c0, 9, "..HVA");
				say("vcpu.get.%s.hva: %s", nm, vcpu_got.u.gpa ? "nonzero" : "0");
			}
		}
	struct {
		const char *n;
		u64 a;
	} vh[] = {{"0", 0},
		  {"unaligned", (u64)v->mem + VCPU_INFO + 2},
		  {"crosspage", (u64)v->mem + VCPU_INFO + 0x1000 - 32},
		  {"unmapped", 0x1000},
		  {"ok", (u64)v->mem + VCPU_INFO}};
	for (int i = 0; i < 5; i++) {
		sprintf(nm, "VCPU_INFO_HVA.%s", vh[i].n);
		vcpu_set(c0, nm, (struct kvm_xen_vcpu_attr){.type = 9, .u.gpa = vh[i].a});
		vcpu_get(c0, 9, nm);
		say("vcpu.get.%s.hva: %s", nm, !vcpu_got.u.gpa ? "0" : vcpu_got.u.gpa == vh[i].a ? "same" : "other");
		vcpu_get(c0, 0, "..GPA");
		say("vcpu.get.%s.gpa: %#llx", nm, vcpu_got.u.gpa);
	}
	vcpu_set(c0, "VCPU_INFO.back", (struct kvm_xen_vcpu_attr){.type = 0, .u.gpa = VCPU_INFO});
}

static void probe_vcpu_settings(void)
{
	say("## vCPU VCPU_ID / UPCALL_VECTOR / TIMER");
	vcpu_get(c0, 6, "VCPU_ID.default0");
	say("val: %u", vcpu_got.u.vcpu_id);
	vcpu_get(c1, 6, "VCPU_ID.default1(kvm id 5)");
	say("val: %u", vcpu_got.u.vcpu_id);
	u32 ids[] = {0, 7, 1023, 1024, 4095, 4096, 0xffffffff};
	for (int i = 0; i < 7; i++) {
		sprintf(nm, "VCPU_ID_%u", ids[i]);
		vcpu_set(c1, nm, (struct kvm_xen_vcpu_attr){.type = 6, .u.vcpu_id = ids[i]});
		vcpu_get(c1, 6, nm);
		say("val: %u", vcpu_got.u.vcpu_id);
	}
	for (int i = 0; i < 10; i++) {
		sprintf(nm, "UPCALL_VECTOR_%#x", vecs[i]);
		vcpu_set(c0, nm, (struct kvm_xen_vcpu_attr){.type = 8, .u.vector = vecs[i]});
		vcpu_get(c0, 8, nm);
		say("val: %#x", vcpu_got.u.vector);
	}
	vcpu_get(c0, 7, "TIMER.default");
	say("val: port=%u prio=%#x exp=%llu", vcpu_got.u.timer.port, vcpu_got.u.timer.priority, vcpu_got.u.timer.expires_ns);
	vcpu_set(c0, "TIMER.prio0", (struct kvm_xen_vcpu_attr){.type = 7, .u.timer = {13, 0, 0}});
	vcpu_set(c0, "TIMER.port0.prio0", (struct kvm_xen_vcpu_attr){.type = 7, .u.timer = {0, 0, 0}});
	vcpu_set(c0, "TIMER.13.exp0", (struct kvm_xen_vcpu_attr){.type = 7, .u.timer = {13, 0xffffffff, 0}});
	vcpu_get(c0, 7, "TIMER.13.exp0");
	say("val: port=%u prio=%#x exp=%llu", vcpu_got.u.timer.port, vcpu_got.u.timer.priority, vcpu_got.u.timer.expires_ns);
	vcpu_set(c0, "TIMER.port9999", (struct kvm_xen_vcpu_attr){.type = 7, .u.timer = {9999, 0xffffffff, 0}});
	vcpu_get(c0, 7, "TIMER.port9999");
	say("val: port=%u", vcpu_got.u.timer.port);
	u64 fut = guest_clock(v) + 10000000000ULL;
	vcpu_set(c0, "TIMER.13.future", (struct kvm_xen_vcpu_attr){.type = 7, .u.timer = {13, 0xffffffff, fut}});
	vcpu_get(c0, 7, "TIMER.13.future");
	say("val: port=%u prio=%#x exp_same=%d", vcpu_got.u.timer.port, vcpu_got.u.timer.priority,
	    vcpu_got.u.timer.expires_ns == fut);
	say_ports(v, "shi.after_future", 1, 1, 13);
	vcpu_set(c0, "TIMER.13.past", (struct kvm_xen_vcpu_attr){.type = 7, .u.timer = {13, 0xffffffff, 1}});
	vcpu_get(c0, 7, "TIMER.13.past");
	say("val: port=%u prio=%#x exp=%llu", vcpu_got.u.timer.port, vcpu_got.u.timer.priority, vcpu_got.u.timer.expires_ns);
	say_ports(v, "shi.after_past", 1, 1, 13);
	say_info(v, "vci.after_past");
	memset(v->mem + SHARED_INFO + 0x800, 0, 1024);
	memset(v->mem + VCPU_INFO, 0, 64);
	fut = guest_clock(v) + 300000000ULL;
	vcpu_set(c0, "TIMER.13.300ms", (struct kvm_xen_vcpu_attr){.type = 7, .u.timer = {13, 0xffffffff, fut}});
	usleep(600000);
	say_ports(v, "shi.after_300ms_timer_nogueststate", 1, 1, 13);
	vcpu_get(c0, 7, "TIMER.13.after_expiry");
	say("val: port=%u exp=%llu", vcpu_got.u.timer.port, vcpu_got.u.timer.expires_ns);
	say_info(v, "vci.after_300ms");
	vcpu_set(c0, "TIMER.disable", (struct kvm_xen_vcpu_attr){.type = 7, .u.timer = {0, 0, 0}});
	vcpu_get(c0, 7, "TIMER.disable");
	say("val: port=%u prio=%#x exp=%llu", vcpu_got.u.timer.port, vcpu_got.u.timer.priority, vcpu_got.u.timer.expires_ns);
}

static void probe_runstate(void)
{
	say("## RUNSTATE");
	vcpu_get(c0, 2, "RUNSTATE_ADDR(current)");
	say("val: %#llx", vcpu_got.u.gpa);
	vcpu_set(c0, "RUNSTATE_ADDR.invalid", (struct kvm_xen_vcpu_attr){.type = 2, .u.gpa = ~0ULL});
	vcpu_get(c0, 2, "RUNSTATE_ADDR.after_invalid(ENOENT?)");
	vcpu_set(c0, "RUNSTATE_ADDR.ok", (struct kvm_xen_vcpu_attr){.type = 2, .u.gpa = RUNSTATE});
	vcpu_get(c0, 3, "RUNSTATE_CURRENT");
	say("val: state=%llu", vcpu_got.u.runstate.state);
	vcpu_get(c0, 4, "RUNSTATE_DATA");
	say("val: state=%llu entry_nz=%d run_nz=%d runnable_nz=%d blocked_nz=%d offline_nz=%d", vcpu_got.u.runstate.state,
	    vcpu_got.u.runstate.state_entry_time != 0, vcpu_got.u.runstate.time_running != 0,
	    vcpu_got.u.runstate.time_runnable != 0, vcpu_got.u.runstate.time_blocked != 0, vcpu_got.u.runstate.time_offline != 0);
	vcpu_get(c0, 5, "RUNSTATE_ADJUST");
	for (int s = 0; s <= 5; s++) {
		sprintf(nm, "RUNSTATE_CURRENT_%d", s);
		vcpu_set(c0, nm, (struct kvm_xen_vcpu_attr){.type = 3, .u.runstate.state = s});
		vcpu_get(c0, 3, nm);
		say("val: state=%llu mem.state=%u", vcpu_got.u.runstate.state, *(u32 *)(v->mem + RUNSTATE));
	}
	vcpu_set(c0, "RUNSTATE_CURRENT_-1", (struct kvm_xen_vcpu_attr){.type = 3, .u.runstate.state = ~0ULL});
	vcpu_set(c0, "RUNSTATE_DATA.sum_mismatch", (struct kvm_xen_vcpu_attr){.type = 4, .u.runstate = {0, 100, 50, 49, 0, 0}});
	vcpu_set(c0, "RUNSTATE_DATA.badstate4", (struct kvm_xen_vcpu_attr){.type = 4, .u.runstate = {4, 100, 50, 50, 0, 0}});
	vcpu_set(c0, "RUNSTATE_DATA.state-1", (struct kvm_xen_vcpu_attr){.type = 4, .u.runstate = {~0ULL, 100, 50, 50, 0, 0}});
	u64 far = guest_clock(v) + 100000000000ULL;
	vcpu_set(c0, "RUNSTATE_DATA.future_entry", (struct kvm_xen_vcpu_attr){.type = 4, .u.runstate = {1, far, far, 0, 0, 0}});
	vcpu_set(c0, "RUNSTATE_DATA.ok", (struct kvm_xen_vcpu_attr){.type = 4, .u.runstate = {2, 1000, 100, 200, 300, 400}});
	vcpu_get(c0, 4, "RUNSTATE_DATA.ok");
	say("val: %llu %llu %llu %llu %llu %llu", vcpu_got.u.runstate.state, vcpu_got.u.runstate.state_entry_time,
	    vcpu_got.u.runstate.time_running, vcpu_got.u.runstate.time_runnable, vcpu_got.u.runstate.time_blocked,
	    vcpu_got.u.runstate.time_offline);
	vcpu_set(c0, "RUNSTATE_ADJUST.badstate4", (struct kvm_xen_vcpu_attr){.type = 5, .u.runstate = {4, 10, 10, 0, 0, 0}});
	vcpu_set(c0, "RUNSTATE_ADJUST.sum_mismatch",
		 (struct kvm_xen_vcpu_attr){.type = 5, .u.runstate = {~0ULL, 10, 1, 0, 0, 0}});
	vcpu_set(c0, "RUNSTATE_ADJUST.future", (struct kvm_xen_vcpu_attr){.type = 5, .u.runstate = {~0ULL, far, far, 0, 0, 0}});
	vcpu_set(c0, "RUNSTATE_ADJUST.ok-1", (struct kvm_xen_vcpu_attr){.type = 5, .u.runstate = {~0ULL, 10, 1, 2, 3, 4}});
	vcpu_get(c0, 4, "RUNSTATE_DATA.after_adjust");
	say("val: %llu %llu %llu %llu %llu %llu", vcpu_got.u.runstate.state, vcpu_got.u.runstate.state_entry_time,
	    vcpu_got.u.runstate.time_running, vcpu_got.u.runstate.time_runnable, vcpu_got.u.runstate.time_blocked,
	    vcpu_got.u.runstate.time_offline);
	{
		u8 *m = v->mem + RUNSTATE;
		say("runstate.mem.lm1: state=%u entry=%lu times=%lu,%lu,%lu,%lu", *(u32 *)m, *(u64 *)(m + 8), *(u64 *)(m + 16),
		    *(u64 *)(m + 24), *(u64 *)(m + 32), *(u64 *)(m + 40));
	}
	vcpu_set(c0, "RUNSTATE_ADJUST.neg",
		 (struct kvm_xen_vcpu_attr){.type = 5, .u.runstate = {~0ULL, (u64)-10, (u64)-1, (u64)-2, (u64)-3, (u64)-4}});
	vcpu_get(c0, 4, "RUNSTATE_DATA.after_neg_adjust");
	say("val: %llu %llu %llu %llu %llu %llu", vcpu_got.u.runstate.state, vcpu_got.u.runstate.state_entry_time,
	    vcpu_got.u.runstate.time_running, vcpu_got.u.runstate.time_runnable, vcpu_got.u.runstate.time_blocked,
	    vcpu_got.u.runstate.time_offline);
	hvm_set(v, "LONG_MODE_0", (struct kvm_xen_hvm_attr){.type = 0, .u.long_mode = 0});
	memset(v->mem + RUNSTATE, 0, 4096);
	vcpu_set(c0, "RUNSTATE_ADDR.lm0", (struct kvm_xen_vcpu_attr){.type = 2, .u.gpa = RUNSTATE});
	{
		u8 *m = v->mem + RUNSTATE;
		u64 a, b;
		memcpy(&a, m + 4, 8);
		memcpy(&b, m + 12, 8);
		say("runstate.mem.lm0(packed at 4): state=%u entry=%lu running=%lu", *(u32 *)m, a, b);
	}
	hvm_set(v, "LONG_MODE_1", (struct kvm_xen_hvm_attr){.type = 0, .u.long_mode = 1});
	hvm_set(v, "RUNSTATE_UPDATE_FLAG_1", (struct kvm_xen_hvm_attr){.type = 5, .u.long_mode = 1});
	vcpu_set(c0, "RUNSTATE_ADDR.uf", (struct kvm_xen_vcpu_attr){.type = 2, .u.gpa = RUNSTATE});
	vcpu_set(c0, "RUNSTATE_CURRENT.uf", (struct kvm_xen_vcpu_attr){.type = 3, .u.runstate.state = 1});
	say("runstate.entry.top_bit_after_update: %d", (int)(*(u64 *)(v->mem + RUNSTATE + 8) >> 63));
	hvm_set(v, "RUNSTATE_UPDATE_FLAG_0", (struct kvm_xen_hvm_attr){.type = 5, .u.long_mode = 0});
	vcpu_set(c0, "RUNSTATE_ADDR.crosspage", (struct kvm_xen_vcpu_attr){.type = 2, .u.gpa = RUNSTATE + 0x1000 - 20});
	vcpu_set(c0, "RUNSTATE_CURRENT.crosspage", (struct kvm_xen_vcpu_attr){.type = 3, .u.runstate.state = 3});
	say("runstate.mem.crosspage.state: %u", *(u32 *)(v->mem + RUNSTATE + 0x1000 - 20));
	vcpu_get(c0, 2, "RUNSTATE_ADDR.crosspage");
	say("val: %#llx", vcpu_got.u.gpa);
	vcpu_set(c0, "RUNSTATE_ADDR.cross_into_hole", (struct kvm_xen_vcpu_attr){.type = 2, .u.gpa = MEMORY_SIZE - 20});
	vcpu_get(c0, 2, "RUNSTATE_ADDR.cross_into_hole");
	vcpu_set(c0, "RUNSTATE_ADDR.back", (struct kvm_xen_vcpu_attr){.type = 2, .u.gpa = RUNSTATE});
	vcpu_set(c0, "RUNSTATE_CURRENT.running", (struct kvm_xen_vcpu_attr){.type = 3, .u.runstate.state = 0});
}

void probe_xen_vcpus(void)
{
	probe_vcpu_attributes();
	probe_vcpu_settings();
	probe_runstate();
}
