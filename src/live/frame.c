/*
 * A thread's registers as the kernel puts them into a signal frame.
 */
#include "live/frame.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* Internal results of interrupted system calls, which the kernel turns into others before a program sees them. */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516

/* Behind the area, what says how long it is (the kernel's struct _fpx_sw_bytes, in bytes that XSAVE leaves to software). */
#define FP_SOFTWARE_AT 464
#define FP_MAGIC1 0x46505853u
#define FP_MAGIC2 0x46505845u

struct fp_software {
	uint32_t magic1, extended_size;
	uint64_t features;
	uint32_t size, padding[7];
};

size_t frame_fp_read(pid_t tid, uint8_t *area, size_t room)
{
	struct iovec vector = { area, room - 8 }; /* whole words, and the magic number */
	struct fp_software software = { 0 };
	const uint32_t magic2 = FP_MAGIC2;

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_X86_XSTATE, &vector) || vector.iov_len < 576)
		return 0;
	/* There the kernel has put which components the area has. */
	memcpy(&software.features, area + FP_SOFTWARE_AT, sizeof software.features);
	software.magic1 = FP_MAGIC1;
	software.size = (uint32_t)vector.iov_len;
	software.extended_size = software.size + 4;
	memcpy(area + FP_SOFTWARE_AT, &software, sizeof software);
	memcpy(area + vector.iov_len, &magic2, 4);
	return vector.iov_len + 4;
}

static bool begins_again(const struct user_regs_struct *regs)
{
	long result = (long)regs->rax;

	return (long)regs->orig_rax >= 0 && (result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND);
}

struct user_regs_struct frame_regs_resumed(struct user_regs_struct regs)
{
	if (begins_again(&regs)) {
		regs.rax = regs.orig_rax;
		regs.rip -= 2;
	} else if ((long)regs.orig_rax >= 0 && (long)regs.rax == -ERESTART_RESTARTBLOCK) {
		regs.rax = SYS_restart_syscall;
		regs.rip -= 2;
	}
	regs.orig_rax = ~0ULL;
	return regs;
}

/* The registers with which the thread would enter a signal handler now: an interrupted system call begins again, or has failed. */
static struct user_regs_struct regs_settled(struct user_regs_struct regs)
{
	long result = (long)regs.rax;

	if (begins_again(&regs)) {
		regs.rax = regs.orig_rax;
		regs.rip -= 2;
	} else if ((long)regs.orig_rax >= 0 && result == -ERESTART_RESTARTBLOCK) {
		regs.rax = (unsigned long)-EINTR;
	}
	return regs;
}

void frame_make(struct frame *frame, uint64_t restorer, const struct user_regs_struct *stopped, uint64_t mask, uint64_t fp)
{
	struct user_regs_struct regs = regs_settled(*stopped);
	greg_t *g = frame->context.uc_mcontext.gregs;

	memset(frame, 0, sizeof *frame);
	frame->restorer = restorer;
	frame->context.uc_flags = 1 | 2 | 4; /* UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS */
	g[REG_R8] = (greg_t)regs.r8, g[REG_R9] = (greg_t)regs.r9, g[REG_R10] = (greg_t)regs.r10, g[REG_R11] = (greg_t)regs.r11;
	g[REG_R12] = (greg_t)regs.r12, g[REG_R13] = (greg_t)regs.r13, g[REG_R14] = (greg_t)regs.r14, g[REG_R15] = (greg_t)regs.r15;
	g[REG_RDI] = (greg_t)regs.rdi, g[REG_RSI] = (greg_t)regs.rsi, g[REG_RBP] = (greg_t)regs.rbp, g[REG_RBX] = (greg_t)regs.rbx;
	g[REG_RDX] = (greg_t)regs.rdx, g[REG_RAX] = (greg_t)regs.rax, g[REG_RCX] = (greg_t)regs.rcx, g[REG_RSP] = (greg_t)regs.rsp;
	g[REG_RIP] = (greg_t)regs.rip, g[REG_EFL] = (greg_t)regs.eflags;
	g[REG_CSGSFS] = (greg_t)((regs.cs & 0xffff) | (regs.ss & 0xffff) << 48);
	frame->context.uc_mcontext.fpregs = (void *)fp;
	/* The kernel's signal set has 64 bits, and follows the context without glibc's room. */
	memcpy((uint8_t *)&frame->context + offsetof(ucontext_t, uc_sigmask), &mask, sizeof mask);
	/* The alternate signal stack would be set, too; what it is, only the thread itself can ask. One that makes no sense leaves it as it is. */
	frame->context.uc_stack.ss_flags = 0x7f;
}
