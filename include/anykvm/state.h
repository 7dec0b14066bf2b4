/**
 * @file state.h
 * The whole state of a VM and its vCPUs: captured from any KVM, compared, checked against another KVM, restored there, kept in files.
 *
 * A state has, for each vCPU, the registers of KVM_GET_REG_LIST with their values (each piece of state once: views of other registers are
 * left out), and parts, which are no registers: CPUID, the local APIC, and of the VM the interrupt controllers, the timer and the clock.
 * Memory is the caller's: a state refers to it.
 *
 * Functions return 0, or -1 with errno and words in anykvm_refusal(), unless they say otherwise. A state may be read by several threads at
 * once; whoever changes it must be alone with it.
 */
#ifndef ANYKVM_STATE_H
#define ANYKVM_STATE_H

#include <stddef.h>
#include <stdint.h>

#include <anykvm/anykvm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct anykvm_state;

/* ---- What a state has. ---- */

/** A register: its id says its size (anykvm_reg_size()); the value is in the host's byte order. */
struct anykvm_state_reg {
	uint64_t id;
	void *value;
};

/** What is no register: the structure that an ioctl moves, by a name ("cpuid", "lapic", "pit2", ...; anykvm-state(5) has them all). */
struct anykvm_state_part {
	char name[16];
	size_t size;
	void *bytes;
};

/** A piece of guest memory: at `address` in the guest, at `host` here. */
struct anykvm_state_memory {
	uint64_t address, size;
	void *host;
	uint32_t slot, flags; /**< KVM_SET_USER_MEMORY_REGION's */
};

/** For `vcpu`: the VM's own parts. */
#define ANYKVM_STATE_VM (-1)

/** The guests' architecture: KVM_REG_X86 ... */
uint64_t anykvm_state_arch(const struct anykvm_state *state);
/** Where it comes from, in words: KVM, kernel, machine. */
const char *anykvm_state_origin(const struct anykvm_state *state);
size_t anykvm_state_vcpus(const struct anykvm_state *state);
/** The registers of a vCPU, in KVM_GET_REG_LIST's order. They are the state's: values may be changed, `*count` is how many. */
struct anykvm_state_reg *anykvm_state_regs(const struct anykvm_state *state, size_t vcpu, size_t *count);
/** One register's value, or NULL: the state has it not. */
void *anykvm_state_reg(const struct anykvm_state *state, size_t vcpu, uint64_t id);
/** The parts of a vCPU, or of the VM (ANYKVM_STATE_VM). */
struct anykvm_state_part *anykvm_state_parts(const struct anykvm_state *state, int vcpu, size_t *count);
const struct anykvm_state_memory *anykvm_state_memory(const struct anykvm_state *state, size_t *count);
/** Frees the state; memory that came from a file goes with it, the caller's stays. NULL is allowed. */
void anykvm_state_free(struct anykvm_state *state);

/* ---- Capture. ---- */

/**
 * Captures a VM and its vCPUs, in the order given. None of them may be running. Descriptors as of anykvm_open_accel().
 *
 * @param vm  the VM, or -1: vCPUs only.
 * @return the state, to be freed with anykvm_state_free(); NULL with errno.
 */
struct anykvm_state *anykvm_state_capture(int vm, const int *vcpus, size_t count);

/**
 * Captures the same vCPUs again into a state that came from them: the same registers and parts, in the fewest calls. What programs set once
 * (CPUID, the TSC's rate) is not asked again; what a vCPU has gained or lost since (PAE's pdptrs) is not seen.
 */
int anykvm_state_recapture(struct anykvm_state *state, int vm, const int *vcpus, size_t count);

/** Adds guest memory, for anykvm_state_write(). It stays the caller's and must outlive the state. */
int anykvm_state_memory_add(struct anykvm_state *state, const struct anykvm_state_memory *memory);

/* ---- Policies: what to do about registers that do not fit, by name. ---- */

struct anykvm_policy;

/**
 * Reads a policy: a line a rule; # begins a comment. Names may have * and ?; the last rule that fits a name counts.
 *
 *     ignore NAME         the register is not restored
 *     equal NAME          it is not restored, and must be there with the same value
 *     clear NAME BITS     these bits are cleared first: a mask
 *     set NAME VALUE      it gets this value
 *
 * CPUID's words are named cpuid.LEAF.SUBLEAF.REGISTER: cpuid.0x7.0.ebx.
 *
 * @return to be freed with anykvm_policy_free(), or NULL with errno and the line in anykvm_refusal().
 */
struct anykvm_policy *anykvm_policy_parse(const char *text);
void anykvm_policy_free(struct anykvm_policy *policy);

/* ---- Reports: what does not fit. ---- */

struct anykvm_report;

/** What does not fit, and why. All texts are the report's; "" when there is nothing to say. */
struct anykvm_misfit {
	int vcpu;             /**< ANYKVM_STATE_VM: the VM */
	const char *name;     /**< the register's, or cpuid.LEAF.SUBLEAF.REGISTER, or a part's */
	const char *field;    /**< the register's field, when one is known: "cr4.PKE" */
	const char *saved;    /**< the value in the state */
	const char *possible; /**< the value that would do */
	const char *rule;     /**< why */
	const char *remedy;   /**< a policy's line that would let it pass */
};

struct anykvm_report *anykvm_report_new(void);
size_t anykvm_report_count(const struct anykvm_report *report);
const struct anykvm_misfit *anykvm_report_at(const struct anykvm_report *report, size_t position);
void anykvm_report_free(struct anykvm_report *report);

/* ---- Restore. ---- */

/** Restores what fits; the report says what was left. */
#define ANYKVM_RESTORE_BEST_EFFORT 1u
/** Does not rehearse in a VM of its own first. What is then refused half-way is undone as far as KVM allows. */
#define ANYKVM_RESTORE_UNREHEARSED 2u

/**
 * Restores a VM's state: into as many vCPUs as it has, in its order; CPUID before the registers, the time stamp counter behind them, the
 * local APIC before its timer. All or nothing: it is first rehearsed in a VM of the same kind; when something does not fit, nothing
 * changes, and the report has all that does not fit. The vCPUs must not have run yet if their CPUID is to change. Memory is not touched.
 *
 * @param policy  NULL: none.
 * @param report  gets what does not fit; NULL: nobody wants to know.
 * @return 0; -1 with EINVAL when something does not fit.
 */
int anykvm_state_restore(const struct anykvm_state *state, int vm, const int *vcpus, size_t count, const struct anykvm_policy *policy,
			 unsigned int flags, struct anykvm_report *report);

/* ---- Profiles: what a KVM can hold. ---- */

struct anykvm_profile;

/** Takes the profile of a KVM (a descriptor as of anykvm_open_accel()): creates a VM with one vCPU and asks it. NULL with errno. */
struct anykvm_profile *anykvm_profile_take(int system);
/** A profile as text (anykvm-profile(5)), to be freed with free(). NULL with errno. */
char *anykvm_profile_print(const struct anykvm_profile *profile);
/** A profile from its text; NULL with errno and the line in anykvm_refusal(). */
struct anykvm_profile *anykvm_profile_parse(const char *text);
void anykvm_profile_free(struct anykvm_profile *profile);

/* ---- Check and compare. ---- */

/**
 * Would the state restore on a KVM that is not here? What a profile cannot tell (values that depend on each other), is not told.
 *
 * @return how many misfits have been added to the report; -1 with errno.
 */
int anykvm_state_check_profile(const struct anykvm_state *state, const struct anykvm_profile *profile, const struct anykvm_policy *policy,
			       struct anykvm_report *report);

/** Would it restore on this KVM? Rehearses it in a VM of its own. Result as of anykvm_state_check_profile(). */
int anykvm_state_check(const struct anykvm_state *state, int system, const struct anykvm_policy *policy, struct anykvm_report *report);

/** A difference between two states. */
struct anykvm_difference {
	int vcpu;         /**< ANYKVM_STATE_VM: the VM */
	const char *name; /**< as of struct anykvm_misfit */
	uint64_t id;      /**< the register's; 0: it is none */
	size_t size;      /**< of the values, in bytes */
	const void *a, *b; /**< NULL: the state has it not */
};

/**
 * Compares two states of one architecture; calls `tell` for each difference in order.
 *
 * @return how many there are, or -1 with errno (EINVAL: two architectures).
 */
int anykvm_state_diff(const struct anykvm_state *a, const struct anykvm_state *b, void (*tell)(void *context, const struct anykvm_difference *difference),
		      void *context);

/* ---- Files: ELF core files, which gdb and readelf open; anykvm-state(5). ---- */

/** How a file is written or read; NULL stands for all zeroes. */
struct anykvm_state_io {
	/** 0: an ELF file; otherwise it is packed by zstd at this level (1 ... 19, or less than 0 for speed). Reading finds out by itself. */
	int zstd_level;
	/** NULL, or called as memory is written or read: how many bytes of how many. */
	void (*progress)(void *context, uint64_t done, uint64_t total);
	void *context;
};

/**
 * Writes the state, with its memory. Needs no seeking: `fd` can be a pipe. In a regular file pages of zeroes become holes.
 */
int anykvm_state_write(const struct anykvm_state *state, int fd, const struct anykvm_state_io *io);
/** Reads one; anykvm_refusal() says what is wrong with the file, and where. NULL with errno. */
struct anykvm_state *anykvm_state_read(int fd, const struct anykvm_state_io *io);
/** The same into and from a file by its name; a file is whole or not there: it is written under another name, synced and renamed. */
int anykvm_state_save(const struct anykvm_state *state, const char *path, const struct anykvm_state_io *io);
struct anykvm_state *anykvm_state_load(const char *path, const struct anykvm_state_io *io);

#ifdef __cplusplus
}
#endif
#endif
