/*
 * What a VM and a vCPU have when they are Xen's: part of struct x86_vm and struct x86_vcpu. What it means is told in xen.h.
 */
#ifndef ANYKVM_X86_XEN_STATE_H
#define ANYKVM_X86_XEN_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "anykvm/kvm.h"
#include "vm/worker.h"

/*
 * A structure shared with the guest, at a guest-physical address or in the program's own memory: the address, aligned to 4, and in its
 * lowest bits how it is meant. One word, so that any thread can look at it while another sets it.
 */
enum xen_area_kind { XEN_AREA_NONE, XEN_AREA_GUEST, XEN_AREA_HOST };
typedef _Atomic uint64_t xen_area;

/* One that any byte can begin: the vCPU's own thread, or who holds its mutex, looks at it. */
struct xen_place {
	bool active;
	uint64_t gpa;
};

struct xen_target;

struct xen_vm {
	pthread_mutex_t lock; /* the settings and the targets; taken in the guest, so after its memory is entered */
	struct kvm_xen_hvm_config config; /* under the lock, but for: */
	_Atomic uint32_t msr, flags;      /* of the config */
	_Atomic bool long_mode, runstate_update_flag;
	_Atomic uint8_t upcall_vector;
	_Atomic uint32_t version;
	xen_area shared_info;
	struct xen_target *targets; /* by port: what EVTCHNOP_send reaches without the program; NULL: none so far */
};

struct xen_vcpu {
	xen_area vcpu_info;
	struct xen_place time_info, runstate;
	_Atomic uint8_t upcall_vector;
	_Atomic uint64_t pending_selector; /* events that found no vcpu_info: bits of its selector word */
	uint32_t vcpu_id;
	/* Runstate: RUNSTATE_running, _runnable, _blocked, _offline. */
	uint32_t state;
	uint64_t state_entry_time, state_time[4], run_delay;
	/* The timer: also the worker's. */
	pthread_mutex_t timer_lock; /* taken after the memory is entered */
	struct vm_timer timer;
	uint32_t timer_port;
	uint64_t timer_expires; /* of kvmclock; 0: not running */
	uint64_t timer_deadline; /* of the monotonic clock */
	/* SCHEDOP_poll. */
	bool polling;
	uint64_t poll_deadline;
	_Atomic uint32_t poll_port; /* 0: none, XEN_POLL_ANY: several */
	_Atomic bool unblock;       /* what it waits for has come */
	uint64_t hypercall_rip;     /* of a hypercall that the program answers */
};

#define XEN_POLL_ANY UINT32_MAX

#endif
