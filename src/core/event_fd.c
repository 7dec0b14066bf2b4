/*
 * The program's eventfds: see event_fd.h. Only system calls, none of which a preload face stands in front of.
 */
#include "core/event_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/object.h"
#include "core/why.h"

/* Reads what /proc says of the descriptor. */
static int info_read(int fd, char *text, size_t room)
{
	char path[64];
	ssize_t length;
	long info;

	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	info = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return -EBADF;
	length = syscall(SYS_read, info, text, room - 1);
	syscall(SYS_close, info);
	text[length < 0 ? 0 : length] = 0;
	return 0;
}

static int identify(int fd, uint64_t *id)
{
	const char *at;
	char text[512];
	int error;

	if (syscall(SYS_fcntl, fd, F_GETFD) < 0)
		return -EBADF;
	/* Ours are eventfds to the kernel, and something else to the program. */
	if (fd_is_ours(fd))
		return -EINVAL;
	error = info_read(fd, text, sizeof text);
	if (error)
		return error;
	if (!strstr(text, "eventfd-count:"))
		return -EINVAL;
	at = strstr(text, "eventfd-id:");
	*id = at ? strtoull(at + strlen("eventfd-id:"), NULL, 10) : (uint64_t)fd | UINT64_C(1) << 63;
	return 0;
}

int event_fd_identify(const char *field, int fd, uint64_t *id)
{
	int error = identify(fd, id);

	return error ? why(error, "%s: descriptor %d is %s", field, fd, error == -EBADF ? "not open" : "no eventfd") : 0;
}

int event_fd_open(struct event_fd *event, const char *field, int fd)
{
	int error = event_fd_identify(field, fd, &event->id);

	if (error)
		return error;
	event->fd = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
	return event->fd < 0 ? -errno : 0;
}

void event_fd_close(struct event_fd *event)
{
	syscall(SYS_close, event->fd);
	event->fd = -1;
}

static bool ready(int fd, short what)
{
	struct pollfd poll = { .fd = fd, .events = what };
	struct timespec now = { 0 };

	return syscall(SYS_ppoll, &poll, 1, &now, NULL, 0) == 1 && poll.revents & what;
}

void event_fd_signal(const struct event_fd *event)
{
	uint64_t one = 1;

	if (ready(event->fd, POLLOUT))
		syscall(SYS_write, event->fd, &one, sizeof one);
}

bool event_fd_take(const struct event_fd *event)
{
	uint64_t count;
	struct iovec to = { .iov_base = &count, .iov_len = sizeof count };
	long length = syscall(SYS_preadv2, event->fd, &to, 1, -1L, -1L, RWF_NOWAIT);

	/* Kernels before 5.8 cannot do that on an eventfd. */
	if (length < 0 && errno == EOPNOTSUPP && ready(event->fd, POLLIN))
		length = syscall(SYS_read, event->fd, &count, sizeof count);
	return length == sizeof count;
}
