/*
 * How the commands show things: registers by name, JSON.
 */
#ifndef ANYKVM_CLI_PRINT_H
#define ANYKVM_CLI_PRINT_H

#include <json-c/json.h>

#include "anykvm/anykvm.h"

/* The register's name, or its id as a number. */
void print_reg_name(uint64_t id, char name[static ANYKVM_REG_NAME_ROOM]);

struct reg_texts {
	char name[ANYKVM_REG_NAME_ROOM], value[ANYKVM_VALUE_ROOM], fields[1024];
};

void print_reg_texts(uint64_t id, const void *value, struct reg_texts *texts);
/* A line of it: structures read better in their parts' names than as one number. */
void print_reg(uint64_t id, const void *value, const char *indent);

/* Prints and releases. */
void print_json(struct json_object *object);

#endif
