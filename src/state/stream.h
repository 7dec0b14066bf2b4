/*
 * A state file's bytes on their way to and from a descriptor, packed by zstd or as they are. Nothing here knows what they mean.
 */
#ifndef ANYKVM_STATE_STREAM_H
#define ANYKVM_STATE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "anykvm/state.h"

struct packer;

/* ---- Writing. ---- */

struct out {
	int fd;
	bool seeks; /* holes are possible */
	struct packer *packer; /* NULL: not packed */
	const struct anykvm_state_io *io; /* whose progress is told; may be NULL */
	uint64_t done, total; /* bytes of memory */
};

/* 0 or -errno with a reason; close() in any case. What is left goes out with out_finish(). */
int out_open(struct out *out, int fd, const struct anykvm_state_io *io);
int out_write(struct out *out, const void *bytes, size_t size);
int out_zeroes(struct out *out, size_t size);
int out_finish(struct out *out);
void out_close(struct out *out);
void out_progress(struct out *out, size_t size);

/* ---- Reading. ---- */

struct unpacker;

struct in {
	int fd;
	bool seeks;
	uint64_t at; /* bytes read so far, unpacked */
	struct unpacker *unpacker; /* NULL: not packed */
	uint8_t begin[4]; /* what told that: read already */
	size_t begin_left;
	const struct anykvm_state_io *io;
	uint64_t done, total;
};

int in_open(struct in *in, int fd, const struct anykvm_state_io *io);
/* All of it, or an error with its reason. */
int in_read(struct in *in, void *bytes, size_t size);
int in_skip(struct in *in, uint64_t to);
void in_close(struct in *in);
void in_progress(struct in *in, size_t size);

#endif
