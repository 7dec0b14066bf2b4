/*
 * Options and arguments that several commands have. A wrong one ends the command, with STATUS_USAGE.
 */
#ifndef ANYKVM_CLI_ARGUMENTS_H
#define ANYKVM_CLI_ARGUMENTS_H

#include <argp.h>
#include <stdint.h>
#include <sys/types.h>

#include "api/accel.h"

/* A row of options: which KVM the command opens. */
#define ARGUMENTS_ACCEL { "accel", 'a', "KVM", 0, "soft (the default), kvm (this machine's), or auto", 0 }

enum anykvm_accel arguments_accel(const struct argp_state *state, const char *value);
/* --arch: any architecture of KVM. */
uint64_t arguments_arch(const struct argp_state *state, const char *value);
/* --guest: one that the software KVM can have. */
uint64_t arguments_guest(const struct argp_state *state, const char *value);
pid_t arguments_pid(const struct argp_state *state, const char *value);
/* The one FILE; `before` is what it was so far. */
const char *arguments_file(const struct argp_state *state, const char *value, const char *before);

#endif
