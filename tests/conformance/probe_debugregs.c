/* Debug registers: what SET_DEBUGREGS takes and keeps. */
#include "probe.h"

static void debugregs_try(struct vcpu *c, const char *name, struct kvm_debugregs *d, const struct kvm_debugregs *base)
{
	struct kvm_debugregs g;

	answer(CALL(c->fd, KVM_SET_DEBUGREGS, d), "SET_DEBUGREGS.%s", name);
	ioctl(c->fd, KVM_GET_DEBUGREGS, &g);
	say("  -> db=%#llx,%#llx,%#llx,%#llx dr6=%#llx dr7=%#llx flags=%#llx", g.db[0], g.db[1], g.db[2], g.db[3], g.dr6, g.dr7,
	    g.flags);
	ioctl(c->fd, KVM_SET_DEBUGREGS, base);
}

/* Statements on d, a copy of *base, as an argument: a table would need a row type for every field. */
#define DEBUGREGS_TRY(name, change)                                                                                              \
	do {                                                                                                                     \
		struct kvm_debugregs d = *base;                                                                                  \
		change;                                                                                                          \
		debugregs_try(c, name, &d, base);                                                                                \
	} while (0)

void probe_debugregs(void)
{
	say("## DEBUGREGS");
	struct vm *v;
	struct vcpu *c = guest_create(&v, 1);
	struct kvm_debugregs b, *base = &b;
	ioctl(c->fd, KVM_GET_DEBUGREGS, &b);
	DEBUGREGS_TRY("same", );
	DEBUGREGS_TRY("flags1", d.flags = 1);
	DEBUGREGS_TRY("dr6_0", d.dr6 = 0);
	DEBUGREGS_TRY("dr6_ffffffff", d.dr6 = 0xffffffff);
	DEBUGREGS_TRY("dr6_bit32", d.dr6 = 1ULL << 32);
	DEBUGREGS_TRY("dr7_0", d.dr7 = 0);
	DEBUGREGS_TRY("dr7_ffffffff", d.dr7 = 0xffffffff);
	DEBUGREGS_TRY("dr7_bit32", d.dr7 = 1ULL << 32);
	DEBUGREGS_TRY("dr7_GD", d.dr7 = 0x2400);
	DEBUGREGS_TRY("db_noncanon", d.db[0] = 1ULL << 60; d.db[3] = ~0ULL);
	DEBUGREGS_TRY("dr6_BT_etc", d.dr6 = 0xffff0ff0 | 0xe00f);
	DEBUGREGS_TRY("reserved", d.reserved[0] = 1);
	vm_free(v, c);
}
