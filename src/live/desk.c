/*
 * Visits: which thread to borrow for a call, and what to do until there is one.
 */
#include "live/desk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/why.h"
#include "live/borrow.h"

/* How long one call may take, all tries together; a thread may take to park. */
#define CALL_SECONDS 3.0
#define PARK_SECONDS 0.02
/* More than any library's data; guest memory from a file is not read. */
#define DATA_MOST (16u << 20)

/* ---- The desk. ---- */

/* What stands there is a desk. It is looked at before each call: the process may have become another program. */
static bool desk_valid(const struct tracee *tracee, uint64_t at, struct visit_desk *desk)
{
	return !tracee_read(tracee, at, desk, sizeof *desk) && !memcmp(desk->magic, VISIT_MAGIC, sizeof VISIT_MAGIC) && (uint64_t)desk->self == at &&
	       desk->room_size == VISIT_ROOM_SIZE && desk->room && !((uint64_t)desk->room % 64);
}

static int desk_try(struct tracee *tracee, int fd, uint64_t at, struct desk *desk)
{
	struct visit visit = { .fd = fd };
	struct visit_desk there;
	pid_t tid = 0;

	if (!desk_valid(tracee, at, &there))
		return -ENOENT;
	*desk = (struct desk){ .at = at, .room = (uint64_t)there.room, .serve = (uint64_t)there.serve };
	return desk_call(tracee, desk, &tid, &visit, NULL, 0);
}

/* In one library's data: 0, or the last trouble. */
static int data_search(struct tracee *tracee, int fd, uint64_t begin, uint64_t end, struct desk *desk)
{
	size_t size = end - begin < DATA_MOST ? (size_t)(end - begin) : DATA_MOST;
	uint8_t *data = malloc(size), *found = data;
	int error = -ENOENT;

	if (!data)
		return -ENOMEM;
	if (!tracee_read(tracee, begin, data, size))
		while (error == -ENOENT && (found = memmem(found, size - (size_t)(found - data), VISIT_MAGIC, sizeof VISIT_MAGIC)))
			error = desk_try(tracee, fd, begin + (uint64_t)(found++ - data), desk);
	free(data);
	return error;
}

int desk_find(struct tracee *tracee, int fd, struct desk *desk)
{
	char path[64], line[512], rights[8];
	unsigned long begin, end, inode;
	int error = -ENOENT;
	FILE *maps;

	snprintf(path, sizeof path, "/proc/%d/maps", tracee->pid);
	maps = fopen(path, "re");
	while (maps && error == -ENOENT && fgets(line, sizeof line, maps))
		if (sscanf(line, "%lx-%lx %7s %*s %*s %lu", &begin, &end, rights, &inode) == 4 && !strcmp(rights, "rw-p") && inode)
			error = data_search(tracee, fd, begin, end, desk);
	if (maps)
		fclose(maps);
	return error == -ENOENT ? why(error, "process %d: its VM is not of a software KVM of this version, or belongs to the process that made it", tracee->pid) : error;
}

/* ---- Threads. ---- */

/* System calls in which threads sleep without a lock that a visit might need. */
static bool asleep(const struct tracee_thread *thread)
{
	static const uint16_t calls[] = {
		SYS_futex, SYS_nanosleep, SYS_clock_nanosleep, SYS_poll, SYS_ppoll, SYS_select, SYS_pselect6, SYS_epoll_wait, SYS_epoll_pwait, SYS_read,
		SYS_readv, SYS_recvfrom, SYS_recvmsg, SYS_accept, SYS_accept4, SYS_pause, SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_wait4, SYS_waitid,
		SYS_restart_syscall,
	};

	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (thread->regs.orig_rax == calls[i])
			return true;
	return false;
}

/* How well it serves: not at all when the C library does not know it. */
static int thread_fitness(const struct tracee_thread *thread, pid_t last)
{
	if (!thread->tid || !thread->regs.fs_base)
		return 0;
	return 1 + (thread->tid == last) + 2 * asleep(thread) + 4 * thread->parked;
}

static struct tracee_thread *thread_choose(struct tracee *tracee, pid_t last)
{
	struct tracee_thread *best = NULL;

	for (size_t i = 0; i < tracee->count; i++)
		if (thread_fitness(&tracee->threads[i], last) > (best ? thread_fitness(best, last) : 0))
			best = &tracee->threads[i];
	return best;
}

static struct tracee_thread *thread_of(struct tracee *tracee, uint64_t runner)
{
	for (size_t i = 0; runner && i < tracee->count; i++)
		if (tracee->threads[i].tid && tracee->threads[i].regs.fs_base == runner)
			return &tracee->threads[i];
	return NULL;
}

/* A visit whose visitor was killed is not over yet. */
static bool desk_taken(const struct tracee *tracee, const struct visit_desk *there)
{
	for (size_t i = 0; i < tracee->count; i++)
		if (tracee->threads[i].tid && tracee->threads[i].regs.rsp - (uint64_t)there->room <= there->room_size)
			return true;
	return atomic_load(&there->inside);
}

/* ---- Calls. ---- */

/* All go on for a moment. */
static int everybody_go(struct tracee *tracee)
{
	tracee_release(tracee);
	usleep(1000);
	return tracee_hold(tracee);
}

/* Of words from there only what can be shown. */
static void reason_clean(struct visit *visit)
{
	visit->reason[sizeof visit->reason - 1] = 0;
	for (char *at = visit->reason; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
}

/* One visit on that thread. */
static int visit_make(struct tracee *tracee, const struct desk *desk, struct tracee_thread *thread, struct visit *visit, void *argument, size_t size)
{
	const uint64_t at = desk->at + offsetof(struct visit_desk, visit);
	int error = 0;

	visit->state = VISIT_NONE;
	visit->look = !thread->parked && !asleep(thread);
	if (size && !visit->look)
		error = tracee_write(tracee, desk->room, argument, size);
	if (!error)
		error = tracee_write(tracee, at, visit, sizeof *visit);
	if (!error)
		error = borrow_call(tracee, thread, desk->serve, desk->room + VISIT_ROOM_SIZE);
	if (!error)
		error = tracee_read(tracee, at, visit, sizeof *visit);
	if (!error && size && visit->state == VISIT_DONE)
		error = tracee_read(tracee, desk->room, argument, size);
	if (visit->result < -4095 || visit->result > INT32_MAX)
		visit->result = -EIO;
	reason_clean(visit);
	return error;
}

/* Whoever stands in the way goes on: the thread in KVM_RUN until it parks; who was only looked from, until it does that; else all. */
static int way_make(struct tracee *tracee, const struct desk *desk, pid_t *tid, struct tracee_thread *thread, const struct visit *visit)
{
	const struct tracee_thread *asked = thread;
	const uint64_t park = desk->at + offsetof(struct visit_desk, park);
	int error;

	if (visit->state == VISIT_BUSY)
		thread = thread_of(tracee, visit->runner);
	if (thread)
		*tid = thread->tid;
	if (thread && thread->parked && thread != asked)
		return 0; /* only it can be asked */
	if (!thread || thread->parked)
		return everybody_go(tracee);
	error = borrow_go(tracee, thread, park, PARK_SECONDS);
	return error == -ESRCH ? 0 : error;
}

static int desk_call_once(struct tracee *tracee, const struct desk *desk, pid_t *tid, struct visit *visit, void *argument, size_t size, bool *done)
{
	struct tracee_thread *thread = thread_choose(tracee, *tid);
	struct visit_desk there;
	int error;

	if (!thread || !desk_valid(tracee, desk->at, &there) || (uint64_t)there.room != desk->room || (uint64_t)there.serve != desk->serve)
		return why(-ESRCH, "process %d has ended, or become another program", tracee->pid);
	if (desk_taken(tracee, &there))
		return everybody_go(tracee);
	error = visit_make(tracee, desk, thread, visit, argument, size);
	if (error)
		return error == -ESRCH ? 0 : error; /* another thread may do */
	if (visit->state == VISIT_STRANGER)
		return -ENOENT;
	*done = visit->state == VISIT_DONE;
	if (*done)
		*tid = thread->tid;
	return *done ? 0 : way_make(tracee, desk, tid, thread, visit);
}

int desk_call(struct tracee *tracee, const struct desk *desk, pid_t *tid, struct visit *visit, void *argument, size_t size)
{
	double until = tracee_seconds() + CALL_SECONDS;
	bool done = false;
	int error;

	do {
		error = desk_call_once(tracee, desk, tid, visit, argument, size, &done);
		if (error == -ESRCH)
			why(error, "process %d has ended", tracee->pid);
		if (error || done)
			return error;
	} while (tracee_seconds() < until);
	return why(-EBUSY, "process %d: its vCPU, or its threads, are busy all the time", tracee->pid);
}
