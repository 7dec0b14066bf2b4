/*
 * What --trace shows of KVMs of arm64 guests alone.
 */
#include "anykvm/arm64.h"

#include "anykvm/kvm.h"
#include "shim/trace.h"

static void show_init(struct line *line, const void *data, long result)
{
	const struct kvm_vcpu_init *init = data;

	(void)result;
	add(line, "{target=%u, features=[0x%x, 0x%x, ...]}", init->target, init->features[0], init->features[1]);
}

static void show_feature(struct line *line, const void *data, long result)
{
	(void)result;
	add(line, "{%d}", *(const int *)data);
}

static void show_events(struct line *line, const void *data, long result)
{
	const struct kvm_vcpu_events *events = data;

	(void)result;
	add(line, "{serror_pending=%u, serror_has_esr=%u, serror_esr=0x%llx, ext_dabt_pending=%u}", events->exception.serror_pending, events->exception.serror_has_esr,
	    (unsigned long long)events->exception.serror_esr, events->exception.ext_dabt_pending);
}

static void show_guest_debug(struct line *line, const void *data, long result)
{
	const struct kvm_guest_debug *debug = data;

	(void)result;
	add(line, "{control=0x%x, bcr0=0x%llx, bvr0=0x%llx, wcr0=0x%llx, wvr0=0x%llx, ...}", debug->control, (unsigned long long)debug->arch.dbg_bcr[0],
	    (unsigned long long)debug->arch.dbg_bvr[0], (unsigned long long)debug->arch.dbg_wcr[0], (unsigned long long)debug->arch.dbg_wvr[0]);
}

static void show_irq_level(struct line *line, const void *data, long result)
{
	const struct kvm_irq_level *irq = data;

	(void)result;
	add(line, "{irq=0x%x, level=%u}", irq->irq, irq->level);
}

static void show_device_attr(struct line *line, const void *data, long result)
{
	const struct kvm_device_attr *attribute = data;

	(void)result;
	add(line, "{group=%u, attr=%llu, addr=0x%llx}", attribute->group, (unsigned long long)attribute->attr, (unsigned long long)attribute->addr);
}

static void show_counter_offset(struct line *line, const void *data, long result)
{
	(void)result;
	add(line, "{counter_offset=0x%llx}", (unsigned long long)((const struct kvm_arm_counter_offset *)data)->counter_offset);
}

static const struct trace_show shows[] = {
	{ (unsigned int)KVM_ARM_VCPU_INIT, sizeof(struct kvm_vcpu_init), show_init },
	{ (unsigned int)KVM_ARM_PREFERRED_TARGET, sizeof(struct kvm_vcpu_init), show_init },
	{ (unsigned int)KVM_ARM_VCPU_FINALIZE, sizeof(int), show_feature },
	{ (unsigned int)KVM_GET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events), show_events },
	{ (unsigned int)KVM_SET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events), show_events },
	{ (unsigned int)KVM_SET_GUEST_DEBUG, sizeof(struct kvm_guest_debug), show_guest_debug },
	{ (unsigned int)KVM_IRQ_LINE, sizeof(struct kvm_irq_level), show_irq_level },
	{ (unsigned int)KVM_HAS_DEVICE_ATTR, sizeof(struct kvm_device_attr), show_device_attr },
	{ (unsigned int)KVM_GET_DEVICE_ATTR, sizeof(struct kvm_device_attr), show_device_attr },
	{ (unsigned int)KVM_SET_DEVICE_ATTR, sizeof(struct kvm_device_attr), show_device_attr },
	{ (unsigned int)KVM_ARM_SET_COUNTER_OFFSET, sizeof(struct kvm_arm_counter_offset), show_counter_offset },
	{ 0, 0, NULL },
};

static void show_exit(struct line *line, const struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_DEBUG:
		add(line, " {hsr=0x%x, far=0x%llx}", run->debug.arch.hsr, (unsigned long long)run->debug.arch.far);
		break;
	case KVM_EXIT_HYPERCALL:
		add(line, " {nr=0x%llx}", (unsigned long long)run->hypercall.nr);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		add(line, " {type=%u, data[0]=0x%llx}", run->system_event.type, (unsigned long long)run->system_event.data[0]);
		break;
	case KVM_EXIT_ARM_NISV:
		add(line, " {esr_iss=0x%llx, fault_ipa=0x%llx}", (unsigned long long)run->arm_nisv.esr_iss, (unsigned long long)run->arm_nisv.fault_ipa);
		break;
	}
}

const struct trace_arch trace_arm64 = { shows, NULL, show_exit };
