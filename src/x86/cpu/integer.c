/*
 * The table of integer instructions: who decodes each. String instructions, branches and the stack have tables of their own.
 */
#include "x86/cpu/operand.h"

#define M(name) ZYDIS_MNEMONIC_##name

const struct decode_row integer_rows[] = {
	/* alu.c */
	{ M(ADD), alu_decode, ALU_ADD }, { M(OR), alu_decode, ALU_OR }, { M(ADC), alu_decode, ALU_ADC }, { M(SBB), alu_decode, ALU_SBB },
	{ M(AND), alu_decode, ALU_AND }, { M(SUB), alu_decode, ALU_SUB }, { M(XOR), alu_decode, ALU_XOR }, { M(CMP), alu_decode, ALU_CMP },
	{ M(TEST), alu_decode, ALU_TEST },
	{ M(INC), alu_unary_decode, ALU_INC }, { M(DEC), alu_unary_decode, ALU_DEC }, { M(NEG), alu_unary_decode, ALU_NEG },
	{ M(NOT), alu_unary_decode, ALU_NOT },
	/* atomic.c */
	{ M(XCHG), atomic_exchange_decode, 0 }, { M(XADD), atomic_add_decode, 0 }, { M(CMPXCHG), atomic_compare_decode, 0 },
	{ M(CMPXCHG8B), atomic_compare_wide_decode, 8 }, { M(CMPXCHG16B), atomic_compare_wide_decode, 16 },
	/* muldiv.c; the argument: signed */
	{ M(MUL), multiply_single_decode, false }, { M(IMUL), multiply_decode, true }, { M(DIV), divide_decode, false }, { M(IDIV), divide_decode, true },
	/* shift.c; SHLD and SHRD: left */
	{ M(ROL), shift_decode, SHIFT_ROL }, { M(ROR), shift_decode, SHIFT_ROR }, { M(RCL), shift_decode, SHIFT_RCL }, { M(RCR), shift_decode, SHIFT_RCR },
	{ M(SHL), shift_decode, SHIFT_SHL }, { M(SHR), shift_decode, SHIFT_SHR }, { M(SAR), shift_decode, SHIFT_SAR },
	{ M(SHLD), shift_double_decode, true }, { M(SHRD), shift_double_decode, false },
	/* bits.c; scans: reverse */
	{ M(BT), bit_test_decode, BIT_TEST }, { M(BTS), bit_test_decode, BIT_SET }, { M(BTR), bit_test_decode, BIT_RESET },
	{ M(BTC), bit_test_decode, BIT_COMPLEMENT },
	{ M(BSF), bit_scan_decode, false }, { M(BSR), bit_scan_decode, true }, { M(TZCNT), bit_scan_decode, false }, { M(LZCNT), bit_scan_decode, true },
	{ M(POPCNT), population_decode, 0 }, { M(CRC32), crc32_decode, 0 },
	/* bcd.c */
	{ M(AAA), bcd_decode, BCD_AAA }, { M(AAS), bcd_decode, BCD_AAS }, { M(AAM), bcd_decode, BCD_AAM }, { M(AAD), bcd_decode, BCD_AAD },
	{ M(DAA), bcd_decode, BCD_DAA }, { M(DAS), bcd_decode, BCD_DAS },
	/* move.c; extensions: signed; widenings: into rDX */
	{ M(MOV), move_decode, 0 }, { M(MOVNTI), move_decode, 0 }, { M(MOVZX), move_extend_decode, false }, { M(MOVSX), move_extend_decode, true },
	{ M(MOVSXD), move_extend_decode, true }, { M(MOVBE), move_swapped_decode, 0 }, { M(BSWAP), byte_swap_decode, 0 }, { M(LEA), lea_decode, 0 },
	{ M(XLAT), xlat_decode, 0 },
	{ M(CBW), widen_decode, false }, { M(CWDE), widen_decode, false }, { M(CDQE), widen_decode, false },
	{ M(CWD), widen_decode, true }, { M(CDQ), widen_decode, true }, { M(CQO), widen_decode, true },
	/* Conditions as encoded: move.c, status.c */
	{ M(CMOVO), move_conditional_decode, 0 }, { M(CMOVNO), move_conditional_decode, 1 }, { M(CMOVB), move_conditional_decode, 2 },
	{ M(CMOVNB), move_conditional_decode, 3 }, { M(CMOVZ), move_conditional_decode, 4 }, { M(CMOVNZ), move_conditional_decode, 5 },
	{ M(CMOVBE), move_conditional_decode, 6 }, { M(CMOVNBE), move_conditional_decode, 7 }, { M(CMOVS), move_conditional_decode, 8 },
	{ M(CMOVNS), move_conditional_decode, 9 }, { M(CMOVP), move_conditional_decode, 10 }, { M(CMOVNP), move_conditional_decode, 11 },
	{ M(CMOVL), move_conditional_decode, 12 }, { M(CMOVNL), move_conditional_decode, 13 }, { M(CMOVLE), move_conditional_decode, 14 },
	{ M(CMOVNLE), move_conditional_decode, 15 },
	{ M(SETO), set_condition_decode, 0 }, { M(SETNO), set_condition_decode, 1 }, { M(SETB), set_condition_decode, 2 },
	{ M(SETNB), set_condition_decode, 3 }, { M(SETZ), set_condition_decode, 4 }, { M(SETNZ), set_condition_decode, 5 },
	{ M(SETBE), set_condition_decode, 6 }, { M(SETNBE), set_condition_decode, 7 }, { M(SETS), set_condition_decode, 8 },
	{ M(SETNS), set_condition_decode, 9 }, { M(SETP), set_condition_decode, 10 }, { M(SETNP), set_condition_decode, 11 },
	{ M(SETL), set_condition_decode, 12 }, { M(SETNL), set_condition_decode, 13 }, { M(SETLE), set_condition_decode, 14 },
	{ M(SETNLE), set_condition_decode, 15 },
	/* status.c */
	{ M(CLC), status_decode, STATUS_CLC }, { M(STC), status_decode, STATUS_STC }, { M(CMC), status_decode, STATUS_CMC }, { M(CLD), status_decode, STATUS_CLD },
	{ M(STD), status_decode, STATUS_STD }, { M(LAHF), status_decode, STATUS_LAHF }, { M(SAHF), status_decode, STATUS_SAHF }, { M(SALC), status_decode, STATUS_SALC },
	/* hint.c. ENDBR and RDSSP are NOPs without CET, CLDEMOTE everywhere that does not know it. */
	{ M(NOP), nop_decode, 0 }, { M(PAUSE), pause_decode, 0 }, { M(ENDBR32), nop_decode, 0 }, { M(ENDBR64), nop_decode, 0 },
	{ M(RDSSPD), nop_decode, 0 }, { M(RDSSPQ), nop_decode, 0 }, { M(CLDEMOTE), nop_decode, 0 },
	{ M(PREFETCH), nop_decode, 0 }, { M(PREFETCHNTA), nop_decode, 0 }, { M(PREFETCHT0), nop_decode, 0 }, { M(PREFETCHT1), nop_decode, 0 },
	{ M(PREFETCHT2), nop_decode, 0 }, { M(PREFETCHW), nop_decode, 0 }, { M(PREFETCHWT1), nop_decode, 0 },
	{ M(LFENCE), fence_decode, 0 }, { M(SFENCE), fence_decode, 0 }, { M(MFENCE), fence_decode, 0 },
	{ M(CLFLUSH), flush_decode, 0 }, { M(CLFLUSHOPT), flush_decode, 0 }, { M(BOUND), bound_decode, 0 },
	/* random.c; seed */
	{ M(RDRAND), random_decode, false }, { M(RDSEED), random_decode, true },
	{ 0 },
};
