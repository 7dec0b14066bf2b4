/*
 * anykvm restore: a state goes on, in a small VM of our own. What it comes to can be saved again.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/runner.h"
#include "cli/states.h"

struct arguments {
	enum anykvm_accel accel;
	const char *file, *policy, *save;
	unsigned long exits;
	int zstd_level;
	bool partly, stay, verbose;
};

enum { KEY_BEST_EFFORT = 0x100, KEY_EXITS };

static const struct argp_option options[] = {
	ARGUMENTS_ACCEL,
	{ "policy", 'p', "POLICY", 0, "What is to be done about values that do not fit, by name", 0 },
	{ "best-effort", KEY_BEST_EFFORT, NULL, 0, "Restore what fits, and say what was left", 0 },
	{ "exits", KEY_EXITS, "N", 0, "Stop behind so many exits; 0: do not run at all", 0 },
	{ "save", 's', "FILE", 0, "Save what it has come to", 0 },
	{ "zstd", 'z', "LEVEL", OPTION_ARG_OPTIONAL, "Pack what is saved", 0 },
	{ "verbose", 'v', NULL, 0, "Show each access to a device", 0 },
	{ 0 },
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	char *rest;

	switch (key) {
	case 'a':
		arguments->accel = arguments_accel(state, value);
		return 0;
	case 'p':
		arguments->policy = value;
		return 0;
	case KEY_BEST_EFFORT:
		arguments->partly = true;
		return 0;
	case KEY_EXITS:
		arguments->exits = strtoul(value, &rest, 0);
		arguments->stay = !arguments->exits;
		if (*rest || !*value)
			argp_error(state, "--exits %s: a number", value);
		return 0;
	case 's':
		arguments->save = value;
		return 0;
	case 'z':
		if (!states_zstd_parse(value, &arguments->zstd_level))
			argp_error(state, "--zstd=%s: a level", value);
		return 0;
	case 'v':
		arguments->verbose = true;
		return 0;
	case ARGP_KEY_ARG:
		arguments->file = arguments_file(state, value, arguments->file);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse, "FILE",
	"Restores the state in FILE (- is standard input) into a small VM and lets it run until all vCPUs have halted. All or nothing: when something does not fit, it is told, and nothing runs. "
	"The VM has no devices; what the guest writes to the first serial port goes to standard output."
	"\vExit status: 0, 1 when the state does not fit or the guest failed, 2 trouble.",
	NULL, NULL, NULL,
};

static int restore(const struct arguments *arguments, const struct anykvm_state *state, const struct anykvm_policy *policy, const struct runner *runner)
{
	struct anykvm_report *report = anykvm_report_new();
	int result = report ? anykvm_state_restore(state, runner_vm(runner), runner_vcpus(runner), anykvm_state_vcpus(state), policy,
						   arguments->partly ? ANYKVM_RESTORE_BEST_EFFORT : 0, report) : -1;

	if (result)
		states_fail("restore", arguments->file);
	if (report)
		states_report_print(report);
	anykvm_report_free(report);
	return result;
}

/* The state as it is now, with the memory that it ran in. */
static bool save(const struct arguments *arguments, const struct anykvm_state *old, const struct runner *runner)
{
	struct anykvm_state *state = anykvm_state_capture(runner_vm(runner), runner_vcpus(runner), anykvm_state_vcpus(old));
	size_t count;
	const struct anykvm_state_memory *memory = anykvm_state_memory(old, &count);
	bool good = state;

	for (size_t i = 0; good && i < count; i++)
		good = !anykvm_state_memory_add(state, &memory[i]);
	if (!good)
		states_fail("restore", "capture");
	good = good && states_save("restore", state, arguments->save, arguments->zstd_level);
	anykvm_state_free(state);
	return good;
}

static int run(const struct arguments *arguments, const struct anykvm_state *state)
{
	struct anykvm_policy *policy = arguments->policy ? states_policy("restore", arguments->policy) : NULL;
	struct runner *runner = policy || !arguments->policy ? runner_new(arguments->accel, state) : NULL;
	int status = STATUS_TROUBLE;

	if (runner && restore(arguments, state, policy, runner))
		status = 1;
	else if (runner)
		status = arguments->stay || runner_run(runner, arguments->exits, arguments->verbose) ? 0 : 1;
	if (runner && !status && arguments->save && !save(arguments, state, runner))
		status = STATUS_TROUBLE;
	runner_free(runner);
	anykvm_policy_free(policy);
	return status;
}

int command_restore_main(int argc, char **argv)
{
	struct arguments arguments = { .accel = ANYKVM_ACCEL_SOFT };
	struct anykvm_state *state;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	if (!arguments.file) {
		fputs("anykvm restore: which FILE? See `anykvm restore --help`\n", stderr);
		return STATUS_USAGE;
	}
	state = states_load("restore", arguments.file);
	if (!state)
		return STATUS_TROUBLE;
	status = run(&arguments, state);
	anykvm_state_free(state);
	return status;
}
