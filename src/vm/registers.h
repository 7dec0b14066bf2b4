/*
 * Registers by id, on every architecture: the arguments of KVM_GET/SET_ONE_REG, KVM_GET/SET_MANY_REGS and KVM_GET_REG_LIST (api.rst, 4.68,
 * 4.69, 4.83). Knows no register: an architecture answers through struct register_ops.
 *
 * KVM_SET_MANY_REGS is one transaction. Its values are checked as they will stand together, in whatever order the array has them; of
 * registers named twice the last value counts; when anything is refused nothing has changed. KVM_GET_MANY_REGS writes its first
 * value once all of them have been read.
 */
#ifndef ANYKVM_VM_REGISTERS_H
#define ANYKVM_VM_REGISTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "anykvm/kvm.h"

/* KVM_MANY_REGS_MAX_SIZE of them. */
#define REGISTERS_MAX (KVM_MANY_REGS_MAX_SIZE / sizeof(struct kvm_one_reg))
/* No vCPU has more registers. */
#define REGISTER_LIST_MAX 8192
/* The largest register: 2048 bits. */
#define REGISTER_SIZE_MAX 256

/* One register of a call: where its value is. */
struct register_entry {
	uint64_t id;
	const void *value;
	uint32_t size;
};

struct register_batch {
	uint32_t count;
	uint32_t at; /* the one that was refused; `count`: all of them together */
	const struct kvm_one_reg *regs; /* our own copy of the program's array */
	/* Reading: the architecture's, good until its next call. Writing: what is to be set, `size` being what the id says. */
	const struct register_entry *entries;
};

#define REGISTER_ALONE UINT32_MAX

struct register_ops {
	/*
	 * 0 or -errno: -EINVAL for an id that is none of the architecture's, or whose size is not its register's; -ENOENT for a register
	 * that the vCPU does not have.
	 */
	int (*read)(void *vcpu, struct register_batch *batch);
	/* All or nothing. */
	int (*write)(void *vcpu, struct register_batch *batch);
	/* The ids of all registers, REGISTER_LIST_MAX at most: how many, or -errno. */
	int (*list)(void *vcpu, uint64_t *ids);
	/*
	 * NULL, or for architectures that look at the id of a register to be set before its value: how many bytes of the value count, or -errno.
	 * `size` of register_entry is that many. Without it all bytes count, and what is wrong with the id is found once the value was read.
	 * `at` is the register's place in a call for many, of which the last such call may have had the same at the same place; else REGISTER_ALONE.
	 */
	int (*value_size)(void *vcpu, uint64_t id, uint32_t at);
	/* NULL, or KVM_SET_ONE_REG met a hole in the value: what stood in front of it, and zeros behind. The call is refused whatever is made of it. */
	void (*value_cut)(void *vcpu, uint64_t id, const void *value);
	/* KVM_GET_REG_LIST has only the low 32 bits of `n` there. */
	bool list_n_32;
};

/* Memory for the calls of one vCPU, made when first needed. */
struct register_room {
	void *memory;
	size_t size;
};

void register_room_free(struct register_room *room);

/* The ioctls; `arg` is their argument. 0 or -errno. */
long registers_get_one(const struct register_ops *ops, void *vcpu, unsigned long arg);
long registers_set_one(const struct register_ops *ops, void *vcpu, unsigned long arg);
long registers_get_many(const struct register_ops *ops, void *vcpu, struct register_room *room, unsigned long arg);
long registers_set_many(const struct register_ops *ops, void *vcpu, struct register_room *room, unsigned long arg);
long registers_list(const struct register_ops *ops, void *vcpu, struct register_room *room, unsigned long arg);

#endif
