/*
 * Bytes to struct insn: what is common to all instructions. Which handler an instruction gets is the tables' business.
 * Never looks at guest memory or changes the vCPU.
 */
#include "x86/cpu/decode.h"

#include <pthread.h>
#include <string.h>

static ZydisDecoder decoders[4]; /* by code size, and real mode */
static const struct decode_row *row_of[ZYDIS_MNEMONIC_MAX_VALUE + 1];
static const struct decode_row *string_row_of[ZYDIS_MNEMONIC_MAX_VALUE + 1];
static bool vex_mnemonic[ZYDIS_MNEMONIC_MAX_VALUE + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void rows_add(const struct decode_row **index, const struct decode_row *rows)
{
	for (; rows->decode; rows++)
		index[rows->mnemonic] = rows;
}

static void decoders_init(void)
{
	ZydisDecoderInit(&decoders[0], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
	ZydisDecoderInit(&decoders[1], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	ZydisDecoderInit(&decoders[2], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	ZydisDecoderInit(&decoders[3], ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16);
	for (unsigned int i = 0; i < 4; i++) {
		/* AMD's and Intel's readings differ in 64-bit near branches with an operand-size prefix; we follow Intel's. */
		ZydisDecoderEnableMode(&decoders[i], ZYDIS_DECODER_MODE_AMD_BRANCHES, ZYAN_FALSE);
		/* TZCNT and LZCNT are BSF and BSR on a processor without BMI and LZCNT. */
		ZydisDecoderEnableMode(&decoders[i], ZYDIS_DECODER_MODE_TZCNT, ZYAN_FALSE);
		ZydisDecoderEnableMode(&decoders[i], ZYDIS_DECODER_MODE_LZCNT, ZYAN_FALSE);
		ZydisDecoderEnableMode(&decoders[i], ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
		ZydisDecoderEnableMode(&decoders[i], ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
	}
	rows_add(row_of, x87_rows);
	rows_add(row_of, xsave_rows);
	rows_add(row_of, system_rows);
	rows_add(row_of, branch_rows);
	rows_add(row_of, integer_rows);
	rows_add(row_of, sse_move_rows);
	rows_add(row_of, sse_element_rows);
	rows_add(row_of, sse_int_rows);
	rows_add(row_of, sse_float_rows);
	rows_add(row_of, sse_convert_rows);
	rows_add(row_of, sse_string_rows);
	rows_add(row_of, avx_rows);
	for (const struct decode_row *row = avx_rows; row->decode; row++)
		vex_mnemonic[row->mnemonic] = true;
	rows_add(string_row_of, string_rows);
}

uint8_t decode_gpr(ZydisRegister reg)
{
	if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
		return (uint8_t)(8 * (reg - ZYDIS_REGISTER_AH) + 1);
	if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
		return (uint8_t)(8 * (reg - ZYDIS_REGISTER_SPL + RSP));
	if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL)
		return (uint8_t)(8 * (reg - ZYDIS_REGISTER_AL));
	if (reg >= ZYDIS_REGISTER_AX && reg <= ZYDIS_REGISTER_R15W)
		return (uint8_t)(reg - ZYDIS_REGISTER_AX);
	if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D)
		return (uint8_t)(reg - ZYDIS_REGISTER_EAX);
	if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15)
		return (uint8_t)(reg - ZYDIS_REGISTER_RAX);
	return GPR_ZERO;
}

uint8_t decode_segment(ZydisRegister reg)
{
	return (uint8_t)(reg - ZYDIS_REGISTER_ES + ES);
}

void decode_memory(const struct decoder *d, const ZydisDecodedOperand *op, struct insn *insn)
{
	bool code64 = (d->mode & MODE_CODE_MASK) == MODE_CODE64;
	ZydisRegister base = op->mem.base;

	insn->seg = decode_segment(op->mem.segment);
	insn->disp = op->mem.disp.has_displacement ? op->mem.disp.value : 0;
	/* Zydis 4.0 gives R13D for SIB's "no base" (SDM Vol. 2A, table 2-3) when REX.B and a 32-bit address size come together. */
	if (base == ZYDIS_REGISTER_R13D && d->z.raw.modrm.mod == 0) {
		base = ZYDIS_REGISTER_NONE;
		insn->disp = d->z.raw.disp.value;
	}
	if (base == ZYDIS_REGISTER_RIP || base == ZYDIS_REGISTER_EIP) {
		insn->disp += (int64_t)d->next; /* RIP-relative: SDM Vol. 2A, 2.2.1.6 */
		insn->base = GPR_ZERO;
	} else {
		insn->base = base == ZYDIS_REGISTER_NONE ? GPR_ZERO : decode_gpr(base);
	}
	insn->index = op->mem.index == ZYDIS_REGISTER_NONE ? GPR_ZERO : decode_gpr(op->mem.index);
	insn->scale = op->mem.index != ZYDIS_REGISTER_NONE && op->mem.scale ? (uint8_t)__builtin_ctz(op->mem.scale) : 0;
	if (!code64 || insn->seg == FS || insn->seg == GS || d->z.address_width != 64)
		insn->flags |= INSN_ADDRESS_COMPLEX;
}

static bool decode_operands(struct decoder *d, struct insn *insn)
{
	const struct decode_row *row = row_of[d->z.mnemonic];
	int memory = -1;

	if (d->z.meta.category == ZYDIS_CATEGORY_STRINGOP && string_row_of[d->z.mnemonic])
		row = string_row_of[d->z.mnemonic];
	if (!row)
		return false;
	/* Of the other encodings only the VEX moves of avx.c are there. */
	if (d->z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY && (d->z.encoding != ZYDIS_INSTRUCTION_ENCODING_VEX || !vex_mnemonic[d->z.mnemonic]))
		return false;
	/* The first memory operand that the instruction's ModRM (or moffs) gives; hidden ones are stacks and strings. */
	for (unsigned int i = 0; i < d->z.operand_count && memory < 0; i++)
		if (d->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY && d->op[i].visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
			memory = (int)i;
	if (d->z.address_width == 16)
		insn->flags |= INSN_ADDRESS16;
	else if (d->z.address_width == 32)
		insn->flags |= INSN_ADDRESS32;
	if (d->z.attributes & ZYDIS_ATTRIB_HAS_LOCK)
		insn->flags |= INSN_LOCK;
	if (d->z.attributes & ZYDIS_ATTRIB_HAS_REPNE)
		insn->flags |= INSN_REPNE;
	else if (d->z.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE))
		insn->flags |= INSN_REP;
	insn->base = insn->index = GPR_ZERO;
	insn->seg = DS;
	insn->size = (uint8_t)(d->z.operand_width / 8);
	if (memory >= 0)
		decode_memory(d, &d->op[memory], insn);
	return row->decode(d, insn, row->argument);
}

void insn_undefined(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_fault(cpu, insn, VECTOR_UD);
}

/* #GP(0) for more than 15 bytes (SDM Vol. 2A, 2.3.11). */
static void insn_too_long(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_fault_code(cpu, insn, VECTOR_GP, 0);
}

bool decode_insn(struct x86_vcpu *cpu, uint64_t rip, const uint8_t *bytes, unsigned int available, struct insn *insn)
{
	struct decoder d = { .cpu = cpu, .mode = cpu->mode, .rip = rip, .bytes = bytes };
	unsigned int kind = d.mode & MODE_CODE_MASK;
	uint16_t offset = insn->offset;
	ZyanStatus status;

	pthread_once(&once, decoders_init);
	if (kind == MODE_CODE16 && (d.mode & (MODE_REAL | MODE_VM86)))
		kind = 3;
	memset(insn, 0, sizeof *insn);
	insn->offset = offset;
	status = ZydisDecoderDecodeFull(&decoders[kind], bytes, available, &d.z, d.op);
	if (status == ZYDIS_STATUS_NO_MORE_DATA && available < ZYDIS_MAX_INSTRUCTION_LENGTH)
		return false;
	if (!ZYAN_SUCCESS(status)) {
		insn->run = status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG || status == ZYDIS_STATUS_NO_MORE_DATA ? insn_too_long : insn_undefined;
		/* All that was looked at belongs to it: a block is good as long as its bytes are the same. */
		insn->length = (uint8_t)(available < ZYDIS_MAX_INSTRUCTION_LENGTH ? available : ZYDIS_MAX_INSTRUCTION_LENGTH);
		insn->flags |= INSN_ENDS_BLOCK;
		return true;
	}
	d.next = rip + d.z.length;
	if ((d.mode & MODE_CODE_MASK) != MODE_CODE64)
		d.next &= (d.mode & MODE_CODE_MASK) == MODE_CODE16 ? UINT16_MAX : UINT32_MAX;
	insn->length = d.z.length;
	if (!decode_operands(&d, insn) || !insn->run) {
		insn->run = insn_undefined;
		insn->flags |= INSN_ENDS_BLOCK;
	}
	return true;
}

bool decode_code64(const uint8_t *bytes, unsigned int available, ZydisDecodedInstruction *z, ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT])
{
	pthread_once(&once, decoders_init);
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoders[MODE_CODE64], bytes, available, z, op));
}
