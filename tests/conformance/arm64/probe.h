/*
 * What the probes of arm64's registers share: asking a KVM a question and printing the answer as one named line, NAME: rc=R errno=E value=V. rc and
 * errno are the ioctl's; the value is hexadecimal, a register's bytes as one little-endian number, or "-".
 *
 * Knows only the ioctls of <linux/kvm.h>; never anything of anykvm: built for arm64 the same program asks hardware KVM, whose answers are in golden/.
 * Nothing here lets a vCPU execute: KVM_RUN is called where it must fail, or with immediate_exit. Names must stay as they are: golden/ and
 * differences.txt go by them.
 */
#ifndef PROBE_ARM64_H
#define PROBE_ARM64_H

#include "anykvm/arm64.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "anykvm/kvm.h"

typedef uint64_t u64;
typedef uint32_t u32;

struct vm {
	int fd, vcpu;
	struct kvm_run *run;
};

/* The system's descriptor; the size of a page; a readable page with a hole behind it; room for a value; the target for INIT. */
extern int kvm;
extern long psz;
extern char *guard;
extern unsigned char buf[70000];
extern u32 ptarget;
/* Of the last call. */
extern int g_rc, g_errno;

#define BIT(n) (1ull << (n))
#define F_OFF BIT(0)
#define F_32 BIT(1)
#define F_PSCI BIT(2)
#define F_PMU BIT(3)
#define F_SVE BIT(4)
#define F_PA BIT(5)
#define F_PG BIT(6)
#define F_PTR (F_PA | F_PG)
#define IOC(...) fin(ioctl(__VA_ARGS__))
#define N(...)                                                                                                                                       \
	({                                                                                                                                           \
		static char nb[8][200];                                                                                                              \
		static int ni;                                                                                                                       \
		ni = (ni + 1) & 7;                                                                                                                   \
		snprintf(nb[ni], 200, __VA_ARGS__);                                                                                                  \
		nb[ni];                                                                                                                              \
	})
#define A64 0x6000000000000000ull
#define SZ(n) ((u64)(n) << 52)
#define CORE(o, s) (A64 | SZ(s) | 0x100000 | (o))
#define SYS(a, b, c, d, e) (A64 | SZ(3) | 0x130000 | ((a) << 14) | ((b) << 11) | ((c) << 7) | ((d) << 3) | (e))
#define FW(n) (A64 | SZ(3) | 0x140000 | (n))
#define BMAP(n) (A64 | SZ(3) | 0x160000 | (n))
#define ZREG(n, i) (A64 | SZ(8) | 0x150000 | ((n) << 5) | (i))
#define PREG(n, i) (A64 | SZ(5) | 0x150400 | ((n) << 5) | (i))
#define FFR(i) (A64 | SZ(5) | 0x150600 | (i))
#define VLS (A64 | SZ(6) | 0x15ffff)
#define CCSIDR(i) (A64 | SZ(2) | 0x110000 | (i))
#define X0 CORE(0, 3)
#define PC CORE(64, 3)
#define PSTATE CORE(66, 3)
#define V0 CORE(84, 4)
#define FPSR CORE(212, 2)
#define FPCR CORE(213, 2)

/* /dev/kvm, and what is above; 0: there is none. */
int probe_open(void);
const char *errno_name(int e);
int fin(int rc);
void out(const char *name, const char *val);
void outx(const char *name, u64 v);
unsigned rsize(u64 id);
const char *hexval(const void *p, unsigned n);
const char *rname(u64 id);
int is_volatile_reg(u64 id);
struct vm newvm(void);
void delvm(struct vm *v);
int init(int vcpu, u64 f);
int finalize(int vcpu, int what);
int get(int vcpu, u64 id, void *p);
int set(int vcpu, u64 id, const void *p);
int set64(int vcpu, u64 id, u64 v);
u64 get64(int vcpu, u64 id);
struct vm ready(u64 f);
struct kvm_reg_list *list(int vcpu);
void get_say(const char *n, int vcpu, u64 id);
void set_say(const char *n, int vcpu, u64 id, u64 v);
void set_get_say(const char *n, int vcpu, u64 id, u64 v);

void sec_caps(void);
void sec_lists(void);
void sec_list_errors(void);
void sec_init(void);
void sec_sve(void);
void sec_onereg(void);
void sec_pstate_fw(void);
void sec_writable(void);
void sec_roundtrip(void);

#endif
