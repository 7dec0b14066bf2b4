/*
 * KVM_GET_REG_LIST: errors, and what a failed call leaves behind.
 */
#include "probe.h"

void sec_list_errors(void)
{
	printf("# C. KVM_GET_REG_LIST\n");
	struct vm v = newvm();
	struct kvm_reg_list *l = calloc(1, 8 + 8 * 4096);
	l->n = 0;
	IOC(v.vcpu, KVM_GET_REG_LIST, l);
	outx("reglist.before_init.n0", l->n);
	l->n = 4096;
	IOC(v.vcpu, KVM_GET_REG_LIST, l);
	outx("reglist.before_init.n4096", l->n);
	IOC(v.vcpu, KVM_GET_REG_LIST, (void *)8);
	out("reglist.before_init.efault", 0);
	init(v.vcpu, F_PSCI | F_SVE);
	l->n = 0;
	IOC(v.vcpu, KVM_GET_REG_LIST, l);
	outx("reglist.sve_unfinalized.n0", l->n);
	l->n = 4096;
	IOC(v.vcpu, KVM_GET_REG_LIST, l);
	outx("reglist.sve_unfinalized.n4096", l->n);
	IOC(v.vcpu, KVM_GET_REG_LIST, (void *)8);
	out("reglist.sve_unfinalized.efault", 0);
	finalize(v.vcpu, 4);
	l->n = 4096;
	IOC(v.vcpu, KVM_GET_REG_LIST, l);
	outx("reglist.sve_finalized.n4096", l->n);
	delvm(&v);
	v = ready(F_PSCI);
	l->n = 0;
	memset(l->reg, 0x5a, 64);
	IOC(v.vcpu, KVM_GET_REG_LIST, l);
	outx("reglist.n0", l->n);
	u64 n = l->n;
	printf("reglist.n0.reg0_untouched: %d\n", l->reg[0] == 0x5a5a5a5a5a5a5a5aull);
	l->n = n - 1;
	memset(l->reg, 0x5a, 64);
	IOC(v.vcpu, KVM_GET_REG_LIST, l);
	outx("reglist.n_minus_1", l->n);
	printf("reglist.n_minus_1.reg0_untouched: %d\n", l->reg[0] == 0x5a5a5a5a5a5a5a5aull);
	l->n = n;
	IOC(v.vcpu, KVM_GET_REG_LIST, l);
	outx("reglist.n_exact", l->n);
	l->n = n + 1;
	l->reg[n] = 0x5a;
	IOC(v.vcpu, KVM_GET_REG_LIST, l);
	outx("reglist.n_plus_1", l->n);
	printf("reglist.n_plus_1.tail_untouched: %d\n", l->reg[n] == 0x5a);
	l->n = BIT(32);
	IOC(v.vcpu, KVM_GET_REG_LIST, l);
	outx("reglist.n_2pow32", l->n);
	l->n = BIT(32) + n;
	IOC(v.vcpu, KVM_GET_REG_LIST, l);
	outx("reglist.n_2pow32_plus_n", l->n);
	l->n = ~0ull;
	IOC(v.vcpu, KVM_GET_REG_LIST, l);
	outx("reglist.n_all_ones", l->n);
	IOC(v.vcpu, KVM_GET_REG_LIST, (void *)8);
	out("reglist.efault", 0);
	IOC(v.vcpu, KVM_GET_REG_LIST, (void *)0);
	out("reglist.null", 0);
	/* array runs off the mapped page: n is written, then EFAULT */
	struct kvm_reg_list *e = (void *)(guard + psz - 8 - 8 * 4);
	e->n = 4096;
	IOC(v.vcpu, KVM_GET_REG_LIST, e);
	outx("reglist.array_partly_unmapped", e->n);
	printf("reglist.array_partly_unmapped.first: 0x%llx\n", (unsigned long long)e->reg[0]);
	e = (void *)(guard + psz - 8);
	e->n = 0;
	IOC(v.vcpu, KVM_GET_REG_LIST, e);
	outx("reglist.no_room_n0", e->n);
	/* read-only header page */
	char *ro = mmap(0, psz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	((struct kvm_reg_list *)ro)->n = 0;
	mprotect(ro, psz, PROT_READ);
	IOC(v.vcpu, KVM_GET_REG_LIST, ro);
	out("reglist.readonly_header", 0);
	delvm(&v);
	free(l);
}
