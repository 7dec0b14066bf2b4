/*
 * Parts that one ioctl gets and another sets.
 */
#ifndef ANYKVM_STATE_PARTS_H
#define ANYKVM_STATE_PARTS_H

#include "state/state.h"

/* The largest of them. */
#define STATE_PART_MOST 4096

struct state_ioctls {
	const char *name;
	uint32_t size, chip; /* `chip`: the structure's first 32 bits say which of several */
	unsigned long get, set;
	bool vm; /* of the VM, not of a vCPU */
};

int parts_get(int fd, struct state_unit *unit, const struct state_ioctls *rows, size_t count, bool vm);
int parts_again(int fd, struct anykvm_state_part *part, const struct state_ioctls *rows, size_t count);
int parts_set(int fd, const struct anykvm_state_part *part, const struct state_ioctls *rows, size_t count, bool vm);
const struct state_ioctls *parts_find(const struct state_ioctls *rows, size_t count, const char *name);

#endif
