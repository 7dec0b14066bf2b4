/*
 * cpu_diff: runs generated user-level instructions natively and in a KVM guest, and compares everything a program could see. An ordinary KVM
 * program: /dev/kvm is hardware KVM or, under `anykvm run`, the software KVM whose interpreter it is meant for.
 *
 * A mismatch is cut down to the smallest case that still shows it and reported once per instruction. It must never know what an instruction does.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "compare.h"
#include "generate.h"

struct options {
	struct generate_options generate;
	uint64_t first, count;
	uint32_t seconds;
	uint32_t reports;
	bool native_twice, verbose, coverage;
	const char *device;
};

enum { KEYS_MAX = 4096, KEY_SIZE = 96 };

/* Mismatches by what the smallest case consists of. */
struct tally {
	char key[KEY_SIZE];
	uint64_t count;
};

struct tester {
	const struct options *options;
	struct batch *batch;
	struct native *native;
	struct guest *guest;
	struct generator *generator;
	struct analysis analysis;
	uint64_t numbers[BATCH_MAX];
	uint64_t passed, failed, skipped;
	uint64_t covered[ZYDIS_MNEMONIC_MAX_VALUE + 1];
	uint32_t tally_count;
	struct tally tallies[KEYS_MAX];
};

enum verdict_kind { PASSED, FAILED, SKIPPED };

static void batch_run(struct tester *t)
{
	struct batch *b = t->batch;

	native_run(t->native, false);
	if (!t->guest) {
		native_run(t->native, true);
		return;
	}
	for (uint32_t i = 0; i < b->count; i++)
		guest_run(t->guest, &b->cases[i], &b->guest[i]);
}

static enum verdict_kind case_judge(struct tester *t, uint32_t i, FILE *out)
{
	struct batch *b = t->batch;
	const struct test_result *native = &b->native[i];

	if (!b->cases[i].code_len || native->outcome == OUTCOME_CRASH || native->outcome == OUTCOME_NONE)
		return SKIPPED;
	if (native->outcome == OUTCOME_TIMEOUT && b->guest[i].outcome == OUTCOME_TIMEOUT)
		return SKIPPED;
	case_analyse(&b->cases[i], &t->analysis);
	return results_equal(&b->cases[i], &t->analysis, native, &b->guest[i], out) ? PASSED : FAILED;
}

/* Runs one case alone, in the batch's first slot. */
static bool case_fails(struct tester *t, const struct test_case *c)
{
	struct analysis analysis;

	if (!case_analyse(c, &analysis))
		return false;
	t->batch->cases[0] = *c;
	t->batch->count = 1;
	batch_run(t);
	return case_judge(t, 0, NULL) == FAILED;
}

/* Keeps a change to the case if it still fails. */
static bool change_keep(struct tester *t, struct test_case *c, const struct test_case *changed)
{
	if (!memcmp(c, changed, sizeof(*c)) || !case_fails(t, changed))
		return false;
	*c = *changed;
	return true;
}

static void minimise_code(struct tester *t, struct test_case *c)
{
	struct test_case changed;

	for (uint32_t i = 0; case_analyse(c, &t->analysis) && t->analysis.count > 1 && i < t->analysis.count;) {
		uint32_t at = t->analysis.steps[i].insn.offset, n = t->analysis.steps[i].insn.d.length;

		changed = *c;
		memmove(changed.code + at, changed.code + at + n, c->code_len - at - n);
		changed.code_len -= n;
		memset(changed.code + changed.code_len, 0, CODE_MAX - changed.code_len);
		if (!change_keep(t, c, &changed))
			i++;
	}
}

static void minimise_range(struct tester *t, struct test_case *c, uint8_t *at, uint32_t n)
{
	struct test_case changed = *c;

	memset((uint8_t *)&changed + (at - (uint8_t *)c), 0, n);
	change_keep(t, c, &changed);
}

static void minimise_memory(struct tester *t, struct test_case *c)
{
	static const uint8_t zero[256];

	minimise_range(t, c, c->data, DATA_SIZE);
	for (uint32_t i = 0; i < DATA_SIZE; i += 256)
		minimise_range(t, c, c->data + i, 256);
	for (uint32_t i = 0; i < DATA_SIZE; i += 16)
		if (memcmp(c->data + i, zero, 16))
			minimise_range(t, c, c->data + i, 16);
}

static void minimise_state(struct tester *t, struct test_case *c)
{
	static const uint16_t fcw = 0x37f;
	static const uint32_t mxcsr = 0x1f80;
	struct test_case changed = *c;

	changed.in.rflags = 2 | FLAG_IF;
	change_keep(t, c, &changed);
	changed = *c;
	memcpy(changed.in.fx + FX_FCW, &fcw, sizeof(fcw));
	memset(changed.in.fx + FX_FSW, 0, 2);
	change_keep(t, c, &changed);
	changed = *c;
	memcpy(changed.in.fx + FX_MXCSR, &mxcsr, sizeof(mxcsr));
	change_keep(t, c, &changed);
	minimise_range(t, c, c->in.fx + FX_FTW, 1);
	for (uint32_t i = 0; i < 24; i++)
		minimise_range(t, c, c->in.fx + FX_ST + i * 16, 16);
	for (uint32_t i = 0; i < 16; i++)
		minimise_range(t, c, (uint8_t *)&c->in.gpr[i], 8);
}

/* An endless case costs a fraction of a second each time it runs; those are reported as they are. */
static void case_minimise(struct tester *t, struct test_case *c)
{
	if (!case_fails(t, c) || t->batch->native[0].outcome == OUTCOME_TIMEOUT || t->batch->guest[0].outcome == OUTCOME_TIMEOUT)
		return;
	minimise_code(t, c);
	minimise_state(t, c);
	minimise_memory(t, c);
}

static void key_make(struct tester *t, const struct test_case *c, char key[KEY_SIZE])
{
	size_t used = 0;

	key[0] = 0;
	case_analyse(c, &t->analysis);
	for (uint32_t i = 0; i < t->analysis.count && used < KEY_SIZE - 1; i++)
		used += (size_t)snprintf(key + used, KEY_SIZE - used, "%s%s", i ? "; " : "", insn_name(&t->analysis.steps[i].insn));
}

/* Returns how often this key has failed, this time included. */
static uint64_t tally_add(struct tester *t, const char *key)
{
	for (uint32_t i = 0; i < t->tally_count; i++)
		if (!strcmp(t->tallies[i].key, key))
			return ++t->tallies[i].count;
	if (t->tally_count == KEYS_MAX)
		return UINT64_MAX;
	snprintf(t->tallies[t->tally_count].key, KEY_SIZE, "%s", key);
	t->tallies[t->tally_count].count = 1;
	t->tally_count++;
	return 1;
}

/* A case that failed, and how: reporting needs the batch for itself. */
struct failure {
	struct test_case c;
	struct test_result native;
	uint64_t number;
	char *differences;
};

/*
 * Whether the CPU says the same again, alone. A case can touch, by chance, something of the worker's own that lies elsewhere each time, and then
 * means nothing. A guest that errs only in company is another matter, and counts.
 */
static bool failure_is_stable(struct tester *t, const struct failure *failure)
{
	if (!case_analyse(&failure->c, &t->analysis))
		return false;
	t->batch->cases[0] = failure->c;
	t->batch->count = 1;
	native_run(t->native, false);
	return results_equal(&failure->c, &t->analysis, &failure->native, &t->batch->native[0], NULL);
}

/*
 * Failures that are alike are not cut down again: minimising takes hundreds of runs. Sequences are, as their key means nothing before.
 */
static void failure_report(struct tester *t, const struct failure *failure)
{
	struct test_case c = failure->c;
	char key[KEY_SIZE];
	bool reproduced;

	key_make(t, &c, key);
	if (t->tally_count > t->options->reports && !t->options->verbose) {
		tally_add(t, key);
		return;
	}
	if (t->analysis.count > 1 || !t->tally_count || t->options->verbose) {
		case_minimise(t, &c);
		key_make(t, &c, key);
	}
	if (tally_add(t, key) > 1 && !t->options->verbose)
		return;
	case_minimise(t, &c);
	reproduced = case_fails(t, &c);
	printf("MISMATCH %s  (--seed %" PRIu64 " --first %" PRIu64 " --count 1)%s\n", key, t->options->generate.seed, failure->number,
	       reproduced ? "" : "  did not show again when run alone");
	case_analyse(&c, &t->analysis);
	case_print(&c, &t->analysis, stdout);
	printf("  after:\n");
	if (reproduced)
		case_judge(t, 0, stdout);
	else
		fputs(failure->differences, stdout);
	fflush(stdout);
}

static void failure_record(struct tester *t, uint32_t i, struct failure *failure)
{
	size_t size;
	FILE *out = open_memstream(&failure->differences, &size);

	if (!out) {
		perror("cpu_diff");
		exit(1);
	}
	failure->c = t->batch->cases[i];
	failure->native = t->batch->native[i];
	failure->number = t->numbers[i];
	case_judge(t, i, out);
	fclose(out);
}

static void skip_report(struct tester *t, uint32_t i)
{
	static const char *const reasons[] = { "not run", "", "endless", "killed the native process", "" };

	if (!t->options->verbose)
		return;
	printf("SKIPPED  (--seed %" PRIu64 " --first %" PRIu64 " --count 1): %s\n", t->options->generate.seed, t->numbers[i],
	       t->batch->cases[i].code_len ? reasons[t->batch->native[i].outcome] : "nothing comparable generated");
	case_analyse(&t->batch->cases[i], &t->analysis);
	case_print(&t->batch->cases[i], &t->analysis, stdout);
}

static void batch_judge(struct tester *t)
{
	static struct failure failures[BATCH_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->batch->count; i++) {
		switch (case_judge(t, i, NULL)) {
		case PASSED:
			t->passed++;
			break;
		case SKIPPED:
			t->skipped++;
			skip_report(t, i);
			continue;
		case FAILED:
			failure_record(t, i, &failures[n++]);
			break;
		}
		for (uint32_t k = 0; k < t->analysis.count; k++)
			t->covered[t->analysis.steps[k].insn.d.mnemonic]++;
	}
	for (uint32_t i = 0; i < n; i++) {
		bool stable = t->options->native_twice || failure_is_stable(t, &failures[i]);

		*(stable ? &t->failed : &t->skipped) += 1;
		if (stable)
			failure_report(t, &failures[i]);
		free(failures[i].differences);
	}
}

static bool time_is_up(const struct options *o, const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return o->seconds && now.tv_sec - start->tv_sec >= (time_t)o->seconds;
}

static void tester_run(struct tester *t)
{
	const struct options *o = t->options;
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (uint64_t done = 0; done < o->count && !time_is_up(o, &start); done += t->batch->count) {
		uint32_t n = o->count - done < BATCH_MAX ? (uint32_t)(o->count - done) : BATCH_MAX;

		for (uint32_t i = 0; i < n; i++) {
			t->numbers[i] = o->first + done + i;
			generate_case(t->generator, t->numbers[i], &t->batch->cases[i]);
		}
		t->batch->count = n;
		batch_run(t);
		batch_judge(t);
		t->batch->count = n;
	}
}

static int tally_order(const void *a, const void *b)
{
	const struct tally *x = a, *y = b;

	return x->count < y->count ? 1 : x->count > y->count ? -1 : strcmp(x->key, y->key);
}

static void summary_print(struct tester *t)
{
	uint32_t distinct = 0;

	qsort(t->tallies, t->tally_count, sizeof(t->tallies[0]), tally_order);
	for (uint32_t i = 0; i < t->tally_count; i++)
		printf("%8" PRIu64 " mismatches: %s\n", t->tallies[i].count, t->tallies[i].key);
	for (uint32_t i = 1; i <= ZYDIS_MNEMONIC_MAX_VALUE; i++) {
		distinct += t->covered[i] != 0;
		if (t->covered[i] && t->options->coverage)
			printf("%8" PRIu64 " times %s\n", t->covered[i], ZydisMnemonicGetString((ZydisMnemonic)i));
	}
	printf("seed %" PRIu64 ", %u different instructions\n", t->options->generate.seed, distinct);
	printf("%" PRIu64 " passed, %" PRIu64 " failed, %" PRIu64 " skipped\n", t->passed, t->failed, t->skipped);
}

static void usage(FILE *out)
{
	fprintf(out,
		"usage: cpu_diff [OPTION]...\n"
		"Compares generated instructions on this CPU with the same in a KVM guest (run it under `anykvm run` for the software KVM).\n"
		"  --seed N        another seed gives other cases (default 1)\n"
		"  --first N       number of the first case (default 0)\n"
		"  --count N       how many cases (default 200000)\n"
		"  --seconds N     stop after so long\n"
		"  --group G       integer, x87, mmx, sse or all; may be given more than once\n"
		"  --only NAME     one mnemonic or group\n"
		"  --mode M        64, 32 or both (default both)\n"
		"  --reports N     how many mismatches to show in full (default 40)\n"
		"  --native-twice  compare the CPU with itself, to test this tester\n"
		"  --coverage      list how often each instruction was compared\n"
		"  --device PATH   the KVM device (default /dev/kvm)\n"
		"  --verbose       show every mismatch\n");
}

static uint32_t group_parse(const char *name)
{
	static const struct { const char *name; uint32_t groups; } groups[] = {
		{ "integer", GROUP_INTEGER }, { "x87", GROUP_X87 }, { "mmx", GROUP_MMX }, { "sse", GROUP_SSE }, { "all", GROUP_ALL },
	};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (!strcasecmp(groups[i].name, name))
			return groups[i].groups;
	return 0;
}

static bool option_apply(struct options *o, int option, const char *argument)
{
	uint32_t groups = argument ? group_parse(argument) : 0;

	switch (option) {
	case 's': o->generate.seed = strtoull(argument, NULL, 0); return true;
	case 'f': o->first = strtoull(argument, NULL, 0); return true;
	case 'c': o->count = strtoull(argument, NULL, 0); return true;
	case 't': o->seconds = (uint32_t)strtoul(argument, NULL, 0); return true;
	case 'r': o->reports = (uint32_t)strtoul(argument, NULL, 0); return true;
	case 'd': o->device = argument; return true;
	case 'n': o->native_twice = true; return true;
	case 'v': o->verbose = true; return true;
	case 'C': o->coverage = true; return true;
	case 'g':
		o->generate.groups |= groups;
		return groups;
	case 'o':
		if (groups)
			o->generate.groups |= groups;
		else
			o->generate.only = argument;
		return true;
	case 'm':
		o->generate.modes = !strcmp(argument, "64") ? MODE_64 : !strcmp(argument, "32") ? MODE_32 : MODE_64 | MODE_32;
		return true;
	default:
		return false;
	}
}

static bool options_parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "seed", required_argument, NULL, 's' }, { "first", required_argument, NULL, 'f' },
		{ "count", required_argument, NULL, 'c' }, { "seconds", required_argument, NULL, 't' },
		{ "group", required_argument, NULL, 'g' }, { "only", required_argument, NULL, 'o' },
		{ "mode", required_argument, NULL, 'm' }, { "reports", required_argument, NULL, 'r' },
		{ "device", required_argument, NULL, 'd' }, { "native-twice", no_argument, NULL, 'n' },
		{ "coverage", no_argument, NULL, 'C' }, { "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			exit(0);
		}
		if (!option_apply(o, option, optarg))
			return false;
	}
	if (!o->generate.groups)
		o->generate.groups = GROUP_ALL;
	return optind == argc;
}

int main(int argc, char **argv)
{
	static struct options options = {
		.generate = { .seed = 1, .modes = MODE_64 | MODE_32 }, .count = 200000, .reports = 40, .device = "/dev/kvm",
	};
	static struct tester t = { .options = &options };
	int batch_fd;

	if (!options_parse(&options, argc, argv)) {
		usage(stderr);
		return 2;
	}
	t.batch = batch_new(&batch_fd);
	/* The worker first: a process that has a VM is better not forked. */
	t.native = native_start(t.batch, batch_fd);
	if (!options.native_twice)
		t.guest = guest_start(options.device);
	insn_features_init(t.guest);
	t.generator = generator_new(&options.generate);
	if (!t.generator) {
		fprintf(stderr, "cpu_diff: out of memory\n");
		return 1;
	}
	tester_run(&t);
	summary_print(&t);
	generator_free(t.generator);
	native_stop(t.native);
	if (t.guest)
		guest_stop(t.guest);
	return t.failed ? 1 : 0;
}
