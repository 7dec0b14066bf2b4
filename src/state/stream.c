/*
 * A state file's bytes: write(2) and read(2) that do not stop half-way, holes, and zstd.
 */
#include "state/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef ANYKVM_ZSTD
#include <zstd.h>
#endif

#include "core/why.h"

/* ---- Descriptors. ---- */

static int fd_write(int fd, const void *bytes, size_t size)
{
	while (size) {
		ssize_t done = write(fd, bytes, size < 1 << 30 ? size : 1 << 30);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		bytes = (const uint8_t *)bytes + done;
		size -= (size_t)done;
	}
	return 0;
}

/* What there is, `size` at most; 0: the end. */
static ssize_t fd_read(int fd, void *bytes, size_t size)
{
	ssize_t done;

	do
		done = read(fd, bytes, size < 1 << 30 ? size : 1 << 30);
	while (done < 0 && errno == EINTR);
	return done < 0 ? why(-errno, "reading: %s", strerror(errno)) : done;
}

/* ---- zstd. ---- */

#ifdef ANYKVM_ZSTD
enum { ROOM = 1 << 17 };
static const uint8_t magic[4] = { 0x28, 0xb5, 0x2f, 0xfd }; /* RFC 8878, 3.1.1 */

struct packer {
	ZSTD_CCtx *context;
	uint8_t room[ROOM];
};

struct unpacker {
	ZSTD_DCtx *context;
	ZSTD_inBuffer from;
	uint8_t room[ROOM];
};

static struct packer *packer_new(int level)
{
	struct packer *packer = malloc(sizeof *packer);

	if (!packer)
		return NULL;
	packer->context = ZSTD_createCCtx();
	if (packer->context)
		ZSTD_CCtx_setParameter(packer->context, ZSTD_c_compressionLevel, level);
	return packer;
}

static void packer_free(struct packer *packer)
{
	if (packer)
		ZSTD_freeCCtx(packer->context);
	free(packer);
}

static int packer_write(struct out *out, const void *bytes, size_t size, ZSTD_EndDirective end)
{
	ZSTD_inBuffer from = { bytes, size, 0 };
	size_t left;
	int error = 0;

	do {
		ZSTD_outBuffer to = { out->packer->room, ROOM, 0 };

		left = ZSTD_compressStream2(out->packer->context, &to, &from, end);
		if (ZSTD_isError(left))
			return why(-EIO, "zstd: %s", ZSTD_getErrorName(left));
		error = fd_write(out->fd, out->packer->room, to.pos);
	} while (!error && (end == ZSTD_e_end ? left > 0 : from.pos < size));
	return error;
}

static int unpacker_new(struct in *in)
{
	struct unpacker *unpacker = in->unpacker = calloc(1, sizeof *unpacker);

	if (unpacker)
		unpacker->context = ZSTD_createDCtx();
	if (!unpacker || !unpacker->context)
		return -ENOMEM;
	memcpy(unpacker->room, in->begin, in->begin_left);
	unpacker->from = (ZSTD_inBuffer){ unpacker->room, in->begin_left, 0 };
	in->begin_left = 0;
	return 0;
}

static void unpacker_free(struct unpacker *unpacker)
{
	if (unpacker)
		ZSTD_freeDCtx(unpacker->context);
	free(unpacker);
}

/* Some bytes, unpacked; 0: the end. */
static ssize_t unpacker_read(struct in *in, void *bytes, size_t size)
{
	struct unpacker *unpacker = in->unpacker;
	ZSTD_outBuffer to = { bytes, size, 0 };

	while (!to.pos) {
		size_t left;

		if (unpacker->from.pos == unpacker->from.size) {
			ssize_t some = fd_read(in->fd, unpacker->room, ROOM);

			if (some <= 0)
				return some;
			unpacker->from = (ZSTD_inBuffer){ unpacker->room, (size_t)some, 0 };
		}
		left = ZSTD_decompressStream(unpacker->context, &to, &unpacker->from);
		if (ZSTD_isError(left))
			return why(-EINVAL, "at byte %llu, unpacked: zstd: %s", (unsigned long long)in->at, ZSTD_getErrorName(left));
	}
	return (ssize_t)to.pos;
}
#endif

/* ---- Writing. ---- */

int out_open(struct out *out, int fd, const struct anykvm_state_io *io)
{
	struct stat stat;
	int level = io ? io->zstd_level : 0;

	*out = (struct out){ .fd = fd, .io = io };
	out->seeks = !level && !fstat(fd, &stat) && S_ISREG(stat.st_mode) && !(fcntl(fd, F_GETFL) & O_APPEND);
	if (!level)
		return 0;
#ifdef ANYKVM_ZSTD
	if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel())
		return why(-EINVAL, "zstd has no level %d: they go up to %d", level, ZSTD_maxCLevel());
	out->packer = packer_new(level);
	return out->packer && out->packer->context ? 0 : -ENOMEM;
#else
	return why(-ENOTSUP, "this library was built without zstd");
#endif
}

int out_write(struct out *out, const void *bytes, size_t size)
{
#ifdef ANYKVM_ZSTD
	if (out->packer)
		return packer_write(out, bytes, size, ZSTD_e_continue);
#endif
	return fd_write(out->fd, bytes, size);
}

int out_zeroes(struct out *out, size_t size)
{
	static const uint8_t zeroes[1 << 16];
	int error = 0;

	if (out->seeks)
		return lseek(out->fd, (off_t)size, SEEK_CUR) < 0 ? -errno : 0;
	for (; size && !error; size -= size < sizeof zeroes ? size : sizeof zeroes)
		error = out_write(out, zeroes, size < sizeof zeroes ? size : sizeof zeroes);
	return error;
}

int out_finish(struct out *out)
{
#ifdef ANYKVM_ZSTD
	if (out->packer)
		return packer_write(out, NULL, 0, ZSTD_e_end);
#endif
	(void)out;
	return 0;
}

void out_close(struct out *out)
{
#ifdef ANYKVM_ZSTD
	packer_free(out->packer);
#endif
	out->packer = NULL;
}

void out_progress(struct out *out, size_t size)
{
	out->done += size;
	if (out->io && out->io->progress)
		out->io->progress(out->io->context, out->done, out->total);
}

/* ---- Reading. ---- */

/* The first bytes tell whether they are packed. */
int in_open(struct in *in, int fd, const struct anykvm_state_io *io)
{
	struct stat stat;

	*in = (struct in){ .fd = fd, .io = io };
	in->seeks = !fstat(fd, &stat) && S_ISREG(stat.st_mode) && lseek(fd, 0, SEEK_CUR) == 0;
	while (in->begin_left < sizeof in->begin) {
		ssize_t some = fd_read(fd, in->begin + in->begin_left, sizeof in->begin - in->begin_left);

		if (some < 0)
			return (int)some;
		if (!some)
			break;
		in->begin_left += (size_t)some;
	}
#ifdef ANYKVM_ZSTD
	if (in->begin_left == sizeof magic && !memcmp(in->begin, magic, sizeof magic)) {
		in->seeks = false;
		return unpacker_new(in);
	}
#endif
	return 0;
}

static ssize_t in_some(struct in *in, void *bytes, size_t size)
{
	size_t some = size < in->begin_left ? size : in->begin_left;

#ifdef ANYKVM_ZSTD
	if (in->unpacker)
		return unpacker_read(in, bytes, size);
#endif
	if (!some)
		return fd_read(in->fd, bytes, size);
	memcpy(bytes, in->begin, some);
	memmove(in->begin, in->begin + some, in->begin_left - some);
	in->begin_left -= some;
	return (ssize_t)some;
}

int in_read(struct in *in, void *bytes, size_t size)
{
	while (size) {
		ssize_t done = in_some(in, bytes, size);

		if (done < 0)
			return (int)done;
		if (!done)
			return why(-EINVAL, "the file ends at byte %llu, %zu bytes too early", (unsigned long long)in->at, size);
		in->at += (uint64_t)done;
		bytes = (uint8_t *)bytes + done;
		size -= (size_t)done;
	}
	return 0;
}

int in_skip(struct in *in, uint64_t to)
{
	uint8_t unused[4096];
	int error = 0;

	if (to < in->at)
		return why(-EINVAL, "at byte %llu: something is said to stand at byte %llu, before it", (unsigned long long)in->at, (unsigned long long)to);
	while (in->at < to && !error)
		error = in_read(in, unused, to - in->at < sizeof unused ? (size_t)(to - in->at) : sizeof unused);
	return error;
}

void in_close(struct in *in)
{
#ifdef ANYKVM_ZSTD
	unpacker_free(in->unpacker);
#endif
	in->unpacker = NULL;
}

void in_progress(struct in *in, size_t size)
{
	in->done += size;
	if (in->io && in->io->progress)
		in->io->progress(in->io->context, in->done, in->total);
}
