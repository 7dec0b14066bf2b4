/*
 * A VM's own thread: timers, and descriptors that somebody else signals (irqfd). It is started when it is first needed, and sleeps
 * while nothing is due. Knows nothing of what it calls.
 */
#ifndef ANYKVM_VM_WORKER_H
#define ANYKVM_VM_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* One deadline. Its owner keeps the struct for as long as the worker lives. */
struct vm_timer {
	void (*expire)(struct vm_timer *timer); /* called by the worker, which holds no lock then */
	uint64_t deadline; /* CLOCK_MONOTONIC; under the worker's lock */
	bool armed;
	struct vm_timer *next, **link;
};

struct worker {
	pthread_mutex_t lock; /* nothing else is taken under it */
	pthread_t thread;
	bool started, stopping;
	int epoll, alarm, stop; /* descriptors */
	struct vm_timer *timers; /* those that are armed */
	uint64_t alarm_at;       /* when the alarm goes off; UINT64_MAX: never */
	void (*ready)(struct worker *worker, uint64_t token); /* a watched descriptor can be read */
};

void worker_init(struct worker *worker, void (*ready)(struct worker *worker, uint64_t token));
/* Ends the thread; nothing is called any more. In a process that did not start it there is none. */
void worker_destroy(struct worker *worker, bool own_process);

/* Calls `ready` with the token whenever the descriptor can be read. 0 or -errno. */
int worker_watch(struct worker *worker, int fd, uint64_t token);
void worker_unwatch(struct worker *worker, int fd);

/* Sets (again) and clears a timer. One that is being called while it is cleared is still called. */
void vm_timer_set(struct worker *worker, struct vm_timer *timer, uint64_t deadline);
void vm_timer_clear(struct worker *worker, struct vm_timer *timer);

#endif
