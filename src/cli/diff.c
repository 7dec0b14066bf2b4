/*
 * anykvm diff: what differs between two states, register by register and field by field.
 */
#include <argp.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/print.h"
#include "cli/states.h"

struct arguments {
	const char *files[2];
	int count;
	bool json;
};

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "JSON", 0 },
	{ 0 },
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'j':
		arguments->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (arguments->count == 2)
			argp_error(state, "two files are compared, no more");
		arguments->files[arguments->count++] = value;
		return 0;
	case ARGP_KEY_END:
		if (arguments->count < 2)
			argp_error(state, "which two FILEs?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse, "FILE FILE",
	"Shows what differs between two states: registers, with their fields; CPUID and the local APIC, word by word; other parts. Memory is not compared."
	"\vExit status: 0 nothing differs, 1 something does, 2 trouble.",
	NULL, NULL, NULL,
};

struct texts {
	char a[ANYKVM_VALUE_ROOM], b[ANYKVM_VALUE_ROOM], fields[1024];
};

static void value_text(const struct anykvm_difference *difference, const void *value, char text[ANYKVM_VALUE_ROOM])
{
	if (!value)
		strcpy(text, "-");
	else if (anykvm_value_print(value, difference->size, text, ANYKVM_VALUE_ROOM))
		snprintf(text, ANYKVM_VALUE_ROOM, "(%zu bytes)", difference->size);
}

static void texts_make(const struct anykvm_difference *difference, struct texts *texts)
{
	value_text(difference, difference->a, texts->a);
	value_text(difference, difference->b, texts->b);
	*texts->fields = 0;
	if (difference->id && difference->a && difference->b)
		anykvm_reg_explain_difference(difference->id, difference->a, difference->b, texts->fields, sizeof texts->fields);
}

static void difference_print(void *context, const struct anykvm_difference *difference)
{
	struct texts texts;
	char unit[24] = "VM";

	(void)context;
	texts_make(difference, &texts);
	if (difference->vcpu != ANYKVM_STATE_VM)
		snprintf(unit, sizeof unit, "vCPU %d", difference->vcpu);
	printf("%s  %-24s %s -> %s%s%s\n", unit, difference->name, texts.a, texts.b, *texts.fields ? "  " : "", texts.fields);
}

static void difference_json(void *list, const struct anykvm_difference *difference)
{
	struct json_object *object = json_object_new_object();
	struct texts texts;

	texts_make(difference, &texts);
	if (difference->vcpu != ANYKVM_STATE_VM)
		json_object_object_add(object, "vcpu", json_object_new_int(difference->vcpu));
	json_object_object_add(object, "name", json_object_new_string(difference->name));
	json_object_object_add(object, "a", difference->a ? json_object_new_string(texts.a) : NULL);
	json_object_object_add(object, "b", difference->b ? json_object_new_string(texts.b) : NULL);
	if (*texts.fields)
		json_object_object_add(object, "fields", json_object_new_string(texts.fields));
	json_object_array_add(list, object);
}

int command_diff_main(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	struct anykvm_state *a, *b;
	struct json_object *list = NULL;
	int count = -1;

	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	a = states_load("diff", arguments.files[0]);
	b = a ? states_load("diff", arguments.files[1]) : NULL;
	if (b) {
		if (arguments.json)
			list = json_object_new_array();
		count = anykvm_state_diff(a, b, list ? difference_json : difference_print, list);
		if (count < 0)
			states_fail("diff", arguments.files[1]);
		else if (list)
			print_json(json_object_get(list));
		json_object_put(list);
	}
	anykvm_state_free(a);
	anykvm_state_free(b);
	return count < 0 ? STATUS_TROUBLE : count > 0;
}
