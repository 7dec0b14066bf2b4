/* General and special registers: what SET_REGS, SET_SREGS and SET_SREGS2 take, refuse, and keep. */
#include "probe.h"

/* Sets what the probe is about, says what KVM answered and what the state is then, and goes back to *base. */
static void sregs_try(struct vcpu *c, const char *name, struct kvm_sregs *s, const struct kvm_sregs *base)
{
	struct kvm_sregs g;

	answer(CALL(c->fd, KVM_SET_SREGS, s), "SET_SREGS.%s", name);
	ioctl(c->fd, KVM_GET_SREGS, &g);
	say("  -> cr0=%#llx cr3=%#llx cr4=%#llx cr8=%#llx efer=%#llx apic_base=%#llx cs(type=%u l=%u db=%u dpl=%u g=%u "
	    "lim=%#x) ss.dpl=%u",
	    g.cr0, g.cr3, g.cr4, g.cr8, g.efer, g.apic_base, g.cs.type, g.cs.l, g.cs.db, g.cs.dpl, g.cs.g, g.cs.limit, g.ss.dpl);
	ioctl(c->fd, KVM_SET_SREGS, base);
}

/* Statements on s, a copy of *base, as an argument: a table would need a row type for every field. */
#define SREGS_TRY(name, change)                                                                                                  \
	do {                                                                                                                     \
		struct kvm_sregs s = *base;                                                                                      \
		change;                                                                                                          \
		sregs_try(c, name, &s, base);                                                                                    \
	} while (0)

static void regs_general(struct vcpu *c)
{
	struct kvm_regs r;

	memset(&r, 0, sizeof r);
	answer(CALL(c->fd, KVM_SET_REGS, &r), "SET_REGS.zero");
	ioctl(c->fd, KVM_GET_REGS, &r);
	say("rflags after set 0: %#llx", r.rflags);
	memset(&r, 0xff, sizeof r);
	answer(CALL(c->fd, KVM_SET_REGS, &r), "SET_REGS.ff");
	ioctl(c->fd, KVM_GET_REGS, &r);
	say_regs("regs", &r);
	answer(CALL(c->fd, KVM_SET_REGS, 8L), "SET_REGS.EFAULT");
	answer(CALL(c->fd, KVM_GET_REGS, 8L), "GET_REGS.EFAULT");
}

static void sregs_control(struct vcpu *c, const struct kvm_sregs *base)
{
	SREGS_TRY("same", );
	SREGS_TRY("PG_no_PE", s.cr0 = 0x80000030);
	SREGS_TRY("PG_LME_no_PAE", s.cr4 &= ~0x20ULL);
	SREGS_TRY("PG_LMA_no_LME", s.efer = 0x400);
	SREGS_TRY("LMA_no_PG", s.cr0 &= ~(1ULL << 31));
	SREGS_TRY("LMA_L_and_DB", s.cs.db = 1);
	SREGS_TRY("L_no_LMA", s.efer = 0; s.cr0 = 0x33);
	SREGS_TRY("efer_bit1", s.efer |= 2);
	SREGS_TRY("efer_NXE", s.efer |= 0x800);
	SREGS_TRY("efer_SCE", s.efer |= 1);
	SREGS_TRY("efer_SVME", s.efer |= 0x1000);
	SREGS_TRY("efer_bit16", s.efer |= 1 << 16);
	SREGS_TRY("efer_bit63", s.efer |= 1ULL << 63);
	SREGS_TRY("cr3_bit52", s.cr3 |= 1ULL << 52);
	SREGS_TRY("cr3_bit63", s.cr3 |= 1ULL << 63);
	SREGS_TRY("cr3_bit47", s.cr3 |= 1ULL << 47);
	SREGS_TRY("cr3_lowbits", s.cr3 |= 0xfff);
	SREGS_TRY("cr0_hi32", s.cr0 |= 1ULL << 32);
	SREGS_TRY("cr0_reserved_bit6", s.cr0 |= 0x40);
	SREGS_TRY("cr0_CD", s.cr0 |= 1 << 30);
	SREGS_TRY("cr0_NW_noCD", s.cr0 |= 1 << 29);
	SREGS_TRY("cr0_noET", s.cr0 &= ~0x10ULL);
}

static void sregs_cr4(struct vcpu *c, const struct kvm_sregs *base)
{
	struct kvm_sregs s;

	for (int i = 0; i < 64; i++) {
		if (i > 32 && i < 63)
			continue;
		s = *base;
		s.cr4 |= 1ULL << i;
		long rc = CALL(c->fd, KVM_SET_SREGS, &s);
		answer(rc, "SET_SREGS.cr4_bit%d", i);
		ioctl(c->fd, KVM_SET_SREGS, base);
	}
}

static void sregs_apic(struct vcpu *c, const struct kvm_sregs *base)
{
	SREGS_TRY("cr8_15", s.cr8 = 15);
	SREGS_TRY("cr8_16", s.cr8 = 16);
	SREGS_TRY("apic_disabled", s.apic_base &= ~0x800ULL);
	SREGS_TRY("apic_x2apic", s.apic_base |= 0x400);
	SREGS_TRY("apic_x2_noen", s.apic_base = (s.apic_base & ~0x800ULL) | 0x400);
	SREGS_TRY("apic_bit0", s.apic_base |= 1);
	SREGS_TRY("apic_bit9", s.apic_base |= 0x200);
	SREGS_TRY("apic_high_base", s.apic_base |= 1ULL << 45);
	SREGS_TRY("apic_bit52", s.apic_base |= 1ULL << 52);
	SREGS_TRY("apic_moved", s.apic_base = 0xfed00900);
	SREGS_TRY("apic_noBSP", s.apic_base &= ~0x100ULL);
	SREGS_TRY("bitmap_vec33", s.interrupt_bitmap[0] |= 1ULL << 33);
	SREGS_TRY("bitmap_2", s.interrupt_bitmap[0] |= 6ULL << 33);
}

static void sregs_interrupt_bitmap(struct vcpu *c, const struct kvm_sregs *base)
{
	struct kvm_sregs s;

	struct kvm_vcpu_events e;
	s = *base;
	s.interrupt_bitmap[1] = 1;
	ioctl(c->fd, KVM_SET_SREGS, &s);
	ioctl(c->fd, KVM_GET_VCPU_EVENTS, &e);
	say_events("events_after_bitmap64", &e);
	memset(&e, 0, sizeof e);
	ioctl(c->fd, KVM_SET_VCPU_EVENTS, &e);
}

static void sregs_segments(struct vcpu *c, const struct kvm_sregs *base)
{
	SREGS_TRY("cs_notpresent", s.cs.present = 0);
	SREGS_TRY("cs_data_type", s.cs.type = 3);
	SREGS_TRY("ss_dpl3", s.ss.dpl = 3);
	SREGS_TRY("cs_dpl3", s.cs.dpl = 3);
	SREGS_TRY("cs_unusable", s.cs.unusable = 1);
	SREGS_TRY("tr_type0", s.tr.type = 0);
	SREGS_TRY("tr_unusable", s.tr.unusable = 1);
	SREGS_TRY("cs_limit_gran", s.cs.g = 0; s.cs.limit = 0xfffff);
	SREGS_TRY("gdt_limit_20bit", s.gdt.limit = 0xffff);
	SREGS_TRY("cs_base_noncanon", s.cs.base = 1ULL << 60);
	SREGS_TRY("fs_base_noncanon", s.fs.base = 1ULL << 60);
	SREGS_TRY("gdt_base_noncanon", s.gdt.base = 1ULL << 60);
}

static void sregs_modes(struct vcpu *c, const struct kvm_sregs *base)
{
	SREGS_TRY("real_mode_reset", s.cr0 = 0x60000010; s.cr4 = 0; s.efer = 0; s.cs.l = 0);
	SREGS_TRY("cr4_PCIDE_efer0", s.cr4 |= 1 << 17);
	SREGS_TRY("cr4_PCIDE_toggle_ok?", s.cr4 |= 1 << 17; s.cr3 |= 1);
	SREGS_TRY("cr4_LA57", s.cr4 |= 1 << 12);
	SREGS_TRY("cr4_noPAE_nolong", s.cr4 &= ~0x20ULL; s.efer = 0; s.cs.l = 0; s.cs.db = 1);
	answer(CALL(c->fd, KVM_SET_SREGS, 8L), "SET_SREGS.EFAULT");
}

static void sregs2(struct vcpu *c)
{
	struct kvm_sregs2 b2, s2;

	answer(CALL(c->fd, KVM_GET_SREGS2, &b2), "GET_SREGS2");
	say("flags=%#llx", b2.flags);
	s2 = b2;
	answer(CALL(c->fd, KVM_SET_SREGS2, &s2), "SET_SREGS2.same");
	s2.flags = 2;
	answer(CALL(c->fd, KVM_SET_SREGS2, &s2), "SET_SREGS2.flags2");
	s2 = b2;
	s2.flags = 1;
	answer(CALL(c->fd, KVM_SET_SREGS2, &s2), "SET_SREGS2.pdptrs_valid_longmode");
	s2 = b2;
	s2.efer = 0;
	s2.cs.l = 0;
	s2.cs.db = 1;
	s2.flags = 1;
	s2.cr3 = 0x2000;
	s2.pdptrs[0] = 0x3001;
	answer(CALL(c->fd, KVM_SET_SREGS2, &s2), "SET_SREGS2.pae_pdptrs");
	struct kvm_sregs2 g2;
	answer(CALL(c->fd, KVM_GET_SREGS2, &g2), "GET_SREGS2.pae");
	say("flags=%#llx pdptrs=%#llx,%#llx,%#llx,%#llx", g2.flags, g2.pdptrs[0], g2.pdptrs[1], g2.pdptrs[2], g2.pdptrs[3]);
	s2.flags = 0;
	answer(CALL(c->fd, KVM_SET_SREGS2, &s2), "SET_SREGS2.pae_noflag");
	answer(CALL(c->fd, KVM_GET_SREGS2, &g2), "GET_SREGS2.pae_noflag");
	say("flags=%#llx pdptrs=%#llx", g2.flags, g2.pdptrs[0]);
	s2.flags = 1;
	s2.pdptrs[0] = ~0ULL;
	answer(CALL(c->fd, KVM_SET_SREGS2, &s2), "SET_SREGS2.bad_pdptr");
	s2 = b2;
	s2.efer = 0;
	s2.cr0 = 0x33;
	s2.cs.l = 0;
	s2.flags = 1;
	answer(CALL(c->fd, KVM_SET_SREGS2, &s2), "SET_SREGS2.nopaging_pdptrs");
}

void probe_regs(void)
{
	struct vm *v;
	struct vcpu *c = guest_create(&v, 1);
	struct kvm_sregs base;

	say("## REGS/SREGS");
	regs_general(c);
	ioctl(c->fd, KVM_GET_SREGS, &base);
	say_sregs("longmode", &base);
	sregs_control(c, &base);
	sregs_cr4(c, &base);
	sregs_apic(c, &base);
	sregs_interrupt_bitmap(c, &base);
	sregs_segments(c, &base);
	sregs_modes(c, &base);
	say("## SREGS2");
	sregs2(c);
	vm_free(v, c);
}
