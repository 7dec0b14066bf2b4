/*
 * Files and reports of the commands about states.
 */
#include "cli/states.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/print.h"

void states_fail(const char *command, const char *what)
{
	const char *reason = anykvm_refusal()->error == errno ? anykvm_refusal()->reason : "";

	fprintf(stderr, "anykvm %s: %s: %s\n", command, what, *reason ? reason : strerror(errno));
}

/* ---- Files. ---- */

enum { ZSTD_LEVEL = 3, PROGRESS_LEAST = 64 << 20, PROGRESS_STEP = 16 << 20 };

/* How far it is, where somebody looks and it takes long enough. */
struct progress {
	const char *command;
	uint64_t told;
};

static void progress_tell(void *context, uint64_t done, uint64_t total)
{
	struct progress *progress = context;

	if (total < PROGRESS_LEAST || (done < total && done - progress->told < PROGRESS_STEP))
		return;
	progress->told = done;
	fprintf(stderr, "\ranykvm %s: %llu of %llu MiB%s", progress->command, (unsigned long long)done >> 20, (unsigned long long)total >> 20, done == total ? "\n" : "");
}

static struct anykvm_state_io io_begin(struct progress *progress, int zstd_level)
{
	struct anykvm_state_io io = { .zstd_level = zstd_level, .context = progress };

	if (isatty(STDERR_FILENO))
		io.progress = progress_tell;
	return io;
}

bool states_zstd_parse(const char *text, int *level)
{
	char *rest;

	*level = ZSTD_LEVEL;
	if (!text)
		return true;
	*level = (int)strtol(text, &rest, 10);
	return *text && !*rest && *level;
}

struct anykvm_state *states_load(const char *command, const char *path)
{
	struct progress progress = { .command = command };
	struct anykvm_state_io io = io_begin(&progress, 0);
	struct anykvm_state *state = strcmp(path, "-") ? anykvm_state_load(path, &io) : anykvm_state_read(STDIN_FILENO, &io);

	if (!state)
		states_fail(command, path);
	return state;
}

bool states_save(const char *command, const struct anykvm_state *state, const char *path, int zstd_level)
{
	struct progress progress = { .command = command };
	struct anykvm_state_io io = io_begin(&progress, zstd_level);

	if (!(strcmp(path, "-") ? anykvm_state_save(state, path, &io) : anykvm_state_write(state, STDOUT_FILENO, &io)))
		return true;
	states_fail(command, path);
	return false;
}

/* More text than that, no policy or profile has. */
#define TEXT_MOST (16u << 20)

char *states_text(const char *command, const char *path)
{
	FILE *from = strcmp(path, "-") ? fopen(path, "re") : stdin;
	char *text = NULL;
	size_t size = 0, room = 0, some = 1;

	if (!from) {
		fprintf(stderr, "anykvm %s: %s: %s\n", command, path, strerror(errno));
		return NULL;
	}
	while (some && size < TEXT_MOST) {
		if (room - size < 4096) {
			char *grown = realloc(text, room = 2 * room + 8192);

			if (!grown)
				break;
			text = grown;
		}
		some = fread(text + size, 1, room - size - 1, from);
		size += some;
	}
	if (text)
		text[size] = 0;
	if (from != stdin)
		fclose(from);
	return text;
}

struct anykvm_policy *states_policy(const char *command, const char *path)
{
	char *text = states_text(command, path);
	struct anykvm_policy *policy = text ? anykvm_policy_parse(text) : NULL;

	if (text && !policy)
		states_fail(command, path);
	free(text);
	return policy;
}

static void unit_name(int vcpu, char name[16])
{
	if (vcpu == ANYKVM_STATE_VM)
		strcpy(name, "VM");
	else
		snprintf(name, 16, "vCPU %d", vcpu);
}

void states_report_print(const struct anykvm_report *report)
{
	char unit[16];

	for (size_t i = 0; i < anykvm_report_count(report); i++) {
		const struct anykvm_misfit *misfit = anykvm_report_at(report, i);

		unit_name(misfit->vcpu, unit);
		printf("%s: %s: %s\n", unit, misfit->name, misfit->rule);
		if (*misfit->field)
			printf("    fields    %s\n", misfit->field);
		if (*misfit->saved)
			printf("    saved     %s\n", misfit->saved);
		if (*misfit->possible)
			printf("    possible  %s\n", misfit->possible);
		if (*misfit->remedy)
			printf("    policy    %s\n", misfit->remedy);
	}
}

void states_report_json(const struct anykvm_report *report)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < anykvm_report_count(report); i++) {
		const struct anykvm_misfit *misfit = anykvm_report_at(report, i);
		const struct {
			const char *name, *text;
		} texts[] = { { "name", misfit->name }, { "fields", misfit->field }, { "saved", misfit->saved }, { "possible", misfit->possible }, { "rule", misfit->rule },
			      { "policy", misfit->remedy } };
		struct json_object *object = json_object_new_object();

		if (misfit->vcpu != ANYKVM_STATE_VM)
			json_object_object_add(object, "vcpu", json_object_new_int(misfit->vcpu));
		for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
			if (*texts[k].text)
				json_object_object_add(object, texts[k].name, json_object_new_string(texts[k].text));
		json_object_array_add(list, object);
	}
	print_json(list);
}
