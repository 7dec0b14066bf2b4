/*
 * The host's x87 unit. Any x87 instruction can be executed on it, whole (host_x87_execute: the complete guest state is loaded,
 * so that stack faults, unmasked exceptions and everything undocumented are a processor's own) or on just the registers
 * it works with (the rest: far cheaper, for instructions that meet no such condition). Only x87.c and fpu.c use it;
 * it knows nothing of vCPUs. Compare host_fpu.h.
 *
 * Instructions are reached by their encoding: a stub for each, in a table.
 */
#ifndef ANYKVM_X86_CPU_HOST_X87_H
#define ANYKVM_X86_CPU_HOST_X87_H

#include <stdint.h>

#include "x86/cpu/host_fpu.h"

/* The x87 state as FNSAVE stores it with 32-bit operand size: SDM Vol. 1, figure 8-9. */
struct host_x87_state {
	uint32_t control, status, tags, ip, ip_selector_opcode, data, data_selector;
	uint8_t st[8][10];
};
_Static_assert(sizeof(struct host_x87_state) == 108, "FNSAVE's format");

/* 512 stubs of 4 bytes for the register forms, D8 C0 ... DF FF; 64 for memory forms, D8 /0 ... DF /7, with the operand at (%rdx). */
extern const uint8_t host_x87_register_stubs[] __attribute__((visibility("hidden")));
extern const uint8_t host_x87_memory_stubs[] __attribute__((visibility("hidden")));

static inline const void *host_x87_register_stub(uint8_t opcode, uint8_t modrm)
{
	return host_x87_register_stubs + 4 * ((opcode & 7u) << 6 | (modrm & 63u));
}

static inline const void *host_x87_memory_stub(uint8_t opcode, uint8_t modrm)
{
	return host_x87_memory_stubs + 4 * ((opcode & 7u) << 3 | (modrm >> 3 & 7u));
}

/* Every register that a stub may touch. The call must not write into the caller's red zone. */
#define HOST_X87_CLOBBERS "memory", "cc", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)"
#define HOST_X87_CALL "lea -128(%%rsp), %%rsp\n\tcall *%%rcx\n\tlea 128(%%rsp), %%rsp\n\t"

/*
 * Executes the stub's instruction on the whole state. `flags` are EFLAGS' low byte before it (FCMOVcc); returned are those
 * after it (FCOMI). The unit is left as FNINIT leaves it. No unmasked exception may be pending in the state.
 */
static inline uint8_t host_x87_execute(struct host_x87_state *state, const void *stub, void *operand, uint8_t flags)
{
	uint32_t ax = (uint32_t)flags << 8;

	asm volatile("frstor (%%rdi)\n\tsahf\n\t" HOST_X87_CALL "lahf\n\tfnsave (%%rdi)"
		     : "+a"(ax) : "c"(stub), "d"(operand), "D"(state) : HOST_X87_CLOBBERS);
	return (uint8_t)(ax >> 8);
}

/*
 * ---- On the registers involved only. The unit's stack is empty before and after; all exceptions are masked in it. ----
 *
 * They return the status word. Where it has one of the flags in `unmasked`, the result is not stored.
 */

/* The instruction pushes its result. */
static inline uint16_t host_x87_push(const void *stub, const void *operand, uint8_t unmasked, uint8_t result[10])
{
	uint16_t status;

	asm volatile(HOST_X87_CALL
		     "fnstsw %%ax\n\ttest %b[unmasked], %%al\n\tjnz 1f\n\tfstpt (%[result])\n\tjmp 2f\n1:\tfstp %%st(0)\n2:"
		     : "=&a"(status)
		     : "c"(stub), "d"(operand), [unmasked] "q"(unmasked), [result] "r"(result)
		     : HOST_X87_CLOBBERS);
	return status;
}

/* The instruction changes ST(0). */
static inline uint16_t host_x87_unary(const void *stub, const void *operand, uint8_t unmasked, uint8_t st0[10])
{
	uint16_t status;

	asm volatile("fldt (%[st0])\n\t" HOST_X87_CALL
		     "fnstsw %%ax\n\ttest %b[unmasked], %%al\n\tjnz 1f\n\tfstpt (%[st0])\n\tjmp 2f\n1:\tfstp %%st(0)\n2:"
		     : "=&a"(status)
		     : "c"(stub), "d"(operand), [unmasked] "q"(unmasked), [st0] "r"(st0)
		     : HOST_X87_CLOBBERS);
	return status;
}

/* The instruction only looks at ST(0), or stores it and leaves it there. */
static inline uint16_t host_x87_look(const void *stub, void *operand, const uint8_t st0[10])
{
	uint16_t status;

	asm volatile("fldt (%[st0])\n\t" HOST_X87_CALL "fnstsw %%ax\n\tfstp %%st(0)"
		     : "=&a"(status) : "c"(stub), "d"(operand), [st0] "r"(st0) : HOST_X87_CLOBBERS);
	return status;
}

/* The instruction stores ST(0) and pops it. */
static inline uint16_t host_x87_store_pop(const void *stub, void *operand, const uint8_t st0[10])
{
	uint16_t status;

	asm volatile("fldt (%[st0])\n\t" HOST_X87_CALL "fnstsw %%ax"
		     : "=&a"(status) : "c"(stub), "d"(operand), [st0] "r"(st0) : HOST_X87_CLOBBERS);
	return status;
}

/*
 * The instruction works with ST(0) and ST(1); its result is either, or none (stored to where nobody looks). `flags`: EFLAGS' low byte, in and out.
 */
static inline uint16_t host_x87_binary(const void *stub, const uint8_t st0[10], const uint8_t st1[10], uint8_t unmasked,
				       uint8_t result0[10], uint8_t result1[10], uint8_t *flags)
{
	uint32_t eflags = (uint32_t)*flags << 8;
	uint16_t status;

	asm volatile("fldt (%[st1])\n\tfldt (%[st0])\n\tsahf\n\t" HOST_X87_CALL "lahf\n\tfnstsw %[status]\n\t"
		     "testb %b[unmasked], %[status]\n\tjnz 1f\n\tfstpt (%[result0])\n\tfstpt (%[result1])\n\tjmp 2f\n"
		     "1:\tfstp %%st(0)\n\tfstp %%st(0)\n2:"
		     : [eflags] "+&a"(eflags), [status] "=m"(status)
		     : "c"(stub), [st0] "r"(st0), [st1] "r"(st1), [unmasked] "q"(unmasked), [result0] "r"(result0), [result1] "r"(result1)
		     : HOST_X87_CLOBBERS);
	*flags = (uint8_t)(eflags >> 8);
	return status;
}

/* ---- The unit itself. ---- */

static inline void host_x87_control_set(uint16_t control)
{
	asm volatile("fldcw %0" : : "m"(control) : "memory");
}

static inline void host_x87_flags_clear(void)
{
	asm volatile("fnclex" : : : "memory");
}

/* Takes the unit from the program: its environment is kept in `environment`, the unit initialised. */
static inline void host_x87_environment_take(uint32_t environment[7])
{
	asm volatile("fnstenv (%0)\n\tfninit" : : "r"(environment) : HOST_X87_CLOBBERS);
}

static inline void host_x87_environment_set(const uint32_t environment[7])
{
	asm volatile("fldenv (%0)" : : "r"(environment) : HOST_X87_CLOBBERS);
}

#endif
