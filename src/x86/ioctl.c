/*
 * The vCPU's ioctls: which command word leads where, and the way of arguments in and out. Must never know what a register
 * means. The vCPU's mutex is held for the whole of each call, as in Linux.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/command.h"
#include "core/user.h"
#include "core/visit.h"
#include "core/why.h"
#include "x86/ioctl.h"
#include "x86/hyperv.h"
#include "x86/pv.h"
#include "x86/xen/xen.h"

/* ---- Arguments of fixed size: the command word tells size and direction. `data` is our own copy. ---- */

static int do_get_regs(void *cpu, void *data)
{
	regs_get(cpu, data);
	return 0;
}

static int do_set_regs(void *cpu, void *data)
{
	return regs_set(cpu, data);
}

static int do_get_sregs(void *cpu, void *data)
{
	sregs_get(cpu, data);
	return 0;
}

static int do_set_sregs(void *cpu, void *data)
{
	return sregs_set(cpu, data);
}

static int do_get_sregs2(void *cpu, void *data)
{
	sregs2_get(cpu, data);
	return 0;
}

static int do_set_sregs2(void *cpu, void *data)
{
	return sregs2_set(cpu, data);
}

static int do_get_fpu(void *cpu, void *data)
{
	fpu_get(cpu, data);
	return 0;
}

static int do_set_fpu(void *cpu, void *data)
{
	return fpu_set(cpu, data);
}

static int do_get_xsave(void *cpu, void *data)
{
	xsave_get(cpu, data);
	return 0;
}

static int do_set_xsave(void *cpu, void *data)
{
	return xsave_set(cpu, data);
}

static int do_get_xcrs(void *cpu, void *data)
{
	xcrs_get(cpu, data);
	return 0;
}

static int do_set_xcrs(void *cpu, void *data)
{
	return xcrs_set(cpu, data);
}

static int do_get_debugregs(void *cpu, void *data)
{
	debugregs_get(cpu, data);
	return 0;
}

static int do_set_debugregs(void *cpu, void *data)
{
	return debugregs_set(cpu, data);
}

static int do_get_events(void *cpu, void *data)
{
	events_get(cpu, data);
	return 0;
}

static int do_set_events(void *cpu, void *data)
{
	return events_set(cpu, data);
}

static int do_get_mp_state(void *cpu, void *data)
{
	return mp_state_get(cpu, data);
}

static int do_set_mp_state(void *cpu, void *data)
{
	return mp_state_set(cpu, data);
}

static int do_get_lapic(void *cpu, void *data)
{
	return lapic_get(cpu, data);
}

static int do_set_lapic(void *cpu, void *data)
{
	return lapic_set(cpu, data);
}

static int do_interrupt(void *cpu, void *data)
{
	return interrupt_inject(cpu, ((const struct kvm_interrupt *)data)->irq);
}

static int do_guest_debug(void *cpu, void *data)
{
	return guest_debug_set(cpu, data);
}

static int do_translate(void *cpu, void *data)
{
	return translate(cpu, data);
}

static int do_tpr_access_reporting(void *cpu, void *data)
{
	return tpr_access_reporting(cpu, data);
}

static int do_setup_mce(void *cpu, void *data)
{
	return mce_setup(cpu, *(const uint64_t *)data);
}

static int do_set_mce(void *cpu, void *data)
{
	return mce_set(cpu, data);
}

static int do_enable_cap(void *cpu, void *data)
{
	return vcpu_enable_cap(cpu, data);
}

static int do_xen_get(void *cpu, void *data)
{
	return xen_vcpu_get(cpu, data);
}

static int do_xen_set(void *cpu, void *data)
{
	return xen_vcpu_set(cpu, data);
}

/* ---- Attributes of the vCPU: KVM_VCPU_TSC_CTRL is the only group (kernel document virt/kvm/devices/vcpu.rst, 4). ---- */

static int attribute_check(const struct kvm_device_attr *attribute)
{
	if (attribute->group != KVM_VCPU_TSC_CTRL)
		return why(-ENXIO, "group: %u is not KVM_VCPU_TSC_CTRL, the only one", attribute->group);
	if (attribute->attr != KVM_VCPU_TSC_OFFSET)
		return why(-ENXIO, "attr: %llu is not KVM_VCPU_TSC_OFFSET, the only one", attribute->attr);
	return 0;
}

static int do_has_attribute(void *cpu, void *data)
{
	(void)cpu;
	return attribute_check(data);
}

static int do_get_attribute(void *cpu, void *data)
{
	const struct kvm_device_attr *attribute = data;
	uint64_t offset = tsc_offset_get(cpu);
	int error = attribute_check(attribute);

	if (!error && user_write(attribute->addr, &offset, sizeof(offset)))
		error = why(-EFAULT, "addr: %#llx cannot be written", attribute->addr);
	return error;
}

static int do_set_attribute(void *cpu, void *data)
{
	const struct kvm_device_attr *attribute = data;
	uint64_t offset;
	int error = attribute_check(attribute);

	if (!error && user_read(&offset, attribute->addr, sizeof(offset)))
		error = why(-EFAULT, "addr: %#llx cannot be read", attribute->addr);
	if (!error)
		tsc_offset_set(cpu, offset);
	return error;
}

/* ---- Arguments of other kinds: numbers, none, and headers with arrays behind them. ---- */

int msr_entries_read(unsigned long arg, struct kvm_msr_entry *entries)
{
	struct kvm_msrs header;

	if (user_read(&header, arg, sizeof(header)))
		return why(-EFAULT, "argument: %#lx cannot be read", arg);
	if (header.nmsrs >= MSR_ENTRIES_LIMIT)
		return why(-E2BIG, "nmsrs: %u is not below %u", header.nmsrs, MSR_ENTRIES_LIMIT);
	if (user_read(entries, arg + sizeof(header), header.nmsrs * sizeof(*entries)))
		return why(-EFAULT, "entries: %u of them cannot be read", header.nmsrs);
	return (int)header.nmsrs;
}

long msr_entries_write(unsigned long arg, const struct kvm_msr_entry *entries, int count, int done)
{
	if (user_write(arg + sizeof(struct kvm_msrs), entries, (size_t)count * sizeof(*entries)))
		return why(-EFAULT, "entries: %d of them cannot be written", count);
	return done;
}

static long do_get_msrs(void *cpu, unsigned long arg)
{
	struct kvm_msr_entry entries[MSR_ENTRIES_LIMIT];
	int count = msr_entries_read(arg, entries), done = 0;

	if (count < 0)
		return count;
	while (done < count) {
		uint64_t value;

		if (msr_read(cpu, entries[done].index, true, &value))
			break;
		entries[done++].data = value;
	}
	return msr_entries_write(arg, entries, count, done);
}

static long do_set_msrs(void *cpu, unsigned long arg)
{
	struct kvm_msr_entry entries[MSR_ENTRIES_LIMIT];
	int count = msr_entries_read(arg, entries), done = 0;

	if (count < 0)
		return count;
	while (done < count && !msr_write(cpu, entries[done].index, true, entries[done].data))
		done++;
	return done;
}

/* Reads the header of a CPUID table: the number of entries that it tells. */
static long cpuid_header_read(unsigned long arg, uint32_t *count)
{
	struct kvm_cpuid2 header;

	if (user_read(&header, arg, sizeof(header)))
		return why(-EFAULT, "argument: %#lx cannot be read", arg);
	*count = header.nent;
	return 0;
}

static int cpuid_count_check(uint32_t count)
{
	if (count > CPUID_ENTRIES_MAX)
		return why(-E2BIG, "nent: %u is more than %u", count, CPUID_ENTRIES_MAX);
	return 0;
}

static long cpuid_give(struct x86_vcpu *cpu, struct kvm_cpuid_entry2 *entries, uint32_t count)
{
	int error = cpuid_set(cpu, entries, count);

	if (error)
		free(entries);
	return error;
}

static long do_set_cpuid2(void *cpu, unsigned long arg)
{
	struct kvm_cpuid_entry2 *entries;
	uint32_t count = 0;
	long error = cpuid_header_read(arg, &count);

	if (!error)
		error = cpuid_count_check(count);
	if (error)
		return error;
	if (!count)
		return cpuid_give(cpu, NULL, 0);
	entries = malloc(count * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	if (user_read(entries, arg + sizeof(struct kvm_cpuid2), count * sizeof(*entries))) {
		free(entries);
		return why(-EFAULT, "entries: %u of them cannot be read", count);
	}
	return cpuid_give(cpu, entries, count);
}

/* The older table has neither index nor flags. */
static long do_set_cpuid(void *cpu, unsigned long arg)
{
	struct kvm_cpuid_entry old[CPUID_ENTRIES_MAX];
	struct kvm_cpuid_entry2 *entries;
	uint32_t count = 0;
	long error = cpuid_header_read(arg, &count);

	if (!error)
		error = cpuid_count_check(count);
	if (error)
		return error;
	if (!count)
		return cpuid_give(cpu, NULL, 0);
	if (user_read(old, arg + sizeof(struct kvm_cpuid), count * sizeof(old[0])))
		return why(-EFAULT, "entries: %u of them cannot be read", count);
	entries = calloc(count, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		entries[i] = (struct kvm_cpuid_entry2) { .function = old[i].function, .eax = old[i].eax, .ebx = old[i].ebx,
							 .ecx = old[i].ecx, .edx = old[i].edx };
	return cpuid_give(cpu, entries, count);
}

static long do_get_cpuid2(void *cpu, unsigned long arg)
{
	struct kvm_cpuid_entry2 entries[CPUID_ENTRIES_MAX];
	struct kvm_cpuid2 header = { 0 };
	uint32_t count = 0;
	long error = cpuid_header_read(arg, &count);

	if (error)
		return error;
	count = count < CPUID_ENTRIES_MAX ? count : CPUID_ENTRIES_MAX;
	error = cpuid_get(cpu, entries, &count);
	if (error)
		return error;
	header.nent = count;
	if (user_write(arg + sizeof(header), entries, count * sizeof(entries[0])) || user_write(arg, &header, sizeof(header)))
		return why(-EFAULT, "argument: %#lx cannot take %u entries", arg, count);
	return 0;
}

static long do_set_tsc_khz(void *cpu, unsigned long arg)
{
	return tsc_khz_set(cpu, (uint32_t)arg);
}

static long do_get_tsc_khz(void *cpu, unsigned long arg)
{
	(void)arg;
	return tsc_khz_get(cpu);
}

static long do_nmi(void *cpu, unsigned long arg)
{
	(void)arg;
	return nmi_inject(cpu);
}

static long do_smi(void *cpu, unsigned long arg)
{
	(void)arg;
	return smi_inject(cpu);
}

static long do_get_supported_hv_cpuid(void *cpu, unsigned long arg)
{
	(void)cpu;
	return hyperv_get_supported_cpuid(arg);
}

static long do_kvmclock_ctrl(void *cpu, unsigned long arg)
{
	(void)arg;
	return kvmclock_ctrl(cpu);
}

/* What is left of the range goes back even when the call fails. */
static long do_pre_fault(void *self, unsigned long arg)
{
	struct x86_vcpu *cpu = self;
	struct kvm_pre_fault_memory range;
	int error;

	if (user_read(&range, arg, sizeof(range)))
		return why(-EFAULT, "argument: %#lx cannot be read", arg);
	error = vm_pre_fault(cpu->vcpu.vm, &range);
	if (user_write(arg, &range, sizeof(range)))
		return why(-EFAULT, "argument: %#lx cannot be written", arg);
	return error;
}

/* ---- The table. ---- */

/* Refused without a local APIC in the kernel, before the argument is looked at. */
#define NEEDS_LAPIC 1u

static const struct command commands[COMMAND_TABLE_SIZE] = {
	COMMAND(KVM_RUN, .direct = vcpu_run),
	COMMAND(KVM_GET_REGS, .fixed = do_get_regs),
	COMMAND(KVM_SET_REGS, .fixed = do_set_regs),
	COMMAND(KVM_GET_SREGS, .fixed = do_get_sregs),
	COMMAND(KVM_SET_SREGS, .fixed = do_set_sregs),
	COMMAND(KVM_GET_SREGS2, .fixed = do_get_sregs2),
	COMMAND(KVM_SET_SREGS2, .fixed = do_set_sregs2),
	COMMAND(KVM_GET_FPU, .fixed = do_get_fpu),
	COMMAND(KVM_SET_FPU, .fixed = do_set_fpu),
	COMMAND(KVM_GET_XSAVE, .fixed = do_get_xsave),
	COMMAND(KVM_GET_XSAVE2, .fixed = do_get_xsave),
	COMMAND(KVM_SET_XSAVE, .fixed = do_set_xsave),
	COMMAND(KVM_GET_XCRS, .fixed = do_get_xcrs),
	COMMAND(KVM_SET_XCRS, .fixed = do_set_xcrs),
	COMMAND(KVM_GET_DEBUGREGS, .fixed = do_get_debugregs),
	COMMAND(KVM_SET_DEBUGREGS, .fixed = do_set_debugregs),
	COMMAND(KVM_GET_VCPU_EVENTS, .fixed = do_get_events),
	COMMAND(KVM_SET_VCPU_EVENTS, .fixed = do_set_events),
	COMMAND(KVM_GET_MP_STATE, .fixed = do_get_mp_state),
	COMMAND(KVM_SET_MP_STATE, .fixed = do_set_mp_state),
	COMMAND(KVM_GET_LAPIC, .fixed = do_get_lapic, .flags = NEEDS_LAPIC),
	COMMAND(KVM_SET_LAPIC, .fixed = do_set_lapic, .flags = NEEDS_LAPIC),
	COMMAND(KVM_GET_MSRS, .direct = do_get_msrs),
	COMMAND(KVM_SET_MSRS, .direct = do_set_msrs),
	COMMAND(KVM_SET_CPUID, .direct = do_set_cpuid),
	COMMAND(KVM_SET_CPUID2, .direct = do_set_cpuid2),
	COMMAND(KVM_GET_CPUID2, .direct = do_get_cpuid2),
	COMMAND(KVM_GET_ONE_REG, .direct = vcpu_get_one_reg),
	COMMAND(KVM_SET_ONE_REG, .direct = vcpu_set_one_reg),
	COMMAND(KVM_GET_MANY_REGS, .direct = vcpu_get_many_regs),
	COMMAND(KVM_SET_MANY_REGS, .direct = vcpu_set_many_regs),
	COMMAND(KVM_GET_REG_LIST, .direct = vcpu_get_reg_list),
	COMMAND(KVM_SET_SIGNAL_MASK, .direct = vcpu_set_signal_mask),
	COMMAND(KVM_INTERRUPT, .fixed = do_interrupt),
	COMMAND(KVM_NMI, .direct = do_nmi),
	COMMAND(KVM_SMI, .direct = do_smi),
	COMMAND(KVM_SET_GUEST_DEBUG, .fixed = do_guest_debug),
	COMMAND(KVM_TRANSLATE, .fixed = do_translate),
	COMMAND(KVM_TPR_ACCESS_REPORTING, .fixed = do_tpr_access_reporting),
	COMMAND(KVM_X86_SETUP_MCE, .fixed = do_setup_mce),
	COMMAND(KVM_X86_SET_MCE, .fixed = do_set_mce),
	COMMAND(KVM_SET_TSC_KHZ, .direct = do_set_tsc_khz),
	COMMAND(KVM_GET_TSC_KHZ, .direct = do_get_tsc_khz),
	COMMAND(KVM_GET_SUPPORTED_HV_CPUID, .direct = do_get_supported_hv_cpuid),
	COMMAND(KVM_KVMCLOCK_CTRL, .direct = do_kvmclock_ctrl),
	COMMAND(KVM_ENABLE_CAP, .fixed = do_enable_cap),
	COMMAND(KVM_HAS_DEVICE_ATTR, .fixed = do_has_attribute),
	COMMAND(KVM_GET_DEVICE_ATTR, .fixed = do_get_attribute),
	COMMAND(KVM_SET_DEVICE_ATTR, .fixed = do_set_attribute),
	COMMAND(KVM_XEN_VCPU_GET_ATTR, .fixed = do_xen_get),
	COMMAND(KVM_XEN_VCPU_SET_ATTR, .fixed = do_xen_set),
	COMMAND(KVM_GET_STATS_FD, .direct = vcpu_get_stats_fd),
	COMMAND(KVM_PRE_FAULT_MEMORY, .direct = do_pre_fault),
};

static int lapic_check(struct vcpu *vcpu)
{
	return x86_vcpu(vcpu)->lapic ? 0 : why(-EINVAL, "the VM has no local APIC in the kernel (KVM_CREATE_IRQCHIP)");
}

/* Not inside the guest, and nobody else at the vCPU: its own thread, parked, or a thread that finds the mutex free. */
static bool visit_enter(struct x86_vcpu *cpu, bool *locked)
{
	*locked = vcpu_running != &cpu->vcpu && !pthread_mutex_trylock(&cpu->vcpu.mutex);
	return *locked || (vcpu_running == &cpu->vcpu && visit_parked());
}

static void vcpu_visit(struct object *object, struct visit *visit)
{
	struct x86_vcpu *cpu = (struct x86_vcpu *)object;
	const struct command *command = command_find(commands, visit->cmd);
	bool locked;

	if (!visit_enter(cpu, &locked)) {
		visit->state = VISIT_BUSY;
		visit->runner = atomic_load(&cpu->vcpu.runner);
		kick_set(&cpu->vcpu.kick, REQUEST_VISIT);
		return;
	}
	visit->unfinished = cpu->completion != COMPLETE_NONE || cpu->step_open;
	visit->state = visit->look ? VISIT_IDLE : VISIT_DONE;
	if (visit->look) /* whoever runs it next parks */
		kick_set(&cpu->vcpu.kick, REQUEST_VISIT);
	else
		visit->result = command && visit->cmd != (unsigned int)KVM_RUN ? vcpu_command(&cpu->vcpu, command, visit->arg) : -EINVAL;
	if (locked)
		pthread_mutex_unlock(&cpu->vcpu.mutex);
}

const struct vcpu_ops x86_vcpu_ops = {
	.object = { .kind = "vcpu", .arch = KVM_REG_X86, .ioctl = vcpu_ioctl, .visit = vcpu_visit, .release = vcpu_release },
	.size = sizeof(struct x86_vcpu),
	.create = x86_vcpu_create,
	.destroy = x86_vcpu_destroy,
	.run = x86_vcpu_run,
	.registers = &x86_register_ops,
	.commands = commands,
	.ready = lapic_check,
};
