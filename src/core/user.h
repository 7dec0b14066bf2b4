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

/* 0 or -EFAULT. Addresses outside the user half of the address space are -EFAULT without a look. Never partial for ranges that wrap. */
int user_read(void *to, uint64_t from, size_t size);
int user_write(uint64_t to, const void *from, size_t size);

/* Whether the range can be written (its first and last bytes are rewritten atomically as they are): 0 or -EFAULT. */
int user_probe_write(uint64_t to, size_t size);

/* Whether the range lies in the user half (what the kernel calls access_ok). Says nothing about mappings. */
bool user_range_ok(uint64_t address, uint64_t size);

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
