/*
 * The commands of anykvm(1). Each has its own file and parses its own arguments.
 */
#ifndef ANYKVM_CLI_COMMAND_H
#define ANYKVM_CLI_COMMAND_H

/* `argv[0]` is the command's name. Returns the exit status. */
typedef int command_fn(int argc, char **argv);

command_fn command_run_main;  /* run.c */
command_fn command_info_main; /* info.c */
command_fn command_regs_main; /* regs.c */

#endif
