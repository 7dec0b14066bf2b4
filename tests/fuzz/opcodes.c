/*
 * The opcode table: Intel SDM vol. 2, appendix A, opcode maps; x86-64-v2 and what AES, PCLMULQDQ, SHA and ADX add where both CPUs have them.
 * It must never know what an instruction does.
 */
#include "insn.h"
#include "opcodes.h"

enum {
	ALL = 0xff,	/* every value of a three-bit field */
	I = GROUP_INTEGER, F = GROUP_X87, M = GROUP_MMX, S = GROUP_SSE, MS = GROUP_MMX | GROUP_SSE,
	NP = PP_NP, P66 = PP_66, PF3 = PP_F3, PF2 = PP_F2, ANY4 = PP_NP | PP_66 | PP_F3 | PP_F2, NP66 = PP_NP | PP_66,
};

const struct opcode_row opcode_rows[] = {
	/* map, opcodes, low bits, prefixes, form, /reg, flags, group, weight */
	/* ADD OR ADC SBB AND SUB XOR CMP */
	{ MAP_1, 0x00, 0x3f, 0x0f, NP, FORM_ANY, ALL, ROW_LOCK, I, 40 },
	{ MAP_1, 0x00, 0x3f, 0x30, NP, FORM_ANY, ALL, 0, I, 12 },
	{ MAP_1, 0x80, 0x83, ALL, NP, FORM_ANY, ALL, ROW_LOCK, I, 30 },
	{ MAP_1, 0x06, 0x1f, 0xc0, NP, FORM_ANY, ALL, ROW_32, I, 4 },	/* PUSH, POP of segment registers */
	{ MAP_1, 0x27, 0x3f, 0x80, NP, FORM_ANY, ALL, ROW_32, I, 12 },	/* DAA DAS AAA AAS */
	{ MAP_1, 0xd4, 0xd5, ALL, NP, FORM_ANY, ALL, ROW_32, I, 6 },	/* AAM AAD */
	{ MAP_1, 0x40, 0x4f, ALL, NP, FORM_ANY, ALL, ROW_32, I, 6 },	/* INC DEC */
	{ MAP_1, 0x50, 0x5f, ALL, NP, FORM_ANY, ALL, 0, I, 8 },		/* PUSH POP */
	{ MAP_1, 0x60, 0x61, ALL, NP, FORM_ANY, ALL, ROW_32, I, 4 },	/* PUSHA POPA */
	{ MAP_1, 0x62, 0x62, ALL, NP, FORM_MEM, ALL, ROW_32, I, 4 },	/* BOUND */
	{ MAP_1, 0x63, 0x63, ALL, NP, FORM_ANY, ALL, 0, I, 4 },		/* MOVSXD, ARPL */
	{ MAP_1, 0x68, 0x68, ALL, NP, FORM_ANY, ALL, 0, I, 2 },
	{ MAP_1, 0x6a, 0x6a, ALL, NP, FORM_ANY, ALL, 0, I, 2 },
	{ MAP_1, 0x69, 0x6b, 0x0a, NP, FORM_ANY, ALL, 0, I, 8 },	/* IMUL */
	{ MAP_1, 0x6c, 0x6f, ALL, NP, FORM_ANY, ALL, ROW_REP, I, 1 },	/* INS OUTS */
	{ MAP_1, 0x70, 0x7f, ALL, NP, FORM_ANY, ALL, 0, I, 8 },		/* Jcc */
	{ MAP_1, 0x84, 0x85, ALL, NP, FORM_ANY, ALL, 0, I, 4 },		/* TEST */
	{ MAP_1, 0x86, 0x87, ALL, NP, FORM_ANY, ALL, ROW_LOCK, I, 5 },	/* XCHG */
	{ MAP_1, 0x88, 0x8b, ALL, NP, FORM_ANY, ALL, 0, I, 8 },		/* MOV */
	{ MAP_1, 0x8c, 0x8c, ALL, NP, FORM_ANY, 0x3f, 0, I, 2 },
	{ MAP_1, 0x8e, 0x8e, ALL, NP, FORM_ANY, 0x0f, 0, I, 3 },
	{ MAP_1, 0x8d, 0x8d, ALL, NP, FORM_MEM, ALL, 0, I, 8 },		/* LEA */
	{ MAP_1, 0x8f, 0x8f, ALL, NP, FORM_ANY, 0x01, 0, I, 3 },	/* POP r/m */
	{ MAP_1, 0x90, 0x97, ALL, NP, FORM_ANY, ALL, 0, I, 4 },		/* NOP, XCHG */
	{ MAP_1, 0x98, 0x99, ALL, NP, FORM_ANY, ALL, 0, I, 5 },		/* CBW..., CWD... */
	{ MAP_1, 0x9c, 0x9f, ALL, NP, FORM_ANY, ALL, 0, I, 8 },		/* PUSHF POPF SAHF LAHF */
	{ MAP_1, 0xa0, 0xa3, ALL, NP, FORM_ANY, ALL, 0, I, 4 },		/* MOV moffs */
	{ MAP_1, 0xa4, 0xa7, ALL, NP, FORM_ANY, ALL, ROW_REP, I, 12 },	/* MOVS CMPS */
	{ MAP_1, 0xaa, 0xaf, ALL, NP, FORM_ANY, ALL, ROW_REP, I, 15 },	/* STOS LODS SCAS */
	{ MAP_1, 0xa8, 0xa9, ALL, NP, FORM_ANY, ALL, 0, I, 3 },		/* TEST */
	{ MAP_1, 0xb0, 0xbf, ALL, NP, FORM_ANY, ALL, 0, I, 4 },		/* MOV */
	{ MAP_1, 0xc0, 0xc1, ALL, NP, FORM_ANY, ALL, 0, I, 16 },	/* shifts and rotates */
	{ MAP_1, 0xd0, 0xd3, ALL, NP, FORM_ANY, ALL, 0, I, 24 },
	{ MAP_1, 0xc2, 0xc3, ALL, NP, FORM_ANY, ALL, 0, I, 4 },		/* RET */
	{ MAP_1, 0xc4, 0xc5, ALL, NP, FORM_MEM, ALL, ROW_32, I, 3 },	/* LES LDS */
	{ MAP_1, 0xc6, 0xc7, ALL, NP, FORM_ANY, 0x01, 0, I, 4 },	/* MOV */
	{ MAP_1, 0xc8, 0xc9, ALL, NP, FORM_ANY, ALL, 0, I, 5 },		/* ENTER LEAVE */
	{ MAP_1, 0xca, 0xcb, ALL, NP, FORM_ANY, ALL, 0, I, 3 },		/* RET far */
	{ MAP_1, 0xcc, 0xcd, ALL, NP, FORM_ANY, ALL, 0, I, 2 },		/* INT */
	{ MAP_1, 0xce, 0xce, ALL, NP, FORM_ANY, ALL, ROW_32, I, 1 },	/* INTO */
	{ MAP_1, 0xcf, 0xcf, ALL, NP, FORM_ANY, ALL, 0, I, 2 },		/* IRET */
	{ MAP_1, 0xd7, 0xd7, ALL, NP, FORM_ANY, ALL, 0, I, 3 },		/* XLAT */
	{ MAP_1, 0xe0, 0xe3, ALL, NP, FORM_ANY, ALL, 0, I, 6 },		/* LOOP JRCXZ */
	{ MAP_1, 0xe4, 0xe7, ALL, NP, FORM_ANY, ALL, 0, I, 1 },		/* IN OUT */
	{ MAP_1, 0xec, 0xef, ALL, NP, FORM_ANY, ALL, 0, I, 1 },
	{ MAP_1, 0xe8, 0xe9, ALL, NP, FORM_ANY, ALL, 0, I, 5 },		/* CALL JMP */
	{ MAP_1, 0xeb, 0xeb, ALL, NP, FORM_ANY, ALL, 0, I, 2 },
	{ MAP_1, 0x9a, 0x9a, ALL, NP, FORM_ANY, ALL, ROW_32, I, 1 },	/* CALL JMP far */
	{ MAP_1, 0xea, 0xea, ALL, NP, FORM_ANY, ALL, ROW_32, I, 1 },
	{ MAP_1, 0xf1, 0xf1, ALL, NP, FORM_ANY, ALL, 0, I, 1 },		/* INT1 */
	{ MAP_1, 0xf4, 0xf4, ALL, NP, FORM_ANY, ALL, 0, I, 1 },		/* HLT */
	{ MAP_1, 0xf5, 0xf5, ALL, NP, FORM_ANY, ALL, 0, I, 2 },		/* CMC */
	{ MAP_1, 0xf8, 0xfd, ALL, NP, FORM_ANY, ALL, 0, I, 6 },		/* CLC STC CLI STI CLD STD */
	{ MAP_1, 0xf6, 0xf7, ALL, NP, FORM_ANY, ALL, ROW_LOCK, I, 35 },	/* TEST NOT NEG MUL IMUL DIV IDIV */
	{ MAP_1, 0xfe, 0xff, ALL, NP, FORM_ANY, 0x03, ROW_LOCK, I, 8 },	/* INC DEC */
	{ MAP_1, 0xff, 0xff, ALL, NP, FORM_ANY, 0x54, 0, I, 8 },	/* CALL JMP PUSH */
	{ MAP_1, 0xff, 0xff, ALL, NP, FORM_MEM, 0x28, 0, I, 2 },	/* CALL JMP far */
	/* 0F: integer */
	{ MAP_0F, 0x00, 0x00, ALL, NP, FORM_ANY, 0x30, 0, I, 3 },	/* VERR VERW */
	{ MAP_0F, 0x00, 0x00, ALL, NP, FORM_ANY, 0x0c, 0, I, 1 },	/* LLDT LTR */
	{ MAP_0F, 0x01, 0x01, ALL, NP, FORM_MEM, 0xcc, 0, I, 1 },	/* LGDT LIDT LMSW INVLPG */
	{ MAP_0F, 0x02, 0x03, ALL, NP, FORM_ANY, ALL, 0, I, 4 },	/* LAR LSL */
	{ MAP_0F, 0x06, 0x09, ALL, NP, FORM_ANY, ALL, 0, I, 1 },	/* CLTS INVD WBINVD */
	{ MAP_0F, 0x0b, 0x0b, ALL, NP, FORM_ANY, ALL, 0, I, 1 },	/* UD2 */
	{ MAP_0F, 0xb9, 0xb9, ALL, NP, FORM_ANY, ALL, 0, I, 1 },	/* UD1 */
	{ MAP_0F, 0x0d, 0x0d, ALL, NP, FORM_MEM, 0x03, 0, I, 1 },	/* PREFETCH PREFETCHW */
	{ MAP_0F, 0x18, 0x18, ALL, NP, FORM_MEM, 0x0f, 0, I, 1 },	/* PREFETCHh */
	{ MAP_0F, 0x19, 0x1f, 0xe2, NP, FORM_ANY, ALL, 0, I, 3 },	/* NOP */
	{ MAP_0F, 0x20, 0x23, ALL, NP, FORM_REG, ALL, 0, I, 1 },	/* MOV CR, DR */
	{ MAP_0F, 0x30, 0x32, 0x05, NP, FORM_ANY, ALL, 0, I, 1 },	/* WRMSR RDMSR */
	{ MAP_0F, 0x40, 0x4f, ALL, NP, FORM_ANY, ALL, 0, I, 12 },	/* CMOVcc */
	{ MAP_0F, 0x80, 0x8f, ALL, NP, FORM_ANY, ALL, 0, I, 5 },	/* Jcc */
	{ MAP_0F, 0x90, 0x9f, ALL, NP, FORM_ANY, ALL, 0, I, 12 },	/* SETcc */
	{ MAP_0F, 0xa0, 0xa8, 0x01, NP, FORM_ANY, ALL, 0, I, 1 },	/* PUSH FS, GS */
	{ MAP_0F, 0xa3, 0xbb, 0x08, NP, FORM_ANY, ALL, ROW_LOCK, I, 24 }, /* BT BTS BTR BTC */
	{ MAP_0F, 0xba, 0xba, ALL, NP, FORM_ANY, 0xf0, ROW_LOCK, I, 12 },
	{ MAP_0F, 0xa4, 0xa5, ALL, NP, FORM_ANY, ALL, 0, I, 8 },	/* SHLD */
	{ MAP_0F, 0xac, 0xad, ALL, NP, FORM_ANY, ALL, 0, I, 8 },	/* SHRD */
	{ MAP_0F, 0xaf, 0xaf, ALL, NP, FORM_ANY, ALL, 0, I, 6 },	/* IMUL */
	{ MAP_0F, 0xb0, 0xb1, ALL, NP, FORM_ANY, ALL, ROW_LOCK, I, 8 },	/* CMPXCHG */
	{ MAP_0F, 0xb2, 0xb2, ALL, NP, FORM_MEM, ALL, 0, I, 1 },	/* LSS */
	{ MAP_0F, 0xb6, 0xb7, ALL, NP, FORM_ANY, ALL, 0, I, 4 },	/* MOVZX */
	{ MAP_0F, 0xbe, 0xbf, ALL, NP, FORM_ANY, ALL, 0, I, 4 },	/* MOVSX */
	{ MAP_0F, 0xb8, 0xb8, ALL, PF3, FORM_ANY, ALL, 0, I, 5 },	/* POPCNT */
	{ MAP_0F, 0xbc, 0xbd, ALL, NP, FORM_ANY, ALL, 0, I, 8 },	/* BSF BSR */
	{ MAP_0F, 0xbd, 0xbd, ALL, PF3, FORM_ANY, ALL, 0, I, 4 },	/* LZCNT */
	{ MAP_0F, 0xc0, 0xc1, ALL, NP, FORM_ANY, ALL, ROW_LOCK, I, 6 },	/* XADD */
	{ MAP_0F, 0xc3, 0xc3, ALL, NP, FORM_MEM, ALL, 0, I, 3 },	/* MOVNTI */
	{ MAP_0F, 0xc7, 0xc7, ALL, NP, FORM_MEM, 0x02, ROW_LOCK, I, 8 }, /* CMPXCHG8B, CMPXCHG16B */
	{ MAP_0F, 0xc8, 0xcf, ALL, NP, FORM_ANY, ALL, 0, I, 4 },	/* BSWAP */
	{ MAP_0F38, 0xf0, 0xf1, ALL, NP, FORM_MEM, ALL, 0, I, 6 },	/* MOVBE */
	{ MAP_0F38, 0xf0, 0xf1, ALL, PF2 | PP_66F2, FORM_ANY, ALL, 0, I, 8 }, /* CRC32 */
	{ MAP_0F38, 0xf6, 0xf6, ALL, P66 | PF3, FORM_ANY, ALL, 0, I, 6 }, /* ADCX ADOX */
	{ MAP_0F, 0xae, 0xae, ALL, NP, FORM_MEM, 0x80, 0, I, 1 },	/* CLFLUSH */
	{ MAP_0F, 0xae, 0xae, ALL, NP, FORM_REG, 0xe0, 0, I, 1 },	/* LFENCE MFENCE SFENCE */
	/* x87 */
	{ MAP_1, 0xd8, 0xdf, ALL, NP, FORM_ANY, ALL, 0, F, 80 },
	{ MAP_1, 0xdb, 0xdb, ALL, NP, FORM_REG, 0x10, 0, F, 5 },	/* FNINIT FNCLEX and the like */
	{ MAP_1, 0xd9, 0xd9, ALL, NP, FORM_REG, 0xf0, 0, F, 35 },	/* constants, transcendentals and the like */
	{ MAP_1, 0xd9, 0xdd, 0x22, NP, FORM_MEM, 0xd0, 0, F, 8 },	/* environment and state */
	{ MAP_1, 0xdb, 0xdf, 0x88, NP, FORM_MEM, 0xe2, 0, F, 6 },	/* FISTTP, 80 bits, BCD */
	{ MAP_1, 0x9b, 0x9b, ALL, NP, FORM_ANY, ALL, 0, F, 2 },		/* FWAIT */
	{ MAP_0F, 0xae, 0xae, ALL, NP, FORM_MEM, 0x03, 0, F, 5 },	/* FXSAVE FXRSTOR */
	{ MAP_0F, 0x77, 0x77, ALL, NP, FORM_ANY, ALL, 0, M, 2 },	/* EMMS */
	/* SSE state */
	{ MAP_0F, 0xae, 0xae, ALL, NP, FORM_MEM, 0x0c, 0, S, 5 },	/* LDMXCSR STMXCSR */
	{ MAP_0F, 0xae, 0xae, ALL, NP, FORM_MEM, 0x70, 0, S, 5 },	/* XSAVE XRSTOR XSAVEOPT */
	{ MAP_0F, 0xc7, 0xc7, ALL, NP, FORM_MEM, 0x10, 0, S, 2 },	/* XSAVEC */
	{ MAP_0F, 0x01, 0x01, ALL, NP, FORM_REG, 0x04, 0, S, 1 },	/* XSETBV */
	/* 0F: MMX and SSE */
	{ MAP_0F, 0x10, 0x11, ALL, ANY4, FORM_ANY, ALL, 0, S, 8 },
	{ MAP_0F, 0x12, 0x12, ALL, ANY4, FORM_ANY, ALL, 0, S, 5 },
	{ MAP_0F, 0x13, 0x15, ALL, NP66, FORM_ANY, ALL, 0, S, 6 },
	{ MAP_0F, 0x16, 0x16, ALL, NP | P66 | PF3, FORM_ANY, ALL, 0, S, 4 },
	{ MAP_0F, 0x17, 0x17, ALL, NP66, FORM_MEM, ALL, 0, S, 2 },
	{ MAP_0F, 0x28, 0x29, ALL, NP66, FORM_ANY, ALL, 0, S, 4 },
	{ MAP_0F, 0x2a, 0x2a, ALL, ANY4, FORM_ANY, ALL, 0, MS, 6 },
	{ MAP_0F, 0x2b, 0x2b, ALL, NP66, FORM_MEM, ALL, 0, S, 2 },
	{ MAP_0F, 0x2c, 0x2d, ALL, ANY4, FORM_ANY, ALL, 0, MS, 12 },
	{ MAP_0F, 0x2e, 0x2f, ALL, NP66, FORM_ANY, ALL, 0, S, 6 },
	{ MAP_0F, 0x50, 0x50, ALL, NP66, FORM_REG, ALL, 0, S, 2 },
	{ MAP_0F, 0x51, 0x51, ALL, ANY4, FORM_ANY, ALL, 0, S, 6 },
	{ MAP_0F, 0x52, 0x53, ALL, NP | PF3, FORM_ANY, ALL, 0, S, 4 },
	{ MAP_0F, 0x54, 0x57, ALL, NP66, FORM_ANY, ALL, 0, S, 6 },
	{ MAP_0F, 0x58, 0x59, ALL, ANY4, FORM_ANY, ALL, 0, S, 12 },
	{ MAP_0F, 0x5a, 0x5a, ALL, ANY4, FORM_ANY, ALL, 0, S, 8 },
	{ MAP_0F, 0x5b, 0x5b, ALL, NP | P66 | PF3, FORM_ANY, ALL, 0, S, 6 },
	{ MAP_0F, 0x5c, 0x5f, ALL, ANY4, FORM_ANY, ALL, 0, S, 20 },
	{ MAP_0F, 0x60, 0x6b, ALL, NP66, FORM_ANY, ALL, 0, MS, 14 },
	{ MAP_0F, 0x6c, 0x6d, ALL, P66, FORM_ANY, ALL, 0, S, 2 },
	{ MAP_0F, 0x6e, 0x6e, ALL, NP66, FORM_ANY, ALL, 0, MS, 3 },
	{ MAP_0F, 0x7e, 0x7e, ALL, NP | P66 | PF3, FORM_ANY, ALL, 0, MS, 4 },
	{ MAP_0F, 0x6f, 0x7f, 0x80, NP | P66 | PF3, FORM_ANY, ALL, 0, MS, 4 }, /* EMMS too */
	{ MAP_0F, 0x70, 0x70, ALL, ANY4, FORM_ANY, ALL, 0, MS, 6 },
	{ MAP_0F, 0x71, 0x72, ALL, NP66, FORM_REG, 0x54, 0, MS, 6 },
	{ MAP_0F, 0x73, 0x73, ALL, NP66, FORM_REG, 0xcc, 0, MS, 5 },
	{ MAP_0F, 0x74, 0x76, ALL, NP66, FORM_ANY, ALL, 0, MS, 4 },
	{ MAP_0F, 0x7c, 0x7d, ALL, P66 | PF2, FORM_ANY, ALL, 0, S, 6 },
	{ MAP_0F, 0xc2, 0xc2, ALL, ANY4, FORM_ANY, ALL, 0, S, 10 },
	{ MAP_0F, 0xc4, 0xc4, ALL, NP66, FORM_ANY, ALL, 0, MS, 3 },
	{ MAP_0F, 0xc5, 0xc5, ALL, NP66, FORM_REG, ALL, 0, MS, 3 },
	{ MAP_0F, 0xc6, 0xc6, ALL, NP66, FORM_ANY, ALL, 0, S, 4 },
	{ MAP_0F, 0xd0, 0xd0, ALL, P66 | PF2, FORM_ANY, ALL, 0, S, 4 },
	{ MAP_0F, 0xd1, 0xd5, ALL, NP66, FORM_ANY, ALL, 0, MS, 8 },
	{ MAP_0F, 0xd6, 0xd6, ALL, P66 | PF3 | PF2, FORM_ANY, ALL, 0, MS, 4 },
	{ MAP_0F, 0xd7, 0xd7, ALL, NP66, FORM_REG, ALL, 0, MS, 2 },
	{ MAP_0F, 0xd8, 0xe5, ALL, NP66, FORM_ANY, ALL, 0, MS, 20 },
	{ MAP_0F, 0xe6, 0xe6, ALL, P66 | PF3 | PF2, FORM_ANY, ALL, 0, S, 8 },
	{ MAP_0F, 0xe7, 0xe7, ALL, NP66, FORM_MEM, ALL, 0, MS, 2 },
	{ MAP_0F, 0xe8, 0xef, ALL, NP66, FORM_ANY, ALL, 0, MS, 10 },
	{ MAP_0F, 0xf0, 0xf0, ALL, PF2, FORM_MEM, ALL, 0, S, 2 },
	{ MAP_0F, 0xf1, 0xf6, ALL, NP66, FORM_ANY, ALL, 0, MS, 10 },
	{ MAP_0F, 0xf7, 0xf7, ALL, NP66, FORM_REG, ALL, 0, MS, 3 },	/* MASKMOVQ, MASKMOVDQU */
	{ MAP_0F, 0xf8, 0xfe, ALL, NP66, FORM_ANY, ALL, 0, MS, 8 },
	/* 0F 38 and 0F 3A */
	{ MAP_0F38, 0x00, 0x0b, ALL, NP66, FORM_ANY, ALL, 0, MS, 14 },
	{ MAP_0F38, 0x10, 0x17, 0xb1, P66, FORM_ANY, ALL, 0, S, 5 },
	{ MAP_0F38, 0x1c, 0x1e, ALL, NP66, FORM_ANY, ALL, 0, MS, 4 },
	{ MAP_0F38, 0x20, 0x25, ALL, P66, FORM_ANY, ALL, 0, S, 6 },
	{ MAP_0F38, 0x28, 0x2b, ALL, P66, FORM_ANY, ALL, 0, S, 5 },
	{ MAP_0F38, 0x30, 0x3f, ALL, P66, FORM_ANY, ALL, 0, S, 15 },
	{ MAP_0F38, 0x40, 0x41, ALL, P66, FORM_ANY, ALL, 0, S, 3 },
	{ MAP_0F38, 0xc8, 0xcd, ALL, NP, FORM_ANY, ALL, 0, S, 6 },	/* SHA */
	{ MAP_0F38, 0xdb, 0xdf, ALL, P66, FORM_ANY, ALL, 0, S, 5 },	/* AES */
	{ MAP_0F3A, 0x08, 0x0e, ALL, P66, FORM_ANY, ALL, 0, S, 10 },
	{ MAP_0F3A, 0x0f, 0x0f, ALL, NP66, FORM_ANY, ALL, 0, MS, 3 },
	{ MAP_0F3A, 0x14, 0x17, ALL, P66, FORM_ANY, ALL, 0, S, 6 },
	{ MAP_0F3A, 0x20, 0x22, ALL, P66, FORM_ANY, ALL, 0, S, 5 },
	{ MAP_0F3A, 0x40, 0x42, ALL, P66, FORM_ANY, ALL, 0, S, 5 },
	{ MAP_0F3A, 0x44, 0x44, ALL, P66, FORM_ANY, ALL, 0, S, 3 },	/* PCLMULQDQ */
	{ MAP_0F3A, 0x60, 0x63, ALL, P66, FORM_ANY, ALL, 0, S, 16 },	/* PCMPxSTRx */
	{ MAP_0F3A, 0xcc, 0xcc, ALL, NP, FORM_ANY, ALL, 0, S, 2 },
	{ MAP_0F3A, 0xdf, 0xdf, ALL, P66, FORM_ANY, ALL, 0, S, 2 },
};

const size_t opcode_row_count = sizeof(opcode_rows) / sizeof(opcode_rows[0]);
