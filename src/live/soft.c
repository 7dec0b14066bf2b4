/*
 * A software KVM elsewhere has all calls itself: they only go there, one at a time.
 */
#include "live/soft.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "anykvm/kvm.h"
#include "core/object.h"

struct soft_remote {
	struct object object;
	const struct host_remote *remote;
	pthread_mutex_t lock;
};

static long soft_ioctl(struct object *object, unsigned int cmd, unsigned long arg)
{
	struct soft_remote *soft = (struct soft_remote *)object;
	long result;

	pthread_mutex_lock(&soft->lock);
	result = soft->remote->begin(soft->remote);
	if (!result) {
		result = soft->remote->call(soft->remote, cmd, (void *)arg);
		soft->remote->end(soft->remote);
	}
	pthread_mutex_unlock(&soft->lock);
	return result;
}

static void soft_release(struct object *object)
{
	struct soft_remote *soft = (struct soft_remote *)object;

	pthread_mutex_destroy(&soft->lock);
	free(soft);
}

static const struct object_ops ops = { .kind = "live", .arch = KVM_REG_X86, .ioctl = soft_ioctl, .release = soft_release };

int soft_remote_open(const struct host_remote *remote)
{
	struct soft_remote *soft = calloc(1, sizeof *soft);
	int fd = soft ? fd_new_plain("anykvm-live") : -ENOMEM;

	if (fd < 0) {
		free(soft);
		return fd;
	}
	object_init(&soft->object, &ops);
	soft->remote = remote;
	pthread_mutex_init(&soft->lock, NULL);
	return fd_give(fd, &soft->object);
}
