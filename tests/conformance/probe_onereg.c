/* KVM_GET_REG_LIST and ONE_REG on x86, which Linux 6.12 does not have. */
#include "probe.h"

void probe_onereg(void)
{
	say("## ONE_REG/REG_LIST");
	struct vm *v;
	struct vcpu *c = guest_create(&v, 1);
	say("cap ONE_REG: %d", ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_ONE_REG));
	struct kvm_reg_list *l = calloc(1, 8 + 8 * 100);
	l->n = 0;
	answer(CALL(c->fd, KVM_GET_REG_LIST, l), "REG_LIST.n0");
	say("n=%llu", l->n);
	l->n = 100;
	{
		long rr = answer(CALL(c->fd, KVM_GET_REG_LIST, l), "REG_LIST.n100");
		if (rr < 0)
			l->n = 0;
	}
	say("n=%llu", l->n);
	for (u64 i = 0; i < l->n && i < 100; i++)
		say("reg[%lu]=%#llx", i, l->reg[i]);
	u64 val;
	struct {
		const char *n;
		u64 id, set;
		int doset;
	} T[] = {{"MSR_EFER", 0x2030000200000000ULL | 0xc0000080, 0x501, 1},
		 {"MSR_STAR", 0x2030000200000000ULL | 0xc0000081, 0x1234, 1},
		 {"MSR_unknown", 0x2030000200000000ULL | 0x12345678, 0, 1},
		 {"MSR_LSTAR_noncanon", 0x2030000200000000ULL | 0xc0000082, 1ULL << 60, 1},
		 {"size32", 0x2020000200000000ULL | 0xc0000080, 0, 1},
		 {"type0", 0x2030000000000000ULL, 0, 1},
		 {"type1", 0x2030000100000000ULL, 0, 1},
		 {"KVM_GUEST_SSP", 0x2030000300000000ULL, 0, 1},
		 {"KVM_reg1", 0x2030000300000001ULL, 0, 1},
		 {"type4", 0x2030000400000000ULL, 0, 1},
		 {"arch_arm64", 0x6030000200000000ULL | 0xc0000080, 0, 1},
		 {"rsvd1", 0x2030010200000000ULL | 0xc0000080, 0, 1},
		 {"rsvd2", 0x2031000200000000ULL | 0xc0000080, 0, 1}};
	for (unsigned i = 0; i < sizeof T / sizeof *T; i++) {
		struct kvm_one_reg o = {T[i].id, (u64)&val};

		val = 0x5a5a;
		answer(CALL(c->fd, KVM_GET_ONE_REG, &o), "GET_ONE_REG.%s", T[i].n);
		say("  val=%#lx", val);
		val = T[i].set;
		answer(CALL(c->fd, KVM_SET_ONE_REG, &o), "SET_ONE_REG.%s=%#lx", T[i].n, T[i].set);
		val = 0x5a5a;
		ioctl(c->fd, KVM_GET_ONE_REG, &o);
		say("  now=%#lx", val);
	}
	struct kvm_one_reg o = {T[0].id, 8};
	answer(CALL(c->fd, KVM_GET_ONE_REG, &o), "GET_ONE_REG.EFAULT");
	answer(CALL(c->fd, KVM_SET_ONE_REG, &o), "SET_ONE_REG.EFAULT");
	vm_free(v, c);
	free(l);
}
