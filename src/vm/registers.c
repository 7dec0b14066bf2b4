/*
 * Registers by id: from the program's arrays to an architecture's registers and back. Knows no register.
 */
#include "vm/registers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/user.h"
#include "core/why.h"

/* ---- Room. ---- */

void register_room_free(struct register_room *room)
{
	free(room->memory);
	*room = (struct register_room){ 0 };
}

static void *room_take(struct register_room *room, size_t size)
{
	void *memory;

	if (size <= room->size)
		return room->memory;
	memory = realloc(room->memory, size);
	if (!memory)
		return NULL;
	*room = (struct register_room){ memory, size };
	return memory;
}

/* ---- Reasons. ---- */

/* Says which entry it was, before what the architecture said of it. */
static __attribute__((cold)) int refuse(const struct register_batch *batch, int error)
{
	if (batch->at >= batch->count)
		return error;
	why_entry(batch->at);
	why_prefix("reg[%u] 0x%llx: ", batch->at, (unsigned long long)batch->entries[batch->at].id);
	return error;
}

/* ---- One register. ---- */

static int one_read(unsigned long arg, struct kvm_one_reg *reg)
{
	return user_read(reg, arg, sizeof *reg) ? why(-EFAULT, "argument: 0x%lx cannot be read", arg) : 0;
}

/* Bytes that an id's size bits say; 0: none of KVM's sizes. */
static uint32_t size_of(uint64_t id)
{
	uint32_t bits = (uint32_t)((id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT);

	return bits <= 8 ? 1u << bits : 0;
}

long registers_get_one(const struct register_ops *ops, void *vcpu, unsigned long arg)
{
	uint8_t scratch[REGISTER_SCRATCH];
	struct register_entry entry;
	struct register_batch batch = { .count = 1, .entries = &entry, .scratch = scratch };
	struct kvm_one_reg reg;
	int error = one_read(arg, &reg);

	if (error)
		return error;
	entry.id = reg.id;
	error = ops->read(vcpu, &batch);
	if (error)
		return refuse(&batch, error);
	if (user_write(reg.addr, entry.value, entry.size))
		return refuse(&batch, why(-EFAULT, "addr: 0x%llx cannot be written", (unsigned long long)reg.addr));
	return 0;
}

long registers_set_one(const struct register_ops *ops, void *vcpu, unsigned long arg)
{
	uint8_t value[REGISTER_SIZE_MAX], scratch[REGISTER_SCRATCH];
	struct register_entry entry;
	struct register_batch batch = { .count = 1, .entries = &entry, .scratch = scratch };
	struct kvm_one_reg reg;
	int error = one_read(arg, &reg);

	if (error)
		return error;
	entry = (struct register_entry){ .id = reg.id, .value = value, .size = size_of(reg.id) };
	if (!entry.size)
		return refuse(&batch, why(-EINVAL, "id: its size bits are none of KVM's"));
	/* An unreadable value is EFAULT even where there is no such register, as on hardware KVM. */
	if (user_read(value, reg.addr, entry.size))
		return refuse(&batch, why(-EFAULT, "addr: 0x%llx cannot be read", (unsigned long long)reg.addr));
	error = ops->write(vcpu, &batch);
	return error ? refuse(&batch, error) : 0;
}

/* ---- Many. ---- */

/* The array behind the header; its length is checked before anything is made of it. */
static int many_count(unsigned long arg, uint32_t *count)
{
	uint64_t n;

	if (user_read(&n, arg, sizeof n))
		return why(-EFAULT, "argument: 0x%lx cannot be read", arg);
	if (n > REGISTERS_MAX)
		return why(-E2BIG, "n: %llu registers are more than %zu", (unsigned long long)n, REGISTERS_MAX);
	*count = (uint32_t)n;
	return 0;
}

/* What a call of `count` registers works on; the array has been read. */
struct many {
	struct register_batch batch;
	const struct kvm_one_reg *regs;
};

/* Each value where its number may stand. */
static size_t round_up_value(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

/* The array, the entries, and `extra` bytes behind them. What was there stays. */
static int many_place(struct many *many, struct register_room *room, uint32_t count, size_t extra)
{
	size_t array = count * sizeof *many->regs, entries = count * sizeof *many->batch.entries;
	uint8_t *memory = room_take(room, array + entries + extra);

	if (!memory)
		return -ENOMEM;
	many->regs = (const struct kvm_one_reg *)memory;
	many->batch = (struct register_batch){ .count = count, .entries = (struct register_entry *)(memory + array), .scratch = memory + array + entries };
	return 0;
}

static int many_begin(struct many *many, struct register_room *room, unsigned long arg, uint32_t count)
{
	int error = many_place(many, room, count, count * (size_t)REGISTER_SCRATCH);

	if (!error && user_read((void *)many->regs, arg + sizeof(struct kvm_many_regs), count * sizeof *many->regs))
		error = why(-EFAULT, "reg: %u entries cannot be read", count);
	return error;
}

/* The values to where the program wants them; *at says how far it came. */
static void values_scatter(const struct many *many, volatile uint32_t *at)
{
	for (uint32_t i = 0; i < many->batch.count; *at = ++i) {
		const struct register_entry *entry = &many->batch.entries[i];

		if (!user_range_ok(many->regs[i].addr, entry->size))
			return;
		user_copy((void *)many->regs[i].addr, entry->value, entry->size);
	}
}

/* The values from where the program has them, into our own memory, behind the entries. */
static void values_gather(const struct many *many, volatile uint32_t *at)
{
	uint8_t *values = many->batch.scratch;

	for (uint32_t i = 0; i < many->batch.count; *at = ++i) {
		struct register_entry *entry = &many->batch.entries[i];

		if (!user_range_ok(many->regs[i].addr, entry->size))
			return;
		user_copy(values, (const void *)many->regs[i].addr, entry->size);
		entry->value = values;
		values += round_up_value(entry->size);
	}
}

/* One of the two, under one guard for all: the entry whose address was bad, or the count. */
static __attribute__((noinline)) uint32_t values_move(const struct many *many, void (*move)(const struct many *, volatile uint32_t *))
{
	struct fault_guard guard = { .covers = NULL };
	volatile uint32_t at = 0;

	fault_handlers_install();
	if (sigsetjmp(guard.resume, 0))
		return at;
	fault_guard_push(&guard);
	move(many, &at);
	fault_guard_pop(&guard);
	return at;
}

long registers_get_many(const struct register_ops *ops, void *vcpu, struct register_room *room, unsigned long arg)
{
	struct many many;
	uint32_t count, done;
	int error = many_count(arg, &count);

	if (error || !count)
		return error;
	error = many_begin(&many, room, arg, count);
	if (error)
		return error;
	for (uint32_t i = 0; i < count; i++)
		many.batch.entries[i].id = many.regs[i].id;
	error = ops->read(vcpu, &many.batch);
	if (error)
		return refuse(&many.batch, error);
	done = values_move(&many, values_scatter);
	if (done == count)
		return 0;
	many.batch.at = done;
	return refuse(&many.batch, why(-EFAULT, "addr: 0x%llx cannot be written", (unsigned long long)many.regs[done].addr));
}

/* The bytes that all values need; 0: `at` has a size that is none. */
static size_t values_size(struct many *many)
{
	size_t total = 0;

	for (uint32_t i = 0; i < many->batch.count; i++) {
		uint32_t size = size_of(many->regs[i].id);

		many->batch.at = i;
		if (!size)
			return 0;
		many->batch.entries[i] = (struct register_entry){ .id = many->regs[i].id, .size = size };
		total += round_up_value(size);
	}
	return total;
}

long registers_set_many(const struct register_ops *ops, void *vcpu, struct register_room *room, unsigned long arg)
{
	struct many many;
	uint32_t count, done;
	size_t total;
	int error = many_count(arg, &count);

	if (error || !count)
		return error;
	error = many_begin(&many, room, arg, count);
	if (error)
		return error;
	total = values_size(&many);
	if (!total)
		return refuse(&many.batch, why(-EINVAL, "id: its size bits are none of KVM's"));
	error = many_place(&many, room, count, total);
	if (error)
		return error;
	done = values_move(&many, values_gather);
	if (done < count) {
		many.batch.at = done;
		return refuse(&many.batch, why(-EFAULT, "addr: 0x%llx cannot be read", (unsigned long long)many.regs[done].addr));
	}
	error = ops->write(vcpu, &many.batch);
	return error ? refuse(&many.batch, error) : 0;
}

/* ---- The list. ---- */

long registers_list(const struct register_ops *ops, void *vcpu, struct register_room *room, unsigned long arg)
{
	uint64_t n, count = ops->list(vcpu, NULL), *ids;

	if (user_read(&n, arg, sizeof n) || user_write(arg, &count, sizeof count))
		return why(-EFAULT, "argument: 0x%lx cannot be accessed", arg);
	if (n < count)
		return why(-E2BIG, "n: %llu is too few for %llu registers", (unsigned long long)n, (unsigned long long)count);
	ids = room_take(room, count * sizeof *ids);
	if (!ids)
		return -ENOMEM;
	ops->list(vcpu, ids);
	if (user_write(arg + sizeof n, ids, count * sizeof *ids))
		return why(-EFAULT, "reg: %llu ids cannot be written", (unsigned long long)count);
	return 0;
}
