/*
 * The commands about VMs that run: anykvm list, anykvm save, and anykvm regs with --pid.
 */
#include "cli/live.h"

#include <argp.h>
#include <errno.h>
#include <fnmatch.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "anykvm/kvm.h"
#include "anykvm/live.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/print.h"
#include "cli/states.h"

enum { MOST = KVM_MANY_REGS_MAX_SIZE / sizeof(struct kvm_one_reg) };

static struct anykvm_live *live_open(const char *command, pid_t pid)
{
	struct anykvm_live *live = anykvm_live_open(pid);
	char what[32];

	snprintf(what, sizeof what, "%d", pid);
	if (!live)
		states_fail(command, what);
	return live;
}

static void stopped_tell(const char *command, double microseconds, bool verbose)
{
	if (verbose)
		fprintf(stderr, "anykvm %s: the VM stood still for %.0f us\n", command, microseconds);
}

/* ---- anykvm regs --pid. ---- */

/* Registers of one call, with room for their values. */
struct batch {
	struct kvm_one_reg regs[MOST];
	uint8_t values[MOST][ANYKVM_REG_SIZE_MAX];
	size_t count;
};

static uint8_t *batch_add(struct batch *batch, uint64_t id)
{
	if (batch->count == MOST)
		return NULL;
	batch->regs[batch->count] = (struct kvm_one_reg){ id, (uintptr_t)batch->values[batch->count] };
	return batch->values[batch->count++];
}

static bool fail(const char *what, const char *why)
{
	fprintf(stderr, "anykvm regs: %s: %s\n", what, why);
	return false;
}

static bool name_find(uint64_t arch, const char *name, uint64_t *id)
{
	char nearest[ANYKVM_REG_NAME_ROOM], words[ANYKVM_REG_NAME_ROOM + 64];

	if (!anykvm_reg_parse(arch, name, id))
		return true;
	if (anykvm_reg_suggest(arch, name, nearest, sizeof nearest))
		return fail(name, "there is no such register");
	snprintf(words, sizeof words, "there is no such register; did you mean %s?", nearest);
	return fail(name, words);
}

/* NAME=VALUE: into both batches. */
static bool setting_add(uint64_t arch, const char *text, struct batch *sets, struct batch *shown)
{
	const char *equals = strchr(text, '=');
	char *name = strndup(text, (size_t)(equals - text));
	uint64_t id;
	uint8_t *value;
	bool good = name && name_find(arch, name, &id);

	if (good) {
		value = batch_add(sets, id);
		good = value && batch_add(shown, id);
		if (good && anykvm_value_parse(equals + 1, value, anykvm_reg_size(id)))
			good = fail(text, "no number that fits into the register");
	}
	free(name);
	return good;
}

/* Those of the vCPU that fit a pattern; "*": its state, each piece once, as a capture has it. */
static bool pattern_add(const int *vcpu, const char *pattern, struct batch *shown)
{
	struct anykvm_state *state = anykvm_state_capture(-1, vcpu, 1);
	char name[ANYKVM_REG_NAME_ROOM];
	size_t count, before = shown->count;
	const struct anykvm_state_reg *regs = state ? anykvm_state_regs(state, 0, &count) : NULL;

	for (size_t i = 0; regs && i < count; i++)
		if (!anykvm_reg_name(regs[i].id, name, sizeof name) && !fnmatch(pattern, name, FNM_CASEFOLD))
			batch_add(shown, regs[i].id);
	if (!state)
		states_fail("regs", pattern);
	anykvm_state_free(state);
	return shown->count > before || (state && fail(pattern, "no register of the vCPU has such a name"));
}

static bool batches_make(const struct live_regs *arguments, const int *vcpu, struct batch *sets, struct batch *shown)
{
	uint64_t arch = anykvm_arch(*vcpu), id;
	bool good = true;

	if (!arguments->count)
		return pattern_add(vcpu, "*", shown);
	for (int i = 0; i < arguments->count && good; i++) {
		const char *text = arguments->registers[i];

		if (strchr(text, '='))
			good = setting_add(arch, text, sets, shown);
		else if (strpbrk(text, "*?["))
			good = pattern_add(vcpu, text, shown);
		else
			good = name_find(arch, text, &id) && batch_add(shown, id);
	}
	return good;
}

static void batch_print(const struct batch *batch, size_t vcpu, bool number)
{
	if (number)
		printf("vCPU %zu\n", vcpu);
	for (size_t i = 0; i < batch->count; i++)
		print_reg(batch->regs[i].id, batch->values[i], "");
}

static struct json_object *batch_json(const struct batch *batch, size_t vcpu)
{
	struct json_object *object = json_object_new_object(), *registers = json_object_new_object();
	struct reg_texts texts;

	for (size_t i = 0; i < batch->count; i++) {
		print_reg_texts(batch->regs[i].id, batch->values[i], &texts);
		json_object_object_add(registers, texts.name, json_object_new_string(texts.value));
	}
	json_object_object_add(object, "vcpu", json_object_new_int64((int64_t)vcpu));
	json_object_object_add(object, "registers", registers);
	return object;
}

static bool vcpu_do(const struct live_regs *arguments, const int *vcpu, struct batch *sets, struct batch *shown)
{
	sets->count = shown->count = 0;
	if (!batches_make(arguments, vcpu, sets, shown))
		return false;
	if (sets->count && anykvm_regs_set(*vcpu, sets->regs, sets->count)) {
		states_fail("regs", "setting (nothing has changed)");
		return false;
	}
	if (!anykvm_regs_get(*vcpu, shown->regs, shown->count))
		return true;
	states_fail("regs", "reading");
	return false;
}

int live_regs_main(const struct live_regs *arguments)
{
	struct anykvm_live *live = live_open("regs", arguments->pid);
	struct batch *batches = calloc(2, sizeof *batches);
	struct json_object *list = arguments->json ? json_object_new_array() : NULL;
	size_t first = arguments->vcpu < 0 ? 0 : (size_t)arguments->vcpu, end;
	bool good = live && batches;

	end = !live ? 0 : arguments->vcpu < 0 ? anykvm_live_vcpus(live) : first + 1;
	if (good && end > anykvm_live_vcpus(live))
		good = fail("--vcpu", "it has not so many vCPUs");
	for (size_t i = first; i < end && good; i++) {
		double stopped;

		/* One stop for each vCPU. */
		good = !anykvm_live_hold(live, false);
		if (!good) {
			states_fail("regs", "stopping it");
			break;
		}
		good = vcpu_do(arguments, &anykvm_live_vcpu_fds(live)[i], &batches[0], &batches[1]);
		stopped = anykvm_live_release(live);
		if (good && list)
			json_object_array_add(list, batch_json(&batches[1], i));
		else if (good)
			batch_print(&batches[1], i, end - first > 1);
		stopped_tell("regs", stopped, arguments->verbose);
	}
	if (list)
		print_json(list);
	free(batches);
	anykvm_live_close(live);
	return good ? 0 : 1;
}

/* ---- anykvm list. ---- */

static error_t list_parse(int key, char *value, struct argp_state *state)
{
	if (key == ARGP_KEY_ARG)
		argp_error(state, "%s: there are no arguments", value);
	if (key != 'j')
		return ARGP_ERR_UNKNOWN;
	*(bool *)state->input = true;
	return 0;
}

static const struct argp_option list_options[] = {
	{ "json", 'j', NULL, 0, "JSON", 0 },
	{ 0 },
};

static const struct argp list_argp = {
	list_options, list_parse, NULL,
	"Lists the VMs of this machine's KVM and of software KVMs: process, program, virtual machines, vCPUs, resident memory. Other users' are seen by root only.",
	NULL, NULL, NULL,
};

static struct json_object *process_json(const struct anykvm_live_process *process)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "pid", json_object_new_int(process->pid));
	json_object_object_add(object, "program", json_object_new_string(process->program));
	json_object_object_add(object, "vms", json_object_new_int64(process->vms));
	json_object_object_add(object, "vcpus", json_object_new_int64(process->vcpus));
	json_object_object_add(object, "resident_bytes", json_object_new_int64((int64_t)process->memory));
	return object;
}

int command_list_main(int argc, char **argv)
{
	struct anykvm_live_process *processes;
	struct json_object *list;
	bool json = false;
	int count;

	argp_parse(&list_argp, argc, argv, 0, NULL, &json);
	count = anykvm_live_list(NULL, 0);
	processes = calloc((size_t)count + 1, sizeof *processes);
	if (!processes)
		return 1;
	if (anykvm_live_list(processes, (size_t)count) < count)
		count = anykvm_live_list(processes, (size_t)count);
	list = json ? json_object_new_array() : NULL;
	if (!json)
		printf("%8s  %-20s %4s %6s %12s\n", "pid", "program", "VMs", "vCPUs", "resident");
	for (int i = 0; i < count; i++) {
		if (list)
			json_object_array_add(list, process_json(&processes[i]));
		else
			printf("%8d  %-20s %4u %6u %8llu MiB\n", processes[i].pid, processes[i].program, processes[i].vms, processes[i].vcpus,
			       (unsigned long long)processes[i].memory >> 20);
	}
	if (list)
		print_json(list);
	free(processes);
	return 0;
}

/* ---- anykvm save --pid. ---- */

struct save_arguments {
	pid_t pid;
	const char *file;
	int zstd_level;
	bool verbose;
};

static const struct argp_option save_options[] = {
	{ "pid", 'p', "PID", 0, "The process with the VM", 0 },
	{ "verbose", 'v', NULL, 0, "Say how long the VM stood still", 0 },
	{ "zstd", 'z', "LEVEL", OPTION_ARG_OPTIONAL, "Pack the file", 0 },
	{ 0 },
};

static error_t save_parse(int key, char *value, struct argp_state *state)
{
	struct save_arguments *arguments = state->input;

	switch (key) {
	case 'p':
		arguments->pid = arguments_pid(state, value);
		return 0;
	case 'v':
		arguments->verbose = true;
		return 0;
	case 'z':
		if (!states_zstd_parse(value, &arguments->zstd_level))
			argp_error(state, "--zstd=%s: a level", value);
		return 0;
	case ARGP_KEY_ARG:
		arguments->file = arguments_file(state, value, arguments->file);
		return 0;
	case ARGP_KEY_END:
		if (!arguments->pid || !arguments->file)
			argp_error(state, "--pid PID and FILE are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp save_argp = {
	save_options, save_parse, "FILE",
	"Saves the state of a VM that runs: its vCPUs' registers and what else KVM keeps of it, without its memory, which only its program knows. "
	"FILE can be -, standard output. The VM stands still for a moment, and goes on."
	"\vNeeds the right to trace the process. Exit status: 1 when it cannot be saved.",
	NULL, NULL, NULL,
};

int command_save_main(int argc, char **argv)
{
	struct save_arguments arguments = { 0 };
	struct anykvm_state *state = NULL;
	struct anykvm_live *live;
	bool good;

	argp_parse(&save_argp, argc, argv, 0, NULL, &arguments);
	live = live_open("save", arguments.pid);
	if (!live)
		return 1;
	good = !anykvm_live_hold(live, true);
	if (good) {
		state = anykvm_state_capture(anykvm_live_vm_fd(live), anykvm_live_vcpu_fds(live), anykvm_live_vcpus(live));
		good = state;
		if (!good)
			states_fail("save", "capture");
		stopped_tell("save", anykvm_live_release(live), arguments.verbose);
	} else {
		states_fail("save", "stopping it");
	}
	good = good && states_save("save", state, arguments.file, arguments.zstd_level);
	anykvm_state_free(state);
	anykvm_live_close(live);
	return good ? 0 : 1;
}
