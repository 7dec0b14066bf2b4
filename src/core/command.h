/*
 * Tables of ioctls: from the command word to a handler, with the copying that the command word itself describes. Knows no
 * command.
 */
#ifndef ANYKVM_CORE_COMMAND_H
#define ANYKVM_CORE_COMMAND_H

#include <stddef.h>
#include <sys/ioctl.h>

struct command {
	unsigned int cmd;
	/* For arguments of the size and direction that the command word tells. `data` is our own copy, all zero when nothing is copied in. */
	int (*fixed)(void *self, void *data);
	/* For all others: numbers, none, headers with arrays behind them. */
	long (*direct)(void *self, unsigned long arg);
	unsigned int flags; /* the table's owner's */
};

/* The largest fixed argument: an XSAVE area. */
#define COMMAND_DATA_SIZE 4096

/*
 * A table is indexed by the command's direction and number: some share a number.
 * Use: static const struct command table[COMMAND_TABLE_SIZE] = { COMMAND(KVM_RUN, .direct = run), ... };
 */
#define COMMAND_TABLE_SIZE 0x400
#define COMMAND_INDEX(word) (_IOC_NR(word) | _IOC_DIR(word) << 8)
#define COMMAND(word, ...) [COMMAND_INDEX(word)] = { .cmd = (unsigned int)(word), __VA_ARGS__ }

/* The row of that very command word, or NULL. */
static inline const struct command *command_find(const struct command *table, unsigned int cmd)
{
	const struct command *command = &table[COMMAND_INDEX(cmd)];

	return command->cmd == cmd && (command->direct || command->fixed) ? command : NULL;
}

/* Copies in, calls, and copies out what succeeded: the ioctl's result, or -errno (-EFAULT for a bad argument). */
long command_run(const struct command *command, void *self, unsigned long arg);

#endif
