/*
 * Programs that a KVM program starts keep the preload, also when they are given an environment made from nothing.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim/shim.h"

extern char **environ;

static char library[PATH_MAX];

void exec_init(void)
{
	Dl_info info;

	if (dladdr((void *)exec_init, &info) && info.dli_fname && !realpath(info.dli_fname, library))
		library[0] = 0;
}

static const char *variable_of(char *const environment[], const char *name)
{
	size_t length = strlen(name);

	for (; environment && *environment; environment++)
		if (!strncmp(*environment, name, length) && (*environment)[length] == '=')
			return *environment + length + 1;
	return NULL;
}

/*
 * The environment with us in LD_PRELOAD: the given one when we are there already, else a new one in `*made` (freed by the caller
 * when exec fails). Async-signal-safe enough for the child of vfork(): malloc is the only call.
 */
static char **environment_with(char *const environment[], char ***made)
{
	const char *preload = variable_of(environment, "LD_PRELOAD");
	size_t count = 0, size, at = 0;
	char **copy, *text;

	*made = NULL;
	if (!library[0] || (preload && strstr(preload, library)))
		return (char **)environment;
	while (environment && environment[count])
		count++;
	size = sizeof "LD_PRELOAD=" + strlen(library) + (preload ? strlen(preload) + 1 : 0);
	copy = malloc((count + 2) * sizeof *copy + size);
	if (!copy)
		return (char **)environment;
	text = (char *)(copy + count + 2);
	snprintf(text, size, "LD_PRELOAD=%s%s%s", library, preload ? ":" : "", preload ? preload : "");
	copy[at++] = text;
	for (size_t i = 0; i < count; i++)
		if (strncmp(environment[i], "LD_PRELOAD=", 11))
			copy[at++] = environment[i];
	copy[at] = NULL;
	*made = copy;
	return copy;
}

typedef int exec_fn(const char *, char *const[], char *const[]);

static int exec_with(const char *function, const char *path, char *const arguments[], char *const environment[])
{
	char **made, **with = environment_with(environment, &made);
	int error;

	((exec_fn *)shim_real(function))(path, arguments, with);
	error = errno;
	free(made);
	errno = error;
	return -1;
}

PUBLIC int execve(const char *path, char *const arguments[], char *const environment[])
{
	return exec_with("execve", path, arguments, environment);
}

PUBLIC int execvpe(const char *file, char *const arguments[], char *const environment[])
{
	return exec_with("execvpe", file, arguments, environment);
}

PUBLIC int execv(const char *path, char *const arguments[])
{
	return exec_with("execve", path, arguments, environ);
}

PUBLIC int execvp(const char *file, char *const arguments[])
{
	return exec_with("execvpe", file, arguments, environ);
}

PUBLIC int fexecve(int fd, char *const arguments[], char *const environment[])
{
	char **made, **with = environment_with(environment, &made);

	REAL(int (*)(int, char *const[], char *const[]), "fexecve")(fd, arguments, with);
	free(made);
	return -1;
}

/* Gathers the arguments of execl() and its kind; `*environment` is the word behind their end. */
#define ARGUMENTS_MAX 1024
static int arguments_gather(const char *first, va_list list, char *arguments[], char ***environment)
{
	unsigned int count = 0;

	for (const char *argument = first; ; argument = va_arg(list, const char *)) {
		if (count == ARGUMENTS_MAX) {
			errno = E2BIG;
			return -1;
		}
		arguments[count++] = (char *)argument;
		if (!argument)
			break;
	}
	if (environment)
		*environment = va_arg(list, char **);
	return 0;
}

PUBLIC int execl(const char *path, const char *argument, ...)
{
	char *arguments[ARGUMENTS_MAX];
	va_list list;
	int result;

	va_start(list, argument);
	result = arguments_gather(argument, list, arguments, NULL);
	va_end(list);
	return result ? result : exec_with("execve", path, arguments, environ);
}

PUBLIC int execlp(const char *file, const char *argument, ...)
{
	char *arguments[ARGUMENTS_MAX];
	va_list list;
	int result;

	va_start(list, argument);
	result = arguments_gather(argument, list, arguments, NULL);
	va_end(list);
	return result ? result : exec_with("execvpe", file, arguments, environ);
}

PUBLIC int execle(const char *path, const char *argument, ...)
{
	char *arguments[ARGUMENTS_MAX], **environment;
	va_list list;
	int result;

	va_start(list, argument);
	result = arguments_gather(argument, list, arguments, &environment);
	va_end(list);
	return result ? result : exec_with("execve", path, arguments, environment);
}

typedef int spawn_fn(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const[], char *const[]);

static int spawn_with(const char *function, pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		      const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[])
{
	char **made, **with = environment_with(environment, &made);
	int error = ((spawn_fn *)shim_real(function))(pid, path, actions, attributes, arguments, with);

	free(made);
	return error;
}

PUBLIC int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
		       char *const arguments[], char *const environment[])
{
	return spawn_with("posix_spawn", pid, path, actions, attributes, arguments, environment);
}

PUBLIC int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
			char *const arguments[], char *const environment[])
{
	return spawn_with("posix_spawnp", pid, file, actions, attributes, arguments, environment);
}
