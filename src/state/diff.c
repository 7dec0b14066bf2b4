/*
 * What differs between two states: registers by id, CPUID and the local APIC word by word, other parts as a whole.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/state.h"

typedef void tell_fn(void *context, const struct anykvm_difference *difference);

struct diff {
	tell_fn *tell;
	void *context;
	int unit;
	int count;
};

static void differs(struct diff *diff, const char *name, uint64_t id, size_t size, const void *a, const void *b)
{
	const struct anykvm_difference difference = { diff->unit, name, id, size, a, b };

	diff->count++;
	if (diff->tell)
		diff->tell(diff->context, &difference);
}

/* ---- Registers. ---- */

static void reg_diff(struct diff *diff, uint64_t id, const void *a, const void *b)
{
	char name[ANYKVM_REG_NAME_ROOM];

	if (a && b && !memcmp(a, b, anykvm_reg_size(id)))
		return;
	state_reg_name(id, name);
	differs(diff, name, id, anykvm_reg_size(id), a, b);
}

static void regs_diff(struct diff *diff, const struct state_unit *a, const struct state_unit *b)
{
	for (size_t i = 0; i < a->reg_count; i++)
		reg_diff(diff, a->regs[i].id, a->regs[i].value, state_unit_find_reg(b, a->regs[i].id));
	for (size_t i = 0; i < b->reg_count; i++)
		if (!state_unit_find_reg(a, b->regs[i].id))
			reg_diff(diff, b->regs[i].id, NULL, b->regs[i].value);
}

/* ---- Parts. ---- */

struct words {
	struct { char name[48]; uint32_t value; } *list;
	size_t count;
};

static void word_add(void *context, const char *name, uint32_t value)
{
	struct words *words = context;
	void *grown = realloc(words->list, (words->count + 1) * sizeof *words->list);

	if (!grown)
		return;
	words->list = grown;
	snprintf(words->list[words->count].name, sizeof words->list->name, "%s", name);
	words->list[words->count++].value = value;
}

static const uint32_t *word_find(const struct words *words, const char *name)
{
	for (size_t i = 0; i < words->count; i++)
		if (!strcmp(words->list[i].name, name))
			return &words->list[i].value;
	return NULL;
}

/* Words that are not told are zero. */
static void words_diff(struct diff *diff, const struct words *a, const struct words *b)
{
	static const uint32_t nothing;

	for (size_t i = 0; i < a->count; i++) {
		const uint32_t *other = word_find(b, a->list[i].name);

		if (!other)
			other = &nothing;
		if (*other != a->list[i].value)
			differs(diff, a->list[i].name, 0, sizeof *other, &a->list[i].value, other);
	}
	for (size_t i = 0; i < b->count; i++)
		if (!word_find(a, b->list[i].name) && b->list[i].value)
			differs(diff, b->list[i].name, 0, sizeof nothing, &nothing, &b->list[i].value);
}

static void part_diff(struct diff *diff, const struct state_arch *arch, const struct anykvm_state_part *a, const struct anykvm_state_part *b)
{
	struct words words_a = { 0 }, words_b = { 0 };

	if (a->size == b->size && !memcmp(a->bytes, b->bytes, a->size))
		return;
	if (arch && arch->part_words && arch->part_words(a, word_add, &words_a) && arch->part_words(b, word_add, &words_b))
		words_diff(diff, &words_a, &words_b);
	else
		differs(diff, a->name, 0, a->size < b->size ? a->size : b->size, a->bytes, b->bytes);
	free(words_a.list);
	free(words_b.list);
}

static void parts_diff(struct diff *diff, const struct state_arch *arch, const struct state_unit *a, const struct state_unit *b)
{
	for (size_t i = 0; i < a->part_count; i++) {
		const struct anykvm_state_part *other = state_unit_find_part(b, a->parts[i].name);

		if (other)
			part_diff(diff, arch, &a->parts[i], other);
		else
			differs(diff, a->parts[i].name, 0, a->parts[i].size, a->parts[i].bytes, NULL);
	}
	for (size_t i = 0; i < b->part_count; i++)
		if (!state_unit_find_part(a, b->parts[i].name))
			differs(diff, b->parts[i].name, 0, b->parts[i].size, NULL, b->parts[i].bytes);
}

PUBLIC int anykvm_state_diff(const struct anykvm_state *a, const struct anykvm_state *b, tell_fn *tell, void *context)
{
	static const struct state_unit nothing;
	const struct state_arch *arch = state_arch_find(a->arch);
	struct diff diff = { .tell = tell, .context = context };
	size_t count = a->vcpu_count > b->vcpu_count ? a->vcpu_count : b->vcpu_count;

	if (a->arch != b->arch)
		return state_fail(-EINVAL, "one is of %s vCPUs, the other of %s", anykvm_arch_name(a->arch), anykvm_arch_name(b->arch));
	for (size_t i = 0; i < count; i++) {
		const struct state_unit *unit_a = i < a->vcpu_count ? &a->vcpus[i] : &nothing, *unit_b = i < b->vcpu_count ? &b->vcpus[i] : &nothing;

		diff.unit = (int)i;
		regs_diff(&diff, unit_a, unit_b);
		parts_diff(&diff, arch, unit_a, unit_b);
	}
	diff.unit = ANYKVM_STATE_VM;
	parts_diff(&diff, arch, &a->vm, &b->vm);
	return diff.count;
}
