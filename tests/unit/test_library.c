/*
 * libanykvm as a program without the preload face uses it: KVMs side by side, registers by id and by name, and why a call was refused.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include <anykvm/anykvm.h>
#include <anykvm/kvm.h>

struct vm {
	int kvm, vm, vcpu;
};

static struct vm vm_open(void)
{
	struct vm v;

	v.kvm = anykvm_open(0);
	assert_true(v.kvm >= 0);
	v.vm = anykvm_ioctl(v.kvm, KVM_CREATE_VM, NULL);
	assert_true(v.vm >= 0);
	v.vcpu = anykvm_ioctl(v.vm, KVM_CREATE_VCPU, NULL);
	assert_true(v.vcpu >= 0);
	return v;
}

static void vm_close(struct vm *v)
{
	assert_int_equal(anykvm_close(v->vcpu), 0);
	assert_int_equal(anykvm_close(v->vm), 0);
	assert_int_equal(anykvm_close(v->kvm), 0);
}

static void assert_refused(int result, int error, int entry, const char *word)
{
	assert_int_equal(result, -1);
	assert_int_equal(errno, error);
	assert_int_equal(anykvm_refusal()->error, error);
	assert_int_equal(anykvm_refusal()->entry, entry);
	if (!strstr(anykvm_refusal()->reason, word))
		fail_msg("the reason \"%s\" does not speak of \"%s\"", anykvm_refusal()->reason, word);
}

static void test_open(void **state)
{
	int fd = anykvm_open_accel(ANYKVM_ACCEL_SOFT, KVM_REG_X86, 0), pipes[2];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(anykvm_ioctl(fd, KVM_GET_API_VERSION, NULL), KVM_API_VERSION);
	assert_int_equal(anykvm_accel(fd), ANYKVM_ACCEL_SOFT);
	assert_true(anykvm_arch(fd) == KVM_REG_X86);
	assert_int_equal(anykvm_close(fd), 0);
	assert_refused(anykvm_open_accel(ANYKVM_ACCEL_SOFT, KVM_REG_PPC, 0), EINVAL, -1, "guests");
	assert_refused(anykvm_open_accel((enum anykvm_accel)77, 0, 0), EINVAL, -1, "accel");
	assert_int_equal(pipe(pipes), 0);
	assert_refused(anykvm_ioctl(pipes[0], KVM_GET_API_VERSION, NULL), EBADF, -1, "");
	assert_refused(anykvm_accel(pipes[0]), EBADF, -1, "libanykvm");
	assert_true(anykvm_arch(-1) == 0);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_side_by_side(void **state)
{
	struct vm vms[8];
	uint64_t value;

	(void)state;
	for (uint64_t i = 0; i < 8; i++) {
		vms[i] = vm_open();
		assert_int_equal(anykvm_reg_set(vms[i].vcpu, ANYKVM_X86_REG(ANYKVM_X86_TYPE_GENERAL, KVM_REG_SIZE_U64, 3), &i), 0);
	}
	for (uint64_t i = 0; i < 8; i++) {
		assert_int_equal(anykvm_reg_get(vms[i].vcpu, ANYKVM_X86_REG(ANYKVM_X86_TYPE_GENERAL, KVM_REG_SIZE_U64, 3), &value), 0);
		assert_int_equal(value, i);
		vm_close(&vms[i]);
	}
}

static void test_list(void **state)
{
	struct vm v = vm_open();
	uint64_t ids[1024], few[3] = { 7, 7, 7 };
	int count = anykvm_reg_list(v.vcpu, NULL, 0);

	(void)state;
	assert_true(count > 100 && count < 1024);
	assert_int_equal(anykvm_reg_list(v.vcpu, few, 3), count);
	assert_int_equal(few[0], 7);
	assert_int_equal(anykvm_reg_list(v.vcpu, ids, 1024), count);
	/* Every register has a name, and by it reads and writes back. */
	for (int i = 0; i < count; i++) {
		char name[ANYKVM_REG_NAME_ROOM], text[ANYKVM_VALUE_ROOM];
		uint64_t id;

		assert_int_equal(anykvm_reg_name(ids[i], name, sizeof name), 0);
		assert_int_equal(anykvm_reg_parse(KVM_REG_X86, name, &id), 0);
		assert_true(id == ids[i]);
		assert_int_equal(anykvm_reg_get_text(v.vcpu, name, text, sizeof text), 0);
		assert_int_equal(anykvm_reg_set_text(v.vcpu, name, text), 0);
	}
	assert_refused(anykvm_reg_list(v.vm, ids, 1024), ENOTTY, -1, "");
	vm_close(&v);
}

static void test_names(void **state)
{
	struct vm v = vm_open();
	char text[ANYKVM_VALUE_ROOM];

	(void)state;
	assert_int_equal(anykvm_reg_set_text(v.vcpu, "rbx", "0xdead_beef"), 0);
	assert_int_equal(anykvm_reg_get_text(v.vcpu, "RBX", text, sizeof text), 0);
	assert_string_equal(text, "0xdeadbeef");
	assert_int_equal(anykvm_reg_set_text(v.vcpu, "r8", "-1"), 0);
	assert_int_equal(anykvm_reg_get_text(v.vcpu, "r8", text, sizeof text), 0);
	assert_string_equal(text, "0xffffffffffffffff");
	assert_int_equal(anykvm_reg_set_text(v.vcpu, "msr 0xc0000082", "0x1000"), 0);
	assert_int_equal(anykvm_reg_get_text(v.vcpu, "lstar", text, sizeof text), 0);
	assert_string_equal(text, "0x1000");
	assert_refused(anykvm_reg_get_text(v.vcpu, "rxb", text, sizeof text), ENOENT, -1, "did you mean");
	assert_refused(anykvm_reg_set_text(v.vcpu, "cs", "0x10000"), ERANGE, -1, "16 bits");
	assert_refused(anykvm_reg_set_text(v.vcpu, "cs", "many"), EINVAL, -1, "no number");
	assert_refused(anykvm_reg_get_text(v.vcpu, "rbx", text, 3), ENOSPC, -1, "");
	assert_refused(anykvm_reg_get_text(-1, "rbx", text, sizeof text), EBADF, -1, "libanykvm");
	vm_close(&v);
}

static void test_transaction(void **state)
{
	static const char *const names[] = { "cr0", "cr4", "efer", "cs_attributes", "cr3", "rip" };
	uint64_t values[] = { 0x80000031, 0x20, 0x500, 0xa09b, 0x2000, 0x1000 }, value;
	struct kvm_one_reg regs[6];
	struct vm v = vm_open();

	(void)state;
	for (unsigned int i = 0; i < 6; i++) {
		uint64_t id;

		assert_int_equal(anykvm_reg_parse(KVM_REG_X86, names[i], &id), 0);
		regs[i] = (struct kvm_one_reg){ .id = id, .addr = (uintptr_t)&values[i] };
	}
	assert_int_equal(anykvm_regs_set(v.vcpu, regs, 6), 0);
	memset(values, 0, sizeof values);
	assert_int_equal(anykvm_regs_get(v.vcpu, regs, 6), 0);
	assert_int_equal(values[0], 0x80000031);
	assert_int_equal(values[5], 0x1000);
	/* One that is refused names itself, and the others stay. */
	values[5] = 0x9999;
	values[4] = UINT64_MAX;
	assert_refused(anykvm_regs_set(v.vcpu, regs, 6), EINVAL, -1, "cr3");
	assert_int_equal(anykvm_reg_get(v.vcpu, regs[5].id, &value), 0);
	assert_int_equal(value, 0x1000);
	regs[2].id = KVM_X86_REG_MSR(0xdead0000);
	assert_refused(anykvm_regs_get(v.vcpu, regs, 6), EINVAL, 2, "reg[2] msr 0xdead0000");
	assert_refused(anykvm_regs_get(v.vcpu, regs, SIZE_MAX), E2BIG, -1, "1024");
	assert_int_equal(anykvm_regs_get(v.vcpu, regs, 0), 0);
	assert_int_equal(anykvm_refusal()->error, 0);
	vm_close(&v);
}

/* Each thread has its own refusal, whatever the others do meanwhile. */
static void *refusing(void *argument)
{
	struct vm v = vm_open();
	uintptr_t good = 0;

	for (int i = 0; i < 2000; i++) {
		char name[ANYKVM_REG_NAME_ROOM], text[ANYKVM_VALUE_ROOM];

		memcpy(name, "nothing_like_0", 15);
		name[13] = (char)('0' + (uintptr_t)argument);
		good += anykvm_reg_get_text(v.vcpu, name, text, sizeof text) == -1 && strstr(anykvm_refusal()->reason, name) != NULL;
	}
	vm_close(&v);
	return (void *)good;
}

static void test_threads(void **state)
{
	pthread_t threads[4];

	(void)state;
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, refusing, (void *)i), 0);
	for (unsigned int i = 0; i < 4; i++) {
		void *good;

		pthread_join(threads[i], &good);
		assert_int_equal((uintptr_t)good, 2000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open), cmocka_unit_test(test_side_by_side), cmocka_unit_test(test_list), cmocka_unit_test(test_names),
		cmocka_unit_test(test_transaction), cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
