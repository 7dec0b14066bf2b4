/*
 * The files that a KVM program opens: /dev/kvm, and what /sys/module says of a loaded kvm.ko. When the KVM that answers is the
 * software's, the parameters are its own too, whatever module the machine has.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "anykvm/kvm.h"
#include "api/accel.h"
#include "shim/shim.h"

#ifdef __aarch64__
#define HOST_GUEST KVM_REG_ARM64
#else
#define HOST_GUEST KVM_REG_X86
#endif

/* --accel and --guest: which KVM the program gets, found out when it first asks. */
static pthread_once_t accel_once = PTHREAD_ONCE_INIT;
static enum anykvm_accel accel;
static uint64_t guest; /* KVM_REG_ARM64 ...; 0: the host's own */

static void accel_ask(void)
{
	const char *name = getenv("ANYKVM_ACCEL"), *arch = getenv("ANYKVM_GUEST");

	if (name && !accel_parse(name, &accel))
		accel = ANYKVM_ACCEL_SOFT;
	guest = arch ? anykvm_arch_parse(arch) : 0;
	accel = accel_resolve(accel, guest);
	if (!getenv("ANYKVM_VERBOSE"))
		return;
	if (accel == ANYKVM_ACCEL_SOFT)
		dprintf(STDERR_FILENO, "anykvm: software KVM, %s guests\n", anykvm_arch_name(guest ? guest : HOST_GUEST));
	else
		dprintf(STDERR_FILENO, "anykvm: this machine's /dev/kvm, with the calls that it lacks\n");
}

static bool accel_is_soft(void)
{
	pthread_once(&accel_once, accel_ask);
	return accel == ANYKVM_ACCEL_SOFT;
}

struct parameter {
	const char *name, *value;
};

/* The names are Linux 6.12's; the values say what the software KVM does. */
static const struct parameter kvm[] = {
	{ "eager_page_split", "N\n" }, { "enable_pmu", "N\n" }, { "enable_vmware_backdoor", "N\n" }, { "flush_on_reuse", "N\n" },
	{ "force_emulation_prefix", "0\n" }, { "halt_poll_ns", "0\n" }, { "halt_poll_ns_grow", "2\n" }, { "halt_poll_ns_grow_start", "10000\n" },
	{ "halt_poll_ns_shrink", "0\n" }, { "ignore_msrs", "N\n" }, { "kvmclock_periodic_sync", "N\n" }, { "min_timer_period_us", "200\n" },
	{ "mmio_caching", "N\n" }, { "nx_huge_pages", "N\n" }, { "nx_huge_pages_recovery_period_ms", "0\n" },
	{ "nx_huge_pages_recovery_ratio", "0\n" }, { "pi_inject_timer", "0\n" }, { "report_ignored_msrs", "Y\n" }, { "tdp_mmu", "N\n" },
	{ "tsc_tolerance_ppm", "250\n" }, { "vector_hashing", "Y\n" }, { NULL, NULL },
};

static const struct parameter kvm_amd[] = {
	{ "avic", "N\n" }, { "force_avic", "N\n" }, { "lbrv", "0\n" }, { "nested", "0\n" }, { "npt", "Y\n" }, { "nrips", "1\n" },
	{ "pause_filter_count", "0\n" }, { "pause_filter_thresh", "0\n" }, { "sev", "N\n" }, { "sev_es", "N\n" }, { "sev_snp", "N\n" },
	{ "tsc_scaling", "1\n" }, { "vgif", "0\n" }, { "vls", "0\n" }, { "vnmi", "N\n" }, { NULL, NULL },
};

static const struct parameter kvm_intel[] = {
	{ "allow_smaller_maxphyaddr", "N\n" }, { "emulate_invalid_guest_state", "Y\n" }, { "enable_apicv", "N\n" }, { "enable_ipiv", "N\n" },
	{ "enable_shadow_vmcs", "N\n" }, { "ept", "Y\n" }, { "eptad", "Y\n" }, { "fasteoi", "Y\n" }, { "flexpriority", "N\n" },
	{ "nested", "N\n" }, { "ple_gap", "0\n" }, { "ple_window", "0\n" }, { "pml", "N\n" }, { "preemption_timer", "N\n" },
	{ "sgx", "N\n" }, { "unrestricted_guest", "Y\n" }, { "vnmi", "N\n" }, { "vpid", "N\n" }, { NULL, NULL },
};

/* arm64's KVM is no module, and has these of `kvm`. */
static const struct parameter kvm_arm64[] = {
	{ "halt_poll_ns", "0\n" }, { "halt_poll_ns_grow", "2\n" }, { "halt_poll_ns_grow_start", "10000\n" }, { "halt_poll_ns_shrink", "0\n" }, { NULL, NULL },
};

static bool guest_is_arm64(void)
{
	return (guest ? guest : HOST_GUEST) == KVM_REG_ARM64;
}

/* KVM has one vendor module, the machine's; programs choose by executing CPUID themselves. */
static bool vendor_is_intel(void)
{
#if defined(__x86_64__) || defined(__i386__)
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == 0x756e6547;
#else
	return false;
#endif
}

static const char *parameter_find(const struct parameter *parameters, const char *name)
{
	for (; parameters->name; parameters++)
		if (!strcmp(parameters->name, name))
			return parameters->value;
	return NULL;
}

/* What a file below /sys/module/kvm* holds; NULL with *ours set: there is no such file. */
static const char *parameter_of(const char *path, bool *ours)
{
	static const char root[] = "/sys/module/", folder[] = "/parameters/";
	static const struct { const char *module; const struct parameter *parameters; } modules[] = {
		{ "kvm", kvm }, { "kvm_amd", kvm_amd }, { "kvm_intel", kvm_intel },
	};

	*ours = false;
	if (strncmp(path, root, sizeof root - 1))
		return NULL;
	path += sizeof root - 1;
	for (unsigned int i = 0; i < 3; i++) {
		size_t length = strlen(modules[i].module);

		if (strncmp(path, modules[i].module, length) || strncmp(path + length, folder, sizeof folder - 1))
			continue;
		*ours = true;
		if (guest_is_arm64())
			return i == 0 ? parameter_find(kvm_arm64, path + length + sizeof folder - 1) : NULL;
		if (i > 0 && (i == 2) != vendor_is_intel())
			return NULL;
		return parameter_find(modules[i].parameters, path + length + sizeof folder - 1);
	}
	return NULL;
}

static int content_open(const char *content, int flags)
{
	int fd = memfd_create("anykvm-parameter", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
	size_t length = strlen(content);

	if (fd < 0)
		return -errno;
	if (write(fd, content, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return -EIO;
	}
	return fd;
}

int shim_open(const char *path, int flags)
{
	const char *content;
	bool ours, soft;

	/* Nearly every path ends here, and is not even looked at when it cannot be read: that is the kernel's to say. */
	if (!path || path[0] != '/' || (path[1] != 'd' && path[1] != 's'))
		return SHIM_NOT_OURS;
	if (!strcmp(path, "/dev/kvm")) {
		soft = accel_is_soft(); /* which finds out the guest too */
		return (int)accel_open(soft ? ANYKVM_ACCEL_SOFT : ANYKVM_ACCEL_KVM, guest, flags);
	}
	if (strncmp(path, "/sys/module/kvm", sizeof "/sys/module/kvm" - 1) || !accel_is_soft())
		return SHIM_NOT_OURS;
	content = parameter_of(path, &ours);
	if (!ours)
		return SHIM_NOT_OURS;
	if (!content)
		return -ENOENT;
	if ((flags & O_ACCMODE) != O_RDONLY)
		return -EACCES;
	return content_open(content, flags);
}

int shim_access(const char *path)
{
	const char *content;
	bool ours;

	if (!path || path[0] != '/')
		return SHIM_NOT_OURS;
	if (!strcmp(path, "/dev/kvm"))
		return accel_is_soft() ? 0 : SHIM_NOT_OURS;
	if (strncmp(path, "/sys/module/kvm", sizeof "/sys/module/kvm" - 1) || !accel_is_soft())
		return SHIM_NOT_OURS;
	content = parameter_of(path, &ours);
	if (!ours)
		return SHIM_NOT_OURS;
	return content ? 0 : -ENOENT;
}
