/*
 * anykvm check: would a state restore on this KVM, or on one that is not here? And anykvm profile, which takes what the latter needs.
 */
#include <argp.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/states.h"

struct arguments {
	enum anykvm_accel accel;
	uint64_t guest; /* 0: the KVM's first */
	const char *file, *profile, *policy;
	bool json;
};

static const struct argp_option check_options[] = {
	{ "accel", 'a', "KVM", 0, "The KVM to check against: soft (the default), kvm (this machine's), or auto", 0 },
	{ "on", 'o', "PROFILE", 0, "The KVM that this profile is of", 0 },
	{ "policy", 'p', "POLICY", 0, "What is to be done about values that do not fit, by name", 0 },
	{ "json", 'j', NULL, 0, "JSON", 0 },
	{ 0 },
};

static const struct argp_option profile_options[] = {
	ARGUMENTS_ACCEL,
	{ "guest", 'g', "ARCH", 0, "Architecture of the guests: x86 or arm64; the default is this machine's own", 0 },
	{ 0 },
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'a':
		arguments->accel = arguments_accel(state, value);
		return 0;
	case 'g':
		arguments->guest = arguments_guest(state, value);
		return 0;
	case 'o':
		arguments->profile = value;
		return 0;
	case 'p':
		arguments->policy = value;
		return 0;
	case 'j':
		arguments->json = true;
		return 0;
	case ARGP_KEY_ARG:
		arguments->file = arguments_file(state, value, arguments->file);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp check_argp = {
	check_options, parse, "FILE",
	"Would the state in FILE restore on a KVM? Every value that does not fit, by name: what was saved, what is possible, the rule, and a policy's line that would let it pass."
	"\vExit status: 0 it fits, 1 it does not, 2 trouble.",
	NULL, NULL, NULL,
};

static const struct argp profile_argp = {
	profile_options, parse, "[FILE]",
	"Writes what a KVM can hold to FILE or standard output, for `anykvm check --on`: registers, whether they take other values, CPUID."
	"\vExit status: 1 when there is no such KVM.",
	NULL, NULL, NULL,
};

static int check_profile(const struct anykvm_state *state, const char *path, const struct anykvm_policy *policy, struct anykvm_report *report)
{
	char *text = states_text("check", path);
	struct anykvm_profile *profile = text ? anykvm_profile_parse(text) : NULL;
	int count = profile ? anykvm_state_check_profile(state, profile, policy, report) : -1;

	if (text && count < 0)
		states_fail("check", path);
	anykvm_profile_free(profile);
	free(text);
	return count;
}

static int check_kvm(const struct anykvm_state *state, enum anykvm_accel accel, const struct anykvm_policy *policy, struct anykvm_report *report)
{
	int system = anykvm_open_accel(accel, anykvm_state_arch(state), O_CLOEXEC), count;

	if (system < 0) {
		states_fail("check", "opening KVM");
		return -1;
	}
	count = anykvm_state_check(state, system, policy, report);
	if (count < 0)
		states_fail("check", "rehearsing");
	anykvm_close(system);
	return count;
}

static int check(const struct arguments *arguments, const struct anykvm_state *state)
{
	struct anykvm_policy *policy = arguments->policy ? states_policy("check", arguments->policy) : NULL;
	struct anykvm_report *report = anykvm_report_new();
	int count = -1;

	if (report && (policy || !arguments->policy))
		count = arguments->profile ? check_profile(state, arguments->profile, policy, report) : check_kvm(state, arguments->accel, policy, report);
	if (count >= 0 && arguments->json)
		states_report_json(report);
	else if (count > 0)
		states_report_print(report);
	if (count >= 0 && !arguments->json)
		printf("%s: %s: %d value%s not fit\n", arguments->file, count ? "does not restore" : "restores", count, count == 1 ? " does" : "s do");
	anykvm_report_free(report);
	anykvm_policy_free(policy);
	return count < 0 ? STATUS_TROUBLE : count > 0;
}

int command_check_main(int argc, char **argv)
{
	struct arguments arguments = { .accel = ANYKVM_ACCEL_SOFT };
	struct anykvm_state *state;
	int status;

	argp_parse(&check_argp, argc, argv, 0, NULL, &arguments);
	if (!arguments.file) {
		fputs("anykvm check: which FILE? See `anykvm check --help`\n", stderr);
		return STATUS_USAGE;
	}
	state = states_load("check", arguments.file);
	if (!state)
		return STATUS_TROUBLE;
	status = check(&arguments, state);
	anykvm_state_free(state);
	return status;
}

int command_profile_main(int argc, char **argv)
{
	struct arguments arguments = { .accel = ANYKVM_ACCEL_SOFT };
	struct anykvm_profile *profile;
	char *text = NULL;
	FILE *to = stdout;
	int system;

	argp_parse(&profile_argp, argc, argv, 0, NULL, &arguments);
	system = anykvm_open_accel(arguments.accel, arguments.guest, O_CLOEXEC);
	profile = system >= 0 ? anykvm_profile_take(system) : NULL;
	if (profile)
		text = anykvm_profile_print(profile);
	if (!text)
		states_fail("profile", "this KVM");
	else if (arguments.file && strcmp(arguments.file, "-") && !(to = fopen(arguments.file, "we")))
		perror(arguments.file);
	if (text && to && (fputs(text, to) < 0 || fflush(to))) {
		perror("anykvm profile");
		to = NULL;
	}
	anykvm_profile_free(profile);
	if (system >= 0)
		anykvm_close(system);
	if (!text)
		return 1;
	free(text);
	return to ? 0 : 1;
}
