/* A vCPU's CPUID table: sizes, what KVM adjusts in it, and when it may still change. */
#include "probe.h"

static void cpuid_sizes(struct vcpu *c, struct kvm_cpuid2 *s, struct kvm_cpuid2 *d)
{
	answer(CALL(c->fd, KVM_SET_CPUID2, d), "SET_CPUID2.same");
	d->nent = 257;
	answer(CALL(c->fd, KVM_SET_CPUID2, d), "SET_CPUID2.257");
	d->nent = 256;
	answer(CALL(c->fd, KVM_SET_CPUID2, d), "SET_CPUID2.256(zero-padded)");
	d->nent = 0;
	answer(CALL(c->fd, KVM_SET_CPUID2, d), "SET_CPUID2.0");
	d->nent = s->nent;
	answer(CALL(c->fd, KVM_SET_CPUID2, d), "SET_CPUID2.again");
	struct kvm_cpuid2 *g = cpuid_table(1);
	answer(CALL(c->fd, KVM_GET_CPUID2, g), "GET_CPUID2.1");
	say("nent==n: %d", g->nent == s->nent);
	free(g);
	g = cpuid_table(300);
	answer(CALL(c->fd, KVM_GET_CPUID2, g), "GET_CPUID2.300");
	say("nent==n: %d", g->nent == s->nent);
	free(g);
}

/* What KVM changes in the table that was set: OSXSAVE, APIC, sizes. */
static void cpuid_adjusted(struct vcpu *c, struct kvm_cpuid2 *s)
{
	struct kvm_cpuid2 *g = cpuid_table(300);

	ioctl(c->fd, KVM_GET_CPUID2, g);
	for (u32 i = 0; i < s->nent; i++) {
		struct kvm_cpuid_entry2 *a = &s->entries[i], *b = &g->entries[i];

		if (a->eax != b->eax || a->ebx != b->ebx || a->ecx != b->ecx || a->edx != b->edx || a->flags != b->flags ||
		    a->function != b->function)
			say("runtime-adjusted cpuid[%#x.%#x]: %#x,%#x,%#x,%#x -> %#x,%#x,%#x,%#x", a->function, a->index, a->eax,
			    a->ebx, a->ecx, a->edx, b->eax, b->ebx, b->ecx, b->edx);
	}
	free(g);
}

static void cpuid_address_bits(struct vcpu *c, struct kvm_cpuid2 *d)
{
	for (u32 i = 0; i < d->nent; i++)
		if (d->entries[i].function == 0x80000008) {
			u32 o = d->entries[i].eax;

			d->entries[i].eax = (o & ~0xff00) | (52 << 8);
			answer(CALL(c->fd, KVM_SET_CPUID2, d), "SET_CPUID2.vaddr52");
			d->entries[i].eax = (o & ~0xff00) | (0 << 8);
			answer(CALL(c->fd, KVM_SET_CPUID2, d), "SET_CPUID2.vaddr0");
			d->entries[i].eax = (o & ~0xff) | 36;
			answer(CALL(c->fd, KVM_SET_CPUID2, d), "SET_CPUID2.paddr36");
			d->entries[i].eax = o;
		}
}

static void cpuid_after_run(struct vcpu *c, struct kvm_cpuid2 *d)
{
	answer_run(vcpu_run(c), c, "run");
	answer(CALL(c->fd, KVM_SET_CPUID2, d), "SET_CPUID2.same_after_run");
	d->entries[1].eax ^= 0x10;
	answer(CALL(c->fd, KVM_SET_CPUID2, d), "SET_CPUID2.diff_after_run");
	d->entries[1].eax ^= 0x10;
	struct kvm_cpuid old = {.nent = 0};
	answer(CALL(c->fd, KVM_SET_CPUID, &old), "SET_CPUID.0_after_run");
}

void probe_cpuid(void)
{
	struct vm *v;
	struct vcpu *c = guest_create(&v, 1);
	struct kvm_cpuid2 *s = cpuid_supported(), *d = cpuid_table(300);

	say("## CPUID2");
	memcpy(d, s, sizeof *s + s->nent * sizeof s->entries[0]);
	cpuid_sizes(c, s, d);
	cpuid_adjusted(c, s);
	cpuid_address_bits(c, d);
	ioctl(c->fd, KVM_SET_CPUID2, d);
	cpuid_after_run(c, d);
	free(d);
	vm_free(v, c);
}
