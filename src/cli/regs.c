/*
 * anykvm regs: register ids and names, without any VM. Knows no register: the tables behind anykvm/reg.h do.
 */
#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "anykvm/kvm.h"
#include "anykvm/reg.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/live.h"
#include "cli/print.h"

struct arguments {
	uint64_t arch; /* 0: none was asked for */
	bool json;
	char **registers;
	int count;
	struct live_regs live; /* of a VM that runs; pid 0: none */
};

static const struct argp_option options[] = {
	{ "arch", 'A', "ARCH", 0, "Whose registers: x86, arm64, arm, riscv, ppc, s390, mips, loongarch", 0 },
	{ "json", 'j', NULL, 0, "JSON", 0 },
	{ "pid", 'p', "PID", 0, "The registers of the VM that this process runs: NAME shows, NAME=VALUE sets", 1 },
	{ "vcpu", 'c', "N", 0, "With --pid: this vCPU only", 1 },
	{ "verbose", 'v', NULL, 0, "With --pid: say how long the VM stood still", 1 },
	{ 0 },
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'A':
		arguments->arch = arguments_arch(state, value);
		return 0;
	case 'j':
		arguments->json = true;
		return 0;
	case 'p':
		arguments->live.pid = arguments_pid(state, value);
		return 0;
	case 'c':
		arguments->live.vcpu = atoi(value);
		if (arguments->live.vcpu < 0 || !isdigit((unsigned char)*value))
			argp_error(state, "--vcpu %s: a number", value);
		return 0;
	case 'v':
		arguments->live.verbose = true;
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
	options, parse, "[ID|NAME|PATTERN...]\n--pid PID [NAME|PATTERN|NAME=VALUE...]",
	"Says of ids of KVM_GET_ONE_REG what they are called and what their fields are, and of names what their ids are; no VM is needed. With no "
	"argument: all named registers of an architecture. A PATTERN has * or ? in it."
	"\vEach line: id, name, bits, fields. An id carries its architecture. A name is looked for on --arch; without that on this machine, "
	"then on every architecture.\n\nExit status: 1 when something is unknown.",
	NULL, NULL, NULL,
};

/* ---- What was found: a growing list, because a column is as wide as its widest line. ---- */

struct found {
	uint64_t *ids;
	size_t count, room;
};

static void found_add(struct found *found, uint64_t id)
{
	if (found->count == found->room) {
		found->room = found->room ? 2 * found->room : 64;
		found->ids = reallocarray(found->ids, found->room, sizeof *found->ids);
		if (!found->ids)
			abort();
	}
	found->ids[found->count++] = id;
}

/* The description without its last part, the bits, which have a column of their own. */
static void fields_of(uint64_t id, char text[static ANYKVM_REG_TEXT_ROOM])
{
	char bits[32];
	size_t length, end = (size_t)snprintf(bits, sizeof bits, ", %zu bits", 8 * anykvm_reg_size(id));

	anykvm_reg_describe(id, text, ANYKVM_REG_TEXT_ROOM);
	length = strlen(text);
	if (length > end && !strcmp(text + length - end, bits))
		text[length - end] = 0;
}

static void found_print(const struct found *found)
{
	char name[ANYKVM_REG_NAME_ROOM], text[ANYKVM_REG_TEXT_ROOM];
	int width = 1;

	for (size_t i = 0; i < found->count; i++)
		if (!anykvm_reg_name(found->ids[i], name, sizeof name) && (int)strlen(name) > width)
			width = (int)strlen(name);
	for (size_t i = 0; i < found->count; i++) {
		if (anykvm_reg_name(found->ids[i], name, sizeof name))
			strcpy(name, "-");
		fields_of(found->ids[i], text);
		printf("0x%016llx  %-*s  %4zu  %s\n", (unsigned long long)found->ids[i], width, name, 8 * anykvm_reg_size(found->ids[i]), text);
	}
}

static struct json_object *json_of(uint64_t id)
{
	struct json_object *object = json_object_new_object();
	char name[ANYKVM_REG_NAME_ROOM], text[ANYKVM_REG_TEXT_ROOM];

	snprintf(text, sizeof text, "0x%016llx", (unsigned long long)id);
	json_object_object_add(object, "id", json_object_new_string(text));
	json_object_object_add(object, "arch", json_object_new_string(anykvm_arch_name(id)));
	json_object_object_add(object, "name", anykvm_reg_name(id, name, sizeof name) ? NULL : json_object_new_string(name));
	json_object_object_add(object, "bits", json_object_new_int64(8 * (int64_t)anykvm_reg_size(id)));
	fields_of(id, text);
	json_object_object_add(object, "fields", json_object_new_string(text));
	return object;
}

static void found_json(const struct found *found)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < found->count; i++)
		json_object_array_add(list, json_of(found->ids[i]));
	print_json(list);
}

/* ---- Finding. Each of these returns false when there is none. ---- */

/* Any well-formed id is one, named or not. What is wrong with another goes to stderr. */
static bool find_id(const char *text, struct found *found)
{
	char reason[ANYKVM_REG_TEXT_ROOM];
	uint64_t id;

	if (anykvm_value_parse(text, &id, sizeof id)) {
		fprintf(stderr, "anykvm regs: %s: no number of 64 bits\n", text);
		return false;
	}
	if (anykvm_reg_describe(id, reason, sizeof reason)) {
		fprintf(stderr, "anykvm regs: %s: no register id: %s\n", text, reason);
		return false;
	}
	found_add(found, id);
	return true;
}

static bool find_pattern(uint64_t arch, const char *pattern, struct found *found)
{
	char name[ANYKVM_REG_NAME_ROOM];
	size_t before = found->count;

	for (size_t i = 0; i < anykvm_reg_count(arch); i++)
		if (!anykvm_reg_name(anykvm_reg_at(arch, i), name, sizeof name) && !fnmatch(pattern, name, FNM_CASEFOLD))
			found_add(found, anykvm_reg_at(arch, i));
	if (found->count == before)
		fprintf(stderr, "anykvm regs: %s: no %s register is called so\n", pattern, anykvm_arch_name(arch));
	return found->count > before;
}

/* Of every architecture that has it. */
static bool find_anywhere(const char *name, struct found *found)
{
	static const uint64_t all[] = { KVM_REG_X86, KVM_REG_ARM64, KVM_REG_ARM, KVM_REG_RISCV, KVM_REG_PPC, KVM_REG_S390, KVM_REG_MIPS, KVM_REG_LOONGARCH };
	size_t before = found->count;
	uint64_t id;

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (!anykvm_reg_parse(all[i], name, &id))
			found_add(found, id);
	return found->count > before;
}

static void say_unknown(uint64_t arch, const char *name)
{
	char nearest[ANYKVM_REG_NAME_ROOM];

	fprintf(stderr, "anykvm regs: %s: no %s register", name, anykvm_arch_name(arch));
	if (!anykvm_reg_suggest(arch, name, nearest, sizeof nearest))
		fprintf(stderr, "; did you mean %s?", nearest);
	fputc('\n', stderr);
}

static uint64_t machine_arch(void)
{
	struct utsname machine;
	uint64_t arch = uname(&machine) ? 0 : anykvm_arch_parse(machine.machine);

	return arch ? arch : KVM_REG_X86;
}

static bool find(uint64_t wanted, const char *text, struct found *found)
{
	uint64_t arch = wanted ? wanted : machine_arch(), id;

	if (isdigit((unsigned char)*text))
		return find_id(text, found);
	if (strpbrk(text, "*?"))
		return find_pattern(arch, text, found);
	if (!anykvm_reg_parse(arch, text, &id)) {
		found_add(found, id);
		return true;
	}
	if (!wanted && find_anywhere(text, found))
		return true;
	say_unknown(arch, text);
	return false;
}

int command_regs_main(int argc, char **argv)
{
	struct arguments arguments = { .live.vcpu = -1 };
	struct found found = { 0 };
	int status = 0;

	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	if (arguments.live.pid) {
		arguments.live.registers = arguments.registers;
		arguments.live.count = arguments.count;
		arguments.live.json = arguments.json;
		return live_regs_main(&arguments.live);
	}
	for (int i = 0; i < arguments.count; i++)
		if (!find(arguments.arch, arguments.registers[i], &found))
			status = 1;
	if (!arguments.count && !find_pattern(arguments.arch ? arguments.arch : machine_arch(), "*", &found))
		status = 1;
	if (arguments.json)
		found_json(&found);
	else
		found_print(&found);
	free(found.ids);
	return status;
}
