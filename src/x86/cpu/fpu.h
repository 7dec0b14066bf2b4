/*
 * The guest's x87, MMX and SSE state: struct x86_xsave is the state itself. What the ioctls and the XSAVE family need to know
 * of it beyond its fields. Knows no instruction.
 */
#ifndef ANYKVM_X86_CPU_FPU_H
#define ANYKVM_X86_CPU_FPU_H

#include "x86/vcpu.h"

/* The x87 control and status words: SDM Vol. 1, 8.1. */
#define X87_CONTROL_INITIAL 0x37f
#define X87_FLAGS 0x3fu /* IE, DE, ZE, OE, UE, PE: of the status word; their masks in the control word */
#define X87_STATUS_IE (1u << 0)
#define X87_STATUS_UE (1u << 4)
#define X87_STATUS_PE (1u << 5)
#define X87_STATUS_SF (1u << 6)
#define X87_STATUS_ES (1u << 7)
#define X87_STATUS_C0 (1u << 8)
#define X87_STATUS_C1 (1u << 9)
#define X87_STATUS_C2 (1u << 10)
#define X87_STATUS_TOP (7u << 11)
#define X87_STATUS_C3 (1u << 14)
#define X87_STATUS_B (1u << 15)
#define X87_CONDITIONS (X87_STATUS_C0 | X87_STATUS_C1 | X87_STATUS_C2 | X87_STATUS_C3)

/* Whether the host's processor can compute for guests at all: it must be x86-64-v2, as they are. */
bool fpu_host_supported(void);

/* Handler of an instruction whose unit CR0 says is not available: #NM. */
void fpu_not_available(struct x86_vcpu *cpu, const struct insn *insn);

/* The components that are not in their initial state (or were said not to be), as XSAVE and KVM_GET_XSAVE report them: SDM Vol. 1, 13.6. */
uint64_t fpu_xstate_bv(const struct x86_vcpu *cpu);

/* Puts components into their initial state. MXCSR is no component's. */
void fpu_components_init(struct x86_vcpu *cpu, uint64_t components);

/*
 * Inside the guest (between fpu_enter and fpu_leave). _take comes before the first operation that MXCSR concerns: the program's MXCSR
 * is put away until fpu_leave(). _store brings the flags from the unit, _load brings a new MXCSR there, if it was taken.
 */
void fpu_sse_take(struct x86_vcpu *cpu);
void fpu_mxcsr_store(struct x86_vcpu *cpu);
void fpu_mxcsr_load(struct x86_vcpu *cpu);

/* FLDCW and all that load the control word: bit 6 is always set, reserved bits never. */
static inline uint16_t x87_control(uint16_t value)
{
	return (value & 0x1f3f) | 0x40;
}

/* Whether an unmasked x87 exception waits to be taken by the next waiting instruction (#MF). */
static inline bool x87_pending(const struct x86_vcpu *cpu)
{
	return cpu->xsave.fsw & ~cpu->xsave.fcw & X87_FLAGS;
}

/* The status word with ES and B, which only say what x87_pending() says. */
static inline uint16_t x87_status(const struct x86_vcpu *cpu)
{
	uint16_t status = cpu->xsave.fsw & (uint16_t)~(X87_STATUS_ES | X87_STATUS_B);

	return x87_pending(cpu) ? status | X87_STATUS_ES | X87_STATUS_B : status;
}

static inline unsigned int x87_top(const struct x86_vcpu *cpu)
{
	return cpu->xsave.fsw >> 11 & 7;
}

/* Another TOP over the same physical registers. */
void x87_top_change(struct x86_vcpu *cpu, unsigned int top);
/* FNINIT. */
void x87_init(struct x86_vcpu *cpu);

/* The tag word in its full form, two bits a physical register: valid, zero, special, empty (SDM Vol. 1, 8.1.7). */
uint16_t x87_tags_full(const struct x86_vcpu *cpu);
/* From the full form to FXSAVE's. */
uint8_t x87_tags_abridge(uint16_t full);

#endif
