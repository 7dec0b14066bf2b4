/*
 * Looking for KVM descriptors: the kernel names them anon_inode:kvm-vm and anon_inode:kvm-vcpu:ID, the software KVM's are memory files of these names.
 */
#include "live/find.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/why.h"

static int ascending(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* What the name begins with is left out. */
static bool prefix_skip(const char **name, const char *prefix)
{
	size_t length = strlen(prefix);

	if (strncmp(*name, prefix, length))
		return false;
	*name += length;
	return true;
}

static int fd_add(struct live_fds *fds, const char *kind, int fd)
{
	int *grown;

	if (!strcmp(kind, "kvm-vm") || !strcmp(kind, "kvm-vm (deleted)")) {
		fds->vms++;
		if (fds->vm < 0 || fd < fds->vm)
			fds->vm = fd;
	}
	if (!prefix_skip(&kind, "kvm-vcpu") || (*kind && *kind != ':') || fds->count == FIND_VCPUS_MOST)
		return 0;
	grown = realloc(fds->vcpus, (fds->count + 1) * sizeof *grown);
	if (!grown)
		return -ENOMEM;
	fds->vcpus = grown;
	fds->vcpus[fds->count++] = fd;
	return 0;
}

/* A descriptor of the folder /proc/PID/fd: noted when it is one of KVM's. */
static int fd_note(DIR *folder, const char *name, struct live_found *found)
{
	char target[64] = "";
	const char *kind = target;
	ssize_t length = readlinkat(dirfd(folder), name, target, sizeof target - 1);

	if (length <= 0)
		return 0;
	target[length] = 0;
	if (prefix_skip(&kind, "anon_inode:"))
		return fd_add(&found->kernel, kind, atoi(name));
	return prefix_skip(&kind, "/memfd:") ? fd_add(&found->soft, kind, atoi(name)) : 0;
}

int live_find(pid_t pid, struct live_found *found)
{
	char path[64];
	struct dirent *entry;
	DIR *folder;
	int error = 0;

	*found = (struct live_found){ .kernel = { .vm = -1 }, .soft = { .vm = -1 } };
	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	folder = opendir(path);
	if (!folder)
		return errno == ENOENT ? why(-ESRCH, "there is no process %d", pid) : why(-errno, "process %d: %s", pid, strerror(errno));
	while (!error && (entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			error = fd_note(folder, entry->d_name, found);
	closedir(folder);
	if (found->kernel.count)
		qsort(found->kernel.vcpus, found->kernel.count, sizeof *found->kernel.vcpus, ascending);
	if (found->soft.count)
		qsort(found->soft.vcpus, found->soft.count, sizeof *found->soft.vcpus, ascending);
	return error;
}

void live_found_free(struct live_found *found)
{
	free(found->kernel.vcpus);
	free(found->soft.vcpus);
	found->kernel.vcpus = found->soft.vcpus = NULL;
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
