/* Memory slots and dirty logs: every refusal, every change, the limits, and changes while vCPUs are in the guest. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "core/why.h"
#include "core/user.h"
#include "vm/vm.h"

#define HVA UINT64_C(0x100000000)
#define LOG KVM_MEM_LOG_DIRTY_PAGES
#define RO KVM_MEM_READONLY

static void released(struct object *object)
{
	(void)object;
}

static const struct object_ops test_ops = { .kind = "vm", .release = released };

static int setup(void **state)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	*state = vm;
	return vm ? vm_init(vm, &test_ops, 40) : -1;
}

static int teardown(void **state)
{
	vm_destroy(*state);
	free(*state);
	return 0;
}

static int region(struct vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size, uint64_t hva)
{
	struct kvm_userspace_memory_region2 r = { .slot = slot, .flags = flags, .guest_phys_addr = gpa, .memory_size = size, .userspace_addr = hva };

	return vm_set_memory_region(vm, &r);
}

static const struct slot *find(struct vm *vm, unsigned int space, uint64_t gpa)
{
	return slot_find(vm_slots(vm, space), gpa >> PAGE_SHIFT);
}

static void test_find(void **state)
{
	struct vm *vm = *state;

	assert_null(find(vm, 0, 0));
	assert_int_equal(region(vm, 3, 0, 0x5000, 0x3000, HVA), 0);
	assert_int_equal(region(vm, 9, 0, 0x8000, 0x1000, HVA), 0);
	assert_int_equal(region(vm, 1, 0, 0x1000, 0x1000, HVA), 0);
	assert_null(find(vm, 0, 0));
	assert_int_equal(find(vm, 0, 0x1fff)->id, 1);
	assert_null(find(vm, 0, 0x2000));
	assert_null(find(vm, 0, 0x4fff));
	assert_int_equal(find(vm, 0, 0x5000)->id, 3);
	assert_int_equal(find(vm, 0, 0x7fff)->id, 3);
	assert_int_equal(find(vm, 0, 0x8000)->id, 9);
	assert_null(find(vm, 0, 0x9000));
	assert_null(find(vm, 0, UINT64_MAX));
	assert_null(find(vm, 1, 0x5000));
	assert_int_equal(slot_hva(find(vm, 0, 0x6123), 0x6123), HVA + 0x1123);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *rule;
		int error;
		uint32_t slot, flags;
		uint64_t gpa, size, hva;
	} cases[] = {
		{ "flags", -EINVAL, 1, 8, 0x20000, 0x1000, HVA },
		{ "flags", -EINVAL, 1, KVM_MEM_GUEST_MEMFD, 0x20000, 0x1000, HVA },
		{ "memory_size", -EINVAL, 1, 0, 0x20000, 0x800, HVA },
		{ "guest_phys_addr", -EINVAL, 1, 0, 0x20800, 0x1000, HVA },
		{ "userspace_addr", -EINVAL, 1, 0, 0x20000, 0x1000, HVA + 8 },
		{ "userspace_addr", -EINVAL, 1, 0, 0x20000, 0x1000, UINT64_C(0xffff800000000000) },
		{ "userspace_addr", -EINVAL, 1, 0, 0x20000, 0x2000, UINT64_C(0x7ffffffff000) },
		{ "userspace_addr", -EINVAL, 1, 0, 0x20000, UINT64_C(0xfffffffffffff000), HVA },
		{ "slot", -EINVAL, VM_MEMORY_SLOTS, 0, 0x20000, 0x1000, HVA },
		{ "slot", -EINVAL, 0xffff, 0, 0x20000, 0x1000, HVA },
		{ "slot", -EINVAL, 2 << 16, 0, 0x20000, 0x1000, HVA },
		{ "guest_phys_addr", -EINVAL, 1, 0, UINT64_C(0xfffffffffffff000), 0x2000, HVA },
		{ "guest_phys_addr", -EINVAL, 1, 0, UINT64_C(0xfffffffffffff000), 0x1000, HVA },
		{ "memory_size", -EINVAL, 1, 0, 0x20000, UINT64_C(0x80000000000), 0 },
		{ "slot", -EINVAL, 7, 0, 0, 0, 0 },
		{ "guest_phys_addr", -EEXIST, 1, 0, 0x1000, 0x1000, HVA },
		{ "guest_phys_addr", -EEXIST, 1, 0, 0, 0x100000, HVA },
		{ "guest_phys_addr", -EEXIST, 1, 0, 0xf000, 0x2000, HVA },
		{ "guest_phys_addr", -EINVAL, 1, 0, UINT64_C(1) << 40, 0x1000, HVA },
		{ "guest_phys_addr", -EINVAL, 1, 0, (UINT64_C(1) << 40) - 0x1000, 0x2000, HVA },
		{ "userspace_addr", -EINVAL, 0, 0, 0, 0x10000, HVA + 0x1000 },
		{ "memory_size", -EINVAL, 0, 0, 0, 0x8000, HVA },
		{ "flags", -EINVAL, 0, RO, 0, 0x10000, HVA },
		{ "flags", -EINVAL, 2, 0, 0x80000, 0x1000, HVA },
		{ "guest_phys_addr", -EEXIST, 0, 0, 0x80000, 0x10000, HVA },
	};
	struct vm *vm = *state;
	uint64_t generation;

	assert_int_equal(region(vm, 0, 0, 0, 0x10000, HVA), 0);
	assert_int_equal(region(vm, 2, RO, 0x80000, 0x1000, HVA), 0);
	generation = vm->memory_generation;
	why_enabled = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		why_clear();
		assert_int_equal(region(vm, cases[i].slot, cases[i].flags, cases[i].gpa, cases[i].size, cases[i].hva), cases[i].error);
		assert_non_null(why_get());
		assert_memory_equal(why_get(), cases[i].rule, strlen(cases[i].rule));
	}
	why_enabled = false;
	assert_int_equal(vm->memory_generation, generation);
	assert_int_equal(vm_slots(vm, 0)->count, 2);
}

static void test_changes(void **state)
{
	struct vm *vm = *state;
	uint64_t generation;

	assert_int_equal(region(vm, 0, 0, 0x10000, 0x10000, HVA), 0);
	assert_int_equal(region(vm, 1, RO, 0x20000, 0x1000, HVA), 0);
	generation = vm->memory_generation;
	/* Nothing to change. */
	assert_int_equal(region(vm, 0, 0, 0x10000, 0x10000, HVA), 0);
	assert_int_equal(vm->memory_generation, generation);
	/* A slot may move over itself, not over another. */
	assert_int_equal(region(vm, 0, 0, 0xf000, 0x10000, HVA), 0);
	assert_true(vm->memory_generation > generation);
	assert_int_equal(region(vm, 0, 0, 0x11000, 0x10000, HVA), -EEXIST);
	assert_int_equal(find(vm, 0, 0xf000)->id, 0);
	assert_null(find(vm, 0, 0x1f000));
	/* Over to the other side, with logging on the way. */
	assert_int_equal(region(vm, 0, LOG, 0x40000, 0x10000, HVA), 0);
	assert_non_null(find(vm, 0, 0x40000)->dirty);
	assert_int_equal(find(vm, 0, 0x20000)->id, 1);
	/* Flags alone. */
	generation = vm->memory_generation;
	assert_int_equal(region(vm, 0, 0, 0x40000, 0x10000, HVA), 0);
	assert_null(find(vm, 0, 0x40000)->dirty);
	assert_true(vm->memory_generation > generation);
	assert_int_equal(region(vm, 1, RO | LOG, 0x20000, 0x1000, HVA), 0);
	/* Deleting looks at nothing but the slot. */
	assert_int_equal(region(vm, 0, 0, 0, 0, 0), 0);
	assert_null(find(vm, 0, 0x40000));
	assert_int_equal(region(vm, 0, 0, 0, 0, 0), -EINVAL);
	/* Address spaces know nothing of each other. */
	assert_int_equal(region(vm, 1 << 16 | 1, 0, 0x20000, 0x1000, HVA + 0x5000), 0);
	assert_int_equal(find(vm, 1, 0x20000)->hva, HVA + 0x5000);
	assert_int_equal(find(vm, 0, 0x20000)->hva, HVA);
	/* The largest slot. */
	assert_int_equal(region(vm, 5, 0, 0x100000, (VM_SLOT_MAX_PAGES << PAGE_SHIFT), 0), -EINVAL);
	vm->gfn_limit = UINT64_C(1) << 40;
	assert_int_equal(region(vm, 5, 0, 0x100000, (VM_SLOT_MAX_PAGES << PAGE_SHIFT), 0), 0);
	assert_int_equal(find(vm, 0, UINT64_C(0x7ff00000000))->id, 5);
}

static void test_limits(void **state)
{
	struct vm *vm = *state;

	for (uint32_t i = 0; i < VM_MEMORY_SLOTS; i++)
		assert_int_equal(region(vm, i, 0, (uint64_t)(i * 7919u % VM_MEMORY_SLOTS) << (PAGE_SHIFT + 1), PAGE_SIZE, HVA), 0);
	assert_int_equal(vm_slots(vm, 0)->count, VM_MEMORY_SLOTS);
	for (uint32_t i = 0; i < VM_MEMORY_SLOTS; i++) {
		uint64_t gpa = (uint64_t)(i * 7919u % VM_MEMORY_SLOTS) << (PAGE_SHIFT + 1);

		assert_int_equal(find(vm, 0, gpa)->id, i);
		assert_null(find(vm, 0, gpa + PAGE_SIZE));
	}
	assert_int_equal(region(vm, VM_MEMORY_SLOTS, 0, UINT64_C(1) << 39, PAGE_SIZE, HVA), -EINVAL);
	for (uint32_t i = 0; i < VM_MEMORY_SLOTS; i++)
		assert_int_equal(region(vm, i, 0, 0, 0, 0), 0);
	assert_int_equal(vm_slots(vm, 0)->count, 0);
}

/* ---- Against a model: sixteen slots over sixty-four pages, each page with its owner. ---- */

struct model {
	struct {
		uint64_t gfn, pages, hva;
		uint32_t flags;
	} slot[16];
};

static int model_apply(struct model *model, uint32_t id, uint32_t flags, uint64_t gfn, uint64_t pages, uint64_t hva)
{
	bool moves = model->slot[id].gfn != gfn || !model->slot[id].pages;

	if (!pages) {
		if (!model->slot[id].pages)
			return -EINVAL;
		model->slot[id].pages = 0;
		return 0;
	}
	if (model->slot[id].pages &&
	    (model->slot[id].hva != hva || model->slot[id].pages != pages || (model->slot[id].flags ^ flags) & RO))
		return -EINVAL;
	for (uint32_t i = 0; i < 16 && moves; i++) {
		if (i != id && model->slot[i].pages && gfn < model->slot[i].gfn + model->slot[i].pages && model->slot[i].gfn < gfn + pages)
			return -EEXIST;
	}
	model->slot[id].gfn = gfn;
	model->slot[id].pages = pages;
	model->slot[id].hva = hva;
	model->slot[id].flags = flags;
	return 0;
}

static void model_compare(struct vm *vm, const struct model *model)
{
	for (uint64_t gfn = 0; gfn < 80; gfn++) {
		const struct slot *slot = slot_find(vm_slots(vm, 0), gfn);
		int owner = -1;

		for (int i = 0; i < 16; i++) {
			if (gfn - model->slot[i].gfn < model->slot[i].pages)
				owner = i;
		}
		assert_int_equal(slot ? (int)slot->id : -1, owner);
		if (slot) {
			assert_int_equal(slot->flags, model->slot[owner].flags);
			assert_int_equal(!!slot->dirty, !!(slot->flags & LOG));
		}
	}
}

static void test_model(void **state)
{
	struct model model = { 0 };
	unsigned int seed = 1;

	for (int i = 0; i < 30000; i++) {
		uint32_t id = (uint32_t)rand_r(&seed) % 16, flags = (uint32_t)rand_r(&seed) % 4;
		uint64_t gfn = (uint64_t)rand_r(&seed) % 64, pages = (uint64_t)rand_r(&seed) % 9, hva = HVA + ((uint64_t)rand_r(&seed) % 2 << PAGE_SHIFT);

		if (rand_r(&seed) % 2 && model.slot[id].pages) {
			/* Make an allowed change likely. */
			pages = pages ? model.slot[id].pages : 0;
			hva = model.slot[id].hva;
			flags = (flags & LOG) | (model.slot[id].flags & RO);
		}
		assert_int_equal(region(*state, id, flags, gfn << PAGE_SHIFT, pages << PAGE_SHIFT, hva), model_apply(&model, id, flags, gfn, pages, hva));
		model_compare(*state, &model);
	}
}

/* ---- Dirty logs. ---- */

static int log_get(struct vm *vm, uint32_t slot, uint64_t *bits)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bits };

	return vm_get_dirty_log(vm, &log);
}

static int log_clear(struct vm *vm, uint32_t slot, uint64_t first, uint32_t count, uint64_t *bits)
{
	struct kvm_clear_dirty_log clear = { .slot = slot, .first_page = first, .num_pages = count, .dirty_bitmap = bits };

	return vm_clear_dirty_log(vm, &clear);
}

static void mark(struct vm *vm, uint64_t gfn)
{
	slot_mark_dirty(slot_find(vm_slots(vm, 0), gfn), gfn);
}

static void test_log(void **state)
{
	struct vm *vm = *state;
	uint64_t bits[3] = { 0 }, generation;

	assert_int_equal(region(vm, 0, LOG, 0x100000, 100 << PAGE_SHIFT, HVA), 0);
	assert_int_equal(region(vm, 1, 0, 0, 0x1000, HVA), 0);
	mark(vm, 0);
	mark(vm, 0x100);
	mark(vm, 0x163);
	mark(vm, 0x163);
	bits[2] = 0x5a;
	assert_int_equal(log_get(vm, 0, bits), 0);
	assert_int_equal(bits[0], 1);
	assert_int_equal(bits[1], UINT64_C(1) << 35);
	assert_int_equal(bits[2], 0x5a);
	/* Read and cleared: nothing to drop the second time. */
	generation = vm->memory_generation;
	assert_int_equal(log_get(vm, 0, bits), 0);
	assert_int_equal(bits[0] | bits[1], 0);
	assert_int_equal(vm->memory_generation, generation);
	mark(vm, 0x101);
	assert_int_equal(log_get(vm, 0, bits), 0);
	assert_int_equal(bits[0], 2);
	assert_true(vm->memory_generation > generation);
	/* Refusals. */
	assert_int_equal(log_get(vm, 1, bits), -ENOENT);
	assert_int_equal(log_get(vm, 2, bits), -ENOENT);
	assert_int_equal(log_get(vm, 2 << 16, bits), -EINVAL);
	assert_int_equal(log_get(vm, VM_MEMORY_SLOTS, bits), -EINVAL);
	/* As in Linux, what could not be handed over is lost. */
	mark(vm, 0x100);
	assert_int_equal(log_get(vm, 0, (uint64_t *)8), -EFAULT);
	assert_int_equal(log_get(vm, 0, bits), 0);
	assert_int_equal(bits[0], 0);
	/* The log goes along with a move, and ends with logging. */
	mark(vm, 0x105);
	assert_int_equal(region(vm, 0, LOG, 0x200000, 100 << PAGE_SHIFT, HVA), 0);
	mark(vm, 0x200);
	assert_int_equal(log_get(vm, 0, bits), 0);
	assert_int_equal(bits[0], 0x21);
	mark(vm, 0x200);
	assert_int_equal(region(vm, 0, 0, 0x200000, 100 << PAGE_SHIFT, HVA), 0);
	assert_int_equal(region(vm, 0, LOG, 0x200000, 100 << PAGE_SHIFT, HVA), 0);
	assert_int_equal(log_get(vm, 0, bits), 0);
	assert_int_equal(bits[0], 0);
}

static void test_log_manual(void **state)
{
	struct vm *vm = *state;
	uint64_t bits[4] = { 0 }, mask[4] = { 0 }, generation;

	fault_handlers_renew(); /* cmocka has its own for each test */
	vm->dirty_log_manual = true;
	assert_int_equal(region(vm, 0, LOG, 0, 200 << PAGE_SHIFT, HVA), 0);
	mark(vm, 1);
	mark(vm, 70);
	mark(vm, 199);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(log_get(vm, 0, bits), 0);
		assert_int_equal(bits[0], 2);
		assert_int_equal(bits[1], 64);
		assert_int_equal(bits[3], 128);
	}
	/* Only what is asked for, only where it is asked for. */
	generation = vm->memory_generation;
	mask[0] = 64 | 1;
	assert_int_equal(log_clear(vm, 0, 64, 64, mask), 0);
	assert_true(vm->memory_generation > generation);
	generation = vm->memory_generation;
	assert_int_equal(log_clear(vm, 0, 64, 64, mask), 0);
	assert_int_equal(vm->memory_generation, generation);
	assert_int_equal(log_get(vm, 0, bits), 0);
	assert_int_equal(bits[0], 2);
	assert_int_equal(bits[1], 0);
	mask[0] = UINT64_MAX;
	assert_int_equal(log_clear(vm, 0, 192, 8, mask), 0);
	assert_int_equal(log_clear(vm, 0, 0, 64, mask), 0);
	assert_int_equal(log_get(vm, 0, bits), 0);
	assert_int_equal(bits[0] | bits[1] | bits[2] | bits[3], 0);
	/* Refusals, in Linux's order. */
	assert_int_equal(log_clear(vm, 2 << 16, 1, 64, mask), -EINVAL);
	assert_int_equal(log_clear(vm, 1, 1, 64, mask), -EINVAL);
	assert_int_equal(log_clear(vm, 1, 0, 64, mask), -ENOENT);
	assert_int_equal(log_clear(vm, 0, 256, 0, mask), -EINVAL);
	assert_int_equal(log_clear(vm, 0, 64, 137, mask), -EINVAL);
	assert_int_equal(log_clear(vm, 0, 0, UINT32_MAX, mask), -EINVAL);
	assert_int_equal(log_clear(vm, 0, 0, 63, mask), -EINVAL);
	assert_int_equal(log_clear(vm, 0, 0, 64, (uint64_t *)8), -EFAULT);
	assert_int_equal(log_clear(vm, 0, 192, 0, (uint64_t *)8), 0);
}

static void test_log_initially_set(void **state)
{
	struct vm *vm = *state;
	uint64_t bits[2];

	vm->dirty_log_manual = vm->dirty_log_initially_set = true;
	assert_int_equal(region(vm, 0, LOG, 0, 70 << PAGE_SHIFT, HVA), 0);
	assert_int_equal(log_get(vm, 0, bits), 0);
	assert_int_equal(bits[0], UINT64_MAX);
	assert_int_equal(bits[1], 0x3f);
	assert_int_equal(region(vm, 1, LOG, 0x100000, 128 << PAGE_SHIFT, HVA), 0);
	assert_int_equal(log_get(vm, 1, bits), 0);
	assert_int_equal(bits[1], UINT64_MAX);
}

/* ---- Bringing memory in. ---- */

static void test_pre_fault(void **state)
{
	static const struct {
		int error;
		uint64_t flags, gpa, size;
	} refused[] = {
		{ -EINVAL, 1, 0, PAGE_SIZE },
		{ -EINVAL, 0, 8, PAGE_SIZE },
		{ -EINVAL, 0, 0, 8 },
		{ -EINVAL, 0, 0, 0 },
		{ -EINVAL, 0, UINT64_C(0xfffffffffffff000), PAGE_SIZE },
		{ -EINVAL, 0, UINT64_C(0xfffffffffffff000), 2 * PAGE_SIZE },
		{ -ENOENT, 0, 0x100000, PAGE_SIZE },
		{ -EFAULT, 0, 0x200000, PAGE_SIZE },
	};
	size_t size = 4 * PAGE_SIZE;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_pre_fault_memory range = { .gpa = PAGE_SIZE, .size = 5 * PAGE_SIZE };

	fault_handlers_renew();
	assert_int_equal(region(*state, 0, 0, 0, size, (uintptr_t)memory), 0);
	assert_int_equal(region(*state, 1, 0, 0x200000, size, 0x7000), 0);
	/* Three pages are there: the call succeeds and says what is left; for that there is no memory. */
	assert_int_equal(vm_pre_fault(*state, &range), 0);
	assert_int_equal(range.gpa, 4 * PAGE_SIZE);
	assert_int_equal(range.size, 2 * PAGE_SIZE);
	assert_int_equal(vm_pre_fault(*state, &range), -ENOENT);
	assert_int_equal(range.size, 2 * PAGE_SIZE);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		range = (struct kvm_pre_fault_memory) { .gpa = refused[i].gpa, .size = refused[i].size, .flags = refused[i].flags };
		assert_int_equal(vm_pre_fault(*state, &range), refused[i].error);
		assert_int_equal(range.size, refused[i].size);
	}
	munmap(memory, size);
}

/* ---- vCPUs in the guest while memory changes. ---- */

struct runner {
	struct vcpu vcpu;
	pthread_t thread;
	_Atomic bool end;
	_Atomic uint64_t entries;
	bool broken;
};

/* Stays in the guest until it is asked to leave; what it sees there must stand still. */
static void *runner_main(void *data)
{
	struct runner *runner = data;
	struct vcpu *vcpu = &runner->vcpu;

	while (!runner->end) {
		uint64_t generation;

		vcpu_guest_enter(vcpu);
		runner->entries++;
		generation = vcpu->vm->memory_generation;
		do {
			const struct slot *slot = slot_find(vm_slots(vcpu->vm, 0), 3);

			if (!slot || slot->gfn + slot->pages < 4 || vcpu->vm->memory_generation != generation)
				runner->broken = true;
			slot_mark_dirty((struct slot *)slot, 3);
		} while (!atomic_load(&vcpu->kick.request) && !runner->end);
		vcpu_guest_leave(vcpu);
		atomic_store(&vcpu->kick.request, 0);
	}
	return NULL;
}

static void test_running(void **state)
{
	static struct runner runners[3];
	struct vm *vm = *state;
	uint64_t seen = 0;

	assert_int_equal(region(vm, 0, LOG, 0, 0x8000, HVA), 0);
	for (int i = 0; i < 3; i++) {
		runners[i].vcpu.vm = vm;
		runners[i].vcpu.id = (uint32_t)i;
		vm_vcpu_add(vm, &runners[i].vcpu);
		pthread_create(&runners[i].thread, NULL, runner_main, &runners[i]);
	}
	assert_ptr_equal(vm_vcpu_find(vm, 2), &runners[2].vcpu);
	assert_null(vm_vcpu_find(vm, 3));
	/* Longer where the machine is so busy that no runner had its turn. */
	for (int i = 0; i < 2000 || (!seen && i < 2000000); i++) {
		uint64_t bits = 0;

		/* Back and forth over page 3, which is always there; another slot comes and goes. */
		assert_int_equal(region(vm, 0, LOG, i % 2 ? 0 : 0x2000, 0x8000, HVA), 0);
		assert_int_equal(region(vm, 1, 0, 0x100000, i % 2 ? 0 : 0x1000, HVA), 0);
		assert_int_equal(log_get(vm, 0, &bits), 0);
		seen |= bits;
	}
	for (int i = 0; i < 3; i++) {
		/* On a busy machine one may not have had its turn yet. */
		while (!runners[i].entries)
			sched_yield();
		runners[i].end = true;
		pthread_join(runners[i].thread, NULL);
		assert_false(runners[i].broken);
		assert_true(runners[i].entries > 0);
	}
	assert_true(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_model, setup, teardown),
		cmocka_unit_test_setup_teardown(test_log, setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_manual, setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_initially_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pre_fault, setup, teardown),
		cmocka_unit_test_setup_teardown(test_running, setup, teardown),
	};

	return cmocka_run_group_tests_name("memory slots", tests, NULL, NULL);
}
