/*
 * The descriptor table: which object stands behind a descriptor. Readers take no lock but the slot's own lowest bit, for the
 * few instructions in which a reference is taken. Chunks of the table are made when needed and never freed.
 */
#include "core/object.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/visit.h"

#define CHUNK_BITS 10
#define CHUNK_SIZE (1u << CHUNK_BITS)
#define CHUNKS 1024 /* a million descriptors: fs.nr_open's default */

/*
 * A slot's word is the object's address, whose lowest bit serves as a spin lock: held for the few instructions in which a
 * reference is taken, or the object is exchanged. A signal handler that interrupts the holder and looks at the same slot would
 * spin for ever; so handlers only ask fd_is_ours(), and the holder cannot be cancelled.
 */
struct chunk {
	_Atomic uintptr_t slot[CHUNK_SIZE];
};

static struct chunk *_Atomic chunks[CHUNKS];
static _Atomic unsigned int process = 1;

/* ---- Objects. ---- */

static void process_changed(void)
{
	atomic_fetch_add(&process, 1);
	visit_forget();
}

static void process_watch(void)
{
	pthread_atfork(NULL, NULL, process_changed);
}

void object_init(struct object *object, const struct object_ops *ops)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, process_watch);
	object->ops = ops;
	atomic_init(&object->references, 1);
	object->process = atomic_load(&process);
}

struct object *object_get(struct object *object)
{
	atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
	return object;
}

void object_put(struct object *object)
{
	if (atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel) == 1)
		object->ops->release(object);
}

bool object_is_own(const struct object *object)
{
	return object->process == atomic_load_explicit(&process, memory_order_relaxed);
}

/* ---- The table. ---- */

static _Atomic uintptr_t *slot_of(int fd)
{
	struct chunk *chunk;

	if (fd < 0 || (unsigned int)fd >= CHUNKS * CHUNK_SIZE)
		return NULL;
	chunk = atomic_load_explicit(&chunks[(unsigned int)fd >> CHUNK_BITS], memory_order_acquire);
	return chunk ? &chunk->slot[(unsigned int)fd % CHUNK_SIZE] : NULL;
}

static _Atomic uintptr_t *slot_make(int fd)
{
	struct chunk *chunk, *expected = NULL;

	if (fd < 0 || (unsigned int)fd >= CHUNKS * CHUNK_SIZE)
		return NULL;
	if (!slot_of(fd)) {
		chunk = calloc(1, sizeof *chunk);
		if (!chunk)
			return NULL;
		if (!atomic_compare_exchange_strong(&chunks[(unsigned int)fd >> CHUNK_BITS], &expected, chunk))
			free(chunk);
	}
	return slot_of(fd);
}

/* Locks the slot; the object's address, or 0 (and no lock) when it is empty. */
static uintptr_t slot_lock(_Atomic uintptr_t *slot)
{
	uintptr_t word = atomic_load_explicit(slot, memory_order_relaxed);

	while (word) {
		if (word & 1) {
			sched_yield();
			word = atomic_load_explicit(slot, memory_order_relaxed);
		} else if (atomic_compare_exchange_weak_explicit(slot, &word, word | 1, memory_order_acquire, memory_order_relaxed)) {
			return word;
		}
	}
	return 0;
}

/* Puts another object's address (or 0) into the slot and returns the old one. */
static struct object *slot_exchange(_Atomic uintptr_t *slot, struct object *object)
{
	uintptr_t old, empty = 0;

	for (;;) {
		old = slot_lock(slot);
		if (old) {
			atomic_store_explicit(slot, (uintptr_t)object, memory_order_release);
			return (struct object *)old;
		}
		if (atomic_compare_exchange_strong_explicit(slot, &empty, (uintptr_t)object, memory_order_release, memory_order_relaxed))
			return NULL;
		empty = 0;
	}
}

int fd_install(int fd, struct object *object)
{
	_Atomic uintptr_t *slot = slot_make(fd);
	struct object *old;

	if (!slot)
		return -ENOMEM;
	old = slot_exchange(slot, object_get(object));
	if (old)
		object_put(old);
	return 0;
}

struct object *fd_object(int fd)
{
	_Atomic uintptr_t *slot = slot_of(fd);
	struct object *object;
	uintptr_t word;

	if (!slot)
		return NULL;
	word = slot_lock(slot);
	if (!word)
		return NULL;
	object = object_get((struct object *)word);
	atomic_store_explicit(slot, word, memory_order_release);
	return object;
}

bool fd_object_try(int fd, struct object **object)
{
	_Atomic uintptr_t *slot = slot_of(fd);
	uintptr_t word = slot ? atomic_load_explicit(slot, memory_order_relaxed) : 0;

	*object = NULL;
	if (!word)
		return true;
	if (word & 1 || !atomic_compare_exchange_strong_explicit(slot, &word, word | 1, memory_order_acquire, memory_order_relaxed))
		return false;
	*object = object_get((struct object *)word);
	atomic_store_explicit(slot, word, memory_order_release);
	return true;
}

bool fd_is_ours(int fd)
{
	_Atomic uintptr_t *slot = slot_of(fd);

	return slot && atomic_load_explicit(slot, memory_order_relaxed);
}

int fd_next(int first)
{
	for (unsigned int fd = first < 0 ? 0 : (unsigned int)first; fd < CHUNKS * CHUNK_SIZE;) {
		if (!atomic_load(&chunks[fd >> CHUNK_BITS])) {
			fd = ((fd >> CHUNK_BITS) + 1) << CHUNK_BITS;
			continue;
		}
		if (fd_is_ours((int)fd))
			return (int)fd;
		fd++;
	}
	return -1;
}

void fd_forget(int fd)
{
	_Atomic uintptr_t *slot = slot_of(fd);
	struct object *old = slot ? slot_exchange(slot, NULL) : NULL;

	if (old)
		object_put(old);
}

void fd_duplicated(int old_fd, int new_fd)
{
	struct object *object = fd_object(old_fd);

	if (!object) {
		fd_forget(new_fd);
		return;
	}
	fd_install(new_fd, object);
	object_put(object);
}

/* ---- Descriptors. ---- */

int fd_new_plain(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	/* An empty file that stays empty: always ready, and refused by epoll, as the kernel's are. */
	fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	return fd;
}

int fd_new_memory(const char *name, size_t size, void **memory)
{
	int fd = memfd_create(name, MFD_CLOEXEC), error;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) == 0) {
		*memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (*memory != MAP_FAILED)
			return fd;
	}
	error = errno;
	close(fd);
	return -error;
}

int fd_give(int fd, struct object *object)
{
	int error = fd_install(fd, object);

	object_put(object);
	if (error)
		syscall(SYS_close, fd);
	return error ? error : fd;
}
