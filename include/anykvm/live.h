/**
 * @file live.h
 * The KVM of a process that is already running: any program with KVM descriptors, without help from it.
 *
 * Its threads are stopped, the ioctls are made in it, on the threads that run its vCPUs, and it goes on as if a signal had come: KVM_RUN
 * returns EINTR. Under a software KVM (`anykvm run`, or this library) KVM_RUN does not end: the ioctls are made between two instructions of the
 * guest. The descriptors given out here are for anykvm_ioctl(), anykvm_reg_get() and its kin, and anykvm_state_capture(). Needs the
 * right to ptrace(2) the process.
 *
 * A handle is for one thread at a time. Functions return 0 or a value, or -1 with errno and words in anykvm_refusal().
 */
#ifndef ANYKVM_LIVE_H
#define ANYKVM_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <anykvm/anykvm.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A process with a VM. */
struct anykvm_live_process {
	pid_t pid;
	char program[64];    /**< its name, as in /proc/PID/comm */
	unsigned int vms;    /**< VM descriptors */
	unsigned int vcpus;  /**< vCPU descriptors */
	uint64_t memory;     /**< bytes of it that are resident */
};

/**
 * The processes of this machine that have KVM descriptors, as far as /proc shows them to the caller.
 *
 * @param processes  receives the first `room` of them; may be NULL when room is 0.
 * @return how many there are.
 */
int anykvm_live_list(struct anykvm_live_process *processes, size_t room);

struct anykvm_live;

/**
 * Finds the VM of a process. Nothing is stopped yet.
 *
 * @return a handle; NULL with errno: ESRCH (no such process), ENOENT (it has no VM), EPERM or EACCES, ENODEV (it is this machine's KVM,
 *         which does not open), EBUSY (a software KVM whose threads do not come to a place where they can be asked).
 */
struct anykvm_live *anykvm_live_open(pid_t pid);

/** How many vCPUs it has; in the order of their descriptors, which is that of their creation. */
size_t anykvm_live_vcpus(const struct anykvm_live *live);
/** Their descriptors: here, as long as the handle is open. */
const int *anykvm_live_vcpu_fds(const struct anykvm_live *live);
/** The VM's. */
int anykvm_live_vm_fd(const struct anykvm_live *live);

/**
 * Stops the process until anykvm_live_release(). Without it each ioctl stops it for itself: what belongs together stands between the two.
 *
 * @param settled  waits (for a second at most) for a moment in which no vCPU is in the middle of an exit, whose instruction its program
 *                 has not finished: only then the registers are a state that can be restored. EBUSY when there was no such moment.
 */
int anykvm_live_hold(struct anykvm_live *live, bool settled);
/** Lets it go on. Returns for how many microseconds it was stopped. */
double anykvm_live_release(struct anykvm_live *live);

/** Lets it go and closes the descriptors. NULL is allowed. */
void anykvm_live_close(struct anykvm_live *live);

#ifdef __cplusplus
}
#endif
#endif
