/*
 * What the probes share: asking a KVM a question and printing the answer as one named line.
 *
 * Knows only the ioctls of <linux/kvm.h>; never anything of anykvm: the same program asks hardware KVM, whose answers are in golden/.
 * A line is NAME: ANSWER. A line that begins with a space belongs to the named line above it, one that begins with ## begins a section.
 * Names must stay as they are: golden/, volatile.txt and differences.txt go by them.
 */
#ifndef PROBE_H
#define PROBE_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/kvm.h>

/* As <linux/kvm.h> has them: 64 bits are long in uint64_t but long long in __u64, and printf's format must fit. */
typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;

/* Guest memory of every VM here: page tables and GDT below CODE, then code, data, stack. */
#define CODE 0x10000UL
#define STACK 0x38000UL
#define MEMORY_SIZE 0x400000UL

struct vm {
	int fd;
	u8 *mem;
};

struct vcpu {
	int fd;
	struct kvm_run *run;
};

struct msr_one {
	struct kvm_msrs m;
	struct kvm_msr_entry e[1];
};

extern int kvm;	     /* /dev/kvm */
extern int run_size; /* bytes of a vCPU's mapping */

/* An ioctl with errno cleared before it. Not a function: the argument is a pointer or a number, as ioctl's is. */
#define CALL(fd, request, argument) (errno = 0, (long)ioctl(fd, request, (unsigned long)(argument)))

const char *error_name(int error);
long answer(long rc, const char *name, ...) __attribute__((format(printf, 2, 3)));
long answer_fd(long rc, const char *name, ...) __attribute__((format(printf, 2, 3)));
void answer_run(long rc, struct vcpu *c, const char *name);
void say(const char *line, ...) __attribute__((format(printf, 1, 2)));
void say_bytes(const char *name, const void *bytes, size_t n);
void say_regs(const char *name, const struct kvm_regs *r);
void say_sregs(const char *name, const struct kvm_sregs *s);
void say_events(const char *name, const struct kvm_vcpu_events *e);

struct vm *vm_create(int irqchip);
struct vcpu *vcpu_create(struct vm *vm, int id, int set_cpuid);
struct vcpu *guest_create(struct vm **vm, int irqchip);
void vm_free(struct vm *vm, struct vcpu *vcpu);
long vcpu_run(struct vcpu *c);

struct kvm_cpuid2 *cpuid_table(u32 n);
struct kvm_cpuid2 *cpuid_supported(void);
struct kvm_msr_list *msr_list(void);
long msr_get(struct vcpu *c, u32 index, u64 *value);
long msr_set(struct vcpu *c, u32 index, u64 value);
void msr_try(struct vcpu *c, const char *name, u32 index, u64 value);
int msr_is_volatile(u32 index);

void probe_system(void);
void probe_vm(void);
void probe_memory(void);
void probe_fresh(void);
void probe_cpuid(void);
void probe_regs(void);
void probe_events(void);
void probe_debugregs(void);
void probe_fpu(void);
void probe_msrs(void);
void probe_mp_state(void);
void probe_lapic(void);
void probe_sync(void);
void probe_onereg(void);
void probe_run(void);
void probe_exits(void);
void probe_xen(void);

#endif
