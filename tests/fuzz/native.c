/*
 * The tester's end of the native machine: starts cpu_diff_native and hands it batches. See native_worker.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "diff.h"

struct native {
	pid_t server;
	int command, reply;
	struct batch *batch;
};

static void die(const char *what)
{
	fprintf(stderr, "cpu_diff: %s: %s\n", what, strerror(errno));
	exit(1);
}

struct batch *batch_new(int *fd)
{
	struct batch *batch;

	*fd = memfd_create("cpu_diff-batch", 0);
	if (*fd < 0 || ftruncate(*fd, sizeof(*batch)) < 0)
		die("memfd");
	batch = mmap(NULL, sizeof(*batch), PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (batch == MAP_FAILED)
		die("mmap");
	batch->running = UINT32_MAX;
	return batch;
}

/* The worker lies beside this program. */
static void worker_path(char path[4096])
{
	ssize_t n = readlink("/proc/self/exe", path, 4000);
	char *name;

	if (n < 0)
		die("/proc/self/exe");
	path[n] = 0;
	name = strrchr(path, '/');
	strcpy(name ? name + 1 : path, "cpu_diff_native");
}

/* Without an environment, and not through libc: nothing that is preloaded here may come along. */
static void worker_exec(int batch, int command, int reply)
{
	char path[4096], numbers[3][16], *argv[] = { path, numbers[0], numbers[1], numbers[2], NULL }, *envp[] = { NULL };

	worker_path(path);
	snprintf(numbers[0], sizeof(numbers[0]), "%d", batch);
	snprintf(numbers[1], sizeof(numbers[1]), "%d", command);
	snprintf(numbers[2], sizeof(numbers[2]), "%d", reply);
	syscall(SYS_execve, path, argv, envp);
	fprintf(stderr, "cpu_diff: %s: %s\n", path, strerror(errno));
	_exit(1);
}

struct native *native_start(struct batch *batch, int batch_fd)
{
	struct native *n = calloc(1, sizeof(*n));
	int command[2], reply[2];

	if (!n || pipe(command) < 0 || pipe(reply) < 0)
		die("native_start");
	fflush(NULL);
	n->batch = batch;
	n->server = fork();
	if (n->server < 0)
		die("fork");
	if (n->server == 0) {
		close(command[1]);
		close(reply[0]);
		worker_exec(batch_fd, command[0], reply[1]);
	}
	close(command[0]);
	close(reply[1]);
	n->command = command[1];
	n->reply = reply[0];
	return n;
}

void native_run(struct native *n, bool reversed)
{
	uint8_t token = 0;
	ssize_t got;

	n->batch->reversed = reversed;
	got = write(n->command, &token, 1);
	while (got == 1 && (got = read(n->reply, &token, 1)) < 0 && errno == EINTR)
		got = 1;
	if (got != 1) {
		fprintf(stderr, "cpu_diff: the native worker is gone\n");
		exit(1);
	}
}

void native_stop(struct native *n)
{
	int status;

	close(n->command);
	while (waitpid(n->server, &status, 0) < 0 && errno == EINTR)
		;
	close(n->reply);
	free(n);
}
