/*
 * A visitor: a tracer outside (src/live) that borrows a thread of this process for one KVM ioctl on a descriptor of ours. Here is what it finds,
 * a desk in the library's data, and what its thread runs. Knows nothing of tracing.
 *
 * The visitor comes in the middle of anything, so nothing that it calls here waits. Only when the borrowed thread stands where it can hold no
 * lock (asleep in a system call, or parked) the ioctl is made; elsewhere it only looks. One visit at a time: all threads stand still before the
 * desk is written, and it is free when none of them is in it. When the visitor is killed, the thread finishes by itself, and nothing is left.
 */
#ifndef ANYKVM_CORE_VISIT_H
#define ANYKVM_CORE_VISIT_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/kick.h"

/* The first bytes of a desk: what it is, and which version of this file it speaks. */
#define VISIT_MAGIC "anykvm desk v1\n"

/* The room of a desk: the ioctl's argument, then the stack of the borrowed thread. */
enum { VISIT_ARGUMENT_SIZE = 64 << 10, VISIT_STACK_SIZE = 128 << 10, VISIT_ROOM_SIZE = VISIT_ARGUMENT_SIZE + VISIT_STACK_SIZE };

enum visit_state {
	VISIT_NONE,     /* nothing has been done */
	VISIT_STRANGER, /* the descriptor is none of ours, or not the software KVM's */
	VISIT_IDLE,     /* looked at: nobody is in a call on it */
	VISIT_BUSY,     /* somebody is in a call on it: `runner`, when that is KVM_RUN */
	VISIT_DONE,     /* the ioctl has been made */
};

struct visit {
	/* From the visitor. */
	uint32_t cmd;
	int32_t fd;
	uint64_t arg;
	uint32_t look; /* nonzero: make no call */
	/* For it. */
	uint32_t state;
	int64_t result;
	uint64_t runner;     /* the thread in KVM_RUN of the vCPU, as pthread_self() is: it is asked to park */
	uint32_t unfinished; /* the vCPU is in the middle of an exit, whose instruction its next KVM_RUN finishes */
	int32_t entry;       /* of a refusal: which of the call's entries; -1: none */
	char reason[256];    /* of a refusal */
};

struct visit_desk {
	char magic[16];
	struct visit_desk *self;
	void (*serve)(void); /* called as a signal handler is: its return ends the visit */
	uint8_t *room;
	uint64_t room_size;
	uint32_t park;           /* a thread at FUTEX_WAKE of this word is parked, as long as that call lasts */
	_Atomic uint32_t inside; /* threads in `serve` */
	struct visit visit;
};

/* On a vCPU's own thread, out of the guest, when REQUEST_VISIT was set: a visitor may work on the vCPU as if it held its mutex. */
void visit_park(struct kick *kick);

/* Whether this thread is parked. */
bool visit_parked(void);

/* After fork(): who was in `serve` stayed behind. */
void visit_forget(void);

#endif
