/*
 * The way of every ioctl from a face (shim or library) to its object.
 */
#include "core/call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/kick.h"
#include "core/names.h"
#include "core/object.h"
#include "core/why.h"

void (*call_trace)(int fd, const char *kind, unsigned int cmd, unsigned long arg, long result);

static void refusal_print(const char *kind, unsigned int cmd, long error)
{
	char room[NAME_ROOM];
	const char *reason = why_get();

	fprintf(stderr, "anykvm: %s: %s: %s%s%s\n", kind, name_or_number(name_ioctl(cmd), cmd, room), strerrorname_np((int)-error),
		reason ? ": " : "", reason ? reason : "");
}

/* /dev/kvm itself may be used by a child; a VM and its vCPUs belong to the process that made them (api.rst, 2). */
static long object_call(struct object *object, unsigned int cmd, unsigned long arg)
{
	if (__builtin_expect(!object_is_own(object), 0) && strcmp(object->ops->kind, "kvm") != 0)
		return why(-EIO, "the descriptor belongs to another process: a VM cannot be used across fork()");
	return object->ops->ioctl(object, cmd, arg);
}

long call_ioctl(int fd, unsigned int cmd, unsigned long arg)
{
	struct object *object = fd_object(fd);
	bool own;
	long result;

	if (!object)
		return -EBADF;
	if (__builtin_expect(why_enabled, 0))
		why_clear();
	own = !object->ops->pass;
	if (own) {
		kick_call_enter();
		result = object_call(object, cmd, arg);
	} else {
		result = object->ops->pass(object, fd, cmd, arg);
	}
	if (__builtin_expect(call_trace != NULL, 0))
		call_trace(fd, object->ops->kind, cmd, arg, result);
	if (__builtin_expect(why_printed, 0) && result < 0 && result != -EINTR)
		refusal_print(object->ops->kind, cmd, result);
	object_put(object);
	if (own)
		kick_call_leave();
	return result;
}
