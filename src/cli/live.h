/*
 * anykvm regs --pid: the registers of a VM that runs. live.c
 */
#ifndef ANYKVM_CLI_LIVE_H
#define ANYKVM_CLI_LIVE_H

#include <stdbool.h>
#include <sys/types.h>

struct live_regs {
	pid_t pid;
	int vcpu; /* -1: all */
	char **registers; /* NAME, NAME=VALUE or a pattern; none: all */
	int count;
	bool json, verbose;
};

/* Sets, then shows. The exit status. */
int live_regs_main(const struct live_regs *arguments);

#endif
