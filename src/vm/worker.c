/*
 * A VM's own thread: see worker.h. It waits in epoll for a timerfd that stands at the earliest deadline and for the descriptors it watches.
 */
#include "vm/worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/user.h"

#define TOKEN_ALARM UINT64_MAX
#define TOKEN_STOP (UINT64_MAX - 1)
#define BATCH 16

void worker_init(struct worker *worker, void (*ready)(struct worker *worker, uint64_t token))
{
	pthread_mutex_init(&worker->lock, NULL);
	worker->epoll = worker->alarm = worker->stop = -1;
	worker->alarm_at = UINT64_MAX;
	worker->ready = ready;
}

/* ---- Timers. The lock is held. ---- */

static void alarm_set(struct worker *worker, uint64_t at)
{
	struct itimerspec when = { 0 };

	worker->alarm_at = at;
	if (at != UINT64_MAX) {
		at += !at; /* 0 would stop it */
		when.it_value.tv_sec = (time_t)(at / NSEC_PER_SEC);
		when.it_value.tv_nsec = (long)(at % NSEC_PER_SEC);
	}
	timerfd_settime(worker->alarm, TFD_TIMER_ABSTIME, &when, NULL);
}

static void timer_link(struct worker *worker, struct vm_timer *timer)
{
	timer->armed = true;
	timer->next = worker->timers;
	timer->link = &worker->timers;
	if (timer->next)
		timer->next->link = &timer->next;
	worker->timers = timer;
}

static void timer_unlink(struct vm_timer *timer)
{
	timer->armed = false;
	*timer->link = timer->next;
	if (timer->next)
		timer->next->link = timer->link;
}

/* One that is due, taken off the list, or NULL and the alarm at the earliest. */
static struct vm_timer *timer_due(struct worker *worker, uint64_t now)
{
	uint64_t earliest = UINT64_MAX;

	for (struct vm_timer *timer = worker->timers; timer; timer = timer->next) {
		if (timer->deadline <= now) {
			timer_unlink(timer);
			return timer;
		}
		if (timer->deadline < earliest)
			earliest = timer->deadline;
	}
	alarm_set(worker, earliest);
	return NULL;
}

static void timers_run(struct worker *worker)
{
	struct vm_timer *timer;
	uint64_t expirations;

	if (read(worker->alarm, &expirations, sizeof expirations) < 0)
		expirations = 0; /* it was set anew meanwhile */
	for (;;) {
		pthread_mutex_lock(&worker->lock);
		timer = timer_due(worker, monotonic_ns());
		pthread_mutex_unlock(&worker->lock);
		if (!timer)
			return;
		timer->expire(timer);
	}
}

/* ---- The thread. ---- */

static void *worker_run(void *self)
{
	struct worker *worker = self;
	struct epoll_event events[BATCH];

	for (;;) {
		int count = epoll_wait(worker->epoll, events, BATCH, -1);

		for (int i = 0; i < count; i++) {
			if (events[i].data.u64 == TOKEN_STOP)
				return NULL;
			if (events[i].data.u64 == TOKEN_ALARM)
				timers_run(worker);
			else
				worker->ready(worker, events[i].data.u64);
		}
	}
}

static int descriptor_add(struct worker *worker, int fd, uint64_t token)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = token };

	return epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static void descriptors_close(struct worker *worker)
{
	int fds[] = { worker->epoll, worker->alarm, worker->stop };

	for (unsigned int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			syscall(SYS_close, fds[i]);
	worker->epoll = worker->alarm = worker->stop = -1;
}

static int descriptors_open(struct worker *worker)
{
	worker->epoll = epoll_create1(EPOLL_CLOEXEC);
	worker->alarm = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	worker->stop = eventfd(0, EFD_CLOEXEC);
	if (worker->epoll < 0 || worker->alarm < 0 || worker->stop < 0)
		return -errno;
	return descriptor_add(worker, worker->alarm, TOKEN_ALARM) || descriptor_add(worker, worker->stop, TOKEN_STOP) ? -errno : 0;
}

/* Signals are the program's threads' business, but for faults in guest memory. */
static int thread_start(struct worker *worker)
{
	sigset_t all, before;
	int error;

	fault_handlers_install();
	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&worker->thread, NULL, worker_run, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!error)
		pthread_setname_np(worker->thread, "anykvm");
	return -error;
}

/* Starts the thread when there is none; the lock is held. */
static int worker_start(struct worker *worker)
{
	int error;

	if (worker->started)
		return 0;
	error = descriptors_open(worker);
	if (!error)
		error = thread_start(worker);
	if (error)
		descriptors_close(worker);
	worker->started = !error;
	return error;
}

void worker_destroy(struct worker *worker, bool own_process)
{
	uint64_t one = 1;
	int cancel;

	if (worker->started && own_process) {
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
		while (write(worker->stop, &one, sizeof one) < 0 && errno == EINTR)
			;
		pthread_join(worker->thread, NULL);
		pthread_setcancelstate(cancel, NULL);
	}
	descriptors_close(worker);
	pthread_mutex_destroy(&worker->lock);
}

int worker_watch(struct worker *worker, int fd, uint64_t token)
{
	int error;

	pthread_mutex_lock(&worker->lock);
	error = worker_start(worker);
	if (!error)
		error = descriptor_add(worker, fd, token);
	pthread_mutex_unlock(&worker->lock);
	return error;
}

void worker_unwatch(struct worker *worker, int fd)
{
	epoll_ctl(worker->epoll, EPOLL_CTL_DEL, fd, NULL);
}

void vm_timer_set(struct worker *worker, struct vm_timer *timer, uint64_t deadline)
{
	pthread_mutex_lock(&worker->lock);
	/* Without a thread (none could be had) halted vCPUs still wake in time, and running ones look at their next exit. */
	if (!worker_start(worker)) {
		if (timer->armed)
			timer_unlink(timer);
		timer->deadline = deadline;
		timer_link(worker, timer);
		if (deadline < worker->alarm_at)
			alarm_set(worker, deadline);
	}
	pthread_mutex_unlock(&worker->lock);
}

void vm_timer_clear(struct worker *worker, struct vm_timer *timer)
{
	pthread_mutex_lock(&worker->lock);
	if (timer->armed)
		timer_unlink(timer);
	pthread_mutex_unlock(&worker->lock);
}
