/*
 * Operands of integer instructions: registers and memory of 1, 2, 4 or 8 bytes, as sign-extended 64-bit values (the lazy flags
 * want them so). Everything here is a template: inlined into handlers with constant sizes, so that nothing is decided at run time.
 */
#ifndef ANYKVM_X86_CPU_OPERAND_H
#define ANYKVM_X86_CPU_OPERAND_H

#include "x86/cpu/decode.h"
#include "x86/cpu/flags.h"
#include "x86/cpu/mem.h"

#define TEMPLATE static inline __attribute__((always_inline))

/* Where the operands of a two-operand instruction are; destination first. */
enum form { FORM_RR, FORM_RI, FORM_RM, FORM_MR, FORM_MI, FORM_COUNT };

/*
 * A template is instantiated twice: as handlers with constant sizes and forms (PATH_FAST), which call nothing and therefore
 * save no registers, and as one function that can do all of it (PATH_SLOW), for whatever a fast one meets that is rare: a
 * translation that is not cached, a segment with limits, flags that must be computed.
 */
enum path { PATH_FAST, PATH_SLOW };
/* How a template ends: go on; leave (all has been said to the vCPU); nothing was done, start over on the slow path. */
enum step { STEP_NEXT, STEP_LEAVE, STEP_SLOW };

#define HANDLER(name, slow, template, ...)                                        \
	static void name(struct x86_vcpu *cpu, const struct insn *insn)           \
	{                                                                         \
		enum step step = template(cpu, insn, PATH_FAST, __VA_ARGS__);     \
                                                                                  \
		if (likely(step == STEP_NEXT))                                    \
			insn_next(cpu, insn);                                     \
		else if (step == STEP_SLOW)                                       \
			slow(cpu, insn);                                          \
	}
#define HANDLER_SLOW(name, template, ...)                                         \
	static __attribute__((noinline)) void name(struct x86_vcpu *cpu, const struct insn *insn) \
	{                                                                         \
		if (template(cpu, insn, PATH_SLOW, __VA_ARGS__) == STEP_NEXT)     \
			insn_next(cpu, insn);                                     \
	}

/* ---- Registers. ---- */

TEMPLATE int64_t gpr_get(struct x86_vcpu *cpu, uint8_t reg, unsigned int size)
{
	switch (size) {
	case 1: return *(int8_t *)gpr8(cpu, reg);
	case 2: return (int16_t)cpu->gpr[reg];
	case 4: return (int32_t)cpu->gpr[reg];
	default: return (int64_t)cpu->gpr[reg];
	}
}

/* 32-bit writes clear the upper half; shorter ones keep what they do not name (SDM Vol. 1, 3.4.1.1). */
TEMPLATE void gpr_set(struct x86_vcpu *cpu, uint8_t reg, unsigned int size, uint64_t value)
{
	uint16_t low = (uint16_t)value;

	switch (size) {
	case 1: *gpr8(cpu, reg) = (uint8_t)value; break;
	case 2: memcpy(&cpu->gpr[reg], &low, 2); break;
	case 4: cpu->gpr[reg] = (uint32_t)value; break;
	default: cpu->gpr[reg] = value; break;
	}
}

TEMPLATE uint64_t size_mask(unsigned int size)
{
	return UINT64_MAX >> (64 - 8 * size);
}

TEMPLATE int64_t sign_extend(uint64_t value, unsigned int size)
{
	return (int64_t)(value << (64 - 8 * size)) >> (64 - 8 * size);
}

/* ---- Memory. What is not STEP_NEXT is the caller's result too. ---- */

TEMPLATE int64_t host_get(uint64_t host, unsigned int size)
{
	int64_t value = 0;

	host_load(&value, host, size);
	return sign_extend((uint64_t)value, size);
}

/* Linear address of the memory operand, `delta` added to its offset. */
TEMPLATE enum step operand_linear(struct x86_vcpu *cpu, const struct insn *insn, enum path path, int64_t delta, unsigned int size,
				  enum access access, uint64_t *linear)
{
	uint64_t offset = insn_effective(cpu, insn) + (uint64_t)delta;

	if (unlikely(insn->flags & INSN_ADDRESS_COMPLEX)) {
		if (path == PATH_SLOW) {
			*linear = address_complex(cpu, insn, offset, size, access);
			return STEP_NEXT;
		}
		/* What takes no checks: 64-bit code, and flat segments (an end beyond 4 GiB looks like a page crossing). */
		if (insn->flags & INSN_ADDRESS32)
			offset = (uint32_t)offset;
		else if (insn->flags & INSN_ADDRESS16)
			offset = (uint16_t)offset;
		if (insn->seg >= FS) {
			if ((cpu->mode & MODE_CODE_MASK) != MODE_CODE64)
				return STEP_SLOW;
			offset += cpu->seg[insn->seg].base;
		} else if (!(cpu->mode & (MODE_FLAT | MODE_CODE64)) || insn->seg == CS) {
			return STEP_SLOW;
		}
	}
	*linear = offset;
	return STEP_NEXT;
}

TEMPLATE enum step load_at(struct x86_vcpu *cpu, const struct insn *insn, enum path path, uint64_t linear, unsigned int size, int64_t *value)
{
	const struct tlb_entry *entry;
	uint64_t raw = 0;

	if (path == PATH_SLOW) {
		if (!mem_read(cpu, insn, linear, &raw, size))
			return STEP_LEAVE;
		*value = sign_extend(raw, size);
		return STEP_NEXT;
	}
	entry = tlb_lookup(cpu->tlb, TLB_READ, linear, size);
	if (unlikely(!entry))
		return STEP_SLOW;
	*(const struct insn *volatile *)&cpu->insn = insn;
	*value = host_get(linear + entry->addend, size);
	return STEP_NEXT;
}

TEMPLATE enum step load(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size, int64_t *value)
{
	uint64_t linear = 0;
	enum step step = operand_linear(cpu, insn, path, 0, size, ACCESS_READ, &linear);

	return step == STEP_NEXT ? load_at(cpu, insn, path, linear, size, value) : step;
}

/* The host address to write to, when that needs no more than looking: a store into the running block does (see mem_write()). */
TEMPLATE uint64_t host_for_write(struct x86_vcpu *cpu, const struct insn *insn, uint64_t linear, unsigned int size)
{
	const struct tlb_entry *entry = tlb_lookup(cpu->tlb, TLB_WRITE, linear, size);
	uint64_t host;

	if (unlikely(!entry))
		return 0;
	host = linear + entry->addend;
	if (unlikely(host_meets(host, size, cpu->block_host, cpu->block_length)))
		return 0;
	*(const struct insn *volatile *)&cpu->insn = insn;
	return host;
}

TEMPLATE enum step store_at(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum segment seg, uint64_t linear,
			    unsigned int size, uint64_t value)
{
	uint64_t host;

	if (path == PATH_SLOW)
		return mem_write_seg(cpu, insn, seg, linear, &value, size) ? STEP_NEXT : STEP_LEAVE;
	host = host_for_write(cpu, insn, linear, size);
	if (unlikely(!host))
		return STEP_SLOW;
	host_store(host, &value, size);
	return STEP_NEXT;
}

TEMPLATE enum step store(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size, uint64_t value)
{
	uint64_t linear = 0;
	enum step step = operand_linear(cpu, insn, path, 0, size, ACCESS_WRITE, &linear);

	return step == STEP_NEXT ? store_at(cpu, insn, path, (enum segment)insn->seg, linear, size, value) : step;
}

/* A memory operand that is read, then written. The read checks for the write, so that on the fast path nothing can fail behind it. */
struct modify {
	uint64_t linear;
	uint64_t host;
};

bool modify_begin_slow(struct x86_vcpu *cpu, const struct insn *insn, uint64_t linear, void *value, unsigned int size);

TEMPLATE enum step modify_begin_at(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size, struct modify *modify, int64_t *value)
{
	uint64_t raw = 0;

	if (path == PATH_SLOW) {
		if (!modify_begin_slow(cpu, insn, modify->linear, &raw, size))
			return STEP_LEAVE;
		*value = sign_extend(raw, size);
		return STEP_NEXT;
	}
	modify->host = host_for_write(cpu, insn, modify->linear, size);
	if (unlikely(!modify->host))
		return STEP_SLOW;
	*value = host_get(modify->host, size);
	return STEP_NEXT;
}

TEMPLATE enum step modify_begin(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size, struct modify *modify, int64_t *value)
{
	enum step step = operand_linear(cpu, insn, path, 0, size, ACCESS_RMW, &modify->linear);

	return step == STEP_NEXT ? modify_begin_at(cpu, insn, path, size, modify, value) : step;
}

/* STEP_NEXT or STEP_LEAVE. */
TEMPLATE enum step modify_end(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size, const struct modify *modify, uint64_t value)
{
	if (path == PATH_SLOW)
		return mem_write(cpu, insn, modify->linear, &value, size) ? STEP_NEXT : STEP_LEAVE;
	host_store(modify->host, &value, size);
	return STEP_NEXT;
}

/* ---- Decoding (operand.c). ---- */

/* Sets reg, rm and imm from the first two operands and says which form they have. */
enum form decode_form(const struct decoder *d, struct insn *insn);
/* Sets reg or nothing for an instruction with one operand; true when that is memory. */
bool decode_single(const struct decoder *d, struct insn *insn);
/* An immediate operand, sign-extended from the instruction's operand size. */
uint64_t decode_immediate(const struct decoder *d, unsigned int operand, unsigned int size);
/* Leaves the operands of a mnemonic that is system.c's in part (MOV and POP to segment registers...) to its row in system_rows. */
bool decode_as_system(struct decoder *d, struct insn *insn);

/* ---- Decode functions behind integer_rows, and their arguments where those need names. ---- */
enum alu_op { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP, ALU_TEST, ALU_OPS }; /* TEST is AND without a result */
enum alu_unary { ALU_INC, ALU_DEC, ALU_NEG, ALU_NOT, ALU_UNARIES };
enum shift_op { SHIFT_ROL, SHIFT_ROR, SHIFT_RCL, SHIFT_RCR, SHIFT_SHL, SHIFT_SHR, SHIFT_SAR, SHIFT_OPS };
enum bit_op { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT, BIT_OPS };
enum bcd_op { BCD_AAA, BCD_AAS, BCD_AAM, BCD_AAD, BCD_DAA, BCD_DAS };
enum status_op { STATUS_CLC, STATUS_STC, STATUS_CMC, STATUS_CLD, STATUS_STD, STATUS_LAHF, STATUS_SAHF, STATUS_SALC };

decode_fn alu_decode, alu_unary_decode, atomic_exchange_decode, atomic_add_decode, atomic_compare_decode, atomic_compare_wide_decode;
decode_fn move_decode, move_extend_decode, move_conditional_decode, move_swapped_decode, lea_decode, xlat_decode, byte_swap_decode, widen_decode;
decode_fn multiply_decode, multiply_single_decode, divide_decode, shift_decode, shift_double_decode;
decode_fn bit_test_decode, bit_scan_decode, population_decode, crc32_decode, bcd_decode;
decode_fn set_condition_decode, status_decode, nop_decode, pause_decode, fence_decode, flush_decode, random_decode, bound_decode;

/* XCHG of two registers of insn->size bytes (atomic.c). */
bool atomic_exchange_registers(struct insn *insn, uint8_t reg, uint8_t rm);

#endif
