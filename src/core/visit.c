/*
 * What a visitor's borrowed thread runs.
 */
#include "core/visit.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/object.h"
#include "core/why.h"

static void visit_serve(void);

static uint8_t room[VISIT_ROOM_SIZE] __attribute__((aligned(64)));
/* In the data, not const: it is found by its magic, and written from outside. */
struct visit_desk visit_desk __attribute__((used)) = {
	.magic = VISIT_MAGIC, .self = &visit_desk, .serve = visit_serve, .room = room, .room_size = sizeof room,
};

static _Thread_local bool parked __attribute__((tls_model("initial-exec")));

bool visit_parked(void)
{
	return parked;
}

void visit_park(struct kick *kick)
{
	int error = errno;

	parked = true;
	atomic_signal_fence(memory_order_seq_cst);
	/* Nobody waits there: it is where the visitor stops this thread. */
	syscall(SYS_futex, &visit_desk.park, FUTEX_WAKE_PRIVATE, 0, NULL, NULL, 0);
	atomic_signal_fence(memory_order_seq_cst);
	parked = false;
	/* Whatever has been set meanwhile is to be looked at before anything sleeps. */
	atomic_fetch_or(&kick->request, REQUEST_EXIT);
	errno = error;
}

void visit_forget(void)
{
	atomic_store(&visit_desk.inside, 0);
}

/* The reason of a refusal goes to the visitor; one that the borrowed thread had already stays its own. */
static void call_make(struct object *object, struct visit *visit)
{
	bool enabled = why_enabled, reasoned = why_get();

	why_enabled = true;
	object->ops->visit(object, visit);
	why_enabled = enabled;
	visit->entry = reasoned ? -1 : why_entry_get();
	snprintf(visit->reason, sizeof visit->reason, "%s", !reasoned && visit->result < 0 && why_get() ? why_get() : "");
	if (!reasoned)
		why_clear();
}

static void visit_make(struct visit *visit)
{
	struct object *object;

	visit->state = VISIT_BUSY;
	visit->runner = visit->unfinished = 0;
	visit->result = 0;
	if (!fd_object_try(visit->fd, &object))
		return;
	visit->state = VISIT_STRANGER;
	if (!object)
		return;
	if (object->ops->visit && object_is_own(object)) {
		if (visit->look)
			object->ops->visit(object, visit);
		else
			call_make(object, visit);
	}
	object_put(object);
}

static void visit_serve(void)
{
	struct visit_desk *desk = &visit_desk;
	int error = errno;

	/* The compiler has seen nobody write there. */
	__asm__ volatile("" : "+r"(desk) : : "memory");
	atomic_fetch_add(&desk->inside, 1);
	visit_make(&desk->visit);
	atomic_fetch_sub(&desk->inside, 1);
	errno = error;
}
