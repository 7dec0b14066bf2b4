/*
 * anykvm show: a state file, by name.
 */
#include <argp.h>
#include <fnmatch.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/print.h"
#include "cli/states.h"

struct arguments {
	const char *file;
	char **names;
	int count, vcpu; /* -1: all */
	bool json;
};

static const struct argp_option options[] = {
	{ "vcpu", 'c', "N", 0, "This vCPU only", 0 },
	{ "json", 'j', NULL, 0, "JSON", 0 },
	{ 0 },
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	char *rest;

	switch (key) {
	case 'c':
		arguments->vcpu = (int)strtol(value, &rest, 0);
		if (*rest || arguments->vcpu < 0)
			argp_error(state, "--vcpu %s: a number", value);
		return 0;
	case 'j':
		arguments->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (arguments->file)
			return ARGP_ERR_UNKNOWN;
		arguments->file = value;
		return 0;
	case ARGP_KEY_ARGS:
		arguments->names = state->argv + state->next;
		arguments->count = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (!arguments->file)
			argp_error(state, "which FILE?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse, "FILE [NAME...]",
	"Shows the state in a file: registers by name, with their fields; what is no register; memory. NAMEs, which can have * and ?, choose registers."
	"\vFILE can be -, standard input. Exit status: 1 when the file is no state, or has none of the names.",
	NULL, NULL, NULL,
};

static bool chosen(const struct arguments *arguments, uint64_t id, const char *name)
{
	uint64_t other;

	for (int i = 0; i < arguments->count; i++)
		if (!fnmatch(arguments->names[i], name, FNM_CASEFOLD) ||
		    (!strpbrk(arguments->names[i], "*?[") && !anykvm_reg_parse(id & 0xff00000000000000ULL, arguments->names[i], &other) && other == id))
			return true;
	return !arguments->count;
}

/* ---- For people. ---- */

static size_t vcpu_print(const struct anykvm_state *state, size_t vcpu, const struct arguments *arguments)
{
	size_t count, shown = 0;
	const struct anykvm_state_reg *regs = anykvm_state_regs(state, vcpu, &count);
	char name[ANYKVM_REG_NAME_ROOM];

	printf("vCPU %zu\n", vcpu);
	for (size_t i = 0; i < count; i++) {
		print_reg_name(regs[i].id, name);
		if (!chosen(arguments, regs[i].id, name))
			continue;
		print_reg(regs[i].id, regs[i].value, "  ");
		shown++;
	}
	return shown;
}

static void parts_print(const struct anykvm_state *state, int vcpu)
{
	size_t count;
	const struct anykvm_state_part *parts = anykvm_state_parts(state, vcpu, &count);

	for (size_t i = 0; i < count; i++)
		printf("  %-24s %zu bytes\n", parts[i].name, parts[i].size);
}

static size_t state_print(const struct anykvm_state *state, const struct arguments *arguments)
{
	size_t count, shown = 0;
	const struct anykvm_state_memory *memory = anykvm_state_memory(state, &count);

	if (!arguments->count)
		printf("%s, %zu vCPUs, from %s\n", anykvm_arch_name(anykvm_state_arch(state)), anykvm_state_vcpus(state), anykvm_state_origin(state));
	for (size_t i = 0; i < anykvm_state_vcpus(state); i++) {
		if (arguments->vcpu >= 0 && (size_t)arguments->vcpu != i)
			continue;
		shown += vcpu_print(state, i, arguments);
		if (!arguments->count)
			parts_print(state, (int)i);
	}
	if (arguments->count || arguments->vcpu >= 0)
		return shown;
	puts("VM");
	parts_print(state, ANYKVM_STATE_VM);
	for (size_t i = 0; i < count; i++)
		printf("  memory slot %-12u 0x%llx ... 0x%llx%s\n", memory[i].slot, (unsigned long long)memory[i].address,
		       (unsigned long long)(memory[i].address + memory[i].size - 1), memory[i].flags & 2 ? ", read-only" : "");
	return 1;
}

/* ---- JSON. ---- */

static struct json_object *hex(unsigned long long value)
{
	char text[24];

	snprintf(text, sizeof text, "0x%llx", value);
	return json_object_new_string(text);
}

static struct json_object *parts_json(const struct anykvm_state *state, int vcpu)
{
	size_t count;
	const struct anykvm_state_part *parts = anykvm_state_parts(state, vcpu, &count);
	struct json_object *object = json_object_new_object();

	for (size_t i = 0; i < count; i++) {
		char *text = malloc(2 * parts[i].size + 1);

		for (size_t k = 0; text && k < parts[i].size; k++)
			sprintf(text + 2 * k, "%02x", ((const uint8_t *)parts[i].bytes)[k]);
		if (text && parts[i].size)
			json_object_object_add(object, parts[i].name, json_object_new_string(text));
		free(text);
	}
	return object;
}

static struct json_object *vcpu_json(const struct anykvm_state *state, size_t vcpu, const struct arguments *arguments, size_t *shown)
{
	struct json_object *object = json_object_new_object(), *registers = json_object_new_object();
	struct reg_texts texts;
	size_t count;
	const struct anykvm_state_reg *regs = anykvm_state_regs(state, vcpu, &count);

	for (size_t i = 0; i < count; i++) {
		struct json_object *reg;

		print_reg_texts(regs[i].id, regs[i].value, &texts);
		if (!chosen(arguments, regs[i].id, texts.name))
			continue;
		reg = json_object_new_object();
		json_object_object_add(reg, "id", hex(regs[i].id));
		json_object_object_add(reg, "value", json_object_new_string(texts.value));
		if (*texts.fields)
			json_object_object_add(reg, "fields", json_object_new_string(texts.fields));
		json_object_object_add(registers, texts.name, reg);
		++*shown;
	}
	json_object_object_add(object, "vcpu", json_object_new_int64((int64_t)vcpu));
	json_object_object_add(object, "registers", registers);
	if (!arguments->count)
		json_object_object_add(object, "parts", parts_json(state, (int)vcpu));
	return object;
}

static size_t state_json(const struct anykvm_state *state, const struct arguments *arguments)
{
	struct json_object *object = json_object_new_object(), *vcpus = json_object_new_array(), *pieces = json_object_new_array();
	size_t count, shown = 0;
	const struct anykvm_state_memory *memory = anykvm_state_memory(state, &count);

	json_object_object_add(object, "arch", json_object_new_string(anykvm_arch_name(anykvm_state_arch(state))));
	json_object_object_add(object, "origin", json_object_new_string(anykvm_state_origin(state)));
	for (size_t i = 0; i < anykvm_state_vcpus(state); i++)
		if (arguments->vcpu < 0 || (size_t)arguments->vcpu == i)
			json_object_array_add(vcpus, vcpu_json(state, i, arguments, &shown));
	json_object_object_add(object, "vcpus", vcpus);
	json_object_object_add(object, "parts", parts_json(state, ANYKVM_STATE_VM));
	for (size_t i = 0; i < count; i++) {
		struct json_object *piece = json_object_new_object();

		json_object_object_add(piece, "slot", json_object_new_int64(memory[i].slot));
		json_object_object_add(piece, "address", hex(memory[i].address));
		json_object_object_add(piece, "size", hex(memory[i].size));
		json_object_array_add(pieces, piece);
	}
	json_object_object_add(object, "memory", pieces);
	print_json(object);
	return arguments->count ? shown : 1;
}

int command_show_main(int argc, char **argv)
{
	struct arguments arguments = { .vcpu = -1 };
	struct anykvm_state *state;
	size_t shown;

	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	state = states_load("show", arguments.file);
	if (!state)
		return 1;
	shown = arguments.json ? state_json(state, &arguments) : state_print(state, &arguments);
	if (!shown)
		fprintf(stderr, "anykvm show: %s has none of these registers\n", arguments.file);
	anykvm_state_free(state);
	return shown ? 0 : 1;
}
