/* A Xen guest's hypercalls, in its three modes; the page that has them. */
#include "probe_xen.h"

static struct kvm_segment seg(u16 sel, int type, int l, int db)
{
	struct kvm_segment s = {.base = 0,
				.limit = 0xffffffff,
				.selector = sel,
				.type = type,
				.present = 1,
				.dpl = 0,
				.db = db,
				.s = 1,
				.l = l,
				.g = 1};
	return s;
}

/* 64-bit, 32-bit protected without paging, or real mode. */
static void mode_set(struct vcpu *c, int mode)
{
	struct kvm_sregs s;
	ioctl(c->fd, KVM_GET_SREGS, &s);
	if (mode == 16) {
		struct kvm_segment r = {.base = 0, .limit = 0xffff, .selector = 0, .type = 3, .present = 1, .s = 1};
		s.ds = s.es = s.fs = s.gs = s.ss = r;
		r.type = 11;
		s.cs = r;
		s.cr0 = 0x30;
		s.cr4 = 0;
		s.cr3 = 0;
		s.efer = 0;
	} else {
		s.cs = seg(mode == 64 ? 8 : 24, 11, mode == 64, mode != 64);
		s.ds = s.es = s.fs = s.gs = s.ss = seg(16, 3, 0, 1);
		s.gdt.base = 0x4000;
		s.gdt.limit = 31;
		s.cr0 = 0x80050033;
		s.cr4 = 0x20 | 0x200;
		s.cr3 = 0x1000;
		s.efer = 0x500;
		if (mode == 32) {
			s.cr0 = 0x33;
			s.cr3 = 0;
			s.efer = 0;
			s.cr4 = 0x200;
		}
	}
	if (ioctl(c->fd, KVM_SET_SREGS, &s))
		printf("setmode%d: SET_SREGS failed %s\n", mode, error_name(errno));
}

/* One hypercall, and what the program does about it. */
static struct kvm_regs HR;
static void hypercall(struct vcpu *c, int mode, const char *n, u64 rax, u64 p0, u64 p1, u64 p2)
{
	struct kvm_regs r = {0};
	r.rax = rax;
	r.rip = CODE;
	r.rflags = 2;
	r.rsp = STACK;
	if (mode == 16)
		r.rip = CODE & 0xfff0 ? CODE & 0xffff : 0x8000;
	if (mode == 64) {
		r.rdi = p0;
		r.rsi = p1;
		r.rdx = p2;
		r.r10 = 0x44;
		r.r8 = 0x55;
		r.r9 = 0x66;
	} else {
		r.rbx = p0;
		r.rcx = p1;
		r.rdx = p2;
		r.rsi = 0x44;
		r.rdi = 0x55;
		r.rbp = 0x66;
	}
	if (ioctl(c->fd, KVM_SET_REGS, &r))
		perror("SET_REGS");
	alarm(2);
	long rc = vcpu_run(c);
	alarm(0);
	answer_run(rc, c, n);
	if (rc >= 0 && c->run->exit_reason == KVM_EXIT_XEN) {
		struct kvm_xen_exit *x = &c->run->xen;
		ioctl(c->fd, KVM_GET_REGS, &HR);
		say("%s.xen: type=%u longmode=%u cpl=%u input=%#llx p=%#llx,%#llx,%#llx,%#llx,%#llx,%#llx result_in=%#llx "
		    "rip-delta=%lld rax=%#llx",
		    n, x->type, x->u.hcall.longmode, x->u.hcall.cpl, x->u.hcall.input, x->u.hcall.params[0], x->u.hcall.params[1],
		    x->u.hcall.params[2], x->u.hcall.params[3], x->u.hcall.params[4], x->u.hcall.params[5], 0LL, HR.rip - r.rip,
		    HR.rax);
		x->u.hcall.result = 0xabcdef0123456789ULL;
		rc = vcpu_run(c);
		answer_run(rc, c, "  completed");
	}
	ioctl(c->fd, KVM_GET_REGS, &HR);
	say("%s.after: rax=%#llx rip-delta=%lld", n, HR.rax, HR.rip - r.rip);
}

static void probe_hypercalls(void)
{
	say("## hypercalls (guest, AMD: vmmcall; also vmcall)");
	memset(v->mem + SHARED_INFO, 0, 4096);
	memset(v->mem + VCPU_INFO, 0, 64);
	for (int pass = 0; pass < 4; pass++) {
		int mode = pass == 0 ? 64 : pass == 1 ? 32 : pass == 2 ? 16 : 64;
		u64 at = mode == 16 ? 0x8000 : CODE;
		static const u8 vmmcall[] = {0x0f, 0x01, 0xd9, 0xe6, 0xf1, 0xeb, 0xfe},
				vmcall[] = {0x0f, 0x01, 0xc1, 0xe6, 0xf1, 0xeb, 0xfe};
		memcpy(v->mem + at, pass == 3 ? vmcall : vmmcall, 7);
		mode_set(c0, mode);
		hvm_set(v, "XEN_VERSION_0", (struct kvm_xen_hvm_attr){.type = 4, .u.xen_version = 0});
		sprintf(nm, "hc%d%s.xen_version.noaccel", mode, pass == 3 ? "vmcall" : "");
		hypercall(c0, mode, nm, 17, 0, 0x1234, 0x5678);
		hvm_set(v, "XEN_VERSION_4000d", (struct kvm_xen_hvm_attr){.type = 4, .u.xen_version = 0x4000d});
		sprintf(nm, "hc%d.xen_version.accel", mode);
		hypercall(c0, mode, nm, 17, 0, 0x1234, 0x5678);
		sprintf(nm, "hc%d.xen_version.subop1", mode);
		hypercall(c0, mode, nm, 17, 1, 0x1234, 0x5678);
		sprintf(nm, "hc%d.unknown_0x666", mode);
		hypercall(c0, mode, nm, 0x666, 0xffffffff12345678ULL, 0x1234, 0x5678);
		sprintf(nm, "hc%d.rax_high_bits", mode);
		hypercall(c0, mode, nm, 0xffffffff00000011ULL, 0, 0, 0);
		target_set(v, "EVTCHN.reset", 0, 0, KVM_XEN_EVTCHN_RESET, 0, 0, 0);
		target_set(v, "EVTCHN.ipi14", 14, IPI, 0, 14, 0, ~0u);
		target_set(v, "EVTCHN.evfd40", 40, INTERDOMAIN, 0, 0, efd, 0);
		target_set(v, "EVTCHN.badvcpu41", 41, IPI, 0, 41, 99, ~0u);
		*(u32 *)(v->mem + DATA) = 14;
		sprintf(nm, "hc%d.evtchn_send.14", mode);
		hypercall(c0, mode, nm, 32, 4, DATA, 0);
		say_ports(v, "shi", mode == 64, 1, 14);
		say_info(v, "vci");
		*(u32 *)(v->mem + DATA) = 40;
		sprintf(nm, "hc%d.evtchn_send.eventfd", mode);
		hypercall(c0, mode, nm, 32, 4, DATA, 0);
		u64 val = 0;
		long rr = read(efd, &val, 8);
		say("eventfd: rc=%ld val=%lu", rr, val);
		*(u32 *)(v->mem + DATA) = 41;
		sprintf(nm, "hc%d.evtchn_send.badvcpu", mode);
		hypercall(c0, mode, nm, 32, 4, DATA, 0);
		*(u32 *)(v->mem + DATA) = 50;
		sprintf(nm, "hc%d.evtchn_send.unregistered", mode);
		hypercall(c0, mode, nm, 32, 4, DATA, 0);
		sprintf(nm, "hc%d.evtchn_send.badptr", mode);
		hypercall(c0, mode, nm, 32, 4, 0x7f000000, 0);
		sprintf(nm, "hc%d.evtchn_op.other", mode);
		hypercall(c0, mode, nm, 32, 3, DATA, 0);
		sprintf(nm, "hc%d.sched_op.yield", mode);
		hypercall(c0, mode, nm, 29, 0, 0, 0);
		sprintf(nm, "hc%d.sched_op.block", mode);
		hypercall(c0, mode, nm, 29, 1, 0, 0);
		if (mode != 16) {
			u8 *d = v->mem + DATA;
			memset(d, 0, 64);
			if (mode == 64) {
				*(u64 *)d = DATA + 32;
				*(u32 *)(d + 8) = 1;
				*(u64 *)(d + 16) = 50000000;
			} else {
				*(u32 *)d = DATA + 32;
				*(u32 *)(d + 4) = 1;
				*(u64 *)(d + 8) = 50000000;
			}
			*(u32 *)(d + 32) = 14;
			memset(v->mem + SHARED_INFO, 0, 4096);
			v->mem[SHARED_INFO + 0x801] |= 1 << 6;
			sprintf(nm, "hc%d.poll.pending", mode);
			hypercall(c0, mode, nm, 29, 3, DATA, 0);
			v->mem[SHARED_INFO + 0x801] = 0;
			u64 t0 = monotonic();
			sprintf(nm, "hc%d.poll.timeout50ms", mode);
			hypercall(c0, mode, nm, 29, 3, DATA, 0);
			say("hc%d.poll.elapsed_ge_40ms: %d", mode, monotonic() - t0 > 40000000);
			*(u32 *)(d + (mode == 64 ? 8 : 4)) = 129;
			sprintf(nm, "hc%d.poll.nr129", mode);
			hypercall(c0, mode, nm, 29, 3, DATA, 0);
			*(u32 *)(d + (mode == 64 ? 8 : 4)) = 1;
			*(u32 *)(d + 32) = 5000;
			sprintf(nm, "hc%d.poll.badport", mode);
			hypercall(c0, mode, nm, 29, 3, DATA, 0);
			sprintf(nm, "hc%d.poll.badptr", mode);
			hypercall(c0, mode, nm, 29, 3, 0x7f000000, 0);
		}
		vcpu_set(c0, "TIMER.off", (struct kvm_xen_vcpu_attr){.type = 7, .u.timer = {0, 0, 0}});
		sprintf(nm, "hc%d.set_timer_op.notimer", mode);
		hypercall(c0, mode, nm, 15, 12345, 0, 0);
		sprintf(nm, "hc%d.vcpu_op.notimer", mode);
		hypercall(c0, mode, nm, 24, 8, 0, DATA);
		vcpu_set(c0, "TIMER.13", (struct kvm_xen_vcpu_attr){.type = 7, .u.timer = {13, ~0u, 0}});
		memset(v->mem + SHARED_INFO, 0, 4096);
		sprintf(nm, "hc%d.set_timer_op.past", mode);
		hypercall(c0, mode, nm, 15, 1, 0, 0);
		say_ports(v, "shi", mode == 64, 1, 13);
		vcpu_get(c0, 7, "TIMER");
		say("val: port=%u exp=%llu", vcpu_got.u.timer.port, vcpu_got.u.timer.expires_ns);
		sprintf(nm, "hc%d.set_timer_op.0", mode);
		hypercall(c0, mode, nm, 15, 0, 0, 0);
		*(u64 *)(v->mem + DATA) = 1;
		*(u64 *)(v->mem + DATA + 8) = 0;
		memset(v->mem + SHARED_INFO, 0, 4096);
		sprintf(nm, "hc%d.vcpu_op.singleshot.past", mode);
		hypercall(c0, mode, nm, 24, 8, 0, DATA);
		say_ports(v, "shi", mode == 64, 1, 13);
		sprintf(nm, "hc%d.vcpu_op.singleshot.wrongvcpu", mode);
		hypercall(c0, mode, nm, 24, 8, 3, DATA);
		sprintf(nm, "hc%d.vcpu_op.singleshot.badptr", mode);
		hypercall(c0, mode, nm, 24, 8, 0, 0x7f000000);
		sprintf(nm, "hc%d.vcpu_op.stop", mode);
		hypercall(c0, mode, nm, 24, 9, 0, 0);
		sprintf(nm, "hc%d.vcpu_op.stop.wrongvcpu", mode);
		hypercall(c0, mode, nm, 24, 9, 3, 0);
		sprintf(nm, "hc%d.vcpu_op.other", mode);
		hypercall(c0, mode, nm, 24, 3, 0, 0);
		vcpu_set(c0, "TIMER.off", (struct kvm_xen_vcpu_attr){.type = 7, .u.timer = {0, 0, 0}});
	}
}

static void probe_hypercall_page(void)
{
	say("## hypercall page via KVM_SET_MSRS(host) and guest wrmsr");
	{
		struct {
			struct kvm_msrs m;
			struct kvm_msr_entry e[1];
		} ms = {.m.nmsrs = 1};
		mode_set(c0, 64);
		ms.e[0].index = 0x40000000;
		ms.e[0].data = HYPERCALL_PAGE;
		memset(v->mem + HYPERCALL_PAGE, 0, 4096);
		answer(CALL(c0->fd, KVM_SET_MSRS, &ms), "hypercall_msr.host_set");
		u8 *h = v->mem + HYPERCALL_PAGE;
		say("hpage[0]: %02x %02x %02x %02x %02x %02x %02x %02x %02x %02x .. last=%02x", h[0], h[1], h[2], h[3], h[4],
		    h[5], h[6], h[7], h[8], h[9], h[31]);
		u32 imm[2];
		memcpy(&imm[0], h + 17 * 32 + 1, sizeof imm[0]);
		memcpy(&imm[1], h + 127 * 32 + 1, sizeof imm[1]);
		say("hpage[17].imm: %u hpage[127].imm: %u", imm[0], imm[1]);
		ms.e[0].data = HYPERCALL_PAGE | 1;
		answer(CALL(c0->fd, KVM_SET_MSRS, &ms), "hypercall_msr.page1");
		ms.e[0].data = 0x7f000000;
		answer(CALL(c0->fd, KVM_SET_MSRS, &ms), "hypercall_msr.hole");
		answer(CALL(c0->fd, KVM_GET_MSRS, &ms), "hypercall_msr.get");
		hvm_get(v, 0, "LONG_MODE.after_msr64");
		say("val: %d", hvm_got.u.long_mode);
		mode_set(c0, 32);
		ms.e[0].data = HYPERCALL_PAGE;
		answer(CALL(c0->fd, KVM_SET_MSRS, &ms), "hypercall_msr.host_set32");
		hvm_get(v, 0, "LONG_MODE.after_msr32");
		say("val: %d", hvm_got.u.long_mode);
		mode_set(c0, 64);
		u8 *blob = mmap(0, 0x2000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memset(blob, 0x42, 4096);
		memset(blob + 4096, 0x43, 4096);
		config_set(v, "blob", 0, 0x40000000, (u64)blob, (u64)blob, 1, 2);
		ms.e[0].data = HYPERCALL_PAGE;
		answer(CALL(c0->fd, KVM_SET_MSRS, &ms), "blob.page0");
		say("hpage: %02x", h[0]);
		ms.e[0].data = HYPERCALL_PAGE | 1;
		answer(CALL(c0->fd, KVM_SET_MSRS, &ms), "blob.page1");
		say("hpage: %02x", h[0]);
		ms.e[0].data = HYPERCALL_PAGE | 2;
		answer(CALL(c0->fd, KVM_SET_MSRS, &ms), "blob.page2");
		config_set(v, "blob.badaddr", 0, 0x40000000, 0x1000, 0x1000, 1, 1);
		ms.e[0].data = HYPERCALL_PAGE;
		answer(CALL(c0->fd, KVM_SET_MSRS, &ms), "blob.badaddr");
		config_set(v, "nointercept", 0, 0x40000000, 0, 0, 0, 0);
		static const u8 code[] = {0x0f, 0x01, 0xd9, 0xe6, 0xf1, 0xeb, 0xfe};
		memcpy(v->mem + CODE, code, 7);
		hypercall(c0, 64, "hc64.nointercept(KVM hypercall 17 => -1000)", 17, 0, 0, 0);
		static const u8 wr[] = {0x0f, 0x30, 0xe6, 0xf1, 0xeb, 0xfe}; /* wrmsr; out */
		memcpy(v->mem + CODE, wr, 6);
		config_set(v, "intercept", 0x22, 0x40000000, 0, 0, 0, 0);
		memset(h, 0, 4096);
		struct kvm_regs r = {.rax = HYPERCALL_PAGE, .rcx = 0x40000000, .rip = CODE, .rflags = 2};
		ioctl(c0->fd, KVM_SET_REGS, &r);
		answer_run(vcpu_run(c0), c0, "guest_wrmsr.hpage");
		say("hpage[0]: %02x %02x", h[0], h[1]);
	}
}

static void probe_user_mode(void)
{
	say("## user-mode hypercall (cpl3)");
	{
		static const u8 code[] = {0x0f, 0x01, 0xd9, 0xe6, 0xf1, 0xeb, 0xfe};
		memcpy(v->mem + CODE, code, 7);
		struct kvm_sregs s;
		ioctl(c0->fd, KVM_GET_SREGS, &s);
		u64 *g = (void *)(v->mem + 0x4000);
		g[1] |= 0x600000000000ULL;
		g[2] |= 0x600000000000ULL;
		s.cs.dpl = s.ss.dpl = 3;
		s.cs.selector = 0xb;
		s.ss.selector = 0x13;
		ioctl(c0->fd, KVM_SET_SREGS, &s);
		struct kvm_regs r0;
		ioctl(c0->fd, KVM_GET_REGS, &r0);
		struct kvm_regs r = {.rax = 17, .rip = CODE, .rflags = 0x3002};
		ioctl(c0->fd, KVM_SET_REGS, &r);
		long rc = vcpu_run(c0);
		answer_run(rc, c0, "hc64.cpl3.xen_version");
		if (rc >= 0 && c0->run->exit_reason == KVM_EXIT_XEN)
			say("cpl=%u longmode=%u", c0->run->xen.u.hcall.cpl, c0->run->xen.u.hcall.longmode);
	}
}

void probe_xen_calls(void)
{
	probe_hypercalls();
	probe_hypercall_page();
	probe_user_mode();
}
