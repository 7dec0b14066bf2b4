/*
 * Lists of registers with their values after KVM_ARM_VCPU_INIT, for each set of features.
 */
#include "probe.h"

static void dumpcfg(const char *cfg, struct vm *v)
{
	struct kvm_reg_list *l = list(v->vcpu);
	outx(N("list.%s", cfg), l->n);
	printf("count.%s: %llu\n", cfg, (unsigned long long)l->n);
	unsigned szc[16] = {0};
	for (u64 i = 0; i < l->n; i++) {
		u64 id = l->reg[i];
		szc[(id >> 52) & 15]++;
		printf("id.%s.%03llu: id=0x%016llx size=%u %s\n", cfg, (unsigned long long)i, (unsigned long long)id, (unsigned)((id >> 52) & 15),
		       rname(id));
	}
	for (int k = 0; k < 16; k++)
		if (szc[k])
			printf("sizes.%s: nibble=%d bytes=%u regs=%u\n", cfg, k, 1u << k, szc[k]);
	for (u64 i = 0; i < l->n; i++) {
		u64 id = l->reg[i];
		memset(buf, 0, 4096);
		get(v->vcpu, id, buf);
		out(N("val.%s.0x%016llx.%s", cfg, (unsigned long long)id, rname(id)), is_volatile_reg(id) ? "volatile" : hexval(buf, rsize(id)));
	}
	/* duplicates? */
	for (u64 i = 0; i < l->n; i++)
		for (u64 j = 0; j < i; j++)
			if (l->reg[i] == l->reg[j])
				printf("dup.%s: 0x%llx\n", cfg, (unsigned long long)l->reg[i]);
	free(l);
}

void sec_lists(void)
{
	printf("# B. register lists and values after init\n");
	static const struct {
		const char *n;
		u64 f;
	} c[] = {{"plain", 0},
		 {"psci02", F_PSCI},
		 {"pmu", F_PSCI | F_PMU},
		 {"sve", F_PSCI | F_SVE},
		 {"ptrauth", F_PSCI | F_PTR},
		 {"all", F_PSCI | F_PMU | F_SVE | F_PTR},
		 {"el1_32", F_PSCI | F_32},
		 {"poweroff", F_PSCI | F_OFF}};
	for (unsigned i = 0; i < sizeof c / sizeof *c; i++) {
		struct vm v = newvm();
		init(v.vcpu, c[i].f);
		out(N("cfg.%s.init", c[i].n), 0);
		if (!g_rc) {
			if (c[i].f & F_SVE) {
				finalize(v.vcpu, 4);
				out(N("cfg.%s.finalize", c[i].n), 0);
			}
			dumpcfg(c[i].n, &v);
		}
		delvm(&v);
	}
	struct vm v = newvm();
	struct kvm_enable_cap ec = {.cap = KVM_CAP_ARM_MTE};
	close(v.vcpu);
	close(v.fd);
	v.fd = ioctl(kvm, KVM_CREATE_VM, 0);
	IOC(v.fd, KVM_ENABLE_CAP, &ec);
	out("cfg.mte.enable_cap", 0);
	if (!g_rc) {
		v.vcpu = ioctl(v.fd, KVM_CREATE_VCPU, 0);
		init(v.vcpu, F_PSCI);
		dumpcfg("mte", &v);
		init(v.vcpu, F_PSCI | F_32);
		out("cfg.mte.init32_after", 0);
		close(v.vcpu);
		int m2 = ioctl(kvm, KVM_CREATE_VM, 0);
		ioctl(m2, KVM_ENABLE_CAP, &ec);
		int c2 = ioctl(m2, KVM_CREATE_VCPU, 0);
		init(c2, F_PSCI | F_32);
		out("cfg.mte.init32_fresh", 0);
		IOC(m2, KVM_ENABLE_CAP, &ec);
		out("cfg.mte.enable_cap_with_vcpu", 0);
		close(c2);
		close(m2);
	}
	close(v.fd);
	/* second vcpu: MPIDR etc. */
	v = ready(F_PSCI);
	for (int id = 1; id < 600; id = id * 7 + 2) {
		int c1 = ioctl(v.fd, KVM_CREATE_VCPU, id);
		if (c1 < 0)
			continue;
		init(c1, F_PSCI);
		get_say(N("mpidr.vcpu%d", id), c1, SYS(3, 0, 0, 0, 5));
		close(c1);
	}
	delvm(&v);
}
