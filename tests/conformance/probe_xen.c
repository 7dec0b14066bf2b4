/* A Xen VM's settings: KVM_XEN_HVM_CONFIG and the VM's attributes. */
#include "probe_xen.h"

#include <stdarg.h>

struct vm *v;
struct vcpu *c0, *c1;
int efd;
char nm[128];
const int vecs[10] = {0, 1, 2, 0xe, 0xf, 0x10, 0x1f, 0x20, 0xff, 0};
struct kvm_xen_hvm_attr hvm_got;
struct kvm_xen_vcpu_attr vcpu_got;

int hvm_set(struct vm *vm, const char *name, struct kvm_xen_hvm_attr attribute)
{
	return (int)answer(CALL(vm->fd, KVM_XEN_HVM_SET_ATTR, &attribute), "hvm.set.%s", name);
}

int hvm_get(struct vm *vm, int type, const char *name)
{
	memset(&hvm_got, 0x5a, sizeof hvm_got);
	hvm_got.type = (u16)type;
	return (int)answer(CALL(vm->fd, KVM_XEN_HVM_GET_ATTR, &hvm_got), "hvm.get.%s", name);
}

int vcpu_set(struct vcpu *c, const char *name, struct kvm_xen_vcpu_attr attribute)
{
	return (int)answer(CALL(c->fd, KVM_XEN_VCPU_SET_ATTR, &attribute), "vcpu.set.%s", name);
}

int vcpu_get(struct vcpu *c, int type, const char *name)
{
	memset(&vcpu_got, 0x5a, sizeof vcpu_got);
	vcpu_got.type = (u16)type;
	return (int)answer(CALL(c->fd, KVM_XEN_VCPU_GET_ATTR, &vcpu_got), "vcpu.get.%s", name);
}

void config_set(struct vm *vm, const char *name, u32 flags, u32 msr, u64 blob32, u64 blob64, u8 size32, u8 size64)
{
	struct kvm_xen_hvm_config config = {.flags = flags,
					    .msr = msr,
					    .blob_addr_32 = blob32,
					    .blob_addr_64 = blob64,
					    .blob_size_32 = size32,
					    .blob_size_64 = size64};

	answer(CALL(vm->fd, KVM_XEN_HVM_CONFIG, &config), "config.%s", name);
}

void target_set(struct vm *vm, const char *name, u32 send_port, u32 type, u32 flags, u32 port, u32 vcpu, u32 priority)
{
	struct kvm_xen_hvm_attr attribute = {.type = KVM_XEN_ATTR_TYPE_EVTCHN};

	attribute.u.evtchn.send_port = send_port;
	attribute.u.evtchn.type = type;
	attribute.u.evtchn.flags = flags;
	attribute.u.evtchn.deliver.port.port = port;
	attribute.u.evtchn.deliver.port.vcpu = vcpu;
	attribute.u.evtchn.deliver.port.priority = priority;
	hvm_set(vm, name, attribute);
}

/* shared_info: pending bits at 0x800, behind them as many mask bits as the guest's mode has ports. */
void say_ports(struct vm *vm, const char *name, int wide, int count, ...)
{
	const u8 *pending = vm->mem + SHARED_INFO + 0x800, *mask = pending + (wide ? 512 : 128);
	va_list ports;

	printf("%s:", name);
	va_start(ports, count);
	for (int i = 0; i < count; i++) {
		int port = va_arg(ports, int);

		printf(" port%d=%d,mask=%d", port, pending[port / 8] >> port % 8 & 1, mask[port / 8] >> port % 8 & 1);
	}
	va_end(ports);
	printf("\n");
}

void say_info(struct vm *vm, const char *name)
{
	const u8 *info = vm->mem + VCPU_INFO;
	u64 selector, arch[2];
	u32 version;

	memcpy(&selector, info + 8, 8);
	memcpy(arch, info + 16, 16);
	memcpy(&version, info + 32, 4);
	say("%s: upcall_pending=%d upcall_mask=%d sel64=%#lx arch=%#lx,%#lx time.version=%u", name, info[0], info[1], selector,
	    arch[0], arch[1], version);
}

u64 monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

u64 guest_clock(struct vm *vm)
{
	struct kvm_clock_data clock = {0};

	ioctl(vm->fd, KVM_GET_CLOCK, &clock);
	return clock.clock;
}

static void probe_config(void)
{
	say("## config flags");
	for (int i = 0; i < 10; i++) {
		sprintf(nm, "flag_bit%d.msr0", i);
		config_set(v, nm, 1u << i, 0, 0, 0, 0, 0);
		sprintf(nm, "flag_bit%d.msr40000000", i);
		config_set(v, nm, 1u << i, 0x40000000, 0, 0, 0, 0);
	}
	config_set(v, "flag_bit31", 1u << 31, 0x40000000, 0, 0, 0, 0);
	for (int m = 0; m < 8; m++) {
		u32 f = (m & 1 ? 2 : 0) | (m & 2 ? 0x20 : 0) | (m & 4 ? 0x80 : 0);
		sprintf(nm, "combo_%#x", f);
		config_set(v, nm, f, 0x40000000, 0, 0, 0, 0);
	}
	config_set(v, "intercept.blob32", 2, 0x40000000, 0x1000, 0, 0, 0);
	config_set(v, "intercept.blob64", 2, 0x40000000, 0, 0x1000, 0, 0);
	config_set(v, "intercept.size32", 2, 0x40000000, 0, 0, 1, 0);
	config_set(v, "intercept.size64", 2, 0x40000000, 0, 0, 0, 1);
	config_set(v, "nointercept.blobs", 0, 0x40000000, 0x1000, 0x2000, 1, 1);
	config_set(v, "nointercept.bogusblobs", 0, 0x40000000, ~0ULL, ~0ULL, 255, 255);
	config_set(v, "sendonly.blobs", 0x20, 0x40000000, 0x1000, 0x2000, 1, 1);
	u32 msrs[] = {0,	  1,	      0x10,	  0x1b,	      0x3fffffff, 0x40000000, 0x40000001,
		      0x40000200, 0x4fffffff, 0x50000000, 0x4b564d00, 0xc0000080, 0xffffffff};
	for (unsigned i = 0; i < sizeof msrs / 4; i++) {
		sprintf(nm, "msr_%#x", msrs[i]);
		config_set(v, nm, 2, msrs[i], 0, 0, 0, 0);
	}
	{
		struct kvm_xen_hvm_config c = {.msr = 0x40000000, .flags = 2};
		memset(c.pad2, 0xff, sizeof c.pad2);
		answer(CALL(v->fd, KVM_XEN_HVM_CONFIG, &c), "config.pad_nonzero");
	}
	answer(CALL(v->fd, KVM_XEN_HVM_CONFIG, (void *)8), "config.EFAULT");
	{
		struct vm *n = vm_create(0);
		config_set(n, "noirqchip", 0x22, 0x40000000, 0, 0, 0, 0);
		hvm_set(n, "noirqchip.UPCALL_VECTOR_0x20",
			(struct kvm_xen_hvm_attr){.type = KVM_XEN_ATTR_TYPE_UPCALL_VECTOR, .u.vector = 0x20});
		struct vcpu *c = vcpu_create(n, 0, 1);
		vcpu_set(c, "noirqchip.UPCALL_VECTOR_0x20",
			 (struct kvm_xen_vcpu_attr){.type = KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR, .u.vector = 0x20});
		vm_free(n, c);
	}
}

static void probe_untouched(void)
{
	say("## HVM attrs without KVM_XEN_HVM_CONFIG (fresh VM)");
	struct vm *f = vm_create(1);
	for (int t = 0; t <= 9; t++) {
		sprintf(nm, "fresh.type%d", t);
		if (!hvm_get(f, t, nm))
			say("hvm.get.fresh.type%d.val: %#llx %#llx", t, hvm_got.u.pad[0], hvm_got.u.pad[1]);
	}
	hvm_set(f, "fresh.LONG_MODE", (struct kvm_xen_hvm_attr){.type = 0, .u.long_mode = 1});
	hvm_set(f, "fresh.UPCALL", (struct kvm_xen_hvm_attr){.type = 2, .u.vector = 0x30});
	hvm_set(f, "fresh.XEN_VERSION", (struct kvm_xen_hvm_attr){.type = 4, .u.xen_version = 7});
	{
		struct vcpu *c = vcpu_create(f, 0, 1);
		for (int t = 0; t <= 11; t++) {
			sprintf(nm, "fresh.type%d", t);
			if (!vcpu_get(c, t, nm))
				say("vcpu.get.fresh.type%d.val: %#llx %#llx", t, vcpu_got.u.pad[0], vcpu_got.u.pad[1]);
		}
		vm_free(f, c);
	}

	config_set(v, "final.intercept+send", 0x22, 0x40000000, 0, 0, 0, 0);
	c0 = vcpu_create(v, 0, 1);
	c1 = vcpu_create(v, 5, 1);
}

static void probe_hvm_bad(void)
{
	say("## HVM attr unknown / bad");
	hvm_set(v, "type7", (struct kvm_xen_hvm_attr){.type = 7});
	hvm_set(v, "type0xffff", (struct kvm_xen_hvm_attr){.type = 0xffff});
	hvm_get(v, 3, "EVTCHN");
	hvm_get(v, 7, "type7");
	hvm_get(v, 0xffff, "type0xffff");
	answer(CALL(v->fd, KVM_XEN_HVM_SET_ATTR, (void *)8), "hvm.set.EFAULT");
	answer(CALL(v->fd, KVM_XEN_HVM_GET_ATTR, (void *)8), "hvm.get.EFAULT");
	{
		struct kvm_xen_hvm_attr a = {.type = 4, .u.xen_version = 3};
		a.pad[0] = a.pad[1] = a.pad[2] = 0xffff;
		hvm_set(v, "XEN_VERSION.pad_nonzero", a);
	}
}

static void probe_long_mode(void)
{
	say("## LONG_MODE");
	int lms[] = {0, 1, 2, 0xff, 0};
	for (int i = 0; i < 5; i++) {
		sprintf(nm, "LONG_MODE_%d", lms[i]);
		hvm_set(v, nm, (struct kvm_xen_hvm_attr){.type = 0, .u.long_mode = lms[i]});
		hvm_get(v, 0, nm);
		say("hvm.get.%s.val: %d rest=%#llx", nm, hvm_got.u.long_mode, hvm_got.u.pad[0]);
	}
}

static void probe_upcall_vector(void)
{
	say("## UPCALL_VECTOR");
	for (int i = 0; i < 10; i++) {
		sprintf(nm, "UPCALL_VECTOR_%#x", vecs[i]);
		hvm_set(v, nm, (struct kvm_xen_hvm_attr){.type = 2, .u.vector = vecs[i]});
		hvm_get(v, 2, nm);
		say("hvm.get.%s.val: %#x", nm, hvm_got.u.vector);
	}
}

static void probe_xen_version(void)
{
	say("## XEN_VERSION");
	u32 xv[] = {0, 0x40007, 0xffffffff, 0x4000d};
	for (int i = 0; i < 4; i++) {
		sprintf(nm, "XEN_VERSION_%#x", xv[i]);
		hvm_set(v, nm, (struct kvm_xen_hvm_attr){.type = 4, .u.xen_version = xv[i]});
		hvm_get(v, 4, nm);
		say("hvm.get.%s.val: %#x", nm, hvm_got.u.xen_version);
	}
}

static void probe_runstate_flag(void)
{
	say("## RUNSTATE_UPDATE_FLAG");
	for (int i = 0; i < 4; i++) {
		int fl[] = {1, 0, 2, 0};
		sprintf(nm, "RUNSTATE_UPDATE_FLAG_%d.%d", i, fl[i]);
		hvm_set(v, nm, (struct kvm_xen_hvm_attr){.type = 5, .u.long_mode = fl[i]});
		hvm_get(v, 5, nm);
		say("hvm.get.%s.val: %d", nm, hvm_got.u.long_mode);
	}
}

static void probe_shared_info(void)
{
	say("## SHARED_INFO (gfn)");
	{
		void *ro = mmap(0, 0x2000, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct kvm_userspace_memory_region m = {.slot = 1,
							.flags = KVM_MEM_READONLY,
							.guest_phys_addr = 0x800000,
							.memory_size = 0x2000,
							.userspace_addr = (u64)ro};
		answer(CALL(v->fd, KVM_SET_USER_MEMORY_REGION, &m), "memslot.readonly");
	}
	struct {
		const char *n;
		u64 g;
	} gf[] = {{"invalid", ~0ULL},	     {"notinslot", 0x10000},
		  {"roslot", 0x800},	     {"huge", 0x123456789abcdULL},
		  {"msb", 1ULL << 63},	     {"ok0", 0},
		  {"ok", SHARED_INFO >> 12}, {"ok_again", SHARED_INFO >> 12}};
	for (int i = 0; i < 8; i++) {
		sprintf(nm, "SHARED_INFO_%s", gf[i].n);
		hvm_set(v, nm, (struct kvm_xen_hvm_attr){.type = 1, .u.shared_info.gfn = gf[i].g});
		hvm_get(v, 1, nm);
		say("hvm.get.%s.gfn: %#llx", nm, hvm_got.u.shared_info.gfn);
		hvm_get(v, 6, "..HVA");
		say("hvm.get.%s.hva: %s", nm, hvm_got.u.shared_info.gfn ? "nonzero" : "0");
	}
	{
		u8 *s = v->mem + SHARED_INFO;
		say("shinfo.lm0.wallclock: ver32=%u sec32nz=%d hi32=%u ver64=%u sec64nz=%d", *(u32 *)(s + 0x900),
		    *(u32 *)(s + 0x904) != 0, *(u32 *)(s + 0x924), *(u32 *)(s + 0xc00), *(u32 *)(s + 0xc04) != 0);
		hvm_set(v, "LONG_MODE_1.with_shinfo", (struct kvm_xen_hvm_attr){.type = 0, .u.long_mode = 1});
		say("shinfo.lm1.wallclock: ver32=%u sec32nz=%d hi32=%u ver64=%u sec64nz=%d hi64=%u nsec<1e9=%d",
		    *(u32 *)(s + 0x900), *(u32 *)(s + 0x904) != 0, *(u32 *)(s + 0x924), *(u32 *)(s + 0xc00),
		    *(u32 *)(s + 0xc04) != 0, *(u32 *)(s + 0xc0c), *(u32 *)(s + 0xc08) < 1000000000);
		*(u32 *)(s + 0xc00) = 7;
		hvm_set(v, "LONG_MODE_1.again", (struct kvm_xen_hvm_attr){.type = 0, .u.long_mode = 1});
		say("shinfo.lm1.version_after_7: %u", *(u32 *)(s + 0xc00));
	}
}

static void probe_shared_info_hva(void)
{
	say("## SHARED_INFO_HVA");
	{
		void *un = mmap(0, 0x2000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		void *out = mmap(0, 0x2000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		void *ro = mmap(0, 0x2000, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct {
			const char *n;
			u64 a;
		} h[] = {{"unaligned", (u64)v->mem + SHARED_INFO + 8},
			 {"0", 0},
			 {"unmapped_pagealigned", 0x1000},
			 {"PROT_NONE", (u64)un},
			 {"PROT_READ", (u64)ro},
			 {"noncanonical", 1ULL << 63},
			 {"outside_memslots", (u64)out},
			 {"in_slot", (u64)v->mem + SHARED_INFO}};
		for (int i = 0; i < 8; i++) {
			sprintf(nm, "SHARED_INFO_HVA_%s", h[i].n);
			hvm_set(v, nm, (struct kvm_xen_hvm_attr){.type = 6, .u.shared_info.gfn = h[i].a});
			hvm_get(v, 6, nm);
			say("hvm.get.%s.hva: %s", nm,
			    !hvm_got.u.shared_info.gfn		  ? "0"
			    : hvm_got.u.shared_info.gfn == h[i].a ? "same"
								  : "other");
			hvm_get(v, 1, "..GFN");
			say("hvm.get.%s.gfn: %#llx", nm, hvm_got.u.shared_info.gfn);
		}
	}
	hvm_set(v, "SHARED_INFO_back_to_gfn", (struct kvm_xen_hvm_attr){.type = 1, .u.shared_info.gfn = SHARED_INFO >> 12});
}

void probe_xen(void)
{
	say("cap.XEN_HVM.system: %#x", ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM));
	v = vm_create(1);
	say("cap.XEN_HVM.vm: %#x", ioctl(v->fd, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM));
	probe_config();
	probe_untouched();
	probe_hvm_bad();
	probe_long_mode();
	probe_upcall_vector();
	probe_xen_version();
	probe_runstate_flag();
	probe_shared_info();
	probe_shared_info_hva();
	probe_xen_targets();
	probe_xen_vcpus();
	probe_xen_events();
	probe_xen_calls();
}
