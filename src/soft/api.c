/*
 * The public face of include/anykvm/anykvm.h: the system calls of a KVM program, without a preload.
 */
#include "anykvm/anykvm.h"

#include <errno.h>
#include <unistd.h>

#include "core/call.h"
#include "core/object.h"
#include "soft/soft.h"

#define PUBLIC __attribute__((visibility("default")))

static int result_of(long result)
{
	if (result >= 0)
		return (int)result;
	errno = (int)-result;
	return -1;
}

PUBLIC int anykvm_open(int flags)
{
	return result_of(soft_system_open(flags));
}

PUBLIC int anykvm_ioctl(int fd, unsigned long request, void *argument)
{
	return result_of(call_ioctl(fd, (unsigned int)request, (unsigned long)argument));
}

PUBLIC int anykvm_close(int fd)
{
	fd_forget(fd);
	return close(fd);
}

PUBLIC int anykvm_dup(int fd)
{
	int copy = dup(fd);

	if (copy >= 0)
		fd_duplicated(fd, copy);
	return copy;
}
