/*
 * --trace: each KVM ioctl on one line, as strace would show it if it knew KVM. Reads the program's memory only through fault-safe
 * copies, after the call. What only one architecture has is in trace_x86.c and trace_arm64.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "anykvm/kvm.h"
#include "anykvm/reg.h"
#include "core/call.h"
#include "core/names.h"
#include "core/object.h"
#include "core/user.h"
#include "core/why.h"
#include "shim/shim.h"
#include "shim/trace.h"

static int output = -1;

void add(struct line *line, const char *format, ...)
{
	va_list list;
	int length;

	va_start(list, format);
	length = vsnprintf(line->text + line->used, sizeof line->text - line->used, format, list);
	va_end(list);
	if (length > 0)
		line->used += (size_t)length;
	if (line->used >= sizeof line->text - 1)
		line->used = sizeof line->text - 2;
}

/* ---- Arguments, one function a kind. ---- */

static void show_region(struct line *line, const void *data, long result)
{
	const struct kvm_userspace_memory_region *r = data;

	(void)result;
	add(line, "{slot=%u, flags=0x%x, guest_phys_addr=0x%llx, memory_size=0x%llx, userspace_addr=0x%llx}", r->slot, r->flags,
	    r->guest_phys_addr, r->memory_size, r->userspace_addr);
}

static void show_mp_state(struct line *line, const void *data, long result)
{
	(void)result;
	add(line, "{mp_state=%u}", ((const struct kvm_mp_state *)data)->mp_state);
}

static void show_enable_cap(struct line *line, const void *data, long result)
{
	const struct kvm_enable_cap *c = data;
	char room[NAME_ROOM];

	(void)result;
	add(line, "{cap=%s, flags=0x%x, args=[0x%llx, 0x%llx]}", name_or_number(name_capability(c->cap), c->cap, room), c->flags, c->args[0], c->args[1]);
}

static void show_translation(struct line *line, const void *data, long result)
{
	const struct kvm_translation *t = data;

	(void)result;
	add(line, "{linear_address=0x%llx, physical_address=0x%llx, valid=%u}", t->linear_address, t->physical_address, t->valid);
}

static void show_dirty_log(struct line *line, const void *data, long result)
{
	(void)result;
	add(line, "{slot=%u}", ((const struct kvm_dirty_log *)data)->slot);
}

void show_count(struct line *line, const void *data, long result)
{
	(void)result;
	add(line, "{n=%u, ...}", *(const uint32_t *)data);
}

/* ---- Registers: by name, with their values as far as they can be read. ---- */

static void add_register(struct line *line, const struct kvm_one_reg *reg)
{
	char name[ANYKVM_REG_NAME_ROOM], text[ANYKVM_VALUE_ROOM];
	uint8_t value[ANYKVM_REG_SIZE_MAX];
	size_t size = anykvm_reg_size(reg->id);

	if (anykvm_reg_name(reg->id, name, sizeof name))
		add(line, "0x%llx", (unsigned long long)reg->id);
	else
		add(line, "%s", name);
	if (size && !user_read(value, reg->addr, size) && !anykvm_value_print(value, size, text, sizeof text))
		add(line, "=%s", text);
}

static void show_one_reg(struct line *line, const void *data, long result)
{
	(void)result;
	add(line, "{");
	add_register(line, data);
	add(line, "}");
}

static void add_many_regs(struct line *line, unsigned long arg)
{
	struct kvm_one_reg reg;
	uint64_t n;

	if (user_read(&n, arg, sizeof n)) {
		add(line, "0x%lx", arg);
		return;
	}
	add(line, "{n=%llu, [", (unsigned long long)n);
	for (uint64_t i = 0; i < n && i < 4; i++) {
		if (user_read(&reg, arg + sizeof n + i * sizeof reg, sizeof reg))
			break;
		add(line, i ? ", " : "");
		add_register(line, &reg);
	}
	add(line, n > 4 ? ", ...]}" : "]}");
}

/* The calls that are the same on every architecture. */
static const struct trace_show shows[] = {
	{ (unsigned int)KVM_SET_USER_MEMORY_REGION, sizeof(struct kvm_userspace_memory_region), show_region },
	{ (unsigned int)KVM_SET_USER_MEMORY_REGION2, sizeof(struct kvm_userspace_memory_region), show_region },
	{ (unsigned int)KVM_GET_MP_STATE, sizeof(struct kvm_mp_state), show_mp_state },
	{ (unsigned int)KVM_SET_MP_STATE, sizeof(struct kvm_mp_state), show_mp_state },
	{ (unsigned int)KVM_ENABLE_CAP, sizeof(struct kvm_enable_cap), show_enable_cap },
	{ (unsigned int)KVM_TRANSLATE, sizeof(struct kvm_translation), show_translation },
	{ (unsigned int)KVM_GET_DIRTY_LOG, sizeof(struct kvm_dirty_log), show_dirty_log },
	{ (unsigned int)KVM_GET_ONE_REG, sizeof(struct kvm_one_reg), show_one_reg },
	{ (unsigned int)KVM_SET_ONE_REG, sizeof(struct kvm_one_reg), show_one_reg },
	{ (unsigned int)KVM_GET_REG_LIST, sizeof(uint64_t), show_count },
	{ 0, 0, NULL },
};

/* ---- Exits. ---- */

static void add_bytes(struct line *line, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count && i < 16; i++)
		add(line, "%s%02x", i ? " " : "", bytes[i]);
}

static void add_exit(struct line *line, const struct kvm_run *run, const struct trace_arch *arch)
{
	char room[NAME_ROOM];
	uint32_t reason = run->exit_reason;
	uint64_t offset = run->io.data_offset, size = (uint64_t)run->io.size * run->io.count;

	add(line, " %s", name_or_number(name_exit(reason), reason, room));
	switch (reason) {
	case KVM_EXIT_IO:
		add(line, " {%s, port=0x%x, size=%u, count=%u", run->io.direction == KVM_EXIT_IO_OUT ? "out" : "in", run->io.port, run->io.size, run->io.count);
		if (run->io.direction == KVM_EXIT_IO_OUT && offset < 8192 && size <= 4096) {
			add(line, ", data=");
			add_bytes(line, (const uint8_t *)run + offset, size);
		}
		add(line, "}");
		break;
	case KVM_EXIT_MMIO:
		add(line, " {%s, phys_addr=0x%llx, len=%u", run->mmio.is_write ? "write" : "read", run->mmio.phys_addr, run->mmio.len);
		if (run->mmio.is_write) {
			add(line, ", data=");
			add_bytes(line, run->mmio.data, run->mmio.len <= 8 ? run->mmio.len : 8);
		}
		add(line, "}");
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		add(line, " {suberror=%u, ndata=%u}", run->internal.suberror, run->internal.ndata);
		break;
	default:
		if (arch)
			arch->exit(line, run);
		break;
	}
}

/* The program's kvm_run, through the descriptor: our own mapping is the vCPU's affair. */
static void add_run(struct line *line, int fd, long result, const struct trace_arch *arch)
{
	struct kvm_run *run;

	if (result < 0)
		return;
	run = malloc(8192);
	if (run && pread(fd, run, 8192, 0) == 8192)
		add_exit(line, run, arch);
	free(run);
}

/* ---- Lines. ---- */

static const struct trace_arch *arch_of(int fd)
{
	struct object *object = fd_object(fd);
	uint64_t arch = object ? object->ops->arch : 0;

	if (object)
		object_put(object);
#ifdef __x86_64__
	if (arch == KVM_REG_X86)
		return &trace_x86;
#endif
#ifdef ANYKVM_SOFT_ARM64
	if (arch == KVM_REG_ARM64)
		return &trace_arm64;
#endif
	return NULL;
}

static bool add_shown(struct line *line, const struct trace_show *table, unsigned int cmd, unsigned long arg, long result)
{
	union { uint64_t align; uint8_t bytes[1024]; } data;

	for (; table->show; table++) {
		if (table->cmd != cmd || table->size > sizeof data || user_read(data.bytes, arg, table->size))
			continue;
		table->show(line, data.bytes, result);
		return true;
	}
	return false;
}

static void add_argument(struct line *line, unsigned int cmd, unsigned long arg, long result, const struct trace_arch *arch)
{
	char room[NAME_ROOM];

	if (cmd == (unsigned int)KVM_CHECK_EXTENSION) {
		add(line, "%s", name_or_number(name_capability(arg), arg, room));
		return;
	}
	if (cmd == (unsigned int)KVM_GET_MANY_REGS || cmd == (unsigned int)KVM_SET_MANY_REGS) {
		add_many_regs(line, arg);
		return;
	}
	if (arch && arch->argument && arch->argument(line, cmd, arg))
		return;
	if (arch && add_shown(line, arch->shows, cmd, arg, result))
		return;
	if (add_shown(line, shows, cmd, arg, result))
		return;
	add(line, arg < 4096 ? "%lu" : "0x%lx", arg);
}

static void trace(int fd, const char *kind, unsigned int cmd, unsigned long arg, long result)
{
	const struct trace_arch *arch = arch_of(fd);
	struct line line = { .used = 0 };
	char room[NAME_ROOM];
	int error = errno;

	add(&line, "ioctl(%d<%s>, %s", fd, kind, name_or_number(name_ioctl(cmd), cmd, room));
	if (cmd != (unsigned int)KVM_RUN || arg) {
		add(&line, ", ");
		add_argument(&line, cmd, arg, result, arch);
	}
	if (result < 0)
		add(&line, ") = -1 %s", strerrorname_np((int)-result));
	else
		add(&line, ") = %ld", result);
	if (result < 0 && why_get())
		add(&line, " (%s)", why_get());
	if (cmd == (unsigned int)KVM_RUN)
		add_run(&line, fd, result, arch);
	line.text[line.used++] = '\n';
	/* One write a line: threads do not mix theirs. */
	if (write(output, line.text, line.used) < 0)
		errno = error;
	errno = error;
}

void trace_init(void)
{
	const char *value = getenv("ANYKVM_TRACE");

	if (!value || !*value || !strcmp(value, "0"))
		return;
	if (!strcmp(value, "1"))
		output = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 200);
	else
		output = open(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (output < 0) {
		dprintf(STDERR_FILENO, "anykvm: cannot trace to %s: %s\n", value, strerror(errno));
		return;
	}
	call_trace = trace;
}
