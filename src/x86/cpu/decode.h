/*
 * From bytes to struct insn. Zydis knows the encodings; the tables here say who gives each mnemonic its meaning. A decode
 * function looks at the operands once and chooses a handler, so that handlers decide nothing at run time.
 */
#ifndef ANYKVM_X86_CPU_DECODE_H
#define ANYKVM_X86_CPU_DECODE_H

#include <Zydis/Zydis.h>

#include "x86/cpu/insn.h"

struct decoder {
	struct x86_vcpu *cpu;
	uint32_t mode;  /* MODE_*: the block's */
	uint64_t rip;   /* of this instruction */
	uint64_t next;  /* RIP behind it, truncated to the code size */
	const uint8_t *bytes;
	ZydisDecodedInstruction z;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

/*
 * Fills `insn` (zeroed; length, offset and, when there is a memory operand, its address, seg and flags are set already) and
 * says true; false: the instruction is undefined here (#UD). `argument` is the row's.
 */
typedef bool decode_fn(struct decoder *d, struct insn *insn, unsigned int argument);

struct decode_row {
	ZydisMnemonic mnemonic;
	decode_fn *decode;
	unsigned int argument;
};

/* One table per group of instructions, ended by a row without a decode function. */
extern const struct decode_row integer_rows[]; /* integer.c */
extern const struct decode_row string_rows[];  /* string.c */
extern const struct decode_row branch_rows[];  /* branch.c: near transfers and the stack */
extern const struct decode_row system_rows[];  /* system.c: privileged, far transfers, I/O */
extern const struct decode_row x87_rows[];     /* x87.c */
/* MMX and SSE to SSE4.2, a file each: moves, elements, packed integers, floating point, conversions, string comparison. */
extern const struct decode_row sse_move_rows[], sse_element_rows[], sse_int_rows[], sse_float_rows[], sse_convert_rows[], sse_string_rows[];
extern const struct decode_row avx_rows[];    /* avx.c: the VEX encodings that there are */
extern const struct decode_row xsave_rows[];   /* xsave_insn.c: FXSAVE and the XSAVE family, LDMXCSR */

/* ---- Helpers. ---- */

/* General register of an operand: its encoding (R8 is 8); for a byte register the offset into gpr[] that gpr8() takes. */
uint8_t decode_gpr(ZydisRegister reg);
/* The enum segment of a segment register. */
uint8_t decode_segment(ZydisRegister reg);
/* The memory operand's address into `insn`: base, index, scale, disp, seg, INSN_ADDRESS_*. */
void decode_memory(const struct decoder *d, const ZydisDecodedOperand *op, struct insn *insn);

static inline bool decode_is_memory(const struct decoder *d, unsigned int operand)
{
	return d->op[operand].type == ZYDIS_OPERAND_TYPE_MEMORY;
}

static inline bool decode_is_register(const struct decoder *d, unsigned int operand)
{
	return d->op[operand].type == ZYDIS_OPERAND_TYPE_REGISTER;
}

static inline unsigned int decode_code_bits(const struct decoder *d)
{
	return 16u << (d->mode & MODE_CODE_MASK);
}

/* Log2 of a size of 1, 2, 4 or 8 bytes: the index into a table of handlers by size. */
static inline unsigned int decode_size_index(unsigned int bytes)
{
	return (unsigned int)__builtin_ctz(bytes);
}

/* Decodes one instruction at `bytes` (`available` of them). True when `insn` is complete (an undefined one gets insn_undefined);
 * false when more bytes are needed. */
bool decode_insn(struct x86_vcpu *cpu, uint64_t rip, const uint8_t *bytes, unsigned int available, struct insn *insn);

/* One instruction of 64-bit code as Zydis has it. */
bool decode_code64(const uint8_t *bytes, unsigned int available, ZydisDecodedInstruction *z, ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT]);

#endif
