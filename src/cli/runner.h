/*
 * The commands' own small VM: takes a state with its memory, and lets its vCPUs run, each on a thread of its own. It has no devices: bytes
 * written to the first serial port or to port 0xe9 are shown, other reads get ones.
 */
#ifndef ANYKVM_CLI_RUNNER_H
#define ANYKVM_CLI_RUNNER_H

#include <stdbool.h>

#include "anykvm/state.h"

struct runner;

/* A VM with as many vCPUs and as much memory as the state has, nothing restored yet. NULL: it has been told why. */
struct runner *runner_new(enum anykvm_accel accel, const struct anykvm_state *state);
void runner_free(struct runner *runner);

int runner_vm(const struct runner *runner);
const int *runner_vcpus(const struct runner *runner);

/* Until every vCPU has halted or failed, or there were `exits` exits together (0: no bound). Says each vCPU's end on standard error. */
bool runner_run(struct runner *runner, unsigned long exits, bool verbose);

#endif
