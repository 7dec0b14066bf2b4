/*
 * Looking for KVM descriptors: the kernel names them anon_inode:kvm-vm and anon_inode:kvm-vcpu:ID.
 */
#include "live/find.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/why.h"

static int ascending(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* A descriptor of the folder /proc/PID/fd: noted when it is one of KVM's. */
static int fd_note(DIR *folder, const char *name, struct live_found *found)
{
	static const char vm[] = "anon_inode:kvm-vm", vcpu[] = "anon_inode:kvm-vcpu";
	char target[64] = "";
	ssize_t length = readlinkat(dirfd(folder), name, target, sizeof target - 1);
	int *grown;

	if (length <= 0)
		return 0;
	target[length] = 0;
	if (!strcmp(target, vm)) {
		found->vms++;
		if (found->vm < 0 || atoi(name) < found->vm)
			found->vm = atoi(name);
	}
	if (strncmp(target, vcpu, sizeof vcpu - 1) || (target[sizeof vcpu - 1] && target[sizeof vcpu - 1] != ':') || found->count == FIND_VCPUS_MOST)
		return 0;
	grown = realloc(found->vcpus, (found->count + 1) * sizeof *grown);
	if (!grown)
		return -ENOMEM;
	found->vcpus = grown;
	found->vcpus[found->count++] = atoi(name);
	return 0;
}

int live_find(pid_t pid, struct live_found *found)
{
	char path[64];
	struct dirent *entry;
	DIR *folder;
	int error = 0;

	*found = (struct live_found){ .vm = -1 };
	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	folder = opendir(path);
	if (!folder)
		return errno == ENOENT ? why(-ESRCH, "there is no process %d", pid) : why(-errno, "process %d: %s", pid, strerror(errno));
	while (!error && (entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			error = fd_note(folder, entry->d_name, found);
	closedir(folder);
	if (found->count)
		qsort(found->vcpus, found->count, sizeof *found->vcpus, ascending);
	return error;
}

void live_processes(void (*tell)(void *context, pid_t pid), void *context)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;

	while (folder && (entry = readdir(folder)))
		if (atoi(entry->d_name) > 0)
			tell(context, (pid_t)atoi(entry->d_name));
	if (folder)
		closedir(folder);
}
