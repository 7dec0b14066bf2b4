/*
 * How long the library takes to find a register by its name and by its id: every register of an architecture in a random order, names in
 * canonical spelling; and names that are none. The one benchmark that links libanykvm; no KVM is needed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "anykvm/kvm.h"
#include "anykvm/reg.h"
#include "bench.h"

struct registers {
	uint64_t arch;
	size_t count;
	uint64_t *ids;
	char (*names)[ANYKVM_REG_NAME_ROOM];
	uint64_t sum; /* so that no call can be left out */
};

static void registers_shuffle(struct registers *r)
{
	srandom(1);
	for (size_t i = r->count - 1; i > 0; i--) {
		size_t j = (size_t)random() % (i + 1);
		uint64_t id = r->ids[i];

		r->ids[i] = r->ids[j];
		r->ids[j] = id;
	}
}

static void registers_load(struct registers *r, uint64_t arch)
{
	r->arch = arch;
	r->count = anykvm_reg_count(arch);
	r->ids = calloc(r->count, sizeof *r->ids);
	r->names = calloc(r->count, sizeof *r->names);
	if (!r->ids || !r->names)
		bench_fail("calloc");
	for (size_t i = 0; i < r->count; i++)
		r->ids[i] = anykvm_reg_at(arch, i);
	registers_shuffle(r);
	for (size_t i = 0; i < r->count; i++)
		anykvm_reg_name(r->ids[i], r->names[i], sizeof r->names[i]);
}

static void body_by_name(void *context, unsigned long count)
{
	struct registers *r = context;
	uint64_t id = 0;

	for (unsigned long i = 0, at = 0; i < count; i++, at = at + 1 < r->count ? at + 1 : 0) {
		anykvm_reg_parse(r->arch, r->names[at], &id);
		r->sum += id;
	}
}

static void body_by_id(void *context, unsigned long count)
{
	char name[ANYKVM_REG_NAME_ROOM];
	struct registers *r = context;

	for (unsigned long i = 0, at = 0; i < count; i++, at = at + 1 < r->count ? at + 1 : 0) {
		anykvm_reg_name(r->ids[at], name, sizeof name);
		r->sum += (uint64_t)name[0];
	}
}

static void body_no_name(void *context, unsigned long count)
{
	struct registers *r = context;
	uint64_t id;

	for (unsigned long i = 0; i < count; i++)
		r->sum += (uint64_t)anykvm_reg_parse(r->arch, "no_such_register", &id);
}

int main(void)
{
	struct registers r = { 0 };

	registers_load(&r, KVM_REG_X86);
	printf("reg.by_name %.1f\n", bench_measure(body_by_name, &r));
	printf("reg.by_id %.1f\n", bench_measure(body_by_id, &r));
	printf("reg.no_name %.1f\n", bench_measure(body_no_name, &r));
	free(r.ids);
	free(r.names);
	return r.sum == 0;
}
