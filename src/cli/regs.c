/*
 * anykvm regs: register ids and names, without any VM.
 */
#include <argp.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "anykvm/kvm.h"
#include "anykvm/reg.h"
#include "cli/command.h"

struct arguments {
	uint64_t arch;
	bool json;
	char **registers;
	int count;
};

static const struct argp_option options[] = {
	{ "arch", 'A', "ARCH", 0, "Whose registers: x86, arm64, arm, riscv, ppc, s390, mips, loongarch (default: this machine's)", 0 },
	{ "json", 'j', NULL, 0, "JSON", 0 },
	{ 0 },
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'A':
		arguments->arch = anykvm_arch_parse(value);
		if (!arguments->arch)
			argp_error(state, "--arch %s: no KVM architecture", value);
		return 0;
	case 'j':
		arguments->json = true;
		return 0;
	case ARGP_KEY_ARGS:
		arguments->registers = state->argv + state->next;
		arguments->count = state->argc - state->next;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse, "[ID|NAME...]",
	"Says of register ids of KVM_GET_ONE_REG what they are called, and of names what their ids are; all of an architecture's when none is given."
	"\vAn id carries its architecture; names are looked for in the architecture that --arch says. Exit status: 1 when something is unknown.",
	NULL, NULL, NULL,
};

static uint64_t machine_arch(void)
{
	struct utsname machine;

	return uname(&machine) ? KVM_REG_X86 : anykvm_arch_parse(machine.machine);
}

/* ---- One register. ---- */

static void print_text(uint64_t id)
{
	char name[ANYKVM_REG_NAME_ROOM], text[ANYKVM_REG_TEXT_ROOM];

	if (anykvm_reg_name(id, name, sizeof name))
		strcpy(name, "-");
	if (anykvm_reg_describe(id, text, sizeof text))
		strcpy(text, "no register id");
	printf("0x%016llx  %-24s %s\n", (unsigned long long)id, name, text);
}

static struct json_object *json_of(uint64_t id)
{
	struct json_object *object = json_object_new_object();
	char name[ANYKVM_REG_NAME_ROOM], text[ANYKVM_REG_TEXT_ROOM];

	snprintf(text, sizeof text, "0x%016llx", (unsigned long long)id);
	json_object_object_add(object, "id", json_object_new_string(text));
	json_object_object_add(object, "arch", anykvm_arch_name(id) ? json_object_new_string(anykvm_arch_name(id)) : NULL);
	json_object_object_add(object, "name", anykvm_reg_name(id, name, sizeof name) ? NULL : json_object_new_string(name));
	json_object_object_add(object, "bits", json_object_new_int64(8 * (int64_t)anykvm_reg_size(id)));
	json_object_object_add(object, "description", anykvm_reg_describe(id, text, sizeof text) ? NULL : json_object_new_string(text));
	return object;
}

static void show(const struct arguments *arguments, struct json_object *list, uint64_t id)
{
	if (arguments->json)
		json_object_array_add(list, json_of(id));
	else
		print_text(id);
}

/* The id of what was typed; false, told on stderr: it is none. An id without a name is one as well. */
static bool find(const struct arguments *arguments, const char *text, uint64_t *id)
{
	char nearest[ANYKVM_REG_NAME_ROOM], reason[ANYKVM_REG_TEXT_ROOM];
	int error = anykvm_reg_parse(arguments->arch, text, id);

	if (!error) {
		error = anykvm_reg_describe(*id, reason, sizeof reason);
		if (error)
			fprintf(stderr, "anykvm regs: %s: %s\n", text, *reason ? reason : "no register id");
		return !error;
	}
	if (anykvm_reg_suggest(arguments->arch, text, nearest, sizeof nearest))
		fprintf(stderr, "anykvm regs: %s: no %s register\n", text, anykvm_arch_name(arguments->arch));
	else
		fprintf(stderr, "anykvm regs: %s: no %s register; did you mean %s?\n", text, anykvm_arch_name(arguments->arch), nearest);
	return false;
}

int command_regs_main(int argc, char **argv)
{
	struct arguments arguments = { .arch = machine_arch() };
	struct json_object *list;
	char name[] = "anykvm regs";
	int status = 0;

	argv[0] = name;
	argp_err_exit_status = 64;
	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	list = json_object_new_array();
	for (int i = 0; i < arguments.count; i++) {
		uint64_t id;

		if (find(&arguments, arguments.registers[i], &id))
			show(&arguments, list, id);
		else
			status = 1;
	}
	for (size_t i = 0; !arguments.count && i < anykvm_reg_count(arguments.arch); i++)
		show(&arguments, list, anykvm_reg_at(arguments.arch, i));
	if (arguments.json)
		puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
	json_object_put(list);
	return status;
}
