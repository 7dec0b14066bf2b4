/*
 * What the commands about states share: files by name, policies, profiles, reports.
 */
#ifndef ANYKVM_CLI_STATES_H
#define ANYKVM_CLI_STATES_H

#include <stdbool.h>

#include "anykvm/state.h"

/* "anykvm COMMAND: WHAT: why", from the library's last refusal. */
void states_fail(const char *command, const char *what);

/* A state from a file, "-" from standard input. NULL: it has been told why. */
struct anykvm_state *states_load(const char *command, const char *path);
/* To a file, "-" to standard output; packed by zstd at that level, 0: not at all. */
bool states_save(const char *command, const struct anykvm_state *state, const char *path, int zstd_level);
/* The argument of --zstd, which may be NULL. False: it is no level. */
bool states_zstd_parse(const char *text, int *level);
/* A file's text, to be freed. */
char *states_text(const char *command, const char *path);
struct anykvm_policy *states_policy(const char *command, const char *path);

/* What does not fit, for people on standard output, or as a JSON list. */
void states_report_print(const struct anykvm_report *report);
void states_report_json(const struct anykvm_report *report);

#endif
