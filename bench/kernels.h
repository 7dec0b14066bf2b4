/*
 * The pieces of guest code whose speed is measured: position-independent 64-bit functions within x86-64-v2, called as
 *     uint64_t kernel(void *data, uint64_t rounds)
 * with data at KERNEL_DATA_SIZE bytes of known numbers. The same bytes run in a guest and as a function of this program.
 */
#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum { KERNEL_DATA_SIZE = 1 << 20, KERNELS = 8 };

typedef uint64_t kernel_function(void *data, uint64_t rounds);

struct kernel {
	const char *name;
	const uint8_t *code;
	size_t size;
	/* Instructions executed are fixed + rounds * per_round, unless counted is set. */
	uint64_t fixed, per_round;
	/* The same work as code, returning how many instructions code executes; per_round is then an average. */
	const uint8_t *counted;
	size_t counted_size;
};

/* Fills in all kernels, the generated one too. The code stays in place until the program ends. */
void kernels_make(struct kernel kernels[KERNELS]);

#endif
