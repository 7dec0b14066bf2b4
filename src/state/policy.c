/*
 * Policies: rules about values by name, one a line. The last rule that fits counts.
 */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "core/why.h"
#include "state/state.h"

enum action { ACTION_IGNORE, ACTION_EQUAL, ACTION_CLEAR, ACTION_SET };

static const struct {
	const char *word;
	enum action action;
	bool value;
} actions[] = { { "ignore", ACTION_IGNORE, false }, { "equal", ACTION_EQUAL, false }, { "clear", ACTION_CLEAR, true }, { "set", ACTION_SET, true } };

struct rule {
	enum action action;
	char *name; /* a pattern */
	uint8_t value[ANYKVM_REG_SIZE_MAX];
};

struct anykvm_policy {
	struct rule *rules;
	size_t count;
};

PUBLIC void anykvm_policy_free(struct anykvm_policy *policy)
{
	for (size_t i = 0; policy && i < policy->count; i++)
		free(policy->rules[i].name);
	if (policy)
		free(policy->rules);
	free(policy);
}

/* A name can have a blank in it ("msr 0x10"): it ends before the last word when the action takes a value. */
static int rule_parse(struct rule *rule, char *line, unsigned int number)
{
	char *name = line + strcspn(line, " \t"), *value;
	size_t length = (size_t)(name - line);

	name += strspn(name, " \t");
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
		if (strlen(actions[i].word) != length || memcmp(actions[i].word, line, length))
			continue;
		rule->action = actions[i].action;
		if (actions[i].value) {
			value = name + strlen(name);
			while (value > name && !isspace((unsigned char)value[-1]))
				value--;
			if (value == name)
				return why(-EINVAL, "line %u: %s NAME VALUE", number, actions[i].word);
			if (anykvm_value_parse(value, rule->value, sizeof rule->value))
				return why(-EINVAL, "line %u: %s is no number", number, value);
			while (value > name && isspace((unsigned char)value[-1]))
				*--value = 0;
		}
		if (!*name)
			return why(-EINVAL, "line %u: %s of what?", number, actions[i].word);
		rule->name = strdup(name);
		return rule->name ? 0 : -ENOMEM;
	}
	return why(-EINVAL, "line %u: '%.*s' is none of ignore, equal, clear, set", number, (int)length, line);
}

static int line_parse(struct anykvm_policy *policy, char *line, unsigned int number)
{
	struct rule *grown;
	size_t end;
	int error;

	line[strcspn(line, "#")] = 0;
	line += strspn(line, " \t\r");
	for (end = strlen(line); end && isspace((unsigned char)line[end - 1]); end--)
		line[end - 1] = 0;
	if (!*line)
		return 0;
	grown = realloc(policy->rules, (policy->count + 1) * sizeof *grown);
	if (!grown)
		return -ENOMEM;
	policy->rules = grown;
	memset(&grown[policy->count], 0, sizeof *grown);
	error = rule_parse(&grown[policy->count], line, number);
	policy->count += !error;
	return error;
}

PUBLIC struct anykvm_policy *anykvm_policy_parse(const char *text)
{
	struct anykvm_policy *policy = calloc(1, sizeof *policy);
	char *copy = strdup(text), *rest = copy, *line;
	unsigned int number = 0;
	int error = policy && copy ? 0 : -ENOMEM;

	api_begin(0);
	while (!error && (line = strsep(&rest, "\n")))
		error = line_parse(policy, line, ++number);
	free(copy);
	if (!error)
		return policy;
	anykvm_policy_free(policy);
	api_end(error);
	return NULL;
}

static bool same_name(const char *pattern, const char *name)
{
	uint64_t a, b;

	if (!fnmatch(pattern, name, FNM_CASEFOLD))
		return true;
	/* Aliases mean the same register. */
	return !strpbrk(pattern, "*?[") && strncmp(name, "cpuid.", 6) && !anykvm_reg_parse(0, pattern, &a) && !anykvm_reg_parse(0, name, &b) && a == b;
}

bool policy_apply(const struct anykvm_policy *policy, const char *name, void *value, size_t size, const void *there, bool *equal_broken)
{
	const struct rule *rule = NULL;
	uint8_t *bytes = value;

	*equal_broken = false;
	for (size_t i = 0; policy && i < policy->count; i++)
		if (same_name(policy->rules[i].name, name))
			rule = &policy->rules[i];
	if (!rule)
		return true;
	switch (rule->action) {
	case ACTION_IGNORE:
		return false;
	case ACTION_EQUAL:
		*equal_broken = !there || memcmp(there, value, size);
		return false;
	case ACTION_CLEAR:
		for (size_t i = 0; i < size && i < sizeof rule->value; i++)
			bytes[i] &= (uint8_t)~rule->value[i];
		return true;
	case ACTION_SET:
		memcpy(bytes, rule->value, size < sizeof rule->value ? size : sizeof rule->value);
		return true;
	}
	return true;
}
