/*
 * Names of ioctls that arm64's headers alone have.
 */
#include "anykvm/arm64.h"

#include "anykvm/kvm.h"
#include "core/names.h"

#define ROW(name) { (unsigned int)name, #name }

static const struct {
	unsigned int cmd;
	const char *name;
} rows[] = {
	ROW(KVM_ARM_VCPU_INIT), ROW(KVM_ARM_PREFERRED_TARGET), ROW(KVM_ARM_VCPU_FINALIZE), ROW(KVM_ARM_SET_COUNTER_OFFSET),
	ROW(KVM_ARM_GET_REG_WRITABLE_MASKS), ROW(KVM_SET_GUEST_DEBUG),
};

const char *name_ioctl_arm64(unsigned int cmd)
{
	for (unsigned int i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].cmd == cmd)
			return rows[i].name;
	return NULL;
}
