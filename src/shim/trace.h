/*
 * Between trace.c and what it knows of each architecture: lines being written, and which argument is shown how.
 */
#ifndef ANYKVM_SHIM_TRACE_H
#define ANYKVM_SHIM_TRACE_H

#include <stdbool.h>
#include <stddef.h>

struct kvm_run;

/* A line being written; what does not fit is cut. */
struct line {
	char text[2048];
	size_t used;
};

void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Shows the argument, our own copy of it. */
typedef void show_fn(struct line *line, const void *data, long result);

/* Tables end with a row without `show`. */
struct trace_show {
	unsigned int cmd;
	size_t size;
	show_fn *show;
};

struct trace_arch {
	const struct trace_show *shows;
	/* NULL, or arguments that are shown in another way: false when this is none. */
	bool (*argument)(struct line *line, unsigned int cmd, unsigned long arg);
	/* What the exit's reason has to tell. */
	void (*exit)(struct line *line, const struct kvm_run *run);
};

extern const struct trace_arch trace_x86, trace_arm64;

/* Arguments that begin with a 32-bit number of what follows. */
show_fn show_count;

#endif
