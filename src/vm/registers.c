/*
 * Registers by id: from the program's arrays to an architecture's registers and back. Knows no register.
 */
#include "vm/registers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "anykvm/reg.h"
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

/* Says which register it was, before what the architecture said of it; of several also which entry. */
static __attribute__((cold)) int refuse(const struct register_batch *batch, int error)
{
	char name[ANYKVM_REG_NAME_ROOM];
	const char *reason;
	uint64_t id;

	if (batch->at >= batch->count)
		return error;
	id = batch->regs[batch->at].id;
	if (anykvm_reg_name(id, name, sizeof name))
		snprintf(name, sizeof name, "0x%llx", (unsigned long long)id);
	/* Where a register has a call of its own, that has named it already. */
	reason = why_get();
	if (!reason || strncmp(reason, name, strlen(name)))
		why_prefix("%s: ", name);
	if (batch->count > 1)
		why_prefix("reg[%u] ", batch->at);
	why_entry(batch->at);
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
	struct kvm_one_reg reg;
	struct register_batch batch = { .count = 1, .regs = &reg };
	int error = one_read(arg, &reg);

	if (error)
		return error;
	error = ops->read(vcpu, &batch);
	if (error)
		return refuse(&batch, error);
	batch.at = 0;
	if (user_write(reg.addr, batch.entries->value, batch.entries->size))
		return refuse(&batch, why(-EFAULT, "addr: 0x%llx cannot be written", (unsigned long long)reg.addr));
	return 0;
}

/* How many bytes of a value are to be read, or -errno. */
static int value_size(const struct register_ops *ops, void *vcpu, uint64_t id, uint32_t at)
{
	uint32_t size;

	if (ops->value_size)
		return ops->value_size(vcpu, id, at);
	size = size_of(id);
	return size ? (int)size : why(-EINVAL, "id: its size bits are none of KVM's");
}

/* What can be read of a value that ends at a hole. */
static __attribute__((cold)) void value_cut(const struct register_ops *ops, void *vcpu, const struct kvm_one_reg *reg, uint32_t size)
{
	uint8_t value[REGISTER_SIZE_MAX] = { 0 };

	for (uint32_t i = 0; i < size && !user_read(value + i, reg->addr + i, 1); i++)
		;
	ops->value_cut(vcpu, reg->id, value);
}

long registers_set_one(const struct register_ops *ops, void *vcpu, unsigned long arg)
{
	uint8_t value[REGISTER_SIZE_MAX];
	struct kvm_one_reg reg;
	struct register_entry entry;
	struct register_batch batch = { .count = 1, .regs = &reg, .entries = &entry };
	int size, error = one_read(arg, &reg);

	if (error)
		return error;
	size = value_size(ops, vcpu, reg.id, REGISTER_ALONE);
	if (size < 0)
		return refuse(&batch, size);
	entry = (struct register_entry){ .id = reg.id, .value = value, .size = (uint32_t)size };
	/* An unreadable value is EFAULT even where there is no such register, as on hardware KVM. */
	if (user_read(value, reg.addr, entry.size)) {
		if (ops->value_cut)
			value_cut(ops, vcpu, &reg, entry.size);
		return refuse(&batch, why(-EFAULT, "addr: 0x%llx cannot be read", (unsigned long long)reg.addr));
	}
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

/* Each value where its number may stand. */
static size_t round_up_value(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

/* The array into our own memory, with `extra` bytes for each entry behind it. */
static int many_read(struct register_batch *batch, struct register_room *room, unsigned long arg, size_t extra)
{
	size_t array = batch->count * sizeof *batch->regs;
	void *memory = room_take(room, array + batch->count * extra);

	if (!memory)
		return -ENOMEM;
	batch->regs = memory;
	return user_read(memory, arg + sizeof(struct kvm_many_regs), array) ? why(-EFAULT, "reg: %u entries cannot be read", batch->count) : 0;
}

/* The values to where the program wants them; *at says how far it came. */
static USER_COPIES void values_scatter(const struct register_batch *batch, uint8_t *unused, volatile uint32_t *at)
{
	(void)unused;
	for (uint32_t i = 0; i < batch->count; *at = ++i) {
		const struct register_entry *entry = &batch->entries[i];

		if (!user_range_ok(batch->regs[i].addr, entry->size))
			return;
		user_copy((uint8_t *)batch->regs[i].addr, entry->value, entry->size);
	}
}

/* The values from where the program has them, into our own memory. */
static USER_COPIES void values_gather(const struct register_batch *batch, uint8_t *values, volatile uint32_t *at)
{
	for (uint32_t i = 0; i < batch->count; *at = ++i) {
		const struct register_entry *entry = &batch->entries[i];

		if (!user_range_ok(batch->regs[i].addr, entry->size))
			return;
		user_copy(values, (const uint8_t *)batch->regs[i].addr, entry->size);
		values += round_up_value(entry->size);
	}
}

/* One of the two, under one guard for all: the entry whose address was bad, or the count. */
static __attribute__((noinline)) uint32_t values_move(const struct register_batch *batch, uint8_t *values,
						       void (*move)(const struct register_batch *, uint8_t *, volatile uint32_t *))
{
	struct fault_guard guard = { .covers = NULL };
	volatile uint32_t at = 0;

	fault_handlers_install();
	if (sigsetjmp(guard.resume, 0))
		return at;
	fault_guard_push(&guard);
	move(batch, values, &at);
	fault_guard_pop(&guard);
	return at;
}

long registers_get_many(const struct register_ops *ops, void *vcpu, struct register_room *room, unsigned long arg)
{
	struct register_batch batch = { 0 };
	int error = many_count(arg, &batch.count);

	if (error || !batch.count)
		return error;
	error = many_read(&batch, room, arg, 0);
	if (error)
		return error;
	error = ops->read(vcpu, &batch);
	if (error)
		return refuse(&batch, error);
	batch.at = values_move(&batch, NULL, values_scatter);
	if (batch.at == batch.count)
		return 0;
	return refuse(&batch, why(-EFAULT, "addr: 0x%llx cannot be written", (unsigned long long)batch.regs[batch.at].addr));
}

/* Makes the entries, their values one behind the other from `values` on. What is wrong is about `at`. */
static int entries_make(const struct register_ops *ops, void *vcpu, struct register_batch *batch, struct register_entry *entries, const uint8_t *values)
{
	for (batch->at = 0; batch->at < batch->count; batch->at++) {
		uint64_t id = batch->regs[batch->at].id;
		int size = value_size(ops, vcpu, id, batch->at);

		if (size < 0)
			return size;
		entries[batch->at] = (struct register_entry){ .id = id, .value = values, .size = (uint32_t)size };
		values += round_up_value((size_t)size);
	}
	batch->entries = entries;
	return 0;
}

long registers_set_many(const struct register_ops *ops, void *vcpu, struct register_room *room, unsigned long arg)
{
	struct register_batch batch = { 0 };
	struct register_entry *entries;
	uint8_t *values;
	int error = many_count(arg, &batch.count);

	if (error || !batch.count)
		return error;
	error = many_read(&batch, room, arg, sizeof *entries + REGISTER_SIZE_MAX);
	if (error)
		return error;
	entries = (struct register_entry *)(batch.regs + batch.count);
	values = (uint8_t *)(entries + batch.count);
	error = entries_make(ops, vcpu, &batch, entries, values);
	if (error)
		return refuse(&batch, error);
	batch.at = values_move(&batch, values, values_gather);
	if (batch.at < batch.count)
		return refuse(&batch, why(-EFAULT, "addr: 0x%llx cannot be read", (unsigned long long)batch.regs[batch.at].addr));
	error = ops->write(vcpu, &batch);
	return error ? refuse(&batch, error) : 0;
}

/* ---- The list. ---- */

long registers_list(const struct register_ops *ops, void *vcpu, struct register_room *room, unsigned long arg)
{
	uint64_t n, count, *ids = room_take(room, REGISTER_LIST_MAX * sizeof *ids);
	int listed = ids ? ops->list(vcpu, ids) : -ENOMEM;

	if (listed < 0)
		return listed;
	count = (uint64_t)listed;
	if (user_read(&n, arg, sizeof n) || user_write(arg, &count, sizeof count))
		return why(-EFAULT, "argument: 0x%lx cannot be accessed", arg);
	if (ops->list_n_32)
		n = (uint32_t)n;
	if (n < count)
		return why(-E2BIG, "n: %llu is too few for %llu registers", (unsigned long long)n, (unsigned long long)count);
	if (user_write(arg + sizeof n, ids, count * sizeof *ids))
		return why(-EFAULT, "reg: %llu ids cannot be written", (unsigned long long)count);
	return 0;
}
