/*
 * Stolen time: the second number of /proc/thread-self/schedstat (Documentation/scheduler/sched-stats.rst). Each thread that asks keeps the
 * file open until it ends.
 */
#include "core/run_delay.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The file is one thread's: of a child of fork() it would still be the parent's. */
static _Thread_local struct {
	long descriptor; /* and one, so that 0 is none */
	long thread;
} own;

static pthread_key_t key;

static void thread_ends(void *unused)
{
	(void)unused;
	if (own.descriptor)
		syscall(SYS_close, own.descriptor - 1);
	own.descriptor = 0;
}

static void key_make(void)
{
	pthread_key_create(&key, thread_ends);
}

static bool own_open(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	long fd = syscall(SYS_openat, AT_FDCWD, "/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	pthread_once(&once, key_make);
	pthread_setspecific(key, &own);
	own.descriptor = fd + 1;
	own.thread = syscall(SYS_gettid);
	return true;
}

/* False when there is no such file, or no longer: the program may have closed it, or have something else in its place. */
static bool own_read(uint64_t *delay)
{
	char text[96], *after_running, *after_delay;
	long length;

	if (!own.descriptor || own.thread != syscall(SYS_gettid))
		return false;
	length = syscall(SYS_pread64, own.descriptor - 1, text, sizeof text - 1, 0L);
	if (length <= 0)
		return false;
	text[length] = 0;
	strtoull(text, &after_running, 10);
	*delay = strtoull(after_running, &after_delay, 10);
	return after_running != text && after_delay != after_running;
}

uint64_t run_delay_ns(void)
{
	uint64_t delay = 0;

	if (!own_read(&delay) && own_open())
		own_read(&delay);
	return delay;
}
