/* What /dev/kvm itself answers: versions, capabilities, MSR lists, supported CPUID, attributes. */
#include "probe.h"

static void probe_versions(void)
{
	answer(CALL(kvm, KVM_GET_API_VERSION, 0), "KVM_GET_API_VERSION");
	answer(CALL(kvm, KVM_GET_API_VERSION, 1), "KVM_GET_API_VERSION.arg1");
	say("mmap_size: %d", run_size);
	answer(CALL(kvm, KVM_GET_VCPU_MMAP_SIZE, 1), "KVM_GET_VCPU_MMAP_SIZE.arg1");
	struct vm *v = vm_create(1);
	for (int i = 0; i < 256; i++) {
		int a = ioctl(kvm, KVM_CHECK_EXTENSION, i), b = ioctl(v->fd, KVM_CHECK_EXTENSION, i);

		if (a || b)
			say("cap[%d]: sys=%#x vm=%#x", i, a, b);
	}
	vm_free(v, 0);
	answer(CALL(kvm, KVM_CHECK_EXTENSION, 100000), "cap[100000]");
	answer(CALL(kvm, 0xae77, 0), "sys.unknown_ioctl");
	answer(CALL(kvm, KVM_GET_REGS, 0), "sys.vcpu_ioctl");
	for (int t = 0; t < 7; t++) {
		int f = CALL(kvm, KVM_CREATE_VM, (long)t);

		answer_fd(f, "CREATE_VM.type%d", t);
		if (f >= 0)
			close(f);
	}
	answer_fd(CALL(kvm, KVM_CREATE_VM, 99L), "CREATE_VM.type99");
}

static void probe_msr_lists(void)
{
	struct kvm_msr_list *l = calloc(1, 4 + 4 * 1024);

	l->nmsrs = 0;
	answer(CALL(kvm, KVM_GET_MSR_INDEX_LIST, l), "MSR_INDEX_LIST.n0");
	int n = l->nmsrs;
	say("n: %d", n);
	answer(CALL(kvm, KVM_GET_MSR_INDEX_LIST, l), "MSR_INDEX_LIST.exact");
	printf("msr_index_list:");
	for (u32 i = 0; i < l->nmsrs; i++)
		printf(" %#x", l->indices[i]);
	printf("\n");
	l->nmsrs = n - 1;
	answer(CALL(kvm, KVM_GET_MSR_INDEX_LIST, l), "MSR_INDEX_LIST.n-1");
	l->nmsrs = 0;
	answer(CALL(kvm, KVM_GET_MSR_FEATURE_INDEX_LIST, l), "FEATURE_LIST.n0");
	answer(CALL(kvm, KVM_GET_MSR_FEATURE_INDEX_LIST, l), "FEATURE_LIST");
	for (u32 i = 0; i < l->nmsrs; i++) {
		struct msr_one a = {.m.nmsrs = 1};

		a.e[0].index = l->indices[i];
		long r = CALL(kvm, KVM_GET_MSRS, &a);
		say("feature_msr[%#x]: rc=%ld val=%#llx", l->indices[i], r, a.e[0].data);
	}
	struct msr_one a = {.m.nmsrs = 1, .e[0].index = 0x10};
	answer(CALL(kvm, KVM_GET_MSRS, &a), "sys.GET_MSRS.nonfeature");
	answer(CALL(kvm, KVM_SET_MSRS, &a), "sys.SET_MSRS");
	free(l);
}

static void probe_supported_cpuid(void)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof *c + 256 * sizeof c->entries[0]);
	u32 ns[] = {0, 1, 5, 256, 300, 100000};

	for (int i = 0; i < 6; i++) {
		if (ns[i] > 256) {
			struct kvm_cpuid2 *d = calloc(1, sizeof *d + 300 * sizeof d->entries[0]);

			d->nent = ns[i];
			answer(CALL(kvm, KVM_GET_SUPPORTED_CPUID, d), "SUPPORTED_CPUID.n%u", ns[i]);
			say("nent_after: %s", d->nent < ns[i] ? "shrunk" : "same");
			free(d);
			if (ns[i] > 300)
				break;
			continue;
		}
		c->nent = ns[i];
		answer(CALL(kvm, KVM_GET_SUPPORTED_CPUID, c), "SUPPORTED_CPUID.n%u", ns[i]);
		say("nent_after: %u", c->nent);
	}
	c->nent = 256;
	ioctl(kvm, KVM_GET_SUPPORTED_CPUID, c);
	for (u32 i = 0; i < c->nent; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[i];

		say("cpuid[%#x.%#x]: flags=%u eax=%#x ebx=%#x ecx=%#x edx=%#x", e->function, e->index, e->flags, e->eax, e->ebx,
		    e->ecx, e->edx);
	}
	c->nent = 256;
	answer(CALL(kvm, KVM_GET_EMULATED_CPUID, c), "EMULATED_CPUID");
	for (u32 i = 0; i < c->nent; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[i];

		say("emul_cpuid[%#x.%#x]: flags=%u eax=%#x ebx=%#x ecx=%#x edx=%#x", e->function, e->index, e->flags, e->eax,
		    e->ebx, e->ecx, e->edx);
	}
	free(c);
}

static void probe_attributes(void)
{
	struct kvm_device_attr da = {0, 0, KVM_X86_XCOMP_GUEST_SUPP, 0};
	u64 x = 0;

	da.addr = (u64)&x;
	answer(CALL(kvm, KVM_HAS_DEVICE_ATTR, &da), "sys.HAS_ATTR.XCOMP");
	answer(CALL(kvm, KVM_GET_DEVICE_ATTR, &da), "sys.GET_ATTR.XCOMP");
	say("xcomp: %#lx", x);
	da.attr = 99;
	answer(CALL(kvm, KVM_HAS_DEVICE_ATTR, &da), "sys.HAS_ATTR.99");
	da.group = 7;
	answer(CALL(kvm, KVM_GET_DEVICE_ATTR, &da), "sys.GET_ATTR.group7");
	u64 mce = 0;
	answer(CALL(kvm, KVM_X86_GET_MCE_CAP_SUPPORTED, &mce), "MCE_CAP");
	say("mce_cap: %#lx", mce);
}

void probe_system(void)
{
	say("## system fd");
	probe_versions();
	probe_msr_lists();
	probe_supported_cpuid();
	probe_attributes();
}
