/*
 * The public face of include/anykvm/anykvm.h: descriptors. The system calls of a KVM program, without a preload.
 */
#include <errno.h>
#include <unistd.h>

#include "api/accel.h"
#include "api/api.h"
#include "core/call.h"
#include "core/object.h"

/* ---- Results and reasons. ---- */

static _Thread_local struct anykvm_refusal refusal;

void api_begin(unsigned long request)
{
	why_clear();
	refusal = (struct anykvm_refusal){ .request = request, .entry = -1, .reason = "" };
}

int api_end(long result)
{
	if (result >= 0)
		return (int)result;
	refusal.error = (int)-result;
	refusal.entry = why_entry_get();
	refusal.reason = why_get() ? why_get() : "";
	errno = refusal.error;
	return -1;
}

PUBLIC const struct anykvm_refusal *anykvm_refusal(void)
{
	return &refusal;
}

/* ---- Descriptors. ---- */

PUBLIC int anykvm_open(int flags)
{
	return anykvm_open_accel(ANYKVM_ACCEL_SOFT, 0, flags);
}

PUBLIC int anykvm_open_accel(enum anykvm_accel accel, uint64_t arch, int flags)
{
	api_begin(0);
	return api_end(accel_open(accel, arch, flags));
}

PUBLIC int anykvm_ioctl(int fd, unsigned long request, void *argument)
{
	api_begin(request);
	return api_end(call_ioctl(fd, (unsigned int)request, (unsigned long)argument));
}

PUBLIC int anykvm_close(int fd)
{
	fd_forget(fd);
	return close(fd);
}

PUBLIC int anykvm_dup(int fd)
{
	int copy = dup(fd);

	if (copy >= 0)
		fd_duplicated(fd, copy);
	return copy;
}

/* ---- What a descriptor is. ---- */

PUBLIC int anykvm_accel(int fd)
{
	struct object *object = fd_object(fd);
	int accel;

	api_begin(0);
	if (!object)
		return api_end(why(-EBADF, "the descriptor is not one of libanykvm's"));
	accel = object->ops->pass ? ANYKVM_ACCEL_KVM : ANYKVM_ACCEL_SOFT;
	object_put(object);
	return accel;
}

PUBLIC uint64_t anykvm_arch(int fd)
{
	struct object *object = fd_object(fd);
	uint64_t arch;

	api_begin(0);
	if (!object) {
		api_end(why(-EBADF, "the descriptor is not one of libanykvm's"));
		return 0;
	}
	arch = object->ops->arch;
	object_put(object);
	return arch;
}
