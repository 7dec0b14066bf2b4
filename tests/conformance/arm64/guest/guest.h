/*
 * What the probes of arm64 guests share: a vCPU, its registers and its memory are made anew, one instruction (or a few) is executed, and what came of
 * it is one line: NAME: the exits, in order; where the guest then was; which registers and which memory have changed.
 *
 * A guest ends at a BRK (KVM_GUESTDBG_USE_SW_BP): behind the instructions, and at each exception vector. Each case of one instruction is executed twice: on its own between two
 * entries (single step), then among others; a line NAME.step tells where these differ.
 *
 * Knows only the ioctls of <linux/kvm.h>, as ../probe.h. Names must stay as they are: golden/ and differences-guest.txt go by them.
 */
#ifndef GUEST_H
#define GUEST_H

#include "../probe.h"

#define RAM 0x40000000ull
#define RAM_SIZE 0x400000ull
#define VECTORS (RAM + 0x1000)
#define CODE (RAM + 0x2000)
#define DATA (RAM + 0x10000)
#define DATA_SIZE 0x3000ull
#define STACK (RAM + 0x20000)
#define TABLES (RAM + 0x100000)
#define READONLY 0x50000000ull /* a slot that the guest cannot write */
#define READONLY_SIZE 0x10000ull
#define DEVICE (RAM - 0x10000) /* in no slot */

#define X(n) CORE(2 * (n), 3)
#define SP_EL0 CORE(62, 3)
#define SP_EL1 CORE(68, 3)
#define ELR_EL1 CORE(70, 3)
#define SPSR_EL1 CORE(72, 3)
#define SCTLR_EL1 SYS(3, 0, 1, 0, 0)
#define CPACR_EL1 SYS(3, 0, 1, 0, 2)
#define TTBR0_EL1 SYS(3, 0, 2, 0, 0)
#define TTBR1_EL1 SYS(3, 0, 2, 0, 1)
#define TCR_EL1 SYS(3, 0, 2, 0, 2)
#define ESR_EL1 SYS(3, 0, 5, 2, 0)
#define FAR_EL1 SYS(3, 0, 6, 0, 0)
#define PAR_EL1 SYS(3, 0, 7, 4, 0)
#define MAIR_EL1 SYS(3, 0, 10, 2, 0)
#define VBAR_EL1 SYS(3, 0, 12, 0, 0)
#define MDSCR_EL1 SYS(2, 0, 0, 2, 2)
#define OSLSR_EL1 SYS(2, 0, 1, 1, 4)
#define DBGBVR(n) SYS(2, 0, 0, n, 4)
#define DBGBCR(n) SYS(2, 0, 0, n, 5)
#define DBGWVR(n) SYS(2, 0, 0, n, 6)
#define DBGWCR(n) SYS(2, 0, 0, n, 7)

#define SCTLR_RESET 0xc50078ull
#define EL1H 0x3c5ull
#define EL1T 0x3c4ull
#define EL0T 0x3c0ull

/* An instruction as a number and as what it is. */
struct insn {
	u32 word;
	const char *text;
};
#define I(word, text) ((struct insn){ word, text })
#define BRK I(0xd4200020, "brk #1")
#define NOP I(0xd503201f, "nop")

struct guest {
	struct vm vm;
	int second; /* another vCPU, stopped; -1 */
	u64 features;
	unsigned char *ram, *readonly;
	struct kvm_guest_debug debug;
	u64 answer; /* to loads from what is not memory */
	int irq;    /* the line of KVM_IRQ_LINE, after the reset */
	int follow; /* the line follows the timers' */
	int most;   /* exits that are looked at */
	int step_only, run_only;
	struct kvm_vcpu_events events; /* KVM_SET_VCPU_EVENTS of the next case, */
	int aborts;                    /* of KVM_EXIT_MMIO and _ARM_NISV: the program has nothing there */
	int undebugged; /* without KVM_SET_GUEST_DEBUG: the guest ends by a store to what is no memory */
};
extern struct guest g;

void guest_open(u64 features, int vcpus);
void guest_close(void);
/* From the next case on, and only for that one: a register, 64 bits of memory. */
void with(u64 id, u64 value);
void with_memory(u64 address, u64 value);
/* For all that follow, until forgotten. */
void base(u64 id, u64 value);
void base_memory(u64 address, u64 value);
void base_forget(void);
/* Tables: 39 bits, blocks of 1 GiB: what is below RAM, not cached, and RAM, both at their own addresses. */
void tables_flat(void);
/* The case: of one instruction, of several. */
void one(const char *name, struct insn insn);
void several(const char *name, const struct insn *insns, unsigned count);
#define SEVERAL(name, ...) several(name, (struct insn[]){ __VA_ARGS__ }, sizeof((struct insn[]){ __VA_ARGS__ }) / sizeof(struct insn))

void sec_mmio(void);
void sec_translation(void);
void sec_firmware(void);
void sec_debug(void);
void sec_interrupts(void);
void sec_timers(void);
void sec_traps(void);
void sec_monitors(void);
void sec_attributes(void);

#endif
