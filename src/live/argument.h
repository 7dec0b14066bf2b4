/*
 * The arguments of the software KVM's ioctls as one piece of memory that can go to another process and come back: structures, what they point to
 * behind them.
 */
#ifndef ANYKVM_LIVE_ARGUMENT_H
#define ANYKVM_LIVE_ARGUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct argument {
	uint8_t *bytes;
	size_t size; /* 0: the argument is a number */
};

/*
 * Packs what the ioctl's `from` shows, for the address `at`; `size`: of the structure itself, with its entries. 0, -EINVAL (an id without a
 * size), -E2BIG, -ENOMEM.
 */
int argument_pack(struct argument *argument, unsigned int cmd, const void *from, size_t size, uint64_t at);

/* What came back: 0, or -EIO when it is not what such a call can give. */
int argument_unpack(const struct argument *argument, unsigned int cmd, void *to, size_t size, long result);

void argument_free(struct argument *argument);

#endif
