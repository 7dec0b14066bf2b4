/*
 * anykvm(1): finds the command and hands over.
 */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static const struct {
	const char *name;
	command_fn *run;
	const char *summary;
} commands[] = {
	{ "run", command_run_main, "run an unmodified KVM program on the software KVM" },
	{ "info", command_info_main, "show what a KVM has: capabilities, registers by name" },
	{ "regs", command_regs_main, "names and ids of registers; the registers of a VM that runs" },
	{ "list", command_list_main, "list the VMs that run on this machine's KVM" },
	{ "save", command_save_main, "save the state of a VM that runs" },
	{ "restore", command_restore_main, "let a saved state go on, on any KVM" },
	{ "show", command_show_main, "show the state in a file, registers by name" },
	{ "diff", command_diff_main, "show what differs between two states" },
	{ "check", command_check_main, "would a state restore, and if not, which register and why" },
	{ "profile", command_profile_main, "write down what a KVM can hold, for check" },
};

static void usage(FILE *to)
{
	fputs("Usage: anykvm COMMAND [ARGUMENT...]\n"
	      "KVM's vCPU-state API on any machine.\n\nCommands:\n", to);
	for (unsigned int i = 0; i < sizeof commands / sizeof *commands; i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fputs("\n`anykvm COMMAND --help` tells more.\n", to);
}

int main(int argc, char **argv)
{
	char name[32];

	if (argc < 2) {
		usage(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("anykvm " ANYKVM_VERSION);
		return 0;
	}
	argp_err_exit_status = STATUS_USAGE;
	for (unsigned int i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		snprintf(name, sizeof name, "anykvm %s", commands[i].name);
		argv[1] = name;
		return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "anykvm: there is no command '%s'; see `anykvm --help`\n", argv[1]);
	return STATUS_USAGE;
}
