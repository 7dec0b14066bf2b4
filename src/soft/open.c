/*
 * Descriptors of new systems and VMs. Knows no architecture.
 */
#include "soft/open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/why.h"

struct system {
	struct object object;
	const struct command *commands;
};

long system_ioctl(struct object *object, unsigned int cmd, unsigned long arg)
{
	const struct command *command = command_find(((struct system *)object)->commands, cmd);

	if (!command)
		return why(-EINVAL, "ioctl %#x: not one of the system descriptor's", cmd);
	return command_run(command, object, arg);
}

void system_release(struct object *object)
{
	free(object);
}

long object_descriptor(struct object *object, const char *name)
{
	int fd = fd_new_plain(name);

	if (fd >= 0)
		return fd_give(fd, object);
	object_put(object);
	return fd;
}

int system_open(const struct object_ops *ops, const struct command *commands, int flags)
{
	struct system *system = calloc(1, sizeof *system);
	int fd;

	if (!system)
		return -ENOMEM;
	object_init(&system->object, ops);
	system->commands = commands;
	fd = (int)object_descriptor(&system->object, "kvm");
	if (fd >= 0 && !(flags & O_CLOEXEC))
		syscall(SYS_fcntl, fd, F_SETFD, 0);
	return fd;
}
