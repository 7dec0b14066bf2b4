/*
 * What a bare guest says of its kernels (guest_rate.c, arm64_rate.c), byte by byte: R once it is ready, then for each job B, E and the numbers
 * of 8 bytes that came of it. Time is taken out here, from B to E. It must never know whose guest speaks.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <stdint.h>

enum { MARK_READY = 'R', MARK_BEGIN = 'B', MARK_END = 'E', LISTENER_NUMBERS = 2 };

struct listener {
	unsigned jobs, numbers; /* of a job: at most LISTENER_NUMBERS */
	void (*done)(unsigned job, double ns, const uint64_t *numbers);
	/* Its own. */
	enum { LISTENER_STARTING, LISTENER_READY, LISTENER_RUNNING, LISTENER_NUMBER } state;
	unsigned job, bytes;
	uint64_t number[LISTENER_NUMBERS];
	double begun, ns;
};

/* One byte that came at that time. */
void listener_take(struct listener *l, uint8_t byte, double time);

/* The guest has ended: 0 when all jobs were done, else 1, and it is told. */
int listener_finish(const struct listener *l);

/* Runs a program whose standard output is the guest's voice, to its end. As listener_finish(). */
int listener_run(struct listener *l, const char *const arguments[]);

#endif
