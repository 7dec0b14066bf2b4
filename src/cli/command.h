/*
 * The commands of anykvm(1). Each has its own file and parses its own arguments.
 */
#ifndef ANYKVM_CLI_COMMAND_H
#define ANYKVM_CLI_COMMAND_H

/* Exit statuses: of commands for which 1 is an answer; of a command that was typed wrongly, EX_USAGE of sysexits.h. */
enum { STATUS_TROUBLE = 2, STATUS_USAGE = 64 };

/* `argv[0]` is the command's name, "anykvm run"; argp ends with STATUS_USAGE. Returns the exit status. */
typedef int command_fn(int argc, char **argv);

command_fn command_run_main;  /* run.c */
command_fn command_info_main; /* info.c */
command_fn command_regs_main; /* regs.c */
command_fn command_list_main, command_save_main; /* live.c */
command_fn command_restore_main; /* restore.c */
command_fn command_show_main; /* show.c */
command_fn command_diff_main; /* diff.c */
command_fn command_check_main, command_profile_main; /* check.c */

#endif
