/*
 * sve_diff: compares the interpreter's SVE with a processor's, or with qemu-aarch64's: random instructions on random registers and memory. Prints
 * what differs and with which seed and case; and, with --words, what one machine has and the other has not.
 *
 * Usage: sve_diff [--count N] [--seed N] [--vl BYTES] [--only TABLE] [--words] [--ordinary] WORKER [ARGUMENT ...]
 * WORKER is the command that starts native_worker.c's program; the file of cases is added to it.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "generate.h"
#include "machine.h"

struct options {
	uint64_t count, seed;
	unsigned int vl; /* 0: several */
	const char *only;
	bool words, ordinary;
	char **worker;
};

/* One for each length. */
struct worker {
	struct batch *batch;
	int to, from;
};

enum { LENGTHS = 5 };
static const unsigned int lengths[LENGTHS] = { 16, 32, 64, 128, 256 };

struct tester {
	struct options options;
	struct worker workers[LENGTHS], *worker; /* the one at work */
	struct batch *batch;                     /* its */
	struct test_case *expected;              /* the cases as generated, then as the interpreter left them */
	uint64_t done, undefined, faults, elsewhere, mismatches, refused;
};

static void die(const char *what)
{
	fprintf(stderr, "sve_diff: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- The worker. ---- */

static void worker_start(const struct options *options, struct worker *w)
{
	char path[] = "/tmp/sve_diff.XXXXXX";
	int fd = mkstemp(path), to[2], from[2], n = 0;
	char *arguments[32], byte = 0;

	if (fd < 0 || ftruncate(fd, sizeof(*w->batch)))
		die(path);
	w->batch = mmap(NULL, sizeof(*w->batch), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (w->batch == MAP_FAILED || pipe(to) || pipe(from))
		die("mmap, pipe");
	for (; options->worker[n] && n < 30; n++)
		arguments[n] = options->worker[n];
	arguments[n++] = path;
	arguments[n] = NULL;
	if (fork() == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[1]);
		close(from[0]);
		execvp(arguments[0], arguments);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	close(fd);
	w->to = to[1];
	w->from = from[0];
	/* An empty batch: when it is answered, the file has been opened. */
	w->batch->vl = 16;
	if (write(w->to, &byte, 1) != 1 || read(w->from, &byte, 1) != 1)
		die(arguments[0]);
	unlink(path);
}

static void worker_run(struct tester *t)
{
	char byte = 0;

	if (write(t->worker->to, &byte, 1) == 1 && read(t->worker->from, &byte, 1) == 1 && byte == 0)
		return;
	printf("the worker died of word %08x, vl %u\n", t->batch->cases[t->batch->running].word, t->batch->vl);
	exit(1);
}

/* ---- Comparison. ---- */

static void show_bytes(const char *name, unsigned int number, const uint8_t *theirs, const uint8_t *ours, unsigned int size)
{
	if (!memcmp(theirs, ours, size))
		return;
	printf("  %s%u native ", name, number);
	for (unsigned int i = size; i-- > 0;)
		printf("%02x%s", theirs[i], i % 8 ? "" : " ");
	printf("\n  %s%u   ours ", name, number);
	for (unsigned int i = size; i-- > 0;)
		printf("%02x%s", ours[i], i % 8 ? "" : " ");
	printf("\n");
}

static void show_number(const char *name, unsigned int number, uint64_t theirs, uint64_t ours)
{
	if (theirs != ours)
		printf("  %s%u native %016" PRIx64 " ours %016" PRIx64 "\n", name, number, theirs, ours);
}

static void show(const struct test_case *before, const struct test_case *theirs, const struct test_case *ours, unsigned int vl)
{
	const struct state *a = &theirs->state, *b = &ours->state;

	printf("word %08x vl %u: outcome native %u ours %u\n", theirs->word, vl, theirs->outcome, ours->outcome);
	for (unsigned int i = 0; i < 31; i++)
		show_number("x", i, a->x[i], b->x[i]);
	show_number("sp", 0, a->sp, b->sp);
	show_number("nzcv", 0, a->nzcv, b->nzcv);
	show_number("fpsr", 0, a->fpsr, b->fpsr);
	show_number("fpcr", 0, a->fpcr, b->fpcr);
	for (unsigned int i = 0; i < 32; i++)
		show_bytes("z", i, a->z[i], b->z[i], vl);
	for (unsigned int i = 0; i < 17; i++)
		show_bytes("p", i, a->p[i], b->p[i], vl / 8);
	for (unsigned int i = 0; i < DATA_SIZE && theirs->outcome == OUTCOME_DONE; i++)
		if (theirs->data[i] != ours->data[i]) {
			printf("  memory differs from %" PRIx64 " on\n", DATA_BASE + i);
			break;
		}
	if (getenv("SVE_DIFF_BEFORE")) {
		printf(" before: fpcr %" PRIx64 " nzcv %" PRIx64 "\n", before->state.fpcr, before->state.nzcv);
		for (unsigned int i = 0; i < 32; i++)
			show_bytes("z", i, before->state.z[i], (const uint8_t[256]){ 0 }, vl);
		for (unsigned int i = 0; i < 17; i++)
			show_bytes("p", i, before->state.p[i], (const uint8_t[32]){ 0 }, vl / 8);
		for (unsigned int i = 0; i < 31; i++)
			show_number("x", i, before->state.x[i], 0);
	}
}

/*
 * A store that faulted may have stored some elements: memory is compared only if all went well. Nor are registers compared after a fault of LDR:
 * qemu-aarch64 7.2 has loaded some then.
 */
static bool same(const struct test_case *a, const struct test_case *b, unsigned int vl)
{
	if (vl == 256 && (a->word & 0xfff8f800) == 0x45604800) /* UQXTNB, UQXTNT of doublewords: qemu-aarch64 7.2 takes them for signed ones */
		return true;
	if (a->outcome == OUTCOME_FAULT && b->outcome == OUTCOME_FAULT && (a->word & 0xffc0a000) == 0x85800000)
		return true;
	return a->outcome == b->outcome && !memcmp(&a->state, &b->state, sizeof(a->state)) &&
	       (a->outcome != OUTCOME_DONE || !memcmp(a->data, b->data, sizeof(a->data)));
}

static void compare(struct tester *t, const struct test_case *before)
{
	for (uint32_t i = 0; i < t->batch->count; i++) {
		const struct test_case *theirs = &t->batch->cases[i], *ours = &t->expected[i];

		t->done += theirs->outcome == OUTCOME_DONE;
		t->undefined += theirs->outcome == OUTCOME_UNDEFINED;
		t->faults += theirs->outcome == OUTCOME_FAULT;
		if (same(theirs, ours, t->batch->vl))
			continue;
		if (theirs->outcome == OUTCOME_DONE && ours->outcome == OUTCOME_FAULT && ours->far_away) {
			t->elsewhere++;
			continue;
		}
		if (t->mismatches++ < 20 || t->options.words)
			show(&before[i], theirs, ours, t->batch->vl);
	}
}

/* ---- Batches. ---- */

static void batch_run(struct tester *t, uint64_t number, struct worker *worker, unsigned int vl, uint32_t count)
{
	static struct test_case before[BATCH_CASES];
	const struct options *o = &t->options;

	if (!worker->batch)
		worker_start(o, worker);
	t->worker = worker;
	t->batch = worker->batch;
	generate_seed(o->seed * 1000003 + number);
	t->batch->vl = vl;
	t->batch->count = count;
	for (uint32_t i = 0; i < count; i++)
		generate_case(&t->batch->cases[i], vl, o->words ? SOURCE_WORDS : SOURCE_ROWS, o->only, !o->ordinary);
	memcpy(t->expected, t->batch->cases, count * sizeof(*t->expected));
	memcpy(before, t->batch->cases, count * sizeof(*before));
	worker_run(t);
	if (t->batch->vl_refused) {
		t->refused++;
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		machine_run(&t->expected[i], vl);
	compare(t, before);
}

static void usage(void)
{
	fprintf(stderr, "usage: sve_diff [--count N] [--seed N] [--vl BYTES] [--only TABLE] [--words] [--ordinary] WORKER [ARGUMENT ...]\n");
	exit(2);
}

static void options_read(struct options *o, int argc, char **argv)
{
	int i = 1;

	for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
		bool has_value = i + 1 < argc;

		if (!strcmp(argv[i], "--words"))
			o->words = true;
		else if (!strcmp(argv[i], "--ordinary"))
			o->ordinary = true;
		else if (!strcmp(argv[i], "--count") && has_value)
			o->count = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--seed") && has_value)
			o->seed = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--vl") && has_value)
			o->vl = (unsigned int)strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--only") && has_value)
			o->only = argv[++i];
		else
			usage();
	}
	if (i == argc)
		usage();
	o->worker = argv + i;
}

int main(int argc, char **argv)
{
	static struct tester t;

	t.options.count = 50000;
	t.options.seed = 1;
	options_read(&t.options, argc, argv);
	t.expected = calloc(BATCH_CASES, sizeof(*t.expected));
	if (!t.expected)
		die("memory");
	signal(SIGPIPE, SIG_IGN);
	for (uint64_t n = 0; n * BATCH_CASES < t.options.count; n++) {
		uint64_t left = t.options.count - n * BATCH_CASES;
		unsigned int which = t.options.vl ? 0 : n % LENGTHS;

		batch_run(&t, n, &t.workers[which], t.options.vl ? t.options.vl : lengths[which],
			  left < BATCH_CASES ? (uint32_t)left : BATCH_CASES);
	}
	printf("%" PRIu64 " cases done, %" PRIu64 " undefined, %" PRIu64 " faults; %" PRIu64 " mismatches\n", t.done, t.undefined, t.faults, t.mismatches);
	if (t.elsewhere)
		printf("%" PRIu64 " not compared: they accessed memory of the worker's own\n", t.elsewhere);
	if (t.refused)
		printf("%" PRIu64 " batches not run: no such vector length\n", t.refused);
	return t.mismatches != 0;
}
