/*
 * The KVM of a running process: KVM's ioctls, made on the threads that run its vCPUs, answer as if the descriptors were ours. Those of the
 * kernel's KVM are system calls there; those of a software KVM go over its desk.
 */
#include "anykvm/live.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "anykvm/kvm.h"
#include "api/api.h"
#include "host/host.h"
#include "live/argument.h"
#include "live/desk.h"
#include "live/find.h"
#include "live/soft.h"
#include "live/tracee.h"

/* A descriptor over there. */
struct remote {
	struct host_remote host;
	struct anykvm_live *live;
	int fd;      /* there */
	pid_t tid;   /* the thread that ran it last; 0: unknown */
};

struct anykvm_live {
	struct tracee tracee;
	bool soft;   /* a software KVM, which has no system descriptor here */
	struct desk desk;
	int system;
	struct remote vm, *vcpus;
	size_t count;
	int vm_fd, *vcpu_fds; /* here */
	unsigned int held;
	struct timespec since;
	/* ptrace is a thread's own: this one makes the calls, one at a time. */
	pthread_t tracer;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int (*job)(struct anykvm_live *live, void *argument);
	void *argument;
	int result;
	bool working, end, started;
	/* Reasons are kept by thread: the tracer's, for the caller. */
	char reason[512];
};

/* ---- The tracer. ---- */

static void *tracer_main(void *argument)
{
	struct anykvm_live *live = argument;

	prctl(PR_SET_TIMERSLACK, 1); /* its sleeps are waits for the other process */
	pthread_mutex_lock(&live->lock);
	while (!live->end) {
		if (!live->working) {
			pthread_cond_wait(&live->changed, &live->lock);
			continue;
		}
		why_clear();
		live->result = live->job(live, live->argument);
		snprintf(live->reason, sizeof live->reason, "%s", live->result < 0 && why_get() ? why_get() : "");
		live->working = false;
		pthread_cond_broadcast(&live->changed);
	}
	pthread_mutex_unlock(&live->lock);
	tracee_free(&live->tracee);
	return NULL;
}

static int tracer_do(struct anykvm_live *live, int (*job)(struct anykvm_live *, void *), void *argument)
{
	int result;

	pthread_mutex_lock(&live->lock);
	live->job = job;
	live->argument = argument;
	live->working = true;
	pthread_cond_broadcast(&live->changed);
	while (live->working)
		pthread_cond_wait(&live->changed, &live->lock);
	result = live->result;
	if (*live->reason)
		result = why(result, "%s", live->reason);
	pthread_mutex_unlock(&live->lock);
	return result;
}

/* ---- Holding. ---- */

static bool in_kvm_run(const struct tracee_thread *thread)
{
	return thread->regs.orig_rax == SYS_ioctl && (unsigned int)thread->regs.rsi == (unsigned int)KVM_RUN;
}

/* Who was in KVM_RUN on which vCPU. One that was in none at this moment keeps the thread that it had. */
static void threads_match(struct anykvm_live *live)
{
	for (size_t i = 0; i < live->tracee.count; i++)
		for (size_t k = 0; in_kvm_run(&live->tracee.threads[i]) && k < live->count; k++)
			if ((int)live->tracee.threads[i].regs.rdi == live->vcpus[k].fd)
				live->vcpus[k].tid = live->tracee.threads[i].tid;
}

static int hold_job(struct anykvm_live *live, void *unused)
{
	int error = tracee_hold(&live->tracee);

	(void)unused;
	if (error)
		return error;
	threads_match(live);
	return 0;
}

static int release_job(struct anykvm_live *live, void *unused)
{
	(void)unused;
	tracee_release(&live->tracee);
	return 0;
}

static struct tracee_thread *thread_by_tid(struct anykvm_live *live, pid_t tid)
{
	for (size_t i = 0; i < live->tracee.count; i++)
		if (live->tracee.threads[i].tid == tid)
			return &live->tracee.threads[i];
	return NULL;
}

static bool names_vcpu(pid_t pid, pid_t tid)
{
	char path[64], name[32] = "";
	FILE *from;

	snprintf(path, sizeof path, "/proc/%d/task/%d/comm", pid, tid);
	from = fopen(path, "re");
	if (from && !fgets(name, sizeof name, from))
		*name = 0;
	if (from)
		fclose(from);
	return strstr(name, "/KVM") || strstr(name, "vcpu") || strstr(name, "VCPU");
}

/*
 * The thread for a call: its own; when that is not known (its vCPU is not run now, or this is the VM), one that runs a vCPU, as a filter
 * of system calls may let only those call KVM; or one that looks like it; or any. All stand still, so none of them is in KVM_RUN.
 */
static struct tracee_thread *thread_for(struct anykvm_live *live, const struct remote *remote)
{
	struct tracee_thread *thread = remote->tid ? thread_by_tid(live, remote->tid) : NULL;

	for (size_t i = 0; !thread && i < live->count; i++)
		thread = live->vcpus[i].tid ? thread_by_tid(live, live->vcpus[i].tid) : NULL;
	for (size_t i = 0; !thread && i < live->tracee.count; i++)
		if (names_vcpu(live->tracee.pid, live->tracee.threads[i].tid))
			thread = &live->tracee.threads[i];
	return thread ? thread : &live->tracee.threads[0];
}

/* ---- Calls. ---- */

/* Of KVM_GET_REG_LIST, and more than KVM_GET_MANY_REGS takes. */
#define ARGUMENT_REGISTERS 8192

/* What may be asked of and set in a VM whose program knows nothing of it, and how many bytes the argument has. */
static const struct {
	unsigned int request;
	uint8_t inner_at; /* of the address in it; 0: there is none */
	bool soft;        /* the kernel's KVM has no such call: it is made up of others */
} requests[] = {
	{ (unsigned int)KVM_CHECK_EXTENSION, 0 },
#ifdef __x86_64__
	{ (unsigned int)KVM_GET_REGS, 0 }, { (unsigned int)KVM_SET_REGS, 0 }, { (unsigned int)KVM_GET_SREGS, 0 }, { (unsigned int)KVM_SET_SREGS, 0 },
	{ (unsigned int)KVM_GET_SREGS2, 0 }, { (unsigned int)KVM_SET_SREGS2, 0 }, { (unsigned int)KVM_GET_DEBUGREGS, 0 }, { (unsigned int)KVM_SET_DEBUGREGS, 0 },
	{ (unsigned int)KVM_GET_XCRS, 0 }, { (unsigned int)KVM_SET_XCRS, 0 }, { (unsigned int)KVM_GET_XSAVE, 0 }, { (unsigned int)KVM_GET_XSAVE2, 0 },
	{ (unsigned int)KVM_SET_XSAVE, 0 }, { (unsigned int)KVM_GET_VCPU_EVENTS, 0 }, { (unsigned int)KVM_SET_VCPU_EVENTS, 0 }, { (unsigned int)KVM_GET_MSRS, 0 },
	{ (unsigned int)KVM_SET_MSRS, 0 }, { (unsigned int)KVM_GET_FPU, 0 }, { (unsigned int)KVM_SET_FPU, 0 }, { (unsigned int)KVM_GET_LAPIC, 0 },
	{ (unsigned int)KVM_SET_LAPIC, 0 }, { (unsigned int)KVM_GET_CPUID2, 0 }, { (unsigned int)KVM_GET_TSC_KHZ, 0 }, { (unsigned int)KVM_SET_TSC_KHZ, 0 },
	{ (unsigned int)KVM_GET_IRQCHIP, 0 }, { (unsigned int)KVM_GET_PIT2, 0 }, { (unsigned int)KVM_GET_CLOCK, 0 }, { (unsigned int)KVM_TRANSLATE, 0 },
#endif
	{ (unsigned int)KVM_GET_MP_STATE, 0 }, { (unsigned int)KVM_SET_MP_STATE, 0 },
	{ (unsigned int)KVM_GET_ONE_REG, offsetof(struct kvm_one_reg, addr) }, { (unsigned int)KVM_SET_ONE_REG, offsetof(struct kvm_one_reg, addr) },
	{ (unsigned int)KVM_GET_DEVICE_ATTR, offsetof(struct kvm_device_attr, addr) }, { (unsigned int)KVM_SET_DEVICE_ATTR, offsetof(struct kvm_device_attr, addr) },
	{ (unsigned int)KVM_HAS_DEVICE_ATTR, 0 },
	{ (unsigned int)KVM_GET_MANY_REGS, 0, true }, { (unsigned int)KVM_SET_MANY_REGS, 0, true }, { (unsigned int)KVM_GET_REG_LIST, 0, true },
};

struct call {
	struct remote *remote;
	unsigned int cmd;
	void *argument;
	size_t size;
	void *inner;
	size_t inner_size, inner_at;
	long result;
	int entry; /* of a refusal */
};

/* The argument's bytes: what the command word says, and the entries behind a header. */
static size_t argument_size(const struct remote *remote, unsigned int cmd, const void *argument)
{
	size_t size = _IOC_DIR(cmd) == _IOC_NONE ? 0 : _IOC_SIZE(cmd);

	switch (cmd) {
	case (unsigned int)KVM_GET_MANY_REGS:
	case (unsigned int)KVM_SET_MANY_REGS:
		return size + ((const struct kvm_many_regs *)argument)->n * sizeof(struct kvm_one_reg);
	case (unsigned int)KVM_GET_REG_LIST:
		return size + ((const struct kvm_reg_list *)argument)->n * sizeof(uint64_t);
#ifdef __x86_64__
	case (unsigned int)KVM_GET_MSRS:
	case (unsigned int)KVM_SET_MSRS:
		return size + ((const struct kvm_msrs *)argument)->nmsrs * sizeof(struct kvm_msr_entry);
	case (unsigned int)KVM_GET_CPUID2:
		return size + ((const struct kvm_cpuid2 *)argument)->nent * sizeof(struct kvm_cpuid_entry2);
	case (unsigned int)KVM_GET_XSAVE2:
	case (unsigned int)KVM_SET_XSAVE:
		return remote->host.xsave_size > size ? remote->host.xsave_size : size;
#endif
	default:
		return size;
	}
}

static int call_prepare(struct call *call)
{
	size_t i;

	for (i = 0; i < sizeof requests / sizeof *requests && requests[i].request != call->cmd; i++)
		;
	if (i == sizeof requests / sizeof *requests || (requests[i].soft && !call->remote->live->soft) || (!call->argument && _IOC_DIR(call->cmd) != _IOC_NONE))
		return why(-EPERM, "ioctl 0x%x is not made in a program that runs: it reads and sets registers only", call->cmd);
	/* The counts that are 64 bits wide. */
	if (requests[i].soft && *(uint64_t *)call->argument > ARGUMENT_REGISTERS)
		return why(-E2BIG, "n: %llu registers are too many", (unsigned long long)*(uint64_t *)call->argument);
	call->size = argument_size(call->remote, call->cmd, call->argument);
	if (!requests[i].inner_at || call->remote->live->soft)
		return 0;
	call->inner_at = requests[i].inner_at;
	memcpy(&call->inner, (uint8_t *)call->argument + call->inner_at, sizeof call->inner);
	call->inner_size = 8; /* all attributes that vCPUs have */
	if (call->inner_at == offsetof(struct kvm_one_reg, addr) && _IOC_SIZE(call->cmd) == sizeof(struct kvm_one_reg))
		call->inner_size = anykvm_reg_size(((struct kvm_one_reg *)call->argument)->id);
	return call->inner_size ? 0 : -EINVAL;
}

static int call_job(struct anykvm_live *live, void *argument)
{
	struct call *call = argument;
	void *inner = call->inner;
	int trouble;

	call->result = tracee_ioctl(&live->tracee, thread_for(live, call->remote), call->remote->fd, call->cmd, call->argument, call->size, inner, call->inner_size,
				    call->inner_at, &trouble);
	if (inner)
		memcpy((uint8_t *)call->argument + call->inner_at, &inner, sizeof inner);
	return trouble;
}

/* The refusal of a call is the job's: its reason comes along. */
static int soft_call_job(struct anykvm_live *live, void *context)
{
	struct call *call = context;
	struct visit visit = { .fd = call->remote->fd, .cmd = call->cmd };
	struct argument argument;
	int error = argument_pack(&argument, call->cmd, call->argument, call->size, desk_argument(&live->desk));

	visit.arg = argument.size ? desk_argument(&live->desk) : (uint64_t)call->argument;
	if (!error)
		error = desk_call(&live->tracee, &live->desk, &call->remote->tid, &visit, argument.bytes, argument.size);
	if (!error)
		error = argument_unpack(&argument, call->cmd, call->argument, call->size, (long)visit.result);
	argument_free(&argument);
	call->result = error ? error : (long)visit.result;
	call->entry = call->result < 0 && call->cmd != (unsigned int)KVM_CHECK_EXTENSION ? visit.entry : -1;
	if (!error && call->result < 0 && *visit.reason)
		why((int)call->result, "%s", visit.reason);
	return call->result < 0 ? (int)call->result : 0;
}

static int remote_begin(const struct host_remote *host)
{
	struct anykvm_live *live = ((const struct remote *)host)->live;

	if (live->held++)
		return 0;
	int error = tracer_do(live, hold_job, NULL);

	if (error)
		live->held--;
	return error;
}

static void remote_end(const struct host_remote *host)
{
	struct anykvm_live *live = ((const struct remote *)host)->live;

	if (!--live->held)
		tracer_do(live, release_job, NULL);
}

static long remote_call(const struct host_remote *host, unsigned int cmd, void *argument)
{
	struct call call = { .remote = (struct remote *)host, .cmd = cmd, .argument = argument, .entry = -1 };
	int error = call_prepare(&call);

	if (!error)
		error = tracer_do(call.remote->live, call.remote->live->soft ? soft_call_job : call_job, &call);
	if (call.entry >= 0 && (size_t)call.entry < call.size / sizeof(struct kvm_one_reg))
		why_entry((unsigned int)call.entry);
	return error ? error : call.result;
}

/* ---- Opening. ---- */

static void remote_init(struct remote *remote, struct anykvm_live *live, int fd, bool vcpu)
{
	*remote = (struct remote){ .host = { remote_begin, remote_end, remote_call, vcpu, 0 }, .live = live, .fd = fd };
}

static int remote_fd_open(const struct anykvm_live *live, const struct host_remote *remote)
{
	return live->soft ? soft_remote_open(remote) : host_remote_open(live->system, remote);
}

static int desk_job(struct anykvm_live *live, void *unused)
{
	(void)unused;
	return desk_find(&live->tracee, live->vcpus[0].fd, &live->desk);
}

/* The kernel's KVM is asked for what all its VMs have in common; a software KVM has its desk. */
static int kvm_open(struct anykvm_live *live)
{
	int error;

	if (!live->soft) {
		live->system = host_system_open(O_CLOEXEC);
		return live->system < 0 ? live->system : 0;
	}
	error = remote_begin(&live->vm.host);
	if (error)
		return error;
	error = tracer_do(live, desk_job, NULL);
	remote_end(&live->vm.host);
	return error;
}

static int fds_open(struct anykvm_live *live)
{
	struct host_remote *vm = &live->vm.host;
	long xsave = 0;

	live->vm_fd = remote_fd_open(live, vm);
	if (live->vm_fd < 0)
		return live->vm_fd;
#ifdef __x86_64__
	/* That of a software KVM is struct kvm_xsave; nor is its word taken for how long the caller's room is. */
	if (live->vm.fd >= 0 && !live->soft)
		xsave = anykvm_ioctl(live->vm_fd, KVM_CHECK_EXTENSION, (void *)KVM_CAP_XSAVE2);
	if (xsave < 0)
		return -errno;
#endif
	for (size_t i = 0; i < live->count; i++) {
		live->vcpus[i].host.xsave_size = (uint32_t)xsave;
		live->vcpu_fds[i] = remote_fd_open(live, &live->vcpus[i].host);
		if (live->vcpu_fds[i] < 0)
			return live->vcpu_fds[i];
	}
	return 0;
}

/* The kernel's, if it has any. */
static int remotes_fill(struct anykvm_live *live, pid_t pid, const struct live_found *found)
{
	const struct live_fds *fds = found->kernel.count ? &found->kernel : &found->soft;

	live->soft = fds == &found->soft;
	live->vcpus = calloc(fds->count + 1, sizeof *live->vcpus);
	live->vcpu_fds = calloc(fds->count + 1, sizeof *live->vcpu_fds);
	if (!live->vcpus || !live->vcpu_fds)
		return -ENOMEM;
	live->count = fds->count;
	for (size_t i = 0; i < live->count; i++) {
		remote_init(&live->vcpus[i], live, fds->vcpus[i], true);
		live->vcpu_fds[i] = -1;
	}
	remote_init(&live->vm, live, fds->vm, false);
	return live->count ? 0 : why(-ENOENT, "process %d has no vCPU of KVM's", pid);
}

static int live_fill(struct anykvm_live *live, pid_t pid)
{
	struct live_found found;
	int error = live_find(pid, &found);

	if (!error)
		error = remotes_fill(live, pid, &found);
	live_found_free(&found);
	if (error)
		return error;
	live->started = !pthread_create(&live->tracer, NULL, tracer_main, live);
	error = live->started ? kvm_open(live) : -EAGAIN;
	return error ? error : fds_open(live);
}

PUBLIC struct anykvm_live *anykvm_live_open(pid_t pid)
{
	struct anykvm_live *live = calloc(1, sizeof *live);
	char reason[512];
	int error;

	api_begin(0);
	if (!live) {
		api_end(-ENOMEM);
		return NULL;
	}
	live->tracee.pid = pid;
	live->system = live->vm_fd = -1;
	pthread_mutex_init(&live->lock, NULL);
	pthread_cond_init(&live->changed, NULL);
	error = live_fill(live, pid);
	if (!error)
		return live;
	snprintf(reason, sizeof reason, "%s", why_get() ? why_get() : strerror(-error));
	anykvm_live_close(live);
	api_begin(0);
	api_end(why(error, "%s", reason));
	return NULL;
}

PUBLIC void anykvm_live_close(struct anykvm_live *live)
{
	if (!live)
		return;
	if (live->started) {
		pthread_mutex_lock(&live->lock);
		live->end = true;
		pthread_cond_broadcast(&live->changed);
		pthread_mutex_unlock(&live->lock);
		pthread_join(live->tracer, NULL);
	}
	for (size_t i = 0; live->vcpu_fds && i < live->count; i++)
		if (live->vcpu_fds[i] >= 0)
			anykvm_close(live->vcpu_fds[i]);
	if (live->vm_fd >= 0)
		anykvm_close(live->vm_fd);
	if (live->system >= 0)
		anykvm_close(live->system);
	pthread_mutex_destroy(&live->lock);
	pthread_cond_destroy(&live->changed);
	free(live->vcpus);
	free(live->vcpu_fds);
	free(live);
}

PUBLIC size_t anykvm_live_vcpus(const struct anykvm_live *live)
{
	return live->count;
}

PUBLIC const int *anykvm_live_vcpu_fds(const struct anykvm_live *live)
{
	return live->vcpu_fds;
}

PUBLIC int anykvm_live_vm_fd(const struct anykvm_live *live)
{
	return live->vm.fd < 0 ? -1 : live->vm_fd;
}

/* ---- Holding, from outside. ---- */

/*
 * A thread of a vCPU that is neither in KVM_RUN nor asleep in another system call is in the middle of an exit, as far as can be seen from
 * here. (One that sleeps elsewhere has been stopped by its program.)
 */
static bool settled(struct anykvm_live *live)
{
	for (size_t k = 0; k < live->count; k++) {
		const struct tracee_thread *thread = live->vcpus[k].tid ? thread_by_tid(live, live->vcpus[k].tid) : NULL;

		if (thread && (long)thread->regs.orig_rax < 0)
			return false;
	}
	return true;
}

/* The software KVM says so itself. */
static int soft_settled_job(struct anykvm_live *live, void *unused)
{
	unsigned int holds = live->tracee.holds;

	(void)unused;
	for (size_t k = 0; k < live->count; k++) {
		struct visit visit = { .fd = live->vcpus[k].fd };
		int error = desk_call(&live->tracee, &live->desk, &live->vcpus[k].tid, &visit, NULL, 0);

		if (error || visit.unfinished)
			return error;
	}
	return holds == live->tracee.holds; /* or those that were asked first have gone on */
}

/* 1, 0, or -errno. */
static int settled_ask(struct anykvm_live *live)
{
	return live->soft ? tracer_do(live, soft_settled_job, NULL) : settled(live);
}

PUBLIC int anykvm_live_hold(struct anykvm_live *live, bool wait_settled)
{
	enum { TRIES = 200 };
	int error = 0;

	api_begin(0);
	for (int i = 0; i < TRIES && !error; i++) {
		error = remote_begin(&live->vm.host);
		if (error)
			break;
		clock_gettime(CLOCK_MONOTONIC, &live->since);
		error = !wait_settled || live->held > 1 ? 1 : settled_ask(live);
		if (error == 1)
			return 0;
		remote_end(&live->vm.host);
		usleep(5000);
	}
	return api_end(error ? error : why(-EBUSY, "there was no moment without a vCPU in the middle of an exit"));
}

PUBLIC double anykvm_live_release(struct anykvm_live *live)
{
	struct timespec now;

	if (!live->held)
		return 0;
	remote_end(&live->vm.host);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - live->since.tv_sec) * 1e6 + (double)(now.tv_nsec - live->since.tv_nsec) / 1e3;
}

/* ---- All of them. ---- */

struct listing {
	struct anykvm_live_process *processes;
	size_t room;
	int count;
};

static void process_describe(pid_t pid, struct anykvm_live_process *process)
{
	unsigned long long pages;
	char path[64];
	FILE *from;

	snprintf(path, sizeof path, "/proc/%d/comm", pid);
	from = fopen(path, "re");
	if (from && fgets(process->program, sizeof process->program, from))
		process->program[strcspn(process->program, "\n")] = 0;
	if (from)
		fclose(from);
	snprintf(path, sizeof path, "/proc/%d/statm", pid);
	from = fopen(path, "re");
	if (from && fscanf(from, "%*u %llu", &pages) == 1)
		process->memory = pages * (unsigned long long)sysconf(_SC_PAGESIZE);
	if (from)
		fclose(from);
}

static void process_note(void *context, pid_t pid)
{
	struct listing *listing = context;
	struct live_found found;

	int error = live_find(pid, &found);
	size_t vms = found.kernel.vms + found.soft.vms, vcpus = found.kernel.count + found.soft.count;

	live_found_free(&found);
	if (error || (!vms && !vcpus))
		return;
	if ((size_t)listing->count < listing->room) {
		struct anykvm_live_process *process = &listing->processes[listing->count];

		*process = (struct anykvm_live_process){ .pid = pid, .vms = (unsigned int)vms, .vcpus = (unsigned int)vcpus };
		process_describe(pid, process);
	}
	listing->count++;
}

PUBLIC int anykvm_live_list(struct anykvm_live_process *processes, size_t room)
{
	struct listing listing = { processes, room, 0 };

	api_begin(0);
	live_processes(process_note, &listing);
	why_clear();
	return listing.count;
}
