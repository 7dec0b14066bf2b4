/*
 * open, ioctl, close, dup and their relatives. Descriptors are real ones, so that everything else (mmap, poll, read, fork, CLOEXEC)
 * is the kernel's business.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "core/call.h"
#include "core/object.h"
#include "core/why.h"
#include "shim/shim.h"

void *shim_real(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (!function) {
		fprintf(stderr, "anykvm: libc has no %s()\n", name);
		abort();
	}
	return function;
}

__attribute__((constructor)) static void shim_init(void)
{
	signals_init();
	exec_init();
	trace_init();
	/* Nobody could ask for a reason that is not printed. */
	why_enabled = why_printed;
}

static int result_of(long result)
{
	if (result >= 0)
		return (int)result;
	errno = (int)-result;
	return -1;
}

/* ---- open. ---- */

typedef int open_fn(const char *path, int flags, ...);
typedef int openat_fn(int directory, const char *path, int flags, ...);
typedef int open_2_fn(const char *path, int flags);
typedef int openat_2_fn(int directory, const char *path, int flags);

/* The mode is there only when a file may be made; reading it anyway is harmless here, as libc itself does. */
#define OPEN_MODE(last)                       \
	({                                    \
		va_list list_;                \
		mode_t mode_;                 \
		va_start(list_, last);        \
		mode_ = va_arg(list_, mode_t); \
		va_end(list_);                \
		mode_;                        \
	})

#define OPEN(name)                                                       \
	PUBLIC int name(const char *path, int flags, ...)                \
	{                                                                \
		mode_t mode = OPEN_MODE(flags);                          \
		int fd = shim_open(path, flags);                         \
                                                                         \
		if (fd != SHIM_NOT_OURS)                                 \
			return result_of(fd);                            \
		return REAL(open_fn *, #name)(path, flags, mode);        \
	}

#define OPENAT(name)                                                            \
	PUBLIC int name(int directory, const char *path, int flags, ...)        \
	{                                                                       \
		mode_t mode = OPEN_MODE(flags);                                 \
		int fd = shim_open(path, flags);                                \
                                                                                \
		if (fd != SHIM_NOT_OURS)                                        \
			return result_of(fd);                                   \
		return REAL(openat_fn *, #name)(directory, path, flags, mode);  \
	}

/* What _FORTIFY_SOURCE makes of calls without a mode. */
#define OPEN_2(name)                                              \
	PUBLIC int name(const char *path, int flags);             \
	PUBLIC int name(const char *path, int flags)              \
	{                                                         \
		int fd = shim_open(path, flags);                  \
                                                                  \
		if (fd != SHIM_NOT_OURS)                          \
			return result_of(fd);                     \
		return REAL(open_2_fn *, #name)(path, flags);     \
	}

#define OPENAT_2(name)                                                      \
	PUBLIC int name(int directory, const char *path, int flags);        \
	PUBLIC int name(int directory, const char *path, int flags)         \
	{                                                                   \
		int fd = shim_open(path, flags);                            \
                                                                            \
		if (fd != SHIM_NOT_OURS)                                    \
			return result_of(fd);                               \
		return REAL(openat_2_fn *, #name)(directory, path, flags);  \
	}

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
OPEN_2(__open_2)
OPEN_2(__open64_2)
OPENAT_2(__openat_2)
OPENAT_2(__openat64_2)

/* fopen() opens inside libc, where nobody can stand in front. */
static FILE *shim_fopen(const char *path, const char *mode, bool *ours)
{
	int fd = shim_open(path, O_RDONLY | O_CLOEXEC);
	FILE *file;

	*ours = fd != SHIM_NOT_OURS;
	if (!*ours)
		return NULL;
	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	file = fdopen(fd, mode);
	if (!file)
		close(fd);
	return file;
}

#define FOPEN(name)                                                                   \
	PUBLIC FILE *name(const char *path, const char *mode)                         \
	{                                                                             \
		bool ours;                                                            \
		FILE *file = shim_fopen(path, mode, &ours);                           \
                                                                                      \
		return ours ? file : REAL(FILE * (*)(const char *, const char *), #name)(path, mode); \
	}

FOPEN(fopen)
FOPEN(fopen64)

PUBLIC int access(const char *path, int mode)
{
	int result = shim_access(path);

	if (result != SHIM_NOT_OURS)
		return result_of(result);
	return REAL(int (*)(const char *, int), "access")(path, mode);
}

/* ---- ioctl. ---- */

PUBLIC int ioctl(int fd, unsigned long request, ...)
{
	va_list list;
	void *argument;

	va_start(list, request);
	argument = va_arg(list, void *);
	va_end(list);
	if (__builtin_expect(fd_is_ours(fd), 0)) {
		long result = call_ioctl(fd, (unsigned int)request, (unsigned long)argument);

		/* Closed meanwhile: the kernel's. A call can also answer so of a descriptor in its argument. */
		if (result != -EBADF || fd_is_ours(fd))
			return result_of(result);
	}
	return REAL(int (*)(int, unsigned long, void *), "ioctl")(fd, request, argument);
}

/* ---- close, dup. ---- */

PUBLIC int close(int fd)
{
	if (__builtin_expect(fd_is_ours(fd), 0))
		fd_forget(fd);
	return REAL(int (*)(int), "close")(fd);
}

/* Forgets what is ours in a range of descriptors, only those that the table has. */
static void range_forget(unsigned int first, unsigned int last)
{
	for (int fd = fd_next((int)first); fd >= 0 && (unsigned int)fd <= last; fd = fd_next(fd + 1))
		fd_forget(fd);
}

PUBLIC int close_range(unsigned int first, unsigned int last, int flags)
{
	if (!(flags & (1 << 2) /* CLOSE_RANGE_CLOEXEC */))
		range_forget(first, last);
	return REAL(int (*)(unsigned int, unsigned int, int), "close_range")(first, last, flags);
}

PUBLIC void closefrom(int first)
{
	range_forget(first < 0 ? 0 : (unsigned int)first, UINT32_MAX);
	REAL(void (*)(int), "closefrom")(first);
}

PUBLIC int dup(int fd)
{
	int copy = REAL(int (*)(int), "dup")(fd);

	if (copy >= 0 && fd_is_ours(fd))
		fd_duplicated(fd, copy);
	return copy;
}

PUBLIC int dup2(int fd, int to)
{
	int copy = REAL(int (*)(int, int), "dup2")(fd, to);

	if (copy >= 0 && fd != to && (fd_is_ours(fd) || fd_is_ours(to)))
		fd_duplicated(fd, copy);
	return copy;
}

PUBLIC int dup3(int fd, int to, int flags)
{
	int copy = REAL(int (*)(int, int, int), "dup3")(fd, to, flags);

	if (copy >= 0 && (fd_is_ours(fd) || fd_is_ours(to)))
		fd_duplicated(fd, copy);
	return copy;
}

#define FCNTL(name)                                                                            \
	PUBLIC int name(int fd, int command, ...)                                              \
	{                                                                                      \
		va_list list;                                                                  \
		void *argument;                                                                \
		int result;                                                                    \
                                                                                               \
		va_start(list, command);                                                       \
		argument = va_arg(list, void *);                                               \
		va_end(list);                                                                  \
		result = REAL(int (*)(int, int, void *), #name)(fd, command, argument);        \
		if (result >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC) && fd_is_ours(fd)) \
			fd_duplicated(fd, result);                                             \
		return result;                                                                 \
	}

FCNTL(fcntl)
FCNTL(fcntl64)
