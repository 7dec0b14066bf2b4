/*
 * Ioctls of system and VM descriptors that are the same for guests of every architecture: rows for their tables. `vm` is its struct vm. Knows no
 * architecture.
 */
#ifndef ANYKVM_SOFT_COMMANDS_H
#define ANYKVM_SOFT_COMMANDS_H

#include "core/command.h"
#include "vm/vm.h"

/* ---- Of a system. ---- */
long do_get_api_version(void *system, unsigned long arg);
long do_get_vcpu_mmap_size(void *system, unsigned long arg);

/* ---- Of a VM. ---- */
int do_get_dirty_log(void *vm, void *data);
int do_clear_dirty_log(void *vm, void *data);
int do_create_device(void *vm, void *data);
long do_get_stats_fd(void *vm, unsigned long arg);

/* A command's flag: it waits until no vCPU of the VM is in the guest, or for what a vCPU may hold there. */
#define WAITS_FOR_VCPUS 1u

/* Makes the call, unless a signal handler that interrupted KVM_RUN would wait for ever. */
long vm_command(struct vm *vm, const struct command *command, unsigned long arg);

/* KVM_ENABLE_CAP of KVM_CAP_HALT_POLL: how long to poll before sleeping: never, whatever the limit. */
int halt_poll_check(uint64_t ns);

/* ---- KVM_CHECK_EXTENSION. ---- */

struct capability {
	uint16_t number;
	int value;
};

/* The value in the table, 0 when it is not there; of KVM_CAP_NR_VCPUS how many run at the same time, `vcpus_most` at most. */
int capability_find(const struct capability *table, size_t count, unsigned long number, int vcpus_most);

#endif
