/*
 * Segment registers and descriptors: SDM Vol. 3A, chapters 3 and 5. Everything here may fault; `false` means that an
 * exception (or a stop) has been recorded and that nothing has changed.
 */
#ifndef ANYKVM_X86_CPU_SEGMENT_H
#define ANYKVM_X86_CPU_SEGMENT_H

#include "x86/vcpu.h"

/* System descriptor types (S = 0). */
enum { TYPE_TSS16 = 1, TYPE_LDT = 2, TYPE_TSS16_BUSY = 3, TYPE_CALL16 = 4, TYPE_TASK = 5, TYPE_INT16 = 6, TYPE_TRAP16 = 7,
       TYPE_TSS32 = 9, TYPE_TSS32_BUSY = 11, TYPE_CALL32 = 12, TYPE_INT32 = 14, TYPE_TRAP32 = 15 };

/* A descriptor as it stands in its table; `high` is the second half of a system descriptor in long mode. */
struct descriptor {
	uint64_t low, high;
	uint64_t linear; /* where it was read */
};

static inline unsigned int descriptor_type(const struct descriptor *d) { return d->low >> 40 & 15; }
static inline bool descriptor_code_data(const struct descriptor *d) { return d->low >> 44 & 1; }
static inline unsigned int descriptor_dpl(const struct descriptor *d) { return d->low >> 45 & 3; }
static inline bool descriptor_present(const struct descriptor *d) { return d->low >> 47 & 1; }
static inline bool descriptor_long(const struct descriptor *d) { return d->low >> 53 & 1; }
static inline bool descriptor_db(const struct descriptor *d) { return d->low >> 54 & 1; }
static inline bool descriptor_is_code(const struct descriptor *d) { return descriptor_code_data(d) && descriptor_type(d) & 8; }
static inline bool descriptor_conforming(const struct descriptor *d) { return descriptor_type(d) & 4; }

/* Whether an address has all its unused upper bits alike, as long mode wants it. */
static inline bool address_canonical(const struct x86_vcpu *cpu, uint64_t address)
{
	unsigned int shift = 64 - cpu->address_bits;

	return (uint64_t)((int64_t)(address << shift) >> shift) == address;
}

static inline bool selector_null(uint16_t selector) { return (selector & ~3) == 0; }

/* Reads the descriptor that a selector names. Outside its table: raises `vector` with the selector as error code. With `system`,
 * the second half too in long mode when the descriptor is a system one. */
bool descriptor_read(struct x86_vcpu *cpu, uint16_t selector, enum vector vector, struct descriptor *d);

/* Raises a fault whose error code is a selector (RPL cleared; `external`: EXT). Always false. */
bool selector_fault(struct x86_vcpu *cpu, enum vector vector, uint16_t selector);

/* The register's contents for a descriptor. */
struct kvm_segment segment_of(uint16_t selector, const struct descriptor *d);

/* Sets the accessed bit in the table if it is clear. */
bool descriptor_set_accessed(struct x86_vcpu *cpu, struct descriptor *d);

/* Loads DS, ES, FS, GS or SS as MOV and POP do: real, virtual-8086 and protected mode. */
bool segment_load(struct x86_vcpu *cpu, enum segment seg, uint16_t selector);
bool ldtr_load(struct x86_vcpu *cpu, uint16_t selector);
bool tr_load(struct x86_vcpu *cpu, uint16_t selector);

/* Real-mode style load of any segment register: base = selector * 16. */
void segment_load_real(struct x86_vcpu *cpu, enum segment seg, uint16_t selector);

/* Sets CS (RPL made `cpl`) and all that depends on it. */
void code_segment_set(struct x86_vcpu *cpu, uint16_t selector, const struct descriptor *d, unsigned int cpl);

/* After a return to an outer level: data segments that the new CPL may not use become null (SDM Vol. 2, RET). */
void data_segments_check(struct x86_vcpu *cpu);

/* SS for a privilege level and its stack pointer from the current TSS (#TS on its faults). In long mode only the pointer. */
bool tss_stack(struct x86_vcpu *cpu, unsigned int level, uint16_t *ss, uint64_t *sp);
bool tss_ist(struct x86_vcpu *cpu, unsigned int index, uint64_t *sp);

/* A stack being filled or emptied before it becomes the current one. */
struct stack {
	struct kvm_segment ss;
	uint64_t sp, mask;
	bool user;     /* privilege of the accesses */
	bool flat;     /* 64-bit: no segmentation */
	enum vector vector; /* of a limit violation: #SS, or #TS for a new stack's */
	uint16_t selector;  /* its error code */
};

struct stack stack_current(struct x86_vcpu *cpu);
bool stack_push(struct x86_vcpu *cpu, struct stack *stack, uint64_t value, unsigned int size);
bool stack_pop(struct x86_vcpu *cpu, struct stack *stack, uint64_t *value, unsigned int size);
/* The n-th element from the top, which stays there; and taking elements away unread. */
bool stack_peek(struct x86_vcpu *cpu, const struct stack *stack, unsigned int n, uint64_t *value, unsigned int size);
void stack_release(struct stack *stack, unsigned int bytes);

/* The stack that the TSS names for an inner level, its SS checked. */
bool stack_for_level(struct x86_vcpu *cpu, unsigned int level, struct stack *stack);
/* Makes a stack current: RSP, and SS when told. */
void stack_commit(struct x86_vcpu *cpu, const struct stack *stack, bool segment_too);

/* Task switch to the TSS that `selector` names (task.c): for far JMP and CALL, IRET with NT, and task gates. */
enum task_switch { TASK_JMP, TASK_CALL, TASK_IRET, TASK_GATE };
bool task_switch(struct x86_vcpu *cpu, uint16_t selector, enum task_switch how, bool has_error_code, uint32_t error_code, uint64_t next_rip);

/* Far transfers (transfer.c). cpu->rip is the instruction's; on success it is the target and mode and CPL are current. */
bool far_jump(struct x86_vcpu *cpu, uint16_t selector, uint64_t offset, unsigned int size, uint64_t next_rip);
bool far_call(struct x86_vcpu *cpu, uint16_t selector, uint64_t offset, unsigned int size, uint64_t next_rip);
bool far_return(struct x86_vcpu *cpu, unsigned int size, unsigned int release);
bool interrupt_return(struct x86_vcpu *cpu, unsigned int size, uint64_t next_rip);

/* Interrupt and exception delivery (event.c). */
enum event_type { EVENT_EXCEPTION, EVENT_EXTERNAL, EVENT_NMI, EVENT_SOFTWARE /* INT n, INT3, INTO: DPL is checked */ };
/* Delivers with nested faults folded in (#DF, triple fault). `return_rip` goes on the stack. False: cpu->stop says why not. */
bool event_deliver(struct x86_vcpu *cpu, enum event_type type, uint8_t vector, bool has_error_code, uint32_t error_code, uint64_t return_rip);

#endif
