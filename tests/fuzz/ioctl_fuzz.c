/*
 * ioctl_fuzz: hostile programs against a KVM. Each scene is a child process with a VM, several threads in KVM_RUN on guests of random memory, and
 * others that call every ioctl with bad arguments, take memory away, close descriptors and send signals. A scene must end when it is told to: a crash,
 * a sanitizer's complaint or a thread that does not come out is a failure.
 *
 * An ordinary KVM program, for the software KVM under `anykvm run`. Do not point it at a kernel you need.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scene.h"

enum { STUCK_SECONDS = 10, CHILD_SECONDS = 40, SCENE_MSEC = 120, TICK_MSEC = 2, SINGLE_CALLS = 1500 };

struct options {
	uint64_t seed, first, count;
	uint32_t seconds, scene_msec;
	bool no_fork, verbose;
};

struct thread {
	pthread_t id;
	struct actor actor;
	void (*act)(struct actor *a);
	_Atomic bool done;
};

static void sleep_usec(long usec)
{
	const struct timespec t = { usec / 1000000, usec % 1000000 * 1000 };

	nanosleep(&t, NULL);
}

/* For the signal handler, which has no other way to the scene. */
static struct actor *handler_actor;

/* Mostly just a signal; now and then a handler that calls the KVM itself, in whose midst it may have come. */
static void on_signal(int signal)
{
	int saved = errno;

	if (signal == SIGUSR2)
		hostile_call(handler_actor);
	errno = saved;
}

static void act_calls(struct actor *a)
{
	hostile_call(a);
}

static void act_run(struct actor *a)
{
	int slot, vcpu = scene_pick(a, FD_VCPU, &slot);

	if (vcpu < 0) {
		hostile_call(a);
		return;
	}
	if (rng_percent(&a->rng, 40))
		guest_memory_fill(a);
	if (rng_percent(&a->rng, 60))
		guest_registers_set(a, vcpu);
	a->doing = "KVM_RUN of a prepared guest";
	for (uint32_t n = 1 + rng_below(&a->rng, 20); n-- && !a->scene->stop;) {
		a->scene->calls++;
		if (ioctl(vcpu, KVM_RUN, 0) < 0 && errno != EINTR && errno != EAGAIN)
			break;
	}
}

static void act_break(struct actor *a)
{
	a->doing = "changing memory";
	switch (rng_below(&a->rng, 8)) {
	case 0:
	case 1:
		guest_memory_break(a);
		break;
	case 2:
	case 3:
		guest_memory_fill(a);
		break;
	case 4:
		if (rng_percent(&a->rng, 15))
			scene_close_one(a);
		break;
	case 5:
		hostile_call(a);
		break;
	default:
		run_page_scribble(a);
		break;
	}
	sleep_usec(rng_below(&a->rng, 300));
}

static void *thread_main(void *argument)
{
	struct thread *t = argument;

	while (!t->actor.scene->stop)
		t->act(&t->actor);
	t->done = true;
	return NULL;
}

/* A VM with memory and vCPUs to begin with; chance does the rest. */
static void scene_populate(struct actor *a)
{
	int system = scene_pick(a, FD_SYSTEM, NULL), vm = ioctl(system, KVM_CREATE_VM, 0);
	struct kvm_userspace_memory_region low = { .memory_size = 2 * GUEST_SIZE, .userspace_addr = ARENA_GUEST };
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(struct kvm_cpuid_entry2));
	uint32_t vcpus = 1 + rng_below(&a->rng, 4);

	scene_add(a->scene, vm, FD_VM);
	ioctl(vm, KVM_SET_USER_MEMORY_REGION, &low);
	if (rng_percent(&a->rng, 40))
		ioctl(vm, KVM_CREATE_IRQCHIP, 0);
	if (cpuid) {
		cpuid->nent = 256;
		ioctl(system, KVM_GET_SUPPORTED_CPUID, cpuid);
	}
	for (uint32_t i = 0; i < vcpus; i++) {
		int vcpu = ioctl(vm, KVM_CREATE_VCPU, i);

		if (cpuid && rng_percent(&a->rng, 80))
			ioctl(vcpu, KVM_SET_CPUID2, cpuid);
		scene_add(a->scene, vcpu, FD_VCPU);
	}
	free(cpuid);
	guest_memory_fill(a);
}

/* A scene of one thread has nobody else to get it out of a guest that spins. */
static void on_tick(int signal)
{
	static const char message[] = "HANG: the only thread did not come out of its calls\n";
	static volatile sig_atomic_t ticks;

	(void)signal;
	if (++ticks < STUCK_SECONDS * 1000 / TICK_MSEC)
		return;
	if (write(STDOUT_FILENO, message, sizeof(message) - 1) < 0)
		_exit(4);
	_exit(3);
}

static void ticks_start(void)
{
	const struct sigaction sa = { .sa_handler = on_tick };
	const struct itimerval interval = { { 0, TICK_MSEC * 1000 }, { 0, TICK_MSEC * 1000 } };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &interval, NULL);
}

static void signals_install(struct actor *a)
{
	const struct sigaction sa = { .sa_handler = on_signal };

	a->no_run = true;
	handler_actor = a;
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
}

static void limits_set(void)
{
	const struct rlimit files = { 400, 400 }, core = { 0, 0 };

	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_CORE, &core);
}

/* One thread after another is sent a signal until all have come out. Returns the number that did not. */
static uint32_t threads_end(struct thread *threads, uint32_t n)
{
	uint32_t left = n;

	for (int i = 0; left && i < STUCK_SECONDS * 1000; i++) {
		left = 0;
		for (uint32_t k = 0; k < n; k++) {
			if (threads[k].done)
				continue;
			left++;
			pthread_kill(threads[k].id, SIGUSR1);
		}
		sleep_usec(1000);
	}
	return left;
}

static void threads_disturb(struct actor *a, struct thread *threads, uint32_t n, uint32_t msec)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		sleep_usec(rng_below(&a->rng, 2000));
		if (rng_percent(&a->rng, 70))
			pthread_kill(threads[rng_below(&a->rng, n)].id, rng_percent(&a->rng, 85) ? SIGUSR1 : SIGUSR2);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < (long)msec);
}

/* What is inherited over fork() answers EIO, whatever is asked. */
static int child_of_scene(struct actor *a)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		alarm(STUCK_SECONDS);
		a->no_run = true;
		for (int i = 0; i < 200; i++)
			hostile_call(a);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	return status == 0 ? 0 : 1;
}

static void threads_start(struct thread *threads, uint32_t n, struct scene *s, uint64_t seed)
{
	static void (*const acts[])(struct actor *) = { act_run, act_calls, act_run, act_break, act_run, act_calls };

	for (uint32_t i = 0; i < n; i++) {
		actor_init(&threads[i].actor, s, seed, i + 2);
		threads[i].act = acts[i % (sizeof(acts) / sizeof(acts[0]))];
		threads[i].done = false;
		if (pthread_create(&threads[i].id, NULL, thread_main, &threads[i])) {
			perror("ioctl_fuzz: pthread_create");
			exit(2);
		}
	}
}

static void hang_report(const struct thread *threads, uint32_t n)
{
	printf("HANG: threads did not come out of their call in %d s:\n", STUCK_SECONDS);
	for (uint32_t i = 0; i < n; i++)
		if (!threads[i].done)
			printf("  thread %u of %u in %s\n", i, n, threads[i].actor.doing);
	fflush(stdout);
}

/* Returns an exit status. A third of the scenes has one thread only: those run again exactly. */
static int scene_play(const struct options *o, uint64_t number)
{
	static struct scene scene;
	static struct thread threads[THREADS_MAX];
	static struct actor director, handler;
	uint64_t seed = o->seed * 1000003 + number;
	uint32_t n, stuck;

	limits_set();
	scene_open(&scene);
	actor_init(&director, &scene, seed, 0);
	actor_init(&handler, &scene, seed, 1);
	signals_install(&handler);
	scene_populate(&director);
	if (number % 3 == 0) {
		ticks_start();
		for (int i = 0; i < SINGLE_CALLS; i++)
			hostile_call(&director);
		return 0;
	}
	n = 2 + rng_below(&director.rng, 6);
	threads_start(threads, n, &scene, seed);
	threads_disturb(&director, threads, n, o->scene_msec);
	scene.stop = true;
	stuck = threads_end(threads, n);
	if (stuck) {
		hang_report(threads, n);
		return 3;
	}
	for (uint32_t i = 0; i < n; i++)
		pthread_join(threads[i].id, NULL);
	return child_of_scene(&director);
}

static int child_wait(pid_t pid)
{
	const struct timespec limit = { CHILD_SECONDS, 0 };
	sigset_t set;
	int status;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (sigtimedwait(&set, NULL, &limit) < 0 && errno == EAGAIN) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
	}
	return status;
}

/* True if the scene ended as it should. */
static bool scene_run(const struct options *o, uint64_t number)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		exit(scene_play(o, number));
	}
	status = child_wait(pid);
	if (status == 0)
		return true;
	printf("FAILED scene --seed %" PRIu64 " --first %" PRIu64 " --count 1: ", o->seed, number);
	if (status == -1)
		printf("still there after %d s\n", CHILD_SECONDS);
	else if (WIFSIGNALED(status))
		printf("killed by %s\n", strsignal(WTERMSIG(status)));
	else
		printf("exit status %d\n", WEXITSTATUS(status));
	fflush(stdout);
	return false;
}

static void usage(FILE *out)
{
	fprintf(out,
		"usage: ioctl_fuzz [OPTION]...\n"
		"Throws hostile ioctl sequences at the software KVM; run it under `anykvm run`.\n"
		"  --seed N        another seed gives other scenes (default 1)\n"
		"  --first N       number of the first scene (default 0)\n"
		"  --count N       how many scenes (default: no limit)\n"
		"  --seconds N     stop after so long\n"
		"  --msec N        length of a scene with threads (default %d)\n"
		"  --no-fork       play one scene in this process, for a debugger\n"
		"  --verbose       name each scene before it begins\n",
		SCENE_MSEC);
}

static bool options_parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "seed", required_argument, NULL, 's' }, { "first", required_argument, NULL, 'f' },
		{ "count", required_argument, NULL, 'c' }, { "seconds", required_argument, NULL, 't' },
		{ "msec", required_argument, NULL, 'm' }, { "no-fork", no_argument, NULL, 'n' },
		{ "verbose", no_argument, NULL, 'v' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 's': o->seed = strtoull(optarg, NULL, 0); break;
		case 'f': o->first = strtoull(optarg, NULL, 0); break;
		case 'c': o->count = strtoull(optarg, NULL, 0); break;
		case 't': o->seconds = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 'm': o->scene_msec = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 'n': o->no_fork = true; break;
		case 'v': o->verbose = true; break;
		case 'h': usage(stdout); exit(0);
		default: return false;
		}
	}
	return optind == argc;
}

int main(int argc, char **argv)
{
	struct options o = { .seed = 1, .count = UINT64_MAX, .scene_msec = SCENE_MSEC };
	uint64_t passed = 0, failed = 0;
	struct timespec start, now;
	sigset_t set;

	if (!options_parse(&o, argc, argv)) {
		usage(stderr);
		return 2;
	}
	if (o.no_fork)
		return scene_play(&o, o.first);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	clock_gettime(CLOCK_MONOTONIC, &start);
	now = start;
	for (uint64_t i = 0; i < o.count && (!o.seconds || now.tv_sec - start.tv_sec < (time_t)o.seconds) && failed < 20; i++) {
		if (o.verbose)
			printf("scene %" PRIu64 "\n", o.first + i);
		if (scene_run(&o, o.first + i))
			passed++;
		else
			failed++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	}
	printf("seed %" PRIu64 "\n%" PRIu64 " passed, %" PRIu64 " failed, 0 skipped\n", o.seed, passed, failed);
	return failed ? 1 : 0;
}
