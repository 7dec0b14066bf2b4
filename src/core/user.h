/*
 * Memory that belongs to the program: copies that end with -EFAULT where the kernel's would, never with SIGSEGV, and
 * without a system call. Knows nothing of VMs; the guard below is how a vCPU survives a hole in guest memory.
 */
#ifndef ANYKVM_CORE_USER_H
#define ANYKVM_CORE_USER_H

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the user half of the address space ends: on x86-64 as access_ok() has it for 47-bit addresses; elsewhere where no machine has user memory. */
#ifdef __x86_64__
#define USER_END UINT64_C(0x7ffffffff000)
#else
#define USER_END (UINT64_C(1) << 56)
#endif

/* 0 or -EFAULT. Addresses outside the user half of the address space are -EFAULT without a look. Never partial for ranges that wrap. */
int user_read(void *to, uint64_t from, size_t size);
int user_write(uint64_t to, const void *from, size_t size);

/*
 * One of those copies inside a guard that the caller has set up, of a range that is in the user half. One access for each of the sizes
 * 1, 2, 4 and 8: a guest's aligned access must not be torn. In volatile steps that neither a sanitizer's memcpy() nor the optimiser
 * replaces; so functions that call it are to be USER_COPIES.
 */
#define USER_COPIES __attribute__((no_sanitize("address", "thread", "undefined")))

static inline USER_COPIES void user_copy(volatile uint8_t *to, const volatile uint8_t *from, size_t size)
{
	typedef uint64_t __attribute__((may_alias, aligned(1))) word;
	typedef uint32_t __attribute__((may_alias, aligned(1))) half;
	typedef uint16_t __attribute__((may_alias, aligned(1))) quarter;

	switch (size) {
	case 8: *(volatile word *)to = *(const volatile word *)from; return;
	case 4: *(volatile half *)to = *(const volatile half *)from; return;
	case 2: *(volatile quarter *)to = *(const volatile quarter *)from; return;
	case 16: /* vector registers, without a loop */
		*(volatile word *)to = *(const volatile word *)from;
		*(volatile word *)(to + 8) = *(const volatile word *)(from + 8);
		return;
	}
#ifdef __x86_64__
	if (size >= 256) {
		asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
		return;
	}
#endif
	for (; size >= 8; size -= 8, to += 8, from += 8)
		*(volatile word *)to = *(const volatile word *)from;
	for (; size > 0; size--)
		*to++ = *from++;
}

/* Whether the range can be written (its first and last bytes are rewritten atomically as they are): 0 or -EFAULT. */
int user_probe_write(uint64_t to, size_t size);

/* Whether the range lies in the user half (what the kernel calls access_ok). Says nothing about mappings. */
static inline bool user_range_ok(uint64_t address, uint64_t size)
{
	return address < USER_END && size <= USER_END - address;
}

/*
 * A guard catches faults on memory that the program may unmap at any time. Guards nest per thread; the innermost whose
 * `covers` accepts the faulting address gets it by siglongjmp(guard->resume, 1). A fault that none accepts goes to the
 * handler that the program had installed, or kills it as it would have without us.
 *
 *     struct fault_guard guard = { .covers = ..., .context = ... };
 *     if (sigsetjmp(guard.resume, 0) == 0) { fault_guard_push(&guard); ... fault_guard_pop(&guard); }
 *     else { ...the fault happened; the guard has been popped... }
 */
struct fault_guard {
	sigjmp_buf resume;
	bool (*covers)(void *context, uint64_t address); /* runs in the signal handler; NULL: every address */
	void (*interrupted)(void *context, const void *signal_context); /* NULL, or called first, with the ucontext_t: registers are lost */
	void *context;
	uint64_t address; /* where the fault was */
	struct fault_guard *outer;
};

void fault_guard_push(struct fault_guard *guard);
void fault_guard_pop(struct fault_guard *guard);

/* Installs the SIGSEGV and SIGBUS handlers once per process, keeping what was there for faults that are not ours. */
void fault_handlers_install(void);
/* The same when somebody has put handlers of his own in their place since, as test frameworks do. */
void fault_handlers_renew(void);

/* The signal face (src/shim): the function that installs handlers for real, and the place where the program's own SIGSEGV and
 * SIGBUS actions are kept while ours are installed. */
extern int (*fault_action)(int signal, const struct sigaction *action, struct sigaction *old);
struct sigaction *fault_previous(int signal);
void fault_action_set(int signal, const struct sigaction *action);

#endif
