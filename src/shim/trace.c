/*
 * --trace: each KVM ioctl on one line, as strace would show it if it knew KVM. Reads the program's memory only through fault-safe
 * copies, after the call.
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
#include "core/user.h"
#include "core/why.h"
#include "shim/shim.h"

/* A line being written; what does not fit is cut. */
struct line {
	char text[2048];
	size_t used;
};

static int output = -1;

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
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

typedef void show_fn(struct line *line, const void *data, long result);

static void show_regs(struct line *line, const void *data, long result)
{
	const struct kvm_regs *r = data;

	(void)result;
	add(line, "{rip=0x%llx, rflags=0x%llx, rax=0x%llx, rbx=0x%llx, rcx=0x%llx, rdx=0x%llx, rsi=0x%llx, rdi=0x%llx, rsp=0x%llx, rbp=0x%llx, "
		  "r8=0x%llx, r9=0x%llx, r10=0x%llx, r11=0x%llx, r12=0x%llx, r13=0x%llx, r14=0x%llx, r15=0x%llx}",
	    r->rip, r->rflags, r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rsp, r->rbp, r->r8, r->r9, r->r10, r->r11, r->r12, r->r13,
	    r->r14, r->r15);
}

static void show_segment(struct line *line, const char *name, const struct kvm_segment *s)
{
	add(line, "%s=0x%x:0x%llx/0x%x, ", name, s->selector, s->base, s->limit);
}

static void show_sregs(struct line *line, const void *data, long result)
{
	const struct kvm_sregs *s = data; /* struct kvm_sregs2 begins the same way */

	(void)result;
	add(line, "{");
	show_segment(line, "cs", &s->cs);
	show_segment(line, "ds", &s->ds);
	show_segment(line, "es", &s->es);
	show_segment(line, "fs", &s->fs);
	show_segment(line, "gs", &s->gs);
	show_segment(line, "ss", &s->ss);
	show_segment(line, "tr", &s->tr);
	add(line, "gdt=0x%llx/0x%x, idt=0x%llx/0x%x, cr0=0x%llx, cr2=0x%llx, cr3=0x%llx, cr4=0x%llx, cr8=0x%llx, efer=0x%llx, apic_base=0x%llx}",
	    s->gdt.base, s->gdt.limit, s->idt.base, s->idt.limit, s->cr0, s->cr2, s->cr3, s->cr4, s->cr8, s->efer, s->apic_base);
}

static void show_region(struct line *line, const void *data, long result)
{
	const struct kvm_userspace_memory_region *r = data;

	(void)result;
	add(line, "{slot=%u, flags=0x%x, guest_phys_addr=0x%llx, memory_size=0x%llx, userspace_addr=0x%llx}", r->slot, r->flags,
	    r->guest_phys_addr, r->memory_size, r->userspace_addr);
}

static void show_events(struct line *line, const void *data, long result)
{
	const struct kvm_vcpu_events *e = data;

	(void)result;
	add(line, "{exception={injected=%u, nr=%u, pending=%u, error_code=0x%x}, interrupt={injected=%u, nr=%u, soft=%u, shadow=%u}, "
		  "nmi={injected=%u, pending=%u, masked=%u}, flags=0x%x}",
	    e->exception.injected, e->exception.nr, e->exception.pending, e->exception.error_code, e->interrupt.injected, e->interrupt.nr,
	    e->interrupt.soft, e->interrupt.shadow, e->nmi.injected, e->nmi.pending, e->nmi.masked, e->flags);
}

static void show_mp_state(struct line *line, const void *data, long result)
{
	(void)result;
	add(line, "{mp_state=%u}", ((const struct kvm_mp_state *)data)->mp_state);
}

static void show_debugregs(struct line *line, const void *data, long result)
{
	const struct kvm_debugregs *d = data;

	(void)result;
	add(line, "{db=[0x%llx, 0x%llx, 0x%llx, 0x%llx], dr6=0x%llx, dr7=0x%llx, flags=0x%llx}", d->db[0], d->db[1], d->db[2], d->db[3], d->dr6,
	    d->dr7, d->flags);
}

static void show_guest_debug(struct line *line, const void *data, long result)
{
	const struct kvm_guest_debug *d = data;

	(void)result;
	add(line, "{control=0x%x, debugreg=[0x%llx, 0x%llx, 0x%llx, 0x%llx, ..., dr7=0x%llx]}", d->control, d->arch.debugreg[0],
	    d->arch.debugreg[1], d->arch.debugreg[2], d->arch.debugreg[3], d->arch.debugreg[7]);
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

static void show_count(struct line *line, const void *data, long result)
{
	(void)result;
	add(line, "{n=%u, ...}", *(const uint32_t *)data);
}

static void show_xcrs(struct line *line, const void *data, long result)
{
	const struct kvm_xcrs *x = data;

	(void)result;
	add(line, "{nr_xcrs=%u, xcr%u=0x%llx}", x->nr_xcrs, x->xcrs[0].xcr, x->xcrs[0].value);
}

/* ---- MSRs: as many as the call says, a few shown. ---- */

static void add_msrs(struct line *line, unsigned long arg)
{
	uint32_t count;

	if (user_read(&count, arg, sizeof count)) {
		add(line, "0x%lx", arg);
		return;
	}
	add(line, "{nmsrs=%u, [", count);
	for (uint32_t i = 0; i < count && i < 4; i++) {
		struct kvm_msr_entry entry;

		if (user_read(&entry, arg + sizeof(struct kvm_msrs) + i * sizeof entry, sizeof entry))
			break;
		add(line, "%s0x%x=0x%llx", i ? ", " : "", entry.index, entry.data);
	}
	add(line, count > 4 ? ", ...]}" : "]}");
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

static const struct {
	unsigned int cmd;
	size_t size;
	show_fn *show;
} shows[] = {
	{ (unsigned int)KVM_GET_REGS, sizeof(struct kvm_regs), show_regs },
	{ (unsigned int)KVM_SET_REGS, sizeof(struct kvm_regs), show_regs },
	{ (unsigned int)KVM_GET_SREGS, sizeof(struct kvm_sregs), show_sregs },
	{ (unsigned int)KVM_SET_SREGS, sizeof(struct kvm_sregs), show_sregs },
	{ (unsigned int)KVM_GET_SREGS2, sizeof(struct kvm_sregs), show_sregs },
	{ (unsigned int)KVM_SET_SREGS2, sizeof(struct kvm_sregs), show_sregs },
	{ (unsigned int)KVM_SET_USER_MEMORY_REGION, sizeof(struct kvm_userspace_memory_region), show_region },
	{ (unsigned int)KVM_SET_USER_MEMORY_REGION2, sizeof(struct kvm_userspace_memory_region), show_region },
	{ (unsigned int)KVM_GET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events), show_events },
	{ (unsigned int)KVM_SET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events), show_events },
	{ (unsigned int)KVM_GET_MP_STATE, sizeof(struct kvm_mp_state), show_mp_state },
	{ (unsigned int)KVM_SET_MP_STATE, sizeof(struct kvm_mp_state), show_mp_state },
	{ (unsigned int)KVM_GET_DEBUGREGS, sizeof(struct kvm_debugregs), show_debugregs },
	{ (unsigned int)KVM_SET_DEBUGREGS, sizeof(struct kvm_debugregs), show_debugregs },
	{ (unsigned int)KVM_SET_GUEST_DEBUG, sizeof(struct kvm_guest_debug), show_guest_debug },
	{ (unsigned int)KVM_ENABLE_CAP, sizeof(struct kvm_enable_cap), show_enable_cap },
	{ (unsigned int)KVM_TRANSLATE, sizeof(struct kvm_translation), show_translation },
	{ (unsigned int)KVM_GET_DIRTY_LOG, sizeof(struct kvm_dirty_log), show_dirty_log },
	{ (unsigned int)KVM_GET_XCRS, sizeof(struct kvm_xcrs), show_xcrs },
	{ (unsigned int)KVM_SET_XCRS, sizeof(struct kvm_xcrs), show_xcrs },
	{ (unsigned int)KVM_GET_ONE_REG, sizeof(struct kvm_one_reg), show_one_reg },
	{ (unsigned int)KVM_SET_ONE_REG, sizeof(struct kvm_one_reg), show_one_reg },
	{ (unsigned int)KVM_GET_REG_LIST, sizeof(uint64_t), show_count },
	{ (unsigned int)KVM_GET_SUPPORTED_CPUID, sizeof(uint32_t), show_count },
	{ (unsigned int)KVM_GET_EMULATED_CPUID, sizeof(uint32_t), show_count },
	{ (unsigned int)KVM_SET_CPUID2, sizeof(uint32_t), show_count },
	{ (unsigned int)KVM_GET_CPUID2, sizeof(uint32_t), show_count },
	{ (unsigned int)KVM_GET_MSR_INDEX_LIST, sizeof(uint32_t), show_count },
};

/* ---- Exits. ---- */

static void add_bytes(struct line *line, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count && i < 16; i++)
		add(line, "%s%02x", i ? " " : "", bytes[i]);
}

static void add_exit(struct line *line, const struct kvm_run *run)
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
	case KVM_EXIT_DEBUG:
		add(line, " {exception=%u, pc=0x%llx, dr6=0x%llx, dr7=0x%llx}", run->debug.arch.exception, run->debug.arch.pc, run->debug.arch.dr6,
		    run->debug.arch.dr7);
		break;
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		add(line, " {index=0x%x, reason=0x%x, data=0x%llx}", run->msr.index, run->msr.reason, run->msr.data);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		add(line, " {suberror=%u, ndata=%u}", run->internal.suberror, run->internal.ndata);
		break;
	}
}

/* The program's kvm_run, through the descriptor: our own mapping is the vCPU's affair. */
static void add_run(struct line *line, int fd, long result)
{
	struct kvm_run *run;

	if (result < 0)
		return;
	run = malloc(8192);
	if (run && pread(fd, run, 8192, 0) == 8192)
		add_exit(line, run);
	free(run);
}

/* ---- Lines. ---- */

static void add_argument(struct line *line, unsigned int cmd, unsigned long arg, long result)
{
	union { uint64_t align; uint8_t bytes[1024]; } data;
	char room[NAME_ROOM];

	if (cmd == (unsigned int)KVM_CHECK_EXTENSION) {
		add(line, "%s", name_or_number(name_capability(arg), arg, room));
		return;
	}
	if (cmd == (unsigned int)KVM_GET_MSRS || cmd == (unsigned int)KVM_SET_MSRS) {
		add_msrs(line, arg);
		return;
	}
	if (cmd == (unsigned int)KVM_GET_MANY_REGS || cmd == (unsigned int)KVM_SET_MANY_REGS) {
		add_many_regs(line, arg);
		return;
	}
	for (size_t i = 0; i < sizeof shows / sizeof *shows; i++) {
		if (shows[i].cmd != cmd || shows[i].size > sizeof data || user_read(data.bytes, arg, shows[i].size))
			continue;
		shows[i].show(line, data.bytes, result);
		return;
	}
	add(line, arg < 4096 ? "%lu" : "0x%lx", arg);
}

static void trace(int fd, const char *kind, unsigned int cmd, unsigned long arg, long result)
{
	struct line line = { .used = 0 };
	char room[NAME_ROOM];
	int error = errno;

	add(&line, "ioctl(%d<%s>, %s", fd, kind, name_or_number(name_ioctl(cmd), cmd, room));
	if (cmd != (unsigned int)KVM_RUN || arg) {
		add(&line, ", ");
		add_argument(&line, cmd, arg, result);
	}
	if (result < 0)
		add(&line, ") = -1 %s", strerrorname_np((int)-result));
	else
		add(&line, ") = %ld", result);
	if (result < 0 && why_get())
		add(&line, " (%s)", why_get());
	if (cmd == (unsigned int)KVM_RUN)
		add_run(&line, fd, result);
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
