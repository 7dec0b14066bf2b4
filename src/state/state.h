/*
 * A state's inside. Architectures fill in struct state_arch; everything else here knows none.
 */
#ifndef ANYKVM_STATE_STATE_H
#define ANYKVM_STATE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "anykvm/state.h"
#include "api/api.h"

/* A failure of this folder's own, with its reason: -1 and errno. */
#define state_fail(error, ...) (api_begin(0), api_end(why((error), __VA_ARGS__)))

/* More than any KVM has: bounds for files. */
enum { STATE_VCPUS_MAX = 4096, STATE_REGS_MAX = 16384, STATE_PARTS_MAX = 64, STATE_PART_SIZE_MAX = 1 << 20, STATE_MEMORY_MAX = 32768 };

/* What a text of a state's or profile's origin takes up. */
#define STATE_ORIGIN_ROOM 256

/* A vCPU; or the VM, which has no registers. */
struct state_unit {
	struct anykvm_state_reg *regs;
	size_t reg_count;
	uint8_t *values; /* of all registers */
	struct anykvm_state_part parts[STATE_PARTS_MAX];
	size_t part_count;
};

struct anykvm_state {
	uint64_t arch;
	char origin[STATE_ORIGIN_ROOM];
	struct state_unit vm, *vcpus;
	size_t vcpu_count;
	struct anykvm_state_memory *memory;
	size_t memory_count;
	bool memory_owned; /* mapped by anykvm_state_read() */
};

/* ---- state.c ---- */
struct anykvm_state *state_new(uint64_t arch, size_t vcpus);
/* How many bytes a value takes up beside others: whole words. */
size_t state_value_room(uint64_t id);
/* Room for registers with these ids, zeroed. 0 or -ENOMEM. */
int state_unit_regs(struct state_unit *unit, const uint64_t *ids, size_t count);
/* A part with room for `size` bytes; NULL: no memory, or too many. */
struct anykvm_state_part *state_unit_part(struct state_unit *unit, const char *name, size_t size);
struct anykvm_state_part *state_unit_find_part(const struct state_unit *unit, const char *name);
void *state_unit_find_reg(const struct state_unit *unit, uint64_t id);
/* Of a register of 64 bits: 0 when there is none. */
uint64_t state_unit_value(const struct state_unit *unit, uint64_t id);
/* A copy without memory. NULL: no memory. */
struct anykvm_state *state_copy(const struct anykvm_state *state);
/* The register's name, or its id as a number. */
void state_reg_name(uint64_t id, char name[static ANYKVM_REG_NAME_ROOM]);
/* Bytes as they stand in reports: a number, or how many bytes. */
void state_value_print(const void *value, size_t size, char text[static ANYKVM_VALUE_ROOM]);

/* ---- report.c ---- */
/* Any text may be NULL. */
void report_add(struct anykvm_report *report, struct anykvm_misfit misfit);

/* ---- policy.c ---- */
/*
 * What the policy makes of a value: true when it is still to be restored (perhaps changed). `there` is what the destination has, NULL when
 * unknown; `*equal_broken` tells an `equal` rule that does not hold.
 */
bool policy_apply(const struct anykvm_policy *policy, const char *name, void *value, size_t size, const void *there, bool *equal_broken);

/* ---- capture.c ---- */
/* The ids that a vCPU lists, to be freed: how many, or -errno. */
int state_reg_ids(int vcpu, uint64_t **ids);
/* Which KVM, of which machine. */
void state_origin(int fd, char origin[static STATE_ORIGIN_ROOM]);
/* The registers of one vCPU into a unit that has its room. 0 or -errno, with a reason. */
int state_regs_get(int vcpu, const struct state_unit *unit);

/* ---- profile.c ---- */
struct profile_reg {
	uint64_t id;
	bool fixed;         /* a value other than this one is refused */
	uint64_t writable;  /* of registers of up to 64 bits that are partly fixed: the bits that are not */
	uint8_t value[32];  /* in a fresh vCPU; of wider registers the beginning */
};

struct anykvm_profile {
	uint64_t arch;
	char origin[STATE_ORIGIN_ROOM];
	struct profile_reg *regs; /* by id */
	size_t reg_count;
	void *cpuid; /* x86: struct kvm_cpuid2 of KVM_GET_SUPPORTED_CPUID */
};

const struct profile_reg *profile_reg_find(const struct anykvm_profile *profile, uint64_t id);

/* ---- What only an architecture knows. ---- */
struct pages;

struct state_arch {
	uint64_t arch;
	/* Registers that are state of their own: no views of others, no constants. */
	bool (*reg_wanted)(uint64_t id);
	/* Registers and parts that stay as they are while a VM runs: a second capture does not ask for them. No part_constant: no parts do. */
	bool (*reg_constant)(uint64_t id);
	bool (*part_constant)(const char *name);
	/* When a register is set: those of a lower phase go first, in one call; STATE_PHASE_LAST behind everything. */
	unsigned int (*reg_phase)(uint64_t id);
	/* The parts of a vCPU or VM: into the unit, and back. Those that a KVM has not are left out. 0 or -errno with a reason. */
	int (*vcpu_parts_get)(int vcpu, struct state_unit *unit);
	int (*vm_parts_get)(int vm, struct state_unit *unit);
	/* One part again, into where it is. */
	int (*part_again)(int fd, struct anykvm_state_part *part);
	/* Before the registers (CPUID), between the phases (the local APIC). */
	int (*vcpu_part_set)(int vcpu, const struct anykvm_state_part *part);
	unsigned int (*part_phase)(const char *name);
	/* Parts that only a VM with its memory takes: rehearsals leave them out. NULL: there are none. */
	bool (*part_needs_memory)(const char *name);
	/* What a policy changes in a part. NULL: nothing. */
	void (*part_policy)(struct anykvm_state_part *part, const struct anykvm_policy *policy);
	int (*vm_part_set)(int vm, const struct anykvm_state_part *part);
	/*
	 * A vCPU that was only made, into one that has the state's registers; misfits are reported through `tell`. NULL: it has them from the start.
	 * `vm` may be -1. 0 or -errno with a reason.
	 */
	int (*vcpu_prepare)(int vm, int vcpu, const struct state_unit *unit, void (*tell)(void *context, uint64_t id, const char *rule), void *context);
	/* A register that only sets bits: the one that clears them all; 0: `id` is an ordinary register. */
	uint64_t (*reg_clearer)(uint64_t id);
	/* Whether a value that was taken must read back as it is: some are dropped without a word. NULL: none are. */
	bool (*reg_stays)(uint64_t id);
	/* For rehearsals, before the vCPUs are made: what the VM needs to take the state. NULL: nothing. 0 or -errno with a reason. */
	int (*vm_prepare)(const struct anykvm_state *state, int vm);
	/* A register that the destination has not: whether the state says in it only what another register says, or nothing. */
	bool (*reg_needless)(uint64_t id, const void *value);
	/* A part that the destination refuses: whether the guest does not use it. */
	bool (*part_needless)(const struct anykvm_state *state, const char *name);
	/* Misfits of CPUID and the like against what a KVM supports; `supported` as in struct anykvm_profile. */
	void (*features_check)(const struct state_unit *unit, int vcpu, const void *supported, const struct anykvm_policy *policy, struct anykvm_report *report);
	/*
	 * Of a profile, on a vCPU that nobody needs: the vCPU with all that there is, and what the profile has beside registers; then, what the
	 * registers take. The lines of that (NULL: there are none).
	 */
	int (*profile_begin)(int system, int vm, int vcpu, struct anykvm_profile *profile);
	void (*profile_refine)(int vm, int vcpu, struct anykvm_profile *profile);
	void (*profile_print)(FILE *to, const struct anykvm_profile *profile);
	bool (*profile_line)(struct anykvm_profile *profile, const char *line);
	/* Why a value does not fit a register of a profile; NULL: it does, as far as the architecture knows. */
	const char *(*reg_misfit)(uint64_t id, const void *value, const struct profile_reg *there);
	/* struct elf_prstatus' registers and the FP note: bytes written, 0: none. gdb's shapes. */
	uint16_t elf_machine;
	size_t (*elf_prstatus)(const struct state_unit *unit, size_t vcpu, void *note, size_t room);
	size_t (*elf_fpregs)(const struct state_unit *unit, void *note, size_t room);
	/* What the vCPU's page tables map, while it has any. */
	void (*pages_find)(const struct state_unit *unit, struct pages *pages);
	/* Words of parts for comparing: calls `tell` with a name and a 32-bit value for each. False, NULL: bytes are compared. */
	bool (*part_words)(const struct anykvm_state_part *part, void (*tell)(void *context, const char *name, uint32_t value), void *context);
};

/* Phases: parts and registers of one phase; parts go first. */
enum { STATE_PHASE_FIRST, STATE_PHASE_REGS, STATE_PHASE_TIMERS, STATE_PHASE_LAST, STATE_PHASES,
       STATE_PHASE_AFTER = STATE_PHASES /* parts alone: when all vCPUs and the VM are restored */ };

const struct state_arch *state_arch_find(uint64_t arch);
extern const struct state_arch state_x86, state_arm64;

#endif
