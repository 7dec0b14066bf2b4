/*
 * How the commands show things.
 */
#include "cli/print.h"

#include <stdio.h>

void print_reg_name(uint64_t id, char name[static ANYKVM_REG_NAME_ROOM])
{
	if (anykvm_reg_name(id, name, ANYKVM_REG_NAME_ROOM))
		snprintf(name, ANYKVM_REG_NAME_ROOM, "0x%016llx", (unsigned long long)id);
}

void print_reg_texts(uint64_t id, const void *value, struct reg_texts *texts)
{
	print_reg_name(id, texts->name);
	if (anykvm_value_print(value, anykvm_reg_size(id), texts->value, sizeof texts->value))
		*texts->value = 0;
	anykvm_reg_explain(id, value, texts->fields, sizeof texts->fields);
}

void print_reg(uint64_t id, const void *value, const char *indent)
{
	struct reg_texts texts;

	print_reg_texts(id, value, &texts);
	if (*texts.fields && anykvm_reg_size(id) > 8)
		printf("%s%-24s %s\n", indent, texts.name, texts.fields);
	else
		printf("%s%-24s %s%s%s\n", indent, texts.name, texts.value, *texts.fields ? "  " : "", texts.fields);
}

void print_json(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}
