/* KVM_CAP_SYNC_REGS: registers shared through kvm_run; which bits select what, what is applied, copied and cleared, and when. */
#include <stddef.h>

#include "probe.h"

static void sync_valid_bits(struct vcpu *c)
{
	struct kvm_run *run = c->run;
	struct kvm_sync_regs *S = &run->s.regs;
	char nm[40];

	for (int i = 0; i < 64; i = i < 5 ? i + 1 : i + 29) {
		run->kvm_valid_regs = 1ULL << i;
		run->kvm_dirty_regs = 0;
		memset(S, 0x5a, sizeof *S);
		snprintf(nm, sizeof nm, "sync.valid_bit%d", i);
		answer_run(vcpu_run(c), c, nm);
		say("  copied: regs=%d sregs=%d events=%d valid=%#llx dirty=%#llx exit_reason=%u",
		    S->regs.rip != 0x5a5a5a5a5a5a5a5aULL, S->sregs.cr0 != 0x5a5a5a5a5a5a5a5aULL, S->events.flags != 0x5a5a5a5a,
		    run->kvm_valid_regs, run->kvm_dirty_regs, run->exit_reason);
	}
}

static void sync_dirty_bits(struct vcpu *c)
{
	struct kvm_run *run = c->run;
	struct kvm_sync_regs *S = &run->s.regs;
	struct kvm_regs r;
	char nm[40];

	run->kvm_valid_regs = 0;
	for (int i = 0; i < 64; i = i < 5 ? i + 1 : i + 29) {
		run->kvm_dirty_regs = 1ULL << i;
		ioctl(c->fd, KVM_GET_REGS, &S->regs);
		ioctl(c->fd, KVM_GET_SREGS, &S->sregs);
		ioctl(c->fd, KVM_GET_VCPU_EVENTS, &S->events);
		S->regs.rbx = 0x1000;
		snprintf(nm, sizeof nm, "sync.dirty_bit%d.novalid", i);
		answer_run(vcpu_run(c), c, nm);
		ioctl(c->fd, KVM_GET_REGS, &r);
		say("  rbx=%#llx dirty_after=%#llx S.rbx=%#llx", r.rbx, run->kvm_dirty_regs, S->regs.rbx);
		run->kvm_dirty_regs = 0;
	}
}

static void sync_bad_bits(struct vcpu *c)
{
	struct kvm_run *run = c->run;
	struct kvm_sync_regs *S = &run->s.regs;
	struct kvm_regs r;

	memset(S, 0x5a, sizeof *S);
	run->kvm_valid_regs = 1 | (1 << 10);
	answer_run(vcpu_run(c), c, "sync.valid_REGS|bit10");
	say("  EINVAL but copied? regs=%d", S->regs.rip != 0x5a5a5a5a5a5a5a5aULL);
	ioctl(c->fd, KVM_GET_REGS, &S->regs);
	S->regs.rbx = 0x2000;
	run->kvm_valid_regs = 0;
	run->kvm_dirty_regs = 1 | (1 << 10);
	answer_run(vcpu_run(c), c, "sync.dirty_REGS|bit10");
	ioctl(c->fd, KVM_GET_REGS, &r);
	say("  applied? rbx=%#llx dirty=%#llx", r.rbx, run->kvm_dirty_regs);
}

static void sync_bad_values(struct vcpu *c)
{
	struct kvm_run *run = c->run;
	struct kvm_sync_regs *S = &run->s.regs;
	struct kvm_regs r;

	ioctl(c->fd, KVM_GET_REGS, &S->regs);
	ioctl(c->fd, KVM_GET_SREGS, &S->sregs);
	ioctl(c->fd, KVM_GET_VCPU_EVENTS, &S->events);
	S->regs.rbx = 0x3000;
	S->sregs.cr4 |= 1ULL << 63;
	run->kvm_dirty_regs = 7;
	run->kvm_valid_regs = 7;
	answer_run(vcpu_run(c), c, "sync.dirty7.bad_sregs");
	say("  S.rbx=%#llx S.cr4=%#llx dirty=%#llx", S->regs.rbx, S->sregs.cr4, run->kvm_dirty_regs);
	ioctl(c->fd, KVM_GET_REGS, &r);
	say("  rbx=%#llx", r.rbx);
	run->kvm_dirty_regs = 0;
	run->kvm_valid_regs = 0;
	ioctl(c->fd, KVM_GET_VCPU_EVENTS, &S->events);
	S->events.flags = ~0u;
	ioctl(c->fd, KVM_GET_REGS, &S->regs);
	ioctl(c->fd, KVM_GET_SREGS, &S->sregs);
	S->regs.rbx = 0x4000;
	run->kvm_dirty_regs = 7;
	answer_run(vcpu_run(c), c, "sync.dirty7.bad_events");
	say("  dirty=%#llx", run->kvm_dirty_regs);
	ioctl(c->fd, KVM_GET_REGS, &r);
	say("  rbx=%#llx", r.rbx);
	run->kvm_dirty_regs = 0;
}

static void sync_immediate_exit(struct vcpu *c)
{
	struct kvm_run *run = c->run;
	struct kvm_sync_regs *S = &run->s.regs;
	struct kvm_regs r;

	ioctl(c->fd, KVM_GET_REGS, &S->regs);
	S->regs.rbx = 0x5000;
	run->kvm_dirty_regs = 1;
	run->kvm_valid_regs = 7;
	run->immediate_exit = 1;
	answer_run(vcpu_run(c), c, "sync.immediate_exit.dirty1");
	say("  S.rbx=%#llx S.rip-code=%lld dirty=%#llx", S->regs.rbx, S->regs.rip - CODE, run->kvm_dirty_regs);
	ioctl(c->fd, KVM_GET_REGS, &r);
	say("  rbx=%#llx", r.rbx);
	run->immediate_exit = 0;
	answer_run(vcpu_run(c), c, "sync.after");
	say("  S.rbx=%#llx rip-code=%lld", S->regs.rbx, S->regs.rip - CODE);
}

static void sync_unselected(struct vcpu *c)
{
	struct kvm_run *run = c->run;
	struct kvm_sync_regs *S = &run->s.regs;

	run->kvm_valid_regs = 1;
	answer_run(vcpu_run(c), c, "sync.A");
	S->regs.rbx = 0x6000;
	run->kvm_dirty_regs = 0;
	answer_run(vcpu_run(c), c, "sync.nodirty_modified_S");
	say("  S.rbx=%#llx (modification ignored if !=0x6001)", S->regs.rbx);
	run->kvm_valid_regs = 0;
	S->regs.rbx = 0xAAAA;
	answer_run(vcpu_run(c), c, "sync.valid0");
	say("  S.rbx=%#llx (untouched=0xaaaa)", S->regs.rbx);
}

static void sync_layout(struct kvm_run *run)
{
	struct kvm_sync_regs *S = &run->s.regs;

	say("sizes: regs=%zu sregs=%zu events=%zu off(s)=%zu off(kvm_valid_regs)=%zu sizeof(run)=%zu", sizeof S->regs,
	    sizeof S->sregs, sizeof S->events, offsetof(struct kvm_run, s), offsetof(struct kvm_run, kvm_valid_regs),
	    sizeof *run);
}

static void sync_uninitialized(struct vm *v)
{
	struct vcpu *ap = vcpu_create(v, 1, 1);

	ap->run->kvm_valid_regs = 7;
	ap->run->immediate_exit = 1;
	answer_run(vcpu_run(ap), ap, "sync.uninitialized_ap.immediate_exit");
	say("  rip=%#llx", ap->run->s.regs.regs.rip);
	ap->run->kvm_valid_regs = 1 << 9;
	answer_run(vcpu_run(ap), ap, "sync.uninitialized_ap.badvalid");
	vm_free(NULL, ap);
}

void probe_sync(void)
{
	struct vm *v;
	struct vcpu *c = guest_create(&v, 1);

	say("## SYNC_REGS");
	say("cap: %#x", ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS));
	sync_valid_bits(c);
	sync_dirty_bits(c);
	sync_bad_bits(c);
	sync_bad_values(c);
	sync_immediate_exit(c);
	sync_unselected(c);
	sync_layout(c->run);
	sync_uninitialized(v);
	vm_free(v, c);
}
