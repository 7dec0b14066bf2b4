/*
 * anykvm run: starts a program with the preload face in front of libc, after a look whether that can work.
 */
#include <argp.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "anykvm/kvm.h"
#include "anykvm/reg.h"
#include "cli/arguments.h"
#include "cli/command.h"

/* As a shell has them. */
enum { STATUS_CANNOT_RUN = 126, STATUS_NOT_FOUND = 127 };

struct arguments {
	bool why, verbose;
	const char *trace, *accel, *guest;
	char **program;
};

static const struct argp_option options[] = {
	{ "accel", 'a', "KVM", 0, "Which KVM the program gets: soft (the default), kvm (the machine's, with the calls that it lacks), or auto (the machine's when it opens)", 0 },
	{ "guest", 'g', "ARCH", 0, "Architecture of the software KVM's guests: x86 or arm64; the default is the program's own. The program is to be built with <anykvm/arm64.h> for arm64 guests on another machine", 0 },
	{ "why", 'w', NULL, 0, "Say on stderr why each refused KVM ioctl was refused", 0 },
	{ "trace", 't', "FILE", OPTION_ARG_OPTIONAL, "Show each KVM ioctl, decoded, on stderr or in FILE", 0 },
	{ "verbose", 'v', NULL, 0, "Say on stderr which KVM the program gets", 0 },
	{ 0 },
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'a':
		arguments_accel(state, value);
		arguments->accel = value;
		return 0;
	case 'g':
		arguments_guest(state, value);
		arguments->guest = value;
		return 0;
	case 'w':
		arguments->why = true;
		return 0;
	case 't':
		arguments->trace = value ? value : "1";
		return 0;
	case 'v':
		arguments->verbose = true;
		return 0;
	case ARGP_KEY_ARG:
		/* The first word that is no option is the program; the rest is its own. */
		arguments->program = &state->argv[state->next - 1];
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no program given");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse, "[--] PROGRAM [ARGUMENT...]",
	"Runs an unmodified KVM program on the software KVM: x86-64 or arm64 guests, no /dev/kvm, no root."
	"\vExit status: the program's; 126 when it cannot be run so (statically linked, set-user-ID, another architecture), 127 when it is not there.",
	NULL, NULL, NULL,
};

/* ---- The program's file. ---- */

/* Where execvp() would find it; false: nowhere. */
static bool program_find(const char *name, char path[static PATH_MAX])
{
	const char *list = getenv("PATH");

	if (strchr(name, '/')) {
		snprintf(path, PATH_MAX, "%s", name);
		return access(path, F_OK) == 0;
	}
	for (const char *at = list ? list : "/usr/local/bin:/usr/bin:/bin"; at; at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL) {
		int length = (int)strcspn(at, ":");

		if (snprintf(path, PATH_MAX, "%.*s/%s", length ? length : 1, length ? at : ".", name) < PATH_MAX && access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* A script's interpreter into `path`; false when it is not a script. */
static bool script_interpreter(int fd, char path[static PATH_MAX])
{
	char line[256] = { 0 }, *word;

	if (pread(fd, line, sizeof line - 1, 0) < 3 || line[0] != '#' || line[1] != '!')
		return false;
	line[strcspn(line, "\n")] = 0;
	word = strtok(line + 2, " \t");
	if (!word)
		return false;
	snprintf(path, PATH_MAX, "%s", word);
	return true;
}

/* Why an ELF file cannot be run under a preload; NULL when it can. */
static const char *elf_obstacle(int fd)
{
	Elf64_Ehdr header;
	Elf64_Phdr segment;

	if (pread(fd, &header, sizeof header, 0) != sizeof header || memcmp(header.e_ident, ELFMAG, SELFMAG))
		return "it is neither an ELF program nor a script";
	if (header.e_ident[EI_CLASS] != ELFCLASS64)
		return "it is a 32-bit program";
#if defined(__x86_64__)
	if (header.e_machine != EM_X86_64)
		return "it is a program for another architecture";
#elif defined(__aarch64__)
	if (header.e_machine != EM_AARCH64)
		return "it is a program for another architecture";
#endif
	if (header.e_phentsize != sizeof segment)
		return "its program headers are damaged";
	for (unsigned int i = 0; i < header.e_phnum; i++) {
		if (pread(fd, &segment, sizeof segment, (off_t)(header.e_phoff + i * sizeof segment)) != sizeof segment)
			return "its program headers are damaged";
		if (segment.p_type == PT_INTERP)
			return NULL;
	}
	return "it is statically linked, and a preloaded library cannot reach it: link it dynamically";
}

static const char *program_obstacle(const char *path)
{
	char interpreter[PATH_MAX];
	const char *obstacle;
	struct stat status;
	int fd;

	if (stat(path, &status) == 0 && status.st_mode & (S_ISUID | S_ISGID) && geteuid() != status.st_uid)
		return "it is set-user-ID or set-group-ID, and such programs ignore LD_PRELOAD";
	if (access(path, X_OK))
		return strerror(errno);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES ? NULL : strerror(errno); /* executable but not readable: let it try */
	if (script_interpreter(fd, interpreter))
		obstacle = NULL; /* what the script starts is looked at by nobody; it keeps the preload */
	else
		obstacle = elf_obstacle(fd);
	close(fd);
	return obstacle;
}

/* ---- The preload library: beside the command in a build tree, or installed. ---- */

static bool preload_find(char path[static PATH_MAX])
{
	static const char *const places[] = { "libanykvm-preload.so", ANYKVM_LIBRARY_FOLDER "/libanykvm-preload.so" };
	char self[PATH_MAX], *slash;
	ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

	if (length > 0) {
		self[length] = 0;
		slash = strrchr(self, '/');
		*slash = 0;
		if (snprintf(path, PATH_MAX, "%s/%s", self, places[0]) < PATH_MAX && access(path, R_OK) == 0)
			return true;
	}
	snprintf(path, PATH_MAX, "%s", places[1]);
	return access(path, R_OK) == 0;
}

static void preload_set(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	char *value;

	if (asprintf(&value, "%s%s%s", library, others && *others ? ":" : "", others ? others : "") < 0)
		abort();
	setenv("LD_PRELOAD", value, 1);
	free(value);
}

int command_run_main(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	char path[PATH_MAX], library[PATH_MAX];
	const char *obstacle;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments);
	if (!program_find(arguments.program[0], path)) {
		fprintf(stderr, "anykvm run: %s: not found\n", arguments.program[0]);
		return STATUS_NOT_FOUND;
	}
	obstacle = program_obstacle(path);
	if (obstacle) {
		fprintf(stderr, "anykvm run: %s cannot be run on the software KVM: %s\n", path, obstacle);
		return STATUS_CANNOT_RUN;
	}
	if (!preload_find(library)) {
		fprintf(stderr, "anykvm run: libanykvm-preload.so is neither beside this command nor in %s\n", ANYKVM_LIBRARY_FOLDER);
		return STATUS_CANNOT_RUN;
	}
	preload_set(library);
	if (arguments.why)
		setenv("ANYKVM_WHY", "1", 1);
	if (arguments.trace)
		setenv("ANYKVM_TRACE", arguments.trace, 1);
	if (arguments.accel)
		setenv("ANYKVM_ACCEL", arguments.accel, 1);
	if (arguments.guest)
		setenv("ANYKVM_GUEST", arguments.guest, 1);
	if (arguments.verbose)
		setenv("ANYKVM_VERBOSE", "1", 1);
	execv(path, arguments.program);
	fprintf(stderr, "anykvm run: %s: %s\n", path, strerror(errno));
	return STATUS_CANNOT_RUN;
}
