/*
 * States: what is captured is restored, all of it or nothing; what does not fit is named; files are whole, or refused with the reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <anykvm/kvm.h>
#include <anykvm/state.h>

enum { VCPUS = 2, MEMORY = 1 << 20 };

struct vm {
	int kvm, vm, vcpu[VCPUS];
};

static void cpuid_set(const struct vm *v, int vcpu)
{
	struct { struct kvm_cpuid2 header; struct kvm_cpuid_entry2 entries[256]; } cpuid = { .header.nent = 256 };

	assert_int_equal(anykvm_ioctl(v->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), 0);
	assert_int_equal(anykvm_ioctl(vcpu, KVM_SET_CPUID2, &cpuid), 0);
}

static struct vm vm_open(bool irqchip, bool cpuid)
{
	struct vm v;

	v.kvm = anykvm_open(O_CLOEXEC);
	assert_true(v.kvm >= 0);
	v.vm = anykvm_ioctl(v.kvm, KVM_CREATE_VM, NULL);
	assert_true(v.vm >= 0);
	if (irqchip)
		assert_int_equal(anykvm_ioctl(v.vm, KVM_CREATE_IRQCHIP, NULL), 0);
	for (size_t i = 0; i < VCPUS; i++) {
		v.vcpu[i] = anykvm_ioctl(v.vm, KVM_CREATE_VCPU, (void *)i);
		assert_true(v.vcpu[i] >= 0);
		if (cpuid)
			cpuid_set(&v, v.vcpu[i]);
	}
	return v;
}

static void vm_close(const struct vm *v)
{
	for (size_t i = 0; i < VCPUS; i++)
		anykvm_close(v->vcpu[i]);
	anykvm_close(v->vm);
	anykvm_close(v->kvm);
}

static void set(int vcpu, const char *name, const char *value)
{
	if (anykvm_reg_set_text(vcpu, name, value))
		fail_msg("%s: %s", name, anykvm_refusal()->reason);
}

static void assert_is(int vcpu, const char *name, const char *value)
{
	char text[ANYKVM_VALUE_ROOM];

	assert_int_equal(anykvm_reg_get_text(vcpu, name, text, sizeof text), 0);
	assert_string_equal(text, value);
}

/* Something in every kind of register. */
static void fill(const struct vm *v)
{
	static const char *const values[][2] = {
		{ "rax", "0x1122334455667788" }, { "r15", "0xfedcba9876543210" }, { "rip", "0x1234" }, { "rflags", "0x246" }, { "cr2", "0xdead000" }, { "cr8", "0x5" },
		{ "dr0", "0x1000" }, { "dr7", "0x401" }, { "xcr0", "0x7" }, { "st0", "0x3fff_8000000000000000" }, { "fcw", "0x27f" }, { "mxcsr", "0x1f80" },
		{ "xmm1", "0x1111111111111111_2222222222222222" }, { "ymm9", "0x1_0000000000000002_0000000000000003_0000000000000004" }, { "lstar", "0xffffffff81000000" },
		{ "kernel_gs_base", "0xffff888000000000" }, { "pat", "0x0007040600070406" }, { "gs_base", "0x7000" }, { "tr_base", "0x9000" }, { "gdtr_base", "0x5000" },
	};

	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		set(v->vcpu[0], values[i][0], values[i][1]);
	set(v->vcpu[1], "rax", "1");
}

static struct anykvm_state *captured(const struct vm *v)
{
	struct anykvm_state *state = anykvm_state_capture(v->vm, v->vcpu, VCPUS);

	if (!state)
		fail_msg("capture: %s", anykvm_refusal()->reason);
	return state;
}

struct seen {
	char names[16][64];
	int count;
};

static void see(void *context, const struct anykvm_difference *difference)
{
	struct seen *seen = context;

	if (seen->count < 16)
		snprintf(seen->names[seen->count], sizeof seen->names[0], "%s", difference->name);
	seen->count++;
}

/* The time stamp counters go on. */
static void assert_same(const struct anykvm_state *a, const struct anykvm_state *b)
{
	struct seen seen = { 0 };

	assert_true(anykvm_state_diff(a, b, see, &seen) >= 0);
	for (int i = 0; i < seen.count; i++)
		if (strcmp(seen.names[i], "tsc") && strcmp(seen.names[i], "clock"))
			fail_msg("%s differs", seen.names[i]);
}

static const struct anykvm_misfit *misfit(const struct anykvm_report *report, const char *name)
{
	for (size_t i = 0; i < anykvm_report_count(report); i++)
		if (!strcmp(anykvm_report_at(report, i)->name, name))
			return anykvm_report_at(report, i);
	fail_msg("%s is not among the %zu misfits", name, anykvm_report_count(report));
	return NULL;
}

/* ---- Capture and restore. ---- */

static void test_round_trip(void **unused)
{
	for (int irqchip = 0; irqchip < 2; irqchip++) {
		struct vm from = vm_open(irqchip, true), to = vm_open(irqchip, false);
		struct anykvm_report *report = anykvm_report_new();
		struct anykvm_state *state, *again;
		size_t count;

		(void)unused;
		fill(&from);
		if (irqchip)
			set(from.vcpu[1], "mp_state", "0"); /* it waits for a start-up interrupt otherwise */
		state = captured(&from);
		assert_int_equal(anykvm_state_vcpus(state), VCPUS);
		assert_int_equal(anykvm_state_arch(state), KVM_REG_X86);
		anykvm_state_parts(state, 0, &count);
		assert_int_equal(count, irqchip ? 2 : 1);
		if (anykvm_state_restore(state, to.vm, to.vcpu, VCPUS, NULL, 0, report))
			fail_msg("restore: %s", anykvm_refusal()->reason);
		assert_int_equal(anykvm_report_count(report), 0);
		again = captured(&to);
		assert_same(state, again);
		assert_is(to.vcpu[0], "ymm9", "0x0000000000000001_0000000000000002_0000000000000003_0000000000000004");
		assert_is(to.vcpu[1], "mp_state", "0x0");
		/* A second time into the same state object, in place. */
		set(to.vcpu[0], "rax", "7");
		assert_int_equal(anykvm_state_recapture(again, to.vm, to.vcpu, VCPUS), 0);
		assert_int_equal(*(uint64_t *)anykvm_state_reg(again, 0, ANYKVM_X86_REG(ANYKVM_X86_TYPE_GENERAL, KVM_REG_SIZE_U64, 0)), 7);
		anykvm_state_free(again);
		anykvm_state_free(state);
		anykvm_report_free(report);
		vm_close(&from);
		vm_close(&to);
	}
}

static uint64_t *value(struct anykvm_state *state, size_t vcpu, const char *name)
{
	uint64_t id;

	assert_int_equal(anykvm_reg_parse(KVM_REG_X86, name, &id), 0);
	return anykvm_state_reg(state, vcpu, id);
}

static void test_all_or_nothing(void **unused)
{
	struct vm from = vm_open(false, true), to = vm_open(false, true);
	struct anykvm_report *report = anykvm_report_new();
	struct anykvm_state *state, *before, *after;

	(void)unused;
	fill(&from);
	state = captured(&from);
	*value(state, 1, "cr4") = 1ULL << 63;
	before = captured(&to);
	assert_int_equal(anykvm_state_restore(state, to.vm, to.vcpu, VCPUS, NULL, 0, report), -1);
	assert_int_equal(errno, EINVAL);
	assert_non_null(strstr(anykvm_refusal()->reason, "cr4"));
	assert_int_equal(anykvm_report_count(report), 1);
	assert_int_equal(misfit(report, "cr4")->vcpu, 1);
	assert_string_equal(misfit(report, "cr4")->saved, "0x8000000000000000");
	after = captured(&to);
	assert_same(before, after);
	anykvm_state_free(after);
	/* The same without a rehearsal: undone. */
	assert_int_equal(anykvm_state_restore(state, to.vm, to.vcpu, VCPUS, NULL, ANYKVM_RESTORE_UNREHEARSED, NULL), -1);
	after = captured(&to);
	assert_same(before, after);
	anykvm_state_free(after);
	/* What fits, when that is wanted. */
	anykvm_report_free(report);
	report = anykvm_report_new();
	assert_int_equal(anykvm_state_restore(state, to.vm, to.vcpu, VCPUS, NULL, ANYKVM_RESTORE_BEST_EFFORT, report), 0);
	assert_int_equal(anykvm_report_count(report), 1);
	assert_is(to.vcpu[0], "rax", "0x1122334455667788");
	assert_is(to.vcpu[1], "rax", "0x1");
	assert_is(to.vcpu[1], "cr4", "0x0");
	anykvm_report_free(report);
	anykvm_state_free(before);
	anykvm_state_free(state);
	vm_close(&from);
	vm_close(&to);
}

static void test_wrong_vms(void **unused)
{
	struct vm v = vm_open(false, true);
	struct anykvm_state *state = captured(&v);

	(void)unused;
	assert_int_equal(anykvm_state_restore(state, v.vm, v.vcpu, 1, NULL, 0, NULL), -1);
	assert_non_null(strstr(anykvm_refusal()->reason, "2 vCPUs"));
	assert_int_equal(anykvm_state_recapture(state, v.vm, v.vcpu, 1), -1);
	assert_null(anykvm_state_capture(v.vm, &(int){ 999 }, 1));
	assert_int_equal(errno, EBADF);
	anykvm_state_free(state);
	vm_close(&v);
}

/* ---- Policies. ---- */

static void test_policy(void **unused)
{
	static const char text[] = "# reviewed\nignore dr*\nset rax 0x5 # a number\n\n  clear cr8 0x1\nset MSR_LSTAR 0x1000\nignore lstar\nset lstar 0x2000\n";
	struct vm from = vm_open(false, true), to = vm_open(false, false);
	struct anykvm_policy *policy = anykvm_policy_parse(text);
	struct anykvm_state *state;

	(void)unused;
	assert_non_null(policy);
	fill(&from);
	state = captured(&from);
	assert_int_equal(anykvm_state_restore(state, to.vm, to.vcpu, VCPUS, policy, 0, NULL), 0);
	assert_is(to.vcpu[0], "rax", "0x5");
	assert_is(to.vcpu[0], "dr0", "0x0");
	assert_is(to.vcpu[0], "cr8", "0x4");
	assert_is(to.vcpu[0], "lstar", "0x2000");
	assert_is(to.vcpu[0], "r15", "0xfedcba9876543210");
	anykvm_policy_free(policy);
	policy = anykvm_policy_parse("equal cr2\n");
	assert_int_equal(anykvm_state_restore(state, to.vm, to.vcpu, VCPUS, policy, 0, NULL), -1);
	assert_non_null(strstr(anykvm_refusal()->reason, "cr2"));
	anykvm_policy_free(policy);
	anykvm_state_free(state);
	vm_close(&from);
	vm_close(&to);
}

static void test_bad_policy(void **unused)
{
	static const char *const texts[][2] = {
		{ "forget rax", "line 1" }, { "\n\nset rax", "line 3" }, { "set rax ten", "ten" }, { "ignore", "line 1" }, { "clear cr4 0xfffz", "0xfffz" }, { "ignore  # all", "line 1" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_null(anykvm_policy_parse(texts[i][0]));
		assert_int_equal(errno, EINVAL);
		if (!strstr(anykvm_refusal()->reason, texts[i][1]))
			fail_msg("\"%s\" does not speak of %s", anykvm_refusal()->reason, texts[i][1]);
	}
}

/* ---- Profiles. ---- */

/* The profile's text without the lines that have a word. */
static char *without(const char *text, const char *word)
{
	char *copy = strdup(text), *result = calloc(1, strlen(text) + 2), *rest = copy, *line;

	while ((line = strsep(&rest, "\n")))
		if (!strstr(line, word))
			strcat(strcat(result, line), "\n");
	free(copy);
	return result;
}

static void test_profile(void **unused)
{
	struct vm v = vm_open(false, true);
	struct anykvm_profile *profile = anykvm_profile_take(v.kvm);
	struct anykvm_report *report = anykvm_report_new();
	struct anykvm_state *state;
	char *text, *again, *less;

	(void)unused;
	assert_non_null(profile);
	text = anykvm_profile_print(profile);
	anykvm_profile_free(profile);
	profile = anykvm_profile_parse(text);
	assert_non_null(profile);
	again = anykvm_profile_print(profile);
	assert_string_equal(text, again);
	free(again);
	fill(&v);
	state = captured(&v);
	assert_int_equal(anykvm_state_check_profile(state, profile, NULL, report), 0);
	anykvm_profile_free(profile);
	/* A KVM without AVX: the register with an upper half is named, those without say nothing that xmm does not. */
	less = without(text, "# ymm");
	profile = anykvm_profile_parse(less);
	assert_int_equal(anykvm_state_check_profile(state, profile, NULL, report), 1);
	assert_int_equal(misfit(report, "ymm9")->vcpu, 0);
	assert_string_equal(misfit(report, "ymm9")->remedy, "ignore ymm9");
	anykvm_profile_free(profile);
	free(less);
	/* Of what CPUID tells the guest, nothing may be missing. */
	less = without(text, "cpuid 0x1 ");
	profile = anykvm_profile_parse(less);
	assert_true(anykvm_state_check_profile(state, profile, NULL, report) > 0);
	assert_non_null(strstr(misfit(report, "cpuid.0x1.0.ecx")->field, "sse4_2"));
	anykvm_profile_free(profile);
	free(less);
	assert_null(anykvm_profile_parse("anykvm-profile 2\n"));
	assert_non_null(strstr(anykvm_refusal()->reason, "line 1"));
	assert_null(anykvm_profile_parse("anykvm-profile 1\narch x86\nreg 0x2030\n"));
	assert_non_null(strstr(anykvm_refusal()->reason, "line 3"));
	assert_null(anykvm_profile_parse("anykvm-profile 1\n"));
	free(text);
	anykvm_report_free(report);
	anykvm_state_free(state);
	vm_close(&v);
}

static void test_check(void **unused)
{
	struct vm v = vm_open(false, true);
	struct anykvm_report *report = anykvm_report_new();
	struct anykvm_state *state;

	(void)unused;
	fill(&v);
	state = captured(&v);
	assert_int_equal(anykvm_state_check(state, v.kvm, NULL, report), 0);
	*value(state, 0, "efer") = 1 << 1;
	*value(state, 0, "xcr0") = 0;
	assert_int_equal(anykvm_state_check(state, v.kvm, NULL, report), 2);
	assert_string_equal(misfit(report, "xcr0")->saved, "0x0");
	assert_non_null(misfit(report, "efer"));
	anykvm_report_free(report);
	anykvm_state_free(state);
	vm_close(&v);
}

/* ---- Files. ---- */

static uint8_t *memory_new(void)
{
	uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	memset(memory + 0x5000, 0xa5, 100);
	memory[MEMORY - 1] = 1;
	return memory;
}

static struct anykvm_state *captured_with_memory(const struct vm *v, uint8_t *memory)
{
	struct anykvm_state *state = captured(v);
	const struct anykvm_state_memory pieces[] = { { .address = 0, .size = MEMORY / 2, .host = memory, .slot = 3 },
						      { .address = 0x100000000, .size = MEMORY / 2, .host = memory + MEMORY / 2, .flags = 2 } };

	assert_int_equal(anykvm_state_memory_add(state, &pieces[0]), 0);
	assert_int_equal(anykvm_state_memory_add(state, &pieces[1]), 0);
	assert_int_equal(anykvm_state_memory_add(state, &(struct anykvm_state_memory){ .address = 1, .size = 4096, .host = memory }), -1);
	return state;
}

static void assert_memory(const struct anykvm_state *state, const uint8_t *memory)
{
	size_t count;
	const struct anykvm_state_memory *pieces = anykvm_state_memory(state, &count);

	assert_int_equal(count, 2);
	assert_int_equal(pieces[0].slot, 3);
	assert_int_equal(pieces[1].flags, 2);
	assert_int_equal(pieces[1].address, 0x100000000);
	assert_memory_equal(pieces[0].host, memory, MEMORY / 2);
	assert_memory_equal(pieces[1].host, memory + MEMORY / 2, MEMORY / 2);
}

static void test_file(void **unused)
{
	char path[] = "/tmp/anykvm-state.XXXXXX";
	struct vm v = vm_open(true, true);
	uint8_t *memory = memory_new();
	struct anykvm_state *state, *loaded;
	struct stat stat_now;

	(void)unused;
	fill(&v);
	state = captured_with_memory(&v, memory);
	close(mkstemp(path));
	assert_int_equal(anykvm_state_save(state, path, NULL), 0);
	assert_int_equal(stat(path, &stat_now), 0);
	assert_true(stat_now.st_size > MEMORY);
	assert_true(stat_now.st_blocks * 512 < MEMORY / 2); /* holes */
	loaded = anykvm_state_load(path, NULL);
	assert_non_null(loaded);
	assert_int_equal(anykvm_state_diff(state, loaded, NULL, NULL), 0);
	assert_string_equal(anykvm_state_origin(loaded), anykvm_state_origin(state));
	assert_memory(loaded, memory);
	anykvm_state_free(loaded);
	assert_int_equal(anykvm_state_save(state, "/nowhere/state", NULL), -1);
	assert_int_equal(errno, ENOENT);
	assert_null(anykvm_state_load("/nowhere/state", NULL));
	unlink(path);
	anykvm_state_free(state);
	munmap(memory, MEMORY);
	vm_close(&v);
}

struct stream {
	const struct anykvm_state *state;
	int fd, result;
};

static void *stream_write(void *argument)
{
	struct stream *stream = argument;

	stream->result = anykvm_state_write(stream->state, stream->fd, NULL);
	close(stream->fd);
	return NULL;
}

static void test_pipe(void **unused)
{
	struct vm v = vm_open(true, true);
	uint8_t *memory = memory_new();
	struct anykvm_state *state, *loaded;
	struct stream stream;
	pthread_t thread;
	int pipes[2];

	(void)unused;
	fill(&v);
	state = captured_with_memory(&v, memory);
	assert_int_equal(pipe(pipes), 0);
	stream = (struct stream){ state, pipes[1], 0 };
	assert_int_equal(pthread_create(&thread, NULL, stream_write, &stream), 0);
	loaded = anykvm_state_read(pipes[0], NULL);
	pthread_join(thread, NULL);
	assert_int_equal(stream.result, 0);
	assert_non_null(loaded);
	assert_int_equal(anykvm_state_diff(state, loaded, NULL, NULL), 0);
	assert_memory(loaded, memory);
	close(pipes[0]);
	anykvm_state_free(loaded);
	anykvm_state_free(state);
	munmap(memory, MEMORY);
	vm_close(&v);
}

/* The file's bytes in a memfd of `size` bytes, one of them changed. */
static int changed_file(const uint8_t *bytes, size_t size, size_t at, uint8_t with)
{
	int fd = memfd_create("state", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	if (at < size)
		assert_int_equal(pwrite(fd, &with, 1, (off_t)at), 1);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void test_broken_files(void **unused)
{
	struct vm v = vm_open(false, true);
	uint8_t *memory = memory_new(), *bytes;
	struct anykvm_state *state, *loaded;
	const struct anykvm_state_memory piece = { .address = 0x1000, .size = 0x1000, .host = memory + 0x5000 };
	int fd = memfd_create("state", MFD_CLOEXEC), broken;
	size_t size;

	(void)unused;
	fill(&v);
	state = captured(&v);
	assert_int_equal(anykvm_state_memory_add(state, &piece), 0);
	assert_int_equal(anykvm_state_write(state, fd, NULL), 0);
	size = (size_t)lseek(fd, 0, SEEK_END);
	bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(bytes != MAP_FAILED);
	/* Cut short anywhere. */
	for (size_t length = 0; length < size; length += 1 + size / 500) {
		broken = changed_file(bytes, length, size, 0);
		assert_null(anykvm_state_read(broken, NULL));
		assert_int_equal(errno, EINVAL);
		assert_true(strlen(anykvm_refusal()->reason) > 10);
		close(broken);
	}
	/* Any byte of what the file says changed. The ELF header's other words, padding and what other tools read may be anything. */
	for (size_t at = 0xb0; at < size; at += 1 + size / 1500) {
		broken = changed_file(bytes, size, at, bytes[at] ^ 0x40);
		loaded = anykvm_state_read(broken, NULL);
		if (loaded) {
			assert_int_equal(anykvm_state_diff(state, loaded, NULL, NULL), 0);
			anykvm_state_free(loaded);
		}
		close(broken);
	}
	broken = changed_file((const uint8_t *)"not at all", 10, 99, 0);
	assert_null(anykvm_state_read(broken, NULL));
	close(broken);
	munmap(bytes, size);
	close(fd);
	anykvm_state_free(state);
	munmap(memory, MEMORY);
	vm_close(&v);
}

/* ---- Texts. ---- */

static void test_explain(void **unused)
{
	static const uint64_t pg = 0x80000033, no_pg = 0x60000010;
	struct kvm_segment segment[1] = { { .base = 0x1000, .selector = 8, .limit = 0xffff, .present = 1 } };
	uint8_t room[32] = { 0 };
	char text[512];
	uint64_t cr0, rax;

	(void)unused;
	assert_int_equal(anykvm_reg_parse(KVM_REG_X86, "cr0", &cr0), 0);
	assert_int_equal(anykvm_reg_explain(cr0, &pg, text, sizeof text), 0);
	assert_string_equal(text, "PE MP ET NE PG");
	assert_int_equal(anykvm_reg_explain_difference(cr0, &pg, &no_pg, text, sizeof text), 0);
	assert_string_equal(text, "PE 1 -> 0, MP 1 -> 0, NE 1 -> 0, NW 0 -> 1, CD 0 -> 1, PG 1 -> 0");
	assert_int_equal(anykvm_reg_explain(cr0, &pg, text, 4), -ENOSPC);
	assert_int_equal(anykvm_reg_parse(KVM_REG_X86, "rax", &rax), 0);
	assert_int_equal(anykvm_reg_explain(rax, &pg, text, sizeof text), -ENOENT);
	memcpy(room, segment, sizeof segment);
	assert_int_equal(anykvm_reg_explain(ANYKVM_X86_REG(ANYKVM_X86_TYPE_SEGMENT, KVM_REG_SIZE_U256, 0), room, text, sizeof text), 0);
	assert_non_null(strstr(text, "selector 0x8 base 0x1000"));
}

/* ---- Xen guests. ---- */

static void xen_set(int vcpu, uint16_t type, uint64_t value)
{
	struct kvm_xen_vcpu_attr attribute = { .type = type };

	memcpy(&attribute.u, &value, sizeof value);
	assert_int_equal(anykvm_ioctl(vcpu, KVM_XEN_VCPU_SET_ATTR, &attribute), 0);
}

static void memory_give(const struct vm *v, uint8_t *memory)
{
	struct kvm_userspace_memory_region slot = { .memory_size = MEMORY, .userspace_addr = (uintptr_t)memory };

	assert_int_equal(anykvm_ioctl(v->vm, KVM_SET_USER_MEMORY_REGION, &slot), 0);
}

/* What the VM's and vCPUs' attributes are goes with them: pages, ids, vectors, a timer that is pending. */
static void test_xen(void **unused)
{
	struct kvm_xen_hvm_attr page = { .type = KVM_XEN_ATTR_TYPE_SHARED_INFO, .u.shared_info.gfn = 2 }, mode = { .type = KVM_XEN_ATTR_TYPE_LONG_MODE, .u.long_mode = 1 };
	struct kvm_xen_vcpu_attr timer = { .type = KVM_XEN_VCPU_ATTR_TYPE_TIMER, .u.timer = { .port = 5, .priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL, .expires_ns = 1ULL << 50 } };
	struct kvm_xen_hvm_config config = { .flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL | KVM_XEN_HVM_CONFIG_EVTCHN_SEND, .msr = 0x40000000 };
	struct vm from = vm_open(true, true), to = vm_open(true, true);
	uint8_t *memory = memory_new(), *other = memory_new();
	struct anykvm_state *state, *again;

	(void)unused;
	fill(&from);
	memory_give(&from, memory);
	memory_give(&to, other);
	assert_int_equal(anykvm_ioctl(from.vm, KVM_XEN_HVM_CONFIG, &config), 0);
	assert_int_equal(anykvm_ioctl(to.vm, KVM_XEN_HVM_CONFIG, &config), 0);
	assert_int_equal(anykvm_ioctl(from.vm, KVM_XEN_HVM_SET_ATTR, &mode), 0);
	assert_int_equal(anykvm_ioctl(from.vm, KVM_XEN_HVM_SET_ATTR, &page), 0);
	for (unsigned int i = 0; i < VCPUS; i++) {
		xen_set(from.vcpu[i], KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID, 7 + i);
		xen_set(from.vcpu[i], KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, 0x3000 + 0x40 * i);
		xen_set(from.vcpu[i], KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR, 0x60 + i);
		assert_int_equal(anykvm_ioctl(from.vcpu[i], KVM_XEN_VCPU_SET_ATTR, &timer), 0);
	}
	state = anykvm_state_capture(from.vm, from.vcpu, VCPUS);
	assert_non_null(state);
	if (anykvm_state_restore(state, to.vm, to.vcpu, VCPUS, NULL, 0, NULL))
		fail_msg("%s", anykvm_refusal()->reason);
	again = anykvm_state_capture(to.vm, to.vcpu, VCPUS);
	assert_non_null(again);
	for (int i = -1; i < VCPUS; i++) {
		size_t count, others, xen = 0;
		const struct anykvm_state_part *parts = anykvm_state_parts(state, i, &count), *same = anykvm_state_parts(again, i, &others);

		assert_int_equal(count, others);
		for (size_t k = 0; k < count; k++) {
			if (strncmp(parts[k].name, "xen.", 4))
				continue;
			xen++;
			assert_string_equal(parts[k].name, same[k].name);
			assert_memory_equal(parts[k].bytes, same[k].bytes, parts[k].size);
		}
		assert_true(xen >= (i < 0 ? 4 : 5));
	}
	anykvm_state_free(again);
	anykvm_state_free(state);
	vm_close(&from);
	vm_close(&to);
	munmap(memory, MEMORY);
	munmap(other, MEMORY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_all_or_nothing), cmocka_unit_test(test_wrong_vms), cmocka_unit_test(test_policy),
		cmocka_unit_test(test_bad_policy), cmocka_unit_test(test_profile), cmocka_unit_test(test_check), cmocka_unit_test(test_xen), cmocka_unit_test(test_file),
		cmocka_unit_test(test_pipe), cmocka_unit_test(test_broken_files), cmocka_unit_test(test_explain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
