/*
 * System instructions: what the files system*.c, io.c and hypercall.c share. Handlers of system instructions begin with
 * insn_sync(), for they work in several steps and may be left in any of them.
 */
#ifndef ANYKVM_X86_CPU_SYSTEM_H
#define ANYKVM_X86_CPU_SYSTEM_H

#include "x86/cpu/decode.h"
#include "x86/cpu/exec.h"
#include "x86/cpu/flags.h"
#include "x86/cpu/io.h"
#include "x86/cpu/mem.h"
#include "x86/cpu/segment.h"

static inline bool mode_is_code64(const struct x86_vcpu *cpu)
{
	return (cpu->mode & MODE_CODE_MASK) == MODE_CODE64;
}

/* Protected mode proper: selectors mean descriptors. */
static inline bool mode_is_protected(const struct x86_vcpu *cpu)
{
	return !(cpu->mode & (MODE_REAL | MODE_VM86));
}

static inline unsigned int flags_iopl(const struct x86_vcpu *cpu)
{
	return cpu->rflags >> 12 & 3;
}

/* CPL 0, or #GP(0). For the first line of a privileged instruction. */
static inline bool privilege_check(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (likely(cpu->cpl == 0))
		return true;
	insn_fault_code(cpu, insn, VECTOR_GP, 0);
	return false;
}

/* Sets a general register as an operand of `size` bytes (2, 4 or 8) does. */
static inline void register_set(struct x86_vcpu *cpu, uint8_t reg, unsigned int size, uint64_t value)
{
	if (size == 2)
		cpu->gpr[reg] = (cpu->gpr[reg] & ~UINT64_C(0xffff)) | (value & 0xffff);
	else
		cpu->gpr[reg] = size == 4 ? value & UINT32_MAX : value;
}

/* A vendor decides a few things: SYSENTER in long mode, SYSCALL in legacy mode, which hypercall instruction is the own one. */
bool cpu_is_intel(const struct x86_vcpu *cpu);

/* EDX:EAX of MSR and counter instructions. */
static inline uint64_t edx_eax(const struct x86_vcpu *cpu)
{
	return cpu->gpr[RDX] << 32 | (cpu->gpr[RAX] & UINT32_MAX);
}

static inline void edx_eax_set(struct x86_vcpu *cpu, uint64_t value)
{
	cpu->gpr[RAX] = value & UINT32_MAX;
	cpu->gpr[RDX] = value >> 32;
}

/* In insn->extra: the operand that may be a register or memory is memory. */
#define EXTRA_MEMORY 0x10000u

/* Decodes such an operand: size, and reg or EXTRA_MEMORY. */
void system_decode_rm(const struct decoder *d, struct insn *insn, unsigned int operand);
bool system_read_rm16(struct x86_vcpu *cpu, const struct insn *insn, uint16_t *value);
/* To a register with the operand size, to memory with 16 bits. */
bool system_write_rm(struct x86_vcpu *cpu, const struct insn *insn, uint64_t value);

/* A far pointer operand: an offset of `size` bytes, behind it the selector. */
bool system_read_far_pointer(struct x86_vcpu *cpu, const struct insn *insn, unsigned int size, uint64_t *offset, uint16_t *selector);

/* After IN, OUT and the like: RIP of the instruction behind one that is completed outside of a block. */
uint64_t rip_behind(const struct x86_vcpu *cpu, unsigned int length);

/* ---- Decode functions and handlers, by file; the arguments of decode functions. ---- */

/* system_segment.c */
enum { QUERY_VERR, QUERY_VERW, QUERY_LAR, QUERY_LSL, QUERY_ARPL };
enum { TABLE_LLDT, TABLE_LTR, TABLE_SLDT, TABLE_STR };
#define SEGMENT_BASE_WRITE 0x100u
decode_fn segment_move_decode, segment_push_decode, segment_pop_decode, segment_pointer_decode;
decode_fn segment_query_decode, table_register_decode, segment_base_decode;
insn_fn gs_swap_run;

/* system_control.c */
enum { TABLE_LGDT, TABLE_LIDT, TABLE_SGDT, TABLE_SIDT };
decode_fn control_move_decode, table_decode, status_word_decode, page_invalidate_decode;
insn_fn task_switched_clear_run;

/* system_msr.c */
decode_fn pid_decode;
insn_fn msr_read_run, msr_write_run, tsc_read_run, tsc_read_pid_run, counter_read_run, cpuid_run, xcr_write_run;

/* system_transfer.c */
enum { INTERRUPT_N, INTERRUPT_3, INTERRUPT_O, INTERRUPT_1 };
decode_fn far_jump_decode, far_return_decode, interrupt_return_decode, interrupt_decode;
insn_fn syscall_run, sysret_run, sysenter_run, sysexit_run;

/* io.c */
decode_fn port_decode, port_string_decode;

/* hypercall.c */
insn_fn vmcall_run, vmmcall_run;

#endif
