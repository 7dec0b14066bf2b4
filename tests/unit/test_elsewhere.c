/*
 * Hardware KVM where it has KVM_GET_ONE_REG for everything, against a kernel made up here: MANY_REGS is all or nothing there too, and asks a kernel
 * that has the call itself but once. Runs on any machine.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/user.h"
#include "host/kernel.h"

#define ID(n) (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | 0x100000 | (uint64_t)(n))

/* ---- A kernel of eight registers: 5 takes no odd values, 6 takes a value only while 7 is not zero, 8 is not there. ---- */

static uint64_t registers[8];
static unsigned int calls;
static bool has_many;

static int one(unsigned int cmd, uint64_t id, uint64_t addr)
{
	uint64_t n = id - ID(0), *value = (uint64_t *)addr;

	if ((id & ~0xffull) != ID(0))
		return -EINVAL;
	if (n >= 8)
		return -ENOENT;
	if (cmd == (unsigned int)KVM_GET_ONE_REG)
		*value = registers[n];
	else if ((n == 5 && *value & 1) || (n == 6 && !registers[7]))
		return -EINVAL;
	else
		registers[n] = *value;
	return 0;
}

static long many(unsigned int cmd, const struct kvm_many_regs *call)
{
	for (uint64_t i = 0; i < call->n; i++) {
		int error = one(cmd, call->reg[i].id, call->reg[i].addr);

		if (error)
			return error;
	}
	return 0;
}

static long kernel_made_up(int fd, unsigned int cmd, unsigned long arg)
{
	const struct kvm_one_reg *reg = (const struct kvm_one_reg *)arg;
	struct kvm_reg_list *list = (struct kvm_reg_list *)arg;

	calls++;
	if (fd != 77)
		return -EBADF;
	switch (cmd) {
	case (unsigned int)KVM_GET_ONE_REG:
	case (unsigned int)KVM_SET_ONE_REG:
		return one(cmd, reg->id, reg->addr);
	case (unsigned int)KVM_GET_MANY_REGS:
		return has_many ? many(KVM_GET_ONE_REG, (const struct kvm_many_regs *)arg) : -EINVAL;
	case (unsigned int)KVM_SET_MANY_REGS:
		return has_many ? many(KVM_SET_ONE_REG, (const struct kvm_many_regs *)arg) : -EINVAL;
	case (unsigned int)KVM_GET_REG_LIST:
		for (unsigned int i = 0; list->n >= 8 && i < 8; i++)
			list->reg[i] = ID(i);
		list->n = 8;
		return 0;
	default:
		return -EINVAL;
	}
}

/* ---- Calls as a program makes them. ---- */

static struct host_vcpu *vcpu_new(void)
{
	struct host_vcpu *vcpu = calloc(1, sizeof *vcpu);

	assert_non_null(vcpu);
	fault_handlers_renew(); /* cmocka has its own */
	host_kernel = kernel_made_up;
	vcpu->fd = 77;
	calls = 0;
	for (unsigned int i = 0; i < 8; i++)
		registers[i] = 100 + i;
	return vcpu;
}

static void vcpu_free(struct host_vcpu *vcpu)
{
	host_plan_free(vcpu);
	register_room_free(&vcpu->room);
	free(vcpu);
}

static struct {
	uint64_t n;
	struct kvm_one_reg reg[8];
} set;
static uint64_t values[8];

static void set_make(unsigned int count, const uint8_t *numbers)
{
	set.n = count;
	for (unsigned int i = 0; i < count; i++)
		set.reg[i] = (struct kvm_one_reg){ ID(numbers[i]), (uint64_t)&values[i] };
}

static long get_many(struct host_vcpu *vcpu)
{
	return registers_get_many(&host_register_ops, vcpu, &vcpu->room, (unsigned long)&set);
}

static long set_many(struct host_vcpu *vcpu)
{
	return registers_set_many(&host_register_ops, vcpu, &vcpu->room, (unsigned long)&set);
}

static void test_get(void **state)
{
	struct host_vcpu *vcpu = vcpu_new();

	(void)state;
	has_many = false;
	set_make(3, (const uint8_t[]){ 2, 7, 2 });
	assert_int_equal(get_many(vcpu), 0);
	assert_int_equal(values[0], 102);
	assert_int_equal(values[1], 107);
	assert_int_equal(values[2], 102);
	values[0] = values[1] = 0;
	set_make(2, (const uint8_t[]){ 1, 8 });
	assert_int_equal(get_many(vcpu), -ENOENT);
	assert_int_equal(values[0], 0); /* nothing is told when anything is refused */
	vcpu_free(vcpu);
}

static void test_kernel_has_many(void **state)
{
	struct host_vcpu *vcpu = vcpu_new();

	(void)state;
	has_many = true;
	set_make(4, (const uint8_t[]){ 0, 1, 2, 3 });
	assert_int_equal(get_many(vcpu), 0);
	assert_int_equal(calls, 2); /* whether it has it, and all at once */
	assert_int_equal(values[3], 103);
	assert_int_equal(get_many(vcpu), 0);
	assert_int_equal(calls, 3);
	set_make(2, (const uint8_t[]){ 1, 8 });
	assert_int_equal(get_many(vcpu), -ENOENT);
	vcpu_free(vcpu);
}

static void test_kernel_sets_many(void **state)
{
	struct host_vcpu *vcpu = vcpu_new();

	(void)state;
	has_many = true;
	set_make(4, (const uint8_t[]){ 0, 1, 5, 2 });
	memcpy(values, (const uint64_t[]){ 1, 2, 4, 3 }, 4 * sizeof *values);
	assert_int_equal(set_many(vcpu), 0);
	assert_int_equal(calls, 3); /* whether it has it, what was there before, and all at once */
	assert_int_equal(registers[5], 4);
	assert_int_equal(registers[2], 3);
	vcpu_free(vcpu);
}

/* Whether the kernel has the call or not. */
static void set_is_all_or_nothing(bool many)
{
	struct host_vcpu *vcpu = vcpu_new();
	uint64_t before[8];

	has_many = many;
	memcpy(before, registers, sizeof before);
	set_make(4, (const uint8_t[]){ 0, 1, 5, 2 });
	memcpy(values, (const uint64_t[]){ 1, 2, 3, 4 }, 4 * sizeof *values);
	assert_int_equal(set_many(vcpu), -EINVAL); /* 5 takes no odd value */
	assert_memory_equal(before, registers, sizeof before);
	values[2] = 6;
	assert_int_equal(set_many(vcpu), 0);
	assert_int_equal(registers[0], 1);
	assert_int_equal(registers[5], 6);
	assert_int_equal(registers[2], 4);
	vcpu_free(vcpu);
}

static void test_set_is_all_or_nothing(void **state)
{
	(void)state;
	set_is_all_or_nothing(false);
	set_is_all_or_nothing(true);
}

static void order_does_not_matter(bool many)
{
	struct host_vcpu *vcpu = vcpu_new();

	has_many = many;
	registers[7] = 0;
	set_make(2, (const uint8_t[]){ 6, 7 });
	values[0] = 11;
	values[1] = 12;
	assert_int_equal(set_many(vcpu), 0);
	assert_int_equal(registers[6], 11);
	assert_int_equal(registers[7], 12);
	vcpu_free(vcpu);
}

static void test_order_does_not_matter(void **state)
{
	(void)state;
	order_does_not_matter(false);
	order_does_not_matter(true);
}

static void test_list_and_one(void **state)
{
	struct host_vcpu *vcpu = vcpu_new();
	struct { uint64_t n, id[8]; } list = { .n = 8 };
	uint64_t value = 6;
	struct kvm_one_reg reg = { ID(4), (uint64_t)&value };

	(void)state;
	assert_int_equal(registers_list(&host_register_ops, vcpu, &vcpu->room, (unsigned long)&list), 0);
	assert_int_equal(list.n, 8);
	assert_true(list.id[7] == ID(7));
	list.n = 7;
	assert_int_equal(registers_list(&host_register_ops, vcpu, &vcpu->room, (unsigned long)&list), -E2BIG);
	assert_int_equal(list.n, 8);
	assert_int_equal(registers_set_one(&host_register_ops, vcpu, (unsigned long)&reg), 0);
	assert_int_equal(registers[4], 6);
	value = 0;
	assert_int_equal(registers_get_one(&host_register_ops, vcpu, (unsigned long)&reg), 0);
	assert_int_equal(value, 6);
	reg.id = ID(8);
	assert_int_equal(registers_get_one(&host_register_ops, vcpu, (unsigned long)&reg), -ENOENT);
	reg.addr = 8;
	reg.id = ID(1);
	assert_int_equal(registers_get_one(&host_register_ops, vcpu, (unsigned long)&reg), -EFAULT);
	set.n = UINT64_MAX / 16 + 1;
	assert_int_equal(set_many(vcpu), -E2BIG);
	vcpu_free(vcpu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get), cmocka_unit_test(test_kernel_has_many), cmocka_unit_test(test_kernel_sets_many), cmocka_unit_test(test_set_is_all_or_nothing),
		cmocka_unit_test(test_order_does_not_matter), cmocka_unit_test(test_list_and_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
