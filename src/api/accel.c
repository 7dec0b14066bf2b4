/*
 * Which KVM answers.
 */
#include "api/accel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "anykvm/kvm.h"
#include "core/object.h"
#include "core/why.h"
#include "host/host.h"
#include "soft/open.h"

/* The software KVM's x86 guests run on x86-64 hosts, its arm64 guests on these and on arm64 ones, where they are what is meant without a word. */
static long soft_open(uint64_t arch, int flags)
{
#ifdef ANYKVM_SOFT_X86
	if (!arch || arch == KVM_REG_X86)
		return soft_x86_open(flags);
#endif
#ifdef ANYKVM_SOFT_ARM64
	if (!arch || arch == KVM_REG_ARM64)
		return soft_arm64_open(flags);
#endif
	(void)flags;
	return why(-EINVAL, "the software KVM has no %s guests", anykvm_arch_name(arch) ? anykvm_arch_name(arch) : "such");
}

static long host_open(uint64_t arch, int flags)
{
	if (arch && arch != host_arch())
		return why(-ENODEV, "this machine's KVM has no %s guests", anykvm_arch_name(arch) ? anykvm_arch_name(arch) : "such");
	return host_system_open(flags);
}

enum anykvm_accel accel_resolve(enum anykvm_accel accel, uint64_t arch)
{
	long fd;

	if (accel != ANYKVM_ACCEL_AUTO)
		return accel;
	fd = host_open(arch, O_CLOEXEC);
	if (fd < 0) {
		why_clear();
		return ANYKVM_ACCEL_SOFT;
	}
	fd_forget((int)fd);
	syscall(SYS_close, fd);
	return ANYKVM_ACCEL_KVM;
}

long accel_open(enum anykvm_accel accel, uint64_t arch, int flags)
{
	switch (accel_resolve(accel, arch)) {
	case ANYKVM_ACCEL_SOFT: return soft_open(arch, flags);
	case ANYKVM_ACCEL_KVM: return host_open(arch, flags);
	default: return why(-EINVAL, "accel: %d is none", (int)accel);
	}
}

bool accel_parse(const char *name, enum anykvm_accel *accel)
{
	static const char *const names[] = { [ANYKVM_ACCEL_SOFT] = "soft", [ANYKVM_ACCEL_KVM] = "kvm", [ANYKVM_ACCEL_AUTO] = "auto" };

	for (unsigned int i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(name, names[i]))
			continue;
		*accel = (enum anykvm_accel)i;
		return true;
	}
	return false;
}
