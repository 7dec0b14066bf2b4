/*
 * Running one row of an ioctl table: arguments in, handler, results out.
 */
#include <errno.h>
#include <string.h>

#include "core/command.h"
#include "core/user.h"
#include "core/why.h"

static long command_fixed(const struct command *command, void *self, unsigned long arg)
{
	unsigned int direction = _IOC_DIR(command->cmd), size = _IOC_SIZE(command->cmd);
	_Alignas(64) unsigned char data[COMMAND_DATA_SIZE];
	int error;

	if (!(direction & _IOC_WRITE))
		memset(data, 0, size);
	else if (user_read(data, arg, size))
		return why(-EFAULT, "argument: %#lx has no %u readable bytes", arg, size);
	error = command->fixed(self, data);
	if (error)
		return error;
	if (direction & _IOC_READ && user_write(arg, data, size))
		return why(-EFAULT, "argument: %#lx has no %u writable bytes", arg, size);
	return 0;
}

long command_run(const struct command *command, void *self, unsigned long arg)
{
	return command->direct ? command->direct(self, arg) : command_fixed(command, self, arg);
}
