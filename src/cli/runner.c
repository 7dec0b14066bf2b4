/*
 * The small VM of `anykvm restore`.
 */
#include "cli/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "anykvm/kvm.h"
#include "cli/states.h"
#include "core/names.h"

#define SERIAL_PORT 0x3f8
#define DEBUG_PORT 0xe9
/* Ends KVM_RUN; its handler does nothing. */
#define SIGNAL_KICK SIGUSR1

struct vcpu {
	struct runner *runner;
	pthread_t thread;
	int number;
	struct kvm_run *run;
	bool started, failed;
};

struct runner {
	int system, vm, *fds;
	struct vcpu *vcpus;
	size_t count, run_size;
	_Atomic unsigned long exits;
	unsigned long most;
	_Atomic bool stop;
	bool verbose;
};

int runner_vm(const struct runner *runner)
{
	return runner->vm;
}

const int *runner_vcpus(const struct runner *runner)
{
	return runner->fds;
}

/* ---- Making. ---- */

static bool has_part(const struct anykvm_state *state, const char *name)
{
	size_t count;

	for (int unit = ANYKVM_STATE_VM; unit < (int)anykvm_state_vcpus(state); unit++) {
		const struct anykvm_state_part *parts = anykvm_state_parts(state, unit, &count);

		for (size_t i = 0; i < count; i++)
			if (!strcmp(parts[i].name, name))
				return true;
	}
	return false;
}

static bool memory_place(const struct runner *runner, const struct anykvm_state *state)
{
	size_t count;
	const struct anykvm_state_memory *memory = anykvm_state_memory(state, &count);

	for (size_t i = 0; i < count; i++) {
		struct kvm_userspace_memory_region region = { .slot = (uint32_t)i, .flags = memory[i].flags & KVM_MEM_READONLY, .guest_phys_addr = memory[i].address,
							      .memory_size = memory[i].size, .userspace_addr = (uintptr_t)memory[i].host };

		if (anykvm_ioctl(runner->vm, KVM_SET_USER_MEMORY_REGION, &region))
			return false;
	}
	return true;
}

static bool vcpus_create(struct runner *runner)
{
	for (size_t i = 0; i < runner->count; i++) {
		runner->fds[i] = anykvm_ioctl(runner->vm, KVM_CREATE_VCPU, (void *)i);
		if (runner->fds[i] < 0)
			return false;
		runner->vcpus[i] = (struct vcpu){ .runner = runner, .number = (int)i };
		runner->vcpus[i].run = mmap(NULL, runner->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, runner->fds[i], 0);
		if (runner->vcpus[i].run == MAP_FAILED)
			return false;
	}
	return true;
}

static bool vm_create(struct runner *runner, enum anykvm_accel accel, const struct anykvm_state *state)
{
	struct kvm_pit_config pit = { 0 };

	runner->system = anykvm_open_accel(accel, anykvm_state_arch(state), O_CLOEXEC);
	if (runner->system < 0)
		return false;
	runner->run_size = (size_t)anykvm_ioctl(runner->system, KVM_GET_VCPU_MMAP_SIZE, NULL);
	runner->vm = anykvm_ioctl(runner->system, KVM_CREATE_VM, NULL);
	if (runner->vm < 0 || (has_part(state, "lapic") && anykvm_ioctl(runner->vm, KVM_CREATE_IRQCHIP, NULL)) ||
	    (has_part(state, "pit2") && anykvm_ioctl(runner->vm, KVM_CREATE_PIT2, &pit)))
		return false;
	return memory_place(runner, state) && vcpus_create(runner);
}

struct runner *runner_new(enum anykvm_accel accel, const struct anykvm_state *state)
{
	struct runner *runner = calloc(1, sizeof *runner);

	if (runner) {
		runner->count = anykvm_state_vcpus(state);
		runner->system = runner->vm = -1;
		runner->fds = calloc(runner->count + 1, sizeof *runner->fds);
		runner->vcpus = calloc(runner->count + 1, sizeof *runner->vcpus);
	}
	for (size_t i = 0; runner && runner->fds && i < runner->count; i++)
		runner->fds[i] = -1;
	if (runner && runner->fds && runner->vcpus && vm_create(runner, accel, state))
		return runner;
	states_fail("restore", "making a VM");
	runner_free(runner);
	return NULL;
}

void runner_free(struct runner *runner)
{
	if (!runner)
		return;
	for (size_t i = 0; runner->fds && runner->vcpus && i < runner->count; i++) {
		if (runner->vcpus[i].run && runner->vcpus[i].run != MAP_FAILED)
			munmap(runner->vcpus[i].run, runner->run_size);
		if (runner->fds[i] >= 0)
			anykvm_close(runner->fds[i]);
	}
	if (runner->vm >= 0)
		anykvm_close(runner->vm);
	if (runner->system >= 0)
		anykvm_close(runner->system);
	free(runner->fds);
	free(runner->vcpus);
	free(runner);
}

/* ---- Running. ---- */

static void io_do(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	size_t size = (size_t)run->io.size * run->io.count;

	if (run->io.direction == KVM_EXIT_IO_IN) {
		memset(data, 0xff, size);
	} else if (run->io.port == SERIAL_PORT || run->io.port == DEBUG_PORT) {
		fwrite(data, 1, size, stdout);
		fflush(stdout);
	} else if (vcpu->runner->verbose) {
		uint32_t value = 0;

		memcpy(&value, data, run->io.size < 4 ? run->io.size : 4);
		fprintf(stderr, "vCPU %d: out to port 0x%x: 0x%x\n", vcpu->number, run->io.port, value);
	}
}

static void mmio_do(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (!run->mmio.is_write)
		memset(run->mmio.data, 0xff, sizeof run->mmio.data);
	if (vcpu->runner->verbose)
		fprintf(stderr, "vCPU %d: %s %u bytes at 0x%llx\n", vcpu->number, run->mmio.is_write ? "write of" : "read of", run->mmio.len, run->mmio.phys_addr);
}

/* What the exit asks for; false: the vCPU goes no further. */
static bool exit_do(struct vcpu *vcpu)
{
	char room[NAME_ROOM];

	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		io_do(vcpu);
		return true;
	case KVM_EXIT_MMIO:
		mmio_do(vcpu);
		return true;
	case KVM_EXIT_INTR:
		return true;
	case KVM_EXIT_HLT:
		fprintf(stderr, "vCPU %d: halted\n", vcpu->number);
		return false;
	default:
		vcpu->failed = true;
		fprintf(stderr, "vCPU %d: %s\n", vcpu->number, name_or_number(name_exit(vcpu->run->exit_reason), vcpu->run->exit_reason, room));
		return false;
	}
}

/* The last exit's instruction is done when KVM_RUN is called the next time: before anybody looks at the registers. */
static void settle(struct vcpu *vcpu)
{
	vcpu->run->immediate_exit = 1;
	anykvm_ioctl(vcpu->runner->fds[vcpu->number], KVM_RUN, NULL);
	vcpu->run->immediate_exit = 0;
}

static void kick_all(struct runner *runner)
{
	atomic_store(&runner->stop, true);
	for (size_t i = 0; i < runner->count; i++) {
		runner->vcpus[i].run->immediate_exit = 1;
		if (runner->vcpus[i].started && !pthread_equal(runner->vcpus[i].thread, pthread_self()))
			pthread_kill(runner->vcpus[i].thread, SIGNAL_KICK);
	}
}

static void *vcpu_main(void *argument)
{
	struct vcpu *vcpu = argument;
	struct runner *runner = vcpu->runner;

	while (!atomic_load(&runner->stop)) {
		if (anykvm_ioctl(runner->fds[vcpu->number], KVM_RUN, NULL)) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			vcpu->failed = true;
			fprintf(stderr, "vCPU %d: KVM_RUN: %s\n", vcpu->number, strerror(errno));
			return NULL;
		}
		if (!exit_do(vcpu))
			return NULL;
		if (runner->most && atomic_fetch_add(&runner->exits, 1) + 1 >= runner->most)
			kick_all(runner);
	}
	settle(vcpu);
	return NULL;
}

static void kicked(int signal)
{
	(void)signal;
}

bool runner_run(struct runner *runner, unsigned long exits, bool verbose)
{
	struct sigaction action = { .sa_handler = kicked };
	bool good = true;

	sigaction(SIGNAL_KICK, &action, NULL);
	runner->most = exits;
	runner->verbose = verbose;
	atomic_store(&runner->exits, 0);
	atomic_store(&runner->stop, false);
	for (size_t i = 0; i < runner->count; i++)
		runner->vcpus[i].run->immediate_exit = 0;
	for (size_t i = 0; i < runner->count; i++)
		runner->vcpus[i].started = !pthread_create(&runner->vcpus[i].thread, NULL, vcpu_main, &runner->vcpus[i]);
	for (size_t i = 0; i < runner->count; i++) {
		if (runner->vcpus[i].started)
			pthread_join(runner->vcpus[i].thread, NULL);
		good &= runner->vcpus[i].started && !runner->vcpus[i].failed;
	}
	return good;
}
