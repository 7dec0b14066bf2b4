/*
 * The differential tester's vocabulary: a case (bytes and the state they start in), a result (the state, fault and memory they
 * end in), and the two machines that turn one into the other: the host's own CPU and a KVM guest. Both machines show a case the
 * same linear addresses, so that its registers and memory can be compared bit for bit.
 *
 * Nothing here may know what an instruction does; that is generate.c's and undefined.c's business.
 */
#ifndef ANYKVM_TESTS_FUZZ_DIFF_H
#define ANYKVM_TESTS_FUZZ_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Linear addresses in both machines. The pages before and after each region are unmapped. */
enum {
	CODE_BASE = 0x10000000,	/* executable, not writable, filled with INT3 around the case */
	CODE_SIZE = 0x1000,
	DATA_BASE = 0x20000000,	/* writable, not executable */
	DATA_SIZE = 0x2000,
	RO_BASE = DATA_BASE + DATA_SIZE, /* readable only */
	RO_SIZE = 0x1000,
	FS_BASE = 0x40,		/* small, so that an FS or GS override still reaches the data */
	GS_BASE = 0x1000,
	CODE_MAX = 128,		/* longest case in bytes */
};

/* Selectors, with the meaning they have in Linux's GDT. */
enum {
	SEL_USER_CS32 = 0x23,
	SEL_USER_DS = 0x2b,
	SEL_USER_CS64 = 0x33,
};

enum {
	FLAG_CF = 1 << 0, FLAG_PF = 1 << 2, FLAG_AF = 1 << 4, FLAG_ZF = 1 << 6, FLAG_SF = 1 << 7, FLAG_TF = 1 << 8,
	FLAG_IF = 1 << 9, FLAG_DF = 1 << 10, FLAG_OF = 1 << 11, FLAG_NT = 1 << 14, FLAG_RF = 1 << 16, FLAG_AC = 1 << 18,
	FLAG_ID = 1 << 21,
	FLAGS_STATUS = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF,
};

/* General registers in the instruction set's order. */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* FXSAVE image (Intel SDM vol. 1, 10.5.1): offsets of what is compared. */
enum {
	FX_FCW = 0, FX_FSW = 2, FX_FTW = 4, FX_FOP = 6, FX_FIP = 8, FX_FDP = 16, FX_MXCSR = 24, FX_MXCSR_MASK = 28,
	FX_ST = 32, FX_XMM = 160, FX_SIZE = 512,
};

/* What a program at CPL 3 can see of its processor. */
struct cpu_state {
	uint64_t gpr[16];
	uint64_t rip;
	uint64_t rflags;
	uint16_t cs, ss, ds, es;
	uint8_t fx[FX_SIZE] __attribute__((aligned(16)));
};

struct test_case {
	struct cpu_state in;
	uint32_t code_len;
	uint8_t code[CODE_MAX];
	uint8_t data[DATA_SIZE];
};

enum outcome {
	OUTCOME_NONE,		/* not run */
	OUTCOME_FAULT,		/* an exception ended it; INT3 is how it ends in peace */
	OUTCOME_TIMEOUT,	/* an endless loop */
	OUTCOME_CRASH,		/* took the process with it */
	OUTCOME_EXIT,		/* KVM_RUN ended in another way */
};

struct test_result {
	enum outcome outcome;
	uint32_t vector;
	uint64_t error;
	uint64_t cr2;
	uint32_t exit_reason;	/* OUTCOME_EXIT: kvm_run's, or -errno */
	uint32_t suberror;
	struct cpu_state out;
	uint8_t data[DATA_SIZE];
};

/* A batch is a shared mapping: cases and, per machine, results. */
enum { BATCH_MAX = 128 };

struct batch {
	uint32_t count;
	struct test_case cases[BATCH_MAX];
	struct test_result native[BATCH_MAX];
	struct test_result guest[BATCH_MAX];
	/* the native worker's progress, so that its successor knows which case killed it */
	volatile uint32_t running;
	volatile uint32_t reversed;	/* --native-twice: backwards, as nothing may leak from one case into the next */
};

/* Read-only page: the same bytes in both machines and every case. */
void ro_page_fill(uint8_t *page);

/* An XSAVE image says which components hold their initial values by not storing them; writes those values out. */
void fx_normalise(uint8_t *fx, uint64_t xstate_bv);

struct batch *batch_new(int *fd);

/* The host CPU. */
struct native;
struct native *native_start(struct batch *batch, int batch_fd);
/* Runs the batch into batch->native, or backwards into batch->guest. */
void native_run(struct native *native, bool reversed);
void native_stop(struct native *native);

/* A guest of /dev/kvm. */
struct guest;
struct guest *guest_start(const char *device);
void guest_run(struct guest *guest, const struct test_case *c, struct test_result *r);
bool guest_cpuid(struct guest *guest, uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);
void guest_stop(struct guest *guest);

#endif
