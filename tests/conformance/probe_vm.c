/* What a VM answers: creation order, vCPU ids, enabled capabilities, interrupt controllers, clock, MSR filter, the run page. */
#include "probe.h"

static void probe_vm_setup(int f)
{
	answer(CALL(f, KVM_CREATE_IRQCHIP, 0), "CREATE_IRQCHIP");
	answer(CALL(f, KVM_CREATE_IRQCHIP, 0), "CREATE_IRQCHIP.dup");
	struct kvm_pit_config pc = {0};
	answer(CALL(f, KVM_CREATE_PIT2, &pc), "CREATE_PIT2");
	answer(CALL(f, KVM_CREATE_PIT2, &pc), "CREATE_PIT2.dup");
	answer(CALL(f, KVM_SET_TSS_ADDR, 0xfffbd000L), "SET_TSS_ADDR");
	answer(CALL(f, KVM_SET_TSS_ADDR, 0xffffe000L), "SET_TSS_ADDR.high");
	u64 im = 0xfffbc000;
	answer(CALL(f, KVM_SET_IDENTITY_MAP_ADDR, &im), "SET_IDENTITY_MAP_ADDR");
	answer(CALL(f, KVM_SET_BOOT_CPU_ID, 1L), "SET_BOOT_CPU_ID.1");
}

static void probe_vcpu_ids(int f, int *first, int *last)
{
	int c0 = CALL(f, KVM_CREATE_VCPU, 0L);

	answer_fd(c0, "CREATE_VCPU.0");
	answer_fd(CALL(f, KVM_CREATE_VCPU, 0L), "CREATE_VCPU.0.dup");
	int maxid = ioctl(f, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPU_ID);
	say("max_vcpu_id: %d", maxid);
	int ft = CALL(f, KVM_CREATE_VCPU, (long)maxid - 1);
	answer_fd(ft, "CREATE_VCPU.max-1");
	answer_fd(CALL(f, KVM_CREATE_VCPU, (long)maxid), "CREATE_VCPU.max");
	answer_fd(CALL(f, KVM_CREATE_VCPU, -1L), "CREATE_VCPU.-1");
	answer_fd(CALL(f, KVM_CREATE_VCPU, 0x100000000L), "CREATE_VCPU.1<<32");
	*first = c0;
	*last = ft;
}

static void probe_after_vcpu(int f)
{
	u64 im = 0xfffbc000;

	answer(CALL(f, KVM_SET_BOOT_CPU_ID, 0L), "SET_BOOT_CPU_ID.after");
	answer(CALL(f, KVM_SET_IDENTITY_MAP_ADDR, &im), "SET_IDENTITY_MAP_ADDR.after");
}

static void probe_irqchip_after_vcpu(void)
{
	int g = ioctl(kvm, KVM_CREATE_VM, 0L);
	int c = ioctl(g, KVM_CREATE_VCPU, 0L);

	answer(CALL(g, KVM_CREATE_IRQCHIP, 0), "CREATE_IRQCHIP.after_vcpu");
	struct kvm_enable_cap ec = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {24}};
	answer(CALL(g, KVM_ENABLE_CAP, &ec), "SPLIT_IRQCHIP.after_vcpu");
	struct kvm_pit_config p2 = {0};
	answer(CALL(g, KVM_CREATE_PIT2, &p2), "CREATE_PIT2.noirqchip");
	close(c);
	close(g);
}

static void probe_split_irqchip(void)
{
	int g = ioctl(kvm, KVM_CREATE_VM, 0L);
	struct kvm_enable_cap ec = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {24}};

	ec.flags = 1;
	answer(CALL(g, KVM_ENABLE_CAP, &ec), "SPLIT_IRQCHIP.flags1");
	ec.flags = 0;
	ec.args[0] = 999;
	answer(CALL(g, KVM_ENABLE_CAP, &ec), "SPLIT_IRQCHIP.999");
	ec.args[0] = 24;
	answer(CALL(g, KVM_ENABLE_CAP, &ec), "SPLIT_IRQCHIP.24");
	answer(CALL(g, KVM_ENABLE_CAP, &ec), "SPLIT_IRQCHIP.dup");
	answer(CALL(g, KVM_CREATE_IRQCHIP, 0), "CREATE_IRQCHIP.after_split");
	struct kvm_irqchip ic = {.chip_id = 0};
	answer(CALL(g, KVM_GET_IRQCHIP, &ic), "GET_IRQCHIP.split");
	close(g);
}

static void probe_enable_cap(int f)
{
	struct kvm_enable_cap ec = {.cap = 0};

	answer(CALL(f, KVM_ENABLE_CAP, &ec), "vm.ENABLE_CAP.0");
	ec.cap = 9999;
	answer(CALL(f, KVM_ENABLE_CAP, &ec), "vm.ENABLE_CAP.9999");
	ec.cap = KVM_CAP_X86_USER_SPACE_MSR;
	ec.args[0] = 0xff;
	answer(CALL(f, KVM_ENABLE_CAP, &ec), "vm.USER_SPACE_MSR.0xff");
	ec.args[0] = 7;
	answer(CALL(f, KVM_ENABLE_CAP, &ec), "vm.USER_SPACE_MSR.7");
	ec.cap = KVM_CAP_EXCEPTION_PAYLOAD;
	ec.args[0] = 2;
	answer(CALL(f, KVM_ENABLE_CAP, &ec), "vm.EXCEPTION_PAYLOAD.2");
	ec.cap = KVM_CAP_DISABLE_QUIRKS2;
	ec.args[0] = 1ull << 40;
	answer(CALL(f, KVM_ENABLE_CAP, &ec), "vm.DISABLE_QUIRKS2.bit40");
	ec.cap = KVM_CAP_X86_DISABLE_EXITS;
	ec.args[0] = 1 << 10;
	answer(CALL(f, KVM_ENABLE_CAP, &ec), "vm.DISABLE_EXITS.bit10");
	ec.args[0] = 2;
	answer(CALL(f, KVM_ENABLE_CAP, &ec), "vm.DISABLE_EXITS.hlt_after_vcpu");
	ec.cap = KVM_CAP_MAX_VCPU_ID;
	ec.args[0] = 3;
	answer(CALL(f, KVM_ENABLE_CAP, &ec), "vm.MAX_VCPU_ID.after");
	ec.cap = KVM_CAP_X2APIC_API;
	ec.args[0] = 4;
	answer(CALL(f, KVM_ENABLE_CAP, &ec), "vm.X2APIC_API.4");
}

static void probe_irqchip_state(int f)
{
	char nm[16];

	for (int i = 0; i < 5; i++) {
		struct kvm_irqchip ic = {.chip_id = i};

		answer(CALL(f, KVM_GET_IRQCHIP, &ic), "GET_IRQCHIP.%d", i);
		snprintf(nm, sizeof nm, "irqchip%d", i);
		if (i < 3)
			say_bytes(nm, &ic.chip, sizeof ic.chip);
		answer(CALL(f, KVM_SET_IRQCHIP, &ic), "SET_IRQCHIP.%d", i);
	}
}

static void probe_pit_state(int f)
{
	struct kvm_pit_state2 ps;

	memset(&ps, 0, sizeof ps);
	answer(CALL(f, KVM_GET_PIT2, &ps), "GET_PIT2");
	for (int i = 0; i < 3; i++)
		say("pit[%d]: count=%u latched=%u mode=%u gate=%u bcd=%u rw=%u", i, ps.channels[i].count,
		    ps.channels[i].latched_count, ps.channels[i].mode, ps.channels[i].gate, ps.channels[i].bcd,
		    ps.channels[i].rw_mode);
	say("pit.flags: %#x", ps.flags);
}

static void probe_clock(int f)
{
	struct kvm_clock_data cd;

	memset(&cd, 0, sizeof cd);
	answer(CALL(f, KVM_GET_CLOCK, &cd), "GET_CLOCK");
	say("clock.flags: %#x realtime_nz=%d host_tsc_nz=%d", cd.flags, cd.realtime != 0, cd.host_tsc != 0);
	memset(&cd, 0, sizeof cd);
	cd.clock = 1000;
	cd.flags = 0;
	answer(CALL(f, KVM_SET_CLOCK, &cd), "SET_CLOCK.0");
	cd.flags = 2;
	answer(CALL(f, KVM_SET_CLOCK, &cd), "SET_CLOCK.flags2(TSC_STABLE)");
	cd.flags = 4;
	answer(CALL(f, KVM_SET_CLOCK, &cd), "SET_CLOCK.flags4(REALTIME)");
	cd.flags = 8;
	answer(CALL(f, KVM_SET_CLOCK, &cd), "SET_CLOCK.flags8");
	cd.flags = 16;
	answer(CALL(f, KVM_SET_CLOCK, &cd), "SET_CLOCK.flags16");
}

static void probe_foreign_ioctls(int f)
{
	answer(CALL(f, 0xae77, 0), "vm.unknown_ioctl");
	answer(CALL(f, KVM_GET_REGS, 0), "vm.vcpu_ioctl");
	answer_fd(CALL(f, KVM_GET_STATS_FD, 0L), "vm.GET_STATS_FD");
	answer_fd(CALL(f, KVM_GET_STATS_FD, 1L), "vm.GET_STATS_FD.arg1");
}

static void probe_interrupts(int f)
{
	struct kvm_msi m = {.address_lo = 0xfee00000, .data = 0x30};

	answer(CALL(f, KVM_SIGNAL_MSI, &m), "SIGNAL_MSI");
	m.flags = 4;
	answer(CALL(f, KVM_SIGNAL_MSI, &m), "SIGNAL_MSI.flags4");
	memset(&m, 0, sizeof m);
	answer(CALL(f, KVM_SIGNAL_MSI, &m), "SIGNAL_MSI.vector0");
	struct kvm_irq_level il = {.irq = 5, .level = 1};
	answer(CALL(f, KVM_IRQ_LINE, &il), "IRQ_LINE.5");
	il.irq = 5;
	answer(CALL(f, KVM_IRQ_LINE_STATUS, &il), "IRQ_LINE_STATUS.5");
	say("status: %d", il.status);
	il.irq = 9999;
	answer(CALL(f, KVM_IRQ_LINE, &il), "IRQ_LINE.9999");
}

static void probe_msr_filter(int f)
{
	struct kvm_msr_filter mf = {0};

	mf.flags = 1;
	answer(CALL(f, KVM_X86_SET_MSR_FILTER, &mf), "MSR_FILTER.deny_empty");
	mf.flags = 0;
	answer(CALL(f, KVM_X86_SET_MSR_FILTER, &mf), "MSR_FILTER.allow_empty");
	mf.flags = 2;
	answer(CALL(f, KVM_X86_SET_MSR_FILTER, &mf), "MSR_FILTER.flags2");
	mf.flags = 0;
	static u8 bm[0x600];
	mf.ranges[0] = (struct kvm_msr_filter_range){.flags = 4, .nmsrs = 8, .base = 0, .bitmap = bm};
	answer(CALL(f, KVM_X86_SET_MSR_FILTER, &mf), "MSR_FILTER.rangeflags4");
	mf.ranges[0].flags = 3;
	mf.ranges[0].nmsrs = 0x3000;
	answer(CALL(f, KVM_X86_SET_MSR_FILTER, &mf), "MSR_FILTER.n3000");
	mf.ranges[0].nmsrs = 0x3001;
	answer(CALL(f, KVM_X86_SET_MSR_FILTER, &mf), "MSR_FILTER.n3001");
	mf.ranges[0].flags = 0;
	mf.ranges[0].nmsrs = 8;
	answer(CALL(f, KVM_X86_SET_MSR_FILTER, &mf), "MSR_FILTER.rangeflags0");
	mf.ranges[0].flags = 1;
	mf.ranges[0].bitmap = (void *)8;
	answer(CALL(f, KVM_X86_SET_MSR_FILTER, &mf), "MSR_FILTER.badbitmap");
	mf.ranges[0].nmsrs = 0;
	answer(CALL(f, KVM_X86_SET_MSR_FILTER, &mf), "MSR_FILTER.restore");
}

static void *mmap_try(int fd, size_t size, int protection, int flags, const char *name)
{
	void *mapping = mmap(NULL, size, protection, flags, fd, 0);

	say("vcpu.mmap%s: %s", name, mapping == MAP_FAILED ? error_name(errno) : "ok");
	return mapping;
}

static struct kvm_run *probe_vcpu_mmap(int fd)
{
	struct kvm_run *run = mmap_try(fd, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, "");
	ssize_t n;
	char byte;

	mmap_try(fd, 3 * run_size, PROT_READ | PROT_WRITE, MAP_SHARED, ".3x");
	mmap_try(fd, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, ".private");
	mmap_try(fd, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, ".exec");
	n = read(fd, &byte, 1);
	say("vcpu.read: %zd %s", n, error_name(errno));
	return run;
}

static void probe_run_page(struct kvm_run *run)
{
	say("run.initial: request_interrupt_window=%u immediate_exit=%u exit_reason=%u ready=%u if_flag=%u flags=%#x cr8=%llu "
	    "apic_base=%#llx valid=%#llx dirty=%#llx",
	    run->request_interrupt_window, run->immediate_exit, run->exit_reason, run->ready_for_interrupt_injection,
	    run->if_flag, run->flags, run->cr8, run->apic_base, run->kvm_valid_regs, run->kvm_dirty_regs);
}

void probe_vm(void)
{
	int c0, ft, f = ioctl(kvm, KVM_CREATE_VM, 0L);

	say("## VM fd");
	probe_vm_setup(f);
	probe_vcpu_ids(f, &c0, &ft);
	probe_after_vcpu(f);
	probe_irqchip_after_vcpu();
	probe_split_irqchip();
	probe_enable_cap(f);
	probe_irqchip_state(f);
	probe_pit_state(f);
	probe_clock(f);
	probe_foreign_ioctls(f);
	probe_interrupts(f);
	probe_msr_filter(f);
	probe_run_page(probe_vcpu_mmap(c0));
	close(f);
	close(c0);
	close(ft);
}
