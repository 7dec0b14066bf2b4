/*
 * KVM_GET_STATS_FD: a header, an id, the descriptions of the counters and the counters themselves, in a memory file that the
 * program reads with the kernel's own read and pread (api.rst 4.133). Each descriptor has a file of its own, written anew
 * when the counters move. Must never know what is counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "anykvm/kvm.h"
#include "core/why.h"
#include "vm/stats.h"

#define STATS_NAME_SIZE 48 /* as Linux has it; api.rst only says that the header tells it */

/* One open statistics file. */
struct stats_view {
	struct object object;
	struct object *owner;
	struct stats *stats;
	struct stats_view *next;
	void *memory;
	size_t size;
};

struct stats_layout {
	size_t id, descriptors, descriptor_size, data, size;
};

static struct stats_layout layout_of(const struct stats *stats)
{
	struct stats_layout layout;

	layout.id = sizeof(struct kvm_stats_header);
	layout.descriptors = layout.id + STATS_NAME_SIZE;
	layout.descriptor_size = sizeof(struct kvm_stats_desc) + STATS_NAME_SIZE;
	layout.data = layout.descriptors + stats->count * layout.descriptor_size;
	layout.size = layout.data + stats->count * sizeof(uint64_t);
	return layout;
}

void stats_init(struct stats *stats, const struct stats_row *rows, const _Atomic uint64_t *values, uint32_t count)
{
	pthread_mutex_init(&stats->lock, NULL);
	stats->rows = rows;
	stats->values = values;
	stats->count = count;
}

void stats_destroy(struct stats *stats)
{
	pthread_mutex_destroy(&stats->lock);
}

static void view_fill(const struct stats_view *view, const char *id)
{
	const struct stats *stats = view->stats;
	struct stats_layout layout = layout_of(stats);
	char *memory = view->memory;
	struct kvm_stats_header header = {
		.name_size = STATS_NAME_SIZE,
		.num_desc = stats->count,
		.id_offset = (uint32_t)layout.id,
		.desc_offset = (uint32_t)layout.descriptors,
		.data_offset = (uint32_t)layout.data,
	};

	memcpy(memory, &header, sizeof(header));
	snprintf(memory + layout.id, STATS_NAME_SIZE, "%s", id);
	for (uint32_t i = 0; i < stats->count; i++) {
		char *at = memory + layout.descriptors + i * layout.descriptor_size;
		struct kvm_stats_desc descriptor = {
			.flags = stats->rows[i].flags,
			.size = 1,
			.offset = (uint32_t)(i * sizeof(uint64_t)),
		};

		memcpy(at, &descriptor, sizeof(descriptor));
		snprintf(at + sizeof(descriptor), STATS_NAME_SIZE, "%s", stats->rows[i].name);
	}
}

static void view_publish(const struct stats_view *view)
{
	_Atomic uint64_t *data = (void *)((char *)view->memory + layout_of(view->stats).data);

	for (uint32_t i = 0; i < view->stats->count; i++)
		atomic_store_explicit(&data[i], atomic_load_explicit(&view->stats->values[i], memory_order_relaxed), memory_order_relaxed);
}

void stats_publish_slow(struct stats *stats)
{
	pthread_mutex_lock(&stats->lock);
	for (const struct stats_view *view = stats->views; view; view = view->next)
		view_publish(view);
	pthread_mutex_unlock(&stats->lock);
}

static void view_unlink(struct stats_view *view)
{
	struct stats *stats = view->stats;

	pthread_mutex_lock(&stats->lock);
	for (struct stats_view **link = &stats->views; *link; link = &(*link)->next) {
		if (*link == view) {
			*link = view->next;
			atomic_fetch_sub(&stats->view_count, 1);
			break;
		}
	}
	pthread_mutex_unlock(&stats->lock);
}

static long stats_ioctl(struct object *object, unsigned int cmd, unsigned long arg)
{
	(void)object;
	(void)arg;
	return why(-ENOTTY, "ioctl %#x: a statistics descriptor has none", cmd);
}

static void stats_release(struct object *object)
{
	struct stats_view *view = (struct stats_view *)object;

	/* In a child of fork() the lock may be held for ever by a thread that the child has not got. */
	if (object_is_own(object))
		view_unlink(view);
	munmap(view->memory, view->size);
	object_put(view->owner);
	free(view);
}

static const struct object_ops stats_ops = { .kind = "stats", .ioctl = stats_ioctl, .release = stats_release };

/* The same file, open for reading only. Not open(): that is a cancellation point, and maybe the program's own. */
static int descriptor_reopen(int fd)
{
	char path[32];
	long result;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	result = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	return result < 0 ? -errno : (int)result;
}

static int view_create(struct stats *stats, struct object *owner, const char *id, struct stats_view **created)
{
	struct stats_view *view = calloc(1, sizeof(*view));
	int fd, readable;

	if (!view)
		return -ENOMEM;
	view->size = layout_of(stats).size;
	fd = fd_new_memory(id, view->size, &view->memory);
	if (fd < 0) {
		free(view);
		return fd;
	}
	view->stats = stats;
	view_fill(view, id);
	/* Without /proc the descriptor stays a writable one: it only shows a copy. */
	readable = descriptor_reopen(fd);
	if (readable >= 0) {
		syscall(SYS_close, fd);
		fd = readable;
	}
	object_init(&view->object, &stats_ops);
	view->owner = object_get(owner);
	*created = view;
	return fd;
}

int stats_open(struct stats *stats, struct object *owner, const char *id)
{
	struct stats_view *view;
	int fd = view_create(stats, owner, id, &view);

	if (fd < 0)
		return fd;
	pthread_mutex_lock(&stats->lock);
	view_publish(view);
	view->next = stats->views;
	stats->views = view;
	atomic_fetch_add(&stats->view_count, 1);
	pthread_mutex_unlock(&stats->lock);
	return fd_give(fd, &view->object);
}
