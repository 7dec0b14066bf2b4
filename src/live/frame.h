/*
 * Signal frames: a thread that returns through one is as it was, FPU and signal mask included.
 */
#ifndef ANYKVM_LIVE_FRAME_H
#define ANYKVM_LIVE_FRAME_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>
#include <ucontext.h>

/* As the kernel makes it on x86-64: the restorer's address, then the context. */
struct frame {
	uint64_t restorer;
	ucontext_t context;
	siginfo_t info;
};

/* A stopped thread's FPU and vector registers in a frame's form: bytes, or 0. */
size_t frame_fp_read(pid_t tid, uint8_t *area, size_t room);

/* The frame of a thread that was stopped with these registers and this mask; `fp`: where its FPU's area is. */
void frame_make(struct frame *frame, uint64_t restorer, const struct user_regs_struct *stopped, uint64_t mask, uint64_t fp);

/* The registers with which a stopped thread goes on as if it had not been: an interrupted system call begins again, or where it was. */
struct user_regs_struct frame_regs_resumed(struct user_regs_struct regs);

#endif
