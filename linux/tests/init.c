// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulated machine's only process of its own: runs the lines of /commands one after the other, says how each ended, and resets it, which ends it. Knows nothing of
 * what it runs. Lines that begin with @@ are for ../run, which reads them from the serial line.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MOST = 16, SECONDS_MOST = 600 };

static void mounts_make(void)
{
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mkdir("/tmp", 01777);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
	mkdir("/dev/shm", 01777);
	mount("tmpfs", "/dev/shm", "tmpfs", 0, NULL);
}

static void console_open(void)
{
	int console = open("/dev/console", O_RDWR);

	for (int fd = 0; fd < 3 && console >= 0; fd++)
		dup2(console, fd);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

static void program_start(char *line)
{
	char *words[WORDS_MOST + 1] = { 0 };
	int count = 0;

	for (char *word = strtok(line, " "); word && count < WORDS_MOST; word = strtok(NULL, " "))
		words[count++] = word;
	alarm(SECONDS_MOST);
	execv(words[0], words);
	perror(words[0]);
	_exit(127);
}

static void line_run(char *line)
{
	char name[1024];
	int status = 0;
	pid_t child;

	strcpy(name, line);
	printf("@@RUN %s\n", name);
	child = fork();
	if (!child)
		program_start(line);
	waitpid(child, &status, 0);
	printf("\n@@END %d %s\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), name);
}

int main(void)
{
	char line[1024];
	FILE *commands;

	mounts_make();
	console_open();
	commands = fopen("/commands", "re");
	while (commands && fgets(line, sizeof line, commands)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0])
			line_run(line);
	}
	printf("@@DONE\n");
	fflush(NULL);
	sync();
	reboot(RB_AUTOBOOT);
	return 0;
}
