/*
 * How the image that arm64_guest.S makes begins: between the program that fills in the rounds and those that run it.
 */
#ifndef ARM64_IMAGE_H
#define ARM64_IMAGE_H

#include <stdint.h>

enum { ARM64_IMAGE_AT = 0x40200000, ARM64_DATA_SIZE = 1 << 20, ARM64_DATA_ROOM = ARM64_DATA_SIZE + 4096 };

struct arm64_kernel {
	char name[16];
	uint64_t code, counted; /* offsets; 0: it has no counted twin */
	/* Instructions executed are fixed + rounds * per_round, or, with a counted twin, which returns the second number, the sum of both. */
	uint64_t fixed, per_round;
	uint64_t rounds, unused;
};

struct arm64_image {
	uint64_t entry;     /* a branch */
	uint64_t data_fill; /* offset of void data_fill(void *data) */
	struct arm64_kernel kernels[]; /* a name of nothing ends them */
};

#endif
