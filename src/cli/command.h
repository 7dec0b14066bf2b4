/*
 * The commands of anykvm(1). Each has its own file and parses its own arguments.
 */
#ifndef ANYKVM_CLI_COMMAND_H
#define ANYKVM_CLI_COMMAND_H

/* The exit status of a command that was typed wrongly: EX_USAGE of sysexits.h. */
enum { STATUS_USAGE = 64 };

/* `argv[0]` is the command's name. Returns the exit status. */
typedef int command_fn(int argc, char **argv);

command_fn command_run_main;  /* run.c */
command_fn command_info_main; /* info.c */
command_fn command_regs_main, command_show_main, command_diff_main, command_check_main, command_profile_main; /* regs.c */

#endif
