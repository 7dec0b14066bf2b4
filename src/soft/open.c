/*
 * Descriptors of new systems and VMs. Knows no architecture.
 */
#include "soft/open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

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

int system_open(const struct object_ops *ops, int flags)
{
	struct object *system = calloc(1, sizeof *system);
	int fd;

	if (!system)
		return -ENOMEM;
	object_init(system, ops);
	fd = (int)object_descriptor(system, "kvm");
	if (fd >= 0 && !(flags & O_CLOEXEC))
		syscall(SYS_fcntl, fd, F_SETFD, 0);
	return fd;
}
