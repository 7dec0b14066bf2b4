/*
 * Options and arguments that several commands have.
 */
#include "cli/arguments.h"

#include <stdlib.h>

#include "anykvm/kvm.h"

enum anykvm_accel arguments_accel(const struct argp_state *state, const char *value)
{
	enum anykvm_accel accel = ANYKVM_ACCEL_SOFT;

	if (!accel_parse(value, &accel))
		argp_error(state, "--accel %s: soft, kvm or auto", value);
	return accel;
}

uint64_t arguments_arch(const struct argp_state *state, const char *value)
{
	uint64_t arch = anykvm_arch_parse(value);

	if (!arch)
		argp_error(state, "--arch %s: no KVM architecture", value);
	return arch;
}

uint64_t arguments_guest(const struct argp_state *state, const char *value)
{
	uint64_t arch = anykvm_arch_parse(value);

	if (arch != KVM_REG_X86 && arch != KVM_REG_ARM64)
		argp_error(state, "--guest %s: x86 or arm64", value);
	return arch;
}

pid_t arguments_pid(const struct argp_state *state, const char *value)
{
	pid_t pid = (pid_t)atoi(value);

	if (pid <= 0)
		argp_error(state, "--pid %s: a process id", value);
	return pid;
}

const char *arguments_file(const struct argp_state *state, const char *value, const char *before)
{
	if (before)
		argp_error(state, "%s: one file", value);
	return value;
}
