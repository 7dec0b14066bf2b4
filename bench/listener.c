/*
 * Listening to a guest; see listener.h.
 */
#include "listener.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static void number_take(struct listener *l, uint8_t byte)
{
	l->number[l->bytes / 8] |= (uint64_t)byte << 8 * (l->bytes % 8);
	if (++l->bytes < 8 * l->numbers)
		return;
	l->done(l->job, l->ns, l->number);
	l->job++;
	l->state = LISTENER_READY;
}

void listener_take(struct listener *l, uint8_t byte, double time)
{
	switch (l->state) {
	case LISTENER_STARTING: /* a BIOS may say something first */
		if (byte == MARK_READY)
			l->state = LISTENER_READY;
		break;
	case LISTENER_READY:
		if (byte == MARK_BEGIN && l->job < l->jobs) {
			l->begun = time;
			l->state = LISTENER_RUNNING;
		}
		break;
	case LISTENER_RUNNING:
		if (byte == MARK_END) {
			l->ns = time - l->begun;
			l->bytes = 0;
			memset(l->number, 0, sizeof(l->number));
			l->state = LISTENER_NUMBER;
		}
		break;
	case LISTENER_NUMBER:
		number_take(l, byte);
		break;
	}
}

int listener_finish(const struct listener *l)
{
	if (l->job == l->jobs)
		return 0;
	fprintf(stderr, "bench: the guest ended after %u of %u kernels\n", l->job, l->jobs);
	return 1;
}

int listener_run(struct listener *l, const char *const arguments[])
{
	uint8_t byte;
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		bench_fail("pipe");
	child = fork();
	if (child < 0)
		bench_fail("fork");
	if (child == 0) {
		unsetenv("LD_PRELOAD"); /* anykvm's face is not for it */
		dup2(ends[1], STDOUT_FILENO);
		execvp(arguments[0], (char **)arguments);
		bench_fail(arguments[0]);
	}
	close(ends[1]);
	while (read(ends[0], &byte, 1) == 1)
		listener_take(l, byte, bench_now());
	close(ends[0]);
	waitpid(child, NULL, 0);
	return listener_finish(l);
}
