/*
 * The ioctl fuzzer's stage: memory that may be broken at will, descriptors of all kinds, and the vCPUs' run pages, shared by the threads of one
 * scene. What is here may be handed to any ioctl; what is not (stacks, heap, code) never is, so that every crash is the KVM's.
 */
#ifndef ANYKVM_TESTS_FUZZ_SCENE_H
#define ANYKVM_TESTS_FUZZ_SCENE_H

#include <linux/kvm.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "values.h"

/* The arena lies where mmap(2) puts nothing by itself: what is unmapped there stays a hole. */
enum {
	ARENA_BASE = 0x40000000,
	SCRATCH_SIZE = 0x10000,		/* one thread's arguments */
	THREADS_MAX = 16,
	ARENA_READ_ONLY = ARENA_BASE + THREADS_MAX * SCRATCH_SIZE,
	ARENA_NONE = ARENA_READ_ONLY + 0x1000,
	ARENA_GUEST = ARENA_BASE + 0x200000,	/* guest memory: anonymous, then of a file that shrinks and grows */
	GUEST_SIZE = 0x200000,
	ARENA_GUEST_FILE = ARENA_GUEST + GUEST_SIZE,
	ARENA_HOLE = ARENA_GUEST_FILE + GUEST_SIZE,
	ARENA_END = ARENA_BASE + 0x1000000,
};

enum fd_kind { FD_SYSTEM = 1, FD_VM = 2, FD_VCPU = 4, FD_OTHER = 8, FD_ANY = 15 };

enum { SLOTS_MAX = 96 };

struct scene {
	_Atomic int fds[SLOTS_MAX];	/* -1: free */
	_Atomic int kinds[SLOTS_MAX];
	_Atomic(struct kvm_run *) runs[SLOTS_MAX];	/* of vCPUs; never unmapped */
	size_t run_size;
	int guest_file;
	_Atomic bool stop;
	_Atomic uint64_t calls;
};

/* One thread's view. */
struct actor {
	struct scene *scene;
	struct rng rng;
	uint8_t *scratch;
	bool no_run; /* no KVM_RUN where no signal could end it, on any KVM: in a handler that blocks its own, in a child without friends */
	const char *volatile doing;	/* for whoever reports a hang */
};

void scene_open(struct scene *s);
void actor_init(struct actor *a, struct scene *s, uint64_t seed, uint32_t number);

/* A random descriptor of a kind, and the slot it is in; -1 when there is none. */
int scene_pick(struct actor *a, enum fd_kind kinds, int *slot);
/* Takes over a new descriptor, and maps it if it is a vCPU's. */
void scene_add(struct scene *s, int fd, enum fd_kind kind);
void scene_close_one(struct actor *a);

/* Changes guest memory's contents or mapping, under whoever runs. */
void guest_memory_fill(struct actor *a);
void guest_memory_break(struct actor *a);
/* Registers that make a vCPU run something: real mode, flat or paged, then a few bits of chance. */
void guest_registers_set(struct actor *a, int vcpu);
/* Writes into a run page, as a hostile or racing thread would. */
void run_page_scribble(struct actor *a);

/* hostile.c: one ioctl with arguments that are plausible, hostile or both. */
void hostile_call(struct actor *a);
/* A pointer or number that a kernel must survive. */
uint64_t hostile_argument(struct actor *a);

#endif
