/*
 * A small machine for tests of the interpreter: an ordinary KVM program's VM with one vCPU and 16 MiB of memory, put straight
 * into 32-bit or 64-bit protected mode, with an IDT whose handlers halt. Runs on any KVM.
 */
#ifndef ANYKVM_TESTS_GUEST_H
#define ANYKVM_TESTS_GUEST_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

/* Guest-physical layout, identity-mapped where there is paging. */
#define GUEST_SIZE UINT64_C(0x1000000)
#define GUEST_GDT 0x1000
#define GUEST_IDT 0x2000
#define GUEST_TSS 0x3000
#define GUEST_HANDLERS 0x4000 /* a HLT per vector, 16 bytes apart */
#define GUEST_STACK 0x8000    /* grows down from here; also the ring 0 stack of the TSS */
#define GUEST_TABLES 0x10000  /* page tables: the test's own up to GUEST_CODE */
#define GUEST_CODE 0x100000
#define GUEST_DATA 0x200000
#define GUEST_USER_STACK 0x300000

enum { SELECTOR_CODE = 0x08, SELECTOR_DATA = 0x10, SELECTOR_USER_CODE = 0x1b, SELECTOR_USER_DATA = 0x23, SELECTOR_TSS = 0x28 };

enum guest_mode { GUEST_32, GUEST_64 };

struct guest {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	uint8_t *memory;
	enum guest_mode mode;
};

/* How a stay in the guest ended. */
struct outcome {
	int error;          /* errno of KVM_RUN, or 0 */
	uint32_t exit;      /* KVM_EXIT_* */
	int vector;         /* of the exception whose handler halted, or -1 */
	uint64_t error_code, rip, rsp; /* what the exception pushed (rip: or where the program halted) */
	uint64_t cr2;
	struct kvm_regs regs;
};

/* Exits the program with 4 (skip) where there is no KVM. */
void guest_open(struct guest *guest, enum guest_mode mode);
void guest_close(struct guest *guest);

/* Identity map of all memory with 4 KiB (64-bit: four levels, 32-bit: two) pages, present, writable, user; returns CR3. Entries can then be
 * changed through guest_pte(). */
uint64_t guest_map(struct guest *guest);
/* The last-level entry of an address in that map: 8 bytes in 64-bit mode, 4 in 32-bit mode. */
void *guest_pte(struct guest *guest, uint64_t linear);

/* Puts `size` bytes of code at GUEST_CODE and runs them at that CPL with those registers until something exits. */
struct outcome guest_go(struct guest *guest, unsigned int cpl, const void *code, unsigned int size, struct kvm_regs regs);
/* The same without setting anything but what is in the vCPU already. */
struct outcome guest_continue(struct guest *guest);

#endif
